//! Containers of a pod spec, and the choice among them.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Editable, Node, NodeKind, StrictMap};

use super::object::Object;
use super::select::ContainerChoice;
use super::workload::pod_specs;

/// The containers of a pod spec as they stand, whether or not they could be edited.
pub fn containers(pod_spec: Node<'_>) -> Vec<Node<'_>> {
    pod_spec.get_first("containers").map(|list| list.items().collect()).unwrap_or_default()
}

/// The containers that a choice names, in document order of their lists.
///
/// With `init`, the init containers too: those that the choice names, else all of them.
///
/// # Errors
/// Fails where it is unclear what a list of containers or a chosen container is.
pub fn select<'a>(pod_spec: Node<'a>, choice: &ContainerChoice, init: bool) -> Result<Vec<Editable<'a>>> {
    let mut selected = Vec::new();
    for (list, is_init) in [("containers", false), ("initContainers", true)] {
        if is_init && !init {
            continue;
        }
        let Some(containers) = pod_spec.get(list)?.filter(|value| !value.is_null()) else { continue };
        StrictMap::from_node(containers, &format!("`{list}`"))?;
        if containers.kind() != NodeKind::Seq {
            return Err(Error::input(format!("`{list}` is not a list"))
                .at(containers.span())
                .hint("write each container as an item that begins with `- name: ...`"));
        }
        for (position, container) in containers.items().enumerate() {
            let chosen = match choice {
                ContainerChoice::First => is_init || position == 0,
                ContainerChoice::Index(chosen) => is_init || position == *chosen,
                ContainerChoice::All => true,
                ContainerChoice::Named(globs) => {
                    name(container).is_some_and(|name| globs.iter().any(|glob| glob.matches(&name)))
                }
            };
            if !chosen {
                continue;
            }
            let container = Editable::from_node(container, "a container")?;
            if container.kind() != NodeKind::Map {
                return Err(Error::input(format!("an item of `{list}` is no container"))
                    .at(container.span())
                    .hint("a container is a mapping that begins with `name: ...`"));
            }
            selected.push(container);
        }
    }
    Ok(selected)
}

/// The name of a container.
pub fn name(container: Node<'_>) -> Option<std::borrow::Cow<'_, str>> {
    container.get_first("name").and_then(Node::text)
}

/// The names of an object's containers, init containers too; none where it carries no pod that is understood.
pub fn names(object: &Object<'_>) -> Vec<String> {
    let pod_specs = pod_specs(object).unwrap_or_default();
    let all =
        pod_specs.into_iter().flat_map(|pod_spec| select(pod_spec, &ContainerChoice::All, true).unwrap_or_default());
    all.filter_map(|container| name(*container)).map(|name| name.into_owned()).collect()
}
