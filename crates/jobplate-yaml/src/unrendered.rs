//! Recognizes templates of Helm and Jinja that were not rendered, to report them as what they are.

use jobplate_diagnostic::{Error, ProgramName};

use super::fallback::read;
use super::node_kind::NodeKind;
use super::tree::{Document, Node, NodeArena};

/// The beginnings of template expressions and statements.
const DELIMITERS: [&str; 2] = ["{{", "{%"];

/// Returns the error for a template that was not rendered. `at` is the offset of its first expression.
pub fn unrendered_template_error(at: usize) -> Error {
    let error = Error::input("the file is a Helm or Jinja template (`{{ }}`), not a manifest").at(at..at + 2);
    error.hint(
        "render it first: `helm template ... | "
            + ProgramName
            + " render -`, or use `"
            + ProgramName
            + " post-render` as Helm's post-renderer",
    )
}

/// Finds the template expression that makes a document invalid. Returns its offset.
pub fn find_template_expression(text: &str, arena: &mut NodeArena) -> Option<usize> {
    if DELIMITERS.iter().all(|delimiter| memchr::memmem::find(text.as_bytes(), delimiter.as_bytes()).is_none()) {
        return None;
    }
    match read(text, arena) {
        Ok(()) => {
            let root = Document::new(text, arena).root();
            let mut keys = root.descendants().flat_map(|node| node.entries()).map(|(key, _)| key);
            keys.find_map(template_expression_of_key)
        }
        Err(unsupported) => template_expression_on_line(text, unsupported.offset),
    }
}

/// Returns the offset of the template expression that is this key, or whose outer braces YAML reads as a mapping with
/// this key.
pub(super) fn template_expression_of_key(key: Node<'_>) -> Option<usize> {
    let (start, bytes) = (key.span().start, key.document().text.as_bytes());
    let mut starts = [Some(start), start.checked_sub(1)].into_iter().flatten();
    starts.find(|at| key.kind() == NodeKind::Map && bytes[*at..].starts_with(b"{{"))
}

/// Returns the offset of the first template expression outside of quotes on the line that contains `at`.
pub fn template_expression_on_line(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = memchr::memrchr(b'\n', &bytes[..at.min(bytes.len())]).map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let found = DELIMITERS.iter().filter_map(|delimiter| line.find(delimiter)).min()?;
    (!line[..found].contains(['"', '\'', '#'])).then_some(start + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_expressions_that_make_a_document_invalid() {
        for (text, expected) in [
            ("a: {{ b }}\n", Some(3)),
            ("a: b\nc: {{ d }}:{{ e }}\n", Some(8)),
            ("a: {{ \"b\" | quote }}\n", Some(3)),
            ("a:\n  {{- if b }}\n  c: d\n  {{- end }}\n", Some(5)),
            ("a:\n  {% if b %}\n  c: d\n", Some(5)),
            ("{{- range b }}\na: b\n", Some(0)),
            ("a: \"{{ b }}\"\n", None),
            ("a: '{{ b }}'\nc: [\n", None),
            ("a: '{{ b }}' c\n", None),
            ("a: |\n  {{ b }}\n", None),
            ("? {b: c}\n: d # {{ e }}\n", None),
            ("a: [\n", None),
            ("{{ b }}: c\n", Some(0)),
            ("\u{feff}{a: b}: '{{ c }}'\n", None),
        ] {
            assert_eq!(find_template_expression(text, &mut NodeArena::default()), expected, "{text}");
        }
    }
}
