//! Builds kube's configuration from the service account of the pod in which the program runs.
//!
//! Like client-go, and unlike kube, the module requires only the token. Without the file of the certificate authority,
//! the system's certificates count; without the file of the namespace, the namespace is `default`.

use std::path::PathBuf;

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};
use kube::Config;

/// The service account of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The value of `KUBERNETES_SERVICE_HOST`.
    pub host: String,
    /// The value of `KUBERNETES_SERVICE_PORT`. `None` if the variable is not set.
    pub port: Option<String>,
    /// The directory of the files `token`, `ca.crt` and `namespace`.
    pub directory: PathBuf,
}

/// Loads the configuration of a service account. Does not read the token.
///
/// # Errors
/// Fails if the port is missing, if the address is invalid, if there is no token, or if the certificate authority cannot
/// be read.
pub(super) fn load(account: &ServiceAccount) -> Result<Config> {
    let ServiceAccount { host, port, directory } = account;
    let port = port.as_ref().ok_or_else(|| {
        config_error("KUBERNETES_SERVICE_PORT is not set, but KUBERNETES_SERVICE_HOST is")
            .hint("set both variables; outside of a pod, pass --kubeconfig")
    })?;
    // An IPv6 address in a URL is in brackets.
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let url = format!("https://{host}:{port}").parse().map_err(|_| {
        config_error("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not an address")
            .hint("unset them outside of a pod, or pass --kubeconfig")
    })?;
    let token = directory.join("token");
    if let Err(error) = std::fs::metadata(&token) {
        return Err(config_error(format!(
            "cannot read the token of the pod's service account from {}: {}",
            display_path(&token),
            describe_io_error(&error)
        ))
        .hint("check `automountServiceAccountToken` of the pod; outside of a pod, pass --kubeconfig"));
    }
    let mut config = Config::new(url);
    config.auth_info.token_file = Some(token.to_string_lossy().into_owned());
    let authority = directory.join("ca.crt");
    if authority.exists() {
        // kube reads this file, again and again, instead of the list. Without a list, it would need the system's
        // certificates.
        (config.root_cert, config.root_cert_file) = (Some(Vec::new()), Some(authority));
    }
    let namespace = std::fs::read_to_string(directory.join("namespace")).unwrap_or_default();
    if !namespace.trim().is_empty() {
        namespace.trim().clone_into(&mut config.default_namespace);
    }
    Ok(config)
}

fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Cluster, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(files: &[(&str, &str)], host: &str) -> (tempfile::TempDir, ServiceAccount) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let path = directory.path().to_owned();
        (directory, ServiceAccount { host: host.to_owned(), port: Some("6443".to_owned()), directory: path })
    }

    #[test]
    fn requires_only_the_token() {
        let (_directory, account) = account(&[("token", "t\n")], "::1");
        let config = load(&account).unwrap();
        assert_eq!(config.cluster_url.to_string(), "https://[::1]:6443/");
        assert_eq!(config.default_namespace, "default");
        assert!(config.root_cert_file.is_none());
        assert!(load(&ServiceAccount { port: None, ..account.clone() }).is_err());
        std::fs::remove_file(account.directory.join("token")).unwrap();
        assert!(load(&account).unwrap_err().message().contains("token of the pod's service account"));
    }

    #[test]
    fn trims_the_namespace() {
        let (_directory, account) = account(&[("token", "t"), ("namespace", "flows\n"), ("ca.crt", "")], "10.0.0.1");
        let config = load(&account).unwrap();
        assert_eq!(config.default_namespace, "flows");
        assert!(config.root_cert_file.is_some());
    }
}
