//! Checks hand-written cases. Each case shows the effect of a rule of Prefect.

use crate::answer::Answer;
use crate::case::{Case, topics};
use crate::expected::{BASELINE_CASE, Expected};
use crate::oracle::{Oracle, report_line};
use crate::preview::Preview;
use crate::reference::Reference;

/// Reads all hand-written cases and their recorded answers, grouped by topic.
pub(crate) fn all_expected(reference: &Reference) -> Vec<(Vec<Case>, Expected)> {
    let baseline = Expected::read(reference, BASELINE_CASE.0, None).expect("what is expected of the plain case");
    let read = |(topic, cases): (String, Vec<Case>)| {
        let expected =
            Expected::read(reference, &topic, Some(&baseline)).unwrap_or_else(|error| panic!("{topic}: {error}"));
        (cases, expected)
    };
    topics(reference).into_iter().map(read).collect()
}

/// Describes a failing case in a test of many cases.
pub(crate) fn describe_failure(case: &Case, prefect: &Answer, difference: &str, ours: &Answer) -> String {
    let short = |answer: &Answer| answer.to_text().chars().take(300).collect::<String>();
    format!(
        "== {}, Prefect {}\n{difference}\n\n{}\nPrefect: {}\nours:    {}\n",
        case.name,
        case.version.full(),
        case.to_text(),
        short(prefect),
        short(ours)
    )
}

/// Checks that previews match Prefect's recorded answers.
pub(crate) fn check(reference: &Reference) {
    if std::env::var_os("JOBPLATE_PREFECT_UPDATE").is_some() {
        return report_line("LEFT OUT, the hand-written cases: what is expected of them is being written");
    }
    let mut failures = Vec::new();
    let mut count = 0;
    let mut refused = Vec::new();
    let preview = Preview::new();
    for (cases, expected) in all_expected(reference) {
        assert_eq!(expected.len(), cases.len(), "as many expectations as cases: JOBPLATE_PREFECT_UPDATE=1");
        for case in &cases {
            let prefect = expected.get(case).unwrap_or_else(|| panic!("{}: JOBPLATE_PREFECT_UPDATE=1", case.name));
            let ours = preview.ask(case);
            count += 1;
            if matches!((prefect, &ours), (Answer::Job(_), Answer::Refused(_))) {
                refused.push(case.name.clone());
            }
            if let Some(difference) = prefect.difference(&ours) {
                failures.push(describe_failure(case, prefect, &difference, &ours));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}\n{}", failures.len(), failures.join("\n"));
    assert!(count >= reference.min_cases, "{count} cases");
    refused.dedup();
    assert_eq!(refused, reference.refused, "what Prefect takes and jobplate refuses to follow");
}

/// Checks that one process for all cases gives the same answers as a new process for each case. Outside the tests,
/// Prefect does not process thousands of cases in one process.
pub(crate) fn check_fresh(reference: &Reference) {
    let runs_all = std::env::var_os("JOBPLATE_PREFECT_FRESH").is_some_and(|value| value == "all");
    for version in reference.versions.iter().copied() {
        let cases: Vec<Case> =
            topics(reference).into_iter().flat_map(|(_, cases)| cases).filter(|case| case.version == version).collect();
        let step = if runs_all { 1 } else { cases.len().div_ceil(12) };
        let Some(mut shared) = Oracle::start(version, &[]) else { return };
        let Some(mut fresh) = Oracle::start(version, &["--fresh"]) else { return };
        let mut differences = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            // All cases are sent, so the shared process has answered other cases before this case.
            let shared_answer = shared.ask(case);
            if number % step == 0 {
                let fresh_answer = fresh.ask(case);
                if shared_answer.to_text() != fresh_answer.to_text() {
                    differences.push(format!(
                        "{}\nalone:  {}\nshared: {}",
                        case.to_text(),
                        fresh_answer.to_text(),
                        shared_answer.to_text()
                    ));
                }
            }
        }
        assert!(differences.is_empty(), "{} answers differ\n{}", differences.len(), differences.join("\n"));
        shared.end(false);
        fresh.end(false);
    }
}
