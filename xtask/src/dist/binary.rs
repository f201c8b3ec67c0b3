//! Builds the program of a release. The program is linked statically, so it runs in an empty container.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use crate::run::{self, cargo_command, run_step};

/// Returns rustc's target triple for this machine. If the target is passed explicitly, cargo does not apply the
/// program's flags to build scripts.
pub fn target() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(run::root()).output().context("rustc")?;
    let version_info = String::from_utf8(output.stdout)?;
    version_info
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

/// Builds the program with libc linked statically. Checks that it needs no dynamic loader and prints the expected
/// version.
pub fn build(version: &str) -> Result<PathBuf> {
    let target = target()?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("cargo has no home")?;
    let root = fs::canonicalize(run::root())?;
    // Panic messages contain the paths of source files, so remap them to paths that are the same on every machine.
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        // Pack the relative relocations (RELR). This makes the program half a megabyte smaller, and less is read at
        // each start.
        "-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned(),
        format!("--remap-path-prefix={}=/cargo", home.display()),
        format!("--remap-path-prefix={}=/jobplate", root.display()),
    ];
    let mut build = cargo_command(&["build", "--release", "--locked", "--package", "jobplate", "--target", &target]);
    run_step("the program", build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")))?;
    let binary = std::path::absolute(run::target().join(&target).join("release/jobplate"))?;
    ensure!(is_static(&binary)?, "{} needs a loader, so it is not static", binary.display());
    let version_line =
        run::first_output_line(&binary.to_string_lossy(), &["--version"]).context("the program does not start")?;
    ensure!(version_line == format!("jobplate {version}"), "the program says it is {version_line:?}");
    Ok(binary)
}

/// Returns whether a program is statically linked: it does not need a dynamic loader.
fn is_static(binary: &Path) -> Result<bool> {
    let bytes = fs::read(binary).with_context(|| binary.display().to_string())?;
    let header = FileHeader64::<Endianness>::parse(bytes.as_slice())?;
    let endian = header.endian()?;
    Ok(header.program_headers(endian, bytes.as_slice())?.iter().all(|part| part.p_type(endian) != PT_INTERP))
}
