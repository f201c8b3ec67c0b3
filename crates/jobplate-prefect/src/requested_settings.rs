//! The Prefect settings that a command line or a spec file can request.

use jobplate_manifest::env::KeyRef;

/// The backend of Prefect 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Prefect Server.
    Server,
    /// Prefect Cloud.
    Cloud,
}

impl Backend {
    /// Returns the name of the backend in flags and in Prefect's settings.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Server => "server",
            Backend::Cloud => "cloud",
        }
    }
}

/// Requested settings. The variables that set them depend on the generation of Prefect.
#[derive(Clone, Debug, Default)]
pub struct RequestedSettings {
    /// `--backend`
    pub backend: Option<Backend>,
    /// `--api`: the URL, unchanged.
    pub api: Option<String>,
    /// `--api-key`
    pub api_key: Option<KeyRef>,
    /// `--local-secrets[=BOOL]`
    pub local_secrets: Option<bool>,
}

impl RequestedSettings {
    /// Returns whether no setting is requested.
    pub fn is_empty(&self) -> bool {
        self.backend.is_none() && self.api.is_none() && self.api_key.is_none() && self.local_secrets.is_none()
    }
}
