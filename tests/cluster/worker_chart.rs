//! End-to-end tests of a Helm chart for Prefect's worker: jobplate as post-renderer edits the base job template in the
//! chart's ConfigMap, a new worker pod uploads it to the work pool, and Jobs of the pool use it.
//!
//! The chart in `docs/examples` has the structure of Prefect's own chart. Its containers run in `container`, with
//! Prefect's own programs and server.

use std::process::Output;

use serde_json::{Value, json};

use crate::container::{self, Container, find_variable, items};
use crate::helm::{Helm, VERSIONS, repository};
use crate::kubelet::wait_for;
use crate::prefect_server::PrefectServer;
use crate::proxy::{Action, Proxy};
use crate::run;
use crate::servers::Servers;
use crate::worker::{API_KEY, TOKEN, output_text, parse_json, reference};

const RELEASE: &str = "worker";
const DEPLOYMENT: &str = "apis/apps/v1/deployments";
const CONFIG_MAP: &str = "prefect-worker-base-job-template";

/// An environment for one Helm version: a namespace with the Secrets that the worker and its flow runs need, and the
/// name of a pool that no other test uses.
struct WorkerChartFixture {
    servers: &'static Servers,
    prefect: &'static PrefectServer,
    helm: Helm,
    pool: String,
}

impl WorkerChartFixture {
    /// Creates the fixture. If the servers or Prefect are not installed, prints a message and returns `None`.
    fn new(version: &'static str) -> Option<Self> {
        let (servers, prefect) = (Servers::shared()?, PrefectServer::shared()?);
        let helm = Helm::new(servers, version);
        helm.write("base.json", prefect.default_template());
        for (name, key, value) in [("gh", "token", TOKEN), ("prefect-api-key", "key", API_KEY)] {
            let secret = json!({"metadata": {"name": name}, "stringData": {key: value}});
            helm.admin.post(&format!("/api/v1/namespaces/{}/secrets", helm.namespace), &secret).expect_success();
        }
        Some(WorkerChartFixture { servers, prefect, helm, pool: prefect.fresh_pool_name() })
    }

    /// Returns Helm's arguments for a command with this chart.
    fn helm_args(&self, command: &[&str]) -> Vec<String> {
        let chart = repository().join("docs/examples/prefect-worker").display().to_string();
        let settings = [
            format!("worker.config.workPool={}", self.pool),
            format!("worker.apiUrl={}", self.prefect.url()),
            "worker.extraArgs={--run-once,--name,prefect-worker}".to_owned(),
        ];
        let release = [RELEASE, &chart, "--set-file=worker.config.baseJobTemplate.configuration=base.json"];
        let args = command.iter().chain(&release).map(|arg| (*arg).to_owned());
        args.chain(settings.map(|setting| format!("--set={setting}"))).collect()
    }

    fn run_helm(&self, command: &[&str], post_renderer_flags: &[String]) -> String {
        let args = [&self.helm_args(command)[..], post_renderer_flags].concat();
        self.helm.run_ok(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Renders the chart twice: with `cat` as the post-renderer and with jobplate.
    fn render_with_and_without_jobplate(&self, jobplate_args: &[&str]) -> (String, String) {
        if self.helm.version == "helm4" {
            self.helm.write(
                "cat/plugin.yaml",
                "apiVersion: v1\ntype: postrenderer/v1\nname: cat\nversion: 0.1.0\nruntime: subprocess\n\
                 runtimeConfig: {platformCommand: [{command: cat}]}\n",
            );
            self.helm.run_ok(&["plugin", "install", "cat"]);
        }
        (
            self.run_helm(&["template"], &["--post-renderer=cat".to_owned()]),
            self.run_helm(&["template"], &self.helm.post_renderer_flags(jobplate_args)),
        )
    }

    /// Installs or upgrades the release.
    fn upgrade(&self, jobplate_args: &[&str]) {
        self.run_helm(&["upgrade", "--install"], &self.helm.post_renderer_flags(jobplate_args));
    }

    /// Returns the base job template in the live ConfigMap.
    fn live_template(&self) -> String {
        let map = self.helm.live_object("api/v1/configmaps", CONFIG_MAP).expect("it exists");
        map["data"]["baseJobTemplate.json"].as_str().expect("it is a string").to_owned()
    }

    fn deployment(&self) -> Value {
        self.helm.live_object(DEPLOYMENT, "prefect-worker").expect("it exists")
    }

    /// Waits for the worker pod of the latest rollout and returns it.
    fn pod(&self) -> Value {
        let expected = checksum(&self.deployment()).to_owned();
        let path = format!(
            "/api/v1/namespaces/{}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dworker",
            self.helm.namespace
        );
        wait_for("a pod of the worker", || {
            let pods = self.helm.admin.get(&path).expect_success();
            items(&pods["items"]).find(|pod| pod["metadata"]["annotations"]["checksum/config"] == expected).cloned()
        })
    }

    /// Runs one container of the worker pod until it exits.
    #[track_caller]
    fn run(&self, container: &Value, more_env: &[(&str, &std::path::Path)]) -> Output {
        let container = Container::new(&self.helm.admin, &self.pod(), container).expect("all references exist");
        let more_env = [&[("DO_NOT_TRACK", "1".as_ref())], more_env].concat();
        let output = container.run(self.prefect.bin(), &[], &more_env);
        assert!(output.status.success(), "{}", output_text(&output));
        output
    }

    /// Runs the init container, which uploads the template to an existing pool.
    #[track_caller]
    fn upload_template(&self) -> Output {
        self.run(&self.pod()["spec"]["initContainers"][0], &[])
    }

    /// Runs the worker, which creates a missing pool and processes the scheduled flow runs once.
    #[track_caller]
    fn run_worker(&self, proxy: &Proxy) -> Output {
        let mut container = self.pod()["spec"]["containers"][0].clone();
        // The chart's command is the entrypoint of Prefect's image, which is not available here. The arguments are a
        // complete command line.
        container["command"] = Value::Null;
        let observer = ("PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "false".as_ref());
        self.run(&container, &[("KUBECONFIG", &proxy.kubeconfig()), observer])
    }

    /// Returns the template that Prefect's server has for the pool.
    fn pool_template(&self) -> Value {
        self.prefect.get(&format!("/work_pools/{}", self.pool))["base_job_template"].clone()
    }
}

fn checksum(deployment: &Value) -> &str {
    deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"].as_str().expect("it has a checksum")
}

/// Returns the post-renderer's arguments for this chart.
fn jobplate_args(secret: &'static str) -> [&'static str; 3] {
    [
        "--target=ConfigMap/prefect-worker-base-job-template:baseJobTemplate.json",
        secret,
        "--api-key=prefect-api-key/key",
    ]
}

const SECRET_FLAG: &str = "--secret-env=GITHUB_ACCESS_TOKEN=gh/token";

/// Returns the pairs of lines that differ. Panics if the strings differ in their number of lines.
#[track_caller]
fn changed_lines<'t>(before: &'t str, after: &'t str) -> Vec<(&'t str, &'t str)> {
    assert_eq!(before.lines().count(), after.lines().count(), "{after}");
    before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect()
}

/// Returns the template in a line of the rendered ConfigMap: the JSON string after the key.
#[track_caller]
fn template_in_line(line: &str) -> String {
    let quoted = line.trim().strip_prefix("baseJobTemplate.json: ").expect("the key of the template");
    serde_json::from_str(quoted).expect("it is a JSON string")
}

/// Returns the default template with the expected edits.
fn expected_template(default_template: &str) -> Value {
    let mut template = parse_json(default_template);
    template["job_configuration"]["env"] = json!({"PREFECT_API_KEY": null});
    template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]["env"] = json!([
        reference("GITHUB_ACCESS_TOKEN", "gh", "token"),
        reference("PREFECT_API_KEY", "prefect-api-key", "key"),
    ]);
    template
}

/// Only two lines of the rendered chart change: the template and its checksum.
#[test]
fn edits_only_the_template_and_its_checksum() {
    for version in VERSIONS {
        let Some(fixture) = WorkerChartFixture::new(version) else { return };
        let (before, after) = fixture.render_with_and_without_jobplate(&jobplate_args(SECRET_FLAG));
        let changed = changed_lines(&before, &after);
        let count_changes = |name: &str| changed.iter().filter(|(before, _)| before.trim().starts_with(name)).count();
        assert_eq!(
            (changed.len(), count_changes("checksum/config: "), count_changes("baseJobTemplate.json: ")),
            (2, 1, 1),
            "{version}: {changed:?}"
        );
        let line = changed.iter().find(|(before, _)| before.contains("baseJobTemplate.json: ")).expect("it exists");
        let (old, new) = (template_in_line(line.0), template_in_line(line.1));
        assert_eq!(old, fixture.prefect.default_template(), "{version}");
        assert_eq!(parse_json(&new), expected_template(&old), "{version}");
        // Only two lines of the template are replaced. All other lines are unchanged.
        let diff = similar::TextDiff::from_lines(&old, &new);
        let removed_lines: Vec<&str> = diff
            .iter_all_changes()
            .filter(|change| change.tag() == similar::ChangeTag::Delete)
            .map(|change| change.value().trim())
            .collect();
        assert_eq!(removed_lines, ["\"env\": \"{{ env }}\","; 2], "{version}");
        // Rendering is idempotent.
        let rerun = run::jobplate(
            fixture.helm.directory(),
            &[&["post-render"], &jobplate_args(SECRET_FLAG)[..]].concat(),
            after.as_bytes(),
        );
        assert_eq!(rerun.status, 0, "{}", String::from_utf8_lossy(&rerun.stderr));
        assert_eq!(String::from_utf8_lossy(&rerun.stdout), after, "{version}");

        fixture.upgrade(&jobplate_args(SECRET_FLAG));
        assert_eq!(fixture.live_template(), new, "{version}");
        let first_deployment = fixture.deployment();
        fixture.upgrade(&jobplate_args(SECRET_FLAG));
        assert_eq!(
            fixture.deployment()["metadata"]["generation"],
            first_deployment["metadata"]["generation"],
            "{version}"
        );
        // Prefect's server stores the template unchanged.
        let pool = fixture.prefect.create_pool(&parse_json(&new));
        assert_eq!(
            fixture.prefect.get(&format!("/work_pools/{pool}"))["base_job_template"],
            parse_json(&new),
            "{version}"
        );
    }
}

/// The first worker creates the pool. After an upgrade the init container uploads the new template, and new Jobs use
/// it.
#[test]
fn rolls_out_a_changed_template() {
    let Some(fixture) = WorkerChartFixture::new("helm4") else { return };
    let proxy = Proxy::start(fixture.servers, |_| Action::Forward);
    fixture.upgrade(&jobplate_args("--secret-env=GITHUB_ACCESS_TOKEN=old/token"));
    assert!(output_text(&fixture.upload_template()).contains("the worker makes it"));
    fixture.run_worker(&proxy);
    assert_eq!(fixture.pool_template(), parse_json(&fixture.live_template()));
    let old_deployment = fixture.deployment();

    fixture.upgrade(&jobplate_args(SECRET_FLAG));
    assert_ne!(checksum(&fixture.deployment()), checksum(&old_deployment));
    fixture.upload_template();
    assert_eq!(fixture.pool_template(), parse_json(&fixture.live_template()));
    assert_eq!(fixture.pool_template(), expected_template(fixture.prefect.default_template()));

    let variables = json!({"namespace": fixture.helm.namespace});
    let flow_run = fixture.prefect.schedule_flow_run(&fixture.pool, fixture.helm.directory(), &variables, &json!({}));
    let output = fixture.run_worker(&proxy);
    let jobs =
        fixture.helm.admin.get(&format!("/apis/batch/v1/namespaces/{}/jobs", fixture.helm.namespace)).expect_success();
    assert_eq!(
        items(&jobs["items"]).count(),
        1,
        "{} {}",
        fixture.prefect.flow_run_state(&flow_run),
        output_text(&output)
    );
    let job = &jobs["items"][0];
    assert!(!job.to_string().contains(API_KEY), "{job}");
    let pod = json!({"metadata": {"namespace": fixture.helm.namespace}});
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let environment =
        container::resolve_environment(&fixture.helm.admin, &pod, container).expect("all references exist");
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY"].map(|name| find_variable(&environment, name));
    assert_eq!(values, [Some(TOKEN), Some(API_KEY)]);
}
