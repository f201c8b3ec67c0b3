//! Placeholders, `{{ name }}`: what is one, and what a template becomes when they are filled
//! (`prefect.utilities.templating.apply_values`).

use std::sync::LazyLock;

use regex_lite::Regex;

use super::values::get_from_dict;
use crate::error::{Error, Result};
use crate::python::environ::{Environ, Known};
use crate::python::heap::{Data, Heap, Id, at};
use crate::python::send::MOST;
use crate::python::text;

/// A placeholder in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// As it is written.
    pub full: String,
    /// What is between the braces.
    pub name: String,
}

/// What fills a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// A variable.
    Variable,
    /// `$NAME`: the environment of the worker.
    Environment,
    /// `prefect.blocks...` and `prefect.variables...`: what only Prefect's API knows.
    Api,
}

impl Placeholder {
    /// What fills it.
    pub fn filler(&self) -> Filler {
        match self.name.as_str() {
            name if name.starts_with("prefect.blocks.") || name.starts_with("prefect.variables.") => Filler::Api,
            name if name.starts_with('$') => Filler::Environment,
            _ => Filler::Variable,
        }
    }
}

/// The placeholders of a text, each once, in their order. (Prefect goes through them in the order of a set, which is
/// none; it shows only where a value holds another placeholder of the same text.)
pub fn in_text(text: &str) -> Vec<Placeholder> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{([^{}]*)\}\}").ok());
    let Some(pattern) = &*PATTERN else { return Vec::new() };
    let mut found: Vec<Placeholder> = Vec::new();
    for groups in pattern.captures_iter(text) {
        let (Some(full), Some(inside)) = (groups.get(0), groups.get(1)) else { continue };
        let name = inside.as_str().trim_matches(is_space);
        let placeholder = Placeholder { full: full.as_str().to_owned(), name: name.to_owned() };
        if !name.is_empty() && name.chars().all(is_of_name) && !found.contains(&placeholder) {
            found.push(placeholder);
        }
    }
    found
}

/// Python's `\s`.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `\w` of any script, and what leads into values.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_.-[]$".contains(c)
}

/// The placeholders of everything in a value but its keys.
pub fn in_value(heap: &Heap, value: Id, found: &mut Vec<(Id, Placeholder)>) {
    match heap.get(value) {
        Data::Str(text) => found.extend(in_text(text).into_iter().map(|placeholder| (value, placeholder))),
        Data::List(items) => items.iter().for_each(|item| in_value(heap, *item, found)),
        Data::Dict(pairs) => pairs.iter().for_each(|(_, value)| in_value(heap, *value, found)),
        _ => {}
    }
}

/// Fills the placeholders of a template. None where it is nothing but one that has no value: the key or item that it
/// stands for is left out. Fails where values that hold placeholders of their own make a text too long.
pub fn fill(heap: &mut Heap, template: Id, values: Id, environ: &Environ) -> Result<Option<Id>> {
    match heap.get(template).clone() {
        Data::Str(text) => fill_text(heap, template, &text, values, environ),
        Data::List(items) => {
            let mut filled = Vec::new();
            for item in items {
                filled.extend(fill(heap, item, values, environ)?);
            }
            let place = heap.place(template).cloned();
            Ok(Some(heap.put(Data::List(filled), place)))
        }
        Data::Dict(pairs) => {
            let mut filled = Vec::new();
            for (key, value) in pairs {
                filled.extend(fill(heap, value, values, environ)?.map(|value| (key, value)));
            }
            let place = heap.place(template).cloned();
            Ok(Some(heap.put(Data::Dict(filled), place)))
        }
        _ => Ok(Some(template)),
    }
}

fn fill_text(heap: &mut Heap, template: Id, text: &str, values: Id, environ: &Environ) -> Result<Option<Id>> {
    let placeholders = in_text(text);
    if placeholders.is_empty() {
        return Ok(Some(template));
    }
    if let [placeholder] = placeholders.as_slice()
        && placeholder.full == text
        && placeholder.filler() == Filler::Variable
    {
        return Ok(get_from_dict(heap, values, &placeholder.name));
    }
    let mut filled = text.to_owned();
    let mut is_unknown = false;
    for placeholder in &placeholders {
        let value = match placeholder.filler() {
            Filler::Api => continue,
            Filler::Variable => {
                let value = get_from_dict(heap, values, &placeholder.name);
                is_unknown |= value.is_some_and(|value| matches!(heap.get(value), Data::Unknown(_)));
                value.map(|value| text::str(heap, value))
            }
            Filler::Environment => {
                let variable = environ.get(placeholder.name.trim_start_matches('$'));
                is_unknown |= variable.is_some_and(|variable| matches!(variable.value, Known::Unknown(_)));
                variable.map(|variable| variable.value.text().to_owned())
            }
        };
        let value = value.unwrap_or_default();
        let times = filled.matches(&placeholder.full).count();
        if filled.len().saturating_add(times.saturating_mul(value.len())) > MOST {
            let error = Error::input("values that are put in here make this longer than any object can be");
            return Err(at(error, heap.place(template)));
        }
        filled = filled.replace(&placeholder.full, &value);
    }
    let place = heap.place(template).cloned();
    Ok(Some(heap.put(if is_unknown { Data::Unknown(filled) } else { Data::Str(filled) }, place)))
}
