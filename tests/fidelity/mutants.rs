//! Runs mutants in batches of constant memory on two threads, and counts the results.
//!
//! A mutant is determined by its number and the seed of the run: `JOBPLATE_MUTANT=NUMBER` runs a single mutant again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::check::{self, CaseResult, EditCase, Failure, OPS};
use crate::goyaml::GoYaml;
use crate::mutate;
use crate::rng::Rng;
use crate::seeds::Seed;

const BATCH: u64 = 1000;
/// The maximum number of failures that are shrunk and shown. The others are only counted.
const MAX_SHOWN: usize = 40;

/// Counts the results of a run.
#[derive(Default)]
pub(crate) struct MutantReport {
    mutants: u64,
    compared_documents: u64,
    one_target: u64,
    must_refuse: u64,
    edited: u64,
    unchanged: u64,
    by_fallback: u64,
    /// The number of documents that were edited although go-yaml does not read them, keyed by go-yaml's error.
    unreadable_edited: BTreeMap<String, u64>,
    go_yaml: bool,
    /// The number of refusals of streams with exactly one target, keyed by message.
    refused: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    shown: Vec<String>,
}

/// Runs the mutants `0..count` of a seed, or only the mutant `single`.
pub(crate) fn run(seeds: &[Seed], seed: u64, count: u64, single: Option<u64>) -> MutantReport {
    let next = AtomicU64::new(single.unwrap_or(0));
    let end = single.map_or(count, |number| number + 1);
    let report = Mutex::new(MutantReport::default());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(2);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut go = GoYaml::start();
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= end {
                        break;
                    }
                    let cases = (from..(from + BATCH).min(end)).map(|number| case(seeds, seed, number)).collect();
                    let results = batch(cases, go.as_mut());
                    let mut report = report.lock().expect("no thread panicked");
                    report.go_yaml = go.is_some();
                    for (case, result) in results {
                        report.add(&case, &result, go.as_mut());
                    }
                }
            });
        }
    });
    report.into_inner().expect("no thread panicked")
}

fn case(seeds: &[Seed], seed: u64, number: u64) -> EditCase {
    let mut rng = Rng::new(seed, number);
    let (from, text) = mutate::mutant(seeds, &mut rng);
    let op = rng.pick(OPS).clone();
    let all_containers = rng.one_in(2);
    EditCase { name: format!("mutant {number} of seed {seed}, from {}", from.name), text, op, all_containers }
}

/// Checks cases. Passes all of them to go-yaml in one batch.
pub(crate) fn batch(cases: Vec<EditCase>, go: Option<&mut GoYaml>) -> Vec<(EditCase, CaseResult)> {
    let prepared: Vec<check::PreparedEdit> = cases.into_iter().map(check::prepare).collect();
    let responses = go
        .map(|go| go.parse(&prepared.iter().flat_map(|prepared_case| prepared_case.inputs.iter()).collect::<Vec<_>>()));
    let mut from = 0;
    prepared
        .into_iter()
        .map(|prepared_case| {
            let range = from..from + prepared_case.inputs.len();
            from = range.end;
            let (case, result, _) = check::finish(prepared_case, responses.as_ref().map(|responses| &responses[range]));
            (case, result)
        })
        .collect()
}

impl MutantReport {
    fn add(&mut self, case: &EditCase, result: &CaseResult, go: Option<&mut GoYaml>) {
        self.mutants += 1;
        self.compared_documents += result.compared_documents as u64;
        self.by_fallback += u64::from(result.by_fallback);
        if let Some(reason) = &result.unreadable_edited {
            // Remove line numbers and quoted input, to count equal reasons together.
            let reason = reason.replace(|c: char| c.is_ascii_digit(), "");
            let reason = reason.split(['\'', '"', '`']).next().unwrap_or_default();
            *self.unreadable_edited.entry(reason.to_owned()).or_default() += 1;
        }
        if result.one_target {
            self.one_target += 1;
            if result.must_refuse {
                self.must_refuse += 1;
            } else if result.edited {
                self.edited += 1;
            } else if result.rendered {
                self.unchanged += 1;
            } else if let Some(reason) = &result.refused {
                *self.refused.entry(without_names(reason)).or_default() += 1;
            }
        }
        if let Some(first) = result.failures.first() {
            let message = without_names(
                &first
                    .message
                    .split(&[':', '"', '/'][..])
                    .next()
                    .unwrap_or_default()
                    .replace(|c: char| c.is_ascii_digit(), ""),
            );
            let count = self.failed.entry(format!("{}: {message}", first.oracle)).or_default();
            *count += 1;
            if *count <= 2 && self.shown.len() < MAX_SHOWN {
                self.shown.push(describe(case, &result.failures, go));
            }
        }
    }

    /// Returns the number of failures of all oracles.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the percentage of editable streams that were edited or needed no change.
    pub(crate) fn edited_percent(&self) -> f64 {
        let editable = self.one_target - self.must_refuse;
        if editable == 0 { 100.0 } else { 100.0 * (self.edited + self.unchanged) as f64 / editable as f64 }
    }

    /// Returns whether the results were compared with go-yaml.
    pub(crate) fn has_go_yaml(&self) -> bool {
        self.go_yaml
    }

    /// Formats the counts, followed by the failures.
    pub(crate) fn show(&self) -> String {
        let mut out = String::new();
        let mut row = |name: &str, count: u64| {
            let _ = writeln!(out, "{count:>10}  {name}");
        };
        row("mutants", self.mutants);
        row("documents read by scanner and granit, compared node by node", self.compared_documents);
        row("read by go-yaml and granit, with exactly one target", self.one_target);
        row("  of these, edited", self.edited);
        row("  of these, nothing to change", self.unchanged);
        row("  of these, to be refused by the contract", self.must_refuse);
        for (reason, count) in &self.refused {
            row(&format!("  of these, refused: {reason}"), *count);
        }
        row("edited with the help of the fallback parser", self.by_fallback);
        for (reason, count) in &self.unreadable_edited {
            row(&format!("edited, though go-yaml does not read it: {reason}"), *count);
        }
        for (oracle, count) in &self.failed {
            row(&format!("FAILED: {oracle}"), *count);
        }
        let _ = writeln!(out, "{:>9.2}%  edited or unchanged, of those that could be", self.edited_percent());
        for failure in &self.shown {
            let _ = writeln!(out, "\n{failure}");
        }
        out
    }
}

/// Returns the message of a refusal without its names, so that equal refusals are counted together.
fn without_names(reason: &str) -> String {
    let mut out = String::new();
    for (at, part) in reason.split('`').enumerate() {
        out.push_str(if at % 2 == 0 { part } else { "`…`" });
    }
    out
}

/// Describes a failure with a shrunk stream that still causes it.
pub(crate) fn describe(case: &EditCase, failures: &[Failure], go: Option<&mut GoYaml>) -> String {
    let mut out = format!("{}: {:?}, all containers: {}\n", case.name, case.op, case.all_containers);
    for failure in failures {
        let _ = writeln!(out, "  {}: {}", failure.oracle, failure.message);
    }
    let small = shrink(case, failures[0].oracle, go);
    let _ = writeln!(out, "  text: {:?}", small.text);
    if let Ok(Ok(rendered)) = std::panic::catch_unwind(|| {
        jobplate::render::to_string(&small.text, &check::injection(&small.op, small.all_containers))
    }) {
        let _ = writeln!(out, "  edited: {:?}", rendered.text);
    }
    out
}

/// Removes lines as long as the same oracle still reports a failure.
fn shrink(case: &EditCase, oracle: &str, mut go: Option<&mut GoYaml>) -> EditCase {
    let mut fails = |text: &str| {
        let candidate = EditCase { text: text.to_owned(), ..case.clone() };
        let results = batch(vec![candidate], go.as_deref_mut());
        results[0].1.failures.iter().any(|failure| failure.oracle == oracle)
    };
    let mut text = case.text.clone();
    let mut budget = 600;
    let mut shorter = true;
    while shorter && budget > 0 {
        shorter = false;
        let pieces: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        for at in (0..pieces.len()).rev() {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            if at >= lines.len() || budget == 0 {
                continue;
            }
            let candidate: String =
                lines.iter().enumerate().filter(|(line, _)| *line != at).map(|(_, line)| *line).collect();
            budget -= 1;
            if fails(&candidate) {
                text = candidate;
                shorter = true;
            }
        }
    }
    EditCase { text, ..case.clone() }
}
