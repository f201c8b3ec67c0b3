//! Compares previews with the agent of Prefect 1: its Jobs, its configuration and the YAML that PyYAML reads.

mod edge_cases;
pub(crate) mod generate;
pub(crate) mod table;

use crate::reference::PREFECT1;
use crate::{handwritten, random};

/// The cases from which Prefect creates a Job but which jobplate refuses, in document order.
pub(crate) const REFUSED: [&str; 11] = [
    "unicode-name-escapes 1",
    "unicode-name-escapes 2",
    "surrogates 1",
    "surrogates 2",
    "surrogates 3",
    "edge-case-block-scalars 2",
    "tags",
    "edge-case-tags 38",
    "directives",
    "tag-directive-for-primary-handle",
    "unicode-line-breaks",
];

#[test]
fn previews_match_the_recorded_answers() {
    handwritten::check(&PREFECT1);
}

#[test]
fn one_process_answers_like_a_process_for_each_case() {
    handwritten::check_fresh(&PREFECT1);
}

#[test]
fn random_cases_match_prefect() {
    random::check(&PREFECT1);
}
