//! A blocking HTTP client. It uses TLS for the API server and plain text for other servers.

use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;

/// The time limit for a response.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The runtime of all clients and fake servers.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime can be started")
});

/// A header: its lowercase name and its value.
pub(crate) type Header = (String, String);

/// Returns the value of the first header named `name`, or `None` if there is no such header. `name` must be lowercase.
pub(crate) fn header<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// An HTTP response with its complete body.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the body as JSON. Panics if the status is not 2xx.
    #[track_caller]
    pub(crate) fn expect_success(self) -> serde_json::Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        self.json()
    }
}

/// The port and scheme of a server on the loopback interface, and the TLS configuration for connections to it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    scheme: &'static str,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Endpoint {
    /// Creates the endpoint of a TLS server whose certificate is signed by `authority`, a PEM file. Returns an error
    /// if the file does not hold valid certificates.
    pub(crate) fn new(port: u16, authority: &Path) -> Result<Self, String> {
        let to_message = |error: &dyn std::fmt::Display| format!("{}: {error}", authority.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(|error| to_message(&error))? {
            roots.add(certificate.map_err(|error| to_message(&error))?).map_err(|error| to_message(&error))?;
        }
        Ok(Endpoint { port, scheme: "https", tls: Arc::new(tls_config(roots)) })
    }

    /// Creates the endpoint of a server without TLS.
    pub(crate) fn without_tls(port: u16) -> Self {
        Endpoint { port, scheme: "http", tls: Arc::new(tls_config(RootCertStore::empty())) }
    }
}

fn tls_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// An HTTP client that authenticates with a bearer token. It opens a connection for each request, because a server may
/// close an idle connection at the moment of its reuse.
pub(crate) struct Client {
    endpoint: Endpoint,
    token: String,
    client: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, token: &str) -> Self {
        let tls = ClientConfig::clone(&endpoint.tls);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(0);
        let client = builder.build(connector.wrap_connector(tcp));
        Client { endpoint, token: token.to_owned(), client }
    }

    /// Sends a request and waits for the complete response. If `content_type` is empty, omits the header.
    pub(crate) fn request(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> io::Result<Response> {
        let Endpoint { port, scheme, .. } = self.endpoint;
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{scheme}://127.0.0.1:{port}{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Full::from(body.to_vec())).map_err(Error::other)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(Error::other)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(Error::other)?.to_bytes().to_vec();
            let to_text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), to_text(value))).collect();
            Ok(Response { status: parts.status.as_u16(), headers, body })
        };
        let result = RUNTIME.block_on(async { tokio::time::timeout(TIMEOUT, exchange).await });
        result.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Response {
        self.request(method, path, content_type, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, "", b"")
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &serde_json::Value) -> Response {
        self.send("PUT", path, "application/json", body.to_string().as_bytes())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> Response {
        self.send("POST", path, "application/json", body.to_string().as_bytes())
    }

    /// Sends a patch. `kind` is the part of its media type before `-patch`: `apply`, `merge`, `json` or
    /// `strategic-merge`.
    #[track_caller]
    pub(crate) fn patch(&self, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Response {
        let format = match kind {
            "apply" => "yaml",
            _ => "json",
        };
        self.send("PATCH", path, &format!("application/{kind}-patch+{format}"), body.as_ref())
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, "", b"")
    }
}
