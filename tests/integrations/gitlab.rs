//! Tests the GitLab CI job in `docs/ci.md` with `gitlab-ci-local` and its shell executor.

use crate::doc_example::{CI, example, fill_placeholders};
use crate::downloads::{ARCHIVE, Server, VERSION};
use crate::programs::{TestHome, find, find_on_path, has_programs};
use crate::run;

const TEMPLATE: &str = "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

/// Runs the job in a repository with the template `template`. The job expects the archive to have the checksum
/// `sha256`. Returns whether the job passed and its output, or `None` if a program is missing.
fn run_job(template: &str, sha256: &str) -> Option<(bool, String)> {
    let gitlab = find("gitlab-ci-local")?;
    if !has_programs(&["curl", "git", "node", "rsync", "tar"]) {
        return None;
    }
    // Node.js is often installed outside of /usr/bin, so `node` is linked into the home directory.
    let node = find_on_path("node")?;
    let (home, server) = (TestHome::new(&[("gitlab-ci-local", &gitlab), ("node", &node)]), Server::start());
    let local_archive = ARCHIVE.name.replace(VERSION, "$JOBPLATE_VERSION");
    let values = [
        ("https://releases.example/jobplate", server.url.as_str()),
        ("--proto '=https' ", ""),
        (&"0".repeat(64), sha256),
        ("jobplate-$JOBPLATE_VERSION-linux-amd64.tar.gz", &local_archive),
    ];
    home.write("repo/.gitlab-ci.yml", fill_placeholders(example(CI, ".gitlab-ci.yml"), &values));
    home.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
    home.write("repo/k8s/job_template.yaml", template);
    home.run_git("repo", &["init", "--quiet", "--initial-branch=main"]);
    home.run_git("repo", &["add", "--all"]);
    home.run_git("repo", &["commit", "--quiet", "--message", "x"]);
    let mut command = home.command("gitlab-ci-local");
    command.current_dir(home.directory().join("repo")).args(["--force-shell-executor", "--no-color"]);
    let output = command.output().expect("gitlab-ci-local starts");
    // gitlab-ci-local marks the lines of the job's output, but not the lines of its script.
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let extract_line = |line: &str| line.split_once("jobplate > ").map(|(_, printed)| format!("{printed}\n"));
    Some((output.status.success(), text.lines().filter_map(extract_line).collect()))
}

#[test]
fn the_job_of_the_page_checks() {
    let Some((passed, output)) = run_job(TEMPLATE, &ARCHIVE.sha256) else { return };
    assert!(!passed && output.contains("+++ k8s/job_template.yaml\n"), "{output}");
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let secret = "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";
    let outcome = run::jobplate(directory.path(), &["render", "-", secret], TEMPLATE.as_bytes());
    let rendered = String::from_utf8(outcome.stdout).expect("text");
    let (passed, output) = run_job(&rendered, &ARCHIVE.sha256).expect("it was here a moment ago");
    assert!(passed && output.contains(".tar.gz: OK\n"), "{output}");
}

#[test]
fn refuses_an_archive_with_another_checksum() {
    let Some((passed, output)) = run_job(TEMPLATE, &"1".repeat(64)) else { return };
    assert!(!passed && output.contains(".tar.gz: FAILED\n") && !output.contains("job_template"), "{output}");
}
