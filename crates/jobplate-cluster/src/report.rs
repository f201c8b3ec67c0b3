//! What became of every object, in the order of the input.

use std::rc::Rc;

use jobplate_diagnostic::ErrorKind;

use crate::kinds::group_version;
use crate::object::InputObject;
use crate::request::qualified;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It was there, and is changed.
    Configured,
    /// It was there, as it should be.
    Unchanged,
    /// It was deleted and made anew (`--on-immutable=recreate`).
    Recreated,
    /// It was left as it is (`--on-immutable=skip`).
    Skipped,
    /// The server did not take it.
    Failed,
    /// Nothing was sent.
    NotApplied,
}

impl Outcome {
    /// As reports have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged => "unchanged",
            Outcome::Recreated => "recreated",
            Outcome::Skipped => "skipped",
            Outcome::Failed => "failed",
            Outcome::NotApplied => "not tried",
        }
    }

    /// Whether the object is on the server as the manifest has it.
    pub fn is_applied(self) -> bool {
        matches!(self, Outcome::Created | Outcome::Configured | Outcome::Unchanged | Outcome::Recreated)
    }
}

/// One object.
#[derive(Clone, Debug)]
pub struct ReportRow {
    /// `apiVersion`
    pub api_version: Rc<str>,
    /// `kind`
    pub kind: Rc<str>,
    /// Its name; for `generateName` the one that the server gave, or its beginning.
    pub name: String,
    /// Its namespace, once it is known to have one.
    pub namespace: Option<Rc<str>>,
    /// The input that it stands in.
    pub file: Rc<str>,
    /// Its line there.
    pub line: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where that needs saying: one sentence.
    pub reason: Option<String>,
    /// How the Job ended, where it was waited for.
    pub job_result: Option<String>,
}

impl ReportRow {
    /// A row for an object that nothing was done about yet.
    pub(crate) fn new(subject: &InputObject) -> Self {
        ReportRow {
            api_version: Rc::clone(&subject.api_version),
            kind: Rc::clone(&subject.kind),
            name: subject.name().to_owned(),
            namespace: subject.own_namespace.clone(),
            file: Rc::clone(subject.shared_file()),
            line: subject.line(),
            outcome: Outcome::NotApplied,
            reason: None,
            job_result: None,
        }
    }

    /// `job.batch/etl`, as kubectl names an object.
    pub fn qualified_name(&self) -> String {
        qualified(group_version(&self.api_version).0, &self.kind, &self.name)
    }
}

/// What became of all of them.
#[derive(Debug)]
pub struct Report {
    /// In the order of the input.
    pub rows: Vec<ReportRow>,
    /// What kind of failure came first, if there was any.
    pub failure: Option<ErrorKind>,
    /// Whether nothing was to be written (`--dry-run=server`).
    pub dry_run: bool,
}
