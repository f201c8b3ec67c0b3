//! Tests the GitHub action in workflows that `act` runs locally.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::doc_example::{CI, example};
use crate::downloads::{ARCHIVE, Server, VERSION, fill};
use crate::programs::{TestHome, find, has_programs, run_stdout};
use crate::run;

const TEMPLATE: &str = "\
# ours
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {containers: [{name: flow, image: 'flow:1'}]}}}   # not a byte of this
";

/// A repository with a template, a spec file and the action, and the server from which the action downloads.
struct Repository {
    home: TestHome,
    server: Server,
}

impl Repository {
    /// Creates the repository. Returns `None` if a program is missing.
    fn new() -> Option<Self> {
        Self::with_checksum(&ARCHIVE.sha256)
    }

    /// Creates the repository with an action that expects the archive to have the checksum `sha256`. Returns `None` if
    /// a program is missing.
    fn with_checksum(sha256: &str) -> Option<Self> {
        let act = find("act")?;
        if !has_programs(&["bash", "curl", "git", "tar"]) {
            return None;
        }
        let (home, server) = (TestHome::new(&[("act", &act)]), Server::start());
        // act closes a failed step's terminal before it has read all output, so the step must wait.
        home.write_script("bash", "/bin/bash \"$@\" && exit; status=$?; sleep 2; exit $status");
        home.write("repo/k8s/job_template.yaml", TEMPLATE);
        home.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
        home.write("repo/.github/actions/jobplate/action.yml", fill("github/action.yml", &server.url, sha256));
        home.run_git("repo", &["init", "--quiet", "--initial-branch=main"]);
        Some(Repository { home, server })
    }

    /// Commits the repository and runs a workflow in it.
    fn run(&self, workflow: &str) -> WorkflowOutput {
        self.home.write("repo/.github/workflows/the.yml", workflow);
        self.home.run_git("repo", &["add", "--all"]);
        self.home.run_git("repo", &["commit", "--quiet", "--allow-empty", "--message", "x"]);
        let mut act = self.home.command("act");
        act.current_dir(self.home.directory().join("repo")).env("NO_COLOR", "1").args(["push", "--no-cache-server"]);
        act.args(["--platform", "ubuntu-latest=-self-hosted", "--workflows", ".github/workflows/the.yml"]);
        WorkflowOutput::from_output(act.output().expect("act starts"))
    }

    /// Runs the action with `inputs` (lines of YAML), then a step that prints the action's outputs and copies k8s/.
    fn run_action(&self, inputs: &str) -> WorkflowOutput {
        let inputs: String = inputs.lines().map(|line| format!("          {line}\n")).collect();
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
{inputs}      - env:
          OUTCOME: ${{{{ steps.jobplate.outcome }}}}
          CHANGED: ${{{{ steps.jobplate.outputs.changed }}}}
          FILES: ${{{{ steps.jobplate.outputs.files }}}}
        run: |
          echo \"<$OUTCOME><$CHANGED><$FILES>\"
          rm -rf '{after}' && cp -R k8s '{after}'
",
            after = self.home.directory().join("after").display()
        ))
    }

    /// Returns the content of a file in the copy of k8s/ that `run_action` made.
    fn read_result(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.directory().join("after").join(name)).expect("the last step copied it")
    }
}

/// The output of a workflow's steps.
struct WorkflowOutput {
    success: bool,
    text: String,
}

impl WorkflowOutput {
    /// Extracts the steps' output and workflow commands. `act` marks these lines.
    fn from_output(output: Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let extract_line = |line: &str| {
            let (_, line) = line.split_once("]   | ").or_else(|| line.split_once("]   ❗  "))?;
            Some(format!("{line}\n"))
        };
        WorkflowOutput { success: output.status.success(), text: text.lines().filter_map(extract_line).collect() }
    }

    /// Returns the locations of error annotations.
    fn error_locations(&self) -> Vec<&str> {
        let annotations = self.text.lines().filter_map(|line| line.strip_prefix("::error title=jobplate,"));
        annotations.filter_map(|rest| Some(rest.split_once("::")?.0)).collect()
    }

    #[track_caller]
    fn assert_prints(&self, text: &str) {
        assert!(self.text.contains(text), "not said: {text:?}\n{}", self.text);
    }
}

/// Renders the template on the command line.
fn render_template(args: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let outcome = run::jobplate(directory.path(), &[&["render", "-", "--quiet"], args].concat(), TEMPLATE.as_bytes());
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
    run.assert_prints("jobplate would change:\nk8s/job_template.yaml\n--- k8s/job_template.yaml");
    assert_eq!(run.error_locations(), ["file=k8s/job_template.yaml,line=4"]);
    let secret = "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";
    repository.home.write("repo/k8s/job_template.yaml", render_template(&[secret]));
    let run = repository.run(&workflow);
    assert!(run.success, "{}", run.text);
    run.assert_prints("jobplate: nothing to change");
    // The second run reuses the first run's download, unless that has changed.
    let download = [format!("v{VERSION}/{}", ARCHIVE.name)];
    assert_eq!(repository.server.requested_paths(), download);
    let directory = repository.home.directory();
    let files = run::files_below(directory);
    let is_kept = |file: &&PathBuf| file.to_string_lossy().ends_with(&format!("{}.tar.gz", ARCHIVE.sha256));
    let kept = files.iter().find(is_kept).unwrap_or_else(|| panic!("no archive is kept: {files:?}"));
    std::fs::write(directory.join(kept), "another program").expect("it can be written");
    let run = repository.run(&workflow);
    assert!(run.success, "{}", run.text);
    assert_eq!(repository.server.requested_paths(), download);
}

#[test]
fn the_workflow_of_the_page_renders_and_pushes() {
    let Some(repository) = Repository::new() else { return };
    repository.home.run_git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
    let origin = repository.home.directory().join("origin.git");
    repository.home.run_git("repo", &["remote", "add", "origin", &origin.display().to_string()]);
    let run = repository.run(&example(CI, ".github/workflows/render.yml"));
    assert!(run.success, "{}", run.text);
    let args = [
        "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token",
        "--secret=SLACK_WEBHOOK_URL=prefect-secrets/slack:optional",
    ];
    let pushed = repository.home.run_git("origin.git", &["show", "main:k8s/job_template.yaml"]);
    assert_eq!(pushed, render_template(&args));
}

#[test]
fn sets_outputs_for_checked_and_changed_files() {
    let Some(repository) = Repository::new() else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(inputs);
    run.assert_prints("<failure><true><k8s/job_template.yaml>");
    assert_eq!(repository.read_result("job_template.yaml"), TEMPLATE);
    let run = repository.run_action(&format!("{inputs}mode: in-place"));
    run.assert_prints("<success><true><k8s/job_template.yaml>");
    assert!(run.error_locations().is_empty(), "{}", run.text);
    let rendered = render_template(&["--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token"]);
    assert_eq!(repository.read_result("job_template.yaml"), rendered);
    repository.home.write("repo/k8s/job_template.yaml", rendered);
    for mode in ["check", "in-place"] {
        repository.run_action(&format!("{inputs}mode: {mode}")).assert_prints("<success><false><>");
    }
}

#[test]
fn lints_and_writes_a_report() {
    let Some(repository) = Repository::new() else { return };
    repository
        .home
        .write("repo/k8s/job.yaml", "kind: Pod\nspec: {containers: [{name: a, env: [{name: A, value: yes}]}]}\n");
    let run = repository.run(
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
          mode: lint
          files: k8s
          args: --select=non-string-value
      - env:
          OUTCOME: ${{ steps.jobplate.outcome }}
          SARIF: ${{ steps.jobplate.outputs.sarif }}
        run: |
          echo \"<$OUTCOME>\"
          grep ruleId \"$SARIF\"
",
    );
    run.assert_prints("<failure>");
    run.assert_prints("::error title=non-string-value,file=k8s/job.yaml,line=2,");
    run.assert_prints("\"ruleId\": \"non-string-value\"");
}

#[test]
fn shows_errors_and_changes_nothing() {
    let Some(repository) = Repository::new() else { return };
    for mode in ["check", "in-place"] {
        let run = repository.run_action(&format!("files: k8s\nargs: --unset=A\nspec: none.yaml\nmode: {mode}"));
        run.assert_prints("<failure><><>");
        assert_eq!(run.text.matches("error: none.yaml: ").count(), 1, "{}", run.text);
        assert_eq!(repository.read_result("job_template.yaml"), TEMPLATE);
    }
    repository.run_action("mode: print").assert_prints("no mode 'print'");
}

#[test]
fn installs_without_rendering() {
    let Some(repository) = Repository::new() else { return };
    let run = repository.run(
        "on: push\njobs: {one: {runs-on: ubuntu-latest, steps: [{uses: actions/checkout@v4}, \
         {uses: ./.github/actions/jobplate, with: {mode: install}}, \
         {run: 'jobplate render -i k8s --env A=b; cat \"$GITHUB_STEP_SUMMARY\"'}]}}\n",
    );
    assert!(run.success, "{}", run.text);
    run.assert_prints("| `k8s/job_template.yaml:4` | `Job` | `flow` | `A` | added |");
}

#[test]
fn refuses_an_archive_with_another_checksum() {
    let Some(repository) = Repository::with_checksum(&"0".repeat(64)) else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(inputs);
    run.assert_prints("<failure><><>");
    run.assert_prints("is not what it should be: its SHA-256 is ");
    run.assert_prints(&ARCHIVE.sha256);
    assert!(!run.text.contains("jobplate would change"), "{}", run.text);
    let cached_files = run::files_below(&repository.home.directory().join(".cache"));
    let is_release = |file: &PathBuf| file.ends_with("jobplate") || file.to_string_lossy().ends_with("0000.tar.gz");
    assert!(!cached_files.iter().any(is_release), "{cached_files:?}");
    // A checksum in the inputs overrides the action's own checksum.
    let run = repository.run_action(&format!("{inputs}sha256: {}", ARCHIVE.sha256));
    run.assert_prints("<failure><true><k8s/job_template.yaml>");
}

#[test]
fn checks_another_version_against_its_checksum_file() {
    let Some(repository) = Repository::new() else { return };
    let inputs = "files: k8s\nspec: jobplate.yaml\n";
    let run = repository.run_action(&format!("{inputs}version: 0.2.0"));
    run.assert_prints("<failure><true><k8s/job_template.yaml>");
    let newer = ARCHIVE.name.replace(VERSION, "0.2.0");
    assert_eq!(repository.server.requested_paths(), ["v0.2.0/SHA256SUMS".to_owned(), format!("v0.2.0/{newer}")]);
    let run = repository.run_action(&format!("{inputs}version: 0.2.0\nsha256: {}", "1".repeat(64)));
    run.assert_prints("is not what it should be");
    let run = repository.run_action(&format!("{inputs}version: 9.9.9"));
    run.assert_prints("<failure><><>");
    run.assert_prints(&format!("{}/v9.9.9/SHA256SUMS cannot be downloaded", repository.server.url));
    run.assert_prints("404");
}

#[test]
fn refuses_a_platform_without_a_release() {
    let Some(repository) = Repository::new() else { return };
    let run_on = |machine: &str, inputs: &str| {
        repository.home.write_script("uname", &format!("echo {machine}"));
        let run = repository.run_action(inputs);
        run.assert_prints("<failure><><>");
        run
    };
    let run = run_on("Linux riscv64", "files: k8s");
    run.assert_prints("no release for Linux riscv64: there are Linux x86_64 and Linux aarch64");
    assert!(repository.server.requested_paths().is_empty());
    // A platform that the action supports but the release lacks.
    let (machine, platform) =
        if cfg!(target_arch = "aarch64") { ("x86_64", "linux-amd64") } else { ("aarch64", "linux-arm64") };
    let run = run_on(&format!("Linux {machine}"), "files: k8s\nversion: 0.2.0");
    run.assert_prints(&format!("/v0.2.0/SHA256SUMS has no jobplate-0.2.0-{platform}.tar.gz"));
}

/// Inputs are passed as arguments and never executed.
#[test]
fn never_executes_inputs() {
    let Some(repository) = Repository::new() else { return };
    let pwned = repository.home.directory().join("pwned");
    let touch = format!("touch {}", pwned.display());
    // Inserted into a script, each value would end a quoted string and run the command.
    for payload in [format!("$({touch})"), format!("`{touch}`"), format!("\"; {touch}; \""), format!("'; {touch}; '")] {
        let quoted = format!("'{}'", payload.replace('\'', "''"));
        for inputs in [&["mode"][..], &["version"], &["base-url"], &["sha256"], &["files", "spec", "args"]] {
            let run =
                repository.run_action(&inputs.iter().map(|input| format!("{input}: {quoted}\n")).collect::<String>());
            run.assert_prints("<failure><");
            assert!(!pwned.exists(), "{payload} in {inputs:?} was run:\n{}", run.text);
        }
    }
    // Special characters are passed on unchanged. Each line is one argument.
    let name = "$(touch pwned);'a \"b\" *.yaml";
    repository.home.write(format!("repo/k8s/{name}").as_str(), TEMPLATE);
    let value = "$(touch pwned) `x` 'a' \\\"b\\\" ; * %0A";
    let run = repository.run_action(&format!(
        "mode: in-place\nfiles: |\n  k8s/{name}\n\n  k8s/job_template.yaml\nargs: |\n  --env=A={}\n  --env=B=c d\n",
        value.replace("\\\"", "\"")
    ));
    run.assert_prints(&format!("<success><true><k8s/{name}\nk8s/job_template.yaml>"));
    let args = [format!("--env=A={}", value.replace("\\\"", "\"")), "--env=B=c d".to_owned()];
    let expected = render_template(&args.each_ref().map(String::as_str));
    assert!(expected.contains(value), "{expected}");
    assert_eq!(repository.read_result(name), expected);
    assert_eq!(repository.read_result("job_template.yaml"), expected);
}

/// The action's scripts contain no `${{ }}` expressions, and shellcheck accepts them.
#[test]
fn scripts_of_the_action_are_safe() {
    let action = fill("github/action.yml", "https://releases.example", "");
    let action: serde_yaml::Value = serde_yaml::from_str(&action).expect("YAML");
    let steps = action["runs"]["steps"].as_sequence().expect("steps");
    let scripts: Vec<&str> = steps.iter().map(|step| step["run"].as_str().expect("a script")).collect();
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        assert!(!script.contains("${{"), "{script}");
        if has_programs(&["shellcheck"]) {
            let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
            std::fs::write(file.path(), script).expect("it can be written");
            let path: PathBuf = file.path().to_owned();
            run_stdout(Command::new("shellcheck").args(["--shell=bash"]).arg(path));
        }
    }
}
