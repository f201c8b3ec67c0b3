//! Plans and edits the documents in strings of a document. Each scalar is a separate stream.

use std::ops::Range;

use jobplate_diagnostic::{Diagnostic, Result};
use jobplate_manifest::object::objects;
use jobplate_yaml::{DecodedScalar, Document, Documents, Edit, Edited, Editor, NodeArena};

use super::outcome::TargetCounts;
use super::parse::{Directives, parse_if_relevant, refuse_directives};
use crate::inject::{AddedSize, EditPlanner, EmbeddedDocument, Prefilter};

/// Plans and edits embedded documents, one document at a time, and reuses its memory.
#[derive(Default)]
pub(super) struct EmbeddedEditor {
    arena: NodeArena,
    editor: Editor,
    /// The editor of the documents in strings of an embedded document: the template in values that are a string.
    inner: Option<Box<EmbeddedEditor>>,
}

/// The edits needed for the documents that are embedded in a document.
#[derive(Default)]
pub(super) struct EmbeddedEdits {
    /// The edits of the scalars and of the metadata of the objects that contain them.
    pub edits: Vec<Edit>,
    pub counts: TargetCounts,
    /// The indices, in the document's objects, of the objects whose strings change.
    pub objects: Vec<usize>,
    /// The indices, in the document's objects, of the objects with targets that need no edits.
    pub unchanged: Vec<usize>,
    /// Diagnostics about the embedded documents, with their byte ranges in the document that contains them.
    pub diagnostics: Vec<(Diagnostic, Range<usize>)>,
}

impl EmbeddedEditor {
    /// Plans all documents that are embedded in a document. Returns no edits in the pass that searches for an agent,
    /// because the edits depend on its result.
    pub(super) fn plan_all(
        &mut self,
        prefilter: &Prefilter,
        edit_planner: &mut EditPlanner<'_>,
        document: Document<'_>,
        embedded: &[EmbeddedDocument<'_>],
    ) -> Result<EmbeddedEdits> {
        let mut planned = EmbeddedEdits::default();
        if embedded.is_empty() || edit_planner.context().agent_gets_settings.is_none() {
            return Ok(planned);
        }
        // The objects with targets, each with the number of its targets in scalars that do not change.
        let mut with_targets: Vec<(usize, usize)> = Vec::new();
        let mut added = AddedSize::default();
        let objects = objects(document)?;
        for &embedded in embedded {
            let (targets_before, changed_before) = (planned.counts.targets, planned.counts.changed);
            let edit = self.plan_scalar(prefilter, edit_planner, embedded, &mut planned, &mut added)?;
            let counts = &mut planned.counts;
            if let Some(edit) = edit {
                counts.changed += counts.targets - targets_before;
                planned.edits.push(edit);
                planned.objects.push(embedded.object);
            }
            if counts.targets > targets_before {
                let kept = (counts.targets - targets_before) - (counts.changed - changed_before);
                match with_targets.last_mut() {
                    Some((position, count)) if *position == embedded.object => *count += kept,
                    _ => with_targets.push((embedded.object, kept)),
                }
                let key = embedded.key.text().unwrap_or_default();
                edit_planner.mark_embedded_matched(&objects[embedded.object], &key);
            }
        }
        planned.objects.dedup();
        for (position, kept) in with_targets {
            let count = planned.edits.len();
            edit_planner.plan_outer_metadata(&objects[position], &mut planned.edits)?;
            if planned.edits.len() > count {
                // The metadata belong to all targets of the object.
                planned.counts.changed += kept;
            } else if planned.objects.binary_search(&position).is_err() {
                planned.unchanged.push(position);
            }
        }
        Ok(planned)
    }

    /// Plans and edits the documents in a scalar. Returns the scalar's edit, or `None` if the scalar does not change.
    /// Adds the targets and diagnostics to `planned`.
    ///
    /// Errors and diagnostics have a span of the document that contains the scalar.
    fn plan_scalar(
        &mut self,
        prefilter: &Prefilter,
        edit_planner: &mut EditPlanner<'_>,
        embedded: EmbeddedDocument<'_>,
        planned: &mut EmbeddedEdits,
        added: &mut AddedSize,
    ) -> Result<Option<Edit>> {
        let value = embedded.value;
        let decoded = DecodedScalar::new(*value);
        let mut documents = Documents::new(decoded.text().as_bytes(), usize::MAX);
        let (mut splices, mut text) = (Vec::<(Range<usize>, String)>::new(), String::new());
        let mut directives = Directives::default();
        // Reading from memory cannot fail, so an error is not handled.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let document = &decoded.text()[offset..offset + chunk.bytes.len()];
            let after_directives = directives.may_precede(document);
            let source_range = |span: Range<usize>| {
                let source_offset = |at: usize| decoded.source_offset(offset + at);
                source_offset(span.start)..source_offset(span.end)
            };
            let first_diagnostic = planned.diagnostics.len();
            let edited = self.plan_and_edit(prefilter, edit_planner, embedded, document, after_directives, planned);
            let edited = edited.map_err(|error| error.map_span(source_range).at(value.span()))?;
            for (_, span) in &mut planned.diagnostics[first_diagnostic..] {
                *span = source_range(span.clone());
            }
            let Some(edited) = edited else {
                text.push_str(document);
                continue;
            };
            text.push_str(edited.document.text);
            for (Range { start, end }, replacement) in edited.splices() {
                added.add_bytes(replacement.len()).map_err(|error| error.at(value.span()))?;
                match splices.last_mut() {
                    // Adjacent splices are joined, because the first one determines whether the second one begins a
                    // line.
                    Some((before, text)) if before.end == offset + start => {
                        before.end = offset + end;
                        text.push_str(replacement);
                    }
                    _ => splices.push((offset + start..offset + end, replacement.to_owned())),
                }
            }
        }
        if splices.is_empty() {
            return Ok(None);
        }
        let splices = splices.into_iter().map(|(range, text)| (range, text.into())).collect();
        Ok(Some(value.change_text(splices, text.into())))
    }

    /// Plans and edits one document of a scalar. Returns `None` if the document does not change. Adds the targets and
    /// diagnostics to `planned`; the diagnostics have a span of the document.
    fn plan_and_edit(
        &mut self,
        prefilter: &Prefilter,
        edit_planner: &mut EditPlanner<'_>,
        embedded: EmbeddedDocument<'_>,
        text: &str,
        after_directives: bool,
        planned: &mut EmbeddedEdits,
    ) -> Result<Option<Edited<'_>>> {
        let relevance = prefilter.relevance_of_embedded(text.as_bytes(), after_directives, embedded.is_named());
        let Some(document) = parse_if_relevant(prefilter, relevance, text, &mut self.arena)? else { return Ok(None) };
        let mut plan = edit_planner.plan_embedded(document, embedded)?;
        if !plan.embedded.is_empty() {
            let inner = self.inner.get_or_insert_default();
            let found = std::mem::take(&mut plan.embedded);
            let inner = inner.plan_all(prefilter, edit_planner, document, &found)?;
            plan.add_edits(inner.edits)?;
            plan.diagnostics.extend(inner.diagnostics);
            let counts = TargetCounts { changed: 0, ..inner.counts };
            planned.counts.add(&counts);
        }
        planned.counts.targets += usize::from(!plan.targets.is_empty());
        planned.counts.containers += plan.containers;
        planned.counts.fully_injected += plan.fully_injected;
        planned.diagnostics.extend(plan.diagnostics);
        if plan.edits.is_empty() {
            return Ok(None);
        }
        refuse_directives(after_directives)?;
        self.editor.apply(document, &plan.edits).map(Some)
    }
}
