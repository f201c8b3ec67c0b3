//! Tests of Jobs that are recreated in a namespace with a full quota.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::wait_for;
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// Creates the quota `q`, and waits until its limits apply.
pub(crate) fn create_quota(admin: &Client, namespace: &str, hard: &Value) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}});
    admin.post(&api_path(namespace, "resourcequotas", ""), &quota).expect_success();
    wait_for_quota(admin, namespace, |status| status["hard"] == *hard && !status["used"].is_null());
}

fn wait_for_quota(admin: &Client, namespace: &str, is_reached: impl Fn(&Value) -> bool) {
    let path = api_path(namespace, "resourcequotas", "q");
    wait_for("the quota", || is_reached(&admin.get(&path).expect_success()["status"]).then_some(()));
}

/// Changes the number of Jobs that the quota allows.
fn set_limit(admin: &Client, namespace: &str, limit: &str) {
    let patch = json!({"spec": {"hard": {"count/jobs.batch": limit}}}).to_string();
    admin.patch(&api_path(namespace, "resourcequotas", "q"), "merge", patch).expect_success();
    wait_for_quota(admin, namespace, |status| status["hard"]["count/jobs.batch"] == limit);
}

fn job(image: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: etl}}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers: [{{name: flow, image: {image}}}]\n"
    )
}

/// A namespace with one Job, and a quota for one Job.
struct QuotaFixture {
    namespace: String,
    admin: Client,
    old_uid: Value,
}

impl QuotaFixture {
    fn new(servers: &Servers) -> Self {
        let (namespace, admin) = (servers.create_namespace("quota"), servers.client(ADMIN));
        let path = format!("{}?fieldManager=jobplate", api_path(&namespace, "jobs", "etl"));
        let old_uid = admin.patch(&path, "apply", job("one")).expect_success()["metadata"]["uid"].clone();
        create_quota(&admin, &namespace, &json!({"count/jobs.batch": "1"}));
        wait_for_quota(&admin, &namespace, |status| status["used"]["count/jobs.batch"] == "1");
        QuotaFixture { namespace, admin, old_uid }
    }

    fn live(&self) -> Option<Value> {
        let response = self.admin.get(&api_path(&self.namespace, "jobs", "etl"));
        (response.status == 200).then(|| response.json())
    }

    fn run(&self, sandbox: &Sandbox, command: &str, args: &[&str]) -> RunOutput {
        sandbox.run(&[&[command, "input.yaml", "-n", &self.namespace], args].concat())
    }
}

const RECREATE: &str = "--on-immutable=recreate";

#[test]
fn recreates_a_job_that_fills_the_quota() {
    let Some(servers) = Servers::shared() else { return };
    for arg in ["-q", "--no-preflight"] {
        let fixture = QuotaFixture::new(servers);
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", job("two"));
        let message = format!(
            "job.batch/etl exists with different immutable fields: spec.template.spec; quota q of namespace {} is full: \
             count/jobs.batch 1 of 1 is used",
            fixture.namespace
        );
        for command in ["apply", "diff"] {
            fixture.run(&sandbox, command, &[]).assert_exit(3, &[&message, "--on-immutable=recreate"]);
        }
        fixture.run(&sandbox, "apply", &["--on-immutable=skip"]).assert_exit(0, &[]);
        let dry_run = fixture.run(&sandbox, "apply", &[RECREATE, "--dry-run=server"]).assert_exit(0, &[]);
        assert_eq!(dry_run.stdout, "job.batch/etl recreated (server dry run)\n");
        assert_eq!(fixture.live().expect("it exists")["metadata"]["uid"], fixture.old_uid);
        let output = fixture.run(&sandbox, "apply", &[RECREATE, arg]).assert_exit(0, &[]);
        assert_eq!(output.stdout, "job.batch/etl recreated\n");
        assert_ne!(fixture.live().expect("it exists")["metadata"]["uid"], fixture.old_uid);
        let output = fixture.run(&sandbox, "apply", &[RECREATE, arg]).assert_exit(0, &[]);
        assert_eq!(output.stdout, "job.batch/etl unchanged\n");
    }
}

/// Sets the number of Jobs that the server has counted.
fn set_used(admin: &Client, namespace: &str, used: &str) {
    let patch = json!({"status": {"used": {"count/jobs.batch": used}}}).to_string();
    admin.patch(&api_path(namespace, "resourcequotas", "q/status"), "merge", patch).expect_success();
}

/// The server still counts the deleted Job when the new one is created.
#[test]
fn waits_until_the_server_has_updated_the_quota() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = QuotaFixture::new(servers);
    let (namespace, other) = (fixture.namespace.clone(), servers.client(ADMIN));
    let (is_deleted, creations) = (AtomicBool::new(false), AtomicUsize::new(0));
    let proxy = Proxy::start(servers, move |request: &Request| {
        if request.method == "DELETE" && !request.is_dry_run() {
            is_deleted.store(true, Ordering::SeqCst);
        } else if request.method == "PATCH" && is_deleted.load(Ordering::SeqCst) {
            let used = if creations.fetch_add(1, Ordering::SeqCst) == 0 { "1" } else { "0" };
            set_used(&other, &namespace, used);
        }
        Action::Forward
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
    let output = fixture.run(&sandbox, "apply", &[RECREATE]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    let is_creation = |request: &&Request| request.method == "PATCH" && !request.is_dry_run();
    // The first one finds that the live Job is immutable.
    assert_eq!(proxy.requests().iter().filter(is_creation).count(), 3);
}

/// The server would reject the new Job for another reason, or the quota would also be full without the live one.
#[test]
fn keeps_a_job_that_the_server_would_not_create_again() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = QuotaFixture::new(servers);
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", job("two"));
    sandbox.write("input.yaml", job("two").replace("name: flow", "name: flow, imagePullPolicy: Sometimes"));
    for args in [&[RECREATE][..], &[RECREATE, "--no-preflight"]] {
        fixture.run(&sandbox, "apply", args).assert_exit(3, &["imagePullPolicy"]);
    }
    sandbox.write("input.yaml", job("two"));
    set_limit(&fixture.admin, &fixture.namespace, "0");
    let kept = ["count/jobs.batch 1 of 0 is used", "the live Job is kept", "raise the quota"];
    for args in [&[RECREATE][..], &[RECREATE, "--no-preflight"]] {
        fixture.run(&sandbox, "apply", args).assert_exit(3, &kept);
    }
    fixture.run(&sandbox, "apply", &[]).assert_exit(3, &["count/jobs.batch 1 of 0 is used", "raise the quota"]);
    assert_eq!(fixture.live().expect("it exists")["metadata"]["uid"], fixture.old_uid);
}

#[test]
fn reports_a_deleted_job_that_the_quota_no_longer_allows() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = QuotaFixture::new(servers);
    let (namespace, other, is_deleted) = (fixture.namespace.clone(), servers.client(ADMIN), AtomicBool::new(false));
    let proxy = Proxy::start(servers, move |request: &Request| {
        if request.method == "DELETE" && !request.is_dry_run() {
            is_deleted.store(true, Ordering::SeqCst);
        } else if request.method == "PATCH" && is_deleted.swap(false, Ordering::SeqCst) {
            set_limit(&other, &namespace, "0");
        }
        Action::Forward
    });
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", job("two"));
    let message =
        format!("job.batch/etl was deleted, but not created again: quota q of namespace {} is full", fixture.namespace);
    let output =
        fixture.run(&sandbox, "apply", &["-q", RECREATE, "--timeout=3s", "-o", "json"]).assert_exit(3, &[&message]);
    assert_eq!(output.outcomes(), ["failed"]);
    assert!(fixture.live().is_none());
    // The next run creates it.
    set_limit(&fixture.admin, &fixture.namespace, "1");
    let output = fixture.run(&sandbox, "apply", &[]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl created\n");
}
