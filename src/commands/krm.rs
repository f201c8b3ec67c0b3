//! `jobplate krm`: renders as a KRM function. Reads a ResourceList whose `functionConfig` is a spec file. Prints the
//! list with its items edited or, after an error, with the error in its `results`.
//!
//! Implements the "KRM Functions Specification":
//! <https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md>.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic::edits::EditStatus;
use jobplate::inject::layer::Layer;
use jobplate::inject::spec;
use jobplate::render::InputSource;
use jobplate_diagnostic::{Error, LineIndex, ProgramName, Result, describe_io_error, output_error};
use jobplate_yaml::{Child, Document, Documents, Editor, Node, NodeArena, NodeKind, StrictMap, Value};

use super::definition::Command;
use crate::shared::edit_args::EditArgs;
use crate::shared::edit_report::{self, EditReport};
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan_sources;
use crate::shared::render_request::{RenderRequest, TargetSyntax};
use crate::ui::Ui;

/// The kind of the input and the output.
const RESOURCE_LIST: &str = "ResourceList";

/// The API versions of ResourceList. They do not differ in the fields that are read here.
const RESOURCE_LIST_VERSIONS: [&str; 3] =
    ["config.kubernetes.io/v1", "config.kubernetes.io/v1beta1", "config.kubernetes.io/v1alpha1"];

/// The annotations in which kustomize and kpt record an item's file.
const PATH_ANNOTATIONS: [&str; 2] = ["internal.config.kubernetes.io/path", "config.kubernetes.io/path"];

#[derive(Args)]
pub(crate) struct KrmArgs {
    #[command(flatten)]
    edit: EditArgs,
    /// Set the namespace of targets that have none; fail if a target has another one
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
}

impl KrmArgs {
    /// Resolves the arguments. They override the function's configuration.
    fn resolve(self, config: Option<Layer>) -> Result<RenderRequest> {
        let request = self.edit.require_explicit_targets(config, self.namespace, TargetSyntax::FunctionConfig)?;
        if request.injection.is_empty() {
            return Err(Error::usage("no change requested").hint(
                "add the changes to the `spec` of the functionConfig; `" + ProgramName + " schema` shows its keys",
            ));
        }
        Ok(request)
    }
}

impl Command for KrmArgs {
    const NAME: &'static str = "krm";
    const ABOUT: &'static str = "Render the ResourceList on standard input, as a KRM function of kustomize or kpt";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # kustomize, with a spec file under `transformers` that has this annotation:
  #   config.kubernetes.io/function: |
  #     exec: {{path: jobplate, args: [krm]}}
  kustomize build --enable-alpha-plugins --enable-exec overlay/

  # Without kustomize, with the spec file under `functionConfig`
  {program} krm < resource-list.yaml

An error is also written to the `results` of the list.
Exit codes: 0 success; 2 invalid input or a refused edit"
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let text = read_stdin(self.edit.max_document_size()?)?;
        let stream = ResourceListStream::parse(&text)?;
        let mut arena = NodeArena::default();
        jobplate_yaml::read(stream.list, &mut arena).map_err(|unsupported| {
            let at = unsupported.offset;
            stream.locate(not_a_list_error("invalid YAML").at(at..at))
        })?;
        let list = Document::new(stream.list, &arena);
        check_resource_list(list.root()).map_err(|error| stream.locate(error))?;
        match render_list(self, &text, list, &stream, ui) {
            // The list is rendered completely before its first byte is printed.
            Ok((rendered, edits)) => {
                let done = ui.print(|out| out.write_all(&rendered).map_err(|error| output_error(&error)));
                edit_report::emit(edits, EditStatus::Applied, done, ui)
            }
            Err(error) => {
                // The orchestrator reads the error in `results`, the user reads it on standard error.
                if let Some(failed) = add_result(list, &error, ui) {
                    drop(ui.print_text(&[stream.before, &failed, stream.after].concat()));
                }
                // The line numbers refer to standard input, so the message also names the object.
                Err(match find_object(list, &error) {
                    Some((object, path)) => error.with_detail(&format!(" ({})", display_path(object, &path))),
                    None => error,
                })
            }
        }
    }
}

/// A stream with exactly one non-empty document, the ResourceList.
struct ResourceListStream<'t> {
    before: &'t str,
    list: &'t str,
    /// The 1-based line on which the list starts.
    line: usize,
    after: &'t str,
}

impl<'t> ResourceListStream<'t> {
    fn parse(text: &'t str) -> Result<Self> {
        let mut documents = Documents::new(text.as_bytes(), usize::MAX);
        let (mut found, mut arena) = (None, NodeArena::default());
        // Reading from memory can't fail.
        while let Ok(Some(chunk)) = documents.next() {
            let start = chunk.offset as usize;
            let range = start..start + chunk.bytes.len();
            let is_empty = jobplate_yaml::read(&text[range.clone()], &mut arena).is_ok()
                && Document::new(&text[range.clone()], &arena).root().is_null();
            if !is_empty && found.replace(range).is_some() {
                return Err(not_a_list_error("expected one document, found several").in_file("-"));
            }
        }
        let list = found.ok_or_else(|| not_a_list_error("no input").in_file("-"))?;
        let before = &text[..list.start];
        let line = LineIndex::new(before).line(list.start);
        Ok(ResourceListStream { before, list: &text[list.clone()], line, after: &text[list.end..] })
    }

    /// Converts the span of an error in the list to a location on standard input.
    fn locate(&self, error: Error) -> Error {
        error.in_document("-", self.line, self.list)
    }
}

fn read_stdin(limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::input(format!("cannot be read: {}", describe_io_error(&error))).in_file("-"))?;
    if bytes.len() > limit {
        return Err(Error::input(format!("the ResourceList is larger than {limit} bytes"))
            .in_file("-")
            .hint("raise --max-document-size to accept it"));
    }
    String::from_utf8(bytes).map_err(|_| Error::input("not UTF-8").in_file("-"))
}

fn not_a_list_error(description: &str) -> Error {
    Error::usage(format!("{description}: `krm` reads a ResourceList"))
        .hint("run `krm` from kustomize or kpt; for manifests, use `" + ProgramName + " render`")
}

fn check_resource_list(root: Node<'_>) -> Result<()> {
    let list_start = root.span().start..root.span().start;
    let has_value = |key: &str, known: &[&str]| {
        Ok(root.get(key)?.is_some_and(|value| known.iter().any(|known| value.has_text(known))))
    };
    if !(has_value("kind", &[RESOURCE_LIST])? && has_value("apiVersion", &RESOURCE_LIST_VERSIONS)?) {
        return Err(
            not_a_list_error("expected `apiVersion: config.kubernetes.io/v1` and `kind: ResourceList`").at(list_start)
        );
    }
    root.get("functionConfig")?;
    root.get("results")?;
    match root.get("items")? {
        Some(items) if items.kind() == NodeKind::Seq || items.is_null() => Ok(()),
        Some(items) => Err(not_a_list_error("`items` must be a list").at(items.span())),
        None => Err(not_a_list_error("missing `items`").at(list_start)),
    }
}

/// Renders the list. Returns the edited list and the report of its edits.
fn render_list(
    args: KrmArgs,
    text: &str,
    list: Document<'_>,
    stream: &ResourceListStream<'_>,
    ui: &mut Ui,
) -> Result<(Vec<u8>, Option<EditReport>)> {
    let config = list.root().get_first("functionConfig").filter(|config| !config.is_null());
    let lines = LineIndex::new(stream.list);
    let place = |offset| format!("-:{}", stream.line + lines.line(offset) - 1);
    let config = config.map(|config| spec::parse_node(config, args.edit.allow_plaintext(), &place)).transpose();
    let request = args.resolve(config.map_err(|error| stream.locate(error))?)?;
    ui.quiet = request.quiet;
    let source = InputSource::spool("-".to_owned(), text.as_bytes())?;
    let rendering = plan_sources(vec![Ok(source)], &request, MatchPolicy::RequiredIfAnyObject, ui);
    let mut rendering = edit_report::report_failure(rendering, &request, ui)?;
    let edits = edit_report::prepare(&mut rendering, &request, ui)?;
    let mut rendered = Vec::new();
    rendering.write_input(0, &mut rendered)?;
    Ok((rendered, edits))
}

/// Returns the original list with an error added to its `results`. Returns `None` if that edit cannot be verified.
fn add_result(list: Document<'_>, error: &Error, ui: &Ui) -> Option<String> {
    let root = list.root();
    let result = to_result(list, error, ui);
    let results_index = root.entries().position(|(key, _)| key.has_text("results"));
    let root = StrictMap::from_node(root, "the ResourceList").ok()?;
    let edit = match root.get("results").ok()? {
        Some(results) if results.kind() == NodeKind::Seq => {
            StrictMap::from_node(results, "`results`").ok()?.into_editable().append([Child::Item(result)])
        }
        // Replace a value that is not a list.
        _ => {
            let at = results_index.unwrap_or_else(|| root.entries().count());
            let insert = vec![(at, Child::entry("results", Value::seq([result])))];
            root.into_editable().change_children(results_index.into_iter().collect(), insert)
        }
    };
    let mut editor = Editor::default();
    let edited = editor.apply(list, &[edit]).ok()?;
    Some(edited.document.text.to_owned())
}

/// Converts an error to a result with the error's message, object and field.
fn to_result(list: Document<'_>, error: &Error, ui: &Ui) -> Value {
    let hint = error.hint_message().map(|hint| format!("\nhint: {}", ui.render_message(hint))).unwrap_or_default();
    let message = format!("{}{hint}", error.message());
    let mut entries = vec![("message", Value::string(&message)), ("severity", Value::name("error"))];
    if let Some((object, path)) = find_object(list, error) {
        entries.push(("resourceRef", resource_ref(object)));
        if !path.is_empty() {
            entries.push(("field", Value::map([("path", Value::name(&path))])));
        }
        let annotations = object.get_first("metadata").and_then(|metadata| metadata.get_first("annotations"));
        let file =
            annotations.and_then(|annotations| PATH_ANNOTATIONS.iter().find_map(|key| get_text(annotations, key)));
        if let Some(file) = file {
            entries.push(("file", Value::map([("path", Value::name(&file))])));
        }
    }
    Value::map(entries)
}

/// Finds the item that an error concerns, or the functionConfig. Returns that object with the path of the field, or
/// `None` if the error concerns neither.
fn find_object<'a>(list: Document<'a>, error: &Error) -> Option<(Node<'a>, String)> {
    // The error may be in another document, such as a spec file.
    let at = error.location().filter(|place| *place.document == *list.text)?.span.start;
    let items = list.root().get_first("items").into_iter().flat_map(Node::items);
    let mut objects = items.chain(list.root().get_first("functionConfig"));
    let object = objects.find(|object| object.span().contains(&at))?;
    Some((object, field_path(object, at)))
}

/// Formats `Kind/name, path`.
fn display_path(object: Node<'_>, path: &str) -> String {
    let kind = get_text(object, "kind").unwrap_or_default();
    let name =
        object.get_first("metadata").and_then(|metadata| get_text(metadata, "name")).map(|name| format!("/{name}"));
    let path = if path.is_empty() { String::new() } else { format!(", {path}") };
    format!("{kind}{}{path}", name.unwrap_or_default())
}

/// Returns the path of the field at a byte offset, such as `spec.template.spec.containers[0].env`.
fn field_path(mut node: Node<'_>, offset: usize) -> String {
    let mut path = String::new();
    loop {
        let contains = |from: Node<'_>, to: Node<'_>| from.span().start <= offset && offset < to.span().end;
        if let Some((key, value)) = node.entries().find(|(key, value)| contains(*key, *value)) {
            let dot = if path.is_empty() { "" } else { "." };
            path.push_str(&format!("{dot}{}", key.text().unwrap_or_default()));
            node = value;
        } else if let Some((position, item)) = node.items().enumerate().find(|(_, item)| contains(*item, *item)) {
            path.push_str(&format!("[{position}]"));
            node = item;
        } else {
            return path;
        }
    }
}

fn resource_ref(object: Node<'_>) -> Value {
    let metadata = object.get_first("metadata");
    let parts = [
        ("apiVersion", get_text(object, "apiVersion")),
        ("kind", get_text(object, "kind")),
        ("name", metadata.and_then(|metadata| get_text(metadata, "name"))),
        ("namespace", metadata.and_then(|metadata| get_text(metadata, "namespace"))),
    ];
    Value::map(parts.into_iter().filter_map(|(key, value)| Some((key, Value::name(&value?)))))
}

fn get_text(map: Node<'_>, name: &str) -> Option<String> {
    map.get_first(name).and_then(Node::text).map(|text| text.into_owned())
}
