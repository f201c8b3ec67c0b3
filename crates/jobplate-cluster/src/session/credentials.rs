//! Reads the credentials of a kubeconfig user: a token file or a credential plugin. kube handles all other credentials.
//!
//! kube runs a plugin twice for each client, does not ask it again after a 401 response, and hides what a plugin that is
//! not interactive writes to standard error. It keeps the line break at the end of a token file, which is invalid in a
//! header. Here a plugin runs once, and again if its credentials have expired or the server rejects them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use jobplate_diagnostic::{describe_io_error, display_path};
use kube::Config;
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use serde::{Deserialize, Serialize};

use crate::errors::transport::TransportError;

/// The time after which a token file is read again. Kubernetes replaces the tokens of service accounts in pods.
const TOKEN_FILE_LIFETIME: Duration = Duration::from_secs(60);

/// Where a credential plugin may write to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PluginOutput {
    /// To standard error of this process, like with kubectl.
    Inherit,
    /// Its output is discarded.
    Discard,
}

/// The source of the credentials of a configuration, and the age of the credentials that were read from it.
pub(crate) struct Credentials {
    source: CredentialSource,
    plugin_output: PluginOutput,
    read_at: Instant,
    /// The time at which the credentials of a plugin expire, if it reports one.
    expires_at: Option<Timestamp>,
}

enum CredentialSource {
    /// The credentials are part of the configuration.
    Config,
    TokenFile(PathBuf),
    Plugin(Box<ExecConfig>),
}

/// Kubernetes' `ExecCredential`, which a plugin receives in `KUBERNETES_EXEC_INFO` and prints.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(skip_deserializing)]
    spec: Option<ExecCredentialSpec>,
    #[serde(skip_serializing)]
    status: Option<ExecCredentialStatus>,
}

#[derive(Serialize)]
struct ExecCredentialSpec {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ExecAuthCluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredentialStatus {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

impl Credentials {
    /// Finds the source of the credentials, and writes the credentials into `config`.
    ///
    /// # Errors
    /// Fails if the token file cannot be read, or if the plugin fails or prints no credentials.
    pub(crate) async fn load(config: &mut Config, plugin_output: PluginOutput) -> Result<Self, TransportError> {
        let user = &mut config.auth_info;
        let has_password = user.username.is_some() && user.password.is_some();
        let has_precedence = user.token.is_some() || user.auth_provider.is_some() || has_password;
        let (file, plugin) = (user.token_file.take(), user.exec.take());
        let source = match (file, plugin) {
            _ if has_precedence => CredentialSource::Config,
            (Some(file), _) => CredentialSource::TokenFile(file.into()),
            (None, Some(plugin)) => CredentialSource::Plugin(Box::new(plugin)),
            (None, None) => CredentialSource::Config,
        };
        let mut credentials = Credentials { source, plugin_output, read_at: Instant::now(), expires_at: None };
        credentials.read(config).await?;
        Ok(credentials)
    }

    /// Returns whether the credentials can be read again.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self.source, CredentialSource::Config)
    }

    /// Returns whether the credentials must be read again before the next request.
    pub(crate) fn is_expired(&self) -> bool {
        match self.source {
            CredentialSource::Config => false,
            CredentialSource::TokenFile(_) => self.read_at.elapsed() >= TOKEN_FILE_LIFETIME,
            CredentialSource::Plugin(_) => self.expires_at.is_some_and(|time| time <= Timestamp::now()),
        }
    }

    /// Reads the credentials, and writes them into `config`.
    ///
    /// # Errors
    /// Fails like [`Credentials::load`]. A token file that was read before may be missing.
    pub(crate) async fn read(&mut self, config: &mut Config) -> Result<(), TransportError> {
        match &self.source {
            CredentialSource::Config => {}
            CredentialSource::TokenFile(path) => match read_token(path) {
                Ok(token) => config.auth_info.token = Some(token.into()),
                Err(_) if config.auth_info.token.is_some() => {}
                Err(error) => return Err(error),
            },
            CredentialSource::Plugin(plugin) => {
                let (plugin, output) = (plugin.clone(), self.plugin_output);
                let run = tokio::task::spawn_blocking(move || run_plugin(&plugin, output));
                let status = run.await.map_err(|_| no_credentials_error())??;
                self.expires_at = status.expiration_timestamp;
                set_plugin_credentials(&mut config.auth_info, status)?;
            }
        }
        self.read_at = Instant::now();
        Ok(())
    }
}

fn read_token(path: &Path) -> Result<String, TransportError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let reason = format!("cannot read the token from {}: {}", display_path(path), describe_io_error(&error));
        TransportError::unsent(reason, "check `tokenFile` in the kubeconfig", true)
    })?;
    match text.trim() {
        "" => {
            let reason = format!("{} contains no token", display_path(path));
            Err(TransportError::unsent(reason, "check `tokenFile` in the kubeconfig", true))
        }
        token => Ok(token.to_owned()),
    }
}

/// Writes the credentials from a plugin into a user.
fn set_plugin_credentials(user: &mut AuthInfo, status: ExecCredentialStatus) -> Result<(), TransportError> {
    let ExecCredentialStatus { token, client_certificate_data, client_key_data, .. } = status;
    if token.is_none() && client_certificate_data.is_none() {
        return Err(no_credentials_error());
    }
    user.token = token.map(|token| token.trim().to_owned().into());
    if let (Some(certificate), Some(key)) = (client_certificate_data, client_key_data) {
        user.client_certificate_data = Some(BASE64.encode(certificate));
        user.client_key_data = Some(BASE64.encode(key).into());
    }
    Ok(())
}

/// Runs a plugin. Neither the command line nor the output is part of an error, since both may contain a secret.
fn run_plugin(plugin: &ExecConfig, output: PluginOutput) -> Result<ExecCredentialStatus, TransportError> {
    let mut command = Command::new(plugin.command.as_deref().ok_or_else(no_credentials_error)?);
    command.args(plugin.args.iter().flatten());
    for variable in plugin.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let interactive = plugin.interactive_mode != Some(ExecInteractiveMode::Never);
    let cluster = plugin.cluster.clone().filter(|_| plugin.provide_cluster_info);
    let info = ExecCredential {
        api_version: plugin.api_version.clone(),
        kind: Some("ExecCredential".to_owned()),
        spec: Some(ExecCredentialSpec { interactive, cluster }),
        status: None,
    };
    command.env("KUBERNETES_EXEC_INFO", serde_json::to_string(&info).map_err(|_| no_credentials_error())?);
    command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
    command.stderr(if output == PluginOutput::Inherit { Stdio::inherit() } else { Stdio::null() });
    let output = command.output().map_err(|error| {
        let reason = format!("cannot start the credential plugin: {}", describe_io_error(&error));
        TransportError::unsent(reason, "install the command that `exec` in the kubeconfig runs", true)
    })?;
    if !output.status.success() {
        let code = output.status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        let reason = format!("the credential plugin failed ({code})");
        return Err(TransportError::unsent(reason, "run the command of `exec` in the kubeconfig yourself", true));
    }
    // Like in kubectl, the output may be YAML.
    let credential: Option<ExecCredential> = serde_yaml::from_slice(&output.stdout).ok();
    credential.and_then(|credential| credential.status).ok_or_else(no_credentials_error)
}

fn no_credentials_error() -> TransportError {
    let reason = "the credential plugin returned no credentials".to_owned();
    TransportError::unsent(reason, "run it yourself to see its output", true)
}
