//! Collects the findings of a run and writes them in each format.

use std::process::ExitCode;

use jobplate::check::rules::RULES;
use jobplate::check::{CheckCounts, Finding, ReplacementPlanner, Rule, render_page};
use jobplate::diagnostic::finding::{CheckReport, FindingConverter, ReportedFix, RuleInfo};
use jobplate::diagnostic::{check_json, github, gitlab, junit, mask_value, rdjson, sarif};
use jobplate_diagnostic::{Error, ErrorKind, Result};

use super::output::{Format, Outputs};
use crate::shared::report_file::{ReportFile, ReportTarget};
use crate::ui::repository::{find_root, path_below};
use crate::ui::{DiffOutput, Ui, ignore_closed_output};

/// The findings of a run, without their documents.
pub(super) struct FindingCollector<'c> {
    ui: &'c Ui,
    outputs: &'c Outputs,
    converter: FindingConverter<'c>,
    planner: ReplacementPlanner,
    report: CheckReport,
    /// The findings for people that are not printed yet.
    unprinted: String,
    /// The findings for people, if a file gets them.
    human: String,
}

impl<'c> FindingCollector<'c> {
    /// Creates a collector.
    pub(super) fn new(ui: &'c Ui, outputs: &'c Outputs) -> Self {
        let rules = if outputs.need_report() { RULES } else { &[] };
        let rules = rules.iter().map(|rule| describe_rule(rule)).collect();
        let report = CheckReport { version: env!("CARGO_PKG_VERSION"), rules, ..CheckReport::default() };
        let root = find_root();
        let converter = ui.finding_converter(Box::new(move |file| path_below(root.as_deref(), file)));
        let (planner, unprinted, human) = (ReplacementPlanner::default(), String::new(), String::new());
        FindingCollector { ui, outputs, converter, planner, report, unprinted, human }
    }

    /// Adds a file that is checked.
    pub(super) fn add_file(&mut self, name: &str) {
        self.report.files.push(self.converter.file(name));
    }

    /// Adds a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        if self.outputs.need_report() {
            let confidence = finding.confidence.as_str();
            let mut reported = self.converter.convert(&finding.diagnostic, confidence, &finding.path);
            let policy = self.ui.mask_policy();
            reported.suppression = finding.suppression.as_deref().map(|reason| mask_value("", reason, &policy));
            reported.fix = self.plan_fix(finding);
            self.report.findings.push(reported);
        }
        if self.outputs.has(Format::Human) && finding.suppression.is_none() {
            let text = self.ui.render_finding(&finding.diagnostic);
            if self.outputs.has_file(Format::Human) {
                self.human.push_str(&anstream::adapter::strip_str(&text).to_string());
            }
            self.unprinted.push_str(&text);
        }
    }

    /// Returns the fix of a finding, if a format contains fixes.
    fn plan_fix(&mut self, finding: &Finding) -> Option<ReportedFix> {
        if finding.suppression.is_some() || !self.outputs.contain_fixes() {
            return None;
        }
        let (location, fix) = (finding.diagnostic.location()?, &finding.fix.as_ref()?.fix);
        let replacement = self.planner.plan(finding)?;
        self.converter.convert_fix(location, fix.is_safe, &fix.text, replacement.range, replacement.text)
    }

    /// Prints the findings for people that were added since the last call, or a diff instead of them.
    ///
    /// # Errors
    ///
    /// Fails if standard output cannot be written to, unless its reader has closed it and there are files to write.
    pub(super) fn print(&mut self, diff: Option<String>, out: &mut DiffOutput<'_>) -> Result<()> {
        let findings = std::mem::take(&mut self.unprinted);
        let findings = if self.outputs.stdout() == Some(Format::Human) { findings } else { String::new() };
        match out.write(&diff.unwrap_or(findings)) {
            Err(error) if error.kind() == ErrorKind::ClosedOutput && self.outputs.has_files() => Ok(()),
            written => written,
        }
    }

    /// Writes the reports: the files, then standard output. `printed` is the result of printing the findings for people;
    /// `counts` and `errors` are those of the run. Adds an error if the findings were not printed, or if a report cannot be
    /// written. Writes no file if one of them cannot be staged.
    ///
    /// # Errors
    ///
    /// Fails if the reader has closed standard output and there are no files to write.
    pub(super) fn write(
        &mut self,
        printed: Result<ExitCode>,
        files: Vec<(Format, ReportTarget<'_>)>,
        counts: CheckCounts,
        errors: &mut Vec<Error>,
    ) -> Result<()> {
        match self.try_write(printed, files, counts, errors) {
            Err(closed) if closed.kind() == ErrorKind::ClosedOutput => Err(closed),
            written => {
                errors.extend(written.err());
                Ok(())
            }
        }
    }

    fn try_write(
        &mut self,
        printed: Result<ExitCode>,
        files: Vec<(Format, ReportTarget<'_>)>,
        counts: CheckCounts,
        errors: &[Error],
    ) -> Result<()> {
        if self.outputs.has_files() {
            ignore_closed_output(printed)?;
        } else {
            printed?;
        }
        let errors = errors.iter().flat_map(Error::all);
        self.report.errors = errors.map(|error| self.converter.convert(error.diagnostic(), "high", "")).collect();
        let CheckCounts { documents, objects, containers, omitted } = counts;
        (self.report.documents, self.report.objects) = (documents, objects);
        (self.report.containers, self.report.omitted) = (containers, omitted);
        let stage = |(format, target): (Format, ReportTarget<'_>)| target.stage(self.render(format));
        let files: Vec<ReportFile> = files.into_iter().map(stage).collect::<Result<_>>()?;
        files.into_iter().try_for_each(ReportFile::write)?;
        match self.outputs.stdout() {
            Some(Format::Human) | None => Ok(()),
            Some(format) => self.ui.print_text(&self.render(format)).map(drop),
        }
    }

    /// Returns the findings in a format.
    fn render(&self, format: Format) -> String {
        match format {
            Format::Human => self.human.clone(),
            Format::Json => check_json::render(&self.report),
            Format::Sarif => sarif::render(&self.report),
            Format::Github => github::annotate_findings(&self.report),
            Format::Gitlab => gitlab::render(&self.report),
            Format::Junit => junit::render(&self.report),
            Format::Rdjson => rdjson::render(&self.report),
        }
    }
}

fn describe_rule(rule: &Rule) -> RuleInfo {
    RuleInfo {
        name: rule.name,
        summary: rule.summary,
        why: rule.why,
        remedy: rule.remedy,
        severity: rule.severity,
        confidence: rule.confidence.as_str(),
        security_severity: rule.security_severity,
        page: render_page(rule),
    }
}
