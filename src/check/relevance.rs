//! Proves from a document's bytes alone that no rule has a finding in it. Such a document is not parsed.

use jobplate_manifest::credentials::find_shaped_credentials;
use memchr::memmem::Finder;

use super::comment::MARKER;

/// The byte sequences of which a document contains at least one if a rule has a finding in it.
///
/// Keys and kinds appear literally in YAML, except in a document with escapes, tags or directives, which is parsed.
#[derive(Debug)]
pub(super) struct Relevance {
    keywords: [Finder<'static>; 8],
}

impl Default for Relevance {
    fn default() -> Self {
        // `initContainers`, `ConfigMap`, `Secret` and `secrets`, `annotations`, base job templates, variables, values with
        // names, and unused comments.
        let keys = ["ontainer", "onfigMap", "ecret", "nnotations", "job_configuration", "env", "value", MARKER];
        Relevance { keywords: keys.map(Finder::new) }
    }
}

impl Relevance {
    /// Returns whether a rule may have a finding in a document.
    pub(super) fn may_have_findings(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        self.keywords.iter().any(|keyword| keyword.find(bytes).is_some())
            || memchr::memchr3(b'\\', b'!', b'%', bytes).is_some()
            || !find_shaped_credentials(text).is_empty()
    }
}
