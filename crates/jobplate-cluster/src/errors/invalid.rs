//! The error for code 422 (Invalid): the fields that the server rejects, and the reasons.

use std::ops::Range;

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

use super::invalid_fields::{CauseDescription, describe_with_document, resource_above_limit};
use super::schema::MAX_SPAN;
use super::status::{RefusedRequest, Status, StatusCause};

/// A row of [`CAUSES`]: a known cause, its description, and an optional hint.
struct CauseRule {
    pattern: CausePattern,
    description: &'static str,
    hint: Option<&'static str>,
}

enum CausePattern {
    /// The message contains one of these phrases.
    Message(&'static [&'static str]),
    /// The path ends with this suffix, and the document has a value for the field.
    SetField(&'static str),
    /// The reason equals this string.
    Reason(&'static str),
    /// The reason equals this string, and the document has a value for the field.
    ReasonOfSetField(&'static str),
}

impl CauseRule {
    const fn new(pattern: CausePattern, description: &'static str, hint: Option<&'static str>) -> Self {
        CauseRule { pattern, description, hint }
    }
}

impl CausePattern {
    fn matches(&self, cause: &StatusCause, is_set: bool) -> bool {
        match self {
            CausePattern::Message(phrases) => phrases.iter().any(|phrase| cause.message.contains(phrase)),
            CausePattern::SetField(suffix) => is_set && cause.field.ends_with(suffix),
            CausePattern::Reason(reason) => cause.reason == *reason,
            CausePattern::ReasonOfSetField(reason) => is_set && cause.reason == *reason,
        }
    }
}

/// The known causes. The first matching row applies.
///
/// The sources are paths in the Go modules of Kubernetes 1.37.2, the version that `tests/cluster` uses. The source of
/// the reasons is k8s.io/apimachinery: pkg/util/validation/field/errors.go.
const CAUSES: [CauseRule; 16] = [
    // k8s.io/apimachinery: pkg/api/validation/objectmeta.go; k8s.io/kubernetes: pkg/apis/{apps,core,storage}/validation
    CauseRule::new(
        CausePattern::Message(&["field is immutable", "updates to ", "may not change once set"]),
        "is immutable",
        Some("keep the value that the server has, or delete the object and apply again"),
    ),
    // k8s.io/kubernetes: pkg/apis/batch/validation/validation.go
    CauseRule::new(
        CausePattern::SetField(".restartPolicy"),
        "has an unsupported value",
        Some("use OnFailure or Never in a Job, and Always in other workloads"),
    ),
    // k8s.io/kubernetes: pkg/apis/batch/validation/validation.go
    CauseRule::new(
        CausePattern::SetField("spec.schedule"),
        "is not a cron schedule",
        Some("use five fields, such as `0 3 * * *`, or a macro, such as `@daily`"),
    ),
    // k8s.io/kubernetes: pkg/apis/core/validation/validation.go
    CauseRule::new(
        CausePattern::Message(&["may not be specified when `value` is not empty"]),
        "is set together with a literal `value`",
        Some("remove one of the two"),
    ),
    // k8s.io/apimachinery: pkg/util/validation/validation.go
    CauseRule::new(
        CausePattern::Message(&["RFC 1123", "RFC 1035"]),
        "is an invalid name",
        Some("use lower-case letters, digits, `-` and `.`, and a letter or digit at both ends"),
    ),
    // k8s.io/apimachinery: pkg/util/validation/validation.go
    CauseRule::new(
        CausePattern::Message(&["a valid config key"]),
        "is an invalid Secret or ConfigMap key",
        Some("use letters, digits, `-`, `_` and `.`"),
    ),
    // k8s.io/apimachinery: pkg/util/validation/validation.go
    CauseRule::new(
        CausePattern::Message(&["environment variable name"]),
        "is an invalid variable name",
        Some("use printable ASCII characters other than `=`"),
    ),
    CauseRule::new(CausePattern::ReasonOfSetField("FieldValueRequired"), "has an unsupported value", None),
    CauseRule::new(CausePattern::Reason("FieldValueRequired"), "is missing", Some("add it")),
    CauseRule::new(CausePattern::Reason("FieldValueNotSupported"), "has an unsupported value", None),
    CauseRule::new(CausePattern::Reason("FieldValueDuplicate"), "is a duplicate", Some("remove one of the two")),
    CauseRule::new(
        CausePattern::Reason("FieldValueForbidden"),
        "is not allowed here",
        Some("remove it, or the field that it conflicts with"),
    ),
    CauseRule::new(CausePattern::Reason("FieldValueTooLong"), "is too long", Some("shorten it")),
    CauseRule::new(CausePattern::Reason("FieldValueTooMany"), "has too many items", Some("remove some items")),
    CauseRule::new(
        CausePattern::Reason("FieldValueNotFound"),
        "refers to something that does not exist",
        Some("correct the reference"),
    ),
    CauseRule::new(CausePattern::Reason("FieldValueTypeInvalid"), "has the wrong type", None),
];

/// Returns the description of a cause, and a hint if there is one. `is_set` is true if the document has a value for the
/// field.
fn describe_cause(cause: &StatusCause, is_set: bool) -> (String, Option<&'static str>) {
    if let Some(resource) = resource_above_limit(cause) {
        return (format!("{resource} is more than its limit"), Some("lower the request, or raise the limit"));
    }
    CAUSES
        .iter()
        .find(|rule| rule.pattern.matches(cause, is_set))
        .map_or(("has an invalid value".to_owned(), None), |rule| (rule.description.to_owned(), rule.hint))
}

/// Returns the error for a status with code 422, with a line for each cause. The error points to the first field that
/// is in the document.
pub(super) fn invalid_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let RefusedRequest { object, resource, .. } = request;
    let name = resource.qualified_name(object.name());
    if status.causes.is_empty() {
        let error = Error::new(ErrorKind::Cluster, format!("the API server rejects {name}"));
        return object.locate(error.hint("the API server names no field"));
    }
    let mut lines: Vec<String> = Vec::new();
    let mut first_hint = None;
    // The span and the hint of the first field that is in the document.
    let mut first: Option<(Range<usize>, Option<&'static str>)> = None;
    for cause in &status.causes {
        let specific = describe_with_document(cause, object);
        let field = specific.as_ref().map_or(&*cause.field, |specific| specific.field);
        let found = object.with_node(|root| find_field(field, root, request.is_new)).flatten();
        let (description, hint) = match specific {
            Some(CauseDescription { description, hint, .. }) => (description, Some(hint)),
            None => describe_cause(cause, found.as_ref().is_some_and(|field| field.is_set)),
        };
        let location = found.as_ref().map(|field| format!(" (line {})", object.line_at(field.span.start)));
        let subject = format!("{}{}", sanitize_field_path(field), location.unwrap_or_default());
        let line = format!("{subject} {description}").trim_start().to_owned();
        if first_hint.is_none() {
            first_hint = hint;
        }
        if let (None, Some(field)) = (&first, found) {
            first = Some((field.span, hint));
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let list = match lines.as_slice() {
        [line] => format!(" {line}"),
        lines => lines.iter().map(|line| format!("\n  {line}")).collect(),
    };
    let error = Error::new(ErrorKind::Cluster, format!("the API server rejects {name}:{list}"));
    let (error, hint) = match first {
        Some((span, hint)) => (error.at(span), hint),
        None => (error, first_hint),
    };
    object.locate(match hint {
        Some(hint) => error.hint(hint),
        None => {
            let mut paths = status.causes.iter().map(|cause| kubectl_explain_path(&cause.field));
            let path = paths.find(|path| !path.is_empty()).unwrap_or_default();
            error.hint(format!("`kubectl explain {}{path}` shows the valid values", resource.plural))
        }
    })
}

/// A field of a status that was found in the document.
struct FoundField {
    /// The span of the field, or of the deepest parent that is in the document.
    span: Range<usize>,
    /// Whether the document has a value for the field.
    is_set: bool,
}

/// Finds a field, or its deepest parent, in the document. Returns `None` if the path is invalid, or if the document
/// contains neither the field nor a parent. Also returns `None` for a path with indexes if the object is not new: the
/// indexes then refer to the result of the merge with the live object.
fn find_field(field: &str, root: Node<'_>, is_new: bool) -> Option<FoundField> {
    let path = FieldPath::parse(field)?;
    if path.has_index() && !is_new {
        return None;
    }
    let found = path.resolve(root);
    if !found.is_complete && found.node.index() == root.index() {
        return None;
    }
    let span = found.span();
    let span = span.start..span.end.min(span.start + MAX_SPAN);
    let is_set = found.is_complete && !found.node.is_null() && found.node.text().is_none_or(|text| !text.is_empty());
    Some(FoundField { span, is_set })
}

/// Returns a path without map keys, which may be secret. Replaces the contents of brackets, except indexes, with `*`,
/// and names that are not a short word with `...`.
fn sanitize_field_path(field: &str) -> String {
    let mut sanitized_path = String::new();
    let mut rest = field;
    while let Some(open) = rest.find('[') {
        sanitized_path.push_str(&rest[..open]);
        let close = rest[open..].find(']').map_or(rest.len(), |at| open + at);
        let subscript = &rest[open + 1..close];
        let is_index = !subscript.is_empty() && subscript.bytes().all(|byte| byte.is_ascii_digit());
        sanitized_path.push_str(&if is_index { format!("[{subscript}]") } else { "[*]".to_owned() });
        rest = &rest[(close + 1).min(rest.len())..];
    }
    sanitized_path.push_str(rest);
    let is_field_name = |name: &str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let segments: Vec<&str> = sanitized_path
        .split('.')
        .map(|segment| if is_field_name(segment.split('[').next().unwrap_or_default()) { segment } else { "..." })
        .collect();
    segments.join(".")
}

/// Returns a path in the format of `kubectl explain`, with a leading dot, up to the first map key.
fn kubectl_explain_path(field: &str) -> String {
    let names = field.split('.').map(|segment| segment.split('[').next().unwrap_or_default());
    let field_names = names.take_while(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()));
    field_names.map(|name| format!(".{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::rules::testing::assert_explained;

    /// One example for each row of [`CAUSES`]: reason, field, message, and whether the field is set.
    const EXAMPLES: [(&str, &str, &str, bool); CAUSES.len()] = [
        ("FieldValueInvalid", "spec.template", "canary: field is immutable", true),
        ("FieldValueNotSupported", "spec.template.spec.restartPolicy", "canary", true),
        ("FieldValueInvalid", "spec.schedule", "canary", true),
        ("FieldValueInvalid", "env[0].valueFrom", "may not be specified when `value` is not empty", true),
        ("FieldValueInvalid", "metadata.name", "a lowercase RFC 1123 subdomain must", true),
        ("FieldValueInvalid", "data", "a valid config key must consist of", true),
        ("FieldValueInvalid", "env[0].name", "a valid environment variable name must consist only of", true),
        ("FieldValueRequired", "spec.template", "canary", true),
        ("FieldValueRequired", "spec.template", "canary", false),
        ("FieldValueNotSupported", "spec.type", "canary", true),
        ("FieldValueDuplicate", "spec.type", "canary", true),
        ("FieldValueForbidden", "spec.type", "canary", true),
        ("FieldValueTooLong", "spec.type", "canary", true),
        ("FieldValueTooMany", "spec.type", "canary", true),
        ("FieldValueNotFound", "spec.type", "canary", true),
        ("FieldValueTypeInvalid", "spec.type", "canary", true),
    ];

    #[test]
    fn each_rule_matches_its_example() {
        for (row, (reason, field, message, is_set)) in EXAMPLES.into_iter().enumerate() {
            let [reason, field, message] = [reason, field, message].map(str::to_owned);
            let cause = StatusCause { field, reason, message };
            let first = CAUSES.iter().position(|rule| rule.pattern.matches(&cause, is_set));
            assert_eq!(first, Some(row), "{cause:?}");
        }
    }

    #[test]
    fn names_the_fields_without_quoting_values() {
        for example in [
            (
                422,
                r#"{"message":"canary","details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.template.spec.containers[0].env[0].name","message":"canary: a valid environment variable name must"}]}}"#,
                "job.yaml:10:11: the API server rejects job.batch/etl: spec.template.spec.containers[0].env[0].name (line 10) is an invalid variable name | use printable",
            ),
            (
                422,
                r#"{"details":{"causes":[{"reason":"FieldValueRequired","field":"spec.data[canary7].x"}]}}"#,
                "spec.data[*].x (line 4) is missing | add it",
            ),
            (
                422,
                r#"{"details":{"causes":[{"reason":"FieldValueInvalid","field":"spec.template"}]}}"#,
                "spec.template (line 5) has an invalid value | `kubectl explain jobs.spec.template` shows the valid values",
            ),
            (422, r#"{"message":"canary"}"#, "the API server rejects job.batch/etl | the API server names no field"),
        ] {
            assert_explained(example, invalid_error);
        }
    }
}
