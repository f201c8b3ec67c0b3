//! Replaces parts of a string.

use std::ops::Range;

/// Replaces byte ranges of a string, which are in ascending order and do not overlap.
pub(super) fn splice<'t>(text: &str, splices: impl IntoIterator<Item = (Range<usize>, &'t str)>) -> String {
    let mut new_text = String::with_capacity(text.len());
    let mut end = 0;
    for (range, replacement) in splices {
        new_text.push_str(&text[end..range.start]);
        new_text.push_str(replacement);
        end = range.end;
    }
    new_text + &text[end..]
}
