//! Checks that the hand-written cases and the golden commands detect a wrong preview. `cargo xtask swaps` builds a
//! program that can swap two arms of any `match`, and runs this test with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::answer::Answer;
use crate::golden;
use crate::handwritten::all_expected;
use crate::oracle::report_line;
use crate::preview::Preview;
use crate::reference::Reference;
use crate::run;

/// A check that passes with the unchanged program.
type Check = Box<dyn Fn() -> bool>;

#[test]
#[ignore = "needs a program that can swap arms: cargo xtask swaps"]
fn swapped_arms_are_noticed() {
    let list = fs::read_to_string(std::env::var_os("JOBPLATE_SWAPS").expect("JOBPLATE_SWAPS")).expect("the pairs");
    let pairs: BTreeMap<usize, &str> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(n, description)| (n.parse().expect("a number"), description))
        .collect();
    let (chosen, trace) = (beside("swap"), beside("trace"));
    drop((fs::remove_file(&chosen), fs::remove_file(&trace)));
    let checks = checks();
    let mut by_pair: BTreeMap<usize, Vec<&Check>> = BTreeMap::new();
    let mut failing = 0;
    for check in &checks {
        fs::write(&trace, "").expect("a file can be written");
        if !check() {
            failing += 1;
            continue;
        }
        let seen = fs::read_to_string(&trace).expect("a trace");
        for pair in seen.lines().filter_map(|line| line.parse().ok()).collect::<BTreeSet<usize>>() {
            by_pair.entry(pair).or_default().push(check);
        }
    }
    fs::remove_file(&trace).expect("a file can be removed");
    report_line(&format!("{} checks, {failing} of which fail without a swap", checks.len()));
    let mut equivalent: BTreeSet<&str> =
        include_str!("equivalent.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut faults = Vec::new();
    for (pair, description) in &pairs {
        fs::write(&chosen, pair.to_string()).expect("a file can be written");
        let pair_checks = by_pair.get(pair).map(Vec::as_slice).unwrap_or_default();
        let is_caught = !pair_checks.iter().all(|check| check());
        let (file, rest) = description.split_once(':').expect("a file");
        let (_, patterns) = rest.split_once(": ").expect("a line");
        match (is_caught, equivalent.take(format!("{file}: {patterns}").as_str())) {
            (false, None) => faults.push(format!("{description}: unnoticed ({} checks come by)", pair_checks.len())),
            (true, Some(_)) => faults.push(format!("{description}: noticed, and yet in equivalent.txt")),
            _ => {}
        }
    }
    fs::remove_file(&chosen).expect("a file can be removed");
    faults.extend(equivalent.into_iter().map(|gone| format!("{gone}: is in equivalent.txt, and no swap")));
    assert!(faults.is_empty(), "{} of {} swaps\n{}", faults.len(), pairs.len(), faults.join("\n"));
    report_line(&format!("all of {} swaps are noticed", pairs.len()));
}

/// Returns the path of a file next to the program: the program's path with another extension.
fn beside(extension: &str) -> PathBuf {
    run::binary().with_extension(extension)
}

fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let of_side =
        |reference: &'static Reference| all_expected(reference).into_iter().map(move |topic| (reference, topic));
    for (reference, (cases, expected)) in Reference::ALL.into_iter().flat_map(of_side) {
        for case in cases {
            let answer = expected.get(&case).expect("every case has an expectation").clone();
            let preview = Preview::new();
            // A supported case must not be refused.
            let is_followed = matches!(answer, Answer::Job(_)) && !reference.refused.contains(&case.name.as_str());
            checks.push(Box::new(move || {
                let ours = preview.ask(&case);
                answer.difference(&ours).is_none() && !(is_followed && matches!(ours, Answer::Refused(_)))
            }));
        }
    }
    let directory = golden::cases_dir();
    for file in run::files_below(&directory)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
    {
        let text = fs::read_to_string(directory.join(&file)).expect("a golden command");
        if let Ok(case) = golden::GoldenCase::parse(&text) {
            checks.push(Box::new(move || case.run().1.is_empty()));
        }
    }
    checks
}
