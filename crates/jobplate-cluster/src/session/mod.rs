//! A session with an API server: the connection, the discovered kinds, and the state that all requests share.

mod client;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod credentials;
pub(crate) mod in_cluster;
pub(crate) mod interrupt;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::errors::describe::{unauthorized_error, unknown_kind_error};
use crate::errors::status::RefusedRequest;
use crate::errors::transport::{TransportError, invalid_response_error, unknown_creation_error};
use crate::events::EventHandler;
use crate::kinds::{DiscoveryCache, built_in_resource, split_api_version};
use crate::namespaces::Namespaces;
use crate::object::InputObject;
use crate::request::{Request, Resource, Verb, WriteOptions};
use crate::session::config::ClusterOptions;
use crate::session::connection::{Connection, Response};
use crate::session::credentials::PluginOutput;
use crate::session::interrupt::CancellationToken;

/// The time for which a request is retried while the server cannot be reached.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The hint for a retryable write that got no response, or only an error response from a gateway.
const MAY_HAVE_ACTED: &str = "the last request may have been processed; it is safe to run again";

/// The options of a session.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The options that select the cluster and the user.
    pub cluster: ClusterOptions,
    /// `-n`: the namespace of every namespaced object.
    pub namespace: Option<String>,
    /// `--request-timeout`; `None` for no limit.
    pub request_timeout: Option<Duration>,
    /// `--concurrency`: the maximum number of concurrent requests.
    pub concurrency: usize,
    /// The parameters of all writes.
    pub write_options: WriteOptions,
    /// Called when Ctrl-C and SIGTERM cancel the run instead of ending the process.
    pub on_listening: fn(),
    /// The function that is called at the second Ctrl-C or SIGTERM. It can end the process without waiting for pending
    /// requests.
    pub on_second_interrupt: fn(),
}

/// A session with an API server.
pub(crate) struct Session<'e> {
    connection: Connection<'e>,
    pub(crate) discovery: DiscoveryCache,
    /// A lock that is held during a discovery request so that concurrent tasks do not repeat it.
    discovery_lock: Mutex<()>,
    pub(crate) events: &'e dyn EventHandler,
    pub(crate) write_options: WriteOptions,
    pub(crate) concurrency: usize,
    pub(crate) namespaces: Namespaces,
    pub(crate) cancellation: CancellationToken,
    /// Whether the server is unreachable or rejects the credentials. Concurrent requests share the flag.
    is_unusable: Cell<bool>,
}

impl<'e> Session<'e> {
    /// Opens a session without sending a request.
    ///
    /// # Errors
    /// Fails if the kubeconfig or the credentials cannot be read or used.
    pub(crate) async fn open(options: &SessionOptions, events: &'e dyn EventHandler) -> Result<Self> {
        let (config, origin) = config::load(&options.cluster).await?;
        let namespaces = Namespaces {
            requested: options.namespace.as_deref().map(Rc::from),
            default: config.default_namespace.as_str().into(),
        };
        let timeout = options.request_timeout;
        let connection =
            Connection::open((config, origin), PluginOutput::Inherit, timeout, RETRY_TIMEOUT, events).await?;
        Ok(Session {
            connection,
            discovery: DiscoveryCache::default(),
            discovery_lock: Mutex::new(()),
            events,
            write_options: options.write_options.clone(),
            concurrency: options.concurrency.max(1),
            namespaces,
            cancellation: CancellationToken::listen(options.on_listening, options.on_second_interrupt),
            is_unusable: Cell::new(false),
        })
    }

    /// Returns whether the run should send no more requests, after Ctrl-C or because the server is unusable.
    pub(crate) fn should_stop(&self) -> bool {
        self.is_unusable.get() || self.cancellation.is_cancelled()
    }

    /// Sends a request about an object, and reports the server's warnings.
    ///
    /// # Errors
    /// Fails if there is no response, if the server does not accept the credentials, or if a gateway responds to a
    /// write with an error. All other responses are `Ok`, even if the server rejected the request.
    pub(crate) async fn send(&self, request: &Request, object: &InputObject) -> Result<Response> {
        let response =
            self.try_send(request).await.map_err(|error| self.on_transport_error(&error, request, object))?;
        let code = response.code.as_u16();
        if code == 401 {
            self.is_unusable.set(true);
            return Err(unauthorized_error(self.connection.origin()));
        }
        if response.code.is_server_error() && self.connection.is_unreachable() {
            self.is_unusable.set(true);
        }
        // The gateway does not know whether the server has processed the request, so report that the write may have
        // taken effect.
        if request.is_write && matches!(code, 502..=504) {
            let reason = format!("the API server is unavailable: {code}");
            if !request.is_retryable {
                return Err(unknown_creation_error(&reason, object));
            }
            let error = Error::new(ErrorKind::Cluster, format!("{reason} about {}", object.name()));
            return Err(object.locate(error.hint(MAY_HAVE_ACTED)));
        }
        response.warnings.iter().for_each(|text| self.events.on_warning(object, text));
        Ok(response)
    }

    /// Sends a request. Unlike [`Session::send`], never marks the session as unusable, and reports no warnings.
    ///
    /// # Errors
    /// Fails if there is no response.
    pub(crate) async fn try_send(&self, request: &Request) -> Result<Response, TransportError> {
        self.connection.send(request).await
    }

    /// Returns the connection, for streaming responses.
    pub(crate) fn connection(&self) -> &Connection<'e> {
        &self.connection
    }

    /// Returns the error for a request that got no response. Marks the session as unusable, unless the request was a
    /// creation that the server may have processed.
    fn on_transport_error(&self, error: &TransportError, request: &Request, object: &InputObject) -> Error {
        if error.may_have_acted && !request.is_retryable {
            return unknown_creation_error(&error.reason, object);
        }
        self.is_unusable.set(true);
        if !error.may_have_acted || !request.is_write {
            return error.to_error();
        }
        let more = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        error.to_error().hint(format!("{MAY_HAVE_ACTED}{more}"))
    }

    /// Returns the resource of an object.
    ///
    /// # Errors
    /// Fails if [`Session::find_resource`] fails, or if the server has no such kind.
    pub(crate) async fn resource(&self, object: &InputObject) -> Result<Resource> {
        self.find_resource(object).await?.ok_or_else(|| object.locate(unknown_kind_error(object)))
    }

    /// Looks up the resource of an object: in the built-in table, in the cache, or on the server. Returns `None` if the
    /// server has no such kind.
    ///
    /// # Errors
    /// Fails if the discovery request fails, is rejected, or has an invalid response.
    pub(crate) async fn find_resource(&self, object: &InputObject) -> Result<Option<Resource>> {
        if let Some(resource) = built_in_resource(&object.api_version, &object.kind) {
            return Ok(Some(resource));
        }
        let _lock = self.discovery_lock.lock().await;
        if let Some(cached) = self.discovery.find(&object.api_version, &object.kind) {
            return Ok(cached);
        }
        let (group, version) = split_api_version(&object.api_version);
        let response = self.send(&Request::discover(group, version), object).await?;
        match response.refusal() {
            None => {
                let insertion = self.discovery.insert(&object.api_version, &response.body);
                insertion.ok_or_else(|| invalid_response_error(object))?;
            }
            Some(status) if status.has_code(404) => return Ok(None),
            Some(status) => {
                // The plural name of the kind is unknown, so the error message contains a guess.
                let resource = Resource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: object.kind.to_string(),
                    plural: object.kind.to_ascii_lowercase(),
                    namespaced: false,
                };
                return Err(status.to_error(&RefusedRequest::new(object, &resource, Verb::Get)));
            }
        }
        Ok(self.discovery.find(&object.api_version, &object.kind).flatten())
    }

    /// Reads a live object. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// Fails if the request fails, is rejected, or has an invalid response.
    pub(crate) async fn get_live(
        &self,
        object: &InputObject,
        resource: &Resource,
        name: &str,
    ) -> Result<Option<Value>> {
        let response = self.send(&Request::get(resource, &object.namespace, name), object).await?;
        match response.refusal() {
            None => response.parse_object(object).map(Some),
            Some(status) if status.has_code(404) => Ok(None),
            Some(status) => Err(status.to_error(&RefusedRequest::new(object, resource, Verb::Get))),
        }
    }
}
