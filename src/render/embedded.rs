//! Documents inside of a document: a text in the data of a ConfigMap, planned and edited as a stream of its own.

use std::ops::Range;

use jobplate_diagnostic::Result;
use jobplate_yaml::{DecodedScalar, Documents, Edit, Edited, Editor, NodeArena};

use super::outcome::TargetCounts;
use super::parse::{Directives, open, refuse_directives};
use crate::inject::{EditPlanner, EmbeddedDocument, Prefilter};

/// Edits texts, one after the other, with reused memory.
#[derive(Default)]
pub(super) struct EmbeddedEditor {
    before: NodeArena,
    editor: Editor,
}

impl EmbeddedEditor {
    /// Plans the documents that a scalar's text is, and edits them: the edit of the text, if it changes. Errors
    /// have their place in the document around it.
    pub(super) fn edit(
        &mut self,
        filter: &Prefilter,
        planner: &mut EditPlanner<'_>,
        embedded: EmbeddedDocument<'_>,
        counts: &mut TargetCounts,
    ) -> Result<Option<Edit>> {
        let value = embedded.value;
        let inner = DecodedScalar::new(*value);
        let mut documents = Documents::new(inner.text().as_bytes(), usize::MAX);
        let (mut splices, mut text) = (Vec::<(Range<usize>, String)>::new(), String::new());
        let mut directives = Directives::default();
        // It is in memory: there is nothing that could fail to be read.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let document = &inner.text()[offset..offset + chunk.bytes.len()];
            let after_directives = directives.before(document);
            let edited = self.document(filter, planner, embedded, document, after_directives, counts);
            let edited = edited.map_err(|error| {
                let source_offset = |at: usize| inner.source_offset(offset + at);
                error.map_span(|span| source_offset(span.start)..source_offset(span.end)).at(value.span())
            })?;
            let Some(edited) = edited else {
                text.push_str(document);
                continue;
            };
            text.push_str(edited.document.text);
            for (Range { start, end }, new) in edited.splices() {
                match splices.last_mut() {
                    // What meets is one: whether the second begins a line is for the first to say.
                    Some((before, text)) if before.end == offset + start => {
                        before.end = offset + end;
                        text.push_str(new);
                    }
                    _ => splices.push((offset + start..offset + end, new.to_owned())),
                }
            }
        }
        if splices.is_empty() {
            return Ok(None);
        }
        let splices = splices.into_iter().map(|(range, text)| (range, text.into())).collect();
        Ok(Some(value.change_text(splices, text.into())))
    }

    /// Plans one document of a text, and edits it.
    fn document(
        &mut self,
        filter: &Prefilter,
        planner: &mut EditPlanner<'_>,
        embedded: EmbeddedDocument<'_>,
        text: &str,
        after_directives: bool,
        counts: &mut TargetCounts,
    ) -> Result<Option<Edited<'_>>> {
        let relevance = filter.relevance_of_embedded(text.as_bytes(), embedded.is_named());
        let Some(document) = open(relevance, text, &mut self.before)? else { return Ok(None) };
        let plan = planner.plan_embedded(document, embedded)?;
        counts.targets += usize::from(!plan.targets.is_empty());
        counts.containers += plan.containers;
        counts.fully_injected += plan.fully_injected;
        if plan.edits.is_empty() {
            return Ok(None);
        }
        refuse_directives(after_directives)?;
        self.editor.apply(document, &plan.edits).map(Some)
    }
}
