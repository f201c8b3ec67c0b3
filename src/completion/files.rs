//! Finds names in the files on the command line: objects, containers, variables, and referenced Secrets and
//! ConfigMaps.

use std::path::Path;

use indexmap::IndexMap;
use jobplate::render::{InputSource, visit_objects};
use jobplate_manifest::embedded::{self, is_config_map};
use jobplate_manifest::object::Object;
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::workload::pod_specs;
use jobplate_manifest::{container, container::names};
use jobplate_yaml::Node;

use super::line::LineContext;
use crate::shared::{inputs, render_request};

/// The maximum number of bytes that are read for a completion.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The maximum number of files that are read for a completion.
const MAX_FILES: usize = 200;
/// The maximum number of directory entries that are visited for a completion.
const MAX_ENTRIES: usize = 2000;

/// Completion values with their descriptions.
pub(crate) type Suggestions = Vec<(String, String)>;

/// Returns the size of a regular file, or `None` for any other file, such as a pipe.
fn regular_file_size(file: &Path) -> Option<u64> {
    file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len())
}

/// A list of unique names with their descriptions, in the order of their insertion.
#[derive(Default)]
pub(crate) struct NameList(IndexMap<String, String>);

impl NameList {
    pub(crate) fn add(&mut self, name: impl Into<String>, about: impl Into<String>) {
        let name = name.into();
        if !name.is_empty() {
            self.0.entry(name).or_insert_with(|| about.into());
        }
    }

    /// Returns the names with their descriptions.
    pub(crate) fn into_suggestions(self) -> Suggestions {
        self.0.into_iter().collect()
    }
}

/// The names in the files on the command line.
#[derive(Default)]
pub(crate) struct ManifestNames {
    /// The values of `--target`.
    pub(crate) targets: NameList,
    pub(crate) containers: NameList,
    pub(crate) variables: NameList,
    pub(crate) secrets: NameList,
    pub(crate) config_maps: NameList,
    pub(crate) namespaces: NameList,
}

impl ManifestNames {
    /// Finds the names in the inputs on the command line, or in the inputs of its spec files. Skips invalid files.
    pub(crate) fn find(context: &LineContext) -> ManifestNames {
        let mut names = ManifestNames::default();
        let mut inputs = context.inputs.clone();
        if inputs.is_empty() {
            let specs = context.specs.iter().filter(|spec| regular_file_size(spec).is_some());
            inputs = specs.flat_map(|spec| render_request::read_spec_inputs(spec)).collect();
        }
        let files = inputs.iter().flat_map(|input| match input.is_dir() {
            true => inputs::list_manifests(input, context.recursive, MAX_ENTRIES, &|_| Ok(())).unwrap_or_default(),
            false => vec![input.to_owned()],
        });
        let mut remaining = MAX_BYTES;
        for file in files.take(MAX_FILES) {
            // Reading a pipe or a terminal could block.
            let Some(size) = regular_file_size(&file).filter(|size| *size <= remaining) else { continue };
            remaining -= size;
            if let Ok(mut source) = InputSource::open(&file) {
                names.add_from_source(&mut source, &context.targets);
            }
        }
        names
    }

    fn add_from_source(&mut self, source: &mut InputSource, targets: &[Target]) {
        let file = source.name().to_owned();
        let Ok(reader) = source.read_from_start() else { return };
        // Ignore errors: the objects before an invalid document are still offered.
        drop(visit_objects(reader, &mut |object| {
            self.add_object(object, targets, &file);
            true
        }));
    }

    fn add_object(&mut self, object: &Object<'_>, targets: &[Target], file: &str) {
        let display = object.display();
        if !names(object).is_empty() {
            self.targets.add(&*display, file);
        }
        if targets.is_empty() || targets.iter().any(|target| target.matches(object)) {
            self.add_containers(object, &display);
        }
        self.add_references(object.node);
        if let Some(name) = object.name() {
            match &*object.kind {
                "Secret" => self.secrets.add(name, file),
                "ConfigMap" => self.config_maps.add(name, file),
                "Namespace" => self.namespaces.add(name, file),
                _ => {}
            }
        }
        let namespace = object.metadata.and_then(|metadata| metadata.get_first("namespace"));
        if let Some(namespace) = namespace.and_then(Node::text) {
            self.namespaces.add(namespace, file);
        }
        if is_config_map(object) {
            self.add_embedded(object, targets, file);
        }
    }

    fn add_embedded(&mut self, map: &Object<'_>, targets: &[Target], file: &str) {
        for (key, text) in embedded::document_candidates(map) {
            let target = format!("{}:{key}", map.display());
            let is_matched = targets.is_empty() || targets.iter().any(|target| target.matches_embedded(map, &key));
            drop(visit_objects(text.as_bytes(), &mut |object| {
                if !names(object).is_empty() {
                    self.targets.add(&*target, file);
                    self.add_references(object.node);
                    if is_matched {
                        self.add_containers(object, &target);
                    }
                }
                true
            }));
        }
    }

    /// Adds the containers of an object, and their variables. `target` names the object in descriptions.
    fn add_containers(&mut self, object: &Object<'_>, target: &str) {
        for pod_spec in pod_specs(object).unwrap_or_default() {
            for container in container::select(pod_spec, &ContainerChoice::All, true).unwrap_or_default() {
                let name = container::name(*container).unwrap_or_default();
                self.containers.add(&*name, target);
                for entry in container.get_first("env").into_iter().flat_map(Node::items) {
                    if let Some(variable) = entry.get_first("name").and_then(Node::text) {
                        self.variables.add(variable, format!("in {name} of {target}"));
                    }
                }
            }
        }
    }

    /// Adds the Secrets and ConfigMaps that an object refers to.
    fn add_references(&mut self, root: Node<'_>) {
        for (key, value) in root.descendants().flat_map(Node::entries) {
            let list = match key.text().as_deref() {
                Some("secretKeyRef" | "secretRef") => &mut self.secrets,
                Some("configMapKeyRef" | "configMapRef") => &mut self.config_maps,
                _ => continue,
            };
            if let Some(name) = value.get_first("name") {
                list.add(name.text().unwrap_or_default(), "referred to");
            }
        }
    }
}
