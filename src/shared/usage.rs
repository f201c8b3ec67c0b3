//! Rewrites clap's usage errors so that they contain no values.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use jobplate_diagnostic::{Error, ProgramName};

/// Returns a clearer error for some of clap's errors, or `None` for the others. `starts_with_flag` is true if the first
/// argument is a flag.
pub(crate) fn explain_usage_error(error: &clap::Error, starts_with_flag: bool) -> Option<Error> {
    match error.kind() {
        ErrorKind::UnknownArgument if joined_flag(error).is_some() => {
            let flag = joined_flag(error)?;
            let hint =
                format!("write {flag}=VALUE, or two words (in Helm: {flag}=VALUE behind one --post-renderer-args)");
            Some(Error::usage(format!("`{flag}` and its value came as one word")).hint(hint))
        }
        ErrorKind::UnknownArgument if starts_with_flag => {
            let hint = "the command comes first: "
                + ProgramName
                + " render FILE ... (in Helm 3, --post-renderer-args post-render)";
            Some(Error::usage("a flag stands where the command is expected").hint(hint))
        }
        // The word resembles no command. It is probably a file, and the command is missing.
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            let hint = "the command comes first: " + ProgramName + " render FILE --secret NAME=SECRET/KEY";
            Some(Error::usage("the first word is no command").hint(hint))
        }
        _ => None,
    }
}

/// Returns the flag if one argument contains both a known flag and its value, separated by a space. Otherwise `None`.
fn joined_flag(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, value) = word.split_once(' ')?;
    let nearest = error.get(ContextKind::SuggestedArg)?;
    let is_known = matches!(nearest, ContextValue::String(nearest) if nearest == flag);
    (is_known && !value.trim().is_empty()).then(|| flag.to_owned())
}

/// Replaces arguments in clap's message that may be values: all arguments that do not look like a flag or a command.
pub(crate) fn redact_values(mut error: clap::Error) -> clap::Error {
    let is_plain = |word: &str| word.len() == 2 || word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let (context, may_be_shown): (_, fn(&str) -> bool) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, |word| word.starts_with('-')),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, |_| true),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, |_| true),
        ErrorKind::TooManyValues => (ContextKind::InvalidValue, |_| false),
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(context) else { return error };
    if !(is_plain(word) && may_be_shown(word)) {
        error.insert(context, ContextValue::String("...".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}
