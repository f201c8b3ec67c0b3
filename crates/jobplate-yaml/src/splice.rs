//! Splices: byte ranges and what replaces them. The text of all splices of a document is one buffer.

use std::ops::Range;

/// Replacements in one document, in order, none overlapping another.
#[derive(Debug, Default)]
pub(super) struct Splices {
    list: Vec<Splice>,
    text: String,
}

#[derive(Debug)]
struct Splice {
    range: Range<usize>,
    text: Range<usize>,
    /// Whole lines.
    lines: bool,
}

impl Splices {
    /// Forgets all splices, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.text.clear();
    }

    /// Adds one; `write` appends the new text to the buffer.
    pub(super) fn push(&mut self, range: Range<usize>, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.list.push(Splice { range, text: start..self.text.len(), lines: false });
    }

    /// Whether one of them takes away the byte at an offset.
    pub(super) fn covers(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.range.contains(&offset))
    }

    /// Adds whole lines, the last of them with its line break, or removes some.
    pub(super) fn push_lines(&mut self, range: Range<usize>, write: impl FnOnce(&mut String)) {
        self.push(range, write);
        if let Some(splice) = self.list.last_mut() {
            splice.lines = true;
        }
    }

    /// Whether one of them inserts lines at an offset.
    pub(super) fn inserts_lines_at(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.lines && splice.range == (offset..offset))
    }

    /// For a text whose last line has no line break: lines inserted behind it need one before them, and the
    /// result ends without one again, unless a scalar before the removed end needs it (`needs_break`).
    /// Splices are in order.
    pub(super) fn settle_end(&mut self, original: &str, newline: &str, needs_break: impl Fn(usize) -> bool) {
        let end = original.len();
        let inserted = self.list.partition_point(|splice| splice.range.start < end || !splice.lines);
        // Lines removed at the very end, in one run.
        let (mut first_removed, mut removed_from) = (inserted, end);
        while let Some(before) = first_removed.checked_sub(1).map(|before| &self.list[before]) {
            if !(before.lines && before.text.is_empty() && before.range.end == removed_from && !before.range.is_empty())
            {
                break;
            }
            removed_from = before.range.start;
            first_removed -= 1;
        }
        if inserted < self.list.len() {
            let last = self.list.len() - 1;
            self.list[last].text.end -= newline.len();
            if removed_from == end {
                let start = self.text.len();
                self.text.push_str(newline);
                let text = start..self.text.len();
                self.list.insert(inserted, Splice { range: end..end, text, lines: true });
            }
        } else if removed_from < end {
            match first_removed.checked_sub(1).map(|before| &mut self.list[before]) {
                // Lines inserted directly before those that go end the text now.
                Some(before) if before.lines && before.range.end == removed_from && !before.text.is_empty() => {
                    before.text.end -= newline.len();
                }
                _ if needs_break(removed_from) => {}
                _ => {
                    let content = original[..removed_from].strip_suffix('\n').unwrap_or(original);
                    self.list[first_removed].range.start = content.strip_suffix('\r').unwrap_or(content).len();
                }
            }
        }
    }

    /// Brings the splices into the order of the text; false if two of them overlap.
    pub(super) fn sort(&mut self) -> bool {
        // Stable, so insertions at one place keep the order in which they were asked for.
        self.list.sort_by_key(|splice| (splice.range.start, splice.range.end));
        self.list.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start)
    }

    /// Ranges of the original with the text that takes their place.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Range<usize>, &str)> {
        self.list.iter().map(|splice| (splice.range.clone(), &self.text[splice.text.clone()]))
    }

    /// The place in the original that an offset in the edited text comes from.
    pub(super) fn origin(&self, edited: usize) -> Range<usize> {
        let mut grown = 0usize;
        for (range, text) in self.iter() {
            if range.start + grown + text.len() > edited {
                return range;
            }
            grown = (grown + text.len()).saturating_sub(range.len());
        }
        let at = edited.saturating_sub(grown);
        at..at
    }

    /// The edited text, appended to `out`.
    pub(super) fn apply(&self, original: &str, out: &mut String) {
        let mut from = 0;
        out.reserve(original.len() + self.text.len());
        for (range, text) in self.iter() {
            out.push_str(&original[from..range.start]);
            out.push_str(text);
            from = range.end;
        }
        out.push_str(&original[from..]);
    }
}
