//! Columns for people.

use std::io::Write;

use tabwriter::TabWriter;

use super::human::escape_name;

/// A table without lines: a head, and rows of as many cells. Cells may be names of an input.
pub fn format_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut columns = TabWriter::new(Vec::new());
    let mut text = head.join("\t") + "\n";
    for row in rows {
        // No tab is in a name that is printable.
        text.push_str(&row.iter().map(|cell| escape_name(cell)).collect::<Vec<_>>().join("\t"));
        text.push('\n');
    }
    let drawn = columns.write_all(text.as_bytes()).ok().and_then(|()| columns.into_inner().ok());
    let drawn = drawn.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text);
    drawn.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [vec!["1".to_owned(), "a\tb".to_owned()], vec!["10".to_owned(), "c".to_owned()]];
        assert_eq!(format_table(&["#", "NAME"], &rows), "#   NAME\n1   a\\tb\n10  c\n");
    }
}
