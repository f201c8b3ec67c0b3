//! Checks the sources of `envFrom`.

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_manifest::sendable::non_string_hint;

use super::container::JobContainer;
use super::placeholders::TemplatePlaceholders;
use super::references::{self, Owner, first_location, get_set, require_list, type_error};
use crate::pyvalue::arena::{Arena, Value};
use crate::pyvalue::source::locate_diagnostic;

/// Checks the sources of a container.
pub(super) fn check(
    arena: &Arena,
    container: &JobContainer<'_>,
    placeholders: &TemplatePlaceholders<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(sources) = arena.dict_get(container.id, "envFrom") else { return };
    let name_of_container = container.describe();
    let (name, places) = (format!("`envFrom` of {name_of_container}"), (sources, sources, container.id));
    let help = "write a list of sources";
    for (position, source) in require_list(arena, &name, places, help, found).iter().enumerate() {
        let name = format!("`envFrom[{position}]` of {name_of_container}");
        if !matches!(arena.get(*source), Value::Dict(_) | Value::None) {
            let error = type_error(arena, "Kubernetes rejects the Job", &name, "a mapping", *source);
            let error = error.help("write a mapping with `secretRef` or `configMapRef`");
            found.push(locate_diagnostic(error, first_location(arena, [*source, sources, container.id])));
            continue;
        }
        let owner = Owner { subject: &format!("Kubernetes rejects the Job ({name})"), id: *source };
        if let Some(prefix) = get_set(arena, *source, "prefix")
            && !matches!(arena.get(prefix), Value::Str(_) | Value::Unknown(_) | Value::Timestamp(_))
        {
            let error = type_error(arena, owner.subject, "`prefix`", "a string", prefix);
            let error = error.help(non_string_hint(!arena.is_collection(prefix)));
            found.push(locate_diagnostic(error, first_location(arena, [prefix, *source])));
        }
        let references = ENV_FROM_SOURCES.map(|(key, _)| Some((key, get_set(arena, *source, key)?)));
        if references.iter().flatten().count() != 1 {
            let text = format!("{}: the source must have exactly one of `secretRef` and `configMapRef`", owner.subject);
            found.push(locate_diagnostic(
                Diagnostic::error("missing-field", text),
                first_location(arena, [*source, sources, container.id]),
            ));
            continue;
        }
        for reference in references.into_iter().flatten() {
            references::check(arena, owner, reference, placeholders, found);
        }
    }
}
