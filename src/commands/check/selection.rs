//! Which rules run, and which of their findings are reported.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use jobplate::check::rules::{self, RULES};
use jobplate::check::{Confidence, FindingFilter, Persona, Rule};
use jobplate::render::InputSource;
use jobplate_diagnostic::{Error, Result, Severity, display_path};

use super::settings::{ConfidenceChoice, PersonaChoice, Settings, SeverityChoice, find_settings_file, parse_pattern};

/// The rules that run, and the findings that are reported.
pub(super) struct Selection {
    /// The rules to run.
    pub(super) rules: Vec<&'static Rule>,
    /// The findings that are reported in files without a pattern.
    filter: FindingFilter,
    /// The rules that are not reported in the files of a pattern.
    per_file_ignores: Vec<(Pattern, Vec<String>)>,
    /// The files that are not checked.
    exclude: Vec<Pattern>,
    /// The directory that `exclude` is relative to.
    exclude_root: PathBuf,
    /// The settings file.
    pub(super) settings_file: Option<PathBuf>,
    /// The file with the known findings.
    pub(super) baseline: Option<PathBuf>,
}

impl Selection {
    /// Selects rules and findings by flags, and by the settings file that `config` names or that is found.
    ///
    /// # Errors
    ///
    /// Fails if the settings file cannot be read, or if a name is not that of a rule.
    pub(super) fn load(flags: Settings, config: Option<&Path>) -> Result<Self> {
        let settings_file = find_settings_file(config);
        // Patterns are relative to where they are written.
        let exclude_root = match &settings_file {
            Some(file) if flags.exclude.is_empty() => directory_of(file),
            _ => PathBuf::from("."),
        };
        let settings = match &settings_file {
            Some(file) => flags.or_from_file(file)?,
            None => flags,
        };
        let find_all = |flag: &str, names: &[String]| -> Result<Vec<&'static Rule>> {
            names.iter().map(|name| rules::require(flag, name)).collect()
        };
        let (selected, ignored) = (find_all("--select", &settings.select)?, find_all("--ignore", &settings.ignore)?);
        let is_in = |rules: &[&'static Rule], rule: &Rule| rules.iter().any(|other| other.name == rule.name);
        let is_selected = |rule: &Rule| match selected.is_empty() {
            true => rule.persona == Persona::Regular || settings.persona == Some(PersonaChoice::Pedantic),
            false => is_in(&selected, rule),
        };
        let patterns = settings.per_file_ignores.into_iter();
        Ok(Selection {
            rules: RULES.iter().copied().filter(|rule| is_selected(rule) && !is_in(&ignored, rule)).collect(),
            filter: FindingFilter {
                min_severity: match settings.min_severity {
                    None | Some(SeverityChoice::Info) => Severity::Info,
                    Some(SeverityChoice::Warning) => Severity::Warning,
                    Some(SeverityChoice::Error) => Severity::Error,
                },
                min_confidence: match settings.min_confidence {
                    None | Some(ConfidenceChoice::Low) => Confidence::Low,
                    Some(ConfidenceChoice::Medium) => Confidence::Medium,
                    Some(ConfidenceChoice::High) => Confidence::High,
                },
                ignored_rules: Vec::new(),
            },
            per_file_ignores: patterns.filter_map(|(text, rules)| Some((Pattern::new(&text).ok()?, rules))).collect(),
            exclude: settings.exclude.iter().map(|text| parse_exclude(text)).collect::<Result<_>>()?,
            exclude_root,
            settings_file,
            baseline: settings.baseline,
        })
    }

    /// Returns the note that names the settings file, if the run is verbose.
    pub(super) fn describe_settings_file(&self, is_verbose: bool) -> Option<String> {
        let name = || self.settings_file.as_deref().map_or("none".to_owned(), display_path);
        is_verbose.then(|| format!("settings file: {}", name()))
    }

    /// Returns the findings that are reported in a file.
    pub(super) fn filter(&self, file: Option<&Path>) -> FindingFilter {
        // Patterns are relative to the directory of the settings file.
        let file = file.zip(self.settings_file.as_deref()).filter(|_| !self.per_file_ignores.is_empty());
        let relative = file.and_then(|(file, settings_file)| path_from(&directory_of(settings_file), file));
        let matches = |pattern: &Pattern| relative.as_deref().is_some_and(|path| matches_path(pattern, path));
        let matching = self.per_file_ignores.iter().filter(|(pattern, _)| matches(pattern));
        FindingFilter { ignored_rules: matching.flat_map(|(_, rules)| rules).cloned().collect(), ..self.filter.clone() }
    }

    /// Removes the excluded files. Returns their number.
    pub(super) fn remove_excluded(&self, sources: &mut Vec<Result<InputSource>>) -> usize {
        let opened = sources.len();
        let is_excluded = |source: &InputSource| source.path().is_some_and(|path| self.excludes(path));
        sources.retain(|source| !source.as_ref().is_ok_and(is_excluded));
        opened - sources.len()
    }

    /// Returns whether a file is excluded: a pattern matches it, or a directory that contains it.
    fn excludes(&self, file: &Path) -> bool {
        if self.exclude.is_empty() {
            return false;
        }
        let Some(relative) = path_from(&self.exclude_root, file) else { return false };
        self.exclude.iter().any(|pattern| relative.ancestors().any(|path| matches_path(pattern, path)))
    }
}

/// Parses a pattern of `--exclude`. A slash at its end has no meaning.
fn parse_exclude(text: &str) -> Result<Pattern> {
    if text.starts_with('/') || text.starts_with("../") {
        return Err(Error::usage(format!("`--exclude {text}`: the pattern must be relative"))
            .hint("use a path from this directory, or from the directory of the settings file"));
    }
    let pattern = text.trim_start_matches("./").trim_end_matches('/');
    parse_pattern(&format!("`--exclude {text}`: invalid pattern"), pattern)
}

/// Returns the directory that contains a file.
fn directory_of(file: &Path) -> PathBuf {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Returns the path of a file from a directory, or `None` if the file is elsewhere.
fn path_from(directory: &Path, file: &Path) -> Option<PathBuf> {
    let (directory, file) = (directory.canonicalize().ok()?, file.canonicalize().ok()?);
    file.strip_prefix(directory).ok().map(Path::to_owned)
}

/// Returns whether a pattern matches a path. `*` does not match a slash.
fn matches_path(pattern: &Pattern, path: &Path) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
    pattern.matches_path_with(path, options)
}
