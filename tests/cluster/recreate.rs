//! Tests of recreated Jobs: whatever ends a recreation, the report says whether the Job is deleted.

use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cli::{RunOutput, Sandbox, send_signal};
use crate::http::Client;
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::run;
use crate::servers::{ADMIN, Servers};

fn job(image: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: etl}}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers: [{{name: flow, image: {image}}}]\n"
    )
}

/// Creates the Job that is recreated, and returns its uid.
fn create_job(admin: &Client, namespace: &str) -> Value {
    let path = format!("{}?fieldManager=jobplate", api_path(namespace, "jobs", "etl"));
    admin.patch(&path, "apply", job("one")).expect_success()["metadata"]["uid"].clone()
}

const RECREATE: [&str; 6] = ["apply", "input.yaml", "--on-immutable=recreate", "-o", "json", "-n"];

/// A fault that ends a recreation.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The server no longer responds.
    Unavailable,
    /// The response to one request is lost, and the server no longer responds.
    LostResponse,
    /// The response to one request is lost, and then the credentials are no longer accepted.
    LostResponseAndCredentials,
    /// A proxy responds to one request with a page, and the server no longer responds.
    Page,
    /// The process receives a signal, which it should survive until the Job is created again.
    Signal(&'static str),
    /// The process receives a signal, and the server no longer responds in time.
    SignalAndSilence(&'static str),
}

const FAULTS: [Fault; 8] = [
    Fault::Unavailable,
    Fault::LostResponse,
    Fault::LostResponseAndCredentials,
    Fault::Page,
    Fault::Signal("TERM"),
    Fault::Signal("HUP"),
    Fault::Signal("INT"),
    Fault::SignalAndSilence("TERM"),
];

/// Returns a response that ends the retries at once.
fn unavailable() -> Action {
    let mut action = Action::status(503, "ServiceUnavailable", "no");
    if let Action::Respond(_, headers, _) = &mut action {
        headers.push(("retry-after".to_owned(), "3600".to_owned()));
    }
    action
}

/// Recreates a Job, and injects a fault at the request with the 0-based index `at`. Returns the number of requests, and
/// a description of the first contradiction between the report and the server.
fn recreate_with_fault(servers: &Servers, at: usize, fault: Fault) -> (usize, Option<String>) {
    let (namespace, admin) = (servers.create_namespace("fault"), servers.client(ADMIN));
    let old_uid = create_job(&admin, &namespace);
    let process = Arc::<OnceLock<u32>>::default();
    let process_for_rule = Arc::clone(&process);
    let proxy = Proxy::start(servers, move |request| {
        if request.index == at
            && let Fault::Signal(signal) | Fault::SignalAndSilence(signal) = fault
        {
            send_signal(*process_for_rule.wait(), signal);
        }
        match fault {
            _ if request.index < at => Action::Forward,
            Fault::LostResponse | Fault::LostResponseAndCredentials if request.index == at => Action::ResetAfter,
            Fault::LostResponseAndCredentials => Action::status(401, "Unauthorized", "Unauthorized"),
            Fault::Page if request.index == at => Action::Respond(200, Vec::new(), b"<html>log in</html>".to_vec()),
            Fault::Unavailable | Fault::LostResponse | Fault::Page => unavailable(),
            // The signal arrives before the response.
            Fault::Signal(_) => Action::Delay(Duration::from_millis(if request.index == at { 50 } else { 0 })),
            Fault::SignalAndSilence(_) => Action::Delay(Duration::from_secs(8)),
        }
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
    let program = sandbox.start(&[&RECREATE[..], &[&namespace]].concat());
    process.set(program.id()).expect("it is set once");
    let output = program.wait();
    let live = admin.get(&api_path(&namespace, "jobs", "etl"));
    let live = (live.status == 200).then(|| live.json());
    let contradiction = find_contradiction(&output, live.as_ref(), &old_uid, fault);
    (
        proxy.requests().len(),
        contradiction.map(|text| format!("{fault:?} at request {at}: {text}: {live:?} {output:?}")),
    )
}

fn find_contradiction(output: &RunOutput, live: Option<&Value>, old_uid: &Value, fault: Fault) -> Option<&'static str> {
    let (is_old, is_new) = match live {
        Some(live) => (live["metadata"]["uid"] == *old_uid, live["metadata"]["uid"] != *old_uid),
        None => (false, false),
    };
    let is_deleting = live.is_some_and(|live| live["metadata"]["deletionTimestamp"].is_string());
    let object = &output.objects()[0];
    let (outcome, reason) =
        (object["outcome"].as_str().unwrap_or_default(), object["reason"].as_str().unwrap_or_default());
    let is_true = match outcome {
        "recreated" => is_new && !is_deleting,
        "not tried" => is_old && !is_deleting,
        _ if reason.contains("may be deleted, and was not created again") => !is_new,
        _ if reason.contains("is being deleted, and was not created again") => {
            !is_new && (live.is_none() || is_deleting)
        }
        _ if reason.contains("was deleted, but not created again") => live.is_none(),
        _ if reason.contains("was deleted, and may have been created again") => !is_old,
        _ => is_old && !is_deleting && !reason.is_empty(),
    };
    if !is_true {
        return Some("the report is wrong");
    }
    let is_reported = outcome != "failed" || output.stderr.contains(reason);
    if !is_reported {
        return Some("the reason is only in the report");
    }
    // A signal leaves the Job as it is, or lets the program finish.
    if matches!(fault, Fault::Signal(_)) && !(is_old && !is_deleting || is_new) {
        return Some("the Job is lost");
    }
    let is_interrupted = matches!(fault, Fault::Signal(_) | Fault::SignalAndSilence(_));
    let expected_status = if is_interrupted { 130 } else { 3 };
    (output.status != 0 && output.status != expected_status).then_some("the exit code is wrong")
}

#[test]
fn reports_the_state_of_the_job_after_any_fault() {
    let Some(servers) = Servers::shared() else { return };
    let (request_count, contradiction) = recreate_with_fault(servers, usize::MAX, Fault::Unavailable);
    assert_eq!(contradiction, None);
    // The number of polls during the deletion varies, so the last requests are reached in some runs only.
    let moments: Vec<(usize, Fault)> = (0..request_count).flat_map(|at| FAULTS.map(|fault| (at, fault))).collect();
    assert!(moments.len() >= 50, "{moments:?}");
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(String::new()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((at, fault)) = moments.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let (_, Some(text)) = recreate_with_fault(servers, *at, *fault) {
                        let _ = writeln!(failures.lock().unwrap_or_else(PoisonError::into_inner), "\n{text}");
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failures.is_empty(), "{failures}");
}

/// Another client creates the Job between its deletion and its creation.
#[test]
fn reports_a_job_that_another_client_created() {
    let Some(servers) = Servers::shared() else { return };
    for image in ["two", "three"] {
        let (namespace, admin) = (servers.create_namespace("race"), servers.client(ADMIN));
        create_job(&admin, &namespace);
        let is_deleted = AtomicBool::new(false);
        let (path, other) = (api_path(&namespace, "jobs", "etl"), servers.client(ADMIN));
        let proxy = Proxy::start(servers, move |request: &Request| {
            if request.method == "DELETE" && !request.is_dry_run() {
                is_deleted.store(true, Ordering::SeqCst);
            } else if request.method == "PATCH" && is_deleted.swap(false, Ordering::SeqCst) {
                other.patch(&format!("{path}?fieldManager=jobplate"), "apply", job(image)).expect_success();
            }
            Action::Forward
        });
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
        let output = sandbox.run(&[&RECREATE[..], &[&namespace]].concat());
        if image == "two" {
            assert_eq!(output.assert_exit(0, &[]).outcomes(), ["recreated"]);
        } else {
            let message = "job.batch/etl was created again by another client with different immutable fields: \
                           spec.template.spec.containers[name=\"flow\"].image";
            assert_eq!(output.assert_exit(3, &[message]).outcomes(), ["failed"]);
        }
    }
}

#[test]
fn two_recreations_at_once_report_the_truth() {
    let Some(servers) = Servers::shared() else { return };
    for _ in 0..4 {
        let (namespace, admin) = (servers.create_namespace("twice"), servers.client(ADMIN));
        create_job(&admin, &namespace);
        let images = ["two", "three"];
        let sandboxes = images.map(|image| Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", job(image)));
        let programs = sandboxes.each_ref().map(|sandbox| sandbox.start(&[&RECREATE[..], &[&namespace]].concat()));
        let outputs = programs.map(|program| program.wait());
        let live = admin.get(&api_path(&namespace, "jobs", "etl")).expect_success();
        assert!(live["metadata"]["deletionTimestamp"].is_null(), "{live}");
        for (image, output) in images.into_iter().zip(&outputs) {
            let is_live = live["spec"]["template"]["spec"]["containers"][0]["image"] == image;
            let is_true = match &*output.outcomes()[0] {
                // The other program may have replaced the Job later.
                "created" | "recreated" => true,
                _ => !is_live && output.stderr.contains("created again by another client"),
            };
            assert!(is_true, "{image}: {live} {outputs:?}");
        }
    }
}

/// `nohup` ignores SIGHUP, so the signal must not cancel a run.
#[test]
fn continues_after_an_ignored_hangup() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("nohup"), servers.client(ADMIN));
    let old_uid = create_job(&admin, &namespace);
    let process = Arc::<OnceLock<u32>>::default();
    let process_for_rule = Arc::clone(&process);
    let proxy = Proxy::start(servers, move |_| {
        send_signal(*process_for_rule.wait(), "HUP");
        Action::Forward
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
    let mut command = run::isolated_command("/bin/sh", sandbox.directory());
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run::binary()).args(RECREATE).arg(&namespace);
    command.env("KUBECONFIG", proxy.kubeconfig()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = command.spawn().expect("it starts");
    process.set(program.id()).expect("it is set once");
    assert!(program.wait().expect("it ends").success());
    assert_ne!(admin.get(&api_path(&namespace, "jobs", "etl")).expect_success()["metadata"]["uid"], old_uid);
}
