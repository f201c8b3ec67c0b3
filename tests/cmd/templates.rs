//! Tests the built-in templates and the schema of the spec file.

use std::path::{Path, PathBuf};

use super::run::{self, ProgramOutput};

/// The names of the templates, with their files in `templates/`.
const TEMPLATES: [(&str, &str); 3] =
    [("job", "job_template.yaml"), ("cronjob", "cronjob.yaml"), ("agent", "agent.yaml")];

/// Checks that the printed templates equal the files in `templates/`, which users may also copy.
pub(crate) fn printed_templates_equal_their_files() {
    for (name, file) in TEMPLATES {
        let output = run_jobplate(&["template", name]);
        let expected = std::fs::read(templates_dir().join(file)).expect("the template can be read");
        assert!(output.stdout == expected, "template {name} differs from templates/{file}");
        assert!(output.stderr.is_empty(), "template {name} writes to stderr");
    }
    let list = String::from_utf8(run_jobplate(&["template"]).stdout).expect("the list is UTF-8");
    for (name, _) in TEMPLATES {
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} is not in:\n{list}");
    }
}

/// Checks that the agent's ConfigMap embeds the file `job_template.yaml`.
pub(crate) fn agent_mounts_the_job_template() {
    let read = |file: &str| std::fs::read_to_string(templates_dir().join(file)).expect("the template can be read");
    let embedded: String = read("job_template.yaml").lines().map(|line| format!("    {line}\n")).collect();
    assert!(read("agent.yaml").contains(&format!("  job_template.yaml: |\n{embedded}---\n")));
}

pub(crate) fn schema_has_all_keys_of_a_spec_file() {
    let output = run_jobplate(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    let text = schema.to_string();
    assert!(schema["$schema"].is_string(), "{text}");
    for key in ["apiVersion", "kind", "metadata", "spec"] {
        assert!(schema["properties"][key].is_object(), "no {key} in {text}");
    }
    for key in
        ["inputs", "targets", "prefect", "secrets", "env", "envFrom", "unset", "apiKey", "localSecrets", "secretRef"]
    {
        assert!(text.contains(&format!("\"{key}\":{{")), "no {key} in {text}");
    }
    assert!(text.contains("\"additionalProperties\":false"), "{text}");
}

fn run_jobplate(args: &[&str]) -> ProgramOutput {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let output = run::jobplate(dir.path(), args, b"");
    assert_eq!(output.status, 0, "{args:?}");
    output
}

fn templates_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")
}

pub(crate) fn preview_refuses_a_large_template() {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let file = std::fs::File::create(dir.path().join("job.yaml")).expect("a file can be created");
    file.set_len((64 << 20) + 1).expect("a sparse file can be created");
    let output = run::jobplate(dir.path(), &["preview", "job.yaml"], b"");
    assert_eq!(output.status, 2);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(stderr, "error: job.yaml: exceeds the limit of 64 MiB\n");
}
