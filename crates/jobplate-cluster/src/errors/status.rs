//! The status with which an API server rejects a request, and its interpretation.
//!
//! The messages of a status quote the object, including literal values of env vars. The messages are matched against
//! known phrases. Those of admission are shown after the values of the object are masked; the others never.

use http::StatusCode;
use serde::Deserialize;

use crate::object::InputObject;
use crate::request::{Resource, Verb};

/// The maximum number of bytes that are searched for known phrases if the body is not a `Status`.
const MAX_SEARCHED_BYTES: usize = 4096;

/// The response to a request that the server rejected.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// The HTTP status code.
    pub code: StatusCode,
    /// Whether the body was a Kubernetes `Status`.
    pub(super) is_status: bool,
    reason: String,
    /// The message. It may quote values, so only [`RefusedRequest::message`] is shown.
    pub(super) message: String,
    /// The plural name of the kind that the status is about. For a missing namespace, this is `namespaces`. Empty if
    /// the status does not name a kind.
    pub(super) details_kind: String,
    pub(super) causes: Vec<StatusCause>,
}

/// The part of a Kubernetes `Status` (`metav1.Status`) that is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusBody {
    reason: String,
    message: String,
    details: StatusDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusDetails {
    kind: String,
    causes: Vec<StatusCause>,
}

/// A cause in the `details` of a Kubernetes `Status` (`metav1.StatusCause`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusCause {
    /// The path to the field, in the server's format.
    pub field: String,
    pub(super) reason: String,
    /// The message. It must not be shown, since it may quote values.
    pub(super) message: String,
}

impl StatusCause {
    /// Returns whether the cause is a change to an immutable field.
    fn is_immutable(&self) -> bool {
        self.message.ends_with("field is immutable")
    }

    /// Returns the field manager that owns the field, or `None` if the cause is not a conflict with a field manager.
    pub(crate) fn manager(&self) -> Option<&str> {
        if self.reason != "FieldManagerConflict" {
            return None;
        }
        let manager = self.message.strip_prefix("conflict with \"")?;
        Some(&manager[..manager.find('"')?])
    }

    /// Returns whether the cause is about the source of an env entry's value.
    fn is_env_source_fault(&self) -> bool {
        self.field.ends_with(".valueFrom")
    }
}

impl Status {
    /// Reads a response. If the body is not a `Status`, the beginning of the body counts as the message.
    pub(crate) fn read(code: StatusCode, body: &[u8]) -> Self {
        let status_body: Option<StatusBody> = serde_json::from_slice(body).ok();
        let is_status = status_body.is_some();
        // Errors from proxies, and some errors from the server, are plain text that may contain a known phrase.
        let read_text = || String::from_utf8_lossy(&body[..body.len().min(MAX_SEARCHED_BYTES)]).into_owned();
        let StatusBody { reason, message, details } =
            status_body.unwrap_or_else(|| StatusBody { message: read_text(), ..StatusBody::default() });
        Status { code, is_status, reason, message, details_kind: details.kind, causes: details.causes }
    }

    /// Returns whether the status has this HTTP code.
    pub(crate) fn has_code(&self, code: u16) -> bool {
        self.code.as_u16() == code
    }

    /// Returns the message, which may quote values.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn message_contains(&self, phrase: &str) -> bool {
        self.message.contains(phrase)
    }

    /// Returns whether the object exceeds a limit of the server, of gRPC or of etcd.
    pub(super) fn is_too_large(&self) -> bool {
        self.has_code(413)
            || self.message_contains("request is too large")
            || self.message_contains("trying to send message larger than max")
    }

    /// Returns whether a 500 response is transient, so a retry may succeed. Most other 500 responses are caused by the
    /// object itself and would recur.
    pub(crate) fn is_transient(&self) -> bool {
        (self.message_contains("etcdserver") || self.message_contains("failed calling webhook")) && !self.is_too_large()
    }

    /// Returns whether the server's validation rejected the object, and not a policy or a webhook.
    pub(crate) fn is_invalid(&self) -> bool {
        self.has_code(422) && !self.is_denied_by_admission()
    }

    /// Returns whether the server's validation names an immutable field.
    pub(crate) fn names_immutable_field(&self) -> bool {
        self.is_invalid() && self.immutable_fields().next().is_some()
    }

    /// Returns the paths of the immutable fields that the server names.
    pub(crate) fn immutable_fields(&self) -> impl Iterator<Item = &str> {
        self.causes.iter().filter(|cause| cause.is_immutable()).map(|cause| &*cause.field)
    }

    /// Returns whether the object exceeds a quota.
    pub(crate) fn exceeds_quota(&self) -> bool {
        self.has_code(403) && self.message_contains("exceeded quota")
    }

    /// Returns whether the server rejected the request because an object with the requested name already exists.
    pub(crate) fn already_exists(&self) -> bool {
        self.has_code(409) && self.reason == "AlreadyExists"
    }

    /// Returns the conflicts with other field managers, or `None` if the status is not about conflicts.
    pub(crate) fn conflicts(&self) -> Option<Vec<&StatusCause>> {
        let conflicts: Vec<&StatusCause> = self.causes.iter().filter(|cause| cause.manager().is_some()).collect();
        (self.has_code(409) && !conflicts.is_empty()).then_some(conflicts)
    }

    /// Returns whether the status is about the source of an env entry's value, such as two sources in one entry.
    pub(crate) fn is_env_source_fault(&self) -> bool {
        self.has_code(422) && self.causes.iter().any(StatusCause::is_env_source_fault)
    }

    /// Returns whether the server does not serve the kind: the code is 404, and the status does not name a kind.
    pub(crate) fn is_unknown_kind(&self) -> bool {
        self.has_code(404) && self.details_kind.is_empty()
    }

    /// Returns whether the namespace does not exist.
    pub(super) fn is_missing_namespace(&self) -> bool {
        self.has_code(404) && self.details_kind == "namespaces"
    }

    /// Returns the quoted string directly after `phrase` in the message. Returns `None` if there is no such string, or
    /// if it does not look like an object name with a dot or hyphen.
    pub(super) fn name_after(&self, phrase: &str) -> Option<&str> {
        let rest = self.message.split_once(phrase)?.1;
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let name = &rest[1..];
        let name = &name[..name.find(quote)?];
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (name.contains(['.', '-']) && name.len() <= 253 && name.bytes().all(is_name_byte)).then_some(name)
    }
}

/// A request that the server rejected.
#[derive(Clone, Copy)]
pub(crate) struct RefusedRequest<'a> {
    /// The object that was sent.
    pub object: &'a InputObject,
    /// The resource of the object.
    pub resource: &'a Resource,
    /// The verb of the request.
    pub verb: Verb,
    /// Whether the object does not exist. If so, the indexes in the status refer to the document; otherwise, they refer
    /// to the result of the merge with the live object.
    pub is_new: bool,
    /// The message of the server with all sensitive values masked, or `None` if it must not be shown.
    pub message: Option<&'a str>,
}

impl<'a> RefusedRequest<'a> {
    /// Creates the description of a request about `object`, which may exist.
    pub(crate) fn new(object: &'a InputObject, resource: &'a Resource, verb: Verb) -> Self {
        RefusedRequest { object, resource, verb, is_new: false, message: None }
    }

    /// Creates the description of a request that creates `object`.
    pub(crate) fn for_new(object: &'a InputObject, resource: &'a Resource) -> Self {
        RefusedRequest { object, resource, verb: Verb::Create, is_new: true, message: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, json: &str) -> Status {
        Status::read(StatusCode::from_u16(code).unwrap(), json.as_bytes())
    }

    #[test]
    fn finds_immutable_fields() {
        let json = r#"{"details":{"causes":[{"field":"spec.template","message":"Invalid value: canary: field is immutable"}]}}"#;
        assert!(status(422, json).names_immutable_field());
        assert!(!status(422, &json.replace("is immutable", "is wrong")).names_immutable_field());
    }

    #[test]
    fn finds_the_manager_in_a_conflict() {
        let json = r#"{"details":{"causes":[{"reason":"FieldManagerConflict","field":".spec.suspend","message":"conflict with \"kubectl\" using batch/v1"}]}}"#;
        assert_eq!(status(409, json).conflicts().unwrap()[0].manager(), Some("kubectl"));
    }

    #[test]
    fn counts_only_etcd_and_webhook_failures_as_transient() {
        assert!(status(500, r#"{"message":"etcdserver: leader changed"}"#).is_transient());
        assert!(!status(500, r#"{"message":"failed to create typed patch object"}"#).is_transient());
    }
}
