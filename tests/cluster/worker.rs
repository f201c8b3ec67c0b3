//! A worker of Prefect 3 at work: its own server and its Kubernetes worker make Jobs of pools on the API server, and its flow
//! runs read their secrets in the environment that the Job's pod gives them.
//!
//! Only the node that a pod runs on is played (`kubelet`, `container`). Between worker and API server stands a proxy,
//! so that what was sent can be held to what was foreseen, and the live Job to both.

use std::process::Output;

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::compare::{additions, differences};
use crate::container::{Container, Environment, items, resolve_environment};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::prefect_server::{FlowRun, PrefectServer, Variables};
use crate::proxy::{Action, Proxy, Request};
use crate::servers::{ADMIN, Servers};

/// The API key in the environment of the worker, as text, and the one that flow runs are to get.
pub(crate) const WORKER_API_KEY: &str = "pnu_plain7f3a";
pub(crate) const API_KEY: &str = "pnu_canary7f3a";
pub(crate) const TOKEN: &str = "ghp_canary7f3a";
/// Both references, as flags have them.
pub(crate) const SECRET_FLAGS: [&str; 4] =
    ["--secret-env", "GITHUB_ACCESS_TOKEN=gh/token", "--api-key", "prefect/api-key"];
pub(crate) const SETTING_PREFIX: &str = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER";

/// A namespace with two Secrets, a pool's worker, and a folder with a flow: it reads both, and keeps what it gets in a
/// file.
pub(crate) struct WorkerFixture {
    pub(crate) servers: &'static Servers,
    pub(crate) prefect: &'static PrefectServer,
    pub(crate) kubelet: Kubelet,
    /// Between the worker and the API server, to see what is sent.
    pub(crate) proxy: Proxy,
    pub(crate) namespace: String,
    pub(crate) run: Run,
}

/// A worker that has gone through a flow run.
pub(crate) struct WorkerRun {
    pub(crate) run: FlowRun,
    pub(crate) environ: Variables,
    pub(crate) ran: Output,
}

impl WorkerFixture {
    /// None where the servers or Prefect are missing, which is said.
    pub(crate) fn new() -> Option<Self> {
        let (servers, prefect) = (Servers::shared()?, PrefectServer::shared()?);
        let run = Run::new(servers.kubeconfig(ADMIN));
        let kept = run.directory().join("kept");
        let flow = format!(
            "import json, os\nfrom prefect import flow\n\n@flow\ndef f():\n    names = [\"GITHUB_ACCESS_TOKEN\", \
             \"PREFECT_API_KEY\", \"REGION\"]\n    json.dump([os.environ.get(name) for name in names], open({kept:?}, \"w\"))\n"
        );
        run.write("flow/flow.py", flow);
        let namespace = servers.namespace("worker");
        for (name, key, value) in [("gh", "token", TOKEN), ("prefect", "api-key", API_KEY)] {
            let secret = json!({"metadata": {"name": name}, "stringData": {key: value}});
            servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).done();
        }
        let (kubelet, proxy) = (Kubelet::start(servers), Proxy::start(servers, |_| Action::Pass));
        Some(WorkerFixture { servers, prefect, kubelet, proxy, namespace, run })
    }

    pub(crate) fn jobplate(&self, args: &[&str]) -> Ran {
        self.run.run(args)
    }

    /// Renders a base job template, without a word.
    pub(crate) fn render(&self, template: &str, flags: &[&str]) -> String {
        self.run.write("render.json", template);
        self.jobplate(&[&["render", "render.json", "-q"], flags].concat()).says(0, &[]).stdout
    }

    /// Runs one of Prefect's programs.
    pub(crate) fn prefect(&self, args: &[&str], more: &[(&str, &str)]) -> (Variables, Output) {
        let home = self.run.directory().join("home");
        std::fs::create_dir_all(&home).expect("a folder can be made");
        let mut environ = self.prefect.environment(&home);
        environ.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let ran = self.prefect.prefect(args, &home, &environ);
        (environ, ran)
    }

    /// Makes a pool by hand, as a user does.
    pub(crate) fn create_pool(&self, template: &str) -> (String, Output) {
        let name = self.prefect.fresh_pool_name();
        self.run.write("pool.json", template);
        let file = self.run.directory().join("pool.json").display().to_string();
        let create = ["work-pool", "create", &name, "--type", "kubernetes", "--base-job-template", &file];
        let (_, ran) = self.prefect(&create, &[]);
        (name, ran)
    }

    /// Has a worker, with what it has in its environment, go through one flow run of a pool.
    pub(crate) fn run_worker(
        &self,
        pool: &str,
        deployment_variables: &Value,
        run_variables: &Value,
        more: &[(&str, &str)],
    ) -> WorkerRun {
        let mut variables = json!({"namespace": self.namespace});
        variables.as_object_mut().expect("a map").extend(deployment_variables.as_object().expect("a map").clone());
        let run = self.prefect.schedule_flow_run(pool, &self.run.directory().join("flow"), &variables, run_variables);
        let kubeconfig = self.proxy.kubeconfig().display().to_string();
        let own = [("KUBECONFIG", kubeconfig.as_str()), ("PREFECT_API_KEY", WORKER_API_KEY)];
        // What watches over running Jobs is of no use here.
        let observer = [("PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "false")];
        let start = ["worker", "start", "--type", "kubernetes", "--pool", pool, "--run-once", "--name", "Worker 1"];
        let (environ, ran) = self.prefect(&start, &[&own[..], &observer, more].concat());
        // Whatever becomes of its runs.
        assert!(ran.status.success(), "{}", output_text(&ran));
        WorkerRun { run, environ, ran }
    }

    /// What the worker has sent to create objects of a kind.
    pub(crate) fn posted(&self, plural: &str) -> Vec<Value> {
        let is_one = |request: &Request| request.method == "POST" && request.path().ends_with(&format!("/{plural}"));
        let requests = self.proxy.requests().into_iter().filter(is_one);
        requests.map(|request| serde_json::from_slice(&request.body).expect("it sends JSON")).collect()
    }

    /// The one Job that was sent.
    #[track_caller]
    pub(crate) fn posted_job(&self, worker_run: &WorkerRun) -> Value {
        let mut posted = self.posted("jobs");
        assert_eq!(posted.len(), 1, "{}", output_text(&worker_run.ran));
        posted.remove(0)
    }

    /// Whether a text stands anywhere in what the worker sent to the API server.
    pub(crate) fn has_sent(&self, text: &str) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.proxy.requests().iter().any(|request| is_in(&request.body) || request.target.contains(text))
    }

    /// The names of the Jobs of a flow run, wherever they are.
    pub(crate) fn jobs(&self, run: &FlowRun) -> Vec<String> {
        let path = format!("/apis/batch/v1/jobs?labelSelector=prefect.io%2Fflow-run-id%3D{}", run.id);
        let list = self.servers.client(ADMIN).get(&path).done();
        items(&list["items"]).filter_map(|job| Some(job["metadata"]["name"].as_str()?.to_owned())).collect()
    }

    /// The one Job of a flow run, as the server has it.
    #[track_caller]
    pub(crate) fn job(&self, run: &FlowRun) -> Value {
        let jobs = self.jobs(run);
        assert_eq!(jobs.len(), 1, "{}", self.prefect.flow_run_state(run));
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/{}", self.namespace, jobs[0]);
        self.servers.client(ADMIN).get(&path).done()
    }

    /// Asks for a preview of a template in the same circumstances, with options.
    pub(crate) fn preview(&self, template: &str, worker_run: &WorkerRun, options: &[&str]) -> Ran {
        let mut scenario = worker_run.run.scenario.clone();
        scenario["worker"] = json!({"name": "Worker 1", "env": worker_run.environ});
        self.run.write("preview.json", template);
        self.run.write("scenario.json", scenario.to_string());
        self.jobplate(&[&["preview", "preview.json", "--scenario", "scenario.json", "-q"], options].concat())
    }

    #[track_caller]
    pub(crate) fn previewed_job(&self, template: &str, worker_run: &WorkerRun) -> Value {
        let ran = self.preview(template, worker_run, &["-o", "json"]).says(0, &[]);
        serde_json::from_str(&ran.stdout).expect("it prints JSON")
    }

    /// The container that the Job's pod would have, on a node.
    pub(crate) fn container(&self, job: &Value) -> Result<(String, Container), String> {
        let name = job["metadata"]["name"].as_str().expect("it has a name");
        let (client, pod) =
            (self.servers.client(ADMIN), self.kubelet.start_pod(&self.namespace, name, &PodState::Running));
        let object = client.get(&format!("/api/v1/namespaces/{}/pods/{pod}", self.namespace)).done();
        Ok((pod, Container::new(&client, &object, &object["spec"]["containers"][0])?))
    }

    /// Runs the pod of a Job to its end; gives what the flow has kept.
    #[track_caller]
    pub(crate) fn run_flow(&self, job: &Value) -> Value {
        let (pod, flow) = self.container(job).expect("all of it is there");
        let ran = flow.run(self.prefect.bin(), &[], &[("DO_NOT_TRACK", "1".as_ref())]);
        let end = if ran.status.success() { PodState::Succeeded } else { PodState::Failed(1, "Error") };
        self.kubelet.set_state(&self.namespace, &pod, &end);
        let kept = std::fs::read_to_string(self.run.directory().join("kept"));
        serde_json::from_str(&kept.unwrap_or_else(|_| panic!("{}", output_text(&ran)))).expect("it writes JSON")
    }

    /// The environment that the first container of a pod of this Job would get.
    pub(crate) fn environment(&self, job: &Value) -> Environment {
        let pod = json!({"metadata": {"namespace": self.namespace}});
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        resolve_environment(&self.servers.client(ADMIN), &pod, container).expect("all of it is there")
    }

    #[track_caller]
    pub(crate) fn assert_completes(&self, run: &FlowRun) {
        let state = self.prefect.flow_run_state(run);
        assert_eq!(state["type"], "COMPLETED", "{state}");
        wait_for("the end of the Job", || {
            let job = self.job(run);
            items(&job["status"]["conditions"])
                .find(|is| is["type"] == "Complete" && is["status"] == "True")
                .map(|_| ())
        });
    }
}

pub(crate) fn output_text(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

pub(crate) fn parse_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An entry of the first container of a Job.
pub(crate) fn entry<'j>(job: &'j Value, name: &str) -> Option<&'j Value> {
    items(&job["spec"]["template"]["spec"]["containers"][0]["env"]).find(|entry| entry["name"] == name)
}

pub(crate) fn reference(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

/// What the API server puts beside what it gets of a Job: nothing that a preview could know, or has to.
const DEFAULTS: [&str; 20] = [
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
/// Labels by which a Job knows its pods.
const OF_CONTROLLER: &str = ".spec.template.metadata.labels.";
/// What Prefect insists on in a place where Kubernetes knows no such field, and drops it.
const DROPPED: [&str; 2] = [".spec.template.spec.completions: 1 is null", ".spec.template.spec.parallelism: 1 is null"];

/// What was sent is what was foreseen, and the server keeps all of it that Kubernetes knows.
#[track_caller]
pub(crate) fn assert_matches_preview(previewed_job: &Value, posted: &Value, live: &Value) {
    // Said shortly first.
    assert_eq!((differences(previewed_job, posted), additions(previewed_job, posted)), (vec![], vec![]));
    assert_eq!(previewed_job, posted);
    let mut found = differences(previewed_job, live);
    // What is empty is not kept.
    found.retain(|difference| !difference.ends_with(": {} is null"));
    assert_eq!(found, DROPPED);
    let mut added = additions(previewed_job, live);
    added.retain(|path| !DEFAULTS.contains(&path.as_str()) && !path.starts_with(OF_CONTROLLER));
    assert_eq!(added, [] as [&str; 0]);
}
