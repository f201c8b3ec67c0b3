//! The edit plan of one document: its edits, its targets and its embedded documents.

use std::ops::Range;

use jobplate_diagnostic::{Diagnostic, Error, ErrorKind, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::{Edit, Editable, MAX_NEW_TEXT, Node, new_text_error};

/// The edits and targets of one document.
#[derive(Debug, Default)]
pub struct EditPlan<'a> {
    /// The edits, in document order.
    pub edits: Vec<Edit>,
    /// The indices of the targets in the document's objects.
    pub targets: Vec<usize>,
    /// The number of selected containers.
    pub containers: usize,
    /// The number of selected containers that get the whole injection, not only Prefect's settings.
    pub fully_injected: usize,
    /// The requested entries of each selected container. Filled only by
    /// [`EditPlanner::requested_entries`](super::EditPlanner::requested_entries).
    pub requested: Vec<RequestedEntries>,
    /// The embedded documents to plan with [`EditPlanner::plan_embedded`](super::EditPlanner::plan_embedded).
    pub embedded: Vec<EmbeddedDocument<'a>>,
    /// Diagnostics about the selected containers, with their byte ranges in the document.
    pub diagnostics: Vec<(Diagnostic, Range<usize>)>,
    added: AddedSize,
}

/// The size of what edits add to a document.
#[derive(Debug, Default)]
pub struct AddedSize(usize);

impl AddedSize {
    /// Adds the size of edits.
    ///
    /// # Errors
    ///
    /// Fails if the edits add too much to the document.
    pub fn add(&mut self, edits: &[Edit]) -> Result<()> {
        self.add_bytes(edits.iter().map(Edit::added_size).sum()).map_err(|error| error.at(0..0))
    }

    /// Adds the size of new text.
    ///
    /// # Errors
    ///
    /// Fails if the edits add too much to the document.
    pub fn add_bytes(&mut self, count: usize) -> Result<()> {
        self.0 += count;
        if self.0 > MAX_NEW_TEXT { Err(new_text_error()) } else { Ok(()) }
    }
}

impl EditPlan<'_> {
    /// Checks the size of the edits after the first `count` edits.
    ///
    /// # Errors
    ///
    /// Fails if all edits add too much to the document.
    pub(super) fn check_size_from(&mut self, count: usize) -> Result<()> {
        self.added.add(&self.edits[count..])
    }

    /// Adds edits and sorts all edits in document order.
    ///
    /// # Errors
    ///
    /// Fails with an internal error if two edits change the same node.
    pub fn add_edits(&mut self, edits: impl IntoIterator<Item = Edit>) -> Result<()> {
        self.edits.extend(edits);
        self.edits.sort_by_key(Edit::node);
        match self.edits.windows(2).any(|pair| pair[0].node() == pair[1].node()) {
            true => Err(Error::new(ErrorKind::Internal, "two edits of one node")),
            false => Ok(()),
        }
    }
}

/// A document in a string, which is planned like any other document: a value of a ConfigMap, or a base job template in
/// values of a chart.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedDocument<'a> {
    /// The index of the object with the string in the document's objects.
    pub object: usize,
    /// The string's key.
    pub key: Node<'a>,
    /// The scalar that holds the document.
    pub value: Editable<'a>,
    /// The index of the matching target in the injection's targets. `None` for a default target.
    pub(super) target: Option<usize>,
}

impl EmbeddedDocument<'_> {
    /// Returns whether a target names the document. If not, the document is a default target because of its key.
    pub fn is_named(self) -> bool {
        self.target.is_some()
    }
}

/// The `env` entries of one container that an injection sets or removes.
#[derive(Clone, Debug)]
pub struct RequestedEntries {
    /// The object's index in the document's objects.
    pub object: usize,
    /// The path from the object to the container.
    pub container: FieldPath,
    /// The names of the variables.
    pub names: Vec<String>,
}
