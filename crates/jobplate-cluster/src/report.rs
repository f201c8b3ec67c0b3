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
    /// The server rejected the object, or could not be reached.
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

/// The report row of one object.
#[derive(Clone, Debug)]
pub struct ReportRow {
    /// The `apiVersion` in the manifest.
    pub api_version: Rc<str>,
    /// The `kind` in the manifest.
    pub kind: Rc<str>,
    /// The object's name. With `generateName`, this is the generated name, or the prefix if the object has not been
    /// created.
    pub name: String,
    /// The namespace of the object, or `None` if its kind is not namespaced. Until the kind is looked up, this is the
    /// namespace in the manifest.
    pub namespace: Option<Rc<str>>,
    /// The path of the object's input file, as given by the user.
    pub file: Rc<str>,
    /// The 1-based line of the object in the input file.
    pub line: usize,
    /// The outcome of the apply or dry run.
    pub outcome: Outcome,
    /// One sentence that explains a failure or a missing dry run.
    pub reason: Option<String>,
    /// A phrase that describes the end of the Job, if the run waited for it.
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

    /// Returns the object's name in kubectl's format, such as `job.batch/etl`.
    pub fn qualified_name(&self) -> String {
        qualified_name(split_api_version(&self.api_version).0, &self.kind, &self.name)
    }
}

/// The report of a run.
#[derive(Debug)]
pub struct Report {
    /// The rows, in input order.
    pub rows: Vec<ReportRow>,
    /// The kind of the first failure, or `None` if there was no failure.
    pub failure: Option<ErrorKind>,
    /// Whether the run sent dry runs only (`--dry-run=server`).
    pub dry_run: bool,
}
