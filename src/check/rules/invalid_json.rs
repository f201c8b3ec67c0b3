//! `invalid-json`: a base job template is not JSON.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-json",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a base job template is not JSON",
    why: "`prefect work-pool create --base-job-template` and `prefect worker start --base-job-template` read \
          the file with a JSON parser, so they fail with comments and trailing commas, which YAML and many \
          editors accept.",
    remedy: "Write the template as JSON. `jobplate template base-job-template` prints one to start from.",
    fix: None,
    sources: &["prefect@3.8.8:src/prefect/cli/work_pool.py", "prefect@3.8.8:src/prefect/cli/worker.py"],
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
    }
  }
}
"#,
        with: &[],
        bad: r#"      "env": {"type": "object"},
"#,
        good: r#"      "env": {"type": "object"}
"#,
    }],
    check: Check::Preview,
};
