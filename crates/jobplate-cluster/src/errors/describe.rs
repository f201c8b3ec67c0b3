//! Describes a rejected request: chooses the best explanation of the status, and contains the table of general
//! statuses.

use jobplate_diagnostic::{Error, ErrorKind, ProgramName};

use super::admission::admission_error;
use super::forbidden::forbidden_error;
use super::invalid::invalid_error;
use super::rules::{StatusPredicate, StatusRule, apply_rules};
use super::schema::schema_error;
use super::status::{RefusedRequest, Status};
use super::transport::ConfigOrigin;
use crate::object::InputObject;

impl Status {
    /// Returns the error for a rejected request, with the location of the object or field in the input.
    pub(crate) fn to_error(&self, request: &RefusedRequest<'_>) -> Error {
        if self.is_invalid() {
            return invalid_error(self, request);
        }
        if self.is_schema_fault() {
            return schema_error(self, request);
        }
        request.object.locate(apply_rules(&RULES, self, request).unwrap_or_else(|| unknown_error(self, request)))
    }
}

/// The statuses that are not about a field of the object. The first matching row applies.
///
/// The sources are paths in the Go modules of Kubernetes 1.37.2, the version that `tests/cluster` uses.
const RULES: [StatusRule; 19] = [
    // k8s.io/apimachinery: pkg/api/errors/errors.go (413); go.etcd.io/etcd/api: v3rpc/rpctypes/error.go;
    // google.golang.org/grpc: stream.go
    StatusRule::with_text(
        0..=u16::MAX,
        StatusPredicate::Function(|status, _| status.is_too_large()),
        "{object} is too large for the API server",
        "the limit is about 1.5 MB; store the data elsewhere",
    ),
    // Go's net/http: server.go
    StatusRule::with_text(
        400..=400,
        StatusPredicate::Message(&["HTTP request to an HTTPS server"]),
        "the API server requires HTTPS",
        "use https:// in `server` in the kubeconfig",
    ),
    // k8s.io/apiserver: pkg/admission/plugin/webhook/errors/statuserror.go, NewDryRunUnsupportedErr
    StatusRule::with_text(
        400..=400,
        StatusPredicate::Message(&["does not support dry run"]),
        "cannot dry-run {object}: the webhook{webhook} does not support dry run",
        "pass --no-preflight to apply without a dry run",
    ),
    // k8s.io/apiserver: pkg/admission/plugin/webhook/errors/statuserror.go, ToStatusErr; a webhook chooses the code.
    StatusRule::with_function(
        0..=u16::MAX,
        StatusPredicate::Function(|status, _| !status.has_code(403) && status.is_denied_by_admission()),
        admission_error,
    ),
    StatusRule::with_function(401..=401, StatusPredicate::Always, |_, _| unauthorized_error(ConfigOrigin::Kubeconfig)),
    StatusRule::with_function(403..=403, StatusPredicate::Always, forbidden_error),
    // k8s.io/apiserver: pkg/admission/plugin/namespace/lifecycle/admission.go
    StatusRule::with_text(
        404..=404,
        StatusPredicate::Function(|status, _| status.is_missing_namespace()),
        "namespace {namespace} not found",
        "add its Namespace to the input, or create it: kubectl create namespace {namespace}",
    ),
    // k8s.io/apiserver: pkg/server/routes, "404 page not found" of the router
    StatusRule::with_function(
        404..=404,
        StatusPredicate::Function(|status, _| status.is_unknown_kind()),
        |_, request| unknown_kind_error(request.object),
    ),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewNotFound for a reference, such as the Role of a RoleBinding
    StatusRule::with_text(
        404..=404,
        StatusPredicate::Function(|status, request| {
            status.details_kind != request.resource.plural
                && status.details_kind.bytes().all(|byte| byte.is_ascii_lowercase())
        }),
        "{object} refers to one of {kind} that does not exist",
        "create it first, or add it to the input",
    ),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewNotFound
    StatusRule::with_text(404..=404, StatusPredicate::Always, "{object} no longer exists", "run again"),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewAlreadyExists
    StatusRule::with_text(
        409..=409,
        StatusPredicate::Function(|status, _| status.already_exists()),
        "{object} already exists",
        "choose another name",
    ),
    // k8s.io/apiserver: pkg/admission/plugin/namespace/lifecycle/admission.go; pkg/registry/generic/registry/store.go
    StatusRule::with_text(
        409..=409,
        StatusPredicate::Message(&["being terminated", "being deleted"]),
        "cannot create {object}: its namespace or an object with its name is still being deleted",
        "wait until it is deleted, then run again",
    ),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewConflict
    StatusRule::with_text(
        409..=409,
        StatusPredicate::Always,
        "another client changed {object} at the same time",
        "run again",
    ),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewTooManyRequests
    StatusRule::with_text(
        429..=429,
        StatusPredicate::Always,
        "the API server is overloaded (429 Too Many Requests) and did not process {object}",
        "run again later, or lower --concurrency",
    ),
    StatusRule::with_text(
        400..=499,
        StatusPredicate::Function(|status, _| !status.is_status),
        "a server that is not an API server responded with {code}",
        "check `server` in the kubeconfig, and any proxy on the way",
    ),
    // k8s.io/apimachinery: pkg/api/errors/errors.go, NewBadRequest
    StatusRule::with_function(400..=400, StatusPredicate::Always, bad_request_error),
    // k8s.io/apiserver: pkg/util/webhook/error.go
    StatusRule::with_text(
        500..=500,
        StatusPredicate::Message(&["failed calling webhook"]),
        "cannot check {object}: the webhook{webhook} does not respond",
        "ask the administrator of the webhook, an admission check of the cluster",
    ),
    // go.etcd.io/etcd/api: v3rpc/rpctypes/error.go
    StatusRule::with_text(
        500..=500,
        StatusPredicate::Message(&["etcdserver"]),
        "the storage of the API server does not respond",
        "run again later",
    ),
    // Gateways and load balancers
    StatusRule::with_text(
        502..=504,
        StatusPredicate::Always,
        "the API server is unavailable: {code} for {object}",
        "run again later; the log of the proxy or load balancer may have the reason",
    ),
];

fn bad_request_error(_: &Status, request: &RefusedRequest<'_>) -> Error {
    let name = request.resource.qualified_name(request.object.name());
    let hint = "check where each field belongs: `"
        + ProgramName
        + " render ... | kubectl apply --server-side --dry-run=server -f -` shows the message";
    Error::new(ErrorKind::Cluster, format!("the API server cannot decode {name}")).hint(hint)
}

/// Returns the error for a status that no rule matches.
fn unknown_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let name = request.resource.qualified_name(request.object.name());
    Error::new(ErrorKind::Cluster, format!("the API server responded with {} for {name}", status.code.as_u16()))
        .hint("the log of the API server has the reason; its message can contain values and is not shown")
}

/// Returns the error for code 401.
pub(crate) fn unauthorized_error(origin: ConfigOrigin) -> Error {
    Error::new(ErrorKind::Cluster, "the API server rejected the credentials (401 Unauthorized)")
        .hint(origin.credentials_hint())
}

/// Returns the error for a kind that the server does not serve.
pub(crate) fn unknown_kind_error(object: &InputObject) -> Error {
    let error = format!("the API server has no kind {} in {}", object.kind, object.api_version);
    Error::new(ErrorKind::Cluster, error)
        .hint("check `apiVersion` with `kubectl api-resources`, or install the CustomResourceDefinition")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::rules::testing::{Example, assert_explained, assert_rules_match};

    /// One example for each row of [`RULES`].
    const EXAMPLES: [Example; RULES.len()] = [
        (413, "canary", "job.batch/etl is too large for the API server | the limit is about 1.5 MB"),
        (400, "Client sent an HTTP request to an HTTPS server.", "the API server requires HTTPS | use https://"),
        (
            400,
            r#"{"message":"admission webhook \"hook.example\" does not support dry run"}"#,
            "cannot dry-run job.batch/etl: the webhook hook.example does not support dry run | pass --no-preflight to apply without a dry run",
        ),
        (
            400,
            r#"{"message":"admission webhook \"a.example.io\" denied the request: canary"}"#,
            "an admission check of the cluster (a.example.io) rejects job.batch/etl",
        ),
        (401, r#"{"message":"Unauthorized"}"#, "the API server rejected the credentials (401 Unauthorized)"),
        (
            403,
            r#"{"message":"jobs.batch is forbidden: User \"canary\" cannot patch resource \"jobs\" in API group \"batch\""}"#,
            "you are not allowed to patch jobs.batch in namespace ns: job.batch/etl",
        ),
        (
            404,
            r#"{"details":{"kind":"namespaces","name":"ns"}}"#,
            "namespace ns not found | add its Namespace to the input, or create it: kubectl create namespace ns",
        ),
        (404, "404 page not found canary", "the API server has no kind Job in batch/v1"),
        (
            404,
            r#"{"details":{"kind":"roles","name":"canary"}}"#,
            "job.batch/etl refers to one of roles that does not exist",
        ),
        (404, r#"{"details":{"kind":"jobs","name":"canary"}}"#, "job.batch/etl no longer exists"),
        (409, r#"{"reason":"AlreadyExists","message":"canary"}"#, "job.batch/etl already exists"),
        (
            409,
            r#"{"message":"object is being deleted: canary"}"#,
            "cannot create job.batch/etl: its namespace or an object with its name is still being deleted",
        ),
        (409, r#"{"message":"canary"}"#, "another client changed job.batch/etl at the same time"),
        (
            429,
            r#"{"message":"canary"}"#,
            "the API server is overloaded (429 Too Many Requests) and did not process job.batch/etl",
        ),
        (418, "canary", "a server that is not an API server responded with 418"),
        (400, r#"{"message":"canary"}"#, "the API server cannot decode job.batch/etl"),
        (
            500,
            r#"{"message":"Internal error occurred: failed calling webhook \"a.b\": canary"}"#,
            "cannot check job.batch/etl: the webhook a.b does not respond",
        ),
        (500, r#"{"message":"etcdserver: leader changed"}"#, "the storage of the API server does not respond"),
        (503, "canary", "the API server is unavailable: 503 for job.batch/etl"),
    ];

    #[test]
    fn each_rule_explains_its_example() {
        assert_rules_match(&RULES, &EXAMPLES);
    }

    #[test]
    fn explains_each_example_like_its_rule() {
        let policy = (
            422,
            r#"{"message":"ValidatingAdmissionPolicy 'a.example' with binding 'b' denied request: canary"}"#,
            "an admission check of the cluster (a.example) rejects job.batch/etl",
        );
        for example in EXAMPLES.into_iter().chain([policy]) {
            assert_explained(example, |status, request| status.to_error(request));
        }
    }

    #[test]
    fn shows_only_the_code_of_an_unknown_status() {
        assert_explained((500, "canary", "the API server responded with 500 for job.batch/etl"), |status, request| {
            status.to_error(request)
        });
    }
}
