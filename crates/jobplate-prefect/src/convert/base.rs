//! The base job template that a conversion starts from: the parts that a Job is overlaid on, and the variables, whose
//! defaults become the Job's values.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;

use crate::placeholder;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Text, at};
use crate::pyvalue::{send, text, yaml};

/// The template that a conversion starts from by default.
const BUILT_IN: &str = include_str!("base.json");

/// A base job template that a conversion changes.
pub(super) struct Base {
    /// The template.
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
    /// The flow's container.
    pub(super) container: Id,
    /// `variables.properties`
    properties: Id,
    /// The variables whose defaults the conversion has set, with those defaults.
    defaults: HashMap<String, Id>,
    /// The strings that look like placeholders, with the placeholder of the variable that replaces each.
    escaped: HashMap<String, String>,
}

/// Loads the template that a conversion starts from by default.
pub(super) fn load_built_in(heap: &mut Heap) -> Result<Id> {
    yaml::load(heap, &Text::manifest("the built-in default", BUILT_IN))
}

impl Base {
    /// Reads the parts of a template.
    ///
    /// # Errors
    /// Fails if the template has no Job to overlay another one on.
    pub(super) fn read(heap: &mut Heap, root: Id) -> Result<Self> {
        if heap.is_larger_than(root, send::MOST) {
            return Err(at(Error::input("aliases make this larger than any template can be"), heap.place(root)));
        }
        let root = heap.deep_copy(root);
        // `prefect work-pool inspect` prints the template as a part of the work pool.
        let root = heap.item(root, "base_job_template").unwrap_or(root);
        let configuration = part(heap, root, "job_configuration")?;
        let variables = part(heap, root, "variables")?;
        let properties = part(heap, variables, "properties")?;
        let manifest = part(heap, configuration, "job_manifest")?;
        let metadata = part_or_insert(heap, manifest, "metadata")?;
        let spec = part(heap, manifest, "spec")?;
        let template = part(heap, spec, "template")?;
        let pod = part(heap, template, "spec")?;
        let containers = heap.item(pod, "containers").unwrap_or(pod);
        let first = match heap.get(containers) {
            Data::List(items) => items.first().copied(),
            _ => None,
        };
        let Some(container) = first.filter(|first| heap.dict(*first).is_some()) else {
            return Err(not_a_template(heap, containers, "its Job has no list of `containers`"));
        };
        let (defaults, escaped) = (HashMap::new(), HashMap::new());
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
            escaped,
        })
    }

    /// Returns the schema of a variable.
    pub(super) fn variable(&self, heap: &Heap, name: &str) -> Option<Id> {
        heap.item(self.properties, name).filter(|schema| heap.dict(*schema).is_some())
    }

    /// Returns the declared variable whose placeholder is the value of a key in the template.
    pub(super) fn variable_at(&self, heap: &Heap, dict: Id, key: Id) -> Option<String> {
        let text = heap.str(heap.item_of(dict, key)?)?;
        let name = placeholder::sole_name(text)?;
        self.variable(heap, name).map(|_| name.to_owned())
    }

    /// Sets the default of a variable, unless the conversion has already set another one. Returns whether the value is
    /// the default now. `path` is the path of the value in the job template.
    ///
    /// # Errors
    /// Fails if the variable's schema rejects the value: the server would do so later, without a place.
    pub(super) fn set_default(&mut self, heap: &mut Heap, name: &str, path: &str, value: Id) -> Result<bool> {
        let Some(schema) = self.variable(heap, name) else { return Ok(false) };
        let value = convert_to_schema(heap, schema, name, path, value)?;
        if let Some(other) = self.defaults.get(name)
            && !heap.equal(*other, value)
        {
            return Ok(false);
        }
        heap.set_item(schema, "default", value);
        self.defaults.insert(name.to_owned(), value);
        Ok(true)
    }

    /// Returns a placeholder that stands for a string which looks like a placeholder. Its variable has the string as its
    /// default, since Prefect does not replace placeholders in values that replaced one.
    pub(super) fn escape(&mut self, heap: &mut Heap, text: &str) -> String {
        if let Some(placeholder) = self.escaped.get(text) {
            return placeholder.clone();
        }
        let numbers = 1..;
        let name =
            numbers.map(|number| format!("text_{number}")).find(|name| heap.item(self.properties, name).is_none());
        let name = name.unwrap_or_default();
        let schema = heap.put(Data::Dict(Vec::new()), None);
        for (key, value) in [
            ("default", text),
            ("description", "Text of the job template that looks like a placeholder, and is to stay as it is."),
            ("title", &format!("Text {}", self.escaped.len() + 1)),
            ("type", "string"),
        ] {
            let value = heap.text(value);
            heap.set_item(schema, key, value);
        }
        heap.set_item(self.properties, &name, schema);
        let placeholder = format!("{{{{ {name} }}}}");
        self.escaped.insert(text.to_owned(), placeholder.clone());
        placeholder
    }
}

fn not_a_template(heap: &Heap, id: Id, why: &str) -> Error {
    let error = Error::input(format!("this is no base job template of a Kubernetes work pool: {why}"));
    at(error.hint("`prefect work-pool get-default-base-job-template --type kubernetes` prints one"), heap.place(id))
}

/// Returns the mapping of a key.
fn part(heap: &Heap, dict: Id, key: &str) -> Result<Id> {
    match heap.item(dict, key) {
        Some(part) if heap.dict(part).is_some() => Ok(part),
        Some(part) => Err(not_a_template(heap, part, &format!("`{key}` is no mapping"))),
        None => Err(not_a_template(heap, dict, &format!("there is no `{key}`"))),
    }
}

/// Returns the mapping of a key, which is added if it is missing or null.
fn part_or_insert(heap: &mut Heap, dict: Id, key: &str) -> Result<Id> {
    if heap.item(dict, key).is_none_or(|part| *heap.get(part) == Data::None) {
        let empty = heap.put(Data::Dict(Vec::new()), None);
        heap.set_item(dict, key, empty);
    }
    part(heap, dict, key)
}

/// Returns a value in a type that the schema of the variable `name` accepts.
///
/// # Errors
/// Fails if the schema rejects the value.
fn convert_to_schema(heap: &mut Heap, schema: Id, name: &str, path: &str, value: Id) -> Result<Id> {
    let types = accepted_types(heap, schema);
    let accepts = |one: &str| types.is_empty() || types.iter().any(|own| own == one);
    let reject = |heap: &Heap, what: &str| {
        let error = Error::input(format!("`{path}` becomes the default of the variable `{name}`, which {what}"));
        Err(at(error.hint("write what Kubernetes takes there, or leave it out"), heap.place(value)))
    };
    let value = match heap.get(value).clone() {
        Data::Str(_) | Data::Unknown(_) if accepts("string") => value,
        Data::Int(_) if accepts("integer") || accepts("number") => value,
        Data::Float(_) if accepts("number") => value,
        Data::Bool(_) if accepts("boolean") => value,
        Data::Dict(_) if accepts("object") => value,
        Data::List(_) if accepts("array") => value,
        // Quantities: `cpu: 2`
        Data::Int(_) | Data::Float(_) if accepts("string") => {
            let (text, place) = (text::str(heap, value), heap.place(value).cloned());
            heap.put(Data::Str(text), place)
        }
        _ => return reject(heap, &format!("does not take {}", heap.kind(value))),
    };
    if let Data::Int(whole) = heap.get(value) {
        let limit = |key: &str| match heap.item(schema, key).map(|limit| heap.get(limit)) {
            Some(Data::Int(limit)) => Some(limit.clone()),
            _ => None,
        };
        if limit("minimum").is_some_and(|min: BigInt| *whole < min)
            || limit("maximum").is_some_and(|max: BigInt| *whole > max)
        {
            return reject(heap, "has limits that this is beyond");
        }
    }
    if let Some(Data::List(allowed)) = heap.item(schema, "enum").map(|allowed| heap.get(allowed))
        && !allowed.iter().any(|allowed| heap.equal(*allowed, value))
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(|allowed| heap.str(*allowed)).collect();
        // Messages show plain words only: other values can be sensitive.
        let are_words = allowed.iter().all(|allowed| allowed.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let allowed = if are_words { allowed.join(", ") } else { "those that its `enum` has".to_owned() };
        return reject(heap, &format!("is one of {allowed}"));
    }
    if let Some(text) = heap.str(value)
        && placeholder::contains_api_placeholder(text)
    {
        return Err(at(api_placeholder_error(), heap.place(value)));
    }
    Ok(value)
}

/// Returns the error for a string that Prefect replaces wherever it is.
pub(super) fn api_placeholder_error() -> Error {
    Error::refused("this text is a placeholder that Prefect replaces wherever it stands, even in a variable's value")
        .hint("write it in another way: without `{{ prefect.blocks...` and `{{ prefect.variables...`")
}

/// Returns the types that a schema accepts: its own, or those of its alternatives.
fn accepted_types(heap: &Heap, schema: Id) -> Vec<String> {
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
