//! Tests of credentials: token files, credential plugins, the service account of a pod, and the flags of kubectl that
//! replace a kubeconfig.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use jobplate_cluster::{EventHandler, KubeconfigSource, ServiceAccount};
use serde_json::json;

use crate::cli::{RunOutput, Sandbox};
use crate::http::Client;
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::library;
use crate::manifests::{config_map, job};
use crate::proxy::{Action, Proxy};
use crate::rows::api_path;
use crate::servers::{ADMIN, Servers, kubeconfig};

const CONFIG_MAP: &str = config_map!("a", "{k: v}");

fn apply(sandbox: &Sandbox, namespace: &str, more_args: &[&str]) -> RunOutput {
    sandbox.run(&[&["apply", "input.yaml", "-n", namespace], more_args].concat())
}

fn server_url(servers: &Servers) -> String {
    format!("https://127.0.0.1:{}", servers.endpoint().port)
}

/// Creates a run whose kubeconfig has `user` as the content of its user.
fn run_as(servers: &Servers, user: &str) -> Sandbox {
    let config = kubeconfig(&server_url(servers), Some(&servers.authority()), "TOKEN").replace("token: TOKEN", user);
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("config", config);
    let path = sandbox.directory().join("config");
    sandbox.env("KUBECONFIG", path)
}

/// Creates a run with a credential plugin that counts its runs in the file `runs`.
fn run_with_plugin(servers: &Servers, script: &str, interactive_mode: &str) -> Sandbox {
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: {interactive_mode}, \
         args: [plugin.sh]}}"
    );
    run_as(servers, &exec).file("plugin.sh", format!("echo run >> runs\n{script}\n"))
}

fn count_runs(sandbox: &Sandbox) -> usize {
    std::fs::read_to_string(sandbox.directory().join("runs")).unwrap_or_default().lines().count()
}

const PRINT_TOKEN: &str = r#"printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$TOKEN""#;

#[test]
fn runs_a_plugin_once_and_shows_its_errors() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("once");
    for mode in ["Never", "IfAvailable"] {
        let script = format!("echo 'log in at example.com' >&2\nTOKEN={ADMIN}\n{PRINT_TOKEN}");
        let sandbox = run_with_plugin(servers, &script, mode);
        let output = apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
        assert_eq!(count_runs(&sandbox), 1, "{mode}");
        assert_eq!(output.stderr.matches("log in at example.com").count(), 1, "{mode}: {output:?}");
    }
}

/// The first token is rejected, so the plugin is asked again, once.
#[test]
fn asks_a_plugin_again_after_a_401() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("again");
    let choose = format!("TOKEN=unknown-token\n[ $(wc -l < runs) -gt 1 ] && TOKEN={ADMIN}\n{PRINT_TOKEN}");
    let sandbox = run_with_plugin(servers, &choose, "Never");
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    assert_eq!(count_runs(&sandbox), 2);
    let sandbox = run_with_plugin(servers, &format!("TOKEN=unknown-token\n{PRINT_TOKEN}"), "Never");
    apply(&sandbox, &namespace, &[]).assert_exit(3, &["rejected the credentials (401 Unauthorized)"]);
    assert_eq!(count_runs(&sandbox), 2);
}

/// The token file changes during the run, and has a line break at its end.
#[test]
fn reads_a_token_file_again() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("rotated");
    let file = Arc::<OnceLock<std::path::PathBuf>>::default();
    let rule_file = Arc::clone(&file);
    let proxy = Proxy::start(servers, move |request| {
        if request.header("authorization") == Some("Bearer unknown-token") {
            std::fs::write(rule_file.get().expect("it is known"), format!("{ADMIN}\n")).expect("it can be written");
        }
        Action::Forward
    });
    let config = std::fs::read_to_string(proxy.kubeconfig()).expect("it can be read");
    let config = config.replace(&format!("token: {ADMIN}"), "tokenFile: rotated.token");
    let sandbox = Sandbox::without_kubeconfig()
        .file("input.yaml", CONFIG_MAP)
        .file("config", config)
        .file("rotated.token", "unknown-token\n");
    file.set(sandbox.directory().join("rotated.token")).expect("it is set once");
    let path = sandbox.directory().join("config");
    let sandbox = sandbox.env("KUBECONFIG", path);
    apply(&sandbox, &namespace, &[]).assert_exit(0, &[]);
    assert_eq!(proxy.requests()[0].header("authorization"), Some("Bearer unknown-token"));
}

#[test]
fn needs_no_kubeconfig_with_flags() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("flags");
    let url = server_url(servers);
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP);
    let flags = ["--server", &url, "--token", ADMIN];
    let hint = "is self-signed, or not signed by a certificate authority that this machine trusts";
    apply(&sandbox, &namespace, &flags).assert_exit(3, &[hint, "set --certificate-authority"]);
    let authority = servers.authority().display().to_string();
    let with_authority = [&flags[..], &["--certificate-authority", &authority]].concat();
    apply(&sandbox, &namespace, &with_authority).assert_exit(0, &[]);
    let contradiction = [&with_authority[..], &["--insecure-skip-tls-verify"]].concat();
    apply(&sandbox, &namespace, &contradiction).assert_exit(2, &["--insecure-skip-tls-verify"]);
    apply(&sandbox, &namespace, &[&flags[..], &["--insecure-skip-tls-verify"]].concat()).assert_exit(0, &[]);
    apply(&sandbox, &namespace, &["--server", "https://", "--token", ADMIN])
        .assert_exit(2, &["`--server` is not a URL"]);
    // The flags override single settings of a kubeconfig.
    let sandbox = run_as(servers, "token: unknown-token");
    let output =
        apply(&sandbox, &namespace, &["--token", ADMIN, "-v"]).assert_exit(0, &[&format!("PATCH {url}/api/v1/")]);
    assert!(!format!("{output:?}").contains(ADMIN), "{output:?}");
    apply(&sandbox, &namespace, &["--token", ADMIN, "--tls-server-name", "other.example.com"])
        .assert_exit(3, &["is for another name", "--tls-server-name"]);
}

#[test]
fn reports_unusable_certificates_and_proxies() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("unusable");
    let sandbox = run_as(servers, "client-certificate: none.crt, client-key: none.key");
    apply(&sandbox, &namespace, &[]).assert_exit(3, &["cannot read the client certificate from", "none.crt"]);
    let data = "client-certificate-data: YQ==";
    apply(&run_as(servers, data), &namespace, &[]).assert_exit(3, &["the kubeconfig has no client key"]);

    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("empty.crt", "# nothing\n");
    sandbox.write("config", kubeconfig(&server_url(servers), Some(Path::new("empty.crt")), ADMIN));
    apply(&sandbox, &namespace, &["--kubeconfig", "config"]).assert_exit(3, &["empty.crt contains no certificate"]);

    // A port at which nothing listens.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let proxy = format!("http://user:hush@127.0.0.1:{}", port.expect("a port is free").port());
    let sandbox = run_as(servers, &format!("token: {ADMIN}")).env("HTTPS_PROXY", &proxy);
    let output = apply(&sandbox, &namespace, &[]);
    let name = format!(
        "through the proxy 127.0.0.1:{}: the connection was refused",
        proxy.rsplit_once(':').expect("it has a port").1
    );
    let output = output.assert_exit(3, &[&name, "HTTPS_PROXY"]);
    assert!(!output.stderr.contains("hush"), "{output:?}");
}

/// Starts a server with a self-signed certificate. The server only completes handshakes. Returns its port and the
/// certificate.
fn serve_certificate(params: rcgen::CertificateParams) -> (u16, String) {
    let key = rcgen::KeyPair::generate().expect("a key can be made");
    let certificate = params.self_signed(&key).expect("a certificate can be made");
    let private_key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private_key.into())
        .expect("key and certificate belong together");
    let (listener, tls) = (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free"), Arc::new(tls));
    let port = listener.local_addr().expect("it has an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&tls)).expect("the configuration is valid");
            // The client ends the handshake.
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
        }
    });
    (port, certificate.pem())
}

/// The certificate becomes valid in the year 2100.
#[test]
fn suspects_the_clock_if_a_certificate_is_not_valid_yet() {
    let Some(servers) = Servers::shared() else { return };
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("the name is valid");
    params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    params.not_after = rcgen::date_time_ymd(2101, 1, 1);
    let (port, certificate) = serve_certificate(params);
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("ca.crt", certificate);
    sandbox.write("config", kubeconfig(&format!("https://127.0.0.1:{port}"), Some(Path::new("ca.crt")), ADMIN));
    apply(&sandbox, &servers.create_namespace("clock"), &["--kubeconfig", "config"])
        .assert_exit(3, &["is not valid yet", "correct the clock"]);
}

/// The authority in the kubeconfig, or that of the flag, is the certificate of the server, another one, or missing.
#[test]
fn explains_self_signed_certificates() {
    let params = || rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("the name is valid");
    let mut authority_params = params();
    authority_params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ((port, own), (authority_port, authority)) = (serve_certificate(params()), serve_certificate(authority_params));
    let (_, other) = serve_certificate(params());
    let is_trusted = ["cannot connect to the API server"];
    let authority_fields = ["self-signed", "--certificate-authority", "`certificate-authority` in the kubeconfig"];
    let of_machine = [&authority_fields[..], &["this machine trusts"]].concat();
    let of_kubeconfig = [&authority_fields[..], &["the configured certificate authority"]].concat();
    let of_authority = ["is a CA certificate (CA:TRUE)", "without CA:TRUE; --insecure-skip-tls-verify"];
    for (port, file, flag, expected) in [
        (port, None, None, &of_machine[..]),
        (port, Some(&other), None, &of_kubeconfig),
        (port, Some(&own), None, &is_trusted),
        (port, Some(&other), Some("own.crt"), &is_trusted),
        (
            port,
            None,
            Some("none.crt"),
            &["cannot read the certificate authority from none.crt", "check --certificate-authority"],
        ),
        (port, None, Some("input.yaml"), &["input.yaml contains no certificate", "check --certificate-authority"]),
        (authority_port, None, None, &of_authority),
        (authority_port, Some(&authority), None, &of_authority),
    ] {
        let sandbox = Sandbox::without_kubeconfig().file("input.yaml", CONFIG_MAP).file("own.crt", &own);
        sandbox.write("ca.crt", file.unwrap_or(&own));
        let file = file.map(|_| Path::new("ca.crt"));
        sandbox.write("config", kubeconfig(&format!("https://127.0.0.1:{port}"), file, ADMIN));
        let flag = flag.map(|flag| ["--certificate-authority", flag]);
        let args = ["--kubeconfig", "config", "--request-timeout=2s"];
        let output = apply(&sandbox, "x", &[&args[..], flag.as_ref().map_or(&[], |flag| &flag[..])].concat());
        let output = output.assert_exit(3, expected);
        assert!(["expired", "another name"].iter().all(|other| !output.stderr.contains(other)), "{output:?}");
    }
}

struct Silent;
impl EventHandler for Silent {}

/// In a pod, the files of the namespace and of the certificate authority are optional, and may end with a line break.
#[test]
fn uses_the_service_account_of_a_pod() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("pod"), servers.client(ADMIN));
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("it can be written");
    write("token", &format!("{ADMIN}\n"));
    std::fs::copy(servers.authority(), directory.path().join("ca.crt")).expect("it can be copied");
    write("namespace", &format!("{namespace}\n"));
    let run = |token: &str| {
        write("token", token);
        let account = ServiceAccount {
            host: "127.0.0.1".to_owned(),
            port: Some(servers.endpoint().port.to_string()),
            directory: directory.path().to_owned(),
        };
        let source = KubeconfigSource::InCluster(account);
        library::apply(source, None, CONFIG_MAP, None, Duration::from_secs(60), &Silent)
    };
    let report = run(&format!("{ADMIN}\n"));
    assert!(report.failure.is_none(), "{report:?}");
    admin.get(&api_path(&namespace, "configmaps", "a")).expect_success();
    assert!(run("unknown-token").failure.is_some());
}

const JOB: &str = job!("{name: etl}", "backoffLimit: 0", "{name: flow, image: none}");

/// Issues a token of the service account `rotated`. The token is valid as long as the Secret with this name exists.
fn issue_token(admin: &Client, namespace: &str, secret: &str) -> String {
    let metadata = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}});
    admin.post(&api_path(namespace, "secrets", ""), &metadata).expect_success();
    let request = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": secret}}});
    let path = api_path(namespace, "serviceaccounts", "rotated/token");
    let response = admin.post(&path, &request).expect_success();
    response["status"]["token"].as_str().expect("it has one").to_owned()
}

/// During the wait, the file gets a new token, and the server no longer accepts the old one. Until then, the watches end
/// at once, so the program sends requests with the old token.
#[test]
fn reads_a_token_file_again_while_it_waits() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("rotation"), servers.client(ADMIN), Kubelet::start(servers));
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "rotated"}});
    admin.post(&api_path(&namespace, "serviceaccounts", ""), &account).expect_success();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "rotated"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "rotated", "namespace": namespace}],
    });
    let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings");
    admin.post(&bindings, &binding).expect_success();
    let [old, new] = ["old", "new"].map(|secret| issue_token(&admin, &namespace, secret));

    let is_rotated = Arc::<AtomicBool>::default();
    let rule_flag = Arc::clone(&is_rotated);
    let proxy = Proxy::start(servers, move |request| {
        let is_watch = request.target.contains("watch=true");
        if is_watch && !rule_flag.load(Ordering::SeqCst) { Action::Truncate } else { Action::Forward }
    });
    let has_sent = |token: &str| {
        let header = format!("Bearer {token}");
        proxy
            .requests()
            .iter()
            .any(|request| request.matches("GET", "/jobs?") && request.header("authorization") == Some(&*header))
    };
    let config = std::fs::read_to_string(proxy.kubeconfig()).expect("it can be read");
    let config = config.replace(&format!("token: {ADMIN}"), "tokenFile: rotated.token");
    let sandbox = Sandbox::without_kubeconfig().file("input.yaml", JOB).file("config", config);
    sandbox.write("rotated.token", &old);
    let path = sandbox.directory().join("config");
    let sandbox = sandbox.env("KUBECONFIG", path);
    let program = sandbox.start(&["apply", "input.yaml", "-n", &namespace, "--wait", "--timeout=60s"]);
    wait_for("a request with the old token", || has_sent(&old).then_some(()));
    sandbox.write("rotated.token", format!("{new}\n"));
    admin.delete(&api_path(&namespace, "secrets", "old")).expect_success();
    // The server remembers valid tokens for 10 seconds.
    let jobs = api_path(&namespace, "jobs", "");
    wait_for("the end of the old token", || (servers.client(&old).get(&jobs).status == 401).then_some(()));
    wait_for("a request with the new token", || has_sent(&new).then_some(()));
    is_rotated.store(true, Ordering::SeqCst);
    let pod = kubelet.start_pod(&namespace, "etl", &PodState::Running);
    kubelet.set_state(&namespace, &pod, &PodState::Succeeded);
    let output = program.wait().assert_exit(0, &[]);
    assert!(output.stdout.starts_with("job.batch/etl created, complete"), "{output:?}");
    assert!(!output.stderr.contains("error"), "{output:?}");
}
