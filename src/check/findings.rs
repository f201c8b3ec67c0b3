//! Collects the findings of a rule in a document.

use std::ops::Range;
use std::rc::Rc;

use jobplate_diagnostic::{Message, Severity};
use jobplate_manifest::names::ValidationError;
use jobplate_yaml::{Edit, Node};

/// The maximum number of findings of a rule in a document. The number of further ones is reported.
pub(super) const MAX_FINDINGS: usize = 1000;

/// The maximum where comments or a baseline may hide the first findings.
pub(super) const MAX_HIDDEN_FINDINGS: usize = 100 * MAX_FINDINGS;

/// How likely a finding is a real problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A guess: the finding may be intended.
    Low,
    /// Probably a problem: the finding rests on a name or on a convention.
    Medium,
    /// A problem: the finding follows from the manifest.
    High,
}

impl Confidence {
    /// Returns the lower-case name: `low`, `medium` or `high`.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// The findings of a file that are reported, unless a comment or a baseline hides them.
#[derive(Clone, Debug)]
pub struct FindingFilter {
    /// The lowest severity.
    pub min_severity: Severity,
    /// The lowest confidence.
    pub min_confidence: Confidence,
    /// The names of the rules whose findings are not reported.
    pub ignored_rules: Vec<String>,
}

impl Default for FindingFilter {
    /// Returns the filter that accepts all findings.
    fn default() -> Self {
        FindingFilter { min_severity: Severity::Info, min_confidence: Confidence::Low, ignored_rules: Vec::new() }
    }
}

impl FindingFilter {
    /// Returns whether a finding of the rule with a name is reported.
    pub fn accepts(&self, rule: &str, severity: Severity, confidence: Confidence) -> bool {
        severity >= self.min_severity
            && confidence >= self.min_confidence
            && !self.ignored_rules.iter().any(|name| name == rule)
    }
}

/// The findings of one rule in one document.
#[derive(Debug)]
pub struct Findings<'a> {
    rule: &'static str,
    severity: Severity,
    confidence: Confidence,
    filter: Rc<FindingFilter>,
    /// The maximum number of findings that the filter accepts, and of those that it does not.
    limit: usize,
    drafts: Vec<Draft<'a>>,
    /// The last finding, which its rule may still change.
    last: Option<Draft<'a>>,
    accepted: usize,
    /// The number of accepted findings that are left out.
    omitted: usize,
}

/// A finding that points to a node of the document.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) node: Node<'a>,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<Message>,
    pub(super) related: Vec<(Range<usize>, String)>,
    pub(super) fix: Option<Fix>,
}

/// A change of the document that resolves a finding.
#[derive(Clone, Debug)]
pub struct Fix {
    /// Whether the manifest keeps its meaning.
    pub is_safe: bool,
    /// The change: an imperative sentence without a full stop.
    pub text: String,
    /// The edits of the document.
    pub edits: Vec<Edit>,
}

impl<'a> Findings<'a> {
    /// Creates an empty collection for a rule, given as its name, default severity and default confidence. Keeps at most
    /// `limit` findings that `filter` accepts, and as many that it rejects: a comment that suppresses a rejected finding
    /// is not unused.
    pub(super) fn new(
        (rule, severity, confidence): (&'static str, Severity, Confidence),
        filter: Rc<FindingFilter>,
        limit: usize,
    ) -> Self {
        Findings { rule, severity, confidence, filter, limit, drafts: Vec::new(), last: None, accepted: 0, omitted: 0 }
    }

    /// Adds a finding about a name or a value that Kubernetes rejects.
    pub fn report_invalid(&mut self, node: Node<'a>, error: ValidationError) -> &mut Draft<'a> {
        let diagnostic = error.into_diagnostic("invalid-name", "Kubernetes rejects the manifest");
        let draft = self.report(node, diagnostic.message());
        draft.help = diagnostic.help_message().cloned();
        draft
    }

    /// Adds a finding at `node`, with the rule's severity and confidence. `message` is one sentence
    /// without a full stop and without values.
    pub fn report(&mut self, node: Node<'a>, message: impl Into<String>) -> &mut Draft<'a> {
        self.add_last();
        self.last.insert(Draft {
            severity: self.severity,
            confidence: self.confidence,
            node,
            span: node.span(),
            message: message.into(),
            help: None,
            related: Vec::new(),
            fix: None,
        })
    }

    /// Returns the findings, and the number of accepted ones that are left out.
    pub(super) fn finish(mut self) -> (Vec<Draft<'a>>, usize) {
        self.add_last();
        (self.drafts, self.omitted)
    }

    fn add_last(&mut self) {
        let Some(draft) = self.last.take() else { return };
        let is_accepted = self.filter.accepts(self.rule, draft.severity, draft.confidence);
        let kept = if is_accepted { self.accepted } else { self.drafts.len() - self.accepted };
        if kept < self.limit {
            self.accepted += usize::from(is_accepted);
            self.drafts.push(draft);
        } else {
            self.omitted += usize::from(is_accepted);
        }
    }
}

impl Draft<'_> {
    /// Sets the help: an imperative sentence that says how to fix the finding.
    pub fn help(&mut self, help: impl Into<Message>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Replaces the rule's severity.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Replaces the rule's confidence.
    pub fn confidence(&mut self, confidence: Confidence) -> &mut Self {
        self.confidence = confidence;
        self
    }

    /// Replaces the place: a byte range of the document, such as a part of a scalar.
    pub fn at(&mut self, span: Range<usize>) -> &mut Self {
        self.span = span;
        self
    }

    /// Adds another place that explains the finding.
    pub fn related(&mut self, node: Node<'_>, label: impl Into<String>) -> &mut Self {
        self.related.push((node.span(), label.into()));
        self
    }

    /// Sets the fix.
    pub fn fix(&mut self, is_safe: bool, text: impl Into<String>, edits: Vec<Edit>) -> &mut Self {
        self.fix = Some(Fix { is_safe, text: text.into(), edits });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Checker, Finding, FixedDocument, rules};
    use crate::render::InputSource;

    /// Returns a Pod with as many findings of one rule.
    fn pod(findings: usize) -> String {
        let env = (0..findings).map(|number| format!("    - {{name: A{number}, value: 1}}\n"));
        format!("kind: Pod\nspec:\n  containers:\n  - env:\n{}", env.collect::<String>())
    }

    /// Returns the number of findings in a document, and of those that are left out.
    fn check(text: &str, filter: FindingFilter, has_baseline: bool) -> (usize, usize) {
        let mut checker = Checker::new(vec![&rules::non_string_value::RULE], None, usize::MAX);
        checker.set_filter(filter);
        checker.expect_baseline(has_baseline);
        let mut source = InputSource::spool("-".to_owned(), text.as_bytes()).unwrap();
        let mut number = 0;
        checker.check_source(&mut source, &mut |findings| number += findings.len()).unwrap();
        (number, checker.counts().omitted)
    }

    #[test]
    fn leaves_out_findings_beyond_the_limit() {
        let all = FindingFilter::default;
        let none = FindingFilter { ignored_rules: vec!["non-string-value".to_owned()], ..all() };
        let text = pod(MAX_FINDINGS + 5);
        assert_eq!(check(&text, all(), false), (MAX_FINDINGS, 5));
        assert_eq!(check(&text, none, false), (MAX_FINDINGS, 0));
        assert_eq!(check(&text, all(), true), (MAX_FINDINGS + 5, 0));
        assert_eq!(check(&format!("# jobplate: ignore[x]\n{text}"), all(), false), (MAX_FINDINGS + 5, 0));
    }

    #[test]
    fn writes_comments_for_more_findings_than_the_limit() {
        let mut checker = Checker::new(vec![&rules::non_string_value::RULE], None, usize::MAX);
        let mut source = InputSource::spool("-".to_owned(), pod(MAX_FINDINGS + 5).as_bytes()).unwrap();
        let mut number = 0;
        let mut count = |document: FixedDocument<'_>| {
            number += document.fixed;
            Ok(())
        };
        let is_open = |finding: &Finding| finding.suppression.is_none();
        checker.ignore_source(&mut source, "", &is_open, &mut count).unwrap();
        assert_eq!((number, checker.counts().omitted), (MAX_FINDINGS + 5, 0));
    }
}
