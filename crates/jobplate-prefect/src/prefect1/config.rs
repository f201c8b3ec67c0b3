//! Prefect 1's configuration: its own defaults, `config.toml`, `PREFECT__*` variables, and what Prefect makes of them
//! (`prefect/configuration.py`): types are guessed, variables expanded, and `${section.key}` looked up.

use std::rc::Rc;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use num_bigint::BigInt;
use regex_lite::Regex;
use toml::de::{DeTable, DeValue};

use super::defaults::{Default, RESERVED, SETTINGS};
use crate::kwargs::iterate;
use crate::pyvalue::environ::{Environ, Known, Variable};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::literal;
use crate::pyvalue::source::{Place, Text, at};
use crate::pyvalue::text;
use crate::pyvalue::time::Time;

/// What every variable that Prefect reads begins with.
pub(super) const PREFIX: &str = "PREFECT__";

/// Prefect stops expanding a text after so many rounds.
const ROUNDS: usize = 10;

/// The settings of a process, by section and key.
#[derive(Clone, Copy, Debug)]
pub struct Config(Id);

impl Config {
    /// The value of a setting, such as `cloud.api`; none where it is not there.
    pub fn get(self, heap: &Heap, setting: &str) -> Option<Id> {
        setting.split('.').try_fold(self.0, |section, key| heap.item(section, key))
    }

    /// Sets `section.key`; nothing where the section is none.
    pub fn set(self, heap: &mut Heap, setting: &str, value: Id) {
        if let Some((section, key)) = setting.rsplit_once('.')
            && let Some(section) = self.get(heap, section)
        {
            heap.set_item(section, key, value);
        }
    }
}

/// Loads the configuration of a process with this environment and this text as the user's `config.toml`.
///
/// Fails where Prefect can't start with it.
pub(super) fn load(heap: &mut Heap, environ: &Environ, user: Option<&Rc<Text>>) -> Result<Config> {
    let mut flat = Flat::default();
    for (name, value) in &SETTINGS {
        let data = match value {
            Default::Bool(is) => Data::Bool(*is),
            Default::Float(float) => Data::Float(*float),
            Default::Int(whole) => Data::Int(BigInt::from(*whole)),
            Default::Str(text) => Data::Str((*text).to_owned()),
        };
        let value = heap.put(data, None);
        flat.set(name.split('.').map(str::to_owned).collect(), value);
    }
    if let Some(user) = user {
        let table = parse_toml(user)?;
        check_lists(table.get_ref().values(), user)?;
        flat.merge(heap, &mut Vec::new(), table.get_ref(), user);
    }
    for variable in environ.0.iter().filter(|variable| variable.name.starts_with(PREFIX)) {
        let value = of_variable(heap, environ, variable)?;
        flat.set(path(&variable.name[PREFIX.len()..]), value);
    }
    for position in 0..flat.0.len() {
        let value = flat.0[position].1;
        flat.0[position].1 = settle(heap, environ, value);
    }
    flat.refer(heap)?;
    let root = flat.nest(heap)?;
    check_keys(heap, root)?;
    check(heap, Config(root))
}

/// Reads a `config.toml`.
pub(super) fn parse_toml(source: &Rc<Text>) -> Result<toml::Spanned<DeTable<'_>>> {
    DeTable::parse(&source.text).map_err(|error| {
        let error_at = error.span().unwrap_or(0..0);
        let place = Place { source: Rc::clone(source), span: error_at };
        // The library's words may quote the text.
        at(Error::input("this is no TOML").hint("see https://toml.io for its grammar"), Some(&place))
    })
}

/// Fails at a list whose items are of several types: Prefect's own TOML reader takes none.
fn check_lists<'t>(values: impl Iterator<Item = &'t toml::Spanned<DeValue<'t>>>, source: &Rc<Text>) -> Result<()> {
    for value in values {
        match value.get_ref() {
            DeValue::Table(table) => check_lists(table.values(), source)?,
            DeValue::Array(items) => {
                if items.iter().next().is_some_and(|first| first.get_ref().is_table()) {
                    continue;
                }
                let kind = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().type_str();
                if let Some(odd) = items.iter().find(|item| items.iter().next().map(kind) != Some(kind(item))) {
                    let place = Place { source: Rc::clone(source), span: odd.span() };
                    let error = Error::input("Prefect can't start: a list of several types");
                    return Err(at(error.hint("Prefect's TOML reader takes lists of one type"), Some(&place)));
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
fn of_variable(heap: &mut Heap, environ: &Environ, variable: &Variable) -> Result<Id> {
    let place = variable.place.as_ref();
    let expanded = expand(heap, environ, &variable.value, place);
    match heap.get(expanded).clone() {
        Data::Str(text) => Ok(string_to_type(heap, &text, place)),
        Data::Unknown(_) => Ok(expanded),
        _ => Err(at(
            Error::input(format!(
                "Prefect can't start: `{}` is expanded several times over, to no text",
                variable.name
            ))
            .hint("write its value out"),
            place,
        )),
    }
}

/// Expands and casts a value that is still a text.
fn settle(heap: &mut Heap, environ: &Environ, value: Id) -> Id {
    let Data::Str(text) = heap.get(value).clone() else { return value };
    let place = heap.place(value).cloned();
    let expanded = expand(heap, environ, &Known::Text(text), place.as_ref());
    match heap.get(expanded).clone() {
        Data::Str(text) => string_to_type(heap, &text, place.as_ref()),
        _ => expanded,
    }
}

/// `interpolate_env_vars`: expands until nothing changes; what was expanded more than once is cast.
fn expand(heap: &mut Heap, environ: &Environ, value: &Known, place: Option<&Place>) -> Id {
    let mut known = value.clone();
    for round in 0..ROUNDS {
        let next = environ.expand(&known);
        if next != known {
            known = next;
            continue;
        }
        return match known {
            Known::Unknown(text) => heap.put(Data::Unknown(text), place.cloned()),
            Known::Text(text) if round > 1 => string_to_type(heap, &text, place),
            Known::Text(text) => heap.put(Data::Str(text), place.cloned()),
        };
    }
    heap.put(Data::None, place.cloned())
}

/// `string_to_type`: `true` and `false` in any case, else a Python literal, else the text.
pub(super) fn string_to_type(heap: &mut Heap, text: &str, place: Option<&Place>) -> Id {
    match text.to_uppercase().as_str() {
        "TRUE" => heap.put(Data::Bool(true), place.cloned()),
        "FALSE" => heap.put(Data::Bool(false), place.cloned()),
        _ => match literal::eval(heap, text, place) {
            Some(value) => value,
            None => heap.put(Data::Str(text.to_owned()), place.cloned()),
        },
    }
}

/// Settings by the whole way to them, in the order in which they came.
#[derive(Default)]
struct Flat(Vec<(Vec<String>, Id)>);

impl Flat {
    fn get(&self, path: &[String]) -> Option<Id> {
        self.0.iter().find(|(own, _)| own == path).map(|(_, value)| *value)
    }

    fn set(&mut self, path: Vec<String>, value: Id) {
        match self.0.iter_mut().find(|(own, _)| *own == path) {
            Some((_, own)) => *own = value,
            None => self.0.push((path, value)),
        }
    }

    /// Lays a table over what is there.
    fn merge(&mut self, heap: &mut Heap, above: &mut Vec<String>, table: &DeTable<'_>, source: &Rc<Text>) {
        for (key, value) in table {
            above.push(key.get_ref().to_string());
            let is_section = |(own, _): &(Vec<String>, Id)| own.len() > above.len() && own.starts_with(above);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    if !self.0.iter().any(is_section) {
                        self.0.retain(|(own, _)| own != above);
                    }
                    self.merge(heap, above, inner, source);
                }
                _ => {
                    self.0.retain(|(own, _)| !(own.len() > above.len() && own.starts_with(above)));
                    let value = of_toml(heap, value, source);
                    self.set(above.clone(), value);
                }
            }
            above.pop();
        }
    }

    /// Puts the values of other settings where `${section.key}` stands, at most ten times over.
    fn refer(&mut self, heap: &mut Heap) -> Result<()> {
        let pattern =
            Regex::new(r"\$\{(.[^${}]*)\}").map_err(|_| Error::new(ErrorKind::Internal, "a pattern that is none"))?;
        for _ in 0..ROUNDS {
            for position in 0..self.0.len() {
                let value = self.0[position].1;
                let Data::Str(text) = heap.get(value).clone() else { continue };
                let Some(found) = pattern.captures(&text) else { continue };
                let (whole, key) = (found[0].to_owned(), found[1].split('.').map(str::to_owned).collect::<Vec<_>>());
                let referred = self.get(&key);
                let place = heap.place(value).or(referred.and_then(|referred| heap.place(referred))).cloned();
                self.0[position].1 = match referred {
                    Some(referred) if text == whole => match heap.place(referred) {
                        Some(_) => referred,
                        // Prefect's own value, but it counts because of this reference.
                        None => {
                            let data = heap.get(referred).clone();
                            heap.put(data, place)
                        }
                    },
                    _ => {
                        let inner = referred.map_or(String::new(), |referred| text::str(heap, referred));
                        let replaced = text.replacen(&whole, &inner, 1);
                        let unknown = referred.is_some_and(|referred| matches!(heap.get(referred), Data::Unknown(_)));
                        heap.put(if unknown { Data::Unknown(replaced) } else { Data::Str(replaced) }, place)
                    }
                };
            }
        }
        Ok(())
    }

    /// Sections within sections. Fails where a setting is a section to another.
    fn nest(&self, heap: &mut Heap) -> Result<Id> {
        let root = heap.put(Data::Dict(Vec::new()), None);
        for (path, value) in &self.0 {
            let Some((key, sections)) = path.split_last() else { continue };
            let mut section = root;
            for name in sections {
                section = match heap.item(section, name) {
                    Some(inner) => inner,
                    None => {
                        let inner = heap.put(Data::Dict(Vec::new()), None);
                        heap.set_item(section, name, inner);
                        inner
                    }
                };
                if heap.dict(section).is_none() {
                    let error = Error::input(format!("Prefect can't start: its setting `{name}` is no section"));
                    return Err(at(error, heap.place(*value)));
                }
            }
            heap.set_item(section, key, *value);
        }
        Ok(root)
    }
}

/// A value of a `config.toml`.
pub(super) fn of_toml(heap: &mut Heap, value: &toml::Spanned<DeValue<'_>>, source: &Rc<Text>) -> Id {
    let place = Place { source: Rc::clone(source), span: value.span() };
    let data = match value.get_ref() {
        DeValue::String(text) => Data::Str(text.to_string()),
        DeValue::Integer(whole) => {
            Data::Int(BigInt::parse_bytes(whole.as_str().as_bytes(), whole.radix()).unwrap_or_default())
        }
        DeValue::Float(float) => Data::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(is) => Data::Bool(*is),
        DeValue::Datetime(time) => match Time::parse(&time.to_string()) {
            Some(time) => Data::Time(time),
            None => Data::Other("a time of day"),
        },
        DeValue::Array(items) => {
            // Behind a table, Prefect's reader sees tables only.
            let tables_only = items.iter().next().is_some_and(|first| first.get_ref().is_table());
            let items = items.iter().filter(|item| !tables_only || item.get_ref().is_table());
            Data::List(items.map(|item| of_toml(heap, item, source)).collect())
        }
        DeValue::Table(table) => {
            let pair = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                (heap.text(key.get_ref().to_string()), of_toml(heap, value, source))
            };
            Data::Dict(table.iter().map(pair).collect())
        }
    };
    heap.put(data, Some(place))
}

/// Fails at a key that is a method of Prefect's configuration: Prefect then can't be imported.
fn check_keys(heap: &Heap, section: Id) -> Result<()> {
    for (key, value) in heap.dict(section).unwrap_or_default() {
        if let Some(name) = heap.str(*key)
            && RESERVED.contains(&name)
        {
            let error = Error::input(format!("Prefect can't start: no setting or secret can be called `{name}`"));
            return Err(at(error.hint("choose another name"), heap.place(*value).or(heap.place(*key))));
        }
        check_keys(heap, *value)?;
    }
    Ok(())
}

/// Fails at settings with which Prefect's agent can't start.
fn check(heap: &mut Heap, config: Config) -> Result<Config> {
    let fail = |heap: &Heap, setting: &str, what: &str| {
        let error = Error::input(format!("Prefect can't start: its setting `{setting}` {what}"));
        Err(at(error, config.get(heap, setting).and_then(|own| heap.place(own))))
    };
    for section in SECTIONS {
        if config.get(heap, section).is_none_or(|own| heap.dict(own).is_none()) {
            return fail(heap, section, "is no section");
        }
    }
    for section in ["context", "context.config"] {
        if config.get(heap, section).is_some_and(|own| heap.dict(own).is_none()) {
            return fail(heap, section, "is no section");
        }
    }
    if let Some(Data::Int(seconds)) = config.get(heap, "tasks.defaults.retry_delay").map(|delay| heap.get(delay))
        && seconds.magnitude() >= BigInt::from(MOST_SECONDS).magnitude()
    {
        return fail(heap, "tasks.defaults.retry_delay", "is longer than Python can count");
    }
    if config.get(heap, "home_dir").is_none_or(|own| !matches!(heap.get(own), Data::Str(_) | Data::Unknown(_))) {
        return fail(heap, "home_dir", "is no text");
    }
    let fits = |format: Id| match heap.get(format) {
        Data::Unknown(_) => true,
        Data::Str(text) => Regex::new(FORMAT).is_ok_and(|pattern| pattern.is_match(text)),
        _ => false,
    };
    if config.get(heap, "logging.format").is_some_and(|format| heap.is_true(format) && !fits(format)) {
        return fail(heap, "logging.format", "is no format of Python's logging");
    }
    if let Some(loggers) = config.get(heap, "logging.extra_loggers") {
        let names = iterate(heap, loggers, "`logging.extra_loggers`")?;
        if names.iter().any(|name| heap.is_true(*name) && !matches!(heap.get(*name), Data::Str(_) | Data::Unknown(_))) {
            return fail(heap, "logging.extra_loggers", "holds what is no text");
        }
    }
    check_level(heap, config, "logging.level")?;
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
pub(super) fn check_level(heap: &Heap, config: Config, setting: &str) -> Result<()> {
    const LEVELS: [&str; 8] = ["CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"];
    let Some(level) = config.get(heap, setting) else { return Ok(()) };
    let is_level = match heap.get(level) {
        Data::Int(_) | Data::Bool(_) | Data::Unknown(_) => true,
        Data::Str(name) => LEVELS.contains(&name.as_str()),
        _ => false,
    };
    if is_level {
        return Ok(());
    }
    let error = Error::input(format!("Prefect can't start: `{setting}` is no level of logging"));
    Err(at(error.hint("levels are DEBUG, INFO, WARNING, ERROR and CRITICAL, in capitals"), heap.place(level)))
}
