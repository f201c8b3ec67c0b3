//! Reads a document with yaml_serde, which is derived from libyaml, like go-yaml.

use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};

use crate::tree::{NodeKind, Tree};

/// Parses all documents of a stream. Aliases are expanded, and merge keys are kept.
pub(crate) fn read(text: &str) -> Result<Vec<Tree>, String> {
    // yaml_serde reads a byte order mark as a part of the `---` after it, so remove the mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).map(to_tree).map_err(|error| error.to_string()))
        .collect()
}

fn to_tree(value: Value) -> Tree {
    match value {
        Value::Null => Tree::new(NodeKind::Null, ""),
        Value::Bool(value) => Tree::new(NodeKind::Bool, value.to_string()),
        Value::Number(value) => Tree::new(NodeKind::Number, value.to_string()),
        Value::String(value) => Tree::new(NodeKind::String, value),
        Value::Sequence(items) => {
            let mut out = Tree::new(NodeKind::Seq, "");
            out.children = items.into_iter().map(to_tree).collect();
            out
        }
        Value::Mapping(entries) => {
            let mut out = Tree::new(NodeKind::Map, "");
            out.children = entries.into_iter().flat_map(|(key, value)| [to_tree(key), to_tree(value)]).collect();
            out
        }
        Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let mut out = to_tree(tagged.value);
            out.tag = Some(tag);
            out
        }
    }
}
