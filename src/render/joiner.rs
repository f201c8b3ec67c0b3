//! Several inputs in one stream: each begins with `---`, on a line of its own.

use std::io::{self, Write};

/// Joins outputs of several inputs: each begins with `---` and on a line of its own.
pub struct StreamJoiner<'a> {
    out: &'a mut dyn Write,
    /// The end of what was written so far, if anything was: whether it ends its line, and with CRLF.
    written: Option<(bool, bool)>,
    /// The first bytes of an input, held back until it is clear whether they are its `---`.
    head: Option<Vec<u8>>,
}

impl<'a> StreamJoiner<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        StreamJoiner { out, written: None, head: None }
    }

    /// Another input begins.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be written.
    pub fn begin_input(&mut self) -> io::Result<()> {
        self.flush_head()?;
        if self.written.is_some() {
            self.head = Some(Vec::new());
        }
        Ok(())
    }

    /// No more input comes.
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
        // A byte order mark belongs to the start of a stream only.
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        if head.is_empty() {
            return Ok(());
        }
        let (ended, crlf) = self.written.unwrap_or((true, false));
        let newline: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        if !ended {
            self.out.write_all(newline)?;
        }
        let marked = head.starts_with(b"---") && matches!(head.get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
        if !marked {
            self.out.write_all(b"---")?;
            self.out.write_all(newline)?;
        }
        self.put(head)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        if !bytes.is_empty() {
            let crlf = match bytes {
                [.., b'\r', b'\n'] => true,
                [.., b'\n'] => false,
                _ => memchr::memmem::find(bytes, b"\r\n").is_some() || self.written.is_some_and(|(_, crlf)| crlf),
            };
            self.written = Some((bytes.ends_with(b"\n"), crlf));
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
            self.put(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
