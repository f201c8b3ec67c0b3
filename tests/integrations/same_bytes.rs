//! Checks that every integration outputs the same bytes for the same documents. Helm 4, kustomize and Argo CD reformat
//! the output, so the test compares the bytes that they receive. The CI integrations have tests of their own.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::programs::{TestHome, find, run_stdout};
use crate::run;

/// Documents with details that must be preserved: comments, quotes, unusual indentation, a document without a target.
const DOCUMENTS: &str = "\
# first
apiVersion: batch/v1
kind: Job
metadata: {name: etl}   # ours
spec:
    template:
        spec:
            restartPolicy: Never
            containers:
            -   name: flow
                env:
                # the old way
                -   {name: TOKEN, value: 'plain'}


---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent}
data:
  job_template.yaml: |
    kind: Job
    spec: {template: {spec: {containers: [{name: flow}]}}}
---
# last
apiVersion: v1
kind: Service
metadata: {name: web, labels: {\"a\": 'b'}}
";

const SPEC: &str = "\
apiVersion: jobplate/v1
kind: JobPlate
spec:
  inputs: [documents.yaml]
  targets: [{kind: Job}, {kind: ConfigMap, name: agent, key: job_template.yaml}]
  env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: TZ, value: UTC}]
";

/// Runs a command with `input` on its standard input. Returns its standard output.
fn run_piped(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("it is a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_integration_gives_the_same_bytes() {
    let (Some(kubectl), Some(helm)) = (find("kubectl"), find("helm3")) else { return };
    let jobplate = run::binary();
    let programs = [("kubectl", &*kubectl), ("kubectl-jobplate", jobplate), ("jobplate", jobplate), ("helm", &*helm)];
    let home = TestHome::new(&programs);
    home.write("documents.yaml", DOCUMENTS);
    home.write("jobplate.yaml", SPEC);
    let spec = ["--spec", "jobplate.yaml"];
    let expected = run_stdout(home.command("jobplate").arg("render").args(spec));
    assert_eq!(expected.matches("secretKeyRef").count(), 2, "{expected}");
    assert_ne!(expected, DOCUMENTS);

    let integrations = [
        ("a pipe", run_piped(home.command("jobplate").args(["render", "-"]).args(spec), DOCUMENTS)),
        ("kubectl", run_stdout(home.command("kubectl").args(["jobplate", "render"]).args(spec))),
        ("a post-renderer", run_piped(home.command("jobplate").arg("post-render").args(spec), DOCUMENTS)),
        ("Argo CD", run_stdout(home.command("jobplate").arg("argocd-generate"))),
        ("a file in place", {
            home.write("own.yaml", DOCUMENTS);
            run_stdout(home.command("jobplate").args(["render", "-i", "own.yaml"]).args(spec));
            std::fs::read_to_string(home.directory().join("own.yaml")).expect("it is there")
        }),
    ];
    for (integration, printed) in integrations {
        assert_eq!(printed, expected, "{integration}");
    }

    // In a ResourceList, each document is an item and indented further.
    let to_resource_list = |documents: &str| {
        let to_item = |document: &str| {
            let lines =
                document.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
            format!("-\n{}", lines.collect::<String>())
        };
        let items: String = documents.split("---\n").map(to_item).collect();
        let config: String = SPEC.lines().map(|line| format!("  {line}\n")).collect();
        format!("apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n{items}functionConfig:\n{config}")
    };
    assert_eq!(
        run_piped(home.command("jobplate").arg("krm"), &to_resource_list(DOCUMENTS)),
        to_resource_list(&expected),
        "a KRM function"
    );

    // Helm 3 pipes the rendered manifests to the post-renderer and prints its output.
    home.write("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
    home.write("chart/templates/all.yaml", DOCUMENTS);
    let through_helm = ["template", "chart", "--post-renderer", "jobplate", "--post-renderer-args", "post-render"];
    let args = spec.map(|arg| format!("--post-renderer-args={arg}"));
    let printed = run_stdout(home.command("helm").args(through_helm).args(args));
    home.write("own.yaml", run_stdout(home.command("helm").args(["template", "chart"])));
    let expected = run_stdout(home.command("jobplate").args(["render", "own.yaml"]).args(spec));
    assert_eq!(printed, expected, "Helm 3");
    assert!(printed.contains("# Source: chart/templates/all.yaml") && printed.contains("secretKeyRef"), "{printed}");
}
