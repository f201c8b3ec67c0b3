//! The report of an apply: one row for each object.

use std::rc::Rc;

use jobplate_diagnostic::ErrorKind;

use crate::kinds::split_api_version;
use crate::object::InputObject;
use crate::request::qualified_name;

/// The outcome of applying one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object did not exist, and was created.
    Created,
    /// The object existed, and was changed.
    Configured,
    /// The object existed with all fields of the manifest.
    Unchanged,
    /// The object was deleted and created again (`--on-immutable=recreate`).
    Recreated,
    /// The object was left unchanged although it differs (`--on-immutable=skip`).
    Skipped,
    /// The server refused the object, or could not be reached.
    Failed,
    /// The run ended before the object was applied.
    NotApplied,
}

impl Outcome {
    /// Returns the name of the outcome in reports, such as `created`.
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

    /// Returns whether the live object now matches the manifest.
    pub fn is_applied(self) -> bool {
        matches!(self, Outcome::Created | Outcome::Configured | Outcome::Unchanged | Outcome::Recreated)
    }
}

/// The report on one object.
#[derive(Clone, Debug)]
pub struct ReportRow {
    /// The `apiVersion` in the manifest.
    pub api_version: Rc<str>,
    /// The `kind` in the manifest.
    pub kind: Rc<str>,
    /// The object's name. With `generateName` the name that the server generated, or the prefix if there is none yet.
    pub name: String,
    /// The namespace that the object went to. `None` if its kind is not namespaced; before the kind is looked up,
    /// the namespace in the manifest.
    pub namespace: Option<Rc<str>>,
    /// The input file of the object, as the user named it.
    pub file: Rc<str>,
    /// The line in that file, from 1.
    pub line: usize,
    /// The outcome.
    pub outcome: Outcome,
    /// One sentence that explains a failure or a missing dry run.
    pub reason: Option<String>,
    /// How the Job ended, if it was waited for.
    pub job_result: Option<String>,
}

impl ReportRow {
    /// Creates the row of an object that is not applied yet.
    pub(crate) fn new(object: &InputObject) -> Self {
        ReportRow {
            api_version: Rc::clone(&object.api_version),
            kind: Rc::clone(&object.kind),
            name: object.name().to_owned(),
            namespace: object.manifest_namespace.clone(),
            file: Rc::clone(object.shared_file()),
            line: object.line(),
            outcome: Outcome::NotApplied,
            reason: None,
            job_result: None,
        }
    }

    /// Returns the object's name as kubectl prints it, such as `job.batch/etl`.
    pub fn qualified_name(&self) -> String {
        qualified_name(split_api_version(&self.api_version).0, &self.kind, &self.name)
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report {
    /// The rows, in the order of the input.
    pub rows: Vec<ReportRow>,
    /// The kind of the first failure, if there was any.
    pub failure: Option<ErrorKind>,
    /// Whether the run sent dry runs only (`--dry-run=server`).
    pub dry_run: bool,
}
