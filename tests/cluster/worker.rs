//! A real Prefect 3 worker and its server. The worker creates Jobs from work pools on the API server. Flow runs read
//! their secrets from the environment of the Job's container.
//!
//! Only the node of a pod is a fake (`kubelet`, `container`). A proxy between the worker and the API server records
//! requests. Tests compare the previewed Job, the sent Job and the live Job.

use std::process::Output;

use serde_json::{Value, json};

use crate::cli::{RunOutput, Sandbox};
use crate::compare::{additions, differences};
use crate::container::{Container, Environment, items, resolve_environment};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::prefect_server::{FlowRun, PrefectServer, Variables};
use crate::proxy::{Action, Proxy, Request};
use crate::servers::{ADMIN, Servers};

/// The API key in the worker's own environment, in plain text. Flow runs must get `API_KEY` instead.
pub(crate) const WORKER_API_KEY: &str = "pnu_plain7f3a";
pub(crate) const API_KEY: &str = "pnu_canary7f3a";
pub(crate) const TOKEN: &str = "ghp_canary7f3a";
/// Flags for references to both Secrets.
pub(crate) const SECRET_FLAGS: [&str; 4] =
    ["--secret-env", "GITHUB_ACCESS_TOKEN=gh/token", "--api-key", "prefect/api-key"];
pub(crate) const SETTING_PREFIX: &str = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER";

/// A namespace with two Secrets, and a directory with a flow that writes three environment variables to the
/// file `env.json`.
pub(crate) struct WorkerFixture {
    pub(crate) servers: &'static Servers,
    pub(crate) prefect: &'static PrefectServer,
    pub(crate) kubelet: Kubelet,
    /// Records the worker's requests to the API server.
    pub(crate) proxy: Proxy,
    pub(crate) namespace: String,
    pub(crate) sandbox: Sandbox,
}

/// A worker that has exited, and the flow run that it processed.
pub(crate) struct WorkerRun {
    pub(crate) flow_run: FlowRun,
    pub(crate) environ: Variables,
    pub(crate) output: Output,
}

impl WorkerFixture {
    /// Creates the fixture. If the servers or Prefect are not installed, prints a message and returns `None`.
    pub(crate) fn new() -> Option<Self> {
        let (servers, prefect) = (Servers::shared()?, PrefectServer::shared()?);
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
        let written_env = sandbox.directory().join("env.json");
        let flow = format!(
            "import json, os\nfrom prefect import flow\n\n@flow\ndef f():\n    names = [\"GITHUB_ACCESS_TOKEN\", \
             \"PREFECT_API_KEY\", \"REGION\"]\n    json.dump([os.environ.get(name) for name in names], \
             open({written_env:?}, \"w\"))\n"
        );
        sandbox.write("flow/flow.py", flow);
        let namespace = servers.create_namespace("worker");
        for (name, key, value) in [("gh", "token", TOKEN), ("prefect", "api-key", API_KEY)] {
            let secret = json!({"metadata": {"name": name}, "stringData": {key: value}});
            servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).expect_success();
        }
        let (kubelet, proxy) = (Kubelet::start(servers), Proxy::start(servers, |_| Action::Forward));
        Some(WorkerFixture { servers, prefect, kubelet, proxy, namespace, sandbox })
    }

    pub(crate) fn run_jobplate(&self, args: &[&str]) -> RunOutput {
        self.sandbox.run(args)
    }

    /// Runs `jobplate render` on a base job template and returns the rendered template.
    pub(crate) fn render(&self, template: &str, flags: &[&str]) -> String {
        self.sandbox.write("render.json", template);
        self.run_jobplate(&[&["render", "render.json", "-q"], flags].concat()).assert_exit(0, &[]).stdout
    }

    /// Runs `prefect`. Returns its environment and its output.
    pub(crate) fn run_prefect(&self, args: &[&str], more_env: &[(&str, &str)]) -> (Variables, Output) {
        let home = self.sandbox.directory().join("home");
        std::fs::create_dir_all(&home).expect("a directory can be created");
        let mut environ = self.prefect.environment(&home);
        environ.extend(more_env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let output = self.prefect.run_prefect(args, &home, &environ);
        (environ, output)
    }

    /// Creates a pool with `prefect work-pool create`. Returns the pool's name and the command's output.
    pub(crate) fn create_pool(&self, template: &str) -> (String, Output) {
        let name = self.prefect.fresh_pool_name();
        self.sandbox.write("pool.json", template);
        let file = self.sandbox.directory().join("pool.json").display().to_string();
        let create = ["work-pool", "create", &name, "--type", "kubernetes", "--base-job-template", &file];
        let (_, output) = self.run_prefect(&create, &[]);
        (name, output)
    }

    /// Schedules a flow run in a pool and runs a worker until it has submitted the run. `more_env` are variables of the
    /// worker.
    pub(crate) fn run_worker(
        &self,
        pool: &str,
        deployment_variables: &Value,
        run_variables: &Value,
        more_env: &[(&str, &str)],
    ) -> WorkerRun {
        let mut variables = json!({"namespace": self.namespace});
        variables
            .as_object_mut()
            .expect("it is a map")
            .extend(deployment_variables.as_object().expect("a map").clone());
        let flow_run =
            self.prefect.schedule_flow_run(pool, &self.sandbox.directory().join("flow"), &variables, run_variables);
        let kubeconfig = self.proxy.kubeconfig().display().to_string();
        let connection = [("KUBECONFIG", kubeconfig.as_str()), ("PREFECT_API_KEY", WORKER_API_KEY)];
        // The observer watches running Jobs, which no test needs, so it is turned off.
        let observer = [("PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "false")];
        let start = ["worker", "start", "--type", "kubernetes", "--pool", pool, "--run-once", "--name", "Worker 1"];
        let (environ, output) = self.run_prefect(&start, &[&connection[..], &observer, more_env].concat());
        // The worker succeeds even if its flow run crashes.
        assert!(output.status.success(), "{}", output_text(&output));
        WorkerRun { flow_run, environ, output }
    }

    /// Returns the objects that the worker sent for creation. `plural` is the resource in the URL.
    pub(crate) fn sent_objects(&self, plural: &str) -> Vec<Value> {
        let is_creation =
            |request: &Request| request.method == "POST" && request.path().ends_with(&format!("/{plural}"));
        let requests = self.proxy.requests().into_iter().filter(is_creation);
        requests.map(|request| serde_json::from_slice(&request.body).expect("it sends JSON")).collect()
    }

    /// Returns the only Job that the worker sent.
    #[track_caller]
    pub(crate) fn sent_job(&self, worker_run: &WorkerRun) -> Value {
        let mut sent = self.sent_objects("jobs");
        assert_eq!(sent.len(), 1, "{}", output_text(&worker_run.output));
        sent.remove(0)
    }

    /// Returns whether the worker sent a string to the API server.
    pub(crate) fn has_sent(&self, text: &str) -> bool {
        let contains_text = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.proxy.requests().iter().any(|request| contains_text(&request.body) || request.target.contains(text))
    }

    /// Returns the names of a flow run's Jobs in all namespaces.
    pub(crate) fn job_names(&self, flow_run: &FlowRun) -> Vec<String> {
        let path = format!("/apis/batch/v1/jobs?labelSelector=prefect.io%2Fflow-run-id%3D{}", flow_run.id);
        let list = self.servers.client(ADMIN).get(&path).expect_success();
        items(&list["items"]).filter_map(|job| Some(job["metadata"]["name"].as_str()?.to_owned())).collect()
    }

    /// Returns the only Job of a flow run.
    #[track_caller]
    pub(crate) fn job(&self, flow_run: &FlowRun) -> Value {
        let names = self.job_names(flow_run);
        assert_eq!(names.len(), 1, "{}", self.prefect.flow_run_state(flow_run));
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/{}", self.namespace, names[0]);
        self.servers.client(ADMIN).get(&path).expect_success()
    }

    /// Runs `jobplate preview` with the scenario of a flow run.
    pub(crate) fn preview(&self, template: &str, worker_run: &WorkerRun, options: &[&str]) -> RunOutput {
        let mut scenario = worker_run.flow_run.scenario.clone();
        scenario["worker"] = json!({"name": "Worker 1", "env": worker_run.environ});
        self.sandbox.write("preview.json", template);
        self.sandbox.write("scenario.json", scenario.to_string());
        self.run_jobplate(&[&["preview", "preview.json", "--scenario", "scenario.json", "-q"], options].concat())
    }

    #[track_caller]
    pub(crate) fn preview_job(&self, template: &str, worker_run: &WorkerRun) -> Value {
        let output = self.preview(template, worker_run, &["-o", "json"]).assert_exit(0, &[]);
        serde_json::from_str(&output.stdout).expect("it prints JSON")
    }

    /// Starts the pod of a Job on the fake node. Returns the pod's name and its container, or the reason why a
    /// kubelet could not start it.
    pub(crate) fn start_container(&self, job: &Value) -> Result<(String, Container), String> {
        let name = job["metadata"]["name"].as_str().expect("it has a name");
        let (client, pod) =
            (self.servers.client(ADMIN), self.kubelet.start_pod(&self.namespace, name, &PodState::Running));
        let object = client.get(&format!("/api/v1/namespaces/{}/pods/{pod}", self.namespace)).expect_success();
        Ok((pod, Container::new(&client, &object, &object["spec"]["containers"][0])?))
    }

    /// Runs the pod of a Job until it exits. Returns the variables that the flow wrote.
    #[track_caller]
    pub(crate) fn run_flow(&self, job: &Value) -> Value {
        let (pod, flow) = self.start_container(job).expect("all references exist");
        let output = flow.run(self.prefect.bin(), &[], &[("DO_NOT_TRACK", "1".as_ref())]);
        let end = if output.status.success() { PodState::Succeeded } else { PodState::Failed(1, "Error") };
        self.kubelet.set_state(&self.namespace, &pod, &end);
        let written_env = std::fs::read_to_string(self.sandbox.directory().join("env.json"));
        serde_json::from_str(&written_env.unwrap_or_else(|_| panic!("{}", output_text(&output))))
            .expect("it writes JSON")
    }

    /// Resolves the environment of a Job's first container.
    pub(crate) fn environment(&self, job: &Value) -> Environment {
        let pod = json!({"metadata": {"namespace": self.namespace}});
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        resolve_environment(&self.servers.client(ADMIN), &pod, container).expect("all references exist")
    }

    #[track_caller]
    pub(crate) fn assert_completes(&self, flow_run: &FlowRun) {
        let state = self.prefect.flow_run_state(flow_run);
        assert_eq!(state["type"], "COMPLETED", "{state}");
        wait_for("the end of the Job", || {
            let job = self.job(flow_run);
            items(&job["status"]["conditions"])
                .find(|condition| condition["type"] == "Complete" && condition["status"] == "True")
                .map(|_| ())
        });
    }
}

pub(crate) fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn parse_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns an `env` entry of a Job's first container, or `None` if there is no such entry.
pub(crate) fn entry<'j>(job: &'j Value, name: &str) -> Option<&'j Value> {
    items(&job["spec"]["template"]["spec"]["containers"][0]["env"]).find(|entry| entry["name"] == name)
}

pub(crate) fn reference(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

/// Fields that the API server adds to a Job. A preview does not contain them.
const SERVER_FIELDS: [&str; 20] = [
    ".metadata.creationTimestamp",
    ".metadata.generation",
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.resourceVersion",
    ".metadata.uid",
    ".spec.completionMode",
    ".spec.completions",
    ".spec.manualSelector",
    ".spec.parallelism",
    ".spec.podReplacementPolicy",
    ".spec.selector",
    ".spec.suspend",
    ".spec.template.spec.containers[0].terminationMessagePath",
    ".spec.template.spec.containers[0].terminationMessagePolicy",
    ".spec.template.spec.dnsPolicy",
    ".spec.template.spec.schedulerName",
    ".spec.template.spec.securityContext",
    ".spec.template.spec.terminationGracePeriodSeconds",
    ".status",
];
/// The prefix of the labels by which the Job controller selects pods.
const CONTROLLER_LABELS: &str = ".spec.template.metadata.labels.";
/// Fields that Prefect requires in the pod spec. The API server drops them, since pod specs do not have them.
const DROPPED_FIELDS: [&str; 2] =
    [".spec.template.spec.completions: 1 is null", ".spec.template.spec.parallelism: 1 is null"];

/// Asserts that the worker sent the previewed Job, and that the API server keeps every field except `DROPPED_FIELDS`.
#[track_caller]
pub(crate) fn assert_matches_preview(previewed: &Value, sent: &Value, live: &Value) {
    // Compares the differences first, since they make a shorter message.
    assert_eq!((differences(previewed, sent), additions(previewed, sent)), (vec![], vec![]));
    assert_eq!(previewed, sent);
    let mut dropped_fields = differences(previewed, live);
    // The API server drops empty objects, so these differences are expected.
    dropped_fields.retain(|difference| !difference.ends_with(": {} is null"));
    assert_eq!(dropped_fields, DROPPED_FIELDS);
    let mut added_fields = additions(previewed, live);
    added_fields.retain(|path| !SERVER_FIELDS.contains(&path.as_str()) && !path.starts_with(CONTROLLER_LABELS));
    assert_eq!(added_fields, [] as [&str; 0]);
}
