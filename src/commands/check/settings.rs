//! The settings of a run, from flags and from a settings file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use glob::Pattern;
use jobplate::check::rules;
use jobplate_diagnostic::{Error, Result, display_path};
use jobplate_yaml::{Document, Node, NodeArena, find_indirection};

use crate::shared::edit_args::is_stdin;
use crate::shared::input_reader::InputReader;
use crate::ui::repository::find_root_above;

/// The name of a settings file.
const SETTINGS_FILE: &str = ".jobplate-check.yaml";

/// The names of a settings file, in order of precedence.
const SETTINGS_FILES: [&str; 2] = [SETTINGS_FILE, ".jobplate-check.yml"];

/// The value of `--config` without a settings file.
const NO_SETTINGS_FILE: &str = "none";

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args, Default, serde::Deserialize)]
#[command(next_help_heading = "Rules")]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Settings {
    /// Run only these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) select: Vec<String>,
    /// Do not run these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,
    /// Rules to run: regular, or pedantic for all of them [default: regular]
    #[arg(long, value_name = "PERSONA", value_enum, hide_possible_values = true)]
    pub(super) persona: Option<PersonaChoice>,
    /// Report only findings of this severity or higher: info, warning, error [default: info]
    #[arg(long, value_name = "SEVERITY", value_enum, hide_possible_values = true)]
    pub(super) min_severity: Option<SeverityChoice>,
    /// Report only findings of this confidence or higher: low, medium, high [default: low]
    #[arg(long, value_name = "CONFIDENCE", value_enum, hide_possible_values = true)]
    pub(super) min_confidence: Option<ConfidenceChoice>,
    /// Do not report the findings in this file
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Leave out files and directories that match this pattern, such as charts/**
    #[arg(long, value_name = "GLOB", help_heading = "Inputs")]
    pub(super) exclude: Vec<String>,
    /// The rules that are not reported in some files, by the patterns of the files.
    #[arg(skip)]
    pub(super) per_file_ignores: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PersonaChoice {
    Regular,
    Pedantic,
}

#[derive(Clone, Copy, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SeverityChoice {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Copy, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConfidenceChoice {
    Low,
    Medium,
    High,
}

impl Settings {
    /// Completes the settings of flags with those of a settings file. Flags override the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub(super) fn or_from_file(self, file: &Path) -> Result<Self> {
        let other = Settings::read(file)?;
        let or = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Ok(Settings {
            select: or(self.select, other.select),
            ignore: or(self.ignore, other.ignore),
            persona: self.persona.or(other.persona),
            min_severity: self.min_severity.or(other.min_severity),
            min_confidence: self.min_confidence.or(other.min_confidence),
            baseline: self.baseline.or(other.baseline.map(|baseline| file.with_file_name(baseline))),
            exclude: or(self.exclude, other.exclude),
            per_file_ignores: other.per_file_ignores,
        })
    }

    fn read(file: &Path) -> Result<Self> {
        if is_stdin(file) {
            return Err(Error::usage("`--config` must be a file, not `-`").hint("pass the path of a settings file"));
        }
        let source = InputReader::default().read_source(file, false)?;
        parse(&source.text).map_err(|error| error.in_document(&display_path(file), 1, &*source.text))
    }
}

/// Returns the settings file that `--config` names, or else the nearest one from the working directory upwards to the
/// root of its repository.
pub(super) fn find_settings_file(flag: Option<&Path>) -> Option<PathBuf> {
    if let Some(file) = flag {
        return (file != Path::new(NO_SETTINGS_FILE)).then(|| file.to_owned());
    }
    find_above(&std::env::current_dir().ok()?)
}

/// Returns the nearest settings file from a directory upwards to the root of its repository, relative to the directory.
/// Outside of a repository, only the directory is searched.
fn find_above(directory: &Path) -> Option<PathBuf> {
    let depth = directory.components().count() - find_root_above(directory).components().count();
    let levels = (0..=depth).flat_map(|levels| SETTINGS_FILES.map(|name| "../".repeat(levels) + name));
    let mut candidates = levels.map(PathBuf::from);
    candidates.find(|file| directory.join(file).is_file())
}

fn parse(text: &str) -> Result<Settings> {
    let mut arena = NodeArena::default();
    jobplate_yaml::read(text, &mut arena)
        .map_err(|unsupported| Error::usage(unsupported.message()).at(unsupported.offset..unsupported.offset))?;
    let root = Document::new(text, &arena).root();
    if let Some((node, construct)) = find_indirection(root) {
        return Err(Error::usage(format!("{construct} is not supported in a settings file"))
            .at(node.span())
            .hint("replace it with its content"));
    }
    let settings = jobplate_yaml::from_node(root, "the settings file")?;
    for key in ["select", "ignore"] {
        check_rules(key, root.get_first(key))?;
    }
    if let Some(baseline) = root.get_first("baseline").filter(|baseline| baseline.has_text("")) {
        return Err(Error::usage("`baseline` must not be empty")
            .at(baseline.span())
            .hint("write the path of a file, or remove the key"));
    }
    for (pattern, rules) in root.get_first("per-file-ignores").into_iter().flat_map(Node::entries) {
        check_rules("per-file-ignores", Some(rules))?;
        check_pattern(pattern)?;
    }
    root.get_first("exclude").into_iter().flat_map(Node::items).try_for_each(check_pattern)?;
    Ok(settings)
}

fn check_pattern(pattern: Node<'_>) -> Result<()> {
    let parsed = parse_pattern("invalid pattern", &pattern.text().unwrap_or_default());
    parsed.map(drop).map_err(|error| error.at(pattern.span()))
}

/// Parses a pattern of files. `problem` begins the message of the error.
///
/// # Errors
///
/// Fails if the pattern is invalid.
pub(super) fn parse_pattern(problem: &str, text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| {
        Error::usage(format!("{problem}: {}", error.msg))
            .hint("use `*` within a name and `**` for directories, such as `charts/**`")
    })
}

/// Checks that the items of a list are names of rules.
fn check_rules(key: &str, list: Option<Node<'_>>) -> Result<()> {
    list.into_iter().flat_map(Node::items).try_for_each(|item| {
        rules::require(key, &item.text().unwrap_or_default()).map(drop).map_err(|error| error.at(item.span()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_settings_file_of_the_repository() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("repository");
        let directory = root.join("a/b");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(outside.path().join(SETTINGS_FILE), "").unwrap();
        std::fs::write(root.join(SETTINGS_FILE), "").unwrap();
        let find = |directory: &Path| find_above(directory).map(|file| file.to_string_lossy().into_owned());
        assert_eq!(find(&directory), None);
        std::fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(find(&directory).as_deref(), Some("../../.jobplate-check.yaml"));
        std::fs::write(root.join("a").join(SETTINGS_FILE), "").unwrap();
        assert_eq!(find(&directory).as_deref(), Some("../.jobplate-check.yaml"));
        std::fs::remove_file(root.join(SETTINGS_FILE)).unwrap();
        assert_eq!(find(&root), None);
    }
}
