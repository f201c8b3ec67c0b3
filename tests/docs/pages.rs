//! Reads the pages of the documentation.

use std::fs;
use std::path::Path;

/// A Markdown page of the project.
pub(crate) struct Page {
    /// Its path from the top of the project, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns the top of the project.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads all Markdown pages of the project, except in directories of tests.
pub(crate) fn read_all() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(top(), "", &mut pages);
    pages.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(pages.len() > 35, "only {} pages", pages.len());
    pages
}

fn collect(directory: &Path, path: &str, pages: &mut Vec<Page>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("a directory entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if entry.path().is_dir() {
            if !name.starts_with('.') && !["target", "tests"].contains(&path.as_str()) {
                collect(&entry.path(), &path, pages);
            }
        } else if name.ends_with(".md") {
            pages.push(Page { path, text: fs::read_to_string(entry.path()).expect("a page is UTF-8") });
        }
    }
}

impl Page {
    /// Returns the lines outside of code blocks, each with its number.
    pub(crate) fn prose(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut is_code = false;
        for (index, line) in self.text.lines().enumerate() {
            if line.starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                lines.push((index + 1, line));
            }
        }
        lines
    }

    /// Returns the code blocks: the line number, the info string and the content of each.
    pub(crate) fn blocks(&self) -> Vec<(usize, &str, String)> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, &str, String)> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => open = Some((index + 1, info, String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some((.., content)), None) => content.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a code block has no end", self.path);
        blocks
    }

    /// Returns the anchors of the headings, as GitHub and the site make them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.prose().into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
        let to_anchor = |heading: &str| -> String {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let letters = text.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
        };
        headings.map(to_anchor).collect()
    }
}
