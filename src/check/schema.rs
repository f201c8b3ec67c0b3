//! Compares the objects of a document with the fields that Kubernetes knows.

use jobplate_manifest::object::Object;
use jobplate_manifest::schema::{FieldType, ObjectType, ValueType, kind, named};
use jobplate_yaml::{Node, NodeKind, ScalarKind};

use super::expression::{has_expression, is_patch_directive};

/// The fields on the way to containers and their parts. A field in the wrong place often belongs into one of them.
const MAIN_FIELDS: [&str; 9] = [
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "metadata",
    "securityContext",
    "resources",
    "valueFrom",
    "secretKeyRef",
];

/// A difference between an object and the fields that Kubernetes knows.
#[derive(Debug)]
pub(super) enum Violation<'a> {
    /// A mapping has a field that its type does not have.
    UnknownField(UnknownField<'a>),
    /// A value has a type other than that of its field.
    WrongType(WrongType<'a>),
}

/// A field that its type does not have.
#[derive(Debug)]
pub(super) struct UnknownField<'a> {
    /// The mapping.
    pub map: Node<'a>,
    /// The type of the mapping.
    pub object_type: ObjectType,
    /// The mapping in messages, such as ``an item of `volumes` ``.
    pub owner: String,
    pub key: Node<'a>,
    pub value: Node<'a>,
    /// The mapping in which a field with this name exists, in messages.
    pub home: Option<String>,
}

/// A value of a wrong type.
#[derive(Debug)]
pub(super) struct WrongType<'a> {
    pub node: Node<'a>,
    /// The value in messages, such as ``an item of `args` ``.
    pub subject: String,
    pub expected: FieldType,
    pub found: Found,
}

/// What a value is in JSON, into which Kubernetes converts YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Map,
    List,
    String,
    Boolean,
    /// A number with a fraction.
    Fraction,
    Integer,
    /// An integer that is not between the limits of its type.
    LargeInteger,
}

/// Returns the violations of an object. Where its kind is not known, only the variables of its containers are compared.
pub(super) fn compare<'a>(object: &Object<'a>, containers: impl Iterator<Item = Node<'a>>) -> Vec<Violation<'a>> {
    let mut comparison = Comparison { violations: Vec::new(), path: Vec::new() };
    // A template of Prefect may have no `apiVersion`. The other workloads are named by their kind alone.
    let known = match (&*object.api_version, &*object.kind) {
        ("", kind) if !kind.is_empty() => named(kind).filter(|found| !found.api_version().is_empty()),
        (api_version, name) => kind(api_version, name),
    };
    match known {
        Some(known) => comparison.compare_fields(object.node, known, ""),
        None => comparison.compare_variables(containers),
    }
    comparison.violations
}

/// A comparison of an object with its type.
struct Comparison<'a> {
    violations: Vec<Violation<'a>>,
    /// The mappings from the object to the current one.
    path: Vec<Step<'a>>,
}

/// A mapping with its type, and the field that contains it or its list: `""` for an object.
#[derive(Clone, Copy)]
struct Step<'a> {
    map: Node<'a>,
    object_type: ObjectType,
    key: &'static str,
}

impl<'a> Comparison<'a> {
    /// Compares the entries of the lists `env` and `envFrom` in all containers.
    fn compare_variables(&mut self, containers: impl Iterator<Item = Node<'a>>) {
        for container in containers {
            for (list, item_type) in [("env", "EnvVar"), ("envFrom", "EnvFromSource")] {
                let item_type = named(item_type).expect("a type of Kubernetes");
                let items = container.get_first(list).into_iter().flat_map(Node::items);
                for item in items.filter(|item| item.kind() == NodeKind::Map) {
                    self.compare_fields(item, item_type, list);
                }
            }
        }
    }

    /// Compares a mapping with its type. `key` is the field that contains it, or `""` for an object.
    fn compare_fields(&mut self, map: Node<'a>, object_type: ObjectType, key: &'static str) {
        self.path.push(Step { map, object_type, key });
        for (key, value) in map.entries() {
            let Some(name) = key.text() else { continue };
            if let Some((name, field_type)) = object_type.field_entry(&name) {
                // `non-string-value` reports these.
                if object_type.name() != "EnvVar" || name == "valueFrom" {
                    self.compare_field(value, field_type, name);
                }
            // SOPS adds `sops` to an encrypted object, and removes it before the object is sent.
            } else if !key.is_merge_key() && !has_expression(&name) && !is_patch_directive(&name) && name != "sops" {
                let (owner, home) = (self.owner(), self.find_home(&name));
                let unknown = UnknownField { map, object_type, owner, key, value, home };
                self.violations.push(Violation::UnknownField(unknown));
            }
        }
        self.path.pop();
    }

    /// Compares the value of a field with its type.
    fn compare_field(&mut self, value: Node<'a>, field_type: FieldType, name: &'static str) {
        match field_type {
            FieldType::Value(value_type) => self.compare_value(value, value_type, field_type, name),
            FieldType::List(item_type) if value.kind() == NodeKind::Seq => {
                value.items().for_each(|item| self.compare_value(item, item_type, field_type, name));
            }
            FieldType::Map(value_type) if value.kind() == NodeKind::Map => {
                value.entries().for_each(|(_, value)| self.compare_value(value, value_type, field_type, name));
            }
            FieldType::List(_) | FieldType::Map(_) => {
                let expected = if matches!(field_type, FieldType::List(_)) { Found::List } else { Found::Map };
                if let Some(found) = Found::new(value).filter(|found| *found != expected) {
                    let subject = format!("`{name}`");
                    self.violations.push(Violation::WrongType(WrongType {
                        node: value,
                        subject,
                        expected: field_type,
                        found,
                    }));
                }
            }
        }
    }

    /// Compares a value, an item or a value of a mapping of the field `name` with its type.
    fn compare_value(&mut self, node: Node<'a>, value_type: ValueType, field_type: FieldType, name: &'static str) {
        if let (ValueType::Object(object_type), NodeKind::Map) = (value_type, node.kind()) {
            if !is_expression(node) {
                self.compare_fields(node, object_type, name);
            }
            return;
        }
        let Some(found) = Found::new(node) else { return };
        let found = found.within(value_type, node);
        let is_expected = match value_type {
            ValueType::Any => true,
            ValueType::String => found == Found::String,
            ValueType::Boolean => found == Found::Boolean,
            ValueType::Int32 | ValueType::Int64 => found == Found::Integer,
            ValueType::IntOrString => matches!(found, Found::String | Found::Integer),
            // `invalid-quantity` reports the requests and limits of containers.
            ValueType::Quantity if matches!(field_type, FieldType::Map(_)) => true,
            ValueType::Quantity => matches!(found, Found::String | Found::Integer | Found::Fraction),
            ValueType::Object(_) => found == Found::Map,
        };
        if !is_expected {
            let subject = match field_type {
                FieldType::Value(_) => format!("`{name}`"),
                FieldType::List(_) => format!("an item of `{name}`"),
                FieldType::Map(_) => format!("a value of `{name}`"),
            };
            let expected = FieldType::Value(value_type);
            self.violations.push(Violation::WrongType(WrongType { node, subject, expected, found }));
        }
    }

    /// Returns the current mapping in messages.
    fn owner(&self) -> String {
        let (current, around) = self.path.split_last().expect("the current mapping");
        let is_value = |outer: &Step<'_>| matches!(outer.object_type.field(current.key), Some(FieldType::Value(_)));
        match current.object_type.name() {
            "EnvVar" => "a variable".to_owned(),
            "Container" | "EphemeralContainer" => "a container".to_owned(),
            name if !current.object_type.api_version().is_empty() => format!("the {name}"),
            _ if around.last().is_some_and(is_value) => format!("`{}`", current.key),
            _ => format!("an item of `{}`", current.key),
        }
    }

    /// Returns the mapping in which a field with a name exists: the nearest one around the current mapping that does not
    /// have the field yet, or a part of the current one.
    fn find_home(&self, name: &str) -> Option<String> {
        let (current, around) = self.path.split_last()?;
        let can_have = |step: &Step<'_>| step.object_type.field(name).is_some() && step.map.get_first(name).is_none();
        let Some(at) = around.iter().rposition(can_have) else {
            return find_inside(current.object_type, name, 0).map(|path| match path.ends_with("containers") {
                true => format!("an item of `{path}`"),
                false => format!("`{path}`"),
            });
        };
        Some(match around[at].object_type.name() {
            "EnvVar" => "the variable".to_owned(),
            "Container" | "EphemeralContainer" => "the container".to_owned(),
            name if at == 0 => format!("the top level of the {name}"),
            _ => {
                let keys: Vec<&str> = around[1..=at].iter().map(|step| step.key).collect();
                format!("`{}`", keys.join("."))
            }
        })
    }
}

/// Returns the path to the part of a type that has a field with a name, at most four steps away.
fn find_inside(object_type: ObjectType, name: &str, depth: usize) -> Option<String> {
    let parts = MAIN_FIELDS.into_iter().filter_map(|part| match object_type.field(part)?.value_type() {
        ValueType::Object(inner) => Some((part, inner)),
        _ => None,
    });
    let parts: Vec<(&str, ObjectType)> = parts.collect();
    if let Some((part, _)) = parts.iter().find(|(_, inner)| inner.field(name).is_some()) {
        return Some((*part).to_owned());
    }
    let deeper = parts.into_iter().filter(|_| depth < 4);
    let found = deeper.filter_map(|(part, inner)| Some(format!("{part}.{}", find_inside(inner, name, depth + 1)?)));
    found.min_by_key(|path| path.matches('.').count())
}

impl Found {
    /// Returns the type in messages, with its article.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Found::Map => "a mapping",
            Found::List => "a list",
            Found::String => "a string",
            Found::Boolean => "a boolean",
            Found::Fraction => "a fraction",
            Found::Integer | Found::LargeInteger => "a number",
        }
    }

    /// Returns what a value is, or `None` if it is null, or if it is not known: a tag, or an expression of a template.
    fn new(node: Node<'_>) -> Option<Found> {
        if node.tag().is_some() || is_expression(node) {
            return None;
        }
        match (node.kind(), node.scalar_kind()) {
            (NodeKind::Alias, _) => node.alias_target().filter(|target| target.is_scalar()).and_then(Found::new),
            (NodeKind::Map, _) => Some(Found::Map),
            (NodeKind::Seq, _) => Some(Found::List),
            (_, ScalarKind::Null | ScalarKind::NonFinite) => None,
            (_, ScalarKind::Bool) => Some(Found::Boolean),
            (_, ScalarKind::String) => Some(Found::String),
            (_, ScalarKind::Number) => {
                let number = node.text()?.replace('_', "").parse::<f64>();
                Some(if number.is_ok_and(|number| number.fract() != 0.0) { Found::Fraction } else { Found::Integer })
            }
        }
    }

    /// Returns [`Found::LargeInteger`] for a decimal integer that is not between the limits of its type.
    fn within(self, value_type: ValueType, node: Node<'_>) -> Found {
        let bits = match value_type {
            ValueType::Int32 | ValueType::IntOrString => 31,
            ValueType::Int64 => 63,
            _ => return self,
        };
        let number = node.text().filter(|_| self == Found::Integer).and_then(|text| text.parse::<i128>().ok());
        let is_large = number.is_some_and(|number| !(-(1_i128 << bits)..1_i128 << bits).contains(&number));
        if is_large { Found::LargeInteger } else { self }
    }
}

/// Returns whether a program will replace a value, such as `{{ name }}`, or `"${NAME}"` in a scalar.
fn is_expression(node: Node<'_>) -> bool {
    node.raw().starts_with("{{") || node.is_scalar() && has_expression(node.raw())
}
