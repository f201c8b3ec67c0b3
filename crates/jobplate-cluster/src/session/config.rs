//! Builds kube's configuration from flags and kubeconfig files, and selects the cluster and the user.
//!
//! Unlike kube's `Config::infer`, this module has no fallback: an unusable kubeconfig is an error. The caller reads
//! `KUBECONFIG` and passes the paths in a [`KubeconfigSource`].

use std::path::{Path, PathBuf};

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error, display_path};
use kube::Config;
use kube::config::{
    Context, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError, NamedContext,
};

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
    InCluster,
}

/// The flags that select a cluster and a user. They have the same meaning as in kubectl.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The source of the kubeconfig. `None` if there is no kubeconfig file and the program does not run in a pod.
    pub kubeconfigs: Option<KubeconfigSource>,
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

/// Builds the configuration of kube's client, without kube's own retries.
///
/// # Errors
/// Fails if there is no kubeconfig, if a file cannot be read or is invalid, if the kubeconfig lacks the selected
/// context, cluster or user, or if `--as-group` is set but neither `--as` nor the kubeconfig contains a user to
/// impersonate.
pub(crate) async fn load(options: &ClusterOptions) -> Result<Config> {
    let Some(kubeconfigs) = &options.kubeconfigs else {
        return Err(config_error("no cluster is configured")
            .hint("set --kubeconfig or KUBECONFIG, or run in a pod with a service account"));
    };
    let mut config = match read_source(kubeconfigs)? {
        None => Config::incluster_env().map_err(in_cluster_error)?,
        Some(kubeconfig) => select_context(kubeconfig, options).await?,
    };
    config.default_retry = false;
    if let Some(file) = &config.auth_info.token_file {
        // Read the token here, since kube reads the file later, reports errors without the path, and keeps a trailing
        // line break, which is invalid in a header.
        let token = std::fs::read_to_string(file).map_err(|error| {
            config_error(format!("cannot read the token from {file}: {}", describe_io_error(&error)))
                .hint("check `tokenFile` in the kubeconfig")
        })?;
        if token.trim() != token {
            config.auth_info.token = Some(token.trim().to_owned().into());
            config.auth_info.token_file = None;
        }
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
    Ok(config)
}

/// Reads and merges the kubeconfig files. Returns `None` for [`KubeconfigSource::InCluster`].
fn read_source(source: &KubeconfigSource) -> Result<Option<Kubeconfig>> {
    Ok(match source {
        KubeconfigSource::InCluster => None,
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
fn kubeconfig_error(error: &KubeconfigError) -> Error {
    let describe_load_error = |label: &str, error: &LoadDataError| match error {
        LoadDataError::DecodeBase64(_) => format!("{label} in the kubeconfig is not valid base64"),
        LoadDataError::ReadFile(error, path) => {
            format!("cannot read {label} from {}: {}", display_path(path), describe_io_error(error))
        }
        LoadDataError::NoBase64DataOrFile => format!("the kubeconfig has no {label}"),
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

fn in_cluster_error(_: InClusterError) -> Error {
    config_error("cannot use the service account of the pod")
        .hint("check its token and KUBERNETES_SERVICE_HOST; outside of a pod, pass --kubeconfig")
}
