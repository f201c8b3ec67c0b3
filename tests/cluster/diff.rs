//! Tests of `jobplate diff`: it shows the differences, masks values and writes nothing.

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::http::Client;
use crate::proxy::{Action, Proxy};
use crate::rows::path;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";
/// The canary in base64, as in the `data` of a Secret.
const CANARY_IN_BASE64: &str = "a2FuYXJpZTdmM2E";

const CRON_JOB: &str = "apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: flow
            image: none
            env:
            - {name: MODE, value: fast}
            - {name: TOKEN, value: kanarie7f3a}
";

const JOB: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: none
        env: [{name: TOKEN, value: kanarie7f3a}]
";

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {k: v}\n";

struct DiffFixture {
    servers: &'static Servers,
    namespace: String,
    admin: Client,
    proxy: Proxy,
    run: Run,
}

impl DiffFixture {
    fn new(servers: &'static Servers) -> Self {
        let proxy = Proxy::start(servers, |_| Action::Pass);
        let run = Run::new(proxy.kubeconfig());
        DiffFixture { servers, namespace: servers.namespace("diff"), admin: servers.client(ADMIN), proxy, run }
    }

    /// Applies a manifest without the proxy, so the proxy records only the requests of `diff`.
    fn apply(&self, text: &str, args: &[&str]) {
        self.run.write("live.yaml", text);
        let config = self.servers.kubeconfig(ADMIN);
        let config = config.to_string_lossy();
        let ran =
            self.run.run(&[&["apply", "live.yaml", "-n", &self.namespace, "--kubeconfig", &config], args].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
    }

    /// Runs `diff` on a manifest. Asserts that it changes no object, prints no canary and lists no Secrets.
    #[track_caller]
    fn diff(&self, text: &str, args: &[&str]) -> Ran {
        self.run.write("new.yaml", text);
        let before = self.snapshot();
        let ran = self.run.run(&[&["diff", "new.yaml", "-n", &self.namespace], args].concat());
        let all = format!("{ran:?}");
        assert!(!all.contains(CANARY) && !all.contains(CANARY_IN_BASE64), "{all}");
        assert_eq!(self.snapshot(), before);
        for request in self.proxy.requests() {
            assert!(request.method == "GET" || request.is_dry_run(), "{} {}", request.method, request.target);
            assert!(!(request.method == "GET" && request.target.contains("/secrets?")), "{}", request.target);
        }
        ran
    }

    fn snapshot(&self) -> Vec<Value> {
        let all = ["cronjobs", "jobs", "configmaps", "secrets"].into_iter().flat_map(|resource| {
            let list = self.admin.get(&path(&self.namespace, resource, "")).done();
            list["items"].as_array().cloned().unwrap_or_default()
        });
        // A controller may create this ConfigMap at any time.
        let all = all.filter(|object| object["metadata"]["name"] != "kube-root-ca.crt");
        // A controller may change the status of Jobs at any time.
        let quiet = all.map(|mut object| {
            if object["status"].take() != Value::Null {
                object["metadata"]["resourceVersion"].take();
            }
            if let Some(owners) = object["metadata"]["managedFields"].as_array_mut() {
                owners.retain(|owner| owner["subresource"] != "status");
            }
            object
        });
        quiet.collect()
    }
}

/// Returns the added and removed lines of a diff.
fn changes(ran: &Ran) -> Vec<&str> {
    let is_change = |line: &&str| line.starts_with(['-', '+']) && !line.starts_with("---") && !line.starts_with("+++");
    ran.stdout.lines().filter(is_change).collect()
}

#[test]
fn prints_nothing_without_a_difference() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let all = format!("{CRON_JOB}---\n{JOB}---\n{CONFIG_MAP}");
    fixture.apply(&all, &[]);
    let ran = fixture.diff(&all, &[]);
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (0, "", ""));
    // Comments and layout are not differences.
    let ran = fixture.diff(
        &format!("# new\n{}", CRON_JOB.replace("{name: MODE, value: fast}", "{ 'name': MODE, value: \"fast\" }")),
        &[],
    );
    assert_eq!((ran.status, &*ran.stdout), (0, ""));
}

/// A change to the ownership of a value is not a difference.
#[test]
fn ignores_the_ownership_of_equal_values() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.run.write("theirs.yaml", CRON_JOB);
    let file = fixture.run.directory().join("theirs.yaml");
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let ran = fixture.diff(CRON_JOB, &[]);
    assert_eq!((ran.status, &*ran.stdout), (0, ""), "{ran:?}");
    // A value with several lines is masked in each line.
    let lines = CRON_JOB.replace("value: kanarie7f3a", "value: \"a: kanarie7f3a\\n- kanarie7f3a\\n\\nkanarie7f3a\"");
    let ran = fixture.diff(&lines, &["--force-conflicts"]);
    assert_eq!(ran.status, 1, "{ran:?}");
}

#[test]
fn shows_only_the_differences() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(&format!("{CRON_JOB}---\n{CONFIG_MAP}"), &[]);
    let new = CRON_JOB.replace("image: none", "image: other").replace("suspend: true", "suspend: false");
    let ran = fixture.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(
        ran.stdout.starts_with("--- live cronjob.batch/nightly\n+++ new.yaml cronjob.batch/nightly\n@@ -"),
        "{}",
        ran.stdout
    );
    let mut lines = changes(&ran);
    lines.sort_unstable();
    assert_eq!(
        lines.iter().map(|line| line.replace(' ', "")).collect::<Vec<_>>(),
        ["+image:other", "+suspend:false", "-image:none", "-suspend:true"]
    );
    for noise in
        ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "status:", "last-applied"]
    {
        assert!(!ran.stdout.contains(noise), "{noise}: {}", ran.stdout);
    }
    assert_eq!(fixture.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]).stdout, ran.stdout);
}

#[test]
fn masks_a_changed_value() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(CRON_JOB, &[]);
    for (value, args) in [(format!("{CANARY}-2"), &[][..]), (CANARY.to_owned(), &["--secret-env", "TOKEN=s/k"])] {
        let ran = fixture.diff(&CRON_JOB.replace(CANARY, &value), args);
        assert_eq!(ran.status, 1, "{ran:?}");
        let lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
        if args.is_empty() {
            assert_eq!(lines, ["-value:***", "+value:***"]);
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
    let secret = |data: &str, more: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata:\n  token: {data}\n{more}")
    };
    fixture.apply(&secret(&format!("{CANARY_IN_BASE64}="), ""), &[]);
    assert_eq!(fixture.diff(&secret(&format!("{CANARY_IN_BASE64}="), ""), &[]).status, 0);
    let ran = fixture.diff(&secret(&format!("{CANARY_IN_BASE64}tMg=="), "  more: eA==\n"), &[]);
    assert_eq!(ran.status, 1);
    let mut lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+more:***", "+token:***", "-token:***"], "{}", ran.stdout);
    // The server converts `stringData` to `data`.
    let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: t}}\nstringData: {{token: {CANARY}}}\n");
    assert_eq!(fixture.diff(&text, &[]).status, 1);
    fixture.apply(&text, &[]);
    assert_eq!(fixture.diff(&text.replace(CANARY, &format!("{CANARY}-2")), &[]).status, 1);
    // kubectl's last-applied annotation contains all values.
    fixture.run.write("theirs.yaml", format!("{}---\n{text}", CRON_JOB.replace("name: nightly", "name: theirs")));
    let file = fixture.run.directory().join("theirs.yaml");
    let args = ["apply", "--force-conflicts", "--server-side", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let theirs = CRON_JOB.replace("name: nightly", "name: theirs\n  labels: {a: b}");
    let ran = fixture.diff(&theirs, &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
}

#[test]
fn shows_new_objects() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let all = format!("{CONFIG_MAP}---\n{CRON_JOB}---\n{JOB}");
    let ran = fixture.diff(&all, &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let objects: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml ")).collect();
    assert_eq!(objects, ["configmap/plain", "cronjob.batch/nightly", "job.batch/etl"]);
    assert!(changes(&ran).iter().all(|line| line.starts_with('+')), "{}", ran.stdout);
    // Generated values are not a difference.
    assert!(!ran.stdout.contains("controller-uid"), "{}", ran.stdout);
    assert_eq!(fixture.diff(&all, &[]).stdout, ran.stdout);
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
    let inside = CONFIG_MAP.replace("name: plain", &format!("name: plain, namespace: {name}"));
    fixture.run.write("two.yaml", namespace + &inside);
    let ran = fixture.run.run(&["diff", "two.yaml"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(ran.stdout.matches("+++ two.yaml ").count(), 2, "{ran:?}");
    assert_eq!(fixture.admin.get(&format!("/api/v1/namespaces/{name}")).status, 404);
}

#[test]
fn shows_the_items_of_a_list() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let list = |first: &str, second: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{k: {first}}}}}\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: b}}, data: {{k: {second}}}}}\n"
        )
    };
    fixture.apply(&list("v", "v"), &[]);
    let ran = fixture.diff(&list("v", "w"), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("--- live configmap/b\n+++ new.yaml configmap/b\n"), "{}", ran.stdout);
    assert_eq!(changes(&ran), ["-  k: v", "+  k: w"]);
}

/// The pod template of a Job is immutable, so `diff` shows the Job that a creation would return.
#[test]
fn shows_a_different_pod_template_of_a_job() {
    let Some(servers) = Servers::shared() else { return };
    for suspend in [true, false] {
        let fixture = DiffFixture::new(servers);
        let job = JOB.replace("suspend: true", &format!("suspend: {suspend}"));
        fixture.apply(&job, &[]);
        let ran = fixture.diff(&job.replace("image: none", "image: other"), &[]);
        assert_eq!(ran.status, 1, "{ran:?}");
        let lines: Vec<&str> = changes(&ran).into_iter().map(str::trim_end).collect();
        assert_eq!(lines.iter().map(|line| line.replace(' ', "")).collect::<Vec<_>>(), ["-image:none", "+image:other"]);
        assert!(ran.stdout.starts_with("--- live job.batch/etl\n+++ new.yaml job.batch/etl\n"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("controller-uid") && ran.stderr.contains("--on-immutable"), "{ran:?}");
        assert!(fixture.proxy.requests().iter().any(|request| request.method == "POST" && request.is_dry_run()));
        // A changed value is a difference of the pod template, too.
        let ran = fixture.diff(&job.replace(CANARY, &format!("{CANARY}-2")), &[]);
        let lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
        assert_eq!(lines, ["-value:***", "+value:***"], "{ran:?}");
        // A new Job that the server would refuse is an error.
        let ran = fixture.diff(&job.replace("image: none", "image: other").replace("Never", "Always"), &[]);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains("restartPolicy"), "{ran:?}");
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
    fixture.admin.patch(&path(&fixture.namespace, "jobs", "etl"), "merge", theirs.to_string()).done();
    assert_eq!(fixture.diff(JOB, &[]).status, 0);
    let ran = fixture.diff(&JOB.replace("env: [", "env: [{name: A, value: b}, "), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
    for line in ["+-name:A", "-team:data", "-seen:yes", "-parallelism:2", "+parallelism:1"] {
        assert!(lines.iter().any(|is| is.replace('\'', "") == line), "{line}: {ran:?}");
    }
}

#[test]
fn reports_conflicts_like_apply() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.apply(CRON_JOB, &["--field-manager=somebody"]);
    let new = CRON_JOB.replace("image: none", "image: other").replace(CANARY, &format!("{CANARY}-2"));
    let ran = fixture.diff(&new, &[]).assert_ended(3, &["somebody", "image", "none", "other", "--force-conflicts"]);
    assert_eq!(ran.stdout, "");
    let reported = fixture.run.run(&["apply", "new.yaml", "-n", &fixture.namespace, "--dry-run=server"]);
    let table =
        |text: &str| text.lines().filter(|line| line.contains("somebody")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!table(&ran.stderr).is_empty());
    assert_eq!(table(&ran.stderr), table(&reported.stderr));
    // With `--force-conflicts` the conflict is a difference.
    let ran = fixture.diff(&new, &["--force-conflicts"]);
    assert_eq!((ran.status, changes(&ran).len()), (1, 4), "{ran:?}");
}

#[test]
fn shows_a_take_over_without_doing_it() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    fixture.run.write("theirs.yaml", CRON_JOB);
    let file = fixture.run.directory().join("theirs.yaml");
    let args = ["apply", "-n", &fixture.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    fixture.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k"]).assert_ended(3, &["TOKEN", "--take-over"]);
    let ran = fixture.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k", "--take-over"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(changes(&ran).iter().any(|line| line.contains("secretKeyRef")), "{ran:?}");
    let ran = fixture.diff(CRON_JOB, &["--unset", "TOKEN", "--take-over"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(changes(&ran).iter().any(|line| line.contains("- name: TOKEN") || line.contains("TOKEN")), "{ran:?}");
}

#[test]
fn exits_with_the_code_of_the_failure() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    for (text, args, status, expected_message) in [
        ("apiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: a}\n", &[][..], 3, "Unknown"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n", &[], 3, "UPPER"),
        ("a: b\n", &[], 2, "no Kubernetes object"),
        ("# nothing\n", &[], 2, "no Kubernetes object"),
        (JOB, &["--take-over"], 2, "--take-over"),
        (JOB, &["--context=none"], 3, "none"),
        (CONFIG_MAP, &["--on-immutable=skip"], 2, "--on-immutable"),
    ] {
        fixture.diff(text, args).assert_ended(status, &[expected_message]);
    }
    let other = CONFIG_MAP.replace("name: plain", "name: plain, namespace: other");
    fixture.diff(&other, &[]).assert_ended(2, &["new.yaml:3", "other"]);
}

/// Differences are in document order. Differences of documents before a rejected document are shown.
#[test]
fn shows_documents_in_order() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let text = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let all: Vec<String> = names.iter().map(|name| text(name)).collect();
    let ran = fixture.diff(&all.join("---\n"), &[]);
    let shown: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml configmap/")).collect();
    assert_eq!(shown, names);
    let ran = fixture.diff(&format!("{}---\n{}", text("a"), text("UPPER")), &[]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("configmap/a"), "{ran:?}");
}

#[test]
fn colors_the_output() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = DiffFixture::new(servers);
    let plain = fixture.diff(CRON_JOB, &[]);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'), "{plain:?}");
    let coloured = fixture.diff(CRON_JOB, &["--color=always"]);
    assert!(coloured.stdout.contains("\u{1b}[32m+"), "{coloured:?}");
    assert_eq!(anstream::adapter::strip_str(&coloured.stdout).to_string(), plain.stdout);
    assert_eq!(fixture.diff(CRON_JOB, &["--color=never"]).stdout, plain.stdout);
}

/// GitHub Actions interprets workflow commands in the output of a step, including those in a manifest.
#[test]
fn prints_no_workflow_commands() {
    let Some(servers) = Servers::shared() else { return };
    let mut fixture = DiffFixture::new(servers);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: log}\ndata:\n  a: |\n    ::add-mask::x\n    ##[group]y\n  b: v\n";
    fixture.apply(map, &[]);
    fixture.run = fixture.run.env("GITHUB_ACTIONS", "true");
    let ran = fixture.diff(&map.replace("b: v", "b: w"), &[]);
    assert!(ran.stdout.contains("\n     : :add-mask::x\n     ## [group]y\n"), "{ran:?}");
}
