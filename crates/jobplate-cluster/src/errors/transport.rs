//! Describes the errors of requests that got no response.
//!
//! The messages of kube, hyper and rustls are matched against known phrases and never shown, since they quote
//! addresses, command lines and the output of programs.

use std::io;

use jobplate_diagnostic::{Error, ErrorKind, describe_io_error, display_path};
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

impl TransportError {
    /// Classifies an error of kube's client. `server` is the host and port, or an empty string if they are unknown.
    pub(crate) fn from_kube(error: &kube::Error, server: &str) -> Self {
        let chain = match ErrorChain::read(error) {
            Ok(chain) => chain,
            Err(auth) => return TransportError::from_auth(auth),
        };
        let server = match server {
            "" => "the API server".to_owned(),
            server => format!("the API server at {server}"),
        };
        if chain.contains("invalid peer certificate") {
            let (problem, hint) = describe_certificate_problem(&chain);
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
        if chain.contains("dns error") {
            let reason = format!("cannot find {server}: its host name has no address");
            let hint = "check `server` in the kubeconfig, and the network";
            return TransportError::unsent(reason, hint, false);
        }
        let is_connecting = chain.contains("client error (Connect)");
        let problem = describe_connection_problem(chain.io_error, is_connecting);
        let hint = "check `server` in the kubeconfig, and that the API server is running";
        TransportError {
            reason: format!("cannot connect to {server}: {problem}"),
            hint: is_connecting.then(|| hint.to_owned()),
            may_have_acted: !is_connecting,
            is_permanent: false,
        }
    }

    /// Creates the error for a request that was not sent.
    fn unsent(reason: String, hint: &str, is_permanent: bool) -> Self {
        TransportError { reason, hint: Some(hint.to_owned()), may_have_acted: false, is_permanent }
    }

    /// Creates the error for a request that has no credentials.
    fn from_auth(error: &AuthError) -> Self {
        let (reason, hint) = match error {
            // The command line and its output may contain a secret, so neither is shown.
            AuthError::AuthExecRun { out, .. } => {
                let code = out.status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
                let reason = format!("the credential plugin failed ({code})");
                (reason, "run the command of `exec` in the kubeconfig yourself")
            }
            AuthError::AuthExecStart(error) => (
                format!("cannot start the credential plugin: {}", describe_io_error(error)),
                "install the command that `exec` in the kubeconfig runs",
            ),
            AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed | AuthError::AuthExec(_) => {
                ("the credential plugin returned no credentials".to_owned(), "run it yourself to see its output")
            }
            AuthError::ReadTokenFile(error, path) => (
                format!("cannot read the token from {}: {}", display_path(path), describe_io_error(error)),
                "check `tokenFile` in the kubeconfig",
            ),
            _ => ("cannot use the credentials of the kubeconfig".to_owned(), "check `users` in the kubeconfig"),
        };
        TransportError::unsent(reason, hint, true)
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
fn describe_certificate_problem(chain: &ErrorChain) -> (&'static str, &'static str) {
    if chain.contains("UnknownIssuer") || chain.contains("BadSignature") {
        (
            "is not signed by the certificate authority of the kubeconfig",
            "check `certificate-authority` in the kubeconfig",
        )
    } else if chain.contains("NotValidForName") || chain.contains("not valid for name") {
        ("is for another name", "check `server` in the kubeconfig, or set `tls-server-name` there")
    } else if chain.contains("Expired") || chain.contains("certificate expired") {
        ("has expired", "renew the certificate of the API server, or correct the clock of this machine")
    } else {
        ("is not valid", "check `certificate-authority` and `server` in the kubeconfig")
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
