//! One document: does it have a target, which edits does it need, is the edited text proven right.

use crate::error::{Error, Kind, Result};
use crate::inject::{Filter, Injection, Plan, Planner, hashed_name};
use crate::manifest::object::objects;
use crate::yaml::{self, Document, Splices, StepBack, Tape};

/// What became of a document.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Objects in it that are targets.
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
    before: Tape,
    after: Tape,
    splices: Splices,
    edited: String,
    /// The document before was nothing but directives (`%YAML`), which hold for the next one.
    directives: bool,
}

impl<'i> Engine<'i> {
    pub(super) fn new(injection: &'i Injection) -> Self {
        Engine {
            injection,
            filter: Filter::new(injection),
            planner: Planner::new(injection),
            before: Tape::default(),
            after: Tape::default(),
            splices: Splices::default(),
            edited: String::new(),
            directives: false,
        }
    }

    /// The splices of the document that was last edited.
    pub(super) fn splices(&self) -> &Splices {
        &self.splices
    }

    /// The text of the document that was last edited.
    pub(super) fn edited_text(&self) -> &str {
        &self.edited
    }

    /// Another input begins: nothing of the one before holds on.
    pub(super) fn begin_stream(&mut self) {
        self.directives = false;
    }

    /// Plans one document, and verifies the edited text.
    pub(super) fn document(&mut self, text: &str) -> Result<Outcome> {
        let directive = text.trim_start_matches('\u{feff}').starts_with('%') || text.contains("\n%");
        let behind_directives = std::mem::replace(&mut self.directives, directive);
        let named = self.filter.names_target(text.as_bytes());
        if !named && !self.filter.may_hide_words(text.as_bytes()) {
            return Ok(Outcome::default());
        }
        let read = yaml::read(text, &mut self.before);
        if named
            && !matches!(read, Ok(None))
            && let Err(refusal) = yaml::admit(text)
        {
            return Err(not_admitted(refusal));
        }
        let by_fallback = match read {
            Ok(by_fallback) => by_fallback,
            // Hidden or not, a target's containers are there to be seen, or the document has none.
            Err(step_back) if named || self.filter.names_containers(text.as_bytes()) => {
                return Err(unreadable(text, step_back));
            }
            Err(_) => return Ok(Outcome::default()),
        };
        let document = Document::new(text, &self.before);
        let first = self.planner.plan(document, &[])?;
        let mut outcome = Outcome {
            targets: first.targets.len(),
            containers: first.containers,
            complete: first.complete,
            edited: false,
            by_fallback: by_fallback.is_some(),
        };
        let mut edits = first.edits;
        if self.injection.names.hash && !first.targets.is_empty() {
            let names = self.hashed_names(text, &Plan { edits, ..first }, by_fallback)?;
            edits = self.planner.plan(Document::new(text, &self.before), &names)?.edits;
        }
        if edits.is_empty() {
            return Ok(outcome);
        }
        if behind_directives {
            return Err(Error::refused("a directive (`%`) stands before this document, and Kubernetes refuses those")
                .at(0..3)
                .hint("remove the line that begins with `%`"));
        }
        if by_fallback.is_some() {
            refuse_foreign_keys(Document::new(text, &self.before))?;
        }
        self.make(text, &edits, by_fallback)?;
        outcome.edited = true;
        Ok(outcome)
    }

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
            return verified.map_err(|offset| {
                Error::new(Kind::Internal, "an edit failed its own verification; nothing was written")
                    .at(source_offset(&self.splices, offset))
                    .hint("please report this, with the lines around that place and the command")
            });
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

    /// The final names of the targets, from the values that the edits give them.
    fn hashed_names(&mut self, text: &str, plan: &Plan, by_fallback: Option<StepBack>) -> Result<Vec<Option<String>>> {
        if plan.edits.is_empty() {
            return names_of(Document::new(text, &self.before), plan);
        }
        self.make(text, &plan.edits, by_fallback)?;
        names_of(Document::new(&self.edited, &self.after), plan)
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
fn source_offset(splices: &Splices, edited: usize) -> std::ops::Range<usize> {
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
