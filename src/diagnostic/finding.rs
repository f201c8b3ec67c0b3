//! A finding of `check`, prepared for reports: places are lines and columns, and values are masked. It does not hold the
//! document.

use jobplate_diagnostic::{Annotation, Diagnostic, Location, Severity};
use sha2::{Digest as _, Sha256};

use super::document_cache::DocumentCache;

/// The maximum number of lines that a report shows of a place.
const MAX_LINES: usize = 5;

/// A finding in a report.
#[derive(Clone, Debug)]
pub struct ReportedFinding {
    /// The name of the rule.
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
    /// An identifier that stays the same when lines are inserted before the finding: 64 hexadecimal digits.
    pub fingerprint: String,
}

/// A range of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedPlace {
    /// The path as the user passed it; `-` is standard input.
    pub file: String,
    /// The first character.
    pub start: Position,
    /// The position after the last character.
    pub end: Position,
    /// The first lines of the range, with values masked, without the last line break. Empty if they must not be shown.
    pub lines: String,
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
#[derive(Clone, Copy, Debug)]
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
    /// The renderer of the whole page, in Markdown.
    pub page: fn(&'static str) -> String,
}

impl ReportedFinding {
    /// Prepares a diagnostic with a location. Returns `None` if it has none. `path` is the place in terms of the
    /// manifest, and `program` the program's name in the help.
    pub fn new(
        diagnostic: &Diagnostic,
        confidence: &'static str,
        path: &str,
        program: &str,
        documents: &DocumentCache,
    ) -> Option<Self> {
        let place = ReportedPlace::new(diagnostic.location()?, documents);
        let related = diagnostic.annotations().iter();
        let related =
            related.map(|Annotation { location, label }| (label.clone(), ReportedPlace::new(location, documents)));
        let identity = [diagnostic.code(), &place.file, path, diagnostic.message()].join("\0");
        Some(ReportedFinding {
            rule: diagnostic.code(),
            severity: diagnostic.severity(),
            confidence,
            message: diagnostic.message().to_owned(),
            help: diagnostic.help_message().map(|help| help.with_program(program)),
            path: path.to_owned(),
            related: related.collect(),
            fingerprint: Sha256::digest(identity).iter().map(|byte| format!("{byte:02x}")).collect(),
            place,
        })
    }
}

impl ReportedPlace {
    fn new(location: &Location, documents: &DocumentCache) -> Self {
        let document = documents.get(&location.document);
        let position = |offset: usize| {
            let text = &location.document;
            let offset = text.floor_char_boundary(offset.min(text.len()));
            let (line, column) = document.lines.line_column(text, offset);
            let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
            let start = if text[start..].starts_with('\u{feff}') { (start + 3).min(offset) } else { start };
            Position { line: location.first_line + line - 1, column, byte_column: offset - start + 1 }
        };
        let text = &*location.document;
        let start = text.floor_char_boundary(location.span.start);
        let end = text.ceil_char_boundary(location.span.end.max(start).min(text.len()));
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = text[end..].find('\n').map_or(text.len(), |at| end + at);
        let lines = match location.has_excerpt {
            true => document.masked().mask_range(first..last.max(first), first).0,
            false => String::new(),
        };
        let lines: Vec<&str> = lines.trim_start_matches('\u{feff}').lines().take(MAX_LINES).collect();
        let lines = lines.join("\n");
        ReportedPlace { file: location.file.clone(), start: position(start), end: position(end), lines }
    }
}
