//! Plans the edits of one container's `env` and `envFrom`.
//!
//! | file | decides |
//! |---|---|
//! | `desired` | how a requested variable is written as an entry |
//! | `list` | which values of `env` and `envFrom` can be edited, and that a missing list is created |
//! | `existing` | which existing entries are refused because their name is unclear |
//! | `entry` | what changes in an existing entry, and when it already has the requested value |
//! | `order` | where new entries go so that Kubernetes expands every `$(VAR)` |
//! | `env_from` | when an `envFrom` source is added and when it replaces one |

mod desired;
mod entry;
mod env_from;
mod existing;
mod list;
mod order;

use std::collections::HashMap;

use jobplate_diagnostic::Result;
use jobplate_manifest::env::EnvValue;
use jobplate_manifest::sendable;
use jobplate_prefect::base_job_template::is_env_placeholder;
use jobplate_yaml::{Child, Edit, Editable, Node, Value};

pub(super) use self::desired::{DesiredEnv, note_replaced_literal};
pub(super) use self::entry::set_entry;
use self::env_from::plan_env_from;
use self::existing::{ExistingEntry, find_requested, note_missing_unset, read_entry};
use self::list::{EnvList, change_list, read_list};
use self::order::{insert_positions, refuse_later_references};
use super::notes::Notes;

/// Adds the edits that bring a container's `env` and `envFrom` to the desired state. Adds no edits if both are already
/// in that state.
pub(super) fn plan_container_env(
    container: Editable<'_>,
    desired: &DesiredEnv,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let mut new_keys = Vec::new();
    if desired.has_env_from() {
        plan_env_from(*container, desired.env_from(), &mut new_keys, edits)?;
    }
    if desired.all_names().next().is_some() {
        plan_env(*container, desired, &mut new_keys, edits, notes)?;
    }
    if !new_keys.is_empty() {
        edits.push(container.change_children(Vec::new(), place_keys(*container, new_keys)));
    }
    Ok(())
}

/// The keys that kubectl prints before `envFrom` and `env`, in reverse order. A new key is inserted after the first of
/// these keys that the container has.
const KEYS_BEFORE_ENV: [&str; 6] = ["ports", "workingDir", "args", "command", "image", "name"];

/// Returns the new `envFrom` and `env` keys with their positions, which follow the order in which kubectl prints the
/// keys of a container.
fn place_keys(container: Node<'_>, new_keys: Vec<(&'static str, Value)>) -> Vec<(usize, Child)> {
    let position_of = |name: &str| container.entries().position(|(key, _)| key.has_text(name));
    let count = container.entries().count();
    let base = KEYS_BEFORE_ENV.iter().find_map(|key| position_of(key)).map_or(count, |position| position + 1);
    let insert = new_keys.into_iter().map(|(key, value)| {
        let env_from = if key == "env" { position_of("envFrom") } else { None };
        (env_from.map_or(base, |position| position + 1), Child::entry(key, value))
    });
    insert.collect()
}

/// Adds the edits of `env`. If the container has no `env`, adds the new list to `new_keys`.
fn plan_env(
    container: Node<'_>,
    desired: &DesiredEnv,
    new_keys: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let list = read_list(container, "env")?;
    let mut entries = Vec::new();
    if let EnvList::Items(node) = list {
        entries.reserve(8);
        for item in node.items() {
            entries.push(read_entry(item)?);
        }
    }
    let requested = find_requested(&entries, desired)?;
    for (position, entry) in entries.iter().enumerate() {
        if entry.has_non_string && requested.get(&*entry.name) != Some(&position) {
            let errors = sendable::non_string_errors(entry.node).into_iter();
            errors.for_each(|(error, node)| notes.add_at(error, node.span()));
        }
    }
    note_missing_unset(&entries, &requested, desired, notes);
    let removed = removed_positions(&entries, &requested, desired)?;
    let (mut new_entries, mut changed) = (Vec::new(), Vec::new());
    for entry in desired.entries() {
        match requested.get(entry.name()).copied() {
            None => new_entries.push(entry),
            Some(position) => {
                set_entry(entries[position].node, entry, edits)?;
                note_replaced_literal(desired, entry.name(), entries[position].literal.as_deref(), notes);
                changed.push((position, entry));
            }
        }
    }
    let changed_positions: Vec<usize> = changed.iter().map(|(position, _)| *position).collect();
    for (position, entry) in changed {
        entries[position].literal = match entry.value() {
            EnvValue::Literal(text) => Some(text.into()),
            _ => None,
        };
    }
    refuse_later_references(&entries, &changed_positions)?;
    let insert = insert_positions(&entries, &removed, &new_entries)?;
    change_list(&list, "env", removed, insert, new_keys, edits);
    Ok(())
}

/// Returns the indices of the entries to remove, in ascending order: the variables to unset and the placeholder
/// `{{ env }}`, which the worker would replace by a mapping in the middle of the list.
fn removed_positions(
    entries: &[ExistingEntry<'_>],
    requested: &HashMap<&str, usize>,
    desired: &DesiredEnv,
) -> Result<Vec<usize>> {
    let placeholders = entries.iter().enumerate().filter(|(_, entry)| is_env_placeholder(entry.node));
    let mut removed: Vec<usize> = placeholders.map(|(position, _)| position).collect();
    for (_, &position) in requested.iter().filter(|(name, _)| !desired.sets(name)) {
        removed.push(position);
    }
    removed.sort_unstable();
    for &position in &removed {
        if !is_env_placeholder(entries[position].node) {
            Editable::for_replacement(entries[position].node, existing::DESCRIPTION)?;
        }
    }
    Ok(removed)
}
