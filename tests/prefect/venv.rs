//! The versions of Prefect 1 that are followed, and where they are: in virtual environments that `cargo xtask oracles` makes, or in the folder that
//! `JOBPLATE_TEST_ORACLES` names.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A version of Prefect that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1_4,
    V0_15,
}

impl Version {
    pub(crate) const ALL: [Version; 2] = [Version::V1_4, Version::V0_15];

    pub(crate) fn full(self) -> &'static str {
        match self {
            Version::V0_15 => "0.15.13",
            Version::V1_4 => "1.4.1",
        }
    }

    /// As `jobplate preview --prefect` takes it.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Version::V0_15 => "0.15",
            Version::V1_4 => "1.4",
        }
    }
}

/// The folder with the programs of one version; none where it is missing, which is said, and is a failure in CI.
pub(crate) fn programs(version: Version) -> Option<PathBuf> {
    installed(version.full())
}

/// The same for any version that `cargo xtask oracles` makes.
pub(crate) fn installed(version: &str) -> Option<PathBuf> {
    let made = || Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).with_file_name("oracles");
    let folder = std::env::var_os("JOBPLATE_TEST_ORACLES").map_or_else(made, PathBuf::from);
    let bin = folder.join(format!("prefect-{version}")).join("bin");
    if bin.join("prefect").is_file() {
        return Some(bin);
    }
    let message = format!("no prefect in {}; `cargo xtask oracles` makes it", bin.display());
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{message}");
    // Past what hides the words of tests that pass.
    drop(writeln!(std::io::stderr(), "LEFT OUT, a test with Prefect {version}: {message}"));
    None
}
