//! One document: does it have a target, which edits does it need, and the text with them.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Document, Edit, Editor, NodeArena};

use super::open::{Directives, open, refuse_directives};
use super::outcome::{Counts, Outcome};
use super::passes::Findings;
use super::texts::TextEditor;
use crate::inject::{EmbeddedText, Filter, Injection, Known, Plan, Planner, Relevance, hashed_name};

/// Plans and edits documents, one after the other, with reused memory.
pub(super) struct Engine<'i> {
    injection: &'i Injection,
    filter: Filter,
    pub(super) planner: Planner<'i>,
    before: NodeArena,
    editor: Editor,
    /// For the documents inside of a document's texts.
    texts: TextEditor,
    directives: Directives,
    found: Findings,
}

impl<'i> Engine<'i> {
    /// `known`: what the pass before this one has found out.
    pub(super) fn new(injection: &'i Injection, known: Known) -> Self {
        Engine {
            injection,
            filter: Filter::new(injection),
            planner: Planner::new(injection, known),
            before: NodeArena::default(),
            editor: Editor::default(),
            texts: TextEditor::default(),
            directives: Directives::default(),
            found: Findings::default(),
        }
    }

    /// Another input begins: nothing of the one before holds on.
    pub(super) fn begin_stream(&mut self) {
        self.directives = Directives::default();
    }

    /// What it has found so far.
    pub(super) fn findings(self) -> Findings {
        Findings { agent: self.planner.found_agent, ..self.found }
    }

    /// Plans one document, and edits it.
    pub(super) fn document(&mut self, text: &str) -> Result<Outcome<'_>> {
        let behind_directives = self.directives.before(text);
        let map_changes = !self.planner.known().changed.is_empty();
        let relevance = self.filter.relevance(text.as_bytes(), map_changes);
        let Some(document) = open(relevance, text, &mut self.before)? else {
            return Ok(Outcome::default());
        };
        let mut plan = match relevance {
            Relevance::UsesMap => self.planner.plan_rolls(document)?,
            _ => self.planner.plan(document, &[])?,
        };
        let mut counts = Counts { targets: plan.targets.len(), containers: plan.containers, complete: plan.complete };
        let by_fallback = document.arena.fallback_reason().is_some();
        let texts = std::mem::take(&mut plan.texts);
        self.found.texts |= !texts.is_empty();
        let TextEdits { edits, maps } =
            plan_texts(&mut self.texts, &self.filter, &mut self.planner, document, &texts, &mut counts)?;
        plan.settle(edits.iter().cloned())?;
        if self.injection.names.hash && !plan.targets.is_empty() {
            let names = match plan.edits.is_empty() {
                true => names_of(document, &plan)?,
                false => {
                    refuse_directives(behind_directives)?;
                    names_of(self.editor.apply(document, &plan.edits)?.document, &plan)?
                }
            };
            plan = self.planner.plan(document, &names)?;
            plan.settle(edits)?;
        }
        if plan.edits.is_empty() {
            return Ok(Outcome { counts, edited: None, by_fallback });
        }
        refuse_directives(behind_directives)?;
        let edited = self.editor.apply(document, &plan.edits)?;
        if !maps.is_empty() {
            let objects = objects(edited.document)?;
            maps.iter().filter_map(|&position| objects.get(position)).for_each(|map| self.found.changed.add(map));
        }
        Ok(Outcome { counts, edited: Some(edited), by_fallback })
    }
}

/// What the texts of a document, which are documents of their own, need.
#[derive(Default)]
struct TextEdits {
    /// Edits of the texts, and of the ConfigMaps around them.
    edits: Vec<Edit>,
    /// The positions of the ConfigMaps whose data change.
    maps: Vec<usize>,
}

fn plan_texts(
    editor: &mut TextEditor,
    filter: &Filter,
    planner: &mut Planner<'_>,
    document: Document<'_>,
    texts: &[EmbeddedText<'_>],
    counts: &mut Counts,
) -> Result<TextEdits> {
    let mut planned = TextEdits::default();
    if texts.is_empty() || planner.known().agent.is_none() {
        return Ok(planned);
    }
    let TextEdits { edits, maps } = &mut planned;
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
            planner.match_text(&objects[embedded.object], &key);
        }
    }
    around.dedup();
    maps.dedup();
    for position in around {
        planner.plan_around(&objects[position], edits)?;
    }
    Ok(planned)
}

/// The hashed names of the Jobs among the targets. Other kinds can be changed, and keep their names: a
/// CronJob of another name would run beside the old one.
fn names_of(document: Document<'_>, plan: &Plan<'_>) -> Result<Vec<Option<String>>> {
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
