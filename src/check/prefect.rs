//! Turns what the preview of a Job reports into findings, so that `check` and `preview` never differ.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Diagnostic, Location, Result, Severity};
use jobplate_manifest::workload::is_job;
use jobplate_prefect::generation::{Generation, identify_generation};
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_yaml::{Node, PathCursor};

use super::finding::Finding;
use super::findings::Draft;
use super::rule::{Check, Rule};
use super::rules::{plaintext_secret, preview_failed};
use super::subject::{CheckedObject, Subject};

/// Creates the Job of a template like Prefect.
pub trait Previewer {
    /// Returns what the preview of a template reports.
    ///
    /// # Errors
    ///
    /// Fails if Prefect fails, or if the preview does not support the template.
    fn preview(&mut self, template: &Rc<SourceFile>, generation: Generation) -> Result<Vec<Diagnostic>>;

    /// Returns whether every Job is a template of Prefect 1, because the command line describes a run of Prefect 1.
    fn treats_jobs_as_prefect1(&self) -> bool;
}

/// Previews the template in a document, if it has exactly one, and adds what the preview reports to `drafts`. Adds
/// findings in other files, such as a run config, to `elsewhere`.
pub(super) fn check<'a>(
    subject: &Subject<'a>,
    file: &str,
    previewer: &mut dyn Previewer,
    rules: &[&'static Rule],
    drafts: &mut Vec<(&'static Rule, Draft<'a>)>,
    elsewhere: &mut Vec<Finding>,
) {
    // An item of a List is not a template.
    let is_root = |object: &&CheckedObject<'_>| object.object.node.index() == subject.document.root().index();
    let Some(object) = subject.objects.first().filter(is_root) else { return };
    let Some(generation) = template_generation(object, previewer.treats_jobs_as_prefect1()) else { return };
    let source = SourceFile::new_manifest(file, subject.document.text);
    let diagnostics = match previewer.preview(&source, generation) {
        Ok(diagnostics) => diagnostics,
        Err(error) => error.all().map(|error| error.diagnostic().clone()).collect(),
    };
    // The mappings in which a rule has found something in the manifest itself.
    let root = subject.document.root();
    let examined: HashSet<(&'static str, u32)> =
        drafts.iter().map(|(rule, draft)| (rule.name, parent_index(root, draft.node))).collect();
    for diagnostic in diagnostics.into_iter().filter(|diagnostic| diagnostic.severity() > Severity::Info) {
        // An error without a code of its own is one that ends the preview.
        let name = super::rules::find(diagnostic.code()).map_or(preview_failed::RULE.name, |rule| rule.name);
        let Some(rule) = rules.iter().copied().find(|rule| rule.name == name) else { continue };
        match diagnostic.location() {
            Some(location) if !Arc::ptr_eq(&location.document, &source.text) => {
                // Another template may have reported the same before.
                let is_reported = |finding: &Finding| finding.diagnostic == diagnostic;
                if !elsewhere.iter().any(is_reported) {
                    let confidence = rule.confidence;
                    let diagnostic = diagnostic.with_code(rule.name);
                    elsewhere.push(Finding {
                        rule,
                        confidence,
                        diagnostic,
                        path: String::new(),
                        fix: None,
                        suppression: None,
                        comment_place: None,
                    });
                }
            }
            location => add_draft(subject, rule, &diagnostic, location, &examined, drafts),
        }
    }
}

/// Returns the generation of Prefect for which an object is a template, or `None` if it is not a template.
fn template_generation(object: &CheckedObject<'_>, treats_jobs_as_prefect1: bool) -> Option<Generation> {
    if object.base_job_template.is_some() {
        return Some(Generation::Prefect2Or3);
    }
    let is_template = is_job(&object.object) && object.object.kind == "Job";
    let containers: Vec<Node<'_>> = object.pods.iter().flat_map(|pod| &pod.containers).map(|one| one.node).collect();
    let generation = || identify_generation(&containers).or(treats_jobs_as_prefect1.then_some(Generation::Prefect1));
    // A Job of Prefect 2 or 3 is a run that a worker has created, not a template.
    generation().filter(|generation| is_template && *generation == Generation::Prefect1)
}

/// Adds a diagnostic of the preview, unless the rule has examined the same mapping of the manifest itself.
fn add_draft<'a>(
    subject: &Subject<'a>,
    rule: &'static Rule,
    diagnostic: &Diagnostic,
    location: Option<&Location>,
    examined: &HashSet<(&'static str, u32)>,
    drafts: &mut Vec<(&'static Rule, Draft<'a>)>,
) {
    // The rule has examined embedded documents with the ConfigMap that contains them.
    if subject.is_embedded && rule.name == plaintext_secret::RULE.name {
        return;
    }
    let root = subject.document.root();
    let span = location.map_or_else(|| first_line(root), |location| location.span.clone());
    let node = root.document().node_at(span.start).unwrap_or(root);
    if matches!(rule.check, Check::Manifest(_)) && examined.contains(&(rule.name, parent_index(root, node))) {
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

/// Returns the index of the collection that contains a node, or that of the root for the root itself.
fn parent_index(root: Node<'_>, node: Node<'_>) -> u32 {
    PathCursor::new(root).steps_to(node).last().map_or(root.index(), |step| step.parent.index())
}

/// Returns the byte range of the first line of a node, without the line break.
fn first_line(node: Node<'_>) -> std::ops::Range<usize> {
    let span = node.span();
    let length = node.raw().find(['\n', '\r']).unwrap_or(span.len());
    span.start..span.start + length
}
