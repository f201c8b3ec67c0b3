//! Finds secrets in plain text in a document, by the name of the variable, key or flag, and by their shape.
//!
//! Manifests also contain documents in strings: the data of a ConfigMap, or the annotation in which `kubectl apply` keeps
//! the last manifest. Secrets in them are found, too.

use std::borrow::Cow;
use std::ops::Range;

use jobplate_manifest::credentials::{
    CommandLineReader, add_assigned_credentials, find_shaped_credentials, is_placeholder,
};
use jobplate_manifest::embedded::{can_hold_document, is_config_map};
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::sops;
use jobplate_prefect::base_job_template;
use jobplate_yaml::{DecodedScalar, Document, Documents, Node, NodeArena, NodeKind, read};

use super::benign_literals::{is_benign_part, is_public_pem};
use super::evidence::{self, Evidence};
use super::named_secrets::{LiteralKind, is_named_secret, may_be_file_name};

/// The maximum depth of documents in strings.
const MAX_DEPTH: usize = 4;

/// The maximum length of a name that is examined, in bytes. Each item of a list has a copy of its name.
const MAX_NAME_LENGTH: usize = 253;

/// The keys of a variable's schema in a base job template that hold a value.
const SCHEMA_VALUES: [&str; 2] = ["default", "const"];

/// A secret in plain text.
#[derive(Debug)]
pub(super) struct PlainSecret {
    /// The index of the scalar that contains the secret.
    pub node: u32,
    /// The byte range in the document: the whole scalar, or the part that is the secret.
    pub span: Range<usize>,
    /// What the scalar is.
    pub kind: LiteralKind,
    /// The name of the variable or key, or the flag before the argument.
    pub name: Option<String>,
    /// Whether the whole scalar is the secret.
    pub is_whole: bool,
    /// Why the value counts as a secret.
    pub evidence: Evidence,
}

/// Finds the secrets of a document, in document order.
pub(super) fn find(document: Document<'_>) -> Vec<PlainSecret> {
    find_in_document(document, Scope::Object, 0)
}

/// How the children of a node are named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// An object of Kubernetes: only keys with a special meaning name their values.
    Object,
    /// The root of a ConfigMap.
    ConfigMap,
    /// A list of variables.
    Env,
    /// A mapping whose keys name their values.
    Keys,
    /// The configuration of a program: all keys name their values, at any depth.
    Config,
    /// The generators of a kustomization.
    Generators,
    /// A base job template.
    Template,
    /// The schemas of a base job template's variables.
    Variables,
    /// The properties of these schemas.
    Properties,
    /// The schema of one variable.
    Schema,
}

/// What is known about a node from the nodes that contain it.
#[derive(Clone)]
struct Label<'a> {
    kind: LiteralKind,
    scope: Scope,
    name: Option<Cow<'a, str>>,
}

impl<'a> Label<'a> {
    fn new(kind: LiteralKind, scope: Scope) -> Self {
        Label { kind, scope, name: None }
    }

    fn named(self, name: Option<Cow<'a, str>>) -> Self {
        Label { name: name.filter(|name| name.len() <= MAX_NAME_LENGTH), ..self }
    }
}

/// Finds the secrets of a document that `depth` strings contain. `scope` applies to a document that is not an object.
fn find_in_document(document: Document<'_>, scope: Scope, depth: usize) -> Vec<PlainSecret> {
    let mut finder = Finder { template: None, depth, found: Vec::new() };
    let fragment = match scope {
        Scope::Config => Label::new(LiteralKind::Setting, scope),
        _ => Label::new(LiteralKind::Other, scope),
    };
    match objects(document) {
        Ok(objects) if !objects.is_empty() => {
            objects.iter().for_each(|object| finder.visit_object(object, fragment.clone()));
        }
        _ => finder.visit(document.root(), fragment),
    }
    finder.found.sort_by_key(|secret| secret.span.start);
    finder.found
}

struct Finder<'a> {
    /// The base job template of the object.
    template: Option<Node<'a>>,
    depth: usize,
    found: Vec<PlainSecret>,
}

impl<'a> Finder<'a> {
    /// Visits an object. `fragment` is the label of a document that is not an object.
    fn visit_object(&mut self, object: &Object<'a>, fragment: Label<'a>) {
        self.template = base_job_template::find(object);
        let label = match () {
            () if sops::metadata_key(object.node).is_some() => return,
            () if is_config_map(object) => Label::new(LiteralKind::Other, Scope::ConfigMap),
            () if object.kind.is_empty() && object.api_version.is_empty() && self.template.is_none() => fragment,
            () => Label::new(LiteralKind::Other, Scope::Object),
        };
        self.visit(object.node, label);
    }

    /// Visits a node and all nodes below it, in document order.
    fn visit(&mut self, root: Node<'a>, label: Label<'a>) {
        let mut pending = vec![(root, label)];
        while let Some((node, label)) = pending.pop() {
            let first = pending.len();
            match node.kind() {
                NodeKind::Map => self.visit_map(node, &label, &mut pending),
                NodeKind::Seq => visit_seq(node, label, &mut pending),
                NodeKind::Alias | NodeKind::Empty => {}
                _ => self.examine(node, &label),
            }
            pending[first..].reverse();
        }
    }

    /// Adds the values of a mapping to `pending`.
    fn visit_map(&mut self, map: Node<'a>, label: &Label<'a>, pending: &mut Vec<(Node<'a>, Label<'a>)>) {
        let is_template = self.template.is_some_and(|template| template.index() == map.index());
        let scope = if is_template { Scope::Template } else { label.scope };
        let fields = NamingFields::read(map);
        if fields.is_secret {
            return;
        }
        let mut command = ContainerCommand::default();
        for (key, value) in map.entries() {
            let text = key.text().unwrap_or_default();
            let is_map = value.kind() == NodeKind::Map;
            let child = match (&*text, scope) {
                ("value", _) if fields.has_value => {
                    let kind = if scope == Scope::Env { LiteralKind::Variable } else { LiteralKind::Setting };
                    let name = fields.name.clone().filter(|name| !name.contains('=') && !is_placeholder(name.trim()));
                    Label::new(kind, Scope::Object).named(name)
                }
                ("properties", Scope::Variables) => Label::new(LiteralKind::Other, Scope::Properties),
                (_, Scope::Properties) => Label::new(LiteralKind::Other, Scope::Schema).named(key.text()),
                (name, Scope::Schema) if SCHEMA_VALUES.contains(&name) => {
                    Label::new(LiteralKind::Setting, Scope::Config).named(label.name.clone())
                }
                ("secretGenerator" | "configMapGenerator", _) => Label::new(LiteralKind::Other, Scope::Generators),
                ("literals", Scope::Generators) => Label::new(LiteralKind::Setting, Scope::Object).named(key.text()),
                ("variables", Scope::Template) => Label::new(LiteralKind::Other, Scope::Variables),
                ("data", Scope::ConfigMap) => Label::new(LiteralKind::Setting, Scope::Keys),
                (_, Scope::Config) => Label::new(LiteralKind::Setting, scope).named(key.text()),
                (_, Scope::Keys) => Label::new(label.kind, Scope::Object).named(key.text()),
                ("env", _) if is_map => Label::new(LiteralKind::Variable, Scope::Keys),
                ("env", _) => Label::new(LiteralKind::Other, Scope::Env),
                ("headers" | "httpHeaders", _) if is_map => Label::new(LiteralKind::Setting, Scope::Keys),
                ("annotations", _) => Label::new(LiteralKind::Annotation, Scope::Keys),
                (list @ ("command" | "args"), _) if value.kind() == NodeKind::Seq => {
                    command.add(list, value);
                    continue;
                }
                _ => Label::new(LiteralKind::Other, Scope::Object).named(key.text()),
            };
            pending.push((value, child));
        }
        command.visit(pending, &mut self.found);
    }

    /// Finds the secrets of a scalar.
    fn examine(&mut self, node: Node<'a>, label: &Label<'a>) {
        let Some(text) = node.text() else { return };
        let secret = |span, is_whole, evidence| {
            let name = label.name.as_deref().map(str::to_owned);
            PlainSecret { node: node.index(), span, kind: label.kind, name, is_whole, evidence }
        };
        let secret_name = label.name.as_deref().filter(|name| is_named_secret(label.kind, name, &text));
        let is_file = label.kind == LiteralKind::Setting && text.trim_end().contains('\n');
        // The name of a file with documents counts only if nothing is found in them.
        if (is_file || secret_name.is_none())
            && let Some(found) = self.find_inside(node, &text, label)
            && (!found.is_empty() || secret_name.is_none_or(may_be_file_name))
        {
            self.found.extend(found);
            return;
        }
        if let Some(name) = secret_name {
            let evidence = evidence::of_named(label.kind, name, &text, &find_shaped_credentials(&text));
            self.found.push(secret(node.span(), true, evidence));
            return;
        }
        let mut shaped = find_shaped_credentials(&text);
        shaped.retain(|range| !is_benign_part(&text, range));
        let has_shape = |range: &Range<usize>| {
            let next = shaped.partition_point(|shape| shape.end <= range.start);
            shaped.get(next).is_some_and(|shape| shape.start < range.end)
        };
        let mut all = shaped.clone();
        if label.kind != LiteralKind::Other {
            all = add_assigned_credentials(&text, all);
        }
        all.retain(|range| has_shape(range) || !is_benign_part(&text, range));
        if all.is_empty() || is_public_pem(&text) {
            return;
        }
        let decoded = DecodedScalar::new(node);
        self.found.extend(all.into_iter().map(|range| {
            let is_whole = range == (0..text.len());
            let evidence = match has_shape(&range) {
                true => evidence::of_shape(&text, &range),
                false => evidence::of_assignment(label.kind, label.name.as_deref(), &text, &range),
            };
            secret(if is_whole { node.span() } else { decoded.source_range(range) }, is_whole, evidence)
        }));
    }

    /// Finds the secrets in the documents that a scalar contains. Returns `None` if it contains none.
    fn find_inside(&self, node: Node<'a>, text: &str, label: &Label<'a>) -> Option<Vec<PlainSecret>> {
        let is_json = text.trim_start().starts_with(['{', '[']);
        let is_yaml = || text.contains('\n') && text.contains(':');
        if self.depth == MAX_DEPTH || !can_hold_document(node) || !is_json && !is_yaml() {
            return None;
        }
        let decoded = DecodedScalar::new(node);
        let mut documents = Documents::new(decoded.text().as_bytes(), usize::MAX);
        let mut found = Vec::new();
        // Reading from memory cannot fail, so an error is not handled.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let text = &decoded.text()[offset..offset + chunk.bytes.len()];
            let mut arena = NodeArena::default();
            read(text, &mut arena).ok()?;
            let document = Document::new(text, &arena);
            let holds_mapping = |root: Node<'_>| match root.kind() {
                NodeKind::Map | NodeKind::Empty => true,
                NodeKind::Seq => root.items().any(|item| item.kind() == NodeKind::Map),
                _ => false,
            };
            if !holds_mapping(document.root()) {
                return None;
            }
            let scope = if label.kind == LiteralKind::Other { Scope::Object } else { Scope::Config };
            found.extend(find_in_document(document, scope, self.depth + 1).into_iter().map(|inner| {
                let span = decoded.source_range(offset + inner.span.start..offset + inner.span.end);
                PlainSecret { node: node.index(), span, ..inner }
            }));
        }
        Some(found)
    }
}

/// The fields of a mapping that say what its other fields are.
#[derive(Default)]
struct NamingFields<'a> {
    /// The name of the variable or setting with the `value` of the mapping.
    name: Option<Cow<'a, str>>,
    /// Whether `value` is a scalar.
    has_value: bool,
    /// Whether the mapping is a Secret with data.
    is_secret: bool,
}

impl<'a> NamingFields<'a> {
    fn read(map: Node<'a>) -> Self {
        let (mut fields, mut has_data) = (NamingFields::default(), false);
        for (key, value) in map.entries() {
            match &*key.text().unwrap_or_default() {
                "name" => fields.name = value.text(),
                "key" if fields.name.is_none() => fields.name = value.text(),
                "value" => fields.has_value = value.is_scalar(),
                "kind" => fields.is_secret = value.has_text("Secret"),
                "data" | "stringData" => has_data = true,
                _ => {}
            }
        }
        fields.is_secret &= has_data;
        fields
    }
}

/// Adds the items of a list to `pending`.
fn visit_seq<'a>(seq: Node<'a>, label: Label<'a>, pending: &mut Vec<(Node<'a>, Label<'a>)>) {
    pending.extend(seq.items().map(|item| (item, label.clone())));
}

/// The words of `command` and `args`, which are one command line.
#[derive(Default)]
struct ContainerCommand<'a> {
    command: Option<Node<'a>>,
    args: Option<Node<'a>>,
}

impl<'a> ContainerCommand<'a> {
    fn add(&mut self, key: &str, words: Node<'a>) {
        let list = if key == "command" { &mut self.command } else { &mut self.args };
        list.get_or_insert(words);
    }

    /// Adds the words to `pending`, each with the flag before it if that flag names a secret. Adds the secrets that are
    /// attached to a short flag to `found`.
    fn visit(&self, pending: &mut Vec<(Node<'a>, Label<'a>)>, found: &mut Vec<PlainSecret>) {
        let (mut reader, mut flag) = (CommandLineReader::default(), None::<Cow<'a, str>>);
        for item in self.command.into_iter().chain(self.args).flat_map(Node::items) {
            let text = item.text().unwrap_or_default();
            let word = text.trim();
            reader.read(word);
            let label = Label::new(LiteralKind::Argument, Scope::Object).named(flag.take());
            flag = Some(text.clone()).filter(|_| reader.is_secret_flag(word));
            let start = text.len() - text.trim_start().len();
            let attached = reader.attached_value(word).map(|offset| start + offset..start + word.len());
            match attached.filter(|part| item.is_scalar() && !is_benign_part(&text, part)) {
                Some(part) => {
                    let (kind, evidence) = (LiteralKind::Argument, Evidence::Name);
                    let span = DecodedScalar::new(item).source_range(part);
                    found.push(PlainSecret { node: item.index(), span, kind, name: None, is_whole: false, evidence });
                }
                None => pending.push((item, label)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let mut arena = NodeArena::default();
        read(text, &mut arena).unwrap();
        find(Document::new(text, &arena)).len()
    }

    #[test]
    fn a_token_inside_of_an_expression_is_found() {
        let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        for line in [
            format!("x --secret {{\"a\":\"{token}\"}}"),
            format!("TOKEN=$(echo {token}) x"),
            format!("export TOKEN=`echo {token}`; x"),
            format!("x --tokens [\"{token}\"]"),
            "PASSWORD=\"$U postgres://a:hunter2@db\" x".to_owned(),
        ] {
            let line = line.replace('\'', "''");
            assert_eq!(count(&format!("kind: ConfigMap\napiVersion: v1\ndata:\n  run.sh: '{line}'\n")), 1, "{line}");
        }
    }

    #[test]
    fn a_secret_name_counts_if_nothing_is_found_in_the_file() {
        for (name, expected) in [("passwords", 1), ("DB_PASSWORD", 1), ("credentials", 0), ("my-key", 0)] {
            let text =
                format!("kind: ConfigMap\napiVersion: v1\ndata:\n  {name}: |\n    etl: hunter2\n    admin: x9\n");
            assert_eq!(count(&text), expected, "{name}");
        }
    }
}
