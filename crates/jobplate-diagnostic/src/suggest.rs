//! The known name that a misspelled one may mean.

/// The largest number of edits between a misspelled name and the name it may mean.
const MAX_EDITS: usize = 3;

/// Returns the known name that is closest to `name`, the first of several that are equally close.
///
/// An edit inserts, removes or replaces a character, or swaps two neighbours. At most a third of the characters of
/// `name`, rounded up, may need one, and never more than three.
///
/// ```
/// use jobplate_diagnostic::suggest;
///
/// assert_eq!(suggest::closest("secertes", ["env", "secrets"]), Some("secrets"));
/// assert_eq!(suggest::closest("inputs", ["env", "secrets"]), None);
/// ```
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max_edits = name.chars().count().div_ceil(3).min(MAX_EDITS);
    let with_edits = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (edits, known) = with_edits.min_by_key(|(edits, _)| *edits)?;
    (edits <= max_edits).then_some(known)
}

/// Returns the hint that names the [`closest`] known name.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, known).map(|known| format!("did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_may_differ_and_three_at_most() {
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
