//! `KubernetesJob` blocks of Prefect 2, as they are written: which of their parts make up the environment of a flow
//! run. Agents made Jobs of them before there were workers.
//!
//! Such a block holds a whole Job under `job`, patches of it under `customizations`, and variables under `env`.
//! An agent appends its own settings and the variables to the `env` of the Job's container, and applies the patches
//! last (`KubernetesJob.build_job` of prefect 2.20).

use jobplate_diagnostic::Result;
use jobplate_manifest::object::{Object, get_on_path};
use jobplate_yaml::{Node, NodeKind, StrictMap};

/// What such blocks are called where objects are named by their kind: they have none themselves.
pub const KIND: &str = "KubernetesJob";

/// Where one can be: at the root; as Prefect's API gives it; in what `prefect deployment build` writes.
const PATHS: [&[&str]; 3] = [&[], &["data"], &["infrastructure"]];

/// The slug of the block's type.
pub const SLUG: &str = "kubernetes-job";

/// The key of the block's patches.
pub const PATCHES: &str = "customizations";

/// The block that an object is, or has in it.
pub fn find<'a>(object: &Object<'a>) -> Option<Node<'a>> {
    if !object.kind.is_empty() {
        return None;
    }
    let mut found = PATHS.iter().filter_map(|way| way.iter().try_fold(object.node, |node, key| node.get_first(key)));
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

/// The parts that edits are about.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesJobBlock<'a> {
    /// The block.
    pub node: Node<'a>,
    /// The pod of its Job; none where the block has no Job of its own.
    pub pod_spec: Option<Node<'a>>,
    /// Its patches, if they are there and no null.
    pub customizations: Option<Node<'a>>,
    /// Its variables, if they are there and no null.
    pub env: Option<Node<'a>>,
}

impl<'a> KubernetesJobBlock<'a> {
    /// Reads a block in an object.
    ///
    /// # Errors
    /// Fails where it is unclear what one of the parts is.
    pub fn read(object: &Object<'a>, block: Node<'a>) -> Result<Self> {
        let mut way = object.node.path_to(block).chain([block]);
        way.try_for_each(|node| StrictMap::from_node(node, "a mapping around the block").map(drop))?;
        let pod = ["job", "spec", "template", "spec"].iter().try_fold(Some(block), |node, key| match node {
            Some(node) if node.kind() == NodeKind::Map => get_on_path(node, key),
            _ => Ok(None),
        })?;
        Ok(KubernetesJobBlock {
            node: block,
            pod_spec: pod.filter(|pod| pod.kind() == NodeKind::Map),
            customizations: get_on_path(block, PATCHES)?,
            env: get_on_path(block, "env")?,
        })
    }
}

/// The path of a patch that appends an entry to the `env` of the flow's container.
pub const APPEND: &str = "/spec/template/spec/containers/0/env/-";

/// What a patch does to the `env` of the flow's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvPatch {
    /// Nothing.
    Nothing,
    /// Appends an entry.
    Appends,
    /// Something else, which depends on what stands where.
    Other,
}

/// Reads a patch.
pub fn classify_env_patch(patch: Node<'_>) -> EnvPatch {
    let text = |key: &str| patch.get_first(key).and_then(Node::text);
    let env = APPEND.trim_end_matches("/-");
    // One of the two is the other, or around it.
    let is_in = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let touches = |path: &str| is_in(env, path) || is_in(path, env);
    match (text("op"), text("path"), text("from")) {
        (Some(op), Some(path), _) if op == "add" && path == APPEND => EnvPatch::Appends,
        (_, Some(path), _) if touches(&path) => EnvPatch::Other,
        (_, _, Some(from)) if touches(&from) => EnvPatch::Other,
        _ => EnvPatch::Nothing,
    }
}
