//! Checks that retired phrases do not come back: in messages, help texts, golden cases and the documentation.
//!
//! `tests/style.rs` does the same for comments and identifiers.

use std::fs;
use std::path::Path;

/// Phrases that are not used, each with the wording to use instead.
const RETIRED: [(&str, &str); 69] = [
    ("a played", "a fake"),
    ("a text", "a string, an embedded document"),
    ("all the same", "still"),
    ("anew", "again"),
    ("are no", "are not"),
    ("are none", "are not ..., are missing"),
    ("as kubectl has", "like kubectl"),
    ("bad days", "fault injection"),
    ("beforehand", "before anything is written"),
    ("begun again", "retried"),
    ("behind", "after"),
    ("but for", "except for"),
    ("by itself", "automatically, separately"),
    ("comes to light", "is found"),
    ("door", "integration"),
    ("doors", "integrations"),
    ("draw", "generate"),
    ("faults included", "including its bugs"),
    ("folder", "directory"),
    ("folders", "directories"),
    ("for good", "permanently"),
    ("gives way", "is overridden"),
    ("hand on", "pass on, forward"),
    ("handed on", "passed on"),
    ("hands on", "passes on"),
    ("has it", "like X, in X's format"),
    ("have had", "have"),
    ("in the place of", "instead of"),
    ("in vain", "overridden"),
    ("is lost", "is overridden"),
    ("is no", "is not a"),
    ("is none", "is not a ..., is invalid"),
    ("is said", "is reported"),
    ("is the identity", "is idempotent"),
    ("is to be guarded", "fails with ..."),
    ("knows no", "does not have"),
    ("laid over", "merged over"),
    ("lays", "merges"),
    ("lost without", "silently overridden"),
    ("made up", "a placeholder"),
    ("mend", "fix"),
    ("nobody", "no one, or name who"),
    ("nowhere", "not ... anywhere"),
    ("of a stranger", "of another owner"),
    ("once more", "again"),
    ("papers", "docs"),
    ("rooms", "modules"),
    ("said", "reported"),
    ("stands there", "is"),
    ("stands", "is, appears"),
    ("stood", "was"),
    ("takes its place", "overrides it"),
    ("tell", "report"),
    ("tells", "reports"),
    ("that others own", "owned by other field managers"),
    ("the first word", "the command"),
    ("the same once more", "a duplicate"),
    ("the very", "the same, the exact"),
    ("told", "reported"),
    ("went away", "closed the pipe"),
    ("whatever it may be", "any object"),
    ("whatever", "any, regardless of"),
    ("wherever", "in any ..."),
    ("whichever", "any"),
    ("whoever", "the program that"),
    ("wish", "setting"),
    ("wishes", "settings"),
    ("without a word", "silently"),
    ("would fail here", "raises ... here"),
];

/// Returns the lines of a page that people wrote, with their numbers: all lines but those of `console` and `text` blocks,
/// which the program printed.
fn written_lines(page: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut is_output = false;
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            is_output = !is_output && (line.starts_with("```console") || line.starts_with("```text"));
        } else if !is_output {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// Returns whether a line contains a phrase as whole words, also at the start of a sentence. Some phrases are English
/// after "there", or before "longer".
fn contains_phrase(line: &str, phrase: &str) -> bool {
    let capitalized = phrase[..1].to_uppercase() + &phrase[1..];
    let occurrences = line.match_indices(phrase).chain(line.match_indices(&capitalized));
    occurrences.into_iter().any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + phrase.len()..]);
        let is_part = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
        let is_english =
            before.to_lowercase().ends_with("there ") || phrase.ends_with(" no") && after.starts_with(" longer");
        !before.ends_with(is_part) && !after.starts_with(is_part) && !is_english
    })
}

/// Finds the retired phrases in lines of a file.
fn find_phrases(path: &str, lines: &[(usize, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (phrase, use_instead) in RETIRED {
        for (number, line) in lines.iter().filter(|(_, line)| contains_phrase(line, phrase)) {
            faults.push(format!("{path}:{number}: {phrase:?}; write {use_instead:?}: {}", line.trim()));
        }
    }
    faults
}

/// Collects the files below a path with their text. Skips files that are not UTF-8.
fn collect_files(top: &Path, path: &str, files: &mut Vec<(String, String)>) {
    let place = top.join(path);
    if place.is_dir() {
        for entry in fs::read_dir(&place).expect("a directory") {
            let name = entry.expect("a directory entry").file_name();
            collect_files(top, &format!("{path}/{}", name.to_string_lossy()), files);
        }
    } else if let Ok(text) = fs::read_to_string(&place) {
        files.push((path.to_owned(), text));
    }
}

#[test]
fn retired_phrases_are_not_used() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    let (mut sources, mut pages) = (Vec::new(), Vec::new());
    for path in ["src", "crates", "tests/cmd"] {
        collect_files(top, path, &mut sources);
    }
    for path in
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "charts", "integrations", "templates"]
    {
        collect_files(top, path, &mut pages);
    }
    assert!(sources.len() > 800 && pages.len() > 40, "{} sources, {} pages", sources.len(), pages.len());
    for (path, text) in &sources {
        let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
        faults.extend(find_phrases(path, &lines));
    }
    for (path, text) in &pages {
        faults.extend(find_phrases(path, &written_lines(text)));
    }
    assert!(faults.is_empty(), "{} retired phrases:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn phrases_are_whole_words() {
    for (line, phrase, is_found) in [
        ("It stands there.", "stands", true),
        ("It understands.", "stands", false),
        ("stands-in", "stands", false),
        ("X is no Y", "is no", true),
        ("There is no Y; it is no longer here", "is no", false),
        ("It is none.", "is no", false),
        ("Nobody reads it.", "nobody", true),
        ("NOBODY", "nobody", false),
    ] {
        assert_eq!(contains_phrase(line, phrase), is_found, "{line:?} and {phrase:?}");
    }
    let page = "told\n```console\n$ a\ntold\n```\n```yaml\ntold: 1\n```\n";
    assert_eq!(written_lines(page), [(1, "told"), (7, "told: 1")]);
}
