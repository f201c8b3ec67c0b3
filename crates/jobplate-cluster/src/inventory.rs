//! What there is to apply, found out without the server: every object once, what is wrong with it, and which others
//! it needs.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

use crate::document::Document;
use crate::kinds::{RBAC, built_in};
use crate::namespaces::Namespaces;
use crate::object::InputObject;
use crate::outcome::Tried;
use crate::phases::Stage;
use crate::report::ReportRow;
use crate::spool::Spool;

/// An object of the input, and how far it is.
pub(crate) struct Entry {
    /// The object.
    pub subject: Rc<InputObject>,
    /// What the report will say.
    pub row: ReportRow,
    /// When it is sent.
    pub stage: Stage,
    /// What others may need it for.
    pub brings: Option<Brings>,
    /// What it needs of others.
    pub needs: Needs,
    /// What it needs is new, and made by this very run, so that it can't be tried.
    pub untriable: bool,
    /// What its trial saw.
    pub tried: Tried,
    /// A Job that the server removes some time after it has ended.
    pub passes: bool,
}

impl Entry {
    /// Describes an object with its mapping.
    fn new(subject: InputObject, node: Node<'_>) -> Self {
        let (kind, namespace) = (&*subject.kind, &*subject.namespace);
        let brings = match (&*subject.api_version, kind) {
            ("v1", "Namespace") => Some(Brings::Namespace(subject.name().to_owned())),
            _ if subject.is_crd() => defined_kind(node),
            (RBAC, "Role" | "ClusterRole") => Some(Brings::Role(role(kind, namespace, subject.name()))),
            _ => None,
        };
        let stage = Stage::of(&subject);
        let namespaced = built_in(&subject.api_version, kind).is_none_or(|resource| resource.namespaced);
        let needs = Needs {
            namespace: namespaced.then(|| namespace.to_owned()),
            kind: (subject.group().to_owned(), kind.to_owned()),
            role: bound_role(&subject, node),
        };
        let passes = stage == Stage::Last && has_ttl(node);
        let (row, subject) = (ReportRow::new(&subject), Rc::new(subject));
        Entry { subject, row, stage, brings, needs, untriable: false, tried: Tried::Not, passes }
    }
}

/// Group, kind, namespace and name: what an object is, whatever version it is written in.
type Identity = [String; 4];

/// What an object brings that others may need.
#[derive(Clone)]
pub(crate) enum Brings {
    /// A namespace of this name.
    Namespace(String),
    /// A kind of a group.
    Kind(String, String),
    /// A Role of a namespace, or a ClusterRole.
    Role(Role),
}

/// What an object can't be on a server without.
pub(crate) struct Needs {
    namespace: Option<String>,
    /// Its group and kind.
    kind: (String, String),
    /// The Role that it binds.
    role: Option<Role>,
}

/// A Role by kind, namespace (empty for a ClusterRole) and name.
type Role = [String; 3];

/// What documents bring themselves.
#[derive(Default)]
pub(crate) struct Brought {
    /// Names of namespaces.
    namespaces: HashSet<String>,
    /// Groups and kinds.
    kinds: HashSet<(String, String)>,
    /// What bindings bind.
    roles: HashSet<Role>,
}

impl Brought {
    /// What these entries bring.
    pub(crate) fn by<'e>(entries: impl Iterator<Item = &'e Entry>) -> Self {
        let mut brought = Brought::default();
        for brings in entries.filter_map(|entry| entry.brings.clone()) {
            match brings {
                Brings::Namespace(name) => drop(brought.namespaces.insert(name)),
                Brings::Kind(group, kind) => drop(brought.kinds.insert((group, kind))),
                Brings::Role(role) => drop(brought.roles.insert(role)),
            }
        }
        brought
    }

    /// Whether a namespace, a kind or a Role that an object needs is brought.
    pub(crate) fn holds(&self, needs: &Needs) -> bool {
        needs.namespace.as_ref().is_some_and(|namespace| self.namespaces.contains(namespace))
            || self.kinds.contains(&needs.kind)
            || needs.role.as_ref().is_some_and(|role| self.roles.contains(role))
    }

    /// Whether an object's kind is brought.
    pub(crate) fn has_kind(&self, subject: &InputObject) -> bool {
        self.kinds.contains(&(subject.group().to_owned(), subject.kind.to_string()))
    }
}

/// Everything that there is to apply.
pub(crate) struct Inventory {
    /// All objects, in the order of the input.
    pub entries: Vec<Entry>,
    /// What they bring.
    pub brought: Brought,
}

/// Looks at every object once, and keeps its texts in a spool.
///
/// # Errors
/// Fails at the first fault of an object, and where there is none.
pub(crate) fn inventory(
    documents: impl IntoIterator<Item = Result<Document>>,
    namespaces: &Namespaces,
) -> Result<Inventory> {
    let mut entries = Vec::new();
    let mut seen: HashMap<Identity, (Rc<str>, usize)> = HashMap::new();
    let spool = Rc::new(Spool::new());
    for document in documents {
        let document = document?;
        InputObject::each(&document, namespaces, &spool, &mut |subject, node| {
            namespaces.check(subject.own_namespace.as_ref(), node).map_err(|error| document.place(error))?;
            if !subject.generated {
                let own = [subject.group(), &subject.kind, &subject.namespace, subject.name()].map(str::to_owned);
                if let Some((file, line)) = seen.insert(own, (Rc::clone(&document.file), subject.line())) {
                    let what = format!("{}/{} stands in the input twice", subject.kind, subject.name());
                    let first = format!("the first is in {file}, line {line}; remove one of the two");
                    return Err(subject.place(Error::input(what).hint(first)));
                }
            }
            entries.push(Entry::new(subject, node));
            Ok(())
        })?;
    }
    if entries.is_empty() {
        return Err(
            Error::input("there is no Kubernetes object in the input").hint("name a manifest, or pipe one in as `-`")
        );
    }
    let brought = Brought::by(entries.iter());
    Ok(Inventory { entries, brought })
}

fn role(kind: &str, namespace: &str, name: &str) -> Role {
    [kind, if kind == "Role" { namespace } else { "" }, name].map(str::to_owned)
}

/// The Role that a binding binds.
fn bound_role(subject: &InputObject, root: Node<'_>) -> Option<Role> {
    if &*subject.api_version != RBAC || !matches!(&*subject.kind, "RoleBinding" | "ClusterRoleBinding") {
        return None;
    }
    let text =
        |key| Some(FieldPath::from_keys(&["roleRef", key]).resolve(root)).filter(|at| at.is_complete)?.node.text();
    Some(role(&text("kind")?, &subject.namespace, &text("name")?))
}

fn has_ttl(job: Node<'_>) -> bool {
    let found = FieldPath::from_keys(&["spec", "ttlSecondsAfterFinished"]).resolve(job);
    found.is_complete && !found.node.is_null()
}

fn defined_kind(crd: Node<'_>) -> Option<Brings> {
    let spec = crd.get("spec").ok()??;
    let kind = spec.get("names").ok()??.get("kind").ok()??;
    Some(Brings::Kind(spec.get("group").ok()??.text()?.into_owned(), kind.text()?.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::document::OriginalText;

    /// A List of Jobs, each with one edit.
    fn jobs(count: usize) -> Document {
        let mut text = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
        let mut changes = Vec::new();
        for at in 0..count {
            text.push_str(&format!("- apiVersion: batch/v1\n  kind: Job\n  metadata:\n    name: job-{at}\n"));
            changes.push((text.len()..text.len(), 0));
            text.push_str("  spec: {ttlSecondsAfterFinished: 60, template: {spec: {containers: [{name: flow}]}}}\n");
        }
        let source = OriginalText::new(&text, changes);
        Document::new("jobs.yaml", 1, text).with_original(source)
    }

    fn time_of(count: usize) -> Duration {
        let document = jobs(count);
        let namespaces = Namespaces { asked: None, default: "default".into() };
        let started = Instant::now();
        let Inventory { entries, .. } = inventory([Ok(document)], &namespaces).unwrap();
        let took = started.elapsed();
        assert_eq!(entries.len(), count);
        assert!(entries.iter().all(|entry| entry.passes) && entries[count - 1].row.line == 5 * count - 1);
        took
    }

    #[test]
    fn a_list_is_read_in_linear_time() {
        // The least of several, taken in turns: other programs only add to it.
        let tries: Vec<[Duration; 2]> = (0..5).map(|_| [1000, 8000].map(time_of)).collect();
        let least = |size: usize| tries.iter().map(|times| times[size]).min().unwrap().as_secs_f64();
        let ratio = least(1) / least(0);
        assert!(ratio < 16.0, "eight times as many Jobs take {ratio:.1} times as long");
    }
}
