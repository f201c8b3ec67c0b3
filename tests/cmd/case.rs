//! One golden case: a TOML file that holds a command line, its input, and what must come of it, to the byte.
//!
//! | key | meaning |
//! |---|---|
//! | `about` | what the case shows, in one sentence |
//! | `args`, `stdin` | the command line without the program, and its standard input |
//! | `[env]` | variables in its environment |
//! | `status` | the exit code (0 if not given) |
//! | `[files]`, `[hex]` | input files by path, as text or as bytes in hexadecimal; they must not change |
//! | `[change]` | input files and what becomes of them in one text: lines begin with ` `, `-` or `+` as in a diff |
//! | `in_place` | the results of `[change]` are expected in the files, not on stdout |
//! | `stdout` | exact; if not given, the result of the one `[change]`, else nothing |
//! | `stderr` | exact; if not given and nothing of the next line is, it must be empty |
//! | `stderr_contains`, `stderr_lacks`, `stderr_lines` | parts of it, what must not be in it, the number of its lines |

use std::collections::BTreeMap;
use std::path::Path;

use super::run::{self, ProgramOutput};

/// What a case asks for.
#[derive(Default)]
pub(crate) struct Case {
    args: Vec<String>,
    stdin: Vec<u8>,
    env: Vec<(String, String)>,
    status: i32,
    before: BTreeMap<String, Vec<u8>>,
    after: BTreeMap<String, Vec<u8>>,
    changed: Vec<String>,
    in_place: bool,
    stdout: Vec<u8>,
    stderr: Option<String>,
    stderr_contains: Vec<String>,
    stderr_lacks: Vec<String>,
    stderr_lines: Option<usize>,
}

impl Case {
    /// Reads a case. Whatever is odd about it is an error: a misspelled key would test nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let mut case = Case::default();
        let mut stdout = None;
        let mut about = false;
        for (key, value) in &table {
            match key.as_str() {
                "about" => about = !string(value)?.is_empty(),
                "args" => case.args = strings(value)?,
                "stdin" => case.stdin = string(value)?.into_bytes(),
                "status" => case.status = i32::try_from(integer(value)?).map_err(|error| error.to_string())?,
                "in_place" => case.in_place = value.as_bool().ok_or("in_place is true or false")?,
                "stdout" => stdout = Some(string(value)?.into_bytes()),
                "stderr" => case.stderr = Some(string(value)?),
                "stderr_contains" => case.stderr_contains = strings(value)?,
                "stderr_lacks" => case.stderr_lacks = strings(value)?,
                "stderr_lines" => case.stderr_lines = Some(usize::try_from(integer(value)?).unwrap_or(0)),
                "env" => {
                    for (name, text) in entries(value)? {
                        case.env.push((name.clone(), string(text)?));
                    }
                }
                "files" => {
                    for (name, content) in entries(value)? {
                        case.before.insert(name.clone(), string(content)?.into_bytes());
                    }
                }
                "hex" => {
                    for (name, content) in entries(value)? {
                        case.before.insert(name.clone(), unhex(&string(content)?)?);
                    }
                }
                "change" => {
                    for (name, content) in entries(value)? {
                        let (before, after) = unmark(&string(content)?)?;
                        case.before.insert(name.clone(), before);
                        case.after.insert(name.clone(), after);
                        case.changed.push(name.clone());
                    }
                }
                other => return Err(format!("unknown key {other}")),
            }
        }
        if !about || case.args.is_empty() {
            return Err("a case says what it is about, and has args".to_owned());
        }
        if case.status > 1 && case.stderr.is_none() && case.stderr_contains.is_empty() {
            return Err("a failure has something to say on stderr".to_owned());
        }
        case.stdout = match (stdout, case.changed.as_slice()) {
            (Some(stdout), _) => stdout,
            (None, [name]) if !case.in_place => case.after[name].clone(),
            (None, [_, _, ..]) if !case.in_place => return Err("several changes: say what stdout is".to_owned()),
            (None, _) => Vec::new(),
        };
        if !case.in_place {
            case.after.clear();
        }
        Ok(case)
    }

    /// Runs the case in a new folder. The faults, each a readable text; none if all is as it should be.
    pub(crate) fn run(&self) -> (ProgramOutput, Vec<String>) {
        let folder = self.folder();
        let env: Vec<_> = self.env.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let outcome = run::jobplate_with_env(folder.path(), &env, &self.args, &self.stdin);
        let mut faults = Vec::new();
        if outcome.status != self.status {
            faults.push(format!("exit code: expected {}, got {}", self.status, outcome.status));
        }
        compare("stdout", &self.stdout, &outcome.stdout, &mut faults);
        self.check_stderr(&outcome.stderr, &mut faults);
        for path in run::files_below(folder.path()) {
            let name = path.to_string_lossy().replace('\\', "/");
            match self.after.get(&name).or_else(|| self.before.get(&name)) {
                Some(expected) => {
                    let found = std::fs::read(folder.path().join(&path)).expect("the file can be read");
                    compare(&name, expected, &found, &mut faults);
                }
                None => faults.push(format!("a file was left behind: {name}")),
            }
        }
        if faults.is_empty() {
            self.other_ways(&outcome, &mut faults);
        }
        (outcome, faults)
    }

    fn check_stderr(&self, bytes: &[u8], faults: &mut Vec<String>) {
        let stderr = String::from_utf8_lossy(bytes);
        if let Some(expected) = &self.stderr {
            compare("stderr", expected.as_bytes(), bytes, faults);
        } else if self.stderr_contains.is_empty() && self.stderr_lines.is_none() {
            compare("stderr", b"", bytes, faults);
        }
        let coloured = self.args.iter().any(|arg| arg == "--color=always");
        if self.status > 1 && !coloured && !stderr.starts_with("error: ") {
            faults.push(format!("stderr does not begin with `error: `:\n{}", indented(&stderr)));
        }
        let missing = self.stderr_contains.iter().filter(|part| !stderr.contains(part.as_str()));
        faults.extend(missing.map(|part| format!("stderr lacks {part:?}:\n{}", indented(&stderr))));
        let surplus = self.stderr_lacks.iter().filter(|part| stderr.contains(part.as_str()));
        faults.extend(surplus.map(|part| format!("stderr holds {part:?}:\n{}", indented(&stderr))));
        if self.stderr_lines.is_some_and(|lines| lines != stderr.lines().count()) {
            faults.push(format!("stderr has {} lines:\n{}", stderr.lines().count(), indented(&stderr)));
        }
    }

    /// The same edit in every other way it can be asked for: again, from stdin, in place, as a check.
    ///
    /// Only for cases of one file that is named on the command line and edited to stdout.
    fn other_ways(&self, outcome: &ProgramOutput, faults: &mut Vec<String>) {
        let ([name], false, 0) = (self.changed.as_slice(), self.in_place, self.status) else { return };
        if self.args.iter().filter(|arg| *arg == name).count() != 1 {
            return;
        }
        let (before, after) = (&self.before[name], &self.stdout);
        let mut with = |what: &str, more: &[&str], input: &[u8], from_stdin: bool| {
            let folder = self.folder();
            run::write_file(&folder.path().join(name), input);
            let args = self.args.iter().map(|arg| if from_stdin && arg == name { "-" } else { arg.as_str() });
            let args: Vec<&str> = args.chain(more.iter().copied()).collect();
            let stdin = if from_stdin { input } else { b"" };
            let again = run::jobplate(folder.path(), &args, stdin);
            let file = std::fs::read(folder.path().join(name)).expect("the file can be read");
            let status = i32::from(what == "--check" && before != after);
            if again.status != status {
                let stderr = String::from_utf8_lossy(&again.stderr).into_owned();
                faults.push(format!("{what}: exit code {}, not {status}\n{}", again.status, indented(&stderr)));
            }
            let listed = format!("{name}\n").into_bytes();
            let stdout: &[u8] = match what {
                "--check" if before != after => &listed,
                "--check" | "in place" => b"",
                _ => after,
            };
            compare(&format!("{what}: stdout"), stdout, &again.stdout, faults);
            let expected_file: &[u8] = if what == "in place" { after } else { input };
            compare(&format!("{what}: {name}"), expected_file, &file, faults);
        };
        with("a second run", &[], &outcome.stdout, false);
        with("from stdin", &[], before, true);
        with("in place", &["--in-place"], before, false);
        with("--check", &["--check"], before, false);
    }

    fn folder(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (name, bytes) in &self.before {
            run::write_file(&folder.path().join(name), bytes);
        }
        folder
    }
}

/// The text of a case with the run's stdout and stderr in place of its own (where it states them).
pub(crate) fn updated(text: &str, outcome: &ProgramOutput) -> String {
    let mut text = text.to_owned();
    for (key, bytes) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let stated = text.parse::<toml::Table>().ok().and_then(|table| table.get(key)?.as_str().map(str::to_owned));
        if stated.is_some_and(|stated| stated.as_bytes() == bytes.as_slice()) {
            continue;
        }
        let value = literal(&String::from_utf8_lossy(bytes));
        let head = text.find("\n[").map_or(text.len(), |at| at + 1);
        match text[..head].find(&format!("\n{key} = ")) {
            Some(at) => {
                let start = at + 1 + key.len() + 3;
                let end = start + literal_length(&text[start..]);
                text.replace_range(start..end, &value);
            }
            None if key == "stderr" && !bytes.is_empty() => {
                text.insert_str(text[..head].trim_end().len() + 1, &format!("stderr = {value}\n"));
            }
            None => {}
        }
    }
    text
}

/// A TOML string: as it stands where that is possible.
fn literal(text: &str) -> String {
    let plain = |c: char| c == '\n' || !c.is_control() && c != '\u{feff}';
    if text.ends_with('\n') && !text.contains("'''") && text.chars().all(plain) {
        return format!("'''\n{text}'''");
    }
    // TOML's basic strings have JSON's escapes, and a few more.
    serde_json::Value::from(text).to_string()
}

/// The bytes of the TOML string at the start of `text`.
fn literal_length(text: &str) -> usize {
    for quotes in ["'''", "\"\"\""] {
        if let Some(rest) = text.strip_prefix(quotes) {
            return rest.find(&format!("{quotes}\n")).map_or(text.len(), |at| at + 2 * quotes.len());
        }
    }
    text.find('\n').unwrap_or(text.len())
}

/// Both texts of a marked one.
fn unmark(text: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        let (mark, content) = match line {
            "\n" => (" ", line),
            _ => line.split_at_checked(1).ok_or("a marked line begins with one character")?,
        };
        match mark {
            " " => {
                before.extend_from_slice(content.as_bytes());
                after.extend_from_slice(content.as_bytes());
            }
            "-" => before.extend_from_slice(content.as_bytes()),
            "+" => after.extend_from_slice(content.as_bytes()),
            _ => return Err(format!("a marked line begins with a blank, - or +: {line:?}")),
        }
    }
    Ok((before, after))
}

/// Adds a fault with a diff, if two contents differ.
fn compare(what: &str, expected: &[u8], found: &[u8], faults: &mut Vec<String>) {
    if expected == found {
        return;
    }
    let visible = |bytes: &[u8]| -> String {
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(|line| match std::str::from_utf8(line) {
            Ok(text) if text.ends_with('\n') && !text.trim_end_matches('\n').contains(char::is_control) => {
                text.to_owned()
            }
            // What cannot be seen is shown escaped.
            Ok(text) => format!("{text:?}\n"),
            Err(_) => format!("{line:?}\n"),
        });
        lines.collect()
    };
    let (expected, found) = (visible(expected), visible(found));
    let diff = similar::TextDiff::from_lines(&expected, &found);
    let shown = diff.unified_diff().context_radius(3).header("expected", "got").to_string();
    faults.push(format!("{what} differs:\n{}", indented(&shown)));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn string(value: &toml::Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("not a string: {value}"))
}

fn strings(value: &toml::Value) -> Result<Vec<String>, String> {
    value.as_array().ok_or_else(|| format!("not a list: {value}"))?.iter().map(string).collect()
}

fn integer(value: &toml::Value) -> Result<i64, String> {
    value.as_integer().ok_or_else(|| format!("not a number: {value}"))
}

fn entries(value: &toml::Value) -> Result<&toml::Table, String> {
    value.as_table().ok_or_else(|| format!("not a table: {value}"))
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err("hexadecimal bytes have two digits".to_owned());
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|error| error.to_string());
    (0..text.len()).step_by(2).map(byte).collect()
}

/// That the functions of this page say no where they should: a runner that accepts all proves nothing.
#[test]
fn the_runner_itself() {
    assert_eq!(unmark(" a\n-b\n+c\n\n").expect("marked"), (b"a\nb\n\n".to_vec(), b"a\nc\n\n".to_vec()));
    assert!(unmark("a\n").is_err());
    for odd in ["", "about = 'x'", "about = 'x'\nargs = ['a']\nstdotu = ''", "about = 'x'\nargs = ['a']\nstatus = 2"] {
        assert!(Case::parse(odd).is_err(), "{odd}");
    }
    let mut faults = Vec::new();
    compare("it", b"a\r\n", b"a\n", &mut faults);
    assert!(faults[0].contains("\\r"), "{faults:?}");

    let outcome = ProgramOutput { status: 2, stdout: Vec::new(), stderr: b"error: new\n".to_vec() };
    let text = "about = 'x'\nstderr = '''\nold\n'''\nstatus = 2\n\n[files]\n'a' = '''\nstderr = 1\n'''\n";
    assert_eq!(updated(text, &outcome), text.replace("old\n", "error: new\n"));
    let text = "about = 'x'\nstatus = 2\n\n[files]\n";
    assert_eq!(updated(text, &outcome), "about = 'x'\nstatus = 2\nstderr = '''\nerror: new\n'''\n\n[files]\n");
    assert_eq!(literal("a\r\n"), "\"a\\r\\n\"");
}

/// The folder that holds the cases.
pub(crate) fn cases_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")
}
