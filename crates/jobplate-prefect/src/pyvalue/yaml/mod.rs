//! Loads YAML 1.1 like PyYAML's `safe_load`, which Prefect 1 uses.
//!
//! `jobplate_yaml` parses the grammar and provides the spans that errors need. This module handles the differences in
//! PyYAML: line breaks, tabs, directives, tags, merge keys and the types of plain scalars. No crate can replace it:
//! the YAML crates implement YAML 1.2, and lack PyYAML's resolver and deviations.
//!
//! | file | decides |
//! |---|---|
//! | `resolver` | which type a plain scalar has |
//! | `scalar` | which value the text of an integer, a float or binary data has |
//! | `constructor` | which Python value is constructed from a node |

mod constructor;
mod resolver;
mod scalar;

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Document, Documents, NodeArena, NodeKind, check_characters, read};

use self::constructor::Constructor;
use super::arena::{Arena, ValueId};
use super::limits::UNSUPPORTED_HINT;
use super::source::{Location, SourceFile, locate};

/// Reads the single document of a file. An empty file is Python's `None`.
///
/// # Errors
/// Fails if PyYAML fails, or if the file has characters or syntax that this module does not support.
pub fn load(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<ValueId> {
    let location = |span| Location { source: Rc::clone(source), span };
    let text = normalize_line_breaks(&source.text);
    // PyYAML reads a byte order mark after the first character as a letter, but `jobplate_yaml` does not. U+FFFD
    // replaces it: both have the same number of bytes, so spans remain valid.
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let first = mark.min('\u{feff}'.len_utf8());
    let letters = format!("{}{}", &text[..first], text[first..].replace('\u{feff}', "\u{fffd}"));
    if let Err(invalid) = check_characters(&letters) {
        let error = Error::refused(format!("unsupported syntax: {}", invalid.reason)).hint(UNSUPPORTED_HINT);
        return Err(locate(error, Some(&location(invalid.span))));
    }
    if source.text.contains('\u{7f}') {
        return Err(Error::input("invalid control character").in_file(&source.name));
    }
    let start = document_start(&text).map_err(|error| locate(error, Some(&location(0..0))))?;
    let mut nodes = NodeArena::default();
    // The lines before `start` are blank, comments or directives, so they are not parsed.
    let text = &text[start..];
    if let Err(unsupported) = read(&letters[start..], &mut nodes) {
        let from = start + unsupported.offset;
        // PyYAML accepts this syntax, but `jobplate_yaml` does not, so jobplate refuses the file as unsupported. The
        // fallback parser of `jobplate_yaml` rejects every document with a verbatim tag (`!<`).
        let unsupported_syntax =
            ["an unusual tag", "an escape that is not a Unicode character", "text after an alias", "a null key"];
        let is_supported_by_pyyaml = unsupported_syntax.contains(&unsupported.reason) || letters.contains("!<");
        let error = match is_supported_by_pyyaml {
            true => Error::refused(format!("unsupported syntax: {}", unsupported.reason)).hint(UNSUPPORTED_HINT),
            false if unsupported.is_json_comment() => Error::input(unsupported.message()).hint("remove the comment"),
            false => Error::input(unsupported.message())
                .hint("fix this line: Prefect reads the file with PyYAML, which fails here"),
        };
        return Err(locate(error, Some(&location(from..source.text.len().min(from + 1)))));
    }
    let document = Document::new(text, &nodes);
    if let Some(tab) = find_tab(document) {
        let error = Error::input("Prefect reads templates with PyYAML, which does not accept a tab here");
        return Err(locate(error.hint("use spaces"), Some(&location(start + tab..start + tab + 1))));
    }
    spend_nodes(arena, &nodes, source)?;
    Constructor::new(arena, source, start)?.construct(document)
}

/// Pays for the values of a file.
///
/// # Errors
/// Fails if the file has too many values.
pub(super) fn spend_nodes(arena: &mut Arena, nodes: &NodeArena, source: &Rc<SourceFile>) -> Result<()> {
    let paid = arena.budget.spend_values(nodes.len(), "the file");
    paid.map_err(|error| error.in_file(&source.name))
}

/// Replaces each lone carriage return with a line feed, because PyYAML treats both as line breaks.
fn normalize_line_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(if c == '\r' && chars.peek() != Some(&'\n') { '\n' } else { c });
    }
    out
}

/// Returns the offset of the single document in a file, or 0 if the file has no document. Fails if there are several
/// documents, if a document consists of its end marker (`...`), or if a directive is invalid or not supported.
fn document_start(text: &str) -> Result<usize> {
    let mut documents = Documents::new(text.as_bytes(), usize::MAX);
    let mut found = None;
    let mut count = 0;
    while let Ok(Some(chunk)) = documents.next() {
        let (from, chunk_text) = (chunk.offset as usize, String::from_utf8_lossy(chunk.bytes));
        // A byte order mark before a directive does not move it from the start of the line.
        let chunk_text =
            if from == 0 { chunk_text.strip_prefix('\u{feff}').unwrap_or(&chunk_text) } else { &chunk_text };
        let is_blank = |line: &str| {
            let line = line.trim_start_matches('\u{feff}');
            line.trim_matches([' ', '\t', '\r']).is_empty() || line.trim_start().starts_with('#')
        };
        if found.is_none() && !chunk_text.starts_with("---") {
            let mut versions = chunk_text.lines().filter_map(|line| line.strip_prefix("%YAML"));
            let version = versions.next();
            if version.is_some_and(|version| !version.trim_start().starts_with("1.")) {
                return Err(Error::input("Prefect reads templates with PyYAML, which supports only YAML 1.1"));
            }
            if versions.next().is_some() {
                return Err(Error::input("duplicate %YAML directive").hint("remove one of the two"));
            }
            if chunk_text.lines().any(|line| line.starts_with("%TAG")) {
                return Err(Error::refused("unsupported syntax: a %TAG directive").hint(UNSUPPORTED_HINT));
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
        _ => {
            Err(Error::input("expected one document, found several").hint("keep the job template in a file of its own"))
        }
    }
}

/// Returns the offset of the first tab that is neither in a comment nor in a quoted or block scalar. Returns `None` if
/// no tab is found.
fn find_tab(document: Document<'_>) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyvalue::string::repr;

    fn load_and_print(text: &str) -> Result<String> {
        let mut arena = Arena::default();
        load(&mut arena, &SourceFile::new_manifest("f", text)).map(|id| repr(&arena, id))
    }

    #[test]
    fn reads_values_like_pyyaml() {
        // `repr(yaml.safe_load(text))` of PyYAML 6.0.3
        for (text, expected) in [
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
            ("\u{feff}%YAML 1.1\n---\na: 1", "{'a': 1}"),
            ("\u{feff}# c\n%YAML 1.1\n---\na: 1", "{'a': 1}"),
            ("\u{feff}--- \na: 1", "{'a': 1}"),
            ("{!!null }", "{None: None}"),
            ("{!!str , a: b}", "{'': None, 'a': 'b'}"),
            ("{!!null : b}", "{None: 'b'}"),
            ("{&a : b}", "{None: 'b'}"),
            ("\u{feff}- \u{feff}a\n- b\u{feff}c", "['\\ufeffa', 'b\\ufeffc']"),
            ("{a:b}", "{'a:b': None}"),
        ] {
            assert_eq!(
                load_and_print(text).as_deref().ok(),
                Some(expected),
                "{text:?} {:?}",
                load_and_print(text).err()
            );
        }
    }

    #[test]
    fn fails_where_pyyaml_fails() {
        for text in [
            "a: 1\n---\nb: 2",
            "---\n---\na: 1",
            "%YAML 2.0\n---\na: 1",
            "\u{feff}%YAML 2.0\n---\na: 1",
            "\u{feff}\u{feff}%YAML 1.1\n---\na: 1",
            "{a\n b: 1}",
            "{: b}",
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
            assert!(load_and_print(text).is_err(), "{text:?} {:?}", load_and_print(text));
        }
    }

    #[test]
    fn refuses_syntax_that_only_pyyaml_reads() {
        let error = load_and_print("null: a\nb: \"\\ud800\"").unwrap_err();
        assert_eq!(error.message(), "unsupported syntax: a null key");
    }

    #[test]
    fn returns_the_same_value_for_an_alias() {
        let mut arena = Arena::default();
        let text = "a: &x {b: 1}\nc: *x\nd: {<<: {e: *x}}";
        let root = load(&mut arena, &SourceFile::new_manifest("f", text)).unwrap();
        assert_eq!(arena.dict_get(root, "a"), arena.dict_get(root, "c"));
        assert_eq!(arena.dict_get(root, "a"), arena.dict_get(arena.dict_get(root, "d").unwrap(), "e"));
    }
}
