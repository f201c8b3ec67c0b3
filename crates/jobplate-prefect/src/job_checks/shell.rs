//! Checks whether the shell that a container's `command` starts runs the arguments that Prefect sets.

use jobplate_diagnostic::Diagnostic;

use super::container::{JobContainer, items};
use crate::pyvalue::arena::Arena;
use crate::pyvalue::source::locate_diagnostic;

/// The names of shells.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// The code of the diagnostics.
const CODE: &str = "shell-swallows-args";

/// Checks the flow's container.
pub(super) fn check(arena: &Arena, container: &JobContainer<'_>, found: &mut Vec<Diagnostic>) {
    let words =
        |key| items(arena, container.id, key).iter().map(|word| arena.as_str(*word)).collect::<Option<Vec<&str>>>();
    let (Some(command), Some(args)) = (words("command"), words("args")) else { return };
    let Some((shell, script)) = find_script(&command) else { return };
    let warning = match (script, args.as_slice()) {
        (None, [_, _, ..]) => {
            let text =
                format!("`{shell} -c` runs only the first of the arguments that Prefect sets: the flow does not start");
            Diagnostic::warning(CODE, text).help("remove `command`")
        }
        (Some(script), [_, ..]) if !uses_arguments(script) => {
            let text = format!(
                "the script of `{shell} -c` does not run the arguments that Prefect sets: the flow does not start"
            );
            Diagnostic::warning(CODE, text).help("remove `command`, or end the script with `exec \"$0\" \"$@\"`")
        }
        _ => return,
    };
    let location = arena.dict_get(container.id, "command").and_then(|command| arena.location(command));
    found.push(locate_diagnostic(warning, location));
}

/// Returns the name of the shell that a command starts with `-c`, and its script if the command contains it.
fn find_script<'h>(command: &[&'h str]) -> Option<(&'h str, Option<&'h str>)> {
    let base_name = |word: &'h str| word.rsplit('/').next().unwrap_or(word);
    let position = command.iter().take(2).position(|word| SHELLS.contains(&base_name(word)))?;
    let is_direct = position == 0 || base_name(command[0]) == "env";
    let options = &command[position + 1..];
    let last =
        options.iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    // The argument of `-o`, as in `bash -euo pipefail -c`, is not an option.
    let takes_argument = |word: &str| word.starts_with('-') && word.ends_with('o');
    let is_option = |at: usize| options[at].starts_with('-') || at > 0 && takes_argument(options[at - 1]);
    let is_options = (0..last).all(is_option);
    (is_direct && is_options).then(|| (base_name(command[position]), options.get(last + 1).copied()))
}

/// Returns whether a script uses its arguments, or starts Prefect itself.
fn uses_arguments(script: &str) -> bool {
    ["prefect", "$@", "$*", "$0", "$1", "${@", "${*", "${0", "${1"].iter().any(|used| script.contains(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_script_of_a_shell() {
        for (command, expected) in [
            (&["/bin/sh", "-c"][..], Some(("sh", None))),
            (&["bash", "-e", "-c", "x"], Some(("bash", Some("x")))),
            (&["bash", "-euo", "pipefail", "-c"], Some(("bash", None))),
            (&["/bin/bash", "-lc", "x"], Some(("bash", Some("x")))),
            (&["/usr/bin/env", "bash", "-c"], Some(("bash", None))),
            (&["tini", "sh", "-c"], None),
            (&["sh", "script", "-c"], None),
            (&["sh"], None),
            (&["python", "-c", "x"], None),
            (&[], None),
        ] {
            assert_eq!(find_script(command), expected, "{command:?}");
        }
    }
}
