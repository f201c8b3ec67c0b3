//! The base job template that a conversion builds on: the parts of it that a Job is laid over, and its variables,
//! which get the Job's values as their defaults.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{SourceFile, locate};
use crate::pyvalue::{serialize, string, yaml};

/// The template that is built on where none is given.
const BARE: &str = include_str!("base.json");

/// A base job template that is being changed.
pub(super) struct Base {
    /// The whole.
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
    /// The container that flows run in.
    pub(super) container: ValueId,
    /// `variables.properties`
    properties: ValueId,
    /// Variables that have got a default here.
    defaults: HashMap<String, ValueId>,
    /// Texts that stand behind a variable, lest they be taken for placeholders.
    texts: HashMap<String, String>,
}

/// The template that is built on where none is given.
pub(super) fn bare(arena: &mut Arena) -> Result<ValueId> {
    yaml::load(arena, &SourceFile::new_manifest("the built-in default", BARE))
}

impl Base {
    /// Takes a template apart. Fails, with a place, where it has no Job to lay something over.
    pub(super) fn read(arena: &mut Arena, root: ValueId) -> Result<Self> {
        if arena.exceeds_size(root, serialize::MAX_VALUES) {
            return Err(locate(
                Error::input("aliases make this larger than any template can be"),
                arena.location(root),
            ));
        }
        let root = arena.deep_copy(root);
        // What `prefect work-pool inspect` shows has the template among other things.
        let root = arena.dict_get(root, "base_job_template").unwrap_or(root);
        let configuration = part(arena, root, "job_configuration")?;
        let variables = part(arena, root, "variables")?;
        let properties = part(arena, variables, "properties")?;
        let manifest = part(arena, configuration, "job_manifest")?;
        let metadata = part_or_new(arena, manifest, "metadata")?;
        let spec = part(arena, manifest, "spec")?;
        let template = part(arena, spec, "template")?;
        let pod = part(arena, template, "spec")?;
        let containers = arena.dict_get(pod, "containers").unwrap_or(pod);
        let first = match arena.get(containers) {
            Value::List(items) => items.first().copied(),
            _ => None,
        };
        let Some(container) = first.filter(|first| arena.as_dict(*first).is_some()) else {
            return Err(is_none(arena, containers, "its Job has no list of `containers`"));
        };
        let (defaults, texts) = (HashMap::new(), HashMap::new());
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
            texts,
        })
    }

    /// The schema of a variable.
    pub(super) fn variable(&self, arena: &Arena, name: &str) -> Option<ValueId> {
        arena.dict_get(self.properties, name).filter(|schema| arena.as_dict(*schema).is_some())
    }

    /// The variable whose value a place in the template has, if it is one, and declared.
    pub(super) fn variable_at(&self, arena: &Arena, dict: ValueId, key: ValueId) -> Option<String> {
        let text = arena.as_str(arena.dict_get_by_key(dict, key)?)?;
        let name = placeholder::sole_name(text)?;
        self.variable(arena, name).map(|_| name.to_owned())
    }

    /// Gives a variable its default. Not done where it has got another one already: gives whether it was.
    ///
    /// Fails where the variable does not take it, which the server would say later, without a place.
    pub(super) fn set_default(&mut self, arena: &mut Arena, name: &str, way: &str, value: ValueId) -> Result<bool> {
        let Some(schema) = self.variable(arena, name) else { return Ok(false) };
        let value = fitting(arena, schema, name, way, value)?;
        if let Some(other) = self.defaults.get(name)
            && !arena.is_same_key(*other, value)
        {
            return Ok(false);
        }
        arena.dict_set_str(schema, "default", value);
        self.defaults.insert(name.to_owned(), value);
        Ok(true)
    }

    /// What stands for a text that looks like a placeholder: one, whose variable has the text as its default. What
    /// a placeholder is replaced by is not looked at again.
    pub(super) fn behind_variable(&mut self, arena: &mut Arena, text: &str) -> String {
        if let Some(own) = self.texts.get(text) {
            return own.clone();
        }
        let numbers = 1..;
        let name =
            numbers.map(|number| format!("text_{number}")).find(|name| arena.dict_get(self.properties, name).is_none());
        let name = name.unwrap_or_default();
        let schema = arena.alloc(Value::empty_dict(), None);
        for (key, value) in [
            ("default", text),
            ("description", "Text of the job template that looks like a placeholder, and is to stay as it is."),
            ("title", &format!("Text {}", self.texts.len() + 1)),
            ("type", "string"),
        ] {
            let value = arena.alloc_str(value);
            arena.dict_set_str(schema, key, value);
        }
        arena.dict_set_str(self.properties, &name, schema);
        let own = format!("{{{{ {name} }}}}");
        self.texts.insert(text.to_owned(), own.clone());
        own
    }
}

fn is_none(arena: &Arena, id: ValueId, why: &str) -> Error {
    let error = Error::input(format!("this is no base job template of a Kubernetes work pool: {why}"));
    locate(
        error.hint("`prefect work-pool get-default-base-job-template --type kubernetes` prints one"),
        arena.location(id),
    )
}

/// The mapping under a key.
fn part(arena: &Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    match arena.dict_get(dict, key) {
        Some(part) if arena.as_dict(part).is_some() => Ok(part),
        Some(part) => Err(is_none(arena, part, &format!("`{key}` is no mapping"))),
        None => Err(is_none(arena, dict, &format!("there is no `{key}`"))),
    }
}

/// The same, made where it is missing.
fn part_or_new(arena: &mut Arena, dict: ValueId, key: &str) -> Result<ValueId> {
    if arena.dict_get(dict, key).is_none_or(|part| *arena.get(part) == Value::None) {
        let made = arena.alloc(Value::empty_dict(), None);
        arena.dict_set_str(dict, key, made);
    }
    part(arena, dict, key)
}

/// The value as the schema of a variable takes it.
fn fitting(arena: &mut Arena, schema: ValueId, name: &str, way: &str, value: ValueId) -> Result<ValueId> {
    let types = types(arena, schema);
    let takes = |one: &str| types.is_empty() || types.iter().any(|own| own == one);
    let no = |arena: &Arena, what: &str| {
        let error = Error::input(format!("`{way}` becomes the default of the variable `{name}`, which {what}"));
        Err(locate(error.hint("write what Kubernetes takes there, or leave it out"), arena.location(value)))
    };
    let value = match arena.get(value).clone() {
        Value::Str(_) | Value::Unknown(_) if takes("string") => value,
        Value::Int(_) if takes("integer") || takes("number") => value,
        Value::Float(_) if takes("number") => value,
        Value::Bool(_) if takes("boolean") => value,
        Value::Dict(_) if takes("object") => value,
        Value::List(_) if takes("array") => value,
        // Quantities: `cpu: 2`
        Value::Int(_) | Value::Float(_) if takes("string") => {
            let (written, location) = (string::str(arena, value), arena.location(value).cloned());
            arena.alloc(Value::Str(written), location)
        }
        _ => return no(arena, &format!("does not take {}", arena.describe_kind(value))),
    };
    if let Value::Int(whole) = arena.get(value) {
        let limit = |key: &str| match arena.dict_get(schema, key).map(|limit| arena.get(limit)) {
            Some(Value::Int(limit)) => Some(limit.clone()),
            _ => None,
        };
        if limit("minimum").is_some_and(|least: BigInt| *whole < least)
            || limit("maximum").is_some_and(|most: BigInt| *whole > most)
        {
            return no(arena, "has limits that this is beyond");
        }
    }
    if let Some(Value::List(known)) = arena.dict_get(schema, "enum").map(|known| arena.get(known))
        && !known.iter().any(|known| arena.is_same_key(*known, value))
    {
        let known: Vec<&str> = known.iter().filter_map(|known| arena.as_str(*known)).collect();
        // Words can be told; anything else may be somebody's value.
        let are_words = known.iter().all(|known| known.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let known = if are_words { known.join(", ") } else { "those that its `enum` has".to_owned() };
        return no(arena, &format!("is one of {known}"));
    }
    if let Some(text) = arena.as_str(value)
        && placeholder::contains_api_placeholder(text)
    {
        return Err(locate(of_the_api(), arena.location(value)));
    }
    Ok(value)
}

/// A text that can't be kept from being replaced.
pub(super) fn of_the_api() -> Error {
    Error::refused("this text is a placeholder that Prefect replaces wherever it stands, even in a variable's value")
        .hint("write it in another way: without `{{ prefect.blocks...` and `{{ prefect.variables...`")
}

/// The types that a schema takes: its own, or those of its alternatives.
fn types(arena: &Arena, schema: ValueId) -> Vec<String> {
    let own = |schema: ValueId| match arena.dict_get(schema, "type").map(|own| arena.get(own)) {
        Some(Value::Str(own)) => vec![own.clone()],
        Some(Value::List(several)) => several.iter().filter_map(|own| arena.as_str(*own)).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    match arena.dict_get(schema, "anyOf").map(|any| arena.get(any)) {
        Some(Value::List(any)) => any.iter().flat_map(|one| own(*one)).collect(),
        _ => own(schema),
    }
}
