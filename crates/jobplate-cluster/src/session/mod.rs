//! One session with an API server: the connection, what is known of its kinds, and what every request needs.

pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod interrupt;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::errors::status::{Refused, unauthorized, unknown_kind};
use crate::errors::transport::{Lost, garbled, may_have_been_made};
use crate::events::EventHandler;
use crate::kinds::{Discovered, built_in, group_version};
use crate::namespaces::Namespaces;
use crate::object::InputObject;
use crate::request::{Request, Resource, Verb, WriteOptions};
use crate::session::config::ClusterOptions;
use crate::session::connection::{Answer, Connection};
use crate::session::interrupt::Stop;

/// How long a request that finds no server is tried again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to know of a request whose answer is missing.
const MAY_HAVE_ACTED: &str = "the last request may have been carried out; running again is safe";

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// Which cluster, and as whom.
    pub cluster: ClusterOptions,
    /// `-n`: the namespace of every object that can have one.
    pub namespace: Option<String>,
    /// `--request-timeout`; none for as long as it takes.
    pub request_timeout: Option<Duration>,
    /// `--concurrency`: requests under way at the same time.
    pub concurrency: usize,
    /// Field manager and validation of all that is written.
    pub writing: WriteOptions,
    /// What to do at the second Ctrl-C, while the first one is still giving requests a moment to end.
    pub on_second_interrupt: fn(),
}

/// A session.
pub(crate) struct Session<'e> {
    connection: Connection<'e>,
    kinds: Discovered,
    /// Held while the server is asked about kinds.
    asking: Mutex<()>,
    pub(crate) events: &'e dyn EventHandler,
    pub(crate) writing: WriteOptions,
    pub(crate) concurrency: usize,
    pub(crate) namespaces: Namespaces,
    pub(crate) stop: Stop,
    /// Nothing more can be had of this server. Each of the requests under way can find that out.
    over: Cell<bool>,
}

impl<'e> Session<'e> {
    /// Opens a session; no request is sent yet.
    ///
    /// # Errors
    /// Fails if the configuration can't be read or used.
    pub(crate) async fn open(options: &SessionOptions, events: &'e dyn EventHandler) -> Result<Self> {
        let config = config::load(&options.cluster).await?;
        let namespaces = Namespaces {
            asked: options.namespace.as_deref().map(Rc::from),
            default: config.default_namespace.as_str().into(),
        };
        let connection = Connection::new(config, options.request_timeout, PATIENCE, events)?;
        Ok(Session {
            connection,
            kinds: Discovered::default(),
            asking: Mutex::new(()),
            events,
            writing: options.writing.clone(),
            concurrency: options.concurrency.max(1),
            namespaces,
            stop: Stop::listen(options.on_second_interrupt),
            over: Cell::new(false),
        })
    }

    /// Whether no new request should be begun: Ctrl-C, or the server is gone for good.
    pub(crate) fn is_over(&self) -> bool {
        self.over.get() || self.stop.is_asked()
    }

    /// Sends a request about an object, and passes on the server's warnings.
    ///
    /// # Errors
    /// Fails, at the place of the object where that is known, if no answer came, if the server does not accept the
    /// credentials, or if a gateway answered a write.
    pub(crate) async fn send(&self, request: &Request, subject: &InputObject) -> Result<Answer> {
        match self.try_send(request).await {
            Ok(answer) => {
                if answer.code.as_u16() == 401 {
                    self.over.set(true);
                    return Err(unauthorized());
                }
                if answer.code.is_server_error() && self.connection.is_lost() {
                    self.over.set(true);
                }
                // A gateway's answer says nothing of what became of a request behind it.
                if request.writes && matches!(answer.code.as_u16(), 502..=504) {
                    let reason = format!("the server is not there: {} was the answer", answer.code.as_u16());
                    if !request.repeatable {
                        return Err(may_have_been_made(&reason, subject));
                    }
                    let error = Error::new(ErrorKind::Cluster, format!("{reason} about {}", subject.name()));
                    return Err(subject.place(error.hint(MAY_HAVE_ACTED)));
                }
                answer.warnings.iter().for_each(|text| self.events.on_warning(subject, text));
                Ok(answer)
            }
            Err(lost) => Err(self.lost(&lost, request, subject)),
        }
    }

    /// Sends a request; the caller decides what a missing answer means.
    ///
    /// # Errors
    /// Fails if no answer came.
    pub(crate) async fn try_send(&self, request: &Request) -> Result<Answer, Lost> {
        self.connection.send(request).await
    }

    /// The connection itself, for answers that never end.
    pub(crate) fn connection(&self) -> &Connection<'e> {
        &self.connection
    }

    fn lost(&self, lost: &Lost, request: &Request, subject: &InputObject) -> Error {
        if lost.may_have_acted && !request.repeatable {
            return may_have_been_made(&lost.reason, subject);
        }
        self.over.set(true);
        if !lost.may_have_acted || !request.writes {
            return lost.error();
        }
        let more = lost.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        lost.error().hint(format!("{MAY_HAVE_ACTED}{more}"))
    }

    /// Finds the resource of an object.
    ///
    /// # Errors
    /// Fails as [`Session::find_resource`] does, and if the server has no such kind.
    pub(crate) async fn resource(&self, subject: &InputObject) -> Result<Resource> {
        self.find_resource(subject).await?.ok_or_else(|| subject.place(unknown_kind(subject)))
    }

    /// Finds the resource of an object; none where the server has no such kind. It is asked about kinds that are
    /// not Kubernetes' own, once.
    ///
    /// # Errors
    /// Fails if the request fails, or if the server refuses it or gives an answer that can't be read.
    pub(crate) async fn find_resource(&self, subject: &InputObject) -> Result<Option<Resource>> {
        if let Some(resource) = built_in(&subject.api_version, &subject.kind) {
            return Ok(Some(resource));
        }
        // Others that want the same wait for the one answer.
        let _asking = self.asking.lock().await;
        if let Some(known) = self.kinds.find(&subject.api_version, &subject.kind) {
            return Ok(known);
        }
        let (group, version) = group_version(&subject.api_version);
        let answer = self.send(&Request::discover(group, version), subject).await?;
        match answer.refusal() {
            None => self.kinds.learn(&subject.api_version, &answer.body).ok_or_else(|| garbled(subject))?,
            Some(status) if status.is(404) => return Ok(None),
            Some(status) => {
                let kind = Resource {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: subject.kind.to_string(),
                    plural: subject.kind.to_ascii_lowercase(),
                    namespaced: false,
                };
                return Err(status.error(&Refused::new(subject, &kind, Verb::Get)));
            }
        }
        Ok(self.kinds.find(&subject.api_version, &subject.kind).flatten())
    }

    /// Forgets what is known of a group and version.
    pub(crate) fn forget(&self, api_version: &str) {
        self.kinds.forget(api_version);
    }

    /// Reads the live object; none where there is none.
    ///
    /// # Errors
    /// Fails if the request fails, or if the server refuses it or gives an answer that can't be read.
    pub(crate) async fn live(&self, subject: &InputObject, resource: &Resource, name: &str) -> Result<Option<Value>> {
        let answer = self.send(&Request::get(resource, &subject.namespace, name), subject).await?;
        match answer.refusal() {
            None => answer.object(subject).map(Some),
            Some(status) if status.is(404) => Ok(None),
            Some(status) => Err(status.error(&Refused::new(subject, resource, Verb::Get))),
        }
    }
}
