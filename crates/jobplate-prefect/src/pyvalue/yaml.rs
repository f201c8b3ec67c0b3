//! PyYAML's `safe_load`: YAML 1.1 as Prefect 1 reads it.
//!
//! The grammar is that of our own scanner, whose spans the values keep; what differs is told here: tabs, which
//! PyYAML takes for no blanks, tags, merge keys, and what an unquoted word stands for.

use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Documents, Node, NodeArena, NodeKind, check_characters, read};
use num_bigint::BigInt;
use regex_lite::Regex;

use super::arena::{Arena, Value, ValueId};
use super::limits::{MAX_DIGITS, UNSUPPORTED_HINT};
use super::source::{Location, SourceFile, locate};
use super::timestamp::Timestamp;

/// Keys of one mapping, those of merge keys counted each time.
const MOST_PAIRS: usize = 200_000;

/// Collections within one another; Python gives up a little later.
const DEPTH: usize = 200;

/// Reads the only document of a text; an empty text is `None`.
///
/// # Errors
/// Fails, with a place, where PyYAML fails, and at the characters that YAML readers take for different things.
pub fn load(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<ValueId> {
    let location = |span| Location { source: Rc::clone(source), span };
    let text = with_line_feeds(&source.text);
    // A byte order mark inside of the text is a letter like others to PyYAML: another one of as many bytes stands
    // for it while places are found.
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let first = mark.min('\u{feff}'.len_utf8());
    let letters = format!("{}{}", &text[..first], text[first..].replace('\u{feff}', "\u{fffd}"));
    if let Err(fault) = check_characters(&letters) {
        let error = Error::refused(format!("{} stands here", fault.reason)).hint(UNSUPPORTED_HINT);
        return Err(locate(error, Some(&location(fault.span))));
    }
    if source.text.contains('\u{7f}') {
        return Err(Error::input("a control character stands here").in_file(&source.name));
    }
    let start = only_document(&text).map_err(|error| locate(error, Some(&location(0..0))))?;
    let mut nodes = NodeArena::default();
    // The lines before it are blank, comments or directives.
    let text = &text[start..];
    if let Err(step) = read(&letters[start..], &mut nodes) {
        let from = start + step.offset;
        // With such a tag anywhere, the second of our readers reads nothing. An alias as a key is one up to its colon.
        let beyond = ["an unusual tag", "an escape that is no Unicode character", "text behind an alias"];
        let is_beyond = beyond.contains(&step.reason) || letters.contains("!<");
        let error = match is_beyond {
            true => Error::refused(format!("{} stands here", step.reason)).hint(UNSUPPORTED_HINT),
            false => Error::input(format!("this is no YAML: {}", step.reason)).hint("Prefect reads it with PyYAML"),
        };
        return Err(locate(error, Some(&location(from..source.text.len().min(from + 1)))));
    }
    let document = Document::new(text, &nodes);
    if let Some(tab) = stray_tab(document) {
        let error = Error::input("a tab where PyYAML, which Prefect reads templates with, takes none");
        return Err(locate(error.hint("write spaces"), Some(&location(start + tab..start + tab + 1))));
    }
    let patterns = Patterns::new()?;
    let mut loader = Loader { arena, source, start, anchors: HashMap::new(), made: HashMap::new(), patterns };
    loader.find_anchors(document)?;
    loader.value(document.root(), DEPTH)
}

/// The text with a line feed for each carriage return that has none: PyYAML breaks the line there, too.
fn with_line_feeds(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(if c == '\r' && chars.peek() != Some(&'\n') { '\n' } else { c });
    }
    out
}

/// Where the only document of a text begins. Fails where there are two.
fn only_document(text: &str) -> Result<usize> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut found = None;
    let mut count = 0;
    while let Ok(Some(chunk)) = documents.next() {
        let (from, chunk_text) = (chunk.offset as usize, String::from_utf8_lossy(chunk.bytes));
        let is_blank = |line: &str| {
            let line = line.trim_start_matches('\u{feff}');
            line.trim_matches([' ', '\t', '\r']).is_empty() || line.trim_start().starts_with('#')
        };
        if found.is_none() && !chunk_text.starts_with("---") {
            let mut versions = chunk_text.lines().filter_map(|line| line.strip_prefix("%YAML"));
            let version = versions.next();
            if version.is_some_and(|version| !version.trim_start().starts_with("1.")) {
                return Err(Error::input("PyYAML, which Prefect reads templates with, knows YAML 1.1 only"));
            }
            if versions.next().is_some() {
                return Err(Error::input("the directive %YAML stands twice").hint("remove one of the two"));
            }
            if chunk_text.lines().any(|line| line.starts_with("%TAG")) {
                return Err(Error::refused("a directive %TAG stands here").hint(UNSUPPORTED_HINT));
            }
            if chunk_text.lines().all(|line| is_blank(line) || line.starts_with('%')) {
                continue;
            }
        }
        let first = chunk_text.lines().find(|line| !is_blank(line)).unwrap_or_default();
        if first.starts_with("...") && first[3..].trim_matches([' ', '\t', '\r']).is_empty() {
            return Err(Error::input("the end of a document (`...`) without a document"));
        }
        count += 1;
        found = found.or(Some(from));
    }
    match count {
        0 | 1 => Ok(found.unwrap_or(0)),
        _ => Err(Error::input("there are several documents here, and Prefect reads one")
            .hint("keep the job template in a file of its own")),
    }
}

/// The first tab outside of comments and of scalars that are quoted or blocks.
fn stray_tab(document: Document<'_>) -> Option<usize> {
    let text = document.text;
    if !text.contains('\t') {
        return None;
    }
    let scalars = document.root().descendants().filter(|node| node.is_scalar());
    let mut at = 0;
    let end = (false, text.len()..text.len());
    for (is_plain, span) in
        scalars.map(|node| (node.kind() == NodeKind::Plain, node.span())).chain(std::iter::once(end))
    {
        let mut gap = at..span.start.max(at);
        while !gap.is_empty() {
            match text[gap.clone()].find(['\t', '#']) {
                None => break,
                Some(found) if text[gap.start + found..].starts_with('\t') => return Some(gap.start + found),
                Some(found) => {
                    let comment = gap.start + found;
                    gap.start = text[comment..gap.end].find('\n').map_or(gap.end, |end| comment + end);
                }
            }
        }
        if let Some(tab) = text[span.clone()].find('\t').filter(|_| is_plain) {
            return Some(span.start + tab);
        }
        at = span.end.max(at);
    }
    None
}

/// What unquoted words stand for, as PyYAML's resolver has it.
struct Patterns {
    int: Regex,
    float: Regex,
    timestamp: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        let made = |pattern: &str| {
            Regex::new(pattern)
                .map_err(|_| Error::new(jobplate_diagnostic::ErrorKind::Internal, "a pattern that is none"))
        };
        Ok(Patterns {
            int: made(
                r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
            )?,
            float: made(
                r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
            )?,
            timestamp: made(
                r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
            )?,
        })
    }

    /// The tag of a plain scalar.
    fn tag(&self, text: &str) -> &'static str {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => "null",
            "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
            | "on" | "On" | "ON" | "off" | "Off" | "OFF" => "bool",
            "<<" => "merge",
            "=" => "value",
            _ if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => "str",
            _ if self.float.is_match(text) => "float",
            _ if self.int.is_match(text) => "int",
            _ if self.timestamp.is_match(text) => "timestamp",
            _ => "str",
        }
    }
}

struct Loader<'h, 's> {
    arena: &'h mut Arena,
    source: &'s Rc<SourceFile>,
    /// Where the document begins in the source.
    start: usize,
    /// Of every alias, the node that it means.
    anchors: HashMap<u32, u32>,
    /// The values of nodes that are made; none while one is being made.
    made: HashMap<u32, Option<ValueId>>,
    patterns: Patterns,
}

impl Loader<'_, '_> {
    fn location(&self, node: Node<'_>) -> Location {
        let span = node.span();
        Location { source: Rc::clone(self.source), span: self.start + span.start..self.start + span.end }
    }

    fn fail(&self, node: Node<'_>, what: impl Into<String>) -> Error {
        locate(
            Error::input(what).hint("PyYAML, which Prefect reads templates with, fails here"),
            Some(&self.location(node)),
        )
    }

    fn find_anchors(&mut self, document: Document<'_>) -> Result<()> {
        let mut known: HashMap<&str, u32> = HashMap::new();
        for node in document.root().descendants() {
            if node.kind() == NodeKind::Alias {
                match known.get(&node.raw()[1..]) {
                    Some(target) => drop(self.anchors.insert(node.index(), *target)),
                    None => return Err(self.fail(node, "an alias without its anchor")),
                }
            } else if let Some(anchor) = node.anchor() {
                if anchor.contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
                    return Err(self.fail(node, "an anchor that PyYAML does not take"));
                }
                if known.insert(anchor, node.index()).is_some() {
                    return Err(self.fail(node, format!("the anchor `&{anchor}` stands twice")));
                }
            }
        }
        Ok(())
    }

    /// The node itself, or what it is an alias of.
    fn target<'d>(&self, node: Node<'d>) -> Node<'d> {
        self.anchors.get(&node.index()).map_or(node, |target| node.document().node(*target))
    }

    fn value(&mut self, node: Node<'_>, depth: usize) -> Result<ValueId> {
        let node = self.target(node);
        match self.made.get(&node.index()) {
            Some(Some(made)) => return Ok(*made),
            Some(None) => {
                let error = Error::refused("a value that holds itself").hint(UNSUPPORTED_HINT);
                return Err(locate(error, Some(&self.location(node))));
            }
            None => {}
        }
        let Some(depth) = depth.checked_sub(1) else { return Err(self.fail(node, "a value nested too deep")) };
        self.made.insert(node.index(), None);
        let data = match node.kind() {
            NodeKind::Map => self.map(node, depth)?,
            NodeKind::Seq => self.seq(node, depth)?,
            _ => self.scalar(node)?,
        };
        let location = self.location(node);
        let made = self.arena.alloc(data, Some(location));
        self.made.insert(node.index(), Some(made));
        Ok(made)
    }

    fn map(&mut self, node: Node<'_>, depth: usize) -> Result<Value> {
        let tag = tag_name(node);
        if !matches!(tag, None | Some("!" | "map" | "set")) {
            return Err(self.fail(node, "a tag that PyYAML does not take for a mapping"));
        }
        let mut pairs = Vec::new();
        self.flatten(node, depth, &mut pairs)?;
        let dict = self.arena.alloc(Value::empty_dict(), None);
        for (key, value) in pairs {
            let before = key.document().text[..key.span().start].trim_end();
            if key.kind() == NodeKind::Empty && !before.ends_with('?') {
                return Err(self.fail(key, "a `:` without a key"));
            }
            let made = match key.kind() {
                // What PyYAML has no value for is a key by its text.
                NodeKind::Plain if key.has_text("=") && key.tag().is_none() => self.arena.alloc_str("="),
                _ => self.value(key, depth)?,
            };
            if !self.arena.is_hashable(made) {
                return Err(self.fail(key, "a list or mapping as a key"));
            }
            let value = self.value(value, depth)?;
            self.arena.dict_set(dict, made, value);
        }
        Ok(match (tag, self.arena.get(dict).clone()) {
            (Some("set"), Value::Dict(pairs)) => Value::Set(pairs.into_iter().map(|(key, _)| key).collect()),
            (_, data) => data,
        })
    }

    /// The pairs of a mapping, those that merge keys bring in before its own.
    fn flatten<'d>(&self, node: Node<'d>, depth: usize, out: &mut Vec<(Node<'d>, Node<'d>)>) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.fail(node, "a value nested too deep")) };
        let is_merge = |key: Node<'_>| match (key.kind(), tag_name(key)) {
            (NodeKind::Plain, None | Some("!")) | (_, Some("!")) => key.has_text("<<"),
            (_, tag) => tag == Some("merge"),
        };
        let mut own = Vec::new();
        for (key, value) in node.entries() {
            if !is_merge(self.target(key)) {
                own.push((key, value));
                continue;
            }
            let value = self.target(value);
            match value.kind() {
                NodeKind::Map => self.flatten(value, depth, out)?,
                NodeKind::Seq => {
                    let mut lists = Vec::new();
                    for item in value.items().map(|item| self.target(item)) {
                        if item.kind() != NodeKind::Map {
                            return Err(self.fail(item, "a merge key (`<<`) takes mappings"));
                        }
                        let mut list = Vec::new();
                        self.flatten(item, depth, &mut list)?;
                        lists.push(list);
                    }
                    // The first of the list wins, as the last of the pairs.
                    out.extend(lists.into_iter().rev().flatten());
                }
                _ => return Err(self.fail(value, "a merge key (`<<`) takes mappings")),
            }
        }
        out.extend(own);
        if out.len() > MOST_PAIRS {
            return Err(self.fail(node, "a mapping that merge keys (`<<`) make that large"));
        }
        Ok(())
    }

    fn seq(&mut self, node: Node<'_>, depth: usize) -> Result<Value> {
        match tag_name(node) {
            None | Some("!" | "seq") => {
                Ok(Value::List(node.items().map(|item| self.value(item, depth)).collect::<Result<_>>()?))
            }
            Some("omap" | "pairs") => {
                let mut pairs = Vec::new();
                for item in node.items() {
                    let item = self.target(item);
                    let mut entries = item.entries();
                    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
                        return Err(self.fail(item, "an ordered mapping has items of one key each"));
                    };
                    let pair = vec![self.value(key, depth)?, self.value(value, depth)?];
                    let location = self.location(item);
                    pairs.push(self.arena.alloc(Value::Tuple(pair), Some(location)));
                }
                Ok(Value::List(pairs))
            }
            _ => Err(self.fail(node, "a tag that PyYAML does not take for a list")),
        }
    }

    fn scalar(&self, node: Node<'_>) -> Result<Value> {
        let text = node.text().unwrap_or_default();
        if node.kind() == NodeKind::DoubleQuoted && has_escaped_quote(node.raw()) {
            return Err(self.fail(node, "an escape (`\\'`) that PyYAML does not know"));
        }
        let implicit = match node.kind() {
            NodeKind::Plain | NodeKind::Empty => self.patterns.tag(&text),
            _ => "str",
        };
        let tag = match tag_name(node) {
            None => implicit,
            Some("!") => self.patterns.tag(&text),
            Some(tag) => tag,
        };
        let wrong = || self.fail(node, format!("this is no {tag}, as its tag or its looks say"));
        Ok(match tag {
            "str" => Value::Str(text.into_owned()),
            "null" => Value::None,
            "bool" => match &*text.to_lowercase() {
                "yes" | "true" | "on" => Value::Bool(true),
                "no" | "false" | "off" => Value::Bool(false),
                _ => return Err(wrong()),
            },
            "int" => Value::Int(int(&text).ok_or_else(wrong)?),
            "float" => Value::Float(float(&text).ok_or_else(wrong)?),
            "timestamp" => Value::Timestamp(Timestamp::parse(&text).ok_or_else(wrong)?),
            "binary" => Value::Bytes(bytes(&text).ok_or_else(wrong)?),
            "value" => return Err(self.fail(node, "PyYAML has no value for `=`")),
            "merge" => return Err(self.fail(node, "PyYAML has no value for `<<`")),
            _ if tag.contains('%') => {
                return Err(locate(
                    Error::refused("an unusual tag").hint(UNSUPPORTED_HINT),
                    Some(&self.location(node)),
                ));
            }
            _ => return Err(self.fail(node, "a tag that PyYAML does not know")),
        })
    }
}

/// The name of a standard tag, without what stands before it; `!` for the tag that says nothing.
fn tag_name<'d>(node: Node<'d>) -> Option<&'d str> {
    let tag = node.tag()?;
    Some(match tag.strip_prefix("!!") {
        Some(name) => name,
        None => tag.strip_prefix("!<tag:yaml.org,2002:").and_then(|tag| tag.strip_suffix('>')).unwrap_or(tag),
    })
}

/// Whether `\'` is among the escapes of a double-quoted scalar.
fn has_escaped_quote(raw: &str) -> bool {
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next() == Some('\'') {
            return true;
        }
    }
    false
}

/// The bytes that base64 stands for; all that is none of its letters is passed over.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_letter = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let letters: String = text.chars().filter(is_letter).collect();
    text.is_ascii().then(|| base64::engine::general_purpose::STANDARD.decode(letters).ok())?
}

/// A whole number as PyYAML makes it: base 60 with colons, base 8 with a zero in front.
fn int(text: &str) -> Option<BigInt> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |digits: &str, radix| {
        let fits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        fits.then(|| BigInt::parse_bytes(digits.as_bytes(), radix)).flatten()
    };
    let whole = match digits {
        "0" => BigInt::ZERO,
        _ if digits.starts_with("0b") => radix(&digits[2..], 2)?,
        _ if digits.starts_with("0x") => radix(&digits[2..], 16)?,
        _ if digits.starts_with('0') => radix(digits, 8)?,
        _ => digits.split(':').try_fold(BigInt::ZERO, |sum, part| Some(sum * 60 + radix(part, 10)?))?,
    };
    Some(if negative { -whole } else { whole })
}

fn float(text: &str) -> Option<f64> {
    let plain = text.replace('_', "").to_lowercase();
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let number =
        |digits: &str| digits.trim().parse::<f64>().ok().filter(|_| digits.contains(|c: char| c.is_ascii_digit()));
    match digits {
        ".inf" => Some(sign * f64::INFINITY),
        ".nan" => Some(f64::NAN),
        _ if digits.contains(':') => {
            let mut base = 1.0;
            let mut sum = 0.0;
            for part in digits.rsplit(':') {
                sum += number(part)? * base;
                base *= 60.0;
            }
            Some(sign * sum)
        }
        _ => Some(sign * number(digits)?),
    }
}

#[cfg(test)]
mod tests {
    use super::super::string::repr;
    use super::*;

    fn shown(text: &str) -> Result<String> {
        let mut arena = Arena::default();
        load(&mut arena, &SourceFile::new_manifest("f", text)).map(|id| repr(&arena, id))
    }

    #[test]
    fn values_are_pyyamls() {
        // Each as `repr(yaml.safe_load(text))` of PyYAML 6.0.3 has it.
        for (text, wanted) in [
            ("", "None"),
            ("# c\n", "None"),
            ("---\na: 1\n", "{'a': 1}"),
            ("%YAML 1.2\n---\na: 1\n", "{'a': 1}"),
            ("a: 1\n...\n", "{'a': 1}"),
            ("[yes, No, ON, off, tRue, y]", "[True, False, True, False, 'tRue', 'y']"),
            ("[0123, 0o17, 0x1F, 0b11, 1_000, -0, +5, 08, 0]", "[83, '0o17', 31, 3, 1000, 0, 5, '08', 0]"),
            ("[12:30, 1:00:00, -1:30, 99:99]", "[750, 3600, -90, '99:99']"),
            ("[1e3, 1.0e+3, 1., .5, +.5, 1.5e3, 6.0, 1:30.5]", "['1e3', 1000.0, 1.0, 0.5, '+.5', '1.5e3', 6.0, 90.5]"),
            ("[~, null, Null, nULL, '', \"\"]", "[None, None, None, 'nULL', '', '']"),
            ("a: ! '5'\nb: !!str 5\nc: !!int '5'\nd: !!float 1", "{'a': 5, 'b': '5', 'c': 5, 'd': 1.0}"),
            ("a: 1\nb: 2\na: 3", "{'a': 3, 'b': 2}"),
            ("{1: a, true: b, 1.0: c}", "{1: 'c'}"),
            ("<<: {a: 1, b: 2}\nb: 3\nc: 4", "{'a': 1, 'b': 3, 'c': 4}"),
            ("<<: [{a: 1}, {a: 2, b: 2}]\nc: 4", "{'a': 1, 'b': 2, 'c': 4}"),
            ("x: &x {a: 1}\ny: {<<: *x, b: 2}", "{'x': {'a': 1}, 'y': {'a': 1, 'b': 2}}"),
            ("!!set {a, b}", "{'a', 'b'}"),
            ("!!omap [a: 1, b: 2]", "[('a', 1), ('b', 2)]"),
            ("a: 'x\ty'\nb: c # \t", "{'a': 'x\\ty', 'b': 'c'}"),
            ("\u{feff}a: 1", "{'a': 1}"),
            ("\u{feff}- \u{feff}a\n- b\u{feff}c", "['\\ufeffa', 'b\\ufeffc']"),
            ("{a:b}", "{'a:b': None}"),
        ] {
            assert_eq!(shown(text).as_deref().ok(), Some(wanted), "{text:?} {:?}", shown(text).err());
        }
        for text in [
            "a: 1\n---\nb: 2",
            "---\n---\na: 1",
            "%YAML 2.0\n---\na: 1",
            "a:\t1",
            "a: 1\t",
            "a: 1\t# c",
            "- \tb",
            "\ta: 1",
            "a: &x 1\nb: &x 2",
            "a: *x",
            "&x [*x]",
            "? [a]\n: b",
            "!foo a",
            "!!python/object:x {}",
            "a: =",
            "0b_",
            "2020-13-01",
            "!!int abc",
            "!!bool 5",
            "<<: 1",
            "<<: [1]",
            "[1",
            "a: b: c",
            "x: <<",
        ] {
            assert!(shown(text).is_err(), "{text:?} {:?}", shown(text));
        }
    }

    #[test]
    fn aliases_are_the_same_value() {
        let mut arena = Arena::default();
        let text = "a: &x {b: 1}\nc: *x\nd: {<<: {e: *x}}";
        let root = load(&mut arena, &SourceFile::new_manifest("f", text)).unwrap();
        assert_eq!(arena.dict_get(root, "a"), arena.dict_get(root, "c"));
        assert_eq!(arena.dict_get(root, "a"), arena.dict_get(arena.dict_get(root, "d").unwrap(), "e"));
    }
}
