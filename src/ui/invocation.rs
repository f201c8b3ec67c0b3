//! How the program was called: as itself, or by kubectl, which finds plugins by the names of their files.

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

/// What the name of the program's file asks it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// `jobplate`, whatever the file is named.
    Itself,
    /// `kubectl-jobplate`: `kubectl jobplate`.
    Plugin,
    /// `kubectl_complete-jobplate`: the completion of `kubectl jobplate`.
    PluginCompletion,
}

static CALLED: OnceLock<Called> = OnceLock::new();

/// Takes note of the first word of the command line.
pub(crate) fn by(program: Option<&OsString>) -> Called {
    let stem = program.and_then(|program| Path::new(program).file_stem());
    *CALLED.get_or_init(|| match stem.and_then(|stem| stem.to_str()) {
        Some("kubectl-jobplate") => Called::Plugin,
        Some("kubectl_complete-jobplate") => Called::PluginCompletion,
        _ => Called::Itself,
    })
}

/// What the user types to call the program.
pub(crate) fn name() -> &'static str {
    match CALLED.get() {
        Some(Called::Plugin | Called::PluginCompletion) => "kubectl jobplate",
        _ => "jobplate",
    }
}

/// A text for a person, in whose hints and notes `jobplate COMMAND` is what they would type.
pub(crate) fn as_typed(text: &str) -> String {
    if name() == "jobplate" { text.to_owned() } else { text.split_inclusive('\n').map(typed).collect() }
}

/// A hint in which that is so.
pub(crate) fn as_typed_hint(hint: &str) -> String {
    if name() == "jobplate" { hint.to_owned() } else { typed_hint(hint) }
}

fn typed(line: &str) -> String {
    // Everything else speaks of files and names of the user's.
    let plain = anstream::adapter::strip_str(line).to_string();
    match ["hint: ", "note: "].iter().any(|ours| plain.starts_with(ours)) {
        true => typed_hint(line),
        false => line.to_owned(),
    }
}

fn typed_hint(hint: &str) -> String {
    if hint.contains("kubectl jobplate") {
        return hint.to_owned();
    }
    let commands =
        ["render", "apply", "diff", "post-render", "krm", "preview", "convert", "secret", "template", "schema"];
    commands.iter().fold(hint.to_owned(), |hint, command| {
        hint.replace(&format!("jobplate {command}"), &format!("kubectl jobplate {command}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_is_typed() {
        assert_eq!(
            typed("hint: `jobplate render` or jobplate apply"),
            "hint: `kubectl jobplate render` or kubectl jobplate apply"
        );
        for other in [
            "hint: kubectl jobplate render",
            "error: jobplate apply/x.yaml",
            "::error file=jobplate diff/x::",
            "hint: jobplate v1",
        ] {
            assert_eq!(typed(other), other);
        }
    }
}
