//! Selects objects by kind and name, and containers by index or name.

use glob::{MatchOptions, Pattern};

use super::object::Object;
use super::workload::canonical_kind;

/// A glob pattern (`*`, `?`, `[a-z]`).
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: Pattern,
    ignore_case: bool,
    /// The built-in workload that the pattern names in any case, as a plural or by a short name.
    workload: Option<&'static str>,
}

impl Glob {
    /// Parses a pattern. If `ignore_case` is true, the pattern matches any case.
    ///
    /// # Errors
    /// Fails if the pattern is invalid.
    pub fn new(pattern: &str, ignore_case: bool) -> Result<Self, glob::PatternError> {
        let workload = canonical_kind(pattern).filter(|_| ignore_case);
        Ok(Glob { pattern: Pattern::new(pattern)?, ignore_case, workload })
    }

    /// Returns whether the pattern matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let options = MatchOptions { case_sensitive: !self.ignore_case, ..MatchOptions::new() };
        self.pattern.matches_with(text, options)
    }

    /// Returns the pattern.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }
}

/// A target of an injection, `KIND[/NAME][:KEY]`. All parts are globs, and the kind matches any case.
#[derive(Clone, Debug)]
pub struct Target {
    /// The glob for `kind`.
    pub kind: Glob,
    /// The glob for `metadata.name`, or for `generateName` if the name is missing. `None` matches every name.
    pub name: Option<Glob>,
    /// The glob for keys of a ConfigMap's data. If it is set, the target is the embedded documents, not the ConfigMap
    /// itself.
    pub key: Option<Glob>,
    /// The choice of containers for this target. If it is `None`, the injection's choice applies.
    pub containers: Option<ContainerChoice>,
}

impl Target {
    /// Returns whether the target matches an object itself, not a document embedded in it.
    pub fn matches(&self, object: &Object<'_>) -> bool {
        self.key.is_none() && self.matches_kind_and_name(object)
    }

    /// Returns whether the target matches the document embedded under a key of a ConfigMap.
    pub fn matches_embedded(&self, map: &Object<'_>, key: &str) -> bool {
        self.key.as_ref().is_some_and(|glob| glob.matches(key)) && self.matches_kind_and_name(map)
    }

    /// Returns whether the glob for the kind matches an object.
    pub fn matches_kind(&self, object: &Object<'_>) -> bool {
        match self.kind.workload {
            Some(kind) => kind == object.kind,
            None => self.kind.matches(&object.kind),
        }
    }

    /// Returns whether the globs for kind and name match an object.
    pub fn matches_kind_and_name(&self, object: &Object<'_>) -> bool {
        self.matches_kind(object)
            && self.name.as_ref().is_none_or(|glob| object.name().is_some_and(|name| glob.matches(&name)))
    }

    /// Returns the target in the form `KIND[/NAME][:KEY]`.
    pub fn display(&self) -> String {
        let format_optional = |mark: &str, glob: &Option<Glob>| {
            glob.as_ref().map_or(String::new(), |glob| format!("{mark}{}", glob.as_str()))
        };
        format!("{}{}{}", self.kind.as_str(), format_optional("/", &self.name), format_optional(":", &self.key))
    }
}

/// The choice of containers in a pod spec.
#[derive(Clone, Debug, Default)]
pub enum ContainerChoice {
    /// The first of `containers`, in which Prefect runs a flow.
    #[default]
    First,
    /// The container with this 0-based index.
    Index(usize),
    /// The containers whose name matches one of the globs.
    Named(Vec<Glob>),
    /// All containers.
    All,
}
