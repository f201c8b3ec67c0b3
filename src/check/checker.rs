//! Runs the rules over the documents of an input, with only one document in memory at a time.

use std::ops::Range;
use std::sync::Arc;

use jobplate_diagnostic::{Diagnostic, Error, Location, Result};
use jobplate_manifest::embedded;
use jobplate_prefect::template_keys;
use jobplate_yaml::{DecodedScalar, Document, Documents, Node, NodeArena, PathCursor, StreamError, StrictMap};

use super::finding::{Finding, LocatedFinding, PathWriter};
use super::findings::{Draft, Findings};
use super::prefect::{self, Previewer};
use super::relevance::Relevance;
use super::rule::{Check, Rule};
use super::subject::Subject;
use crate::render::{InputSource, not_utf8_error, parse_error, read_error};

/// The numbers of what was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckCounts {
    /// The number of documents.
    pub documents: usize,
    /// The number of objects in the parsed documents, with those in embedded documents.
    pub objects: usize,
    /// The number of containers.
    pub containers: usize,
}

/// Checks documents, one document at a time, and reuses its memory.
pub struct Checker<'p> {
    rules: Vec<&'static Rule>,
    previewer: Option<&'p mut dyn Previewer>,
    relevance: Relevance,
    arena: NodeArena,
    embedded_arena: NodeArena,
    /// The maximum size of a document in bytes.
    max_document_size: usize,
    counts: CheckCounts,
}

/// A document of an input.
struct Place<'s> {
    file: &'s str,
    first_line: usize,
    text: &'s str,
    /// The text for the locations of findings, which is created for the first finding.
    shared: Option<Arc<str>>,
}

impl Place<'_> {
    fn location(&mut self, span: Range<usize>) -> Location {
        let text = self.shared.get_or_insert_with(|| self.text.into());
        Location::new(self.file, self.first_line, Arc::clone(text), span)
    }
}

impl<'p> Checker<'p> {
    /// Creates a checker for the rules. Without a previewer, the Jobs that Prefect creates are not examined.
    pub fn new(rules: Vec<&'static Rule>, previewer: Option<&'p mut dyn Previewer>, max_document_size: usize) -> Self {
        let (arena, embedded_arena) = (NodeArena::default(), NodeArena::default());
        let (relevance, counts) = (Relevance::default(), CheckCounts::default());
        Checker { rules, previewer, relevance, arena, embedded_arena, max_document_size, counts }
    }

    /// Returns the numbers of what was checked so far.
    pub fn counts(&self) -> CheckCounts {
        self.counts
    }

    /// Checks all documents of an input. Calls `report` with the findings of each document, in document order.
    ///
    /// # Errors
    ///
    /// Fails with the errors of all documents that cannot be read or parsed, after the other documents are checked. Fails
    /// at once if the input cannot be read.
    pub fn check_source(&mut self, source: &mut InputSource, report: &mut dyn FnMut(Vec<Finding>)) -> Result<()> {
        let name = source.name().to_owned();
        let mut errors = Vec::new();
        let mut documents = Documents::new(source.read_from_start()?, self.max_document_size);
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
                    let mut place = Place { file: &name, first_line, text, shared: None };
                    match self.check_document(&mut place) {
                        Ok(findings) if findings.is_empty() => {}
                        Ok(findings) => report(findings),
                        Err(error) => errors.push(error.in_document(&name, first_line, text)),
                    }
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

    fn check_document(&mut self, place: &mut Place<'_>) -> Result<Vec<Finding>> {
        let text = place.text;
        if !self.relevance.may_have_findings(text) {
            return Ok(Vec::new());
        }
        let mut arena = std::mem::take(&mut self.arena);
        let found = self.check_text(text, &mut arena, place);
        self.arena = arena;
        let (located, mut findings) = found?;
        findings.extend(located.into_iter().map(|found| {
            let LocatedFinding { rule, severity, confidence, message, help, span, related, path, fix } = found;
            let mut diagnostic = Diagnostic::new(rule.name, severity, message).at(place.location(span));
            if let Some(help) = help {
                diagnostic = diagnostic.help(help);
            }
            for (span, label) in related {
                diagnostic = diagnostic.annotate(place.location(span), label);
            }
            Finding { rule, confidence, diagnostic, path, fix }
        }));
        findings.sort_by_key(|finding| finding.diagnostic.location().map_or(0, |location| location.span.start));
        Ok(findings)
    }

    /// Checks a document and the documents embedded in it. Also returns the findings in other files.
    fn check_text(
        &mut self,
        text: &str,
        arena: &mut NodeArena,
        place: &Place<'_>,
    ) -> Result<(Vec<LocatedFinding>, Vec<Finding>)> {
        jobplate_yaml::read(text, arena).map_err(|unsupported| parse_error(text, unsupported))?;
        let document = Document::new(text, arena);
        let subject = Subject::new(document, false)?;
        let mut elsewhere = Vec::new();
        let mut found = self.check_subject(&subject, place.file, &mut elsewhere);
        for object in &subject.objects {
            if embedded::is_config_map(&object.object) && !object.is_encrypted {
                let data = embedded::config_map_data(&object.object).ok().flatten();
                for (key, value) in data.into_iter().flat_map(StrictMap::entries) {
                    if embedded::can_hold_document(value) && value.tag().is_none() {
                        self.check_embedded(document.root(), key, value, place.file, &mut found, &mut elsewhere)?;
                    }
                }
            }
        }
        Ok((found, elsewhere))
    }

    /// Checks the documents in a scalar.
    fn check_embedded<'a>(
        &mut self,
        root: Node<'a>,
        key: Node<'a>,
        value: Node<'a>,
        file: &str,
        found: &mut Vec<LocatedFinding>,
        elsewhere: &mut Vec<Finding>,
    ) -> Result<()> {
        let mentions_object = |text: &str| text.contains("ontainers") || text.contains("job_configuration");
        if !mentions_object(value.raw()) {
            return Ok(());
        }
        let decoded = DecodedScalar::new(value);
        let is_template = template_keys::JOB_TEMPLATE.iter().any(|name| key.has_text(name))
            || key.has_text(template_keys::BASE_JOB_TEMPLATE);
        let prefix =
            PathCursor::new(root).steps_to(value).iter().filter_map(|step| step.key?.text()).collect::<Vec<_>>();
        let prefix = prefix.join(".");
        let mut documents = Documents::new(decoded.text().as_bytes(), usize::MAX);
        // Reading from memory cannot fail, so an error is not handled.
        while let Ok(Some(chunk)) = documents.next() {
            let offset = chunk.offset as usize;
            let text = &decoded.text()[offset..offset + chunk.bytes.len()];
            let to_outer = |span: Range<usize>| decoded.source_range(offset + span.start..offset + span.end);
            let mut arena = std::mem::take(&mut self.embedded_arena);
            let result = match jobplate_yaml::read(text, &mut arena) {
                Ok(()) => Subject::new(Document::new(text, &arena), true).map(|subject| {
                    let mut inner = self.check_subject(&subject, file, elsewhere);
                    inner.iter_mut().for_each(|inner| inner.move_out(&to_outer, value.index(), offset, &prefix));
                    found.extend(inner);
                }),
                Err(unsupported) if is_template => Err(parse_error(text, unsupported)),
                Err(_) => Ok(()),
            };
            self.embedded_arena = arena;
            result.map_err(|error| error.map_span(to_outer).at(value.span()))?;
        }
        Ok(())
    }

    /// Runs the rules over a subject. Adds findings in other files to `elsewhere`.
    fn check_subject(
        &mut self,
        subject: &Subject<'_>,
        file: &str,
        elsewhere: &mut Vec<Finding>,
    ) -> Vec<LocatedFinding> {
        self.counts.objects += subject.objects.len();
        self.counts.containers += subject.containers().count();
        let mut drafts: Vec<(&'static Rule, Draft<'_>)> = Vec::new();
        for &rule in &self.rules {
            if let Check::Manifest(check) = rule.check {
                let mut findings = Findings::new(rule.severity, rule.confidence);
                check(subject, &mut findings);
                drafts.extend(findings.drafts.into_iter().map(|draft| (rule, draft)));
            }
        }
        if let Some(previewer) = self.previewer.as_deref_mut() {
            prefect::check(subject, file, previewer, &self.rules, &mut drafts, elsewhere);
        }
        if drafts.is_empty() {
            return Vec::new();
        }
        drafts.sort_by_key(|(_, draft)| (draft.node.index(), draft.span.start));
        let objects: Vec<_> =
            subject.objects.iter().map(|object| (&object.object, object.object.node.index() as usize)).collect();
        let mut paths = PathWriter::new(subject.document.root(), &objects);
        let located = drafts.into_iter().map(|(rule, draft)| {
            let path = paths.path(draft.node);
            LocatedFinding::new(rule, draft, path)
        });
        located.collect()
    }
}
