//! An environment, and how `os.path` expands what is in a text from it.

use std::sync::LazyLock;

use jobplate_diagnostic::{Error, Result};
use regex_lite::Regex;

use super::heap::{Data, Heap, Id};
use super::source::{Place, at};

/// One variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Known,
    /// Where it was written.
    pub place: Option<Place>,
}

/// A value that is known, or what stands for one that only the cluster knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The value.
    Text(String),
    /// What stands for it.
    Unknown(String),
}

/// The words in a text that stand for values of the cluster, such as `Secret gh, key token`; nothing else of the
/// text. Empty where there are none.
pub fn references(text: &str) -> String {
    static PATTERN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("<((?:Secret|ConfigMap) [^<>, ]*, key [^<>, ]*|field [^<> ]*|a reference)>").ok());
    let Some(pattern) = &*PATTERN else { return String::new() };
    let mut words: Vec<&str> = pattern.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    words.dedup();
    words.join(" and ")
}

impl From<Known> for Data {
    fn from(value: Known) -> Self {
        match value {
            Known::Text(text) => Data::Str(text),
            Known::Unknown(text) => Data::Unknown(text),
        }
    }
}

impl Known {
    /// A text: known, if nothing in it stands for a value of the cluster.
    pub fn of(text: String) -> Self {
        if references(&text).is_empty() { Known::Text(text) } else { Known::Unknown(text) }
    }

    /// The text, or what stands for it.
    pub fn text(&self) -> &str {
        match self {
            Known::Text(text) | Known::Unknown(text) => text,
        }
    }
}

/// The home of root, who runs programs in Prefect's own images; where no `HOME` is given, it is this.
const HOME: &str = "/root";

/// The variables of a process, in order.
#[derive(Clone, Debug, Default)]
pub struct Environ(pub Vec<Variable>);

impl Environ {
    /// Returns variables that are written nowhere.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let variable = |(name, value): &(&str, &str)| Variable {
            name: (*name).to_owned(),
            value: Known::of((*value).to_owned()),
            place: None,
        };
        Environ(pairs.iter().map(variable).collect())
    }

    /// Reads a mapping of names and values, both of them texts. `what` is what the
    /// mapping is called.
    ///
    /// # Errors
    /// Fails at what no process can have.
    pub fn read(heap: &Heap, given: Id, what: &str) -> Result<Self> {
        let Some(pairs) = heap.dict(given) else {
            let error = Error::input(format!("{what} is {}, not a mapping", heap.kind(given)));
            return Err(at(error.hint("write `NAME: \"value\"` below it"), heap.place(given)));
        };
        let variable = |(name, value): &(Id, Id)| match (heap.get(*name), heap.get(*value)) {
            (Data::Str(own), _) if own.is_empty() || own.contains(['=', '\0']) => {
                let error = Error::input("this is no name of a variable");
                Err(at(error.hint("a name has one character at least, no `=` and no NUL"), heap.place(*name)))
            }
            (_, Data::Str(text)) if text.contains('\0') => {
                Err(at(Error::input("no variable can hold a NUL").hint("take it out"), heap.place(*value)))
            }
            (Data::Str(name), Data::Str(text)) => Ok(Variable {
                name: name.clone(),
                value: Known::Text(text.clone()),
                place: heap.place(*value).cloned(),
            }),
            _ => {
                let error = Error::input("names and values of an environment are texts");
                Err(at(error.hint("put it in quotes"), heap.place(*value)))
            }
        };
        pairs.iter().map(variable).collect::<Result<_>>().map(Environ)
    }

    /// The variable of a name: the last one, if there are several.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.0.iter().rev().find(|variable| variable.name == name)
    }

    /// `os.path.expandvars`, then `os.path.expanduser`. What has an unknown value in it is unknown.
    pub fn expand(&self, value: &Known) -> Known {
        match value {
            Known::Unknown(_) => value.clone(),
            Known::Text(text) if !text.contains('$') => Known::Text(self.expand_user(text)),
            Known::Text(text) => Known::of(self.expand_user(&self.expand_vars(text))),
        }
    }

    /// `os.path.expandvars`: `$NAME` and `${NAME}`, where the variable is set.
    pub fn expand_vars(&self, text: &str) -> String {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$([0-9A-Za-z_]+|\{[^}]*\})").ok());
        let Some(pattern) = &*PATTERN else { return text.to_owned() };
        let replaced = |found: &regex_lite::Captures<'_>| {
            let name = found[1].strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(&found[1]);
            match (self.get(name), name) {
                (Some(variable), _) => variable.value.text().to_owned(),
                (None, "HOME") => HOME.to_owned(),
                (None, _) => found[0].to_owned(),
            }
        };
        pattern.replace_all(text, replaced).into_owned()
    }

    /// `os.path.expanduser`. Without `HOME` it is root's home, as in Prefect's own images.
    pub fn expand_user(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        let (user, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let home = match user {
            "" => self.get("HOME").map_or(HOME, |variable| variable.value.text()),
            "root" => HOME,
            _ => return text.to_owned(),
        };
        let expanded = format!("{}{behind}", home.trim_end_matches('/'));
        if expanded.is_empty() { "/".to_owned() } else { expanded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let variable = |name: &str, value: &str| Variable {
            name: name.to_owned(),
            value: Known::Text(value.to_owned()),
            place: None,
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
