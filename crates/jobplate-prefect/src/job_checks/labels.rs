//! Checks labels and annotations of a Job and its pod.

use jobplate_diagnostic::Diagnostic;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::names::{self, ValidationError};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;
use crate::pyvalue::string;

/// Checks the labels and annotations of a Job and its pod. A worker does not change a label of which no letter and no
/// digit would remain.
pub(super) fn check(arena: &Arena, job: ValueId, found: &mut Vec<Diagnostic>) {
    let get_field = |keys: &[&str]| keys.iter().try_fold(job, |at, key| arena.dict_get(at, key));
    let parts = [get_field(&["metadata"]), get_field(&["spec", "template", "metadata"])];
    for (list, kind) in [("labels", "label"), ("annotations", "annotation")] {
        let maps = parts.iter().flatten().filter_map(|metadata| arena.dict_get(*metadata, list));
        for (key, value) in maps.filter_map(|map| arena.as_dict(map)).flatten() {
            let (name, location) = (string::str(arena, *key), arena.location(*value).or(arena.location(*key)));
            let value_fault = match arena.get(*value) {
                Value::Str(text) if kind == "label" => names::check_label_value(text).err(),
                Value::Str(_) | Value::Unknown(_) | Value::None => None,
                _ => Some(ValidationError::new(format!(
                    "the value must be a string, not {}",
                    arena.describe_kind(*value)
                ))),
            };
            let key_fault = names::check_metadata_key(kind, &name).err();
            for fault in [key_fault, value_fault].into_iter().flatten() {
                let subject = format!("Kubernetes rejects the Job ({kind} {})", quote_key(&name));
                found.push(locate_diagnostic(fault.into_diagnostic("invalid-label", &subject), location));
            }
        }
    }
}
