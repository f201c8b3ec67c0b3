//! `unknown-field`: a field does not exist in Kubernetes.

use std::collections::HashMap;

use jobplate_diagnostic::Severity;
use jobplate_diagnostic::suggest::{closest, quote_key};
use jobplate_yaml::{Editable, NodeKind, Value};

use crate::check::field_comparison::{UnknownField, Violation, have_common_end, list_fields};
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unknown-field",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a field does not exist, or is in the wrong place",
    why: "The fields are those of Kubernetes 1.37, so ignore the finding if your cluster is newer. \
          `kubectl` and GitOps tools ask the API server for strict validation, which rejects unknown fields. Without it, the \
          field is silently removed: a variable with `valuefrom` is then empty.",
    remedy: "Correct the name, which is case-sensitive, or move the field to the mapping in which it exists.",
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
    let unknown = subject.violations().iter().filter_map(|violation| match violation {
        Violation::UnknownField(unknown) => Some((unknown, closest_field(unknown))),
        Violation::WrongType(_) => None,
    });
    let unknown: Vec<(&UnknownField<'a>, Option<&str>)> = unknown.collect();
    // Two fields of a mapping cannot get the same name.
    let mut renamed: HashMap<(u32, &str), usize> = HashMap::new();
    for (unknown, field) in &unknown {
        *renamed.entry((unknown.map.index(), field.unwrap_or_default())).or_default() += 1;
    }
    for (unknown, field) in unknown {
        let is_unique = field.is_some_and(|field| renamed[&(unknown.map.index(), field)] == 1);
        report(unknown, field, is_unique, findings);
    }
}

/// Reports an unknown field that is probably the known field `field`. Renames it if it is the only one.
fn report<'a>(unknown: &UnknownField<'a>, field: Option<&'static str>, is_unique: bool, findings: &mut Findings<'a>) {
    let name = unknown.key.text().unwrap_or_default();
    // A key without a value may be a secret after a forgotten `:`.
    let message = match field.is_none() && unknown.value.kind() == NodeKind::Empty {
        true => format!("{} has a key without a value", unknown.owner),
        false => format!("unknown field {} in {}", quote_key(&name), unknown.owner),
    };
    let finding = findings.report(unknown.key, message);
    let Some(field) = field else {
        finding.help(describe_remedy(unknown));
        return;
    };
    if unknown.present.contains(&field) {
        finding.help(format!("remove it: `{field}` is already set"));
        return;
    }
    finding.help(format!("did you mean `{field}`?"));
    if let Some(key) = Editable::for_replacement(unknown.key, "the field").ok().filter(|_| is_unique) {
        finding.fix(false, format!("rename the field to `{field}`"), vec![key.replace(Value::name(field))]);
    }
}

/// Returns the field that a misspelled name probably means.
fn closest_field(unknown: &UnknownField<'_>) -> Option<&'static str> {
    if unknown.correct_parent.is_some() {
        return None;
    }
    let name = unknown.key.text()?;
    let fields = || unknown.object_type.fields().map(|(field, _)| field);
    let is_unset = |field: &&str| !unknown.present.contains(field);
    // Docker and other programs have these names.
    let env = || closest(&name, ["environment", "envVars", "variables"]).map(|_| "env");
    // In a volume, `name` may mean `secretName`, or the reverse.
    closest(&name, fields().filter(is_unset))
        .or_else(|| closest(&name, fields()))
        .or_else(|| env().filter(|env| unknown.object_type.field(env).is_some()))
        .or_else(|| fields().filter(is_unset).find(|field| have_common_end(field, &name)))
}

/// Returns what to do with a field that is not misspelled.
fn describe_remedy(unknown: &UnknownField<'_>) -> String {
    if let Some(parent) = &unknown.correct_parent {
        return format!("move it to {parent}");
    }
    match unknown.object_type.name() {
        "EnvVar" if !unknown.present.contains(&"name") => {
            "write the name under `name`, and the value under `value`".to_owned()
        }
        "ResourceRequirements" => "move it to `requests` or `limits`".to_owned(),
        _ => match list_fields(unknown.object_type) {
            Some(fields) => format!("remove it, or use one of: {fields}"),
            None => "remove it".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::schema::kubernetes_version;

    use super::*;

    #[test]
    fn page_names_the_version_of_the_fields() {
        let (minor, _) = kubernetes_version().rsplit_once('.').expect("a version such as 1.37.2");
        assert!(RULE.why.contains(&format!("Kubernetes {minor},")), "{minor}");
    }
}
