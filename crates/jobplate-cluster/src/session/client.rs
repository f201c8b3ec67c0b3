//! Sends HTTP requests with valid credentials. kube handles TLS and proxies.

use std::cell::{Cell, RefCell};

use http::StatusCode;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jobplate_diagnostic::Error;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tokio::sync::Mutex;
use tower::{BoxError, ServiceBuilder};

use super::config::kubeconfig_error;
use super::credentials::{Credentials, PluginOutput};
use crate::errors::transport::{ConfigOrigin, ServerTarget, TransportError};

/// kube's client with credentials that are read again if they have expired or are rejected.
pub(super) struct AuthenticatedClient {
    /// The client for the current credentials.
    client: RefCell<Client>,
    /// The credentials, and the configuration that contains them. Locked while they are read.
    credentials: Mutex<(Credentials, Config)>,
    /// Whether the credentials can be read again.
    is_renewable: bool,
    /// The number of times that the credentials were read again.
    read_count: Cell<usize>,
    /// The server, for messages.
    target: ServerTarget,
}

impl AuthenticatedClient {
    /// Creates a client without sending a request. Reads the token file or runs the credential plugin.
    ///
    /// # Errors
    /// Fails if the credentials cannot be read, or if the certificates or the proxy of the configuration cannot be used.
    pub(super) async fn open(
        mut config: Config,
        origin: ConfigOrigin,
        plugin_output: PluginOutput,
    ) -> Result<Self, Error> {
        let proxy = config.proxy_url.as_ref().map(host_and_port);
        let has_authority = config.root_cert.is_some() || config.root_cert_file.is_some();
        let target = ServerTarget { address: host_and_port(&config.cluster_url), proxy, origin, has_authority };
        let credentials = Credentials::load(&mut config, plugin_output).await.map_err(|error| error.to_error())?;
        let client = RefCell::new(build_client(config.clone(), &target)?);
        Ok(AuthenticatedClient {
            client,
            is_renewable: credentials.is_renewable(),
            credentials: Mutex::new((credentials, config)),
            read_count: Cell::new(0),
            target,
        })
    }

    /// Returns the server, for messages.
    pub(super) fn target(&self) -> &ServerTarget {
        &self.target
    }

    /// Returns kube's client with credentials that have not expired.
    ///
    /// # Errors
    /// Fails if expired credentials cannot be read again.
    pub(super) async fn current(&self) -> Result<Client, TransportError> {
        self.renew(None).await
    }

    /// Sends an HTTP request. If the server rejects the credentials, reads them and sends the request again: the server
    /// has not processed it.
    ///
    /// # Errors
    /// Fails if the credentials cannot be read, or if there is no response.
    pub(super) async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Body>, TransportError> {
        let send = |client: Client, request: http::Request<Vec<u8>>| async move {
            let response = client.send(request.map(Body::from)).await;
            response.map_err(|error| TransportError::from_kube(&error, &self.target))
        };
        let (client, read_count) = (self.current().await?, self.read_count.get());
        let repeated_request = self.is_renewable.then(|| request.clone());
        let response = send(client, request).await?;
        match repeated_request.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            Some(request) => send(self.renew(Some(read_count)).await?, request).await,
            None => Ok(response),
        }
    }

    /// Returns kube's client. Reads the credentials again if they have expired, or if those of the read with the number
    /// `rejected` are still in use.
    async fn renew(&self, rejected: Option<usize>) -> Result<Client, TransportError> {
        let mut guard = self.credentials.lock().await;
        let (credentials, config) = &mut *guard;
        if credentials.is_expired() || rejected == Some(self.read_count.get()) {
            credentials.read(config).await?;
            self.read_count.set(self.read_count.get() + 1);
            let client = build_client(config.clone(), &self.target).map_err(|error| {
                let reason = error.message().to_owned();
                TransportError { reason, hint: None, may_have_acted: false, is_permanent: true }
            })?;
            self.client.replace(client);
        }
        Ok(self.client.borrow().clone())
    }
}

/// Returns the host and port of a URL. Omits the user information, which may contain a password.
fn host_and_port(url: &http::Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}

/// Creates a client, and converts the error if a certificate or the proxy cannot be used.
fn build_client(config: Config, target: &ServerTarget) -> Result<Client, Error> {
    create_client(config).map_err(|error| match error {
        kube::Error::InferKubeconfig(error) => kubeconfig_error(&error),
        error => TransportError::from_kube(&error, target).to_error(),
    })
}

/// Creates a client like kube's own, but with `TCP_NODELAY`. Without this option, the first response is delayed by 40
/// ms. Uses kube's own client if a proxy is configured.
fn create_client(config: Config) -> Result<Client, kube::Error> {
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
