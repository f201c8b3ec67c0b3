//! `managed-by-agent`: the agent of Prefect 1 sets a variable of the template itself.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::prefect1::managed;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "managed-by-agent",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "the agent of Prefect 1 sets a variable of the template itself",
    why: "In every flow run, the agent sets its own value after the job template. Neither the \
          value in the template nor a change to it has any effect.",
    remedy: "Remove the variable, and set it on the agent.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (generate_job_spec)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
spec:
  template:
    spec:
      containers:
      - name: flow
        image: prefecthq/prefect:1.4.1
        env:
        - name: PREFECT__CLOUD__API
          value: http://apollo.prefect:4200
",
        with: &[],
        bad: "        env:
        - name: PREFECT__CLOUD__API
          value: http://apollo.prefect:4200
",
        good: "",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for container in subject.prefect1_flow_containers() {
        // The preview reports a reference that the agent overrides.
        for entry in container.env.iter().filter(|entry| entry.value_from.is_none()) {
            let (Some(name), Some(hint)) = (entry.name, managed::override_hint(&entry.text)) else { continue };
            if entry.literal().is_some_and(|(_, value)| !value.is_empty()) {
                let text = format!("the agent sets {} itself, so this value has no effect", quote_key(&entry.text));
                findings.report(name, text).help(hint);
            }
        }
    }
}
