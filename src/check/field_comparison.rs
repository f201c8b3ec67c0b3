//! Compares the objects of a document with the fields that Kubernetes knows.

use std::cell::OnceCell;
use std::rc::Rc;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_manifest::object::Object;
use jobplate_manifest::schema::{FieldType, ObjectType, ValueType, kind, named};
use jobplate_yaml::{Node, NodeKind};

use super::actual_type::{ActualType, is_expression};
use super::expression::{has_expression, is_patch_directive};
use super::findings::MAX_HIDDEN_FINDINGS;

/// The fields that contain the other fields of workloads. A misplaced field often belongs in one of them.
const MAIN_FIELDS: [&str; 11] = [
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "metadata",
    "securityContext",
    "resources",
    "valueFrom",
    "secretKeyRef",
    "secret",
    "httpGet",
];

/// The quantities that `invalid-quantity` examines.
const EXAMINED_QUANTITIES: [&str; 3] = ["limits", "requests", "sizeLimit"];

/// The fields that Prefect writes in the wrong place, where the API server removes them.
const MISPLACED_BY_PREFECT: [&str; 2] = ["parallelism", "completions"];

/// The maximum number of fields that a message lists.
const MAX_LISTED_FIELDS: usize = 8;

/// The maximum number of violations of an object. It limits the memory, and is as high as that of the findings of a rule.
const MAX_VIOLATIONS: usize = MAX_HIDDEN_FINDINGS;

/// A difference between an object and the fields that Kubernetes knows.
#[derive(Debug)]
pub(super) enum Violation<'a> {
    /// A mapping has a field that its type does not have.
    UnknownField(UnknownField<'a>),
    /// A value has a type other than that of its field.
    WrongType(WrongType<'a>),
}

/// The known fields that a mapping has.
pub(super) type PresentFields = Rc<[&'static str]>;

/// A field that its type does not have.
#[derive(Debug)]
pub(super) struct UnknownField<'a> {
    /// The mapping.
    pub map: Node<'a>,
    /// The type of the mapping.
    pub object_type: ObjectType,
    /// The known fields that the mapping has.
    pub present: PresentFields,
    /// The mapping in messages, such as ``an item of `volumes` ``.
    pub owner: String,
    pub key: Node<'a>,
    pub value: Node<'a>,
    /// The mapping in which a field with this name exists, in messages.
    pub correct_parent: Option<String>,
}

/// A value of a wrong type.
#[derive(Debug)]
pub(super) struct WrongType<'a> {
    pub node: Node<'a>,
    /// The value in messages, such as ``an item of `args` ``.
    pub subject: String,
    /// The field that contains the value.
    pub field: &'static str,
    pub expected: FieldType,
    pub actual: ActualType,
}

/// Returns the violations of an object. Where its kind is not known, only the variables of its containers are compared.
pub(super) fn compare<'a>(object: &Object<'a>, containers: impl Iterator<Item = Node<'a>>) -> Vec<Violation<'a>> {
    let mut comparison = Comparison { violations: Vec::new(), path: Vec::new(), is_sent_by_prefect: false };
    let mut containers = containers.peekable();
    let known = match &*object.api_version {
        // A job template of Prefect may have no `apiVersion`. Other mappings with a `kind` may be anything.
        "" if containers.peek().is_some() => named(&object.kind).filter(|known| !known.api_version().is_empty()),
        api_version => kind(api_version, &object.kind),
    };
    match known {
        Some(known) => comparison.compare_fields(object.node, known, ""),
        None => comparison.compare_variables(containers),
    }
    comparison.violations
}

/// Returns the violations of the Job in a base job template of Prefect 2 or 3.
pub(super) fn compare_job_manifest<'a>(base_job_template: Node<'a>) -> Vec<Violation<'a>> {
    let mut comparison = Comparison { violations: Vec::new(), path: Vec::new(), is_sent_by_prefect: true };
    let configuration = base_job_template.get_first("job_configuration");
    let manifest = configuration.and_then(|configuration| configuration.get_first("job_manifest"));
    if let (Some(manifest), Some(job)) = (manifest, named("Job")) {
        comparison.compare_fields(manifest, job, "");
    }
    comparison.violations
}

/// A comparison of an object with its type.
struct Comparison<'a> {
    violations: Vec<Violation<'a>>,
    /// The mappings from the object to the current one.
    path: Vec<Step<'a>>,
    /// Whether a worker of Prefect sends the object, after it has changed some fields.
    is_sent_by_prefect: bool,
}

/// A mapping on the path to a value.
struct Step<'a> {
    map: Node<'a>,
    object_type: ObjectType,
    /// The field that contains the mapping or its list, or `""` for an object.
    key: &'static str,
    /// Whether the mapping is an item of a list.
    is_item: bool,
    /// The known fields of the mapping, found on first use.
    present: OnceCell<PresentFields>,
}

impl Step<'_> {
    /// Returns the known fields of the mapping, each of them once.
    fn present(&self) -> &PresentFields {
        self.present.get_or_init(|| {
            let mut present = Vec::new();
            for (key, _) in self.map.entries() {
                let known = key.text().and_then(|name| self.object_type.field_entry(&name));
                present.extend(known.map(|(name, _)| name).filter(|name| !present.contains(name)));
            }
            present.into()
        })
    }
}

impl<'a> Comparison<'a> {
    /// Compares the entries of the lists `env` and `envFrom` in all containers.
    fn compare_variables(&mut self, containers: impl Iterator<Item = Node<'a>>) {
        let container_type = named("Container").expect("a type of Kubernetes");
        for container in containers {
            for (key, value) in container.entries() {
                let name = ["env", "envFrom"].into_iter().find(|name| key.has_text(name));
                let Some(FieldType::List(ValueType::Object(item_type))) =
                    name.and_then(|name| container_type.field(name))
                else {
                    continue;
                };
                // A custom resource may accept other forms of variables.
                for item in value.items().filter(|item| item.kind() == NodeKind::Map) {
                    self.compare_item(item, item_type, name.unwrap_or_default());
                }
            }
        }
    }

    fn compare_item(&mut self, map: Node<'a>, object_type: ObjectType, key: &'static str) {
        self.compare_step(Step { map, object_type, key, is_item: true, present: OnceCell::new() });
    }

    /// Compares a mapping with its type. `key` is the field that contains it, or `""` for an object.
    fn compare_fields(&mut self, map: Node<'a>, object_type: ObjectType, key: &'static str) {
        self.compare_step(Step { map, object_type, key, is_item: false, present: OnceCell::new() });
    }

    fn compare_step(&mut self, step: Step<'a>) {
        let (map, object_type) = (step.map, step.object_type);
        self.path.push(step);
        for (key, value) in map.entries() {
            let Some(name) = key.text() else { continue };
            match object_type.field_entry(&name) {
                Some((name, field_type)) if !self.is_compared_elsewhere(object_type, name, value) => {
                    self.compare_field(value, field_type, name);
                }
                Some(_) => {}
                None if self.is_ignored(key, &name) => {}
                None => {
                    let step = &self.path[self.path.len() - 1];
                    self.add(Violation::UnknownField(UnknownField {
                        map,
                        object_type,
                        present: Rc::clone(step.present()),
                        owner: self.owner(),
                        key,
                        value,
                        correct_parent: self.find_correct_parent(&name),
                    }));
                }
            }
        }
        self.path.pop();
    }

    fn add(&mut self, violation: Violation<'a>) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(violation);
        }
    }

    /// Returns whether a rule or the preview examines the type of a field.
    fn is_compared_elsewhere(&self, object_type: ObjectType, name: &str, value: Node<'_>) -> bool {
        match object_type.name() {
            "EnvVar" => name != "valueFrom",
            "Container" => self.is_sent_by_prefect && name == "env" && value.kind() != NodeKind::Seq,
            _ => false,
        }
    }

    /// Returns whether an unknown key is removed or replaced before the API server receives the object.
    fn is_ignored(&self, key: Node<'_>, name: &str) -> bool {
        let is_misplaced_by_prefect = self.is_sent_by_prefect && MISPLACED_BY_PREFECT.contains(&name);
        // SOPS adds this key to the encrypted object.
        let is_sops = name == "sops" && self.path.len() == 1;
        key.is_merge_key() || has_expression(name) || is_patch_directive(name) || is_sops || is_misplaced_by_prefect
    }

    /// Compares the value of a field with its type.
    fn compare_field(&mut self, value: Node<'a>, field_type: FieldType, name: &'static str) {
        match (field_type, value.kind()) {
            (FieldType::Value(value_type), _) => {
                self.compare_value(value, value_type, field_type, name, |name| format!("`{name}`"));
            }
            (FieldType::List(item_type), NodeKind::Seq) => {
                for item in value.items() {
                    self.compare_value(item, item_type, field_type, name, |name| format!("an item of `{name}`"));
                }
            }
            (FieldType::Map(value_type), NodeKind::Map) => {
                for (key, value) in value.entries() {
                    self.compare_value(value, value_type, field_type, name, |name| {
                        format!("{} in `{name}`", quote_key(&key.text().unwrap_or_default()))
                    });
                }
            }
            (expected, _) => {
                let type_of_field = match expected {
                    FieldType::List(_) => ActualType::List,
                    _ => ActualType::Map,
                };
                if let Some(actual) = ActualType::new(value).filter(|actual| *actual != type_of_field) {
                    let subject = format!("`{name}`");
                    let wrong = WrongType { node: value, subject, field: name, expected, actual };
                    self.add(Violation::WrongType(wrong));
                }
            }
        }
    }

    /// Compares a value, an item or a value of a mapping of the field `name` with its type.
    fn compare_value(
        &mut self,
        node: Node<'a>,
        value_type: ValueType,
        field_type: FieldType,
        name: &'static str,
        subject: impl FnOnce(&str) -> String,
    ) {
        match (value_type, node.kind()) {
            (ValueType::Object(_), NodeKind::Map) if is_expression(node) => return,
            (ValueType::Object(object_type), NodeKind::Map) => {
                return match field_type {
                    FieldType::List(_) => self.compare_item(node, object_type, name),
                    _ => self.compare_fields(node, object_type, name),
                };
            }
            (ValueType::Quantity, _) if EXAMINED_QUANTITIES.contains(&name) => return,
            _ => {}
        }
        let Some(actual) = ActualType::new(node) else { return };
        let actual = actual.check_limits(value_type, node);
        if !actual.matches(value_type) {
            let expected = FieldType::Value(value_type);
            let wrong = WrongType { node, subject: subject(name), field: name, expected, actual };
            self.add(Violation::WrongType(wrong));
        }
    }

    /// Returns the current mapping in messages.
    fn owner(&self) -> String {
        let current = self.path.last().expect("the current mapping");
        match current.object_type.name() {
            "EnvVar" => "a variable".to_owned(),
            "Container" | "EphemeralContainer" => "a container".to_owned(),
            name if self.path.len() == 1 && !current.is_item => format!("the {name}"),
            _ if current.is_item => format!("an item of `{}`", current.key),
            _ => format!("`{}`", self.display_path(self.path.len())),
        }
    }

    /// Returns the path to the mapping before `end`, from the object or from the nearest item of a list.
    fn display_path(&self, end: usize) -> String {
        let start = self.path[..end].iter().rposition(|step| step.is_item).map_or(1, |item| item + 1);
        let keys: Vec<&str> = self.path[start.min(end)..end].iter().map(|step| step.key).collect();
        keys.join(".")
    }

    /// Returns the mapping in which a field with a name exists: the nearest one around the current mapping that does not
    /// have the field yet, or a part of the current one.
    fn find_correct_parent(&self, name: &str) -> Option<String> {
        let (current, ancestors) = self.path.split_last()?;
        let can_have = |step: &Step<'_>| step.object_type.field(name).is_some() && !step.present().contains(&name);
        let Some(at) = ancestors.iter().rposition(can_have) else {
            return find_descendant_with(current.object_type, name, 0).map(|path| match path.ends_with("containers") {
                true => format!("an item of `{path}`"),
                false => format!("`{path}`"),
            });
        };
        Some(match ancestors[at].object_type.name() {
            "EnvVar" => "the variable".to_owned(),
            "Container" | "EphemeralContainer" => "the container".to_owned(),
            name if at == 0 => format!("the top level of the {name}"),
            _ => format!("`{}` of the {}", self.display_path(at + 1), self.path[0].object_type.name()),
        })
    }
}

/// Returns the fields of a type for a message, with `name` first, as in most manifests. Returns `None` if they are too many.
pub(super) fn list_fields(object_type: ObjectType) -> Option<String> {
    let mut fields: Vec<&str> = object_type.fields().map(|(field, _)| field).collect();
    fields.sort_by_key(|field| *field != "name");
    (fields.len() <= MAX_LISTED_FIELDS).then(|| fields.join(", "))
}

/// Returns whether one of two different names is the end of the other, such as `name` and `secretName`.
pub(super) fn have_common_end(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let start = long.len() - short.len();
    start > 0 && short.len() > 2 && long.is_char_boundary(start) && long[start..].eq_ignore_ascii_case(short)
}

/// Returns the path to the part of a type that has a field with a name, at most four steps away.
fn find_descendant_with(object_type: ObjectType, name: &str, depth: usize) -> Option<String> {
    let parts = MAIN_FIELDS.into_iter().filter_map(|part| match object_type.field(part)?.value_type() {
        ValueType::Object(inner) => Some((part, inner)),
        _ => None,
    });
    let parts: Vec<(&str, ObjectType)> = parts.collect();
    if let Some((part, _)) = parts.iter().find(|(_, inner)| inner.field(name).is_some()) {
        return Some((*part).to_owned());
    }
    let deeper = parts.into_iter().filter(|_| depth < 4);
    let found = deeper.filter_map(|(part, inner)| {
        let path = find_descendant_with(inner, name, depth + 1)?;
        Some(format!("{part}.{path}"))
    });
    found.min_by_key(|path| path.matches('.').count())
}
