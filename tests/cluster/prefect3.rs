//! Prefect 3 itself, from end to end: its server takes pools made of what jobplate rendered, its Kubernetes worker makes
//! Jobs of them on the API server, and its flow runs read their secrets in the environment that the Job's pod gives them.
//!
//! Only the node that a pod runs on is played (`kubelet`, `container`). Between worker and API server stands a proxy,
//! so that what was sent can be held to what was foreseen, and the live Job to both.

use std::process::Output;
use std::thread;

use serde_json::{Value, json};

use crate::cli::{Ran, Run};
use crate::compare::{additions, differences};
use crate::container::{Container, Environment, environment, get, items};
use crate::kubelet::{Kubelet, State, wait_for};
use crate::prefect_server::{FlowRun, PrefectServer, Variables};
use crate::proxy::{Fate, Proxy, Request};
use crate::servers::{ADMIN, Servers};

/// The API key in the environment of the worker, as text, and the one that flow runs are to get.
const PLAIN_KEY: &str = "pnu_plain7f3a";
const KEY: &str = "pnu_canary7f3a";
const TOKEN: &str = "ghp_canary7f3a";
/// Both references, as flags have them.
const SECRETS: [&str; 4] = ["--secret-env", "GITHUB_ACCESS_TOKEN=gh/token", "--api-key", "prefect/api-key"];
const SETTING: &str = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER";

/// A namespace with two Secrets, a pool's worker, and a folder with a flow: it reads both, and keeps what it gets in a
/// file.
struct Scene {
    servers: &'static Servers,
    prefect: &'static PrefectServer,
    kubelet: Kubelet,
    /// Between the worker and the API server, to see what is sent.
    proxy: Proxy,
    namespace: String,
    run: Run,
}

/// A worker that has gone through a flow run.
struct Worked {
    run: FlowRun,
    environ: Variables,
    ran: Output,
}

impl Scene {
    /// None where the servers or Prefect are missing, which is said.
    fn new() -> Option<Self> {
        let (servers, prefect) = (Servers::shared()?, PrefectServer::shared()?);
        let run = Run::new(servers.kubeconfig(ADMIN));
        let kept = run.folder().join("kept");
        let flow = format!(
            "import json, os\nfrom prefect import flow\n\n@flow\ndef f():\n    names = [\"GITHUB_ACCESS_TOKEN\", \
             \"PREFECT_API_KEY\", \"REGION\"]\n    json.dump([os.environ.get(name) for name in names], open({kept:?}, \"w\"))\n"
        );
        run.write("flow/flow.py", flow);
        let namespace = servers.namespace("worker");
        for (name, key, value) in [("gh", "token", TOKEN), ("prefect", "api-key", KEY)] {
            let secret = json!({"metadata": {"name": name}, "stringData": {key: value}});
            servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).done();
        }
        let (kubelet, proxy) = (Kubelet::start(servers), Proxy::start(servers, |_| Fate::Pass));
        Some(Scene { servers, prefect, kubelet, proxy, namespace, run })
    }

    fn jobplate(&self, args: &[&str]) -> Ran {
        self.run.run(args)
    }

    /// Renders a base job template, without a word.
    fn render(&self, template: &str, flags: &[&str]) -> String {
        self.run.write("render.json", template);
        self.jobplate(&[&["render", "render.json", "-q"], flags].concat()).says(0, &[]).stdout
    }

    /// Runs one of Prefect's programs.
    fn prefect(&self, args: &[&str], more: &[(&str, &str)]) -> (Variables, Output) {
        let home = self.run.folder().join("home");
        std::fs::create_dir_all(&home).expect("a folder can be made");
        let mut environ = self.prefect.environment(&home);
        environ.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let ran = self.prefect.prefect(args, &home, &environ);
        (environ, ran)
    }

    /// Makes a pool by hand, as a user does.
    fn create_pool(&self, template: &str) -> (String, Output) {
        let name = self.prefect.fresh_name();
        self.run.write("pool.json", template);
        let file = self.run.folder().join("pool.json").display().to_string();
        let create = ["work-pool", "create", &name, "--type", "kubernetes", "--base-job-template", &file];
        let (_, ran) = self.prefect(&create, &[]);
        (name, ran)
    }

    /// Has a worker, with what it has in its environment, go through one flow run of a pool.
    fn work(&self, pool: &str, of_deployment: &Value, of_run: &Value, more: &[(&str, &str)]) -> Worked {
        let mut variables = json!({"namespace": self.namespace});
        variables.as_object_mut().expect("a map").extend(of_deployment.as_object().expect("a map").clone());
        let run = self.prefect.schedule(pool, &self.run.folder().join("flow"), &variables, of_run);
        let kubeconfig = self.proxy.kubeconfig().display().to_string();
        let own = [("KUBECONFIG", kubeconfig.as_str()), ("PREFECT_API_KEY", PLAIN_KEY)];
        // What watches over running Jobs is of no use here.
        let observer = [("PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "false")];
        let start = ["worker", "start", "--type", "kubernetes", "--pool", pool, "--run-once", "--name", "Worker 1"];
        let (environ, ran) = self.prefect(&start, &[&own[..], &observer, more].concat());
        // Whatever becomes of its runs.
        assert!(ran.status.success(), "{}", said(&ran));
        Worked { run, environ, ran }
    }

    /// What the worker has sent to create objects of a kind.
    fn posted(&self, plural: &str) -> Vec<Value> {
        let is_one = |request: &Request| request.method == "POST" && request.path().ends_with(&format!("/{plural}"));
        let requests = self.proxy.requests().into_iter().filter(is_one);
        requests.map(|request| serde_json::from_slice(&request.body).expect("it sends JSON")).collect()
    }

    /// The one Job that was sent.
    #[track_caller]
    fn posted_job(&self, worked: &Worked) -> Value {
        let mut posted = self.posted("jobs");
        assert_eq!(posted.len(), 1, "{}", said(&worked.ran));
        posted.remove(0)
    }

    /// Whether a text stands anywhere in what the worker sent to the API server.
    fn sends(&self, text: &str) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        self.proxy.requests().iter().any(|request| is_in(&request.body) || request.target.contains(text))
    }

    /// The names of the Jobs of a flow run, wherever they are.
    fn jobs(&self, run: &FlowRun) -> Vec<String> {
        let path = format!("/apis/batch/v1/jobs?labelSelector=prefect.io%2Fflow-run-id%3D{}", run.id);
        let list = self.servers.client(ADMIN).get(&path).done();
        items(&list["items"]).filter_map(|job| Some(job["metadata"]["name"].as_str()?.to_owned())).collect()
    }

    /// The one Job of a flow run, as the server has it.
    #[track_caller]
    fn job(&self, run: &FlowRun) -> Value {
        let jobs = self.jobs(run);
        assert_eq!(jobs.len(), 1, "{}", self.prefect.state(run));
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/{}", self.namespace, jobs[0]);
        self.servers.client(ADMIN).get(&path).done()
    }

    /// Asks for a preview of a template in the same circumstances, with options.
    fn preview(&self, template: &str, worked: &Worked, options: &[&str]) -> Ran {
        let mut scenario = worked.run.scenario.clone();
        scenario["worker"] = json!({"name": "Worker 1", "env": worked.environ});
        self.run.write("preview.json", template);
        self.run.write("scenario.json", scenario.to_string());
        self.jobplate(&[&["preview", "preview.json", "--scenario", "scenario.json", "-q"], options].concat())
    }

    #[track_caller]
    fn foreseen(&self, template: &str, worked: &Worked) -> Value {
        let ran = self.preview(template, worked, &["-o", "json"]).says(0, &[]);
        serde_json::from_str(&ran.stdout).expect("it prints JSON")
    }

    /// The container that the Job's pod would have, on a node.
    fn container(&self, job: &Value) -> Result<(String, Container), String> {
        let name = job["metadata"]["name"].as_str().expect("it has a name");
        let (client, pod) = (self.servers.client(ADMIN), self.kubelet.play(&self.namespace, name, &State::Running));
        let object = client.get(&format!("/api/v1/namespaces/{}/pods/{pod}", self.namespace)).done();
        Ok((pod, Container::new(&client, &object, &object["spec"]["containers"][0])?))
    }

    /// Runs the pod of a Job to its end; gives what the flow has kept.
    #[track_caller]
    fn run_flow(&self, job: &Value) -> Value {
        let (pod, flow) = self.container(job).expect("all of it is there");
        let ran = flow.run(self.prefect.bin(), &[], &[("DO_NOT_TRACK", "1".as_ref())]);
        let end = if ran.status.success() { State::Succeeded } else { State::Failed(1, "Error") };
        self.kubelet.set(&self.namespace, &pod, &end);
        let kept = std::fs::read_to_string(self.run.folder().join("kept"));
        serde_json::from_str(&kept.unwrap_or_else(|_| panic!("{}", said(&ran)))).expect("it writes JSON")
    }

    /// The environment that the first container of a pod of this Job would get.
    fn environment(&self, job: &Value) -> Environment {
        let pod = json!({"metadata": {"namespace": self.namespace}});
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        environment(&self.servers.client(ADMIN), &pod, container).expect("all of it is there")
    }

    #[track_caller]
    fn completes(&self, run: &FlowRun) {
        let state = self.prefect.state(run);
        assert_eq!(state["type"], "COMPLETED", "{state}");
        wait_for("the end of the Job", || {
            let job = self.job(run);
            items(&job["status"]["conditions"])
                .find(|is| is["type"] == "Complete" && is["status"] == "True")
                .map(|_| ())
        });
    }
}

fn said(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An entry of the first container of a Job.
fn entry<'j>(job: &'j Value, name: &str) -> Option<&'j Value> {
    items(&job["spec"]["template"]["spec"]["containers"][0]["env"]).find(|entry| entry["name"] == name)
}

fn reference(name: &str, secret: &str, key: &str) -> Value {
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
fn is_as_foreseen(foreseen: &Value, posted: &Value, live: &Value) {
    assert_eq!(foreseen, posted);
    let mut found = differences(foreseen, live);
    // What is empty is not kept.
    found.retain(|difference| !difference.ends_with(": {} is null"));
    assert_eq!(found, DROPPED);
    let mut added = additions(foreseen, live);
    added.retain(|path| !DEFAULTS.contains(&path.as_str()) && !path.starts_with(OF_CONTROLLER));
    assert_eq!(added, [] as [&str; 0]);
}

#[test]
fn a_secret_gets_from_a_template_to_its_flow() {
    let Some(scene) = Scene::new() else { return };
    let template = scene.render(scene.prefect.stock(), &SECRETS);
    let (pool, ran) = scene.create_pool(&template);
    assert!(ran.status.success(), "{}", said(&ran));
    let worked = scene.work(&pool, &json!({"env": {"REGION": "eu"}}), &json!({"cpu_request": "250m"}), &[]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template, &worked), &posted, &job);

    // Neither the key of the worker nor what is in the Secrets.
    for text in [PLAIN_KEY, KEY, TOKEN] {
        assert!(!scene.sends(text) && !job.to_string().contains(text), "{posted}");
    }
    assert_eq!(entry(&job, "GITHUB_ACCESS_TOKEN"), Some(&reference("GITHUB_ACCESS_TOKEN", "gh", "token")));
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert_eq!(scene.run_flow(&job), json!([TOKEN, KEY, "eu"]));
    scene.completes(&worked.run);
}

/// The container's place in a base job template.
fn container_of(template: &mut Value) -> &mut Value {
    &mut template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
}

/// The same references as in `SECRETS`, written by hand as in any other Job: the worker is not asked to give way.
fn without_a_null(stock: &str) -> Value {
    let mut template = parsed(stock);
    container_of(&mut template)["env"] =
        json!([reference("GITHUB_ACCESS_TOKEN", "gh", "token"), reference("PREFECT_API_KEY", "prefect", "api-key"),]);
    template
}

/// A worker puts its own key in place of a reference that nothing protects: as plain text.
#[test]
fn a_reference_alone_is_replaced() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let worked = scene.work(&scene.prefect.pool(&template), &json!({}), &json!({}), &[]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    let plain = json!({"name": "PREFECT_API_KEY", "value": PLAIN_KEY});
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&plain));
    assert!(scene.sends(PLAIN_KEY));
    assert_eq!(get(&scene.environment(&job), "PREFECT_API_KEY"), Some(PLAIN_KEY));
}

/// A worker that is told where its key is puts that reference in place of the plain text.
#[test]
fn a_worker_knows_the_secret_of_its_key() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let [name, key] = ["NAME", "KEY"].map(|part| format!("{SETTING}_API_KEY_SECRET_{part}"));
    let settings = [(name.as_str(), "prefect"), (key.as_str(), "api-key")];
    let worked = scene.work(&scene.prefect.pool(&template), &json!({}), &json!({}), &settings);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    assert_eq!(entry(&job, "PREFECT_API_KEY"), Some(&reference("PREFECT_API_KEY", "prefect", "api-key")));
    assert!(!scene.sends(PLAIN_KEY));
    assert_eq!(get(&scene.environment(&job), "PREFECT_API_KEY"), Some(KEY));
}

/// A worker that puts all plain text into a Secret of the Job's own.
#[test]
fn a_worker_makes_a_secret_of_its_environment() {
    let Some(scene) = Scene::new() else { return };
    let template = without_a_null(scene.prefect.stock());
    let setting = format!("{SETTING}_STORE_ENV_AS_SECRET");
    let variables = json!({"env": {"REGION": "eu"}});
    let worked = scene.work(&scene.prefect.pool(&template), &variables, &json!({}), &[(&setting, "true")]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template.to_string(), &worked), &posted, &job);
    // The reference was gone before: what is stored is the worker's own key.
    assert!(!job.to_string().contains(PLAIN_KEY), "{job}");
    let found = scene.environment(&job);
    let values = ["GITHUB_ACCESS_TOKEN", "PREFECT_API_KEY", "REGION"].map(|name| get(&found, name));
    assert_eq!(values, [Some(TOKEN), Some(PLAIN_KEY), Some("eu")]);
}

/// What is printed for `kubectl create` is taken with all that a server can object to, and starts the same container.
#[test]
fn kubectl_creates_what_is_foreseen() {
    let Some(scene) = Scene::new() else { return };
    let template = scene.render(scene.prefect.stock(), &SECRETS);
    scene.run.write("preview.json", template);
    scene.run.write("variables.json", json!({"namespace": scene.namespace, "env": {"REGION": "eu"}}).to_string());
    let preview = ["preview", "preview.json", "--job-variables", "variables.json", "-q"];
    let own = parsed(&scene.jobplate(&[&preview[..], &["-o", "json"]].concat()).says(0, &[]).stdout);
    let job = scene.jobplate(&[&preview[..], &["--kubectl"]].concat()).says(0, &[]).stdout;
    scene.run.write("job.yaml", job);
    let file = scene.run.folder().join("job.yaml").display().to_string();
    let create = ["create", "--validate=strict", "-o", "json", "-f", &file];
    let ran = scene.servers.run("kubectl", &create);
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", said(&ran));
    let created = parsed(&String::from_utf8_lossy(&ran.stdout));
    let pod = "/spec/template/spec";
    let kept = |difference: &String| !difference.ends_with(": {} is null");
    let lost = differences(own.pointer(pod).expect("a pod"), created.pointer(pod).expect("a pod"));
    let lost: Vec<String> = lost.into_iter().filter(kept).collect();
    assert_eq!(lost, [".completions: 1 is null", ".parallelism: 1 is null"]);
    assert_eq!((&created["spec"]["completions"], &created["spec"]["parallelism"]), (&json!(1), &json!(1)));
    assert_eq!(created["metadata"]["namespace"], scene.namespace.as_str());
}

/// A job template of Prefect 1's agent, with what a converter has to carry over.
const OF_PREFECT_1: &str = "apiVersion: batch/v1
kind: Job
metadata:
  annotations: {team: data}
spec:
  template:
    spec:
      containers:
        - name: flow
          image: prefecthq/prefect:1.4.1
          env:
            - name: REGION
              value: \"eu\"
            - name: GITHUB_ACCESS_TOKEN
              valueFrom: {secretKeyRef: {name: gh, key: token}}
            - name: PREFECT__CLOUD__API_KEY
              valueFrom: {secretKeyRef: {name: prefect, key: api-key}}
          volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {}}]
";

/// What was a job template of Prefect 1 makes Jobs of Prefect 3.
#[test]
fn a_converted_template_runs() {
    let Some(scene) = Scene::new() else { return };
    scene.run.write("job_template.yaml", OF_PREFECT_1);
    let template = scene.jobplate(&["convert", "job_template.yaml", "-q"]).says(0, &[]).stdout;
    let worked = scene.work(&scene.prefect.pool(&parsed(&template)), &json!({}), &json!({}), &[]);
    let (posted, job) = (scene.posted_job(&worked), scene.job(&worked.run));
    is_as_foreseen(&scene.foreseen(&template, &worked), &posted, &job);
    assert!(!scene.sends(PLAIN_KEY));
    assert_eq!(job["spec"]["template"]["spec"]["volumes"], json!([{"name": "scratch", "emptyDir": {}}]));
    assert_eq!(scene.run_flow(&job), json!([TOKEN, KEY, "eu"]));
    scene.completes(&worked.run);
}

/// Where something that is wrong with a template comes to light.
enum Stops {
    /// The server takes no such template.
    AtThePool,
    /// The worker takes the flow run, and it crashes, with these words.
    AtTheJob(&'static [&'static str]),
}

/// One fault: a template, job variables of its deployment, where it is seen, and what a preview says of it before.
struct Fault {
    template: Value,
    variables: Value,
    stops: Stops,
    told: &'static [&'static str],
}

fn faults(stock: &str) -> Vec<Fault> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut template = parsed(stock);
        change(&mut template);
        template
    };
    let token = reference("GITHUB_ACCESS_TOKEN", "gh", "token");
    vec![
        Fault {
            template: with(&|template| container_of(template)["image"] = json!("{{ nope }}")),
            variables: json!({}),
            stops: Stops::AtThePool,
            told: &["nope"],
        },
        Fault {
            template: with(&|template| container_of(template)["name"] = json!("flow")),
            variables: json!({}),
            stops: Stops::AtTheJob(&["must have value 'prefect-job'"]),
            told: &["prefect-job"],
        },
        Fault {
            template: with(&|template| container_of(template)["env"] = json!(["{{ env }}", token])),
            variables: json!({"env": {"REGION": "eu"}}),
            stops: Stops::AtTheJob(&["].name: Required value"]),
            told: &["{{ env }}"],
        },
        Fault {
            template: with(&|template| {
                container_of(template)["env"] = json!([reference("TOKEN", "GITHUB_ACCESS_TOKEN", "a/b")]);
            }),
            variables: json!({}),
            stops: Stops::AtTheJob(&["secretKeyRef.name: Invalid value", "secretKeyRef.key: Invalid value"]),
            told: &["GITHUB_ACCESS_TOKEN", "a/b"],
        },
        Fault {
            template: parsed(stock),
            variables: json!({"namespace": "nowhere"}),
            stops: Stops::AtTheJob(&["namespaces \"nowhere\" not found"]),
            told: &["nowhere"],
        },
    ]
}

/// What goes wrong in the real programs, and that a preview says so before.
#[test]
fn a_preview_tells_what_will_fail() {
    if Scene::new().is_none() {
        return;
    }
    let stock = PrefectServer::shared().expect("it is there").stock();
    // They wait for each other's server most of the time.
    thread::scope(|threads| {
        for fault in faults(stock) {
            threads.spawn(move || fails_as_told(&fault));
        }
    });
}

fn fails_as_told(fault: &Fault) {
    let scene = Scene::new().expect("they are there");
    // Before anything of it is anywhere: template and job variables are all that there is.
    scene.run.write("preview.json", fault.template.to_string());
    scene.run.write("scenario.json", json!({"deployment": {"job_variables": fault.variables}}).to_string());
    let foreseen = scene.jobplate(&["preview", "preview.json", "--scenario", "scenario.json"]);
    let foreseen = foreseen.says(2, fault.told);
    assert_eq!(foreseen.stdout, "");
    match fault.stops {
        Stops::AtThePool => {
            let (pool, ran) = scene.create_pool(&fault.template.to_string());
            assert!(!ran.status.success(), "{pool} is made: {}", said(&ran));
        }
        Stops::AtTheJob(words) => {
            // Once is enough to be refused.
            let once = format!("{SETTING}_CREATE_JOB_RETRY_MAX_RETRIES");
            let pool = scene.prefect.pool(&fault.template);
            let worked = scene.work(&pool, &fault.variables, &json!({}), &[(&once, "1")]);
            let state = scene.prefect.state(&worked.run);
            assert_eq!(state["type"], "CRASHED", "{state}");
            assert_eq!(scene.jobs(&worked.run), [] as [&str; 0]);
            let message = state["message"].as_str().unwrap_or_default();
            words.iter().for_each(|word| assert!(message.contains(word), "{word}: {message}"));
        }
    }
}
