//! Every example in README.md and docs/ that needs no cluster is run, and flags in tables are real.

use std::path::Path;

use super::console;
#[cfg(feature = "cluster")]
use super::run;

#[test]
fn examples_in_the_papers() {
    let outcome = console::run_blocks(&["```console"], Path::new("/bin"), Vec::new);
    assert!(outcome.failures.is_empty(), "examples that do not hold:\n{}", outcome.failures);
    assert!(outcome.commands > 10, "only {} examples found", outcome.commands);
}

/// The reference is the program's own help; `JOBPLATE_CMD_UPDATE=1` writes it anew. It has all commands.
#[cfg(feature = "cluster")]
#[test]
fn the_reference_is_what_help_says() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let help = |args: &[&str]| {
        let outcome = run::jobplate(folder.path(), args, b"");
        assert_eq!(outcome.status, 0, "{args:?}");
        String::from_utf8(outcome.stdout).expect("text")
    };
    let top = help(&["--help"]);
    let list = top.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("it lists commands");
    // A long description goes on in a line that begins further to the right.
    let commands = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let commands: Vec<&str> =
        commands.filter_map(|line| line.split(' ').next()).filter(|name| *name != "help").collect();
    assert!(commands.len() > 7, "{commands:?}");
    let mut reference = "# The command line\n\nWhat `--help` says, command by command. `jobplate man COMMAND` has the \
        same as a manual page.\n"
        .to_owned();
    reference.push_str(&format!("\n## jobplate\n\n```text\n{top}```\n"));
    for command in commands {
        reference.push_str(&format!("\n## jobplate {command}\n\n```text\n{}```\n", help(&[command, "--help"])));
        // Every flag of the help is in the manual page.
        let page = help(&["man", command]).replace('\\', "");
        let flags = help(&[command, "--help"]);
        let flags = flags.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3);
        for flag in flags.map(|flag| flag.trim_end_matches(|c: char| !c.is_ascii_lowercase())) {
            assert!(page.contains(flag), "{flag} is not in the page about {command}:\n{page}");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("JOBPLATE_CMD_UPDATE").is_some() {
        std::fs::write(&file, &reference).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == reference, "docs/cli.md is not what the program says: JOBPLATE_CMD_UPDATE=1 writes it anew");
}

/// The flags in the README's tables are flags of the program, with all commands.
#[cfg(feature = "cluster")]
#[test]
fn flags_of_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the paper can be read");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let help: String = ["render", "apply", "diff", "secret"]
        .iter()
        .map(|command| String::from_utf8(run::jobplate(folder.path(), &[command, "--help"], b"").stdout).expect("text"))
        .collect();
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known: Vec<&str> = help.split(|c: char| !is_of_a_word(c)).collect();
    let section = readme.split("\n## Flags\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let in_tables =
        section.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    let flags = in_tables
        .flat_map(|code| code.split(|c: char| !is_of_a_word(c)))
        .filter(|word| word.starts_with('-') && word.len() > 1);
    let flags: Vec<&str> = flags.collect();
    assert!(flags.len() > 25, "only {flags:?}");
    for flag in flags {
        assert!(known.contains(&flag), "{flag} is in no help:\n{help}");
    }
}
