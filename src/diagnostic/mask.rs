//! Masks sensitive values of an input. No other module determines which text is masked.
//!
//! Masks the values of `value` keys (env vars), of a Secret's `data` and `stringData`, and of last-applied
//! annotations, including those in embedded documents. In text that no parser accepts, masks all text except keys.
//! When in doubt, masks the value.

use std::ops::{Deref, Range};

use jobplate_manifest::sensitive::{self, ValuePredicates};
use jobplate_prefect::base_job_template::has_job_configuration;
use jobplate_prefect::placeholder;
use jobplate_yaml::{DecodedScalar, Document, Node, NodeArena, NodeKind, read};

/// The replacement for a masked value.
pub(super) const MASK: &str = "***";

/// A document and the byte ranges of its sensitive values.
pub(super) struct MaskedText<T> {
    text: T,
    /// The byte ranges of the sensitive values, in ascending order and without overlaps.
    masked_ranges: Vec<Range<usize>>,
}

impl<T: Deref<Target = str>> MaskedText<T> {
    /// Finds the sensitive values of a document.
    pub(super) fn new(text: T) -> Self {
        let mut masked_ranges = Vec::new();
        find_sensitive_ranges(&text, 0, true, &mut masked_ranges);
        masked_ranges.sort_by_key(|range| (range.start, range.end));
        masked_ranges.dedup_by(|next, kept| {
            let overlaps = next.start <= kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        MaskedText { text, masked_ranges }
    }

    /// Splits the text into its visible parts and its masked parts, each in order.
    pub(super) fn visible_and_masked(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut visible, mut end) = (Vec::new(), 0);
        for range in &self.masked_ranges {
            visible.push(&self.text[end..range.start]);
            end = range.end;
        }
        visible.push(&self.text[end..]);
        (visible, self.masked_ranges.iter().map(|range| &self.text[range.clone()]).collect())
    }

    /// Returns the text of a byte range with sensitive values masked, and the byte offset in that text that corresponds
    /// to `offset` in the document.
    pub(super) fn mask_range(&self, range: Range<usize>, offset: usize) -> (String, usize) {
        let mut out = String::new();
        let mut masked_offset = None;
        let mut from = range.start;
        let first = self.masked_ranges.partition_point(|masked| masked.end <= range.start);
        for masked in self.masked_ranges[first..].iter().take_while(|masked| masked.start < range.end) {
            let (start, end) = (masked.start.max(range.start), masked.end.min(range.end));
            if masked_offset.is_none() && offset < end {
                masked_offset = Some(if offset < start {
                    out.len() + offset.saturating_sub(from)
                } else {
                    out.len() + start - from
                });
            }
            out.push_str(&self.text[from..start]);
            // A masked range ends before its line break, so line breaks remain visible.
            out.push_str(MASK);
            from = end;
        }
        let masked_offset =
            masked_offset.unwrap_or(out.len() + offset.saturating_sub(from).min(range.end.saturating_sub(from)));
        out.push_str(&self.text[from..range.end.max(from)]);
        (out, masked_offset)
    }
}

/// Adds the byte ranges of sensitive values in `text`. `offset` is the start of `text` in the complete input.
///
/// If `embedded_too` is true, searches string values for embedded documents. The flag is false inside an embedded
/// document, where a string that may be a document is masked completely.
fn find_sensitive_ranges(text: &str, offset: usize, embedded_too: bool, masked_ranges: &mut Vec<Range<usize>>) {
    let mut arena = NodeArena::default();
    if read(text, &mut arena).is_err() {
        return mask_unparsed_lines(text, offset, masked_ranges);
    }
    let root = Document::new(text, &arena).root();
    for node in sensitive::find_sensitive_nodes(
        root,
        !embedded_too,
        ValuePredicates { is_template: has_job_configuration, is_placeholder },
    ) {
        mask_lines_of_span(text, node.span(), offset, masked_ranges);
    }
    for node in root.descendants().filter(|node| node.is_scalar()) {
        let raw = node.raw();
        match node.kind() {
            NodeKind::Literal | NodeKind::Folded if embedded_too => {
                let header = raw.find('\n').map_or(raw.len(), |newline| newline + 1);
                find_sensitive_ranges(&raw[header..], offset + node.span().start + header, false, masked_ranges);
            }
            NodeKind::Literal | NodeKind::Folded => mask_lines_of_span(text, node.span(), offset, masked_ranges),
            NodeKind::SingleQuoted | NodeKind::DoubleQuoted | NodeKind::Plain => {
                let mentions_values = raw.contains(':') && (raw.contains("value") || raw.contains("ata"));
                match classify_scalar(node) {
                    ScalarContent::Manifest(inner) if embedded_too => {
                        let mut embedded_ranges = Vec::new();
                        find_sensitive_ranges(inner.text(), 0, false, &mut embedded_ranges);
                        for range in embedded_ranges {
                            mask_lines_of_span(text, inner.source_range(range), offset, masked_ranges);
                        }
                    }
                    ScalarContent::Text if !mentions_values && !raw.contains('\n') => {}
                    _ => mask_lines_of_span(text, node.span(), offset, masked_ranges),
                }
            }
            _ => {}
        }
    }
    mask_comments(text, offset, masked_ranges);
}

/// The content of a flow scalar.
enum ScalarContent<'a> {
    /// A manifest: its sensitive values can be found.
    Manifest(DecodedScalar<'a>),
    /// Another mapping or list, or invalid YAML: any part of it may be sensitive.
    Collection,
    /// Any other string.
    Text,
}

fn classify_scalar(node: Node<'_>) -> ScalarContent<'_> {
    if node.kind() == NodeKind::Plain || !node.raw().contains([':', '{', '[', '-', '\\']) || is_placeholder(node) {
        return ScalarContent::Text;
    }
    let inner = DecodedScalar::new(node);
    let mut arena = NodeArena::default();
    if read(inner.text(), &mut arena).is_err() {
        // The string contains several documents or invalid YAML, so any part of it may be sensitive.
        return ScalarContent::Collection;
    }
    let root = Document::new(inner.text(), &arena).root();
    let has_key = |name: &str| root.entries().any(|(key, _)| key.has_text(name));
    match root.kind() {
        NodeKind::Map if has_key("apiVersion") && has_key("kind") || has_job_configuration(root) => {
            ScalarContent::Manifest(inner)
        }
        NodeKind::Map | NodeKind::Seq => ScalarContent::Collection,
        _ => ScalarContent::Text,
    }
}

/// Returns whether a scalar is exactly one Prefect placeholder, `{{ name }}`. A name with upper-case letters or digits
/// does not count: it could be a secret value.
fn is_placeholder(node: Node<'_>) -> bool {
    let is_placeholder_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.');
    node.is_scalar() && node.text().is_some_and(|text| placeholder::sole_name(&text).is_some_and(is_placeholder_name))
}

/// Adds the byte range of each line of a span, without its indentation and line break.
fn mask_lines_of_span(text: &str, span: Range<usize>, offset: usize, masked_ranges: &mut Vec<Range<usize>>) {
    let mut start = span.start;
    for line in text[span].split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let leading_whitespace = content.len() - content.trim_start_matches(' ').len();
        if leading_whitespace < content.len() {
            masked_ranges.push(offset + start + leading_whitespace..offset + start + content.len());
        }
        start += line.len();
    }
}

/// Adds the byte range of each line of `text` except its key. Used for text that no parser accepts.
fn mask_unparsed_lines(text: &str, offset: usize, masked_ranges: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let open = content
            .find(':')
            .map_or_else(|| content.len() - content.trim_start_matches([' ', '\t', '-']).len(), |colon| colon + 1);
        let leading_whitespace = content[open..].len() - content[open..].trim_start_matches([' ', '\t']).len();
        if open + leading_whitespace < content.len() {
            masked_ranges.push(offset + start + open + leading_whitespace..offset + start + content.len());
        }
        start += line.len();
    }
}

/// Adds the byte ranges of the values of commented-out `value:` keys, including their continuation lines.
fn mask_comments(text: &str, offset: usize, masked_ranges: &mut Vec<Range<usize>>) {
    // The column of the last commented-out `value:`. Its value may continue on lines with more indentation.
    let mut deeper_than = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let Some(hash) = content.find('#') else {
            deeper_than = None;
            start += line.len();
            continue;
        };
        if !content[..hash].trim().is_empty() {
            deeper_than = None;
        }
        let comment = content[hash + 1..].trim_start_matches(['#', ' ', '-']);
        let column = content.len() - comment.len();
        if deeper_than.is_some_and(|outer| column > outer) && !comment.is_empty() {
            masked_ranges.push(offset + start + column..offset + start + content.len());
        } else if let Some(value_key) = content[hash..].find("value:").map(|value_key| hash + value_key) {
            deeper_than = Some(value_key);
            let from = value_key + "value:".len();
            let leading_whitespace = content[from..].len() - content[from..].trim_start().len();
            if from + leading_whitespace < content.len() {
                masked_ranges.push(offset + start + from + leading_whitespace..offset + start + content.len());
            }
        } else if !comment.is_empty() {
            deeper_than = None;
        }
        start += line.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_all(text: &str) -> String {
        MaskedText::new(text).mask_range(0..text.len(), 0).0
    }

    #[test]
    fn masks_values_and_nothing_else() {
        let cases = [
            ("env:\n- name: A\n  value: hush # c\n", "env:\n- name: A\n  value: *** # c\n"),
            ("env: [{name: A, value: \"hush\"}]\n", "env: [{name: A, value: ***}]\n"),
            ("- value: |\n    hush\n    hush\n", "- value: ***\n    ***\n    ***\n"),
            ("kind: Secret\ndata: {a: aHVzaA==}\n", "kind: Secret\ndata: {a: ***}\n"),
            ("env:\n  A: hush\n", "env:\n  A: ***\n"),
            ("x: &a\n  b: hush\ny: *a\n", "x: &a\n  b: ***\ny: *a\n"),
            (
                "env:\n- A: hush\n- B=hush\n- name: C\n  valeu: hush\n",
                "env:\n- A: ***\n- ***\n- name: C\n  valeu: ***\n",
            ),
            (
                "env:\n- name: A\n  valueFrom: {secretKeyRef: {name: s, key: k}}\n",
                "env:\n- name: A\n  valueFrom: {secretKeyRef: {name: s, key: k}}\n",
            ),
            ("secrets: {T: hush, U: {secret: s, key: k}}\n", "secrets: {T: ***, U: {secret: s, key: k}}\n"),
            ("kind: ConfigMap\ndata: {a: b}\n", "kind: ConfigMap\ndata: {a: b}\n"),
            ("x: &a hush\nvalue: *a\n", "x: &a ***\nvalue: *a\n"),
            (
                "data:\n  j.yaml: |\n    env:\n    - name: A\n      value: hush\n",
                "data:\n  j.yaml: |\n    env:\n    - name: A\n      value: ***\n",
            ),
            ("env:\n- {name: A, value: {{ default \"hush\" .x }}}\n", "env:\n- {name: A, value: ***}\n"),
            ("j: \"{\\\"value\\\": \\\"hush\\\", \\\"a\\\": \\\"b\\\"}\"\n", "j: ***\n"),
            ("a: '{\"env\": [\"A=hush\"]}'\n", "a: ***\n"),
            ("a: \"\\x76alue: hush\\n\"\n", "a: ***\n"),
            ("a: '{\"stringData\": {\"a\": \"hush\"}}'\n", "a: ***\n"),
            ("a: |\n  stringData: {a: hush}\n", "a: |\n  stringData: {a: ***}\n"),
            (
                "a: '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"env\": [{\"value\": \"hush\"}, \"hush\"], \"b\": \"{\\\"c\\\": 1}\"}'\n",
                "a: '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"env\": [{\"value\": ***}, ***], \"b\": ***}'\n",
            ),
            (
                "a: \"apiVersion: v1\\nkind: Pod\\n\\x76alue: hush\\n\\\n    b: c\\n\"\n",
                "a: \"apiVersion: v1\\nkind: Pod\\n\\x76alue: ***\\n\\\n    b: c\\n\"\n",
            ),
            ("data:\n  j: \"{value: hush\"\n", "data:\n  j: ***\n"),
            ("a: \"b: c\\n---\\nenv: [A=hush]\\n\"\n", "a: ***\n"),
            ("a: \"env: [A=hush\"\n", "a: ***\n"),
            ("a: b\n# value: hush\n", "a: b\n# value: ***\n"),
            (
                "# - name: A\n#   value: |\n#     hush\n#   other\nb: c # d\n",
                "# - name: A\n#   value: ***\n#     ***\n#   other\nb: c # d\n",
            ),
            ("valueFrom: hush\n", "valueFrom: ***\n"),
            ("env: ['{{ env }}', A=hush]\n", "env: ['{{ env }}', ***]\n"),
            (
                "t: {value: {job_configuration: {image: i, env: {A: hush}}}}\n",
                "t: {value: {job_configuration: {image: i, env: {A: ***}}}}\n",
            ),
            ("a: {{ hush }}\n\tb: \"hush\n  hush\n", "a: ***\n\tb: ***\n  ***\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_all(text), expected, "{text:?}");
        }
    }

    #[test]
    fn translates_an_offset_into_masked_text() {
        let text = "value: hush # here\n";
        let mask_all = MaskedText::new(text);
        assert_eq!(mask_all.mask_range(0..18, 14), ("value: *** # here".to_owned(), 13));
        assert_eq!(mask_all.mask_range(0..18, 9).1, 7);
        assert_eq!(mask_all.mask_range(0..18, 2).1, 2);
    }
}
