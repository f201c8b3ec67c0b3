//! Applies each manifest of `rows` with jobplate. The manifest is applied, rejected with a location before any
//! request, or rejected by the server with an error and a hint.

use crate::cli::Sandbox;
use crate::proxy::{Action, Proxy};
use crate::rows::{Row, api_path, rows};
use crate::servers::{ADMIN, Servers};

/// The value that the manifests contain. No output may quote it.
const CANARY: &str = "kanarie7f3a";

enum ApplyOutcome {
    Applied,
    /// Exit code 2 before any request. Holds a string in the manifest, the 1-based number of the occurrence that the
    /// error points to, and a part of the message.
    RefusedBeforehand(&'static str, usize, &'static str),
    /// Exit code 3. Holds the parts of the message.
    RefusedByServer(&'static [&'static str]),
}

use ApplyOutcome::{Applied, RefusedBeforehand, RefusedByServer};

const OUTCOMES: &[(&str, ApplyOutcome)] = &[
    ("comments", Applied),
    ("CRLF and a byte order mark", Applied),
    ("a leading separator", Applied),
    // Each document is sent as a separate request.
    ("two documents: the second is ignored", Applied),
    ("creationTimestamp: null", Applied),
    ("generateName and a name", Applied),
    // An object with `generateName` is sent with POST, which needs no name in the URL.
    ("generateName alone", Applied),
    ("no name", RefusedBeforehand("apiVersion", 1, "missing `metadata.name`")),
    // The program derives the URL from the manifest's name, so the two names cannot differ.
    ("another name than the URL's", Applied),
    ("another namespace than the URL's", RefusedBeforehand("other", 1, "namespace")),
    ("a directive", RefusedBeforehand("%YAML", 1, "%YAML")),
    ("a comment in front of a separator", Applied),
    ("an empty document in front", Applied),
    ("a List", RefusedBeforehand("apiVersion", 1, "no Kubernetes object")),
    ("an export", RefusedBeforehand("managedFields", 1, "the manifest is an export")),
    ("a Secret's name in capitals", RefusedByServer(&["GITHUB_ACCESS_TOKEN", "is an invalid name", "lower-case"])),
    ("an empty status", Applied),
    ("an empty serviceAccountName", Applied),
    ("a container without a name", RefusedByServer(&["containers[0].name", "is missing"])),
    ("parallelism in a pod", RefusedByServer(&["`parallelism` is not a field", "x.yaml:9:7", "kubectl explain"])),
    ("value: null", Applied),
    ("an entry twice", RefusedBeforehand("API_TOKEN", 2, "duplicate variable")),
    ("a key twice", RefusedBeforehand("value", 2, "duplicate key")),
    ("valuefrom", RefusedBeforehand("valuefrom", 1, "did you mean `valueFrom`?")),
    ("value and valueFrom", RefusedBeforehand(CANARY, 1, "has both `value` and `valueFrom`")),
    ("an empty value and valueFrom", Applied),
    ("a reference to a name in capitals", RefusedByServer(&["secretKeyRef.name", "is an invalid name", "lower-case"])),
    ("a reference without a name", RefusedByServer(&["secretKeyRef", "env[0]"])),
    (
        "a reference to a key with a slash",
        RefusedByServer(&["secretKeyRef.key", "is an invalid Secret or ConfigMap key", "letters, digits"]),
    ),
    ("a reference without a key", RefusedByServer(&["secretKeyRef.key", "env[0]"])),
    ("a value that is no string", RefusedBeforehand("value: ", 1, "not a string")),
    ("a name that is no string", RefusedBeforehand("Y", 1, "not a string")),
    ("a name that is accepted", Applied),
    ("a name that is refused", RefusedByServer(&["env[0].name"])),
];

/// Returns the location of an occurrence of `needle` in a manifest, as `x.yaml:LINE:COLUMN`. `occurrence` is 1-based.
fn locate(text: &str, needle: &str, occurrence: usize) -> String {
    let (offset, _) = text.match_indices(needle).nth(occurrence - 1).expect("it is there");
    // A string that ends with a space is a key. Its error points to the value.
    let offset = if needle.ends_with(' ') { offset + needle.len() } else { offset };
    let line = text[..offset].matches('\n').count() + 1;
    let column = text[text[..offset].rfind('\n').map_or(0, |end| end + 1)..offset].chars().count() + 1;
    format!("x.yaml:{line}:{column}")
}

#[test]
fn applies_or_explains_each_row() {
    let Some(servers) = Servers::shared() else { return };
    let mut failures = String::new();
    for row in rows() {
        let outcome = OUTCOMES.iter().find(|(label, _)| *label == row.label);
        let (_, outcome) = outcome.unwrap_or_else(|| panic!("{} is new: what is to become of it?", row.label));
        for flags in [&[][..], &["-v", "--no-preflight"]] {
            if let Some(fault) = find_fault(servers, &row, outcome, flags) {
                failures += &format!("\n{} {flags:?}: {fault}\n", row.label);
            }
        }
    }
    assert!(failures.is_empty(), "it is otherwise:\n{failures}");
}

fn find_fault(servers: &Servers, row: &Row, outcome: &ApplyOutcome, flags: &[&str]) -> Option<String> {
    let (namespace, proxy) = (servers.create_namespace("sent"), Proxy::start(servers, |_| Action::Forward));
    let text = row.text.replace("value: a", &format!("value: {CANARY}"));
    let text = text.replace("value: b", &format!("value: {CANARY}-2")).replace("1_000", "7_654_321");
    let sandbox = Sandbox::new(proxy.kubeconfig()).file("x.yaml", &text);
    let output = sandbox.run(&[&["apply", "x.yaml", "-n", &namespace], flags].concat());
    let printed_text = format!("{output:?}");
    if printed_text.contains(CANARY) || printed_text.contains("7_654_321") || printed_text.contains("7654321") {
        return Some(format!("a value is shown: {printed_text}"));
    }
    let find_missing =
        |parts: &[&str]| parts.iter().find(|part| !output.stderr.contains(**part)).map(|part| (*part).to_owned());
    let (status, missing) = match outcome {
        Applied => (0, output.stdout.lines().find(|line| !line.ends_with(" created")).map(str::to_owned)),
        RefusedBeforehand(needle, occurrence, message_parts) => {
            let is_list = row.label == "a List";
            let location = if is_list { String::new() } else { locate(&text, needle, *occurrence) };
            (2, find_missing(&[&location, message_parts, "hint: "]))
        }
        RefusedByServer(parts) => (3, find_missing(parts).or_else(|| find_missing(&["x.yaml:", "hint: "]))),
    };
    let requests = proxy.requests();
    if output.status != status || missing.is_some() {
        return Some(format!("{status} {missing:?}: {} {}{}", output.status, output.stdout, output.stderr));
    }
    let has_written = requests.iter().any(|request| request.method != "GET" && !request.is_dry_run());
    match outcome {
        RefusedBeforehand(..) if !requests.is_empty() => Some("something was sent".to_owned()),
        RefusedByServer(_) if has_written && flags.is_empty() => Some("something was written".to_owned()),
        _ => None,
    }
}

#[test]
fn applies_both_of_two_documents() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.create_namespace("sent");
    let row = rows().into_iter().find(|row| row.label.starts_with("two documents")).expect("it is in the table");
    let sandbox = Sandbox::new(servers.kubeconfig(ADMIN)).file("x.yaml", &row.text);
    let output = sandbox.run(&["apply", "x.yaml", "-n", &namespace]).assert_exit(0, &[]);
    assert_eq!(output.stdout, "configmap/x created\nconfigmap/z created\n");
    for name in ["x", "z"] {
        servers.client(ADMIN).get(&api_path(&namespace, "configmaps", name)).expect_success();
    }
}

/// Covers more manifests that YAML or the server interprets differently than their author expects.
#[test]
fn applies_or_explains_common_mistakes() {
    let Some(servers) = Servers::shared() else { return };
    let config_map =
        |metadata: &str, fields: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n{fields}");
    let mut failures = String::new();
    for (label, text, outcome) in [
        ("a name that is a word of YAML", config_map("{name: y}", ""), RefusedBeforehand("y}", 1, "not a string")),
        ("a name that is a number", config_map("{name: 123}", ""), RefusedBeforehand("123", 1, "not a string")),
        (
            "a namespace that is a number",
            config_map("{name: x, namespace: 123}", ""),
            RefusedBeforehand("123", 1, "not a string"),
        ),
        (
            "a label that is a word of YAML",
            config_map("{name: x, labels: {a: on}}", ""),
            RefusedBeforehand("on}", 1, "not a string"),
        ),
        ("a number as data", config_map("{name: x}", "data: {k: 1}\n"), RefusedBeforehand("1}", 1, "not a string")),
        (
            "a name that is null",
            config_map("{name: null}", ""),
            RefusedBeforehand("apiVersion", 1, "missing `metadata.name`"),
        ),
        (
            "no apiVersion",
            "kind: Job\nmetadata: {name: x}\n".to_owned(),
            RefusedBeforehand("kind", 1, "missing `apiVersion`"),
        ),
        ("a list of objects", "- a\n".to_owned(), RefusedBeforehand("- a", 1, "not a Kubernetes object")),
        ("a name with a slash", config_map("{name: a/b}", ""), RefusedBeforehand("a/b", 1, "name")),
        ("a name of dots", config_map("{name: ..}", ""), RefusedBeforehand("..", 1, "name")),
        ("a name with a query", config_map("{name: 'a?b=c#d%2e'}", ""), RefusedBeforehand("'a?b", 1, "name")),
        ("quoted words", config_map("{name: 'y', labels: {a: 'on'}}", "data: {k: '1', l: \"\"}\n"), Applied),
        (
            "an unknown field",
            config_map("{name: x}", "dta: {k: v}\n"),
            RefusedByServer(&["`dta` is not a field", "x.yaml:4:1"]),
        ),
        (
            "an unknown kind",
            config_map("{name: x}", "").replace("ConfigMap", "ConfigMop"),
            RefusedByServer(&["ConfigMop"]),
        ),
        ("an unknown version", config_map("{name: x}", "").replace("v1", "v2"), RefusedByServer(&["v2"])),
    ] {
        let row = Row { label, resource: "configmaps", name: "x", text, status: 0, message_parts: &[] };
        if let Some(fault) = find_fault(servers, &row, &outcome, &[]) {
            failures += &format!("\n{label}: {fault}\n");
        }
    }
    assert!(failures.is_empty(), "it is otherwise:\n{failures}");
}
