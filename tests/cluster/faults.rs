//! Tests with injected faults: the program retries the right requests, and its report is correct after any failure.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// The maximum time until the program gives up on a server or reacts to Ctrl-C.
const MAX_DELAY: Duration = Duration::from_secs(15);
/// The maximum duration of a run against an unreachable server: the retry time of one request, plus a reserve for a
/// busy machine.
const MAX_RETRY_TIME: Duration = Duration::from_secs(60);

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: v}}\n")
}

/// Returns a Job with a generated name and the label `run`, by which tests find it.
fn generated_job(label: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: run-\n  labels: {{run: {label}}}\nspec:\n  \
         suspend: true\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{{name: flow, image: none}}]\n"
    )
}

fn job(image: &str) -> String {
    let name = format!(
        "metadata: {{name: etl}}\nspec:\n  suspend: true\n  template:\n    metadata: {{labels: {{v: {image}}}}}"
    );
    let job = generated_job("x")
        .replace("metadata:\n  generateName: run-\n  labels: {run: x}\nspec:\n  suspend: true\n  template:", &name);
    job.replace("image: none", &format!("image: {image}"))
}

fn html_page(code: u16) -> Action {
    let page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>".to_vec();
    Action::Respond(code, vec![("content-type".to_owned(), "text/html".to_owned())], page)
}

fn internal_error(message: &str) -> Action {
    Action::status(500, "InternalError", message)
}

/// Returns a rule that applies `action` to the first matching request for each path.
fn inject_once(
    is_match: impl Fn(&Request) -> bool + Send + Sync + 'static,
    action: Action,
) -> impl Fn(&Request) -> Action + Send + Sync {
    let seen_paths = Mutex::new(HashSet::new());
    move |request| {
        let path = request.path().to_owned();
        let is_first = is_match(request) && seen_paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        if is_first { action.clone() } else { Action::Forward }
    }
}

fn is_write(request: &Request) -> bool {
    request.method != "GET" && !request.is_dry_run()
}

fn count_requests(proxy: &Proxy, is_match: impl Fn(&Request) -> bool) -> usize {
    proxy.requests().iter().filter(|request| is_match(request)).count()
}

fn count_jobs(admin: &Client, namespace: &str, label: &str) -> usize {
    let list = admin.get(&format!("{}?labelSelector=run%3D{label}", api_path(namespace, "jobs", ""))).expect_success();
    list["items"].as_array().map_or(0, Vec::len)
}

/// Returns the names of a namespace's objects, without the ConfigMap that Kubernetes creates in each namespace.
fn object_names(admin: &Client, namespace: &str, resource: &str) -> HashSet<String> {
    let list = admin.get(&api_path(namespace, resource, "")).expect_success();
    let names = list["items"].as_array().into_iter().flatten().filter_map(|item| item["metadata"]["name"].as_str());
    names.filter(|name| *name != "kube-root-ca.crt").map(str::to_owned).collect()
}

const APPLY: &[&str] = &["apply", "input.yaml", "-o", "json", "-n"];

fn apply(sandbox: &Sandbox, namespace: &str, more_args: &[&str]) -> RunOutput {
    sandbox.run(&[APPLY, &[namespace], more_args].concat())
}

/// Returns faults that occur in one attempt and not in the next.
#[rustfmt::skip]
fn transient_faults() -> Vec<(&'static str, Action)> {
    vec![
        ("429", Action::too_many_requests(1)),
        ("503", Action::status(503, "ServiceUnavailable", "apiserver not ready")),
        ("504", Action::status(504, "Timeout", "request did not complete within the allotted timeout")),
        ("502", Action::status(502, "", "")),
        ("502 of a load balancer", html_page(502)),
        ("503 of a load balancer", html_page(503)),
        ("reset before", Action::ResetBefore),
        ("reset after", Action::ResetAfter),
        ("closed after", Action::CloseAfter),
        ("truncated", Action::Truncate),
        ("500 of the storage", internal_error("etcdserver: leader changed")),
        ("500 of a webhook", internal_error("Internal error occurred: failed calling webhook \"a.example.io\": EOF")),
    ]
}

#[test]
fn retries_an_apply_and_reports_its_outcome() {
    let Some(servers) = Servers::shared() else { return };
    for preflight in [true, false] {
        let more_args: &[&str] = if preflight { &[] } else { &["--no-preflight"] };
        for (fault, action) in transient_faults() {
            let (namespace, admin) = (servers.create_namespace("again"), servers.client(ADMIN));
            let proxy = Proxy::start(servers, inject_once(is_write, action));
            let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
            let output = apply(&sandbox, &namespace, more_args);
            assert_eq!(output.status, 0, "{fault}: {output:?}");
            // The object did not exist before, so the outcome is `created`, even if the response to the creation was
            // lost.
            assert_eq!(output.outcomes(), ["created"], "{fault}");
            assert!(!output.stderr.contains("retrying in"), "{fault}: {}", output.stderr);
            assert_eq!(count_requests(&proxy, is_write), 2, "{fault}");
            assert_eq!(
                admin.get(&api_path(&namespace, "configmaps", "a")).expect_success()["data"]["k"],
                "v",
                "{fault}"
            );
            assert_eq!(apply(&sandbox, &namespace, more_args).outcomes(), ["unchanged"], "{fault}, {more_args:?}");
        }
    }
}

#[test]
fn reports_a_change_whose_response_was_lost() {
    let Some(servers) = Servers::shared() else { return };
    for more_args in [&[][..], &["--no-preflight"]] {
        let namespace = servers.create_namespace("change");
        let direct = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", config_map("a"));
        assert_eq!(apply(&direct, &namespace, &[]).outcomes(), ["created"]);
        // Creation times have a precision of one second. An object that changes within its first second looks newly
        // created, so the test waits.
        thread::sleep(Duration::from_millis(2100));
        let proxy = Proxy::start(servers, inject_once(is_write, Action::ResetAfter));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a").replace("k: v", "k: w"));
        assert_eq!(apply(&sandbox, &namespace, more_args).outcomes(), ["configured"], "{more_args:?}");
        thread::sleep(Duration::from_millis(2100));
        let proxy = Proxy::start(servers, inject_once(is_write, Action::ResetAfter));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a").replace("k: v", "k: w"));
        assert_eq!(apply(&sandbox, &namespace, more_args).outcomes(), ["unchanged"], "{more_args:?}");
    }
}

#[test]
fn retries_dry_runs_and_reads() {
    let Some(servers) = Servers::shared() else { return };
    for (fault, action) in transient_faults() {
        let namespace = servers.create_namespace("dry-run");
        let proxy = Proxy::start(servers, inject_once(|_| true, action));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        assert_eq!(
            apply(&sandbox, &namespace, &["--dry-run=server"]).assert_exit(0, &[]).outcomes(),
            ["created"],
            "{fault}"
        );
        // `diff` sends a GET for the live object, and a dry run.
        let output = sandbox.run(&["diff", "input.yaml", "-n", &namespace]).assert_exit(1, &[]);
        assert!(output.stdout.contains("+++"), "{fault}: {}", output.stdout);
    }
}

#[test]
fn prints_retries_with_verbose() {
    let Some(servers) = Servers::shared() else { return };
    for (fault, action) in transient_faults() {
        let namespace = servers.create_namespace("verbose");
        let proxy = Proxy::start(servers, inject_once(is_write, action));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let output = apply(&sandbox, &namespace, &["-v"])
            .assert_exit(0, &["PATCH http://127.0.0.1:", "/api/v1/namespaces/", "retrying in"]);
        assert_eq!(output.stderr.matches("retrying in").count(), 1, "{fault}: {}", output.stderr);
    }
}

/// A Job with a generated name must not be sent twice, or two Jobs would be created.
/// The server is unavailable for some seconds, twice.
#[test]
fn reports_long_retries_once() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("note");
    let proxy = Proxy::start(servers, |request| match request.earlier_count {
        4 => Action::Forward,
        0..9 => Action::status(503, "ServiceUnavailable", "no"),
        _ => Action::Forward,
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let output = apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    let note = "note: the API server responded with 503; retrying for up to 30 s\n";
    assert_eq!(output.stderr, note.repeat(2), "{output:?}");
}

#[test]
fn retries_a_creation_only_if_the_server_rejected_it() {
    let Some(servers) = Servers::shared() else { return };
    let slow = Action::Delay(Duration::from_secs(4));
    let unknown_outcome = &["it may exist", "kubectl get"][..];
    #[rustfmt::skip]
    let cases = [
        // The fault, the number of requests, the number of Jobs created, and parts of the message.
        ("429", Action::too_many_requests(1), 2, 1, &[][..]),
        ("503", Action::status(503, "ServiceUnavailable", "no"), 1, 0, &["503"]),
        ("502", html_page(502), 1, 0, unknown_outcome),
        ("504", html_page(504), 1, 0, unknown_outcome),
        ("500", internal_error("etcdserver: request timed out"), 1, 0, &["error"]),
        ("reset before", Action::ResetBefore, 1, 0, unknown_outcome),
        ("reset after", Action::ResetAfter, 1, 1, unknown_outcome),
        ("closed after", Action::CloseAfter, 1, 1, unknown_outcome),
        ("truncated", Action::Truncate, 1, 1, unknown_outcome),
        ("slow", slow, 1, 1, unknown_outcome),
    ];
    let mut failures = String::new();
    for (fault, action, sent, created, message_parts) in cases {
        let (namespace, admin) = (servers.create_namespace("creation"), servers.client(ADMIN));
        let proxy = Proxy::start(servers, inject_once(is_write, action));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", generated_job("a"));
        let output = apply(&sandbox, &namespace, &["--request-timeout", "2s"]);
        let success = created == 1 && sent == 2;
        let outcome = if success { "created" } else { "failed" };
        let is_expected = output.status == if success { 0 } else { 3 }
            && output.outcomes() == [outcome]
            && message_parts.iter().all(|part| output.stderr.contains(part))
            && count_requests(&proxy, is_write) == sent;
        if !is_expected {
            let _ = write!(failures, "\n{fault}: {} times, {output:?}\n", count_requests(&proxy, is_write));
        }
        // If the response is delayed, the server may create the object after the program has given up.
        if created == 1 {
            wait_for(fault, || (count_jobs(&admin, &namespace, "a") > 0).then_some(()));
        }
        assert_eq!(count_jobs(&admin, &namespace, "a"), created, "{fault}");
        if success {
            let name = output.objects()[0]["name"].as_str().unwrap_or_default().to_owned();
            assert!(name.starts_with("run-") && name.len() > 4, "{fault}: {name}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// One broken connection does not stop the other objects.
#[test]
fn a_lost_creation_does_not_end_the_run() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("rest"), servers.client(ADMIN));
    let proxy = Proxy::start(servers, inject_once(is_write, Action::ResetAfter));
    let input = ["a", "b", "c"].map(generated_job).join("---\n");
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", input);
    let output = apply(&sandbox, &namespace, &["--concurrency", "1"]).assert_exit(3, &["it may exist"]);
    assert_eq!(output.outcomes(), ["failed", "created", "created"]);
    for label in ["a", "b", "c"] {
        assert_eq!(count_jobs(&admin, &namespace, label), 1, "{label}");
    }
}

#[test]
fn does_not_retry_permanent_errors() {
    let Some(servers) = Servers::shared() else { return };
    let cases = [
        internal_error(
            "failed to create typed patch object (x/a; /v1, Kind=ConfigMap): .dat: field not declared in schema",
        ),
        internal_error("something else"),
        Action::status(400, "BadRequest", "no"),
        Action::status(403, "Forbidden", "no"),
        Action::status(404, "NotFound", "no"),
        Action::status(409, "Conflict", "no"),
        Action::status(413, "RequestEntityTooLarge", "no"),
        Action::status(422, "Invalid", "no"),
    ];
    for action in cases {
        let (namespace, text) = (servers.create_namespace("final"), format!("{action:?}"));
        let proxy = Proxy::start(servers, inject_once(is_write, action));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let output = apply(&sandbox, &namespace, &["--no-preflight"]).assert_exit(3, &["error: ", "hint: "]);
        assert_eq!(output.outcomes(), ["failed"], "{text}");
        assert_eq!(count_requests(&proxy, is_write), 1, "{text}");
        assert!(
            !output.stderr.contains("something else") && !output.stderr.contains("field not declared"),
            "{output:?}"
        );
    }
}

#[test]
fn respects_retry_after() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("busy");
    let apply_with = |rule: Box<dyn Fn(&Request) -> Action + Send + Sync>| {
        let proxy = Proxy::start(servers, rule);
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let start = Instant::now();
        let output = apply(&sandbox, &namespace, &["--no-preflight"]);
        (output, start.elapsed(), count_requests(&proxy, is_write))
    };
    let (output, elapsed, sent) = apply_with(Box::new(inject_once(is_write, Action::too_many_requests(2))));
    assert!(output.status == 0 && elapsed >= Duration::from_secs(2) && sent == 2, "{elapsed:?} {output:?}");
    // The program does not wait for an hour.
    let (output, elapsed, sent) = apply_with(Box::new(|_| Action::too_many_requests(3600)));
    assert!(elapsed < MAX_DELAY && sent == 1, "{elapsed:?} {sent}");
    assert_eq!(output.assert_exit(3, &["did not process configmap/a", "run again later"]).outcomes(), ["failed"]);
    // `Retry-After: 0` must not cause an endless loop.
    let (output, _, sent) = apply_with(Box::new(|_| Action::too_many_requests(0)));
    assert!(output.status == 3 && sent <= 50, "{sent} requests, {output:?}");
}

#[test]
fn gives_up_on_a_slow_server() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("slow");
    for action in [Action::Delay(Duration::from_secs(3)), Action::DelaySecondHalf(Duration::from_secs(3))] {
        // Only the first request is slow.
        let proxy = Proxy::start(servers, inject_once(is_write, action.clone()));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let output = apply(&sandbox, &namespace, &["--request-timeout", "1s"]).assert_exit(0, &[]);
        assert_eq!(output.outcomes(), ["created"], "{action:?}");
        servers.client(ADMIN).delete(&api_path(&namespace, "configmaps", "a")).expect_success();
        // With a longer timeout no second attempt is needed.
        let proxy = Proxy::start(servers, inject_once(is_write, action.clone()));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
        assert_eq!(count_requests(&proxy, is_write), 1, "{action:?}");
        servers.client(ADMIN).delete(&api_path(&namespace, "configmaps", "a")).expect_success();
    }
    let proxy = Proxy::start(servers, |_| Action::Delay(Duration::from_secs(3)));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let start = Instant::now();
    let output = apply(&sandbox, &namespace, &["--request-timeout", "1s"]);
    assert!(start.elapsed() < MAX_DELAY, "{:?}", start.elapsed());
    output.assert_exit(3, &["timed out waiting for the API server", "--request-timeout"]);
}

/// A proxy may respond to every request with `200`. If the body does not contain the object, nothing was applied.
#[test]
fn rejects_responses_without_the_object() {
    let Some(servers) = Servers::shared() else { return };
    let ok_with_body = |body: &str| {
        Action::Respond(200, vec![("content-type".to_owned(), "application/json".to_owned())], body.as_bytes().to_vec())
    };
    let responses = [
        html_page(200),
        ok_with_body("{"),
        ok_with_body("\u{0}"),
        ok_with_body("[]"),
        ok_with_body("{}"),
        ok_with_body(""),
    ];
    let mut failures = String::new();
    for (input, kind) in [(config_map("a"), "configmaps"), (generated_job("a"), "jobs")] {
        for response in &responses {
            for affects_dry_runs in [true, false] {
                let (namespace, admin, action) =
                    (servers.create_namespace("garbage"), servers.client(ADMIN), response.clone());
                let is_match = move |request: &Request| request.is_dry_run() == affects_dry_runs;
                let rule = move |request: &Request| if is_match(request) { action.clone() } else { Action::Forward };
                let proxy = Proxy::start(servers, rule);
                let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", &input);
                let output = apply(&sandbox, &namespace, &[]);
                let created = object_names(&admin, &namespace, kind);
                if output.status != 3 || output.outcomes() != ["failed"] || !created.is_empty() {
                    let _ = write!(
                        failures,
                        "\n{kind}, dry runs: {affects_dry_runs}: {response:?}: {created:?} {output:?}\n"
                    );
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// A load balancer without a backend responds to every request with an error.
#[test]
fn limits_the_retry_time_of_the_whole_run() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("balancer");
    let proxy = Proxy::start(servers, |_| html_page(503));
    let input: Vec<String> = (0..20).map(|number| config_map(&format!("m{number}"))).collect();
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", input.join("---\n"));
    let start = Instant::now();
    let output = apply(&sandbox, &namespace, &[]);
    assert!(start.elapsed() < MAX_RETRY_TIME, "{:?}", start.elapsed());
    assert!(
        output.status == 3 && output.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"),
        "{output:?}"
    );
    assert!(!output.stderr.contains("nginx"), "{output:?}");
}

#[test]
fn recreates_a_job_if_the_response_to_the_deletion_is_lost() {
    let Some(servers) = Servers::shared() else { return };
    for action in
        [Action::ResetAfter, Action::Truncate, Action::ResetBefore, Action::status(503, "ServiceUnavailable", "no")]
    {
        let (namespace, admin, text) =
            (servers.create_namespace("deletion"), servers.client(ADMIN), format!("{action:?}"));
        let direct = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", job("one"));
        assert_eq!(apply(&direct, &namespace, &[]).assert_exit(0, &[]).outcomes(), ["created"]);
        let read_uid = || admin.get(&api_path(&namespace, "jobs", "etl")).expect_success()["metadata"]["uid"].clone();
        let old_uid = read_uid();
        let proxy = Proxy::start(servers, inject_once(|request| request.method == "DELETE", action));
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
        let output = apply(&sandbox, &namespace, &["--on-immutable", "recreate"]);
        assert_eq!(output.status, 0, "{text}: {output:?}");
        assert_eq!(output.outcomes(), ["recreated"], "{text}");
        assert_ne!(read_uid(), old_uid, "{text}");
    }
}

#[test]
fn expired_credentials_end_the_run() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("expire"), servers.client(ADMIN));
    let write_count = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        if is_write(request) && write_count.fetch_add(1, Ordering::SeqCst) >= 20 {
            return Action::status(401, "Unauthorized", "Unauthorized");
        }
        Action::Forward
    });
    let names: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    let input: Vec<String> = names.iter().map(|name| config_map(name)).collect();
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", input.join("---\n"));
    let output = apply(&sandbox, &namespace, &[]).assert_exit(3, &["credentials", "log in again"]);
    // One error for the run, not one for each object.
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);
    assert!(count_requests(&proxy, is_write) <= 24);
    assert_report_is_correct(&admin, &namespace, &output);
    assert_eq!(output.outcomes().iter().filter(|outcome| *outcome == "created").count(), 20);
    assert!(output.outcomes().contains(&"not tried".to_owned()));
}

const DOCUMENTS: usize = 200;

/// Returns a stream of `DOCUMENTS` ConfigMaps, some of them replaced by Jobs with generated names.
fn document_stream(generated_jobs: usize) -> String {
    let mut documents: Vec<String> =
        (0..DOCUMENTS - generated_jobs).map(|number| config_map(&format!("m{number}"))).collect();
    for number in 0..generated_jobs {
        documents.insert(number * 20, generated_job(&format!("g{number}")));
    }
    documents.join("---\n")
}

/// Asserts that the report matches the objects on the server.
#[track_caller]
fn assert_report_is_correct(admin: &Client, namespace: &str, output: &RunOutput) {
    let live_names = object_names(admin, namespace, "configmaps");
    for object in output.objects().iter().filter(|object| object["kind"] == "ConfigMap") {
        let (name, outcome) =
            (object["name"].as_str().unwrap_or_default(), object["outcome"].as_str().unwrap_or_default());
        match outcome {
            "created" | "configured" | "unchanged" => {
                assert!(live_names.contains(name), "{name} is {outcome}, but does not exist")
            }
            "not tried" => assert!(!live_names.contains(name), "{name} is {outcome}, but exists"),
            "failed" => assert!(object["reason"].is_string(), "{object}"),
            other => panic!("{name} is {other}"),
        }
    }
}

fn count_outcomes(output: &RunOutput) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for outcome in output.outcomes() {
        *counts.entry(outcome).or_insert(0) += 1;
    }
    counts
}

/// Starts a proxy that kills the API server at the write with the 0-based index `at`, and then calls `then`.
fn kill_apiserver_at_write(
    servers: &Arc<Servers>,
    at: usize,
    then: impl Fn(&Arc<Servers>) + Send + Sync + 'static,
) -> Proxy {
    let (victim, write_count) = (Arc::clone(servers), AtomicUsize::new(0));
    Proxy::start(servers, move |request| {
        if is_write(request) && write_count.fetch_add(1, Ordering::SeqCst) == at {
            victim.kill_apiserver();
            then(&victim);
        }
        Action::Forward
    })
}

#[test]
fn waits_for_a_restarting_server() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::start_separate().map(Arc::new) else { return };
    let (namespace, admin) = (servers.create_namespace("back"), servers.client(ADMIN));
    let proxy = kill_apiserver_at_write(&servers, 80, |servers| {
        let servers = Arc::clone(servers);
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(3));
            servers.start_apiserver();
        });
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(10));
    let output = apply(&sandbox, &namespace, &[]);
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(count_outcomes(&output), HashMap::from([("created".to_owned(), DOCUMENTS)]));
    assert_report_is_correct(&admin, &namespace, &output);
    for number in 0..10 {
        assert_eq!(count_jobs(&admin, &namespace, &format!("g{number}")), 1);
    }
    sandbox.write("input.yaml", document_stream(0));
    let rerun = apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    assert_eq!(count_outcomes(&rerun)["unchanged"], DOCUMENTS - 10);
}

#[test]
fn reports_correctly_if_the_server_stays_down() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::start_separate().map(Arc::new) else { return };
    let (namespace, admin) = (servers.create_namespace("away"), servers.client(ADMIN));
    let proxy = kill_apiserver_at_write(&servers, 80, |_| {});
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(10));
    let start = Instant::now();
    let output = apply(&sandbox, &namespace, &[]).assert_exit(3, &["cannot connect to", "it is safe to run again"]);
    assert!(start.elapsed() < MAX_RETRY_TIME + MAX_DELAY, "{:?}", start.elapsed());
    servers.start_apiserver();
    assert_report_is_correct(&admin, &namespace, &output);
    let counts = count_outcomes(&output);
    assert!(counts["created"] >= 70 && counts["failed"] >= 1 && counts["not tried"] >= 90, "{counts:?}");
    for object in output.objects().iter().filter(|object| object["kind"] == "Job") {
        assert_eq!(object["outcome"], "not tried", "Jobs come last");
    }
    for number in 0..10 {
        assert_eq!(count_jobs(&admin, &namespace, &format!("g{number}")), 0);
    }
    // One error for the run, not one for each request in progress.
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);

    let rerun = apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    let first_outcomes: Vec<String> = output.outcomes();
    for (before, after) in first_outcomes.iter().zip(rerun.outcomes()) {
        let expected: &[&str] = match before.as_str() {
            "created" => &["unchanged"],
            "failed" => &["unchanged", "created"],
            _ => &["created"],
        };
        assert!(expected.contains(&after.as_str()), "{before}, then {after}");
    }
}

/// The server fails before the first write, and the message reports that nothing was applied.
#[test]
fn changes_nothing_if_the_server_fails_during_dry_runs() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("dry-runs"), servers.client(ADMIN));
    let proxy = Proxy::start(servers, |request| if request.index < 20 { Action::Forward } else { Action::ResetAfter });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(0));
    let output = apply(&sandbox, &namespace, &[]).assert_exit(3, &["cannot connect to", "nothing was applied"]);
    assert!(!output.stderr.contains("it may "), "{}", output.stderr);
    assert!(output.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"), "{output:?}");
    assert_eq!(count_requests(&proxy, is_write), 0);
    assert!(object_names(&admin, &namespace, "configmaps").is_empty());
}

#[test]
fn reports_correctly_after_ctrl_c() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("interrupt"), servers.client(ADMIN));
    let delay_writes =
        |request: &Request| if is_write(request) { Action::Delay(Duration::from_millis(300)) } else { Action::Forward };
    let proxy = Proxy::start(servers, delay_writes);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(10));
    let program = sandbox.start(&[APPLY, &[&namespace]].concat());
    wait_for("some writes", || (count_requests(&proxy, is_write) >= 20).then_some(()));
    let start = Instant::now();
    program.interrupt();
    let output = program.wait();
    assert!(start.elapsed() < MAX_DELAY, "{:?}", start.elapsed());
    assert_eq!(output.status, 130, "{}", output.stderr);
    assert_report_is_correct(&admin, &namespace, &output);
    let counts = count_outcomes(&output);
    assert!(counts["created"] >= 16 && counts["not tried"] >= 100, "{counts:?}");
    // Requests in progress are completed, so no object is reported as failed.
    assert!(!counts.contains_key("failed"), "{counts:?}");
}

/// A request without a response may or may not have been processed, so its object is reported as failed.
#[test]
fn ctrl_c_does_not_wait_for_missing_responses() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("hang"), servers.client(ADMIN));
    let write_count = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        let hangs = is_write(request) && write_count.fetch_add(1, Ordering::SeqCst) >= 10;
        if hangs { Action::Delay(Duration::from_secs(50)) } else { Action::Forward }
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(0));
    let program = sandbox.start(&[APPLY, &[&namespace]].concat());
    wait_for("writes that hang", || (count_requests(&proxy, is_write) == 14).then_some(()));
    let start = Instant::now();
    program.interrupt();
    let output = program.wait().assert_exit(130, &["interrupted while", "it is safe to run again"]);
    assert!(start.elapsed() < MAX_DELAY, "{:?}", start.elapsed());
    assert_report_is_correct(&admin, &namespace, &output);
    let counts = count_outcomes(&output);
    assert_eq!(
        counts,
        HashMap::from([("created".to_owned(), 10), ("failed".to_owned(), 4), ("not tried".to_owned(), 186)])
    );
}

#[test]
fn ctrl_c_during_dry_runs_changes_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("early");
    let rule = |request: &Request| Action::Delay(Duration::from_secs(if request.index < 8 { 0 } else { 30 }));
    let proxy = Proxy::start(servers, rule);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(0));
    let program = sandbox.start(&[APPLY, &[&namespace]].concat());
    wait_for("dry runs that hang", || (count_requests(&proxy, |_| true) == 12).then_some(()));
    program.interrupt();
    let output = program.wait().assert_exit(130, &["interrupted", "nothing was applied"]);
    assert!(!output.stderr.contains("may be applied"), "a dry run applies nothing:\n{}", output.stderr);
    assert!(output.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"), "{output:?}");
    assert_eq!(count_requests(&proxy, is_write), 0);
}

/// A second Ctrl-C ends the program at once, without a report.
#[test]
fn a_second_ctrl_c_exits_at_once() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("twice");
    let proxy = Proxy::start(servers, |_| Action::Delay(Duration::from_secs(50)));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let program = sandbox.start(&[APPLY, &[&namespace]].concat());
    wait_for("the first request", || (count_requests(&proxy, |_| true) > 0).then_some(()));
    // Several signals in quick succession can arrive as one, so the test sends many.
    for _ in 0..20 {
        program.interrupt();
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = program.wait();
    assert_eq!((output.status, &*output.stdout, &*output.stderr), (130, "", ""));
}

/// Ctrl-C interrupts the delay before a retry.
#[test]
fn ctrl_c_interrupts_a_retry_delay() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("patience");
    let proxy = Proxy::start(servers, |_| Action::too_many_requests(20));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let program = sandbox.start(&[APPLY, &[&namespace]].concat());
    wait_for("the first request", || (count_requests(&proxy, |_| true) > 0).then_some(()));
    let start = Instant::now();
    program.interrupt();
    assert_eq!(program.wait().status, 130);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// The transfer of ownership is one patch. A retry after a lost response must succeed and still print the advice to
/// rotate the secret.
#[test]
fn completes_a_take_over_if_its_response_is_lost() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("moved"), servers.client(ADMIN));
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "flow", "image": "none", "env": [{"name": "X", "value": "plain"}]}],
        }}}}},
    });
    admin.post(&format!("{}?fieldManager=other", api_path(&namespace, "cronjobs", "")), &cron_job).expect_success();
    let is_transfer = |request: &Request| request.header("content-type") == Some("application/json-patch+json");
    let proxy = Proxy::start(servers, inject_once(is_transfer, Action::ResetAfter));
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", cron_job.to_string());
    let output = apply(&sandbox, &namespace, &["--secret-env", "X=s/k", "--take-over"]);
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(output.outcomes(), ["configured"]);
    let live = admin.get(&api_path(&namespace, "cronjobs", "x")).expect_success();
    let entry: &Value = &live["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"][0];
    assert_eq!(entry["valueFrom"]["secretKeyRef"]["name"], "s", "{entry}");
    assert!(entry["value"].is_null());
    assert!(output.stderr.contains("rotate"), "the advice to rotate the secret is missing:\n{}", output.stderr);
}

/// An invalid response does not mean that the Job has failed or was deleted.
#[test]
fn waits_despite_invalid_responses() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    let ok_with_body = |body: &str| Action::Respond(200, Vec::new(), body.as_bytes().to_vec());
    let invalid_responses = [html_page(200), ok_with_body("{}"), ok_with_body("{"), html_page(404), html_page(500)]
        .map(|action| ("an invalid answer", action));
    // Each case mostly waits for its Job, so the cases run in parallel.
    thread::scope(|scope| {
        for (fault, action) in transient_faults().into_iter().chain(invalid_responses) {
            let kubelet = &kubelet;
            scope.spawn(move || wait_with_invalid_responses(servers, kubelet, fault, action));
        }
    });
}

/// Waits for a Job while every second GET fails.
fn wait_with_invalid_responses(servers: &Servers, kubelet: &Kubelet, fault: &str, action: Action) {
    let (namespace, text) = (servers.create_namespace("watch"), format!("{fault}: {action:?}"));
    let reads = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        let is_bad = request.method == "GET" && !reads.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if is_bad { action.clone() } else { Action::Forward }
    });
    let input = job("none").replace("suspend: true", "backoffLimit: 0");
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", input);
    let program = sandbox.start(&[APPLY, &[&namespace, "--wait", "--timeout", "60s"]].concat());
    let pod = kubelet.start_pod(&namespace, "etl", &PodState::Running);
    wait_for("some reads", || (count_requests(&proxy, |request| request.method == "GET") >= 5).then_some(()));
    kubelet.set_state(&namespace, &pod, &PodState::Succeeded);
    let output = program.wait();
    assert_eq!(output.status, 0, "{text}: {output:?}");
    let job_result = output.objects()[0]["job"].as_str().unwrap_or_default().to_owned();
    assert!(job_result.starts_with("complete"), "{text}: {output:?}");
}

#[test]
fn a_diff_can_be_interrupted() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("compare");
    let rule = |request: &Request| Action::Delay(Duration::from_secs(if request.index < 20 { 0 } else { 30 }));
    let proxy = Proxy::start(servers, rule);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(0));
    let program = sandbox.start(&["diff", "input.yaml", "-n", &namespace]);
    wait_for("answers that do not come", || (count_requests(&proxy, |_| true) >= 24).then_some(()));
    let start = Instant::now();
    program.interrupt();
    let output = program.wait();
    assert!(start.elapsed() < MAX_DELAY, "{:?}", start.elapsed());
    assert_eq!(output.status, 130, "{}", output.stderr);
    // A connection failure is an error, neither "no differences" nor "differences found".
    let proxy = Proxy::start(servers, |request| if request.index < 20 { Action::Forward } else { Action::ResetBefore });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", document_stream(0));
    sandbox.run(&["diff", "input.yaml", "-n", &namespace]).assert_exit(3, &["cannot connect to"]);
}
