//! What there is to apply, found out without the server: every object once, what is wrong with it, and
//! when its turn is.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

use super::kinds::built_in;
use super::object::{Documents, Subject};
use super::report::Row;
use super::send::Tried;
use super::session::Session;

/// When an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Namespaces and CustomResourceDefinitions: others need them.
    First,
    /// What others are checked against when they are made: Roles, and the kinds of [`EARLY`].
    Early,
    Middle,
    /// Jobs: they start at once, and may need the others.
    Last,
}

/// Kinds that others name, and are refused without.
const EARLY: [&str; 3] = ["PriorityClass", "ServiceAccount", "StorageClass"];
/// Where Roles and their bindings are.
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// An object of the input, and how far it is.
pub(super) struct Entry {
    /// What the report will say.
    pub row: Row,
    /// When it is sent.
    pub turn: Turn,
    /// What others may need it for.
    pub brings: Option<Brings>,
    /// What it needs is new, and made by this very run, so that it can't be tried.
    pub untriable: bool,
    /// What its trial saw.
    pub tried: Tried,
    /// A Job that the server removes some time after it has ended.
    pub passes: bool,
}

impl Entry {
    /// Whether it is about this object.
    pub(super) fn is_for(&self, subject: &Subject) -> bool {
        let Row { api_version, kind, name, .. } = &self.row;
        // The server gives the rest of a generated name.
        let named = if subject.generated { name.starts_with(subject.name()) } else { name == subject.name() };
        **api_version == *subject.api_version && **kind == *subject.kind && named
    }
}

/// Group, kind, namespace and name: what an object is, whatever version it is written in.
type Identity = [String; 4];

/// What an object brings that others may need.
#[derive(Clone)]
pub(super) enum Brings {
    /// A namespace of this name.
    Namespace(String),
    /// A kind of a group.
    Kind(String, String),
    /// A Role of a namespace, or a ClusterRole.
    Role(Role),
}

/// A Role by kind, namespace (empty for a ClusterRole) and name.
type Role = [String; 3];

/// What documents bring themselves.
#[derive(Default)]
pub(super) struct Brought {
    /// Names of namespaces.
    namespaces: HashSet<String>,
    /// Groups and kinds.
    kinds: HashSet<(String, String)>,
    /// What bindings bind.
    roles: HashSet<Role>,
}

impl Brought {
    /// What these entries bring.
    pub(super) fn by<'e>(entries: impl Iterator<Item = &'e Entry>) -> Self {
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

    /// Whether that is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.kinds.is_empty() && self.roles.is_empty()
    }

    /// Whether an object is in a namespace, of a kind, or binds a Role, that is brought.
    pub(super) fn holds(&self, subject: &Subject, namespace: &str) -> bool {
        let namespaced = built_in(&subject.api_version, &subject.kind).is_none_or(|resource| resource.namespaced);
        let binds = || bound_role(subject, namespace).is_some_and(|role| self.roles.contains(&role));
        namespaced && self.namespaces.contains(namespace) || self.has_kind(subject) || binds()
    }

    /// Whether an object's kind is brought.
    pub(super) fn has_kind(&self, subject: &Subject) -> bool {
        self.kinds.contains(&(subject.group().to_owned(), subject.kind.clone()))
    }
}

/// Looks at every object once; the first fault ends it.
pub(super) fn survey(documents: &mut dyn Documents, session: &Session<'_>) -> Result<(Vec<Entry>, Brought)> {
    let mut entries = Vec::new();
    let mut seen: HashMap<Identity, (Rc<str>, usize)> = HashMap::new();
    let mut documents = documents.pass();
    while let Some(document) = documents.next()? {
        for subject in Subject::all(&document)? {
            session.check_namespace(&subject)?;
            let brings = match (subject.api_version.as_str(), subject.kind.as_str()) {
                ("v1", "Namespace") => Some(Brings::Namespace(subject.name().to_owned())),
                _ if subject.is_crd() => subject.with_root(defined_kind).flatten(),
                (RBAC, kind @ ("Role" | "ClusterRole")) => {
                    let namespace = if kind == "Role" { session.namespace(&subject) } else { "" };
                    Some(Brings::Role([kind, namespace, subject.name()].map(str::to_owned)))
                }
                _ => None,
            };
            let turn = match &brings {
                Some(Brings::Role(_)) => Turn::Early,
                Some(_) => Turn::First,
                None if EARLY.contains(&subject.kind.as_str()) => Turn::Early,
                None if subject.is_job() => Turn::Last,
                None => Turn::Middle,
            };
            if !subject.generated {
                let namespace = session.namespace(&subject).to_owned();
                let identity = [subject.group().to_owned(), subject.kind.clone(), namespace, subject.name().to_owned()];
                let place = (Rc::clone(&document.file), subject.line());
                if let Some((file, line)) = seen.insert(identity, place) {
                    let what = format!("{}/{} stands in the input twice", subject.kind, subject.name());
                    let first = format!("the first is in {file}, line {line}; remove one of the two");
                    return Err(subject.place(Error::input(what).hint(first)));
                }
            }
            let passes = turn == Turn::Last && subject.with_root(has_ttl).unwrap_or_default();
            entries.push(Entry { row: Row::new(&subject), turn, brings, untriable: false, tried: Tried::Not, passes });
        }
    }
    if entries.is_empty() {
        return Err(
            Error::input("there is no Kubernetes object in the input").hint("name a manifest, or pipe one in as `-`")
        );
    }
    let brought = Brought::by(entries.iter());
    Ok((entries, brought))
}

/// The Role that a binding binds.
fn bound_role(subject: &Subject, namespace: &str) -> Option<Role> {
    if subject.api_version != RBAC || !matches!(subject.kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
        return None;
    }
    let role = subject.with_root(|root| {
        let text = |key| Some(FieldPath::of_keys(&["roleRef", key]).find(root)).filter(|at| at.whole)?.node.text();
        Some([text("kind")?.into_owned(), text("name")?.into_owned()])
    });
    let [kind, name] = role.flatten()?;
    let namespace = if kind == "Role" { namespace } else { "" };
    Some([kind, namespace.to_owned(), name])
}

fn has_ttl(job: Node<'_>) -> bool {
    let found = FieldPath::of_keys(&["spec", "ttlSecondsAfterFinished"]).find(job);
    found.whole && !found.node.is_null()
}

fn defined_kind(crd: Node<'_>) -> Option<Brings> {
    let spec = crd.get("spec").ok()??;
    let kind = spec.get("names").ok()??.get("kind").ok()??;
    Some(Brings::Kind(spec.get("group").ok()??.text()?.into_owned(), kind.text()?.into_owned()))
}
