//! A fake kubelet: a node, pod statuses as a real kubelet reports them, and container logs.
//!
//! The real Job controller creates the pods. `bind` assigns a pod to the node and `set_state` reports the state of its
//! containers. A background thread confirms deletions, like a kubelet whose containers have stopped. The API server
//! requests logs from the node and gets what the test wrote with `append_log`.

use std::collections::HashMap;
use std::io::{self, BufReader, Error, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::http::{Body, Client, Head, write_chunk};
use crate::servers::{ADMIN, Servers};

const MAX_WAIT: Duration = Duration::from_secs(60);

/// The state of a pod's containers.
#[derive(Clone, Debug)]
pub(crate) enum PodState {
    Running,
    Succeeded,
    /// The exit code and the reason, such as `OOMKilled` or `Error`.
    Failed(i32, &'static str),
    /// The containers cannot start: reason and message.
    Waiting(&'static str, String),
}

impl PodState {
    pub(crate) fn secret_missing(secret: &str) -> Self {
        PodState::Waiting("CreateContainerConfigError", format!("secret {secret:?} not found"))
    }

    pub(crate) fn key_missing(namespace: &str, secret: &str, key: &str) -> Self {
        let message = format!("couldn't find key {key} in Secret {namespace}/{secret}");
        PodState::Waiting("CreateContainerConfigError", message)
    }

    pub(crate) fn image_missing(image: &str) -> Self {
        PodState::Waiting("ImagePullBackOff", format!("Back-off pulling image {image:?}"))
    }

    fn phase(&self) -> &'static str {
        match self {
            PodState::Running => "Running",
            PodState::Succeeded => "Succeeded",
            PodState::Failed(..) => "Failed",
            PodState::Waiting(..) => "Pending",
        }
    }

    fn container_state(&self) -> Value {
        let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
        match self {
            PodState::Running => json!({"running": {"startedAt": start}}),
            PodState::Succeeded => {
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": end}})
            }
            PodState::Failed(code, reason) => {
                json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": start, "finishedAt": end}})
            }
            PodState::Waiting(reason, message) => json!({"waiting": {"reason": reason, "message": message}}),
        }
    }
}

/// Logs of containers by `NAMESPACE/POD/CONTAINER`.
#[derive(Default)]
struct LogStore {
    by_container: Mutex<HashMap<String, Log>>,
    more: Condvar,
    /// Increases each time the open connections are to be broken.
    break_count: AtomicUsize,
    /// Paths and queries of the API server's requests.
    requests: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Log {
    text: Vec<u8>,
    is_complete: bool,
}

/// The fake kubelet. Stops when dropped; its node remains.
pub(crate) struct Kubelet {
    node: String,
    port: u16,
    client: Client,
    logs: Arc<LogStore>,
    is_stopped: Arc<AtomicBool>,
}

impl Kubelet {
    /// Creates a node and starts serving it.
    pub(crate) fn start(servers: &Servers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let client = servers.client(ADMIN);
        let node = servers.fresh_name("node");
        let addresses = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
        let status = json!({"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}});
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": status});
        client.post("/api/v1/nodes", &object).done();

        let (logs, is_stopped) = (Arc::<LogStore>::default(), Arc::<AtomicBool>::default());
        let (server_logs, server_is_stopped) = (Arc::clone(&logs), Arc::clone(&is_stopped));
        let tls_config = Arc::new(tls_config());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server_is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (tls_config, logs) = (Arc::clone(&tls_config), Arc::clone(&server_logs));
                // A client that stops reading a log is not an error.
                thread::spawn(move || drop(stream.and_then(|stream| serve_logs(tls_config, stream, &logs))));
            }
        });
        let (deleter, deleter_node, deleter_is_stopped) =
            (servers.client(ADMIN), node.clone(), Arc::clone(&is_stopped));
        thread::spawn(move || {
            while !deleter_is_stopped.load(Ordering::Relaxed) {
                confirm_deletions(&deleter, &deleter_node);
                thread::sleep(Duration::from_millis(200));
            }
        });
        Kubelet { node, port, client, logs, is_stopped }
    }

    /// Waits until a Job has an unfinished pod and returns its name.
    pub(crate) fn wait_for_job_pod(&self, namespace: &str, job: &str) -> String {
        self.wait_for_pod(namespace, "batch.kubernetes.io/job-name", job)
    }

    /// Waits for an unfinished pod with a label and returns its name.
    pub(crate) fn wait_for_pod(&self, namespace: &str, label: &str, value: &str) -> String {
        let selector = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}%3D{value}");
        wait_for(&format!("a pod with {label}={value}"), || {
            let pods = self.client.get(&selector).done();
            let pods = pods["items"].as_array()?.clone();
            let has_ended = |pod: &Value| {
                !pod["metadata"]["deletionTimestamp"].is_null()
                    || matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
            };
            let pod = pods.iter().find(|pod| !has_ended(pod))?;
            Some(pod["metadata"]["name"].as_str()?.to_owned())
        })
    }

    /// Assigns a pod to this node.
    pub(crate) fn bind(&self, namespace: &str, pod: &str) {
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": self.node});
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target});
        self.client.post(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding"), &binding).done();
    }

    /// Reports a state for all containers of a pod. Closes the logs of a pod that has ended.
    pub(crate) fn set_state(&self, namespace: &str, pod: &str, state: &PodState) {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let object = self.client.get(&path).done();
        let containers = object["spec"]["containers"].as_array().expect("a pod has containers");
        let mut statuses = Vec::new();
        for container in containers {
            statuses.push(json!({
                "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0,
                "ready": matches!(state, PodState::Running), "started": matches!(state, PodState::Running),
                "state": state.container_state(),
            }));
            if matches!(state, PodState::Succeeded | PodState::Failed(..)) {
                let name = container["name"].as_str().expect("a container has a name");
                self.logs.change(namespace, pod, name, |log| log.is_complete = true);
            }
        }
        let status = json!({"status": {"phase": state.phase(), "containerStatuses": statuses}});
        self.client.patch(&format!("{path}/status"), "merge", status.to_string()).done();
    }

    /// Waits for the next pod of a Job, assigns it to this node, reports `state` and returns the pod's name.
    pub(crate) fn start_pod(&self, namespace: &str, job: &str, state: &PodState) -> String {
        let pod = self.wait_for_job_pod(namespace, job);
        self.bind(namespace, &pod);
        self.set_state(namespace, &pod, state);
        pod
    }

    /// Appends to the log of a container. Clients that follow the log get it at once.
    pub(crate) fn append_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        self.logs.change(namespace, pod, container, |log| log.text.extend(text.as_bytes()));
    }

    /// Breaks every connection on which a log is followed.
    pub(crate) fn break_logs(&self) {
        self.logs.break_count.fetch_add(1, Ordering::SeqCst);
        drop(lock(&self.logs.by_container));
        self.logs.more.notify_all();
    }

    /// Returns the paths and queries of all requests for logs so far.
    pub(crate) fn log_requests(&self) -> Vec<String> {
        lock(&self.logs.requests).clone()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it checks `is_stopped`.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl LogStore {
    fn change(&self, namespace: &str, pod: &str, container: &str, change: impl FnOnce(&mut Log)) {
        change(lock(&self.by_container).entry(format!("{namespace}/{pod}/{container}")).or_default());
        self.more.notify_all();
    }

    /// Waits for log text after offset `seen`. Returns `None` at the end of a complete log.
    fn next(&self, key: &str, seen: usize, break_count: usize) -> io::Result<Option<Vec<u8>>> {
        let mut by_container = lock(&self.by_container);
        loop {
            if self.break_count.load(Ordering::SeqCst) != break_count {
                return Err(Error::other("the connection breaks"));
            }
            let log = by_container.entry(key.to_owned()).or_default();
            if log.text.len() > seen {
                return Ok(Some(log.text[seen..].to_vec()));
            }
            if log.is_complete {
                return Ok(None);
            }
            by_container = self.more.wait(by_container).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Locks a mutex, even if a failed test has poisoned it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a TLS configuration with a self-signed certificate, which the API server accepts from a kubelet.
fn tls_config() -> ServerConfig {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .expect("key and certificate belong together")
}

/// Answers requests for `/containerLogs/NAMESPACE/POD/CONTAINER?follow=true`.
fn serve_logs(tls_config: Arc<ServerConfig>, stream: TcpStream, logs: &LogStore) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let tls_config = ServerConnection::new(tls_config).map_err(Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls_config, stream));
    while let Some(head) = Head::read(&mut stream)? {
        Body::of_request(&head.headers).whole(&mut stream)?;
        let target = head.first_line.split(' ').nth(1).unwrap_or_default();
        lock(&logs.requests).push(target.to_owned());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path.strip_prefix("/containerLogs/").ok_or_else(|| Error::other(format!("asked for {path}")))?;
        let to = stream.get_mut();
        to.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")?;
        to.flush()?;
        if query.split('&').any(|pair| pair == "follow=true") {
            let break_count = logs.break_count.load(Ordering::SeqCst);
            let mut seen = 0;
            while let Some(text) = logs.next(key, seen, break_count)? {
                write_chunk(to, &text)?;
                seen += text.len();
            }
        } else {
            let text = lock(&logs.by_container).get(key).map(|log| log.text.clone()).unwrap_or_default();
            if !text.is_empty() {
                write_chunk(to, &text)?;
            }
        }
        write_chunk(to, b"")?;
    }
    Ok(())
}

/// Confirms that the containers of pods in deletion have stopped.
fn confirm_deletions(client: &Client, node: &str) {
    // The API server may be down for a moment. The next round tries again.
    let get = |path: &str| client.request("GET", path, "", b"").ok().filter(|answer| answer.status == 200);
    let Some(pods) = get(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")) else { return };
    for pod in pods.json()["items"].as_array().into_iter().flatten() {
        let metadata = &pod["metadata"];
        if let (Some(_), Some(namespace), Some(name)) =
            (metadata["deletionTimestamp"].as_str(), metadata["namespace"].as_str(), metadata["name"].as_str())
        {
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0");
            drop(client.request("DELETE", &path, "", b""));
        }
    }
}

/// Calls `poll` repeatedly until it returns a value. Panics after `MAX_WAIT`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, poll: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = poll() {
            return answer;
        }
        assert!(start.elapsed() < MAX_WAIT, "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
