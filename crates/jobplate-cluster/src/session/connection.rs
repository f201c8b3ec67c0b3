//! The way to the API server: sends requests, with deadlines and our own retries, and gives whole answers.
//!
//! kube brings TLS, credentials and proxies; its errors quote what they are about, so here they become
//! a [`Lost`] (`lost`) that says only what kind of fault it is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{DATE, HeaderMap, RETRY_AFTER, WARNING};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use jobplate_diagnostic::Error;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use serde_json::Value;
use tower::{BoxError, ServiceBuilder};

use crate::errors::status::Status;
use crate::errors::transport::{Lost, garbled, lost};
use crate::events::EventHandler;
use crate::object::InputObject;
use crate::request::Request;

/// The first wait before a request is sent again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest pause that a server may ask for, in seconds; none waits so long.
const LONGEST_ASKED: u64 = 24 * 60 * 60;
/// How long a server that has never answered is tried.
const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub code: StatusCode,
    /// The body.
    pub body: Vec<u8>,
    /// The server's clock when it answered.
    pub date: Option<Timestamp>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// `Warning` headers, as they came: they may hold values.
    pub warnings: Vec<String>,
    /// From when the request was first sent to when the answer was there.
    pub took: Duration,
    /// Whether it was sent more than once.
    pub repeated: bool,
}

impl Answer {
    /// What the server says about a request that it did not fulfil; none for one that it did.
    pub(crate) fn refusal(&self) -> Option<Status> {
        (!self.code.is_success()).then(|| Status::read(self.code, &self.body))
    }

    /// Reads its object.
    ///
    /// # Errors
    /// Fails where it is no object: a proxy's own page, whatever its status.
    pub(crate) fn object(&self, subject: &InputObject) -> Result<Value, Error> {
        let object: Value = serde_json::from_slice(&self.body).map_err(|_| garbled(subject))?;
        let metadata = &object["metadata"];
        if metadata["uid"].is_string() || metadata["resourceVersion"].is_string() {
            Ok(object)
        } else {
            Err(garbled(subject))
        }
    }

    /// Whether a time of the server's clock lies within this request.
    pub(crate) fn is_of_now(&self, time: Timestamp) -> bool {
        // Times in objects have whole seconds.
        let took = i64::try_from(self.took.as_secs()).unwrap_or(i64::MAX).saturating_add(2);
        self.date.is_none_or(|date| date.as_second().saturating_sub(time.as_second()) < took)
    }
}

/// An API server, and how patient we are with it. Requests that are under way together share what is found out about
/// it: that is in cells.
pub(crate) struct Connection<'e> {
    client: Client,
    /// Host and port, for errors.
    server: String,
    /// Whether it is asked without TLS.
    is_plain: bool,
    /// How long one attempt may take; none for as long as it wants.
    timeout: Option<Duration>,
    /// How long a request is tried again.
    patience: Duration,
    events: &'e dyn EventHandler,
    /// Since when every request has failed to reach the server.
    lost_since: Cell<Option<Instant>>,
    /// Whether it has ever answered: if not, its address is more likely wrong than it is down.
    known: Cell<bool>,
}

impl<'e> Connection<'e> {
    /// A connection as it is configured; nothing is sent yet.
    pub(crate) fn new(
        config: Config,
        timeout: Option<Duration>,
        patience: Duration,
        events: &'e dyn EventHandler,
    ) -> Result<Self, Error> {
        let server = config.cluster_url.authority().map_or_else(String::new, |at| {
            // A URL may have a password in it.
            let at = at.as_str();
            at.rsplit_once('@').map_or(at, |(_, host)| host).to_owned()
        });
        let is_plain = config.cluster_url.scheme_str() == Some("http");
        let client = client(config).map_err(|error| lost(&error, &server).error())?;
        Ok(Connection {
            client,
            server,
            is_plain,
            timeout,
            patience,
            events,
            lost_since: Cell::new(None),
            known: Cell::new(false),
        })
    }

    /// Sends a request, again where that is safe and may help, and gives the answer, whatever it says.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Lost> {
        let started = Instant::now();
        let mut wait = FIRST_WAIT;
        let mut may_have_acted = false;
        for attempt in 1.. {
            let outcome = self.once(request, started, attempt > 1).await;
            let why = match &outcome {
                Ok(answer) => self.should_repeat(request, answer),
                Err(lost) => {
                    may_have_acted |= lost.may_have_acted;
                    let safe = request.repeatable || !lost.may_have_acted;
                    (safe && !lost.is_final).then(|| (lost.reason.clone(), None))
                }
            };
            let Some((why, asked)) = why else { return outcome };
            let pause = asked.map_or(wait, |asked| asked.max(wait));
            // Other requests may have waited for the server before.
            let lost_for = self.lost_since.get().map_or(Duration::ZERO, |since| since.elapsed());
            let patience = if self.known.get() { self.patience } else { self.patience.min(FIRST_CONTACT) };
            if started.elapsed() + pause > patience || lost_for + pause > patience {
                return outcome.map_err(|lost| Lost { may_have_acted, ..lost });
            }
            self.events.on_request(&format!("{}: {why}; again in {:.1} s", request.line(), pause.as_secs_f64()));
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        unreachable!("attempts do not run out")
    }

    /// Whether an answer asks for another attempt: why, and after how long.
    fn should_repeat(&self, request: &Request, answer: &Answer) -> Option<(String, Option<Duration>)> {
        let code = answer.code;
        let busy = code == StatusCode::TOO_MANY_REQUESTS;
        let down =
            matches!(code, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY);
        let passing = code == StatusCode::INTERNAL_SERVER_ERROR && Status::read(code, &answer.body).is_passing();
        (busy || request.repeatable && (down || passing))
            .then(|| (format!("the server answered {}", code.as_u16()), answer.retry_after))
    }

    fn note_lost(&self) {
        if self.lost_since.get().is_none() {
            self.lost_since.set(Some(Instant::now()));
        }
    }

    /// Whether no request has been answered since one was given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost_since.get().is_some()
    }

    async fn once(&self, request: &Request, started: Instant, repeated: bool) -> Result<Answer, Lost> {
        let sent = Instant::now();
        let http = request.to_http().map_err(|_| Lost {
            reason: "the request can't be made of this object's name".to_owned(),
            hint: None,
            may_have_acted: false,
            is_final: true,
        })?;
        let exchange = async {
            let response = self.client.send(http).await?;
            let (parts, body) = response.into_parts();
            Ok((parts, body.collect_bytes().await?))
        };
        let outcome = match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, exchange).await,
            None => Ok(exchange.await),
        };
        let outcome = match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(lost(&error, &self.server)),
            Err(_) => Err(self.too_slow()),
        };
        let took = sent.elapsed().as_millis();
        match outcome {
            Ok((parts, body)) => {
                self.known.set(true);
                self.events.on_request(&format!("{}: {} in {took} ms", request.line(), parts.status.as_u16()));
                let answer = Answer {
                    code: parts.status,
                    date: header(&parts.headers, DATE.as_str()).and_then(http_date),
                    warnings: warnings(&parts.headers),
                    retry_after: header(&parts.headers, RETRY_AFTER.as_str()).and_then(seconds),
                    body: body.to_vec(),
                    took: started.elapsed(),
                    repeated,
                };
                // A load balancer that has no server behind it answers, too.
                match self.should_repeat(request, &answer) {
                    Some(_) => self.note_lost(),
                    None => self.lost_since.set(None),
                }
                Ok(answer)
            }
            Err(mut lost) => {
                self.note_lost();
                // A server that wants TLS hangs up on whoever does not speak it.
                if self.is_plain && !self.known.get() && lost.may_have_acted {
                    lost.hint
                        .get_or_insert("does the server want https:// in the `server` of the kubeconfig?".to_owned());
                }
                Err(lost)
            }
        }
    }

    /// Sends a request whose answer goes on and on, such as a log; the deadline is for its beginning only.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Result<Body, Status>, Lost> {
        let http = request.to_http().map_err(|_| self.too_slow())?;
        let begun = self.client.send(http);
        let response = match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, begun).await.map_err(|_| self.too_slow())?,
            None => begun.await,
        };
        let response = response.map_err(|error| lost(&error, &self.server))?;
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Ok(Ok(body));
        }
        let body = body.collect_bytes().await.map_err(|error| lost(&error, &self.server))?;
        Ok(Err(Status::read(parts.status, &body)))
    }

    fn too_slow(&self) -> Lost {
        Lost {
            reason: format!("the API server at {} took too long to answer", self.server),
            hint: Some("give it more time with --request-timeout".to_owned()),
            may_have_acted: true,
            is_final: false,
        }
    }
}

/// kube's client, but that small packets are not held back: its own waits 40 ms for the first answer.
fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(Client::new(service, config.default_namespace))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_ASKED)))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// The texts of `Warning: 299 - "text"` headers.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok());
    texts
        .map(|text| {
            let quoted = text.find('"').map_or(text, |at| &text[at + 1..]);
            quoted.trim_end_matches('"').replace("\\\"", "\"")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server() {
        assert_eq!(http_date("Tue, 24 Nov 2026 16:26:00 GMT").unwrap().to_string(), "2026-11-24T16:26:00Z");
        let answer = |seconds| Answer {
            code: StatusCode::OK,
            body: Vec::new(),
            date: http_date("Tue, 24 Nov 2026 16:26:10 GMT"),
            retry_after: None,
            warnings: Vec::new(),
            took: Duration::from_secs(seconds),
            repeated: false,
        };
        let time: Timestamp = "2026-11-24T16:26:07Z".parse().unwrap();
        assert!(!answer(0).is_of_now(time));
        assert!(answer(2).is_of_now(time));
    }

    #[test]
    fn warnings_without_their_frame() {
        let mut headers = HeaderMap::new();
        headers.append(WARNING, "299 - \"spec: \\\"a\\\" is old\"".parse().unwrap());
        headers.append(WARNING, "299 - \"b\"".parse().unwrap());
        assert_eq!(warnings(&headers), ["spec: \"a\" is old", "b"]);
    }
}
