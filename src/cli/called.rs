//! How the program was called: as itself, or by kubectl, which finds plugins by the names of their files.

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

/// What the name of the program's file asks it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// `jobplate`, whatever the file is named.
    Itself,
    /// `kubectl-jobplate`: `kubectl jobplate`.
    Plugin,
    /// `kubectl_complete-jobplate`: the completion of `kubectl jobplate`.
    PluginCompletion,
}

static CALLED: OnceLock<Called> = OnceLock::new();

/// Takes note of the first word of the command line.
pub(super) fn by(program: Option<&OsString>) -> Called {
    let stem = program.and_then(|program| Path::new(program).file_stem());
    *CALLED.get_or_init(|| match stem.and_then(|stem| stem.to_str()) {
        Some("kubectl-jobplate") => Called::Plugin,
        Some("kubectl_complete-jobplate") => Called::PluginCompletion,
        _ => Called::Itself,
    })
}

/// What the user types to call the program.
pub(super) fn name() -> &'static str {
    match CALLED.get() {
        Some(Called::Plugin | Called::PluginCompletion) => "kubectl jobplate",
        _ => "jobplate",
    }
}

/// A text of ours in which `jobplate COMMAND` is what the user would type.
pub(super) fn as_typed(text: &str) -> String {
    if name() == "jobplate" { text.to_owned() } else { typed(text) }
}

fn typed(text: &str) -> String {
    let commands = ["render", "apply", "diff", "post-render", "template", "krm"];
    let plain = text.replace("kubectl jobplate ", "jobplate ");
    commands.iter().fold(plain, |text, command| {
        text.replace(&format!("jobplate {command}"), &format!("kubectl jobplate {command}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_what_is_typed() {
        assert_eq!(
            typed("use `jobplate render` or jobplate apply"),
            "use `kubectl jobplate render` or kubectl jobplate apply"
        );
        assert_eq!(typed("kubectl jobplate render, jobplate v1"), "kubectl jobplate render, jobplate v1");
    }
}
