//! Documents kept in a temporary file: written once, and read by offset as often as they are wanted.
//!
//! What is kept in memory of a document does not grow with its text. The file has mode 0600 and no name.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result, describe_io_error};
use tempfile::SpooledTempFile;

use crate::document::{Document, OriginalText, Splice};

/// What is kept in memory before there is a file.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// Bytes of the spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    offset: u64,
    length: usize,
}

/// A document in the spool, with what is needed to place errors in its input.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) file: Rc<str>,
    line: usize,
    pub(crate) text: Extent,
    source: Option<(Extent, Rc<[Splice]>)>,
}

/// The temporary file.
///
/// Objects under way read from it in turns, so that both fields change behind shared references. No borrow is held
/// while anything is waited for.
#[derive(Debug)]
pub(crate) struct Spool {
    file: RefCell<SpooledTempFile>,
    /// The document that was read last: mostly the next error is about the same one.
    last: RefCell<Option<(Rc<Stored>, Rc<Document>)>>,
}

impl Spool {
    /// Makes an empty spool.
    pub(crate) fn new() -> Self {
        Spool { file: RefCell::new(SpooledTempFile::new(IN_MEMORY)), last: RefCell::default() }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// Fails if the temporary file can't be written.
    pub(crate) fn add(&self, text: &str) -> Result<Extent> {
        let mut file = self.file.borrow_mut();
        let mut write = || {
            let offset = file.seek(SeekFrom::End(0))?;
            file.write_all(text.as_bytes())?;
            Ok(Extent { offset, length: text.len() })
        };
        write().map_err(|error| unusable(&error))
    }

    /// Adds a document.
    ///
    /// # Errors
    /// Fails if the temporary file can't be written.
    pub(crate) fn add_document(&self, document: &Document) -> Result<Rc<Stored>> {
        let Document { file, line, text, source, .. } = document;
        let text = self.add(text)?;
        let source = match source {
            Some(OriginalText { text, changes }) => Some((self.add(text)?, Rc::clone(changes))),
            None => None,
        };
        Ok(Rc::new(Stored { file: Rc::clone(file), line: *line, text, source }))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Fails if the temporary file can't be read.
    pub(crate) fn text(&self, extent: Extent) -> Result<String> {
        let mut file = self.file.borrow_mut();
        let mut bytes = vec![0; extent.length];
        let mut read = || {
            file.seek(SeekFrom::Start(extent.offset))?;
            file.read_exact(&mut bytes)
        };
        read().map_err(|error| unusable(&error))?;
        String::from_utf8(bytes).map_err(|_| unusable(&io::ErrorKind::InvalidData.into()))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// Fails if the temporary file can't be read.
    pub(crate) fn document(&self, stored: &Rc<Stored>) -> Result<Rc<Document>> {
        if let Some((of, document)) = &*self.last.borrow()
            && Rc::ptr_eq(of, stored)
        {
            return Ok(Rc::clone(document));
        }
        let mut document = Document::new(Rc::clone(&stored.file), stored.line, self.text(stored.text)?);
        if let Some((extent, changes)) = &stored.source {
            document =
                document.with_original(OriginalText { text: self.text(*extent)?.into(), changes: Rc::clone(changes) });
        }
        let document = Rc::new(document);
        self.last.replace(Some((Rc::clone(stored), Rc::clone(&document))));
        Ok(document)
    }
}

fn unusable(error: &io::Error) -> Error {
    Error::input(format!("the temporary file can't be used: {}", describe_io_error(error)))
        .hint("set TMPDIR to a folder that can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back_as_they_were() {
        let spool = Spool::new();
        let before = "a: 1\nb: 2\n";
        let first =
            Document::new("a.yaml", 3, "a: 1\nx: 0\nb: 2\n").with_original(OriginalText::new(before, [(5..5, 5)]));
        let [first, second] = [first, Document::new("b.yaml", 1, "c: é\n")].map(|d| spool.add_document(&d).unwrap());
        let loose = spool.add("{}").unwrap();
        for _ in 0..2 {
            assert_eq!(spool.text(loose).unwrap(), "{}");
            assert_eq!(*spool.document(&second).unwrap().text, *"c: é\n");
            assert_eq!(spool.document(&first).unwrap().line_at(10), 4);
        }
    }
}
