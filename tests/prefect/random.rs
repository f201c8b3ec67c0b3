//! Prefect itself: it still makes of the hand-written cases what is expected, jobplate makes of random ones what
//! Prefect makes of them, and together they go every way through what makes a Job.

use std::collections::BTreeMap;
use std::sync::mpsc;

use crate::answer::Answer;
use crate::case::{self, Case, PrefectVersion, topics};
use crate::expected::{Expected, PLAIN};
use crate::handwritten::{all_expected, failure};
use crate::oracle::{Oracle, report_line};
use crate::preview::Preview;
use crate::reference::Reference;

/// Failures that are made smaller and shown; of the others only the names.
const SHOWN: u64 = 12;

/// In how many orders of its sets Prefect is asked whether it always says the same.
const ORDERS: u32 = 6;

/// How often a failing case is tried smaller.
const TRIES: usize = 250;

/// Branches of what is measured that must be gone, of a hundred: which functions these are, the driver says.
const COVERED: u64 = 95;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.replace('_', "").parse().expect("a number"))
}

/// Prefect itself makes the same.
pub(crate) fn check(side: &Reference) {
    let mut oracles = BTreeMap::new();
    for (place, version) in side.versions.iter().copied().enumerate() {
        let options: &[&str] = if place == 0 { &["--coverage"] } else { &[] };
        let Some(oracle) = Oracle::start(version, options) else { return };
        oracles.insert(version, oracle);
    }
    let recorded = |version: &PrefectVersion| Some((*version, Oracle::start_seeded(*version, &[], 0)?));
    oracles.extend(side.recorded.iter().filter_map(recorded));
    if std::env::var_os("JOBPLATE_PREFECT_UPDATE").is_some() {
        return update(side, &mut oracles);
    }
    let mut failures = still_expected(side, &mut oracles);
    let (count, seed) = (number("JOBPLATE_PREFECT_COUNT", side.count), number("JOBPLATE_PREFECT_SEED", random_seed()));
    failures.extend(random(side, &mut oracles, count, seed));
    let about = format!("seed {seed} (JOBPLATE_PREFECT_SEED), {count} random cases");
    let measured = oracles.remove(&side.versions[0]).and_then(|oracle| oracle.end(true)).expect("it measures");
    for oracle in oracles.into_values() {
        oracle.end(false);
    }
    let of = |name: &str| measured[name].as_u64().expect("a number");
    let (covered, branches) = (of("covered"), of("branches"));
    report_line(&format!("{}: {about}, {} differences; {covered} of {branches} branches", side.name, failures.len()));
    assert!(failures.is_empty(), "{} differences; {about}\n{}", failures.len(), failures.join("\n"));
    assert!(covered * 100 >= branches * COVERED, "only {covered} of {branches} branches: {}", measured["missing"]);
}

/// Another one each day would fail for somebody who changed nothing: it is always the same, unless one is named.
fn random_seed() -> u64 {
    1
}

/// Whether Prefect still makes of the hand-written cases what is expected of them: the same Job, or a failure of
/// the same type, whose words depend on the version of Python.
fn still_expected(side: &Reference, oracles: &mut BTreeMap<PrefectVersion, Oracle>) -> Vec<String> {
    let kind = |why: &str| why.split(':').next().unwrap_or_default().to_owned();
    let mut failures = Vec::new();
    for (cases, expected) in all_expected(side) {
        for (version, oracle) in oracles.iter() {
            let Some(made_by) = expected.versions.get(version.short()) else { continue };
            let is_same = side.made_by.iter().all(|name| made_by[name] == oracle.versions[name]);
            assert!(is_same, "other versions: JOBPLATE_PREFECT_UPDATE=1");
        }
        for case in &cases {
            let (Some(oracle), Some(expected)) = (oracles.get_mut(&case.version), expected.of(case)) else { continue };
            let answer = oracle.ask(case);
            let is_same = match (&answer, expected) {
                (Answer::Fails(own), Answer::Fails(expected)) => kind(own) == kind(expected),
                _ => answer.difference(expected).is_none(),
            };
            if !is_same {
                failures.push(failure(case, &answer, ": this is no longer what is expected", expected));
            }
        }
    }
    failures
}

/// Asks both sides of random cases, at once.
fn random(side: &Reference, oracles: &mut BTreeMap<PrefectVersion, Oracle>, count: u64, seed: u64) -> Vec<String> {
    let cases: Vec<Case> = (0..count).map(|number| (side.random)(seed, number)).collect();
    let (send, receive) = mpsc::channel();
    let shown = usize::try_from(number("JOBPLATE_PREFECT_SHOWN", SHOWN)).expect("a small number");
    let mut failures = Vec::new();
    let mut orders = BTreeMap::new();
    let (mut unsteady, mut jobs, mut refused) = (0, 0, 0);
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
            if is_unsteady(&mut orders, case, &prefect) {
                unsteady += 1;
                continue;
            }
            if failures.len() >= shown {
                failures.push(case.name.clone());
                continue;
            }
            let small = make_smaller(case, oracle, &preview);
            let (prefect, ours) = (oracle.ask(&small), preview.ask(&small));
            let difference = prefect.difference(&ours).unwrap_or(difference);
            failures.push(failure(&small, &prefect, &difference, &ours));
        }
    });
    report_line(&format!(
        "{}: of {count} random cases, {jobs} make a Job, {unsteady} now this Job, now that; {refused} are not followed",
        side.name
    ));
    assert!(refused * 50 < count, "too many cases are not followed");
    assert!(jobs * 5 > count * 2, "too few random cases make a Job");
    failures
}

/// Whether Prefect's answer hangs on the order of a set: settings that refer to each other are looked up in one, and
/// the text of a set has it.
fn is_unsteady(orders: &mut BTreeMap<PrefectVersion, Vec<Oracle>>, case: &Case, answer: &Answer) -> bool {
    let start = || (1..=ORDERS).filter_map(|seed| Oracle::start_seeded(case.version, &[], seed)).collect();
    let orders: &mut Vec<Oracle> = orders.entry(case.version).or_insert_with(start);
    orders.iter_mut().any(|oracle| oracle.ask(case).print() != answer.print())
}

/// Leaves out lines as long as the two sides still differ, in the same way: both make a Job, or the same one fails.
fn make_smaller(case: &Case, oracle: &mut Oracle, preview: &Preview) -> Case {
    let sides = |prefect: &Answer, ours: &Answer| (matches!(prefect, Answer::Job(_)), matches!(ours, Answer::Job(_)));
    let way = sides(&oracle.ask(case), &preview.ask(case));
    let mut smallest = case.clone();
    let mut tries = 0;
    loop {
        let mut found = None;
        for smaller in case::smaller(&smallest) {
            tries += 1;
            let (prefect, ours) = (oracle.ask(&smaller), preview.ask(&smaller));
            if prefect.difference(&ours).is_some() && sides(&prefect, &ours) == way {
                found = Some(smaller);
                break;
            }
            if tries >= TRIES {
                break;
            }
        }
        match found {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Writes what is expected of the hand-written cases. Of versions that are not there, it stays as it is.
fn update(side: &Reference, oracles: &mut BTreeMap<PrefectVersion, Oracle>) {
    let mut plain: Option<Expected> = None;
    let mut topics = topics(side);
    topics.sort_by_key(|(topic, _)| topic != PLAIN.0);
    for (topic, cases) in topics {
        let old = Expected::read(side, &topic, plain.as_ref());
        let mut expected = Expected::default();
        for case in &cases {
            let short = case.version.short().to_owned();
            let (answer, made_by) = match (oracles.get_mut(&case.version), &old) {
                (Some(oracle), _) => (oracle.ask(case), Some(oracle.versions.clone())),
                (None, Ok(old)) => match old.of(case) {
                    Some(answer) => (answer.clone(), old.versions.get(&short).cloned()),
                    None => panic!("{}, {short}: Prefect {} is not there", case.name, case.version.full()),
                },
                (None, Err(error)) => panic!("{}, {short}: {error}", case.name),
            };
            expected.versions.insert(short, made_by.expect("who made it"));
            expected.add(case, answer);
        }
        expected.write(side, &topic, &cases, plain.as_ref());
        if topic == PLAIN.0 {
            plain = Some(expected);
        }
    }
}
