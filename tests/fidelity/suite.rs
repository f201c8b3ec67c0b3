//! Tests with the YAML test suite, if it is installed: compare the scanner with the suite's events, and copy the
//! suite's documents with the renderer.
//!
//! `suite.txt` lists exactly the cases that the scanner does not support, each with the reason. `JOBPLATE_BLESS=1`
//! updates the list.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jobplate::render::to_string;

use crate::check::{OPS, injection};
use crate::goyaml::{self, GoYaml};
use crate::tree::{NodeKind, Tree};
use crate::{granit, model, scanner, witness};

struct SuiteCase {
    id: String,
    text: String,
    /// The trees of the documents, or `None` if the text is not valid YAML.
    documents: Option<Vec<Tree>>,
}

fn suite_directory() -> Option<PathBuf> {
    let configured = std::env::var_os("JOBPLATE_YAML_TEST_SUITE").map(PathBuf::from);
    let is_configured = configured.is_some();
    let directory =
        configured.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/yaml-test-suite"));
    if directory.join("229Q/in.yaml").exists() {
        return Some(directory);
    }
    assert!(!is_configured, "JOBPLATE_YAML_TEST_SUITE names {}, where no test suite is", directory.display());
    eprintln!("NOT THERE: {} (the YAML test suite); the seeds cover the same ground", directory.display());
    None
}

fn read_cases() -> Option<Vec<SuiteCase>> {
    let root = suite_directory()?;
    let mut cases = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a readable directory") {
            let path = entry.expect("a readable directory").path();
            // The links in `name` and `tags` lead to the same cases again, so they are skipped.
            if path.is_dir()
                && !path.is_symlink()
                && !matches!(path.file_name().and_then(|name| name.to_str()), Some("name" | "tags" | ".git"))
            {
                open.push(path);
            }
        }
        let Ok(text) = fs::read_to_string(directory.join("in.yaml")) else { continue };
        let id = directory.strip_prefix(&root).expect("below the root").to_string_lossy().replace('/', "-");
        let events = fs::read_to_string(directory.join("test.event")).unwrap_or_default();
        let documents = (!directory.join("error").exists()).then(|| parse_events(&events));
        cases.push(SuiteCase { id, text, documents });
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(cases.len() > 300, "only {} cases", cases.len());
    Some(cases)
}

/// Parses a `test.event` file into trees.
fn parse_events(events: &str) -> Vec<Tree> {
    let (mut documents, mut open): (Vec<Tree>, Vec<Tree>) = (Vec::new(), Vec::new());
    for line in events.lines() {
        let node = match line.split_at(4) {
            ("+MAP", rest) => {
                open.push(parse_collection(NodeKind::Map, rest));
                continue;
            }
            ("+SEQ", rest) => {
                open.push(parse_collection(NodeKind::Seq, rest));
                continue;
            }
            ("-MAP" | "-SEQ", _) => open.pop().expect("an open collection"),
            ("=VAL", rest) => parse_scalar(rest),
            ("=ALI", rest) => Tree::new(NodeKind::Alias, rest.trim_start().trim_start_matches('*')),
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => documents.push(node),
        }
    }
    documents
}

fn read_properties(node: &mut Tree, mut rest: &str) -> String {
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(tail) = rest.strip_prefix('&') {
            let (name, tail) = tail.split_once(' ').unwrap_or((tail, ""));
            node.anchor = Some(name.to_owned());
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('<') {
            let (tag, tail) = tail.split_once('>').expect("a closed tag");
            node.tag = Some(tag.to_owned());
            rest = tail;
        } else {
            return rest.to_owned();
        }
    }
}

fn parse_collection(kind: NodeKind, rest: &str) -> Tree {
    let mut node = Tree::new(kind, "");
    let rest = rest.trim_start();
    let without_brackets = rest.strip_prefix("{}").or(rest.strip_prefix("[]"));
    node.flow = without_brackets.is_some();
    read_properties(&mut node, without_brackets.unwrap_or(rest));
    node
}

fn parse_scalar(rest: &str) -> Tree {
    let mut node = Tree::new(NodeKind::Plain, "");
    let value = read_properties(&mut node, rest);
    let (style, text) = value.split_at(1);
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    node.kind = match style {
        "'" => NodeKind::SingleQuoted,
        "\"" => NodeKind::DoubleQuoted,
        "|" => NodeKind::Literal,
        ">" => NodeKind::Folded,
        _ if out.is_empty() => NodeKind::Empty,
        _ => NodeKind::Plain,
    };
    node.text = out;
    node
}

/// Expands tags to their full form, like the events.
fn resolve_tags(node: &mut Tree) {
    if let Some(tag) = &node.tag {
        let full_tag = match tag.strip_prefix("!!") {
            Some(name) => format!("tag:yaml.org,2002:{name}"),
            None => tag.strip_prefix("!<").and_then(|tag| tag.strip_suffix('>')).unwrap_or(tag).to_owned(),
        };
        node.tag = Some(full_tag);
    }
    node.children.iter_mut().for_each(resolve_tags);
}

fn have_same_styles(expected: &Tree, actual: &Tree) -> bool {
    expected.flow == actual.flow && expected.children.iter().zip(&actual.children).all(|(a, b)| have_same_styles(a, b))
}

/// Scans a case and adds mismatches to `failures`. Returns the reason if the scanner does not support the case.
fn scan(case: &SuiteCase, failures: &mut String) -> Option<String> {
    // The suite's events have a line break at the end of a block scalar even if the text lacks it, but the scanner does
    // not add it, so add it to the text.
    let terminated_text = if case.text.ends_with('\n') { case.text.clone() } else { format!("{}\n", case.text) };
    let texts = model::split_documents(&terminated_text);
    let mut readings = Vec::new();
    for text in &texts {
        match scanner::scan(text) {
            // Comments before the first `---` are not a document, so their empty node is skipped.
            Ok(tree) if tree.kind == NodeKind::Empty && texts.len() > 1 && !text.starts_with("---") => {}
            Ok(mut tree) => {
                resolve_tags(&mut tree);
                readings.push(tree);
            }
            Err(reason) => return Some(reason),
        }
    }
    let Some(expected) = &case.documents else {
        return Some("READ, BUT NO YAML: go-yaml and the scanner agree".to_owned());
    };
    if expected.is_empty() && readings.len() == 1 && readings[0].kind == NodeKind::Empty {
        return None;
    }
    if expected.len() != readings.len() {
        let _ = writeln!(failures, "{}: {} documents instead of {}", case.id, readings.len(), expected.len());
        return None;
    }
    for (expected, actual) in expected.iter().zip(&readings) {
        if let Err(message) = expected.expect(actual) {
            let _ = writeln!(failures, "{}: {message}\n  {:?}", case.id, case.text);
        } else if !have_same_styles(expected, actual) {
            let _ = writeln!(failures, "{}: block and flow collections mistaken", case.id);
        }
    }
    None
}

#[test]
fn scanner_reads_the_suite_or_does_not_support_it() {
    let Some(cases) = read_cases() else { return };
    let mut go = GoYaml::start();
    let mut failures = String::new();
    let mut list = String::new();
    let mut read = 0;
    for case in &cases {
        match scan(case, &mut failures) {
            None => read += 1,
            Some(reason) => {
                let _ = writeln!(list, "{} {reason}", case.id);
                let is_accepted = reason.starts_with("READ");
                let is_read_by_go = go
                    .as_mut()
                    .is_some_and(|go| go.parse(&model::split_documents(&case.text)).iter().all(Result::is_ok));
                if is_accepted && go.is_some() && !is_read_by_go {
                    let _ = writeln!(
                        failures,
                        "{}: read, but neither the suite nor go-yaml takes it for YAML: {:?}",
                        case.id, case.text
                    );
                }
            }
        }
    }
    println!("{read} of {} cases read as the suite says, {} not supported", cases.len(), cases.len() - read);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity/suite.txt");
    if std::env::var_os("JOBPLATE_BLESS").is_some() {
        fs::write(&path, &list).expect("a writable tree");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for line in list.lines().filter(|line| !expected.lines().any(|other| other == *line)) {
        let _ = writeln!(failures, "not in suite.txt: {line}");
    }
    for line in expected.lines().filter(|line| !list.lines().any(|other| other == *line)) {
        let _ = writeln!(failures, "in suite.txt, but not so any more: {line}");
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn renderer_copies_the_suite() {
    let Some(cases) = read_cases() else { return };
    let mut failures = String::new();
    for case in &cases {
        match to_string(&case.text, &injection(&OPS[0], false)) {
            Ok(rendered) if rendered.text == case.text => {}
            Ok(rendered) => failures += &format!("{}: {:?} became {:?}\n", case.id, case.text, rendered.text),
            Err(error) => failures += &format!("{}: {}: {:?}\n", case.id, error.message(), case.text),
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

const POD: &str = "apiVersion: v1\nkind: Pod\n";
const SPEC: &str = "spec:\n  containers:\n  - name: flow\n    env:\n    - name: MODE\n      value: fast\n";

/// Inserts a case as a value before the spec of a Pod, after it at the end of the file, and between it and the
/// metadata.
fn nest(case: &str) -> Vec<String> {
    let body = case.strip_prefix("---").map_or(case, |rest| rest.strip_prefix('\n').unwrap_or(rest));
    let mut value = String::from("x-sibling:");
    value.push_str(if body.starts_with(' ') { "" } else { "\n" });
    for line in body.split_inclusive('\n') {
        if !line.trim().is_empty() {
            value.push_str("  ");
        }
        value.push_str(line);
    }
    let terminated = if value.ends_with('\n') { value.clone() } else { format!("{value}\n") };
    vec![
        format!("{POD}{terminated}{SPEC}"),
        format!("{POD}{SPEC}{value}"),
        format!("{POD}{SPEC}{terminated}metadata: {{name: flow}}\n"),
    ]
}

#[test]
fn values_next_to_the_edit_are_unchanged() {
    let Some(cases) = read_cases() else { return };
    let mut go = GoYaml::start();
    let (mut edited, mut refused, mut invalid) = (0, 0, 0);
    let mut failures = String::new();
    for case in cases.iter().filter(|case| case.documents.as_ref().is_some_and(|documents| documents.len() == 1)) {
        for text in nest(&case.text) {
            let before = granit::read(&text);
            let is_readable = before.as_ref().is_ok_and(|documents| documents.len() == 1);
            let rendered = match to_string(&text, &injection(&OPS[0], false)) {
                Ok(rendered) => rendered,
                Err(error) => {
                    if error.kind() == jobplate_diagnostic::ErrorKind::Internal {
                        failures += &format!("{}: {}: {text:?}\n", case.id, error.message());
                    }
                    if is_readable {
                        refused += 1
                    } else {
                        invalid += 1
                    }
                    continue;
                }
            };
            if rendered.edited == 0 {
                failures += &format!("{}: passed over: {text:?}\n", case.id);
                continue;
            }
            if !is_readable {
                failures += &format!("{}: edited, but granit does not read it: {text:?}\n", case.id);
                continue;
            }
            edited += 1;
            let mut compare = |reader: &str, before: Result<Vec<Tree>, String>, after: Result<Vec<Tree>, String>| {
                let Ok(before) = before else { return };
                let message = match (model::apply_edit(&before[0], &OPS[0], false), after) {
                    (Err(reason), _) => reason.to_owned(),
                    (_, Err(error)) => error,
                    (Ok(expected), Ok(after)) => match expected.tree.expect(&after[0]) {
                        Ok(()) => return,
                        Err(message) => message,
                    },
                };
                failures += &format!("{}: {reader}: {message}: {text:?} became {:?}\n", case.id, rendered.text);
            };
            compare("granit", before, granit::read(&rendered.text));
            compare("yaml_serde", witness::read(&text), witness::read(&rendered.text));
            if let Some(go) = &mut go {
                let mut responses = go
                    .parse(&[text.as_str(), rendered.text.as_str()])
                    .into_iter()
                    .map(|response| response.map(|json| vec![goyaml::to_tree(&json)]));
                if let (Some(before), Some(after)) = (responses.next(), responses.next()) {
                    compare("go-yaml", before, after);
                }
            }
        }
    }
    println!("{edited} edited beside a case of the suite, {refused} refused, {invalid} no YAML once nested");
    assert!(failures.is_empty(), "\n{failures}");
    assert!(edited > refused, "{edited} edited, {refused} refused");
}
