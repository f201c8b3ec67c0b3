//! Runs programs, lists the project's files, and parses options.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The error for a step whose program failed.
#[derive(Debug)]
pub struct StepError {
    pub step: String,
    /// The exit code of the program.
    pub code: u8,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {} (exit code {})", self.step, self.code)
    }
}

impl std::error::Error for StepError {}

/// Returns the project's directory.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |directory| root().join(directory))
}

/// Returns whether this is CI, where no test may be skipped.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Returns the paths of the project's files, relative to [`root`]: files that git tracks, and new files that git does
/// not ignore.
pub fn files() -> Result<Vec<String>> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = list.output().context("git does not start")?;
    let listed = String::from_utf8(listed.stdout)?;
    // Git also lists files whose deletion is not committed, so check that each file exists.
    let files: Vec<String> =
        listed.split_terminator('\0').filter(|file| root().join(file).is_file()).map(str::to_owned).collect();
    if files.is_empty() {
        bail!("git lists no files");
    }
    Ok(files)
}

/// Returns a cargo command with the project's directory as its working directory.
///
/// Removes the variables that describe xtask, which `cargo run` sets. The build script of ring depends on them, so ring
/// and the crates that use it would be built again, and once more by the next cargo command from a shell.
pub fn cargo_command(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    for (name, _) in std::env::vars_os() {
        let prefixes = ["CARGO_MANIFEST_", "CARGO_PKG_"];
        if name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Prints a command, runs it, and prints its run time. `name` is the name of the step in the output and in errors.
///
/// # Errors
///
/// Fails with [`StepError`] if the program fails.
pub fn run_step(name: &str, command: &mut Command) -> Result<()> {
    let line = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = line.map(|word| word.to_string_lossy().into_owned()).collect();
    eprintln!("\n==> {name}\n    {}", line.join(" "));
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{} does not start", line[0]))?;
    if !status.success() {
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        return Err(StepError { step: name.to_owned(), code }.into());
    }
    eprintln!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a program and returns the first line of its output. Returns `None` if the program is not installed or fails.
pub fn first_output_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Prints the versions of programs that tests use. `needed` lists each program with the arguments that print its
/// version, and a description of the tests that are skipped without it.
///
/// # Errors
///
/// Fails in CI if a program is missing.
pub fn check_tools(needed: &[(&str, &[&str], &str)]) -> Result<()> {
    eprintln!("==> tools");
    let mut missing = Vec::new();
    for (program, args, purpose) in needed {
        match first_output_line(program, args) {
            Some(version) => eprintln!("    {program}: {version}"),
            None => {
                eprintln!("    {program}: MISSING; left out without it: {purpose}");
                missing.push(*program);
            }
        }
    }
    if is_ci() && !missing.is_empty() {
        bail!("missing in CI: {}", missing.join(", "));
    }
    Ok(())
}

/// Returns the value of `option` as a number, or `None` if the option is missing. Fails if the value is not a number.
pub fn option_number(args: &[String], option: &str) -> Result<Option<u64>> {
    let Some(at) = args.iter().position(|arg| arg == option) else { return Ok(None) };
    let value = args.get(at + 1).with_context(|| format!("{option} needs a number"))?;
    Ok(Some(value.replace('_', "").parse().with_context(|| format!("{option}: {value:?} is no number"))?))
}

/// Checks that all arguments are options of a command. `flags` lists the options without a value, `with_value` the
/// options with a value.
pub fn check_options(args: &[String], flags: &[&str], with_value: &[&str]) -> Result<()> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if with_value.contains(&arg.as_str()) {
            args.next().with_context(|| format!("{arg} needs a value"))?;
        } else if !flags.contains(&arg.as_str()) {
            bail!("no option {arg:?}; `cargo xtask help` lists them");
        }
    }
    Ok(())
}
