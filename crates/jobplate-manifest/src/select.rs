//! Which objects, and which of their containers, an injection is for.

use glob::{MatchOptions, Pattern};

use super::object::Object;
use super::workload::canonical_kind;

/// A shell glob (`*`, `?`, `[a-z]`).
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: Pattern,
    any_case: bool,
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Fails if the pattern is invalid.
    pub fn new(pattern: &str, any_case: bool) -> Result<Self, glob::PatternError> {
        Ok(Glob { pattern: Pattern::new(pattern)?, any_case })
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let options = MatchOptions { case_sensitive: !self.any_case, ..MatchOptions::new() };
        self.pattern.matches_with(text, options)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }
}

/// One `--target KIND[/NAME][:KEY]`: globs, the kind in any case.
#[derive(Clone, Debug)]
pub struct Target {
    /// Matches `kind`.
    pub kind: Glob,
    /// Matches `metadata.name` (of an object that has only `generateName`, that); none matches any.
    pub name: Option<Glob>,
    /// Matches keys of a ConfigMap's data: the documents under them are meant, not the ConfigMap itself.
    pub key: Option<Glob>,
    /// Containers for objects of this target; none leaves it to the injection's own choice.
    pub containers: Option<ContainerChoice>,
}

impl Target {
    /// Whether it means an object itself, not a text in it.
    pub fn matches(&self, object: &Object<'_>) -> bool {
        self.key.is_none() && self.matches_kind_and_name(object)
    }

    /// Whether it means the text under a key of a ConfigMap.
    pub fn matches_embedded(&self, map: &Object<'_>, key: &str) -> bool {
        self.key.as_ref().is_some_and(|glob| glob.matches(key)) && self.matches_kind_and_name(map)
    }

    /// Whether its kind and name are those of an object.
    pub fn matches_kind_and_name(&self, object: &Object<'_>) -> bool {
        let kind = match canonical_kind(self.kind.as_str()) {
            Some(kind) => kind == object.kind,
            None => self.kind.matches(&object.kind),
        };
        kind && self.name.as_ref().is_none_or(|glob| object.name().is_some_and(|name| glob.matches(&name)))
    }

    /// `KIND/NAME:KEY`, as it was asked for.
    pub fn display(&self) -> String {
        let part = |mark: &str, glob: &Option<Glob>| {
            glob.as_ref().map_or(String::new(), |glob| format!("{mark}{}", glob.as_str()))
        };
        format!("{}{}{}", self.kind.as_str(), part("/", &self.name), part(":", &self.key))
    }
}

/// Which containers of a pod.
#[derive(Clone, Debug, Default)]
pub enum ContainerChoice {
    /// The first of `containers`: the one that Prefect runs the flow in, whatever its name.
    #[default]
    First,
    /// The one at a position.
    Index(usize),
    /// Those whose name matches one of the globs.
    Named(Vec<Glob>),
    /// All of them.
    All,
}
