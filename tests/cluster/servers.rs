//! Real servers: etcd, kube-apiserver and kube-controller-manager, on free ports of the loopback interface.
//!
//! All tests of a process share one set of servers, and each test has its own namespace. The programs come from
//! `cargo xtask servers`, or from the directory in `JOBPLATE_TEST_SERVERS`. The servers stop when the test process
//! ends, even if it is killed: a shell starts each server, and kills it when the shell's standard input ends. This
//! input is a pipe that the kernel closes when the test process ends.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::http::{Client, Endpoint};

/// A shell script that starts `"$@"`, kills it when standard input ends, and exits with its status.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- &
server=$!
(read -r _ <&3; kill -KILL $server) &
watcher=$!
wait $server
status=$?
kill $watcher 2>/dev/null
exit $status
"#;
/// A shell script that removes the directory `$1` when standard input ends. It waits for a second to let killed
/// servers exit.
const CLEANER: &str = r#"read -r _; sleep 1; rm -rf "$1""#;

/// The time limit for the start of a set. On an idle machine the start takes two seconds.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(120);
const CONTROLLERS: &str = "job,cronjob,garbagecollector,namespace,serviceaccount,ttl-after-finished,deployment,\
                           replicaset,statefulset,resourcequota";

/// The path to the certificate that the API server generates, relative to the set's directory.
const CA_CERTIFICATE_PATH: &str = "certificates/apiserver.crt";

/// The token of a user with all permissions.
pub(crate) const ADMIN: &str = "admin";
/// The token of a user without permissions.
pub(crate) const NOBODY: &str = "nobody";

/// A running server, which is killed on drop.
struct Server {
    keeper: Child,
}

impl Server {
    fn start(directory: &Path, program: &Path, args: &[String]) -> Result<Self, String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = OpenOptions::new().create(true).append(true).open(directory.join(format!("{name}.log")));
        let log = log.map_err(|error| format!("{name}: {error}"))?;
        let log_output = || log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
        let mut keeper = shell_command(KEEPER, directory);
        keeper.arg(program).args(args).stdout(log_output()).stderr(log_output());
        Ok(Server { keeper: keeper.spawn().map_err(|error| format!("{name}: {error}"))? })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.keeper.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// Returns a shell command with a clean environment. Its standard input is a pipe that is closed when this process
/// ends.
fn shell_command(script: &str, directory: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).env_clear().env("HOME", directory).env("PATH", "/usr/bin:/bin");
    shell.current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C goes to the whole process group, but the shell must outlive this process to clean up.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell
}

/// The running servers. They stop in the order of the fields.
#[derive(Default)]
struct RunningServers {
    controllers: Option<Server>,
    apiserver: Option<Server>,
    etcd: Option<Server>,
}

/// A set of servers. They stop when the set is dropped.
pub(crate) struct Servers {
    programs: PathBuf,
    directory: PathBuf,
    endpoint: Endpoint,
    apiserver_args: Vec<String>,
    running: Mutex<RunningServers>,
    name_count: AtomicUsize,
    cleaner: Child,
}

impl Servers {
    /// Returns the set that the tests share. If a program is missing, prints a message and returns `None`.
    pub(crate) fn shared() -> Option<&'static Servers> {
        static SHARED: OnceLock<Option<Result<Servers, String>>> = OnceLock::new();
        let servers = SHARED.get_or_init(|| Some(Servers::start(&find_programs()?))).as_ref()?;
        Some(servers.as_ref().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a set for a test that stops servers or fills them with objects. If a program is missing, prints a
    /// message and returns `None`.
    pub(crate) fn start_separate() -> Option<Servers> {
        Some(Servers::start(&find_programs()?).unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a set. Retries up to five times with other ports if another process takes a port before the server
    /// does.
    pub(crate) fn start(programs: &Path) -> Result<Servers, String> {
        for _ in 0..5 {
            match Servers::try_start(programs) {
                Err(error) if error.contains("address already in use") => {}
                result => return result,
            }
        }
        Servers::try_start(programs)
    }

    fn try_start(programs: &Path) -> Result<Servers, String> {
        let directory = tempfile::Builder::new().prefix("jobplate-servers-").tempdir();
        // The directory is kept, since the cleaner removes it.
        let directory = directory.map_err(|error| error.to_string())?.keep();
        let cleaner =
            shell_command(CLEANER, Path::new("/")).arg(&directory).spawn().map_err(|error| error.to_string())?;
        let [client_port, peer_port, port] = free_ports();
        let (certificates, authority) = (directory.join("certificates"), directory.join(CA_CERTIFICATE_PATH));
        let path_to = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let write_file =
            |name: &str, text: &str| fs::write(directory.join(name), text).map_err(|error| error.to_string());
        let key = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
        write_file("sa.key", &key.serialize_pem())?;
        write_file("sa.pub", &key.public_key_pem())?;
        write_file("tokens.csv", &format!("{ADMIN},{ADMIN},1,\"system:masters\"\n{NOBODY},{NOBODY},2\n"))?;
        for user in [ADMIN, NOBODY] {
            write_file(user, &kubeconfig(&format!("https://127.0.0.1:{port}"), Some(&authority), user))?;
        }

        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd_args = to_flags(&[
            ("data-dir", &path_to("etcd")),
            ("listen-client-urls", &etcd_url),
            ("advertise-client-urls", &etcd_url),
            ("listen-peer-urls", &peer_url),
            ("initial-advertise-peer-urls", &peer_url),
            ("initial-cluster", &format!("default={peer_url}")),
            ("unsafe-no-fsync", "true"),
        ]);
        let apiserver_args = to_flags(&[
            ("etcd-servers", &etcd_url),
            ("cert-dir", &certificates.to_string_lossy()),
            ("bind-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("service-account-key-file", &path_to("sa.pub")),
            ("service-account-signing-key-file", &path_to("sa.key")),
            ("token-auth-file", &path_to("tokens.csv")),
            ("authorization-mode", "RBAC"),
            // With this plugin, the creation of pods fails until a controller has created the ServiceAccount.
            ("disable-admission-plugins", "ServiceAccount"),
            ("service-cluster-ip-range", "10.0.0.0/24"),
            // The fake nodes have no DNS names, so the server must connect to their IP addresses.
            ("kubelet-preferred-address-types", "InternalIP"),
        ]);
        let controllers_args = to_flags(&[
            ("kubeconfig", &path_to(ADMIN)),
            ("service-account-private-key-file", &path_to("sa.key")),
            ("controllers", CONTROLLERS),
            ("leader-elect", "false"),
            ("secure-port", "0"),
        ]);

        let mut running = RunningServers {
            etcd: Some(Server::start(&directory, &programs.join("etcd"), &etcd_args)?),
            ..RunningServers::default()
        };
        running.apiserver = Some(Server::start(&directory, &programs.join("kube-apiserver"), &apiserver_args)?);
        // A client needs the certificate that the server generates when it starts.
        let endpoint = wait_until_ready(&directory, &mut running, || {
            if !directory.join("certificates/apiserver.key").exists() {
                return None;
            }
            Endpoint::new(port, &authority).ok().filter(is_ready)
        })?;
        running.controllers =
            Some(Server::start(&directory, &programs.join("kube-controller-manager"), &controllers_args)?);
        let (programs, running, name_count) = (programs.to_owned(), Mutex::new(running), AtomicUsize::new(0));
        Ok(Servers { programs, directory, endpoint, apiserver_args, running, name_count, cleaner })
    }

    /// Kills the API server with SIGKILL.
    pub(crate) fn kill_apiserver(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).apiserver = None;
    }

    /// Stops the controllers. After that, only the test changes objects.
    pub(crate) fn stop_controllers(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).controllers = None;
    }

    /// Starts the API server again, with the same port, certificate and objects.
    pub(crate) fn start_apiserver(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let server = Server::start(&self.directory, &self.program("kube-apiserver"), &self.apiserver_args);
        running.apiserver = Some(server.unwrap_or_else(|error| panic!("{error}")));
        let result = wait_until_ready(&self.directory, &mut running, || is_ready(&self.endpoint).then_some(()));
        result.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns a client that authenticates with a token: `ADMIN`, `NOBODY`, or a token that the server has issued.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(self.endpoint.clone(), token)
    }

    /// Returns the path to the API server's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join(CA_CERTIFICATE_PATH)
    }

    /// Returns the path to the kubeconfig of `ADMIN` or `NOBODY`.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.directory.join(user)
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Returns a unique name that begins with a prefix.
    pub(crate) fn fresh_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.name_count.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a namespace for one test and returns its name.
    pub(crate) fn create_namespace(&self, prefix: &str) -> String {
        let name = self.fresh_name(prefix);
        let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.client(ADMIN).post("/api/v1/namespaces", &namespace).expect_success();
        name
    }

    /// Runs a program from the directory of the servers as `ADMIN` until it exits.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> std::process::Output {
        self.command(program).args(args).stdin(Stdio::null()).output().expect("it was built, so it starts")
    }

    /// Returns a command for a program from the directory of the servers, with the kubeconfig of `ADMIN` and a clean
    /// environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        command.env_clear().env("HOME", &self.directory).env("KUBECONFIG", self.kubeconfig(ADMIN));
        command.current_dir(&self.directory);
        command
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = RunningServers::default();
        drop(self.cleaner.stdin.take());
        drop(self.cleaner.wait());
    }
}

/// Returns the directory of the programs. If a program is missing, prints a message and returns `None`. In CI,
/// panics instead.
fn find_programs() -> Option<PathBuf> {
    let default_directory =
        || Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).with_file_name("servers");
    let directory = std::env::var_os("JOBPLATE_TEST_SERVERS").map_or_else(default_directory, PathBuf::from);
    let missing = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
    let Some(missing) = missing.iter().find(|program| !directory.join(program).is_file()) else {
        return Some(directory);
    };
    let message = format!("no {missing} in {}; `cargo xtask servers` builds it", directory.display());
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{message}");
    // Written to stderr directly, since the test harness captures `eprintln!`.
    drop(writeln!(std::io::stderr(), "LEFT OUT, all tests on real servers: {message}"));
    None
}

/// Returns a kubeconfig with a server URL, the path to a certificate authority, if any, and a token.
pub(crate) fn kubeconfig(server: &str, authority: Option<&Path>, token: &str) -> String {
    let authority = authority.map(|path| format!(", certificate-authority: {:?}", path.display().to_string()));
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- {{name: test, cluster: {{server: \"{server}\"{}}}}}\n\
         contexts:\n- {{name: test, context: {{cluster: test, user: test}}}}\n\
         users:\n- {{name: test, user: {{token: {token}}}}}\n",
        authority.unwrap_or_default()
    )
}

fn to_flags(flags: &[(&str, &str)]) -> Vec<String> {
    flags.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

/// Returns free ports outside the range for outgoing connections. No outgoing connection can take such a port while a
/// server restarts.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut candidate = RandomState::new().hash_one("port");
    while listeners.len() < COUNT {
        candidate = candidate.wrapping_add(1);
        let port = 15_000 + u16::try_from(candidate % 15_000).unwrap_or_default();
        listeners.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    std::array::from_fn(|index| listeners[index].local_addr().map_or(0, |address| address.port()))
}

fn is_ready(endpoint: &Endpoint) -> bool {
    let client = Client::new(endpoint.clone(), ADMIN);
    client.request("GET", "/readyz", "", b"").is_ok_and(|response| response.status == 200)
}

/// Waits until `ready` returns a value. Returns an error if a server exits or the time limit passes.
fn wait_until_ready<T>(
    directory: &Path,
    running: &mut RunningServers,
    ready: impl Fn() -> Option<T>,
) -> Result<T, String> {
    let start = Instant::now();
    while start.elapsed() < STARTUP_TIMEOUT {
        if let Some(ready) = ready() {
            return Ok(ready);
        }
        for (name, server) in [("etcd", &mut running.etcd), ("kube-apiserver", &mut running.apiserver)] {
            if server.as_mut().is_some_and(Server::has_ended) {
                return Err(format!("{name} ended:\n{}", read_log_end(directory, name)));
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(format!("not ready after {STARTUP_TIMEOUT:?}:\n{}", read_log_end(directory, "kube-apiserver")))
}

fn read_log_end(directory: &Path, name: &str) -> String {
    let log = File::open(directory.join(format!("{name}.log"))).and_then(std::io::read_to_string).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
