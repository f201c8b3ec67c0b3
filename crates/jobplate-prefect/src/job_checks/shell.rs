//! Checks whether the shell that a container's `command` starts runs the arguments that Prefect sets.

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::shell::find_script;

use super::container::{JobContainer, items};
use crate::pyvalue::arena::Arena;
use crate::pyvalue::source::locate_diagnostic;

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
            Diagnostic::warning(CODE, text)
                .help("remove `command`, or end the script with `exec \"$0\" \"$@\"`, which runs the `args`")
        }
        _ => return,
    };
    let location = arena.dict_get(container.id, "command").and_then(|command| arena.location(command));
    found.push(locate_diagnostic(warning, location));
}

/// Returns whether a script uses its arguments, or starts Prefect itself.
fn uses_arguments(script: &str) -> bool {
    ["prefect", "$@", "$*", "$0", "$1", "${@", "${*", "${0", "${1"].iter().any(|used| script.contains(used))
}
