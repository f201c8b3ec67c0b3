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
}

impl SecretReferences {
    /// Creates the references of variables with these names.
    pub fn new(references: BTreeMap<String, KeyRef>) -> Self {
        let to_entry = |(name, reference)| (name, RequestedReference { reference, is_used: AtomicBool::new(false) });
        SecretReferences { references: references.into_iter().map(to_entry).collect() }
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

    /// Returns the names of the variables whose references were not used, in order.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.references
            .iter()
            .filter(|(_, requested)| !requested.is_used.load(Ordering::Relaxed))
            .map(|(name, _)| name.as_str())
    }
}
