//! Determines the namespace of an object, and rejects a manifest that contradicts `-n`.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::field::FieldPath;
use jobplate_yaml::Node;

/// The namespaces from the command line and the kubeconfig.
pub(crate) struct Namespaces {
    /// The namespace passed with `-n`. It overrides the default and fills a missing namespace in the manifest.
    pub requested: Option<Rc<str>>,
    /// The namespace of the kubeconfig's context, for manifests without a namespace.
    pub default: Rc<str>,
}

impl Namespaces {
    /// Returns the namespace that an object goes to if its kind is namespaced. `manifest_namespace` is the object's
    /// `metadata.namespace`.
    pub(crate) fn resolve(&self, manifest_namespace: Option<&Rc<str>>) -> Rc<str> {
        Rc::clone(self.requested.as_ref().or(manifest_namespace).unwrap_or(&self.default))
    }

    /// Checks that the manifest and `-n` agree.
    ///
    /// # Errors
    /// Fails if the two namespaces differ. The error points to the namespace in `root`.
    pub(crate) fn check(&self, manifest_namespace: Option<&Rc<str>>, root: Node<'_>) -> Result<()> {
        match (&self.requested, manifest_namespace) {
            (Some(requested), Some(namespace)) if requested != namespace => {
                let span = FieldPath::from_keys(&["metadata", "namespace"]).resolve(root).node.span();
                Err(Error::refused(format!(
                    "the object is in namespace {namespace}, not in {requested} as -n requires"
                ))
                .at(span)
                .hint("remove -n, or change the namespace in the manifest"))
            }
            _ => Ok(()),
        }
    }
}
