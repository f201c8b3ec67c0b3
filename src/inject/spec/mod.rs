//! Reads a spec file, which contains the same settings as flags.
//!
//! `layer` validates the settings in the same way as flags. Input paths are returned as they are written in the file.
//!
//! | file | decides |
//! |---|---|
//! | `file` | which keys a spec file may have, and which values are refused while it is read |

mod file;

use std::path::PathBuf;

use jobplate_diagnostic::{Error, LineIndex, Result};
use jobplate_manifest::env::KeyRef;
use jobplate_manifest::names;
use jobplate_yaml::{Document, Node, NodeArena, find_indirection};

pub use self::file::SpecFile;
use self::file::{Spec, Target};
use super::injection::{RequestedVariable, VariableSource};
use super::layer::{self, Layer};

/// Parses a spec file. `file` is the file's name in errors.
///
/// # Errors
///
/// Fails if the text is not YAML or not a valid spec file. The error has a file name, line and column.
pub fn parse(file: &str, text: &str, allow_plaintext: bool) -> Result<Layer> {
    parse_text(file, text, allow_plaintext).map_err(|error| error.in_document(file, 1, text))
}

fn parse_text(file: &str, text: &str, allow_plaintext: bool) -> Result<Layer> {
    let mut arena = NodeArena::default();
    jobplate_yaml::read(text, &mut arena)
        .map_err(|unsupported| Error::usage(unsupported.message()).at(unsupported.offset..unsupported.offset))?;
    let lines = LineIndex::new(text);
    parse_node(Document::new(text, &arena).root(), allow_plaintext, &|start| format!("{file}:{}", lines.line(start)))
}

/// Parses a spec file that is part of another document. Errors have a span of that document. `locate` returns
/// `FILE:LINE` for a position in it.
///
/// # Errors
///
/// Fails if the node is not a valid spec file. The error has a span of the document.
pub fn parse_node(root: Node<'_>, allow_plaintext: bool, locate: &dyn Fn(usize) -> String) -> Result<Layer> {
    check_api_version_and_kind(root)?;
    refuse_indirection(root)?;
    let file: SpecFile = jobplate_yaml::from_node(root, "the spec file")?;
    to_layer(file.spec, root.get_first("spec"), allow_plaintext, locate)
}

/// Refuses a file of another kind. Without this check, the error would only report an unknown key in that file.
fn check_api_version_and_kind(root: Node<'_>) -> Result<()> {
    for (key, expected) in [("apiVersion", "jobplate/v1"), ("kind", "JobPlate")] {
        let value = root.get_first(key);
        if !value.is_some_and(|value| value.has_text(expected)) {
            return Err(Error::usage("not a spec file")
                .at(value.unwrap_or(root).span())
                .hint("start it with `apiVersion: jobplate/v1` and `kind: JobPlate`"));
        }
    }
    Ok(())
}

/// Refuses anchors, aliases, tags and merge keys.
fn refuse_indirection(root: Node<'_>) -> Result<()> {
    match find_indirection(root) {
        None => Ok(()),
        Some((node, construct)) => Err(Error::usage(format!("{construct} is not supported in a spec file"))
            .at(node.span())
            .hint("replace it with its content")),
    }
}

/// Converts `spec` to a layer. Errors have a span of `node`, the node that `spec` was read from.
fn to_layer(
    spec: Spec,
    node: Option<Node<'_>>,
    allow_plaintext: bool,
    locate: &dyn Fn(usize) -> String,
) -> Result<Layer> {
    let child = |key| node.and_then(|node| node.get_first(key));
    let items = |key| child(key).into_iter().flat_map(Node::items);
    let mut layer = Layer::new(allow_plaintext);
    layer.inputs = spec.inputs.into_iter().map(PathBuf::from).collect();
    for (target, node) in spec.targets.iter().zip(items("targets")) {
        let Target { kind, name, key, container } = target;
        let target = layer::parse_target(kind, name.as_deref(), key.as_deref(), container.as_deref());
        target
            .map_err(|error| error.into_error("`targets`"))
            .and_then(|target| layer.add_target(target))
            .map_err(|error| error.at(node.span()))?;
    }
    for setting in spec.prefect.into_settings() {
        layer.set_prefect_setting(setting, "`prefect`")?;
    }
    let keys = child("secrets").into_iter().flat_map(|node| node.entries().map(|(key, _)| key));
    for ((name, secret), node) in spec.secrets.0.into_iter().zip(keys) {
        let origin = secret_path(&name);
        let key = secret.key.unwrap_or_else(|| name.clone());
        names::check_data_key(&key)
            .map_err(|error| error.into_error(&origin))
            .and_then(|()| {
                let reference = KeyRef { name: secret.secret, key, optional: secret.optional };
                let spec_place = Some(locate(node.span().start));
                let source = VariableSource::PrefectSecret { reference, spec_place };
                layer.set_variable(RequestedVariable { name, source }, &origin)
            })
            .map_err(|error| error.at(node.span()))?;
    }
    for (entry, node) in spec.env.into_iter().zip(items("env")) {
        entry
            .into_variable()
            .and_then(|variable| layer.set_variable(variable, "`env`"))
            .map_err(|error| error.at(node.span()))?;
    }
    for (source, node) in spec.env_from.into_iter().zip(items("envFrom")) {
        source.into_env_from().and_then(|source| layer.add_env_from(source)).map_err(|error| error.at(node.span()))?;
    }
    for (name, node) in spec.unset.iter().zip(items("unset")) {
        layer.unset_variable(name, "`unset`").map_err(|error| error.at(node.span()))?;
    }
    Ok(layer)
}

/// Returns the path of a secret in a spec file, `spec.secrets.NAME`, without a name that is not a plain word.
fn secret_path(name: &str) -> String {
    match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        true => format!("`spec.secrets.{name}`"),
        false => "`spec.secrets`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jobplate_prefect::requested_settings::Backend;

    use super::*;

    const HEAD: &str = "apiVersion: jobplate/v1\nkind: JobPlate\n";

    #[test]
    fn reads_every_key() {
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
        assert_eq!(layer.inputs, [PathBuf::from("a.yaml")]);
        let injection = layer.into_injection();
        let names: Vec<_> = injection.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["TOKEN", "OTHER", "Z", "A", "B", "C"]);
        let debug = format!("{:?}", injection.variables);
        for part in
            ["key: \"t\"", "key: \"OTHER\"", "Literal(\"UTC\")", "Field(\"metadata.labels['x']\")", "ConfigMapKey"]
        {
            assert!(debug.contains(part), "{part} in {debug}");
        }
        let prefect = injection.prefect;
        assert_eq!((prefect.backend, prefect.local_secrets), (Some(Backend::Server), Some(false)));
        assert!(prefect.api.is_some() && prefect.api_key.is_some_and(|key| key.optional));
        assert_eq!(injection.env_from[1].prefix, "P_");
        assert!(injection.targets[0].containers.is_some() && injection.targets[1].name.is_none());
        assert_eq!(injection.unset, ["OLD"]);
    }

    #[test]
    fn every_key_below_spec_is_optional() {
        for rest in ["", "spec:", "spec: {}", "spec: {env: , secrets: , prefect: , unset: []}", "metadata: {}"] {
            assert!(parse("x", &format!("{HEAD}{rest}\n"), false).is_ok(), "{rest}");
        }
        assert!(parse("x", "{\"kind\": \"JobPlate\", \"apiVersion\": \"jobplate/v1\"}", false).is_ok());
        // The scanner does not support an explicit key, so the fallback parser must read the spec file.
        assert!(parse("x", &format!("{HEAD}? spec\n: {{}}\n"), false).is_ok());
    }

    #[test]
    fn errors_point_at_the_invalid_node() {
        for (spec, invalid, expected) in [
            ("env: [{name: A}]", "{name: A}", "exactly one value"),
            ("env: [{name: A, value: canary, valueFrom: {}}]", "{name: A, value", "exactly one value"),
            ("env: [{name: A, valueFrom: {}}]", "{name: A, v", "exactly one value"),
            ("env: [{value: canary}]", "{value", "missing `name`"),
            ("env: [{name: A, valeu: canary}]", "valeu", "unknown key `valeu`"),
            ("env: [{name: '=canary', value: a}]", "{name", "`env`: the name of a variable must not"),
            ("env: [{name: API_KEY, value: canary}]", "{name", "`env`: `API_KEY` looks like a secret"),
            ("env: [{name: A, value: a}, {name: A, value: b}]", "{name: A, value: b", "`env` is given twice for `A`"),
            ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: canary}}}]", "canary", "unsupported field"),
            (
                "env: [{name: A, valueFrom: {secretKeyRef: {name: Canary1, key: k}}}]",
                "Canary1",
                "the name of the object must not",
            ),
            (
                "env: [{name: A, valueFrom: {secretKeyRef: {name: c, key: can/ary}}}]",
                "can/ary",
                "invalid Secret or ConfigMap key",
            ),
            ("envFrom: [{}]", "{}", "exactly one source"),
            ("envFrom: [{prefix: '=', secretRef: {name: a}}]", "{prefix", "`prefix`: the name of a variable"),
            ("unset: [A, 'B=canary']", "'B", "`unset`: the name of a variable"),
            ("unset: [A]\n  env: [{name: A, value: canary}]", "A]", "twice: `env` and `unset`"),
            ("secrets: {T: canary}", "canary", "`T` must be a mapping"),
            ("secrets: {T: {key: k}}", "{key", "missing `secret`"),
            ("secrets: {'a/b': {secret: s}}", "'a/b'", "`spec.secrets`: invalid Secret or ConfigMap key"),
            ("secrets: {T: {secret: s, key: ''}}", "T:", "`spec.secrets.T`: the key is missing"),
            (
                "secrets: {PREFECT__X: {secret: s, key: k}}",
                "PREFECT__X",
                "`spec.secrets.PREFECT__X`: `PREFECT__X` already has",
            ),
            ("secrets: {T: {secret: s}, T: {secret: s}}", "T: {secret: s}}", "duplicate key `T`"),
            ("prefect: {api: canary}", "canary", "invalid URL"),
            ("prefect: {backend: canary}", "canary", "`backend` must be `server` or `cloud`"),
            ("prefect: {apiKey: {secret: s}}", "{secret", "missing `key`"),
            ("targets: [{kind: '['}]", "{kind", "`targets`: invalid pattern for the kind"),
            ("inputs: &a [x]", "[x]", "an anchor is not supported"),
            ("env: [{<<: {name: A}}]", "{<<", "a merge key"),
            ("inputs: [!!str x]", "x]", "a tag is not supported"),
        ] {
            let text = format!("{HEAD}spec:\n  {spec}\n");
            let error = parse("x", &text, false).map(|_| ()).expect_err(spec);
            let at = error.location().unwrap_or_else(|| panic!("{spec}: no place")).span.start;
            assert!(text[at..].starts_with(invalid), "{spec}: at {}", &text[at..]);
            let message = format!(
                "{} {}",
                error.message(),
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default()
            );
            assert!(message.contains(expected), "{spec}: {message}");
            assert!(!message.to_lowercase().contains("canary"), "{spec}: {message}");
        }
    }

    #[test]
    fn refuses_files_that_are_not_spec_files() {
        for (text, expected) in [
            ("apiVersion: batch/v1\nkind: Job\nspec: {}\n", "not a spec file"),
            ("kind: JobPlate\n", "not a spec file"),
            ("", "not a spec file"),
            ("[canary]", "not a spec file"),
            ("a: \"canary", "invalid YAML"),
            ("a: b\n---\nc: d\n", "invalid YAML"),
        ] {
            let error = parse("x", text, false).map(|_| ()).unwrap_err();
            assert!(error.message().contains(expected) && !error.message().contains("canary"), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_schema_has_every_key_and_allows_no_others() {
        let schema = serde_json::to_string(&schemars::schema_for!(SpecFile)).unwrap();
        for key in ["envFrom", "apiKey", "localSecrets", "configMapKeyRef", "fieldPath", "container", "annotations"] {
            assert!(schema.contains(&format!("\"{key}\":{{")), "{key}");
        }
        let structs = schema.matches("\"properties\":").count();
        assert_eq!(schema.matches("\"additionalProperties\":false").count(), structs);
        assert!(schema.contains("json-schema.org/draft/2020-12") && !schema.contains("\"$id\""));
    }
}
