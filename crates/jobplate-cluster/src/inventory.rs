//! Collects the objects to apply without sending requests: checks each object, rejects duplicates, and records the
//! requirements of each object.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

use crate::document::Document;
use crate::kinds::{RBAC_API_VERSION, built_in_resource};
use crate::namespaces::Namespaces;
use crate::object::InputObject;
use crate::outcome::DryRunResult;
use crate::phases::Stage;
use crate::report::ReportRow;
use crate::spool::Spool;

/// An object of the input and the state of its apply.
pub(crate) struct InventoryEntry {
    pub object: Rc<InputObject>,
    /// The object's row in the report.
    pub row: ReportRow,
    /// The stage in which the object is applied.
    pub stage: Stage,
    /// The resource that the object provides to other objects, if any.
    pub provides: Option<ProvidedResource>,
    /// The resources that the object requires from other objects.
    pub requirements: Requirements,
    /// Whether the object's dry run is skipped, because the object needs a resource that only this run creates or
    /// changes.
    pub skips_dry_run: bool,
    /// The result of the object's dry run.
    pub dry_run: DryRunResult,
    /// The live object as JSON, until it is reported. Empty if it is not reported.
    pub live: Vec<u8>,
    /// Whether the object is a Job with `ttlSecondsAfterFinished`. The server removes such a Job some time after it has
    /// finished.
    pub has_ttl: bool,
}

impl InventoryEntry {
    /// Creates the entry for `object`. `node` is the object's mapping in the document.
    fn new(object: InputObject, node: Node<'_>) -> Self {
        let (kind, namespace) = (&*object.kind, &*object.namespace);
        let provides = match (&*object.api_version, kind) {
            ("v1", "Namespace") => Some(ProvidedResource::Namespace(object.name().to_owned())),
            _ if object.is_crd() => defined_kind(node),
            (RBAC_API_VERSION, "Role" | "ClusterRole") => {
                Some(ProvidedResource::Role(role_key(kind, namespace, object.name())))
            }
            _ => None,
        };
        let stage = Stage::for_object(&object);
        let namespaced = built_in_resource(&object.api_version, kind).is_none_or(|resource| resource.namespaced);
        let requirements = Requirements {
            namespace: namespaced.then(|| namespace.to_owned()),
            kind: (object.group().to_owned(), kind.to_owned()),
            role: bound_role(&object, node),
        };
        let has_ttl = stage == Stage::Jobs && has_ttl(node);
        let (row, object) = (ReportRow::new(&object), Rc::new(object));
        InventoryEntry {
            object,
            row,
            stage,
            provides,
            requirements,
            skips_dry_run: false,
            dry_run: DryRunResult::NotRun,
            live: Vec::new(),
            has_ttl,
        }
    }
}

/// The group, kind, namespace and name of an object. They identify the object in every version of its API.
type ObjectKey = [String; 4];

/// A resource that an object provides to other objects.
#[derive(Clone)]
pub(crate) enum ProvidedResource {
    /// A namespace, by name.
    Namespace(String),
    /// A kind, by group and name.
    Kind(String, String),
    /// A Role or ClusterRole, by key.
    Role(RoleKey),
}

/// The resources that must exist before an object can be created.
pub(crate) struct Requirements {
    /// The object's namespace, or `None` if its kind is a built-in kind that is not namespaced.
    namespace: Option<String>,
    /// The group and kind of the object.
    kind: (String, String),
    /// The Role or ClusterRole that the object refers to, if it is a binding.
    role: Option<RoleKey>,
}

/// The kind, namespace (empty for a ClusterRole) and name of a Role or ClusterRole.
type RoleKey = [String; 3];

/// The resources that a set of objects provides.
#[derive(Default)]
pub(crate) struct ProvidedResources {
    /// The names of namespaces.
    namespaces: HashSet<String>,
    /// The groups and names of kinds.
    kinds: HashSet<(String, String)>,
    /// Roles and ClusterRoles.
    roles: HashSet<RoleKey>,
}

impl ProvidedResources {
    /// Collects the resources that the entries provide.
    pub(crate) fn from_entries<'e>(entries: impl Iterator<Item = &'e InventoryEntry>) -> Self {
        let mut provided = ProvidedResources::default();
        for resource in entries.filter_map(|entry| entry.provides.clone()) {
            match resource {
                ProvidedResource::Namespace(name) => drop(provided.namespaces.insert(name)),
                ProvidedResource::Kind(group, kind) => drop(provided.kinds.insert((group, kind))),
                ProvidedResource::Role(role) => drop(provided.roles.insert(role)),
            }
        }
        provided
    }

    /// Returns whether at least one of an object's requirements is provided.
    pub(crate) fn satisfies_any(&self, requirements: &Requirements) -> bool {
        requirements.namespace.as_ref().is_some_and(|namespace| self.namespaces.contains(namespace))
            || self.kinds.contains(&requirements.kind)
            || requirements.role.as_ref().is_some_and(|role| self.roles.contains(role))
    }

    /// Returns whether the kind of an object is provided.
    pub(crate) fn provides_kind_of(&self, object: &InputObject) -> bool {
        self.kinds.contains(&(object.group().to_owned(), object.kind.to_string()))
    }
}

/// The objects to apply.
pub(crate) struct Inventory {
    /// The objects, in input order.
    pub entries: Vec<InventoryEntry>,
    /// The resources that the objects provide.
    pub provided: ProvidedResources,
}

/// Reads the objects of all documents, and stores their bodies in a spool.
///
/// # Errors
/// Fails if a document or an object is invalid, if an object is a duplicate or contradicts `-n`, if there are no
/// objects, or if the temporary file cannot be written.
pub(crate) fn read_inventory(
    documents: impl IntoIterator<Item = Result<Document>>,
    namespaces: &Namespaces,
) -> Result<Inventory> {
    let mut entries = Vec::new();
    let mut first_locations: HashMap<ObjectKey, (Rc<str>, usize)> = HashMap::new();
    let spool = Rc::new(Spool::new());
    for document in documents {
        let document = document?;
        InputObject::visit_all(&document, namespaces, &spool, &mut |object, node| {
            namespaces.check(object.manifest_namespace.as_ref(), node).map_err(|error| document.locate(error))?;
            if !object.uses_generate_name {
                let key = [object.group(), &object.kind, &object.namespace, object.name()].map(str::to_owned);
                if let Some((file, line)) = first_locations.insert(key, (Rc::clone(&document.file), object.line())) {
                    let message = format!("duplicate object {}/{} in the input", object.kind, object.name());
                    let hint = format!("the first is at {file}:{line}; remove one of the two");
                    return Err(object.locate(Error::input(message).hint(hint)));
                }
            }
            entries.push(InventoryEntry::new(object, node));
            Ok(())
        })?;
    }
    if entries.is_empty() {
        return Err(
            Error::input("no Kubernetes object found in the input").hint("pass a manifest, or `-` for standard input")
        );
    }
    let provided = ProvidedResources::from_entries(entries.iter());
    Ok(Inventory { entries, provided })
}

fn role_key(kind: &str, namespace: &str, name: &str) -> RoleKey {
    [kind, if kind == "Role" { namespace } else { "" }, name].map(str::to_owned)
}

/// Returns the key of the Role or ClusterRole that a binding refers to. Returns `None` for other objects and for a
/// binding without a complete reference.
fn bound_role(object: &InputObject, root: Node<'_>) -> Option<RoleKey> {
    if &*object.api_version != RBAC_API_VERSION || !matches!(&*object.kind, "RoleBinding" | "ClusterRoleBinding") {
        return None;
    }
    let read_text = |key| {
        Some(FieldPath::from_keys(&["roleRef", key]).resolve(root)).filter(|field| field.is_complete)?.node.text()
    };
    Some(role_key(&read_text("kind")?, &object.namespace, &read_text("name")?))
}

fn has_ttl(job: Node<'_>) -> bool {
    let field = FieldPath::from_keys(&["spec", "ttlSecondsAfterFinished"]).resolve(job);
    field.is_complete && !field.node.is_null()
}

fn defined_kind(crd: Node<'_>) -> Option<ProvidedResource> {
    let spec = crd.get("spec").ok()??;
    let kind = spec.get("names").ok()??.get("kind").ok()??;
    Some(ProvidedResource::Kind(spec.get("group").ok()??.text()?.into_owned(), kind.text()?.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::OriginalText;

    /// Creates a List of Jobs, with one replacement in each Job.
    fn list_of_jobs(count: usize) -> Document {
        let mut text = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
        let mut changes = Vec::new();
        for index in 0..count {
            text.push_str(&format!("- apiVersion: batch/v1\n  kind: Job\n  metadata:\n    name: job-{index}\n"));
            changes.push((text.len()..text.len(), 0));
            text.push_str("  spec: {ttlSecondsAfterFinished: 60, template: {spec: {containers: [{name: flow}]}}}\n");
        }
        let source = OriginalText::new(&text, changes);
        Document::new("jobs.yaml", 1, text).with_original(source)
    }

    #[test]
    fn reads_a_list_in_linear_time() {
        let read = |&count: &usize| {
            let namespaces = Namespaces { requested: None, default: "default".into() };
            let Inventory { entries, .. } = read_inventory([Ok(list_of_jobs(count))], &namespaces).unwrap();
            assert_eq!(entries.len(), count);
            assert!(entries.iter().all(|entry| entry.has_ttl) && entries[count - 1].row.line == 5 * count - 1);
        };
        jobplate_growth::assert_linear(8_000, |count| count, read);
    }
}
