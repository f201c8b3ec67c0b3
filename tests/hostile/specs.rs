//! Spec files, and their entries beside the entries of a manifest.

use super::edits::{JOB, repeat};
use super::measure::{Family, InputFiles, linear};

const COMMAND: &str = "render f.yaml -q --spec s.yaml";

/// Returns a spec file, and a Job with `env`.
fn spec(text: String, env: String) -> InputFiles {
    let spec = format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec:\n{text}");
    let env = if env.is_empty() { env } else { format!("        env:\n{env}") };
    vec![("s.yaml".to_owned(), spec), ("f.yaml".to_owned(), format!("{JOB}{env}"))]
}

fn entries(n: usize) -> String {
    repeat(n, |i| format!("        - {{name: A{i}, value: x}}\n"))
}

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, generate| Family { name, generate, command: COMMAND, n, expected: linear() };
    vec![
        row("specs/chain", 500, |n| {
            let entry = |i| format!("  - {{name: A{i}, value: \"$(A{})\"}}\n", i + 1);
            spec(format!("  env:\n{}", repeat(n, entry)), String::new())
        }),
        row("specs/reversed_chain", 500, |n| {
            let entry = |i| format!("  - {{name: A{}, value: \"$(A{i})\"}}\n", i + 1);
            spec(format!("  env:\n{}", repeat(n, entry)), String::new())
        }),
        row("specs/dollars", 500, |n| {
            spec(format!("  env:\n{}", repeat(n, |i| format!("  - {{name: A{i}, value: \"$\"}}\n"))), String::new())
        }),
        row("specs/env", 1_000, |n| {
            spec(format!("  env:\n{}", repeat(n, |i| format!("  - {{name: A{i}, value: x}}\n"))), String::new())
        }),
        row("specs/unset", 2_000, |n| spec(format!("  unset:\n{}", repeat(n, |i| format!("  - A{i}\n"))), entries(1))),
        row("specs/env_from", 1_000, |n| {
            let sources = repeat(n, |i| format!("  - secretRef: {{name: s{i}}}\n"));
            spec(format!("  envFrom:\n{sources}"), String::new())
        }),
        row("specs/secrets", 1_000, |n| {
            let secrets = repeat(n, |i| format!("    A{i}: {{secret: s, key: k}}\n"));
            spec(format!("  secrets:\n{secrets}"), String::new())
        }),
        row("specs/replaced_entries", 1_000, |n| {
            let env = repeat(n, |i| format!("  - {{name: A{i}, value: z}}\n"));
            spec(format!("  env:\n{env}"), entries(n))
        }),
        row("specs/unset_entries", 1_000, |n| {
            spec(format!("  unset:\n{}", repeat(n, |i| format!("  - A{i}\n"))), entries(n))
        }),
        row("specs/used_entries", 1_000, |n| {
            let env = repeat(n, |i| format!("  - {{name: B{i}, value: z}}\n"));
            let users = repeat(n, |i| format!("        - {{name: A{i}, value: \"$(B{i})\"}}\n"));
            spec(format!("  env:\n{env}"), users)
        }),
        row("specs/changed_entries_with_references", 1_000, |n| {
            let env = repeat(n, |i| format!("  - {{name: A{i}, value: $(B)}}\n"));
            spec(format!("  env:\n{env}"), entries(n))
        }),
        row("specs/unset_in_documents", 1_000, |n| {
            let documents = format!("---\n{JOB}        env: [{{name: B, value: x}}]\n").repeat(n);
            let mut files = spec(format!("  unset:\n{}", repeat(n, |i| format!("  - A{i}\n"))), String::new());
            files[1].1 = documents;
            files
        }),
        row("specs/unset_in_a_base_job_template", 1_000, |n| {
            let env = repeat(n, |i| format!("\"B{i}\": 1, \"PREFECT_A{i}\": null, "));
            let job = r#"{"kind": "Job", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}"#;
            let template = format!(
                "{{\"job_configuration\": {{\"env\": {{{env}\"B\": 1}}, \"job_manifest\": {job}}}, \"variables\": {{}}}}"
            );
            let names = repeat(n, |i| format!("  - A{i}\n  - PREFECT_A{i}\n"));
            let mut files = spec(format!("  unset:\n{names}"), String::new());
            files[1].1 = template;
            files
        }),
        Family {
            name: "specs/report",
            command: "render f.yaml -q --spec s.yaml --report r",
            n: 1_000,
            expected: linear(),
            generate: |n| {
                let env = repeat(n, |i| format!("  - {{name: A{i}, value: b}}\n"));
                spec(format!("  env:\n{env}"), String::new())
            },
        },
        row("specs/one_file_many_times", 1_000, |n| {
            spec(format!("  env: [{{name: A, value: b}}]\n  inputs:\n{}", "  - g.yaml\n".repeat(n)), String::new())
                .into_iter()
                .chain([("g.yaml".to_owned(), JOB.to_owned())])
                .collect()
        }),
    ]
}
