//! Tests that the API server agrees with rules of `check`: it rejects their bad examples and accepts the good ones.

use jobplate::check::Checker;
use jobplate::check::rules::find;
use jobplate::render::InputSource;

use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

/// The rules about manifests that the API server rejects. Their examples are Jobs with the name `etl`, or templates.
const RULES: [&str; 10] = [
    "duplicate-key",
    "duplicate-env",
    "invalid-env-name",
    "invalid-secret-key",
    "invalid-secret-name",
    "missing-field",
    "non-string-value",
    "unknown-field",
    "value-and-value-from",
    "wrong-type",
];

#[test]
fn servers_reject_what_rules_report() {
    let Some(servers) = Servers::shared() else { return };
    let (admin, namespace) = (servers.client(ADMIN), servers.create_namespace("rules"));
    let path = api_path(&namespace, "jobs", "etl");
    let send = |manifest: &str| {
        admin.patch(&format!("{path}?fieldManager=rules&fieldValidation=Strict&dryRun=All"), "apply", manifest)
    };
    for name in RULES {
        let rule = find(name).expect("a rule");
        let mut jobs = rule.examples.iter().filter(|example| example.manifest.contains("name: etl\n")).peekable();
        assert!(jobs.peek().is_some(), "{name} has no Job as an example");
        for example in jobs {
            let (bad, good) = (send(example.manifest), send(&example.correct(example.manifest)));
            assert!(bad.status >= 400, "{name}: the server accepts the bad example: {}", bad.text());
            assert!(good.status < 300, "{name}: the server rejects the good example: {}", good.text());
        }
    }
}

/// A Job with a place for further lines in its container.
const JOB: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: etl
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: flow
        image: etl:1
";

/// Lines of a Job's container, each with whether the API server accepts them.
const CONTAINER_LINES: [(&str, bool); 36] = [
    ("tty: yes", true),
    ("tty: true", true),
    ("tty: null", true),
    ("tty:", true),
    ("tty: 'true'", false),
    ("tty: 1", false),
    ("securityContext: {runAsUser: 0x10}", true),
    ("securityContext: {runAsUser: 1e3}", true),
    ("securityContext: {runAsUser: 1_000}", true),
    ("securityContext: {runAsUser: 1.0}", true),
    ("securityContext: {runAsUser: 1.5}", false),
    ("securityContext: {runAsUser: '1'}", false),
    ("securityContext: {runAsUser: 99999999999999999999}", false),
    ("securityContext: {runAsUser: {}}", false),
    ("ports: [{containerPort: 80}]", true),
    ("ports: {containerPort: 80}", false),
    ("ports: [{containerPort: 4294967376}]", false),
    ("ports: [80]", false),
    ("ports: []", true),
    ("ports: null", true),
    ("args: [a, 'b', null]", true),
    ("args: [1]", false),
    ("args: a b", false),
    ("args: [2001-01-01]", true),
    ("args: [[a]]", false),
    ("resources: {limits: {cpu: 1, memory: 1Gi}}", true),
    ("resources: [cpu]", false),
    ("envFrom: [{secretRef: {name: db, optional: true}}]", true),
    ("envFrom: [{secretRef: db}]", false),
    ("envFrom: [{secretRef: {name: 1}}]", false),
    ("env: {A: b}", false),
    ("env: [A=b]", false),
    ("env: [{name: A, valueFrom: {secretKeyRef: [db, key]}}]", false),
    ("enviroment: []", false),
    ("Env: []", false),
    ("livenessProbe: {httpGet: {port: http}}", true),
];

#[test]
fn servers_and_rules_agree_about_fields_and_types() {
    let Some(servers) = Servers::shared() else { return };
    let (admin, namespace) = (servers.client(ADMIN), servers.create_namespace("fields"));
    // Server-side apply wraps an integer of more than 32 bits, so the Job is created as `kubectl create` does it.
    let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs?fieldValidation=Strict&dryRun=All");
    let rules = ["unknown-field", "wrong-type"].map(|name| find(name).expect("a rule"));
    for (line, is_accepted) in CONTAINER_LINES {
        let manifest = format!("{JOB}        {line}\n");
        let mut findings = 0;
        let mut source = InputSource::spool("-".to_owned(), manifest.as_bytes()).expect("a small input");
        let mut checker = Checker::new(rules.to_vec(), None, usize::MAX);
        checker.check_source(&mut source, &mut |found| findings += found.len()).expect("YAML");
        let answer = admin.request("POST", &path, "application/yaml", manifest.as_bytes()).expect("an answer");
        assert_eq!(answer.status < 300, is_accepted, "{line}: {}", answer.text());
        assert_eq!(findings == 0, is_accepted, "{line}: {findings} findings");
    }
}
