//! `jobplate check`: reports what will fail, leak or be ignored.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | the flags, and the exit code |
//! | `settings.rs` | the flags that a settings file can replace, and where the file is |
//! | `selection.rs` | which rules run, and which findings are reported |
//! | `baseline.rs` | which findings are known, and how they are stored |
//! | `fix.rs` | which fixes are applied, and how the files are replaced |
//! | `output.rs` | the formats of `--output`, and where each of them is written |
//! | `report.rs` | the contents of each format |
//! | `prefect.rs` | which run of Prefect is checked |
//! | `summary.rs` | the last line: what was checked and found |

mod baseline;
mod fix;
mod output;
mod prefect;
mod report;
mod selection;
mod settings;
mod summary;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jobplate::check::rules::{self, RULES};
use jobplate::check::{Checker, Finding, SharedFindings, render_page};
use jobplate_diagnostic::{Error, Result};

use self::baseline::Baseline;
use self::fix::{FixArgs, Fixes};
use self::output::OutputArgs;
use self::prefect::{FlagPreviewer, RunArgs};
use self::report::FindingCollector;
use self::selection::Selection;
use self::settings::Settings;
use self::summary::Summary;
use super::definition::Command;
use crate::shared::flag_values;
use crate::shared::inputs::open_paths;
use crate::shared::render_request::check_inputs;
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
        let mut baseline = Baseline::start(selection.baseline.as_deref(), self.create_baseline)?;
        let printing_flag = self.fixes.diff_flag().or(self.statistics.then_some("--statistics"));
        let outputs = self.output.parse(printing_flag)?;
        let limit = flag_values::parse_size("--max-document-size", &self.max_document_size)?;
        let inputs = [self.inputs, self.filename].concat();
        check_inputs(&inputs, &[], false)?;
        let run_files: Vec<PathBuf> = self.run.files().into_iter().chain(selection.baseline.clone()).collect();
        let mut previewer = FlagPreviewer::new(self.run, &inputs)?;
        let sources = open_paths(&inputs, self.recursive, &run_files, HashMap::new(), &|_| Ok(()))?;
        let files = outputs.check_files(&sources, run_files.iter().chain(&selection.settings_file))?;
        let mut collector = FindingCollector::new(ui, &outputs);
        let mut fixes = self.fixes.start()?;
        let mut checker = Checker::new(selection.rules.clone(), Some(&mut previewer), limit);
        checker.honor_ignores(!self.no_ignores);
        let (mut summary, mut errors, mut shared) = (Summary::default(), Vec::new(), SharedFindings::default());
        let prints_no_findings = self.statistics || self.fixes.is_diff();
        let printed = ui.print_diff(|out| {
            for source in sources {
                summary.files += 1;
                source.iter().for_each(|source| baseline.add_file(source.name()));
                let ignored = source.as_ref().map(|source| selection.ignored_in(source.path())).unwrap_or_default();
                let accepts = |finding: &Finding| baseline.reports(finding, selection.accepts(finding, &ignored));
                source.iter().for_each(|source| collector.add_file(source.name()));
                let mut report = |findings: Vec<Finding>| {
                    for finding in findings.into_iter().filter(|finding| accepts(finding) && shared.is_new(finding)) {
                        summary.add(&finding);
                        collector.add(&finding);
                    }
                };
                let checked = source.and_then(|mut source| match &mut fixes {
                    None => checker.check_source(&mut source, &mut report).map(|()| None),
                    Some(fixes) => fixes.check_and_fix(&mut checker, source, &accepts, &mut report, ui),
                });
                let diff = checked.unwrap_or_else(|error| {
                    errors.push(error);
                    None
                });
                collector.print(diff.or_else(|| prints_no_findings.then(String::new)), out)?;
            }
            if self.statistics {
                collector.print(Some(summary.format_statistics()), out)?;
            }
            Ok(())
        });
        let counts = checker.counts();
        errors.extend(previewer.finish().err());
        collector.write(printed, files, counts, &errors)?;
        if let Some(error) = Error::combine(errors) {
            return Err(error);
        }
        let found = summary.format(counts, baseline.count_found());
        let would_change = conclude(fixes, &summary, found, ui)?;
        baseline.finish(&selection.rules, ui)?;
        let fails = (summary.has_findings() || counts.omitted > 0 || would_change) && !self.exit_zero;
        Ok(ExitCode::from(u8::from(fails)))
    }
}

/// Replaces the fixed files, and writes the notes of a run. `found` is the summary. Returns whether files would change.
fn conclude(fixes: Option<Fixes>, summary: &Summary, found: String, ui: &Ui) -> Result<bool> {
    let Some(mut fixes) = fixes else {
        [Some(found), summary.format_fixes()].into_iter().flatten().for_each(|note| ui.write_note(note));
        return Ok(false);
    };
    fixes.commit()?;
    ui.write_note(found);
    fixes.report(ui);
    Ok(fixes.would_change())
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
