//! What a kubeconfig names, and, where the environment asks for it, what is in the cluster.

use std::time::Duration;

use jobplate_cluster::{KubeconfigNames, KubeconfigSource, ListedKind, list_names};

use super::files::Names;
use super::line::Said;

/// The environment variable that lets completion ask the cluster: `1`.
const ASK: &str = "JOBPLATE_COMPLETE_CLUSTER";

/// How long somebody who has pressed Tab waits.
const PATIENCE: Duration = Duration::from_millis(1500);

type Pairs = Vec<(String, String)>;

/// The kubeconfig's names for a flag: contexts, clusters, users.
pub(crate) fn kubeconfig(said: &Said, of: fn(KubeconfigNames) -> Vec<String>) -> Pairs {
    let files = said.cluster.as_ref().and_then(|cluster| cluster.kubeconfigs.as_ref());
    let files = files.filter(|files| are_files(files));
    let names = files.and_then(|files| KubeconfigNames::read(files).ok());
    names.map(of).into_iter().flatten().map(|name| (name, String::new())).collect()
}

/// Whether they can be read without waiting for anybody.
fn are_files(kubeconfigs: &KubeconfigSource) -> bool {
    match kubeconfigs {
        KubeconfigSource::Flag(path) | KubeconfigSource::Default(path) => path.is_file(),
        KubeconfigSource::Env(paths) => paths.iter().all(|path| path.is_file() || !path.exists()),
        KubeconfigSource::InCluster => true,
    }
}

/// The Secrets that files speak of, and those of the cluster.
pub(crate) fn secret_names(said: &Said, found: Names) -> Pairs {
    with_those_of_the_cluster(said, found, ListedKind::Secret)
}

/// The namespaces that files speak of, and those of the cluster.
pub(crate) fn namespaces(said: &Said, found: Names) -> Pairs {
    with_those_of_the_cluster(said, found, ListedKind::Namespace)
}

fn with_those_of_the_cluster(said: &Said, mut found: Names, kind: ListedKind) -> Pairs {
    if let Some(cluster) = &said.cluster
        && cluster.kubeconfigs.as_ref().is_some_and(are_files)
        && std::env::var_os(ASK).is_some_and(|ask| ask == "1")
    {
        let names = list_names(cluster, kind, said.namespace.as_deref(), PATIENCE);
        names.unwrap_or_default().into_iter().for_each(|name| found.add(name, "in the cluster"));
    }
    found.into_pairs()
}
