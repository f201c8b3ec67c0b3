//! Reads run configs (`KubernetesRun` and `UniversalRun`), with the conversions that Prefect applies when it sends
//! them through its API.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use crate::kwargs::{Kwargs, iterate};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::url::split_scheme;
use crate::pyvalue::{string, yaml};

/// A function that reads the file at a path.
pub(super) type ReadFile<'r> = dyn Fn(&str) -> Result<Rc<SourceFile>> + 'r;

/// A run config for Kubernetes.
#[derive(Debug, Default)]
pub struct RunConfig {
    /// The names and values of `env`, in order.
    pub env: Vec<(ValueId, ValueId)>,
    /// `image`
    pub image: Option<ValueId>,
    /// `image_pull_policy`
    pub image_pull_policy: Option<ValueId>,
    /// `image_pull_secrets`
    pub image_pull_secrets: Vec<ValueId>,
    /// `service_account_name`
    pub service_account_name: Option<ValueId>,
    /// The resources. Each has a group (`requests` or `limits`), a key and a value.
    pub resources: Vec<(&'static str, &'static str, ValueId)>,
    /// `job_template`
    pub job_template: Option<ValueId>,
    /// `job_template_path`, if the agent must read the file.
    pub job_template_path: Option<ValueId>,
}

/// The keys of a serialized `KubernetesRun`.
pub(super) const KUBERNETES_RUN_KEYS: [&str; 15] = [
    "kind",
    "type",
    "__version__",
    "env",
    "labels",
    "job_template_path",
    "job_template",
    "image",
    "cpu_limit",
    "cpu_request",
    "memory_limit",
    "memory_request",
    "service_account_name",
    "image_pull_secrets",
    "image_pull_policy",
];

/// The number of keys at the start of [`KUBERNETES_RUN_KEYS`] that `UniversalRun` also has.
const UNIVERSAL_RUN_KEYS: usize = 5;

/// The arguments for resources, in the order in which Prefect sets them: argument, group, key.
const RESOURCES: [(&str, &str, &str); 4] = [
    ("memory_request", "requests", "memory"),
    ("memory_limit", "limits", "memory"),
    ("cpu_request", "requests", "cpu"),
    ("cpu_limit", "limits", "cpu"),
];

impl RunConfig {
    /// Reads a run config: a mapping of the arguments of its class. The key `kind`, or Prefect's own key `type`,
    /// names the class.
    ///
    /// Fails if Prefect rejects the run config, or if the Kubernetes agent does not accept the class.
    pub fn read(arena: &mut Arena, input: ValueId, file: &ReadFile<'_>) -> Result<Self> {
        if !arena.is_truthy(input) {
            return Ok(RunConfig::default());
        }
        let kwargs = read_kwargs(arena, input)?;
        let mut config = RunConfig::default();
        if let Some(env) = kwargs.get(arena, "env") {
            config.env = read_env(arena, env)?;
        }
        if let Some(labels) = kwargs.truthy(arena, "labels") {
            check_labels(arena, labels)?;
        }
        config.read_template(arena, kwargs, file)?;
        config.image = to_string(arena, kwargs.get(arena, "image"))?;
        config.service_account_name = to_string(arena, kwargs.get(arena, "service_account_name"))?;
        if let Some(secrets) = kwargs.get(arena, "image_pull_secrets") {
            config.image_pull_secrets = to_strings(arena, secrets, "`image_pull_secrets`")?;
        }
        if let Some(policy) = kwargs.get(arena, "image_pull_policy") {
            if !["Always", "IfNotPresent", "Never"].iter().any(|known| arena.as_str(policy) == Some(known)) {
                let error = Error::input("invalid `image_pull_policy`");
                return Err(locate(error.hint("use Always, IfNotPresent or Never"), arena.location(policy)));
            }
            config.image_pull_policy = Some(policy);
        }
        for (argument, group, key) in RESOURCES {
            let argument_value = kwargs.get(arena, argument);
            let value = match argument_value.map(|value| arena.get(value)) {
                // Prefect converts the CPU with `str()`, so it does not decode bytes.
                Some(Value::Bytes(_)) if key == "cpu" => argument_value.map(|value| {
                    let printed = string::str(arena, value);
                    arena.alloc(Value::Str(printed), None)
                }),
                _ => to_string(arena, argument_value)?,
            };
            if let Some(value) = value.filter(|value| arena.is_truthy(*value)) {
                config.resources.push((group, key, value));
            }
        }
        Ok(config)
    }

    /// Returns whether the run config has its own template.
    pub fn has_template(&self) -> bool {
        self.job_template.is_some() || self.job_template_path.is_some()
    }

    fn read_template(&mut self, arena: &mut Arena, kwargs: Kwargs, file: &ReadFile<'_>) -> Result<()> {
        let path = kwargs.get(arena, "job_template_path");
        let mut template = kwargs.get(arena, "job_template");
        match (path, template) {
            (Some(_), Some(template)) => {
                let error = Error::input("`job_template` cannot be used with `job_template_path`");
                return Err(locate(error.hint("remove one of them"), arena.location(template)));
            }
            (Some(path), None) => {
                let Some(name) = arena.as_str(path) else {
                    return Err(locate(Error::input("`job_template_path` must be a string"), arena.location(path)));
                };
                match TemplatePath::parse(name) {
                    // Prefect reads this file on the host that registers the flow, not on the agent's host.
                    TemplatePath { scheme, path: local } if scheme == "file" => {
                        let read = file(&local).map_err(|error| {
                            locate_path_error(error, arena, path, "paths are relative to the current directory")
                        })?;
                        template = Some(yaml::load(arena, &read)?);
                    }
                    _ => self.job_template_path = Some(path),
                }
            }
            (None, Some(text)) => {
                if let Value::Str(inner) = arena.get(text).clone() {
                    let source = embedded_source(arena, text, inner);
                    template = Some(yaml::load(arena, &source)?);
                }
            }
            (None, None) => {}
        }
        let Some(template) = template.filter(|template| *arena.get(*template) != Value::None) else { return Ok(()) };
        if arena.as_dict(template).is_none() {
            let error = Error::input(format!(
                "the run config's job template must be a mapping, not {}",
                arena.describe_kind(template)
            ));
            return Err(locate(error, arena.location(template)));
        }
        arena.check_size(template, "the job template")?;
        check_json(arena, template)?;
        // Prefect ignores an empty template.
        self.job_template = arena.is_truthy(template).then(|| arena.deep_copy(template));
        Ok(())
    }
}

/// Reads the arguments of the class that a run config names, `KubernetesRun` by default. Fails if the Kubernetes agent
/// does not accept the class.
fn read_kwargs(arena: &Arena, input: ValueId) -> Result<Kwargs> {
    let named = ["kind", "type"].iter().filter_map(|key| arena.dict_get(input, key));
    let named = named.into_iter().find(|class| *arena.get(*class) != Value::None);
    let class = named.map(|class| string::str(arena, class)).filter(|class| !class.is_empty());
    let class = class.as_deref().unwrap_or("KubernetesRun");
    let known = match class {
        "KubernetesRun" => &KUBERNETES_RUN_KEYS[..],
        "UniversalRun" => &KUBERNETES_RUN_KEYS[..UNIVERSAL_RUN_KEYS],
        _ => {
            let known = ["LocalRun", "DockerRun", "ECSRun", "VertexRun"].contains(&class);
            let class = if known { class } else { "that is named here" };
            let error = Error::input(format!("the Kubernetes agent does not support run configs of the kind {class}"));
            let hint = "use KubernetesRun, or UniversalRun with `env` and `labels`";
            return Err(locate(error.hint(hint), named.and_then(|named| arena.location(named))));
        }
    };
    Kwargs::read(arena, input, known, class)
}

/// Fails if Prefect cannot serialize the labels.
fn check_labels(arena: &mut Arena, labels: ValueId) -> Result<()> {
    to_strings(arena, labels, "`labels`")?;
    if let Value::List(items) = arena.get(labels)
        && let Some(invalid) = items.iter().find(|item| !arena.is_hashable(**item))
    {
        return Err(locate(Error::input("a label of the run config must be a string"), arena.location(*invalid)));
    }
    Ok(())
}

/// Moves an error about a file to the location where its path is written, and adds a hint about the path. Returns the
/// error unchanged if that location is not known.
pub(super) fn locate_path_error(error: Error, arena: &Arena, path: ValueId, hint: &str) -> Error {
    match arena.location(path) {
        None => error,
        location => {
            let name = error.file().map_or(String::new(), |file| format!("`{file}`: "));
            locate(Error::input(format!("{name}{}", error.message())).hint(hint), location)
        }
    }
}

/// Returns a string value as a source file that is embedded in the value's file, or as a redacted source file if the
/// value has no location.
pub(super) fn embedded_source(arena: &Arena, id: ValueId, text: String) -> Rc<SourceFile> {
    match arena.location(id) {
        Some(location) => SourceFile::new_embedded(location, text, false),
        None => SourceFile::new_redacted("-", text),
    }
}

/// Converts a value to a string. Decodes bytes as UTF-8, and fails if they are not UTF-8. Returns `None` if `value` is
/// `None`.
fn to_string(arena: &mut Arena, value: Option<ValueId>) -> Result<Option<ValueId>> {
    let Some(value) = value else { return Ok(None) };
    let text = match arena.get(value) {
        Value::Str(_) | Value::Unknown(_) => return Ok(Some(value)),
        Value::Bytes(bytes) => String::from_utf8(bytes.clone())
            .map_err(|_| locate(Error::input("invalid UTF-8 in binary data"), arena.location(value)))?,
        _ => string::str(arena, value),
    };
    let location = arena.location(value).cloned();
    Ok(Some(arena.alloc(Value::Str(text), location)))
}

/// Converts the items of a list to strings. Fails if an item is `None`. Errors call the list `label`.
fn to_strings(arena: &mut Arena, list: ValueId, label: &str) -> Result<Vec<ValueId>> {
    let items = iterate(arena, list, label)?;
    let mut out = Vec::new();
    for item in items {
        if *arena.get(item) == Value::None {
            return Err(locate(Error::input(format!("an item of {label} must not be null")), arena.location(item)));
        }
        out.extend(to_string(arena, Some(item))?);
    }
    Ok(out)
}

/// Reads `env` and converts its names to strings. Fails if `env` is not a mapping, or if a name is null or cannot be
/// converted.
fn read_env(arena: &mut Arena, env: ValueId) -> Result<Vec<(ValueId, ValueId)>> {
    let Some(pairs) = arena.as_dict(env) else {
        let error =
            Error::input(format!("`env` of the run config must be a mapping, not {}", arena.describe_kind(env)));
        return Err(locate(error.hint("write `env: {NAME: value}`"), arena.location(env)));
    };
    let pairs = pairs.to_vec();
    let named = arena.alloc(Value::empty_dict(), None);
    for (key, value) in pairs {
        if *arena.get(key) == Value::None {
            return Err(locate(
                Error::input("a name in `env` of the run config must not be null"),
                arena.location(key),
            ));
        }
        if let Some(name) = to_string(arena, Some(key))? {
            arena.dict_set(named, name, value);
        }
    }
    Ok(arena.as_dict(named).unwrap_or_default().to_vec())
}

/// Fails if a value cannot be sent to Prefect's API as JSON.
fn check_json(arena: &Arena, id: ValueId) -> Result<()> {
    let fail = |id: ValueId| {
        let error =
            Error::input(format!("{} in the run config's job template cannot be registered", arena.describe_kind(id)));
        Err(locate(error.hint("put it in quotes"), arena.location(id)))
    };
    match arena.get(id) {
        Value::Bytes(_)
        | Value::Timestamp(_)
        | Value::Set(_)
        | Value::Complex(..)
        | Value::Ellipsis
        | Value::Unsupported(_) => fail(id),
        Value::List(items) | Value::Tuple(items) => items.iter().try_for_each(|item| check_json(arena, *item)),
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match arena.get(*key) {
            Value::Bytes(_) | Value::Timestamp(_) | Value::Tuple(_) => fail(*key),
            _ => check_json(arena, *value),
        }),
        _ => Ok(()),
    }
}

/// The path of a job template, parsed like in Prefect (`prefect/utilities/filesystems.py`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplatePath {
    /// The scheme. `file` for paths on this host and for paths without a scheme.
    pub scheme: String,
    /// The path after scheme and host.
    pub path: String,
}

impl TemplatePath {
    /// Parses `[scheme:][//host]path[?...][#...]`.
    pub(super) fn parse(text: &str) -> Self {
        let (scheme, rest) = split_scheme(text);
        let scheme = scheme.unwrap_or_default().to_ascii_lowercase();
        let rest = match rest.strip_prefix("//") {
            Some(host) => &host[host.find(['/', '?', '#']).unwrap_or(host.len())..],
            None => rest,
        };
        let path = rest[..rest.find(['?', '#']).unwrap_or(rest.len())].to_owned();
        let scheme = if matches!(scheme.as_str(), "" | "local") { "file".to_owned() } else { scheme };
        TemplatePath { scheme, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_paths_like_prefect() {
        for (text, scheme, path) in [
            ("a.yaml", "file", "a.yaml"),
            ("/a#b", "file", "/a"),
            ("file:///a", "file", "/a"),
            ("local:///a", "file", "/a"),
            ("agent:///a", "agent", "/a"),
            ("s3://bucket/a", "s3", "/a"),
            ("C:/a", "c", "/a"),
            ("", "file", ""),
        ] {
            assert_eq!(
                TemplatePath::parse(text),
                TemplatePath { scheme: scheme.to_owned(), path: path.to_owned() },
                "{text}"
            );
        }
    }
}
