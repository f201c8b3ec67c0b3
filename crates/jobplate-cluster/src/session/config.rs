//! Which cluster, and as whom: from flags and kubeconfig files to kube's configuration.
//!
//! Unlike kube's own inference nothing is guessed: a kubeconfig that is named and can't be used is an
//! error, never a reason to try something else. Reads files, no environment.

use std::path::{Path, PathBuf};

use jobplate_diagnostic::{Error, ErrorKind, Result, describe_io_error};
use kube::Config;
use kube::config::{
    Context, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError, NamedContext,
};

/// Where the configuration is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeconfigSource {
    /// `--kubeconfig`: this file.
    Flag(PathBuf),
    /// `KUBECONFIG`: these, merged; those that are missing are left out, as kubectl does.
    Env(Vec<PathBuf>),
    /// `~/.kube/config`.
    Default(PathBuf),
    /// No file: the service account of the pod that this runs in.
    InCluster,
}

/// kubectl's flags for which cluster, and as whom.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The kubeconfig files; none where there is neither a file nor a pod.
    pub kubeconfigs: Option<KubeconfigSource>,
    /// `--context`
    pub context: Option<String>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--user`
    pub user: Option<String>,
    /// `--as`
    pub impersonate: Option<String>,
    /// `--as-group`
    pub impersonate_groups: Vec<String>,
}

/// The names in a kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct KubeconfigNames {
    /// For `--context`.
    pub contexts: Vec<String>,
    /// For `--cluster`.
    pub clusters: Vec<String>,
    /// For `--user`.
    pub users: Vec<String>,
}

impl KubeconfigNames {
    /// Reads the names from kubeconfig files; there are none in a pod.
    ///
    /// # Errors
    /// Fails if a file can't be read, or is no kubeconfig.
    pub fn read(kubeconfigs: &KubeconfigSource) -> Result<Self> {
        let Some(kubeconfig) = files(kubeconfigs)? else { return Ok(KubeconfigNames::default()) };
        Ok(KubeconfigNames {
            contexts: kubeconfig.contexts.into_iter().map(|named| named.name).collect(),
            clusters: kubeconfig.clusters.into_iter().map(|named| named.name).collect(),
            users: kubeconfig.auth_infos.into_iter().map(|named| named.name).collect(),
        })
    }
}

/// The context that is made up where `--cluster` is given and no context is.
const MADE_UP: &str = "\u{0}jobplate";

/// Reads the configuration; kube's own retries are off.
///
/// # Errors
/// Fails if there is no kubeconfig, or if it can't be read or names something that is not in it.
pub(crate) async fn load(options: &ClusterOptions) -> Result<Config> {
    let Some(kubeconfigs) = &options.kubeconfigs else {
        return Err(failed("no cluster is configured")
            .hint("name a kubeconfig with --kubeconfig or KUBECONFIG, or run in a pod with a service account"));
    };
    let mut config = match files(kubeconfigs)? {
        None => Config::incluster_env().map_err(in_cluster)?,
        Some(kubeconfig) => select(kubeconfig, options).await?,
    };
    config.default_retry = false;
    if let Some(file) = &config.auth_info.token_file {
        // kube says only that something is wrong, and only later; and it keeps the line break at the end,
        // with which no header can be made.
        let token = std::fs::read_to_string(file).map_err(|error| {
            failed(format!("the token can't be read from {file}: {}", describe_io_error(&error)))
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
            return Err(Error::usage("`--as-group` needs `--as`").hint("name the user, too"));
        }
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    Ok(config)
}

/// The kubeconfig that the files are together; none in a pod.
fn files(kubeconfigs: &KubeconfigSource) -> Result<Option<Kubeconfig>> {
    Ok(match kubeconfigs {
        KubeconfigSource::InCluster => None,
        KubeconfigSource::Flag(path) | KubeconfigSource::Default(path) => Some(read(path)?),
        KubeconfigSource::Env(paths) => Some(merge(paths)?),
    })
}

async fn select(mut kubeconfig: Kubeconfig, options: &ClusterOptions) -> Result<Config> {
    let mut context = options.context.clone();
    if let (None, None, Some(cluster)) = (&context, &kubeconfig.current_context, &options.cluster) {
        let made_up = Context { cluster: cluster.clone(), user: options.user.clone(), ..Context::default() };
        let (name, made_up) = (MADE_UP.to_owned(), Some(made_up));
        kubeconfig.contexts.push(NamedContext { name, context: made_up, ..NamedContext::default() });
        context = Some(MADE_UP.to_owned());
    }
    if let Some(user) = &options.user
        && !kubeconfig.auth_infos.iter().any(|named| named.name == *user)
    {
        let users = kubeconfig.auth_infos.iter().map(|named| named.name.as_str());
        return Err(failed(format!("the kubeconfig has no user {user}")).hint(known("users", users)));
    }
    let contexts = known("contexts", kubeconfig.contexts.iter().map(|named| named.name.as_str()));
    let clusters = known("clusters", kubeconfig.clusters.iter().map(|named| named.name.as_str()));
    let choice = KubeConfigOptions { context, cluster: options.cluster.clone(), user: options.user.clone() };
    Config::from_custom_kubeconfig(kubeconfig, &choice).await.map_err(|error| match &error {
        KubeconfigError::LoadContext(name) => failed(format!("the kubeconfig has no context {name}")).hint(contexts),
        KubeconfigError::LoadClusterOfContext(name) => {
            failed(format!("the kubeconfig has no cluster {name}")).hint(clusters)
        }
        KubeconfigError::CurrentContextNotSet => {
            failed("the kubeconfig has no current context").hint(format!("choose one with --context; {contexts}"))
        }
        other => unusable(other),
    })
}

fn known<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.filter(|name| *name != MADE_UP).collect();
    if names.is_empty() { format!("it has no {what}") } else { format!("its {what}: {}", names.join(", ")) }
}

fn read(path: &PathBuf) -> Result<Kubeconfig> {
    let mut kubeconfig =
        Kubeconfig::read_from(path).map_err(|error| unusable(&error).in_file(path.display().to_string()))?;
    // kube does this for all files that a kubeconfig names but the token.
    let folder = path.parent().unwrap_or(Path::new(""));
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        if let Some(file) = &mut user.token_file {
            *file = folder.join(&file).to_string_lossy().into_owned();
        }
    }
    Ok(kubeconfig)
}

fn merge(paths: &[PathBuf]) -> Result<Kubeconfig> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let next = read(path)?;
        merged = Some(match merged {
            None => next,
            Some(merged) => merged.merge(next).map_err(|error| unusable(&error).in_file(path.display().to_string()))?,
        });
    }
    merged.ok_or_else(|| failed("none of the files that KUBECONFIG names is there"))
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Cluster, message)
}

/// A kubeconfig that can't be used. kube's own texts quote what they are about: none is passed on.
fn unusable(error: &KubeconfigError) -> Error {
    let data = |what: &str, fault: &LoadDataError| match fault {
        LoadDataError::DecodeBase64(_) => format!("{what} in the kubeconfig is not valid base64"),
        LoadDataError::ReadFile(error, path) => {
            format!("{what} can't be read from {}: {}", path.display(), describe_io_error(error))
        }
        LoadDataError::NoBase64DataOrFile => format!("{what} is missing in the kubeconfig"),
    };
    let (message, hint) = match error {
        KubeconfigError::ReadConfig(error, _) => {
            (format!("can't be read: {}", describe_io_error(error)), "name another")
        }
        KubeconfigError::Parse(_) => {
            ("is no kubeconfig".to_owned(), "`kubectl config view --kubeconfig` says where it is wrong")
        }
        KubeconfigError::MissingClusterUrl => {
            ("the cluster in the kubeconfig has no `server`".to_owned(), "write the address of the API server there")
        }
        KubeconfigError::ParseClusterUrl(_) => {
            ("the `server` in the kubeconfig is no URL".to_owned(), "it looks like https://HOST:6443")
        }
        KubeconfigError::ParseProxyUrl(_) => {
            ("the `proxy-url` in the kubeconfig is no URL".to_owned(), "it looks like http://HOST:3128")
        }
        KubeconfigError::LoadCertificateAuthority(fault) => {
            (data("the certificate authority", fault), "check `certificate-authority` in the kubeconfig")
        }
        KubeconfigError::LoadClientCertificate(fault) => {
            (data("the client certificate", fault), "check `client-certificate` in the kubeconfig")
        }
        KubeconfigError::LoadClientKey(fault) => {
            (data("the client key", fault), "check `client-key` in the kubeconfig")
        }
        KubeconfigError::ParseCertificates(_) => {
            ("a certificate in the kubeconfig is no PEM".to_owned(), "check `certificate-authority` there")
        }
        KubeconfigError::ParseNoProxy(_) => ("NO_PROXY can't be understood".to_owned(), "it is a list of hosts"),
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            ("is of another kind than the kubeconfig before it".to_owned(), "leave it out of KUBECONFIG")
        }
        _ => ("the kubeconfig can't be used".to_owned(), "`kubectl config view` shows it"),
    };
    failed(message).hint(hint)
}

fn in_cluster(_: InClusterError) -> Error {
    failed("the pod's service account can't be used")
        .hint("its token is missing, or KUBERNETES_SERVICE_HOST is wrong; outside of a pod, name a --kubeconfig")
}
