//! Orders new entries of `env`: Kubernetes expands `$(VAR)` only if `VAR` is defined earlier in the list.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvValue, referenced_names, references};
use jobplate_yaml::{MAX_COMPARED_KEYS, Value};

use super::desired::DesiredEntry;
use super::existing::ExistingEntry;

/// The entries of a list that are not removed, with an index of their names if there are many.
struct Definitions<'e> {
    existing: &'e [ExistingEntry<'e>],
    removed: &'e [usize],
    /// The positions of the entries in ascending order, keyed by name.
    hashed: HashMap<&'e str, Vec<usize>>,
}

impl<'e> Definitions<'e> {
    /// Indexes the entries. `removed` are the positions of the removed ones, in ascending order.
    fn new(existing: &'e [ExistingEntry<'_>], removed: &'e [usize]) -> Self {
        let mut definitions = Definitions { existing, removed, hashed: HashMap::new() };
        if existing.len() > MAX_COMPARED_KEYS {
            for position in (0..existing.len()).filter(|position| removed.binary_search(position).is_err()) {
                definitions.hashed.entry(&existing[position].name).or_default().push(position);
            }
        }
        definitions
    }

    /// Returns the first entry at or after a position that defines a variable that `text` references.
    fn first_referenced(&self, text: &str, from: usize) -> Option<usize> {
        if self.existing.len() <= MAX_COMPARED_KEYS {
            let is_defined_at = |position: &usize| {
                self.removed.binary_search(position).is_err() && references(text, &self.existing[*position].name)
            };
            return (from..self.existing.len()).find(is_defined_at);
        }
        let defined = referenced_names(text).filter_map(|name| self.hashed.get(name));
        defined.filter_map(|positions| positions.get(positions.partition_point(|at| *at < from))).min().copied()
    }
}

/// Refuses a changed literal that references a variable defined after it. `changed` are the positions of the changed
/// entries.
pub(super) fn refuse_later_references(existing: &[ExistingEntry<'_>], changed: &[usize]) -> Result<()> {
    let mut definitions = None;
    for &position in changed {
        let entry = &existing[position];
        let Some(text) = entry.literal.as_deref().filter(|text| text.contains('$')) else { continue };
        let definitions = definitions.get_or_insert_with(|| Definitions::new(existing, &[]));
        if let Some(later) = definitions.first_referenced(text, position + 1) {
            let later = &existing[later];
            return Err(Error::refused(format!("`{}` uses $({}), which is defined after it", entry.name, later.name))
                .at(later.node.span())
                .hint("move that entry up: Kubernetes only expands variables that are defined earlier"));
        }
    }
    Ok(())
}

/// Returns the new entries with their positions in the list.
///
/// A new entry is inserted at the end of the list, or before the first existing entry that references it. New entries
/// keep the order in which they were requested, except that an entry always follows the new entries that it references.
/// `removed` are the positions of the existing entries that are removed, in ascending order.
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
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let is_kept = |position: usize| removed.binary_search(&position).is_err();
    let mut positions = vec![existing.len(); new.len()];
    let names = NewNames::new(new);
    for (position, entry) in existing.iter().enumerate().filter(|(position, _)| is_kept(*position)) {
        for name in entry.literal.iter().flat_map(|text| referenced_names(text)) {
            if let Some(index) = names.find(name) {
                positions[index] = positions[index].min(position);
            }
        }
    }
    let mut sequence: Vec<usize> = (0..new.len()).collect();
    if new.iter().any(|entry| expandable_literal(entry).is_some()) {
        if new.len() > 1 {
            sequence = order_by_references(&names, &mut positions)?;
        }
        let definitions = Definitions::new(existing, removed);
        for (entry, position) in new.iter().zip(&positions) {
            let Some(text) = expandable_literal(entry) else { continue };
            if let Some(later) = definitions.first_referenced(text, *position) {
                let later = &existing[later];
                return Err(Error::refused(format!(
                    "`{own}` uses $({}), which is defined after an entry that uses `{own}`",
                    later.name,
                    own = entry.name()
                ))
                .at(later.node.span())
                .hint("move that entry up: Kubernetes only expands variables that are defined earlier"));
            }
        }
    }
    sequence.sort_by_key(|&index| positions[index]);
    Ok(sequence.into_iter().map(|index| (positions[index], new[index].to_yaml())).collect())
}

/// The new entries, with an index of their names if there are many.
struct NewNames<'n> {
    entries: &'n [&'n DesiredEntry],
    hashed: HashMap<&'n str, usize>,
}

impl<'n> NewNames<'n> {
    fn new(entries: &'n [&'n DesiredEntry]) -> Self {
        let mut hashed = HashMap::new();
        if entries.len() > MAX_COMPARED_KEYS {
            hashed.extend(entries.iter().enumerate().map(|(index, entry)| (entry.name(), index)));
        }
        NewNames { entries, hashed }
    }

    /// Returns the index of the entry that defines a variable.
    fn find(&self, name: &str) -> Option<usize> {
        match self.hashed.is_empty() {
            true => self.entries.iter().position(|entry| entry.name() == name),
            false => self.hashed.get(name).copied(),
        }
    }
}

/// Sorts the indices of the new entries so that each entry follows the entries that it references. Lowers the position
/// of a referenced entry in the list to the position of the entry that references it.
///
/// # Errors
///
/// Fails if two entries reference each other.
fn order_by_references(names: &NewNames<'_>, positions: &mut [usize]) -> Result<Vec<usize>> {
    let new = names.entries;
    // The indices of the entries that each entry references, in descending order, so that the first one is popped first.
    let mut remaining: Vec<Vec<usize>> = Vec::with_capacity(new.len());
    for (index, entry) in new.iter().enumerate() {
        let used = expandable_literal(entry).into_iter().flat_map(referenced_names);
        let mut referenced: Vec<usize> = used.filter_map(|name| names.find(name)).collect();
        referenced.retain(|other| *other != index);
        referenced.sort_unstable_by(|one, other| other.cmp(one));
        referenced.dedup();
        remaining.push(referenced);
    }
    let references = remaining.clone();
    // A depth-first search with an explicit stack. Its path has the entries whose references are being visited.
    let mut states = vec![VisitState::Unvisited; new.len()];
    let mut sequence = Vec::with_capacity(new.len());
    let mut path = Vec::new();
    for start in 0..new.len() {
        if states[start] == VisitState::Unvisited {
            states[start] = VisitState::OnPath;
            path.push(start);
        }
        while let Some(&index) = path.last() {
            match remaining[index].pop() {
                None => {
                    states[index] = VisitState::Visited;
                    sequence.push(index);
                    path.pop();
                }
                Some(referenced) => match states[referenced] {
                    VisitState::Visited => {}
                    VisitState::Unvisited => {
                        states[referenced] = VisitState::OnPath;
                        path.push(referenced);
                    }
                    VisitState::OnPath => {
                        let (first, second) = (index.min(referenced), index.max(referenced));
                        return Err(Error::usage(format!(
                            "`{}` and `{}` use each other",
                            new[first].name(),
                            new[second].name()
                        ))
                        .hint("remove one of these uses: Kubernetes only expands variables that are defined earlier"));
                    }
                },
            }
        }
    }
    // In reverse order, the position of an entry is final before the entries that it references get it.
    for &index in sequence.iter().rev() {
        for &referenced in &references[index] {
            positions[referenced] = positions[referenced].min(positions[index]);
        }
    }
    Ok(sequence)
}

/// The state of an entry in a depth-first search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VisitState {
    Unvisited,
    OnPath,
    Visited,
}

/// Returns the literal of an entry if it may reference a variable.
fn expandable_literal(entry: &DesiredEntry) -> Option<&str> {
    match entry.value() {
        EnvValue::Literal(text) if text.contains('$') => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::env::EnvVar;

    use super::super::desired::DesiredEnv;
    use super::*;

    /// Returns the names of new entries in the order in which they are added, and the error's message on failure.
    fn order(entries: &[(&str, &str)]) -> Result<String, String> {
        let variables = entries
            .iter()
            .map(|(name, value)| EnvVar { name: (*name).to_owned(), value: EnvValue::Literal((*value).to_owned()) });
        let desired = DesiredEnv::new(variables, &[], &[]);
        let new: Vec<&DesiredEntry> = desired.entries().iter().collect();
        let sequence = order_by_references(&NewNames::new(&new), &mut vec![0; new.len()]);
        let sequence = sequence.map_err(|error| error.message().to_owned())?;
        Ok(sequence.into_iter().map(|index| new[index].name()).collect())
    }

    #[test]
    fn keeps_the_requested_order_where_it_is_free() {
        for (entries, expected) in [
            (&[("A", ""), ("B", ""), ("C", "")] as &[_], "ABC"),
            (&[("A", "$(C)"), ("B", ""), ("C", "")], "CAB"),
            (&[("A", "$(C)$(B)"), ("B", ""), ("C", "")], "BCA"),
            (&[("A", "$(B)"), ("B", "$(C)"), ("C", "$(D)"), ("D", "$(D)$(X)")], "DCBA"),
            (&[("A", "$(D)"), ("B", "$(A)"), ("C", "$(B)$(A)"), ("D", "$$(C)")], "DABC"),
        ] {
            assert_eq!(order(entries).as_deref(), Ok(expected), "{entries:?}");
        }
    }

    #[test]
    fn refuses_cycles() {
        for (entries, expected) in [
            (&[("A", "$(B)"), ("B", "$(A)")] as &[_], "`A` and `B` use each other"),
            (&[("A", "$(B)"), ("B", "$(C)"), ("C", "$(A)")], "`A` and `C` use each other"),
            (&[("A", ""), ("B", "$(A)$(D)"), ("C", ""), ("D", "$(B)")], "`B` and `D` use each other"),
        ] {
            assert_eq!(order(entries), Err(expected.to_owned()), "{entries:?}");
        }
    }
}
