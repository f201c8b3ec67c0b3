//! Lists names from a cluster for shell completion: metadata only, with a time limit.

use std::sync::mpsc;
use std::time::Duration;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use kube::config::ExecInteractiveMode;
use serde::Deserialize;

use crate::events::EventHandler;
use crate::request::{Request, Resource};
use crate::runtime::block_on;
use crate::session::config::{self, ClusterOptions};
use crate::session::connection::Connection;
use crate::session::credentials::PluginOutput;

/// The maximum number of completion candidates.
const MAX_NAMES: usize = 500;

/// The kind of the objects whose names are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Namespaces.
    Namespace,
    /// The Secrets of one namespace. Only their metadata is requested: no keys and no values.
    Secret,
}

/// Lists the names of up to 500 objects in the cluster, with a single request. Credential plugins run
/// non-interactively.
///
/// `namespace` is the namespace of the Secrets; `None` means the namespace of the kubeconfig's context.
///
/// # Errors
/// Fails if the kubeconfig cannot be used, if the server cannot be reached, rejects the request or sends an invalid
/// response, or after `timeout`.
pub fn list_names(
    options: &ClusterOptions,
    kind: ListedKind,
    namespace: Option<&str>,
    timeout: Duration,
) -> Result<Vec<String>> {
    let (options, namespace) = (options.clone(), namespace.map(str::to_owned));
    let (sender, receiver) = mpsc::channel();
    // kube waits for credential plugins without a time limit, so the request runs in a thread that is abandoned at the
    // timeout.
    std::thread::spawn(move || {
        let names = block_on(request_names(&options, kind, namespace.as_deref(), timeout));
        let _ = sender.send(names);
    });
    receiver.recv_timeout(timeout).unwrap_or_else(|_| Err(listing_error("timed out")))
}

async fn request_names(
    options: &ClusterOptions,
    kind: ListedKind,
    namespace: Option<&str>,
    timeout: Duration,
) -> Result<Vec<String>> {
    let (mut config, origin) = config::load(options).await?;
    if let Some(plugin) = &mut config.auth_info.exec {
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let (kind, plural, namespaced) = match kind {
        ListedKind::Namespace => ("Namespace", "namespaces", false),
        ListedKind::Secret => ("Secret", "secrets", true),
    };
    let (group, version) = (String::new(), "v1".to_owned());
    let resource = Resource { group, version, kind: kind.to_owned(), plural: plural.to_owned(), namespaced };
    let request = Request::list_metadata(&resource, &namespace, MAX_NAMES);
    let config = (config, origin);
    let connection = Connection::open(config, PluginOutput::Discard, Some(timeout), Duration::ZERO, &NoEvents).await?;
    let response = connection.send(&request).await.map_err(|error| error.to_error())?;
    if response.refusal().is_some() {
        return Err(listing_error("the API server rejected the request"));
    }
    let list: PartialObjectMetadataList =
        serde_json::from_slice(&response.body).map_err(|_| listing_error("the response is not a list"))?;
    Ok(list.items.into_iter().map(|item| item.metadata.name).collect())
}

fn listing_error(message: &str) -> Error {
    Error::new(ErrorKind::Cluster, message)
}

/// The part of Kubernetes' `PartialObjectMetadataList` that is read.
#[derive(Deserialize)]
struct PartialObjectMetadataList {
    items: Vec<PartialObjectMetadata>,
}

#[derive(Deserialize)]
struct PartialObjectMetadata {
    metadata: NameMetadata,
}

#[derive(Deserialize)]
struct NameMetadata {
    name: String,
}

/// An event handler that ignores all events, since completion must print only candidates.
struct NoEvents;

impl EventHandler for NoEvents {}
