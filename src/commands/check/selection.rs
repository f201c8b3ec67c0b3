//! Which rules run, and which of their findings are reported.

use clap::{Args, ValueEnum};
use jobplate::check::rules::{self, RULES, find};
use jobplate::check::{Confidence, Finding, Persona, Rule};
use jobplate_diagnostic::{Error, Result, Severity, suggest};

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
#[command(next_help_heading = "Rules")]
pub(super) struct SelectionArgs {
    /// Run only these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Do not run these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Rules to run: regular, or pedantic for all of them
    #[arg(long, value_name = "PERSONA", value_enum, default_value = "regular", hide_possible_values = true)]
    persona: PersonaChoice,
    /// Report only findings of this severity or higher: info, warning, error
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "info", hide_possible_values = true)]
    min_severity: SeverityChoice,
    /// Report only findings of this confidence or higher: low, medium, high
    #[arg(long, value_name = "CONFIDENCE", value_enum, default_value = "low", hide_possible_values = true)]
    min_confidence: ConfidenceChoice,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum PersonaChoice {
    Regular,
    Pedantic,
}

#[derive(Clone, Copy, ValueEnum)]
enum SeverityChoice {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Copy, ValueEnum)]
enum ConfidenceChoice {
    Low,
    Medium,
    High,
}

impl SelectionArgs {
    /// Returns the rules to run.
    ///
    /// # Errors
    ///
    /// Fails if a name is not that of a rule.
    pub(super) fn rules(&self) -> Result<Vec<&'static Rule>> {
        let find_all = |flag: &str, names: &[String]| -> Result<Vec<&'static Rule>> {
            names.iter().map(|name| find_rule(flag, name)).collect()
        };
        let (selected, ignored) = (find_all("--select", &self.select)?, find_all("--ignore", &self.ignore)?);
        let is_in = |rules: &[&'static Rule], rule: &Rule| rules.iter().any(|other| other.name == rule.name);
        let is_selected = |rule: &Rule| match selected.is_empty() {
            true => rule.persona == Persona::Regular || self.persona == PersonaChoice::Pedantic,
            false => is_in(&selected, rule),
        };
        Ok(RULES.iter().copied().filter(|rule| is_selected(rule) && !is_in(&ignored, rule)).collect())
    }

    /// Returns whether a finding is severe and certain enough to be reported.
    pub(super) fn accepts(&self, finding: &Finding) -> bool {
        let severity = match self.min_severity {
            SeverityChoice::Info => Severity::Info,
            SeverityChoice::Warning => Severity::Warning,
            SeverityChoice::Error => Severity::Error,
        };
        let confidence = match self.min_confidence {
            ConfidenceChoice::Low => Confidence::Low,
            ConfidenceChoice::Medium => Confidence::Medium,
            ConfidenceChoice::High => Confidence::High,
        };
        finding.diagnostic.severity() >= severity && finding.confidence >= confidence
    }
}

/// Returns the rule with a name that `flag` gives.
///
/// # Errors
///
/// Fails if there is no such rule.
pub(super) fn find_rule(flag: &str, name: &str) -> Result<&'static Rule> {
    find(name).ok_or_else(|| {
        Error::usage(format!("`{flag}`: unknown rule {}", suggest::quote_key(name))).hint(rules::suggest(name))
    })
}
