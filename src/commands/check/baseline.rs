//! The baseline of a run: a file with the findings that are known and not reported again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use jobplate::check::{Finding, Rule};
use jobplate::diagnostic::finding::fingerprint;
use jobplate_diagnostic::{Error, ErrorKind, Result, display_path};
use jobplate_yaml::{Document, NodeArena};
use serde::{Deserialize, Serialize};

use super::output::Outputs;
use crate::shared::edit_args::is_stdin;
use crate::shared::input_reader::InputReader;
use crate::shared::report_file::ReportTarget;
use crate::ui::Ui;
use crate::ui::repository::{find_root, path_below};

/// The known findings of a run, or a baseline that is created.
#[derive(Default)]
pub(super) struct Baseline {
    /// The known findings.
    known: BaselineEntries,
    /// The paths of the files that are checked, from the root of the repository, by their names.
    checked_files: HashMap<String, String>,
    /// The root of the repository, to which the paths of files are relative.
    root: Option<PathBuf>,
    /// Whether the baseline is created.
    is_new: bool,
}

/// Findings by their fingerprints.
pub(super) type BaselineEntries = BTreeMap<String, BaselineEntry>;

/// A known finding. Only the fingerprint is compared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BaselineEntry {
    rule: String,
    file: String,
    path: String,
    pub(super) fingerprint: String,
}

impl Baseline {
    /// Reads the baseline in `file`, or prepares to create one.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a baseline, or if there is no file to create.
    pub(super) fn start(file: Option<&Path>, creates: bool) -> Result<Self> {
        let mut baseline = Baseline { root: find_root(), ..Baseline::default() };
        match file {
            None if creates => {
                return Err(Error::usage("`--create-baseline` needs a file").hint("pass --baseline FILE"));
            }
            None => {}
            Some(file) if is_stdin(file) => {
                return Err(Error::usage("`--baseline` must be a file, not `-`")
                    .hint("pass the path of a file, such as --baseline baseline.json"));
            }
            Some(_) if creates => baseline.is_new = true,
            Some(file) => {
                baseline.known.extend(read(file)?.into_iter().map(|entry| (entry.fingerprint.clone(), entry)))
            }
        }
        Ok(baseline)
    }

    /// Adds a file that is checked.
    pub(super) fn add_file(&mut self, name: &str) {
        if self.is_used() && !self.checked_files.contains_key(name) {
            self.checked_files.insert(name.to_owned(), path_below(self.root.as_deref(), name));
        }
    }

    /// Returns whether there are known findings, or the baseline is created.
    pub(super) fn is_used(&self) -> bool {
        self.is_new || !self.known.is_empty()
    }

    /// Returns the entry of a finding that is known, or that is selected and written to a new baseline. Returns `None` for
    /// a finding that the baseline does not hide.
    pub(super) fn find_entry(&self, finding: &Finding, is_selected: bool) -> Option<BaselineEntry> {
        if !self.is_used() || finding.suppression.is_some() {
            return None;
        }
        let Finding { rule, diagnostic, path, occurrence, .. } = finding;
        let file = diagnostic.file().unwrap_or_default();
        let find_path = || path_below(self.root.as_deref(), file);
        let file = self.checked_files.get(file).cloned().unwrap_or_else(find_path);
        let fingerprint = fingerprint(diagnostic, &file, path, *occurrence);
        let is_hidden = self.known.contains_key(&fingerprint) || self.is_new && is_selected;
        let (rule, path) = (rule.name.to_owned(), path.clone());
        is_hidden.then_some(BaselineEntry { rule, file, path, fingerprint })
    }

    /// Reports how many known findings did not occur, of the files that were checked and of the rules that ran. `hidden` are
    /// the known findings of this run.
    pub(super) fn report_resolved(&self, hidden: &BaselineEntries, rules: &[&Rule], ui: &Ui) {
        let checked_files: HashSet<&str> = self.checked_files.values().map(String::as_str).collect();
        let is_resolved = |entry: &&BaselineEntry| {
            !hidden.contains_key(&entry.fingerprint)
                && checked_files.contains(&*entry.file)
                && rules.iter().any(|rule| rule.name == entry.rule)
        };
        match self.known.values().filter(is_resolved).count() {
            0 => {}
            1 => {
                ui.write_note("1 finding in the baseline no longer occurs: update the baseline with --create-baseline")
            }
            more => ui.write_note(format!(
                "{more} findings in the baseline no longer occur: update the baseline with --create-baseline"
            )),
        }
    }
}

fn read(file: &Path) -> Result<Vec<BaselineEntry>> {
    let source = InputReader::default().read_source(file, false).map_err(|error| match file.exists() {
        true => error,
        false => {
            Error::input("baseline not found").in_file(display_path(file)).hint("create it with --create-baseline")
        }
    })?;
    parse(&source.text).map_err(|error| error.in_document(&display_path(file), 1, &*source.text))
}

fn parse(text: &str) -> Result<Vec<BaselineEntry>> {
    let mut arena = NodeArena::default();
    jobplate_yaml::read(text, &mut arena).map_err(|unsupported| {
        Error::usage(format!("cannot parse JSON: {}", unsupported.reason)).at(unsupported.offset..unsupported.offset)
    })?;
    jobplate_yaml::from_node(Document::new(text, &arena).root(), "the baseline")
}

/// Checks the path of a baseline that is created. `read_files` are those that the command reads.
///
/// # Errors
///
/// Fails if the file is one that the command reads or that `outputs` write to, or if it is anything but a baseline or an
/// empty file.
pub(super) fn check_file<'p>(file: &'p Path, read_files: &[PathBuf], outputs: &Outputs) -> Result<ReportTarget<'p>> {
    if outputs.writes_to(file) {
        return Err(Error::usage("`--baseline` and `--output` cannot be written to the same file")
            .in_file(display_path(file))
            .hint("pass another file"));
    }
    let target = ReportTarget::check_regular(file, "--baseline", read_files.iter().map(PathBuf::as_path))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if size > 0 && read(file).is_err() {
        return Err(Error::usage("the file exists and is not a baseline")
            .in_file(display_path(file))
            .hint("pass another file, or delete this one"));
    }
    Ok(target)
}

/// Writes a baseline atomically.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub(super) fn write(file: ReportTarget<'_>, entries: &BaselineEntries) -> Result<()> {
    let mut entries: Vec<&BaselineEntry> = entries.values().collect();
    entries.sort_by(|a, b| (&a.file, &a.path, &a.rule).cmp(&(&b.file, &b.path, &b.rule)));
    let text = serde_json::to_string_pretty(&entries)
        .map_err(|_| Error::new(ErrorKind::Internal, "cannot write the baseline as JSON"))?;
    file.stage(text + "\n")?.write()
}
