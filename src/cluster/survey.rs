//! What there is to apply, found out without the server: every object once, what is wrong with it, and
//! when its turn is.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::object::{Documents, Subject};
use super::report::Row;
use super::send::Tried;
use super::session::Session;
use crate::error::{Error, Result};
use crate::manifest::field::FieldPath;
use crate::yaml::Node;

/// When an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Namespaces and CustomResourceDefinitions: others need them.
    First,
    Middle,
    /// Jobs: they start at once, and may need the others.
    Last,
}

/// An object of the input, and how far it is.
pub(super) struct Entry {
    /// What the report will say.
    pub row: Row,
    /// When it is sent.
    pub turn: Turn,
    /// What it needs is new, and made by this very run, so that it can't be tried.
    pub untriable: bool,
    /// What its trial saw.
    pub tried: Tried,
    /// A Job that the server removes some time after it has ended.
    pub passes: bool,
}

/// Group, kind, namespace and name: what an object is, whatever version it is written in.
type Identity = [String; 4];

/// What the documents themselves bring.
#[derive(Default)]
pub(super) struct Brought {
    /// Names of Namespaces.
    namespaces: HashSet<String>,
    /// Group and kind of each CustomResourceDefinition.
    kinds: HashSet<(String, String)>,
}

impl Brought {
    /// Whether an object is in a namespace, or of a kind, that the input brings.
    pub(super) fn holds(&self, subject: &Subject, namespace: &str) -> bool {
        self.namespaces.contains(namespace) || self.has_kind(subject)
    }

    /// Whether the input brings an object's kind.
    pub(super) fn has_kind(&self, subject: &Subject) -> bool {
        let group = subject.api_version.split_once('/').map_or("", |(group, _)| group);
        self.kinds.contains(&(group.to_owned(), subject.kind.clone()))
    }
}

/// Looks at every object once; the first fault ends it.
pub(super) fn survey(documents: &mut dyn Documents, session: &Session<'_>) -> Result<(Vec<Entry>, Brought)> {
    let mut entries = Vec::new();
    let mut brought = Brought::default();
    let mut seen: HashMap<Identity, (Rc<str>, usize)> = HashMap::new();
    let mut documents = documents.pass();
    while let Some(document) = documents.next()? {
        for subject in Subject::all(&document)? {
            session.check_namespace(&subject)?;
            let turn = match (subject.api_version.as_str(), subject.kind.as_str()) {
                ("v1", "Namespace") => {
                    brought.namespaces.insert(subject.name().to_owned());
                    Turn::First
                }
                _ if subject.is_crd() => {
                    brought.kinds.extend(subject.with_root(defined_kind).flatten());
                    Turn::First
                }
                _ if subject.is_job() => Turn::Last,
                _ => Turn::Middle,
            };
            if !subject.generated {
                let group = subject.api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
                let namespace = session.namespace(&subject).to_owned();
                let identity = [group, subject.kind.clone(), namespace, subject.name().to_owned()];
                let place = (Rc::clone(&document.file), subject.line());
                if let Some((file, line)) = seen.insert(identity, place) {
                    let what = format!("{}/{} stands in the input twice", subject.kind, subject.name());
                    let first = format!("the first is in {file}, line {line}; remove one of the two");
                    return Err(subject.place(Error::input(what).hint(first)));
                }
            }
            let passes = turn == Turn::Last && subject.with_root(has_ttl).unwrap_or_default();
            entries.push(Entry { row: Row::new(&subject), turn, untriable: false, tried: Tried::Not, passes });
        }
    }
    if entries.is_empty() {
        return Err(
            Error::input("there is no Kubernetes object in the input").hint("name a manifest, or pipe one in as `-`")
        );
    }
    Ok((entries, brought))
}

fn has_ttl(job: Node<'_>) -> bool {
    let found = FieldPath::of_keys(&["spec", "ttlSecondsAfterFinished"]).find(job);
    found.whole && !found.node.is_null()
}

fn defined_kind(crd: Node<'_>) -> Option<(String, String)> {
    let spec = crd.get("spec").ok()??;
    let kind = spec.get("names").ok()??.get("kind").ok()??;
    Some((spec.get("group").ok()??.text()?.into_owned(), kind.text()?.into_owned()))
}
