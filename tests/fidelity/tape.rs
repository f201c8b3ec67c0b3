//! A document as the library's tape has it, walked through its public handles only.

use jobplate::yaml::{self, Document, Node, Tape};

use crate::tree::{Kind, Tree};

/// The reading of the library's own scanner; the error is why it stepped back.
pub(crate) fn scanned(text: &str) -> Result<Tree, String> {
    let mut tape = Tape::default();
    yaml::scan(text, &mut tape).map_err(|back| back.reason.to_owned())?;
    Ok(tree(Document::new(text, &tape).root()))
}

/// The reading of the library's fallback parser.
pub(crate) fn fallen_back(text: &str) -> Result<Tree, String> {
    let mut tape = Tape::default();
    yaml::parse_with_granit(text, &mut tape).map_err(|back| back.reason.to_owned())?;
    Ok(tree(Document::new(text, &tape).root()))
}

fn tree(node: Node<'_>) -> Tree {
    let kind = match node.kind() {
        yaml::Kind::Map => Kind::Map,
        yaml::Kind::Seq => Kind::Seq,
        yaml::Kind::Plain => Kind::Plain,
        yaml::Kind::Single => Kind::Single,
        yaml::Kind::Double => Kind::Double,
        yaml::Kind::Literal => Kind::Literal,
        yaml::Kind::Folded => Kind::Folded,
        yaml::Kind::Alias => Kind::Alias,
        yaml::Kind::Empty => Kind::Empty,
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
