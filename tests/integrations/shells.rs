//! Tests the scripts of `jobplate completion` in bash, zsh and fish.

use crate::programs::{TestHome, has_programs, run_stdout};
use crate::run;

const JOB: &str = "\
kind: Job
metadata: {name: etl}
spec: {template: {spec: {containers: [{name: flow, env: [{name: MODE, value: a}]}]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: db}
";

/// Creates a home directory with the shell's completion script. Returns `None` if the shell is missing.
fn create_home(shell: &str) -> Option<TestHome> {
    if !has_programs(&[shell]) {
        return None;
    }
    let home = TestHome::new(&[("jobplate", run::binary())]);
    home.write("job.yaml", JOB);
    let script = run_stdout(home.command("jobplate").args(["completion", shell]));
    home.write("script", script);
    Some(home)
}

/// Returns the candidates that the script passes to bash for a line.
fn complete_in_bash(home: &TestHome, line: &str, fragment: &str) -> Vec<String> {
    let script = "source ./script; COMP_LINE=$1 COMP_POINT=${#1}; _jobplate jobplate \"$2\" x; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let printed = run_stdout(home.command("bash").args(["--norc", "-c", script, "bash", line, fragment]));
    printed.lines().map(str::to_owned).filter(|line| !line.is_empty() && !line.starts_with('-')).collect()
}

#[test]
fn bash_shows_candidates() {
    let Some(home) = create_home("bash") else { return };
    assert_eq!(complete_in_bash(&home, "jobplate rend", "rend"), ["render"]);
    assert_eq!(complete_in_bash(&home, "jobplate render j", "j"), ["job.yaml"]);
    assert_eq!(complete_in_bash(&home, "jobplate render job.yaml --secret-env M", "M"), ["MODE="]);
    // bash replaces only the text after the last `=` or `:`, so the candidates must omit the text before it.
    assert_eq!(complete_in_bash(&home, "jobplate render job.yaml --secret-env MODE=", ""), ["db/"]);
    assert_eq!(complete_in_bash(&home, "jobplate render job.yaml --secret-env MODE=d", "d"), ["db/"]);
    assert_eq!(complete_in_bash(&home, "jobplate render 'job.yaml' --target ", ""), ["Job/etl"]);
    assert!(complete_in_bash(&home, "jobplate render 'job.yaml --target ", "").is_empty());
    assert_eq!(complete_in_bash(&home, "jobplate render ~/jo", "~/jo"), ["~/job.yaml"]);
    assert_eq!(complete_in_bash(&home, "jobplate render ~/job.yaml --target j", "j"), ["job/etl"]);
    // bash inserts candidates without quoting them, so the script must escape special characters.
    home.write("a b$(touch pwned);*.yaml", JOB);
    assert_eq!(complete_in_bash(&home, "jobplate render a", "a"), [r"a\ b\$\(touch\ pwned\)\;\*.yaml"]);
    assert_eq!(complete_in_bash(&home, r"jobplate render a\ b", r"a\ b"), [r"a\ b\$\(touch\ pwned\)\;\*.yaml"]);
}

#[test]
fn zsh_shows_candidates() {
    let Some(home) = create_home("zsh") else { return };
    let complete = |words: &str| {
        // The script replaces the zsh functions that register a completion and show candidates.
        let script = format!(
            "compdef() {{ }}; _describe() {{ print -lr -- ${{(P)3}} }}; source ./script; words=({words}); \
             CURRENT=$#words; PREFIX=$words[-1]; _jobplate"
        );
        run_stdout(home.command("zsh").args(["-f", "-c", &script]))
    };
    assert_eq!(
        complete("jobplate rend"),
        "render:Print manifests with secret references, variables and Prefect settings added\n"
    );
    assert_eq!(complete("jobplate render 'job.yaml' --target J"), "Job/etl:job.yaml\n");
    assert_eq!(complete("jobplate render job.yaml --secret-env MODE=d"), "MODE=db/:job.yaml\n");
    home.write("a b;c.yaml", JOB);
    assert_eq!(complete("jobplate render a"), "a\\\\ b\\\\;c.yaml\n");
    assert_eq!(complete("jobplate render '~/jo'"), "~/job.yaml\n");
}

#[test]
fn fish_shows_candidates() {
    let Some(home) = create_home("fish") else { return };
    let complete =
        |line: &str| run_stdout(home.command("fish").args(["-c", "source ./script; complete -C $argv[1]", line]));
    assert_eq!(complete("jobplate render j"), "job.yaml\n");
    assert_eq!(complete("jobplate render job.yaml --target J"), "Job/etl\tjob.yaml\n");
    assert_eq!(complete("jobplate render job.yaml --secret-env MODE=d"), "MODE=db/\tjob.yaml\n");
}
