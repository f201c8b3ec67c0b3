//! The rules. Each file defines one rule; [`RULES`] is the only list of them.

pub mod duplicate_env;
pub mod non_string_value;
pub mod plaintext_secret;
pub mod preview_failed;
pub mod unchecked_object;
pub mod unused_ignore;

use jobplate_diagnostic::{Error, Message, ProgramName, Result, suggest};

use super::rule::Rule;

/// The rules, in alphabetical order.
pub const RULES: &[&Rule] = &[
    &duplicate_env::RULE,
    &non_string_value::RULE,
    &plaintext_secret::RULE,
    &preview_failed::RULE,
    &unchecked_object::RULE,
    &unused_ignore::RULE,
];

/// Returns the rule with a name, or `None` if there is none.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}

/// Returns the rule with a name. `subject` is where the name is, in errors.
///
/// # Errors
///
/// Fails if there is no such rule.
pub fn require(subject: &str, name: &str) -> Result<&'static Rule> {
    let error = || Error::usage(format!("`{subject}`: unknown rule {}", suggest::quote_key(name))).hint(suggest(name));
    find(name).ok_or_else(error)
}

/// Returns the hint for a name that is not that of a rule.
pub(super) fn suggest(name: &str) -> Message {
    match suggest::did_you_mean(name, RULES.iter().map(|rule| rule.name)) {
        Some(hint) => hint.into(),
        None => "list the rules with `" + ProgramName + " check --explain all`",
    }
}
