//! Checks that fixes resolve the findings of their rules, and that the fixes in reports are the same ones.

use std::ops::Range;

use jobplate::check::rules::RULES;
use serde_json::Value;

use super::workspace::Workspace;
use super::wrapped::FORMS;

/// The maximum number of times that a file is checked again after the suggestions of a report.
const MAX_ROUNDS: usize = 10;

#[test]
fn fixes_resolve_the_findings_of_their_rule() {
    let mut failures = String::new();
    for rule in RULES {
        let examples = rule.examples.iter().filter(|example| example.with.is_empty());
        for (position, example) in examples.enumerate() {
            let workspace = Workspace::new(example, str::to_owned);
            let flag = if rule.fix.is_some_and(|fix| fix.is_safe) { "--fix" } else { "--fix=unsafe" };
            let run = || {
                let (code, _) = workspace.check(&[flag, "--select", rule.name]);
                (code, workspace.read())
            };
            let ((code, once), (_, twice)) = (run(), run());
            // A rule may have a fix for some of its findings only. The first example has one.
            let is_changed = once != example.manifest;
            let is_first = position == 0;
            let is_fixed = is_changed && (code == Some(0) || !is_first);
            if is_first && is_fixed != rule.fix.is_some() || is_changed && rule.fix.is_none() || once != twice {
                failures += &format!("{}: {code:?}, fixed once:\n{once}\nand twice:\n{twice}\n", rule.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn suggestions_make_the_same_changes_as_fixes() {
    let mut failures = String::new();
    for rule in RULES.iter().filter(|rule| rule.fix.is_some()) {
        let examples = rule.examples.iter().filter(|example| example.with.is_empty());
        for (position, example) in examples.enumerate() {
            for form in FORMS {
                let (fixed, suggested) = (Workspace::new(example, form.wrap), Workspace::new(example, form.wrap));
                let before = fixed.read();
                fixed.check(&["--fix=unsafe", "--select", rule.name]);
                for _ in 0..MAX_ROUNDS {
                    let suggestions = suggestions(&suggested.report(rule.name, "rdjson"));
                    if suggestions.is_empty() {
                        break;
                    }
                    suggested.write(&apply(&suggested.read(), suggestions));
                }
                let (fixed, suggested) = (fixed.read(), suggested.read());
                if position == 0 && fixed == before || fixed != suggested {
                    let name = format!("{}, {}", rule.name, form.name);
                    failures += &format!("{name}: fixed:\n{fixed}\nwith the suggestions:\n{suggested}\n");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Returns the suggestions of a report in reviewdog's format: the lines, the columns in bytes and the texts.
fn suggestions(report: &Value) -> Vec<([(usize, usize); 2], String)> {
    let diagnostics = report["diagnostics"].as_array().expect("a list of diagnostics");
    let suggestions = diagnostics.iter().flat_map(|diagnostic| diagnostic["suggestions"].as_array()).flatten();
    let position = |value: &Value| {
        let number = |key: &str| usize::try_from(value[key].as_u64().expect("a number")).expect("a small number");
        (number("line"), number("column"))
    };
    let to_edit = |suggestion: &Value| {
        let range = ["start", "end"].map(|end| position(&suggestion["range"][end]));
        (range, suggestion["text"].as_str().expect("a text").to_owned())
    };
    suggestions.map(to_edit).collect()
}

/// Applies the suggestions that do not overlap.
fn apply(text: &str, suggestions: Vec<([(usize, usize); 2], String)>) -> String {
    let offset = |(line, column): (usize, usize)| {
        let line_start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        line_start + column - 1
    };
    let to_edit = |([start, end], new): ([(usize, usize); 2], String)| (offset(start)..offset(end), new);
    let mut edits: Vec<(Range<usize>, String)> = suggestions.into_iter().map(to_edit).collect();
    edits.sort_by_key(|(range, _)| range.start);
    let (mut edited, mut end) = (String::new(), 0);
    for (range, new) in edits {
        if range.start >= end {
            edited += &text[end..range.start];
            edited += &new;
            end = range.end;
        }
    }
    edited + &text[end..]
}
