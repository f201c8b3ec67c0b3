//! What a rule examines: a document with its objects, pods, containers and variables.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Error, Message, ProgramName, Result};
use jobplate_manifest::container;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::sops;
use jobplate_manifest::workload::{is_job, pod_specs};
use jobplate_prefect::base_job_template;
use jobplate_prefect::generation::{Generation, identify_generation, runs_own_program};
use jobplate_yaml::{Document, Node, NodeKind, Unsupported, template_expression_on_line};

use super::described_run::DescribedRun;
use super::field_comparison::{self, Violation};
use super::secret_references::SecretReferences;
use crate::render::{is_object, syntax_error};

/// The keys of a pod spec with lists of containers.
const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// A document, or a document embedded in a ConfigMap, prepared for the rules.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The document.
    pub document: Document<'a>,
    /// The objects of the document, in order.
    pub objects: Vec<CheckedObject<'a>>,
    /// Whether the document is embedded in a ConfigMap, and under which key.
    pub embedding: Embedding,
    /// The references with which fixes replace secrets in plain text.
    pub references: Arc<SecretReferences>,
    /// The run that the command line describes.
    pub(super) run: DescribedRun,
    /// The differences between the objects and the fields that Kubernetes knows, which are found on first use.
    violations: OnceCell<Vec<Violation<'a>>>,
}

/// Whether a document is embedded in a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedding {
    /// The document is not embedded.
    None,
    /// The document is embedded under a key without a meaning for Prefect 1.
    Document,
    /// The document is embedded under a key that holds a job template of Prefect 1.
    JobTemplate,
}

/// An object with its pods.
#[derive(Debug)]
pub struct CheckedObject<'a> {
    /// The object.
    pub object: Object<'a>,
    /// The pods that the object describes. Empty if it describes none, or if they are ambiguous.
    pub pods: Vec<Pod<'a>>,
    /// Why the pods of the object are ambiguous.
    pub problem: Option<Error>,
    /// The base job template of Prefect 2 or 3 that the object is or contains.
    pub base_job_template: Option<Node<'a>>,
    /// The generation of Prefect for which the containers are written, or `None` if they do not show it.
    pub generation: Option<Generation>,
    /// Whether SOPS has encrypted values of the object.
    pub is_encrypted: bool,
}

/// A pod spec.
#[derive(Debug)]
pub struct Pod<'a> {
    /// The mapping of the pod spec.
    pub node: Node<'a>,
    /// The containers of all lists, in document order within each list.
    pub containers: Vec<Container<'a>>,
}

/// A container of a pod.
#[derive(Debug)]
pub struct Container<'a> {
    /// The mapping of the container.
    pub node: Node<'a>,
    /// The key of the list that the container is in: `containers`, `initContainers` or `ephemeralContainers`.
    pub list: &'static str,
    /// The 0-based position in the list.
    pub position: usize,
    /// The name, or `""` if it is missing.
    pub name: Cow<'a, str>,
    /// The entries of `env` that are mappings.
    pub env: Vec<EnvEntry<'a>>,
}

/// An entry of a container's `env`.
#[derive(Debug)]
pub struct EnvEntry<'a> {
    /// The mapping of the entry.
    pub node: Node<'a>,
    /// The 0-based position in `env`.
    pub position: usize,
    /// The value of `name`, if it is a scalar.
    pub name: Option<Node<'a>>,
    /// The name, or `""` if it is missing.
    pub text: Cow<'a, str>,
    /// The node under `value`.
    pub value: Option<Node<'a>>,
    /// The node under `valueFrom`.
    pub value_from: Option<Node<'a>>,
}

/// Returns the error for a document of a file that cannot be parsed.
pub(super) fn file_error(file: &str, text: &str, unsupported: Unsupported) -> Error {
    if !file.ends_with(".toml") {
        return parse_error(text, unsupported);
    }
    let error = Error::input("a TOML file is not a manifest");
    match shlex::try_quote(file) {
        Ok(file) if text.contains("[context.secrets]") => {
            let start = Message::from("create a Secret with its secrets: `") + ProgramName;
            error.hint(start + format!(" secret NAME --from-config={file}`"))
        }
        _ => error.hint("leave it out with --exclude"),
    }
}

/// Returns the error for a document that cannot be parsed.
pub(super) fn parse_error(text: &str, unsupported: Unsupported) -> Error {
    let is_template = template_expression_on_line(text, unsupported.offset).is_some();
    let error = syntax_error(text, unsupported, "correct this line");
    if !is_template {
        return error;
    }
    error.hint(
        "check what Helm renders: `helm template ... | "
            + ProgramName
            + " check -`, and leave the templates out with --exclude",
    )
}

impl<'a> Subject<'a> {
    /// Prepares a document.
    ///
    /// # Errors
    ///
    /// Fails if the kinds of the objects are ambiguous.
    pub fn new(
        document: Document<'a>,
        embedding: Embedding,
        references: Arc<SecretReferences>,
        run: DescribedRun,
    ) -> Result<Self> {
        let objects = objects(document)?.into_iter().map(CheckedObject::new).collect();
        Ok(Subject { document, objects, embedding, references, run, violations: OnceCell::new() })
    }

    /// Returns whether an object is a job template of Prefect 1. A Job of Prefect 2 or 3 is a run that a worker has
    /// created, not a template. A Job that runs a program of its own is not a template either, unless its key or the
    /// command line says so.
    pub fn is_prefect1_template(&self, object: &CheckedObject<'a>) -> bool {
        let is_job = is_job(&object.object) && object.object.kind == "Job";
        let has_key = self.embedding == Embedding::JobTemplate;
        match object.generation {
            Some(Generation::Prefect2Or3) => false,
            _ if has_key => true,
            Some(Generation::Prefect1) => {
                is_job && (self.run.is_prefect1 || self.run.has_scenario || !object.runs_own_program())
            }
            None => is_job && self.run.is_prefect1,
        }
    }

    /// Returns the differences between the objects and the fields that Kubernetes knows, in order.
    pub(super) fn violations(&self) -> &[Violation<'a>] {
        self.violations.get_or_init(|| {
            let compare = |object: &CheckedObject<'a>| match object.base_job_template {
                Some(template) => field_comparison::compare_job_manifest(template),
                None => {
                    let containers = object.pods.iter().flat_map(|pod| &pod.containers);
                    field_comparison::compare(&object.object, containers.map(|container| container.node))
                }
            };
            self.objects.iter().flat_map(compare).collect()
        })
    }

    /// Returns the containers in which the agent of Prefect 1 runs the flow, one for each job template.
    pub fn prefect1_flow_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        let templates = self.objects.iter().filter(|object| self.is_prefect1_template(object));
        templates.flat_map(|object| &object.pods).filter_map(Pod::flow_container)
    }

    /// Returns the number of mappings that are objects or have containers. A document of another kind has none.
    pub fn count_objects(&self) -> usize {
        self.objects.iter().filter(|object| is_object(&object.object) || !object.pods.is_empty()).count()
    }

    /// Returns the containers of all objects, each with its object and pod.
    pub fn containers(&self) -> impl Iterator<Item = (&CheckedObject<'a>, &Pod<'a>, &Container<'a>)> {
        let pods = self.objects.iter().flat_map(|object| object.pods.iter().map(move |pod| (object, pod)));
        pods.flat_map(|(object, pod)| pod.containers.iter().map(move |container| (object, pod, container)))
    }
}

impl<'a> CheckedObject<'a> {
    fn new(object: Object<'a>) -> Self {
        let base_job_template = base_job_template::find(&object);
        let is_encrypted = sops::metadata_key(object.node).is_some();
        let (pods, problem) = match pod_specs(&object) {
            Ok(specs) => (specs.into_iter().map(Pod::new).collect(), None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let containers: Vec<Node<'_>> =
            pods.iter().flat_map(|pod: &Pod<'_>| &pod.containers).map(|one| one.node).collect();
        let generation = identify_generation(&containers);
        CheckedObject { object, pods, problem, base_job_template, generation, is_encrypted }
    }
}

impl CheckedObject<'_> {
    /// Returns whether the first container runs another program than a flow of Prefect 1.
    fn runs_own_program(&self) -> bool {
        let mut containers = self.pods.iter().filter_map(Pod::flow_container);
        containers.any(|container| runs_own_program(container.node))
    }
}

impl<'a> Pod<'a> {
    fn new(node: Node<'a>) -> Self {
        let containers = CONTAINER_LISTS.into_iter().flat_map(|list| {
            let items = node.get_first(list).into_iter().flat_map(Node::items).enumerate();
            let maps = items.filter(|(_, item)| item.kind() == NodeKind::Map);
            maps.map(move |(position, item)| Container::new(item, list, position))
        });
        Pod { node, containers: containers.collect() }
    }

    /// Returns the first container, in which Prefect runs the flow.
    pub fn flow_container(&self) -> Option<&Container<'a>> {
        self.containers.first().filter(|container| container.is_first())
    }
}

impl<'a> Container<'a> {
    fn new(node: Node<'a>, list: &'static str, position: usize) -> Self {
        let entries = node.get_first("env").into_iter().flat_map(Node::items).enumerate();
        let env = entries.filter(|(_, item)| item.kind() == NodeKind::Map);
        let env = env.map(|(position, item)| EnvEntry::new(item, position)).collect();
        Container { node, list, position, name: container::name(node).unwrap_or_default(), env }
    }

    /// Returns whether the container is the first one of `containers`, in which Prefect runs the flow.
    pub fn is_first(&self) -> bool {
        self.list == CONTAINER_LISTS[0] && self.position == 0
    }

    /// Returns the container in messages: ``container `NAME` ``.
    pub fn display(&self) -> String {
        let word = match self.list {
            "initContainers" => "init container",
            "ephemeralContainers" => "ephemeral container",
            _ => "container",
        };
        match &*self.name {
            "" => format!("{word} {}", self.position + 1),
            name => format!("{word} {}", quote_key(name)),
        }
    }
}

impl<'a> EnvEntry<'a> {
    fn new(node: Node<'a>, position: usize) -> Self {
        let (mut name, mut value, mut value_from) = (None, None, None);
        for (key, child) in node.entries() {
            if key.has_text("name") {
                name = Some(child);
            } else if key.has_text("value") {
                value = Some(child);
            } else if key.has_text("valueFrom") {
                value_from = Some(child);
            }
        }
        let name: Option<Node<'a>> = name.filter(|name: &Node<'a>| name.is_scalar());
        EnvEntry { node, position, name, text: name.and_then(Node::text).unwrap_or_default(), value, value_from }
    }

    /// Returns the literal of the entry, or `None` if it has none or its value is not a scalar.
    pub fn literal(&self) -> Option<(Node<'a>, Cow<'a, str>)> {
        let value = self.value.filter(|value| !value.is_null())?;
        Some((value, value.text()?))
    }
}
