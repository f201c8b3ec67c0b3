//! Plans and edits one document.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Document, Editor, NodeArena, NodeKind};

use super::embedded::{EmbeddedEditor, EmbeddedEdits};
use super::outcome::{DocumentOutcome, TargetCounts};
use super::parse::{Directives, parse_if_relevant, refuse_directives};
use super::passes::PassFindings;
use crate::inject::{EditPlan, EditPlanner, Injection, PassContext, Prefilter, Relevance, hashed_name};

/// Plans and edits documents, one document at a time, and reuses its memory.
pub(super) struct DocumentPlanner<'i> {
    injection: &'i Injection,
    prefilter: Prefilter,
    pub(super) edit_planner: EditPlanner<'i>,
    arena: NodeArena,
    editor: Editor,
    embedded_editor: EmbeddedEditor,
    directives: Directives,
    findings: PassFindings,
}

impl<'i> DocumentPlanner<'i> {
    /// Creates a planner. `context` holds the facts that the previous pass found.
    pub(super) fn new(injection: &'i Injection, context: PassContext) -> Self {
        DocumentPlanner {
            injection,
            prefilter: Prefilter::new(injection),
            edit_planner: EditPlanner::new(injection, context),
            arena: NodeArena::default(),
            editor: Editor::default(),
            embedded_editor: EmbeddedEditor::default(),
            directives: Directives::default(),
            findings: PassFindings::default(),
        }
    }

    /// Begins the next input. Directives of the previous input do not apply to it.
    pub(super) fn begin_stream(&mut self) {
        self.directives = Directives::default();
    }

    /// Returns the facts found in all documents.
    pub(super) fn into_findings(self) -> PassFindings {
        PassFindings { agent_gets_settings: self.edit_planner.agent_gets_settings, ..self.findings }
    }

    /// Plans and edits the next document of the input.
    pub(super) fn plan_and_edit(&mut self, text: &str) -> Result<DocumentOutcome<'_>> {
        let after_directives = self.directives.may_precede(text);
        let map_changes = !self.edit_planner.context().changed_config_maps.is_empty();
        let relevance = self.prefilter.relevance(text.as_bytes(), after_directives, map_changes);
        let Some(document) = parse_if_relevant(&self.prefilter, relevance, text, &mut self.arena)? else {
            return Ok(DocumentOutcome::default());
        };
        let mut plan = match relevance {
            Relevance::UsesConfigMap => self.edit_planner.plan_checksums(document)?,
            _ => self.edit_planner.plan_document(document, &[])?,
        };
        let mut counts = TargetCounts {
            targets: plan.targets.len(),
            containers: plan.containers,
            fully_injected: plan.fully_injected,
        };
        let by_fallback = document.arena.fallback_reason().is_some();
        let embedded = std::mem::take(&mut plan.embedded);
        self.findings.has_embedded |= !embedded.is_empty();
        let EmbeddedEdits { edits, config_maps } =
            self.embedded_editor.plan_all(&self.prefilter, &mut self.edit_planner, document, &embedded, &mut counts)?;
        plan.add_edits(edits.iter().cloned())?;
        if self.injection.metadata.append_hash && !plan.targets.is_empty() {
            let names = match plan.edits.is_empty() {
                true => hash_job_names(document, &plan)?,
                false => {
                    refuse_directives(after_directives)?;
                    hash_job_names(self.editor.apply(document, &plan.edits)?.document, &plan)?
                }
            };
            plan = self.edit_planner.plan_document(document, &names)?;
            plan.add_edits(edits)?;
        }
        if plan.edits.is_empty() {
            return Ok(DocumentOutcome { counts, edited: None, by_fallback });
        }
        refuse_directives(after_directives)?;
        let edited = self.editor.apply(document, &plan.edits)?;
        if !config_maps.is_empty() {
            let objects = objects(edited.document)?;
            let changed = config_maps.iter().filter_map(|&position| objects.get(position));
            changed.for_each(|map| self.findings.changed_config_maps.add(map));
        }
        Ok(DocumentOutcome { counts, edited: Some(edited), by_fallback })
    }
}

/// Returns a name for each target, in document order: the hashed name of a Job, or `None` for another kind.
///
/// Objects of other kinds can be changed on the server and keep their names: a CronJob with a new name would run in
/// addition to the old CronJob.
fn hash_job_names(document: Document<'_>, plan: &EditPlan<'_>) -> Result<Vec<Option<String>>> {
    let objects = objects(document)?;
    let targets = plan.targets.iter().filter_map(|&position| objects.get(position));
    targets.map(|object| if object.kind == "Job" { hashed_name(object).map(Some) } else { Ok(None) }).collect()
}

/// Returns whether a document ends inside a block scalar. A line break that is added to such a document becomes part of
/// the scalar.
pub(super) fn ends_in_block_scalar(text: &str) -> bool {
    let mut arena = NodeArena::default();
    if jobplate_yaml::read(text, &mut arena).is_err() {
        return false;
    }
    let last = Document::new(text, &arena).root().descendants().last();
    last.is_some_and(|node| {
        matches!(node.kind(), NodeKind::Literal | NodeKind::Folded) && node.span().end == text.len()
    })
}
