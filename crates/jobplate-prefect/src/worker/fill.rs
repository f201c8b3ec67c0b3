//! Replaces the placeholders of a template with values (`prefect.utilities.templating.apply_values`).

use std::collections::HashSet;

use jobplate_diagnostic::{Error, Result};

use super::values::{get_from_dict, spend_copy};
use crate::placeholder::{self, Placeholder, PlaceholderSource};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, Resolved};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// Collects the placeholders in a value, except in keys.
pub(super) fn collect_placeholders<'h>(arena: &'h Arena, value: ValueId, found: &mut Vec<(ValueId, Placeholder<'h>)>) {
    match arena.get(value) {
        Value::Str(text) => found.extend(placeholder::find_all(text).map(|placeholder| (value, placeholder))),
        Value::List(items) => items.iter().for_each(|item| collect_placeholders(arena, *item, found)),
        Value::Dict(pairs) => pairs.iter().for_each(|(_, value)| collect_placeholders(arena, *value, found)),
        _ => {}
    }
}

/// The minimum length of redacted values, in characters. Shorter values occur in other text by chance.
const MIN_REDACTED_LENGTH: usize = 4;

/// The maximum number of redacted values. Each of them is searched for in each text of the output.
const MAX_REDACTED_VALUES: usize = 200;

/// Values of the worker's environment that placeholders copy into the Job, including its names. Output must not show
/// them.
#[derive(Debug, Default)]
pub struct RedactedNames(Vec<String>);

impl RedactedNames {
    /// Collects the known values of the worker's environment that the placeholders in `values` copy, except short
    /// values.
    ///
    /// # Errors
    /// Fails if there are too many values to search for.
    pub fn collect(arena: &Arena, values: impl IntoIterator<Item = ValueId>, environ: &Environ) -> Result<Self> {
        let mut found = Vec::new();
        values.into_iter().for_each(|value| collect_placeholders(arena, value, &mut found));
        let mut texts = HashSet::new();
        for (value, placeholder) in found {
            if placeholder.source() != PlaceholderSource::Environment {
                continue;
            }
            let name = placeholder.name.trim_start_matches('$');
            let Some(Resolved::Text(text)) = environ.get(name).map(|variable| &variable.value) else { continue };
            if text.chars().nth(MIN_REDACTED_LENGTH - 1).is_some() {
                texts.insert(text.as_str());
            }
            if texts.len() > MAX_REDACTED_VALUES {
                let error = Error::input(format!(
                    "placeholders copy more than {MAX_REDACTED_VALUES} variables of the worker into the Job"
                ));
                let hint = "set the variables in `env` of the base job template instead";
                return Err(locate(error.hint(hint), arena.location(value)));
            }
        }
        let mut redacted_names = RedactedNames(texts.into_iter().map(str::to_owned).collect());
        redacted_names.sort();
        Ok(redacted_names)
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
        self.0.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    }

    /// Replaces each redacted value in `text` with `***`.
    pub fn redact(&self, text: &str) -> String {
        let redact_one = |text: String, value: &String| match text.contains(value.as_str()) {
            true => text.replace(value.as_str(), "***"),
            false => text,
        };
        self.0.iter().fold(text.to_owned(), redact_one)
    }
}

/// Replaces the placeholders of a template. Returns `None` if the template is a single placeholder without a value. The
/// caller then removes the key or item that holds the template.
///
/// # Errors
/// Fails if the replaced values are too long in total, or if the result depends on the order of the replacements.
pub(super) fn apply_values(
    arena: &mut Arena,
    template: ValueId,
    values: ValueId,
    environ: &Environ,
) -> Result<Option<ValueId>> {
    Filler { values, environ }.fill(arena, template)
}

/// Replaces placeholders with values.
struct Filler<'e> {
    /// The mapping of job variables.
    values: ValueId,
    /// The variables of the worker.
    environ: &'e Environ,
}

impl Filler<'_> {
    fn fill(&self, arena: &mut Arena, template: ValueId) -> Result<Option<ValueId>> {
        match arena.get(template).clone() {
            Value::Str(text) => self.fill_text(arena, template, &text),
            Value::List(items) => {
                let mut all = Vec::new();
                for item in items {
                    all.extend(self.fill(arena, item)?);
                }
                let location = arena.location(template).cloned();
                Ok(Some(arena.alloc(Value::List(all), location)))
            }
            Value::Dict(pairs) => {
                let mut all = Vec::new();
                for (key, value) in pairs {
                    all.extend(self.fill(arena, value)?.map(|value| (key, value)));
                }
                let location = arena.location(template).cloned();
                let all = arena.new_dict(all);
                Ok(Some(arena.alloc(all, location)))
            }
            _ => Ok(Some(template)),
        }
    }

    fn fill_text(&self, arena: &mut Arena, template: ValueId, text: &str) -> Result<Option<ValueId>> {
        let mut placeholders = placeholder::find_all(text).peekable();
        match placeholders.peek() {
            None => return Ok(Some(template)),
            Some(only) if only.full == text && only.source() == PlaceholderSource::Variable => {
                return get_from_dict(arena, self.values, only.name)
                    .map_err(|error| locate(error, arena.location(template)));
            }
            Some(_) => {}
        }
        let (mut filled, mut rest) = (String::new(), text);
        let mut replaced = HashSet::new();
        let mut is_unknown = false;
        for placeholder in placeholders {
            // The first occurrence in the rest is this placeholder, because each occurrence is a placeholder.
            let Some((before, after)) = rest.split_once(placeholder.full) else { continue };
            (filled, rest) = (filled + before, after);
            if placeholder.source() == PlaceholderSource::Api {
                filled.push_str(placeholder.full);
                continue;
            }
            replaced.insert(placeholder.full);
            let value = self.text_of(arena, placeholder).map_err(|error| locate(error, arena.location(template)))?;
            if let Some(value) = value {
                is_unknown |= matches!(value, Resolved::Unknown(_));
                filled.push_str(value.as_str());
            }
        }
        filled.push_str(rest);
        check_order(arena, template, &filled, &replaced)?;
        let location = arena.location(template).cloned();
        Ok(Some(arena.alloc(if is_unknown { Value::Unknown(filled) } else { Value::Str(filled) }, location)))
    }

    /// Returns the text that replaces a placeholder, or `None` if the placeholder has no value. Pays for the text.
    fn text_of(&self, arena: &mut Arena, placeholder: Placeholder<'_>) -> Result<Option<Resolved>> {
        if placeholder.source() == PlaceholderSource::Environment {
            let variable = self.environ.get(placeholder.name.trim_start_matches('$'));
            if let Some(variable) = variable {
                arena.budget.spend_bytes(variable.value.as_str().len(), format_args!("`{}`", placeholder.full))?;
            }
            return Ok(variable.map(|variable| variable.value.clone()));
        }
        let Some(value) = get_from_dict(arena, self.values, placeholder.name)? else { return Ok(None) };
        spend_copy(arena, value, &format!("`{}`", placeholder.full))?;
        let text = string::str(arena, value);
        Ok(Some(match arena.get(value) {
            Value::Unknown(_) => Resolved::Unknown(text),
            _ => Resolved::Text(text),
        }))
    }
}

/// Fails if a value brought one of the replaced placeholders into a string with several placeholders. Prefect iterates
/// over a set, so whether it replaces that placeholder differs from run to run.
fn check_order(arena: &Arena, template: ValueId, filled: &str, replaced: &HashSet<&str>) -> Result<()> {
    if replaced.len() < 2 {
        return Ok(());
    }
    match placeholder::find_all(filled).find(|placeholder| replaced.contains(placeholder.full)) {
        None => Ok(()),
        Some(placeholder) => {
            let error = Error::refused(format!(
                "ambiguous placeholder `{}`: the value of another placeholder contains it, and Prefect replaces them in random order",
                placeholder.full
            ));
            Err(locate(error.hint("remove the placeholder from that value"), arena.location(template)))
        }
    }
}
