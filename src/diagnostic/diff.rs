//! Renders a unified diff of one edited document: computed on the original text, shown with values masked.

use std::collections::HashSet;
use std::ops::Range;

use anstyle::{AnsiColor, Style};
use jobplate_manifest::sensitive::{MaskPolicy, find_changed_literals};
use similar::{ChangeTag, DiffTag, TextDiff};

use super::human::escape_unsafe;
use super::mask::{MASK, MaskedText};

/// The number of context lines before and after a change.
const CONTEXT_LINES: usize = 3;

/// Returns the hunks of a unified diff from `before` to `after`.
///
/// `changes` are the byte ranges of `before` that are replaced, in ascending order, each with the length of its
/// replacement. Only the lines around them are compared, so that a long text needs little memory.
/// `first_before` and `first_after` are the 1-based lines in their files at which the two texts start. The result
/// contains ANSI colour codes; the output stream strips them where colour is off.
///
/// The literals of variables that become references, or were references, are masked regardless of their names.
pub fn unified_diff(
    before: &str,
    after: &str,
    changes: &[(Range<usize>, usize)],
    first_before: usize,
    first_after: usize,
    policy: &MaskPolicy,
) -> String {
    let mut policy = policy.clone();
    policy.names.extend(find_changed_literals(before, after));
    let mut old = Side::new(before, first_before, &policy);
    let mut new = Side::new(after, first_after, &policy);
    let mut out = String::new();
    for (old_range, new_range) in changed_regions(before, changes) {
        old.move_to(old_range);
        new.move_to(new_range);
        push_hunks(&mut out, &old, &new);
    }
    out
}

/// Returns the byte ranges of the lines with changes and of their context, before and after the changes.
fn changed_regions(before: &str, changes: &[(Range<usize>, usize)]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut regions: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    // The end of the last change, before and after.
    let (mut old_end, mut new_end) = (0, 0);
    for (range, length) in changes {
        let new_start = new_end + range.start - old_end;
        (old_end, new_end) = (range.end, new_start + length);
        let context_end = context_end(before, old_end);
        let region_end = (context_end, new_end + context_end - old_end);
        let context_start = context_start(before, range.start);
        match regions.last_mut() {
            Some((old, new)) if context_start <= old.end => (old.end, new.end) = region_end,
            // The text since the last change is equal in both.
            _ => regions.push((context_start..region_end.0, new_start + context_start - range.start..region_end.1)),
        }
    }
    regions
}

/// Returns the start of the first line of context before an offset.
fn context_start(text: &str, at: usize) -> usize {
    memchr::memrchr_iter(b'\n', &text.as_bytes()[..at]).nth(CONTEXT_LINES).map_or(0, |newline| newline + 1)
}

/// Returns the end of the last line of context after an offset.
fn context_end(text: &str, at: usize) -> usize {
    let newline = memchr::memchr_iter(b'\n', &text.as_bytes()[at..]).nth(CONTEXT_LINES);
    newline.map_or(text.len(), |newline| at + newline + 1)
}

/// One of the two texts, with values masked.
struct Side<'t> {
    text: &'t str,
    masked: MaskedText<&'t str>,
    /// The byte range of the lines that are compared.
    range: Range<usize>,
    /// The number of their first line in the file.
    first_line: usize,
    /// The byte ranges of these lines, with their line breaks.
    lines: Vec<Range<usize>>,
}

impl<'t> Side<'t> {
    fn new(text: &'t str, first_line: usize, policy: &MaskPolicy) -> Self {
        Side { text, masked: MaskedText::new(text, policy), range: 0..0, first_line, lines: Vec::new() }
    }

    /// Selects the lines that are compared. Must not move backwards.
    fn move_to(&mut self, range: Range<usize>) {
        self.first_line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.range.start..range.start]).count();
        let mut end = range.start;
        self.lines.clear();
        self.lines.extend(self.text[range.clone()].split_inclusive('\n').map(|line| {
            let start = end;
            end += line.len();
            start..end
        }));
        self.range = range;
    }

    /// Returns the text that is compared, without masks.
    fn text(&self) -> &'t str {
        &self.text[self.range.clone()]
    }

    /// Returns the numbers of lines in the form of a hunk's header.
    fn format_range(&self, start: usize, end: usize) -> String {
        match end - start {
            1 => format!("{}", start + self.first_line),
            0 => format!("{},0", (start + self.first_line).saturating_sub(1)),
            count => format!("{},{count}", start + self.first_line),
        }
    }

    /// Returns a line without its line break, and the byte ranges of its sensitive values.
    fn line(&self, index: usize) -> (&'t str, Vec<Range<usize>>) {
        let range = self.lines.get(index).cloned().unwrap_or_default();
        let line = &self.text[range.clone()];
        (line.strip_suffix('\n').unwrap_or(line), self.masked.masked_ranges_in(range).collect())
    }

    /// Returns a line with values masked.
    fn masked_line(&self, index: usize) -> String {
        let (line, ranges) = self.line(index);
        mask_line(line, ranges)
    }
}

/// Returns a line with byte ranges masked. Escapes unsafe characters other than tabs.
fn mask_line(line: &str, ranges: Vec<Range<usize>>) -> String {
    let line = MaskedText::from_ranges(line, ranges).mask_range(0..line.len(), 0).0;
    escape_unsafe(line.strip_suffix('\r').unwrap_or(&line), |c| c == '\t')
}

/// Adds the hunks of the lines that are compared.
fn push_hunks(out: &mut String, old: &Side<'_>, new: &Side<'_>) {
    let diff = TextDiff::from_lines(old.text(), new.text());
    let (hunk, removed, added) =
        (AnsiColor::Cyan.on_default(), AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    for group in diff.grouped_ops(CONTEXT_LINES) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let old_range = old.format_range(first.old_range().start, last.old_range().end);
        let new_range = new.format_range(first.new_range().start, last.new_range().end);
        push_line(out, hunk, &format!("@@ -{old_range} +{new_range} @@"));
        // A masked line that is the same before and after would hide that its value changed.
        let removed_lines: HashSet<String> = group
            .iter()
            .flat_map(|op| op.old_range().filter(|_| op.tag() != DiffTag::Equal))
            .map(|line| old.masked_line(line))
            .filter(|line| line.contains(MASK))
            .collect();
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', removed),
                ChangeTag::Insert => ('+', added),
                ChangeTag::Equal => (' ', Style::new()),
            };
            // A line that both sides have may contain a value that is sensitive on one side only.
            let sides =
                [change.old_index().map(|index| old.line(index)), change.new_index().map(|index| new.line(index))];
            let lines = sides.into_iter().flatten().reduce(|(line, old), (_, new)| (line, [old, new].concat()));
            let line = lines.map_or(String::new(), |(line, ranges)| mask_line(line, ranges));
            let is_hidden = sign == '+' && removed_lines.contains(&line);
            push_line(out, style, &format!("{sign}{line}{}", if is_hidden { " (changed)" } else { "" }));
            if change.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

fn push_line(out: &mut String, style: Style, line: &str) {
    out.push_str(&format!("{style}{line}{style:#}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: &str, after: &str) -> String {
        let text = unified_diff(before, after, &[(0..before.len(), after.len())], 10, 20, &MaskPolicy::default());
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn shows_that_a_masked_value_changed() {
        let before = "a: 1\nenv:\n- name: TOKEN\n  value: hush\n";
        let after = "a: 1\nenv:\n- name: TOKEN\n  value: other\n";
        let expected = "@@ -10,4 +20,4 @@\n a: 1\n env:\n - name: TOKEN\n-  value: ***\n+  value: *** (changed)\n";
        assert_eq!(diff(before, after), expected);
        let url = |password: &str| format!("api: http://u:{password}@host\n");
        let expected = "@@ -10 +20 @@\n-api: http://u:***@host\n+api: http://u:***@host (changed)\n";
        assert_eq!(diff(&url("hush"), &url("other")), expected);
    }

    #[test]
    fn shows_values_that_are_not_sensitive() {
        let before = "env:\n- name: API\n  value: http://a\n";
        let after = "env:\n- name: API\n  value: http://b\n";
        assert!(diff(before, after).ends_with("\n-  value: http://a\n+  value: http://b\n"));
    }

    #[test]
    fn masks_a_literal_that_becomes_a_reference() {
        let before = "env:\n- name: X\n  value: hush\n";
        let after = "env:\n- name: X\n  valueFrom: {secretKeyRef: {name: s, key: k}}\n";
        assert!(diff(before, after).ends_with("\n-  value: ***\n+  valueFrom: {secretKeyRef: {name: s, key: k}}\n"));
        assert!(diff(after, before).ends_with("\n+  value: ***\n"));
    }

    #[test]
    fn masks_a_value_that_is_sensitive_on_one_side() {
        let env = |name: &str| format!("env:\n- value: hush # http://u:hush@h\n  name: {name}\n");
        let expected = "@@ -10,3 +20,3 @@\n env:\n - value: *** # http://u:***@h\n-  name: X\n+  name: TOKEN\n";
        assert_eq!(diff(&env("X"), &env("TOKEN")), expected);
        let expected = "@@ -10,3 +20,3 @@\n env:\n - value: *** # http://u:***@h\n-  name: TOKEN\n+  name: X\n";
        assert_eq!(diff(&env("TOKEN"), &env("X")), expected);
        // Each side masks another part of the line.
        let token = |anchor: &str| format!("x: {{a: &a hush, b: &b hush}}\ntoken: *{anchor}\n");
        let expected = "@@ -10,2 +20,2 @@\n x: {a: &a ***, b: &b ***}\n-token: *a\n+token: *b\n";
        assert_eq!(diff(&token("a"), &token("b")), expected);
    }

    #[test]
    fn compares_only_the_lines_around_changes() {
        let lines = |changed: &[usize]| -> Vec<String> {
            (0..40)
                .map(|line| if changed.contains(&line) { format!("b: {line}\n") } else { format!("a: {line}\n") })
                .collect()
        };
        for changed in [&[0, 39][..], &[5, 12, 20], &[3, 4, 11], &[17]] {
            let (old, new) = (lines(&[]), lines(changed));
            let changes: Vec<_> = changed
                .iter()
                .map(|line| {
                    let start = old[..*line].iter().map(String::len).sum::<usize>();
                    (start..start + 1, 1)
                })
                .collect();
            let (before, after) = (old.concat(), new.concat());
            let whole = unified_diff(&before, &after, &[(0..before.len(), after.len())], 1, 1, &MaskPolicy::default());
            assert_eq!(unified_diff(&before, &after, &changes, 1, 1, &MaskPolicy::default()), whole, "{changed:?}");
        }
    }

    #[test]
    fn inserts_and_removes_lines() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj";
        let after = "a\nx\ny\nb\nc\nd\ne\nf\ng\nh\nj\n";
        let changes = [(2..2, 4), (16..18, 0), (19..19, 1)];
        let whole = unified_diff(before, after, &[(0..before.len(), after.len())], 1, 1, &MaskPolicy::default());
        assert_eq!(unified_diff(before, after, &changes, 1, 1, &MaskPolicy::default()), whole);
    }
}
