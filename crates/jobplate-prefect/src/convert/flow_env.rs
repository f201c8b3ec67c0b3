//! Converts the variables of the flow's container. Plain ones become defaults of the variable `env`, so that deployments
//! can change them. References stay in the container, and the worker is kept from setting the same names.
//!
//! A worker (prefect-kubernetes 0.6.6 and later) sets its own settings, then `env`, then those entries of the container
//! whose names are not set yet. Older ones, back to 0.2.12, keep all entries of the container.

use jobplate_diagnostic::{Error, Message, ProgramName, Result};
use jobplate_manifest::env::referenced_names;

use super::base::Base;
use super::notes::ConversionNotes;
use super::variable_mapping::{self, AcceptedValue, Disposition, RenamedVariables};
use super::{overlay, rewrite};
use crate::base_job_template::is_worker_setting;
use crate::generation::is_set_by_workers;
use crate::placeholder;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::{literal, text};
use crate::variables::is_sensitive;

/// An entry of the template, with its new name.
struct FlowEnvEntry {
    /// The name in the job template.
    old: String,
    /// The name in the result; `None` if the entry is removed.
    new: Option<String>,
    /// The old name as a value of the template.
    name: Id,
    /// The entry.
    entry: Id,
    /// The string of a literal; `None` for a reference.
    value: Option<Id>,
    /// The note about the new name.
    note: Option<String>,
}

/// Converts the `env` of the flow's container. Returns the new names of its variables.
///
/// # Errors
/// Fails at entries that Kubernetes rejects, and at names that clash.
pub(super) fn convert_env(
    heap: &mut Heap,
    base: &mut Base,
    notes: &mut ConversionNotes,
    env: Option<Id>,
) -> Result<RenamedVariables> {
    let mut entries = read_entries(heap, notes, env)?;
    entries.iter_mut().for_each(|entry| rename_entry(heap, entry));
    let renamed: RenamedVariables = entries.iter().map(|entry| (entry.old.clone(), entry.new.clone())).collect();
    resolve_clashes(heap, &mut entries)?;
    for entry in &entries {
        entry.note.iter().for_each(|note| notes.add(note, heap.place(entry.name)));
    }
    for entry in &mut entries {
        if let Some(value) = entry.value.filter(|_| entry.new.is_some()) {
            entry.value = Some(rewrite::rename_variables(heap, notes, value, &renamed));
        }
    }
    let kept: Vec<&FlowEnvEntry> = entries.iter().filter(|entry| entry.new.is_some()).collect();
    for entry in &kept {
        note_plaintext_secret(heap, notes, entry);
    }
    let has_variable = base.variable(heap, "env").is_some_and(|schema| !is_list(heap, schema));
    let stay: Vec<bool> = (0..kept.len()).map(|index| !has_variable || must_stay(heap, &kept, index)).collect();
    let mut staying = Vec::new();
    for (entry, stays) in kept.iter().zip(stay) {
        let name = entry.new.clone().unwrap_or_default();
        match entry.value.filter(|_| !stays) {
            Some(value) => {
                set_env_default(heap, base, &name, value)?;
                remove_from_container(heap, base, &name);
            }
            None => {
                let renamed = renamed_entry(heap, entry, &name);
                staying.push((name, overlay::literal(heap, base, notes, renamed)?, entry.name));
            }
        }
    }
    add_to_container(heap, base, notes, staying)?;
    Ok(renamed)
}

/// Reads the entries of `env`.
///
/// # Errors
/// Fails, with a place, at an entry that Kubernetes rejects.
fn read_entries(heap: &mut Heap, notes: &mut ConversionNotes, env: Option<Id>) -> Result<Vec<FlowEnvEntry>> {
    let Some(env) = env else { return Ok(Vec::new()) };
    let items = match heap.get(env).clone() {
        Data::None => return Ok(Vec::new()),
        Data::List(items) => items,
        _ => {
            let error = Error::input(format!("`env` must be a list, and is {}", heap.kind(env)));
            return Err(at(error.hint("write entries with `name` and `value`"), heap.place(env)));
        }
    };
    let mut entries: Vec<FlowEnvEntry> = Vec::new();
    for entry in items {
        let fail = |heap: &Heap, what: &str, id: Id| {
            let error = Error::input(format!("an entry of `env` {what}"));
            Err(at(error.hint("an entry has a `name`, and a `value` or `valueFrom`"), heap.place(id)))
        };
        if heap.dict(entry).is_none() {
            return fail(heap, "is no mapping", entry);
        }
        let Some(name) = heap.item(entry, "name") else { return fail(heap, "has no `name`", entry) };
        let Some(old) = heap.str(name).filter(|name| !name.is_empty()).map(str::to_owned) else {
            return fail(heap, "has a `name` that is no text", name);
        };
        if placeholder::is_contained_in(&old) {
            return fail(heap, "has a `name` with a placeholder in it", name);
        }
        if let Some(first) = entries.iter().position(|other| other.old == old) {
            // Which of the two `$(NAME)` refers to depends on its position.
            if rewrite::mentions(heap, env, &format!("$({old})")) {
                let error = Error::refused(format!("the variable `{old}` stands twice in `env`, and others use it"));
                return Err(at(error.hint("remove one of the two"), heap.place(name)));
            }
            let text = format!(
                "`{old}` is left out here: it stands in `env` once more, and to Kubernetes the last one counts"
            );
            notes.add(text, heap.place(entries[first].name));
            entries.remove(first);
        }
        let non_null = |key: &str| heap.item(entry, key).filter(|value| *heap.get(*value) != Data::None);
        let (value, from) = (non_null("value"), non_null("valueFrom"));
        let value = match (value, from) {
            (Some(value), Some(_)) if heap.str(value) != Some("") => {
                return fail(heap, "has both a `value` and a `valueFrom`, which Kubernetes refuses", name);
            }
            (_, Some(from)) if heap.dict(from).is_none() => {
                return fail(heap, "has a `valueFrom` that is no mapping", from);
            }
            (_, Some(_)) => None,
            (Some(value), None) => Some(rewrite::to_string(heap, notes, value, &format!("the value of `{old}`"))?),
            (None, None) => Some(heap.text("")),
        };
        entries.push(FlowEnvEntry { old, new: None, name, entry, value, note: None });
    }
    Ok(entries)
}

/// Sets the new name of an entry, converts its value for it, and adds a note if the name changes.
fn rename_entry(heap: &mut Heap, entry: &mut FlowEnvEntry) {
    let old = &entry.old;
    let (new, note) = match variable_mapping::disposition(old) {
        Disposition::Keep => (Some(old.clone()), None),
        Disposition::KeepWithNote => (
            Some(old.clone()),
            Some(format!(
                "`{old}` stays as it is: Prefect 2 and 3 have no settings of one's own, code can read it by os.environ"
            )),
        ),
        Disposition::Rename(new, accepted, more) => {
            match entry.value.map_or(Some(None), |value| convert_value(heap, value, accepted)) {
                None => {
                    (None, Some(format!("`{old}` is left out: `{new}` does not take its value; set that one by hand")))
                }
                Some(value) => {
                    entry.value = value.or(entry.value);
                    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
                    (Some(new.to_owned()), Some(format!("`{old}` is now `{new}`{more}")))
                }
            }
        }
        Disposition::Secret(secret) => (
            Some(secret.to_owned()),
            Some(format!(
                "`{old}` is now `{secret}`: Prefect 2 and 3 read no secrets from the environment; code reads it by os.environ, or has a Secret block in its place"
            )),
        ),
        Disposition::Remove(replacement) => (None, Some(format!("`{old}` is left out: {replacement}"))),
    };
    (entry.new, entry.note) = (new, note);
}

/// Converts a literal for a setting. Returns `None` if the setting rejects it, `Some(None)` if it needs no change.
fn convert_value(heap: &mut Heap, value: Id, accepted: AcceptedValue) -> Option<Option<Id>> {
    let text = heap.str(value).unwrap_or_default().to_owned();
    // Kubernetes composes the value, so that it is not known here.
    if referenced_names(&text).next().is_some() {
        return Some(None);
    }
    let lower = text.trim().to_lowercase();
    let is_valid = match accepted {
        AcceptedValue::Text => true,
        AcceptedValue::LogLevel => ["debug", "info", "warning", "error", "critical"].contains(&lower.as_str()),
        AcceptedValue::Bool => ["true", "false", "1", "0"].contains(&lower.as_str()),
        AcceptedValue::Count => !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_digit()),
        AcceptedValue::Seconds => lower.parse::<f64>().is_ok_and(f64::is_finite),
        AcceptedValue::Names => {
            let place = heap.place(value).cloned();
            let Some(list) = literal::eval(heap, &text, place.as_ref()) else { return Some(None) };
            let (Data::List(items) | Data::Tuple(items)) = heap.get(list).clone() else { return None };
            let names: Option<Vec<String>> = items.iter().map(|item| heap.str(*item).map(str::to_owned)).collect();
            return Some(Some(heap.put(Data::Str(names?.join(",")), place)));
        }
    };
    // Prefect 1 accepts spaces around these values, pydantic does not.
    let is_trimmed = matches!(accepted, AcceptedValue::LogLevel | AcceptedValue::Bool) && text.trim() != text;
    let place = heap.place(value).cloned();
    is_valid.then(|| is_trimmed.then(|| heap.put(Data::Str(text.trim().to_owned()), place)))
}

/// Removes entries whose new name is that of an entry with priority.
///
/// # Errors
/// Fails if both are in use and differ: a Prefect 1 secret, and a variable with its name.
fn resolve_clashes(heap: &Heap, entries: &mut [FlowEnvEntry]) -> Result<()> {
    for this in 0..entries.len() {
        let Some(new) = entries[this].new.clone() else { continue };
        let old = &entries[this].old;
        let rank = variable_mapping::rank(old);
        let stronger =
            entries.iter().find(|other| other.new.as_ref() == Some(&new) && variable_mapping::rank(&other.old) < rank);
        let Some(stronger) = stronger else { continue };
        if matches!(variable_mapping::disposition(old), Disposition::Secret(_))
            && !have_same_value(heap, &entries[this], stronger)
        {
            let error = Error::refused(format!("`{old}` and `{}` would both be `{new}`, and differ", stronger.old));
            let hint = "rename one of the two in the job template, and where code reads it, or remove it";
            return Err(at(error.hint(hint), heap.place(entries[this].name)));
        }
        let note = match stronger.old == new {
            true => format!("`{old}` is left out: `{new}` is there, too"),
            false => format!("`{old}` is left out: `{new}` is what `{}` has", stronger.old),
        };
        entries[this].note = Some(note);
        entries[this].new = None;
    }
    Ok(())
}

/// Returns whether two entries have the same value or reference.
fn have_same_value(heap: &Heap, one: &FlowEnvEntry, other: &FlowEnvEntry) -> bool {
    match (one.value, other.value) {
        (Some(one), Some(other)) => heap.equal(one, other),
        (None, None) => {
            let from = |entry: &FlowEnvEntry| heap.item(entry.entry, "valueFrom");
            from(one).zip(from(other)).is_some_and(|(one, other)| text::str(heap, one) == text::str(heap, other))
        }
        _ => false,
    }
}

/// Adds a note if a literal has a name that looks secret.
fn note_plaintext_secret(heap: &Heap, notes: &mut ConversionNotes, entry: &FlowEnvEntry) {
    let (Some(new), Some(value)) = (&entry.new, entry.value) else { return };
    let is_empty = heap.str(value).is_none_or(str::is_empty);
    // If `$(NAME)` composes the value, the secret is in another variable.
    let is_composed = heap.str(value).is_some_and(|text| referenced_names(text).next().is_some());
    if !is_empty && !is_composed && (is_sensitive(new) || is_sensitive(&entry.old)) {
        let text = format!(
            "`{new}` is plain text, and its name looks secret: whoever sees the work pool reads it; put it into a Secret, and a reference (`--secret-env {new}=SECRET/KEY` of `"
        );
        let text = Message::from(text) + ProgramName + " render`) into the job template";
        notes.add(text, heap.place(entry.name));
    }
}

/// Returns whether the schema of the variable `env` is a list of entries, like that of Kubernetes.
fn is_list(heap: &Heap, schema: Id) -> bool {
    heap.item(schema, "type").and_then(|own| heap.str(own)) == Some("array")
}

/// Returns whether the entry at `index` must stay in the container, instead of becoming a default of `env`.
fn must_stay(heap: &Heap, entries: &[&FlowEnvEntry], index: usize) -> bool {
    let entry = entries[index];
    let text = |entry: &FlowEnvEntry| entry.value.and_then(|value| heap.str(value)).unwrap_or_default().to_owned();
    let Some(new) = &entry.new else { return false };
    let own = text(entry);
    entry.value.is_none()
        || is_set_by_workers(new)
        // The worker puts `env` first, and `$(NAME)` refers to an earlier entry.
        || referenced_names(&own).next().is_some()
        || entries[..index].iter().any(|before| referenced_names(&text(before)).any(|used| used == new))
        // Prefect replaces placeholders in the values of `env` a second time.
        || placeholder::is_contained_in(&own)
}

/// Returns a copy of an entry with its new name and its converted value.
fn renamed_entry(heap: &mut Heap, entry: &FlowEnvEntry, name: &str) -> Id {
    let pairs = heap.dict(entry.entry).unwrap_or_default().to_vec();
    let place = heap.place(entry.entry).cloned();
    let own = heap.put(Data::Dict(pairs), place);
    let name = heap.text(name);
    heap.set_item(own, "name", name);
    if let Some(value) = entry.value {
        heap.set_item(own, "value", value);
    }
    own
}

/// Adds a variable to the default of the variable `env`.
fn set_env_default(heap: &mut Heap, base: &Base, name: &str, value: Id) -> Result<()> {
    let Some(schema) = base.variable(heap, "env") else { return Ok(()) };
    let default = match heap.item(schema, "default").filter(|own| heap.dict(*own).is_some()) {
        Some(default) => default,
        None => {
            let empty = heap.put(Data::Dict(Vec::new()), None);
            heap.set_item(schema, "default", empty);
            empty
        }
    };
    heap.set_item(default, name, value);
    Ok(())
}

/// Removes the entry with a name from the container of the base.
fn remove_from_container(heap: &mut Heap, base: &Base, name: &str) {
    let Some(list) = heap.item(base.container, "env") else { return };
    let Data::List(items) = heap.get(list).clone() else { return };
    let is_other = |item: &Id| heap.item(*item, "name").and_then(|own| heap.str(own)) != Some(name);
    *heap.get_mut(list) = Data::List(items.into_iter().filter(is_other).collect());
}

/// Adds entries to the container of the base, and keeps the worker from setting their names. Each entry comes with its
/// name and the value that notes refer to.
///
/// # Errors
/// Fails if the base cannot keep the worker from setting a name.
fn add_to_container(
    heap: &mut Heap,
    base: &Base,
    notes: &mut ConversionNotes,
    entries: Vec<(String, Id, Id)>,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut items = match heap.item(base.container, "env").map(|list| heap.get(list).clone()) {
        // Prefect replaces a placeholder among entries with a mapping, which Kubernetes rejects.
        Some(Data::List(items)) => items.into_iter().filter(|item| heap.dict(*item).is_some()).collect(),
        _ => Vec::new(),
    };
    for (name, entry, place) in entries {
        overlay::replace_or_push(heap, &mut items, "name", entry);
        let default = base.variable(heap, "env").and_then(|schema| heap.item(schema, "default"));
        if let Some(default) = default
            && let Data::Dict(pairs) = heap.get(default).clone()
        {
            let others = pairs.into_iter().filter(|(key, _)| heap.str(*key) != Some(name.as_str())).collect();
            *heap.get_mut(default) = Data::Dict(others);
        }
        if is_worker_setting(&name) {
            unset_worker_setting(heap, base, &name, place)?;
        }
        if name == "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR" {
            let text = format!("`{name}` is lost in the Job: workers since prefect-kubernetes 0.5.9 set it themselves");
            notes.add(text, heap.place(place));
        }
    }
    let list = heap.put(Data::List(items), None);
    heap.set_item(base.container, "env", list);
    Ok(())
}

/// Returns whether a schema allows null as the value of a key.
fn allows_null(heap: &Heap, schema: Id) -> bool {
    let any = heap.item(schema, "additionalProperties").and_then(|of| heap.item(of, "anyOf")).map(|any| heap.get(any));
    let is_null = |one: &Id| heap.item(*one, "type").and_then(|own| heap.str(own)) == Some("null");
    matches!(any, Some(Data::List(any)) if any.iter().any(is_null))
}

/// Sets a variable to null in `job_configuration.env`, which keeps the worker from setting it.
///
/// # Errors
/// Fails if `job_configuration.env` is a list.
fn unset_worker_setting(heap: &mut Heap, base: &Base, name: &str, place: Id) -> Result<()> {
    let env = heap.item(base.configuration, "env");
    let env = match env.map(|env| heap.get(env)) {
        Some(Data::Dict(_)) => env,
        Some(Data::List(_)) => {
            let error = Error::refused(format!(
                "`job_configuration.env` of the default is a list, beside which the worker's own `{name}` can't be left out"
            ));
            return Err(at(
                error.hint("write \"{{ env }}\" there, and the list into the container's `env`"),
                heap.place(place),
            ));
        }
        _ => None,
    };
    let env = env.unwrap_or_else(|| {
        let empty = heap.put(Data::Dict(Vec::new()), None);
        heap.set_item(base.configuration, "env", empty);
        empty
    });
    let null = heap.put(Data::None, None);
    heap.set_item(env, name, null);
    // Prefect 2.20 and the first versions of 3 replace `job_configuration.env` with the variable's default, if it has
    // one. The null must then be in the default too, if its schema allows nulls (that of Prefect 3 does).
    let schema = base.variable(heap, "env");
    let default = schema.and_then(|schema| heap.item(schema, "default"));
    if let (Some(schema), Some(default)) = (schema, default)
        && heap.dict(default).is_some_and(|pairs| !pairs.is_empty())
        && allows_null(heap, schema)
    {
        heap.set_item(default, name, null);
    }
    Ok(())
}
