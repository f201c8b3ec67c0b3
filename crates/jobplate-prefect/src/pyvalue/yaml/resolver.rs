//! Resolves the type of plain scalars like PyYAML (`yaml/resolver.py`).

use std::sync::LazyLock;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use regex_lite::Regex;

/// The patterns of PyYAML's implicit resolvers.
pub(super) struct Resolver {
    int: Regex,
    float: Regex,
    timestamp: Regex,
}

impl Resolver {
    /// Returns the resolver, whose patterns are compiled on first use.
    pub(super) fn get() -> Result<&'static Self> {
        static RESOLVER: LazyLock<Option<Resolver>> = LazyLock::new(Resolver::compile);
        RESOLVER.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "invalid pattern"))
    }

    fn compile() -> Option<Self> {
        let compile = |pattern: &str| Regex::new(pattern).ok();
        Some(Resolver {
            int: compile(
                r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
            )?,
            float: compile(
                r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
            )?,
            timestamp: compile(
                r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
            )?,
        })
    }

    /// Returns the tag of a plain scalar, without the prefix `tag:yaml.org,2002:`.
    pub(super) fn tag(&self, text: &str) -> &'static str {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => "null",
            "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
            | "on" | "On" | "ON" | "off" | "Off" | "OFF" => "bool",
            "<<" => "merge",
            "=" => "value",
            _ if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => "str",
            _ if self.float.is_match(text) => "float",
            _ if self.int.is_match(text) => "int",
            _ if self.timestamp.is_match(text) => "timestamp",
            _ => "str",
        }
    }
}
