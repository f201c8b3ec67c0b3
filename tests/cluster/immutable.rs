//! Tests of live Jobs that cannot be changed, and of objects that are being deleted.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::wait_for;
use crate::manifests::config_map;
use crate::proxy::{Action, Proxy};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

const CONFIG_MAP: &str = config_map!("a", "{k: v}");

/// Returns a Job with fields of its `spec`, and of its pod template. Both begin each line with two spaces.
fn job(spec: &str, template: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: etl\nspec:\n  suspend: true\n{spec}  template:\n{template}    \
         spec:\n      restartPolicy: Never\n      containers:\n      - name: flow\n        image: none\n        env:\n        \
         - {{name: TZ, value: UTC}}\n"
    )
}

struct Fixture {
    namespace: String,
    admin: Client,
    sandbox: Sandbox,
}

impl Fixture {
    fn new(servers: &Servers) -> Self {
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
        Fixture { namespace: servers.create_namespace("immutable"), admin: servers.client(ADMIN), sandbox }
    }

    fn run(&self, command: &str, text: &str, args: &[&str]) -> RunOutput {
        self.sandbox.write("input.yaml", text);
        self.sandbox.run(&[&[command, "input.yaml", "-n", &self.namespace, "-q"], args].concat())
    }

    fn live(&self, resource: &str, name: &str) -> Value {
        self.admin.get(&api_path(&self.namespace, resource, name)).json()
    }

    fn uid(&self) -> Value {
        self.live("jobs", "etl")["metadata"]["uid"].clone()
    }

    fn set_finalizers(&self, resource: &str, name: &str, finalizers: &Value) {
        let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
        self.admin.patch(&api_path(&self.namespace, resource, name), "merge", patch).expect_success();
    }
}

/// The server would accept the apply, but the object is about to disappear.
#[test]
fn reports_objects_that_are_being_deleted() {
    let Some(servers) = Servers::shared() else { return };
    for (resource, name, text) in [("jobs", "etl", job("", "")), ("configmaps", "a", CONFIG_MAP.to_owned())] {
        let fixture = Fixture::new(servers);
        fixture.run("apply", &text, &[]).assert_exit(0, &[]);
        fixture.set_finalizers(resource, name, &json!(["example.com/hold"]));
        let path = api_path(&fixture.namespace, resource, name);
        // Without a policy, a Job also has the finalizer `orphan` for a moment.
        fixture.admin.delete(&format!("{path}?propagationPolicy=Background")).expect_success();
        let expected = &["is being deleted; it has the finalizer example.com/hold", "after it is deleted"];
        let changed = text.replace("image: none", "image: other").replace("k: v", "k: w");
        for text in [&text, &changed] {
            for args in [&[][..], &["--no-preflight"], &["--on-immutable=skip"]] {
                let output = fixture.run("apply", text, args).assert_exit(3, expected);
                assert!(output.stdout.contains(" failed\n"), "{output:?}");
            }
            fixture.run("diff", text, &[]).assert_exit(3, expected);
        }
        let recreate = fixture.run("apply", &changed, &["--on-immutable=recreate", "--timeout=1s"]);
        if resource == "jobs" {
            recreate.assert_exit(5, &["is being deleted, and was not created again", "finalizer example.com/hold"]);
            // The wait continues until the Job is gone, and then creates it.
            fixture.sandbox.write("input.yaml", &changed);
            let args = ["apply", "input.yaml", "-n", &fixture.namespace, "-q", "--on-immutable=recreate"];
            let program = fixture.sandbox.start(&args);
            std::thread::sleep(std::time::Duration::from_secs(1));
            fixture.set_finalizers(resource, name, &Value::Null);
            assert_eq!(program.wait().assert_exit(0, &[]).stdout, "job.batch/etl recreated\n");
            assert!(fixture.live(resource, name)["metadata"]["deletionTimestamp"].is_null());
        } else {
            recreate.assert_exit(3, expected);
            fixture.set_finalizers(resource, name, &Value::Null);
        }
    }
}

const FLOW_ENV: &str = "spec.template.spec.containers[name=\"flow\"].env[name=\"TZ\"]";

/// The Jobs before and after a change, and the fields that the message names.
type ImmutableCase = (&'static str, String, String, &'static [&'static str]);

#[rustfmt::skip]
fn immutable_cases() -> Vec<ImmutableCase> {
    let labels = "    metadata: {labels: {app: x}}\n";
    let annotations = "    metadata: {annotations: {note: x}}\n";
    let creation_timestamp = "    metadata: {creationTimestamp: null}\n";
    let changed = |job: String| job.replace("UTC", "CET");
    let policy = "  podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [3]}}]}\n";
    vec![
        ("a changed variable", job("", ""), changed(job("", "")), &["spec.template.spec.containers[name=\"flow\"].env[name=\"TZ\"]"]),
        ("dropped labels", job("", labels), changed(job("", "")), &["spec.template.metadata.labels", FLOW_ENV]),
        ("dropped labels alone", job("", labels), job("", ""), &["spec.template.metadata.labels"]),
        ("dropped annotations", job("", annotations), changed(job("", "")), &["spec.template.metadata.annotations", FLOW_ENV]),
        ("a dropped creationTimestamp", job("", creation_timestamp), changed(job("", "")), &[FLOW_ENV]),
        ("labels replaced by annotations", job("", labels), job("", annotations), &["spec.template.metadata.annotations", "spec.template.metadata.labels"]),
        ("empty metadata", job("", labels), job("", "    metadata: {}\n"), &["spec.template.metadata.labels"]),
        ("added labels", job("", ""), job("", labels), &["spec.template.metadata.labels[app]"]),
        ("completions", job("  completions: 1\n", ""), job("  completions: 2\n", ""), &["spec.completions"]),
        ("completionMode", job("  completions: 1\n", ""), job("  completions: 1\n  completionMode: Indexed\n", ""), &["spec.completionMode"]),
        ("podFailurePolicy", job("", ""), job(policy, ""), &["spec.podFailurePolicy", "spec.podReplacementPolicy"]),
        ("backoffLimitPerIndex", job("  completions: 1\n  completionMode: Indexed\n", ""), job("  completions: 1\n  completionMode: Indexed\n  backoffLimitPerIndex: 2\n", ""), &["spec.backoffLimitPerIndex"]),
        ("managedBy", job("", ""), job("  managedBy: example.com/other\n", ""), &["spec.managedBy"]),
        ("a mutable field, too", job("  backoffLimit: 1\n", ""), changed(job("  backoffLimit: 2\n", "")), &[FLOW_ENV]),
    ]
}

#[test]
fn recreates_a_job_whatever_field_differs() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    for (label, before, after, fields) in immutable_cases() {
        let fixture = Fixture::new(servers);
        // The labels of a suspended Job can be changed.
        let [before, after] = [before, after].map(|text| text.replace("suspend: true", "suspend: false"));
        fixture.run("apply", &before, &[]).assert_exit(0, &[]);
        let uid = fixture.uid();
        let mut check = |is_expected: bool, output: &RunOutput| {
            if !is_expected {
                let _ = write!(failures, "\n{label}: {output:?}\n");
            }
        };
        let error = format!("job.batch/etl exists with different immutable fields: {}", fields.join(", "));
        for args in [&[][..], &["--no-preflight"]] {
            let output = fixture.run("apply", &after, args);
            let lines = output.stderr.contains(&format!("{error}\n")) && output.stdout == "job.batch/etl failed\n";
            check(output.status == 3 && lines && !output.stderr.contains("CET"), &output);
        }
        let output = fixture.run("apply", &after, &["--on-immutable=skip"]);
        check(output.status == 0 && output.stdout == "job.batch/etl skipped\n", &output);
        let output = fixture.run("diff", &after, &[]);
        check(output.status == 1, &output);
        check(fixture.uid() == uid, &output);
        for (args, outcome) in
            [(&["--dry-run=server"][..], "recreated (server dry run)"), (&[], "recreated"), (&[], "unchanged")]
        {
            let args = [&["--on-immutable=recreate", "--recreate-running"], args].concat();
            let output = fixture.run("apply", &after, &args);
            check(output.status == 0 && output.stdout == format!("job.batch/etl {outcome}\n"), &output);
        }
        check(fixture.uid() != uid, &output);
    }
    assert!(failures.is_empty(), "{failures}");
}

/// A policy replaces a literal with a reference when a Job is created. The live Job then always differs from the manifest,
/// but not from a new Job.
#[test]
fn keeps_a_job_that_only_a_mutating_policy_has_changed() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = Fixture::new(servers);
    let name = format!("mutate.{}", fixture.namespace);
    let rules =
        json!([{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]);
    let namespace_selector = json!({"matchLabels": {"kubernetes.io/metadata.name": fixture.namespace}});
    let expression =
        "[JSONPatch{op: \"replace\", path: \"/spec/template/spec/containers/0/env/0/value\", value: \"mutated\"}]";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
            "matchConstraints": {"resourceRules": rules, "namespaceSelector": namespace_selector},
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}]},
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name},
    });
    let api_prefix = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolic";
    fixture.admin.post(&format!("{api_prefix}ies"), &policy).expect_success();
    fixture.admin.post(&format!("{api_prefix}ybindings"), &binding).expect_success();
    let dry_run_path = format!("{}?dryRun=All", api_path(&fixture.namespace, "jobs", ""));
    wait_for("the policy", || {
        let response = fixture.admin.request("POST", &dry_run_path, "application/yaml", job("", "").as_bytes()).ok()?;
        response.text().contains("mutated").then_some(())
    });
    fixture.run("apply", &job("", ""), &[]).assert_exit(0, &[]);
    let uid = fixture.uid();
    for args in [
        &[][..],
        &["--no-preflight"],
        &["--on-immutable=recreate", "--recreate-running"],
        &["--on-immutable=recreate", "--recreate-running", "--no-preflight"],
        &["--on-immutable=skip"],
    ] {
        let output = fixture.run("apply", &job("", ""), args).assert_exit(0, &[]);
        assert_eq!(output.stdout, "job.batch/etl unchanged\n", "{args:?}");
    }
    assert_eq!(fixture.run("diff", &job("", ""), &[]).assert_exit(0, &[]).stdout, "");
    assert_eq!(fixture.uid(), uid);
    // A change of the manifest is still found.
    let changed = job("", "").replace("image: none", "image: other");
    fixture
        .run("apply", &changed, &[])
        .assert_exit(3, &["immutable fields: spec.template.spec.containers[name=\"flow\"].image"]);
    let output = fixture.run("apply", &changed, &["--on-immutable=recreate"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "job.batch/etl recreated\n");
    // A Job that is not changed needs one dry run and one write.
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("input.yaml", CONFIG_MAP);
    sandbox.run(&["apply", "input.yaml", "-n", &fixture.namespace]).assert_exit(0, &[]);
    assert_eq!(proxy.requests().len(), 2);
}
