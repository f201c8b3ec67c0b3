//! One object to be sent: what it is, where it stands in the input, and the bytes that go to the server.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::{json, sendable};
use jobplate_yaml::{Node, NodeArena};
use serde_json::Value;

use crate::document::{Document, TakeOverEntries};
use crate::kinds::group_version;
use crate::namespaces::Namespaces;
use crate::spool::{Extent, Spool, Stored};

/// An object of a document. Its texts are in the spool.
#[derive(Clone, Debug)]
pub struct InputObject {
    pub(crate) api_version: Rc<str>,
    pub(crate) kind: Rc<str>,
    /// `metadata.namespace`, if there is one.
    pub(crate) own_namespace: Option<Rc<str>>,
    /// The namespace that it goes to, if its kind can have one.
    pub(crate) namespace: Rc<str>,
    name: Rc<str>,
    /// Whether the name is only the beginning of one (`generateName`).
    pub(crate) generated: bool,
    /// The env entries of it that are to be taken over.
    pub(crate) named: Vec<TakeOverEntries>,
    /// Where it begins in the text, and in the input.
    start: usize,
    line: usize,
    /// The index of its mapping among the nodes of the document.
    node: u32,
    /// What is sent: the document, or, of an item of a List, its JSON.
    body: Extent,
    /// What is sent to try a take-over, where that is another text.
    trial: Option<Extent>,
    document: Rc<Stored>,
    spool: Rc<Spool>,
}

impl InputObject {
    /// Shows the objects of a document with their mappings, checked as far as they can be without a server. Their
    /// texts are added to the spool.
    ///
    /// # Errors
    /// Fails at the first object that no server could accept, or with the first error of `show`.
    pub(crate) fn each(
        document: &Document,
        namespaces: &Namespaces,
        spool: &Rc<Spool>,
        show: &mut dyn FnMut(Self, Node<'_>) -> Result<()>,
    ) -> Result<()> {
        let found = document.objects()?;
        let Some(first) = found.first() else { return Ok(()) };
        let is_list = first.node.index() != 0;
        let stored = spool.add_document(document)?;
        let mut trials = trials(document, is_list);
        let mut named = HashMap::<usize, Vec<TakeOverEntries>>::new();
        for own in &document.named {
            named.entry(own.object).or_default().push(own.clone());
        }
        let read = |(position, object): (usize, &Object<'_>)| {
            let placed = |error| document.place(error);
            sendable::check(object).map_err(placed)?;
            let body = match is_list {
                true => spool.add(&json::to_json(object.node).map_err(placed)?.to_string())?,
                false => stored.text,
            };
            let own_text = |key: &str| {
                let value = object.metadata?.get_first(key)?;
                value.text().filter(|text| !text.is_empty() && !value.is_null())
            };
            let own_namespace: Option<Rc<str>> = own_text("namespace").map(|name| (*name).into());
            Ok(InputObject {
                api_version: (*object.api_version).into(),
                kind: (*object.kind).into(),
                namespace: namespaces.of(own_namespace.as_ref()),
                own_namespace,
                name: (*object.name().unwrap_or_default()).into(),
                generated: own_text("name").is_none(),
                named: named.remove(&position).unwrap_or_default(),
                start: object.node.span().start,
                line: document.line_at(object.node.span().start),
                node: object.node.index(),
                body,
                trial: trials.remove(&position).map(|text| spool.add(&text)).transpose()?,
                document: Rc::clone(&stored),
                spool: Rc::clone(spool),
            })
        };
        let subjects: Vec<InputObject> = found.iter().enumerate().map(read).collect::<Result<_>>()?;
        subjects.into_iter().zip(&found).try_for_each(|(subject, object)| show(subject, object.node))
    }

    /// Returns the input that it is in, as the user named it.
    pub fn file(&self) -> &str {
        &self.document.file
    }

    /// Returns the input that it is in, to be kept.
    pub(crate) fn shared_file(&self) -> &Rc<str> {
        &self.document.file
    }

    /// Returns its name, or the beginning of one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the line that it begins at in its input.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the API group of its `apiVersion`; empty for the core group.
    pub(crate) fn group(&self) -> &str {
        group_version(&self.api_version).0
    }

    /// Whether this is one of Kubernetes' own Jobs.
    pub(crate) fn is_job(&self) -> bool {
        &*self.kind == "Job" && self.api_version.starts_with("batch/")
    }

    /// Whether it defines a kind.
    pub(crate) fn is_crd(&self) -> bool {
        &*self.kind == "CustomResourceDefinition" && self.api_version.starts_with("apiextensions.k8s.io/")
    }

    /// Reads the text of its document as it is printed: for an item of a List, the whole List.
    ///
    /// # Errors
    /// Fails if the temporary file can't be read.
    pub fn document_text(&self) -> Result<Arc<str>> {
        Ok(Arc::clone(&self.spool.document(&self.document)?.text))
    }

    /// Reads the bytes that are sent: the document as it is printed, or, for an item of a List, the item as JSON.
    ///
    /// # Errors
    /// Fails if the temporary file can't be read.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        self.spool.text(self.body).map(String::into_bytes)
    }

    /// Reads the bytes that try what a take-over leads to.
    ///
    /// # Errors
    /// Fails if the temporary file can't be read.
    pub(crate) fn trial_body(&self) -> Result<Vec<u8>> {
        self.spool.text(self.trial.unwrap_or(self.body)).map(String::into_bytes)
    }

    /// Reads the object as JSON; null where the document can't be parsed.
    ///
    /// # Errors
    /// Fails, where it stands, with what has no certain meaning, and if the temporary file can't be read.
    pub(crate) fn json(&self) -> Result<Value> {
        match self.spool.document(&self.document)?.nodes() {
            Some(nodes) => json::to_json(nodes.node(self.node)).map_err(|error| self.place(error)),
            None => Ok(Value::Null),
        }
    }

    /// Reads the object as JSON; null where it has no certain meaning.
    pub(crate) fn json_or_null(&self) -> Value {
        self.json().unwrap_or_default()
    }

    /// Calls `look` with its mapping.
    pub(crate) fn with_root<T>(&self, look: impl FnOnce(Node<'_>) -> T) -> Option<T> {
        let document = self.spool.document(&self.document).ok()?;
        Some(look(document.nodes()?.node(self.node)))
    }

    /// Returns the line of the input that an offset of its document comes from.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.spool.document(&self.document).map_or(self.line, |document| document.line_at(offset))
    }

    /// Places an error about it: at its own place, unless it has a better one.
    pub(crate) fn place(&self, error: Error) -> Error {
        match self.spool.document(&self.document) {
            Ok(document) => document.place(error.at(self.start..self.start + 1)),
            Err(_) => error.in_file(self.file()),
        }
    }

    /// Reads the one object of a text, unchecked.
    #[cfg(test)]
    pub(crate) fn of_test(text: &str) -> Self {
        let document = Document::new("job.yaml", 1, text);
        let spool = Rc::new(Spool::new());
        let stored = spool.add_document(&document).unwrap();
        let object = document.objects().unwrap().remove(0);
        InputObject {
            api_version: (*object.api_version).into(),
            kind: (*object.kind).into(),
            own_namespace: None,
            namespace: "ns".into(),
            name: (*object.name().unwrap()).into(),
            generated: false,
            named: Vec::new(),
            start: 0,
            line: 1,
            node: 0,
            body: stored.text,
            trial: None,
            document: stored,
            spool,
        }
    }
}

/// Returns what is tried for the objects whose env entries are to be taken over, by their positions.
fn trials(document: &Document, is_list: bool) -> HashMap<usize, String> {
    let Some(trial) = &document.trial else { return HashMap::new() };
    if !is_list {
        return HashMap::from([(0, trial.clone())]);
    }
    let mut nodes = NodeArena::default();
    if jobplate_yaml::read(trial, &mut nodes).is_err() {
        return HashMap::new();
    }
    let found = objects(jobplate_yaml::Document::new(trial, &nodes)).unwrap_or_default();
    let of = |position: usize| Some((position, json::to_json(found.get(position)?.node).ok()?.to_string()));
    document.named.iter().filter_map(|named| of(named.object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_temporary_file_is_an_error() {
        let subject = InputObject::of_test("kind: Job\napiVersion: batch/v1\nmetadata: {name: a}\n");
        assert_eq!(subject.json().unwrap()["kind"], "Job");
        let emptied = InputObject { spool: Rc::new(Spool::new()), ..subject };
        assert!(emptied.json().unwrap_err().message().starts_with("the temporary file can't be used"));
    }
}
