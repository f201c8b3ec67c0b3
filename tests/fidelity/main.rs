//! Fidelity tests: other YAML readers check the edits of manifests.
//!
//! The inputs of the scanner and the renderer are seeds (one per layout of a manifest), mutants of the seeds, the YAML
//! test suite and random scalars. The results are checked with granit-parser, yaml_serde and go-yaml (the reader of
//! Kubernetes). `model` is a second definition of the edits, so the checks share no code with the library.
//!
//! `cargo xtask test` runs these tests in an optimized build with many mutants, and `cargo xtask mutants` runs even
//! more. The tests use only the library's public interface.

#![allow(clippy::print_stdout, clippy::print_stderr)] // The tests print counts and warnings.

mod bytes;
mod check;
mod checksums;
mod embedded;
mod emit;
mod golden;
mod goyaml;
mod granit;
mod model;
mod mutants;
mod mutate;
mod prefilter;
mod rng;
mod scalars;
mod scanner;
mod seeds;
mod suite;
mod tree;
mod witness;

use check::{EditCase, OPS};
use goyaml::GoYaml;
use model::Op;

/// Returns the number in an environment variable, or `None` if the variable is not set.
fn env_number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

/// Returns whether an edit of a seed may be refused, because the layout is rare or cannot be kept.
fn may_be_refused(seed: &str, op: &Op) -> bool {
    let removes = matches!(op, Op::Unset(_) | Op::Many(_));
    match seed {
        "env-key-explicit" => true,
        // The removal would have to move a comment after the entry's comma, or a tag before the next entry.
        "flow-env-trailing-comma-lines" | "flow-entry-tagged-after-another" => removes,
        _ => false,
    }
}

fn cases_of(seeds: &[seeds::Seed]) -> Vec<EditCase> {
    let mut cases = Vec::new();
    for seed in seeds {
        for op in OPS {
            for all_containers in [false, true] {
                let (name, text) = (seed.name.clone(), seed.text.clone());
                cases.push(EditCase { name, text, op: op.clone(), all_containers });
            }
        }
    }
    cases
}

#[test]
fn every_layout_is_edited() {
    let mut go = GoYaml::start();
    let mut failures = String::new();
    for (case, result) in mutants::batch(cases_of(&seeds::read("edited")), go.as_mut()) {
        if !result.failures.is_empty() {
            failures += &mutants::describe(&case, &result.failures, go.as_mut());
        } else if go.is_some() && !result.one_target {
            failures += &format!("{}: go-yaml and granit do not see exactly one target\n", case.name);
        } else if !result.rendered && !result.must_refuse && !may_be_refused(&case.name, &case.op) {
            failures += &format!("{}: {:?} is refused: {:?}\n", case.name, case.op, result.refused);
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn unsafe_edits_are_refused() {
    let mut go = GoYaml::start();
    let mut failures = String::new();
    for (case, result) in mutants::batch(cases_of(&seeds::read("refused")), go.as_mut()) {
        if !result.failures.is_empty() {
            failures += &mutants::describe(&case, &result.failures, go.as_mut());
        } else if result.edited && case.op == OPS[1] {
            failures += &format!("{}: {:?} is edited\n", case.name, case.op);
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn hidden_targets_are_edited_or_refused() {
    let count = env_number("JOBPLATE_MUTANTS").unwrap_or(3000);
    let seed = env_number("JOBPLATE_MUTANT_SEED").unwrap_or(1);
    let [edited, refused] = prefilter::check_hidden_targets(seed, count);
    println!("{edited} edited, {refused} refused");
    assert!(edited > 0 && refused > 0);
}

#[test]
fn mutants_are_edited_correctly_or_refused() {
    let seeds: Vec<seeds::Seed> = [seeds::read("edited"), seeds::read("refused")].concat();
    let count = env_number("JOBPLATE_MUTANTS").unwrap_or(3000);
    let seed = env_number("JOBPLATE_MUTANT_SEED").unwrap_or(1);
    let only = env_number("JOBPLATE_MUTANT");
    let report = mutants::run(&seeds, seed, count, only);
    println!("{}", report.show());
    assert_eq!(report.failures(), 0, "oracles disagree:\n{}", report.show());
    if only.is_none() && report.has_go_yaml() {
        assert!(report.edited_percent() >= 90.0, "too few are edited:\n{}", report.show());
    }
}
