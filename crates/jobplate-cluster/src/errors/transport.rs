//! Describes the errors of requests that got no response.
//!
//! The messages of kube, hyper and rustls are matched against known phrases and never shown, since they quote
//! addresses, command lines and the output of programs.

use std::io;

use jobplate_diagnostic::{Error, ErrorKind};
use kube::client::AuthError;

use crate::object::InputObject;

/// The error for a request that got no response.
#[derive(Clone, Debug)]
pub(crate) struct TransportError {
    /// The reason for the error. Contains no text that may be secret.
    pub reason: String,
    /// The hint that explains how to resolve the error.
    pub hint: Option<String>,
    /// Whether the server may have processed the request anyway.
    pub may_have_acted: bool,
    /// Whether a retry would also fail.
    pub is_permanent: bool,
}

/// The origin of the configuration, which determines what hints suggest to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigOrigin {
    /// A kubeconfig file.
    Kubeconfig,
    /// The service account of the pod in which the program runs.
    Pod,
    /// `--server`, without a kubeconfig.
    Flags,
}

impl ConfigOrigin {
    fn server_hint(self) -> &'static str {
        match self {
            ConfigOrigin::Kubeconfig => "check `server` in the kubeconfig, and that the API server is running",
            ConfigOrigin::Pod => "check KUBERNETES_SERVICE_HOST, and the network policies for this pod",
            ConfigOrigin::Flags => "check --server, and that the API server is running",
        }
    }

    fn address_hint(self) -> &'static str {
        match self {
            ConfigOrigin::Kubeconfig => "check `server` in the kubeconfig, and the network",
            ConfigOrigin::Pod => "check KUBERNETES_SERVICE_HOST, and the DNS of this pod",
            ConfigOrigin::Flags => "check --server, and the network",
        }
    }

    fn authority_hint(self) -> &'static str {
        match self {
            ConfigOrigin::Kubeconfig => {
                "set --certificate-authority, or `certificate-authority` in the kubeconfig, to the file of the CA \
                 certificate; for a self-signed certificate, to the certificate itself"
            }
            ConfigOrigin::Pod => "check the file ca.crt of the pod's service account",
            ConfigOrigin::Flags => {
                "set --certificate-authority to the file of the CA certificate; for a self-signed certificate, to the \
                 certificate itself"
            }
        }
    }

    /// Returns the hint for a request whose credentials the server rejects.
    pub(crate) fn credentials_hint(self) -> &'static str {
        match self {
            ConfigOrigin::Kubeconfig => {
                "log in again if they have expired, and check the user of the kubeconfig context"
            }
            ConfigOrigin::Pod => {
                "check that the service account of this pod exists, and that its token is for this cluster"
            }
            ConfigOrigin::Flags => "check --token",
        }
    }
}

/// The API server, as messages name it.
#[derive(Clone, Debug)]
pub(crate) struct ServerTarget {
    /// The host and port. Empty if they are unknown.
    pub address: String,
    /// The host and port of the proxy, if any.
    pub proxy: Option<String>,
    pub origin: ConfigOrigin,
    /// Whether the configuration has the certificate of an authority. Otherwise, those of the system count.
    pub has_authority: bool,
}

impl ServerTarget {
    /// Returns the name of the server in messages.
    fn name(&self) -> String {
        match self.address.as_str() {
            "" => "the API server".to_owned(),
            address => format!("the API server at {address}"),
        }
    }
}

impl TransportError {
    /// Classifies an error of kube's client.
    pub(crate) fn from_kube(error: &kube::Error, target: &ServerTarget) -> Self {
        let chain = match ErrorChain::read(error) {
            Ok(chain) => chain,
            Err(_) => {
                let reason = "cannot use the credentials of the kubeconfig".to_owned();
                return TransportError::unsent(reason, "check `users` in the kubeconfig", true);
            }
        };
        let server = target.name();
        if chain.contains("invalid peer certificate") {
            let (problem, hint) = describe_certificate_problem(&chain, target);
            let reason = format!("cannot trust {server}: its certificate {problem}");
            return TransportError::unsent(reason, hint, true);
        }
        if matches!(error, kube::Error::RustlsTls(_)) {
            let reason = "cannot use the certificates of the kubeconfig or the system".to_owned();
            let hint = "check `certificate-authority`, `client-certificate` and `client-key` in the kubeconfig; where it \
                        names no authority, the system's certificates count, or those of SSL_CERT_FILE";
            return TransportError::unsent(reason, hint, true);
        }
        if matches!(error, kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. }) {
            let reason = "unsupported proxy protocol".to_owned();
            return TransportError::unsent(reason, "use http, https or socks5", true);
        }
        let is_connecting = chain.contains("client error (Connect)");
        if let (Some(proxy), true) = (&target.proxy, is_connecting) {
            let problem = describe_connection_problem(chain.io_error, is_connecting);
            let reason = format!("cannot connect to {server} through the proxy {proxy}: {problem}");
            let hint = "check `proxy-url` in the kubeconfig, or HTTPS_PROXY and NO_PROXY";
            return TransportError::unsent(reason, hint, false);
        }
        if chain.contains("dns error") {
            let reason = format!("cannot find {server}: its host name has no address");
            return TransportError::unsent(reason, target.origin.address_hint(), false);
        }
        let problem = describe_connection_problem(chain.io_error, is_connecting);
        TransportError {
            reason: format!("cannot connect to {server}: {problem}"),
            hint: is_connecting.then(|| target.origin.server_hint().to_owned()),
            may_have_acted: !is_connecting,
            is_permanent: false,
        }
    }

    /// Creates the error for a request that was not sent.
    pub(crate) fn unsent(reason: String, hint: &str, is_permanent: bool) -> Self {
        TransportError { reason, hint: Some(hint.to_owned()), may_have_acted: false, is_permanent }
    }

    /// Converts the error to an error of kind [`ErrorKind::Cluster`].
    pub(crate) fn to_error(&self) -> Error {
        let error = Error::new(ErrorKind::Cluster, self.reason.clone());
        match &self.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        }
    }
}

/// The combined details of an error and its sources.
struct ErrorChain {
    /// The messages of the error and of all its sources.
    messages: String,
    /// The kind of the innermost I/O error, or `None` if no source is an I/O error.
    io_error: Option<io::ErrorKind>,
}

impl ErrorChain {
    /// Reads an error and its sources. Fails with the first [`AuthError`] among them.
    fn read(error: &kube::Error) -> Result<Self, &AuthError> {
        if let kube::Error::Auth(auth) = error {
            return Err(auth);
        }
        let mut chain = ErrorChain { messages: String::new(), io_error: None };
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(next) = source {
            if let Some(auth) = next.downcast_ref::<AuthError>() {
                return Err(auth);
            }
            if let Some(io_error) = next.downcast_ref::<std::io::Error>() {
                chain.io_error = Some(io_error.kind());
            }
            chain.messages.push_str(&next.to_string());
            chain.messages.push('\n');
            source = next.source();
        }
        Ok(chain)
    }

    fn contains(&self, phrase: &str) -> bool {
        self.messages.contains(phrase)
    }
}

/// Returns a description of the problem with the server's certificate, and a hint.
fn describe_certificate_problem(chain: &ErrorChain, target: &ServerTarget) -> (&'static str, &'static str) {
    let origin = target.origin;
    if chain.contains("UnknownIssuer") || chain.contains("BadSignature") {
        let problem = match (target.has_authority, origin) {
            (false, _) => "is self-signed, or not signed by a certificate authority that this machine trusts",
            (true, ConfigOrigin::Pod) => {
                "is self-signed, or not signed by the certificate authority of the pod's service account"
            }
            (true, _) => "is self-signed, or not signed by the configured certificate authority",
        };
        (problem, origin.authority_hint())
    } else if chain.contains("CaUsedAsEndEntity") {
        (
            "is a CA certificate (CA:TRUE), which a server cannot use",
            "give the API server a certificate without CA:TRUE; --insecure-skip-tls-verify accepts any certificate",
        )
    } else if chain.contains("NotValidForName") || chain.contains("not valid for name") {
        (
            "is for another name",
            "check the address of the API server, or set --tls-server-name or `tls-server-name` in the kubeconfig",
        )
    } else if chain.contains("NotValidYet") || chain.contains("not valid yet") {
        ("is not valid yet", "correct the clock of this machine")
    } else if chain.contains("Expired") || chain.contains("certificate expired") {
        ("has expired", "renew the certificate of the API server, or correct the clock of this machine")
    } else {
        ("is not valid", origin.authority_hint())
    }
}

fn describe_connection_problem(io_error: Option<io::ErrorKind>, is_connecting: bool) -> &'static str {
    match io_error {
        Some(io::ErrorKind::ConnectionRefused) => "the connection was refused",
        Some(io::ErrorKind::TimedOut) => "the connection timed out",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted) => {
            "the connection was reset"
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "no route to the host",
        Some(io::ErrorKind::UnexpectedEof) => "the connection closed during the response",
        _ if is_connecting => "the connection failed",
        _ => "the connection broke",
    }
}

/// Returns the error for a creation if it is unknown whether the server has created the object.
pub(crate) fn unknown_creation_error(reason: &str, object: &InputObject) -> Error {
    let message = format!("{reason} after the creation of {} was sent: it may exist", object.name());
    object.locate(Error::new(ErrorKind::Cluster, message).hint("check before you run again: kubectl get"))
}

/// Returns the error for a successful response that is not a Kubernetes object, such as the login page of a proxy.
pub(crate) fn invalid_response_error(object: &InputObject) -> Error {
    object.locate(
        Error::new(ErrorKind::Cluster, "the response of the API server is not an object")
            .hint("check for a proxy that requires a login"),
    )
}
