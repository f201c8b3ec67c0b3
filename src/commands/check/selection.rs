//! Which rules run, and which of their findings are reported.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use jobplate::check::rules::{self, RULES};
use jobplate::check::{Confidence, FindingFilter, Persona, Rule};
use jobplate_diagnostic::{Result, Severity, display_path};

use super::settings::{ConfidenceChoice, PersonaChoice, Settings, SeverityChoice, find_settings_file};

/// The rules that run, and the findings that are reported.
pub(super) struct Selection {
    /// The rules to run.
    pub(super) rules: Vec<&'static Rule>,
    /// The findings that are reported in files without a pattern.
    filter: FindingFilter,
    /// The rules that are not reported in the files of a pattern.
    per_file_ignores: Vec<(Pattern, Vec<String>)>,
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
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let path = file.filter(|_| !self.per_file_ignores.is_empty()).and_then(|file| file.canonicalize().ok());
        // Patterns are relative to the directory of the settings file.
        let settings_file = self.settings_file.as_deref().filter(|_| path.is_some());
        let settings_file = settings_file.and_then(|file| file.canonicalize().ok());
        let root = settings_file.as_deref().and_then(Path::parent);
        let relative = path.as_deref().and_then(|path| path.strip_prefix(root?).ok());
        let matches = |pattern: &Pattern| relative.is_some_and(|path| pattern.matches_path_with(path, options));
        let matching = self.per_file_ignores.iter().filter(|(pattern, _)| matches(pattern));
        FindingFilter { ignored_rules: matching.flat_map(|(_, rules)| rules).cloned().collect(), ..self.filter.clone() }
    }
}
