//! Every example in README.md and docs/ is run.
//!
//! In a fenced block marked `console`, lines that begin with `$ ` are commands for `sh`; the lines behind
//! one, up to the next, are all that it prints, stdout and stderr as they come. A line `...` stands for any
//! number of lines. A command that fails is followed by `$ echo $?` (which is not run) and the code. Blocks of one
//! page share a folder that holds `templates/` and `docs/examples/`.

use std::path::{Path, PathBuf};

use super::run;

struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    status: Option<i32>,
}

#[test]
fn examples_in_the_papers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = run::files_below(&root.join("docs")).into_iter().filter(|path| path.components().count() == 1);
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let papers: Vec<PathBuf> =
        docs.map(|path| Path::new("docs").join(path)).chain([PathBuf::from("README.md")]).collect();
    let mut steps_run = 0;
    let mut faults = String::new();
    for paper in &papers {
        let text = std::fs::read_to_string(root.join(paper)).expect("the paper can be read");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for from in ["templates", "docs/examples"] {
            for file in run::files_below(&root.join(from)) {
                // Examples stand at the top, as a user has them; templates in their folder.
                let to = if from == "templates" { Path::new(from).join(&file) } else { file.clone() };
                let bytes = std::fs::read(root.join(from).join(&file)).expect("an example can be read");
                run::write(&folder.path().join(to), &bytes);
            }
        }
        for step in steps(&text) {
            steps_run += 1;
            let place = format!("{}:{}: {}", paper.display(), step.line, step.command);
            if let Err(fault) = step.run(folder.path()) {
                faults.push_str(&format!("\n{place}\n{fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "examples that do not hold:\n{faults}");
    assert!(steps_run > 10, "only {steps_run} examples found");
}

/// The commands of a page with what they are to print.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut asks_status = false;
    for (at, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, "$ echo $?") => asks_status = true,
            (true, _) => match line.strip_prefix("$ ") {
                Some(command) => {
                    let command = command.to_owned();
                    steps.push(Step { line: at + 1, command, expected: Vec::new(), status: None });
                }
                None if asks_status => {
                    let step = steps.last_mut().expect("a status follows a command");
                    step.status = Some(line.parse().expect("a status is a number"));
                    asks_status = false;
                }
                None => steps.last_mut().expect("output follows a command").expected.push(line.to_owned()),
            },
            (false, _) => {}
        }
    }
    steps
}

impl Step {
    fn run(&self, folder: &Path) -> Result<(), String> {
        // One file for both streams, so that the lines are in the order of a terminal.
        let terminal = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let open = || std::fs::OpenOptions::new().append(true).open(terminal.path()).expect("the file can be written");
        let bin = run::binary().parent().expect("a program is in a folder");
        let status = run::command("sh", folder)
            .arg("-c")
            .arg(&self.command)
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .stdin(std::process::Stdio::null())
            .stdout(open())
            .stderr(open())
            .status()
            .expect("sh starts");
        let printed = std::fs::read(terminal.path()).expect("the file can be read");
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let lines: Vec<&str> = printed.lines().collect();
        let expected: Vec<&str> = self.expected.iter().map(String::as_str).collect();
        if !matches(&expected, &lines) {
            return Err(format!("it prints:\n{printed}"));
        }
        let status = status.code().unwrap_or(-1);
        if status != self.status.unwrap_or(0) {
            return Err(format!("it ends with exit code {status}"));
        }
        Ok(())
    }
}

/// Whether lines are as expected, where `...` stands for any number of them.
fn matches(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..])),
        Some((first, rest)) => lines.first() == Some(first) && matches(rest, &lines[1..]),
    }
}

#[test]
fn the_reader_of_papers() {
    let found = steps("x\n```console\n$ a b\nout\n$ echo $?\n2\n$ c\n```\n$ no\n```sh\n$ no\n```\n");
    let read: Vec<_> = found.iter().map(|step| (step.command.as_str(), step.expected.len(), step.status)).collect();
    assert_eq!(read, [("a b", 1, Some(2)), ("c", 0, None)]);
    assert!(matches(&["a", "...", "z"], &["a", "b", "c", "z"]));
    assert!(matches(&["a", "..."], &["a"]));
    assert!(!matches(&["a", "..."], &["b"]));
    assert!(!matches(&[], &["b"]));
}

/// The flags in the README's tables are flags of the program.
#[test]
fn flags_of_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the paper can be read");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let help = run::jobplate(folder.path(), &["render", "--help"], b"");
    let help = String::from_utf8(help.stdout).expect("text");
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
        assert!(known.contains(&flag), "{flag} is not in the help of render:\n{help}");
    }
}
