//! One object to be sent: what it is, where it stands in the input, and the bytes that go to the server.

use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::{json, sendable};
use jobplate_yaml::{Node, Tape};

use super::kinds::group_version;

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
    pub text: Rc<str>,
    /// Bytes of it that were replaced, ascending, and how many took their place.
    pub changes: Rc<[(Range<usize>, usize)]>,
}

impl Source {
    /// The bytes that an offset in the rendered text comes from.
    fn origin(&self, offset: usize) -> Range<usize> {
        let mut moved = 0isize;
        for (replaced, length) in self.changes.iter() {
            let start = replaced.start.saturating_add_signed(moved);
            if offset < start {
                break;
            }
            if offset < start + length {
                return replaced.clone();
            }
            moved += *length as isize - replaced.len() as isize;
        }
        let at = offset.saturating_add_signed(-moved);
        at..at
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
    pub fn line_at(&self, offset: usize) -> usize {
        let (text, at) = match &self.source {
            None => (&self.text, offset),
            Some(source) => (&source.text, source.origin(offset).start),
        };
        self.line + text[..text.floor_char_boundary(at)].matches('\n').count()
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
    /// Its position among the items of a List, and its JSON: of a long List it is not made of the text again.
    item: Option<(usize, Rc<str>)>,
    /// Where it begins in the text.
    start: usize,
}

impl Subject {
    /// The objects of a document, checked as far as they can be without a server.
    pub fn all(document: &Document) -> Result<Vec<Self>> {
        let in_document = |error: Error| document.place(error);
        let read = look_at(&document.text, |read| {
            let root = read.root();
            if root.is_null() || root.kind() == jobplate_yaml::Kind::Empty {
                return Ok(Vec::new());
            }
            let found = objects(read)?;
            if found.is_empty() && root.kind() != jobplate_yaml::Kind::Map {
                let error = Error::input("this is no Kubernetes object").at(root.span().start..root.span().start + 1);
                return Err(error.hint("an object is a mapping with `apiVersion` and `kind`"));
            }
            let is_list = found.iter().all(|object| object.node.index() != root.index());
            found
                .iter()
                .enumerate()
                .map(|(position, object)| Subject::read(document, object, is_list.then_some(position)))
                .collect()
        });
        match read {
            Some(subjects) => subjects.map_err(in_document),
            None => {
                let mut tape = Tape::default();
                let (at, reason) = match jobplate_yaml::read(&document.text, &mut tape) {
                    Err(step_back) => (step_back.offset, step_back.reason),
                    Ok(_) => (0, "it can't be read"),
                };
                let first = document.text.trim_start_matches('\u{feff}');
                let (message, hint) = match first.starts_with('%') {
                    true => (
                        "a directive (`%YAML`, `%TAG`), which an API server does not take".to_owned(),
                        "remove the line",
                    ),
                    false => (
                        format!("this is no YAML that could be applied: {reason}"),
                        "mend this place; if it is a template, render it first",
                    ),
                };
                Err(in_document(Error::input(message).at(at..at).hint(hint)))
            }
        }
    }

    fn read(document: &Document, object: &Object<'_>, item: Option<usize>) -> Result<Self> {
        sendable::check(object)?;
        let item = match item {
            Some(position) => Some((position, json::to_json(object.node)?.to_string().into())),
            None => None,
        };
        let own_name = |key: &str| {
            let value = object.metadata?.first(key)?;
            value.text().filter(|text| !text.is_empty() && !value.is_null())
        };
        Ok(Subject {
            document: document.clone(),
            api_version: object.api_version.clone().into_owned(),
            kind: object.kind.clone().into_owned(),
            namespace: own_name("namespace").map(|name| name.into_owned()),
            name: object.name().unwrap_or_default().into_owned(),
            generated: own_name("name").is_none(),
            item,
            start: object.node.span().start,
        })
    }

    /// Its name, or the beginning of one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of the document's objects it is.
    pub fn position(&self) -> usize {
        self.item.as_ref().map_or(0, |(position, _)| *position)
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

    /// Calls `look` with its mapping.
    pub fn with_root<T>(&self, look: impl FnOnce(Node<'_>) -> T) -> Option<T> {
        self.in_text(&self.document.text, look)
    }

    fn in_text<T>(&self, text: &str, look: impl FnOnce(Node<'_>) -> T) -> Option<T> {
        look_at(text, |document| {
            let found = objects(document).ok()?;
            found.get(self.position()).map(|object| look(object.node))
        })
        .flatten()
    }

    /// The bytes that are sent: the document as it is printed, or, of a List, the item as JSON.
    pub fn body(&self) -> Vec<u8> {
        match &self.item {
            Some((_, json)) => json.as_bytes().to_vec(),
            None => self.document.text.as_bytes().to_vec(),
        }
    }

    /// The bytes that try what a take-over leads to.
    pub fn trial_body(&self) -> Vec<u8> {
        let Some(trial) = &self.document.trial else { return self.body() };
        if self.item.is_none() {
            return trial.as_bytes().to_vec();
        }
        let json = self.in_text(trial, |node| json::to_json(node).ok()).flatten();
        json.map(|value| value.to_string().into_bytes()).unwrap_or_default()
    }

    /// The env entries of it that are to be taken over.
    pub fn named(&self) -> impl Iterator<Item = &Named> {
        self.document.named.iter().filter(|named| named.object == self.position())
    }

    /// An error about it: at its own place, unless it has a better one.
    pub fn place(&self, error: Error) -> Error {
        self.document.place(error.at(self.start..self.start + 1))
    }

    /// The line that it begins at in its input.
    pub fn line(&self) -> usize {
        self.document.line_at(self.start)
    }

    #[cfg(test)]
    pub(super) fn of_test(text: &str) -> Self {
        let document = Document {
            file: "job.yaml".into(),
            line: 1,
            text: text.into(),
            source: None,
            named: Rc::new([]),
            trial: None,
        };
        let read = look_at(text, |read| {
            let object = objects(read).unwrap().remove(0);
            let text = |text: &str| text.to_owned();
            Subject {
                document: document.clone(),
                api_version: text(&object.api_version),
                kind: text(&object.kind),
                namespace: None,
                name: text(&object.name().unwrap()),
                generated: false,
                item: None,
                start: 0,
            }
        });
        read.unwrap()
    }
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
        let source = Source { text: before.into(), changes: Rc::new(changes) };
        let document = Document {
            source: Some(source),
            line: 11,
            text: after.into(),
            ..Subject::of_test("kind: X\nmetadata: {name: x}\n").document
        };
        for (at, line) in [("a", 11), ("b", 12), ("x", 12), ("d", 13), ("c", 13)] {
            let offset = after.find(at).unwrap();
            assert_eq!(document.line_at(offset), line, "{at}");
            let placed = document.place(Error::input("x").at(offset..offset + 1));
            assert_eq!(placed.place().unwrap().line_column().0, line, "{at}");
        }
    }
}
