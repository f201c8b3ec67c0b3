//! Deserializes nodes into Rust types, so the project's own files are parsed like all other documents.
//!
//! Every error has the span of its node and never contains a value, because a value may be a secret. serde-saphyr,
//! which kube depends on, is not used because its messages repeat values. Scalars have the same type as in Kubernetes:
//! `no` is a boolean, and is refused where a string is expected. Numbers are not supported because the project's own
//! files contain no numbers. Anchors and aliases are not resolved.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use jobplate_diagnostic::{Error, suggest};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node_kind::NodeKind;
use super::scalar::ScalarKind;
use super::tree::Node;

/// Deserializes a node. `label` is its name in errors.
///
/// # Errors
///
/// Fails with [`ErrorKind::Usage`](jobplate_diagnostic::ErrorKind::Usage) if a node does not fit `T`. The error points
/// to the first such node.
pub fn from_node<'de, T: Deserialize<'de>>(node: Node<'de>, label: &str) -> jobplate_diagnostic::Result<T> {
    with_span(T::deserialize(NodeDeserializer { node, label: label.to_owned() }), node.span())
        .map_err(|Failure(error)| error)
}

type Result<T> = std::result::Result<T, Failure>;

/// An error of this deserializer.
#[derive(Debug)]
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    /// Creates an error from a message. Its second line, if any, is the hint.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once('\n') {
            Some((message, hint)) => Failure(Error::usage(message).hint(hint)),
            None => Failure(Error::usage(text)),
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure(Error::usage(format!("expected {expected}")))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Failure(Error::usage(format!("expected one of {}", join_quoted(expected, ", "))))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = suggest::did_you_mean(field, expected.iter().copied());
        let hint = hint.unwrap_or_else(|| match field.split_once(':') {
            Some((key, _)) if expected.contains(&key) => format!("add a space after `{key}:`"),
            _ => format!("use one of {}", join_quoted(expected, ", ")),
        });
        Failure(Error::usage(format!("unknown key {}", suggest::quote_key(field))).hint(hint))
    }

    fn missing_field(field: &'static str) -> Self {
        Failure(Error::usage(format!("missing `{field}`")))
    }
}

fn join_quoted(words: &[&str], between: &str) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(between)
}

/// A node to deserialize.
struct NodeDeserializer<'a> {
    node: Node<'a>,
    /// The name of the node in errors.
    label: String,
}

impl<'a> NodeDeserializer<'a> {
    /// Returns the error for a node of the wrong type.
    fn wrong_type(&self, expected: &str) -> Error {
        Error::usage(format!("{} must be {expected}", self.label)).at(self.node.span())
    }

    /// Returns whether the node is a collection of this kind. Null counts as an empty collection.
    fn is_collection(&self, kind: NodeKind) -> bool {
        self.node.kind() == kind || self.node.is_null()
    }

    /// Returns the content of the node. Fails if the node is not a string.
    fn string(&self) -> Result<Cow<'a, str>> {
        let found = match self.node.scalar_kind() {
            ScalarKind::String => match self.node.text() {
                Some(text) => return Ok(text),
                None => return Err(self.wrong_type("a string").into()),
            },
            ScalarKind::Null => "is empty",
            ScalarKind::Bool => "is a boolean",
            ScalarKind::Number | ScalarKind::NonFinite => "is a number",
        };
        Err(Error::usage(format!("{} {found}, not a string", self.label))
            .at(self.node.span())
            .hint("put it in quotes")
            .into())
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match (self.node.kind(), self.node.scalar_kind()) {
            (NodeKind::Map, _) => self.deserialize_map(visitor),
            (NodeKind::Seq, _) => self.deserialize_seq(visitor),
            (_, ScalarKind::Null) => visitor.visit_unit(),
            (_, ScalarKind::Bool) => self.deserialize_bool(visitor),
            _ => self.deserialize_string(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if !self.is_collection(NodeKind::Map) {
            let error = self.wrong_type("a mapping");
            // A type with `#[serde(expecting = "{...}")]` has a form that the hint can show.
            let form = (&visitor as &dyn de::Expected).to_string();
            let has_form = form.starts_with('{');
            return Err(if has_form { error.hint(format!("write it as `{form}`")) } else { error }.into());
        }
        visitor.visit_map(MapEntries { entries: self.node.entries(), value: None, seen: HashSet::new() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if !self.is_collection(NodeKind::Seq) {
            let hint = if self.node.is_scalar() { "write it in brackets" } else { "begin each item with `- `" };
            return Err(self.wrong_type("a list").hint(hint).into());
        }
        visitor.visit_seq(SeqItems { items: self.node.items(), label: format!("an item of {}", self.label) })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_string(self.string()?.into_owned())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.node.scalar_kind() != ScalarKind::Bool {
            return Err(self.wrong_type("true or false").hint("write it without quotes").into());
        }
        visitor.visit_bool(matches!(&*self.node.raw().to_ascii_lowercase(), "y" | "yes" | "on" | "true"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let word = self.string()?;
        if !variants.contains(&&*word) {
            let (last, others) = variants.split_last().unwrap_or((&"", &[]));
            let error = self.wrong_type(&format!("{} or `{last}`", join_quoted(others, ", ")));
            let similar = suggest::did_you_mean(&word, variants.iter().copied());
            return Err(similar.into_iter().fold(error, Error::hint).into());
        }
        visitor.visit_enum(word.into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct ignored_any
    }
}

/// The entries of a mapping.
struct MapEntries<'a, I> {
    entries: I,
    /// The value of the last key.
    value: Option<NodeDeserializer<'a>>,
    seen: HashSet<Cow<'a, str>>,
}

impl<'de, I: Iterator<Item = (Node<'de>, Node<'de>)>> MapAccess<'de> for MapEntries<'de, I> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let span = key.span();
        let key = NodeDeserializer { node: key, label: "a key".to_owned() };
        let name = key.string()?;
        self.value = Some(NodeDeserializer { node: value, label: format!("`{name}`") });
        if !self.seen.insert(name.clone()) {
            return Err(Error::usage(format!("duplicate key `{name}` in a mapping"))
                .at(span)
                .hint("remove one of the two")
                .into());
        }
        with_span(seed.deserialize(key), span).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let value = self.value.take().ok_or_else(|| Error::usage("a value without a key"))?;
        let span = value.node.span();
        with_span(seed.deserialize(value), span)
    }
}

/// The items of a sequence.
struct SeqItems<I> {
    items: I,
    /// The name of an item in errors.
    label: String,
}

impl<'de, I: Iterator<Item = Node<'de>>> SeqAccess<'de> for SeqItems<I> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(node) = self.items.next() else { return Ok(None) };
        with_span(seed.deserialize(NodeDeserializer { node, label: self.label.clone() }), node.span()).map(Some)
    }
}

/// Adds a span to an error that has none. The innermost node calls this first, so the error keeps the innermost span.
fn with_span<T>(result: Result<T>, span: Range<usize>) -> Result<T> {
    result.map_err(|Failure(error)| Failure(error.at(span)))
}

#[cfg(test)]
mod tests {
    use super::super::{Document, NodeArena, scan};
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        #[serde(default)]
        flag: Option<bool>,
        #[serde(default)]
        words: Vec<String>,
        #[serde(default)]
        inner: Option<Box<Settings>>,
        #[serde(default)]
        side: Option<Side>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Side {
        Left,
        Right,
    }

    fn read(text: &str) -> jobplate_diagnostic::Result<Settings> {
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        from_node(Document::new(text, &arena).root(), "the thing")
    }

    #[test]
    fn deserializes_strings_booleans_sequences_and_enums() {
        let text = "name: ab\nflag: off\nwords: [x, \"1\", '', a b]\ninner: {name: \"\\x41\", words: ~}\nside: right\n";
        let inner = Settings { name: "A".to_owned(), flag: None, words: Vec::new(), inner: None, side: None };
        let words = ["x", "1", "", "a b"].map(str::to_owned).to_vec();
        let name = "ab".to_owned();
        let expected =
            Settings { name, flag: Some(false), words, inner: Some(Box::new(inner)), side: Some(Side::Right) };
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn errors_have_a_span_and_contain_no_value() {
        for (text, source, message, hint) in [
            ("name: 987", "987", "`name` is a number, not a string", "put it in quotes"),
            ("name: NO", "NO", "`name` is a boolean", "put it in quotes"),
            ("name: ~", "~", "`name` is empty, not a string", "put it in quotes"),
            ("name: {canary: x}", "{canary: x}", "`name` must be a string", ""),
            ("name: a\nflag: 'canary'", "'canary'", "`flag` must be true or false", "without quotes"),
            ("name: a\nwords: canary", "canary", "`words` must be a list", "in brackets"),
            ("name: a\nwords: [a, 1]", "1", "an item of `words` is a number, not a string", "quotes"),
            ("name: a\ninner: [canary]", "[canary]", "`inner` must be a mapping", ""),
            ("name: a\ninner: {wrods: []}", "wrods", "unknown key `wrods`", "did you mean `words`?"),
            ("name: a\nzzz: canary", "zzz", "unknown key `zzz`", "use one of `name`, `flag`,"),
            ("name: a\ninner: {words: [canary]}", "{words: [canary]}", "missing `name`", ""),
            ("name: a\nname: canary", "name", "duplicate key `name`", "remove"),
            ("name: a\nside: canary", "canary", "`side` must be `left` or `right`", ""),
            ("name: a\n1: canary", "1", "a key is a number, not a string", "quotes"),
            ("[canary]", "[canary]", "the thing must be a mapping", ""),
            ("{}", "{}", "missing `name`", ""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(&text[error.span().unwrap()], source, "{text}");
            assert!(error.message().starts_with(message), "{text}: {}", error.message());
            assert!(
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default().contains(hint),
                "{text}: {:?}",
                error.hint_message()
            );
            assert!(!error.message().contains("canary"), "{text}");
        }
        // The error for a duplicate key points to the second occurrence.
        assert_eq!(read("name: a\nname: b").unwrap_err().span(), Some(8..12));
    }
}
