//! What stands in the way of an apply: fields that others own, and values that the server has in another way.
//!
//! Pure: takes live objects and documents as JSON.

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::env::VALUE_FROM_SOURCES;
use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::workload;
use serde_json::Value;

use crate::document::TakeOverEntries;
use crate::errors::status::{Cause, Status};
use crate::managed_fields::{named_item, value_owners};
use crate::object::InputObject;
use crate::request::Resource;

/// How often something is begun again because the object changes meanwhile.
pub(crate) const ATTEMPTS: usize = 5;

/// An entry that has its value in another way on the server than in the document: both would stand in one
/// entry, as long as somebody else owns the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// The entry's name.
    pub name: String,
    /// The container.
    pub container: FieldPath,
    /// Its name.
    pub container_name: String,
    /// Whether it is the one that a call is about if it names none.
    pub is_first: bool,
    /// Whether it is an init container.
    pub is_init: bool,
    /// `value`, or the key below `valueFrom`, on the server.
    pub live: &'static str,
    /// Who owns that.
    pub owners: Vec<String>,
    /// The flag that names the entry as it is in the document; none where there is none.
    pub flag: Option<String>,
}

/// `value`, or the key below `valueFrom`.
fn way(entry: &Value) -> Option<&'static str> {
    if entry["value"].as_str().is_some_and(|value| !value.is_empty()) {
        return Some("value");
    }
    VALUE_FROM_SOURCES.into_iter().find(|source| entry["valueFrom"].get(source).is_some())
}

/// The flag that asks for an entry as it is; the text of a literal is no part of it.
fn flag(entry: &Value) -> Option<String> {
    let name = entry["name"].as_str()?;
    let key = |flag: &str, source: &Value| {
        let optional = if source["optional"] == true { ":optional" } else { "" };
        Some(format!("{flag} {name}={}/{}{optional}", source["name"].as_str()?, source["key"].as_str()?))
    };
    let from = &entry["valueFrom"];
    match way(entry)? {
        "secretKeyRef" => key("--secret-env", &from["secretKeyRef"]),
        "configMapKeyRef" => key("--config-env", &from["configMapKeyRef"]),
        "fieldRef" => Some(format!("--field-env {name}={}", from["fieldRef"]["fieldPath"].as_str()?)),
        "value" => Some(format!("--env {name}=...")),
        _ => None,
    }
}

/// The blocked entries of a document, `ours`.
pub(crate) fn blocked(live: &Value, ours: &Value, pod_spec: &FieldPath, manager: &str) -> Vec<Blocked> {
    let mut found = Vec::new();
    for list in ["containers", "initContainers"] {
        let containers = pod_spec.follow(ours).and_then(|spec| spec.get(list)?.as_array());
        for (position, own) in containers.into_iter().flatten().enumerate() {
            let Some(name) = own["name"].as_str() else { continue };
            let container = pod_spec.clone().join(PathStep::Key(list.to_owned())).join(named_item(name));
            let there = container.follow(live);
            for entry in own["env"].as_array().into_iter().flatten() {
                let Some(variable) = entry["name"].as_str() else { continue };
                let all = there.and_then(|container| container["env"].as_array()).into_iter().flatten();
                let Some(live_way) = all.into_iter().find(|live| live["name"] == variable).and_then(way) else {
                    continue;
                };
                if way(entry).is_none_or(|own| own == live_way) {
                    continue;
                }
                let path = container.clone().join(PathStep::Key("env".to_owned())).join(named_item(variable));
                let key = if live_way == "value" { "value" } else { "valueFrom" };
                found.push(Blocked {
                    name: variable.to_owned(),
                    container: container.clone(),
                    container_name: name.to_owned(),
                    is_first: list == "containers" && position == 0,
                    is_init: list == "initContainers",
                    live: live_way,
                    owners: value_owners(live, &path, key, manager),
                    flag: flag(entry),
                });
            }
        }
    }
    found
}

/// Whether a refusal may be about nothing but who owns these entries: only a trial can tell.
pub(crate) fn is_only_about(status: &Status, named: &[TakeOverEntries]) -> bool {
    match status.conflicts() {
        Some(conflicts) => conflicts.iter().all(|cause| is_named(cause, named)),
        None => status.is(422),
    }
}

/// Whether the field of a conflict is inside one of these entries.
fn is_named(cause: &Cause, named: &[TakeOverEntries]) -> bool {
    let Some(path) = FieldPath::parse(&cause.field) else { return false };
    named.iter().any(|named| {
        let depth = named.container.0.len();
        path.0.starts_with(&named.container.0)
            && path.0.get(depth) == Some(&PathStep::Key("env".to_owned()))
            && match path.0.get(depth + 1) {
                Some(PathStep::Item(keys)) => {
                    keys.iter().any(|(key, value)| key == "name" && named.names.contains(value))
                }
                _ => false,
            }
    })
}

/// Returns the error after the last attempt at an object that changes meanwhile each time.
pub(crate) fn keeps_changing(subject: &InputObject, resource: &Resource, what: &str) -> Error {
    let message = format!("{} changes all the time, so it can't be {what}", resource.object(subject.name()));
    subject.place(Error::new(ErrorKind::Cluster, message).hint("run again, or stop what keeps changing it"))
}

/// Conflicts as a table: field, manager, the live value and ours. Text is shown only where none that is
/// secret can stand.
pub(crate) fn table(conflicts: &[&Cause], live: &Value, ours: &Value) -> String {
    let is_workload = ours["kind"].as_str().is_some_and(|kind| workload::pod_spec_path(kind).is_some());
    let mut rows = vec![["FIELD", "MANAGER", "LIVE", "OURS"].map(str::to_owned)];
    for cause in conflicts {
        let path = FieldPath::parse(&cause.field);
        let shown = |object| {
            path.as_ref()
                .and_then(|path| path.follow(object))
                .map_or("-".to_owned(), |value| shown(&cause.field, is_workload, value))
        };
        // A path can name keys of maps, and those may be anything: only what our document has is shown.
        let field = match &path {
            Some(path) if path.follow(ours).is_some() => cause.field.clone(),
            _ => "(a field that is not in the manifest)".to_owned(),
        };
        rows.push([field, cause.manager().unwrap_or("?").to_owned(), shown(live), shown(ours)]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    rows.iter()
        .map(|row| {
            let cells: String = (0..3).map(|column| format!("{:<1$}  ", row[column], widths[column])).collect();
            format!("\n  {}", (cells + &row[3]).trim_end())
        })
        .collect()
}

fn shown(field: &str, is_workload: bool, value: &Value) -> String {
    // Under `data`, a key of the user's may have any name.
    let may_be_shown =
        is_workload && field.starts_with(".spec.") && MAY_BE_SHOWN.iter().any(|end| field.ends_with(end));
    match value {
        Value::Bool(_) | Value::Number(_) | Value::Null => value.to_string(),
        Value::String(text) if may_be_shown => text.clone(),
        Value::String(_) => "***".to_owned(),
        Value::Array(_) | Value::Object(_) => "(several)".to_owned(),
    }
}

/// Fields whose text is no secret.
const MAY_BE_SHOWN: [&str; 9] = [
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
    use crate::managed_fields::tests::live;

    #[test]
    fn a_table_shows_no_text_of_data() {
        let json = r#"{"details":{"causes":[{"reason":"FieldManagerConflict","field":".data.type","message":"conflict with \"m\" using v1"},
            {"reason":"FieldManagerConflict","field":".spec.schedule","message":"conflict with \"m\" using v1"}]}}"#;
        let status = crate::errors::status::Status::read(http::StatusCode::CONFLICT, json.as_bytes());
        let object = |kind: &str| json!({"kind": kind, "data": {"type": "hush"}, "spec": {"schedule": "@daily"}});
        let table = |kind| super::table(&status.conflicts().unwrap(), &object(kind), &object(kind));
        assert!(!table("Secret").contains("hush") && !table("CronJob").contains("hush"));
        assert!(table("CronJob").contains("@daily") && !table("Other").contains("@daily"));
    }

    #[test]
    fn literals_in_the_way_are_found_with_their_owners() {
        let mut ours = live();
        ours["spec"]["containers"][0]["env"] =
            json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
        let found = blocked(&live(), &ours, &FieldPath::from_keys(&["spec"]), "jobplate");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].owners, ["kubectl-client-side-apply", "kubectl-set"]);
        assert_eq!(found[0].flag.as_deref(), Some("--secret-env X=s/k"));
    }
}
