//! Tests of Jobs: immutable pod templates (`--on-immutable`) and waiting (`--wait`, `--logs`).

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::run;
use crate::servers::{ADMIN, Servers};

pub(crate) const JOB: &str = "# The flow of every night
apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow # where the flow runs
        image: none
        env:
        - name: TOKEN
          value: kanarie7f3a
";
const CANARY: &str = "kanarie7f3a";

fn changed_job() -> String {
    JOB.replace("image: none", "image: other")
}

pub(crate) fn with_spec(text: &str, fields: &str) -> String {
    text.replace("backoffLimit: 0", &format!("backoffLimit: 0\n  {fields}"))
}

/// A namespace, a proxy in front of the API server, and a run of the program with this proxy.
pub(crate) struct JobFixture {
    pub(crate) namespace: String,
    pub(crate) admin: Client,
    pub(crate) proxy: Proxy,
    pub(crate) sandbox: Sandbox,
}

impl JobFixture {
    pub(crate) fn new(servers: &Servers) -> Self {
        JobFixture::with_rule(servers, |_| Action::Forward)
    }

    pub(crate) fn with_rule(servers: &Servers, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let proxy = Proxy::start(servers, rule);
        let sandbox = Sandbox::new(proxy.kubeconfig()).file("job.yaml", JOB);
        JobFixture { namespace: servers.create_namespace("job"), admin: servers.client(ADMIN), proxy, sandbox }
    }

    /// Writes a manifest to `job.yaml` and applies it. Asserts that the output has no canary and that no request is
    /// for Secrets.
    pub(crate) fn apply(&self, text: &str, args: &[&str]) -> RunOutput {
        self.sandbox.write("job.yaml", text);
        let output = self.sandbox.run(&[&["apply", "job.yaml", "-n", &self.namespace], args].concat());
        assert!(!format!("{output:?}").contains(CANARY), "{output:?}");
        assert!(!self.proxy.requests().iter().any(|request| request.target.contains("/secrets")));
        output
    }

    fn live_job(&self, name: &str) -> Value {
        self.admin.get(&api_path(&self.namespace, "jobs", name)).expect_success()
    }

    fn uid(&self, name: &str) -> String {
        self.live_job(name)["metadata"]["uid"].as_str().expect("it has one").to_owned()
    }

    fn exists(&self, name: &str) -> bool {
        self.admin.get(&api_path(&self.namespace, "jobs", name)).status == 200
    }

    /// Reports the final state of a Job's pod and waits until the Job has ended.
    pub(crate) fn finish(&self, kubelet: &Kubelet, name: &str, state: &PodState) {
        let pod = kubelet.wait_for_job_pod(&self.namespace, name);
        if self.admin.get(&api_path(&self.namespace, "pods", &pod)).expect_success()["spec"]["nodeName"].is_null() {
            kubelet.bind(&self.namespace, &pod);
        }
        kubelet.set_state(&self.namespace, &pod, state);
        wait_for("the end of the Job", || {
            let job = self.live_job(name);
            let conditions = job["status"]["conditions"].as_array()?.clone();
            let is_finished = |condition: &Value| {
                (condition["type"] == "Complete" || condition["type"] == "Failed") && condition["status"] == "True"
            };
            conditions.iter().any(is_finished).then_some(())
        });
    }

    /// Starts an apply whose stderr can be read line by line.
    pub(crate) fn watch(&self, text: &str, args: &[&str]) -> WatchedRun {
        self.sandbox.write("job.yaml", text);
        let mut command = run::isolated_command(run::binary(), self.sandbox.directory());
        command.env("KUBECONFIG", self.proxy.kubeconfig()).args(["apply", "job.yaml", "-n", &self.namespace]);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (sender, lines) = channel();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is a pipe"));
        thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("it prints UTF-8");
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        WatchedRun { child, lines, stderr_lines: Vec::new() }
    }

    /// Returns the number of watches whose path or query contains `part`.
    pub(crate) fn watch_count(&self, part: &str) -> usize {
        let is_watch = |request: &&Request| request.target.contains("watch=true") && request.target.contains(part);
        self.proxy.requests().iter().filter(is_watch).count()
    }

    /// Waits until the program has listed the pods of its Job.
    pub(crate) fn wait_for_poll(&self) {
        wait_for("a look at pods", || {
            self.proxy.requests().iter().any(|request| request.target.contains("/pods?")).then_some(())
        });
    }
}

/// A running program whose stderr is read line by line.
pub(crate) struct WatchedRun {
    child: Child,
    lines: Receiver<String>,
    stderr_lines: Vec<String>,
}

impl WatchedRun {
    /// Waits for the next log line in stderr and returns it without its prefix.
    #[track_caller]
    fn next_log_line(&mut self) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no line comes after {:?}", self.stderr_lines));
            self.stderr_lines.push(line.clone());
            if let Some((head, text)) = line.split_once("] ")
                && head.starts_with('[')
            {
                return text.trim_end_matches('\n').to_owned();
            }
        }
    }

    /// Waits for the next line in stderr that contains `part`.
    #[track_caller]
    pub(crate) fn next_line_with(&mut self, part: &str) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no line with {part:?} comes after {:?}", self.stderr_lines));
            self.stderr_lines.push(line.clone());
            if line.contains(part) {
                return;
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        let status = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(status.expect("there is a kill").success());
    }

    /// Waits until the program exits. Returns the exit code, stdout and the whole stderr.
    pub(crate) fn wait(mut self) -> (i32, String, String) {
        let mut stdout = String::new();
        self.child.stdout.take().expect("it is a pipe").read_to_string(&mut stdout).expect("it prints UTF-8");
        let status = self.child.wait().expect("it ends").code().unwrap_or(-1);
        self.stderr_lines.extend(self.lines);
        let stderr = self.stderr_lines.concat();
        assert!(!stderr.contains(['\u{1b}', '\r']), "{stderr:?}");
        (status, stdout, stderr)
    }

    /// Returns the log lines in the stderr of a run.
    fn log_lines(stderr: &str) -> Vec<&str> {
        stderr.lines().filter(|line| line.starts_with('[')).filter_map(|line| Some(line.split_once("] ")?.1)).collect()
    }
}

#[test]
fn refuses_a_different_pod_template_by_default() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    let before = fixture.live_job("etl");
    let other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n";
    for args in [&[][..], &["--on-immutable=fail"], &["--force-conflicts"]] {
        let output = fixture
            .apply(&(changed_job() + other), args)
            .assert_exit(3, &["job.batch/etl", "--on-immutable", "recreate"]);
        assert!(output.stdout.contains("job.batch/etl failed"), "{output:?}");
    }
    assert_eq!(fixture.proxy.writes().len(), 1);
    let output = fixture.apply(&(changed_job() + other), &["--on-immutable=skip"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/other created\njob.batch/etl skipped\n");
    assert_eq!(fixture.uid("etl"), before["metadata"]["uid"]);
    assert_eq!(fixture.live_job("etl")["spec"]["template"], before["spec"]["template"]);
}

#[test]
fn refuses_contradictory_policies() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    for (args, expected_message) in [
        (&["--on-immutable=replace"][..], "new-name"),
        (&["--recreate-running"], "--on-immutable=recreate"),
        (&["--recreate-running", "--on-immutable=skip"], "--on-immutable=recreate"),
    ] {
        fixture.apply(JOB, args).assert_exit(2, &[expected_message]);
    }
    assert!(fixture.proxy.requests().is_empty());
}

/// The deletion has the checked UID and resource version as preconditions, deletes pods first, and follows a
/// successful dry run of the new Job.
#[test]
fn recreates_an_ended_job() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    for (state, extra_args) in [(PodState::Succeeded, &[][..]), (PodState::Failed(1, "Error"), &["--no-preflight"])] {
        let fixture = JobFixture::new(servers);
        fixture.apply(JOB, &[]).assert_exit(0, &[]);
        fixture.finish(&kubelet, "etl", &state);
        let old = fixture.live_job("etl");
        let output =
            fixture.apply(&changed_job(), &[&["--on-immutable=recreate"], extra_args].concat()).assert_exit(0, &[]);
        assert_eq!(output.stdout, "job.batch/etl recreated\n");
        let new = fixture.live_job("etl");
        assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
        assert_eq!(new["spec"]["template"]["spec"]["containers"][0]["image"], "other");

        let requests = fixture.proxy.requests();
        let deletion_index = requests.iter().position(|request| request.method == "DELETE").expect("it deletes");
        let options: Value = serde_json::from_slice(&requests[deletion_index].body).expect("it is JSON");
        assert_eq!(options["preconditions"]["uid"], old["metadata"]["uid"]);
        assert_eq!(options["preconditions"]["resourceVersion"], old["metadata"]["resourceVersion"]);
        assert_eq!(options["propagationPolicy"], "Foreground");
        let dry_run_index = requests.iter().position(|request| request.method == "POST").expect("it tries the new one");
        assert!(requests[dry_run_index].is_dry_run() && dry_run_index < deletion_index);
        let body: Value = serde_json::from_slice(&requests[dry_run_index].body).expect("it is JSON");
        assert_eq!(body["spec"]["template"]["spec"]["containers"][0]["image"], "other");
        assert!(body["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("etl-jobplate-")), "{body}");

        // An unchanged manifest deletes nothing.
        let rerun = fixture.apply(&changed_job(), &["--on-immutable=recreate"]).assert_exit(0, &[]);
        assert_eq!(rerun.stdout, "job.batch/etl unchanged\n");
        assert_eq!(fixture.live_job("etl")["metadata"]["uid"], new["metadata"]["uid"]);
    }
}

#[test]
fn deletes_a_running_job_only_with_the_flag() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    let uid = fixture.uid("etl");
    // A Job without a pod counts as running, too.
    for extra_args in [&[][..], &["--no-preflight"]] {
        let args = [&["--on-immutable=recreate"], extra_args].concat();
        fixture.apply(&changed_job(), &args).assert_exit(3, &["running", "--recreate-running"]);
    }
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    fixture.apply(&changed_job(), &["--on-immutable=recreate"]).assert_exit(3, &["running", "--recreate-running"]);
    assert_eq!(fixture.uid("etl"), uid);
    assert!(fixture.proxy.writes().iter().all(|request| request.method != "DELETE"));

    let output = fixture.apply(&changed_job(), &["--on-immutable=recreate", "--recreate-running"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    assert_ne!(fixture.uid("etl"), uid);
    assert_eq!(fixture.admin.get(&api_path(&fixture.namespace, "pods", &pod)).status, 404);
    let deletions: Vec<Request> =
        fixture.proxy.writes().into_iter().filter(|request| request.method == "DELETE").collect();
    let options: Value = serde_json::from_slice(&deletions[0].body).expect("it is JSON");
    assert!(deletions.len() == 1 && options["preconditions"]["uid"] == uid.as_str(), "{options}");
    assert!(options["preconditions"]["resourceVersion"].is_string(), "{options}");
}

#[test]
fn keeps_a_job_that_a_cron_job_owns() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "flow", "image": "none"}]}});
    let spec = json!({"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": pod}}});
    let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "owner"}, "spec": spec});
    let owner = fixture.admin.post(&api_path(&fixture.namespace, "cronjobs", ""), &cron_job).expect_success();
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "owner", "controller": true,
        "uid": owner["metadata"]["uid"]});
    let owner_patch = json!({"metadata": {"ownerReferences": [owner]}});
    fixture
        .admin
        .patch(&api_path(&fixture.namespace, "jobs", "etl"), "merge", owner_patch.to_string())
        .expect_success();
    let uid = fixture.uid("etl");
    for extra_args in [&[][..], &["--recreate-running"], &["--recreate-running", "--no-preflight"]] {
        let args = [&["--on-immutable=recreate"], extra_args].concat();
        fixture.apply(&changed_job(), &args).assert_exit(3, &["job.batch/etl", "CronJob"]);
    }
    assert_eq!(fixture.uid("etl"), uid);
    assert!(fixture.proxy.writes().iter().all(|request| request.method != "DELETE"));
}

/// A replacement that the server would reject is reported before the deletion.
#[test]
fn deletes_nothing_for_an_invalid_replacement() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    let fixture = JobFixture::new(servers);
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let uid = fixture.uid("etl");

    // This policy applies only to creations, so the dry run of an apply does not trigger it.
    let name = format!("no-other.{}", fixture.namespace);
    let rules =
        json!([{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]);
    let namespace_selector = json!({"matchLabels": {"kubernetes.io/metadata.name": fixture.namespace}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules, "namespaceSelector": namespace_selector},
            "validations": [{"expression": "!object.spec.template.spec.containers.exists(c, c.image == 'other')"}]},
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    let api_prefix = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
    fixture.admin.post(&format!("{api_prefix}ies"), &policy).expect_success();
    fixture.admin.post(&format!("{api_prefix}ybindings"), &binding).expect_success();
    let probe = changed_job().replace("name: etl", "name: probe");
    let dry_run_path = format!("{}?dryRun=All", api_path(&fixture.namespace, "jobs", ""));
    wait_for("the policy", || {
        let response = fixture.admin.request("POST", &dry_run_path, "application/yaml", probe.as_bytes()).ok()?;
        (response.status != 201).then_some(())
    });

    for (text, expected_message) in [
        (changed_job(), &*name),
        (changed_job().replace("image: other", "image: third").replace("Never", "Always"), "restartPolicy"),
        (
            changed_job().replace("image: other", "image: third").replace("name: TOKEN", "name: A=B"),
            "invalid variable name",
        ),
    ] {
        for extra_args in [&[][..], &["--no-preflight"]] {
            let args = [&["--on-immutable=recreate", "--recreate-running"], extra_args].concat();
            fixture.apply(&text, &args).assert_exit(3, &[expected_message]);
        }
    }
    assert_eq!(fixture.uid("etl"), uid);
    assert!(fixture.proxy.writes().iter().all(|request| request.method != "DELETE"));
}

#[test]
fn updates_or_recreates_a_suspended_job() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let suspended_job = with_spec(JOB, "suspend: true");
    fixture.apply(&suspended_job, &[]).assert_exit(0, &[]);
    let uid = fixture.uid("etl");
    // The image of a suspended Job is immutable, too. The server reports this with a different message.
    let other = suspended_job.replace("image: none", "image: other");
    fixture.apply(&other, &[]).assert_exit(3, &["--on-immutable"]);
    let output = fixture.apply(&other, &["--on-immutable=recreate"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    assert_ne!(fixture.uid("etl"), uid);
    let output = fixture.apply(&other.replace("suspend: true", "suspend: false"), &[]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl configured\n");
}

/// Another client resumes the Job after the program has found it suspended.
#[test]
fn keeps_a_job_that_changes_before_its_deletion() {
    let Some(servers) = Servers::shared() else { return };
    let job_path = Arc::<std::sync::OnceLock<String>>::default();
    let (path_for_rule, admin) = (Arc::clone(&job_path), servers.client(ADMIN));
    let fixture = JobFixture::with_rule(servers, move |request| {
        if request.method == "DELETE" {
            let labels = json!({"seen": request.earlier_count.to_string()});
            let resume_patch = json!({"spec": {"suspend": false}, "metadata": {"labels": labels}});
            admin.patch(path_for_rule.get().expect("it is known"), "merge", resume_patch.to_string()).expect_success();
        }
        Action::Forward
    });
    job_path.set(api_path(&fixture.namespace, "jobs", "etl")).expect("it is set once");
    let suspended_job = with_spec(JOB, "suspend: true");
    fixture.apply(&suspended_job, &[]).assert_exit(0, &[]);
    let uid = fixture.uid("etl");
    fixture
        .apply(&suspended_job.replace("image: none", "image: other"), &["--on-immutable=recreate"])
        .assert_exit(3, &["job.batch/etl"]);
    let live = fixture.live_job("etl");
    assert!(live["metadata"]["uid"] == uid.as_str() && live["metadata"]["deletionTimestamp"].is_null(), "{live}");
}

/// After the program has checked the Job, another client replaces the Job with a Job of the same name.
#[test]
fn keeps_another_job_with_the_name() {
    let Some(servers) = Servers::shared() else { return };
    let job_path = Arc::<std::sync::OnceLock<String>>::default();
    let (path_for_rule, admin) = (Arc::clone(&job_path), servers.client(ADMIN));
    let fixture = JobFixture::with_rule(servers, move |request| {
        if request.method == "DELETE" && request.earlier_count == 0 {
            let path = path_for_rule.get().expect("it is known");
            admin.delete(path).expect_success();
            wait_for("the deletion", || (admin.get(path).status == 404).then_some(()));
            let text = JOB.replace("image: none", "image: third");
            admin.patch(&format!("{path}?fieldManager=somebody"), "apply", text).expect_success();
        }
        Action::Forward
    });
    job_path.set(api_path(&fixture.namespace, "jobs", "etl")).expect("it is set once");
    let suspended_job = with_spec(JOB, "suspend: true");
    fixture.apply(&suspended_job, &[]).assert_exit(0, &[]);
    fixture
        .apply(&suspended_job.replace("image: none", "image: other"), &["--on-immutable=recreate"])
        .assert_exit(3, &["job.batch/etl"]);
    let live = fixture.live_job("etl");
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "third");
    assert!(live["metadata"]["deletionTimestamp"].is_null(), "{live}");
}

/// The response to the deletion is lost, and the retry finds the Job in deletion.
#[test]
fn retries_a_deletion_whose_response_is_lost() {
    let Some(servers) = Servers::shared() else { return };
    let job_path = Arc::<std::sync::OnceLock<String>>::default();
    let (path_for_rule, admin, is_deleted) = (Arc::clone(&job_path), servers.client(ADMIN), AtomicBool::new(false));
    let fixture = JobFixture::with_rule(servers, move |request| {
        if request.method == "DELETE" && request.earlier_count == 0 {
            is_deleted.store(true, Ordering::SeqCst);
            return Action::ResetAfter;
        }
        if request.matches("GET", "/jobs/etl") && is_deleted.swap(false, Ordering::SeqCst) {
            let without_finalizers = json!({"metadata": {"finalizers": null}});
            admin
                .patch(path_for_rule.get().expect("it is known"), "merge", without_finalizers.to_string())
                .expect_success();
        }
        Action::Forward
    });
    job_path.set(api_path(&fixture.namespace, "jobs", "etl")).expect("it is set once");
    let with_finalizer =
        with_spec(JOB, "suspend: true").replace("name: etl", "name: etl\n  finalizers: [example.com/held]");
    fixture.apply(&with_finalizer, &[]).assert_exit(0, &[]);
    let uid = fixture.uid("etl");
    let output =
        fixture.apply(&with_spec(&changed_job(), "suspend: true"), &["--on-immutable=recreate"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    assert_ne!(fixture.uid("etl"), uid);
}

#[test]
fn deletes_nothing_in_a_dry_run() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    fixture.apply(&with_spec(JOB, "suspend: true"), &[]).assert_exit(0, &[]);
    // Waits until the controller has written the condition `Suspended`, so the Job no longer changes by itself.
    wait_for("the controller", || fixture.live_job("etl")["status"]["conditions"].is_array().then_some(()));
    let before = fixture.live_job("etl");
    let changed = with_spec(&changed_job(), "suspend: true");
    let output = fixture.apply(&changed, &["--on-immutable=recreate", "--dry-run=server"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated (server dry run)\n");
    // The Job is not deleted if the server rejects another object of the input.
    let bad = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    fixture.apply(&(changed + bad), &["--on-immutable=recreate"]).assert_exit(3, &["UPPER"]);
    assert_eq!(fixture.live_job("etl"), before);
    assert_eq!(fixture.proxy.writes().len(), 1);
}

#[test]
fn reports_a_deleted_job_that_was_not_recreated() {
    let Some(servers) = Servers::shared() else { return };
    let is_deleted = AtomicBool::new(false);
    let fixture = JobFixture::with_rule(servers, move |request| {
        is_deleted.fetch_or(request.method == "DELETE" && !request.is_dry_run(), Ordering::SeqCst);
        match is_deleted.load(Ordering::SeqCst) && request.method == "PATCH" {
            true => Action::status(403, "Forbidden", "admission webhook \"a.example.com\" denied the request: no"),
            false => Action::Forward,
        }
    });
    let suspended_job = with_spec(JOB, "suspend: true");
    fixture.apply(&suspended_job, &[]).assert_exit(0, &[]);
    let changed = suspended_job.replace("image: none", "image: other");
    let output = fixture.apply(&changed, &["--on-immutable=recreate"]).assert_exit(3, &["a.example.com", "deleted"]);
    assert_eq!(output.stdout, "job.batch/etl failed\n", "{output:?}");
    assert!(!fixture.exists("etl"));
}

#[test]
fn times_out_during_a_deletion() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let with_finalizer =
        with_spec(JOB, "suspend: true").replace("name: etl", "name: etl\n  finalizers: [example.com/held]");
    fixture.apply(&with_finalizer, &[]).assert_exit(0, &[]);
    let start = Instant::now();
    let changed = with_finalizer.replace("image: none", "image: other");
    fixture
        .apply(&changed, &["--on-immutable=recreate", "--timeout=2s"])
        .assert_exit(5, &["job.batch/etl", "--timeout"]);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(fixture.live_job("etl")["metadata"]["deletionTimestamp"].is_string());
    let without_finalizers = json!({"metadata": {"finalizers": null}});
    fixture
        .admin
        .patch(&api_path(&fixture.namespace, "jobs", "etl"), "merge", without_finalizers.to_string())
        .expect_success();
}

#[test]
fn uses_the_hashed_name_of_render() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let output = fixture.apply(JOB, &["--on-immutable=new-name", "--secret-env", "TOKEN=s/k"]).assert_exit(0, &[]);
    let name = output.stdout.strip_prefix("job.batch/").and_then(|rest| rest.strip_suffix(" created\n"));
    let name = name.unwrap_or_else(|| panic!("{output:?}")).to_owned();
    assert!(name.len() == "etl-".len() + 8 && name.starts_with("etl-"), "{name}");
    let rendered =
        fixture.sandbox.run(&["render", "job.yaml", "--name-hash", "--secret-env", "TOKEN=s/k"]).assert_exit(0, &[]);
    assert!(rendered.stdout.contains(&name) && rendered.stdout.contains("# where the flow runs"));
    let bodies: Vec<String> =
        fixture.proxy.writes().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert_eq!(bodies, [rendered.stdout]);

    // The hash in the name does not depend on comments and layout, so no second Job is created.
    let args = ["--on-immutable=new-name", "--secret-env", "TOKEN=s/k"];
    for text in [
        JOB.to_owned(),
        JOB.replace("# where the flow runs", "# elsewhere"),
        JOB.replace("# The flow of every night\n", "\n\n"),
        JOB.replace("name: flow # where the flow runs\n        image: none", "image: 'none'\n        name: \"flow\""),
    ] {
        let output = fixture.apply(&text, &args).assert_exit(0, &[]);
        assert_eq!(output.stdout, format!("job.batch/{name} unchanged\n"), "{text}");
    }
    // A changed manifest creates a second Job.
    let output = fixture.apply(&changed_job(), &args).assert_exit(0, &[]);
    assert!(output.stdout.ends_with(" created\n") && !output.stdout.contains(&name), "{output:?}");
    assert!(fixture.exists(&name) && !fixture.exists("etl"));
}

/// A CronJob with another name would be a second CronJob and run the flow twice.
#[test]
fn renames_only_jobs() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let spec = JOB.split_once("spec:\n").expect("it has a spec").1;
    let spec: String = spec.lines().map(|line| format!("    {line}\n")).collect();
    let head = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  suspend: true\n  schedule: '0 0 1 1 *'\n";
    let cron_job = format!("{head}  jobTemplate:\n    spec:\n{spec}");
    let output = fixture.apply(&format!("{cron_job}---\n{JOB}"), &["--on-immutable=new-name"]).assert_exit(0, &[]);
    assert!(output.stdout.starts_with("cronjob.batch/nightly created\njob.batch/etl-"), "{output:?}");
}

/// After the TTL has removed the Job, the next apply runs it again.
#[test]
fn notes_a_ttl() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = JobFixture::new(servers);
    let has_ttl_note = |output: &RunOutput| {
        let lines: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("note:")).collect();
        lines
            .iter()
            .any(|line| (line.contains("TTL") || line.contains("ttlSecondsAfterFinished")) && line.contains("again"))
    };
    let output = fixture.apply(&with_spec(JOB, "ttlSecondsAfterFinished: 3600"), &[]).assert_exit(0, &[]);
    assert!(has_ttl_note(&output), "{}", output.stderr);
    let output = fixture
        .apply(&with_spec(JOB, "ttlSecondsAfterFinished: 3600"), &["--on-immutable=new-name"])
        .assert_exit(0, &[]);
    assert!(has_ttl_note(&output), "{}", output.stderr);
    let output = fixture.apply(&JOB.replace("name: etl", "name: other"), &[]).assert_exit(0, &[]);
    assert!(!has_ttl_note(&output), "{}", output.stderr);
}

/// Runs `apply --wait`, and calls `act` with a kubelet once the program waits.
pub(crate) fn run_and_wait(
    servers: &Servers,
    text: &str,
    args: &[&str],
    act: impl FnOnce(&JobFixture, &Kubelet),
) -> (i32, String, String) {
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let watched_run = fixture.watch(text, &[&["--wait"], args].concat());
    fixture.wait_for_poll();
    act(&fixture, &kubelet);
    let (status, stdout, stderr) = watched_run.wait();
    assert!(!fixture.proxy.requests().iter().any(|request| request.target.contains("/secrets")));
    assert!(!stdout.contains(CANARY) && !stderr.contains(CANARY), "{stderr}");
    (status, stdout, stderr)
}

#[test]
fn reports_how_a_job_ended() {
    let Some(servers) = Servers::shared() else { return };
    type Act = fn(&JobFixture, &Kubelet);
    let cases: &[(&str, Act, i32, &[&str])] = &[
        (
            "complete",
            |fixture, kubelet| fixture.finish(kubelet, "etl", &PodState::Succeeded),
            0,
            &["job.batch/etl", "complete"],
        ),
        (
            "failed",
            |fixture, kubelet| fixture.finish(kubelet, "etl", &PodState::Failed(137, "OOMKilled")),
            4,
            &["job.batch/etl", "failed", "137", "OOMKilled", "container flow"],
        ),
        (
            "deleted",
            |fixture, _| drop(fixture.admin.delete(&api_path(&fixture.namespace, "jobs", "etl")).expect_success()),
            4,
            &["job.batch/etl", "deleted"],
        ),
        (
            "made anew by somebody else",
            |fixture, _| {
                let etl = api_path(&fixture.namespace, "jobs", "etl");
                let job = fixture.live_job("etl");
                fixture.admin.delete(&etl).expect_success();
                wait_for("the deletion", || (fixture.admin.get(&etl).status == 404).then_some(()));
                let template = json!({"spec": job["spec"]["template"]["spec"]});
                let new = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "etl"}, "spec": {"template": template}});
                fixture.admin.post(&api_path(&fixture.namespace, "jobs", ""), &new).expect_success();
            },
            4,
            &["job.batch/etl", "deleted"],
        ),
        (
            "no such Secret",
            |fixture, kubelet| drop(kubelet.start_pod(&fixture.namespace, "etl", &PodState::secret_missing("prefect"))),
            4,
            &["CreateContainerConfigError", "Secret prefect", "kubectl create secret"],
        ),
        (
            "no such key",
            |fixture, kubelet| {
                drop(kubelet.start_pod(
                    &fixture.namespace,
                    "etl",
                    &PodState::key_missing(&fixture.namespace, "prefect", "token"),
                ))
            },
            4,
            &["CreateContainerConfigError", "Secret prefect", "key token"],
        ),
        (
            "no such image",
            |fixture, kubelet| drop(kubelet.start_pod(&fixture.namespace, "etl", &PodState::image_missing("none"))),
            4,
            &["ImagePullBackOff", "container flow"],
        ),
        (
            "a message that holds a value",
            |fixture, kubelet| {
                let message = format!("failed to prepare {CANARY} for {CANARY}");
                kubelet.start_pod(&fixture.namespace, "etl", &PodState::Waiting("CreateContainerError", message));
            },
            4,
            &["CreateContainerError", "container flow"],
        ),
    ];
    thread::scope(|scope| {
        for (label, act, status, expected_message) in cases {
            scope.spawn(move || {
                let (code, stdout, stderr) = run_and_wait(servers, JOB, &["--start-timeout=1s"], act);
                assert_eq!(code, *status, "{label}: {stdout}{stderr}");
                let output = if *status == 0 { &stdout } else { &stderr };
                expected_message.iter().for_each(|part| assert!(output.contains(part), "{label}: {part}: {stderr}"));
                assert!(stdout.starts_with("job.batch/etl created, "), "{label}: {stdout}");
            });
        }
    });
}

#[test]
fn reports_one_failure_of_two_jobs() {
    let Some(servers) = Servers::shared() else { return };
    let manifest = format!("{}---\n{JOB}", JOB.replace("name: etl", "name: good"));
    let (status, stdout, stderr) = run_and_wait(servers, &manifest, &[], |fixture, kubelet| {
        fixture.finish(kubelet, "etl", &PodState::Failed(3, "Error"));
        fixture.finish(kubelet, "good", &PodState::Succeeded);
    });
    assert_eq!(status, 4, "{stderr}");
    // The Job that ends first is reported first.
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("job.batch/good created, complete"), "{stdout}");
    assert!(lines[0].starts_with("job.batch/etl created, failed") && lines[0].contains("exit code 3"), "{stdout}");
}

#[test]
fn times_out() {
    let Some(servers) = Servers::shared() else { return };
    let suspended_job = with_spec(JOB, "suspend: true");
    for (text, expected_message, expected_hint) in
        [(JOB, "1 active", "--timeout"), (&suspended_job, "suspended", "`suspend` to false")]
    {
        let (status, stdout, stderr) = run_and_wait(servers, text, &["--timeout=4s"], |_, _| ());
        assert_eq!(status, 5, "{stderr}");
        assert!(
            stderr.contains(expected_message) && stderr.contains(expected_hint) && stdout.contains(expected_message),
            "{stdout}{stderr}"
        );
    }
}

/// The first failure determines the exit code.
#[test]
fn exits_with_the_code_of_the_first_failure() {
    let Some(servers) = Servers::shared() else { return };
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    let (status, stdout, stderr) =
        run_and_wait(servers, &format!("{JOB}---\n{bad}"), &["--no-preflight"], |fixture, kubelet| {
            fixture.finish(kubelet, "etl", &PodState::Failed(3, "Error"));
        });
    assert_eq!(status, 3, "{stderr}");
    assert!(stdout.contains("exit code 3") && stdout.contains("configmap/UPPER failed"), "{stdout}");
}

#[test]
fn accepts_very_long_timeouts() {
    let Some(servers) = Servers::shared() else { return };
    for time in ["0", "18446744073709551615", "9223372036854775807s", "2562047788015215h"] {
        let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
        fixture.apply(JOB, &[]).assert_exit(0, &[]);
        fixture.finish(&kubelet, "etl", &PodState::Succeeded);
        let output = fixture.apply(JOB, &["--wait", "--timeout", time, "--request-timeout", time]);
        assert!(matches!(output.status, 0 | 2), "{time}: {output:?}");
    }
}

#[test]
fn does_not_wait_for_an_ended_job() {
    let Some(servers) = Servers::shared() else { return };
    let kubelet = Kubelet::start(servers);
    for (state, status, expected_message) in
        [(PodState::Succeeded, 0, "complete"), (PodState::Failed(2, "Error"), 4, "exit code 2")]
    {
        let fixture = JobFixture::new(servers);
        fixture.apply(JOB, &[]).assert_exit(0, &[]);
        fixture.finish(&kubelet, "etl", &state);
        let output = fixture.apply(JOB, &["--wait"]).assert_exit(status, &[]);
        assert!(output.stdout.starts_with("job.batch/etl unchanged, "), "{output:?}");
        assert!(output.stdout.contains(expected_message), "{output:?}");
    }
    let fixture = JobFixture::new(servers);
    fixture.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", &["--wait"]).assert_exit(0, &[]);
    fixture.apply(JOB, &["--wait", "--dry-run=server"]).assert_exit(0, &[]);
    // A failure ends the wait long before the timeout.
    let start = Instant::now();
    fixture.apply(&JOB.replace("Never", "Always"), &["--wait"]).assert_exit(3, &["restartPolicy"]);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn waits_for_a_job_with_generate_name() {
    let Some(servers) = Servers::shared() else { return };
    let text = JOB.replace("name: etl", "generateName: etl-");
    let (status, stdout, stderr) = run_and_wait(servers, &text, &[], |fixture, kubelet| {
        let jobs = fixture.admin.get(&api_path(&fixture.namespace, "jobs", "")).expect_success();
        let name = jobs["items"][0]["metadata"]["name"].as_str().expect("it is made").to_owned();
        fixture.finish(kubelet, &name, &PodState::Succeeded);
    });
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl-") && stdout.contains(" created, complete"), "{stdout}");
}

#[test]
fn waits_for_a_recreated_job() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    fixture.finish(&kubelet, "etl", &PodState::Failed(1, "Error"));
    let old = fixture.uid("etl");
    let watched_run = fixture.watch(&changed_job(), &["--wait", "--on-immutable=recreate", "-o", "json"]);
    wait_for("the new one", || {
        let response = fixture.admin.get(&api_path(&fixture.namespace, "jobs", "etl"));
        (response.status == 200 && response.json()["metadata"]["uid"] != old.as_str()).then_some(())
    });
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, stdout, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(report["objects"][0]["outcome"], "recreated");
    assert!(report["objects"][0]["job"].as_str().is_some_and(|job| job.starts_with("complete")), "{report}");
}

#[test]
fn leaves_the_job_running_after_ctrl_c() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    for args in [&["--wait"][..], &["--logs"]] {
        let earlier_watches = fixture.watch_count("/pods?");
        let watched_run = fixture.watch(JOB, args);
        let pod = kubelet.wait_for_job_pod(&fixture.namespace, "etl");
        if args == ["--wait"] {
            kubelet.bind(&fixture.namespace, &pod);
            kubelet.set_state(&fixture.namespace, &pod, &PodState::Running);
        }
        wait_for("the watch of the pods", || (fixture.watch_count("/pods?") > earlier_watches).then_some(()));
        let start = Instant::now();
        watched_run.interrupt();
        let (status, stdout, stderr) = watched_run.wait();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(status, 130, "{stderr}");
        assert!(stderr.contains("continue"), "{stderr}");
        assert!(stdout.starts_with("job.batch/etl "), "{stdout}");
    }
    wait_for("an active Job", || (fixture.live_job("etl")["status"]["active"] == 1).then_some(()));
    assert!(fixture.live_job("etl")["metadata"]["deletionTimestamp"].is_null());
}

#[test]
fn keeps_waiting_while_the_api_server_restarts() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::start_separate() else { return };
    let (fixture, kubelet) = (JobFixture::new(&servers), Kubelet::start(&servers));
    let mut watched_run = fixture.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(1, "one"));
    assert_eq!(watched_run.next_log_line(), "one");
    servers.kill_apiserver();
    let request_count = fixture.proxy.requests().len();
    wait_for("a look in vain", || (fixture.proxy.requests().len() > request_count + 1).then_some(()));
    servers.start_apiserver();
    kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(2, "two"));
    assert_eq!(watched_run.next_log_line(), "two");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, stdout, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, complete"), "{stdout}");
    assert_eq!(WatchedRun::log_lines(&stderr), ["one", "two"]);
}

/// Returns a log line in a kubelet's format, with its timestamp.
fn timestamped_line(second: u32, text: &str) -> String {
    format!("2026-01-01T00:00:{second:02}.000000001Z {text}\n")
}

#[test]
fn prints_log_lines_as_they_arrive() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut watched_run = fixture.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    // Each line is written only after the previous line has arrived, so buffered output would fail the test.
    for (second, line) in [(1, "one"), (2, "two: a b"), (3, ""), (4, "  indented")] {
        kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(second, line));
        assert_eq!(watched_run.next_log_line(), line);
    }
    // Control characters are escaped. An incomplete line is printed when its end arrives.
    kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(5, "\u{1b}[31mred\r"));
    assert!(watched_run.next_log_line().contains("red"));
    kubelet.append_log(&fixture.namespace, &pod, "flow", "2026-01-01T00:00:06Z half");
    kubelet.append_log(&fixture.namespace, &pod, "flow", " and half\n");
    assert_eq!(watched_run.next_log_line(), "half and half");
    kubelet.append_log(&fixture.namespace, &pod, "flow", "2026-01-01T00:00:07Z no end");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    assert_eq!(watched_run.next_log_line(), "no end");
    let (status, stdout, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.starts_with("job.batch/etl created, complete") && stdout.lines().count() == 1, "{stdout}");
    assert!(stderr.contains(&format!("[{pod} flow] one\n")), "{stderr}");
    assert!(kubelet.log_requests().iter().all(|target| target.contains("follow=true")));
}

/// Several lines may have the same timestamp, and the clock may be set back.
#[test]
fn prints_lines_with_equal_or_earlier_times() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut watched_run = fixture.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    for (second, line) in [(5, "a"), (5, "b"), (3, "c"), (4, "d"), (6, "e"), (6, "e"), (6, "f")] {
        kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(second, line));
        assert_eq!(watched_run.next_log_line(), line);
    }
    // The next line has the same timestamp as the last line before the break.
    kubelet.break_logs();
    kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(6, "g"));
    assert_eq!(watched_run.next_log_line(), "g");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    assert_eq!(watched_run.wait().0, 0);
}

#[test]
fn resumes_a_broken_log_without_repeating_lines() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut watched_run = fixture.watch(JOB, &["--logs"]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    let mut printed_lines = Vec::new();
    // Breaks the connection repeatedly, since a long Job outlives many log connections.
    for round in 0..8 {
        for (second, line) in [(3 * round, "a"), (3 * round + 1, "b"), (3 * round + 2, "c")] {
            let line = format!("{line}{round}");
            kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(second, &line));
            assert_eq!(watched_run.next_log_line(), line);
            printed_lines.push(line);
        }
        kubelet.break_logs();
    }
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(WatchedRun::log_lines(&stderr), printed_lines);
}

#[test]
fn prints_logs_of_init_containers() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let text = JOB
        .replace("      containers:", "      initContainers:\n      - {name: first, image: none}\n      containers:");
    let mut watched_run = fixture.watch(&text, &["--logs"]);
    let pod = kubelet.wait_for_job_pod(&fixture.namespace, "etl");
    kubelet.bind(&fixture.namespace, &pod);
    let state = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    let container =
        json!({"name": "first", "image": "none", "imageID": "", "restartCount": 0, "ready": false, "state": state});
    let status = json!({"status": {"phase": "Pending", "initContainerStatuses": [container]}});
    fixture
        .admin
        .patch(&format!("{}/status", api_path(&fixture.namespace, "pods", &pod)), "merge", status.to_string())
        .expect_success();
    kubelet.append_log(&fixture.namespace, &pod, "first", &timestamped_line(1, "getting ready"));
    assert_eq!(watched_run.next_log_line(), "getting ready");
    kubelet.set_state(&fixture.namespace, &pod, &PodState::Running);
    kubelet.append_log(&fixture.namespace, &pod, "flow", &timestamped_line(2, "working"));
    assert_eq!(watched_run.next_log_line(), "working");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains(&format!("[{pod} first] getting ready\n[{pod} flow] working\n")), "{stderr}");
}

#[test]
fn prints_logs_of_the_next_pod_after_a_failure() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    let mut watched_run = fixture.watch(&JOB.replace("backoffLimit: 0", "backoffLimit: 1"), &["--logs"]);
    let first = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    kubelet.append_log(&fixture.namespace, &first, "flow", &timestamped_line(1, "no luck"));
    assert_eq!(watched_run.next_log_line(), "no luck");
    kubelet.set_state(&fixture.namespace, &first, &PodState::Failed(1, "Error"));
    let second = wait_for("another pod", || {
        Some(kubelet.wait_for_job_pod(&fixture.namespace, "etl")).filter(|pod| *pod != first)
    });
    kubelet.bind(&fixture.namespace, &second);
    kubelet.set_state(&fixture.namespace, &second, &PodState::Running);
    kubelet.append_log(&fixture.namespace, &second, "flow", &timestamped_line(2, "luck"));
    assert_eq!(watched_run.next_log_line(), "luck");
    fixture.finish(&kubelet, "etl", &PodState::Succeeded);
    let (status, _, stderr) = watched_run.wait();
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(WatchedRun::log_lines(&stderr), ["no luck", "luck"]);
}

/// A pod may end before the first poll.
#[test]
fn prints_logs_of_an_ended_pod() {
    let Some(servers) = Servers::shared() else { return };
    let (fixture, kubelet) = (JobFixture::new(servers), Kubelet::start(servers));
    fixture.apply(JOB, &[]).assert_exit(0, &[]);
    let pod = kubelet.start_pod(&fixture.namespace, "etl", &PodState::Running);
    kubelet.append_log(&fixture.namespace, &pod, "flow", &(timestamped_line(1, "one") + &timestamped_line(2, "two")));
    fixture.finish(&kubelet, "etl", &PodState::Failed(1, "Error"));
    let output = fixture.apply(JOB, &["--logs"]).assert_exit(4, &["exit code 1"]);
    assert_eq!(WatchedRun::log_lines(&output.stderr), ["one", "two"]);
}
