//! Run configs: what a flow asks for (`KubernetesRun` and `UniversalRun`), written down and read again as on its way
//! through Prefect's API.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use crate::kwargs::{Kwargs, iterate};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::{serialize, string, yaml};

/// Reads a file that a path names.
pub(super) type ReadFile<'r> = dyn Fn(&str) -> Result<Rc<SourceFile>> + 'r;

/// A run config for Kubernetes. Texts are texts by now; a value that is absent is none.
#[derive(Debug, Default)]
pub struct RunConfig {
    /// Names and values, in order.
    pub env: Vec<(ValueId, ValueId)>,
    /// `image`
    pub image: Option<ValueId>,
    /// `image_pull_policy`
    pub image_pull_policy: Option<ValueId>,
    /// `image_pull_secrets`
    pub image_pull_secrets: Vec<ValueId>,
    /// `service_account_name`
    pub service_account_name: Option<ValueId>,
    /// Of `requests` and `limits`: the key, and what it is set to.
    pub resources: Vec<(&'static str, &'static str, ValueId)>,
    /// The template itself.
    pub job_template: Option<ValueId>,
    /// Where the agent reads it.
    pub job_template_path: Option<ValueId>,
}

/// What `KubernetesRun` takes, and how it is named.
pub(super) const KUBERNETES: [&str; 15] = [
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

/// The first of them that every run config takes.
const UNIVERSAL: usize = 5;

/// The order in which Prefect sets resources.
const RESOURCES: [(&str, &str, &str); 4] = [
    ("memory_request", "requests", "memory"),
    ("memory_limit", "limits", "memory"),
    ("cpu_request", "requests", "cpu"),
    ("cpu_limit", "limits", "cpu"),
];

impl RunConfig {
    /// Reads a run config: the arguments of its class, with `kind` or Prefect's own `type` for the class. Fails where
    /// Prefect does, and where the agent takes no run config of the class.
    pub fn read(arena: &mut Arena, given: ValueId, file: &ReadFile<'_>) -> Result<Self> {
        if !arena.is_truthy(given) {
            return Ok(RunConfig::default());
        }
        let named = ["kind", "type"].iter().filter_map(|key| arena.dict_get(given, key));
        let named = named.into_iter().find(|class| *arena.get(*class) != Value::None);
        let class = named.map(|class| string::str(arena, class)).filter(|class| !class.is_empty());
        let class = class.as_deref().unwrap_or("KubernetesRun");
        let known = match class {
            "KubernetesRun" => &KUBERNETES[..],
            "UniversalRun" => &KUBERNETES[..UNIVERSAL],
            _ => {
                let known = ["LocalRun", "DockerRun", "ECSRun", "VertexRun"].contains(&class);
                let class = if known { class } else { "that is named here" };
                let error = Error::input(format!("the Kubernetes agent takes no run config of the kind {class}"));
                let hint = "it takes KubernetesRun, and of UniversalRun env and labels";
                return Err(locate(error.hint(hint), named.and_then(|named| arena.location(named))));
            }
        };
        let kwargs = Kwargs::read(arena, given, known, class)?;
        let mut config = RunConfig::default();
        if let Some(env) = kwargs.get(arena, "env") {
            config.env = read_env(arena, env)?;
        }
        if let Some(labels) = kwargs.truthy(arena, "labels") {
            texts(arena, labels, "`labels`")?;
            if let Value::List(items) = arena.get(labels)
                && let Some(odd) = items.iter().find(|item| !arena.is_hashable(**item))
            {
                return Err(locate(Error::input("a label of the run config is no text"), arena.location(*odd)));
            }
        }
        config.read_template(arena, kwargs, file)?;
        config.image = text_of(arena, kwargs.get(arena, "image"))?;
        config.service_account_name = text_of(arena, kwargs.get(arena, "service_account_name"))?;
        if let Some(secrets) = kwargs.get(arena, "image_pull_secrets") {
            config.image_pull_secrets = texts(arena, secrets, "`image_pull_secrets`")?;
        }
        if let Some(policy) = kwargs.get(arena, "image_pull_policy") {
            if !["Always", "IfNotPresent", "Never"].iter().any(|known| arena.as_str(policy) == Some(known)) {
                let error = Error::input("`image_pull_policy` is none that Prefect knows");
                return Err(locate(error.hint("it is Always, IfNotPresent or Never"), arena.location(policy)));
            }
            config.image_pull_policy = Some(policy);
        }
        for (argument, group, key) in RESOURCES {
            let given = kwargs.get(arena, argument);
            let value = match given.map(|given| arena.get(given)) {
                // Python prints what is no text, before all others are read as text.
                Some(Value::Bytes(_)) if key == "cpu" => given.map(|given| {
                    let printed = string::str(arena, given);
                    arena.alloc(Value::Str(printed), None)
                }),
                _ => text_of(arena, given)?,
            };
            if let Some(value) = value.filter(|value| arena.is_truthy(*value)) {
                config.resources.push((group, key, value));
            }
        }
        Ok(config)
    }

    /// Whether it brings a template of its own.
    pub fn has_template(&self) -> bool {
        self.job_template.is_some() || self.job_template_path.is_some()
    }

    fn read_template(&mut self, arena: &mut Arena, kwargs: Kwargs, file: &ReadFile<'_>) -> Result<()> {
        let path = kwargs.get(arena, "job_template_path");
        let mut template = kwargs.get(arena, "job_template");
        match (path, template) {
            (Some(_), Some(template)) => {
                let error = Error::input("`job_template` and `job_template_path` are both given");
                return Err(locate(error.hint("leave one of them out"), arena.location(template)));
            }
            (Some(path), None) => {
                let Some(name) = arena.as_str(path) else {
                    return Err(locate(Error::input("`job_template_path` must be text"), arena.location(path)));
                };
                match Path::parse(name) {
                    // Where the flow is registered, not where its agent runs.
                    Path { scheme, path: local } if scheme == "file" => {
                        let read = file(&local)
                            .map_err(|error| at_path(error, arena, path, "paths are relative to the current folder"))?;
                        template = Some(yaml::load(arena, &read)?);
                    }
                    _ => self.job_template_path = Some(path),
                }
            }
            (None, Some(text)) => {
                if let Value::Str(inner) = arena.get(text).clone() {
                    let source = inner_text(arena, text, inner);
                    template = Some(yaml::load(arena, &source)?);
                }
            }
            (None, None) => {}
        }
        let Some(template) = template.filter(|template| *arena.get(*template) != Value::None) else { return Ok(()) };
        if arena.as_dict(template).is_none() {
            let error = Error::input(format!(
                "the run config's job template is {}, not a mapping",
                arena.describe_kind(template)
            ));
            return Err(locate(error, arena.location(template)));
        }
        if arena.exceeds_size(template, serialize::MAX_VALUES) {
            return Err(locate(
                Error::input("aliases make this template larger than any Job can be"),
                arena.location(template),
            ));
        }
        check_json(arena, template)?;
        // An empty one is none.
        self.job_template = arena.is_truthy(template).then(|| arena.deep_copy(template));
        Ok(())
    }
}

/// An error about a file, with the place that names the file, and what may be wrong with the name.
pub(super) fn at_path(error: Error, arena: &Arena, path: ValueId, hint: &str) -> Error {
    match arena.location(path) {
        None => error,
        location => {
            let name = error.file().map_or(String::new(), |file| format!("`{file}`: "));
            locate(Error::input(format!("{name}{}", error.message())).hint(hint), location)
        }
    }
}

/// A text within a text as a source of its own. Lines of it are those of the whole, where it is a literal block.
pub(super) fn inner_text(arena: &Arena, id: ValueId, text: String) -> Rc<SourceFile> {
    match arena.location(id) {
        Some(location) => SourceFile::new_embedded(location, text, false),
        None => SourceFile::new_redacted("-", text),
    }
}

/// A value as text, bytes as the text that they are; none stays none.
fn text_of(arena: &mut Arena, value: Option<ValueId>) -> Result<Option<ValueId>> {
    let Some(value) = value else { return Ok(None) };
    let text = match arena.get(value) {
        Value::Str(_) | Value::Unknown(_) => return Ok(Some(value)),
        Value::Bytes(bytes) => String::from_utf8(bytes.clone())
            .map_err(|_| locate(Error::input("binary data that is no text"), arena.location(value)))?,
        _ => string::str(arena, value),
    };
    let location = arena.location(value).cloned();
    Ok(Some(arena.alloc(Value::Str(text), location)))
}

/// Items as texts. Fails at one that is empty.
fn texts(arena: &mut Arena, list: ValueId, what: &str) -> Result<Vec<ValueId>> {
    let items = iterate(arena, list, what)?;
    let mut out = Vec::new();
    for item in items {
        if *arena.get(item) == Value::None {
            return Err(locate(Error::input(format!("an item of {what} is empty")), arena.location(item)));
        }
        out.extend(text_of(arena, Some(item))?);
    }
    Ok(out)
}

/// Names become texts, values stay as they are.
fn read_env(arena: &mut Arena, env: ValueId) -> Result<Vec<(ValueId, ValueId)>> {
    let Some(pairs) = arena.as_dict(env) else {
        let error = Error::input(format!("`env` of the run config is {}, not a mapping", arena.describe_kind(env)));
        return Err(locate(error.hint("write `env: {NAME: value}`"), arena.location(env)));
    };
    let pairs = pairs.to_vec();
    let named = arena.alloc(Value::empty_dict(), None);
    for (key, value) in pairs {
        if *arena.get(key) == Value::None {
            return Err(locate(Error::input("a name in `env` of the run config is empty"), arena.location(key)));
        }
        if let Some(name) = text_of(arena, Some(key))? {
            arena.dict_set(named, name, value);
        }
    }
    Ok(arena.as_dict(named).unwrap_or_default().to_vec())
}

/// Fails at a value that Prefect's API can't be sent.
fn check_json(arena: &Arena, id: ValueId) -> Result<()> {
    let fail = |id: ValueId| {
        let error =
            Error::input(format!("{} in the run config's job template can't be registered", arena.describe_kind(id)));
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

/// A path as Prefect takes it apart (`prefect/utilities/filesystems.py`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// `file` for those of this machine; `agent` for the agent's; else as it is written.
    pub scheme: String,
    /// What stands behind scheme and host.
    pub path: String,
}

impl Path {
    /// Takes `[scheme:][//host]path[?...][#...]` apart.
    pub(super) fn parse(text: &str) -> Self {
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        };
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => (String::new(), text),
        };
        let rest = match rest.strip_prefix("//") {
            Some(host) => &host[host.find(['/', '?', '#']).unwrap_or(host.len())..],
            None => rest,
        };
        let path = rest[..rest.find(['?', '#']).unwrap_or(rest.len())].to_owned();
        let scheme = if matches!(scheme.as_str(), "" | "local") { "file".to_owned() } else { scheme };
        Path { scheme, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_prefect_does() {
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
            assert_eq!(Path::parse(text), Path { scheme: scheme.to_owned(), path: path.to_owned() }, "{text}");
        }
    }
}
