//! Renders a unified diff of one edited document: computed on the original text, shown with values masked.

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use super::mask::MaskedText;

/// The number of context lines before and after a change.
const CONTEXT_LINES: usize = 3;

/// Returns the hunks of a unified diff from `before` to `after`.
///
/// `first_before` and `first_after` are the 1-based lines in their files at which the two texts start. The result
/// contains ANSI colour codes; the output stream strips them where colour is off.
pub fn unified_diff(before: &str, after: &str, first_before: usize, first_after: usize) -> String {
    let (old, new) = (masked_lines(before), masked_lines(after));
    let diff = TextDiff::from_lines(before, after);
    let mut out = String::new();
    let (hunk, removed, added) =
        (AnsiColor::Cyan.on_default(), AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    for group in diff.grouped_ops(CONTEXT_LINES) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize, offset: usize| match end - start {
            1 => format!("{}", start + offset),
            0 => format!("{},0", (start + offset).saturating_sub(1)),
            count => format!("{},{count}", start + offset),
        };
        let old_range = range(first.old_range().start, last.old_range().end, first_before);
        let new_range = range(first.new_range().start, last.new_range().end, first_after);
        push_line(&mut out, hunk, &format!("@@ -{old_range} +{new_range} @@"));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style, line) = match change.tag() {
                ChangeTag::Delete => ('-', removed, change.old_index().and_then(|index| old.get(index))),
                ChangeTag::Insert => ('+', added, change.new_index().and_then(|index| new.get(index))),
                ChangeTag::Equal => (' ', Style::new(), change.old_index().and_then(|index| old.get(index))),
            };
            push_line(&mut out, style, &format!("{sign}{}", line.map_or("", String::as_str)));
            if change.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

fn push_line(out: &mut String, style: Style, line: &str) {
    out.push_str(&format!("{style}{line}{style:#}\n"));
}

/// Returns the lines of a string with values masked, without line breaks. Replaces control characters other than tabs,
/// since they could change the state of a terminal.
fn masked_lines(text: &str) -> Vec<String> {
    let masked = MaskedText::new(text);
    let mut start = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let masked_line = masked.mask_range(start..start + content.len(), start).0;
        start += line.len();
        let masked_line = masked_line.strip_suffix('\r').unwrap_or(&masked_line);
        masked_line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_that_a_value_changed_but_masks_it() {
        let before = "a: 1\nenv:\n- name: A\n  value: hush\n";
        let after = "a: 1\nenv:\n- name: A\n  value: other\n";
        let text = anstream::adapter::strip_str(&unified_diff(before, after, 10, 20)).to_string();
        assert_eq!(text, "@@ -10,4 +20,4 @@\n a: 1\n env:\n - name: A\n-  value: ***\n+  value: ***\n");
    }
}
