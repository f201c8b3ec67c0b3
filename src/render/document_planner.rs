//! One document: does it have a target, which edits does it need, and the text with them.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Document, Edit, Editor, NodeArena};

use super::embedded::EmbeddedEditor;
use super::outcome::{DocumentOutcome, TargetCounts};
use super::parse::{Directives, open, refuse_directives};
use super::passes::PassFindings;
use crate::inject::{
    EditPlan, EditPlanner, EmbeddedDocument, Injection, PassContext, Prefilter, Relevance, hashed_name,
};

/// Plans and edits documents, one after the other, with reused memory.
pub(super) struct DocumentPlanner<'i> {
    injection: &'i Injection,
    filter: Prefilter,
    pub(super) planner: EditPlanner<'i>,
    before: NodeArena,
    editor: Editor,
    /// For the documents inside of a document's texts.
    texts: EmbeddedEditor,
    directives: Directives,
    found: PassFindings,
}

impl<'i> DocumentPlanner<'i> {
    /// `known`: what the pass before this one has found out.
    pub(super) fn new(injection: &'i Injection, known: PassContext) -> Self {
        DocumentPlanner {
            injection,
            filter: Prefilter::new(injection),
            planner: EditPlanner::new(injection, known),
            before: NodeArena::default(),
            editor: Editor::default(),
            texts: EmbeddedEditor::default(),
            directives: Directives::default(),
            found: PassFindings::default(),
        }
    }

    /// Another input begins: nothing of the one before holds on.
    pub(super) fn begin_stream(&mut self) {
        self.directives = Directives::default();
    }

    /// What it has found so far.
    pub(super) fn findings(self) -> PassFindings {
        PassFindings { agent: self.planner.found_agent, ..self.found }
    }

    /// Plans one document, and edits it.
    pub(super) fn document(&mut self, text: &str) -> Result<DocumentOutcome<'_>> {
        let after_directives = self.directives.before(text);
        let map_changes = !self.planner.context().changed.is_empty();
        let relevance = self.filter.relevance(text.as_bytes(), map_changes);
        let Some(document) = open(relevance, text, &mut self.before)? else {
            return Ok(DocumentOutcome::default());
        };
        let mut plan = match relevance {
            Relevance::UsesConfigMap => self.planner.plan_checksums(document)?,
            _ => self.planner.plan_document(document, &[])?,
        };
        let mut counts = TargetCounts {
            targets: plan.targets.len(),
            containers: plan.containers,
            fully_injected: plan.fully_injected,
        };
        let by_fallback = document.arena.fallback_reason().is_some();
        let texts = std::mem::take(&mut plan.embedded);
        self.found.texts |= !texts.is_empty();
        let EmbeddedEdits { edits, maps } =
            plan_texts(&mut self.texts, &self.filter, &mut self.planner, document, &texts, &mut counts)?;
        plan.add_edits(edits.iter().cloned())?;
        if self.injection.metadata.hash && !plan.targets.is_empty() {
            let names = match plan.edits.is_empty() {
                true => names_of(document, &plan)?,
                false => {
                    refuse_directives(after_directives)?;
                    names_of(self.editor.apply(document, &plan.edits)?.document, &plan)?
                }
            };
            plan = self.planner.plan_document(document, &names)?;
            plan.add_edits(edits)?;
        }
        if plan.edits.is_empty() {
            return Ok(DocumentOutcome { counts, edited: None, by_fallback });
        }
        refuse_directives(after_directives)?;
        let edited = self.editor.apply(document, &plan.edits)?;
        if !maps.is_empty() {
            let objects = objects(edited.document)?;
            maps.iter().filter_map(|&position| objects.get(position)).for_each(|map| self.found.changed.add(map));
        }
        Ok(DocumentOutcome { counts, edited: Some(edited), by_fallback })
    }
}

/// What the texts of a document, which are documents of their own, need.
#[derive(Default)]
struct EmbeddedEdits {
    /// Edits of the texts, and of the ConfigMaps around them.
    edits: Vec<Edit>,
    /// The positions of the ConfigMaps whose data change.
    maps: Vec<usize>,
}

fn plan_texts(
    editor: &mut EmbeddedEditor,
    filter: &Prefilter,
    planner: &mut EditPlanner<'_>,
    document: Document<'_>,
    texts: &[EmbeddedDocument<'_>],
    counts: &mut TargetCounts,
) -> Result<EmbeddedEdits> {
    let mut planned = EmbeddedEdits::default();
    if texts.is_empty() || planner.context().agent.is_none() {
        return Ok(planned);
    }
    let EmbeddedEdits { edits, maps } = &mut planned;
    let mut around = Vec::new();
    let objects = objects(document)?;
    for &embedded in texts {
        let before = counts.targets;
        if let Some(edit) = editor.edit(filter, planner, embedded, counts)? {
            edits.push(edit);
            maps.push(embedded.object);
        }
        if counts.targets > before {
            around.push(embedded.object);
            let key = embedded.key.text().unwrap_or_default();
            planner.mark_embedded_matched(&objects[embedded.object], &key);
        }
    }
    around.dedup();
    maps.dedup();
    for position in around {
        planner.plan_config_map_metadata(&objects[position], edits)?;
    }
    Ok(planned)
}

/// The hashed names of the Jobs among the targets. Other kinds can be changed, and keep their names: a
/// CronJob of another name would run beside the old one.
fn names_of(document: Document<'_>, plan: &EditPlan<'_>) -> Result<Vec<Option<String>>> {
    let objects = objects(document)?;
    let targets = plan.targets.iter().filter_map(|&position| objects.get(position));
    targets.map(|object| if object.kind == "Job" { hashed_name(object).map(Some) } else { Ok(None) }).collect()
}

/// Whether the last thing in a text is a block scalar, to which a further line break would belong.
pub(super) fn ends_in_block_scalar(text: &str) -> bool {
    let mut arena = NodeArena::default();
    if jobplate_yaml::read(text, &mut arena).is_err() {
        return false;
    }
    let last = Document::new(text, &arena).root().descendants().last();
    last.is_some_and(|node| {
        matches!(node.kind(), jobplate_yaml::NodeKind::Literal | jobplate_yaml::NodeKind::Folded)
            && node.span().end == text.len()
    })
}
