//! Stores documents in a temporary file, and reads them by offset.
//!
//! At most [`MAX_IN_MEMORY`] bytes are kept in memory, regardless of the size of the input. The file has mode 0600 and
//! no name.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result, describe_io_error};
use tempfile::SpooledTempFile;

use crate::document::{Document, OriginalText, Replacement};

/// The maximum size of a spool in memory, in bytes. A larger spool is moved to a temporary file.
const MAX_IN_MEMORY: usize = 16 * 1024 * 1024;

/// A range of bytes in the spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpoolRange {
    offset: u64,
    length: usize,
}

/// A document in the spool, with the data needed to locate errors in its input file.
#[derive(Debug)]
pub(crate) struct SpooledDocument {
    pub(crate) file: Rc<str>,
    line: usize,
    pub(crate) text: SpoolRange,
    original: Option<(SpoolRange, Rc<[Replacement]>)>,
}

/// A store of strings and documents in a temporary file.
///
/// Concurrent tasks on one thread share it by reference, so both fields have interior mutability. No borrow is held
/// across an `await`.
#[derive(Debug)]
pub(crate) struct Spool {
    file: RefCell<SpooledTempFile>,
    /// The document that was read last. This is a cache, since consecutive reads usually concern one document.
    last_read: RefCell<Option<(Rc<SpooledDocument>, Rc<Document>)>>,
}

impl Spool {
    /// Creates an empty spool.
    pub(crate) fn new() -> Self {
        Spool { file: RefCell::new(SpooledTempFile::new(MAX_IN_MEMORY)), last_read: RefCell::default() }
    }

    /// Appends a string, and returns its range.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be written.
    pub(crate) fn add_text(&self, text: &str) -> Result<SpoolRange> {
        let mut file = self.file.borrow_mut();
        let mut append = || {
            let offset = file.seek(SeekFrom::End(0))?;
            file.write_all(text.as_bytes())?;
            Ok(SpoolRange { offset, length: text.len() })
        };
        append().map_err(|error| spool_error(&error))
    }

    /// Appends a document and its original text.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be written.
    pub(crate) fn add_document(&self, document: &Document) -> Result<Rc<SpooledDocument>> {
        let Document { file, line, text, original, .. } = document;
        let text = self.add_text(text)?;
        let original = match original {
            Some(OriginalText { text, replacements }) => Some((self.add_text(text)?, Rc::clone(replacements))),
            None => None,
        };
        Ok(Rc::new(SpooledDocument { file: Rc::clone(file), line: *line, text, original }))
    }

    /// Reads the string in a range.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be read.
    pub(crate) fn read_text(&self, range: SpoolRange) -> Result<String> {
        let mut file = self.file.borrow_mut();
        let mut bytes = vec![0; range.length];
        let mut read = || {
            file.seek(SeekFrom::Start(range.offset))?;
            file.read_exact(&mut bytes)
        };
        read().map_err(|error| spool_error(&error))?;
        String::from_utf8(bytes).map_err(|_| spool_error(&io::ErrorKind::InvalidData.into()))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Fails if the temporary file cannot be read.
    pub(crate) fn read_document(&self, spooled_document: &Rc<SpooledDocument>) -> Result<Rc<Document>> {
        if let Some((last, document)) = &*self.last_read.borrow()
            && Rc::ptr_eq(last, spooled_document)
        {
            return Ok(Rc::clone(document));
        }
        let mut document = Document::new(
            Rc::clone(&spooled_document.file),
            spooled_document.line,
            self.read_text(spooled_document.text)?,
        );
        if let Some((range, replacements)) = &spooled_document.original {
            let (text, replacements) = (self.read_text(*range)?.into(), Rc::clone(replacements));
            document = document.with_original(OriginalText { text, replacements });
        }
        let document = Rc::new(document);
        self.last_read.replace(Some((Rc::clone(spooled_document), Rc::clone(&document))));
        Ok(document)
    }
}

fn spool_error(error: &io::Error) -> Error {
    Error::input(format!("cannot use a temporary file: {}", describe_io_error(error)))
        .hint("set TMPDIR to a writable directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_documents_unchanged() {
        let spool = Spool::new();
        let original = OriginalText::new("a: 1\nb: 2\n", [(5..5, 5)]);
        let edited_document = Document::new("a.yaml", 3, "a: 1\nx: 0\nb: 2\n").with_original(original);
        let edited_document = spool.add_document(&edited_document).unwrap();
        let unedited_document = spool.add_document(&Document::new("b.yaml", 1, "c: é\n")).unwrap();
        let text = spool.add_text("{}").unwrap();
        for _ in 0..2 {
            assert_eq!(spool.read_text(text).unwrap(), "{}");
            assert_eq!(*spool.read_document(&unedited_document).unwrap().text, *"c: é\n");
            assert_eq!(spool.read_document(&edited_document).unwrap().line_at(10), 4);
        }
    }
}
