//! Checks requests, limits and sizes of volumes.

use jobplate_diagnostic::Diagnostic;
use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::names::ValidationError;
use jobplate_manifest::quantity::{self, Quantity, QuantityValue};

use super::container::{JobContainer, items};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;
use crate::pyvalue::string;

/// The code of the diagnostics.
pub(super) const CODE: &str = "invalid-quantity";

/// Checks the resources of a container.
pub(super) fn check(arena: &Arena, container: &JobContainer<'_>, found: &mut Vec<Diagnostic>) {
    let Some(resources) = arena.dict_get(container.id, "resources") else { return };
    let [limits, requests] = ["limits", "requests"].map(|group| arena.dict_get(resources, group));
    for (word, values) in [("limit", limits), ("request", requests)] {
        for (key, value) in values.and_then(|values| arena.as_dict(values)).unwrap_or_default() {
            let Some(name) = arena.as_str(*key) else { continue };
            let subject = format!("the {} {word} of {}", quote_key(name), container.describe());
            let quantity = match parse(arena, *value, &subject) {
                Ok(Some(quantity)) => quantity,
                Ok(None) => continue,
                Err(error) => {
                    found.push(to_diagnostic(arena, *value, error));
                    continue;
                }
            };
            let limit = limits.filter(|_| word == "request").and_then(|limits| arena.dict_get(limits, name));
            let Some(limit) = limit else { continue };
            let Ok(Some(most)) = parse(arena, limit, &subject) else { continue };
            let [request, limit] = [*value, limit].map(|id| string::str(arena, id));
            if let Err(error) = quantity::check_limit(&subject, (&quantity, &request), (&most, &limit)) {
                found.push(to_diagnostic(arena, *value, error));
            }
        }
    }
}

/// Checks the sizes of the volumes of a pod.
pub(super) fn check_volumes(arena: &Arena, pod: ValueId, found: &mut Vec<Diagnostic>) {
    for volume in items(arena, pod, "volumes") {
        let Some(limit) = arena.dict_get(*volume, "emptyDir").and_then(|source| arena.dict_get(source, "sizeLimit"))
        else {
            continue;
        };
        if let Err(error) = parse(arena, limit, "`sizeLimit` of a volume") {
            found.push(to_diagnostic(arena, limit, error));
        }
    }
}

/// Parses the quantity of a value. Returns `None` if only the cluster knows the value, or if it is null.
///
/// # Errors
/// Fails if Kubernetes rejects the value.
pub(super) fn parse(arena: &Arena, id: ValueId, subject: &str) -> Result<Option<Quantity>, ValidationError> {
    let number;
    let value = match arena.get(id) {
        Value::Unknown(_) | Value::None => return Ok(None),
        Value::Str(text) => QuantityValue::Text(text),
        Value::Int(_) | Value::Float(_) => {
            number = string::str(arena, id);
            QuantityValue::Number(&number)
        }
        _ => QuantityValue::Other(arena.describe_kind(id)),
    };
    quantity::check(subject, value).map(Some)
}

/// Converts the error about a value to a diagnostic.
fn to_diagnostic(arena: &Arena, id: ValueId, error: ValidationError) -> Diagnostic {
    locate_diagnostic(error.into_diagnostic(CODE, "Kubernetes rejects the Job"), arena.location(id))
}
