//! Finds the ignore comments of a document, `# jobplate: ignore[RULE, ...] REASON`, and suppresses findings.
//!
//! A comment at the end of a line covers this line. A comment on its own line covers the next line that is not a comment.
//! A finding is suppressed if a comment covers its first line, or the first line of the scalar that contains it: the lines
//! of a scalar cannot have comments.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_prefect::generation::agent_generation;
use jobplate_yaml::{Document, NodeArena};

use super::comment::{comment_start, find_markers, has_marker, line_end, line_start};
use super::finding::{Finding, LocatedFinding, locate};
use super::findings::Findings;
use super::rule::{Check, Rule};
use super::rules::{self, unused_ignore};
use super::subject::Subject;

/// The maximum length of an ignore comment after its marker, in bytes. The rest is not read.
const MAX_COMMENT_LENGTH: usize = 2000;

/// The rules that examine manifests, and also files that the flags of a run name.
const PREVIEWED_RULES: [&str; 6] =
    ["duplicate-key", "invalid-env-name", "non-string-value", "plaintext-secret", "prefect1-name", "variable-order"];

/// The ignore comments of a document.
#[derive(Debug, Default)]
struct Ignores<'a> {
    /// The byte ranges of the covered lines, in document order. Each ends at the start of the next line.
    lines: Vec<Range<usize>>,
    entries: Vec<Entry<'a>>,
    /// The entries by the start of the covered line and the name of the rule.
    index: HashMap<(usize, &'a str), usize>,
}

/// A rule in an ignore comment.
#[derive(Debug)]
struct Entry<'a> {
    /// The name, or `""` if the comment has none.
    name: &'a str,
    span: Range<usize>,
    reason: &'a str,
    /// The end of the covered line.
    line_end: usize,
    is_used: bool,
}

/// Suppresses findings by the comments of a document, and adds findings about comments that suppress nothing, if
/// `unused-ignore` is one of the rules. `new_findings` creates a collection for this rule. Returns how many of its findings
/// are left out.
pub(super) fn apply<'a>(
    subject: &Subject<'a>,
    rules: &[&'static Rule],
    new_findings: &dyn Fn() -> Findings<'a>,
    found: &mut Vec<LocatedFinding>,
) -> usize {
    let mut ignores = Ignores::new(subject.document);
    ignores.suppress(subject.document, found);
    let mut omitted = 0;
    // A comment may ignore a finding about another comment. Whether it does is known afterwards.
    for is_about_itself in [false, true] {
        let mut findings = new_findings();
        if rules.iter().any(|rule| rule.name == unused_ignore::RULE.name) {
            ignores.report_unused(subject, rules, is_about_itself, &mut findings);
        }
        let (unused, left_out) = findings.finish();
        omitted += left_out;
        let mut located = locate(subject, unused.into_iter().map(|draft| (&unused_ignore::RULE, draft)).collect());
        if !is_about_itself {
            ignores.suppress_unused(&mut located);
        }
        found.extend(located);
    }
    omitted
}

impl<'a> Ignores<'a> {
    /// Finds the ignore comments of a document.
    fn new(document: Document<'a>) -> Self {
        let mut ignores = Ignores::default();
        for marker in find_markers(document.text) {
            if let Some(hash) = comment_start(document, marker.start) {
                ignores.add_comment(document.text, hash, marker.end);
            }
        }
        ignores
    }

    /// Adds the rules of the comment that starts at `hash`. Its list of rules is expected at `list`.
    fn add_comment(&mut self, text: &'a str, hash: usize, list: usize) {
        let line = self.covered_line(text, hash);
        // A line may have thousands of such comments, and each of them would be read to its end.
        let limit = text.floor_char_boundary(list + MAX_COMMENT_LENGTH);
        let comment_end = line_end(&text[..limit], list);
        let comment = text[list..comment_end].trim_end();
        if comment.starts_with(|c: char| c.is_alphanumeric()) {
            return;
        }
        let names = comment.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (names, reason) = names.unwrap_or_default();
        let mut start = list + 1;
        for part in names.split(',') {
            let name = part.trim();
            let from = start + part.len() - part.trim_start().len();
            let span = if name.is_empty() { hash..list + comment.len() } else { from..from + name.len() };
            let (reason, line_end) = (reason.trim(), line.end);
            self.index.entry((line.start, name)).or_insert(self.entries.len());
            self.entries.push(Entry { name, span, reason, line_end, is_used: false });
            start += part.len() + 1;
        }
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    /// Returns the line that a comment covers.
    fn covered_line(&self, text: &str, hash: usize) -> Range<usize> {
        // Comments above each other cover the same line, which is searched only once.
        if let Some(line) = self.lines.last().filter(|line| line.end > hash) {
            return line.clone();
        }
        let mut start = line_start(text, hash);
        let mut next = next_line(text, start);
        while next <= text.len() && is_comment_line(&text[start..next]) {
            (start, next) = (next, next_line(text, next));
        }
        start..next
    }

    /// Suppresses the findings of a document that a comment covers.
    fn suppress(&mut self, document: Document<'_>, findings: &mut [LocatedFinding]) {
        if self.entries.is_empty() {
            return;
        }
        for finding in findings.iter_mut().filter(|finding| finding.suppression.is_none()) {
            finding.suppression = self.find_reason(document, finding.rule, finding.span.start);
        }
    }

    /// Returns the reason of the comment that covers a finding, or `None` if there is no such comment.
    fn find_reason(&mut self, document: Document<'_>, rule: &Rule, at: usize) -> Option<String> {
        let scalar = document.node_at(at).filter(|node| node.is_scalar() && node.span().contains(&at));
        [Some(at), scalar.map(|scalar| scalar.span().start)].into_iter().flatten().find_map(|at| {
            let line = self.lines[..self.lines.partition_point(|line| line.start <= at)].last()?;
            let start = Some(line.start).filter(|_| line.contains(&at))?;
            self.use_entry(start, rule)
        })
    }

    /// Suppresses findings about comments: a comment that ignores `unused-ignore` covers the comments of its line.
    fn suppress_unused(&mut self, findings: &mut [LocatedFinding]) {
        for finding in findings {
            let covered = self.lines.partition_point(|line| line.end <= finding.span.start);
            let line = self.lines.get(covered).map(|line| line.start);
            finding.suppression = line.and_then(|line| self.use_entry(line, finding.rule));
        }
    }

    /// Returns the reason of the comment that suppresses a rule in the line that starts at `line`.
    fn use_entry(&mut self, line: usize, rule: &Rule) -> Option<String> {
        let entry = &mut self.entries[*self.index.get(&(line, rule.name))?];
        entry.is_used = true;
        Some(entry.reason.to_owned())
    }

    /// Reports the names that suppress nothing, or that are not those of a rule. `rules` are the rules that ran. Leaves out
    /// `unused-ignore`, or reports only this name if `is_about_itself` is true.
    fn report_unused(
        &self,
        subject: &Subject<'a>,
        rules: &[&'static Rule],
        is_about_itself: bool,
        findings: &mut Findings<'a>,
    ) {
        let document = subject.document;
        let describes_run = LazyCell::new(|| describes_run(subject));
        let is_reported =
            |entry: &&Entry<'_>| !entry.is_used && (entry.name == unused_ignore::RULE.name) == is_about_itself;
        for Entry { name, span, line_end, .. } in self.entries.iter().filter(is_reported) {
            let (message, help) = match rules::find(name) {
                // What a preview finds depends on the flags of the run, so another run may need the comment.
                Some(Rule { check: Check::Preview, .. }) => continue,
                Some(rule) if PREVIEWED_RULES.contains(&rule.name) && *describes_run => continue,
                Some(known) if rules.iter().any(|rule| rule.name == known.name) => {
                    (format!("unused ignore comment: no finding of {} here", quote_key(name)), "remove it".into())
                }
                Some(_) => continue,
                None if name.is_empty() => {
                    ("ignore comment without a rule".to_owned(), "write `# jobplate: ignore[RULE]`".into())
                }
                None => (format!("unknown rule {} in an ignore comment", quote_key(name)), rules::suggest(name)),
            };
            let node = document.node_at(line_end.saturating_sub(1)).unwrap_or(document.root());
            findings.report(node, message).at(span.clone()).help(help);
        }
    }
}

/// Returns whether a document may be a file that the flags of a run name: the manifest of an agent or worker, or a document
/// without objects, such as a run config.
fn describes_run(subject: &Subject<'_>) -> bool {
    let mut containers = subject.containers();
    subject.count_objects() == 0 || containers.any(|(_, _, container)| agent_generation(container.node).is_some())
}

/// Suppresses findings in files that are not checked, such as a run config. Parses a file once if its findings follow each
/// other.
pub(super) fn suppress_elsewhere(findings: &mut [Finding]) {
    let text_of = |finding: &Finding| finding.diagnostic.location().map(|location| Arc::clone(&location.document));
    let is_same = |a: &Finding, b: &Finding| match (a.diagnostic.location(), b.diagnostic.location()) {
        (Some(a), Some(b)) => Arc::ptr_eq(&a.document, &b.document),
        _ => false,
    };
    for same_file in findings.chunk_by_mut(is_same) {
        let Some(text) = text_of(&same_file[0]).filter(|text| has_marker(text)) else { continue };
        let mut arena = NodeArena::default();
        if jobplate_yaml::read(&text, &mut arena).is_err() {
            continue;
        }
        let document = Document::new(&text, &arena);
        let mut ignores = Ignores::new(document);
        for finding in same_file {
            let start = finding.diagnostic.location().map_or(0, |location| location.span.start);
            finding.suppression = ignores.find_reason(document, finding.rule, start);
        }
    }
}

/// Returns whether a line has nothing but a comment.
fn is_comment_line(line: &str) -> bool {
    line.trim_start_matches(['\u{feff}', ' ', '\t']).starts_with('#')
}

/// Returns the start of the line after the one that starts at `start`. After the last line, it is greater than the length
/// of the text, so that a line also contains the end of the text.
fn next_line(text: &str, start: usize) -> usize {
    line_end(text, start) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rules and reasons of the comments, each with the text of the covered line.
    fn ignores(text: &str) -> Vec<(String, String, String)> {
        let mut arena = NodeArena::default();
        jobplate_yaml::read(text, &mut arena).expect("YAML");
        let ignores = Ignores::new(Document::new(text, &arena));
        let line_of = |end: usize| text[..end - 1].rsplit('\n').next().unwrap_or_default().to_owned();
        let entries = ignores.entries.iter();
        entries.map(|entry| (line_of(entry.line_end), entry.name.to_owned(), entry.reason.to_owned())).collect()
    }

    #[test]
    fn finds_comments_and_the_lines_that_they_cover() {
        for (text, expected) in [
            ("a: 1 # jobplate: ignore[x]\n", vec![("a: 1 # jobplate: ignore[x]", "x", "")]),
            ("# jobplate: ignore[x, y]  why \n# other\na: 1\n", vec![("a: 1", "x", "why"), ("a: 1", "y", "why")]),
            ("\u{feff}# jobplate: ignore[x]\na: 1", vec![("a: 1", "x", "")]),
            ("a: 1 #jobplate:ignore[x]", vec![("a: 1 #jobplate:ignore[x]", "x", "")]),
            ("a: 1 # jobplate:  ignore[x] why", vec![("a: 1 # jobplate:  ignore[x] why", "x", "why")]),
            ("a: 1 # jobplate:\tignore[x]", vec![]),
            ("a: 1 # todo # jobplate: ignore[x]", vec![("a: 1 # todo # jobplate: ignore[x]", "x", "")]),
            ("a: | # jobplate: ignore[x]\n  b\n", vec![("a: | # jobplate: ignore[x]", "x", "")]),
            ("- [1, # jobplate: ignore[x]\n  2]\n", vec![("- [1, # jobplate: ignore[x]", "x", "")]),
            ("# jobplate: ignore[x]\n\na: 1\n", vec![("", "x", "")]),
            ("# jobplate: ignore\r\na: 1\r\n", vec![("a: 1\r", "", "")]),
            ("# jobplate: ignored\na: 1\n", vec![]),
            ("a: |\n  # jobplate: ignore[x]\n", vec![]),
            ("a: \"b\n  # jobplate: ignore[x]\"\n", vec![]),
            ("a: 'b # jobplate: ignore[x]'\n", vec![]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(a, b, c): (&str, &str, &str)| (a.into(), b.into(), c.into())).collect();
            assert_eq!(ignores(text), expected, "{text:?}");
        }
    }
}
