//! Prefect 1's configuration: its own defaults, `config.toml`, `PREFECT__*` variables, and what Prefect makes of them
//! (`prefect/configuration.py`): types are guessed, variables expanded, and `${section.key}` looked up.

use std::rc::Rc;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use num_bigint::BigInt;
use regex_lite::Regex;
use toml::de::{DeTable, DeValue};

use super::defaults::{Default, RESERVED, SETTINGS};
use crate::kwargs::iterate;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::literal;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::string;
use crate::pyvalue::timestamp::Timestamp;

/// What every variable that Prefect reads begins with.
pub(super) const PREFIX: &str = "PREFECT__";

/// Prefect stops expanding a text after so many rounds.
const ROUNDS: usize = 10;

/// The settings of a process, by section and key.
#[derive(Clone, Copy, Debug)]
pub struct Config(ValueId);

impl Config {
    /// The value of a setting, such as `cloud.api`; none where it is not there.
    pub fn get(self, arena: &Arena, setting: &str) -> Option<ValueId> {
        setting.split('.').try_fold(self.0, |section, key| arena.dict_get(section, key))
    }

    /// Sets `section.key`; nothing where the section is none.
    pub fn set(self, arena: &mut Arena, setting: &str, value: ValueId) {
        if let Some((section, key)) = setting.rsplit_once('.')
            && let Some(section) = self.get(arena, section)
        {
            arena.dict_set_str(section, key, value);
        }
    }
}

/// Loads the configuration of a process with this environment and this text as the user's `config.toml`.
///
/// Fails where Prefect can't start with it.
pub(super) fn load(arena: &mut Arena, environ: &Environ, user: Option<&Rc<SourceFile>>) -> Result<Config> {
    let mut flat = Flat::default();
    for (name, value) in &SETTINGS {
        let data = match value {
            Default::Bool(is) => Value::Bool(*is),
            Default::Float(float) => Value::Float(*float),
            Default::Int(whole) => Value::Int(BigInt::from(*whole)),
            Default::Str(text) => Value::Str((*text).to_owned()),
        };
        let value = arena.alloc(data, None);
        flat.set(name.split('.').map(str::to_owned).collect(), value);
    }
    if let Some(user) = user {
        let table = parse_toml(user)?;
        check_lists(table.get_ref().values(), user)?;
        flat.merge(arena, &mut Vec::new(), table.get_ref(), user);
    }
    for variable in environ.0.iter().filter(|variable| variable.name.starts_with(PREFIX)) {
        let value = of_variable(arena, environ, variable)?;
        flat.set(path(&variable.name[PREFIX.len()..]), value);
    }
    for position in 0..flat.0.len() {
        let value = flat.0[position].1;
        flat.0[position].1 = settle(arena, environ, value);
    }
    flat.refer(arena)?;
    let root = flat.nest(arena)?;
    check_keys(arena, root)?;
    check(arena, Config(root))
}

/// Reads a `config.toml`.
pub(super) fn parse_toml(source: &Rc<SourceFile>) -> Result<toml::Spanned<DeTable<'_>>> {
    DeTable::parse(&source.text).map_err(|error| {
        let error_at = error.span().unwrap_or(0..0);
        let location = Location { source: Rc::clone(source), span: error_at };
        // The library's words may quote the text.
        locate(Error::input("this is no TOML").hint("see https://toml.io for its grammar"), Some(&location))
    })
}

/// Fails at a list whose items are of several types: Prefect's own TOML reader takes none.
fn check_lists<'t>(
    values: impl Iterator<Item = &'t toml::Spanned<DeValue<'t>>>,
    source: &Rc<SourceFile>,
) -> Result<()> {
    for value in values {
        match value.get_ref() {
            DeValue::Table(table) => check_lists(table.values(), source)?,
            DeValue::Array(items) => {
                if items.iter().next().is_some_and(|first| first.get_ref().is_table()) {
                    continue;
                }
                let kind = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().type_str();
                if let Some(odd) = items.iter().find(|item| items.iter().next().map(kind) != Some(kind(item))) {
                    let location = Location { source: Rc::clone(source), span: odd.span() };
                    let error = Error::input("Prefect can't start: a list of several types");
                    return Err(locate(error.hint("Prefect's TOML reader takes lists of one type"), Some(&location)));
                }
                check_lists(items.iter(), source)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The section and key that a variable is, without its prefix: lower-case, but for the names of secrets.
fn path(option: &str) -> Vec<String> {
    let option = match option.to_uppercase().starts_with("CONTEXT__SECRETS") {
        true => option.replace("CONTEXT__SECRETS", "context__secrets"),
        false => option.to_lowercase(),
    };
    option.split("__").map(str::to_owned).collect()
}

/// The value of a variable, as it is taken in; `settle` comes after that.
fn of_variable(arena: &mut Arena, environ: &Environ, variable: &EnvironVar) -> Result<ValueId> {
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

/// Expands and casts a value that is still a text.
fn settle(arena: &mut Arena, environ: &Environ, value: ValueId) -> ValueId {
    let Value::Str(text) = arena.get(value).clone() else { return value };
    let location = arena.location(value).cloned();
    let expanded = expand(arena, environ, &Resolved::Text(text), location.as_ref());
    match arena.get(expanded).clone() {
        Value::Str(text) => string_to_type(arena, &text, location.as_ref()),
        _ => expanded,
    }
}

/// `interpolate_env_vars`: expands until nothing changes; what was expanded more than once is cast.
fn expand(arena: &mut Arena, environ: &Environ, value: &Resolved, location: Option<&Location>) -> ValueId {
    let mut known = value.clone();
    for round in 0..ROUNDS {
        let next = environ.expand(&known);
        if next != known {
            known = next;
            continue;
        }
        return match known {
            Resolved::Unknown(text) => arena.alloc(Value::Unknown(text), location.cloned()),
            Resolved::Text(text) if round > 1 => string_to_type(arena, &text, location),
            Resolved::Text(text) => arena.alloc(Value::Str(text), location.cloned()),
        };
    }
    arena.alloc(Value::None, location.cloned())
}

/// `string_to_type`: `true` and `false` in any case, else a Python literal, else the text.
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

/// Settings by the whole way to them, in the order in which they came.
#[derive(Default)]
struct Flat(Vec<(Vec<String>, ValueId)>);

impl Flat {
    fn get(&self, path: &[String]) -> Option<ValueId> {
        self.0.iter().find(|(own, _)| own == path).map(|(_, value)| *value)
    }

    fn set(&mut self, path: Vec<String>, value: ValueId) {
        match self.0.iter_mut().find(|(own, _)| *own == path) {
            Some((_, own)) => *own = value,
            None => self.0.push((path, value)),
        }
    }

    /// Lays a table over what is there.
    fn merge(&mut self, arena: &mut Arena, above: &mut Vec<String>, table: &DeTable<'_>, source: &Rc<SourceFile>) {
        for (key, value) in table {
            above.push(key.get_ref().to_string());
            let is_section = |(own, _): &(Vec<String>, ValueId)| own.len() > above.len() && own.starts_with(above);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    if !self.0.iter().any(is_section) {
                        self.0.retain(|(own, _)| own != above);
                    }
                    self.merge(arena, above, inner, source);
                }
                _ => {
                    self.0.retain(|(own, _)| !(own.len() > above.len() && own.starts_with(above)));
                    let value = of_toml(arena, value, source);
                    self.set(above.clone(), value);
                }
            }
            above.pop();
        }
    }

    /// Puts the values of other settings where `${section.key}` stands, at most ten times over.
    fn refer(&mut self, arena: &mut Arena) -> Result<()> {
        let pattern =
            Regex::new(r"\$\{(.[^${}]*)\}").map_err(|_| Error::new(ErrorKind::Internal, "a pattern that is none"))?;
        for _ in 0..ROUNDS {
            for position in 0..self.0.len() {
                let value = self.0[position].1;
                let Value::Str(text) = arena.get(value).clone() else { continue };
                let Some(found) = pattern.captures(&text) else { continue };
                let (whole, key) = (found[0].to_owned(), found[1].split('.').map(str::to_owned).collect::<Vec<_>>());
                let referred = self.get(&key);
                let location =
                    arena.location(value).or(referred.and_then(|referred| arena.location(referred))).cloned();
                self.0[position].1 = match referred {
                    Some(referred) if text == whole => match arena.location(referred) {
                        Some(_) => referred,
                        // Prefect's own value, but it counts because of this reference.
                        None => {
                            let data = arena.get(referred).clone();
                            arena.alloc(data, location)
                        }
                    },
                    _ => {
                        let inner = referred.map_or(String::new(), |referred| string::str(arena, referred));
                        let replaced = text.replacen(&whole, &inner, 1);
                        let unknown = referred.is_some_and(|referred| matches!(arena.get(referred), Value::Unknown(_)));
                        arena.alloc(if unknown { Value::Unknown(replaced) } else { Value::Str(replaced) }, location)
                    }
                };
            }
        }
        Ok(())
    }

    /// Sections within sections. Fails where a setting is a section to another.
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

/// A value of a `config.toml`.
pub(super) fn of_toml(arena: &mut Arena, value: &toml::Spanned<DeValue<'_>>, source: &Rc<SourceFile>) -> ValueId {
    let location = Location { source: Rc::clone(source), span: value.span() };
    let data = match value.get_ref() {
        DeValue::String(text) => Value::Str(text.to_string()),
        DeValue::Integer(whole) => {
            Value::Int(BigInt::parse_bytes(whole.as_str().as_bytes(), whole.radix()).unwrap_or_default())
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Datetime(time) => match Timestamp::parse(&time.to_string()) {
            Some(time) => Value::Timestamp(time),
            None => Value::Unsupported("a time of day"),
        },
        DeValue::Array(items) => {
            // Behind a table, Prefect's reader sees tables only.
            let tables_only = items.iter().next().is_some_and(|first| first.get_ref().is_table());
            let items = items.iter().filter(|item| !tables_only || item.get_ref().is_table());
            Value::List(items.map(|item| of_toml(arena, item, source)).collect())
        }
        DeValue::Table(table) => {
            let pair = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                (arena.alloc_str(key.get_ref().to_string()), of_toml(arena, value, source))
            };
            let pairs: Vec<_> = table.iter().map(pair).collect();
            arena.new_dict(pairs)
        }
    };
    arena.alloc(data, Some(location))
}

/// Fails at a key that is a method of Prefect's configuration: Prefect then can't be imported.
fn check_keys(arena: &Arena, section: ValueId) -> Result<()> {
    for (key, value) in arena.as_dict(section).unwrap_or_default() {
        if let Some(name) = arena.as_str(*key)
            && RESERVED.contains(&name)
        {
            let error = Error::input(format!("Prefect can't start: no setting or secret can be called `{name}`"));
            return Err(locate(error.hint("choose another name"), arena.location(*value).or(arena.location(*key))));
        }
        check_keys(arena, *value)?;
    }
    Ok(())
}

/// Fails at settings with which Prefect's agent can't start.
fn check(arena: &mut Arena, config: Config) -> Result<Config> {
    let fail = |arena: &Arena, setting: &str, what: &str| {
        let error = Error::input(format!("Prefect can't start: its setting `{setting}` {what}"));
        Err(locate(error, config.get(arena, setting).and_then(|own| arena.location(own))))
    };
    for section in SECTIONS {
        if config.get(arena, section).is_none_or(|own| arena.as_dict(own).is_none()) {
            return fail(arena, section, "is no section");
        }
    }
    for section in ["context", "context.config"] {
        if config.get(arena, section).is_some_and(|own| arena.as_dict(own).is_none()) {
            return fail(arena, section, "is no section");
        }
    }
    if let Some(Value::Int(seconds)) = config.get(arena, "tasks.defaults.retry_delay").map(|delay| arena.get(delay))
        && seconds.magnitude() >= BigInt::from(MOST_SECONDS).magnitude()
    {
        return fail(arena, "tasks.defaults.retry_delay", "is longer than Python can count");
    }
    if config.get(arena, "home_dir").is_none_or(|own| !matches!(arena.get(own), Value::Str(_) | Value::Unknown(_))) {
        return fail(arena, "home_dir", "is no text");
    }
    let fits = |format: ValueId| match arena.get(format) {
        Value::Unknown(_) => true,
        Value::Str(text) => Regex::new(FORMAT).is_ok_and(|pattern| pattern.is_match(text)),
        _ => false,
    };
    if config.get(arena, "logging.format").is_some_and(|format| arena.is_truthy(format) && !fits(format)) {
        return fail(arena, "logging.format", "is no format of Python's logging");
    }
    if let Some(loggers) = config.get(arena, "logging.extra_loggers") {
        let names = iterate(arena, loggers, "`logging.extra_loggers`")?;
        if names
            .iter()
            .any(|name| arena.is_truthy(*name) && !matches!(arena.get(*name), Value::Str(_) | Value::Unknown(_)))
        {
            return fail(arena, "logging.extra_loggers", "holds what is no text");
        }
    }
    check_level(arena, config, "logging.level")?;
    Ok(config)
}

/// What is a day more than Python's longest span of time.
const MOST_SECONDS: i64 = 1_000_000_000 * 86_400;

/// Sections that Prefect looks into when it starts.
const SECTIONS: [&str; 8] =
    ["cloud", "cloud.agent", "flows", "flows.defaults", "flows.defaults.storage", "logging", "tasks", "tasks.defaults"];

/// What a format of Python's logging has at least one of.
const FORMAT: &str = r"%\([a-zA-Z_][0-9A-Za-z_]*\)[#0+ -]*(\*|\d+)?(\.(\*|\d+))?[diouxefgcrsaDIOUXEFGCRSA%]";

/// Fails where a level of logging is none to Python.
pub(super) fn check_level(arena: &Arena, config: Config, setting: &str) -> Result<()> {
    const LEVELS: [&str; 8] = ["CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"];
    let Some(level) = config.get(arena, setting) else { return Ok(()) };
    let is_level = match arena.get(level) {
        Value::Int(_) | Value::Bool(_) | Value::Unknown(_) => true,
        Value::Str(name) => LEVELS.contains(&name.as_str()),
        _ => false,
    };
    if is_level {
        return Ok(());
    }
    let error = Error::input(format!("Prefect can't start: `{setting}` is no level of logging"));
    Err(locate(error.hint("levels are DEBUG, INFO, WARNING, ERROR and CRITICAL, in capitals"), arena.location(level)))
}
