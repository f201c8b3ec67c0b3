//! Checks edits of documents in ConfigMaps: embedding and rendering must commute.
//!
//! A document is rendered standalone, and nested in a ConfigMap that `emit` writes. The document that granit and
//! go-yaml then read from the ConfigMap must equal the standalone result. Only the bytes of the edit may change. An
//! error must point to the same part of the document in both cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use jobplate::inject::Injection;
use jobplate::render::{RenderedStream, to_string};
use jobplate_diagnostic::Error;
use jobplate_manifest::select::{ContainerChoice, Glob, Target};

use crate::check::{self, is_admitted, one_document};
use crate::emit::{self, Embedded, Layout, STYLES, Style};
use crate::goyaml::{self, GoYaml};
use crate::model::{self, Op};
use crate::mutate;
use crate::rng::Rng;
use crate::seeds::{self, Seed};
use crate::tree::{NodeKind, Tree};
use crate::{env_number, granit};

/// The edits of an embedded document. Namespaces are not edited because they belong to the ConfigMap.
const OPS: &[Op] = &[
    Op::Secret("ADDED_TOKEN", "flow-secrets", "token"),
    Op::Secret("TOKEN", "flow-secrets", "token"),
    Op::Unset("TOKEN"),
    Op::Literal("ADDED_TOKEN", "a: \"b\" #c\n"),
    Op::Literal("TOKEN", "it's \\ é 日本 \u{1f600}\t\u{1}\u{85}\u{2028}\u{feff} \\n"),
    Op::Source("EXTRA_", "extra"),
    Op::Many(&[
        Op::Unset("MODE"),
        Op::Secret("TOKEN", "flow-secrets", "token"),
        Op::Literal("ADDED_TOKEN", "plain text"),
        Op::Source("EXTRA_", "extra"),
    ]),
];

#[derive(Clone, Debug)]
struct EmbeddedCase {
    name: String,
    document: String,
    op: Op,
    all_containers: bool,
    /// Whether the request has no targets. The edit then applies to Jobs, CronJobs, and documents under the key of
    /// Prefect's templates.
    no_target: bool,
    layout: Layout,
}

/// A case with its rendering results. granit reads its scalar as the document.
struct PreparedEmbedding {
    case: EmbeddedCase,
    embedded: Embedded,
    standalone: Result<RenderedStream, Error>,
    nested: Result<RenderedStream, Error>,
}

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EmbeddedResult {
    /// The scalar style cannot represent the document.
    StyleUnsupported,
    Edited,
    Unchanged,
    /// Refused standalone, and refused or copied unchanged in the ConfigMap.
    Refused,
    /// Refused only in the ConfigMap, for this reason.
    RefusedInside(String),
}

impl EmbeddedResult {
    fn reason(&self) -> Option<&str> {
        if let EmbeddedResult::RefusedInside(reason) = self { Some(reason) } else { None }
    }
}

/// Returns the library's request for an edit of the documents under a key.
pub(crate) fn injection(op: &Op, all_containers: bool, key: &str) -> Injection {
    let parse_glob = |pattern: &str| Glob::new(pattern, true).expect("a pattern");
    let target = Target {
        kind: parse_glob("ConfigMap"),
        name: Some(parse_glob("*")),
        containers: None,
        key: Some(parse_glob(key)),
    };
    let containers = if all_containers { ContainerChoice::All } else { ContainerChoice::First };
    let mut injection = Injection { targets: vec![target], containers, ..Injection::default() };
    check::add_op(op, &mut injection);
    injection
}

/// Finds the value under a key of `data`, anywhere in the document.
fn find_value<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    let data = tree.entries().find(|(name, _)| name.has_text("data")).map(|(_, data)| data);
    let entry = data.and_then(|data| data.entries().find(|(name, value)| name.has_text(key) && value.is_scalar()));
    let is_secret = tree.entries().any(|(name, value)| name.has_text("kind") && value.has_text("Secret"));
    match entry {
        Some((_, value)) if !is_secret => Some(value),
        _ => tree.children.iter().find_map(|child| find_value_below(child, key)),
    }
}

fn find_value_below<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    matches!(tree.kind, NodeKind::Map | NodeKind::Seq).then(|| find_value(tree, key)).flatten()
}

/// Returns the string that a reader finds under `job_template.yaml`. Fails if reading fails or the key is missing.
fn read(reading: Result<Tree, String>) -> Result<String, String> {
    let tree = reading?;
    find_value(&tree, "job_template.yaml").map(|value| value.text.clone()).ok_or_else(|| "the key is gone".to_owned())
}

fn read_by_granit(stream: &str, document: usize) -> Result<String, String> {
    let documents = model::split_documents(stream);
    let text = documents.get(document).ok_or("the document is gone")?;
    read(one_document(granit::read(text)))
}

fn read_by_go_yaml(response: &Result<String, String>) -> Result<String, String> {
    read(response.as_ref().map(|json| goyaml::to_tree(json)).map_err(Clone::clone))
}

fn render(text: &str, injection: &Injection) -> Result<Result<RenderedStream, Error>, String> {
    catch_unwind(AssertUnwindSafe(|| to_string(text, injection))).map_err(|_| "the library panicked".to_owned())
}

fn prepare(case: EmbeddedCase) -> Result<Option<PreparedEmbedding>, String> {
    let Some(embedded) = emit::embed(&case.document, &case.layout) else { return Ok(None) };
    if read_by_granit(&embedded.text, embedded.document).as_ref() != Ok(&case.document) {
        return Ok(None);
    }
    let standalone = render(&case.document, &plain_request(&case));
    let nested = render(&embedded.text, &embedded_request(&case));
    match (standalone, nested) {
        (Ok(standalone), Ok(nested)) => Ok(Some(PreparedEmbedding { case, embedded, standalone, nested })),
        // Other tests check that rendering a standalone document does not panic, so the case is skipped.
        (Err(_), _) => Ok(None),
        (_, Err(message)) => Err(message),
    }
}

fn embedded_request(case: &EmbeddedCase) -> Injection {
    let mut injection = injection(&case.op, case.all_containers, "job_template.yaml");
    if case.no_target {
        injection.targets.clear();
    }
    injection
}

/// Returns the request of [`embedded_request`] for the standalone document. If the request has targets, they are
/// changed to match all objects.
fn plain_request(case: &EmbeddedCase) -> Injection {
    let mut injection = embedded_request(case);
    for target in &mut injection.targets {
        target.kind = Glob::new("*", true).expect("a pattern");
        target.name = None;
        target.key = None;
    }
    injection
}

/// Checks a case. `before` and `after` are go-yaml's readings of the ConfigMap before and after the edit.
fn check_case(
    prepared: &PreparedEmbedding,
    before: Option<&Result<String, String>>,
    after: Option<&Result<String, String>>,
) -> Result<EmbeddedResult, String> {
    let PreparedEmbedding { case, embedded, standalone, nested } = prepared;
    if before.is_some_and(|response| read_by_go_yaml(response).as_ref() != Ok(&case.document)) {
        return Ok(EmbeddedResult::StyleUnsupported);
    }
    let (standalone, nested) = match (standalone, nested) {
        (Ok(standalone), Ok(nested)) => (standalone, nested),
        (_, Err(error))
            if !matches!(
                error.kind(),
                jobplate_diagnostic::ErrorKind::Refused | jobplate_diagnostic::ErrorKind::Input
            ) =>
        {
            return Err(format!("an error of kind {:?}: {}", error.kind(), error.message()));
        }
        (Err(standalone), Err(nested)) => {
            return check_location(case, embedded, standalone, nested).map(|()| EmbeddedResult::Refused);
        }
        // The document has no target. A standalone document is refused because an unreadable part could contain a
        // target.
        (Err(_), Ok(nested)) if case.no_target && nested.text == embedded.text && !case.document.contains("Job") => {
            return Ok(EmbeddedResult::Refused);
        }
        (Err(_), Ok(nested)) if nested.text == embedded.text && !case.document.contains("ontainers") => {
            return Ok(EmbeddedResult::Refused);
        }
        (Err(error), Ok(_)) => return Err(format!("refused alone, not inside: {}", error.message())),
        (Ok(standalone), Err(error)) => {
            // The header of a block scalar determines whether the string ends with a line break. An edit cannot change
            // that.
            let ends_alike = standalone.text.ends_with('\n') == case.document.ends_with('\n');
            let document = model::split_documents(&embedded.text)[embedded.document];
            // A standalone document without a Job is copied even if it is invalid. Every document under the key is
            // parsed.
            let request = EmbeddedCase { no_target: false, ..case.clone() };
            if case.no_target && render(&case.document, &plain_request(&request))?.is_err() {
                return check_error_span(embedded, error).map(|()| EmbeddedResult::Refused);
            }
            if case.layout.must_be_edited() && ends_alike && is_admitted(document) && is_admitted(&case.document) {
                return Err(format!("refused inside, not alone: {}", error.message()));
            }
            return check_error_span(embedded, error)
                .map(|()| EmbeddedResult::RefusedInside(error.message().to_owned()));
        }
    };
    let found = read_by_granit(&nested.text, embedded.document).map_err(|error| format!("granit: {error}"))?;
    check_equal("granit", &standalone.text, &found)?;
    if let Some(response) = after {
        check_equal(
            "go-yaml",
            &standalone.text,
            &read_by_go_yaml(response).map_err(|error| format!("go-yaml: {error}"))?,
        )?;
    }
    if case.layout.is_json() {
        let json: serde_json::Value =
            serde_json::from_str(&nested.text).map_err(|error| format!("no JSON any more: {error}"))?;
        check_equal("JSON", &standalone.text, json["data"]["job_template.yaml"].as_str().unwrap_or_default())?;
    }
    check_bytes(case, embedded, &standalone.text, &nested.text)?;
    let second = render(&nested.text, &embedded_request(case))?;
    match second {
        Ok(second) if second.text == nested.text => {}
        Ok(second) => return Err(format!("a second run changes more: {:?}", second.text)),
        Err(error) => return Err(format!("a second run is refused: {}", error.message())),
    }
    Ok(if standalone.text == case.document { EmbeddedResult::Unchanged } else { EmbeddedResult::Edited })
}

fn check_equal(reader: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{reader} reads {found:?}, expected {expected:?}")) }
}

/// Checks that only the bytes of the edit changed, both outside and inside the scalar.
fn check_bytes(case: &EmbeddedCase, embedded: &Embedded, expected: &str, rendered: &str) -> Result<(), String> {
    let Embedded { text, span, map, .. } = embedded;
    if expected == case.document {
        return if rendered == text { Ok(()) } else { Err("changed, though there was nothing to change".to_owned()) };
    }
    // The line break that ends a block scalar may have been the final line break of the document before the edit, but
    // not after it.
    let (prefix, suffix) = (&text[..span.start], &text[span.end..]);
    let count_final_breaks = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let has_same_end = count_final_breaks(expected) == count_final_breaks(&case.document);
    let suffix = if has_same_end { suffix } else { suffix.trim_start_matches(['\r', '\n']) };
    if !rendered.starts_with(prefix) || !rendered.ends_with(suffix) || rendered.len() < prefix.len() + suffix.len() {
        return Err("bytes outside of the scalar changed".to_owned());
    }
    let scalar = &rendered[prefix.len()..rendered.len() - suffix.len()];
    if !scalar.starts_with(&text[span.start..=span.start]) {
        return Err("the scalar has another style".to_owned());
    }
    if text.contains("\r\n") != rendered.contains("\r\n")
        || text.replace("\r\n", "").contains('\n') != rendered.replace("\r\n", "").contains('\n')
    {
        return Err("other line endings".to_owned());
    }
    if case.layout.is_literal() {
        check_lines(embedded, expected, scalar)?;
    }
    if !has_same_end {
        return Ok(());
    }
    let (start, end) = unchanged_ends(&case.document, expected);
    if start > 0 && !rendered.starts_with(&text[..map[start]]) {
        return Err(format!("bytes before the edit changed: {:?} stood there", &text[span.start..map[start]]));
    }
    if !rendered.ends_with(&text[map[end]..]) {
        return Err(format!("bytes after the edit changed: {:?} stood there", &text[map[end]..span.end]));
    }
    Ok(())
}

/// Checks that the lines of a literal block scalar are the lines of the document, with the same indentation.
fn check_lines(embedded: &Embedded, expected: &str, scalar: &str) -> Result<(), String> {
    let header = embedded.text[embedded.span.start..].lines().next().unwrap_or_default();
    let mut lines = scalar.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    if first != header && first.replace(['-', '+'], "") != header.replace(['-', '+'], "") {
        return Err(format!("the header {header:?} became {first:?}"));
    }
    let count = expected.split('\n').count();
    for (at, line) in expected.split('\n').enumerate() {
        let found = lines.next().ok_or_else(|| format!("line {} is missing", at + 1))?;
        let last = at + 1 == count;
        let is_blank = line.is_empty()
            && (!last || found.is_empty())
            && found.len() <= embedded.indent
            && found.trim_start_matches(' ').is_empty();
        let is_expected = found.len() == embedded.indent + line.len()
            && found.ends_with(line)
            && found[..embedded.indent].bytes().all(|byte| byte == b' ');
        if !is_blank && !is_expected {
            return Err(format!("line {} is {found:?}, expected {line:?}, {} deep", at + 1, embedded.indent));
        }
    }
    match lines.find(|line| !line.trim_start_matches(' ').is_empty()) {
        Some(line) => Err(format!("a line too many: {line:?}")),
        None => Ok(()),
    }
}

/// Returns two offsets in the document: the edit does not change any bytes before the first or after the second.
///
/// New text can begin like the text that it replaces or precedes, and end like the entry before it. Therefore, the
/// range also includes a few separators before the first difference, and more separators after the last difference.
fn unchanged_ends(before: &str, after: &str) -> (usize, usize) {
    let separators = ['\n', ',', '[', '{', '}', ']'];
    let common =
        |a: &mut dyn Iterator<Item = u8>, b: &mut dyn Iterator<Item = u8>| a.zip(b).take_while(|(a, b)| a == b).count();
    let prefix = common(&mut before.bytes(), &mut after.bytes());
    let max = before.len().min(after.len()) - prefix;
    let suffix = common(&mut before.bytes().rev(), &mut after.bytes().rev()).min(max);
    let head = &before[..before.floor_char_boundary(prefix)];
    let start = head.rmatch_indices(separators).nth(5).map_or(0, |(at, _)| at + 1);
    let from = before.ceil_char_boundary(before.len() - suffix);
    let end = before[from..].match_indices(separators).nth(9).map_or(before.len(), |(at, _)| from + at);
    (start, end)
}

/// Checks that an error points to the same part of the document in the ConfigMap and in the standalone document.
fn check_location(case: &EmbeddedCase, embedded: &Embedded, standalone: &Error, nested: &Error) -> Result<(), String> {
    check_error_span(embedded, nested)?;
    let (Some(expected), Some(found)) = (standalone.location(), nested.location()) else { return Ok(()) };
    // Locations are compared only if both errors are the same: either of two errors in the document may be reported,
    // and an invalid character may be reported for the whole ConfigMap.
    let is_admitted_document = is_admitted(model::split_documents(&embedded.text)[embedded.document]);
    if !case.layout.is_literal() || !is_admitted_document || standalone.message() != nested.message() {
        return Ok(());
    }
    let (line, column) = expected.line_column();
    let lines_above = embedded.text[..embedded.span.start].matches('\n').count() + 1;
    let expected = (lines_above + line, embedded.indent + column);
    let at_end = line > case.document.trim_end_matches('\n').matches('\n').count() + 1;
    // Blank lines need no indentation, so their columns are not compared.
    let empty = case.document.lines().nth(line - 1).is_none_or(str::is_empty);
    let found = found.line_column();
    if found == expected || found.0 == expected.0 && empty || at_end {
        return Ok(());
    }
    Err(format!("{} stands at {found:?}, expected {expected:?}", nested.message()))
}

/// Checks that an error about an embedded document points to its scalar.
fn check_error_span(embedded: &Embedded, error: &Error) -> Result<(), String> {
    let Some(location) = error.location() else { return Err(format!("an error without a place: {}", error.message())) };
    let document = model::split_documents(&embedded.text)[embedded.document];
    if *location.document != *document {
        return Err(format!("an error whose place is in another text: {}", error.message()));
    }
    let offset = document.as_ptr() as usize - embedded.text.as_ptr() as usize;
    let (start, end) = (location.span.start + offset, location.span.end + offset);
    if embedded.has_unsupported_key {
        return Ok(());
    }
    // An error may also point to the key, so the key counts as part of the scalar.
    let key = embedded.text[..embedded.span.start].rfind("job_template.yaml").unwrap_or(0).saturating_sub(1);
    if start < key || end > embedded.span.end + 1 || start > end || !embedded.text.is_char_boundary(start) {
        return Err(format!(
            "an error outside of the scalar {key}..{}, at {start}..{end}: {}",
            embedded.span.end,
            error.message()
        ));
    }
    Ok(())
}

/// Checks cases. Passes all of them to go-yaml in one batch.
fn batch(cases: Vec<EmbeddedCase>, go: Option<&mut GoYaml>) -> Vec<(EmbeddedCase, Result<EmbeddedResult, String>)> {
    let prepared: Vec<_> = cases.into_iter().map(|case| (case.clone(), prepare(case))).collect();
    let mut inputs = Vec::new();
    for (_, embedding) in &prepared {
        if let Ok(Some(embedding)) = embedding {
            inputs.push(model::split_documents(&embedding.embedded.text)[embedding.embedded.document].to_owned());
            if let Ok(nested) = &embedding.nested {
                let document = model::split_documents(&nested.text).get(embedding.embedded.document).copied();
                inputs.push(document.unwrap_or_default().to_owned());
            }
        }
    }
    let responses = go.map(|go| go.parse(&inputs));
    let mut at = 0;
    let mut next = || {
        at += 1;
        responses.as_ref().map(|responses| &responses[at - 1])
    };
    prepared
        .into_iter()
        .map(|(case, embedding)| match embedding {
            Err(message) => (case, Err(message)),
            Ok(None) => (case, Ok(EmbeddedResult::StyleUnsupported)),
            Ok(Some(embedding)) => {
                let before = next();
                let after = if embedding.nested.is_ok() { next() } else { None };
                (case, check_case(&embedding, before, after))
            }
        })
        .collect()
}

/// Counts the results of a run.
#[derive(Default)]
struct EmbeddedReport {
    counts: BTreeMap<(Style, EmbeddedResult), u64>,
    failed: BTreeMap<String, u64>,
    shown: Vec<String>,
}

impl EmbeddedReport {
    fn add(&mut self, case: &EmbeddedCase, result: &Result<EmbeddedResult, String>, go: Option<&mut GoYaml>) {
        let message = match result {
            Ok(outcome) => {
                *self.counts.entry((case.layout.style, outcome.clone())).or_default() += 1;
                return;
            }
            Err(message) => message,
        };
        let short: String = message.split(['"', '`', '(']).next().unwrap_or_default().chars().take(70).collect();
        let count = self.failed.entry(short.replace(|c: char| c.is_ascii_digit(), "")).or_default();
        *count += 1;
        if *count <= 2 && self.shown.len() < 30 {
            self.shown.push(describe(case, message, go));
        }
    }

    fn show(&self) -> String {
        let mut out =
            format!("{:>14} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "not held", "edited", "same", "refused", "only here");
        for style in STYLES {
            let count_of = |outcome| self.counts.get(&(*style, outcome)).copied().unwrap_or(0);
            let nested: u64 = self
                .counts
                .iter()
                .filter(|((other, outcome), _)| other == style && outcome.reason().is_some())
                .map(|(_, count)| count)
                .sum();
            let _ = write!(out, "{:>14}", format!("{style:?}"));
            for outcome in [
                EmbeddedResult::StyleUnsupported,
                EmbeddedResult::Edited,
                EmbeddedResult::Unchanged,
                EmbeddedResult::Refused,
            ] {
                let _ = write!(out, " {:>9}", count_of(outcome));
            }
            let edited = count_of(EmbeddedResult::Edited);
            let rate = 100.0 * edited as f64 / (edited + nested).max(1) as f64;
            let _ = writeln!(out, " {nested:>9} {rate:>7.2}% of the possible edits made");
        }
        for ((style, outcome), count) in &self.counts {
            if let Some(reason) = outcome.reason() {
                let _ = writeln!(out, "{count:>9}  {style:?}, refused inside only: {reason}");
            }
        }
        for (message, count) in &self.failed {
            let _ = writeln!(out, "{count:>9}  FAILED: {message}");
        }
        for shown in &self.shown {
            let _ = writeln!(out, "\n{shown}");
        }
        out
    }
}

/// Describes a failure with a shrunk document that still causes it.
fn describe(case: &EmbeddedCase, message: &str, mut go: Option<&mut GoYaml>) -> String {
    let kind_of = |message: &str| message.split(['"', '`', '(', ':']).next().unwrap_or_default().to_owned();
    let mut small = case.clone();
    let mut shorter = true;
    let mut budget = 300;
    let mut last = message.to_owned();
    while shorter && budget > 0 {
        shorter = false;
        for at in (0..small.document.split_inclusive('\n').count()).rev() {
            let lines = small.document.split_inclusive('\n').enumerate();
            let document: String = lines.filter(|(line, _)| *line != at).map(|(_, line)| line).collect();
            let candidate = EmbeddedCase { document, ..small.clone() };
            budget -= 1;
            let result = batch(vec![candidate.clone()], go.as_deref_mut()).remove(0).1;
            if let Err(failure) = result
                && kind_of(&failure) == kind_of(message)
            {
                (small, last, shorter) = (candidate, failure, true);
            }
            if budget == 0 {
                break;
            }
        }
    }
    let mut out = format!(
        "{}: {:?}, all containers: {}, no target: {}, {:?}\n  {last}\n",
        case.name, case.op, case.all_containers, case.no_target, case.layout
    );
    let _ = writeln!(out, "  document: {:?}", small.document);
    if let Ok(Ok(standalone)) = render(&small.document, &plain_request(&small)) {
        let _ = writeln!(out, "  alone:    {:?}", standalone.text);
    }
    if let Some(embedded) = emit::embed(&small.document, &small.layout) {
        let _ = writeln!(out, "  embedded: {:?}", embedded.text);
        match render(&embedded.text, &embedded_request(&small)) {
            Ok(Ok(nested)) => {
                let _ = writeln!(out, "  inside:   {:?}", nested.text);
            }
            Ok(Err(error)) => {
                let _ = writeln!(out, "  inside:   {error}");
            }
            Err(_) => {}
        }
    }
    out
}

/// Converts a document to JSON with go-yaml, as another source of layouts.
fn to_json(text: &str, go: &mut GoYaml, pretty: bool) -> Option<String> {
    let json = go.parse(&[text]).remove(0).ok()?;
    let value: serde_json::Value = serde_json::from_str(&json).ok()?;
    if !value.is_object() {
        return None;
    }
    if pretty { serde_json::to_string_pretty(&value).ok() } else { serde_json::to_string(&value).ok() }
}

fn all_seeds() -> Vec<Seed> {
    let mut seeds = [seeds::read("edited"), seeds::read("refused")].concat();
    if let Some(mut go) = GoYaml::start() {
        let mut json = Vec::new();
        for seed in seeds::read("edited") {
            for pretty in [false, true] {
                json.extend(to_json(&seed.text, &mut go, pretty).map(|text| Seed {
                    name: format!("{} as {}JSON", seed.name, if pretty { "pretty " } else { "" }),
                    text,
                }));
            }
        }
        seeds.extend(json);
    }
    seeds
}

/// Generates the case with this number: a seed or a mutant, with a random layout and edit.
fn case(seeds: &[Seed], seed: u64, number: u64) -> EmbeddedCase {
    let mut rng = Rng::new(seed ^ 0x00e0_bedd_ed00, number);
    let (from, document) = if rng.one_in(4) {
        let from = rng.pick(seeds);
        (from, from.text.clone())
    } else {
        mutate::mutant(seeds, &mut rng)
    };
    let document = if rng.one_in(8) { format!("{document}\n---\n{}", rng.pick(seeds).text) } else { document };
    let layout = Layout::random(&mut rng);
    let no_target = rng.one_in(5);
    let op = rng.pick(OPS).clone();
    let all_containers = rng.one_in(2);
    EmbeddedCase {
        name: format!("case {number} of seed {seed}, from {}", from.name),
        document,
        op,
        all_containers,
        no_target,
        layout,
    }
}

fn run(count: u64, make: &(dyn Fn(u64) -> EmbeddedCase + Sync)) -> EmbeddedReport {
    const BATCH: u64 = 250;
    let next = AtomicU64::new(0);
    let report = Mutex::new(EmbeddedReport::default());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(2);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut go = GoYaml::start();
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= count {
                        break;
                    }
                    let cases = (from..(from + BATCH).min(count)).map(make).collect();
                    for (case, result) in batch(cases, go.as_mut()) {
                        report.lock().expect("no thread panicked").add(&case, &result, go.as_mut());
                    }
                }
            });
        }
    });
    report.into_inner().expect("no thread panicked")
}

#[test]
fn embedding_commutes_with_rendering() {
    let seeds = all_seeds();
    let count = env_number("JOBPLATE_MUTANTS").unwrap_or(3000);
    let seed = env_number("JOBPLATE_MUTANT_SEED").unwrap_or(1);
    let report = match env_number("JOBPLATE_MUTANT") {
        Some(only) => run(1, &|_| case(&seeds, seed, only)),
        None => run(count, &|number| case(&seeds, seed, number)),
    };
    assert!(report.failed.is_empty(), "\n{}", report.show());
    println!("{}", report.show());
}

#[test]
fn every_seed_is_edited_in_every_style() {
    let seeds = all_seeds();
    // A long run tries all edits of each seed in each style. A short run tries one edit of each seed in each style.
    let ops = if env_number("JOBPLATE_MUTANTS").is_some_and(|count| count > 3000) { OPS.len() } else { 1 };
    let count = seeds.len() * STYLES.len() * ops;
    let make = |number: u64| {
        let number = usize::try_from(number).expect("a small number");
        let mut rng = Rng::new(11, number as u64);
        let seed = &seeds[number / STYLES.len() / ops];
        let layout = Layout::with_style(STYLES[number % STYLES.len()], &mut rng);
        let op = if ops == 1 { rng.pick(OPS).clone() } else { OPS[number / STYLES.len() % ops].clone() };
        EmbeddedCase {
            name: seed.name.clone(),
            document: seed.text.clone(),
            op,
            all_containers: rng.one_in(2),
            no_target: false,
            layout,
        }
    };
    let report = run(count as u64, &make);
    assert!(report.failed.is_empty(), "\n{}", report.show());
    println!("{}", report.show());
}

/// Checks that granit and go-yaml read most of the emitted scalars as the document.
#[test]
fn emitted_scalars_read_as_the_document() {
    let seeds = all_seeds();
    let mut go = GoYaml::start();
    let mut supported: BTreeMap<Style, (u64, u64)> = BTreeMap::new();
    for (at, seed) in seeds.iter().enumerate() {
        for style in STYLES {
            let mut rng = Rng::new(7, at as u64);
            let layout = Layout::with_style(*style, &mut rng);
            let count = supported.entry(*style).or_default();
            count.1 += 1;
            let Some(embedded) = emit::embed(&seed.text, &layout) else { continue };
            assert_eq!(embedded.map.len(), seed.text.len() + 1, "{}: {layout:?}", seed.name);
            let document = model::split_documents(&embedded.text)[embedded.document];
            let response = go.as_mut().map(|go| read_by_go_yaml(&go.parse(&[document])[0]));
            let granit = read_by_granit(&embedded.text, embedded.document);
            let is_supported = granit.as_ref() == Ok(&seed.text)
                && response.as_ref().is_none_or(|text| text.as_ref() == Ok(&seed.text));
            count.0 += u64::from(is_supported);
            if layout.must_be_edited()
                && is_admitted(&seed.text)
                && (style != &Style::Literal || !seed.text.contains('\r'))
            {
                assert!(is_supported, "{}: {layout:?}\n{:?}\n{granit:?}\n{response:?}", seed.name, embedded.text);
            }
        }
    }
    for (style, (supported, of)) in &supported {
        println!("{style:?} holds {supported} of {of}");
        assert!(*supported > 0, "{style:?} holds nothing");
    }
}

/// Checks that the checks accept a correct result and reject a result with one wrong byte.
#[test]
fn checks_reject_wrong_results() {
    let seeds = seeds::read("edited");
    let (mut accepted, mut rejected) = (0, 0);
    for number in 0..2000 {
        let mut rng = Rng::new(9, number);
        let seed = rng.pick(&seeds);
        let styles = [Style::Literal, Style::Double, Style::PyYaml, Style::GoYaml];
        let mut layout = Layout::with_style(*rng.pick(&styles), &mut rng);
        layout.has_spaces_in_blank_lines = false;
        let op = rng.pick(OPS).clone();
        let case = EmbeddedCase {
            name: seed.name.clone(),
            document: seed.text.clone(),
            op,
            all_containers: false,
            no_target: false,
            layout,
        };
        let Ok(Some(mut prepared)) = prepare(case) else { continue };
        let Ok(standalone) = &prepared.standalone else { continue };
        let Some(reference) = emit::embed(&standalone.text, &prepared.case.layout) else { continue };
        let is_unchanged = standalone.text == prepared.case.document;
        let style = prepared.case.layout.style;
        let check = |prepared: &PreparedEmbedding, text: &str| {
            read_by_granit(text, prepared.embedded.document)
                .and_then(|found| check_text(prepared, &found))
                .and_then(|()| check_bytes(&prepared.case, &prepared.embedded, &standalone_text(prepared), text))
        };
        // In other styles, long lines need new line breaks and the content can absorb comments, so only these two are
        // compared.
        if matches!(style, Style::Literal | Style::Double)
            && read_by_granit(&reference.text, reference.document).as_ref() == Ok(&standalone.text)
        {
            let result = check(&prepared, &reference.text);
            assert_eq!(result, Ok(()), "{:?}\n{:?}\n{:?}", prepared.case, prepared.embedded.text, reference.text);
            accepted += 1;
        }
        if is_unchanged {
            continue;
        }
        for _ in 0..8 {
            let mut text = reference.text.clone();
            let at = text.floor_char_boundary(rng.below(text.len()));
            if rng.one_in(2) {
                text.insert(at, *rng.pick(&[' ', '\n', 'x', '#']));
            } else {
                text.remove(at);
            }
            // Blank lines in a block scalar may be indented, and its header may have another chomping indicator, so
            // these differences are ignored.
            let normalize =
                |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").replace(['-', '+'], "");
            if normalize(&text) != normalize(&reference.text) && style == Style::Literal {
                assert!(check(&prepared, &text).is_err(), "{:?}\n{:?}\n{text:?}", prepared.case, reference.text);
                rejected += 1;
            }
        }
        prepared.nested = Err(Error::new(jobplate_diagnostic::ErrorKind::Internal, "a bug"));
        assert!(check_case(&prepared, None, None).is_err());
    }
    println!("{accepted} right answers taken, {rejected} wrong ones refused");
    assert!(accepted > 100 && rejected > 500, "{accepted} {rejected}");
}

fn standalone_text(prepared: &PreparedEmbedding) -> String {
    prepared.standalone.as_ref().map(|standalone| standalone.text.clone()).unwrap_or_default()
}

fn check_text(prepared: &PreparedEmbedding, found: &str) -> Result<(), String> {
    check_equal("granit", &standalone_text(prepared), found)
}
