//! Checks the names of a Job and of its containers.

use std::collections::HashSet;

use jobplate_diagnostic::Diagnostic;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::names;
use jobplate_manifest::sendable::non_string_hint;

use super::container::JobContainer;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;

/// The maximum length of the name of a Job, which becomes a label of its pods.
const MAX_JOB_NAME_LENGTH: usize = 63;

/// Checks the name of a Job. Messages do not show it, because a placeholder can have inserted a secret into it.
pub(super) fn check_job(arena: &Arena, job: ValueId, found: &mut Vec<Diagnostic>) {
    let Some(metadata) = arena.dict_get(job, "metadata") else { return };
    // Only a Job without a selector of its own gets its name as a label of its pods.
    let spec = arena.dict_get(job, "spec");
    let has_selector = spec.and_then(|spec| arena.dict_get(spec, "manualSelector"));
    let has_selector = has_selector.is_some_and(|value| *arena.get(value) == Value::Bool(true));
    let max_length = if has_selector { usize::MAX } else { MAX_JOB_NAME_LENGTH };
    // The API server shortens a `generateName`.
    for (key, ending, max) in [("generateName", "x", usize::MAX), ("name", "", max_length)] {
        let Some(id) = arena.dict_get(metadata, key) else { continue };
        if matches!(arena.get(id), Value::Unknown(_)) {
            continue;
        }
        let name = arena.as_str(id).unwrap_or_default();
        let subject = format!("Kubernetes rejects the Job (`{key}`)");
        let error = match names::check_object_name("Job", &format!("{name}{ending}")) {
            Err(fault) => fault.into_diagnostic("invalid-name", &subject),
            Ok(()) if name.len() > max => {
                let text = format!("Kubernetes rejects the Job: its name must have at most {max} characters");
                Diagnostic::error("name-too-long", text).help("shorten the name")
            }
            Ok(()) => continue,
        };
        found.push(locate_diagnostic(error, arena.location(id)));
    }
}

/// Checks the names of the containers of a pod.
pub(super) fn check_containers(arena: &Arena, containers: &[JobContainer<'_>], found: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for container in containers {
        let Some(id) = arena.dict_get(container.id, "name") else {
            // The notes of a preview report a missing name of the flow's container.
            if !container.is_flow {
                let text = "Kubernetes rejects the Job: missing `name` of a container";
                let error = Diagnostic::error("missing-field", text);
                found.push(locate_diagnostic(error, arena.location(container.id)));
            }
            continue;
        };
        let error = match arena.get(id) {
            Value::Unknown(_) => continue,
            Value::Str(name) => match names::check_label_name("container", name) {
                Err(fault) => fault.into_diagnostic("invalid-name", "Kubernetes rejects the Job"),
                Ok(()) if !seen.insert(name.as_str()) => {
                    let text = format!("Kubernetes rejects the Job: duplicate container name {}", quote_key(name));
                    Diagnostic::error("invalid-name", text).help("rename one of the two")
                }
                Ok(()) => continue,
            },
            _ => {
                let kind = arena.describe_kind(id);
                let text = format!("Kubernetes rejects the Job: the name of a container must be a string, not {kind}");
                Diagnostic::error("invalid-name", text).help(non_string_hint(!arena.is_collection(id)))
            }
        };
        found.push(locate_diagnostic(error, arena.location(id)));
    }
}
