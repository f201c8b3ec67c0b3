//! Tests of the completion of `kubectl jobplate` with names from the cluster. The program reads the cluster only if
//! `JOBPLATE_COMPLETE_CLUSTER` is set, reads only metadata, and offers nothing if the cluster does not respond.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::proxy::{Action, Proxy};
use crate::run;
use crate::servers::{ADMIN, NOBODY, Servers, kubeconfig};

/// The maximum duration of five completions on a busy machine. The unresponsive server and plugin take longer.
const MAX_DURATION: Duration = Duration::from_secs(20);

/// Returns the candidates that the real kubectl offers for `arguments`, without flags.
fn complete_with_kubectl(servers: &Servers, kubeconfig: &Path, reads_cluster: bool, arguments: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    for name in ["kubectl-jobplate", "kubectl_complete-jobplate"] {
        symlink(run::binary(), directory.path().join(name)).expect("a link can be created");
    }
    let mut command = Command::new(servers.program("kubectl"));
    command.env_clear().env("HOME", directory.path()).env("KUBECONFIG", kubeconfig).env("PATH", directory.path());
    if reads_cluster {
        command.env("JOBPLATE_COMPLETE_CLUSTER", "1");
    }
    let output = command.args(["__complete", "jobplate"]).args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("it starts");
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !stdout.contains("canary"), "{stdout}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    // kubectl itself writes these lines to stderr.
    let is_from_kubectl = |line: &str| line.starts_with("[Debug]") || line.starts_with("Completion ended with");
    assert!(stderr.lines().all(is_from_kubectl) && !stderr.contains("canary"), "{stderr}");
    let values = stdout.lines().filter_map(|line| line.split('\t').next());
    values.filter(|value| !value.starts_with([':', '-'])).map(str::to_owned).collect()
}

#[test]
fn offers_names_from_the_cluster_only_on_request() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("complete");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flow-secrets"},
        "stringData": {"canary-key": "canary-value"},
    });
    servers.client(ADMIN).post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).expect_success();
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let config = proxy.kubeconfig();

    for arguments in [
        &["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN="][..],
        &["apply", "x.yaml", "--namespace", &namespace, "--secret", "TOKEN=flow"],
    ] {
        assert!(complete_with_kubectl(servers, &config, false, arguments).is_empty(), "{arguments:?}");
        assert!(proxy.requests().is_empty(), "{arguments:?}: the cluster was asked");
    }
    // On a busy machine a completion may time out, so each completion is tried up to five times.
    let is_offered = |arguments: &[&str], name: &str| {
        (0..5)
            .any(|_| complete_with_kubectl(servers, &config, true, arguments).iter().any(|candidate| candidate == name))
    };
    assert!(is_offered(&["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN="], "TOKEN=flow-secrets/"));
    assert!(is_offered(&["apply", "x.yaml", "-n", &namespace, "--api-key", "f"], "flow-secrets/"));
    assert!(is_offered(&["render", "x.yaml", "-n", "complete-"], &namespace));
    // The keys of a Secret are not completed, since that would read the Secret's data.
    let request_count = proxy.requests().len();
    let arguments = ["apply", "x.yaml", "-n", &namespace, "--secret-env", "TOKEN=flow-secrets/c"];
    assert!(complete_with_kubectl(servers, &config, true, &arguments).is_empty());

    let requests = proxy.requests();
    assert!(
        request_count > 0 && requests.len() == request_count,
        "{} requests, then {}",
        request_count,
        requests.len()
    );
    for request in &requests {
        let accept = request.header("accept").unwrap_or_default();
        assert!(request.method == "GET" && accept.contains("as=PartialObjectMetadataList"), "{accept}");
        assert!(request.path().ends_with("/secrets") || request.path() == "/api/v1/namespaces", "{}", request.path());
    }
}

#[test]
fn offers_nothing_if_the_cluster_does_not_respond() {
    let Some(servers) = Servers::shared() else { return };
    let arguments = ["apply", "x.yaml", "--secret-env", "TOKEN="];
    let start = Instant::now();
    assert!(complete_with_kubectl(servers, &servers.kubeconfig(NOBODY), true, &arguments).is_empty());
    let silent = Proxy::start(servers, |_| Action::Delay(4 * MAX_DURATION));
    assert!(complete_with_kubectl(servers, &silent.kubeconfig(), true, &arguments).is_empty());
    let broken = Proxy::start(servers, |_| Action::Respond(200, Vec::new(), b"canary".to_vec()));
    assert!(complete_with_kubectl(servers, &broken.kubeconfig(), true, &arguments).is_empty());
    assert!(complete_with_kubectl(servers, Path::new("/nowhere"), true, &arguments).is_empty());
    // A credential plugin that hangs.
    let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['-c', 'sleep 60'], \
                  interactiveMode: IfAvailable}";
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let config = directory.path().join("config");
    let text = kubeconfig("https://127.0.0.1:1", None, "none").replace("token: none", plugin);
    std::fs::write(&config, text).expect("a file can be written");
    assert!(complete_with_kubectl(servers, &config, true, &arguments).is_empty());
    assert!(start.elapsed() < MAX_DURATION, "it took {:?}", start.elapsed());
}
