//! Plans and edits one document.

use jobplate_diagnostic::Result;
use jobplate_manifest::difference::ObjectName;
use jobplate_manifest::object::objects;
use jobplate_manifest::sops;
use jobplate_yaml::{Document, Editor, NodeArena, NodeKind};

use super::embedded::{EmbeddedEditor, EmbeddedEdits};
use super::outcome::{DocumentOutcome, TargetCounts};
use super::parse::{Directives, parse_if_relevant, refuse_directives};
use super::passes::PassFindings;
use super::unrecognized::{self, UnrecognizedFinder};
use crate::inject::{EditPlan, EditPlanner, Injection, PassContext, Prefilter, Relevance, hashed_name, template_kind};

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
    /// Whether objects whose kind is missing or misspelled are reported. False for manifests
    /// of third parties, such as Helm charts.
    reports_unrecognized: bool,
    unrecognized_finder: UnrecognizedFinder,
    /// Whether the targets that need no edits are collected.
    collects_unchanged: bool,
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
            reports_unrecognized: injection.needs_target() && !injection.no_default_targets,
            unrecognized_finder: UnrecognizedFinder::default(),
            collects_unchanged: false,
        }
    }

    /// Makes the planner collect the targets that need no edits.
    pub(super) fn collect_unchanged(&mut self) {
        self.collects_unchanged = true;
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
        if relevance == Relevance::None {
            let unrecognized =
                self.reports_unrecognized.then(|| self.unrecognized_finder.find(text, &mut self.arena)).flatten();
            let diagnostics = unrecognized.into_iter().collect();
            return Ok(DocumentOutcome { diagnostics, ..DocumentOutcome::default() });
        }
        let Some(document) = parse_if_relevant(&self.prefilter, relevance, text, &mut self.arena)? else {
            return Ok(DocumentOutcome::default());
        };
        let mut plan = match relevance {
            Relevance::UsesConfigMap => self.edit_planner.plan_checksums(document)?,
            _ => self.edit_planner.plan_document(document, &[])?,
        };
        let mut counts = TargetCounts {
            targets: plan.targets.len(),
            changed: 0,
            containers: plan.containers,
            fully_injected: plan.fully_injected,
        };
        let by_fallback = document.arena.fallback_reason().is_some();
        let embedded = std::mem::take(&mut plan.embedded);
        self.findings.has_embedded |= !embedded.is_empty();
        let planned = self.embedded_editor.plan_all(&self.prefilter, &mut self.edit_planner, document, &embedded)?;
        let EmbeddedEdits { edits, objects: outer, unchanged, .. } = planned;
        counts.add(&planned.counts);
        plan.add_edits(edits.iter().cloned())?;
        let has_no_target = counts.targets == 0 && plan.edits.is_empty();
        let mut diagnostics = std::mem::take(&mut plan.diagnostics);
        diagnostics.extend(planned.diagnostics);
        if has_no_target && self.reports_unrecognized {
            diagnostics.extend(unrecognized::find_in_document(document));
        }
        if self.injection.metadata.append_hash && !plan.targets.is_empty() {
            let names = hash_names(&mut self.editor, document, &plan, after_directives)?;
            plan = self.edit_planner.plan_document(document, &names)?;
            plan.add_edits(edits)?;
        }
        let unchanged = match self.collects_unchanged {
            true => name_unchanged_targets(document, &plan, &unchanged)?,
            false => Vec::new(),
        };
        if plan.edits.is_empty() {
            return Ok(DocumentOutcome { counts, edited: None, by_fallback, diagnostics, unchanged });
        }
        counts.changed += plan.targets.len() - unchanged_targets(document, &plan)?.len();
        refuse_directives(after_directives)?;
        sops::refuse_edit(document)?;
        let edited = self.editor.apply(document, &plan.edits)?;
        self.findings.add_config_maps(edited.document, &outer)?;
        Ok(DocumentOutcome { counts, edited: Some(edited), by_fallback, diagnostics, unchanged })
    }
}

/// Returns the indices of the targets that contain no edit. Embedded documents are not targets of the plan.
fn unchanged_targets(document: Document<'_>, plan: &EditPlan<'_>) -> Result<Vec<usize>> {
    let objects = objects(document)?;
    let is_unchanged = |position: &usize| {
        objects.get(*position).is_some_and(|object| {
            let first = plan.edits.partition_point(|edit| edit.node() < object.node.index());
            !plan.edits.get(first).is_some_and(|edit| object.node.contains(document.node(edit.node())))
        })
    };
    Ok(plan.targets.iter().copied().filter(is_unchanged).collect())
}

/// Returns the targets that contain no edit, and the objects at the indices `outer`, with their offsets in the document.
fn name_unchanged_targets(
    document: Document<'_>,
    plan: &EditPlan<'_>,
    outer: &[usize],
) -> Result<Vec<(ObjectName, usize)>> {
    let objects = objects(document)?;
    let positions = unchanged_targets(document, plan)?.into_iter().chain(outer.iter().copied());
    let unchanged = positions.filter_map(|position| objects.get(position));
    Ok(unchanged.map(|object| (ObjectName::new(object, &template_kind), object.node.span().start)).collect())
}

/// Returns the final names of the targets for `--name-hash`, like [`hash_job_names`]. `plan` has the other edits.
fn hash_names(
    editor: &mut Editor,
    document: Document<'_>,
    plan: &EditPlan<'_>,
    after_directives: bool,
) -> Result<Vec<Option<String>>> {
    if plan.edits.is_empty() {
        return hash_job_names(document, plan);
    }
    refuse_directives(after_directives)?;
    hash_job_names(editor.apply(document, &plan.edits)?.document, plan)
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
