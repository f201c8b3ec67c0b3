//! Splits names into words: at `_`, `-`, `.`, other punctuation, and before an upper-case letter that follows a
//! lower-case one.

/// The words that end with `PASS` but are not passwords.
const BENIGN_PASSES: [&str; 10] = [
    "ALLPASS",
    "BANDPASS",
    "BYPASS",
    "COMPASS",
    "HIGHPASS",
    "LOWPASS",
    "MULTIPASS",
    "SURPASS",
    "TRESPASS",
    "UNDERPASS",
];

/// A word of a name.
#[derive(Clone, Copy)]
pub(super) struct Word<'n> {
    pub text: &'n str,
    /// Whether the word is after a separator and not after a lower-case letter.
    pub follows_separator: bool,
}

impl Word<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_pass(&self) -> bool {
        self.ends_with("PASS") && !BENIGN_PASSES.iter().any(|word| self.ends_with(word))
    }

    /// Returns the word without an `S` at its end.
    pub(super) fn singular(self) -> Self {
        Word { text: self.text.strip_suffix(['S', 's']).unwrap_or(self.text), ..self }
    }

    pub(super) fn ends_with(&self, ending: &str) -> bool {
        let start = self.text.len().checked_sub(ending.len());
        start.and_then(|start| self.text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    }
}

/// Splits a name into words. Leaves out digits at the end of a word, and words of digits.
pub(super) fn split_words(name: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_alphanumeric()) {
        let mut start = 0;
        let mut is_after_lowercase = false;
        let mut add = |start: usize, end: usize| {
            let text = part[start..end].trim_end_matches(|c: char| c.is_ascii_digit());
            if !text.is_empty() {
                words.push(Word { text, follows_separator: start == 0 });
            }
        };
        for (at, c) in part.char_indices() {
            if c.is_uppercase() && is_after_lowercase {
                add(start, at);
                start = at;
            }
            is_after_lowercase = c.is_lowercase();
        }
        add(start, part.len());
    }
    words
}
