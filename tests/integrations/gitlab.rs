//! The GitLab job of the page, run by `gitlab-ci-local` as GitLab's shell executor would.

use crate::doc_example::{CI, example, with};
use crate::downloads::{ARCHIVE, Server, VERSION};
use crate::programs::{Place, find, needs, on_path};
use crate::run;

const TEMPLATE: &str = "kind: Job\nspec: {template: {spec: {containers: [{name: flow}]}}}\n";

/// Runs the job in a repository with this template: whether it passed, and what it said.
fn job(template: &str, sha256: &str) -> Option<(bool, String)> {
    let gitlab = find("gitlab-ci-local")?;
    if !needs(&["curl", "git", "node", "rsync", "tar"]) {
        return None;
    }
    // Node.js is seldom among the system's own programs.
    let node = on_path("node")?;
    let (place, server) = (Place::new(&[("gitlab-ci-local", &gitlab), ("node", &node)]), Server::start());
    let here = ARCHIVE.name.replace(VERSION, "$JOBPLATE_VERSION");
    let real = [
        ("https://releases.example/jobplate", server.url.as_str()),
        (&"0".repeat(64), sha256),
        ("jobplate-$JOBPLATE_VERSION-linux-amd64.tar.gz", &here),
    ];
    place.write("repo/.gitlab-ci.yml", with(example(CI, ".gitlab-ci.yml"), &real));
    place.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
    place.write("repo/k8s/job_template.yaml", template);
    place.git("repo", &["init", "--quiet", "--initial-branch=main"]);
    place.git("repo", &["add", "--all"]);
    place.git("repo", &["commit", "--quiet", "--message", "x"]);
    let mut command = place.command("gitlab-ci-local");
    command.current_dir(place.folder().join("repo")).args(["--force-shell-executor", "--no-color"]);
    let output = command.output().expect("gitlab-ci-local starts");
    // What the job prints is marked, unlike its script.
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let said = |line: &str| line.split_once("jobplate > ").map(|(_, said)| format!("{said}\n"));
    Some((output.status.success(), text.lines().filter_map(said).collect()))
}

#[test]
fn the_job_of_the_page_checks() {
    let Some((passed, said)) = job(TEMPLATE, &ARCHIVE.sha256) else { return };
    assert!(!passed && said.contains("+++ k8s/job_template.yaml\n"), "{said}");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let secret = "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";
    let outcome = run::jobplate(folder.path(), &["render", "-", secret], TEMPLATE.as_bytes());
    let rendered = String::from_utf8(outcome.stdout).expect("text");
    let (passed, said) = job(&rendered, &ARCHIVE.sha256).expect("it was here a moment ago");
    assert!(passed && said.contains(".tar.gz: OK\n"), "{said}");
}

#[test]
fn another_archive_is_refused() {
    let Some((passed, said)) = job(TEMPLATE, &"1".repeat(64)) else { return };
    assert!(!passed && said.contains(".tar.gz: FAILED\n") && !said.contains("job_template"), "{said}");
}
