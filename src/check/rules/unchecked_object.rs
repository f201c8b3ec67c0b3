//! `unchecked-object`: an alias, a merge key or a duplicate key hides the containers of an object, or the variables of a container.

use jobplate_diagnostic::{Error, Result, Severity};
use jobplate_yaml::{Node, StrictMap};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unchecked-object",
    severity: Severity::Warning,
    confidence: Confidence::High,
    persona: Persona::Regular,
    summary: "the containers of an object, or the variables of a container, cannot be checked",
    why: "An alias, a merge key or a duplicate key on the path to a variable can mean different things to different \
          readers. The rules do not examine such containers and variables, so a missing finding does not mean that they are correct.",
    remedy: "Write the path to the variables without aliases, merge keys and duplicate keys.",
    fix: None,
    sources: &["https://yaml.org/type/merge.html"],
    examples: &[Example {
        bad: "apiVersion: batch/v1
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
        good: "apiVersion: batch/v1
kind: Job
metadata:
  name: once
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
",
        with: &[],
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
        if let Err(problem) = check_container(container.node) {
            report(container.node, "the variables of this container are not checked completely", &problem, findings);
        }
    }
}

/// Refuses a container whose variables may come from elsewhere, or are ambiguous.
fn check_container(container: Node<'_>) -> Result<()> {
    let Some(env) = StrictMap::from_node(container, "the container")?.get_non_null("env")? else { return Ok(()) };
    StrictMap::from_node(env, "`env`")?;
    for entry in env.items() {
        let entry = StrictMap::from_node(entry, "the variable")?;
        for key in ["name", "value", "valueFrom"] {
            entry.get(key)?;
        }
    }
    Ok(())
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
