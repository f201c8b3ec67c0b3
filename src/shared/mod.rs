//! What several commands need: argument groups and what their values mean, inputs, outputs, reports of edits.

pub(crate) mod agents;
#[cfg(feature = "cluster")]
pub(crate) mod cluster_args;
#[cfg(feature = "cluster")]
pub(crate) mod documents;
pub(crate) mod edit_args;
pub(crate) mod edits;
pub(crate) mod inputs;
pub(crate) mod lazy_args;
pub(crate) mod no_match;
pub(crate) mod one_template;
pub(crate) mod outputs;
pub(crate) mod parse;
pub(crate) mod whole;
