//! Sends requests to the API server, with timeouts and retries, and returns complete responses.
//!
//! kube's errors may quote secrets, so this module converts each of them to a [`TransportError`].

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::stream::Stream;
use http::StatusCode;
use http::header::{DATE, HeaderMap, RETRY_AFTER, WARNING};
use jiff::Timestamp;
use jobplate_diagnostic::Error;
use kube::Config;
use kube::client::Body;
use kube::core::WatchEvent;
use serde_json::Value;

use crate::errors::status::Status;
use crate::errors::transport::{ConfigOrigin, TransportError, invalid_response_error};
use crate::events::EventHandler;
use crate::object::InputObject;
use crate::request::Request;
use crate::session::client::AuthenticatedClient;
use crate::session::credentials::PluginOutput;

/// The pause before the first retry. It doubles with each retry.
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
/// The maximum pause, unless the server asks for a longer pause.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// The maximum value of `Retry-After`, in seconds. Longer values are shortened, since they could overflow a deadline.
const MAX_RETRY_AFTER_SECONDS: u64 = 24 * 60 * 60;
/// The time for which requests are retried if the server has never responded.
const FIRST_CONTACT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time after which a note reports that a server which has responded before does not respond any more.
const RETRY_NOTE_DELAY: Duration = Duration::from_secs(3);

/// A complete HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The HTTP status code.
    pub code: StatusCode,
    pub body: Vec<u8>,
    /// The time of the response by the server's clock (`Date`).
    pub date: Option<Timestamp>,
    /// The pause that the server asks for before a retry (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The messages in the `Warning` headers. They may contain the object's values.
    pub warnings: Vec<String>,
    /// The time from the first attempt to the complete response.
    pub elapsed: Duration,
    /// Whether the request was sent more than once.
    pub was_retried: bool,
}

impl Response {
    /// Returns the server's status if it rejected the request, or `None` if the request succeeded.
    pub(crate) fn refusal(&self) -> Option<Status> {
        (!self.code.is_success()).then(|| Status::read(self.code, &self.body))
    }

    /// Returns whether the body is an object of the API, such as a Job or a `Status`.
    pub(crate) fn is_object(&self) -> bool {
        serde_json::from_slice::<Value>(&self.body).is_ok_and(|value| value["kind"].is_string())
    }

    /// Parses the body as a Kubernetes object.
    ///
    /// # Errors
    /// Fails if the body is not a Kubernetes object, such as a proxy's login page with status 200.
    pub(crate) fn parse_object(&self, object: &InputObject) -> Result<Value, Error> {
        let value: Value = serde_json::from_slice(&self.body).map_err(|_| invalid_response_error(object))?;
        let metadata = &value["metadata"];
        if metadata["uid"].is_string() || metadata["resourceVersion"].is_string() {
            Ok(value)
        } else {
            Err(invalid_response_error(object))
        }
    }

    /// Returns whether a time by the server's clock may be between the first attempt of the request and the response.
    /// Returns true if the response has no date.
    pub(crate) fn covers(&self, time: Timestamp) -> bool {
        // Both times are whole seconds, so each may be up to a second off.
        let elapsed = i64::try_from(self.elapsed.as_secs()).unwrap_or(i64::MAX).saturating_add(2);
        self.date.is_none_or(|date| date.as_second().saturating_sub(time.as_second()) < elapsed)
    }
}

/// A connection to an API server. The cells hold the server's state, which concurrent requests share.
pub(crate) struct Connection<'e> {
    client: AuthenticatedClient,
    /// The scheme and address of the server, for `-v`.
    base_url: String,
    /// The time limit for one attempt; `None` for no limit.
    request_timeout: Option<Duration>,
    /// The time for which a request is retried.
    retry_timeout: Duration,
    events: &'e dyn EventHandler,
    /// The start of the period in which no request has reached the server, or `None` if the last request reached the
    /// server.
    unreachable_since: Cell<Option<Instant>>,
    /// Whether the server has ever responded. If it has not, its address is probably wrong, and requests are retried
    /// for a shorter time.
    has_responded: Cell<bool>,
    /// Whether a note has reported the retries since the server last processed a request.
    has_noted_retries: Cell<bool>,
}

impl<'e> Connection<'e> {
    /// Creates a connection without sending a request. Reads the token file or runs the credential plugin.
    ///
    /// # Errors
    /// Fails if the credentials cannot be read, or if the certificates or the proxy of the configuration cannot be used.
    pub(crate) async fn open(
        (config, origin): (Config, ConfigOrigin),
        plugin_output: PluginOutput,
        request_timeout: Option<Duration>,
        retry_timeout: Duration,
        events: &'e dyn EventHandler,
    ) -> Result<Self, Error> {
        let scheme = config.cluster_url.scheme_str().unwrap_or("https").to_owned();
        let client = AuthenticatedClient::open(config, origin, plugin_output).await?;
        Ok(Connection {
            base_url: format!("{scheme}://{}", client.target().address),
            client,
            request_timeout,
            retry_timeout,
            events,
            unreachable_since: Cell::new(None),
            has_responded: Cell::new(false),
            has_noted_retries: Cell::new(false),
        })
    }

    /// Returns the origin of the configuration.
    pub(crate) fn origin(&self) -> ConfigOrigin {
        self.client.target().origin
    }

    /// Sends a request, and retries it if that is safe and may succeed. Returns the last response, even if the server
    /// rejected the request.
    ///
    /// # Errors
    /// Fails if there is no response.
    pub(crate) async fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let start = Instant::now();
        let mut backoff = INITIAL_BACKOFF;
        let mut may_have_acted = false;
        let mut is_retry = false;
        loop {
            let result = self.send_once(request, start, is_retry).await;
            let retry = match &result {
                Ok(response) => self.retry_reason(request, response),
                Err(error) => {
                    may_have_acted |= error.may_have_acted;
                    let is_safe = request.is_retryable || !error.may_have_acted;
                    (is_safe && !error.is_permanent).then(|| (error.reason.clone(), None))
                }
            };
            let Some((reason, retry_after)) = retry else { return result };
            let pause = retry_after.map_or(backoff, |retry_after| retry_after.max(backoff));
            // Earlier requests may already have waited for the server, so the time of their waits counts as well.
            let unreachable_for = self.unreachable_since.get().map_or(Duration::ZERO, |since| since.elapsed());
            let retry_timeout = match self.has_responded.get() {
                true => self.retry_timeout,
                false => self.retry_timeout.min(FIRST_CONTACT_TIMEOUT),
            };
            if start.elapsed() + pause > retry_timeout || unreachable_for + pause > retry_timeout {
                return result.map_err(|error| TransportError { may_have_acted, ..error });
            }
            let url = request.method_and_url(&self.base_url);
            let line = format!("{url}: {reason}; retrying in {:.1} s", pause.as_secs_f64());
            self.events.on_request(&line);
            if unreachable_for + pause >= RETRY_NOTE_DELAY
                && self.has_responded.get()
                && !self.has_noted_retries.replace(true)
            {
                self.events.on_note(&format!("{reason}; retrying for up to {} s", retry_timeout.as_secs()));
            }
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
            is_retry = true;
        }
    }

    /// Returns the reason for a retry after a response, and the pause that the server asks for. Returns `None` if the
    /// request should not be retried.
    fn retry_reason(&self, request: &Request, response: &Response) -> Option<(String, Option<Duration>)> {
        let code = response.code;
        // Code 429 means that the server has not processed the request, so any request may be repeated.
        let is_overloaded = code == StatusCode::TOO_MANY_REQUESTS;
        let is_down =
            matches!(code, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY);
        let is_transient =
            code == StatusCode::INTERNAL_SERVER_ERROR && Status::read(code, &response.body).is_transient();
        (is_overloaded || request.is_retryable && (is_down || is_transient))
            .then(|| (format!("the API server responded with {}", code.as_u16()), response.retry_after))
    }

    fn mark_unreachable(&self) {
        if self.unreachable_since.get().is_none() {
            self.unreachable_since.set(Some(Instant::now()));
        }
    }

    /// Returns whether the last request failed to reach the server.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.unreachable_since.get().is_some()
    }

    /// Sends a request once, within the request timeout, and updates the server's state. `start` is the time of the
    /// first attempt.
    async fn send_once(&self, request: &Request, start: Instant, is_retry: bool) -> Result<Response, TransportError> {
        let attempt_start = Instant::now();
        let http_request = request.to_http().map_err(|_| invalid_request_error())?;
        let exchange = async {
            let (parts, body) = self.client.send(http_request).await?.into_parts();
            let body = body.collect_bytes().await;
            Ok((parts, body.map_err(|error| TransportError::from_kube(&error, self.client.target()))?))
        };
        match self.within_timeout(exchange).await {
            Ok((parts, body)) => {
                self.has_responded.set(true);
                self.report_request(request, parts.status.as_u16(), attempt_start);
                let response = Response {
                    code: parts.status,
                    date: get_header(&parts.headers, DATE.as_str()).and_then(parse_http_date),
                    warnings: parse_warnings(&parts.headers),
                    retry_after: get_header(&parts.headers, RETRY_AFTER.as_str()).and_then(parse_retry_after),
                    body: body.to_vec(),
                    elapsed: start.elapsed(),
                    was_retried: is_retry,
                };
                // A load balancer responds even if no server is available, so a retryable error counts as unreachable.
                match self.retry_reason(request, &response) {
                    Some(_) => self.mark_unreachable(),
                    None => {
                        self.unreachable_since.set(None);
                        self.has_noted_retries.set(false);
                    }
                }
                Ok(response)
            }
            Err(mut error) => {
                self.mark_unreachable();
                // A server that requires TLS closes plaintext connections, so suggest HTTPS.
                let is_plaintext = self.base_url.starts_with("http://");
                if is_plaintext && !self.has_responded.get() && error.may_have_acted {
                    let hint = "check whether `server` in the kubeconfig needs https://";
                    error.hint.get_or_insert(hint.to_owned());
                }
                Err(error)
            }
        }
    }

    /// Sends a request whose response is a stream, such as a log. The timeout applies until the response begins. The
    /// request is not retried.
    ///
    /// # Errors
    /// Fails if there is no response. If the server rejects the request, the result is `Ok(Err(status))`.
    pub(crate) async fn stream(&self, request: &Request) -> Result<Result<Body, Status>, TransportError> {
        let http_request = request.to_http().map_err(|_| invalid_request_error())?;
        let start = Instant::now();
        let (parts, body) = self.within_timeout(self.client.send(http_request)).await?.into_parts();
        self.report_request(request, parts.status.as_u16(), start);
        if parts.status.is_success() {
            return Ok(Ok(body));
        }
        let body =
            body.collect_bytes().await.map_err(|error| TransportError::from_kube(&error, self.client.target()))?;
        Ok(Err(Status::read(parts.status, &body)))
    }

    /// Opens a watch. The timeout applies until the response begins. The request is not retried.
    ///
    /// # Errors
    /// Fails if there is no response. If the server rejects the request, the result is `Ok(Err(code))`.
    pub(crate) async fn watch(
        &self,
        request: &Request,
    ) -> Result<Result<impl Stream<Item = kube::Result<WatchEvent<Value>>> + use<>, u16>, TransportError> {
        let http_request = request.to_http().map_err(|_| invalid_request_error())?;
        let start = Instant::now();
        let open = async {
            match self.client.current().await?.request_events::<Value>(http_request).await {
                Ok(stream) => Ok(Ok(stream)),
                Err(kube::Error::Api(status)) => Ok(Err(status.code)),
                Err(error) => Err(TransportError::from_kube(&error, self.client.target())),
            }
        };
        let result = self.within_timeout(open).await?;
        self.report_request(request, result.as_ref().err().copied().unwrap_or(200), start);
        Ok(result)
    }

    /// Reports a request for `-v`: its method, URL, status code and time.
    fn report_request(&self, request: &Request, code: u16, start: Instant) {
        let (url, millis) = (request.method_and_url(&self.base_url), start.elapsed().as_millis());
        self.events.on_request(&format!("{url}: {code} in {millis} ms"));
    }

    /// Awaits a response within the request timeout.
    async fn within_timeout<T>(
        &self,
        response: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        match self.request_timeout {
            Some(timeout) => tokio::time::timeout(timeout, response).await.map_err(|_| self.timeout_error())?,
            None => response.await,
        }
    }

    fn timeout_error(&self) -> TransportError {
        TransportError {
            reason: format!("timed out waiting for the API server at {}", self.client.target().address),
            hint: Some("raise --request-timeout".to_owned()),
            may_have_acted: true,
            is_permanent: false,
        }
    }
}

/// Returns the error for a request whose path is not a valid URI.
fn invalid_request_error() -> TransportError {
    TransportError {
        reason: "cannot build a request from the name of this object".to_owned(),
        hint: None,
        may_have_acted: false,
        is_permanent: true,
    }
}

fn get_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn parse_retry_after(text: &str) -> Option<Duration> {
    text.parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(MAX_RETRY_AFTER_SECONDS)))
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// Returns the messages from all `Warning` headers, such as `Warning: 299 - "text"`.
fn parse_warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok());
    texts
        .map(|text| {
            let Some((_, quoted)) = text.split_once('"') else { return text.to_owned() };
            let mut message = String::new();
            let mut characters = quoted.chars();
            while let Some(c) = characters.next().filter(|c| *c != '"') {
                message.extend(if c == '\\' { characters.next() } else { Some(c) });
            }
            message
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_times_during_the_request() {
        assert_eq!(parse_http_date("Tue, 24 Nov 2026 16:26:00 GMT").unwrap().to_string(), "2026-11-24T16:26:00Z");
        let response_after = |seconds| Response {
            code: StatusCode::OK,
            body: Vec::new(),
            date: parse_http_date("Tue, 24 Nov 2026 16:26:10 GMT"),
            retry_after: None,
            warnings: Vec::new(),
            elapsed: Duration::from_secs(seconds),
            was_retried: false,
        };
        let time: Timestamp = "2026-11-24T16:26:07Z".parse().unwrap();
        assert!(!response_after(0).covers(time));
        assert!(response_after(2).covers(time));
    }

    #[test]
    fn parses_warning_headers() {
        let mut headers = HeaderMap::new();
        headers.append(WARNING, "299 - \"spec: \\\"a\\\" is old\"".parse().unwrap());
        headers.append(WARNING, "299 - \"b\"".parse().unwrap());
        headers.append(WARNING, r#"299 - "unknown field \"spec.a\"" "Tue, 24 Nov 2026 16:26:10 GMT""#.parse().unwrap());
        assert_eq!(parse_warnings(&headers), ["spec: \"a\" is old", "b", "unknown field \"spec.a\""]);
    }
}
