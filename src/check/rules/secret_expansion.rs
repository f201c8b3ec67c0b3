//! `secret-expansion`: Prefect 1 may expand a part of a secret.

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Message, ProgramName, Severity};
use jobplate_prefect::prefect1::secrets;

use crate::check::findings::{Confidence, Findings};
use crate::check::prefect1_secrets::secret_literals;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "secret-expansion",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Regular,
    summary: "Prefect 1 may expand `$NAME`, `${...}` or a leading `~` in a secret",
    why: "Prefect replaces `$NAME` with the variable NAME if it is set, `${...}` with a setting or with \
          nothing, and a leading `~` with the home directory. A flow gets a value that differs from the one \
          in the Secret.",
    remedy: "Write the Secret with `jobplate secret SECRET --text NAME`.",
    fix: None,
    sources: &["prefect@1.4.1:src/prefect/configuration.py (interpolate_config)"],
    examples: &[Example {
        manifest: r#"apiVersion: v1
kind: Secret
metadata:
  name: prefect-secrets
stringData:
  PREFECT__CONTEXT__SECRETS__PASSWORD: "a${b}c"
"#,
        with: &[],
        bad: r#"  PREFECT__CONTEXT__SECRETS__PASSWORD: "a${b}c"
"#,
        good: "  PREFECT__CONTEXT__SECRETS__PASSWORD: abc
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for secret in secret_literals(subject).into_iter().filter(|secret| secrets::may_expand(&secret.text)) {
        let text = format!(
            "Prefect may expand `$NAME`, `${{...}}` or a leading `~` in the secret {}",
            quote_key(&secret.name)
        );
        let help = Message::from("to keep the text, write the Secret with `");
        findings.report(secret.node, text).help(help + ProgramName + format!(" secret NAME --text {}`", secret.name));
    }
}
