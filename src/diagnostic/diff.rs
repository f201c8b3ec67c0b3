//! Renders a unified diff of one edited document: computed on the original text, shown with values masked.

use std::collections::HashSet;

use anstyle::{AnsiColor, Style};
use jobplate_manifest::sensitive::{MaskPolicy, find_changed_literals};
use similar::{ChangeTag, DiffTag, TextDiff};

use super::human::escape_unsafe;
use super::mask::{MASK, MaskedText};

/// The number of context lines before and after a change.
const CONTEXT_LINES: usize = 3;

/// Returns the hunks of a unified diff from `before` to `after`.
///
/// `first_before` and `first_after` are the 1-based lines in their files at which the two texts start. The result
/// contains ANSI colour codes; the output stream strips them where colour is off.
///
/// The literals of variables that become references, or were references, are masked whatever their names.
pub fn unified_diff(before: &str, after: &str, first_before: usize, first_after: usize, policy: &MaskPolicy) -> String {
    let mut policy = policy.clone();
    policy.names.extend(find_changed_literals(before, after));
    let (old, new) = (masked_lines(before, &policy), masked_lines(after, &policy));
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
        // A masked line that is the same before and after would hide that its value changed.
        let removed_lines: HashSet<&str> = group
            .iter()
            .flat_map(|op| op.old_range().filter(|_| op.tag() != DiffTag::Equal))
            .filter_map(|line| old.get(line))
            .filter(|line| line.contains(MASK))
            .map(String::as_str)
            .collect();
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, style, line) = match change.tag() {
                ChangeTag::Delete => ('-', removed, change.old_index().and_then(|index| old.get(index))),
                ChangeTag::Insert => ('+', added, change.new_index().and_then(|index| new.get(index))),
                ChangeTag::Equal => (' ', Style::new(), change.old_index().and_then(|index| old.get(index))),
            };
            let line = line.map_or("", String::as_str);
            let is_hidden = sign == '+' && removed_lines.contains(line);
            push_line(&mut out, style, &format!("{sign}{line}{}", if is_hidden { " (changed)" } else { "" }));
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

/// Returns the lines of a string with values masked, without line breaks. Escapes unsafe characters other than tabs.
fn masked_lines(text: &str, policy: &MaskPolicy) -> Vec<String> {
    let masked = MaskedText::new(text, policy);
    let mut start = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let masked_line = masked.mask_range(start..start + content.len(), start).0;
        start += line.len();
        let masked_line = masked_line.strip_suffix('\r').unwrap_or(&masked_line);
        escape_unsafe(masked_line, |c| c == '\t')
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(before: &str, after: &str) -> String {
        let text = unified_diff(before, after, 10, 20, &MaskPolicy::default());
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
}
