//! The base job template that a conversion starts from. The Job is overlaid on the template's Job, and some of its
//! values become defaults of the template's variables.

use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::{string, yaml};
use crate::worker::values::spend_repetitions;

/// The template that a conversion starts from by default.
const BUILT_IN: &str = include_str!("base.json");

/// A base job template that a conversion changes.
pub(super) struct Base {
    /// The template.
    pub(super) root: ValueId,
    /// `job_configuration`
    pub(super) configuration: ValueId,
    /// `job_configuration.job_manifest`
    pub(super) manifest: ValueId,
    /// `metadata` of the manifest
    pub(super) metadata: ValueId,
    /// `spec` of the manifest
    pub(super) spec: ValueId,
    /// `spec.template` of the manifest
    pub(super) template: ValueId,
    /// `spec.template.spec` of the manifest
    pub(super) pod: ValueId,
    /// The flow's container: the first container of the pod.
    pub(super) container: ValueId,
    /// `variables.properties`
    properties: ValueId,
    /// The defaults that the conversion has set, keyed by variable name.
    defaults: HashMap<String, ValueId>,
    /// The values that variables accept, keyed by variable name.
    accepted: HashMap<String, AcceptedValues>,
    /// The placeholders that replace strings that look like placeholders, keyed by string.
    escaped: HashMap<String, String>,
    /// The first number that can be free for a variable of such a string.
    next_number: usize,
}

/// Copies a value, so that changes to one part do not affect a part that an alias repeats.
///
/// # Errors
/// Fails if aliases repeat too many values.
pub(super) fn copy_with_aliases(arena: &mut Arena, id: ValueId) -> Result<ValueId> {
    spend_repetitions(arena, id, "a value that aliases repeat")?;
    Ok(arena.deep_copy(id))
}

/// Loads the template that a conversion starts from by default.
pub(super) fn load_built_in(arena: &mut Arena) -> Result<ValueId> {
    yaml::load(arena, &SourceFile::new_manifest("the built-in default", BUILT_IN))
}

impl Base {
    /// Reads the parts of a template.
    ///
    /// # Errors
    /// Fails if the template is too large, or if it lacks a part that a Job is overlaid on.
    pub(super) fn read(arena: &mut Arena, root: ValueId) -> Result<Self> {
        let root = copy_with_aliases(arena, root)?;
        // `prefect work-pool inspect` prints the template as a part of the work pool, so the root can be a work pool.
        let root = arena.dict_get(root, "base_job_template").unwrap_or(root);
        let configuration = get_mapping(arena, root, "job_configuration")?;
        let variables = get_mapping(arena, root, "variables")?;
        let properties = get_mapping(arena, variables, "properties")?;
        let manifest = get_mapping(arena, configuration, "job_manifest")?;
        let metadata = get_or_insert_mapping(arena, manifest, "metadata")?;
        let spec = get_mapping(arena, manifest, "spec")?;
        let template = get_mapping(arena, spec, "template")?;
        let pod = get_mapping(arena, template, "spec")?;
        let containers = arena.dict_get(pod, "containers").unwrap_or(pod);
        let first = match arena.get(containers) {
            Value::List(items) => items.first().copied(),
            _ => None,
        };
        let Some(container) = first.filter(|first| arena.as_dict(*first).is_some()) else {
            return Err(not_a_template(arena, containers, "its Job has no list of `containers`"));
        };
        let (defaults, accepted, escaped) = (HashMap::new(), HashMap::new(), HashMap::new());
        Ok(Base {
            root,
            configuration,
            manifest,
            metadata,
            spec,
            template,
            pod,
            container,
            properties,
            defaults,
            accepted,
            escaped,
            next_number: 1,
        })
    }

    /// Returns the schema of the variable `name`, or `None` if the template does not declare the variable.
    pub(super) fn variable(&self, arena: &Arena, name: &str) -> Option<ValueId> {
        arena.dict_get(self.properties, name).filter(|schema| arena.as_dict(*schema).is_some())
    }

    /// Returns the name of the declared variable whose placeholder is the value of `key` in `dict`, if any.
    pub(super) fn variable_at(&self, arena: &Arena, dict: ValueId, key: ValueId) -> Option<String> {
        let text = arena.as_str(arena.dict_get_by_key(dict, key)?)?;
        let name = placeholder::sole_name(text)?;
        self.variable(arena, name).map(|_| name.to_owned())
    }

    /// Sets the default of the variable `name`, unless the template does not declare the variable or the conversion has
    /// already set a different default. Returns whether `value` is now the default. `path` is the path of the value in
    /// the job template.
    ///
    /// # Errors
    /// Fails if the variable's schema rejects the value, or if Prefect would replace a placeholder in the value. The
    /// server would reject the value later, without a location.
    pub(super) fn set_default(&mut self, arena: &mut Arena, name: &str, path: &str, value: ValueId) -> Result<bool> {
        let Some(schema) = self.variable(arena, name) else { return Ok(false) };
        let accepted = self.accepted.entry(name.to_owned()).or_insert_with(|| AcceptedValues::read(arena, schema));
        let value = accepted.convert(arena, schema, name, path, value)?;
        if let Some(other) = self.defaults.get(name)
            && !arena.equals(*other, value)
        {
            return Ok(false);
        }
        arena.dict_set_str(schema, "default", value);
        self.defaults.insert(name.to_owned(), value);
        Ok(true)
    }

    /// Returns a placeholder to use instead of a string that looks like a placeholder. Its variable has the string as
    /// the default, because Prefect does not replace placeholders in the values of variables.
    pub(super) fn escape(&mut self, arena: &mut Arena, text: &str) -> String {
        if let Some(placeholder) = self.escaped.get(text) {
            return placeholder.clone();
        }
        let numbers = self.next_number..;
        let mut names = numbers.map(|number| (number, format!("text_{number}")));
        let name = names.find(|(_, name)| arena.dict_get(self.properties, name).is_none());
        let name = name.map(|(number, name)| {
            self.next_number = number + 1;
            name
        });
        let name = name.unwrap_or_default();
        let schema = arena.alloc(Value::empty_dict(), None);
        for (key, value) in [
            ("default", text),
            ("description", "A string of the job template that looks like a placeholder and must not change."),
            ("title", &format!("Text {}", self.escaped.len() + 1)),
            ("type", "string"),
        ] {
            let value = arena.alloc_str(value);
            arena.dict_set_str(schema, key, value);
        }
        arena.dict_set_str(self.properties, &name, schema);
        let placeholder = format!("{{{{ {name} }}}}");
        self.escaped.insert(text.to_owned(), placeholder.clone());
        placeholder
    }
}

fn not_a_template(arena: &Arena, id: ValueId, why: &str) -> Error {
    let error = Error::input(format!("invalid base job template of a Kubernetes work pool: {why}"));
    locate(
        error.hint("`prefect work-pool get-default-base-job-template --type kubernetes` prints one"),
        arena.location(id),
    )
}

/// Returns the mapping at `key` in `dict`.
///
/// # Errors
/// Fails if the key is missing or its value is not a mapping.
fn get_mapping(arena: &Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    match arena.dict_get(dict, key) {
        Some(part) if arena.as_dict(part).is_some() => Ok(part),
        Some(part) => Err(not_a_template(arena, part, &format!("`{key}` must be a mapping"))),
        None => Err(not_a_template(arena, dict, &format!("missing `{key}`"))),
    }
}

/// Returns the mapping at `key` in `dict`. Adds an empty mapping if the key is missing or null.
fn get_or_insert_mapping(arena: &mut Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    if arena.dict_get(dict, key).is_none_or(|part| *arena.get(part) == Value::None) {
        let empty = arena.alloc(Value::empty_dict(), None);
        arena.dict_set_str(dict, key, empty);
    }
    get_mapping(arena, dict, key)
}

/// The values that the schema of a variable accepts.
struct AcceptedValues {
    /// The accepted types. If there are none, the schema does not restrict the type.
    types: HashSet<String>,
    /// The keys of the values in `enum`, if the schema has a list of them.
    allowed: Option<HashSet<DictKey>>,
}

impl AcceptedValues {
    fn read(arena: &Arena, schema: ValueId) -> Self {
        let allowed = match arena.dict_get(schema, "enum").map(|allowed| arena.get(allowed)) {
            Some(Value::List(allowed)) => Some(allowed.iter().map(|allowed| arena.dict_key(*allowed)).collect()),
            _ => None,
        };
        AcceptedValues { types: accepted_types(arena, schema), allowed }
    }

    /// Converts a value to a type that the schema of the variable `name` accepts. Only numbers are converted, to strings.
    ///
    /// # Errors
    /// Fails if the schema rejects the value, or if Prefect would replace a placeholder in the value.
    fn convert(&self, arena: &mut Arena, schema: ValueId, name: &str, path: &str, value: ValueId) -> Result<ValueId> {
        let accepts = |kind: &str| self.types.is_empty() || self.types.contains(kind);
        let reject = |arena: &Arena, reason: &str| {
            let error =
                Error::input(format!("cannot use `{path}` as the default of the variable `{name}`, which {reason}"));
            Err(locate(
                error.hint(format!("use a value that the schema of `{name}` accepts, or remove it")),
                arena.location(value),
            ))
        };
        let value = match arena.get(value).clone() {
            Value::Str(_) | Value::Unknown(_) if accepts("string") => value,
            Value::Int(_) if accepts("integer") || accepts("number") => value,
            Value::Float(_) if accepts("number") => value,
            Value::Bool(_) if accepts("boolean") => value,
            Value::Dict(_) if accepts("object") => value,
            Value::List(_) if accepts("array") => value,
            // Quantities such as `cpu: 2` can be numbers in a Job, but the schema can require strings.
            Value::Int(_) | Value::Float(_) if accepts("string") => {
                let (text, location) = (string::str(arena, value), arena.location(value).cloned());
                arena.alloc(Value::Str(text), location)
            }
            _ => return reject(arena, &format!("does not accept {}", arena.describe_kind(value))),
        };
        if let Value::Int(number) = arena.get(value) {
            let read_limit = |key: &str| match arena.dict_get(schema, key).map(|limit| arena.get(limit)) {
                Some(Value::Int(limit)) => Some(limit.clone()),
                _ => None,
            };
            if read_limit("minimum").is_some_and(|min: BigInt| *number < min)
                || read_limit("maximum").is_some_and(|max: BigInt| *number > max)
            {
                return reject(arena, "must be within its `minimum` and `maximum`");
            }
        }
        let is_allowed = |allowed: &HashSet<DictKey>| match arena.is_hashable(value) {
            true => allowed.contains(&arena.dict_key(value)),
            false => enum_values(arena, schema).iter().any(|allowed| arena.equals(*allowed, value)),
        };
        if !self.allowed.as_ref().is_none_or(is_allowed) {
            let allowed = enum_values(arena, schema);
            let allowed: Vec<&str> = allowed.iter().filter_map(|allowed| arena.as_str(*allowed)).collect();
            // Messages show only alphabetic values, because other values can be sensitive.
            let are_words = allowed.iter().all(|allowed| allowed.bytes().all(|byte| byte.is_ascii_alphabetic()));
            let allowed = if are_words { allowed.join(", ") } else { "the values of its `enum`".to_owned() };
            return reject(arena, &format!("must be one of {allowed}"));
        }
        if let Some(text) = arena.as_str(value)
            && placeholder::contains_api_placeholder(text)
        {
            return Err(locate(api_placeholder_error(), arena.location(value)));
        }
        Ok(value)
    }
}

/// Returns the values in `enum` of a schema.
fn enum_values(arena: &Arena, schema: ValueId) -> &[ValueId] {
    arena.dict_get(schema, "enum").map(|allowed| arena.list_items(allowed)).unwrap_or_default()
}

/// Returns the error for a placeholder that Prefect replaces even in the values of variables.
pub(super) fn api_placeholder_error() -> Error {
    Error::refused("unsupported placeholder: Prefect 1 leaves it unchanged, but Prefect 2 and 3 replace it")
        .hint("replace it with a value: `prefect.blocks` and `prefect.variables` placeholders cannot be escaped")
}

/// Returns the types that a schema accepts: its `type`, or the types of its `anyOf` alternatives. An empty set means
/// that the schema does not restrict the type.
fn accepted_types(arena: &Arena, schema: ValueId) -> HashSet<String> {
    let types_of = |schema: ValueId| match arena.dict_get(schema, "type").map(|kind| arena.get(kind)) {
        Some(Value::Str(kind)) => vec![kind.clone()],
        Some(Value::List(kinds)) => kinds.iter().filter_map(|kind| arena.as_str(*kind)).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    match arena.dict_get(schema, "anyOf").map(|any| arena.get(any)) {
        Some(Value::List(any)) => any.iter().flat_map(|alternative| types_of(*alternative)).collect(),
        _ => types_of(schema).into_iter().collect(),
    }
}
