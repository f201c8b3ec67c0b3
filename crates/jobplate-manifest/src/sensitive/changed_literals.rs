//! Finds the variables whose literal an edit replaces with a reference, or the other way round.

use std::collections::{HashMap, HashSet};

use jobplate_yaml::{DecodedScalar, Document, Node, NodeArena, NodeKind, read};

/// The maximum number of documents around a document that is searched.
const MAX_DEPTH: usize = 3;

/// The number of a variable's literals and references in a document.
#[derive(Default)]
struct VariableCount {
    literals: isize,
    references: isize,
}

/// Returns the names of the variables that have fewer literals and more references after an edit, or the other way
/// round. Includes documents in strings.
pub fn find_changed_literals(before: &str, after: &str) -> HashSet<String> {
    let mut counts = HashMap::new();
    count_variables(before, 0, -1, &mut counts);
    count_variables(after, 0, 1, &mut counts);
    let is_changed = |count: &VariableCount| count.literals.signum() * count.references.signum() < 0;
    counts.into_iter().filter(|(_, count)| is_changed(count)).map(|(name, _)| name).collect()
}

/// Adds `change` to the counts of the variables of a document.
fn count_variables(text: &str, depth: usize, change: isize, counts: &mut HashMap<String, VariableCount>) {
    let mut arena = NodeArena::default();
    if read(text, &mut arena).is_err() {
        return;
    }
    for node in Document::new(text, &arena).root().descendants() {
        let raw = node.raw();
        match node.kind() {
            NodeKind::Map => count_in_map(node, change, counts),
            NodeKind::Literal | NodeKind::Folded if depth < MAX_DEPTH => {
                let header = raw.find('\n').map_or(raw.len(), |newline| newline + 1);
                count_variables(&raw[header..], depth + 1, change, counts);
            }
            NodeKind::SingleQuoted | NodeKind::DoubleQuoted if depth < MAX_DEPTH && raw.contains(['{', '\n', '\\']) => {
                count_variables(DecodedScalar::new(node).text(), depth + 1, change, counts);
            }
            _ => {}
        }
    }
}

fn count_in_map(map: Node<'_>, change: isize, counts: &mut HashMap<String, VariableCount>) {
    let (mut name, mut has_value, mut has_reference) = (None, false, false);
    for (key, value) in map.entries() {
        if key.has_text("name") {
            name = value.text();
        }
        has_value |= key.has_text("value");
        has_reference |= key.has_text("valueFrom");
        if key.has_text("env") {
            for (name, value) in value.entries().filter(|(_, value)| value.is_scalar()) {
                let is_literal = !value.is_null();
                let count = counts.entry(name.text().unwrap_or_default().into_owned()).or_default();
                count.literals += if is_literal { change } else { 0 };
            }
        }
    }
    if let Some(name) = name
        && (has_value || has_reference)
    {
        let count = counts.entry(name.into_owned()).or_default();
        count.literals += if has_value { change } else { 0 };
        count.references += if has_reference { change } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_literals_that_become_references() {
        let literal = "env: [{name: X, value: a}, {name: Y, value: b}]\n";
        let reference = "env: [{name: X, valueFrom: {}}, {name: Y, value: c}]\n";
        assert_eq!(find_changed_literals(literal, reference), HashSet::from(["X".to_owned()]));
        assert_eq!(find_changed_literals(reference, literal), HashSet::from(["X".to_owned()]));
        assert_eq!(find_changed_literals(literal, "env: [{name: Y, value: b}]\n"), HashSet::new());
        let block = |text: &str| format!("data:\n  t: |\n    {text}");
        assert_eq!(find_changed_literals(&block(literal), &block(reference)), HashSet::from(["X".to_owned()]));
        let template = "{\"env\": {\"X\": \"a\"}}\n";
        assert_eq!(find_changed_literals(template, reference), HashSet::from(["X".to_owned()]));
    }
}
