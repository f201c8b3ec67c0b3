//! Completion of `kubectl jobplate` with names of the cluster: by metadata alone, only where it is asked for, and
//! without a word when it can't be had.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::proxy::{Action, Proxy};
use crate::run;
use crate::servers::{ADMIN, NOBODY, Servers, kubeconfig};

/// More than the program waits, five times over and on a busy machine; less than what it must not wait for.
const A_MOMENT: Duration = Duration::from_secs(20);

/// What the real kubectl is told to offer, without flags.
fn offered(servers: &Servers, kubeconfig: &Path, asks_cluster: bool, words: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["kubectl-jobplate", "kubectl_complete-jobplate"] {
        symlink(run::binary(), directory.path().join(name)).expect("a link can be made");
    }
    let mut command = Command::new(servers.program("kubectl"));
    command.env_clear().env("HOME", directory.path()).env("KUBECONFIG", kubeconfig).env("PATH", directory.path());
    if asks_cluster {
        command.env("JOBPLATE_COMPLETE_CLUSTER", "1");
    }
    let output = command.args(["__complete", "jobplate"]).args(words).stdin(Stdio::null()).output();
    let output = output.expect("it starts");
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !printed.contains("canary"), "{printed}");
    let said = String::from_utf8_lossy(&output.stderr);
    // kubectl itself is talkative here.
    let is_of_kubectl = |line: &str| line.starts_with("[Debug]") || line.starts_with("Completion ended with");
    assert!(said.lines().all(is_of_kubectl) && !said.contains("canary"), "{said}");
    let values = printed.lines().filter_map(|line| line.split('\t').next());
    values.filter(|value| !value.starts_with([':', '-'])).map(str::to_owned).collect()
}

#[test]
fn names_come_from_the_cluster_only_when_asked_for() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("complete");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flow-secrets"},
        "stringData": {"canary-key": "canary-value"},
    });
    servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).done();
    let proxy = Proxy::start(servers, |_| Action::Pass);
    let config = proxy.kubeconfig();

    for words in [
        &["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN="][..],
        &["apply", "x.yaml", "--namespace", &namespace, "--secret", "TOKEN=flow"],
    ] {
        assert!(offered(servers, &config, false, words).is_empty(), "{words:?}");
        assert!(proxy.requests().is_empty(), "{words:?}: the cluster was asked");
    }
    // A busy server is passed over: Tab is pressed once more.
    let is_offered = |words: &[&str], name: &str| {
        (0..5).any(|_| offered(servers, &config, true, words).iter().any(|offered| offered == name))
    };
    assert!(is_offered(&["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN="], "TOKEN=flow-secrets/"));
    assert!(is_offered(&["apply", "x.yaml", "-n", &namespace, "--api-key", "f"], "flow-secrets/"));
    assert!(is_offered(&["render", "x.yaml", "-n", "complete-"], &namespace));
    // Behind the name stands a key, and nobody is asked for those.
    let asked = proxy.requests().len();
    let words = ["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN=flow-secrets/c"];
    assert!(offered(servers, &config, true, &words).is_empty());

    let requests = proxy.requests();
    assert!(asked > 0 && requests.len() == asked, "{} requests, then {}", asked, requests.len());
    for request in &requests {
        let accept = request.header("accept").unwrap_or_default();
        assert!(request.method == "GET" && accept.contains("as=PartialObjectMetadataList"), "{accept}");
        assert!(request.path().ends_with("/secrets") || request.path() == "/api/v1/namespaces", "{}", request.path());
    }
}

#[test]
fn a_cluster_that_gives_nothing_is_passed_over() {
    let Some(servers) = Servers::shared() else { return };
    let words = ["apply", "x.yaml", "--secret-env", "TOKEN="];
    let started = Instant::now();
    assert!(offered(servers, &servers.kubeconfig(NOBODY), true, &words).is_empty());
    let silent = Proxy::start(servers, |_| Action::Late(4 * A_MOMENT));
    assert!(offered(servers, &silent.kubeconfig(), true, &words).is_empty());
    let broken = Proxy::start(servers, |_| Action::Answer(200, Vec::new(), b"canary".to_vec()));
    assert!(offered(servers, &broken.kubeconfig(), true, &words).is_empty());
    assert!(offered(servers, Path::new("/nowhere"), true, &words).is_empty());
    // A credential plugin that waits for somebody.
    let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['-c', 'sleep 60'], \
                  interactiveMode: IfAvailable}";
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let config = directory.path().join("config");
    let text = kubeconfig("https://127.0.0.1:1", None, "none").replace("token: none", plugin);
    std::fs::write(&config, text).expect("a file can be written");
    assert!(offered(servers, &config, true, &words).is_empty());
    assert!(started.elapsed() < A_MOMENT, "it took {:?}", started.elapsed());
}
