//! The error for an object that does not fit the schema of its kind: unknown fields, wrong types, duplicate items.

use std::borrow::Cow;
use std::ops::Range;

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::quantity::{self, QuantityValue};
use jobplate_yaml::Node;

use super::status::{RefusedRequest, Status};

/// The maximum length of a marked span, in bytes. A field may span a whole mapping, which would be too long to mark.
pub(super) const MAX_SPAN: usize = 200;

/// The known problems: the beginning of the server's message after the field path, and our description. The first
/// matching row applies.
///
/// Source: sigs.k8s.io/structured-merge-diff v6.4.2 (Kubernetes 1.37.2): typed/validate.go, typed/merge.go,
/// typed/helpers.go.
const PROBLEMS: [(&str, &str); 8] = [
    ("field not declared in schema", UNKNOWN_FIELD),
    ("duplicate entries for key", "has two entries with the same name"),
    ("expected string", "must be a string"),
    ("expected map", "must be a mapping"),
    ("expected list", "must be a list"),
    ("expected numeric", "must be a number"),
    ("expected boolean", "must be true or false"),
    ("expected ", "has the wrong type"),
];

const UNKNOWN_FIELD: &str = "is not a field in the schema of the API server";

impl Status {
    /// Returns whether the object does not fit the schema of its kind.
    pub(crate) fn is_schema_fault(&self) -> bool {
        (self.has_code(400) || self.has_code(500)) && self.schema_faults().is_some()
    }

    /// Parses the message if it is about a schema. Returns the path to each known problem's field, with our description
    /// of the problem; the list may be empty. Returns `None` for any other message.
    fn schema_faults(&self) -> Option<Vec<(FieldPath, Cow<'static, str>)>> {
        // Strict field validation: k8s.io/apimachinery: pkg/runtime/converter.go.
        if let Some((_, rest)) = self.message.split_once("unknown field \"") {
            let path = FieldPath::parse(&rest[..rest.find('"')?])?;
            return Some(vec![(path, UNKNOWN_FIELD.into())]);
        }
        // k8s.io/apimachinery: pkg/util/managedfields/internal/structuredmerge.go.
        if !self.message_contains("failed to create typed patch object") {
            return self.message_contains("failed to convert").then(Vec::new);
        }
        let mut faults = Vec::new();
        for (at, _) in self.message.match_indices(": ") {
            let Some((_, problem)) = PROBLEMS.iter().find(|(prefix, _)| self.message[at + 2..].starts_with(prefix))
            else {
                continue;
            };
            let before = &self.message[..at];
            let path = before.rfind([' ', '\n', '\t']).map_or(before, |space| &before[space + 1..]);
            let port = duplicate_port(&self.message[at + 2..]);
            let problem = port.map_or(Cow::Borrowed(*problem), |port| format!("has {port} twice").into());
            faults.extend(FieldPath::parse(path).map(|path| (path, problem)));
        }
        Some(faults)
    }
}

/// Returns the port of two entries with the same port and protocol, such as `80/TCP`.
fn duplicate_port(problem: &str) -> Option<String> {
    let (key, _) = problem.strip_prefix("duplicate entries for key [")?.split_once(']')?;
    let (port, protocol) = key.split_once(",protocol=\"")?;
    let port = port.strip_prefix("port=").or_else(|| port.strip_prefix("containerPort="))?;
    let protocol = ["TCP", "UDP", "SCTP"].into_iter().find(|name| protocol.strip_suffix('"') == Some(name))?;
    Some(format!("{}/{protocol}", port.parse::<u16>().ok()?))
}

/// Finds the value that the server cannot convert: base64 in the data of a Secret, or a quantity. Returns its span, a
/// description and a hint.
fn find_unconvertible(status: &Status, root: Node<'_>) -> Option<(Range<usize>, String, &'static str)> {
    let describe = |(key, value): (Node<'_>, Node<'_>), problem: &str, hint| {
        let name = key.text().unwrap_or_default();
        Some((value.span(), format!("`{name}` {problem}"), hint))
    };
    if status.message_contains("illegal base64 data") {
        let mut data = root.get_first("data")?.entries();
        let entry = data.find(|(_, value)| value.text().is_some_and(|text| !is_base64(&text)))?;
        return describe(entry, "is not base64", "put plain text below `stringData`");
    }
    if status.message_contains("quantities must match") {
        let lists = root.descendants().flat_map(|node| node.entries().collect::<Vec<_>>());
        let lists = lists.filter(|(key, _)| ["requests", "limits"].iter().any(|name| key.has_text(name)));
        let is_invalid = |value: &Node<'_>| {
            value.text().is_some_and(|text| quantity::check("", QuantityValue::Text(&text)).is_err())
        };
        let entry =
            lists.flat_map(|(_, list)| list.entries().collect::<Vec<_>>()).find(|(_, value)| is_invalid(value))?;
        return describe(entry, "is not a quantity", "use a number with a unit, such as `500m` or `1Gi`");
    }
    None
}

/// Returns whether Go's `encoding/base64` decodes the text. It ignores line breaks.
fn is_base64(text: &str) -> bool {
    let text = text.replace(['\r', '\n'], "");
    let content = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && text.len() - content.len() <= 2 && content.bytes().all(is_digit)
}

/// Returns the error for an object that does not fit its schema. The error points to the first field that is in the
/// document.
pub(super) fn schema_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let RefusedRequest { object, resource, .. } = request;
    if let Some((span, message, hint)) = object.with_node(|root| find_unconvertible(status, root)).flatten() {
        let span = span.start..span.end.min(span.start + MAX_SPAN);
        return object.locate(Error::new(ErrorKind::Cluster, message).at(span).hint(hint));
    }
    let faults = status.schema_faults().unwrap_or_default();
    let first_in_document = object.with_node(|root| {
        faults.iter().find_map(|(path, problem)| {
            let found = path.resolve(root);
            // A path through an item without a name cannot be followed to its end, but its last key may be in the
            // subtree.
            let iter_keys = || found.node.descendants().flat_map(|node| node.entries().map(|(key, _)| key));
            let key = match (found.key, path.last_key()) {
                (Some(key), Some(_)) if found.is_complete => Some(key),
                (_, Some(name)) if !found.is_complete => iter_keys().find(|key| key.has_text(name)),
                _ => None,
            };
            let name = key.and_then(|key| key.text()).map_or_else(|| "this".to_owned(), |key| format!("`{key}`"));
            let span = key.map_or_else(|| found.span(), |key| key.span());
            (found.is_complete || found.node.index() != root.index()).then(|| (span, format!("{name} {problem}")))
        })
    });
    let error = match first_in_document.flatten() {
        Some((span, message)) => {
            Error::new(ErrorKind::Cluster, message).at(span.start..span.end.min(span.start + MAX_SPAN))
        }
        None => {
            let name = resource.qualified_name(object.name());
            Error::new(
                ErrorKind::Cluster,
                format!("{name} has a field that does not match the schema of the API server"),
            )
        }
    };
    let (kind, plural) = (&resource.kind, &resource.plural);
    object.locate(error.hint(format!("`kubectl explain {plural} --recursive` lists the fields of a {kind}")))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::errors::rules::testing::assert_explained;

    #[test]
    fn locates_fields_that_do_not_fit() {
        for example in [
            (
                400,
                r#"{"message":"strict decoding error: unknown field \"spec.template.spec.containers[0].env[0].valuefrom\" canary"}"#,
                "job.yaml:11:11: `valuefrom` is not a field in the schema of the API server",
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (ns/etl; batch/v1, Kind=Job): .spec.template.spec.containers[name=\"c\"].env[name=\"X\"].valuefrom: field not declared in schema"}"#,
                "job.yaml:11:11: `valuefrom` is not a field in the schema of the API server",
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (ns/etl; batch/v1, Kind=Job): .spec.template.spec.containers[name=\"c\"].env[name=\"X\"].value: expected string, got &value.valueUnstructured{Value:canary}"}"#,
                "job.yaml:10:11: this must be a string",
            ),
            (
                500,
                r#"{"message":"failed to convert new object"}"#,
                "job.batch/etl has a field that does not match the schema of the API server | `kubectl explain jobs --recursive`",
            ),
        ] {
            assert_explained(example, schema_error);
        }
    }

    #[test]
    fn describes_duplicate_ports() {
        for (problem, port) in [
            (r#"duplicate entries for key [port=80,protocol="TCP"]"#, Some("80/TCP")),
            (r#"duplicate entries for key [containerPort=53,protocol="UDP"]"#, Some("53/UDP")),
            (r#"duplicate entries for key [name="canary"]"#, None),
            (r#"duplicate entries for key [port=80,protocol="canary"]"#, None),
        ] {
            assert_eq!(duplicate_port(problem).as_deref(), port, "{problem}");
        }
    }

    #[test]
    fn recognizes_base64() {
        for (text, expected) in
            [("aGk=", true), ("aGk\n=", true), ("", true), ("hello!", false), ("aGk", false), ("a===", false)]
        {
            assert_eq!(is_base64(text), expected, "{text}");
        }
    }

    #[test]
    fn each_problem_has_its_phrase() {
        for (prefix, phrase) in PROBLEMS {
            let body = format!(r#"{{"message":"failed to create typed patch object (a): .spec.x: {prefix}canary"}}"#);
            let status = Status::read(StatusCode::INTERNAL_SERVER_ERROR, body.as_bytes());
            assert_eq!(
                status.schema_faults(),
                Some(vec![(FieldPath::from_keys(&["spec", "x"]), phrase.into())]),
                "{prefix}"
            );
        }
    }
}
