//! Runs the rules over the documents of an input, with only one document in memory at a time.

use std::cell::{LazyCell, OnceCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use jobplate_diagnostic::{Error, Location, Result};
use jobplate_manifest::embedded;
use jobplate_prefect::template_keys;
use jobplate_yaml::{DecodedScalar, Document, Documents, Node, NodeArena, PathCursor, StreamError, StrictMap};

use super::add_ignore::add_comments;
use super::comment::{CommentPlace, has_marker};
use super::embedded_text;
use super::finding::{Finding, LocatedFinding, OccurrenceCounter, locate, remove_unfixed};
use super::findings::{Draft, FindingFilter, Findings, MAX_FINDINGS, MAX_HIDDEN_FINDINGS};
use super::fix::{FixOutcome, FixedDocument, Fixer};
use super::ignore;
use super::prefect::{self, Origin, Previewer};
use super::rule::{Check, Rule};
use super::rules::unused_ignore;
use super::secret_references::SecretReferences;
use super::subject::{Embedding, Subject, file_error, parse_error};
use crate::render::{InputSource, not_utf8_error, read_error};

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

/// Checks documents, one document at a time, and reuses its memory.
pub struct Checker<'p> {
    rules: Vec<&'static Rule>,
    previewer: Option<&'p mut dyn Previewer>,
    arena: NodeArena,
    embedded_arena: NodeArena,
    /// The maximum size of a document in bytes.
    max_document_size: usize,
    counts: CheckCounts,
    occurrences: OccurrenceCounter,
    /// The findings that are reported. All findings are passed on, as far as they fit in the limit.
    filter: Rc<FindingFilter>,
    /// The maximum number of findings of a rule in the current document.
    limit: usize,
    /// Whether a baseline may hide findings.
    has_baseline: bool,
    /// Whether comments suppress findings.
    honors_ignores: bool,
    /// Whether findings get the place of a comment that suppresses them.
    places_comments: bool,
    /// The references with which fixes replace secrets in plain text.
    references: Rc<SecretReferences>,
}

/// Returns the findings in the text of a document.
type CheckText<'c> = dyn FnMut(&str) -> Result<Vec<Finding>> + 'c;

fn count_lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

impl<'p> Checker<'p> {
    /// Creates a checker for the rules. Without a previewer, the Jobs that Prefect creates are not examined.
    pub fn new(rules: Vec<&'static Rule>, previewer: Option<&'p mut dyn Previewer>, max_document_size: usize) -> Self {
        Checker {
            rules,
            previewer,
            arena: NodeArena::default(),
            embedded_arena: NodeArena::default(),
            max_document_size,
            counts: CheckCounts::default(),
            occurrences: OccurrenceCounter::default(),
            filter: Rc::default(),
            limit: MAX_FINDINGS,
            has_baseline: false,
            honors_ignores: true,
            places_comments: false,
            references: Rc::default(),
        }
    }

    /// Sets the references with which fixes replace secrets in plain text. By default, there are no references.
    pub fn set_references(&mut self, references: Rc<SecretReferences>) {
        self.references = references;
    }

    /// Sets whether comments suppress findings. The default is that they do.
    pub fn honor_ignores(&mut self, honors_ignores: bool) {
        self.honors_ignores = honors_ignores;
    }

    /// Sets whether a baseline may hide findings. The default is that none does.
    pub fn expect_baseline(&mut self, has_baseline: bool) {
        self.has_baseline = has_baseline;
    }

    /// Sets the findings of the next inputs that are reported. The default is all of them. The others are passed on, too,
    /// but they do not count as left out.
    pub fn set_filter(&mut self, filter: FindingFilter) {
        self.filter = Rc::new(filter);
    }

    /// Returns the numbers of what was checked so far.
    pub fn counts(&self) -> CheckCounts {
        self.counts
    }

    /// Sets the numbers of what was checked, before an input is checked again.
    pub fn set_counts(&mut self, counts: CheckCounts) {
        self.counts = counts;
    }

    /// Checks all documents of an input. Calls `report` with the findings of each document, in document order.
    ///
    /// # Errors
    ///
    /// Fails with the errors of all documents that cannot be read or parsed, after the other documents are checked. Fails
    /// at once if the input cannot be read.
    pub fn check_source(&mut self, source: &mut InputSource, report: &mut dyn FnMut(Vec<Finding>)) -> Result<()> {
        self.read_documents(source, &mut |checker, file, first_line, text| {
            let (findings, errors) = checker.check_document(file, first_line, text)?;
            if !findings.is_empty() {
                report(findings);
            }
            Error::combine(errors).map_or(Ok(()), Err)
        })
    }

    /// Checks all documents of an input, and applies the fixes of the findings that `accepts` accepts. Calls `visit` with
    /// each document, in order, also with those that do not change.
    ///
    /// # Errors
    ///
    /// Fails like [`Checker::check_source`], and with the errors of `visit`.
    pub fn fix_source(
        &mut self,
        source: &mut InputSource,
        accepts: &dyn Fn(&Finding) -> bool,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut fixer = Fixer::default();
        self.change_source(source, visit, &mut |text, check| fixer.fix(text, accepts, check))
    }

    /// Checks all documents of an input, and adds comments that suppress the findings that `accepts` accepts, as far as
    /// there is a place for them. Calls `visit` like [`Checker::fix_source`].
    ///
    /// # Errors
    ///
    /// Fails like [`Checker::fix_source`].
    pub fn ignore_source(
        &mut self,
        source: &mut InputSource,
        reason: &str,
        accepts: &dyn Fn(&Finding) -> bool,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
    ) -> Result<()> {
        self.places_comments = true;
        let result = self.change_source(source, visit, &mut |text, check| add_comments(text, reason, accepts, check));
        self.places_comments = false;
        result
    }

    /// Changes all documents of an input. `change` gets the text of a document, and a function that checks it.
    fn change_source(
        &mut self,
        source: &mut InputSource,
        visit: &mut dyn FnMut(FixedDocument<'_>) -> Result<()>,
        change: &mut dyn FnMut(&str, &mut CheckText<'_>) -> Result<FixOutcome>,
    ) -> Result<()> {
        let mut added_lines: isize = 0;
        self.read_documents(source, &mut |checker, file, first_line, text| {
            let new_first_line = first_line.saturating_add_signed(added_lines);
            let counts = checker.counts;
            let mut check = |text: &str| {
                checker.counts = counts;
                let (findings, errors) = checker.check_document(file, new_first_line, text)?;
                Error::combine(errors).map_or(Ok(findings), Err)
            };
            let FixOutcome { text: new_text, findings, fixed } = change(text, &mut check)?;
            let after = new_text.as_deref().unwrap_or(text);
            added_lines += count_lines(after) as isize - count_lines(text) as isize;
            visit(FixedDocument { first_line, new_first_line, before: text, after, findings, fixed })
        })
    }

    /// Calls `visit` with the file, the first line and the text of each document of an input. Continues after an error.
    fn read_documents(
        &mut self,
        source: &mut InputSource,
        visit: &mut dyn FnMut(&mut Self, &str, usize, &str) -> Result<()>,
    ) -> Result<()> {
        let name = source.name().to_owned();
        let mut errors = Vec::new();
        let mut documents = Documents::new(source.read_from_start()?, self.max_document_size);
        self.occurrences = OccurrenceCounter::default();
        let mut first_line = 1;
        loop {
            let chunk = match documents.next() {
                Ok(None) => break,
                Ok(Some(chunk)) => chunk,
                Err(StreamError::TooLarge(_)) => {
                    let message = format!("a document is larger than {} bytes", self.max_document_size);
                    let error = Error::input(message).hint("raise --max-document-size to accept it");
                    errors.push(error.at(0..1).in_document(&name, first_line, ""));
                    break;
                }
                Err(error) => return Err(read_error(&name, error)),
            };
            self.counts.documents += 1;
            match std::str::from_utf8(chunk.bytes) {
                Ok(text) => {
                    let visited = visit(self, &name, first_line, text);
                    self.occurrences.end_document();
                    errors.extend(visited.map_err(|error| error.in_document(&name, first_line, text)).err());
                }
                Err(error) => {
                    let (error, _, text) = not_utf8_error(chunk.bytes, error.valid_up_to(), chunk.offset);
                    errors.push(error.in_document(&name, first_line, text));
                }
            }
            first_line += memchr::memchr_iter(b'\n', chunk.bytes).count();
        }
        Error::combine(errors).map_or(Ok(()), Err)
    }

    /// Checks a document. Also returns the errors about embedded documents that cannot be checked.
    fn check_document(&mut self, file: &str, first_line: usize, text: &str) -> Result<(Vec<Finding>, Vec<Error>)> {
        let mut arena = std::mem::take(&mut self.arena);
        let lines = OnceCell::new();
        let origin = Origin { file, first_line, outer: text, lines: &lines, start: 0, has_lines: true };
        let found = self.check_text(origin, &mut arena);
        self.arena = arena;
        // The text for the locations of findings, which is copied for the first finding.
        let shared: LazyCell<Arc<str>, _> = LazyCell::new(|| Arc::from(text));
        let to_location = |span| Location::new(file, first_line, Arc::clone(&shared), span);
        let Checked { found: located, elsewhere: mut findings, errors } = found?;
        if self.honors_ignores {
            ignore::suppress_elsewhere(&mut findings);
        }
        findings.extend(located.into_iter().map(|found| found.into_finding(&to_location)));
        findings.sort_by_key(|finding| finding.diagnostic.location().map_or(0, |location| location.span.start));
        self.occurrences.number(&mut findings);
        let errors = errors.into_iter().map(|error| error.in_document(file, first_line, text));
        Ok((findings, errors.collect()))
    }

    /// Checks a document and the documents embedded in it.
    fn check_text(&mut self, origin: Origin<'_>, arena: &mut NodeArena) -> Result<Checked> {
        let text = origin.outer;
        let may_hide = self.has_baseline || self.places_comments || self.honors_ignores && has_marker(text);
        self.limit = if may_hide { MAX_HIDDEN_FINDINGS } else { MAX_FINDINGS };
        jobplate_yaml::read(text, arena).map_err(|unsupported| file_error(origin.file, text, unsupported))?;
        let document = Document::new(text, arena);
        let subject = self.prepare(document, Embedding::None)?;
        let mut checked = Checked::default();
        checked.found = self.check_subject(&subject, origin, &mut checked.elsewhere);
        let mut cursor = PathCursor::new(document.root());
        for object in &subject.objects {
            if embedded::is_config_map(&object.object) && !object.is_encrypted {
                let data = embedded::config_map_data(&object.object).ok().flatten();
                for (key, value) in data.into_iter().flat_map(StrictMap::entries) {
                    if embedded_text::may_hold_objects(value) {
                        self.check_embedded(&mut cursor, key, value, origin, &mut checked);
                    }
                }
            }
        }
        remove_unfixed(&mut checked.found);
        self.apply_ignores(&subject, &mut checked.found);
        Ok(checked)
    }

    /// Checks the documents in a scalar.
    fn check_embedded<'a>(
        &mut self,
        cursor: &mut PathCursor<'a>,
        key: Node<'a>,
        value: Node<'a>,
        outer: Origin<'_>,
        checked: &mut Checked,
    ) {
        let decoded = DecodedScalar::new(value);
        if !embedded_text::mentions_objects(decoded.text()) {
            return;
        }
        let is_job_template = template_keys::JOB_TEMPLATE.iter().any(|name| key.has_text(name));
        let embedding = if is_job_template { Embedding::JobTemplate } else { Embedding::Document };
        let is_template = is_job_template || key.has_text(template_keys::BASE_JOB_TEMPLATE);
        let mut prefix = None;
        let mut documents = Documents::new(decoded.text().as_bytes(), usize::MAX);
        // Reading from memory cannot fail, so an error is not handled.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let text = &decoded.text()[offset..offset + chunk.bytes.len()];
            let to_outer = |span: Range<usize>| decoded.source_range(offset + span.start..offset + span.end);
            let has_lines = value.raw().starts_with('|');
            let start = if has_lines { to_outer(0..text.len()).start } else { value.span().start };
            let origin = Origin { start, has_lines, ..outer };
            let mut arena = std::mem::take(&mut self.embedded_arena);
            let result = jobplate_yaml::read(text, &mut arena)
                .map_err(|unsupported| parse_error(text, unsupported))
                .and_then(|()| self.prepare(Document::new(text, &arena), embedding));
            match result {
                Ok(subject) => {
                    let mut inner = self.check_subject(&subject, origin, &mut checked.elsewhere);
                    self.apply_ignores(&subject, &mut inner);
                    if !inner.is_empty() {
                        let prefix = &*prefix.get_or_insert_with(|| embedded_text::key_path(cursor, value));
                        inner.iter_mut().for_each(|inner| inner.move_out(&to_outer, value, offset, prefix));
                        checked.found.extend(inner);
                    }
                }
                // Another value may be any text, which only looks like a manifest.
                Err(error) if is_template => {
                    checked.errors.push(error.map_span(to_outer).at(value.span()));
                }
                Err(_) => {}
            }
            self.embedded_arena = arena;
        }
    }

    /// Prepares a document for the rules.
    fn prepare<'a>(&self, document: Document<'a>, embedding: Embedding) -> Result<Subject<'a>> {
        let run = self.previewer.as_deref().map(Previewer::run).unwrap_or_default();
        Subject::new(document, embedding, Rc::clone(&self.references), run)
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
        for &rule in &self.rules {
            if let Check::Manifest(check) = rule.check {
                let mut findings = self.start_findings(rule);
                check(subject, &mut findings);
                let (found, omitted) = findings.finish();
                self.counts.omitted += omitted;
                drafts.extend(found.into_iter().map(|draft| (rule, draft)));
            }
        }
        if let Some(previewer) = self.previewer.as_deref_mut() {
            prefect::check(subject, origin, previewer, &self.rules, &mut drafts, elsewhere);
        }
        let mut located = locate(subject, drafts);
        if self.places_comments && !subject.objects.iter().any(|object| object.is_encrypted) {
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
        if self.honors_ignores {
            let new_findings = || self.start_findings(&unused_ignore::RULE);
            self.counts.omitted += ignore::apply(subject, &self.rules, &new_findings, found);
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
