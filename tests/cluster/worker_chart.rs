//! The way of who installs Prefect's worker by a chart: jobplate as the post-renderer of Helm 3 and Helm 4 edits the base
//! job template in the chart's ConfigMap, a new pod of the worker gets it to the pool, and the pool's Jobs have it.
//!
//! The chart in `docs/examples` has the shape of Prefect's own. Its containers run here as `container` plays them, with
//! Prefect's own programs, on Prefect's own server.

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
const MAP: &str = "prefect-worker-base-job-template";

/// One version of Helm with the chart, Secrets in its namespace, and a pool of its own.
struct Site {
    servers: &'static Servers,
    prefect: &'static PrefectServer,
    helm: Helm,
    pool: String,
}

impl Site {
    /// None where the servers or Prefect are missing, which is said.
    fn new(version: &'static str) -> Option<Self> {
        let (servers, prefect) = (Servers::shared()?, PrefectServer::shared()?);
        let helm = Helm::new(servers, version);
        helm.write("base.json", prefect.default_template());
        for (name, key, value) in [("gh", "token", TOKEN), ("prefect-api-key", "key", API_KEY)] {
            let secret = json!({"metadata": {"name": name}, "stringData": {key: value}});
            helm.admin.post(&format!("/api/v1/namespaces/{}/secrets", helm.namespace), &secret).done();
        }
        Some(Site { servers, prefect, helm, pool: prefect.fresh_pool_name() })
    }

    /// The words of Helm for this chart.
    fn words(&self, command: &[&str]) -> Vec<String> {
        let chart = repository().join("docs/examples/prefect-worker").display().to_string();
        let settings = [
            format!("worker.config.workPool={}", self.pool),
            format!("worker.apiUrl={}", self.prefect.url()),
            "worker.extraArgs={--run-once,--name,prefect-worker}".to_owned(),
        ];
        let own = [RELEASE, &chart, "--set-file=worker.config.baseJobTemplate.configuration=base.json"];
        let words = command.iter().chain(&own).map(|word| (*word).to_owned());
        words.chain(settings.map(|setting| format!("--set={setting}"))).collect()
    }

    fn helm(&self, command: &[&str], post_renderer: &[String]) -> String {
        let words = [&self.words(command)[..], post_renderer].concat();
        self.helm.run_ok(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What Helm makes of the chart on the way to a post-renderer, and what comes of it behind jobplate.
    fn template(&self, own: &[&str]) -> (String, String) {
        if self.helm.version == "helm4" {
            self.helm.write(
                "cat/plugin.yaml",
                "apiVersion: v1\ntype: postrenderer/v1\nname: cat\nversion: 0.1.0\nruntime: subprocess\n\
                 runtimeConfig: {platformCommand: [{command: cat}]}\n",
            );
            self.helm.run_ok(&["plugin", "install", "cat"]);
        }
        (
            self.helm(&["template"], &["--post-renderer=cat".to_owned()]),
            self.helm(&["template"], &self.helm.post_renderer(own)),
        )
    }

    /// Installs the release, or makes it anew.
    fn upgrade(&self, own: &[&str]) {
        self.helm(&["upgrade", "--install"], &self.helm.post_renderer(own));
    }

    /// The base job template that the cluster has.
    fn live_template(&self) -> String {
        let map = self.helm.live_object("api/v1/configmaps", MAP).expect("it is there");
        map["data"]["baseJobTemplate.json"].as_str().expect("it is text").to_owned()
    }

    fn deployment(&self) -> Value {
        self.helm.live_object(DEPLOYMENT, "prefect-worker").expect("it is there")
    }

    /// The pod of the worker as it was rolled out last.
    fn pod(&self) -> Value {
        let wanted = checksum(&self.deployment()).to_owned();
        let path = format!(
            "/api/v1/namespaces/{}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Dworker",
            self.helm.namespace
        );
        wait_for("a pod of the worker", || {
            let pods = self.helm.admin.get(&path).done();
            items(&pods["items"]).find(|pod| pod["metadata"]["annotations"]["checksum/config"] == wanted).cloned()
        })
    }

    /// Runs one container of that pod to its end.
    #[track_caller]
    fn run(&self, container: &Value, more_env: &[(&str, &std::path::Path)]) -> Output {
        let container = Container::new(&self.helm.admin, &self.pod(), container).expect("all of it is there");
        let more_env = [&[("DO_NOT_TRACK", "1".as_ref())], more_env].concat();
        let ran = container.run(self.prefect.bin(), &[], &more_env);
        assert!(ran.status.success(), "{}", output_text(&ran));
        ran
    }

    /// What gets the template to a pool that is there.
    #[track_caller]
    fn sync(&self) -> Output {
        self.run(&self.pod()["spec"]["initContainers"][0], &[])
    }

    /// What makes the pool if need be, and goes through what waits in it, once.
    #[track_caller]
    fn run_worker(&self, proxy: &Proxy) -> Output {
        let mut container = self.pod()["spec"]["containers"][0].clone();
        // What starts every program in Prefect's image is not played.
        container["command"] = Value::Null;
        let observer = ("PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "false".as_ref());
        self.run(&container, &[("KUBECONFIG", &proxy.kubeconfig()), observer])
    }

    /// The template that Prefect's server has for the pool.
    fn template_of_pool(&self) -> Value {
        self.prefect.get(&format!("/work_pools/{}", self.pool))["base_job_template"].clone()
    }
}

fn checksum(deployment: &Value) -> &str {
    deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"].as_str().expect("it has one")
}

/// What a post-renderer of this chart is told.
fn own(secret: &'static str) -> [&'static str; 3] {
    [
        "--target=ConfigMap/prefect-worker-base-job-template:baseJobTemplate.json",
        secret,
        "--api-key=prefect-api-key/key",
    ]
}

const SECRET: &str = "--secret-env=GITHUB_ACCESS_TOKEN=gh/token";

/// The lines of two texts that are not the same, which must have as many.
#[track_caller]
fn changed<'t>(before: &'t str, after: &'t str) -> Vec<(&'t str, &'t str)> {
    assert_eq!(before.lines().count(), after.lines().count(), "{after}");
    before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect()
}

/// The text that stands behind a key, in JSON's quotes.
#[track_caller]
fn text_of(line: &str) -> String {
    let quoted = line.trim().strip_prefix("baseJobTemplate.json: ").expect("the key of the template");
    serde_json::from_str(quoted).expect("it is a JSON string")
}

/// What the edits are to come to, for the default template.
fn expected(default_template: &str) -> Value {
    let mut template = parse_json(default_template);
    template["job_configuration"]["env"] = json!({"PREFECT_API_KEY": null});
    template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]["env"] = json!([
        reference("GITHUB_ACCESS_TOKEN", "gh", "token"),
        reference("PREFECT_API_KEY", "prefect-api-key", "key"),
    ]);
    template
}

/// Two lines of all that the chart makes are others: the template, in which two values are, and the checksum.
#[test]
fn a_template_in_the_charts_string_is_edited() {
    for version in VERSIONS {
        let Some(site) = Site::new(version) else { return };
        let (before, after) = site.template(&own(SECRET));
        let changed = changed(&before, &after);
        let is_at = |name: &str| changed.iter().filter(|(before, _)| before.trim().starts_with(name)).count();
        assert_eq!(
            (changed.len(), is_at("checksum/config: "), is_at("baseJobTemplate.json: ")),
            (2, 1, 1),
            "{version}: {changed:?}"
        );
        let line = changed.iter().find(|(before, _)| before.contains("baseJobTemplate.json: ")).expect("it is there");
        let (old, new) = (text_of(line.0), text_of(line.1));
        assert_eq!(old, site.prefect.default_template(), "{version}");
        assert_eq!(parse_json(&new), expected(&old), "{version}");
        // Both the same value; and all other lines of the text, in their order.
        let diff = similar::TextDiff::from_lines(&old, &new);
        let gone: Vec<&str> = diff
            .iter_all_changes()
            .filter(|change| change.tag() == similar::ChangeTag::Delete)
            .map(|change| change.value().trim())
            .collect();
        assert_eq!(gone, ["\"env\": \"{{ env }}\","; 2], "{version}");
        // Once more changes nothing.
        let again =
            run::jobplate(site.helm.directory(), &[&["post-render"], &own(SECRET)[..]].concat(), after.as_bytes());
        assert_eq!(again.status, 0, "{}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(String::from_utf8_lossy(&again.stdout), after, "{version}");

        site.upgrade(&own(SECRET));
        assert_eq!(site.live_template(), new, "{version}");
        let first = site.deployment();
        site.upgrade(&own(SECRET));
        assert_eq!(site.deployment()["metadata"]["generation"], first["metadata"]["generation"], "{version}");
        // Prefect's server takes it, and keeps it as it is.
        let pool = site.prefect.create_pool(&parse_json(&new));
        assert_eq!(
            site.prefect.get(&format!("/work_pools/{pool}"))["base_job_template"],
            parse_json(&new),
            "{version}"
        );
    }
}

/// The first worker makes the pool, a later one's init container brings another template to it, and Jobs are made of that.
#[test]
fn a_chart_rolls_its_template_out() {
    let Some(site) = Site::new("helm4") else { return };
    let proxy = Proxy::start(site.servers, |_| Action::Pass);
    site.upgrade(&own("--secret-env=GITHUB_ACCESS_TOKEN=old/token"));
    assert!(output_text(&site.sync()).contains("the worker makes it"));
    site.run_worker(&proxy);
    assert_eq!(site.template_of_pool(), parse_json(&site.live_template()));
    let old = site.deployment();

    site.upgrade(&own(SECRET));
    assert_ne!(checksum(&site.deployment()), checksum(&old));
    site.sync();
    assert_eq!(site.template_of_pool(), parse_json(&site.live_template()));
    assert_eq!(site.template_of_pool(), expected(site.prefect.default_template()));

    let variables = json!({"namespace": site.helm.namespace});
    let flow_run = site.prefect.schedule_flow_run(&site.pool, site.helm.directory(), &variables, &json!({}));
    let ran = site.run_worker(&proxy);
    let jobs = site.helm.admin.get(&format!("/apis/batch/v1/namespaces/{}/jobs", site.helm.namespace)).done();
    assert_eq!(items(&jobs["items"]).count(), 1, "{} {}", site.prefect.flow_run_state(&flow_run), output_text(&ran));
    let job = &jobs["items"][0];
    assert!(!job.to_string().contains(API_KEY), "{job}");
    let pod = json!({"metadata": {"namespace": site.helm.namespace}});
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let environment = container::resolve_environment(&site.helm.admin, &pod, container).expect("all of it is there");
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY"].map(|name| find_variable(&environment, name));
    assert_eq!(values, [Some(TOKEN), Some(API_KEY)]);
}
