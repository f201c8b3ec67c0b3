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
