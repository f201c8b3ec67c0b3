//! Finds the values of a document that are sensitive as a whole: by the place where they are, and by the name beside
//! them. Credentials that are a part of a value are found by `credentials`.
//!
//! Sensitive are the data of Secrets, and everything below an unknown key of a Secret; text where a reference is
//! expected; and literals whose name looks secret, or is one of the policy's names.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | which places are sensitive |
//! | `policy` | which names are sensitive |
//! | `secret_kind` | which mappings are Secrets, also with misspelled keys |
//! | `changed_literals` | which literals an edit replaces with references, or the other way round |

// Over 400 lines: a fifth of the file is test tables.

mod changed_literals;
mod policy;
mod secret_kind;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use jobplate_yaml::{Node, NodeKind};

pub use self::changed_literals::find_changed_literals;
pub use self::policy::{MaskLevel, MaskPolicy};
use self::secret_kind::{SecretKind, find_secret_kind};
use crate::credentials::{CommandLineReader, is_benign_value, is_placeholder, is_secret_name};

/// The annotation in which `kubectl apply` keeps a copy of the whole object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The role of a node, as a set of bits.
type Role = u16;

/// A key of a mapping.
const KEY: Role = 1;
/// The whole value is sensitive.
const WHOLE: Role = 1 << 1;
/// All scalars are sensitive unless they are keys.
const SCALARS: Role = 1 << 2;
/// The variables of a container: a list of entries, or a mapping.
const ENV: Role = 1 << 3;
/// An entry of a list of variables.
const ENV_ITEM: Role = 1 << 4;
/// The value of `valueFrom`.
const VALUE_FROM: Role = 1 << 5;
/// A reference to a key of an object, or to a field.
const REFERENCE: Role = 1 << 6;
/// The value of `secrets`: references, or a list of names.
const SECRETS: Role = 1 << 7;
/// A Secret that may have no kind.
const SECRET: Role = 1 << 8;
/// The `metadata` of a Secret.
const SECRET_METADATA: Role = 1 << 9;
/// The value of a key whose name looks secret.
const SECRET_VALUE: Role = 1 << 10;
/// An item of kustomize's `secretGenerator`.
const GENERATOR: Role = 1 << 11;
/// A mapping with a `remoteRef`: an item of the data of an `ExternalSecret`.
const REMOTE: Role = 1 << 12;

/// The keys of `valueFrom` and `envFrom` entries whose value is a reference.
const REFERENCE_KEYS: [&str; 7] =
    ["secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef", "secretRef", "configMapRef"];

/// The keys of a reference. Their values are names.
const REFERENCE_FIELDS: [&str; 12] = [
    "name",
    "key",
    "optional",
    "fieldPath",
    "apiVersion",
    "containerName",
    "resource",
    "divisor",
    "volumeName",
    "path",
    "namespace",
    "secret",
];

/// The keys of a Secret with values that are not sensitive.
const SECRET_FIELDS: [&str; 4] = ["apiVersion", "kind", "type", "immutable"];

/// The keys of a reference to an object of the kind Secret.
const OBJECT_REFERENCE_FIELDS: [&str; 13] = [
    "apiVersion",
    "blockOwnerDeletion",
    "controller",
    "fieldPath",
    "group",
    "key",
    "kind",
    "name",
    "namespace",
    "optional",
    "targetPath",
    "uid",
    "valuesKey",
];

/// The keys of `metadata`.
const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The keys that hold a value in a mapping below a secret-looking key: `password: {default: hunter2}`.
const VALUE_KEYS: [&str; 6] = ["value", "default", "const", "example", "examples", "literal"];

/// The sensitive nodes of a document, in document order.
pub struct SensitiveNodes<'a> {
    /// Whole values, and scalars. No node contains another.
    pub values: Vec<Node<'a>>,
    /// The mappings and lists in which all scalars are sensitive.
    pub collections: Vec<Node<'a>>,
}

/// Finds the sensitive nodes of a document.
///
/// If `is_fragment` is true, the document may be a part of a Secret without its `kind`.
pub fn find_sensitive_nodes<'a>(root: Node<'a>, is_fragment: bool, policy: &MaskPolicy) -> SensitiveNodes<'a> {
    let mut finder = Finder {
        first: root.index(),
        roles: vec![0; root.descendants().count()],
        policy,
        scalar_ranges: Vec::new(),
        aliases: BTreeMap::new(),
        shared: HashSet::new(),
        anchors: Vec::new(),
    };
    if is_fragment && root.get_first("kind").is_none() && root.get_first("data").is_some() {
        finder.add(root, SECRET);
    }
    finder.visit(root);
    finder.follow_aliases();
    finder.collect(root)
}

/// Assigns roles to the nodes of a document.
struct Finder<'a, 'p> {
    /// The index of the root.
    first: u32,
    roles: Vec<Role>,
    policy: &'p MaskPolicy,
    /// The index ranges in which all scalars are sensitive.
    scalar_ranges: Vec<Range<u32>>,
    /// The names of aliases by index that were not followed yet.
    aliases: BTreeMap<u32, &'a str>,
    /// The names of anchors whose nodes are sensitive.
    shared: HashSet<&'a str>,
    /// The anchored nodes in document order.
    anchors: Vec<Node<'a>>,
}

impl<'a> Finder<'a, '_> {
    fn role(&self, node: Node<'_>) -> Role {
        self.roles[(node.index() - self.first) as usize]
    }

    fn add(&mut self, node: Node<'_>, role: Role) {
        self.roles[(node.index() - self.first) as usize] |= role;
    }

    /// Assigns the roles of all nodes. A node comes before its children, so its role is complete when it is visited.
    fn visit(&mut self, root: Node<'a>) {
        for node in root.descendants() {
            let role = self.role(node);
            if node.anchor().is_some() {
                self.anchors.push(node);
            }
            if role & (WHOLE | SCALARS) != 0 {
                self.scalar_ranges.push(node.index()..node.subtree_end());
            }
            match node.kind() {
                NodeKind::Alias => {
                    let name = node.raw().trim_start_matches('*');
                    match role & !KEY {
                        0 => drop(self.aliases.insert(node.index(), name)),
                        _ => drop(self.shared.insert(name)),
                    }
                }
                NodeKind::Map => self.visit_map(node, role),
                NodeKind::Seq => self.visit_seq(node, role),
                _ => {}
            }
        }
    }

    /// Adds the ranges of anchored nodes that aliases insert at sensitive places. An alias follows its anchor, so the
    /// anchored nodes are visited backwards.
    fn follow_aliases(&mut self) {
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
    fn collect(mut self, root: Node<'a>) -> SensitiveNodes<'a> {
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

    fn visit_map(&mut self, map: Node<'a>, role: Role) {
        for (key, value) in map.entries() {
            // A key with a `:` and without a value is a value after a forgotten blank: `value:hunter2`. In a variable or
            // a Secret, any other key without a value may be one after a forgotten `:`, unless it is an identifier.
            let is_variable = role & (ENV | ENV_ITEM | SCALARS) != 0;
            let is_value = value.kind() == NodeKind::Empty
                && key.text().is_some_and(|text| text.contains(':') || is_variable && !is_identifier(&text));
            self.add(key, if is_value { KEY | WHOLE } else { KEY });
        }
        match role {
            _ if role & REFERENCE != 0 => return self.visit_reference(map),
            _ if role & VALUE_FROM != 0 => return self.visit_value_from(map),
            _ if role & SECRET_METADATA != 0 => self.mark_unknown(map, &METADATA_FIELDS),
            _ if role & SECRET != 0 => self.visit_secret(map),
            _ => match find_secret_kind(map) {
                Some(SecretKind::Secret) => self.visit_secret(map),
                Some(SecretKind::Unknown) => {
                    let is_data = |key: Node<'_>| key.text().is_some_and(|text| text.eq_ignore_ascii_case("data"));
                    map.entries().filter(|(key, _)| is_data(*key)).for_each(|(_, data)| self.add(data, SCALARS));
                }
                Some(SecretKind::List) => {
                    let items = map.entries().filter(|(key, _)| key.has_text("items"));
                    items.flat_map(|(_, items)| items.items()).for_each(|item| self.add(item, SECRET));
                }
                Some(SecretKind::Reference) => self.mark_unknown(map, &OBJECT_REFERENCE_FIELDS),
                None => {}
            },
        }
        if role & SECRETS != 0 {
            return self.visit_secrets(map);
        }
        // An entry of a list of variables, or anything else with a value and perhaps a name.
        let find = |name: &str| map.entries().find(|(key, _)| key.has_text(name)).map(|(_, value)| value);
        let role = if find("remoteRef").is_some() { role | REMOTE } else { role };
        let value = find("value");
        let is_entry = role & ENV_ITEM != 0 || value.is_some_and(|value| value.is_scalar());
        let name = find("name").or_else(|| find("key").filter(|_| role & ENV_ITEM == 0)).and_then(Node::text);
        // An invalid name says nothing about the value.
        let name = name.filter(|name| !name.is_empty() && name.is_ascii() && !name.contains('='));
        // Any variable may take the place of a placeholder.
        let name = name.filter(|name| !is_placeholder(name.trim()));
        for (key, value) in map.entries() {
            let key_text = key.text().unwrap_or_default();
            let is_naming = is_entry && (key_text == "name" || key_text == "key") && role & ENV == 0;
            if is_entry && !is_naming && key_text != "valueFrom" {
                self.visit_entry_value(name.as_deref(), &key_text, value);
            }
            if !is_naming {
                self.visit_value(role, &key_text, value);
            }
        }
    }

    /// Marks the value of a key in an entry of `env` with this name.
    fn visit_entry_value(&mut self, name: Option<&str>, key: &str, value: Node<'a>) {
        let is_sensitive = match name {
            Some(name) if value.is_scalar() => self.policy.is_sensitive(name, &value.text().unwrap_or_default()),
            Some(name) => self.policy.is_secret_variable(name),
            // In `- NAME: VALUE`, the key may be the name.
            None if key != "value" => {
                value.is_scalar() && self.policy.is_sensitive(key, &value.text().unwrap_or_default())
            }
            // The name is missing, so the value may be that of any variable.
            None => {
                self.policy.level == MaskLevel::All || !value.text().is_some_and(|text| is_benign_value(key, &text))
            }
        };
        if is_sensitive {
            self.add(value, WHOLE);
        }
    }

    /// Marks the value of a key.
    fn visit_value(&mut self, role: Role, key: &str, value: Node<'a>) {
        let text = value.text();
        let is_text = text.as_deref().is_some_and(|text| !text.trim().is_empty() && !is_placeholder(text.trim()));
        if key == "valueFrom" || REFERENCE_KEYS.contains(&key) {
            return match is_text {
                true => self.add(value, WHOLE),
                false if key == "valueFrom" => self.add(value, VALUE_FROM),
                false => self.add(value, REFERENCE),
            };
        }
        let is_variable = role & ENV != 0;
        match key {
            "env" => {
                let is_broken = text.is_some_and(|text| is_text && (text.len() > 16 || text.contains(['=', ' ', ':'])));
                self.add(value, if is_broken { WHOLE } else { ENV });
            }
            "secrets" if !is_variable => self.add(value, SECRETS),
            "secretGenerator" => value.items().for_each(|item| self.add(item, GENERATOR)),
            "literals" if role & GENERATOR != 0 => self.add(value, SCALARS),
            LAST_APPLIED if is_text && !text.is_some_and(|text| text.trim_start().starts_with('{')) => {
                self.add(value, WHOLE);
            }
            _ if VALUE_KEYS.contains(&key) && role & SECRET_VALUE != 0 && !is_variable => self.add(value, SCALARS),
            _ => self.visit_named_value(role, key, value),
        }
    }

    /// Marks the value of a key that may look secret.
    fn visit_named_value(&mut self, role: Role, key: &str, value: Node<'a>) {
        let is_variable = role & ENV != 0;
        let is_secret = match is_variable {
            // Below `env`, a `key` is the name of a variable, and no reference.
            true => key == "key" || self.policy.is_secret_variable(key),
            false => is_secret_name(key),
        };
        match value.kind() {
            NodeKind::Map if is_secret && is_variable && value.get_first("valueFrom").is_none() => {
                self.add(value, SCALARS);
            }
            NodeKind::Map if is_variable => self.add(value, ENV | ENV_ITEM),
            NodeKind::Map if is_secret => self.add(value, SECRET_VALUE),
            NodeKind::Seq if is_variable => self.add(value, ENV),
            NodeKind::Seq if is_secret => value.items().filter(|item| item.is_scalar()).for_each(|item| {
                if !is_benign_value(key, &item.text().unwrap_or_default()) {
                    self.add(item, WHOLE);
                }
            }),
            NodeKind::Alias if is_secret || is_variable => self.add(value, SCALARS),
            _ if is_secret && value.is_scalar() => {
                let text = value.text().unwrap_or_default();
                let is_sensitive = match is_variable {
                    true => self.policy.is_sensitive(if key == "key" { "secret" } else { key }, &text),
                    false => !is_benign_value(key, &text) && !is_name_of_secret(role, key, &text),
                };
                if is_sensitive {
                    self.add(value, WHOLE);
                }
            }
            _ => {}
        }
    }

    fn visit_seq(&mut self, seq: Node<'a>, role: Role) {
        let (mut command, mut flag) = (CommandLineReader::default(), None::<Cow<'_, str>>);
        for item in seq.items() {
            let text = item.text();
            let content = text.as_deref().unwrap_or_default().trim();
            let is_text = !content.is_empty() && !is_placeholder(content);
            if role & (ENV | SECRETS) != 0 {
                match item.kind() {
                    NodeKind::Map | NodeKind::Alias if role & ENV != 0 => self.add(item, ENV_ITEM),
                    NodeKind::Map | NodeKind::Alias => {}
                    _ if is_text && !self.is_benign_assignment(content) => self.add(item, WHOLE),
                    _ => {}
                }
            }
            if let Some(flag) = flag.take()
                && is_text
                && !content.starts_with('-')
                && !is_benign_value(&flag, content)
            {
                self.add(item, WHOLE);
            }
            command.read(content);
            if command.attached_value(content).is_some() {
                self.add(item, WHOLE);
            }
            flag = text.filter(|text| command.is_secret_flag(text.trim()));
        }
    }

    /// Returns whether an item of a list of variables is `NAME=VALUE` with a name that is not sensitive.
    fn is_benign_assignment(&self, text: &str) -> bool {
        let assignment = text.split_once('=');
        assignment.is_some_and(|(name, value)| !name.is_empty() && !self.policy.is_sensitive(name.trim(), value))
    }

    /// Marks the values of `secrets` in a spec file: a reference has the name of a Secret, anything else is sensitive.
    fn visit_secrets(&mut self, map: Node<'a>) {
        for (key, value) in map.entries() {
            let name = key.text().unwrap_or_default();
            match value.kind() {
                NodeKind::Map => self.add(value, REFERENCE),
                NodeKind::Seq | NodeKind::Alias => self.add(value, SCALARS),
                _ if !is_benign_value(&name, &value.text().unwrap_or_default()) => self.add(value, WHOLE),
                _ => {}
            }
        }
    }

    fn visit_value_from(&mut self, map: Node<'a>) {
        for (key, value) in map.entries() {
            let is_reference = REFERENCE_KEYS.iter().any(|name| key.has_text(name)) && value.kind() == NodeKind::Map;
            self.add(value, if is_reference { REFERENCE } else { SCALARS });
        }
    }

    /// Marks values in a reference that are no names.
    fn visit_reference(&mut self, map: Node<'a>) {
        for (key, value) in map.entries() {
            let is_field = REFERENCE_FIELDS.iter().any(|name| key.has_text(name)) && value.is_scalar();
            let text = value.text().unwrap_or_default();
            if !is_field || !is_name(&text) && !is_placeholder(text.trim()) && !text.contains("{{") {
                self.add(value, SCALARS);
            }
        }
    }

    fn visit_secret(&mut self, map: Node<'a>) {
        for (key, value) in map.entries() {
            if key.has_text("metadata") && value.kind() == NodeKind::Map {
                self.add(value, SECRET_METADATA);
            } else if !value.is_scalar() || !SECRET_FIELDS.iter().any(|field| key.has_text(field)) {
                self.add(value, SCALARS);
            }
        }
    }

    fn mark_unknown(&mut self, map: Node<'a>, known: &[&str]) {
        let is_unknown = |key: Node<'_>| !known.iter().any(|name| key.has_text(name));
        map.entries().filter(|(key, _)| is_unknown(*key)).for_each(|(_, value)| self.add(value, SCALARS));
    }
}

/// Returns whether `text`, the value of `key` in a mapping with the role `role`, is the name of a Secret or of a key of
/// one.
fn is_name_of_secret(role: Role, key: &str, text: &str) -> bool {
    let names_secret = key == "secret" || key.ends_with("Secret") && !key.to_ascii_lowercase().contains("client");
    let names_key = key == "secretKey" && role & REMOTE != 0;
    (names_secret || names_key) && is_name(text)
}

/// Returns whether the key of a mapping is an identifier or a placeholder.
fn is_identifier(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte)) || is_placeholder(text.trim())
}

/// Returns whether a string can be the name of an object, a key or a field, and does not look random.
fn is_name(text: &str) -> bool {
    let is_random =
        text.len() >= 20 && !text.contains(['-', '.', '_', '/']) && text.contains(|c: char| c.is_ascii_digit());
    text.len() <= 253
        && !is_random
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/[]'".contains(&byte))
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, read};

    use super::*;

    /// Returns the sensitive nodes of a fragment as they are written.
    fn find_with(text: &str, policy: &MaskPolicy) -> Vec<String> {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        let found = find_sensitive_nodes(Document::new(text, &arena).root(), true, policy);
        found.values.iter().map(|node| node.raw().to_owned()).filter(|raw| !raw.is_empty()).collect()
    }

    fn find(text: &str) -> Vec<String> {
        find_with(text, &MaskPolicy::default())
    }

    #[test]
    fn finds_values_by_their_names() {
        for (text, found) in [
            ("env: [{name: TOKEN, value: a}, {name: TZ, value: UTC}]", &["a"] as &[&str]),
            ("env: [{name: TOKEN, valeu: a}, {name: TOKEN, value: {b: c}}]", &["a", "{b: c}"]),
            ("env: [{value: a}, TOKEN=b, TZ=UTC, c]", &["a", "TOKEN=b", "c"]),
            ("env: {TOKEN: a, TZ: UTC, key: b, secret: c, name: d, optional: e}", &["a", "b", "c"]),
            ("env: {title: t, default: {secret: a, X: b}}", &["a"]),
            ("env: {TOKEN: {valueFrom: {secretKeyRef: {name: s, key: k}}}}", &[]),
            ("env: production", &[]),
            ("env: TOKEN=a", &["TOKEN=a"]),
            ("data: {DB_PASSWORD: a, TZ: UTC}\nkind: ConfigMap", &["a"]),
            ("password: a\napiKey: {secret: s, key: k}\ntokens: 5\nsecretName: s", &["a"]),
            ("apiToken: {default: a, title: b}", &["a"]),
            ("httpHeaders: [{name: Authorization, value: Bearer x}]", &["Bearer x"]),
            ("args: [--password, a, --user, b, --token-file, c]", &["a"]),
            ("args: [prefect, agent, kubernetes, start, -k, a]", &["a"]),
            ("args: [prefect, agent, local, start, --key=a, -kb, -k=c, -l, d]", &["--key=a", "-kb", "-k=c"]),
            ("env: [{name: T, value a}, {name: T, a!}, {name: T, value}]", &["value a", "a!"]),
            ("secretGenerator: [{name: s, literals: [A=a]}]", &["A=a"]),
            ("passwords: [a, true]", &["a"]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }

    #[test]
    fn finds_text_where_a_reference_is_expected() {
        for (text, found) in [
            ("valueFrom: a", &["a"] as &[&str]),
            ("valueFrom: {secretKeyRef: a}", &["a"]),
            ("valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}", &[]),
            ("valueFrom: {secretKeyRef: {nmae: a, key: 'b c'}}", &["a", "'b c'"]),
            ("valueFrom: {fieldRef: {fieldPath: \"metadata.labels['a']\"}}", &[]),
            ("valueFrom: {sercetKeyRef: {name: a}}", &["a"]),
            ("envFrom: [{secretRef: a}, {secretRef: {name: s}}]", &["a"]),
            ("prefect: {apiKey: a}", &["a"]),
            ("secrets: {T: a, U: {secret: s, key: k}, V: {secret: 'a b'}}", &["a", "'a b'"]),
            ("secrets: [{name: s}]", &[]),
            ("imagePullSecrets: [{name: s}]\nvolumes: [{name: a, secret: {secretName: s}}]", &[]),
            ("secret: s\nexistingSecret: s\nclientSecret: a", &["a"]),
            ("secretKey: k\nremoteRef: {key: a}", &[]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }

    #[test]
    fn finds_everything_below_an_unknown_key_of_a_secret() {
        for (text, found) in [
            ("kind: Secret\nmetadata: {name: s, labels: {a: b}}\ndata: {a: b}", &["b"] as &[&str]),
            ("kind: secret\nstringData: {a: b}", &["b"]),
            ("knd: Secret\nmetadata: {name: s}\ndata: {a: b}", &["Secret", "b"]),
            ("kind: Sercet\nmetadata: {name: s}\ndata: {a: [b]}", &["b"]),
            ("kind: Secret\nmetadata: {name: s, data: {a: b}}\nspec: {a: {c: d}}", &["b", "d"]),
            ("kind: SecretList\nitems: [{data: {a: b}}, {metadata: {name: s}, strData: c}]", &["b", "c"]),
            ("stringDat: {a: b}", &["b"]),
            ("type: Opaque\nkind: X\ndata: {a: b}", &["b"]),
            ("data: {a: b}", &["b"]),
            ("x: &k Secret\ny: {kind: *k, data: {a: b}, spec: {c: d}}", &["b"]),
            ("x: &m {kind: Secret}\ny: {<<: *m, data: {a: b}, spec: {c: d}}", &["b"]),
            ("x: &m {kind: Secret}\ny: {<<: *m, kind: ConfigMap, data: {a: b}}", &[]),
            ("valuesFrom: [{kind: Secret, name: s, valuesKey: k}]", &[]),
            ("kind: ConfigMap\nmetadata: {name: s}\ndata: {a: b}", &[]),
            ("kind: Service\nmetadata: {name: s}\ndata: {a: b}", &[]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }

    #[test]
    fn follows_aliases_at_sensitive_places() {
        for (text, found) in [
            ("x: &a b\nc: *a", &[] as &[&str]),
            ("x: &a b\npassword: *a", &["b"]),
            ("x: &a b\ny: &b {z: *a}\nkind: Secret\ndata: *b", &["b"]),
            ("x: &a {value: b}\nenv: [{name: TOKEN, <<: *a}]", &["b"]),
            ("x: &a {value: b}\nenv: [{name: TOKEN, <<: [*a]}]", &["b", "[*a]"]),
            ("x: &a [{name: TZ, value: b}]\nenv: *a", &["TZ", "b"]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }

    #[test]
    fn finds_the_variables_of_the_policy() {
        let text = "env: [{name: X, value: a}, {name: Y, value: b}, X=c, {X: f}]\nb: {env: {X: d}}\nc: {X: e}";
        let mut policy = MaskPolicy { names: HashSet::from(["X".to_owned()]), ..MaskPolicy::default() };
        assert_eq!(find_with(text, &policy), ["a", "X=c", "f", "d"]);
        policy.level = MaskLevel::All;
        assert_eq!(find_with(text, &policy), ["a", "b", "X=c", "f", "d"]);
    }
}
