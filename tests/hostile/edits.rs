//! Manifests that `render`, `apply` and the plugins read.

use super::measure::{Expectation, Family, InputFiles, Row, linear};

/// The beginning of a Job, up to the first container.
pub(crate) const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: etl\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: flow\n        image: x\n";
/// A Job on one line.
const FLOW_JOB: &str = "{kind: Job, spec: {template: {spec: {containers: [{name: a}]}}}}";
const CONFIG_MAP_WITH_JOB: &str = "kind: ConfigMap\nmetadata: {name: m}\ndata:\n  job_template.yaml: |\n    kind: Job\n    spec: {template: {spec: {containers: [{name: a}]}}}\n";

/// Returns the parts for 0 to N - 1, one after the other.
pub(crate) fn repeat(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

/// Returns one file.
pub(crate) fn file(name: &str, text: String) -> InputFiles {
    vec![(name.to_owned(), text)]
}

/// Returns the file `f.yaml`.
fn manifest(text: String) -> InputFiles {
    file("f.yaml", text)
}

fn fallback_job(rest: &str) -> InputFiles {
    manifest(format!("{JOB}? q\n: r\n{rest}"))
}

/// Returns a Job whose variable `T` has a value of N times these lines.
fn replaced_entry(lines: &str, n: usize) -> InputFiles {
    let lines = lines.repeat(n);
    manifest(format!("{JOB}        env:\n        - name: T\n          valueFrom:\n            fileKeyRef:\n{lines}"))
}

const RENDER: &str = "render f.yaml -q --env T=b";

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, command, generate| Family { name, generate, command, n, expected: linear() };
    let mut table = documents(&row);
    table.extend(custom_resources(&row));
    table.extend(reports(&row));
    table
}

/// Returns the families about documents with many entries, keys, lines or nodes.
fn documents(row: Row<'_>) -> Vec<Family> {
    vec![
        row("edits/env_entries", 5_000, RENDER, |n| {
            manifest(format!(
                "{JOB}        env:\n{}",
                repeat(n, |i| format!("        - name: A{i}\n          value: x\n"))
            ))
        }),
        row("edits/chain_of_variables", 5_000, RENDER, |n| {
            let entry = |i| format!("        - {{name: A{i}, value: \"$(A{})\"}}\n", i + 1);
            manifest(format!("{JOB}        env:\n{}", repeat(n, entry)))
        }),
        row("edits/open_references_in_a_value", 200_000, RENDER, |n| {
            manifest(format!("{JOB}        env:\n        - name: A\n          value: {}\n", "$(".repeat(n)))
        }),
        row("edits/lines_of_a_replaced_entry", 10_000, RENDER, |n| replaced_entry("            - a: b\n", n)),
        row("edits/comments_in_a_replaced_entry", 10_000, RENDER, |n| {
            replaced_entry("            # c\n            - a\n", n)
        }),
        row("edits/anchors", 2_000, RENDER, |n| {
            let item = |i| {
                format!(
                    "- kind: Job\n  spec: &a{i}\n    template:\n      spec:\n        containers:\n        - name: a\n"
                )
            };
            manifest(format!("kind: List\nitems:\n{}", repeat(n, item)))
        }),
        row("edits/anchors_and_an_alias", 2_000, RENDER, |n| {
            let item = |i| {
                format!("- kind: Job\n  spec: &a{i}\n    template: {{spec: {{containers: [{{name: a}}]}}}}\n  x: *b\n")
            };
            manifest(format!("x: &b y\nkind: List\nitems:\n{}", repeat(n, item)))
        }),
        row("edits/merged_items", 2_000, RENDER, |n| {
            let keys = repeat(n, |i| format!("a{i}: 1, "));
            let items = "- {<<: *b}\n".repeat(n);
            manifest(format!("kind: List\nx: &b {{{keys}}}\nitems:\n- {FLOW_JOB}\n{items}"))
        }),
        row("edits/json_empty_env", 2_000, "render f.json -q --env T=b", |n| {
            let item = r#"{"kind":"Job","spec":{"template":{"spec":{"containers":[{"env":[]}]}}}}"#;
            file("f.json", format!("{{\"kind\":\"List\",\"items\":[{}]}}", vec![item; n].join(",")))
        }),
        row("edits/jobs_on_one_line", 2_000, RENDER, |n| {
            manifest(format!("{{kind: List, items: [{}]}}\n", vec![FLOW_JOB; n].join(", ")))
        }),
        row("edits/documents", 1_000, RENDER, |n| manifest(format!("{FLOW_JOB}\n---\n").repeat(n))),
        row("edits/files", 400, "render m -q --env T=b", |n| {
            (0..n).map(|i| (format!("m/f{i}.yaml"), format!("{FLOW_JOB}\n"))).collect()
        }),
        row("edits/files_in_place", 200, "render m -q --env T=b -i", |n| {
            (0..n).map(|i| (format!("m/f{i}.yaml"), format!("{FLOW_JOB}\n"))).collect()
        }),
        row("edits/config_map_keys", 5_000, "render f.yaml -q --env T=b --target cm/x:* --allow-no-match", |n| {
            let keys = repeat(n, |i| format!("  k{i}: \"containers\"\n"));
            manifest(format!("kind: ConfigMap\nmetadata: {{name: x}}\ndata:\n{keys}"))
        }),
        row("edits/checksums", 3_000, RENDER, |n| {
            let annotations = repeat(n, |i| format!("        checksum/a{i}: x\n"));
            manifest(format!(
                "{CONFIG_MAP_WITH_JOB}---\nkind: Deployment\nspec:\n  template:\n    metadata:\n      annotations:\n{annotations}    spec: {{containers: [{{name: a}}], volumes: [{{configMap: {{name: m}}}}]}}\n"
            ))
        }),
        row("edits/pods_of_a_changed_config_map", 500, RENDER, |n| {
            let pod = |i| {
                format!(
                    "  k{i}: {{template: {{spec: {{containers: [{{}}], volumes: [{{configMap: {{name: m}}}}]}}}}}}\n"
                )
            };
            manifest(format!("{CONFIG_MAP_WITH_JOB}---\nkind: Foo\nspec:\n{}", repeat(n, pod)))
        }),
        row("edits/changed_config_maps", 150, RENDER, |n| {
            let map = |i| {
                let pod = format!(
                    "---\nkind: Deployment\nspec: {{template: {{spec: {{containers: [{{name: a}}], volumes: [{{configMap: {{name: m{i}}}}}]}}}}}}\n---\n"
                );
                CONFIG_MAP_WITH_JOB.replace("name: m", &format!("name: m{i}")) + &pod
            };
            manifest(repeat(n, map))
        }),
        row("edits/fallback_items", 5_000, RENDER, |n| fallback_job(&format!("c:\n{}", "- [a]\n".repeat(n)))),
        row("edits/fallback_line", 5_000, RENDER, |n| {
            manifest(format!(
                "{{? kind : Job, spec: {{template: {{spec: {{containers: [{{name: a}}]}}}}}}, x: [{}]}}\n",
                vec!["[]"; n].join(",")
            ))
        }),
        row("edits/fallback_jobs", 300, RENDER, |n| {
            manifest(format!("? q\n: r\nkind: List\nitems:\n{}", format!("- {FLOW_JOB}\n").repeat(n)))
        }),
        row("edits/long_scalar", 1_000_000, RENDER, |n| manifest(format!("{JOB}x: {}\n", "a".repeat(n)))),
        row("edits/percent_signs_after_byte_order_marks", 20_000, RENDER, |n| {
            manifest(format!("{}a{}\n---\n{FLOW_JOB}\n", "\u{feff}".repeat(n), "%".repeat(n)))
        }),
        row("edits/escaped_line_breaks", 5_000, RENDER, |n| {
            let breaks = format!("\\\n{}", " ".repeat(40)).repeat(n);
            manifest(format!("a: \"{breaks}\"\n---\n{FLOW_JOB}\n"))
        }),
        row("edits/comments", 50_000, RENDER, |n| manifest(format!("{JOB}{}", "# a comment\n".repeat(n)))),
    ]
}

/// Returns the families about custom resources and embedded documents.
fn custom_resources(row: Row<'_>) -> Vec<Family> {
    vec![
        row("edits/shapes_in_a_map", 3_000, "render f.yaml -q --env T=b --target Foo", |n| {
            manifest(format!("kind: Foo\nitems:\n{}", repeat(n, |i| format!("  k{i}: {{containers: [{{a: b}}]}}\n"))))
        }),
        row("edits/shapes_in_a_list", 3_000, "render f.yaml -q --env T=b --target Foo", |n| {
            manifest(format!("kind: Foo\nspec:\n{}", "- containers: [{a: b}]\n".repeat(n)))
        }),
        row("edits/shapes_without_a_match", 3_000, "render f.yaml -q --env T=b --allow-no-match", |n| {
            manifest(format!("kind: Foo\nitems:\n{}", repeat(n, |i| format!("  k{i}: {{containers: [{{a: b}}]}}\n"))))
        }),
        row("edits/completed_containers", 5_000, "JOBPLATE_COMPLETE=zsh -- jobplate render f.yaml -c ''", |n| {
            manifest(format!("{JOB}{}", repeat(n, |i| format!("      - name: c{i}\n"))))
        }),
        row("edits/completed_variables", 5_000, "JOBPLATE_COMPLETE=zsh -- jobplate render f.yaml --unset ''", |n| {
            manifest(format!("{JOB}        env:\n{}", repeat(n, |i| format!("        - name: A{i}\n"))))
        }),
        row("edits/post_render", 2_000, "post-render -q --env T=b --target job < f.yaml", |n| {
            manifest(format!("{FLOW_JOB}\n---\n").repeat(n))
        }),
        row("edits/krm", 1_000, "krm -q --env T=b --target job < f.yaml", |n| {
            let items = format!("- {FLOW_JOB}\n").repeat(n);
            manifest(format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n{items}"))
        }),
    ]
}

/// Returns the families about differences, reports and errors.
fn reports(row: Row<'_>) -> Vec<Family> {
    let mut table = vec![
        row("edits/diff", 500, "render f.yaml -q --env T=b --diff", |n| {
            manifest(format!("{FLOW_JOB}\n---\n").repeat(n))
        }),
        row("edits/report", 1_000, "render f.yaml -q --env T=b --report r", |n| {
            manifest(format!("{FLOW_JOB}\n---\n").repeat(n))
        }),
        row("edits/report_of_a_base_job_template", 3_000, "render f.json -q --env T=b --report r", |n| {
            let keys = repeat(n, |i| format!("\"k{i}\": 1, "));
            file(
                "f.json",
                format!(
                    "{{\"job_configuration\": {{{keys}\"env\": {{}}, \"job_manifest\": {{\"kind\": \"Job\", \"spec\": {{\"template\": {{\"spec\": {{\"containers\": [{{\"name\": \"a\"}}]}}}}}}}}}}, \"variables\": {{\"properties\": {{}}}}}}"
                ),
            )
        }),
    ];
    table.push(Family {
        name: "edits/diff_with_line_breaks",
        generate: |n| manifest(format!("{JOB}{}", "\n".repeat(n))),
        command: "render f.yaml -q --env T=b --diff",
        n: 1_000_000,
        expected: Expectation::Linear { max_memory_per_input: 10 },
    });
    // Nested mappings whose values are sensitive at every level.
    let expected = Expectation::Linear { max_memory_per_input: 150 };
    let mut add = |name, generate| {
        table.push(Family { name, generate, command: "render f.yaml -q --env T=b --diff", n: 5_000, expected });
    };
    add("edits/mask_nested_data", |n| masked("data:", n));
    add("edits/mask_nested_values", |n| masked("value:", n));
    add("edits/mask_nested_env", |n| masked("env:", n));
    table
}

/// Returns a Job and an embedded document in which N values are in 120 nested mappings.
fn masked(key: &str, n: usize) -> InputFiles {
    let levels = repeat(120, |i| format!("    {}{key}\n", " ".repeat(i)));
    let indentation = " ".repeat(124);
    manifest(format!("{JOB}k: |\n{levels}{indentation}z: [{}]\n", vec!["a"; n].join(",")))
}
