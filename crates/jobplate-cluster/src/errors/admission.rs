//! The errors of admission: denials by policies, webhooks, LimitRanges, quotas and other admission plugins.
//!
//! People write these messages for people, so they are shown, with the values of the object masked. If the message cannot
//! be shown, the error has only the name of the policy or webhook.

use jobplate_diagnostic::{Error, ErrorKind, ProgramName};

use super::status::{RefusedRequest, Status};

/// The beginning of a webhook's message. Source: k8s.io/apiserver: pkg/admission/plugin/webhook/errors/statuserror.go.
const WEBHOOK: &str = "admission webhook \"";
/// The text between the name of a policy and the name of its binding. Source: k8s.io/apiserver:
/// pkg/admission/plugin/policy.
const BINDING: &str = "' with binding '";
/// The text before the message of a policy.
const DENIED: &str = "' denied request: ";
/// The kinds of policies with the beginning of their messages. The message of a mutating policy does not name its kind.
const POLICIES: [(&str, &str); 3] = [
    ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicy '"),
    ("MutatingAdmissionPolicy", "MutatingAdmissionPolicy '"),
    ("MutatingAdmissionPolicy", "policy '"),
];

impl Status {
    /// Returns whether a policy, a webhook or another admission plugin rejected the request.
    pub(crate) fn is_denied_by_admission(&self) -> bool {
        self.admission_message().is_some()
    }

    /// Returns the message of the policy, webhook or admission plugin that rejected the request. Returns `None` for the
    /// messages of validation and decoding, which quote the object, and for a missing permission.
    pub(crate) fn admission_message(&self) -> Option<&str> {
        let text = self.message.split_once(" is forbidden: ").map_or(&*self.message, |(_, text)| text);
        let is_webhook = self.message.starts_with(WEBHOOK) && self.message_contains(" denied the request");
        // A cause of validation names a field.
        let has_field = self.causes.iter().any(|cause| !cause.field.is_empty());
        let is_policy = !has_field && parse_policy(text).is_some();
        let is_plugin = self.has_code(403) && !self.is_permission_missing();
        (is_webhook || is_policy || is_plugin).then_some(text)
    }

    /// Returns whether a quota rejected a new Job, and will accept it after the deletion of another Job.
    ///
    /// A quota counts the Jobs themselves (`count/jobs.batch`), and not the resources of their pods.
    pub(crate) fn is_resolved_by_deleting_job(&self) -> bool {
        self.exceeds_quota() && Quota::parse(&self.message).is_some_and(|quota| quota.accepts_job_after_deletion())
    }

    /// Returns whether an authorizer denied the request.
    pub(crate) fn is_permission_missing(&self) -> bool {
        self.has_code(403) && self.message_contains("cannot ") && self.message_contains(" resource ")
    }
}

/// Parses a message of a policy. Returns the kind and the name of the policy, the name of its binding, and the text.
fn parse_policy(text: &str) -> Option<(&'static str, &str, &str, &str)> {
    let (kind, rest) = POLICIES.iter().find_map(|(kind, start)| Some((*kind, text.strip_prefix(start)?)))?;
    let (policy, rest) = rest.split_once(BINDING)?;
    let (binding, message) = rest.split_once(DENIED)?;
    Some((kind, policy, binding, message))
}

/// Returns the error for a denial by an admission plugin.
pub(super) fn admission_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let object = request.resource.qualified_name(request.object.name());
    let error = |message: String| Error::new(ErrorKind::Cluster, message);
    let ask = "change the manifest, or ask the administrator of the cluster";
    let Some(text) = request.message else {
        let names = ["ValidatingAdmissionPolicy ", "MutatingAdmissionPolicy ", "policy ", "admission webhook "];
        let name = names.iter().find_map(|phrase| status.name_after(phrase));
        let by = name.map(|name| format!(" ({name})")).unwrap_or_default();
        return error(format!("an admission check of the cluster{by} rejects {object}")).hint(
            "its message can contain values and is not shown; `"
                + ProgramName
                + " render ... | kubectl apply --server-side --dry-run=server -f -` shows it",
        );
    };
    if let Some((kind, policy, binding, message)) = parse_policy(text) {
        let message = indent(message);
        return error(format!("{kind} {policy} (binding {binding}) denies {object}: {message}")).hint(ask);
    }
    if let Some((name, rest)) = text.strip_prefix(WEBHOOK).and_then(|rest| rest.split_once('"')) {
        let message = rest.split_once("denied the request: ").map(|(_, message)| format!(": {}", indent(message)));
        return error(format!("the admission webhook {name} denies {object}{}", message.unwrap_or_default())).hint(ask);
    }
    error(format!("the API server denies {object}: {}", indent(text))).hint(ask)
}

/// Returns the error for an object that exceeds a quota.
pub(super) fn quota_error(_: &Status, request: &RefusedRequest<'_>) -> Error {
    let (object, namespace) = (request.resource.qualified_name(request.object.name()), &request.object.namespace);
    let quota = request.message.and_then(Quota::parse);
    let message = match &quota {
        Some(quota) => format!("quota {} of namespace {namespace} is full: {}", quota.name, quota.describe(&object)),
        None => format!("{object} exceeds a quota of namespace {namespace}"),
    };
    let name = quota.map(|quota| format!(" {}", quota.name)).unwrap_or_default();
    Error::new(ErrorKind::Cluster, message)
        .hint(format!("`kubectl describe quota{name} -n {namespace}` shows the limits"))
}

/// An exceeded quota, such as `exceeded quota: q, requested: pods=1,cpu=2, used: pods=4,cpu=1, limited: pods=4,cpu=2`.
/// Source: k8s.io/apiserver: pkg/admission/plugin/resourcequota/controller.go.
struct Quota<'t> {
    name: &'t str,
    requested: &'t str,
    used: &'t str,
    limited: &'t str,
}

impl<'t> Quota<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (name, rest) = text.split_once("exceeded quota: ")?.1.split_once(", requested: ")?;
        let (requested, rest) = rest.split_once(", used: ")?;
        let (used, limited) = rest.split_once(", limited: ")?;
        Some(Quota { name, requested, used, limited })
    }

    fn accepts_job_after_deletion(&self) -> bool {
        let count_in = |list| figure_of(list, "count/jobs.batch")?.parse::<u64>().ok();
        self.requested == "count/jobs.batch=1"
            && count_in(self.used)
                .is_some_and(|used| count_in(self.limited).is_some_and(|limit| 0 < used && used <= limit))
    }

    fn describe(&self, object: &str) -> String {
        let describe_resource = |item: &'t str| {
            let (resource, requested) = item.split_once('=').unwrap_or((item, "?"));
            let [used, limited] = [self.used, self.limited].map(|list| figure_of(list, resource).unwrap_or("?"));
            format!("{resource} {used} of {limited} is used, and {object} needs {requested} more")
        };
        self.requested.split(',').map(describe_resource).collect::<Vec<_>>().join("; ")
    }
}

/// Returns the figure of a resource in a list such as `pods=1,cpu=2`.
fn figure_of<'t>(list: &'t str, resource: &str) -> Option<&'t str> {
    list.split(',').find_map(|item| item.strip_prefix(resource)?.strip_prefix('='))
}

/// Indents the further lines of a message.
fn indent(message: &str) -> String {
    message.trim().replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn status(code: u16, message: &str, field: &str) -> Status {
        let causes = json!([{"field": field, "message": message}]);
        let body = json!({"message": message, "details": {"causes": causes}}).to_string();
        Status::read(StatusCode::from_u16(code).unwrap(), body.as_bytes())
    }

    #[test]
    fn finds_messages_of_admission() {
        let policy = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no";
        for (code, message, field, expected) in [
            (422, format!("jobs.batch \"a\" is forbidden: {policy}"), "", Some(policy)),
            (422, policy.to_owned(), "", Some(policy)),
            (
                422,
                "policy 'p' with binding 'b' denied request: no".to_owned(),
                "",
                Some("policy 'p' with binding 'b' denied request: no"),
            ),
            (
                400,
                "admission webhook \"w\" denied the request: no".to_owned(),
                "",
                Some("admission webhook \"w\" denied the request: no"),
            ),
            (403, "pods \"a\" is forbidden: no".to_owned(), "", Some("no")),
            // Validation and decoding quote values, which can contain any text.
            (422, format!("Job \"a\" is invalid: spec.x: Invalid value: \"{policy}\""), "spec.x", None),
            (422, policy.to_owned(), "spec.x", None),
            (422, format!("Job \"a\" is invalid: spec.x: Invalid value: \" is forbidden: {policy}\""), "spec.x", None),
            (500, format!("failed to create typed patch object: admission webhook {policy}"), "", None),
            (400, "cannot decode: admission webhook \"w\" denied the request: no".to_owned(), "", None),
            (400, "admission webhook \"w\" does not support dry run".to_owned(), "", None),
            (403, "jobs is forbidden: User \"u\" cannot patch resource \"jobs\"".to_owned(), "", None),
        ] {
            assert_eq!(status(code, &message, field).admission_message(), expected, "{message}");
        }
    }

    #[test]
    fn describes_an_exceeded_quota() {
        let text = "exceeded quota: q, requested: cpu=2,pods=1, used: cpu=1,pods=4, limited: cpu=2,pods=4";
        assert_eq!(
            Quota::parse(text).unwrap().describe("pod/p"),
            "cpu 1 of 2 is used, and pod/p needs 2 more; pods 4 of 4 is used, and pod/p needs 1 more"
        );
        assert!(Quota::parse("exceeded quota: q").is_none());
    }

    #[test]
    fn finds_quotas_that_accept_a_job_after_a_deletion() {
        for (figures, expected) in [
            ("requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1", true),
            ("requested: count/jobs.batch=1, used: count/jobs.batch=7, limited: count/jobs.batch=7", true),
            ("requested: count/jobs.batch=1, used: count/jobs.batch=2, limited: count/jobs.batch=1", false),
            ("requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=0", false),
            ("requested: count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0", false),
            ("requested: pods=1, used: pods=1, limited: pods=1", false),
            ("requested: count/jobs.batch=1,x=1, used: count/jobs.batch=1,x=1, limited: count/jobs.batch=1,x=1", false),
        ] {
            let message = format!("jobs.batch \"a\" is forbidden: exceeded quota: q, {figures}");
            assert_eq!(status(403, &message, "").is_resolved_by_deleting_job(), expected, "{figures}");
        }
    }
}
