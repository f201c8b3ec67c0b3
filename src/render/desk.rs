//! A desk to edit one document at: read it, make edits, prove that the result is what was asked.
//!
//! Knows YAML's edits, not what they are for.

use std::ops::Range;

use jobplate_diagnostic::{Error, Kind, Result};
use jobplate_yaml::{Change, Document, Node, Splices, StepBack, Tape};

use crate::inject::Filter;

/// A document before and after its edits.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) before: Tape,
    pub(super) after: Tape,
    pub(super) splices: Splices,
    pub(super) edited: String,
}

/// How a document was read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Where the scanner stepped back, if the fallback had to read it.
    pub(super) by_fallback: Option<StepBack>,
    behind_directives: bool,
}

/// Directives (`%YAML`): a stream is split behind them, so that they are a document before the one they hold for.
#[derive(Default)]
pub(super) struct Directives(bool);

impl Directives {
    /// Another document comes: whether directives may stand before it.
    pub(super) fn before(&mut self, text: &str) -> bool {
        let has_some = text.trim_start_matches('\u{feff}').starts_with('%') || text.contains("\n%");
        std::mem::replace(&mut self.0, has_some)
    }
}

/// Whether a document must be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// It holds the words of a target as they are.
    Target,
    /// It holds the words of a pod that uses a ConfigMap which changes. One that can't be read is no pod.
    UsesMap,
    /// Neither, as far as its bytes say.
    None,
}

impl Desk {
    /// Reads a document; nothing where it can't have a target.
    pub(super) fn open(
        &mut self,
        filter: &Filter,
        words: Words,
        text: &str,
        behind_directives: bool,
    ) -> Result<Option<Reading>> {
        let is_target = words == Words::Target;
        let hides = || filter.may_hide_words(text.as_bytes());
        if words == Words::None && !hides() {
            return Ok(None);
        }
        let read = jobplate_yaml::read(text, &mut self.before);
        if is_target && !matches!(read, Ok(None)) {
            jobplate_yaml::admit(text).map_err(not_admitted)?;
        }
        match read {
            Ok(by_fallback) => Ok(Some(Reading { by_fallback, behind_directives })),
            // Hidden or not, a target's containers are there to be seen, or the document has none.
            Err(step_back) if is_target || filter.names_containers(text.as_bytes()) && hides() => {
                Err(unreadable(text, step_back))
            }
            Err(_) => Ok(None),
        }
    }

    /// Makes the edits in `self.edited`, and proves that they are what was asked.
    pub(super) fn make(&mut self, text: &str, edits: &[jobplate_yaml::Edit], reading: Reading) -> Result<()> {
        let Reading { by_fallback, behind_directives } = reading;
        let before = Document::new(text, &self.before);
        if behind_directives {
            return Err(Error::refused("a directive (`%`) stands before this document, and Kubernetes refuses those")
                .at(0..3)
                .hint("remove the line that begins with `%`"));
        }
        if by_fallback.is_some() {
            jobplate_yaml::admit(text).map_err(not_admitted)?;
            refuse_foreign_keys(before)?;
        }
        jobplate_yaml::layout(before, edits, &mut self.splices)?;
        self.edited.clear();
        self.splices.apply(text, &mut self.edited);
        let Some(step_back) = by_fallback else {
            let read = jobplate_yaml::scan(&self.edited, &mut self.after).map_err(|step_back| step_back.offset);
            let verified = read.and_then(|()| {
                jobplate_yaml::verify(before, edits, Document::new(&self.edited, &self.after))
                    .map_err(|mismatch| mismatch.offset)
            });
            return verified.map_err(|offset| not_verified(before, edits, source_offset(&self.splices, offset)));
        };
        let proven = jobplate_yaml::parse_with_granit(&self.edited, &mut self.after).is_ok()
            && jobplate_yaml::verify(before, edits, Document::new(&self.edited, &self.after)).is_ok()
            && jobplate_yaml::witness_agrees(before, edits, &self.edited);
        if proven {
            return Ok(());
        }
        Err(Error::refused(format!("the edit can't be proven right in a document with {}", step_back.reason))
            .at(step_back.offset..step_back.offset)
            .hint("write that part in a more usual way"))
    }
}

/// An edit that does not mean what was asked: a bug, but in the text of a scalar, whose style may be one that
/// can't hold it.
fn not_verified(before: Document<'_>, edits: &[jobplate_yaml::Edit], at: Range<usize>) -> Error {
    let texts = edits.iter().filter(|edit| matches!(edit.change, Change::Text { .. }));
    let holds = |node: &Node<'_>| (node.span().start..=node.span().end).contains(&at.start);
    match texts
        .map(|edit| before.node(edit.node))
        .find(|node| node.kind() != jobplate_yaml::Kind::Literal && holds(node))
    {
        Some(node) => Error::refused("the edit can't be proven right in a text of this style")
            .at(node.span())
            .hint("write it as a block: put `|` behind the key, and the text in the lines below"),
        None => Error::new(Kind::Internal, "an edit failed its own verification; nothing was written")
            .at(at)
            .hint("please report this, with the lines around that place and the command"),
    }
}

/// A character that readers take differently, in a document that may hold a target.
fn not_admitted(refusal: jobplate_yaml::NotAdmitted) -> Error {
    Error::refused(format!("{}, in a document that may have to be edited", refusal.reason))
        .at(refusal.span)
        .hint("remove that character")
}

/// A mapping or list as a key: YAML takes it, Kubernetes does not. Mostly it is a template's `{{ }}`.
fn refuse_foreign_keys(document: Document<'_>) -> Result<()> {
    let mut keys = document.root().descendants().flat_map(|node| node.entries()).map(|(key, _)| key);
    match keys.find(|key| matches!(key.kind(), jobplate_yaml::Kind::Map | jobplate_yaml::Kind::Seq)) {
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
