//! Filling placeholders: what becomes of a template (`prefect.utilities.templating.apply_values`).

use jobplate_diagnostic::{Error, Result};

use super::values::get_from_dict;
use crate::placeholder::{self, Placeholder, PlaceholderSource};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, Resolved};
use crate::pyvalue::serialize::MAX_VALUES;
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// The placeholders of a text, each once, in their order. (Prefect goes through them in the order of a set, which is
/// none; it shows only where a value holds another placeholder of the same text.)
fn in_text(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = Vec::new();
    for own in placeholder::find_all(text) {
        if !found.contains(&own) {
            found.push(own);
        }
    }
    found
}

/// The placeholders of everything in a value but its keys.
pub(super) fn in_value<'h>(arena: &'h Arena, value: ValueId, found: &mut Vec<(ValueId, Placeholder<'h>)>) {
    match arena.get(value) {
        Value::Str(text) => found.extend(in_text(text).into_iter().map(|placeholder| (value, placeholder))),
        Value::List(items) => items.iter().for_each(|item| in_value(arena, *item, found)),
        Value::Dict(pairs) => pairs.iter().for_each(|(_, value)| in_value(arena, *value, found)),
        _ => {}
    }
}

/// Characters of a text that may be a secret: shorter ones stand in other words by chance.
const SHORTEST: usize = 4;

/// What placeholders take from the worker's environment, and carry to wherever they stand: into names, too.
#[derive(Debug, Default)]
pub struct RedactedNames(Vec<String>);

impl RedactedNames {
    /// Finds what the placeholders of values take, as far as it is known.
    pub fn of(arena: &Arena, values: impl IntoIterator<Item = ValueId>, environ: &Environ) -> Self {
        let mut found = Vec::new();
        values.into_iter().for_each(|value| in_value(arena, value, &mut found));
        let of_environment = found.into_iter().filter(|(_, own)| own.source() == PlaceholderSource::Environment);
        let texts = of_environment.filter_map(|(_, own)| match &environ.get(own.name.strip_prefix('$')?)?.value {
            Resolved::Text(text) if text.chars().count() >= SHORTEST => Some(text.clone()),
            _ => None,
        });
        let mut redacted_names = RedactedNames(texts.collect());
        redacted_names.settle();
        redacted_names
    }

    /// Takes in names that Prefect makes of such ones, in other letters. Where nothing is carried they may be shown.
    pub fn extend<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        if !self.0.is_empty() {
            self.0.extend(names.map(str::to_owned));
            self.settle();
        }
    }

    /// The longest first: what is left of one that holds another would tell of it.
    fn settle(&mut self) {
        self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// A text without it, to be shown to a person.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, redacted_names| text.replace(redacted_names, "***"))
    }
}

/// Fills the placeholders of a template. None where it is nothing but one that has no value: the key or item that it
/// stands for is left out. Fails where values that hold placeholders of their own make a text too long.
pub(super) fn filled(
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
                all.extend(filled(arena, item, values, environ)?);
            }
            let location = arena.location(template).cloned();
            Ok(Some(arena.alloc(Value::List(all), location)))
        }
        Value::Dict(pairs) => {
            let mut all = Vec::new();
            for (key, value) in pairs {
                all.extend(filled(arena, value, values, environ)?.map(|value| (key, value)));
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
    let placeholders = in_text(text);
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
