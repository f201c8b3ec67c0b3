//! A finding with its place in the input.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::ops::Range;

use jobplate_diagnostic::{Diagnostic, Location, Message, Severity};
use jobplate_manifest::credentials::find_shaped_credentials;
use jobplate_manifest::object::Object;
use jobplate_yaml::{Node, NodeKind, PathCursor, PathStep};

use super::comment::CommentPlace;
use super::findings::{Confidence, Draft, Fix};
use super::rule::Rule;
use super::splice::splice;
use super::subject::Subject;

/// The maximum length of a name in a path, in bytes. A longer name is replaced by the position.
const MAX_NAME_LENGTH: usize = 80;

/// The replacement for a name that has the shape of a credential.
const MASK: &str = "***";

/// A finding of a rule.
#[derive(Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How likely the finding is a real problem.
    pub confidence: Confidence,
    /// The severity, the message, the place and the help. The code is the name of the rule.
    pub diagnostic: Diagnostic,
    /// The place in terms of the manifest: the object and the keys, such as
    /// `Job/etl: spec.template.spec.containers[flow].env[TOKEN].value`. It does not change when lines are inserted.
    pub path: String,
    /// The number of findings before this one in the input that have the same rule, path and message and that no comment
    /// suppresses.
    pub occurrence: usize,
    /// The change that resolves the finding.
    pub fix: Option<DocumentFix>,
    /// The reason of the comment that suppresses the finding, which may be empty. `None` if the finding is not suppressed.
    pub suppression: Option<String>,
    /// Where a comment can be inserted that suppresses the finding. Only searched for by [`Checker::ignore_source`].
    ///
    /// [`Checker::ignore_source`]: super::Checker::ignore_source
    pub comment_place: Option<CommentPlace>,
    /// Whether the finding is in another file than the manifest, such as a run config. Each template that is checked with
    /// the file can have the same finding.
    pub is_shared: bool,
}

/// Numbers the findings of an input that have the same rule, path and message.
#[derive(Debug, Default)]
pub(super) struct OccurrenceCounter {
    /// The numbers of findings in earlier documents, by a hash of what they have in common.
    earlier: HashMap<u64, usize>,
    /// The numbers of findings in the current document.
    current: HashMap<u64, usize>,
}

impl OccurrenceCounter {
    /// Numbers the findings of the current document, which may be checked several times.
    pub(super) fn number(&mut self, findings: &mut [Finding]) {
        self.current.clear();
        for finding in findings.iter_mut().filter(|finding| finding.suppression.is_none()) {
            let key = (finding.rule.name, &finding.path, finding.diagnostic.message(), finding.diagnostic.file());
            let key = self.earlier.hasher().hash_one(key);
            // Each template that is checked with a file has the shared findings of the file.
            let earlier = self.earlier.get(&key).filter(|_| !finding.is_shared);
            let current = self.current.entry(key).or_default();
            finding.occurrence = earlier.copied().unwrap_or_default() + *current;
            *current += 1;
        }
    }

    /// Adds the findings of the current document to those of earlier documents.
    pub(super) fn end_document(&mut self) {
        for (key, number) in self.current.drain() {
            *self.earlier.entry(key).or_default() += number;
        }
    }
}

/// The shared findings so far, so that each of them is reported once.
#[derive(Debug, Default)]
pub struct SharedFindings {
    /// The file, the offset and the message of each finding.
    reported: HashSet<(String, usize, String)>,
}

impl SharedFindings {
    /// Returns whether a finding is not shared, or is passed for the first time.
    pub fn is_new(&mut self, finding: &Finding) -> bool {
        let diagnostic = &finding.diagnostic;
        let file = diagnostic.file().unwrap_or_default().to_owned();
        let start = diagnostic.location().map_or(0, |location| location.span.start);
        !finding.is_shared || self.reported.insert((file, start, diagnostic.message().to_owned()))
    }
}

/// A fix, and the document that it changes.
#[derive(Clone, Debug)]
pub struct DocumentFix {
    /// The fix.
    pub fix: Fix,
    /// The scalars that contain the changed document, outermost first, each with the offset of the embedded document in
    /// the content of the scalar. Empty if the fix changes the document itself.
    pub embedded_in: Vec<(u32, usize)>,
}

/// A finding with a place in a document. It does not borrow the document.
#[derive(Debug)]
pub(super) struct LocatedFinding {
    pub rule: &'static Rule,
    pub severity: Severity,
    pub confidence: Confidence,
    pub message: String,
    pub help: Option<Message>,
    pub span: Range<usize>,
    pub related: Vec<(Range<usize>, String)>,
    pub path: String,
    pub fix: Option<DocumentFix>,
    pub suppression: Option<String>,
    pub comment_place: Option<CommentPlace>,
}

impl LocatedFinding {
    /// Converts a draft of a rule. `path` is the path of the draft's node.
    pub(super) fn new(rule: &'static Rule, draft: Draft<'_>, path: String) -> Self {
        let Draft { severity, confidence, span, message, help, related, fix, .. } = draft;
        let fix = fix.map(|fix| DocumentFix { fix, embedded_in: Vec::new() });
        LocatedFinding {
            rule,
            severity,
            confidence,
            message,
            help,
            span,
            related,
            path,
            fix,
            suppression: None,
            comment_place: None,
        }
    }

    /// Returns the finding with its places in a file. Masks the names that have the shape of a credential.
    pub(super) fn into_finding(self, to_location: &dyn Fn(Range<usize>) -> Location) -> Finding {
        let LocatedFinding { rule, confidence, fix, suppression, comment_place, .. } = self;
        let mut diagnostic = Diagnostic::new(rule.name, self.severity, self.message).at(to_location(self.span));
        if let Some(help) = self.help {
            diagnostic = diagnostic.help(help);
        }
        for (span, label) in self.related {
            diagnostic = diagnostic.annotate(to_location(span), label);
        }
        let (diagnostic, path) = (diagnostic.map_text(mask_names), mask_names(&self.path));
        Finding { rule, confidence, diagnostic, path, occurrence: 0, fix, suppression, comment_place, is_shared: false }
    }

    /// Converts the places in an embedded document to places in the document that contains it. `scalar` is
    /// the scalar, `offset` the offset of the embedded document in its content, and `prefix` the path of the scalar.
    pub(super) fn move_out(
        &mut self,
        to_outer: &dyn Fn(Range<usize>) -> Range<usize>,
        scalar: Node<'_>,
        offset: usize,
        prefix: &str,
    ) {
        self.span = to_outer(self.span.clone());
        for (span, _) in &mut self.related {
            *span = to_outer(span.clone());
        }
        self.path.insert_str(0, &format!("{prefix} > "));
        if let Some(fix) = &mut self.fix {
            fix.embedded_in.insert(0, (scalar.index(), offset));
        }
        // Only in a literal scalar, each line is a line of the embedded document.
        let place = self.comment_place.filter(|_| scalar.kind() == NodeKind::Literal);
        self.comment_place = place.map(|place| place.map(|at| to_outer(at..at).start));
    }
}

/// Removes the findings without a fix that an embedded document has with a fix: findings of the same rule at the same place.
pub(super) fn remove_unfixed(found: &mut Vec<LocatedFinding>) {
    let fixed = found.iter().filter(|finding| finding.fix.as_ref().is_some_and(|fix| !fix.embedded_in.is_empty()));
    let fixed: HashSet<(&str, Range<usize>)> = fixed.map(|finding| (finding.rule.name, finding.span.clone())).collect();
    if !fixed.is_empty() {
        let is_kept =
            |found: &LocatedFinding| found.fix.is_some() || !fixed.contains(&(found.rule.name, found.span.clone()));
        found.retain(is_kept);
    }
}

/// Adds their paths to drafts.
pub(super) fn locate<'a>(subject: &Subject<'a>, mut drafts: Vec<(&'static Rule, Draft<'a>)>) -> Vec<LocatedFinding> {
    if drafts.is_empty() {
        return Vec::new();
    }
    drafts.sort_by_key(|(_, draft)| (draft.node.index(), draft.span.start));
    let objects: Vec<_> =
        subject.objects.iter().map(|object| (&object.object, object.object.node.index() as usize)).collect();
    let mut paths = PathWriter::new(subject.document.root(), &objects);
    let located = drafts.into_iter().map(|(rule, draft)| {
        let path = paths.path(draft.node);
        LocatedFinding::new(rule, draft, path)
    });
    located.collect()
}

/// Writes the paths of nodes. It takes linear time for all nodes together if they are visited in document order.
struct PathWriter<'a, 'o> {
    objects: &'o [(&'o Object<'a>, usize)],
    cursor: PathCursor<'a>,
    /// The names of the items on the paths, by the index of the item.
    names: HashMap<u32, Option<String>>,
}

impl<'a, 'o> PathWriter<'a, 'o> {
    /// Creates a writer for the nodes below `root`. `objects` are the objects with the index of their first node, in
    /// document order.
    fn new(root: Node<'a>, objects: &'o [(&'o Object<'a>, usize)]) -> Self {
        PathWriter { objects, cursor: PathCursor::new(root), names: HashMap::new() }
    }

    /// Returns the path of a node.
    fn path(&mut self, node: Node<'a>) -> String {
        let count = self.objects.partition_point(|(_, first)| *first <= node.index() as usize);
        let object = count.checked_sub(1).map(|at| self.objects[at].0).filter(|object| object.node.contains(node));
        let mut path = String::new();
        if let Some(object) = object.filter(|object| !object.kind.is_empty()) {
            if let Some(namespace) = object.namespace() {
                let _ = write!(path, "{}/", shorten(&namespace).unwrap_or_default());
            }
            let _ = write!(path, "{}/{}", object.kind, shorten(&object.name().unwrap_or_default()).unwrap_or_default());
            path.push_str(": ");
        }
        let first = object.map_or(0, |object| object.node.index());
        let steps = self.cursor.steps_to(node).iter().filter(|step| step.child.index() > first);
        let mut is_first = true;
        for PathStep { parent, key, position, child } in steps {
            match key.and_then(Node::text).as_deref().and_then(shorten) {
                Some(key) if is_first => path.push_str(key),
                Some(key) => {
                    let _ = write!(path, ".{key}");
                }
                // A finding about a key. The key may be a value that lacks its own key, so its position is shown.
                None if parent.kind() == NodeKind::Map => {
                    let _ = write!(path, ".{position}");
                }
                None => {
                    let find_name = || Some(shorten(&child.get_first("name")?.text()?)?.to_owned());
                    let _ = match self.names.entry(child.index()).or_insert_with(find_name) {
                        Some(name) => write!(path, "[{name}]"),
                        None => write!(path, "[{position}]"),
                    };
                }
            }
            is_first = false;
        }
        path
    }
}

/// Returns a name that is short enough for a path and has no line break.
fn shorten(name: &str) -> Option<&str> {
    (!name.is_empty() && name.len() <= MAX_NAME_LENGTH && !name.contains(char::is_control)).then_some(name)
}

/// Masks the names in a message or path that have the shape of a credential: it may be a value under the wrong key.
pub(super) fn mask_names(text: &str) -> String {
    splice(text, find_shaped_credentials(text).into_iter().map(|range| (range, MASK)))
}
