//! Prefect's placeholders (`PLACEHOLDER_CAPTURE_REGEX` of prefect.utilities.templating): `{{ name }}`, where a name
//! consists of letters of any script, digits and `_ . - [ ] $`. Whitespace between the braces and the name is ignored.

use unicode_normalization::char::is_combining_mark;

use crate::pyvalue::string::is_whitespace;

/// The name prefixes of placeholders that Prefect looks up through its API. Prefect also replaces these placeholders in
/// the values of variables.
const API_PREFIXES: [&str; 2] = ["prefect.blocks.", "prefect.variables."];

/// A placeholder in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// The placeholder with its braces.
    pub full: &'t str,
    /// The name between the braces.
    pub name: &'t str,
}

/// The source of a placeholder's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderSource {
    /// A variable of the base job template.
    Variable,
    /// `$NAME`: the environment of the worker.
    Environment,
    /// `prefect.blocks...` and `prefect.variables...`: Prefect's API.
    Api,
}

impl Placeholder<'_> {
    /// Returns the source of the placeholder's value.
    pub fn source(&self) -> PlaceholderSource {
        match self.name {
            name if API_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => PlaceholderSource::Api,
            name if name.starts_with('$') => PlaceholderSource::Environment,
            _ => PlaceholderSource::Variable,
        }
    }
}

/// Returns the placeholders in a string, in order.
pub fn find_all(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let found = &rest[rest.find("{{")?..];
            if let Some((name, after)) = parse_name(&found[2..]) {
                rest = after;
                return Some(Placeholder { full: &found[..found.len() - after.len()], name });
            }
            // `{{{ a }}`: a placeholder can start at the next brace.
            rest = &found[1..];
        }
    })
}

/// Returns whether a string can be the name of a placeholder.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_name_character)
}

/// Returns whether a string contains a placeholder.
pub fn is_contained_in(text: &str) -> bool {
    find_all(text).next().is_some()
}

/// Parses the text after the opening braces. Returns the name and the text after the closing braces, or `None` if the
/// braces do not enclose a name.
fn parse_name(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(is_whitespace);
    let end = text.find(|c| !is_name_character(c)).filter(|end| *end > 0)?;
    let after = text[end..].trim_start_matches(is_whitespace).strip_prefix("}}")?;
    Some((&text[..end], after))
}

/// Returns whether a character can be part of a name.
fn is_name_character(c: char) -> bool {
    is_python_alphanumeric(c) || "_.-[]$".contains(c)
}

/// Returns whether `\w` of Python's `re` matches a character that is not an underscore. Unlike `char::is_alphanumeric`,
/// `\w` matches neither combining marks (vowels in some scripts) nor circled letters.
fn is_python_alphanumeric(c: char) -> bool {
    let is_circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_alphanumeric() && !is_combining_mark(c) && !is_circled
}

/// Returns the placeholder's name if a string consists of exactly one placeholder.
pub fn sole_name(text: &str) -> Option<&str> {
    let (name, after) = parse_name(text.strip_prefix("{{")?)?;
    after.is_empty().then_some(name)
}

/// Returns whether a string contains a placeholder that Prefect looks up through its API.
pub fn contains_api_placeholder(text: &str) -> bool {
    find_all(text).any(|placeholder| placeholder.source() == PlaceholderSource::Api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_placeholders_that_prefect_finds() {
        // The expected names are the output of `find_placeholders` of Prefect 3.8.8.
        for (text, expected) in [
            ("{{ a }}", &["a"] as &[&str]),
            ("{{a}}{{\n b.c[0]\u{1c}}}", &["a", "b.c[0]"]),
            ("x {{ $HOME }}-{{ é_1 }}", &["$HOME", "é_1"]),
            ("{{{ a }}}", &["a"]),
            ("{{ {{ a }} }}", &["a"]),
            ("{{ ñ }}{{ नि }}{{ Ⓐ }}{{ Ⅷ }}{{ ² }}", &["ñ", "Ⅷ", "²"]),
            ("{{ a b }}", &[]),
            ("{{ a | default }}", &[]),
            ("{{ }}", &[]),
            ("{ { a } }", &[]),
            ("{{ a }", &[]),
            ("", &[]),
        ] {
            assert_eq!(find_all(text).map(|placeholder| placeholder.name).collect::<Vec<_>>(), expected, "{text}");
        }
        let find_full = |text| find_all(text).map(|placeholder| placeholder.full).collect::<Vec<_>>();
        assert_eq!(find_full("x{{{ a }}}{{b}}"), ["{{ a }}", "{{b}}"]);
        assert_eq!(sole_name("{{ a }}"), Some("a"));
        assert_eq!(sole_name("{{ a }}-"), None);
        assert!(
            contains_api_placeholder("x{{ prefect.blocks.secret.a }}") && !contains_api_placeholder("{{ prefect.x }}")
        );
    }
}
