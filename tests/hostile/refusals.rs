//! Inputs that are refused, because their result would be much larger than the input, or because of their depth.

use super::edits::{JOB, file, repeat};
use super::measure::{Expectation, Family, InputFiles};
use super::previews::base_job_template;

const RENDER: &str = "render f.yaml -q --env T=b";
const PREVIEW: &str = "preview f.yaml -q";
const WORKER_PREVIEW: &str = "preview f.json -q --job-variables v.yaml";
const SPEC: &str = "apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n";
const WORKER_SCENARIO: &str = "preview f.json -q --scenario s.yaml";
const SCENARIO: &str = "preview --scenario s.yaml -q";
const DOES_NOT_END: &str = "repeated expansion of `PREFECT__CONTEXT__X` does not result in a string";
const TOO_MUCH_NEW_TEXT: &str = "the edits of a document exceed the limit of 16 MiB of new text";

fn manifest(text: String) -> InputFiles {
    file("f.yaml", text)
}

fn scenario(text: String) -> InputFiles {
    file("s.yaml", text)
}

/// Returns a manifest, and a spec file that sets N variables.
fn indented(manifest: String, n: usize) -> InputFiles {
    let env = repeat(n, |i| format!("  - {{name: A{i}, value: x}}\n"));
    vec![("f.yaml".to_owned(), manifest), ("s.yaml".to_owned(), format!("{SPEC}  env:\n{env}"))]
}

/// A Deployment whose pod uses the ConfigMap `m`.
const POD: &str =
    "kind: Deployment\nspec: {template: {spec: {containers: [{name: a}], volumes: [{configMap: {name: m}}]}}}\n";

/// Returns a ConfigMap in the namespace number `i`, with a Job that an edit changes.
fn changed_config_map(name: &str, i: usize) -> String {
    let job = "{kind: Job, spec: {template: {spec: {containers: [{name: a}]}}}}";
    format!(
        "kind: ConfigMap\nmetadata: {{name: {name}, namespace: n{i}}}\ndata:\n  job_template.yaml: |\n    {job}\n---\n"
    )
}

/// Returns ten lists, each with N aliases of the one before it.
fn alias_bomb(n: usize) -> String {
    let level = |i: usize| format!("b{}: &b{} [{}]\n", i + 1, i + 1, vec![format!("*b{i}"); n].join(", "));
    format!("b0: &b0 x\n{}", repeat(10, level))
}

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, command, message, generate| {
        let expected = Expectation::Refused(message);
        Family { name, generate, command, n, expected }
    };
    vec![
        row("refusals/brackets", 500_000, RENDER, "nesting deeper than 250 levels", |n| {
            manifest(format!("{JOB}x: {}", "[".repeat(n)))
        }),
        row("refusals/dashes", 500_000, RENDER, "nesting deeper than 250 levels", |n| {
            manifest(format!("{JOB}x:\n{}a\n", "- ".repeat(n)))
        }),
        row("refusals/indented_lines", 1_000, RENDER, "nesting deeper than 250 levels", |n| {
            manifest(format!("{JOB}{}", repeat(n, |i| format!("{}a:\n", " ".repeat(i)))))
        }),
        row("refusals/keys_of_an_entry", 20_000, RENDER, "a key other than `name`", |n| {
            manifest(format!("{JOB}        env:\n        - {{name: T{}}}\n", repeat(n, |i| format!(", k{i}: 1"))))
        }),
        row("refusals/preview_of_an_alias_bomb", 10, PREVIEW, "exceeds the limit", |n| {
            manifest(format!("{}{JOB}", alias_bomb(n)))
        }),
        row("refusals/preview_of_a_repeated_value", 500, PREVIEW, "exceeds the limit", |n| {
            let env = "        - {name: A, value: *x}\n".repeat(n);
            manifest(format!("x: &x {}\n{JOB}        env:\n{env}", "x".repeat(1_000_000)))
        }),
        row("refusals/preview_of_a_repeated_name", 500, PREVIEW, "exceeds the limit", |n| {
            let entry = "        - {name: PREFECT__BACKEND, valueFrom: {secretKeyRef: {name: *x, key: k}}}\n";
            manifest(format!("x: &x {}\n{JOB}        env:\n{}", "x".repeat(1_000_000), entry.repeat(n)))
        }),
        row("refusals/preview_of_repeated_job_variables", 500, WORKER_PREVIEW, "exceeds the limit", |n| {
            let env = repeat(n, |i| format!("  A{i}: *x\n"));
            vec![
                ("f.json".to_owned(), base_job_template("", "", "", "", "")),
                ("v.yaml".to_owned(), format!("x: &x {}\nenv:\n{env}", "x".repeat(1_000_000))),
            ]
        }),
        row("refusals/convert_of_an_alias_bomb", 10, "convert f.yaml -q", "exceeds the limit", |n| {
            manifest(format!("{}{JOB}", alias_bomb(n)))
        }),
        row(
            "refusals/spec_with_an_alias_bomb",
            10,
            "render f.yaml -q --spec s.yaml",
            "an anchor is not supported",
            |n| {
                let spec = format!("apiVersion: jobplate/v1\nkind: JobPlate\n{}", alias_bomb(n));
                vec![("f.yaml".to_owned(), JOB.to_owned()), ("s.yaml".to_owned(), spec)]
            },
        ),
        row("refusals/targets", 2_000, "render f.yaml -q --spec s.yaml", "too many targets: more than 256", |n| {
            let targets = repeat(n, |i| format!("  - {{kind: Job, name: x{i}}}\n"));
            let env = "  env: [{name: A, value: b}]\n";
            let spec = format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n{env}  targets:\n{targets}");
            vec![("f.yaml".to_owned(), JOB.to_owned()), ("s.yaml".to_owned(), spec)]
        }),
        row("refusals/merge_keys", 3_000, PREVIEW, "exceeds the limit", |n| {
            let keys = repeat(n, |i| format!("k{i}: 1, "));
            manifest(format!("{JOB}a: &a {{{keys}}}\nz:\n{}", "- {<<: *a}\n".repeat(n)))
        }),
        row("refusals/repeated_aliases_in_the_fallback", 10_000, RENDER, "after aliases are expanded", |n| {
            let elements = vec!["1"; n].join(",");
            manifest(format!("{JOB}? q\n: r\nb: &b [{elements}]\nc:\n{}", "- *b\n".repeat(1_000)))
        }),
        row("refusals/variable_of_itself", 7, SCENARIO, "exceeds the limit", |n| {
            scenario(format!("environ:\n  A: \"{}\"\n  PREFECT__CONTEXT__X: $A\n", "$A".repeat(n)))
        }),
        row("refusals/setting_of_itself", 20_000, SCENARIO, "exceeds the limit", |n| {
            scenario(format!("user_config: |\n  [context]\n  k = \"{}\"\n", "${context.k}".repeat(n)))
        }),
        row("refusals/doubled_variables", 40, SCENARIO, DOES_NOT_END, |n| {
            let doubled = repeat(n, |i| format!("  A{i}: \"$A{}$A{}\"\n", i + 1, i + 1));
            scenario(format!("environ:\n{doubled}  A{n}: xxxxxxxxxx\n  PREFECT__CONTEXT__X: $A0\n"))
        }),
        row("refusals/default_in_many_strings", 3_000, "preview f.json -q", "exceeds the limit", |n| {
            let annotations: Vec<String> = (0..n).map(|i| format!("\"a{i}\": \"{{{{ v }}}}x\"")).collect();
            let default = format!(", \"v\": {{\"default\": \"{}\"}}", "x".repeat(10 * n));
            file("f.json", base_job_template(&annotations.join(", "), "", "", "", &default))
        }),
        row(
            "refusals/long_pattern",
            1_100,
            "render f.yaml -q --spec s.yaml",
            "the name has more than 1024 bytes",
            |n| {
                let spec = "apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n  env: [{name: A, value: b}]\n  targets: [{kind: Job, name: \"";
                vec![
                    ("f.yaml".to_owned(), JOB.to_owned()),
                    ("s.yaml".to_owned(), format!("{spec}{}\"}}]\n", "*a".repeat(n))),
                ]
            },
        ),
        row(
            "refusals/wrapped_manifest",
            1 << 20,
            "render f.yaml -q --env T=b --wrap configmap/x",
            "bytes, but a ConfigMap can have at most 1048576",
            |n| manifest(format!("{JOB}x: {}\n", "a".repeat(n))),
        ),
        row("refusals/large_secret", 1_100_000, "secret x --from-env-file e.env -q", "the values exceed 1 MiB", |n| {
            file("e.env", format!("A={}\n", "a".repeat(n)))
        }),
        row("refusals/long_integer", 4_301, "preview f.yaml -q", "invalid value for the type `int`", |n| {
            manifest(format!("{JOB}x: {}\n", "1".repeat(n)))
        }),
        row(
            "refusals/large_document",
            2_000_000,
            "render f.yaml -q --env T=b --max-document-size 1MiB",
            "is larger than",
            |n| manifest(format!("{JOB}x: {}\n", "a".repeat(n))),
        ),
        row(
            "refusals/sections_of_a_variable",
            101,
            SCENARIO,
            "more than 100 sections in the name of a variable",
            |n| scenario(format!("environ:\n  PREFECT{}: x\n", "__A".repeat(n))),
        ),
        row(
            "refusals/dotted_job_variable",
            201,
            "preview f.json --job-variables v.json",
            "a job variable has more than 200 parts separated by dots",
            |n| {
                let variables = format!("{{\"env{}\": 1}}", ".a".repeat(n));
                vec![("f.json".to_owned(), base_job_template("", "", "", "", "")), ("v.json".to_owned(), variables)]
            },
        ),
        row("refusals/sections_of_variables", 1_000, SCENARIO, "exceeds the limit", |n| {
            scenario(format!("environ:\n{}", repeat(n, |i| format!("  PREFECT__S{i}{}: x\n", "__A".repeat(90)))))
        }),
        row("refusals/indented_values", 30_000, PREVIEW, "the object exceeds the limit of 8 MiB of text", |n| {
            let value = format!("{}{}{}", "[".repeat(180), "1,".repeat(n), "]".repeat(180));
            manifest(format!("kind: Job\nspec: {{template: {{spec: {{containers: [{{name: flow}}]}}}}}}\nx: {value}\n"))
        }),
        row("refusals/arguments_of_an_agent", 40_001, "preview --agent f.yaml -q", "exceeds the limit", |n| {
            let start = "command: [prefect, agent, kubernetes, start";
            let options = repeat(n, |i| format!(", -e, A{i}=b"));
            manifest(format!(
                "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - {start}{options}]\n"
            ))
        }),
        row("refusals/value_in_many_objects", 1_000, "render f.yaml -q --spec s.yaml", TOO_MUCH_NEW_TEXT, |n| {
            let job = "- {kind: Job, spec: {template: {spec: {containers: [{name: a}]}}}}\n";
            let value = "x".repeat(20_000);
            vec![
                ("f.yaml".to_owned(), format!("kind: List\nitems:\n{}", job.repeat(n))),
                ("s.yaml".to_owned(), format!("{SPEC}  env: [{{name: A, value: {value}}}]\n")),
            ]
        }),
        row("refusals/indented_block", 2_000, "render f.yaml -q --spec s.yaml -c *", TOO_MUCH_NEW_TEXT, |n| {
            let indentation = " ".repeat(980);
            let containers = repeat(10, |i| format!("{indentation}- name: c{i}\n"));
            indented(format!("kind: Job\nspec:\n  template:\n    spec:\n      containers:\n{containers}"), n)
        }),
        row("refusals/indented_json", 2_000, "render f.yaml -q --spec s.yaml", TOO_MUCH_NEW_TEXT, |n| {
            let containers = format!("[{{\"env\":\n{}[\n{{\n\"name\": \"A\"\n}}]}}]", " ".repeat(10_000));
            indented(
                format!(
                    "{{\"kind\": \"Job\", \"spec\": {{\"template\": {{\"spec\": {{\"containers\": {containers}}}}}}}}}\n"
                ),
                n,
            )
        }),
        row("refusals/indented_brackets", 2_000, "render f.yaml -q --spec s.yaml", TOO_MUCH_NEW_TEXT, |n| {
            let env = format!("[ # none\n{}]", " ".repeat(10_000));
            indented(format!("kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - env: {env}\n"), n)
        }),
        row("refusals/indented_embedded_document", 10_000, "render f.yaml -q --spec s.yaml", TOO_MUCH_NEW_TEXT, |n| {
            let indentation = " ".repeat(980);
            let job =
                repeat(JOB.lines().count(), |i| format!("{indentation}{}\n", JOB.lines().nth(i).unwrap_or_default()));
            indented(format!("kind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  job_template.yaml: |\n{job}"), n)
        }),
        row("refusals/indented_comments", 20_000, "render f.yaml -q --env T=b", TOO_MUCH_NEW_TEXT, |n| {
            let indentation = " ".repeat(980);
            let entry = format!("{indentation}- name: T\n{indentation}  valueFrom:\n{}", "#\n".repeat(n));
            let reference = format!("{indentation}    fieldRef: {{fieldPath: a}}\n");
            let env = format!("      - env:\n{entry}{reference}");
            manifest(format!("kind: Job\nspec:\n  template:\n    spec:\n      containers:\n{env}"))
        }),
        row(
            "refusals/names_in_a_report",
            100_000,
            "render f.yaml -q --spec s.yaml --report r",
            "the report exceeds the limit of 40 MiB",
            |n| {
                let env = repeat(450, |i| format!("  - {{name: A{i}, value: x}}\n"));
                vec![
                    ("f.yaml".to_owned(), JOB.replace("flow", &"x".repeat(n))),
                    ("s.yaml".to_owned(), format!("{SPEC}  env:\n{env}")),
                ]
            },
        ),
        row(
            "refusals/unchanged_targets_in_a_report",
            40_000,
            "render d -R -q --env T=b --report r",
            "the report exceeds the limit of 40 MiB",
            |n| {
                let directory = "x".repeat(230);
                let containers = "{template: {spec: {containers: [{env: [{name: T, value: b}]}]}}}";
                let job = format!("{{kind: Job, metadata: {{name: {}}}, spec: {containers}}}\n---\n", "x".repeat(300));
                file(&format!("d/{directory}/{directory}/{directory}/f.yaml"), job.repeat(n))
            },
        ),
        row(
            "refusals/variables",
            40_001,
            "render f.yaml -q --spec s.yaml",
            "too many variables: more than 40000",
            |n| {
                let names = repeat(n, |i| format!("  - A{i}\n"));
                vec![("f.yaml".to_owned(), JOB.to_owned()), ("s.yaml".to_owned(), format!("{SPEC}  unset:\n{names}"))]
            },
        ),
        row(
            "refusals/dense_nodes",
            1_000_000,
            RENDER,
            "too many nodes: more than 1000000, and more than one for each 4 bytes",
            |n| manifest(format!("{JOB}x: [{}]\n", "1,".repeat(n))),
        ),
        row(
            "refusals/edited_nodes_of_the_fallback",
            250_000,
            RENDER,
            "too many nodes in a document with an explicit key",
            |n| manifest(format!("{JOB}? q\n: r\nx: [{}]\n", "1,".repeat(n))),
        ),
        row("refusals/indentation", 65_536, RENDER, "indentation by more than 65535 columns", |n| {
            manifest(format!("{JOB}a:\n{}b: c\n", " ".repeat(n)))
        }),
        row("refusals/equal_config_maps", 101, RENDER, "more than 100 ConfigMaps `m` change", |n| {
            manifest(format!("{}{POD}", repeat(n, |i| changed_config_map("m", i))))
        }),
        row("refusals/checksums_of_changed_config_maps", 400, RENDER, "too many `checksum/` annotations: ", |n| {
            let maps = repeat(n, |i| changed_config_map(&format!("m{i}"), i));
            let annotations = repeat(n, |i| format!("        checksum/a{i}: x\n"));
            let volumes = repeat(n, |i| format!("{{configMap: {{name: m{i}}}}}, "));
            let pod = format!("    spec: {{containers: [{{name: a}}], volumes: [{volumes}]}}\n");
            let metadata = format!("    metadata:\n      annotations:\n{annotations}");
            manifest(format!("{maps}kind: Deployment\nspec:\n  template:\n{metadata}{pod}"))
        }),
        row(
            "refusals/env_from_sources",
            40_001,
            "render f.yaml -q --spec s.yaml",
            "too many `envFrom` sources: more than 40000",
            |n| {
                let sources = repeat(n, |i| format!("  - {{secretRef: {{name: s{i}}}}}\n"));
                vec![
                    ("f.yaml".to_owned(), JOB.to_owned()),
                    ("s.yaml".to_owned(), format!("{SPEC}  envFrom:\n{sources}")),
                ]
            },
        ),
        row("refusals/values_of_a_preview", 80_001, PREVIEW, "exceeds the limit of 80000 values", |n| {
            manifest(format!("{JOB}x: [{}]\n", "1,".repeat(n)))
        }),
        row(
            "refusals/long_integer_of_a_job_variable",
            4_301,
            WORKER_SCENARIO,
            "a number of more than 4300 digits cannot be sent to Prefect",
            |n| {
                let scenario = format!("{{\"job_variables\": {{\"x\": {}}}}}", "1".repeat(n));
                vec![("f.json".to_owned(), base_job_template("", "", "", "", "")), ("s.yaml".to_owned(), scenario)]
            },
        ),
        row(
            "refusals/copied_variables_of_a_worker",
            201,
            WORKER_SCENARIO,
            "placeholders copy more than 200 variables of the worker into the Job",
            |n| {
                let placeholders = repeat(n, |i| format!("{{{{ $A{i} }}}} "));
                let env = repeat(n, |i| format!("    A{i}: value{i}\n"));
                vec![
                    ("f.json".to_owned(), base_job_template(&format!("\"a\": \"{placeholders}\""), "", "", "", "")),
                    ("s.yaml".to_owned(), format!("worker:\n  env:\n{env}")),
                ]
            },
        ),
        row("refusals/toml_depth", 10_000, "secret x --from-config=c.toml -q", "TOML", |n| {
            file("c.toml", format!("[context.secrets]\na = {}{}\n", "[".repeat(n), "]".repeat(n)))
        }),
        row("refusals/json_depth", 10_000, "preview f.json -q", "nesting deeper than 250 levels", |n| {
            file("f.json", format!("{}{}", "[".repeat(n), "]".repeat(n)))
        }),
    ]
}
