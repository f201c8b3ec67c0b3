//! Collects the findings of a rule in a document.

use std::ops::Range;

use jobplate_diagnostic::{Message, Severity};
use jobplate_manifest::names::ValidationError;
use jobplate_yaml::{Edit, Node};

/// The maximum number of findings of a rule in a document. The number of further ones is reported.
const MAX_FINDINGS: usize = 1000;

/// The maximum in a document with ignore comments, which may suppress the first findings.
const MAX_FINDINGS_WITH_COMMENTS: usize = 10 * MAX_FINDINGS;

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

/// The findings of one rule in one document.
#[derive(Debug)]
pub struct Findings<'a> {
    severity: Severity,
    confidence: Confidence,
    limit: usize,
    pub(super) drafts: Vec<Draft<'a>>,
    /// The number of findings that are left out.
    pub(super) omitted: usize,
    /// The last finding that is left out, which its rule may still change.
    last_omitted: Option<Draft<'a>>,
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
    /// Creates an empty collection with the default severity and confidence of a rule. `has_ignores` is true if the
    /// document has ignore comments.
    pub(super) fn new(severity: Severity, confidence: Confidence, has_ignores: bool) -> Self {
        let limit = if has_ignores { MAX_FINDINGS_WITH_COMMENTS } else { MAX_FINDINGS };
        Findings { severity, confidence, limit, drafts: Vec::new(), omitted: 0, last_omitted: None }
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
        let draft = Draft {
            severity: self.severity,
            confidence: self.confidence,
            node,
            span: node.span(),
            message: message.into(),
            help: None,
            related: Vec::new(),
            fix: None,
        };
        let index = self.drafts.len();
        if index == self.limit {
            self.omitted += 1;
            return self.last_omitted.insert(draft);
        }
        self.drafts.push(draft);
        &mut self.drafts[index]
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
