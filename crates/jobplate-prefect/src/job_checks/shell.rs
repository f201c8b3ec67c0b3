//! Checks whether the shell that a container's `command` starts runs the arguments that Prefect sets.

use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::shell::find_script;

use super::container::{JobContainer, items};
use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::source::locate_diagnostic;

/// The code of the diagnostics.
const CODE: &str = "shell-swallows-args";

/// Checks the flow's container.
pub(super) fn check(arena: &Arena, container: &JobContainer<'_>, found: &mut Vec<Diagnostic>) {
    let args = items(arena, container.id, "args");
    if args.iter().all(|word| arena.as_str(*word).is_some()) {
        found.extend(find_swallowed_args(arena, container.id, args.len()));
    }
}

/// Returns a warning if the shell in the `command` of a container does not run its arguments. `arg_count` is the number
/// of arguments that Prefect sets.
pub(crate) fn find_swallowed_args(arena: &Arena, container: ValueId, arg_count: usize) -> Option<Diagnostic> {
    let words = items(arena, container, "command").iter().map(|word| arena.as_str(*word));
    let command = words.collect::<Option<Vec<&str>>>()?;
    let (shell, script) = find_script(&command)?;
    let warning = match (script.map(|at| command[at]), arg_count) {
        (None, 2..) => {
            let text =
                format!("`{shell} -c` runs only the first of the arguments that Prefect sets: the flow does not start");
            Diagnostic::warning(CODE, text).help("remove `command`")
        }
        (Some(script), 1..) if !uses_arguments(script) => {
            let text = format!(
                "the script of `{shell} -c` does not run the arguments that Prefect sets: the flow does not start"
            );
            Diagnostic::warning(CODE, text)
                .help("remove `command`, or end the script with `exec \"$0\" \"$@\"`, which runs the `args`")
        }
        _ => return None,
    };
    let location = arena.dict_get(container, "command").and_then(|command| arena.location(command));
    Some(locate_diagnostic(warning, location))
}

/// Returns whether a script uses its arguments, or starts Prefect itself.
fn uses_arguments(script: &str) -> bool {
    ["prefect", "$@", "$*", "$0", "$1", "${@", "${*", "${0", "${1"].iter().any(|used| script.contains(used))
}
