//! From a rendering to what the cluster's room takes: documents as they are printed, with what they came from.

use std::rc::Rc;

use jobplate_cluster::{Document, Documents, Named, Pass, Source};
use jobplate_diagnostic::Result;
use jobplate_yaml::Tape;

use crate::inject::{Injection, Known, NamedEntries, Planner, trial};
use crate::render::{Cursor, Pair, Rendering};

/// The documents of a rendering, as the cluster's room wants them.
pub(crate) struct Rendered<'r> {
    rendering: &'r mut Rendering,
    /// Whose entries are named in each document; none where that is not wanted.
    named: Option<&'r Injection>,
}

impl<'r> Rendered<'r> {
    /// All documents; with the entries that an injection names, if one is given.
    pub(crate) fn new(rendering: &'r mut Rendering, named: Option<&'r Injection>) -> Self {
        Rendered { rendering, named }
    }
}

impl Documents for Rendered<'_> {
    fn pass(&mut self) -> Box<dyn Pass + '_> {
        Box::new(Way {
            cursor: self.rendering.documents(None),
            planner: self.named.map(|injection| Planner::new(injection, Known::default())),
        })
    }
}

struct Way<'r> {
    cursor: Cursor<'r>,
    planner: Option<Planner<'r>>,
}

impl Pass for Way<'_> {
    fn next(&mut self) -> Result<Option<Document>> {
        let Some(Pair { input, line, before, after, edited, changes }) = self.cursor.next()? else { return Ok(None) };
        let source = edited.then(|| Source::new(before, changes));
        let mut document =
            Document { file: input.into(), line, text: after.into(), source, named: Rc::new([]), trial: None };
        if let Some(planner) = &mut self.planner {
            let mut tape = Tape::default();
            // What neither parser reads has no target.
            if jobplate_yaml::read(before, &mut tape).is_ok() {
                let named = planner.named(jobplate_yaml::Document::new(before, &tape))?;
                if !named.is_empty() && jobplate_yaml::read(after, &mut tape).is_ok() {
                    let trial = trial(jobplate_yaml::Document::new(after, &tape), &named);
                    // Its place is in the text that is sent, which no file has.
                    document.trial = trial.map_err(|error| error.in_file(input))?.map(Rc::from);
                }
                document.named = named.into_iter().map(taken_over).collect();
            }
        }
        Ok(Some(document))
    }
}

fn taken_over(entries: NamedEntries) -> Named {
    let NamedEntries { object, container, names } = entries;
    Named { object, container, names }
}
