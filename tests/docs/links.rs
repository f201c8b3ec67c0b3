//! Checks the links between files of the project. The site checks only the pages that are part of it.

use crate::pages::{Page, read_all, top};

/// Returns the targets of the links and images in a line: `[text](target)`.
fn targets(line: &str) -> Vec<&str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

#[test]
fn links_between_files_lead_somewhere() {
    let pages = read_all();
    let mut faults = Vec::new();
    let mut count = 0;
    for page in &pages {
        let directory = page.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (line, target) in
            page.prose().iter().flat_map(|(line, text)| targets(text).into_iter().map(move |target| (line, target)))
        {
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.path.clone() } else { resolve(directory, file) };
            let linked: Option<&Page> = pages.iter().find(|page| page.path == path);
            let is_valid = match linked {
                Some(linked) => anchor.is_empty() || linked.anchors().iter().any(|known| known == anchor),
                None => anchor.is_empty() && top().join(&path).exists(),
            };
            if !is_valid {
                faults.push(format!("{}:{line}: {target}", page.path));
            }
        }
    }
    assert!(count > 100, "only {count} links");
    assert!(faults.is_empty(), "{} broken links:\n{}", faults.len(), faults.join("\n"));
}

/// Resolves a relative path.
fn resolve(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn links_are_found_and_resolved() {
    assert_eq!(targets("[a](b.md#c), ![d](e.svg) (f)"), ["b.md#c", "e.svg"]);
    assert_eq!(resolve("docs", "../charts/./a.md"), "charts/a.md");
    let page = Page { path: "a.md".to_owned(), text: "# A `b`, c-d\n```\n# no\n```\n## E\n".to_owned() };
    assert_eq!(page.anchors(), ["a-b-c-d", "e"]);
}
