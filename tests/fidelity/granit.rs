//! Reads a stream with granit-parser, using only its events.
//!
//! Unlike the library's fallback parser, this module does not search for spans or correct the events.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

use crate::tree::{NodeKind, Tree};

/// Parses all documents of a stream. Fails with the error of granit-parser.
pub(crate) fn read(text: &str) -> Result<Vec<Tree>, String> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    // Like libyaml and go-yaml, add no line break to a block scalar at the end of a file that lacks one.
    options.block_scalar_eof_without_line_feed = true;
    let mut documents: Vec<Tree> = Vec::new();
    let mut open: Vec<Tree> = Vec::new();
    // The event of an anchor follows its node, so a scalar waits for the next event.
    let mut last: Option<Tree> = None;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        if let Event::Anchor(_, name) = &event {
            let node = last.as_mut().or(open.last_mut()).ok_or("an anchor without a node")?;
            node.anchor = Some(name.to_string());
            continue;
        }
        if let Some(scalar) = last.take() {
            add_node(scalar, &mut open, &mut documents);
        }
        match event {
            Event::Scalar(value, style, _, tag) => last = Some(scalar(text, &value, style, tag.as_deref(), &span)),
            Event::Alias(_) => {
                let name = span.slice(text).unwrap_or_default().trim_start_matches('*');
                last = Some(with_start(Tree::new(NodeKind::Alias, name), &span));
            }
            Event::SequenceStart(style, _, tag) => open.push(collection(NodeKind::Seq, style, tag.as_deref(), &span)),
            Event::MappingStart(style, _, tag) => open.push(collection(NodeKind::Map, style, tag.as_deref(), &span)),
            Event::SequenceEnd | Event::MappingEnd => {
                let node = open.pop().ok_or("an end without a start")?;
                add_node(node, &mut open, &mut documents);
            }
            _ => {}
        }
    }
    Ok(documents)
}

/// Returns the comments of a stream, each with `true` if it is alone on its line.
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

fn add_node(node: Tree, open: &mut [Tree], documents: &mut Vec<Tree>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => documents.push(node),
    }
}

fn with_start(mut node: Tree, span: &Span) -> Tree {
    node.start = span.start.byte_offset().unwrap_or(0);
    node
}

fn scalar(text: &str, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Tree {
    let kind = match style {
        // granit reports an empty node as `~`, although the text does not contain this `~`.
        ScalarStyle::Plain if value == "~" && span.slice(text) != Some("~") => NodeKind::Empty,
        ScalarStyle::Plain if value.is_empty() => NodeKind::Empty,
        ScalarStyle::Plain => NodeKind::Plain,
        ScalarStyle::SingleQuoted => NodeKind::SingleQuoted,
        ScalarStyle::DoubleQuoted => NodeKind::DoubleQuoted,
        ScalarStyle::Literal => NodeKind::Literal,
        ScalarStyle::Folded => NodeKind::Folded,
    };
    let mut node = with_start(Tree::new(kind, if kind == NodeKind::Empty { "" } else { value }), span);
    node.tag = tag.map(tag_text);
    node
}

fn collection(kind: NodeKind, style: StructureStyle, tag: Option<&Tag>, span: &Span) -> Tree {
    let mut node = with_start(Tree::new(kind, ""), span);
    node.flow = style == StructureStyle::Flow;
    node.tag = tag.map(tag_text);
    node
}

fn tag_text(tag: &Tag) -> String {
    match tag.original_handle() {
        "" if tag.suffix() == "!" => "!".to_owned(),
        "" => format!("!<{}>", tag.suffix()),
        handle => format!("{handle}{}", tag.suffix()),
    }
}
