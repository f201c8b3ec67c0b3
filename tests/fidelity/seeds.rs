//! The seeds: one file, with one target, for each layout of a manifest that edits must handle.
//!
//! Seeds in `seeds/edited` must be edited. Seeds in `seeds/refused` must be refused, or are not valid YAML.

use std::fs;
use std::path::{Path, PathBuf};

/// A seed file.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    pub name: String,
    pub text: String,
}

/// Returns the path of a file or directory next to this module.
pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity/seeds").join(name)
}

/// Reads the seeds of one directory, sorted by name.
pub(crate) fn read(name: &str) -> Vec<Seed> {
    let directory = directory(name);
    let mut seeds: Vec<Seed> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|file| file.expect("a readable directory").path())
        .map(|path| Seed {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        })
        .collect();
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(seeds.len() > 10, "{} holds only {} seeds", directory.display(), seeds.len());
    seeds
}
