//! Tests of the real API server's responses to manifests, to detect changes in newer versions. The tests send the
//! manifests directly, without jobplate.
//!
//! The rows are in a table, since `sent_rows` applies the same manifests with jobplate.

use serde_json::{Value, json};

use crate::http::{Client, Response};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::manifests::{cron_job, job};
use crate::servers::{ADMIN, Servers};

/// A manifest that is applied with strict validation to an empty namespace, and the expected response.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    /// The resource in the URL, such as `jobs`.
    pub(crate) resource: &'static str,
    /// The object's name in the URL.
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) status: u16,
    /// Strings that the server's message must contain.
    pub(crate) message_parts: &'static [&'static str],
}

fn config_map(label: &'static str, text: &str, status: u16, message_parts: &'static [&'static str]) -> Row {
    Row { label, resource: "configmaps", name: "x", text: text.to_owned(), status, message_parts }
}

/// Returns the row of a Job. `env` is the `env` field of its only container, in flow style.
fn job(label: &'static str, env: &str, status: u16, message_parts: &'static [&'static str]) -> Row {
    Row { label, resource: "jobs", name: "x", text: job_with(env), status, message_parts }
}

fn job_with(env: &str) -> String {
    let container = format!("{{name: flow, image: none, env: {env}}}");
    JOB.replace("{name: flow, image: none}", &container)
}

const JOB: &str = job!("{name: x}", "backoffLimit: 0", "{name: flow, image: none}");

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

/// The message of a `Status` for a schema violation. Its code is 500, although the manifest is invalid.
const TYPED_PATCH_FAILED: &str = "failed to create typed patch object";
const WRONG_TYPE_MESSAGES: &[&str] = &[TYPED_PATCH_FAILED, "expected string, got &value.valueUnstructured"];
const UNDECLARED_FIELD: &[&str] = &[TYPED_PATCH_FAILED, "field not declared in schema"];
const INVALID_REFERENCE: &str =
    "Job.batch \"x\" is invalid: spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef";
const INVALID_NAME: &str = "Job.batch \"x\" is invalid: spec.template.spec.containers[0].env[0].name";

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Row> {
    let config_map_with = |fields: &str| format!("{CONFIG_MAP}{fields}");
    let mut rows = vec![
        config_map("comments", &config_map_with("# a comment\ndata: {k: v} # another\n"), 201, &[]),
        config_map("CRLF and a byte order mark", &format!("\u{feff}{}", config_map_with("data:\n  k: v\n").replace('\n', "\r\n")), 201, &[]),
        config_map("a leading separator", &format!("---\n{CONFIG_MAP}"), 201, &[]),
        config_map("two documents: the second is ignored", &format!("{CONFIG_MAP}---\n{}", CONFIG_MAP.replace("name: x", "name: z")), 201, &[]),
        config_map("creationTimestamp: null", &CONFIG_MAP.replace("name: x", "name: x, creationTimestamp: null"), 201, &[]),
        config_map("generateName and a name", &CONFIG_MAP.replace("name: x", "name: x, generateName: x-"), 201, &[]),
        config_map("generateName alone", &CONFIG_MAP.replace("name: x", "generateName: x-"), 400, &["name must be provided"]),
        config_map("no name", &CONFIG_MAP.replace("name: x", ""), 400, &["name must be provided"]),
        config_map("another name than the URL's", &CONFIG_MAP.replace("name: x", "name: other"), 400, &["does not match"]),
        config_map("another namespace than the URL's", &CONFIG_MAP.replace("name: x", "name: x, namespace: other"), 400, &["does not match"]),
        config_map("a directive", &format!("%YAML 1.2\n---\n{CONFIG_MAP}"), 400, &["found incompatible YAML document"]),
        config_map("a comment in front of a separator", &format!("# nothing\n---\n{CONFIG_MAP}"), 201, &[]),
        config_map("an empty document in front", &format!("---\n# nothing\n---\n{CONFIG_MAP}"), 400, &["invalid object type: /, Kind="]),
        config_map("a List", "apiVersion: v1\nkind: List\nitems: []\n", 400, &["invalid object type: /v1, Kind=List"]),
        config_map("an export", &CONFIG_MAP.replace("name: x", "name: x, managedFields: [{manager: m, operation: Update, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {}}]"), 400, &["managedFields must be nil"]),
        Row { name: "GITHUB_ACCESS_TOKEN", resource: "secrets", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: GITHUB_ACCESS_TOKEN}\n".to_owned(), ..config_map("a Secret's name in capitals", "", 422, &["lowercase RFC 1123 subdomain"]) },
        Row { text: format!("{JOB}status: {{}}\n"), ..job("an empty status", "", 201, &[]) },
        Row { text: JOB.replace("Never", "Never\n      serviceAccountName: ''"), ..job("an empty serviceAccountName", "", 201, &[]) },
        Row { text: JOB.replace("name: flow, ", ""), ..job("a container without a name", "", 422, &["containers[0].name"]) },
        Row { text: JOB.replace("Never", "Never\n      parallelism: 1"), ..job("parallelism in a pod", "", 500, UNDECLARED_FIELD) },
        job("value: null", "[{name: API_TOKEN, value: null}]", 201, &[]),
        job("an entry twice", "[{name: API_TOKEN, value: a}, {name: API_TOKEN, value: b}]", 500, &[TYPED_PATCH_FAILED, "duplicate entries for key [name=\"API_TOKEN\"]"]),
        job("a key twice", "[{name: API_TOKEN, value: a, value: b}]", 400, &["line ", "key \"value\" already set in map"]),
        job("valuefrom", "[{name: API_TOKEN, valuefrom: {}}]", 500, UNDECLARED_FIELD),
        job("value and valueFrom", "[{name: API_TOKEN, value: a, valueFrom: {secretKeyRef: {name: s, key: k}}}]", 422, &["may not be specified when `value` is not empty"]),
        job("an empty value and valueFrom", "[{name: API_TOKEN, value: '', valueFrom: {secretKeyRef: {name: s, key: k}}}]", 201, &[]),
        job("a reference to a name in capitals", "[{name: API_TOKEN, valueFrom: {secretKeyRef: {name: GITHUB_ACCESS_TOKEN, key: k}}}]", 422, &[INVALID_REFERENCE]),
        job("a reference without a name", "[{name: API_TOKEN, valueFrom: {secretKeyRef: {key: k}}}]", 422, &[INVALID_REFERENCE]),
        job("a reference to a key with a slash", "[{name: API_TOKEN, valueFrom: {secretKeyRef: {name: s, key: a/b}}}]", 422, &[INVALID_REFERENCE]),
        job("a reference without a key", "[{name: API_TOKEN, valueFrom: {secretKeyRef: {name: s}}}]", 422, &[INVALID_REFERENCE]),
    ];
    for value in ["true", "yes", "1_000"] {
        rows.push(job("a value that is no string", &format!("[{{name: API_TOKEN, value: {value}}}]"), 500, WRONG_TYPE_MESSAGES));
    }
    rows.push(job("a name that is no string", "[{name: Y}]", 500, &[TYPED_PATCH_FAILED]));
    for name in ["A-B.c", "1A", "a b", "A\"B"] {
        rows.push(job("a name that is accepted", &format!("[{{name: '{name}', value: a}}]"), 201, &[]));
    }
    for name in ["X=Y", "\u{e9}", ""] {
        rows.push(job("a name that is refused", &format!("[{{name: '{name}', value: a}}]"), 422, &[INVALID_NAME]));
    }
    rows
}

/// Returns the path of an object, or of a collection if `name` is empty.
pub(crate) fn api_path(namespace: &str, resource: &str, name: &str) -> String {
    let group = match resource {
        "jobs" | "cronjobs" => "/apis/batch/v1",
        _ => "/api/v1",
    };
    format!("{group}/namespaces/{namespace}/{resource}/{name}")
}

fn apply(client: &Client, path: &str, options: &str, text: &str) -> Response {
    client.patch(&format!("{path}?fieldManager=rows&fieldValidation=Strict{options}"), "apply", text)
}

#[track_caller]
fn assert_response(response: &Response, status: u16, message_parts: &[&str]) {
    let message = response.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        response.status == status && message_parts.iter().all(|part| message.contains(part)),
        "{} {message}",
        response.status
    );
}

#[test]
fn responds_as_expected() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    let mut failures = String::new();
    for row in rows() {
        let namespace = servers.create_namespace("row");
        let response = apply(&admin, &api_path(&namespace, row.resource, row.name), "", &row.text);
        let message = response.json()["message"].as_str().unwrap_or_default().to_owned();
        if response.status != row.status || !row.message_parts.iter().all(|part| message.contains(part)) {
            failures += &format!("\n{}: {} {message}\n{}", row.label, response.status, row.text);
        }
    }
    assert!(failures.is_empty(), "the server answered otherwise:\n{failures}");
}

#[test]
fn ignores_a_second_document() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("two"), servers.client(ADMIN));
    let row = rows().into_iter().find(|row| row.label.starts_with("two documents")).expect("it is in the table");
    apply(&admin, &api_path(&namespace, row.resource, row.name), "", &row.text).expect_success();
    assert_eq!(admin.get(&api_path(&namespace, "configmaps", "z")).status, 404);
}

/// The server rejects unknown fields in a server-side apply with any `fieldValidation`.
#[test]
fn refuses_unknown_fields_with_500() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("ignore"), servers.client(ADMIN));
    let path = api_path(&namespace, "jobs", "x");
    let text = job_with("[{name: X, valuefrom: {}}]");
    let response = admin.patch(&format!("{path}?fieldManager=rows&fieldValidation=Ignore"), "apply", &text);
    assert_response(&response, 500, UNDECLARED_FIELD);
}

#[test]
fn accepts_duplicate_entries_in_a_creation() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("post"), servers.client(ADMIN));
    let text = job_with("[{name: X, value: a}, {name: X, value: b}]");
    let path = format!("{}?fieldValidation=Strict", api_path(&namespace, "jobs", ""));
    let response = admin.request("POST", &path, "application/yaml", text.as_bytes()).expect("it answers");
    assert_eq!(response.status, 201);
    assert!(
        response.header("warning").is_some_and(|warning| warning.contains("hides previous definition")),
        "{:?}",
        response.headers
    );
}

#[test]
fn quotes_values_of_an_immutable_pod_template() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    for (suspend, field) in [("false", "spec.template"), ("true", "spec.template.spec")] {
        let namespace = servers.create_namespace("immutable");
        let (path, collection) = (api_path(&namespace, "jobs", "x"), api_path(&namespace, "jobs", ""));
        let suspend = |text: String| text.replace("backoffLimit: 0", &format!("backoffLimit: 0\n  suspend: {suspend}"));
        apply(&admin, &path, "", &suspend(job_with("[{name: X, value: kanarie}]"))).expect_success();
        let changed = suspend(JOB.replace("image: none}", "image: other, env: [{name: X, value: kanarie}]}"));
        for options in ["", "&dryRun=All", "&force=true"] {
            let response = apply(&admin, &path, options, &changed);
            assert_response(&response, 422, &["field is immutable", "kanarie"]);
            assert_eq!(response.json()["details"]["causes"][0]["field"], field);
        }
        // A dry run of a creation shows whether a replacement would be valid.
        let create = |text: &str| {
            let path = format!("{collection}?dryRun=All&fieldValidation=Strict");
            admin.request("POST", &path, "application/yaml", text.as_bytes()).expect("it answers")
        };
        assert_response(&create(&changed), 409, &["already exists"]);
        assert_response(&create(&changed.replace("Never", "Always")), 422, &["restartPolicy"]);
    }
}

#[test]
fn orphans_pods_without_a_propagation_policy() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("orphan"), servers.client(ADMIN), Kubelet::start(servers));
    let job = api_path(&namespace, "jobs", "x");
    apply(&admin, &job, "", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "x", &PodState::Running);
    let response = admin.delete(&job);
    assert_eq!(response.status, 200);
    assert!(response.header("warning").is_some_and(|warning| warning.contains("preserved")), "{:?}", response.headers);
    wait_for("the deletion", || (admin.get(&job).status == 404).then_some(()));
    let pod = admin.get(&api_path(&namespace, "pods", &pod)).expect_success();
    assert!(pod["metadata"]["deletionTimestamp"].is_null());
}

/// If a Job fails, `kubectl wait --for=condition=complete` waits until its timeout, so `--wait` does not use it.
#[test]
fn kubectl_wait_does_not_notice_a_failed_job() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("wait"), servers.client(ADMIN), Kubelet::start(servers));
    apply(&admin, &api_path(&namespace, "jobs", "x"), "", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "x", &PodState::Running);
    kubelet.set_state(&namespace, &pod, &PodState::Failed(1, "Error"));
    let wait = |condition: &str, timeout: &str| {
        let condition = format!("--for=condition={condition}");
        servers.run("kubectl", &["wait", &condition, "job/x", "-n", &namespace, timeout]).status.success()
    };
    assert!(wait("failed", "--timeout=60s"));
    assert!(!wait("complete", "--timeout=2s"));
}

const CRON_JOB: &str = cron_job!("{name: x}", "{name: X, value: kanarie}", "{name: OTHER, value: kept}");
const REFERENCE: &str = "{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn env_of(cron_job: &Value) -> &Value {
    &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"]
}

/// A server-side apply adds a reference next to the literal of another manager. The server rejects such an entry.
#[test]
fn refuses_a_reference_next_to_a_literal_of_another_manager() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("literal"), servers.client(ADMIN));
    let cron_job = api_path(&namespace, "cronjobs", "x");
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let file = directory.path().join("x.yaml");
    let run_kubectl = |text: &str, options: &[&str]| {
        std::fs::write(&file, text).expect("a file can be written");
        let file = file.to_string_lossy().into_owned();
        let args = [&["apply", "-n", &namespace, "-f", &file], options].concat();
        servers.run("kubectl", &args).status
    };
    let reference = CRON_JOB.replace("{name: X, value: kanarie}", REFERENCE);
    for options in [&[][..], &["--server-side"]] {
        assert!(run_kubectl(CRON_JOB, options).success());
        for force in ["", "&force=true"] {
            let response = apply(&admin, &cron_job, force, &reference);
            assert_response(&response, 422, &["may not be specified when `value` is not empty"]);
        }
        admin.delete(&cron_job).expect_success();
    }
    // kubectl migrates the owner of the literal to server-side apply only after the apply, so the server rejects the
    // apply.
    assert!(run_kubectl(CRON_JOB, &[]).success());
    assert_eq!(run_kubectl(&reference, &["--server-side"]).code(), Some(1));
    // A manifest without the entry changes no other entries.
    let only_ours = CRON_JOB.replace("            - {name: X, value: kanarie}\n", "");
    let response = apply(&admin, &cron_job, "", &only_ours.replace("OTHER, value: kept", "OURS, value: a"));
    let env = env_of(&response.expect_success()).clone();
    assert_eq!(
        env,
        json!([{"name": "X", "value": "kanarie"}, {"name": "OTHER", "value": "kept"}, {"name": "OURS", "value": "a"}])
    );
    // An explicit null removes the literal from the entry, but not from kubectl's annotation.
    let with_null = reference.replace("name: X,", "name: X, value: null,");
    let object = apply(&admin, &cron_job, "&force=true", &with_null).expect_success();
    assert_eq!(env_of(&object)[0]["valueFrom"]["secretKeyRef"]["key"], "k");
    assert!(env_of(&object)[0]["value"].is_null());
    let annotation = object["metadata"]["annotations"][LAST_APPLIED].as_str().expect("kubectl has left one");
    assert!(annotation.contains("kanarie"));
}
