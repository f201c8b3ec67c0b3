//! The error for code 403: a missing permission, or a denial by an admission plugin.

use jobplate_diagnostic::{Error, ErrorKind};

use super::admission::{admission_error, quota_error};
use super::rules::{StatusPredicate, StatusRule, apply_rules};
use super::status::{RefusedRequest, Status};
use crate::request::Verb;

/// The known statuses with code 403. The first matching row applies.
///
/// The sources are paths in the Go modules of Kubernetes 1.37.2, the version that `tests/cluster` uses.
const RULES: [StatusRule; 10] = [
    // k8s.io/apiserver: pkg/endpoints/handlers/responsewriters/errors.go, with the verb `impersonate`
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&["cannot impersonate"]),
        "impersonation is forbidden",
        "remove --as and --as-group, or bind a ClusterRole with this rule: {apiGroups: [\"\"], resources: [users, groups], verbs: [impersonate]}",
    ),
    // k8s.io/apiserver: pkg/endpoints/handlers/responsewriters/errors.go; pkg/authentication/user/user.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Function(|status, _| {
            status.is_permission_missing() && status.message_contains("User \"system:anonymous\"")
        }),
        "the request had no credentials",
        "check the user of the kubeconfig context, and the output of its credential plugin",
    ),
    // k8s.io/apiserver: pkg/endpoints/handlers/responsewriters/errors.go
    StatusRule::with_function(
        403..=403,
        StatusPredicate::Function(|status, _| status.is_permission_missing()),
        permission_error,
    ),
    // k8s.io/apiserver: pkg/admission/plugin/resourcequota/controller.go
    StatusRule::with_function(403..=403, StatusPredicate::Message(&["exceeded quota"]), quota_error),
    // k8s.io/kubernetes: plugin/pkg/admission/limitranger/admission.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&[" usage per ", " limit to request ratio per "]),
        "{object} violates a LimitRange of namespace {namespace}{message}",
        "`kubectl describe limitrange -n {namespace}` shows the limits",
    ),
    // k8s.io/pod-security-admission: admission/admission.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&["violates PodSecurity"]),
        "the Pod Security level of namespace {namespace} forbids the pod of {object}{message}",
        "the level is a label: kubectl get namespace {namespace} --show-labels",
    ),
    // k8s.io/kubernetes: pkg/registry/rbac/validation/rule.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&["attempting to grant RBAC permissions"]),
        "{object} grants permissions that you do not have",
        "ask for these permissions, or for the verbs `escalate` and `bind`",
    ),
    // k8s.io/kubernetes: plugin/pkg/admission/priority/admission.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&["no PriorityClass with name"]),
        "the PriorityClass of {object} does not exist",
        "create it, or choose one of `kubectl get priorityclasses`",
    ),
    // k8s.io/apiserver: pkg/admission/plugin/namespace/lifecycle/admission.go
    StatusRule::with_text(
        403..=403,
        StatusPredicate::Message(&["being terminated"]),
        "namespace {namespace} is being deleted",
        "wait until it is deleted, then create it again",
    ),
    // k8s.io/apiserver: pkg/admission/plugin/webhook/errors/statuserror.go, and other admission plugins
    StatusRule::with_function(403..=403, StatusPredicate::Always, admission_error),
];

/// Returns the error for a status with code 403.
pub(super) fn forbidden_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    apply_rules(&RULES, status, request).unwrap_or_else(|| admission_error(status, request))
}

/// Returns the error for a missing permission, with the RBAC rule that grants it.
fn permission_error(status: &Status, request: &RefusedRequest<'_>) -> Error {
    let RefusedRequest { object, resource, verb, .. } = request;
    let namespace = &*object.namespace;
    let name = resource.qualified_name(object.name());
    // A server-side apply that creates the object also needs the verb `create`, so `create` may be the denied verb.
    let denied_verb = if status.message_contains("cannot create ") { Verb::Create } else { *verb };
    let scope = if resource.namespaced { format!(" in namespace {namespace}") } else { String::new() };
    let resources = match resource.group.is_empty() {
        true => resource.plural.clone(),
        false => format!("{}.{}", resource.plural, resource.group),
    };
    let verbs = match verb {
        Verb::Patch => "[get, create, patch]".to_owned(),
        verb => format!("[{}]", verb.as_str()),
    };
    let role = if resource.namespaced { format!("a Role in {namespace}") } else { "a ClusterRole".to_owned() };
    let rule = format!("{{apiGroups: [\"{}\"], resources: [{}], verbs: {verbs}}}", resource.group, resource.plural);
    let user = request.message.and_then(|message| message.split_once("User \"")?.1.split_once("\" cannot "));
    let user = user.map_or_else(|| "you are".to_owned(), |(user, _)| format!("user {user} is"));
    Error::new(ErrorKind::Cluster, format!("{user} not allowed to {} {resources}{scope}: {name}", denied_verb.as_str()))
        .hint(format!("bind {role} with this rule: {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::rules::testing::{Example, assert_rules_match};

    /// One example for each row of [`RULES`].
    const EXAMPLES: [Example; RULES.len()] = [
        (
            403,
            r#"{"message":"users \"canary\" is forbidden: User \"a\" cannot impersonate resource \"users\" in API group \"\""}"#,
            "impersonation is forbidden",
        ),
        (
            403,
            r#"{"message":"jobs.batch is forbidden: User \"system:anonymous\" cannot patch resource \"jobs\""}"#,
            "the request had no credentials",
        ),
        (
            403,
            r#"{"message":"jobs.batch is forbidden: User \"canary\" cannot patch resource \"jobs\" in API group \"batch\""}"#,
            "you are not allowed to patch jobs.batch in namespace ns: job.batch/etl | bind a Role in ns with this rule: {apiGroups: [\"batch\"], resources: [jobs], verbs: [get, create, patch]}",
        ),
        (
            403,
            r#"{"message":"forbidden: canary exceeded quota: canary"}"#,
            "job.batch/etl exceeds a quota of namespace ns | `kubectl describe quota -n ns` shows the limits",
        ),
        (
            403,
            r#"{"message":"pods \"etl\" is forbidden: maximum memory usage per Container is canary, but limit is canary"}"#,
            "job.batch/etl violates a LimitRange of namespace ns",
        ),
        (
            403,
            r#"{"message":"forbidden: violates PodSecurity \"canary\""}"#,
            "the Pod Security level of namespace ns forbids the pod of job.batch/etl",
        ),
        (
            403,
            r#"{"message":"user \"canary\" is attempting to grant RBAC permissions not currently held"}"#,
            "job.batch/etl grants permissions that you do not have",
        ),
        (
            403,
            r#"{"message":"no PriorityClass with name canary was found"}"#,
            "the PriorityClass of job.batch/etl does not exist",
        ),
        (
            403,
            r#"{"message":"unable to create new content in namespace canary because it is being terminated"}"#,
            "namespace ns is being deleted",
        ),
        (
            403,
            r#"{"message":"admission webhook \"a.example.io\" denied: canary"}"#,
            "an admission check of the cluster (a.example.io) rejects job.batch/etl",
        ),
    ];

    #[test]
    fn each_rule_explains_its_example() {
        assert_rules_match(&RULES, &EXAMPLES);
    }
}
