//! Collects documents that are checked together, and divides them among threads.

use std::ops::Range;

/// The maximum size of the documents of a batch, in bytes. A larger document is not copied into a batch.
const MAX_SIZE: usize = 1024 * 1024;

/// The minimum size of a part, in bytes. For less, starting a thread does not pay.
const MIN_PART_SIZE: usize = 64 * 1024;

/// A document of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputDocument<'b> {
    /// The name of the input.
    pub file: &'b str,
    /// The 1-based line of the input on which the document begins.
    pub first_line: usize,
    pub text: &'b str,
}

/// Documents of one input, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    file: String,
    text: String,
    /// The first line and the byte range in `text` of each document.
    documents: Vec<(usize, Range<usize>)>,
}

impl Batch {
    /// Returns whether a document fits into the batch.
    pub(super) fn has_room_for(&self, text: &str) -> bool {
        self.text.len() + text.len() <= MAX_SIZE
    }

    /// Adds a copy of a document.
    pub(super) fn push(&mut self, document: InputDocument<'_>) {
        if self.documents.is_empty() {
            document.file.clone_into(&mut self.file);
        }
        let start = self.text.len();
        self.text.push_str(document.text);
        self.documents.push((document.first_line, start..self.text.len()));
    }

    /// Removes all documents, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.documents.clear();
    }

    /// Returns the documents in at most as many parts as `max_parts` returns, which is called only for a large batch. The
    /// parts are in order, not empty, and of similar size.
    pub(super) fn split(&self, max_parts: impl FnOnce() -> usize) -> Vec<Vec<InputDocument<'_>>> {
        let parts = match self.text.len() / MIN_PART_SIZE {
            0 | 1 => 1,
            parts => parts.min(max_parts()).max(1),
        };
        let part_size = self.text.len().div_ceil(parts).max(1);
        let mut split: Vec<Vec<InputDocument<'_>>> = Vec::with_capacity(parts);
        let mut last_part = None;
        for (first_line, range) in &self.documents {
            let document = InputDocument { file: &self.file, first_line: *first_line, text: &self.text[range.clone()] };
            // The part that the middle of the document is in.
            let part = usize::midpoint(range.start, range.end) / part_size;
            match split.last_mut().filter(|_| last_part == Some(part)) {
                Some(current) => current.push(document),
                None => split.push(vec![document]),
            }
            last_part = Some(part);
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_documents_into_parts_of_similar_size() {
        for (sizes, threads, expected) in [
            (&[][..], 2, &[] as &[usize]),
            (&[100, 100, 100], 2, &[3]),
            (&[MIN_PART_SIZE, MIN_PART_SIZE], 1, &[2]),
            (&[MIN_PART_SIZE, MIN_PART_SIZE], 2, &[1, 1]),
            (&[MIN_PART_SIZE, MIN_PART_SIZE], 8, &[1, 1]),
            (&[10, 10, 2 * MIN_PART_SIZE, 10, 10], 2, &[2, 3]),
            (&[MIN_PART_SIZE, MIN_PART_SIZE, 2 * MIN_PART_SIZE], 2, &[2, 1]),
        ] {
            let mut batch = Batch::default();
            for (index, size) in sizes.iter().enumerate() {
                batch.push(InputDocument { file: "-", first_line: index + 1, text: &"a".repeat(*size) });
            }
            let parts = batch.split(|| threads);
            assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{sizes:?} {threads}");
            let lines: Vec<usize> = parts.iter().flatten().map(|document| document.first_line).collect();
            assert_eq!(lines, (1..=sizes.len()).collect::<Vec<_>>());
        }
    }
}
