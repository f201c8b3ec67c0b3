//! The fields that a Job must have. Prefect computes a JSON patch from the Job to a minimal Job, and rejects the Job if
//! the patch adds or replaces a value.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};

use super::values::require_pairs;
use super::version::WorkerVersion;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;
use crate::pyvalue::string;

/// A value of the minimal Job.
enum RequiredValue {
    Text(&'static str),
    One,
    Map(&'static [(&'static str, RequiredValue)]),
    List(&'static [(&'static str, RequiredValue)]),
}

/// The minimal Job: `_get_base_job_manifest` of prefect-kubernetes 0.8.0.
const JOB: &[(&str, RequiredValue)] = &[
    ("apiVersion", RequiredValue::Text("batch/v1")),
    ("kind", RequiredValue::Text("Job")),
    ("metadata", RequiredValue::Map(&[("annotations", RequiredValue::Map(&[])), ("labels", RequiredValue::Map(&[]))])),
    ("spec", RequiredValue::Map(&[("template", RequiredValue::Map(&[("spec", RequiredValue::Map(POD))]))])),
];

/// The minimal Job of versions without annotations.
const JOB_WITHOUT_ANNOTATIONS: &[(&str, RequiredValue)] = &[
    ("apiVersion", RequiredValue::Text("batch/v1")),
    ("kind", RequiredValue::Text("Job")),
    ("metadata", RequiredValue::Map(&[("labels", RequiredValue::Map(&[]))])),
    ("spec", RequiredValue::Map(&[("template", RequiredValue::Map(&[("spec", RequiredValue::Map(POD))]))])),
];

const POD: &[(&str, RequiredValue)] = &[
    ("parallelism", RequiredValue::One),
    ("completions", RequiredValue::One),
    ("restartPolicy", RequiredValue::Text("Never")),
    ("containers", RequiredValue::List(CONTAINER)),
];

/// The first container of the minimal Job.
const CONTAINER: &[(&str, RequiredValue)] = &[("name", RequiredValue::Text("prefect-job"))];

/// Adds the metadata that a manifest must have, and checks the other required fields.
///
/// # Errors
/// Fails if a required field is missing or has another value. Missing fields are reported first.
pub(super) fn complete_and_check(
    arena: &mut Arena,
    version: WorkerVersion,
    manifest: ValueId,
    namespace: ValueId,
) -> Result<()> {
    let metadata = match arena.dict_get(manifest, "metadata") {
        Some(metadata) => metadata,
        None => {
            let metadata = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(manifest, "metadata", metadata);
            metadata
        }
    };
    require_pairs(arena, metadata, "`metadata`")?;
    let maps = if version.has_annotations() { &["annotations", "labels"][..] } else { &["labels"] };
    for key in maps {
        if arena.dict_get(metadata, key).is_none() {
            let empty = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(metadata, key, empty);
        }
    }
    if arena.dict_get(metadata, "namespace").is_none() {
        arena.dict_set_str(metadata, "namespace", namespace);
    }
    let mut difference = Difference::new(arena);
    let job = if version.has_annotations() { JOB } else { JOB_WITHOUT_ANNOTATIONS };
    difference.compare_maps("", manifest, job);
    let Difference { mut missing, mut mismatched, .. } = difference;
    missing.sort();
    mismatched.sort_by(|one, other| one.0.cmp(&other.0));
    if let Some(first) = missing.first() {
        let (around, key) = first.rsplit_once('/').unwrap_or(("", first));
        let error = match missing.as_slice() {
            [_] => Error::input(format!("missing `{key}`{} in the Job of the base job template", under(around))),
            _ => {
                let paths: Vec<String> = missing.iter().map(|path| format!("`{}`", to_dotted_path(path))).collect();
                Error::input(format!("missing in the Job of the base job template: {}", paths.join(", ")))
            }
        };
        let location = find_nearest(arena, manifest, around);
        return Err(locate(error.hint(hint_for(first).unwrap_or(MISSING_FIELD_HINT)), arena.location(location)));
    }
    if let Some((path, value, required)) = mismatched.into_iter().next() {
        let key = path.rsplit('/').next().unwrap_or_default();
        let key = if key == "0" { "the first container" } else { &format!("`{key}`") };
        let error =
            Error::input(format!("{key}{} must be {required}", under(path.rsplit_once('/').map_or("", |(a, _)| a))));
        let hint = hint_for(&path).map(str::to_owned);
        let hint = hint.unwrap_or_else(|| format!("set it to {required}, as in Prefect's default template"));
        return Err(locate(error.hint(hint), arena.location(value)));
    }
    Ok(())
}

fn under(path: &str) -> String {
    match path.strip_suffix("/containers/0") {
        Some(_) => " of the first container".to_owned(),
        None if path.is_empty() => String::new(),
        None => format!(" under {}", to_dotted_path(path)),
    }
}

/// Converts a JSON pointer to a path with dots between its keys.
fn to_dotted_path(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

/// The hint for a missing field.
const MISSING_FIELD_HINT: &str = "copy it from Prefect's default template, which has all required fields";

/// Returns the hint for a missing or wrong field at the JSON pointer `path`, if the field has one of its own.
fn hint_for(path: &str) -> Option<&'static str> {
    match path {
        path if path.ends_with("/parallelism") || path.ends_with("/completions") => {
            Some("set `parallelism: 1` and `completions: 1` in the pod spec, as Prefect requires")
        }
        path if path.contains("/containers/0") => Some("set its name to `prefect-job`: Prefect rejects other names"),
        _ => None,
    }
}

/// Returns the value at a JSON pointer, or the nearest existing parent of the pointer.
fn find_nearest(arena: &Arena, manifest: ValueId, path: &str) -> ValueId {
    path.split('/').skip(1).fold(manifest, |at, word| match arena.get(at) {
        Value::List(items) => word.parse().ok().and_then(|position: usize| items.get(position).copied()).unwrap_or(at),
        _ => arena.dict_get(at, word).unwrap_or(at),
    })
}

/// The added and replaced values of a JSON patch (`jsonpatch` 1.47). A value that is removed in one place and added in
/// another counts as moved. A moved value is neither added nor removed.
struct Difference<'h> {
    arena: &'h Arena,
    /// The removed values as JSON, with their counts.
    removed: HashMap<String, usize>,
    missing: Vec<String>,
    /// The added values: their JSON pointers and their JSON.
    added: Vec<(String, String)>,
    mismatched: Vec<(String, ValueId, String)>,
}

impl<'h> Difference<'h> {
    fn new(arena: &'h Arena) -> Self {
        let (removed, missing, added, mismatched) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        Difference { arena, removed, missing, added, mismatched }
    }

    fn json(&self, id: ValueId) -> String {
        fn sorted(arena: &Arena, id: ValueId) -> serde_json::Value {
            match arena.get(id) {
                Value::Dict(pairs) => {
                    let pairs = pairs
                        .iter()
                        .map(|(key, value)| (arena.as_str(*key).unwrap_or_default().to_owned(), sorted(arena, *value)));
                    let mut pairs: Vec<_> = pairs.collect();
                    pairs.sort_by(|one, other| one.0.cmp(&other.0));
                    serde_json::Value::Object(pairs.into_iter().collect())
                }
                Value::List(items) => items.iter().map(|item| sorted(arena, *item)).collect(),
                _ => serde_json::Value::String(scalar_key(arena, id)),
            }
        }
        sorted(self.arena, id).to_string()
    }

    fn remove(&mut self, id: ValueId) {
        let json = self.json(id);
        // An equal value was added in another place, so the patch moves the value instead of removing it.
        if let Some(position) = self.added.iter().rposition(|(_, added)| *added == json) {
            let (path, _) = self.added.remove(position);
            self.missing.retain(|missing| *missing != path);
            return;
        }
        *self.removed.entry(json).or_default() += 1;
    }

    fn add(&mut self, path: String, required: &RequiredValue) {
        let json = required.json();
        if let Some(count) = self.removed.get_mut(&json).filter(|count| **count > 0) {
            *count -= 1;
            return;
        }
        self.added.push((path.clone(), json));
        self.missing.push(path);
    }

    fn compare_maps(&mut self, path: &str, value: ValueId, required: &[(&'static str, RequiredValue)]) {
        let pairs = self.arena.as_dict(value).unwrap_or_default().to_vec();
        let find = |key: ValueId| self.arena.as_str(key).and_then(|key| required.iter().find(|(name, _)| *name == key));
        let (known, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| find(*key).is_some());
        let known: Vec<(&(&str, RequiredValue), ValueId)> =
            known.into_iter().filter_map(|(key, value)| Some((find(key)?, value))).collect();
        others.into_iter().for_each(|(_, value)| self.remove(value));
        for (name, required) in required {
            if !known.iter().any(|((known_name, _), _)| known_name == name) {
                self.add(format!("{path}/{name}"), required);
            }
        }
        for ((name, required), value) in known {
            self.compare_values(format!("{path}/{name}"), value, required);
        }
    }

    fn compare_values(&mut self, path: String, value: ValueId, required: &RequiredValue) {
        match (self.arena.get(value), required) {
            (Value::Dict(_), RequiredValue::Map(required)) => self.compare_maps(&path, value, required),
            (Value::List(items), RequiredValue::List(first)) => self.compare_lists(&path, &items.clone(), first),
            _ if self.json(value) == required.json() => {}
            _ => self.mismatched.push((path, value, required.describe())),
        }
    }

    /// Compares a list with a required list of a single item.
    fn compare_lists(&mut self, path: &str, items: &[ValueId], first: &'static [(&'static str, RequiredValue)]) {
        let item = RequiredValue::Map(first);
        let json = item.json();
        if let Some(same) = items.iter().position(|other| self.json(*other) == json) {
            let others = items.iter().enumerate().filter(|(position, _)| *position != same);
            return others.for_each(|(_, other)| self.remove(*other));
        }
        let path = format!("{path}/0");
        match items.split_first() {
            None => self.add(path, &item),
            Some((actual, others)) => {
                if self.arena.as_dict(*actual).is_some() {
                    self.compare_maps(&path, *actual, first);
                } else {
                    self.mismatched.push((path, *actual, item.describe()));
                }
                others.iter().for_each(|other| self.remove(*other));
            }
        }
    }
}

/// Returns a string that is different for different scalars: `1`, `1.0`, `true` and `"1"` have four different strings.
fn scalar_key(arena: &Arena, id: ValueId) -> String {
    match arena.get(id) {
        Value::Str(text) | Value::Unknown(text) => format!("\"{text}\""),
        _ => string::repr(arena, id),
    }
}

impl RequiredValue {
    /// Returns the value in the format of [`Difference::json`].
    fn json(&self) -> String {
        self.sorted().to_string()
    }

    fn sorted(&self) -> serde_json::Value {
        match self {
            RequiredValue::Text(text) => serde_json::Value::String(format!("\"{text}\"")),
            RequiredValue::One => serde_json::Value::String("1".to_owned()),
            RequiredValue::Map(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.sorted())).collect();
                pairs.sort_by(|one, other| one.0.cmp(&other.0));
                serde_json::Value::Object(pairs.into_iter().collect())
            }
            RequiredValue::List(first) => serde_json::Value::Array(vec![RequiredValue::Map(first).sorted()]),
        }
    }

    fn describe(&self) -> String {
        match self {
            RequiredValue::Text(text) => (*text).to_owned(),
            RequiredValue::One => "1".to_owned(),
            RequiredValue::Map(_) => "a mapping".to_owned(),
            RequiredValue::List(_) => "a list of containers".to_owned(),
        }
    }
}
