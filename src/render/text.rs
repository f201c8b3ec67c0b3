//! Documents inside of a document: a text in the data of a ConfigMap, planned and proven as a stream of its own.

use std::ops::Range;

use jobplate_diagnostic::Result;
use jobplate_yaml::{Change, Document, Documents, Inner, Node};

use super::desk::{Desk, Directives, Words};
use super::document::Outcome;
use crate::inject::{EmbeddedText, Filter, Planner};

impl Desk {
    /// Plans the documents that a scalar's text is, and verifies them: how the text changes, if it does. Errors
    /// have their place in the document around it.
    pub(super) fn text(
        &mut self,
        filter: &Filter,
        planner: &mut Planner<'_>,
        embedded: EmbeddedText,
        value: Node<'_>,
        outcome: &mut Outcome,
    ) -> Result<Option<Change>> {
        let inner = Inner::new(value);
        let mut documents = Documents::new(inner.text().as_bytes(), usize::MAX);
        let (mut splices, mut text) = (Vec::<(Range<usize>, String)>::new(), String::new());
        let mut directives = Directives::default();
        // It is in memory: there is nothing that could fail to be read.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let document = &inner.text()[offset..offset + chunk.bytes.len()];
            let behind_directives = directives.before(document);
            let edited = self.inner_document(filter, planner, embedded, document, behind_directives, outcome);
            let edited = edited.map_err(|error| {
                let outside = |at: usize| inner.outside(offset + at);
                error.moved(|span| outside(span.start)..outside(span.end)).at(value.span())
            })?;
            if !edited {
                text.push_str(document);
                continue;
            }
            text.push_str(&self.edited);
            for (Range { start, end }, new) in self.splices.iter() {
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
        Ok(Some(Change::Text { splices, text: text.into() }))
    }

    /// Plans one document of a text; whether it is edited.
    fn inner_document(
        &mut self,
        filter: &Filter,
        planner: &mut Planner<'_>,
        embedded: EmbeddedText,
        text: &str,
        behind_directives: bool,
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let named = match embedded.is_named() {
            true => filter.names_containers(text.as_bytes()),
            false => filter.names_target(text.as_bytes()),
        };
        let words = if named { Words::Target } else { Words::None };
        let Some(reading) = self.open(filter, words, text, behind_directives)? else { return Ok(false) };
        let plan = planner.plan_text(Document::new(text, &self.before), embedded)?;
        outcome.targets += usize::from(!plan.targets.is_empty());
        outcome.containers += plan.containers;
        outcome.complete += plan.complete;
        if plan.edits.is_empty() {
            return Ok(false);
        }
        self.make(text, &plan.edits, reading)?;
        Ok(true)
    }
}
