//! Tests of `jobplate diff`: it shows the differences, masks values and writes nothing.

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::manifests::{config_map, cron_job, job};
use crate::proxy::{Action, Proxy};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";
/// The canary in base64, as in the `data` of a Secret.
const CANARY_IN_BASE64: &str = "a2FuYXJpZTdmM2E";

const CRON_JOB: &str = cron_job!("\n  name: nightly", "{name: MODE, value: fast}", "{name: TOKEN, value: kanarie7f3a}");

const JOB: &str =
    job!("\n  name: etl", "suspend: true", "{name: flow, image: none, env: [{name: TOKEN, value: kanarie7f3a}]}");

const CONFIG_MAP: &str = config_map!("plain", "{k: v}");

struct DiffFixture {
    servers: &'static Servers,
    namespace: String,
    admin: Client,
    proxy: Proxy,
    sandbox: Sandbox,
}

impl DiffFixture {
    fn new(servers: &'static Servers) -> Self {
        let proxy = Proxy::start(servers, |_| Action::Forward);
        let sandbox = Sandbox::new(proxy.kubeconfig());
        DiffFixture {
            servers,
            namespace: servers.create_namespace("diff"),
            admin: servers.client(ADMIN),
            proxy,
            sandbox,
        }
    }

    /// Applies a manifest without the proxy, so the proxy records only the requests of `diff`.
    fn apply(&self, text: &str, args: &[&str]) {
        self.sandbox.write("live.yaml", text);
        let config = self.servers.kubeconfig(ADMIN);
        let config = config.to_string_lossy();
        let output =
            self.sandbox.run(&[&["apply", "live.yaml", "-n", &self.namespace, "--kubeconfig", &config], args].concat());
        assert_eq!(output.status, 0, "{output:?}");
    }

    /// Runs `diff` on a manifest. Asserts that it changes no object, prints no canary and lists no Secrets.
    #[track_caller]
    fn diff(&self, text: &str, args: &[&str]) -> RunOutput {
        self.sandbox.write("new.yaml", text);
        let before = self.snapshot();
        let output = self.sandbox.run(&[&["diff", "new.yaml", "-n", &self.namespace], args].concat());
        let printed_text = format!("{output:?}");
        assert!(!printed_text.contains(CANARY) && !printed_text.contains(CANARY_IN_BASE64), "{printed_text}");
        assert_eq!(self.snapshot(), before);
        for request in self.proxy.requests() {
            assert!(request.method == "GET" || request.is_dry_run(), "{} {}", request.method, request.target);
            assert!(!(request.method == "GET" && request.target.contains("/secrets?")), "{}", request.target);
        }
        output
    }

    fn snapshot(&self) -> Vec<Value> {
        let objects = ["cronjobs", "jobs", "configmaps", "secrets"].into_iter().flat_map(|resource| {
            let list = self.admin.get(&api_path(&self.namespace, resource, "")).expect_success();
            list["items"].as_array().cloned().unwrap_or_default()
        });
        // A controller may create this ConfigMap at any time, so the snapshot omits it.
        let objects = objects.filter(|object| object["metadata"]["name"] != "kube-root-ca.crt");
        // A controller may change the status of Jobs at any time, so the snapshot omits the fields that change with it.
        let stable_objects = objects.map(|mut object| {
            if object["status"].take() != Value::Null {
                object["metadata"]["resourceVersion"].take();
            }
            if let Some(owners) = object["metadata"]["managedFields"].as_array_mut() {
                owners.retain(|owner| owner["subresource"] != "status");
            }
            object
        });
        stable_objects.collect()
    }
}

/// Returns the added and removed lines of a diff.
fn changed_lines(output: &RunOutput) -> Vec<&str> {
    let is_change = |line: &&str| line.starts_with(['-', '+']) && !line.starts_with("---") && !line.starts_with("+++");
    output.stdout.lines().filter(is_change).collect()
}

#[test]
fn prints_nothing_without_a_difference() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let manifest = format!("{CRON_JOB}---\n{JOB}---\n{CONFIG_MAP}");
    fixture.apply(&manifest, &[]);
    let output = fixture.diff(&manifest, &[]);
    assert_eq!((output.status, &*output.stdout, &*output.stderr), (0, "", ""));
    // Comments and layout are not differences.
    let output = fixture.diff(
        &format!("# new\n{}", CRON_JOB.replace("{name: MODE, value: fast}", "{ 'name': MODE, value: \"fast\" }")),
        &[],
    );
    assert_eq!((output.status, &*output.stdout), (0, ""));
}

/// A change to the ownership of a value is not a difference.
#[test]
fn ignores_the_ownership_of_equal_values() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.sandbox.write("theirs.yaml", CRON_JOB);
    let file = fixture.sandbox.directory().join("theirs.yaml");
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let output = fixture.diff(CRON_JOB, &[]);
    assert_eq!((output.status, &*output.stdout), (0, ""), "{output:?}");
    // A value with several lines is masked in each line.
    let lines = CRON_JOB.replace("value: kanarie7f3a", "value: \"a: kanarie7f3a\\n- kanarie7f3a\\n\\nkanarie7f3a\"");
    let output = fixture.diff(&lines, &["--force-conflicts"]);
    assert_eq!(output.status, 1, "{output:?}");
}

#[test]
fn shows_only_the_differences() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(&format!("{CRON_JOB}---\n{CONFIG_MAP}"), &[]);
    let new = CRON_JOB.replace("image: none", "image: other").replace("suspend: true", "suspend: false");
    let output = fixture.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stdout.starts_with("--- live cronjob.batch/nightly\n+++ new.yaml cronjob.batch/nightly\n@@ -"),
        "{}",
        output.stdout
    );
    let mut lines = changed_lines(&output);
    lines.sort_unstable();
    assert_eq!(
        lines.iter().map(|line| line.replace(' ', "")).collect::<Vec<_>>(),
        ["+image:other", "+suspend:false", "-image:none", "-suspend:true"]
    );
    for noise in
        ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "status:", "last-applied"]
    {
        assert!(!output.stdout.contains(noise), "{noise}: {}", output.stdout);
    }
    assert_eq!(fixture.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]).stdout, output.stdout);
}

#[test]
fn masks_a_changed_value() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(CRON_JOB, &[]);
    for (value, args) in [(format!("{CANARY}-2"), &[][..]), (CANARY.to_owned(), &["--secret-env", "TOKEN=s/k"])] {
        let output = fixture.diff(&CRON_JOB.replace(CANARY, &value), args);
        assert_eq!(output.status, 1, "{output:?}");
        let lines: Vec<String> = changed_lines(&output).into_iter().map(|line| line.replace(' ', "")).collect();
        if args.is_empty() {
            assert_eq!(lines, ["-value:***", "+value:***(changed)"]);
        } else {
            assert!(
                lines.contains(&"-value:***".to_owned()) && lines.contains(&"+secretKeyRef:".to_owned()),
                "{lines:?}"
            );
        }
    }
}

#[test]
fn masks_secrets_on_both_sides() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let secret_with = |data: &str, more_data: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata:\n  token: {data}\n{more_data}")
    };
    fixture.apply(&secret_with(&format!("{CANARY_IN_BASE64}="), ""), &[]);
    assert_eq!(fixture.diff(&secret_with(&format!("{CANARY_IN_BASE64}="), ""), &[]).status, 0);
    let output = fixture.diff(&secret_with(&format!("{CANARY_IN_BASE64}tMg=="), "  more: eA==\n"), &[]);
    assert_eq!(output.status, 1);
    let mut lines: Vec<String> = changed_lines(&output).into_iter().map(|line| line.replace(' ', "")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+more:***", "+token:***(changed)", "-token:***"], "{}", output.stdout);
    // The server converts `stringData` to `data`, so the values must be masked in both fields.
    let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: t}}\nstringData: {{token: {CANARY}}}\n");
    assert_eq!(fixture.diff(&text, &[]).status, 1);
    fixture.apply(&text, &[]);
    assert_eq!(fixture.diff(&text.replace(CANARY, &format!("{CANARY}-2")), &[]).status, 1);
    // kubectl's last-applied annotation contains all values, so it must be masked, too.
    fixture.sandbox.write("theirs.yaml", format!("{}---\n{text}", CRON_JOB.replace("name: nightly", "name: theirs")));
    let file = fixture.sandbox.directory().join("theirs.yaml");
    let args = ["apply", "--force-conflicts", "--server-side", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let theirs = CRON_JOB.replace("name: nightly", "name: theirs\n  labels: {a: b}");
    let output = fixture.diff(&theirs, &[]);
    assert_eq!(output.status, 1, "{output:?}");
}

#[test]
fn shows_new_objects() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let manifest = format!("{CONFIG_MAP}---\n{CRON_JOB}---\n{JOB}");
    let output = fixture.diff(&manifest, &[]);
    assert_eq!(output.status, 1, "{output:?}");
    let objects: Vec<&str> = output.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml ")).collect();
    assert_eq!(objects, ["configmap/plain", "cronjob.batch/nightly", "job.batch/etl"]);
    assert!(changed_lines(&output).iter().all(|line| line.starts_with('+')), "{}", output.stdout);
    // Generated values are not a difference.
    assert!(!output.stdout.contains("controller-uid"), "{}", output.stdout);
    assert_eq!(fixture.diff(&manifest, &[]).stdout, output.stdout);
    let generated = fixture.diff(&JOB.replace("name: etl", "generateName: etl-"), &[]);
    assert_eq!(generated.status, 1, "{generated:?}");
    assert!(!generated.stdout.contains("controller-uid"), "{}", generated.stdout);
    let service = "apiVersion: v1\nkind: Service\nmetadata: {generateName: web-}\n\
                   spec: {selector: {app: web}, ports: [{port: 80}]}\n";
    let generated = fixture.diff(service, &[]);
    assert!(generated.stdout.contains("+    app: web\n"), "{generated:?}");
    // The namespace of the object is new, too.
    let name = servers.fresh_name("diff-new");
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
    let namespaced_map = CONFIG_MAP.replace("name: plain", &format!("name: plain, namespace: {name}"));
    fixture.sandbox.write("two.yaml", namespace + &namespaced_map);
    let output = fixture.sandbox.run(&["diff", "two.yaml"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert_eq!(output.stdout.matches("+++ two.yaml ").count(), 2, "{output:?}");
    assert_eq!(fixture.admin.get(&format!("/api/v1/namespaces/{name}")).status, 404);
}

#[test]
fn shows_the_items_of_a_list() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let list_of = |first: &str, second: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{k: {first}}}}}\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: b}}, data: {{k: {second}}}}}\n"
        )
    };
    fixture.apply(&list_of("v", "v"), &[]);
    let output = fixture.diff(&list_of("v", "w"), &[]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stdout.starts_with("--- live configmap/b\n+++ new.yaml configmap/b\n"), "{}", output.stdout);
    assert_eq!(changed_lines(&output), ["-  k: v", "+  k: w"]);
}

/// The pod template of a Job is immutable, so `diff` shows the Job that a creation would return.
#[test]
fn shows_a_different_pod_template_of_a_job() {
    let Some(servers) = Servers::shared() else { return };
    for suspend in [true, false] {
        let fixture = DiffFixture::new(servers);
        let job = JOB.replace("suspend: true", &format!("suspend: {suspend}"));
        fixture.apply(&job, &[]);
        let output = fixture.diff(&job.replace("image: none", "image: other"), &[]);
        assert_eq!(output.status, 1, "{output:?}");
        let lines: Vec<&str> = changed_lines(&output).into_iter().map(str::trim_end).collect();
        assert_eq!(lines.iter().map(|line| line.replace(' ', "")).collect::<Vec<_>>(), ["-image:none", "+image:other"]);
        assert!(output.stdout.starts_with("--- live job.batch/etl\n+++ new.yaml job.batch/etl\n"), "{}", output.stdout);
        assert!(!output.stdout.contains("controller-uid") && output.stderr.contains("--on-immutable"), "{output:?}");
        assert!(fixture.proxy.requests().iter().any(|request| request.method == "POST" && request.is_dry_run()));
        // A changed value is also a difference in the pod template.
        let output = fixture.diff(&job.replace(CANARY, &format!("{CANARY}-2")), &[]);
        let lines: Vec<String> = changed_lines(&output).into_iter().map(|line| line.replace(' ', "")).collect();
        assert_eq!(lines, ["-value:***", "+value:***(changed)"], "{output:?}");
        // A new Job that the server would reject is an error.
        let output = fixture.diff(&job.replace("image: none", "image: other").replace("Never", "Always"), &[]);
        assert_eq!(output.status, 3, "{output:?}");
        assert!(output.stderr.contains("restartPolicy"), "{output:?}");
    }
}

/// Recreating a Job removes the fields that other managers have set. `diff` shows these removals.
#[test]
fn shows_fields_of_others_that_a_new_job_loses() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(JOB, &[]);
    let theirs =
        json!({"metadata": {"labels": {"team": "data"}, "annotations": {"seen": "yes"}}, "spec": {"parallelism": 2}});
    fixture.admin.patch(&api_path(&fixture.namespace, "jobs", "etl"), "merge", theirs.to_string()).expect_success();
    assert_eq!(fixture.diff(JOB, &[]).status, 0);
    let output = fixture.diff(&JOB.replace("env: [", "env: [{name: A, value: b}, "), &[]);
    assert_eq!(output.status, 1, "{output:?}");
    let lines: Vec<String> = changed_lines(&output).into_iter().map(|line| line.replace(' ', "")).collect();
    for line in ["+-name:A", "-team:data", "-seen:yes", "-parallelism:2", "+parallelism:1"] {
        assert!(lines.iter().any(|candidate| candidate.replace('\'', "") == line), "{line}: {output:?}");
    }
}

#[test]
fn reports_conflicts_like_apply() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(CRON_JOB, &["--field-manager=somebody"]);
    let new = CRON_JOB.replace("image: none", "image: other").replace(CANARY, &format!("{CANARY}-2"));
    let output = fixture.diff(&new, &[]).assert_exit(3, &["somebody", "image", "none", "other", "--force-conflicts"]);
    assert_eq!(output.stdout, "");
    let apply_output = fixture.sandbox.run(&["apply", "new.yaml", "-n", &fixture.namespace, "--dry-run=server"]);
    let conflict_rows =
        |text: &str| text.lines().filter(|line| line.contains("somebody")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!conflict_rows(&output.stderr).is_empty());
    assert_eq!(conflict_rows(&output.stderr), conflict_rows(&apply_output.stderr));
    // With `--force-conflicts` the conflict is a difference.
    let output = fixture.diff(&new, &["--force-conflicts"]);
    assert_eq!((output.status, changed_lines(&output).len()), (1, 4), "{output:?}");
}

#[test]
fn shows_a_take_over_without_doing_it() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.sandbox.write("theirs.yaml", CRON_JOB);
    let file = fixture.sandbox.directory().join("theirs.yaml");
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    fixture.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k"]).assert_exit(3, &["TOKEN", "--take-over"]);
    let output = fixture.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k", "--take-over"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(changed_lines(&output).iter().any(|line| line.contains("secretKeyRef")), "{output:?}");
    let output = fixture.diff(CRON_JOB, &["--unset", "TOKEN", "--take-over"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        changed_lines(&output).iter().any(|line| line.contains("- name: TOKEN") || line.contains("TOKEN")),
        "{output:?}"
    );
}

#[test]
fn exits_with_the_code_of_the_failure() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    for (text, args, status, expected_message) in [
        ("apiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: a}\n", &[][..], 3, "Unknown"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n", &[], 3, "UPPER"),
        ("a: b\n", &[], 2, "not a Kubernetes object"),
        ("# nothing\n", &[], 2, "no Kubernetes object"),
        (JOB, &["--take-over"], 2, "--take-over"),
        (JOB, &["--context=none"], 3, "none"),
        (CONFIG_MAP, &["--on-immutable=skip"], 2, "--on-immutable"),
    ] {
        fixture.diff(text, args).assert_exit(status, &[expected_message]);
    }
    let other = CONFIG_MAP.replace("name: plain", "name: plain, namespace: other");
    fixture.diff(&other, &[]).assert_exit(2, &["new.yaml:3", "other"]);
}

/// Differences are in document order. Differences of documents before a rejected document are shown.
#[test]
fn shows_documents_in_order() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let config_map_named = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let documents: Vec<String> = names.iter().map(|name| config_map_named(name)).collect();
    let output = fixture.diff(&documents.join("---\n"), &[]);
    let shown_names: Vec<&str> =
        output.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml configmap/")).collect();
    assert_eq!(shown_names, names);
    let output = fixture.diff(&format!("{}---\n{}", config_map_named("a"), config_map_named("UPPER")), &[]);
    assert_eq!(output.status, 3);
    assert!(output.stdout.contains("configmap/a"), "{output:?}");
}

#[test]
fn colors_the_output() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let uncolored = fixture.diff(CRON_JOB, &[]);
    assert!(!uncolored.stdout.contains('\u{1b}') && !uncolored.stderr.contains('\u{1b}'), "{uncolored:?}");
    let colored = fixture.diff(CRON_JOB, &["--color=always"]);
    assert!(colored.stdout.contains("\u{1b}[32m+"), "{colored:?}");
    assert_eq!(anstream::adapter::strip_str(&colored.stdout).to_string(), uncolored.stdout);
    assert_eq!(fixture.diff(CRON_JOB, &["--color=never"]).stdout, uncolored.stdout);
}

/// GitHub Actions interprets workflow commands in the output of a step, including those in a manifest.
#[test]
fn prints_no_workflow_commands() {
    let Some(servers) = Servers::shared() else { return };
    let mut fixture = DiffFixture::new(servers);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: log}\ndata:\n  a: |\n    ::add-mask::x\n    ##[group]y\n  b: v\n";
    fixture.apply(map, &[]);
    fixture.sandbox = fixture.sandbox.env("GITHUB_ACTIONS", "true");
    let output = fixture.diff(&map.replace("b: v", "b: w"), &[]);
    assert!(output.stdout.contains("\n     : :add-mask::x\n     ## [group]y\n"), "{output:?}");
}
