//! The edits of a `KubernetesJob` block beside its Job: its patches where it has no Job of its own, and what else an
//! agent would set under the same names.

use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::kubernetes_job_block::{APPEND, EnvPatch, KubernetesJobBlock, PATCHES, classify_env_patch};
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, StrictMap, Value};

use super::base_job_template::{Claims, take_out};
use super::env::{DesiredEnv, set_entry};
use super::notes::Notes;

/// Adds those edits.
pub(super) fn plan(
    block: &KubernetesJobBlock<'_>,
    wanted: &DesiredEnv,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let mut fresh = Vec::new();
    let patches = patches(block)?;
    if let Some((patch, _)) = patches.iter().find(|(_, on_env)| *on_env == EnvPatch::Other) {
        return Err(Error::refused("a patch of the flow's `env` goes by what stands where, which an edit may change")
            .at(patch.span())
            .hint(format!("write it as `add` of a whole entry with the path `{APPEND}`")));
    }
    if block.pod_spec.is_none() && wanted.has_env_from() {
        let start = block.node.span().start;
        return Err(Error::refused("`envFrom` needs a Job in the block, under `job`")
            .at(start..start + 1)
            .hint("`prefect kubernetes manifest flow-run-job` prints the one that it stands for"));
    }
    plan_patches(block, &patches, wanted, &mut fresh, edits)?;

    let claims = Claims::new(wanted);
    match block.env {
        Some(env) if env.kind() == NodeKind::Map => take_out(env, "the block's `env`", &claims, edits, notes)?,
        Some(env) => {
            return Err(Error::input("the block's `env` is no mapping")
                .at(env.span())
                .hint("write it as one: `NAME: value`"));
        }
        None if claims.settings.is_empty() => {}
        None => set_missing(block, "env", claims.nulls(), &mut fresh, edits)?,
    }
    if !fresh.is_empty() {
        edits.push(StrictMap::from_node(block.node, "the block")?.into_editable().append(fresh));
    }
    Ok(())
}

fn patches<'a>(block: &KubernetesJobBlock<'a>) -> Result<Vec<(Node<'a>, EnvPatch)>> {
    let Some(list) = block.customizations else { return Ok(Vec::new()) };
    if list.kind() != NodeKind::Seq {
        return Err(Error::refused("`customizations` is no list, and is not looked into")
            .at(list.span())
            .hint("write the patches as a list, each with `op`, `path` and `value`"));
    }
    Ok(list.items().map(|item| (item, classify_env_patch(item))).collect())
}

/// Of a block with a Job, patches that append what is set in the Job go; of one without, they are where it is set.
fn plan_patches(
    block: &KubernetesJobBlock<'_>,
    patches: &[(Node<'_>, EnvPatch)],
    wanted: &DesiredEnv,
    fresh: &mut Vec<Child>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let named = |name: &str| -> Result<Option<(usize, Node<'_>)>> {
        let appended = patches.iter().enumerate().filter(|(_, (_, on_env))| *on_env == EnvPatch::Appends);
        let mut own = appended.filter_map(|(position, (patch, _))| {
            let value = patch.get_first("value")?;
            value.get_first("name").filter(|own| own.has_text(name)).map(|_| (position, value))
        });
        match (own.next(), own.next()) {
            (_, Some((_, value))) => Err(Error::refused(format!("the variable {name} is patched in twice"))
                .at(value.span())
                .hint("remove one of the two patches")),
            (own, None) => Ok(own),
        }
    };
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    for name in wanted.unset() {
        remove.extend(named(name)?.map(|(position, _)| position));
    }
    for variable in wanted.variables() {
        match named(variable.name())? {
            Some((position, _)) if block.pod_spec.is_some() => remove.push(position),
            Some((_, entry)) => set_entry(entry, variable, edits)?,
            None if block.pod_spec.is_some() => {}
            None => {
                let patch = [("op", Value::name("add")), ("path", Value::name(APPEND)), ("value", variable.entry())];
                insert.push((patches.len(), Value::map(patch)));
            }
        }
    }
    if remove.is_empty() && insert.is_empty() {
        return Ok(());
    }
    remove.sort_unstable();
    match block.customizations {
        None => {
            let patches = Value::seq(insert.into_iter().map(|(_, patch)| patch));
            set_missing(block, PATCHES, patches, fresh, edits)
        }
        Some(list) => {
            let list = Editable::from_node(list, "`customizations`")?;
            remove.iter().try_for_each(|position| Editable::from_node(patches[*position].0, "the patch").map(drop))?;
            let insert = insert.into_iter().map(|(at, patch)| (at, Child::Item(patch))).collect();
            edits.push(list.change_children(remove, insert));
            Ok(())
        }
    }
}

/// Gives the block a key that it has not, or has with null.
fn set_missing(
    block: &KubernetesJobBlock<'_>,
    key: &'static str,
    value: Value,
    fresh: &mut Vec<Child>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    match block.node.get(key)? {
        Some(null) => edits.push(StrictMap::from_node(null, &format!("`{key}`"))?.into_editable().replace(value)),
        None => fresh.push(Child::entry(key, value)),
    }
    Ok(())
}
