//! `possible-secret`: a word in a string hints at a password, token or key in plain text.

use jobplate_diagnostic::Severity;

use super::plaintext_secret::{help, message};
use crate::check::evidence::Evidence;
use crate::check::findings::{Confidence, Findings};
use crate::check::plain_secrets;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::{Embedding, Subject};

/// The rule.
pub static RULE: Rule = Rule {
    name: "possible-secret",
    severity: Severity::Warning,
    confidence: Confidence::Low,
    security_severity: Some("4.0"),
    persona: Persona::Pedantic,
    summary: "a word in a string hints at a password, token or key",
    why: "[`plaintext-secret`](plaintext-secret.md) reports values that are probably secrets. This rule reports the others, \
          which are more often something else: an assignment in a script, which may be code, and the value of a key such as \
          `secretKey` or `HTTPS_SECRET`, which may be the name of a Secret or of a key in it. Use it to look for \
          secrets that `plaintext-secret` does not report.",
    remedy: "Read the string. If it contains a secret, rotate the secret, and move it to a Secret.",
    fix: None,
    sources: &[
        "https://kubernetes.io/docs/concepts/configuration/secret/",
        "https://cwe.mitre.org/data/definitions/312.html",
    ],
    examples: &[Example {
        manifest: "apiVersion: v1
kind: ConfigMap
metadata:
  name: etl
data:
  run.py: |
    token = hunter(2)
",
        with: &[],
        bad: "    token = hunter(2)
",
        good: "    token = os.environ[\"TOKEN\"]
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    // The secrets of an embedded document are found in the document that contains it.
    if subject.embedding != Embedding::None {
        return;
    }
    let found = plain_secrets::find(subject.document).into_iter();
    for secret in found.filter(|secret| secret.evidence == Evidence::Word) {
        let finding = findings.report(subject.document.node(secret.node), message(&secret));
        finding.at(secret.span.clone()).help(help(subject, &secret));
    }
}
