//! Tests the program's messages: hints name the program as it was invoked, `--quiet` suppresses notes, and output that
//! cannot be written is an error.
#![cfg(unix)]

use std::fs::File;
#[cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

/// Runs the program under a file name in a directory. Returns its standard error.
fn run_as(name: &str, args: &[&str], directory: &Path) -> String {
    let program = directory.join(name);
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_jobplate"), &program).expect("the program can be linked to");
    }
    let output = Command::new(program).args(args).current_dir(directory).output().expect("the program runs");
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

#[test]
fn hints_name_the_program_as_invoked() {
    let directory = tempfile::tempdir().unwrap();
    let file = "jobplate render apply";
    let job =
        "kind: Job\nspec:\n  template:\n    spec:\n      containers:\n        - name: flow\n          {{ env }}\n";
    std::fs::write(directory.path().join(file), job).unwrap();
    for (program, name) in [("jobplate", "jobplate"), ("kubectl-jobplate", "kubectl jobplate")] {
        let text = run_as(program, &["render", file, "--secret=A=s/a"], directory.path());
        assert!(text.contains("--> jobplate render apply:7:"), "{text}");
        assert!(text.contains(&format!("| {name} render -`")), "{text}");
        let text = run_as(program, &["render", "--", "jobplate diff"], directory.path());
        assert!(text.starts_with("error: jobplate diff: "), "{text}");
        let text = run_as(program, &[file], directory.path());
        assert!(text.contains(&format!("hint: put the command first: {name} render FILE --secret")), "{text}");
    }
}

#[test]
fn notes_name_the_program_as_invoked() {
    let directory = tempfile::tempdir().unwrap();
    let agent = "kind: Deployment\nmetadata: {name: agent}\nspec: {template: {spec: {containers: [{name: agent, args: [prefect, agent, kubernetes, start]}]}}}\n";
    let job = "kind: Job\nmetadata: {name: etl}\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
    std::fs::write(directory.path().join("jobplate apply"), agent).unwrap();
    std::fs::write(directory.path().join("job.yaml"), job).unwrap();
    let args = ["render", "job.yaml", "jobplate apply", "--target=job", "--env=PREFECT__CLOUD__API=http://x"];
    let text = run_as("kubectl-jobplate", &args, directory.path());
    assert!(text.contains("set it on the agent: `kubectl jobplate render 'jobplate apply' --target "), "{text}");
}

#[test]
fn quiet_suppresses_the_notes_of_every_command() {
    let job = "kind: Job\nmetadata: {name: etl}\nspec: {template: {spec: {containers: [{name: flow, args: [x]}]}}}\n";
    let list = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- {kind: Job, metadata: {name: etl}, spec: {template: {spec: {containers: [{name: flow}]}}}}\n";
    let base_job_template = include_str!("../templates/base_job_template.json");
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input");
    for (args, text) in [
        (&["render", "-"] as &[&str], job),
        (&["post-render", "--target=job", "--secret=A=s/k"], job),
        (&["krm", "--target=job", "--secret=A=s/k"], list),
        (&["convert", "-"], job),
        (&["preview", "-", "--prefect-kubernetes=99.0.0"], base_job_template),
        (&["secret", "s", "--from-file=A=-"], "value\n"),
    ] {
        std::fs::write(&input, text).unwrap();
        let run_for_notes = |flags: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
            let output = command.args(args).args(flags).stdin(File::open(&input).unwrap()).output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let has_note = |stderr: String| stderr.lines().any(|line| line.starts_with("note: "));
        assert!(has_note(run_for_notes(&[])), "{args:?} has no note");
        assert!(!has_note(run_for_notes(&["--quiet"])), "{args:?}");
    }
}

/// Linux only: other systems have no `/dev/full`.
#[cfg(target_os = "linux")]
#[test]
fn reports_an_output_that_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("a.yaml"),
        "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n",
    )
    .unwrap();
    let flag = "--secret-env=A=s/k";
    for args in [
        &["render", "a.yaml", flag] as &[&str],
        &["render", "a.yaml", flag, "--diff"],
        &["render", "a.yaml", flag, "--check"],
        &["template", "job"],
        &["schema"],
        &["completion", "bash"],
        &["man"],
        &["--help"],
        &["render", "--help"],
        &["--version"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
        let output = command.args(args).current_dir(directory.path()).stdout(full).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("error: cannot write to stdout: No space left on device"), "{args:?}: {text}");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

/// Checks that a diff contains no workflow command that a GitHub Actions runner would execute.
#[test]
fn render_diff_escapes_workflow_commands() {
    let directory = tempfile::tempdir().unwrap();
    let job = "kind: Job\nmetadata:\n  annotations:\n    a: |\n      ::add-mask::x\n      ##[group]y\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";
    std::fs::write(directory.path().join("a.yaml"), job).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
    command.args(["render", "--diff", "a.yaml", "--secret-env=A=s/k"]).current_dir(directory.path());
    let diff = String::from_utf8(command.env("GITHUB_ACTIONS", "true").output().unwrap().stdout).unwrap();
    assert!(diff.contains("\n       : :add-mask::x\n       ## [group]y\n"), "{diff}");
}
