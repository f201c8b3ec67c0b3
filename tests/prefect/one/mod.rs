//! Hand-written cases: what each rule of Prefect's agent, of its configuration and of PyYAML comes to.

use crate::answer::Answer;
use crate::case::{Case, Version, topics};
use crate::expected::{Expected, PLAIN};
use crate::oracle::{Oracle, say};
use crate::preview::Preview;

/// What is expected of all of them, by topic.
pub(crate) fn all_expected() -> Vec<(Vec<Case>, Expected)> {
    let plain = Expected::read(PLAIN.0, None).expect("what is expected of the plain case");
    let read = |(topic, cases): (String, Vec<Case>)| {
        let expected = Expected::read(&topic, Some(&plain)).unwrap_or_else(|error| panic!("{topic}: {error}"));
        (cases, expected)
    };
    topics().into_iter().map(read).collect()
}

/// One failure of a test that goes through many cases.
pub(crate) fn failure(case: &Case, prefect: &Answer, difference: &str, ours: &Answer) -> String {
    let short = |answer: &Answer| answer.print().chars().take(300).collect::<String>();
    format!(
        "== {}, Prefect {}\n{difference}\n\n{}\nPrefect: {}\nours:    {}\n",
        case.name,
        case.version.full(),
        case.print(),
        short(prefect),
        short(ours)
    )
}

/// Cases of which Prefect makes a Job and jobplate says that it does not follow them, in their order.
pub(crate) const REFUSED: [&str; 11] = [
    "names-of-characters 1",
    "names-of-characters 2",
    "halves-of-characters 1",
    "halves-of-characters 2",
    "halves-of-characters 3",
    "block-alone 2",
    "tags",
    "tags-alone 38",
    "directives",
    "a-tag-directive-for-one-mark",
    "other-ends-of-lines",
];

#[test]
fn previews_are_what_prefect_makes() {
    if std::env::var_os("JOBPLATE_PREFECT_UPDATE").is_some() {
        return say("LEFT OUT, the hand-written cases: what is expected of them is being written");
    }
    let mut failures = Vec::new();
    let mut count = 0;
    let mut refused = Vec::new();
    let preview = Preview::new();
    for (cases, expected) in all_expected() {
        assert_eq!(expected.len(), cases.len(), "as many expectations as cases: JOBPLATE_PREFECT_UPDATE=1");
        for case in &cases {
            let prefect = expected.of(case).unwrap_or_else(|| panic!("{}: JOBPLATE_PREFECT_UPDATE=1", case.name));
            let ours = preview.ask(case);
            count += 1;
            if matches!((prefect, &ours), (Answer::Job(_), Answer::Refused(_))) {
                refused.push(case.name.clone());
            }
            if let Some(difference) = prefect.difference(&ours) {
                failures.push(failure(case, prefect, &difference, &ours));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 300, "{count} cases");
    refused.dedup();
    assert_eq!(refused, REFUSED, "what Prefect takes and jobplate refuses to follow");
}

/// That one process answers thousands of cases is our doing, not Prefect's: it must not show.
#[test]
fn one_process_answers_as_one_for_each_case_does() {
    let wants_all = std::env::var_os("JOBPLATE_PREFECT_FRESH").is_some_and(|all| all == "all");
    for version in Version::ALL {
        let cases: Vec<Case> =
            topics().into_iter().flat_map(|(_, cases)| cases).filter(|case| case.version == version).collect();
        let step = if wants_all { 1 } else { cases.len().div_ceil(12) };
        let Some(mut shared) = Oracle::start(version, &[]) else { return };
        let Some(mut fresh) = Oracle::start(version, &["--fresh"]) else { return };
        let mut other = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            // Asked of all, so that the shared process has a past.
            let answer = shared.ask(case);
            if number % step == 0 {
                let alone = fresh.ask(case);
                if answer.print() != alone.print() {
                    other.push(format!("{}\nalone:  {}\nshared: {}", case.print(), alone.print(), answer.print()));
                }
            }
        }
        assert!(other.is_empty(), "{} answers differ\n{}", other.len(), other.join("\n"));
        shared.end(false);
        fresh.end(false);
    }
}
