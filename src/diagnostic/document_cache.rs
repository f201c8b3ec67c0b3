//! What was found out about the document that was shown last: errors and warnings in a row are mostly about the same one.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::LineIndex;

use super::mask::MaskedText;
use super::server_message::DocumentWords;

/// What has to be known of a document to show a part of it.
pub(super) struct CachedDocument {
    document: Arc<str>,
    pub masked: MaskedText<Arc<str>>,
    pub lines: LineIndex,
    /// Its words, once a warning is about it.
    pub words: OnceCell<DocumentWords>,
}

/// The documents that errors and warnings are about. One is kept, so that many about it take the time of one.
#[derive(Default)]
pub struct DocumentCache {
    last: RefCell<Option<Rc<CachedDocument>>>,
}

impl DocumentCache {
    /// Returns what is known of a document, or finds it out.
    pub(super) fn get(&self, document: &Arc<str>) -> Rc<CachedDocument> {
        if let Some(shown) = self.last.borrow().as_ref().filter(|shown| Arc::ptr_eq(&shown.document, document)) {
            return Rc::clone(shown);
        }
        let (masked, lines) = (MaskedText::new(Arc::clone(document)), LineIndex::new(document));
        let shown = Rc::new(CachedDocument { document: Arc::clone(document), masked, lines, words: OnceCell::new() });
        self.last.replace(Some(Rc::clone(&shown)));
        shown
    }

    /// Masks the words of a server's warning about a document that may be values.
    pub fn redact_server_message(&self, warning: &str, document: &Arc<str>) -> String {
        let shown = self.get(document);
        shown.words.get_or_init(|| DocumentWords::of(&shown.masked)).mask(warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_masked_once_for_all_of_its_errors() {
        let [first, second] = ["value: hush\n", "value: hush\n"].map(Arc::<str>::from);
        let documents = DocumentCache::default();
        let shown = documents.get(&first);
        assert!(Rc::ptr_eq(&shown, &documents.get(&first)));
        assert!(!Rc::ptr_eq(&shown, &documents.get(&second)));
    }
}
