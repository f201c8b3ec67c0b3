//! Splits a stream of bytes into documents. Only one document is in memory at a time.
//!
//! A document begins at a line that starts with `---`, followed by whitespace or the end of the stream. Such a line
//! cannot be inside a scalar: YAML forbids it in plain and quoted scalars (`c-forbidden`), and the lines of a block
//! scalar are indented. Several JSON objects on lines of their own, such as the output of `jq`, are documents too: no
//! YAML document contains them, and kubectl reads them one after another.

use std::io::{self, Read};

use memchr::memmem::Finder;
use serde::de::IgnoredAny;

/// The initial size of the buffer in bytes.
const READ_SIZE: usize = 256 * 1024;

/// One unparsed document of a stream.
#[derive(Debug)]
pub struct RawDocument<'a> {
    /// The bytes, from the `---` line (if there is one) up to the `---` line of the next document.
    pub bytes: &'a [u8],
    /// The offset of the document in the stream.
    pub offset: u64,
}

/// The reason why the next document cannot be read.
#[derive(Debug)]
pub enum StreamError {
    /// The reader failed.
    Io(io::Error),
    /// The document at this offset is larger than the limit.
    TooLarge(u64),
}

/// The documents of a stream, which are read one after another.
pub struct Documents<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes from `start` to `filled` have been read but not yet returned.
    start: usize,
    filled: usize,
    /// The offset of `start` in the stream.
    offset: u64,
    is_at_end: bool,
    limit: usize,
    separator: Finder<'static>,
    /// The number of bytes from `start` up to the next separator, if JSON objects before it were returned.
    rest: usize,
}

impl<R: Read> Documents<R> {
    /// Splits the bytes of `reader` into documents. Documents of more than `limit` bytes are refused.
    pub fn new(reader: R, limit: usize) -> Self {
        let separator = Finder::new(b"\n---");
        Documents {
            reader,
            buffer: vec![0; READ_SIZE],
            start: 0,
            filled: 0,
            offset: 0,
            is_at_end: false,
            limit,
            separator,
            rest: 0,
        }
    }

    /// Returns the next document, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// Fails if the reader fails, or if the document is larger than the limit.
    #[allow(
        clippy::should_implement_trait,
        reason = "the document borrows from the buffer, which `Iterator` does not allow"
    )]
    pub fn next(&mut self) -> Result<Option<RawDocument<'_>>, StreamError> {
        let until_separator = if self.rest > 0 { self.rest } else { self.find_end()? };
        if until_separator == 0 {
            return Ok(None);
        }
        let bytes = &self.buffer[self.start..self.start + until_separator];
        let length = next_json_object(bytes).unwrap_or(until_separator);
        self.rest = until_separator - length;
        let document = RawDocument { bytes: &self.buffer[self.start..self.start + length], offset: self.offset };
        self.start += length;
        self.offset += length as u64;
        Ok(Some(document))
    }

    /// Returns whether there is another document.
    ///
    /// # Errors
    ///
    /// Fails like [`Documents::next`].
    pub fn has_next(&mut self) -> Result<bool, StreamError> {
        if self.start < self.filled {
            return Ok(true);
        }
        Ok(self.find_end()? > 0)
    }

    /// Reads the next document into the buffer and returns its length in bytes, or 0 at the end of the stream.
    fn find_end(&mut self) -> Result<usize, StreamError> {
        let mut searched = 0;
        let length = loop {
            let pending = &self.buffer[self.start..self.filled];
            match find_separator(&self.separator, pending, searched, self.is_at_end) {
                Some(length) => break length,
                None if self.is_at_end => break pending.len(),
                None => {
                    // The last bytes may be the start of a separator, so they are searched again.
                    searched = pending.len().saturating_sub(4);
                    if pending.len() > self.limit {
                        return Err(StreamError::TooLarge(self.offset));
                    }
                    self.fill().map_err(StreamError::Io)?;
                }
            }
        };
        if length > self.limit {
            return Err(StreamError::TooLarge(self.offset));
        }
        Ok(length)
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.is_at_end = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

/// Returns the start of the line of the second object in `bytes`, or `None` if `bytes` are not a JSON object that is
/// followed by another on a new line.
fn next_json_object(bytes: &[u8]) -> Option<usize> {
    let begins_object = |bytes: &[u8]| bytes.trim_ascii_start().starts_with(b"{");
    // Between two values of one object there is always a comma.
    let is_second = |at: usize| bytes[..at].trim_ascii_end().ends_with(b"}");
    if !begins_object(bytes) || !memchr::memchr_iter(b'{', bytes).any(is_second) {
        return None;
    }
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    objects.next()?.ok()?;
    let rest = &bytes[objects.byte_offset()..];
    let gap = &rest[..rest.len() - rest.trim_ascii_start().len()];
    let newline = memchr::memrchr(b'\n', gap).filter(|_| begins_object(rest))?;
    Some(objects.byte_offset() + newline + 1)
}

/// Returns the length of the first document in `bytes`, or `None` if no separator follows it in `bytes`.
///
/// The search begins at `searched`. If `is_at_end` is true, no bytes follow `bytes` in the stream.
fn find_separator(separator: &Finder<'_>, bytes: &[u8], searched: usize, is_at_end: bool) -> Option<usize> {
    let mut from = searched;
    while let Some(found) = separator.find(&bytes[from..]) {
        let newline = from + found;
        match bytes.get(newline + 4) {
            Some(b' ' | b'\t' | b'\r' | b'\n') => return Some(newline + 1),
            None if is_at_end => return Some(newline + 1),
            None => return None,
            Some(_) => from = newline + 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns a few bytes at a time.
    struct SmallReads<'a>(&'a [u8], usize);

    impl Read for SmallReads<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn split(text: &str, step: usize) -> Vec<String> {
        let mut documents = Documents::new(SmallReads(text.as_bytes(), step), 1 << 20);
        let mut found = Vec::new();
        let mut expected = 0;
        while let Some(document) = documents.next().unwrap() {
            assert_eq!(document.offset, expected);
            expected += document.bytes.len() as u64;
            found.push(String::from_utf8(document.bytes.to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn splits_at_separator_lines() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("a\n---\nb\n", &["a\n", "---\nb\n"]),
            ("---\na\n--- # c\nb\n---", &["---\na\n", "--- # c\nb\n", "---"]),
            ("a\n----\n---x\n --- \nb", &["a\n----\n---x\n --- \nb"]),
            ("a\r\n---\r\nb", &["a\r\n", "---\r\nb"]),
            ("a\n---\n---\n", &["a\n", "---\n", "---\n"]),
            ("\n---\n", &["\n", "---\n"]),
        ];
        for (text, documents) in cases {
            for step in [1, 3, 1000] {
                assert_eq!(split(text, step), documents, "{text:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn splits_json_objects_on_lines_of_their_own() {
        let cases: [(&str, &[&str]); 9] = [
            ("{}\n{}\n", &["{}\n", "{}\n"]),
            (" {\"a\": [{}]}\n\n  {\n}\r\n{}", &[" {\"a\": [{}]}\n\n", "  {\n}\r\n", "{}"]),
            ("{\"a\": \"}\\\"\\n{\"}\n{}\n---\n{}\n{}\n", &["{\"a\": \"}\\\"\\n{\"}\n", "{}\n", "---\n{}\n{}\n"]),
            ("{}\n---\na: b\n", &["{}\n", "---\na: b\n"]),
            // These are not JSON objects on lines of their own.
            ("{} {}\n", &["{} {}\n"]),
            ("{a: b}\n{c: d}\n", &["{a: b}\n{c: d}\n"]),
            ("{\n\"a\": {}\n,\"b\":\n{}}\n", &["{\n\"a\": {}\n,\"b\":\n{}}\n"]),
            ("[]\n{}\n", &["[]\n{}\n"]),
            ("{}\n[]\n{}\n", &["{}\n[]\n{}\n"]),
        ];
        for (text, documents) in cases {
            for step in [1, 3, 1000] {
                assert_eq!(split(text, step), documents, "{text:?} in steps of {step}");
            }
        }
    }

    #[test]
    fn refuses_a_document_over_the_limit_with_its_offset() {
        let text = format!("a\n---\n{}", "b".repeat(2000));
        let mut documents = Documents::new(text.as_bytes(), 1000);
        assert!(documents.next().unwrap().is_some());
        assert!(matches!(documents.next(), Err(StreamError::TooLarge(2))));
    }
}
