//! Renders a table with aligned columns.

use std::io::Write;

use tabwriter::TabWriter;

use super::human::escape_name;

/// Returns a table without borders. Each row has as many cells as `header`; cells are escaped.
pub fn format_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut columns = TabWriter::new(Vec::new());
    let mut text = header.join("\t") + "\n";
    for row in rows {
        // An escaped cell contains no tab, so each tab separates two cells.
        text.push_str(&row.iter().map(|cell| escape_name(cell)).collect::<Vec<_>>().join("\t"));
        text.push('\n');
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
}
