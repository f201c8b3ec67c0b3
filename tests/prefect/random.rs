//! Compares jobplate with the installed Prefect. Prefect must give the recorded answers to the hand-written cases,
//! jobplate must give Prefect's answers to random cases, and the cases must cover the branches that create a Job.
//!
//! The generator and the reduction of failing cases do not use `proptest`: a case is reduced line by line in the
//! format of the case files, and a seed and a number determine the same case after a library update.

use std::collections::BTreeMap;
use std::sync::mpsc;

use crate::answer::Answer;
use crate::case::{self, Case, PrefectVersion, topics};
use crate::expected::{BASELINE_CASE, Expected};
use crate::handwritten::{all_expected, describe_failure};
use crate::oracle::{Oracle, report_line};
use crate::preview::Preview;
use crate::reference::Reference;

/// The default number of failures that are reduced and shown. Only the names of other failures are shown.
const MAX_SHOWN: u64 = 12;

/// The number of hash seeds with which Prefect runs to find answers that depend on the order of a set.
const SET_ORDERS: u32 = 6;

/// The maximum number of reductions that are tried for a failing case.
const MAX_REDUCTIONS: usize = 250;

/// The percentage of the measured branches that the cases must cover. The oracle's script lists the measured
/// functions.
const MIN_COVERAGE_PERCENT: u64 = 95;

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.replace('_', "").parse().expect("a number"))
}

/// Checks that Prefect's answers equal the recorded answers and jobplate's answers.
pub(crate) fn check(reference: &Reference) {
    let mut oracles = BTreeMap::new();
    for (position, version) in reference.versions.iter().copied().enumerate() {
        let options: &[&str] = if position == 0 { &["--coverage"] } else { &[] };
        let Some(oracle) = Oracle::start(version, options) else { return };
        oracles.insert(version, oracle);
    }
    let recorded = |version: &PrefectVersion| Some((*version, Oracle::start_seeded(*version, &[], 0)?));
    oracles.extend(reference.recorded.iter().filter_map(recorded));
    if std::env::var_os("JOBPLATE_PREFECT_UPDATE").is_some() {
        return record_answers(reference, &mut oracles);
    }
    let mut failures = check_recorded_answers(reference, &mut oracles);
    let (count, seed) =
        (env_number("JOBPLATE_PREFECT_COUNT", reference.count), env_number("JOBPLATE_PREFECT_SEED", random_seed()));
    failures.extend(compare_random_cases(reference, &mut oracles, count, seed));
    let about = format!("seed {seed} (JOBPLATE_PREFECT_SEED), {count} random cases");
    let measured = oracles.remove(&reference.versions[0]).and_then(|oracle| oracle.end(true)).expect("it measures");
    for oracle in oracles.into_values() {
        oracle.end(false);
    }
    let get_count = |name: &str| measured[name].as_u64().expect("a number");
    let (covered, branches) = (get_count("covered"), get_count("branches"));
    report_line(&format!(
        "{}: {about}, {} differences; {covered} of {branches} branches",
        reference.name,
        failures.len()
    ));
    assert!(failures.is_empty(), "{} differences; {about}\n{}", failures.len(), failures.join("\n"));
    assert!(
        covered * 100 >= branches * MIN_COVERAGE_PERCENT,
        "only {covered} of {branches} branches: {}",
        measured["missing"]
    );
}

/// Returns the default seed of the random cases. The seed is constant: with a new seed every day, tests would fail
/// for people who changed nothing.
fn random_seed() -> u64 {
    1
}

/// Compares Prefect's answers to the hand-written cases with the recorded answers, and returns the differences. Jobs
/// must be equal. Errors must have the same type: their text depends on the version of Python.
fn check_recorded_answers(reference: &Reference, oracles: &mut BTreeMap<PrefectVersion, Oracle>) -> Vec<String> {
    let kind = |why: &str| why.split(':').next().unwrap_or_default().to_owned();
    let mut failures = Vec::new();
    for (cases, expected) in all_expected(reference) {
        for (version, oracle) in oracles.iter() {
            let Some(recorded_by) = expected.versions.get(version.short()) else { continue };
            let is_same = reference.recorded_by.iter().all(|name| recorded_by[name] == oracle.versions[name]);
            assert!(is_same, "other versions: JOBPLATE_PREFECT_UPDATE=1");
        }
        for case in &cases {
            let (Some(oracle), Some(expected)) = (oracles.get_mut(&case.version), expected.get(case)) else { continue };
            let answer = oracle.ask(case);
            let is_same = match (&answer, expected) {
                (Answer::Failure(own), Answer::Failure(expected)) => kind(own) == kind(expected),
                _ => answer.difference(expected).is_none(),
            };
            if !is_same {
                failures.push(describe_failure(case, &answer, ": this is no longer what is expected", expected));
            }
        }
    }
    failures
}

/// Runs random cases through both programs in parallel, and returns the differences.
fn compare_random_cases(
    reference: &Reference,
    oracles: &mut BTreeMap<PrefectVersion, Oracle>,
    count: u64,
    seed: u64,
) -> Vec<String> {
    let cases: Vec<Case> = (0..count).map(|number| (reference.random)(seed, number)).collect();
    let (send, receive) = mpsc::channel();
    let shown = usize::try_from(env_number("JOBPLATE_PREFECT_SHOWN", MAX_SHOWN)).expect("a small number");
    let mut failures = Vec::new();
    let mut orders = BTreeMap::new();
    let (mut unstable, mut jobs, mut refused) = (0, 0, 0);
    let preview = Preview::new();
    std::thread::scope(|scope| {
        let cases = &cases;
        scope.spawn(move || {
            let preview = Preview::new();
            for case in cases {
                if send.send(preview.ask(case)).is_err() {
                    break;
                }
            }
        });
        for case in cases {
            let oracle = oracles.get_mut(&case.version).expect("every version");
            let prefect = oracle.ask(case);
            jobs += u64::from(matches!(prefect, Answer::Job(_)));
            let Ok(ours) = receive.recv() else { panic!("the previews stopped") };
            refused += u64::from(matches!((&prefect, &ours), (Answer::Job(_), Answer::Refused(_))));
            let Some(difference) = prefect.difference(&ours) else { continue };
            if depends_on_set_order(&mut orders, case, &prefect) {
                unstable += 1;
                continue;
            }
            if failures.len() >= shown {
                failures.push(case.name.clone());
                continue;
            }
            let small = reduce(case, oracle, &preview);
            let (prefect, ours) = (oracle.ask(&small), preview.ask(&small));
            let difference = prefect.difference(&ours).unwrap_or(difference);
            failures.push(describe_failure(&small, &prefect, &difference, &ours));
        }
    });
    report_line(&format!(
        "{}: of {count} random cases, {jobs} make a Job, {unstable} now this Job, now that; {refused} are not followed",
        reference.name
    ));
    assert!(refused * 50 < count, "too many cases are not followed");
    assert!(jobs * 5 > count * 2, "too few random cases make a Job");
    failures
}

/// Returns whether Prefect's answer depends on the order of a set, for example because Prefect resolves references
/// between settings in that order.
fn depends_on_set_order(orders: &mut BTreeMap<PrefectVersion, Vec<Oracle>>, case: &Case, answer: &Answer) -> bool {
    let start = || (1..=SET_ORDERS).filter_map(|seed| Oracle::start_seeded(case.version, &[], seed)).collect();
    let orders: &mut Vec<Oracle> = orders.entry(case.version).or_insert_with(start);
    orders.iter_mut().any(|oracle| oracle.ask(case).to_text() != answer.to_text())
}

/// Removes lines from a case as long as the two programs differ in the same way: both create a Job, or the same program
/// fails. Returns the smallest case that was found.
fn reduce(case: &Case, oracle: &mut Oracle, preview: &Preview) -> Case {
    let outcome_of =
        |prefect: &Answer, ours: &Answer| (matches!(prefect, Answer::Job(_)), matches!(ours, Answer::Job(_)));
    let outcome = outcome_of(&oracle.ask(case), &preview.ask(case));
    let mut smallest = case.clone();
    let mut tries = 0;
    loop {
        let mut found = None;
        for reduction in case::reductions(&smallest) {
            tries += 1;
            let (prefect, ours) = (oracle.ask(&reduction), preview.ask(&reduction));
            if prefect.difference(&ours).is_some() && outcome_of(&prefect, &ours) == outcome {
                found = Some(reduction);
                break;
            }
            if tries >= MAX_REDUCTIONS {
                break;
            }
        }
        match found {
            Some(reduction) => smallest = reduction,
            None => return smallest,
        }
    }
}

/// Records Prefect's answers to the hand-written cases. Keeps the recorded answers of versions that are not
/// installed.
fn record_answers(reference: &Reference, oracles: &mut BTreeMap<PrefectVersion, Oracle>) {
    let mut baseline: Option<Expected> = None;
    let mut topics = topics(reference);
    topics.sort_by_key(|(topic, _)| topic != BASELINE_CASE.0);
    for (topic, cases) in topics {
        let old = Expected::read(reference, &topic, baseline.as_ref());
        let mut expected = Expected::default();
        for case in &cases {
            let short = case.version.short().to_owned();
            let (answer, recorded_by) = match (oracles.get_mut(&case.version), &old) {
                (Some(oracle), _) => (oracle.ask(case), Some(oracle.versions.clone())),
                (None, Ok(old)) => match old.get(case) {
                    Some(answer) => (answer.clone(), old.versions.get(&short).cloned()),
                    None => panic!("{}, {short}: Prefect {} is not there", case.name, case.version.full()),
                },
                (None, Err(error)) => panic!("{}, {short}: {error}", case.name),
            };
            expected.versions.insert(short, recorded_by.expect("who made it"));
            expected.add(case, answer);
        }
        expected.write(reference, &topic, &cases, baseline.as_ref());
        if topic == BASELINE_CASE.0 {
            baseline = Some(expected);
        }
    }
}
