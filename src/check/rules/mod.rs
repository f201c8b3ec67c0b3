//! The rules. Each file defines one rule; [`RULES`] is the only list of them.

pub mod duplicate_env;
pub mod invalid_env_name;
pub mod invalid_secret_key;
pub mod invalid_secret_name;
pub mod missing_field;
pub mod non_string_value;
pub mod plaintext_secret;
pub mod preview_failed;
pub mod secret_in_env;
pub mod secret_in_git;
pub mod unchecked_object;
pub mod undefined_variable;
pub mod unknown_field;
pub mod unused_ignore;
pub mod value_and_value_from;
pub mod variable_order;

use jobplate_diagnostic::{Error, Message, ProgramName, Result, suggest};

use super::rule::Rule;

/// The rules, in alphabetical order.
pub const RULES: &[&Rule] = &[
    &duplicate_env::RULE,
    &invalid_env_name::RULE,
    &invalid_secret_key::RULE,
    &invalid_secret_name::RULE,
    &missing_field::RULE,
    &non_string_value::RULE,
    &plaintext_secret::RULE,
    &preview_failed::RULE,
    &secret_in_env::RULE,
    &secret_in_git::RULE,
    &unchecked_object::RULE,
    &undefined_variable::RULE,
    &unknown_field::RULE,
    &unused_ignore::RULE,
    &value_and_value_from::RULE,
    &variable_order::RULE,
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
