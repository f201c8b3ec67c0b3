//! Examples of the papers, as commands with what they print.
//!
//! In a fenced block marked `console`, lines that begin with `$ ` are commands for `sh`, which go on where they
//! end with `\`; the lines behind one, up to the next, are all that it prints, stdout and stderr as they come. A
//! line `...` stands for any number of lines. A command that fails is followed by `$ echo $?` (which is not run)
//! and the code. Blocks of one page share a folder that holds `templates/`, `charts/`, `integrations/` and what
//! is in `docs/examples/`. Blocks marked `console cluster`, `console helm3`, `console helm4`, `console helm` (both) and
//! others are for the tests that have these. What a page puts into `~/.local/bin` is on the path.

use std::path::{Path, PathBuf};

use super::run;

/// Pages that are not in docs/.
const OTHERS: [&str; 2] = ["README.md", "charts/prefect-agent/README.md"];

/// What the examples of one kind of block came to.
pub(crate) struct BlockResults {
    pub(crate) commands: usize,
    /// Empty if all hold.
    pub(crate) failures: String,
}

/// Runs all examples behind fences of these kinds, with the programs of a folder, and variables for each page.
pub(crate) fn run_blocks(
    fences: &[&str],
    programs: &Path,
    env: impl Fn() -> Vec<(&'static str, String)>,
) -> BlockResults {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = run::files_below(&root.join("docs")).into_iter().filter(|path| path.components().count() == 1);
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let papers: Vec<PathBuf> = docs.map(|path| Path::new("docs").join(path)).chain(OTHERS.map(PathBuf::from)).collect();
    let mut outcome = BlockResults { commands: 0, failures: String::new() };
    for paper in &papers {
        let text = std::fs::read_to_string(root.join(paper)).expect("the paper can be read");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let env = env();
        for from in ["templates", "charts", "integrations", "docs/examples"] {
            for file in run::files_below(&root.join(from)) {
                // Examples stand at the top, as a user has them; all else in its folder.
                let to = if from == "docs/examples" { file.clone() } else { Path::new(from).join(&file) };
                let bytes = std::fs::read(root.join(from).join(&file)).expect("an example can be read");
                run::write_file(&folder.path().join(to), &bytes);
            }
        }
        for step in steps(&text, fences) {
            outcome.commands += 1;
            let place = format!("{}:{}: {}", paper.display(), step.line, step.command);
            if let Err(fault) = step.run(folder.path(), programs, &env) {
                outcome.failures.push_str(&format!("\n{place}\n{fault}"));
            }
        }
    }
    outcome
}

struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    status: Option<i32>,
}

/// The commands of a page with what they are to print.
fn steps(text: &str, fences: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut asks_status = false;
    for (at, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, line) if fences.contains(&line) => inside = true,
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
                None if steps.last().is_some_and(|step| step.expected.is_empty() && step.command.ends_with('\\')) => {
                    let step = steps.last_mut().expect("it was looked at");
                    step.command.truncate(step.command.len() - 1);
                    step.command.push_str(line.trim_start());
                }
                None => steps.last_mut().expect("output follows a command").expected.push(line.to_owned()),
            },
            (false, _) => {}
        }
    }
    steps
}

impl Step {
    fn run(&self, folder: &Path, programs: &Path, env: &[(&str, String)]) -> Result<(), String> {
        // One file for both streams, so that the lines are in the order of a terminal.
        let terminal = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let open = || std::fs::OpenOptions::new().append(true).open(terminal.path()).expect("the file can be written");
        let bin = run::binary().parent().expect("a program is in a folder");
        let status = run::isolated_command("sh", folder)
            .arg("-c")
            .arg(&self.command)
            .env(
                "PATH",
                format!(
                    "{}/.local/bin:{}:{}:/usr/local/bin:/usr/bin:/bin",
                    folder.display(),
                    bin.display(),
                    programs.display()
                ),
            )
            .envs(env.iter().map(|(name, value)| (name, value)))
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
    let found = steps(
        "x\n```console\n$ a \\\n  b\nout\n$ echo $?\n2\n$ c\n```\n$ no\n```sh\n$ no\n```\n```console cluster\n$ no\n```\n",
        &["```console"],
    );
    let read: Vec<_> = found.iter().map(|step| (step.command.as_str(), step.expected.len(), step.status)).collect();
    assert_eq!(read, [("a b", 1, Some(2)), ("c", 0, None)]);
    assert!(matches(&["a", "...", "z"], &["a", "b", "c", "z"]));
    assert!(matches(&["a", "..."], &["a"]));
    assert!(!matches(&["a", "..."], &["b"]));
    assert!(!matches(&[], &["b"]));
}
