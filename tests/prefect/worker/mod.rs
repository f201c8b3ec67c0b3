//! Compares previews of Kubernetes workers with the real Prefect 2 and 3: hand-written and random cases, the check of
//! job variables, and settings.

pub(crate) mod generate;
mod quirks;
mod schemas;
mod settings;
pub(crate) mod table;

use crate::reference::WORKER;
use crate::{handwritten, random};

/// The cases from which Prefect creates a Job but which jobplate refuses, in document order.
pub(crate) const REFUSED: [&str; 4] = ["groups-as-json 1", "groups-as-json 2", "groups-as-json 3", "surrogates 1"];

#[test]
fn previews_match_the_recorded_answers_of_prefect() {
    handwritten::check(&WORKER);
}

#[test]
fn one_process_answers_like_a_process_per_case() {
    handwritten::check_fresh(&WORKER);
}

#[test]
fn previews_match_the_real_prefect() {
    random::check(&WORKER);
}
