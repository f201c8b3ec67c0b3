//! The steps of a conversion, from the Job of a job template to the base job template.

use jobplate_diagnostic::{Diagnostic, Error, Result};
use num_bigint::BigInt;

use super::base::{self, Base};
use super::notes::ConversionNotes;
use super::{flow_env, input, overlay, rewrite};
use crate::generation::{FLOW_CONTAINER, split_image};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::serialize;
use crate::pyvalue::source::locate;
use crate::variables::secret_name;
use crate::worker::labels;

/// A finished conversion.
#[derive(Debug)]
pub struct Conversion {
    /// The base job template.
    pub root: ValueId,
    /// Notes about the conversion, in the order of the job template.
    pub notes: Vec<Diagnostic>,
}

/// Converts a job template, starting from the base job template `base`, or from the built-in template if `base` is
/// `None`.
///
/// # Errors
/// Fails if the job template is not a Job, or if a worker could not use the result.
pub fn convert(arena: &mut Arena, job: ValueId, base: Option<ValueId>) -> Result<Conversion> {
    let base = match base {
        Some(base) => base,
        None => base::load_built_in(arena)?,
    };
    let mut base = Base::read(arena, base)?;
    let job = base::copy_with_aliases(arena, job)?;
    let parts = input::read(arena, job)?;
    let mut converter = Converter { arena, base: &mut base, notes: ConversionNotes::default(), flow: String::new() };
    converter.convert_job(&parts)?;
    let notes = converter.notes.into_sorted();
    serialize::check_serializable(arena, base.root)?;
    Ok(Conversion { root: base.root, notes })
}

/// A conversion in progress.
struct Converter<'h> {
    arena: &'h mut Arena,
    base: &'h mut Base,
    notes: ConversionNotes,
    /// The name of the flow's container in the job template.
    flow: String,
}

/// Annotations whose value is the name of a container.
const CONTAINER_VALUE_ANNOTATIONS: [&str; 2] =
    ["kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container"];

/// Prefixes of annotations whose key ends with the name of a container.
const CONTAINER_KEY_PREFIXES: [&str; 2] =
    ["container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"];

/// The fields of metadata that the API server sets. The conversion omits them.
const SERVER_FIELDS: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

impl Converter<'_> {
    fn convert_job(&mut self, parts: &input::Parts) -> Result<()> {
        let name = self.arena.dict_get(parts.container, "name").and_then(|name| self.arena.as_str(name));
        // Prefect 1 names an unnamed container `flow`.
        self.flow = name.unwrap_or("flow").to_owned();
        let flow = self.flow.clone();
        rewrite::rename_container(self.arena, parts.job, &flow, FLOW_CONTAINER);
        self.convert_top_level(parts)?;
        self.convert_metadata(parts)?;
        self.overlay_all(self.base.spec, parts.spec, &["template"], "spec")?;
        self.convert_pod_metadata(parts)?;
        self.convert_pod(parts)?;
        self.convert_flow_container(parts)?;
        self.convert_other_containers(parts)?;
        self.set_required_fields();
        self.note_changed_defaults(parts);
        Ok(())
    }

    fn note(&mut self, note: Diagnostic, about: ValueId) {
        let location = self.arena.location(about).cloned();
        self.notes.add(note, location.as_ref());
    }

    /// Overlays a mapping on the mapping `onto` of the base, without the keys `except`. `path` is the path of `mapping`
    /// in the job template.
    fn overlay_all(&mut self, onto: ValueId, mapping: ValueId, except: &[&str], path: &str) -> Result<()> {
        for (key, value) in self.arena.as_dict(mapping).unwrap_or_default().to_vec() {
            if !self.arena.as_str(key).is_some_and(|key| except.contains(&key)) {
                overlay::overlay(self.arena, self.base, &mut self.notes, onto, key, value, path)?;
            }
        }
        Ok(())
    }

    fn convert_top_level(&mut self, parts: &input::Parts) -> Result<()> {
        if let Some(version) = self.arena.dict_get(parts.job, "apiVersion")
            && self.arena.as_str(version) != Some("batch/v1")
        {
            let text = "`apiVersion` is now batch/v1, the only version that a worker accepts";
            self.note(Diagnostic::info("converted-field", text), version);
        }
        for key in ["apiVersion", "kind"] {
            let value = if key == "kind" { "Job" } else { "batch/v1" };
            let value = self.arena.alloc_str(value);
            self.arena.dict_set_str(self.base.manifest, key, value);
        }
        let except = ["apiVersion", "kind", "metadata", "spec", "status"];
        self.overlay_all(self.base.manifest, parts.job, &except, "")
    }

    fn convert_metadata(&mut self, parts: &input::Parts) -> Result<()> {
        let has_name = self.arena.dict_get(self.base.metadata, "generateName").is_some();
        if !has_name && self.base.variable(self.arena, "name").is_some() {
            let name = self.arena.alloc_str("{{ name }}-");
            self.arena.dict_set_str(self.base.metadata, "generateName", name);
        }
        let Some(metadata) = parts.metadata else { return Ok(()) };
        for key in ["name", "generateName"] {
            if let Some(name) = self.arena.dict_get(metadata, key) {
                let text =
                    format!("removed `metadata.{key}`: Jobs are named after the flow run, or by the variable `name`");
                self.note(Diagnostic::info("removed-field", text), name);
            }
        }
        if let Some(namespace) = self.arena.dict_get(metadata, "namespace") {
            // The worker creates the Job in the namespace of `job_configuration`, not in the namespace of the manifest.
            let (configuration, key) = (self.base.configuration, self.arena.alloc_str("namespace"));
            overlay::overlay(self.arena, self.base, &mut self.notes, configuration, key, namespace, "metadata")?;
        }
        self.overlay_labels(self.base.metadata, metadata, "metadata")?;
        let except = [&SERVER_FIELDS[..], &["name", "generateName", "labels", "annotations"]].concat();
        self.overlay_all(self.base.metadata, metadata, &except, "metadata")
    }

    /// Overlays labels and annotations on the metadata `onto`. The labels and annotations are kept in the template
    /// itself. The worker adds the variables' labels and annotations to them.
    fn overlay_labels(&mut self, onto: ValueId, metadata: ValueId, path: &str) -> Result<()> {
        for kind in ["labels", "annotations"] {
            let Some(map) = self.arena.dict_get(metadata, kind).filter(|map| *self.arena.get(*map) != Value::None)
            else {
                continue;
            };
            let map = rewrite::values_to_strings(self.arena, &mut self.notes, map, &format!("`{path}.{kind}`"))?;
            if kind == "labels" {
                self.note_overridden_labels(map);
            }
            let map = if kind == "annotations" { self.rename_container_in_annotations(map) } else { map };
            let map = overlay::to_literal(self.arena, self.base, &mut self.notes, map)?;
            let new = self.arena.as_dict(map).unwrap_or_default().to_vec();
            if new.is_empty() {
                continue;
            }
            let key = self.arena.alloc_str(kind);
            let placeholder = self.base.variable_at(self.arena, onto, key).and(self.arena.dict_get(onto, kind));
            // The worker ignores a variable whose placeholder is not in the template, so the placeholder is moved to
            // `job_configuration`.
            let configuration = self.base.configuration;
            if let Some(placeholder) = placeholder.filter(|_| self.arena.dict_get(configuration, kind).is_none()) {
                self.arena.dict_set_str(configuration, kind, placeholder);
            }
            match self.arena.dict_get(onto, kind).filter(|existing| self.arena.as_dict(*existing).is_some()) {
                Some(existing) => new.into_iter().for_each(|(key, value)| self.arena.dict_set(existing, key, value)),
                None => self.arena.dict_set_str(onto, kind, map),
            }
        }
        Ok(())
    }

    /// Adds notes about labels that the worker overrides.
    fn note_overridden_labels(&mut self, map: ValueId) {
        for (key, value) in self.arena.as_dict(map).unwrap_or_default().to_vec() {
            let Some(name) = self.arena.as_str(key).filter(|name| labels::is_set_by_worker(name)) else { continue };
            let text = format!("the worker overrides the label `{name}`");
            let note = Diagnostic::warning("overridden-field", text)
                .help("rename it, or set it in `labels` of `job_configuration`, which overrides the worker's labels");
            self.note(note, value);
        }
    }

    /// Renames the flow's container in annotations that refer to it.
    fn rename_container_in_annotations(&mut self, map: ValueId) -> ValueId {
        let flow = self.flow.clone();
        let mut pairs = self.arena.as_dict(map).unwrap_or_default().to_vec();
        for (key, value) in &mut pairs {
            let Some(name) = self.arena.as_str(*key).map(str::to_owned) else { continue };
            if CONTAINER_VALUE_ANNOTATIONS.contains(&name.as_str()) && self.arena.as_str(*value) == Some(flow.as_str())
            {
                *value = self.arena.alloc_str(FLOW_CONTAINER);
            }
            for prefix in CONTAINER_KEY_PREFIXES {
                if name.strip_prefix(prefix) == Some(flow.as_str()) {
                    *key = self.arena.alloc_str(format!("{prefix}{FLOW_CONTAINER}"));
                }
            }
        }
        let pairs = self.arena.new_dict(pairs);
        self.arena.alloc(pairs, None)
    }

    fn convert_pod_metadata(&mut self, parts: &input::Parts) -> Result<()> {
        let Some(metadata) = parts.pod_metadata else { return Ok(()) };
        let onto = match self.arena.dict_get(self.base.template, "metadata") {
            Some(existing) if self.arena.as_dict(existing).is_some() => existing,
            _ => self.arena.alloc(Value::empty_dict(), None),
        };
        self.overlay_labels(onto, metadata, "spec.template.metadata")?;
        let except = [&SERVER_FIELDS[..], &["labels", "annotations"]].concat();
        self.overlay_all(onto, metadata, &except, "spec.template.metadata")?;
        if self.arena.as_dict(onto).is_some_and(|pairs| !pairs.is_empty()) {
            self.arena.dict_set_str(self.base.template, "metadata", onto);
        }
        self.note_overridden_annotations(parts);
        Ok(())
    }

    /// Adds notes about annotations of the pod that a worker overrides with the Job's annotations.
    fn note_overridden_annotations(&mut self, parts: &input::Parts) {
        let annotations =
            |metadata: Option<ValueId>| metadata.and_then(|metadata| self.arena.dict_get(metadata, "annotations"));
        let (Some(job), Some(pod)) = (annotations(parts.metadata), annotations(parts.pod_metadata)) else { return };
        let overridden = self.arena.as_dict(pod).unwrap_or_default().iter().filter(|(key, value)| {
            self.arena.dict_get_by_key(job, *key).is_some_and(|other| !self.arena.equals(other, *value))
        });
        for key in overridden.map(|(key, _)| *key).collect::<Vec<_>>() {
            let text = "the Job's annotation overrides this annotation of the pod: workers since prefect-kubernetes 0.7.6 copy the Job's annotations to the pod";
            self.note(Diagnostic::warning("overridden-field", text), key);
        }
    }

    fn convert_pod(&mut self, parts: &input::Parts) -> Result<()> {
        if let Some(policy) =
            self.arena.dict_get(parts.pod, "restartPolicy").filter(|policy| *self.arena.get(*policy) != Value::None)
            && self.arena.as_str(policy) != Some("Never")
        {
            let text = "`restartPolicy` is now Never, the only policy that a worker accepts";
            let note = Diagnostic::info("converted-field", text)
                .help("set the number of retries with the variable `backoff_limit`");
            self.note(note, policy);
        }
        // `serviceAccount` is the deprecated name of `serviceAccountName`. Its value is used if only the deprecated
        // name is set.
        if let Some(account) = self.arena.dict_get(parts.pod, "serviceAccount")
            && self.arena.dict_get(parts.pod, "serviceAccountName").is_none()
        {
            self.arena.dict_set_str(parts.pod, "serviceAccountName", account);
        }
        if let Some(account) =
            self.arena.dict_get(parts.pod, "serviceAccountName").and_then(|account| self.arena.as_str(account))
            && account.is_empty()
        {
            let empty = self.arena.alloc(Value::None, None);
            self.arena.dict_set_str(parts.pod, "serviceAccountName", empty);
        }
        let except = ["containers", "restartPolicy", "parallelism", "completions", "serviceAccount"];
        self.overlay_all(self.base.pod, parts.pod, &except, "spec.template.spec")
    }

    fn convert_flow_container(&mut self, parts: &input::Parts) -> Result<()> {
        let container = parts.container;
        let env = self.arena.dict_get(container, "env");
        let renamed = flow_env::convert_env(self.arena, self.base, &mut self.notes, env)?;
        if let Some(args) = self.arena.dict_get(container, "args") {
            let text =
                "removed `args`: Prefect 1 did not use it, and a worker runs the command in the variable `command`";
            self.note(Diagnostic::info("removed-field", text), args);
        }
        if let Some(image) = self.arena.dict_get(container, "image") {
            self.convert_image(parts, image);
        }
        self.convert_prefixes(container);
        for key in ["command", "volumeMounts"] {
            if let Some(value) = self.arena.dict_get(container, key) {
                let value = rewrite::rename_variables_in(self.arena, &mut self.notes, value, &renamed);
                self.arena.dict_set_str(container, key, value);
            }
        }
        let base_args = self.arena.dict_get(self.base.container, "args");
        input::note_command(self.arena, &mut self.notes, container, base_args);
        self.overlay_all(self.base.container, container, &["name", "env", "args"], "spec.template.spec.containers[0]")
    }

    /// Adds a note if the image is an official image of Prefect 1. Sets the pull policy of an image whose tag is
    /// `latest` or missing, unless the job template sets the policy.
    fn convert_image(&mut self, parts: &input::Parts, image: ValueId) {
        let Some(text) = self.arena.as_str(image).map(str::to_owned) else { return };
        let (repository, tag) = split_image(&text);
        let is_prefect_1 = |tag: &str| tag.starts_with("0.") || tag.starts_with("1.") || tag == "1";
        if repository.ends_with("prefecthq/prefect") && tag.is_some_and(is_prefect_1) {
            let text = "this image contains Prefect 1, which cannot run flows of Prefect 2 or 3";
            let help = "change the default of the variable `image`, or remove the default to use the image of the worker's Prefect version";
            self.note(Diagnostic::warning("prefect1-image", text).help(help), image);
        }
        let is_latest = !text.contains('@') && tag.is_none_or(|tag| tag == "latest");
        if is_latest && self.arena.dict_get(parts.container, "imagePullPolicy").is_none() {
            // `Always` is Kubernetes' default for such a tag. The default of the base's variable can differ, so the
            // policy is set explicitly.
            let policy = self.arena.alloc_str("Always");
            self.arena.dict_set_str(parts.container, "imagePullPolicy", policy);
        }
    }

    /// Removes the prefix of Prefect 1 secrets from `envFrom` sources. Adds a note about each source.
    fn convert_prefixes(&mut self, container: ValueId) {
        let Some(list) = self.arena.dict_get(container, "envFrom") else { return };
        let Value::List(sources) = self.arena.get(list).clone() else { return };
        for source in sources {
            let prefix = self.arena.dict_get(source, "prefix").and_then(|prefix| self.arena.as_str(prefix));
            let prefix = prefix.unwrap_or_default().to_owned();
            let text = match secret_name(&prefix) {
                Some(rest) => {
                    let rest = rest.to_owned();
                    self.arena.dict_remove_str(source, "prefix");
                    if !rest.is_empty() {
                        let rest = self.arena.alloc_str(rest);
                        self.arena.dict_set_str(source, "prefix", rest);
                    }
                    "removed the prefix `PREFECT__CONTEXT__SECRETS__` of this `envFrom` source; read its variables with os.environ"
                }
                None if prefix.starts_with("PREFECT__") => {
                    "Prefect 2 and 3 do not read variables with the prefix of this `envFrom` source"
                }
                None => "Prefect 2 and 3 ignore keys of this `envFrom` source that begin with PREFECT__",
            };
            self.note(Diagnostic::warning("prefect1-name", text), source);
        }
    }

    /// Names the flow's container, adds the other containers, and adds notes about their secrets in plain text.
    ///
    /// # Errors
    /// Fails if another container has the name of the flow's container, or if a container cannot be written as a
    /// literal.
    fn convert_other_containers(&mut self, parts: &input::Parts) -> Result<()> {
        let containers = self.arena.dict_get(self.base.pod, "containers");
        let items = match containers.map(|list| self.arena.get(list).clone()) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        };
        let name = self.arena.alloc_str(FLOW_CONTAINER);
        self.arena.dict_set_str(self.base.container, "name", name);
        let mut items = overlay::MergedList::new(self.arena, items, "name");
        for other in parts.others.clone() {
            let is_taken =
                self.arena.dict_get(other, "name").and_then(|name| self.arena.as_str(name)) == Some(FLOW_CONTAINER);
            if is_taken {
                let error = Error::refused(format!("a container other than the first has the name `{FLOW_CONTAINER}`"));
                let error = error.hint("rename it: a worker runs the flow in the container with this name");
                return Err(locate(error, self.arena.location(other)));
            }
            let other = overlay::to_literal(self.arena, self.base, &mut self.notes, other)?;
            items.replace_or_push(self.arena, other);
        }
        let list = self.arena.alloc(Value::List(items.items), None);
        self.arena.dict_set_str(self.base.pod, "containers", list);
        input::note_plaintext_secrets(self.arena, &mut self.notes, parts)
    }

    /// Adds notes about fields that the job template does not set, and that the default of a variable now sets.
    fn note_changed_defaults(&mut self, parts: &input::Parts) {
        let is_set = |dict: Option<ValueId>, key: &str| {
            dict.and_then(|dict| self.arena.dict_get(dict, key))
                .is_some_and(|value| *self.arena.get(value) != Value::None)
        };
        let mut texts = Vec::new();
        if !is_set(parts.metadata, "namespace") && self.base.variable(self.arena, "namespace").is_some() {
            texts.push("the job template has no `metadata.namespace`: the variable `namespace`, not the agent, now sets the namespace of Jobs");
        }
        if !is_set(Some(parts.spec), "backoffLimit") && self.base.variable(self.arena, "backoff_limit").is_some() {
            texts.push("the job template has no `spec.backoffLimit`: the variable `backoff_limit` now sets the number of retries, which was six");
        }
        texts.into_iter().for_each(|text| self.notes.add(Diagnostic::warning("changed-default", text), None));
    }

    /// Sets the fields that a worker requires, and removes empty metadata.
    fn set_required_fields(&mut self) {
        if self.arena.as_dict(self.base.metadata).is_some_and(<[_]>::is_empty) {
            self.arena.dict_remove_str(self.base.manifest, "metadata");
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
