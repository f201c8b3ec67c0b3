//! Renders findings as JUnit XML: a test suite for each file, and a failed test case for each finding.

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::finding::{CheckReport, ReportedFinding};

/// Returns a report as JUnit XML. A file without findings has one test case that passes.
pub fn render(report: &CheckReport) -> String {
    let mut suites: IndexMap<&str, TestSuite> = IndexMap::new();
    for file in &report.files {
        suites.entry(&file.name).or_insert_with_key(|name| TestSuite::new(*name));
    }
    let errors = report.errors.iter().map(|error| (error, NonSuccessKind::Error));
    let findings = report.findings.iter().map(|finding| (finding, NonSuccessKind::Failure));
    for (finding, kind) in errors.chain(findings) {
        let suite = suites.entry(&finding.place.file.name).or_insert_with_key(|name| TestSuite::new(*name));
        suite.add_test_case(to_test_case(finding, kind));
    }
    let mut junit = Report::new("jobplate");
    for (name, mut suite) in suites {
        if suite.test_cases.is_empty() {
            suite.add_test_case(test_case("check", TestCaseStatus::success(), name));
        }
        junit.add_test_suite(suite);
    }
    junit.to_string().unwrap_or_default()
}

fn to_test_case(finding: &ReportedFinding, kind: NonSuccessKind) -> TestCase {
    let (file, start) = (&finding.place.file.name, finding.place.start);
    let status = match &finding.suppression {
        Some(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
        None => {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(finding.severity.as_str()).set_message(finding.message.as_str());
            status.set_description(format!("{file}:{}:{}: {}", start.line, start.column, finding.text()));
            status
        }
    };
    let name = format!("{} {}", finding.rule, finding.path);
    test_case(name.trim_end(), status, file)
}

fn test_case(name: &str, status: TestCaseStatus, file: &str) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(file);
    case
}
