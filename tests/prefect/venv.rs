//! The supported versions of Prefect, and their virtual environments: `cargo xtask oracles` installs them, or
//! `JOBPLATE_TEST_ORACLES` names their directory.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A supported version: of Prefect 1 itself, or of prefect-kubernetes, which contains the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PrefectVersion {
    V1_4,
    V0_15,
    Worker0_8,
    Worker0_6,
    Worker0_5,
    Worker0_4,
    Worker0_2,
}

impl PrefectVersion {
    pub(crate) const AGENTS: [PrefectVersion; 2] = [PrefectVersion::V1_4, PrefectVersion::V0_15];

    /// Returns the version of Prefect itself.
    pub(crate) fn full(self) -> &'static str {
        match self {
            PrefectVersion::V0_15 => "0.15.13",
            PrefectVersion::V1_4 => "1.4.1",
            PrefectVersion::Worker0_8 => "3.8.8",
            PrefectVersion::Worker0_6 => "3.4.22",
            PrefectVersion::Worker0_5 => "3.2.9",
            PrefectVersion::Worker0_4 => "2.20.26",
            PrefectVersion::Worker0_2 => "2.10.21",
        }
    }

    /// Returns the version in the format of the option of `jobplate preview`.
    pub(crate) fn short(self) -> &'static str {
        match self {
            PrefectVersion::V0_15 => "0.15",
            PrefectVersion::V1_4 => "1.4",
            PrefectVersion::Worker0_8 => "0.8.0",
            PrefectVersion::Worker0_6 => "0.6.5",
            PrefectVersion::Worker0_5 => "0.5.8",
            PrefectVersion::Worker0_4 => "0.4.6",
            PrefectVersion::Worker0_2 => "0.2.10",
        }
    }
}

/// Returns the directory with the programs of a version, or `None` if the version is not installed.
pub(crate) fn find_venv(version: PrefectVersion) -> Option<PathBuf> {
    Some(bin_directory(version.full())).filter(|bin| bin.join("prefect").is_file())
}

/// Returns the directory with the programs of a version. If the version is not installed, reports that and returns
/// `None`, or panics in CI.
pub(crate) fn require_venv(version: PrefectVersion) -> Option<PathBuf> {
    require_venv_of(version.full())
}

/// Does the same as [`require_venv`] for a full version number, such as `3.8.8`. `cargo xtask oracles` installs the
/// supported versions.
pub(crate) fn require_venv_of(version: &str) -> Option<PathBuf> {
    let bin = bin_directory(version);
    if bin.join("prefect").is_file() {
        return Some(bin);
    }
    let message = format!("no prefect in {}; `cargo xtask oracles` makes it", bin.display());
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{message}");
    // Unlike the output of `eprintln!`, this line is visible even if the output of passing tests is captured.
    drop(writeln!(std::io::stderr(), "LEFT OUT, a test with Prefect {version}: {message}"));
    None
}

fn bin_directory(version: &str) -> PathBuf {
    let default_directory =
        || Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).with_file_name("oracles");
    let directory = std::env::var_os("JOBPLATE_TEST_ORACLES").map_or_else(default_directory, PathBuf::from);
    directory.join(format!("prefect-{version}")).join("bin")
}
