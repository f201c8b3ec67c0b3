//! Tests `jobplate krm` with kustomize.

use std::path::Path;

use crate::programs::{TestHome, find, run_stdout};
use crate::run;

const KUSTOMIZE: [&str; 4] = ["build", "--enable-alpha-plugins", "--enable-exec", "."];

const BASE: &str = "\
# what somebody else wrote
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: web
          env: [{name: MODE, value: \"yes\"}, {name: TOKEN, value: canary}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent}
data:
  job_template.yaml: |
    # the agent's
    kind: Job
    spec: {template: {spec: {containers: [{name: flow}]}}}
";

const SPEC: &str = "  targets: [{kind: Deployment, name: web}, {kind: ConfigMap, name: agent, key: job_template.yaml}]
  env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}]
";

fn create_home(spec: &str) -> Option<TestHome> {
    let home = TestHome::new(&[("kustomize", &*find("kustomize")?), ("jobplate", run::binary())]);
    home.write("base.yaml", BASE);
    home.write("kustomization.yaml", "resources: [base.yaml]\ntransformers: [flows.yaml]\n");
    home.write("plain/kustomization.yaml", "resources: [base.yaml]\n");
    home.write("plain/base.yaml", BASE);
    let function = "annotations: {config.kubernetes.io/function: 'exec: {path: jobplate, args: [krm]}'}";
    let head = format!("apiVersion: jobplate/v1\nkind: JobPlate\nmetadata: {{name: flows, {function}}}\nspec:\n");
    home.write("flows.yaml", head.clone() + spec);
    home.write("spec.yaml", head + spec);
    Some(home)
}

/// Parses the documents of a stream.
fn parse_documents(text: &str) -> Vec<serde_json::Value> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_json::Value::deserialize(document).expect("YAML"))
        .collect()
}

#[test]
fn kustomize_gets_what_render_prints() {
    let Some(home) = create_home(SPEC) else { return };
    let through_kustomize = run_stdout(home.command("kustomize").args(KUSTOMIZE));
    // Renders the output of a build without the function.
    let unmodified = run_stdout(home.command("kustomize").args(["build", "plain"]));
    home.write("built.yaml", unmodified);
    let rendered = run_stdout(home.command("jobplate").args(["render", "built.yaml", "--spec", "spec.yaml"]));
    let parse_sorted = |text: &str| {
        let mut documents = parse_documents(text);
        documents.sort_by_key(|document| document["kind"].to_string());
        documents
    };
    assert_eq!(parse_sorted(&through_kustomize), parse_sorted(&rendered));
    assert_eq!(through_kustomize.matches("secretKeyRef").count(), 2, "{through_kustomize}");
    assert!(!through_kustomize.contains("canary"));
}

#[test]
fn kustomize_fails_where_an_edit_is_refused() {
    let Some(home) = create_home(&SPEC.replace("name: web", "name: wbe")) else { return };
    let output = home.command("kustomize").args(KUSTOMIZE).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(stderr.contains("no object matches the target Deployment/wbe"), "{stderr}");
    assert!(stderr.contains("targets: [{kind: Deployment, name: web}]") && !stderr.contains("canary"), "{stderr}");
}

/// In kustomize's ResourceList, only the targets' `env` changes.
#[test]
fn changes_only_the_entry_in_the_list() {
    let Some(home) = create_home(SPEC) else { return };
    let wrapper = "#!/bin/sh\ntee list.yaml | jobplate krm | tee edited.yaml\n";
    home.write("keep", wrapper);
    run_stdout(home.command("chmod").args(["+x", "keep"]));
    let flows = std::fs::read_to_string(home.directory().join("flows.yaml")).expect("it is there");
    home.write("flows.yaml", flows.replace("path: jobplate, args: [krm]", "path: ./keep"));
    run_stdout(home.command("kustomize").args(KUSTOMIZE));
    let read = |name: &str| std::fs::read_to_string(home.directory().join(Path::new(name))).expect("it was kept");
    let (list, edited) = (read("list.yaml"), read("edited.yaml"));
    let diff = similar::TextDiff::from_lines(&list, &edited);
    let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    let changed: Vec<String> = changed.map(|change| format!("{}{}", change.tag(), change.value().trim())).collect();
    let expected = ["-value: canary", "+valueFrom:", "+secretKeyRef:", "+name: s", "+key: k"];
    assert_eq!(changed[..5], expected, "{changed:?}");
    assert!(changed[5..].iter().all(|line| line.contains("containers: [{name: flow")), "{changed:?}");
}
