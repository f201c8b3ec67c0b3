//! The two programs that previews are held to: Prefect 1's agent, and the worker of Prefect 2 and 3.

use std::path::{Path, PathBuf};

use crate::case::{Case, PrefectVersion};
use crate::{prefect1, worker};

/// What there is to know of one of them.
pub(crate) struct Reference {
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
    pub(crate) versions: &'static [PrefectVersion],
    /// Versions whose answers are recorded: they are asked where they are, and missed nowhere.
    pub(crate) recorded: &'static [PrefectVersion],
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

pub(crate) static PREFECT1: Reference = Reference {
    name: "Prefect 1",
    folder: "prefect1",
    driver: "prefect1",
    option: "--prefect",
    key: "prefect",
    versions: &PrefectVersion::AGENTS,
    recorded: &[],
    made_by: &["prefect", "pyyaml", "kubernetes"],
    parse: prefect1::table::parse,
    random: prefect1::generate::case,
    count: 2_000,
    least: 300,
    refused: &prefect1::REFUSED,
    elsewhere: ("../shared/oracles/prefect1", 99),
};

pub(crate) static WORKER: Reference = Reference {
    name: "the worker",
    folder: "worker",
    driver: "prefect3",
    option: "--prefect-kubernetes",
    key: "prefect_kubernetes",
    versions: &[PrefectVersion::Worker0_8],
    recorded: &[
        PrefectVersion::Worker0_6,
        PrefectVersion::Worker0_5,
        PrefectVersion::Worker0_4,
        PrefectVersion::Worker0_2,
    ],
    made_by: &["prefect", "prefect-kubernetes", "pydantic", "jsonpatch", "python-slugify", "text-unidecode"],
    parse: worker::table::parse,
    random: worker::generate::case,
    count: 1_000,
    least: 150,
    refused: &worker::REFUSED,
    elsewhere: ("../shared/oracles/prefect3", 153),
};

impl Reference {
    pub(crate) const ALL: [&'static Reference; 2] = [&PREFECT1, &WORKER];

    /// The side of a version.
    pub(crate) fn of(version: PrefectVersion) -> &'static Reference {
        match PREFECT1.versions.contains(&version) {
            true => &PREFECT1,
            false => &WORKER,
        }
    }

    /// All its versions, the first one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = PrefectVersion> {
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
