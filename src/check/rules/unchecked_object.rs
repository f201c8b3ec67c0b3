//! `unchecked-object`: an alias, a merge key or a duplicate key hides the containers of an object, or the variables of a container.

use jobplate_diagnostic::{Error, Severity};
use jobplate_yaml::{Node, NodeKind};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{Container, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unchecked-object",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the containers of an object, or the variables of a container, cannot be checked",
    why: "An alias, a merge key or a duplicate key on the path to a variable can mean different things to different \
          readers. The rules do not examine such containers and variables, so a missing finding does not mean that they are correct.",
    remedy: "Write the path to the variables without aliases, merge keys and duplicate keys.",
    fix: None,
    sources: &["https://yaml.org/type/merge.html"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template: &template
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
---
apiVersion: v1
kind: Pod
metadata:
  name: etl
spec: &spec
  containers:
  - name: flow
    image: etl:1
---
apiVersion: batch/v1
kind: Job
metadata:
  name: twice
spec:
  template: {}
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
",
        with: &[],
        bad: "  name: etl
spec:
  template: &template
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
---
apiVersion: v1
kind: Pod
metadata:
  name: etl
spec: &spec
  containers:
  - name: flow
    image: etl:1
---
apiVersion: batch/v1
kind: Job
metadata:
  name: twice
spec:
  template: {}
",
        good: "  name: once
spec:
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        if let Some(problem) = &object.problem {
            report(object.object.node, "the containers of this object are not checked", problem, findings);
        }
    }
    for (_, _, container) in subject.containers() {
        if let Some((node, what)) = find_hidden_variable(container) {
            findings
                .report(node, format!("the variables of {} are not checked completely: {what}", container.display()))
                .help("write out the variables in the container");
        }
    }
}

/// Returns a node that hides variables of a container from the rules, and what it is.
fn find_hidden_variable<'a>(container: &Container<'a>) -> Option<(Node<'a>, &'static str)> {
    if let Some((key, _)) = container.node.entries().find(|(key, _)| key.is_merge_key()) {
        return Some((key, "the container has a merge key"));
    }
    let env = container.node.get_first("env")?;
    if env.kind() == NodeKind::Alias {
        return Some((env, "`env` is an alias"));
    }
    env.items().find_map(|entry| {
        if entry.kind() == NodeKind::Alias {
            return Some((entry, "a variable is an alias"));
        }
        let merge_key = entry.entries().map(|(key, _)| key).find(|key| key.is_merge_key())?;
        Some((merge_key, "a variable has a merge key"))
    })
}

fn report<'a>(node: Node<'a>, effect: &str, problem: &Error, findings: &mut Findings<'a>) {
    let finding = findings.report(node, format!("{effect}: {}", problem.message()));
    if let Some(span) = problem.span() {
        finding.at(span);
    }
    if let Some(hint) = problem.hint_message() {
        finding.help(hint.clone());
    }
}
