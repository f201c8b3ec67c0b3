//! Finds the sensitive parts of text without a structure: of documents that no parser accepts, and of comments.

use std::ops::Range;

use jobplate_manifest::credentials::{find_credentials, is_secret_name};
use jobplate_manifest::sensitive::MaskPolicy;

/// The keys whose values are shown even in a document that cannot be parsed, if they are simple: they locate an error.
const VISIBLE_KEYS: [&str; 7] = ["apiVersion", "kind", "name", "generateName", "namespace", "image", "command"];

/// Returns the byte ranges of all text that may be a value, in a document that no parser accepts: on each line, everything
/// after the first `:`, and the lines on which a value continues.
pub(super) fn find_sensitive_lines(text: &str) -> Vec<Range<usize>> {
    let mut found = find_credentials_by_line(text);
    let mut open: Option<OpenValue> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let parts = LineParts::new(content);
        let mut push = |range: Range<usize>| found.push(start + range.start..start + range.end);
        if open.as_ref().is_some_and(|open| open.contains(content, &parts)) {
            push(indentation_of(content)..content.len());
            open = open.filter(|open| !open.is_closed_by(content));
        } else {
            if !parts.is_visible(content) {
                push(parts.value..content.len());
            }
            open = OpenValue::find(content, &parts, open);
        }
        start += line.len();
    }
    found.retain(|range| !range.is_empty());
    found
}

/// The parts of a line of a document that cannot be parsed.
struct LineParts {
    /// The column of the key, after indentation and dashes.
    key: usize,
    /// The column of the first `:`, if there is one.
    colon: Option<usize>,
    /// The column of the text after it, or of all text.
    value: usize,
}

impl LineParts {
    fn new(content: &str) -> Self {
        let key = content.len() - content.trim_start_matches([' ', '\t', '-']).len();
        let colon = content.find(':');
        let from = colon.map_or(key, |colon| colon + 1);
        let value = content.len() - content[from..].trim_start_matches([' ', '\t']).len();
        LineParts { key: key.min(from), colon, value }
    }

    /// Returns whether the value can be shown: it is that of a key of [`VISIBLE_KEYS`], and nothing follows it.
    fn is_visible(&self, content: &str) -> bool {
        let Some(colon) = self.colon else {
            return content.trim_start().starts_with('#') || self.value == content.len();
        };
        let value = &content[self.value..];
        let is_collection = value.starts_with(['{', '[']) && !value.starts_with("{{");
        // A template with a quoted string may have a default value.
        let is_simple = !value.contains(['"', '\'', '#', '|', '>', '&', '*', '!'])
            && !value.contains(": ")
            && !value.ends_with(':')
            && !is_collection;
        is_simple && VISIBLE_KEYS.contains(&content[self.key..colon].trim())
    }
}

/// A value that may continue on the next lines.
struct OpenValue {
    /// The column of its key. Lines with more indentation continue it.
    column: usize,
    /// The indentation of its line. A line with more indentation continues a quoted text.
    indentation: usize,
    /// The quote that ends the value.
    quote: Option<char>,
}

impl OpenValue {
    /// Returns the value that a line leaves open.
    fn find(content: &str, parts: &LineParts, before: Option<OpenValue>) -> Option<OpenValue> {
        if content.trim().is_empty() {
            return before;
        }
        let colon = parts.colon?;
        let (key, value) =
            (content[parts.key..colon].trim_matches([' ', '"', '\'', '{', '[']), content[parts.value..].trim_end());
        let last_quote = value.rfind(['"', '\'']).and_then(|at| value[at..].chars().next());
        let quote = last_quote.filter(|quote| value.matches(*quote).count() % 2 == 1);
        let is_block = value.starts_with(['|', '>']);
        let is_structure = value.starts_with(['{', '[', '#']) && !value.starts_with("{{");
        let is_value = key == "value" || is_secret_name(key) || !value.is_empty() && !is_structure;
        (is_block || is_value || quote.is_some()).then_some(OpenValue {
            column: parts.key,
            indentation: indentation_of(content),
            quote,
        })
    }

    /// Returns whether a line continues the value.
    fn contains(&self, content: &str, parts: &LineParts) -> bool {
        let indentation = indentation_of(content);
        let is_key = parts.colon.is_some_and(|colon| {
            let key = content[parts.key..colon].trim_matches(['"', '\'']);
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        });
        match self.quote {
            _ if content.trim().is_empty() => true,
            Some(_) => indentation > self.indentation || !is_key,
            None => indentation > self.column,
        }
    }

    fn is_closed_by(&self, content: &str) -> bool {
        self.quote.is_some_and(|quote| content.matches(quote).count() % 2 == 1)
    }
}

fn indentation_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// Returns the ranges of credentials. None of them contains a line break.
fn find_credentials_by_line(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for range in find_credentials(text) {
        let mut start = range.start;
        for line in text[range].split_inclusive('\n') {
            found.push(start..start + line.trim_end_matches(['\n', '\r']).len());
            start += line.len();
        }
    }
    found
}

/// Adds the byte ranges of the comments in `range` that belong to a collection with the byte range `span`: those in it,
/// and the lines before and after it that are not indented less.
pub(super) fn find_comments(text: &str, span: Range<usize>, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let is_flow = text[span.clone()].starts_with(['{', '[']);
    let end = if is_flow { span.end } else { range.end };
    // A flow collection ends with its bracket, regardless of the indentation. Many of them may be on one line, so the start of
    // the line is not searched for each.
    let column = match is_flow {
        true => 0,
        false => span.start - text[..span.start].rfind('\n').map_or(0, |newline| newline + 1),
    };
    let mut line_start = range.start;
    for line in text[range.start..end.max(range.start)].split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let is_comment = |at: &usize| content[..*at].ends_with([' ', '\t']) || *at == 0 && line_start != range.start;
        if let Some(hash) = content.match_indices('#').map(|(at, _)| at).find(is_comment) {
            let is_own_line = content[..hash].trim().is_empty() && line_start > range.start;
            if is_own_line && hash < column && line_start >= span.start {
                return;
            }
            let from = content.len() - content[hash + 1..].trim_start().len();
            found.push(line_start + from..line_start + content.len());
        }
        line_start += line.len();
    }
}

/// Returns the byte ranges of credentials in comments, and of the values of commented-out `value:` keys, unless the
/// comment line before names a variable that is not sensitive. Includes the lines on which the value continues.
pub(super) fn find_sensitive_comments(text: &str, policy: &MaskPolicy) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The column of the last commented-out `value:`. Its value may continue on lines with more indentation.
    let mut deeper_than = None;
    // The name on the comment line before.
    let mut name: Option<&str> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let Some(hash) = content.find('#') else {
            (deeper_than, name) = (None, None);
            start += line.len();
            continue;
        };
        if !content[..hash].trim().is_empty() {
            (deeper_than, name) = (None, None);
        }
        let comment = content[hash + 1..].trim_start_matches(['#', ' ', '-']);
        let column = content.len() - comment.len();
        let mut push = |from: usize| {
            let from = content.len() - content[from..].trim_start().len();
            found.push(start + from..start + content.len());
        };
        if deeper_than.is_some_and(|outer| column > outer) && !comment.is_empty() {
            push(column);
        } else if let Some(key) = content[hash..].find("value:").map(|key| hash + key) {
            let value = &content[key + "value:".len()..];
            let own_name = content[hash..key].split_once("name:").map(|(_, rest)| rest);
            let shown = own_name.or(name).map(|name| name.trim_matches([' ', '"', '\'', ',']));
            if shown.is_none_or(|name| policy.is_sensitive(name, value)) {
                deeper_than = Some(key);
                push(key + "value:".len());
            }
            name = None;
        } else {
            let assignment = comment.split_once(['=', ':']);
            if let Some((_, value)) = assignment.filter(|(name, _)| policy.names.contains(name.trim())) {
                push(content.len() - value.len());
            }
            deeper_than = None;
            name = comment.strip_prefix("name:");
        }
        found.extend(
            find_credentials(&content[hash..])
                .into_iter()
                .map(|range| start + hash + range.start..start + hash + range.end),
        );
        start += line.len();
    }
    found.retain(|range| !range.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_lines(text: &str) -> String {
        let mut ranges = find_sensitive_lines(text);
        ranges.sort_by_key(|range| std::cmp::Reverse((range.start, range.end)));
        let mut masked = text.to_owned();
        let mut last = text.len() + 1;
        for range in ranges {
            if range.end < last {
                masked.replace_range(range.clone(), "***");
                last = range.start;
            }
        }
        masked
    }

    #[test]
    fn masks_everything_after_a_key() {
        for (text, expected) in [
            ("env: [{name: A, value: {{ hush }}}]\n", "env: ***\n"),
            ("a: {{ hush }}\n\tb: \"hush\n  hush\n", "a: ***\n\t***\n  ***\n"),
            ("value:hush\n", "value:***\n"),
            // A value goes on in lines with more indentation, and up to the end of a quoted text.
            ("value: |\n  hush: hush\nb: c\n", "value: ***\n  ***\nb: ***\n"),
            ("value:\n  hush:hush\n", "value:\n  ***\n"),
            ("- {name: A, value: \"a\n  hush:hush\"}\nspec: b\n", "- {name: ***\n  ***\nspec: ***\n"),
            ("spec:\n  env:\n  - name: A\n    value: hush\n", "spec:\n  env:\n  - name: A\n    value: ***\n"),
        ] {
            assert_eq!(mask_lines(text), expected, "{text:?}");
        }
    }

    #[test]
    fn shows_names_and_images() {
        for text in
            ["  name: {{ .Release.Name }}-job\n", "- name: flow\n  image: prefecthq/prefect:1.4\n", "kind: Job\n"]
        {
            assert_eq!(mask_lines(text), text);
        }
        assert_eq!(mask_lines("name: {{ default \"hush\" }}\n"), "name: ***\n");
        assert_eq!(mask_lines("name: a, value: hush\n"), "name: ***\n");
    }
}
