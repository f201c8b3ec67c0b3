//! Reads and edits the lists `env` and `envFrom` of a container.

use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::base_job_template::is_env_placeholder;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, Value};

/// The value of `env` or `envFrom`.
pub(super) enum EnvList<'a> {
    /// The container does not have the key.
    Missing,
    /// The value is null or the placeholder `{{ env }}` of a base job template. A list can replace the placeholder,
    /// because the worker inserts the placeholder's variables before the entries of a list.
    Null(Editable<'a>),
    /// The value is a list, which may be empty.
    Items(Editable<'a>),
}

/// Reads the list under a key of a container. Refuses any other value.
pub(super) fn read_list<'a>(container: Node<'a>, key: &str) -> Result<EnvList<'a>> {
    let Some(node) = container.get(key)? else { return Ok(EnvList::Missing) };
    let node = Editable::from_node(node, &format!("`{key}`"))?;
    if node.tag().is_some() {
        return Err(Error::refused(format!("`{key}` has a tag")).at(node.span()).hint("remove the tag"));
    }
    match node.kind() {
        NodeKind::Seq => Ok(EnvList::Items(node)),
        _ if node.is_null() || key == "env" && is_env_placeholder(*node) => Ok(EnvList::Null(node)),
        _ => Err(Error::input(format!("`{key}` must be a list")).at(node.span()).hint(match key {
            "envFrom" => "replace it with a list of sources: `[{secretRef: {name: NAME}}]`",
            _ => "replace it with a list of entries: `[{name: NAME, value: VALUE}]`",
        })),
    }
}

/// Adds the edit that removes and inserts items, if there are any. If the container does not have the key, adds the new
/// list to `new_keys` instead.
pub(super) fn change_list(
    list: &EnvList<'_>,
    key: &'static str,
    remove: Vec<usize>,
    insert: Vec<(usize, Value)>,
    new_keys: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) {
    if remove.is_empty() && insert.is_empty() {
        return;
    }
    match list {
        EnvList::Missing => new_keys.push((key, Value::seq(insert.into_iter().map(|(_, value)| value)))),
        EnvList::Null(node) => {
            edits.push(node.replace(Value::seq(insert.into_iter().map(|(_, value)| value))));
        }
        EnvList::Items(node) => {
            let insert = insert.into_iter().map(|(at, value)| (at, Child::Item(value))).collect();
            edits.push(node.change_children(remove, insert));
        }
    }
}
