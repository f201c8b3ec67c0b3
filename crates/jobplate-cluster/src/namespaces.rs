//! Which namespace an object goes to, and that `-n` and the manifest agree.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

/// Namespaces from outside of the manifests.
pub(crate) struct Namespaces {
    /// From `-n`; it binds, where the configuration's is only a default.
    pub asked: Option<Rc<str>>,
    /// The configuration's own.
    pub default: Rc<str>,
}

impl Namespaces {
    /// Returns the namespace of an object, if its kind can have one. `own` is the manifest's.
    pub(crate) fn of(&self, own: Option<&Rc<str>>) -> Rc<str> {
        Rc::clone(self.asked.as_ref().or(own).unwrap_or(&self.default))
    }

    /// Refuses an object that says it is in another namespace than `-n`.
    ///
    /// # Errors
    /// Fails, at the namespace in the object's mapping, where the two differ.
    pub(crate) fn check(&self, own: Option<&Rc<str>>, root: Node<'_>) -> Result<()> {
        match (&self.asked, own) {
            (Some(asked), Some(own)) if asked != own => {
                let span = FieldPath::from_keys(&["metadata", "namespace"]).resolve(root).node.span();
                Err(Error::refused(format!("the object is in namespace {own}, and -n asks for {asked}"))
                    .at(span)
                    .hint("leave -n out, or change the manifest"))
            }
            _ => Ok(()),
        }
    }
}
