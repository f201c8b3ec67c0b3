//! The environment that a container must have after the edits.

use std::collections::{HashMap, HashSet};

use jobplate_manifest::credentials::is_placeholder;
use jobplate_manifest::env::{EnvFrom, EnvValue, EnvVar, KeyRef};
use jobplate_prefect::base_job_template::is_worker_setting;
use jobplate_yaml::{MAX_COMPARED_KEYS, Value};

use crate::inject::notes::Notes;

/// The variables and sources that a container must have, and the variables that it must not have.
#[derive(Debug, Default)]
pub(in crate::inject) struct DesiredEnv {
    entries: Vec<DesiredEntry>,
    env_from: Vec<EnvFrom>,
    unset: Vec<String>,
    /// All names, if there are more than [`MAX_COMPARED_KEYS`], each with whether the variable is set, not removed.
    hashed_names: HashMap<String, bool>,
    /// The names of the variables that refer to a Secret.
    secret_names: HashSet<String>,
    /// The names of the variables that a worker sets itself.
    worker_settings: Vec<String>,
}

/// A variable to set, with the YAML of its entry.
#[derive(Debug)]
pub(in crate::inject) struct DesiredEntry {
    variable: EnvVar,
    /// The entry's `value` or `valueFrom` key and its value.
    value_field: (&'static str, Value),
    /// The whole entry, with its name.
    entry: Value,
}

impl DesiredEntry {
    fn new(variable: EnvVar) -> Self {
        let value_field = value_field(&variable.value);
        let entry = Value::map([("name", Value::name(&variable.name)), value_field.clone()]);
        DesiredEntry { variable, value_field, entry }
    }

    pub(in crate::inject) fn name(&self) -> &str {
        &self.variable.name
    }

    pub(super) fn value(&self) -> &EnvValue {
        &self.variable.value
    }

    /// Returns the entry's `value` or `valueFrom` key and its value.
    pub(super) fn value_field(&self) -> (&'static str, Value) {
        self.value_field.clone()
    }

    /// Returns the whole entry, with its name.
    pub(in crate::inject) fn to_yaml(&self) -> Value {
        self.entry.clone()
    }
}

impl DesiredEnv {
    pub(in crate::inject) fn new(
        variables: impl IntoIterator<Item = EnvVar>,
        env_from: &[EnvFrom],
        unset: &[String],
    ) -> Self {
        let entries: Vec<_> = variables.into_iter().map(DesiredEntry::new).collect();
        let (env_from, unset) = (env_from.to_vec(), unset.to_vec());
        let mut desired = DesiredEnv { entries, env_from, unset, ..DesiredEnv::default() };
        let refers_to_secret = |entry: &&DesiredEntry| matches!(entry.value(), EnvValue::SecretKey(_));
        desired.secret_names =
            desired.entries.iter().filter(refers_to_secret).map(|entry| entry.name().to_owned()).collect();
        desired.worker_settings =
            desired.all_names().filter(|name| is_worker_setting(name)).map(str::to_owned).collect();
        if desired.all_names().nth(MAX_COMPARED_KEYS).is_some() {
            let unset = desired.unset.iter().map(|name| (name.clone(), false));
            desired.hashed_names = unset.chain(desired.names().map(|name| (name.to_owned(), true))).collect();
        }
        desired
    }

    /// Returns whether a variable is to be set or to be removed.
    pub(in crate::inject) fn requests(&self, name: &str) -> bool {
        match self.hashed_names.is_empty() {
            true => self.all_names().any(|requested| requested == name),
            false => self.hashed_names.contains_key(name),
        }
    }

    /// Returns whether a variable is to be set.
    pub(in crate::inject) fn sets(&self, name: &str) -> bool {
        match self.hashed_names.is_empty() {
            true => self.names().any(|set| set == name),
            false => self.hashed_names.get(name).is_some_and(|is_set| *is_set),
        }
    }

    /// Returns the entries to set.
    pub(in crate::inject) fn entries(&self) -> &[DesiredEntry] {
        &self.entries
    }

    /// Returns the `envFrom` sources to add.
    pub(super) fn env_from(&self) -> &[EnvFrom] {
        &self.env_from
    }

    /// Returns whether there is at least one `envFrom` source to add.
    pub(in crate::inject) fn has_env_from(&self) -> bool {
        !self.env_from.is_empty()
    }

    /// Returns the names of the variables to set.
    pub(in crate::inject) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(DesiredEntry::name)
    }

    /// Returns the names of the variables to remove.
    pub(in crate::inject) fn unset(&self) -> impl Iterator<Item = &str> {
        self.unset.iter().map(String::as_str)
    }

    /// Returns the names of the variables to set or to remove.
    pub(in crate::inject) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names().chain(self.unset())
    }

    /// Returns the names of the variables to set or to remove that a worker sets itself.
    pub(in crate::inject) fn worker_settings(&self) -> &[String] {
        &self.worker_settings
    }

    pub(in crate::inject) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.env_from.is_empty() && self.unset.is_empty()
    }
}

/// Adds a note if a reference to a Secret replaces a literal that can be a secret. `literal` is the old value.
pub(in crate::inject) fn note_replaced_literal(
    desired: &DesiredEnv,
    name: &str,
    literal: Option<&str>,
    notes: &mut Notes,
) {
    let can_be_secret = |literal: &str| !literal.trim().is_empty() && !is_placeholder(literal.trim());
    if literal.is_some_and(can_be_secret) && desired.secret_names.contains(name) {
        notes.add_replaced_literal(name);
    }
}

/// Returns the entry's `value` or `valueFrom` key and its value.
fn value_field(value: &EnvValue) -> (&'static str, Value) {
    let from = |source: &'static str, value| ("valueFrom", Value::map([(source, value)]));
    match value {
        EnvValue::Literal(text) => ("value", Value::string(text)),
        EnvValue::SecretKey(reference) => from("secretKeyRef", key_ref_to_yaml(reference)),
        EnvValue::ConfigMapKey(reference) => from("configMapKeyRef", key_ref_to_yaml(reference)),
        EnvValue::Field(path) => from("fieldRef", Value::map([("fieldPath", Value::name(path))])),
    }
}

fn key_ref_to_yaml(reference: &KeyRef) -> Value {
    let mut entries = vec![("name", Value::name(&reference.name)), ("key", Value::name(&reference.key))];
    if reference.optional {
        entries.push(("optional", Value::Bool(true)));
    }
    Value::map(entries)
}
