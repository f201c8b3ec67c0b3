//! Records the roles of the nodes of a document, follows aliases, and lists the sensitive nodes.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use jobplate_yaml::{Node, NodeKind};

/// The role of a node, as a set of bits.
pub(super) type Role = u16;

/// A key of a mapping.
pub(super) const KEY: Role = 1;
/// The whole value is sensitive.
pub(super) const WHOLE: Role = 1 << 1;
/// All scalars are sensitive unless they are keys.
pub(super) const SCALARS: Role = 1 << 2;
/// The variables of a container: a list of entries, or a mapping.
pub(super) const ENV: Role = 1 << 3;
/// An entry of a list of variables.
pub(super) const ENV_ITEM: Role = 1 << 4;
/// The value of `valueFrom`.
pub(super) const VALUE_FROM: Role = 1 << 5;
/// A reference to a key of an object, or to a field.
pub(super) const REFERENCE: Role = 1 << 6;
/// The value of `secrets`: references, or a list of names.
pub(super) const SECRETS: Role = 1 << 7;
/// A Secret that may have no kind.
pub(super) const SECRET: Role = 1 << 8;
/// The value of a key whose name looks secret.
pub(super) const SECRET_VALUE: Role = 1 << 9;
/// An item of kustomize's `secretGenerator`.
pub(super) const GENERATOR: Role = 1 << 10;
/// A mapping with a `remoteRef`: an item of the data of an `ExternalSecret`.
pub(super) const REMOTE: Role = 1 << 11;

/// The sensitive nodes of a document, in document order.
pub struct SensitiveNodes<'a> {
    /// Whole values, and scalars. No node contains another.
    pub values: Vec<Node<'a>>,
    /// The mappings and lists in which all scalars are sensitive.
    pub collections: Vec<Node<'a>>,
}

/// The roles of the nodes of a document.
pub(super) struct Marks<'a> {
    /// The index of the root.
    first: u32,
    roles: Vec<Role>,
    /// The index after the last complete node.
    complete_end: u32,
    /// The index ranges in which all scalars are sensitive.
    scalar_ranges: Vec<Range<u32>>,
    /// The names of aliases by index that were not followed yet.
    aliases: BTreeMap<u32, &'a str>,
    /// The names of anchors whose nodes are sensitive.
    shared: HashSet<&'a str>,
    /// The anchored nodes in document order.
    anchors: Vec<Node<'a>>,
}

impl<'a> Marks<'a> {
    /// Creates marks without roles.
    pub(super) fn new(root: Node<'a>) -> Self {
        Marks {
            first: root.index(),
            roles: vec![0; root.descendants().count()],
            complete_end: 0,
            scalar_ranges: Vec::new(),
            aliases: BTreeMap::new(),
            shared: HashSet::new(),
            anchors: Vec::new(),
        }
    }

    /// Returns the roles of a node.
    pub(super) fn role(&self, node: Node<'_>) -> Role {
        self.roles[(node.index() - self.first) as usize]
    }

    /// Adds roles to a node. A node that is complete already can only become sensitive.
    pub(super) fn add(&mut self, node: Node<'_>, role: Role) {
        self.roles[(node.index() - self.first) as usize] |= role;
        if role & (WHOLE | SCALARS) != 0 && node.index() < self.complete_end {
            self.scalar_ranges.push(node.index()..node.subtree_end());
        }
    }

    /// Completes a node: nothing adds a role to it any more. Must be called for all nodes in document order. Returns its
    /// roles.
    pub(super) fn complete(&mut self, node: Node<'a>) -> Role {
        let role = self.role(node);
        self.complete_end = node.index() + 1;
        if node.anchor().is_some() {
            self.anchors.push(node);
        }
        if role & (WHOLE | SCALARS) != 0 {
            self.scalar_ranges.push(node.index()..node.subtree_end());
        }
        if node.kind() == NodeKind::Alias {
            let name = node.raw().trim_start_matches('*');
            match role & !KEY {
                0 => drop(self.aliases.insert(node.index(), name)),
                _ => drop(self.shared.insert(name)),
            }
        }
        role
    }

    /// Adds the ranges of anchored nodes that aliases insert at sensitive places. An alias follows its anchor, so the
    /// anchored nodes are visited backwards.
    pub(super) fn follow_aliases(&mut self) {
        let mut pending = self.scalar_ranges.clone();
        let mut anchors = std::mem::take(&mut self.anchors);
        loop {
            for range in pending.drain(..) {
                while let Some((&index, _)) = self.aliases.range(range.clone()).next() {
                    self.shared.extend(self.aliases.remove(&index));
                }
            }
            let Some(node) = anchors.pop() else { return };
            if node.anchor().is_some_and(|name| self.shared.contains(name.trim_start_matches('&'))) {
                let range = node.index()..node.subtree_end();
                self.scalar_ranges.push(range.clone());
                pending.push(range);
            }
        }
    }

    /// Returns the sensitive nodes in document order.
    pub(super) fn collect(mut self, root: Node<'a>) -> SensitiveNodes<'a> {
        self.scalar_ranges.sort_by_key(|range| range.start);
        let mut ranges = std::mem::take(&mut self.scalar_ranges).into_iter().peekable();
        let (mut found, mut whole_end, mut scalars_end) = (Vec::new(), 0, 0);
        let mut collections = Vec::new();
        for node in root.descendants() {
            let mut starts_range = false;
            while let Some(range) = ranges.next_if(|range| range.start <= node.index()) {
                scalars_end = scalars_end.max(range.end);
                starts_range = true;
            }
            if starts_range && matches!(node.kind(), NodeKind::Map | NodeKind::Seq) {
                collections.push(node);
            }
            let role = self.role(node);
            if node.index() < whole_end || node.kind() == NodeKind::Alias {
                continue;
            }
            if role & WHOLE != 0 {
                whole_end = node.subtree_end();
                found.push(node);
            } else if node.index() < scalars_end && node.is_scalar() && role & KEY == 0 {
                found.push(node);
            }
        }
        SensitiveNodes { values: found, collections }
    }
}
