//! `secret-type-cast`: a flow gets a secret of Prefect 1 as a type other than text.

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Message, ProgramName, Severity};
use jobplate_prefect::prefect1::secrets;

use crate::check::findings::{Confidence, Findings};
use crate::check::prefect1_secrets::secret_literals;
use crate::check::rule::{Check, Example, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "secret-type-cast",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a flow gets a secret of Prefect 1 as a type other than text",
    why: "Prefect reads the variable as a Python literal, and `Secret(\"NAME\").get()` reads a string as \
          JSON. A flow gets `42` as a number, `true` as a boolean, and `\"x\"` without its quotes.",
    remedy: "If the flow expects text, write the Secret with `jobplate secret SECRET --text NAME`.",
    fix: None,
    sources: &[
        "prefect@1.4.1:src/prefect/configuration.py (interpolate_config)",
        "prefect@1.4.1:src/prefect/client/secrets.py (Secret.get)",
    ],
    examples: &[Example {
        manifest: r#"apiVersion: v1
kind: Secret
metadata:
  name: prefect-secrets
stringData:
  PREFECT__CONTEXT__SECRETS__PIN: "12345"
"#,
        with: &[],
        bad: r#"  PREFECT__CONTEXT__SECRETS__PIN: "12345"
"#,
        good: "  PREFECT__CONTEXT__SECRETS__PIN: pin-12345
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for secret in secret_literals(subject) {
        let Ok(Some(cast_type)) = secrets::describe_cast(&secret.name, &secret.text) else { continue };
        let name = quote_key(&secret.name);
        let text = match cast_type.as_str() {
            secrets::UNQUOTED => format!("Prefect removes the quotes around the secret {name}"),
            _ => format!("Prefect converts the secret {name} to {cast_type}"),
        };
        let help = Message::from("to keep the text, write the Secret with `");
        findings.report(secret.node, text).help(help + ProgramName + format!(" secret NAME --text {}`", secret.name));
    }
}
