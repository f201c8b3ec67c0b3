//! The environment of a process, and the expansion of variables in strings like in `os.path`.

use std::collections::HashMap;
use std::sync::LazyLock;

use jobplate_diagnostic::{Error, Result};
use regex_lite::Regex;

use super::arena::{Arena, Value, ValueId};
use super::limits::Budget;
use super::source::{Location, locate};

/// An environment variable.
#[derive(Clone, Debug)]
pub struct EnvironVar {
    /// The name of the variable.
    pub name: String,
    /// The value of the variable.
    pub value: Resolved,
    /// The location of the value. `None` if the value is not in a file.
    pub location: Option<Location>,
}

/// The value of a variable, as far as it can be resolved without the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A known value.
    Text(String),
    /// A string with placeholders for values that only the cluster knows.
    Unknown(String),
}

/// Returns the placeholders in a string without their angle brackets, joined by `and`, for example `Secret gh, key
/// token`. Omits a placeholder that repeats the previous placeholder.
///
/// Returns an empty string if `text` contains no placeholder.
pub fn find_references(text: &str) -> String {
    static PATTERN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("<((?:Secret|ConfigMap) [^<>, ]*, key [^<>, ]*|field [^<> ]*|a reference)>").ok());
    let Some(pattern) = PATTERN.as_ref().filter(|_| text.contains('<')) else { return String::new() };
    let mut found: Vec<&str> =
        pattern.captures_iter(text).filter_map(|captures| Some(captures.get(1)?.as_str())).collect();
    found.dedup();
    found.join(" and ")
}

impl From<Resolved> for Value {
    fn from(value: Resolved) -> Self {
        match value {
            Resolved::Text(text) => Value::Str(text),
            Resolved::Unknown(text) => Value::Unknown(text),
        }
    }
}

impl Resolved {
    /// Returns [`Resolved::Unknown`] if a string contains a placeholder, and [`Resolved::Text`] otherwise.
    pub fn from_text(text: String) -> Self {
        if find_references(&text).is_empty() { Resolved::Text(text) } else { Resolved::Unknown(text) }
    }

    /// Returns the string, with or without placeholders.
    pub fn as_str(&self) -> &str {
        match self {
            Resolved::Text(text) | Resolved::Unknown(text) => text,
        }
    }
}

/// The home directory if `HOME` is not set. Prefect's own images run as root.
const DEFAULT_HOME: &str = "/root";

/// The variables of a process, in order. Of several variables with one name, the process has the last.
#[derive(Clone, Debug, Default)]
pub struct Environ {
    variables: Vec<EnvironVar>,
    /// The index in `variables` of each name's last variable.
    positions: HashMap<String, usize>,
}

impl FromIterator<EnvironVar> for Environ {
    fn from_iter<I: IntoIterator<Item = EnvironVar>>(variables: I) -> Self {
        let mut environ = Environ::default();
        variables.into_iter().for_each(|variable| environ.set(variable));
        environ
    }
}

impl Environ {
    /// Returns an environment of variables without locations.
    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let variable = |(name, value): &(&str, &str)| EnvironVar {
            name: (*name).to_owned(),
            value: Resolved::from_text((*value).to_owned()),
            location: None,
        };
        pairs.iter().map(variable).collect()
    }

    /// Reads a mapping of names to values. Errors call the mapping `label`.
    ///
    /// # Errors
    /// Fails if `input` is not a mapping, if a name or value is not a string, or if an environment cannot contain the
    /// name or value.
    pub fn read(arena: &Arena, input: ValueId, label: &str) -> Result<Self> {
        let Some(pairs) = arena.as_dict(input) else {
            let error = Error::input(format!("{label} must be a mapping, not {}", arena.describe_kind(input)));
            return Err(locate(error.hint("write `NAME: \"value\"` below it"), arena.location(input)));
        };
        let variable = |(name, value): &(ValueId, ValueId)| match (arena.get(*name), arena.get(*value)) {
            (Value::Str(own), _) if own.is_empty() || own.contains(['=', '\0']) => {
                let error = Error::input("invalid variable name");
                Err(locate(error.hint("use at least one character, without `=` or NUL"), arena.location(*name)))
            }
            (_, Value::Str(text)) if text.contains('\0') => {
                Err(locate(Error::input("the value must not contain NUL").hint("remove it"), arena.location(*value)))
            }
            (Value::Str(name), Value::Str(text)) => Ok(EnvironVar {
                name: name.clone(),
                value: Resolved::Text(text.clone()),
                location: arena.location(*value).cloned(),
            }),
            _ => {
                let error = Error::input("names and values of environment variables must be strings");
                Err(locate(error.hint("put it in quotes"), arena.location(*value)))
            }
        };
        pairs.iter().map(variable).collect()
    }

    /// Adds a variable after all others. It replaces a variable with the same name.
    pub fn set(&mut self, variable: EnvironVar) {
        self.positions.insert(variable.name.clone(), self.variables.len());
        self.variables.push(variable);
    }

    /// Returns the variables in order.
    pub fn iter(&self) -> impl Iterator<Item = &EnvironVar> {
        let variables = self.variables.iter().enumerate();
        variables
            .filter(|(position, variable)| self.positions.get(&variable.name) == Some(position))
            .map(|found| found.1)
    }

    /// Returns whether there is no variable.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// Returns the variable named `name`, or `None` if no variable has this name.
    pub fn get(&self, name: &str) -> Option<&EnvironVar> {
        self.positions.get(name).map(|position| &self.variables[*position])
    }

    /// Applies `os.path.expandvars`, then `os.path.expanduser`. Returns an unknown value unchanged. The result of
    /// replacing variables is unknown if it contains a placeholder.
    ///
    /// # Errors
    /// Fails if the values that replace variables exceed the budget.
    pub fn expand(&self, value: &Resolved, budget: &mut Budget) -> Result<Resolved> {
        match value {
            Resolved::Unknown(_) => Ok(value.clone()),
            Resolved::Text(text) => {
                let vars = self.expand_vars(text, budget)?;
                let expanded = self.expand_user(&vars);
                budget.spend_bytes(expanded.len().saturating_sub(vars.len()), "`~`")?;
                Ok(if text.contains('$') { Resolved::from_text(expanded) } else { Resolved::Text(expanded) })
            }
        }
    }

    /// Replaces `$NAME` and `${NAME}` if the variable is set, like `os.path.expandvars`. If `HOME` is not set, uses
    /// `/root`.
    ///
    /// # Errors
    /// Fails if the values that replace variables exceed the budget.
    pub fn expand_vars(&self, text: &str, budget: &mut Budget) -> Result<String> {
        let mut out = String::new();
        let mut rest = text;
        // After the last closing brace, `${` does not start a reference.
        let last_brace = text.rfind('}').unwrap_or(0);
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, end) = match after.strip_prefix('{') {
                Some(inner) if last_brace >= text.len() - inner.len() => {
                    let end = inner.find('}').unwrap_or(inner.len());
                    (&inner[..end], end + 2)
                }
                Some(_) => ("", 0),
                None => {
                    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                    (&after[..end], end)
                }
            };
            match (self.get(name), name) {
                (Some(variable), _) => {
                    budget.spend_bytes(variable.value.as_str().len(), format_args!("the expansion of `${name}`"))?;
                    out.push_str(variable.value.as_str());
                }
                (None, "HOME") => out.push_str(DEFAULT_HOME),
                (None, _) => out.extend(["$", &after[..end]]),
            }
            rest = &after[end..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Replaces a leading `~` or `~root` with the home directory, like `os.path.expanduser`.
    pub fn expand_user(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        let (user, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let home = match user {
            "" => self.get("HOME").map_or(DEFAULT_HOME, |variable| variable.value.as_str()),
            "root" => DEFAULT_HOME,
            _ => return text.to_owned(),
        };
        let expanded = format!("{}{path}", home.trim_end_matches('/'));
        if expanded.is_empty() { "/".to_owned() } else { expanded }
    }
}

#[cfg(test)]
mod tests {
    use jobplate_growth::assert_linear;

    use super::*;

    #[test]
    fn expands_variables_and_home() {
        let environ = Environ::from_pairs(&[("A", "z"), ("A", "x$B"), ("B", "y"), ("HOME", "/h/")]);
        let mut budget = Budget::default();
        for (text, vars) in [
            ("$A", "x$B"),
            ("${A}b$Ab$C", "x$Bb$Ab$C"),
            ("$$A${", "$x$B${"),
            ("${}", "${}"),
            ("${C${B}", "${C${B}"),
            ("}${B", "}${B"),
            ("${B}${$B", "y${y"),
            ("\u{e9}$B\u{e9}", "\u{e9}y\u{e9}"),
        ] {
            assert_eq!(environ.expand_vars(text, &mut budget).unwrap(), vars, "{text}");
        }
        for (text, user) in
            [("~", "/h"), ("~/a", "/h/a"), ("a~", "a~"), ("~root/a", "/root/a"), ("~someone/a", "~someone/a")]
        {
            assert_eq!(environ.expand_user(text), user, "{text}");
        }
        assert_eq!(Environ::default().expand_user("~/a"), "/root/a");
        let names: Vec<_> = environ.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["A", "B", "HOME"]);
    }

    #[test]
    fn expansion_time_grows_linearly() {
        let environ = Environ::from_pairs(&[("A", "x")]);
        for part in ["${", "}${", "$A${", "$A", "${A}"] {
            assert_linear(
                100_000,
                |count| part.repeat(count),
                |text| {
                    drop(environ.expand_vars(text, &mut Budget::default()));
                },
            );
        }
        assert_linear(
            20_000,
            |count| count,
            |&count| {
                let variable =
                    |at| EnvironVar { name: format!("A{at}"), value: Resolved::Text("x".to_owned()), location: None };
                let environ: Environ = (0..count).chain(0..count).map(variable).collect();
                assert!(
                    (0..count).all(|at| environ.get(&format!("A{at}")).is_some()) && environ.iter().count() == count
                );
            },
        );
    }

    #[test]
    fn limits_the_length_of_expanded_variables() {
        let long = "x".repeat(1 << 20);
        let environ = Environ::from_pairs(&[("A", &long), ("HOME", &long)]);
        for (text, subject) in [("$A$A$A$A$A$A$A$A$A", "the expansion of `$A`"), ("~", "`~`")] {
            let mut budget = Budget::default();
            let mut expand = || environ.expand(&Resolved::Text(text.to_owned()), &mut budget);
            let error = (0..9).find_map(|_| expand().err()).unwrap();
            assert_eq!(error.message(), format!("{subject} exceeds the limit of 8 MiB of text"));
        }
    }
}
