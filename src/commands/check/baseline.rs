//! The baseline of a run: a file with the findings that are known and not reported again.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use jobplate::check::{Finding, Rule};
use jobplate::diagnostic::finding::fingerprint;
use jobplate_diagnostic::{Error, ErrorKind, Result, display_path, output_error};
use jobplate_yaml::{Document, NodeArena};
use serde::{Deserialize, Serialize};

use crate::shared::input_reader::InputReader;
use crate::shared::staged_files::StagedFiles;
use crate::ui::Ui;
use crate::ui::repository::{find_root, path_below};

/// The known findings of a run, or those of a baseline that is created.
#[derive(Default)]
pub(super) struct Baseline {
    /// The known findings by their fingerprints.
    known: BTreeMap<String, BaselineEntry>,
    /// The findings of this run: those that are known, or all of them if the baseline is created.
    found: RefCell<BTreeMap<String, BaselineEntry>>,
    /// The names of the files that are checked.
    checked_files: HashSet<String>,
    /// The root of the repository, to which the paths of files are relative.
    root: Option<PathBuf>,
    /// The file to create.
    new_file: Option<PathBuf>,
}

/// A known finding. Only the fingerprint is compared.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineEntry {
    rule: String,
    file: String,
    path: String,
    fingerprint: String,
}

impl Baseline {
    /// Reads the baseline in `file`, or prepares to create it.
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
            Some(file) if creates => baseline.new_file = Some(file.to_owned()),
            Some(file) => {
                baseline.known.extend(read(file)?.into_iter().map(|entry| (entry.fingerprint.clone(), entry)))
            }
        }
        Ok(baseline)
    }

    /// Adds a file that is checked.
    pub(super) fn add_file(&mut self, name: &str) {
        self.checked_files.insert(path_below(self.root.as_deref(), name));
    }

    /// Returns whether a finding is reported: it is selected, and neither known nor written to a new baseline.
    pub(super) fn reports(&self, finding: &Finding, is_selected: bool) -> bool {
        if self.new_file.is_none() && self.known.is_empty() || finding.suppression.is_some() {
            return is_selected;
        }
        let entry = BaselineEntry::new(finding, self.root.as_deref());
        let is_known = self.known.contains_key(&entry.fingerprint);
        if is_known || self.new_file.is_some() && is_selected {
            self.found.borrow_mut().insert(entry.fingerprint.clone(), entry);
        }
        is_selected && !is_known && self.new_file.is_none()
    }

    /// Returns the number of findings that are known or written to a new baseline.
    pub(super) fn count_found(&self) -> usize {
        self.found.borrow().len()
    }

    /// Reports how many known findings did not occur, of the files that were checked and of the rules that ran. Writes a
    /// new baseline atomically.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub(super) fn finish(self, rules: &[&Rule], ui: &Ui) -> Result<()> {
        let found = self.found.into_inner();
        if let Some(file) = self.new_file {
            return write(&file, found.into_values().collect());
        }
        let is_resolved = |entry: &&BaselineEntry| {
            !found.contains_key(&entry.fingerprint)
                && self.checked_files.contains(&entry.file)
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
        Ok(())
    }
}

impl BaselineEntry {
    fn new(finding: &Finding, root: Option<&Path>) -> Self {
        let Finding { rule, diagnostic, path, .. } = finding;
        let file = diagnostic.location().map(|location| path_below(root, &location.file)).unwrap_or_default();
        let fingerprint = fingerprint(diagnostic, &file, path);
        BaselineEntry { rule: rule.name.to_owned(), file, path: path.clone(), fingerprint }
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

fn write(file: &Path, mut entries: Vec<BaselineEntry>) -> Result<()> {
    entries.sort_by(|a, b| (&a.file, &a.path, &a.rule).cmp(&(&b.file, &b.path, &b.rule)));
    let text = serde_json::to_string_pretty(&entries)
        .map_err(|_| Error::new(ErrorKind::Internal, "cannot write the baseline as JSON"))?;
    let write = |out: &mut dyn std::io::Write| writeln!(out, "{text}").map_err(|error| output_error(&error));
    let mut staged = StagedFiles::default();
    if file.exists() {
        staged.replace(file, write)?;
    } else {
        staged.create(file, write)?;
    }
    staged.commit()
}
