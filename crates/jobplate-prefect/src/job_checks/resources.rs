//! Checks requests, limits and sizes of volumes.

use jobplate_diagnostic::Diagnostic;
use jobplate_diagnostic::suggest::quote_key;

use super::container::{JobContainer, items};
use super::quantity::{self, Quantity};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate_diagnostic;
use crate::pyvalue::string;

/// The code of the diagnostics.
const CODE: &str = "invalid-quantity";

/// The reason why Kubernetes rejects a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuantityProblem {
    Invalid,
    Negative,
}

/// Checks the resources of a container.
pub(super) fn check(arena: &Arena, container: &JobContainer<'_>, found: &mut Vec<Diagnostic>) {
    let Some(resources) = arena.dict_get(container.id, "resources") else { return };
    let [limits, requests] = ["limits", "requests"].map(|group| arena.dict_get(resources, group));
    for (word, values) in [("limit", limits), ("request", requests)] {
        for (key, value) in values.and_then(|values| arena.as_dict(values)).unwrap_or_default() {
            let Some(name) = arena.as_str(*key) else { continue };
            let quantity = match parse(arena, *value) {
                Ok(quantity) => quantity,
                Err(problem) => {
                    let subject = format!("the {word} of {} in {}", quote_key(name), container.describe());
                    found.push(invalid(arena, *value, &subject, problem));
                    continue;
                }
            };
            let limit = limits.filter(|_| word == "request").and_then(|limits| arena.dict_get(limits, name));
            let (Some(nano), Some(limit)) = (quantity.and_then(|quantity| quantity.nano), limit) else { continue };
            let Ok(Some(Quantity { nano: Some(most), .. })) = parse(arena, limit) else { continue };
            if nano > most {
                let [request, limit] = [*value, limit].map(|id| quote_key(&string::str(arena, id)));
                let name = quote_key(name);
                let text = format!(
                    "Kubernetes rejects the Job: the request of {name} in {}, {request}, exceeds the limit {limit}",
                    container.describe()
                );
                let error = Diagnostic::error(CODE, text).help("lower the request, or raise the limit");
                found.push(locate_diagnostic(error, arena.location(*value)));
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
        if let Err(problem) = parse(arena, limit) {
            found.push(invalid(arena, limit, "`sizeLimit` of a volume", problem));
        }
    }
}

/// Parses the quantity of a value. Returns `None` if only the cluster knows the value, or if it is null.
///
/// # Errors
/// Fails with the problem if Kubernetes rejects the value.
fn parse(arena: &Arena, id: ValueId) -> Result<Option<Quantity>, QuantityProblem> {
    let quantity = match arena.get(id) {
        Value::Unknown(_) | Value::None => return Ok(None),
        // Kubernetes ignores blanks around a quantity.
        Value::Str(text) => quantity::parse(text.trim_matches(' ')),
        Value::Int(_) | Value::Float(_) => quantity::parse(&string::str(arena, id)),
        _ => None,
    };
    match quantity {
        None => Err(QuantityProblem::Invalid),
        Some(quantity) if quantity.is_negative => Err(QuantityProblem::Negative),
        Some(quantity) => Ok(Some(quantity)),
    }
}

/// Returns whether a string is a number with a short unit, such as `2 GB`, which a message can show.
fn is_number_with_unit(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-. ".contains(c));
    unit.len() < text.len() && unit.len() <= 5
}

/// Returns the error for an invalid quantity.
fn invalid(arena: &Arena, id: ValueId, subject: &str, problem: QuantityProblem) -> Diagnostic {
    if problem == QuantityProblem::Negative {
        let text = format!("Kubernetes rejects the Job: {subject} must not be negative");
        return locate_diagnostic(Diagnostic::error(CODE, text).help("use 0 or more"), arena.location(id));
    }
    let (shown, suggestions) = match arena.get(id) {
        // Other text may be a secret that a placeholder inserted.
        Value::Str(text) if !is_number_with_unit(text) => (String::new(), Vec::new()),
        Value::Str(text) => (format!(", not {}", quote_key(text)), quantity::suggestions(text)),
        Value::Int(_) | Value::Float(_) => (format!(", not {}", quote_key(&string::str(arena, id))), Vec::new()),
        _ => (format!(", not {}", arena.describe_kind(id)), Vec::new()),
    };
    let text = format!("Kubernetes rejects the Job: {subject} must be a quantity{shown}");
    let help = match suggestions.as_slice() {
        [] => "use a number with a unit such as m, M, Mi, G or Gi".to_owned(),
        _ => {
            let suggestions: Vec<String> = suggestions.iter().map(|text| format!("`{text}`")).collect();
            format!("use {}", suggestions.join(" or "))
        }
    };
    locate_diagnostic(Diagnostic::error(CODE, text).help(help), arena.location(id))
}
