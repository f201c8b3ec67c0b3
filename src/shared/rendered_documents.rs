//! Converts rendered documents to documents for the cluster: the printed text together with its source.

use jobplate::inject::{EditPlanner, Injection, PassContext, RequestedEntries, dry_run_body};
use jobplate::render::{DocumentCursor, RenderedDocument, Rendering};
use jobplate_cluster::{Document, OriginalText, TakeOverEntries};
use jobplate_diagnostic::Result;
use jobplate_yaml::NodeArena;

/// An iterator over the documents of a rendering.
pub(crate) struct RenderedDocuments<'r> {
    cursor: DocumentCursor<'r>,
    /// Finds the env entries that the command line names. `None` if the caller needs no entries.
    planner: Option<EditPlanner<'r>>,
    /// Whether the ownership of these entries is taken over. A dry run then needs a separate request body.
    takes_over: bool,
}

impl<'r> RenderedDocuments<'r> {
    /// Creates an iterator over all documents. `named` is the injection whose env entries are looked up.
    pub(crate) fn new(rendering: &'r mut Rendering, named: Option<&'r Injection>, takes_over: bool) -> Self {
        let planner = named.map(|injection| EditPlanner::new(injection, PassContext::default()));
        RenderedDocuments { cursor: rendering.documents(None), planner, takes_over }
    }

    fn document(&mut self) -> Result<Option<Document>> {
        let Some(RenderedDocument { input, line, before, after, edited, changes }) = self.cursor.next_document()?
        else {
            return Ok(None);
        };
        let mut document = Document::new(input, line, after);
        if edited {
            document = document.with_original(OriginalText::new(before, changes));
        }
        let Some(planner) = &mut self.planner else { return Ok(Some(document)) };
        let mut arena = NodeArena::default();
        // A document that no parser accepts has no targets.
        if jobplate_yaml::read(before, &mut arena).is_err() {
            return Ok(Some(document));
        }
        let named = planner.requested_entries(jobplate_yaml::Document::new(before, &arena))?;
        let mut dry_run = None;
        if self.takes_over && !named.is_empty() && jobplate_yaml::read(after, &mut arena).is_ok() {
            let body = dry_run_body(jobplate_yaml::Document::new(after, &arena), &named);
            // The location of an error is in the request body, not in the input file.
            dry_run = body.map_err(|error| error.in_file(input))?;
        }
        let to_take_over = |RequestedEntries { object, container, names }| TakeOverEntries {
            object,
            container,
            names: names.into_iter().collect(),
        };
        Ok(Some(document.with_take_over(named.into_iter().map(to_take_over).collect(), dry_run)))
    }
}

impl Iterator for RenderedDocuments<'_> {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        self.document().transpose()
    }
}
