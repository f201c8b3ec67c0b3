//! Tests of the wait for Jobs: what is watched, the states that are reported, and the permissions that are needed.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jobplate_cluster::{EventHandler, KubeconfigSource, WaitGoal, WaitOptions};
use serde_json::json;

use crate::jobs::{JOB, JobFixture, run_and_wait, with_spec};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::library;
use crate::proxy::Action;
use crate::quota::create_quota;
use crate::rows::api_path;
use crate::servers::Servers;

/// The server deletes the Job at its end, but the last state arrives with the deletion.
#[test]
fn sees_the_end_of_a_job_that_is_deleted_at_once() {
    let Some(servers) = Servers::shared() else { return };
    let text = with_spec(JOB, "ttlSecondsAfterFinished: 0");
    for (state, code, expected) in
        [(PodState::Succeeded, 0, "complete after"), (PodState::Failed(3, "Error"), 4, "exit code 3")]
    {
        let (status, stdout, stderr) = run_and_wait(servers, &text, &[], |fixture, kubelet| {
            kubelet.start_pod(&fixture.namespace, "etl", &state);
        });
        assert_eq!(status, code, "{stderr}");
        assert!(stdout.starts_with("job.batch/etl created, ") && stdout.contains(expected), "{stdout}{stderr}");
    }
}

/// A Job ends and is deleted before the first list. The watch starts at the apply of the Job.
#[test]
fn sees_the_end_of_a_job_before_the_first_list() {
    let Some(servers) = Servers::shared() else { return };
    let (kubelet, namespace) = (Kubelet::start(servers), std::sync::OnceLock::<String>::new());
    let namespace = std::sync::Arc::new(namespace);
    let (rule_namespace, admin) = (std::sync::Arc::clone(&namespace), servers.client(crate::servers::ADMIN));
    let fixture = JobFixture::with_rule(servers, move |request| {
        let is_first_list = request.matches("GET", "/jobs?") && request.earlier_count == 0;
        if let (true, Some(namespace)) = (is_first_list, rule_namespace.get()) {
            kubelet.start_pod(namespace, "etl", &PodState::Succeeded);
            let path = api_path(namespace, "jobs", "etl");
            wait_for("the deletion", || (admin.get(&path).status == 404).then_some(()));
        }
        crate::proxy::Action::Forward
    });
    namespace.set(fixture.namespace.clone()).expect("it is set once");
    let output = fixture.apply(&with_spec(JOB, "ttlSecondsAfterFinished: 0"), &["--wait"]).assert_exit(0, &[]);
    assert!(output.stdout.starts_with("job.batch/etl created, complete"), "{output:?}");
}

#[test]
fn waits_for_a_secret_that_appears_in_time() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut run = fixture.watch(JOB, &["--wait"]);
    kubelet.start_pod(&fixture.namespace, "etl", &PodState::secret_missing("prefect"));
    run.next_line_with("Secret prefect not found");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, stdout, stderr) = run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, complete"), "{stdout}");
}

#[test]
fn ends_the_wait_for_a_pod_that_does_not_start() {
    let Some(servers) = Servers::shared() else { return };
    let start = Instant::now();
    let args = ["--start-timeout=1s"];
    let (status, stdout, stderr) = run_and_wait(servers, JOB, &args, |fixture, kubelet| {
        kubelet.start_pod(&fixture.namespace, "etl", &PodState::secret_missing("prefect"));
    });
    assert_eq!(status, 4, "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(20), "{stderr}");
    assert!(stderr.contains("job.batch/etl cannot start: container flow of pod etl-"), "{stderr}");
    assert!(stderr.contains("the Job continues, and its pod starts once the Secret exists"), "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, cannot start: "), "{stdout}");
}

#[test]
fn sends_few_requests_for_many_jobs() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let mut manifest = String::new();
    for index in 0..100 {
        let job = with_spec(JOB, "suspend: true").replace("name: etl", &format!("name: etl-{index}"));
        let _ = write!(manifest, "---\n{job}");
    }
    let output = fixture.apply(&manifest, &["--wait", "--no-preflight", "--timeout=4s", "-q"]).assert_exit(5, &[]);
    assert_eq!(output.stdout.matches(" created, timed out: suspended\n").count(), 100, "{output:?}");
    assert!(output.stderr.contains("error: 97 more objects have the same error as job.batch/etl-"), "{output:?}");
    let requests = fixture.proxy.requests();
    let last_write = requests.iter().rposition(|request| request.method == "PATCH").expect("it applies");
    let (watches, others): (Vec<_>, Vec<_>) =
        requests[last_write + 1..].iter().partition(|request| request.target.contains("watch=true"));
    assert!(others.len() <= 10 && !watches.is_empty(), "{} requests, {} watches", others.len(), watches.len());
    assert!(watches.len() <= 10, "{} watches", watches.len());
}

/// Each state is reported once, in a line of its own.
#[test]
fn reports_each_state_of_a_job() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut run = fixture.watch(JOB, &["--wait"]);
    let pod = kubelet.wait_for_job_pod(&fixture.namespace, "etl");
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available."});
    let path = format!("{}/status", api_path(&fixture.namespace, "pods", &pod));
    let patch = json!({"status": {"conditions": [condition]}}).to_string();
    fixture.admin.patch(&path, "merge", patch).expect_success();
    run.next_line_with("cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu\n");
    kubelet.bind(&fixture.namespace, &pod);
    kubelet.set_state(&fixture.namespace, &pod, &PodState::image_missing("none"));
    run.next_line_with("waits (ImagePullBackOff)");
    kubelet.set_state(&fixture.namespace, &pod, &PodState::Running);
    run.next_line_with("note: job.batch/etl: 1 active\n");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = run.wait();
    assert_eq!(status, 0, "{stderr}");
    for state in ["cannot be scheduled", "ImagePullBackOff"] {
        assert_eq!(stderr.matches(state).count(), 1, "{stderr}");
    }
}

#[test]
fn reports_why_no_pod_is_created() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    create_quota(&fixture.admin, &fixture.namespace, &json!({"pods": "0"}));
    let mut run = fixture.watch(JOB, &["--wait", "--timeout=30s"]);
    run.next_line_with("note: job.batch/etl: cannot create its pod: exceeded quota: q, requested: pods=1");
    run.interrupt();
    assert_eq!(run.wait().0, 130);
}

/// The state of the Job, its arguments, and the exit code with the end of the line on standard output.
#[test]
fn waits_for_the_requested_state() {
    let Some(servers) = Servers::shared() else { return };
    let failed = PodState::Failed(3, "Error");
    let with_ttl = with_spec(JOB, "ttlSecondsAfterFinished: 1");
    let cases = [
        (&PodState::Succeeded, "--for=complete", JOB, 0, "created, complete"),
        (&PodState::Succeeded, "--for=failed", JOB, 4, "created, did not fail: complete"),
        (&failed, "--for=complete", JOB, 4, "created, failed"),
        (&failed, "--for=condition=failed", JOB, 0, "created, failed (BackoffLimitExceeded): container flow of pod"),
        (&PodState::Succeeded, "--for=delete", &with_ttl, 0, "created, was deleted"),
        (&failed, "--for=delete", &with_ttl, 0, "created, was deleted"),
    ];
    for (state, arg, text, expected, line) in cases {
        let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
        let run = fixture.watch(text, &[arg, "--timeout=30s"]);
        fixture.wait_for_poll();
        let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
        kubelet.set_state(&fixture.namespace, &pod, state);
        let (status, stdout, stderr) = run.wait();
        assert!(
            status == expected && stdout.starts_with(&format!("job.batch/etl {line}")),
            "{arg}: {status} {stdout} {stderr}"
        );
    }
}

/// A Job that has ended still exists.
#[test]
fn waits_for_a_deletion_after_the_end() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut run = fixture.watch(JOB, &["--for=delete", "--timeout=30s"]);
    fixture.wait_for_poll();
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    run.next_line_with("note: job.batch/etl: complete");
    fixture.admin.delete(&format!("{}?propagationPolicy=Background", api_path(&fixture.namespace, "jobs", "etl")));
    let (status, stdout, stderr) = run.wait();
    assert_eq!((status, &*stdout), (0, "job.batch/etl created, was deleted\n"), "{stderr}");
    fixture.apply(JOB, &["--for=delete", "--timeout=1s"]).assert_exit(5, &["timed out waiting for job.batch/etl"]);
    fixture.apply(JOB, &["--for=ready"]).assert_exit(2, &["`--for` must be `complete`, `failed` or `delete`"]);
}

#[test]
fn reports_an_eviction() {
    let Some(servers) = Servers::shared() else { return };
    let (status, _, stderr) = run_and_wait(servers, JOB, &[], |fixture, kubelet| {
        let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
        let message = "The node was low on resource: memory. Container flow was using 5Gi, request is 0";
        let status = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": message}}).to_string();
        let path = format!("{}/status", api_path(&fixture.namespace, "pods", &pod));
        fixture.admin.patch(&path, "merge", status).expect_success();
    });
    assert_eq!(status, 4, "{stderr}");
    assert!(stderr.contains("was evicted: The node was low on resource: memory\n"), "{stderr}");
}

#[test]
fn ends_the_wait_if_the_credentials_expire() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::with_rule(servers, |request| match request.matches("GET", "/jobs?") {
        true => Action::status(401, "Unauthorized", "Unauthorized"),
        false => Action::Forward,
    });
    fixture.apply(JOB, &["--wait"]).assert_exit(
        3,
        &[
            "job.batch/etl can no longer be watched: the API server rejected the credentials (401 Unauthorized)",
            "it continues; log in again",
        ],
    );
}

#[test]
fn ends_in_time_while_it_follows_a_log() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    kubelet.append_log(&fixture.namespace, &pod, "flow", "one\n");
    let start = Instant::now();
    let output = fixture.apply(JOB, &["--logs", "--timeout=3s"]).assert_exit(5, &["] one\n", "1 active"]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?} {output:?}", start.elapsed());
}

/// Without the permission to watch, the Jobs are listed. Without the permission to list, each Job is read.
#[test]
fn waits_with_fewer_permissions() {
    let Some(servers) = Servers::shared() else { return };
    std::thread::scope(|scope| {
        for verbs in [&["get", "create", "patch"][..], &["get", "create", "patch", "list"]] {
            scope.spawn(move || {
                let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
                let user = servers.fresh_name("waiter");
                let base = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", fixture.namespace);
                let rule = json!({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": verbs});
                fixture
                    .admin
                    .post(&format!("{base}/roles"), &json!({"metadata": {"name": "r"}, "rules": [rule]}))
                    .expect_success();
                let binding = json!({"metadata": {"name": "r"},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
                fixture.admin.post(&format!("{base}/rolebindings"), &binding).expect_success();
                wait_for("the permission", || {
                    let output = fixture.apply(JOB, &["--dry-run=server", "--as", &user]);
                    (output.status == 0).then_some(())
                });
                let mut run = fixture.watch(JOB, &["--wait", "--as", &user]);
                run.next_line_with("{apiGroups: [\"batch\"], resources: [jobs], verbs: [get, list, watch]}");
                fixture.finish(&kubelet, "etl", &PodState::Succeeded);
                let (status, stdout, stderr) = run.wait();
                assert_eq!(status, 0, "{verbs:?}: {stderr}");
                assert!(
                    stderr.contains("{apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}"),
                    "{stderr}"
                );
                assert!(stdout.contains("complete after"), "{verbs:?}: {stdout}");
            });
        }
    });
}

/// Records the summaries of a wait.
#[derive(Default)]
struct SummaryRecorder(RefCell<Vec<String>>);

impl EventHandler for SummaryRecorder {
    fn on_waiting(&self, jobs: &[(String, &str)]) {
        let states: Vec<String> = jobs.iter().map(|(job, state)| format!("{job}: {state}")).collect();
        self.0.borrow_mut().push(states.join("; "));
    }
}

#[test]
fn summarizes_a_wait_at_intervals() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let wait = WaitOptions {
        goal: WaitGoal::Complete,
        follow_logs: false,
        start_timeout: Duration::from_secs(30),
        summary_interval: Duration::from_millis(300),
    };
    let recorder = SummaryRecorder::default();
    let source = KubeconfigSource::Flag(fixture.proxy.kubeconfig());
    let text = with_spec(JOB, "suspend: true");
    let report = library::apply(source, Some(&fixture.namespace), &text, Some(wait), Duration::from_secs(3), &recorder);
    assert!(report.failure.is_some(), "{report:?}");
    let summaries = recorder.0.into_inner();
    assert!(
        summaries.len() >= 4 && summaries.iter().skip(2).all(|text| text == "job.batch/etl: suspended"),
        "{summaries:?}"
    );
}

/// On a terminal, each Job has a line, and as many lines are drawn as fit.
#[cfg(target_os = "linux")]
#[test]
fn draws_a_line_for_each_job_on_a_terminal() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let jobs: Vec<String> = (0..30)
        .map(|index| with_spec(JOB, "suspend: true").replace("name: etl", &format!("name: etl-{index}")))
        .collect();
    fixture.sandbox.write("job.yaml", jobs.join("---\n"));
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there is a pseudoterminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it can be used");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name").into_string().expect("the name is UTF-8");
    let size = rustix::termios::Winsize { ws_row: 10, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).expect("it can be resized");
    let stderr = std::fs::File::options().read(true).write(true).open(name).expect("it can be opened");
    let mut command = crate::run::isolated_command(crate::run::binary(), fixture.sandbox.directory());
    command.env("KUBECONFIG", fixture.proxy.kubeconfig()).env("TERM", "xterm");
    command.args(["apply", "job.yaml", "--wait", "--timeout=3s", "--no-preflight", "-n", &fixture.namespace]);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(stderr);
    let child = command.spawn().expect("it starts");
    drop(command);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // Reading fails once the program has closed the terminal.
        let _ = std::io::Read::read_to_end(&mut std::fs::File::from(terminal), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 30);
    let text = reader.join().expect("it reads");
    assert!(!text.contains("note: job.batch/"), "{text}");
    // As Jobs end, others take their lines. The first Job ends just before its error is printed.
    let text = text.split("timed out").next().unwrap_or_default();
    let drawn = (0..30).filter(|index| text.contains(&format!(" job.batch/etl-{index}: suspended"))).count();
    assert!((5..=12).contains(&drawn), "{drawn} Jobs are drawn: {text}");
}
