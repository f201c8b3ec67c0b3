//! A unified diff of one edited document, computed on what it is and shown masked.

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::mask::MaskedText;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The hunks that lead from `before` to `after`, whose first lines are these lines of their files (from 1).
///
/// With colours, for a stream that takes them out where they are not wanted.
pub fn unified_diff(before: &str, after: &str, first_before: usize, first_after: usize) -> String {
    let (old, new) = (lines(before), lines(after));
    let diff = TextDiff::from_lines(before, after);
    let mut out = String::new();
    let (hunk, removed, added) =
        (AnsiColor::Cyan.on_default(), AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    for group in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize, offset: usize| match end - start {
            1 => format!("{}", start + offset),
            0 => format!("{},0", (start + offset).saturating_sub(1)),
            count => format!("{},{count}", start + offset),
        };
        let old_range = range(first.old_range().start, last.old_range().end, first_before);
        let new_range = range(first.new_range().start, last.new_range().end, first_after);
        push(&mut out, hunk, &format!("@@ -{old_range} +{new_range} @@"));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style, line) = match change.tag() {
                ChangeTag::Delete => ('-', removed, change.old_index().and_then(|index| old.get(index))),
                ChangeTag::Insert => ('+', added, change.new_index().and_then(|index| new.get(index))),
                ChangeTag::Equal => (' ', Style::new(), change.old_index().and_then(|index| old.get(index))),
            };
            push(&mut out, style, &format!("{sign}{}", line.map_or("", String::as_str)));
            if change.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

fn push(out: &mut String, style: Style, line: &str) {
    out.push_str(&format!("{style}{line}{style:#}\n"));
}

/// The masked lines of a text, without their line breaks. A carriage return and other controls are shown
/// as symbols, so that they can't act on a terminal.
fn lines(text: &str) -> Vec<String> {
    let masked = MaskedText::new(text);
    let mut start = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let shown = masked.slice(start..start + content.len(), start).0;
        start += line.len();
        let shown = shown.strip_suffix('\r').unwrap_or(&shown);
        shown.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_shows_as_changed_and_stays_hidden() {
        let before = "a: 1\nenv:\n- name: A\n  value: hush\n";
        let after = "a: 1\nenv:\n- name: A\n  value: other\n";
        let text = anstream::adapter::strip_str(&unified_diff(before, after, 10, 20)).to_string();
        assert_eq!(text, "@@ -10,4 +20,4 @@\n a: 1\n env:\n - name: A\n-  value: ***\n+  value: ***\n");
    }
}
