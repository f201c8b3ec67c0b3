//! `KubernetesJob` blocks of Prefect 2 as YAML, and the parts that make up the environment of a flow run. Before
//! workers existed, agents created Jobs from these blocks.
//!
//! A block holds a whole Job under `job`, patches for it under `customizations`, and variables under `env`. An agent
//! appends its own settings and the variables to the `env` of the Job's container, and applies the patches last
//! (`KubernetesJob.build_job` of prefect 2.20).

use jobplate_diagnostic::Result;
use jobplate_manifest::object::{Object, get_on_path};
use jobplate_yaml::{Node, NodeKind, StrictMap};

/// The kind that targets and messages use for a block, which has no kind of its own.
pub const KIND: &str = "KubernetesJob";

/// The paths at which a block can be: the root; in a block document of Prefect's API; in a file written by `prefect
/// deployment build`.
const PATHS: [&[&str]; 3] = [&[], &["data"], &["infrastructure"]];

/// The slug of the block's type.
pub const SLUG: &str = "kubernetes-job";

/// The key of the block's patches.
pub const PATCHES: &str = "customizations";

/// Returns the block that an object is or contains, if any.
pub fn find<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    if !object.kind.is_empty() {
        return None;
    }
    let mut found = PATHS.iter().filter_map(|path| path.iter().try_fold(object.node, |node, key| node.get_first(key)));
    found.find(|node| is_block(*node))
}

fn is_block(node: Node<'_>) -> bool {
    let is_typed =
        ["type", "block_type_slug"].iter().any(|key| node.get_first(key).is_some_and(|slug| slug.has_text(SLUG)));
    let has_job = node.get_first("job").and_then(|job| job.get_first("kind")).is_some_and(|kind| kind.has_text("Job"));
    is_typed || has_job || node.get_first(PATCHES).is_some_and(|list| list.items().any(is_patch_of_containers))
}

fn is_patch_of_containers(item: Node<'_>) -> bool {
    let path = item.get_first("path").and_then(Node::text);
    item.get_first("op").is_some() && path.is_some_and(|path| path.contains("/containers"))
}

/// The parts of a block that edits change.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesJobBlock<'a> {
    /// The block.
    pub node: Node<'a>,
    /// The pod spec of the block's Job; `None` if it is missing or not a mapping.
    pub pod_spec: Option<Node<'a>>,
    /// The block's patches, if they are set and not null.
    pub customizations: Option<Node<'a>>,
    /// The block's variables, if they are set and not null.
    pub env: Option<Node<'a>>,
}

impl<'a> KubernetesJobBlock<'a> {
    /// Reads the block `block` in `object`.
    ///
    /// # Errors
    /// Fails if a part is ambiguous, for example, because of a duplicate key.
    pub fn read(object: &Object<'a>, block: Node<'a>) -> Result<Self> {
        let mut path = object.node.path_to(block).chain([block]);
        path.try_for_each(|node| StrictMap::from_node(node, "a mapping around the block").map(drop))?;
        let pod_spec = ["job", "spec", "template", "spec"].iter().try_fold(Some(block), |node, key| match node {
            Some(node) if node.kind() == NodeKind::Map => get_on_path(node, key),
            _ => Ok(None),
        })?;
        Ok(KubernetesJobBlock {
            node: block,
            pod_spec: pod_spec.filter(|pod_spec| pod_spec.kind() == NodeKind::Map),
            customizations: get_on_path(block, PATCHES)?,
            env: get_on_path(block, "env")?,
        })
    }
}

/// The path of a patch that appends an entry to the `env` of the flow's container.
pub const APPEND_ENV_PATH: &str = "/spec/template/spec/containers/0/env/-";

/// The effect of a JSON patch on the `env` of the flow's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvPatch {
    /// Leaves `env` unchanged.
    Nothing,
    /// Appends an entry.
    Appends,
    /// Changes `env` in another way. The result depends on the existing entries.
    Other,
}

/// Classifies a JSON patch by its effect on `env`.
pub fn classify_env_patch(patch: Node<'_>) -> EnvPatch {
    let read_field = |key: &str| patch.get_first(key).and_then(Node::text);
    let env = APPEND_ENV_PATH.trim_end_matches("/-");
    // `inner` is equal to `outer` or a path below it.
    let is_within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let touches = |path: &str| is_within(env, path) || is_within(path, env);
    match (read_field("op"), read_field("path"), read_field("from")) {
        (Some(op), Some(path), _) if op == "add" && path == APPEND_ENV_PATH => EnvPatch::Appends,
        (_, Some(path), _) if touches(&path) => EnvPatch::Other,
        (_, _, Some(from)) if touches(&from) => EnvPatch::Other,
        _ => EnvPatch::Nothing,
    }
}
