//! The Prefect settings that a command line or a spec file can ask for.

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
    /// Its name, as flags and Prefect have it.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Server => "server",
            Backend::Cloud => "cloud",
        }
    }
}

/// Settings by what they mean; which variables they become depends on the document.
#[derive(Clone, Debug, Default)]
pub struct RequestedSettings {
    /// `--backend`
    pub backend: Option<Backend>,
    /// `--api`: the URL, as it was given.
    pub api: Option<String>,
    /// `--api-key`
    pub api_key: Option<KeyRef>,
    /// `--local-secrets[=BOOL]`
    pub local_secrets: Option<bool>,
}

impl RequestedSettings {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.backend.is_none() && self.api.is_none() && self.api_key.is_none() && self.local_secrets.is_none()
    }
}
