//! Runs the rules over one document, and over the documents embedded in it.

use std::cell::{LazyCell, OnceCell};
use std::ops::{AddAssign, Range};
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, Location, Result};
use jobplate_manifest::embedded;
use jobplate_prefect::chart_values;
use jobplate_yaml::{DecodedScalar, Document, Documents, NodeArena, PathCursor, StrictMap};

use super::comment::{CommentPlace, has_marker};
use super::described_run::DescribedRun;
use super::embedded_text::{self, EmbeddedText};
use super::finding::{Finding, LocatedFinding, locate, remove_unfixed};
use super::findings::{Draft, FindingFilter, Findings, MAX_FINDINGS, MAX_HIDDEN_FINDINGS};
use super::ignore;
use super::prefect::{self, Origin, Previewer};
use super::rule::{Check, Rule};
use super::rules::unused_ignore;
use super::secret_references::SecretReferences;
use super::subject::{Embedding, Subject, file_error, parse_error};

/// The numbers of what was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckCounts {
    /// The number of documents.
    pub documents: usize,
    /// The number of objects in the parsed documents, with those in embedded documents.
    pub objects: usize,
    /// The number of containers.
    pub containers: usize,
    /// The number of accepted findings that are left out, because a document has too many findings of a rule.
    pub omitted: usize,
}

impl AddAssign for CheckCounts {
    fn add_assign(&mut self, other: CheckCounts) {
        self.documents += other.documents;
        self.objects += other.objects;
        self.containers += other.containers;
        self.omitted += other.omitted;
    }
}

/// What is checked. All documents of an input are checked with the same settings, also in several threads.
#[derive(Clone, Debug)]
pub(super) struct CheckSettings {
    pub rules: Vec<&'static Rule>,
    /// The findings that are reported. All findings are passed on, as far as they fit in the limit.
    pub filter: FindingFilter,
    /// Whether a baseline may hide findings.
    pub has_baseline: bool,
    /// Whether comments suppress findings.
    pub honors_ignores: bool,
    /// Whether findings get the place of a comment that suppresses them.
    pub places_comments: bool,
    /// The references with which fixes replace secrets in plain text.
    pub references: Arc<SecretReferences>,
    /// The run that the command line describes.
    pub run: DescribedRun,
}

/// How templates of Prefect are checked.
pub(super) enum Previews<'p> {
    /// They are checked without a preview.
    None,
    /// A previewer creates their Jobs.
    Previewer(&'p mut dyn Previewer),
    /// The document is not checked if it is a template. Another checker has the previewer.
    Deferred,
}

/// The findings of a document, in document order.
pub(super) struct DocumentFindings {
    pub findings: Vec<Finding>,
    /// The errors about embedded documents that cannot be checked.
    pub errors: Vec<Error>,
    /// Whether a template was found, and previews are [`Previews::Deferred`]. The findings are incomplete then.
    pub is_deferred: bool,
}

/// Checks documents, and reuses its memory.
pub(super) struct DocumentChecker<'s, 'p> {
    settings: &'s CheckSettings,
    filter: Rc<FindingFilter>,
    previews: Previews<'p>,
    memory: &'s mut CheckMemory,
    pub counts: CheckCounts,
    /// The maximum number of findings of a rule in the current document.
    limit: usize,
    is_deferred: bool,
}

/// The memory for the nodes of a document and of an embedded one.
#[derive(Default)]
pub(super) struct CheckMemory {
    document: NodeArena,
    embedded: NodeArena,
}

impl<'s, 'p> DocumentChecker<'s, 'p> {
    /// Creates a checker that uses `memory`.
    pub(super) fn new(settings: &'s CheckSettings, previews: Previews<'p>, memory: &'s mut CheckMemory) -> Self {
        let filter = Rc::new(settings.filter.clone());
        let (counts, limit, is_deferred) = (CheckCounts::default(), MAX_FINDINGS, false);
        DocumentChecker { settings, filter, previews, memory, counts, limit, is_deferred }
    }

    /// Checks a document, which begins on line `first_line` of `file`, and the documents embedded in it.
    ///
    /// # Errors
    ///
    /// Fails if the document cannot be parsed, or if the kinds of its objects are ambiguous.
    pub(super) fn check(&mut self, file: &str, first_line: usize, text: &str) -> Result<DocumentFindings> {
        let mut arena = std::mem::take(&mut self.memory.document);
        let lines = OnceCell::new();
        let origin = Origin { file, first_line, outer: text, lines: &lines, start: 0, has_lines: true };
        let counts = self.counts;
        self.is_deferred = false;
        let checked = self.check_text(origin, &mut arena);
        self.memory.document = arena;
        if self.is_deferred {
            self.counts = counts;
            return Ok(DocumentFindings { findings: Vec::new(), errors: Vec::new(), is_deferred: true });
        }
        // The text for the locations of findings, which is copied for the first finding.
        let shared: LazyCell<Arc<str>, _> = LazyCell::new(|| Arc::from(text));
        let to_location = |span| Location::new(file, first_line, Arc::clone(&shared), span);
        let Checked { found: located, elsewhere: mut findings, errors } = checked?;
        if self.settings.honors_ignores {
            ignore::suppress_elsewhere(&mut findings);
        }
        findings.extend(located.into_iter().map(|found| found.into_finding(&to_location)));
        findings.sort_by_key(|finding| finding.diagnostic.location().map_or(0, |location| location.span.start));
        let errors = errors.into_iter().map(|error| error.in_document(file, first_line, text));
        Ok(DocumentFindings { findings, errors: errors.collect(), is_deferred: false })
    }

    fn check_text(&mut self, origin: Origin<'_>, arena: &mut NodeArena) -> Result<Checked> {
        let (text, settings) = (origin.outer, self.settings);
        let may_hide = settings.has_baseline || settings.places_comments || settings.honors_ignores && has_marker(text);
        self.limit = if may_hide { MAX_HIDDEN_FINDINGS } else { MAX_FINDINGS };
        jobplate_yaml::read(text, arena).map_err(|unsupported| file_error(origin.file, text, unsupported))?;
        let document = Document::new(text, arena);
        let subject = self.prepare(document, Embedding::None)?;
        let mut checked = Checked::default();
        checked.found = self.check_subject(&subject, origin, &mut checked.elsewhere);
        let mut cursor = PathCursor::new(document.root());
        for object in &subject.objects {
            if object.is_encrypted {
                continue;
            }
            let values = chart_values::templates(&object.object).into_iter();
            for found in values.chain(chart_values::values_texts(&object.object)) {
                checked.add(self.check_embedded(&mut cursor, EmbeddedText::from_values(&found), origin));
            }
            if embedded::is_config_map(&object.object) {
                let data = embedded::config_map_data(&object.object).ok().flatten();
                for (key, value) in data.into_iter().flat_map(StrictMap::entries) {
                    if embedded_text::may_hold_objects(value) {
                        let text = EmbeddedText::from_config_map(key, value);
                        checked.add(self.check_embedded(&mut cursor, text, origin));
                    }
                }
            }
        }
        remove_unfixed(&mut checked.found);
        self.apply_ignores(&subject, &mut checked.found);
        Ok(checked)
    }

    /// Checks the documents in a scalar. The results have ranges of the document that contains the scalar.
    fn check_embedded<'a>(
        &mut self,
        cursor: &mut PathCursor<'a>,
        text: EmbeddedText<'a>,
        outer: Origin<'_>,
    ) -> Checked {
        let mut checked = Checked::default();
        let EmbeddedText { value, embedding, is_template } = text;
        let decoded = DecodedScalar::new(value);
        if !embedded_text::mentions_objects(decoded.text()) {
            return checked;
        }
        let mut prefix = None;
        let mut documents = Documents::new(decoded.text().as_bytes(), usize::MAX);
        // Reading from memory cannot fail, so an error is not handled.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let text = &decoded.text()[offset..offset + chunk.bytes.len()];
            let to_outer = |span: Range<usize>| decoded.source_range(offset + span.start..offset + span.end);
            let has_lines = value.raw().starts_with('|') && outer.has_lines;
            let start = match (has_lines, outer.has_lines) {
                (true, _) => to_outer(0..text.len()).start,
                (false, true) => value.span().start,
                (false, false) => outer.start,
            };
            let origin = Origin { start, has_lines, ..outer };
            let mut arena = std::mem::take(&mut self.memory.embedded);
            let result = jobplate_yaml::read(text, &mut arena)
                .map_err(|unsupported| parse_error(text, unsupported))
                .and_then(|()| self.prepare(Document::new(text, &arena), embedding));
            match result {
                Ok(subject) => {
                    let mut inner = Checked::default();
                    inner.found = self.check_subject(&subject, origin, &mut inner.elsewhere);
                    self.check_values(&subject, origin, &mut inner);
                    self.apply_ignores(&subject, &mut inner.found);
                    if !inner.found.is_empty() {
                        let prefix = &*prefix.get_or_insert_with(|| embedded_text::key_path(cursor, value));
                        inner.found.iter_mut().for_each(|inner| inner.move_out(&to_outer, value, offset, prefix));
                    }
                    inner.errors = inner.errors.into_iter().map(|error| error.map_span(to_outer)).collect();
                    checked.add(inner);
                }
                // Another value may be any text, which only looks like a manifest.
                Err(error) if is_template => {
                    checked.errors.push(error.map_span(to_outer).at(value.span()));
                }
                Err(_) => {}
            }
            self.memory.embedded = arena;
        }
        checked
    }

    /// Checks the templates in the values of a chart that a document in a scalar contains.
    fn check_values(&mut self, subject: &Subject<'_>, origin: Origin<'_>, checked: &mut Checked) {
        let mut cursor = PathCursor::new(subject.document.root());
        let origin = Origin { has_lines: false, ..origin };
        for object in &subject.objects {
            for found in chart_values::templates(&object.object) {
                checked.add(self.check_embedded(&mut cursor, EmbeddedText::from_values(&found), origin));
            }
        }
    }

    /// Prepares a document for the rules.
    fn prepare<'a>(&self, document: Document<'a>, embedding: Embedding) -> Result<Subject<'a>> {
        Subject::new(document, embedding, Arc::clone(&self.settings.references), self.settings.run)
    }

    /// Runs the rules over a subject. Adds findings in other files to `elsewhere`.
    fn check_subject(
        &mut self,
        subject: &Subject<'_>,
        origin: Origin<'_>,
        elsewhere: &mut Vec<Finding>,
    ) -> Vec<LocatedFinding> {
        self.counts.objects += subject.count_objects();
        self.counts.containers += subject.containers().count();
        let mut drafts: Vec<(&'static Rule, Draft<'_>)> = Vec::new();
        for &rule in &self.settings.rules {
            if let Check::Manifest(check) = rule.check {
                let mut findings = self.start_findings(rule);
                check(subject, &mut findings);
                let (found, omitted) = findings.finish();
                self.counts.omitted += omitted;
                drafts.extend(found.into_iter().map(|draft| (rule, draft)));
            }
        }
        match &mut self.previews {
            Previews::Previewer(previewer) => {
                prefect::check(subject, origin, &mut **previewer, &self.settings.rules, &mut drafts, elsewhere);
            }
            Previews::Deferred => self.is_deferred |= prefect::template_generation(subject).is_some(),
            Previews::None => {}
        }
        let mut located = locate(subject, drafts);
        if self.settings.places_comments && !subject.objects.iter().any(|object| object.is_encrypted) {
            for finding in &mut located {
                finding.comment_place = CommentPlace::find(subject.document, finding.span.start);
            }
        }
        located
    }

    /// Creates an empty collection for the findings of a rule in the current document.
    fn start_findings<'a>(&self, rule: &'static Rule) -> Findings<'a> {
        let defaults = (rule.name, rule.severity, rule.confidence);
        Findings::new(defaults, Rc::clone(&self.filter), self.limit)
    }

    /// Applies the comments of a document to its findings.
    fn apply_ignores(&mut self, subject: &Subject<'_>, found: &mut Vec<LocatedFinding>) {
        if self.settings.honors_ignores {
            let new_findings = || self.start_findings(&unused_ignore::RULE);
            self.counts.omitted += ignore::apply(subject, &self.settings.rules, &new_findings, found);
        }
    }
}

/// The results of checking a document.
#[derive(Default)]
struct Checked {
    found: Vec<LocatedFinding>,
    /// The findings in other files, such as a run config.
    elsewhere: Vec<Finding>,
    /// The errors about embedded templates that cannot be checked.
    errors: Vec<Error>,
}

impl Checked {
    fn add(&mut self, other: Checked) {
        self.found.extend(other.found);
        self.elsewhere.extend(other.elsewhere);
        self.errors.extend(other.errors);
    }
}
