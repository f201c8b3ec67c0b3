//! Splits a shell script that starts a program into words, if that is possible without running a shell.

use super::start::find_start;
use crate::generation::{count_global_options, is_prefect};
use crate::pyvalue::environ::{Environ, Resolved, find_references};

/// Shell commands that can change the arguments or the environment of later commands.
const SETTING_COMMANDS: [&str; 13] =
    [".", "alias", "case", "declare", "eval", "export", "for", "if", "read", "set", "source", "unset", "while"];

/// Prefect commands that write files that the program reads.
const WRITING_COMMANDS: [&str; 6] = ["auth", "backend", "cloud", "config", "profile", "profiles"];

/// Joins each line of a script that ends with a backslash to the next line.
pub(super) fn join_lines(script: &str) -> String {
    script.replace("\\\n", "")
}

/// Splits a script or command at whitespace, ignoring quotes.
pub(super) fn split_at_whitespace(script: &str) -> Vec<&str> {
    script.split_whitespace().collect()
}

/// Returns the words of the command that starts the program (`start`) in a shell script, beginning with `prefect`. The
/// shell's variables are the container's variables.
///
/// Returns `None` if the script does not start the program, starts it through a command other than `exec`, `tini` or
/// `dumb-init`, sets or exports variables, writes files that Prefect reads, substitutes commands, uses unknown
/// variables or variables that the shell would split, escapes or single-quotes a dollar sign, does not close a quote,
/// or uses brace, tilde or file name expansion.
pub(super) fn start_words(start: &[&str], script: &str, environ: &Environ) -> Option<Vec<Resolved>> {
    let commands = split_commands(&join_lines(script))?;
    let start_index = commands.iter().position(|command| find_start(start, &split_at_whitespace(command)).is_some())?;
    let before = commands[start_index].split_whitespace().take_while(|word| !is_prefect(word));
    if commands[..start_index].iter().any(|command| changes_later_commands(&split_at_whitespace(command)))
        || !before.into_iter().all(|word| matches!(word, "exec" | "tini" | "-g" | "--" | "dumb-init"))
    {
        return None;
    }
    // Marks replace variables and placeholders, so whitespace in their values does not split words.
    const MARK: char = '\u{e000}';
    let command = &commands[start_index];
    if command.contains(['`', MARK, '*', '?', '[', '~'])
        || command.contains("\\$")
        || command.contains('\'') && command.contains('$')
    {
        return None;
    }
    let mut values = Vec::new();
    let mut marked = String::new();
    let mut rest = command.as_str();
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        quoted ^= c == '"';
        if c == '<' {
            // Redirections are already removed, so this is the placeholder for a value in the cluster.
            let (reference, after) = rest.split_once('>')?;
            marked.push_str(&format!("{MARK}{}{MARK}", values.len()));
            values.push(format!("{reference}>"));
            rest = after;
        } else if c == '$' {
            let inner = &rest[1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, after) = match inner.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => inner.split_at(inner.find(|c| !is_name(c)).unwrap_or(inner.len())),
            };
            let value = environ.get(name)?.value.as_str();
            let splits = value.is_empty() || value.contains([' ', '\t', '\n', '*', '?', '[']);
            if name.is_empty() || !name.chars().all(is_name) || splits && !quoted && find_references(value).is_empty() {
                return None;
            }
            marked.push_str(&format!("{MARK}{}{MARK}", values.len()));
            values.push(value.to_owned());
            rest = after;
        } else if c == '{' {
            return None;
        } else {
            marked.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let words = shlex::split(&marked)?;
    // The parts between marks are alternately text and the index of a value.
    let value_of = |(position, part): (usize, &str)| match position % 2 {
        0 => part.to_owned(),
        _ => part.parse::<usize>().ok().and_then(|index| values.get(index).cloned()).unwrap_or_default(),
    };
    Some(words.iter().map(|word| Resolved::from_text(word.split(MARK).enumerate().map(value_of).collect())).collect())
}

/// Returns whether a command can change the arguments or the environment of later commands.
fn changes_later_commands(command: &[&str]) -> bool {
    let is_setting = command.first().is_some_and(|first| SETTING_COMMANDS.contains(first) || first.contains('='));
    let writes_files = |prefect: usize| {
        let arguments = &command[prefect + 1..];
        match &arguments[count_global_options(arguments)..] {
            [_, "view", ..] => false,
            [noun, ..] => WRITING_COMMANDS.contains(noun),
            [] => false,
        }
    };
    is_setting || (0..command.len()).filter(|at| is_prefect(command[*at])).any(writes_files)
}

/// Splits a script into its commands, without redirections. Returns `None` if a quote is not closed.
fn split_commands(script: &str) -> Option<Vec<String>> {
    let mut commands = vec![String::new()];
    let (mut quote, mut is_redirected, mut is_comment) = (None, false, false);
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let reference = (c == '<').then(|| rest.split_once('>')).flatten();
        let reference = reference.filter(|(text, _)| !find_references(&format!("{text}>")).is_empty());
        if let (Some((text, after)), false) = (reference, is_comment) {
            if !is_redirected {
                commands.last_mut()?.push_str(&format!("{text}>"));
            }
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, '\n') => {
                (is_redirected, is_comment) = (false, false);
                commands.push(String::new());
            }
            _ if is_comment => {}
            (None, '#') if commands.last()?.ends_with(' ') => is_comment = true,
            (None, ';' | '&' | '|' | '(' | ')') => {
                // The `&` of `2>&1` does not end a command.
                if !(is_redirected && c == '&') {
                    is_redirected = false;
                    commands.push(String::new());
                }
            }
            (None, '>' | '<') => {
                let command = commands.last_mut()?;
                *command = command.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
                is_redirected = true;
            }
            _ if is_redirected => {}
            (open_quote, c) => {
                quote = match open_quote {
                    None if matches!(c, '"' | '\'') => Some(c),
                    Some(open) if open == c => None,
                    open_quote => open_quote,
                };
                commands.last_mut()?.push(c);
            }
        }
    }
    quote.is_none().then_some(commands)
}

#[cfg(test)]
mod tests {
    use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};

    const START: &str = "prefect agent kubernetes start";

    fn start_words(script: &str, environ: &Environ) -> Option<Vec<Resolved>> {
        super::start_words(&START.split(' ').collect::<Vec<_>>(), script, environ)
    }

    #[test]
    fn splits_scripts_or_refuses_them() {
        let variable = |name: &str, value: Resolved| EnvironVar { name: name.to_owned(), value, location: None };
        let secret = variable("S", Resolved::Unknown("<Secret s, key k>".to_owned()));
        let with_space = variable("W", Resolved::Text("a b".to_owned()));
        let environ = Environ::from_iter([variable("A", Resolved::Text("a".to_owned())), secret, with_space]);
        let options_of = |options: &str| {
            let words = start_words(&format!("cd /x && exec {START} {options}"), &environ)?;
            Some(words.into_iter().skip(5).collect::<Vec<_>>())
        };
        let known = |text: &str| Resolved::Text(text.to_owned());
        let unknown = |text: &str| Resolved::Unknown(text.to_owned());
        assert_eq!(options_of("a \"$A b\" ${A}c"), Some(vec![known("a"), known("a b"), known("ac")]));
        assert_eq!(
            options_of("K=$S -e x=<Secret s, key k>y"),
            Some(vec![unknown("K=<Secret s, key k>"), known("-e"), unknown("x=<Secret s, key k>y")])
        );
        for rest in ["a \\\n b", "a b; sleep 1", "a b&& c", "a b 2>&1 | tee log", "a b > log", "a b\nc", "a b # c"] {
            assert_eq!(options_of(rest), Some(vec![known("a"), known("b")]), "{rest:?}");
        }
        for script in [&format!("prefect config view; {START} a"), "prefect agent \\\n kubernetes start a"] {
            assert_eq!(
                start_words(script, &environ).and_then(|words| words.last().cloned()),
                Some(known("a")),
                "{script}"
            );
        }
        for rest in ["a `b`", "$(b)", "'$A'", "$B", "${A:-x}", "\"a", "\\$A", "$W", "{a,b}", "*", "~/x"] {
            assert_eq!(options_of(rest), None, "{rest}");
        }
        for script in [
            format!("A=b {START}"),
            format!("export A=b; {START}"),
            format!("if true; then {START}; fi"),
            "prefect agent local start".to_owned(),
            format!("prefect backend server && {START}"),
            format!("timeout 9 /bin/prefect -p x config set A=b; {START}"),
        ] {
            assert_eq!(start_words(&script, &environ), None, "{script}");
        }
    }
}
