//! What was found out about the document that was shown last: errors in a row are mostly about the same one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::LineIndex;

use super::mask::Masked;

/// What has to be known of a document to show a part of it.
pub(super) struct Shown {
    document: Arc<str>,
    pub masked: Masked<Arc<str>>,
    pub lines: LineIndex,
}

/// The documents that errors are about. One is kept, so that many errors about it take the time of one.
#[derive(Default)]
pub struct Documents {
    last: RefCell<Option<Rc<Shown>>>,
}

impl Documents {
    /// Returns what is known of a document, or finds it out.
    pub(super) fn get(&self, document: &Arc<str>) -> Rc<Shown> {
        if let Some(shown) = self.last.borrow().as_ref().filter(|shown| Arc::ptr_eq(&shown.document, document)) {
            return Rc::clone(shown);
        }
        let (masked, lines) = (Masked::new(Arc::clone(document)), LineIndex::new(document));
        let shown = Rc::new(Shown { document: Arc::clone(document), masked, lines });
        self.last.replace(Some(Rc::clone(&shown)));
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_masked_once_for_all_of_its_errors() {
        let [first, second] = ["value: hush\n", "value: hush\n"].map(Arc::<str>::from);
        let documents = Documents::default();
        let shown = documents.get(&first);
        assert!(Rc::ptr_eq(&shown, &documents.get(&first)));
        assert!(!Rc::ptr_eq(&shown, &documents.get(&second)));
    }
}
