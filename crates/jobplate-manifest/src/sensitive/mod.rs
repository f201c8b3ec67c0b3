//! Finds the values of a document that are sensitive as a whole: by the place where they are, and by the name beside
//! them. Credentials that are a part of a value are found by `credentials`.
//!
//! Sensitive are the data of Secrets, and everything below an unknown key of a Secret; text where a reference is
//! expected; and literals whose name looks secret, or is one of the policy's names.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | which places are sensitive |
//! | `marks` | what else an alias makes sensitive, and which nodes are listed |
//! | `object_fields` | which keys of Secrets and references are known |
//! | `policy` | which names are sensitive |
//! | `secret_kind` | which mappings are Secrets, also with misspelled keys |
//! | `changed_literals` | which literals an edit replaces with references, or the other way round |

// Over 400 lines: a third of the file is test tables.

mod changed_literals;
mod marks;
mod object_fields;
mod policy;
mod secret_kind;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jobplate_diagnostic::suggest;
use jobplate_yaml::{Node, NodeKind};

pub use self::changed_literals::find_changed_literals;
pub use self::marks::SensitiveNodes;
use self::marks::{
    ENV, ENV_ITEM, GENERATOR, KEY, Marks, REFERENCE, REMOTE, Role, SCALARS, SECRET, SECRET_VALUE, SECRETS, VALUE_FROM,
    WHOLE,
};
use self::object_fields::{REFERENCE_KEYS, mark_object_reference, mark_reference, mark_secret, mark_value_from};
pub use self::policy::{MaskLevel, MaskPolicy};
use self::secret_kind::{AnchoredNodes, SecretKind, merged_nodes};
use crate::credentials::{CommandLineReader, is_benign_value, is_name, is_placeholder, is_secret_name};

/// The annotation in which `kubectl apply` keeps a copy of the whole object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The keys that hold a value in a mapping below a secret-looking key: `password: {default: hunter2}`.
const VALUE_KEYS: [&str; 6] = ["value", "default", "const", "example", "examples", "literal"];

/// The fields of an entry of `env`.
const ENTRY_FIELDS: [&str; 3] = ["name", "value", "valueFrom"];

/// Finds the sensitive nodes of a document.
///
/// If `is_fragment` is true, the document may be a part of a Secret without its `kind`.
pub fn find_sensitive_nodes<'a>(root: Node<'a>, is_fragment: bool, policy: &MaskPolicy) -> SensitiveNodes<'a> {
    let mut finder = Finder {
        marks: Marks::new(root),
        anchored: AnchoredNodes::default(),
        merged: HashSet::new(),
        commands: HashMap::new(),
        policy,
    };
    if is_fragment && root.get_first("kind").is_none() && root.get_first("data").is_some() {
        finder.marks.add(root, SECRET);
    }
    finder.visit(root);
    finder.marks.follow_aliases();
    finder.marks.collect(root)
}

/// Assigns roles to the nodes of a document.
struct Finder<'a, 'p> {
    marks: Marks<'a>,
    anchored: AnchoredNodes<'a>,
    /// The indices of the mappings that are merged into Secrets.
    merged: HashSet<u32>,
    /// The readers of the words in `command`, by the index of the `args` that continue the command line.
    commands: HashMap<u32, CommandLineReader>,
    policy: &'p MaskPolicy,
}

impl<'a> Finder<'a, '_> {
    /// Assigns the roles of all nodes. A node comes before its children, so its role is complete when it is visited.
    fn visit(&mut self, root: Node<'a>) {
        for node in root.descendants() {
            let role = self.marks.complete(node);
            self.anchored.add(node);
            match node.kind() {
                NodeKind::Map => self.visit_map(node, role),
                NodeKind::Seq => self.visit_seq(node, role),
                _ => {}
            }
        }
    }

    fn visit_map(&mut self, map: Node<'a>, role: Role) {
        for (key, value) in map.entries() {
            // A key with a `:` and without a value is a value after a forgotten blank: `value:hunter2`. In a variable or
            // a Secret, any other key without a value may be one after a forgotten `:`, unless it is an identifier. In an
            // entry of `env`, only the known fields are keys.
            let is_variable = role & (ENV | ENV_ITEM | SCALARS) != 0;
            let is_entry = role & (ENV | ENV_ITEM) == ENV_ITEM;
            let is_field = |text: &str| is_placeholder(text.trim()) || suggest::closest(text, ENTRY_FIELDS).is_some();
            let is_key = |text: &str| is_identifier(text) && (!is_entry || is_field(text));
            let is_value = value.kind() == NodeKind::Empty
                && key.text().is_some_and(|text| text.contains(':') || is_variable && !is_key(&text));
            self.marks.add(key, if is_value { KEY | WHOLE } else { KEY });
        }
        match role {
            _ if role & REFERENCE != 0 => return mark_reference(&mut self.marks, map),
            _ if role & VALUE_FROM != 0 => return mark_value_from(&mut self.marks, map),
            _ if role & SECRET != 0 => self.visit_secret(map),
            _ => match self.anchored.find_secret_kind(map) {
                Some(SecretKind::Secret) => self.visit_secret(map),
                Some(SecretKind::Unknown) => {
                    let is_data = |key: Node<'_>| key.text().is_some_and(|text| text.eq_ignore_ascii_case("data"));
                    map.entries().filter(|(key, _)| is_data(*key)).for_each(|(_, data)| self.marks.add(data, SCALARS));
                }
                Some(SecretKind::List) => {
                    let items = map.entries().filter(|(key, _)| key.has_text("items"));
                    items.flat_map(|(_, items)| items.items()).for_each(|item| self.marks.add(item, SECRET));
                }
                Some(SecretKind::Reference) => mark_object_reference(&mut self.marks, map),
                None => {}
            },
        }
        if role & SECRETS != 0 {
            return self.visit_secrets(map);
        }
        // An entry of a list of variables, or anything else with a value and perhaps a name.
        let find = |name: &str| map.entries().find(|(key, _)| key.has_text(name)).map(|(_, value)| value);
        if let (Some(command), Some(args)) = (find("command"), find("args")) {
            let reader = self.commands.entry(args.index()).or_default();
            command.items().filter_map(Node::text).for_each(|word| reader.read(word.trim()));
        }
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
            self.marks.add(value, WHOLE);
        }
    }

    /// Marks the value of a key.
    fn visit_value(&mut self, role: Role, key: &str, value: Node<'a>) {
        let text = value.text();
        let is_text = text.as_deref().is_some_and(|text| !text.trim().is_empty() && !is_placeholder(text.trim()));
        if key == "valueFrom" || REFERENCE_KEYS.contains(&key) {
            return match is_text {
                true => self.marks.add(value, WHOLE),
                false if key == "valueFrom" => self.marks.add(value, VALUE_FROM),
                false => self.marks.add(value, REFERENCE),
            };
        }
        let is_variable = role & ENV != 0;
        match key {
            "env" => {
                let is_broken = text.is_some_and(|text| is_text && (text.len() > 16 || text.contains(['=', ' ', ':'])));
                self.marks.add(value, if is_broken { WHOLE } else { ENV });
            }
            "secrets" if !is_variable => self.marks.add(value, SECRETS),
            "auths" => {
                if value.kind() == NodeKind::Alias {
                    self.marks.add(value, SCALARS);
                }
                merged_nodes(value).for_each(|merged| self.marks.add(merged, SCALARS));
                value.entries().for_each(|(_, registry)| self.visit_registry(registry));
            }
            "secretGenerator" => value.items().for_each(|item| self.marks.add(item, GENERATOR)),
            "literals" if role & GENERATOR != 0 => self.marks.add(value, SCALARS),
            LAST_APPLIED if is_text && !text.is_some_and(|text| text.trim_start().starts_with('{')) => {
                self.marks.add(value, WHOLE);
            }
            _ if VALUE_KEYS.contains(&key) && role & SECRET_VALUE != 0 && !is_variable => {
                self.marks.add(value, SCALARS)
            }
            _ => self.visit_named_value(role, key, value),
        }
    }

    /// Marks the credentials of a registry in a Docker configuration. The others look secret by their names.
    fn visit_registry(&mut self, registry: Node<'a>) {
        let auth = registry.entries().filter(|(key, _)| key.has_text("auth"));
        auth.for_each(|(_, value)| self.marks.add(value, SCALARS));
        merged_nodes(registry).for_each(|merged| self.marks.add(merged, SCALARS));
        if registry.kind() == NodeKind::Alias {
            self.marks.add(registry, SCALARS);
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
                self.marks.add(value, SCALARS);
            }
            NodeKind::Map if is_variable => self.marks.add(value, ENV | ENV_ITEM),
            NodeKind::Map if is_secret => self.marks.add(value, SECRET_VALUE),
            NodeKind::Seq if is_variable => self.marks.add(value, ENV),
            NodeKind::Seq if is_secret => value.items().filter(|item| item.is_scalar()).for_each(|item| {
                if !is_benign_value(key, &item.text().unwrap_or_default()) {
                    self.marks.add(item, WHOLE);
                }
            }),
            NodeKind::Alias if is_secret || is_variable => self.marks.add(value, SCALARS),
            _ if is_secret && value.is_scalar() => {
                let text = value.text().unwrap_or_default();
                let is_sensitive = match is_variable {
                    true => self.policy.is_sensitive(if key == "key" { "secret" } else { key }, &text),
                    false => !is_benign_value(key, &text) && !is_name_of_secret(role, key, &text),
                };
                if is_sensitive {
                    self.marks.add(value, WHOLE);
                }
            }
            _ => {}
        }
    }

    /// Marks the values of a Secret, and of the mappings that are merged into it.
    fn visit_secret(&mut self, secret: Node<'a>) {
        let mut pending = vec![secret];
        while let Some(map) = pending.pop() {
            mark_secret(&mut self.marks, map);
            for merged in merged_nodes(map) {
                match self.anchored.resolve(merged).filter(|node| node.kind() == NodeKind::Map) {
                    Some(node) if self.merged.insert(node.index()) => pending.push(node),
                    Some(_) => {}
                    None => self.marks.add(merged, SCALARS),
                }
            }
        }
    }

    fn visit_seq(&mut self, seq: Node<'a>, role: Role) {
        let mut command = self.commands.remove(&seq.index()).unwrap_or_default();
        let mut flag = None::<Cow<'_, str>>;
        for item in seq.items() {
            let text = item.text();
            let content = text.as_deref().unwrap_or_default().trim();
            let is_text = !content.is_empty() && !is_placeholder(content);
            if role & (ENV | SECRETS) != 0 {
                match item.kind() {
                    NodeKind::Map | NodeKind::Alias if role & ENV != 0 => self.marks.add(item, ENV_ITEM),
                    NodeKind::Map | NodeKind::Alias => {}
                    _ if is_text && !self.is_benign_assignment(content) => self.marks.add(item, WHOLE),
                    _ => {}
                }
            }
            if let Some(flag) = flag.take()
                && is_text
                && !content.starts_with('-')
                && !is_benign_value(&flag, content)
            {
                self.marks.add(item, WHOLE);
            }
            command.read(content);
            if command.attached_value(content).is_some() {
                self.marks.add(item, WHOLE);
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
                NodeKind::Map => self.marks.add(value, REFERENCE),
                NodeKind::Seq | NodeKind::Alias => self.marks.add(value, SCALARS),
                _ if !is_benign_value(&name, &value.text().unwrap_or_default()) => self.marks.add(value, WHOLE),
                _ => {}
            }
        }
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
            ("a: {args: [start, -k, b, -l, c], command: [prefect, agent]}", &["b"]),
            ("env: [{name: T, value a}, {name: T, a!}, {name: T, value}]", &["value a", "a!"]),
            ("env: [{name: T, a}, {name: T, valeu}, {a}, {name: T, '{{ x }}'}]", &["a", "a"]),
            ("auths: {r: {auth: a, email: e, identitytoken: b}}", &["a", "b"]),
            ("x: &a {auth: b}\nauths: {r: *a}", &["b"]),
            ("x: &a {r: {auth: b}}\nauths: *a", &["b"]),
            ("x: &a {auth: b}\nauths: {r: {<<: *a}}", &["b"]),
            ("x: &a {r: {auth: b}}\nauths: {<<: [*a]}", &["b"]),
            ("auth: a", &[]),
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
            ("x: &k Secret\ny: {kind: *k, data: {a: b}, spec: {c: d}}", &["b", "d"]),
            ("x: &m {kind: Secret}\ny: {<<: *m, data: {a: b}, spec: {c: d}}", &["b", "d"]),
            ("x: &k Secret\nm: &m {metadata: {name: s, a: b}, data: {a: c}}\ny: {kind: *k, <<: *m}", &["b", "c"]),
            ("x: &s {kind: Secret}\nm: &m {data: {a: b}}\ny: {<<: [*s, *m]}", &["b"]),
            ("m: &m {data: {a: b}}\nn: &n {<<: *m}\ny: {kind: Secret, <<: *n}", &["b"]),
            ("y: {kind: Secret, <<: {data: {a: b}}}\nz: {<<: {kind: Secret}, data: {a: c}}", &["b", "c"]),
            ("x: &s {kind: ConfigMap}\nm: &m {data: {a: b}}\ny: {<<: [*s, *m]}", &[]),
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
