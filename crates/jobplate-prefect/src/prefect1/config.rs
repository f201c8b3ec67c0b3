//! Prefect 1's configuration (`prefect/configuration.py`): defaults, `config.toml` and `PREFECT__*` variables, with
//! types cast, environment variables expanded and `${section.key}` interpolated.

use std::ops::Range;
use std::rc::Rc;
use std::sync::LazyLock;

use indexmap::IndexMap;
use jobplate_diagnostic::{Error, ErrorKind, Result};
use num_bigint::BigInt;
use regex_lite::Regex;
use toml::de::{DeTable, DeValue};

use super::config_toml::{check_values, convert_toml, parse_toml};
use super::defaults::{DefaultValue, SETTINGS};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::limits::{Budget, UNSUPPORTED_HINT};
use crate::pyvalue::literal;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::string;

/// The prefix of the variables that Prefect reads.
pub(super) const PREFIX: &str = "PREFECT__";

/// The maximum number of rounds in which Prefect expands a string.
const MAX_ROUNDS: usize = 10;

/// The maximum number of nested sections. Python reaches its recursion limit at a greater depth.
const MAX_DEPTH: usize = 100;

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
    let mut file = Section::default();
    for (name, value) in &SETTINGS {
        let data = match value {
            DefaultValue::Bool(boolean) => Value::Bool(*boolean),
            DefaultValue::Float(float) => Value::Float(*float),
            DefaultValue::Int(integer) => Value::Int(BigInt::from(*integer)),
            DefaultValue::Str(text) => Value::Str((*text).to_owned()),
        };
        let value = arena.alloc(data, None);
        file.set(name, value);
    }
    if let Some(user) = user {
        let table = parse_toml(user)?;
        check_values(table.get_ref().values(), user)?;
        file.merge(arena, table.get_ref(), user);
    }
    let mut settings = FlatSettings::default();
    settings.add_section(&mut arena.budget, &mut Vec::new(), file)?;
    for variable in environ.iter().filter(|variable| variable.name.starts_with(PREFIX)) {
        let value = variable_value(arena, environ, variable)?;
        let path = setting_path(&variable.name[PREFIX.len()..]);
        if path.len() > MAX_DEPTH {
            let error = Error::refused(format!("more than {MAX_DEPTH} sections in the name of a variable"));
            return Err(locate(error.hint(UNSUPPORTED_HINT), variable.location.as_ref()));
        }
        arena.budget.spend_values(path.len(), "a section in the name of a variable")?;
        settings.0.insert(path, value);
    }
    for value in settings.0.values_mut() {
        *value = expand_and_cast(arena, environ, *value)?;
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
    let expanded = expand(arena, environ, &variable.value, location)?;
    match arena.get(expanded).clone() {
        Value::Str(text) => string_to_type(arena, &text, location),
        Value::Unknown(_) => Ok(expanded),
        _ => Err(locate(
            Error::input(format!(
                "Prefect cannot start: repeated expansion of `{}` does not result in a string",
                variable.name
            ))
            .hint("write the final value instead of `$NAME`"),
            location,
        )),
    }
}

/// Expands and casts a string. Returns other values unchanged. Fails if the result exceeds the arena's budget.
fn expand_and_cast(arena: &mut Arena, environ: &Environ, value: ValueId) -> Result<ValueId> {
    let Some(text) = arena.as_str(value).map(str::to_owned) else { return Ok(value) };
    let location = arena.location(value).cloned();
    let expanded = expand(arena, environ, &Resolved::Text(text), location.as_ref())?;
    match arena.as_str(expanded).map(str::to_owned) {
        Some(text) => string_to_type(arena, &text, location.as_ref()),
        None => Ok(expanded),
    }
}

/// Expands a string until it does not change, like `interpolate_env_vars`. Casts the string if it was expanded more
/// than once. Returns Python's `None` if the string still changes after [`MAX_ROUNDS`] rounds.
///
/// Fails if the result exceeds the arena's budget.
fn expand(arena: &mut Arena, environ: &Environ, value: &Resolved, location: Option<&Location>) -> Result<ValueId> {
    let mut current = value.clone();
    for round in 0..MAX_ROUNDS {
        let next = environ.expand(&current, &mut arena.budget).map_err(|error| locate(error, location))?;
        if next != current {
            current = next;
            continue;
        }
        return Ok(match current {
            Resolved::Unknown(text) => arena.alloc(Value::Unknown(text), location.cloned()),
            Resolved::Text(text) if round > 1 => return string_to_type(arena, &text, location),
            Resolved::Text(text) => arena.alloc(Value::Str(text), location.cloned()),
        });
    }
    Ok(arena.alloc(Value::None, location.cloned()))
}

/// Casts a string like Prefect's `string_to_type`: `true` and `false` in any letter case to a boolean, and a Python
/// literal to its value. Returns other strings unchanged.
///
/// Fails if the values of a literal exceed the arena's budget.
pub(super) fn string_to_type(arena: &mut Arena, text: &str, location: Option<&Location>) -> Result<ValueId> {
    Ok(match text.to_uppercase().as_str() {
        "TRUE" => arena.alloc(Value::Bool(true), location.cloned()),
        "FALSE" => arena.alloc(Value::Bool(false), location.cloned()),
        _ => match literal::eval(arena, text, location)? {
            Some(value) => value,
            None => arena.alloc(Value::Str(text.to_owned()), location.cloned()),
        },
    })
}

/// The entries of a section of a `config.toml`, in insertion order.
#[derive(Default)]
struct Section(IndexMap<String, Entry>);

/// An entry of a [`Section`].
enum Entry {
    Setting(ValueId),
    Section(Section),
}

impl Section {
    /// Sets a setting such as `cloud.api`.
    fn set(&mut self, setting: &str, value: ValueId) {
        match setting.split_once('.') {
            None => drop(self.0.insert(setting.to_owned(), Entry::Setting(value))),
            Some((name, rest)) => self.edit_section(name, |section| section.set(rest, value)),
        }
    }

    /// Edits a nested section, which replaces a setting of the same name.
    fn edit_section(&mut self, name: &str, edit: impl FnOnce(&mut Section)) {
        let mut section = match self.0.get_mut(name) {
            Some(Entry::Section(section)) => std::mem::take(section),
            _ => Section::default(),
        };
        edit(&mut section);
        self.0.insert(name.to_owned(), Entry::Section(section));
    }

    /// Merges a table like `merge_dicts`: its values replace settings and sections of the same name, its tables are
    /// merged into sections.
    fn merge(&mut self, arena: &mut Arena, table: &DeTable<'_>, source: &Rc<SourceFile>) {
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.edit_section(key.get_ref(), |section| section.merge(arena, inner, source));
                }
                _ => {
                    let value = convert_toml(arena, value, source);
                    self.0.insert(key.get_ref().to_string(), Entry::Setting(value));
                }
            }
        }
    }
}

/// Settings keyed by their path of sections and key, in insertion order.
#[derive(Default)]
struct FlatSettings(IndexMap<Vec<String>, ValueId>);

impl FlatSettings {
    /// Adds the settings of a section. `path` is the path of the section. Fails if the paths exceed the budget.
    fn add_section(&mut self, budget: &mut Budget, path: &mut Vec<String>, section: Section) -> Result<()> {
        for (name, entry) in section.0 {
            path.push(name);
            match entry {
                Entry::Setting(value) => {
                    budget.spend_bytes(path.iter().map(String::len).sum(), "a name of a section in `config.toml`")?;
                    budget.spend_values(path.len(), "a section in `config.toml`")?;
                    self.0.insert(path.clone(), value);
                }
                Entry::Section(inner) => self.add_section(budget, path, inner)?,
            }
            path.pop();
        }
        Ok(())
    }

    /// Replaces `${section.key}` with the value of that setting, or with an empty string if the setting does not exist.
    /// Replaces one reference per value in each of [`MAX_ROUNDS`] rounds. Fails if the results exceed the arena's
    /// budget.
    fn resolve_references(&mut self, arena: &mut Arena) -> Result<()> {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$\{(.[^${}]*)\}").ok());
        let pattern = PATTERN.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "invalid pattern"))?;
        let mut to_check: Vec<usize> = (0..self.0.len()).collect();
        for _ in 0..MAX_ROUNDS {
            let mut replaced = Vec::new();
            for position in to_check {
                let value = self.0[position];
                let Some(text) = arena.as_str(value).filter(|text| text.contains("${")) else { continue };
                let Some(found) = pattern.captures(text) else { continue };
                let reference = found.get(0).map_or(0..0, |reference| reference.range());
                let key: Vec<String> = found[1].split('.').map(str::to_owned).collect();
                self.0[position] = resolve_reference(arena, value, reference, self.0.get(&key).copied())?;
                replaced.push(position);
            }
            to_check = replaced;
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
                    let error = Error::input(format!("Prefect cannot start: its setting `{name}` must be a section"));
                    return Err(locate(error, arena.location(*value)));
                }
            }
            arena.dict_set_str(section, key, *value);
        }
        Ok(root)
    }
}

/// Returns a string in which a reference, at the byte range `reference`, is replaced with the value `referred`. Fails if
/// the result exceeds the arena's budget.
fn resolve_reference(
    arena: &mut Arena,
    value: ValueId,
    reference: Range<usize>,
    referred: Option<ValueId>,
) -> Result<ValueId> {
    let text = arena.as_str(value).unwrap_or_default();
    let location = arena.location(value).or(referred.and_then(|referred| arena.location(referred))).cloned();
    if let Some(referred) = referred
        && reference == (0..text.len())
    {
        // A default of Prefect gets the location of the reference.
        return Ok(match arena.location(referred) {
            Some(_) => referred,
            None => {
                let data = arena.get(referred).clone();
                arena.alloc(data, location)
            }
        });
    }
    let inner = referred.map_or(String::new(), |referred| string::str(arena, referred));
    let (before, after) = (&text[..reference.start], &text[reference.end..]);
    let replaced = [before, &inner, after].concat();
    // Without such a setting, the text between the braces can be a part of a secret.
    let subject = if referred.is_some() { format!("`{}`", &text[reference]) } else { "a reference".to_owned() };
    let paid = arena.budget.spend_bytes(replaced.len(), subject);
    paid.map_err(|error| locate(error, location.as_ref()))?;
    let is_unknown = referred.is_some_and(|referred| matches!(arena.get(referred), Value::Unknown(_)));
    Ok(arena.alloc(if is_unknown { Value::Unknown(replaced) } else { Value::Str(replaced) }, location))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_error(pairs: &[(&str, &str)], user: &str) -> String {
        let user = SourceFile::new_redacted("c.toml", user);
        let loaded = load(&mut Arena::default(), &Environ::from_pairs(pairs), Some(&user));
        loaded.err().map_or(String::new(), |error| error.message().to_owned())
    }

    #[test]
    fn limits_what_variables_and_references_multiply() {
        const BYTES: &str = "exceeds the limit of 8 MiB of text";
        let expansion = format!("the expansion of `$A` {BYTES}");
        let many = |text: &str, count: usize| text.repeat(count);
        let one = &many("x", 50_000);
        let settings = |value: &str| (0..200).map(|at| format!("k{at} = \"{value}\"\n")).collect::<String>();
        let deep: Vec<String> = (0..1_000).map(|at| format!("PREFECT__S{at}{}", many("__A", 90))).collect();
        for (pairs, user, expected) in [
            (vec![("A", "$A$A$A$A$A$A$A"), ("PREFECT__CONTEXT__X", "$A")], String::new(), expansion.clone()),
            (vec![("A", "$A$A$A$A$A$A$A")], "[context]\nx = \"$A\"".to_owned(), expansion.clone()),
            (vec![("A", one)], format!("[context]\n{}", settings("${A}b")), expansion),
            (vec![("HOME", one)], format!("[context]\n{}", settings("~/b")), format!("`~` {BYTES}")),
            (
                vec![],
                format!("[context]\nk = \"{}\"", many("${context.k}", 2_000)),
                format!("`${{context.k}}` {BYTES}"),
            ),
            (vec![], format!("[context]\n{}", settings(&format!("${{sec}}{one}"))), format!("a reference {BYTES}")),
            (
                vec![],
                format!("[context]\nx = \"{one}\"\n{}", settings("a${context.x}")),
                format!("`${{context.x}}` {BYTES}"),
            ),
            (
                vec![("A", "1,1,1,1,1,1,1,1,1,1,"), ("PREFECT__CONTEXT__X", &many("$A", 60_000))],
                String::new(),
                "the literal exceeds the limit of 80000 values".to_owned(),
            ),
            (
                vec![],
                format!("[context.{}]\n{}", many("s", 50_000), settings("v")),
                format!("a name of a section in `config.toml` {BYTES}"),
            ),
            (
                vec![(&*format!("PREFECT__{}", many("A__", 200)), "x")],
                String::new(),
                "more than 100 sections in the name of a variable".to_owned(),
            ),
            (
                deep.iter().map(|name| (name.as_str(), "x")).collect(),
                String::new(),
                "a section in the name of a variable exceeds the limit of 80000 values".to_owned(),
            ),
        ] {
            assert_eq!(load_error(&pairs, &user), expected);
        }
    }

    /// Loads `count` settings in a file, and as many variables that refer to them.
    fn load_settings(&count: &usize) {
        let user: String = (0..count).map(|at| format!("[context.s{at}]\nk = \"x\"\n")).collect();
        let user = SourceFile::new_redacted("c.toml", user);
        let variables = (0..count).map(|at| EnvironVar {
            name: format!("PREFECT__CONTEXT__V{at}"),
            value: Resolved::Text(format!("${{context.s{at}.k}} $HOME")),
            location: None,
        });
        load(&mut Arena::default(), &variables.collect(), Some(&user)).unwrap();
    }

    #[test]
    fn loading_time_grows_linearly() {
        jobplate_growth::assert_linear(1_000, |count| count, load_settings);
    }
}
