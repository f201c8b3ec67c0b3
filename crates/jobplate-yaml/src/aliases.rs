//! The targets of aliases, and the size of a document after its aliases are expanded.
//!
//! A few kilobytes of aliases can stand for gigabytes of values. A reader that expands aliases must first call
//! [`Document::check_expanded_size`].

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};

use super::node_kind::NodeKind;
use super::tree::{Aliases, Document, Node};

/// The maximum number of nodes of a document after its aliases are expanded.
pub const MAX_EXPANDED_NODES: u64 = 1_000_000;
/// The maximum size of the nodes of a document in bytes after its aliases are expanded. Documents without aliases are
/// not limited.
pub const MAX_EXPANDED_BYTES: u64 = 64 << 20;

/// What the aliases before an offset add to the size of the document when they are expanded.
#[derive(Clone, Copy, Default)]
struct Growth {
    nodes: u64,
    bytes: u64,
}

impl Aliases {
    /// Resolves each alias to the last node before it with this anchor, as YAML requires.
    fn resolve(document: Document<'_>) -> Self {
        let mut found = Aliases::default();
        let mut properties = document.arena.properties.iter().peekable();
        if properties.peek().is_none() {
            return found;
        }
        let mut anchors: HashMap<&str, u32> = HashMap::new();
        // `growth[i]` is the sum over the first `i` aliases.
        let mut growth = vec![Growth::default()];
        for node in document.root().descendants() {
            if let Some(properties) = properties.next_if(|properties| properties.node == node.index())
                && let Some(anchor) = &properties.anchor
            {
                anchors.insert(&document.text[anchor.start as usize..anchor.end as usize], node.index());
            }
            if node.kind() != NodeKind::Alias {
                continue;
            }
            let name = &node.raw()[1..];
            if !found.names.contains(name) {
                found.names.insert(name.into());
            }
            let Some(&target) = anchors.get(name) else { continue };
            let target = document.node(target);
            if target.contains(node) {
                found.cyclic.get_or_insert(node.index());
                continue;
            }
            if found.exceeded.is_none() {
                growth.push(found.add(&growth, node, target));
                found.exceeded = exceeded_limit(document, growth[growth.len() - 1]);
            }
            found.targets.push((node.index(), target.index()));
        }
        found
    }

    /// Returns the growth after another alias: its target replaces the alias.
    fn add(&self, growth: &[Growth], alias: Node<'_>, target: Node<'_>) -> Growth {
        let before = |index: u32| growth[self.targets.partition_point(|(alias, _)| *alias < index)];
        let (start, end) = (before(target.index()), before(target.subtree_end()));
        let last = growth[growth.len() - 1];
        // No overflow: the sums are below the limits, and a document is below 4 GiB.
        Growth {
            nodes: last.nodes + u64::from(target.subtree_end() - target.index()) + end.nodes - start.nodes,
            bytes: last.bytes + (target.span().len() + alias.span().len()) as u64 + end.bytes - start.bytes,
        }
    }
}

/// Returns the limit that a document exceeds after this growth, and what the limit counts.
fn exceeded_limit(document: Document<'_>, growth: Growth) -> Option<(u64, &'static str)> {
    if document.arena.len() as u64 + growth.nodes > MAX_EXPANDED_NODES {
        return Some((MAX_EXPANDED_NODES, "nodes"));
    }
    (document.text.len() as u64 + growth.bytes > MAX_EXPANDED_BYTES).then_some((MAX_EXPANDED_BYTES, "bytes"))
}

impl<'a> Document<'a> {
    /// Returns the aliases, which are resolved once.
    pub(super) fn aliases(self) -> &'a Aliases {
        self.arena.aliases.get_or_init(|| Aliases::resolve(self))
    }

    /// Refuses a document whose aliases would expand to more than [`MAX_EXPANDED_NODES`] nodes or
    /// [`MAX_EXPANDED_BYTES`] bytes.
    ///
    /// # Errors
    ///
    /// Fails if a limit is exceeded, or like [`Document::refuse_cyclic_alias`].
    pub fn check_expanded_size(self) -> Result<()> {
        self.refuse_cyclic_alias()?;
        match self.aliases().exceeded {
            None => Ok(()),
            Some((limit, unit)) => {
                Err(Error::input(format!("too many {unit} after aliases are expanded: more than {limit}"))
                    .hint("replace aliases of large anchors with smaller ones"))
            }
        }
    }

    /// Refuses an alias inside its own anchor, which Kubernetes does not read.
    ///
    /// # Errors
    ///
    /// Fails if there is such an alias. The error points to the first one.
    pub(super) fn refuse_cyclic_alias(self) -> Result<()> {
        if self.arena.properties.is_empty() {
            return Ok(());
        }
        let Some(alias) = self.aliases().cyclic.map(|index| self.node(index)) else { return Ok(()) };
        Err(Error::input(format!("invalid alias `{}`: it is inside its own anchor", alias.raw()))
            .at(alias.span())
            .hint("remove the alias, or rename it to another anchor"))
    }
}

impl<'a> Node<'a> {
    /// Returns the node that an alias refers to. Returns `None` for other nodes, and for an alias inside its own
    /// anchor.
    pub fn alias_target(self) -> Option<Node<'a>> {
        let targets = &self.document().aliases().targets;
        let position = targets.binary_search_by_key(&self.index(), |(alias, _)| *alias).ok()?;
        Some(self.document().node(targets[position].1))
    }

    /// Returns whether the node has an anchor that any alias of the document uses.
    pub fn is_alias_target(self) -> bool {
        self.anchor().is_some_and(|anchor| self.document().aliases().names.contains(anchor))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fallback::read;
    use super::super::tree::NodeArena;
    use super::*;

    fn check(text: &str) -> Result<()> {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        Document::new(text, &arena).check_expanded_size()
    }

    fn message(result: Result<()>) -> Option<String> {
        result.err().map(|error| error.message().to_owned())
    }

    #[test]
    fn resolves_aliases_to_the_last_anchor_before_them() {
        let text = "a: &x 1\nb: *x\nc: &x [2]\nd: *x\ne: &y 3\n";
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let root = Document::new(text, &arena).root();
        let target = |key| root.get_first(key).unwrap().alias_target().map(Node::raw);
        assert_eq!(["a", "b", "d"].map(target), [None, Some("1"), Some("[2]")]);
        let is_target = |key| root.get_first(key).unwrap().is_alias_target();
        assert_eq!(["a", "c", "e"].map(is_target), [true, true, false]);
    }

    #[test]
    fn counts_nodes_and_bytes_of_expanded_aliases() {
        let list = |items: usize, aliases: usize| {
            format!("a: &a [{}]\nb: [{}]\n", vec!["1"; items].join(","), vec!["*a"; aliases].join(","))
        };
        assert_eq!(message(check(&list(1000, 900))), None);
        let too_many_nodes = Some("too many nodes after aliases are expanded: more than 1000000".to_owned());
        assert_eq!(message(check(&list(1000, 1000))), too_many_nodes);
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 64].join(","));
        let too_many_bytes = Some("too many bytes after aliases are expanded: more than 67108864".to_owned());
        assert_eq!(message(check(&long)), too_many_bytes);
        // Aliases inside anchors multiply: 2^40 nodes.
        let chain: String = (1..40).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
        assert_eq!(message(check(&format!("a0: &a0 [1]\n{chain}"))), too_many_nodes);
        let short: String = (1..10).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
        assert_eq!(message(check(&format!("a0: &a0 [1]\n{short}"))), None);
    }

    #[test]
    fn refuses_an_alias_inside_its_own_anchor() {
        let refused = Some("invalid alias `*x`: it is inside its own anchor".to_owned());
        for text in ["a: &x [*x]\n", "&x {a: {b: *x}}\n", "a: &x 1\nb: &x\n- *x\n"] {
            assert_eq!(message(check(text)), refused, "{text}");
        }
        assert_eq!(message(check("a: &x {b: &x 1, c: *x}\n")), None);
    }
}
