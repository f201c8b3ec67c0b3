//! `unused-variable`: no placeholder of the template uses a job variable.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unused-variable",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "no placeholder of the template uses a job variable",
    why: "Prefect accepts a job variable that `variables.properties` declares. Without a placeholder in \
          `job_configuration`, its value has no effect, and Prefect does not report it.",
    remedy: "Add a placeholder where the value belongs, or remove the job variable.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/workers/base.py (from_template_and_values)"],
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
                "env": "{{ env }}"
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
      "env": {"type": "object"},
      "image": {"type": "string"}
    }
  }
}
"#,
        with: &[(
            "--job-variables",
            "job_variables.yaml",
            "image: etl:3
",
        )],
        bad: r#"                "image": "prefecthq/prefect:3-latest",
"#,
        good: r#"                "image": "{{ image }}",
"#,
    }],
    check: Check::Preview,
};
