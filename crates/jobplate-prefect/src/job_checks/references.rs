//! Checks the types and the required fields of references: the sources of `valueFrom` and `envFrom`.
//!
//! The API server decodes a Job before it validates it, and rejects a field of another type. It ignores null and fields
//! that it does not know. Source: kubernetes/api:core/v1/types.go, kubernetes:pkg/apis/core/validation/validation.go
//! (ValidateEnv, ValidateEnvFrom)

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::{ENV_FROM_SOURCES, KEY_SOURCES, VALUE_FROM_SOURCES};
use jobplate_manifest::names;
use jobplate_manifest::sendable::non_string_hint;

use super::container::{containers, items, pod};
use super::placeholders::TemplatePlaceholders;
use super::resources;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::{Location, locate_diagnostic};

/// The type of a field of a reference.
#[derive(Clone, Copy)]
enum FieldType {
    /// A string that must not be empty.
    Required,
    /// A string.
    Text,
    /// A boolean.
    Flag,
    /// A quantity.
    Quantity,
}

/// Returns the fields of a reference. `source` is the key of the reference in `valueFrom` or `envFrom`.
fn fields_of(source: &str) -> &'static [(&'static str, FieldType)] {
    use FieldType::{Flag, Quantity, Required, Text};
    match source {
        "secretKeyRef" | "configMapKeyRef" => &[("name", Required), ("key", Required), ("optional", Flag)],
        "fieldRef" => &[("apiVersion", Text), ("fieldPath", Required)],
        "resourceFieldRef" => &[("containerName", Text), ("resource", Required), ("divisor", Quantity)],
        "fileKeyRef" => &[("volumeName", Required), ("path", Required), ("key", Required), ("optional", Flag)],
        _ => &[("name", Required), ("optional", Flag)],
    }
}

/// What contains the checked values, for messages and as a location for values without one.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The begin of the messages, such as ``Kubernetes rejects the Job (variable `TOKEN`)``.
    pub(super) subject: &'a str,
    /// The entry of `env` or the item of `envFrom`.
    pub(super) id: ValueId,
}

/// Checks the `valueFrom` of a variable.
pub(super) fn check_value_from(
    arena: &Arena,
    owner: Owner<'_>,
    value_from: ValueId,
    placeholders: &TemplatePlaceholders<'_>,
    found: &mut Vec<Diagnostic>,
) {
    if arena.as_dict(value_from).is_none() {
        let error = type_error(arena, owner.subject, "`valueFrom`", "a mapping", value_from);
        let error = error.help("write a mapping, such as `secretKeyRef` with `name` and `key`");
        found.push(locate_diagnostic(error, first_location(arena, [value_from, owner.id])));
        return;
    }
    let sources = VALUE_FROM_SOURCES.map(|key| Some((key, get_set(arena, value_from, key)?)));
    if sources.iter().flatten().count() != 1 {
        let text = format!("{}: `valueFrom` must have exactly one source", owner.subject);
        let error =
            Diagnostic::error("missing-field", text).help(format!("use one of: {}", VALUE_FROM_SOURCES.join(", ")));
        found.push(locate_diagnostic(error, key_location(arena, value_from).or_else(|| arena.location(owner.id))));
    }
    for (key, reference) in sources.into_iter().flatten() {
        check(arena, owner, (key, reference), placeholders, found);
    }
}

/// Checks a reference. `key` is its key in `valueFrom` or `envFrom`.
pub(super) fn check(
    arena: &Arena,
    owner: Owner<'_>,
    (key, reference): (&'static str, ValueId),
    placeholders: &TemplatePlaceholders<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let fields = fields_of(key);
    if arena.as_dict(reference).is_none() {
        let required = fields.iter().filter(|(_, field_type)| matches!(field_type, FieldType::Required));
        let required: Vec<_> = required.map(|(field, _)| format!("`{field}`")).collect();
        let error = type_error(arena, owner.subject, &format!("`{key}`"), "a mapping", reference);
        let error = error.help(format!("write a mapping with {}", join_words(&required)));
        found.push(locate_diagnostic(error, first_location(arena, [reference, owner.id])));
        return;
    }
    for (field, field_type) in fields {
        let Some(value) = get_set(arena, reference, field) else {
            if matches!(field_type, FieldType::Required) {
                found.push(missing_field(arena, owner, (key, reference), field, placeholders));
            }
            continue;
        };
        if let Some(error) = check_field(arena, owner.subject, (key, field, *field_type), value) {
            found.push(locate_diagnostic(error, first_location(arena, [value, reference, owner.id])));
        }
    }
}

/// Returns the error about a field of a reference that is missing or null.
fn missing_field(
    arena: &Arena,
    owner: Owner<'_>,
    (key, reference): (&str, ValueId),
    field: &str,
    placeholders: &TemplatePlaceholders<'_>,
) -> Diagnostic {
    let help = match (placeholders.variable_of)(reference, field) {
        Some(variable) => format!("set the job variable `{variable}`"),
        None => format!("set `{field}`"),
    };
    let error =
        Diagnostic::error("missing-field", format!("{}: missing `{field}` in `{key}`", owner.subject)).help(help);
    let null = arena.dict_get(reference, field).and_then(|null| arena.location(null));
    let location = null.or_else(|| key_location(arena, reference)).or_else(|| arena.location(owner.id));
    locate_diagnostic(error, location)
}

/// Returns the error about a field of a reference, if Kubernetes rejects its value.
fn check_field(
    arena: &Arena,
    subject: &str,
    (key, field, field_type): (&str, &str, FieldType),
    value: ValueId,
) -> Option<Diagnostic> {
    let name = format!("`{field}` in `{key}`");
    let wrong_type = |expected| type_error(arena, subject, &name, expected, value);
    match (field_type, arena.get(value)) {
        (FieldType::Required, Value::Str(text)) if text.is_empty() => {
            let error = Diagnostic::error("missing-field", format!("{subject}: {name} must not be empty"));
            Some(error.help(format!("set `{field}`")))
        }
        (FieldType::Required, Value::Str(text)) => check_name(subject, key, field, text),
        // Prefect converts a date to a string.
        (FieldType::Required | FieldType::Text, Value::Str(_) | Value::Unknown(_) | Value::Timestamp(_)) => None,
        (FieldType::Required | FieldType::Text, _) => {
            Some(wrong_type("a string").help(non_string_hint(!arena.is_collection(value))))
        }
        (FieldType::Flag, Value::Bool(_)) => None,
        (FieldType::Flag, Value::Str(text)) if matches!(text.as_str(), "true" | "false") => {
            Some(wrong_type("a boolean").help("write `true` or `false`, without quotes"))
        }
        (FieldType::Flag, _) => Some(wrong_type("a boolean").help("write `true` or `false`, without quotes")),
        (FieldType::Quantity, _) => {
            let fault = resources::parse(arena, value, &name).err()?;
            Some(fault.into_diagnostic(resources::CODE, subject))
        }
    }
}

/// Checks the name of an object and the name of a key in its data. Returns the error if Kubernetes rejects the name.
fn check_name(subject: &str, source: &str, field: &str, name: &str) -> Option<Diagnostic> {
    let (_, kind) = KEY_SOURCES.iter().chain(&ENV_FROM_SOURCES).find(|(key, _)| *key == source)?;
    match field {
        "name" => Some(names::check_object_name(kind, name).err()?.into_diagnostic("invalid-secret-name", subject)),
        _ => Some(names::check_data_key(name).err()?.into_diagnostic("invalid-secret-key", subject)),
    }
}

/// Returns the error for a value of the wrong type. `name` is the name of the value.
pub(super) fn type_error(arena: &Arena, subject: &str, name: &str, expected: &str, value: ValueId) -> Diagnostic {
    let text = format!("{subject}: {name} must be {expected}, not {}", arena.describe_kind(value));
    Diagnostic::error("wrong-type", text)
}

/// Returns the items of a list. Reports a value that is not a list at `place`, or at `container` if `place` has no
/// location.
pub(super) fn require_list<'h>(
    arena: &'h Arena,
    name: &str,
    (list, place, container): (ValueId, ValueId, ValueId),
    help: &str,
    found: &mut Vec<Diagnostic>,
) -> &'h [ValueId] {
    match arena.get(list) {
        Value::List(items) | Value::Tuple(items) => return items,
        Value::None => {}
        _ => {
            let error = type_error(arena, "Kubernetes rejects the Job", name, "a list", list).help(help);
            found.push(locate_diagnostic(error, first_location(arena, [place, container])));
        }
    }
    &[]
}

/// Returns the value of a key, unless it is null, which the API server ignores.
pub(super) fn get_set(arena: &Arena, mapping: ValueId, key: &str) -> Option<ValueId> {
    arena.dict_get(mapping, key).filter(|value| !matches!(arena.get(*value), Value::None))
}

/// Returns the location of the first of `ids` that has one.
pub(super) fn first_location(arena: &Arena, ids: impl IntoIterator<Item = ValueId>) -> Option<&Location> {
    ids.into_iter().find_map(|id| arena.location(id))
}

/// Returns the location of the first key of a mapping, or of the mapping if it is empty.
pub(super) fn key_location(arena: &Arena, mapping: ValueId) -> Option<&Location> {
    let first = arena.as_dict(mapping).and_then(|pairs| pairs.first());
    first.and_then(|(key, _)| arena.location(*key)).or_else(|| arena.location(mapping))
}

/// Returns the references in the variables and in the `envFrom` sources of a Job, or of its template.
pub(crate) fn find_references(arena: &Arena, job: ValueId) -> Vec<ValueId> {
    let Some(pod) = pod(arena, job) else { return Vec::new() };
    let mut found = Vec::new();
    for container in containers(arena, pod) {
        for entry in items(arena, container.id, "env") {
            let value_from = arena.dict_get(*entry, "valueFrom");
            found.extend(
                value_from.into_iter().flat_map(|from| VALUE_FROM_SOURCES.map(|key| arena.dict_get(from, key))),
            );
        }
        for source in items(arena, container.id, "envFrom") {
            found.extend(ENV_FROM_SOURCES.map(|(key, _)| arena.dict_get(*source, key)));
        }
    }
    found.into_iter().flatten().collect()
}

/// Returns words as a list in a sentence.
pub(crate) fn join_words(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}
