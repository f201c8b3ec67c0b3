//! The rules. Each file defines one rule; [`RULES`] is the only list of them.

pub mod duplicate_env;
pub mod non_string_value;
pub mod preview_failed;
pub mod unchecked_object;

use super::rule::Rule;

/// The rules, in alphabetical order.
pub const RULES: &[&Rule] =
    &[&duplicate_env::RULE, &non_string_value::RULE, &preview_failed::RULE, &unchecked_object::RULE];

/// Returns the rule with a name, or `None` if there is none.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}
