//! The GitHub action, in workflows that `act` runs on this machine as a runner would.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::doc_example::{CI, example};
use crate::downloads::{ARCHIVE, Server, VERSION, fill};
use crate::programs::{Place, done, find, needs};
use crate::run;

const TEMPLATE: &str = "\
# ours
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {containers: [{name: flow, image: 'flow:1'}]}}}   # not a byte of this
";

/// A repository with a template, a spec file and the action, and beside it the server that the action knows.
struct Repository {
    place: Place,
    server: Server,
}

impl Repository {
    /// None where a program is missing.
    fn new() -> Option<Self> {
        Self::with_checksum(&ARCHIVE.sha256)
    }

    fn with_checksum(sha256: &str) -> Option<Self> {
        let act = find("act")?;
        if !needs(&["bash", "curl", "git", "tar"]) {
            return None;
        }
        let (place, server) = (Place::new(&[("act", &act)]), Server::start());
        // act closes the terminal of a step that failed before it has read all of it: give it the time.
        place.script("bash", "/bin/bash \"$@\" && exit; status=$?; sleep 2; exit $status");
        place.write("repo/k8s/job_template.yaml", TEMPLATE);
        place.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
        place.write("repo/.github/actions/jobplate/action.yml", fill("github/action.yml", &server.url, sha256));
        place.git("repo", &["init", "--quiet", "--initial-branch=main"]);
        Some(Repository { place, server })
    }

    /// Runs a workflow on what stands in the repository, which is committed.
    fn run(&self, workflow: &str) -> Run {
        self.place.write("repo/.github/workflows/the.yml", workflow);
        self.place.git("repo", &["add", "--all"]);
        self.place.git("repo", &["commit", "--quiet", "--allow-empty", "--message", "x"]);
        let mut act = self.place.command("act");
        act.current_dir(self.place.folder().join("repo")).env("NO_COLOR", "1").args(["push", "--no-cache-server"]);
        act.args(["--platform", "ubuntu-latest=-self-hosted", "--workflows", ".github/workflows/the.yml"]);
        Run::of(act.output().expect("act starts"))
    }

    /// Runs the action with these inputs (lines of YAML), and then a step that says the outputs and shows files.
    fn run_action(&self, with: &str) -> Run {
        let with: String = with.lines().map(|line| format!("          {line}\n")).collect();
        self.run(&format!(
            "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./.github/actions/jobplate
        id: jobplate
        continue-on-error: true
        with:
{with}      - env:
          OUTCOME: ${{{{ steps.jobplate.outcome }}}}
          CHANGED: ${{{{ steps.jobplate.outputs.changed }}}}
          FILES: ${{{{ steps.jobplate.outputs.files }}}}
        run: |
          echo \"<$OUTCOME><$CHANGED><$FILES>\"
          rm -rf '{after}' && cp -R k8s '{after}'
",
            after = self.place.folder().join("after").display()
        ))
    }

    /// What a file in k8s/ is after `run_action`.
    fn after(&self, name: &str) -> String {
        std::fs::read_to_string(self.place.folder().join("after").join(name)).expect("the last step copied it")
    }
}

/// What the steps of a workflow said.
struct Run {
    success: bool,
    text: String,
}

impl Run {
    /// `act` marks what a step prints and its commands for the runner; all else, the scripts themselves among it,
    /// is its own.
    fn of(output: Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let said = |line: &str| {
            let (_, line) = line.split_once("]   | ").or_else(|| line.split_once("]   ❗  "))?;
            Some(format!("{line}\n"))
        };
        Run { success: output.status.success(), text: text.lines().filter_map(said).collect() }
    }

    /// Where annotations of errors are.
    fn annotations(&self) -> Vec<&str> {
        let annotations = self.text.lines().filter_map(|line| line.strip_prefix("::error title=jobplate,"));
        annotations.filter_map(|rest| Some(rest.split_once("::")?.0)).collect()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.text.contains(text), "not said: {text:?}\n{}", self.text);
    }
}

/// What the terminal makes of the template.
fn rendered(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let outcome = run::jobplate(folder.path(), &[&["render", "-", "--quiet"], args].concat(), TEMPLATE.as_bytes());
    assert_eq!(outcome.status, 0);
    let text = String::from_utf8(outcome.stdout).expect("text");
    assert_ne!(text, TEMPLATE);
    text
}

#[test]
fn the_workflow_of_the_page_checks() {
    let Some(repository) = Repository::new() else { return };
    let workflow = example(CI, ".github/workflows/check.yml");
    let run = repository.run(&workflow);
    assert!(!run.success, "{}", run.text);
    run.says("jobplate would change:\nk8s/job_template.yaml\n--- k8s/job_template.yaml");
    assert_eq!(run.annotations(), ["file=k8s/job_template.yaml,line=4"]);
    let secret = "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";
    repository.place.write("repo/k8s/job_template.yaml", rendered(&[secret]));
    let run = repository.run(&workflow);
    assert!(run.success, "{}", run.text);
    run.says("jobplate: nothing to change");
    // The second run found the first one's download.
    assert_eq!(repository.server.asked(), [format!("v{VERSION}/{}", ARCHIVE.name)]);
}

#[test]
fn the_workflow_of_the_page_renders_and_pushes() {
    let Some(repository) = Repository::new() else { return };
    repository.place.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
    let origin = repository.place.folder().join("origin.git");
    repository.place.git("repo", &["remote", "add", "origin", &origin.display().to_string()]);
    let run = repository.run(&example(CI, ".github/workflows/render.yml"));
    assert!(run.success, "{}", run.text);
    let args = [
        "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token",
        "--secret=SLACK_WEBHOOK_URL=prefect-secrets/slack:optional",
    ];
    let pushed = repository.place.git("origin.git", &["show", "main:k8s/job_template.yaml"]);
    assert_eq!(pushed, rendered(&args));
}

#[test]
fn outputs_say_what_a_check_found_and_what_was_changed() {
    let Some(repository) = Repository::new() else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(inputs);
    run.says("<failure><true><k8s/job_template.yaml>");
    assert_eq!(repository.after("job_template.yaml"), TEMPLATE);
    let run = repository.run_action(&format!("{inputs}mode: in-place"));
    run.says("<success><true><k8s/job_template.yaml>");
    assert!(run.annotations().is_empty(), "{}", run.text);
    let done = rendered(&["--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token"]);
    assert_eq!(repository.after("job_template.yaml"), done);
    repository.place.write("repo/k8s/job_template.yaml", done);
    for mode in ["check", "in-place"] {
        repository.run_action(&format!("{inputs}mode: {mode}")).says("<success><false><>");
    }
}

#[test]
fn errors_of_jobplate_are_shown_and_change_nothing() {
    let Some(repository) = Repository::new() else { return };
    for mode in ["check", "in-place"] {
        let run = repository.run_action(&format!("files: k8s\nargs: --unset=A\nspec: none.yaml\nmode: {mode}"));
        run.says("<failure><><>");
        assert_eq!(run.text.matches("error: none.yaml: ").count(), 1, "{}", run.text);
        assert_eq!(repository.after("job_template.yaml"), TEMPLATE);
    }
    repository.run_action("mode: print").says("no mode 'print'");
}

#[test]
fn installed_only() {
    let Some(repository) = Repository::new() else { return };
    let run = repository.run(
        "on: push\njobs: {one: {runs-on: ubuntu-latest, steps: [{uses: actions/checkout@v4}, \
         {uses: ./.github/actions/jobplate, with: {mode: install}}, \
         {run: 'jobplate render -i k8s --env A=b; cat \"$GITHUB_STEP_SUMMARY\"'}]}}\n",
    );
    assert!(run.success, "{}", run.text);
    run.says("| `k8s/job_template.yaml:4` | `Job` | `flow` | `A` | added |");
}

#[test]
fn another_archive_than_the_known_one_is_refused() {
    let Some(repository) = Repository::with_checksum(&"0".repeat(64)) else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(inputs);
    run.says("<failure><><>");
    run.says("is not what it should be: its SHA-256 is ");
    run.says(&ARCHIVE.sha256);
    assert!(!run.text.contains("jobplate would change"), "{}", run.text);
    let kept = run::files_below(&repository.place.folder().join(".cache"));
    assert!(!kept.iter().any(|file| file.ends_with("jobplate")), "{kept:?}");
    // One that the user knows better goes first.
    let run = repository.run_action(&format!("{inputs}sha256: {}", ARCHIVE.sha256));
    run.says("<failure><true><k8s/job_template.yaml>");
}

#[test]
fn another_version_is_checked_with_the_sums_beside_it() {
    let Some(repository) = Repository::new() else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(&format!("{inputs}version: 0.2.0"));
    run.says("<failure><true><k8s/job_template.yaml>");
    let newer = ARCHIVE.name.replace(VERSION, "0.2.0");
    assert_eq!(repository.server.asked(), ["v0.2.0/SHA256SUMS".to_owned(), format!("v0.2.0/{newer}")]);
    let run = repository.run_action(&format!("{inputs}version: 0.2.0\nsha256: {}", "1".repeat(64)));
    run.says("is not what it should be");
    let run = repository.run_action(&format!("{inputs}version: 9.9.9"));
    run.says("<failure><><>");
    run.says(&format!("{}/v9.9.9/SHA256SUMS can't be downloaded", repository.server.url));
    run.says("404");
}

#[test]
fn a_machine_that_there_is_no_release_for() {
    let Some(repository) = Repository::new() else { return };
    let run_on = |machine: &str, inputs: &str| {
        repository.place.script("uname", &format!("echo {machine}"));
        let run = repository.run_action(inputs);
        run.says("<failure><><>");
        run
    };
    let run = run_on("Linux riscv64", "files: k8s");
    run.says("no release for Linux riscv64: there are Linux x86_64 and Linux aarch64");
    assert!(repository.server.asked().is_empty());
    // One that the action knows, but this release was not built for.
    let (machine, platform) =
        if cfg!(target_arch = "aarch64") { ("x86_64", "linux-amd64") } else { ("aarch64", "linux-arm64") };
    let run = run_on(&format!("Linux {machine}"), "files: k8s\nversion: 0.2.0");
    run.says(&format!("/v0.2.0/SHA256SUMS has no jobplate-0.2.0-{platform}.tar.gz"));
}

/// Inputs are words, whatever is in them.
#[test]
fn no_input_is_run() {
    let Some(repository) = Repository::new() else { return };
    let pwned = repository.place.folder().join("pwned");
    let touch = format!("touch {}", pwned.display());
    // What ends a word in one kind of quotes or another, so that the rest would be a command.
    for evil in [format!("$({touch})"), format!("`{touch}`"), format!("\"; {touch}; \""), format!("'; {touch}; '")] {
        let quoted = format!("'{}'", evil.replace('\'', "''"));
        for inputs in [&["mode"][..], &["version"], &["base-url"], &["sha256"], &["files", "spec", "args"]] {
            let run =
                repository.run_action(&inputs.iter().map(|input| format!("{input}: {quoted}\n")).collect::<String>());
            run.says("<failure><");
            assert!(!pwned.exists(), "{evil} in {inputs:?} was run:\n{}", run.text);
        }
    }
    // Where such a word means something, it is taken as it is, and a line is a word.
    let name = "$(touch pwned);'a \"b\" *.yaml";
    repository.place.write(format!("repo/k8s/{name}").as_str(), TEMPLATE);
    let value = "$(touch pwned) `x` 'a' \\\"b\\\" ; * %0A";
    let run = repository.run_action(&format!(
        "mode: in-place\nfiles: |\n  k8s/{name}\n\n  k8s/job_template.yaml\nargs: |\n  --env=A={}\n  --env=B=c d\n",
        value.replace("\\\"", "\"")
    ));
    run.says(&format!("<success><true><k8s/{name}\nk8s/job_template.yaml>"));
    let args = [format!("--env=A={}", value.replace("\\\"", "\"")), "--env=B=c d".to_owned()];
    let expected = rendered(&args.each_ref().map(String::as_str));
    assert!(expected.contains(value), "{expected}");
    assert_eq!(repository.after(name), expected);
    assert_eq!(repository.after("job_template.yaml"), expected);
}

/// No input becomes text of a script, and shellcheck finds nothing in one.
#[test]
fn scripts_of_the_action() {
    let action = fill("github/action.yml", "https://releases.example", "");
    let action: serde_yaml::Value = serde_yaml::from_str(&action).expect("YAML");
    let steps = action["runs"]["steps"].as_sequence().expect("steps");
    let scripts: Vec<&str> = steps.iter().map(|step| step["run"].as_str().expect("a script")).collect();
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        assert!(!script.contains("${{"), "{script}");
        if needs(&["shellcheck"]) {
            let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
            std::fs::write(file.path(), script).expect("it can be written");
            let path: PathBuf = file.path().to_owned();
            done(Command::new("shellcheck").args(["--shell=bash"]).arg(path));
        }
    }
}
