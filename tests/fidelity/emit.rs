//! Writes ConfigMaps with an embedded document in every scalar style and in many layouts, without the library's code.
//!
//! Records the offset of each byte of the document. The tests check with other readers that the scalar reads as the
//! document, because a style that cannot represent the document results in YAML that reads differently.

use std::ops::Range;

use crate::rng::Rng;

/// The style of the scalar that contains the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Style {
    Literal,
    Folded,
    /// Double-quoted on one line, with the escapes of JSON.
    Double,
    /// Double-quoted on one line, with random escapes for random characters.
    Escaped,
    /// Double-quoted like PyYAML: lines of 80 characters, joined by `\`.
    PyYaml,
    /// Double-quoted like go-yaml: lines of 80 characters, folded at spaces.
    GoYaml,
    /// Double-quoted, with folded and escaped line breaks at random positions.
    Broken,
    Single,
    /// Single-quoted on several lines.
    SingleBroken,
}

pub(crate) const STYLES: &[Style] = &[
    Style::Literal,
    Style::Folded,
    Style::Double,
    Style::Escaped,
    Style::PyYaml,
    Style::GoYaml,
    Style::Broken,
    Style::Single,
    Style::SingleBroken,
];

/// The structure that contains the scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Block,
    List,
    Flow,
    Json,
    PrettyJson,
}

/// The random choices of a stream. `seed` determines the choices inside the scalar.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub style: Style,
    pub shape: Shape,
    /// The indentation of the keys of `data`.
    indent: usize,
    /// The indentation of a scalar's continuation lines, relative to the key.
    extra_indent: usize,
    crlf: bool,
    final_newline: bool,
    neighbour_before: bool,
    neighbour_after: bool,
    comments: bool,
    metadata_last: bool,
    document_before: bool,
    document_after: bool,
    dash: usize,
    quoted_key: bool,
    /// Whether the key and the kind are written with escapes.
    has_escaped_names: bool,
    has_unsupported_key: bool,
    /// Whether the blank lines of a block scalar contain spaces.
    pub has_spaces_in_blank_lines: bool,
    seed: u64,
}

/// A stream with an embedded document.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    pub text: String,
    /// The 0-based index of the ConfigMap's document in the stream.
    pub document: usize,
    /// The span of the scalar, with its quotes or header.
    pub span: Range<usize>,
    /// The offset in the stream of each byte of the embedded document, followed by the offset of its end.
    pub map: Vec<usize>,
    /// The indentation of the lines of a block scalar.
    pub indent: usize,
    /// Whether `data` contains an explicit key, which only the fallback parser supports. An error may then point to
    /// this key instead of the scalar.
    pub has_unsupported_key: bool,
}

impl Layout {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let style = *rng.pick(STYLES);
        Self::with_style(style, rng)
    }

    pub(crate) fn with_style(style: Style, rng: &mut Rng) -> Self {
        let shapes: &[Shape] = match style {
            Style::Double | Style::Escaped => {
                &[Shape::Block, Shape::Block, Shape::List, Shape::Flow, Shape::Json, Shape::PrettyJson]
            }
            Style::Literal | Style::Folded => &[Shape::Block, Shape::Block, Shape::List],
            _ => &[Shape::Block, Shape::Block, Shape::List, Shape::Flow],
        };
        Layout {
            style,
            shape: *rng.pick(shapes),
            indent: 1 + rng.below(8),
            extra_indent: 1 + rng.below(8),
            crlf: rng.one_in(4),
            final_newline: !rng.one_in(3),
            neighbour_before: rng.one_in(2),
            neighbour_after: rng.one_in(2),
            comments: rng.one_in(3),
            metadata_last: rng.one_in(4),
            document_before: rng.one_in(4),
            document_after: rng.one_in(4),
            dash: 2 * rng.below(2),
            quoted_key: rng.one_in(4),
            has_escaped_names: rng.one_in(8),
            has_unsupported_key: rng.one_in(12),
            has_spaces_in_blank_lines: rng.one_in(4),
            seed: rng.next(),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self.shape, Shape::Json | Shape::PrettyJson)
    }

    /// Returns whether each line of the document is one line of the stream.
    pub(crate) fn is_literal(&self) -> bool {
        self.style == Style::Literal
    }

    /// Returns whether the style can represent every document, so every edit must be possible.
    pub(crate) fn must_be_edited(&self) -> bool {
        matches!(self.style, Style::Literal | Style::Double | Style::Escaped) && !self.has_unsupported_key
    }

    fn eol(&self) -> &'static str {
        if self.crlf { "\r\n" } else { "\n" }
    }
}

/// A stream that is being written.
struct Writer {
    text: String,
    eol: &'static str,
    map: Vec<usize>,
}

impl Writer {
    fn write_lines(&mut self, indent: usize, lines: &str) {
        for line in lines.lines() {
            self.write_spaces(indent);
            self.text.push_str(line);
            self.text.push_str(self.eol);
        }
    }

    fn write_spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }

    fn write_line_break(&mut self, indent: usize) {
        self.text.push_str(self.eol);
        self.write_spaces(indent);
    }

    /// Writes a character of the document in its escaped or literal form.
    fn write_source(&mut self, c: char, written: &str) {
        self.record_position(c.len_utf8());
        self.text.push_str(written);
    }

    /// Records the current offset in the stream as the offset of the document's next `bytes` bytes.
    fn record_position(&mut self, bytes: usize) {
        self.map.extend(std::iter::repeat_n(self.text.len(), bytes));
    }
}

/// Decoys, which look like the target but must never be edited.
const DECOY_ANNOTATION: &str = "annotations:\n  job_template.yaml: 'kind: Job'\n";
const BEFORE: &str = "\
job_template.yml: |
  kind: Pod
  spec: {containers: [{name: flow}]}
README: |+
  text  # no comment

";
const AFTER: &str = "\
job_template.yaml.bak: |
  kind: Pod
  spec: {containers: [{name: flow}]}
zzz: |+
  text  # no comment

";
/// A construct that only the library's fallback parser supports.
const UNSUPPORTED: &str = "? odd\n: key\n";
const OTHER_DOCUMENT: &str = "{{ template }}: [\n";

/// Writes a document into a ConfigMap. Returns `None` if the style cannot represent the document.
pub(crate) fn embed(document: &str, layout: &Layout) -> Option<Embedded> {
    let mut out = Writer { text: String::new(), eol: layout.eol(), map: Vec::new() };
    let mut rng = Rng::new(layout.seed, 0);
    let (start, indent) = match layout.shape {
        Shape::Json | Shape::PrettyJson => (embed_in_json(&mut out, document, layout, &mut rng)?, 0),
        _ => embed_in_yaml(&mut out, document, layout, &mut rng)?,
    };
    let Writer { text, map, .. } = out;
    let end = start.end;
    let before = usize::from(layout.document_before && !layout.is_json());
    Some(Embedded {
        text,
        document: before,
        span: start.start..end,
        map,
        indent,
        has_unsupported_key: layout.has_unsupported_key,
    })
}

fn embed_in_json(out: &mut Writer, document: &str, layout: &Layout, rng: &mut Rng) -> Option<Range<usize>> {
    let is_pretty = layout.shape == Shape::PrettyJson;
    let gap = |out: &mut Writer, indent: usize| {
        if is_pretty {
            out.write_line_break(indent);
        }
    };
    let colon = if is_pretty { ": " } else { ":" };
    out.text.push('{');
    let kind = if layout.has_escaped_names { "Confi\\u0067Map" } else { "ConfigMap" };
    for (key, value) in [("apiVersion", "v1"), ("kind", kind)] {
        gap(out, 2);
        out.text.push_str(&format!("\"{key}\"{colon}\"{value}\","));
    }
    gap(out, 2);
    out.text.push_str(&format!("\"metadata\"{colon}{{\"name\"{colon}\"templates\"}},"));
    gap(out, 2);
    out.text.push_str(&format!("\"data\"{colon}{{"));
    if layout.neighbour_before {
        gap(out, 4);
        out.text.push_str(&format!("\"a.yaml\"{colon}\"kind: Pod\\nspec: {{containers: [{{name: a}}]}}\","));
    }
    gap(out, 4);
    let key = if layout.has_escaped_names { "job\\u005ftemplate.yaml" } else { "job_template.yaml" };
    out.text.push_str(&format!("\"{key}\"{colon}"));
    let start = out.text.len();
    write_on_one_line(out, document, layout, rng)?;
    let end = out.text.len();
    if layout.neighbour_after {
        out.text.push(',');
        gap(out, 4);
        out.text.push_str(&format!("\"z\"{colon}\"\\u0031\""));
    }
    gap(out, 2);
    out.text.push('}');
    gap(out, 0);
    out.text.push('}');
    if layout.final_newline {
        out.write_line_break(0);
    }
    Some(start..end)
}

fn embed_in_yaml(out: &mut Writer, document: &str, layout: &Layout, rng: &mut Rng) -> Option<(Range<usize>, usize)> {
    if layout.document_before {
        out.write_lines(0, OTHER_DOCUMENT);
        out.write_lines(0, "---");
    }
    if layout.comments {
        out.write_lines(0, "# job_template.yaml: |\n\n#  kind: Job");
    }
    let mut base = 0;
    if layout.shape == Shape::List {
        base = layout.dash + 2;
        out.write_lines(0, "apiVersion: v1\nkind: List\nitems:");
        out.write_lines(layout.dash, "- kind: Secret\n  apiVersion: v1\n  data: {job_template.yaml: aGk=}");
        out.write_lines(layout.dash, "- apiVersion: v1");
    } else {
        out.write_lines(0, "apiVersion: v1");
    }
    out.write_lines(base, if layout.has_escaped_names { "kind: \"\\x43onfigMap\"" } else { "kind: ConfigMap" });
    if !layout.metadata_last {
        write_metadata(out, base, layout);
    }
    let keys = base + layout.indent;
    let key = match (layout.quoted_key, rng.one_in(2)) {
        _ if layout.has_escaped_names => "\"job_templat\\x65.yaml\"",
        (false, _) => "job_template.yaml",
        (true, false) => "\"job_template.yaml\"",
        (true, true) => "'job_template.yaml'",
    };
    let is_flow = layout.shape == Shape::Flow;
    out.write_spaces(base);
    out.text.push_str("data:");
    if is_flow {
        out.text.push_str(" {");
        if layout.neighbour_before {
            out.text.push_str("README: text, ");
        }
    } else {
        if layout.comments {
            out.text.push_str("  # templates");
        }
        out.write_line_break(0);
        if layout.neighbour_before {
            out.write_lines(keys, BEFORE);
        }
        if layout.has_unsupported_key {
            out.write_lines(keys, UNSUPPORTED);
        }
        if layout.comments {
            out.write_lines(keys, "# the template");
        }
        out.write_spaces(keys);
    }
    out.text.push_str(key);
    out.text.push_str(": ");
    let is_last = !layout.neighbour_after && !layout.metadata_last && !layout.document_after && !layout.comments;
    let may_end_text = is_last && !layout.final_newline;
    let content = keys + layout.extra_indent;
    let start = out.text.len();
    match layout.style {
        Style::Literal | Style::Folded => write_block(out, document, layout, content, may_end_text, rng)?,
        Style::Double | Style::Escaped => write_on_one_line(out, document, layout, rng)?,
        Style::PyYaml => write_like_py_yaml(out, document, content),
        Style::GoYaml => write_like_go_yaml(out, document, content),
        Style::Broken => write_broken(out, document, content, rng),
        Style::Single | Style::SingleBroken => write_single(out, document, layout, content, rng)?,
    }
    let end = out.text.len();
    if is_flow {
        if layout.neighbour_after {
            out.text.push_str(", z: \"1\"");
        }
        out.text.push('}');
    } else if layout.comments && !matches!(layout.style, Style::Literal | Style::Folded) {
        out.text.push_str("  # the template's end");
    }
    if !(may_end_text || out.text.ends_with('\n') && matches!(layout.style, Style::Literal | Style::Folded)) {
        out.write_line_break(0);
    }
    if layout.comments && !is_flow {
        out.write_lines(keys, "# behind it");
    }
    if layout.neighbour_after && !is_flow {
        out.write_lines(keys, AFTER);
    }
    if layout.metadata_last {
        write_metadata(out, base, layout);
    }
    if layout.document_after {
        out.write_lines(0, "---");
        out.write_lines(0, OTHER_DOCUMENT);
    }
    Some((start..end, content))
}

fn write_metadata(out: &mut Writer, base: usize, layout: &Layout) {
    out.write_lines(base, "metadata:");
    out.write_lines(base + 2, "name: templates");
    if layout.comments {
        out.write_lines(base + 2, DECOY_ANNOTATION);
    }
}

/// Writes a block scalar. Returns `None` if the document has no text or contains a carriage return.
fn write_block(
    out: &mut Writer,
    document: &str,
    layout: &Layout,
    indent: usize,
    may_end_text: bool,
    rng: &mut Rng,
) -> Option<()> {
    let body = document.trim_end_matches('\n');
    let breaks = document.len() - body.len();
    if body.is_empty() || document.contains('\r') {
        return None;
    }
    let is_folded = layout.style == Style::Folded;
    let first = body.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let has_indicator = first.starts_with([' ', '\t']) || rng.one_in(4);
    let begins_with_digit = rng.one_in(2);
    let after_header = if rng.one_in(4) { *rng.pick(&["  # the template", " #", "  "]) } else { "" };
    // The number of line breaks, which an edit may change, must not change the choices before.
    let chomping = match breaks {
        0 if may_end_text => *rng.pick(&["", "-", "+"]),
        0 => "-",
        1 => *rng.pick(&["", "+"]),
        _ => "+",
    };
    out.text.push(if is_folded { '>' } else { '|' });
    let digit = if has_indicator { layout.extra_indent.to_string() } else { String::new() };
    let header = if begins_with_digit { format!("{digit}{chomping}") } else { format!("{chomping}{digit}") };
    out.text.push_str(&header);
    out.text.push_str(after_header);
    out.write_line_break(0);
    let is_normal = |line: &str| !line.is_empty() && !line.starts_with([' ', '\t']);
    let mut before = "";
    let mut pending = 0;
    for (at, line) in body.split('\n').enumerate() {
        if at > 0 {
            pending += 1;
        }
        if line.is_empty() {
            continue;
        }
        // Folding removes the first line break between two such lines, so it is written twice.
        if is_folded && is_normal(before) && is_normal(line) {
            out.text.push_str(out.eol);
        }
        for empty in 0..pending {
            out.record_position(1);
            let blanks =
                if layout.has_spaces_in_blank_lines && empty + 1 < pending { rng.below(indent + 1) } else { 0 };
            out.write_line_break(blanks);
        }
        pending = 0;
        before = line;
        out.write_spaces(indent);
        let is_foldable = is_folded && is_normal(line) && rng.one_in(2);
        let bytes = line.as_bytes();
        for (at, c) in line.char_indices() {
            let is_single_space = at > 0
                && c == ' '
                && !bytes[at - 1].is_ascii_whitespace()
                && bytes.get(at + 1).is_some_and(|next| !next.is_ascii_whitespace());
            if is_foldable && is_single_space && rng.one_in(3) {
                out.record_position(1);
                out.write_line_break(indent);
            } else {
                out.write_source(c, c.encode_utf8(&mut [0; 4]));
            }
        }
    }
    for _ in 0..breaks {
        out.record_position(1);
        out.write_line_break(0);
    }
    out.record_position(1);
    Some(())
}

fn write_on_one_line(out: &mut Writer, document: &str, layout: &Layout, rng: &mut Rng) -> Option<()> {
    out.text.push('"');
    for c in document.chars() {
        let written = match layout.style {
            Style::Escaped if layout.is_json() => any_json_escape(c, rng),
            Style::Escaped => any_escape(c, rng),
            _ => json_escape(c),
        };
        out.write_source(c, &written);
    }
    out.record_position(1);
    out.text.push('"');
    Some(())
}

fn json_escape(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    }
}

fn any_json_escape(c: char, rng: &mut Rng) -> String {
    if rng.one_in(6) && u32::from(c) <= 0xffff { format!("\\u{:04X}", u32::from(c)) } else { json_escape(c) }
}

fn any_escape(c: char, rng: &mut Rng) -> String {
    let code_point = u32::from(c);
    if !rng.one_in(6) {
        return json_escape(c);
    }
    let named = match c {
        ' ' => "\\ ",
        '\t' => "\\t",
        '\n' => "\\n",
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\u{1b}' => "\\e",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => "",
    };
    match rng.below(4) {
        0 if !named.is_empty() => named.to_owned(),
        1 if code_point <= 0xff => format!("\\x{code_point:02x}"),
        2 if code_point <= 0xffff => format!("\\u{code_point:04x}"),
        _ => format!("\\U{code_point:08X}"),
    }
}

/// Writes like PyYAML's `write_double_quoted`, with `allow_unicode=False` and `width=80`.
fn write_like_py_yaml(out: &mut Writer, document: &str, indent: usize) {
    let chars: Vec<char> = document.chars().collect();
    let escape = |c: char| match c {
        '\0' => "\\0".to_owned(),
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{a0}' => "\\_".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        c if u32::from(c) <= 0xff => format!("\\x{:02X}", u32::from(c)),
        c if u32::from(c) <= 0xffff => format!("\\u{:04X}", u32::from(c)),
        c => format!("\\U{:08X}", u32::from(c)),
    };
    let write_plain = |out: &mut Writer, range: Range<usize>| {
        for &c in &chars[range] {
            out.write_source(c, c.encode_utf8(&mut [0; 4]));
        }
    };
    let line_start = out.text.rfind('\n').map_or(0, |at| at + 1);
    let mut column = out.text[line_start..].chars().count() + 1;
    out.text.push('"');
    let (mut start, mut end) = (0, 0);
    while end <= chars.len() {
        let c = chars.get(end).copied();
        if c.is_none_or(|c| matches!(c, '"' | '\\') || !(' '..='~').contains(&c)) {
            write_plain(out, start..end.max(start));
            column += end.saturating_sub(start);
            start = end.max(start);
            if let Some(c) = c {
                let written = escape(c);
                column += written.len();
                out.write_source(c, &written);
                start = end + 1;
            }
        }
        if 0 < end
            && end + 1 < chars.len()
            && (c == Some(' ') || start >= end)
            && (column + end).saturating_sub(start) > 80
        {
            if start < end {
                write_plain(out, start..end);
                start = end;
            }
            out.text.push('\\');
            out.write_line_break(indent);
            column = indent;
            if chars[start] == ' ' {
                out.text.push('\\');
                column += 1;
            }
        }
        end += 1;
    }
    out.record_position(1);
    out.text.push('"');
}

/// Writes like go-yaml's `yaml_emitter_write_double_quoted`.
fn write_like_go_yaml(out: &mut Writer, document: &str, indent: usize) {
    let line_start = out.text.rfind('\n').map_or(0, |at| at + 1);
    let mut column = out.text[line_start..].chars().count() + 1;
    out.text.push('"');
    let mut chars = document.char_indices().peekable();
    let mut after_space = false;
    while let Some((at, c)) = chars.next() {
        if c != ' ' {
            let written = json_escape(c);
            column += written.chars().count();
            out.write_source(c, &written);
            after_space = false;
            continue;
        }
        let next = chars.peek().map(|(_, c)| *c);
        if !after_space && column > 80 && at > 0 && next.is_some() {
            out.record_position(1);
            out.write_line_break(indent);
            column = indent;
            if next == Some(' ') {
                out.text.push('\\');
                column += 1;
            }
        } else {
            out.write_source(c, " ");
            column += 1;
        }
        after_space = true;
    }
    out.record_position(1);
    out.text.push('"');
}

/// Writes a double-quoted scalar with line breaks at random positions.
fn write_broken(out: &mut Writer, document: &str, indent: usize, rng: &mut Rng) {
    out.text.push('"');
    let interval = 2 + rng.below(30);
    let mut chars = document.chars().peekable();
    let mut after_space = true;
    while let Some(c) = chars.next() {
        let before_space = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t' | '\n'));
        if rng.one_in(interval) {
            match c {
                // Folding drops spaces next to a line break, so a line is broken only between two other characters.
                ' ' | '\n' if !after_space && !before_space => {
                    out.record_position(1);
                    if c == '\n' {
                        out.write_line_break(0);
                    }
                    out.write_line_break(indent);
                    after_space = true;
                    continue;
                }
                _ => {
                    out.text.push('\\');
                    let extra_spaces = rng.below(3);
                    out.write_line_break(indent + extra_spaces);
                    if matches!(c, ' ' | '\t') {
                        out.text.push('\\');
                    }
                }
            }
        }
        let written = if rng.one_in(20) { any_escape(c, rng) } else { json_escape(c) };
        after_space = written == " " || written == "\t";
        out.write_source(c, &written);
    }
    out.record_position(1);
    out.text.push('"');
}

/// Writes a single-quoted scalar on one line, or folded. Returns `None` if the style cannot represent the document.
fn write_single(out: &mut Writer, document: &str, layout: &Layout, indent: usize, rng: &mut Rng) -> Option<()> {
    let is_multiline = layout.style == Style::SingleBroken;
    let lines: Vec<&str> = document.split('\n').collect();
    let breaks_folding = |line: &str, at: usize| {
        at > 0 && line.starts_with([' ', '\t']) || at + 1 < lines.len() && line.ends_with([' ', '\t'])
    };
    if document.contains('\r')
        || lines.len() > 1 && !is_multiline
        || is_multiline && lines.iter().enumerate().any(|(at, line)| breaks_folding(line, at))
    {
        return None;
    }
    out.text.push('\'');
    let mut chars = document.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let is_single_space =
            c == ' ' && before != ' ' && chars.peek().is_some_and(|next| !matches!(next, ' ' | '\t' | '\n'));
        match c {
            '\n' => {
                // Write an additional line break, because folding removes the first.
                if before != '\n' {
                    out.text.push_str(out.eol);
                }
                out.record_position(1);
                out.write_line_break(if chars.peek() == Some(&'\n') { 0 } else { indent });
            }
            ' ' if is_single_space && before != '\n' && is_multiline && rng.one_in(5) => {
                out.record_position(1);
                out.write_line_break(indent);
            }
            '\'' => out.write_source(c, "''"),
            c => out.write_source(c, c.encode_utf8(&mut [0; 4])),
        }
        before = c;
    }
    out.record_position(1);
    out.text.push('\'');
    Some(())
}
