//! One object to be sent: what it is, where it stands in the input, and the bytes that go to the server.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::{json, sendable};
use jobplate_yaml::{Node, Tape};
use serde_json::Value;

use crate::kinds::group_version;

/// A rendered document, as it is printed.
#[derive(Clone, Debug)]
pub struct Document {
    /// The input as the user named it.
    pub file: Rc<str>,
    /// The line of its first byte in that input, from 1.
    pub line: usize,
    /// Its text.
    pub text: Rc<str>,
    /// The text of the input that it was made of; none where it is the same.
    pub source: Option<Source>,
    /// The env entries of it that the call names, where they are to be taken over.
    pub named: Rc<[Named]>,
    /// The text that is tried for them: it says outright what they have not (`value: null`).
    pub trial: Option<Rc<str>>,
}

/// What a document was before it was rendered: errors are told with the lines that the user knows.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its text.
    text: Rc<str>,
    /// In the order of the text.
    changes: Rc<[Splice]>,
}

/// Bytes of a source, and those of the rendered text that replaced them.
#[derive(Clone, Debug)]
struct Splice {
    before: Range<usize>,
    after: Range<usize>,
}

impl Source {
    /// Combines a text with the bytes of it that were replaced, ascending, and how many replaced each.
    pub fn new(text: &str, changes: impl IntoIterator<Item = (Range<usize>, usize)>) -> Self {
        let mut moved = 0isize;
        let splice = |(before, length): (Range<usize>, usize)| {
            let start = before.start.saturating_add_signed(moved);
            moved += length as isize - before.len() as isize;
            Splice { before, after: start..start + length }
        };
        Source { text: text.into(), changes: changes.into_iter().map(splice).collect() }
    }

    /// The bytes that an offset in the rendered text comes from.
    fn origin(&self, offset: usize) -> Range<usize> {
        let count = self.changes.partition_point(|splice| splice.after.start <= offset);
        match self.changes[..count].last() {
            Some(Splice { before, after }) if after.contains(&offset) => before.clone(),
            Some(Splice { before, after }) => {
                let at = before.end + (offset - after.end);
                at..at
            }
            None => offset..offset,
        }
    }
}

impl Document {
    /// An error about bytes of it, at their place in the input.
    pub fn place(&self, error: Error) -> Error {
        match &self.source {
            None => error.in_document(&self.file, self.line, &self.text),
            Some(source) => {
                let to = |span: Range<usize>| {
                    let start = source.origin(span.start);
                    start.start..source.origin(span.end).start.max(start.end)
                };
                error.moved(to).in_document(&self.file, self.line, &source.text)
            }
        }
    }

    /// The line of the input that an offset of it comes from.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        Lines::new(self).line_at(offset)
    }
}

/// Finds lines of the input for ascending offsets of a document, in one walk through its text.
struct Lines<'d> {
    document: &'d Document,
    /// How far the input's text was read, and the line there.
    reached: usize,
    line: usize,
}

impl<'d> Lines<'d> {
    fn new(document: &'d Document) -> Self {
        Lines { document, reached: 0, line: document.line }
    }

    /// Returns the line of the input that an offset comes from, which is not before the last one asked for.
    fn line_at(&mut self, offset: usize) -> usize {
        let (text, at) = match &self.document.source {
            None => (&self.document.text, offset),
            Some(source) => (&source.text, source.origin(offset).start),
        };
        let at = text.floor_char_boundary(at).max(self.reached);
        self.line += memchr::memchr_iter(b'\n', &text.as_bytes()[self.reached..at]).count();
        self.reached = at;
        self.line
    }
}

/// Env entries of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which of the document's objects.
    pub object: usize,
    /// The way from the object to the container.
    pub container: FieldPath,
    /// The names of the entries.
    pub names: Vec<String>,
}

/// The documents of a call, as often as they are wanted.
pub trait Documents {
    /// All of them once more, in the order of the input.
    fn pass(&mut self) -> Box<dyn Pass + '_>;
}

/// One way through the documents.
pub trait Pass {
    /// The next one; none behind the last.
    fn next(&mut self) -> Result<Option<Document>>;
}

/// Calls `look` with a text that is read; none where it can't be.
fn look_at<T>(text: &str, look: impl FnOnce(jobplate_yaml::Document<'_>) -> T) -> Option<T> {
    let mut tape = Tape::default();
    jobplate_yaml::read(text, &mut tape).ok()?;
    Some(look(jobplate_yaml::Document::new(text, &tape)))
}

/// An object of a document.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The document that it is in.
    pub document: Document,
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.namespace`, if there is one.
    pub namespace: Option<String>,
    name: String,
    /// Whether the name is only the beginning of one (`generateName`).
    pub generated: bool,
    /// The index of its mapping among the nodes of the document.
    node: u32,
    /// Of an item of a List: its JSON, and that of the trial.
    item: Option<Item>,
    /// The env entries of it that are to be taken over.
    named: Vec<Named>,
    /// Where it begins in the text, and the line of the input.
    start: usize,
    line: usize,
}

/// An item of a List, which is sent by itself.
#[derive(Clone, Debug)]
struct Item {
    json: Rc<str>,
    trial: Option<Rc<str>>,
}

impl Subject {
    /// Shows the objects of a document with their mappings, checked as far as they can be without a server.
    ///
    /// # Errors
    /// Fails at the first object that no server could accept, or with the first error of `show`.
    pub(crate) fn each(document: &Document, show: &mut dyn FnMut(Self, Node<'_>) -> Result<()>) -> Result<()> {
        let read = look_at(&document.text, |read| {
            let root = read.root();
            if root.is_null() || root.kind() == jobplate_yaml::Kind::Empty {
                return Ok(());
            }
            let found = objects(read).map_err(|error| document.place(error))?;
            if found.is_empty() && root.kind() != jobplate_yaml::Kind::Map {
                let error = Error::input("this is no Kubernetes object").at(root.span().start..root.span().start + 1);
                return Err(document.place(error.hint("an object is a mapping with `apiVersion` and `kind`")));
            }
            let is_list = found.iter().all(|object| object.node.index() != root.index());
            let mut trials = if is_list { item_trials(document) } else { HashMap::new() };
            let mut named = HashMap::<usize, Vec<Named>>::new();
            for own in document.named.iter() {
                named.entry(own.object).or_default().push(own.clone());
            }
            let mut lines = Lines::new(document);
            let read = |(position, object): (usize, &Object<'_>)| {
                sendable::check(object)?;
                let mut subject = Subject::read(document, object, lines.line_at(object.node.span().start));
                if is_list {
                    let json = json::to_json(object.node)?.to_string().into();
                    subject.item = Some(Item { json, trial: trials.remove(&position) });
                }
                subject.named = named.remove(&position).unwrap_or_default();
                Ok(subject)
            };
            let subjects: Result<Vec<Subject>> = found.iter().enumerate().map(read).collect();
            let subjects = subjects.map_err(|error| document.place(error))?;
            subjects.into_iter().zip(&found).try_for_each(|(subject, object)| show(subject, object.node))
        });
        read.unwrap_or_else(|| Err(unreadable(document)))
    }

    /// Collects the objects of a document, see [`Subject::each`].
    pub(crate) fn all(document: &Document) -> Result<Vec<Self>> {
        let mut subjects = Vec::new();
        Subject::each(document, &mut |subject, _| {
            subjects.push(subject);
            Ok(())
        })?;
        Ok(subjects)
    }

    fn read(document: &Document, object: &Object<'_>, line: usize) -> Self {
        let own_name = |key: &str| {
            let value = object.metadata?.first(key)?;
            value.text().filter(|text| !text.is_empty() && !value.is_null())
        };
        Subject {
            document: document.clone(),
            api_version: object.api_version.clone().into_owned(),
            kind: object.kind.clone().into_owned(),
            namespace: own_name("namespace").map(|name| name.into_owned()),
            name: object.name().unwrap_or_default().into_owned(),
            generated: own_name("name").is_none(),
            node: object.node.index(),
            item: None,
            named: Vec::new(),
            start: object.node.span().start,
            line,
        }
    }

    /// Its name, or the beginning of one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API group of its `apiVersion`; empty for the core group.
    pub fn group(&self) -> &str {
        group_version(&self.api_version).0
    }

    /// Whether this is one of Kubernetes' own Jobs.
    pub fn is_job(&self) -> bool {
        self.kind == "Job" && self.api_version.starts_with("batch/")
    }

    /// Whether it defines a kind.
    pub fn is_crd(&self) -> bool {
        self.kind == "CustomResourceDefinition" && self.api_version.starts_with("apiextensions.k8s.io/")
    }

    /// Calls `look` with its mapping. This reads the whole document again: for errors, not for each object.
    pub(crate) fn with_root<T>(&self, look: impl FnOnce(Node<'_>) -> T) -> Option<T> {
        look_at(&self.document.text, |document| look(document.node(self.node)))
    }

    /// Returns the object as JSON.
    ///
    /// # Errors
    /// Fails, where it stands, with what has no certain meaning.
    pub(crate) fn json(&self) -> Result<Value> {
        let json = match &self.item {
            Some(item) => serde_json::from_str(&item.json).ok().map(Ok),
            None => self.with_root(json::to_json),
        };
        json.transpose().map(Option::unwrap_or_default).map_err(|error| self.document.place(error))
    }

    /// The bytes that are sent: the document as it is printed, or, of a List, the item as JSON.
    pub(crate) fn body(&self) -> Vec<u8> {
        let text = self.item.as_ref().map_or(&self.document.text, |item| &item.json);
        text.as_bytes().to_vec()
    }

    /// The bytes that try what a take-over leads to.
    pub(crate) fn trial_body(&self) -> Vec<u8> {
        let trial = match &self.item {
            Some(item) => &item.trial,
            None => &self.document.trial,
        };
        trial.as_ref().map_or_else(|| self.body(), |text| text.as_bytes().to_vec())
    }

    /// The env entries of it that are to be taken over.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Named> {
        self.named.iter()
    }

    /// An error about it: at its own place, unless it has a better one.
    pub fn place(&self, error: Error) -> Error {
        self.document.place(error.at(self.start..self.start + 1))
    }

    /// The line that it begins at in its input.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Reads the one object of a text.
    #[cfg(test)]
    pub(crate) fn of_test(text: &str) -> Self {
        let document = Document {
            file: "job.yaml".into(),
            line: 1,
            text: text.into(),
            source: None,
            named: Rc::new([]),
            trial: None,
        };
        look_at(text, |read| Subject::read(&document, &objects(read).unwrap()[0], 1)).unwrap()
    }
}

/// Returns the JSON of the items whose env entries are to be taken over, as a trial has them, by their positions.
fn item_trials(document: &Document) -> HashMap<usize, Rc<str>> {
    let Some(trial) = &document.trial else { return HashMap::new() };
    let trials = look_at(trial, |trial| {
        let found = objects(trial).unwrap_or_default();
        let of = |position: usize| {
            let json = json::to_json(found.get(position)?.node).ok()?;
            Some((position, json.to_string().into()))
        };
        document.named.iter().filter_map(|named| of(named.object)).collect()
    });
    trials.unwrap_or_default()
}

fn unreadable(document: &Document) -> Error {
    let mut tape = Tape::default();
    let (at, reason) = match jobplate_yaml::read(&document.text, &mut tape) {
        Err(step_back) => (step_back.offset, step_back.reason),
        Ok(_) => (0, "it can't be read"),
    };
    let (message, hint) = match document.text.trim_start_matches('\u{feff}').starts_with('%') {
        true => ("a directive (`%YAML`, `%TAG`), which an API server does not take".to_owned(), "remove the line"),
        false => (
            format!("this is no YAML that could be applied: {reason}"),
            "mend this place; if it is a template, render it first",
        ),
    };
    document.place(Error::input(message).at(at..at).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_with_lines_of_the_input() {
        let before = "a: 1\nb: 2\nc: 3\n";
        // `b: 2` became two lines, and a line was added behind it.
        let after = "a: 1\nb:\n  x: 2\nd: 4\nc: 3\n";
        let changes = [(7..9, 6), (10..10, 5)];
        let source = Source::new(before, changes);
        let document = Document {
            source: Some(source),
            line: 11,
            text: after.into(),
            ..Subject::of_test("apiVersion: v1\nkind: X\nmetadata: {name: x}\n").document
        };
        for (at, line) in [("a", 11), ("b", 12), ("x", 12), ("d", 13), ("c", 13)] {
            let offset = after.find(at).unwrap();
            assert_eq!(document.line_at(offset), line, "{at}");
            let placed = document.place(Error::input("x").at(offset..offset + 1));
            assert_eq!(placed.place().unwrap().line_column().0, line, "{at}");
        }
    }
}
