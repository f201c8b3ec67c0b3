//! Applies fixes to a document: as many as do not touch each other, then those that remain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::{ErrorKind, Result};
use jobplate_manifest::sops;
use jobplate_yaml::{DecodedScalar, Document, Edit, Editable, Edited, Editor, Node, NodeArena};

use super::finding::{DocumentFix, Finding};
use super::splice::splice;
use super::subject::parse_error;

/// The maximum number of times that a document is fixed. Fixes that touch each other need several rounds.
const MAX_ROUNDS: usize = 32;

/// The maximum number of attempts to apply some of the fixes of a document, if not all of them can be made.
const MAX_ATTEMPTS: usize = 500;

/// Applies fixes to documents and reuses its memory.
#[derive(Default)]
pub(super) struct Fixer {
    arena: NodeArena,
    editor: Editor,
    /// The fixer of the documents in strings of a document.
    inner: Option<Box<Fixer>>,
}

/// A document after its fixes.
#[derive(Debug)]
pub struct FixedDocument<'t> {
    /// The 1-based line on which the document starts in the input.
    pub first_line: usize,
    /// The 1-based line on which the document starts after the fixes of earlier documents.
    pub new_first_line: usize,
    /// The text in the input.
    pub before: &'t str,
    /// The text after the fixes.
    pub after: &'t str,
    /// The findings that remain, with places in the fixed input.
    pub findings: Vec<Finding>,
    /// The number of applied fixes.
    pub fixed: usize,
}

/// The result of fixing a document.
pub(super) struct FixOutcome {
    /// The new text, or `None` if no fix was applied.
    pub text: Option<String>,
    /// The findings that remain.
    pub findings: Vec<Finding>,
    /// The number of applied fixes.
    pub fixed: usize,
}

impl Fixer {
    /// Applies the fixes of the findings that `accepts` accepts, until none is left. `check` returns the findings of a
    /// text. Fixes that cannot be made safely are left out.
    pub(super) fn fix(
        &mut self,
        text: &str,
        accepts: &dyn Fn(&Finding) -> bool,
        check: &mut dyn FnMut(&str) -> Result<Vec<Finding>>,
    ) -> Result<FixOutcome> {
        let mut outcome = FixOutcome { text: None, findings: check(text)?, fixed: 0 };
        for _ in 0..MAX_ROUNDS {
            let current = outcome.text.as_deref().unwrap_or(text);
            let accepted = outcome.findings.iter().filter(|finding| accepts(finding));
            let fixes: Vec<&DocumentFix> = accepted.filter_map(|finding| finding.fix.as_ref()).collect();
            let mut attempts = MAX_ATTEMPTS;
            let possible = self.find_possible(current, &fixes, &mut attempts)?;
            if possible.is_empty() {
                break;
            }
            let (edited, fixed) = self.apply(current, &possible)?;
            if edited.document.text == current {
                break;
            }
            let new_text = edited.document.text.to_owned();
            outcome.findings = check(&new_text)?;
            (outcome.text, outcome.fixed) = (Some(new_text), outcome.fixed + fixed);
        }
        Ok(outcome)
    }

    /// Returns the fixes that can be made, by trying halves of those that cannot be made together. Makes at most
    /// `attempts` attempts.
    fn find_possible<'d>(
        &mut self,
        text: &str,
        fixes: &[&'d DocumentFix],
        attempts: &mut usize,
    ) -> Result<Vec<&'d DocumentFix>> {
        if fixes.is_empty() || *attempts == 0 {
            return Ok(Vec::new());
        }
        *attempts -= 1;
        match self.apply(text, fixes).map(drop) {
            Ok(()) => Ok(fixes.to_vec()),
            Err(error) if error.kind() == ErrorKind::Internal => Err(error),
            Err(_) if fixes.len() == 1 => Ok(Vec::new()),
            Err(_) => {
                let (first, second) = fixes.split_at(fixes.len() / 2);
                let mut possible = self.find_possible(text, first, attempts)?;
                possible.extend(self.find_possible(text, second, attempts)?);
                Ok(possible)
            }
        }
    }

    /// Applies the fixes that do not touch each other. Returns the edited document and the number of fixes.
    ///
    /// # Errors
    ///
    /// Fails if the fixes cannot be made safely together.
    pub(super) fn apply(&mut self, text: &str, fixes: &[&DocumentFix]) -> Result<(Edited<'_>, usize)> {
        self.apply_at(text, fixes, 0)
    }

    /// Applies fixes to a document that is embedded in `depth` other documents.
    fn apply_at(&mut self, text: &str, fixes: &[&DocumentFix], depth: usize) -> Result<(Edited<'_>, usize)> {
        let mut edits = EditSet::default();
        let mut embedded: BTreeMap<u32, BTreeMap<usize, Vec<&DocumentFix>>> = BTreeMap::new();
        let Fixer { arena, editor, inner } = self;
        jobplate_yaml::read(text, arena).map_err(|unsupported| parse_error(text, unsupported))?;
        let document = Document::new(text, arena);
        sops::refuse_edit(document)?;
        let mut fixed = 0;
        for fix in fixes {
            match fix.embedded_in.get(depth) {
                None => fixed += usize::from(edits.add(document, &fix.fix.edits)),
                Some((scalar, offset)) => embedded.entry(*scalar).or_default().entry(*offset).or_default().push(fix),
            }
        }
        for (scalar, chunks) in embedded {
            let inner = inner.get_or_insert_default();
            let (edit, count) = inner.plan_scalar(document.node(scalar), &chunks, depth + 1)?;
            if edits.add(document, &[edit]) {
                fixed += count;
            }
        }
        Ok((editor.apply(document, &edits.into_sorted())?, fixed))
    }

    /// Returns the edit of a scalar, and the number of fixes in it. `chunks` are the fixes of the documents in its
    /// content, by the offset of the document.
    fn plan_scalar(
        &mut self,
        scalar: Node<'_>,
        chunks: &BTreeMap<usize, Vec<&DocumentFix>>,
        depth: usize,
    ) -> Result<(Edit, usize)> {
        let decoded = DecodedScalar::new(scalar);
        let content = decoded.text();
        let mut splices: Vec<(Range<usize>, Arc<str>)> = Vec::new();
        let mut fixed = 0;
        for (offset, fixes) in chunks {
            let text = &content[*offset..chunk_end(content, *offset)];
            let (edited, count) = self.apply_at(text, fixes, depth)?;
            fixed += count;
            splices.extend(
                edited.splices().map(|(Range { start, end }, text)| (offset + start..offset + end, text.into())),
            );
        }
        let new_text = splice(content, splices.iter().map(|(range, replacement)| (range.clone(), &**replacement)));
        let editable = Editable::from_node(scalar, "the embedded document")?;
        Ok((editable.change_text(splices.into(), new_text.into()), fixed))
    }
}

/// Returns the end of the document that starts at `offset` in a stream.
fn chunk_end(content: &str, offset: usize) -> usize {
    let mut documents = jobplate_yaml::Documents::new(&content.as_bytes()[offset..], usize::MAX);
    // Reading from memory cannot fail.
    documents.next().ok().flatten().map_or(content.len(), |chunk| offset + chunk.bytes.len())
}

/// Edits of one document that do not touch each other.
#[derive(Default)]
struct EditSet {
    /// The changes by the index of their node, each with the index after the node's subtree.
    changes: BTreeMap<u32, (u32, NodeChange)>,
}

/// The change of one node.
enum NodeChange {
    Edit(Edit),
    /// The indices of the removed children. Several fixes may remove children of the same collection.
    Removal(BTreeSet<usize>),
}

impl EditSet {
    /// Adds the edits of a fix. Returns false and adds none if one of them touches an edit of another fix. Removals of
    /// different children of one collection do not touch each other.
    fn add(&mut self, document: Document<'_>, edits: &[Edit]) -> bool {
        if !edits.iter().all(|edit| self.is_free(document, edit)) {
            return false;
        }
        for edit in edits {
            let node = document.node(edit.node());
            match (edit.removed_children(), self.changes.get_mut(&node.index())) {
                (Some(removed), Some((_, NodeChange::Removal(indices)))) => indices.extend(removed),
                (Some(removed), _) => {
                    let change = NodeChange::Removal(removed.iter().copied().collect());
                    self.changes.insert(node.index(), (node.subtree_end(), change));
                }
                (None, _) => {
                    self.changes.insert(node.index(), (node.subtree_end(), NodeChange::Edit(edit.clone())));
                }
            }
        }
        true
    }

    /// Returns whether an edit touches no edit of the set.
    fn is_free(&self, document: Document<'_>, edit: &Edit) -> bool {
        let node = document.node(edit.node());
        let (start, end) = (node.index(), node.subtree_end());
        let is_inside = self.changes.range(..start).next_back().is_some_and(|(_, (other_end, _))| *other_end > start);
        let has_edit_below = self.changes.range(start + 1..end.max(start + 1)).next().is_some();
        let is_compatible = match (self.changes.get(&start), edit.removed_children()) {
            (None, _) => true,
            (Some((_, NodeChange::Removal(indices))), Some(removed)) => {
                removed.iter().all(|index| !indices.contains(index))
            }
            (Some(_), _) => false,
        };
        !is_inside && !has_edit_below && is_compatible
    }

    fn into_sorted(self) -> Vec<Edit> {
        let to_edit = |(node, (_, change))| match change {
            NodeChange::Edit(edit) => edit,
            NodeChange::Removal(indices) => Edit::remove_children(node, indices),
        };
        self.changes.into_iter().map(to_edit).collect()
    }
}
