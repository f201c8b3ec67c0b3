//! Base job templates of Prefect 2 and 3 as they are written: where one is, and which of its parts make up the
//! environment of its flow runs. Nothing is rendered here.
//!
//! A work pool has one. Its `job_configuration` holds the Job under `job_manifest`, with `{{ placeholders }}`, and
//! under `env` what the worker adds to the flow's container; `variables` is the schema of what fills the placeholders.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::{Object, get_on_path};
use jobplate_yaml::{Node, NodeKind, StrictMap};

use super::placeholder;

/// What base job templates are called where objects are named by their kind: they have none themselves.
pub const KIND: &str = "BaseJobTemplate";

/// Whether a mapping is a base job template, told by its two keys.
pub fn is_base_job_template(node: Node<'_>) -> bool {
    ["job_configuration", "variables"]
        .iter()
        .all(|wanted| node.get_first(wanted).is_some_and(|own| own.kind() == NodeKind::Map))
}

/// Returns whether a mapping has the key that tells a base job template, even an incomplete one, from other values.
pub fn has_job_configuration(node: Node<'_>) -> bool {
    node.get_first("job_configuration").is_some()
}

/// Where a base job template can be: at the root; in a work pool as Prefect's API and `prefect work-pool inspect` give
/// it; in a `PrefectWorkPool` of Prefect's operator.
pub const PATHS: [&[&str]; 3] = [&[], &["base_job_template"], &["spec", "baseJobTemplate", "value"]];

/// The base job template that an object is, or has in it.
pub fn find<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    let ways = PATHS.iter().filter(|way| match way.len() {
        0 | 1 => object.kind.is_empty(),
        _ => object.kind == "PrefectWorkPool",
    });
    let mut found = ways.filter_map(|way| way.iter().try_fold(object.node, |node, key| node.get_first(key)));
    found.find(|node| is_base_job_template(*node))
}

/// The patches that a `PrefectWorkPool` has beside its template, if there are any: the operator applies them.
pub fn patches<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    if object.kind != "PrefectWorkPool" {
        return None;
    }
    let template = object.node.get_first("spec").and_then(|spec| spec.get_first("baseJobTemplate"));
    template.and_then(|template| template.get_first("patches")).filter(|patches| patches.items().next().is_some())
}

/// The error where there are some: what they make of the template is not known here.
pub fn unsupported_patches_error() -> Error {
    Error::refused("the operator changes the base job template by these `patches`")
        .hint("write what they change into `value`, and take them out")
}

/// Whether a worker sets this variable in its flow runs when it is set for the worker itself: Prefect's settings, in
/// plain text. What begins with `PREFECT__` is the flow run's own.
pub fn is_worker_setting(name: &str) -> bool {
    name.starts_with("PREFECT_") && !name.starts_with("PREFECT__")
}

/// The parts that edits are about.
#[derive(Clone, Copy, Debug)]
pub struct BaseJobTemplate<'a> {
    /// `job_configuration`
    pub job_configuration: Node<'a>,
    /// The pod of the Job; none where it is not written out.
    pub pod_spec: Option<Node<'a>>,
    /// What `env` is by default, under `variables`; none where nothing is.
    pub default_env: Option<Node<'a>>,
}

impl<'a> BaseJobTemplate<'a> {
    /// Reads a base job template in an object.
    ///
    /// # Errors
    /// Fails where it is unclear what one of the parts is.
    pub fn read(object: &Object<'a>, template: Node<'a>) -> Result<Self> {
        if let Some(patches) = patches(object) {
            return Err(unsupported_patches_error().at(patches.span()));
        }
        let way = object.node.path_to(template).chain([template]);
        way.into_iter()
            .try_for_each(|node| StrictMap::from_node(node, "a mapping around the base job template").map(drop))?;
        let under = |from: Node<'a>, way: &[&str]| {
            way.iter().try_fold(Some(from), |node, key| match node {
                Some(node) if node.kind() == NodeKind::Map => get_on_path(node, key),
                _ => Ok(None),
            })
        };
        let Some(job_configuration) = under(template, &["job_configuration"])? else {
            let error = Error::input("`job_configuration` of the base job template is empty");
            return Err(error.at(template.span()).hint("Prefect's own template has what belongs there"));
        };
        StrictMap::from_node(job_configuration, "`job_configuration`")?;
        let pod_spec = under(job_configuration, &["job_manifest", "spec", "template", "spec"])?;
        let default_env = under(template, &["variables", "properties", "env", "default"])?;
        Ok(BaseJobTemplate {
            job_configuration,
            pod_spec: pod_spec.filter(|spec| spec.kind() == NodeKind::Map),
            default_env,
        })
    }

    /// `job_configuration.env`, if it is there and no null.
    ///
    /// # Errors
    /// Fails where it is unclear what it is.
    pub fn env(&self) -> Result<Option<Node<'a>>> {
        get_on_path(self.job_configuration, "env")
    }
}

/// Whether a value is nothing but the placeholder of `env`, which the worker fills with what it adds.
pub fn is_env_placeholder(node: Node<'_>) -> bool {
    node.is_scalar() && node.text().is_some_and(|text| placeholder::sole_name(&text) == Some("env"))
}

/// The item of a container's `env` that is the placeholder, beside entries: once anything sets `env`, the worker puts
/// a mapping in its place, which the API server refuses as an entry.
pub fn mixed_placeholder(container: Node<'_>) -> Option<Node<'_>> {
    container.get_first("env")?.items().find(|item| is_env_placeholder(*item))
}
