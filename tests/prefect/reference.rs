//! The two programs that previews are compared with: the agent of Prefect 1, and the worker of Prefect 2 and 3.

use std::path::{Path, PathBuf};

use crate::case::{Case, PrefectVersion};
use crate::{prefect1, worker};

/// A reference program.
pub(crate) struct Reference {
    /// The name of the program in messages.
    pub(crate) name: &'static str,
    /// The directory of the cases and recorded answers, in `tests/prefect/`.
    directory: &'static str,
    /// The directory of the script that runs the program, in `tests/oracles/`.
    driver: &'static str,
    /// The option of `jobplate preview` that selects the version.
    pub(crate) option: &'static str,
    /// The key for the version in hand-written cases.
    pub(crate) key: &'static str,
    /// The versions that every run uses. Coverage is measured with the first version.
    pub(crate) versions: &'static [PrefectVersion],
    /// Other versions with recorded answers. Runs use them if they are installed.
    pub(crate) recorded: &'static [PrefectVersion],
    /// The packages whose installed versions must match the versions in the recorded answers.
    pub(crate) recorded_by: &'static [&'static str],
    /// Parses a table of a file of cases.
    pub(crate) parse: fn(&str, &toml::Table) -> Result<Vec<Case>, String>,
    /// Generates the random case for a seed and a number.
    pub(crate) random: fn(u64, u64) -> Case,
    /// The default number of random cases.
    pub(crate) count: u64,
    /// The minimum number of hand-written cases.
    pub(crate) min_cases: usize,
    /// The hand-written cases from which Prefect creates a Job but which jobplate does not support, in document
    /// order.
    pub(crate) refused: &'static [&'static str],
    /// The directory of the cases that are not part of the package, relative to the package, and the number of these
    /// cases.
    pub(crate) external_cases: (&'static str, usize),
}

pub(crate) static PREFECT1: Reference = Reference {
    name: "Prefect 1",
    directory: "prefect1",
    driver: "prefect1",
    option: "--prefect",
    key: "prefect",
    versions: &PrefectVersion::AGENTS,
    recorded: &[],
    recorded_by: &["prefect", "pyyaml", "kubernetes"],
    parse: prefect1::table::parse_cases,
    random: prefect1::generate::generate_case,
    count: 2_000,
    min_cases: 300,
    refused: &prefect1::REFUSED,
    external_cases: ("../shared/oracles/prefect1", 99),
};

pub(crate) static WORKER: Reference = Reference {
    name: "the worker",
    directory: "worker",
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
    recorded_by: &["prefect", "prefect-kubernetes", "pydantic", "jsonpatch", "python-slugify", "text-unidecode"],
    parse: worker::table::parse,
    random: worker::generate::case,
    count: 1_000,
    min_cases: 150,
    refused: &worker::REFUSED,
    external_cases: ("../shared/oracles/prefect3", 153),
};

impl Reference {
    pub(crate) const ALL: [&'static Reference; 2] = [&PREFECT1, &WORKER];

    /// Returns the reference program of a version.
    pub(crate) fn of(version: PrefectVersion) -> &'static Reference {
        match PREFECT1.versions.contains(&version) {
            true => &PREFECT1,
            false => &WORKER,
        }
    }

    /// Returns all versions of the program, starting with the first of `versions`.
    pub(crate) fn all_versions(&self) -> impl Iterator<Item = PrefectVersion> {
        self.versions.iter().chain(self.recorded).copied()
    }

    /// Returns the directory of the hand-written cases and recorded answers.
    pub(crate) fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prefect").join(self.directory)
    }

    /// Returns the path of the script that runs the program.
    pub(crate) fn driver(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(self.driver).join("oracle.py")
    }
}
