//! `unrecognized-kind`: an object with containers has no kind, or a misspelled one.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;
use crate::render::{UNRECOGNIZED_CODE, Unrecognized, find_unrecognized};

/// The rule.
pub static RULE: Rule = Rule {
    name: UNRECOGNIZED_CODE,
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the `kind` of an object with containers is missing or misspelled",
    why: "The API server rejects the object. Programs that look for a kind, such as linters and admission \
          policies, skip it without a message.",
    remedy: "Correct the `kind`.",
    fix: None,
    sources: &["https://kubernetes.io/docs/concepts/overview/working-with-objects/#required-fields"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Jbo
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: etl:1
",
        with: &[],
        bad: "kind: Jbo
",
        good: "kind: Job
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in subject.objects.iter().map(|object| &object.object) {
        let Some(Unrecognized { span, similar }) = find_unrecognized(object) else { continue };
        let (text, help) = match similar {
            Some(similar) => {
                (format!("unknown kind {}", quote_key(&object.kind)), format!("did you mean `{similar}`?"))
            }
            None => ("missing `kind`".to_owned(), "add `kind: Job`".to_owned()),
        };
        findings.report(object.node.get_first("kind").unwrap_or(object.node), text).at(span).help(help);
    }
}
