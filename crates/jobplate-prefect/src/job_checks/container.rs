//! Finds the containers of a Job.

use jobplate_diagnostic::suggest::quote_key;

use crate::pyvalue::arena::{Arena, ValueId};

/// A container of a Job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobContainer<'h> {
    pub(super) id: ValueId,
    pub(super) name: Option<&'h str>,
    /// Whether the container runs the flow.
    pub(super) is_flow: bool,
}

impl JobContainer<'_> {
    /// Describes the container in a message.
    pub(super) fn describe(&self) -> String {
        self.name.map_or("a container without a name".to_owned(), |name| format!("the container {}", quote_key(name)))
    }
}

/// Returns the pod spec of a Job.
pub(crate) fn pod(arena: &Arena, job: ValueId) -> Option<ValueId> {
    ["spec", "template", "spec"].iter().try_fold(job, |at, key| arena.dict_get(at, key))
}

/// Returns the containers and init containers of a pod.
pub(super) fn containers(arena: &Arena, pod: ValueId) -> Vec<JobContainer<'_>> {
    let mut containers = Vec::new();
    for list in ["containers", "initContainers"] {
        for (position, id) in items(arena, pod, list).iter().enumerate() {
            let name = arena.dict_get(*id, "name").and_then(|name| arena.as_str(name));
            containers.push(JobContainer { id: *id, name, is_flow: list == "containers" && position == 0 });
        }
    }
    containers
}

/// Returns the items of the list at `key` in a mapping.
pub(crate) fn items<'h>(arena: &'h Arena, mapping: ValueId, key: &str) -> &'h [ValueId] {
    arena.dict_get(mapping, key).map(|list| arena.list_items(list)).unwrap_or_default()
}
