//! A document as the library's tape has it, walked through its public handles only.

use jobplate_yaml::{Document, Node, Tape};

use crate::tree::{Kind, Tree};

/// The reading of the library's own scanner; the error is why it stepped back.
pub(crate) fn scanned(text: &str) -> Result<Tree, String> {
    let mut tape = Tape::default();
    jobplate_yaml::scan(text, &mut tape).map_err(|back| back.reason.to_owned())?;
    Ok(tree(Document::new(text, &tape).root()))
}

/// The reading of the library's fallback parser.
pub(crate) fn fallen_back(text: &str) -> Result<Tree, String> {
    let mut tape = Tape::default();
    jobplate_yaml::parse_with_granit(text, &mut tape).map_err(|back| back.reason.to_owned())?;
    Ok(tree(Document::new(text, &tape).root()))
}

fn tree(node: Node<'_>) -> Tree {
    let kind = match node.kind() {
        jobplate_yaml::Kind::Map => Kind::Map,
        jobplate_yaml::Kind::Seq => Kind::Seq,
        jobplate_yaml::Kind::Plain => Kind::Plain,
        jobplate_yaml::Kind::Single => Kind::Single,
        jobplate_yaml::Kind::Double => Kind::Double,
        jobplate_yaml::Kind::Literal => Kind::Literal,
        jobplate_yaml::Kind::Folded => Kind::Folded,
        jobplate_yaml::Kind::Alias => Kind::Alias,
        jobplate_yaml::Kind::Empty => Kind::Empty,
    };
    let text = match kind {
        Kind::Alias => node.raw().trim_start_matches('*').to_owned(),
        _ => node.text().unwrap_or_default().into_owned(),
    };
    let mut out = Tree::new(kind, text);
    out.anchor = node.anchor().map(str::to_owned);
    out.tag = node.tag().map(str::to_owned);
    out.flow = node.is_flow();
    out.start = node.span().start;
    for (key, value) in node.entries() {
        out.children.push(tree(key));
        out.children.push(tree(value));
    }
    out.children.extend(node.items().map(tree));
    out
}
