//! Reads a document with the library's parsers, through the public [`Node`] interface only.

use jobplate_yaml::{Document, Node, NodeArena};

use crate::tree::{NodeKind, Tree};

/// Parses with the library's own scanner. The error is the reason why the scanner does not support the document.
pub(crate) fn scan(text: &str) -> Result<Tree, String> {
    let mut arena = NodeArena::default();
    jobplate_yaml::scan(text, &mut arena).map_err(|unsupported| unsupported.reason.to_owned())?;
    Ok(to_tree(Document::new(text, &arena).root()))
}

/// Parses with the library's fallback parser.
pub(crate) fn parse_with_fallback(text: &str) -> Result<Tree, String> {
    let mut arena = NodeArena::default();
    jobplate_yaml::parse_with_granit(text, &mut arena).map_err(|unsupported| unsupported.reason.to_owned())?;
    Ok(to_tree(Document::new(text, &arena).root()))
}

fn to_tree(node: Node<'_>) -> Tree {
    let kind = match node.kind() {
        jobplate_yaml::NodeKind::Map => NodeKind::Map,
        jobplate_yaml::NodeKind::Seq => NodeKind::Seq,
        jobplate_yaml::NodeKind::Plain => NodeKind::Plain,
        jobplate_yaml::NodeKind::SingleQuoted => NodeKind::SingleQuoted,
        jobplate_yaml::NodeKind::DoubleQuoted => NodeKind::DoubleQuoted,
        jobplate_yaml::NodeKind::Literal => NodeKind::Literal,
        jobplate_yaml::NodeKind::Folded => NodeKind::Folded,
        jobplate_yaml::NodeKind::Alias => NodeKind::Alias,
        jobplate_yaml::NodeKind::Empty => NodeKind::Empty,
    };
    let text = match kind {
        NodeKind::Alias => node.raw().trim_start_matches('*').to_owned(),
        _ => node.text().unwrap_or_default().into_owned(),
    };
    let mut out = Tree::new(kind, text);
    out.anchor = node.anchor().map(str::to_owned);
    out.tag = node.tag().map(str::to_owned);
    out.flow = node.is_flow();
    out.start = node.span().start;
    for (key, value) in node.entries() {
        out.children.push(to_tree(key));
        out.children.push(to_tree(value));
    }
    out.children.extend(node.items().map(to_tree));
    out
}
