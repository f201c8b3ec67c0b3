//! A fault-injecting reverse proxy between a client and the API server. A rule determines the action for each
//! request, and the proxy records all requests.
//!
//! The client's kubeconfig names the proxy as the server, over plain HTTP. The proxy adds the token of `ADMIN` to
//! requests without an `Authorization` header. It works on the bytes of HTTP, since it resets connections in the
//! middle of a message. No HTTP library supports that.

use std::collections::HashMap;
use std::io::{self, BufReader, ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::http::{Endpoint, Header, header};
use crate::servers::{ADMIN, Servers, kubeconfig};
use crate::wire::{Body, Connection, Head, write_chunk};

/// A recorded request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
    /// The number of earlier requests with the same method and path. The query is ignored.
    pub(crate) earlier_count: usize,
    /// The 0-based index among all requests.
    pub(crate) index: usize,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn matches(&self, method: &str, part_of_target: &str) -> bool {
        self.method == method && self.target.contains(part_of_target)
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        // A deletion has `dryRun` in its body, not in its query.
        let in_body =
            serde_json::from_slice(&self.body).is_ok_and(|body: serde_json::Value| body["dryRun"][0] == "All");
        self.target.contains("dryRun=All") || in_body
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// The action of the proxy for a request.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Forwards the request and returns the response unchanged.
    Forward,
    /// Responds with a status, headers and a body, without forwarding the request.
    Respond(u16, Vec<Header>, Vec<u8>),
    /// Resets the connection without forwarding the request.
    ResetBefore,
    /// Forwards the request, then resets the connection without a response.
    ResetAfter,
    /// Forwards the request, then closes the connection without a response.
    CloseAfter,
    /// Delays the response.
    Delay(Duration),
    /// Delays the second half of the response's body.
    DelaySecondHalf(Duration),
    /// Closes the connection after half of the response's body.
    Truncate,
    /// Adds a header to the response.
    AddHeader(&'static str, String),
}

impl Action {
    /// Creates a response with a Kubernetes `Status` as its body.
    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Self {
        let status = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Action::Respond(code, headers, status.to_string().into_bytes())
    }

    /// Creates a response with status 429 and a `Retry-After` header.
    pub(crate) fn too_many_requests(seconds: u32) -> Self {
        let mut action = Action::status(429, "TooManyRequests", "too many requests, please try again later");
        if let Action::Respond(_, headers, _) = &mut action {
            headers.push(("retry-after".to_owned(), seconds.to_string()));
        }
        action
    }
}

type Rule = Box<dyn Fn(&Request) -> Action + Send + Sync>;

struct Shared {
    endpoint: Endpoint,
    rule: Rule,
    is_stopped: AtomicBool,
    log: Mutex<RequestLog>,
}

#[derive(Default)]
struct RequestLog {
    requests: Vec<Request>,
    /// The number of requests for each method and path.
    counts: HashMap<String, usize>,
}

/// A running proxy. It stops when dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    directory: tempfile::TempDir,
}

impl Proxy {
    pub(crate) fn start(servers: &Servers, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let directory = tempfile::tempdir().expect("a temporary folder can be made");
        let config = kubeconfig(&format!("http://127.0.0.1:{port}"), None, ADMIN);
        std::fs::write(directory.path().join("kubeconfig"), config).expect("a file can be written");
        let (endpoint, rule) = (servers.endpoint().clone(), Box::new(rule));
        let shared = Arc::new(Shared { endpoint, rule, is_stopped: AtomicBool::new(false), log: Mutex::default() });
        let listener_shared = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if listener_shared.is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&listener_shared);
                // An error drops the client's connection, so the client fails, too.
                thread::spawn(move || drop(stream.and_then(|stream| serve(&shared, stream))));
            }
        });
        Proxy { shared, port, directory }
    }

    /// Returns the path to a kubeconfig for the proxy, with the token of `ADMIN`.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// Writes a kubeconfig for the proxy with another token and returns its path.
    pub(crate) fn kubeconfig_for(&self, token: &str) -> PathBuf {
        let file = self.directory.path().join("kubeconfig-for");
        let config = kubeconfig(&format!("http://127.0.0.1:{}", self.port), None, token);
        std::fs::write(&file, config).expect("a file can be written");
        file
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the proxy's temporary directory, which is removed on drop.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns all requests so far in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// Returns all requests so far that are neither GET requests nor dry runs, in order.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.method != "GET" && !request.is_dry_run());
        requests
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, which then checks `is_stopped`.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Serves the requests of one connection.
fn serve(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut client = BufReader::new(stream);
    let mut server = None;
    while let Some(head) = Head::read(&mut client)? {
        let body = Body::from_request(&head.headers).read_all(&mut client)?;
        let request = shared.record(head, body)?;
        let action = (shared.rule)(&request);
        let to = client.get_mut();
        match &action {
            Action::ResetBefore => return reset_on_close(to),
            Action::Respond(status, headers, body) => {
                write_head(to, *status, headers, Body::Bytes(body.len() as u64))?;
                to.write_all(body)?;
                continue;
            }
            _ => {}
        }
        if server.is_none() {
            // If the server is down, the client sees a reset connection.
            server = Some(Connection::open(&shared.endpoint).or_else(|error| reset_on_close(to).and(Err(error)))?);
        }
        let server = server.as_mut().ok_or(ErrorKind::NotConnected)?;
        let is_endless = request.target.contains("watch=true");
        let forwarded = forward_request(server, &request);
        if let Err(error) = forwarded.and_then(|()| forward_response(server, to, &action, is_endless)) {
            return reset_on_close(to).and(Err(error));
        }
        if matches!(action, Action::ResetAfter | Action::CloseAfter | Action::Truncate) {
            return Ok(());
        }
    }
    Ok(())
}

impl Shared {
    fn record(&self, head: Head, body: Vec<u8>) -> io::Result<Request> {
        let mut words = head.first_line.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::other("no request line"));
        };
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let (method, target, headers) = (method.to_owned(), target.to_owned(), head.headers);
        let mut request = Request { method, target, headers, body, earlier_count: 0, index: log.requests.len() };
        let earlier_count = log.counts.entry(format!("{} {}", request.method, request.path())).or_default();
        request.earlier_count = *earlier_count;
        *earlier_count += 1;
        log.requests.push(request.clone());
        Ok(request)
    }
}

fn forward_request(server: &mut Connection, request: &Request) -> io::Result<()> {
    let hop_by_hop_headers = ["connection", "content-length", "transfer-encoding"];
    let mut headers = request.headers.clone();
    headers.retain(|(name, _)| !hop_by_hop_headers.contains(&name.as_str()));
    if header(&headers, "authorization").is_none() {
        headers.push(("authorization".to_owned(), format!("Bearer {ADMIN}")));
    }
    server.send(&request.method, &request.target, &headers, &request.body)
}

/// Forwards a response. The faults that need a complete response end an endless response after its head.
fn forward_response(server: &mut Connection, to: &mut TcpStream, action: &Action, is_endless: bool) -> io::Result<()> {
    let (status, mut headers, mut body) = server.read_head()?;
    match action {
        Action::Truncate if is_endless => return write_head(to, status, &headers, body),
        Action::ResetAfter | Action::CloseAfter => {
            while !is_endless && server.read_piece(&mut body)?.is_some() {}
            return if matches!(action, Action::ResetAfter) { reset_on_close(to) } else { Ok(()) };
        }
        Action::Delay(delay) => thread::sleep(*delay),
        Action::AddHeader(name, value) => headers.push(((*name).to_owned(), value.clone())),
        _ => {}
    }
    if matches!(action, Action::DelaySecondHalf(_) | Action::Truncate) && !is_endless {
        let mut full_body = Vec::new();
        while let Some(piece) = server.read_piece(&mut body)? {
            full_body.extend(piece);
        }
        write_head(to, status, &headers, Body::Bytes(full_body.len() as u64))?;
        let (half, rest) = full_body.split_at(full_body.len() / 2);
        to.write_all(half)?;
        let Action::DelaySecondHalf(delay) = action else { return Ok(()) };
        thread::sleep(*delay);
        return to.write_all(rest);
    }
    write_head(to, status, &headers, body)?;
    let is_chunked = body == Body::Chunks;
    // Forwarded in pieces, since the response to a watch does not end.
    while let Some(piece) = server.read_piece(&mut body)? {
        if is_chunked { write_chunk(to, &piece)? } else { to.write_all(&piece)? }
    }
    if is_chunked { write_chunk(to, b"") } else { Ok(()) }
}

fn write_head(to: &mut TcpStream, status: u16, headers: &[Header], body: Body) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} -\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "content-length" && name != "transfer-encoding") {
        head += &format!("{name}: {value}\r\n");
    }
    head += &match body {
        // Responses with these codes have no body, so they get no header for its length.
        _ if matches!(status, 204 | 304) => String::new(),
        Body::Bytes(length) => format!("content-length: {length}\r\n"),
        Body::Chunks => "transfer-encoding: chunked\r\n".to_owned(),
        Body::UntilClose => "connection: close\r\n".to_owned(),
    };
    head += "\r\n";
    to.write_all(head.as_bytes())
}

/// Configures a connection to send a reset (RST) when it is closed. The client sees an error.
fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    socket.set_linger(Some(Duration::ZERO))
}
