//! Builds kube's configuration from flags and kubeconfig files, and selects the cluster and the user.
//!
//! Unlike kube's `Config::infer`, this module has no fallback: an unusable kubeconfig is an error. The caller reads
//! the environment and passes the paths in a [`KubeconfigSource`].

use std::path::{Path, PathBuf};

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};
use kube::Config;
use kube::config::{AuthInfo, Context, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError, NamedContext};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};

use super::in_cluster::{self, ServiceAccount};
use crate::errors::transport::ConfigOrigin;

/// The source of the kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeconfigSource {
    /// `--kubeconfig`: a file.
    Flag(PathBuf),
    /// `KUBECONFIG`: a list of files, which are merged. Missing files are ignored, like in kubectl.
    Env(Vec<PathBuf>),
    /// The default file, `~/.kube/config`.
    Default(PathBuf),
    /// The service account of the pod in which the program runs, instead of a file.
    InCluster(ServiceAccount),
}

/// The flags that select a cluster and a user. They have the same meaning as in kubectl.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// The source of the kubeconfig. `None` if there is no kubeconfig file and the program does not run in a pod.
    pub kubeconfigs: Option<KubeconfigSource>,
    /// `--server`: the URL of the API server.
    pub server: Option<String>,
    /// `--token`: a bearer token, instead of the credentials of the kubeconfig.
    pub token: Option<String>,
    /// `--tls-server-name`: the name in the certificate of the API server.
    pub tls_server_name: Option<String>,
    /// `--certificate-authority`: a file with the certificates of authorities, instead of those of the kubeconfig.
    pub certificate_authority: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`: accept any certificate of the API server.
    pub insecure_skip_tls_verify: bool,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`.
    pub impersonate_groups: Vec<String>,
}

/// The names in a kubeconfig, for completion.
#[derive(Clone, Debug, Default)]
pub struct KubeconfigNames {
    /// The values for `--context`.
    pub contexts: Vec<String>,
    /// The values for `--cluster`.
    pub clusters: Vec<String>,
    /// The values for `--user`.
    pub users: Vec<String>,
}

impl KubeconfigNames {
    /// Reads the names from kubeconfig files. Returns no names for [`KubeconfigSource::InCluster`].
    ///
    /// # Errors
    /// Fails if a file cannot be read or is not a kubeconfig, or if all files of `KUBECONFIG` are missing.
    pub fn read(source: &KubeconfigSource) -> Result<Self> {
        let Some(kubeconfig) = read_source(source)? else { return Ok(KubeconfigNames::default()) };
        Ok(KubeconfigNames {
            contexts: kubeconfig.contexts.into_iter().map(|named| named.name).collect(),
            clusters: kubeconfig.clusters.into_iter().map(|named| named.name).collect(),
            users: kubeconfig.auth_infos.into_iter().map(|named| named.name).collect(),
        })
    }
}

/// The name of the context that is added for `--cluster` if there is neither `--context` nor a current context. The
/// leading NUL distinguishes it from real names.
const PLACEHOLDER_CONTEXT: &str = "\u{0}jobplate";

const AUTHORITY_FLAG_HINT: &str = "check --certificate-authority";

/// Builds the configuration of kube's client, without kube's own retries. Also returns its origin.
///
/// # Errors
/// Fails if there is no kubeconfig, if a file cannot be read or is invalid, if the kubeconfig lacks the selected
/// context, cluster or user, or if `--as-group` is set but neither `--as` nor the kubeconfig contains a user to
/// impersonate.
pub(crate) async fn load(options: &ClusterOptions) -> Result<(Config, ConfigOrigin)> {
    let (mut config, origin) = match (&options.kubeconfigs, &options.server) {
        (Some(KubeconfigSource::InCluster(account)), _) => (in_cluster::load(account)?, ConfigOrigin::Pod),
        (Some(source), _) => (load_kubeconfig(source, options).await?, ConfigOrigin::Kubeconfig),
        (None, Some(server)) => (Config::new(parse_server(server)?), ConfigOrigin::Flags),
        (None, None) => {
            return Err(config_error("no cluster is configured")
                .hint("set --kubeconfig or KUBECONFIG, or run in a pod with a service account"));
        }
    };
    config.default_retry = false;
    override_config(&mut config, options)?;
    Ok((config, origin))
}

/// Applies the flags that override single settings of the kubeconfig.
fn override_config(config: &mut Config, options: &ClusterOptions) -> Result<()> {
    if let Some(server) = &options.server {
        config.cluster_url = parse_server(server)?;
    }
    if let Some(name) = &options.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if let Some(path) = &options.certificate_authority {
        (config.root_cert, config.root_cert_file) = (Some(read_authorities(path)?), None);
        config.accept_invalid_certs = false;
    }
    if options.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
        (config.root_cert, config.root_cert_file) = (None, None);
    }
    if let Some(token) = &options.token {
        let AuthInfo { impersonate, impersonate_groups, .. } = std::mem::take(&mut config.auth_info);
        let token = Some(token.clone().into());
        config.auth_info = AuthInfo { token, impersonate, impersonate_groups, ..AuthInfo::default() };
    }
    if options.impersonate.is_some() {
        config.auth_info.impersonate.clone_from(&options.impersonate);
    }
    if !options.impersonate_groups.is_empty() {
        if config.auth_info.impersonate.is_none() {
            return Err(Error::usage("`--as-group` needs `--as`").hint("pass --as USER too"));
        }
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    Ok(())
}

/// Reads the certificates in the file of `--certificate-authority`.
fn read_authorities(path: &Path) -> Result<Vec<Vec<u8>>> {
    let place = display_path(path);
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.map(|certificate| Ok(certificate?.to_vec())).collect())
        .map_err(|error| match &error {
            pem::Error::Io(error) => config_error(format!(
                "cannot read the certificate authority from {place}: {}",
                describe_io_error(error)
            )),
            _ => config_error(format!("{place} is not in PEM format")),
        })
        .map_err(|error| error.hint(AUTHORITY_FLAG_HINT))?;
    if certificates.is_empty() {
        return Err(config_error(format!("{place} contains no certificate")).hint(AUTHORITY_FLAG_HINT));
    }
    Ok(certificates)
}

/// Parses the value of `--server`. A value without a scheme means HTTPS.
fn parse_server(server: &str) -> Result<http::Uri> {
    let url = if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    let url = url.parse::<http::Uri>().ok().filter(|url| url.host().is_some_and(|host| !host.is_empty()));
    url.ok_or_else(|| Error::usage("`--server` is not a URL").hint("use https://HOST:6443"))
}

/// Loads the selected context of a kubeconfig.
async fn load_kubeconfig(source: &KubeconfigSource, options: &ClusterOptions) -> Result<Config> {
    let kubeconfig = read_source(source)?.unwrap_or_default();
    let authority_files: Vec<(String, String)> = kubeconfig
        .clusters
        .iter()
        .filter_map(|named| {
            let cluster = named.cluster.as_ref()?;
            Some((cluster.server.clone()?, cluster.certificate_authority.clone()?))
        })
        .collect();
    let config = select_context(kubeconfig, options).await?;
    if config.root_cert.as_ref().is_some_and(Vec::is_empty) {
        let is_selected = |(server, _): &&(String, String)| {
            server.parse::<http::Uri>().is_ok_and(|server| server == config.cluster_url)
        };
        let file = authority_files.iter().find(is_selected).map(|(_, file)| file.as_str());
        let place = file.map_or("`certificate-authority-data` in the kubeconfig".to_owned(), |file| {
            display_path(Path::new(file)).to_string()
        });
        return Err(config_error(format!("{place} contains no certificate"))
            .hint("check `certificate-authority` in the kubeconfig"));
    }
    Ok(config)
}

/// Reads and merges the kubeconfig files. Returns `None` for [`KubeconfigSource::InCluster`].
fn read_source(source: &KubeconfigSource) -> Result<Option<Kubeconfig>> {
    Ok(match source {
        KubeconfigSource::InCluster(_) => None,
        KubeconfigSource::Flag(path) | KubeconfigSource::Default(path) => Some(read_file(path)?),
        KubeconfigSource::Env(paths) => Some(merge_files(paths)?),
    })
}

/// Selects the context, the cluster and the user like kubectl.
async fn select_context(mut kubeconfig: Kubeconfig, options: &ClusterOptions) -> Result<Config> {
    let mut context = options.context.clone();
    if let (None, None, Some(cluster)) = (&context, &kubeconfig.current_context, &options.cluster) {
        let placeholder = Context { cluster: cluster.clone(), user: options.user.clone(), ..Context::default() };
        let (name, placeholder) = (PLACEHOLDER_CONTEXT.to_owned(), Some(placeholder));
        kubeconfig.contexts.push(NamedContext { name, context: placeholder, ..NamedContext::default() });
        context = Some(PLACEHOLDER_CONTEXT.to_owned());
    }
    if let Some(user) = &options.user
        && !kubeconfig.auth_infos.iter().any(|named| named.name == *user)
    {
        let users = kubeconfig.auth_infos.iter().map(|named| named.name.as_str());
        return Err(config_error(format!("the kubeconfig has no user {user}")).hint(names_hint("users", users)));
    }
    let contexts = names_hint("contexts", kubeconfig.contexts.iter().map(|named| named.name.as_str()));
    let clusters = names_hint("clusters", kubeconfig.clusters.iter().map(|named| named.name.as_str()));
    let choice = KubeConfigOptions { context, cluster: options.cluster.clone(), user: options.user.clone() };
    Config::from_custom_kubeconfig(kubeconfig, &choice).await.map_err(|error| match &error {
        KubeconfigError::LoadContext(name) => {
            config_error(format!("the kubeconfig has no context {name}")).hint(contexts)
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            config_error(format!("the kubeconfig has no cluster {name}")).hint(clusters)
        }
        KubeconfigError::CurrentContextNotSet => {
            config_error("the kubeconfig has no current context").hint(format!("choose one with --context; {contexts}"))
        }
        other => kubeconfig_error(other),
    })
}

/// Returns a hint that lists the contexts, clusters or users of a kubeconfig.
fn names_hint<'n>(label: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.filter(|name| *name != PLACEHOLDER_CONTEXT).collect();
    if names.is_empty() { format!("it has no {label}") } else { format!("its {label}: {}", names.join(", ")) }
}

fn read_file(path: &PathBuf) -> Result<Kubeconfig> {
    let mut kubeconfig =
        Kubeconfig::read_from(path).map_err(|error| kubeconfig_error(&error).in_file(display_path(path)))?;
    // Paths are relative to the directory of the kubeconfig. kube resolves all paths except the path of the token file,
    // so resolve that path here.
    let directory = path.parent().unwrap_or(Path::new(""));
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        if let Some(file) = &mut user.token_file {
            *file = directory.join(&file).to_string_lossy().into_owned();
        }
    }
    Ok(kubeconfig)
}

fn merge_files(paths: &[PathBuf]) -> Result<Kubeconfig> {
    let mut merged_kubeconfig: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let kubeconfig = read_file(path)?;
        merged_kubeconfig = Some(match merged_kubeconfig {
            None => kubeconfig,
            Some(merged_kubeconfig) => merged_kubeconfig
                .merge(kubeconfig)
                .map_err(|error| kubeconfig_error(&error).in_file(display_path(path)))?,
        });
    }
    merged_kubeconfig.ok_or_else(|| config_error("no file of KUBECONFIG exists"))
}

fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Cluster, message)
}

/// Converts an error about a kubeconfig. Omits kube's message, which may quote secrets.
pub(crate) fn kubeconfig_error(error: &KubeconfigError) -> Error {
    let describe_load_error = |label: &str, error: &LoadDataError| match error {
        LoadDataError::DecodeBase64(_) => format!("{label} in the kubeconfig is not valid base64"),
        LoadDataError::ReadFile(error, path) => {
            format!("cannot read {label} from {}: {}", display_path(path), describe_io_error(error))
        }
        LoadDataError::NoBase64DataOrFile => format!("the kubeconfig has no {}", label.trim_start_matches("the ")),
    };
    let (message, hint) = match error {
        KubeconfigError::ReadConfig(error, _) => {
            (format!("cannot be read: {}", describe_io_error(error)), "pass another file with --kubeconfig")
        }
        KubeconfigError::Parse(_) => {
            ("is not a kubeconfig".to_owned(), "`kubectl config view --kubeconfig` shows the error")
        }
        KubeconfigError::MissingClusterUrl => {
            ("the cluster in the kubeconfig has no `server`".to_owned(), "set it to the address of the API server")
        }
        KubeconfigError::ParseClusterUrl(_) => {
            ("`server` in the kubeconfig is not a URL".to_owned(), "use https://HOST:6443")
        }
        KubeconfigError::ParseProxyUrl(_) => {
            ("`proxy-url` in the kubeconfig is not a URL".to_owned(), "use http://HOST:3128")
        }
        KubeconfigError::LoadCertificateAuthority(error) => {
            (describe_load_error("the certificate authority", error), "check `certificate-authority` in the kubeconfig")
        }
        KubeconfigError::LoadClientCertificate(error) => {
            (describe_load_error("the client certificate", error), "check `client-certificate` in the kubeconfig")
        }
        KubeconfigError::LoadClientKey(error) => {
            (describe_load_error("the client key", error), "check `client-key` in the kubeconfig")
        }
        KubeconfigError::ParseCertificates(_) => (
            "a certificate in the kubeconfig is not in PEM format".to_owned(),
            "check `certificate-authority` in the kubeconfig",
        ),
        KubeconfigError::ParseNoProxy(_) => ("invalid NO_PROXY".to_owned(), "set it to a list of hosts"),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            ("has another `kind` than the kubeconfig before it".to_owned(), "remove it from KUBECONFIG")
        }
        _ => ("cannot use the kubeconfig".to_owned(), "`kubectl config view` shows it"),
    };
    config_error(message).hint(hint)
}
