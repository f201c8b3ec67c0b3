//! Every example in README.md and docs/ that needs no cluster is run, and flags in tables are real.

use std::path::Path;

use super::{console, run};

#[test]
fn examples_in_the_papers() {
    let outcome = console::run_all(&["```console"], Path::new("/bin"), Vec::new);
    assert!(outcome.faults.is_empty(), "examples that do not hold:\n{}", outcome.faults);
    assert!(outcome.steps > 10, "only {} examples found", outcome.steps);
}

/// The flags in the README's tables are flags of the program.
#[test]
fn flags_of_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the paper can be read");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let help: String = ["render", "apply", "diff"]
        .iter()
        .map(|command| String::from_utf8(run::jobplate(folder.path(), &[command, "--help"], b"").stdout).expect("text"))
        .collect();
    let is_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known: Vec<&str> = help.split(|c: char| !is_of_a_word(c)).collect();
    let in_tables =
        readme.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    let flags = in_tables
        .flat_map(|code| code.split(|c: char| !is_of_a_word(c)))
        .filter(|word| word.starts_with('-') && word.len() > 1);
    let flags: Vec<&str> = flags.collect();
    assert!(flags.len() > 25, "only {flags:?}");
    for flag in flags {
        assert!(known.contains(&flag), "{flag} is in no help:\n{help}");
    }
}
