//! Orders new entries of `env`: Kubernetes expands `$(VAR)` only if `VAR` is defined earlier in the list.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvValue, references};
use jobplate_yaml::Value;

use super::desired::DesiredEntry;
use super::existing::ExistingEntry;

/// Refuses a changed literal that references a variable defined after it.
pub(super) fn refuse_later_references(entries: &[ExistingEntry<'_>], position: usize) -> Result<()> {
    let Some(text) = entries[position].literal.as_deref() else { return Ok(()) };
    match entries[position + 1..].iter().find(|later| references(text, &later.name)) {
        None => Ok(()),
        Some(later) => Err(Error::refused(format!(
            "{} uses $({}), which is defined behind it",
            entries[position].name, later.name
        ))
        .at(later.node.span())
        .hint("move that entry up: Kubernetes expands only what stands before")),
    }
}

/// Returns the new entries with their positions in the list.
///
/// A new entry is inserted at the end of the list, or before the first existing entry that references it. New entries
/// keep the order in which they were requested, except that an entry always follows the new entries that it references.
///
/// # Errors
///
/// Fails if two new entries reference each other, or if a new entry references an existing entry that follows its
/// position.
pub(super) fn insert_positions(
    existing: &[ExistingEntry<'_>],
    removed: &[usize],
    new: &[&DesiredEntry],
) -> Result<Vec<(usize, Value)>> {
    let kept: Vec<usize> = (0..existing.len()).filter(|position| !removed.contains(position)).collect();
    let mut positions: Vec<usize> = new
        .iter()
        .map(|entry| {
            let references_it = |position: &usize| {
                existing[*position].literal.as_ref().is_some_and(|text| references(text, entry.name()))
            };
            kept.iter().copied().find(references_it).unwrap_or(existing.len())
        })
        .collect();
    let mut sequence = order_by_references(new, &mut positions);
    for (index, entry) in new.iter().enumerate() {
        let Some(text) = expandable_literal(entry) else { continue };
        let mut later_new = sequence.iter().skip_while(|&&other| other != index).skip(1);
        if let Some(&other) = later_new.find(|&&other| references(text, new[other].name())) {
            return Err(Error::usage(format!("{} and {} use each other", entry.name(), new[other].name()))
                .hint("Kubernetes expands only what stands before: one of them has to do without"));
        }
        let mut later_kept = kept.iter().filter(|position| **position >= positions[index]);
        if let Some(&later_entry) = later_kept.find(|position| references(text, &existing[**position].name)) {
            return Err(Error::refused(format!(
                "{own} uses $({}), which is defined behind an entry that uses {own} in turn",
                existing[later_entry].name,
                own = entry.name()
            ))
            .at(existing[later_entry].node.span())
            .hint("move that entry up: Kubernetes expands only what stands before"));
        }
    }
    sequence.sort_by_key(|&index| positions[index]);
    Ok(sequence.into_iter().map(|index| (positions[index], new[index].to_yaml())).collect())
}

/// Sorts the indices of the new entries so that each entry follows the entries that it references. Lowers the position
/// of a referenced entry in the list to the position of the entry that references it. The order of entries that
/// reference each other is unspecified.
fn order_by_references(new: &[&DesiredEntry], positions: &mut [usize]) -> Vec<usize> {
    let mut sequence: Vec<usize> = (0..new.len()).collect();
    for _ in 0..new.len() {
        for referencing in 0..new.len() {
            let Some(text) = expandable_literal(new[referencing]) else { continue };
            for referenced in (0..new.len())
                .filter(|&referenced| referenced != referencing && references(text, new[referenced].name()))
            {
                positions[referenced] = positions[referenced].min(positions[referencing]);
                let position_of =
                    |sequence: &[usize], entry: usize| sequence.iter().position(|&index| index == entry).unwrap_or(0);
                let (referenced_position, referencing_position) =
                    (position_of(&sequence, referenced), position_of(&sequence, referencing));
                if referenced_position > referencing_position {
                    sequence.remove(referenced_position);
                    sequence.insert(referencing_position, referenced);
                }
            }
        }
    }
    sequence
}

/// Returns the literal of an entry if it may reference a variable.
fn expandable_literal(entry: &DesiredEntry) -> Option<&str> {
    match entry.value() {
        EnvValue::Literal(text) if text.contains('$') => Some(text),
        _ => None,
    }
}
