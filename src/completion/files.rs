//! What the files that are named on the line hold: objects, their containers, their variables, and the Secrets and
//! ConfigMaps that they speak of.

use std::path::Path;

use jobplate::render::{InputSource, visit_objects};
use jobplate_manifest::embedded::{self, is_config_map};
use jobplate_manifest::object::Object;
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::workload::pod_specs;
use jobplate_manifest::{container, container::names};
use jobplate_yaml::Node;

use super::line::Said;
use crate::shared::{inputs, render_request};

/// More bytes and files than this are not read while somebody waits, nor more names in folders.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

const MOST_FILES: usize = 200;
const MOST_ENTRIES: usize = 2000;

/// The size of a regular file.
fn size(file: &Path) -> Option<u64> {
    file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len())
}

/// Names, each with a word about it.
#[derive(Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    pub(crate) fn add(&mut self, name: impl Into<String>, about: impl Into<String>) {
        let name = name.into();
        if !name.is_empty() && self.0.iter().all(|(known, _)| *known != name) {
            self.0.push((name, about.into()));
        }
    }

    /// The names, with their words.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    /// What `--target` can name.
    pub(crate) targets: Names,
    pub(crate) containers: Names,
    pub(crate) variables: Names,
    pub(crate) secrets: Names,
    pub(crate) config_maps: Names,
    pub(crate) namespaces: Names,
}

impl Found {
    /// Looks into the files.
    pub(crate) fn in_files(said: &Said) -> Found {
        let mut found = Found::default();
        let mut inputs = said.inputs.clone();
        if inputs.is_empty() {
            let specs = said.specs.iter().filter(|spec| size(Path::new(spec)).is_some());
            inputs = specs.flat_map(|spec| render_request::read_spec_inputs(spec)).collect();
        }
        let files = inputs.iter().map(Path::new).flat_map(|input| match input.is_dir() {
            true => inputs::list_manifests(input, said.recursive, MOST_ENTRIES).unwrap_or_default(),
            false => vec![input.to_owned()],
        });
        let mut left = MOST_BYTES;
        for file in files.take(MOST_FILES) {
            // Whatever is no regular file may never end, or be what is being typed at.
            let Some(size) = size(&file).filter(|size| *size <= left) else { continue };
            left -= size;
            if let Ok(mut source) = InputSource::open(&file) {
                found.read(&mut source, &said.targets);
            }
        }
        found
    }

    fn read(&mut self, source: &mut InputSource, targets: &[Target]) {
        let file = source.name().to_owned();
        let Ok(reader) = source.read_from_start() else { return };
        // What can't be read any further is what there is.
        drop(visit_objects(reader, &mut |object| {
            self.object(object, targets, &file);
            true
        }));
    }

    fn object(&mut self, object: &Object<'_>, targets: &[Target], file: &str) {
        let display = object.display();
        if !names(object).is_empty() {
            self.targets.add(&*display, file);
        }
        if targets.is_empty() || targets.iter().any(|target| target.matches(object)) {
            self.pods(object, &display);
        }
        self.references(object.node);
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
            self.texts(object, targets, file);
        }
    }

    fn texts(&mut self, map: &Object<'_>, targets: &[Target], file: &str) {
        for (key, text) in embedded::document_candidates(map) {
            let target = format!("{}:{key}", map.display());
            let is_meant = targets.is_empty() || targets.iter().any(|target| target.matches_embedded(map, &key));
            drop(visit_objects(text.as_bytes(), &mut |object| {
                if !names(object).is_empty() {
                    self.targets.add(&*target, file);
                    self.references(object.node);
                    if is_meant {
                        self.pods(object, &target);
                    }
                }
                true
            }));
        }
    }

    fn pods(&mut self, object: &Object<'_>, about: &str) {
        for pod_spec in pod_specs(object).unwrap_or_default() {
            for container in container::select(pod_spec, &ContainerChoice::All, true).unwrap_or_default() {
                let name = container::name(*container).unwrap_or_default();
                self.containers.add(&*name, about);
                for entry in container.get_first("env").into_iter().flat_map(Node::items) {
                    if let Some(variable) = entry.get_first("name").and_then(Node::text) {
                        self.variables.add(variable, format!("in {name} of {about}"));
                    }
                }
            }
        }
    }

    /// The Secrets and ConfigMaps that an object refers to.
    fn references(&mut self, root: Node<'_>) {
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
