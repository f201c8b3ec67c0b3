//! Runs the examples in the documentation and compares their output.
//!
//! In a fenced block marked `console`, a line that begins with `$ ` is a command for `sh`; a trailing `\` continues it
//! on the next line. The lines up to the next command are its expected stdout and stderr, interleaved as on a terminal.
//! A line `...` matches any number of lines. A command that fails is followed by `$ echo $?`, which is not run, and its
//! exit code. All commands of a page share a working directory, which is also the home directory. It holds
//! `templates/`, `charts/`, `integrations/` and `docs/examples/`, like the top of the project, and a copy of each file
//! in `docs/examples/`. Its `.local/bin` is on the `PATH`.
//!
//! Blocks that need a cluster, Helm or another program are marked `console cluster`, `console helm3`, `console helm4`,
//! `console helm` (both versions) and so on. The tests that provide the program run them.
//!
//! The crate trycmd runs similar blocks, but without a shell: its commands cannot have pipes or redirections.

use std::path::{Path, PathBuf};

use snapbox::report::Palette;
use snapbox::{Assert, IntoData};

use super::run;

/// The pages with examples outside of docs/.
const OTHER_PAGES: [&str; 2] = ["README.md", "charts/prefect-agent/README.md"];

/// Directories that the examples use.
const EXAMPLE_DIRS: [&str; 4] = ["templates", "charts", "integrations", "docs/examples"];

/// Runs the examples in all blocks that begin with one of `fences`. Returns the number of commands.
///
/// `programs` is a directory to add to the `PATH`. `env` is called once per page and returns the environment variables
/// of its commands.
///
/// Panics if the output of a command differs from the page.
pub(crate) fn run_blocks(fences: &[&str], programs: &Path, env: impl Fn() -> Vec<(&'static str, String)>) -> usize {
    let pages = pages_with_blocks(fences);
    let results: Vec<_> = pages.iter().map(|page| run_page(page, fences, programs, &env())).collect();
    let failures: String = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    assert!(failures.is_empty(), "examples that differ:\n{failures}");
    results.into_iter().flatten().sum()
}

/// Returns the pages with blocks that begin with one of `fences`, as paths relative to the project's root.
pub(crate) fn pages_with_blocks(fences: &[&str]) -> Vec<PathBuf> {
    let docs = run::files_below(&project_dir().join("docs")).into_iter();
    let docs = docs
        .filter(|path| path.components().count() == 1 && path.extension().is_some_and(|extension| extension == "md"));
    let pages = docs.map(|path| Path::new("docs").join(path)).chain(OTHER_PAGES.map(PathBuf::from));
    pages.filter(|page| !read_examples(page, fences).is_empty()).collect()
}

/// Runs the examples of one page in a new directory. Returns the number of commands. If `JOBPLATE_CMD_UPDATE` is set,
/// writes the output of commands whose output differs into the page, except where the page has a line `...`.
///
/// # Errors
///
/// Fails with the differences if the output or the exit code of a command differs from the page.
pub(crate) fn run_page(page: &Path, fences: &[&str], programs: &Path, env: &[(&str, String)]) -> Result<usize, String> {
    let examples = read_examples(page, fences);
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    copy_example_files(dir.path());
    let (mut failures, mut updates) = (String::new(), Vec::new());
    for example in &examples {
        let (printed, status) = example.run(dir.path(), programs, env);
        if let Err(message) = example.compare(&printed, status) {
            failures.push_str(&format!("\n{}:{}: {}\n{message}", page.display(), example.line, example.command));
            updates.push((example, printed));
        }
    }
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        update_page(&project_dir().join(page), &updates);
    }
    if failures.is_empty() { Ok(examples.len()) } else { Err(failures) }
}

fn project_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the files of [`EXAMPLE_DIRS`] to the same place in `dir`, and those of docs/examples also to its top level.
fn copy_example_files(dir: &Path) {
    for from in EXAMPLE_DIRS {
        for file in run::files_below(&project_dir().join(from)) {
            let bytes = std::fs::read(project_dir().join(from).join(&file)).expect("an example file can be read");
            run::write_file(&dir.join(from).join(&file), &bytes);
            if from == "docs/examples" {
                run::write_file(&dir.join(&file), &bytes);
            }
        }
    }
}

/// A command with its expected output and exit code.
struct Example {
    line: usize,
    command: String,
    output: String,
    /// The index of the line after the command, where the output begins.
    output_start: usize,
    status: i32,
}

/// Writes the printed output of examples into a page.
fn update_page(page: &Path, updates: &[(&Example, String)]) {
    let text = std::fs::read_to_string(page).expect("the page can be read");
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (example, printed) in
        updates.iter().rev().filter(|(example, _)| !example.output.lines().any(|line| line == "..."))
    {
        let count = example.output.lines().count();
        lines.splice(example.output_start..example.output_start + count, [printed.as_str()]);
    }
    std::fs::write(page, lines.concat()).expect("the page can be written");
}

fn read_examples(page: &Path, fences: &[&str]) -> Vec<Example> {
    parse_examples(&std::fs::read_to_string(project_dir().join(page)).expect("the page can be read"), fences)
}

/// Parses the commands in the blocks of a page that begin with one of `fences`.
fn parse_examples(page: &str, fences: &[&str]) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut in_block = false;
    let mut expects_status = false;
    for (at, line) in page.lines().enumerate() {
        if !in_block || line == "```" {
            in_block = !in_block && fences.contains(&line);
        } else if line == "$ echo $?" {
            expects_status = true;
        } else if let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            let (output, output_start) = (String::new(), at + 1);
            examples.push(Example { line: at + 1, command, output, output_start, status: 0 });
        } else {
            let example = examples.last_mut().expect("a block begins with a command");
            if std::mem::take(&mut expects_status) {
                example.status = line.parse().expect("an exit code is a number");
            } else if example.output.is_empty() && example.command.ends_with('\\') {
                example.command.pop();
                example.command.push_str(line.trim_start());
                example.output_start = at + 1;
            } else {
                example.output.push_str(&format!("{line}\n"));
            }
        }
    }
    examples
}

impl Example {
    /// Runs the command in `dir`. Returns its output and its exit code.
    fn run(&self, dir: &Path, programs: &Path, env: &[(&str, String)]) -> (String, i32) {
        let bin = run::binary().parent().expect("a program is in a directory");
        let path = [dir.join(".local/bin").as_path(), bin, programs].map(|dir| dir.display().to_string()).join(":");
        let shell =
            snapbox::cmd::Command::from_std(run::isolated_command("sh", dir)).args(["-c", self.command.as_str()]);
        let shell = shell.env("PATH", format!("{path}:/usr/local/bin:/usr/bin:/bin"));
        let output = shell.envs(env.iter().cloned()).stderr_to_stdout().output().expect("sh starts");
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        // A page cannot show whether the last line ends with a newline, so a missing newline is added.
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        (printed, output.status.code().unwrap_or(-1))
    }

    /// Fails with a message if the output or the exit code differs.
    fn compare(&self, printed: &str, status: i32) -> Result<(), String> {
        compare_output(&self.output, printed)?;
        match status == self.status {
            true => Ok(()),
            false => Err(format!("exit code: expected {}, got {status}", self.status)),
        }
    }
}

/// Compares output line by line. A line `...` in `expected` matches any number of lines. Fails with a diff.
fn compare_output(expected: &str, printed: &str) -> Result<(), String> {
    let assert = Assert::new().normalize_paths(false).palette(Palette::plain());
    assert.try_eq(Some(&"output"), printed.into_data(), expected.into_data()).map_err(|error| error.to_string())
}

pub(crate) fn parses_console_blocks() {
    let page = "x\n```console\n$ a \\\n  b\nout\n$ echo $?\n2\n$ c\n```\n$ no\n```sh\n$ no\n```\n```console cluster\n$ no\n```\n";
    let examples = parse_examples(page, &["```console"]);
    let parsed: Vec<_> =
        examples.iter().map(|example| (example.command.as_str(), example.output.as_str(), example.status)).collect();
    assert_eq!(parsed, [("a b", "out\n", 2), ("c", "", 0)]);
}

pub(crate) fn an_ellipsis_matches_any_lines() {
    for (expected, printed, is_match) in [
        ("a\n...\nz\n", "a\nb\nc\nz\n", true),
        ("a\n...\nz\n", "a\nz\n", true),
        ("a\n...\n", "a\n", true),
        ("a\n...\n", "b\n", false),
        ("...\nz\n", "a\nz\ny\n", false),
        ("", "b\n", false),
        ("a/b\n", "a\\b\n", false),
    ] {
        assert_eq!(compare_output(expected, printed).is_ok(), is_match, "{expected:?} and {printed:?}");
    }
}
