//! Reads the owners of a live object's fields (`metadata.managedFields`), and plans ownership transfers of env entries.
//!
//! Works on JSON, and sends no requests.

use std::collections::HashSet;

use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::sensitive::LAST_APPLIED;
use serde_json::{Map, Value, json};

use crate::document::TakeOverEntries;
use crate::fields_v1::{get_subtree, insert_subtree, merge_trees, remove_subtree, to_tree_path};

/// A plan to transfer the ownership of env entries to our field manager.
#[derive(Debug)]
pub(crate) struct OwnershipTransfer {
    /// The JSON patch for the live object. The patch tests the resource version, so it fails if the object has changed.
    pub patch: Value,
    /// The managers that owned the entries; empty if the entries had no owner.
    pub previous_owners: Vec<String>,
    /// Whether the ownership of any entry changes.
    pub moves_entries: bool,
    /// Whether the last-applied annotation is removed.
    pub removes_last_applied: bool,
}

/// Plans the transfer of env entries, with or without an owner, to `manager` with the operation `Apply`. Returns `None`
/// if `entries` is empty, if `live` has no `apiVersion`, or if no ownership has to move and there is no last-applied
/// annotation.
///
/// The other fields keep their owners, so the apply that follows does not reset them. The patch also removes the
/// last-applied annotation of kubectl's client-side apply, which quotes the values of the entries.
pub(crate) fn plan_transfer(live: &Value, entries: &[TakeOverEntries], manager: &str) -> Option<OwnershipTransfer> {
    let mut owners: Vec<Value> =
        live.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let api_version = live["apiVersion"].as_str()?;
    let (moved_fields, previous_owners) = move_entries(live, entries, &mut owners, manager);
    let moves_entries = moved_fields.as_object().is_some_and(|fields| !fields.is_empty());
    preserve_unowned(live, entries, &mut owners, api_version);
    let removes_last_applied =
        live.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(LAST_APPLIED).is_some());
    if entries.is_empty() || !moves_entries && !removes_last_applied {
        return None;
    }
    if removes_last_applied {
        let path = ["f:metadata", "f:annotations", &format!("f:{LAST_APPLIED}")].map(str::to_owned);
        for fields in owners.iter_mut().filter_map(|owner| owner.get_mut("fieldsV1")) {
            remove_subtree(fields, &path);
        }
    }
    owners.retain(|owner| owner.get("fieldsV1").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty()));
    match owners.iter_mut().find(|owner| is_apply_by(owner, manager)) {
        Some(ours) => merge_trees(&mut ours["fieldsV1"], moved_fields),
        None if moves_entries => owners.push(json!({
            "manager": manager,
            "operation": "Apply",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": moved_fields,
        })),
        None => {}
    }
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}),
        json!({"op": "add", "path": "/metadata/managedFields", "value": owners}),
    ];
    if removes_last_applied {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Some(OwnershipTransfer { patch: Value::Array(patch), previous_owners, moves_entries, removes_last_applied })
}

/// Removes the entries from all owners except `manager` and the owners of subresources. Returns the merged trees of the
/// removed entries and of the entries without an owner, and the names of the previous owners.
fn move_entries(
    live: &Value,
    entries: &[TakeOverEntries],
    owners: &mut [Value],
    manager: &str,
) -> (Value, Vec<String>) {
    let mut moved_fields = Value::Object(Map::new());
    let mut previous_owners = Vec::new();
    for (path, tree) in entries.iter().flat_map(|entries| live_entry_trees(live, entries)) {
        let mut is_owned = false;
        for owner in owners.iter_mut().filter(|owner| !has_subresource(owner)) {
            let is_ours = is_apply_by(owner, manager);
            let name = owner["manager"].as_str().unwrap_or_default().to_owned();
            let Some(fields) = owner.get_mut("fieldsV1") else { continue };
            if is_ours {
                is_owned |= get_subtree(fields, &path).is_some();
            } else if let Some(removed_tree) = remove_subtree(fields, &path) {
                insert_subtree(&mut moved_fields, &path, removed_tree);
                is_owned = true;
                if !previous_owners.contains(&name) {
                    previous_owners.push(name);
                }
            }
        }
        if !is_owned {
            insert_subtree(&mut moved_fields, &path, tree);
        }
    }
    (moved_fields, previous_owners)
}

/// The manager to which Kubernetes assigns the fields that were set before ownership was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Assigns the owner [`BEFORE_FIRST_APPLY`] to the unowned env entries that are in the containers of `entries` but not
/// in `entries`. Otherwise, the server would also remove the unowned entries when an apply omits our entries.
fn preserve_unowned(live: &Value, entries: &[TakeOverEntries], owners: &mut Vec<Value>, api_version: &str) {
    let mut preserved_fields = json!({});
    for container_entries in entries {
        let env = container_entries.container.clone().join(PathStep::Key("env".to_owned()));
        let live_env = env.follow(live).and_then(Value::as_array).into_iter().flatten();
        let names = live_env.filter_map(|entry| entry["name"].as_str().map(str::to_owned));
        let names = names.filter(|name| !container_entries.names.contains(name)).collect();
        let other_entries =
            TakeOverEntries { object: container_entries.object, container: container_entries.container.clone(), names };
        for (path, tree) in live_entry_trees(live, &other_entries) {
            if !owners.iter().any(|owner| get_subtree(&owner["fieldsV1"], &path).is_some()) {
                insert_subtree(&mut preserved_fields, &path, tree);
            }
        }
    }
    if preserved_fields.as_object().is_none_or(Map::is_empty) {
        return;
    }
    // The server identifies an owner by all its properties except the owned fields, and would keep only one of two
    // identical owners. Therefore, merge the fields into an existing owner.
    let is_before_first_apply = |owner: &&mut Value| {
        owner["manager"] == BEFORE_FIRST_APPLY && owner["operation"] == "Update" && owner["apiVersion"] == api_version
    };
    match owners.iter_mut().filter(|owner| !has_subresource(owner)).find(is_before_first_apply) {
        Some(owner) => merge_trees(&mut owner["fieldsV1"], preserved_fields),
        None => owners.push(json!({
            "manager": BEFORE_FIRST_APPLY,
            "operation": "Update",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": preserved_fields,
        })),
    }
}

/// Returns whether no field of an object has an owner, which is the case after its `managedFields` were cleared.
/// Ignores the owners of subresources.
pub(crate) fn is_unowned(live: &Value) -> bool {
    let mut owners = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    !owners
        .any(|owner| !has_subresource(owner) && owner["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()))
}

/// An env entry that the manifest removes, but that remains in the live object because another manager owns it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RemainingEntry {
    /// The name of the entry.
    pub name: String,
    /// The name of the entry's container.
    pub container: String,
    /// The managers that own the entry.
    pub owners: Vec<String>,
}

/// Returns the entries that are in the live object but not in `ours`, the object in the document, with their owners
/// other than `manager`.
pub(crate) fn find_remaining(
    live: &Value,
    ours: &Value,
    entries: &[TakeOverEntries],
    manager: &str,
) -> Vec<RemainingEntry> {
    let mut remaining = Vec::new();
    for TakeOverEntries { container, names, .. } in entries {
        let container_name = match container.0.last() {
            Some(PathStep::Item(keys)) => keys.iter().map(|(_, name)| name.clone()).next().unwrap_or_default(),
            _ => String::new(),
        };
        for name in names {
            let path = container.clone().join(PathStep::Key("env".to_owned())).join(named_item(name));
            if path.follow(live).is_some() && path.follow(ours).is_none() {
                let owners = find_value_owners(live, &path, "name", manager);
                remaining.push(RemainingEntry { name: name.clone(), container: container_name.clone(), owners });
            }
        }
    }
    remaining
}

fn has_subresource(owner: &Value) -> bool {
    owner.get("subresource").is_some_and(|name| name != "")
}

/// Returns the path in a `fieldsV1` tree of each entry that is in the live object, with the tree that owns all of the
/// entry's fields.
fn live_entry_trees(live: &Value, entries: &TakeOverEntries) -> Vec<(Vec<String>, Value)> {
    let env = entries.container.clone().join(PathStep::Key("env".to_owned()));
    let Some(env_path) = to_tree_path(&env) else { return Vec::new() };
    let live_env = env.follow(live).and_then(Value::as_array).into_iter().flatten();
    let selected_entries =
        live_env.filter(|entry| entry["name"].as_str().is_some_and(|name| entries.names.contains(name)));
    let to_path_and_tree = |entry: &Value| {
        let item = to_tree_path(&FieldPath(vec![named_item(entry["name"].as_str()?)]))?;
        let mut tree = json!({".": {}, "f:name": {}});
        if entry.get("value").is_some() {
            tree["f:value"] = json!({});
        }
        if let Some(from) = entry["valueFrom"].as_object() {
            let sources = from.keys().map(|key| (format!("f:{key}"), json!({})));
            tree["f:valueFrom"] = sources.chain([(".".to_owned(), json!({}))]).collect::<Map<_, _>>().into();
        }
        Some(([env_path.clone(), item].concat(), tree))
    };
    selected_entries.filter_map(to_path_and_tree).collect()
}

fn is_apply_by(owner: &Value, manager: &str) -> bool {
    owner["manager"] == manager && owner["operation"] == "Apply" && !has_subresource(owner)
}

/// Returns the managers that own the field `key` of `entry`. Omits `manager` if it owns the field with the operation
/// `Apply`.
pub(crate) fn find_value_owners(live: &Value, entry: &FieldPath, key: &str, manager: &str) -> Vec<String> {
    let Some(path) = to_tree_path(&entry.clone().join(PathStep::Key(key.to_owned()))) else { return Vec::new() };
    let owners = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    owners
        .filter(|owner| !is_apply_by(owner, manager) && get_subtree(&owner["fieldsV1"], &path).is_some())
        .filter_map(|owner| owner["manager"].as_str().map(str::to_owned))
        .collect()
}

/// Returns whether `manager` has applied the field at the path of these keys.
pub(crate) fn owns_field(live: &Value, manager: &str, keys: &[&str]) -> bool {
    let Some(path) = to_tree_path(&FieldPath::from_keys(keys)) else { return false };
    let owners = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    owners.into_iter().any(|owner| is_apply_by(owner, manager) && get_subtree(&owner["fieldsV1"], &path).is_some())
}

/// Returns the path step to the list item named `name`.
pub(crate) fn named_item(name: &str) -> PathStep {
    PathStep::Item(vec![("name".to_owned(), name.to_owned())])
}

/// Removes from `object` those of `entries` that are not in `ours`, the object in the document.
pub(crate) fn remove_unset_entries(object: &mut Value, ours: &Value, entries: &[TakeOverEntries]) {
    for TakeOverEntries { container, names, .. } in entries {
        let our_env = container.follow(ours).and_then(|container| container["env"].as_array());
        let our_names: HashSet<&str> =
            our_env.into_iter().flatten().filter_map(|entry| entry["name"].as_str()).collect();
        let is_unset = |name: &str| names.contains(name) && !our_names.contains(name);
        let env = container.clone().join(PathStep::Key("env".to_owned()));
        if let Some(env) = env.follow_mut(object).and_then(Value::as_array_mut) {
            env.retain(|entry| !entry["name"].as_str().is_some_and(is_unset));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn entries() -> TakeOverEntries {
        let container = FieldPath::parse(".spec.containers[name=\"c\"]").unwrap();
        TakeOverEntries { object: 0, container, names: BTreeSet::from(["X".to_owned()]) }
    }

    pub(crate) fn live_pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "resourceVersion": "7",
                "annotations": {LAST_APPLIED: "{}"},
                "managedFields": [
                    {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {
                        "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}},
                        "f:spec": {"f:suspend": {}, "f:containers": {"k:{\"name\":\"c\"}": {
                            ".": {}, "f:env": {"k:{\"name\":\"X\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}},
                    {"manager": "kubectl-set", "operation": "Update", "fieldsV1": {
                        "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:env": {"k:{\"name\":\"X\"}": {"f:value": {}}}}}}}},
                    {"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
                ],
            },
            "spec": {"containers": [{"name": "c", "env": [{"name": "X", "value": "hush"}]}]},
        })
    }

    #[test]
    fn transfers_nothing_but_the_entries() {
        let transfer = plan_transfer(&live_pod(), &[entries()], "jobplate").unwrap();
        assert_eq!(transfer.previous_owners, ["kubectl-client-side-apply", "kubectl-set"]);
        assert_eq!(transfer.patch[0]["value"], "7");
        let owners = &transfer.patch[1]["value"];
        // The tree of `f:env` is removed, since an empty tree would own all entries.
        assert_eq!(
            owners[0]["fieldsV1"],
            json!({"f:metadata": {"f:annotations": {".": {}}},
                   "f:spec": {"f:suspend": {}, "f:containers": {"k:{\"name\":\"c\"}": {".": {}}}}})
        );
        assert_eq!(owners[1]["manager"], "kubelet");
        assert_eq!(owners[2]["manager"], "jobplate");
        let entry = "/f:spec/f:containers/k:{\"name\":\"c\"}/f:env/k:{\"name\":\"X\"}";
        assert_eq!(owners[2]["fieldsV1"].pointer(entry), Some(&json!({".": {}, "f:name": {}, "f:value": {}})));
        assert_eq!(transfer.patch[2]["op"], "remove");
        assert!(!transfer.patch.to_string().contains("hush"));
    }

    #[test]
    fn plans_nothing_for_owned_or_missing_entries() {
        let mut owned_pod = live_pod();
        let entry = json!({"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:env": {"k:{\"name\":\"X\"}": {"f:value": {}}}}}}});
        owned_pod["metadata"]["managedFields"] =
            json!([{"manager": "jobplate", "operation": "Apply", "fieldsV1": entry}]);
        owned_pod["metadata"]["annotations"] = json!({});
        assert!(plan_transfer(&owned_pod, &[entries()], "jobplate").is_none());
        let other = TakeOverEntries { names: BTreeSet::from(["Y".to_owned()]), ..entries() };
        assert!(plan_transfer(&owned_pod, &[other], "jobplate").is_none());
    }

    #[test]
    fn transfers_entries_that_nobody_owns() {
        let mut cleared_pod = live_pod();
        cleared_pod["metadata"]["managedFields"] = json!([{}]);
        let transfer = plan_transfer(&cleared_pod, &[entries()], "jobplate").unwrap();
        assert!(transfer.moves_entries && transfer.previous_owners.is_empty());
        let owners = &transfer.patch[1]["value"];
        assert_eq!(owners.as_array().map(Vec::len), Some(1));
        let entry = "/fieldsV1/f:spec/f:containers/k:{\"name\":\"c\"}/f:env/k:{\"name\":\"X\"}";
        assert_eq!(owners[0].pointer(entry), Some(&json!({".": {}, "f:name": {}, "f:value": {}})));
    }

    #[test]
    fn preserves_unowned_entries_of_the_same_container() {
        let mut cleared_pod = live_pod();
        cleared_pod["metadata"]["managedFields"] = json!([{}]);
        cleared_pod["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "a"}, {"name": "X", "value": "hush"}]);
        assert!(is_unowned(&cleared_pod) && !is_unowned(&live_pod()));
        let transfer = plan_transfer(&cleared_pod, &[entries()], "jobplate").unwrap();
        let owners = &transfer.patch[1]["value"];
        let entry = "/fieldsV1/f:spec/f:containers/k:{\"name\":\"c\"}/f:env/k:{\"name\":\"A\"}/f:value";
        assert_eq!(owners[0]["manager"], "before-first-apply");
        assert!(owners[0].pointer(entry).is_some());
        // A second transfer, for another container, keeps the entries that the first transfer preserved.
        let mut changed_pod = cleared_pod.clone();
        changed_pod["metadata"]["managedFields"] = owners.clone();
        changed_pod["spec"]["containers"] =
            json!([cleared_pod["spec"]["containers"][0], {"name": "d", "env": [{"name": "B"}, {"name": "X"}]}]);
        let other =
            TakeOverEntries { container: FieldPath::parse(".spec.containers[name=\"d\"]").unwrap(), ..entries() };
        let transfer = plan_transfer(&changed_pod, &[other], "jobplate").unwrap();
        let preserved_owners: Vec<&Value> = transfer.patch[1]["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|owner| owner["manager"] == BEFORE_FIRST_APPLY)
            .collect();
        assert!(preserved_owners.len() == 1 && preserved_owners[0].pointer(entry).is_some(), "{preserved_owners:?}");
    }
}
