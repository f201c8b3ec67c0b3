//! Turns what the preview of a Job reports into findings, so that `check` and `preview` never differ.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Diagnostic, LineIndex, Result, Severity};
use jobplate_prefect::generation::Generation;
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_yaml::{Node, PathCursor};

use super::described_run::DescribedRun;
use super::finding::{Finding, mask_names};
use super::findings::Draft;
use super::rule::{Check, Rule};
use super::rules::{missing_field, plaintext_secret, preview_failed, unknown_field};
use super::subject::{CheckedObject, Embedding, Subject};

/// Creates the Job of a template like Prefect.
pub trait Previewer {
    /// Returns what the preview of a template reports.
    ///
    /// # Errors
    ///
    /// Fails if Prefect fails, or if the preview does not support the template.
    fn preview(&mut self, template: &Rc<SourceFile>, generation: Generation) -> Result<Vec<Diagnostic>>;

    /// Returns what the command line describes.
    fn run(&self) -> DescribedRun;
}

/// Where a document is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'s> {
    /// The path of the input.
    pub file: &'s str,
    /// The 1-based line of the input on which the outermost document begins.
    pub first_line: usize,
    /// The outermost document.
    pub outer: &'s str,
    /// The lines of the outermost document, which are found on first use.
    pub lines: &'s OnceCell<LineIndex>,
    /// The offset in the outermost document at which this document begins.
    pub start: usize,
    /// Whether the lines of this document are lines of the input.
    pub has_lines: bool,
}

impl Origin<'_> {
    /// Returns the document as a source file.
    fn to_source(self, text: &str) -> Rc<SourceFile> {
        let lines = self.lines.get_or_init(|| LineIndex::new(self.outer));
        let first_line = self.first_line + lines.line(self.start) - 1;
        SourceFile::new_document(self.file, first_line, self.has_lines, text)
    }
}

/// Previews the template in a document, if it is exactly one, and adds what the preview reports to `drafts`. Adds
/// findings in other files, such as a run config, to `elsewhere`.
pub(super) fn check<'a>(
    subject: &Subject<'a>,
    origin: Origin<'_>,
    previewer: &mut dyn Previewer,
    rules: &[&'static Rule],
    drafts: &mut Vec<(&'static Rule, Draft<'a>)>,
    elsewhere: &mut Vec<Finding>,
) {
    let Some(generation) = template_generation(subject) else { return };
    let source = origin.to_source(subject.document.text);
    let diagnostics = match previewer.preview(&source, generation) {
        Ok(diagnostics) => diagnostics,
        Err(error) => error.all().map(|error| error.diagnostic().clone()).collect(),
    };
    // The mappings in which a rule has found something in the manifest itself.
    let root = subject.document.root();
    let mut paths = PathCursor::new(root);
    let examined: HashSet<(&'static str, u32)> =
        drafts.iter().map(|(rule, draft)| (rule.name, parent_index(&mut paths, draft.node))).collect();
    for diagnostic in diagnostics {
        let own = super::rules::find(diagnostic.code());
        // Notes about what the preview does not know are not findings.
        if diagnostic.severity() == Severity::Info && own.is_none_or(|rule| rule.severity != Severity::Info) {
            continue;
        }
        // An error without a code of its own is one that ends the preview.
        let name = own.map_or(preview_failed::RULE.name, |rule| rule.name);
        let Some(rule) = rules.iter().copied().find(|rule| rule.name == name) else { continue };
        let is_here = match diagnostic.location() {
            Some(location) => Arc::ptr_eq(&location.document, &source.text),
            None => diagnostic.file().is_none_or(|other| other == origin.file),
        };
        if is_here {
            add_draft(subject, rule, &diagnostic, &examined, &mut paths, drafts);
        } else {
            let (confidence, path, occurrence) = (rule.confidence, String::new(), 0);
            let diagnostic = diagnostic.with_code(rule.name).map_text(mask_names);
            elsewhere.push(Finding {
                rule,
                confidence,
                diagnostic,
                path,
                occurrence,
                fix: None,
                suppression: None,
                comment_place: None,
                is_shared: true,
            });
        }
    }
}

/// Returns the generation of Prefect for which a document is a template, or `None` if it is not exactly one template.
pub(super) fn template_generation(subject: &Subject<'_>) -> Option<Generation> {
    // An item of a List is not a template.
    let is_root = |object: &&CheckedObject<'_>| object.object.node.index() == subject.document.root().index();
    let object = subject.objects.first().filter(is_root)?;
    if object.base_job_template.is_some() {
        return Some(Generation::Prefect2Or3);
    }
    subject.is_prefect1_template(object).then_some(Generation::Prefect1)
}

/// Adds a diagnostic of the preview, unless the rule has examined the same mapping of the manifest itself.
fn add_draft<'a>(
    subject: &Subject<'a>,
    rule: &'static Rule,
    diagnostic: &Diagnostic,
    examined: &HashSet<(&'static str, u32)>,
    paths: &mut PathCursor<'a>,
    drafts: &mut Vec<(&'static Rule, Draft<'a>)>,
) {
    // The rule has examined embedded documents with the ConfigMap that contains them.
    if subject.embedding != Embedding::None && rule.name == plaintext_secret::RULE.name {
        return;
    }
    let (root, location) = (subject.document.root(), diagnostic.location());
    let span = location.map_or_else(|| first_line(root), |location| location.span.clone());
    let node = node_at_span(root, paths, &span);
    let parent = parent_index(paths, node);
    let is_examined = matches!(rule.check, Check::Manifest(_)) && examined.contains(&(rule.name, parent));
    // A misspelled field is missing under its right name.
    let is_misspelled = rule.name == missing_field::RULE.name && examined.contains(&(unknown_field::RULE.name, parent));
    if is_examined || is_misspelled {
        return;
    }
    let related = diagnostic
        .annotations()
        .iter()
        .filter(|other| location.is_some_and(|location| Arc::ptr_eq(&other.location.document, &location.document)));
    let draft = Draft {
        severity: diagnostic.severity(),
        confidence: rule.confidence,
        node,
        span,
        message: diagnostic.message().to_owned(),
        help: diagnostic.help_message().cloned(),
        related: related.map(|other| (other.location.span.clone(), other.label.clone())).collect(),
        fix: None,
    };
    drafts.push((rule, draft));
}

/// Returns the index of the collection that contains a node, or 0, the index of the root, for the root itself.
fn parent_index(paths: &mut PathCursor<'_>, node: Node<'_>) -> u32 {
    paths.steps_to(node).last().map_or(0, |step| step.parent.index())
}

/// Returns the node at a byte range: of the nodes that begin where the range begins, the outermost one in the range. A
/// mapping in block style begins with its first key.
fn node_at_span<'a>(root: Node<'a>, paths: &mut PathCursor<'a>, span: &Range<usize>) -> Node<'a> {
    let mut node = root.document().node_at(span.start).unwrap_or(root);
    while node.span().end < span.end {
        match paths.steps_to(node).last().map(|step| step.parent) {
            Some(parent) if parent.span().start == span.start => node = parent,
            _ => break,
        }
    }
    node
}

/// Returns the byte range of the first line of a node, without the line break.
fn first_line(node: Node<'_>) -> Range<usize> {
    let span = node.span();
    let length = node.raw().find(['\n', '\r']).unwrap_or(span.len());
    span.start..span.start + length
}
