//! Reads secrets from Prefect's configuration, the environment, env files and files.
//!
//! Errors name a location as `FILE:LINE`. They quote neither the line nor an argument that may be a value.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use jobplate_diagnostic::{Error, ProgramName, Result, display_path};
use jobplate_manifest::env_file;
use jobplate_prefect::prefect1::{config_secrets, secrets};
use jobplate_prefect::pyvalue::environ::{Environ, EnvironVar, Resolved};
use jobplate_prefect::pyvalue::limits::Budget;
use jobplate_prefect::pyvalue::source::SourceFile;
use jobplate_prefect::variables::secret_variable;

use crate::shared::input_reader::InputReader;
use crate::shared::inputs::expand_home;

/// The default path of Prefect's configuration.
const DEFAULT_CONFIG: &str = "~/.prefect/config.toml";

/// The environment variable that overrides the path of Prefect's configuration.
const CONFIG_VARIABLE: &str = "PREFECT__USER_CONFIG_PATH";

#[derive(Args)]
#[command(next_help_heading = "Sources")]
pub(super) struct SourceArgs {
    /// Read [context.secrets] of Prefect 1's configuration [default of FILE: ~/.prefect/config.toml]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    from_config: Option<OsString>,
    /// Read the environment variables PREFECT__CONTEXT__SECRETS__...
    #[arg(long)]
    from_environment: bool,
    /// Read lines of KEY=VALUE, like kubectl
    #[arg(long, value_name = "FILE")]
    from_env_file: Vec<PathBuf>,
    /// Read one secret from the content of a file; - is standard input
    #[arg(long, value_name = "NAME=PATH")]
    from_file: Vec<OsString>,
    /// A flag of kubectl. It is accepted only so that the error can name the flag to use instead.
    #[arg(long, hide = true)]
    from_literal: Vec<String>,
}

impl SourceArgs {
    /// Returns whether `--from-config` is given without a file.
    pub(super) fn reads_default_config(&self) -> bool {
        self.from_config.as_ref().is_some_and(|file| file.is_empty())
    }
}

/// A secret from one of the sources.
pub(super) struct FoundSecret {
    /// Prefect's name for the secret. It is also the key in the Kubernetes Secret.
    pub name: String,
    /// The location of its definition, for errors.
    pub location: String,
    pub value: SecretValue,
}

/// The value of a secret, in the form of its source.
pub(super) enum SecretValue {
    /// The value of an environment variable.
    Variable(String),
    /// A value of Prefect's configuration. `string` is the configured string, or `None` if the value has another type.
    /// `value` is the text that gives an environment variable the same value.
    Config { string: Option<String>, value: String },
    /// The content of a file.
    File(Vec<u8>),
    /// Not read, because the command needs only names.
    Unread,
}

impl SecretValue {
    /// Returns whether the value was read and is empty.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            SecretValue::Variable(text) | SecretValue::Config { string: Some(text), .. } => text.is_empty(),
            SecretValue::File(bytes) => bytes.is_empty(),
            SecretValue::Config { string: None, .. } | SecretValue::Unread => false,
        }
    }
}

/// Collects secrets and checks that their names are unique.
#[derive(Default)]
struct SecretCollector {
    found: Vec<FoundSecret>,
    /// The index in `found` of each name.
    by_name: HashMap<String, usize>,
    /// Descriptions of the sources without secrets.
    empty: Vec<String>,
    files: InputReader,
}

impl SourceArgs {
    /// Reads the secrets of all sources, in the order of the fields above. Reads no values if `only_names` is true.
    ///
    /// # Errors
    ///
    /// Fails if no source is given, if a source cannot be read, or if a secret's name is invalid or not unique.
    pub(super) fn read(&self, only_names: bool) -> Result<Vec<FoundSecret>> {
        if !self.from_literal.is_empty() {
            return Err(Error::usage(
                "`--from-literal` would expose the value in the shell history and in the list of processes",
            )
            .hint(
                "pass the value with a file or standard input: printf %s \"$TOKEN\" | "
                    + ProgramName
                    + " secret NAME --from-file TOKEN=-",
            ));
        }
        if self.from_config.is_none()
            && !self.from_environment
            && self.from_env_file.is_empty()
            && self.from_file.is_empty()
        {
            return Err(Error::usage("no source of secrets")
                .hint("pass one: --from-config, --from-environment, --from-env-file FILE, --from-file NAME=PATH"));
        }
        let mut collector = SecretCollector::default();
        if let Some(file) = &self.from_config {
            collector.add_config(file)?;
        }
        if self.from_environment {
            collector.add_environment()?;
        }
        for file in &self.from_env_file {
            collector.add_env_file(file)?;
        }
        for text in &self.from_file {
            collector.add_file(text, only_names)?;
        }
        let SecretCollector { found, by_name, empty, .. } = collector;
        if found.is_empty() {
            return Err(Error::input(format!("no secret found: {}", empty.join(", "))));
        }
        for part in &found {
            let dicts = secrets::enclosing_dicts(&part.name);
            if let Some(value) = dicts.filter_map(|dict| by_name.get(dict)).map(|at| &found[*at]).next() {
                let (name, within) = (&value.name, &part.name);
                return Err(Error::input(format!(
                    "conflict: `{name}` is a value ({}), but `{within}` ({}) makes it a dict",
                    value.location, part.location
                ))
                .hint("rename one of them: `__` in a name creates a dict, and Prefect cannot start with both"));
            }
        }
        Ok(found)
    }
}

impl SecretCollector {
    fn add(&mut self, name: &str, location: String, value: SecretValue) -> Result<()> {
        if let Some(earlier) = self.by_name.insert(name.to_owned(), self.found.len()) {
            let earlier = &self.found[earlier].location;
            return Err(Error::input(format!("duplicate secret `{name}`: {earlier} and {location}"))
                .hint("remove one of the two"));
        }
        self.found.push(FoundSecret { name: name.to_owned(), location, value });
        Ok(())
    }

    fn add_config(&mut self, file: &OsStr) -> Result<()> {
        let (path, hint) = match std::env::var_os(CONFIG_VARIABLE) {
            _ if !file.is_empty() => (PathBuf::from(file), None),
            None => (PathBuf::from(DEFAULT_CONFIG), Some("pass --from-config=FILE for another path".to_owned())),
            Some(path) => {
                let path = path.to_str().ok_or_else(|| Error::usage(format!("{CONFIG_VARIABLE} is not UTF-8")))?;
                (
                    PathBuf::from(prefect_environ().expand_vars(path, &mut Budget::default())?),
                    Some(format!("correct {CONFIG_VARIABLE}, which sets this path")),
                )
            }
        };
        let display_name = display_path(&path);
        let bytes = self.files.read_bytes(&expand_home(&path)).map_err(|reason| {
            let error = unreadable_error("--from-config", &display_name, reason);
            hint.into_iter().fold(error, Error::hint)
        })?;
        let text = utf8(bytes, &display_name)?;
        // Errors do not show its lines, which may contain values.
        let source = SourceFile::new_redacted(display_name.clone(), text);
        let found = config_secrets::read_secrets(&source)?;
        if found.is_empty() {
            self.empty.push(format!("{display_name} has no [context.secrets]"));
        }
        for config_secrets::ConfigSecret { name, own: string, value, location } in found {
            let location = location.display_with_column();
            secrets::parse_name(&name).map_err(|fault| fault.into_error(&format!("{location}: `{name}`")))?;
            self.add(&name, location, SecretValue::Config { string, value })?;
        }
        Ok(())
    }

    fn add_environment(&mut self) -> Result<()> {
        let prefix = secret_variable("");
        // Prefect reads a variable without a name after the prefix as a dict of all secrets. Include it to report it.
        let is_secret = |variable: &OsString| {
            let rest = variable.as_encoded_bytes().strip_prefix(prefix.trim_end_matches('_').as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(secrets::DICT_SEPARATOR.as_bytes()))
        };
        let mut variables: Vec<_> = std::env::vars_os().filter(|(variable, _)| is_secret(variable)).collect();
        // The order of environment variables is arbitrary.
        variables.sort();
        if variables.is_empty() {
            self.empty.push(format!("the environment has no variable {prefix}..."));
        }
        for (variable, value) in variables {
            let display_name = variable.to_string_lossy().into_owned();
            let variable =
                variable.to_str().ok_or_else(|| Error::input(format!("the name {display_name} is not UTF-8")))?;
            let name = secrets::parse_name(variable).map_err(|fault| fault.into_error(&display_name))?;
            let value = value.into_string();
            let value = value.map_err(|_| Error::input(format!("the value of {display_name} is not UTF-8")))?;
            self.add(name, "the environment".to_owned(), SecretValue::Variable(value))?;
        }
        Ok(())
    }

    fn add_env_file(&mut self, path: &Path) -> Result<()> {
        let file = display_path(path);
        let bytes = self
            .files
            .read_bytes(&expand_home(path))
            .map_err(|reason| unreadable_error("--from-env-file", &file, reason))?;
        let lines = env_file::parse(&bytes).map_err(|(line, fault)| fault.into_error(&format!("{file}:{line}")))?;
        if lines.is_empty() {
            self.empty.push(format!("{file} has no KEY=VALUE line"));
        }
        for env_file::EnvFileLine { number, key, value } in lines {
            let location = format!("{file}:{number}");
            let value = match value {
                Some(value) => value.to_owned(),
                None => read_environment(key, &location)?,
            };
            let name = secrets::parse_name(key).map_err(|fault| fault.into_error(&location))?;
            self.add(name, location, SecretValue::Variable(value))?;
        }
        Ok(())
    }

    fn add_file(&mut self, text: &OsStr, only_names: bool) -> Result<()> {
        let (key, path) = split_assignment(text).filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::usage("`--from-file` must be NAME=PATH")
                .hint("write `NAME=` before the path, with the name of the secret as NAME")
        })?;
        let flag = format!("`--from-file {key}`");
        let name = secrets::parse_name(key).map_err(|fault| fault.into_error("`--from-file`"))?;
        let value = if only_names {
            SecretValue::Unread
        } else {
            // The error does not quote the path: it may be a value.
            let bytes = self.files.read_bytes(&expand_home(Path::new(path))).map_err(|error| {
                Error::usage(format!("{flag}: {error}"))
                    .hint("write the path of a file after the `=`, never the value itself")
            })?;
            SecretValue::File(bytes)
        };
        self.add(name, flag, value)
    }
}

fn unreadable_error(flag: &str, file: &str, reason: String) -> Error {
    if !file.contains('=') {
        return Error::input(reason).in_file(file);
    }
    // The argument may contain a value and is not quoted.
    Error::usage(format!("`{flag}` must be a file: {reason}"))
        .hint("for one secret, use --from-file NAME=PATH with a file that contains the value")
}

/// Reads the value of a line that has only a name from the environment, like kubectl.
fn read_environment(key: &str, location: &str) -> Result<String> {
    // The error does not quote the key: the line may be part of a multi-line value.
    let error = match std::env::var(key) {
        Ok(value) => return Ok(value),
        Err(std::env::VarError::NotPresent) => {
            "the line has no `=`, and the environment has no variable with this name"
        }
        Err(std::env::VarError::NotUnicode(_)) => "the line has no `=`, and the value in the environment is not UTF-8",
    };
    Err(Error::input(error)
        .in_file(location)
        .hint("use KEY=VALUE, or --from-file NAME=PATH for a value with several lines"))
}

fn utf8(bytes: Vec<u8>, file: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::input("is not UTF-8").in_file(format!("{file}:{line}"))
    })
}

/// Splits `NAME=PATH`. The path may contain bytes that are not UTF-8.
#[cfg(unix)]
fn split_assignment(text: &OsStr) -> Option<(&str, &OsStr)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = text.as_bytes();
    let end = memchr::memchr(b'=', bytes)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, OsStr::from_bytes(&bytes[end + 1..])))
}

/// Splits `NAME=PATH`.
#[cfg(not(unix))]
fn split_assignment(text: &OsStr) -> Option<(&str, &OsStr)> {
    text.to_str()?.split_once('=').map(|(key, path)| (key, OsStr::new(path)))
}

/// Returns the environment variables that are valid UTF-8, for Prefect's expansion of paths.
fn prefect_environ() -> Environ {
    let to_variable = |(name, value): (OsString, OsString)| {
        Some(EnvironVar {
            name: name.into_string().ok()?,
            value: Resolved::Text(value.into_string().ok()?),
            location: None,
        })
    };
    std::env::vars_os().filter_map(to_variable).collect()
}
