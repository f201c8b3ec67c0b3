//! `worker-overrides-reference`: a worker overrides a reference to a Secret with its own setting in plain text.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::base_job_template::{BaseJobTemplate, is_worker_setting};
use jobplate_yaml::{KeyIndex, Node};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "worker-overrides-reference",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a worker overrides a reference with its own setting, in plain text",
    why: "A worker passes each of its own Prefect settings on to flow runs as plain text. Entries of the \
          template with these names are dropped, so the reference has no effect and the value is readable in \
          every Job.",
    remedy: "Set the variable to null in `job_configuration.env`, as `jobplate render` does: the worker then \
          does not set it.",
    fix: None,
    sources: &[
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_populate_env_in_manifest)",
        "prefect@3.8.8:src/prefect/workers/base.py (_base_environment)",
    ],
    examples: &[Example {
        manifest: r#"{
  "job_configuration": {
    "env": "{{ env }}",
    "job_manifest": {
      "apiVersion": "batch/v1",
      "kind": "Job",
      "spec": {
        "template": {
          "spec": {
            "parallelism": 1,
            "completions": 1,
            "restartPolicy": "Never",
            "containers": [
              {
                "name": "prefect-job",
                "image": "prefecthq/prefect:3-latest",
                "env": [
                  {"name": "PREFECT_API_KEY", "valueFrom": {"secretKeyRef": {"name": "prefect", "key": "key"}}}
                ]
              }
            ]
          }
        }
      }
    }
  },
  "variables": {
    "type": "object",
    "properties": {
      "env": {"type": "object"}
    }
  }
}
"#,
        with: &[],
        bad: r#"    "env": "{{ env }}",
"#,
        good: r#"    "env": {"PREFECT_API_KEY": null},
"#,
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        let template = object.base_job_template.and_then(|node| BaseJobTemplate::read(&object.object, node).ok());
        let Some(template) = template else { continue };
        let env = template.env().ok().flatten().map(KeyIndex::new);
        let is_null = |name: &str| env.as_ref().and_then(|env| env.get_first(name)).is_some_and(Node::is_null);
        let flow_container = object.pods.first().and_then(|pod| pod.flow_container());
        for entry in flow_container.into_iter().flat_map(|container| &container.env) {
            let (Some(name), Some(_)) = (entry.name, entry.value_from) else { continue };
            if is_worker_setting(&entry.text) && !is_null(&entry.text) {
                let quoted = quote_key(&entry.text);
                let text = format!("a worker that has the setting {quoted} overrides this reference with plain text");
                let help = format!("set {quoted} to null in `job_configuration.env`");
                findings.report(name, text).help(help);
            }
        }
    }
}
