//! `prefect1-name`: Prefect 2 and 3 do not read a variable of Prefect 1.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::base_job_template::BaseJobTemplate;
use jobplate_prefect::convert::successor;
use jobplate_prefect::generation::{Generation, agent_generation, is_set_by_workers};
use jobplate_yaml::Node;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "prefect1-name",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a variable has a name of Prefect 1, which Prefect 2 and 3 do not read",
    why: "Prefect 1 reads `PREFECT__SECTION__KEY`, Prefect 2 and 3 read `PREFECT_SECTION_KEY`. A variable \
          with the old prefix has no effect, and Prefect does not report it.",
    remedy: "Use the new name. `jobplate convert` converts a whole job template.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/configuration.py (ENV_VAR_PREFIX)",
        "prefect@3.8.8:src/prefect/settings/base.py",
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
                  {"name": "PREFECT__LOGGING__LEVEL", "value": "DEBUG"}
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
        bad: r#"                  {"name": "PREFECT__LOGGING__LEVEL", "value": "DEBUG"}
"#,
        good: r#"                  {"name": "PREFECT_LOGGING_LEVEL", "value": "DEBUG"}
"#,
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for object in &subject.objects {
        let template = object.base_job_template.and_then(|node| BaseJobTemplate::read(&object.object, node).ok());
        let containers = object.pods.iter().flat_map(|pod| &pod.containers).filter(|container| {
            template.is_some() || agent_generation(container.node) == Some(Generation::Prefect2Or3)
        });
        let entries = containers.flat_map(|container| &container.env).filter_map(|entry| entry.name);
        entries.for_each(|name| check_name(name, findings));
        if let Some(template) = template {
            let maps = [template.env().ok().flatten(), template.default_env];
            let keys = maps.into_iter().flatten().flat_map(Node::entries).map(|(key, _)| key);
            keys.for_each(|name| check_name(name, findings));
        }
    }
}

/// Checks the name of a variable of Prefect 2 or 3.
fn check_name<'a>(node: Node<'a>, findings: &mut Findings<'a>) {
    let Some(name) = node.text().filter(|name| name.starts_with("PREFECT__") && !is_set_by_workers(name)) else {
        return;
    };
    let finding = findings.report(node, format!("Prefect 2 and 3 do not read {}", quote_key(&name)));
    match successor(&name) {
        Some(new) => finding.help(format!("rename it to {}", quote_key(new))),
        None => finding.help("remove it"),
    };
}
