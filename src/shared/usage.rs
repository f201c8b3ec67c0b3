//! Rewrites clap's usage errors so that they contain no values.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use jobplate_diagnostic::{Error, Message, ProgramName, suggest};

use super::inputs::MANIFEST_EXTENSIONS;

/// The maximum length of an unknown command that the error repeats.
const MAX_COMMAND: usize = 20;

/// Returns a clearer error for some of clap's errors, or `None` for the others. `command` is the first argument that
/// is the name of a command, if there is one. `commands` are the names of all commands.
pub(crate) fn explain_usage_error<'c>(
    error: &clap::Error,
    command: Option<&str>,
    commands: impl Iterator<Item = &'c str>,
) -> Option<Error> {
    match error.kind() {
        ErrorKind::UnknownArgument if joined_flag(error).is_some() => {
            let flag = joined_flag(error)?;
            let hint = format!("use {flag}=VALUE, or two arguments (with Helm: --post-renderer-args={flag}=VALUE)");
            Some(Error::usage(format!("`{flag}` and its value are joined in one argument")).hint(hint))
        }
        ErrorKind::UnknownArgument if command.is_none() => {
            let hint = "put the command first: "
                + ProgramName
                + " render FILE ... (in Helm 3, --post-renderer-args post-render)";
            Some(Error::usage("expected a command, found a flag").hint(hint))
        }
        ErrorKind::UnknownArgument if is_output_flag(error) => file_output_error(command?),
        ErrorKind::UnknownArgument => {
            let command = command.filter(|command| ["preview", "convert"].contains(command))?;
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
            let file = if is_manifest_name(word) { format!("unexpected file `{word}`: ") } else { String::new() };
            let error = Error::usage(format!("{file}`{command}` accepts one file"));
            (!word.starts_with('-')).then(|| error.hint("run it once for each file"))
        }
        ErrorKind::InvalidValue if is_output_flag(error) => {
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidValue) else { return None };
            word.contains(['.', '/']).then(|| file_as_format_error(word))
        }
        ErrorKind::InvalidValue if invalid_argument(error).starts_with("--prefect <") => {
            let hint = "for Prefect 2 and 3, pass a base job template, and set the version of the worker with --prefect-kubernetes";
            Some(Error::usage("`--prefect` must be 1.4 or 0.15, the version of a Prefect 1 agent").hint(hint))
        }
        ErrorKind::InvalidSubcommand => match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) => Some(unknown_command(word, commands)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether a word of the command line is the unknown argument that an error is about.
pub(crate) fn is_unknown_argument(error: &clap::Error, word: &OsStr) -> bool {
    let rest = word.to_str().and_then(|word| word.strip_prefix(invalid_argument(error)));
    error.kind() == ErrorKind::UnknownArgument && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// Returns the argument that an error is about, or an empty string.
fn invalid_argument(error: &clap::Error) -> &str {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument,
        _ => "",
    }
}

/// Returns whether an error is about `-o` or `--output`.
fn is_output_flag(error: &clap::Error) -> bool {
    let argument = invalid_argument(error);
    argument == "-o" || argument == "--output" || argument.starts_with("--output <")
}

/// Returns the error for `-o` of a command that prints manifests and has no such flag. Returns `None` for other
/// commands.
fn file_output_error(command: &str) -> Option<Error> {
    let error = Error::usage(format!("`{command}` has no flag `-o`: it prints to standard output"));
    match command {
        "render" => Some(error.hint("use `> FILE`, or --in-place to change the input files")),
        "secret" | "template" => Some(error.hint("use `> FILE`")),
        _ => None,
    }
}

/// Returns the error for a file where `-o` expects a format.
fn file_as_format_error(file: &str) -> Error {
    let error = Error::usage("`-o` must be a format, not a file: the output goes to standard output");
    if !is_manifest_name(file) {
        return error.hint("use `> FILE`");
    }
    let format = if file.ends_with(".json") { "json" } else { "yaml" };
    error.hint(format!("use `-o {format} > {file}`"))
}

/// Returns the error for a first argument that is not a command.
fn unknown_command<'c>(word: &str, mut commands: impl Iterator<Item = &'c str>) -> Error {
    if let Some((command, rest)) = word.split_once(char::is_whitespace)
        && !rest.trim().is_empty()
        && commands.any(|name| name == command)
    {
        return Error::usage("the first argument contains several arguments").hint(format!(
            "pass each argument separately; with Helm, put --post-renderer-args before each of them: --post-renderer-args {command} --post-renderer-args --target=KIND/NAME ..."
        ));
    }
    let is_like_a_command =
        word.len() <= MAX_COMMAND && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if !is_like_a_command {
        // The word is probably a file, and the command is missing.
        let name = if is_manifest_name(word) { format!(" `{word}`") } else { String::new() };
        let hint = "put the command first: " + ProgramName + " render FILE --secret NAME=SECRET/KEY";
        return Error::usage(format!("unknown command{name}")).hint(hint);
    }
    let help: Message = "see `" + ProgramName + " --help` for the commands";
    let use_instead = |arguments: &str| -> Message { "use `" + ProgramName + format!(" {arguments}`") };
    let hint = match word {
        "version" => use_instead("--version"),
        "lint" | "validate" | "verify" => use_instead("check FILE..."),
        "init" | "new" | "create" => use_instead("template job"),
        "explain" | "simulate" => use_instead("preview FILE"),
        _ => suggest::closest(word, commands).map_or(help, use_instead),
    };
    Error::usage(format!("unknown command `{word}`")).hint(hint)
}

/// Returns whether a word is the name of a manifest, which an error may repeat.
fn is_manifest_name(word: &str) -> bool {
    let extension = word.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| MANIFEST_EXTENSIONS.contains(&extension))
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
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
    remove_escape_tip(&mut error);
    let Some(ContextValue::String(word)) = error.get(context) else { return error };
    if !(is_plain(word) && may_be_shown(word)) {
        error.insert(context, ContextValue::String("...".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Removes clap's tip to pass a flag as a value (`-- -o`): no command has such values.
fn remove_escape_tip(error: &mut clap::Error) {
    let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) else { return };
    let tips: Vec<_> = tips.iter().filter(|tip| !tip.to_string().contains(" as a value")).cloned().collect();
    error.remove(ContextKind::Suggested);
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}
