//! Checks the variables of a container.

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Diagnostic, Message, ProgramName};
use jobplate_manifest::sendable::{NON_STRING_CODE, non_string_hint};

use super::container::JobContainer;
use super::placeholders::TemplatePlaceholders;
use super::references::{self, Owner, first_location, get_set, key_location, require_list, type_error};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;

/// Returns the hint about `{{ env }}` in a list of variables.
pub(crate) fn placeholder_in_list_hint(is_flow: bool) -> Message {
    match is_flow {
        true => {
            "remove `{{ env }}` from the list, or let `"
                + ProgramName
                + " render` remove it: the worker replaces it with a mapping, not with entries"
        }
        false => {
            "remove `{{ env }}` from the list: the worker replaces it with a mapping, and adds its variables only \
                  to the first container"
                .into()
        }
    }
}

/// Checks the types of the variables and their references. The notes of a preview describe the values of the flow's
/// variables with their sources.
pub(super) fn check(
    arena: &Arena,
    container: &JobContainer<'_>,
    placeholders: &TemplatePlaceholders<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(env) = arena.dict_get(container.id, "env") else { return };
    let name_of_container = container.describe();
    let placeholder = (placeholders.env_of)(container.id);
    let (place, help) = match placeholder {
        Some(place) => (place, "write a list: the worker converts only the `env` of the first container"),
        None => (env, "write a list of variables"),
    };
    let name = format!("`env` of {name_of_container}");
    for (position, entry) in require_list(arena, &name, (env, place, container.id), help, found).iter().enumerate() {
        let owner = format!("`env[{position}]` of {name_of_container}");
        match arena.get(*entry) {
            Value::Dict(_) | Value::None => {
                check_name(arena, container, &owner, (*entry, placeholder), found);
                if !container.is_flow {
                    check_strings(arena, container, *entry, found);
                }
            }
            _ => {
                let error = type_error(arena, "Kubernetes rejects the Job", &owner, "a mapping", *entry);
                let error = error.help("write a mapping with `name`, and `value` or `valueFrom`");
                found.push(locate_diagnostic(error, first_location(arena, [*entry, env, container.id])));
            }
        }
        let Some(value_from) = get_set(arena, *entry, "valueFrom") else { continue };
        let variable = match arena.dict_get(*entry, "name").and_then(|name| arena.as_str(name)) {
            Some(name) if container.is_flow => format!("variable {}", quote_key(name)),
            Some(name) => format!("variable {} of {name_of_container}", quote_key(name)),
            None => owner,
        };
        let owner = Owner { subject: &format!("Kubernetes rejects the Job ({variable})"), id: *entry };
        references::check_value_from(arena, owner, value_from, placeholders, found);
        check_single_value(arena, owner.subject, (*entry, value_from), found);
    }
}

/// Checks that an entry does not have both a value and a source. The API server ignores an empty value.
fn check_single_value(
    arena: &Arena,
    subject: &str,
    (entry, value_from): (ValueId, ValueId),
    found: &mut Vec<Diagnostic>,
) {
    let value =
        arena.dict_get(entry, "value").filter(|value| arena.as_str(*value).is_some_and(|text| !text.is_empty()));
    if let Some(value) = value.filter(|_| arena.as_dict(value_from).is_some_and(|dict| !dict.is_empty())) {
        let error =
            Diagnostic::error("value-and-value-from", format!("{subject}: both `value` and `valueFrom` are set"));
        found.push(locate_diagnostic(error.help("remove `value`"), first_location(arena, [value, entry])));
    }
}

/// Checks that an entry has a name. `placeholder` is the `{{ env }}` of the container in the template, if any.
fn check_name(
    arena: &Arena,
    container: &JobContainer<'_>,
    owner: &str,
    (entry, placeholder): (ValueId, Option<ValueId>),
    found: &mut Vec<Diagnostic>,
) {
    let name = arena.dict_get(entry, "name");
    if get_set(arena, entry, "name").is_some_and(|name| arena.as_str(name) != Some("")) {
        return;
    }
    let is_entry = ["name", "value", "valueFrom"].iter().any(|key| arena.dict_get(entry, key).is_some());
    let text = format!("Kubernetes rejects the Job: missing `name` in {owner}");
    let (error, location) = match placeholder.filter(|_| !is_entry) {
        Some(placeholder) => {
            let error =
                Diagnostic::error("mixed-env-placeholder", text).help(placeholder_in_list_hint(container.is_flow));
            (error, arena.location(placeholder))
        }
        None => {
            let location = name.and_then(|name| arena.location(name)).or_else(|| key_location(arena, entry));
            (Diagnostic::error("missing-field", text), location)
        }
    };
    found.push(locate_diagnostic(error, location));
}

/// Checks that the name and the value of an entry are strings.
fn check_strings(arena: &Arena, container: &JobContainer<'_>, entry: ValueId, found: &mut Vec<Diagnostic>) {
    let Some(name) = arena.dict_get(entry, "name") else { return };
    let subject_of_value = match arena.as_str(name) {
        Some(name) => format!("the value of {}", quote_key(name)),
        None => "the value of a variable".to_owned(),
    };
    let subjects = [("name", "the name of a variable".to_owned()), ("value", subject_of_value)];
    for (key, subject) in subjects {
        let Some(value) = arena.dict_get(entry, key) else { continue };
        let subject = format!("{subject} in {}", container.describe());
        let error = non_string_error(arena, value, &subject);
        found.extend(error.map(|error| locate_diagnostic(error, arena.location(value))));
    }
}

/// Returns the error about the name or the value of a variable that is not a string. The API server ignores null.
pub(crate) fn non_string_error(arena: &Arena, value: ValueId, subject: &str) -> Option<Diagnostic> {
    // The client of the Kubernetes API converts a date to a string.
    if matches!(arena.get(value), Value::Str(_) | Value::Timestamp(_) | Value::Unknown(_) | Value::None) {
        return None;
    }
    let text = format!("Kubernetes rejects the Job: {subject} is {}, not a string", arena.describe_kind(value));
    Some(Diagnostic::error(NON_STRING_CODE, text).help(non_string_hint(!arena.is_collection(value))))
}
