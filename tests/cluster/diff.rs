//! `jobplate diff`: what is shown, what is not, and that nothing is written.

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::http::Client;
use crate::proxy::{Action, Proxy};
use crate::rows::path;
use crate::servers::{ADMIN, Servers};

const CANARY: &str = "kanarie7f3a";
/// The same, as `data` of a Secret has it.
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

struct Site {
    servers: &'static Servers,
    namespace: String,
    admin: Client,
    proxy: Proxy,
    run: Run,
}

impl Site {
    fn new(servers: &'static Servers) -> Self {
        let proxy = Proxy::start(servers, |_| Action::Pass);
        let run = Run::new(proxy.kubeconfig());
        Site { servers, namespace: servers.namespace("diff"), admin: servers.client(ADMIN), proxy, run }
    }

    /// Applies a text, behind the proxy's back.
    fn apply(&self, text: &str, args: &[&str]) {
        self.run.write("live.yaml", text);
        let config = self.servers.kubeconfig(ADMIN);
        let config = config.to_string_lossy();
        let ran =
            self.run.run(&[&["apply", "live.yaml", "-n", &self.namespace, "--kubeconfig", &config], args].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
    }

    /// Compares a text. All of the namespace is as it was.
    #[track_caller]
    fn diff(&self, text: &str, args: &[&str]) -> Ran {
        self.run.write("new.yaml", text);
        let before = self.everything();
        let ran = self.run.run(&[&["diff", "new.yaml", "-n", &self.namespace], args].concat());
        let all = format!("{ran:?}");
        assert!(!all.contains(CANARY) && !all.contains(CANARY_IN_BASE64), "{all}");
        assert_eq!(self.everything(), before);
        for request in self.proxy.requests() {
            assert!(request.method == "GET" || request.is_dry_run(), "{} {}", request.method, request.target);
            assert!(!(request.method == "GET" && request.target.contains("/secrets?")), "{}", request.target);
        }
        ran
    }

    fn everything(&self) -> Vec<Value> {
        let all = ["cronjobs", "jobs", "configmaps", "secrets"].into_iter().flat_map(|resource| {
            let list = self.admin.get(&path(&self.namespace, resource, "")).done();
            list["items"].as_array().cloned().unwrap_or_default()
        });
        // The certificates of a namespace come when they come.
        let all = all.filter(|object| object["metadata"]["name"] != "kube-root-ca.crt");
        // So do the states of Jobs.
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

/// The lines that differ.
fn changes(ran: &Ran) -> Vec<&str> {
    let is_change = |line: &&str| line.starts_with(['-', '+']) && !line.starts_with("---") && !line.starts_with("+++");
    ran.stdout.lines().filter(is_change).collect()
}

#[test]
fn nothing_differs() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let all = format!("{CRON_JOB}---\n{JOB}---\n{CONFIG_MAP}");
    site.apply(&all, &[]);
    let ran = site.diff(&all, &[]);
    assert_eq!((ran.status, &*ran.stdout, &*ran.stderr), (0, "", ""));
    // Comments and layout are ours alone.
    let ran = site.diff(
        &format!("# new\n{}", CRON_JOB.replace("{name: MODE, value: fast}", "{ 'name': MODE, value: \"fast\" }")),
        &[],
    );
    assert_eq!((ran.status, &*ran.stdout), (0, ""));
}

/// Whose it becomes is no difference.
#[test]
fn an_object_of_others_that_is_the_same() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.run.write("theirs.yaml", CRON_JOB);
    let file = site.run.directory().join("theirs.yaml");
    let args = ["apply", "-n", &site.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let ran = site.diff(CRON_JOB, &[]);
    assert_eq!((ran.status, &*ran.stdout), (0, ""), "{ran:?}");
    // What a value of several lines has is masked in each of them.
    let lines = CRON_JOB.replace("value: kanarie7f3a", "value: \"a: kanarie7f3a\\n- kanarie7f3a\\n\\nkanarie7f3a\"");
    let ran = site.diff(&lines, &["--force-conflicts"]);
    assert_eq!(ran.status, 1, "{ran:?}");
}

#[test]
fn what_differs_is_shown_and_nothing_else() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(&format!("{CRON_JOB}---\n{CONFIG_MAP}"), &[]);
    let new = CRON_JOB.replace("image: none", "image: other").replace("suspend: true", "suspend: false");
    let ran = site.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]);
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
    assert_eq!(site.diff(&format!("{CONFIG_MAP}---\n{new}"), &[]).stdout, ran.stdout);
}

#[test]
fn a_changed_value_is_seen_to_change_and_not_seen() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(CRON_JOB, &[]);
    for (value, args) in [(format!("{CANARY}-2"), &[][..]), (CANARY.to_owned(), &["--secret-env", "TOKEN=s/k"])] {
        let ran = site.diff(&CRON_JOB.replace(CANARY, &value), args);
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
fn secrets_are_masked_on_both_sides() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let secret = |data: &str, more: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata:\n  token: {data}\n{more}")
    };
    site.apply(&secret(&format!("{CANARY_IN_BASE64}="), ""), &[]);
    assert_eq!(site.diff(&secret(&format!("{CANARY_IN_BASE64}="), ""), &[]).status, 0);
    let ran = site.diff(&secret(&format!("{CANARY_IN_BASE64}tMg=="), "  more: eA==\n"), &[]);
    assert_eq!(ran.status, 1);
    let mut lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+more:***", "+token:***", "-token:***"], "{}", ran.stdout);
    // The server turns text into data.
    let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: t}}\nstringData: {{token: {CANARY}}}\n");
    assert_eq!(site.diff(&text, &[]).status, 1);
    site.apply(&text, &[]);
    assert_eq!(site.diff(&text.replace(CANARY, &format!("{CANARY}-2")), &[]).status, 1);
    // What kubectl keeps of a Secret or of env holds all values.
    site.run.write("theirs.yaml", format!("{}---\n{text}", CRON_JOB.replace("name: nightly", "name: theirs")));
    let file = site.run.directory().join("theirs.yaml");
    let args = ["apply", "--force-conflicts", "--server-side", "-n", &site.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let args = ["apply", "-n", &site.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    let theirs = CRON_JOB.replace("name: nightly", "name: theirs\n  labels: {a: b}");
    let ran = site.diff(&theirs, &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
}

#[test]
fn new_objects() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let all = format!("{CONFIG_MAP}---\n{CRON_JOB}---\n{JOB}");
    let ran = site.diff(&all, &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let objects: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml ")).collect();
    assert_eq!(objects, ["configmap/plain", "cronjob.batch/nightly", "job.batch/etl"]);
    assert!(changes(&ran).iter().all(|line| line.starts_with('+')), "{}", ran.stdout);
    // What is another each time is no difference.
    assert!(!ran.stdout.contains("controller-uid"), "{}", ran.stdout);
    assert_eq!(site.diff(&all, &[]).stdout, ran.stdout);
    let generated = site.diff(&JOB.replace("name: etl", "generateName: etl-"), &[]);
    assert_eq!(generated.status, 1, "{generated:?}");
    assert!(!generated.stdout.contains("controller-uid"), "{}", generated.stdout);
    let service = "apiVersion: v1\nkind: Service\nmetadata: {generateName: web-}\n\
                   spec: {selector: {app: web}, ports: [{port: 80}]}\n";
    let generated = site.diff(service, &[]);
    assert!(generated.stdout.contains("+    app: web\n"), "{generated:?}");
    // Its namespace is new, too.
    let name = servers.fresh_name("diff-new");
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n");
    let inside = CONFIG_MAP.replace("name: plain", &format!("name: plain, namespace: {name}"));
    site.run.write("two.yaml", namespace + &inside);
    let ran = site.run.run(&["diff", "two.yaml"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(ran.stdout.matches("+++ two.yaml ").count(), 2, "{ran:?}");
    assert_eq!(site.admin.get(&format!("/api/v1/namespaces/{name}")).status, 404);
}

#[test]
fn items_of_a_list() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let list = |first: &str, second: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{k: {first}}}}}\n\
             - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: b}}, data: {{k: {second}}}}}\n"
        )
    };
    site.apply(&list("v", "v"), &[]);
    let ran = site.diff(&list("v", "w"), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("--- live configmap/b\n+++ new.yaml configmap/b\n"), "{}", ran.stdout);
    assert_eq!(changes(&ran), ["-  k: v", "+  k: w"]);
}

/// What an apply can't change is shown all the same, as a creation would make it.
#[test]
fn jobs_that_can_not_be_changed() {
    let Some(servers) = Servers::shared() else { return };
    for suspend in [true, false] {
        let site = Site::new(servers);
        let job = JOB.replace("suspend: true", &format!("suspend: {suspend}"));
        site.apply(&job, &[]);
        let ran = site.diff(&job.replace("image: none", "image: other"), &[]);
        assert_eq!(ran.status, 1, "{ran:?}");
        let lines: Vec<&str> = changes(&ran).into_iter().map(str::trim_end).collect();
        assert_eq!(lines.iter().map(|line| line.replace(' ', "")).collect::<Vec<_>>(), ["-image:none", "+image:other"]);
        assert!(ran.stdout.starts_with("--- live job.batch/etl\n+++ new.yaml job.batch/etl\n"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("controller-uid") && ran.stderr.contains("--on-immutable"), "{ran:?}");
        assert!(site.proxy.requests().iter().any(|request| request.method == "POST" && request.is_dry_run()));
        // A value alone is no less of a change.
        let ran = site.diff(&job.replace(CANARY, &format!("{CANARY}-2")), &[]);
        let lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
        assert_eq!(lines, ["-value:***", "+value:***"], "{ran:?}");
        // One that would not be taken is refused.
        let ran = site.diff(&job.replace("image: none", "image: other").replace("Never", "Always"), &[]);
        assert_eq!(ran.status, 3, "{ran:?}");
        assert!(ran.stderr.contains("restartPolicy"), "{ran:?}");
    }
}

/// What others have set would go with the Job that they have set it in, and that is shown.
#[test]
fn fields_of_others_in_a_job_that_can_not_be_changed() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(JOB, &[]);
    let theirs =
        json!({"metadata": {"labels": {"team": "data"}, "annotations": {"seen": "yes"}}, "spec": {"parallelism": 2}});
    site.admin.patch(&path(&site.namespace, "jobs", "etl"), "merge", theirs.to_string()).done();
    assert_eq!(site.diff(JOB, &[]).status, 0);
    let ran = site.diff(&JOB.replace("env: [", "env: [{name: A, value: b}, "), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let lines: Vec<String> = changes(&ran).into_iter().map(|line| line.replace(' ', "")).collect();
    for line in ["+-name:A", "-team:data", "-seen:yes", "-parallelism:2", "+parallelism:1"] {
        assert!(lines.iter().any(|is| is.replace('\'', "") == line), "{line}: {ran:?}");
    }
}

#[test]
fn conflicts_are_told_as_apply_tells_them() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.apply(CRON_JOB, &["--field-manager=somebody"]);
    let new = CRON_JOB.replace("image: none", "image: other").replace(CANARY, &format!("{CANARY}-2"));
    let ran = site.diff(&new, &[]).says(3, &["somebody", "image", "none", "other", "--force-conflicts"]);
    assert_eq!(ran.stdout, "");
    let told = site.run.run(&["apply", "new.yaml", "-n", &site.namespace, "--dry-run=server"]);
    let table =
        |text: &str| text.lines().filter(|line| line.contains("somebody")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!table(&ran.stderr).is_empty());
    assert_eq!(table(&ran.stderr), table(&told.stderr));
    // By force it is a change.
    let ran = site.diff(&new, &["--force-conflicts"]);
    assert_eq!((ran.status, changes(&ran).len()), (1, 4), "{ran:?}");
}

#[test]
fn taking_over_is_shown_and_not_done() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    site.run.write("theirs.yaml", CRON_JOB);
    let file = site.run.directory().join("theirs.yaml");
    let args = ["apply", "-n", &site.namespace, "-f", &file.to_string_lossy()];
    assert!(servers.run("kubectl", &args).status.success());
    site.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k"]).says(3, &["TOKEN", "--take-over"]);
    let ran = site.diff(CRON_JOB, &["--secret-env", "TOKEN=s/k", "--take-over"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(changes(&ran).iter().any(|line| line.contains("secretKeyRef")), "{ran:?}");
    let ran = site.diff(CRON_JOB, &["--unset", "TOKEN", "--take-over"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(changes(&ran).iter().any(|line| line.contains("- name: TOKEN") || line.contains("TOKEN")), "{ran:?}");
}

#[test]
fn failures_have_their_exit_codes() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    for (text, args, status, says) in [
        ("apiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: a}\n", &[][..], 3, "Unknown"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n", &[], 3, "UPPER"),
        ("a: b\n", &[], 2, "no Kubernetes object"),
        ("# nothing\n", &[], 2, "no Kubernetes object"),
        (JOB, &["--take-over"], 2, "--take-over"),
        (JOB, &["--context=none"], 3, "none"),
        (CONFIG_MAP, &["--on-immutable=skip"], 2, "--on-immutable"),
    ] {
        site.diff(text, args).says(status, &[says]);
    }
    let other = CONFIG_MAP.replace("name: plain", "name: plain, namespace: other");
    site.diff(&other, &[]).says(2, &["new.yaml:3", "other"]);
}

/// Of several documents the differences come in their order, and those before a refusal are shown.
#[test]
fn several_documents() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let text = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let all: Vec<String> = names.iter().map(|name| text(name)).collect();
    let ran = site.diff(&all.join("---\n"), &[]);
    let shown: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("+++ new.yaml configmap/")).collect();
    assert_eq!(shown, names);
    let ran = site.diff(&format!("{}---\n{}", text("a"), text("UPPER")), &[]);
    assert_eq!(ran.status, 3);
    assert!(ran.stdout.contains("configmap/a"), "{ran:?}");
}

#[test]
fn colours() {
    let Some(servers) = Servers::shared() else { return };
    let site = Site::new(servers);
    let plain = site.diff(CRON_JOB, &[]);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'), "{plain:?}");
    let coloured = site.diff(CRON_JOB, &["--color=always"]);
    assert!(coloured.stdout.contains("\u{1b}[32m+"), "{coloured:?}");
    assert_eq!(anstream::adapter::strip_str(&coloured.stdout).to_string(), plain.stdout);
    assert_eq!(site.diff(CRON_JOB, &["--color=never"]).stdout, plain.stdout);
}

/// The runner of GitHub Actions reads commands in what a step prints, those of a manifest, too.
#[test]
fn workflow_commands() {
    let Some(servers) = Servers::shared() else { return };
    let mut site = Site::new(servers);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: log}\ndata:\n  a: |\n    ::add-mask::x\n    ##[group]y\n  b: v\n";
    site.apply(map, &[]);
    site.run = site.run.env("GITHUB_ACTIONS", "true");
    let ran = site.diff(&map.replace("b: v", "b: w"), &[]);
    assert!(ran.stdout.contains("\n     : :add-mask::x\n     ## [group]y\n"), "{ran:?}");
}
