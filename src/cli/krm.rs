//! `jobplate krm`: render as a KRM function. A ResourceList comes in, with what is to be set as its
//! `functionConfig`: a spec file. It goes out with its items edited, and after a failure with the reason in its
//! `results`.
//!
//! The contract: "KRM Functions Specification" of kustomize. Items are the objects of a List to everything else.

use std::io::Read as _;
use std::process::ExitCode;

use anstream::ColorChoice;

use super::args::KrmArgs;
use super::edits::{self, Told};
use super::no_match::Matching;
use super::output::to_stdout;
use super::render::plan_sources;
use crate::error::{Error, Result, io_reason};
use crate::inject::spec;
use crate::render::{Source, write_error};
use crate::yaml::{self, Change, Child, Document, Edit, Kind, Node, Splices, Tape, Value};

/// The kind of what comes in and goes out.
const RESOURCE_LIST: &str = "ResourceList";

/// Versions of it that are in use; they do not differ in what is read here.
const VERSIONS: [&str; 3] =
    ["config.kubernetes.io/v1", "config.kubernetes.io/v1beta1", "config.kubernetes.io/v1alpha1"];

/// Where an item comes from, as those who pipe it in note it.
const PATHS: [&str; 2] = ["internal.config.kubernetes.io/path", "config.kubernetes.io/path"];

/// Runs the command.
pub(super) fn run(args: KrmArgs, color: ColorChoice) -> Result<ExitCode> {
    let text = read(args.max_document_size()?)?;
    let mut tape = Tape::default();
    yaml::read(&text, &mut tape).map_err(|step_back| {
        let at = step_back.offset;
        no_list("this is no YAML").at(at..at).in_document("-", 1, &text)
    })?;
    let list = Document::new(&text, &tape);
    check(list.root()).map_err(|error| error.in_document("-", 1, &text))?;
    render(args, list, color).inspect_err(|error| {
        // Whoever piped it in reads the reason there; a person reads standard error.
        if let Some(failed) = with_result(list, error) {
            drop(to_stdout(|out| out.write_all(failed.as_bytes()).map_err(|error| write_error(&error))));
        }
    })
}

fn read(limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::input(format!("can't be read: {}", io_reason(&error))).in_file("-"))?;
    if bytes.len() > limit {
        return Err(Error::input(format!("the ResourceList is larger than {limit} bytes"))
            .in_file("-")
            .hint("raise --max-document-size if this is what you mean"));
    }
    String::from_utf8(bytes).map_err(|_| Error::input("not UTF-8").in_file("-"))
}

fn no_list(what: &str) -> Error {
    Error::usage(format!("{what}, and `krm` reads a ResourceList"))
        .hint("kustomize and kpt pipe one in; for manifests there is `jobplate render`")
}

fn check(root: Node<'_>) -> Result<()> {
    let is =
        |key: &str, known: &[&str]| entry(root, key).is_some_and(|value| known.iter().any(|known| value.is(known)));
    match is("kind", &[RESOURCE_LIST]) && is("apiVersion", &VERSIONS) {
        true => Ok(()),
        false => Err(no_list("this is another kind of object").at(root.span().start..root.span().start)),
    }
}

fn render(args: KrmArgs, list: Document<'_>, color: ColorChoice) -> Result<ExitCode> {
    let config = entry(list.root(), "functionConfig").filter(|config| !config.is_null());
    let config = config.map(|config| spec::read_node(config, args.allow_plaintext())).transpose();
    let manifests = args.meaning(config.map_err(|error| error.in_document("-", 1, list.text))?)?;
    let source = Source::spool("-".to_owned(), list.text.as_bytes())?;
    let mut rendering = plan_sources(vec![source], &manifests, Matching::OrNoObject, color)?;
    let edits = edits::find(&mut rendering, &manifests)?;
    let code = to_stdout(|out| rendering.write(0, out))?;
    edits::tell(edits, Told::Made)?;
    Ok(code)
}

/// The list as it came in, with an error among its `results`; none where that can't be proven right.
fn with_result(list: Document<'_>, error: &Error) -> Option<String> {
    let root = list.root();
    let result = result(list, error);
    let edit = match entry(root, "results") {
        Some(results) if results.kind() == Kind::Seq => {
            let insert = vec![(results.items().count(), Child::Item(result))];
            Edit { node: results.index(), change: Change::Children { remove: Vec::new(), insert } }
        }
        Some(results) => Edit { node: results.index(), change: Change::Replace(Value::seq([result])) },
        None => {
            let insert = vec![(root.entries().count(), Child::Entry("results", Value::seq([result])))];
            Edit { node: root.index(), change: Change::Children { remove: Vec::new(), insert } }
        }
    };
    let (edits, mut splices, mut text, mut tape) = ([edit], Splices::default(), String::new(), Tape::default());
    yaml::layout(list, &edits, &mut splices).ok()?;
    splices.apply(list.text, &mut text);
    yaml::read(&text, &mut tape).ok()?;
    yaml::verify(list, &edits, Document::new(&text, &tape)).ok()?;
    Some(text)
}

/// An error as a result: what is wrong, and with which object.
fn result(list: Document<'_>, error: &Error) -> Value {
    let hint = error.hint_text().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let message = format!("{}{hint}", error.message());
    let mut entries = vec![("message", Value::text(&message)), ("severity", Value::name("error"))];
    // The place is in this very text: it is the only one that is read.
    let at = error.place().filter(|place| place.document == list.text).map(|place| place.span.start);
    let items = entry(list.root(), "items").into_iter().flat_map(Node::items);
    let mut objects = items.chain(entry(list.root(), "functionConfig"));
    if let Some(at) = at
        && let Some(object) = objects.find(|object| object.span().contains(&at))
    {
        entries.push(("resourceRef", reference(object)));
        let path = path(object, at);
        if !path.is_empty() {
            entries.push(("field", Value::map([("path", Value::name(&path))])));
        }
        let annotations = entry(object, "metadata").and_then(|metadata| entry(metadata, "annotations"));
        let file = annotations.and_then(|annotations| PATHS.iter().find_map(|key| text(annotations, key)));
        if let Some(file) = file {
            entries.push(("file", Value::map([("path", Value::name(&file))])));
        }
    }
    Value::map(entries)
}

/// The way to what stands at a place: `spec.template.spec.containers[0].env`.
fn path(mut node: Node<'_>, at: usize) -> String {
    let mut path = String::new();
    loop {
        let holds = |from: Node<'_>, to: Node<'_>| from.span().start <= at && at < to.span().end;
        if let Some((key, value)) = node.entries().find(|(key, value)| holds(*key, *value)) {
            let between = if path.is_empty() { "" } else { "." };
            path.push_str(&format!("{between}{}", key.text().unwrap_or_default()));
            node = value;
        } else if let Some((position, item)) = node.items().enumerate().find(|(_, item)| holds(*item, *item)) {
            path.push_str(&format!("[{position}]"));
            node = item;
        } else {
            return path;
        }
    }
}

fn reference(object: Node<'_>) -> Value {
    let metadata = entry(object, "metadata");
    let parts = [
        ("apiVersion", text(object, "apiVersion")),
        ("kind", text(object, "kind")),
        ("name", metadata.and_then(|metadata| text(metadata, "name"))),
        ("namespace", metadata.and_then(|metadata| text(metadata, "namespace"))),
    ];
    Value::map(parts.into_iter().filter_map(|(key, value)| Some((key, Value::name(&value?)))))
}

fn text(map: Node<'_>, name: &str) -> Option<String> {
    entry(map, name).and_then(Node::text).map(|text| text.into_owned())
}

fn entry<'a>(map: Node<'a>, name: &str) -> Option<Node<'a>> {
    map.entries().find(|(key, _)| key.is(name)).map(|(_, value)| value)
}
