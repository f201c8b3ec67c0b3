//! The summary of a check.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jobplate::check::{CheckCounts, Finding, rules};
use jobplate::diagnostic::format_table;
use jobplate_diagnostic::Severity;

use crate::shared::summary::count;

/// The numbers of a check's summary.
#[derive(Default)]
pub(super) struct Summary {
    /// The number of files.
    pub(super) files: usize,
    /// The number of files that are excluded.
    pub(super) excluded: usize,
    errors: usize,
    warnings: usize,
    notes: usize,
    safe_fixes: usize,
    unsafe_fixes: usize,
    ignored: usize,
    by_rule: BTreeMap<&'static str, usize>,
}

impl Summary {
    /// Counts a finding.
    pub(super) fn add(&mut self, finding: &Finding) {
        if finding.suppression.is_some() {
            self.ignored += 1;
            return;
        }
        match finding.diagnostic.severity() {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Info => self.notes += 1,
        }
        *self.by_rule.entry(finding.rule.name).or_default() += 1;
        match &finding.fix {
            Some(fix) if fix.fix.is_safe => self.safe_fixes += 1,
            Some(_) => self.unsafe_fixes += 1,
            None => {}
        }
    }

    /// Returns the note about findings that can be fixed, such as `2 findings can be fixed with --fix`, or `None` if
    /// no finding has a fix.
    pub(super) fn format_fixes(&self) -> Option<String> {
        let findings = |number| count(number, "finding");
        match (self.safe_fixes, self.unsafe_fixes) {
            (0, 0) => None,
            (safe, 0) => Some(format!("{} can be fixed with --fix", findings(safe))),
            (0, all) => Some(format!("{} can be fixed with --fix=unsafe", findings(all))),
            (safe, more) => {
                let safe = findings(safe);
                Some(format!("{safe} can be fixed with --fix, and {more} more with --fix=unsafe"))
            }
        }
    }

    /// Returns the number of findings of each rule as a table, the highest first. Empty if there are no findings.
    pub(super) fn format_statistics(&self) -> String {
        let mut counts: Vec<_> = self.by_rule.iter().collect();
        counts.sort_by_key(|(name, count)| (Reverse(**count), **name));
        let row = |(name, count): (&&'static str, &usize)| {
            let summary = rules::find(name).map_or("", |rule| rule.summary);
            vec![count.to_string(), (*name).to_owned(), summary.to_owned()]
        };
        let rows: Vec<_> = counts.into_iter().map(row).collect();
        if rows.is_empty() { String::new() } else { format_table(&["COUNT", "RULE", "REPORTS"], &rows) }
    }

    /// Returns whether there are findings that are not suppressed.
    pub(super) fn has_findings(&self) -> bool {
        self.errors + self.warnings + self.notes > 0
    }

    /// Returns the summary, such as `2 files, 3 objects, 4 containers: 1 error, 2 warnings`. `known` is the number of
    /// findings in the baseline.
    pub(super) fn format(&self, counts: CheckCounts, known: usize) -> String {
        let checked =
            [count(self.files, "file"), count(counts.objects, "object"), count(counts.containers, "container")];
        let found = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let found: Vec<String> =
            found.into_iter().filter(|(number, _)| *number > 0).map(|(number, name)| count(number, name)).collect();
        let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
        let hidden = [(self.ignored, "ignored"), (known, "in the baseline"), (counts.omitted, "not listed")];
        let hidden = hidden.iter().filter(|(number, _)| *number > 0).map(|(number, why)| format!("; {number} {why}"));
        let hidden: String = hidden.collect();
        let excluded = match self.excluded {
            0 => String::new(),
            number => format!("; {} excluded", count(number, "file")),
        };
        format!("{}: {found}{hidden}{excluded}", checked.join(", "))
    }
}
