//! Joins the outputs of several inputs into one stream, in which each input after the first begins with a `---` line.

use std::io::{self, Write};

/// A writer that joins the outputs of several inputs and inserts missing `---` lines and line breaks between them.
pub struct StreamJoiner<'a> {
    out: &'a mut dyn Write,
    /// The end of the output. `None` if the output is empty.
    end: Option<OutputEnd>,
    /// The first bytes of an input, held back until it is known whether the input begins with `---`. `None` after they
    /// are written, and for the first input.
    head: Option<Vec<u8>>,
}

/// The end of an output.
#[derive(Clone, Copy)]
struct OutputEnd {
    /// Whether the last line ends with a line break.
    has_newline: bool,
    /// Whether lines end with CRLF.
    is_crlf: bool,
}

impl<'a> StreamJoiner<'a> {
    /// Creates a joiner that writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        StreamJoiner { out, end: None, head: None }
    }

    /// Begins the next input.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be written.
    pub fn begin_input(&mut self) -> io::Result<()> {
        self.flush_head()?;
        if self.end.is_some() {
            self.head = Some(Vec::new());
        }
        Ok(())
    }

    /// Writes the remaining bytes of the last input and flushes the output.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush_head()?;
        self.out.flush()
    }

    fn flush_head(&mut self) -> io::Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        // Not every reader accepts a byte order mark after the start of a stream, so it is removed from later inputs.
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        if head.is_empty() {
            return Ok(());
        }
        let end = self.end.unwrap_or(OutputEnd { has_newline: true, is_crlf: false });
        let line_break: &[u8] = if end.is_crlf { b"\r\n" } else { b"\n" };
        if !end.has_newline {
            self.out.write_all(line_break)?;
        }
        let has_marker = head.starts_with(b"---") && matches!(head.get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
        if !has_marker {
            self.out.write_all(b"---")?;
            self.out.write_all(line_break)?;
        }
        self.write_bytes(head)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        if !bytes.is_empty() {
            let is_crlf = match bytes {
                [.., b'\r', b'\n'] => true,
                [.., b'\n'] => false,
                _ => memchr::memmem::find(bytes, b"\r\n").is_some() || self.end.is_some_and(|end| end.is_crlf),
            };
            self.end = Some(OutputEnd { has_newline: bytes.ends_with(b"\n"), is_crlf });
        }
        Ok(())
    }
}

impl Write for StreamJoiner<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(head) = &mut self.head {
            head.extend_from_slice(bytes);
            if head.len() >= 8 {
                self.flush_head()?;
            }
        } else {
            self.write_bytes(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
