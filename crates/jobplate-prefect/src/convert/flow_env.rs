//! The variables of the flow's container: plain ones become defaults of the variable `env`, so that deployments can
//! change them; references stay in the container, and the worker is kept from setting the same names.
//!
//! What a worker (prefect-kubernetes 0.6.6 and later) makes of it: its own settings, then `env`, then what stands in
//! the container and has none of these names. Older ones, back to 0.2.12, keep all that stands in the container.

use jobplate_diagnostic::{Error, Message, ProgramName, Result};
use jobplate_manifest::env::referenced_names;

use super::base::Base;
use super::notes::Notes;
use super::variable_mapping::{self, Fate, Renamed, Takes};
use super::{overlay, rewrite};
use crate::base_job_template::is_worker_setting;
use crate::generation::is_set_by_workers;
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::{literal, string};
use crate::variables::is_sensitive;

/// One entry of the template, with the name that it will have.
struct Entry {
    /// The name in the template.
    old: String,
    /// The name in the result; none for what is left out.
    new: Option<String>,
    /// Where the old name stands.
    name: ValueId,
    /// The whole entry.
    entry: ValueId,
    /// The text of a literal; none for a reference.
    value: Option<ValueId>,
    /// What is to be said of its name.
    said: Option<String>,
}

/// Lays the variables of a container over the base. Gives what became of their names.
pub(super) fn lay(arena: &mut Arena, base: &mut Base, notes: &mut Notes, env: Option<ValueId>) -> Result<Renamed> {
    let mut entries = read(arena, notes, env)?;
    entries.iter_mut().for_each(|entry| decide(arena, entry));
    let renamed: Renamed = entries.iter().map(|entry| (entry.old.clone(), entry.new.clone())).collect();
    settle_clashes(arena, &mut entries)?;
    for entry in &entries {
        entry.said.iter().for_each(|said| notes.add(said, arena.location(entry.name)));
    }
    for entry in &mut entries {
        if let Some(value) = entry.value.filter(|_| entry.new.is_some()) {
            entry.value = Some(rewrite::with_names(arena, notes, value, &renamed));
        }
    }
    let kept: Vec<&Entry> = entries.iter().filter(|entry| entry.new.is_some()).collect();
    for entry in &kept {
        note_secret(arena, notes, entry);
    }
    let has_variable = base.variable(arena, "env").is_some_and(|schema| !takes_list(arena, schema));
    let stays: Vec<bool> = (0..kept.len()).map(|at| !has_variable || must_stay(arena, &kept, at)).collect();
    let mut hard_coded = Vec::new();
    for (entry, stays) in kept.iter().zip(stays) {
        let name = entry.new.clone().unwrap_or_default();
        match entry.value.filter(|_| !stays) {
            Some(value) => {
                put_default(arena, base, &name, value)?;
                forget_in_container(arena, base, &name);
            }
            None => {
                let own = with_name(arena, entry, &name);
                hard_coded.push((name, overlay::literal(arena, base, notes, own)?, entry.name));
            }
        }
    }
    put_hard_coded(arena, base, notes, hard_coded)?;
    Ok(renamed)
}

/// Reads a list of variables. Fails, with a place, at what Kubernetes does not take for one.
fn read(arena: &mut Arena, notes: &mut Notes, env: Option<ValueId>) -> Result<Vec<Entry>> {
    let Some(env) = env else { return Ok(Vec::new()) };
    let items = match arena.get(env).clone() {
        Value::None => return Ok(Vec::new()),
        Value::List(items) => items,
        _ => {
            let error = Error::input(format!("`env` must be a list, and is {}", arena.describe_kind(env)));
            return Err(locate(error.hint("write entries with `name` and `value`"), arena.location(env)));
        }
    };
    let mut entries: Vec<Entry> = Vec::new();
    for entry in items {
        let fail = |arena: &Arena, what: &str, id: ValueId| {
            let error = Error::input(format!("an entry of `env` {what}"));
            Err(locate(error.hint("an entry has a `name`, and a `value` or `valueFrom`"), arena.location(id)))
        };
        if arena.as_dict(entry).is_none() {
            return fail(arena, "is no mapping", entry);
        }
        let Some(name) = arena.dict_get(entry, "name") else { return fail(arena, "has no `name`", entry) };
        let Some(old) = arena.as_str(name).filter(|name| !name.is_empty()).map(str::to_owned) else {
            return fail(arena, "has a `name` that is no text", name);
        };
        if placeholder::is_contained_in(&old) {
            return fail(arena, "has a `name` with a placeholder in it", name);
        }
        if let Some(first) = entries.iter().position(|other| other.old == old) {
            // Which of the two `$(NAME)` means depends on where it stands.
            if rewrite::mentions(arena, env, &format!("$({old})")) {
                let error = Error::refused(format!("the variable `{old}` stands twice in `env`, and others use it"));
                return Err(locate(error.hint("remove one of the two"), arena.location(name)));
            }
            let said = format!(
                "`{old}` is left out here: it stands in `env` once more, and to Kubernetes the last one counts"
            );
            notes.add(said, arena.location(entries[first].name));
            entries.remove(first);
        }
        let is_there = |key: &str| arena.dict_get(entry, key).filter(|value| *arena.get(*value) != Value::None);
        let (value, from) = (is_there("value"), is_there("valueFrom"));
        let value = match (value, from) {
            (Some(value), Some(_)) if arena.as_str(value) != Some("") => {
                return fail(arena, "has both a `value` and a `valueFrom`, which Kubernetes refuses", name);
            }
            (_, Some(from)) if arena.as_dict(from).is_none() => {
                return fail(arena, "has a `valueFrom` that is no mapping", from);
            }
            (_, Some(_)) => None,
            (Some(value), None) => Some(rewrite::as_text(arena, notes, value, &format!("the value of `{old}`"))?),
            (None, None) => Some(arena.alloc_str("")),
        };
        entries.push(Entry { old, new: None, name, entry, value, said: None });
    }
    Ok(entries)
}

/// Finds the name that an entry gets, and says so where it is another one.
fn decide(arena: &mut Arena, entry: &mut Entry) {
    let old = &entry.old;
    let (new, said) = match variable_mapping::fate(old) {
        Fate::Stays => (Some(old.clone()), None),
        Fate::IsOfTheUser => (
            Some(old.clone()),
            Some(format!(
                "`{old}` stays as it is: Prefect 2 and 3 have no settings of one's own, code can read it by os.environ"
            )),
        ),
        Fate::Renamed(new, takes, more) => {
            match entry.value.map_or(Some(None), |value| converted(arena, value, takes)) {
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
        Fate::Secret(secret) => (
            Some(secret.to_owned()),
            Some(format!(
                "`{old}` is now `{secret}`: Prefect 2 and 3 read no secrets from the environment; code reads it by os.environ, or has a Secret block in its place"
            )),
        ),
        Fate::Dropped(instead) => (None, Some(format!("`{old}` is left out: {instead}"))),
    };
    (entry.new, entry.said) = (new, said);
}

/// A literal as a setting takes it: `None` where it does not; `Some(None)` where nothing is to be changed.
fn converted(arena: &mut Arena, value: ValueId, takes: Takes) -> Option<Option<ValueId>> {
    let text = arena.as_str(value).unwrap_or_default().to_owned();
    // What Kubernetes puts together is not known here.
    if referenced_names(&text).next().is_some() {
        return Some(None);
    }
    let lower = text.trim().to_lowercase();
    let is = match takes {
        Takes::Text => true,
        Takes::Level => ["debug", "info", "warning", "error", "critical"].contains(&lower.as_str()),
        Takes::Bool => ["true", "false", "1", "0"].contains(&lower.as_str()),
        Takes::Count => !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_digit()),
        Takes::Number => lower.parse::<f64>().is_ok_and(f64::is_finite),
        Takes::Names => {
            let location = arena.location(value).cloned();
            let Some(list) = literal::eval(arena, &text, location.as_ref()) else { return Some(None) };
            let (Value::List(items) | Value::Tuple(items)) = arena.get(list).clone() else { return None };
            let names: Option<Vec<String>> = items.iter().map(|item| arena.as_str(*item).map(str::to_owned)).collect();
            return Some(Some(arena.alloc(Value::Str(names?.join(",")), location)));
        }
    };
    // Prefect 1 takes blanks around these, pydantic does not.
    let is_trimmed = matches!(takes, Takes::Level | Takes::Bool) && text.trim() != text;
    let location = arena.location(value).cloned();
    is.then(|| is_trimmed.then(|| arena.alloc(Value::Str(text.trim().to_owned()), location)))
}

/// Leaves out what would have the name of another one. Fails where both are in use today, with something else in each:
/// a secret of Prefect 1 beside a variable of its name.
fn settle_clashes(arena: &Arena, entries: &mut [Entry]) -> Result<()> {
    for this in 0..entries.len() {
        let Some(new) = entries[this].new.clone() else { continue };
        let old = &entries[this].old;
        let rank = variable_mapping::rank(old);
        let stronger =
            entries.iter().find(|other| other.new.as_ref() == Some(&new) && variable_mapping::rank(&other.old) < rank);
        let Some(stronger) = stronger else { continue };
        if matches!(variable_mapping::fate(old), Fate::Secret(_)) && !is_same(arena, &entries[this], stronger) {
            let error = Error::refused(format!("`{old}` and `{}` would both be `{new}`, and differ", stronger.old));
            let hint = "rename one of the two in the job template, and where code reads it, or remove it";
            return Err(locate(error.hint(hint), arena.location(entries[this].name)));
        }
        let said = match stronger.old == new {
            true => format!("`{old}` is left out: `{new}` is there, too"),
            false => format!("`{old}` is left out: `{new}` is what `{}` has", stronger.old),
        };
        entries[this].said = Some(said);
        entries[this].new = None;
    }
    Ok(())
}

/// Whether two entries are the same but for their names.
fn is_same(arena: &Arena, one: &Entry, other: &Entry) -> bool {
    match (one.value, other.value) {
        (Some(one), Some(other)) => arena.is_same_key(one, other),
        (None, None) => {
            let from = |entry: &Entry| arena.dict_get(entry.entry, "valueFrom");
            from(one).zip(from(other)).is_some_and(|(one, other)| string::str(arena, one) == string::str(arena, other))
        }
        _ => false,
    }
}

fn note_secret(arena: &Arena, notes: &mut Notes, entry: &Entry) {
    let (Some(new), Some(value)) = (&entry.new, entry.value) else { return };
    let is_empty = arena.as_str(value).is_none_or(str::is_empty);
    // A text that is put together by `$(NAME)` has its secret elsewhere.
    let is_composed = arena.as_str(value).is_some_and(|text| referenced_names(text).next().is_some());
    if !is_empty && !is_composed && (is_sensitive(new) || is_sensitive(&entry.old)) {
        let said = format!(
            "`{new}` is plain text, and its name looks secret: whoever sees the work pool reads it; put it into a Secret, and a reference (`--secret-env {new}=SECRET/KEY` of `"
        );
        let said = Message::from(said) + ProgramName + " render`) into the job template";
        notes.add(said, arena.location(entry.name));
    }
}

/// Whether the variable `env` is a list in this base, as Kubernetes has it.
fn takes_list(arena: &Arena, schema: ValueId) -> bool {
    arena.dict_get(schema, "type").and_then(|own| arena.as_str(own)) == Some("array")
}

/// Whether an entry has to stand in the container itself.
fn must_stay(arena: &Arena, entries: &[&Entry], at: usize) -> bool {
    let entry = entries[at];
    let text = |entry: &Entry| entry.value.and_then(|value| arena.as_str(value)).unwrap_or_default().to_owned();
    let Some(new) = &entry.new else { return false };
    let own = text(entry);
    entry.value.is_none()
        || is_set_by_workers(new)
        // `env` comes first, and `$(NAME)` means what stands before it.
        || referenced_names(&own).next().is_some()
        || entries[..at].iter().any(|before| referenced_names(&text(before)).any(|used| used == new))
        // The values of `env` are searched for placeholders once more.
        || placeholder::is_contained_in(&own)
}

/// The entry under its new name, with the value it has now.
fn with_name(arena: &mut Arena, entry: &Entry, name: &str) -> ValueId {
    let copy = arena.get(entry.entry).clone();
    let location = arena.location(entry.entry).cloned();
    let own = arena.alloc(copy, location);
    let name = arena.alloc_str(name);
    arena.dict_set_str(own, "name", name);
    if let Some(value) = entry.value {
        arena.dict_set_str(own, "value", value);
    }
    own
}

/// Makes a literal a default of the variable `env`.
fn put_default(arena: &mut Arena, base: &Base, name: &str, value: ValueId) -> Result<()> {
    let Some(schema) = base.variable(arena, "env") else { return Ok(()) };
    let default = match arena.dict_get(schema, "default").filter(|own| arena.as_dict(*own).is_some()) {
        Some(default) => default,
        None => {
            let made = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(schema, "default", made);
            made
        }
    };
    arena.dict_set_str(default, name, value);
    Ok(())
}

/// Takes a name out of the entries that the base has in its container.
fn forget_in_container(arena: &mut Arena, base: &Base, name: &str) {
    let Some(list) = arena.dict_get(base.container, "env") else { return };
    let Value::List(items) = arena.get(list).clone() else { return };
    let is_other = |item: &ValueId| arena.dict_get(*item, "name").and_then(|own| arena.as_str(own)) != Some(name);
    *arena.get_mut(list) = Value::List(items.into_iter().filter(is_other).collect());
}

/// Puts entries into the container, and keeps everything else from setting their names.
fn put_hard_coded(
    arena: &mut Arena,
    base: &Base,
    notes: &mut Notes,
    entries: Vec<(String, ValueId, ValueId)>,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut items = match arena.dict_get(base.container, "env").map(|list| arena.get(list).clone()) {
        // A placeholder among entries puts a mapping there that Kubernetes does not take.
        Some(Value::List(items)) => items.into_iter().filter(|item| arena.as_dict(*item).is_some()).collect(),
        _ => Vec::new(),
    };
    for (name, entry, location) in entries {
        overlay::put_named(arena, &mut items, "name", entry);
        let default = base.variable(arena, "env").and_then(|schema| arena.dict_get(schema, "default"));
        if let Some(default) = default
            && let Value::Dict(pairs) = arena.get(default).clone()
        {
            let others = pairs.into_iter().filter(|(key, _)| arena.as_str(*key) != Some(name.as_str()));
            *arena.get_mut(default) = arena.new_dict(others);
        }
        if is_worker_setting(&name) {
            unset_of_worker(arena, base, &name, location)?;
        }
        if name == "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR" {
            let said = format!("`{name}` is lost in the Job: workers since prefect-kubernetes 0.5.9 set it themselves");
            notes.add(said, arena.location(location));
        }
    }
    let list = arena.alloc(Value::List(items), None);
    arena.dict_set_str(base.container, "env", list);
    Ok(())
}

/// Whether the values of a mapping can be null.
fn takes_null(arena: &Arena, schema: ValueId) -> bool {
    let any = arena
        .dict_get(schema, "additionalProperties")
        .and_then(|of| arena.dict_get(of, "anyOf"))
        .map(|any| arena.get(any));
    let is_null = |one: &ValueId| arena.dict_get(*one, "type").and_then(|own| arena.as_str(own)) == Some("null");
    matches!(any, Some(Value::List(any)) if any.iter().any(is_null))
}

/// Gives a name the null in `job_configuration.env` that makes the worker leave its own value out.
fn unset_of_worker(arena: &mut Arena, base: &Base, name: &str, location: ValueId) -> Result<()> {
    let env = arena.dict_get(base.configuration, "env");
    let env = match env.map(|env| arena.get(env)) {
        Some(Value::Dict(_)) => env,
        Some(Value::List(_)) => {
            let error = Error::refused(format!(
                "`job_configuration.env` of the default is a list, beside which the worker's own `{name}` can't be left out"
            ));
            return Err(locate(
                error.hint("write \"{{ env }}\" there, and the list into the container's `env`"),
                arena.location(location),
            ));
        }
        _ => None,
    };
    let env = env.unwrap_or_else(|| {
        let made = arena.alloc(Value::empty_dict(), None);
        arena.dict_set_str(base.configuration, "env", made);
        made
    });
    let null = arena.alloc(Value::None, None);
    arena.dict_set_str(env, name, null);
    // Prefect 2.20, and 3 at first, put the variable's default in the place of `job_configuration.env`, where there
    // is one: then the null has to be in it, too, as far as its schema takes nulls (that of Prefect 3 does).
    let schema = base.variable(arena, "env");
    let default = schema.and_then(|schema| arena.dict_get(schema, "default"));
    if let (Some(schema), Some(default)) = (schema, default)
        && arena.as_dict(default).is_some_and(|pairs| !pairs.is_empty())
        && takes_null(arena, schema)
    {
        arena.dict_set_str(default, name, null);
    }
    Ok(())
}
