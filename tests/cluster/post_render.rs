//! Tests of `jobplate post-render` in the real Helm 3 and Helm 4, from `helm template` to `helm uninstall`.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::helm::{Helm, VERSIONS, repository};
use crate::run;
use crate::servers::Servers;

/// A chart that was not written for jobplate: a hook, a CRD, a List, JSON, an empty file, unusual indentation, and a
/// block scalar at the end.
const UNMODIFIED_CHART: &[(&str, &str)] = &[
    (
        "crds/things.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.test}\n\
         spec:\n  group: example.test\n  scope: Namespaced\n  names: {plural: things, singular: thing, kind: Thing}\n  \
         versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, \
         x-kubernetes-preserve-unknown-fields: true}}\n",
    ),
    (
        "templates/web.yaml",
        "# The web server.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n    name: web   # four spaces\n\
         spec:\n    selector: {matchLabels: {app: web}}\n    template:\n        metadata: {labels: {app: web}}\n        \
         spec:\n            containers:\n                - name: web\n                  image: \"none\"\n                  \
         env:\n                    - name: TOKEN\n                      value: {{ .Values.token | quote }}\n                \
         - {name: proxy, image: none}\n",
    ),
    (
        "templates/hook.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \"helm.sh/hook\": post-install\n    \
         \"helm.sh/hook-delete-policy\": before-hook-creation\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n      - name: migrate\n        image: none\n",
    ),
    (
        "templates/list.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceAccount\n  metadata: {name: one}\n\
         - apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: clean}\n  spec:\n    schedule: '0 0 1 1 *'\n    \
         jobTemplate:\n      spec:\n        template:\n          spec:\n            restartPolicy: Never\n            \
         containers:\n            - name: clean\n              image: none\n",
    ),
    (
        "templates/settings.yaml",
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"settings\"}, \"data\": {\"a\": \"b\"}}\n",
    ),
    ("templates/thing.yaml", "apiVersion: example.test/v1\nkind: Thing\nmetadata: {name: thing}\nspec: {on: yes}\n"),
    ("templates/none.yaml", "{{- if .Values.none }}\nkind: None\n{{- end }}\n"),
    ("templates/text.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\ndata:\n  a: |+\n    b\n\n\n"),
    ("values.yaml", "token: kanarie7f3a\n"),
];

const CANARY: &str = "kanarie7f3a";

const DEPLOYMENT: &str = "apis/apps/v1/deployments";

/// Returns an `env` entry of a live Deployment's first container, or `None` if there is no such entry.
fn entry<'l>(live: &'l Value, name: &str) -> Option<&'l Value> {
    let env = live.pointer("/spec/template/spec/containers/0/env")?;
    env.as_array()?.iter().find(|entry| entry["name"] == name)
}

fn reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})
}

/// Runs `jobplate post-render` outside of Helm.
fn post_render(helm: &Helm, args: &[&str], stdin: &str) -> String {
    let outcome = run::jobplate(helm.directory(), &[&["post-render"], args].concat(), stdin.as_bytes());
    assert_eq!(outcome.status, 0, "{}", String::from_utf8_lossy(&outcome.stderr));
    String::from_utf8(outcome.stdout).expect("it is text")
}

/// Returns the lines that were added to `before`. Panics if a line was removed or changed.
#[track_caller]
fn added_lines<'t>(before: &str, after: &'t str) -> Vec<&'t str> {
    let mut rest = before.lines().peekable();
    let added = after.lines().filter(|line| rest.next_if_eq(line).is_none()).collect();
    assert_eq!(rest.next(), None, "lines are gone or changed:\n{after}");
    added
}

#[test]
fn adds_only_the_requested_entries() {
    let Some(servers) = Servers::shared() else { return };
    for version in VERSIONS {
        let helm = Helm::new(servers, version);
        helm.write_chart("web", UNMODIFIED_CHART);
        let targets = [
            "--target=deployment/web",
            "--target=cronjob/*",
            "--target=job",
            "--allow-no-match",
            "--secret-env=ADDED=s/k",
        ];
        let after = helm.run_post_rendered_ok(&["template", "r", "web", "--include-crds"], &targets);
        // The input that Helm passes to a post-renderer.
        let before = if version == "helm3" {
            helm.run_ok(&["template", "r", "web", "--include-crds"])
        } else {
            helm.write("cat/plugin.yaml", "apiVersion: v1\ntype: postrenderer/v1\nname: cat\nversion: 0.1.0\nruntime: subprocess\nruntimeConfig: {platformCommand: [{command: cat}]}\n");
            helm.run_ok(&["plugin", "install", "cat"]);
            helm.run_ok(&["template", "r", "web", "--include-crds", "--post-renderer", "cat"])
        };
        let added = added_lines(&before, &after);
        // Helm 3 does not pass hooks to a post-renderer, so the pod of the hook is not edited.
        let pods = if version == "helm3" { 2 } else { 3 };
        assert_eq!(added.iter().filter(|line| line.contains("name: ADDED")).count(), pods, "{version}:\n{after}");
        assert!(added.len() <= pods * 6, "{version}: {added:?}");
        // Rendering is idempotent.
        let manifest = helm.run_post_rendered_ok(&["template", "r", "web", "--no-hooks"], &targets);
        assert_eq!(post_render(&helm, &targets, &manifest), manifest, "{version}");
        let without_hooks =
            helm.run_post_rendered_ok(&["template", "r", "web"], &[&targets[..], &["--skip-hooks"]].concat());
        assert_eq!(without_hooks.matches("name: ADDED").count(), 2, "{version}:\n{without_hooks}");
    }
}

#[test]
fn changes_nothing_without_a_target() {
    let Some(servers) = Servers::shared() else { return };
    for version in VERSIONS {
        let helm = Helm::new(servers, version);
        helm.write_chart("web", UNMODIFIED_CHART);
        let install = ["install", "r", "web", "--no-hooks"];
        let failed_output = helm.run_post_rendered(&install, &["--secret-env=TOKEN=s/k"]);
        assert_eq!(failed_output.status, 1, "{version}: {failed_output:?}");
        let message = &failed_output.error_file;
        for object in ["Deployment/web, containers: web, proxy", "CronJob/clean, containers: clean"] {
            assert!(message.contains(object), "{version}:\n{message}");
        }
        assert!(!format!("{failed_output:?}").contains(CANARY), "{version}: {failed_output:?}");
        if version == "helm3" {
            assert!(failed_output.stderr.contains("--target"), "{failed_output:?}");
        } else {
            // Helm 4 discards the standard error of a post-renderer. The error file contains it.
            assert!(!failed_output.stderr.contains("--target"), "{failed_output:?}");
            assert!(
                message.contains("to see it without Helm: helm template RELEASE CHART | jobplate post-render"),
                "{message}"
            );
        }
        assert!(helm.live_object(DEPLOYMENT, "web").is_none(), "{version}");

        // The flag that the error suggests works unchanged.
        let hint =
            message.split("with Helm: ").nth(1).and_then(|rest| rest.split(')').next()).expect("there is a line");
        let pasted_flag = hint.strip_prefix("--post-renderer-args=").expect("it is for Helm");
        let pasted_output =
            helm.run_post_rendered_ok(&["template", "r", "web"], &["--secret-env=TOKEN=s/k", pasted_flag]);
        assert_eq!(pasted_output.matches("secretKeyRef").count(), 1, "{version} {pasted_flag}:\n{pasted_output}");
        drop(helm.run(&["uninstall", "r", "--no-hooks"]));
        helm.run_post_rendered_ok(&install, &["--secret-env=TOKEN=s/k", "--target=deployment/web"]);
        let live = helm.live_object(DEPLOYMENT, "web").expect("it is there");
        assert_eq!(entry(&live, "TOKEN"), Some(&reference("TOKEN")), "{version}");
        let reference_count = live.to_string().matches("secretKeyRef").count();
        // One occurrence is in the spec, one in `managedFields`.
        assert_eq!(reference_count, 2, "{version}: {live}");
        assert!(!live.to_string().contains(CANARY), "{version}: {live}");
        helm.run_ok(&["uninstall", "r", "--no-hooks"]);
        assert!(helm.live_object(DEPLOYMENT, "web").is_none(), "{version}");
    }
}

#[test]
fn replaces_a_literal_of_the_chart_on_upgrade() {
    let Some(servers) = Servers::shared() else { return };
    // Covers upgrades with the same Helm version, and with Helm 4 for a release that Helm 3 installed.
    for (from, to) in [("helm3", "helm3"), ("helm4", "helm4"), ("helm3", "helm4")] {
        let helm = Helm::new(servers, from);
        helm.write_chart("web", UNMODIFIED_CHART);
        helm.run_ok(&["install", "r", "web", "--no-hooks"]);
        let before = helm.live_object(DEPLOYMENT, "web").expect("it is there");
        assert_eq!(entry(&before, "TOKEN"), Some(&json!({"name": "TOKEN", "value": CANARY})));

        let mut next = Helm::new(servers, to);
        next.namespace.clone_from(&helm.namespace);
        next.write_chart("web", UNMODIFIED_CHART);
        let upgrade = ["upgrade", "r", "web", "--no-hooks", "-n", &helm.namespace];
        let jobplate_args = ["--target=deployment/web", "--secret-env=TOKEN=s/k"];
        next.run_post_rendered_ok(&upgrade, &jobplate_args);
        let live = helm.live_object(DEPLOYMENT, "web").expect("it is there");
        assert_eq!(entry(&live, "TOKEN"), Some(&reference("TOKEN")), "{from} to {to}");
        assert!(!live.to_string().contains(CANARY), "{from} to {to}: {live}");

        // A second upgrade changes nothing, so no pods are replaced.
        next.run_post_rendered_ok(&upgrade, &jobplate_args);
        let rerun = helm.live_object(DEPLOYMENT, "web").expect("it is there");
        assert_eq!(rerun["metadata"]["generation"], live["metadata"]["generation"], "{from} to {to}");
        next.run_ok(&["uninstall", "r", "-n", &helm.namespace]);
        assert!(helm.live_object(DEPLOYMENT, "web").is_none(), "{from} to {to}");
    }
}

const CHART_WITH_JOB_TEMPLATE: &[(&str, &str)] = &[
    (
        "templates/agent.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: agent}\nspec:\n  selector: {matchLabels: {app: agent}}\n  \
         template:\n    metadata:\n      labels: {app: agent}\n      annotations:\n        checksum/config: {{ \
         .Files.Get \"job_template.yaml\" | sha256sum }}\n    spec:\n      containers:\n      - name: agent\n        \
         image: none\n        volumeMounts: [{name: t, mountPath: /t}]\n      volumes:\n      - name: t\n        \
         configMap: {name: templates}\n",
    ),
    (
        "templates/templates.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: templates}\ndata:\n  job_template.yaml: |\n    # Comments stay.\n    \
         apiVersion: batch/v1\n    kind: Job\n    spec:\n      template:\n        spec:\n          containers:\n          \
         - name: flow\n",
    ),
    ("job_template.yaml", "x\n"),
];

#[test]
fn edits_a_job_template_in_a_config_map_and_rolls_its_pods() {
    let Some(servers) = Servers::shared() else { return };
    for version in VERSIONS {
        let helm = Helm::new(servers, version);
        helm.write_chart("flows", CHART_WITH_JOB_TEMPLATE);
        let target = "--target=ConfigMap/templates:job_template.yaml";
        let upgrade = ["upgrade", "--install", "r", "flows"];
        let checksum_of = |live: &Value| live.pointer("/spec/template/metadata/annotations/checksum~1config").cloned();
        let read_deployment = || helm.live_object(DEPLOYMENT, "agent").expect("it is there");
        helm.run_ok(&upgrade);
        let before = read_deployment();
        helm.run_post_rendered_ok(&upgrade, &[target, "--secret=TOKEN=s/k"]);
        let map = helm.live_object("api/v1/configmaps", "templates").expect("it is there");
        let text = map["data"]["job_template.yaml"].as_str().expect("it is text");
        assert!(text.starts_with("# Comments stay.\n"), "{version}:\n{text}");
        assert!(text.contains("name: PREFECT__CONTEXT__SECRETS__TOKEN"), "{version}:\n{text}");
        let first = read_deployment();
        assert_ne!(checksum_of(&first), checksum_of(&before), "{version}");
        helm.run_post_rendered_ok(&upgrade, &[target, "--secret=TOKEN=s/k"]);
        assert_eq!(read_deployment()["metadata"]["generation"], first["metadata"]["generation"], "{version}");
        helm.run_post_rendered_ok(&upgrade, &[target, "--secret=TOKEN=s/other"]);
        assert_ne!(checksum_of(&read_deployment()), checksum_of(&first), "{version}");
    }
}

#[test]
fn accepts_a_chart_without_objects() {
    let Some(servers) = Servers::shared() else { return };
    for version in VERSIONS {
        let helm = Helm::new(servers, version);
        helm.write_chart("none", &[("templates/none.yaml", "{{- if .Values.none }}\nkind: None\n{{- end }}\n")]);
        let stdout = helm.run_post_rendered_ok(&["template", "r", "none"], &["--target=job", "--env=A=b"]);
        assert_eq!(stdout.trim(), "", "{version}");
        helm.run_post_rendered_ok(&["install", "r", "none"], &["--target=job", "--env=A=b"]);
    }
}

/// Helm 4 discards the standard error of a post-renderer, so jobplate also writes errors to the terminal.
#[test]
fn helm_4_shows_errors_on_the_terminal() {
    let Some(servers) = Servers::shared() else { return };
    let helm = Helm::new(servers, "helm4");
    helm.write_chart("web", UNMODIFIED_CHART);
    let command_line = "helm template r web --post-renderer jobplate --post-renderer-args=--secret-env=TOKEN=s/k";
    let mut script = helm.command("script");
    let output =
        script.args(["-qec", command_line, "/dev/null"]).stdin(Stdio::null()).output().expect("script is there");
    let terminal_text = String::from_utf8_lossy(&output.stdout);
    assert!(terminal_text.contains("missing `--target`"), "{terminal_text}");
    assert!(terminal_text.contains("plugin \"jobplate\" exited with error"), "{terminal_text}");
    assert!(!terminal_text.contains(CANARY), "{terminal_text}");
}

#[test]
fn the_plugin_is_installed_from_an_archive() {
    let Some(servers) = Servers::shared() else { return };
    let helm = Helm::without_plugin(servers, "helm4");
    helm.write_chart("web", UNMODIFIED_CHART);
    let plugin = repository().join("integrations/helm").display().to_string();
    helm.run_ok(&["plugin", "package", &plugin, "--sign=false"]);
    let archive = format!("jobplate-{}.tgz", env!("CARGO_PKG_VERSION"));
    helm.run_ok(&["plugin", "install", &archive, "--verify=false"]);
    let stdout =
        helm.run_post_rendered_ok(&["template", "r", "web"], &["--target=deployment/web", "--secret-env=A=s/k"]);
    assert!(stdout.contains("- name: A\n"), "{stdout}");
}
