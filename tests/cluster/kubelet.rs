//! A fake kubelet: a node, pod statuses in the format of a real kubelet, and container logs.
//!
//! The real Job controller creates the pods. `bind` assigns a pod to the node, and `set_state` reports the state of
//! its containers. A background thread confirms deletions, like a kubelet whose containers have stopped. The API
//! server requests logs from the node and gets the text that the test wrote with `append_log`.

use std::collections::HashMap;
use std::io::{self, Error};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::http::{Client, RUNTIME};
use crate::servers::{ADMIN, Servers};

const MAX_WAIT: Duration = Duration::from_secs(60);

/// The state of a pod's containers.
#[derive(Clone, Debug)]
pub(crate) enum PodState {
    Running,
    Succeeded,
    /// The containers have failed. Holds the exit code and the reason, such as `OOMKilled` or `Error`.
    Failed(i32, &'static str),
    /// The containers cannot start. Holds the reason and the message.
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

/// The logs of containers, keyed by `NAMESPACE/POD/CONTAINER`, and the requests for them.
#[derive(Default)]
struct LogStore {
    by_container: Mutex<HashMap<String, Log>>,
    /// Notified about each change to a log or to `break_count`.
    changed: Notify,
    /// The number of calls to `break_logs`. A change breaks the open connections.
    break_count: AtomicUsize,
    /// The paths and queries of the API server's requests.
    requests: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Log {
    text: Vec<u8>,
    is_complete: bool,
}

/// The fake kubelet. It stops when dropped, but its node remains.
pub(crate) struct Kubelet {
    node: String,
    client: Client,
    logs: Arc<LogStore>,
    server: JoinHandle<()>,
    is_stopped: Arc<AtomicBool>,
}

impl Kubelet {
    /// Creates a node, serves its logs and confirms the deletions of its pods.
    pub(crate) fn start(servers: &Servers) -> Self {
        let listener = RUNTIME.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let client = servers.client(ADMIN);
        let node = servers.fresh_name("node");
        let addresses = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
        let status = json!({"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}});
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": status});
        client.post("/api/v1/nodes", &object).expect_success();

        let (logs, is_stopped) = (Arc::<LogStore>::default(), Arc::<AtomicBool>::default());
        let server = RUNTIME.spawn(serve_logs(listener, Arc::clone(&logs)));
        let (deleter, deleter_node, deleter_is_stopped) =
            (servers.client(ADMIN), node.clone(), Arc::clone(&is_stopped));
        thread::spawn(move || {
            while !deleter_is_stopped.load(Ordering::Relaxed) {
                confirm_deletions(&deleter, &deleter_node);
                thread::sleep(Duration::from_millis(200));
            }
        });
        Kubelet { node, client, logs, server, is_stopped }
    }

    /// Waits until a Job has an unfinished pod and returns the pod's name.
    pub(crate) fn wait_for_job_pod(&self, namespace: &str, job: &str) -> String {
        self.wait_for_pod(namespace, "batch.kubernetes.io/job-name", job)
    }

    /// Waits for an unfinished pod whose label `label` is `value` and returns the pod's name.
    pub(crate) fn wait_for_pod(&self, namespace: &str, label: &str, value: &str) -> String {
        let selector = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={label}%3D{value}");
        wait_for(&format!("a pod with {label}={value}"), || {
            let pods = self.client.get(&selector).expect_success();
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
        self.client.post(&format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding"), &binding).expect_success();
    }

    /// Reports a state for all containers of a pod. If the pod has ended, marks its logs as complete.
    pub(crate) fn set_state(&self, namespace: &str, pod: &str, state: &PodState) {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let object = self.client.get(&path).expect_success();
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
                self.logs.update(namespace, pod, name, |log| log.is_complete = true);
            }
        }
        let status = json!({"status": {"phase": state.phase(), "containerStatuses": statuses}});
        self.client.patch(&format!("{path}/status"), "merge", status.to_string()).expect_success();
    }

    /// Waits for the next pod of a Job, assigns it to this node, reports `state` and returns the pod's name.
    pub(crate) fn start_pod(&self, namespace: &str, job: &str, state: &PodState) -> String {
        let pod = self.wait_for_job_pod(namespace, job);
        self.bind(namespace, &pod);
        self.set_state(namespace, &pod, state);
        pod
    }

    /// Appends text to a container's log. Clients that follow the log receive the text at once.
    pub(crate) fn append_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        self.logs.update(namespace, pod, container, |log| log.text.extend(text.as_bytes()));
    }

    /// Breaks all connections that follow a log.
    pub(crate) fn break_logs(&self) {
        self.logs.break_count.fetch_add(1, Ordering::SeqCst);
        self.logs.changed.notify_waiters();
    }

    /// Returns the paths and queries of all log requests so far.
    pub(crate) fn log_requests(&self) -> Vec<String> {
        lock(&self.logs.requests).clone()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.server.abort();
    }
}

impl LogStore {
    fn update(&self, namespace: &str, pod: &str, container: &str, update: impl FnOnce(&mut Log)) {
        update(lock(&self.by_container).entry(format!("{namespace}/{pod}/{container}")).or_default());
        self.changed.notify_waiters();
    }

    /// Waits for log text after the byte at `offset`. Returns `None` at the end of a complete log, and an error if
    /// the current break count is not `break_count`.
    async fn wait_for_text(&self, key: &str, offset: usize, break_count: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            // Created before the checks. Otherwise a change directly after them would be missed.
            let changed = self.changed.notified();
            if self.break_count.load(Ordering::SeqCst) != break_count {
                return Err(Error::other("the connection breaks"));
            }
            {
                let mut by_container = lock(&self.by_container);
                let log = by_container.entry(key.to_owned()).or_default();
                if log.text.len() > offset {
                    return Ok(Some(log.text[offset..].to_vec()));
                }
                if log.is_complete {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }
}

/// Locks a mutex, even if a failed test has poisoned it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a TLS configuration with a self-signed certificate, which the API server accepts from a kubelet.
fn tls_config() -> ServerConfig {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .expect("key and certificate belong together")
}

/// Serves logs over TLS until the task is aborted.
async fn serve_logs(listener: TcpListener, logs: Arc<LogStore>) {
    let acceptor = TlsAcceptor::from(Arc::new(tls_config()));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, logs) = (acceptor.clone(), Arc::clone(&logs));
        // A client that stops reading a log is not an error.
        tokio::spawn(async move { drop(serve_connection(acceptor, stream, logs).await) });
    }
}

async fn serve_connection(acceptor: TlsAcceptor, stream: TcpStream, logs: Arc<LogStore>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(acceptor.accept(stream).await?);
    let service = service_fn(|request| {
        let logs = Arc::clone(&logs);
        async move { respond(&request, logs) }
    });
    http1::Builder::new().serve_connection(stream, service).await.map_err(Error::other)
}

/// Responds to a request for `/containerLogs/NAMESPACE/POD/CONTAINER?follow=true`.
fn respond(
    request: &http::Request<Incoming>,
    logs: Arc<LogStore>,
) -> io::Result<http::Response<UnsyncBoxBody<Bytes, Error>>> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    lock(&logs.requests).push(request.uri().to_string());
    let key = path.strip_prefix("/containerLogs/").ok_or_else(|| Error::other(format!("asked for {path}")))?;
    if !query.split('&').any(|pair| pair == "follow=true") {
        let text = lock(&logs.by_container).get(key).map(|log| log.text.clone()).unwrap_or_default();
        return Ok(http::Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync()));
    }
    let (key, break_count) = (key.to_owned(), logs.break_count.load(Ordering::SeqCst));
    let pieces = futures::stream::try_unfold(0, move |offset| {
        let (key, logs) = (key.clone(), Arc::clone(&logs));
        async move {
            let piece = logs.wait_for_text(&key, offset, break_count).await?;
            Ok(piece
                .map(|text| (offset + text.len(), text))
                .map(|(offset, text)| (Frame::data(Bytes::from(text)), offset)))
        }
    });
    Ok(http::Response::new(StreamBody::new(pieces).boxed_unsync()))
}

/// Deletes the node's pods that are marked for deletion, like a kubelet whose containers have stopped.
fn confirm_deletions(client: &Client, node: &str) {
    // Ignores failures, since the API server may be down. The next call tries again.
    let get = |path: &str| client.request("GET", path, "", b"").ok().filter(|response| response.status == 200);
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
pub(crate) fn wait_for<T>(description: &str, poll: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(start.elapsed() < MAX_WAIT, "timed out waiting for {description}");
        thread::sleep(Duration::from_millis(50));
    }
}
