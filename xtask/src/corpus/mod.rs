//! `cargo xtask corpus`: renders real manifests from public repositories and checks every result.
//!
//! The expected results do not depend on the library. They are computed from the JSON that go-yaml, the YAML parser of
//! Kubernetes, prints for each document, and the changes to the text are checked line by line. Only the `Injection` is
//! created with the library. `tests/corpus/README.md` lists the files and explains how to download them.
//!
//! | file | decides |
//! |---|---|
//! | `repositories` | which files of which repositories are read |
//! | `go_yaml` | how go-yaml parses documents to values |
//! | `case` | which injections a file is tested with, and the expected value of each document |
//! | `check` | when the rendering of a file is correct, refused or incorrect |
//! | `lines` | which lines of a document may change |

mod case;
mod check;
mod go_yaml;
mod lines;
mod repositories;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::case::{Case, Scenario};
use self::check::{CheckResult, Tally, check_rendering, split_documents};
use self::go_yaml::GoYaml;
use self::repositories::{CorpusFile, Repository, find_git_dir, parse_list, read_files};

const USAGE: &str = "usage: cargo xtask corpus --clones DIR [--repo OWNER/NAME]";

/// The minimum number of files with targets for each refused file.
const MIN_TARGETS_PER_REFUSAL: usize = 100;

/// Runs `cargo xtask corpus`.
///
/// # Errors
///
/// Fails if a rendering is incorrect, if too many files are refused, or if a clone differs from the list.
pub fn run(args: impl IntoIterator<Item = String>) -> Result<()> {
    let (mut clones, mut repository_name) = (None, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--clones" => clones = Some(PathBuf::from(args.next().context(USAGE)?)),
            "--repo" => repository_name = Some(args.next().context(USAGE)?),
            _ => bail!("{USAGE}"),
        }
    }
    let clones = clones.context(USAGE)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace around xtask")?;
    let list = root.join("tests/corpus/repositories.tsv");
    let list = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let mut repositories = parse_list(&list)?;
    if let Some(repository_name) = repository_name {
        repositories.retain(|repository| repository.name == repository_name);
        ensure!(!repositories.is_empty(), "{repository_name} is not in the list");
    }
    let mut reader = GoYaml::start(root)?;
    let mut report = Report::default();
    println!(
        "{:<55} {:<8} {:>6} {:>10} {:>8} {:>6} {:>7} {:>5}",
        "repository", "asked", "files", "unreadable", "targets", "edited", "refused", "wrong"
    );
    let start = Instant::now();
    for repository in &repositories {
        let files = read_files(&find_git_dir(&clones, &repository.name)?, repository)?;
        report.add_repository(repository, &files, &mut reader)?;
    }
    report.print(start);
    report.check()
}

/// The results of all repositories.
#[derive(Default)]
struct Report {
    /// The counts for each scenario.
    totals: [Tally; Scenario::ALL.len()],
    /// A line for each file that is refused or rendered incorrectly.
    findings: String,
    /// The number of refusals, keyed by message.
    refusals: BTreeMap<String, usize>,
    /// A line for each repository whose files differ from the list.
    count_mismatches: Vec<String>,
}

impl Report {
    /// Tests every scenario on every file of a repository, and prints the counts.
    fn add_repository(&mut self, repository: &Repository, files: &[CorpusFile], reader: &mut GoYaml) -> Result<()> {
        let mut tallies = [Tally::default(); Scenario::ALL.len()];
        for file in files {
            let originals = split_documents(&file.text);
            let values = reader.read(&originals)?;
            for (scenario, tally) in Scenario::ALL.into_iter().zip(&mut tallies) {
                let Some(case) = Case::new(scenario, &values) else { continue };
                let result = check_rendering(&file.text, &originals, &values, &case, reader)?;
                tally.add(&case, &values, &result);
                let name = format!("({}) {} {}", scenario.name(), repository.name, file.path);
                self.add_result(&name, result)?;
            }
        }
        let commit: String = repository.commit.chars().take(8).collect();
        for ((scenario, tally), total) in Scenario::ALL.into_iter().zip(&tallies).zip(&mut self.totals) {
            print_row(&format!("{} {commit}", repository.name), scenario, tally);
            total.add_tally(tally);
        }
        let found = (tallies[0].files, tallies[0].targets);
        let listed = (repository.files, repository.targets);
        if found != listed {
            self.count_mismatches
                .push(format!("{}: {found:?} files and files with targets, the list says {listed:?}", repository.name));
        }
        Ok(())
    }

    fn add_result(&mut self, name: &str, result: CheckResult) -> Result<()> {
        match result {
            CheckResult::Refused(refusal) => {
                *self.refusals.entry(refusal.message.clone()).or_default() += 1;
                writeln!(self.findings, "refused {name}: {refusal}")?;
            }
            CheckResult::Incorrect(reason) => writeln!(self.findings, "WRONG {name}: {reason}")?,
            CheckResult::InvalidInput(refusal) => {
                let message = format!("(go-yaml refuses a document too) {}", refusal.message);
                *self.refusals.entry(message).or_default() += 1;
            }
            CheckResult::Edited | CheckResult::Untouched => {}
        }
        Ok(())
    }

    fn print(&self, start: Instant) {
        for (scenario, total) in Scenario::ALL.into_iter().zip(&self.totals) {
            print_row("all", scenario, total);
        }
        println!("\n{}", self.findings);
        for (message, count) in &self.refusals {
            println!("{count:>6} refused: {message}");
        }
        println!("{:.1} s", start.elapsed().as_secs_f64());
    }

    /// Fails if a clone differs from the list, if a rendering is incorrect, or if too many files are refused.
    fn check(&self) -> Result<()> {
        let count_mismatches = &self.count_mismatches;
        ensure!(
            count_mismatches.is_empty(),
            "these clones are not what the list was made from:\n{}",
            count_mismatches.join("\n")
        );
        for (scenario, total) in Scenario::ALL.into_iter().zip(&self.totals) {
            ensure!(total.incorrect == 0, "{} files wrong ({})", total.incorrect, scenario.name());
            ensure!(
                total.refused * MIN_TARGETS_PER_REFUSAL <= total.targets,
                "{} of {} files with targets refused ({})",
                total.refused,
                total.targets,
                scenario.name()
            );
        }
        Ok(())
    }
}

fn print_row(name: &str, scenario: Scenario, tally: &Tally) {
    let Tally { files, rejected_by_go_yaml, targets, edited, refused, incorrect } = tally;
    println!(
        "{name:<55} {:<8} {files:>6} {rejected_by_go_yaml:>10} {targets:>8} {edited:>6} {refused:>7} {incorrect:>5}",
        scenario.name()
    );
}
