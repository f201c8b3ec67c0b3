//! Who owns which field of a live object (`metadata.managedFields`), and how env entries change hands.
//!
//! Pure: takes live objects as JSON and gives texts and patches. Ownership is kept as a tree
//! (`fieldsV1`): `f:KEY` for a field, `k:{"name":"X"}` for an item of a list, `.` for the item itself; an
//! empty tree stands for all below. Source: structured-merge-diff, which Kubernetes uses.

use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::sensitive::LAST_APPLIED;
use serde_json::{Map, Value, json};

use crate::document::TakeOverEntries;

/// A patch that moves the ownership of env entries to us.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// The JSON patch: it tests the resource version.
    pub patch: Value,
    /// Whose the entries were; nobody's are not among them.
    pub from: Vec<String>,
    /// Whether any entry changes hands.
    pub moves: bool,
    /// Whether the last-applied annotation goes, too.
    pub drops_last_applied: bool,
}

/// The ownership of these entries moved to `manager`'s apply, also of those that nobody owns; none where it
/// has them all, and there is no last-applied annotation.
///
/// Nothing else changes hands: what others own beside the entries stays theirs, so that the apply that
/// follows resets none of it.
pub(crate) fn transfer(live: &Value, named: &[TakeOverEntries], manager: &str) -> Option<Transfer> {
    let mut owners: Vec<Value> =
        live.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let api_version = live["apiVersion"].as_str()?;
    let mut moved = Value::Object(Map::new());
    let mut from = Vec::new();
    for (path, tree) in named.iter().flat_map(|named| live_entries(live, named)) {
        let mut is_owned = false;
        for owner in owners.iter_mut().filter(|owner| !is_of_subresource(owner)) {
            let is_ours = is_ours(owner, manager);
            let name = owner["manager"].as_str().unwrap_or_default().to_owned();
            let Some(fields) = owner.get_mut("fieldsV1") else { continue };
            if is_ours {
                is_owned |= path.iter().try_fold(&*fields, |tree, key| tree.get(key)).is_some();
            } else if let Some(taken) = take(fields, &path) {
                put(&mut moved, &path, taken);
                is_owned = true;
                if !from.contains(&name) {
                    from.push(name);
                }
            }
        }
        if !is_owned {
            put(&mut moved, &path, tree);
        }
    }
    let moves = moved.as_object().is_some_and(|moved| !moved.is_empty());
    keep_unowned(live, named, &mut owners, api_version);
    let drops_last_applied = live.pointer("/metadata/annotations").is_some_and(|all| all.get(LAST_APPLIED).is_some());
    if named.is_empty() || !moves && !drops_last_applied {
        return None;
    }
    if drops_last_applied {
        let path = ["f:metadata", "f:annotations", &format!("f:{LAST_APPLIED}")].map(str::to_owned);
        owners.iter_mut().filter_map(|owner| owner.get_mut("fieldsV1")).for_each(|fields| drop(take(fields, &path)));
    }
    owners.retain(|owner| owner.get("fieldsV1").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty()));
    match owners.iter_mut().find(|owner| is_ours(owner, manager)) {
        Some(ours) => merge(&mut ours["fieldsV1"], moved),
        None if moves => owners.push(json!({
            "manager": manager,
            "operation": "Apply",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": moved,
        })),
        None => {}
    }
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}),
        json!({"op": "add", "path": "/metadata/managedFields", "value": owners}),
    ];
    if drops_last_applied {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Some(Transfer { patch: Value::Array(patch), from, moves, drops_last_applied })
}

/// What Kubernetes calls the owner of what was there before anybody owned it.
const UNKNOWN_OWNER: &str = "before-first-apply";

/// Gives the other entries of these containers that nobody owns to an owner: when ours go, all that nobody
/// owns beside them would go, too.
fn keep_unowned(live: &Value, named: &[TakeOverEntries], owners: &mut Vec<Value>, api_version: &str) {
    let mut kept = json!({});
    for own in named {
        let env = own.container.clone().join(PathStep::Key("env".to_owned()));
        let all = env.follow(live).and_then(Value::as_array).into_iter().flatten();
        let names = all.filter_map(|entry| entry["name"].as_str().map(str::to_owned));
        let others: Vec<String> = names.filter(|name| !own.names.contains(name)).collect();
        let others = TakeOverEntries { object: own.object, container: own.container.clone(), names: others };
        for (path, tree) in live_entries(live, &others) {
            let holds = |owner: &Value| path.iter().try_fold(&owner["fieldsV1"], |tree, key| tree.get(key)).is_some();
            if !owners.iter().any(holds) {
                put(&mut kept, &path, tree);
            }
        }
    }
    if kept.as_object().is_none_or(Map::is_empty) {
        return;
    }
    // The server knows owners by all but their fields: of two alike it would forget one.
    let is_known = |owner: &&mut Value| {
        owner["manager"] == UNKNOWN_OWNER && owner["operation"] == "Update" && owner["apiVersion"] == api_version
    };
    match owners.iter_mut().filter(|owner| !is_of_subresource(owner)).find(is_known) {
        Some(owner) => merge(&mut owner["fieldsV1"], kept),
        None => owners.push(json!({
            "manager": UNKNOWN_OWNER,
            "operation": "Update",
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": kept,
        })),
    }
}

/// Whether nobody owns anything of an object: its ownership was cleared.
pub(crate) fn is_unowned(live: &Value) -> bool {
    let owners = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let owns =
        |owner: &&Value| !is_of_subresource(owner) && owner["fieldsV1"].as_object().is_some_and(|f| !f.is_empty());
    owners.filter(owns).count() == 0
}

/// An entry that was to go and stays, since others own it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Its name.
    pub name: String,
    /// The container, by its name.
    pub container: String,
    /// Who owns it.
    pub owners: Vec<String>,
}

/// The named entries that are not in the document, `ours`, and still on the server.
pub(crate) fn left(live: &Value, ours: &Value, named: &[TakeOverEntries], manager: &str) -> Vec<Left> {
    let mut found = Vec::new();
    for TakeOverEntries { container, names, .. } in named {
        let entry = |object, name: &str| {
            let path = container.clone().join(PathStep::Key("env".to_owned())).join(named_item(name));
            path.follow(object).is_some()
        };
        let of_container = match container.0.last() {
            Some(PathStep::Item(keys)) => keys.iter().map(|(_, name)| name.clone()).next().unwrap_or_default(),
            _ => String::new(),
        };
        for name in names.iter().filter(|name| entry(live, name) && !entry(ours, name)) {
            let path = container.clone().join(PathStep::Key("env".to_owned())).join(named_item(name));
            let owners = value_owners(live, &path, "name", manager);
            found.push(Left { name: name.clone(), container: of_container.clone(), owners });
        }
    }
    found
}

fn is_of_subresource(owner: &Value) -> bool {
    owner.get("subresource").is_some_and(|name| name != "")
}

/// The named entries that are there: the way to each through a tree of fields, and the tree that owns all
/// of it.
fn live_entries(live: &Value, named: &TakeOverEntries) -> Vec<(Vec<String>, Value)> {
    let env = named.container.clone().join(PathStep::Key("env".to_owned()));
    let Some(container) = tree_path(&env) else { return Vec::new() };
    let entries = env.follow(live).and_then(Value::as_array).into_iter().flatten();
    let wanted = entries.filter(|entry| named.names.iter().any(|name| entry["name"] == name.as_str()));
    let of = |entry: &Value| {
        let item = tree_path(&FieldPath(vec![named_item(entry["name"].as_str()?)]))?;
        let mut tree = json!({".": {}, "f:name": {}});
        if entry.get("value").is_some() {
            tree["f:value"] = json!({});
        }
        if let Some(from) = entry["valueFrom"].as_object() {
            let sources = from.keys().map(|key| (format!("f:{key}"), json!({})));
            tree["f:valueFrom"] = sources.chain([(".".to_owned(), json!({}))]).collect::<Map<_, _>>().into();
        }
        Some(([container.clone(), item].concat(), tree))
    };
    wanted.filter_map(of).collect()
}

fn is_ours(owner: &Value, manager: &str) -> bool {
    owner["manager"] == manager && owner["operation"] == "Apply" && !is_of_subresource(owner)
}

fn tree_path(path: &FieldPath) -> Option<Vec<String>> {
    let step = |step: &PathStep| match step {
        PathStep::Key(key) => Some(format!("f:{key}")),
        PathStep::Item(keys) => {
            let keys: Map<String, Value> = keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            Some(format!("k:{}", as_go_writes(&Value::Object(keys))))
        }
        PathStep::Index(_) => None,
    };
    path.0.iter().map(step).collect()
}

/// JSON as Go writes it: with what HTML could trip over escaped.
fn as_go_writes(value: &Value) -> String {
    let escape = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    value.to_string().chars().map(escape).collect()
}

/// Takes a subtree out. A tree that is left empty goes with it: it would stand for everything below.
fn take(fields: &mut Value, path: &[String]) -> Option<Value> {
    let map = fields.as_object_mut()?;
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return map.remove(first);
    }
    let child = map.get_mut(first)?;
    let taken = take(child, rest)?;
    if child.as_object().is_some_and(Map::is_empty) {
        map.remove(first);
    }
    Some(taken)
}

fn put(fields: &mut Value, path: &[String], tree: Value) {
    let nested = path.iter().rev().fold(tree, |inner, key| json!({ key: inner }));
    merge(fields, nested);
}

fn merge(fields: &mut Value, other: Value) {
    match (fields, other) {
        (Value::Object(own), Value::Object(other)) => {
            for (key, value) in other {
                merge(own.entry(key).or_insert_with(|| json!({})), value);
            }
        }
        (own, other) => *own = other,
    }
}

/// Who owns what an entry gets its value from: any manager but our apply.
pub(crate) fn value_owners(live: &Value, entry: &FieldPath, key: &str, manager: &str) -> Vec<String> {
    let Some(path) = tree_path(&entry.clone().join(PathStep::Key(key.to_owned()))) else { return Vec::new() };
    let owners = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let owns = |owner: &Value| path.iter().try_fold(&owner["fieldsV1"], |tree, key| tree.get(key)).is_some();
    let names = owners.filter(|owner| !is_ours(owner, manager) && owns(owner));
    names.filter_map(|owner| owner["manager"].as_str().map(str::to_owned)).collect()
}

pub(crate) fn named_item(name: &str) -> PathStep {
    PathStep::Item(vec![("name".to_owned(), name.to_owned())])
}

/// Takes entries that are to be removed out of an object: those that are named and not in the document.
pub(crate) fn remove_unset(object: &mut Value, ours: &Value, named: &[TakeOverEntries]) {
    for TakeOverEntries { container, names, .. } in named {
        let own = |name: &str| {
            let env = container.follow(ours).and_then(|container| container["env"].as_array());
            env.into_iter().flatten().any(|entry| entry["name"] == name)
        };
        let unset: Vec<&String> = names.iter().filter(|name| !own(name)).collect();
        let env = container.clone().join(PathStep::Key("env".to_owned()));
        if let Some(env) = env.follow_mut(object).and_then(Value::as_array_mut) {
            env.retain(|entry| !unset.iter().any(|name| entry["name"] == name.as_str()));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn named() -> TakeOverEntries {
        let container = FieldPath::parse(".spec.containers[name=\"c\"]").unwrap();
        TakeOverEntries { object: 0, container, names: vec!["X".to_owned()] }
    }

    pub(crate) fn live() -> Value {
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
    fn exactly_the_entries_change_hands() {
        let transfer = transfer(&live(), &[named()], "jobplate").unwrap();
        assert_eq!(transfer.from, ["kubectl-client-side-apply", "kubectl-set"]);
        assert_eq!(transfer.patch[0]["value"], "7");
        let owners = &transfer.patch[1]["value"];
        // What is left empty would stand for everything below it.
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
    fn nothing_to_take() {
        let mut mine = live();
        let entry = json!({"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:env": {"k:{\"name\":\"X\"}": {"f:value": {}}}}}}});
        mine["metadata"]["managedFields"] = json!([{"manager": "jobplate", "operation": "Apply", "fieldsV1": entry}]);
        mine["metadata"]["annotations"] = json!({});
        assert!(transfer(&mine, &[named()], "jobplate").is_none());
        let other = TakeOverEntries { names: vec!["Y".to_owned()], ..named() };
        assert!(transfer(&mine, &[other], "jobplate").is_none());
    }

    #[test]
    fn what_nobody_owns_is_taken_too() {
        let mut cleared = live();
        cleared["metadata"]["managedFields"] = json!([{}]);
        let transfer = transfer(&cleared, &[named()], "jobplate").unwrap();
        assert!(transfer.moves && transfer.from.is_empty());
        let owners = &transfer.patch[1]["value"];
        assert_eq!(owners.as_array().map(Vec::len), Some(1));
        let entry = "/fieldsV1/f:spec/f:containers/k:{\"name\":\"c\"}/f:env/k:{\"name\":\"X\"}";
        assert_eq!(owners[0].pointer(entry), Some(&json!({".": {}, "f:name": {}, "f:value": {}})));
    }

    #[test]
    fn what_stands_beside_is_kept() {
        let mut cleared = live();
        cleared["metadata"]["managedFields"] = json!([{}]);
        cleared["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "a"}, {"name": "X", "value": "hush"}]);
        assert!(is_unowned(&cleared) && !is_unowned(&live()));
        let transfer = transfer(&cleared, &[named()], "jobplate").unwrap();
        let owners = &transfer.patch[1]["value"];
        let entry = "/fieldsV1/f:spec/f:containers/k:{\"name\":\"c\"}/f:env/k:{\"name\":\"A\"}/f:value";
        assert_eq!(owners[0]["manager"], "before-first-apply");
        assert!(owners[0].pointer(entry).is_some());
        // Once more, for another container: the first is not forgotten.
        let mut again = cleared.clone();
        again["metadata"]["managedFields"] = owners.clone();
        again["spec"]["containers"] =
            json!([cleared["spec"]["containers"][0], {"name": "d", "env": [{"name": "B"}, {"name": "X"}]}]);
        let other = TakeOverEntries { container: FieldPath::parse(".spec.containers[name=\"d\"]").unwrap(), ..named() };
        let transfer = super::transfer(&again, &[other], "jobplate").unwrap();
        let kept: Vec<&Value> = transfer.patch[1]["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|owner| owner["manager"] == UNKNOWN_OWNER)
            .collect();
        assert!(kept.len() == 1 && kept[0].pointer(entry).is_some(), "{kept:?}");
    }

    #[test]
    fn names_are_keys_as_go_writes_them() {
        let path = tree_path(&FieldPath(vec![named_item("A<B>&\"C")])).unwrap();
        assert_eq!(path, ["k:{\"name\":\"A\\u003cB\\u003e\\u0026\\\"C\"}"]);
    }
}
