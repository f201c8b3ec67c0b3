//! Tests of `apply --show-live`: the live objects on standard output, with masked values, and the report on standard
//! error.

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers};

const INPUT: &str = "apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: aHVudGVyMg==}
stringData: {b: hunter3}
---
apiVersion: batch/v1
kind: Job
metadata: {name: etl}
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers: [{name: flow, image: none, env: [{name: API_TOKEN, value: hunter4}, {name: TZ, value: UTC}]}]
";

fn apply(sandbox: &Sandbox, namespace: &str, args: &[&str]) -> RunOutput {
    sandbox.run(&[&["apply", "input.yaml", "-n", namespace], args].concat())
}

fn parse_stream(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).expect("it is YAML")).collect()
}

fn parse_list(text: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(list["kind"], "List");
    list["items"].as_array().expect("a List has items").clone()
}

/// Asserts that the objects are those of the input, as the server stores them, with masked values.
fn assert_live(objects: &[Value], image: &str) {
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(objects[0]["data"], json!({"a": "***", "b": "***"}));
    let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], image);
    assert_eq!(container["env"], json!([{"name": "API_TOKEN", "value": "***"}, {"name": "TZ", "value": "UTC"}]));
    // The server sets these fields.
    assert_eq!(container["imagePullPolicy"], "Always");
    assert!(objects.iter().all(|object| object["metadata"]["uid"].is_string()));
    assert!(objects.iter().all(|object| object["metadata"]["managedFields"].is_null()));
}

#[test]
fn prints_live_objects_in_place_of_the_report() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("live"), servers.client(ADMIN));
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", INPUT);
    let changed = INPUT.replace("image: none", "image: other");
    type Parser = fn(&str) -> Vec<Value>;
    let formats: [(&str, Parser); 2] = [("--show-live=yaml", parse_stream), ("--show-live=json", parse_list)];
    for (arg, parse) in formats {
        // A dry run, a creation, no change, a Job that is left as it is, and one that is created again.
        for (text, args, outcomes, image) in [
            (INPUT, &["--dry-run=server"][..], "created (server dry run)", "none"),
            (INPUT, &[], "created", "none"),
            (INPUT, &[], "unchanged", "none"),
            (INPUT, &["--no-preflight"], "unchanged", "none"),
            (&*changed, &["--on-immutable=skip"], "skipped", "none"),
            (&*changed, &["--on-immutable=recreate", "--dry-run=server"], "recreated (server dry run)", "other"),
            (&*changed, &["--on-immutable=recreate"], "recreated", "other"),
        ] {
            sandbox.write("input.yaml", text);
            let output = apply(&sandbox, &namespace, &[&[arg], args].concat());
            let output = output.assert_exit(0, &[&format!("note: job.batch/etl {outcomes}\n")]);
            assert_live(&parse(&output.stdout), image);
            assert!(!output.stdout.contains("hunter") && !output.stderr.contains("hunter"), "{output:?}");
        }
        let quiet = apply(&sandbox, &namespace, &[arg, "-q"]).assert_exit(0, &[]);
        assert_eq!(quiet.stderr, "");
        let unmasked = apply(&sandbox, &namespace, &[arg, "--mask=none"]).assert_exit(0, &[]);
        assert_eq!(parse(&unmasked.stdout)[0]["data"]["a"], "aHVudGVyMg==");
        for (resource, name) in [("jobs", "etl"), ("secrets", "s")] {
            admin
                .delete(&format!("{}?propagationPolicy=Background", api_path(&namespace, resource, name)))
                .expect_success();
        }
    }
}

/// An object that was not applied has no live form. The annotation of kubectl has a copy of all values.
#[test]
fn prints_only_applied_objects() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("live"), servers.client(ADMIN));
    let copy = json!({"env": [{"name": "API_TOKEN", "value": "hunter5"}]}).to_string();
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": copy});
    let config_map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": annotations}});
    admin.post(&api_path(&namespace, "configmaps", ""), &config_map).expect_success();
    let input = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {'a b': v}\n";
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("input.yaml", input);
    let output = apply(&sandbox, &namespace, &["--show-live=json"]).assert_exit(3, &["nothing was applied"]);
    assert_eq!(parse_list(&output.stdout), Vec::<Value>::new());
    let output = apply(&sandbox, &namespace, &["--show-live=json", "--no-preflight"]);
    let output = output.assert_exit(3, &["note: configmap/a ", "note: configmap/b failed\n"]);
    let objects = parse_list(&output.stdout);
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["data"], json!({"k": "v"}));
    assert!(output.stdout.contains("API_TOKEN") && !output.stdout.contains("hunter"), "{}", output.stdout);
    for args in [["--show-live=yaml", "-o=json"], ["--show-live=table", "-q"]] {
        apply(&sandbox, &namespace, &args).assert_exit(2, &["--show-live"]);
    }
}
