//! Converts byte offsets to lines and columns.

/// The start offsets of all lines of a string. Built in one pass; each lookup is a binary search.
///
/// ```
/// use jobplate_diagnostic::LineIndex;
///
/// let text = "kind: Job\nname: étude\n";
/// let index = LineIndex::new(text);
/// let offset = text.find("tude").unwrap();
/// assert_eq!(index.line(offset), 2);
/// assert_eq!(index.line_column(text, offset), (2, 8));
/// ```
#[derive(Clone, Debug)]
pub struct LineIndex {
    /// The offset of the first byte of each line, in ascending order. The first offset is 0.
    starts: Vec<usize>,
}

impl LineIndex {
    /// Builds the index of `text`. A line ends with a line feed.
    pub fn new(text: &str) -> Self {
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1);
        LineIndex { starts: std::iter::once(0).chain(line_starts).collect() }
    }

    /// Returns the 1-based line of a byte offset. An offset past the end is on the last line.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Returns the 1-based line and column of a byte offset.
    ///
    /// The column counts characters and ignores a byte order mark at the start of the line. An offset inside a
    /// multi-byte character has the column of that character.
    ///
    /// # Panics
    /// May panic if `text` is not the indexed text.
    pub fn line_column(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = text.floor_char_boundary(offset);
        let line = self.line(offset);
        let before = &text[self.starts[line - 1]..offset];
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = "\u{feff}é: 1\r\n\nb";
        let index = LineIndex::new(text);
        let actual: Vec<_> = (0..=text.len() + 1).map(|offset| index.line_column(text, offset)).collect();
        let expected = [
            [(1, 1); 4].as_slice(), // The byte order mark and the first byte of `é`.
            &[(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)],
            &[(2, 1), (3, 1), (3, 2), (3, 2)],
        ];
        assert_eq!(actual, expected.concat());
        assert_eq!(LineIndex::new("").line_column("", 0), (1, 1));
    }
}
