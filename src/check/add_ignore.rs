//! Adds ignore comments to a document.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jobplate_diagnostic::{Error, ErrorKind, Result};
use jobplate_yaml::{Document, Node, NodeArena, NodeKind};

use super::comment::CommentPlace;
use super::finding::Finding;
use super::fix::FixOutcome;
use super::rule::Check;
use super::splice::splice;

/// Adds ignore comments with a reason for the findings that `accepts` accepts and that have a place for a comment.
/// `check` checks the text of a document.
///
/// # Errors
///
/// Fails if the text cannot be checked, or if the comments do not suppress exactly these findings.
pub(super) fn add_comments(
    text: &str,
    reason: &str,
    accepts: &dyn Fn(&Finding) -> bool,
    check: &mut dyn FnMut(&str) -> Result<Vec<Finding>>,
) -> Result<FixOutcome> {
    let is_open = |finding: &&Finding| finding.comment_place.is_some() && accepts(finding);
    let findings = check(text)?;
    let mut places: BTreeMap<CommentPlace, BTreeSet<&str>> = BTreeMap::new();
    for finding in findings.iter().filter(is_open) {
        if let Some(place) = finding.comment_place {
            places.entry(place).or_default().insert(finding.rule.name);
        }
    }
    if places.is_empty() {
        return Ok(FixOutcome { text: None, findings, fixed: 0 });
    }
    let mut insertions: Vec<_> = places.iter().map(|(place, rules)| place.insertion(text, rules, reason)).collect();
    insertions.sort_by_key(|(at, _)| *at);
    let new_text = splice(text, insertions.iter().map(|(at, insertion)| (*at..*at, insertion.as_str())));
    let remaining = check(&new_text)?;
    let fixed = findings.iter().filter(is_open).count();
    // A comment without a rule is no longer a finding if it gets one.
    let count = |findings: &[Finding]| findings.iter().filter(|one| !matches!(one.rule.check, Check::Engine)).count();
    let is_changed = count(&remaining) != count(&findings) || remaining.iter().any(|finding| is_open(&finding));
    if is_changed || !is_same(text, &new_text, &insertions) {
        return Err(Error::new(ErrorKind::Internal, "the ignore comments change what the document means")
            .hint("use --baseline instead"));
    }
    Ok(FixOutcome { text: Some(new_text), findings: remaining, fixed })
}

/// Returns whether two texts have the same nodes. A scalar with an insertion may be different: it contains an embedded
/// document.
fn is_same(text: &str, new_text: &str, insertions: &[(usize, String)]) -> bool {
    let (mut arena, mut new_arena) = (NodeArena::default(), NodeArena::default());
    if jobplate_yaml::read(text, &mut arena).is_err() || jobplate_yaml::read(new_text, &mut new_arena).is_err() {
        return false;
    }
    let (old, new) = (Document::new(text, &arena), Document::new(new_text, &new_arena));
    let contains_insertion = |Range { start, end }: Range<usize>| {
        let next = insertions.partition_point(|(at, _)| *at <= start);
        insertions.get(next).is_some_and(|(at, _)| *at <= end)
    };
    let is_same_node = |(old, new): (Node<'_>, Node<'_>)| {
        let is_changed = old.kind() == NodeKind::Literal && contains_insertion(old.span());
        old.kind() == new.kind() && (is_changed || !old.is_scalar() || old.equals(new))
    };
    arena.len() == new_arena.len() && old.root().descendants().zip(new.root().descendants()).all(is_same_node)
}
