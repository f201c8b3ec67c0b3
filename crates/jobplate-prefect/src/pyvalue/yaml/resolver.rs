//! Resolves the type of plain scalars like PyYAML (`yaml/resolver.py`).

use jobplate_diagnostic::{Error, ErrorKind, Result};
use regex_lite::Regex;

/// The patterns of PyYAML's implicit resolvers.
pub(super) struct Resolver {
    int: Regex,
    float: Regex,
    timestamp: Regex,
}

impl Resolver {
    pub(super) fn new() -> Result<Self> {
        let compile =
            |pattern: &str| Regex::new(pattern).map_err(|_| Error::new(ErrorKind::Internal, "invalid pattern"));
        Ok(Resolver {
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
