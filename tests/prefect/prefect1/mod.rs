//! Prefect 1: what each rule of its agent, of its configuration and of PyYAML comes to.

pub(crate) mod generate;
mod quirks;
pub(crate) mod table;

use crate::reference::PREFECT1;
use crate::{handwritten, random};

/// Cases of which Prefect makes a Job and jobplate says that it does not follow them, in their order.
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
fn previews_are_what_prefect_makes() {
    handwritten::check(&PREFECT1);
}

#[test]
fn one_process_answers_as_one_for_each_case_does() {
    handwritten::check_fresh(&PREFECT1);
}

#[test]
fn prefect_itself_makes_the_same() {
    random::check(&PREFECT1);
}
