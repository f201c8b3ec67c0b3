//! `wrong-type`: a value does not have the type of its field.

use jobplate_diagnostic::Severity;
use jobplate_manifest::schema::{FieldType, ObjectType, ValueType};
use jobplate_yaml::{Edit, Editable, Node, NodeKind, Value};

use crate::check::actual_type::ActualType;
use crate::check::field_comparison::{Violation, WrongType, list_fields};
use crate::check::findings::{Confidence, Findings};
use crate::check::rule::{Check, Example, FixDescription, Persona, Rule};
use crate::check::subject::Subject;

/// The rule.
pub static RULE: Rule = Rule {
    name: "wrong-type",
    severity: Severity::Error,
    confidence: Confidence::High,
    security_severity: None,
    persona: Persona::Regular,
    summary: "a value does not have the type of its field",
    why: "Kubernetes requires a list for `env` and `containers`, a mapping for `secretKeyRef`, a string for each value of \
          `annotations`, and `true` or `false` without quotes for `optional`. The API server rejects the whole manifest if one \
          of them has another type.",
    remedy: "Change the value to the type in the message.",
    fix: Some(FixDescription { is_safe: true, text: "add or remove the quotes of a scalar" }),
    sources: &[
        "kubernetes:api/openapi-spec/swagger.json",
        "prefect@3.8.8:src/integrations/prefect-kubernetes/prefect_kubernetes/worker.py (_populate_env_in_manifest)",
    ],
    examples: &[
        Example {
            manifest: "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
  annotations:
    retries: 3
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
",
            with: &[],
            bad: "    retries: 3
",
            good: "    retries: '3'
",
        },
        Example {
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
          LOG_LEVEL: info
",
            with: &[],
            bad: "          LOG_LEVEL: info
",
            good: "        - name: LOG_LEVEL
          value: info
",
        },
        Example {
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
          valueFrom:
            secretKeyRef: db
",
            with: &[],
            bad: "            secretKeyRef: db
",
            good: "            secretKeyRef:
              name: db
              key: password
",
        },
        Example {
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
              },
              {
                "name": "proxy",
                "image": "envoy:1",
                "env": {"LOG_LEVEL": "info"}
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
      "env": {"type": "object"}
    }
  }
}
"#,
            with: &[],
            bad: r#"                "env": {"LOG_LEVEL": "info"}
"#,
            good: r#"                "env": [{"name": "LOG_LEVEL", "value": "info"}]
"#,
        },
    ],
    check: Check::Manifest(check),
};

fn check<'a>(subject: &Subject<'a>, findings: &mut Findings<'a>) {
    for violation in subject.violations() {
        let Violation::WrongType(wrong) = violation else { continue };
        let expected = match wrong.actual {
            ActualType::LargeInteger => describe_limit(wrong.expected),
            _ => format!("{}, not {}", describe(wrong.expected), describe_actual(wrong)),
        };
        let finding = findings.report(wrong.node, format!("{} must be {expected}", wrong.subject));
        if let Some(help) = describe_remedy(wrong) {
            finding.help(help);
        }
        if let Some((text, edit)) = requote(wrong) {
            finding.fix(true, text, vec![edit]);
        }
    }
}

/// Returns a type with its article.
fn describe(expected: FieldType) -> &'static str {
    match expected {
        FieldType::List(_) => "a list",
        FieldType::Map(_) | FieldType::Value(ValueType::Object(_)) => "a mapping",
        FieldType::Value(ValueType::String) => "a string",
        FieldType::Value(ValueType::Bytes) => "a string in base64",
        FieldType::Value(ValueType::Boolean) => "a boolean",
        FieldType::Value(ValueType::Int32 | ValueType::Int64) => "an integer",
        FieldType::Value(ValueType::IntOrString) => "an integer or a string",
        FieldType::Value(ValueType::Quantity) => "a number or a string",
        FieldType::Value(ValueType::Any) => "a value",
    }
}

/// Returns the type of a value in messages, with its article.
fn describe_actual(wrong: &WrongType<'_>) -> &'static str {
    match (wrong.actual, wrong.expected) {
        (ActualType::Fraction, FieldType::Value(ValueType::Int32 | ValueType::Int64 | ValueType::IntOrString)) => {
            "a decimal number"
        }
        (actual, _) => actual.describe(),
    }
}

/// Returns the limits of an integer.
fn describe_limit(expected: FieldType) -> String {
    let (min, max) = match expected {
        FieldType::Value(ValueType::Int64) => (i64::MIN, i64::MAX),
        _ => (i64::from(i32::MIN), i64::from(i32::MAX)),
    };
    format!("between {min} and {max}")
}

/// Returns how to write the value.
fn describe_remedy(wrong: &WrongType<'_>) -> Option<String> {
    let is_scalar = wrong.node.is_scalar();
    match wrong.expected {
        FieldType::List(ValueType::Object(item)) if item.name() == "EnvVar" && !is_item(wrong.node, item) => {
            Some("write each variable as an item: `- name: NAME`, and `value: VALUE` on the next line".to_owned())
        }
        FieldType::List(_) if wrong.actual == ActualType::Map => {
            Some("write `- ` before the first key of each item".to_owned())
        }
        FieldType::List(_) => Some("write each item on a line that begins with `- `".to_owned()),
        FieldType::Value(ValueType::Object(object)) if object.name() == "EnvVar" => {
            Some("write `name: NAME`, and `value: VALUE` on the next line".to_owned())
        }
        FieldType::Value(ValueType::Object(object)) => Some(match list_fields(object) {
            Some(fields) => format!("use a mapping with: {fields}"),
            None => format!("use a mapping with the fields of {}", object.name()),
        }),
        FieldType::Map(_) if wrong.actual == ActualType::List => {
            Some("write `KEY: VALUE` on each line, without `- `".to_owned())
        }
        FieldType::Map(_) => Some("write `KEY: VALUE` on each line".to_owned()),
        FieldType::Value(ValueType::Bytes) if wrong.field == "data" => {
            Some("move it to `stringData`, in quotes, or write it in base64".to_owned())
        }
        FieldType::Value(ValueType::Bytes) => Some("write it in base64".to_owned()),
        FieldType::Value(ValueType::String) if is_scalar => Some("put it in quotes".to_owned()),
        FieldType::Value(ValueType::Boolean) if is_scalar => Some("write `true` or `false`, without quotes".to_owned()),
        FieldType::Value(ValueType::Int32 | ValueType::Int64) if wrong.actual == ActualType::String => {
            Some("write a number without quotes".to_owned())
        }
        _ => None,
    }
}

/// Returns whether a mapping looks like an item of a list: all its keys are fields of the item's type.
fn is_item(node: Node<'_>, item: ObjectType) -> bool {
    let mut keys = node.entries().map(|(key, _)| key.text());
    node.kind() == NodeKind::Map && keys.all(|key| key.is_some_and(|key| item.field(&key).is_some()))
}

/// Returns the edit that adds or removes the quotes of a scalar, with its description.
fn requote(wrong: &WrongType<'_>) -> Option<(&'static str, Edit)> {
    let text = wrong.node.text()?;
    let (description, value) = match (wrong.expected, wrong.actual, &*text) {
        (FieldType::Value(ValueType::String), ..) => ("put the value in quotes", Value::string(&text)),
        (FieldType::Value(ValueType::Boolean), ActualType::String, "true" | "false") => {
            ("remove the quotes", Value::Bool(text == "true"))
        }
        _ => return None,
    };
    Some((description, Editable::for_replacement(wrong.node, "the value").ok()?.replace(value)))
}
