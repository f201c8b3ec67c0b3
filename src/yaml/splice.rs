//! Splices: byte ranges and what replaces them. The text of all splices of a document is one buffer.

use std::ops::Range;

/// Replacements in one document, in order, none overlapping another.
#[derive(Clone, Debug, Default)]
pub struct Splices {
    list: Vec<Splice>,
    text: String,
}

#[derive(Clone, Debug)]
struct Splice {
    range: Range<usize>,
    text: Range<usize>,
}

impl Splices {
    /// Forgets all splices, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.text.clear();
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of splices.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds one; `write` appends the new text to the buffer.
    pub(super) fn push(&mut self, range: Range<usize>, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.list.push(Splice { range, text: start..self.text.len() });
    }

    /// Whether one of them takes away the byte at an offset.
    pub(super) fn covers(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.range.contains(&offset))
    }

    /// Whether one of them inserts at an offset.
    pub(super) fn insert_at(&self, offset: usize) -> bool {
        self.list.iter().any(|splice| splice.range == (offset..offset))
    }

    /// For a text whose last line has no line break: lines inserted behind it need one before them, and the
    /// result ends without one again. Splices are in order.
    pub(super) fn settle_end(&mut self, original: &str, newline: &str) {
        let end = original.len();
        let Some(last) = self.list.len().checked_sub(1).filter(|&last| self.list[last].range.end == end) else {
            return;
        };
        let first_at_end = self.list.partition_point(|splice| splice.range.start < end);
        // What goes to the very end: whole lines, one run of them.
        let is_removal = |splice: &Splice| {
            splice.text.is_empty() && !splice.range.is_empty() && original[..splice.range.start].ends_with('\n')
        };
        let mut kept = first_at_end;
        let mut removed_from = end;
        while kept > 0 && self.list[kept - 1].range.end == removed_from && is_removal(&self.list[kept - 1]) {
            kept -= 1;
            removed_from = self.list[kept].range.start;
        }
        if first_at_end <= last {
            self.list[last].text.end -= newline.len();
            if removed_from == end {
                let start = self.text.len();
                self.text.push_str(newline);
                let text = start..self.text.len();
                self.list.insert(first_at_end, Splice { range: end..end, text });
            }
        } else if removed_from < end {
            match kept.checked_sub(1).map(|before| &mut self.list[before]) {
                // Lines inserted directly before those that go end the text now.
                Some(before) if before.range.end == removed_from && !before.text.is_empty() => {
                    before.text.end -= newline.len();
                }
                _ => self.list[kept].range.start = original[..removed_from].trim_end_matches(['\n', '\r']).len(),
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
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Range<usize>, &str)> {
        self.list.iter().map(|splice| (splice.range.clone(), &self.text[splice.text.clone()]))
    }

    /// The edited text, appended to `out`.
    pub fn apply(&self, original: &str, out: &mut String) {
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
