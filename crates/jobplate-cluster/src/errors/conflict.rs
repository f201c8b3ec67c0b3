//! Describes conflicts that prevent an apply: fields that other managers own, and env entries whose live value has
//! another source.
//!
//! Reads live objects and documents as JSON, and sends no requests.

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::env::VALUE_FROM_SOURCES;
use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::workload;
use serde_json::Value;

use crate::document::TakeOverEntries;
use crate::errors::status::{Status, StatusCause};
use crate::managed_fields::{find_value_owners, named_item};
use crate::object::InputObject;
use crate::request::Resource;

/// The maximum number of attempts if the object changes between a read and the write that follows.
pub(crate) const MAX_CONFLICT_ATTEMPTS: usize = 5;

/// An env entry whose value has different sources in the live object and in the document, such as `value` and
/// `valueFrom.secretKeyRef`.
///
/// As long as another manager owns the live source, the server merges both sources into one entry, which is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvSourceConflict {
    /// The name of the entry.
    pub name: String,
    /// The path from the object to the container.
    pub container: FieldPath,
    /// The name of the container.
    pub container_name: String,
    /// Whether flags apply to this container without `-c`.
    pub is_default_container: bool,
    /// Whether the container is an init container.
    pub is_init_container: bool,
    /// The live source: `value`, or the key below `valueFrom`.
    pub live_source: &'static str,
    /// The managers that own the live source.
    pub owners: Vec<String>,
    /// The flag that sets the entry to its value in the document, or `None` if the source has no flag.
    pub flag: Option<String>,
}

/// Returns the source of an entry's value: `value`, or the key below `valueFrom`. Returns `None` if the entry has no
/// source. An empty `value` does not count as a source.
fn value_source(entry: &Value) -> Option<&'static str> {
    if entry["value"].as_str().is_some_and(|value| !value.is_empty()) {
        return Some("value");
    }
    VALUE_FROM_SOURCES.into_iter().find(|source| entry["valueFrom"].get(source).is_some())
}

/// Returns the flag that sets an entry. Returns `None` if the entry has no source, if the source has no flag, or if a
/// name or key is missing. Replaces a literal value, which may be a secret, with `...`.
fn flag_for(entry: &Value) -> Option<String> {
    let name = entry["name"].as_str()?;
    let format_key_flag = |flag: &str, source: &Value| {
        let optional = if source["optional"] == true { ":optional" } else { "" };
        Some(format!("{flag} {name}={}/{}{optional}", source["name"].as_str()?, source["key"].as_str()?))
    };
    let from = &entry["valueFrom"];
    match value_source(entry)? {
        "secretKeyRef" => format_key_flag("--secret-env", &from["secretKeyRef"]),
        "configMapKeyRef" => format_key_flag("--config-env", &from["configMapKeyRef"]),
        "fieldRef" => Some(format!("--field-env {name}={}", from["fieldRef"]["fieldPath"].as_str()?)),
        "value" => Some(format!("--env {name}=...")),
        _ => None,
    }
}

/// Returns the env entries of `ours`, the object in the document, whose value has another source in `live`. Each has
/// the owners of its live source other than `manager`. `pod_spec` is the path to the pod spec.
pub(crate) fn find_env_source_conflicts(
    live: &Value,
    ours: &Value,
    pod_spec: &FieldPath,
    manager: &str,
) -> Vec<EnvSourceConflict> {
    let mut conflicts = Vec::new();
    for list in ["containers", "initContainers"] {
        let containers = pod_spec.follow(ours).and_then(|spec| spec.get(list)?.as_array());
        for (position, our_container) in containers.into_iter().flatten().enumerate() {
            let Some(container_name) = our_container["name"].as_str() else { continue };
            let container = pod_spec.clone().join(PathStep::Key(list.to_owned())).join(named_item(container_name));
            let live_env = container.follow(live).and_then(|container| container["env"].as_array());
            for entry in our_container["env"].as_array().into_iter().flatten() {
                let Some(name) = entry["name"].as_str() else { continue };
                let live_entry = live_env.into_iter().flatten().find(|live| live["name"] == name);
                let Some(live_source) = live_entry.and_then(value_source) else { continue };
                if value_source(entry).is_none_or(|source| source == live_source) {
                    continue;
                }
                let path = container.clone().join(PathStep::Key("env".to_owned())).join(named_item(name));
                let key = if live_source == "value" { "value" } else { "valueFrom" };
                conflicts.push(EnvSourceConflict {
                    name: name.to_owned(),
                    container: container.clone(),
                    container_name: container_name.to_owned(),
                    is_default_container: list == "containers" && position == 0,
                    is_init_container: list == "initContainers",
                    live_source,
                    owners: find_value_owners(live, &path, key, manager),
                    flag: flag_for(entry),
                });
            }
        }
    }
    conflicts
}

/// Returns whether the server may accept the object after a take-over of `entries`: either all conflicting fields
/// belong to `entries`, or the code is 422. For code 422, only a dry run can confirm that.
pub(crate) fn may_be_resolved_by_take_over(status: &Status, entries: &[TakeOverEntries]) -> bool {
    match status.conflicts() {
        Some(conflicts) => conflicts.iter().all(|cause| is_within_entries(cause, entries)),
        None => status.has_code(422),
    }
}

/// Returns whether the field of the conflict `cause` belongs to one of `entries`.
pub(crate) fn is_within_entries(cause: &StatusCause, entries: &[TakeOverEntries]) -> bool {
    let Some(path) = FieldPath::parse(&cause.field) else { return false };
    let Some((container, name)) = split_entry_path(&path) else { return false };
    entries.iter().any(|entries| entries.container.0 == container && entries.names.iter().any(|other| other == name))
}

/// Returns whether the field of the conflict `cause` contains the containers of `entries`. In a custom resource, a list is
/// one field unless its schema says otherwise.
pub(crate) fn contains_entries(cause: &StatusCause, entries: &[TakeOverEntries]) -> bool {
    let Some(path) = FieldPath::parse(&cause.field) else { return false };
    entries.iter().any(|entries| entries.container.0.starts_with(&path.0))
}

/// Returns the name of the variable whose `env` entry contains the field of a conflict. Returns `None` for another
/// field, and for a field that is not in `ours`, since its path may contain secrets.
pub(crate) fn variable_of(cause: &StatusCause, ours: &Value) -> Option<String> {
    let path = FieldPath::parse(&cause.field)?;
    path.follow(ours)?;
    split_entry_path(&path).map(|(_, name)| name.to_owned())
}

/// Splits the path of a field in an `env` entry into the path of the container and the name of the variable.
fn split_entry_path(path: &FieldPath) -> Option<(&[PathStep], &str)> {
    let depth = path.0.iter().position(|step| *step == PathStep::Key("env".to_owned()))?;
    let PathStep::Item(keys) = path.0.get(depth + 1)? else { return None };
    let (_, name) = keys.iter().find(|(key, _)| key == "name")?;
    Some((&path.0[..depth], name))
}

/// Returns the error after [`MAX_CONFLICT_ATTEMPTS`] attempts. `action` is a past participle, such as `deleted`.
pub(crate) fn conflict_loop_error(object: &InputObject, resource: &Resource, action: &str) -> Error {
    let message = format!("{} changes too often to be {action}", resource.qualified_name(object.name()));
    object.locate(Error::new(ErrorKind::Cluster, message).hint("run again, or stop the program that changes it"))
}

/// Formats conflicts as a table with the columns field, manager, live value and our value. Masks strings that may be
/// secret.
///
/// The `tabwriter` crate cannot align the table, since it would interpret a tab in a value as the end of a cell.
pub(crate) fn format_conflict_table(conflicts: &[&StatusCause], live: &Value, ours: &Value) -> String {
    let is_workload = ours["kind"].as_str().is_some_and(|kind| workload::pod_spec_path(kind).is_some());
    let mut rows = vec![["FIELD", "MANAGER", "LIVE", "OURS"].map(str::to_owned)];
    for cause in conflicts {
        let path = FieldPath::parse(&cause.field);
        let display = |object| {
            path.as_ref()
                .and_then(|path| path.follow(object))
                .map_or("-".to_owned(), |value| display_value(&cause.field, is_workload, value))
        };
        // The map keys in a path may be secret, so a path is shown only if it is in the user's own document.
        let field = match &path {
            Some(path) if path.follow(ours).is_some() => cause.field.clone(),
            _ => "(a field that is not in the manifest)".to_owned(),
        };
        rows.push([field, cause.manager().unwrap_or("?").to_owned(), display(live), display(ours)]);
    }
    let width_of = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width_of(0), width_of(1), width_of(2)];
    rows.iter()
        .map(|row| {
            let cells: String = (0..3).map(|column| format!("{:<1$}  ", row[column], widths[column])).collect();
            format!("\n  {}", (cells + &row[3]).trim_end())
        })
        .collect()
}

fn display_value(field: &str, is_workload: bool, value: &Value) -> String {
    // Outside of `spec`, such as in `data`, the user chooses the keys, which may end like a public field, so only
    // strings in `spec` can be public.
    let is_public =
        is_workload && field.starts_with(".spec.") && PUBLIC_FIELD_SUFFIXES.iter().any(|end| field.ends_with(end));
    match value {
        Value::Bool(_) | Value::Number(_) | Value::Null => value.to_string(),
        Value::String(text) if is_public => text.clone(),
        Value::String(_) => "***".to_owned(),
        Value::Array(_) | Value::Object(_) => "(several)".to_owned(),
    }
}

/// The suffixes of paths to workload fields whose strings are never secret.
const PUBLIC_FIELD_SUFFIXES: [&str; 9] = [
    ".image",
    ".schedule",
    ".concurrencyPolicy",
    ".restartPolicy",
    ".imagePullPolicy",
    ".type",
    ".serviceAccountName",
    ".secretKeyRef.name",
    ".secretKeyRef.key",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::managed_fields::tests::live_pod;

    #[test]
    fn masks_strings_in_data() {
        let json = r#"{"details":{"causes":[{"reason":"FieldManagerConflict","field":".data.type","message":"conflict with \"m\" using v1"},
            {"reason":"FieldManagerConflict","field":".spec.schedule","message":"conflict with \"m\" using v1"}]}}"#;
        let status = Status::read(http::StatusCode::CONFLICT, json.as_bytes());
        let object_of_kind =
            |kind: &str| json!({"kind": kind, "data": {"type": "hush"}, "spec": {"schedule": "@daily"}});
        let format_table =
            |kind| format_conflict_table(&status.conflicts().unwrap(), &object_of_kind(kind), &object_of_kind(kind));
        assert!(!format_table("Secret").contains("hush") && !format_table("CronJob").contains("hush"));
        assert!(format_table("CronJob").contains("@daily") && !format_table("Other").contains("@daily"));
    }

    #[test]
    fn recognizes_a_list_that_is_one_field() {
        let container = FieldPath::parse(".spec.template.spec.containers[name=\"c\"]").unwrap();
        let entries = [TakeOverEntries { object: 0, container, names: std::collections::BTreeSet::new() }];
        for (field, expected) in [
            (".spec.template.spec.containers", true),
            (".spec.template.spec.containers[name=\"c\"].env[name=\"X\"].value", false),
            (".spec.suspend", false),
        ] {
            let cause = StatusCause { field: field.to_owned(), ..StatusCause::default() };
            assert_eq!(contains_entries(&cause, &entries), expected, "{field}");
        }
    }

    #[test]
    fn finds_the_owners_of_a_conflicting_literal() {
        let mut ours = live_pod();
        ours["spec"]["containers"][0]["env"] =
            json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
        let found = find_env_source_conflicts(&live_pod(), &ours, &FieldPath::from_keys(&["spec"]), "jobplate");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].owners, ["kubectl-client-side-apply", "kubectl-set"]);
        assert_eq!(found[0].flag.as_deref(), Some("--secret-env X=s/k"));
    }
}
