//! The hooks of `.pre-commit-hooks.yaml`, and the page's hook for an installed jobplate, run by pre-commit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::doc_example::{CI, example, with};
use crate::programs::{Place, done, find, needs};
use crate::run;

const TEMPLATE: &str = "\
kind: Job
spec:
  template:
    spec:
      containers:
        - name: flow   # as it is
";
const SECRET: &str = "--secret=GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";

/// A user's repository with this configuration, a template, and other files that are no concern of the hooks.
fn repository(configuration: &str) -> Option<Place> {
    let pre_commit = find("pre-commit")?;
    if !needs(&["git"]) {
        return None;
    }
    let place = Place::new(&[("pre-commit", &pre_commit), ("jobplate", run::binary())]);
    place.write("repo/k8s/job_template.yaml", TEMPLATE);
    place.write("repo/k8s/job.yaml", TEMPLATE);
    place.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
    place.write("repo/.pre-commit-config.yaml", configuration);
    place.git("repo", &["init", "--quiet"]);
    place.git("repo", &["add", "--all"]);
    Some(place)
}

/// Runs the hooks on all files of the repository: whether they passed, and what they said.
fn hooks(place: &Place, settings: impl FnOnce(&mut Command)) -> (bool, String) {
    let mut command = place.command("pre-commit");
    command.current_dir(place.folder().join("repo")).args(["run", "--all-files", "--verbose", "--color=never"]);
    command.env("PRE_COMMIT_HOME", place.folder().join("cache"));
    settings(&mut command);
    let output = command.output().expect("pre-commit starts");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.folder().join("repo").join(name)).expect("it can be read")
}

/// What the terminal makes of the template.
fn rendered() -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let outcome = run::jobplate(folder.path(), &["render", "-", SECRET], TEMPLATE.as_bytes());
    assert_eq!(outcome.status, 0);
    String::from_utf8(outcome.stdout).expect("text")
}

#[test]
fn an_installed_jobplate_is_a_hook() {
    let Some(place) = repository(&example(CI, ".pre-commit-config.yaml (installed)")) else { return };
    let (passed, said) = hooks(&place, |_| ());
    assert!(!passed && said.contains("files were modified by this hook"), "{said}");
    assert_eq!(read(&place, "k8s/job_template.yaml"), rendered());
    assert_eq!(read(&place, "k8s/job.yaml"), TEMPLATE);
    let (passed, said) = hooks(&place, |_| ());
    assert!(passed, "{said}");

    // A file of that name without a target is an error, and is no longer one where the user says so.
    place.write("repo/k8s/job_template.yaml", "kind: Service\napiVersion: v1\n");
    let (passed, said) = hooks(&place, |_| ());
    assert!(!passed && said.contains("exit code: 2"), "{said}");
    let accepting = with(read(&place, ".pre-commit-config.yaml"), &[("--in-place", "--in-place --allow-no-match")]);
    place.write("repo/.pre-commit-config.yaml", accepting);
    let (passed, said) = hooks(&place, |_| ());
    assert!(passed, "{said}");
}

/// pre-commit builds the hooks as it does for users, but without optimisation, and from the crates that are here.
#[test]
fn hooks_are_built_from_this_source() {
    let source = tempfile::tempdir().expect("a temporary folder can be made");
    let url = source.path().display().to_string();
    let page = with(example(CI, ".pre-commit-config.yaml"), &[("https://git.example/jobplate", url.as_str())]);
    let checking = with(page.clone(), &[("- id: jobplate\n", "- id: jobplate-check\n")]);
    let Some(place) = repository(&checking) else { return };
    release_source(&place, source.path());

    let (passed, said) = hooks(&place, cheap_build);
    assert!(!passed && said.contains("exit code: 1") && said.contains("\nk8s/job_template.yaml\n"), "{said}");
    assert!(!said.contains("k8s/job.yaml"), "{said}");
    assert_eq!(read(&place, "k8s/job_template.yaml"), TEMPLATE);

    place.write("repo/.pre-commit-config.yaml", page);
    let (passed, said) = hooks(&place, cheap_build);
    assert!(!passed && said.contains("files were modified by this hook"), "{said}");
    assert_eq!(read(&place, "k8s/job_template.yaml"), rendered());
    let (passed, said) = hooks(&place, cheap_build);
    assert!(passed, "{said}");
    place.write("repo/.pre-commit-config.yaml", checking);
    let (passed, said) = hooks(&place, cheap_build);
    assert!(passed, "{said}");
}

/// The source as it is, committed or not, as a repository with the tag that the page names.
fn release_source(place: &Place, to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    // The one command that looks at this repository, which may be another user's.
    let files = done(place.command("git").args(["-c", "safe.directory=*"]).args(list).current_dir(root));
    for file in files.split('\0').filter(|file| root.join(file).is_file()) {
        run::write_file(&to.join(file), &std::fs::read(root.join(file)).expect("it can be read"));
    }
    let folder = to.display().to_string();
    place.git(&folder, &["init", "--quiet"]);
    place.git(&folder, &["add", "--all"]);
    place.git(&folder, &["commit", "--quiet", "--message", "x"]);
    place.git(&folder, &["tag", "v0.1.0"]);
}

/// How the hooks are built, not what they are: with the cargo and the crates of this test, in two minutes the first
/// time and in seconds later.
fn cheap_build(command: &mut Command) {
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    let programs = cargo.parent().expect("a program is in a folder");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let crates = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let path = command.get_envs().find_map(|(name, value)| value.filter(|_| name == "PATH")).expect("it is set");
    let path = format!("{}:{}", programs.display(), path.display());
    command.env("PATH", path).env("CARGO_HOME", crates).env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("pre-commit"));
    for (setting, value) in
        [("LTO", "off"), ("OPT_LEVEL", "0"), ("CODEGEN_UNITS", "16"), ("STRIP", "false"), ("PANIC", "unwind")]
    {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
}
