//! Applies each manifest of `rows` with our program: it is applied, refused with a location before any request, or
//! refused by the server with an error and a hint.

use crate::cli::Run;
use crate::proxy::{Action, Proxy};
use crate::rows::{Row, path, rows};
use crate::servers::{ADMIN, Servers};

/// The value that the manifests contain and that no output may quote.
const CANARY: &str = "kanarie7f3a";

enum Does {
    Applies,
    /// Exit code 2 before any request. The error is located at the n-th occurrence of this text.
    Refuses(&'static str, usize, &'static str),
    /// Exit code 3, with all of these parts.
    Tells(&'static [&'static str]),
}

use Does::{Applies, Refuses, Tells};

const DOES: &[(&str, Does)] = &[
    ("comments", Applies),
    ("CRLF and a byte order mark", Applies),
    ("a leading separator", Applies),
    // The items of a List are sent one by one.
    ("two documents: the second is ignored", Applies),
    ("creationTimestamp: null", Applies),
    ("generateName and a name", Applies),
    // `generateName` is sent with POST.
    ("generateName alone", Applies),
    ("no name", Refuses("apiVersion", 1, "the object has no name")),
    // The name is part of the URL.
    ("another name than the URL's", Applies),
    ("another namespace than the URL's", Refuses("other", 1, "namespace")),
    ("a directive", Refuses("%YAML", 1, "%YAML")),
    ("a comment in front of a separator", Applies),
    ("an empty document in front", Applies),
    ("a List", Refuses("apiVersion", 1, "no Kubernetes object")),
    ("an export", Refuses("managedFields", 1, "this is an export")),
    ("a Secret's name in capitals", Tells(&["GITHUB_ACCESS_TOKEN", "is no name that Kubernetes takes", "lower-case"])),
    ("an empty status", Applies),
    ("an empty serviceAccountName", Applies),
    ("a container without a name", Tells(&["containers[0].name", "is missing"])),
    ("parallelism in a pod", Tells(&["`parallelism` is no field", "x.yaml:9:7", "kubectl explain"])),
    ("value: null", Applies),
    ("an entry twice", Refuses("X", 2, "stands twice")),
    ("a key twice", Refuses("value", 2, "stands twice")),
    ("valuefrom", Refuses("valuefrom", 1, "did you mean `valueFrom`?")),
    ("value and valueFrom", Refuses(CANARY, 1, "has both `value` and `valueFrom`")),
    ("an empty value and valueFrom", Applies),
    (
        "a reference to a name in capitals",
        Tells(&["secretKeyRef.name", "is no name that Kubernetes takes", "lower-case"]),
    ),
    ("a reference without a name", Tells(&["secretKeyRef", "env[0]"])),
    ("a reference to a key with a slash", Tells(&["secretKeyRef.key", "is no key", "letters, digits"])),
    ("a reference without a key", Tells(&["secretKeyRef.key", "env[0]"])),
    ("a value that is no string", Refuses("value: ", 1, "must be text")),
    ("a name that is no string", Refuses("Y", 1, "must be text")),
    ("a name that is accepted", Applies),
    ("a name that is refused", Tells(&["env[0].name"])),
];

/// Returns the location of the given occurrence of `needle` in a manifest.
fn place(text: &str, needle: &str, occurrence: usize) -> String {
    let (at, _) = text.match_indices(needle).nth(occurrence - 1).expect("it is there");
    // For a key with a value it is the location of the value.
    let at = if needle.ends_with(' ') { at + needle.len() } else { at };
    let line = text[..at].matches('\n').count() + 1;
    let column = text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at].chars().count() + 1;
    format!("x.yaml:{line}:{column}")
}

#[test]
fn each_manifest_is_applied_or_reported() {
    let Some(servers) = Servers::shared() else { return };
    let mut wrong = String::new();
    for row in rows() {
        let does = DOES.iter().find(|(about, _)| *about == row.about);
        let (_, does) = does.unwrap_or_else(|| panic!("{} is new: what is to become of it?", row.about));
        for flags in [&[][..], &["-v", "--no-preflight"]] {
            if let Some(fault) = fault(servers, &row, does, flags) {
                wrong += &format!("\n{} {flags:?}: {fault}\n", row.about);
            }
        }
    }
    assert!(wrong.is_empty(), "it is otherwise:\n{wrong}");
}

fn fault(servers: &Servers, row: &Row, does: &Does, flags: &[&str]) -> Option<String> {
    let (namespace, proxy) = (servers.namespace("sent"), Proxy::start(servers, |_| Action::Pass));
    let text = row.text.replace("value: a", &format!("value: {CANARY}"));
    let text = text.replace("value: b", &format!("value: {CANARY}-2")).replace("1_000", "7_654_321");
    let run = Run::new(proxy.kubeconfig()).file("x.yaml", &text);
    let ran = run.run(&[&["apply", "x.yaml", "-n", &namespace], flags].concat());
    let all = format!("{ran:?}");
    if all.contains(CANARY) || all.contains("7_654_321") || all.contains("7654321") {
        return Some(format!("a value is shown: {all}"));
    }
    let missing =
        |parts: &[&str]| parts.iter().find(|part| !ran.stderr.contains(**part)).map(|part| (*part).to_owned());
    let (status, missing) = match does {
        Applies => (0, ran.stdout.lines().find(|line| !line.ends_with(" created")).map(str::to_owned)),
        Refuses(needle, occurrence, says) => {
            let is_list = row.about == "a List";
            let place = if is_list { String::new() } else { place(&text, needle, *occurrence) };
            (2, missing(&[&place, says, "hint: "]))
        }
        Tells(parts) => (3, missing(parts).or_else(|| missing(&["x.yaml:", "hint: "]))),
    };
    let requests = proxy.requests();
    if ran.status != status || missing.is_some() {
        return Some(format!("{status} {missing:?}: {} {}{}", ran.status, ran.stdout, ran.stderr));
    }
    let wrote = requests.iter().any(|request| request.method != "GET" && !request.is_dry_run());
    match does {
        Refuses(..) if !requests.is_empty() => Some("something was sent".to_owned()),
        Tells(_) if wrote && flags.is_empty() => Some("something was written".to_owned()),
        _ => None,
    }
}

#[test]
fn both_of_two_documents_are_there() {
    let Some(servers) = Servers::shared() else { return };
    let namespace = servers.namespace("sent");
    let row = rows().into_iter().find(|row| row.about.starts_with("two documents")).expect("it is in the table");
    let run = Run::new(servers.kubeconfig(ADMIN)).file("x.yaml", &row.text);
    let ran = run.run(&["apply", "x.yaml", "-n", &namespace]).says(0, &[]);
    assert_eq!(ran.stdout, "configmap/x created\nconfigmap/z created\n");
    for name in ["x", "z"] {
        servers.client(ADMIN).get(&path(&namespace, "configmaps", name)).done();
    }
}

/// Further manifests that a server misinterprets or cannot parse.
#[test]
fn texts_that_are_easily_written() {
    let Some(servers) = Servers::shared() else { return };
    let map = |metadata: &str, more: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n{more}");
    let mut wrong = String::new();
    for (about, text, does) in [
        ("a name that is a word of YAML", map("{name: y}", ""), Refuses("y}", 1, "must be text")),
        ("a name that is a number", map("{name: 123}", ""), Refuses("123", 1, "must be text")),
        ("a namespace that is a number", map("{name: x, namespace: 123}", ""), Refuses("123", 1, "must be text")),
        ("a label that is a word of YAML", map("{name: x, labels: {a: on}}", ""), Refuses("on}", 1, "must be text")),
        ("a number as data", map("{name: x}", "data: {k: 1}\n"), Refuses("1}", 1, "must be text")),
        ("a name that is null", map("{name: null}", ""), Refuses("apiVersion", 1, "the object has no name")),
        ("no apiVersion", "kind: Job\nmetadata: {name: x}\n".to_owned(), Refuses("kind", 1, "no `apiVersion`")),
        ("a list of objects", "- a\n".to_owned(), Refuses("- a", 1, "no Kubernetes object")),
        ("a name with a slash", map("{name: a/b}", ""), Refuses("a/b", 1, "name")),
        ("a name of dots", map("{name: ..}", ""), Refuses("..", 1, "name")),
        ("a name with a query", map("{name: 'a?b=c#d%2e'}", ""), Refuses("'a?b", 1, "name")),
        ("quoted words", map("{name: 'y', labels: {a: 'on'}}", "data: {k: '1', l: \"\"}\n"), Applies),
        ("an unknown field", map("{name: x}", "dta: {k: v}\n"), Tells(&["`dta` is no field", "x.yaml:4:1"])),
        ("an unknown kind", map("{name: x}", "").replace("ConfigMap", "ConfigMop"), Tells(&["ConfigMop"])),
        ("an unknown version", map("{name: x}", "").replace("v1", "v2"), Tells(&["v2"])),
    ] {
        let row = Row { about, resource: "configmaps", name: "x", text, status: 0, says: &[] };
        if let Some(fault) = fault(servers, &row, &does, &[]) {
            wrong += &format!("\n{about}: {fault}\n");
        }
    }
    assert!(wrong.is_empty(), "it is otherwise:\n{wrong}");
}
