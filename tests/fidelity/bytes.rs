//! Checks the effect of an edit on the bytes of a document: all unrelated lines must be unchanged.
//!
//! The checks use granit's nodes of the original and the lines of both texts. They do not use the library's splices.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::granit;
use crate::model::{self, Op};
use crate::tree::{NodeKind, Tree};

/// Compares a document with its edited text.
pub(crate) fn compare(before: &str, after: &str, tree: &Tree, op: &Op, all_containers: bool) -> Result<(), String> {
    check_line_endings(before, after)?;
    check_comments(before, after, op)?;
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let window = editable_lines(before, tree, op, all_containers)?;
    let replaced = nodes_in_preorder(tree).into_iter().any(|node| find_entry(node, op).is_some());
    let tail = old.len() - window.end.min(old.len());
    if new.len() < window.start + tail {
        return Err("lines are removed".to_owned());
    }
    for (at, line) in old[..window.start].iter().enumerate() {
        if new[at] != *line {
            return Err(format!(
                "line {} changed, before the edit's place (lines {window:?}): {line:?} to {:?}",
                at + 1,
                new[at]
            ));
        }
    }
    let end = new.len() - tail;
    for (line, new_line) in old[old.len() - tail..].iter().zip(&new[end..]) {
        if line != new_line {
            return Err(format!("a line after the edit's place (lines {window:?}) changed: {line:?} to {new_line:?}"));
        }
    }
    check_changed_lines(&old[window.start..old.len() - tail], &new[window.start..end], op, replaced)
}

fn check_line_endings(before: &str, after: &str) -> Result<(), String> {
    let crlf = before.matches("\r\n").count();
    let lf = before.matches('\n').count() - crlf;
    let new_crlf = after.matches("\r\n").count();
    let new_lf = after.matches('\n').count() - new_crlf;
    if crlf == 0 && new_crlf > 0 || lf == 0 && crlf > 0 && new_lf > 0 {
        return Err(format!("line endings: {lf} LF and {crlf} CRLF became {new_lf} and {new_crlf}"));
    }
    Ok(())
}

/// Checks that comments are kept, except comments in a removed entry and comments on the line of a replaced value.
fn check_comments(before: &str, after: &str, op: &Op) -> Result<(), String> {
    let (Ok(old), Ok(new)) = (granit::comments(before), granit::comments(after)) else { return Ok(()) };
    let (mut required, mut available) = (old.iter(), new.iter());
    if matches!(op, Op::Unset(_) | Op::Many(_)) {
        std::mem::swap(&mut required, &mut available);
    }
    for (comment, has_line) in required {
        let is_replaced = !has_line && matches!(op, Op::Secret(..) | Op::Literal(..) | Op::Many(_));
        if !is_replaced && !available.any(|(other, _)| other == comment) {
            return Err(format!("the comment {comment:?} is removed, or has added, or has moved"));
        }
    }
    Ok(())
}

/// Returns the lines that an edit may change.
fn editable_lines(text: &str, tree: &Tree, op: &Op, all_containers: bool) -> Result<Range<usize>, String> {
    if let Op::Many(ops) = op {
        let ranges =
            ops.iter().map(|op| editable_lines(text, tree, op, all_containers)).collect::<Result<Vec<_>, _>>()?;
        let merged = ranges.into_iter().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        return merged.ok_or_else(|| "no edit at all".to_owned());
    }
    let nodes = nodes_in_preorder(tree);
    let mut window: Option<Range<usize>> = None;
    for target in model::targets(tree)? {
        let count = if all_containers { target.containers.len() } else { 1 };
        let ranges = match op {
            Op::Namespace(_) => vec![lines_around(text, &nodes, tree.at(&target.object))],
            _ => {
                target.containers[..count].iter().map(|path| container_lines(text, &nodes, tree.at(path), op)).collect()
            }
        };
        for lines in ranges {
            window = Some(match window {
                None => lines,
                Some(window) => window.start.min(lines.start)..window.end.max(lines.end),
            });
        }
    }
    window.ok_or_else(|| "granit sees no target in an edited document".to_owned())
}

fn container_lines(text: &str, nodes: &[&Tree], container: &Tree, op: &Op) -> Range<usize> {
    let key = if matches!(op, Op::Source(..)) { "envFrom" } else { "env" };
    let (Some(at), _) = container.find(key) else { return lines_around(text, nodes, container) };
    let list = &container.children[at];
    match find_entry(list, op) {
        Some(entry) => lines_around(text, nodes, entry),
        None => {
            let lines = lines_around(text, nodes, list);
            line_of(text, container.children[at - 1].start).min(lines.start)..lines.end
        }
    }
}

/// Returns the item of a list that defines the variable of an edit. Returns `None` if there is no such item, or if the
/// edit is not about one variable.
fn find_entry<'t>(list: &'t Tree, op: &Op) -> Option<&'t Tree> {
    let (Op::Secret(name, ..) | Op::Literal(name, _) | Op::Unset(name)) = op else { return None };
    list.items().iter().find(|item| item.entries().any(|(key, value)| key.has_text("name") && value.has_text(name)))
}

/// Returns the lines from the last flow scalar or alias before a node to the first node after it.
fn lines_around(text: &str, nodes: &[&Tree], node: &Tree) -> Range<usize> {
    let first = position(nodes, node);
    let past = first + count_nodes(node);
    // granit reports the position of a block scalar's content and of a collection's first child. The header or dash may
    // be above this position, so these nodes are skipped.
    let mut before = first;
    while before > 0 {
        before -= 1;
        if !matches!(nodes[before].kind, NodeKind::Literal | NodeKind::Folded | NodeKind::Map | NodeKind::Seq) {
            break;
        }
    }
    let start = line_of(text, nodes[before].start);
    let end = match nodes.get(past) {
        None => usize::MAX,
        Some(next) => {
            let line = line_of(text, next.start);
            let shares_line =
                nodes[first..past].iter().any(|node| line_of(text, node.start) == line) || node.flow || next.flow;
            line + usize::from(shares_line)
        }
    };
    start..end
}

fn nodes_in_preorder(tree: &Tree) -> Vec<&Tree> {
    let mut out = vec![tree];
    let mut at = 0;
    while at < out.len() {
        let children: Vec<&Tree> = out[at].children.iter().collect();
        out.splice(at + 1..at + 1, children);
        at += 1;
    }
    out
}

fn count_nodes(node: &Tree) -> usize {
    1 + node.children.iter().map(count_nodes).sum::<usize>()
}

fn position(nodes: &[&Tree], node: &Tree) -> usize {
    nodes.iter().position(|other| std::ptr::eq(*other, node)).expect("a node of this tree")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// Checks the lines that the edit was allowed to change.
fn check_changed_lines(old: &[&str], new: &[&str], op: &Op, replaced: bool) -> Result<(), String> {
    let strip_line_ends = |lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| line.trim_end_matches(['\r', '\n']).to_owned()).collect()
    };
    let (old, new) = (strip_line_ends(old), strip_line_ends(new));
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for step in capture_diff_slices(Algorithm::Myers, &old, &new) {
        if !matches!(step, DiffOp::Equal { .. }) {
            removed.extend(old[step.old_range()].iter().map(String::as_str));
            added.extend(new[step.new_range()].iter().map(String::as_str));
        }
    }
    if let Op::Unset(_) = op {
        // A removal writes only the remainders of one or two lines, or `[]` after a key.
        return match added.iter().find(|line| !is_made_of(line, &removed, " []".len())) {
            Some(line) => Err(format!("removing wrote the line {line:?}")),
            None => Ok(()),
        };
    }
    if replaced || matches!(op, Op::Many(_)) {
        return Ok(());
    }
    if removed.len() > 4 {
        return Err(format!("adding changed {} lines: {removed:?}", removed.len()));
    }
    for line in &removed {
        let is_filled_value = empty_values(line).any(|(head, tail)| {
            added.iter().any(|new_line| new_line.starts_with(head))
                && added.iter().any(|new_line| new_line.trim_end().ends_with(tail))
        });
        let is_explained = line.trim().is_empty() || is_filled_value || is_made_of(line, &added, 0);
        // The renderer changes `|` and `|+` to `|-` at the end of a file without a line break.
        let is_chomping_change = line.contains(['|', '>'])
            && added.iter().any(|new_line| new_line.replace('-', "+") == line.replace('-', "+"));
        if !is_explained && !is_chomping_change {
            return Err(format!("adding changed the line {line:?}; new lines: {added:?}"));
        }
    }
    Ok(())
}

/// Returns the text before and after each part of a line that may be an empty value.
fn empty_values(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let empties = ["[", "]", "{", "}", "~", "null", "Null", "NULL", "\"\"", "''"];
    empties.into_iter().flat_map(move |empty| line.match_indices(empty)).map(move |(at, empty)| {
        let after = &line[at + empty.len()..];
        // An empty value may contain spaces (`[ ]`), so the closing bracket is also removed.
        let after_bracket = after.trim_start().strip_prefix([']', '}']).filter(|_| matches!(empty, "[" | "{"));
        (line[..at].trim_end(), after_bracket.unwrap_or(after).trim_end())
    })
}

/// Returns whether a line consists of a prefix of one of the other lines, at most `max_new` new bytes, and a suffix of
/// one of the other lines.
fn is_made_of(line: &str, others: &[&str], max_new: usize) -> bool {
    let head = others.iter().map(|other| common_length(line.bytes(), other.bytes())).max().unwrap_or(0);
    let tail = others.iter().map(|other| common_length(line.bytes().rev(), other.bytes().rev())).max().unwrap_or(0);
    head + tail + max_new >= line.len()
}

fn common_length(a: impl Iterator<Item = u8>, b: impl Iterator<Item = u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}
