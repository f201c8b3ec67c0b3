//! A stream as granit-parser reads it, from its events alone.
//!
//! Independent of the library's own use of granit: no spans are found again, nothing is repaired.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

use crate::tree::{NodeKind, Tree};

/// All documents of a text, or granit's error.
pub(crate) fn read(text: &str) -> Result<Vec<Tree>, String> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    // A block scalar that ends with the file has no final line break for libyaml and go-yaml.
    options.block_scalar_eof_without_line_feed = true;
    let mut documents: Vec<Tree> = Vec::new();
    let mut open: Vec<Tree> = Vec::new();
    // An anchor's event follows its node, so a scalar waits for the next event.
    let mut last: Option<Tree> = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        if let Event::Anchor(_, name) = &event {
            let node = last.as_mut().or(open.last_mut()).ok_or("an anchor without a node")?;
            node.anchor = Some(name.to_string());
            continue;
        }
        if let Some(scalar) = last.take() {
            place(scalar, &mut open, &mut documents);
        }
        match event {
            Event::Scalar(value, style, _, tag) => last = Some(scalar(text, &value, style, tag.as_deref(), &span)),
            Event::Alias(_) => {
                let name = span.slice(text).unwrap_or_default().trim_start_matches('*');
                last = Some(at(Tree::new(NodeKind::Alias, name), &span));
            }
            Event::SequenceStart(style, _, tag) => open.push(collection(NodeKind::Seq, style, tag.as_deref(), &span)),
            Event::MappingStart(style, _, tag) => open.push(collection(NodeKind::Map, style, tag.as_deref(), &span)),
            Event::SequenceEnd | Event::MappingEnd => {
                let node = open.pop().ok_or("an end without a start")?;
                place(node, &mut open, &mut documents);
            }
            _ => {}
        }
    }
    Ok(documents)
}

/// The comments of a text, and whether each has a line of its own.
pub(crate) fn comments(text: &str) -> Result<Vec<(String, bool)>, String> {
    let mut options = Options::default();
    options.set_emit_comments(true);
    let mut out = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        if let Event::Comment(comment, _) = event {
            let at = span.start.byte_offset().unwrap_or(0);
            let line = &text[text[..at].rfind('\n').map_or(0, |newline| newline + 1)..at];
            out.push((comment.trim_end_matches('\r').to_owned(), line.trim().is_empty()));
        }
    }
    Ok(out)
}

fn place(node: Tree, open: &mut [Tree], documents: &mut Vec<Tree>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => documents.push(node),
    }
}

fn at(mut node: Tree, span: &Span) -> Tree {
    node.start = span.start.byte_offset().unwrap_or(0);
    node
}

fn scalar(text: &str, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Tree {
    let kind = match style {
        // Nothing is reported as a `~` that is not in the text.
        ScalarStyle::Plain if value == "~" && span.slice(text) != Some("~") => NodeKind::Empty,
        ScalarStyle::Plain if value.is_empty() => NodeKind::Empty,
        ScalarStyle::Plain => NodeKind::Plain,
        ScalarStyle::SingleQuoted => NodeKind::SingleQuoted,
        ScalarStyle::DoubleQuoted => NodeKind::DoubleQuoted,
        ScalarStyle::Literal => NodeKind::Literal,
        ScalarStyle::Folded => NodeKind::Folded,
    };
    let mut node = at(Tree::new(kind, if kind == NodeKind::Empty { "" } else { value }), span);
    node.tag = tag.map(as_written);
    node
}

fn collection(kind: NodeKind, style: StructureStyle, tag: Option<&Tag>, span: &Span) -> Tree {
    let mut node = at(Tree::new(kind, ""), span);
    node.flow = style == StructureStyle::Flow;
    node.tag = tag.map(as_written);
    node
}

fn as_written(tag: &Tag) -> String {
    match tag.original_handle() {
        "" if tag.suffix() == "!" => "!".to_owned(),
        "" => format!("!<{}>", tag.suffix()),
        handle => format!("{handle}{}", tag.suffix()),
    }
}
