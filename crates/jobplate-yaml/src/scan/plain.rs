//! Scans plain scalars in block context, including their continuation lines.

use super::super::node_kind::{MULTILINE, NodeKind};
use super::bytes::{find_plain_stop, is_space_or_tab, line_end};
use super::scanner::{ScanResult, Scanner, Slot, unsupported};

/// The end of a plain scalar on its line.
pub(super) enum PlainEnd {
    /// The scalar is a key and is followed by a `:`.
    Key { end: usize, colon: usize },
    /// The scalar ends with the line or before a comment. `next` is the start of the next line.
    Line { end: usize, next: usize, has_comment: bool },
}

impl Scanner<'_> {
    /// Scans a continuation line of a plain scalar, and returns the start of the next line.
    pub(super) fn continue_plain(&mut self, at: usize) -> ScanResult<usize> {
        let Some(plain) = self.plain else {
            return unsupported(at, "indentation that is too deep");
        };
        let PlainEnd::Line { end, next, has_comment } = self.find_plain_end(at)? else {
            return unsupported(at, "a `key: value` inside a multi-line scalar");
        };
        let node = &mut self.arena.nodes[plain as usize];
        node.end = end as u32;
        node.flags |= MULTILINE;
        self.last_end = end as u32;
        if has_comment {
            self.plain = None;
        }
        Ok(next)
    }

    /// Adds a plain scalar and returns `next`. A deeper next line continues the scalar unless a comment ended it.
    #[inline(always)]
    pub(super) fn push_plain(&mut self, start: usize, end: usize, next: usize, has_comment: bool) -> usize {
        let node = self.arena.nodes.len() as u32;
        self.push(NodeKind::Plain, start, end, 0, 0);
        self.slot = Slot::None;
        self.plain = (!has_comment).then_some(node);
        next
    }

    /// Checks the first character of a plain scalar and finds its end.
    #[inline(always)]
    pub(super) fn scan_plain(&mut self, at: usize) -> ScanResult<PlainEnd> {
        let reason = match self.text[at] {
            b'-' if !self.is_space_at(at + 1) => return self.find_plain_end(at),
            b'?' | b':' if !self.is_space_at(at + 1) => return self.find_plain_end(at),
            b'-' => "a sequence item in an invalid position",
            b'?' => "an explicit key (`? `)",
            b':' => "a `:` without a key",
            b'{' if self.byte(at + 1) == Some(b'{') => "a template expression (`{{`)",
            b',' | b'[' | b']' | b'{' | b'}' => "a bracket or comma where text is expected",
            b'&' | b'*' | b'!' | b'|' | b'>' | b'#' | b'"' | b'\'' => "an indicator where text is expected",
            b'%' | b'@' | b'`' => "a character that no plain scalar can begin with",
            b'\t' => "a tab where text is expected",
            _ => return self.find_plain_end(at),
        };
        unsupported(at, reason)
    }

    /// Finds the end of the plain scalar that begins at `at`, on its line.
    #[inline(always)]
    fn find_plain_end(&self, at: usize) -> ScanResult<PlainEnd> {
        let text = self.text;
        let mut stop = at;
        loop {
            stop = find_plain_stop(text, stop);
            match self.byte(stop) {
                Some(b':') => {
                    if self.is_space_at(stop + 1) {
                        return Ok(PlainEnd::Key { end: self.trim_end(at, stop), colon: stop });
                    }
                    stop += 1;
                }
                Some(b'#') => {
                    if stop > at && is_space_or_tab(text[stop - 1]) {
                        let next = (line_end(text, stop) + 1).min(text.len());
                        return Ok(PlainEnd::Line { end: self.trim_end(at, stop), next, has_comment: true });
                    }
                    stop += 1;
                }
                _ => {
                    let next = (stop + 1).min(text.len());
                    return Ok(PlainEnd::Line { end: self.trim_end(at, stop), next, has_comment: false });
                }
            }
        }
    }
}
