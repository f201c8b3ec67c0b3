//! The base job template that a conversion builds on: the parts of it that a Job is laid over, and its variables,
//! which get the Job's values as their defaults.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use crate::placeholder;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::{send, text, yaml};

/// The template that is built on where none is given.
const BARE: &str = include_str!("base.json");

/// A base job template that is being changed.
pub(super) struct Base {
    /// The whole.
    pub(super) root: Id,
    /// `job_configuration`
    pub(super) configuration: Id,
    /// `job_configuration.job_manifest`
    pub(super) manifest: Id,
    /// `metadata` of the manifest
    pub(super) metadata: Id,
    /// `spec` of the manifest
    pub(super) spec: Id,
    /// `spec.template` of the manifest
    pub(super) template: Id,
    /// `spec.template.spec` of the manifest
    pub(super) pod: Id,
    /// The container that flows run in.
    pub(super) container: Id,
    /// `variables.properties`
    properties: Id,
    /// Variables that have got a default here.
    defaults: HashMap<String, Id>,
    /// Texts that stand behind a variable, lest they be taken for placeholders.
    texts: HashMap<String, String>,
}

/// The template that is built on where none is given.
pub(super) fn bare(heap: &mut Heap) -> Result<Id> {
    yaml::load(heap, &Text::manifest("the built-in default", BARE))
}

impl Base {
    /// Takes a template apart. Fails, with a place, where it has no Job to lay something over.
    pub(super) fn read(heap: &mut Heap, root: Id) -> Result<Self> {
        if heap.is_larger_than(root, send::MOST) {
            return Err(at(Error::input("aliases make this larger than any template can be"), heap.place(root)));
        }
        let root = heap.deep_copy(root);
        // What `prefect work-pool inspect` shows has the template among other things.
        let root = heap.item(root, "base_job_template").unwrap_or(root);
        let configuration = part(heap, root, "job_configuration")?;
        let variables = part(heap, root, "variables")?;
        let properties = part(heap, variables, "properties")?;
        let manifest = part(heap, configuration, "job_manifest")?;
        let metadata = part_or_new(heap, manifest, "metadata")?;
        let spec = part(heap, manifest, "spec")?;
        let template = part(heap, spec, "template")?;
        let pod = part(heap, template, "spec")?;
        let containers = heap.item(pod, "containers").unwrap_or(pod);
        let first = match heap.get(containers) {
            Data::List(items) => items.first().copied(),
            _ => None,
        };
        let Some(container) = first.filter(|first| heap.dict(*first).is_some()) else {
            return Err(is_none(heap, containers, "its Job has no list of `containers`"));
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
    pub(super) fn variable(&self, heap: &Heap, name: &str) -> Option<Id> {
        heap.item(self.properties, name).filter(|schema| heap.dict(*schema).is_some())
    }

    /// The variable whose value a place in the template has, if it is one, and declared.
    pub(super) fn variable_at(&self, heap: &Heap, dict: Id, key: Id) -> Option<String> {
        let text = heap.str(heap.item_of(dict, key)?)?;
        let name = placeholder::sole_name(text)?;
        self.variable(heap, name).map(|_| name.to_owned())
    }

    /// Gives a variable its default. Not done where it has got another one already: gives whether it was.
    ///
    /// Fails where the variable does not take it, which the server would say later, without a place.
    pub(super) fn set_default(&mut self, heap: &mut Heap, name: &str, way: &str, value: Id) -> Result<bool> {
        let Some(schema) = self.variable(heap, name) else { return Ok(false) };
        let value = fitting(heap, schema, name, way, value)?;
        if let Some(other) = self.defaults.get(name)
            && !heap.equal(*other, value)
        {
            return Ok(false);
        }
        heap.set_item(schema, "default", value);
        self.defaults.insert(name.to_owned(), value);
        Ok(true)
    }

    /// What stands for a text that looks like a placeholder: one, whose variable has the text as its default. What
    /// a placeholder is replaced by is not looked at again.
    pub(super) fn behind_variable(&mut self, heap: &mut Heap, text: &str) -> String {
        if let Some(own) = self.texts.get(text) {
            return own.clone();
        }
        let numbers = 1..;
        let name =
            numbers.map(|number| format!("text_{number}")).find(|name| heap.item(self.properties, name).is_none());
        let name = name.unwrap_or_default();
        let schema = heap.put(Data::Dict(Vec::new()), None);
        for (key, value) in [
            ("default", text),
            ("description", "Text of the job template that looks like a placeholder, and is to stay as it is."),
            ("title", &format!("Text {}", self.texts.len() + 1)),
            ("type", "string"),
        ] {
            let value = heap.text(value);
            heap.set_item(schema, key, value);
        }
        heap.set_item(self.properties, &name, schema);
        let own = format!("{{{{ {name} }}}}");
        self.texts.insert(text.to_owned(), own.clone());
        own
    }
}

fn is_none(heap: &Heap, id: Id, why: &str) -> Error {
    let error = Error::input(format!("this is no base job template of a Kubernetes work pool: {why}"));
    at(error.hint("`prefect work-pool get-default-base-job-template --type kubernetes` prints one"), heap.place(id))
}

/// The mapping under a key.
fn part(heap: &Heap, dict: Id, key: &str) -> Result<Id> {
    match heap.item(dict, key) {
        Some(part) if heap.dict(part).is_some() => Ok(part),
        Some(part) => Err(is_none(heap, part, &format!("`{key}` is no mapping"))),
        None => Err(is_none(heap, dict, &format!("there is no `{key}`"))),
    }
}

/// The same, made where it is missing.
fn part_or_new(heap: &mut Heap, dict: Id, key: &str) -> Result<Id> {
    if heap.item(dict, key).is_none_or(|part| *heap.get(part) == Data::None) {
        let made = heap.put(Data::Dict(Vec::new()), None);
        heap.set_item(dict, key, made);
    }
    part(heap, dict, key)
}

/// The value as the schema of a variable takes it.
fn fitting(heap: &mut Heap, schema: Id, name: &str, way: &str, value: Id) -> Result<Id> {
    let types = types(heap, schema);
    let takes = |one: &str| types.is_empty() || types.iter().any(|own| own == one);
    let no = |heap: &Heap, what: &str| {
        let error = Error::input(format!("`{way}` becomes the default of the variable `{name}`, which {what}"));
        Err(at(error.hint("write what Kubernetes takes there, or leave it out"), heap.place(value)))
    };
    let value = match heap.get(value).clone() {
        Data::Str(_) | Data::Unknown(_) if takes("string") => value,
        Data::Int(_) if takes("integer") || takes("number") => value,
        Data::Float(_) if takes("number") => value,
        Data::Bool(_) if takes("boolean") => value,
        Data::Dict(_) if takes("object") => value,
        Data::List(_) if takes("array") => value,
        // Quantities: `cpu: 2`
        Data::Int(_) | Data::Float(_) if takes("string") => {
            let (written, place) = (text::str(heap, value), heap.place(value).cloned());
            heap.put(Data::Str(written), place)
        }
        _ => return no(heap, &format!("does not take {}", heap.kind(value))),
    };
    if let Data::Int(whole) = heap.get(value) {
        let limit = |key: &str| match heap.item(schema, key).map(|limit| heap.get(limit)) {
            Some(Data::Int(limit)) => Some(limit.clone()),
            _ => None,
        };
        if limit("minimum").is_some_and(|least: BigInt| *whole < least)
            || limit("maximum").is_some_and(|most: BigInt| *whole > most)
        {
            return no(heap, "has limits that this is beyond");
        }
    }
    if let Some(Data::List(known)) = heap.item(schema, "enum").map(|known| heap.get(known))
        && !known.iter().any(|known| heap.equal(*known, value))
    {
        let known: Vec<&str> = known.iter().filter_map(|known| heap.str(*known)).collect();
        // Words can be told; anything else may be somebody's value.
        let are_words = known.iter().all(|known| known.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let known = if are_words { known.join(", ") } else { "those that its `enum` has".to_owned() };
        return no(heap, &format!("is one of {known}"));
    }
    if let Some(text) = heap.str(value)
        && placeholder::contains_api_placeholder(text)
    {
        return Err(at(of_the_api(), heap.place(value)));
    }
    Ok(value)
}

/// A text that can't be kept from being replaced.
pub(super) fn of_the_api() -> Error {
    Error::refused("this text is a placeholder that Prefect replaces wherever it stands, even in a variable's value")
        .hint("write it in another way: without `{{ prefect.blocks...` and `{{ prefect.variables...`")
}

/// The types that a schema takes: its own, or those of its alternatives.
fn types(heap: &Heap, schema: Id) -> Vec<String> {
    let own = |schema: Id| match heap.item(schema, "type").map(|own| heap.get(own)) {
        Some(Data::Str(own)) => vec![own.clone()],
        Some(Data::List(several)) => several.iter().filter_map(|own| heap.str(*own)).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    match heap.item(schema, "anyOf").map(|any| heap.get(any)) {
        Some(Data::List(any)) => any.iter().flat_map(|one| own(*one)).collect(),
        _ => own(schema),
    }
}
