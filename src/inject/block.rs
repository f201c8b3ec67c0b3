//! Plans the edits of a `KubernetesJob` block outside its Job: the edits of its patches and of its `env`. Variables in
//! the block's `env` override the Job's variables.

use std::borrow::Cow;
use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::kubernetes_job_block::{
    APPEND_ENV_PATH, EnvPatch, KubernetesJobBlock, PATCHES, classify_env_patch,
};
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, StrictMap, Value};

use super::base_job_template::{RequestedNames, plan_variable_removal};
use super::env::{DesiredEnv, note_replaced_literal, set_entry};
use super::notes::Notes;

/// Adds the edits outside the block's Job.
pub(super) fn plan_block(
    block: &KubernetesJobBlock<'_>,
    desired: &DesiredEnv,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let mut new_keys = Vec::new();
    let patches = read_patches(block)?;
    if let Some((patch, _)) = patches.iter().find(|(_, effect)| *effect == EnvPatch::Other) {
        return Err(Error::refused(
            "cannot edit `env`: a patch refers to one of its entries by index, and the edit can change that index",
        )
        .at(patch.span())
        .hint(format!("write it as an `add` operation of a complete entry with the path `{APPEND_ENV_PATH}`")));
    }
    if block.pod_spec.is_none() && desired.has_env_from() {
        let start = block.node.span().start;
        return Err(Error::refused("`envFrom` requires a Job under `job` in the block")
            .at(start..start + 1)
            .hint("add the default Job, which `prefect kubernetes manifest flow-run-job` prints"));
    }
    plan_patches(block, &patches, desired, &mut new_keys, edits, notes)?;

    let names = RequestedNames::new(desired);
    match block.env {
        Some(env) if env.kind() == NodeKind::Map => {
            plan_variable_removal(env, "the block's `env`", &names, edits, notes)?;
        }
        Some(env) => {
            return Err(Error::input("the block's `env` must be a mapping")
                .at(env.span())
                .hint("write it as a mapping, `NAME: value`"));
        }
        None if names.worker_settings.is_empty() => {}
        None => set_missing_key(block, "env", names.null_worker_settings(), &mut new_keys, edits)?,
    }
    if !new_keys.is_empty() {
        edits.push(StrictMap::from_node(block.node, "the block")?.into_editable().append(new_keys));
    }
    Ok(())
}

/// Returns the block's patches, each with its effect on `env`. Fails if `customizations` is not a list.
fn read_patches<'a>(block: &KubernetesJobBlock<'a>) -> Result<Vec<(Node<'a>, EnvPatch)>> {
    let Some(list) = block.customizations else { return Ok(Vec::new()) };
    if list.kind() != NodeKind::Seq {
        return Err(Error::refused("`customizations` must be a list")
            .at(list.span())
            .hint("write the patches as a list of mappings with `op`, `path` and `value`"));
    }
    Ok(list.items().map(|item| (item, classify_env_patch(item))).collect())
}

/// Adds the edits of the block's patches. If the block has a Job, the variables are set in the Job, and patches that
/// append them are removed. If the block has no Job, the variables are set in patches.
fn plan_patches(
    block: &KubernetesJobBlock<'_>,
    patches: &[(Node<'_>, EnvPatch)],
    desired: &DesiredEnv,
    new_keys: &mut Vec<Child>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let mut appended: HashMap<Cow<'_, str>, Vec<(usize, Node<'_>)>> = HashMap::new();
    for (position, (patch, _)) in patches.iter().enumerate().filter(|(_, (_, effect))| *effect == EnvPatch::Appends) {
        let value = patch.get_first("value");
        if let Some((value, name)) = value.and_then(|value| Some((value, value.get_first("name")?.text()?))) {
            appended.entry(name).or_default().push((position, value));
        }
    }
    let find_appended = |name: &str| match appended.get(name).map_or(&[][..], Vec::as_slice) {
        [_, (_, value), ..] => Err(Error::refused(format!("more than one patch sets the variable `{name}`"))
            .at(value.span())
            .hint("remove one of the two patches")),
        patches => Ok(patches.first().copied()),
    };
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    for name in desired.unset().filter(|name| !desired.sets(name)) {
        remove.extend(find_appended(name)?.map(|(position, _)| position));
    }
    for entry in desired.entries() {
        let existing = find_appended(entry.name())?;
        let literal = existing.and_then(|(_, existing)| existing.get_first("value")?.text());
        note_replaced_literal(desired, entry.name(), literal.as_deref(), notes);
        match existing {
            Some((position, _)) if block.pod_spec.is_some() => remove.push(position),
            Some((_, existing)) => set_entry(existing, entry, edits)?,
            None if block.pod_spec.is_some() => {}
            None => {
                let patch =
                    [("op", Value::name("add")), ("path", Value::name(APPEND_ENV_PATH)), ("value", entry.to_yaml())];
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
            set_missing_key(block, PATCHES, patches, new_keys, edits)
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

/// Sets a key of the block that is missing or null. Replaces a null value with an edit, and adds a missing key to
/// `new_keys`.
fn set_missing_key(
    block: &KubernetesJobBlock<'_>,
    key: &'static str,
    value: Value,
    new_keys: &mut Vec<Child>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    match block.node.get(key)? {
        Some(null_node) => {
            edits.push(StrictMap::from_node(null_node, &format!("`{key}`"))?.into_editable().replace(value))
        }
        None => new_keys.push(Child::entry(key, value)),
    }
    Ok(())
}
