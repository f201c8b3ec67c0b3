//! The seeds: one file for each shape of a manifest that editing has to get right, one target in each.
//!
//! `seeds/edited` can be edited and must be; `seeds/refused` must be refused or hold no YAML at all.

use std::fs;
use std::path::{Path, PathBuf};

/// A seed file.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    pub name: String,
    pub text: String,
}

/// Where the seeds and what belongs to them stand.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity/seeds").join(name)
}

/// The seeds of one folder, by name.
pub(crate) fn read(name: &str) -> Vec<Seed> {
    let folder = folder(name);
    let mut seeds: Vec<Seed> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("a readable folder").path())
        .map(|path| Seed {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        })
        .collect();
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(seeds.len() > 10, "{} holds only {} seeds", folder.display(), seeds.len());
    seeds
}
