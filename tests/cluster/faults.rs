//! Bad days: what is tried again and what is not, and that the report is true whatever happens on the way.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::http::Client;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::proxy::{Action, Proxy, Request};
use crate::rows::path;
use crate::servers::{ADMIN, Servers};

/// More than one look takes, and less than a user is willing to wait twice.
const A_MOMENT: Duration = Duration::from_secs(15);
/// What a lost server may cost: the patience of one request, and some for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: v}}\n")
}

/// A Job that the server gives a name, with a label to find it by.
fn generated(label: &str) -> String {
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
    let job = generated("x")
        .replace("metadata:\n  generateName: run-\n  labels: {run: x}\nspec:\n  suspend: true\n  template:", &name);
    job.replace("image: none", &format!("image: {image}"))
}

fn html(code: u16) -> Action {
    let page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>".to_vec();
    Action::Answer(code, vec![("content-type".to_owned(), "text/html".to_owned())], page)
}

fn internal(message: &str) -> Action {
    Action::status(500, "InternalError", message)
}

/// One fault for the first request of each path that `is_meant`.
fn once(
    is_meant: impl Fn(&Request) -> bool + Send + Sync + 'static,
    action: Action,
) -> impl Fn(&Request) -> Action + Send + Sync {
    let met = Mutex::new(HashSet::new());
    move |request| {
        let path = request.path().to_owned();
        let new = is_meant(request) && met.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        if new { action.clone() } else { Action::Pass }
    }
}

fn is_written(request: &Request) -> bool {
    request.method != "GET" && !request.is_dry_run()
}

fn count(proxy: &Proxy, is_meant: impl Fn(&Request) -> bool) -> usize {
    proxy.requests().iter().filter(|request| is_meant(request)).count()
}

fn jobs_with(admin: &Client, namespace: &str, label: &str) -> usize {
    let list = admin.get(&format!("{}?labelSelector=run%3D{label}", path(namespace, "jobs", ""))).done();
    list["items"].as_array().map_or(0, Vec::len)
}

/// What is in a namespace, but for what the controllers put into each.
fn names(admin: &Client, namespace: &str, resource: &str) -> HashSet<String> {
    let list = admin.get(&path(namespace, resource, "")).done();
    let names = list["items"].as_array().into_iter().flatten().filter_map(|item| item["metadata"]["name"].as_str());
    names.filter(|name| *name != "kube-root-ca.crt").map(str::to_owned).collect()
}

const APPLY: &[&str] = &["apply", "input.yaml", "-o", "json", "-n"];

fn apply(run: &Run, namespace: &str, more: &[&str]) -> Ran {
    run.run(&[APPLY, &[namespace], more].concat())
}

/// Faults that are gone at the next attempt.
#[rustfmt::skip]
fn passing() -> Vec<(&'static str, Action)> {
    vec![
        ("429", Action::too_many(1)),
        ("503", Action::status(503, "ServiceUnavailable", "apiserver not ready")),
        ("504", Action::status(504, "Timeout", "request did not complete within the allotted timeout")),
        ("502", Action::status(502, "", "")),
        ("502 of a load balancer", html(502)),
        ("503 of a load balancer", html(503)),
        ("reset before", Action::ResetBefore),
        ("reset after", Action::ResetAfter),
        ("closed after", Action::CloseAfter),
        ("truncated", Action::Truncated),
        ("500 of the storage", internal("etcdserver: leader changed")),
        ("500 of a webhook", internal("Internal error occurred: failed calling webhook \"a.example.io\": EOF")),
    ]
}

#[test]
fn an_apply_is_tried_again_and_the_report_is_true() {
    let Some(servers) = Servers::shared() else { return };
    for preflight in [true, false] {
        let more: &[&str] = if preflight { &[] } else { &["--no-preflight"] };
        for (what, action) in passing() {
            let (namespace, admin) = (servers.namespace("again"), servers.client(ADMIN));
            let proxy = Proxy::start(servers, once(is_written, action));
            let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
            let ran = apply(&run, &namespace, more);
            assert_eq!(ran.status, 0, "{what}: {ran:?}");
            // Whether or not the lost answer was that of a creation: the object was not there, and now it is.
            assert_eq!(ran.outcomes(), ["created"], "{what}");
            assert!(!ran.stderr.contains("again in"), "{what}: {}", ran.stderr);
            assert_eq!(count(&proxy, is_written), 2, "{what}");
            assert_eq!(admin.get(&path(&namespace, "configmaps", "a")).done()["data"]["k"], "v", "{what}");
            assert_eq!(apply(&run, &namespace, more).outcomes(), ["unchanged"], "{what}, {more:?}");
        }
    }
}

#[test]
fn a_change_whose_answer_was_lost_is_reported_as_one() {
    let Some(servers) = Servers::shared() else { return };
    for more in [&[][..], &["--no-preflight"]] {
        let namespace = servers.namespace("change");
        let direct = Run::new(servers.kubeconfig(ADMIN)).file("input.yaml", config_map("a"));
        assert_eq!(apply(&direct, &namespace, &[]).outcomes(), ["created"]);
        // Times of objects have whole seconds: what is changed as it is made looks like made.
        thread::sleep(Duration::from_millis(2100));
        let proxy = Proxy::start(servers, once(is_written, Action::ResetAfter));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a").replace("k: v", "k: w"));
        assert_eq!(apply(&run, &namespace, more).outcomes(), ["configured"], "{more:?}");
        thread::sleep(Duration::from_millis(2100));
        let proxy = Proxy::start(servers, once(is_written, Action::ResetAfter));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a").replace("k: v", "k: w"));
        assert_eq!(apply(&run, &namespace, more).outcomes(), ["unchanged"], "{more:?}");
    }
}

#[test]
fn the_trial_and_questions_are_tried_again() {
    let Some(servers) = Servers::shared() else { return };
    for (what, action) in passing() {
        let namespace = servers.namespace("trial");
        let proxy = Proxy::start(servers, once(|_| true, action));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        assert_eq!(apply(&run, &namespace, &["--dry-run=server"]).says(0, &[]).outcomes(), ["created"], "{what}");
        // A GET of the live object, and a trial.
        let ran = run.run(&["diff", "input.yaml", "-n", &namespace]).says(1, &[]);
        assert!(ran.stdout.contains("+++"), "{what}: {}", ran.stdout);
    }
}

#[test]
fn retries_are_said_where_that_is_wanted() {
    let Some(servers) = Servers::shared() else { return };
    for (what, action) in passing() {
        let namespace = servers.namespace("said");
        let proxy = Proxy::start(servers, once(is_written, action));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let ran = apply(&run, &namespace, &["-v"]).says(0, &["PATCH /api/v1/namespaces/", "again in"]);
        assert_eq!(ran.stderr.matches("again in").count(), 1, "{what}: {}", ran.stderr);
    }
}

/// What becomes of a Job whose name the server gives: sent twice it would be made twice.
#[test]
fn a_creation_is_sent_again_only_when_the_server_did_not_take_it() {
    let Some(servers) = Servers::shared() else { return };
    let slow = Action::Late(Duration::from_secs(4));
    let maybe = &["may have been made", "kubectl get"][..];
    #[rustfmt::skip]
    let cases = [
        // The fault, how often it is sent, how many there are then, what is said.
        ("429", Action::too_many(1), 2, 1, &[][..]),
        ("503", Action::status(503, "ServiceUnavailable", "no"), 1, 0, &["503"]),
        ("502", html(502), 1, 0, maybe),
        ("504", html(504), 1, 0, maybe),
        ("500", internal("etcdserver: request timed out"), 1, 0, &["error"]),
        ("reset before", Action::ResetBefore, 1, 0, maybe),
        ("reset after", Action::ResetAfter, 1, 1, maybe),
        ("closed after", Action::CloseAfter, 1, 1, maybe),
        ("truncated", Action::Truncated, 1, 1, maybe),
        ("slow", slow, 1, 1, maybe),
    ];
    let mut wrong = String::new();
    for (what, action, sent, made, said) in cases {
        let (namespace, admin) = (servers.namespace("creation"), servers.client(ADMIN));
        let proxy = Proxy::start(servers, once(is_written, action));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", generated("a"));
        let ran = apply(&run, &namespace, &["--request-timeout", "2s"]);
        let success = made == 1 && sent == 2;
        let outcome = if success { "created" } else { "failed" };
        let fits = ran.status == if success { 0 } else { 3 }
            && ran.outcomes() == [outcome]
            && said.iter().all(|part| ran.stderr.contains(part))
            && count(&proxy, is_written) == sent;
        if !fits {
            let _ = write!(wrong, "\n{what}: {} times, {ran:?}\n", count(&proxy, is_written));
        }
        // What is late is made all the same, a moment later.
        if made == 1 {
            wait_for(what, || (jobs_with(&admin, &namespace, "a") > 0).then_some(()));
        }
        assert_eq!(jobs_with(&admin, &namespace, "a"), made, "{what}");
        if success {
            let name = ran.objects()[0]["name"].as_str().unwrap_or_default().to_owned();
            assert!(name.starts_with("run-") && name.len() > 4, "{what}: {name}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// One connection that breaks is no reason to leave the rest out.
#[test]
fn one_creation_that_is_lost_does_not_end_the_run() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("rest"), servers.client(ADMIN));
    let proxy = Proxy::start(servers, once(is_written, Action::ResetAfter));
    let input = ["a", "b", "c"].map(generated).join("---\n");
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", input);
    let ran = apply(&run, &namespace, &["--concurrency", "1"]).says(3, &["may have been made"]);
    assert_eq!(ran.outcomes(), ["failed", "created", "created"]);
    for label in ["a", "b", "c"] {
        assert_eq!(jobs_with(&admin, &namespace, label), 1, "{label}");
    }
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    let Some(servers) = Servers::shared() else { return };
    let cases = [
        internal("failed to create typed patch object (x/a; /v1, Kind=ConfigMap): .dat: field not declared in schema"),
        internal("something else"),
        Action::status(400, "BadRequest", "no"),
        Action::status(403, "Forbidden", "no"),
        Action::status(404, "NotFound", "no"),
        Action::status(409, "Conflict", "no"),
        Action::status(413, "RequestEntityTooLarge", "no"),
        Action::status(422, "Invalid", "no"),
    ];
    for action in cases {
        let (namespace, text) = (servers.namespace("final"), format!("{action:?}"));
        let proxy = Proxy::start(servers, once(is_written, action));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let ran = apply(&run, &namespace, &["--no-preflight"]).says(3, &["error: ", "hint: "]);
        assert_eq!(ran.outcomes(), ["failed"], "{text}");
        assert_eq!(count(&proxy, is_written), 1, "{text}");
        assert!(!ran.stderr.contains("something else") && !ran.stderr.contains("field not declared"), "{ran:?}");
    }
}

#[test]
fn a_busy_server_says_when() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("busy");
    let applied = |rule: Box<dyn Fn(&Request) -> Action + Send + Sync>| {
        let proxy = Proxy::start(servers, rule);
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let start = Instant::now();
        let ran = apply(&run, &namespace, &["--no-preflight"]);
        (ran, start.elapsed(), count(&proxy, is_written))
    };
    let (ran, took, sent) = applied(Box::new(once(is_written, Action::too_many(2))));
    assert!(ran.status == 0 && took >= Duration::from_secs(2) && sent == 2, "{took:?} {ran:?}");
    // An hour is nothing to wait for.
    let (ran, took, sent) = applied(Box::new(|_| Action::too_many(3600)));
    assert!(took < A_MOMENT && sent == 1, "{took:?} {sent}");
    assert_eq!(ran.says(3, &["no time for configmap/a", "run again later"]).outcomes(), ["failed"]);
    // One that wants to be asked at once is not asked a thousand times.
    let (ran, _, sent) = applied(Box::new(|_| Action::too_many(0)));
    assert!(ran.status == 3 && sent <= 50, "{sent} requests, {ran:?}");
}

#[test]
fn a_slow_server_is_given_up() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("slow");
    for action in [Action::Late(Duration::from_secs(3)), Action::Slow(Duration::from_secs(3))] {
        // Once slow, then as always.
        let proxy = Proxy::start(servers, once(is_written, action.clone()));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        let ran = apply(&run, &namespace, &["--request-timeout", "1s"]).says(0, &[]);
        assert_eq!(ran.outcomes(), ["created"], "{action:?}");
        servers.client(ADMIN).delete(&path(&namespace, "configmaps", "a")).done();
        // And given the time it needs no second attempt.
        let proxy = Proxy::start(servers, once(is_written, action.clone()));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
        apply(&run, &namespace, &[]).says(0, &[]);
        assert_eq!(count(&proxy, is_written), 1, "{action:?}");
        servers.client(ADMIN).delete(&path(&namespace, "configmaps", "a")).done();
    }
    let proxy = Proxy::start(servers, |_| Action::Late(Duration::from_secs(3)));
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let start = Instant::now();
    let ran = apply(&run, &namespace, &["--request-timeout", "1s"]);
    assert!(start.elapsed() < A_MOMENT, "{:?}", start.elapsed());
    ran.says(3, &["took too long to answer", "--request-timeout"]);
}

/// Whoever stands in between can say `200` to all: then nothing was applied.
#[test]
fn an_answer_that_is_none_is_no_success() {
    let Some(servers) = Servers::shared() else { return };
    let garbage = |body: &str| {
        Action::Answer(200, vec![("content-type".to_owned(), "application/json".to_owned())], body.as_bytes().to_vec())
    };
    let answers = [html(200), garbage("{"), garbage("\u{0}"), garbage("[]"), garbage("{}"), garbage("")];
    let mut wrong = String::new();
    for (input, kind) in [(config_map("a"), "configmaps"), (generated("a"), "jobs")] {
        for answer in &answers {
            for dry_runs in [true, false] {
                let (namespace, admin, action) = (servers.namespace("garbage"), servers.client(ADMIN), answer.clone());
                let is_meant = move |request: &Request| request.is_dry_run() == dry_runs;
                let rule = move |request: &Request| if is_meant(request) { action.clone() } else { Action::Pass };
                let proxy = Proxy::start(servers, rule);
                let run = Run::new(proxy.kubeconfig()).file("input.yaml", &input);
                let ran = apply(&run, &namespace, &[]);
                let made = names(&admin, &namespace, kind);
                if ran.status != 3 || ran.outcomes() != ["failed"] || !made.is_empty() {
                    let _ = write!(wrong, "\n{kind}, dry runs: {dry_runs}: {answer:?}: {made:?} {ran:?}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A load balancer with no server behind it answers everything, and answers nothing.
#[test]
fn patience_is_for_the_run_and_not_for_every_object() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("balancer");
    let proxy = Proxy::start(servers, |_| html(503));
    let input: Vec<String> = (0..20).map(|number| config_map(&format!("m{number}"))).collect();
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", input.join("---\n"));
    let start = Instant::now();
    let ran = apply(&run, &namespace, &[]);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert!(
        ran.status == 3 && ran.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("nginx"), "{ran:?}");
}

#[test]
fn a_deletion_whose_answer_is_lost_is_one() {
    let Some(servers) = Servers::shared() else { return };
    for action in
        [Action::ResetAfter, Action::Truncated, Action::ResetBefore, Action::status(503, "ServiceUnavailable", "no")]
    {
        let (namespace, admin, text) = (servers.namespace("deletion"), servers.client(ADMIN), format!("{action:?}"));
        let direct = Run::new(servers.kubeconfig(ADMIN)).file("input.yaml", job("one"));
        assert_eq!(apply(&direct, &namespace, &[]).says(0, &[]).outcomes(), ["created"]);
        let uid = || admin.get(&path(&namespace, "jobs", "etl")).done()["metadata"]["uid"].clone();
        let old = uid();
        let proxy = Proxy::start(servers, once(|request| request.method == "DELETE", action));
        let run = Run::new(proxy.kubeconfig()).file("input.yaml", job("two"));
        let ran = apply(&run, &namespace, &["--on-immutable", "recreate"]);
        assert_eq!(ran.status, 0, "{text}: {ran:?}");
        assert_eq!(ran.outcomes(), ["recreated"], "{text}");
        assert_ne!(uid(), old, "{text}");
    }
}

#[test]
fn credentials_that_expire_on_the_way_end_the_run() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("expire"), servers.client(ADMIN));
    let written = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        if is_written(request) && written.fetch_add(1, Ordering::SeqCst) >= 20 {
            return Action::status(401, "Unauthorized", "Unauthorized");
        }
        Action::Pass
    });
    let names: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    let input: Vec<String> = names.iter().map(|name| config_map(name)).collect();
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", input.join("---\n"));
    let ran = apply(&run, &namespace, &[]).says(3, &["credentials", "log in again"]);
    // Said once, not for each object.
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    assert!(count(&proxy, is_written) <= 24);
    assert_truth(&admin, &namespace, &ran);
    assert_eq!(ran.outcomes().iter().filter(|outcome| *outcome == "created").count(), 20);
    assert!(ran.outcomes().contains(&"not tried".to_owned()));
}

const DOCUMENTS: usize = 200;

/// Many ConfigMaps, with Jobs that the server names among them.
fn many(generated_jobs: usize) -> String {
    let mut documents: Vec<String> =
        (0..DOCUMENTS - generated_jobs).map(|number| config_map(&format!("m{number}"))).collect();
    for number in 0..generated_jobs {
        documents.insert(number * 20, generated(&format!("g{number}")));
    }
    documents.join("---\n")
}

/// What the report says of each ConfigMap is what the server has.
#[track_caller]
fn assert_truth(admin: &Client, namespace: &str, ran: &Ran) {
    let there = names(admin, namespace, "configmaps");
    for object in ran.objects().iter().filter(|object| object["kind"] == "ConfigMap") {
        let (name, outcome) =
            (object["name"].as_str().unwrap_or_default(), object["outcome"].as_str().unwrap_or_default());
        match outcome {
            "created" | "configured" | "unchanged" => {
                assert!(there.contains(name), "{name} is {outcome}, and not there")
            }
            "not tried" => assert!(!there.contains(name), "{name} is {outcome}, and there"),
            "failed" => assert!(object["reason"].is_string(), "{object}"),
            other => panic!("{name} is {other}"),
        }
    }
}

fn tally(ran: &Ran) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for outcome in ran.outcomes() {
        *tally.entry(outcome).or_insert(0) += 1;
    }
    tally
}

/// A proxy that kills the API server as the given write comes in, and then does what is wanted.
fn killer(servers: &Arc<Servers>, at: usize, then: impl Fn(&Arc<Servers>) + Send + Sync + 'static) -> Proxy {
    let (victim, written) = (Arc::clone(servers), AtomicUsize::new(0));
    Proxy::start(servers, move |request| {
        if is_written(request) && written.fetch_add(1, Ordering::SeqCst) == at {
            victim.kill_apiserver();
            then(&victim);
        }
        Action::Pass
    })
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::separate().map(Arc::new) else { return };
    let (namespace, admin) = (servers.namespace("back"), servers.client(ADMIN));
    let proxy = killer(&servers, 80, |servers| {
        let servers = Arc::clone(servers);
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(3));
            servers.start_apiserver();
        });
    });
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(10));
    let ran = apply(&run, &namespace, &[]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(tally(&ran), HashMap::from([("created".to_owned(), DOCUMENTS)]));
    assert_truth(&admin, &namespace, &ran);
    for number in 0..10 {
        assert_eq!(jobs_with(&admin, &namespace, &format!("g{number}")), 1);
    }
    run.write("input.yaml", many(0));
    let again = apply(&run, &namespace, &[]).says(0, &[]);
    assert_eq!(tally(&again)["unchanged"], DOCUMENTS - 10);
}

#[test]
fn a_server_that_stays_away_leaves_a_true_report() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::separate().map(Arc::new) else { return };
    let (namespace, admin) = (servers.namespace("away"), servers.client(ADMIN));
    let proxy = killer(&servers, 80, |_| {});
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(10));
    let start = Instant::now();
    let ran = apply(&run, &namespace, &[]).says(3, &["can't be reached", "running again is safe"]);
    assert!(start.elapsed() < PATIENCE + A_MOMENT, "{:?}", start.elapsed());
    servers.start_apiserver();
    assert_truth(&admin, &namespace, &ran);
    let counts = tally(&ran);
    assert!(counts["created"] >= 70 && counts["failed"] >= 1 && counts["not tried"] >= 90, "{counts:?}");
    for object in ran.objects().iter().filter(|object| object["kind"] == "Job") {
        assert_eq!(object["outcome"], "not tried", "Jobs come last");
    }
    for number in 0..10 {
        assert_eq!(jobs_with(&admin, &namespace, &format!("g{number}")), 0);
    }
    // Said once, not for each object that was under way.
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);

    let again = apply(&run, &namespace, &[]).says(0, &[]);
    let was: Vec<String> = ran.outcomes();
    for (before, after) in was.iter().zip(again.outcomes()) {
        let wanted: &[&str] = match before.as_str() {
            "created" => &["unchanged"],
            "failed" => &["unchanged", "created"],
            _ => &["created"],
        };
        assert!(wanted.contains(&after.as_str()), "{before}, then {after}");
    }
}

/// Nothing was written yet, and that is what is said.
#[test]
fn a_server_that_is_lost_during_the_trial_has_changed_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("tried"), servers.client(ADMIN));
    let proxy = Proxy::start(servers, |request| if request.number < 20 { Action::Pass } else { Action::ResetAfter });
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(0));
    let ran = apply(&run, &namespace, &[]).says(3, &["can't be reached", "nothing was applied"]);
    assert!(!ran.stderr.contains("may have been"), "{}", ran.stderr);
    assert!(ran.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"), "{ran:?}");
    assert_eq!(count(&proxy, is_written), 0);
    assert!(names(&admin, &namespace, "configmaps").is_empty());
}

#[test]
fn ctrl_c_leaves_a_true_report() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("interrupt"), servers.client(ADMIN));
    let slow =
        |request: &Request| if is_written(request) { Action::Late(Duration::from_millis(300)) } else { Action::Pass };
    let proxy = Proxy::start(servers, slow);
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(10));
    let started = run.start(&[APPLY, &[&namespace]].concat());
    wait_for("some writes", || (count(&proxy, is_written) >= 20).then_some(()));
    let start = Instant::now();
    started.interrupt();
    let ran = started.end();
    assert!(start.elapsed() < A_MOMENT, "{:?}", start.elapsed());
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    assert_truth(&admin, &namespace, &ran);
    let counts = tally(&ran);
    assert!(counts["created"] >= 16 && counts["not tried"] >= 100, "{counts:?}");
    // Each that was under way had the time to end.
    assert!(!counts.contains_key("failed"), "{counts:?}");
}

/// Answers that do not come at all: what was under way may have been done or not, and is called failed.
#[test]
fn ctrl_c_does_not_wait_for_answers_that_do_not_come() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("hang"), servers.client(ADMIN));
    let written = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        let hangs = is_written(request) && written.fetch_add(1, Ordering::SeqCst) >= 10;
        if hangs { Action::Late(Duration::from_secs(50)) } else { Action::Pass }
    });
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(0));
    let started = run.start(&[APPLY, &[&namespace]].concat());
    wait_for("writes that hang", || (count(&proxy, is_written) == 14).then_some(()));
    let start = Instant::now();
    started.interrupt();
    let ran = started.end().says(130, &["interrupted while", "running again is safe"]);
    assert!(start.elapsed() < A_MOMENT, "{:?}", start.elapsed());
    assert_truth(&admin, &namespace, &ran);
    let counts = tally(&ran);
    assert_eq!(
        counts,
        HashMap::from([("created".to_owned(), 10), ("failed".to_owned(), 4), ("not tried".to_owned(), 186)])
    );
}

#[test]
fn ctrl_c_during_the_trial_changes_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("early");
    let rule = |request: &Request| Action::Late(Duration::from_secs(if request.number < 8 { 0 } else { 30 }));
    let proxy = Proxy::start(servers, rule);
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(0));
    let started = run.start(&[APPLY, &[&namespace]].concat());
    wait_for("trials that hang", || (count(&proxy, |_| true) == 12).then_some(()));
    started.interrupt();
    let ran = started.end().says(130, &["interrupted", "nothing was applied"]);
    assert!(!ran.stderr.contains("may have been applied"), "a trial applies nothing:\n{}", ran.stderr);
    assert!(ran.outcomes().iter().all(|outcome| outcome == "failed" || outcome == "not tried"), "{ran:?}");
    assert_eq!(count(&proxy, is_written), 0);
}

/// The second Ctrl-C ends the program at once: it neither waits for answers nor reports.
#[test]
fn a_second_ctrl_c_waits_for_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("twice");
    let proxy = Proxy::start(servers, |_| Action::Late(Duration::from_secs(50)));
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let started = run.start(&[APPLY, &[&namespace]].concat());
    wait_for("the first request", || (count(&proxy, |_| true) > 0).then_some(()));
    // Signals that come too close to each other are one.
    for _ in 0..20 {
        started.interrupt();
        std::thread::sleep(Duration::from_millis(50));
    }
    let ran = started.end();
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (130, "", ""));
}

/// A retry that waits does not hold Ctrl-C up.
#[test]
fn ctrl_c_ends_a_wait_for_the_server() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("patience");
    let proxy = Proxy::start(servers, |_| Action::too_many(20));
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", config_map("a"));
    let started = run.start(&[APPLY, &[&namespace]].concat());
    wait_for("the first request", || (count(&proxy, |_| true) > 0).then_some(()));
    let start = Instant::now();
    started.interrupt();
    assert_eq!(started.end().status, 130);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// Moving ownership is one patch; a lost answer to it must not make the second attempt fail, nor hide what
/// the user is to know.
#[test]
fn a_take_over_whose_answer_is_lost_is_one() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.namespace("moved"), servers.client(ADMIN));
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "flow", "image": "none", "env": [{"name": "X", "value": "plain"}]}],
        }}}}},
    });
    admin.post(&format!("{}?fieldManager=other", path(&namespace, "cronjobs", "")), &cron_job).done();
    let is_move = |request: &Request| request.header("content-type") == Some("application/json-patch+json");
    let proxy = Proxy::start(servers, once(is_move, Action::ResetAfter));
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", cron_job.to_string());
    let ran = apply(&run, &namespace, &["--secret-env", "X=s/k", "--take-over"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.outcomes(), ["configured"]);
    let live = admin.get(&path(&namespace, "cronjobs", "x")).done();
    let entry: &Value = &live["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"][0];
    assert_eq!(entry["valueFrom"]["secretKeyRef"]["name"], "s", "{entry}");
    assert!(entry["value"].is_null());
    assert!(ran.stderr.contains("rotate"), "what may still hold the value is not said:\n{}", ran.stderr);
}

/// Watching goes on over bad answers: none of them says that the Job has failed, or is gone.
#[test]
fn waiting_survives_bad_answers() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    let garbage = |body: &str| Action::Answer(200, Vec::new(), body.as_bytes().to_vec());
    let bad = [html(200), garbage("{}"), garbage("{"), html(404), html(500)]
        .map(|action| ("no answer of the server", action));
    // Each waits for its Job most of the time: all at once.
    thread::scope(|scope| {
        for (what, action) in passing().into_iter().chain(bad) {
            let kubelet = &kubelet;
            scope.spawn(move || watch_over(servers, kubelet, what, action));
        }
    });
}

/// Waits for a Job while every second look at it goes wrong.
fn watch_over(servers: &Servers, kubelet: &Kubelet, what: &str, action: Action) {
    let (namespace, text) = (servers.namespace("watch"), format!("{what}: {action:?}"));
    let looks = AtomicUsize::new(0);
    let proxy = Proxy::start(servers, move |request| {
        let is_bad = request.method == "GET" && !looks.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if is_bad { action.clone() } else { Action::Pass }
    });
    let input = job("none").replace("suspend: true", "backoffLimit: 0");
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", input);
    let started = run.start(&[APPLY, &[&namespace, "--wait", "--timeout", "60s"]].concat());
    let pod = kubelet.start_pod(&namespace, "etl", &PodState::Running);
    wait_for("some looks", || (count(&proxy, |request| request.method == "GET") >= 5).then_some(()));
    kubelet.set_state(&namespace, &pod, &PodState::Succeeded);
    let ran = started.end();
    assert_eq!(ran.status, 0, "{text}: {ran:?}");
    let ended = ran.objects()[0]["job"].as_str().unwrap_or_default().to_owned();
    assert!(ended.starts_with("complete"), "{text}: {ran:?}");
}

#[test]
fn a_comparison_can_be_interrupted_and_loses_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("compare");
    let rule = |request: &Request| Action::Late(Duration::from_secs(if request.number < 20 { 0 } else { 30 }));
    let proxy = Proxy::start(servers, rule);
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(0));
    let started = run.start(&["diff", "input.yaml", "-n", &namespace]);
    wait_for("answers that do not come", || (count(&proxy, |_| true) >= 24).then_some(()));
    let start = Instant::now();
    started.interrupt();
    let ran = started.end();
    assert!(start.elapsed() < A_MOMENT, "{:?}", start.elapsed());
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    // And one that can not be finished is no difference, nor the lack of one.
    let proxy = Proxy::start(servers, |request| if request.number < 20 { Action::Pass } else { Action::ResetBefore });
    let run = Run::new(proxy.kubeconfig()).file("input.yaml", many(0));
    run.run(&["diff", "input.yaml", "-n", &namespace]).says(3, &["can't be reached"]);
}
