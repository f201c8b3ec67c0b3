//! `shell-swallows-args`: the shell of a container does not run its arguments.

use jobplate_diagnostic::Severity;
use jobplate_manifest::shell::find_script;
use jobplate_yaml::Node;
use std::borrow::Cow;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{Container, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "shell-swallows-args",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the shell of a container does not run its arguments",
    why: "`sh -c SCRIPT ARG...` runs only SCRIPT, and passes the arguments to it as `$0`, `$1` and so on. \
          Prefect sets the command of a flow as arguments of its container, so a script that does not use \
          them ends without the flow.",
    remedy: "Remove the shell from `command`, or end the script with `exec \"$0\" \"$@\"`.",
    fix: None,
    sources: &[
        "https://pubs.opengroup.org/onlinepubs/9799919799/utilities/sh.html",
        "prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)",
    ],
    examples: &[
        Example {
            manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
        command: [sh, -c, pip install etl]
",
            with: &[],
            bad: "        command: [sh, -c, pip install etl]
",
            good: r#"        command: [sh, -c, pip install etl && exec "$0" "$@"]
"#,
        },
        Example {
            manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: etl:1
        command: [sh, -c, python]
        args: [etl.py]
",
            with: &[],
            bad: "        command: [sh, -c, python]
        args: [etl.py]
",
            good: "        command: [sh, -c, python etl.py]
",
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (object, _, container) in subject.containers() {
        // Prefect sets the arguments of the flow container, so the preview checks them.
        let is_template = object.base_job_template.is_some() || subject.is_prefect1_template(object);
        if !(is_template && container.is_first()) {
            check_container(container, findings);
        }
    }
}

fn check_container<'a>(container: &Container<'a>, findings: &mut Findings<'a>) {
    let items = |key| container.node.get_first(key).into_iter().flat_map(Node::items);
    let [Some(command), Some(args)] =
        ["command", "args"].map(|key| items(key).map(Node::text).collect::<Option<Vec<Cow<'a, str>>>>())
    else {
        return;
    };
    let words: Vec<&str> = command.iter().chain(&args).map(|word| &**word).collect();
    let Some((shell, Some(script))) = find_script(&words) else { return };
    let used = (script + 1).saturating_sub(command.len());
    if let Some(unused) = items("args").nth(used).filter(|_| is_one_command(words[script])) {
        let text = format!("`{shell} -c` does not run the arguments after its script in {}", container.display());
        findings.report(unused, text).help("write the whole command as one script, or remove the shell from `command`");
    }
}

/// Returns whether a script is one command without expansions, so that it cannot use its arguments.
fn is_one_command(script: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " _-./:=,".contains(c);
    let uses_arguments = |word: &str| matches!(word, "shift" | "getopts" | "for" | "set");
    script.chars().all(is_plain) && !script.split(' ').any(uses_arguments)
}
