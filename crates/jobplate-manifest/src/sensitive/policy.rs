//! Decides which literals are masked because of the names of their variables.

use std::collections::HashSet;

use crate::credentials::{is_benign_value, is_placeholder, is_secret_name};

/// The values that are masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskLevel {
    /// No value.
    None,
    /// Sensitive values.
    #[default]
    Secrets,
    /// Sensitive values, and the values of all variables.
    All,
}

/// Decides which literals are masked.
#[derive(Clone, Debug, Default)]
pub struct MaskPolicy {
    /// The values that are masked.
    pub level: MaskLevel,
    /// The names of variables whose literals are sensitive although their names do not look secret.
    pub names: HashSet<String>,
}

impl MaskPolicy {
    /// Returns whether the literals of the variable `name` may be sensitive.
    pub(super) fn is_secret_variable(&self, name: &str) -> bool {
        self.level == MaskLevel::All || self.names.contains(name) || is_secret_name(name)
    }

    /// Returns whether the literal `value` of the variable `name` is sensitive because of the name.
    pub fn is_sensitive(&self, name: &str, value: &str) -> bool {
        match self.level == MaskLevel::All || self.names.contains(name) {
            true => !value.trim().is_empty() && !is_placeholder(value.trim()),
            false => is_secret_name(name) && !is_benign_value(name, value),
        }
    }
}
