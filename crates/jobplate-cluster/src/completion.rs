//! The names of what is in a cluster, for somebody who types: by metadata alone, within a moment.

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

/// More names than this help nobody who types.
const MOST: usize = 500;

/// What the names are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Namespaces.
    Namespace,
    /// Secrets of one namespace. Neither their values nor their keys are asked for.
    Secret,
}

/// Asks for the names, once; within `patience` there is an answer or an error. Credential plugins ask nobody for
/// anything.
///
/// `namespace`: whose Secrets; the configuration's own, if none is given.
///
/// # Errors
/// Fails if the configuration can't be used, if the server refuses, or if it takes too long.
pub fn list_names(
    options: &ClusterOptions,
    kind: ListedKind,
    namespace: Option<&str>,
    patience: Duration,
) -> Result<Vec<String>> {
    let (options, namespace) = (options.clone(), namespace.map(str::to_owned));
    let (sender, receiver) = mpsc::channel();
    // A credential plugin is waited for without an end; then the thread is left behind.
    std::thread::spawn(move || {
        let asked = block_on(ask(&options, kind, namespace.as_deref(), patience));
        let _ = sender.send(asked);
    });
    receiver.recv_timeout(patience).unwrap_or_else(|_| Err(failed("it took too long")))
}

async fn ask(
    options: &ClusterOptions,
    kind: ListedKind,
    namespace: Option<&str>,
    patience: Duration,
) -> Result<Vec<String>> {
    let mut config = config::load(options).await?;
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
    let request = Request::list_metadata(&resource, &namespace, MOST);
    let connection = Connection::new(config, Some(patience), Duration::ZERO, &Silent)?;
    let answer = connection.send(&request).await.map_err(|lost| lost.error())?;
    if answer.refusal().is_some() {
        return Err(failed("the server refused"));
    }
    let list: MetadataList = serde_json::from_slice(&answer.body).map_err(|_| failed("the answer is no list"))?;
    Ok(list.items.into_iter().map(|item| item.metadata.name).collect())
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Cluster, message)
}

/// All that is read of an answer.
#[derive(Deserialize)]
struct MetadataList {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// Nobody is told anything.
struct Silent;

impl EventHandler for Silent {}
