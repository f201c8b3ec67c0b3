//! `jobplate check`: reports what will fail, leak or be ignored.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | the flags, and the exit code |
//! | `settings.rs` | the flags that a settings file can replace, and where the file is |
//! | `selection.rs` | which rules run, and which findings are reported |
//! | `baseline.rs` | which findings are known, and how they are stored |
//! | `fix.rs` | which fixes are applied, and when a file is replaced |
//! | `output.rs` | the formats of `--output`, and where each of them is written |
//! | `report.rs` | the contents of each format |
//! | `reporter.rs` | which findings are reported, hidden by the baseline, or left out |
//! | `no_object.rs` | which inputs without an object are an error |
//! | `prefect.rs` | which run of Prefect is checked |
//! | `summary.rs` | the last line: what was checked and found |

mod baseline;
mod fix;
mod no_object;
mod output;
mod prefect;
mod report;
mod reporter;
mod selection;
mod settings;
mod summary;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use jobplate::check::rules::{self, RULES};
use jobplate::check::{CheckCounts, Checker, Rule, SecretReferences, render_page};
use jobplate::render::InputSource;
use jobplate_diagnostic::{Result, display_path};

use self::baseline::Baseline;
use self::fix::{FixArgs, Fixes};
use self::output::OutputArgs;
use self::prefect::{FlagPreviewer, RunArgs};
use self::report::FindingCollector;
use self::reporter::FindingReporter;
use self::selection::Selection;
use self::settings::Settings;
use super::definition::Command;
use crate::shared::flag_values;
use crate::shared::inputs::open_paths;
use crate::shared::render_request::check_inputs;
use crate::shared::report_file::resolve_path;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Manifests: files, directories, or - for standard input
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    inputs: Vec<PathBuf>,
    /// Same as FILE, like kubectl's flag
    #[arg(short = 'f', long, value_name = "FILE", help_heading = "Inputs")]
    filename: Vec<PathBuf>,
    /// Descend into directories
    #[arg(short = 'R', long, help_heading = "Inputs")]
    recursive: bool,
    #[command(flatten)]
    settings: Settings,
    /// Settings file, or none [default: .jobplate-check.yaml in this directory or the repository's]
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    config: Option<PathBuf>,
    #[command(flatten)]
    fixes: FixArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Print the page of a rule and exit; `all` lists the rules
    #[arg(long, value_name = "RULE", help_heading = "Output")]
    explain: Option<String>,
    /// Report findings also where a comment ignores them
    #[arg(long, help_heading = "Rules")]
    no_ignores: bool,
    /// Print the number of findings of each rule instead of the findings
    #[arg(long, help_heading = "Output")]
    statistics: bool,
    /// Write all findings to the file of --baseline instead of reporting them
    #[arg(long, help_heading = "Rules", conflicts_with_all = ["fix", "add_ignore", "diff", "statistics"])]
    create_baseline: bool,
    /// Exit with 0 even if there are findings
    #[arg(long, help_heading = "Output")]
    exit_zero: bool,
    /// Print the name of the settings file
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
    /// Hide the summary
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
    /// Maximum size of a document
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Output")]
    max_document_size: String,
}

impl Command for CheckArgs {
    const NAME: &'static str = "check";
    const ABOUT: &'static str = "Report problems in manifests, with file, line and column";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # Check all manifests below a directory
  {program} check -R manifests

  # Check a job template with the run config of a flow
  {program} check job_template.yaml --run-config run.yaml

  # Show the changes that the safe fixes make, then make them
  {program} check job.yaml --diff
  {program} check job.yaml --fix

  # Annotate a pull request, and write a report for code scanning
  {program} check -R manifests --output github --output sarif=check.sarif

  # Ignore a finding: add a comment at the end of its line
  #   value: example  # jobplate: ignore[plaintext-secret] not a secret

  # What does a rule report, and why?
  {program} check --explain duplicate-env

Exit codes: 0 no findings; 1 findings; 2 invalid input or usage"
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        ui.quiet = self.quiet;
        match &self.explain {
            Some(name) => explain(name, ui),
            None => self.check(ui),
        }
    }
}

impl CheckArgs {
    fn check(self, ui: &Ui) -> Result<ExitCode> {
        let selection = Selection::load(self.settings, self.config.as_deref())?;
        selection.describe_settings_file(self.verbose).into_iter().for_each(|note| ui.write_note(note));
        let baseline = Baseline::start(selection.baseline.as_deref(), self.create_baseline)?;
        let printing_flag = self.fixes.diff_flag().or(self.statistics.then_some("--statistics"));
        let outputs = self.output.parse(printing_flag)?;
        let limit = flag_values::parse_size("--max-document-size", &self.max_document_size)?;
        let inputs = [self.inputs, self.filename].concat();
        check_inputs(&inputs, &[], false)?;
        let references = Arc::new(self.fixes.references()?);
        let mut fixes = self.fixes.start(&inputs)?;
        let mut read = self.run.files();
        let mut previewer = FlagPreviewer::new(self.run, &inputs)?;
        let excluded: Vec<PathBuf> = read.iter().chain(&selection.baseline).cloned().collect();
        let mut sources = open_distinct(&inputs, self.recursive, &excluded)?;
        let excluded = selection.remove_excluded(&mut sources);
        read.extend(selection.settings_file.clone());
        read.extend(sources.iter().flatten().filter_map(InputSource::path).map(Path::to_owned));
        let new_baseline = selection.baseline.as_deref().filter(|_| self.create_baseline);
        let new_baseline = new_baseline.map(|file| baseline::check_file(file, &read, &outputs)).transpose()?;
        read.extend(selection.baseline.clone());
        let files = outputs.check_files(&read)?;
        let mut checker = Checker::new(selection.rules.clone(), Some(&mut previewer), limit);
        checker.honor_ignores(!self.no_ignores);
        checker.expect_baseline(baseline.is_used());
        checker.set_references(Arc::clone(&references));
        let mut reporter = FindingReporter::new(baseline, FindingCollector::new(ui, &outputs));
        reporter.summary.excluded = excluded;
        let prints_no_findings = self.statistics || self.fixes.is_diff();
        let mut errors = Vec::new();
        let printed = ui.print_diff(|out| {
            for source in sources {
                let filter = selection.filter(source.as_ref().ok().and_then(InputSource::path));
                checker.set_filter(filter.clone());
                reporter.begin_file(source.as_ref().ok(), filter);
                let checked = check_source(source, &mut checker, &mut fixes, &mut reporter, ui);
                let diff = checked.map_err(|error| errors.push(error)).unwrap_or_default();
                reporter.collector.print(diff.or_else(|| prints_no_findings.then(String::new)), out)?;
            }
            if self.statistics {
                reporter.collector.print(Some(reporter.summary.format_statistics()), out)?;
            }
            Ok(())
        });
        let counts = checker.counts();
        errors.extend(previewer.finish().err());
        no_object::check_run(reporter.summary.files, counts, &mut errors, ui);
        if let Some(file) = new_baseline.filter(|_| errors.is_empty() && printed.is_ok()) {
            errors.extend(baseline::write(file, &reporter.hidden).err());
        }
        reporter.collector.write(printed, files, counts, &mut errors)?;
        if let Some(code) = reporter.report_errors(counts, errors, ui) {
            write_error_notes(fixes.as_ref(), selection.baseline.as_deref().filter(|_| self.create_baseline), ui);
            return Ok(code);
        }
        write_notes(&reporter, counts, fixes.as_ref(), &references, &selection.rules, ui);
        let fails = (reporter.summary.has_findings() || counts.omitted > 0) && !self.exit_zero;
        Ok(ExitCode::from(u8::from(fails)))
    }
}

/// Opens the inputs like [`open_paths`]. Keeps the first of several inputs that are the same file, so that a finding is
/// reported and fixed once.
fn open_distinct(inputs: &[PathBuf], recursive: bool, excluded: &[PathBuf]) -> Result<Vec<Result<InputSource>>> {
    let mut sources = open_paths(inputs, recursive, excluded, HashMap::new(), &|_| Ok(()))?;
    let mut files = HashSet::new();
    sources.retain(|source| {
        let path = source.as_ref().ok().and_then(InputSource::path);
        path.is_none_or(|path| files.insert(resolve_path(path)))
    });
    Ok(sources)
}

/// Checks an input, and fixes it if fixes are requested. Returns the diff of the fixes.
fn check_source(
    source: Result<InputSource>,
    checker: &mut Checker<'_>,
    fixes: &mut Option<Fixes>,
    reporter: &mut FindingReporter<'_>,
    ui: &Ui,
) -> Result<Option<String>> {
    let mut source = source?;
    let (name, before) = (source.name().to_owned(), checker.counts());
    let diff = match fixes {
        None => checker.check_source(&mut source, &mut |found| reporter.add(found)).map(|()| None),
        Some(fixes) => fixes.check_and_fix(checker, source, reporter, ui),
    }?;
    no_object::check_input(&name, before, checker.counts())?;
    Ok(diff)
}

/// Writes the notes of a run with errors. `baseline` is the file that the run was to create.
fn write_error_notes(fixes: Option<&Fixes>, baseline: Option<&Path>, ui: &Ui) {
    fixes.into_iter().flat_map(Fixes::notes).for_each(|note| ui.write_note(note));
    baseline.into_iter().for_each(|file| ui.write_note(format!("{} was not written", display_path(file))));
}

/// Writes the notes of a run without errors. `rules` are the rules that ran.
fn write_notes(
    reporter: &FindingReporter<'_>,
    counts: CheckCounts,
    fixes: Option<&Fixes>,
    references: &SecretReferences,
    rules: &[&Rule],
    ui: &Ui,
) {
    reporter.write_notes(counts, fixes.map(Fixes::notes), rules, ui);
    if let Some(fixes) = fixes {
        let unfixed = fixes.unfixed_note(&reporter.summary);
        unfixed.into_iter().chain(fixes.reference_notes(references)).for_each(|note| ui.write_note(note));
    }
}

/// Prints the page of a rule, or the list of all rules.
fn explain(name: &str, ui: &Ui) -> Result<ExitCode> {
    if name != "all" {
        return ui.print_text(&render_page(rules::require("--explain", name)?));
    }
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    let lines =
        RULES.iter().map(|rule| format!("{:width$}  {:8} {}\n", rule.name, rule.severity.as_str(), rule.summary));
    ui.print_text(&lines.collect::<String>())
}
