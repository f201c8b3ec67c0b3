//! Tests of the messages of policies, webhooks, LimitRanges and quotas: people can read them, without the values of the
//! object.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::wait_for;
use crate::manifests::{config_map, cron_job};
use crate::proxy::{Action, Proxy};
use crate::quota::create_quota;
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// A secret value with characters that encodings change.
const CANARY: &str = "kanarie/7f~3\\\"a9";
/// The value of the live object.
const LIVE_CANARY: &str = "lebend-7f3a9";

/// Returns parts of the canaries in the forms in which a message may contain them.
fn canary_parts() -> Vec<String> {
    // `printf 'kanarie/7f' | base64` and `printf 'lebend-7f3' | base64`, without the end.
    ["kanarie", "7f~3", "a9", "lebend", "a2FuYXJpZS83", "bGViZW5kLTdm"].map(str::to_owned).to_vec()
}

const CRON_JOB: &str =
    cron_job!("{name: nightly}", "{name: API_TOKEN, value: '@'}", "{name: TZ, value: Europe/Berlin}");
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: flow\n    image: none\n    \
                   resources: {limits: {memory: 1Gi}}\n";

fn with_canary(text: &str, canary: &str) -> String {
    text.replace("'@'", &serde_json::to_string(canary).expect("it is a string"))
}

fn apply(sandbox: &Sandbox, namespace: &str, args: &[&str]) -> RunOutput {
    let output = sandbox.run(&[&["apply", "input.yaml", "-n", namespace, "-q"], args].concat());
    let text = format!("{}{}{}", output.stdout, output.stderr, output.error_file);
    for part in canary_parts() {
        assert!(!text.contains(&part), "{part} in {text}");
    }
    output
}

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";

/// Creates a policy for the CronJobs of a namespace whose message is a CEL expression, with a binding.
fn create_policy(admin: &Client, namespace: &str, message: &str, reason: Option<&str>, action: &str) -> String {
    let name = format!("p-{}", namespace.replace('.', "-"));
    let rules =
        json!([{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["cronjobs"]}]);
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let mut validation = json!({"expression": "object.metadata.name == 'other'", "messageExpression": message});
    if let Some(reason) = reason {
        validation["reason"] = json!(reason);
    }
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "validations": [validation],
            "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector}},
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": format!("{name}-binding")}, "spec": {"policyName": name, "validationActions": [action]},
    });
    admin.post(&format!("{POLICIES}ies"), &policy).expect_success();
    admin.post(&format!("{POLICIES}ybindings"), &binding).expect_success();
    let path = format!("{}?fieldManager=t&dryRun=All", api_path(namespace, "cronjobs", "probe"));
    wait_for("the policy", || {
        let response = admin.patch(&path, "apply", CRON_JOB.replace("name: nightly", "name: probe"));
        (response.status >= 400 || response.header("warning").is_some()).then_some(())
    });
    name
}

/// The message of a policy that quotes values of the object and of the live object.
const QUOTING_MESSAGE: &str = "'use a Secret for ' + object.metadata.name + ': ' + \
    object.spec.jobTemplate.spec.template.spec.containers[0].env.map(e, e.name + '=' + e.value).join(' ') + ' [' + \
    object.spec.jobTemplate.spec.template.spec.containers[0].env[0].value + ' ' + \
    (oldObject != null ? string(oldObject.spec.jobTemplate.spec.template.spec.containers[0].env[0].value) : '') + ']'";

#[test]
fn shows_the_messages_of_policies() {
    let Some(servers) = Servers::shared() else { return };
    for (reason, is_live) in
        [(None, false), (Some("Invalid"), false), (Some("Forbidden"), true), (Some("Invalid"), true)]
    {
        let (namespace, admin) = (servers.create_namespace("policy"), servers.client(ADMIN));
        if is_live {
            let path = format!("{}?fieldManager=jobplate", api_path(&namespace, "cronjobs", "nightly"));
            admin.patch(&path, "apply", with_canary(CRON_JOB, LIVE_CANARY)).expect_success();
        }
        let name = create_policy(&admin, &namespace, QUOTING_MESSAGE, reason, "Deny");
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", with_canary(CRON_JOB, CANARY));
        let live = if is_live { "***" } else { "" };
        let expected = format!(
            "ValidatingAdmissionPolicy {name} (binding {name}-binding) denies cronjob.batch/nightly: use a Secret for nightly: \
             API_TOKEN=*** TZ=Europe/Berlin [*** {live}]"
        );
        for args in [&[][..], &["--no-preflight", "-o", "json"]] {
            let output = apply(&sandbox, &namespace, args).assert_exit(3, &[&expected]);
            assert_eq!(output.stdout.contains(&expected), args.contains(&"json"), "{}", output.stdout);
        }
        let diff = sandbox.run(&["diff", "input.yaml", "-n", &namespace]).assert_exit(3, &[&expected]);
        assert!(canary_parts().iter().all(|part| !format!("{diff:?}").contains(part)), "{diff:?}");
        let masked = apply(&sandbox, &namespace, &["--mask=all"]).assert_exit(3, &[&format!("({name})")]);
        assert!(!masked.stderr.contains("use a Secret"), "{}", masked.stderr);
    }
}

#[test]
fn shows_the_warnings_of_policies() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("warn"), servers.client(ADMIN));
    let path = format!("{}?fieldManager=jobplate", api_path(&namespace, "cronjobs", "nightly"));
    admin.patch(&path, "apply", with_canary(CRON_JOB, LIVE_CANARY)).expect_success();
    create_policy(&admin, &namespace, QUOTING_MESSAGE, None, "Warn");
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", with_canary(CRON_JOB, CANARY));
    let expected = "use a Secret for nightly: API_TOKEN=*** TZ=Europe/Berlin [*** ***]";
    let output =
        apply(&sandbox, &namespace, &["--force-conflicts"]).assert_exit(0, &["the API server warns", expected]);
    assert_eq!(output.stderr.matches("the API server warns").count(), 1, "{}", output.stderr);
    // The live object is read for the comparison with the dry run, and once for the warning.
    assert!(proxy.requests().iter().filter(|request| request.method == "GET").count() <= 2);
    // Without a dry run, the old value is already gone when the warning arrives.
    admin.patch(&format!("{path}&force=true"), "apply", with_canary(CRON_JOB, LIVE_CANARY)).expect_success();
    let output = apply(&sandbox, &namespace, &["--force-conflicts", "--no-preflight"]);
    output.assert_exit(0, &["the API server warns: Validation "]);
    apply(&sandbox, &namespace, &["--mask=all"]).assert_exit(0, &["the API server warns: Validation "]);
}

/// The object, and the expected parts of the message.
type MessageCase = (&'static str, &'static str, String, &'static [&'static str]);

#[rustfmt::skip]
fn message_cases() -> Vec<MessageCase> {
    let name = |length: usize| "x".repeat(length);
    let pod = |from: &str, to: &str| POD.replace(from, to);
    let resources = "{limits: {memory: 1Gi}}";
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: run.messages.example.com}\nspec:\n  group: messages.example.com\n  scope: Namespaced\n  names: {kind: Run, plural: runs}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n";
    vec![
        ("a LimitRange", "limits", POD.to_owned(), &["pod/p violates a LimitRange of namespace ", ": maximum memory usage per Container is 128Mi, but limit is 1Gi"]),
        ("a quota for pods without requests", "quota", pod(resources, "{}"), &["denies pod/p: failed quota: q: must specify requests.cpu for: flow"]),
        ("a quota", "quota", pod(resources, "{requests: {cpu: 2}}"), &["quota q of namespace ", " is full: requests.cpu 0 of 1 is used, and pod/p needs 2 more"]),
        ("a request above its limit", "", pod(resources, "{requests: {cpu: 2}, limits: {cpu: 1}}"), &["spec.containers[0].resources.requests (line 8) cpu is more than its limit"]),
        ("an invalid quantity", "", pod("memory: 1Gi", "memory: lots"), &["`memory` is not a quantity", "input.yaml:8:34", "such as `500m`"]),
        ("data that is not base64", "", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: 'lebend!'\n".to_owned(), &["`a` is not base64", "input.yaml:5:6", "stringData"]),
        ("a large ConfigMap", "", config_map!("big", "{k: @}").replace('@', &name(1_100_000)), &["the API server rejects configmap/big: it is too large; a ConfigMap can have 1 MiB of data"]),
        ("a schedule", "", CRON_JOB.replace("'0 0 1 1 *'", "'at noon'"), &["spec.schedule (line 5) is not a cron schedule", "five fields"]),
        ("a port twice", "", pod("    resources: {limits: {memory: 1Gi}}", "    ports: [{containerPort: 80}, {containerPort: 80}]"), &["`ports` has 80/TCP twice"]),
        ("the name of a CustomResourceDefinition", "", crd.to_owned(), &["metadata.name (line 3) must be the plural name and the group: runs.messages.example.com"]),
    ]
}

#[test]
fn explains_each_rejection() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    let mut failures = String::new();
    for (label, setup, text, expected) in message_cases() {
        let namespace = servers.create_namespace("message");
        match setup {
            "limits" => {
                let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
                    "spec": {"limits": [{"type": "Container", "max": {"memory": "128Mi"}}]}});
                admin.post(&api_path(&namespace, "limitranges", ""), &limits).expect_success();
            }
            "quota" => create_quota(&admin, &namespace, &json!({"requests.cpu": "1"})),
            _ => {}
        }
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", &text);
        // The admission plugins see new limits after a short delay.
        let output = wait_for(label, || {
            let output = apply(&sandbox, &namespace, &["--dry-run=server"]);
            (output.status != 0).then_some(output)
        });
        let is_expected = output.status == 3 && expected.iter().all(|part| output.stderr.contains(part));
        if !is_expected || !output.stderr.contains("hint: ") {
            let _ = write!(
                failures,
                "\n{label}: {expected:?}, but {}\n{}",
                output.status,
                &output.stderr[..output.stderr.len().min(2000)]
            );
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Webhooks and mutating policies quote values in many forms, so the responses come from the proxy.
#[test]
fn masks_values_in_messages_of_webhooks_and_mutating_policies() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("webhook");
    let pointer = CANARY.replace('~', "~0").replace('/', "~1");
    let json_escaped = json!(CANARY).to_string();
    let twice_escaped = json!(json_escaped).to_string();
    for quoted in
        [CANARY, &pointer, &json_escaped, &twice_escaped, &CANARY[..10], &CANARY[4..], "a2FuYXJpZS83Zn4zXCJhOQ=="]
    {
        for (code, message, expected) in [
            (
                400,
                "admission webhook \"deny.example.com\" denied the request: no @ here",
                "the admission webhook deny.example.com denies cronjob.batch/nightly: no ***",
            ),
            (
                422,
                "admission webhook \"deny.example.com\" denied the request: no @ here",
                "the admission webhook deny.example.com denies cronjob.batch/nightly: no ***",
            ),
            (
                403,
                "policy 'mutate' with binding 'all' denied request: JSON Patch: doc is missing path: /spec/@/x",
                "MutatingAdmissionPolicy mutate (binding all) denies cronjob.batch/nightly: JSON Patch: doc is missing path: /spec/***",
            ),
            (
                403,
                "cronjobs.batch \"nightly\" is forbidden: set a password: ghp_0123456789abcdef or @",
                "the API server denies cronjob.batch/nightly: set a password: *** or ***",
            ),
        ] {
            let action = Action::status(code, "Forbidden", &message.replace('@', quoted));
            let proxy = Proxy::start(
                servers,
                move |request| if request.method == "PATCH" { action.clone() } else { Action::Forward },
            );
            let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", with_canary(CRON_JOB, CANARY));
            let output = apply(&sandbox, &namespace, &[]).assert_exit(3, &[]);
            // The quotes and backslashes around a value may remain.
            let stderr = output.stderr.replace(['"', '\\'], "");
            assert!(stderr.contains(expected), "{expected} is missing in {stderr}");
        }
    }
    // The live object cannot be read, so its values are unknown, and the message is hidden.
    let action = Action::status(403, "Forbidden", "admission webhook \"deny.example.com\" denied the request: sesame");
    let proxy = Proxy::start(servers, move |request| match request.method.as_str() {
        "PATCH" => action.clone(),
        _ => Action::status(403, "Forbidden", "no"),
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", with_canary(CRON_JOB, CANARY));
    let output = apply(&sandbox, &namespace, &[]).assert_exit(3, &["(deny.example.com) rejects cronjob.batch/nightly"]);
    assert!(!output.stderr.contains("sesame"), "{}", output.stderr);
}

/// Another CustomResourceDefinition has the names.
#[test]
fn reports_a_definition_whose_names_are_taken() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, group) =
        (servers.create_namespace("names"), format!("{}.example.com", servers.fresh_name("names")));
    let definition = |plural: &str| -> Value {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Run", "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
        })
    };
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", definition("runs").to_string());
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    sandbox.write("input.yaml", definition("runners").to_string());
    let output = apply(&sandbox, &namespace, &["--timeout=20s"]);
    output.assert_exit(3, &["was created, but another CustomResourceDefinition has its names (", "spec.names"]);
}
