//! Embedded documents: manifests that are stored as values in a ConfigMap's data.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{
    Document, Editable, KeyIndex, Node, NodeArena, NodeKind, StrictMap, check_characters, quote_double, quote_name,
    scan,
};

use super::object::Object;

/// The only kind whose objects can contain embedded documents.
pub const CONFIG_MAP: &str = "ConfigMap";

/// Returns whether an object is a ConfigMap of the core API group.
pub fn is_config_map(object: &Object<'_>) -> bool {
    object.kind == CONFIG_MAP && object.group().is_empty()
}

/// Returns whether a word is `configmap`, its plural or its short name, in any case.
pub fn is_config_map_keyword(word: &str) -> bool {
    ["configmap", "configmaps", "cm"].iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Returns a ConfigMap's `data`, or `None` if it is missing or null.
///
/// # Errors
/// Fails if an alias, merge key or duplicate key makes `data` ambiguous.
pub fn config_map_data<'a>(object: &Object<'a>) -> Result<Option<StrictMap<'a>>> {
    let data = StrictMap::from_node(object.node, "the ConfigMap")?.get_non_null("data")?;
    data.map(|data| StrictMap::from_node(data, "`data`")).transpose()
}

/// Returns whether a value can be a manifest: a quoted or block scalar. A plain scalar cannot contain the `: ` of a
/// mapping.
pub fn can_hold_document(value: Node<'_>) -> bool {
    matches!(value.kind(), NodeKind::Literal | NodeKind::Folded | NodeKind::DoubleQuoted | NodeKind::SingleQuoted)
}

/// Returns the values of a ConfigMap that can be manifests, each with its key. The result is empty if `data` is
/// invalid.
pub fn document_candidates(map: &Object<'_>) -> Vec<(String, String)> {
    let data = config_map_data(map).ok().flatten();
    let candidates = data.into_iter().flat_map(StrictMap::entries).filter(|(_, value)| can_hold_document(*value));
    let to_text = |node: Node<'_>| node.text().unwrap_or_default().into_owned();
    candidates.map(|(key, value)| (to_text(key), to_text(value))).collect()
}

/// Returns the value of a key in a ConfigMap's data, or `None` if it cannot be a manifest. `data` is the index of
/// [`config_map_data`].
///
/// # Errors
/// Fails if the key is duplicate, or if the value is not a scalar, has a tag or anchor, or is an alias.
pub fn find_document<'a>(data: &KeyIndex<'a>, key: Node<'a>) -> Result<Option<Editable<'a>>> {
    let name = key.text().unwrap_or_default();
    let Some(value) = data.get(&name)? else { return Ok(None) };
    let value = Editable::from_node(value, &format!("`{name}`"))?;
    if let Some(tag) = value.tag() {
        return Err(Error::refused(format!("the value of `{name}` has the tag `{tag}`"))
            .at(value.span())
            .hint("remove the tag"));
    }
    if !value.is_scalar() {
        return Err(Error::input(format!("`{name}` must be a string: ConfigMaps contain only strings"))
            .at(key.span())
            .hint("put `|` after the key to make the lines below it a string"));
    }
    Ok(can_hold_document(*value).then_some(value))
}

/// The maximum size of a ConfigMap's data in bytes. Source: `MaxSecretSize` in `kubernetes:pkg/apis/core/types.go`,
/// which also applies to ConfigMaps.
const MAX_CONFIG_MAP_BYTES: usize = 1 << 20;

/// Returns the manifest of a ConfigMap with one value. `text` is written as a literal block scalar if that represents
/// it exactly, otherwise as a double-quoted scalar.
///
/// # Errors
/// Fails if `text` is larger than a ConfigMap can be.
pub fn write_config_map(name: &str, namespace: Option<&str>, key: &str, text: &str) -> Result<String> {
    if text.len() > MAX_CONFIG_MAP_BYTES {
        return Err(Error::input(format!(
            "the data has {} bytes, but a ConfigMap can have at most {MAX_CONFIG_MAP_BYTES}",
            text.len()
        ))
        .hint("remove what flow runs do not need"));
    }
    let mut head = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n", quote_name(name));
    if let Some(namespace) = namespace {
        head.push_str(&format!("  namespace: {}\n", quote_name(namespace)));
    }
    head.push_str(&format!("data:\n  {}: ", quote_name(key)));
    let chomping = match text.strip_suffix('\n') {
        None => "-",
        Some(rest) if rest.is_empty() || rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    let lines: String = text
        .split_inclusive('\n')
        .map(|line| if line == "\n" { line.to_owned() } else { format!("    {line}") })
        .collect();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let block = format!("{head}|{chomping}\n{lines}{end}");
    let mut arena = NodeArena::default();
    let is_exact = !text.is_empty() && scan(&block, &mut arena).is_ok() && {
        let last = Document::new(&block, &arena).root().descendants().last();
        last.is_some_and(|value| value.has_text(text))
    };
    if is_exact && check_characters(&block).is_ok() { Ok(block) } else { Ok(format!("{head}{}\n", quote_double(text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_config_map_reads_back_equal() {
        for (text, is_block) in [
            ("a: b\n\n# c\n", true),
            ("a: b", true),
            ("a: |+\n  b\n\n\n", true),
            (" a: b\n", false),
            ("a: b\r\n", false),
            ("\n\na\n", true),
            ("\u{feff}a: b\n", false),
            ("", false),
        ] {
            let map = write_config_map("x", Some("on"), "k.yaml", text).unwrap();
            let mut arena = NodeArena::default();
            scan(&map, &mut arena).unwrap();
            let value = Document::new(&map, &arena).root().descendants().last().unwrap();
            assert_eq!(value.text().unwrap(), text, "{map}");
            assert_eq!(value.kind() == NodeKind::Literal, is_block, "{map}");
            assert!(map.contains("namespace: \"on\"\n"), "{map}");
        }
        assert!(write_config_map("x", None, "k", &"a".repeat(MAX_CONFIG_MAP_BYTES + 1)).is_err());
    }
}
