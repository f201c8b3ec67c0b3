//! Suggests a known name for a misspelled name, and quotes unknown names.

/// The maximum edit distance between a misspelled name and a suggestion.
const MAX_EDITS: usize = 3;

/// The maximum length of a misspelled name, in characters. The time of a comparison grows with the square of it.
const MAX_LENGTH: usize = 200;

/// Returns the known name that is closest to `name`, or the first of several names that are equally close. Returns
/// `None` if no known name is close enough.
///
/// The Damerau-Levenshtein distance may be at most a third of the length of `name`, rounded up, and never more than
/// three.
///
/// ```
/// use jobplate_diagnostic::suggest;
///
/// assert_eq!(suggest::closest("secertes", ["env", "secrets"]), Some("secrets"));
/// assert_eq!(suggest::closest("inputs", ["env", "secrets"]), None);
/// ```
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let max_edits = length.div_ceil(3).min(MAX_EDITS);
    // Each edit changes the length by at most one.
    let is_candidate = |known: &&str| length <= MAX_LENGTH && known.chars().count().abs_diff(length) <= max_edits;
    let known = known.into_iter().filter(is_candidate);
    let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= max_edits).then_some(known)
}

/// Returns the hint "did you mean ...?" with the [`closest`] known name, or `None` if no known name is close enough.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, known).map(|known| format!("did you mean `{known}`?"))
}

/// The maximum length of a quoted key, in characters.
const MAX_QUOTED_LENGTH: usize = 80;

/// Returns a key of an input in backticks, for a message. Leaves out everything from the first `:` or `=`: it may be a
/// value after a forgotten blank.
///
/// ```
/// use jobplate_diagnostic::suggest::quote_key;
///
/// assert_eq!(quote_key("valeu"), "`valeu`");
/// assert_eq!(quote_key("value:hunter2"), "`value:...`");
/// ```
pub fn quote_key(key: &str) -> String {
    // The rest of a long key is not read.
    let shown = key.char_indices().nth(MAX_QUOTED_LENGTH).map_or(key, |(end, _)| &key[..end]);
    let shown = shown.split_inclusive([':', '=', '\n']).next().unwrap_or_default();
    let rest = if shown.len() < key.len() { "..." } else { "" };
    format!("`{}{rest}`", shown.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_long_names() {
        let name = "a".repeat(MAX_LENGTH);
        assert_eq!(closest(&name, [&*name]), Some(&*name));
        let long = "a".repeat(1_000_000);
        assert_eq!(closest(&long, [&*long]), None);
        assert_eq!(closest("key", [&*long, "kye"]), Some("kye"));
    }

    #[test]
    fn allows_a_third_of_the_characters_to_differ_and_at_most_three() {
        for (name, known, is_close) in [
            ("kye", "key", true),
            ("kx", "key", false),
            ("imgea", "image", true),
            ("mgeai", "image", false),
            ("ébc", "abc", true),
            ("service_acount_nam", "service_account_name", true),
            ("serviceaccountname_of", "service_account_name", false),
            ("", "a", false),
        ] {
            assert_eq!(closest(name, [known]).is_some(), is_close, "{name}");
        }
        assert_eq!(closest("ab", ["ax", "ab", "ay"]), Some("ab"));
        assert_eq!(closest("az", ["ax", "ay"]), Some("ax"));
        assert_eq!(closest("a", []), None);
        assert_eq!(did_you_mean("kye", ["key"]).as_deref(), Some("did you mean `key`?"));
    }
}
