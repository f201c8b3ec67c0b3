//! Why no answer came, in words of our own.
//!
//! The texts of kube, hyper and rustls are searched for known words and never passed on: they quote
//! addresses, command lines and what programs printed.

use jobplate_diagnostic::{Error, ErrorKind, describe_io_error};
use kube::client::AuthError;

use crate::object::InputObject;

/// No answer came.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// Why, in words that quote nothing.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the server may have acted all the same.
    pub may_have_acted: bool,
    /// Whether trying again makes no sense.
    pub is_final: bool,
}

impl Lost {
    /// The error that ends the run.
    pub(crate) fn error(&self) -> Error {
        let error = Error::new(ErrorKind::Cluster, self.reason.clone());
        match &self.hint {
            Some(hint) => error.hint(hint.clone()),
            None => error,
        }
    }
}

/// What kind of fault kept an answer away. The texts of the libraries are searched, never passed on.
pub(crate) fn lost(error: &kube::Error, server: &str) -> Lost {
    let at = if server.is_empty() { "the API server".to_owned() } else { format!("the API server at {server}") };
    let fault = |reason: String, hint: Option<&str>, may_have_acted, is_final| Lost {
        reason,
        hint: hint.map(str::to_owned),
        may_have_acted,
        is_final,
    };
    if let kube::Error::Auth(auth) = error {
        return credentials(auth);
    }
    let mut texts = String::new();
    let mut io = None;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(next) = source {
        if let Some(auth) = next.downcast_ref::<AuthError>() {
            return credentials(auth);
        }
        if let Some(found) = next.downcast_ref::<std::io::Error>() {
            io = Some(found.kind());
        }
        texts.push_str(&next.to_string());
        texts.push('\n');
        source = next.source();
    }
    let says = |words: &str| texts.contains(words);
    let connecting = says("client error (Connect)");
    if says("invalid peer certificate") {
        let (what, hint) = if says("UnknownIssuer") || says("BadSignature") {
            ("is not signed by the certificate authority of the kubeconfig", "check `certificate-authority` there")
        } else if says("NotValidForName") || says("not valid for name") {
            ("is for another name", "check `server` in the kubeconfig, or set `tls-server-name` there")
        } else if says("Expired") || says("certificate expired") {
            ("has expired", "the server needs a new one; is this machine's clock right?")
        } else {
            ("is not valid", "check `certificate-authority` and `server` in the kubeconfig")
        };
        return fault(format!("{at} can't be trusted: its certificate {what}"), Some(hint), false, true);
    }
    if matches!(error, kube::Error::RustlsTls(_)) {
        let hint = "check `certificate-authority`, `client-certificate` and `client-key` in the kubeconfig; where it \
                    names no authority, the system's certificates count, or those of SSL_CERT_FILE";
        return fault(
            "the certificates of the kubeconfig, or the system's, can't be used".to_owned(),
            Some(hint),
            false,
            true,
        );
    }
    if matches!(error, kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. }) {
        let hint = "http, https and socks5 are";
        return fault("the proxy's protocol is not supported".to_owned(), Some(hint), false, true);
    }
    if says("dns error") {
        let hint = "is the `server` in the kubeconfig right, and the network up?";
        return fault(format!("{at} can't be found: its name has no address"), Some(hint), false, false);
    }
    use std::io::ErrorKind;
    let reason = match io {
        Some(ErrorKind::ConnectionRefused) => "the connection was refused",
        Some(ErrorKind::TimedOut) => "the connection timed out",
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted) => {
            "the connection was reset"
        }
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => "there is no way to it",
        Some(ErrorKind::UnexpectedEof) => "the connection ended in the middle of an answer",
        _ if connecting => "no connection could be made",
        _ => "the connection broke",
    };
    let hint = connecting.then_some("is the `server` in the kubeconfig right, and is it running?");
    fault(format!("{at} can't be reached: {reason}"), hint, !connecting, false)
}

/// A creation of which nobody knows what became.
pub(crate) fn may_have_been_made(reason: &str, subject: &InputObject) -> Error {
    let message = format!("{reason}, after {} was sent: it may have been made", subject.name());
    subject.place(Error::new(ErrorKind::Cluster, message).hint("look before running again: kubectl get"))
}

/// An answer that is not what a server says.
pub(crate) fn garbled(subject: &InputObject) -> Error {
    subject.place(
        Error::new(ErrorKind::Cluster, "the server's answer is no object")
            .hint("is there a proxy on the way that wants a login?"),
    )
}

/// Credentials that could not be had.
fn credentials(error: &AuthError) -> Lost {
    let (reason, hint) = match error {
        // Neither the command line nor what it printed is told: both may hold a secret.
        AuthError::AuthExecRun { out, .. } => {
            let code = out.status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            (format!("the credential plugin failed ({code})"), "run the command under `exec` in the kubeconfig by hand")
        }
        AuthError::AuthExecStart(error) => (
            format!("the credential plugin can't be started: {}", describe_io_error(error)),
            "is the program that the kubeconfig names under `exec` installed?",
        ),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed | AuthError::AuthExec(_) => {
            ("the credential plugin gave no credentials".to_owned(), "run it by hand to see what it prints")
        }
        AuthError::ReadTokenFile(error, path) => (
            format!("the token can't be read from {}: {}", path.display(), describe_io_error(error)),
            "check `tokenFile` in the kubeconfig",
        ),
        _ => ("the credentials of the kubeconfig can't be used".to_owned(), "check its `users`"),
    };
    Lost { reason, hint: Some(hint.to_owned()), may_have_acted: false, is_final: true }
}
