//! Errors and notes for people, with the source line and a caret.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use jobplate_diagnostic::{Error, Location};

use super::document_cache::{CachedDocument, DocumentCache};

/// The text of an error of a program that is called by this name: what is wrong, where, the line, what to do. With
/// colours, for a stream that takes them out where they are not wanted.
pub fn render_error(error: &Error, program: &str, documents: &DocumentCache) -> String {
    let message = match (error.location(), error.file()) {
        (None, Some(file)) => escape_controls(&format!("{file}: {}", error.message())),
        _ => escape_controls(error.message()),
    };
    let hint = error.hint_message().map(|hint| escape_controls(&hint.with_program(program)));
    let line = error.location().map(|place| SourceLine::new(place, &documents.get(&place.document)));
    let mut main = Group::with_title(Level::ERROR.primary_title(message.as_str()));
    if let Some(line) = &line {
        let end = line.text.ceil_char_boundary((line.caret + 1).min(line.text.len()));
        main = main.element(
            Snippet::source(line.text.as_str())
                .line_start(line.number)
                .path(line.file.as_str())
                .annotation(AnnotationKind::Primary.span(line.caret..end)),
        );
    }
    let hint = hint.as_deref().map(|hint| Group::with_title(Level::HELP.with_name("hint").secondary_title(hint)));
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    // Groups of one report are drawn with a bar between them, which without a source line joins nothing.
    let reports = if line.is_some() {
        vec![std::iter::once(main).chain(hint).collect()]
    } else {
        vec![vec![main], hint.into_iter().collect()]
    };
    let drawn = reports.iter().filter(|report: &&Vec<_>| !report.is_empty());
    let text: String = drawn.map(|report| renderer.render(report) + "\n").collect();
    match &line {
        Some(line) => line.with_true_column(&text),
        None => text,
    }
}

/// The text of a note.
pub fn render_note(note: &str) -> String {
    let note = escape_controls(note);
    let report = [Group::with_title(Level::NOTE.secondary_title(note.as_str()))];
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&report) + "\n"
}

/// The masked line that a place is in.
struct SourceLine {
    file: String,
    number: usize,
    column: usize,
    text: String,
    /// The byte of `text` to point at, at a character's boundary.
    caret: usize,
}

impl SourceLine {
    fn new(place: &Location, shown: &CachedDocument) -> Self {
        let text = &*place.document;
        let at = text.floor_char_boundary(place.span.start);
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let start = if text[start..].starts_with('\u{feff}') { start + 3 } else { start };
        let (line, caret) = shown.masked.slice(start..end.max(start), at.max(start));
        let caret = line.floor_char_boundary(caret);
        // A tab is drawn as wide as it may be: one column here, so that the caret stands right.
        let text: String = line.trim_end_matches('\r').chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = line[..caret].chars().map(|c| if c.is_control() { 1 } else { c.len_utf8() }).sum();
        let (number, column) = place.line_column_with(&shown.lines);
        SourceLine { file: escape_controls(&place.file), number, column, text, caret }
    }
}

impl SourceLine {
    /// The renderer counts the column in the masked line; the input's own is told instead.
    fn with_true_column(&self, drawn: &str) -> String {
        let shown = self.text[..self.caret].chars().count() + 1;
        let place = |column| format!("{}:{}:{column}", self.file, self.number);
        drawn.replacen(&place(shown), &place(self.column), 1)
    }
}

/// The text of a warning.
pub fn render_warning(warning: &str) -> String {
    let text = escape_controls(warning);
    let report = [Group::with_title(Level::WARNING.secondary_title(text.as_str()))];
    Renderer::styled().decor_style(DecorStyle::Ascii).render(&report) + "\n"
}

/// Names of an input as part of a line: without breaks that would pass for lines of ours.
pub fn escape_name(text: &str) -> String {
    // Others than control characters break lines, or turn their direction.
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().flat_map(|c| if is_odd(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// No control character of an input or argument reaches a terminal.
pub fn escape_controls(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() && c != '\n' { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(error: &Error) -> String {
        anstream::adapter::strip_str(&render_error(error, "jobplate", &DocumentCache::default())).to_string()
    }

    #[test]
    fn shows_the_place_and_no_value() {
        let document = "kind: Job\nenv:\n- {name: A, value: hush, value: b}\n";
        let at = document.rfind("value").unwrap();
        let refusal = Error::refused("the key `value` stands twice").at(at..at + 5).hint("remove one of the two");
        let text = plain(&refusal.in_document("a.yaml", 11, document));
        assert!(text.starts_with("error: the key `value` stands twice\n"), "{text}");
        assert!(text.contains("--> a.yaml:13:"), "{text}");
        assert!(text.contains("- {name: A, value: ***, value: ***}"), "{text}");
        assert!(text.contains("hint: remove one of the two"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert!(plain(&Error::usage("a\u{1b}[31mb")).contains("a\\u{1b}[31mb"));
    }
}
