//! Checks that the examples of rules have the same findings inside other files, at the same text, and that each format
//! has the places of all findings.

use std::collections::BTreeSet;

use jobplate::check::rules::RULES;
use serde_json::Value;

use super::workspace::Workspace;

/// A way to put a manifest into another file.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// Returns the file that contains a manifest.
    pub(crate) wrap: fn(&str) -> String,
    /// Returns the text of the manifest that a part of the file contains.
    unwrap: fn(&str) -> String,
    /// Whether the manifest is a string of a ConfigMap. Secrets and ConfigMaps are not checked there.
    embeds: bool,
}

/// The ways to put a manifest into another file.
pub(crate) const FORMS: &[Form] = &[
    Form { name: "CRLF", wrap: to_crlf, unwrap: |text| text.replace("\r\n", "\n"), embeds: false },
    Form { name: "block scalar", wrap: to_block, unwrap: |text| text.replace("\n    ", "\n"), embeds: true },
    Form { name: "escapes", wrap: to_escapes, unwrap: unescape, embeds: true },
    Form { name: "JSON", wrap: to_json, unwrap: unescape, embeds: true },
];

/// Returns a file with the line breaks of Windows, and with a document before a manifest in YAML.
fn to_crlf(manifest: &str) -> String {
    let before = if manifest.starts_with('{') { "" } else { "# Größe\nname: Größe\n---\n" };
    format!("{before}{manifest}").replace('\n', "\r\n")
}

/// Returns a ConfigMap with the manifest in a block scalar.
fn to_block(manifest: &str) -> String {
    let lines =
        manifest.split_inclusive('\n').map(|line| if line == "\n" { "\n".into() } else { format!("    {line}") });
    let lines: String = lines.collect();
    format!("kind: ConfigMap\nmetadata: {{name: größe}}\ndata:\n  size: größe\n  manifest.yaml: |\n{lines}")
}

/// Returns a ConfigMap with the manifest in a string that has escapes, also for letters.
fn to_escapes(manifest: &str) -> String {
    let escape = |c: char| match c {
        'e' => "\\u0065".to_owned(),
        '\n' => "\\n".to_owned(),
        '"' | '\\' => format!("\\{c}"),
        c => c.to_string(),
    };
    let text: String = manifest.chars().map(escape).collect();
    format!("kind: ConfigMap\ndata: {{size: größe, manifest.yaml: \"{text}\"}}\n")
}

/// Returns a ConfigMap in JSON on one line.
fn to_json(manifest: &str) -> String {
    let text = Value::from(manifest);
    format!("{{\"kind\": \"ConfigMap\", \"data\": {{\"size\": \"größe\", \"manifest.yaml\": {text}}}}}\n")
}

/// Returns the content of a part of a string with escapes.
fn unescape(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the texts of the findings in a report, each at its place in the file.
fn found_texts(report: &Value, text: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let offset = |line: &Value, column: &Value| {
        let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("a small number") - 1;
        let (line, column) = (number(line), number(column));
        let start: usize = lines[..line].iter().map(|line| line.len()).sum();
        start + lines[line].chars().take(column).map(char::len_utf8).sum::<usize>()
    };
    let findings = report["findings"].as_array().expect("a list of findings");
    let here =
        findings.iter().filter(|finding| finding["file"].as_str().is_some_and(|file| file.starts_with("manifest.")));
    let to_text = |finding: &Value| {
        let start = offset(&finding["line"], &finding["column"]);
        text[start..offset(&finding["endLine"], &finding["endColumn"])].to_owned()
    };
    here.map(to_text).collect()
}

/// Returns the number under a pointer.
fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer}: {value}"))
}

/// Returns the values of a list under a pointer.
fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).expect("a list")
}

/// The start and the end of a finding: two lines and two columns.
type Place = [u64; 4];

/// Returns the places under these pointers in each value, sorted.
fn places(values: &[Value], pointers: [&str; 4]) -> Vec<Place> {
    let mut places: Vec<Place> = values.iter().map(|value| pointers.map(|pointer| number(value, pointer))).collect();
    places.sort_unstable();
    places
}

/// Returns the places of annotations: `::error line=3,endLine=3,col=2,endColumn=5::...`. A range with several lines has
/// no columns.
fn annotation_places(text: &str) -> Vec<Place> {
    let read = |line: &str| {
        let (properties, _) = line.trim_start_matches("::").split_once("::").expect("an annotation");
        let property = |name: &str| {
            let value = properties.split(',').find_map(|property| property.strip_prefix(name));
            value.map_or(0, |value| value.parse().expect("a number"))
        };
        ["line=", "col=", "endLine=", "endColumn="].map(property)
    };
    let mut places: Vec<Place> = text.lines().map(read).collect();
    places.sort_unstable();
    places
}

/// Returns the places as in annotations.
fn without_columns_of_several_lines(places: &[Place]) -> Vec<Place> {
    let place = |[line, column, end_line, end_column]: &Place| {
        let is_one_line = u64::from(line == end_line);
        [*line, column * is_one_line, *end_line, end_column * is_one_line]
    };
    let mut places: Vec<Place> = places.iter().map(place).collect();
    places.sort_unstable();
    places
}

/// Returns the formats in which a finding has another place than in JSON, or none.
fn formats_with_other_places(json: &Value, reports: [String; 5]) -> Vec<&'static str> {
    let expected = places(list(json, "/findings"), ["/line", "/column", "/endLine", "/endColumn"]);
    let [sarif, gitlab, rdjson, github, junit] = reports;
    let read = |text: &str, values: &str, parent: &str, names: [&str; 4]| {
        let report: Value = serde_json::from_str(text).expect("JSON");
        let pointers = names.map(|name| format!("{parent}/{name}"));
        places(list(&report, values), pointers.each_ref().map(String::as_str))
    };
    let region = "/locations/0/physicalLocation/region";
    let sarif = read(&sarif, "/runs/0/results", region, ["startLine", "startColumn", "endLine", "endColumn"]);
    let positions = ["begin/line", "begin/column", "end/line", "end/column"];
    let gitlab = read(&gitlab, "", "/location/positions", positions);
    let ends = ["start/line", "start/column", "end/line", "end/column"];
    let rdjson = read(&rdjson, "/diagnostics", "/location/range", ends);
    // The columns of reviewdog count bytes.
    let lines = |places: &[Place]| places.iter().map(|[line, _, end, _]| [*line, *end]).collect::<Vec<_>>();
    let is_in_junit = |[line, column, ..]: &Place| junit.contains(&format!(":{line}:{column}: "));
    let formats = [
        ("sarif", sarif == expected),
        ("gitlab", gitlab == expected),
        ("rdjson", lines(&rdjson) == lines(&expected)),
        ("github", annotation_places(&github) == without_columns_of_several_lines(&expected)),
        ("junit", expected.iter().all(is_in_junit)),
    ];
    formats.into_iter().filter(|(_, is_equal)| !is_equal).map(|(format, _)| format).collect()
}

#[test]
fn wrapped_examples_have_the_same_findings_in_every_format() {
    let mut failures = String::new();
    for rule in RULES {
        for (position, example) in rule.examples.iter().enumerate() {
            let plain = Workspace::new(example, str::to_owned);
            let expected = found_texts(&plain.report(rule.name, "json"), &plain.read());
            for form in FORMS {
                let wrap = |text: &str| if text == example.manifest { (form.wrap)(text) } else { text.to_owned() };
                let wrapped = Workspace::new(example, wrap);
                let [json, reports @ ..] =
                    wrapped.reports(rule.name, ["json", "sarif", "gitlab", "rdjson", "github", "junit"]);
                let json: Value = serde_json::from_str(&json).expect("JSON");
                let found = found_texts(&json, &wrapped.read());
                let found: BTreeSet<String> =
                    found.iter().map(|text| (form.unwrap)(text).trim_end().to_owned()).collect();
                let is_kind = |kind: &&str| example.manifest.contains(&format!("kind: {kind}\n"));
                let finds_secrets = ["plaintext-secret", "possible-secret"].contains(&rule.name);
                let is_checked = !form.embeds || finds_secrets || !["Secret", "ConfigMap"].iter().any(is_kind);
                let name = format!("{}, example {position}, {}", rule.name, form.name);
                if found != if is_checked { expected.clone() } else { BTreeSet::new() } {
                    failures += &format!("{name}: {found:?} instead of {expected:?}\n");
                }
                let formats = formats_with_other_places(&json, reports);
                if !formats.is_empty() {
                    failures += &format!("{name}: other places in {formats:?}\n");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
