//! `--fix` and `--diff`: which fixes are applied, and how the files are replaced.

use std::path::Path;

use clap::{Args, ValueEnum};
use jobplate::check::{Checker, DocumentFix, Finding, FixedDocument};
use jobplate::diagnostic::{escape_name, unified_diff};
use jobplate::render::InputSource;
use jobplate_diagnostic::{Error, Result, output_error};

use crate::shared::staged_files::StagedFiles;
use crate::ui::Ui;

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
#[command(next_help_heading = "Fixes")]
pub(super) struct FixArgs {
    /// Apply the fixes that keep what the manifest means; `--fix=unsafe` also applies the others
    #[arg(
        long,
        value_name = "FIXES",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe",
        hide_possible_values = true
    )]
    fix: Option<FixChoice>,
    /// Print the changes of the fixes as a diff, with sensitive values masked, and change no file
    #[arg(long)]
    diff: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum FixChoice {
    Safe,
    Unsafe,
}

/// The fixes of a run: the staged files, and how many fixes they contain.
pub(super) struct Fixes {
    applies_unsafe: bool,
    shows_diff: bool,
    staged: StagedFiles,
    /// The number of applied fixes, or of those in the diff.
    count: usize,
}

impl FixArgs {
    /// Returns the fixes to make, or `None` if no flag asks for fixes.
    pub(super) fn start(&self) -> Option<Fixes> {
        (self.fix.is_some() || self.diff).then(|| Fixes {
            applies_unsafe: self.fix == Some(FixChoice::Unsafe),
            shows_diff: self.diff,
            staged: StagedFiles::default(),
            count: 0,
        })
    }
}

impl Fixes {
    fn applies(&self, finding: &Finding) -> bool {
        let is_applied = |fix: &DocumentFix| fix.fix.is_safe || self.applies_unsafe;
        finding.suppression.is_none() && finding.fix.as_ref().is_some_and(is_applied)
    }

    /// Checks an input, and fixes it if a finding that `accepts` accepts has a fix. Calls `report` with the findings that
    /// remain. Returns the diff if it is to be shown.
    ///
    /// # Errors
    ///
    /// Fails if a document cannot be checked, if standard input is to be fixed, or if the file cannot be written.
    pub(super) fn check_and_fix(
        &mut self,
        checker: &mut Checker<'_>,
        mut source: InputSource,
        accepts: &dyn Fn(&Finding) -> bool,
        report: &mut dyn FnMut(Vec<Finding>),
        ui: &Ui,
    ) -> Result<Option<String>> {
        let counts = checker.counts();
        let mut found = Vec::new();
        let result = checker.check_source(&mut source, &mut |findings| found.extend(findings));
        if result.is_err() || !found.iter().any(|finding| accepts(finding) && self.applies(finding)) {
            report(found);
            return result.map(|()| None);
        }
        checker.set_counts(counts);
        let (findings, diff) = self.fix(checker, &mut source, accepts, ui)?;
        report(findings);
        Ok(self.shows_diff.then_some(diff))
    }

    /// Fixes an input and stages the new file. Returns the findings that remain, and the diff if it is to be shown.
    fn fix(
        &mut self,
        checker: &mut Checker<'_>,
        source: &mut InputSource,
        accepts: &dyn Fn(&Finding) -> bool,
        ui: &Ui,
    ) -> Result<(Vec<Finding>, String)> {
        let path = source.path().map(Path::to_owned);
        let name = escape_name(source.name());
        let (mut findings, mut diff, mut count) = (Vec::new(), String::new(), 0);
        let applies = |finding: &Finding| self.applies(finding) && accepts(finding);
        let mut visit = |document: FixedDocument<'_>, out: Option<&mut dyn std::io::Write>| {
            if self.shows_diff && document.fixed > 0 {
                let policy = ui.mask_policy();
                let FixedDocument { before, after, first_line, new_first_line, .. } = document;
                let changes = [changed_range(before, after)];
                let hunks = unified_diff(before, after, &changes, first_line, new_first_line, &policy);
                if diff.is_empty() {
                    diff = format!("--- {name}\n+++ {name}\n");
                }
                diff.push_str(&hunks);
            }
            count += document.fixed;
            findings.extend(document.findings);
            match out {
                Some(out) => out.write_all(document.after.as_bytes()).map_err(|error| output_error(&error)),
                None => Ok(()),
            }
        };
        match path {
            _ if self.shows_diff => checker.fix_source(source, &applies, &mut |document| visit(document, None))?,
            None => {
                return Err(
                    Error::usage("`--fix` cannot change standard input (`-`)").hint("use --diff to see the changes")
                );
            }
            Some(path) => {
                let mut file = StagedFiles::default();
                file.replace(&path, |out| {
                    checker.fix_source(source, &applies, &mut |document| visit(document, Some(&mut *out)))
                })?;
                if count > 0 {
                    self.staged.append(file);
                }
            }
        }
        self.count += count;
        Ok((findings, diff))
    }

    /// Replaces the files.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be replaced. Then no file is changed, unless the error names those that are.
    pub(super) fn commit(self, ui: &Ui) -> Result<()> {
        let number = self.count;
        if number > 0 {
            let plural = if number == 1 { "" } else { "es" };
            let text = match (self.shows_diff, self.applies_unsafe) {
                (false, _) => "applied",
                (true, false) => "can be applied with --fix",
                (true, true) => "can be applied with --fix=unsafe",
            };
            ui.write_note(format!("{number} fix{plural} {text}"));
        }
        self.staged.commit()
    }
}

/// Returns the byte range of `before` that differs from `after`, and the length of its replacement.
fn changed_range(before: &str, after: &str) -> (std::ops::Range<usize>, usize) {
    let same = |(a, b): &(u8, u8)| a == b;
    let start = before.bytes().zip(after.bytes()).take_while(same).count();
    let limit = before.len().min(after.len()) - start;
    let end = before.bytes().rev().zip(after.bytes().rev()).take(limit).take_while(same).count();
    let start = before.floor_char_boundary(start).min(after.floor_char_boundary(start));
    let mut end = end;
    while !before.is_char_boundary(before.len() - end) || !after.is_char_boundary(after.len() - end) {
        end -= 1;
    }
    (start..before.len() - end, after.len() - end - start)
}
