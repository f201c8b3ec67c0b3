//! The environment of a process, and the expansion of variables in strings like in `os.path`.

use std::sync::LazyLock;

use jobplate_diagnostic::{Error, Result};
use regex_lite::Regex;

use super::arena::{Arena, Value, ValueId};
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
    let Some(pattern) = &*PATTERN else { return String::new() };
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

/// The variables of a process, in order.
#[derive(Clone, Debug, Default)]
pub struct Environ(pub Vec<EnvironVar>);

impl Environ {
    /// Returns an environment of variables without locations.
    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        let variable = |(name, value): &(&str, &str)| EnvironVar {
            name: (*name).to_owned(),
            value: Resolved::from_text((*value).to_owned()),
            location: None,
        };
        Environ(pairs.iter().map(variable).collect())
    }

    /// Reads a mapping of names to values. Errors call the mapping `label`.
    ///
    /// # Errors
    /// Fails if `input` is not a mapping, if a name or value is not a string, or if an environment cannot contain the
    /// name or value.
    pub fn read(arena: &Arena, input: ValueId, label: &str) -> Result<Self> {
        let Some(pairs) = arena.as_dict(input) else {
            let error = Error::input(format!("{label} is {}, not a mapping", arena.describe_kind(input)));
            return Err(locate(error.hint("write `NAME: \"value\"` below it"), arena.location(input)));
        };
        let variable = |(name, value): &(ValueId, ValueId)| match (arena.get(*name), arena.get(*value)) {
            (Value::Str(own), _) if own.is_empty() || own.contains(['=', '\0']) => {
                let error = Error::input("this is no name of a variable");
                Err(locate(error.hint("a name has one character at least, no `=` and no NUL"), arena.location(*name)))
            }
            (_, Value::Str(text)) if text.contains('\0') => {
                Err(locate(Error::input("no variable can hold a NUL").hint("take it out"), arena.location(*value)))
            }
            (Value::Str(name), Value::Str(text)) => Ok(EnvironVar {
                name: name.clone(),
                value: Resolved::Text(text.clone()),
                location: arena.location(*value).cloned(),
            }),
            _ => {
                let error = Error::input("names and values of an environment are texts");
                Err(locate(error.hint("put it in quotes"), arena.location(*value)))
            }
        };
        pairs.iter().map(variable).collect::<Result<_>>().map(Environ)
    }

    /// Returns the last variable named `name`, or `None` if no variable has this name.
    pub fn get(&self, name: &str) -> Option<&EnvironVar> {
        self.0.iter().rev().find(|variable| variable.name == name)
    }

    /// Applies `os.path.expandvars`, then `os.path.expanduser`. Returns an unknown value unchanged. The result of
    /// replacing variables is unknown if it contains a placeholder.
    pub fn expand(&self, value: &Resolved) -> Resolved {
        match value {
            Resolved::Unknown(_) => value.clone(),
            Resolved::Text(text) if !text.contains('$') => Resolved::Text(self.expand_user(text)),
            Resolved::Text(text) => Resolved::from_text(self.expand_user(&self.expand_vars(text))),
        }
    }

    /// Replaces `$NAME` and `${NAME}` if the variable is set, like `os.path.expandvars`. If `HOME` is not set, uses
    /// `/root`.
    pub fn expand_vars(&self, text: &str) -> String {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$([0-9A-Za-z_]+|\{[^}]*\})").ok());
        let Some(pattern) = &*PATTERN else { return text.to_owned() };
        let replacement = |found: &regex_lite::Captures<'_>| {
            let name = found[1].strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(&found[1]);
            match (self.get(name), name) {
                (Some(variable), _) => variable.value.as_str().to_owned(),
                (None, "HOME") => DEFAULT_HOME.to_owned(),
                (None, _) => found[0].to_owned(),
            }
        };
        pattern.replace_all(text, replacement).into_owned()
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
    use super::*;

    #[test]
    fn expands_variables_and_home() {
        let variable = |name: &str, value: &str| EnvironVar {
            name: name.to_owned(),
            value: Resolved::Text(value.to_owned()),
            location: None,
        };
        let environ = Environ(vec![variable("A", "x$B"), variable("B", "y"), variable("HOME", "/h/")]);
        for (text, vars) in [
            ("$A", "x$B"),
            ("${A}b$Ab$C", "x$Bb$Ab$C"),
            ("$$A${", "$x$B${"),
            ("${}", "${}"),
            ("\u{e9}$B\u{e9}", "\u{e9}y\u{e9}"),
        ] {
            assert_eq!(environ.expand_vars(text), vars, "{text}");
        }
        for (text, user) in
            [("~", "/h"), ("~/a", "/h/a"), ("a~", "a~"), ("~root/a", "/root/a"), ("~nobody/a", "~nobody/a")]
        {
            assert_eq!(environ.expand_user(text), user, "{text}");
        }
        assert_eq!(Environ::default().expand_user("~/a"), "/root/a");
    }
}
