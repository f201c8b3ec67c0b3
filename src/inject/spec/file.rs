//! The types of a spec file. `jobplate schema` prints their doc comments and names as a JSON schema.

use std::collections::BTreeMap;
use std::fmt;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::names::{self, ValidationError};
use jobplate_prefect::requested_settings::{self, RequestedSettings};
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::inject::injection::{RequestedVariable, VariableSource};
use crate::inject::layer;

/// What `jobplate render --spec` reads: everything that flags can say about what to set, and where.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "jobplate spec file")]
pub struct SpecFile {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    #[serde(rename = "kind")]
    _kind: SpecKind,
    /// For tools that keep such files; it changes nothing.
    #[serde(default, rename = "metadata")]
    _metadata: Metadata,
    /// What to set, and where.
    #[serde(default)]
    pub(super) spec: Spec,
}

/// The version of this format.
#[derive(serde::Deserialize, JsonSchema)]
enum ApiVersion {
    #[serde(rename = "jobplate/v1")]
    V1,
}

/// The kind of every spec file.
#[derive(serde::Deserialize, JsonSchema)]
enum SpecKind {
    JobPlate,
}

/// Name, labels and annotations of the file itself.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Metadata {
    /// A name for people.
    #[serde(rename = "name")]
    _name: Option<String>,
    /// Free labels.
    #[serde(rename = "labels")]
    _labels: BTreeMap<String, String>,
    /// Free annotations.
    #[serde(rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

/// What to set, and where.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Spec {
    /// Files and directories, relative to this file, or `-`; inputs on the command line replace them.
    pub(super) inputs: Vec<String>,
    #[schemars(description = "The objects to change, like `--target`. Default: Jobs and CronJobs.")]
    pub(super) targets: Vec<Target>,
    /// Prefect's own settings, for job templates, agents and workers.
    pub(super) prefect: Prefect,
    /// Prefect 1 secrets by Prefect's name for them: `--secret`.
    pub(super) secrets: Secrets,
    /// Entries as a container has them: `--env`, `--secret-env`, `--config-env`, `--field-env`.
    pub(super) env: Vec<EnvEntry>,
    /// Sources as a container has them: `--env-from`.
    pub(super) env_from: Vec<EnvFromEntry>,
    /// Variables to remove: `--unset`.
    pub(super) unset: Vec<String>,
}

/// Objects, and their containers, by patterns such as `etl-*`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{kind: KIND, name: NAME}")]
pub(super) struct Target {
    /// The kind, in any case: `Job`, `deployment`, `*`.
    pub(super) kind: String,
    #[schemars(description = "The name. Default: any name.")]
    pub(super) name: Option<String>,
    /// Of a ConfigMap: the key whose text is a document with the objects to change.
    pub(super) key: Option<String>,
    #[schemars(description = "The names of the containers. Default: the first container.")]
    pub(super) container: Option<String>,
}

/// Prefect's own settings.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(super) struct Prefect {
    /// Prefect 1: `--backend`.
    backend: Option<Backend>,
    /// The URL of the API: `--api`.
    #[serde(deserialize_with = "api_url")]
    api: Option<String>,
    /// Where the API key is: `--api-key`.
    api_key: Option<ApiKey>,
    /// Prefect 1: `--local-secrets`.
    local_secrets: Option<bool>,
}

/// The backend of Prefect 1.
#[derive(Clone, Copy, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Backend {
    /// Prefect Server.
    Server,
    /// Prefect Cloud.
    Cloud,
}

/// A key of a Secret.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{secret: NAME, key: KEY}")]
struct ApiKey {
    /// The name of the Secret.
    #[serde(deserialize_with = "secret_name")]
    secret: String,
    /// The key in its data.
    #[serde(deserialize_with = "data_key")]
    key: String,
    /// Whether the pod starts without it.
    #[serde(default)]
    optional: bool,
}

/// A key of a Secret. By default, the key has the name of Prefect's secret.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{secret: NAME, key: KEY}")]
pub(super) struct PrefectSecret {
    /// The name of the Secret.
    #[serde(deserialize_with = "secret_name")]
    pub(super) secret: String,
    #[schemars(description = "The key in the data of the Secret. Default: the name of the Prefect secret.")]
    pub(super) key: Option<String>,
    /// Whether the pod starts without it.
    #[serde(default)]
    pub(super) optional: bool,
}

/// An entry of `env`: `name`, and `value` or `valueFrom`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "{name: NAME, value: VALUE}")]
#[schemars(rename = "Env")]
pub(super) struct EnvEntry {
    /// The name of the variable.
    name: String,
    /// A literal; refused for a name that looks secret, unless `--allow-plaintext` is given.
    value: Option<String>,
    /// Where the value comes from.
    value_from: Option<ValueFrom>,
}

/// Where a value comes from: exactly one of these.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ValueFrom {
    /// A key of a Secret.
    secret_key_ref: Option<KeySelector>,
    /// A key of a ConfigMap.
    config_map_key_ref: Option<KeySelector>,
    /// A field of the pod.
    field_ref: Option<Field>,
}

/// A key of a Secret or ConfigMap.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{name: NAME, key: KEY}")]
#[schemars(rename = "ObjectKey")]
struct KeySelector {
    /// The name of the Secret or ConfigMap.
    #[serde(deserialize_with = "object_name")]
    name: String,
    /// The key in its data.
    #[serde(deserialize_with = "data_key")]
    key: String,
    /// Whether the pod starts without it.
    #[serde(default)]
    optional: bool,
}

/// A field of the pod.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "{fieldPath: PATH}")]
struct Field {
    /// Its path, such as `metadata.name` or `metadata.labels['KEY']`.
    #[serde(deserialize_with = "field_path")]
    field_path: String,
}

/// A source of `envFrom`: exactly one of `secretRef` and `configMapRef`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "{secretRef: {name: NAME}}")]
#[schemars(rename = "Source")]
pub(super) struct EnvFromEntry {
    /// Put before each key.
    #[serde(default)]
    prefix: Option<String>,
    /// A Secret, all of whose keys become variables.
    secret_ref: Option<ObjectReference>,
    /// A ConfigMap, all of whose keys become variables.
    config_map_ref: Option<ObjectReference>,
}

/// A Secret or ConfigMap.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{name: NAME}")]
#[schemars(rename = "Object")]
struct ObjectReference {
    /// Its name.
    #[serde(deserialize_with = "object_name")]
    name: String,
    /// Whether the pod starts without it.
    #[serde(default)]
    optional: bool,
}

/// A mapping, in the order in which it is written.
#[derive(Default, JsonSchema)]
#[schemars(transparent)]
pub(super) struct Secrets(
    #[schemars(with = "BTreeMap<String, PrefectSecret>")] pub(super) Vec<(String, PrefectSecret)>,
);

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretsVisitor;

        impl<'de> Visitor<'de> for SecretsVisitor {
            type Value = Secrets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{NAME: {secret: SECRET, key: KEY}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secrets, A::Error> {
                let mut secrets = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    secrets.push(entry);
                }
                Ok(Secrets(secrets))
            }
        }

        deserializer.deserialize_map(SecretsVisitor)
    }
}

/// Deserializes a string and validates it.
fn validated<'de, D: Deserializer<'de>>(
    deserializer: D,
    check: impl FnOnce(&str) -> Result<(), ValidationError>,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn secret_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    validated(deserializer, |name| names::check_object_name("Secret", name))
}

fn object_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    validated(deserializer, |name| names::check_object_name("object", name))
}

fn data_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    validated(deserializer, names::check_data_key)
}

fn field_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    names::normalize_field_path(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn api_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = Option::<String>::deserialize(deserializer)?;
    url.as_deref().map_or(Ok(()), layer::check_api_url).map_err(D::Error::custom)?;
    Ok(url)
}

impl Prefect {
    /// Returns the settings that are present, each in its own [`RequestedSettings`], so that each is assigned
    /// separately.
    pub(super) fn into_settings(self) -> impl Iterator<Item = RequestedSettings> {
        let backend = self.backend.map(|backend| match backend {
            Backend::Server => requested_settings::Backend::Server,
            Backend::Cloud => requested_settings::Backend::Cloud,
        });
        let api_key = self.api_key.map(|key| KeyRef { name: key.secret, key: key.key, optional: key.optional });
        let unset = RequestedSettings::default;
        let settings = [
            RequestedSettings { backend, ..unset() },
            RequestedSettings { api: self.api, ..unset() },
            RequestedSettings { api_key, ..unset() },
            RequestedSettings { local_secrets: self.local_secrets, ..unset() },
        ];
        settings.into_iter().filter(|setting| !setting.is_empty())
    }
}

impl EnvEntry {
    /// Returns the variable that the entry requests. Fails if the entry does not have exactly one value.
    pub(super) fn into_variable(self) -> Result<RequestedVariable> {
        let value = match (self.value, self.value_from) {
            (Some(value), None) => Some(EnvValue::Literal(value)),
            (None, Some(from)) => from.into_value(),
            _ => None,
        };
        match value {
            Some(value) => Ok(RequestedVariable { name: self.name, source: VariableSource::Entry(value) }),
            None => Err(Error::usage("an entry of `env` must have exactly one value")
                .hint("set `value`, or `valueFrom` with one of `secretKeyRef`, `configMapKeyRef` and `fieldRef`")),
        }
    }
}

impl ValueFrom {
    /// Returns the value if exactly one source is present.
    fn into_value(self) -> Option<EnvValue> {
        match (self.secret_key_ref, self.config_map_key_ref, self.field_ref) {
            (Some(key), None, None) => Some(EnvValue::SecretKey(key.into())),
            (None, Some(key), None) => Some(EnvValue::ConfigMapKey(key.into())),
            (None, None, Some(field)) => Some(EnvValue::Field(field.field_path)),
            _ => None,
        }
    }
}

impl From<KeySelector> for KeyRef {
    fn from(KeySelector { name, key, optional }: KeySelector) -> Self {
        KeyRef { name, key, optional }
    }
}

impl EnvFromEntry {
    /// Returns the `envFrom` source. Fails if the entry does not have exactly one source, or if its prefix is invalid.
    pub(super) fn into_env_from(self) -> Result<EnvFrom> {
        let (kind, object) = match (self.secret_ref, self.config_map_ref) {
            (Some(object), None) => (EnvFromKind::Secret, object),
            (None, Some(object)) => (EnvFromKind::ConfigMap, object),
            _ => {
                return Err(Error::usage("an entry of `envFrom` must have exactly one source")
                    .hint("set `secretRef` or `configMapRef`"));
            }
        };
        let prefix = self.prefix.unwrap_or_default();
        if !prefix.is_empty() {
            names::check_requested_env_name(&prefix).map_err(|error| error.into_error("`prefix`"))?;
        }
        Ok(EnvFrom { prefix, kind, name: object.name, optional: object.optional })
    }
}
