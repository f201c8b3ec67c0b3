//! The references with which a fix replaces secrets in plain text.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use jobplate_manifest::env::KeyRef;

/// References to keys of Secrets, by the name of the variable.
#[derive(Debug, Default)]
pub struct SecretReferences {
    references: BTreeMap<String, RequestedReference>,
}

#[derive(Debug)]
struct RequestedReference {
    reference: KeyRef,
    /// Whether a variable with this name is a secret in plain text.
    is_used: AtomicBool,
    /// Whether such a variable must exist.
    is_required: bool,
}

impl SecretReferences {
    /// Creates the references of variables with these names. There must be variables for the required ones, which override
    /// the optional ones.
    pub fn new(required: BTreeMap<String, KeyRef>, optional: BTreeMap<String, KeyRef>) -> Self {
        let to_entry = |is_required| {
            move |(name, reference)| {
                (name, RequestedReference { reference, is_used: AtomicBool::new(false), is_required })
            }
        };
        let required = required.into_iter().map(to_entry(true));
        SecretReferences { references: optional.into_iter().map(to_entry(false)).chain(required).collect() }
    }

    /// Returns whether there is no reference.
    pub fn is_empty(&self) -> bool {
        self.references.is_empty()
    }

    /// Returns the reference of a variable that is a secret in plain text.
    pub(super) fn use_for(&self, name: &str) -> Option<&KeyRef> {
        let requested = self.references.get(name)?;
        requested.is_used.store(true, Ordering::Relaxed);
        Some(&requested.reference)
    }

    /// Returns the references that were used, in the order of their variables.
    pub fn used(&self) -> impl Iterator<Item = &KeyRef> {
        self.references
            .values()
            .filter(|requested| requested.is_used.load(Ordering::Relaxed))
            .map(|requested| &requested.reference)
    }

    /// Returns the names of the variables whose references are required and were not used, in order.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let is_unused =
            |requested: &RequestedReference| requested.is_required && !requested.is_used.load(Ordering::Relaxed);
        self.references.iter().filter(move |(_, requested)| is_unused(requested)).map(|(name, _)| name.as_str())
    }
}
