//! Prefect's placeholders in texts (`PLACEHOLDER_CAPTURE_REGEX` of prefect.utilities.templating): `{{ name }}`, where
//! a name has letters of any script, digits and `_ . - [ ] $`, and nothing else stands between the braces.

use unicode_normalization::char::is_combining_mark;

/// What stands before names that Prefect's API is asked for, in whatever a placeholder is replaced by, too.
const OF_THE_API: [&str; 2] = ["prefect.blocks.", "prefect.variables."];

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// As it is written.
    pub full: &'t str,
    /// What is between the braces.
    pub name: &'t str,
}

/// What fills a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderSource {
    /// A variable.
    Variable,
    /// `$NAME`: the environment of the worker.
    Environment,
    /// `prefect.blocks...` and `prefect.variables...`: what only Prefect's API knows.
    Api,
}

impl Placeholder<'_> {
    /// What fills it.
    pub fn source(&self) -> PlaceholderSource {
        match self.name {
            name if OF_THE_API.iter().any(|prefix| name.starts_with(prefix)) => PlaceholderSource::Api,
            name if name.starts_with('$') => PlaceholderSource::Environment,
            _ => PlaceholderSource::Variable,
        }
    }
}

/// The placeholders of a text, in their order.
pub fn find_all(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let found = &rest[rest.find("{{")?..];
            if let Some((name, behind)) = name(&found[2..]) {
                rest = behind;
                return Some(Placeholder { full: &found[..found.len() - behind.len()], name });
            }
            // `{{{ a }}`: the next brace may begin one.
            rest = &found[1..];
        }
    })
}

/// Whether there is one in a text.
pub fn is_contained_in(text: &str) -> bool {
    find_all(text).next().is_some()
}

/// The name that a text begins with, behind the braces, and what stands behind it all.
fn name(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(is_blank);
    let end = text.find(|c: char| !(is_of_a_word(c) || "_.-[]$".contains(c))).filter(|end| *end > 0)?;
    let behind = text[end..].trim_start_matches(is_blank).strip_prefix("}}")?;
    Some((&text[..end], behind))
}

/// What Python takes for a letter or digit: no marks, which vowels are in some scripts, and no letters in circles.
fn is_of_a_word(c: char) -> bool {
    let is_circled = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_alphanumeric() && !is_combining_mark(c) && !is_circled
}

/// What Python takes for a blank, four separators among them.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The name of a placeholder that is the whole text.
pub fn sole_name(text: &str) -> Option<&str> {
    let (name, behind) = name(text.strip_prefix("{{")?)?;
    behind.is_empty().then_some(name)
}

/// Whether Prefect asks its API for something because of this text, wherever it comes from.
pub fn contains_api_placeholder(text: &str) -> bool {
    find_all(text).any(|own| own.source() == PlaceholderSource::Api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_placeholder() {
        // Each as `find_placeholders` of Prefect 3.8.8 answers.
        for (text, wanted) in [
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
            assert_eq!(find_all(text).map(|own| own.name).collect::<Vec<_>>(), wanted, "{text}");
        }
        let fulls = |text| find_all(text).map(|own| own.full).collect::<Vec<_>>();
        assert_eq!(fulls("x{{{ a }}}{{b}}"), ["{{ a }}", "{{b}}"]);
        assert_eq!(sole_name("{{ a }}"), Some("a"));
        assert_eq!(sole_name("{{ a }}-"), None);
        assert!(
            contains_api_placeholder("x{{ prefect.blocks.secret.a }}") && !contains_api_placeholder("{{ prefect.x }}")
        );
    }
}
