//! Splices: byte ranges of a document and their replacements.
//!
//! All replacements share one buffer, so a splice needs no allocation of its own.

use std::ops::Range;

use super::edit::MAX_NEW_TEXT;

/// The splices of one document.
#[derive(Debug, Default)]
pub(super) struct Splices {
    list: Vec<Splice>,
    text: NewText,
}

/// Text that edits add to a document. It never grows beyond [`MAX_NEW_TEXT`] bytes.
#[derive(Debug, Default)]
pub(super) struct NewText {
    text: String,
    /// Whether some text was not added, because of the limit.
    is_full: bool,
}

impl NewText {
    pub(super) fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn push_str(&mut self, text: &str) {
        if self.has_room_for(text.len()) {
            self.text.push_str(text);
        }
    }

    /// Appends `count` spaces.
    pub(super) fn push_spaces(&mut self, count: usize) {
        if self.has_room_for(count) {
            self.text.extend(std::iter::repeat_n(' ', count));
        }
    }

    /// Returns the text.
    #[cfg(test)]
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends other text. If that is full, this text is full too.
    pub(super) fn append(&mut self, other: &NewText) {
        self.push_str(&other.text);
        self.is_full |= other.is_full;
    }

    fn has_room_for(&mut self, count: usize) -> bool {
        self.is_full |= count > MAX_NEW_TEXT - self.text.len();
        !self.is_full
    }
}

/// The replacement of one byte range.
#[derive(Debug)]
struct Splice {
    /// The replaced bytes of the original.
    range: Range<usize>,
    /// The range of the replacement in the buffer.
    text: Range<usize>,
    /// Whether the splice inserts or removes whole lines.
    whole_lines: bool,
}

impl Splices {
    /// Removes all splices but keeps the allocated memory.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.text.text.clear();
        self.text.is_full = false;
    }

    /// Returns whether the splices exceed the limit of new text, so that they must not be applied.
    pub(super) fn is_full(&self) -> bool {
        self.text.is_full
    }

    /// Adds a splice. `write` appends the replacement to the buffer.
    pub(super) fn push(&mut self, range: Range<usize>, write: impl FnOnce(&mut NewText)) {
        let start = self.text.text.len();
        write(&mut self.text);
        self.list.push(Splice { range, text: start..self.text.text.len(), whole_lines: false });
    }

    /// Returns whether a splice replaces the byte at `offset`.
    pub(super) fn covers(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.range.contains(&offset))
    }

    /// Adds a splice that removes whole lines, or inserts lines that each end with a line break.
    pub(super) fn push_lines(&mut self, range: Range<usize>, write: impl FnOnce(&mut NewText)) {
        self.push(range, write);
        if let Some(splice) = self.list.last_mut() {
            splice.whole_lines = true;
        }
    }

    /// Returns whether a splice inserts lines at `offset`.
    pub(super) fn inserts_lines_at(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.whole_lines && splice.range == (offset..offset))
    }

    /// Adjusts the splices of a document without a final line break, so that the edited text also lacks a final line
    /// break.
    ///
    /// Lines that are inserted at the end need a line break before them. If the last lines are removed, the line break
    /// before them is removed too, unless `needs_break` returns true for their offset, because a block scalar before
    /// them keeps its final line break. The splices must be sorted.
    pub(super) fn fix_final_newline(&mut self, original: &str, newline: &str, needs_break: impl Fn(usize) -> bool) {
        let end = original.len();
        let inserted = self.list.partition_point(|splice| splice.range.start < end || !splice.whole_lines);
        // Find the adjacent splices that remove the last lines of the text.
        let (mut first_removed, mut removed_from) = (inserted, end);
        while let Some(before) = first_removed.checked_sub(1).map(|before| &self.list[before]) {
            if !(before.whole_lines
                && before.text.is_empty()
                && before.range.end == removed_from
                && !before.range.is_empty())
            {
                break;
            }
            removed_from = before.range.start;
            first_removed -= 1;
        }
        if inserted < self.list.len() {
            let last = self.list.len() - 1;
            self.remove_final_newline(last);
            if removed_from == end {
                let start = self.text.text.len();
                self.text.push_str(newline);
                let text = start..self.text.text.len();
                self.list.insert(inserted, Splice { range: end..end, text, whole_lines: true });
            }
        } else if removed_from < end {
            match first_removed.checked_sub(1).map(|before| &self.list[before]) {
                // Lines inserted directly before the removed lines are now the last lines.
                Some(before) if before.whole_lines && before.range.end == removed_from && !before.text.is_empty() => {
                    self.remove_final_newline(first_removed - 1);
                }
                _ if needs_break(removed_from) => {}
                _ => {
                    let content = original[..removed_from].strip_suffix('\n').unwrap_or(original);
                    self.list[first_removed].range.start = content.strip_suffix('\r').unwrap_or(content).len();
                }
            }
        }
    }

    /// Removes the line break at the end of a splice's text. It may differ from the line break at the end of the
    /// document, because inserted lines end like the lines near them.
    fn remove_final_newline(&mut self, splice: usize) {
        let range = &mut self.list[splice].text;
        let text = &self.text.text[range.clone()];
        let content = text.strip_suffix('\n').map_or(text, |content| content.strip_suffix('\r').unwrap_or(content));
        range.end = range.start + content.len();
    }

    /// Sorts the splices by position. Returns `false` if two of them overlap.
    pub(super) fn sort(&mut self) -> bool {
        // The sort is stable, so insertions at one offset keep the order in which they were added.
        self.list.sort_by_key(|splice| (splice.range.start, splice.range.end));
        self.list.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start)
    }

    /// Returns the replaced ranges of the original with their replacements.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Range<usize>, &str)> {
        self.list.iter().map(|splice| (splice.range.clone(), &self.text.text[splice.text.clone()]))
    }

    /// Maps an offset of the edited text to the original: to the replaced range if the offset is in a replacement,
    /// otherwise to an empty range.
    pub(super) fn origin(&self, edited: usize) -> Range<usize> {
        let mut shift = 0usize;
        for (range, text) in self.iter() {
            if range.start + shift + text.len() > edited {
                return range;
            }
            shift = (shift + text.len()).saturating_sub(range.len());
        }
        let offset = edited.saturating_sub(shift);
        offset..offset
    }

    /// Appends the edited text to `out`.
    pub(super) fn apply(&self, original: &str, out: &mut String) {
        let mut from = 0;
        out.reserve(original.len() + self.text.text.len());
        for (range, text) in self.iter() {
            out.push_str(&original[from..range.start]);
            out.push_str(text);
            from = range.end;
        }
        out.push_str(&original[from..]);
    }
}
