//! Renders findings as SARIF 2.1.0, as code scanning on GitHub reads it.
//!
//! The format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. What GitHub requires, and its limits:
//! <https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning>.

// Over 400 lines: half of the file is the structs of the format.

use std::borrow::Cow;
use std::cmp::Reverse;

use jobplate_diagnostic::{Severity, to_sentence};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::finding::{CheckReport, Position, ReportedFinding, ReportedFix, ReportedPlace, RuleInfo};

/// The maximum number of results that GitHub accepts in a run.
const MAX_RESULTS: usize = 25_000;

/// The characters of a path that are encoded in a URI.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

#[derive(Serialize)]
struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'r> {
    tool: Tool<'r>,
    invocations: [Invocation<'r>; 1],
    column_kind: &'static str,
    results: Vec<SarifResult<'r>>,
}

#[derive(Serialize)]
struct Tool<'r> {
    driver: Driver<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'r> {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<ReportingDescriptor<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportingDescriptor<'r> {
    id: &'static str,
    short_description: Text<'r>,
    full_description: Text<'r>,
    default_configuration: Configuration,
    help: Text<'r>,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: Vec<&'static str>,
    precision: &'static str,
    #[serde(rename = "problem.severity")]
    problem_severity: &'static str,
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    security_severity: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'r> {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification<'r> {
    level: &'static str,
    message: Text<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<SarifLocation<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'r> {
    rule_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text<'r>,
    locations: [SarifLocation<'r>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<SarifLocation<'r>>,
    partial_fingerprints: Fingerprints<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixes: Option<[SarifFix<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<[SarifSuppression<'r>; 1]>,
    properties: ResultProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprints<'r> {
    primary_location_line_hash: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifFix<'r> {
    description: Text<'r>,
    artifact_changes: [ArtifactChange<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange<'r> {
    artifact_location: ArtifactLocation,
    replacements: [Replacement<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement<'r> {
    deleted_region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    inserted_content: Option<Text<'r>>,
}

#[derive(Serialize)]
struct SarifSuppression<'r> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'r str>,
}

#[derive(Serialize)]
struct ResultProperties {
    confidence: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifLocation<'r> {
    physical_location: PhysicalLocation<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_locations: Option<[LogicalLocation<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation<'r> {
    artifact_location: ArtifactLocation,
    region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_region: Option<ContextRegion<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextRegion<'r> {
    start_line: usize,
    end_line: usize,
    snippet: Text<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'r> {
    fully_qualified_name: &'r str,
}

#[derive(Serialize)]
struct Text<'r> {
    text: Cow<'r, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<&'r str>,
}

impl Region {
    fn new(start: Position, end: Position) -> Self {
        Region { start_line: start.line, start_column: start.column, end_line: end.line, end_column: end.column }
    }
}

impl<'r> Text<'r> {
    fn new(text: impl Into<Cow<'r, str>>) -> Self {
        Text { text: text.into(), markdown: None }
    }
}

/// Returns a report as a SARIF log. If there are more findings than GitHub accepts, the most severe ones are kept, and a
/// notification says how many are left out.
pub fn render(report: &CheckReport) -> String {
    let mut findings: Vec<&ReportedFinding> = report.findings.iter().collect();
    let left_out = findings.len().saturating_sub(MAX_RESULTS);
    if left_out > 0 {
        findings.sort_by_key(|finding| Reverse(finding.severity));
        findings.truncate(MAX_RESULTS);
    }
    let is_used = |rule: &&RuleInfo| findings.iter().any(|finding| finding.rule == rule.name);
    let rules: Vec<&RuleInfo> = report.rules.iter().filter(is_used).collect();
    let mut notifications: Vec<Notification<'_>> = report.errors.iter().map(notify).collect();
    if left_out > 0 {
        let message = Text::new(format!("{left_out} further findings are left out: GitHub accepts {MAX_RESULTS}"));
        notifications.push(Notification { level: "warning", message, locations: Vec::new() });
    }
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "jobplate",
                    semantic_version: report.version,
                    rules: rules.iter().map(|rule| describe_rule(rule)).collect(),
                },
            },
            invocations: [Invocation {
                execution_successful: report.errors.is_empty(),
                tool_execution_notifications: notifications,
            }],
            column_kind: "unicodeCodePoints",
            results: findings.iter().map(|finding| to_result(finding, &rules)).collect(),
        }],
    };
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn describe_rule(rule: &RuleInfo) -> ReportingDescriptor<'_> {
    let mut tags = vec!["kubernetes"];
    tags.extend(rule.security_severity.map(|_| "security"));
    let problem_severity = if rule.severity == Severity::Info { "recommendation" } else { rule.severity.as_str() };
    ReportingDescriptor {
        id: rule.name,
        short_description: Text::new(to_sentence(rule.summary)),
        full_description: Text::new(rule.why),
        default_configuration: Configuration { level: level(rule.severity) },
        help: Text { text: rule.remedy.into(), markdown: Some(&rule.page) },
        properties: RuleProperties {
            tags,
            precision: rule.confidence,
            problem_severity,
            security_severity: rule.security_severity,
        },
    }
}

fn notify(error: &ReportedFinding) -> Notification<'_> {
    Notification { level: "error", message: Text::new(error.text()), locations: vec![to_location(&error.place)] }
}

fn to_result<'r>(finding: &'r ReportedFinding, rules: &[&RuleInfo]) -> SarifResult<'r> {
    let mut location = to_location(&finding.place);
    if !finding.path.is_empty() {
        location.logical_locations = Some([LogicalLocation { fully_qualified_name: &finding.path }]);
    }
    let related = finding.related.iter().map(|(label, place)| {
        let message = Some(Text::new(label.as_str()));
        SarifLocation { message, ..to_location(place) }
    });
    let suppress = |reason| {
        let justification = Some(reason).filter(|reason: &&str| !reason.is_empty());
        [SarifSuppression { kind: "inSource", justification }]
    };
    SarifResult {
        rule_id: finding.rule,
        rule_index: rules.iter().position(|rule| rule.name == finding.rule),
        level: level(finding.severity),
        message: Text::new(finding.text()),
        locations: [location],
        related_locations: related.collect(),
        partial_fingerprints: Fingerprints { primary_location_line_hash: &finding.fingerprint },
        fixes: finding.fix.as_ref().map(|fix| [to_fix(fix, &finding.place.file.path)]),
        suppressions: finding.suppression.as_deref().map(suppress),
        properties: ResultProperties { confidence: finding.confidence },
    }
}

/// Returns a fix of a file. An empty text is left out, because GitHub rejects empty strings.
fn to_fix<'r>(fix: &'r ReportedFix, path: &str) -> SarifFix<'r> {
    let inserted_content = Some(Text::new(fix.replacement.as_str())).filter(|_| !fix.replacement.is_empty());
    let replacements = [Replacement { deleted_region: Region::new(fix.start, fix.end), inserted_content }];
    let artifact_changes = [ArtifactChange { artifact_location: to_artifact_location(path), replacements }];
    SarifFix { description: Text::new(to_sentence(&fix.description())), artifact_changes }
}

fn to_location(place: &ReportedPlace) -> SarifLocation<'_> {
    let ReportedPlace { file, start, end, lines } = place;
    let last_line = start.line + lines.matches('\n').count();
    let context_region =
        ContextRegion { start_line: start.line, end_line: last_line, snippet: Text::new(lines.as_str()) };
    // A context must contain the whole region.
    let context_region = Some(context_region).filter(|_| !lines.is_empty() && last_line >= end.line);
    let physical_location = PhysicalLocation {
        artifact_location: to_artifact_location(&file.path),
        region: Region::new(*start, *end),
        context_region,
    };
    SarifLocation { physical_location, logical_locations: None, message: None }
}

/// Returns a relative path as a URI relative to the root of the repository, and an absolute path as a `file` URI.
fn to_artifact_location(path: &str) -> ArtifactLocation {
    let encoded = utf8_percent_encode(path, ENCODED);
    match path.starts_with('/') {
        true => ArtifactLocation { uri: format!("file://{encoded}"), uri_base_id: None },
        false => ArtifactLocation { uri: encoded.to_string(), uri_base_id: Some("%SRCROOT%") },
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::sample_finding;
    use super::*;

    fn render_json(findings: Vec<ReportedFinding>, rules: Vec<RuleInfo>) -> serde_json::Value {
        serde_json::from_str(&render(&CheckReport { findings, rules, ..CheckReport::default() })).unwrap()
    }

    #[test]
    fn marks_rules_about_secrets() {
        let rule = RuleInfo {
            name: "some-rule",
            summary: "a secret",
            why: "why",
            remedy: "remedy",
            severity: Severity::Warning,
            confidence: "medium",
            security_severity: Some("8.0"),
            page: "page".to_owned(),
        };
        let log = render_json(vec![sample_finding(Severity::Warning, "a.yaml")], vec![rule]);
        assert_eq!(
            log["runs"][0]["tool"]["driver"]["rules"][0]["properties"],
            serde_json::json!({
                "tags": ["kubernetes", "security"], "precision": "medium",
                "problem.severity": "warning", "security-severity": "8.0",
            })
        );
    }

    #[test]
    fn keeps_the_most_severe_results() {
        let mut findings = vec![sample_finding(Severity::Info, "a.yaml"); MAX_RESULTS + 1];
        findings.push(sample_finding(Severity::Error, "a.yaml"));
        let log = render_json(findings, Vec::new());
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[0]["level"]), (MAX_RESULTS, &"error".into()));
        let notification = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(notification, "2 further findings are left out: GitHub accepts 25000");
    }

    #[test]
    fn encodes_paths() {
        for (path, uri, base) in [
            ("k8s/a b#é.yaml", "k8s/a%20b%23%C3%A9.yaml", Some("%SRCROOT%")),
            ("/tmp/a:b.yaml", "file:///tmp/a%3Ab.yaml", None),
        ] {
            let log = render_json(vec![sample_finding(Severity::Error, path)], Vec::new());
            let artifact = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
            assert_eq!((artifact["uri"].as_str(), artifact["uriBaseId"].as_str()), (Some(uri), base));
        }
    }
}
