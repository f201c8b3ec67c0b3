//! The steps of a conversion: from the Job of a template to the base job template.

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use super::base::{self, Base};
use super::notes::Notes;
use super::{flow_env, input, overlay, rewrite};
use crate::generation::FLOW_CONTAINER;
use crate::note::Note;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::serialize;
use crate::pyvalue::source::locate;
use crate::variables::secret_name;

/// A finished conversion.
#[derive(Debug)]
pub struct Conversion {
    /// The base job template.
    pub root: ValueId,
    /// What is to be known about it, in the order of the job template.
    pub notes: Vec<Note>,
}

/// Converts a job template; on a base job template, else on a bare one.
///
/// # Errors
/// Fails, with a place, at what is not a Job, and at what a worker could not create.
pub fn convert(arena: &mut Arena, job: ValueId, on: Option<ValueId>) -> Result<Conversion> {
    if arena.exceeds_size(job, serialize::MAX_VALUES) {
        return Err(locate(Error::input("aliases make this larger than any object can be"), arena.location(job)));
    }
    let on = match on {
        Some(on) => on,
        None => base::bare(arena)?,
    };
    let mut base = Base::read(arena, on)?;
    let job = arena.deep_copy(job);
    let parts = input::read(arena, job)?;
    let mut work = Work { arena, base: &mut base, notes: Notes::default(), flow: String::new() };
    work.job(&parts)?;
    let notes = work.notes.sorted();
    serialize::check_serializable(arena, base.root)?;
    Ok(Conversion { root: base.root, notes })
}

/// One conversion.
struct Work<'h> {
    arena: &'h mut Arena,
    base: &'h mut Base,
    notes: Notes,
    /// The name that the flow's container had.
    flow: String,
}

/// Annotations whose value is the name of a container.
const NAMES_CONTAINER: [&str; 2] =
    ["kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container"];

/// Beginnings of annotations whose key ends in the name of a container.
const OF_CONTAINER: [&str; 2] =
    ["container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"];

/// What a server writes into the metadata of an object, and no template should have.
const OF_THE_SERVER: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

impl Work<'_> {
    fn job(&mut self, parts: &input::Parts) -> Result<()> {
        let name = self.arena.dict_get(parts.container, "name").and_then(|name| self.arena.as_str(name));
        // Prefect 1 gives one that has none this name.
        self.flow = name.unwrap_or("flow").to_owned();
        let flow = self.flow.clone();
        rewrite::rename_container(self.arena, parts.job, &flow, FLOW_CONTAINER);
        self.top(parts)?;
        self.metadata(parts)?;
        self.lay_all(self.base.spec, parts.spec, &["template"], "spec")?;
        self.pod_metadata(parts)?;
        self.pod(parts)?;
        self.container(parts)?;
        self.other_containers(parts)?;
        self.required();
        self.note_missing(parts);
        Ok(())
    }

    fn note(&mut self, text: impl Into<String>, about: ValueId) {
        let location = self.arena.location(about).cloned();
        self.notes.add(text, location.as_ref());
    }

    /// Lays all of a mapping over one of the base, but some keys.
    fn lay_all(&mut self, over: ValueId, mapping: ValueId, but: &[&str], way: &str) -> Result<()> {
        for (key, value) in self.arena.as_dict(mapping).unwrap_or_default().to_vec() {
            if !self.arena.as_str(key).is_some_and(|key| but.contains(&key)) {
                overlay::lay(self.arena, self.base, &mut self.notes, over, key, value, way)?;
            }
        }
        Ok(())
    }

    fn top(&mut self, parts: &input::Parts) -> Result<()> {
        if let Some(version) = self.arena.dict_get(parts.job, "apiVersion")
            && self.arena.as_str(version) != Some("batch/v1")
        {
            self.note("`apiVersion` becomes batch/v1, the only one that a worker takes", version);
        }
        for key in ["apiVersion", "kind"] {
            let value = if key == "kind" { "Job" } else { "batch/v1" };
            let value = self.arena.alloc_str(value);
            self.arena.dict_set_str(self.base.manifest, key, value);
        }
        let but = ["apiVersion", "kind", "metadata", "spec", "status"];
        self.lay_all(self.base.manifest, parts.job, &but, "")
    }

    fn metadata(&mut self, parts: &input::Parts) -> Result<()> {
        let has_name = self.arena.dict_get(self.base.metadata, "generateName").is_some();
        if !has_name && self.base.variable(self.arena, "name").is_some() {
            let name = self.arena.alloc_str("{{ name }}-");
            self.arena.dict_set_str(self.base.metadata, "generateName", name);
        }
        let Some(metadata) = parts.metadata else { return Ok(()) };
        for key in ["name", "generateName"] {
            if let Some(name) = self.arena.dict_get(metadata, key) {
                let said = format!(
                    "`metadata.{key}` is left out: Jobs are named after the flow run, or by the variable `name`"
                );
                self.note(said, name);
            }
        }
        if let Some(namespace) = self.arena.dict_get(metadata, "namespace") {
            // The worker asks this one where the Job is made.
            let (configuration, key) = (self.base.configuration, self.arena.alloc_str("namespace"));
            overlay::lay(self.arena, self.base, &mut self.notes, configuration, key, namespace, "metadata")?;
        }
        self.labels(self.base.metadata, metadata, "metadata")?;
        let but = [&OF_THE_SERVER[..], &["name", "generateName", "labels", "annotations"]].concat();
        self.lay_all(self.base.metadata, metadata, &but, "metadata")
    }

    /// Labels and annotations stand in the template itself: the worker adds those of the variables to them.
    fn labels(&mut self, over: ValueId, metadata: ValueId, way: &str) -> Result<()> {
        for kind in ["labels", "annotations"] {
            let Some(map) = self.arena.dict_get(metadata, kind).filter(|map| *self.arena.get(*map) != Value::None)
            else {
                continue;
            };
            let map = rewrite::all_as_text(self.arena, &mut self.notes, map, &format!("`{way}.{kind}`"))?;
            let map = if kind == "annotations" { self.annotations_of_container(map) } else { map };
            let map = overlay::literal(self.arena, self.base, &mut self.notes, map)?;
            let new = self.arena.as_dict(map).unwrap_or_default().to_vec();
            if new.is_empty() {
                continue;
            }
            let key = self.arena.alloc_str(kind);
            let placeholder = self.base.variable_at(self.arena, over, key).and(self.arena.dict_get(over, kind));
            // Where it is the only place that has the variable, the worker would not know of it any more.
            let configuration = self.base.configuration;
            if let Some(placeholder) = placeholder.filter(|_| self.arena.dict_get(configuration, kind).is_none()) {
                self.arena.dict_set_str(configuration, kind, placeholder);
            }
            match self.arena.dict_get(over, kind).filter(|own| self.arena.as_dict(*own).is_some()) {
                Some(own) => new.into_iter().for_each(|(key, value)| self.arena.dict_set(own, key, value)),
                None => self.arena.dict_set_str(over, kind, map),
            }
        }
        Ok(())
    }

    /// Annotations that are about the flow's container, about it under its new name.
    fn annotations_of_container(&mut self, map: ValueId) -> ValueId {
        let flow = self.flow.clone();
        let mut pairs = self.arena.as_dict(map).unwrap_or_default().to_vec();
        for (key, value) in &mut pairs {
            let Some(name) = self.arena.as_str(*key).map(str::to_owned) else { continue };
            if NAMES_CONTAINER.contains(&name.as_str()) && self.arena.as_str(*value) == Some(flow.as_str()) {
                *value = self.arena.alloc_str(FLOW_CONTAINER);
            }
            for beginning in OF_CONTAINER {
                if name.strip_prefix(beginning) == Some(flow.as_str()) {
                    *key = self.arena.alloc_str(format!("{beginning}{FLOW_CONTAINER}"));
                }
            }
        }
        let pairs = self.arena.new_dict(pairs);
        self.arena.alloc(pairs, None)
    }

    fn pod_metadata(&mut self, parts: &input::Parts) -> Result<()> {
        let Some(metadata) = parts.pod_metadata else { return Ok(()) };
        let over = match self.arena.dict_get(self.base.template, "metadata") {
            Some(own) if self.arena.as_dict(own).is_some() => own,
            _ => self.arena.alloc(Value::empty_dict(), None),
        };
        self.labels(over, metadata, "spec.template.metadata")?;
        let but = [&OF_THE_SERVER[..], &["labels", "annotations"]].concat();
        self.lay_all(over, metadata, &but, "spec.template.metadata")?;
        if self.arena.as_dict(over).is_some_and(|pairs| !pairs.is_empty()) {
            self.arena.dict_set_str(self.base.template, "metadata", over);
        }
        self.note_shared_annotations(parts);
        Ok(())
    }

    /// A worker copies the Job's annotations to the pod, over the pod's own.
    fn note_shared_annotations(&mut self, parts: &input::Parts) {
        let of = |metadata: Option<ValueId>| metadata.and_then(|metadata| self.arena.dict_get(metadata, "annotations"));
        let (Some(job), Some(pod)) = (of(parts.metadata), of(parts.pod_metadata)) else { return };
        let lost = self.arena.as_dict(pod).unwrap_or_default().iter().filter(|(key, value)| {
            self.arena.dict_get_by_key(job, *key).is_some_and(|other| !self.arena.is_same_key(other, *value))
        });
        for key in lost.map(|(key, _)| *key).collect::<Vec<_>>() {
            let said = "this annotation of the pod gets the value that the Job's has: workers since prefect-kubernetes 0.7.6 copy those to the pod";
            self.note(said, key);
        }
    }

    fn pod(&mut self, parts: &input::Parts) -> Result<()> {
        if let Some(policy) =
            self.arena.dict_get(parts.pod, "restartPolicy").filter(|own| *self.arena.get(*own) != Value::None)
            && self.arena.as_str(policy) != Some("Never")
        {
            self.note("`restartPolicy` becomes Never, the only one that a worker takes; the variable `backoff_limit` says how often the Job tries again", policy);
        }
        // The old name of the same field.
        if let Some(account) = self.arena.dict_get(parts.pod, "serviceAccount")
            && self.arena.dict_get(parts.pod, "serviceAccountName").is_none()
        {
            self.arena.dict_set_str(parts.pod, "serviceAccountName", account);
        }
        if let Some(account) =
            self.arena.dict_get(parts.pod, "serviceAccountName").and_then(|own| self.arena.as_str(own))
            && account.is_empty()
        {
            let empty = self.arena.alloc(Value::None, None);
            self.arena.dict_set_str(parts.pod, "serviceAccountName", empty);
        }
        let but = ["containers", "restartPolicy", "parallelism", "completions", "serviceAccount"];
        self.lay_all(self.base.pod, parts.pod, &but, "spec.template.spec")
    }

    fn container(&mut self, parts: &input::Parts) -> Result<()> {
        let container = parts.container;
        let env = self.arena.dict_get(container, "env");
        let renamed = flow_env::lay(self.arena, self.base, &mut self.notes, env)?;
        if let Some(args) = self.arena.dict_get(container, "args") {
            self.note(
                "`args` are left out: Prefect 1 never used them either; the variable `command` is what a worker runs",
                args,
            );
        }
        if let Some(image) = self.arena.dict_get(container, "image") {
            self.image(parts, image);
        }
        self.prefixes(container);
        for key in ["command", "volumeMounts"] {
            if let Some(value) = self.arena.dict_get(container, key) {
                let value = rewrite::all_with_names(self.arena, &mut self.notes, value, &renamed);
                self.arena.dict_set_str(container, key, value);
            }
        }
        if let Some(command) = self.arena.dict_get(container, "command")
            && rewrite::mentions(self.arena, command, "PREFECT__")
        {
            let said =
                "this command names variables of Prefect 1 (PREFECT__...): the notes on `env` say what became of them";
            self.note(said, command);
        }
        self.lay_all(self.base.container, container, &["name", "env", "args"], "spec.template.spec.containers[0]")
    }

    /// What is to be said of the image, and when it is pulled where the template does not say.
    fn image(&mut self, parts: &input::Parts, image: ValueId) {
        let Some(text) = self.arena.as_str(image).map(str::to_owned) else { return };
        let named = text.split('@').next().unwrap_or_default();
        let (repository, tag) = match named.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (named, None),
        };
        let tag_of_1 = |tag: &str| tag.starts_with("0.") || tag.starts_with("1.") || tag == "1";
        if repository.ends_with("prefecthq/prefect") && tag.is_some_and(tag_of_1) {
            let said = "this image has Prefect 1 in it, which runs no flow of Prefect 2 or 3: give the variable `image` another default, or none for the worker's own version";
            self.note(said, image);
        }
        let is_latest = !text.contains('@') && tag.is_none_or(|tag| tag == "latest");
        if is_latest && self.arena.dict_get(parts.container, "imagePullPolicy").is_none() {
            // What Kubernetes does by itself, where the variable's own default would have it otherwise.
            let policy = self.arena.alloc_str("Always");
            self.arena.dict_set_str(parts.container, "imagePullPolicy", policy);
        }
    }

    /// A whole Secret behind the prefix of Prefect 1's secrets: without it, each has its plain name.
    fn prefixes(&mut self, container: ValueId) {
        let Some(list) = self.arena.dict_get(container, "envFrom") else { return };
        let Value::List(sources) = self.arena.get(list).clone() else { return };
        for source in sources {
            let prefix = self.arena.dict_get(source, "prefix").and_then(|prefix| self.arena.as_str(prefix));
            let prefix = prefix.unwrap_or_default().to_owned();
            let said = match secret_name(&prefix) {
                Some(rest) => {
                    let rest = rest.to_owned();
                    let pairs = self.arena.as_dict(source).unwrap_or_default().to_vec();
                    let others = pairs.into_iter().filter(|(key, _)| self.arena.as_str(*key) != Some("prefix"));
                    *self.arena.get_mut(source) = self.arena.new_dict(others);
                    if !rest.is_empty() {
                        let rest = self.arena.alloc_str(rest);
                        self.arena.dict_set_str(source, "prefix", rest);
                    }
                    "the variables of this source have no `PREFECT__CONTEXT__SECRETS__` before their names any more: code reads them by os.environ"
                }
                None if prefix.starts_with("PREFECT__") => {
                    "Prefect 2 and 3 read no variables that begin like this prefix"
                }
                None => {
                    "keys of this source that are variables of Prefect 1 (PREFECT__...) mean nothing to Prefect 2 and 3"
                }
            };
            self.note(said, source);
        }
    }

    /// The containers beside that of the flow stay as they are.
    fn other_containers(&mut self, parts: &input::Parts) -> Result<()> {
        let containers = self.arena.dict_get(self.base.pod, "containers");
        let mut items = match containers.map(|list| self.arena.get(list).clone()) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        let name = self.arena.alloc_str(FLOW_CONTAINER);
        self.arena.dict_set_str(self.base.container, "name", name);
        for other in parts.others.clone() {
            let is_taken =
                self.arena.dict_get(other, "name").and_then(|name| self.arena.as_str(name)) == Some(FLOW_CONTAINER);
            if is_taken {
                let error = Error::refused(format!("another container than the first has the name `{FLOW_CONTAINER}`"));
                let error =
                    error.hint("a worker wants the flow's container to be called so: give the other one another name");
                return Err(locate(error, self.arena.location(other)));
            }
            let other = overlay::literal(self.arena, self.base, &mut self.notes, other)?;
            overlay::put_named(self.arena, &mut items, "name", other);
        }
        let list = self.arena.alloc(Value::List(items), None);
        self.arena.dict_set_str(self.base.pod, "containers", list);
        input::note_secrets_beside(self.arena, &mut self.notes, parts)
    }

    /// What the agent or Kubernetes decided where the template did not, and a variable's default decides now.
    fn note_missing(&mut self, parts: &input::Parts) {
        let is_there = |dict: Option<ValueId>, key: &str| {
            dict.and_then(|dict| self.arena.dict_get(dict, key))
                .is_some_and(|value| *self.arena.get(value) != Value::None)
        };
        let mut said = Vec::new();
        if !is_there(parts.metadata, "namespace") && self.base.variable(self.arena, "namespace").is_some() {
            said.push("the job template has no `metadata.namespace`: Jobs, which the agent made in its own, are made in that of the variable `namespace`");
        }
        if !is_there(Some(parts.spec), "backoffLimit") && self.base.variable(self.arena, "backoff_limit").is_some() {
            said.push("the job template has no `spec.backoffLimit`, and Kubernetes tried up to six times again: the variable `backoff_limit` says how often now");
        }
        said.into_iter().for_each(|said| self.notes.add(said, None));
    }

    /// What a worker looks for before it makes a Job.
    fn required(&mut self) {
        if self.arena.as_dict(self.base.metadata).is_some_and(<[_]>::is_empty) {
            let pairs = self.arena.as_dict(self.base.manifest).unwrap_or_default().to_vec();
            let others = pairs.into_iter().filter(|(_, value)| *value != self.base.metadata);
            *self.arena.get_mut(self.base.manifest) = self.arena.new_dict(others);
        }
        let one = BigInt::from(1);
        for (key, value) in [
            ("completions", Value::Int(one.clone())),
            ("parallelism", Value::Int(one)),
            ("restartPolicy", Value::Str("Never".to_owned())),
        ] {
            let value = self.arena.alloc(value, None);
            self.arena.dict_set_str(self.base.pod, key, value);
        }
    }
}
