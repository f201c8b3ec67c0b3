//! Renders diagnostics for a terminal. The error that ends the program is shown with its source line and a caret. Other
//! diagnostics need one line, and another for the help.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, Title};
use jobplate_diagnostic::{Diagnostic, Error, Location, Severity};

use super::document_cache::{CachedDocument, DocumentCache};

/// Renders an error with its location, its source line and its hint, as far as they are known. `program` is the
/// program's name in the hint.
///
/// The result contains ANSI colour codes; the output stream strips them where colour is off.
pub fn render_error(error: &Error, program: &str, documents: &DocumentCache) -> String {
    let location = error.location().filter(|location| location.has_excerpt);
    let message = escape_controls(&match (location, error.file()) {
        (None, Some(_)) => format!("{}{}", place_prefix(error.diagnostic(), documents, true), error.message()),
        _ => error.message().to_owned(),
    });
    let hint = error.hint_message().map(|hint| escape_controls(&hint.with_program(program)));
    let line = location.map(|location| SourceLine::new(location, &documents.get(&location.document)));
    let title = Level::ERROR.primary_title(message.as_str());
    let title = if error.has_own_code() { title.id(error.diagnostic().code()) } else { title };
    let caret = |line: &SourceLine| line.caret..line.text.ceil_char_boundary((line.caret + 1).min(line.text.len()));
    render_excerpt(title, line.as_ref().map(|line| (line, caret(line))), &[], hint.as_deref())
}

/// Renders a finding with its source line, the labels of its further places, and its help. Underlines the whole place,
/// or its first line. `program` is the program's name in the help.
pub fn render_finding(diagnostic: &Diagnostic, program: &str, documents: &DocumentCache) -> String {
    let location = diagnostic.location().filter(|location| location.has_excerpt);
    let Some(location) = location else { return render_line(diagnostic, true, program, documents) };
    let message = escape_controls(diagnostic.message());
    let title = level(diagnostic.severity()).primary_title(message.as_str()).id(diagnostic.code());
    let help = diagnostic.help_message().map(|help| escape_controls(&help.with_program(program)));
    let cached = documents.get(&location.document);
    let line = SourceLine::new(location, &cached);
    let related: Vec<String> = diagnostic
        .annotations()
        .iter()
        .map(|other| {
            let (number, _) = other.location.line_column_with(&documents.get(&other.location.document).lines);
            escape_controls(&format!("{}:{number}: {}", other.location.file, other.label))
        })
        .collect();
    let underlined = line.caret..line.end_of(location, &cached);
    render_excerpt(title, Some((&line, underlined)), &related, help.as_deref())
}

/// Renders a title with a source line, of which a byte range is underlined, notes and a hint.
fn render_excerpt(
    title: Title<'_>,
    line: Option<(&SourceLine, Range<usize>)>,
    notes: &[String],
    hint: Option<&str>,
) -> String {
    let mut main = Group::with_title(title);
    if let Some((line, underlined)) = &line {
        main = main.element(
            Snippet::source(line.text.as_str())
                .line_start(line.number)
                .path(line.file.as_str())
                .annotation(AnnotationKind::Primary.span(underlined.clone())),
        );
    }
    let notes = notes.iter().map(|note| Group::with_title(Level::NOTE.secondary_title(note.as_str())));
    let hint = hint.map(|hint| Group::with_title(Level::HELP.with_name("hint").secondary_title(hint)));
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    // The renderer connects the groups of a report with a bar. Without a source line, render the hint as a separate
    // report to omit the bar.
    let reports = if line.is_some() {
        vec![std::iter::once(main).chain(notes).chain(hint).collect()]
    } else {
        vec![vec![main], hint.into_iter().collect()]
    };
    let reports = reports.iter().filter(|report: &&Vec<_>| !report.is_empty());
    let text: String = reports.map(|report| renderer.render(report) + "\n").collect();
    match &line {
        Some((line, _)) => line.restore_column(&text),
        None => text,
    }
}

/// Renders a diagnostic as one line with its severity, code, location and message, and one line with its help. A note has
/// no code. `program` is the program's name in the help.
pub fn render_diagnostic(diagnostic: &Diagnostic, program: &str, documents: &DocumentCache) -> String {
    render_line(diagnostic, diagnostic.severity() > Severity::Info, program, documents)
}

/// Renders a diagnostic like [`render_diagnostic`].
fn render_line(diagnostic: &Diagnostic, has_code: bool, program: &str, documents: &DocumentCache) -> String {
    let text = format!("{}{}", place_prefix(diagnostic, documents, false), diagnostic.message());
    let text = escape_controls(&text);
    let title = level(diagnostic.severity()).secondary_title(text.as_str());
    let title = if has_code { title.id(diagnostic.code()) } else { title };
    let help = diagnostic.help_message().map(|help| escape_controls(&help.with_program(program)));
    let title = render_title(Group::with_title(title));
    match help {
        Some(help) => title + &render_escaped_hint(&help),
        None => title,
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::NOTE,
    }
}

fn render_title(group: Group<'_>) -> String {
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group]) + "\n"
}

/// Returns `FILE:LINE: `, `FILE:LINE:COLUMN: ` or `FILE: `, as far as the location is known.
fn place_prefix(diagnostic: &Diagnostic, documents: &DocumentCache, has_column: bool) -> String {
    match (diagnostic.location(), diagnostic.file()) {
        (Some(location), _) => {
            let (line, column) = location.line_column_with(&documents.get(&location.document).lines);
            let column = if has_column { format!(":{column}") } else { String::new() };
            format!("{}:{line}{column}: ", location.file)
        }
        (None, Some(file)) => format!("{file}: "),
        (None, None) => String::new(),
    }
}

/// Renders a note.
pub fn render_note(note: &str) -> String {
    let note = escape_controls(note);
    let report = [Group::with_title(Level::NOTE.secondary_title(note.as_str()))];
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&report) + "\n"
}

/// Renders the hint that follows a note.
pub fn render_hint(hint: &str) -> String {
    render_escaped_hint(&escape_controls(hint))
}

fn render_escaped_hint(hint: &str) -> String {
    "  ".to_owned() + &render_title(Group::with_title(Level::HELP.with_name("hint").secondary_title(hint)))
}

/// The maximum length of the parts of a line before and after the caret, in bytes.
const MAX_LINE_PART: usize = 500;

/// The source line of an error, with values masked.
struct SourceLine {
    file: String,
    /// The 1-based line in the file.
    number: usize,
    /// The 1-based column in the unmasked line.
    column: usize,
    text: String,
    /// The byte offset in `text` that the caret points at, on a character boundary.
    caret: usize,
}

impl SourceLine {
    fn new(location: &Location, shown: &CachedDocument) -> Self {
        let text = &*location.document;
        let at = text.floor_char_boundary(location.span.start);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let start = if text[start..].starts_with('\u{feff}') { start + 3 } else { start };
        // A JSON document may be one line of many megabytes.
        let start = text.ceil_char_boundary(start.max(at.saturating_sub(MAX_LINE_PART)));
        let end = text.floor_char_boundary(end.min(at + MAX_LINE_PART)).max(start);
        let (line, caret) = shown.masked().mask_range(start..end, at.max(start));
        let caret = line.floor_char_boundary(caret);
        // Replace each unsafe character, such as a tab, with one space to keep the caret below the correct character.
        let text: String = line.trim_end_matches('\r').chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
        let caret = line[..caret].chars().map(|c| if is_unsafe(c) { 1 } else { c.len_utf8() }).sum();
        let (number, column) = location.line_column_with(&shown.lines);
        SourceLine { file: escape_name(&location.file), number, column, text, caret }
    }

    /// Returns the byte offset in `text` of the end of a location, or of the end of the line if the location ends on a
    /// later line. It is after the caret, unless the line ends there.
    fn end_of(&self, location: &Location, shown: &CachedDocument) -> usize {
        let end = location.span.end.max(location.span.start);
        let line = Self::new(&Location { span: end..end, ..location.clone() }, shown);
        let end = if line.number == self.number { line.caret } else { self.text.len() };
        let least = self.text.ceil_char_boundary((self.caret + 1).min(self.text.len()));
        end.clamp(least, self.text.len().max(least))
    }

    /// Replaces the printed column, which is a column in the masked line, with the column in the unmasked line.
    fn restore_column(&self, rendered: &str) -> String {
        let masked_column = self.text[..self.caret].chars().count() + 1;
        let location = |column| format!("{}:{}:{column}", self.file, self.number);
        rendered.replacen(&location(masked_column), &location(self.column), 1)
    }
}

/// Renders a warning.
pub fn render_warning(warning: &str) -> String {
    let text = escape_controls(warning);
    let report = [Group::with_title(Level::WARNING.secondary_title(text.as_str()))];
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&report) + "\n"
}

/// Returns whether a character could control a terminal, break a line, or change the direction of the text after it.
pub(super) fn is_unsafe(c: char) -> bool {
    let is_mark = matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}');
    c.is_control() || is_mark || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes unsafe characters in a name from an input, also line feeds, so that no part of the name looks like a separate
/// line of output.
pub fn escape_name(text: &str) -> String {
    escape_unsafe(text, |_| false)
}

/// Escapes unsafe characters other than line feeds, so that an input or argument cannot change how the rest of the
/// output looks.
pub fn escape_controls(text: &str) -> String {
    escape_unsafe(text, |c| c == '\n')
}

/// Escapes unsafe characters, except those for which `is_kept` is true.
pub(super) fn escape_unsafe(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unsafe(c) && !is_kept(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_plain(error: &Error) -> String {
        anstream::adapter::strip_str(&render_error(error, "jobplate", &DocumentCache::default())).to_string()
    }

    #[test]
    fn shows_the_location_and_no_value() {
        let document = "kind: Job\nenv:\n- {name: TOKEN, value: hush, value: b}\n";
        let at = document.rfind("value").unwrap();
        let refusal = Error::refused("duplicate key `value`").at(at..at + 5).hint("remove one of the two");
        let text = render_plain(&refusal.in_document("a.yaml", 11, document));
        assert!(text.starts_with("error: duplicate key `value`\n"), "{text}");
        assert!(text.contains("--> a.yaml:13:"), "{text}");
        assert!(text.contains("- {name: TOKEN, value: ***, value: ***}"), "{text}");
        assert!(text.contains("hint: remove one of the two"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }

    fn is_unsafe_except_line_feed(c: char) -> bool {
        is_unsafe(c) && c != '\n'
    }

    #[test]
    fn escapes_control_characters() {
        assert!(render_plain(&Error::usage("a\u{1b}[31mb")).contains("a\\u{1b}[31mb"));
        assert!(render_plain(&Error::usage("a\u{202e}b\u{2028}")).contains("a\\u{202e}b\\u{2028}"));
        let text =
            render_plain(&Error::refused("x").at(0..1).in_document("a\u{202e}.yaml", 1, "a: \u{2066}b\u{2028}c\n"));
        assert!(!text.contains(is_unsafe_except_line_feed), "{text:?}");
    }
}
