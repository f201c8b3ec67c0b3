//! Finds the script that a shell in a container's command runs.

/// The names of shells.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Returns the name of the shell that a command starts with `-c`, and its script if the command contains it.
pub fn find_script<'h>(command: &[&'h str]) -> Option<(&'h str, Option<&'h str>)> {
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
