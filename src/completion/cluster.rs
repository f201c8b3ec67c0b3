//! Completes names from the kubeconfig and, if the environment opts in, from the cluster.

use std::time::Duration;

use jobplate_cluster::{KubeconfigNames, KubeconfigSource, ListedKind, list_names};

use super::files::{NameList, Suggestions};
use super::line::LineContext;

/// The environment variable that allows requests to the cluster, if it is `1`.
const OPT_IN_VARIABLE: &str = "JOBPLATE_COMPLETE_CLUSTER";

/// The timeout of a request: the user waits for it after pressing Tab.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// Lists the names in the kubeconfig that `select` picks: contexts, clusters or users.
pub(crate) fn list_kubeconfig_names(context: &LineContext, select: fn(KubeconfigNames) -> Vec<String>) -> Suggestions {
    let files = context.cluster.as_ref().and_then(|cluster| cluster.kubeconfigs.as_ref());
    let files = files.filter(|files| are_files(files));
    let names = files.and_then(|files| KubeconfigNames::read(files).ok());
    names.map(select).into_iter().flatten().map(|name| (name, String::new())).collect()
}

/// Returns whether the kubeconfigs are regular files. Reading a pipe could block.
fn are_files(kubeconfigs: &KubeconfigSource) -> bool {
    match kubeconfigs {
        KubeconfigSource::Flag(path) | KubeconfigSource::Default(path) => path.is_file(),
        KubeconfigSource::Env(paths) => paths.iter().all(|path| path.is_file() || !path.exists()),
        KubeconfigSource::InCluster(_) => true,
    }
}

/// Adds the names of the cluster's Secrets to the names found in files.
pub(crate) fn list_secrets(context: &LineContext, names: NameList) -> Suggestions {
    add_cluster_names(context, names, ListedKind::Secret)
}

/// Adds the names of the cluster's namespaces to the names found in files.
pub(crate) fn list_namespaces(context: &LineContext, names: NameList) -> Suggestions {
    add_cluster_names(context, names, ListedKind::Namespace)
}

fn add_cluster_names(context: &LineContext, mut names: NameList, kind: ListedKind) -> Suggestions {
    if let Some(cluster) = &context.cluster
        && cluster.kubeconfigs.as_ref().is_some_and(are_files)
        && std::env::var_os(OPT_IN_VARIABLE).is_some_and(|value| value == "1")
    {
        let listed = list_names(cluster, kind, context.namespace.as_deref(), TIMEOUT);
        listed.unwrap_or_default().into_iter().for_each(|name| names.add(name, "in the cluster"));
    }
    names.into_suggestions()
}
