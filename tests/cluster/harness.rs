//! Tests of the test harness itself: servers, fakes and the proxy.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::container;
use crate::http::{Client, Endpoint};
use crate::kubelet::{Kubelet, PodState, wait_for};
use crate::manifests::{config_map, job};
use crate::prefect_server;
use crate::proxy::{Action, Proxy, Request};
use crate::servers::{ADMIN, NOBODY, Servers};

const JOB: &str = job!("{name: job}", "backoffLimit: 0", "{name: flow, image: none}");
const APPLY: &str = "fieldManager=harness&fieldValidation=Strict";

fn config_map(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

const CONFIG_MAP: &str = config_map!("a", "{k: v}");

#[test]
fn servers_report_their_version_and_authenticate_users() {
    let Some(servers) = Servers::shared() else { return };
    let admin = servers.client(ADMIN);
    let version = admin.get("/version").expect_success();
    assert!(version["gitVersion"].as_str().is_some_and(|version| version.starts_with("v1.")), "{version}");
    let namespace = servers.create_namespace("users");
    let path = config_map(&namespace, "a");
    assert_eq!(admin.patch(&format!("{path}?{APPLY}"), "apply", CONFIG_MAP).status, 201);
    let mut object = admin.get(&path).expect_success();
    object["data"]["k"] = json!("w");
    assert_eq!(admin.put(&path, &object).expect_success()["data"]["k"], "w");
    assert_eq!(servers.client(NOBODY).get(&path).status, 403);
    assert_eq!(servers.client("untrusted").get(&path).status, 401);
    let output = servers.run("kubectl", &["get", "configmap", "a", "-n", &namespace, "-o", "name"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "configmap/a\n");
}

#[test]
fn client_trusts_only_the_given_authority() {
    let Some(servers) = Servers::shared() else { return };
    let directory = tempfile::tempdir().expect("a temporary folder can be made");
    let untrusted = directory.path().join("stranger.crt");
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    std::fs::write(&untrusted, certificate.cert.pem()).expect("a file can be written");
    for (authority, is_trusted) in [(servers.authority(), true), (untrusted, false)] {
        let endpoint = Endpoint::new(servers.endpoint().port, &authority).expect("it is a certificate");
        assert_eq!(Client::new(endpoint, ADMIN).request("GET", "/readyz", "", b"").is_ok(), is_trusted);
    }
}

#[test]
fn fake_pods_end_their_job() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("play"), servers.client(ADMIN), Kubelet::start(servers));
    let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs/job");
    for (state, condition) in [(PodState::Succeeded, "Complete"), (PodState::Failed(3, "Error"), "Failed")] {
        assert_eq!(admin.patch(&format!("{path}?{APPLY}"), "apply", JOB).status, 201);
        let pod = kubelet.start_pod(&namespace, "job", &PodState::Running);
        kubelet.set_state(&namespace, &pod, &state);
        wait_for(condition, || {
            let job = admin.get(&path).expect_success();
            let conditions = job["status"]["conditions"].as_array()?.clone();
            conditions
                .iter()
                .find(|candidate| candidate["type"] == condition && candidate["status"] == "True")
                .map(|_| ())
        });
        admin.delete(&format!("{path}?propagationPolicy=Foreground")).expect_success();
        wait_for("the deletion", || (admin.get(&path).status == 404).then_some(()));
    }
}

/// A foreground deletion waits until the pods are deleted. The kubelet confirms these deletions.
#[test]
fn fake_kubelet_confirms_deletions() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("delete"), servers.client(ADMIN), Kubelet::start(servers));
    let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs/job");
    admin.patch(&format!("{path}?{APPLY}"), "apply", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "job", &PodState::Running);
    admin.delete(&format!("{path}?propagationPolicy=Foreground")).expect_success();
    wait_for("the deletion", || (admin.get(&path).status == 404).then_some(()));
    assert_eq!(admin.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}")).status, 404);
}

#[test]
fn fake_kubelet_reports_why_a_pod_waits() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("wait"), servers.client(ADMIN), Kubelet::start(servers));
    admin.patch(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/job?{APPLY}"), "apply", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "job", &PodState::secret_missing("prefect"));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
    let message_at = |pointer: &str| {
        admin.get(&path).expect_success().pointer(pointer).and_then(|text| text.as_str().map(str::to_owned))
    };
    let pointer = "/status/containerStatuses/0/state/waiting/message";
    assert_eq!(message_at(pointer).as_deref(), Some("secret \"prefect\" not found"));
    kubelet.set_state(&namespace, &pod, &PodState::key_missing(&namespace, "prefect", "token"));
    assert_eq!(message_at(pointer), Some(format!("couldn't find key token in Secret {namespace}/prefect")));
    kubelet.set_state(&namespace, &pod, &PodState::image_missing("none"));
    assert_eq!(message_at(pointer).as_deref(), Some("Back-off pulling image \"none\""));
}

#[test]
fn fake_kubelet_serves_followed_logs() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("logs"), servers.client(ADMIN), Kubelet::start(servers));
    admin.patch(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/job?{APPLY}"), "apply", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "job", &PodState::Running);
    let mut kubectl = servers.command("kubectl");
    let kubectl = kubectl.args(["logs", "-f", &pod, "-n", &namespace]);
    let mut kubectl = kubectl.stdout(Stdio::piped()).spawn().expect("kubectl starts");
    let mut lines = BufReader::new(kubectl.stdout.take().expect("it is a pipe")).lines();
    // Each line is written only after the previous line has arrived, so buffered output would fail the test.
    for line in ["one", "two", "three"] {
        kubelet.append_log(&namespace, &pod, "flow", &format!("{line}\n"));
        assert_eq!(lines.next().expect("a line comes").expect("it is text"), line);
    }
    kubelet.set_state(&namespace, &pod, &PodState::Succeeded);
    assert!(lines.next().is_none());
    assert!(kubectl.wait().expect("kubectl ends").success());
    assert!(kubelet.log_requests().iter().any(|target| target.contains(&format!("{pod}/flow?follow=true"))));
    let output = servers.run("kubectl", &["logs", &pod, "-n", &namespace]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\ntwo\nthree\n");
}

#[test]
fn fake_kubelet_breaks_followed_logs() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin, kubelet) =
        (servers.create_namespace("break"), servers.client(ADMIN), Kubelet::start(servers));
    admin.patch(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/job?{APPLY}"), "apply", JOB).expect_success();
    let pod = kubelet.start_pod(&namespace, "job", &PodState::Running);
    kubelet.append_log(&namespace, &pod, "flow", "one\n");
    let mut kubectl = servers.command("kubectl");
    let kubectl = kubectl.args(["logs", "-f", &pod, "-n", &namespace]);
    let mut kubectl = kubectl.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kubectl starts");
    let mut lines = BufReader::new(kubectl.stdout.take().expect("it is a pipe")).lines();
    assert_eq!(lines.next().expect("a line comes").expect("it is text"), "one");
    kubelet.break_logs();
    assert!(lines.next().is_none());
    kubectl.wait().expect("kubectl ends");
}

/// Sends a request to the proxy over a plain socket. Returns the response up to the end of the connection.
fn send_raw(proxy: &Proxy, method: &str, target: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", proxy.port()))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

#[test]
fn proxy_injects_each_fault() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("proxy"), servers.client(ADMIN));
    let rule = |request: &Request| match request.path().rsplit('/').next().unwrap_or_default() {
        "busy" if request.earlier_count == 0 => Action::too_many_requests(1),
        "down" => Action::status(503, "ServiceUnavailable", "no"),
        "before" => Action::ResetBefore,
        "after" => Action::ResetAfter,
        "close" => Action::CloseAfter,
        "late" => Action::Delay(Duration::from_millis(300)),
        "slow" => Action::DelaySecondHalf(Duration::from_millis(300)),
        "truncated" => Action::Truncate,
        "warning" => Action::AddHeader("warning", "299 - \"careful\"".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(servers, rule);
    let names = ["busy", "before", "after", "close", "late", "slow", "truncated", "warning", "pass"];
    for name in names {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        admin.post(&config_map(&namespace, ""), &object).expect_success();
    }
    let get = |name: &str| send_raw(&proxy, "GET", &config_map(&namespace, name));
    let status_of = |response: &str| response.split(' ').nth(1).unwrap_or_default().to_owned();

    let busy = get("busy").expect("it answers");
    assert!(status_of(&busy) == "429" && busy.contains("retry-after: 1\r\n"), "{busy}");
    assert_eq!(status_of(&get("busy").expect("it answers")), "200");
    assert_eq!(status_of(&get("down").expect("it answers")), "503");
    assert!(get("before").is_err());
    assert_eq!(get("close").expect("it closes"), "");
    for name in ["late", "slow"] {
        let start = Instant::now();
        let response = get(name).expect("it answers");
        assert!(response.ends_with("}\n") && start.elapsed() >= Duration::from_millis(300), "{response}");
    }
    let truncated = get("truncated").expect("it closes");
    assert!(status_of(&truncated) == "200" && !truncated.ends_with("}\n"), "{truncated}");
    assert!(get("warning").expect("it answers").contains("warning: 299 - \"careful\"\r\n"));
    assert_eq!(status_of(&get("pass").expect("it answers")), "200");

    // With `ResetAfter` the request reaches the server. With `ResetBefore` it does not.
    for (name, exists) in [("before", true), ("after", false)] {
        assert!(send_raw(&proxy, "DELETE", &config_map(&namespace, name)).is_err());
        assert_eq!(admin.get(&config_map(&namespace, name)).status == 200, exists, "{name}");
    }
    let requests = proxy.requests();
    assert_eq!(requests.iter().filter(|request| request.matches("GET", "/busy")).count(), 2);
    assert!(requests.iter().enumerate().all(|(index, request)| request.index == index));
}

#[test]
fn proxy_passes_requests_on() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("through");
    let proxy = Proxy::start(servers, |_| Action::Forward);
    let path = proxy.directory().join("a.yaml");
    std::fs::write(&path, CONFIG_MAP).expect("a file can be written");
    let mut kubectl = servers.command("kubectl");
    kubectl.env("KUBECONFIG", proxy.kubeconfig()).args(["apply", "--server-side", "-n", &namespace, "-f"]);
    let output = kubectl.arg(&path).output().expect("kubectl starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "configmap/a serverside-applied\n");
    let patches: Vec<Request> = proxy.requests().into_iter().filter(|request| request.method == "PATCH").collect();
    assert!(
        patches.len() == 1 && patches[0].matches("PATCH", &config_map(&namespace, "a")) && !patches[0].is_dry_run()
    );
    assert_eq!(patches[0].header("content-type"), Some("application/apply-patch+yaml"));
    assert!(String::from_utf8_lossy(&patches[0].body).contains("ConfigMap"));
}

#[test]
fn api_server_restarts_with_its_objects() {
    if Servers::shared().is_none() {
        return;
    }
    let Some(servers) = Servers::start_separate() else { return };
    // Controllers must not send requests while the server is down.
    servers.stop_controllers();
    let (namespace, admin) = (servers.create_namespace("kill"), servers.client(ADMIN));
    let path = config_map(&namespace, "a");
    admin.patch(&format!("{path}?{APPLY}"), "apply", CONFIG_MAP).expect_success();
    let proxy = Proxy::start(&servers, |_| Action::Forward);
    servers.kill_apiserver();
    assert!(admin.request("GET", &path, "", b"").is_err());
    assert!(send_raw(&proxy, "GET", &path).is_err());
    servers.start_apiserver();
    assert_eq!(admin.get(&path).expect_success()["data"]["k"], "v");
    assert!(send_raw(&proxy, "GET", &path).is_ok());
}

/// Runs in the process that `stops_servers_of_a_killed_test` starts and kills.
#[test]
#[ignore = "waits to be killed"]
fn is_killed() {
    let Some(servers) = Servers::shared() else { return };
    println!("\nfolder {}", servers.kubeconfig("").display());
    // Runs a shell with a child process in place of Prefect's server.
    let directory = tempfile::tempdir().expect("a temporary folder can be made").keep();
    std::fs::write(directory.join("log"), "").expect("a file can be written");
    let mut supervisor = prefect_server::supervisor_command(&directory, Path::new("/bin/sh"));
    supervisor.args(["-c", "tail -f \"$0/log\" & wait"]).arg(&directory).stdout(Stdio::null());
    let mut supervisor = supervisor.spawn().expect("there is a shell");
    wait_for("its child", || processes_of(&directory.display().to_string()).get(2).copied());
    println!("\nfolder {}", directory.display());
    std::thread::sleep(Duration::from_secs(60));
    drop(supervisor.wait());
}

/// A process that is killed with SIGKILL cannot clean up. Its servers must stop anyway.
#[test]
fn stops_servers_of_a_killed_test() {
    if Servers::shared().is_none() {
        return;
    }
    let mut victim = Command::new(std::env::current_exe().expect("it runs"));
    let victim = victim.args(["--exact", "harness::is_killed", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut victim = victim.spawn().expect("it starts again");
    let lines = BufReader::new(victim.stdout.take().expect("it is a pipe")).lines().map_while(Result::ok);
    let directories = lines.filter_map(|line| line.strip_prefix("folder ").map(str::to_owned));
    let directories: Vec<String> = directories.take(2).collect();
    assert_eq!(directories.len(), 2, "it says where its servers are");
    assert!(directories.iter().all(|directory| !processes_of(directory).is_empty()));
    victim.kill().expect("it can be killed");
    victim.wait().expect("it is gone");
    for directory in directories {
        wait_for("the end of its servers", || processes_of(&directory).is_empty().then_some(()));
        wait_for("the end of their folder", || (!Path::new(&directory).exists()).then_some(()));
    }
}

/// Returns the IDs of the processes whose command line contains `directory`.
fn processes_of(directory: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let ids = processes.filter_map(|process| process.file_name().to_string_lossy().parse().ok());
    let has_directory = |id: &u32| {
        std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|command_line| has_argument(&command_line, directory))
    };
    ids.filter(has_directory).collect()
}

fn has_argument(command_line: &[u8], directory: &str) -> bool {
    String::from_utf8_lossy(command_line).contains(directory.trim_end_matches('/'))
}

/// Covers the precedence of sources, references, the expansion of `$(VAR)` from earlier entries, and errors that
/// prevent a start.
#[test]
fn container_resolves_env_like_a_kubelet() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("container"), servers.client(ADMIN));
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"KEY": "secret", "OTHER": "o"}});
    admin.post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret).expect_success();
    let map = json!({"metadata": {"name": "m"}, "data": {"k": "map"}});
    admin.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &map).expect_success();
    let pod = json!({"metadata": {"namespace": namespace, "name": "p"}});
    let secret_reference =
        |key: &str, optional: bool| json!({"secretKeyRef": {"name": "s", "key": key, "optional": optional}});
    let container = json!({
        "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "none", "optional": true}}],
        "env": [
            {"name": "LATE", "value": "$(A) $(P_KEY) $$(P_KEY) $5"},
            {"name": "A", "valueFrom": secret_reference("KEY", false)},
            {"name": "NONE", "valueFrom": secret_reference("none", true)},
            {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
            {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "P_OTHER", "value": "$(A)"},
            {"name": "EMPTY"},
        ],
    });
    let environment = container::resolve_environment(&admin, &pod, &container).expect("all of it is there");
    let expected = [
        ("P_KEY", "secret"),
        ("P_OTHER", "secret"),
        ("LATE", "$(A) secret $(P_KEY) $5"),
        ("A", "secret"),
        ("M", "map"),
        ("N", &namespace),
        ("EMPTY", ""),
    ];
    assert_eq!(environment, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for (source, reason) in [
        (secret_reference("none", false), "couldn't find key none in secret s"),
        (json!({"secretKeyRef": {"name": "none", "key": "k"}}), "secret \"none\" not found"),
        (json!({"resourceFieldRef": {"resource": "limits.cpu"}}), "is not supported"),
    ] {
        let container = json!({"env": [{"name": "A", "valueFrom": source}]});
        let error = container::resolve_environment(&admin, &pod, &container).expect_err(reason);
        assert!(error.contains(reason), "{error}");
    }
}

/// Covers ConfigMap keys mounted as files, a `subPath` mount inside another volume, and the working directory.
#[test]
fn container_mounts_volumes_like_a_kubelet() {
    let Some(servers) = Servers::shared() else { return };
    let (namespace, admin) = (servers.create_namespace("files"), servers.client(ADMIN));
    let map = json!({"metadata": {"name": "m"}, "data": {"a": "one", "b": "two"}});
    admin.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &map).expect_success();
    let volumes = json!([{"name": "m", "configMap": {"name": "m"}}, {"name": "scratch", "emptyDir": {}}]);
    let pod = json!({"metadata": {"namespace": namespace}, "spec": {"volumes": volumes}});
    let mut container = json!({
        "command": ["/bin/sh", "-c"], "workingDir": "/home/x",
        // The script uses relative paths and variables, since an absolute path would refer to the host.
        "args": ["cat a \"$M/b\" \"$HOME/a\"; ls"],
        "env": [{"name": "HOME", "value": "/home/x"}, {"name": "M", "value": "/etc/m"}],
        "volumeMounts": [
            {"name": "m", "mountPath": "/home/x/a", "subPath": "a"},
            {"name": "scratch", "mountPath": "/home/x", "subPathExpr": "home"},
            {"name": "m", "mountPath": "/etc/m"},
        ],
    });
    let prepared_container = container::Container::new(&admin, &pod, &container).expect("all of it is there");
    let output = prepared_container.run(Path::new("/bin"), &[], &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "onetwoonea\n");
    container["volumeMounts"][0]["subPath"] = json!("none");
    let error = container::Container::new(&admin, &pod, &container).err().expect("there is no such key");
    assert!(error.contains("none"), "{error}");
}
