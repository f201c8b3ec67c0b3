//! Field paths, and their resolution to nodes or values.
//!
//! Kubernetes has two notations: validation uses indices (`spec.containers[0].env[1].name`), and field management uses
//! keys (`.spec.containers[name="flow"].env[name="TOKEN"].value`). A path in an API server's response may contain
//! values, so it must be shown only if it resolves in the user's own document.

use jobplate_yaml::Node;
use serde_json::Value;

/// One step of a field path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A key of a mapping.
    Key(String),
    /// A 0-based index in a list.
    Index(usize),
    /// The list item with these keys and values.
    Item(Vec<(String, String)>),
}

/// The path from an object to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub Vec<PathStep>);

impl FieldPath {
    /// Creates a path from keys.
    pub fn from_keys(keys: &[&str]) -> Self {
        FieldPath(keys.iter().map(|key| PathStep::Key((*key).to_owned())).collect())
    }

    /// Returns the path with one more step.
    #[must_use]
    pub fn join(mut self, step: PathStep) -> Self {
        self.0.push(step);
        self
    }

    /// Parses a path in either notation. Returns `None` if it is invalid.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('.').unwrap_or(text);
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (step, after) = parse_bracket(bracket)?;
                steps.push(step);
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                steps.push(PathStep::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            if let Some(after) = rest.strip_prefix('.') {
                if after.is_empty() {
                    return None;
                }
                rest = after;
            }
        }
        (!steps.is_empty()).then_some(FieldPath(steps))
    }

    /// Converts the steps from a node to one of its descendants. List items are identified by `name`, or by index if
    /// they have no name.
    pub fn from_steps(steps: &[jobplate_yaml::PathStep<'_>]) -> Self {
        let convert = |step: &jobplate_yaml::PathStep<'_>| {
            if let Some(key) = step.key {
                return PathStep::Key(key.text().unwrap_or_default().into_owned());
            }
            match step.child.get_first("name").and_then(Node::text) {
                Some(name) => PathStep::Item(vec![("name".to_owned(), name.into_owned())]),
                None => PathStep::Index(step.position),
            }
        };
        FieldPath(steps.iter().map(convert).collect())
    }

    /// Returns the last step if it is a key.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(PathStep::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Returns a mutable reference to the value at this path in a JSON value, or `None` if the path does not exist.
    pub fn follow_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            PathStep::Key(key) => value.get_mut(key),
            PathStep::Index(index) => value.get_mut(index),
            PathStep::Item(keys) => value.as_array_mut()?.iter_mut().find(|item| value_has_keys(item, keys)),
        })
    }

    /// Returns the value at this path in a JSON value, or `None` if the path does not exist.
    pub fn follow<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        follow(&self.0, value)
    }

    /// Returns whether the path contains a list index. In a response, an index refers to the object on the server,
    /// whose lists may differ from the lists in the user's document.
    pub fn has_index(&self) -> bool {
        self.0.iter().any(|step| matches!(step, PathStep::Index(_)))
    }

    /// Resolves the path from the node `root`, as far as the path exists.
    pub fn resolve<'a>(&self, root: Node<'a>) -> ResolvedPath<'a> {
        resolve(&self.0, ResolvedPath { node: root, key: None, is_complete: true })
    }
}

fn follow<'v>(steps: &[PathStep], value: &'v Value) -> Option<&'v Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        PathStep::Key(key) => keys_with_dots(key, rest).find_map(|(key, rest)| follow(rest, value.get(key)?)),
        PathStep::Index(index) => follow(rest, value.get(index)?),
        PathStep::Item(keys) => follow(rest, value.as_array()?.iter().find(|item| value_has_keys(item, keys))?),
    }
}

fn resolve<'a>(steps: &[PathStep], from: ResolvedPath<'a>) -> ResolvedPath<'a> {
    let Some((step, rest)) = steps.split_first() else { return from };
    let end = ResolvedPath { is_complete: false, ..from };
    let resolve_item = |item: Node<'a>| resolve(rest, ResolvedPath { node: item, key: None, is_complete: true });
    match step {
        PathStep::Key(key) => {
            let resolve_under = |(key, rest): (String, &[PathStep])| {
                let (key, node) = from.node.entries().find(|(name, _)| name.has_text(&key))?;
                Some(resolve(rest, ResolvedPath { node, key: Some(key), is_complete: true }))
            };
            let mut found = keys_with_dots(key, rest).filter_map(resolve_under);
            let first = found.next();
            match first {
                Some(first) if first.is_complete => first,
                _ => found.find(|other| other.is_complete).or(first).unwrap_or(end),
            }
        }
        PathStep::Index(index) => from.node.items().nth(*index).map_or(end, resolve_item),
        PathStep::Item(keys) => from.node.items().find(|item| node_has_keys(*item, keys)).map_or(end, resolve_item),
    }
}

/// Returns the possible first keys of a path, shortest first, each with the remaining steps.
///
/// A path does not distinguish dots in a key from dots between keys: `data.a.yaml`.
fn keys_with_dots<'s>(key: &str, rest: &'s [PathStep]) -> impl Iterator<Item = (String, &'s [PathStep])> + use<'s> {
    let mut next = Some((key.to_owned(), rest));
    std::iter::from_fn(move || {
        let (key, rest) = next.take()?;
        if let Some((PathStep::Key(next_key), after)) = rest.split_first() {
            next = Some((format!("{key}.{next_key}"), after));
        }
        Some((key, rest))
    })
}

/// The result of resolving a path, which may exist only in part.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedPath<'a> {
    /// The last node of the path that exists.
    pub node: Node<'a>,
    /// The key of the node, if the last step is a key.
    pub key: Option<Node<'a>>,
    /// Whether the whole path exists.
    pub is_complete: bool,
}

impl ResolvedPath<'_> {
    /// Returns the span for an error: the key's span, or the node's if the node has no key.
    pub fn span(&self) -> std::ops::Range<usize> {
        self.key.unwrap_or(self.node).span()
    }
}

/// Returns whether a node has these keys and values.
fn node_has_keys(item: Node<'_>, keys: &[(String, String)]) -> bool {
    keys.iter().all(|(key, value)| item.entries().any(|(name, node)| name.has_text(key) && node.has_text(value)))
}

/// Returns whether a JSON object has these keys and values.
fn value_has_keys(item: &Value, keys: &[(String, String)]) -> bool {
    keys.iter().all(|(key, expected)| match &item[key] {
        Value::String(text) => text == expected,
        Value::Number(number) => expected.parse().is_ok_and(|expected: serde_json::Number| expected == *number),
        Value::Bool(value) => expected.parse() == Ok(*value),
        _ => false,
    })
}

/// Parses a step in brackets. `text` begins after the `[`. Returns the step and the text after the `]`, or `None` if
/// the step is invalid.
fn parse_bracket(text: &str) -> Option<(PathStep, &str)> {
    let close = if text.contains('"') { find_closing_bracket(text)? } else { text.find(']')? };
    let (content, after) = (&text[..close], &text[close + 1..]);
    if content.is_empty() {
        return None;
    }
    if content.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((PathStep::Index(content.parse().ok()?), after));
    }
    if !content.contains('=') {
        // A key with or without quotes: `metadata.labels[team]`.
        return Some((PathStep::Key(content.trim_matches('"').to_owned()), after));
    }
    let mut keys = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let (value, remaining) = match value.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = value.find(',').unwrap_or(value.len());
                (&value[..end], &value[end..])
            }
        };
        keys.push((key.to_owned(), value.to_owned()));
        rest = remaining.strip_prefix(',').unwrap_or(remaining);
    }
    Some((PathStep::Item(keys), after))
}

/// Returns the byte offset of the first `]` outside of quotes, or `None` if there is no such bracket.
fn find_closing_bracket(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b']' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, scan};

    use super::*;

    #[test]
    fn parses_both_notations() {
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
    fn follows_a_path_in_json() {
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
    fn resolves_a_path_as_far_as_it_exists() {
        let text = "spec:\n  env:\n  - name: A\n    value: x\n  - {name: B, valuefrom: {}}\n  a: x\n  a.b: {c.d: e}\n";
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let root = Document::new(text, &arena).root();
        for (path, at, is_complete) in [
            ("spec.env[0].value", "value", true),
            (".spec.env[name=\"B\"].valuefrom", "valuefrom", true),
            ("spec.env[7].value", "env", false),
            (".spec.env[name=\"B\"].value", "{name: B, valuefrom: {}}", false),
            ("spec.a.b.c.d", "c.d", true),
            ("spec.a.c", "a", false),
        ] {
            let found = FieldPath::parse(path).unwrap().resolve(root);
            assert_eq!((&text[found.span()], found.is_complete), (at, is_complete), "{path}");
        }
    }
}
