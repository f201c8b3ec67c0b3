//! Explains a rejected apply with data from the live object: the owners of conflicting fields, and the env entries
//! whose live value has another source.

use std::collections::BTreeSet;

use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::field::{FieldPath, PathStep};
use jobplate_manifest::workload;
use jobplate_yaml::Node;
use serde_json::Value;

use crate::errors::conflict::{
    EnvSourceConflict, contains_entries, find_env_source_conflicts, format_conflict_table, is_within_entries,
    variable_of,
};
use crate::errors::status::{RefusedRequest, Status, StatusCause};
use crate::object::InputObject;
use crate::request::{Resource, Verb};
use crate::session::Session;

/// Returns the error for a rejected apply. `take_over` is true if `--take-over` was passed.
pub(crate) async fn explain_refusal(
    session: &Session<'_>,
    object: &InputObject,
    resource: &Resource,
    status: &Status,
    take_over: bool,
) -> Error {
    let request = RefusedRequest::new(object, resource, Verb::Patch);
    if status.conflicts().is_none() && !status.has_code(422) {
        return session.refusal_error(&request, status).await;
    }
    let live = match session.get_live(object, resource, object.name()).await {
        Ok(Some(live)) => live,
        Ok(None) => return session.refusal_error(&RefusedRequest { is_new: true, ..request }, status).await,
        Err(_) => return session.refusal_error(&request, status).await,
    };
    let name = resource.qualified_name(object.name());
    if let Some(conflicts) = status.conflicts() {
        return field_conflict_error(object, &name, &conflicts, &live, take_over);
    }
    if status.is_env_source_fault()
        && let Some(error) = env_source_error(session, object, &name, &live, take_over)
    {
        return error;
    }
    session.refusal_error(&request, status).await
}

/// Returns the error about fields that other field managers own. With `--take-over`, lists only the fields that it does
/// not cover.
fn field_conflict_error(
    object: &InputObject,
    object_name: &str,
    conflicts: &[&StatusCause],
    live: &Value,
    take_over: bool,
) -> Error {
    let is_covered = |cause: &&StatusCause| take_over && is_within_entries(cause, &object.take_over_entries);
    let uncovered: Vec<&StatusCause> = conflicts.iter().copied().filter(|cause| !is_covered(cause)).collect();
    let changed_meanwhile = uncovered.is_empty();
    let listed = if changed_meanwhile { conflicts } else { &uncovered };
    let ours = object.json_or_null();
    let table = format_conflict_table(listed, live, &ours);
    let message = format!("conflict: other field managers own fields of {object_name} that this would change:{table}");
    let variables: BTreeSet<String> = listed.iter().filter_map(|cause| variable_of(cause, &ours)).collect();
    let variables = variables.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let hint = match (take_over, variables.is_empty()) {
        _ if listed.iter().any(|cause| contains_entries(cause, &object.take_over_entries)) => {
            "a list of this kind is one field, so --take-over cannot move its entries: pass --force-conflicts to take over \
             the whole list"
                .to_owned()
        }
        _ if changed_meanwhile => "run again: the owners of these fields changed meanwhile".to_owned(),
        (true, false) => format!(
            "--take-over covers only variables that the command sets: set {variables} too, pass --force-conflicts \
             to take over all of these fields, or remove them from the manifest"
        ),
        (false, false) => format!(
            "pass --take-over and a flag that sets {variables}, pass --force-conflicts to take over all of these \
             fields, or remove them from the manifest"
        ),
        (_, true) => {
            "pass --force-conflicts to take over all of these fields, or remove them from the manifest".to_owned()
        }
    };
    object.locate(Error::new(ErrorKind::Cluster, message).hint(hint))
}

/// Returns the error about env entries whose live value has another source, such as `value` instead of
/// `valueFrom.secretKeyRef`. The error lists the owners, and its hint lists the flags that take over the entries.
/// Returns `None` if there are no such entries, or if all of them are already selected for a take-over.
fn env_source_error(
    session: &Session<'_>,
    object: &InputObject,
    object_name: &str,
    live: &Value,
    take_over: bool,
) -> Option<Error> {
    let pod_spec = workload::pod_spec_path(&object.kind)?;
    let manager = &session.write_options.field_manager;
    let conflicts = find_env_source_conflicts(live, &object.json_or_null(), &pod_spec, manager);
    let is_selected = |conflict: &EnvSourceConflict| {
        let mut selected_entries = object.take_over_entries.iter();
        selected_entries
            .any(|entries| entries.container == conflict.container && entries.names.contains(&conflict.name))
    };
    let first = conflicts.iter().find(|conflict| !is_selected(conflict))?;
    let format_line = |conflict: &EnvSourceConflict| {
        let owners =
            if conflict.owners.is_empty() { "no field manager".to_owned() } else { conflict.owners.join(", ") };
        let source = if conflict.live_source == "value" { "a plain value" } else { conflict.live_source };
        format!("\n  {} of container {}: {source}, owned by {owners}", conflict.name, conflict.container_name)
    };
    let lines: String = conflicts.iter().map(format_line).collect();
    let message = format!("conflict: other field managers own environment variables of {object_name}:{lines}");
    let flags = take_over_flags(object, &conflicts);
    let hint = match take_over {
        true => format!("set all of these variables to take them over: {flags} --take-over"),
        false => format!("take over these variables: {flags} --take-over"),
    };
    let error = Error::new(ErrorKind::Cluster, message).hint(hint);
    Some(object.locate(match object.with_node(|root| entry_offset(root, first)).flatten() {
        Some(offset) => error.at(offset..offset + 1),
        None => error,
    }))
}

/// Returns the flags that select the conflicting entries of the first container, and of each other container whose
/// conflicting entries need identical flags. A single command cannot select different entries for different containers.
fn take_over_flags(object: &InputObject, conflicts: &[EnvSourceConflict]) -> String {
    let select_flags = |container: &FieldPath| -> Vec<String> {
        let container_conflicts = conflicts.iter().filter(|conflict| conflict.container == *container);
        container_conflicts.filter_map(|conflict| conflict.flag.clone()).collect()
    };
    // The first conflict of each container.
    let mut containers: Vec<&EnvSourceConflict> = Vec::new();
    for conflict in conflicts {
        if !containers.iter().any(|other| other.container == conflict.container) {
            containers.push(conflict);
        }
    }
    let Some(first) = containers.first() else { return String::new() };
    let mut flags = select_flags(&first.container);
    let matching_containers: Vec<&&EnvSourceConflict> =
        containers.iter().filter(|other| select_flags(&other.container) == flags).collect();
    let is_default_kind = object.is_job() || &*object.kind == "CronJob";
    if !is_default_kind {
        flags.push(format!("--target {}/{}", object.kind, object.name()));
    }
    if matching_containers.len() > 1 || !first.is_default_container {
        flags.extend(matching_containers.iter().map(|conflict| format!("-c {}", conflict.container_name)));
    }
    if matching_containers.iter().any(|conflict| conflict.is_init_container) {
        flags.push("--init-containers".to_owned());
    }
    flags.join(" ")
}

/// Returns the byte offset of the conflicting env entry in the document, or `None` if the document does not contain it.
fn entry_offset(root: Node<'_>, conflict: &EnvSourceConflict) -> Option<usize> {
    let name = PathStep::Item(vec![("name".to_owned(), conflict.name.clone())]);
    let found = conflict.container.clone().join(PathStep::Key("env".to_owned())).join(name).resolve(root);
    found.is_complete.then(|| found.node.span().start)
}
