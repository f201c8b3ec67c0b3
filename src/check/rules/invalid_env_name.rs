//! `invalid-env-name`: Kubernetes rejects the name of a variable.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::names::{ValidationError, check_env_name};
use jobplate_manifest::sendable::describe_non_string;
use jobplate_yaml::Node;

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-env-name",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Kubernetes rejects the name of a variable",
    why: "The name of a variable must consist of printable ASCII characters other than `=`. The API \
          server rejects the manifest. Kubernetes 1.31 and earlier also reject names with characters other than letters, \
          digits, `_`, `-` and `.`.",
    remedy: "Change the name. An entry `NAME=VALUE` is two fields in Kubernetes: `name` and `value`.",
    fix: None,
    sources: &["kubernetes:staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go (IsRelaxedEnvVarName)"],
    examples: &[Example {
        manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
        env:
        - name: LOG_LEVEL=info
",
        with: &[],
        bad: "        - name: LOG_LEVEL=info
",
        good: "        - name: LOG_LEVEL
          value: info
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for (_, _, container) in subject.containers() {
        let names = container.env.iter().filter_map(|entry| entry.name);
        let names = names.filter(|name| describe_non_string(*name).is_none());
        let sources = container.node.get_first("envFrom").into_iter().flat_map(Node::items);
        let prefixes = sources.filter_map(|source| source.get_first("prefix"));
        for name in names.chain(prefixes) {
            let text = name.text().unwrap_or_default();
            // An empty prefix has no effect. An empty name is a finding of `missing-field`.
            if let Err(error) = check_env_name(&text)
                && !text.is_empty()
            {
                report(name, error, findings);
            }
        }
    }
}

fn report<'a>(name: Node<'a>, error: ValidationError, findings: &mut Findings<'a>) {
    let diagnostic = error.into_diagnostic(RULE.name, &quote_key(&name.text().unwrap_or_default()));
    let finding = findings.report(name, diagnostic.message());
    let is_assignment = name.text().is_some_and(|text| !text.ends_with('=') && text.contains('='));
    match diagnostic.help_message() {
        Some(help) => finding.help(help.clone()),
        None if is_assignment => finding.help("write the part after the `=` as `value`"),
        None => finding.help("use letters, digits and `_`"),
    };
}
