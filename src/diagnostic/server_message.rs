//! Redacts messages of an API server about a document.
//!
//! A warning may quote values of the document or of the live object. A word is shown only if it is known not to be a
//! value.

use std::collections::HashSet;
use std::ops::Deref;

use super::mask::{MASK, MaskedText};

/// The words of Kubernetes' warnings and of common admission policies.
const VOCABULARY: &str = "ALL Localhost PodSecurity RuntimeDefault a about above add added admission after all allow allowed allowPrivilegeEscalation already also \
    an and annotation annotations any api applied apply are argument as at audit available be because been before being \
    below between both but by can cannot capabilities change changed check cluster conflict conflicts container \
    containers contains could cpu created default defaults defined definition denied deny deprecated did different do \
    does domain drop dropped duplicate duplicated each either empty enforce entries entry env ephemeral error exceed exceeds \
    exist exists expected false feature field fields finalizer finalizers following for found from future group has have \
    hides higher host id if ignored image images immutable in ineffective init instead invalid is it its job key keys \
    kind label labels later latest less like limit limits list longer lower map match matches may memory merge metadata \
    missing more most must name named names namespace namespaced needs network new newer no node non none not null of old \
    older on one only or order other overrides owner pod pods policy port ports prefer previous privileged probe \
    probes protocol provided qualified quota read readiness recommended redundant remove removed replace replaced \
    request requested requests required requires reserved resource resources restricted root run runAsNonRoot running \
    same schema seccomp seccompProfile secret secrets securityContext selector server service set should since spec \
    specified status strategy string subject supported tag template than that the their there they this to type types \
    unavailable uncommon uncommonly undefined unexpected uniqueness unknown unless unlimited unrestricted unset \
    unsupported until unused up update use used uses user using v valid validation value values version versions via \
    violate violates volume volumes warn warning was were when where which while will with without would you your";

/// The words of a document.
pub(super) struct DocumentWords {
    /// The words outside masked ranges.
    visible: HashSet<String>,
    /// The words in masked ranges.
    masked: HashSet<String>,
}

impl DocumentWords {
    /// Collects the words of a document.
    pub(super) fn new<T: Deref<Target = str>>(document: &MaskedText<T>) -> Self {
        let (visible, masked) = document.visible_and_masked();
        let collect = |parts: Vec<&str>| parts.into_iter().flat_map(split_words).map(str::to_owned).collect();
        DocumentWords { visible: collect(visible), masked: collect(masked) }
    }

    /// Masks each word of a server's message that may be a value. Shows a word if it is visible in the document, or if
    /// it is in no masked range and is a vocabulary word, a short number or a version.
    pub(super) fn redact(&self, message: &str) -> String {
        let vocabulary: HashSet<&str> = VOCABULARY.split_whitespace().collect();
        let is_known = |word: &str| {
            let lowercase_word = word.to_ascii_lowercase();
            let number = word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit());
            let version = word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                && word.len() <= 9;
            number || version || vocabulary.contains(word) || vocabulary.contains(&*lowercase_word)
        };
        let mut out = String::new();
        let mut rest = message;
        while let Some(start) = rest.find(is_word_character) {
            out.push_str(&rest[..start]);
            let end = rest[start..].find(|c: char| !is_word_character(c)).map_or(rest.len(), |length| start + length);
            let word = &rest[start..end];
            let is_shown = self.visible.contains(word) || is_known(word) && !self.masked.contains(word);
            out.push_str(if is_shown { word } else { MASK });
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word_character(c)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::sensitive::MaskPolicy;

    use super::*;

    #[test]
    fn shows_words_that_are_visible_in_the_document_or_in_the_vocabulary() {
        let document = "metadata: {name: web1}\nenv:\n- name: DB_TOKEN\n  value: hush hush2\n";
        for (message, expected) in [
            ("env[1]: hides previous definition of \"DB_TOKEN\"", "env[1]: hides previous definition of \"DB_TOKEN\""),
            ("web1 in v1beta1 is old, use v1.2", "web1 in v1beta1 is old, use v1.2"),
            ("value \"hush\" or hush2 or kanarie7f3a", "value \"***\" or *** or ***"),
            ("the password was Sesame", "the *** was ***"),
        ] {
            assert_eq!(
                DocumentWords::new(&MaskedText::new(document, &MaskPolicy::default())).redact(message),
                expected
            );
        }
    }
}
