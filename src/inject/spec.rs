//! The spec file: what flags say, kept in a file.
//!
//! Its shape is these types; `schema` prints them for editors. What they hold is checked by the code that
//! checks flags. Knows nothing of paths: its inputs are as they are written.

use std::collections::BTreeMap;
use std::fmt;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::names::{self, ValidationError};
use jobplate_prefect::requested_settings::{self, RequestedSettings};
use jobplate_yaml::{Document, Node, NodeArena, find_indirection};
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::injection::{RequestedVariable, VariableSource};
use super::layer::{self, Layer};

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
    spec: Spec,
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
struct Spec {
    /// Files and directories, relative to this file, or `-`; inputs on the command line replace them.
    inputs: Vec<String>,
    /// The objects to change: `--target`. Jobs and CronJobs, if there is none.
    targets: Vec<Target>,
    /// Prefect's own settings, for job templates, agents and workers.
    prefect: Prefect,
    /// Prefect 1 secrets by Prefect's name for them: `--secret`.
    secrets: Secrets,
    /// Entries as a container has them: `--env`, `--secret-env`, `--config-env`, `--field-env`.
    env: Vec<Env>,
    /// Sources as a container has them: `--env-from`.
    env_from: Vec<Source>,
    /// Variables to remove: `--unset`.
    unset: Vec<String>,
}

/// Objects, and their containers, by patterns such as `etl-*`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Target {
    /// The kind, in any case: `Job`, `deployment`, `*`.
    kind: String,
    /// The name; any, if there is none.
    name: Option<String>,
    /// Of a ConfigMap: the key whose text is a document with the objects to change.
    key: Option<String>,
    /// Containers by name; the first one, if there is none.
    container: Option<String>,
}

/// Prefect's own settings.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Prefect {
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
#[serde(deny_unknown_fields)]
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

/// A key of a Secret, which is called as Prefect's secret is, if nothing else is said.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PrefectSecret {
    /// The name of the Secret.
    #[serde(deserialize_with = "secret_name")]
    secret: String,
    /// The key in its data; Prefect's name for the secret, if there is none.
    key: Option<String>,
    /// Whether the pod starts without it.
    #[serde(default)]
    optional: bool,
}

/// An entry of `env`: `name`, and `value` or `valueFrom`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Env {
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
    secret_key_ref: Option<ObjectKey>,
    /// A key of a ConfigMap.
    config_map_key_ref: Option<ObjectKey>,
    /// A field of the pod.
    field_ref: Option<Field>,
}

/// A key of a Secret or ConfigMap.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ObjectKey {
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
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Field {
    /// Its path, such as `metadata.name` or `metadata.labels['KEY']`.
    #[serde(deserialize_with = "field_path")]
    field_path: String,
}

/// A source of `envFrom`: exactly one of `secretRef` and `configMapRef`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Source {
    /// Put before each key.
    #[serde(default)]
    prefix: Option<String>,
    /// A Secret, all of whose keys become variables.
    secret_ref: Option<Object>,
    /// A ConfigMap, all of whose keys become variables.
    config_map_ref: Option<Object>,
}

/// A Secret or ConfigMap.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Object {
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
struct Secrets(#[schemars(with = "BTreeMap<String, PrefectSecret>")] Vec<(String, PrefectSecret)>);

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Secrets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secrets, A::Error> {
                let mut secrets = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    secrets.push(entry);
                }
                Ok(Secrets(secrets))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    check: impl FnOnce(&str) -> Result<(), ValidationError>,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn secret_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, |name| names::check_object_name("Secret", name))
}

fn object_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, |name| names::check_object_name("object", name))
}

fn data_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, names::check_data_key)
}

fn field_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    names::normalize_field_path(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn api_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = Option::<String>::deserialize(deserializer)?;
    url.as_deref().map_or(Ok(()), layer::check_api_url).map_err(D::Error::custom)?;
    Ok(url)
}

/// Reads a spec file; errors name the place in it.
///
/// # Errors
///
/// Fails, with file, line and column, if the text is not YAML or not a spec file.
pub fn parse(file: &str, text: &str, allow_plaintext: bool) -> Result<Layer> {
    parse_text(text, allow_plaintext).map_err(|error| error.in_document(file, 1, text))
}

fn parse_text(text: &str, allow_plaintext: bool) -> Result<Layer> {
    let mut arena = NodeArena::default();
    jobplate_yaml::read(text, &mut arena).map_err(|unsupported| {
        Error::usage(format!("can't be read as YAML: {}", unsupported.reason))
            .at(unsupported.offset..unsupported.offset)
    })?;
    parse_node(Document::new(text, &arena).root(), allow_plaintext)
}

/// Reads a spec file that stands in a document of another kind; errors have their place in that document.
///
/// # Errors
///
/// Fails, with a span of the document, if the node is not a spec file.
pub fn parse_node(root: Node<'_>, allow_plaintext: bool) -> Result<Layer> {
    check_head(root)?;
    refuse_sharing(root)?;
    let file: SpecFile = jobplate_yaml::from_node(root, "the spec file")?;
    lay(file.spec, root.get_first("spec"), allow_plaintext)
}

/// Says of another file that it is no spec file, not which of its keys are unknown.
fn check_head(root: Node<'_>) -> Result<()> {
    for (key, wanted) in [("apiVersion", "jobplate/v1"), ("kind", "JobPlate")] {
        let own = root.get_first(key);
        if !own.is_some_and(|own| own.has_text(wanted)) {
            return Err(Error::usage("this is no spec file")
                .at(own.unwrap_or(root).span())
                .hint("a spec file begins with `apiVersion: jobplate/v1` and `kind: JobPlate`"));
        }
    }
    Ok(())
}

fn refuse_sharing(root: Node<'_>) -> Result<()> {
    match find_indirection(root) {
        None => Ok(()),
        Some((node, what)) => Err(Error::usage(format!("{what} has no meaning in a spec file"))
            .at(node.span())
            .hint("write out what it stands for")),
    }
}

/// Makes a layer of what was read; the nodes are for the places of errors.
fn lay(spec: Spec, node: Option<Node<'_>>, allow_plaintext: bool) -> Result<Layer> {
    let under = |key| node.and_then(|node| node.get_first(key));
    let items = |key| under(key).into_iter().flat_map(Node::items);
    let mut layer = Layer::new(allow_plaintext);
    layer.inputs = spec.inputs;
    for (target, node) in spec.targets.iter().zip(items("targets")) {
        let Target { kind, name, key, container } = target;
        let target = layer::parse_target(kind, name.as_deref(), key.as_deref(), container.as_deref());
        layer.targets.push(target.map_err(|fault| fault.into_error("`targets`").at(node.span()))?);
    }
    for setting in spec.prefect.settings() {
        layer.set_prefect(setting, "`prefect`")?;
    }
    let keys = under("secrets").into_iter().flat_map(|node| node.entries().map(|(key, _)| key));
    for ((name, secret), node) in spec.secrets.0.into_iter().zip(keys) {
        let key = secret.key.unwrap_or_else(|| name.clone());
        let checked = names::check_data_key(&key).map_err(|fault| fault.into_error("`secrets`"));
        let source = VariableSource::PrefectSecret(KeyRef { name: secret.secret, key, optional: secret.optional });
        let set = checked.and_then(|()| layer.set_variable(RequestedVariable { name, source }, "`secrets`"));
        set.map_err(|error| error.at(node.span()))?;
    }
    for (entry, node) in spec.env.into_iter().zip(items("env")) {
        entry
            .variable()
            .and_then(|variable| layer.set_variable(variable, "`env`"))
            .map_err(|error| error.at(node.span()))?;
    }
    for (source, node) in spec.env_from.into_iter().zip(items("envFrom")) {
        layer.add_env_from(source.source().map_err(|error| error.at(node.span()))?);
    }
    for (name, node) in spec.unset.iter().zip(items("unset")) {
        layer.unset_variable(name, "`unset`").map_err(|error| error.at(node.span()))?;
    }
    Ok(layer)
}

impl Prefect {
    /// One by one.
    fn settings(self) -> impl Iterator<Item = RequestedSettings> {
        let backend = self.backend.map(|backend| match backend {
            Backend::Server => requested_settings::Backend::Server,
            Backend::Cloud => requested_settings::Backend::Cloud,
        });
        let api_key = self.api_key.map(|key| KeyRef { name: key.secret, key: key.key, optional: key.optional });
        let none = RequestedSettings::default;
        let one = [
            RequestedSettings { backend, ..none() },
            RequestedSettings { api: self.api, ..none() },
            RequestedSettings { api_key, ..none() },
            RequestedSettings { local_secrets: self.local_secrets, ..none() },
        ];
        one.into_iter().filter(|setting| !setting.is_empty())
    }
}

impl Env {
    fn variable(self) -> Result<RequestedVariable> {
        let value = match (self.value, self.value_from) {
            (Some(value), None) => Some(EnvValue::Literal(value)),
            (None, Some(from)) => from.value(),
            _ => None,
        };
        match value {
            Some(value) => Ok(RequestedVariable { name: self.name, source: VariableSource::Entry(value) }),
            None => Err(Error::usage("an entry of `env` needs exactly one value")
                .hint("give it `value`, or `valueFrom` with one of `secretKeyRef`, `configMapKeyRef` and `fieldRef`")),
        }
    }
}

impl ValueFrom {
    fn value(self) -> Option<EnvValue> {
        match (self.secret_key_ref, self.config_map_key_ref, self.field_ref) {
            (Some(key), None, None) => Some(EnvValue::SecretKey(key.into())),
            (None, Some(key), None) => Some(EnvValue::ConfigMapKey(key.into())),
            (None, None, Some(field)) => Some(EnvValue::Field(field.field_path)),
            _ => None,
        }
    }
}

impl From<ObjectKey> for KeyRef {
    fn from(ObjectKey { name, key, optional }: ObjectKey) -> Self {
        KeyRef { name, key, optional }
    }
}

impl Source {
    fn source(self) -> Result<EnvFrom> {
        let (kind, object) = match (self.secret_ref, self.config_map_ref) {
            (Some(object), None) => (EnvFromKind::Secret, object),
            (None, Some(object)) => (EnvFromKind::ConfigMap, object),
            _ => {
                return Err(Error::usage("an entry of `envFrom` needs exactly one source")
                    .hint("give it `secretRef` or `configMapRef`"));
            }
        };
        let prefix = self.prefix.unwrap_or_default();
        if !prefix.is_empty() {
            names::check_env_name(&prefix).map_err(|fault| fault.into_error("`prefix`"))?;
        }
        Ok(EnvFrom { prefix, kind, name: object.name, optional: object.optional })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: jobplate/v1\nkind: JobPlate\n";

    #[test]
    fn a_whole_file() {
        let text = format!(
            "{HEAD}metadata: {{name: flows, labels: {{a: b}}, annotations: {{c: d}}}}
spec:
  inputs: [a.yaml]
  targets:
    - {{kind: Job, name: 'etl-*', container: flow}}
    - kind: CronJob
  prefect: {{backend: server, api: 'http://x:4200', apiKey: {{secret: p, key: k, optional: yes}}, localSecrets: false}}
  secrets:
    TOKEN: {{secret: s, key: t}}
    OTHER: {{secret: s}}
  env:
    - {{name: Z, value: UTC}}
    - {{name: A, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}
    - {{name: B, valueFrom: {{configMapKeyRef: {{name: c, key: k, optional: true}}}}}}
    - {{name: C, valueFrom: {{fieldRef: {{fieldPath: \"metadata.labels['x']\"}}}}}}
  envFrom: [{{secretRef: {{name: s}}}}, {{prefix: P_, configMapRef: {{name: c, optional: true}}}}]
  unset: [OLD]
"
        );
        let layer = parse("x", &text, false).unwrap();
        assert_eq!(layer.inputs, ["a.yaml"]);
        let injection = layer.into_injection();
        let names: Vec<_> = injection.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["TOKEN", "OTHER", "Z", "A", "B", "C"]);
        let shown = format!("{:?}", injection.variables);
        for part in
            ["key: \"t\"", "key: \"OTHER\"", "Literal(\"UTC\")", "Field(\"metadata.labels['x']\")", "ConfigMapKey"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let prefect = injection.prefect;
        assert_eq!((prefect.backend, prefect.local_secrets), (Some(requested_settings::Backend::Server), Some(false)));
        assert!(prefect.api.is_some() && prefect.api_key.is_some_and(|key| key.optional));
        assert_eq!(injection.env_from[1].prefix, "P_");
        assert!(injection.targets[0].containers.is_some() && injection.targets[1].name.is_none());
        assert_eq!(injection.unset, ["OLD"]);
    }

    #[test]
    fn little_is_enough() {
        for rest in ["", "spec:", "spec: {}", "spec: {env: , secrets: , prefect: , unset: []}", "metadata: {}"] {
            assert!(parse("x", &format!("{HEAD}{rest}\n"), false).is_ok(), "{rest}");
        }
        assert!(parse("x", "{\"kind\": \"JobPlate\", \"apiVersion\": \"jobplate/v1\"}", false).is_ok());
        // The scanner steps back from an explicit key; the fallback reads it.
        assert!(parse("x", &format!("{HEAD}? spec\n: {{}}\n"), false).is_ok());
    }

    #[test]
    fn faults_have_their_place() {
        for (spec, place, said) in [
            ("env: [{name: A}]", "{name: A}", "exactly one value"),
            ("env: [{name: A, value: canary, valueFrom: {}}]", "{name: A, value", "exactly one value"),
            ("env: [{name: A, valueFrom: {}}]", "{name: A, v", "exactly one value"),
            ("env: [{value: canary}]", "{value", "`name` is missing"),
            ("env: [{name: A, valeu: canary}]", "valeu", "unknown key `valeu`"),
            ("env: [{name: '=canary', value: a}]", "{name", "`env`: a variable's name can't"),
            ("env: [{name: API_KEY, value: canary}]", "{name", "`env`: API_KEY looks like a secret"),
            ("env: [{name: A, value: a}, {name: A, value: b}]", "{name: A, value: b", "A is asked for twice: by `env`"),
            ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: canary}}}]", "canary", "Kubernetes has no such field"),
            (
                "env: [{name: A, valueFrom: {secretKeyRef: {name: Canary1, key: k}}}]",
                "Canary1",
                "the object's name can't",
            ),
            ("env: [{name: A, valueFrom: {secretKeyRef: {name: c, key: can/ary}}}]", "can/ary", "the key is none"),
            ("envFrom: [{}]", "{}", "exactly one source"),
            ("envFrom: [{prefix: '=', secretRef: {name: a}}]", "{prefix", "`prefix`: a variable's name"),
            ("unset: [A, 'B=canary']", "'B", "`unset`: a variable's name"),
            ("unset: [A]\n  env: [{name: A, value: canary}]", "A]", "by `env` and by `unset`"),
            ("secrets: {T: canary}", "canary", "`T` must be a mapping"),
            ("secrets: {T: {key: k}}", "{key", "`secret` is missing"),
            ("secrets: {'a/b': {secret: s}}", "'a/b'", "`secrets`: the key is none"),
            ("secrets: {T: {secret: s, key: ''}}", "T:", "`secrets`: the key is missing"),
            ("secrets: {PREFECT__X: {secret: s, key: k}}", "PREFECT__X", "`secrets`: PREFECT__X is a variable's name"),
            ("secrets: {T: {secret: s}, T: {secret: s}}", "T: {secret: s}}", "the key `T` stands twice"),
            ("prefect: {api: canary}", "canary", "this is no URL"),
            ("prefect: {backend: canary}", "canary", "this must be `server` or `cloud`"),
            ("prefect: {apiKey: {secret: s}}", "{secret", "`key` is missing"),
            ("targets: [{kind: '['}]", "{kind", "`targets`: the kind is no pattern"),
            ("inputs: &a [x]", "[x]", "an anchor has no meaning"),
            ("env: [{<<: {name: A}}]", "{<<", "a merge key"),
            ("inputs: [!!str x]", "x]", "a tag has no meaning"),
        ] {
            let text = format!("{HEAD}spec:\n  {spec}\n");
            let error = parse("x", &text, false).map(|_| ()).expect_err(spec);
            let at = error.location().unwrap_or_else(|| panic!("{spec}: no place")).span.start;
            assert!(text[at..].starts_with(place), "{spec}: at {}", &text[at..]);
            let message = format!(
                "{} {}",
                error.message(),
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default()
            );
            assert!(message.contains(said), "{spec}: {message}");
            assert!(!message.to_lowercase().contains("canary"), "{spec}: {message}");
        }
    }

    #[test]
    fn other_files_are_no_spec_files() {
        for (text, said) in [
            ("apiVersion: batch/v1\nkind: Job\nspec: {}\n", "no spec file"),
            ("kind: JobPlate\n", "no spec file"),
            ("", "no spec file"),
            ("[canary]", "no spec file"),
            ("a: \"canary", "can't be read as YAML"),
            ("a: b\n---\nc: d\n", "can't be read as YAML"),
        ] {
            let error = parse("x", text, false).map(|_| ()).unwrap_err();
            assert!(error.message().contains(said) && !error.message().contains("canary"), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_schema_has_every_key_and_no_others() {
        let schema = serde_json::to_string(&schemars::schema_for!(SpecFile)).unwrap();
        for key in ["envFrom", "apiKey", "localSecrets", "configMapKeyRef", "fieldPath", "container", "annotations"] {
            assert!(schema.contains(&format!("\"{key}\":{{")), "{key}");
        }
        let structs = schema.matches("\"properties\":").count();
        assert_eq!(schema.matches("\"additionalProperties\":false").count(), structs);
        assert!(schema.contains("json-schema.org/draft/2020-12") && !schema.contains("\"$id\""));
    }
}
