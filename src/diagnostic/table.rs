//! Renders a table with aligned columns.

use std::io::Write;

use tabwriter::TabWriter;

use super::human::escape_name;

/// The maximum size of an aligned table, in bytes. One long cell makes all rows of its column long.
const MAX_ALIGNED_SIZE: usize = 16 << 20;

/// Returns a table without borders. Each row has as many cells as `header`; cells are escaped. The columns of a table
/// with many rows and a very long cell are not aligned.
pub fn format_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut columns = TabWriter::new(Vec::new());
    let mut text = header.join("\t") + "\n";
    for row in rows {
        // An escaped cell contains no tab, so each tab separates two cells.
        text.push_str(&row.iter().map(|cell| escape_name(cell)).collect::<Vec<_>>().join("\t"));
        text.push('\n');
    }
    let width_of = |column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or_default();
    let width: usize = (0..header.len()).map(width_of).sum();
    if width.saturating_mul(rows.len()) > MAX_ALIGNED_SIZE {
        return text.replace('\t', "  ");
    }
    let aligned = columns.write_all(text.as_bytes()).ok().and_then(|()| columns.into_inner().ok());
    let aligned = aligned.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(text);
    aligned.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns_and_escapes_cells() {
        let rows = [vec!["1".to_owned(), "a\tb".to_owned()], vec!["10".to_owned(), "c".to_owned()]];
        assert_eq!(format_table(&["#", "NAME"], &rows), "#   NAME\n1   a\\tb\n10  c\n");
    }

    #[test]
    fn does_not_align_a_long_cell_in_many_rows() {
        let mut rows = vec![vec!["a".to_owned(), "b".to_owned()]; 20_000];
        rows.push(vec!["a".repeat(1_000), "b".to_owned()]);
        assert!(format_table(&["#", "NAME"], &rows).starts_with("#  NAME\na  b\n"));
    }
}
