//! The error for an object that does not fit the schema of its kind: unknown fields, wrong types, duplicate items.

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::field::FieldPath;

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
    fn schema_faults(&self) -> Option<Vec<(FieldPath, &'static str)>> {
        // Strict field validation: k8s.io/apimachinery: pkg/runtime/converter.go.
        if let Some((_, rest)) = self.message.split_once("unknown field \"") {
            let path = FieldPath::parse(&rest[..rest.find('"')?])?;
            return Some(vec![(path, UNKNOWN_FIELD)]);
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
            faults.extend(FieldPath::parse(path).map(|path| (path, *problem)));
        }
        Some(faults)
    }
}

/// Returns the error for an object that does not fit its schema. The error points to the first field that is in the
/// document.
pub(super) fn schema_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let RefusedRequest { object, resource, .. } = request;
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
    fn each_problem_has_its_phrase() {
        for (prefix, phrase) in PROBLEMS {
            let body = format!(r#"{{"message":"failed to create typed patch object (a): .spec.x: {prefix}canary"}}"#);
            let status = Status::read(StatusCode::INTERNAL_SERVER_ERROR, body.as_bytes());
            assert_eq!(status.schema_faults(), Some(vec![(FieldPath::from_keys(&["spec", "x"]), phrase)]), "{prefix}");
        }
    }
}
