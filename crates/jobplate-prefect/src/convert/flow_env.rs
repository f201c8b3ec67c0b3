//! Converts the variables of the flow's container. Literals become defaults of the variable `env`, so deployments can
//! change them. References are kept in the container, and the worker is prevented from setting the same names.
//!
//! Workers of prefect-kubernetes 0.6.6 and later set their own settings, then `env`, then the container's entries whose
//! names are not set yet. Older workers, back to 0.2.12, keep all of the container's entries.

use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::{Diagnostic, Error, ProgramName, Result};
use jobplate_manifest::credentials::is_credential;
use jobplate_manifest::env::referenced_names;

use super::base::Base;
use super::env_default::{EnvDefault, is_list, set_env_default};
use super::notes::ConversionNotes;
use super::variable_mapping::{self, AcceptedValue, Disposition, RenamedVariables, may_be_api_url};
use super::{overlay, rewrite};
use crate::base_job_template::is_worker_setting;
use crate::generation::is_set_by_workers;
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// An entry of the job template's `env`, with its new name.
struct FlowEnvEntry {
    /// The name in the job template.
    old: String,
    /// The name in the result; `None` if the entry is removed.
    new: Option<String>,
    /// The value of the entry's `name` key, which notes point to.
    name: ValueId,
    /// The entry.
    entry: ValueId,
    /// The string of a literal; `None` for a reference.
    value: Option<ValueId>,
    /// The note about the new name.
    note: Option<Diagnostic>,
}

/// Converts the `env` of the flow's container. Returns the new names of its variables.
///
/// # Errors
/// Fails if the API server rejects an entry, if new names clash, or if the base cannot prevent the worker from
/// overriding an entry.
pub(super) fn convert_env(
    arena: &mut Arena,
    base: &mut Base,
    notes: &mut ConversionNotes,
    env: Option<ValueId>,
) -> Result<RenamedVariables> {
    let mut entries = read_entries(arena, notes, env)?;
    entries.iter_mut().for_each(|entry| rename_entry(arena, entry));
    let renamed: RenamedVariables = entries.iter().map(|entry| (entry.old.clone(), entry.new.clone())).collect();
    resolve_clashes(arena, &mut entries)?;
    for entry in &entries {
        entry.note.iter().for_each(|note| notes.add(note.clone(), arena.location(entry.name)));
    }
    for entry in &mut entries {
        if let Some(value) = entry.value.filter(|_| entry.new.is_some()) {
            entry.value = Some(rewrite::rename_variables(arena, notes, value, &renamed));
        }
    }
    let kept: Vec<&FlowEnvEntry> = entries.iter().filter(|entry| entry.new.is_some()).collect();
    for entry in &kept {
        note_plaintext_secret(arena, notes, entry);
    }
    let has_variable = base.variable(arena, "env").is_some_and(|schema| !is_list(arena, schema));
    let in_container = find_container_entries(arena, &kept);
    let mut container_entries = Vec::new();
    let mut defaults = HashSet::new();
    for (entry, is_in_container) in kept.iter().zip(in_container) {
        let name = entry.new.clone().unwrap_or_default();
        match entry.value.filter(|_| has_variable && !is_in_container) {
            Some(value) => {
                set_env_default(arena, base, &name, value)?;
                defaults.insert(name);
            }
            None => {
                let renamed = renamed_entry(arena, entry, &name);
                container_entries.push((name, overlay::to_literal(arena, base, notes, renamed)?, entry.name));
            }
        }
    }
    remove_from_container(arena, base, &defaults);
    add_to_container(arena, base, notes, container_entries)?;
    Ok(renamed)
}

/// Reads the entries of `env`. If a name occurs more than once, keeps the last entry and adds a note.
///
/// # Errors
/// Fails if the API server rejects an entry, if a name contains a placeholder, or if a value refers to a name that
/// occurs more than once. The error points to the entry.
fn read_entries(arena: &mut Arena, notes: &mut ConversionNotes, env: Option<ValueId>) -> Result<Vec<FlowEnvEntry>> {
    let Some(env) = env else { return Ok(Vec::new()) };
    let items = match arena.get(env).clone() {
        Value::None => return Ok(Vec::new()),
        Value::List(items) => items,
        _ => {
            let error = Error::input(format!("`env` must be a list, not {}", arena.describe_kind(env)));
            return Err(locate(error.hint("write entries with `name` and `value`"), arena.location(env)));
        }
    };
    let mut entries: Vec<Option<FlowEnvEntry>> = Vec::new();
    // The index of the last entry with each name.
    let mut indices = HashMap::new();
    let mut references: Option<HashSet<String>> = None;
    for entry in items {
        let fail = |arena: &Arena, problem: &str, id: ValueId| {
            Err(entry_error(arena, problem, "an entry has a `name`, and a `value` or `valueFrom`", id))
        };
        if arena.as_dict(entry).is_none() {
            return fail(arena, "must be a mapping", entry);
        }
        let Some(name) = arena.dict_get(entry, "name") else { return fail(arena, "has no `name`", entry) };
        let Some(old) = arena.as_str(name).filter(|name| !name.is_empty()).map(str::to_owned) else {
            return fail(arena, "has a `name` that is not a string", name);
        };
        if placeholder::is_contained_in(&old) {
            let hint = "replace the placeholder with a name";
            return Err(entry_error(arena, "has a placeholder in its `name`", hint, name));
        }
        if let Some(first) = indices.insert(old.clone(), entries.len()).and_then(|first: usize| entries[first].take()) {
            // The position of `$(NAME)` determines which of the two entries it refers to, so removing one of them could
            // change a value.
            if references.get_or_insert_with(|| rewrite::collect_references(arena, env)).contains(&old) {
                let error = Error::refused(format!("duplicate variable `{old}`, to which other variables refer"));
                return Err(locate(error.hint("remove one of the two"), arena.location(name)));
            }
            let text = format!("removed this entry of `{old}`: a later entry with the same name overrides it");
            notes.add(Diagnostic::warning("duplicate-env", text), arena.location(first.name));
        }
        let get_non_null = |key: &str| arena.dict_get(entry, key).filter(|value| *arena.get(*value) != Value::None);
        let (value, from) = (get_non_null("value"), get_non_null("valueFrom"));
        let value = match (value, from) {
            (Some(value), Some(_)) if arena.as_str(value) != Some("") => {
                let problem = "has both a `value` and a `valueFrom`, which Kubernetes rejects";
                return Err(entry_error(arena, problem, "remove `value` or `valueFrom`", name));
            }
            (_, Some(from)) if arena.as_dict(from).is_none() => {
                return fail(arena, "has a `valueFrom` that is not a mapping", from);
            }
            (_, Some(_)) => None,
            (Some(value), None) => Some(rewrite::to_string(arena, notes, value, &format!("the value of `{old}`"))?),
            (None, None) => Some(arena.alloc_str("")),
        };
        entries.push(Some(FlowEnvEntry { old, new: None, name, entry, value, note: None }));
    }
    Ok(entries.into_iter().flatten().collect())
}

fn entry_error(arena: &Arena, problem: &str, hint: &str, place: ValueId) -> Error {
    locate(Error::input(format!("an entry of `env` {problem}")).hint(hint), arena.location(place))
}

/// Sets the new name, the converted value and the note of an entry.
fn rename_entry(arena: &mut Arena, entry: &mut FlowEnvEntry) {
    let old = &entry.old;
    let (new, note) = match variable_mapping::disposition(old) {
        Disposition::Keep => (Some(old.clone()), None),
        Disposition::KeepWithNote => (
            Some(old.clone()),
            Some(Diagnostic::info(
                "renamed-variable",
                format!("kept `{old}`: Prefect 2 and 3 have no user-defined settings, so read it with os.environ"),
            )),
        ),
        Disposition::Rename(new, accepted, more) => {
            match entry.value.map_or(Some(None), |value| accepted.convert(arena, value)) {
                None => {
                    let text = format!("removed `{old}`: `{new}` does not accept its value");
                    let warning = Diagnostic::warning("unsupported-variable", text)
                        .help(format!("set `{new}` to a value that Prefect accepts"));
                    (None, Some(warning))
                }
                Some(value) => {
                    entry.value = value.or(entry.value);
                    let value = entry.value.and_then(|value| arena.as_str(value));
                    let url = value.filter(|url| accepted == AcceptedValue::ApiUrl && !url.trim().is_empty());
                    let is_other_url = url.is_some_and(|url| !may_be_api_url(url));
                    let note = if is_other_url { other_api_warning(old, new) } else { renamed_note(old, new, more) };
                    (Some(new.to_owned()), Some(note))
                }
            }
        }
        Disposition::Secret(secret) => (
            Some(secret.to_owned()),
            Some(
                Diagnostic::warning(
                    "renamed-variable",
                    format!("renamed `{old}` to `{secret}`: Prefect 2 and 3 do not read secrets from the environment"),
                )
                .help("read it with os.environ, or replace it with a Secret block"),
            ),
        ),
        Disposition::Remove(replacement) => {
            let text = format!("removed `{old}`: {replacement}");
            (None, Some(Diagnostic::warning("unsupported-variable", text)))
        }
    };
    (entry.new, entry.note) = (new, note);
}

fn renamed_note(old: &str, new: &str, more: &str) -> Diagnostic {
    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
    Diagnostic::info("renamed-variable", format!("renamed `{old}` to `{new}`{more}"))
}

/// Returns the warning about a URL that is not that of an API of Prefect 2 and 3.
fn other_api_warning(old: &str, new: &str) -> Diagnostic {
    let text = format!("renamed `{old}` to `{new}`, but its URL is not that of an API of Prefect 2 or 3");
    Diagnostic::warning("renamed-variable", text).help(format!(
        "set the URL of the new API, such as http://prefect-server:4200/api, or remove `{old}` to use the worker's URL"
    ))
}

/// Clears the new name of each entry if another entry with a higher priority has the same new name.
///
/// # Errors
/// Fails if a Prefect 1 secret and the variable with its name have different values.
fn resolve_clashes(arena: &Arena, entries: &mut [FlowEnvEntry]) -> Result<()> {
    let mut by_new: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        entry.new.iter().for_each(|new| by_new.entry(new.clone()).or_default().push(index));
    }
    for this in 0..entries.len() {
        let Some(new) = entries[this].new.clone() else { continue };
        let old = &entries[this].old;
        let rank = variable_mapping::rank(old);
        let same = by_new.get(&new).into_iter().flatten().map(|index| &entries[*index]);
        let stronger = same.filter(|other| other.new.is_some()).find(|other| variable_mapping::rank(&other.old) < rank);
        let Some(stronger) = stronger else { continue };
        if matches!(variable_mapping::disposition(old), Disposition::Secret(_))
            && !have_same_value(arena, &entries[this], stronger)
        {
            let error = Error::refused(format!(
                "`{old}` and `{}` would both become `{new}`, but have different values",
                stronger.old
            ));
            let hint = "remove one of the two, or rename it in the job template and in the code that reads it";
            return Err(locate(error.hint(hint), arena.location(entries[this].name)));
        }
        let text = match stronger.old == new {
            true => format!("removed `{old}`: `{new}` is already set"),
            false => format!("removed `{old}`: `{}` already sets `{new}`", stronger.old),
        };
        entries[this].note = Some(Diagnostic::warning("duplicate-env", text));
        entries[this].new = None;
    }
    Ok(())
}

/// Returns whether two entries have equal values or equal references.
fn have_same_value(arena: &Arena, one: &FlowEnvEntry, other: &FlowEnvEntry) -> bool {
    match (one.value, other.value) {
        (Some(one), Some(other)) => arena.equals(one, other),
        (None, None) => {
            let reference_of = |entry: &FlowEnvEntry| arena.dict_get(entry.entry, "valueFrom");
            reference_of(one)
                .zip(reference_of(other))
                .is_some_and(|(one, other)| string::str(arena, one) == string::str(arena, other))
        }
        _ => false,
    }
}

/// Adds a note if a literal has a name that looks secret.
fn note_plaintext_secret(arena: &Arena, notes: &mut ConversionNotes, entry: &FlowEnvEntry) {
    let (Some(new), Some(value)) = (&entry.new, entry.value) else { return };
    let text = arena.as_str(value).unwrap_or_default();
    // If the value refers to other variables (`$(NAME)`), the secret is in one of those variables.
    let is_composed = referenced_names(text).next().is_some();
    if !is_composed && (is_credential(new, text) || is_credential(&entry.old, text)) {
        let text =
            format!("`{new}` looks like a secret in plain text; anyone with access to the work pool can read it");
        let help = "use a Secret reference: `" + ProgramName + format!(" render FILE --secret-env {new}=SECRET/KEY`");
        notes.add(Diagnostic::warning("plaintext-secret", text).help(help), arena.location(entry.name));
    }
}

/// Returns for each entry whether it must be kept in the container instead of becoming a default of `env`.
fn find_container_entries(arena: &Arena, entries: &[&FlowEnvEntry]) -> Vec<bool> {
    let mut used_before = HashSet::new();
    let must_be_in_container = |entry: &&FlowEnvEntry| {
        let new = entry.new.as_deref().unwrap_or_default();
        let value = entry.value.and_then(|value| arena.as_str(value)).unwrap_or_default();
        let is_used_before = used_before.contains(new);
        used_before.extend(referenced_names(value));
        entry.value.is_none()
            || is_set_by_workers(new)
            // `$(NAME)` can only refer to an earlier entry. The worker puts the variables of `env` before the
            // container's entries, which would change the order.
            || referenced_names(value).next().is_some()
            || is_used_before
            // Prefect also replaces placeholders in the values of `env`, so the value would not be kept as it is.
            || placeholder::is_contained_in(value)
    };
    entries.iter().map(must_be_in_container).collect()
}

/// Returns a copy of an entry with its new name and its converted value.
fn renamed_entry(arena: &mut Arena, entry: &FlowEnvEntry, name: &str) -> ValueId {
    let copy = arena.get(entry.entry).clone();
    let location = arena.location(entry.entry).cloned();
    let renamed = arena.alloc(copy, location);
    let name = arena.alloc_str(name);
    arena.dict_set_str(renamed, "name", name);
    if let Some(value) = entry.value {
        arena.dict_set_str(renamed, "value", value);
    }
    renamed
}

/// Removes the entries with the given names from the base's container.
fn remove_from_container(arena: &mut Arena, base: &Base, names: &HashSet<String>) {
    let Some(list) = arena.dict_get(base.container, "env") else { return };
    let Value::List(items) = arena.get(list).clone() else { return };
    let name_of = |item: &ValueId| arena.dict_get(*item, "name").and_then(|name| arena.as_str(name));
    let is_other = |item: &ValueId| name_of(item).is_none_or(|name| !names.contains(name));
    *arena.get_mut(list) = Value::List(items.into_iter().filter(is_other).collect());
}

/// Adds entries to the container of the base, and prevents the worker from setting their names. Each tuple holds a
/// name, the entry, and the value that notes point to.
///
/// # Errors
/// Fails if the base cannot prevent the worker from setting a name.
fn add_to_container(
    arena: &mut Arena,
    base: &Base,
    notes: &mut ConversionNotes,
    entries: Vec<(String, ValueId, ValueId)>,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let items = match arena.dict_get(base.container, "env").map(|list| arena.get(list).clone()) {
        // Prefect replaces a placeholder among entries with a mapping, which the API server rejects. The placeholder is
        // therefore removed.
        Some(Value::List(items)) => items.into_iter().filter(|item| arena.as_dict(*item).is_some()).collect(),
        _ => Vec::new(),
    };
    let mut items = overlay::MergedList::new(arena, items, "name");
    let mut default = EnvDefault::read(arena, base);
    for (name, entry, location) in entries {
        items.replace_or_push(arena, entry);
        default.remove(&name);
        if name == "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR" {
            let text = format!("workers since prefect-kubernetes 0.5.9 override `{name}`");
            notes.add(Diagnostic::warning("overridden-variable", text), arena.location(location));
        }
        if is_worker_setting(&name) {
            unset_worker_setting(arena, base, &name, location)?;
            default.unset(name);
        }
    }
    default.write(arena);
    let list = arena.alloc(Value::List(items.items), None);
    arena.dict_set_str(base.container, "env", list);
    Ok(())
}

/// Sets the variable `name` to null in `job_configuration.env`, so the worker does not set it.
///
/// # Errors
/// Fails if `job_configuration.env` is a list.
fn unset_worker_setting(arena: &mut Arena, base: &Base, name: &str, location: ValueId) -> Result<()> {
    let env = arena.dict_get(base.configuration, "env");
    let env = match env.map(|env| arena.get(env)) {
        Some(Value::Dict(_)) => env,
        Some(Value::List(_)) => {
            let error = Error::refused(format!(
                "`job_configuration.env` of --from-default must be a mapping, not a list: only `{name}: null` in it removes the value that the worker sets"
            ));
            return Err(locate(
                error.hint("set `job_configuration.env` to \"{{ env }}\", and move the list to `env` of the container"),
                arena.location(location),
            ));
        }
        _ => None,
    };
    let env = env.unwrap_or_else(|| {
        let empty = arena.alloc(Value::empty_dict(), None);
        arena.dict_set_str(base.configuration, "env", empty);
        empty
    });
    let null = arena.alloc(Value::None, None);
    arena.dict_set_str(env, name, null);
    Ok(())
}
