//! The rules. Each file defines one rule; [`RULES`] is the only list of them.

pub mod agent_env_not_forwarded;
pub mod backend_api_mismatch;
pub mod blank_service_account;
pub mod default_not_in_schema;
pub mod duplicate_env;
pub mod duplicate_key;
pub mod ignored_variable;
pub mod incomplete_setting;
pub mod invalid_env_name;
pub mod invalid_job_variable;
pub mod invalid_json;
pub mod invalid_label;
pub mod invalid_name;
pub mod invalid_quantity;
pub mod invalid_secret_key;
pub mod invalid_secret_name;
pub mod invalid_variable_schema;
pub mod managed_by_agent;
pub mod missing_context_prefix;
pub mod missing_field;
pub mod missing_variable;
pub mod mixed_env_placeholder;
pub mod name_too_long;
pub mod namespace_mismatch;
pub mod non_string_value;
pub mod not_a_job;
pub mod not_first_container;
pub mod overridden_field;
pub mod overridden_reference;
pub mod overridden_variable;
pub mod plaintext_secret;
pub mod possible_secret;
pub mod prefect1_name;
pub mod preview_failed;
pub mod removed_setting;
pub mod secret_expansion;
pub mod secret_in_env;
pub mod secret_in_git;
pub mod secret_type_cast;
pub mod shell_swallows_args;
pub mod template_expression;
pub mod unchecked_object;
pub mod undeclared_variable;
pub mod undefined_variable;
pub mod unknown_field;
pub mod unknown_value;
pub mod unreachable_secret_name;
pub mod unrecognized_kind;
pub mod unused_ignore;
pub mod unused_template;
pub mod unused_variable;
pub mod value_and_value_from;
pub mod variable_order;
pub mod version_mismatch;
pub mod worker_env_not_forwarded;
pub mod worker_overrides_reference;
pub mod wrong_type;

use jobplate_diagnostic::{Error, Message, ProgramName, Result, suggest};

use super::finding::mask_names;
use super::rule::Rule;

/// The rules, in alphabetical order.
pub const RULES: &[&Rule] = &[
    &agent_env_not_forwarded::RULE,
    &backend_api_mismatch::RULE,
    &blank_service_account::RULE,
    &default_not_in_schema::RULE,
    &duplicate_env::RULE,
    &duplicate_key::RULE,
    &ignored_variable::RULE,
    &incomplete_setting::RULE,
    &invalid_env_name::RULE,
    &invalid_job_variable::RULE,
    &invalid_json::RULE,
    &invalid_label::RULE,
    &invalid_name::RULE,
    &invalid_quantity::RULE,
    &invalid_secret_key::RULE,
    &invalid_secret_name::RULE,
    &invalid_variable_schema::RULE,
    &managed_by_agent::RULE,
    &missing_context_prefix::RULE,
    &missing_field::RULE,
    &missing_variable::RULE,
    &mixed_env_placeholder::RULE,
    &name_too_long::RULE,
    &namespace_mismatch::RULE,
    &non_string_value::RULE,
    &not_a_job::RULE,
    &not_first_container::RULE,
    &overridden_field::RULE,
    &overridden_reference::RULE,
    &overridden_variable::RULE,
    &plaintext_secret::RULE,
    &possible_secret::RULE,
    &prefect1_name::RULE,
    &preview_failed::RULE,
    &removed_setting::RULE,
    &secret_expansion::RULE,
    &secret_in_env::RULE,
    &secret_in_git::RULE,
    &secret_type_cast::RULE,
    &shell_swallows_args::RULE,
    &template_expression::RULE,
    &unchecked_object::RULE,
    &undeclared_variable::RULE,
    &undefined_variable::RULE,
    &unknown_field::RULE,
    &unknown_value::RULE,
    &unreachable_secret_name::RULE,
    &unrecognized_kind::RULE,
    &unused_ignore::RULE,
    &unused_template::RULE,
    &unused_variable::RULE,
    &value_and_value_from::RULE,
    &variable_order::RULE,
    &version_mismatch::RULE,
    &worker_env_not_forwarded::RULE,
    &worker_overrides_reference::RULE,
    &wrong_type::RULE,
];

/// Returns the rule with a name, or `None` if no rule has this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}

/// Returns the rule with a name. `subject` is where the name is, in errors.
///
/// # Errors
///
/// Fails if there is no such rule.
pub fn require(subject: &str, name: &str) -> Result<&'static Rule> {
    let error = || {
        Error::usage(format!("`{subject}`: unknown rule {}", suggest::quote_key(&mask_names(name)))).hint(suggest(name))
    };
    find(name).ok_or_else(error)
}

/// Returns the hint for a name that is not that of a rule.
pub(super) fn suggest(name: &str) -> Message {
    match suggest::did_you_mean(name, RULES.iter().map(|rule| rule.name)) {
        Some(hint) => hint.into(),
        None => "list the rules with `" + ProgramName + " check --explain all`",
    }
}
