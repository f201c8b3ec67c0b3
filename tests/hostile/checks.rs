//! Inputs of `check`.

use super::edits::{file, repeat};
use super::measure::{Family, InputFiles, linear};

/// The beginning of a Job whose containers are in the next lines.
const JOB: &str =
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n";

/// Returns a Job with one container that has these entries of `env`.
fn job(entries: &str) -> InputFiles {
    file("f.yaml", format!("{JOB}      - name: flow\n        env:\n{entries}"))
}

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, command, generate| Family { name, generate, command, n, expected: linear() };
    vec![
        row("checks/duplicates", 2_000, "check f.yaml", |n| {
            job(&repeat(n, |_| "        - {name: A, value: x}\n".to_owned()))
        }),
        row("checks/fixes_of_duplicates", 500, "check f.yaml --fix=unsafe --diff", |n| {
            job(&repeat(n, |_| "        - {name: A, value: x}\n".to_owned()))
        }),
        row("checks/fixes_of_values", 300, "check f.yaml --fix --diff", |n| {
            job(&repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n")))
        }),
        row("checks/reports_of_values", 1_000, "check f.yaml -o sarif -o junit=/dev/null", |n| {
            job(&repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n")))
        }),
        row("checks/values", 2_000, "check f.yaml", |n| {
            job(&repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n")))
        }),
        row("checks/starts_of_tokens", 2_000, "check f.yaml", |n| {
            job(&format!("        - {{name: A, value: \"{}\"}}\n", "ghp_ npm_x -----BEGIN Q~ .com/ ".repeat(n)))
        }),
        row("checks/tokens_without_blanks", 2_000, "check f.yaml --exit-zero", |n| {
            file("f.yaml", format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  x: {}\n", "ghp_0123456789/".repeat(n)))
        }),
        row("checks/starts_of_secret_names", 2_000, "check f.yaml", |n| {
            let flag = "--toke-passw-se".repeat(n);
            file("f.yaml", format!("{JOB}      - name: flow\n        args: [etl, {flag}, x]\n"))
        }),
        row("checks/references", 2_000, "check f.yaml --persona pedantic", |n| {
            job(&repeat(n, |i| format!("        - {{name: A{i}, value: \"$(A{})\"}}\n", i + 1)))
        }),
        row("checks/one_long_name", 500, "check f.yaml", |n| {
            let name = "n".repeat(100 * n);
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n"));
            file("f.yaml", format!("{JOB}      - name: {name}\n        env:\n{env}"))
        }),
        row("checks/keys_beside_the_findings", 1_000, "check f.yaml", |n| {
            let keys = repeat(n, |i| format!("        x{i}: y\n"));
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: {i}}}\n"));
            file("f.yaml", format!("{JOB}      - key: flow\n{keys}        env:\n{env}"))
        }),
        row("checks/unknown_fields", 500, "check f.yaml", |n| {
            let keys = repeat(n, |i| format!("        zzq{i}: x\n"));
            file("f.yaml", format!("{JOB}      - name: flow\n{keys}"))
        }),
        row(
            "checks/misplaced_fields_beside_unknown_ones",
            500,
            "check f.yaml --select wrong-type,unknown-field",
            |n| {
                let keys = repeat(n, |i| format!("        zzq{i}: x\n"));
                let env = repeat(n, |i| format!("        - {{name: A{i}, image: x}}\n"));
                file("f.yaml", format!("{JOB}      - name: flow\n{keys}        env:\n{env}"))
            },
        ),
        row("checks/duplicate_fields_beside_unknown_ones", 4_000, "check f.yaml --select unknown-field", |n| {
            let keys = repeat(n, |i| format!("        image: x\n        zzq{i}: x\n"));
            file("f.yaml", format!("{JOB}      - name: flow\n{keys}"))
        }),
        row("checks/duplicate_keys", 1_000, "check f.yaml", |n| {
            file("f.yaml", format!("{JOB}      - name: flow\n{}", "        image: x\n".repeat(n)))
        }),
        row("checks/containers", 1_000, "check f.yaml", |n| {
            let container = "      - name: flow\n        env: [{name: A, value: 1}, {name: A, value: 1}]\n";
            file("f.yaml", format!("{JOB}{}", repeat(n, |_| container.to_owned())))
        }),
        row("checks/documents", 200, "check f.yaml", |n| {
            let env = "      - name: flow\n        env: [{name: A, value: 1}]\n";
            file("f.yaml", repeat(n, |_| format!("---\n{JOB}{env}")))
        }),
        row("checks/prefect_templates", 100, "check f.yaml", |n| {
            let env = "      - name: flow\n        env: [{name: PREFECT__CLOUD__API, value: x}]\n";
            file("f.yaml", repeat(n, |_| format!("---\n{JOB}{env}")))
        }),
        row("checks/embedded_documents", 200, "check f.yaml", |n| {
            let pod =
                |i| format!("  k{i}: |\n    kind: Pod\n    spec: {{containers: [{{env: [{{name: A, value: 1}}]}}]}}\n");
            file("f.yaml", format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n{}", repeat(n, pod)))
        }),
        row("checks/embedded_streams", 200, "check f.yaml --fix --diff", |n| {
            let pod = "    ---\n    kind: Pod\n    spec: {containers: [{env: [{name: A, value: 1}]}]}\n";
            let pods = repeat(n, |_| pod.to_owned());
            file("f.yaml", format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  k: |\n{pods}"))
        }),
        row("checks/ignore_comments_in_a_line", 500, "check f.yaml", |n| {
            let comments = " # jobplate: ignore[".repeat(n);
            file("f.yaml", format!("kind: x{comments}{}]\n", ",".repeat(20 * n)))
        }),
        row("checks/findings_in_a_line", 300, "check f.json", |n| {
            let env = (0..n).map(|i| format!("{{\"name\": \"A{i}\", \"value\": {i}}}")).collect::<Vec<_>>().join(", ");
            file("f.json", format!("{{\"kind\": \"Pod\", \"spec\": {{\"containers\": [{{\"env\": [{env}]}}]}}}}\n"))
        }),
        row("checks/keys_of_a_config_map", 1_000, "check f.yaml", |n| {
            let keys = repeat(n, |i| format!("  k{i}: \"containers: []\"\n"));
            file("f.yaml", format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n{keys}"))
        }),
        row("checks/list_items", 500, "check f.yaml", |n| {
            let pod = "- {kind: Pod, metadata: {name: p}, spec: {containers: [{env: [{name: A, value: 1}]}]}}\n";
            file("f.yaml", format!("kind: List\napiVersion: v1\nitems:\n{}", repeat(n, |_| pod.to_owned())))
        }),
    ]
}
