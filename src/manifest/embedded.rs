//! Embedded documents: manifests that are a text in the data of a ConfigMap.

use super::object::{Object, check_edited, check_on_path};
use crate::error::{Error, Result};
use crate::yaml::{Kind, Node};

/// The only kind that embedded documents are looked for in.
pub const CONFIG_MAP: &str = "ConfigMap";

/// Keys of a ConfigMap that hold a job template wherever they stand: the file that Prefect 1 calls so.
pub const JOB_TEMPLATE_KEYS: [&str; 2] = ["job_template.yaml", "job_template.yml"];

/// Whether an object is a ConfigMap of Kubernetes itself.
pub fn is_config_map(object: &Object<'_>) -> bool {
    object.kind == CONFIG_MAP && object.group().is_empty()
}

/// The keys of a ConfigMap's data with their values, as they stand; whether or not they could be edited.
pub fn data<'a>(object: &Object<'a>) -> impl Iterator<Item = (Node<'a>, Node<'a>)> + use<'a> {
    let data = object.node.entries().find(|(key, _)| key.is("data"));
    data.into_iter().flat_map(|(_, data)| data.entries())
}

/// Whether a value could be a manifest at all: a plain scalar can't hold a mapping.
pub fn is_text(value: Node<'_>) -> bool {
    matches!(value.kind(), Kind::Literal | Kind::Folded | Kind::Double | Kind::Single)
}

/// The text under a key of a ConfigMap's data; nothing where there is none that a manifest could be in.
/// Fails where it is unclear which text that is, or what else an edit of it would change.
pub fn text<'a>(object: &Object<'a>, key: Node<'a>) -> Result<Option<Node<'a>>> {
    check_on_path(object.node, "the ConfigMap")?;
    let Some(data) = object.node.get("data")? else { return Ok(None) };
    check_on_path(data, "`data`")?;
    let name = key.text().unwrap_or_default();
    let Some(value) = data.get(&name)? else { return Ok(None) };
    check_edited(value, "the text")?;
    if let Some(tag) = value.tag() {
        return Err(Error::refused(format!("the text under `{name}` has the tag `{tag}`"))
            .at(value.span())
            .hint("write it out without the tag"));
    }
    if !value.is_scalar() {
        return Err(Error::input(format!("`{name}` holds no text, and a ConfigMap holds nothing else"))
            .at(key.span())
            .hint("put `|` behind the key: the lines below it are a text then"));
    }
    Ok(is_text(value).then_some(value))
}
