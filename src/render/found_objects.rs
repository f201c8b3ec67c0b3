//! Lists the objects found in the inputs, with their containers and embedded documents. The list is part of the error
//! that no target matches.

use std::io::Read;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::container;
use jobplate_manifest::embedded::{self, is_config_map};
use jobplate_manifest::object::{Object, is_helm_hook, objects};
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::{is_builtin_workload, is_job};
use jobplate_prefect::{chart_values, template_keys};
use jobplate_yaml::{
    Document, Documents, NodeArena, NodeKind, StreamError, find_template_expression, unrendered_template_error,
};

use super::errors::read_error;
use super::parse::syntax_error;
use super::planned_input::PlannedInput;
use super::rendering::Rendering;
use super::unrecognized::nearest_kind;
use crate::inject::template_kind;

/// The name of a values file in the list of objects.
const VALUES_FILE: &str = "values with a base job template";

/// An object found in an input.
pub struct FoundObject {
    /// The object's kind and name, such as `Job/nightly`, or the kind of a Prefect template without a name.
    pub object: String,
    /// The name of the input.
    pub input: String,
    /// Whether the object is a Helm hook.
    pub is_hook: bool,
    /// Whether one of the requested targets matches the object.
    pub is_matched: bool,
    /// The names of the object's containers, followed by those of its init containers. `None` if the object's kind has
    /// no pod template.
    pub containers: Option<Vec<String>>,
    /// The names of the object's init containers, which are also at the end of `containers`.
    pub init_containers: Vec<String>,
    /// The built-in kind that is similar to the object's unknown kind.
    pub nearest_kind: Option<&'static str>,
    /// Whether the object is a ConfigMap.
    pub is_config_map: bool,
    /// The embedded documents with containers, and those that should have some: a target names them, or their key is
    /// that of a template. Empty if the object is not a ConfigMap.
    pub embedded: Vec<FoundEmbedded>,
}

/// An embedded document with containers.
pub struct FoundEmbedded {
    /// The key in the ConfigMap's `data`.
    pub key: String,
    /// Whether one of the requested targets matches the document.
    pub is_matched: bool,
    /// Whether the document contains a Job, a CronJob or a template of Prefect 2 or 3, in which flows run.
    pub is_job: bool,
    /// The names of the document's containers, followed by those of its init containers.
    pub containers: Vec<String>,
    /// The names of the document's init containers, which are also at the end of `containers`.
    pub init_containers: Vec<String>,
    /// Why the document has no containers: what it is instead of a workload.
    pub problem: Option<&'static str>,
}

impl Rendering {
    /// Returns whether the inputs contain an object.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn has_objects(&mut self) -> Result<bool> {
        let mut found = false;
        self.visit_objects(&mut |_, _| {
            found = true;
            false
        })?;
        Ok(found)
    }

    /// Returns objects found in the inputs: at most `max` objects with containers, followed by at most `max` objects
    /// without containers.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn find_objects(&mut self, targets: &[Target], max: usize) -> Result<Vec<FoundObject>> {
        let (mut with_containers, mut others) = (Vec::new(), Vec::new());
        self.visit_objects(&mut |input, object| {
            let found = FoundObject::new(input, object, targets);
            let list = if found.has_containers() { &mut with_containers } else { &mut others };
            if list.len() < max {
                list.push(found);
            }
            with_containers.len() < max
        })?;
        with_containers.append(&mut others);
        Ok(with_containers)
    }

    /// Returns the error for the first document that is a template of Helm or Jinja, because such a document cannot have
    /// a target. If `needs_containers` is true, returns it only for a document that mentions containers.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn unrendered_template(&mut self, needs_containers: bool) -> Result<Option<Error>> {
        let containers = memchr::memmem::Finder::new("ontainers");
        let mut arena = NodeArena::default();
        self.find_fault(&mut |text| {
            if needs_containers && containers.find(text.as_bytes()).is_none() {
                return None;
            }
            find_template_expression(text, &mut arena).map(unrendered_template_error)
        })
    }

    /// Returns the error for the first document that cannot be parsed. Planning reports such an error only for documents
    /// that may have a target.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn first_syntax_error(&mut self) -> Result<Option<Error>> {
        let mut arena = NodeArena::default();
        self.find_fault(&mut |text| {
            let unsupported = jobplate_yaml::read(text, &mut arena).err()?;
            Some(syntax_error(text, unsupported, "fix this line"))
        })
    }

    /// Returns the first error that `find` returns for the text of a document, with its place.
    fn find_fault(&mut self, find: &mut dyn FnMut(&str) -> Option<Error>) -> Result<Option<Error>> {
        for PlannedInput { source, .. } in &mut self.inputs {
            let name = source.name().to_owned();
            let mut found = None;
            let mut documents = Documents::new(source.read_from_start()?, usize::MAX);
            while let Some(chunk) = documents.next().map_err(|error| read_error(&name, error))? {
                let text = std::str::from_utf8(chunk.bytes).unwrap_or_default();
                if let Some(error) = find(text) {
                    found = Some((error, chunk.offset, text.to_owned()));
                    break;
                }
            }
            drop(documents);
            if let Some((error, offset, text)) = found {
                let line = source.lines_at(&[offset])?.first().copied().unwrap_or(1);
                return Ok(Some(error.in_document(&name, line, text)));
            }
        }
        Ok(None)
    }

    /// Calls `visit` with the input's name for each object in the inputs until `visit` returns `false`. Skips documents
    /// that cannot be parsed.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn visit_objects(&mut self, visit: &mut dyn FnMut(&str, &Object<'_>) -> bool) -> Result<()> {
        for PlannedInput { source, .. } in &mut self.inputs {
            let name = source.name().to_owned();
            let result = visit_objects(source.read_from_start()?, &mut |object| visit(&name, object));
            if !result.map_err(|error| read_error(&name, error))? {
                break;
            }
        }
        Ok(())
    }
}

/// Returns whether a mapping is an object: it has `apiVersion` or `kind`, is a template of Prefect, or is a values file
/// with a template.
pub fn is_object(object: &Object<'_>) -> bool {
    !(object.kind.is_empty() && object.api_version.is_empty())
        || template_kind(object).is_some()
        || chart_values::has_template(object)
}

/// Calls `visit` for each object in a stream until `visit` returns `false`. Returns `false` if `visit` did. Skips
/// documents that cannot be parsed.
///
/// # Errors
///
/// Fails if the stream cannot be read.
pub fn visit_objects(stream: impl Read, visit: &mut dyn FnMut(&Object<'_>) -> bool) -> Result<bool, StreamError> {
    let mut documents = Documents::new(stream, usize::MAX);
    let mut arena = NodeArena::default();
    while let Some(chunk) = documents.next()? {
        let Ok(text) = std::str::from_utf8(chunk.bytes) else { continue };
        if jobplate_yaml::read(text, &mut arena).is_err() {
            continue;
        }
        for object in objects(Document::new(text, &arena)).unwrap_or_default() {
            if is_object(&object) && !visit(&object) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl FoundObject {
    fn new(input: &str, object: &Object<'_>, targets: &[Target]) -> Self {
        let mut names = container::names(object);
        for template in chart_values::templates(object) {
            let text = template.value.text().unwrap_or_default();
            // Reading from memory cannot fail, so the result is ignored.
            drop(visit_objects(text.as_bytes(), &mut |template| {
                names.extend(container::names(template));
                true
            }));
        }
        FoundObject {
            object: match template_kind(object) {
                Some(kind) if object.kind.is_empty() => kind,
                None if object.kind.is_empty() => VALUES_FILE.to_owned(),
                _ => object.display(),
            },
            input: input.to_owned(),
            is_hook: is_helm_hook(object),
            is_matched: targets.iter().any(|target| target.matches(object)),
            init_containers: container::init_names(object),
            nearest_kind: nearest_kind(object),
            is_config_map: is_config_map(object),
            containers: (!names.is_empty() || is_builtin_workload(object)).then_some(names),
            embedded: if is_config_map(object) { find_embedded(object, targets) } else { Vec::new() },
        }
    }

    /// Returns whether the object or one of its embedded documents has containers.
    pub fn has_containers(&self) -> bool {
        self.containers.as_ref().is_some_and(|names| !names.is_empty())
            || self.embedded.iter().any(|document| document.problem.is_none())
    }
}

/// Returns a ConfigMap's embedded documents with containers, and those that should have some.
fn find_embedded(map: &Object<'_>, targets: &[Target]) -> Vec<FoundEmbedded> {
    let mut found = Vec::new();
    for (key, text) in embedded::document_candidates(map) {
        let is_matched = targets.iter().any(|target| target.matches_embedded(map, &key));
        let is_template = template_keys::is_template_key(&key);
        let (containers, init_containers) = (Vec::new(), Vec::new());
        let mut document = FoundEmbedded { key, is_matched, is_job: false, containers, init_containers, problem: None };
        // Reading from memory cannot fail, so the result is ignored.
        drop(visit_objects(text.as_bytes(), &mut |object| {
            let names = container::names(object);
            document.is_job |= !names.is_empty() && (is_job(object) || template_kind(object).is_some());
            let init_names = container::init_names(object);
            document.containers.extend_from_slice(&names[..names.len() - init_names.len()]);
            document.init_containers.extend(init_names);
            true
        }));
        document.containers.extend_from_slice(&document.init_containers);
        if document.containers.is_empty() {
            document.problem = Some(describe_document(&text));
        }
        if document.problem.is_none() || is_matched || is_template {
            found.push(document);
        }
    }
    found
}

/// Describes an embedded document without containers by the first document of its stream.
fn describe_document(text: &str) -> &'static str {
    let mut arena = NodeArena::default();
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let first = documents.next().ok().flatten().map_or(0, |document| document.bytes.len());
    let text = &text[..first];
    if jobplate_yaml::read(text, &mut arena).is_err() {
        return "invalid YAML";
    }
    match Document::new(text, &arena).root().kind() {
        NodeKind::Map => "no workload",
        NodeKind::Seq => "a list, not a manifest",
        NodeKind::Empty => "empty",
        _ => "a string, not a manifest",
    }
}
