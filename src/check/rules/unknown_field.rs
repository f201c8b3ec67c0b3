//! `unknown-field`: a field does not exist in Kubernetes.

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::{closest, quote_key};
use jobplate_yaml::{Editable, NodeKind, Value};

use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::schema::{UnknownField, Violation};
use crate::check::subject::Subject;

/// The maximum number of fields that a help message lists.
const MAX_LISTED_FIELDS: usize = 8;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unknown-field",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a field does not exist, or is in the wrong place",
    why: "`kubectl` and GitOps tools ask the API server for strict validation, which rejects unknown fields. Without it, the \
          field is silently removed: a variable with `valuefrom` is then empty.",
    remedy: "Correct the name of the field. Names are case-sensitive.",
    fix: Some(FixDescription { is_safe: false, text: "rename the field" }),
    sources: &["https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation"],
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
        - name: DB_PASSWORD
          valuefrom:
            secretKeyRef:
              name: db
              key: password
",
        with: &[],
        bad: "          valuefrom:
",
        good: "          valueFrom:
",
    }],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for violation in subject.violations() {
        if let Violation::UnknownField(unknown) = violation {
            report(unknown, findings);
        }
    }
}

fn report<'a>(unknown: &UnknownField<'a>, findings: &mut Findings<'a>) {
    let name = unknown.key.text().unwrap_or_default();
    let closest = if unknown.home.is_none() { closest_field(unknown, &name) } else { None };
    // A key without a value may be a secret after a forgotten `:`.
    let message = match closest.is_none() && unknown.value.kind() == NodeKind::Empty {
        true => format!("{} has a key without a value", unknown.owner),
        false => format!("unknown field {} in {}", quote_key(&name), unknown.owner),
    };
    let finding = findings.report(unknown.key, message);
    let Some(field) = closest else {
        finding.help(describe_remedy(unknown));
        return;
    };
    finding.help(format!("did you mean `{field}`?"));
    if let Ok(key) = Editable::for_replacement(unknown.key, "the field") {
        finding.fix(false, format!("rename the field to `{field}`"), vec![key.replace(Value::name(field))]);
    }
}

/// Returns the field that a misspelled name probably means, if the mapping does not have it. A longer word also means a
/// field: `environment` is `env`.
fn closest_field(unknown: &UnknownField<'_>, name: &str) -> Option<&'static str> {
    let fields = unknown.object_type.fields().map(|(field, _)| field);
    let unused: Vec<&str> = fields.filter(|field| unknown.map.get_first(field).is_none()).collect();
    let is_start = |field: &&str| field.len() > 2 && name.starts_with(*field);
    let longest_start = || unused.iter().copied().filter(is_start).max_by_key(|field| field.len());
    closest(name, unused.iter().copied()).or_else(longest_start)
}

/// Returns what to do with a field that is not misspelled.
fn describe_remedy(unknown: &UnknownField<'_>) -> String {
    if let Some(home) = &unknown.home {
        return format!("move it to {home}");
    }
    let mut fields: Vec<&str> = unknown.object_type.fields().map(|(field, _)| field).collect();
    if unknown.object_type.name() == "EnvVar" && unknown.map.get_first("name").is_none() {
        return "write the name under `name`, and the value under `value`".to_owned();
    }
    if fields.len() > MAX_LISTED_FIELDS {
        return "remove it".to_owned();
    }
    // The name comes first, as in most manifests.
    fields.sort_by_key(|field| *field != "name");
    format!("remove it, or use one of: {}", fields.join(", "))
}
