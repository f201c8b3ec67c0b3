//! Tests of `jobplate apply` on a working server: the requests, their order, and the report.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::proxy::{Action, Proxy, Request};
use crate::rows::api_path;
use crate::run;
use crate::servers::{ADMIN, Servers, kubeconfig};

const CANARY: &str = "kanarie7f3a";

const CRON_JOB: &str = "# Every new year
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly   # not so often
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: flow
            image: none
            args: [\"-c\", 'echo \"a\"']
            env:
            - {name: TOKEN, value: kanarie7f3a}
";

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n")
}

fn job(name: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  {name}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: flow\n        image: none\n        \
         env: [{{name: TOKEN, value: {CANARY}}}]\n"
    )
}

struct ApplyFixture {
    namespace: String,
    admin: Client,
    proxy: Proxy,
    sandbox: Sandbox,
}

impl ApplyFixture {
    fn new(servers: &'static Servers) -> Self {
        let proxy = Proxy::start(servers, |_| Action::Forward);
        let sandbox = Sandbox::new(proxy.kubeconfig());
        ApplyFixture { namespace: servers.create_namespace("apply"), admin: servers.client(ADMIN), proxy, sandbox }
    }

    /// Runs the program in the fixture's namespace. Asserts that only `render` prints the canary.
    fn run(&self, args: &[&str]) -> RunOutput {
        let output = self.sandbox.run(&[args, &["-n", &self.namespace]].concat());
        let may_show = args[0] == "render";
        assert!(may_show || !format!("{output:?}").contains(CANARY), "{output:?}");
        output
    }

    fn apply(&self, text: &str, args: &[&str]) -> RunOutput {
        self.sandbox.write("all.yaml", text);
        self.run(&[&["apply", "all.yaml"], args].concat())
    }

    fn get(&self, resource: &str, name: &str) -> Value {
        self.admin.get(&api_path(&self.namespace, resource, name)).expect_success()
    }

    fn exists(&self, resource: &str, name: &str) -> bool {
        self.admin.get(&api_path(&self.namespace, resource, name)).status == 200
    }

    /// Returns the bodies of the write requests.
    fn bodies(&self) -> Vec<String> {
        let to_text = |request: &Request| String::from_utf8(request.body.clone()).expect("it is text");
        self.proxy.writes().iter().map(to_text).collect()
    }
}

#[test]
fn applies_prerequisites_first_and_jobs_last() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let (group, new_namespace) = (format!("{}.example.com", servers.fresh_name("flows")), servers.fresh_name("made"));
    let definition = |name: &str, kind: &str| {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {name}.{group}}}\n\
             spec:\n  group: {group}\n  scope: Namespaced\n  names: {{plural: {name}, kind: {kind}}}\n  versions:\n  \
             - name: v1\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, \
             properties: {{spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}}}\n"
        )
    };
    let in_namespace =
        |text: String| text.replacen("metadata:\n", &format!("metadata:\n  namespace: {new_namespace}\n"), 1);
    let custom_resource =
        |kind: &str| format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata:\n  name: own\nspec: {{a: 1}}\n");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n".to_owned();
    let documents = [
        in_namespace(job("name: first")),
        in_namespace(custom_resource("Flow")),
        in_namespace(map),
        definition("flows", "Flow"),
        in_namespace(CRON_JOB.to_owned()),
        in_namespace(job("name: second")),
        in_namespace(custom_resource("Deed")),
        definition("deeds", "Deed"),
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {new_namespace}}}\n"),
    ];
    for extra_args in [&[][..], &["--concurrency=1"], &["--no-preflight"]] {
        fixture.sandbox.write("all.yaml", documents.join("---\n"));
        let before = fixture.proxy.writes().len();
        let output = fixture.sandbox.run(&[&["apply", "all.yaml"], extra_args].concat()).assert_exit(0, &[]);
        let objects = [
            format!("customresourcedefinition.apiextensions.k8s.io/flows.{group}"),
            format!("customresourcedefinition.apiextensions.k8s.io/deeds.{group}"),
            format!("namespace/{new_namespace}"),
            format!("flow.{group}/own"),
            "configmap/a".to_owned(),
            "cronjob.batch/nightly".to_owned(),
            format!("deed.{group}/own"),
            "job.batch/first".to_owned(),
            "job.batch/second".to_owned(),
        ];
        let outcome = if before == 0 { "created" } else { "unchanged" };
        let report: String = objects.iter().map(|object| format!("{object} {outcome}\n")).collect();
        assert_eq!(output.stdout, report, "{}", output.stderr);
        // A custom resource may be sent again if its kind is not served yet, so there may be more requests than
        // documents.
        let phase_of = |request: &Request| match request.path().rsplit('/').nth(1) {
            Some("namespaces" | "customresourcedefinitions") => 0,
            Some("jobs") => 2,
            _ => 1,
        };
        let phases: Vec<usize> = fixture.proxy.writes()[before..].iter().map(phase_of).collect();
        assert!(phases.is_sorted() && phases.len() >= documents.len(), "{phases:?}");
    }
}

/// `apply` sends the bytes that `render` prints.
#[test]
fn sends_what_render_prints() {
    let Some(servers) = Servers::shared() else { return };
    let block = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: block\ndata:\n  run.sh: |+\n    #!/bin/sh\n    echo '---'\n\n  x: >-\n    a\n      b\n\n";
    let json = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"json\"}\n}\n";
    for (label, text) in [
        ("comments", CRON_JOB.to_owned()),
        ("CRLF", CRON_JOB.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{CRON_JOB}")),
        ("both", format!("\u{feff}{}", CRON_JOB.replace('\n', "\r\n"))),
        ("no final newline", CRON_JOB.trim_end().to_owned()),
        ("a leading separator", format!("---\n{CRON_JOB}")),
        ("a separator with a comment", format!("--- # begins\n{CRON_JOB}")),
        ("an end", format!("{CRON_JOB}...\n")),
        ("block scalars", block.to_owned()),
        ("JSON", json.to_owned()),
        ("anchors", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchors}\ndata: {k: &a v, l: *a}\n".to_owned()),
    ] {
        for env_flags in [&[][..], &["--secret-env", "TOKEN=s/k"]] {
            if !env_flags.is_empty() && !text.contains("CronJob") {
                continue;
            }
            let fixture = ApplyFixture::new(servers);
            fixture.sandbox.write("all.yaml", &text);
            let rendered = fixture.sandbox.run(&[&["render", "all.yaml"], env_flags].concat());
            let expected = if env_flags.is_empty() { text.clone() } else { rendered.stdout };
            fixture.apply(&text, env_flags).assert_exit(0, &[]);
            let bodies = fixture.bodies();
            // The end marker is not part of the document, so the comparison ignores it.
            let body = bodies[0].trim_end_matches("...\n");
            assert!(
                bodies.len() == 1 && body == expected.trim_end_matches("...\n"),
                "{label} {env_flags:?}: {bodies:?}"
            );
            let content_types: Vec<Option<String>> = fixture
                .proxy
                .writes()
                .iter()
                .map(|request| request.header("content-type").map(str::to_owned))
                .collect();
            assert_eq!(content_types, [Some("application/apply-patch+yaml".to_owned())]);
        }
    }
    // Each document is sent as a separate request.
    let fixture = ApplyFixture::new(servers);
    let manifest = format!("# first\n{}--- # second\n{block}---\n# third\n{CRON_JOB}", config_map("a", "v"));
    let output = fixture.apply(&manifest, &["--secret-env", "TOKEN=s/k", "--concurrency=1"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/a created\nconfigmap/block created\ncronjob.batch/nightly created\n");
    let rendered = fixture.sandbox.run(&["render", "all.yaml", "--secret-env", "TOKEN=s/k"]).stdout;
    let mut rest = &*rendered;
    for body in fixture.bodies() {
        // A body may or may not begin with the separator before its document.
        let next = rest.strip_prefix(&*body).or_else(|| rest.strip_prefix("---\n")?.strip_prefix(&*body));
        rest = next.unwrap_or_else(|| panic!("{body}\n{rest}"));
    }
    assert_eq!(rest, "");
}

#[test]
fn sends_each_item_of_a_list() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: modes}\n  spec:\n    schedule: '0 0 1 1 *'\n    jobTemplate:\n      spec:\n        template:\n          spec:\n            restartPolicy: Never\n            containers: [{name: flow, image: none, env: [{name: A, value: 'yes'}]}]\n            volumes: [{name: v, configMap: {name: a, defaultMode: 0640}}, {name: w, configMap: {name: a, defaultMode: 0o600}}]\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: '0640'}}\n";
    let output = fixture.apply(list, &["--secret-env", "TOKEN=s/k"]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "cronjob.batch/modes created\nconfigmap/a created\n");
    let bodies = fixture.bodies();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        let item: Value = serde_json::from_str(&body).expect("it is JSON");
        assert!(item["kind"] != "List", "{item}");
    }
    let live = fixture.get("cronjobs", "modes");
    let pod = &live["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let modes: Vec<&Value> = (0..2).map(|at| &pod["volumes"][at]["configMap"]["defaultMode"]).collect();
    assert_eq!(modes, [&json!(0o640), &json!(0o600)]);
    assert_eq!(pod["containers"][0]["env"][0], json!({"name": "A", "value": "yes"}));
    assert_eq!(pod["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"]["name"], "s");
    assert_eq!(fixture.get("configmaps", "a")["data"]["k"], "0640");
    assert_eq!(
        fixture.apply(list, &["--secret-env", "TOKEN=s/k"]).stdout,
        "cronjob.batch/modes unchanged\nconfigmap/a unchanged\n"
    );
}

#[test]
fn creates_an_object_with_generate_name_once() {
    let Some(servers) = Servers::shared() else { return };
    for extra_args in [&[][..], &["--no-preflight"]] {
        let fixture = ApplyFixture::new(servers);
        let text = job("generateName: etl-");
        let output = fixture.apply(&text, extra_args).assert_exit(0, &[]);
        let writes = fixture.proxy.writes();
        assert!(writes.len() == 1 && writes[0].method == "POST", "{writes:?}");
        assert_eq!(String::from_utf8_lossy(&writes[0].body), text);
        let jobs = fixture.get("jobs", "")["items"].as_array().cloned().unwrap_or_default();
        assert_eq!(jobs.len(), 1);
        let name = jobs[0]["metadata"]["name"].as_str().expect("it has one");
        assert_eq!(output.stdout, format!("job.batch/{name} created\n"));
        assert_eq!(fixture.apply(&text, &["-o", "name"]).stdout.matches("job.batch/etl-").count(), 1);
        assert_eq!(fixture.get("jobs", "")["items"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn reads_files_directories_and_standard_input() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    for (name, map) in [("b.yaml", "b"), ("a.yaml", "a"), ("folder/c.yaml", "c"), ("folder/d.json", "d")] {
        fixture.sandbox.write(name, config_map(map, "v"));
    }
    let output = fixture.run(&["apply", "b.yaml", "-f", "a.yaml", "folder"]).assert_exit(0, &[]);
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["configmap/a created", "configmap/b created", "configmap/c created", "configmap/d created"]);

    let mut command = run::isolated_command(run::binary(), fixture.sandbox.directory());
    command.env("KUBECONFIG", fixture.proxy.kubeconfig()).args(["apply", "a.yaml", "-", "-n", &fixture.namespace]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let manifest = format!("{}---\n{}", config_map("piped", "v"), config_map("b", "w"));
    child.stdin.take().expect("it is a pipe").write_all(manifest.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "configmap/a unchanged\nconfigmap/piped created\nconfigmap/b configured\n"
    );
    assert_eq!(fixture.get("configmaps", "b")["data"]["k"], "w");
}

/// Covers runs within one second, since creation times have a precision of one second.
#[test]
fn reports_the_right_outcomes() {
    let Some(servers) = Servers::shared() else { return };
    for extra_args in [&[][..], &["--no-preflight"], &["--concurrency=1"]] {
        let fixture = ApplyFixture::new(servers);
        let manifest_with = |value: &str| format!("{}---\n{CRON_JOB}---\n{}", config_map("a", value), job("name: etl"));
        let outcomes_of = |text: &str| {
            let output = fixture.apply(text, &[extra_args, &["-o", "json"]].concat()).assert_exit(0, &[]);
            output.outcomes().join(" ")
        };
        assert_eq!(outcomes_of(&manifest_with("v")), "created created created", "{extra_args:?}");
        assert_eq!(outcomes_of(&manifest_with("v")), "unchanged unchanged unchanged", "{extra_args:?}");
        assert_eq!(outcomes_of(&manifest_with("w")), "configured unchanged unchanged", "{extra_args:?}");
        assert_eq!(outcomes_of(&manifest_with("w")), "unchanged unchanged unchanged", "{extra_args:?}");
        // Only the CronJob changes: its literal is replaced with a reference.
        let with_reference =
            manifest_with("w").replace(&format!("value: {CANARY}"), "valueFrom: {secretKeyRef: {name: s, key: k}}");
        let with_reference = with_reference.replace(
            &job("name: etl").replace(&format!("value: {CANARY}"), "valueFrom: {secretKeyRef: {name: s, key: k}}"),
            &job("name: etl"),
        );
        assert_eq!(outcomes_of(&with_reference), "unchanged configured unchanged", "{extra_args:?}");
        assert_eq!(outcomes_of(&with_reference), "unchanged unchanged unchanged", "{extra_args:?}");
    }
}

#[test]
fn reports_in_the_order_of_the_phases_and_of_the_input() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let names: Vec<String> = (0..30).map(|number| format!("m{}", (number * 7) % 30)).collect();
    let mut texts: Vec<String> = names.iter().map(|name| config_map(name, "v")).collect();
    texts.insert(3, job("name: etl"));
    let mut expected: Vec<String> = names.iter().map(|name| format!("configmap/{name} created")).collect();
    expected.push("job.batch/etl created".to_owned());
    let output = fixture.apply(&texts.join("---\n"), &["--concurrency=8"]).assert_exit(0, &[]);
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(output.stderr, "note: 31 objects: 31 created\n");
    let quiet_output = fixture.apply(&texts.join("---\n"), &["-q"]).assert_exit(0, &[]);
    assert_eq!(quiet_output.stderr, "");
}

#[test]
fn reports_as_json() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let text = format!("{}---\n{CRON_JOB}", config_map("a", "v"));
    assert_eq!(
        fixture.apply(&text, &["-o", "name"]).assert_exit(0, &[]).stdout,
        "configmap/a\ncronjob.batch/nightly\n"
    );
    let output = fixture.apply(&text, &["-o", "json"]).assert_exit(0, &[]);
    let objects = output.objects();
    assert_eq!(objects.len(), 2);
    for (object, (kind, version, name, line)) in
        objects.iter().zip([("ConfigMap", "v1", "a", 1), ("CronJob", "batch/v1", "nightly", 7)])
    {
        assert_eq!(
            [&object["kind"], &object["apiVersion"], &object["name"], &object["namespace"], &object["outcome"]],
            [kind, version, name, &fixture.namespace, "unchanged"]
        );
        assert!(object["file"] == "all.yaml" && object["line"] == line, "{object}");
    }
    let bad = format!("{text}---\n{}", config_map("UPPER", "v"));
    let output = fixture.apply(&bad, &["-o", "json"]).assert_exit(3, &["UPPER"]);
    assert_eq!(output.outcomes(), ["not tried", "not tried", "failed"]);
    assert!(output.objects()[2]["reason"].is_string(), "{output:?}");
    assert_eq!(fixture.apply(&bad, &["-o", "name"]).assert_exit(3, &[]).stdout, "");
    fixture.apply(&text, &["-o", "yaml"]).assert_exit(2, &["json"]);
}

#[test]
fn writes_nothing_in_a_dry_run() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let text =
        format!("{}---\n{CRON_JOB}---\n{}---\n{}", config_map("a", "v"), job("name: etl"), job("generateName: g-"));
    let output = fixture.apply(&text, &["--dry-run=server"]).assert_exit(0, &[]);
    assert_eq!(
        output.stdout,
        "configmap/a created (server dry run)\ncronjob.batch/nightly created (server dry run)\n\
         job.batch/etl created (server dry run)\njob.batch/g- created (server dry run)\n"
    );
    assert!(fixture.proxy.writes().is_empty() && !fixture.exists("configmaps", "a"));
    fixture.apply(&format!("{}---\n{CRON_JOB}", config_map("a", "v")), &[]).assert_exit(0, &[]);
    let resource_versions = |fixture: &ApplyFixture| {
        [("configmaps", "a"), ("cronjobs", "nightly")]
            .map(|(resource, name)| fixture.get(resource, name)["metadata"]["resourceVersion"].clone())
    };
    let (before, count) = (resource_versions(&fixture), fixture.proxy.writes().len());
    let output = fixture
        .apply(&format!("{}---\n{CRON_JOB}", config_map("a", "w")), &["--dry-run=server", "-o", "json"])
        .assert_exit(0, &[]);
    assert_eq!(output.outcomes(), ["configured", "unchanged"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
    assert_eq!(report["dryRun"], true);
    assert!(resource_versions(&fixture) == before && fixture.proxy.writes().len() == count);
    fixture.apply(&config_map("a", "v"), &["--dry-run=client"]).assert_exit(2, &["render"]);
    fixture.apply(&config_map("a", "v"), &["--dry-run"]).assert_exit(2, &["--dry-run=server"]);
    fixture.apply(&config_map("UPPER", "v"), &["--dry-run=server"]).assert_exit(3, &["UPPER"]);
}

#[test]
fn applies_nothing_if_a_dry_run_fails() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let mut texts: Vec<String> = (0..12).map(|number| config_map(&format!("m{number}"), "v")).collect();
    texts.insert(5, job("name: etl").replace("Never", "Always"));
    texts.push(format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", servers.fresh_name("never")));
    let manifest = texts.join("---\n");
    let output = fixture
        .apply(&manifest, &["-o", "json"])
        .assert_exit(3, &["job.batch/etl", "restartPolicy", "nothing was applied"]);
    let mut expected = vec!["not tried"; 14];
    expected[5] = "failed";
    assert_eq!(output.outcomes(), expected);
    assert!(fixture.proxy.writes().is_empty());

    let request_count = fixture.proxy.requests().len();
    let output =
        fixture.apply(&manifest, &["-o", "json", "--no-preflight"]).assert_exit(3, &["job.batch/etl", "restartPolicy"]);
    let mut expected = vec!["created"; 14];
    expected[5] = "failed";
    assert_eq!(output.outcomes(), expected);
    assert!(fixture.exists("configmaps", "m11") && !fixture.exists("jobs", "etl"));
    assert!(!fixture.proxy.requests()[request_count..].iter().any(Request::is_dry_run));
}

/// jobplate refuses invalid input before any request.
#[test]
fn refuses_invalid_input() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let map = config_map("a", "v");
    for (label, text, args, expected_message) in [
        (
            "twice",
            format!("{map}---\n{map}"),
            &[][..],
            &["all.yaml:6:1", "duplicate object", "the first is at all.yaml:1;"][..],
        ),
        (
            "twice in a List",
            format!(
                "{map}---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}\n"
            ),
            &[],
            &["duplicate object"],
        ),
        ("nothing", "# nothing\n---\n".to_owned(), &[], &["no Kubernetes object"]),
        ("an export", map.replace("{name: a}", "{name: a, uid: u}"), &[], &["all.yaml:3:21", "export"]),
        (
            "an unusual number in a List",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: X, metadata: {name: a}, spec: 1e3}\n"
                .to_owned(),
            &[],
            &["all.yaml:4:", "List"],
        ),
        ("no target", map.clone(), &["--secret-env", "A=s/k"], &["expected a Job, CronJob or base job template"]),
        ("no text", "apiVersion: v1\nkind: ConfigMap\n\tmetadata: {name: a}\n".to_owned(), &[], &["all.yaml:3"]),
        (
            "the last of many",
            format!(
                "{}---\na: b\n",
                (0..50).map(|n| config_map(&format!("m{n}"), "v")).collect::<Vec<_>>().join("---\n")
            ),
            &[],
            &["all.yaml:251:1"],
        ),
        ("a concurrency", map.clone(), &["--concurrency=0"], &["--concurrency"]),
        ("a manager", map.clone(), &["--field-manager="], &["--field-manager"]),
        ("a validation", map.clone(), &["--validate=maybe"], &["strict"]),
    ] {
        let output = fixture.apply(&text, args);
        assert_eq!(output.status, 2, "{label}: {output:?}");
        expected_message
            .iter()
            .for_each(|part| assert!(output.stderr.contains(part), "{label}: {part}: {}", output.stderr));
        assert_eq!(output.stdout, "", "{label}");
    }
    assert!(fixture.proxy.requests().is_empty());
    // The duplicate may be in another file.
    fixture.sandbox.write("other.yaml", &map);
    let output = fixture
        .apply(&format!("{CRON_JOB}---\n{map}"), &["other.yaml"])
        .assert_exit(2, &["other.yaml:1:1", "the first is at all.yaml:"]);
    assert!(output.stdout.is_empty() && fixture.proxy.requests().is_empty());
    // Objects with `generateName` are never duplicates.
    let generated = job("generateName: g-");
    let output = fixture.apply(&format!("{generated}---\n{generated}"), &[]).assert_exit(0, &[]);
    assert_eq!(output.stdout.matches("job.batch/g-").count(), 2, "{output:?}");
    // An object with the same name but another kind is not a duplicate.
    let other =
        format!("{map}---\n{}---\n{CRON_JOB}", map.replace("ConfigMap", "Secret").replace("data: {k: v}\n", ""));
    fixture.apply(&other, &[]).assert_exit(0, &[]);
}

#[test]
fn resolves_namespaces() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let config_map_in =
        |namespace: &str| config_map("a", "v").replace("{name: a}", &format!("{{name: a, namespace: {namespace}}}"));
    // jobplate refuses a namespace in the manifest that differs from `-n`.
    let output =
        fixture.apply(&config_map_in("other"), &[]).assert_exit(2, &["all.yaml:3:32", "other", &fixture.namespace]);
    assert!(output.stdout.is_empty() && fixture.proxy.requests().is_empty());
    fixture.apply(&config_map_in(&fixture.namespace), &[]).assert_exit(0, &[]);
    // `-n` changes the URL, but not the body.
    let text = config_map("b", "v");
    fixture.apply(&text, &[]).assert_exit(0, &[]);
    let writes = fixture.proxy.writes();
    assert_eq!(writes[1].path(), api_path(&fixture.namespace, "configmaps", "b"));
    assert_eq!(String::from_utf8_lossy(&writes[1].body), text);

    // Without `-n` the namespace comes from the manifest, or from the kubeconfig if the manifest has no namespace.
    let (default_namespace, other_namespace) = (servers.create_namespace("default"), servers.create_namespace("own"));
    let config = kubeconfig(&format!("http://127.0.0.1:{}", fixture.proxy.port()), None, ADMIN);
    let config = config.replace("{cluster: test,", &format!("{{cluster: test, namespace: {default_namespace},"));
    fixture.sandbox.write("config", config);
    fixture.sandbox.write("all.yaml", format!("{}---\n{}", config_map("c", "v"), config_map_in(&other_namespace)));
    let output =
        fixture.sandbox.run(&["apply", "all.yaml", "--kubeconfig", "config", "-o", "json"]).assert_exit(0, &[]);
    let namespaces: Vec<Value> = output.objects().iter().map(|object| object["namespace"].clone()).collect();
    assert_eq!(namespaces, [&*default_namespace, &*other_namespace]);
    fixture.admin.get(&api_path(&default_namespace, "configmaps", "c")).expect_success();
    fixture.admin.get(&api_path(&other_namespace, "configmaps", "a")).expect_success();

    // A namespace that does not exist. A conflict with the manifest's namespace is found first.
    let output =
        fixture.sandbox.run(&["apply", "all.yaml", "--kubeconfig", "config", "-n", "nowhere"]).assert_exit(2, &[]);
    assert!(output.stderr.contains(&other_namespace), "{output:?}");
    fixture.sandbox.write("all.yaml", config_map("c", "v"));
    fixture
        .sandbox
        .run(&["apply", "all.yaml", "-n", "nowhere"])
        .assert_exit(3, &["namespace nowhere not found", "kubectl create namespace nowhere"]);
}

/// `-n` has no effect on kinds that are not namespaced.
#[test]
fn ignores_n_for_kinds_without_namespace() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    let name = servers.fresh_name("role");
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: \"{name}:x\"}}\nrules: []\n---\n\
         apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: {name}}}\nvalue: 1\n"
    );
    let output = fixture.apply(&role, &["-o", "json"]).assert_exit(0, &[]);
    assert!(output.objects().iter().all(|object| object["namespace"].is_null()), "{output:?}");
    assert!(fixture.proxy.writes().iter().all(|request| !request.path().contains("namespaces")));
    let output = fixture.apply(&role, &[]).assert_exit(0, &[]);
    assert_eq!(
        output.stdout,
        format!(
            "clusterrole.rbac.authorization.k8s.io/{name}:x unchanged\npriorityclass.scheduling.k8s.io/{name} unchanged\n"
        )
    );
}

#[test]
fn uses_the_field_manager_of_the_flag() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    for (args, manager) in [(&[][..], "jobplate"), (&["--field-manager=flows of a team"], "flows of a team")] {
        let text = config_map(&format!("m{}", args.len()), "v");
        fixture.apply(&text, args).assert_exit(0, &[]);
        let live = fixture.get("configmaps", &format!("m{}", args.len()));
        let owner = &live["metadata"]["managedFields"][0];
        assert_eq!((&owner["manager"], &owner["operation"]), (&json!(manager), &json!("Apply")));
        assert_eq!(fixture.apply(&text, args).stdout, format!("configmap/m{} unchanged\n", args.len()));
    }
    // A second manager that applies the same value becomes an owner, too.
    fixture.apply(&config_map("m0", "v"), &["--field-manager=second"]).assert_exit(0, &[]);
    assert_eq!(fixture.get("configmaps", "m0")["metadata"]["managedFields"].as_array().map(Vec::len), Some(2));
    let output = fixture
        .apply(&config_map("m0", "w"), &["--field-manager=second"])
        .assert_exit(3, &["jobplate", "--force-conflicts"]);
    assert!(output.stdout.contains("failed"), "{output:?}");
    fixture.apply(&config_map("m0", "w"), &["--field-manager=second", "--force-conflicts"]).assert_exit(0, &[]);
}

#[test]
fn reports_warnings_of_the_server() {
    let Some(servers) = Servers::shared() else { return };
    let fixture = ApplyFixture::new(servers);
    // The server always rejects unknown fields in a server-side apply. With `--validate=warn` it accepts them in a
    // creation.
    let text = job("generateName: etl-").replace("restartPolicy: Never", "restartPolicy: Never\n      parallelism: 1");
    fixture.apply(&text, &[]).assert_exit(3, &["`parallelism`", "all.yaml:10:7"]);
    assert!(fixture.proxy.writes().is_empty());
    let output =
        fixture.apply(&text, &["--validate=warn"]).assert_exit(0, &["warning", "unknown field", "parallelism"]);
    assert!(output.stdout.contains(" created\n"), "{output:?}");
    let output = fixture.apply(&text, &["--validate=ignore"]).assert_exit(0, &[]);
    assert!(!output.stderr.contains("parallelism"), "{output:?}");
    let targets = fixture.proxy.writes().iter().map(|request| request.target.clone()).collect::<Vec<_>>();
    assert!(
        targets[0].contains("fieldValidation=Warn") && targets[1].contains("fieldValidation=Ignore"),
        "{targets:?}"
    );
}

/// Server warnings may quote values.
#[test]
fn masks_values_in_warnings() {
    let Some(servers) = Servers::shared() else { return };
    let text = format!("299 - \"spec.template.spec.containers[0].env[0]: {CANARY} hides {CANARY}-2\"");
    let proxy = Proxy::start(servers, move |_| Action::AddHeader("warning", text.clone()));
    let namespace = servers.create_namespace("warned");
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("job.yaml", job("name: etl"));
    for args in [&["apply"][..], &["apply", "-v"], &["diff"]] {
        let output = sandbox.run(&[args, &["job.yaml", "-n", &namespace]].concat());
        assert!(output.stderr.contains("warning") && !format!("{output:?}").contains(CANARY), "{output:?}");
    }
}
