//! Finds the script that a shell in a container's command runs.

/// The names of shells.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Returns the name of the shell that a command starts with `-c`, and the position of its script among the words of the
/// command. The position is `None` if the command ends before the script.
pub fn find_script<'h>(command: &[&'h str]) -> Option<(&'h str, Option<usize>)> {
    let base_name = |word: &'h str| word.rsplit('/').next().unwrap_or(word);
    let position = command.iter().take(2).position(|word| SHELLS.contains(&base_name(word)))?;
    let is_direct = position == 0 || base_name(command[0]) == "env";
    let is_option = |word: &str| word.len() > 1 && word.starts_with(['-', '+']);
    let mut has_c = false;
    let mut takes_argument = false;
    // Options and `--` may be before and after `-c`. The first other word is the script.
    let script = command.iter().enumerate().skip(position + 1).find_map(|(at, word)| {
        let is_end = word == &"--";
        if takes_argument || !is_end && is_option(word) {
            // The argument of `-o`, as in `bash -euo pipefail -c`, is not an option.
            takes_argument = !takes_argument && word.ends_with('o') && !word.starts_with("--");
            has_c |= !takes_argument && word.ends_with('c') && word.starts_with('-') && !word.starts_with("--");
            return None;
        }
        Some(if is_end { at + 1 } else { at })
    });
    let script = script.filter(|at| *at < command.len());
    (is_direct && has_c).then(|| (base_name(command[position]), script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_script_of_a_shell() {
        for (command, expected) in [
            (&["/bin/sh", "-c"][..], Some(("sh", None))),
            (&["bash", "-e", "-c", "x"], Some(("bash", Some(3)))),
            (&["bash", "-euo", "pipefail", "-c"], Some(("bash", None))),
            (&["/bin/bash", "-lc", "x"], Some(("bash", Some(2)))),
            (&["sh", "-c", "--"], Some(("sh", None))),
            (&["sh", "-c", "--", "x", "y"], Some(("sh", Some(3)))),
            (&["sh", "-c", "-x"], Some(("sh", None))),
            (&["sh", "-c", "-x", "x"], Some(("sh", Some(3)))),
            (&["bash", "-c", "-eu", "-o", "pipefail", "x"], Some(("bash", Some(5)))),
            (&["bash", "-o", "pipefail", "--login", "-c", "x"], Some(("bash", Some(5)))),
            (&["sh", "-c", "x", "-x"], Some(("sh", Some(2)))),
            (&["sh", "--", "x", "-c"], None),
            (&["sh", "-o", "sync", "x"], None),
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
