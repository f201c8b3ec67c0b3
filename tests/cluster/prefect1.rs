//! End-to-end tests with the real Prefect 1: its agent creates Jobs on the API server from templates that jobplate
//! rendered, and its flow runs read their secrets from the environment of the Job's container.
//!
//! Only Prefect Server's API (`apollo`) and the node of a pod (`kubelet`, `container`) are fakes. The programs are
//! Prefect's own, started with the command lines of their manifests.

use std::path::PathBuf;
use std::process::Output;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::apollo::{self, Apollo, Flow};
use crate::cli::{RunOutput, Sandbox};
use crate::compare::differences;
use crate::container::{self, Container, Environment, find_variable, items};
use crate::helm::repository;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::oracles::{self, PrefectVersion};
use crate::proxy::{Action, Proxy};
use crate::servers::{ADMIN, Servers};

const API_KEY: &str = "pcu_canary7f3a";
const SECRET_VALUE: &str = "ghp_canary7f3a";
/// The variable that holds the flow's secret.
const SECRET_VARIABLE: &str = "PREFECT__CONTEXT__SECRETS__GITHUB_ACCESS_TOKEN";
/// The value of `--secret` that refers to the flow's secret.
const SECRET_FLAG: &str = "GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token";
const LOCAL_SECRETS: &str = "PREFECT__CLOUD__USE_LOCAL_SECRETS";

/// A minimal job template.
const JOB: &str = "apiVersion: batch/v1
kind: Job
spec:
  backoffLimit: 0
  template:
    spec:
      containers:
        - name: flow
          image: prefecthq/prefect:1.4.1
";

/// A namespace, a fake Prefect Server with one flow run, and a directory with the flow. The flow writes the value of
/// its secret to the file `secret.txt`.
struct AgentFixture {
    servers: &'static Servers,
    kubelet: Kubelet,
    apollo: Apollo,
    /// Records the agent's requests to the API server.
    proxy: Proxy,
    namespace: String,
    /// The directory with Prefect's programs.
    bin: PathBuf,
    version: PrefectVersion,
    sandbox: Sandbox,
}

impl AgentFixture {
    /// Creates the fixture. If the servers or Prefect are not installed, prints a message and returns `None`.
    /// `run_config` holds the arguments of a `KubernetesRun`, or of a `UniversalRun` if its `type` is `UniversalRun`.
    fn new(version: PrefectVersion, run_config: &Value) -> Option<Self> {
        let (servers, bin) = (Servers::shared()?, oracles::require_venv(version)?);
        let sandbox = Sandbox::new(servers.kubeconfig(ADMIN));
        let (flow, secret_file) = (sandbox.directory().join("flow.py"), sandbox.directory().join("secret.txt"));
        let text = format!(
            "from prefect import Flow, task\nfrom prefect.client import Secret\n\n@task\ndef keep():\n    \
             value = Secret(\"GITHUB_ACCESS_TOKEN\").get()\n    open({secret_file:?}, \"w\").write(repr(value))\n\n\
             with Flow(\"etl\") as flow:\n    keep()\n"
        );
        sandbox.write("flow.py", text);
        let core_version = version.full();
        let storage = json!({
            "type": "Local", "directory": sandbox.directory(), "path": flow, "flows": {"etl": flow}, "secrets": [],
            "stored_as_script": true, "__version__": core_version,
        });
        let kubernetes_arguments = [
            "job_template_path",
            "job_template",
            "image",
            "cpu_limit",
            "cpu_request",
            "memory_limit",
            "memory_request",
            "service_account_name",
            "image_pull_secrets",
            "image_pull_policy",
        ];
        // Prefect serializes every argument of a run config, so missing arguments are null.
        let mut serialized = json!({"type": "KubernetesRun", "labels": [], "__version__": core_version});
        let is_universal = run_config["type"] == "UniversalRun";
        for name in ["env"].iter().chain(kubernetes_arguments.iter().filter(|_| !is_universal)) {
            serialized[name] = run_config[name].clone();
        }
        if is_universal {
            serialized["type"] = json!("UniversalRun");
        }
        let flow = Flow { core_version: core_version.to_owned(), storage, run_config: serialized };
        let namespace = servers.create_namespace("prefect");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prefect-secrets"},
            "stringData": {"github-access-token": SECRET_VALUE, "api-key": API_KEY},
        });
        servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).expect_success();
        let (kubelet, apollo) = (Kubelet::start(servers), Apollo::start(servers, flow));
        let proxy = Proxy::start(servers, |_| Action::Forward);
        Some(AgentFixture { servers, kubelet, apollo, proxy, namespace, bin, version, sandbox })
    }

    /// Runs `jobplate render` on a manifest and returns the rendered manifest.
    fn render(&self, text: &str, flags: &[&str]) -> String {
        self.sandbox.write("render.yaml", text);
        self.run_jobplate(&[&["render", "render.yaml", "-q"], flags].concat()).assert_exit(0, &[]).stdout
    }

    fn run_jobplate(&self, args: &[&str]) -> RunOutput {
        self.sandbox.run(args)
    }

    /// Runs an agent with a job template in the environment of a pod, until the agent has polled once. Returns the
    /// live Job that the agent created.
    fn run_agent(&self, template: &str, env: &Value, options: &[&str]) -> Value {
        self.sandbox.write("job_template.yaml", template);
        let agent_env = json!([
            {"name": "PREFECT__BACKEND", "value": "server"},
            {"name": "PREFECT__CLOUD__API", "value": self.apollo.url()},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        ]);
        let env: Vec<&Value> = items(&agent_env).chain(items(env)).collect();
        let template = self.sandbox.directory().join("job_template.yaml");
        let start = ["prefect", "agent", "kubernetes", "start", "--job-template"];
        let args: Vec<String> =
            start.iter().map(|word| (*word).to_owned()).chain([template.display().to_string()]).collect();
        let container = json!({"name": "agent", "args": args, "env": env});
        let pod = json!({"metadata": {"namespace": self.namespace}, "spec": {"containers": [container]}});
        let agent = Container::new(&self.servers.client(ADMIN), &pod, &container).expect("all references exist");
        self.start_agent(&agent, options, &self.proxy.kubeconfig());
        self.job()
    }

    fn start_agent(&self, agent: &Container, options: &[&str], kubeconfig: &std::path::Path) {
        let options = [options, &["--max-polls", "1"]].concat();
        let output = agent.run(&self.bin, &options, &[("KUBECONFIG", kubeconfig)]);
        assert!(
            output.status.success() && !self.sent_job().is_null(),
            "the agent created no Job:\n{}",
            output_text(&output)
        );
    }

    /// Returns the Job that the agent sent, or null if it sent no Job.
    fn sent_job(&self) -> Value {
        let requests = self.proxy.requests();
        let post = requests.iter().find(|request| request.matches("POST", "/jobs"));
        post.map(|post| serde_json::from_slice(&post.body).expect("it sends JSON")).unwrap_or_default()
    }

    /// Returns the only live Job of the namespace.
    fn job(&self) -> Value {
        let path = format!("/apis/batch/v1/namespaces/{}/jobs", self.namespace);
        let client = self.servers.client(ADMIN);
        let jobs = client.get(&path).expect_success();
        let names: Vec<&str> = items(&jobs["items"]).filter_map(|job| job["metadata"]["name"].as_str()).collect();
        let [name] = names[..] else { panic!("one flow run has one Job, not {names:?}") };
        client.get(&format!("{path}/{name}")).expect_success()
    }

    /// Resolves the environment of the flow's container in a Job.
    fn flow_environment(&self, job: &Value) -> Environment {
        let pod = json!({"metadata": {"namespace": self.namespace}, "spec": job["spec"]["template"]["spec"]});
        let environment =
            container::resolve_environment(&self.servers.client(ADMIN), &pod, &pod["spec"]["containers"][0]);
        environment.expect("all references exist")
    }

    /// Runs the pod of a Job until it exits. Returns the `repr` of the secret that the flow read.
    ///
    /// # Errors
    ///
    /// Returns the output of the flow if it failed.
    fn run_flow(&self, job: &Value) -> Result<String, String> {
        let name = job["metadata"]["name"].as_str().expect("it has a name");
        let (client, pod) =
            (self.servers.client(ADMIN), self.kubelet.start_pod(&self.namespace, name, &PodState::Running));
        let object = client.get(&format!("/api/v1/namespaces/{}/pods/{pod}", self.namespace)).expect_success();
        let flow = Container::new(&client, &object, &object["spec"]["containers"][0])?;
        let output = flow.run(&self.bin, &[], &[]);
        let end = if output.status.success() { PodState::Succeeded } else { PodState::Failed(1, "Error") };
        self.kubelet.set_state(&self.namespace, &pod, &end);
        std::fs::read_to_string(self.sandbox.directory().join("secret.txt")).map_err(|_| output_text(&output))
    }

    /// Returns the Job of `jobplate preview` for a template and a scenario.
    fn preview(&self, template: &str, environ: &Environment, identifier: &str) -> Value {
        let mut scenario = self.apollo.scenario();
        scenario["environ"] = environ.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        scenario["identifier"] = json!(identifier);
        self.sandbox.write("preview.yaml", template);
        self.sandbox.write("scenario.yaml", scenario.to_string());
        let args = ["preview", "preview.yaml", "--scenario", "scenario.yaml", "--prefect", self.version.short(), "-q"];
        let output = self.run_jobplate(&[&args[..], &["-o", "json"]].concat()).assert_exit(0, &[]);
        serde_json::from_str(&output.stdout).expect("it prints JSON")
    }

    /// Returns the output of `prefect agent kubernetes install`.
    fn install(&self, options: &[&str]) -> String {
        let mut install = crate::run::isolated_command(self.bin.join("prefect"), self.sandbox.directory());
        let output = install.args(["agent", "kubernetes", "install"]).args(options).output().expect("it starts");
        assert!(output.status.success(), "{}", output_text(&output));
        String::from_utf8(output.stdout).expect("it prints UTF-8")
    }

    /// Runs a Python program with an environment and returns the JSON that it prints.
    fn run_python(&self, program: &str, environment: &Environment) -> Value {
        let mut python = crate::run::isolated_command(self.bin.join("python"), self.sandbox.directory());
        let output = python.envs(environment.iter().cloned()).args(["-c", program]).output().expect("it starts");
        assert!(output.status.success(), "{}", output_text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output_text(&output)))
    }

    /// Resolves the environment of a container in this namespace.
    fn resolve_environment(&self, container: &Value) -> Environment {
        let pod = json!({"metadata": {"namespace": self.namespace}});
        container::resolve_environment(&self.servers.client(ADMIN), &pod, container).expect("all references exist")
    }
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns an `env` entry of a Job's first container, or `None` if there is no such entry.
fn entry<'j>(job: &'j Value, name: &str) -> Option<&'j Value> {
    let entries: Vec<&Value> = items(&job["spec"]["template"]["spec"]["containers"][0]["env"]).collect();
    entries.into_iter().find(|entry| entry["name"] == name)
}

/// Runs a flow with an agent and a template that the program printed and rendered. The agent uses its own
/// ServiceAccount.
fn run_from_template_to_flow(version: PrefectVersion) {
    let run_config = json!({"env": {"REGION": "eu"}, "cpu_request": "2"});
    let Some(fixture) = AgentFixture::new(version, &run_config) else { return };
    let (namespace, client) = (fixture.namespace.as_str(), fixture.servers.client(ADMIN));
    let agent = fixture.run_jobplate(&["template", "agent"]).assert_exit(0, &[]).stdout;
    fixture.sandbox.write(
        "agent.yaml",
        agent.replace("prefecthq/prefect:1.4.1", &format!("prefecthq/prefect:{}", version.full())),
    );
    let api = fixture.apollo.url();
    let flags =
        ["--backend", "server", "--api", &api, "--api-key", "prefect-secrets/api-key", "--secret", SECRET_FLAG, "-q"];
    fixture.run_jobplate(&[&["render", "agent.yaml", "-i"], &flags[..]].concat()).assert_exit(0, &[]);
    fixture.run_jobplate(&["apply", "agent.yaml", "-n", namespace, "-q"]).assert_exit(0, &[]);

    let pod = fixture.kubelet.wait_for_pod(namespace, "app.kubernetes.io/name", "prefect-agent");
    let pod = client.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).expect_success();
    let account = pod["spec"]["serviceAccountName"].as_str().expect("it has one");
    let token = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let token =
        client.post(&token, &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}));
    let token = token.expect_success()["status"]["token"].as_str().expect("a token").to_owned();
    let agent = Container::new(&client, &pod, &pod["spec"]["containers"][0]).expect("all references exist");
    fixture.start_agent(&agent, &[], &fixture.proxy.kubeconfig_for(&token));
    assert_eq!(
        fixture.apollo.authorization_headers(),
        [Some(format!("Bearer {API_KEY}"))],
        "the key comes from the Secret"
    );

    // The agent sends the previewed Job, and the server only adds defaults to it.
    let (sent_job, live_job) = (fixture.sent_job(), fixture.job());
    let map = client.get(&format!("/api/v1/namespaces/{namespace}/configmaps/prefect-job-template")).expect_success();
    let template = map["data"]["job_template.yaml"].as_str().expect("it is a string");
    let identifier = sent_job["metadata"]["labels"]["prefect.io/identifier"].as_str().expect("a label").to_owned();
    let previewed_job = fixture.preview(template, &agent.environment, &identifier);
    assert_eq!(previewed_job, sent_job);
    // A preview from the user's files, without a scenario, differs only in placeholders.
    let files = ["preview", "agent.yaml", "--agent", "agent.yaml", "--run-config", "run.yaml"];
    fixture.sandbox.write("run.yaml", run_config.to_string());
    let preview = fixture
        .run_jobplate(&[&files[..], &["--prefect", version.short(), "-o", "json", "-q"]].concat())
        .assert_exit(0, &[]);
    let preview = preview.stdout.replace("<Secret prefect-secrets, key api-key>", API_KEY);
    let placeholders = [(apollo::FLOW_RUN, "new_id"), (apollo::FLOW, "new_id"), (&identifier, "0a1b2c3d")];
    let with_placeholders =
        placeholders.iter().fold(sent_job.to_string(), |text, (id, placeholder)| text.replace(id, placeholder));
    let parse_json = |text: &str| serde_json::from_str::<Value>(text).expect("it is JSON");
    assert_eq!(parse_json(&preview), parse_json(&with_placeholders));
    assert_eq!(differences(&previewed_job, &live_job), [] as [&str; 0]);
    let defaults = ["terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"];
    let live_container = live_job["spec"]["template"]["spec"]["containers"][0].as_object().expect("a container");
    let sent_container = previewed_job["spec"]["template"]["spec"]["containers"][0].as_object().expect("a container");
    let added_fields: Vec<&String> = live_container.keys().filter(|key| !sent_container.contains_key(*key)).collect();
    assert!(added_fields.iter().all(|key| defaults.contains(&key.as_str())), "{added_fields:?}");

    assert_eq!(fixture.run_flow(&live_job).as_deref(), Ok(format!("'{SECRET_VALUE}'").as_str()));
    assert_eq!(fixture.apollo.states(), ["Submitted", "Running", "Success"]);
    wait_for("the end of the Job", || {
        let job = fixture.job();
        items(&job["status"]["conditions"])
            .find(|condition| condition["type"] == "Complete" && condition["status"] == "True")
            .map(|_| ())
    });
}

#[test]
fn a_flow_gets_the_secret_of_its_template() {
    run_from_template_to_flow(PrefectVersion::V1_4);
}

#[test]
fn a_flow_of_0_15_gets_the_secret_of_its_template() {
    run_from_template_to_flow(PrefectVersion::V0_15);
}

/// An agent does not pass on the variables of its pod. It passes on the variables of its `--env` options as plain
/// text.
#[test]
fn an_agent_passes_only_its_env_options_on() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({})) else { return };
    let env = json!([
        {"name": SECRET_VARIABLE, "valueFrom": {"secretKeyRef": {"name": "prefect-secrets", "key": "github-access-token"}}},
        {"name": "GITHUB_ACCESS_TOKEN", "value": "x"},
    ]);
    let flag = format!("PREFECT__CONTEXT__SECRETS__OTHER={SECRET_VALUE}");
    let job = fixture.run_agent(JOB, &env, &["--env", &flag]);
    assert_eq!((entry(&job, SECRET_VARIABLE), entry(&job, "GITHUB_ACCESS_TOKEN")), (None, None));
    assert_eq!(entry(&job, "PREFECT__CONTEXT__SECRETS__OTHER").expect("it is passed on")["value"], SECRET_VALUE);
    let error = fixture.run_flow(&job).expect_err("there is no secret");
    assert!(error.contains("Local Secret \"GITHUB_ACCESS_TOKEN\" was not found"), "{error}");
    assert_eq!(fixture.apollo.states().last().map(String::as_str), Some("Failed"));
}

/// Command-line options override variables. This justifies the note about overridden variables.
#[test]
fn an_option_overrides_a_variable() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({})) else { return };
    let names = ["PREFECT__CLOUD__API", "PREFECT__CLOUD__API_KEY"];
    let env = json!([{"name": names[0], "value": "http://127.0.0.1:9"}, {"name": names[1], "value": "other"}]);
    let url = fixture.apollo.url();
    let job = fixture.run_agent(JOB, &env, &["--api", &url, "--key", API_KEY]);
    for (name, value) in names.into_iter().zip([url.as_str(), API_KEY]) {
        assert_eq!(entry(&job, name).expect("it exists")["value"], value);
    }
}

/// The local agent passes its environment on to flow runs. For the Kubernetes agent, `jobplate secret` turns the same
/// variables into a Secret.
#[test]
fn a_local_agent_passes_its_environment_on() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({"type": "UniversalRun"})) else { return };
    let (url, directory) = (fixture.apollo.url(), fixture.sandbox.directory());
    let mut agent = crate::run::isolated_command(fixture.bin.join("prefect"), directory);
    agent.env("PREFECT__BACKEND", "server").env("PREFECT__CLOUD__API", &url).env(SECRET_VARIABLE, SECRET_VALUE);
    agent.env("PATH", format!("{}:/usr/bin:/bin", fixture.bin.display()));
    let output = agent.args(["agent", "local", "start", "--max-polls", "1"]).output().expect("it starts");
    assert!(output.status.success(), "{}", output_text(&output));
    let secret_file = directory.join("secret.txt");
    let secret_value =
        wait_for("the flow", || std::fs::read_to_string(&secret_file).ok().filter(|text| text.ends_with('\'')));
    assert_eq!(secret_value, format!("'{SECRET_VALUE}'"));
    wait_for("its end", || fixture.apollo.states().contains(&"Success".to_owned()).then_some(()));

    let shell = Sandbox::without_kubeconfig().env(SECRET_VARIABLE, SECRET_VALUE);
    let secret = shell.run(&["secret", "s", "--from-environment", "-q"]).assert_exit(0, &[]).stdout;
    assert!(secret.contains(&format!("GITHUB_ACCESS_TOKEN: \"{SECRET_VALUE}\"")), "{secret}");
}

/// A run config, or the agent's `--env`, overrides the template's reference with plain text.
#[test]
fn plain_text_overrides_a_reference() {
    let option = format!("{SECRET_VARIABLE}=plain");
    for (run_config, options) in
        [(json!({"env": {SECRET_VARIABLE: "plain"}}), &[][..]), (json!({}), &["--env", &option])]
    {
        let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &run_config) else { return };
        let template = fixture.render(JOB, &["--secret", SECRET_FLAG]);
        let job = fixture.run_agent(&template, &json!([]), options);
        assert_eq!(entry(&job, SECRET_VARIABLE), Some(&json!({"name": SECRET_VARIABLE, "value": "plain"})));
        assert_eq!(fixture.run_flow(&job).as_deref(), Ok("'plain'"));

        let args = [&["prefect", "agent", "kubernetes", "start"], options].concat();
        let pod = json!({"spec": {"containers": [{"name": "agent", "args": args}]}});
        fixture.sandbox.write("agent.json", json!({"kind": "Deployment", "spec": {"template": pod}}).to_string());
        fixture.sandbox.write("run.json", run_config.to_string());
        let preview =
            ["preview", "job_template.yaml", "--agent", "agent.json", "--run-config", "run.json", "-o", "env"];
        let reference = "(Secret prefect-secrets, key github-access-token)";
        fixture.run_jobplate(&preview).assert_exit(0, &["warning[overridden-reference]", reference]);
    }
}

/// Prefect 1 runs the flow in the first container, whatever its name.
#[test]
fn a_reference_works_only_in_the_first_container() {
    let two_containers = JOB
        .replace("        - name: flow\n", "        - name: first\n          image: sidecar:1\n        - name: flow\n");
    for (container, works) in [("first", true), ("flow", false)] {
        let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({})) else { return };
        let default_template = fixture.render(&two_containers, &["--secret", SECRET_FLAG]);
        let template = fixture.render(&two_containers, &["--secret", SECRET_FLAG, "-c", container]);
        assert_eq!(template == default_template, works, "by default it is the first");
        let job = fixture.run_agent(&template, &json!([]), &[]);
        match (fixture.run_flow(&job), works) {
            (Ok(value), true) => assert_eq!(value, format!("'{SECRET_VALUE}'")),
            (Err(error), false) => assert!(error.contains("was not found"), "{error}"),
            (other, _) => panic!("{container}: {other:?}"),
        }
    }
}

/// A recipe on the web uses the variable's name as the Secret's name. Kubernetes and jobplate reject the capital
/// letters in it.
#[test]
fn rejects_capital_letters_in_a_secret_name() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({})) else { return };
    fixture.sandbox.write("render.yaml", JOB);
    fixture
        .run_jobplate(&["render", "render.yaml", "--secret", "X=GITHUB_ACCESS_TOKEN/x"])
        .assert_exit(2, &["--secret"]);
    let template = fixture.render(JOB, &["--secret", SECRET_FLAG]).replace("prefect-secrets", "GITHUB_ACCESS_TOKEN");
    let secret = json!({"metadata": {"name": "GITHUB_ACCESS_TOKEN"}});
    let path = format!("/api/v1/namespaces/{}/secrets", fixture.namespace);
    assert_eq!(fixture.servers.client(ADMIN).post(&path, &secret).status, 422);
    let object: Value = serde_yaml::from_str(&template).expect("it is YAML");
    let mut job = object.clone();
    job["metadata"] = json!({"name": "capitals"});
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    let path = format!("/apis/batch/v1/namespaces/{}/jobs", fixture.namespace);
    assert_eq!(fixture.servers.client(ADMIN).post(&path, &job).status, 422);
}

/// The agent always sets `PREFECT__CLOUD__USE_LOCAL_SECRETS` to `false`. With Prefect Server, flow runs read secrets
/// from the environment nevertheless.
#[test]
fn flow_runs_ignore_use_local_secrets() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({"env": {LOCAL_SECRETS: "true"}})) else {
        return;
    };
    let template = fixture.render(JOB, &["--secret", SECRET_FLAG, "--local-secrets"]);
    assert!(template.contains(LOCAL_SECRETS));
    let option = format!("{LOCAL_SECRETS}=true");
    let job = fixture.run_agent(&template, &json!([{"name": LOCAL_SECRETS, "value": "true"}]), &["--env", &option]);
    assert_eq!(entry(&job, LOCAL_SECRETS).expect("it exists")["value"], "false");
    assert_eq!(fixture.run_flow(&job).as_deref(), Ok(format!("'{SECRET_VALUE}'").as_str()));
}

/// If the old token is still set, the agent of 0.15 passes it on, and older flow runs use it instead of the key.
/// Rendering therefore replaces the token with the key.
#[test]
fn replaces_the_token_of_older_agents() {
    for (version, option) in [(PrefectVersion::V1_4, "--key"), (PrefectVersion::V0_15, "--token")] {
        let Some(fixture) = AgentFixture::new(version, &json!({})) else { return };
        let installed = fixture.install(&["--backend", "server", option, "plain-text"]);
        let api = fixture.apollo.url();
        let rendered = fixture.render(&installed, &["--api", &api, "--api-key", "prefect-secrets/api-key"]);
        let job = fixture.run_agent(JOB, &agent_container(&rendered)["env"], &["--namespace", &fixture.namespace]);
        for name in ["PREFECT__CLOUD__API_KEY", "PREFECT__CLOUD__AUTH_TOKEN"] {
            assert_eq!(entry(&job, name).expect("it exists")["value"], API_KEY, "{name}");
        }
    }
}

/// Returns the container named `agent` in a multi-document manifest.
fn agent_container(text: &str) -> Value {
    let documents = serde_yaml::Deserializer::from_str(text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{e}: {text}")));
    let containers: Vec<Value> = documents
        .filter(|document| document["kind"] == "Deployment")
        .flat_map(|document| items(&document["spec"]["template"]["spec"]["containers"]).cloned().collect::<Vec<_>>())
        .collect();
    containers.into_iter().find(|container| container["name"] == "agent").expect("there is an agent")
}

/// A Python program that prints the agent settings that Prefect resolves.
const PRINT_SETTINGS: &str = "
import json, prefect
from prefect.client import Client
print(json.dumps([prefect.config.backend, prefect.config.cloud.api, Client(api_server='http://127.0.0.1:9').api_key,
                  prefect.config.cloud.agent.get('auth_token'), prefect.config.cloud.use_local_secrets]))
";

/// Rendered settings apply to agents of every kind of installation.
#[test]
fn agents_use_the_rendered_settings() {
    let sets: [&[&str]; 5] = [
        &[],
        &["--key", "plain-text"],
        &["--backend", "server", "--agent-config-id", "id"],
        &["--rbac", "--namespace", "flows", "--label", "a", "--label", "b"],
        &["--env", "TZ=UTC", "--image-pull-secrets", "registry", "--service-account-name", "flows"],
    ];
    for version in PrefectVersion::AGENTS {
        let Some(fixture) = AgentFixture::new(version, &json!({})) else { return };
        let texts = sets.iter().map(|options| (fixture.install(options), format!("{options:?}")));
        let chart =
            std::fs::read_to_string(repository().join("tests/cluster/server-chart-agent.yaml")).expect("a file");
        for (text, source) in texts.chain([(chart, "the chart of Prefect Server".to_owned())]) {
            let api = "http://prefect-apollo:4200";
            let flags =
                ["--backend", "server", "--api", api, "--api-key", "prefect-secrets/api-key", "--local-secrets"];
            let rendered = fixture.render(&text, &flags);
            assert!(!rendered.contains("plain-text"), "{source}: {rendered}");
            assert_eq!(fixture.render(&rendered, &flags), rendered, "{source}: rendering is idempotent");
            let environment = fixture.resolve_environment(&agent_container(&rendered));
            let settings = fixture.run_python(PRINT_SETTINGS, &environment);
            let token = find_variable(&environment, "PREFECT__CLOUD__AGENT__AUTH_TOKEN").unwrap_or_default();
            assert_eq!(settings, json!(["server", api, API_KEY, token, true]), "{source}");
            // The token is set only if the manifest had a token before.
            assert!(token.is_empty() || token == API_KEY, "{source}: {token}");
        }
    }
}

/// A flow gets the same values from a Secret as from config.toml.
#[test]
fn a_secret_gives_the_values_of_config_toml() {
    let Some(fixture) = AgentFixture::new(PrefectVersion::V1_4, &json!({})) else { return };
    let config = "[context.secrets]\nTOKEN = \"ghp_x\"\nNUMBER = 42\nTEXT_NUMBER = \"42\"\nTUPLE = \"1,2\"\nYES = true\n\
        LIST = [1, 2]\nJSON = '{\"a\": [true, null]}'\nQUOTED = '\"x\"'\nLINES = \"a\\nb\\n\"\nUMLAUT = \"\u{e4}\"\nEMPTY = \"\"\n\
        HEX = \"0x1F\"\nDOLLAR = \"p$HOME\"\n[context.secrets.AWS_CREDENTIALS]\nACCESS_KEY = \"a\"\n";
    fixture.sandbox.write("config.toml", config);
    let program = "
import json, prefect
from prefect.client import Secret
print(json.dumps({name: repr(Secret(name).get()) for name in sorted(prefect.config.context.secrets)}))
";
    let file = fixture.sandbox.directory().join("config.toml").display().to_string();
    let server = ("PREFECT__BACKEND".to_owned(), "server".to_owned());
    let from_file = fixture.run_python(program, &vec![server.clone(), ("PREFECT__USER_CONFIG_PATH".to_owned(), file)]);
    assert!(from_file.as_object().is_some_and(|secrets| secrets.len() == 14), "{from_file}");

    let secret = ["secret", "from-config", "--from-config=config.toml", "-q"];
    fixture.sandbox.write("secret.yaml", fixture.run_jobplate(&secret).assert_exit(0, &[]).stdout);
    fixture.run_jobplate(&["apply", "secret.yaml", "-n", &fixture.namespace, "-q"]).assert_exit(0, &[]);
    let flags = fixture.run_jobplate(&[&secret[..], &["--print-flags"]].concat()).assert_exit(0, &[]).stdout;
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let template: Value = serde_yaml::from_str(&fixture.render(JOB, &flags)).expect("it is YAML");
    let mut environment = fixture.flow_environment(&template);
    environment.push(server);
    assert_eq!(fixture.run_python(program, &environment), from_file);
}
