//! A finding of `check`, prepared for reports: places are lines and columns, and values are masked. It does not hold the
//! document.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Diagnostic, Location, Severity};
use sha2::{Digest as _, Sha256};

use super::document_cache::DocumentCache;

/// The maximum number of lines that a report shows of a place.
const MAX_LINES: usize = 5;

/// The maximum size of these lines, in bytes. Longer lines, such as those of minified JSON, are not shown.
const MAX_LINES_SIZE: usize = 4096;

/// A finding in a report.
#[derive(Clone, Debug)]
pub struct ReportedFinding {
    /// The name of the rule, or the code of an error.
    pub rule: &'static str,
    /// How serious the finding is.
    pub severity: Severity,
    /// `low`, `medium` or `high`.
    pub confidence: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    /// How to fix the finding.
    pub help: Option<String>,
    /// The place in terms of the manifest, such as `Job/etl: spec.template.spec.containers[flow].env[TOKEN].value`.
    pub path: String,
    /// The place in the file.
    pub place: ReportedPlace,
    /// Further places, each with a label.
    pub related: Vec<(String, ReportedPlace)>,
    /// The fix, if it can be made and shows no sensitive value.
    pub fix: Option<ReportedFix>,
    /// The reason of the comment that suppresses the finding, which may be empty. `None` if the finding is not suppressed.
    pub suppression: Option<String>,
    /// An identifier that stays the same when lines are inserted before the finding, and that no other finding of the
    /// report has: 64 hexadecimal digits.
    pub fingerprint: String,
}

/// A change of the file in which a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedFix {
    /// What the fix does: an imperative sentence without a full stop.
    pub text: String,
    /// Whether the manifest keeps its meaning.
    pub is_safe: bool,
    /// The first replaced character.
    pub start: Position,
    /// The position after the last replaced character.
    pub end: Position,
    /// The new text.
    pub replacement: String,
}

/// A range of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedPlace {
    /// The file.
    pub file: Rc<ReportedFile>,
    /// The first character.
    pub start: Position,
    /// The position after the last character, on the line of that character.
    pub end: Position,
    /// The first lines of the range, with values masked, without the last line break. Empty if they must not be shown.
    pub lines: String,
}

/// A file in a report.
#[derive(Debug, PartialEq, Eq)]
pub struct ReportedFile {
    /// The path as the user passed it; `-` is standard input.
    pub name: String,
    /// The path from the root of the repository, with slashes. The name if the file is not in a repository.
    pub path: String,
}

/// A position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The 1-based line.
    pub line: usize,
    /// The 1-based column in characters (Unicode code points).
    pub column: usize,
    /// The 1-based column in bytes of UTF-8.
    pub byte_column: usize,
}

/// What reports say about a rule.
#[derive(Clone, Debug)]
pub struct RuleInfo {
    /// The name.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// Why the rule matters, in Markdown.
    pub why: &'static str,
    /// How to fix a finding, in Markdown.
    pub remedy: &'static str,
    /// The default severity.
    pub severity: Severity,
    /// The default confidence: `low`, `medium` or `high`.
    pub confidence: &'static str,
    /// The severity of a leaked secret from 0.1 to 10.0, if the rule is about secrets.
    pub security_severity: Option<&'static str>,
    /// The whole page, in Markdown.
    pub page: String,
}

/// What a report contains.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The version of the program.
    pub version: &'static str,
    /// The files that were checked, in the order of the command line.
    pub files: Vec<Rc<ReportedFile>>,
    /// The findings, in the order of the files and of the lines in them.
    pub findings: Vec<ReportedFinding>,
    /// The errors of inputs that could not be checked.
    pub errors: Vec<ReportedFinding>,
    /// The rules.
    pub rules: Vec<RuleInfo>,
    /// The number of documents.
    pub documents: usize,
    /// The number of objects.
    pub objects: usize,
    /// The number of containers.
    pub containers: usize,
    /// The number of findings that are left out, because a document has too many of one rule.
    pub omitted: usize,
}

/// Converts diagnostics for a report.
pub struct FindingConverter<'c> {
    /// The program's name in the help.
    program: &'c str,
    documents: &'c DocumentCache,
    /// Returns the path of a file from the root of the repository.
    path_in_repository: Box<dyn Fn(&str) -> String>,
    files: HashMap<String, Rc<ReportedFile>>,
    /// How many findings have the same identity, by their first fingerprint.
    identities: HashMap<String, usize>,
}

impl CheckReport {
    /// Returns the findings that no comment suppresses.
    pub fn active(&self) -> impl Iterator<Item = &ReportedFinding> {
        self.findings.iter().filter(|finding| finding.suppression.is_none())
    }
}

impl ReportedFinding {
    /// Returns the message, and the help on a second line.
    pub fn text(&self) -> String {
        let help = self.help.as_ref().map(|help| format!("\nhint: {help}")).unwrap_or_default();
        format!("{}{help}", self.message)
    }
}

impl ReportedFix {
    /// Returns what the fix does, and whether it is unsafe.
    pub fn description(&self) -> String {
        let note = if self.is_safe { "" } else { " (unsafe: it can change the meaning)" };
        format!("{}{note}", self.text)
    }
}

impl<'c> FindingConverter<'c> {
    /// Creates a converter. `program` is the program's name in the help, and `path_in_repository` returns the path of a
    /// file from the root of the repository.
    pub fn new(
        program: &'c str,
        documents: &'c DocumentCache,
        path_in_repository: Box<dyn Fn(&str) -> String>,
    ) -> Self {
        let (files, identities) = (HashMap::new(), HashMap::new());
        FindingConverter { program, documents, path_in_repository, files, identities }
    }

    /// Converts a diagnostic. `path` is the place in terms of the manifest. A diagnostic without a location is on the
    /// first line of its file.
    pub fn convert(&mut self, diagnostic: &Diagnostic, confidence: &'static str, path: &str) -> ReportedFinding {
        let place = match diagnostic.location() {
            Some(location) => self.place(location),
            None => {
                let start = Position { line: 1, column: 1, byte_column: 1 };
                let file = self.file(diagnostic.file().unwrap_or("-"));
                ReportedPlace { file, start, end: start, lines: String::new() }
            }
        };
        let related =
            diagnostic.annotations().iter().map(|other| (other.label.clone(), self.place(&other.location))).collect();
        let identity = identity(diagnostic, &place.file.path, path);
        ReportedFinding {
            rule: diagnostic.code(),
            severity: diagnostic.severity(),
            confidence,
            message: diagnostic.message().to_owned(),
            help: diagnostic.help_message().map(|help| help.with_program(self.program)),
            path: path.to_owned(),
            related,
            fix: None,
            suppression: None,
            fingerprint: self.fingerprint(&identity),
            place,
        }
    }

    /// Returns a file.
    pub fn file(&mut self, name: &str) -> Rc<ReportedFile> {
        if let Some(file) = self.files.get(name) {
            return Rc::clone(file);
        }
        let file = Rc::new(ReportedFile { name: name.to_owned(), path: (self.path_in_repository)(name) });
        self.files.insert(name.to_owned(), Rc::clone(&file));
        file
    }

    /// Returns the fingerprint of an identity. Each further finding with the same identity has another fingerprint.
    fn fingerprint(&mut self, identity: &str) -> String {
        let first = hash_identity(identity, 0);
        let number = self.identities.entry(first.clone()).or_default();
        *number += 1;
        if *number == 1 { first } else { hash_identity(identity, *number - 1) }
    }

    /// Converts a fix. `text` says what the fix does, and `range` is the byte range of the location's document that
    /// `replacement` replaces. Returns `None` if the replacement contains a sensitive value.
    pub fn convert_fix(
        &self,
        location: &Location,
        is_safe: bool,
        text: &str,
        range: Range<usize>,
        replacement: String,
    ) -> Option<ReportedFix> {
        let document = self.documents.get(&location.document);
        if document.masked().would_show_in(&range, &replacement, &self.documents.policy()) {
            return None;
        }
        let (start, end) = (self.position(location, range.start), self.position(location, range.end));
        Some(ReportedFix { text: text.to_owned(), is_safe, start, end, replacement })
    }

    /// Returns the position of a byte offset in the location's document.
    fn position(&self, location: &Location, offset: usize) -> Position {
        let (lines, text) = (&self.documents.get(&location.document).lines, &*location.document);
        let (line, column) = lines.line_column(text, offset);
        let before = &text[line_start(text, offset)..offset];
        let byte_column = before.trim_start_matches('\u{feff}').len() + 1;
        Position { line: location.first_line + line - 1, column, byte_column }
    }

    fn place(&mut self, location: &Location) -> ReportedPlace {
        let file = self.file(&location.file);
        let document = self.documents.get(&location.document);
        let text = &*location.document;
        let start = text.floor_char_boundary(location.span.start);
        let end = text.ceil_char_boundary(location.span.end.max(start).min(text.len()));
        // The line break at the end of a block scalar is not part of its last line.
        let end = start + text[start..end].trim_end_matches(['\r', '\n']).len();
        let range = shown_range(text, start, end);
        let is_shown = location.has_excerpt && range.len() <= MAX_LINES_SIZE;
        let lines = if is_shown { document.masked().mask_range(range.clone(), range.start).0 } else { String::new() };
        let lines = lines.trim_end_matches('\r').replace("\r\n", "\n");
        let (start, end) = (self.position(location, start), self.position(location, end));
        ReportedPlace { file, start, end, lines }
    }
}

/// Returns what identifies a finding when lines are inserted before it. `file` is the path from the root of the
/// repository, and `path` the place in terms of the manifest.
fn identity(diagnostic: &Diagnostic, file: &str, path: &str) -> String {
    [diagnostic.code(), file, path, diagnostic.message()].join("\0")
}

/// Returns a fingerprint, as in [`ReportedFinding::fingerprint`]. `occurrence` is the number of findings before this one
/// that are equal to it.
pub fn fingerprint(diagnostic: &Diagnostic, file: &str, path: &str, occurrence: usize) -> String {
    hash_identity(&identity(diagnostic, file, path), occurrence)
}

fn hash_identity(identity: &str, occurrence: usize) -> String {
    let digest = match occurrence {
        0 => Sha256::digest(identity),
        _ => Sha256::digest(format!("{identity}\0{occurrence}")),
    };
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the byte range of the lines from `start` to `end`, but at most [`MAX_LINES`] lines, without a byte order mark
/// and without the last line break.
fn shown_range(text: &str, start: usize, end: usize) -> Range<usize> {
    let first = line_start(text, start);
    let first = if text[first..].starts_with('\u{feff}') { first + '\u{feff}'.len_utf8() } else { first };
    let line_end = |offset: usize| text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let end = line_end(end.max(first));
    let limit = text[first..end].match_indices('\n').nth(MAX_LINES - 1).map(|(at, _)| first + at);
    first..limit.unwrap_or(end)
}

fn line_start(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |at| at + 1)
}

/// Returns a finding for tests: the first character of a file.
#[cfg(test)]
pub(super) fn sample_finding(severity: Severity, path: &str) -> ReportedFinding {
    let position = |column| Position { line: 1, column, byte_column: column };
    let file = Rc::new(ReportedFile { name: path.to_owned(), path: path.to_owned() });
    ReportedFinding {
        rule: "some-rule",
        severity,
        confidence: "medium",
        message: "text".to_owned(),
        help: None,
        path: String::new(),
        place: ReportedPlace { file, start: position(1), end: position(2), lines: String::new() },
        related: Vec::new(),
        fix: None,
        suppression: None,
        fingerprint: "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(text: &str, span: Range<usize>) -> ReportedFinding {
        let documents = DocumentCache::default();
        let mut converter = FindingConverter::new("jobplate", &documents, Box::new(|name| format!("k8s/{name}")));
        let diagnostic = Diagnostic::warning("rule", "text").at(Location::new("a.yaml", 10, text, span));
        converter.convert(&diagnostic, "high", "Job/etl: x")
    }

    #[test]
    fn counts_characters_and_bytes() {
        let place = convert("\u{feff}é: 1\r\nü: 2\r\n", 3..6).place;
        assert_eq!(place.start, Position { line: 10, column: 1, byte_column: 1 });
        assert_eq!(place.end, Position { line: 10, column: 3, byte_column: 4 });
        assert_eq!((place.lines.as_str(), place.file.path.as_str()), ("é: 1", "k8s/a.yaml"));
    }

    #[test]
    fn ends_on_the_line_of_the_last_character() {
        let text = "a: |\n  x\n  y\nb: c\n";
        let place = convert(text, 3..13).place;
        assert_eq!(place.end, Position { line: 12, column: 4, byte_column: 4 });
        assert_eq!(place.lines, "a: |\n  x\n  y");
    }

    #[test]
    fn limits_the_lines() {
        let text = "- a\n".repeat(20);
        assert_eq!(convert(&text, 0..80).place.lines, "- a\n- a\n- a\n- a\n- a");
        let text = format!("[{}]", "a, ".repeat(MAX_LINES_SIZE));
        assert_eq!(convert(&text, 1..2).place.lines, "");
    }

    #[test]
    fn equal_findings_have_different_fingerprints() {
        let documents = DocumentCache::default();
        let mut converter = FindingConverter::new("jobplate", &documents, Box::new(str::to_owned));
        let mut fingerprint = |line, path| {
            let diagnostic = Diagnostic::warning("rule", "text").at(Location::new("a.yaml", line, "x", 0..1));
            converter.convert(&diagnostic, "high", path).fingerprint
        };
        let (first, second, other) = (fingerprint(1, "p"), fingerprint(2, "p"), fingerprint(1, "q"));
        assert!(first != second && first != other && second != other);
        let mut again = FindingConverter::new("jobplate", &documents, Box::new(str::to_owned));
        let moved = Diagnostic::warning("rule", "text").at(Location::new("a.yaml", 5, "x", 0..1));
        assert_eq!(again.convert(&moved, "high", "p").fingerprint, first);
    }
}
