//! The Kubernetes worker of Prefect 2 and 3: what each rule of merging, rendering and preparing comes to.

pub(crate) mod generate;
mod quirks;
mod settings;
pub(crate) mod table;

use crate::reference::WORKER;
use crate::{handwritten, random};

/// Cases of which Prefect makes a Job and jobplate says that it does not follow them, in their order.
pub(crate) const REFUSED: [&str; 4] = ["groups-as-json 1", "groups-as-json 2", "groups-as-json 3", "surrogates 1"];

#[test]
fn previews_are_what_prefect_makes() {
    handwritten::check(&WORKER);
}

#[test]
fn one_process_answers_as_one_for_each_case_does() {
    handwritten::check_fresh(&WORKER);
}

#[test]
fn prefect_itself_makes_the_same() {
    random::check(&WORKER);
}
