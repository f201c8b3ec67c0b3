//! Caches the masked ranges and lines of the last shown documents. Consecutive diagnostics usually concern few documents.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::LineIndex;
use jobplate_manifest::sensitive::MaskPolicy;

use super::mask::MaskedText;
use super::server_message::DocumentWords;

/// A document prepared for showing parts of it.
pub(super) struct CachedDocument {
    document: Arc<str>,
    policy: Rc<MaskPolicy>,
    masked: OnceCell<MaskedText<Arc<str>>>,
    pub lines: LineIndex,
    /// The document's words. Collected for the first server message about the document.
    pub words: OnceCell<DocumentWords>,
}

impl CachedDocument {
    /// Returns the document's masked ranges, which are found on first use.
    pub(super) fn masked(&self) -> &MaskedText<Arc<str>> {
        self.masked.get_or_init(|| MaskedText::new(Arc::clone(&self.document), &self.policy))
    }
}

/// The maximum number of cached documents.
const MAX_DOCUMENTS: usize = 8;

/// A cache of the documents that the last errors and warnings were about.
#[derive(Default)]
pub struct DocumentCache {
    /// The documents, from the least to the most recently used.
    documents: RefCell<Vec<Rc<CachedDocument>>>,
    policy: RefCell<Rc<MaskPolicy>>,
}

impl DocumentCache {
    /// Returns the policy that decides which values are masked.
    pub fn policy(&self) -> Rc<MaskPolicy> {
        Rc::clone(&self.policy.borrow())
    }

    /// Changes the policy that decides which values are masked.
    pub fn change_policy(&self, change: impl FnOnce(&mut MaskPolicy)) {
        change(Rc::make_mut(&mut self.policy.borrow_mut()));
        self.documents.take();
    }

    /// Returns the prepared document, from the cache if it was shown recently.
    pub(super) fn get(&self, document: &Arc<str>) -> Rc<CachedDocument> {
        let mut documents = self.documents.borrow_mut();
        let cached = match documents.iter().position(|cached| Arc::ptr_eq(&cached.document, document)) {
            Some(at) => documents.remove(at),
            None => {
                if documents.len() == MAX_DOCUMENTS {
                    documents.remove(0);
                }
                let (document, lines) = (Arc::clone(document), LineIndex::new(document));
                let policy = self.policy();
                Rc::new(CachedDocument { document, policy, masked: OnceCell::new(), lines, words: OnceCell::new() })
            }
        };
        documents.push(Rc::clone(&cached));
        cached
    }

    /// Returns `message`, a server's message about `document`, with each word masked that may be a value.
    pub fn redact_server_message(&self, message: &str, document: &Arc<str>) -> String {
        let cached = self.get(document);
        cached.words.get_or_init(|| DocumentWords::new(cached.masked())).redact(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepares_a_document_once_for_all_of_its_diagnostics() {
        let documents: Vec<_> = (0..=MAX_DOCUMENTS).map(|_| Arc::<str>::from("value: hush\n")).collect();
        let cache = DocumentCache::default();
        let cached = cache.get(&documents[0]);
        documents[1..MAX_DOCUMENTS].iter().for_each(|other| assert!(!Rc::ptr_eq(&cached, &cache.get(other))));
        assert!(Rc::ptr_eq(&cached, &cache.get(&documents[0])));
        documents[1..].iter().for_each(|other| drop(cache.get(other)));
        assert!(!Rc::ptr_eq(&cached, &cache.get(&documents[0])));
    }
}
