//! Which namespace an object goes to, and that `-n` and the manifest agree.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;

use crate::object::Subject;

/// Namespaces from outside of the manifests.
pub(crate) struct Namespaces {
    /// From `-n`; it binds, where the configuration's is only a default.
    pub asked: Option<String>,
    /// The configuration's own.
    pub default: String,
}

impl Namespaces {
    /// Returns the namespace of an object, if its kind can have one.
    pub(crate) fn of<'s>(&'s self, subject: &'s Subject) -> &'s str {
        self.asked.as_deref().or(subject.namespace.as_deref()).unwrap_or(&self.default)
    }

    /// Refuses an object that says it is in another namespace than `-n`.
    ///
    /// # Errors
    /// Fails, at the object's own namespace, where the two differ.
    pub(crate) fn check(&self, subject: &Subject) -> Result<()> {
        match (&self.asked, &subject.namespace) {
            (Some(asked), Some(own)) if asked != own => {
                let error = Error::refused(format!("the object is in namespace {own}, and -n asks for {asked}"))
                    .hint("leave -n out, or change the manifest");
                let place = FieldPath::of_keys(&["metadata", "namespace"]);
                let span = subject.with_root(|root| place.find(root).node.span());
                Err(subject.place(match span {
                    Some(span) => error.at(span),
                    None => error,
                }))
            }
            _ => Ok(()),
        }
    }
}
