//! The environment of the flow container: which source of a variable wins, and what it hides.

use crate::python::environ::references;
use crate::python::heap::{Data, Heap, Id, Place};

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

/// What a variable is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A value that may not be shown.
    Literal,
    /// The empty text, or no value at all.
    Empty,
    /// What is no text, such as a number: Kubernetes refuses it.
    NoText(&'static str),
    /// A reference, in words: `Secret gh, key token`.
    Reference(String),
    /// A value that was a reference elsewhere, and is handed on as plain text; what it was.
    Copied(String),
}

/// One source of a variable.
#[derive(Clone, Debug)]
pub struct Source {
    /// Who it is.
    pub origin: Origin,
    /// Where it is written; none for what is nowhere.
    pub place: Option<Place>,
    /// What it gives.
    pub shown: Shown,
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
        let source = Source { origin, place, shown: shown(heap, value) };
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
            Source { origin: Origin::Template, place: heap.place(name).cloned(), shown: shown_entry(heap, entry) };
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

/// What a value is, without showing it.
fn shown(heap: &Heap, value: Id) -> Shown {
    match heap.get(value) {
        Data::Str(text) if text.is_empty() => Shown::Empty,
        Data::Str(_) => Shown::Literal,
        Data::Unknown(text) => Shown::Copied(references(text)),
        Data::None => Shown::Empty,
        _ => Shown::NoText(heap.kind(value)),
    }
}

/// What an entry of a container gives, as Kubernetes reads it.
fn shown_entry(heap: &Heap, entry: Id) -> Shown {
    let Some(from) = heap.item(entry, "valueFrom").filter(|from| heap.is_true(*from)) else {
        return heap.item(entry, "value").map_or(Shown::Empty, |value| shown(heap, value));
    };
    let text = |of: Id, key: &str| heap.item(of, key).and_then(|text| heap.str(text)).unwrap_or("?").to_owned();
    for (kind, word) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
        if let Some(reference) = heap.item(from, kind) {
            return Shown::Reference(format!("{word} {}, key {}", text(reference, "name"), text(reference, "key")));
        }
    }
    for (kind, key, word) in [("fieldRef", "fieldPath", "field"), ("resourceFieldRef", "resource", "resource")] {
        if let Some(reference) = heap.item(from, kind) {
            return Shown::Reference(format!("{word} {}", text(reference, key)));
        }
    }
    Shown::Reference("a reference".to_owned())
}
