//! Tests of `--take-over`, which replaces literals with references in objects that other tools created.
//!
//! The literal must be removed from the whole object, and no other field may change.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::proxy::{Action, Proxy};
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const KINDS: [&str; 2] = ["CronJob", "Deployment"];

/// The pod spec of the other tool.
const THEIRS: &str = "
restartPolicy: POLICY
initContainers:
- name: first
  image: none
  env:
  - {name: FIRST, value: kept}
containers:
- name: flow
  image: none
  env:
  - {name: BEFORE, value: kept}
  - {name: TOKEN, value: kanarie7f3a}
  - {name: AFTER, value: kept}
- name: side
  image: none
  env:
  - {name: SIDE, value: kept}
";

/// The pod spec in our manifest.
const OURS: &str = "
restartPolicy: POLICY
containers:
- name: flow # where the flow runs
  image: none
  env:
  - name: TOKEN
    value: kanarie7f3a
";

/// Returns the manifest of a workload with the pod spec `pod`. `labels` and `spec` are further lines of its metadata
/// and its spec.
fn manifest(kind: &str, labels: &str, spec: &str, pod: &str) -> String {
    let (version, wrapper, depth, policy) = match kind {
        "CronJob" => {
            let wrapper = "  schedule: '0 0 1 1 *'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n";
            ("batch/v1", wrapper, 10, "Never")
        }
        _ => {
            let wrapper =
                "  selector: {matchLabels: {app: x}}\n  template:\n    metadata: {labels: {app: x}}\n    spec:\n";
            ("apps/v1", wrapper, 6, "Always")
        }
    };
    let pod = pod.trim_start().replace("POLICY", policy);
    let pod: String = pod.lines().map(|line| format!("{:depth$}{line}\n", "")).collect();
    format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: x\n{labels}spec:\n{spec}{wrapper}{pod}")
}

fn their_manifest(kind: &str) -> String {
    let spec = if kind == "CronJob" { "  suspend: true\n" } else { "  paused: true\n" };
    manifest(kind, "  labels: {made: by-them}\n", spec, THEIRS)
}

fn our_manifest(kind: &str) -> String {
    manifest(kind, "", "", OURS)
}

/// A namespace with one workload, and a directory for manifests.
struct TakeOverFixture {
    servers: &'static Servers,
    namespace: String,
    kind: &'static str,
    admin: Client,
    sandbox: Sandbox,
}

impl TakeOverFixture {
    fn new(servers: &'static Servers, kind: &'static str) -> Self {
        TakeOverFixture::with_kubeconfig(servers, kind, &servers.kubeconfig(ADMIN))
    }

    fn with_kubeconfig(servers: &'static Servers, kind: &'static str, kubeconfig: &Path) -> Self {
        let namespace = servers.create_namespace("take");
        let sandbox = Sandbox::new(kubeconfig).file("old.yaml", our_manifest(kind));
        TakeOverFixture { servers, namespace, kind, admin: servers.client(ADMIN), sandbox }
    }

    fn path(&self) -> String {
        let resource = if self.kind == "CronJob" { ("batch", "cronjobs") } else { ("apps", "deployments") };
        format!("/apis/{}/v1/namespaces/{}/{}/x", resource.0, self.namespace, resource.1)
    }

    fn live_object(&self) -> Value {
        self.admin.get(&self.path()).expect_success()
    }

    fn pod_spec<'l>(&self, live: &'l Value) -> &'l Value {
        live.pointer(if self.kind == "CronJob" {
            "/spec/jobTemplate/spec/template/spec"
        } else {
            "/spec/template/spec"
        })
        .expect("it has a pod spec")
    }

    /// Returns an `env` entry of the live object, or `None` if there is no such entry.
    fn entry(&self, container: &str, name: &str) -> Option<Value> {
        let live = self.live_object();
        let pod_spec = self.pod_spec(&live);
        let mut containers = ["initContainers", "containers"]
            .into_iter()
            .flat_map(|list| pod_spec[list].as_array().into_iter().flatten());
        let container = containers.find(|candidate| candidate["name"] == container)?;
        container["env"].as_array()?.iter().find(|entry| entry["name"] == name).cloned()
    }

    #[track_caller]
    fn run_program(&self, program: &str, args: &[&str]) {
        let mut command = self.servers.command(program);
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"] {
            command.env(name, self.sandbox.directory().join(program));
        }
        command.current_dir(self.sandbox.directory()).args(args).args(["-n", &self.namespace]).stdin(Stdio::null());
        let output = command.output().expect("it was built, so it starts");
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn run_kubectl(&self, text: &str, args: &[&str]) {
        self.sandbox.write("theirs.yaml", text);
        self.run_program("kubectl", args);
    }

    /// Runs our program in the namespace. Adds `--target` for a Deployment, which is not a default target.
    fn run_jobplate(&self, args: &[&str]) -> RunOutput {
        let target = if self.kind == "Deployment" { &["--target", "Deployment"][..] } else { &[] };
        let output = self.sandbox.run(&[args, &["-n", &self.namespace], target].concat());
        assert!(!format!("{output:?}").contains(CANARY), "{output:?}");
        output
    }

    /// Returns the managers that own a field of an `env` entry. `field` is a key of `fieldsV1`.
    fn owners(&self, container: &str, name: &str, field: &str) -> Vec<String> {
        let live = self.live_object();
        let pod = if self.kind == "CronJob" { &["f:jobTemplate", "f:spec"][..] } else { &[] };
        let (container, name) = (format!("k:{{\"name\":\"{container}\"}}"), format!("k:{{\"name\":\"{name}\"}}"));
        let owns = |owner: &&Value, list: &str| {
            let path = [&["f:spec"], pod, &["f:template", "f:spec", list, &container, "f:env", &name, field]].concat();
            path.iter().try_fold(&owner["fieldsV1"], |tree, key| tree.get(key)).is_some()
        };
        let owners = live["metadata"]["managedFields"].as_array().expect("somebody owns it");
        let owners = owners.iter().filter(|owner| owns(owner, "f:containers") || owns(owner, "f:initContainers"));
        owners.map(|owner| owner["manager"].as_str().expect("a manager has a name").to_owned()).collect()
    }

    /// Asserts that no part of the object contains the canary, not even `managedFields`.
    #[track_caller]
    fn assert_no_canary(&self) {
        let args = ["get", self.kind, "x", "-n", &self.namespace, "-o", "yaml", "--show-managed-fields"];
        let output = self.servers.run("kubectl", &args);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("managedFields") && !text.contains(CANARY), "{text}");
    }
}

/// Returns an object without the fields that the server and kubectl write, and with sorted `env` entries.
fn without_server_fields(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    for key in ["managedFields", "resourceVersion", "generation"] {
        object["metadata"].as_object_mut().expect("it has metadata").remove(key);
    }
    if let Some(metadata) = object["metadata"].as_object_mut()
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    sort_env(&mut object);
    object
}

fn sort_env(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(env)) = map.get_mut("env") {
                env.sort_by_key(|entry| entry["name"].to_string());
            }
            map.values_mut().for_each(sort_env);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_env),
        _ => {}
    }
}

fn reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
}

/// Returns the arguments that result from pasting the hint: `args` with the hint's flags, or the whole command line
/// in the hint.
#[track_caller]
fn paste_hint(args: &[&str], output: &RunOutput) -> Vec<String> {
    let text = output.stderr.replace('`', " ");
    let split_words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    if let Some((_, line)) = text.split_once("jobplate apply ") {
        return [&["apply".to_owned()], &split_words(line.lines().next().unwrap_or_default())[..]].concat();
    }
    let line = text.lines().find(|line| line.contains("--take-over"));
    let line = line.unwrap_or_else(|| panic!("no way out is named: {}", output.stderr));
    let (_, flags) = line.rsplit_once(": --").expect("the flags end it");
    let flags = split_words(&format!("--{flags}"));
    let end = flags.iter().position(|flag| flag == "--take-over").expect("it is among them");
    let flags = flags[..=end].to_vec();
    // Flags that `args` already has are not added again.
    let is_hint_flag = |pair: &[&str]| flags.windows(2).any(|flags| flags == pair);
    let old = args.iter().enumerate().filter(|(index, arg)| {
        let is_repeated = |from: usize| args.get(from..from + 2).is_some_and(is_hint_flag);
        **arg != "--take-over" && !is_repeated(*index) && !index.checked_sub(1).is_some_and(is_repeated)
    });
    old.map(|(_, arg)| (*arg).to_owned()).chain(flags.clone()).collect()
}

/// A function that creates the object with another tool. Its arguments are a manifest with the literal and a manifest
/// without it.
type CreateObject = fn(&TakeOverFixture, &str, &str);

const OTHER_CLIENTS: &[(&str, CreateObject)] = &[
    ("kubectl apply", |fixture, text, _| fixture.run_kubectl(text, &["apply", "-f", "theirs.yaml"])),
    ("kubectl apply --server-side", |fixture, text, _| {
        fixture.run_kubectl(text, &["apply", "--server-side", "-f", "theirs.yaml"])
    }),
    ("kubectl create and set env", |fixture, _, bare| {
        fixture.run_kubectl(bare, &["create", "-f", "theirs.yaml"]);
        fixture.run_kubectl(
            bare,
            &["set", "env", &format!("{}/x", fixture.kind), "-c", "flow", &format!("TOKEN={CANARY}")],
        );
    }),
    ("kubectl apply and set env", |fixture, text, _| {
        fixture.run_kubectl(&text.replace(CANARY, &format!("{CANARY}-1")), &["apply", "-f", "theirs.yaml"]);
        fixture.run_kubectl(
            text,
            &["set", "env", &format!("{}/x", fixture.kind), "-c", "flow", &format!("TOKEN={CANARY}-2")],
        );
    }),
    ("kubectl apply, and we after it", |fixture, text, _| {
        fixture.run_kubectl(text, &["apply", "-f", "theirs.yaml"]);
        fixture.run_jobplate(&["apply", "old.yaml"]).assert_exit(0, &[]);
    }),
    ("Helm 3", |fixture, text, _| install_with_helm(fixture, "helm3", text)),
    ("Helm 4", |fixture, text, _| install_with_helm(fixture, "helm4", text)),
];

fn install_with_helm(fixture: &TakeOverFixture, program: &str, text: &str) {
    fixture.sandbox.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
    fixture.sandbox.write("chart/templates/x.yaml", text);
    fixture.run_program(program, &["install", "x", "chart"]);
}

#[test]
fn replaces_a_literal_with_a_reference() {
    let Some(servers) = Servers::shared() else { return };
    for kind in KINDS {
        let apply_args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k"];
        let bare =
            their_manifest(kind).replace(&format!("- {{name: TOKEN, value: {CANARY}}}"), "- {name: NONE, value: kept}");
        for (client, make) in OTHER_CLIENTS {
            let label = format!("{client}, {kind}");
            let fixture = TakeOverFixture::new(servers, kind);
            make(&fixture, &their_manifest(kind), &bare);
            fixture.run_kubectl("", &["label", kind, "x", "team=data"]);
            let before = fixture.live_object();

            // Without the flag the error names the owner of the literal and the flags to use.
            let owners = fixture.owners("flow", "TOKEN", "f:value");
            assert!(!owners.is_empty(), "{label}");
            let failed_output = fixture.run_jobplate(&apply_args).assert_exit(3, &["TOKEN", "--take-over"]);
            let others = owners.iter().filter(|owner| *owner != "jobplate");
            others.for_each(|owner| {
                assert!(failed_output.stderr.contains(owner), "{label}: {owner}: {}", failed_output.stderr)
            });
            // A controller may write the status of a Deployment. This changes the resource version, but not the
            // generation.
            assert_eq!(fixture.live_object()["metadata"]["generation"], before["metadata"]["generation"], "{label}");
            assert_eq!(without_server_fields(fixture.live_object()), without_server_fields(before.clone()), "{label}");

            let args = paste_hint(&apply_args, &failed_output);
            let take_over_output =
                fixture.run_jobplate(&args.iter().map(String::as_str).collect::<Vec<_>>()).assert_exit(0, &["rotate"]);
            assert!(take_over_output.stdout.contains("/x configured\n"), "{label}: {take_over_output:?}");
            if client.starts_with("Helm") {
                assert!(take_over_output.stderr.contains("Helm"), "{label}: {take_over_output:?}");
            }
            fixture.assert_no_canary();
            let mut expected = before.clone();
            replace_entry(&mut expected, "TOKEN", Some(&reference("TOKEN")));
            assert_eq!(without_server_fields(fixture.live_object()), without_server_fields(expected), "{label}");
            assert_eq!(fixture.owners("flow", "TOKEN", "f:valueFrom"), ["jobplate"], "{label}");
            // After the transfer, `managedFields` has only one entry of our manager.
            let live = fixture.live_object();
            let owners = live["metadata"]["managedFields"].as_array().expect("somebody owns it");
            let our_owners: Vec<&Value> = owners.iter().filter(|owner| owner["manager"] == "jobplate").collect();
            assert!(our_owners.len() == 1 && our_owners[0]["operation"] == "Apply", "{label}: {our_owners:?}");

            // A second run changes nothing.
            let args = [&apply_args[..], &["--take-over"]].concat();
            let version = fixture.live_object()["metadata"]["resourceVersion"].clone();
            let rerun = fixture.run_jobplate(&args).assert_exit(0, &[]);
            assert!(rerun.stdout.contains("/x unchanged\n"), "{label}: {rerun:?}");
            assert!(!rerun.stderr.contains("can still contain"), "{label}: {rerun:?}");
            if kind == "CronJob" {
                assert_eq!(fixture.live_object()["metadata"]["resourceVersion"], version, "{label}");
            }

            // An entry that we own is removed once our manifest no longer has it.
            fixture.sandbox.write("without.yaml", drop_token(&our_manifest(kind)));
            fixture.run_jobplate(&["apply", "without.yaml"]).assert_exit(0, &[]);
            let mut expected = before;
            replace_entry(&mut expected, "TOKEN", None);
            assert_eq!(without_server_fields(fixture.live_object()), without_server_fields(expected), "{label}");
        }
    }
}

/// The other tool keeps working once its manifest has the reference, too.
#[test]
fn leaves_the_other_tool_working() {
    let Some(servers) = Servers::shared() else { return };
    type Rerun = fn(&TakeOverFixture);
    let rerun: [(&str, Rerun); 4] = [
        ("kubectl apply", |fixture| fixture.run_program("kubectl", &["apply", "-f", "theirs.yaml"])),
        ("kubectl apply --server-side", |fixture| {
            fixture.run_program("kubectl", &["apply", "--server-side", "-f", "theirs.yaml"])
        }),
        ("Helm 3", |fixture| fixture.run_program("helm3", &["upgrade", "x", "chart"])),
        ("Helm 4", |fixture| fixture.run_program("helm4", &["upgrade", "x", "chart"])),
    ];
    for kind in KINDS {
        for (client, rerun) in &rerun {
            let (_, make) = OTHER_CLIENTS.iter().find(|(name, _)| name == client).expect("it is among them");
            let fixture = TakeOverFixture::new(servers, kind);
            make(&fixture, &their_manifest(kind), "");
            fixture
                .run_jobplate(&["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"])
                .assert_exit(0, &[]);
            let next = their_manifest(kind)
                .replace(&format!("value: {CANARY}"), "valueFrom: {secretKeyRef: {name: s, key: k}}");
            let next = next.replace("made: by-them", "made: anew");
            fixture.sandbox.write("theirs.yaml", &next);
            fixture.sandbox.write("chart/templates/x.yaml", &next);
            rerun(&fixture);
            assert_eq!(fixture.live_object()["metadata"]["labels"]["made"], "anew", "{client}, {kind}");
            assert_eq!(fixture.entry("flow", "TOKEN"), Some(reference("TOKEN")), "{client}, {kind}");
            fixture.assert_no_canary();
            // Our program keeps working, too.
            let output = fixture
                .run_jobplate(&["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"])
                .assert_exit(0, &[]);
            assert!(!output.stdout.contains("failed"), "{client}, {kind}: {output:?}");
            fixture.assert_no_canary();
            for (container, name) in [("flow", "BEFORE"), ("side", "SIDE"), ("first", "FIRST")] {
                assert!(fixture.entry(container, name).is_some(), "{client}, {kind}, {name}");
            }
        }
    }
}

/// Returns our manifest without its only `env` entry.
fn drop_token(text: &str) -> String {
    let lines = text.lines().filter(|line| !["env:", "- name: TOKEN"].contains(&line.trim()) && !line.contains(CANARY));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Replaces all `env` entries named `name`, or removes them if `entry` is `None`.
fn replace_entry(value: &mut Value, name: &str, entry: Option<&Value>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(env)) = map.get_mut("env") {
                let old = std::mem::take(env);
                env.extend(
                    old.into_iter().filter_map(|candidate| {
                        if candidate["name"] == name { entry.cloned() } else { Some(candidate) }
                    }),
                );
            }
            map.values_mut().for_each(|value| replace_entry(value, name, entry));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_entry(item, name, entry)),
        _ => {}
    }
}

/// A pod spec in which all containers have the literal.
const EVERYWHERE: &str = "
restartPolicy: POLICY
initContainers:
- name: first
  image: none
  env: [{name: TOKEN, value: kanarie7f3a}]
containers:
- name: flow
  image: none
  env: [{name: TOKEN, value: kanarie7f3a}]
- name: side
  image: none
  env: [{name: TOKEN, value: kanarie7f3a}, {name: SIDE, value: kept}]
";

#[test]
fn takes_over_in_all_containers() {
    let Some(servers) = Servers::shared() else { return };
    for kind in KINDS {
        for (client, make) in
            OTHER_CLIENTS.iter().filter(|(client, _)| !client.contains("set env") && !client.contains("we"))
        {
            let fixture = TakeOverFixture::new(servers, kind);
            make(&fixture, &manifest(kind, "", "", EVERYWHERE), "");
            fixture
                .sandbox
                .write("old.yaml", manifest(kind, "", "", &EVERYWHERE.replace(", {name: SIDE, value: kept}", "")));
            let apply_args =
                ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--all-containers", "--init-containers"];
            fixture.run_jobplate(&[&apply_args[..], &["--take-over"]].concat()).assert_exit(0, &[]);
            fixture.assert_no_canary();
            for container in ["first", "flow", "side"] {
                assert_eq!(
                    fixture.entry(container, "TOKEN"),
                    Some(reference("TOKEN")),
                    "{client}, {kind}, {container}"
                );
            }
            assert_eq!(
                fixture.entry("side", "SIDE"),
                Some(json!({"name": "SIDE", "value": "kept"})),
                "{client}, {kind}"
            );
        }
    }
}

/// Each hint resolves one conflict. Following the hints leads to a successful apply.
#[test]
fn gives_hints_that_can_be_pasted() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    for (label, containers, source, flags) in [
        ("a reference in the manifest", &["flow"][..], json!({"secretKeyRef": {"name": "s", "key": "k"}}), &[][..]),
        ("in the second container", &["side"], json!({"secretKeyRef": {"name": "s", "key": "k"}}), &[]),
        ("in an init container", &["first"], json!({"secretKeyRef": {"name": "s", "key": "k"}}), &[]),
        ("in two containers", &["flow", "side"], json!({"secretKeyRef": {"name": "s", "key": "k"}}), &[]),
        (
            "in two, one of them named",
            &["flow", "side"],
            json!({"secretKeyRef": {"name": "s", "key": "k"}}),
            &["--secret-env", "TOKEN=s/k", "--take-over"],
        ),
        ("a ConfigMap's key", &["flow"], json!({"configMapKeyRef": {"name": "s", "key": "k"}}), &[]),
        ("a field", &["flow"], json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}), &[]),
        ("an optional key", &["flow"], json!({"secretKeyRef": {"name": "s", "key": "k", "optional": true}}), &[]),
    ] {
        for kind in KINDS {
            let fixture = TakeOverFixture::new(servers, kind);
            fixture.run_kubectl(&manifest(kind, "", "", EVERYWHERE), &["apply", "-f", "theirs.yaml"]);
            let mut ours = EVERYWHERE.to_owned();
            for container in containers {
                let from = ours.find(&format!("name: {container}")).expect("it is there");
                let entry = format!("{{name: TOKEN, valueFrom: {source}}}");
                ours.replace_range(from.., &ours[from..].replacen("{name: TOKEN, value: kanarie7f3a}", &entry, 1));
            }
            fixture.sandbox.write("new.yaml", manifest(kind, "", "", &ours));
            let target: &[&str] =
                if kind == "Deployment" && !flags.is_empty() { &["--target", "Deployment"] } else { &[] };
            let args = [&["apply", "new.yaml"], flags, target, &["-n", &fixture.namespace]].concat();
            let mut output = fixture.sandbox.run(&args);
            assert_eq!(output.status, 3, "{label}, {kind}: {output:?}");
            let pasted_args = paste_hint(&args, &output);
            output = fixture.sandbox.run(&pasted_args);
            let is_replaced = |container: &&str| {
                let entry = fixture.entry(container, "TOKEN").unwrap_or_default();
                entry["valueFrom"] == source && entry["value"].is_null()
            };
            if output.status != 0 || !containers.iter().all(is_replaced) {
                failures += &format!("\n{label}, {kind}: {pasted_args:?}\n{}{}", output.stdout, output.stderr);
            }
        }
    }
    assert!(failures.is_empty(), "the way out is none:{failures}");
}

#[test]
fn removes_entries_of_others() {
    let Some(servers) = Servers::shared() else { return };
    for kind in KINDS {
        let bare =
            their_manifest(kind).replace(&format!("- {{name: TOKEN, value: {CANARY}}}"), "- {name: NONE, value: kept}");
        for (client, make) in OTHER_CLIENTS {
            let fixture = TakeOverFixture::new(servers, kind);
            make(&fixture, &their_manifest(kind), &bare);
            let before = fixture.live_object();
            let args = ["apply", "old.yaml", "--unset", "TOKEN", "--take-over"];
            let output = fixture.run_jobplate(&args).assert_exit(0, &[]);
            assert!(output.stdout.contains("/x configured\n"), "{client}, {kind}: {output:?}");
            fixture.assert_no_canary();
            let mut expected = before;
            replace_entry(&mut expected, "TOKEN", None);
            assert_eq!(
                without_server_fields(fixture.live_object()),
                without_server_fields(expected),
                "{client}, {kind}"
            );
            let output = fixture.run_jobplate(&args).assert_exit(0, &[]);
            assert!(output.stdout.contains("/x unchanged\n"), "{client}, {kind}: {output:?}");
        }
    }
}

/// `apply` prints a note about an entry that it cannot remove because another manager owns it.
#[test]
fn notes_an_entry_that_it_could_not_remove() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
    let output = fixture.run_jobplate(&["apply", "old.yaml", "--unset", "TOKEN"]).assert_exit(0, &[]);
    assert!(fixture.entry("flow", "TOKEN").is_some());
    let has_note = output.stderr.lines().any(|line| line.contains("TOKEN") && line.contains("--take-over"));
    assert!(has_note && output.stderr.contains("kubectl-client-side-apply"), "{}", output.stderr);
    let output = fixture.run_jobplate(&["apply", "old.yaml", "--unset", "TOKEN", "--take-over"]).assert_exit(0, &[]);
    assert!(
        !output.stderr.lines().any(|line| line.contains("TOKEN") && line.contains("--take-over")),
        "{}",
        output.stderr
    );
    assert!(fixture.entry("flow", "TOKEN").is_none());
}

/// Covers entries with other sources and with other values.
#[test]
fn takes_over_entries_of_any_source() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    let secret_reference =
        |name: &str| json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}});
    for (label, theirs, env_flags, expected) in [
        (
            "another key",
            "valueFrom: {secretKeyRef: {name: old, key: k}}",
            ["--secret-env", "TOKEN=s/k"],
            secret_reference("s"),
        ),
        (
            "another source",
            "valueFrom: {configMapKeyRef: {name: old, key: k}}",
            ["--secret-env", "TOKEN=s/k"],
            secret_reference("s"),
        ),
        ("another value", "value: kanarie7f3a", ["--env", "TOKEN=b"], json!({"name": "TOKEN", "value": "b"})),
        (
            "a value for a reference",
            "valueFrom: {secretKeyRef: {name: old, key: k}}",
            ["--env", "TOKEN=b"],
            json!({"name": "TOKEN", "value": "b"}),
        ),
        ("no value", "value: ''", ["--secret-env", "TOKEN=s/k"], secret_reference("s")),
    ] {
        let fixture = TakeOverFixture::new(servers, "CronJob");
        let pod = THEIRS.replace("{name: TOKEN, value: kanarie7f3a}", &format!("{{name: TOKEN, {theirs}}}"));
        fixture.run_kubectl(&manifest("CronJob", "", "", &pod), &["apply", "-f", "theirs.yaml"]);
        let args = ["apply", "old.yaml", env_flags[0], env_flags[1], "--take-over", "--allow-plaintext"];
        fixture.sandbox.write("old.yaml", drop_token(&our_manifest("CronJob")));
        let output = fixture.run_jobplate(&args);
        if output.status != 0 || fixture.entry("flow", "TOKEN").as_ref() != Some(&expected) {
            failures += &format!("\n{label}: {}{:?}", output.stderr, fixture.entry("flow", "TOKEN"));
            continue;
        }
        fixture.assert_no_canary();
        let rerun = fixture.run_jobplate(&args).assert_exit(0, &[]);
        assert!(rerun.stdout.contains("/x unchanged\n"), "{label}: {rerun:?}");
    }
    assert!(failures.is_empty(), "not taken over:{failures}");
}

/// Covers literals without an owner: `managedFields` was cleared, or only kubectl's annotation contains the literal.
#[test]
fn takes_over_literals_without_an_owner() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    let clear_managed_fields = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]);
    type SetUp<'m> = &'m dyn Fn(&TakeOverFixture);
    let setups: [(&str, SetUp<'_>); 3] = [
        ("nobody owns anything", &|fixture| {
            fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "--server-side", "-f", "theirs.yaml"]);
            fixture.admin.patch(&fixture.path(), "json", clear_managed_fields.to_string()).expect_success();
        }),
        ("nobody owns anything, and there is an annotation", &|fixture| {
            fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
            fixture.admin.patch(&fixture.path(), "json", clear_managed_fields.to_string()).expect_success();
        }),
        ("the annotation alone has it", &|fixture| {
            fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
            fixture.run_kubectl("", &["set", "env", "CronJob/x", "TOKEN-"]);
        }),
    ];
    for (label, set_up) in setups {
        for flags in [&["--secret-env", "TOKEN=s/k"], &["--unset", "TOKEN"]] {
            let fixture = TakeOverFixture::new(servers, "CronJob");
            set_up(&fixture);
            let mut expected = fixture.live_object();
            let args = [&["apply", "old.yaml", "--take-over"][..], flags].concat();
            let output = fixture.run_jobplate(&args);
            let expected_entry = (flags[0] == "--secret-env").then(|| reference("TOKEN"));
            replace_entry(&mut expected, "TOKEN", None);
            let mut after = fixture.live_object();
            replace_entry(&mut after, "TOKEN", None);
            let is_clean = !after.to_string().contains(CANARY);
            let is_set = fixture.entry("flow", "TOKEN") == expected_entry;
            let (actual, expected_fields) = (without_server_fields(after), without_server_fields(expected.clone()));
            if output.status != 0 || !is_clean || !is_set || actual != expected_fields {
                failures += &format!(
                    "\n{label}, {flags:?}: {} {is_clean} {is_set} {}\n{actual}\n{expected_fields}",
                    output.status, output.stderr
                );
            }
            // Removing the entry later changes no other field.
            fixture.sandbox.write("without.yaml", drop_token(&our_manifest("CronJob")));
            let output = fixture.run_jobplate(&["apply", "without.yaml"]);
            let (actual, expected_fields) =
                (without_server_fields(fixture.live_object()), without_server_fields(expected));
            if output.status != 0 || actual != expected_fields {
                failures += &format!(
                    "\n{label}, {flags:?}, later: {} {}\n{actual}\n{expected_fields}",
                    output.status, output.stderr
                );
            }
        }
    }
    assert!(failures.is_empty(), "the literal is there:{failures}");
}

/// Two literals conflict, and the command line names only one of them.
#[test]
fn takes_over_only_named_entries() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    let pod = THEIRS.replace("{name: AFTER, value: kept}", "{name: SECOND, value: kanarie7f3a}");
    fixture.run_kubectl(&manifest("CronJob", "", "", &pod), &["apply", "-f", "theirs.yaml"]);
    let before = fixture.live_object();
    let new = OURS.replace(
        "  - name: TOKEN",
        "  - {name: SECOND, valueFrom: {secretKeyRef: {name: s, key: k}}}\n  - name: TOKEN",
    );
    fixture.sandbox.write("old.yaml", manifest("CronJob", "", "", &new));
    let args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"];
    let output = fixture.run_jobplate(&args).assert_exit(3, &["SECOND"]);
    assert_eq!(fixture.live_object(), before, "{output:?}");
    // If only `TOKEN` conflicts, the apply succeeds, and `SECOND` keeps its owner.
    fixture.sandbox.write("old.yaml", our_manifest("CronJob"));
    fixture.run_jobplate(&args).assert_exit(0, &[]);
    assert_eq!(fixture.entry("flow", "SECOND"), Some(json!({"name": "SECOND", "value": CANARY})));
    assert_eq!(fixture.owners("flow", "SECOND", "f:value"), ["kubectl-client-side-apply"]);
    for (container, name) in [("flow", "BEFORE"), ("side", "SIDE"), ("first", "FIRST")] {
        assert_eq!(fixture.owners(container, name, "f:value"), ["kubectl-client-side-apply"], "{name}");
    }
    assert!(fixture.live_object()["metadata"]["annotations"][LAST_APPLIED].is_null());
}

/// Starts a proxy that changes the object before each of the first `times` transfers of ownership.
fn proxy_with_concurrent_changes(servers: &'static Servers, times: usize) -> (Proxy, TakeOverFixture) {
    let (path, count) = (std::sync::Arc::<std::sync::OnceLock<String>>::default(), AtomicUsize::new(0));
    let (admin, path_for_rule) = (servers.client(ADMIN), std::sync::Arc::clone(&path));
    let proxy = Proxy::start(servers, move |request| {
        if request.header("content-type") == Some("application/json-patch+json") {
            let number = count.fetch_add(1, Ordering::SeqCst);
            if number < times {
                let label = json!({"metadata": {"labels": {"disturbed": number.to_string()}}});
                admin
                    .patch(path_for_rule.get().expect("it is known by now"), "merge", label.to_string())
                    .expect_success();
            }
        }
        Action::Forward
    });
    let fixture = TakeOverFixture::with_kubeconfig(servers, "CronJob", &proxy.kubeconfig());
    path.set(fixture.path()).expect("it is set once");
    (proxy, fixture)
}

#[test]
fn retries_if_the_object_changes() {
    let Some(servers) = Servers::shared() else { return };
    for times in [1, 4] {
        let (proxy, fixture) = proxy_with_concurrent_changes(servers, times);
        fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
        let no_preflight: &[&str] = if times == 1 { &["--no-preflight"] } else { &[] };
        fixture
            .run_jobplate(&[&["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"], no_preflight].concat())
            .assert_exit(0, &[]);
        fixture.assert_no_canary();
        assert_eq!(fixture.entry("flow", "TOKEN"), Some(reference("TOKEN")));
        let live = fixture.live_object();
        assert_eq!(live["metadata"]["labels"]["disturbed"], (times - 1).to_string());
        assert_eq!((&live["metadata"]["labels"]["made"], &live["spec"]["suspend"]), (&json!("by-them"), &json!(true)));
        drop(proxy);
    }
}

#[test]
fn gives_up_on_an_object_that_keeps_changing() {
    let Some(servers) = Servers::shared() else { return };
    let (proxy, fixture) = proxy_with_concurrent_changes(servers, usize::MAX);
    fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
    let before = fixture.live_object();
    fixture
        .run_jobplate(&["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"])
        .assert_exit(3, &["cronjob.batch/x"]);
    let count_patches = |kind: &str| {
        proxy
            .requests()
            .iter()
            .filter(|request| request.header("content-type") == Some(kind) && !request.is_dry_run())
            .count()
    };
    assert_eq!((count_patches("application/json-patch+json"), count_patches("application/apply-patch+yaml")), (5, 0));
    let (mut after, mut before) = (without_server_fields(fixture.live_object()), without_server_fields(before));
    for object in [&mut after, &mut before] {
        object["metadata"]["labels"] = Value::Null;
    }
    assert_eq!(after, before);
    assert_eq!(fixture.owners("flow", "TOKEN", "f:value"), ["kubectl-client-side-apply"]);
}

/// Ownership is not transferred if the dry run of the apply fails.
#[test]
fn writes_nothing_if_the_dry_run_fails() {
    let Some(servers) = Servers::shared() else { return };
    let our_manifest = our_manifest("CronJob");
    let other = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n";
    for (label, text, expected_message) in [
        (
            "the rest is invalid",
            our_manifest.replace("restartPolicy: Never", "restartPolicy: Perhaps"),
            "restartPolicy",
        ),
        (
            "another entry is invalid",
            our_manifest.replace("  - name: TOKEN", "  - {name: 'A=B', value: a}\n            - name: TOKEN"),
            "invalid variable name",
        ),
        (
            "an unknown field",
            our_manifest.replace("restartPolicy: Never", "restartPolicy: Never\n          parallelism: 1"),
            "parallelism",
        ),
        (
            "another field conflicts",
            our_manifest.replace("schedule: '0 0 1 1 *'", "schedule: '0 0 2 2 *'"),
            "kubectl-client-side-apply",
        ),
        (
            "another entry conflicts",
            our_manifest.replace("  - name: TOKEN", "  - {name: BEFORE, value: other}\n            - name: TOKEN"),
            "kubectl-client-side-apply",
        ),
        ("another document is refused", our_manifest.clone() + other, "UPPER"),
    ] {
        let proxy = Proxy::start(servers, |_| Action::Forward);
        let fixture = TakeOverFixture::with_kubeconfig(servers, "CronJob", &proxy.kubeconfig());
        fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
        let before = fixture.live_object();
        fixture.sandbox.write("old.yaml", text);
        let output = fixture
            .run_jobplate(&["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"])
            .assert_exit(3, &[expected_message]);
        assert_eq!(fixture.live_object(), before, "{label}: {output:?}");
        assert!(
            proxy.requests().iter().all(|request| request.method == "GET" || request.is_dry_run()),
            "{label}: {output:?}"
        );
    }
}

#[test]
fn requires_named_entries() {
    let Some(servers) = Servers::shared() else { return };
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let fixture = TakeOverFixture::with_kubeconfig(servers, "CronJob", &proxy.kubeconfig());
    for flags in [&[][..], &["--env-from", "secret/s"], &["--name-hash"]] {
        let args = [&["apply", "old.yaml", "--take-over"], flags].concat();
        fixture.run_jobplate(&args).assert_exit(2, &["--take-over"]);
    }
    assert!(proxy.requests().is_empty());
}

#[test]
fn writes_nothing_in_a_dry_run() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
    let before = fixture.live_object();
    let args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over", "--dry-run=server"];
    let output = fixture.run_jobplate(&args).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/x configured (server dry run)\n");
    let unset = ["apply", "old.yaml", "--unset", "TOKEN", "--take-over", "--dry-run=server"];
    assert_eq!(
        fixture.run_jobplate(&unset).assert_exit(0, &[]).stdout,
        "cronjob.batch/x configured (server dry run)\n"
    );
    assert_eq!(fixture.live_object(), before);
}

#[test]
fn creates_a_new_object() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    let args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over"];
    let output = fixture.run_jobplate(&args).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/x created\n");
    assert!(!output.stderr.contains("can still contain"), "{}", output.stderr);
}

#[test]
fn transfers_to_the_field_manager_of_the_flag() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    fixture.run_kubectl(&their_manifest("CronJob"), &["apply", "-f", "theirs.yaml"]);
    let args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over", "--field-manager", "flows"];
    fixture.run_jobplate(&args).assert_exit(0, &[]);
    assert_eq!(fixture.owners("flow", "TOKEN", "f:valueFrom"), ["flows"]);
    fixture.assert_no_canary();
}

#[test]
fn takes_over_in_the_items_of_a_list() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    let list_of = |text: &str, names: [&str; 2]| {
        let item_named = |name: &str| {
            let lines: Vec<String> = text.lines().map(|line| format!("  {line}\n")).collect();
            lines.concat().replacen("  apiVersion", "- apiVersion", 1).replacen(
                "name: x\n",
                &format!("name: {name}\n"),
                1,
            )
        };
        format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item_named(names[0]), item_named(names[1]))
    };
    fixture.run_kubectl(&list_of(&their_manifest("CronJob"), ["x", "z"]), &["apply", "-f", "theirs.yaml"]);
    let before = fixture.live_object();
    fixture.sandbox.write("list.yaml", list_of(&our_manifest("CronJob"), ["z", "x"]));
    let line = ["apply", "list.yaml", "--secret-env", "TOKEN=s/k"];
    fixture.run_jobplate(&line).assert_exit(3, &["--take-over"]);
    let line = [&line[..], &["--take-over"]].concat();
    let output = fixture.run_jobplate(&line).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/z configured\ncronjob.batch/x configured\n");
    fixture.assert_no_canary();
    let mut expected = before;
    replace_entry(&mut expected, "TOKEN", Some(&reference("TOKEN")));
    assert_eq!(without_server_fields(fixture.live_object()), without_server_fields(expected));
    let kubectl_output =
        servers.run("kubectl", &["get", "cronjobs", "-n", &fixture.namespace, "-o", "yaml", "--show-managed-fields"]);
    assert!(!String::from_utf8_lossy(&kubectl_output.stdout).contains(CANARY));
    let output = fixture.run_jobplate(&line).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/z unchanged\ncronjob.batch/x unchanged\n");
}

/// The server escapes some characters of names in `managedFields`.
#[test]
fn takes_over_entries_with_unusual_names() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    for name in ["a-b.c", "1A", "A B", "A<B>", "A&B", "A'B", "A\\B", "A/B", "A,B", "A\"B"] {
        let fixture = TakeOverFixture::new(servers, "CronJob");
        let theirs = THEIRS.replace("name: TOKEN", &format!("name: {}", json!(name)));
        fixture.run_kubectl(&manifest("CronJob", "", "", &theirs), &["apply", "-f", "theirs.yaml"]);
        fixture.sandbox.write("old.yaml", drop_token(&our_manifest("CronJob")));
        for flags in [["--secret-env", &format!("{name}=s/k")], ["--unset", name]] {
            let output = fixture.run_jobplate(&[&["apply", "old.yaml", "--take-over"][..], &flags].concat());
            // jobplate refuses some of these names before any request.
            if output.status == 2 {
                continue;
            }
            let expected = (flags[0] == "--secret-env").then(|| reference(name));
            let entry = fixture.entry("flow", name);
            if output.status != 0 || entry != expected || fixture.live_object().to_string().contains(CANARY) {
                failures += &format!("\n{flags:?}: {entry:?} {}{}", output.stdout, output.stderr);
            }
        }
    }
    assert!(failures.is_empty(), "not taken over:{failures}");
}

#[test]
fn takes_over_in_many_objects() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = TakeOverFixture::new(servers, "CronJob");
    let copies_of = |text: &str| {
        let copies = (0..12).map(|number| text.replacen("name: x\n", &format!("name: x{number}\n"), 1));
        copies.collect::<Vec<_>>().join("---\n")
    };
    fixture.run_kubectl(&copies_of(&their_manifest("CronJob")), &["apply", "-f", "theirs.yaml"]);
    fixture.sandbox.write("old.yaml", copies_of(&our_manifest("CronJob")));
    let args = ["apply", "old.yaml", "--secret-env", "TOKEN=s/k", "--take-over", "--concurrency=6"];
    let output = fixture.run_jobplate(&args).assert_exit(0, &[]);
    assert_eq!(
        output.stdout,
        (0..12).map(|number| format!("cronjob.batch/x{number} configured\n")).collect::<String>()
    );
    // The note about remaining copies is printed once, not for each object.
    assert_eq!(output.stderr.matches("can still contain").count(), 1, "{}", output.stderr);
    let live_objects =
        servers.run("kubectl", &["get", "cronjobs", "-n", &fixture.namespace, "-o", "yaml", "--show-managed-fields"]);
    let live_objects = String::from_utf8_lossy(&live_objects.stdout);
    assert!(!live_objects.contains(CANARY) && live_objects.matches("suspend: true").count() == 12);
}
