//! Constructs Python values from YAML nodes like PyYAML's `SafeConstructor` (`yaml/constructor.py`).

use std::collections::HashMap;
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Node, NodeKind};

use super::resolver::Resolver;
use super::scalar::{parse_bytes, parse_float, parse_int};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::timestamp::Timestamp;

/// The maximum depth of nested collections. PyYAML reaches Python's recursion limit at a slightly greater depth.
const MAX_DEPTH: usize = 200;

/// The index of a mapping, and one of its keys with its value.
type MappingPair<'d> = (u32, Node<'d>, Node<'d>);

/// Constructs Python values from the nodes of a document.
pub(super) struct Constructor<'h, 's> {
    arena: &'h mut Arena,
    source: &'s Rc<SourceFile>,
    /// The offset of the document in the source.
    start: usize,
    /// The index of the node to which each alias refers, keyed by the alias's index.
    alias_targets: HashMap<u32, u32>,
    /// The value of each node, keyed by the node's index. `None` while the value is under construction, to detect a
    /// value that contains itself.
    constructed: HashMap<u32, Option<ValueId>>,
    resolver: &'static Resolver,
}

impl<'h, 's> Constructor<'h, 's> {
    /// Returns a constructor for a document that begins at the offset `start` in its source.
    pub(super) fn new(arena: &'h mut Arena, source: &'s Rc<SourceFile>, start: usize) -> Result<Self> {
        let resolver = Resolver::get()?;
        Ok(Constructor { arena, source, start, alias_targets: HashMap::new(), constructed: HashMap::new(), resolver })
    }

    /// Constructs the value of the document. Fails if PyYAML fails, or if this module does not support the document.
    pub(super) fn construct(mut self, document: Document<'_>) -> Result<ValueId> {
        self.resolve_aliases(document)?;
        self.construct_value(document.root(), MAX_DEPTH)
    }

    fn location(&self, node: Node<'_>) -> Location {
        let span = node.span();
        Location { source: Rc::clone(self.source), span: self.start + span.start..self.start + span.end }
    }

    fn fail(&self, node: Node<'_>, message: impl Into<String>) -> Error {
        locate(
            Error::input(message).hint("correct this value: Prefect reads templates with PyYAML, which fails here"),
            Some(&self.location(node)),
        )
    }

    fn resolve_aliases(&mut self, document: Document<'_>) -> Result<()> {
        let mut known: HashMap<&str, u32> = HashMap::new();
        for node in document.root().descendants() {
            if node.kind() == NodeKind::Alias {
                match known.get(&node.raw()[1..]) {
                    Some(target) => drop(self.alias_targets.insert(node.index(), *target)),
                    None => return Err(self.fail(node, "undefined alias")),
                }
            } else if let Some(anchor) = node.anchor() {
                if anchor.contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
                    return Err(self.fail(node, "invalid anchor"));
                }
                if known.insert(anchor, node.index()).is_some() {
                    return Err(self.fail(node, format!("duplicate anchor `&{anchor}`")));
                }
            }
        }
        Ok(())
    }

    /// Returns the node that an alias refers to, or the node itself.
    fn resolve_alias<'d>(&self, node: Node<'d>) -> Node<'d> {
        self.alias_targets.get(&node.index()).map_or(node, |target| node.document().node(*target))
    }

    fn construct_value(&mut self, node: Node<'_>, depth: usize) -> Result<ValueId> {
        let node = self.resolve_alias(node);
        match self.constructed.get(&node.index()) {
            Some(Some(value)) => return Ok(*value),
            Some(None) => {
                let error = Error::refused("unsupported syntax: a value that contains itself").hint(UNSUPPORTED_HINT);
                return Err(locate(error, Some(&self.location(node))));
            }
            None => {}
        }
        let Some(depth) = depth.checked_sub(1) else { return Err(self.fail(node, "the value is nested too deeply")) };
        self.constructed.insert(node.index(), None);
        let data = match node.kind() {
            NodeKind::Map => self.construct_map(node, depth)?,
            NodeKind::Seq => self.construct_seq(node, depth)?,
            _ => self.construct_scalar(node)?,
        };
        let location = self.location(node);
        let value = self.arena.alloc(data, Some(location));
        self.constructed.insert(node.index(), Some(value));
        Ok(value)
    }

    fn construct_map(&mut self, node: Node<'_>, depth: usize) -> Result<Value> {
        let tag = tag_name(node);
        if !matches!(tag, None | Some("!" | "map" | "set")) {
            return Err(self.fail(node, "invalid tag for a mapping"));
        }
        let mut pairs = Vec::new();
        self.flatten(node, depth, &mut pairs)?;
        let dict = self.arena.alloc(Value::empty_dict(), None);
        let mut last: HashMap<(u32, DictKey), Node<'_>> = HashMap::new();
        for (mapping, key, value) in pairs {
            let before = key.document().text[..key.span().start].trim_end();
            let has_properties = key.tag().is_some() || key.anchor().is_some();
            if key.kind() == NodeKind::Empty && !has_properties && !before.ends_with('?') {
                return Err(self.fail(key, "missing key before `:`"));
            }
            let target = self.resolve_alias(key);
            if self.constructed.contains_key(&target.index()) {
                // The key of an alias or a merged mapping: each dictionary has a copy of it.
                let subject =
                    if key.kind() == NodeKind::Alias { format!("`{}`", key.raw()) } else { "`<<`".to_owned() };
                self.spend(&subject, key, 0, target.raw().len())?;
            }
            let key_value = match key.kind() {
                // PyYAML constructs no value for a plain `=`, but accepts it as a key.
                NodeKind::Plain if key.has_text("=") && key.tag().is_none() => self.arena.alloc_str("="),
                _ => self.construct_value(key, depth)?,
            };
            if !self.arena.is_hashable(key_value) {
                return Err(self.fail(key, "a key must not be a list or mapping"));
            }
            let dropped = last.insert((mapping, self.arena.dict_key(key_value)), key);
            // A mapping that is merged twice has each of its keys again.
            if let Some(dropped) = dropped.filter(|dropped| dropped.span().start < key.span().start) {
                let (dropped, last) = (self.location(dropped), self.location(key));
                let name = self.arena.as_str(key_value).map(str::to_owned);
                self.arena.duplicate_keys.record(name.as_deref(), dropped, last);
            }
            let value = self.construct_value(value, depth)?;
            self.arena.dict_set(dict, key_value, value);
        }
        Ok(match (tag, self.arena.get(dict).clone()) {
            (Some("set"), Value::Dict(pairs)) => Value::Set(pairs.into_iter().map(|(key, _)| key).collect()),
            (_, data) => data,
        })
    }

    /// Pays for the mapping or text at `node` that is used again.
    fn spend(&mut self, subject: &str, node: Node<'_>, values: usize, bytes: usize) -> Result<()> {
        let budget = &mut self.arena.budget;
        let paid = budget.spend_values(values, subject).and_then(|()| budget.spend_bytes(bytes, subject));
        paid.map_err(|error| locate(error, Some(&self.location(node))))
    }

    /// Appends the pairs of a mapping to `out`: first the pairs of its merge keys, then its own pairs. The index of the
    /// mapping that has the pair precedes the key.
    fn flatten<'d>(&mut self, node: Node<'d>, depth: usize, out: &mut Vec<MappingPair<'d>>) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.fail(node, "the value is nested too deeply")) };
        let is_merge = |key: Node<'_>| match (key.kind(), tag_name(key)) {
            (NodeKind::Plain, None | Some("!")) | (_, Some("!")) => key.has_text("<<"),
            (_, tag) => tag == Some("merge"),
        };
        let mut own = Vec::new();
        for (key, value) in node.entries() {
            if !is_merge(self.resolve_alias(key)) {
                own.push((node.index(), key, value));
                continue;
            }
            let value = self.resolve_alias(value);
            match value.kind() {
                NodeKind::Map => {
                    self.spend("`<<`", key, 1 + value.entries().count(), 0)?;
                    self.flatten(value, depth, out)?;
                }
                NodeKind::Seq => {
                    let mut lists = Vec::new();
                    for item in value.items() {
                        let item = self.resolve_alias(item);
                        self.spend("`<<`", key, 1 + item.entries().count(), 0)?;
                        if item.kind() != NodeKind::Map {
                            return Err(self.fail(
                                item,
                                "the value of a merge key (`<<`) must be a mapping or a list of mappings",
                            ));
                        }
                        let mut list = Vec::new();
                        self.flatten(item, depth, &mut list)?;
                        lists.push(list);
                    }
                    // The first mapping in the list has priority. The last pair with a key sets the value, so the
                    // order is reversed.
                    out.extend(lists.into_iter().rev().flatten());
                }
                _ => {
                    return Err(
                        self.fail(value, "the value of a merge key (`<<`) must be a mapping or a list of mappings")
                    );
                }
            }
        }
        out.extend(own);
        Ok(())
    }

    fn construct_seq(&mut self, node: Node<'_>, depth: usize) -> Result<Value> {
        match tag_name(node) {
            None | Some("!" | "seq") => {
                Ok(Value::List(node.items().map(|item| self.construct_value(item, depth)).collect::<Result<_>>()?))
            }
            Some("omap" | "pairs") => {
                let mut pairs = Vec::new();
                for item in node.items() {
                    let item = self.resolve_alias(item);
                    let mut entries = item.entries();
                    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
                        return Err(self.fail(item, "each item of an ordered mapping must have one key"));
                    };
                    let pair = vec![self.construct_value(key, depth)?, self.construct_value(value, depth)?];
                    let location = self.location(item);
                    pairs.push(self.arena.alloc(Value::Tuple(pair), Some(location)));
                }
                Ok(Value::List(pairs))
            }
            _ => Err(self.fail(node, "invalid tag for a list")),
        }
    }

    fn construct_scalar(&self, node: Node<'_>) -> Result<Value> {
        let text = node.text().unwrap_or_default();
        if node.kind() == NodeKind::DoubleQuoted && has_escaped_quote(node.raw()) {
            return Err(self.fail(node, "unknown escape (`\\'`)"));
        }
        let implicit = match node.kind() {
            NodeKind::Plain | NodeKind::Empty => self.resolver.tag(&text),
            _ => "str",
        };
        let tag = match tag_name(node) {
            None => implicit,
            Some("!") => self.resolver.tag(&text),
            Some(tag) => tag,
        };
        let invalid = || self.fail(node, format!("invalid value for the type `{tag}`"));
        Ok(match tag {
            "str" => Value::Str(text.into_owned()),
            "null" => Value::None,
            "bool" => match &*text.to_lowercase() {
                "yes" | "true" | "on" => Value::Bool(true),
                "no" | "false" | "off" => Value::Bool(false),
                _ => return Err(invalid()),
            },
            "int" => Value::Int(parse_int(&text).ok_or_else(invalid)?),
            "float" => Value::Float(parse_float(&text).ok_or_else(invalid)?),
            "timestamp" => Value::Timestamp(Timestamp::parse(&text).ok_or_else(invalid)?),
            "binary" => Value::Bytes(parse_bytes(&text).ok_or_else(invalid)?),
            "value" => return Err(self.fail(node, "PyYAML cannot read the plain scalar `=`")),
            "merge" => return Err(self.fail(node, "PyYAML cannot read the plain scalar `<<`")),
            _ if tag.contains('%') => {
                return Err(locate(
                    Error::refused("unsupported syntax: an unusual tag").hint(UNSUPPORTED_HINT),
                    Some(&self.location(node)),
                ));
            }
            _ => return Err(self.fail(node, format!("unknown tag `{tag}`"))),
        })
    }
}

/// Returns the name of a node's tag, without the prefix of a standard tag. The non-specific tag is `!`. Returns
/// `None` if the node has no tag.
fn tag_name<'d>(node: Node<'d>) -> Option<&'d str> {
    let tag = node.tag()?;
    Some(match tag.strip_prefix("!!") {
        Some(name) => name,
        None => tag.strip_prefix("!<tag:yaml.org,2002:").and_then(|tag| tag.strip_suffix('>')).unwrap_or(tag),
    })
}

/// Returns whether a double-quoted scalar contains the escape `\'`.
fn has_escaped_quote(raw: &str) -> bool {
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next() == Some('\'') {
            return true;
        }
    }
    false
}
