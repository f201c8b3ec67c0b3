//! Masks sensitive values of an input. No other module determines which text is masked.
//!
//! `sensitive` finds the values that are sensitive by their place and name, `credentials` the parts of other values
//! that have the shape of a credential, and `unparsed` the sensitive parts of comments and of text that no parser
//! accepts. This module applies all of them, also to documents in strings.

// Over 400 lines: half of the file is test tables.

use std::ops::{Deref, Range};

use jobplate_manifest::credentials::{find_credentials, merge_ranges};
use jobplate_manifest::sensitive::{self, MaskLevel, MaskPolicy};
use jobplate_yaml::{DecodedScalar, Document, Node, NodeArena, NodeKind, read};

use super::unparsed::{find_comments, find_sensitive_comments, find_sensitive_lines};

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
    pub(super) fn new(text: T, policy: &MaskPolicy) -> Self {
        let ranges = match policy.level {
            MaskLevel::None => Vec::new(),
            MaskLevel::Secrets | MaskLevel::All => find_sensitive_ranges(&text, policy),
        };
        MaskedText::from_ranges(text, ranges)
    }

    /// Masks byte ranges of a string, which may be in any order.
    pub(super) fn from_ranges(text: T, ranges: Vec<Range<usize>>) -> Self {
        MaskedText { text, masked_ranges: merge_ranges(ranges) }
    }

    /// Returns the parts of the masked ranges that are in `range`, relative to its start.
    pub(super) fn masked_ranges_in(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self.masked_ranges.partition_point(|masked| masked.end <= range.start);
        let masked_ranges = self.masked_ranges[first..].iter().take_while(move |masked| masked.start < range.end);
        masked_ranges
            .map(move |masked| masked.start.max(range.start) - range.start..masked.end.min(range.end) - range.start)
    }

    /// Returns whether the replacement of a byte range contains a sensitive value: one of the replaced text, or one that
    /// is sensitive in its new place.
    pub(super) fn would_show_in(&self, range: &Range<usize>, replacement: &str, policy: &MaskPolicy) -> bool {
        let replaced = &self.text[range.clone()];
        if self.masked_ranges_in(range.clone()).any(|masked| replacement.contains(&replaced[masked])) {
            return true;
        }
        let edited = [&self.text[..range.start], replacement, &self.text[range.end..]].concat();
        let new_range = range.start..range.start + replacement.len();
        MaskedText::new(edited, policy).masked_ranges_in(new_range).next().is_some()
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

/// Returns a variable's literal with its sensitive parts masked.
pub fn mask_value(name: &str, value: &str, policy: &MaskPolicy) -> String {
    if policy.level == MaskLevel::None {
        return value.to_owned();
    }
    if policy.is_sensitive(name, value) {
        return MASK.to_owned();
    }
    MaskedText::from_ranges(value, find_in_text(value, 0, policy)).mask_range(0..value.len(), 0).0
}

/// The maximum number of documents around a document that is searched for sensitive values.
const MAX_DEPTH: usize = 3;

/// Returns the byte ranges of sensitive values in `text`, in any order.
fn find_sensitive_ranges(text: &str, policy: &MaskPolicy) -> Vec<Range<usize>> {
    let mut arena = NodeArena::default();
    match read(text, &mut arena) {
        Ok(()) => find_in_document(text, Document::new(text, &arena).root(), 0, policy),
        Err(_) => find_sensitive_lines(text),
    }
}

/// Returns the byte ranges of sensitive values in the document `text` with the root `root`, in any order. `depth` is the
/// number of documents that contain it as a string.
fn find_in_document(text: &str, root: Node<'_>, depth: usize, policy: &MaskPolicy) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let sensitive = sensitive::find_sensitive_nodes(root, depth > 0, policy);
    let mut whole = sensitive.values.into_iter().peekable();
    let mut collections = sensitive.collections.into_iter().peekable();
    let mut whole_end = 0;
    // The outermost collection around a node, and the end of the text before it.
    let mut open: Option<(Node<'_>, usize)> = None;
    let mut leaf_end = 0;
    for node in root.descendants() {
        if let Some((collection, start)) = open.take_if(|(open, _)| open.subtree_end() <= node.index()) {
            find_comments(text, collection.span(), start..node.span().start, &mut found);
        }
        if collections.next_if(|next| next.index() == node.index()).is_some() && open.is_none() {
            open = Some((node, leaf_end));
        }
        if !matches!(node.kind(), NodeKind::Map | NodeKind::Seq) {
            leaf_end = node.span().end;
        }
        if whole.next_if(|next| next.index() == node.index()).is_some() {
            whole_end = node.subtree_end();
            push_lines(text, node.span(), &mut found);
        } else if node.is_scalar() && node.index() >= whole_end {
            find_in_scalar(text, node, depth, policy, &mut found);
        }
    }
    if let Some((collection, start)) = open {
        find_comments(text, collection.span(), start..text.len(), &mut found);
    }
    found.extend(find_sensitive_comments(text, policy));
    found
}

/// Adds the sensitive ranges in a scalar: those of the document that it contains, or of the credentials in its text.
fn find_in_scalar(text: &str, node: Node<'_>, depth: usize, policy: &MaskPolicy, found: &mut Vec<Range<usize>>) {
    let raw = node.raw();
    let start = node.span().start;
    match node.kind() {
        NodeKind::Literal | NodeKind::Folded => {
            let header = raw.find('\n').map_or(raw.len(), |newline| newline + 1);
            let content = &raw[header..];
            let ranges = find_in_text(content, depth, policy);
            ranges.into_iter().for_each(|range| {
                push_lines(text, start + header + range.start..start + header + range.end, found);
            });
        }
        NodeKind::SingleQuoted | NodeKind::DoubleQuoted => {
            let content = DecodedScalar::new(node);
            let ranges = find_in_text(content.text(), depth, policy);
            ranges.into_iter().for_each(|range| push_lines(text, content.source_range(range), found));
        }
        NodeKind::Plain => {
            let ranges = find_credentials(raw);
            // The value of an assignment may go on in the next line.
            if !ranges.is_empty() && raw.contains('\n') {
                push_lines(text, node.span(), found);
            } else {
                found.extend(ranges.into_iter().map(|range| start + range.start..start + range.end));
            }
            // A `:` on a continuation line is a key after a forgotten blank: `value:hunter2`.
            let mut line_start = start;
            for line in raw.split_inclusive('\n') {
                if let Some(colon) = line.find(':').filter(|_| line_start > start) {
                    push_lines(text, line_start + colon + 1..line_start + line.len(), found);
                }
                line_start += line.len();
            }
        }
        _ => {}
    }
}

/// Returns the sensitive ranges in the content of a string, which may be a document.
fn find_in_text(content: &str, depth: usize, policy: &MaskPolicy) -> Vec<Range<usize>> {
    if !may_be_collection(content) || is_joined_placeholders(content) {
        return find_credentials(content);
    }
    if depth >= MAX_DEPTH {
        return std::iter::once(0..content.len()).collect();
    }
    let mut arena = NodeArena::default();
    match read(content, &mut arena).map(|()| Document::new(content, &arena).root()) {
        Ok(root) if !root.is_scalar() => find_in_document(content, root, depth + 1, policy),
        Err(_) if is_like_manifest(content) => find_sensitive_lines(content),
        _ => find_credentials(content),
    }
}

/// Returns whether a string may contain a mapping or a list.
fn may_be_collection(content: &str) -> bool {
    let start = content.trim_start();
    start.starts_with(['{', '[', '-']) || content.contains(": ") || content.contains(":\n") || content.contains("\":")
}

/// Returns whether a string consists of placeholders of Prefect, such as `{{ image }}`, and of the characters of an image
/// or a path around them. Such a string is not a mapping, although it begins with a brace.
fn is_joined_placeholders(content: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-$ ".contains(c);
    let is_around = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:".contains(c));
    let mut parts = content.split("{{");
    parts.next().is_some_and(is_around)
        && parts.all(|part| {
            let placeholder = part.split_once("}}");
            placeholder.is_some_and(|(name, after)| name.chars().all(is_name) && is_around(after))
        })
}

/// Returns whether a string that is not valid YAML looks like a manifest with an error, and not like a program or a sentence.
fn is_like_manifest(content: &str) -> bool {
    const KEYS: [&str; 12] = [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "data",
        "stringData",
        "env",
        "envFrom",
        "value",
        "valueFrom",
        "containers",
        "job_configuration",
    ];
    let is_key = |line: &str| {
        let line = line.trim_start_matches([' ', '-', '{', '[', '"', '\'']);
        let key = line.split_once(':').map_or("", |(key, _)| key.trim_end_matches(['"', '\'', ' ']));
        KEYS.contains(&key)
    };
    content.trim_start().starts_with(['{', '[']) || content.lines().any(is_key)
}

/// Adds the byte range of each line of a span, without its indentation and line break.
fn push_lines(text: &str, span: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut start = span.start;
    for line in text[span].split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let leading_whitespace = content.len() - content.trim_start_matches(' ').len();
        if leading_whitespace < content.len() {
            found.push(start + leading_whitespace..start + content.len());
        }
        start += line.len();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn mask_all(text: &str) -> String {
        MaskedText::new(text, &MaskPolicy::default()).mask_range(0..text.len(), 0).0
    }

    // Over 60 lines: one table.
    #[test]
    fn masks_sensitive_values_and_nothing_else() {
        let cases = [
            ("env:\n- name: TOKEN\n  value: hush # c\n", "env:\n- name: TOKEN\n  value: *** # c\n"),
            ("env:\n- name: TZ\n  value: UTC # c\n", "env:\n- name: TZ\n  value: UTC # c\n"),
            ("env: [{name: TOKEN, value: \"hush\"}]\n", "env: [{name: TOKEN, value: ***}]\n"),
            ("- value: |\n    hush\n    hush\n  name: TOKEN\n", "- value: ***\n    ***\n    ***\n  name: TOKEN\n"),
            ("kind: Secret\ndata: {a: aHVzaA==}\n", "kind: Secret\ndata: {a: ***}\n"),
            ("kind: Secret\nstringdata: {a: hush}\n", "kind: Secret\nstringdata: {a: ***}\n"),
            ("env:\n  TOKEN: hush\n  TZ: UTC\n", "env:\n  TOKEN: ***\n  TZ: UTC\n"),
            ("api: http://etl:hush@host/api\n", "api: http://etl:***@host/api\n"),
            ("api: \"http://etl:hush@host/api\"\n", "api: \"http://etl:***@host/api\"\n"),
            ("a: ghp_0123456789abcdef # b\n", "a: *** # b\n"),
            ("x: &a hush\ntoken: *a\n", "x: &a ***\ntoken: *a\n"),
            ("secrets: {T: hush, U: {secret: s, key: k}}\n", "secrets: {T: ***, U: {secret: s, key: k}}\n"),
            ("kind: ConfigMap\ndata: {a: b, DB_PASSWORD: hush}\n", "kind: ConfigMap\ndata: {a: b, DB_PASSWORD: ***}\n"),
            (
                "data:\n  j.yaml: |\n    env:\n    - name: TOKEN\n      value: hush\n    - name: TZ\n      value: UTC\n",
                "data:\n  j.yaml: |\n    env:\n    - name: TOKEN\n      value: ***\n    - name: TZ\n      value: UTC\n",
            ),
            (
                "data:\n  .env: |\n    export TZ=UTC\n    DB_PASSWORD=hush hush\n",
                "data:\n  .env: |\n    export TZ=UTC\n    DB_PASSWORD=***\n",
            ),
            (
                "j: \"{\\\"token\\\": \\\"hush\\\", \\\"a\\\": \\\"b\\\"}\"\n",
                "j: \"{\\\"token\\\": ***, \\\"a\\\": \\\"b\\\"}\"\n",
            ),
            ("a: '{\"env\": [\"TOKEN=hush\"]}'\n", "a: '{\"env\": [***]}'\n"),
            ("a: \"\\x74oken: hush\\n\"\n", "a: \"\\x74oken: ***\\n\"\n"),
            ("a: '{\"stringData\": {\"a\": \"hush\"}}'\n", "a: '{\"stringData\": {\"a\": ***}}'\n"),
            ("a: |\n  stringData: {a: hush}\n", "a: |\n  stringData: {a: ***}\n"),
            (
                "kubectl.kubernetes.io/last-applied-configuration: |\n  {\"kind\":\"Secret\",\"data\":{\"a\":\"aHVzaA==\"}}\n",
                "kubectl.kubernetes.io/last-applied-configuration: |\n  {\"kind\":\"Secret\",\"data\":{\"a\":***}}\n",
            ),
            ("data:\n  j: \"{value: hush\"\n", "data:\n  j: \"{value: ***\"\n"),
            ("a: \"{env: [TOKEN=hush\"\n", "a: \"{env: ***\"\n"),
            (
                "command: [sh, -c, 'echo \"a: b\"; x --token hush']\n",
                "command: [sh, -c, 'echo \"a: b\"; x --token ***']\n",
            ),
            ("a: b\n# value: hush\n", "a: b\n# value: ***\n"),
            (
                "# TOKEN: hush\n#  - name: TZ\n#    value: UTC\na: b # DB_PASSWORD=hush\n",
                "# TOKEN: ***\n#  - name: TZ\n#    value: UTC\na: b # DB_PASSWORD=***\n",
            ),
            (
                "# - name: TOKEN\n#   value: |\n#     hush\n#   other\nb: c # d\n",
                "# - name: TOKEN\n#   value: ***\n#     ***\n#   other\nb: c # d\n",
            ),
            ("valueFrom: hush\n", "valueFrom: ***\n"),
            (
                "a: ['{{ name }}-', '{{ image }}:3', '{{ a }}/{{ b }}']\n",
                "a: ['{{ name }}-', '{{ image }}:3', '{{ a }}/{{ b }}']\n",
            ),
            ("a: '{{ a }}:ghp_0123456789abcdef'\n", "a: '{{ a }}:***'\n"),
            ("a: '{{ scheme }}://etl:hush@host'\n", "a: '{{ scheme }}:***'\n"),
            ("TOKEN: '{{ a }}-hush'\n", "TOKEN: ***\n"),
            ("env: [{name: TOKEN, value:hush}]\n", "env: [{name: TOKEN, ***}]\n"),
            ("env:\n- name: TOKEN\n  value:hush\n", "env:\n- name: TOKEN\n  value:***\n"),
            (
                "t: {value: {job_configuration: {image: i, env: {TOKEN: hush}}}}\n",
                "t: {value: {job_configuration: {image: i, env: {TOKEN: ***}}}}\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_all(text), expected, "{text:?}");
        }
    }

    #[test]
    fn masks_comments_between_the_data_of_a_secret() {
        for (text, expected) in [
            (
                "kind: Secret\nstringData:\n  # hush\n  a: b\n  # c: hush\n  d: # hush\n  # hush\n# shown\ntype: Opaque # shown\n",
                "kind: Secret\nstringData:\n  # ***\n  a: ***\n  # ***\n  d: # ***\n  # ***\n# shown\ntype: Opaque # shown\n",
            ),
            (
                "kind: Secret\ndata: {a: b, # hush\n  c: d} # shown\n",
                "kind: Secret\ndata: {a: ***, # ***\n  c: ***} # shown\n",
            ),
            (
                "a: {kind: Secret, data: &d {b: c, # hush\n  }}\nb: {kind: Secret, data: *d}\nc: {kind: Secret, data: {b: c, # hush\n  }}\n",
                "a: {kind: Secret, data: &d {b: ***, # ***\n  }}\nb: {kind: Secret, data: *d}\nc: {kind: Secret, data: {b: ***, # ***\n  }}\n",
            ),
        ] {
            assert_eq!(mask_all(text), expected, "{text:?}");
        }
    }

    #[test]
    fn masks_commented_out_variables_of_the_policy() {
        let policy = MaskPolicy { names: HashSet::from(["X".to_owned()]), ..MaskPolicy::default() };
        let text = "a: b\n# X=hush\n# - {name: X, value: hush}\n# - name: X\n#   value: hush\n# Y=shown\n";
        let expected = "a: b\n# X=***\n# - {name: X, value: ***\n# - name: X\n#   value: ***\n# Y=shown\n";
        assert_eq!(MaskedText::new(text, &policy).mask_range(0..text.len(), 0).0, expected);
    }

    /// A kind of documents: a name, a size and a function that returns the document of a size.
    type Documents = (&'static str, usize, fn(usize) -> String);

    /// Returns documents that nest a key `n` times. The parser refuses documents that are nested much deeper.
    fn nest(key: &str, n: usize) -> String {
        format!("- {}z: [a, b]{}\n", format!("{{{key}: ").repeat(n), "}".repeat(n)).repeat(100)
    }

    #[test]
    fn takes_linear_time() {
        let families: [Documents; 13] = [
            ("repeated keys", 4_000, |n| "secretKey: a\n".repeat(n)),
            ("entries", 4_000, |n| format!("env:\n{}", "- {name: TOKEN, value: a}\n".repeat(n))),
            ("variables", 4_000, |n| format!("env:\n{}", "  TOKEN: a\n".repeat(n))),
            ("aliases", 4_000, |n| {
                let (aliases, values) = ("- *a\n".repeat(n), "- password: b\n".repeat(n));
                format!("z: &a b\ny:\n{aliases}x:\n{values}v:\n{aliases}")
            }),
            ("chain of aliases", 4_000, |n| {
                let lists: String = (1..n).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
                format!("a0: &a0 [b]\n{lists}password: *a{}\n", n - 1)
            }),
            ("collections on a line", 4_000, |n| {
                format!("[{}{}]\n", " ".repeat(500 * n), "{kind: Secret, data: {a: b}}, ".repeat(n))
            }),
            ("nested data", 200, |n| nest("data", n)),
            ("nested values", 200, |n| nest("value", n)),
            ("nested variables", 200, |n| nest("env", n)),
            ("comments", 8_000, |n| format!("kind: Secret\ndata:\n{}", "  # a\n  b: c # d\n".repeat(n))),
            ("commented-out values", 4_000, |n| format!("a: b\n{}", "# - name: TOKEN\n#   value: c\n".repeat(n))),
            ("embedded documents", 2_000, |n| format!("a:\n{}", "- \"TOKEN: b\\n\"\n".repeat(n))),
            ("lines that cannot be parsed", 4_000, |n| format!("{}[", "value: 'a\n".repeat(n))),
        ];
        for (name, size, generate) in families {
            println!("{name}");
            jobplate_growth::assert_linear(size, generate, |text: &String| {
                drop(MaskedText::new(text.as_str(), &MaskPolicy::default()))
            });
        }
    }

    #[test]
    fn masks_every_value_or_none() {
        let text = "env: [{name: TZ, value: UTC}, {name: TOKEN, value: hush}]\n";
        let mask = |level| {
            let policy = MaskPolicy { level, ..MaskPolicy::default() };
            MaskedText::new(text, &policy).mask_range(0..text.len(), 0).0
        };
        assert_eq!(mask(MaskLevel::All), "env: [{name: TZ, value: ***}, {name: TOKEN, value: ***}]\n");
        assert_eq!(mask(MaskLevel::None), text);
    }

    #[test]
    fn finds_sensitive_values_in_a_replacement() {
        let text = "env: [{name: TZ, value: UTC}, {name: TOKEN, value: hush}]\n";
        let policy = MaskPolicy::default();
        let masked = MaskedText::new(text, &policy);
        for (range, replacement, is_shown) in [
            (51..55, "\"hush\"", true),
            (51..55, "x", true),
            (44..55, "note: hush", true),
            (44..55, "valueFrom: {}", false),
            (30..56, "", false),
            (24..27, "\"UTC\"", false),
        ] {
            assert_eq!(masked.would_show_in(&range, replacement, &policy), is_shown, "{replacement}");
        }
    }

    #[test]
    fn translates_an_offset_into_masked_text() {
        let text = "token: hush # here\n";
        let mask_all = MaskedText::new(text, &MaskPolicy::default());
        assert_eq!(mask_all.mask_range(0..18, 14), ("token: *** # here".to_owned(), 13));
        assert_eq!(mask_all.mask_range(0..18, 9).1, 7);
        assert_eq!(mask_all.mask_range(0..18, 2).1, 2);
    }
}
