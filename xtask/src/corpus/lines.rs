//! Judges the changed lines of a document: only lines of the requested entry may be added or removed.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::case::{Case, KEY, SECRET, SOURCE};

/// Checks that only lines of the requested entry were added, and only lines of a replaced entry were removed.
///
/// A line that contains more than the entry (flow style, `env: []`) may change to one with the entry.
///
/// # Errors
///
/// Returns the reason why the changes are wrong.
pub(super) fn judge_lines(before: &str, after: &str, case: &Case) -> Result<(), String> {
    if before.contains('\r') != after.contains('\r') || has_bare_newline(before) != has_bare_newline(after) {
        return Err("line endings changed".to_owned());
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        return Err("the end of the last line changed".to_owned());
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let (removed, mut added) = (missing_lines(&old, &new), missing_lines(&new, &old));
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

/// Returns the lines of `first` that `second` does not have, each as many times as it is missing.
fn missing_lines<'a>(first: &[&'a str], second: &[&str]) -> Vec<&'a str> {
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

/// Returns the length of the longest common subsequence.
fn common_subsequence_length(old: &[&str], new: &[&str]) -> usize {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    // Most changes only insert lines. They do not need the quadratic algorithm.
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

/// Returns a line without the characters that depend on layout and style: blanks, quotes, brackets, commas, the dash and
/// a comment.
fn squeeze(line: &str) -> String {
    let line = line.find(" #").map_or(line, |comment| &line[..comment]).trim();
    let line = line.strip_prefix('-').unwrap_or(line);
    line.chars().filter(|c| !" \t\"'{}[],".contains(*c)).collect()
}

/// The null values, which a new list may replace.
const NULLS: [&str; 4] = ["null", "Null", "NULL", "~"];

/// The squeezed lines that an injection may add and remove.
struct AllowedLines {
    /// The consecutive lines of an entry in block style, and the lines that may precede them.
    blocks: [(Vec<String>, Vec<String>); 2],
    /// All lines that may be added: each line of the blocks, and each entry on one line.
    added: HashSet<String>,
    /// The entries on one line, longest first.
    entries: Vec<String>,
    /// The contents of replaced entries: keys with values, keys alone, and the lines of long values.
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

    /// Returns whether a line may be added: it is part of an entry and has no unnecessary blanks. The text after a
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
        let plain = match squeezed.split_once(':') {
            Some((key, value)) if !value.is_empty() => format!("{key}: {value}"),
            _ => squeezed,
        };
        text == plain || text.contains(['"', '\'', '{', '[', ']', '}'])
    }

    /// Checks that the added lines are complete entries with their lines in order. A YAML reader that keeps the last of
    /// two equal keys would not notice an extra line.
    fn check_complete(&self, added: &[&str], new: &[&str]) -> Result<(), String> {
        let added: Vec<String> = added.iter().map(|line| squeeze(line)).collect();
        // A line with only a bracket is empty after squeezing.
        let new: Vec<String> = new.iter().map(|line| squeeze(line)).filter(|line| !line.is_empty()).collect();
        let count = |line: &str| added.iter().filter(|added| *added == line).count();
        for (lines, heads) in &self.blocks {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let complete = new.windows(lines.len()).filter(|window| *window == lines).count();
            // The file may already have had the other lines.
            let is_unique = |line: &str| line.contains("jobplate-corpus");
            let is_wrong = |line: &str| count(line) > complete || is_unique(line) && count(line) < complete;
            if lines.iter().copied().chain(heads.iter().map(String::as_str)).any(is_wrong) {
                return Err(format!("not {complete} whole entries of lines from `{}` on", lines[0]));
            }
        }
        Ok(())
    }

    /// Returns whether a line may be removed: it is part of a replaced entry.
    fn may_be_removed(&self, line: &str) -> bool {
        let squeezed = squeeze(line);
        if NULLS.contains(&line.trim()) {
            return true;
        }
        if squeezed.is_empty() {
            // A blank line may be removed only with a long value. A comment must stay.
            let is_bracket = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            return self.replaced.iter().any(|piece| is_bracket || piece.is_empty());
        }
        !self.replaced.is_empty() && squeezed.starts_with("value:")
            || self.replaced.iter().any(|piece| piece.contains(&squeezed))
    }

    /// Returns whether a line may change to another one: the new line also contains the entry, without a replaced value,
    /// or the commas and brackets that an adjacent entry needs.
    fn may_become(&self, old: &str, new: &str) -> bool {
        // A block scalar at the end of the text gets a chomping indicator, so that its value does not change.
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
        let only_blanks = removed.trim().is_empty() && inserted.trim().is_empty();
        let is_style = |text: &str| !text.contains('#') && squeeze(text).is_empty();
        if !only_blanks && is_style(inserted) && (is_style(removed) || NULLS.contains(&removed.trim())) {
            return true;
        }
        let without = |line: &str, pieces: &mut dyn Iterator<Item = &String>| {
            let mut line = squeeze(line);
            pieces.for_each(|piece| line = line.replace(piece.as_str(), ""));
            // The input may or may not have had the lists.
            line.replace("envFrom:", "").replace("env:", "")
        };
        let old = without(old, &mut self.replaced.iter().filter(|piece| piece.contains(':')));
        // A replaced entry keeps the line of its name. A new entry adds its name.
        let is_new = old == without(new, &mut self.entries.iter());
        let is_replaced = || old == without(new, &mut self.entries.iter().filter(|piece| !piece.starts_with("name:")));
        self.entries.iter().any(|entry| squeeze(new).contains(entry.as_str())) && (is_new || is_replaced())
    }
}

/// Adds the squeezed contents of a replaced entry: keys with values, keys alone, and the lines of long values.
fn flatten(value: &Value, is_entry: bool, contents: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| !is_entry || *key != "name") {
        match value {
            Value::Object(_) => {
                let start = contents.len();
                flatten(value, false, contents);
                let inside: String =
                    contents[start..].iter().filter(|piece| piece.contains(':')).map(String::as_str).collect();
                contents.extend([format!("{key}:{inside}"), format!("{key}:")]);
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
        judge_lines(before, after, &Case::new(scenario, &[Some(pod(container))]).expect("a case"))
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
        let right = BLOCK.replace("env: []\n", &format!("env:\n{}", entry("    ")));
        for (what, with) in [
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
            let broken = right.replacen(what, with, 1);
            assert!(lines_of(Scenario::AnyKind, container.clone(), BLOCK, &broken).is_err(), "{what:?}");
        }
    }

    #[test]
    fn accepts_the_removal_of_only_the_replaced_entry() {
        let container = json!({"env": [{"name": "A", "value": "one\n\ntwo\n"}, {"name": "B", "value": "b"}]});
        let before = "env:\n# why\n- name: A\n  value: |\n    one\n\n    two\n- name: B\n  value: b\n";
        let value = format!("  valueFrom:\n    secretKeyRef:\n      name: {SECRET}\n      key: {KEY}\n");
        let after = format!("env:\n# why\n- name: A\n{value}- name: B\n  value: b\n");
        assert_eq!(lines_of(Scenario::Replace, container.clone(), before, &after), Ok(()));
        for what in ["# why\n", "- name: B\n"] {
            assert!(
                lines_of(Scenario::Replace, container.clone(), before, &after.replace(what, "")).is_err(),
                "{what:?}"
            );
        }
    }
}
