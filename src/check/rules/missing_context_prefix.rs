//! `missing-context-prefix`: a secret that Prefect 1 looks up itself has no prefix.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::variables::secret_name;
use std::collections::HashSet;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-context-prefix",
    severity: Severity::Warning,
    confidence: Confidence::Low,
    security_severity: None,
    persona: Persona::Pedantic,
    summary: "a variable has the name of a secret that tasks of Prefect 1 look up, without the prefix",
    why: "Tasks and storages of Prefect 1 look up secrets such as `GITHUB_ACCESS_TOKEN` and \
          `SLACK_WEBHOOK_URL` by name. A variable is such a secret only if its name begins with \
          `PREFECT__CONTEXT__SECRETS__`. A flow that reads the variable itself with `os.environ` does not \
          need the prefix, so the rule runs only with `--persona pedantic`.",
    remedy: "Add the variable with the prefix: `jobplate render FILE --secret NAME=SECRET/KEY`.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/configuration.py (interpolate_config)",
        "prefect@1.4.1:src/prefect/storage/github.py",
        "prefect@1.4.1:src/prefect/tasks/notifications/slack_task.py",
        "prefect@1.4.1:src/prefect/utilities/aws.py",
    ],
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
        - name: SLACK_WEBHOOK_URL
          valueFrom:
            secretKeyRef: {name: prefect-secrets, key: slack}
",
        with: &[],
        bad: "        - name: SLACK_WEBHOOK_URL
",
        good: "        - name: PREFECT__CONTEXT__SECRETS__SLACK_WEBHOOK_URL
",
    }],
    check: Check::Manifest(check),
};

/// The names of secrets that tasks, storages and results of Prefect 1.4.1 look up by default.
const DEFAULT_SECRETS: [&str; 11] = [
    "AWS_CREDENTIALS",
    "AZ_CONNECTION_STRING",
    "AZ_CREDENTIALS",
    "GCP_CREDENTIALS",
    "GITHUB_ACCESS_TOKEN",
    "GITLAB_ACCESS_TOKEN",
    "JIRASECRETS",
    "KUBERNETES_API_KEY",
    "PUSHBULLET_TOKEN",
    "SLACK_WEBHOOK_URL",
    "TOLOKA_TOKEN",
];

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for container in subject.prefect1_flow_containers() {
        let secrets: HashSet<&str> = container.env.iter().filter_map(|entry| secret_name(&entry.text)).collect();
        for entry in &container.env {
            let (Some(node), name) = (entry.name, &*entry.text) else { continue };
            if DEFAULT_SECRETS.contains(&name) && !secrets.contains(name) {
                let text = format!("tasks of Prefect 1 do not read {} as a secret", quote_key(name));
                findings.report(node, text).help(format!("rename it to `PREFECT__CONTEXT__SECRETS__{name}`"));
            }
        }
    }
}
