//! Checks the sources of `envFrom`.

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_manifest::names;
use jobplate_manifest::sendable::non_string_hint;

use super::container::{JobContainer, containers, items, pod};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;

/// Checks the sources of a container.
pub(super) fn check(
    arena: &Arena,
    container: &JobContainer<'_>,
    placeholder_of: &dyn Fn(ValueId) -> Option<String>,
    found: &mut Vec<Diagnostic>,
) {
    for (position, source) in items(arena, container.id, "envFrom").iter().enumerate() {
        if arena.as_dict(*source).is_none() {
            continue;
        }
        let references = || {
            ENV_FROM_SOURCES
                .iter()
                .filter_map(|(key, kind)| Some((*kind, arena.dict_get(*source, key)?)))
                .filter(|(_, reference)| !matches!(arena.get(*reference), Value::None))
        };
        let subject = || format!("Kubernetes rejects the Job (`envFrom[{position}]` of {})", container.describe());
        if references().count() != 1 {
            let text = format!("{}: the source must have either `secretRef` or `configMapRef`", subject());
            found.push(locate_diagnostic(Diagnostic::error("missing-field", text), arena.location(*source)));
            continue;
        }
        for (kind, reference) in references() {
            match arena.dict_get(reference, "name").map(|name| (name, arena.get(name))) {
                Some((id, Value::Str(name))) if !name.is_empty() => {
                    if let Err(fault) = names::check_object_name(kind, name) {
                        let error = fault.into_diagnostic("invalid-secret-name", &subject());
                        found.push(locate_diagnostic(error, arena.location(id)));
                    }
                }
                Some((_, Value::Unknown(_))) => {}
                Some((id, Value::Str(_) | Value::None)) => {
                    found.push(missing_name(arena, &subject(), kind, None, id));
                }
                Some((id, _)) => {
                    let kind_of_name = arena.describe_kind(id);
                    let text = format!("{}: the name of the {kind} is {kind_of_name}, not a string", subject());
                    let error =
                        Diagnostic::error("invalid-secret-name", text).help(non_string_hint(!arena.is_collection(id)));
                    found.push(locate_diagnostic(error, arena.location(id)));
                }
                None => {
                    let variable = placeholder_of(reference);
                    let place = arena.location(reference).map_or(*source, |_| reference);
                    found.push(missing_name(arena, &subject(), kind, variable, place));
                }
            }
        }
    }
}

/// Returns the error for a reference without a name. `variable` is the variable that should set the name.
fn missing_name(arena: &Arena, subject: &str, kind: &str, variable: Option<String>, place: ValueId) -> Diagnostic {
    let error = Diagnostic::error("invalid-secret-name", format!("{subject}: the reference to the {kind} has no name"));
    let help = variable.map_or("set `name`".to_owned(), |variable| format!("set the job variable `{variable}`"));
    locate_diagnostic(error.help(help), arena.location(place))
}

/// Returns the references in the `envFrom` sources of a Job that have a name, such as a placeholder in a template, with
/// their names.
pub(crate) fn named_references(arena: &Arena, job: ValueId) -> Vec<(ValueId, ValueId)> {
    let Some(pod) = pod(arena, job) else { return Vec::new() };
    let containers = containers(arena, pod).into_iter();
    let sources = containers.flat_map(|container| items(arena, container.id, "envFrom").iter().copied());
    let references = sources.flat_map(|source| ENV_FROM_SOURCES.map(|(key, _)| arena.dict_get(source, key)));
    references.flatten().filter_map(|reference| Some((reference, arena.dict_get(reference, "name")?))).collect()
}
