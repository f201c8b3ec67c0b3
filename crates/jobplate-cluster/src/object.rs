//! One object of the input: its identity, its location in the input, and the bytes that are sent for it.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::{json, sendable};
use jobplate_yaml::{Node, NodeArena};
use serde_json::Value;

use crate::document::{Document, TakeOverEntries};
use crate::kinds::split_api_version;
use crate::namespaces::Namespaces;
use crate::spool::{Spool, SpoolRange, SpooledDocument};

/// An object in a document. Its text is stored in the spool.
#[derive(Clone, Debug)]
pub struct InputObject {
    pub(crate) api_version: Rc<str>,
    pub(crate) kind: Rc<str>,
    /// The `metadata.namespace` of the manifest.
    pub(crate) manifest_namespace: Option<Rc<str>>,
    /// The namespace that the object goes to if its kind is namespaced.
    pub(crate) namespace: Rc<str>,
    name: Rc<str>,
    /// Whether `name` is the prefix in `generateName`, because `metadata.name` is missing.
    pub(crate) uses_generate_name: bool,
    /// The env entries whose ownership can be taken over.
    pub(crate) take_over_entries: Vec<TakeOverEntries>,
    /// The byte offset of the object in its document.
    start: usize,
    /// The 1-based line of the object in its input file.
    line: usize,
    /// The index of the object's mapping among the nodes of the document.
    node_index: u32,
    /// The bytes to send: the whole document, or the item as JSON if the object is an item of a List.
    body: SpoolRange,
    /// The bytes to send for the dry run of a take-over, if they differ from `body`.
    take_over_dry_run: Option<SpoolRange>,
    document: Rc<SpooledDocument>,
    spool: Rc<Spool>,
}

impl InputObject {
    /// Reads the objects of a document, adds their bodies to the spool, and calls `visit` with each object and its
    /// mapping. Checks all objects locally before the first call.
    ///
    /// # Errors
    /// Fails if the document or one of its objects is invalid, if the temporary file cannot be used, or with the first
    /// error of `visit`.
    pub(crate) fn visit_all(
        document: &Document,
        namespaces: &Namespaces,
        spool: &Rc<Spool>,
        visit: &mut dyn FnMut(Self, Node<'_>) -> Result<()>,
    ) -> Result<()> {
        let document_objects = document.objects()?;
        let Some(first) = document_objects.first() else { return Ok(()) };
        let is_list = first.node.index() != 0;
        let spooled_document = spool.add_document(document)?;
        let mut take_over_dry_runs = take_over_dry_runs(document, is_list);
        let mut take_over_entries = HashMap::<usize, Vec<TakeOverEntries>>::new();
        for entries in &document.take_over_entries {
            take_over_entries.entry(entries.object).or_default().push(entries.clone());
        }
        let read = |(position, object): (usize, &Object<'_>)| {
            let locate = |error| document.locate(error);
            sendable::check(object).map_err(locate)?;
            let body = match is_list {
                true => spool.add_text(&json::to_json(object.node).map_err(locate)?.to_string())?,
                false => spooled_document.text,
            };
            let read_metadata = |key: &str| {
                let value = object.metadata?.get_first(key)?;
                value.text().filter(|text| !text.is_empty() && !value.is_null())
            };
            let manifest_namespace: Option<Rc<str>> = read_metadata("namespace").map(|name| (*name).into());
            let dry_run = take_over_dry_runs.remove(&position);
            Ok(InputObject {
                api_version: (*object.api_version).into(),
                kind: (*object.kind).into(),
                namespace: namespaces.resolve(manifest_namespace.as_ref()),
                manifest_namespace,
                name: (*object.name().unwrap_or_default()).into(),
                uses_generate_name: read_metadata("name").is_none(),
                take_over_entries: take_over_entries.remove(&position).unwrap_or_default(),
                start: object.node.span().start,
                line: document.line_at(object.node.span().start),
                node_index: object.node.index(),
                body,
                take_over_dry_run: dry_run.map(|text| spool.add_text(&text)).transpose()?,
                document: Rc::clone(&spooled_document),
                spool: Rc::clone(spool),
            })
        };
        let input_objects: Vec<InputObject> = document_objects.iter().enumerate().map(read).collect::<Result<_>>()?;
        input_objects.into_iter().zip(&document_objects).try_for_each(|(input, object)| visit(input, object.node))
    }

    /// Returns the path of the object's input file, as given by the user.
    pub fn file(&self) -> &str {
        &self.document.file
    }

    /// Returns the path of the input file like [`InputObject::file`], as a pointer that the caller can clone and keep.
    pub(crate) fn shared_file(&self) -> &Rc<str> {
        &self.document.file
    }

    /// Returns `metadata.name`, or the prefix in `generateName`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the 1-based line of the input file on which the object begins.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the API group in `apiVersion`. It is empty for the core group.
    pub(crate) fn group(&self) -> &str {
        split_api_version(&self.api_version).0
    }

    /// Returns whether the object is a Job in the API group `batch`.
    pub(crate) fn is_job(&self) -> bool {
        &*self.kind == "Job" && self.api_version.starts_with("batch/")
    }

    /// Returns whether the object is a CustomResourceDefinition.
    pub(crate) fn is_crd(&self) -> bool {
        &*self.kind == "CustomResourceDefinition" && self.api_version.starts_with("apiextensions.k8s.io/")
    }

    /// Reads the rendered text of the object's document. For an item of a List, this is the whole List.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be read.
    pub fn document_text(&self) -> Result<Arc<str>> {
        Ok(Arc::clone(&self.spool.read_document(&self.document)?.text))
    }

    /// Reads the bytes to send: the rendered document, or the item as JSON if the object is an item of a List.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be read.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        self.spool.read_text(self.body).map(String::into_bytes)
    }

    /// Reads the bytes to send for the dry run of a take-over. The bytes equal [`InputObject::body`] if the document
    /// has no separate text for that dry run.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be read.
    pub(crate) fn take_over_dry_run_body(&self) -> Result<Vec<u8>> {
        self.spool.read_text(self.take_over_dry_run.unwrap_or(self.body)).map(String::into_bytes)
    }

    /// Reads the object as JSON. Returns null if the document cannot be parsed.
    ///
    /// # Errors
    /// Fails if the YAML has no unambiguous JSON form, with an error that points to it, or if the temporary file cannot
    /// be read.
    pub(crate) fn json(&self) -> Result<Value> {
        match self.spool.read_document(&self.document)?.nodes() {
            Some(nodes) => json::to_json(nodes.node(self.node_index)).map_err(|error| self.locate(error)),
            None => Ok(Value::Null),
        }
    }

    /// Reads the object as JSON. Returns null if [`InputObject::json`] fails.
    pub(crate) fn json_or_null(&self) -> Value {
        self.json().unwrap_or_default()
    }

    /// Calls `inspect` with the object's mapping and returns its result. Returns `None` if the document cannot be read
    /// or parsed.
    pub(crate) fn with_node<T>(&self, inspect: impl FnOnce(Node<'_>) -> T) -> Option<T> {
        let document = self.spool.read_document(&self.document).ok()?;
        Some(inspect(document.nodes()?.node(self.node_index)))
    }

    /// Returns the 1-based line of the input file that a byte offset in the object's document comes from. Returns the
    /// line of the object if the document cannot be read.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.spool.read_document(&self.document).map_or(self.line, |document| document.line_at(offset))
    }

    /// Adds the location in the input file to an error: the error's span, or the object's first byte if the error has
    /// no span. Adds only the file if the document cannot be read.
    pub(crate) fn locate(&self, error: Error) -> Error {
        match self.spool.read_document(&self.document) {
            Ok(document) => document.locate(error.at(self.start..self.start + 1)),
            Err(_) => error.in_file(self.file()),
        }
    }

    /// Parses a document with a single object, without checking the object.
    #[cfg(test)]
    pub(crate) fn parse_for_test(text: &str) -> Self {
        let document = Document::new("job.yaml", 1, text);
        let spool = Rc::new(Spool::new());
        let spooled_document = spool.add_document(&document).unwrap();
        let object = document.objects().unwrap().remove(0);
        InputObject {
            api_version: (*object.api_version).into(),
            kind: (*object.kind).into(),
            manifest_namespace: None,
            namespace: "ns".into(),
            name: (*object.name().unwrap()).into(),
            uses_generate_name: false,
            take_over_entries: Vec::new(),
            start: 0,
            line: 1,
            node_index: 0,
            body: spooled_document.text,
            take_over_dry_run: None,
            document: spooled_document,
            spool,
        }
    }
}

/// Returns the bodies for the dry runs of take-overs, keyed by the indexes of their objects in the document. Omits
/// objects whose body cannot be read.
fn take_over_dry_runs(document: &Document, is_list: bool) -> HashMap<usize, String> {
    let Some(dry_run_text) = &document.dry_run_text else { return HashMap::new() };
    if !is_list {
        return HashMap::from([(0, dry_run_text.clone())]);
    }
    let mut nodes = NodeArena::default();
    if jobplate_yaml::read(dry_run_text, &mut nodes).is_err() {
        return HashMap::new();
    }
    let document_objects = objects(jobplate_yaml::Document::new(dry_run_text, &nodes)).unwrap_or_default();
    let body_of =
        |position: usize| Some((position, json::to_json(document_objects.get(position)?.node).ok()?.to_string()));
    document.take_over_entries.iter().filter_map(|entries| body_of(entries.object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_an_unreadable_temporary_file() {
        let object = InputObject::parse_for_test("kind: Job\napiVersion: batch/v1\nmetadata: {name: a}\n");
        assert_eq!(object.json().unwrap()["kind"], "Job");
        let with_empty_spool = InputObject { spool: Rc::new(Spool::new()), ..object };
        let error = with_empty_spool.json().unwrap_err();
        assert!(error.message().starts_with("cannot use a temporary file"));
    }
}
