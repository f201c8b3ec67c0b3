//! Checks the settings of an agent's container. Finds the additional variables that a setting needs, and reports
//! settings that have no effect.
//!
//! The differences between versions come from `Agent.__init__`, `Client.__init__` and `start_agent` of prefect 0.14.22,
//! 0.15.13 and 1.4.1.

use std::borrow::Cow;

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::{EnvValue, EnvVar, KeyRef};
use jobplate_yaml::{Node, NodeKind};

use crate::generation;
use crate::requested_settings::{Backend, RequestedSettings};
use crate::variables::{API, API_KEY, BACKEND, CLOUD_API_URL, LOCAL_SECRETS};

/// The deprecated variable for the API key. Agents before 0.15.0 read only this variable. Prefect 0.15 passes its
/// value, or the API key if the value is empty, to flow runs as `PREFECT__CLOUD__AUTH_TOKEN`. Prefect 1.0 and later
/// ignore the variable, but `prefect agent kubernetes install --key` still sets it in addition to the current variable.
pub const TOKEN: &str = "PREFECT__CLOUD__AGENT__AUTH_TOKEN";

/// The hint for `USE_LOCAL_SECRETS`, which is not needed.
pub const LOCAL_SECRETS_HINT: &str =
    "do not set it: with Prefect Server, flows read secrets from their environment without it";

/// The first version of Prefect that supports API keys.
const FIRST_WITH_KEYS: [u32; 2] = [0, 15];

/// An agent's container before jobplate edits it.
#[derive(Clone, Copy)]
pub struct AgentContainer<'a>(pub Node<'a>);

/// The current value of a variable.
enum CurrentValue<'a> {
    Unset,
    Text(Cow<'a, str>),
    Reference(Node<'a>),
}

impl<'a> AgentContainer<'a> {
    /// Returns an entry for the deprecated variable if it must contain the API key, too. This is the case if the
    /// agent's version reads only this variable, or if the variable is set and would keep an old key or a key in
    /// plain text. Returns `None` if the settings have no API key.
    pub fn token_variable(self, settings: &RequestedSettings) -> Option<EnvVar> {
        let key = settings.api_key.as_ref()?;
        let is_needed = self.knows_only_tokens() || !matches!(self.current_value(TOKEN), CurrentValue::Unset);
        is_needed.then(|| EnvVar { name: TOKEN.to_owned(), value: EnvValue::SecretKey(key.clone()) })
    }

    /// Returns notes about settings of this container, which is part of `object`.
    ///
    /// `set` contains the names of all variables that the current run sets. `sets_token` is true if these include the
    /// variable of [`Self::token_variable`].
    pub fn notes(self, settings: &RequestedSettings, object: &str, set: &[&str], sets_token: bool) -> Vec<Diagnostic> {
        let mut notes = Vec::new();
        if let Some(key) = settings.api_key.as_ref().filter(|_| sets_token) {
            notes.extend(self.token_note(key, object));
        }
        for (variable, long, short) in OVERRIDING_OPTIONS {
            if set.contains(&variable) && self.has_start_option(long, short) {
                let text = format!("the command of {object} has {long}, which overrides {variable}");
                let help = format!("remove {long} from the command");
                notes.push(Diagnostic::warning("overridden-variable", text).help(help));
            }
        }
        if settings.backend.is_some() || settings.api.is_some() {
            notes.extend(self.api_note(settings, object, set));
        }
        if settings.local_secrets.is_some() {
            let text =
                format!("{LOCAL_SECRETS} has no effect on {object}: an agent sets it to \"false\" in every flow run");
            notes.push(Diagnostic::warning("ignored-variable", text).help(LOCAL_SECRETS_HINT));
        }
        notes
    }

    fn token_note(self, key: &KeyRef, object: &str) -> Option<Diagnostic> {
        let note = |text| Diagnostic::info("token-variable", text);
        match self.current_value(TOKEN) {
            CurrentValue::Text(_) => {
                Some(note(format!("{TOKEN} of {object} is set to the same reference as {API_KEY}")))
            }
            CurrentValue::Reference(own) if !refers_to(own, key) => Some(note(format!(
                "{TOKEN} of {object} referred to another key; it is set to the same reference as {API_KEY}"
            ))),
            CurrentValue::Unset => {
                let text = format!("{TOKEN} is set too: {object} runs Prefect before 0.15.0, which ignores {API_KEY}");
                Some(note(text))
            }
            CurrentValue::Reference(_) => None,
        }
    }

    /// Returns a note if the backend and the API do not match after the settings are applied.
    fn api_note(self, settings: &RequestedSettings, object: &str, set: &[&str]) -> Option<Diagnostic> {
        // A variable that is set by name can refer to a Secret, so its value is unknown.
        let is_named = |name: &str, setting: bool| set.contains(&name) && !setting;
        if is_named(BACKEND, settings.backend.is_some()) || is_named(API, settings.api.is_some()) {
            return None;
        }
        let has_env_from = self.0.get_first("envFrom").is_some_and(|list| list.items().next().is_some());
        let backend = match (settings.backend, self.current_value(BACKEND)) {
            (Some(backend), _) => backend,
            (None, CurrentValue::Text(text)) if text == "server" => Backend::Server,
            (None, CurrentValue::Text(text)) if text == "cloud" => Backend::Cloud,
            (None, CurrentValue::Unset) if !has_env_from => Backend::Cloud,
            (None, _) => return None,
        };
        let api = match (&settings.api, self.current_value(API)) {
            (Some(api), _) => Some(Cow::Borrowed(api.as_str())),
            (None, CurrentValue::Text(text)) if !text.contains("$(") => Some(text),
            (None, CurrentValue::Unset) if !has_env_from => None,
            (None, _) => return None,
        };
        if self.has_start_option("--api", "-a") {
            return None;
        }
        let (text, help) = match (backend, api) {
            (Backend::Server, Some(api)) if is_prefect_cloud(&api) => {
                let text = format!(
                    "{API} of {object} is the URL of Prefect Cloud ({CLOUD_API_URL}), but the backend is `server`"
                );
                (text, "pass the URL of Prefect Server with --api URL".to_owned())
            }
            (Backend::Server, None) if !self.configures_server() => {
                let text = format!(
                    "{object} has no {API}: the agent and its flow runs use the default URL, which is localhost in each pod"
                );
                (text, "pass the URL of Prefect Server with --api URL, unless the image sets it".to_owned())
            }
            (Backend::Cloud, Some(api))
                if !is_prefect_cloud(&api) && (settings.api.is_none() || settings.backend.is_none()) =>
            {
                let help = match settings.api {
                    None => format!("add --api {CLOUD_API_URL}"),
                    Some(_) => "add --backend server for Prefect Server".to_owned(),
                };
                (format!("{API} of {object} is not the URL of Prefect Cloud, but the backend is `cloud`"), help)
            }
            _ => return None,
        };
        Some(Diagnostic::warning("backend-api-mismatch", text).help(help))
    }

    fn knows_only_tokens(self) -> bool {
        generation::image_version(self.0).is_some_and(|version| version.as_slice() < FIRST_WITH_KEYS.as_slice())
    }

    /// Returns whether a variable configures Prefect Server, such as its host.
    fn configures_server(self) -> bool {
        let names = self.entries().filter_map(|entry| entry.get_first("name").and_then(Node::text));
        names.into_iter().any(|name| name.starts_with("PREFECT__SERVER__"))
    }

    /// Returns whether the command that starts the agent has the option `long`, or its short form `short`.
    fn has_start_option(self, long: &str, short: &str) -> bool {
        let line = generation::command_line(self.0);
        line.split_whitespace()
            .skip_while(|word| *word != "start")
            .any(|word| word.split('=').next() == Some(long) || word.starts_with(short) && !word.starts_with("--"))
    }

    fn entries(self) -> impl Iterator<Item = Node<'a>> {
        self.0.get_first("env").into_iter().flat_map(|list| list.items().collect::<Vec<_>>())
    }

    fn current_value(self, name: &str) -> CurrentValue<'a> {
        // If several entries have the same name, Kubernetes uses the last entry.
        let entry = self
            .entries()
            .filter(|entry| entry.get_first("name").is_some_and(|entry_name| entry_name.has_text(name)))
            .last();
        let Some(entry) = entry else { return CurrentValue::Unset };
        match (entry.get_first("value"), entry.get_first("valueFrom")) {
            (Some(value), _) => match value.text().filter(|text| !text.is_empty() && !value.is_null()) {
                Some(text) => CurrentValue::Text(text),
                None => CurrentValue::Unset,
            },
            (None, Some(from)) if from.kind() == NodeKind::Map => CurrentValue::Reference(from),
            _ => CurrentValue::Unset,
        }
    }
}

/// Options of `prefect agent kubernetes start` that override a variable: the variable, the long option and the short
/// option.
const OVERRIDING_OPTIONS: [(&str, &str, &str); 3] =
    [(API, "--api", "-a"), (API_KEY, "--key", "-k"), (TOKEN, "--token", "-t")];

fn is_prefect_cloud(api: &str) -> bool {
    let host = api.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next());
    host.is_some_and(|host| host == "prefect.io" || host.ends_with(".prefect.io"))
}

fn refers_to(from: Node<'_>, key: &KeyRef) -> bool {
    let secret_ref = from.get_first("secretKeyRef");
    let matches = |part: &str, text: &str| {
        secret_ref.and_then(|secret_ref| secret_ref.get_first(part)).is_some_and(|secret_ref| secret_ref.has_text(text))
    };
    matches("name", &key.name) && matches("key", &key.key)
}
