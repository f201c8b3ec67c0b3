//! Run configs: what a flow asks for (`KubernetesRun` and `UniversalRun`), written down and read again as on its way
//! through Prefect's API.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use crate::kwargs::{Kwargs, iterate};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::{send, text, yaml};

/// Reads a file that a path names.
pub(super) type ReadFile<'r> = dyn Fn(&str) -> Result<Rc<Text>> + 'r;

/// A run config for Kubernetes. Texts are texts by now; a value that is absent is none.
#[derive(Debug, Default)]
pub struct RunConfig {
    /// Names and values, in order.
    pub env: Vec<(Id, Id)>,
    /// `image`
    pub image: Option<Id>,
    /// `image_pull_policy`
    pub image_pull_policy: Option<Id>,
    /// `image_pull_secrets`
    pub image_pull_secrets: Vec<Id>,
    /// `service_account_name`
    pub service_account_name: Option<Id>,
    /// Of `requests` and `limits`: the key, and what it is set to.
    pub resources: Vec<(&'static str, &'static str, Id)>,
    /// The template itself.
    pub job_template: Option<Id>,
    /// Where the agent reads it.
    pub job_template_path: Option<Id>,
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
    pub fn read(heap: &mut Heap, given: Id, file: &ReadFile<'_>) -> Result<Self> {
        if !heap.is_true(given) {
            return Ok(RunConfig::default());
        }
        let named = ["kind", "type"].iter().filter_map(|key| heap.item(given, key));
        let named = named.into_iter().find(|class| *heap.get(*class) != Data::None);
        let class = named.map(|class| text::str(heap, class)).filter(|class| !class.is_empty());
        let class = class.as_deref().unwrap_or("KubernetesRun");
        let known = match class {
            "KubernetesRun" => &KUBERNETES[..],
            "UniversalRun" => &KUBERNETES[..UNIVERSAL],
            _ => {
                let known = ["LocalRun", "DockerRun", "ECSRun", "VertexRun"].contains(&class);
                let class = if known { class } else { "that is named here" };
                let error = Error::input(format!("the Kubernetes agent takes no run config of the kind {class}"));
                let hint = "it takes KubernetesRun, and of UniversalRun env and labels";
                return Err(at(error.hint(hint), named.and_then(|named| heap.place(named))));
            }
        };
        let kwargs = Kwargs::read(heap, given, known, class)?;
        let mut config = RunConfig::default();
        if let Some(env) = kwargs.get(heap, "env") {
            config.env = read_env(heap, env)?;
        }
        if let Some(labels) = kwargs.truthy(heap, "labels") {
            texts(heap, labels, "`labels`")?;
            if let Data::List(items) = heap.get(labels)
                && let Some(odd) = items.iter().find(|item| !heap.is_hashable(**item))
            {
                return Err(at(Error::input("a label of the run config is no text"), heap.place(*odd)));
            }
        }
        config.read_template(heap, kwargs, file)?;
        config.image = text_of(heap, kwargs.get(heap, "image"))?;
        config.service_account_name = text_of(heap, kwargs.get(heap, "service_account_name"))?;
        if let Some(secrets) = kwargs.get(heap, "image_pull_secrets") {
            config.image_pull_secrets = texts(heap, secrets, "`image_pull_secrets`")?;
        }
        if let Some(policy) = kwargs.get(heap, "image_pull_policy") {
            if !["Always", "IfNotPresent", "Never"].iter().any(|known| heap.str(policy) == Some(known)) {
                let error = Error::input("`image_pull_policy` is none that Prefect knows");
                return Err(at(error.hint("it is Always, IfNotPresent or Never"), heap.place(policy)));
            }
            config.image_pull_policy = Some(policy);
        }
        for (argument, group, key) in RESOURCES {
            let given = kwargs.get(heap, argument);
            let value = match given.map(|given| heap.get(given)) {
                // Python prints what is no text, before all others are read as text.
                Some(Data::Bytes(_)) if key == "cpu" => given.map(|given| {
                    let printed = text::str(heap, given);
                    heap.put(Data::Str(printed), None)
                }),
                _ => text_of(heap, given)?,
            };
            if let Some(value) = value.filter(|value| heap.is_true(*value)) {
                config.resources.push((group, key, value));
            }
        }
        Ok(config)
    }

    /// Whether it brings a template of its own.
    pub fn has_template(&self) -> bool {
        self.job_template.is_some() || self.job_template_path.is_some()
    }

    fn read_template(&mut self, heap: &mut Heap, kwargs: Kwargs, file: &ReadFile<'_>) -> Result<()> {
        let path = kwargs.get(heap, "job_template_path");
        let mut template = kwargs.get(heap, "job_template");
        match (path, template) {
            (Some(_), Some(template)) => {
                let error = Error::input("`job_template` and `job_template_path` are both given");
                return Err(at(error.hint("leave one of them out"), heap.place(template)));
            }
            (Some(path), None) => {
                let Some(name) = heap.str(path) else {
                    return Err(at(Error::input("`job_template_path` must be text"), heap.place(path)));
                };
                match Path::parse(name) {
                    // Where the flow is registered, not where its agent runs.
                    Path { scheme, path: local } if scheme == "file" => {
                        let read = file(&local)
                            .map_err(|error| at_path(error, heap, path, "paths are relative to the current folder"))?;
                        template = Some(yaml::load(heap, &read)?);
                    }
                    _ => self.job_template_path = Some(path),
                }
            }
            (None, Some(text)) => {
                if let Data::Str(inner) = heap.get(text).clone() {
                    let source = inner_text(heap, text, inner);
                    template = Some(yaml::load(heap, &source)?);
                }
            }
            (None, None) => {}
        }
        let Some(template) = template.filter(|template| *heap.get(*template) != Data::None) else { return Ok(()) };
        if heap.dict(template).is_none() {
            let error =
                Error::input(format!("the run config's job template is {}, not a mapping", heap.kind(template)));
            return Err(at(error, heap.place(template)));
        }
        if heap.is_larger_than(template, send::MOST) {
            return Err(at(
                Error::input("aliases make this template larger than any Job can be"),
                heap.place(template),
            ));
        }
        check_json(heap, template)?;
        // An empty one is none.
        self.job_template = heap.is_true(template).then(|| heap.deep_copy(template));
        Ok(())
    }
}

/// An error about a file, with the place that names the file, and what may be wrong with the name.
pub(super) fn at_path(error: Error, heap: &Heap, path: Id, hint: &str) -> Error {
    match heap.place(path) {
        None => error,
        place => {
            let name = error.file().map_or(String::new(), |file| format!("`{file}`: "));
            at(Error::input(format!("{name}{}", error.message())).hint(hint), place)
        }
    }
}

/// A text within a text as a source of its own. Lines of it are those of the whole, where it is a literal block.
pub(super) fn inner_text(heap: &Heap, id: Id, text: String) -> Rc<Text> {
    match heap.place(id) {
        Some(place) => Text::embedded(place, text, false),
        None => Text::unshown("-", text),
    }
}

/// A value as text, bytes as the text that they are; none stays none.
fn text_of(heap: &mut Heap, value: Option<Id>) -> Result<Option<Id>> {
    let Some(value) = value else { return Ok(None) };
    let text = match heap.get(value) {
        Data::Str(_) | Data::Unknown(_) => return Ok(Some(value)),
        Data::Bytes(bytes) => String::from_utf8(bytes.clone())
            .map_err(|_| at(Error::input("binary data that is no text"), heap.place(value)))?,
        _ => text::str(heap, value),
    };
    let place = heap.place(value).cloned();
    Ok(Some(heap.put(Data::Str(text), place)))
}

/// Items as texts. Fails at one that is empty.
fn texts(heap: &mut Heap, list: Id, what: &str) -> Result<Vec<Id>> {
    let items = iterate(heap, list, what)?;
    let mut out = Vec::new();
    for item in items {
        if *heap.get(item) == Data::None {
            return Err(at(Error::input(format!("an item of {what} is empty")), heap.place(item)));
        }
        out.extend(text_of(heap, Some(item))?);
    }
    Ok(out)
}

/// Names become texts, values stay as they are.
fn read_env(heap: &mut Heap, env: Id) -> Result<Vec<(Id, Id)>> {
    let Some(pairs) = heap.dict(env) else {
        let error = Error::input(format!("`env` of the run config is {}, not a mapping", heap.kind(env)));
        return Err(at(error.hint("write `env: {NAME: value}`"), heap.place(env)));
    };
    let pairs = pairs.to_vec();
    let named = heap.put(Data::Dict(Vec::new()), None);
    for (key, value) in pairs {
        if *heap.get(key) == Data::None {
            return Err(at(Error::input("a name in `env` of the run config is empty"), heap.place(key)));
        }
        if let Some(name) = text_of(heap, Some(key))? {
            heap.set(named, name, value);
        }
    }
    Ok(heap.dict(named).unwrap_or_default().to_vec())
}

/// Fails at a value that Prefect's API can't be sent.
fn check_json(heap: &Heap, id: Id) -> Result<()> {
    let fail = |id: Id| {
        let error = Error::input(format!("{} in the run config's job template can't be registered", heap.kind(id)));
        Err(at(error.hint("put it in quotes"), heap.place(id)))
    };
    match heap.get(id) {
        Data::Bytes(_) | Data::Time(_) | Data::Set(_) | Data::Complex(..) | Data::Ellipsis | Data::Other(_) => fail(id),
        Data::List(items) | Data::Tuple(items) => items.iter().try_for_each(|item| check_json(heap, *item)),
        Data::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match heap.get(*key) {
            Data::Bytes(_) | Data::Time(_) | Data::Tuple(_) => fail(*key),
            _ => check_json(heap, *value),
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
