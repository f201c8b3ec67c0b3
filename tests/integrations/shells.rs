//! The scripts of `jobplate completion`, in the shells that they are for.

use crate::programs::{Place, done, needs};
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

/// A folder with the script for a shell.
fn place(shell: &str) -> Option<Place> {
    if !needs(&[shell]) {
        return None;
    }
    let place = Place::new(&[("jobplate", run::binary())]);
    place.write("job.yaml", JOB);
    let script = done(place.command("jobplate").args(["completion", shell]));
    place.write("script", script);
    Some(place)
}

/// What is offered for a line, as the script hands it to bash.
fn in_bash(place: &Place, line: &str, fragment: &str) -> Vec<String> {
    let script = "source ./script; COMP_LINE=$1 COMP_POINT=${#1}; _jobplate jobplate \"$2\" x; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let printed = done(place.command("bash").args(["--norc", "-c", script, "bash", line, fragment]));
    printed.lines().map(str::to_owned).filter(|line| !line.is_empty() && !line.starts_with('-')).collect()
}

#[test]
fn bash() {
    let Some(place) = place("bash") else { return };
    assert_eq!(in_bash(&place, "jobplate rend", "rend"), ["render"]);
    assert_eq!(in_bash(&place, "jobplate render j", "j"), ["job.yaml"]);
    assert_eq!(in_bash(&place, "jobplate render job.yaml --secret-env M", "M"), ["MODE="]);
    // It replaces only what stands behind the last `=` or `:`.
    assert_eq!(in_bash(&place, "jobplate render job.yaml --secret-env MODE=", ""), ["db/"]);
    assert_eq!(in_bash(&place, "jobplate render job.yaml --secret-env MODE=d", "d"), ["db/"]);
    assert_eq!(in_bash(&place, "jobplate render 'job.yaml' --target ", ""), ["Job/etl"]);
    assert!(in_bash(&place, "jobplate render 'job.yaml --target ", "").is_empty());
    assert_eq!(in_bash(&place, "jobplate render ~/jo", "~/jo"), ["~/job.yaml"]);
    assert_eq!(in_bash(&place, "jobplate render ~/job.yaml --target j", "j"), ["job/etl"]);
    // bash puts into the line what it gets.
    place.write("a b$(touch pwned);*.yaml", JOB);
    assert_eq!(in_bash(&place, "jobplate render a", "a"), [r"a\ b\$\(touch\ pwned\)\;\*.yaml"]);
    assert_eq!(in_bash(&place, r"jobplate render a\ b", r"a\ b"), [r"a\ b\$\(touch\ pwned\)\;\*.yaml"]);
}

#[test]
fn zsh() {
    let Some(place) = place("zsh") else { return };
    let offered = |words: &str| {
        // Where zsh would show a list.
        let script = format!(
            "compdef() {{ }}; _describe() {{ print -lr -- ${{(P)3}} }}; source ./script; words=({words}); \
             CURRENT=$#words; PREFIX=$words[-1]; _jobplate"
        );
        done(place.command("zsh").args(["-f", "-c", &script]))
    };
    assert_eq!(
        offered("jobplate rend"),
        "render:Print manifests with secret references, variables and Prefect settings put in\n"
    );
    assert_eq!(offered("jobplate render 'job.yaml' --target J"), "Job/etl:job.yaml\n");
    assert_eq!(offered("jobplate render job.yaml --secret-env MODE=d"), "MODE=db/:job.yaml\n");
    place.write("a b;c.yaml", JOB);
    assert_eq!(offered("jobplate render a"), "a\\\\ b\\\\;c.yaml\n");
    assert_eq!(offered("jobplate render '~/jo'"), "~/job.yaml\n");
}

#[test]
fn fish() {
    let Some(place) = place("fish") else { return };
    let offered = |line: &str| done(place.command("fish").args(["-c", "source ./script; complete -C $argv[1]", line]));
    assert_eq!(offered("jobplate render j"), "job.yaml\n");
    assert_eq!(offered("jobplate render job.yaml --target J"), "Job/etl\tjob.yaml\n");
    assert_eq!(offered("jobplate render job.yaml --secret-env MODE=d"), "MODE=db/\tjob.yaml\n");
}
