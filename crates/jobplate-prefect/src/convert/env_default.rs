//! Changes the default of the base's variable `env`.

use std::collections::HashSet;

use jobplate_diagnostic::Result;

use super::base::Base;
use crate::pyvalue::arena::{Arena, Value, ValueId};

/// Returns whether the schema of the variable `env` is a list of entries, like a container's `env`.
pub(super) fn is_list(arena: &Arena, schema: ValueId) -> bool {
    arena.dict_get(schema, "type").and_then(|kind| arena.as_str(kind)) == Some("array")
}

/// Adds the variable `name` to the default of the base's variable `env`.
pub(super) fn set_env_default(arena: &mut Arena, base: &Base, name: &str, value: ValueId) -> Result<()> {
    let Some(schema) = base.variable(arena, "env") else { return Ok(()) };
    let default = match arena.dict_get(schema, "default").filter(|default| arena.as_dict(*default).is_some()) {
        Some(default) => default,
        None => {
            let empty = arena.alloc(Value::empty_dict(), None);
            arena.dict_set_str(schema, "default", empty);
            empty
        }
    };
    arena.dict_set_str(default, name, value);
    Ok(())
}

/// The changes to the default of the base's variable `env`.
pub(super) struct EnvDefault {
    /// The default, if it is a mapping.
    dict: Option<ValueId>,
    /// The names in the default that are not removed.
    names: HashSet<String>,
    /// The number of variables, including nulls.
    count: usize,
    allows_null: bool,
    removed: HashSet<String>,
    /// The names of the variables to set to null.
    nulls: Vec<String>,
}

impl EnvDefault {
    /// Reads the default.
    pub(super) fn read(arena: &Arena, base: &Base) -> Self {
        let schema = base.variable(arena, "env");
        let default = schema.and_then(|schema| arena.dict_get(schema, "default"));
        let dict = default.filter(|default| arena.as_dict(*default).is_some());
        let pairs = dict.and_then(|dict| arena.as_dict(dict)).unwrap_or_default();
        EnvDefault {
            dict,
            names: pairs.iter().filter_map(|(key, _)| arena.as_str(*key).map(str::to_owned)).collect(),
            count: pairs.len(),
            allows_null: schema.is_some_and(|schema| allows_null(arena, schema)),
            removed: HashSet::new(),
            nulls: Vec::new(),
        }
    }

    /// Removes a variable.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some(name) = self.names.take(name) {
            self.removed.insert(name);
            self.count -= 1;
        }
    }

    /// Sets a variable that is not in the default to null, if the default is not empty and its schema allows nulls.
    ///
    /// Prefect 2.20 and the first versions of 3 replace `job_configuration.env` with the default, if it is not empty,
    /// so the null must be in the default, too. Prefect 3's schema allows nulls.
    pub(super) fn unset(&mut self, name: String) {
        if self.allows_null && self.count > 0 {
            self.nulls.push(name);
            self.count += 1;
        }
    }

    /// Changes the default.
    pub(super) fn write(self, arena: &mut Arena) {
        let Some(dict) = self.dict else { return };
        let pairs = arena.as_dict(dict).unwrap_or_default().iter();
        let is_kept = |(key, _): &&(ValueId, ValueId)| arena.as_str(*key).is_none_or(|key| !self.removed.contains(key));
        let pairs: Vec<_> = pairs.filter(is_kept).copied().collect();
        *arena.get_mut(dict) = arena.new_dict(pairs);
        for name in self.nulls {
            let null = arena.alloc(Value::None, None);
            arena.dict_set_str(dict, &name, null);
        }
    }
}

/// Returns whether a schema allows null as the value of a key.
fn allows_null(arena: &Arena, schema: ValueId) -> bool {
    let any = arena
        .dict_get(schema, "additionalProperties")
        .and_then(|values| arena.dict_get(values, "anyOf"))
        .map(|any| arena.get(any));
    let is_null =
        |schema: &ValueId| arena.dict_get(*schema, "type").and_then(|kind| arena.as_str(kind)) == Some("null");
    matches!(any, Some(Value::List(any)) if any.iter().any(is_null))
}
