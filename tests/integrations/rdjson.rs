//! Reads the rdjson of `check` with reviewdog's parser.

use jobplate::check::rules::RULES;

use crate::programs;
use crate::workspace::Workspace;

#[test]
fn reviewdog_reads_reports() {
    let Some(validator) = programs::find("validate-rdjson") else { return };
    let mut suggestions = 0;
    for rule in RULES {
        let workspace = Workspace::new(&rule.examples[0], str::to_owned);
        let [report, annotations] = workspace.reports(rule.name, ["rdjson", "github"]);
        let output = programs::run_with_input(&validator, &report);
        let places = String::from_utf8_lossy(&output.stdout);
        let (found, suggested): (Vec<&str>, Vec<&str>) = places.lines().partition(|line| !line.starts_with(' '));
        assert!(output.status.success(), "{}: {}", rule.name, String::from_utf8_lossy(&output.stderr));
        let annotations = annotations.lines().filter(|line| line.starts_with("::")).count();
        assert_eq!(found.len(), annotations, "{}: {places}", rule.name);
        assert!(found.iter().all(|line| line.contains(&format!(" {} ", rule.name))), "{}: {places}", rule.name);
        let place_of = |line: &&str| line.rsplit(' ').next().unwrap_or_default().to_owned();
        let has_zero = |place: String| place.split([':', '-']).any(|number| number == "0");
        assert!(!found.is_empty() && !found.iter().map(place_of).any(has_zero), "{}: {places}", rule.name);
        suggestions += suggested.len();
    }
    assert!(suggestions > 5, "{suggestions}");
    // The parser notices a value of a wrong type.
    let invalid = r#"{"diagnostics": [{"message": ["text"]}]}"#;
    assert!(!programs::run_with_input(&validator, invalid).status.success());
}
