//! `unreachable-secret-name`: no flow can look up a secret of Prefect 1.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::prefect1::secrets::reserved_part;
use jobplate_prefect::variables::{secret_name, secret_variable};
use jobplate_yaml::Node;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unreachable-secret-name",
    severity: Severity::Warning,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "no flow can look up a secret of Prefect 1, because of the name of its variable",
    why: "Prefect reads a variable as a secret if its name begins with exactly \
          `PREFECT__CONTEXT__SECRETS__`, with two underscores at each place. Another spelling sets something \
          else, and `Secret(\"NAME\").get()` fails. Names of dict methods, such as `keys`, stop every start \
          of Prefect.",
    remedy: "Write the prefix exactly. The name of the secret keeps its letter case.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/configuration.py (interpolate_config)",
        "prefect@1.4.1:src/prefect/client/secrets.py (Secret.get)",
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
        - name: PREFECT__CONTEXT__SECRETS_TOKEN
          valueFrom:
            secretKeyRef: {name: prefect-secrets, key: token}
",
        with: &[],
        bad: "        - name: PREFECT__CONTEXT__SECRETS_TOKEN
",
        good: "        - name: PREFECT__CONTEXT__SECRETS__TOKEN
",
    }],
    check: Check::Manifest(check),
};

/// The words of the prefix, which Prefect only recognizes with two underscores after each of them.
const WORDS: [&str; 3] = ["PREFECT", "CONTEXT", "SECRETS"];

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for container in subject.prefect1_flow_containers() {
        for name in container.env.iter().filter_map(|entry| entry.name) {
            check_name(name, findings);
        }
    }
}

fn check_name<'a>(node: Node<'a>, findings: &mut Findings<'a>) {
    let Some(name) = node.text() else { return };
    // Prefect also accepts this spelling of the prefix in lower case.
    let secret = secret_name(&name).or_else(|| name.strip_prefix("PREFECT__context__secrets__"));
    match secret {
        Some("") => {
            findings.report(node, "the name of the secret is missing").help("add it after the prefix");
        }
        Some(secret) => {
            if let Some(part) = reserved_part(secret) {
                let text = format!("Prefect does not start: no secret can be called {}", quote_key(part));
                findings.report(node, text).help("choose another name");
            }
        }
        None => {
            if let Some(meant) = meant_secret(&name) {
                let text = format!("Prefect does not read {} as a secret", quote_key(&name));
                findings.report(node, text).help(format!("rename it to {}", quote_key(&secret_variable(meant))));
            }
        }
    }
}

/// Returns the name of the secret that a variable with a misspelled prefix is meant to hold: other letter case, another
/// number of underscores, or `SECRET`.
fn meant_secret(name: &str) -> Option<&str> {
    let mut rest = name;
    for word in WORDS {
        let length = [word.len(), word.len() - 1].into_iter().find(|length| {
            let start = rest.get(..*length).filter(|_| *length == word.len() || word == "SECRETS");
            start.is_some_and(|start| start.eq_ignore_ascii_case(&word[..*length]) && rest[*length..].starts_with('_'))
        })?;
        rest = rest[length..].trim_start_matches('_');
    }
    Some(rest).filter(|rest| !rest.is_empty())
}
