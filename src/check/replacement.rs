//! Plans the replacement of text that one fix makes, for reports.

use std::ops::Range;
use std::sync::Arc;

use super::finding::Finding;
use super::fix::Fixer;

/// The maximum total size of the text that is edited to plan the fixes of a document, in bytes: the document counts once
/// for each fix.
const MAX_EDITED_TEXT: usize = 4 << 20;

/// A replacement in the document of a finding.
#[derive(Debug, PartialEq, Eq)]
pub struct PlannedReplacement {
    /// The replaced byte range.
    pub range: Range<usize>,
    /// The new text.
    pub text: String,
}

/// Plans replacements, and reuses its memory.
#[derive(Default)]
pub struct ReplacementPlanner {
    fixer: Fixer,
    /// The document of the last planned fix.
    document: Option<Arc<str>>,
    /// The number of planned fixes of that document.
    planned: usize,
}

impl ReplacementPlanner {
    /// Returns the replacement that the fix of a finding makes on its own, also in an embedded document. Returns `None`
    /// if the finding has no fix, if the fix cannot be made safely, or if the document is too large or has too many fixes.
    pub fn plan(&mut self, finding: &Finding) -> Option<PlannedReplacement> {
        let (fix, location) = (finding.fix.as_ref()?, finding.diagnostic.location()?);
        let document = &location.document;
        if !self.document.as_ref().is_some_and(|last| Arc::ptr_eq(last, document)) {
            (self.document, self.planned) = (Some(Arc::clone(document)), 0);
        }
        if self.planned >= MAX_EDITED_TEXT / document.len().max(1) {
            return None;
        }
        self.planned += 1;
        let (edited, _) = self.fixer.apply(document, &[fix]).ok()?;
        let splices = edited.splices().map(|(range, text)| PlannedReplacement { range, text: text.to_owned() });
        let whole = splices.reduce(|mut whole, next| {
            whole.text.push_str(&document[whole.range.end..next.range.start]);
            whole.text.push_str(&next.text);
            PlannedReplacement { range: whole.range.start..next.range.end, text: whole.text }
        });
        whole.map(|whole| whole.without_equal_ends(document))
    }
}

impl PlannedReplacement {
    /// Removes what the replaced text and the new text have in common at both ends, up to a whole word.
    fn without_equal_ends(self, document: &str) -> Self {
        let PlannedReplacement { range, text } = self;
        let old = &document[range.clone()];
        let start = equal_length(old.chars(), text.chars());
        let end = equal_length(old[start..].chars().rev(), text[start..].chars().rev());
        PlannedReplacement {
            range: range.start + start..range.end - end,
            text: text[start..text.len() - end].to_owned(),
        }
    }
}

/// Returns the length of what two texts have in common at their start, in bytes, up to a whole word.
fn equal_length(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    let (mut length, mut whole_words) = (0, 0);
    for (character, _) in a.zip(b).take_while(|(a, b)| a == b) {
        length += character.len_utf8();
        if !character.is_alphanumeric() {
            whole_words = length;
        }
    }
    whole_words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_whole_words_that_differ() {
        for (old, new, expected) in [
            ("valuefrom: {}\n", "valueFrom: {}\n", (0..9, "valueFrom")),
            ("- 5", "- \"5\"", (2..3, "\"5\"")),
            ("a: b\nc: d\n", "", (0..10, "")),
            ("b\n", "- a\nb\n", (0..1, "- a\nb")),
            ("größe", "große", (0..7, "große")),
        ] {
            let document = format!("é{old}é");
            let replacement = PlannedReplacement { range: 2..2 + old.len(), text: new.to_owned() };
            let PlannedReplacement { range, text } = replacement.without_equal_ends(&document);
            assert_eq!((range.start - 2..range.end - 2, text.as_str()), expected, "{old:?}");
        }
    }
}
