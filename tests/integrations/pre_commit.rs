//! Tests the hooks of `.pre-commit-hooks.yaml` and the hook in `docs/ci.md` for an installed jobplate.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::doc_example::{CI, example, fill_placeholders};
use crate::programs::{TestHome, find, has_programs, run_stdout};
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

/// Creates a repository with this pre-commit configuration, a template, and a file that the hooks must ignore. Returns
/// `None` if a program is missing.
fn create_repository(configuration: &str) -> Option<TestHome> {
    let pre_commit = find("pre-commit")?;
    if !has_programs(&["git"]) {
        return None;
    }
    let home = TestHome::new(&[("pre-commit", &pre_commit), ("jobplate", run::binary())]);
    home.write("repo/k8s/job_template.yaml", TEMPLATE);
    home.write("repo/k8s/job.yaml", TEMPLATE);
    home.write("repo/jobplate.yaml", example(CI, "jobplate.yaml"));
    home.write("repo/.pre-commit-config.yaml", configuration);
    home.run_git("repo", &["init", "--quiet"]);
    home.run_git("repo", &["add", "--all"]);
    Some(home)
}

/// Runs the hooks on all files of the repository. Returns whether the hooks passed and their output.
fn run_hooks(home: &TestHome, configure: impl FnOnce(&mut Command)) -> (bool, String) {
    let mut command = home.command("pre-commit");
    command.current_dir(home.directory().join("repo")).args(["run", "--all-files", "--verbose", "--color=never"]);
    command.env("PRE_COMMIT_HOME", home.directory().join("cache"));
    configure(&mut command);
    let output = command.output().expect("pre-commit starts");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

fn read(home: &TestHome, name: &str) -> String {
    std::fs::read_to_string(home.directory().join("repo").join(name)).expect("it can be read")
}

/// Renders the template on the command line.
fn render_template() -> String {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let outcome = run::jobplate(directory.path(), &["render", "-", SECRET], TEMPLATE.as_bytes());
    assert_eq!(outcome.status, 0);
    String::from_utf8(outcome.stdout).expect("text")
}

#[test]
fn an_installed_jobplate_is_a_hook() {
    let Some(home) = create_repository(&example(CI, ".pre-commit-config.yaml (installed)")) else { return };
    let (passed, output) = run_hooks(&home, |_| ());
    assert!(!passed && output.contains("files were modified by this hook"), "{output}");
    assert_eq!(read(&home, "k8s/job_template.yaml"), render_template());
    assert_eq!(read(&home, "k8s/job.yaml"), TEMPLATE);
    let (passed, output) = run_hooks(&home, |_| ());
    assert!(passed, "{output}");

    // The name of a file is never a flag.
    home.write("repo/--env=EVIL=1/job_template.yaml", TEMPLATE);
    home.run_git("repo", &["add", "--all"]);
    let (passed, output) = run_hooks(&home, |_| ());
    assert!(!passed && output.contains("files were modified by this hook"), "{output}");
    assert_eq!(read(&home, "--env=EVIL=1/job_template.yaml"), render_template());
    assert_eq!(read(&home, "k8s/job_template.yaml"), render_template());

    // A file with the hook's file name but without a target is an error, unless the user passes `--allow-no-match`.
    home.run_git("repo", &["rm", "-r", "--quiet", "--force", "--", "--env=EVIL=1"]);
    home.write("repo/k8s/job_template.yaml", "kind: Service\napiVersion: v1\n");
    let (passed, output) = run_hooks(&home, |_| ());
    assert!(!passed && output.contains("exit code: 2"), "{output}");
    let lenient_config =
        fill_placeholders(read(&home, ".pre-commit-config.yaml"), &[("--require-match=files", "--allow-no-match")]);
    home.write("repo/.pre-commit-config.yaml", lenient_config);
    let (passed, output) = run_hooks(&home, |_| ());
    assert!(passed, "{output}");
}

/// pre-commit builds the hooks from source, as it does for users, but without optimisation and from downloaded crates.
#[test]
fn hooks_are_built_from_this_source() {
    let source = tempfile::tempdir().expect("a temporary folder can be made");
    let url = source.path().display().to_string();
    let hook_config =
        fill_placeholders(example(CI, ".pre-commit-config.yaml"), &[("https://git.example/jobplate", url.as_str())]);
    let check_config = fill_placeholders(hook_config.clone(), &[("- id: jobplate\n", "- id: jobplate-check\n")]);
    let Some(home) = create_repository(&check_config) else { return };
    commit_source(&home, source.path());

    let (passed, output) = run_hooks(&home, configure_fast_build);
    assert!(!passed && output.contains("exit code: 1") && output.contains("\nk8s/job_template.yaml\n"), "{output}");
    assert!(!output.contains("k8s/job.yaml"), "{output}");
    assert_eq!(read(&home, "k8s/job_template.yaml"), TEMPLATE);

    home.write("repo/.pre-commit-config.yaml", hook_config);
    let (passed, output) = run_hooks(&home, configure_fast_build);
    assert!(!passed && output.contains("files were modified by this hook"), "{output}");
    assert_eq!(read(&home, "k8s/job_template.yaml"), render_template());
    let (passed, output) = run_hooks(&home, configure_fast_build);
    assert!(passed, "{output}");
    home.write("repo/.pre-commit-config.yaml", check_config);
    let (passed, output) = run_hooks(&home, configure_fast_build);
    assert!(passed, "{output}");

    let lint_config = format!("repos:\n- repo: {url}\n  rev: v0.1.0\n  hooks:\n  - id: jobplate-lint\n");
    home.write("repo/.pre-commit-config.yaml", lint_config);
    home.write("repo/k8s/lint.yaml", "kind: Pod\nspec: {containers: [{name: a, env: [{name: A, value: yes}]}]}\n");
    home.run_git("repo", &["add", "--all"]);
    let (passed, output) = run_hooks(&home, configure_fast_build);
    assert!(!passed && output.contains("error[non-string-value]: "), "{output}");
    assert!(output.contains(" --> k8s/lint.yaml:2:"), "{output}");
}

/// Creates a repository with the working tree's source and the tag that the page names.
fn commit_source(home: &TestHome, destination: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    // Git refuses another user's repository unless `safe.directory` includes it.
    let files = run_stdout(home.command("git").args(["-c", "safe.directory=*"]).args(list).current_dir(root));
    for file in files.split('\0').filter(|file| root.join(file).is_file()) {
        run::write_file(&destination.join(file), &std::fs::read(root.join(file)).expect("it can be read"));
    }
    let directory = destination.display().to_string();
    home.run_git(&directory, &["init", "--quiet"]);
    home.run_git(&directory, &["add", "--all"]);
    home.run_git(&directory, &["commit", "--quiet", "--message", "x"]);
    home.run_git(&directory, &["tag", "v0.1.0"]);
}

/// Speeds up the build of the hooks: uses this test's cargo and its downloaded crates, and turns optimisation off.
fn configure_fast_build(command: &mut Command) {
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
