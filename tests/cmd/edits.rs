//! What was edited, told to programs (`--report`) and to GitHub Actions: names, never values.

use std::path::Path;
use std::process::Stdio;

use super::run;

const JOB: &str = "\
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

/// Runs the program as a workflow does, with its files in `folder`; gives stdout, stderr and the exit code.
fn in_workflow(folder: &Path, args: &[&str]) -> (String, String, i32) {
    let mut command = run::isolated_command(run::binary(), &folder.join("repository/sub"));
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", folder.join("repository"));
    command.env("GITHUB_STEP_SUMMARY", folder.join("summary")).args(args).stdin(Stdio::null());
    let output = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    run::write_file(&folder.path().join("repository/sub/job.yaml"), JOB.as_bytes());
    folder
}

#[test]
fn a_report_of_all_edits() {
    let folder = folder();
    let place = folder.path().join("repository/sub");
    let edits = ["--secret-env", "MODE=s/k", "--field-env", "POD=metadata.name", "--unset", "OLD", "-n", "x"];
    let args = [&["render", "job.yaml", "--report", "report.json"], &edits[..]].concat();
    let printed = run::jobplate(&place, &args, b"");
    assert_eq!(printed.status, 0, "{}", String::from_utf8_lossy(&printed.stderr));
    let report = std::fs::read_to_string(place.join("report.json")).expect("there is a report");
    let parsed: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
    let edit = |line: u32, container: Option<&str>, what: &str, name: &str, action: &str| {
        let mut edit = serde_json::json!({
            "file": "job.yaml", "document": 2, "line": line, "kind": "Job", "name": "etl", "action": action,
        });
        edit[what] = name.into();
        if let Some(container) = container {
            edit["container"] = container.into();
        }
        edit
    };
    let expected = serde_json::json!({"edits": [
        edit(6, None, "field", "metadata.namespace", "added"),
        edit(13, Some("flow"), "variable", "OLD", "removed"),
        edit(14, Some("flow"), "variable", "MODE", "replaced"),
        edit(13, Some("flow"), "variable", "POD", "added"),
    ]});
    assert_eq!(parsed, expected, "{report}");
    // A folder does not have its spec file as a manifest.
    let spec = "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {inputs: [.], env: [{name: MODE, value: x}]}\n";
    run::write_file(&place.join("jobplate.yaml"), spec.as_bytes());
    let printed = run::jobplate(&place, &["render", "--spec", "jobplate.yaml", "--report", "report2.txt"], b"");
    assert!(!String::from_utf8_lossy(&printed.stdout).contains("JobPlate"));
    std::fs::remove_file(place.join("jobplate.yaml")).expect("it is there");
    // A second run has nothing to tell, also in place.
    for status in [1, 0, 0] {
        let how = if status == 1 { "--check" } else { "-i" };
        let args = [&["render", "job.yaml", how, "--report", "report.json"], &edits[..]].concat();
        assert_eq!(run::jobplate(&place, &args, b"").status, status);
        let report = std::fs::read_to_string(place.join("report.json")).expect("there is a report");
        if how == "--check" {
            assert_eq!(serde_json::from_str::<serde_json::Value>(&report).expect("it is JSON"), expected);
        }
    }
    assert_eq!(std::fs::read_to_string(place.join("report.json")).expect("a report"), "{\n  \"edits\": []\n}\n");
}

#[test]
fn a_report_that_cant_be_written_stops_everything() {
    let folder = folder();
    let place = folder.path().join("repository/sub");
    std::os::unix::fs::symlink("job.yaml", place.join("link")).expect("a link can be made");
    std::fs::hard_link(place.join("job.yaml"), place.join("hard")).expect("a link can be made");
    let spec = "apiVersion: jobplate/v1\nkind: JobPlate\nspec: {env: [{name: A, value: b}]}\n";
    run::write_file(&folder.path().join("repository/spec.yaml"), spec.as_bytes());
    let would_be_lost = "is one of the files that are read";
    for (input, report, said) in [
        ("job.yaml", "link", would_be_lost),
        ("job.yaml", "hard", would_be_lost),
        (".", "job.yaml", would_be_lost),
        ("job.yaml", "../spec.yaml", would_be_lost),
        ("job.yaml", "no/folder", "no/folder: can't be written: no such file or folder"),
        ("job.yaml", "-", "`--report` is a file"),
    ] {
        for how in ["-q", "-i"] {
            let args = ["render", input, how, "--spec", "../spec.yaml", "--report", report];
            let outcome = run::jobplate(&place, &args, b"");
            assert_eq!((outcome.status, outcome.stdout.len()), (2, 0), "{report}");
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            assert!(stderr.contains(said), "{report}: {stderr}");
            assert_eq!(std::fs::read_to_string(place.join("job.yaml")).expect("it is there"), JOB);
            let kept = std::fs::read_to_string(folder.path().join("repository/spec.yaml")).expect("it is there");
            assert_eq!(kept, spec);
        }
    }
    // The file that standard input is.
    let job = std::fs::File::open(place.join("job.yaml")).expect("it is there");
    let mut command = run::isolated_command(run::binary(), &place);
    let output = command.args(["render", "-", "--env", "A=b", "--report", "job.yaml"]).stdin(job).output();
    assert_eq!(output.expect("it starts").status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(place.join("job.yaml")).expect("it is there"), JOB);
}

#[test]
fn a_report_is_whole_or_the_one_before() {
    let folder = folder();
    let place = folder.path().join("repository/sub");
    run::write_file(&place.join("report.json"), b"before");
    let report = || std::fs::read_to_string(place.join("report.json")).expect("there is a report");
    let args = ["render", "job.yaml", "--target", "Job/other", "--env", "A=b", "--report", "report.json"];
    assert_eq!(run::jobplate(&place, &args, b"").status, 2);
    assert_eq!(report(), "before");
    // Through links, with the mode of the file.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let elsewhere = folder.path().join("elsewhere/report.json");
    run::write_file(&elsewhere, b"before");
    std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o600)).expect("its mode can be set");
    std::os::unix::fs::symlink(&elsewhere, place.join("link")).expect("a link can be made");
    std::os::unix::fs::symlink("nowhere", place.join("loose")).expect("a link can be made");
    let to = |report| run::jobplate(&place, &["render", "job.yaml", "--env", "A=b", "--report", report], b"").status;
    assert_eq!((to("link"), to("loose")), (0, 2));
    assert!(std::fs::read_to_string(&elsewhere).expect("it is there").starts_with("{\n  \"edits\""));
    assert_eq!(mode(&elsewhere), 0o600);
    for link in ["link", "loose"] {
        assert!(place.join(link).is_symlink());
        std::fs::remove_file(place.join(link)).expect("it can be removed");
    }
    // A reader who has seen enough of the manifest has not seen the report.
    let args = "jobplate render job.yaml --env A=b --report report.json | true";
    let mut command = run::isolated_command("sh", &place);
    command.env("PATH", format!("{}:/usr/bin:/bin", run::binary().parent().expect("a folder").display()));
    assert!(command.args(["-c", args]).status().expect("it starts").success());
    assert!(report().contains("\"variable\": \"A\""), "{}", report());
    assert_eq!(run::files_below(&place), [Path::new("job.yaml"), Path::new("report.json")]);
}

#[test]
fn annotations_and_a_summary_where_github_runs_it() {
    let folder = folder();
    let args = ["render", "job.yaml", "--check", "--secret-env", "MODE=s/k", "--secret-env", "NEW=s/k"];
    let (stdout, stderr, status) = in_workflow(folder.path(), &args);
    assert_eq!((stdout.as_str(), status), ("job.yaml\n", 1));
    assert_eq!(
        stderr,
        "::error title=jobplate,file=sub/job.yaml,line=14::MODE is to be replaced in Job/etl, container flow\n\
         ::error title=jobplate,file=sub/job.yaml,line=13::NEW is to be added in Job/etl, container flow\n"
    );
    // Edits that are made need no annotation.
    let (_, stderr, status) = in_workflow(folder.path(), &["render", "job.yaml", "-i", "--secret-env", "MODE=s/k"]);
    assert_eq!((stderr.as_str(), status), ("", 0));
    run::write_file(&folder.path().join("repository/sub/job.yaml"), JOB.replace("env:", "env: &e").as_bytes());
    let (stdout, stderr, status) = in_workflow(folder.path(), &["render", "job.yaml", "--secret-env", "MODE=s/k"]);
    assert_eq!((stdout.as_str(), status), ("", 2));
    let annotation = "\n::error title=jobplate,file=sub/job.yaml,line=12,col=16::`env` carries the anchor `&e`: what \
                      uses it would change too%0Ahint: remove the anchor";
    assert!(stderr.contains(annotation), "{stderr}");
    // What a runner would take for a command of ours.
    let odd = "kind: Job\nmetadata: {name: '::error title=x'}\nspec:\n  template:\n    spec:\n      containers:\n      - name: f\n        args:\n        - |\n          ::stop-commands::x\n          ##[add-mask]e\n";
    let job = folder.path().join("repository/sub/odd\n::debug::x.yaml");
    run::write_file(&job, odd.as_bytes());
    let name = "odd\n::debug::x.yaml";
    for args in [
        &["render", name, "--diff", "--env", "A=b"][..],
        &["render", name, "--check", "--env", "A=b"],
        &["render", name, "--target", "x", "--env", "A=b"],
    ] {
        let (stdout, stderr, _) = in_workflow(folder.path(), args);
        let lines = stdout.lines().chain(stderr.lines()).map(str::trim_start);
        let commands = lines.filter(|line| line.starts_with("::") || line.contains("##["));
        assert!(commands.clone().all(|line| line.starts_with("::error title=jobplate")), "{stdout}{stderr}");
    }
    std::fs::remove_file(job).expect("it can be removed");
    let summary = std::fs::read_to_string(folder.path().join("summary")).expect("there is a summary");
    assert!(summary.starts_with(
        "### jobplate: edits to be made\n\n| file | object | container | what | |\n|---|---|---|---|---|\n\
         | `job.yaml:14` | `Job/etl` | `flow` | `MODE` | replaced |\n\
         | `job.yaml:13` | `Job/etl` | `flow` | `NEW` | added |\n\n### jobplate: edits\n"
    ));
    assert!(summary.contains("### jobplate: error\n\n```text\njob.yaml:12:16: `env` carries"), "{summary}");
    assert!(!format!("{stderr}{summary}").contains("canary"));
}
