//! Checks the changed lines of a document: only lines of the requested entry may be added, and only lines of a replaced
//! entry may be removed.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::case::{Case, KEY, SECRET, SOURCE};

/// Checks that only lines of the requested entry were added, and that only lines of a replaced entry were removed.
///
/// A line with other content (flow style, `env: []`) may be changed to a line that also contains the entry.
///
/// # Errors
///
/// Fails with the reason if the changes are incorrect.
pub(super) fn check_lines(before: &str, after: &str, case: &Case) -> Result<(), String> {
    if before.contains('\r') != after.contains('\r') || has_bare_newline(before) != has_bare_newline(after) {
        return Err("line endings changed".to_owned());
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        return Err("the end of the last line changed".to_owned());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let (removed, mut added) = (find_missing_lines(&old, &new), find_missing_lines(&new, &old));
    if common_subsequence_length(&old, &new) + removed.len() != old.len() {
        return Err("lines moved".to_owned());
    }
    let name = &case.injection.variables[0].name;
    let allowed = AllowedLines::new(name, case);
    for line in &removed {
        let replacement = added.iter().position(|candidate| allowed.may_become(line, candidate));
        match replacement {
            Some(replacement) => {
                added.remove(replacement);
            }
            None if allowed.may_be_removed(line) => {}
            None => return Err(format!("lost the line `{line}`")),
        }
    }
    if let Some(line) = added.iter().find(|line| !allowed.may_be_added(line, &removed)) {
        return Err(format!("gained the line `{line}`"));
    }
    allowed.check_complete(&added, &new)
}

/// Returns whether a line ends with LF and not with CRLF.
fn has_bare_newline(text: &str) -> bool {
    text.split_inclusive('\n').any(|line| line.ends_with('\n') && !line.ends_with("\r\n"))
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n'])).collect()
}

/// Returns the lines of `first` that are missing from `second`. A line that is missing several times is repeated.
fn find_missing_lines<'a>(first: &[&'a str], second: &[&str]) -> Vec<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    second.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let missing = first.iter().filter(|line| match counts.get_mut(*line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    missing.copied().collect()
}

/// Returns the length of the longest common subsequence of the lines.
fn common_subsequence_length(old: &[&str], new: &[&str]) -> usize {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    // Most changes only insert lines and do not need the quadratic algorithm.
    let mut rest = old;
    for line in new {
        if rest.first() == Some(line) {
            rest = &rest[1..];
        }
    }
    if rest.is_empty() {
        return start + old.len() + end;
    }
    let mut row = vec![0; new.len() + 1];
    for line in old {
        let mut diagonal = 0;
        for (column, other) in new.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if line == other { diagonal + 1 } else { above.max(row[column]) };
            diagonal = above;
        }
    }
    start + row[new.len()] + end
}

/// Returns a line without the characters that depend on layout and style: spaces, tabs, quotes, brackets, commas, a
/// leading dash and a comment.
fn squeeze(line: &str) -> String {
    let line = line.find(" #").map_or(line, |comment| &line[..comment]).trim();
    let line = line.strip_prefix('-').unwrap_or(line);
    line.chars().filter(|c| !" \t\"'{}[],".contains(*c)).collect()
}

/// The spellings of null, which a new list may replace.
const NULLS: [&str; 4] = ["null", "Null", "NULL", "~"];

/// The lines that an injection may add and remove, in the form that [`squeeze`] returns.
struct AllowedLines {
    /// The consecutive lines of each entry in block style, with the lines that may precede them.
    blocks: [(Vec<String>, Vec<String>); 2],
    /// All lines that may be added: the lines of the blocks, and the entries on one line.
    added: HashSet<String>,
    /// The entries on one line, longest first.
    entries: Vec<String>,
    /// The contents of replaced entries: keys with values, keys without values, and the lines of long values.
    replaced: Vec<String>,
}

impl AllowedLines {
    fn new(name: &str, case: &Case) -> Self {
        let value = format!("valueFrom:secretKeyRef:name:{SECRET}key:{KEY}");
        let entry = format!("name:{}{value}", squeeze(name));
        let source = format!("configMapRef:name:{SOURCE}optional:true");
        let entries = vec![source, entry, value];
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let (metadata_name, secret, key) =
            (format!("name:{}", squeeze(name)), format!("name:{SECRET}"), format!("key:{KEY}"));
        let source_name = format!("name:{SOURCE}");
        let blocks = [
            (lines(&["valueFrom:", "secretKeyRef:", &secret, &key]), vec![metadata_name, "env:".to_owned()]),
            (lines(&["configMapRef:", &source_name, "optional:true"]), vec!["envFrom:".to_owned()]),
        ];
        let mut added: HashSet<String> =
            blocks.iter().flat_map(|(lines, heads)| lines.iter().chain(heads)).cloned().collect();
        added.insert(String::new());
        added.extend(entries.iter().flat_map(|entry| ["", "env:", "envFrom:"].map(|list| format!("{list}{entry}"))));
        let mut replaced = Vec::new();
        case.changes.replaced.iter().for_each(|entry| flatten(entry, true, &mut replaced));
        AllowedLines { blocks, added, entries, replaced }
    }

    /// Returns whether a line may be added. It must be part of an entry, without unnecessary spaces. The text after a
    /// replaced value, such as a comment, may follow the new value.
    fn may_be_added(&self, line: &str, removed: &[&str]) -> bool {
        let after_key = line.find("valueFrom:").map_or("", |at| &line[at + "valueFrom:".len()..]);
        if after_key.starts_with([' ', '\t']) && removed.iter().any(|line| line.ends_with(after_key)) {
            return self.may_be_added(&line[..line.len() - after_key.len()], &[]);
        }
        let squeezed = squeeze(line);
        if !self.added.contains(&squeezed) || line.is_empty() || line.ends_with([' ', '\t']) || line.contains('#') {
            return false;
        }
        let text = line.trim_start().trim_start_matches("- ").trim_start();
        let canonical = match squeezed.split_once(':') {
            Some((key, value)) if !value.is_empty() => format!("{key}: {value}"),
            _ => squeezed,
        };
        text == canonical || text.contains(['"', '\'', '{', '[', ']', '}'])
    }

    /// Checks that the added lines form complete entries with their lines in order. Comparing values is not enough: a
    /// YAML parser that keeps the last of two equal keys does not detect an extra line.
    fn check_complete(&self, added: &[&str], new: &[&str]) -> Result<(), String> {
        let added: Vec<String> = added.iter().map(|line| squeeze(line)).collect();
        // A line with only a bracket is empty in this form and may be between the lines of an entry, so it is ignored.
        let new: Vec<String> = new.iter().map(|line| squeeze(line)).filter(|line| !line.is_empty()).collect();
        let count = |line: &str| added.iter().filter(|added| *added == line).count();
        for (lines, heads) in &self.blocks {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let complete_count = new.windows(lines.len()).filter(|window| *window == lines).count();
            // The original file may already contain the other lines, so only lines with a unique name must be complete.
            let is_unique = |line: &str| line.contains("jobplate-corpus");
            let has_wrong_count =
                |line: &str| count(line) > complete_count || is_unique(line) && count(line) < complete_count;
            if lines.iter().copied().chain(heads.iter().map(String::as_str)).any(has_wrong_count) {
                return Err(format!("not {complete_count} whole entries of lines from `{}` on", lines[0]));
            }
        }
        Ok(())
    }

    /// Returns whether a line may be removed because it is part of a replaced entry, or null.
    fn may_be_removed(&self, line: &str) -> bool {
        let squeezed = squeeze(line);
        if NULLS.contains(&line.trim()) {
            return true;
        }
        if squeezed.is_empty() {
            // A blank line may be removed only with a long value. A comment must be kept.
            let is_bracket = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            return self.replaced.iter().any(|piece| is_bracket || piece.is_empty());
        }
        !self.replaced.is_empty() && squeezed.starts_with("value:")
            || self.replaced.iter().any(|piece| piece.contains(&squeezed))
    }

    /// Returns whether a line may be changed to another line. The new line may add the entry, omit a replaced value, or
    /// add and remove the commas and brackets that an adjacent entry requires.
    fn may_become(&self, old: &str, new: &str) -> bool {
        // A block scalar at the end of the document may get the chomping indicator `-`, which keeps its value.
        if new
            .strip_suffix('-')
            .is_some_and(|new| new.ends_with(['|', '>']) && (new == old || old.strip_suffix('+') == Some(new)))
        {
            return true;
        }
        let start: usize =
            old.chars().zip(new.chars()).take_while(|(old, new)| old == new).map(|(c, _)| c.len_utf8()).sum();
        let (old_rest, new_rest) = (&old[start..], &new[start..]);
        let ends = old_rest.chars().rev().zip(new_rest.chars().rev()).take_while(|(old, new)| old == new);
        let end: usize = ends.map(|(c, _)| c.len_utf8()).sum();
        let (removed, inserted) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
        let is_only_whitespace = removed.trim().is_empty() && inserted.trim().is_empty();
        let is_only_layout = |text: &str| !text.contains('#') && squeeze(text).is_empty();
        if !is_only_whitespace
            && is_only_layout(inserted)
            && (is_only_layout(removed) || NULLS.contains(&removed.trim()))
        {
            return true;
        }
        let remove_pieces = |line: &str, pieces: &mut dyn Iterator<Item = &String>| {
            let mut line = squeeze(line);
            pieces.for_each(|piece| line = line.replace(piece.as_str(), ""));
            // The edit may add the list keys, so they are ignored in both lines.
            line.replace("envFrom:", "").replace("env:", "")
        };
        let old = remove_pieces(old, &mut self.replaced.iter().filter(|piece| piece.contains(':')));
        // A new entry adds its name, but a replaced entry keeps its name.
        let is_new = old == remove_pieces(new, &mut self.entries.iter());
        let is_replaced =
            || old == remove_pieces(new, &mut self.entries.iter().filter(|piece| !piece.starts_with("name:")));
        self.entries.iter().any(|entry| squeeze(new).contains(entry.as_str())) && (is_new || is_replaced())
    }
}

/// Adds the contents of a replaced entry, in the form that [`squeeze`] returns: keys with values, keys without values,
/// and the lines of long values. Omits the name if `is_entry` is true.
fn flatten(value: &Value, is_entry: bool, contents: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| !is_entry || *key != "name") {
        match value {
            Value::Object(_) => {
                let start = contents.len();
                flatten(value, false, contents);
                let values: String =
                    contents[start..].iter().filter(|piece| piece.contains(':')).map(String::as_str).collect();
                contents.extend([format!("{key}:{values}"), format!("{key}:")]);
            }
            Value::String(text) => {
                let lines: Vec<String> = text.lines().map(squeeze).collect();
                contents.push(format!("{key}:{}", lines.concat()));
                contents.extend(lines);
            }
            other => contents.push(format!("{key}:{other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::case::{Scenario, VARIABLE};
    use super::*;

    const BLOCK: &str =
        "kind: Pod\nspec:\n  containers:\n  - name: a # first\n    env: []\n    args:\n    - |\n      x";

    fn pod(container: Value) -> Value {
        json!({"kind": "Pod", "spec": {"containers": [container]}})
    }

    fn lines_of(scenario: Scenario, container: Value, before: &str, after: &str) -> Result<(), String> {
        check_lines(before, after, &Case::new(scenario, &[Some(pod(container))]).expect("a case"))
    }

    fn entry(indent: &str) -> String {
        let lines = [
            format!("- name: {VARIABLE}"),
            "  valueFrom:".to_owned(),
            "    secretKeyRef:".to_owned(),
            format!("      name: {SECRET}"),
            format!("      key: {KEY}"),
        ];
        lines.map(|line| format!("{indent}{line}\n")).concat()
    }

    #[test]
    fn accepts_the_lines_of_the_entry() {
        let container = json!({"name": "a", "env": []});
        let after = BLOCK.replace("env: []\n", &format!("env:\n{}", entry("    ")));
        assert_eq!(lines_of(Scenario::AnyKind, container.clone(), BLOCK, &after), Ok(()));
        let after = after.replace("- |", "- |-");
        assert_eq!(lines_of(Scenario::AnyKind, container.clone(), BLOCK, &after), Ok(()));
        let flow = "{\"name\": \"a\", \"env\": [] }";
        let added = format!(
            r#"{{"name": "{VARIABLE}", "valueFrom": {{"secretKeyRef": {{"name": "{SECRET}", "key": "{KEY}"}}}}}}"#
        );
        assert_eq!(lines_of(Scenario::AnyKind, container, flow, &flow.replace("[]", &format!("[{added}]"))), Ok(()));
    }

    #[test]
    fn refuses_any_other_change() {
        let container = json!({"name": "a", "env": []});
        let correct = BLOCK.replace("env: []\n", &format!("env:\n{}", entry("    ")));
        for (from, to) in [
            (" # first", ""),
            ("- name: a", "- name:  a"),
            ("    args:\n", "    args:\n# new\n"),
            ("    args:\n", "    args:\n    # a \"new\" one\n"),
            ("    args:\n", "\n    args:\n"),
            ("valueFrom:\n", "valueFrom: \n"),
            ("valueFrom:\n", "valueFrom:\n      valueFrom:\n"),
            ("kind: Pod\nspec:\n", "spec:\nkind: Pod\n"),
            ("kind: Pod\n", "kind: Pod\r\n"),
            ("      x", ""),
        ] {
            let incorrect = correct.replacen(from, to, 1);
            assert!(lines_of(Scenario::AnyKind, container.clone(), BLOCK, &incorrect).is_err(), "{from:?}");
        }
    }

    #[test]
    fn accepts_the_removal_of_only_the_replaced_entry() {
        let container = json!({"env": [{"name": "A", "value": "one\n\ntwo\n"}, {"name": "B", "value": "b"}]});
        let before = "env:\n# why\n- name: A\n  value: |\n    one\n\n    two\n- name: B\n  value: b\n";
        let value = format!("  valueFrom:\n    secretKeyRef:\n      name: {SECRET}\n      key: {KEY}\n");
        let after = format!("env:\n# why\n- name: A\n{value}- name: B\n  value: b\n");
        assert_eq!(lines_of(Scenario::Replace, container.clone(), before, &after), Ok(()));
        for from in ["# why\n", "- name: B\n"] {
            assert!(
                lines_of(Scenario::Replace, container.clone(), before, &after.replace(from, "")).is_err(),
                "{from:?}"
            );
        }
    }
}
