//! Inputs of `secret` and `convert`.

use super::edits::{file, repeat};
use super::measure::{Family, InputFiles, linear};

const PREFECT_1_JOB: &str = "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - name: flow\n";

fn env_file(text: String) -> InputFiles {
    file("e.env", text)
}

pub(crate) fn table() -> Vec<Family> {
    let row = |name, n, command, generate| Family { name, generate, command, n, expected: linear() };
    const ENV_FILE: &str = "secret x --from-env-file e.env -q";
    const CONVERT: &str = "convert f.yaml -q";
    vec![
        row("secrets/config", 3_000, "secret x --from-config=c.toml -q", |n| {
            file("c.toml", format!("[context.secrets]\n{}", repeat(n, |i| format!("K{i} = \"v\"\n"))))
        }),
        row("secrets/env_file", 3_000, ENV_FILE, |n| env_file(repeat(n, |i| format!("K{i}=v\n")))),
        row("secrets/literal_set", 3_000, ENV_FILE, |n| {
            env_file(format!("A={{{}}}\n", repeat(n, |i| format!("{i},"))))
        }),
        row("secrets/literal_dict", 3_000, ENV_FILE, |n| {
            env_file(format!("A={{{}}}\n", repeat(n, |i| format!("{i}: 1,"))))
        }),
        row("secrets/literal_strings", 3_000, ENV_FILE, |n| {
            env_file(format!("A={{{}}}\n", repeat(n, |i| format!("'k{i}': 1,"))))
        }),
        row("secrets/literal_list", 10_000, ENV_FILE, |n| env_file(format!("A=[{}]\n", "1,".repeat(n)))),
        row("secrets/convert_env", 2_000, CONVERT, |n| {
            let env = repeat(n, |i| format!("        - {{name: A{i}, value: x}}\n"));
            file("f.yaml", format!("{PREFECT_1_JOB}        env:\n{env}"))
        }),
        row("secrets/convert_secrets", 1_000, CONVERT, |n| {
            let entry = |i| {
                format!(
                    "        - {{name: PREFECT__CONTEXT__SECRETS__A{i}, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}\n"
                )
            };
            file("f.yaml", format!("{PREFECT_1_JOB}        env:\n{}", repeat(n, entry)))
        }),
    ]
}
