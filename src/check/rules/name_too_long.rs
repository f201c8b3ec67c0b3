//! `name-too-long`: the name of a Job or CronJob is too long.

use jobplate_diagnostic::Severity;
use jobplate_manifest::sendable::check_name_length;

use crate::check::expression::has_expression;
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "name-too-long",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the name of a Job or CronJob is too long",
    why: "The name of a Job becomes a label of its pods, which has at most 63 characters. A CronJob adds 11 \
          characters to its name for each Job. The API server rejects a longer name.",
    remedy: "Shorten the name.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/",
        "kubernetes:pkg/apis/batch/validation/validation.go",
    ],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: extract-transform-and-load-the-orders-of-all-customers-every-night
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: etl:1
",
        with: &[],
        bad: "  name: extract-transform-and-load-the-orders-of-all-customers-every-night
",
        good: "  name: load-orders
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    // The agent of Prefect 1 shortens the name of a job template.
    for object in subject.objects.iter().filter(|object| !subject.is_prefect1_template(object)) {
        let node = object.object.metadata.and_then(|metadata| metadata.get_first("name"));
        let name = object.object.metadata_name().filter(|name| !has_expression(name));
        let (Some(node), Some(name)) = (node, name) else { continue };
        if let Err(error) = check_name_length(&object.object, &name) {
            findings.report(node, error.message()).help("shorten the name");
        }
    }
}
