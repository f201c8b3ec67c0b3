//! Decides which findings of a run are reported: those that the settings select and the baseline does not hide.

use std::collections::HashSet;
use std::process::ExitCode;

use jobplate::check::{CheckCounts, Finding, FindingFilter, Rule, SharedFindings};
use jobplate::render::InputSource;
use jobplate_diagnostic::Error;

use super::baseline::{Baseline, BaselineEntries};
use super::report::FindingCollector;
use super::summary::Summary;
use crate::shared::summary::count;
use crate::ui::Ui;

/// The findings of a run.
pub(super) struct FindingReporter<'c> {
    baseline: Baseline,
    /// The findings that the baseline hides.
    pub(super) hidden: BaselineEntries,
    pub(super) summary: Summary,
    pub(super) collector: FindingCollector<'c>,
    /// The findings that the settings select in the current file.
    filter: FindingFilter,
    shared: SharedFindings,
}

impl<'c> FindingReporter<'c> {
    /// Creates a reporter without findings.
    pub(super) fn new(baseline: Baseline, collector: FindingCollector<'c>) -> Self {
        FindingReporter {
            baseline,
            hidden: BaselineEntries::new(),
            summary: Summary::default(),
            collector,
            filter: FindingFilter::default(),
            shared: SharedFindings::default(),
        }
    }

    /// Begins the next file, in which the settings select the findings of `filter`. `source` is `None` if the file cannot
    /// be opened.
    pub(super) fn begin_file(&mut self, source: Option<&InputSource>, filter: FindingFilter) {
        self.filter = filter;
        self.summary.files += 1;
        if let Some(source) = source {
            self.baseline.add_file(source.name());
            self.collector.add_file(source.name());
        }
    }

    /// Returns whether a finding is reported.
    pub(super) fn accepts(&self, finding: &Finding) -> bool {
        self.is_selected(finding) && self.baseline.find_entry(finding, true).is_none()
    }

    /// Adds findings, and reports those that are accepted.
    pub(super) fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let is_selected = self.is_selected(&finding);
            if let Some(entry) = self.baseline.find_entry(&finding, is_selected) {
                self.hidden.insert(entry.fingerprint.clone(), entry);
            } else if is_selected && self.shared.is_new(&finding) {
                self.summary.add(&finding);
                self.collector.add(&finding);
            }
        }
    }

    /// Writes the notes of a run without errors. `changes` are the notes about changes, and `rules` the rules that
    /// ran.
    pub(super) fn write_notes(&self, counts: CheckCounts, changes: Option<Vec<String>>, rules: &[&Rule], ui: &Ui) {
        ui.write_note(self.summary.format(counts, self.hidden.len()));
        let changes = changes.unwrap_or_else(|| self.summary.format_fixes().into_iter().collect());
        changes.into_iter().for_each(|note| ui.write_note(note));
        self.baseline.report_resolved(&self.hidden, rules, ui);
    }

    /// Reports the errors of a run, with a summary if some files were checked. Returns the exit code, or `None` without
    /// errors.
    pub(super) fn report_errors(&self, counts: CheckCounts, errors: Vec<Error>, ui: &Ui) -> Option<ExitCode> {
        let invalid = errors.iter().filter_map(Error::file).collect::<HashSet<_>>().len();
        let code = ui.report_failure(&Error::combine(errors)?);
        if invalid > 0 && (self.summary.files > invalid || self.summary.has_findings()) {
            let summary = self.summary.format(counts, self.hidden.len());
            ui.write_note(format!("{summary}; {} with invalid input", count(invalid, "file")));
        }
        Some(code)
    }

    fn is_selected(&self, finding: &Finding) -> bool {
        self.filter.accepts(finding.rule.name, finding.diagnostic.severity(), finding.confidence)
    }
}
