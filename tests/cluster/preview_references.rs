//! Tests that the API server agrees with what `preview` reports about variables and references: it rejects a Job if and
//! only if the preview reports an error.

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::servers::{ADMIN, Servers};

/// The fields of a container as JSON, and the code of the expected error, or `None` if the server accepts them.
const CASES: &[(&str, Option<&str>)] = &[
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k", "optional": true}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k", "optional": null}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k", "more": 1}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}, "fieldRef": null}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": "db"}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": ["db", "k"]}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": 1, "key": "k"}}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": 2}}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": true}}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": {}, "key": "k"}}}]"#, Some("wrong-type")),
    (
        r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k", "optional": "true"}}}]"#,
        Some("wrong-type"),
    ),
    (
        r#""env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "db", "key": "k", "optional": 1}}}]"#,
        Some("wrong-type"),
    ),
    (r#""env": [{"name": "A", "valueFrom": "db"}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": []}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": null}]"#, None),
    (r#""env": [{"name": "A", "value": "x", "valueFrom": null}]"#, None),
    (r#""env": [{"name": "A", "value": "x", "valueFrom": {}}]"#, Some("missing-field")),
    (
        r#""env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]"#,
        Some("value-and-value-from"),
    ),
    (r#""env": [{"name": "A", "value": "", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]"#, None),
    (r#""env": [{"name": "A", "value": null, "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretRef": {"name": "db"}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": null}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db"}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": ""}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "", "key": "k"}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": null, "key": "k"}}}]"#, Some("missing-field")),
    (
        r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}, "fieldRef": {"fieldPath": "spec.nodeName"}}}]"#,
        Some("missing-field"),
    ),
    (
        r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "Db", "key": "k"}}}]"#,
        Some("invalid-secret-name"),
    ),
    (
        r#""env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a/b"}}}]"#,
        Some("invalid-secret-key"),
    ),
    (r#""env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"fieldRef": "spec.nodeName"}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": 1}}}]"#, Some("wrong-type")),
    (
        r#""env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName", "apiVersion": 1}}}]"#,
        Some("wrong-type"),
    ),
    (r#""env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1"}}}]"#, Some("missing-field")),
    (r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}}]"#, None),
    (r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": 1}}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"divisor": "1"}}}]"#, Some("missing-field")),
    (
        r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "x"}}}]"#,
        Some("invalid-quantity"),
    ),
    (
        r#""env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": []}}}]"#,
        Some("invalid-quantity"),
    ),
    (r#""env": [{"name": "A", "valueFrom": {"fileKeyRef": "f"}}]"#, Some("wrong-type")),
    (r#""env": [{"name": "A", "valueFrom": {"fileKeyRef": {"path": "f", "key": "K"}}}]"#, Some("missing-field")),
    (r#""env": null"#, None),
    (r#""env": {"A": "b"}"#, Some("wrong-type")),
    (r#""env": "A=b""#, Some("wrong-type")),
    (r#""env": ["A=b"]"#, Some("wrong-type")),
    (r#""env": [["A", "b"]]"#, Some("wrong-type")),
    (r#""env": [null]"#, Some("missing-field")),
    (r#""env": [{}]"#, Some("missing-field")),
    (r#""env": [{"value": "b"}]"#, Some("missing-field")),
    (r#""env": [{"name": null, "value": "b"}]"#, Some("missing-field")),
    (r#""env": [{"name": "", "value": "b"}]"#, Some("missing-field")),
    (r#""env": [{"name": 1, "value": "b"}]"#, Some("non-string-value")),
    (r#""envFrom": null"#, None),
    (r#""envFrom": [{"secretRef": {"name": "db", "optional": false}, "prefix": "A_"}]"#, None),
    (r#""envFrom": {"secretRef": {"name": "db"}}"#, Some("wrong-type")),
    (r#""envFrom": ["db"]"#, Some("wrong-type")),
    (r#""envFrom": [{"secretRef": "db"}]"#, Some("wrong-type")),
    (r#""envFrom": [{"secretRef": {"name": 1}}]"#, Some("wrong-type")),
    (r#""envFrom": [{"configMapRef": {"name": "db", "optional": "true"}}]"#, Some("wrong-type")),
    (r#""envFrom": [{"secretRef": {"name": "db"}, "prefix": 1}]"#, Some("wrong-type")),
    (r#""envFrom": [null]"#, Some("missing-field")),
    (r#""envFrom": [{}]"#, Some("missing-field")),
    (r#""envFrom": [{"secretRef": {}}]"#, Some("missing-field")),
    (r#""envFrom": [{"secretRef": {"name": ""}}]"#, Some("missing-field")),
    (r#""envFrom": [{"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}}]"#, Some("missing-field")),
];

/// A container in which the flow runs, or another one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Position {
    Flow,
    Sidecar,
}

/// Returns the containers of a pod, one of which has the fields. `flow` is the name of the first container.
fn containers(flow: &str, fields: &str, position: Position) -> Value {
    let with_fields = |name: &str, is_here: bool| {
        let fields = if is_here { format!(", {fields}") } else { String::new() };
        let text = format!(r#"{{"name": "{name}", "image": "none"{fields}}}"#);
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    json!([with_fields(flow, position == Position::Flow), with_fields("side", position == Position::Sidecar)])
}

/// Returns a job template of the Prefect 1 agent.
fn job_template(containers: &Value) -> Value {
    let pod = json!({"restartPolicy": "Never", "containers": containers});
    json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}})
}

/// Returns a base job template of a Prefect 3 worker.
fn base_job_template(containers: &Value, namespace: &str) -> Value {
    let pod = json!({"parallelism": 1, "completions": 1, "restartPolicy": "Never", "containers": containers});
    let manifest = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod}}});
    json!({
        "job_configuration": {"namespace": namespace, "job_manifest": manifest},
        "variables": {"type": "object", "properties": {}},
    })
}

/// Returns how the preview or the server differs from the expectation, if they do.
fn difference(admin: &Client, namespace: &str, output: &RunOutput, expected: Option<&str>) -> Option<String> {
    let (status, stderr) = (output.status, &output.stderr);
    let is_reported = |code: &str| stderr.contains(&format!("error[{code}]: template.json:"));
    // The preview of an agent reports names of the flow's variables with a code of its own.
    let has_code =
        expected.is_none_or(|code| is_reported(code) || code == "non-string-value" && is_reported("invalid-env-name"));
    if status != i32::from(expected.is_some()) || !has_code {
        return Some(format!("the preview exits with {status}: {stderr}"));
    }
    let job: Value = serde_json::from_str(&output.stdout).expect("a Job as JSON");
    let response = admin.post(&format!("/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All"), &job);
    ((response.status < 300) == expected.is_some()).then(|| format!("the server says {}", response.text()))
}

#[test]
fn a_preview_reports_the_references_that_the_server_rejects() {
    let Some(servers) = Servers::shared() else { return };
    let (admin, namespace) = (servers.client(ADMIN), servers.create_namespace("preview-types"));
    let sandbox = Sandbox::without_kubeconfig();
    let (mut previewed, mut differences) = (0, Vec::new());
    for (fields, expected) in CASES {
        for position in [Position::Flow, Position::Sidecar] {
            let templates = [
                job_template(&containers("flow", fields, position)),
                base_job_template(&containers("prefect-job", fields, position), &namespace),
            ];
            for template in templates {
                sandbox.write("template.json", template.to_string());
                let args = ["preview", "template.json", "-o", "json", "-q", "--fail-on", "error"];
                let output = sandbox.run(&args);
                // Prefect itself fails with some values of the flow's container, and replaces others.
                let is_replaced =
                    position == Position::Flow && matches!(*fields, r#""env": {"A": "b"}"# | r#""env": "A=b""#);
                if output.status == 2 || is_replaced {
                    assert_eq!(position, Position::Flow, "{fields}: {output:?}");
                    continue;
                }
                let difference = difference(&admin, &namespace, &output, *expected);
                differences
                    .extend(difference.map(|text| format!("{fields} ({position:?}, expected {expected:?}): {text}")));
                previewed += 1;
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(previewed > 3 * CASES.len(), "only {previewed} Jobs are compared");
}
