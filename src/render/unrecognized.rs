//! Finds objects with containers that are not targets because their kind is missing or misspelled.

use std::cell::RefCell;
use std::ops::Range;

use jobplate_diagnostic::{Diagnostic, suggest};
use jobplate_manifest::container;
use jobplate_manifest::object::{Object, objects};
use jobplate_manifest::workload::{WORKLOAD_KINDS, has_builtin_group, is_builtin_workload};
use jobplate_yaml::{Document, NodeArena};
use memchr::memmem::Finder;

use crate::inject::template_kind;

/// The code of the warning about an object whose kind is missing or misspelled.
pub const UNRECOGNIZED_CODE: &str = "unrecognized-kind";

/// The maximum number of remembered kinds.
const MAX_ANSWERS: usize = 32;

/// The beginning of the line with an object's kind.
const KIND: &str = "kind: ";

/// Finds unrecognized objects in documents that are not parsed otherwise.
pub(super) struct UnrecognizedFinder {
    containers: Finder<'static>,
    kind: Finder<'static>,
    /// The first kinds, each with whether it is known or not similar to a known kind.
    answers: RefCell<Vec<(String, bool)>>,
}

impl Default for UnrecognizedFinder {
    fn default() -> Self {
        UnrecognizedFinder {
            containers: Finder::new("ontainers"),
            kind: Finder::new(KIND),
            answers: RefCell::default(),
        }
    }
}

impl UnrecognizedFinder {
    /// Finds an unrecognized object in a document without a target, like [`find_in_document`]. Parses only a document
    /// that mentions containers and does not begin a line with a known kind.
    pub(super) fn find(&self, text: &str, arena: &mut NodeArena) -> Option<(Diagnostic, Range<usize>)> {
        if self.has_known_kind(text) || self.containers.find(text.as_bytes()).is_none() {
            return None;
        }
        jobplate_yaml::read(text, arena).ok()?;
        find_in_document(Document::new(text, arena))
    }

    /// Returns whether a line of the document is a `kind` that is recognized, or not similar to any. The document then
    /// has one object, unless it is a List, whose items are further indented.
    fn has_known_kind(&self, text: &str) -> bool {
        self.kind.find_iter(text.as_bytes()).any(|at| {
            let is_line_start = at == 0 || text.as_bytes()[at - 1] == b'\n';
            let kind = text[at + KIND.len()..].lines().next().unwrap_or_default();
            let is_word = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
            is_line_start && is_word && !kind.ends_with("List") && self.is_known_or_dissimilar(kind)
        })
    }

    /// Returns whether a kind is known, or not similar to any known kind. Remembers the answer, because most documents
    /// have one of few kinds.
    fn is_known_or_dissimilar(&self, kind: &str) -> bool {
        let mut answers = self.answers.borrow_mut();
        if let Some((_, answer)) = answers.iter().find(|(known, _)| known == kind) {
            return *answer;
        }
        let answer = nearest(kind).is_none_or(|nearest| nearest == kind);
        if answers.len() < MAX_ANSWERS {
            answers.push((kind.to_owned(), answer));
        }
        answer
    }
}

/// Finds the first object with containers whose kind is missing or is similar to a built-in kind. Returns a warning and
/// its byte range in the document.
pub(super) fn find_in_document(document: Document<'_>) -> Option<(Diagnostic, Range<usize>)> {
    objects(document).ok()?.iter().find_map(check_object)
}

fn check_object(object: &Object<'_>) -> Option<(Diagnostic, Range<usize>)> {
    let Unrecognized { span, similar } = find_unrecognized(object)?;
    let (text, help) = match similar {
        None => ("missing `kind`, so this object is not a target".to_owned(), "add `kind: Job`".to_owned()),
        Some(similar) => {
            let text = format!("unknown kind `{}`, so this object is not a target", object.kind);
            (text, format!("did you mean `{similar}`?"))
        }
    };
    Some((Diagnostic::warning(UNRECOGNIZED_CODE, text).help(help), span))
}

/// An object with containers whose kind is missing or misspelled.
#[derive(Clone, Debug)]
pub struct Unrecognized {
    /// The byte range of the kind, or the start of the object if it has none.
    pub span: Range<usize>,
    /// The built-in kind that is similar to the kind, or `None` if the kind is missing.
    pub similar: Option<&'static str>,
}

/// Returns how the kind of an object with containers is wrong, or `None` if it is not.
pub fn find_unrecognized(object: &Object<'_>) -> Option<Unrecognized> {
    if is_recognized(object) {
        return None;
    }
    if object.kind.is_empty() {
        let is_object = !object.api_version.is_empty() || object.metadata.is_some();
        let start = object.node.span().start;
        return (is_object && has_containers(object)).then_some(Unrecognized { span: start..start + 1, similar: None });
    }
    let similar = nearest_kind(object).filter(|_| has_containers(object));
    let span = object.node.get_first("kind").map_or(object.node.span(), |kind| kind.span());
    similar.is_some().then_some(Unrecognized { span, similar })
}

/// Returns the built-in kind that is similar to the unknown kind of an object.
pub(super) fn nearest_kind(object: &Object<'_>) -> Option<&'static str> {
    if is_recognized(object) { None } else { nearest(&object.kind) }
}

/// Returns whether an object has a known kind, or one of an API group that is not built in.
fn is_recognized(object: &Object<'_>) -> bool {
    is_builtin_workload(object) || template_kind(object).is_some() || !has_builtin_group(object)
}

/// Returns the built-in kind that is equal or similar to a kind.
fn nearest(kind: &str) -> Option<&'static str> {
    suggest::closest(kind, WORKLOAD_KINDS.iter().map(|(known, _)| *known))
}

fn has_containers(object: &Object<'_>) -> bool {
    !container::names(object).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<String> {
        let (warning, span) = UnrecognizedFinder::default().find(text, &mut NodeArena::default())?;
        Some(format!("{} at {}", warning.message(), &text[span]))
    }

    #[test]
    fn finds_missing_and_misspelled_kinds_of_objects_with_containers() {
        let pod = "spec: {template: {spec: {containers: [{name: a}]}}}\n";
        for (head, expected) in [
            ("kind: Jbo\n", Some("unknown kind `Jbo`, so this object is not a target at Jbo")),
            ("kind: job\n", Some("unknown kind `job`, so this object is not a target at job")),
            (
                "apiVersion: batch/v1\nkind: cronjob\n",
                Some("unknown kind `cronjob`, so this object is not a target at cronjob"),
            ),
            ("apiVersion: batch/v1\n", Some("missing `kind`, so this object is not a target at a")),
            ("metadata: {name: a}\n", Some("missing `kind`, so this object is not a target at m")),
            ("kind: Job\n", None),
            ("kind: Deployment\n", None),
            ("apiVersion: example.com/v1\nkind: Jbo\n", None),
            ("kind: Workflow\n", None),
            // A values file, not an object.
            ("replicas: 1\n", None),
        ] {
            assert_eq!(find(&format!("{head}{pod}")).as_deref(), expected, "{head}");
        }
        assert_eq!(find("kind: Jbo\nspec: {}\n"), None);
        assert_eq!(find("kind: Jbo\nspec: {containers: [\n"), None);
        let list = format!("kind: List\nitems:\n- kind: Jbo\n  {pod}");
        assert_eq!(find(&list).as_deref(), Some("unknown kind `Jbo`, so this object is not a target at Jbo"));
    }
}
