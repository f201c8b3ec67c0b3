//! Checks one case (a stream and an edit) with all oracles.
//!
//! `prepare` renders the stream and compares the readers in this process. `finish` compares the results of go-yaml,
//! which arrive in batches. Neither uses the library's own verification.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jobplate::inject::{Injection, MetadataChanges, RequestedVariable, VariableSource};
use jobplate::render::to_string;
use jobplate_manifest::difference::{ChangedItem, compare_documents};
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Glob, Target};

use crate::model::{self, Op};
use crate::tree::{NodeKind, Tree};
use crate::{bytes, goyaml, granit, scanner, witness};

/// The edits that are applied to every stream.
pub(crate) const OPS: &[Op] = &[
    Op::Secret("ADDED_TOKEN", "flow-secrets", "token"),
    Op::Secret("TOKEN", "flow-secrets", "token"),
    Op::Unset("TOKEN"),
    Op::Literal("ADDED_TOKEN", "a: \"b\" #c\n"),
    Op::Namespace("team"),
    Op::Source("EXTRA_", "extra"),
    Op::Many(&[
        Op::Unset("MODE"),
        Op::Secret("TOKEN", "flow-secrets", "token"),
        Op::Literal("ADDED_TOKEN", "plain text"),
        Op::Source("EXTRA_", "extra"),
        Op::Namespace("team"),
    ]),
];

/// A stream and an edit.
#[derive(Clone, Debug)]
pub(crate) struct EditCase {
    pub name: String,
    pub text: String,
    pub op: Op,
    pub all_containers: bool,
}

/// The failure of a check.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub oracle: &'static str,
    pub message: String,
}

/// The result of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct CaseResult {
    pub failures: Vec<Failure>,
    /// The number of documents that both the scanner and granit read.
    pub compared_documents: usize,
    /// Whether go-yaml and granit read all documents and find exactly one target.
    pub one_target: bool,
    /// Whether there is exactly one target and the edit must be refused.
    pub must_refuse: bool,
    /// Whether the stream was rendered, even if no change was needed.
    pub rendered: bool,
    /// Whether a document was edited.
    pub edited: bool,
    pub by_fallback: bool,
    /// The message of the refusal.
    pub refused: Option<String>,
    /// go-yaml's error for a document that go-yaml cannot read and that was nevertheless edited.
    pub unreadable_edited: Option<String>,
}

/// A case that is rendered but not yet compared with go-yaml.
pub(crate) struct PreparedEdit {
    case: EditCase,
    result: CaseResult,
    is_readable: bool,
    /// Whether the edit must be refused because of granit's tree or of a forbidden character.
    contract_refuses: bool,
    rendered: Option<String>,
    /// The documents to parse with go-yaml: the original documents, then the changed documents.
    pub inputs: Vec<String>,
    changed: Vec<usize>,
}

/// Returns the library's request for an edit.
pub(crate) fn injection(op: &Op, all_containers: bool) -> Injection {
    let mut injection = Injection {
        targets: model::kinds()
            .map(|kind| Target {
                kind: Glob::new(kind, true).expect("a pattern"),
                name: None,
                key: None,
                containers: None,
            })
            .collect(),
        containers: if all_containers { ContainerChoice::All } else { ContainerChoice::First },
        ..Injection::default()
    };
    add_op(op, &mut injection);
    injection
}

pub(crate) fn add_op(op: &Op, injection: &mut Injection) {
    let variable =
        |name: &str, value| RequestedVariable { name: name.to_owned(), source: VariableSource::Entry(value) };
    match op {
        Op::Many(ops) => ops.iter().for_each(|op| add_op(op, injection)),
        Op::Secret(name, secret, key) => {
            let reference = KeyRef { name: (*secret).to_owned(), key: (*key).to_owned(), optional: false };
            injection.variables.push(variable(name, EnvValue::SecretKey(reference)));
        }
        Op::Literal(name, value) => injection.variables.push(variable(name, EnvValue::Literal((*value).to_owned()))),
        Op::Unset(name) => injection.unset = vec![(*name).to_owned()],
        Op::Source(prefix, secret) => {
            let (prefix, name) = ((*prefix).to_owned(), (*secret).to_owned());
            injection.env_from = vec![EnvFrom { prefix, kind: EnvFromKind::Secret, name, optional: false }];
        }
        Op::Namespace(namespace) => {
            injection.metadata =
                MetadataChanges { namespace: Some((*namespace).to_owned()), ..MetadataChanges::default() }
        }
    }
}

/// Renders a case and compares the readers in this process.
pub(crate) fn prepare(case: EditCase) -> PreparedEdit {
    let mut result = CaseResult::default();
    let documents = model::split_documents(&case.text);
    let granit: Vec<Result<Tree, String>> = documents.iter().map(|text| one_document(granit::read(text))).collect();
    for (text, reading) in documents.iter().zip(&granit) {
        if let Err(message) = compare_readings(text, reading, &mut result) {
            result.failures.push(Failure { oracle: "scanner = granit", message });
        }
    }
    let is_readable = granit.iter().all(Result::is_ok);
    let contract_refuses = documents.iter().zip(&granit).any(|(text, reading)| {
        reading.as_ref().is_ok_and(|tree| match model::apply_edit(tree, &case.op, case.all_containers) {
            Err(_) => true,
            Ok(expected) => expected.changed && !is_admitted(text),
        })
    });
    let injection = injection(&case.op, case.all_containers);
    let render = |text: &str| catch_unwind(AssertUnwindSafe(|| to_string(text, &injection)));
    let mut prepared = PreparedEdit {
        inputs: documents.iter().map(|text| (*text).to_owned()).collect(),
        result,
        is_readable,
        contract_refuses,
        rendered: None,
        changed: Vec::new(),
        case: case.clone(),
    };
    let result = &mut prepared.result;
    let mut fail = |oracle, message: String| result.failures.push(Failure { oracle, message });
    let rendered = match render(&case.text) {
        Err(_) => {
            fail("no panic", "the library panicked".to_owned());
            return prepared;
        }
        Ok(Err(error)) => {
            if error.kind() == jobplate_diagnostic::ErrorKind::Internal {
                fail("own verification", error.message().to_owned());
            }
            result.refused = Some(error.message().to_owned());
            return prepared;
        }
        Ok(Ok(rendered)) => rendered,
    };
    result.by_fallback = rendered.by_fallback > 0;
    let edited = model::split_documents(&rendered.text);
    if edited.len() != documents.len() {
        fail("documents", format!("{} documents became {}", documents.len(), edited.len()));
        return prepared;
    }
    for (at, (before, after)) in documents.iter().zip(&edited).enumerate() {
        if before == after {
            continue;
        }
        prepared.changed.push(at);
        prepared.inputs.push((*after).to_owned());
        match &granit[at] {
            Err(_) => {}
            Ok(tree) => {
                if !is_admitted(before) {
                    fail("refusal", "edited in spite of a character that readers take differently".to_owned());
                }
                match model::apply_edit(tree, &case.op, case.all_containers) {
                    Err(reason) => fail("refusal", format!("edited in spite of {reason}")),
                    Ok(expected) => match one_document(granit::read(after)) {
                        Err(error) => fail("granit", format!("reads the original, not the edited text: {error}")),
                        Ok(after) => {
                            if let Err(message) = expected.tree.expect(&after) {
                                fail("granit", message);
                            }
                        }
                    },
                }
                if let Err(message) = bytes::compare(before, after, tree, &case.op, case.all_containers) {
                    fail("bytes", message);
                }
            }
        }
        if let Err(message) = check_report(before, after, &case.op) {
            fail("report", message);
        }
        if let Ok(tree) = one_document(witness::read(before)) {
            match (model::apply_edit(&tree, &case.op, case.all_containers), one_document(witness::read(after))) {
                (Err(reason), _) => fail("refusal", format!("edited in spite of {reason} (yaml_serde)")),
                (_, Err(error)) => fail("yaml_serde", format!("reads the original, not the edited text: {error}")),
                (Ok(expected), Ok(after)) => {
                    if let Err(message) = expected.tree.expect(&after) {
                        fail("yaml_serde", message);
                    }
                }
            }
        }
    }
    if rendered.edited != prepared.changed.len() {
        fail("count", format!("{} documents edited, {} reported", prepared.changed.len(), rendered.edited));
    }
    match render(&rendered.text) {
        Ok(Ok(second)) if second.text == rendered.text => {}
        Ok(Ok(second)) => fail("twice", format!("a second run changes more: {:?}", second.text)),
        Ok(Err(error)) => fail("twice", format!("a second run is refused: {}", error.message())),
        Err(_) => fail("no panic", "the library panicked in the second run".to_owned()),
    }
    result.rendered = true;
    result.edited = !prepared.changed.is_empty();
    prepared.rendered = Some(rendered.text);
    prepared
}

/// Returns whether all readers agree on every character. An edited document must not contain control characters, or
/// characters that are line breaks only for some readers.
pub(crate) fn is_admitted(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    !text.contains(|c: char| {
        matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
            || c.is_control() && !matches!(c, '\n' | '\t')
    })
}

/// Returns the only document of a stream, or an empty node if the stream has no nodes. Fails if there are more
/// documents.
pub(crate) fn one_document(reading: Result<Vec<Tree>, String>) -> Result<Tree, String> {
    let mut documents = reading?;
    match documents.len() {
        0 => Ok(Tree::new(NodeKind::Empty, "")),
        1 => Ok(documents.remove(0)),
        count => Err(format!("{count} documents where one line says `---`")),
    }
}

fn compare_readings(text: &str, granit: &Result<Tree, String>, result: &mut CaseResult) -> Result<(), String> {
    let Ok(granit) = granit else { return Ok(()) };
    if let Ok(scanned) = scanner::scan(text) {
        result.compared_documents += 1;
        granit.expect(&scanned)?;
    }
    if let Ok(fallback) = scanner::parse_with_fallback(text) {
        granit.expect(&fallback).map_err(|message| format!("the fallback parser: {message}"))?;
    }
    Ok(())
}

/// Compares the results of go-yaml. Without results, because Go is missing, the comparisons are skipped.
pub(crate) fn finish(
    prepared: PreparedEdit,
    responses: Option<&[Result<String, String>]>,
) -> (EditCase, CaseResult, Option<String>) {
    let PreparedEdit { case, mut result, is_readable, contract_refuses, rendered, inputs, changed } = prepared;
    let Some(responses) = responses else { return (case, result, rendered) };
    let (before, after) = responses.split_at(inputs.len() - changed.len());
    let mut fail = |oracle, message: String| result.failures.push(Failure { oracle, message });
    let trees: Vec<Option<Tree>> =
        before.iter().map(|response| response.as_ref().ok().map(|json| goyaml::to_tree(json))).collect();
    let mut targets = 0;
    let mut must_refuse = None;
    for (at, tree) in trees.iter().enumerate() {
        let Some(tree) = tree else { continue };
        targets += model::targets(tree).map_or(0, |targets| targets.len());
        let expected = model::apply_edit(tree, &case.op, case.all_containers);
        if let Err(reason) = &expected {
            must_refuse = Some(*reason);
        }
        if rendered.is_none() {
            continue;
        }
        let edited_response = changed.iter().position(|changed| *changed == at).map(|position| &after[position]);
        match (expected, edited_response) {
            (Err(reason), Some(_)) => fail("refusal", format!("edited in spite of {reason} (go-yaml)")),
            (Err(reason), None) => fail("refusal", format!("passed over in spite of {reason} (go-yaml)")),
            (Ok(expected), None) if expected.changed => {
                fail("missed", "go-yaml sees a target that was not edited".to_owned())
            }
            (Ok(_), None) => {}
            (Ok(_), Some(Err(error))) => fail("go-yaml", format!("reads the original, not the edited text: {error}")),
            (Ok(expected), Some(Ok(json))) => {
                if let Err(message) = expected.tree.expect(&goyaml::to_tree(json)) {
                    fail("go-yaml", message);
                }
            }
        }
    }
    for (position, at) in changed.iter().enumerate() {
        if trees[*at].is_none() {
            let reason = before[*at].as_ref().err().cloned();
            match &after[position] {
                // The edit may have removed the part that go-yaml cannot read, so a readable result is accepted.
                Ok(_) if matches!(case.op, Op::Unset(_) | Op::Secret("TOKEN", ..) | Op::Many(_)) => {
                    result.unreadable_edited = reason
                }
                Ok(_) => fail("go-yaml", "reads the edited text, but not the original".to_owned()),
                Err(_) => result.unreadable_edited = reason,
            }
        }
    }
    result.one_target = is_readable && targets == 1 && trees.iter().all(Option::is_some);
    result.must_refuse = result.one_target && (contract_refuses || must_refuse.is_some());
    (case, result, rendered)
}

/// Checks that the report of an edit is not empty and lists only requested changes.
fn check_report(before: &str, after: &str, op: &Op) -> Result<(), String> {
    let mut requested = Vec::new();
    let mut ops = vec![op];
    while let Some(op) = ops.pop() {
        match op {
            Op::Secret(name, ..) | Op::Literal(name, _) | Op::Unset(name) => {
                requested.push(ChangedItem::Variable((*name).to_owned()))
            }
            Op::Source(prefix, secret) => {
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}=") };
                requested.push(ChangedItem::Source(format!("{prefix}secret/{secret}")));
            }
            Op::Namespace(_) => requested.push(ChangedItem::Field("metadata.namespace".to_owned())),
            Op::Many(nested) => ops.extend(nested.iter()),
        }
    }
    let mut reported = Vec::new();
    compare_documents(before, after, &jobplate::inject::template_kind, &mut |difference| reported.push(difference));
    match reported.iter().find(|difference| !requested.contains(&difference.item)) {
        Some(other) => Err(format!("{:?} is reported, and {requested:?} was requested for", other.item)),
        None if reported.is_empty() => Err("an edit of which nothing is reported".to_owned()),
        None => Ok(()),
    }
}
