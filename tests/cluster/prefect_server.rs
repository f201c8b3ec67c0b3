//! A Prefect 3 server on a free port of the loopback interface, with a temporary database. Creates pools, deployments
//! and flow runs over its API.
//!
//! Independent of Kubernetes. The server takes up to 30 seconds to start on a busy machine, so all tests of the
//! process share one server.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Client, Endpoint, Response};
use crate::oracles;
use crate::servers::free_ports;

/// The version under test. Its Kubernetes worker is 0.8.0.
pub(crate) const VERSION: &str = "3.8.8";

/// A shell script that starts a program in the directory `$1` and stops it when standard input ends: first with
/// SIGTERM to the whole process group, then with SIGKILL after 10 seconds. It removes the directory at the end.
const SUPERVISOR: &str = r#"
exec 3<&0
directory=$1
shift
setsid "$@" 3<&- </dev/null &
server=$!
read -r _ <&3
kill -TERM -$server 2>/dev/null
attempts=0
while kill -0 -$server 2>/dev/null && [ $attempts -lt 100 ]; do sleep 0.1; attempts=$((attempts + 1)); done
kill -KILL -$server 2>/dev/null
cd /
rm -rf "$directory"
"#;

const STARTUP_TIMEOUT: Duration = Duration::from_secs(180);
const LOG: &str = "server.log";
const FLOW: &str = "etl";

/// The environment variables of a process, keyed by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// A running server. It stops when this process ends, even if the process is killed.
pub(crate) struct PrefectServer {
    bin: PathBuf,
    port: u16,
    client: Client,
    default_template: String,
    names: AtomicUsize,
    _supervisor: Child,
}

/// A scheduled flow run.
pub(crate) struct FlowRun {
    pub(crate) id: String,
    /// The flow run, its deployment, its flow and its pool, as a scenario for `jobplate preview`.
    pub(crate) scenario: Value,
}

impl PrefectServer {
    /// Returns the shared server. If Prefect is not installed, prints a message and returns `None`.
    pub(crate) fn shared() -> Option<&'static PrefectServer> {
        static SHARED: OnceLock<Option<PrefectServer>> = OnceLock::new();
        SHARED.get_or_init(|| Some(PrefectServer::start(oracles::require_venv_of(VERSION)?))).as_ref()
    }

    fn start(bin: PathBuf) -> Self {
        // Another process may take the free port before the server does, so the start is tried up to four times.
        let mut attempts = (0..3).map(|_| PrefectServer::try_start(&bin));
        let server = attempts.by_ref().find_map(Result::ok);
        server.unwrap_or_else(|| PrefectServer::try_start(&bin).unwrap_or_else(|log| panic!("{log}")))
    }

    fn try_start(bin: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("jobplate-prefect-").tempdir();
        // The directory is kept, since the supervisor removes it.
        let directory = directory.expect("a temporary directory can be created").keep();
        let [port] = free_ports();
        let log = File::create(directory.join(LOG)).expect("a file can be created");
        let mut supervisor = supervisor_command(&directory, &bin.join("prefect"));
        supervisor.args(["server", "start", "--host", "127.0.0.1", "--no-ui", "--port", &port.to_string()]);
        supervisor.envs(environment(bin, &directory)).env("PREFECT_SERVER_ANALYTICS_ENABLED", "false");
        supervisor.stderr(log.try_clone().expect("a file can be shared")).stdout(log);
        let supervisor = supervisor.spawn().expect("a shell is installed");
        let client = Client::new(Endpoint::without_tls(port), "");
        let start = Instant::now();
        // This command needs no server, so it runs while the server starts.
        let home = tempfile::tempdir().expect("a temporary directory can be created");
        let default_template = ["work-pool", "get-default-base-job-template", "--type", "kubernetes"];
        let default_template = run_prefect(bin, &default_template, home.path(), &environment(bin, home.path()));
        let default_template = String::from_utf8(default_template.stdout).expect("it prints JSON");
        let (bin, names) = (bin.to_owned(), AtomicUsize::new(0));
        let server = PrefectServer { bin, port, client, default_template, names, _supervisor: supervisor };
        while !server.client.request("GET", "/api/health", "", b"").is_ok_and(|response| response.status == 200) {
            let log = fs::read_to_string(directory.join(LOG)).unwrap_or_default();
            let has_failed = ["already in use", "Traceback"].iter().any(|word| log.contains(word));
            if has_failed || start.elapsed() > STARTUP_TIMEOUT {
                return Err(format!("Prefect's server did not start:\n{log}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        let version = server.client.get("/api/admin/version").json();
        assert_eq!(version, VERSION, "another program listens at port {port}");
        Ok(server)
    }

    /// Returns the directory with Prefect's programs.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// Returns the URL of the API.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    /// Returns the environment for one of Prefect's programs, with `home` as its home directory and without this
    /// process's own variables.
    pub(crate) fn environment(&self, home: &Path) -> Variables {
        let mut environment = environment(&self.bin, home);
        environment.insert("PREFECT_API_URL".to_owned(), self.url());
        environment
    }

    /// Returns the default base job template of a Kubernetes pool.
    pub(crate) fn default_template(&self) -> &str {
        &self.default_template
    }

    /// Runs `prefect` until it exits or its time limit passes.
    pub(crate) fn run_prefect(&self, args: &[&str], home: &Path, environment: &Variables) -> Output {
        run_prefect(&self.bin, args, home, environment)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.retry_while_busy(|| self.client.get(&format!("/api{path}"))).expect_success()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.retry_while_busy(|| self.client.post(&format!("/api{path}"), body))
    }

    /// Repeats a request while the database is busy (503), like Prefect's own client.
    fn retry_while_busy(&self, send: impl Fn() -> Response) -> Response {
        let start = Instant::now();
        loop {
            let response = send();
            if response.status != 503 || start.elapsed() > STARTUP_TIMEOUT {
                return response;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns a name that no other pool has.
    pub(crate) fn fresh_pool_name(&self) -> String {
        format!("pool-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a pool with a base job template and returns the pool's name. The server validates the template
    /// like for `prefect work-pool create`.
    #[track_caller]
    pub(crate) fn create_pool(&self, template: &Value) -> String {
        let name = self.fresh_pool_name();
        let pool = json!({"name": name, "type": "kubernetes", "base_job_template": template});
        self.post("/work_pools/", &pool).expect_success();
        name
    }

    /// Deploys the flow `f` from `flow.py` in `directory` to a pool and schedules a flow run. `deployment_variables`
    /// and `run_variables` are the job variables of the deployment and of the flow run.
    #[track_caller]
    pub(crate) fn schedule_flow_run(
        &self,
        pool: &str,
        directory: &Path,
        deployment_variables: &Value,
        run_variables: &Value,
    ) -> FlowRun {
        let flow = self.post("/flows/", &json!({"name": FLOW})).expect_success();
        let deployment = json!({
            "name": pool, "flow_id": flow["id"], "work_pool_name": pool, "entrypoint": "flow.py:f", "path": directory,
            "job_variables": deployment_variables,
        });
        let deployment = self.post("/deployments/", &deployment).expect_success();
        let flow_run = json!({"name": "Nightly Run", "state": {"type": "SCHEDULED"}, "job_variables": run_variables});
        let deployment_id = deployment["id"].as_str().expect("it has an ID");
        let flow_run = self.post(&format!("/deployments/{deployment_id}/create_flow_run"), &flow_run).expect_success();
        let flow_run_id = flow_run["id"].as_str().expect("it has an ID").to_owned();
        // Reads the deployment and the flow run back, like a worker.
        let [deployment, flow_run] =
            [&format!("/deployments/{}", string_at(&deployment, "id")), &format!("/flow_runs/{flow_run_id}")]
                .map(|path| self.get(path));
        let pool_as_stored = self.get(&format!("/work_pools/{pool}"));
        let scenario = json!({
            "flow": {"id": flow["id"], "name": flow["name"]},
            "deployment": {
                "id": deployment["id"], "name": deployment["name"], "updated": deployment["updated"],
                "job_variables": deployment["job_variables"],
            },
            "flow_run": {"id": flow_run_id, "name": flow_run["name"], "labels": flow_run["labels"]},
            "job_variables": flow_run["job_variables"],
            "work_pool": {"id": pool_as_stored["id"], "name": pool},
        });
        FlowRun { id: flow_run_id, scenario }
    }

    /// Returns the state of a flow run: type, name and message.
    pub(crate) fn flow_run_state(&self, flow_run: &FlowRun) -> Value {
        self.get(&format!("/flow_runs/{}", flow_run.id))["state"].clone()
    }
}

/// Returns a command that runs `program` in `directory` until its standard input is closed.
pub(crate) fn supervisor_command(directory: &Path, program: &Path) -> Command {
    let mut supervisor = Command::new("/bin/sh");
    supervisor.args(["-c", SUPERVISOR, "sh"]).arg(directory).arg(program).current_dir(directory);
    supervisor.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::piped());
    // Ctrl-C goes to the process group of the tests. In its own group, the supervisor survives to stop the server.
    std::os::unix::process::CommandExt::process_group(&mut supervisor, 0);
    supervisor
}

fn run_prefect(bin: &Path, args: &[&str], home: &Path, environment: &Variables) -> Output {
    let mut command = Command::new("/usr/bin/timeout");
    command.arg("150").arg(bin.join("prefect")).args(args);
    command.env_clear().envs(environment).current_dir(home).stdin(Stdio::null());
    command.output().expect("timeout is installed")
}

fn string_at<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().expect("it is a string")
}

/// Returns the environment for Prefect's programs: `home` as the home directory, and no telemetry.
fn environment(bin: &Path, home: &Path) -> Variables {
    let to_text = |path: &Path| path.display().to_string();
    let pairs = [
        ("HOME", to_text(home)),
        ("PREFECT_HOME", to_text(&home.join("prefect"))),
        ("PATH", format!("{}:/usr/bin:/bin", bin.display())),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("DO_NOT_TRACK", "1".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
