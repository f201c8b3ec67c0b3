//! Inputs of `preview`.

use super::edits::{file, repeat};
use super::measure::{Family, InputFiles, Row, linear};

const PREFECT_1_JOB: &str = "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n";

/// Returns a base job template with these annotations, job configuration and properties, as JSON without braces.
pub(crate) fn base_job_template(
    annotations: &str,
    env: &str,
    labels: &str,
    container_env: &str,
    properties: &str,
) -> String {
    format!(
        r#"{{"job_configuration": {{"command": "{{{{ command }}}}", "env": {{{env}}}, "labels": {{{labels}}}, "annotations": {{}}, "name": "{{{{ name }}}}", "namespace": "{{{{ namespace }}}}", "job_manifest": {{"apiVersion": "batch/v1", "kind": "Job", "metadata": {{"annotations": {{{annotations}}}}}, "spec": {{"template": {{"spec": {{"parallelism": 1, "completions": 1, "restartPolicy": "Never", "containers": [{{"name": "prefect-job", "image": "x", "env": [{container_env}]}}]}}}}}}}}}}, "variables": {{"properties": {{"name": {{"default": "a"}}, "namespace": {{"default": "b"}}, "command": {{"default": "c"}}{properties}}}}}}}"#
    )
}

/// Returns the parts for 0 to N - 1 with commas between them.
fn list(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect::<Vec<_>>().join(", ")
}

fn template(text: String) -> InputFiles {
    file("f.json", text)
}

fn with_job_variables(variables: String) -> InputFiles {
    vec![("f.json".to_owned(), base_job_template("", "", "", "", "")), ("v.json".to_owned(), variables)]
}

fn prefect_1(name: &str, text: String) -> InputFiles {
    vec![("f.yaml".to_owned(), PREFECT_1_JOB.to_owned()), (name.to_owned(), text)]
}

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, command, generate| Family { name, generate, command, n, expected: linear() };
    let mut table = agents(&row);
    table.extend(workers(&row));
    table
}

/// Returns the families about Prefect 1.
fn agents(row: Row<'_>) -> Vec<Family> {
    vec![
        row("previews/run_config", 2_000, "preview f.yaml -q --run-config r.yaml", |n| {
            prefect_1("r.yaml", format!("env:\n{}", repeat(n, |i| format!("  A{i}: x\n"))))
        }),
        row("previews/run_config_as_a_table", 2_000, "preview f.yaml -q -o env --run-config r.yaml", |n| {
            prefect_1("r.yaml", format!("env:\n{}", repeat(n, |i| format!("  A{i}: x\n"))))
        }),
        row("previews/env", 2_000, "preview f.yaml -q", |n| {
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: x}}\n"));
            file("f.yaml", format!("{PREFECT_1_JOB}        env:\n{env}"))
        }),
        row("previews/env_as_a_table", 2_000, "preview f.yaml -q -o env", |n| {
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: x}}\n"));
            file("f.yaml", format!("{PREFECT_1_JOB}        env:\n{env}"))
        }),
        row("previews/references_to_later_variables", 1_000, "preview f.yaml", |n| {
            let (name, references) = ("N".repeat(20 * n), repeat(n, |i| format!("$(A{i})")));
            let later = repeat(n, |i| format!("        - {{name: A{i}, value: x}}\n"));
            let first = format!("        - {{name: {name}, value: {references}}}\n");
            file("f.yaml", format!("{PREFECT_1_JOB}        env:\n{first}{later}"))
        }),
        row("previews/long_name_of_a_sidecar", 1_000, "preview f.yaml", |n| {
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n"));
            let sidecar = format!("      - name: {}\n        env:\n{env}", "n".repeat(40 * n));
            file("f.yaml", format!("{PREFECT_1_JOB}{sidecar}"))
        }),
        row("previews/environ", 2_000, "preview f.yaml -q --scenario s.yaml", |n| {
            prefect_1("s.yaml", format!("environ:\n{}", repeat(n, |i| format!("  PREFECT__CONTEXT__A{i}: x\n"))))
        }),
        row("previews/user_config", 2_000, "preview f.yaml -q --scenario s.yaml", |n| {
            let keys = repeat(n, |i| format!("    K{i} = \"v\"\n"));
            prefect_1("s.yaml", format!("user_config: |\n    [context]\n{keys}"))
        }),
        // A literal that is too deep is a string, as for Prefect.
        row("previews/literal_depth", 100_000, "preview f.yaml -q --scenario s.yaml", |n| {
            prefect_1("s.yaml", format!("environ:\n  PREFECT__CONTEXT__A: \"{}{}\"\n", "[".repeat(n), "]".repeat(n)))
        }),
        row("previews/keys", 3_000, "preview f.yaml -q", |n| {
            file("f.yaml", format!("{PREFECT_1_JOB}x:\n{}", repeat(n, |i| format!("  k{i}: 1\n"))))
        }),
        row("previews/numeric_keys", 3_000, "preview f.yaml -q -o json", |n| {
            file("f.yaml", format!("{PREFECT_1_JOB}x:\n{}", repeat(n, |i| format!("  {i}: 1\n"))))
        }),
    ]
}

/// Returns the families about Prefect 2 and 3.
fn workers(row: Row<'_>) -> Vec<Family> {
    const PREVIEW: &str = "preview f.json -q";
    const WITH_VARIABLES: &str = "preview f.json --job-variables v.json";
    vec![
        row("previews/placeholders_of_a_string", 2_000, PREVIEW, |n| {
            let placeholders = repeat(n, |i| format!("{{{{ a{i} }}}}"));
            template(base_job_template(&format!("\"a\": \"{placeholders}\""), "", "", "", ""))
        }),
        row("previews/labels", 2_000, PREVIEW, |n| {
            template(base_job_template("", "", &list(n, |i| format!("\"l{i}\": \"x\"")), "", ""))
        }),
        row("previews/annotations", 2_000, PREVIEW, |n| {
            template(base_job_template(&list(n, |i| format!("\"l{i}\": \"x\"")), "", "", "", ""))
        }),
        row("previews/template_env", 2_000, PREVIEW, |n| {
            template(base_job_template("", &list(n, |i| format!("\"A{i}\": \"x\"")), "", "", ""))
        }),
        row("previews/container_env", 2_000, PREVIEW, |n| {
            let entry = |i| format!("{{\"name\": \"A{i}\", \"value\": \"x\"}}");
            template(base_job_template("", "", "", &list(n, entry), ""))
        }),
        row("previews/overridden_entries_as_a_table", 1_000, "preview f.json -q -o env", |n| {
            let entry = |_| {
                "{\"name\": \"A\", \"valueFrom\": {\"secretKeyRef\": {\"name\": \"s\", \"key\": \"k\"}}}".to_owned()
            };
            let text = base_job_template("", "", "", &list(n, entry), "");
            template(text.replace("\"env\": {}", &format!("\"env\": [{}]", list(n, entry))))
        }),
        row("previews/variables", 2_000, PREVIEW, |n| {
            template(base_job_template("", "", "", "", &repeat(n, |i| format!(", \"v{i}\": {{\"default\": 1}}"))))
        }),
        row("previews/job_variables", 1_000, WITH_VARIABLES, |n| {
            with_job_variables(format!("{{{}}}", list(n, |i| format!("\"v{i}\": 1"))))
        }),
        row("previews/dotted_job_variables", 1_000, WITH_VARIABLES, |n| {
            with_job_variables(format!("{{{}}}", list(n, |i| format!("\"env.A{i}\": \"x\""))))
        }),
        row("previews/env_of_job_variables", 2_000, WITH_VARIABLES, |n| {
            with_job_variables(format!("{{\"env\": {{{}}}}}", list(n, |i| format!("\"A{i}\": \"x\""))))
        }),
        row("previews/required_keys_of_job_variables", 1_000, WITH_VARIABLES, |n| {
            let required = list(n, |i| format!("\"k{i}\""));
            let schema = format!("{{\"properties\": {{}}, \"required\": [{required}]}}");
            let variable = format!(", \"x\": {{\"type\": \"array\", \"items\": {schema}}}");
            vec![
                ("f.json".to_owned(), base_job_template("", "", "", "", &variable)),
                ("v.json".to_owned(), format!("{{\"x\": [{}]}}", list(n, |_| "{}".to_owned()))),
            ]
        }),
        row("previews/patterns_of_job_variables", 100, WITH_VARIABLES, |n| {
            let schema = "{\"type\": \"string\", \"pattern\": \"^(a{0,300}){0,300}b$\"}";
            let variable = format!(", \"x\": {{\"type\": \"array\", \"items\": {schema}}}");
            let strings = list(n, |_| format!("\"{}\"", "a".repeat(9_000)));
            vec![
                ("f.json".to_owned(), base_job_template("", "", "", "", &variable)),
                ("v.json".to_owned(), format!("{{\"x\": [{strings}]}}")),
            ]
        }),
    ]
}
