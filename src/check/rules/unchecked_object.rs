//! `unchecked-object`: an alias, a merge key or a duplicate key hides the containers of an object.

use jobplate_diagnostic::Severity;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unchecked-object",
    severity: Severity::Warning,
    confidence: Confidence::High,
    persona: Persona::Regular,
    summary: "the containers of an object cannot be found",
    why: "An alias, a merge key or a duplicate key on the path to the containers can mean different things to different \
          readers. The rules do not examine such containers, so a missing finding does not mean that they are correct.",
    remedy: "Write the path to the containers without aliases, merge keys and duplicate keys.",
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
        let Some(problem) = &object.problem else { continue };
        let node = object.object.node;
        let finding =
            findings.report(node, format!("the containers of this object are not checked: {}", problem.message()));
        if let Some(span) = problem.span() {
            finding.at(span);
        }
        if let Some(hint) = problem.hint_message() {
            finding.help(hint.clone());
        }
    }
}
