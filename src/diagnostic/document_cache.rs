//! Caches the masked ranges and lines of the last shown document. Consecutive errors usually concern the same document.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::LineIndex;

use super::mask::MaskedText;
use super::server_message::DocumentWords;

/// A document prepared for showing parts of it.
pub(super) struct CachedDocument {
    document: Arc<str>,
    pub masked: MaskedText<Arc<str>>,
    pub lines: LineIndex,
    /// The document's words. Collected for the first server message about the document.
    pub words: OnceCell<DocumentWords>,
}

/// A cache of the document that the last error or warning was about.
#[derive(Default)]
pub struct DocumentCache {
    last: RefCell<Option<Rc<CachedDocument>>>,
}

impl DocumentCache {
    /// Returns the prepared document, from the cache if it is the last shown document.
    pub(super) fn get(&self, document: &Arc<str>) -> Rc<CachedDocument> {
        if let Some(cached) = self.last.borrow().as_ref().filter(|cached| Arc::ptr_eq(&cached.document, document)) {
            return Rc::clone(cached);
        }
        let (masked, lines) = (MaskedText::new(Arc::clone(document)), LineIndex::new(document));
        let cached = Rc::new(CachedDocument { document: Arc::clone(document), masked, lines, words: OnceCell::new() });
        self.last.replace(Some(Rc::clone(&cached)));
        cached
    }

    /// Returns `message`, a server's message about `document`, with each word masked that may be a value.
    pub fn redact_server_message(&self, message: &str, document: &Arc<str>) -> String {
        let cached = self.get(document);
        cached.words.get_or_init(|| DocumentWords::new(&cached.masked)).redact(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_a_document_once_for_all_of_its_errors() {
        let [first, second] = ["value: hush\n", "value: hush\n"].map(Arc::<str>::from);
        let cache = DocumentCache::default();
        let cached = cache.get(&first);
        assert!(Rc::ptr_eq(&cached, &cache.get(&first)));
        assert!(!Rc::ptr_eq(&cached, &cache.get(&second)));
    }
}
