//! Tests edit reports: the JSON of `--report`, and the annotations and step summaries of GitHub Actions.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::run::{self, ProgramOutput};

const MANIFEST: &str = "\
# first
kind: ConfigMap
metadata: {name: m}
---
kind: Job
metadata: {name: etl}
spec:
  template:
    spec:
      containers:
        - name: flow
          env:
            - {name: OLD, value: canary}
            - {name: MODE, value: canary}
";

/// A checked-out repository with the file `sub/job.yaml`.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Repository { dir: tempfile::tempdir().expect("a temporary directory can be created") };
        run::write_file(&repository.path("job.yaml"), MANIFEST.as_bytes());
        repository
    }

    /// Returns the path of a file in `sub`, the program's working directory.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("repository/sub").join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn run(&self, args: &[&str]) -> ProgramOutput {
        run::jobplate(&self.path(""), args, b"")
    }

    /// Runs the program with GitHub Actions' environment variables. Returns stdout, stderr and the exit code.
    fn run_in_workflow(&self, args: &[&str]) -> (String, String, i32) {
        let mut command = run::isolated_command(run::binary(), &self.path(""));
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", self.dir.path().join("repository"));
        command.env("GITHUB_STEP_SUMMARY", self.dir.path().join("summary")).args(args).stdin(Stdio::null());
        let output = command.output().expect("the program starts");
        let to_text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        (to_text(output.stdout), to_text(output.stderr), output.status.code().unwrap_or(-1))
    }
}

pub(crate) fn lists_all_edits() {
    let repository = Repository::new();
    let edits = ["--secret-env", "MODE=s/k", "--field-env", "POD=metadata.name", "--unset", "OLD", "-n", "x"];
    let render = |options: &[&str]| {
        repository.run(&[&["render", "job.yaml", "--report", "report.json"], options, &edits].concat())
    };
    let output = render(&[]);
    assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
    let to_edit = |line: u32, container: Option<&str>, key: &str, name: &str, action: &str| {
        let mut edit = serde_json::json!({
            "file": "job.yaml", "document": 2, "line": line, "kind": "Job", "name": "etl", "action": action,
        });
        edit[key] = name.into();
        if let Some(container) = container {
            edit["container"] = container.into();
        }
        edit
    };
    let expected = serde_json::json!({"edits": [
        to_edit(6, None, "field", "metadata.namespace", "added"),
        to_edit(13, Some("flow"), "variable", "OLD", "removed"),
        to_edit(14, Some("flow"), "variable", "MODE", "replaced"),
        to_edit(13, Some("flow"), "variable", "POD", "added"),
    ], "unchanged": [], "filesWithoutTarget": [], "diagnostics": [{
        "code": "replaced-secret", "severity": "info",
        "message": "references replace the plain-text values of `MODE`",
        "help": "rotate each value that is a secret: Git, backups and earlier Jobs and pods still have it",
    }]});
    let read_report = || serde_json::from_str::<Value>(&repository.read("report.json")).expect("the report is JSON");
    assert_eq!(read_report(), expected);
    assert_eq!(render(&["--check"]).status, 1);
    assert_eq!(read_report(), expected);
    assert_eq!(render(&["-i"]).status, 0);
    // All edits are already in the file.
    assert_eq!(render(&["-i"]).status, 0);
    let unchanged = serde_json::json!({"file": "job.yaml", "document": 2, "line": 5, "kind": "Job", "name": "etl", "namespace": "x"});
    assert_eq!(
        read_report(),
        serde_json::json!({"edits": [], "unchanged": [unchanged], "filesWithoutTarget": [], "diagnostics": []})
    );
}

/// Checks that the spec file is not an input, although it is in the input directory.
pub(crate) fn a_directory_leaves_out_the_spec_file() {
    let repository = Repository::new();
    let spec = "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {inputs: [.], env: [{name: MODE, value: x}]}\n";
    run::write_file(&repository.path("jobplate.yaml"), spec.as_bytes());
    let output = repository.run(&["render", "--spec", "jobplate.yaml", "--report", "report.txt"]);
    assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("JobPlate"));
}

pub(crate) fn refuses_to_run_if_the_report_cannot_be_written() {
    let repository = Repository::new();
    symlink("job.yaml", repository.path("link")).expect("a link can be created");
    std::fs::hard_link(repository.path("job.yaml"), repository.path("hard")).expect("a link can be created");
    let spec = "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {env: [{name: A, value: b}]}\n";
    run::write_file(&repository.path("../spec.yaml"), spec.as_bytes());
    let input_error = "must not be an input file";
    for (input, report, message) in [
        ("job.yaml", "link", input_error),
        ("job.yaml", "hard", input_error),
        (".", "job.yaml", input_error),
        ("job.yaml", "../spec.yaml", input_error),
        ("job.yaml", "no/directory", "no/directory: cannot be written: no such file or directory"),
        ("job.yaml", "-", "`--report` must be a file"),
    ] {
        for option in ["-q", "-i"] {
            let output = repository.run(&["render", input, option, "--spec", "../spec.yaml", "--report", report]);
            assert_eq!((output.status, output.stdout.len()), (2, 0), "{report}");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains(message), "{report}: {stderr}");
            assert_eq!((repository.read("job.yaml"), repository.read("../spec.yaml")), (MANIFEST.into(), spec.into()));
        }
    }
    // The report must not overwrite the file that standard input is redirected from, either.
    let stdin = std::fs::File::open(repository.path("job.yaml")).expect("the file can be read");
    let mut command = run::isolated_command(run::binary(), &repository.path(""));
    let output = command.args(["render", "-", "--env", "A=b", "--report", "job.yaml"]).stdin(stdin).output();
    assert_eq!(output.expect("the program starts").status.code(), Some(2));
    assert_eq!(repository.read("job.yaml"), MANIFEST);
}

/// Checks that a failed run leaves no report of an earlier run, unless it fails because of its arguments, and that
/// `--in-place` still changes no file.
pub(crate) fn a_failed_run_reports_its_errors() {
    let repository = Repository::new();
    run::write_file(&repository.path("invalid.yaml"), b"kind: Job\nspec: {template: {spec: {containers: [\n");
    let inputs = ["job.yaml", "invalid.yaml", "missing.yaml"];
    for (command, inputs, options, expected) in [
        (
            "render",
            &inputs[..1],
            &["--target", "Job/other", "--env", "A=b"] as &[&str],
            &["no object matches"] as &[&str],
        ),
        ("render", &inputs, &["--env", "A=b"], &["invalid YAML", "cannot be read"]),
        ("render", &inputs, &["--env", "A=b", "-i"], &["invalid YAML", "cannot be read"]),
        ("post-render", &[], &["--env", "A=b", "--target", "Job/other"], &["no object matches"]),
        ("preview", &inputs[1..2], &[], &["invalid YAML"]),
        ("preview", &inputs[2..], &[], &["cannot be read"]),
        ("render", &inputs, &["--env", "A=b", "--unset", "A"], &[]),
        ("preview", &inputs[..1], &["--worker", "missing.yaml"], &[]),
    ] {
        run::write_file(&repository.path("report.json"), b"before");
        let args = [&[command], inputs, options, &["--report", "report.json"]].concat();
        let output = run::jobplate(&repository.path(""), &args, MANIFEST.as_bytes());
        assert_eq!((output.status, output.stdout.len()), (2, 0), "{args:?}");
        let report = repository.read("report.json");
        if expected.is_empty() {
            assert_eq!(report, "before", "{args:?}");
            continue;
        }
        let report: Value = serde_json::from_str(&report).expect("the report is JSON");
        let diagnostics = report["diagnostics"].as_array().expect("a list");
        let is_expected = |(diagnostic, message): (&Value, &&str)| {
            diagnostic["severity"] == "error"
                && diagnostic["message"].as_str().is_some_and(|text| text.starts_with(message))
        };
        assert_eq!(diagnostics.len(), expected.len(), "{args:?}: {report}");
        assert!(diagnostics.iter().zip(expected).all(is_expected), "{args:?}: {report}");
        assert!(!report.to_string().contains("canary"), "{args:?}: {report}");
        assert_eq!(repository.read("job.yaml"), MANIFEST, "{args:?}");
    }
    let files = ["invalid.yaml", "job.yaml", "report.json"].map(PathBuf::from);
    assert_eq!(run::files_below(&repository.path("")), files);
}

pub(crate) fn follows_links_and_keeps_modes() {
    let repository = Repository::new();
    let target = repository.path("../../elsewhere/report.json");
    run::write_file(&target, b"before");
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).expect("the mode can be set");
    symlink(&target, repository.path("link")).expect("a link can be created");
    symlink("missing", repository.path("broken")).expect("a link can be created");
    let run_with_report = |report| repository.run(&["render", "job.yaml", "--env", "A=b", "--report", report]).status;
    assert_eq!((run_with_report("link"), run_with_report("broken")), (0, 2));
    assert!(repository.read("link").starts_with("{\n  \"edits\""));
    let mode = target.metadata().expect("the file exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(repository.path("link").is_symlink() && repository.path("broken").is_symlink());
}

/// Runs the program with a reader that closes the pipe early.
pub(crate) fn is_written_when_stdout_is_closed() {
    let repository = Repository::new();
    let mut command = run::isolated_command("sh", &repository.path(""));
    command.env("PATH", format!("{}:/usr/bin:/bin", run::binary().parent().expect("a directory").display()));
    let script = "jobplate render job.yaml --env A=b --report report.json | true";
    assert!(command.args(["-c", script]).status().expect("sh starts").success());
    let report = repository.read("report.json");
    assert!(report.contains("\"variable\": \"A\""), "{report}");
    assert_eq!(run::files_below(&repository.path("")), [Path::new("job.yaml"), Path::new("report.json")]);
}

pub(crate) fn annotates_and_summarizes_in_github_actions() {
    let repository = Repository::new();
    let edits = ["--config-env", "MODE=c/k", "--secret-env", "NEW=s/k"];
    let (stdout, stderr, status) =
        repository.run_in_workflow(&[&["render", "job.yaml", "--check"], &edits[..]].concat());
    assert_eq!((stdout.as_str(), status), ("job.yaml\n", 1));
    assert_eq!(
        stderr,
        "::error title=jobplate,file=sub/job.yaml,line=14::MODE is to be replaced in Job/etl, container flow\n\
         ::error title=jobplate,file=sub/job.yaml,line=13::NEW is to be added in Job/etl, container flow\n\
         note: 1 file, 1 target: 1 to change, 0 unchanged\n  \
         hint: to change the files, run the same command with --in-place instead of --check\n"
    );
    // A run that writes its edits does not annotate them.
    let (_, stderr, status) = repository.run_in_workflow(&["render", "job.yaml", "-i", "--config-env", "MODE=c/k"]);
    assert_eq!(
        (stderr.as_str(), status),
        (
            "note: 1 file, 1 target: 1 changed, 0 unchanged
",
            0
        )
    );
    run::write_file(&repository.path("job.yaml"), MANIFEST.replace("env:", "env: &e").as_bytes());
    let (stdout, stderr, status) = repository.run_in_workflow(&["render", "job.yaml", "--secret-env", "MODE=s/k"]);
    assert_eq!((stdout.as_str(), status), ("", 2));
    let annotation = "\n::error title=jobplate,file=sub/job.yaml,line=12,col=16::`env` has the anchor `&e`: its \
                      aliases would change too%0Ahint: remove the anchor";
    assert!(stderr.contains(annotation), "{stderr}");
    let summary = std::fs::read_to_string(repository.dir.path().join("summary")).expect("there is a summary");
    assert!(summary.starts_with(
        "### jobplate: edits to be made\n\n| file | object | container | what | |\n|---|---|---|---|---|\n\
         | `job.yaml:14` | `Job/etl` | `flow` | `MODE` | replaced |\n\
         | `job.yaml:13` | `Job/etl` | `flow` | `NEW` | added |\n\n### jobplate: edits\n"
    ));
    assert!(summary.contains("### jobplate: error\n\n```text\njob.yaml:12:16: `env` has the anchor"), "{summary}");
    assert!(!format!("{stderr}{summary}").contains("canary"));
}

/// Checks that workflow commands in file names and manifests are escaped. A GitHub runner would execute them.
pub(crate) fn escapes_workflow_commands_of_the_input() {
    let repository = Repository::new();
    let manifest = "kind: Job\nmetadata: {name: '::error title=x'}\nspec:\n  template:\n    spec:\n      containers:\n      - name: f\n        args:\n        - |\n          ::stop-commands::x\n          ##[add-mask]e\n";
    let name = "odd\n::debug::x.yaml";
    run::write_file(&repository.path(name), manifest.as_bytes());
    for args in [
        &["render", name, "--diff", "--env", "A=b"][..],
        &["render", name, "--check", "--env", "A=b"],
        &["render", name, "--target", "x", "--env", "A=b"],
    ] {
        let (stdout, stderr, _) = repository.run_in_workflow(args);
        let lines = stdout.lines().chain(stderr.lines()).map(str::trim_start);
        let mut commands = lines.filter(|line| line.starts_with("::") || line.contains("##["));
        assert!(commands.all(|line| line.starts_with("::error title=jobplate")), "{stdout}{stderr}");
    }
}
