//! Splits a shell script that starts a program into words, if that is possible without running a shell.

use std::collections::HashSet;

use jobplate_diagnostic::Result;

use super::start::find_start;
use crate::generation::{count_global_options, is_prefect};
use crate::pyvalue::environ::{Environ, Resolved, find_references};
use crate::pyvalue::limits::Budget;

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

/// Returns the words of the command that starts the program (`start`) in a shell script. The shell's variables are the
/// container's variables.
///
/// Returns `None` if the script does not start the program, starts it through a command other than `exec`, `tini` or
/// `dumb-init`, sets or exports variables, writes files that Prefect reads, does not close a quote, has a here-document,
/// or if the command substitutes commands, uses unknown variables or variables that the shell would split, or uses
/// brace, tilde or file name expansion.
///
/// Adds the names of the variables that the script uses to `used_names`.
///
/// # Errors
/// Fails if the values of variables exceed the budget.
pub(super) fn start_words(
    start: &[&str],
    script: &str,
    environ: &Environ,
    budget: &mut Budget,
    used_names: &mut HashSet<String>,
) -> Result<Option<Vec<Resolved>>> {
    let reader = ScriptReader { environ, budget, used_names, commands: vec![Vec::new()], word: None };
    let Some(commands) = reader.read(script)? else { return Ok(None) };
    for command in &commands {
        let words: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
        if find_start(start, &words).is_some() {
            let mut before = words.iter().take_while(|word| !is_prefect(word));
            let is_supported = before.all(|word| matches!(*word, "exec" | "tini" | "-g" | "--" | "dumb-init"))
                && command.iter().all(|word| word.is_supported);
            let words = words.iter().map(|word| Resolved::from_text((*word).to_owned()));
            return Ok(is_supported.then(|| words.collect()));
        }
        if changes_later_commands(&words) {
            return Ok(None);
        }
    }
    Ok(None)
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

/// A word of a shell command.
#[derive(Debug)]
struct ShellWord {
    /// The text without quotes, and with the values of variables.
    text: String,
    /// Whether the text is known to be what the shell passes to the command.
    is_supported: bool,
}

/// Splits a script into commands and their words.
struct ScriptReader<'e> {
    environ: &'e Environ,
    budget: &'e mut Budget,
    used_names: &'e mut HashSet<String>,
    commands: Vec<Vec<ShellWord>>,
    /// The current word, or `None` between words.
    word: Option<ShellWord>,
}

impl ScriptReader<'_> {
    /// Returns the commands of a script, without redirections and comments. Returns `None` if a quote is not closed, or
    /// if the script has a here-document.
    ///
    /// # Errors
    /// Fails if the values of variables exceed the budget.
    fn read(mut self, script: &str) -> Result<Option<Vec<Vec<ShellWord>>>> {
        let mut rest = script;
        let mut quote = None;
        // The number of words before the file name of a redirection, which is not a word of the command.
        let mut redirected: Option<usize> = None;
        while let Some(c) = rest.chars().next() {
            if let Some(reference) = reference_at_start(rest) {
                self.current_word().text.push_str(reference);
                rest = &rest[reference.len()..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some('\''), c) => self.current_word().text.push(c),
                (None, '\'' | '"') => {
                    self.current_word();
                    quote = Some(c);
                }
                (_, '\\') => rest = self.read_escape(rest, quote.is_some()),
                (_, '$') => rest = self.read_variable(rest, quote.is_some())?,
                (Some(_), c) => self.push(c, c != '`'),
                (None, ' ' | '\t') => self.end_word(&mut redirected),
                (None, '#') if self.word.is_none() => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
                (None, '\n' | ';' | '&' | '|' | '(' | ')') => {
                    self.end_word(&mut redirected);
                    redirected = None;
                    self.commands.push(Vec::new());
                }
                (None, '<') if rest.starts_with('<') => return Ok(None),
                (None, '<' | '>') => {
                    // A number before the operator is a file descriptor.
                    self.word.take_if(|word| word.text.bytes().all(|byte| byte.is_ascii_digit()));
                    self.end_word(&mut redirected);
                    redirected = self.commands.last().map(Vec::len);
                    rest = rest.trim_start_matches(['>', '&', '|', ' ', '\t']);
                }
                (None, c) => self.push(c, !matches!(c, '`' | '*' | '?' | '[' | '{' | '~')),
            }
        }
        self.end_word(&mut redirected);
        Ok(quote.is_none().then_some(self.commands))
    }

    /// Returns the current word. Begins a word between words.
    fn current_word(&mut self) -> &mut ShellWord {
        self.word.get_or_insert_with(|| ShellWord { text: String::new(), is_supported: true })
    }

    fn push(&mut self, c: char, is_supported: bool) {
        let word = self.current_word();
        word.text.push(c);
        word.is_supported &= is_supported;
    }

    /// Adds the current word to the command, unless it is the file name of a redirection.
    fn end_word(&mut self, redirected: &mut Option<usize>) {
        if let (Some(word), Some(command)) = (self.word.take(), self.commands.last_mut())
            && redirected.take() != Some(command.len())
        {
            command.push(word);
        }
    }

    /// Reads the character after a backslash. Returns the text after it.
    fn read_escape<'t>(&mut self, rest: &'t str, is_quoted: bool) -> &'t str {
        let Some(c) = rest.chars().next() else {
            self.push('\\', true);
            return rest;
        };
        if is_quoted && !matches!(c, '$' | '`' | '"' | '\\' | '\n') {
            self.push('\\', true);
            return rest;
        }
        // A backslash before a line break joins the lines.
        if c != '\n' {
            self.push(c, true);
        }
        &rest[c.len_utf8()..]
    }

    /// Reads the variable after a dollar sign. Returns the text after it.
    ///
    /// # Errors
    /// Fails if the value exceeds the budget.
    fn read_variable<'t>(&mut self, rest: &'t str, is_quoted: bool) -> Result<&'t str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (inner, closing) = rest.strip_prefix('{').map_or((rest, ""), |inner| (inner, "}"));
        let (name, after) = inner.split_at(inner.find(|c| !is_name(c)).unwrap_or(inner.len()));
        let (Some(variable), Some(after)) = (self.environ.get(name), after.strip_prefix(closing)) else {
            self.push('$', false);
            return Ok(rest);
        };
        let value = variable.value.as_str();
        let splits = value.is_empty() || value.contains([' ', '\t', '\n', '*', '?', '[']);
        self.budget.spend_bytes(value.len(), format_args!("`${name}`"))?;
        self.used_names.insert(name.to_owned());
        let word = self.current_word();
        word.text.push_str(value);
        word.is_supported &= is_quoted || !splits || !find_references(value).is_empty();
        Ok(after)
    }
}

/// Returns the placeholder for a value in the cluster at the start of `text`, or `None` if there is none.
fn reference_at_start(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?;
    let end = inner.find(['<', '>']).filter(|end| inner[*end..].starts_with('>'))?;
    let reference = &text[..end + 2];
    (!find_references(reference).is_empty()).then_some(reference)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jobplate_growth::assert_linear;

    use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
    use crate::pyvalue::limits::Budget;

    const START: &str = "prefect agent kubernetes start";

    fn start_words(script: &str, environ: &Environ) -> Option<Vec<Resolved>> {
        let start: Vec<&str> = START.split(' ').collect();
        super::start_words(&start, script, environ, &mut Budget::default(), &mut HashSet::new()).unwrap()
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
        for rest in [
            "a \\\n b",
            "a b; sleep 1",
            "a b&& c",
            "a b 2>&1 | tee log",
            "a b > log",
            "a 2> 'x y' b",
            "a b\nc",
            "a b # c",
            "a b >'*'",
            "<x a >>y b",
        ] {
            assert_eq!(options_of(rest), Some(vec![known("a"), known("b")]), "{rest:?}");
        }
        for script in [&format!("prefect config view; {START} a"), "prefect agent \\\n kubernetes start a"] {
            assert_eq!(
                start_words(script, &environ).and_then(|words| words.last().cloned()),
                Some(known("a")),
                "{script}"
            );
        }
        for (rest, word) in [
            (r#"'OPTS={"a": 1}'"#, r#"OPTS={"a": 1}"#),
            ("'$A `b` *?[~\\'", "$A `b` *?[~\\"),
            (r#""~/x {a} * [""#, "~/x {a} * ["),
            (r#"\$A\ \*\"'"'"#, r#"$A *"""#),
            (r#""\$A\a\"""#, r#"$A\a""#),
            ("\"a\\\nb\"", "ab"),
            ("a=''", "a="),
        ] {
            assert_eq!(options_of(rest), Some(vec![known(word)]), "{rest}");
        }
        for rest in [
            "a `b`", "\"`b`\"", "$(b)", "\"$(b)\"", "$B", "${A:-x}", "${A", "\"a", "$W", "{a,b}", "*", "a?", "[a]",
            "~/x", "<<E",
        ] {
            assert_eq!(options_of(rest), None, "{rest}");
        }
    }

    #[test]
    fn refuses_scripts_that_change_the_command() {
        for script in [
            format!("A=b {START}"),
            format!("export A=b; {START}"),
            format!("if true; then {START}; fi"),
            "prefect agent local start".to_owned(),
            format!("prefect backend server && {START}"),
            format!("echo '{START}'"),
            format!("timeout 9 /bin/prefect -p x config set A=b; {START}"),
        ] {
            assert_eq!(start_words(&script, &Environ::default()), None, "{script}");
        }
    }

    #[test]
    fn reading_time_grows_linearly() {
        let environ = Environ::from_pairs(&[("A", "x")]);
        for part in ["<a", "< a ", "$A", "${", "'a'", "a;", ">x ", "# a\n", "prefect config ", "<Secret a"] {
            assert_linear(20_000, |count| part.repeat(count), |text| drop(start_words(text, &environ)));
        }
    }
}
