//! Golden commands: every file `tests/cmd/TOPIC/CASE.toml` is one, and says exactly what the program must do.
//!
//! `JOBPLATE_CMD_UPDATE=1` writes what the program said into the cases that failed, `=all` into all that say
//! anything; to be read before it is kept.

#[path = "cmd/case.rs"]
mod case;
#[path = "cmd/console.rs"]
mod console;
#[path = "cmd/edits.rs"]
#[cfg(unix)]
mod edits;
#[path = "cmd/papers.rs"]
mod papers;
#[path = "cmd/run.rs"]
mod run;
#[path = "cmd/secrets.rs"]
mod secrets;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

#[test]
fn golden_commands() {
    let update = std::env::var("JOBPLATE_CMD_UPDATE").unwrap_or_default();
    let folder = case::cases_dir();
    let files = run::files_below(&folder);
    let files: Vec<_> =
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(files.len() > 90, "only {} cases below {}", files.len(), folder.display());

    let mut report = String::new();
    let mut failed = 0;
    for file in &files {
        let text = std::fs::read_to_string(folder.join(file)).expect("a case can be read");
        let faults = match case::Case::parse(&text) {
            Ok(case) => {
                let (outcome, faults) = case.run();
                if update == "all" || update == "1" && !faults.is_empty() {
                    std::fs::write(folder.join(file), case::updated(&text, &outcome)).expect("a case can be written");
                }
                faults
            }
            Err(error) => vec![format!("the case itself: {error}")],
        };
        if !faults.is_empty() {
            failed += 1;
            writeln!(report, "\n{}\n{}", file.display(), faults.join("\n")).expect("a string takes all");
        }
    }
    assert!(failed == 0, "{failed} of {} cases failed:\n{report}", files.len());
}

/// A template as the program prints it is the file in `templates/`, so that either can be copied.
#[test]
fn templates_are_printed_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, file) in [("job", "job_template.yaml"), ("cronjob", "cronjob.yaml"), ("agent", "agent.yaml")] {
        let outcome = run::jobplate(folder.path(), &["template", name], b"");
        assert_eq!(outcome.status, 0, "template {name}");
        let expected = std::fs::read(root.join("templates").join(file)).expect("the template is there");
        assert!(outcome.stdout == expected, "template {name} differs from templates/{file}");
        assert!(outcome.stderr.is_empty(), "template {name} has something to say");
    }
    let list = run::jobplate(folder.path(), &["template"], b"");
    let list = String::from_utf8(list.stdout).expect("text");
    for name in ["job", "cronjob", "agent"] {
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name} is not in:\n{list}");
    }
}

/// The agent's ConfigMap holds the very job template that stands beside it.
#[test]
fn the_agent_mounts_the_job_template() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let read = |name: &str| std::fs::read_to_string(templates.join(name)).expect("the template is there");
    let embedded: String = read("job_template.yaml").lines().map(|line| format!("    {line}\n")).collect();
    assert!(read("agent.yaml").contains(&format!("  job_template.yaml: |\n{embedded}---\n")));
}

/// The schema knows the keys of a spec file, and no others.
#[test]
fn the_schema_of_a_spec_file() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let outcome = run::jobplate(folder.path(), &["schema"], b"");
    assert_eq!(outcome.status, 0);
    let schema: serde_json::Value = serde_json::from_slice(&outcome.stdout).expect("the schema is JSON");
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

/// `--name-hash` appends eight characters that depend on the object's value alone, not on how it is written.
#[test]
fn name_hash_counts_the_value() {
    let hashed = |text: &str, args: &[&str]| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let outcome = run::jobplate(folder.path(), &[&["render", "-", "--name-hash"], args].concat(), text.as_bytes());
        assert_eq!(outcome.status, 0, "{}", String::from_utf8_lossy(&outcome.stderr));
        let printed = String::from_utf8(outcome.stdout).expect("text");
        let at = printed.find("etl-").expect("the name is there") + 4;
        let hash = printed[at..at + 8].to_owned();
        assert!(hash.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{printed}");
        assert_eq!(printed.replace(&format!("-{hash}"), ""), text, "only the name changes");
        hash
    };
    let plain = "kind: Job\nmetadata:\n  name: etl\nspec:\n  template:\n    spec:\n      containers:\n        - name: flow\n          image: x\n";
    let other_way = "# the same\nspec: {template: {spec: {containers: [{image: 'x', name: flow}]}}}\nmetadata: {name: etl}\nkind: \"Job\"\n";
    let other_image = plain.replace("image: x", "image: y");
    assert_eq!(hashed(plain, &[]), hashed(other_way, &[]));
    assert_ne!(hashed(plain, &[]), hashed(&other_image, &[]));
}

/// A reader that has seen enough (`| head`) ends the program without a word.
#[test]
fn a_closed_stdout_is_quiet() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut child = run::isolated_command(run::binary(), folder.path())
        .args(["render", "-", "--env", "A=b"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The program can't print before it has read all, and by then nobody listens.
    drop(child.stdout.take());
    let job = "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n---\n".repeat(10_000);
    child.stdin.take().expect("stdin is a pipe").write_all(job.as_bytes()).expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Where standard error is not seen, as in a plugin of Helm 4, a file can hold the error.
#[test]
fn the_error_file() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("ERROR");
    for args in [&["render", "nope.yaml", "--env", "A=b"], &["render", "nope.yaml", "--frobnicate", "A=b"]] {
        run::write_file(&file, b"before");
        let outcome = run::jobplate(folder.path(), args, b"");
        assert_eq!(outcome.status, 2);
        let written = std::fs::read_to_string(&file).expect("the file can be read");
        assert_eq!(written, String::from_utf8_lossy(&outcome.stderr));
        assert!(written.starts_with("error: "), "{written}");
        // A run that succeeds leaves no error of another behind.
        assert_eq!(run::jobplate(folder.path(), &["template"], b"").status, 0);
        assert_eq!(std::fs::read_to_string(&file).expect("the file can be read"), "");
    }
    run::write_file(&file, b"kind: Job\n");
    assert_eq!(run::jobplate(folder.path(), &["template"], b"").status, 0);
    assert_eq!(std::fs::read_to_string(&file).expect("the file can be read"), "kind: Job\n");
}

/// `-i` writes through a symbolic link, and keeps the mode of the file.
#[cfg(unix)]
#[test]
fn in_place_keeps_links_and_modes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (real, link) = (folder.path().join("real/job.yaml"), folder.path().join("job.yaml"));
    run::write_file(&real, b"kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).expect("the mode can be set");
    symlink("real/job.yaml", &link).expect("a link can be made");
    let outcome = run::jobplate(folder.path(), &["render", "-i", "job.yaml", "--env", "A=b"], b"");
    assert_eq!(outcome.status, 0, "{}", String::from_utf8_lossy(&outcome.stderr));
    assert!(link.symlink_metadata().expect("the link is there").is_symlink());
    let text = std::fs::read_to_string(&real).expect("the file can be read");
    assert_eq!(
        text,
        "kind: Job\nspec: {template: {spec: {containers: [{name: flow, env: [{name: A, value: \"b\"}]}]}}}\n"
    );
    let mode = real.metadata().expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(run::files_below(&folder.path().join("real")), [Path::new("job.yaml")]);
}
