//! Sets the variables of the flow container. Records the source of each variable, and the sources that it overrides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::source::Location;
use crate::value_description::{ValueDescription, describe_entry, describe_value};

/// The origin of a variable, in ascending priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowVariableOrigin {
    /// An entry of the job template.
    Template,
    /// The agent's `--env`.
    AgentEnv,
    /// `env` of the run config.
    RunConfig,
    /// The agent's own settings.
    Agent,
    /// The flow or the flow run.
    FlowRun,
    /// A constant of Prefect.
    Prefect,
}

/// A source of a variable.
#[derive(Clone, Debug)]
pub struct FlowVariableSource {
    /// The origin of the variable.
    pub origin: FlowVariableOrigin,
    /// The location of the value. `None` if the value is not in a file.
    pub location: Option<Location>,
    /// The value. For an entry of the template, the whole entry.
    pub value: ValueId,
}

impl FlowVariableSource {
    /// Describes the value for notes and tables.
    pub fn describe<'h>(&self, arena: &'h Arena) -> ValueDescription<'h> {
        match self.origin {
            FlowVariableOrigin::Template => describe_entry(arena, self.value),
            _ => describe_value(arena, self.value),
        }
    }
}

/// A variable of the flow container.
#[derive(Clone, Debug)]
pub struct FlowVariable {
    /// The name of the variable.
    pub name: ValueId,
    /// The source that sets the value.
    pub source: FlowVariableSource,
    /// The overridden sources.
    pub overridden: Vec<FlowVariableSource>,
}

/// The variables of the flow container, in order. A variable keeps the position of its first source.
#[derive(Debug, Default)]
pub struct FlowEnvironment {
    variables: Vec<FlowVariable>,
    /// The index in `variables` of each variable that is not an entry of the template.
    positions: HashMap<DictKey, usize>,
}

impl FlowEnvironment {
    /// Returns the variables in order.
    pub fn variables(&self) -> &[FlowVariable] {
        &self.variables
    }

    /// Returns whether [`FlowEnvironment::set`] has set the variable `name`.
    pub(super) fn is_set(&self, arena: &Arena, name: ValueId) -> bool {
        self.positions.contains_key(&arena.dict_key(name))
    }

    /// Sets a variable. If the variable is already set, records its earlier source as overridden.
    pub(super) fn set(&mut self, arena: &Arena, name: ValueId, value: ValueId, origin: FlowVariableOrigin) {
        let location = arena.location(value).or_else(|| arena.location(name)).cloned();
        let source = FlowVariableSource { origin, location, value };
        match self.positions.entry(arena.dict_key(name)) {
            Entry::Occupied(position) => {
                let variable = &mut self.variables[*position.get()];
                variable.overridden.push(std::mem::replace(&mut variable.source, source));
            }
            Entry::Vacant(position) => {
                position.insert(self.variables.len());
                self.variables.push(FlowVariable { name, source, overridden: Vec::new() });
            }
        }
    }

    /// Adds an entry of the template and returns true. If its variable is already set, records the entry as
    /// overridden and returns false.
    pub(super) fn add_entry(&mut self, arena: &Arena, name: ValueId, entry: ValueId) -> bool {
        let location = arena.location(name).cloned();
        let source = FlowVariableSource { origin: FlowVariableOrigin::Template, location, value: entry };
        match self.positions.get(&arena.dict_key(name)) {
            Some(position) => {
                self.variables[*position].overridden.push(source);
                false
            }
            None => {
                self.variables.push(FlowVariable { name, source, overridden: Vec::new() });
                true
            }
        }
    }
}
