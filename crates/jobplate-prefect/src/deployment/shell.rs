//! The words of a shell's script that starts a program, as far as they can be told without a shell.

use super::start::find_start;
use crate::generation::{is_prefect, session_options};
use crate::pyvalue::environ::{Environ, Resolved, find_references};

/// Commands before it that may change what it is told.
const SETS: [&str; 13] =
    [".", "alias", "case", "declare", "eval", "export", "for", "if", "read", "set", "source", "unset", "while"];

/// Commands of Prefect's that write into files which the program reads.
const WRITES: [&str; 6] = ["auth", "backend", "cloud", "config", "profile", "profiles"];

/// A script whose lines are whole.
pub(super) fn joined(script: &str) -> String {
    script.replace("\\\n", "")
}

/// The words of a script or command, quotes and all.
pub(super) fn roughly(script: &str) -> Vec<&str> {
    script.split_whitespace().collect()
}

/// The words of the command in a shell's script that starts the program (`start`), from `prefect` on; the shell's
/// variables are those of the container.
///
/// None where the script does more that counts: sets or exports variables, or writes what Prefect reads, calls programs
/// for words, uses variables that are not known or that it may split, quotes a dollar, matches names of files.
pub(super) fn words(start: &[&str], script: &str, environ: &Environ) -> Option<Vec<Resolved>> {
    let commands = commands(&joined(script))?;
    let at = commands.iter().position(|command| find_start(start, &roughly(command)).is_some())?;
    let before = commands[at].split_whitespace().take_while(|word| !is_prefect(word));
    if commands[..at].iter().any(|command| sets(&roughly(command)))
        || !before.into_iter().all(|word| matches!(word, "exec" | "tini" | "-g" | "--" | "dumb-init"))
    {
        return None;
    }
    // Marks stand for variables, and for values of the cluster, until the words are apart.
    const MARK: char = '\u{e000}';
    let command = &commands[at];
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
            // All that is left of it are the words for values of the cluster.
            let (reference, behind) = rest.split_once('>')?;
            marked.push_str(&format!("{MARK}{}{MARK}", values.len()));
            values.push(format!("{reference}>"));
            rest = behind;
        } else if c == '$' {
            let inner = &rest[1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, behind) = match inner.strip_prefix('{') {
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
            rest = behind;
        } else if c == '{' {
            return None;
        } else {
            marked.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let words = shlex::split(&marked)?;
    let value_of = |(position, part): (usize, &str)| match position % 2 {
        0 => part.to_owned(),
        _ => part.parse::<usize>().ok().and_then(|at| values.get(at).cloned()).unwrap_or_default(),
    };
    Some(words.iter().map(|word| Resolved::from_text(word.split(MARK).enumerate().map(value_of).collect())).collect())
}

/// Whether a command may change what one behind it is told.
fn sets(command: &[&str]) -> bool {
    let is_setting = command.first().is_some_and(|first| SETS.contains(first) || first.contains('='));
    let writes = |at: usize| {
        let behind = &command[at + 1..];
        match &behind[session_options(behind)..] {
            [_, "view", ..] => false,
            [noun, ..] => WRITES.contains(noun),
            [] => false,
        }
    };
    is_setting || (0..command.len()).filter(|at| is_prefect(command[*at])).any(writes)
}

/// The commands of a script, without what is redirected. None where a quote does not end.
fn commands(script: &str) -> Option<Vec<String>> {
    let mut commands = vec![String::new()];
    let (mut quote, mut redirected, mut comment) = (None, false, false);
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let reference = (c == '<').then(|| rest.split_once('>')).flatten();
        let reference = reference.filter(|(own, _)| !find_references(&format!("{own}>")).is_empty());
        if let (Some((own, behind)), false) = (reference, comment) {
            if !redirected {
                commands.last_mut()?.push_str(&format!("{own}>"));
            }
            rest = behind;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, '\n') => {
                (redirected, comment) = (false, false);
                commands.push(String::new());
            }
            _ if comment => {}
            (None, '#') if commands.last()?.ends_with(' ') => comment = true,
            (None, ';' | '&' | '|' | '(' | ')') => {
                // `2>&1` is no command of its own.
                if !(redirected && c == '&') {
                    redirected = false;
                    commands.push(String::new());
                }
            }
            (None, '>' | '<') => {
                let own = commands.last_mut()?;
                *own = own.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
                redirected = true;
            }
            _ if redirected => {}
            (own, c) => {
                quote = match own {
                    None if matches!(c, '"' | '\'') => Some(c),
                    Some(open) if open == c => None,
                    own => own,
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

    fn words(script: &str, environ: &Environ) -> Option<Vec<Resolved>> {
        super::words(&START.split(' ').collect::<Vec<_>>(), script, environ)
    }

    #[test]
    fn scripts_are_followed_or_refused() {
        let variable = |name: &str, value: Resolved| EnvironVar { name: name.to_owned(), value, location: None };
        let secret = variable("S", Resolved::Unknown("<Secret s, key k>".to_owned()));
        let blank = variable("W", Resolved::Text("a b".to_owned()));
        let environ = Environ(vec![variable("A", Resolved::Text("a".to_owned())), secret, blank]);
        let behind = |options: &str| {
            let words = words(&format!("cd /x && exec {START} {options}"), &environ)?;
            Some(words.into_iter().skip(5).collect::<Vec<_>>())
        };
        let known = |text: &str| Resolved::Text(text.to_owned());
        let unknown = |text: &str| Resolved::Unknown(text.to_owned());
        assert_eq!(behind("a \"$A b\" ${A}c"), Some(vec![known("a"), known("a b"), known("ac")]));
        assert_eq!(
            behind("K=$S -e x=<Secret s, key k>y"),
            Some(vec![unknown("K=<Secret s, key k>"), known("-e"), unknown("x=<Secret s, key k>y")])
        );
        for rest in ["a \\\n b", "a b; sleep 1", "a b&& c", "a b 2>&1 | tee log", "a b > log", "a b\nc", "a b # c"] {
            assert_eq!(behind(rest), Some(vec![known("a"), known("b")]), "{rest:?}");
        }
        for script in [&format!("prefect config view; {START} a"), "prefect agent \\\n kubernetes start a"] {
            assert_eq!(words(script, &environ).and_then(|words| words.last().cloned()), Some(known("a")), "{script}");
        }
        for rest in ["a `b`", "$(b)", "'$A'", "$B", "${A:-x}", "\"a", "\\$A", "$W", "{a,b}", "*", "~/x"] {
            assert_eq!(behind(rest), None, "{rest}");
        }
        for script in [
            format!("A=b {START}"),
            format!("export A=b; {START}"),
            format!("if true; then {START}; fi"),
            "prefect agent local start".to_owned(),
            format!("prefect backend server && {START}"),
            format!("timeout 9 /bin/prefect -p x config set A=b; {START}"),
        ] {
            assert_eq!(words(&script, &environ), None, "{script}");
        }
    }
}
