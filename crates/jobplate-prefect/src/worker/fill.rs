//! Replaces the placeholders of a template with values (`prefect.utilities.templating.apply_values`).

use jobplate_diagnostic::{Error, Result};

use super::values::get_from_dict;
use crate::placeholder::{self, Placeholder, PlaceholderSource};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, Resolved};
use crate::pyvalue::serialize::MAX_VALUES;
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// Returns the distinct placeholders in a string, in order. Prefect iterates over an unordered set instead. The result
/// can differ only if a value contains another placeholder of the string.
fn distinct_placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = Vec::new();
    for placeholder in placeholder::find_all(text) {
        if !found.contains(&placeholder) {
            found.push(placeholder);
        }
    }
    found
}

/// Collects the placeholders in a value, except in keys.
pub(super) fn collect_placeholders<'h>(arena: &'h Arena, value: ValueId, found: &mut Vec<(ValueId, Placeholder<'h>)>) {
    match arena.get(value) {
        Value::Str(text) => {
            found.extend(distinct_placeholders(text).into_iter().map(|placeholder| (value, placeholder)))
        }
        Value::List(items) => items.iter().for_each(|item| collect_placeholders(arena, *item, found)),
        Value::Dict(pairs) => pairs.iter().for_each(|(_, value)| collect_placeholders(arena, *value, found)),
        _ => {}
    }
}

/// The minimum length of redacted values, in characters. Shorter values occur in other text by chance.
const MIN_REDACTED_LENGTH: usize = 4;

/// Values of the worker's environment that placeholders copy into the Job, including its names. Output must not show
/// them.
#[derive(Debug, Default)]
pub struct RedactedNames(Vec<String>);

impl RedactedNames {
    /// Collects the known values of the worker's environment that the placeholders in `values` copy, except short
    /// values.
    pub fn collect(arena: &Arena, values: impl IntoIterator<Item = ValueId>, environ: &Environ) -> Self {
        let mut found = Vec::new();
        values.into_iter().for_each(|value| collect_placeholders(arena, value, &mut found));
        let of_environment =
            found.into_iter().filter(|(_, placeholder)| placeholder.source() == PlaceholderSource::Environment);
        let texts = of_environment.filter_map(|(_, placeholder)| {
            match &environ.get(placeholder.name.strip_prefix('$')?)?.value {
                Resolved::Text(text) if text.chars().count() >= MIN_REDACTED_LENGTH => Some(text.clone()),
                _ => None,
            }
        });
        let mut redacted_names = RedactedNames(texts.collect());
        redacted_names.sort();
        redacted_names
    }

    /// Adds names that Prefect derives from redacted values. Does nothing if no value is redacted, because the names
    /// are then safe.
    pub fn extend<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        if !self.0.is_empty() {
            self.0.extend(names.map(str::to_owned));
            self.sort();
        }
    }

    /// Sorts by descending length. Replacing a shorter value first would leave the rest of a longer value visible.
    fn sort(&mut self) {
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// Replaces each redacted value in `text` with `***`.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, redacted_names| text.replace(redacted_names, "***"))
    }
}

/// Replaces the placeholders of a template. Returns `None` if the template is a single placeholder without a value. The
/// caller then removes the key or item that holds the template.
///
/// # Errors
/// Fails if a string becomes too long. Strings can grow because values can contain placeholders.
pub(super) fn apply_values(
    arena: &mut Arena,
    template: ValueId,
    values: ValueId,
    environ: &Environ,
) -> Result<Option<ValueId>> {
    match arena.get(template).clone() {
        Value::Str(text) => fill_text(arena, template, &text, values, environ),
        Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(apply_values(arena, item, values, environ)?);
            }
            let location = arena.location(template).cloned();
            Ok(Some(arena.alloc(Value::List(all), location)))
        }
        Value::Dict(pairs) => {
            let mut all = Vec::new();
            for (key, value) in pairs {
                all.extend(apply_values(arena, value, values, environ)?.map(|value| (key, value)));
            }
            let location = arena.location(template).cloned();
            let all = arena.new_dict(all);
            Ok(Some(arena.alloc(all, location)))
        }
        _ => Ok(Some(template)),
    }
}

fn fill_text(
    arena: &mut Arena,
    template: ValueId,
    text: &str,
    values: ValueId,
    environ: &Environ,
) -> Result<Option<ValueId>> {
    let placeholders = distinct_placeholders(text);
    if placeholders.is_empty() {
        return Ok(Some(template));
    }
    if let [placeholder] = placeholders.as_slice()
        && placeholder.full == text
        && placeholder.source() == PlaceholderSource::Variable
    {
        return Ok(get_from_dict(arena, values, placeholder.name));
    }
    let mut filled = text.to_owned();
    let mut is_unknown = false;
    for placeholder in &placeholders {
        let value = match placeholder.source() {
            PlaceholderSource::Api => continue,
            PlaceholderSource::Variable => {
                let value = get_from_dict(arena, values, placeholder.name);
                is_unknown |= value.is_some_and(|value| matches!(arena.get(value), Value::Unknown(_)));
                value.map(|value| string::str(arena, value))
            }
            PlaceholderSource::Environment => {
                let variable = environ.get(placeholder.name.trim_start_matches('$'));
                is_unknown |= variable.is_some_and(|variable| matches!(variable.value, Resolved::Unknown(_)));
                variable.map(|variable| variable.value.as_str().to_owned())
            }
        };
        let value = value.unwrap_or_default();
        let times = filled.matches(placeholder.full).count();
        if filled.len().saturating_add(times.saturating_mul(value.len())) > MAX_VALUES {
            let error = Error::input("values that are put in here make this longer than any object can be");
            return Err(locate(error, arena.location(template)));
        }
        filled = filled.replace(placeholder.full, &value);
    }
    let location = arena.location(template).cloned();
    Ok(Some(arena.alloc(if is_unknown { Value::Unknown(filled) } else { Value::Str(filled) }, location)))
}
