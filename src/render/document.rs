//! One document: does it have a target, which edits does it need, is the edited text proven right.

use std::ops::Range;

use crate::error::{Error, Kind, Result};
use crate::inject::{ChangedMaps, EmbeddedText, Filter, Injection, Known, Plan, Planner, hashed_name};
use crate::manifest::object::objects;
use crate::yaml::{self, Change, Document, Documents, Inner, Node, Splices, StepBack, Tape};

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
    inner: Desk,
    /// The document before was nothing but directives (`%YAML`), which hold for the next one.
    directives: bool,
    /// The ConfigMaps whose data were changed so far.
    changed: ChangedMaps,
    /// Whether a text of a ConfigMap was a target so far.
    has_embedded: bool,
    /// Whether there was anything so far that could be a pod which uses a ConfigMap.
    uses_maps: bool,
}

/// A document before and after its edits.
#[derive(Default)]
struct Desk {
    before: Tape,
    after: Tape,
    splices: Splices,
    edited: String,
}

impl<'i> Engine<'i> {
    /// `known`: what the pass before this one has found out.
    pub(super) fn new(injection: &'i Injection, known: Known) -> Self {
        Engine {
            injection,
            filter: Filter::new(injection),
            planner: Planner::new(injection, known),
            desk: Desk::default(),
            inner: Desk::default(),
            directives: false,
            changed: ChangedMaps::default(),
            has_embedded: false,
            uses_maps: false,
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
        self.directives = false;
    }

    /// Ends the pass. Where it has found out what it should have known before, gives that: another pass has
    /// to be made.
    pub(super) fn end_pass(&mut self) -> Option<Known> {
        let known = self.planner.known();
        let found = Known {
            changed: if self.uses_maps { std::mem::take(&mut self.changed) } else { ChangedMaps::default() },
            // It makes a difference only where there is something to change in a ConfigMap.
            agent: known.agent || self.planner.agent && self.has_embedded,
        };
        (found != *known).then_some(found)
    }

    /// Plans one document, and verifies the edited text.
    pub(super) fn document(&mut self, text: &str) -> Result<Outcome> {
        let behind_directives = std::mem::replace(&mut self.directives, may_have_directive(text));
        let bytes = text.as_bytes();
        let containers = self.filter.names_containers(bytes);
        let uses_map = containers && self.filter.names_config_map(bytes);
        self.uses_maps |= uses_map;
        let rolls = uses_map && !self.planner.known().changed.is_empty();
        let named = containers && (rolls || self.filter.names_kind(bytes));
        let Some(by_fallback) = open(&self.filter, named, text, &mut self.desk.before)? else {
            return Ok(Outcome::default());
        };
        let mut first = self.planner.plan(Document::new(text, &self.desk.before), &[])?;
        let mut outcome = Outcome {
            targets: first.targets.len(),
            containers: first.containers,
            complete: first.complete,
            edited: false,
            by_fallback: by_fallback.is_some(),
        };
        let texts = std::mem::take(&mut first.embedded);
        let (embedded, maps) = self.embedded(text, &texts, &mut outcome)?;
        first.edits.extend(embedded.iter().cloned());
        first.edits.sort_by_key(|edit| edit.node);
        let mut edits = first.edits;
        if self.injection.names.hash && !first.targets.is_empty() {
            let names = self.hashed_names(text, &Plan { edits, ..first }, by_fallback)?;
            edits = self.planner.plan(Document::new(text, &self.desk.before), &names)?.edits;
            edits.extend(embedded);
            edits.sort_by_key(|edit| edit.node);
        }
        if edits.is_empty() {
            return Ok(outcome);
        }
        if behind_directives {
            return Err(directive());
        }
        if by_fallback.is_some() {
            refuse_foreign_keys(Document::new(text, &self.desk.before))?;
        }
        self.desk.make(text, &edits, by_fallback)?;
        if !maps.is_empty() {
            let objects = objects(Document::new(&self.desk.edited, &self.desk.after))?;
            maps.iter().filter_map(|&position| objects.get(position)).for_each(|map| self.changed.add(map));
        }
        outcome.edited = true;
        Ok(outcome)
    }

    /// The edits for texts that are documents of their own, and for the ConfigMaps around them; and the
    /// positions of those whose data change.
    fn embedded(
        &mut self,
        text: &str,
        texts: &[EmbeddedText],
        outcome: &mut Outcome,
    ) -> Result<(Vec<yaml::Edit>, Vec<usize>)> {
        let (mut edits, mut maps, mut around) = (Vec::new(), Vec::new(), Vec::new());
        if texts.is_empty() {
            return Ok((edits, maps));
        }
        let document = Document::new(text, &self.desk.before);
        for &embedded in texts {
            let value = document.node(embedded.value);
            let before = outcome.targets;
            if let Some(change) = self.inner.text(&self.filter, &mut self.planner, embedded, value, outcome)? {
                edits.push(yaml::Edit { node: embedded.value, change });
                maps.push(embedded.object);
            }
            if outcome.targets > before {
                around.push(embedded.object);
            }
        }
        around.dedup();
        maps.dedup();
        self.has_embedded |= !around.is_empty();
        let objects = objects(document)?;
        for object in around.iter().filter_map(|&position| objects.get(position)) {
            self.planner.plan_around(object, &mut edits)?;
        }
        Ok((edits, maps))
    }

    /// The final names of the targets, from the values that the edits give them.
    fn hashed_names(&mut self, text: &str, plan: &Plan, by_fallback: Option<StepBack>) -> Result<Vec<Option<String>>> {
        if plan.edits.is_empty() {
            return names_of(Document::new(text, &self.desk.before), plan);
        }
        self.desk.make(text, &plan.edits, by_fallback)?;
        names_of(Document::new(&self.desk.edited, &self.desk.after), plan)
    }
}

/// Whether a text could be a directive (`%YAML`), which holds for the document behind it.
fn may_have_directive(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').starts_with('%') || text.contains("\n%")
}

fn directive() -> Error {
    Error::refused("a directive (`%`) stands before this document, and Kubernetes refuses those")
        .at(0..3)
        .hint("remove the line that begins with `%`")
}

/// Reads a document into a tape, and says whether the fallback had to; nothing where it can't have a target.
///
/// `named`: it holds the words of a target as they are, so that it must be read.
fn open(filter: &Filter, named: bool, text: &str, tape: &mut Tape) -> Result<Option<Option<StepBack>>> {
    if !named && !filter.may_hide_words(text.as_bytes()) {
        return Ok(None);
    }
    let read = yaml::read(text, tape);
    if named
        && !matches!(read, Ok(None))
        && let Err(refusal) = yaml::admit(text)
    {
        return Err(not_admitted(refusal));
    }
    match read {
        Ok(by_fallback) => Ok(Some(by_fallback)),
        // Hidden or not, a target's containers are there to be seen, or the document has none.
        Err(step_back) if named || filter.names_containers(text.as_bytes()) => Err(unreadable(text, step_back)),
        Err(_) => Ok(None),
    }
}

impl Desk {
    /// Makes the edits in `self.edited`, and proves that they are what was asked.
    fn make(&mut self, text: &str, edits: &[yaml::Edit], by_fallback: Option<StepBack>) -> Result<()> {
        let before = Document::new(text, &self.before);
        yaml::layout(before, edits, &mut self.splices)?;
        self.edited.clear();
        self.splices.apply(text, &mut self.edited);
        let Some(step_back) = by_fallback else {
            let read = yaml::scan(&self.edited, &mut self.after).map_err(|step_back| step_back.offset);
            let verified = read.and_then(|()| {
                yaml::verify(before, edits, Document::new(&self.edited, &self.after))
                    .map_err(|mismatch| mismatch.offset)
            });
            return verified.map_err(|offset| not_verified(before, edits, source_offset(&self.splices, offset)));
        };
        let proven = yaml::parse_with_granit(&self.edited, &mut self.after).is_ok()
            && yaml::verify(before, edits, Document::new(&self.edited, &self.after)).is_ok()
            && yaml::witness_agrees(before, edits, &self.edited);
        if proven {
            return Ok(());
        }
        Err(Error::refused(format!("the edit can't be proven right in a document with {}", step_back.reason))
            .at(step_back.offset..step_back.offset)
            .hint("write that part in a more usual way"))
    }

    /// Plans the documents that a scalar's text is, and verifies them: how the text changes, if it does.
    fn text(
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
        let mut directives = false;
        // It is in memory: there is nothing that could fail to be read.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let document = &inner.text()[offset..offset + chunk.bytes.len()];
            let behind_directives = std::mem::replace(&mut directives, may_have_directive(document));
            let edited = self.inner_document(filter, planner, embedded, document, outcome);
            let edited = if behind_directives && matches!(edited, Ok(true)) { Err(directive()) } else { edited };
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
        outcome: &mut Outcome,
    ) -> Result<bool> {
        let named = match embedded.is_named() {
            true => filter.names_containers(text.as_bytes()),
            false => filter.names_target(text.as_bytes()),
        };
        let Some(by_fallback) = open(filter, named, text, &mut self.before)? else { return Ok(false) };
        let plan = planner.embedded(Document::new(text, &self.before), embedded)?;
        outcome.targets += usize::from(!plan.targets.is_empty());
        outcome.containers += plan.containers;
        outcome.complete += plan.complete;
        if plan.edits.is_empty() {
            return Ok(false);
        }
        if by_fallback.is_some() {
            refuse_foreign_keys(Document::new(text, &self.before))?;
        }
        self.make(text, &plan.edits, by_fallback)?;
        Ok(true)
    }
}

/// An edit that does not mean what was asked: a bug, but for the text of a scalar, whose style may be one that
/// can't hold it.
fn not_verified(before: Document<'_>, edits: &[yaml::Edit], at: Range<usize>) -> Error {
    let text = edits.iter().find(|edit| matches!(edit.change, Change::Text { .. }));
    match text.map(|edit| before.node(edit.node)).filter(|node| node.kind() != yaml::Kind::Literal) {
        Some(node) => Error::refused("the edit can't be proven right in a text of this style")
            .at(node.span())
            .hint("write it as a block: put `|` behind the key, and the text in the lines below"),
        None => Error::new(Kind::Internal, "an edit failed its own verification; nothing was written")
            .at(at)
            .hint("please report this, with the lines around that place and the command"),
    }
}

/// The hashed names of the Jobs among the targets. Other kinds can be changed, and keep their names: a
/// CronJob of another name would run beside the old one.
fn names_of(document: Document<'_>, plan: &Plan) -> Result<Vec<Option<String>>> {
    let objects = objects(document)?;
    let targets = plan.targets.iter().filter_map(|&position| objects.get(position));
    targets.map(|object| if object.kind == "Job" { hashed_name(object).map(Some) } else { Ok(None) }).collect()
}

/// A character that readers take differently, in a document that may hold a target.
fn not_admitted(refusal: yaml::NotAdmitted) -> Error {
    Error::refused(format!("{}, in a document that may have to be edited", refusal.reason))
        .at(refusal.span)
        .hint("remove that character")
}

/// A mapping or list as a key: YAML takes it, Kubernetes does not. Mostly it is a template's `{{ }}`.
fn refuse_foreign_keys(document: Document<'_>) -> Result<()> {
    let mut keys = document.root().descendants().flat_map(|node| node.entries()).map(|(key, _)| key);
    match keys.find(|key| matches!(key.kind(), yaml::Kind::Map | yaml::Kind::Seq)) {
        None => Ok(()),
        Some(key) => {
            Err(Error::input("a mapping or list stands where a key is expected, which Kubernetes does not read")
                .at(key.span())
                .hint("if this is a template (`{{ }}`), render it first: `helm template ... | jobplate render -`"))
        }
    }
}

/// The place in the original that an offset in the edited text comes from.
fn source_offset(splices: &Splices, edited: usize) -> Range<usize> {
    let mut grown = 0usize;
    for (range, text) in splices.iter() {
        if range.start + grown + text.len() > edited {
            return range;
        }
        grown = (grown + text.len()).saturating_sub(range.len());
    }
    let at = edited.saturating_sub(grown);
    at..at
}

/// A document that may hold a target and that neither parser reads.
fn unreadable(text: &str, step_back: StepBack) -> Error {
    let hint = if step_back.reason.contains("{{") {
        "this is a template, not yet YAML: render it first (`helm template ... | jobplate render -`)"
    } else if step_back.reason.contains("tab") {
        "indent with spaces"
    } else if step_back.reason.contains("quote") {
        "close the quote, or check the quotes before it"
    } else {
        "mend this place; documents without a target would pass as they are"
    };
    let end = (step_back.offset + 1).min(text.len());
    Error::input(format!("this is no YAML that could be edited: {}", step_back.reason))
        .at(step_back.offset..end)
        .hint(hint)
}

/// Whether the last thing in a text is a block scalar, to which a further line break would belong.
pub(super) fn ends_in_block_scalar(text: &str) -> bool {
    let mut tape = Tape::default();
    if yaml::read(text, &mut tape).is_err() {
        return false;
    }
    let last = Document::new(text, &tape).root().descendants().last();
    last.is_some_and(|node| {
        matches!(node.kind(), yaml::Kind::Literal | yaml::Kind::Folded) && node.span().end == text.len()
    })
}
