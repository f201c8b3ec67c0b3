//! Paths of fields as Kubernetes writes them, and what they name in an object.
//!
//! Two spellings, one type: validation counts (`spec.containers[0].env[1].name`), field management names
//! (`.spec.containers[name="flow"].env[name="TOKEN"].value`). Only a path that is found in the user's own
//! text may be shown: an API server's answer may have values in such places.

use jobplate_yaml::Node;
use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A key of a mapping.
    Key(String),
    /// A position in a list, from 0.
    Index(usize),
    /// The item of a list that has these values under these keys.
    Item(Vec<(String, String)>),
}

/// The way from an object to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub Vec<PathStep>);

impl FieldPath {
    /// A path of keys.
    pub fn from_keys(keys: &[&str]) -> Self {
        FieldPath(keys.iter().map(|key| PathStep::Key((*key).to_owned())).collect())
    }

    /// The path with one step more.
    #[must_use]
    pub fn join(mut self, step: PathStep) -> Self {
        self.0.push(step);
        self
    }

    /// Reads a path; none where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('.').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, behind) = bracket(inside)?;
                steps.push(step);
                rest = behind;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                steps.push(PathStep::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            if let Some(behind) = rest.strip_prefix('.') {
                if behind.is_empty() {
                    return None;
                }
                rest = behind;
            }
        }
        (!steps.is_empty()).then_some(FieldPath(steps))
    }

    /// The way from a node to one in its subtree; items of lists by their `name`, else by their position.
    pub fn between(from: Node<'_>, to: Node<'_>) -> Self {
        let way: Vec<Node<'_>> = from.path_to(to).chain([to]).collect();
        let step = |pair: &[Node<'_>]| {
            let (above, below) = (pair[0], pair[1]);
            if let Some((key, _)) = above.entries().find(|(_, value)| value.index() == below.index()) {
                return PathStep::Key(key.text().unwrap_or_default().into_owned());
            }
            let name = below.get_first("name").and_then(Node::text);
            match name {
                Some(name) => PathStep::Item(vec![("name".to_owned(), name.into_owned())]),
                None => PathStep::Index(above.items().position(|item| item.index() == below.index()).unwrap_or(0)),
            }
        };
        FieldPath(way.windows(2).map(step).collect())
    }

    /// The last key of the path.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(PathStep::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The value at this path of a JSON value, to be changed.
    pub fn follow_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            PathStep::Key(key) => value.get_mut(key),
            PathStep::Index(index) => value.get_mut(index),
            PathStep::Item(wanted) => value.as_array_mut()?.iter_mut().find(|item| has_keys(item, wanted)),
        })
    }

    /// The value at this path of a JSON value.
    pub fn follow<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        follow(&self.0, value)
    }

    /// Whether the path counts positions, which in an answer are those of the server's object.
    pub fn has_index(&self) -> bool {
        self.0.iter().any(|step| matches!(step, PathStep::Index(_)))
    }

    /// Follows the path through a document: the node where it ends, or the last on the way that is there
    /// and whether that is the whole way. With the key's node where the last step is a key.
    pub fn resolve<'a>(&self, root: Node<'a>) -> ResolvedPath<'a> {
        find(&self.0, ResolvedPath { node: root, key: None, is_complete: true })
    }
}

fn follow<'v>(steps: &[PathStep], value: &'v Value) -> Option<&'v Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        PathStep::Key(key) => keys_with_dots(key, rest).find_map(|(key, rest)| follow(rest, value.get(key)?)),
        PathStep::Index(index) => follow(rest, value.get(index)?),
        PathStep::Item(wanted) => follow(rest, value.as_array()?.iter().find(|item| has_keys(item, wanted))?),
    }
}

fn find<'a>(steps: &[PathStep], from: ResolvedPath<'a>) -> ResolvedPath<'a> {
    let Some((step, rest)) = steps.split_first() else { return from };
    let end = ResolvedPath { is_complete: false, ..from };
    let item = |item: Node<'a>| find(rest, ResolvedPath { node: item, key: None, is_complete: true });
    match step {
        PathStep::Key(key) => {
            let under = |(key, rest): (String, &[PathStep])| {
                let (key, node) = from.node.entries().find(|(own, _)| own.has_text(&key))?;
                Some(find(rest, ResolvedPath { node, key: Some(key), is_complete: true }))
            };
            let mut found = keys_with_dots(key, rest).filter_map(under);
            let first = found.next();
            match first {
                Some(first) if first.is_complete => first,
                _ => found.find(|other| other.is_complete).or(first).unwrap_or(end),
            }
        }
        PathStep::Index(index) => from.node.items().nth(*index).map_or(end, item),
        PathStep::Item(wanted) => from.node.items().find(|item| is_item(*item, wanted)).map_or(end, item),
    }
}

/// The keys that a path can mean at one place, the shortest first, each with the steps behind it: a path does not
/// tell dots in a key from those between keys.
fn keys_with_dots<'s>(key: &str, rest: &'s [PathStep]) -> impl Iterator<Item = (String, &'s [PathStep])> + use<'s> {
    let mut next = Some((key.to_owned(), rest));
    std::iter::from_fn(move || {
        let (key, rest) = next.take()?;
        if let Some((PathStep::Key(more), behind)) = rest.split_first() {
            next = Some((format!("{key}.{more}"), behind));
        }
        Some((key, rest))
    })
}

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedPath<'a> {
    /// The last node of the way that is there.
    pub node: Node<'a>,
    /// The key that it stands under.
    pub key: Option<Node<'a>>,
    /// Whether the whole way is there.
    pub is_complete: bool,
}

impl ResolvedPath<'_> {
    /// The bytes to point at: the key, or the node's beginning.
    pub fn span(&self) -> std::ops::Range<usize> {
        self.key.unwrap_or(self.node).span()
    }
}

fn is_item(item: Node<'_>, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(key, value)| item.entries().any(|(own, node)| own.has_text(key) && node.has_text(value)))
}

fn has_keys(item: &Value, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(key, wanted)| match &item[key] {
        Value::String(text) => text == wanted,
        Value::Number(number) => wanted.parse().is_ok_and(|wanted: serde_json::Number| wanted == *number),
        Value::Bool(value) => wanted.parse() == Ok(*value),
        _ => false,
    })
}

/// What stands between brackets, and what follows behind them.
fn bracket(text: &str) -> Option<(PathStep, &str)> {
    let close = if text.contains('"') { closing(text)? } else { text.find(']')? };
    let (inside, behind) = (&text[..close], &text[close + 1..]);
    if inside.is_empty() {
        return None;
    }
    if inside.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((PathStep::Index(inside.parse().ok()?), behind));
    }
    if !inside.contains('=') {
        // `metadata.labels[team]`, or quoted
        return Some((PathStep::Key(inside.trim_matches('"').to_owned()), behind));
    }
    let mut wanted = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let (value, left) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = value.find(',').unwrap_or(value.len());
                (&value[..end], &value[end..])
            }
        };
        wanted.push((key.to_owned(), value.to_owned()));
        rest = left.strip_prefix(',').unwrap_or(left);
    }
    Some((PathStep::Item(wanted), behind))
}

/// The first `]` outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b']' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, scan};

    use super::*;

    #[test]
    fn both_spellings() {
        let key = |text: &str| PathStep::Key(text.to_owned());
        let item = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for (text, steps) in [
            ("spec.template", vec![key("spec"), key("template")]),
            (
                "spec.containers[0].env[12].name",
                vec![key("spec"), key("containers"), PathStep::Index(0), key("env"), PathStep::Index(12), key("name")],
            ),
            (
                ".spec.ports[port=80,protocol=\"TCP\"]",
                vec![key("spec"), key("ports"), PathStep::Item(vec![item("port", "80"), item("protocol", "TCP")])],
            ),
            (".env[name=\"a]b.c\"].value", vec![key("env"), PathStep::Item(vec![item("name", "a]b.c")]), key("value")]),
            ("metadata.labels[example.com/team]", vec![key("metadata"), key("labels"), key("example.com/team")]),
        ] {
            assert_eq!(FieldPath::parse(text), Some(FieldPath(steps)), "{text}");
        }
        for text in ["", ".", "a.", "a[", "a[]", "a..b", "a[name=\"b]"] {
            assert_eq!(FieldPath::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_path_is_followed_through_json() {
        let mut value =
            serde_json::json!({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]});
        let path = FieldPath::parse(".ports[port=443,protocol=\"TCP\"].protocol").unwrap();
        assert_eq!(path.follow(&value), Some(&Value::from("TCP")));
        *path.follow_mut(&mut value).unwrap() = Value::from("UDP");
        assert_eq!(path.follow(&value), None);
        let map = serde_json::json!({"data": {"a": "z", "a.b.yaml": "x", "c": {"d": "y"}}});
        for (path, value) in [(".data.a.b.yaml", "x"), (".data.a", "z"), (".data.c.d", "y")] {
            assert_eq!(FieldPath::parse(path).unwrap().follow(&map), Some(&Value::from(value)));
        }
        assert_eq!(FieldPath::parse("ports[1].protocol").unwrap().follow(&value), Some(&Value::from("UDP")));
    }

    #[test]
    fn a_path_is_followed_as_far_as_it_goes() {
        let text = "spec:\n  env:\n  - name: A\n    value: x\n  - {name: B, valuefrom: {}}\n  a: x\n  a.b: {c.d: e}\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let root = Document::new(text, &arena).root();
        for (path, at, whole) in [
            ("spec.env[0].value", "value", true),
            (".spec.env[name=\"B\"].valuefrom", "valuefrom", true),
            ("spec.env[7].value", "env", false),
            (".spec.env[name=\"B\"].value", "{name: B, valuefrom: {}}", false),
            ("spec.a.b.c.d", "c.d", true),
            ("spec.a.c", "a", false),
        ] {
            let found = FieldPath::parse(path).unwrap().resolve(root);
            assert_eq!((&text[found.span()], found.is_complete), (at, whole), "{path}");
        }
    }
}
