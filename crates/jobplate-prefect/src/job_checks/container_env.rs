//! Checks the variables of a container that does not run the flow.

use jobplate_diagnostic::Diagnostic;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::sendable::{NON_STRING_CODE, non_string_hint};

use super::container::{JobContainer, items};
use crate::pyvalue::arena::{Arena, Value};
use crate::pyvalue::source::locate_diagnostic;

/// Checks that the names and values of the variables are strings.
pub(super) fn check(arena: &Arena, container: &JobContainer<'_>, found: &mut Vec<Diagnostic>) {
    for entry in items(arena, container.id, "env") {
        let Some(name) = arena.dict_get(*entry, "name") else { continue };
        let subject_of_value = match arena.as_str(name) {
            Some(name) => format!("the value of {}", quote_key(name)),
            None => "the value of a variable".to_owned(),
        };
        let subjects = [("name", "the name of a variable".to_owned()), ("value", subject_of_value)];
        for (key, subject) in subjects {
            let Some(value) = arena.dict_get(*entry, key) else { continue };
            if matches!(arena.get(value), Value::Str(_) | Value::Unknown(_) | Value::None) {
                continue;
            }
            let (kind, container) = (arena.describe_kind(value), container.describe());
            let text = format!("Kubernetes rejects the Job: {subject} in {container} is {kind}, not a string");
            let error = Diagnostic::error(NON_STRING_CODE, text).help(non_string_hint(!arena.is_collection(value)));
            found.push(locate_diagnostic(error, arena.location(value)));
        }
    }
}
