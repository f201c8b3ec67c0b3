//! Checks that the documentation and the program's help agree on commands and flags.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::run;

/// The commands whose flags are in the tables of docs/flags.md.
const COMMANDS_BY_TOPIC: [&str; 4] = ["render", "apply", "diff", "secret"];

/// Checks that docs/cli.md contains the help of the program and of each command. If `JOBPLATE_CMD_UPDATE` is set,
/// rewrites the page first.
pub(crate) fn cli_page_is_the_help() {
    let top_level_help = run_help(&["--help"]);
    let commands = listed_commands(&top_level_help);
    assert!(commands.len() > 7, "{commands:?}");
    let mut page =
        "# Commands\n\nThis page contains the help of each command. `jobplate man COMMAND` prints it as a manual \
        page.\n"
            .to_owned();
    page.push_str(&format!("\n## jobplate\n\n```text\n{top_level_help}```\n"));
    for command in commands {
        page.push_str(&format!("\n## jobplate {command}\n\n```text\n{}```\n", run_help(&[command, "--help"])));
        check_manual_page(command);
    }
    let file = project_file("docs/cli.md");
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == page, "docs/cli.md is not the help of the program: update it with JOBPLATE_CMD_UPDATE=1");
}

pub(crate) fn flags_by_topic_exist() {
    let page = read_project_file("docs/flags.md");
    let help: String = COMMANDS_BY_TOPIC.iter().map(|command| run_help(&[command, "--help"])).collect();
    let is_in_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known: Vec<&str> = help.split(|c: char| !is_in_word(c)).collect();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    // The pieces with odd indices are between backticks.
    let code = rows.flat_map(|line| line.split('`').skip(1).step_by(2));
    let words = code.flat_map(|code| code.split(|c: char| !is_in_word(c)));
    let flags: Vec<&str> = words.filter(|word| word.starts_with('-') && word.len() > 1).collect();
    assert!(flags.len() > 25, "only {flags:?}");
    for flag in flags {
        assert!(known.contains(&flag), "{flag} is in no help:\n{help}");
    }
}

/// Checks that docs/diagnostics.md lists exactly the codes in the source, except those in tests.
pub(crate) fn diagnostics_page_lists_every_code() {
    let page = read_project_file("docs/diagnostics.md");
    let rows = page.split("\n## Codes\n").nth(1).expect("a section about codes").lines();
    let listed: Vec<&str> = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let mut used = BTreeSet::new();
    let sources = ["src", "crates"].map(project_file);
    let files = sources.iter().flat_map(|dir| run::files_below(dir).into_iter().map(move |file| dir.join(file)));
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(&file).expect("a source file can be read");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for start in [
            "Diagnostic::error(",
            "Diagnostic::warning(",
            "Diagnostic::info(",
            "with_code(",
            "into_diagnostic(",
            "CODE: &str = ",
        ] {
            let calls = code.split(start).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            used.extend(calls.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    assert!(used.len() > 40, "{used:?}");
    assert_eq!(listed, used.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Checks that each message that docs/limits.md quotes is in a test of tests/cmd or in a row of
/// tests/hostile.
pub(crate) fn limits_page_quotes_messages() {
    let page = read_project_file("docs/limits.md");
    let commands = run::files_below(&project_file("tests/cmd")).into_iter();
    let commands = commands.map(|file| read_project_file(Path::new("tests/cmd").join(file)));
    let tests: Vec<String> = commands.chain([read_project_file("tests/hostile/refusals.rs")]).collect();
    let tests = tests.concat();
    let lines: Vec<&str> = tests.lines().collect();
    // The third column quotes messages; one word in backticks is a name.
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(2));
    let quotes: Vec<&str> = cells.flat_map(code_spans).filter(|quote| quote.contains(' ')).collect();
    assert!(quotes.len() > 25, "only {quotes:?}");
    let missing: Vec<&str> =
        quotes.into_iter().filter(|quote| !lines.iter().any(|line| contains_quote(line, quote))).collect();
    assert!(missing.is_empty(), "docs/limits.md: no test has these messages:\n{}", missing.join("\n"));
}

/// Returns the code spans of a Markdown text, between single or double backticks.
fn code_spans(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let delimiter = if rest[start..].starts_with("``") { "``" } else { "`" };
        let Some((span, after)) = rest[start + delimiter.len()..].split_once(delimiter) else { break };
        spans.push(span);
        rest = after;
    }
    spans
}

/// Returns whether a line contains a quoted message, in which `...` and words in capitals match any text.
fn contains_quote(line: &str, quote: &str) -> bool {
    let is_variable = |word: &str| word == "..." || word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'`');
    let words = quote.split(' ').map(|word| if is_variable(word) { "\0" } else { word });
    let pattern = words.collect::<Vec<_>>().join(" ");
    let mut pieces = pattern.split('\0').map(str::trim);
    pieces.try_fold(line, |rest, piece| rest.split_once(piece).map(|(_, after)| after)).is_some()
}

/// Checks that the picture in README.md shows what a terminal shows. If `JOBPLATE_CMD_UPDATE` is set, draws it first.
pub(crate) fn preview_picture_is_the_output() {
    const ARGS: [&str; 6] = ["preview", "etl.yaml", "--run-config", "run.yaml", "-o", "env"];
    let colored: Vec<&str> = ARGS.into_iter().chain(["--color", "always"]).collect();
    let output = run::jobplate(&project_file("docs/examples"), &colored, b"");
    assert_eq!(output.status, 0);
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    let screen = format!("$ jobplate {}\n{}{}", ARGS.join(" "), text(output.stderr), text(output.stdout));
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    let terminal = anstyle_svg::Term::new().palette(anstyle_svg::WIN10_CONSOLE);
    let picture = terminal.render_svg(&lines.join("\n"));
    let file = project_file("docs/images/preview.svg");
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        run::write_file(&file, picture.as_bytes());
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == picture, "docs/images/preview.svg is outdated: update it with JOBPLATE_CMD_UPDATE=1");
}

/// Returns the names of the commands that the top-level help lists.
fn listed_commands(help: &str) -> Vec<&str> {
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("it lists commands");
    // A line that is indented further continues a description, so it does not begin with a command.
    let lines = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    lines.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help").collect()
}

/// Checks that a command's manual page contains every flag in its help.
fn check_manual_page(command: &str) {
    let page = run_help(&["man", command]).replace('\\', "");
    let help = run_help(&[command, "--help"]);
    let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3);
    for flag in flags.map(|flag| flag.trim_end_matches(|c: char| !c.is_ascii_lowercase())) {
        assert!(page.contains(flag), "{flag} is not in the page about {command}:\n{page}");
    }
}

fn run_help(args: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory can be created");
    let output = run::jobplate(dir.path(), args, b"");
    assert_eq!(output.status, 0, "{args:?}");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

fn read_project_file(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(project_file(path)).expect("a file of the project can be read")
}

fn project_file(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
