//! Compares the fields of a live Job with those of a new one, and decides which differences count.
//!
//! Works on JSON, and sends no requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::managed_fields::owns_field;

/// The labels that the API server sets on each Job and its pods.
const CONTROLLER_LABELS: [&str; 4] =
    ["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

/// The fields of a Job's `spec` that can be changed. Source: k8s.io/kubernetes: pkg/apis/batch/validation/validation.go.
const MUTABLE_FIELDS: [&str; 5] =
    ["activeDeadlineSeconds", "backoffLimit", "parallelism", "suspend", "ttlSecondsAfterFinished"];

/// The mappings whose keys the user chooses.
const USER_KEYED_FIELDS: [&str; 6] = ["annotations", "labels", "limits", "matchLabels", "nodeSelector", "requests"];

/// Returns the paths of the fields that differ between a live Job and the Job that the server would create from
/// `document`. `new` must have the controller fields of the live Job ([`copy_controller_fields`]).
///
/// The whole `spec` counts, except mutable fields that the document does not set. Labels and annotations of the live Job
/// count if they are in the new Job, or if `manager` has applied them. If immutable fields differ, mutable ones are left
/// out. A path contains no values, and a key that the user chooses only if it is in the document.
pub(crate) fn find_differences(live: &Value, new: &Value, document: &Value, manager: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let (live_spec, new_spec, our_spec) = (as_map(&live["spec"]), as_map(&new["spec"]), as_map(&document["spec"]));
    let is_mutable = |key: &str| MUTABLE_FIELDS.contains(&key);
    for is_mutable_pass in [false, true] {
        for key in keys_of(live_spec, new_spec) {
            let is_counted = is_mutable(key) == is_mutable_pass && (!is_mutable(key) || our_spec.contains_key(key));
            if is_counted && (!is_mutable_pass || paths.is_empty()) {
                compare(
                    &live["spec"][key],
                    &new["spec"][key],
                    &document["spec"][key],
                    &format!("spec.{key}"),
                    &mut paths,
                );
            }
        }
    }
    for field in ["labels", "annotations"] {
        let (live_map, new_map) = (as_map(&live["metadata"][field]), as_map(&new["metadata"][field]));
        let differs = |key: &&String| match new_map.get(*key) {
            Some(value) => live_map.get(*key) != Some(value),
            None => owns_field(live, manager, &["metadata", field, key]),
        };
        if paths.is_empty() && keys_of(live_map, new_map).iter().any(differs) {
            paths.push(format!("metadata.{field}"));
        }
    }
    paths
}

fn as_map(value: &Value) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&EMPTY)
}

fn keys_of<'m>(one: &'m Map<String, Value>, other: &'m Map<String, Value>) -> BTreeSet<&'m String> {
    one.keys().chain(other.keys()).collect()
}

/// Adds the paths of the fields below `path` that differ. Entries of `env` are compared as a whole.
fn compare(live: &Value, new: &Value, ours: &Value, path: &str, paths: &mut Vec<String>) {
    if live == new {
        return;
    }
    match (live, new) {
        (Value::Object(live_map), Value::Object(new_map)) => {
            let is_user_keyed = USER_KEYED_FIELDS.iter().any(|field| path.ends_with(&format!(".{field}")));
            let mut has_other_key = false;
            for key in keys_of(live_map, new_map) {
                if !is_user_keyed {
                    compare(&live[key], &new[key], &ours[key], &format!("{path}.{key}"), paths);
                } else if live.get(key) != new.get(key) {
                    match ours.get(key) {
                        Some(_) => paths.push(format!("{path}[{key}]")),
                        None => has_other_key = true,
                    }
                }
            }
            paths.extend(has_other_key.then(|| path.to_owned()));
        }
        (Value::Array(live_items), Value::Array(new_items)) => match (by_name(live_items), by_name(new_items)) {
            (Some(live_items), Some(new_items)) => {
                let our_items = ours.as_array().and_then(|items| by_name(items)).unwrap_or_default();
                let names: BTreeSet<&str> = live_items.keys().chain(new_items.keys()).copied().collect();
                let count = paths.len();
                for name in names {
                    let [live, new, ours] = [&live_items, &new_items, &our_items]
                        .map(|items| items.get(name).copied().unwrap_or(&Value::Null));
                    let item_path = format!("{path}[name=\"{name}\"]");
                    match path.ends_with(".env") || live.is_null() || new.is_null() {
                        true if live != new => paths.push(item_path),
                        true => {}
                        false => compare(live, new, ours, &item_path, paths),
                    }
                }
                // Only the order differs.
                if paths.len() == count {
                    paths.push(path.to_owned());
                }
            }
            _ => paths.push(path.to_owned()),
        },
        _ => paths.push(path.to_owned()),
    }
}

/// Returns list items by their names, or `None` if an item has no name or if two have the same one.
fn by_name(items: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> =
        items.iter().map(|item| Some((item["name"].as_str()?, item))).collect::<Option<_>>()?;
    (named.len() == items.len()).then_some(named)
}

/// Replaces the controller labels and the selector of a new Job with the values of the live Job, or removes them if
/// there is no live Job. These fields contain generated values, which would appear as differences.
pub(crate) fn copy_controller_fields(new: &mut Value, live: Option<&Value>) {
    for label in CONTROLLER_LABELS {
        for path in ["/metadata/labels", "/spec/template/metadata/labels"] {
            let live_value = live.and_then(|live| live.pointer(path)).and_then(|labels| labels.get(label)).cloned();
            if let Some(labels) = new.pointer_mut(path).and_then(Value::as_object_mut) {
                match live_value {
                    Some(value) => drop(labels.insert(label.to_owned(), value)),
                    None => drop(labels.remove(label)),
                }
            }
        }
    }
    // With `manualSelector`, the selector is the user's.
    let is_generated = |spec: &&mut Map<String, Value>| spec.get("manualSelector") != Some(&Value::Bool(true));
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut).filter(is_generated) {
        match live.and_then(|live| live["spec"].get("selector")) {
            Some(selector) => drop(spec.insert("selector".to_owned(), selector.clone())),
            None => drop(spec.remove("selector")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live_job() -> Value {
        let owned = json!({"f:metadata": {"f:labels": {"f:ours": {}}}, "f:spec": {}});
        json!({
            "metadata": {
                "labels": {"ours": "a", "theirs": "b", "job-name": "etl"},
                "managedFields": [{"manager": "jobplate", "operation": "Apply", "fieldsV1": owned}],
            },
            "spec": {
                "backoffLimit": 6,
                "suspend": true,
                "selector": {"matchLabels": {"controller-uid": "1"}},
                "template": {
                    "metadata": {"labels": {"controller-uid": "1", "app": "x"}},
                    "spec": {"containers": [
                        {"name": "flow", "image": "one", "args": ["a"], "env": [{"name": "A", "value": "hush"}, {"name": "B"}]},
                        {"name": "other", "image": "two"},
                    ]},
                },
            },
        })
    }

    /// Returns the differences after a change of the live Job. The document sets all fields of the changed Job.
    fn differences(pointer: &str, value: Value) -> Vec<String> {
        let mut new = live_job();
        *new.pointer_mut(pointer).unwrap() = value;
        find_differences(&live_job(), &new, &new.clone(), "jobplate")
    }

    #[test]
    fn lists_the_paths_of_differing_fields() {
        let containers = "/spec/template/spec/containers";
        let flow = "spec.template.spec.containers[name=\"flow\"]";
        let cases = [
            ("/spec/suspend".to_owned(), json!(true), vec![]),
            ("/spec/backoffLimit".to_owned(), json!(3), vec!["spec.backoffLimit".to_owned()]),
            (format!("{containers}/0/image"), json!("new"), vec![format!("{flow}.image")]),
            (format!("{containers}/0/args"), json!(["a", "b"]), vec![format!("{flow}.args")]),
            (format!("{containers}/0/env/0/value"), json!("new"), vec![format!("{flow}.env[name=\"A\"]")]),
            (
                format!("{containers}/0/env"),
                json!([]),
                vec![format!("{flow}.env[name=\"A\"]"), format!("{flow}.env[name=\"B\"]")],
            ),
            (
                format!("{containers}/0/env"),
                json!([{"name": "B"}, {"name": "A", "value": "hush"}]),
                vec![format!("{flow}.env")],
            ),
            (
                format!("{containers}/1"),
                json!({"name": "third"}),
                vec![
                    "spec.template.spec.containers[name=\"other\"]".to_owned(),
                    "spec.template.spec.containers[name=\"third\"]".to_owned(),
                ],
            ),
            (
                "/spec/template/metadata/labels".to_owned(),
                json!({"app": "y"}),
                vec!["spec.template.metadata.labels[app]".to_owned(), "spec.template.metadata.labels".to_owned()],
            ),
            ("/metadata/labels".to_owned(), json!({"ours": "a", "job-name": "etl"}), vec![]),
            (
                "/metadata/labels".to_owned(),
                json!({"theirs": "b", "job-name": "etl"}),
                vec!["metadata.labels".to_owned()],
            ),
            ("/metadata/labels/ours".to_owned(), json!("c"), vec!["metadata.labels".to_owned()]),
        ];
        for (pointer, value, expected) in cases {
            assert_eq!(differences(&pointer, value), expected, "{pointer}");
        }
    }

    #[test]
    fn ignores_mutable_fields_that_the_document_does_not_set() {
        let mut new = live_job();
        new["spec"]["suspend"] = json!(false);
        assert_eq!(find_differences(&live_job(), &new, &json!({"spec": {}}), "jobplate"), [""; 0]);
        assert_eq!(
            find_differences(&live_job(), &new, &json!({"spec": {"suspend": false}}), "jobplate"),
            ["spec.suspend"]
        );
        // A mutable field does not explain the rejection if an immutable one differs.
        new["spec"]["completions"] = json!(2);
        assert_eq!(
            find_differences(&live_job(), &new, &json!({"spec": {"suspend": false}}), "jobplate"),
            ["spec.completions"]
        );
    }

    #[test]
    fn takes_linear_time() {
        let job = |size: usize, value: &str| {
            let env: Vec<Value> =
                (0..size).map(|number| json!({"name": format!("A{number}"), "value": value})).collect();
            json!({"spec": {"template": {"spec": {"containers": [{"name": "flow", "env": env}]}}}})
        };
        let generate = |size| [job(size, "old"), job(size, "new")];
        jobplate_growth::assert_linear(2_000, generate, |[live, new]: &[Value; 2]| {
            assert!(!find_differences(live, new, new, "jobplate").is_empty());
        });
    }

    #[test]
    fn copies_generated_fields() {
        let mut new = live_job();
        new["spec"]["selector"] = json!({"matchLabels": {"controller-uid": "2"}});
        new["spec"]["template"]["metadata"]["labels"]["controller-uid"] = json!("2");
        let mut manual = new.clone();
        copy_controller_fields(&mut new, Some(&live_job()));
        assert_eq!(new, live_job());
        manual["spec"]["manualSelector"] = json!(true);
        copy_controller_fields(&mut manual, Some(&live_job()));
        assert_eq!(manual["spec"]["selector"]["matchLabels"]["controller-uid"], "2");
    }
}
