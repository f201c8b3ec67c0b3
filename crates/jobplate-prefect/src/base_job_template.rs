//! Base job templates of Prefect 2 and 3 as YAML: their location in an object, and the parts that make up the
//! environment of flow runs.
//!
//! Each work pool has a base job template. `job_configuration.job_manifest` is the Job, with `{{ placeholders }}`;
//! `job_configuration.env` holds the variables that the worker adds to the flow's container; `variables` is the schema
//! of the placeholders' values.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::{Object, get_on_path};
use jobplate_yaml::{Node, NodeKind, StrictMap};

use super::placeholder;

/// The kind that targets and messages use for a base job template, which has no kind of its own.
pub const KIND: &str = "BaseJobTemplate";

/// Returns whether a mapping is a base job template, that is, contains the mappings `job_configuration` and
/// `variables`.
pub fn is_base_job_template(node: Node<'_>) -> bool {
    ["job_configuration", "variables"]
        .iter()
        .all(|key| node.get_first(key).is_some_and(|value| value.kind() == NodeKind::Map))
}

/// The paths at which a base job template can be: the root; in a work pool printed by Prefect's API or `prefect
/// work-pool inspect`; in a `PrefectWorkPool` of Prefect's operator.
pub const PATHS: [&[&str]; 3] = [&[], &["base_job_template"], &["spec", "baseJobTemplate", "value"]];

/// Returns the base job template that an object is or contains, if any.
pub fn find<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    candidates(object).find(|node| is_base_job_template(*node))
}

/// Returns the mapping in an object that has `job_configuration` like a base job template, but not `variables`, if any.
pub fn find_without_variables<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    let has_map = |node: Node<'_>, key: &str| node.get_first(key).is_some_and(|value| value.kind() == NodeKind::Map);
    candidates(object).find(|node| has_map(*node, "job_configuration") && !has_map(*node, "variables"))
}

/// Returns the error for a base job template without `variables`, which Prefect's server rejects.
pub fn missing_variables_error() -> Error {
    Error::input("missing `variables` in the base job template").hint(
        r#"add `"variables": {"type": "object", "properties": {}}` beside `job_configuration`: Prefect requires both"#,
    )
}

/// Returns the values of an object at the paths where a base job template can be.
fn candidates<'a>(object: &Object<'a>) -> impl Iterator<Item = Node<'a>> {
    let paths = PATHS.iter().filter(|path| match path.len() {
        0 | 1 => object.kind.is_empty(),
        _ => object.kind == "PrefectWorkPool",
    });
    paths.filter_map(|path| path.iter().try_fold(object.node, |node, key| node.get_first(key)))
}

/// Returns the patches that Prefect's operator applies to the template of a `PrefectWorkPool`. Returns `None` if the
/// object is of another kind or has no patches.
pub fn patches<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    if object.kind != "PrefectWorkPool" {
        return None;
    }
    let template = object.node.get_first("spec").and_then(|spec| spec.get_first("baseJobTemplate"));
    template.and_then(|template| template.get_first("patches")).filter(|patches| patches.items().next().is_some())
}

/// Returns the error for a template with patches, which are not applied here.
pub fn unsupported_patches_error() -> Error {
    Error::refused("unsupported `patches`: the operator would change the base job template after the edit")
        .hint("apply the patches to `value`, and remove them")
}

/// Returns whether the variable `name` is a Prefect setting. A worker passes its settings to flow runs as plain text.
/// Variables that start with `PREFECT__` are not settings: they identify the flow run.
pub fn is_worker_setting(name: &str) -> bool {
    name.starts_with("PREFECT_") && !name.starts_with("PREFECT__")
}

/// The parts of a base job template that edits change.
#[derive(Clone, Copy, Debug)]
pub struct BaseJobTemplate<'a> {
    /// `job_configuration`
    pub job_configuration: Node<'a>,
    /// The pod spec of the Job; `None` if it is missing or not a mapping, for example, a placeholder.
    pub pod_spec: Option<Node<'a>>,
    /// `variables.properties.env.default`, if it is set and not null.
    pub default_env: Option<Node<'a>>,
    /// `variables.properties.env`, the schema of the variable `env`, if it is set and not null.
    pub env_schema: Option<Node<'a>>,
}

impl<'a> BaseJobTemplate<'a> {
    /// Reads the base job template `template` in `object`.
    ///
    /// # Errors
    /// Fails if `job_configuration` is empty, if a part is ambiguous (for example, because of a duplicate key), or if
    /// the operator would patch the template.
    pub fn read(object: &Object<'a>, template: Node<'a>) -> Result<Self> {
        if let Some(patches) = patches(object) {
            return Err(unsupported_patches_error().at(patches.span()));
        }
        let path = object.node.path_to(template).chain([template]);
        path.into_iter()
            .try_for_each(|node| StrictMap::from_node(node, "a mapping around the base job template").map(drop))?;
        let get_nested = |from: Node<'a>, path: &[&str]| {
            path.iter().try_fold(Some(from), |node, key| match node {
                Some(node) if node.kind() == NodeKind::Map => get_on_path(node, key),
                _ => Ok(None),
            })
        };
        let Some(job_configuration) = get_nested(template, &["job_configuration"])? else {
            let error = Error::input("missing `job_configuration` in the base job template");
            return Err(error.at(template.span()).hint("copy it from Prefect's default template"));
        };
        StrictMap::from_node(job_configuration, "`job_configuration`")?;
        let pod_spec = get_nested(job_configuration, &["job_manifest", "spec", "template", "spec"])?;
        let env_schema = get_nested(template, &["variables", "properties", "env"])?;
        let default_env = env_schema.map_or(Ok(None), |schema| get_nested(schema, &["default"]))?;
        Ok(BaseJobTemplate {
            job_configuration,
            pod_spec: pod_spec.filter(|spec| spec.kind() == NodeKind::Map),
            default_env,
            env_schema,
        })
    }

    /// Returns whether the variable `env` can be a list of entries: its default is a list, or its schema or an
    /// alternative in it has the type `array`. A worker cannot merge a list with a mapping in `job_configuration.env`.
    pub fn has_env_list(&self) -> bool {
        let is_array = |schema: Node<'_>| {
            let types = schema.get_first("type");
            types.is_some_and(|types| types.has_text("array") || types.items().any(|name| name.has_text("array")))
        };
        let has_array_schema = |schema: Node<'_>| {
            let alternatives = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema.get_first(key));
            is_array(schema) || alternatives.flat_map(Node::items).any(is_array)
        };
        self.default_env.is_some_and(|default| default.kind() == NodeKind::Seq)
            || self.env_schema.is_some_and(has_array_schema)
    }

    /// Returns `job_configuration.env`, if it is set and not null.
    ///
    /// # Errors
    /// Fails if `env` is a duplicate key.
    pub fn env(&self) -> Result<Option<Node<'a>>> {
        get_on_path(self.job_configuration, "env")
    }
}

/// Returns whether a value is exactly `{{ env }}`, the placeholder of the variables that the worker adds.
pub fn is_env_placeholder(node: Node<'_>) -> bool {
    node.is_scalar() && node.text().is_some_and(|text| placeholder::sole_name(&text) == Some("env"))
}

/// Returns the item `{{ env }}` of a container's `env` list, if any. If any variable is set, the worker replaces this
/// item with a mapping of names to values, which the API server rejects as an entry.
pub fn mixed_placeholder(container: Node<'_>) -> Option<Node<'_>> {
    container.get_first("env")?.items().find(|item| is_env_placeholder(*item))
}
