//! Asserts that no command, flag or failure prints a secret value. Literals, Secrets, embedded documents, live
//! objects and server responses contain a canary.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::{Client, Header};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::manifests::{cron_job, job};
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers, kubeconfig};

/// A string that occurs in no English word and no name.
const CANARY: &str = "kanarie7f3a9";
/// The canary in base64, as in the `data` of a Secret.
const CANARY_IN_BASE64: &str = "a2FuYXJpZTdmM2E5";

/// Replaces `@` with the canary and `%` with its base64 form.
fn with_canary(text: &str) -> String {
    text.replace('@', CANARY).replace('%', CANARY_IN_BASE64)
}

fn contains_canary(text: &str) -> bool {
    // A truncated canary is also a leak.
    [CANARY, CANARY_IN_BASE64, &CANARY[..8], &CANARY_IN_BASE64[..10]].iter().any(|canary| text.contains(canary))
}

/// Returns a description of the fault if the output contains the canary or the program crashed, otherwise `None`.
fn find_leak(output: &RunOutput) -> Option<String> {
    let has_crashed = !(0..=5).contains(&output.status) || output.stderr.contains("panicked");
    let streams = [("stdout", &output.stdout), ("stderr", &output.stderr), ("the error file", &output.error_file)];
    let leak = streams.into_iter().find(|(_, text)| contains_canary(text));
    match leak {
        _ if has_crashed => Some(format!("the program crashed: {output:?}")),
        Some((place, text)) => Some(format!("{place}:\n{text}")),
        None => None,
    }
}

const CRON_JOB: &str = cron_job!("{name: nightly}", "{name: API_TOKEN, value: @}", "{name: OTHER, value: kept}");
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - {name: flow, image: none, env: [{name: API_TOKEN, value: @}]}
";
const JOB: &str = job!("{name: etl}", "suspend: true", "{name: flow, image: none, env: [{name: API_TOKEN, value: @}]}");
const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: %}\n";
const CONFIG_MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: templates}
data:
  job_template.yaml: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: flow
            env:
            - name: API_TOKEN
              value: @
";

/// Creates live objects like `kubectl apply`: some client-side with kubectl's annotation, and some server-side.
fn create_live_objects(servers: &Servers, namespace: &str) {
    let admin = servers.client(ADMIN);
    let annotate = |text: &str, name: &str| {
        let annotation = "kubectl.kubernetes.io/last-applied-configuration: '{\"value\":\"@\"}'";
        with_canary(
            &text.replace(&format!("{{name: {name}}}"), &format!("{{name: {name}, annotations: {{{annotation}}}}}")),
        )
    };
    for (resource, name, text) in
        [("batch/v1/cronjobs", "nightly", CRON_JOB), ("apps/v1/deployments", "web", DEPLOYMENT)]
    {
        let (group, plural) = resource.rsplit_once('/').expect("a resource has a group");
        let collection =
            format!("/apis/{group}/namespaces/{namespace}/{plural}?fieldManager=kubectl-client-side-apply");
        let created = admin.request("POST", &collection, "application/yaml", annotate(text, name).as_bytes());
        created.expect("it answers").expect_success();
    }
    for (resource, name, text) in
        [("jobs", "etl", JOB), ("secrets", "s", SECRET), ("configmaps", "templates", CONFIG_MAP)]
    {
        let object = format!("{}?fieldManager=kubectl", api_path(namespace, resource, name));
        admin.patch(&object, "apply", with_canary(text)).expect_success();
    }
}

/// Returns inputs that contain the canary: valid changes, broken documents, and documents that jobplate or the server
/// rejects.
#[rustfmt::skip]
fn inputs() -> Vec<(&'static str, String)> {
    let job_with_env = |env: &str| JOB.replace("{name: API_TOKEN, value: @}", env);
    vec![
        ("a CronJob", CRON_JOB.replace("value: @", "value: @b")),
        ("a Deployment", DEPLOYMENT.replace("value: @", "value: new@")),
        ("a Job", JOB.replace("image: none", "image: other")),
        ("a Job with another value", JOB.replace("value: @", "value: '@ @'")),
        ("a new Job", JOB.replace("name: etl", "name: new")),
        ("a Job with a generated name", JOB.replace("name: etl", "generateName: run-")),
        ("a Secret", SECRET.replace("data: {a: %}", "data: {a: eA==, b: %}\nstringData: {c: '@', d: \"x@\"}")),
        ("a Secret, block", SECRET.replace("data: {a: %}", "stringData:\n  a: |\n    one @\n    two @\n")),
        ("an invalid Secret", SECRET.replace('%', "'@!'")),
        ("a Secret with a nested value", SECRET.replace("a: %", "a: {b: '@'}")),
        ("a Secret with a list", SECRET.replace("a: %", "a: ['@']")),
        ("a Secret without a name", SECRET.replace("name: s", "labels: {a: b}")),
        ("an embedded document", CONFIG_MAP.replace("value: @", "value: @b")),
        ("an embedded document in JSON", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: templates}\ndata:\n  baseJobTemplate.json: '{\"variables\": {}, \"job_configuration\": {\"env\": [{\"name\": \"API_TOKEN\", \"value\": \"@\"}]}}'\n".to_owned()),
        ("value and valueFrom", job_with_env("{name: API_TOKEN, value: '@', valueFrom: {secretKeyRef: {name: s, key: k}}}")),
        ("a duplicate entry", job_with_env("{name: API_TOKEN, value: '@'}, {name: API_TOKEN, value: '@b'}")),
        ("an invalid name", job_with_env("{name: 'API_TOKEN=Y', value: '@'}")),
        ("a list as a value", job_with_env("{name: API_TOKEN, value: ['@']}")),
        ("a mapping as a value", job_with_env("{name: API_TOKEN, value: {a: '@'}}")),
        ("a misspelled value", job_with_env("{name: API_TOKEN, valeu: '@'}")),
        ("an invalid reference", job_with_env("{name: API_TOKEN, value: '@'}, {name: Y, valueFrom: {secretKeyRef: {name: UP, key: a/b}}}")),
        ("a duplicate key", job_with_env("{name: API_TOKEN, value: '@', value: '@'}")),
        ("an invalid policy", JOB.replace("Never", "Always")),
        ("an unknown field", JOB.replace("suspend: true", "suspended: true")),
        ("an annotation", CRON_JOB.replace("{name: nightly}", "{name: nightly, annotations: {kubectl.kubernetes.io/last-applied-configuration: '@'}}")),
        ("an export", CRON_JOB.replace("{name: nightly}", "{name: nightly, resourceVersion: '1'}")),
        ("an unknown kind", CRON_JOB.replace("batch/v1", "example.io/v1")),
        ("an unknown kind of Secret", SECRET.replace("apiVersion: v1", "apiVersion: example.io/v1")),
        ("another namespace", CRON_JOB.replace("{name: nightly}", "{name: nightly, namespace: elsewhere}")),
        ("a List", format!("apiVersion: v1\nkind: List\nitems:\n{}", [JOB, SECRET].map(list_item).concat())),
        ("a stream", [CRON_JOB, DEPLOYMENT, JOB, SECRET, CONFIG_MAP].join("---\n").replace("value: @", "value: @c").replace("image: none", "image: new")),
        ("a duplicate object", [SECRET, JOB, SECRET].join("---\n")),
        ("invalid YAML", format!("{CRON_JOB}\tvalue: \"@\n  @\n")),
        ("invalid YAML after a document", format!("{CRON_JOB}---\nvalue: \"@\n")),
        ("a template", CRON_JOB.replace("value: @", "value: {{ default \"@\" .x }}")),
    ]
}

fn list_item(document: &str) -> String {
    let lines: String = document.lines().map(|line| format!("  {line}\n")).collect();
    lines.replacen("  ", "- ", 1)
}

#[rustfmt::skip]
const COMMANDS: &[&[&str]] = &[
    &["apply"],
    &["apply", "-v", "-o", "json"],
    &["apply", "-o", "name", "--no-preflight"],
    &["apply", "--dry-run=server", "-v"],
    &["apply", "--force-conflicts", "-v", "-o", "json"],
    &["apply", "--force-conflicts", "--on-immutable=recreate", "--recreate-running"],
    &["apply", "--force-conflicts", "--on-immutable=recreate"],
    &["apply", "--force-conflicts", "--on-immutable=new-name"],
    &["apply", "--force-conflicts", "--on-immutable=skip"],
    &["apply", "--force-conflicts", "--no-preflight", "--on-immutable=recreate", "--recreate-running", "--timeout", "5s"],
    &["apply", "--secret-env", "API_TOKEN=s/k", "--allow-no-match"],
    &["apply", "--secret-env", "API_TOKEN=s/k", "--allow-no-match", "--target", "*", "--force-conflicts"],
    &["apply", "--secret-env", "API_TOKEN=s/k", "--allow-no-match", "--target", "*", "--take-over", "-v"],
    &["apply", "--secret-env", "API_TOKEN=s/k", "--allow-no-match", "--target", "*", "--take-over", "--dry-run=server"],
    &["apply", "--unset", "API_TOKEN", "--allow-no-match", "--target", "*", "--take-over", "--no-preflight"],
    &["apply", "--env", "DB_PASSWORD=@", "--allow-plaintext", "--allow-no-match", "--target", "*", "--force-conflicts", "-o", "json"],
    &["apply", "--validate=warn", "--force-conflicts"],
    &["apply", "--validate=ignore"],
    &["apply", "--field-manager", "other"],
    &["diff"],
    &["diff", "-v", "--color=always"],
    &["diff", "--force-conflicts"],
    &["diff", "--force-conflicts", "--validate=warn"],
    &["diff", "--secret-env", "API_TOKEN=s/k", "--allow-no-match", "--target", "*"],
    &["diff", "--secret-env", "API_TOKEN=s/k", "--allow-no-match", "--target", "*", "--take-over", "--force-conflicts"],
    &["diff", "--unset", "API_TOKEN", "--allow-no-match", "--target", "*", "--take-over"],
    &["diff", "--env", "DB_PASSWORD=@", "--allow-plaintext", "--allow-no-match", "--target", "*", "--force-conflicts"],
];

/// Asserts that no command prints the canary for any input. Each caller passes a part of `COMMANDS`, so the parts run
/// in parallel.
fn assert_no_leaks(servers: &Servers, commands: &[&[&str]]) {
    let mut leaks = String::new();
    for command in commands {
        let mut namespace = servers.create_namespace("canary");
        create_live_objects(servers, &namespace);
        let reads_only = command[0] == "diff" || command.contains(&"--dry-run=server");
        for (label, input) in inputs() {
            let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", with_canary(&input));
            let args: Vec<String> = command.iter().map(|arg| with_canary(arg)).collect();
            let args = [&args[..1], &["input.yaml", "-n", &namespace].map(str::to_owned), &args[1..]].concat();
            let output = sandbox.run(&args);
            if let Some(leak) = find_leak(&output) {
                let _ = write!(leaks, "\n{label}: {}\n{leak}\n", command.join(" "));
            }
            // The command changed the objects, so the next input gets new objects.
            if !reads_only && output.status != 2 && output.stdout.contains("ed") {
                namespace = servers.create_namespace("canary");
                create_live_objects(servers, &namespace);
            }
        }
    }
    assert!(leaks.is_empty(), "a value was printed:\n{leaks}");
}

#[test]
fn hides_values_of_applied_objects() {
    let Some(servers) = Servers::shared() else { return };
    assert_no_leaks(servers, &COMMANDS[..10]);
}

#[test]
fn hides_values_of_edited_objects() {
    let Some(servers) = Servers::shared() else { return };
    assert_no_leaks(servers, &COMMANDS[10..19]);
}

#[test]
fn hides_values_of_compared_objects() {
    let Some(servers) = Servers::shared() else { return };
    assert_no_leaks(servers, &COMMANDS[19..]);
}

#[test]
fn hides_values_of_live_objects() {
    let Some(servers) = Servers::shared() else { return };
    let commands: [&[&str]; 4] = [
        &["apply", "--show-live=yaml", "--force-conflicts", "--on-immutable=recreate", "--recreate-running"],
        &["apply", "--show-live=json", "--force-conflicts", "--on-immutable=skip", "--validate=ignore"],
        &["apply", "--show-live=json", "--dry-run=server", "--on-immutable=recreate"],
        &[
            "apply",
            "--show-live=yaml",
            "--secret-env",
            "API_TOKEN=s/k",
            "--allow-no-match",
            "--target",
            "*",
            "--take-over",
        ],
    ];
    assert_no_leaks(servers, &commands);
}

/// Guards against tests that pass only because their input does not contain the canary.
#[test]
fn the_canary_can_be_found() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("found"), servers.client(ADMIN));
    create_live_objects(servers, &namespace);
    let cron_job = admin.get(&api_path(&namespace, "cronjobs", "nightly")).text();
    // Once in the `env` entry and once in kubectl's annotation.
    assert_eq!(cron_job.matches(CANARY).count(), 2, "{cron_job}");
    assert!(cron_job.contains("last-applied-configuration"));
    for (resource, name) in [("jobs", "etl"), ("secrets", "s"), ("configmaps", "templates")] {
        assert!(contains_canary(&admin.get(&api_path(&namespace, resource, name)).text()), "{resource}");
    }
    // The server quotes the canary in its rejection.
    let job = with_canary(&JOB.replace("image: none", "image: other"));
    let rejection =
        admin.patch(&format!("{}?fieldManager=t&force=true", api_path(&namespace, "jobs", "etl")), "apply", &job);
    assert!(rejection.status == 422 && contains_canary(&rejection.text()), "{}", rejection.text());
    let mut printed_count = 0;
    for (label, input) in inputs() {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", with_canary(&input));
        let args = ["render", "input.yaml", "--env", "A=b", "--target", "*", "--allow-no-match"];
        let render_output = sandbox.run(&args);
        assert!(render_output.status != 0 || contains_canary(&render_output.stdout), "{label}: {render_output:?}");
        printed_count += usize::from(render_output.status == 0);
    }
    assert!(printed_count > 20, "render prints it only {printed_count} times");
    // `diff` shows a difference even if only the value changes.
    for document in [CRON_JOB, SECRET, CONFIG_MAP] {
        let changed = with_canary(&document.replace('@', "@b").replace('%', "eA=="));
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", changed);
        let output = sandbox.run(&["diff", "input.yaml", "-n", &namespace, "--force-conflicts"]);
        assert!(output.status == 1 && !output.stdout.is_empty() && !contains_canary(&output.stdout), "{output:?}");
    }
    // `apply` sends the value unmasked.
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN))
        .file("input.yaml", with_canary(&SECRET.replace("name: s", "name: new")));
    sandbox.run(&["apply", "input.yaml", "-n", &namespace]).assert_exit(0, &[]);
    assert!(contains_canary(&admin.get(&api_path(&namespace, "secrets", "new")).text()));
}

/// A kind of request that the program sends: its name and a predicate.
type RequestKind = (&'static str, fn(&Request) -> bool);

const REQUEST_KINDS: &[RequestKind] = &[
    ("a dry run", |request| request.method == "PATCH" && request.is_dry_run()),
    ("a write", |request| request.method == "PATCH" && !request.is_dry_run()),
    ("a read", |request| request.method == "GET" && request.path().contains("/namespaces/")),
    ("discovery", |request| request.method == "GET" && !request.path().contains("/namespaces/")),
    ("a creation", |request| request.method == "POST"),
    ("a deletion", |request| request.method == "DELETE"),
    ("a transfer of ownership", |request| request.header("content-type") == Some("application/json-patch+json")),
];

/// Messages that the program parses, with the canary next to and inside the parsed parts.
const MESSAGES: &[&str] = &[
    "@",
    "\"@\"",
    "Job.batch \"etl\" is invalid: spec.template: Invalid value: {\"value\":\"@\"}: field is immutable",
    "jobs.batch \"@\" is forbidden: User \"dev\" cannot create resource \"@\" in API group \"@\" in the namespace \"@\"",
    "jobs.batch \"etl\" is forbidden: exceeded quota: @, requested: @, used: @, limited: @",
    "pods \"@\" is forbidden: violates PodSecurity \"@\": @",
    "unable to create new content in namespace @ because it is being terminated",
    "object is being deleted: @ \"@\" already exists",
    "admission webhook \"@\" denied the request: @",
    "admission webhook \"a.example.io\" denied the request: @",
    "ValidatingAdmissionPolicy '@' with binding '@' denied request: @",
    "Internal error occurred: failed calling webhook \"@\": failed to call webhook: Post \"https://@/@\": @",
    "admission webhook \"@\" does not support dry run",
    "etcdserver: @",
    "strict decoding error: unknown field \"spec.@\", unknown field \"@\"",
    "strict decoding error: unknown field \"spec.template.spec.containers[0].env[0].@\"",
    "failed to create typed patch object (x/@; batch/v1, Kind=@): .@: field not declared in schema",
    "failed to create typed patch object (x/@; batch/v1, Kind=Job): .spec.template.spec.containers[name=\"flow\"].env[name=\"@\"].@: field not declared in schema",
    "failed to create typed patch object (x/@; batch/v1, Kind=Job): errors:\n  .spec.template.spec.containers[name=\"flow\"].env[name=\"X\"].value: expected string, got &value.valueUnstructured{Value:@}",
    "failed to create typed patch object: .spec.x: duplicate entries for key [name=\"@\"]",
    "failed to convert new object (x/@; batch/v1, Kind=@) to smd typed: @",
    "Apply failed with 1 conflict: conflict with \"other\" using batch/v1: .@",
    "namespaces \"@\" not found",
    "the server could not find the requested resource (@)",
];

const FIELDS: &[&str] = &[
    "",
    "@",
    ".@",
    "spec.@",
    "spec.@.x",
    "data[@]",
    "spec.template.spec.containers[0].env[@]",
    "spec.template.spec.containers[0].env[0].@",
    ".spec.template.spec.containers[name=\"flow\"].env[name=\"@\"].value",
    ".spec.template.spec.containers[name=\"@\"].image",
    ".metadata.finalizers[=\"@\"]",
    ".metadata.annotations.@",
    "metadata.labels[@].@[@]",
    "spec.template.spec.containers[0].env[0].value: @",
    "[@",
    "]@[",
];

fn status_body(code: u16, reason: &str, message: &str, field: &str) -> Vec<u8> {
    let cause =
        |reason: &str, message: &str| json!({"reason": reason, "message": message, "field": with_canary(field)});
    let causes = [
        cause("FieldValueInvalid", &with_canary(&format!("Invalid value: \"@\": {message}"))),
        cause(&with_canary("@"), &with_canary("@")),
        cause("FieldManagerConflict", "conflict with \"other\" using batch/v1"),
    ];
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {"a": CANARY}, "status": "Failure", "code": code,
        "message": with_canary(message), "reason": reason,
        "details": {"name": CANARY, "kind": if field.is_empty() { "" } else { CANARY }, "causes": causes},
    });
    status.to_string().into_bytes()
}

/// Returns error responses with many status codes, and responses that are not from a Kubernetes API. Each has a
/// `Retry-After` of one hour, so the program does not retry.
fn error_responses() -> Vec<Action> {
    let mut responses = Vec::new();
    let headers = || -> Vec<Header> {
        let warning = with_canary("299 - \"value \\\"@\\\" of @ and % is old\"");
        let pairs = [("content-type", "application/json"), ("retry-after", "3600"), ("warning", &warning)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let reasons = [
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (405, "MethodNotAllowed"),
        (406, "NotAcceptable"),
        (409, "Conflict"),
        (409, "AlreadyExists"),
        (410, "Expired"),
        (413, "RequestEntityTooLarge"),
        (415, "UnsupportedMediaType"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (500, CANARY),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
        (418, CANARY),
    ];
    // Tests only some combinations: each code has one message and one field, each message has three codes, and each
    // field has two codes.
    for (index, (code, reason)) in reasons.into_iter().enumerate() {
        let (message, field) = (MESSAGES[index % MESSAGES.len()], FIELDS[index % FIELDS.len()]);
        responses.push(Action::Respond(code, headers(), status_body(code, reason, message, field)));
    }
    for (index, message) in MESSAGES.iter().enumerate() {
        for code in [400, 403, 500] {
            responses.push(Action::Respond(
                code,
                headers(),
                status_body(code, "Invalid", message, FIELDS[index % FIELDS.len()]),
            ));
        }
    }
    for field in FIELDS {
        for code in [409, 422] {
            responses.push(Action::Respond(code, headers(), status_body(code, "Invalid", "@", field)));
        }
    }
    for body in
        ["@", "\"@\"", "{\"@\": ", "<html>@</html>", "{\"kind\": \"@\", \"metadata\": {\"labels\": {\"@\": \"@\"}}}"]
    {
        for code in [200, 404, 500] {
            responses.push(Action::Respond(code, headers(), with_canary(body).into_bytes()));
        }
    }
    let mut redirect = headers();
    redirect.push(("location".to_owned(), with_canary("http://127.0.0.1:1/@?@")));
    responses.push(Action::Respond(302, redirect, Vec::new()));
    responses
}

/// Covers responses of a server, and of a load balancer in front of it, to each kind of request.
#[test]
fn hides_values_in_responses() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("answers");
    create_live_objects(servers, &namespace);
    let unknown = format!(
        "{}---\n{}",
        JOB.replace("value: @", "value: @b"),
        "apiVersion: example.io/v1\nkind: Flow\nmetadata: {name: f}\n"
    );
    let generated = JOB.replace("name: etl", "generateName: run-");
    let changed = CRON_JOB.replace("value: @", "value: @b");
    let job = JOB.replace("image: none", "image: other");
    #[rustfmt::skip]
    let commands: &[(&str, &str, &[&str])] = &[
        ("a dry run", &changed, &["apply", "-v"]),
        ("a dry run", &changed, &["apply", "--take-over", "--secret-env", "API_TOKEN=s/k"]),
        ("a dry run", &job, &["diff", "--force-conflicts"]),
        ("a write", &changed, &["apply", "--no-preflight", "-o", "json"]),
        ("a read", &changed, &["diff", "--force-conflicts"]),
        ("a read", &job, &["apply", "--force-conflicts", "--on-immutable=recreate", "--recreate-running"]),
        ("discovery", &unknown, &["apply", "-v"]),
        ("a creation", &generated, &["apply", "-o", "json"]),
        ("a creation", &job, &["apply", "--force-conflicts", "--on-immutable=recreate", "--recreate-running"]),
        ("a deletion", &job, &["apply", "--force-conflicts", "--on-immutable=recreate", "--recreate-running"]),
        ("a transfer of ownership", &changed, &["apply", "--take-over", "--secret-env", "API_TOKEN=s/k", "--no-preflight"]),
    ];
    let responses = error_responses();
    let (mut leaks, mut matched_count) = (String::new(), 0);
    for (kind, input, command) in commands {
        let (_, is_match) = REQUEST_KINDS.iter().find(|(name, _)| name == kind).expect("it is in the table");
        for response in &responses {
            // Rejects all other writes, since the next command must find unchanged objects.
            let (action, is_match) = (response.clone(), *is_match);
            let rule = move |request: &Request| {
                let reads = request.method == "GET" || request.is_dry_run();
                match is_match(request) {
                    true => action.clone(),
                    false if reads => Action::Forward,
                    false => Action::status(405, "MethodNotAllowed", "no"),
                }
            };
            let proxy = Proxy::start(servers, rule);
            let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", with_canary(input));
            let output = sandbox.run(&[&command[..1], &["input.yaml", "-n", &namespace], &command[1..]].concat());
            if let Some(leak) = find_leak(&output) {
                let Action::Respond(code, _, body) = response else { unreachable!("all are answers") };
                let body = String::from_utf8_lossy(body);
                let _ = write!(leaks, "\n{kind}: {}: {code} {body}\n{leak}\n", command.join(" "));
            }
            matched_count += usize::from(proxy.requests().iter().any(is_match));
        }
    }
    assert!(leaks.is_empty(), "a value was printed:\n{}", &leaks[..leaks.len().min(20_000)]);
    assert!(
        matched_count * 10 >= commands.len() * responses.len() * 9,
        "only {matched_count} commands got such an answer"
    );
}

/// Covers the statuses of pods that cannot start or that fail.
#[test]
fn hides_values_in_pod_statuses() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    let waiting_state = |reason, message: &str| PodState::Waiting(reason, with_canary(message));
    let states = [
        waiting_state("CreateContainerConfigError", "@"),
        waiting_state("CreateContainerConfigError", "secret \"@ @\" not found"),
        waiting_state("CreateContainerConfigError", "couldn't find key a in Secret x/@ @"),
        waiting_state("CreateContainerError", "invalid environment variable API_TOKEN=@"),
        waiting_state("ImagePullBackOff", "Back-off pulling image \"none:@\": unauthorized: @"),
        PodState::Failed(1, CANARY),
        PodState::Failed(137, "OOMKilled"),
    ];
    let running = with_canary(&JOB.replace("suspend: true", "backoffLimit: 0"));
    for state in states {
        let (namespace, admin) = (servers.create_namespace("pods"), servers.client(ADMIN));
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", &running);
        let args = [
            "apply",
            "input.yaml",
            "-n",
            &namespace,
            "--wait",
            "-v",
            "-o",
            "json",
            "--timeout",
            "60s",
            "--start-timeout=1s",
        ];
        let program = sandbox.start(&args);
        let pod = kubelet.start_pod(&namespace, "etl", &PodState::Running);
        set_status_messages(&admin, &namespace, &pod);
        kubelet.set_state(&namespace, &pod, &state);
        set_status_messages(&admin, &namespace, &pod);
        let output = program.wait();
        assert_eq!(output.status, 4, "{state:?}: {output:?}");
        assert_eq!(find_leak(&output), None, "{state:?}");
        assert!(output.stderr.contains("etl"), "{output:?}");
    }
}

/// Writes the canary into every message field of a pod's status.
fn set_status_messages(admin: &Client, namespace: &str, pod: &str) {
    let path = api_path(namespace, "pods", &format!("{pod}/status"));
    let pod: Value = admin.get(&path).expect_success();
    let mut statuses = pod["status"]["containerStatuses"].clone();
    if let Some(terminated) = statuses[0]["state"]["terminated"].as_object_mut() {
        terminated.insert("message".to_owned(), json!(CANARY));
    }
    let status = json!({"status": {"message": CANARY, "reason": CANARY, "containerStatuses": statuses}});
    // The pod may already be deleted.
    drop(admin.request("PATCH", &path, "application/merge-patch+json", status.to_string().as_bytes()));
}

/// Credentials in kubeconfigs are also secret values.
#[test]
fn hides_values_in_kubeconfigs() {
    let Some(servers) = Servers::shared() else { return };
    let server = format!("https://127.0.0.1:{}", servers.endpoint().port);
    let valid = kubeconfig(&server, Some(&servers.authority()), "TOKEN");
    let with_user = |user: &str| valid.replace("{token: TOKEN}", &format!("{{{user}}}"));
    let with_url = |url: &str| valid.replace(&format!("server: \"{server}\""), url);
    let with_exec = |args: &str| {
        with_user(&format!("exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {args}}}"))
    };
    let port = servers.endpoint().port;
    let configs = [
        with_user("token: '@'"),
        with_user("username: u, password: '@'"),
        with_user("token: ['@']"),
        with_user("token: {a: '@'}"),
        with_user("tokenFile: '@'").replace('@', "missing"),
        with_user("client-certificate-data: '@', client-key-data: '@'"),
        with_user("client-certificate-data: '%', client-key-data: '%'"),
        with_user("client-certificate-data: '%!', client-key-data: '%!'"),
        with_user("auth-provider: {name: oidc, config: {id-token: '@', refresh-token: '@'}}"),
        with_user("auth-provider: {name: nothing, config: {id-token: '@'}}"),
        with_exec("command: /bin/sh, args: ['-c', 'exit 1 # @']"),
        with_exec("command: /bin/sh, args: ['-c', 'echo @']"),
        with_exec("command: /bin/sh, args: ['-c', 'echo @ $V; exit 3'], env: [{name: V, value: '@'}]"),
        with_exec("command: /missing, args: ['@']"),
        with_exec("args: ['@']"),
        with_url(&format!("server: \"https://u:@@127.0.0.1:{port}\"")),
        with_url("server: \"https://u:@@127.0.0.1:1\""),
        with_url("server: \"https://127.0.0.1:1/@?@\""),
        with_url("server: \"@ @\""),
        with_url("server: \"https://127.0.0.1:2\", proxy-url: \"http://u:@@127.0.0.1:1\""),
        with_url("server: \"https://127.0.0.1:2\", proxy-url: \"foo://u:@@127.0.0.1:1\""),
        with_url("server: \"https://127.0.0.1:2\", proxy-url: \"@ @\""),
        with_url(&format!("server: \"{server}\", certificate-authority-data: '@'")),
        valid.replace("TOKEN", "\"@"),
        valid.replace("TOKEN", "@, token: @"),
        format!("token: @\n{valid}"),
        "@".to_owned(),
        "@: [@".to_owned(),
    ];
    let mut leaks = String::new();
    for config in configs {
        let sandbox = Sandbox::without_kubeconfig().file("input.yaml", with_canary(CRON_JOB));
        let sandbox = sandbox.file("config", with_canary(&config)).env("KUBECONFIG", "config");
        for command in [&["apply", "input.yaml", "-n", "x", "-v"][..], &["diff", "input.yaml", "-n", "x"]] {
            let output = sandbox.run(command);
            // Without valid credentials no command can succeed.
            let leak = find_leak(&output).or_else(|| (![2, 3].contains(&output.status)).then(|| format!("{output:?}")));
            if let Some(leak) = leak {
                let _ = write!(leaks, "\n{config}\n{}: {leak}\n", command.join(" "));
            }
        }
    }
    assert!(leaks.is_empty(), "a value was printed:\n{leaks}");
    // The same kubeconfig with a valid token works.
    let namespace = servers.create_namespace("right");
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", with_canary(CRON_JOB));
    let sandbox = sandbox.file("config", valid.replace("TOKEN", ADMIN)).env("KUBECONFIG", "config");
    wait_for("the apply", || (sandbox.run(&["apply", "input.yaml", "-n", &namespace]).status == 0).then_some(()));
}
