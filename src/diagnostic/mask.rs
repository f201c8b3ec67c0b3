//! The one masker: which bytes of an input may not be shown, and a text without them.
//!
//! Masked are the values of `value` keys (env vars), of a Secret's `data` and `stringData`, and of
//! last-applied annotations, in embedded documents too. Of a text that no parser understands, everything
//! but keys is masked. It masks too much rather than too little.

use std::ops::{Deref, Range};

use jobplate_manifest::sensitive::{self, Recognizer};
use jobplate_prefect::base_job_template::has_job_configuration;
use jobplate_prefect::placeholder;
use jobplate_yaml::{DecodedScalar, Document, Node, NodeArena, NodeKind, read};

/// What stands in the place of a masked text.
pub(super) const MASK: &str = "***";

/// A document and the bytes of it that may not be shown.
pub(super) struct MaskedText<T> {
    text: T,
    /// Ascending, not overlapping.
    secret: Vec<Range<usize>>,
}

impl<T: Deref<Target = str>> MaskedText<T> {
    /// Finds out what may not be shown of a document.
    pub(super) fn new(text: T) -> Self {
        let mut secret = Vec::new();
        find_secrets(&text, 0, true, &mut secret);
        secret.sort_by_key(|range| (range.start, range.end));
        secret.dedup_by(|next, kept| {
            let overlaps = next.start <= kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        MaskedText { text, secret }
    }

    /// The pieces of the text that may be shown, and those that may not.
    pub(super) fn pieces(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut open, mut at) = (Vec::new(), 0);
        for secret in &self.secret {
            open.push(&self.text[at..secret.start]);
            at = secret.end;
        }
        open.push(&self.text[at..]);
        (open, self.secret.iter().map(|secret| &self.text[secret.clone()]).collect())
    }

    /// The text of a range, masked, and where the offset `at` of the document is in it.
    pub(super) fn slice(&self, range: Range<usize>, at: usize) -> (String, usize) {
        let mut out = String::new();
        let mut moved = None;
        let mut from = range.start;
        let first = self.secret.partition_point(|secret| secret.end <= range.start);
        for secret in self.secret[first..].iter().take_while(|secret| secret.start < range.end) {
            let (start, end) = (secret.start.max(range.start), secret.end.min(range.end));
            if moved.is_none() && at < end {
                moved = Some(if at < start { out.len() + at.saturating_sub(from) } else { out.len() + start - from });
            }
            out.push_str(&self.text[from..start]);
            // The line break of a masked line stays, or lines would run into one another.
            out.push_str(MASK);
            from = end;
        }
        let moved = moved.unwrap_or(out.len() + at.saturating_sub(from).min(range.end.saturating_sub(from)));
        out.push_str(&self.text[from..range.end.max(from)]);
        (out, moved)
    }
}

/// Adds the secret spans of a text that stands at `offset` in the whole.
fn find_secrets(text: &str, offset: usize, embedded_too: bool, secret: &mut Vec<Range<usize>>) {
    let mut arena = NodeArena::default();
    if read(text, &mut arena).is_err() {
        return mask_lines(text, offset, secret);
    }
    let root = Document::new(text, &arena).root();
    for node in sensitive::find_sensitive_nodes(
        root,
        !embedded_too,
        Recognizer { is_template: has_job_configuration, is_placeholder },
    ) {
        add_lines(text, node.span(), offset, secret);
    }
    for node in root.descendants().filter(|node| node.is_scalar()) {
        let raw = node.raw();
        match node.kind() {
            NodeKind::Literal | NodeKind::Folded if embedded_too => {
                let header = raw.find('\n').map_or(raw.len(), |newline| newline + 1);
                find_secrets(&raw[header..], offset + node.span().start + header, false, secret);
            }
            NodeKind::Literal | NodeKind::Folded => add_lines(text, node.span(), offset, secret),
            NodeKind::SingleQuoted | NodeKind::DoubleQuoted | NodeKind::Plain => {
                let names_values = raw.contains(':') && (raw.contains("value") || raw.contains("ata"));
                match quoted(node) {
                    Quoted::Manifest(inner) if embedded_too => {
                        let mut inside = Vec::new();
                        find_secrets(inner.text(), 0, false, &mut inside);
                        for range in inside {
                            add_lines(text, inner.source_range(range), offset, secret);
                        }
                    }
                    Quoted::Text if !names_values && !raw.contains('\n') => {}
                    _ => add_lines(text, node.span(), offset, secret),
                }
            }
            _ => {}
        }
    }
    mask_comments(text, offset, secret);
}

/// What is in a scalar on one line or in quotes.
enum Quoted<'a> {
    /// A manifest, whose values have known places.
    Manifest(DecodedScalar<'a>),
    /// A mapping or list of any kind, or what can't be read: there is no telling which of it is secret.
    Collection,
    /// Nothing of that kind.
    Text,
}

fn quoted(node: Node<'_>) -> Quoted<'_> {
    if node.kind() == NodeKind::Plain || !node.raw().contains([':', '{', '[', '-', '\\']) || is_placeholder(node) {
        return Quoted::Text;
    }
    let inner = DecodedScalar::new(node);
    let mut arena = NodeArena::default();
    if read(inner.text(), &mut arena).is_err() {
        // Several documents, or a broken one.
        return Quoted::Collection;
    }
    let root = Document::new(inner.text(), &arena).root();
    let has = |wanted: &str| root.entries().any(|(key, _)| key.has_text(wanted));
    match root.kind() {
        NodeKind::Map if has("apiVersion") && has("kind") || has_job_configuration(root) => Quoted::Manifest(inner),
        NodeKind::Map | NodeKind::Seq => Quoted::Collection,
        _ => Quoted::Text,
    }
}

/// Returns whether a scalar is nothing but a placeholder of Prefect, `{{ name }}`. A name with capitals or digits could
/// be a value.
fn is_placeholder(node: Node<'_>) -> bool {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.');
    node.is_scalar() && node.text().is_some_and(|text| placeholder::sole_name(&text).is_some_and(is_plain))
}

/// The content of every line of a span.
fn add_lines(text: &str, span: Range<usize>, offset: usize, secret: &mut Vec<Range<usize>>) {
    let mut start = span.start;
    for line in text[span].split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let blanks = content.len() - content.trim_start_matches(' ').len();
        if blanks < content.len() {
            secret.push(offset + start + blanks..offset + start + content.len());
        }
        start += line.len();
    }
}

/// A text that is not understood: of each line only the key may be shown.
fn mask_lines(text: &str, offset: usize, secret: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let open = content
            .find(':')
            .map_or_else(|| content.len() - content.trim_start_matches([' ', '\t', '-']).len(), |colon| colon + 1);
        let blanks = content[open..].len() - content[open..].trim_start_matches([' ', '\t']).len();
        if open + blanks < content.len() {
            secret.push(offset + start + open + blanks..offset + start + content.len());
        }
        start += line.len();
    }
}

/// An entry that is commented out holds its value still, on the lines below it too.
fn mask_comments(text: &str, offset: usize, secret: &mut Vec<Range<usize>>) {
    // The column of a commented-out `value:` whose value goes on below.
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
            secret.push(offset + start + column..offset + start + content.len());
        } else if let Some(at) = content[hash..].find("value:").map(|at| hash + at) {
            deeper_than = Some(at);
            let from = at + "value:".len();
            let blanks = content[from..].len() - content[from..].trim_start().len();
            if from + blanks < content.len() {
                secret.push(offset + start + from + blanks..offset + start + content.len());
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

    fn masked(text: &str) -> String {
        MaskedText::new(text).slice(0..text.len(), 0).0
    }

    #[test]
    fn values_are_masked_and_nothing_else() {
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
            assert_eq!(masked(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_offset_is_followed() {
        let text = "value: hush # here\n";
        let masked = MaskedText::new(text);
        assert_eq!(masked.slice(0..18, 14), ("value: *** # here".to_owned(), 13));
        assert_eq!(masked.slice(0..18, 9).1, 7);
        assert_eq!(masked.slice(0..18, 2).1, 2);
    }
}
