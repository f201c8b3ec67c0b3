//! Describes causes of code 422 for which the server's field or reason does not help, with data of the document.

use jobplate_manifest::field::FieldPath;

use super::status::StatusCause;
use crate::object::InputObject;

/// A description of a cause.
pub(super) struct CauseDescription {
    /// The path of the field that the user has to change; empty for the whole object.
    pub field: &'static str,
    /// The predicate of the sentence about the field.
    pub description: String,
    pub hint: &'static str,
}

/// Returns the description of a cause, or `None` if it needs no data of the document.
///
/// The sources are paths in the Go modules of Kubernetes 1.37.2.
pub(super) fn describe_with_document(cause: &StatusCause, object: &InputObject) -> Option<CauseDescription> {
    let (kind, message) = (&*object.kind, &*cause.message);
    // k8s.io/kubernetes: pkg/apis/core/validation/validation.go, ValidateConfigMap and ValidateSecret
    if cause.reason == "FieldValueTooLong"
        && matches!(kind, "ConfigMap" | "Secret")
        && !cause.field.starts_with("metadata")
    {
        return Some(CauseDescription {
            field: "",
            description: format!("it is too large; a {kind} can have 1 MiB of data"),
            hint: "split it, or store the data elsewhere",
        });
    }
    // k8s.io/apiextensions-apiserver: pkg/apis/apiextensions/validation/validation.go
    if object.is_crd() && message.contains("must be spec.names.plural") {
        let name = object.with_node(|root| {
            let read = |keys: &[&str]| Some(FieldPath::from_keys(keys).resolve(root).node.text()?.into_owned());
            Some(format!("{}.{}", read(&["spec", "names", "plural"])?, read(&["spec", "group"])?))
        });
        return Some(CauseDescription {
            field: "metadata.name",
            description: format!("must be the plural name and the group: {}", name.flatten()?),
            hint: "rename the CustomResourceDefinition",
        });
    }
    None
}

/// Returns the resource whose request is more than its limit, such as `cpu`. Source: k8s.io/kubernetes:
/// pkg/apis/core/validation/validation.go.
pub(super) fn resource_above_limit(cause: &StatusCause) -> Option<&str> {
    let (resource, _) = cause.message.split_once("must be less than or equal to ")?.1.split_once(" limit")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-./".contains(&byte);
    (cause.field.ends_with(".requests") && resource.bytes().all(is_name)).then_some(resource)
}
