//! The program of a release: static, so that it runs in a container that holds nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use crate::run::{self, cargo, step};

/// The name that rustc has for this machine. It can be named as a target, which is what keeps the flags of the
/// program from the build scripts of libraries.
pub fn target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(run::root()).output().context("rustc")?;
    let about = String::from_utf8(output.stdout)?;
    about.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc -vV names no host")
}

/// Builds the program with libc in it; it must be static, start, and say this version.
pub fn build(version: &str) -> Result<PathBuf> {
    let target = target()?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("cargo has no home")?;
    let root = fs::canonicalize(run::root())?;
    // Places in panics name files of libraries: below a folder that is the same everywhere.
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        // Relocations of 8 bytes each in place of 24: half a megabyte less to read at every start.
        "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned(),
        format!("--remap-path-prefix={}=/cargo", home.display()),
        format!("--remap-path-prefix={}=/jobplate", root.display()),
    ];
    let mut build = cargo(&["build", "--release", "--locked", "--package", "jobplate", "--target", &target]);
    step("the program", build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))?;
    let binary = std::path::absolute(run::target().join(&target).join("release/jobplate"))?;
    ensure!(is_static(&binary)?, "{} needs a loader, so it is not static", binary.display());
    let said = run::first_line(&binary.to_string_lossy(), &["--version"]).context("the program does not start")?;
    ensure!(said == format!("jobplate {version}"), "the program says it is {said:?}");
    Ok(binary)
}

/// Whether a program is loaded by the kernel alone.
fn is_static(binary: &Path) -> Result<bool> {
    let bytes = fs::read(binary).with_context(|| binary.display().to_string())?;
    let header = FileHeader64::<Endianness>::parse(bytes.as_slice())?;
    let endian = header.endian()?;
    Ok(header.program_headers(endian, bytes.as_slice())?.iter().all(|part| part.p_type(endian) != PT_INTERP))
}
