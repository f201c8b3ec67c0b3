//! Random cases.
use std::collections::BTreeMap;

use crate::case::{Case, Version};

pub(crate) fn case(seed: u64, number: u64) -> Case {
    Case {
        name: format!("random-{seed}-{number}"),
        version: Version::Worker0_8,
        template: Some(b"{}".to_vec()),
        scenario: None,
        files: BTreeMap::new(),
    }
}
