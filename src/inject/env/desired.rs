//! The environment that a container must have after the edits.

use jobplate_manifest::env::{EnvFrom, EnvValue, EnvVar, KeyRef};
use jobplate_yaml::Value;

/// The variables and sources that a container must have, and the variables that it must not have.
#[derive(Debug, Default)]
pub(in crate::inject) struct DesiredEnv {
    entries: Vec<DesiredEntry>,
    env_from: Vec<EnvFrom>,
    unset: Vec<String>,
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
        let entries = variables.into_iter().map(DesiredEntry::new).collect();
        DesiredEnv { entries, env_from: env_from.to_vec(), unset: unset.to_vec() }
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

    pub(in crate::inject) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.env_from.is_empty() && self.unset.is_empty()
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
