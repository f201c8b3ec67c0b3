//! The formats of `--output`, and where each of them is written.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate_diagnostic::{Error, Result, display_path, suggest};

use crate::shared::choice::value_candidates;
use crate::shared::edit_args::is_stdin;
use crate::shared::report_file::{ReportTarget, resolve_path};

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
pub(super) struct OutputArgs {
    /// Write the findings to standard output or a file, as human, json, sarif, github, gitlab, junit or rdjson;
    /// repeatable
    #[arg(
        short,
        long,
        value_name = "FORMAT[=FILE]",
        default_value = "human",
        help_heading = "Output",
        add = ArgValueCandidates::new(value_candidates::<Format>)
    )]
    output: Vec<String>,
}

/// A format of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
    Sarif,
    Github,
    Gitlab,
    Junit,
    Rdjson,
}

/// The outputs of a run.
#[derive(Default)]
pub(super) struct Outputs {
    /// The format on standard output, if any.
    stdout: Option<Format>,
    /// The formats in files.
    files: Vec<(Format, PathBuf)>,
}

impl OutputArgs {
    /// Returns the outputs. `printing_flag` is a flag that prints something else to standard output.
    ///
    /// # Errors
    ///
    /// Fails if a format is unknown, or if two outputs have the same destination.
    pub(super) fn parse(&self, printing_flag: Option<&str>) -> Result<Outputs> {
        let mut outputs = Outputs::default();
        for output in &self.output {
            let (name, file) = match output.split_once('=') {
                Some((name, file)) => (name, Some(Path::new(file))),
                None => (output.as_str(), None),
            };
            let format = parse_format(name)?;
            let printing_flag = printing_flag.filter(|_| format != Format::Human);
            match file.filter(|file| !is_stdin(file)) {
                Some(file) => outputs.add_file(format, name, file)?,
                None if outputs.stdout.is_some() => return Err(stdout_error(name, "another format")),
                None => match printing_flag {
                    Some(flag) => return Err(stdout_error(name, &format!("`{flag}`"))),
                    None => outputs.stdout = Some(format),
                },
            }
        }
        Ok(outputs)
    }
}

impl Outputs {
    fn add_file(&mut self, format: Format, name: &str, file: &Path) -> Result<()> {
        if file.as_os_str().is_empty() {
            return Err(Error::usage(format!("`--output {name}=`: missing file"))
                .hint(format!("write --output {name} for standard output")));
        }
        if self.writes_to(file) {
            return Err(Error::usage("`--output`: two formats cannot be written to the same file")
                .in_file(display_path(file))
                .hint("pass another file"));
        }
        self.files.push((format, file.to_owned()));
        Ok(())
    }

    /// Returns whether a format is written to a file.
    pub(super) fn writes_to(&self, file: &Path) -> bool {
        let file = resolve_path(file);
        self.files.iter().any(|(_, other)| resolve_path(other) == file)
    }

    /// Returns the format on standard output, if any.
    pub(super) fn stdout(&self) -> Option<Format> {
        self.stdout
    }

    /// Returns whether there are formats in files.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Returns whether a file gets a format.
    pub(super) fn has_file(&self, format: Format) -> bool {
        self.files.iter().any(|(other, _)| *other == format)
    }

    /// Returns whether a format is needed, on standard output or in a file.
    pub(super) fn has(&self, format: Format) -> bool {
        self.stdout == Some(format) || self.has_file(format)
    }

    /// Returns whether a format is needed that is written at the end of the run.
    pub(super) fn need_report(&self) -> bool {
        Format::value_variants().iter().any(|format| *format != Format::Human && self.has(*format))
    }

    /// Returns whether a format contains the fixes of findings.
    pub(super) fn contain_fixes(&self) -> bool {
        [Format::Json, Format::Sarif, Format::Rdjson].into_iter().any(|format| self.has(format))
    }

    /// Returns the files, which may be replaced. `read` are the files that the command reads.
    ///
    /// # Errors
    ///
    /// Fails if a file is one of those that the command reads, or a broken symbolic link.
    pub(super) fn check_files(&self, read: &[PathBuf]) -> Result<Vec<(Format, ReportTarget<'_>)>> {
        let check = |file| ReportTarget::check(file, "--output", read.iter().map(PathBuf::as_path));
        self.files.iter().map(|(format, file)| Ok((*format, check(file)?))).collect()
    }
}

/// Returns the error for a format on standard output that `other` is also written to.
fn stdout_error(name: &str, other: &str) -> Error {
    Error::usage(format!("`--output {name}`: standard output is already used by {other}"))
        .hint(format!("write this format to a file: --output {name}=FILE"))
}

/// Returns the format with a name.
///
/// # Errors
///
/// Fails if there is no such format.
fn parse_format(name: &str) -> Result<Format> {
    Format::from_str(name, false).map_err(|_| {
        let values = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        let error = Error::usage(format!("`--output`: unknown format {}", suggest::quote_key(name)));
        match suggest::did_you_mean(name, names.iter().map(String::as_str)) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("use one of {}", names.join(", "))),
        }
    })
}
