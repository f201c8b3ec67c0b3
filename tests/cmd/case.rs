//! A golden case: a TOML file with a command line, its input files and its expected output, compared byte for byte.
//!
//! | key | meaning |
//! |---|---|
//! | `about` | what the case shows, in one sentence |
//! | `args`, `stdin` | the arguments of the program, and its standard input |
//! | `[env]` | its environment variables |
//! | `status` | the exit code (default: 0) |
//! | `[files]`, `[hex]` | input files, keyed by path, as text or as hexadecimal digits; the run must not change them |
//! | `[change]` | input files with their expected results, as diffs: each line begins with ` `, `-` or `+` |
//! | `in_place` | the results of `[change]` are expected in the files, not on stdout |
//! | `stdout` | expected stdout (default: the result of `[change]` if it has one file, otherwise nothing) |
//! | `stderr` | expected stderr (default: nothing; not compared if `stderr_contains` or `stderr_lines` is set) |
//! | `stderr_contains`, `stderr_lacks`, `stderr_lines` | strings in stderr, strings not in stderr, number of lines |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use snapbox::Data;
use snapbox::report::{Palette, write_diff};

use super::run::{self, ProgramOutput};

/// File contents, keyed by path with slashes.
type Files = BTreeMap<String, Vec<u8>>;

/// The keys of a case. An unknown key is an error, since a misspelled key would check nothing.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseKeys {
    about: String,
    args: Vec<String>,
    stdin: String,
    env: BTreeMap<String, String>,
    status: i32,
    files: BTreeMap<String, String>,
    hex: BTreeMap<String, String>,
    change: BTreeMap<String, String>,
    in_place: bool,
    stdout: Option<String>,
    stderr: Option<String>,
    stderr_contains: Vec<String>,
    stderr_lacks: Vec<String>,
    stderr_lines: Option<usize>,
}

/// A golden case, ready to run.
pub(crate) struct GoldenCase {
    keys: CaseKeys,
    /// The input files, including the old contents in `[change]`.
    before: Files,
    /// The new contents in `[change]`.
    changed: Files,
    /// The expected standard output.
    stdout: Vec<u8>,
}

impl GoldenCase {
    /// Parses a case.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a valid case, or if the case would check less than its author expects.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys: CaseKeys = toml::from_str(text).map_err(|error| error.to_string())?;
        if keys.about.is_empty() || keys.args.is_empty() {
            return Err("missing `about` or `args`".to_owned());
        }
        if keys.status > 1 && keys.stderr.is_none() && keys.stderr_contains.is_empty() {
            return Err("a case that fails needs `stderr` or `stderr_contains`".to_owned());
        }
        let (mut before, mut changed) = (Files::new(), Files::new());
        for (name, text) in &keys.files {
            before.insert(name.clone(), text.clone().into_bytes());
        }
        for (name, digits) in &keys.hex {
            before.insert(name.clone(), decode_hex(digits)?);
        }
        for (name, diff) in &keys.change {
            let (old, new) = split_diff(diff)?;
            before.insert(name.clone(), old);
            changed.insert(name.clone(), new);
        }
        let stdout = match (&keys.stdout, changed.len()) {
            (Some(stdout), _) => stdout.clone().into_bytes(),
            (None, 2..) if !keys.in_place => return Err("a case with several changes needs `stdout`".to_owned()),
            (None, 1) if !keys.in_place => changed.values().next().cloned().unwrap_or_default(),
            (None, _) => Vec::new(),
        };
        Ok(GoldenCase { keys, before, changed, stdout })
    }

    /// Runs the case in a new directory, and its variants if it passes. Returns the program's output, and a message
    /// for each difference.
    pub(crate) fn run(&self) -> (ProgramOutput, Vec<String>) {
        let dir = self.write_inputs();
        let env: Vec<_> = self.keys.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let output = run::jobplate_with_env(dir.path(), &env, &self.keys.args, self.keys.stdin.as_bytes());
        let mut failures = Vec::new();
        if output.status != self.keys.status {
            failures.push(format!("exit code: expected {}, got {}", self.keys.status, output.status));
        }
        failures.extend(difference("stdout", &self.stdout, &output.stdout));
        self.check_stderr(&output.stderr, &mut failures);
        let mut expected = self.before.clone();
        if self.keys.in_place {
            expected.extend(self.changed.clone());
        }
        compare_files("", &expected, &read_files(dir.path()), &mut failures);
        if failures.is_empty() {
            self.run_variants(&mut failures);
        }
        (output, failures)
    }

    fn check_stderr(&self, bytes: &[u8], failures: &mut Vec<String>) {
        let CaseKeys { stderr: expected, stderr_contains, stderr_lacks, stderr_lines, .. } = &self.keys;
        if expected.is_some() || stderr_contains.is_empty() && stderr_lines.is_none() {
            failures.extend(difference("stderr", expected.as_deref().unwrap_or_default().as_bytes(), bytes));
        }
        let stderr = String::from_utf8_lossy(bytes);
        let mut require = |is_met: bool, message: &str| {
            if !is_met {
                failures.push(format!("{message}:\n{stderr}"));
            }
        };
        let is_colored = self.keys.args.iter().any(|arg| arg == "--color=always");
        require(
            self.keys.status < 2 || is_colored || stderr.starts_with("error: ") || stderr.starts_with("error["),
            "stderr must start with `error: ` or `error[`",
        );
        for part in stderr_contains {
            require(stderr.contains(part), &format!("stderr must contain {part:?}"));
        }
        for part in stderr_lacks {
            require(!stderr.contains(part), &format!("stderr must not contain {part:?}"));
        }
        if let Some(lines) = stderr_lines {
            require(stderr.lines().count() == *lines, &format!("stderr must have {lines} lines"));
        }
    }

    /// Runs the case again: on its own result, from standard input, with `--in-place` and with `--check`.
    ///
    /// Does nothing unless the case prints the result of editing one file, which the command line names once.
    fn run_variants(&self, failures: &mut Vec<String>) {
        let CaseKeys { args, in_place: false, status: 0, .. } = &self.keys else { return };
        let (1, Some(name)) = (self.changed.len(), self.changed.keys().next()) else { return };
        if args.iter().filter(|arg| *arg == name).count() != 1 {
            return;
        }
        let (before, after, file_list) = (&self.before[name][..], &self.stdout[..], format!("{name}\n"));
        let (check_status, check_stdout) = if before == after { (0, "") } else { (1, file_list.as_str()) };
        for (variant, option, input, status, stdout, file) in [
            ("second run", None, after, 0, after, after),
            ("from stdin", None, before, 0, after, before),
            ("in place", Some("--in-place"), before, 0, &b""[..], after),
            ("--check", Some("--check"), before, check_status, check_stdout.as_bytes(), before),
        ] {
            let dir = self.write_inputs();
            run::write_file(&dir.path().join(name), input);
            let is_stdin = variant == "from stdin";
            let args = args.iter().map(|arg| if is_stdin && arg == name { "-" } else { arg.as_str() });
            let args: Vec<&str> = args.chain(option).collect();
            let output = run::jobplate(dir.path(), &args, if is_stdin { input } else { b"" });
            if output.status != status {
                let stderr = String::from_utf8_lossy(&output.stderr);
                failures.push(format!("{variant}: exit code: expected {status}, got {}\n{stderr}", output.status));
            }
            failures.extend(difference(&format!("{variant}: stdout"), stdout, &output.stdout));
            let mut expected = self.before.clone();
            expected.insert(name.clone(), file.to_vec());
            compare_files(&format!("{variant}: "), &expected, &read_files(dir.path()), failures);
        }
    }

    fn write_inputs(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory can be created");
        for (name, bytes) in &self.before {
            run::write_file(&dir.path().join(name), bytes);
        }
        dir
    }
}

/// Returns the text of a case with its `stdout` and `stderr` replaced by the output of a run.
///
/// Adds a missing `stderr` unless it is empty. Never adds `stdout`, which `[change]` may imply.
pub(crate) fn with_output(text: &str, output: &ProgramOutput) -> String {
    let mut text = text.to_owned();
    for (key, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let printed = String::from_utf8_lossy(bytes);
        let value = string_literal(&printed);
        let current = {
            let table = toml::de::DeTable::parse(&text).expect("the case was parsed before");
            table.get_ref().get(key).map(|value| (value.span(), value.get_ref().as_str() == Some(&printed)))
        };
        match current {
            Some((span, false)) => text.replace_range(span, &value),
            None if key == "stderr" && !bytes.is_empty() => {
                let keys_end = text.find("\n[").unwrap_or(text.len());
                let insert_at = text[..keys_end].trim_end().len() + 1;
                text.insert_str(insert_at, &format!("stderr = {value}\n"));
            }
            _ => {}
        }
    }
    text
}

/// Returns a TOML string: a multi-line literal without escapes if possible.
fn string_literal(text: &str) -> String {
    if text.ends_with('\n') && !text.contains("'''") && text.chars().all(is_visible) {
        return format!("'''\n{text}'''");
    }
    // Every JSON string is a valid basic string of TOML.
    serde_json::Value::from(text).to_string()
}

/// Splits a diff of a complete file into the old and the new content.
///
/// # Errors
///
/// Fails if a line does not begin with a space, `-` or `+`, unless the line is empty.
fn split_diff(diff: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for line in diff.split_inclusive('\n') {
        let (mark, content) = if line == "\n" { (" ", line) } else { line.split_at_checked(1).unwrap_or((line, "")) };
        if !["-", "+", " "].contains(&mark) {
            return Err(format!("a line of `[change]` must start with a space, `-` or `+`: {line:?}"));
        }
        if mark != "+" {
            before.extend_from_slice(content.as_bytes());
        }
        if mark != "-" {
            after.extend_from_slice(content.as_bytes());
        }
    }
    Ok((before, after))
}

fn decode_hex(digits: &str) -> Result<Vec<u8>, String> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err("`[hex]` needs two digits for each byte".to_owned());
    }
    let parse_byte =
        |start: usize| u8::from_str_radix(&digits[start..start + 2], 16).map_err(|error| error.to_string());
    (0..digits.len()).step_by(2).map(parse_byte).collect()
}

fn read_files(dir: &Path) -> Files {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(dir.join(&path)).expect("the file can be read");
        (path.to_string_lossy().replace('\\', "/"), bytes)
    };
    run::files_below(dir).into_iter().map(read).collect()
}

/// Adds a message for each file that differs, is missing or is unexpected. Each message starts with `prefix`.
fn compare_files(prefix: &str, expected: &Files, found: &Files, failures: &mut Vec<String>) {
    for name in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        match (expected.get(name), found.get(name)) {
            (Some(expected), Some(found)) => {
                failures.extend(difference(&format!("{prefix}{name}"), expected, found));
            }
            (Some(_), None) => failures.push(format!("{prefix}missing file: {name}")),
            (None, _) => failures.push(format!("{prefix}unexpected file: {name}")),
        }
    }
}

/// Returns a diff of two contents, or `None` if they are equal.
///
/// Does not use snapbox's assertions: they ignore differences in line endings, which the program must preserve.
fn difference(name: &str, expected: &[u8], found: &[u8]) -> Option<String> {
    if expected == found {
        return None;
    }
    let mut diff = String::new();
    let (expected, found) = (Data::text(escape_invisible(expected)), Data::text(escape_invisible(found)));
    write_diff(&mut diff, &expected, &found, Some(&name), Some(&name), Palette::color())
        .expect("a string can be written");
    Some(diff)
}

/// Escapes lines with control characters or invalid UTF-8, so that a diff shows them.
fn escape_invisible(bytes: &[u8]) -> String {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(|line| match std::str::from_utf8(line) {
        Ok(text) if text.chars().all(is_visible) => text.to_owned(),
        Ok(text) => format!("{text:?}\n"),
        Err(_) => format!("{line:?}\n"),
    });
    lines.collect()
}

fn is_visible(c: char) -> bool {
    c == '\n' || !c.is_control() && c != '\u{feff}'
}

/// Returns the directory of the cases.
pub(crate) fn cases_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")
}

pub(crate) fn refuses_incomplete_cases() {
    assert_eq!(split_diff(" a\n-b\n+c\n\n"), Ok((b"a\nb\n\n".to_vec(), b"a\nc\n\n".to_vec())));
    assert!(split_diff("a\n").is_err());
    let changes = "about = 'x'\nargs = ['a']\n[change]\na = ''\nb = ''";
    for text in
        ["", "about = 'x'", "about = 'x'\nargs = ['a']\nstdotu = ''", "about = 'x'\nargs = ['a']\nstatus = 2", changes]
    {
        assert!(GoldenCase::parse(text).is_err(), "{text}");
    }
}

pub(crate) fn shows_differences_in_line_endings() {
    let diff = difference("stdout", b"a\r\n", b"a\n").expect("they differ");
    assert!(diff.contains("\\r"), "{diff}");
}

pub(crate) fn updates_stdout_and_stderr() {
    let output = ProgramOutput { status: 2, stdout: Vec::new(), stderr: b"error: new\n".to_vec() };
    let text = "about = 'x'\nstderr = '''\nold\n'''\nstatus = 2\n\n[files]\n'a' = '''\nstderr = 1\n'''\n";
    assert_eq!(with_output(text, &output), text.replace("old\n", "error: new\n"));
    let text = "about = 'x'\nstatus = 2\n\n[files]\n";
    assert_eq!(with_output(text, &output), "about = 'x'\nstatus = 2\nstderr = '''\nerror: new\n'''\n\n[files]\n");
    assert_eq!(string_literal("a\r\n"), "\"a\\r\\n\"");
}
