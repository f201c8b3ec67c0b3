//! Checks the layout of edits: appending an entry to a seed must result in exactly the file in `seeds/appended`.
//!
//! The other tests compare meanings. This test checks that the layout is what a person would write. `JOBPLATE_BLESS=1`
//! updates the files: review the difference before you commit it.

use std::fs;

use jobplate::render::to_string;

use crate::check::{OPS, injection};
use crate::{may_be_refused, seeds};

#[test]
fn appended_entries_keep_their_layout() {
    let directory = seeds::directory("appended");
    let bless = std::env::var_os("JOBPLATE_BLESS").is_some();
    let edited = seeds::read("edited");
    let mut failures = String::new();
    for seed in &edited {
        let path = directory.join(format!("{}.yaml", seed.name));
        let text = match to_string(&seed.text, &injection(&OPS[0], false)) {
            Ok(rendered) => rendered.text,
            Err(_) if may_be_refused(&seed.name, &OPS[0]) => continue,
            Err(error) => {
                failures += &format!("{}: refused: {}\n", seed.name, error.message());
                continue;
            }
        };
        if bless {
            fs::write(&path, &text).expect("a writable tree");
        }
        match fs::read_to_string(&path) {
            Ok(expected) if expected == text => {}
            Ok(expected) => failures += &format!("{}:\nexpected {expected:?}\n     got {text:?}\n", seed.name),
            Err(error) => failures += &format!("{}: {error}\n", path.display()),
        }
    }
    for file in fs::read_dir(&directory).expect("the directory of expected texts") {
        let path = file.expect("a readable directory").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !edited.iter().any(|seed| seed.name == name) {
            failures += &format!("{}: no seed has this name\n", path.display());
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}
