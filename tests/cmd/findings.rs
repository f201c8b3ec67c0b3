//! Tests the reports of `check`: what the readers of each format require, and where the files are written.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::run::{self, ProgramOutput};

/// A Pod with findings on one line and on several lines, twice the same finding, and a secret.
const MANIFEST: &str = "\
kind: ConfigMap
metadata: {name: first}
---
kind: Pod
metadata: {name: etl}
spec:
  containers:
  - name: flow
    env:
    - {name: DB_PASSWORD, value: canary}
    - {name: DB_PASSWORD, value: canary}
    - {name: DB_PASSWORD, value: canary}
    - name: é
      value: 5
    - name: LIST
      value:
      - first
      - second
";

/// The rules whose findings the reports have.
const RULES: &str = "duplicate-env,non-string-value";

/// The formats that are JSON.
const JSON_FORMATS: [&str; 4] = ["json", "sarif", "gitlab", "rdjson"];

/// Returns a directory with a file, `k8s/a b.yaml`.
fn directory(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    run::write_file(&directory.path().join("k8s/a b.yaml"), manifest.as_bytes());
    directory
}

fn check(directory: &Path, args: &[&str]) -> ProgramOutput {
    run::jobplate(directory, &[&["check", "k8s/a b.yaml"], args].concat(), b"")
}

/// Returns the report of a manifest in a format that is JSON, with the findings of two rules.
fn report(manifest: &str, format: &str) -> Value {
    let output = check(directory(manifest).path(), &["--output", format, "--select", RULES]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{format}: {error}"))
}

/// Returns the strings with a key, at any depth.
fn strings<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    match value {
        Value::Object(object) => {
            let own = object.get(key).and_then(Value::as_str);
            own.into_iter().chain(object.values().flat_map(|value| strings(value, key))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| strings(item, key)).collect(),
        _ => Vec::new(),
    }
}

/// Panics if a value has an empty string, or an empty array or object: GitHub rejects the whole file.
fn require_no_empty_value(value: &Value, path: &str) {
    match value {
        Value::String(text) => assert!(!text.is_empty(), "{path}"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path}");
            items.iter().for_each(|item| require_no_empty_value(item, &format!("{path}[]")));
        }
        Value::Object(object) => {
            assert!(!object.is_empty(), "{path}");
            object.iter().for_each(|(key, value)| require_no_empty_value(value, &format!("{path}.{key}")));
        }
        _ => {}
    }
}

/// Returns whether a region has all four positions, in order.
fn is_whole_region(region: &Value) -> bool {
    let number = |key: &str| region[key].as_u64().unwrap_or_default();
    let start = (number("startLine"), number("startColumn"));
    let end = (number("endLine"), number("endColumn"));
    start.0 > 0 && start.1 > 0 && end.1 > 0 && start <= end
}

/// Checks the rules of GitHub in addition to the schema of SARIF.
pub(crate) fn sarif_has_what_github_requires() {
    let log = report(MANIFEST, "sarif");
    require_no_empty_value(&log, "");
    let run = &log["runs"][0];
    assert_eq!((log["version"].as_str(), run["columnKind"].as_str()), (Some("2.1.0"), Some("unicodeCodePoints")));
    let rules = run["tool"]["driver"]["rules"].as_array().expect("a list of rules");
    for rule in rules {
        for pointer in ["/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"] {
            assert!(rule.pointer(pointer).is_some_and(Value::is_string), "{pointer}: {rule}");
        }
        assert!(rule["shortDescription"]["text"].as_str().is_some_and(|text| text.len() <= 1024), "{rule}");
        let properties = &rule["properties"];
        assert!(["error", "warning", "recommendation"].map(Value::from).contains(&properties["problem.severity"]));
        assert!(["very-high", "high", "medium", "low"].map(Value::from).contains(&properties["precision"]));
        assert!(properties["tags"].as_array().is_some_and(|tags| tags.len() <= 20));
        assert!(properties["security-severity"].is_null() || properties["security-severity"].is_string());
    }
    let results = run["results"].as_array().expect("a list of results");
    assert_eq!(results.len(), 4, "{results:#?}");
    for result in results {
        let rule = result["ruleIndex"].as_u64().and_then(|index| rules.get(usize::try_from(index).ok()?));
        assert_eq!(rule.expect("the result has a rule")["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].map(Value::from).contains(&result["level"]));
        let [location] = result["locations"].as_array().expect("locations").as_slice() else { panic!("{result}") };
        let place = &location["physicalLocation"];
        assert!(is_whole_region(&place["region"]), "{result}");
        assert_eq!(place["artifactLocation"]["uri"], "k8s/a%20b.yaml");
    }
    let fingerprints: BTreeSet<_> = strings(&log, "primaryLocationLineHash").into_iter().collect();
    assert_eq!(fingerprints.len(), results.len());
    let list = results.last().expect("a result");
    let region = &list["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["endLine"]), (&17.into(), &18.into()), "{list}");
}

/// Checks the schema with which GitLab validates each violation, and the paths that it can show.
pub(crate) fn gitlab_report_has_what_gitlab_requires() {
    let violations = report(MANIFEST, "gitlab");
    let violations = violations.as_array().expect("a list");
    for violation in violations {
        for key in ["description", "check_name", "fingerprint"] {
            assert!(violation[key].as_str().is_some_and(|text| !text.is_empty()), "{violation}");
        }
        let severities = ["info", "minor", "major", "critical", "blocker"].map(Value::from);
        assert!(severities.contains(&violation["severity"]), "{violation}");
        assert_eq!(violation["location"]["path"], "k8s/a b.yaml");
        assert!(violation["location"]["lines"]["begin"].is_u64());
    }
    let fingerprints: BTreeSet<_> = violations.iter().map(|violation| violation["fingerprint"].as_str()).collect();
    assert_eq!(fingerprints.len(), 4);
}

/// Checks that lines before a finding, and the way in which a file is named, do not change its fingerprint.
pub(crate) fn fingerprints_are_stable() {
    let fingerprints =
        |report: &Value| -> Vec<String> { strings(report, "fingerprint").into_iter().map(str::to_owned).collect() };
    let before = fingerprints(&report(MANIFEST, "json"));
    let moved = MANIFEST.replace("kind: Pod", "# comment\n\nkind: Pod").replace("spec:\n", "spec: # comment\n\n");
    assert_eq!(before, fingerprints(&report(&moved, "json")));
    let directory = directory(MANIFEST);
    std::fs::create_dir(directory.path().join(".git")).expect("a directory can be created");
    let args = ["check", "./a b.yaml", "--output", "json", "--select", RULES];
    let output = run::jobplate(&directory.path().join("k8s"), &args, b"");
    let below = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert_eq!(before, fingerprints(&below));
}

/// Checks that the paths of reports start at the root of the repository.
pub(crate) fn paths_start_at_the_root_of_the_repository() {
    let directory = directory(MANIFEST);
    std::fs::create_dir(directory.path().join(".git")).expect("a directory can be created");
    let absolute = directory.path().join("k8s/a b.yaml");
    for (working_directory, file) in [("k8s", "./a b.yaml"), ("k8s", absolute.to_str().expect("UTF-8")), (".", "k8s")] {
        let print = |format| {
            let args = ["check", file, "--output", format];
            String::from_utf8(run::jobplate(&directory.path().join(working_directory), &args, b"").stdout)
        };
        assert!(print("sarif").expect("UTF-8").contains("\"uri\": \"k8s/a%20b.yaml\""), "{file}");
        assert!(print("gitlab").expect("UTF-8").contains("\"path\": \"k8s/a b.yaml\""), "{file}");
        assert!(print("github").expect("UTF-8").contains(",file=k8s/a b.yaml,line="), "{file}");
    }
}

/// Checks that one run writes several formats, that a report equals the one on standard output, and that no format
/// contains a secret.
pub(crate) fn several_outputs_are_written() {
    let directory = directory(MANIFEST);
    let formats = ["human", "json", "sarif", "github", "gitlab", "junit", "rdjson"];
    let outputs: Vec<String> = formats.iter().map(|format| format!("{format}={format}.out")).collect();
    let flags = outputs.iter().flat_map(|output| ["--output", output]);
    let output = check(directory.path(), &flags.chain(["--output", "human"]).collect::<Vec<_>>());
    assert_eq!(output.status, 1, "{}", String::from_utf8_lossy(&output.stderr));
    let read = |format: &str| std::fs::read(directory.path().join(format!("{format}.out"))).expect("a report");
    assert_eq!(read("human"), output.stdout);
    for format in formats {
        let alone = check(directory.path(), &["--output", format]);
        assert_eq!((alone.status, &read(format)), (1, &alone.stdout), "{format}");
        let text = String::from_utf8(alone.stdout).expect("UTF-8");
        assert!(!text.contains("canary") && text.contains("DB_PASSWORD"), "{format}: {text}");
    }
    let output = check(directory.path(), &["--output", "sarif=sarif.out", "--exit-zero", "--quiet"]);
    assert_eq!((output.status, output.stdout.len(), output.stderr.len()), (0, 0, 0));
}

/// Checks that a suppressed finding is marked where the format has a mark, and left out elsewhere, and that a password in
/// the reason is masked.
pub(crate) fn suppressed_findings_are_marked() {
    let manifest = "kind: Pod\nspec:\n  containers:\n  - name: a\n    env:\n    \
                    - {name: A, value: 1} # jobplate: ignore[non-string-value] as on http://u:canary@host\n    \
                    - {name: B, value: 2} # jobplate: ignore[non-string-value]\n";
    let directory = directory(manifest);
    let print = |format: &str| {
        let output = check(directory.path(), &["--output", format]);
        assert_eq!(output.status, 0, "{format}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!text.contains("canary"), "{format}: {text}");
        text
    };
    let sarif = report(manifest, "sarif");
    require_no_empty_value(&sarif, "");
    let results = sarif["runs"][0]["results"].as_array().expect("a list of results");
    let suppressions: Vec<_> = results.iter().map(|result| result["suppressions"][0].clone()).collect();
    assert_eq!(
        suppressions,
        [
            serde_json::json!({"kind": "inSource", "justification": "as on http://u:***@host"}),
            serde_json::json!({"kind": "inSource"})
        ]
    );
    let json = report(manifest, "json");
    assert_eq!(json["findings"][0]["suppression"], serde_json::json!({"reason": "as on http://u:***@host"}));
    assert_eq!((&json["summary"]["errors"], &json["summary"]["suppressed"]), (&0.into(), &2.into()));
    assert!(print("junit").contains("tests=\"2\" skipped=\"2\" failures=\"0\""));
    assert_eq!((print("gitlab").as_str(), print("github").as_str()), ("[]\n", ""));
    assert!(print("rdjson").contains("\"diagnostics\": []"));
    assert!(print("json").contains("\"suppression\"") && print("sarif").contains("\"suppressions\""));
}

/// Checks that an input that cannot be checked is in each format, with the exit code of an error. GitHub gets it from
/// standard error.
pub(crate) fn errors_of_inputs_are_reported() {
    let directory = directory("kind: Pod\nspec: {containers: [\n");
    for (format, expected) in [
        ("sarif", "\"executionSuccessful\": false"),
        ("gitlab", "\"severity\": \"blocker\""),
        ("junit", "<error message=\"invalid YAML: unterminated bracket\""),
        ("rdjson", "\"severity\": \"ERROR\""),
    ] {
        let output = check(directory.path(), &["--output", format]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status == 2 && text.contains(expected), "{format}: {text}");
    }
}

/// Checks that reports are valid if there is nothing to report.
pub(crate) fn reports_may_be_empty() {
    for format in JSON_FORMATS {
        assert!(report("kind: Pod\n", format).to_string().len() > 1, "{format}");
    }
    assert_eq!(report("kind: Pod\n", "gitlab"), Value::Array(Vec::new()));
    let log = report("kind: Pod\n", "sarif");
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()));
}

/// Checks that the JSON report has the keys of its schema, and no others.
pub(crate) fn json_matches_its_schema() {
    let directory = directory(MANIFEST);
    run::write_file(&directory.path().join("bad.yaml"), b"kind: Pod\nspec: {containers: [\n");
    let output = check(directory.path(), &["bad.yaml", "--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert!(report["errors"].as_array().is_some_and(|errors| errors.len() == 1));
    let schema = run::jobplate(directory.path(), &["schema", "check"], b"");
    let schema: Value = serde_json::from_slice(&schema.stdout).expect("the schema is JSON");
    require_schema(&report, &schema, &schema, "report");
}

/// Panics if a value has a missing or an unknown key, or the wrong type. Supports the keywords that the schema has.
fn require_schema(value: &Value, schema: &Value, root: &Value, path: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect("the schema has its definitions");
        return require_schema(value, target, root, path);
    }
    // An optional key is missing, not null.
    if let Some(schema) = schema["anyOf"].get(0) {
        return require_schema(value, schema, root, path);
    }
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let own_type = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "other",
    };
    assert!(types.contains(&own_type.into()), "{path}: {value} is not {types:?}");
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(value.get(key).is_some(), "{path} has no {key}");
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let property = schema["properties"].get(key).unwrap_or_else(|| panic!("{path}: unknown key {key}"));
        require_schema(value, property, root, &format!("{path}.{key}"));
    }
    for item in value.as_array().into_iter().flatten() {
        require_schema(item, &schema["items"], root, &format!("{path}[]"));
    }
}

/// Runs the program with a reader that closes the pipe early.
pub(crate) fn files_are_written_when_stdout_is_closed() {
    let directory = directory(MANIFEST);
    let mut command = run::isolated_command("sh", directory.path());
    command.env("PATH", format!("{}:/usr/bin:/bin", run::binary().parent().expect("a directory").display()));
    let script = "jobplate check k8s --output human --output sarif=check.sarif | true";
    assert!(command.args(["-c", script]).status().expect("sh starts").success());
    let report = std::fs::read_to_string(directory.path().join("check.sarif")).expect("there is a report");
    assert!(report.contains("\"ruleId\": \"duplicate-env\""), "{report}");
}

/// Documents of several kinds: with findings, without them, with errors, and a template of Prefect, which one thread
/// previews for all. `~` is replaced with a byte that is not UTF-8.
const DOCUMENTS: [&str; 6] = [
    "kind: Pod\nspec:\n  containers:\n  - env:\n    - {name: A, value: 1}\n    - {name: B, value: b}\n    - {name: B, value: c}\n",
    "kind: ConfigMap\nmetadata: {name: settings}\n",
    "kind: Pod\n  spec: {}\n",
    "kind: Pod\nmetadata: {name: ~}\n",
    "variables: {type: object, required: [size], properties: {size: {type: string}}}\njob_configuration:\n  job_manifest: \
     {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{name: main}]}}}}\n",
    "apiVersion: v1\nkind: ConfigMap\ndata:\n  a.yaml: |\n    kind: Pod\n    spec:\n      containers: [{env: [{name: A, value: 5}]}]\n",
];

/// Returns what the report of a stream has of its findings and errors: rule, line, column and message, in order.
fn places(stream: &str) -> [Vec<(String, u64, u64, String)>; 2] {
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let bytes: Vec<u8> = stream.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect();
    let output = run::jobplate(directory.path(), &["check", "-", "--output", "json"], &bytes);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    ["findings", "errors"].map(|list| {
        let items = report[list].as_array().expect("a list").iter().map(|item| {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| item[key].as_u64().unwrap_or_default();
            (text("rule"), number("line"), number("column"), text("message"))
        });
        items.collect()
    })
}

/// Compares the report of a stream that is checked in several threads with those of its documents.
pub(crate) fn large_inputs_are_reported_like_small_ones() {
    let separate = DOCUMENTS.map(|document| places(&format!("---\n{document}")));
    assert!(separate.iter().filter(|[findings, _]| !findings.is_empty()).count() > 2, "{separate:#?}");
    let (mut stream, mut lines, mut expected) = (String::new(), 0, [Vec::new(), Vec::new()]);
    // More than one batch of documents, in an order without a short period.
    for number in 0.. {
        if stream.len() > 3 << 20 {
            break;
        }
        let kind = (number * number + number / 3) % DOCUMENTS.len();
        // Comments make the documents larger, so that there are fewer of them.
        let document = format!("---\n{}{}", DOCUMENTS[kind], "# a comment of 32 characters .....\n".repeat(300));
        for (list, own) in expected.iter_mut().zip(&separate[kind]) {
            let moved =
                own.iter().map(|(rule, line, column, message)| (rule.clone(), line + lines, *column, message.clone()));
            list.extend(moved);
        }
        lines += document.matches('\n').count() as u64;
        stream += &document;
    }
    assert!(places(&stream) == expected, "the findings or errors of a large input differ");
}
