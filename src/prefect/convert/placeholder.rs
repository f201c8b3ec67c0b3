//! Prefect's placeholders in texts (`PLACEHOLDER_CAPTURE_REGEX` of prefect.utilities.templating): `{{ name }}`, where
//! a name has letters of any script, digits and `_ . - [ ] $`, and nothing else stands between the braces.

/// What stands before names that Prefect's API is asked for, in whatever a placeholder is replaced by, too.
const OF_THE_API: [&str; 2] = ["prefect.blocks.", "prefect.variables."];

/// The names of the placeholders in a text.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        match name(&rest[start + 2..]) {
            Some((name, behind)) => {
                names.push(name);
                rest = behind;
            }
            // `{{{ a }}`: the next brace may begin one.
            None => rest = &rest[start + 1..],
        }
    }
    names
}

/// The name that a text begins with, behind the braces, and what stands behind it all.
fn name(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(is_blank);
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_.-[]$".contains(c))).filter(|end| *end > 0)?;
    let behind = text[end..].trim_start_matches(is_blank).strip_prefix("}}")?;
    Some((&text[..end], behind))
}

/// What Python takes for a blank, four separators among them.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The name of a placeholder that is the whole text.
pub(super) fn whole(text: &str) -> Option<&str> {
    let (name, behind) = name(text.strip_prefix("{{")?)?;
    behind.is_empty().then_some(name)
}

/// Whether Prefect asks its API for something because of this text, wherever it comes from.
pub(super) fn asks_the_api(text: &str) -> bool {
    names(text).iter().any(|name| OF_THE_API.iter().any(|prefix| name.starts_with(prefix)))
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
            ("{{ a b }}", &[]),
            ("{{ a | default }}", &[]),
            ("{{ }}", &[]),
            ("{ { a } }", &[]),
            ("{{ a }", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(text), wanted, "{text}");
        }
        assert_eq!(whole("{{ a }}"), Some("a"));
        assert_eq!(whole("{{ a }}-"), None);
        assert!(asks_the_api("x{{ prefect.blocks.secret.a }}") && !asks_the_api("{{ prefect.x }}"));
    }
}
