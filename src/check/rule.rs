//! The parts of a rule: its name, what it finds, and the text of its page.

use jobplate_diagnostic::Severity;

use super::findings::{Confidence, Findings};
use super::subject::Subject;

/// For whom a rule is on by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    /// Everybody: something fails, leaks or is ignored.
    Regular,
    /// Users who ask for more: a choice that a policy may forbid, or a doubtful style.
    Pedantic,
}

impl Persona {
    /// Returns the lower-case name: `regular` or `pedantic`.
    pub fn as_str(self) -> &'static str {
        match self {
            Persona::Regular => "regular",
            Persona::Pedantic => "pedantic",
        }
    }
}

/// A rule of `check`. Each rule is one file in `rules/`, and one line of [`super::rules::RULES`].
#[derive(Debug)]
pub struct Rule {
    /// The stable name in kebab case, which is also the code of its diagnostics.
    pub name: &'static str,
    /// The default severity of its findings.
    pub severity: Severity,
    /// The default confidence of its findings.
    pub confidence: Confidence,
    /// The security severity of a rule about leaked secrets, from `0.1` to `10.0`. GitHub shows alerts of 7.0 and more as
    /// high.
    pub security_severity: Option<&'static str>,
    /// For whom the rule is on by default.
    pub persona: Persona,
    /// What the rule reports: one sentence without a full stop, such as `an environment variable is defined twice`.
    pub summary: &'static str,
    /// Why it matters: Markdown, in full sentences.
    pub why: &'static str,
    /// How to fix a finding: Markdown, in full sentences.
    pub remedy: &'static str,
    /// What `--fix` changes, or `None` if the rule has no fix.
    pub fix: Option<FixDescription>,
    /// The sources of the facts: URLs, or `repository:path`.
    pub sources: &'static [&'static str],
    /// Examples, at least one. Tests check each of them.
    pub examples: &'static [Example],
    /// How the rule finds its findings.
    pub check: Check,
}

/// How a rule finds its findings.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// The function examines a document.
    Manifest(for<'a> fn(&Subject<'a>, &mut Findings<'a>)),
    /// The preview of the Job that Prefect creates reports diagnostics with the rule's name as code.
    Preview,
    /// The engine reports the findings itself, for example about comments.
    Engine,
}

/// What a fix does.
#[derive(Clone, Copy, Debug)]
pub struct FixDescription {
    /// Whether the fix keeps what the manifest means. `--fix` applies safe fixes, `--fix=unsafe` all of them.
    pub is_safe: bool,
    /// The change: an imperative sentence without a full stop, such as `put the value in quotes`.
    pub text: &'static str,
}

/// An example of a finding, with the correction.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// A manifest with at least one finding of the rule.
    pub manifest: &'static str,
    /// Further flags of the command line: the flag, its value and, if the value is the name of a file, the text of the
    /// file.
    pub with: &'static [(&'static str, &'static str, &'static str)],
    /// The part of the manifest, or of one of the files, that causes the finding. It occurs once.
    pub bad: &'static str,
    /// What to write instead.
    pub good: &'static str,
}

impl Example {
    /// Returns `text`, the manifest or one of the files, after the correction.
    pub fn correct(&self, text: &str) -> String {
        text.replacen(self.bad, self.good, 1)
    }
}
