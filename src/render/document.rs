//! One document: does it have a target, which edits does it need, is the edited text proven right.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::objects;
use jobplate_yaml::{Document, Edit, Splices, Tape};

use super::desk::{Desk, Directives, Reading, Words};
use crate::inject::{ChangedMaps, EmbeddedText, Filter, Injection, Known, Plan, Planner, hashed_name};

/// What became of a document.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Objects in it that are targets; a text that is a document of its own counts as one.
    pub targets: usize,
    /// Containers selected in them.
    pub containers: usize,
    /// Those that get everything, not only Prefect's settings.
    pub complete: usize,
    /// Whether there are splices to make.
    pub edited: bool,
    /// Whether the scanner stepped back and the fallback read it.
    pub by_fallback: bool,
}

/// Plans and verifies documents, one after the other, with reused memory.
pub(super) struct Engine<'i> {
    injection: &'i Injection,
    filter: Filter,
    pub(super) planner: Planner<'i>,
    desk: Desk,
    /// For the documents inside of a document's texts.
    text_desk: Desk,
    directives: Directives,
    /// The ConfigMaps whose data were changed so far.
    changed: ChangedMaps,
    /// Whether there was a text so far that may be a target.
    has_texts: bool,
}

impl<'i> Engine<'i> {
    /// `known`: what the pass before this one has found out.
    pub(super) fn new(injection: &'i Injection, known: Known) -> Self {
        Engine {
            injection,
            filter: Filter::new(injection),
            planner: Planner::new(injection, known),
            desk: Desk::default(),
            text_desk: Desk::default(),
            directives: Directives::default(),
            changed: ChangedMaps::default(),
            has_texts: false,
        }
    }

    /// The splices of the document that was last edited.
    pub(super) fn splices(&self) -> &Splices {
        &self.desk.splices
    }

    /// The text of the document that was last edited.
    pub(super) fn edited_text(&self) -> &str {
        &self.desk.edited
    }

    /// Another input begins: nothing of the one before holds on.
    pub(super) fn begin_stream(&mut self) {
        self.directives = Directives::default();
    }

    /// Ends the pass. Where it has found out what it should have known before, gives that: another pass has
    /// to be made.
    pub(super) fn end_pass(&mut self) -> Option<Known> {
        let known = self.planner.known();
        if known.agent.is_none() {
            let agent = Some(self.planner.found_agent);
            return self.has_texts.then(|| Known { agent, ..Known::default() });
        }
        let changed = std::mem::take(&mut self.changed);
        (changed != known.changed).then_some(Known { changed, agent: known.agent })
    }

    /// Plans one document, and verifies the edited text.
    pub(super) fn document(&mut self, text: &str) -> Result<Outcome> {
        let behind_directives = self.directives.before(text);
        let words = self.words(text.as_bytes());
        let Some(reading) = self.desk.open(&self.filter, words, text, behind_directives)? else {
            return Ok(Outcome::default());
        };
        let document = Document::new(text, &self.desk.before);
        let mut plan = match words {
            Words::UsesMap => self.planner.plan_rolls(document)?,
            _ => self.planner.plan(document, &[])?,
        };
        let mut outcome = Outcome {
            targets: plan.targets.len(),
            containers: plan.containers,
            complete: plan.complete,
            edited: false,
            by_fallback: reading.by_fallback.is_some(),
        };
        let texts = std::mem::take(&mut plan.texts);
        self.has_texts |= !texts.is_empty();
        let (in_texts, maps) = self.texts(text, &texts, &mut outcome)?;
        plan.settle(in_texts.iter().cloned())?;
        if self.injection.names.hash && !plan.targets.is_empty() {
            let names = self.hashed_names(text, &plan, reading)?;
            plan = self.planner.plan(Document::new(text, &self.desk.before), &names)?;
            plan.settle(in_texts)?;
        }
        if plan.edits.is_empty() {
            return Ok(outcome);
        }
        self.desk.make(text, &plan.edits, reading)?;
        if !maps.is_empty() {
            let objects = objects(Document::new(&self.desk.edited, &self.desk.after))?;
            maps.iter().filter_map(|&position| objects.get(position)).for_each(|map| self.changed.add(map));
        }
        outcome.edited = true;
        Ok(outcome)
    }

    /// What the bytes of a document say. Without the word that all need, the others are not looked for.
    fn words(&self, text: &[u8]) -> Words {
        if !self.filter.names_containers(text) {
            return Words::None;
        }
        if self.filter.names_kind(text) {
            Words::Target
        } else if !self.planner.known().changed.is_empty()
            && self.filter.names_config_map(text)
            // One that may hide the words of a target is planned as a target in every pass.
            && !self.filter.may_hide_words(text)
        {
            Words::UsesMap
        } else {
            Words::None
        }
    }

    /// The edits for texts that are documents of their own, and for the ConfigMaps around them; and the
    /// positions of those whose data change.
    fn texts(&mut self, text: &str, texts: &[EmbeddedText], outcome: &mut Outcome) -> Result<(Vec<Edit>, Vec<usize>)> {
        let (mut edits, mut maps, mut around) = (Vec::new(), Vec::new(), Vec::new());
        if texts.is_empty() || self.planner.known().agent.is_none() {
            return Ok((edits, maps));
        }
        let document = Document::new(text, &self.desk.before);
        let objects = objects(document)?;
        for &embedded in texts {
            let value = document.node(embedded.value);
            let before = outcome.targets;
            if let Some(change) = self.text_desk.text(&self.filter, &mut self.planner, embedded, value, outcome)? {
                edits.push(Edit { node: embedded.value, change });
                maps.push(embedded.object);
            }
            if outcome.targets > before {
                around.push(embedded.object);
                let key = document.node(embedded.key).text().unwrap_or_default();
                self.planner.match_text(&objects[embedded.object], &key);
            }
        }
        around.dedup();
        maps.dedup();
        for position in around {
            self.planner.plan_around(&objects[position], &mut edits)?;
        }
        Ok((edits, maps))
    }

    /// The final names of the targets, from the values that the edits give them.
    fn hashed_names(&mut self, text: &str, plan: &Plan, reading: Reading) -> Result<Vec<Option<String>>> {
        if plan.edits.is_empty() {
            return names_of(Document::new(text, &self.desk.before), plan);
        }
        self.desk.make(text, &plan.edits, reading)?;
        names_of(Document::new(&self.desk.edited, &self.desk.after), plan)
    }
}

/// The hashed names of the Jobs among the targets. Other kinds can be changed, and keep their names: a
/// CronJob of another name would run beside the old one.
fn names_of(document: Document<'_>, plan: &Plan) -> Result<Vec<Option<String>>> {
    let objects = objects(document)?;
    let targets = plan.targets.iter().filter_map(|&position| objects.get(position));
    targets.map(|object| if object.kind == "Job" { hashed_name(object).map(Some) } else { Ok(None) }).collect()
}

/// Whether the last thing in a text is a block scalar, to which a further line break would belong.
pub(super) fn ends_in_block_scalar(text: &str) -> bool {
    let mut tape = Tape::default();
    if jobplate_yaml::read(text, &mut tape).is_err() {
        return false;
    }
    let last = Document::new(text, &tape).root().descendants().last();
    last.is_some_and(|node| {
        matches!(node.kind(), jobplate_yaml::Kind::Literal | jobplate_yaml::Kind::Folded)
            && node.span().end == text.len()
    })
}
