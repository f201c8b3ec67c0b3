//! `--fix`, `--add-ignore` and `--diff`: which fixes and comments are made, and that each file is replaced or reported
//! as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jobplate::check::{Check, Checker, Finding, FixedDocument, SecretReferences};
use jobplate::diagnostic::{escape_name, unified_diff};
use jobplate::inject::{RequestedVariable, VariableSource};
use jobplate::render::InputSource;
use jobplate_diagnostic::{Error, Result, output_error};
use jobplate_manifest::env::{EnvValue, KeyRef};
use jobplate_manifest::names::check_requested_env_name;
use jobplate_prefect::variables::secret_variable;

use super::reporter::FindingReporter;
use super::summary::Summary;
use crate::shared::edit_args::is_stdin;
use crate::shared::flag_values;
use crate::shared::render_request::read_spec;
use crate::shared::staged_files::StagedFiles;
use crate::shared::summary::count;
use crate::ui::Ui;

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
#[command(next_help_heading = "Fixes")]
pub(super) struct FixArgs {
    /// Apply safe fixes, which do not change the meaning; `--fix=unsafe` applies all fixes
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
    /// Let `--fix=unsafe` replace the plain-text value of VAR with a reference to a Secret
    #[arg(long, value_name = "VAR=SECRET/KEY")]
    secret_env: Vec<String>,
    /// Same with the references of a spec file of `render`
    #[arg(long, value_name = "FILE")]
    spec: Vec<PathBuf>,
    /// Write a comment at each finding that ignores it, with a reason
    #[arg(
        long,
        value_name = "REASON",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["fix", "no_ignores"]
    )]
    add_ignore: Option<String>,
    /// Print the changes as a diff, with sensitive values masked, and change no file
    #[arg(long)]
    diff: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum FixChoice {
    Safe,
    Unsafe,
}

/// What changes the files.
enum Change {
    /// The fixes of findings.
    Fix { applies_unsafe: bool },
    /// Comments with a reason that suppress findings.
    AddIgnores { reason: String },
}

/// The changes of a run, and how many findings they are about.
pub(super) struct Fixes {
    change: Change,
    shows_diff: bool,
    /// The number of applied fixes or of suppressed findings, or of those in the diff.
    count: usize,
    /// The number of findings without a place for a comment.
    unplaced: usize,
}

impl FixArgs {
    /// Returns `--diff` if it is set: the changes are printed to standard output.
    pub(super) fn diff_flag(&self) -> Option<&'static str> {
        self.diff.then_some("--diff")
    }

    /// Returns whether the changes are only shown.
    pub(super) fn is_diff(&self) -> bool {
        self.diff
    }

    /// Returns the references with which fixes replace secrets in plain text. Flags override spec files, and later spec
    /// files override earlier ones.
    ///
    /// # Errors
    ///
    /// Fails if a value of `--secret-env` is invalid, or if a spec file is invalid or cannot be read.
    pub(super) fn references(&self) -> Result<SecretReferences> {
        let (mut references, mut from_specs) = (BTreeMap::new(), BTreeMap::new());
        for text in &self.secret_env {
            let variable = flag_values::parse_secret_env("--secret-env", text)?;
            let Some((name, reference)) = to_reference(variable) else { continue };
            check_requested_env_name(&name).map_err(|error| error.into_error("`--secret-env`"))?;
            if references.contains_key(&name) {
                return Err(Error::usage(format!("`--secret-env` is given twice for `{name}`")));
            }
            references.insert(name, reference);
        }
        for path in &self.spec {
            let variables = read_spec(path, true)?.into_injection().variables;
            from_specs.extend(variables.into_iter().filter_map(to_reference));
        }
        Ok(SecretReferences::new(references, from_specs))
    }

    /// Returns the changes to make, or `None` if no flag asks for changes.
    ///
    /// # Errors
    ///
    /// Fails if the reason of `--add-ignore` is not one line, or if one of the inputs is standard input and is to be changed.
    pub(super) fn start(&self, inputs: &[PathBuf]) -> Result<Option<Fixes>> {
        let change = match &self.add_ignore {
            Some(reason) if reason.contains(char::is_control) => {
                return Err(Error::usage("`--add-ignore`: the reason must be one line without control characters"));
            }
            Some(reason) => Change::AddIgnores { reason: reason.trim().to_owned() },
            None if self.fix.is_some() || self.diff => {
                Change::Fix { applies_unsafe: self.fix == Some(FixChoice::Unsafe) }
            }
            None => return Ok(None),
        };
        if !self.diff && inputs.iter().any(|input| is_stdin(input)) {
            let flag = if self.fix.is_some() { "--fix" } else { "--add-ignore" };
            return Err(Error::usage(format!("`{flag}` cannot change standard input (`-`)"))
                .hint("use --diff to see the changes"));
        }
        Ok(Some(Fixes { change, shows_diff: self.diff, count: 0, unplaced: 0 }))
    }
}

impl Fixes {
    fn applies(&self, finding: &Finding) -> bool {
        let applies = match &self.change {
            Change::Fix { applies_unsafe } => {
                finding.fix.as_ref().is_some_and(|fix| fix.fix.is_safe || *applies_unsafe)
            }
            // A comment does not suppress a finding about a comment.
            Change::AddIgnores { .. } => !matches!(finding.rule.check, Check::Engine),
        };
        applies && finding.suppression.is_none()
    }

    /// Checks an input, and fixes it if a finding that `reporter` accepts has a fix. Reports the findings that the file
    /// has afterwards. Returns the diff if it is to be shown.
    ///
    /// # Errors
    ///
    /// Fails if a document cannot be checked, or if the file cannot be replaced. Then the file is not changed, and its
    /// findings are reported as they are.
    pub(super) fn check_and_fix(
        &mut self,
        checker: &mut Checker<'_>,
        mut source: InputSource,
        reporter: &mut FindingReporter<'_>,
        ui: &Ui,
    ) -> Result<Option<String>> {
        let counts_before = checker.counts();
        let mut found = Vec::new();
        let result = checker.check_source(&mut source, &mut |findings| found.extend(findings));
        if result.is_err() || !found.iter().any(|finding| reporter.accepts(finding) && self.applies(finding)) {
            reporter.add(found);
            return result.map(|()| None);
        }
        let counts = checker.counts();
        checker.set_counts(counts_before);
        let fixed = self.fix(checker, &mut source, reporter, ui);
        match fixed {
            Ok((remaining, _)) if !self.shows_diff => {
                reporter.add(remaining);
                Ok(None)
            }
            fixed => {
                checker.set_counts(counts);
                reporter.add(found);
                fixed.map(|(_, diff)| Some(diff))
            }
        }
    }

    /// Fixes an input and replaces the file, unless the changes are only shown. Returns the findings that remain, and the
    /// diff if it is to be shown.
    fn fix(
        &mut self,
        checker: &mut Checker<'_>,
        source: &mut InputSource,
        reporter: &FindingReporter<'_>,
        ui: &Ui,
    ) -> Result<(Vec<Finding>, String)> {
        let path = source.path().map(Path::to_owned);
        let name = escape_name(source.name());
        let (mut findings, mut diff, mut count) = (Vec::new(), String::new(), 0);
        let applies = |finding: &Finding| self.applies(finding) && reporter.accepts(finding);
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
        let mut change = |visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>| match &self.change {
            Change::Fix { .. } => checker.fix_source(source, &applies, visit),
            Change::AddIgnores { reason } => checker.ignore_source(source, reason, &applies, visit),
        };
        let mut file = StagedFiles::default();
        match path {
            _ if self.shows_diff => change(&mut |document| visit(document, None))?,
            None => {
                return Err(Error::input("not a regular file").in_file(name).hint("use --diff to see the changes"));
            }
            Some(path) => file.replace(&path, |out| change(&mut |document| visit(document, Some(&mut *out))))?,
        }
        if count > 0 {
            file.commit()?;
        }
        let unplaced = findings.iter().filter(|finding| applies(finding)).count();
        (self.count, self.unplaced) = (self.count + count, self.unplaced + unplaced);
        Ok((findings, diff))
    }

    /// Returns notes about the references of `--secret-env`: the Secrets that they need, and those that were not used.
    pub(super) fn reference_notes(&self, references: &SecretReferences) -> Vec<String> {
        let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        if self.count > 0 && matches!(self.change, Change::Fix { applies_unsafe: true }) {
            references.used().for_each(|used| keys.entry(&used.name).or_default().push(&used.key));
        }
        let needed = keys.into_iter().map(|(name, keys)| {
            let files: String = keys.iter().map(|key| format!(" --from-file={key}=FILE")).collect();
            format!("create the Secret `{name}` first: `kubectl create secret generic {name}{files}`")
        });
        let unused = references.unused();
        needed
            .chain(unused.map(|name| format!("`--secret-env {name}`: no variable `{name}` has a secret in plain text")))
            .collect()
    }

    /// Returns a note if no finding was fixed. `summary` is that of the run.
    pub(super) fn unfixed_note(&self, summary: &Summary) -> Option<String> {
        let Change::Fix { applies_unsafe } = self.change else { return None };
        if self.count > 0 || !summary.has_findings() {
            return None;
        }
        let fixable = summary.format_fixes().filter(|_| !applies_unsafe);
        Some(fixable.unwrap_or_else(|| "no finding can be fixed automatically".to_owned()))
    }

    /// Returns notes about how many changes were made, or can be made.
    pub(super) fn notes(&self) -> Vec<String> {
        let findings = count(self.count, "finding");
        let fixes = if self.count == 1 { "1 fix".to_owned() } else { format!("{} fixes", self.count) };
        let done = match (&self.change, self.shows_diff) {
            (Change::Fix { .. }, false) => format!("{fixes} applied"),
            (Change::Fix { applies_unsafe: false }, true) => format!("{fixes} can be applied with --fix"),
            (Change::Fix { applies_unsafe: true }, true) => format!("{fixes} can be applied with --fix=unsafe"),
            (Change::AddIgnores { .. }, false) => format!("added ignore comments for {findings}"),
            (Change::AddIgnores { .. }, true) => format!("--add-ignore adds ignore comments for {findings}"),
        };
        let unplaced = count(self.unplaced, "finding");
        let unplaced = format!("cannot add ignore comments for {unplaced}: use --baseline FILE");
        let is_unplaced = self.unplaced > 0 && matches!(self.change, Change::AddIgnores { .. });
        [(self.count > 0).then_some(done), is_unplaced.then_some(unplaced)].into_iter().flatten().collect()
    }
}

/// Returns the name of a variable and the key of a Secret that it refers to, if it does.
fn to_reference(variable: RequestedVariable) -> Option<(String, KeyRef)> {
    match variable.source {
        VariableSource::Entry(EnvValue::SecretKey(reference)) => Some((variable.name, reference)),
        VariableSource::PrefectSecret { reference, .. } => Some((secret_variable(&variable.name), reference)),
        VariableSource::Entry(_) => None,
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
