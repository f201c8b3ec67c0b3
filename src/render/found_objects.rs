//! What is in the inputs, for an error that nothing matched: objects, their containers, and texts with pods.

use std::io::Read;

use jobplate_diagnostic::Result;
use jobplate_manifest::container;
use jobplate_manifest::embedded::{self, is_config_map};
use jobplate_manifest::object::{Object, is_helm_hook, objects};
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::{is_builtin_workload, is_job};
use jobplate_yaml::{Document, Documents, NodeArena, StreamError};

use super::errors::read_error;
use super::planned_input::PlannedInput;
use super::rendering::Rendering;
use crate::inject::template_kind;

/// An object in an input.
pub struct FoundObject {
    /// `Kind/name`
    pub object: String,
    /// The input's name.
    pub input: String,
    /// Whether Helm runs it as a hook.
    pub is_hook: bool,
    /// Whether a target of those that are asked about names it.
    pub is_matched: bool,
    /// The names of its containers; none where it is of no kind that carries a pod.
    pub containers: Option<Vec<String>>,
    /// Of a ConfigMap: its texts that have a pod in them.
    pub embedded: Vec<FoundEmbedded>,
}

/// A text of a ConfigMap that has a pod in it.
pub struct FoundEmbedded {
    /// Its key.
    pub key: String,
    /// Whether a target of those that are asked about names it.
    pub is_matched: bool,
    /// Whether it is what flows run in: a Job or CronJob.
    pub is_job: bool,
    /// The names of its containers.
    pub containers: Vec<String>,
}

impl Rendering {
    /// Whether there is any object in the inputs.
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

    /// Objects in the inputs, for an error that nothing matched: at most so many that have pods, which come
    /// first, and so many that have none.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn find_objects(&mut self, targets: &[Target], most: usize) -> Result<Vec<FoundObject>> {
        let (mut with_pods, mut others) = (Vec::new(), Vec::new());
        self.visit_objects(&mut |input, object| {
            let seen = FoundObject::new(input, object, targets);
            let list = if seen.has_pods() { &mut with_pods } else { &mut others };
            if list.len() < most {
                list.push(seen);
            }
            with_pods.len() < most
        })?;
        with_pods.append(&mut others);
        Ok(with_pods)
    }

    /// Shows the objects in the inputs, one after the other, as long as it is answered with true.
    ///
    /// # Errors
    ///
    /// Fails if an input cannot be read again.
    pub fn visit_objects(&mut self, show: &mut dyn FnMut(&str, &Object<'_>) -> bool) -> Result<()> {
        for PlannedInput { source, .. } in &mut self.inputs {
            let name = source.name().to_owned();
            let goes_on = visit_objects(source.read_from_start()?, &mut |object| show(&name, object));
            if !goes_on.map_err(|error| read_error(&name, error))? {
                break;
            }
        }
        Ok(())
    }
}

/// Shows the objects of a stream, one after the other, as long as it is answered with true; the last answer.
/// Documents that can't be read are passed over.
///
/// # Errors
///
/// Fails if the stream cannot be read.
pub fn visit_objects(stream: impl Read, show: &mut dyn FnMut(&Object<'_>) -> bool) -> Result<bool, StreamError> {
    let mut documents = Documents::new(stream, usize::MAX);
    let mut arena = NodeArena::default();
    while let Some(chunk) = documents.next()? {
        let Ok(text) = std::str::from_utf8(chunk.bytes) else { continue };
        if jobplate_yaml::read(text, &mut arena).is_err() {
            continue;
        }
        for object in objects(Document::new(text, &arena)).unwrap_or_default() {
            let is_object =
                !(object.kind.is_empty() && object.api_version.is_empty()) || template_kind(&object).is_some();
            if is_object && !show(&object) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl FoundObject {
    fn new(input: &str, object: &Object<'_>, targets: &[Target]) -> Self {
        let names = container::names(object);
        FoundObject {
            object: match template_kind(object) {
                Some(kind) if object.kind.is_empty() => kind,
                _ => object.display(),
            },
            input: input.to_owned(),
            is_hook: is_helm_hook(object),
            is_matched: targets.iter().any(|target| target.matches(object)),
            containers: (!names.is_empty() || is_builtin_workload(object)).then_some(names),
            embedded: if is_config_map(object) { texts_in(object, targets) } else { Vec::new() },
        }
    }

    /// Whether there is anything in it that could be changed.
    pub fn has_pods(&self) -> bool {
        self.containers.as_ref().is_some_and(|names| !names.is_empty()) || !self.embedded.is_empty()
    }
}

/// The texts of a ConfigMap that have a pod in them.
fn texts_in(map: &Object<'_>, targets: &[Target]) -> Vec<FoundEmbedded> {
    let mut found = Vec::new();
    for (key, text) in embedded::document_candidates(map) {
        let is_matched = targets.iter().any(|target| target.matches_embedded(map, &key));
        let mut seen = FoundEmbedded { key, is_matched, is_job: false, containers: Vec::new() };
        // It is in memory: there is nothing that could fail to be read.
        drop(visit_objects(text.as_bytes(), &mut |object| {
            let names = container::names(object);
            seen.is_job |= !names.is_empty() && (is_job(object) || template_kind(object).is_some());
            seen.containers.extend(names);
            true
        }));
        if !seen.containers.is_empty() {
            found.push(seen);
        }
    }
    found
}
