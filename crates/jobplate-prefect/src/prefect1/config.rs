//! Prefect 1's configuration (`prefect/configuration.py`): defaults, `config.toml` and `PREFECT__*` variables, with
//! types cast, environment variables expanded and `${section.key}` interpolated.

use std::rc::Rc;

use indexmap::IndexMap;
use jobplate_diagnostic::{Error, ErrorKind, Result};
use num_bigint::BigInt;
use regex_lite::Regex;
use toml::de::{DeTable, DeValue};

use super::config_toml::{check_lists, convert_toml, parse_toml};
use super::defaults::{DefaultValue, SETTINGS};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::literal;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::string;

/// The prefix of the variables that Prefect reads.
pub(super) const PREFIX: &str = "PREFECT__";

/// The maximum number of rounds in which Prefect expands a string.
const MAX_ROUNDS: usize = 10;

/// The configuration of a process.
#[derive(Clone, Copy, Debug)]
pub struct Config(ValueId);

impl Config {
    /// Returns the mapping of all sections.
    pub(super) fn root(self) -> ValueId {
        self.0
    }

    /// Returns the value of a setting such as `cloud.api`, or `None` if the setting does not exist.
    pub fn get(self, arena: &Arena, setting: &str) -> Option<ValueId> {
        setting.split('.').try_fold(self.0, |section, key| arena.dict_get(section, key))
    }

    /// Sets a setting such as `cloud.api`. Does nothing if its section does not exist.
    pub fn set(self, arena: &mut Arena, setting: &str, value: ValueId) {
        if let Some((section, key)) = setting.rsplit_once('.')
            && let Some(section) = self.get(arena, section)
        {
            arena.dict_set_str(section, key, value);
        }
    }
}

/// Loads the configuration of a process from its environment and the user's `config.toml`.
///
/// Fails if the TOML is invalid, or if Prefect cannot nest or expand a value. `config_check` checks the settings
/// themselves.
pub(super) fn load(arena: &mut Arena, environ: &Environ, user: Option<&Rc<SourceFile>>) -> Result<Config> {
    let mut settings = FlatSettings::default();
    for (name, value) in &SETTINGS {
        let data = match value {
            DefaultValue::Bool(boolean) => Value::Bool(*boolean),
            DefaultValue::Float(float) => Value::Float(*float),
            DefaultValue::Int(integer) => Value::Int(BigInt::from(*integer)),
            DefaultValue::Str(text) => Value::Str((*text).to_owned()),
        };
        let value = arena.alloc(data, None);
        settings.set(name.split('.').map(str::to_owned).collect(), value);
    }
    if let Some(user) = user {
        let table = parse_toml(user)?;
        check_lists(table.get_ref().values(), user)?;
        settings.merge(arena, &mut Vec::new(), table.get_ref(), user);
    }
    for variable in environ.0.iter().filter(|variable| variable.name.starts_with(PREFIX)) {
        let value = variable_value(arena, environ, variable)?;
        settings.set(setting_path(&variable.name[PREFIX.len()..]), value);
    }
    for value in settings.0.values_mut() {
        *value = expand_and_cast(arena, environ, *value);
    }
    settings.resolve_references(arena)?;
    let root = settings.nest(arena)?;
    Ok(Config(root))
}

/// Returns the path of the setting that a variable sets: its sections and its key, in lower case except for the names
/// of secrets. `option` is the variable's name without the prefix.
fn setting_path(option: &str) -> Vec<String> {
    let option = match option.to_uppercase().starts_with("CONTEXT__SECRETS") {
        true => option.replace("CONTEXT__SECRETS", "context__secrets"),
        false => option.to_lowercase(),
    };
    option.split("__").map(str::to_owned).collect()
}

/// Returns a variable's value after environment variables are expanded and its type is cast. References to other
/// settings are resolved later. Fails if repeated expansion results in a value that is not a string.
fn variable_value(arena: &mut Arena, environ: &Environ, variable: &EnvironVar) -> Result<ValueId> {
    let location = variable.location.as_ref();
    let expanded = expand(arena, environ, &variable.value, location);
    match arena.get(expanded).clone() {
        Value::Str(text) => Ok(string_to_type(arena, &text, location)),
        Value::Unknown(_) => Ok(expanded),
        _ => Err(locate(
            Error::input(format!(
                "Prefect can't start: `{}` is expanded several times over, to no text",
                variable.name
            ))
            .hint("write its value out"),
            location,
        )),
    }
}

/// Expands and casts a string. Returns other values unchanged.
fn expand_and_cast(arena: &mut Arena, environ: &Environ, value: ValueId) -> ValueId {
    let Value::Str(text) = arena.get(value).clone() else { return value };
    let location = arena.location(value).cloned();
    let expanded = expand(arena, environ, &Resolved::Text(text), location.as_ref());
    match arena.get(expanded).clone() {
        Value::Str(text) => string_to_type(arena, &text, location.as_ref()),
        _ => expanded,
    }
}

/// Expands a string until it does not change, like `interpolate_env_vars`. Casts the string if it was expanded more
/// than once. Returns Python's `None` if the string still changes after [`MAX_ROUNDS`] rounds.
fn expand(arena: &mut Arena, environ: &Environ, value: &Resolved, location: Option<&Location>) -> ValueId {
    let mut current = value.clone();
    for round in 0..MAX_ROUNDS {
        let next = environ.expand(&current);
        if next != current {
            current = next;
            continue;
        }
        return match current {
            Resolved::Unknown(text) => arena.alloc(Value::Unknown(text), location.cloned()),
            Resolved::Text(text) if round > 1 => string_to_type(arena, &text, location),
            Resolved::Text(text) => arena.alloc(Value::Str(text), location.cloned()),
        };
    }
    arena.alloc(Value::None, location.cloned())
}

/// Casts a string like Prefect's `string_to_type`: `true` and `false` in any letter case to a boolean, and a Python
/// literal to its value. Returns other strings unchanged.
pub(super) fn string_to_type(arena: &mut Arena, text: &str, location: Option<&Location>) -> ValueId {
    match text.to_uppercase().as_str() {
        "TRUE" => arena.alloc(Value::Bool(true), location.cloned()),
        "FALSE" => arena.alloc(Value::Bool(false), location.cloned()),
        _ => match literal::eval(arena, text, location) {
            Some(value) => value,
            None => arena.alloc(Value::Str(text.to_owned()), location.cloned()),
        },
    }
}

/// Settings keyed by their path of sections and key, in insertion order.
#[derive(Default)]
struct FlatSettings(IndexMap<Vec<String>, ValueId>);

impl FlatSettings {
    fn set(&mut self, path: Vec<String>, value: ValueId) {
        self.0.insert(path, value);
    }

    /// Merges a table into the settings and overrides existing settings. `section` is the table's path.
    fn merge(&mut self, arena: &mut Arena, section: &mut Vec<String>, table: &DeTable<'_>, source: &Rc<SourceFile>) {
        for (key, value) in table {
            section.push(key.get_ref().to_string());
            let is_below = |path: &Vec<String>| path.len() > section.len() && path.starts_with(section);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    if !self.0.keys().any(is_below) {
                        self.0.shift_remove(section);
                    }
                    self.merge(arena, section, inner, source);
                }
                _ => {
                    self.0.retain(|path, _| !is_below(path));
                    let value = convert_toml(arena, value, source);
                    self.set(section.clone(), value);
                }
            }
            section.pop();
        }
    }

    /// Replaces `${section.key}` with the value of that setting, or with an empty string if the setting does not exist.
    /// Replaces one reference per value in each of [`MAX_ROUNDS`] rounds.
    fn resolve_references(&mut self, arena: &mut Arena) -> Result<()> {
        let pattern =
            Regex::new(r"\$\{(.[^${}]*)\}").map_err(|_| Error::new(ErrorKind::Internal, "a pattern that is none"))?;
        for _ in 0..MAX_ROUNDS {
            for position in 0..self.0.len() {
                let value = self.0[position];
                let Value::Str(text) = arena.get(value).clone() else { continue };
                let Some(found) = pattern.captures(&text) else { continue };
                let (matched, key) = (found[0].to_owned(), found[1].split('.').map(str::to_owned).collect::<Vec<_>>());
                let referred = self.0.get(&key).copied();
                let location =
                    arena.location(value).or(referred.and_then(|referred| arena.location(referred))).cloned();
                self.0[position] = match referred {
                    Some(referred) if text == matched => match arena.location(referred) {
                        Some(_) => referred,
                        // A default of Prefect gets the location of the reference.
                        None => {
                            let data = arena.get(referred).clone();
                            arena.alloc(data, location)
                        }
                    },
                    _ => {
                        let inner = referred.map_or(String::new(), |referred| string::str(arena, referred));
                        let replaced = text.replacen(&matched, &inner, 1);
                        let unknown = referred.is_some_and(|referred| matches!(arena.get(referred), Value::Unknown(_)));
                        arena.alloc(if unknown { Value::Unknown(replaced) } else { Value::Str(replaced) }, location)
                    }
                };
            }
        }
        Ok(())
    }

    /// Nests the settings in sections. Fails if a setting is also a section.
    fn nest(&self, arena: &mut Arena) -> Result<ValueId> {
        let root = arena.alloc(Value::empty_dict(), None);
        for (path, value) in &self.0 {
            let Some((key, sections)) = path.split_last() else { continue };
            let mut section = root;
            for name in sections {
                section = match arena.dict_get(section, name) {
                    Some(inner) => inner,
                    None => {
                        let inner = arena.alloc(Value::empty_dict(), None);
                        arena.dict_set_str(section, name, inner);
                        inner
                    }
                };
                if arena.as_dict(section).is_none() {
                    let error = Error::input(format!("Prefect can't start: its setting `{name}` is no section"));
                    return Err(locate(error, arena.location(*value)));
                }
            }
            arena.dict_set_str(section, key, *value);
        }
        Ok(root)
    }
}
