//! The environment of the flow container: which source of a variable wins, and what it hides.

use crate::pyvalue::heap::{Heap, Id};
use crate::pyvalue::source::Place;
use crate::value_description::{ValueDescription, describe_entry, describe_value};

/// Who says what a variable is, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
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
pub struct Source {
    /// Who it is.
    pub origin: Origin,
    /// Where it is written; none for what is nowhere.
    pub place: Option<Place>,
    /// What it gives.
    pub shown: ValueDescription,
}

/// A variable of the flow container.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: Id,
    /// Its value; of an entry of the template, the entry.
    pub value: Id,
    /// Who won.
    pub source: Source,
    /// Who was hidden.
    pub hides: Vec<Source>,
}

/// Variables in the order in which the container gets them: a name stays where it came first.
#[derive(Debug, Default)]
pub struct Environment(pub Vec<Variable>);

impl Environment {
    /// The variable of a name.
    pub fn get(&self, heap: &Heap, name: Id) -> Option<&Variable> {
        self.0.iter().find(|variable| heap.equal(variable.name, name))
    }

    /// Sets a variable, over what was there.
    pub fn set(&mut self, heap: &Heap, name: Id, value: Id, origin: Origin) {
        let place = heap.place(value).or_else(|| heap.place(name)).cloned();
        let source = Source { origin, place, shown: describe_value(heap, value) };
        match self.0.iter_mut().find(|variable| heap.equal(variable.name, name)) {
            Some(own) => {
                let before = std::mem::replace(&mut own.source, source);
                own.hides.push(before);
                own.value = value;
            }
            None => self.0.push(Variable { name, value, source, hides: Vec::new() }),
        }
    }

    /// Adds an entry of the template as it stands, unless its name is taken: then it is hidden. `taken` is how many
    /// variables are no entries of the template.
    pub fn add_entry(&mut self, heap: &Heap, name: Id, entry: Id, taken: usize) -> bool {
        let source =
            Source { origin: Origin::Template, place: heap.place(name).cloned(), shown: describe_entry(heap, entry) };
        match self.0[..taken].iter_mut().find(|variable| heap.equal(variable.name, name)) {
            Some(own) => {
                own.hides.push(source);
                false
            }
            None => {
                self.0.push(Variable { name, value: entry, source, hides: Vec::new() });
                true
            }
        }
    }
}
