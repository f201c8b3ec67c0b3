//! A session with an API server: the connection, the discovered kinds, and the state that all requests share.

mod client;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod credentials;
pub(crate) mod in_cluster;
pub(crate) mod interrupt;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::errors::describe::{unauthorized_error, unknown_kind_error};
use crate::errors::status::{RefusedRequest, Status};
use crate::errors::transport::{TransportError, invalid_response_error, unknown_creation_error};
use crate::events::EventHandler;
use crate::kinds::{DiscoveryCache, built_in_resource, split_api_version};
use crate::namespaces::Namespaces;
use crate::object::InputObject;
use crate::request::{Request, Resource, Verb};
use crate::session::config::ClusterOptions;
use crate::session::connection::{Connection, Response};
use crate::session::credentials::PluginOutput;
use crate::session::interrupt::CancellationToken;
use crate::write_options::WriteOptions;

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
    /// Whether SIGHUP cancels the run like Ctrl-C and SIGTERM. False if the process ignores it, as with `nohup`.
    pub includes_hangup: bool,
    /// Called when Ctrl-C and SIGTERM cancel the run instead of ending the process.
    pub on_listening: fn(),
    /// The function that is called at the second Ctrl-C or SIGTERM. It can end the process without waiting for pending
    /// requests.
    pub on_second_interrupt: fn(),
}

/// A request without a response that can be used.
#[derive(Debug)]
pub(crate) struct SendFailure {
    pub error: Error,
    /// Whether the server may have processed the request.
    pub may_have_acted: bool,
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
    /// The warnings that were already reported, with the locations of their objects.
    reported_warnings: RefCell<HashSet<String>>,
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
            cancellation: CancellationToken::listen(
                options.includes_hangup,
                options.on_listening,
                options.on_second_interrupt,
            ),
            is_unusable: Cell::new(false),
            reported_warnings: RefCell::default(),
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
        self.send_tracked(request, object).await.map_err(|failure| failure.error)
    }

    /// Sends a request like [`Session::send`]. A failure also says whether the server may have processed the request.
    ///
    /// # Errors
    /// Fails like [`Session::send`].
    pub(crate) async fn send_tracked(&self, request: &Request, object: &InputObject) -> Result<Response, SendFailure> {
        let response = self.try_send(request).await.map_err(|error| SendFailure {
            may_have_acted: error.may_have_acted,
            error: self.on_transport_error(&error, request, object),
        })?;
        let code = response.code.as_u16();
        if code == 401 {
            self.is_unusable.set(true);
            // An earlier attempt may have been processed before the credentials expired.
            return Err(SendFailure {
                error: unauthorized_error(self.connection.origin()),
                may_have_acted: response.was_retried,
            });
        }
        if response.code.is_server_error() && self.connection.is_unreachable() {
            self.is_unusable.set(true);
        }
        // The gateway does not know whether the server has processed the request, so report that the write may have
        // taken effect.
        if request.is_write && matches!(code, 502..=504) {
            let reason = format!("the API server is unavailable: {code}");
            let error = match request.is_retryable {
                false => unknown_creation_error(&reason, object),
                true => {
                    let error = Error::new(ErrorKind::Cluster, format!("{reason} about {}", object.name()));
                    object.locate(error.hint(MAY_HAVE_ACTED))
                }
            };
            return Err(SendFailure { error, may_have_acted: true });
        }
        self.report_warnings(request, object, &response).await;
        Ok(response)
    }

    /// Reports the warnings in a response, each once for an object.
    async fn report_warnings(&self, request: &Request, object: &InputObject, response: &Response) {
        let mut live = None;
        for text in &response.warnings {
            let is_new =
                self.reported_warnings.borrow_mut().insert(format!("{}:{}:{text}", object.file(), object.line()));
            if !is_new {
                continue;
            }
            if live.is_none() {
                live = Some(self.live_before(request, response).await);
            }
            let masked = live.as_ref().and_then(Option::as_ref).and_then(|live| self.mask_message(object, live, text));
            self.events.on_warning(object, text, masked.as_deref());
        }
    }

    /// Returns the live object before a request, or null if it did not exist. Returns `None` if it is unknown, because
    /// the request has changed the object or the object cannot be read.
    async fn live_before(&self, request: &Request, response: &Response) -> Option<Value> {
        if request.verb == Verb::Create || response.code.as_u16() == 201 {
            return Some(Value::Null);
        }
        let is_changed = request.is_write && response.code.is_success();
        if is_changed || matches!(request.verb, Verb::Get | Verb::List) {
            return None;
        }
        self.read_or_null(&request.to_get()).await
    }

    /// Sends a request that reads an object. Returns null if the object does not exist, and `None` if it cannot be read.
    async fn read_or_null(&self, get: &Request) -> Option<Value> {
        let response = self.try_send(get).await.ok()?;
        match response.code.as_u16() {
            404 => Some(Value::Null),
            _ if response.code.is_success() => serde_json::from_slice(&response.body).ok(),
            _ => None,
        }
    }

    fn mask_message(&self, object: &InputObject, live: &Value, text: &str) -> Option<String> {
        self.events.mask_message(&[&object.json().ok()?, live], text)
    }

    /// Returns the error for a rejected request, with the server's message if people are meant to read it.
    pub(crate) async fn refusal_error(&self, request: &RefusedRequest<'_>, status: &Status) -> Error {
        let RefusedRequest { object, resource, verb, is_new, .. } = *request;
        let masked = if status.is_permission_missing() {
            // This message quotes no part of the object.
            self.mask_message(object, &Value::Null, status.message())
        } else if let Some(text) = status.admission_message().filter(|_| !matches!(verb, Verb::Get | Verb::List)) {
            let live = match is_new {
                true => Some(Value::Null),
                false => self.read_or_null(&Request::get(resource, &object.namespace, object.name())).await,
            };
            live.and_then(|live| self.mask_message(object, &live, text))
        } else {
            None
        };
        status.to_error(&RefusedRequest { message: masked.as_deref(), ..*request })
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
                return Err(self.refusal_error(&RefusedRequest::new(object, &resource, Verb::Get), &status).await);
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
            Some(status) => Err(self.refusal_error(&RefusedRequest::new(object, resource, Verb::Get), &status).await),
        }
    }
}
