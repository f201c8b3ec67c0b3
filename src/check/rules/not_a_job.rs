//! `not-a-job`: a job template is not a Job.

use jobplate_diagnostic::Severity;

use crate::check::findings::Confidence;
use crate::check::rule::{Check, Example, Persona, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    name: "not-a-job",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a job template is not a Job",
    why: "The agent passes the template to the API for Jobs, regardless of its kind. The API server rejects \
          other kinds, and no flow run starts.",
    remedy: "Write a Job. The manifest of an agent or worker belongs to `--agent` or `--worker`.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/agent/kubernetes/agent.py (deploy_flow)"],
    examples: &[Example {
        manifest: "apiVersion: v1
kind: ConfigMap
metadata:
  name: job-template
data:
  job_template.yaml: |
    apiVersion: v1
    kind: Pod
    spec:
      template:
        spec:
          containers:
          - name: flow
",
        with: &[],
        bad: "    apiVersion: v1
    kind: Pod
",
        good: "    apiVersion: batch/v1
    kind: Job
",
    }],
    check: Check::Preview,
};
