//! The environment of the flow container: which source of a variable wins, and what it hides.

use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::source::Location;
use crate::value_description::{ValueDescription, describe_entry, describe_value};

/// Who says what a variable is, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowVariableOrigin {
    /// An entry of the job template.
    Template,
    /// The agent's `--env`.
    AgentEnv,
    /// `env` of the run config.
    RunConfig,
    /// The agent, from its own settings.
    Agent,
    /// The flow and the flow run.
    FlowRun,
    /// Prefect, always the same.
    Prefect,
}

/// One source of a variable.
#[derive(Clone, Debug)]
pub struct FlowVariableSource {
    /// Who it is.
    pub origin: FlowVariableOrigin,
    /// Where it is written; none for what is nowhere.
    pub location: Option<Location>,
    /// What it gives.
    pub shown: ValueDescription,
}

/// A variable of the flow container.
#[derive(Clone, Debug)]
pub struct FlowVariable {
    /// Its name.
    pub name: ValueId,
    /// Its value; of an entry of the template, the entry.
    pub value: ValueId,
    /// Who won.
    pub source: FlowVariableSource,
    /// Who was hidden.
    pub overridden: Vec<FlowVariableSource>,
}

/// Variables in the order in which the container gets them: a name stays where it came first.
#[derive(Debug, Default)]
pub struct FlowEnvironment(pub Vec<FlowVariable>);

impl FlowEnvironment {
    /// The variable of a name.
    pub fn get(&self, arena: &Arena, name: ValueId) -> Option<&FlowVariable> {
        self.0.iter().find(|variable| arena.is_same_key(variable.name, name))
    }

    /// Sets a variable, over what was there.
    pub fn set(&mut self, arena: &Arena, name: ValueId, value: ValueId, origin: FlowVariableOrigin) {
        let location = arena.location(value).or_else(|| arena.location(name)).cloned();
        let source = FlowVariableSource { origin, location, shown: describe_value(arena, value) };
        match self.0.iter_mut().find(|variable| arena.is_same_key(variable.name, name)) {
            Some(own) => {
                let before = std::mem::replace(&mut own.source, source);
                own.overridden.push(before);
                own.value = value;
            }
            None => self.0.push(FlowVariable { name, value, source, overridden: Vec::new() }),
        }
    }

    /// Adds an entry of the template as it stands, unless its name is taken: then it is hidden. `taken` is how many
    /// variables are no entries of the template.
    pub fn add_entry(&mut self, arena: &Arena, name: ValueId, entry: ValueId, taken: usize) -> bool {
        let source = FlowVariableSource {
            origin: FlowVariableOrigin::Template,
            location: arena.location(name).cloned(),
            shown: describe_entry(arena, entry),
        };
        match self.0[..taken].iter_mut().find(|variable| arena.is_same_key(variable.name, name)) {
            Some(own) => {
                own.overridden.push(source);
                false
            }
            None => {
                self.0.push(FlowVariable { name, value: entry, source, overridden: Vec::new() });
                true
            }
        }
    }
}
