//! Recognizes Secrets, also with a misspelled kind or key, or with a kind or data from a merge key.

use std::collections::HashMap;

use jobplate_diagnostic::suggest;
use jobplate_yaml::{Node, NodeKind};

/// How a mapping is related to Secrets.
pub(super) enum SecretKind {
    /// A Secret, possibly with a misspelled or missing kind.
    Secret,
    /// An object whose kind is not known: an alias of a collection, or a key of a mapping that is merged in place.
    Unknown,
    /// A list of Secrets.
    List,
    /// A reference to a Secret.
    Reference,
}

/// The properties of a mapping that make it a Secret. Those of merged mappings are included.
#[derive(Clone, Copy, Default)]
struct SecretTraits {
    has_kind: bool,
    is_secret: bool,
    is_list: bool,
    /// Whether the kind may be in a place that was not searched.
    is_unknown: bool,
    has_name: bool,
    has_metadata: bool,
    has_data: bool,
    has_string_data: bool,
    has_type: bool,
}

impl SecretTraits {
    /// Adds the properties of a merged mapping. Its kind has no effect on a mapping with a kind.
    fn merge(&mut self, merged: SecretTraits) {
        if !self.has_kind {
            (self.has_kind, self.is_secret, self.is_list) = (merged.has_kind, merged.is_secret, merged.is_list);
        }
        self.is_unknown |= merged.is_unknown;
        self.has_name |= merged.has_name;
        self.has_metadata |= merged.has_metadata;
        self.has_data |= merged.has_data;
        self.has_string_data |= merged.has_string_data;
        self.has_type |= merged.has_type;
    }
}

/// The anchored nodes before a node, with their properties.
#[derive(Default)]
pub(super) struct AnchoredNodes<'a>(HashMap<&'a str, (Node<'a>, SecretTraits)>);

impl<'a> AnchoredNodes<'a> {
    /// Adds a node if it has an anchor. Must be called for all nodes in document order.
    pub(super) fn add(&mut self, node: Node<'a>) {
        if let Some(anchor) = node.anchor() {
            let traits = self.find_traits(node);
            self.0.insert(anchor.trim_start_matches('&'), (node, traits));
        }
    }

    /// Returns the node of an alias.
    pub(super) fn resolve(&self, alias: Node<'_>) -> Option<Node<'a>> {
        self.get(alias).map(|(node, _)| *node)
    }

    fn get(&self, alias: Node<'_>) -> Option<&(Node<'a>, SecretTraits)> {
        let is_alias = alias.kind() == NodeKind::Alias;
        self.0.get(alias.raw().trim_start_matches('*')).filter(|_| is_alias)
    }

    /// Returns how a mapping is related to Secrets: by its kind, by a key like `stringData`, or by its type.
    pub(super) fn find_secret_kind(&self, map: Node<'a>) -> Option<SecretKind> {
        let traits = self.find_traits(map);
        let is_reference = traits.has_name && !traits.has_metadata && !traits.has_data && !traits.has_string_data;
        match traits {
            SecretTraits { is_list: true, .. } => Some(SecretKind::List),
            SecretTraits { is_secret: true, .. } if is_reference => Some(SecretKind::Reference),
            SecretTraits { is_secret: true, .. } | SecretTraits { has_string_data: true, .. } => {
                Some(SecretKind::Secret)
            }
            SecretTraits { has_data: true, has_type: true, .. } => Some(SecretKind::Secret),
            SecretTraits { has_data: true, is_unknown: true, has_kind: false, .. } => Some(SecretKind::Unknown),
            _ => None,
        }
    }

    fn find_traits(&self, map: Node<'a>) -> SecretTraits {
        let is_like = |text: &str, word: &str| {
            text.len().abs_diff(word.len()) <= 3 && suggest::closest(&text.to_lowercase(), [word]).is_some()
        };
        let mut traits = SecretTraits::default();
        for (key, value) in map.entries() {
            let key = key.text().unwrap_or_default();
            let text = || self.resolve(value).unwrap_or(value).text().unwrap_or_default();
            match &*key {
                "kind" if value.kind() == NodeKind::Alias && text().is_empty() => traits.is_unknown = true,
                "kind" => traits.has_kind = true,
                "name" => traits.has_name = true,
                "metadata" => traits.has_metadata = true,
                "type" => traits.has_type |= text() == "Opaque" || text().starts_with("kubernetes.io/"),
                _ => {}
            }
            traits.has_data |= key.eq_ignore_ascii_case("data");
            traits.has_string_data |= is_like(&key, "stringdata");
            if key.len() <= 5 && is_like(&key, "kind") && !traits.is_secret && !traits.is_list {
                let text = text();
                traits.is_list = text.len() > 8 && is_like(&text, "secretlist");
                traits.is_secret = !traits.is_list && (is_like(&text, "secret") || is_like(&text, "secretlist"));
            }
        }
        traits.has_kind |= traits.is_secret || traits.is_list;
        for merged in merged_nodes(map) {
            match self.get(merged) {
                Some((_, merged)) => traits.merge(*merged),
                None => traits.is_unknown = true,
            }
        }
        traits
    }
}

/// Returns the values of the merge keys of a mapping: aliases or mappings.
pub(super) fn merged_nodes(map: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let merges = map.entries().filter(|(key, _)| key.has_text("<<")).map(|(_, value)| value);
    merges.flat_map(|value| {
        let single = Some(value).filter(|value| value.kind() != NodeKind::Seq);
        single.into_iter().chain(value.items())
    })
}
