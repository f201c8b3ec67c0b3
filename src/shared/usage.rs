//! Decides what is said about a command line that clap refuses: nothing that may be a value.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use jobplate_diagnostic::{Error, ProgramName};

/// Returns an error in better words than clap's, where there are any. `starts_with_flag`: the first word is a flag.
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
        // Nothing like a command, so it is a file, and the command was forgotten.
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
            let hint = "the command comes first: " + ProgramName + " render FILE --secret NAME=SECRET/KEY";
            Some(Error::usage("the first word is no command").hint(hint))
        }
        _ => None,
    }
}

/// A known flag that is followed by its value in one and the same word.
fn joined_flag(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, value) = word.split_once(' ')?;
    let nearest = error.get(ContextKind::SuggestedArg)?;
    let is_known = matches!(nearest, ContextValue::String(nearest) if nearest == flag);
    (is_known && !value.trim().is_empty()).then(|| flag.to_owned())
}

/// Takes words out of a message of clap's that may be values: all that look like no flag or command.
pub(crate) fn redact_values(mut error: clap::Error) -> clap::Error {
    let plain = |word: &str| word.len() == 2 || word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let (about, may_stay): (_, fn(&str) -> bool) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, |word| word.starts_with('-')),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, |_| true),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, |_| true),
        ErrorKind::TooManyValues => (ContextKind::InvalidValue, |_| false),
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(about) else { return error };
    if !(plain(word) && may_stay(word)) {
        error.insert(about, ContextValue::String("...".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}
