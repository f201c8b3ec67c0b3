//! The two programs that previews are held to: Prefect 1's agent, and the worker of Prefect 2 and 3.

use std::path::{Path, PathBuf};

use crate::case::{Case, Version};
use crate::{one, worker};

/// What there is to know of one of them.
pub(crate) struct Side {
    /// As messages call it.
    pub(crate) name: &'static str,
    /// Its folder of cases and expectations.
    folder: &'static str,
    /// What asks it, below `tests/oracles/`.
    driver: &'static str,
    /// The option of `jobplate preview` that takes a version.
    pub(crate) option: &'static str,
    /// The key of a hand-written case that has one.
    pub(crate) key: &'static str,
    /// Versions that are asked in each run. The first is asked of random cases, and measured.
    pub(crate) versions: &'static [Version],
    /// Versions whose answers are recorded: they are asked where they are, and missed nowhere.
    pub(crate) recorded: &'static [Version],
    /// What must not have changed since the expectations were written.
    pub(crate) made_by: &'static [&'static str],
    /// Reads a table of a file of cases.
    pub(crate) parse: fn(&str, &toml::Table) -> Result<Vec<Case>, String>,
    /// The random case of a seed and a number.
    pub(crate) random: fn(u64, u64) -> Case,
    /// How many random cases there are.
    pub(crate) count: u64,
    /// How many hand-written cases there are at least.
    pub(crate) least: usize,
    /// Hand-written cases of which Prefect makes a Job and jobplate says that it does not follow them, in their order.
    pub(crate) refused: &'static [&'static str],
    /// Cases that were written down elsewhere: where, and how many.
    pub(crate) elsewhere: (&'static str, usize),
}

pub(crate) static ONE: Side = Side {
    name: "Prefect 1",
    folder: "one",
    driver: "prefect1",
    option: "--prefect",
    key: "prefect",
    versions: &Version::AGENTS,
    recorded: &[],
    made_by: &["prefect", "pyyaml", "kubernetes"],
    parse: one::table::parse,
    random: one::generate::case,
    count: 2_000,
    least: 300,
    refused: &one::REFUSED,
    elsewhere: ("../shared/oracles/prefect1", 99),
};

pub(crate) static WORKER: Side = Side {
    name: "the worker",
    folder: "worker",
    driver: "prefect3",
    option: "--prefect-kubernetes",
    key: "prefect_kubernetes",
    versions: &[Version::Worker0_8],
    recorded: &[Version::Worker0_6, Version::Worker0_5, Version::Worker0_4, Version::Worker0_2],
    made_by: &["prefect", "prefect-kubernetes", "pydantic", "jsonpatch", "python-slugify", "text-unidecode"],
    parse: worker::table::parse,
    random: worker::generate::case,
    count: 1_000,
    least: 150,
    refused: &worker::REFUSED,
    elsewhere: ("../shared/oracles/prefect3", 153),
};

impl Side {
    pub(crate) const ALL: [&'static Side; 2] = [&ONE, &WORKER];

    /// The side of a version.
    pub(crate) fn of(version: Version) -> &'static Side {
        match ONE.versions.contains(&version) {
            true => &ONE,
            false => &WORKER,
        }
    }

    /// All its versions, the first one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Version> {
        self.versions.iter().chain(self.recorded).copied()
    }

    /// Where hand-written cases are, and what is expected of them.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prefect").join(self.folder)
    }

    /// The program that asks it.
    pub(crate) fn driver(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(self.driver).join("oracle.py")
    }
}
