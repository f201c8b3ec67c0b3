//! Documents in ConfigMaps: embedding commutes with rendering.
//!
//! A document is rendered alone, and in a ConfigMap that `emit` writes around it; what granit and go-yaml
//! then read in the ConfigMap must be the first result. No byte outside of the scalar may differ, inside
//! of it none before and behind the edit, and an error has the place that it has in the document alone.

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
use crate::{granit, number};

/// The edits that are made in a document: all but a namespace, which is the ConfigMap's business.
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
struct Case {
    name: String,
    document: String,
    op: Op,
    all_containers: bool,
    /// Nothing says where to edit: in Jobs and CronJobs, and under the key that Prefect's templates have.
    no_target: bool,
    layout: Layout,
}

/// A case whose scalar reads as the document, for granit at least.
struct Prepared {
    case: Case,
    embedded: Embedded,
    alone: Result<RenderedStream, Error>,
    inside: Result<RenderedStream, Error>,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    /// The style can't hold the document.
    NotHeld,
    Edited,
    Unchanged,
    /// Refused alone and inside, or not looked at alone.
    Refused,
    /// Refused inside only, with this reason.
    RefusedInside(String),
}

impl Became {
    fn reason(&self) -> Option<&str> {
        if let Became::RefusedInside(reason) = self { Some(reason) } else { None }
    }
}

/// The library's request for an edit of the documents under a key.
pub(crate) fn injection(op: &Op, all_containers: bool, key: &str) -> Injection {
    let glob = |pattern: &str| Glob::new(pattern, true).expect("a pattern");
    let target = Target { kind: glob("ConfigMap"), name: Some(glob("*")), containers: None, key: Some(glob(key)) };
    let containers = if all_containers { ContainerChoice::All } else { ContainerChoice::First };
    let mut injection = Injection { targets: vec![target], containers, ..Injection::default() };
    check::ask(op, &mut injection);
    injection
}

/// The value under a key of `data`, wherever in the document.
fn value<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    let data = tree.entries().find(|(name, _)| name.has_text("data")).map(|(_, data)| data);
    let here = data.and_then(|data| data.entries().find(|(name, value)| name.has_text(key) && value.is_scalar()));
    let is_secret = tree.entries().any(|(name, value)| name.has_text("kind") && value.has_text("Secret"));
    match here {
        Some((_, value)) if !is_secret => Some(value),
        _ => tree.children.iter().find_map(|child| value_below(child, key)),
    }
}

fn value_below<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    matches!(tree.kind, NodeKind::Map | NodeKind::Seq).then(|| value(tree, key)).flatten()
}

/// What a reader finds under the key.
fn read(reading: Result<Tree, String>) -> Result<String, String> {
    let tree = reading?;
    value(&tree, "job_template.yaml").map(|value| value.text.clone()).ok_or_else(|| "the key is gone".to_owned())
}

fn read_by_granit(stream: &str, document: usize) -> Result<String, String> {
    let documents = model::documents(stream);
    let text = documents.get(document).ok_or("the document is gone")?;
    read(one_document(granit::read(text)))
}

fn read_by_go_yaml(answer: &Result<String, String>) -> Result<String, String> {
    read(answer.as_ref().map(|json| goyaml::tree(json)).map_err(Clone::clone))
}

fn render(text: &str, injection: &Injection) -> Result<Result<RenderedStream, Error>, String> {
    catch_unwind(AssertUnwindSafe(|| to_string(text, injection))).map_err(|_| "the library panicked".to_owned())
}

fn prepare(case: Case) -> Result<Option<Prepared>, String> {
    let Some(embedded) = emit::embed(&case.document, &case.layout) else { return Ok(None) };
    if read_by_granit(&embedded.text, embedded.document).as_ref() != Ok(&case.document) {
        return Ok(None);
    }
    let alone = render(&case.document, &asked_alone(&case));
    let inside = render(&embedded.text, &asked_inside(&case));
    match (alone, inside) {
        (Ok(alone), Ok(inside)) => Ok(Some(Prepared { case, embedded, alone, inside })),
        // That is for the other tests to tell.
        (Err(_), _) => Ok(None),
        (_, Err(what)) => Err(what),
    }
}

fn asked_inside(case: &Case) -> Injection {
    let mut injection = injection(&case.op, case.all_containers, "job_template.yaml");
    if case.no_target {
        injection.targets.clear();
    }
    injection
}

/// The same edit of a document alone: of all that has a pod in it.
fn asked_alone(case: &Case) -> Injection {
    let mut injection = asked_inside(case);
    for target in &mut injection.targets {
        target.kind = Glob::new("*", true).expect("a pattern");
        target.name = None;
        target.key = None;
    }
    injection
}

/// Judges a case; go-yaml's answers are about the ConfigMap as it was, and as it is where it was rendered.
fn judge(
    prepared: &Prepared,
    before: Option<&Result<String, String>>,
    after: Option<&Result<String, String>>,
) -> Result<Became, String> {
    let Prepared { case, embedded, alone, inside } = prepared;
    if before.is_some_and(|answer| read_by_go_yaml(answer).as_ref() != Ok(&case.document)) {
        return Ok(Became::NotHeld);
    }
    let (alone, inside) = match (alone, inside) {
        (Ok(alone), Ok(inside)) => (alone, inside),
        (_, Err(error))
            if !matches!(
                error.kind(),
                jobplate_diagnostic::ErrorKind::Refused | jobplate_diagnostic::ErrorKind::Input
            ) =>
        {
            return Err(format!("an error of kind {:?}: {}", error.kind(), error.message()));
        }
        (Err(alone), Err(inside)) => return place(case, embedded, alone, inside).map(|()| Became::Refused),
        // Nothing that could be a target, but more that could hide one where it stands alone.
        (Err(_), Ok(inside)) if case.no_target && inside.text == embedded.text && !case.document.contains("Job") => {
            return Ok(Became::Refused);
        }
        (Err(_), Ok(inside)) if inside.text == embedded.text && !case.document.contains("ontainers") => {
            return Ok(Became::Refused);
        }
        (Err(error), Ok(_)) => return Err(format!("refused alone, not inside: {}", error.message())),
        (Ok(alone), Err(error)) => {
            // A block's header says whether its text ends with a line break; that is no part of the edit.
            let ends_alike = alone.text.ends_with('\n') == case.document.ends_with('\n');
            let document = model::documents(&embedded.text)[embedded.document];
            // Alone, a document without a Job is copied even if it is broken; under the key, each is looked at.
            let asked = Case { no_target: false, ..case.clone() };
            if case.no_target && render(&case.document, &asked_alone(&asked))?.is_err() {
                return within(embedded, error).map(|()| Became::Refused);
            }
            if case.layout.must_be_edited() && ends_alike && is_admitted(document) && is_admitted(&case.document) {
                return Err(format!("refused inside, not alone: {}", error.message()));
            }
            return within(embedded, error).map(|()| Became::RefusedInside(error.message().to_owned()));
        }
    };
    let found = read_by_granit(&inside.text, embedded.document).map_err(|error| format!("granit: {error}"))?;
    same("granit", &alone.text, &found)?;
    if let Some(answer) = after {
        same("go-yaml", &alone.text, &read_by_go_yaml(answer).map_err(|error| format!("go-yaml: {error}"))?)?;
    }
    if case.layout.is_json() {
        let json: serde_json::Value =
            serde_json::from_str(&inside.text).map_err(|error| format!("no JSON any more: {error}"))?;
        same("JSON", &alone.text, json["data"]["job_template.yaml"].as_str().unwrap_or_default())?;
    }
    bytes(case, embedded, &alone.text, &inside.text)?;
    let again = render(&inside.text, &asked_inside(case))?;
    match again {
        Ok(again) if again.text == inside.text => {}
        Ok(again) => return Err(format!("a second run changes more: {:?}", again.text)),
        Err(error) => return Err(format!("a second run is refused: {}", error.message())),
    }
    Ok(if alone.text == case.document { Became::Unchanged } else { Became::Edited })
}

fn same(reader: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{reader} reads {found:?}, expected {expected:?}")) }
}

/// What had to stay, stayed: outside of the scalar, and inside before and behind the edit.
fn bytes(case: &Case, embedded: &Embedded, expected: &str, now: &str) -> Result<(), String> {
    let Embedded { text, span, map, .. } = embedded;
    if expected == case.document {
        return if now == text { Ok(()) } else { Err("changed, though there was nothing to change".to_owned()) };
    }
    // The break that ends a block scalar may have been the last of the document, and may not be so any more.
    let (before, behind) = (&text[..span.start], &text[span.end..]);
    let breaks = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let same_end = breaks(expected) == breaks(&case.document);
    let behind = if same_end { behind } else { behind.trim_start_matches(['\r', '\n']) };
    if !now.starts_with(before) || !now.ends_with(behind) || now.len() < before.len() + behind.len() {
        return Err("bytes outside of the scalar changed".to_owned());
    }
    let scalar = &now[before.len()..now.len() - behind.len()];
    if !scalar.starts_with(&text[span.start..=span.start]) {
        return Err("the scalar has another style".to_owned());
    }
    if text.contains("\r\n") != now.contains("\r\n")
        || text.replace("\r\n", "").contains('\n') != now.replace("\r\n", "").contains('\n')
    {
        return Err("other line endings".to_owned());
    }
    if case.layout.is_literal() {
        lines(embedded, expected, scalar)?;
    }
    if !same_end {
        return Ok(());
    }
    let (start, end) = around(&case.document, expected);
    if start > 0 && !now.starts_with(&text[..map[start]]) {
        return Err(format!("bytes before the edit changed: {:?} stood there", &text[span.start..map[start]]));
    }
    if !now.ends_with(&text[map[end]..]) {
        return Err(format!("bytes behind the edit changed: {:?} stood there", &text[map[end]..span.end]));
    }
    Ok(())
}

/// The lines of a literal block are those of the document, indented as they were.
fn lines(embedded: &Embedded, expected: &str, scalar: &str) -> Result<(), String> {
    let header = embedded.text[embedded.span.start..].lines().next().unwrap_or_default();
    let mut now = scalar.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let first = now.next().unwrap_or_default();
    if first != header && first.replace(['-', '+'], "") != header.replace(['-', '+'], "") {
        return Err(format!("the header {header:?} became {first:?}"));
    }
    let count = expected.split('\n').count();
    for (at, line) in expected.split('\n').enumerate() {
        let found = now.next().ok_or_else(|| format!("line {} is missing", at + 1))?;
        let last = at + 1 == count;
        let blank = line.is_empty()
            && (!last || found.is_empty())
            && found.len() <= embedded.indent
            && found.trim_start_matches(' ').is_empty();
        let right = found.len() == embedded.indent + line.len()
            && found.ends_with(line)
            && found[..embedded.indent].bytes().all(|byte| byte == b' ');
        if !blank && !right {
            return Err(format!("line {} is {found:?}, expected {line:?}, {} deep", at + 1, embedded.indent));
        }
    }
    match now.find(|line| !line.trim_start_matches(' ').is_empty()) {
        Some(line) => Err(format!("a line too many: {line:?}")),
        None => Ok(()),
    }
}

/// Where in the document the edit surely had not begun, and where it surely had ended.
///
/// What is written can begin as that which it replaces or stands before, and end as the entry before it:
/// some separators from the first difference, and more from the last one, all is taken for the edit's.
fn around(before: &str, after: &str) -> (usize, usize) {
    let separators = ['\n', ',', '[', '{', '}', ']'];
    let common =
        |a: &mut dyn Iterator<Item = u8>, b: &mut dyn Iterator<Item = u8>| a.zip(b).take_while(|(a, b)| a == b).count();
    let prefix = common(&mut before.bytes(), &mut after.bytes());
    let most = before.len().min(after.len()) - prefix;
    let suffix = common(&mut before.bytes().rev(), &mut after.bytes().rev()).min(most);
    let head = &before[..before.floor_char_boundary(prefix)];
    let start = head.rmatch_indices(separators).nth(5).map_or(0, |(at, _)| at + 1);
    let from = before.ceil_char_boundary(before.len() - suffix);
    let end = before[from..].match_indices(separators).nth(9).map_or(before.len(), |(at, _)| from + at);
    (start, end)
}

/// An error of the document alone has its place in the ConfigMap, too.
fn place(case: &Case, embedded: &Embedded, alone: &Error, inside: &Error) -> Result<(), String> {
    within(embedded, inside)?;
    let (Some(expected), Some(found)) = (alone.location(), inside.location()) else { return Ok(()) };
    // Of two faults either may be told; a character that is at fault may be the whole ConfigMap's.
    let admitted = is_admitted(model::documents(&embedded.text)[embedded.document]);
    if !case.layout.is_literal() || !admitted || alone.message() != inside.message() {
        return Ok(());
    }
    let (line, column) = expected.line_column();
    let above = embedded.text[..embedded.span.start].matches('\n').count() + 1;
    let expected = (above + line, embedded.indent + column);
    let at_end = line > case.document.trim_end_matches('\n').matches('\n').count() + 1;
    // Blank lines need not be indented, and have no columns then.
    let empty = case.document.lines().nth(line - 1).is_none_or(str::is_empty);
    let found = found.line_column();
    if found == expected || found.0 == expected.0 && empty || at_end {
        return Ok(());
    }
    Err(format!("{} stands at {found:?}, expected {expected:?}", inside.message()))
}

/// An error that is about an embedded document is placed in its scalar.
fn within(embedded: &Embedded, error: &Error) -> Result<(), String> {
    let Some(place) = error.location() else { return Err(format!("an error without a place: {}", error.message())) };
    let document = model::documents(&embedded.text)[embedded.document];
    if *place.document != *document {
        return Err(format!("an error whose place is in another text: {}", error.message()));
    }
    let offset = document.as_ptr() as usize - embedded.text.as_ptr() as usize;
    let (start, end) = (place.span.start + offset, place.span.end + offset);
    if embedded.odd {
        return Ok(());
    }
    // The key counts as the scalar's.
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

/// Cases and what became of them, go-yaml's questions together.
fn batch(cases: Vec<Case>, go: Option<&mut GoYaml>) -> Vec<(Case, Result<Became, String>)> {
    let prepared: Vec<_> = cases.into_iter().map(|case| (case.clone(), prepare(case))).collect();
    let mut questions = Vec::new();
    for (_, one) in &prepared {
        if let Ok(Some(one)) = one {
            questions.push(model::documents(&one.embedded.text)[one.embedded.document].to_owned());
            if let Ok(inside) = &one.inside {
                let document = model::documents(&inside.text).get(one.embedded.document).copied();
                questions.push(document.unwrap_or_default().to_owned());
            }
        }
    }
    let answers = go.map(|go| go.ask(&questions));
    let mut at = 0;
    let mut next = || {
        at += 1;
        answers.as_ref().map(|answers| &answers[at - 1])
    };
    prepared
        .into_iter()
        .map(|(case, one)| match one {
            Err(what) => (case, Err(what)),
            Ok(None) => (case, Ok(Became::NotHeld)),
            Ok(Some(one)) => {
                let before = next();
                let after = if one.inside.is_ok() { next() } else { None };
                (case, judge(&one, before, after))
            }
        })
        .collect()
}

/// What became of a run.
#[derive(Default)]
struct Report {
    became: BTreeMap<(Style, Became), u64>,
    failed: BTreeMap<String, u64>,
    shown: Vec<String>,
}

impl Report {
    fn add(&mut self, case: &Case, result: &Result<Became, String>, go: Option<&mut GoYaml>) {
        let what = match result {
            Ok(became) => {
                *self.became.entry((case.layout.style, became.clone())).or_default() += 1;
                return;
            }
            Err(what) => what,
        };
        let short: String = what.split(['"', '`', '(']).next().unwrap_or_default().chars().take(70).collect();
        let known = self.failed.entry(short.replace(|c: char| c.is_ascii_digit(), "")).or_default();
        *known += 1;
        if *known <= 2 && self.shown.len() < 30 {
            self.shown.push(describe(case, what, go));
        }
    }

    fn show(&self) -> String {
        let mut out =
            format!("{:>14} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "not held", "edited", "same", "refused", "only here");
        for style in STYLES {
            let of = |became| self.became.get(&(*style, became)).copied().unwrap_or(0);
            let inside: u64 = self
                .became
                .iter()
                .filter(|((of, became), _)| of == style && became.reason().is_some())
                .map(|(_, count)| count)
                .sum();
            let _ = write!(out, "{:>14}", format!("{style:?}"));
            for became in [Became::NotHeld, Became::Edited, Became::Unchanged, Became::Refused] {
                let _ = write!(out, " {:>9}", of(became));
            }
            let edited = of(Became::Edited);
            let rate = 100.0 * edited as f64 / (edited + inside).max(1) as f64;
            let _ = writeln!(out, " {inside:>9} {rate:>7.2}% of the possible edits made");
        }
        for ((style, became), count) in &self.became {
            if let Some(reason) = became.reason() {
                let _ = writeln!(out, "{count:>9}  {style:?}, refused inside only: {reason}");
            }
        }
        for (what, count) in &self.failed {
            let _ = writeln!(out, "{count:>9}  FAILED: {what}");
        }
        for shown in &self.shown {
            let _ = writeln!(out, "\n{shown}");
        }
        out
    }
}

/// A failure with the smallest document that still shows it.
fn describe(case: &Case, what: &str, mut go: Option<&mut GoYaml>) -> String {
    let kind = |what: &str| what.split(['"', '`', '(', ':']).next().unwrap_or_default().to_owned();
    let mut small = case.clone();
    let mut shorter = true;
    let mut budget = 300;
    let mut last = what.to_owned();
    while shorter && budget > 0 {
        shorter = false;
        for at in (0..small.document.split_inclusive('\n').count()).rev() {
            let lines = small.document.split_inclusive('\n').enumerate();
            let document: String = lines.filter(|(line, _)| *line != at).map(|(_, line)| line).collect();
            let candidate = Case { document, ..small.clone() };
            budget -= 1;
            let result = batch(vec![candidate.clone()], go.as_deref_mut()).remove(0).1;
            if let Err(now) = result
                && kind(&now) == kind(what)
            {
                (small, last, shorter) = (candidate, now, true);
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
    if let Ok(Ok(alone)) = render(&small.document, &asked_alone(&small)) {
        let _ = writeln!(out, "  alone:    {:?}", alone.text);
    }
    if let Some(embedded) = emit::embed(&small.document, &small.layout) {
        let _ = writeln!(out, "  embedded: {:?}", embedded.text);
        match render(&embedded.text, &asked_inside(&small)) {
            Ok(Ok(inside)) => {
                let _ = writeln!(out, "  inside:   {:?}", inside.text);
            }
            Ok(Err(error)) => {
                let _ = writeln!(out, "  inside:   {error}");
            }
            Err(_) => {}
        }
    }
    out
}

/// A document as JSON, as go-yaml reads it: other texts than a person would write.
fn as_json(text: &str, go: &mut GoYaml, pretty: bool) -> Option<String> {
    let json = go.ask(&[text]).remove(0).ok()?;
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
                json.extend(as_json(&seed.text, &mut go, pretty).map(|text| Seed {
                    name: format!("{} as {}JSON", seed.name, if pretty { "pretty " } else { "" }),
                    text,
                }));
            }
        }
        seeds.extend(json);
    }
    seeds
}

/// The case of a number: first each seed with each edit and style, then mutants.
fn case(seeds: &[Seed], seed: u64, number: u64) -> Case {
    let mut rng = Rng::new(seed ^ 0x00e0_bedd_ed00, number);
    let (from, document) = if rng.one_in(4) {
        let from = rng.pick(seeds);
        (from, from.text.clone())
    } else {
        mutate::mutant(seeds, &mut rng)
    };
    let document = if rng.one_in(8) { format!("{document}\n---\n{}", rng.pick(seeds).text) } else { document };
    let layout = Layout::any(&mut rng);
    let no_target = rng.one_in(5);
    let op = rng.pick(OPS).clone();
    let all_containers = rng.one_in(2);
    Case {
        name: format!("case {number} of seed {seed}, from {}", from.name),
        document,
        op,
        all_containers,
        no_target,
        layout,
    }
}

fn run(count: u64, make: &(dyn Fn(u64) -> Case + Sync)) -> Report {
    const BATCH: u64 = 250;
    let next = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
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
    let count = number("JOBPLATE_MUTANTS").unwrap_or(3000);
    let seed = number("JOBPLATE_MUTANT_SEED").unwrap_or(1);
    let report = match number("JOBPLATE_MUTANT") {
        Some(only) => run(1, &|_| case(&seeds, seed, only)),
        None => run(count, &|number| case(&seeds, seed, number)),
    };
    assert!(report.failed.is_empty(), "\n{}", report.show());
    println!("{}", report.show());
}

#[test]
fn every_seed_is_edited_in_every_style() {
    let seeds = all_seeds();
    // All edits of all seeds where there is time; else each seed in each style, with one of the edits.
    let ops = if number("JOBPLATE_MUTANTS").is_some_and(|count| count > 3000) { OPS.len() } else { 1 };
    let count = seeds.len() * STYLES.len() * ops;
    let make = |number: u64| {
        let number = usize::try_from(number).expect("a small number");
        let mut rng = Rng::new(11, number as u64);
        let seed = &seeds[number / STYLES.len() / ops];
        let layout = Layout::of(STYLES[number % STYLES.len()], &mut rng);
        let op = if ops == 1 { rng.pick(OPS).clone() } else { OPS[number / STYLES.len() % ops].clone() };
        Case {
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

/// The emitters: what they write is read as the document by both readers, in most cases at least.
#[test]
fn emitted_scalars_read_as_the_document() {
    let seeds = all_seeds();
    let mut go = GoYaml::start();
    let mut held: BTreeMap<Style, (u64, u64)> = BTreeMap::new();
    for (at, seed) in seeds.iter().enumerate() {
        for style in STYLES {
            let mut rng = Rng::new(7, at as u64);
            let layout = Layout::of(*style, &mut rng);
            let count = held.entry(*style).or_default();
            count.1 += 1;
            let Some(embedded) = emit::embed(&seed.text, &layout) else { continue };
            assert_eq!(embedded.map.len(), seed.text.len() + 1, "{}: {layout:?}", seed.name);
            let document = model::documents(&embedded.text)[embedded.document];
            let answer = go.as_mut().map(|go| read_by_go_yaml(&go.ask(&[document])[0]));
            let granit = read_by_granit(&embedded.text, embedded.document);
            let both =
                granit.as_ref() == Ok(&seed.text) && answer.as_ref().is_none_or(|text| text.as_ref() == Ok(&seed.text));
            count.0 += u64::from(both);
            if layout.must_be_edited()
                && is_admitted(&seed.text)
                && (style != &Style::Literal || !seed.text.contains('\r'))
            {
                assert!(both, "{}: {layout:?}\n{:?}\n{granit:?}\n{answer:?}", seed.name, embedded.text);
            }
        }
    }
    for (style, (held, of)) in &held {
        println!("{style:?} holds {held} of {of}");
        assert!(*held > 0, "{style:?} holds nothing");
    }
}

/// The judges take what is right, and not what is wrong by a byte.
#[test]
fn judges_have_teeth() {
    let seeds = seeds::read("edited");
    let (mut right, mut wrong) = (0, 0);
    for number in 0..2000 {
        let mut rng = Rng::new(9, number);
        let seed = rng.pick(&seeds);
        let styles = [Style::Literal, Style::Double, Style::PyYaml, Style::GoYaml];
        let mut layout = Layout::of(*rng.pick(&styles), &mut rng);
        layout.ragged = false;
        let op = rng.pick(OPS).clone();
        let case = Case {
            name: seed.name.clone(),
            document: seed.text.clone(),
            op,
            all_containers: false,
            no_target: false,
            layout,
        };
        let Ok(Some(mut prepared)) = prepare(case) else { continue };
        let Ok(alone) = &prepared.alone else { continue };
        let Some(answer) = emit::embed(&alone.text, &prepared.case.layout) else { continue };
        let same = alone.text == prepared.case.document;
        let style = prepared.case.layout.style;
        let judged = |prepared: &Prepared, text: &str| {
            read_by_granit(text, prepared.embedded.document)
                .and_then(|found| same_text(prepared, &found))
                .and_then(|()| bytes(&prepared.case, &prepared.embedded, &alone_text(prepared), text))
        };
        // The long lines of PyYAML and go-yaml would be broken anew, and comments could be taken in.
        if matches!(style, Style::Literal | Style::Double)
            && read_by_granit(&answer.text, answer.document).as_ref() == Ok(&alone.text)
        {
            let verdict = judged(&prepared, &answer.text);
            assert_eq!(verdict, Ok(()), "{:?}\n{:?}\n{:?}", prepared.case, prepared.embedded.text, answer.text);
            right += 1;
        }
        if same {
            continue;
        }
        for _ in 0..8 {
            let mut text = answer.text.clone();
            let at = text.floor_char_boundary(rng.below(text.len()));
            if rng.one_in(2) {
                text.insert(at, *rng.pick(&[' ', '\n', 'x', '#']));
            } else {
                text.remove(at);
            }
            // Blank lines in a block may be indented or not; a header may have another chomping.
            let whole =
                |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").replace(['-', '+'], "");
            if whole(&text) != whole(&answer.text) && style == Style::Literal {
                assert!(judged(&prepared, &text).is_err(), "{:?}\n{:?}\n{text:?}", prepared.case, answer.text);
                wrong += 1;
            }
        }
        prepared.inside = Err(Error::new(jobplate_diagnostic::ErrorKind::Internal, "a bug"));
        assert!(judge(&prepared, None, None).is_err());
    }
    println!("{right} right answers taken, {wrong} wrong ones refused");
    assert!(right > 100 && wrong > 500, "{right} {wrong}");
}

fn alone_text(prepared: &Prepared) -> String {
    prepared.alone.as_ref().map(|alone| alone.text.clone()).unwrap_or_default()
}

fn same_text(prepared: &Prepared, found: &str) -> Result<(), String> {
    same("granit", &alone_text(prepared), found)
}
