//! The containers of a pod spec, and their selection.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Editable, Node, NodeKind, StrictMap};

use super::object::Object;
use super::select::ContainerChoice;
use super::workload::pod_specs;

/// Returns the containers of a pod spec, without checking that they can be edited.
pub fn containers(pod_spec: Node<'_>) -> Vec<Node<'_>> {
    pod_spec.get_first("containers").map(|list| list.items().collect()).unwrap_or_default()
}

/// Selects containers of a pod spec: first from `containers`, then from `initContainers`, each in document order.
///
/// If `include_init` is true, init containers are also selected: the init containers with a matching name, or all of
/// them if the choice does not contain names.
///
/// # Errors
/// Fails if a list of containers or a selected container has the wrong type, or if an alias, anchor, merge key or
/// duplicate key makes it ambiguous.
pub fn select<'a>(pod_spec: Node<'a>, choice: &ContainerChoice, include_init: bool) -> Result<Vec<Editable<'a>>> {
    let mut selected = Vec::new();
    for (list, is_init) in [("containers", false), ("initContainers", true)] {
        if is_init && !include_init {
            continue;
        }
        let Some(containers) = pod_spec.get(list)?.filter(|value| !value.is_null()) else { continue };
        StrictMap::from_node(containers, &format!("`{list}`"))?;
        if containers.kind() != NodeKind::Seq {
            return Err(Error::input(format!("`{list}` must be a list"))
                .at(containers.span())
                .hint("write each container as an item that begins with `- name: ...`"));
        }
        for (position, container) in containers.items().enumerate() {
            let is_selected = match choice {
                ContainerChoice::First => is_init || position == 0,
                ContainerChoice::Index(index) => is_init || position == *index,
                ContainerChoice::All => true,
                ContainerChoice::Named(globs) => {
                    name(container).is_some_and(|name| globs.iter().any(|glob| glob.matches(&name)))
                }
            };
            if !is_selected {
                continue;
            }
            let container = Editable::from_node(container, "a container")?;
            if container.kind() != NodeKind::Map {
                return Err(Error::input(format!("an item of `{list}` is not a container"))
                    .at(container.span())
                    .hint("write it as a mapping with `name`"));
            }
            selected.push(container);
        }
    }
    Ok(selected)
}

/// Returns the name of a container, or `None` if it is missing or not a scalar.
pub fn name(container: Node<'_>) -> Option<std::borrow::Cow<'_, str>> {
    container.get_first("name").and_then(Node::text)
}

/// Returns the names of an object's init containers, which [`names`] also returns.
pub fn init_names(object: &Object<'_>) -> Vec<String> {
    let pod_specs = pod_specs(object).unwrap_or_default();
    let containers = pod_specs.into_iter().filter_map(|pod_spec| pod_spec.get_first("initContainers"));
    containers.flat_map(Node::items).filter_map(name).map(|name| name.into_owned()).collect()
}

/// Returns the names of an object's containers, followed by those of its init containers. The result is empty if the
/// object has no valid pod spec.
pub fn names(object: &Object<'_>) -> Vec<String> {
    let pod_specs = pod_specs(object).unwrap_or_default();
    let containers =
        pod_specs.into_iter().flat_map(|pod_spec| select(pod_spec, &ContainerChoice::All, false).unwrap_or_default());
    let names = containers.filter_map(|container| name(*container)).map(|name| name.into_owned());
    names.chain(init_names(object)).collect()
}
