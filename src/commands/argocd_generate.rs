//! `jobplate argocd-generate`: renders as a config management plugin of Argo CD. Argo CD runs it in an application's
//! directory, without standard input, and with the application's parameters in the environment.
//!
//! Each parameter is the flag of `render` with the same name. The output is never empty on success: Argo CD would
//! delete all objects of the application. It contains only objects: Argo CD would show other content in an error, to
//! all users of the application. Files outside of the repository are refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::env;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic::edits::EditStatus;
use jobplate::render::{RenderedDocument, Rendering};
use jobplate_diagnostic::{Error, LineIndex, ProgramName, Result, display_path, suggest};
use jobplate_yaml::{Document, Node, NodeArena, NodeKind, ScalarKind};
use serde::Deserialize;

use super::definition::{Command, parse_arguments};
use super::render::RenderArgs;
use super::render::output::print_all;
use crate::shared::edit_args::is_stdin;
use crate::shared::edit_report;
use crate::shared::inputs::{self, DEFAULT_SPEC_FILES};
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan_sources;
use crate::shared::render_request::{RenderRequest, TargetSyntax};
use crate::shared::usage::redact_values;
use crate::ui::Ui;

/// The parameters with their types. All except [`FILES`] are flags of `render`.
const PARAMETERS: [(&str, ParameterType); 26] = [
    ("all-containers", ParameterType::Boolean),
    ("allow-no-match", ParameterType::Boolean),
    ("allow-plaintext", ParameterType::Boolean),
    ("api", ParameterType::String),
    ("api-key", ParameterType::String),
    ("backend", ParameterType::String),
    ("config-env", ParameterType::Map),
    ("container", ParameterType::Array),
    ("env", ParameterType::Map),
    ("env-from", ParameterType::Array),
    ("field-env", ParameterType::Map),
    (FILES, ParameterType::Array),
    ("generate-name", ParameterType::String),
    ("init-containers", ParameterType::Boolean),
    ("local-secrets", ParameterType::String),
    ("name", ParameterType::String),
    ("name-hash", ParameterType::Boolean),
    ("namespace", ParameterType::String),
    ("recursive", ParameterType::Boolean),
    ("secret", ParameterType::Map),
    ("secret-env", ParameterType::Map),
    ("selector", ParameterType::String),
    ("skip-hooks", ParameterType::Boolean),
    ("spec", ParameterType::Array),
    ("target", ParameterType::Array),
    ("unset", ParameterType::Array),
];

/// The parameter that names the inputs.
const FILES: &str = "files";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterType {
    /// A `string`: `"true"` or `"false"`.
    Boolean,
    /// A `string`.
    String,
    /// An `array`, or one `string`.
    Array,
    /// A `map`.
    Map,
}

/// A parameter of an application, in the format of `ARGOCD_APP_PARAMETERS`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameter {
    name: String,
    string: Option<String>,
    array: Option<Vec<String>>,
    map: Option<BTreeMap<String, String>>,
}

#[derive(Args)]
pub(crate) struct ArgocdGenerateArgs {}

impl Command for ArgocdGenerateArgs {
    const NAME: &'static str = "argocd-generate";
    const ABOUT: &'static str = "Render an application's manifests as an Argo CD config management plugin";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # In the directory of an application: render the `inputs` of jobplate.yaml
  {program} argocd-generate

  # The same with parameters, as Argo CD passes them
  ARGOCD_APP_PARAMETERS='[{{\"name\": \"files\", \"array\": [\"job.yaml\"]}}]' \\
    {program} argocd-generate

Parameters: {}. `files` are the inputs; the others are flags of `{program} render`.

Exit codes: 0 success; 2 invalid input or a refused edit",
            PARAMETERS.map(|(name, _)| name).join(", "),
        ))
    }

    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let root = find_repository();
        let request = request(root.as_deref())?;
        // Files in a directory may be symbolic links.
        let sources =
            inputs::open_checked_inputs(&request, HashMap::new(), &|link| check_inside(link, root.as_deref()))?;
        let mut rendering = plan_sources(sources, &request, MatchPolicy::Required, ui)?;
        check_objects(&mut rendering)?;
        let report = edit_report::prepare(&mut rendering, &request, ui)?;
        let done = print_all(&mut rendering, ui);
        edit_report::emit(report, EditStatus::Applied, done, ui)
    }
}

/// Resolves the parameters and the spec file of the application.
fn request(root: Option<&Path>) -> Result<RenderRequest> {
    let parameters = match env::var("ARGOCD_APP_PARAMETERS") {
        Ok(parameters) => parameters,
        Err(env::VarError::NotPresent) => String::new(),
        Err(env::VarError::NotUnicode(_)) => return Err(invalid_parameters_error()),
    };
    let arguments = to_arguments(&parameters, DEFAULT_SPEC_FILES.into_iter().find(|spec| is_name_used(spec)))?;
    // Must precede the reading of the spec files.
    let mut specs = arguments.iter().filter_map(|word| word.strip_prefix("--spec="));
    specs.try_for_each(|spec| check_inside(Path::new(spec), root))?;
    let args = parse_arguments::<RenderArgs>(arguments).map_err(|usage| {
        let text = redact_values(usage).to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Error::usage(first).hint("use a parameter with the name and value of a flag of `" + ProgramName + " render`")
    })?;
    let mut request = args
        .resolve()
        .map_err(|error| match error.message().starts_with("no input") {
            true => no_files_error(),
            false => error,
        })?
        .request;
    request.target_syntax = TargetSyntax::Parameters;
    for input in &request.inputs {
        if is_stdin(input) {
            return Err(Error::usage("Argo CD passes no standard input (`-`) to a plugin").hint("name files"));
        }
        check_inside(input, root)?;
    }
    Ok(request)
}

fn no_files_error() -> Error {
    let others = ["kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"];
    let other = if others.into_iter().any(is_name_used) { "; this plugin runs neither kustomize nor Helm" } else { "" };
    Error::usage("no input files")
        .hint(format!("list files under `inputs` in {}, or in the parameter `{FILES}`{other}", DEFAULT_SPEC_FILES[0]))
}

fn invalid_parameters_error() -> Error {
    Error::usage("ARGOCD_APP_PARAMETERS is not a list of parameters")
}

/// Converts parameters to arguments of `render`. `spec` is the default spec file, if it exists.
fn to_arguments(parameters: &str, spec: Option<&str>) -> Result<Vec<String>> {
    let parameters: Option<Vec<Parameter>> = match parameters {
        "" => None,
        text => serde_json::from_str(text).map_err(|_| invalid_parameters_error())?,
    };
    let (mut arguments, mut files) = (Vec::new(), Vec::new());
    arguments.extend(spec.map(|spec| format!("--spec={spec}")));
    for Parameter { name, string, array, map } in parameters.into_iter().flatten() {
        let wrong_type = |kind: &str| {
            Error::usage(format!("the parameter `{name}` must be a {kind}"))
                .hint(format!("write it as `- {{name: {name}, {kind}: ...}}`"))
        };
        let Some((_, kind)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
            let known = PARAMETERS.map(|(known, _)| known);
            let hint =
                suggest::did_you_mean(&name, known).unwrap_or_else(|| format!("use one of {}", known.join(", ")));
            return Err(Error::usage(format!("unknown parameter {}", suggest::quote_key(&name))).hint(hint));
        };
        let mut push = |text: String| match name.as_str() {
            FILES => files.push(text),
            flag => arguments.push(format!("--{flag}={text}")),
        };
        match (kind, string, array, map) {
            (ParameterType::Boolean, Some(text), None, None) if text == "true" => arguments.push(format!("--{name}")),
            (ParameterType::Boolean, Some(text), None, None) if text == "false" || text.is_empty() => {}
            (ParameterType::Boolean, ..) => {
                return Err(Error::usage(format!("the parameter `{name}` must be \"true\" or \"false\"")));
            }
            // Ignore an announced parameter that the user left empty.
            (ParameterType::String | ParameterType::Array, Some(text), None, None) if text.is_empty() => {}
            (_, None, None, None) => {}
            (ParameterType::String | ParameterType::Array, Some(text), None, None) => push(text),
            (ParameterType::Array, None, Some(texts), None) => texts.into_iter().for_each(push),
            (ParameterType::Map, None, None, Some(pairs)) => {
                pairs.into_iter().for_each(|(key, value)| push(format!("{key}={value}")));
            }
            (ParameterType::String, ..) => return Err(wrong_type("string")),
            (ParameterType::Array, ..) => return Err(wrong_type("array")),
            (ParameterType::Map, ..) => return Err(wrong_type("map")),
        }
    }
    arguments.push("--".to_owned());
    arguments.extend(files);
    Ok(arguments)
}

/// Returns the root of the repository that contains the application's directory: Argo CD copies the whole repository.
/// Returns the application's directory if `ARGOCD_APP_SOURCE_PATH` is invalid, and `None` if that directory is unknown.
fn find_repository() -> Option<PathBuf> {
    let app_directory = env::current_dir().ok()?.canonicalize().ok()?;
    let path = env::var_os("ARGOCD_APP_SOURCE_PATH").map(PathBuf::from).unwrap_or_default();
    let (mut depth, mut is_below) = (0, true);
    for part in path.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            _ => is_below = false,
        }
    }
    let top = app_directory.ancestors().nth(depth).filter(|_| is_below);
    let top =
        top.filter(|top| top.join(&path).canonicalize().is_ok_and(|path| path == app_directory)).map(Path::to_owned);
    top.or(Some(app_directory))
}

/// Returns whether a directory entry with this name exists in the application's directory. Does not follow a symbolic
/// link, whose target may be outside of the repository.
fn is_name_used(name: &str) -> bool {
    Path::new(name).symlink_metadata().is_ok()
}

/// Fails for a file outside of the repository: applications must not read other files of the plugin's container. A
/// missing file gets the same error, because a link must not reveal whether a path outside of the repository exists.
fn check_inside(file: &Path, root: Option<&Path>) -> Result<()> {
    let is_inside = file.canonicalize().is_ok_and(|path| root.is_some_and(|root| path.starts_with(root)));
    let error = || Error::usage("does not exist, or is outside of the application's repository");
    is_inside.then_some(()).ok_or_else(|| error().in_file(display_path(file)))
}

/// Fails for documents that are not Kubernetes objects: Argo CD ignores them or quotes them in its error.
fn check_objects(rendering: &mut Rendering) -> Result<()> {
    let mut documents = rendering.documents(None);
    let (mut arena, mut count) = (NodeArena::default(), 0);
    while let Some(RenderedDocument { input, line, after, .. }) = documents.next_document()? {
        let object_count = match (find_unsupported_separator(after), jobplate_yaml::read(after, &mut arena)) {
            (Some(offset), _) => Err((offset, "a line with `---` has other content")),
            (None, Err(unsupported)) => Err((unsupported.offset, "invalid YAML")),
            (None, Ok(_)) => count_objects(Document::new(after, &arena).root()),
        };
        count += object_count.map_err(|(offset, description)| {
            let line = line + LineIndex::new(after).line(offset) - 1;
            // The error does not show the line, which may contain a value.
            Error::input(format!("{description}: Argo CD accepts only Kubernetes objects"))
                .in_file(format!("{input}, line {line}"))
                .hint("pass only files with manifests")
        })?;
    }
    match count {
        0 => Err(Error::input("no object remains for Argo CD, which would delete the live objects")
            .hint("pass files with manifests")),
        _ => Ok(()),
    }
}

/// Counts the objects that Argo CD reads from a document. Argo CD expands any object that has `items` as a list.
fn count_objects(root: Node<'_>) -> Result<usize, ArgocdFault> {
    if root.is_null() {
        return Ok(0);
    }
    root.descendants().try_for_each(check_value)?;
    check_object(root)?;
    let Some(items) = root.get_first("items") else { return Ok(1) };
    if !root.get_first("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List")) {
        return Err((items.span().start, "an object that is not a List has `items`"));
    }
    items.items().try_for_each(check_object)?;
    Ok(items.items().count())
}

/// The byte offset of a fault and its description.
type ArgocdFault = (usize, &'static str);

/// Fails for a value that Argo CD rejects or reads differently.
fn check_value(node: Node<'_>) -> Result<(), ArgocdFault> {
    let reject = |node: Node<'_>, description| Err((node.span().start, description));
    if node.tag().is_some_and(|tag| tag != "!!str") {
        return reject(node, "a tag");
    }
    if node.is_scalar() && node.scalar_kind() == ScalarKind::NonFinite {
        return reject(node, "a number that JSON cannot represent");
    }
    let mut seen = HashSet::new();
    for (key, _) in node.entries() {
        let text = key.text().filter(|_| key.is_scalar() && key.scalar_kind() != ScalarKind::Null);
        match text {
            None => return reject(key, "a key that is not a string"),
            Some(text) if text == "<<" && key.kind() == NodeKind::Plain => {
                return reject(key, "a merge key (`<<`)");
            }
            Some(text) => {
                if !seen.insert(text) {
                    return reject(key, "a duplicate key");
                }
            }
        }
    }
    Ok(())
}

fn check_object(object: Node<'_>) -> Result<(), ArgocdFault> {
    let is_text = |node: Node<'_>| node.is_scalar() && node.scalar_kind() == ScalarKind::String;
    let kind =
        object.get_first("kind").filter(|kind| is_text(*kind) && kind.text().is_some_and(|kind| !kind.is_empty()));
    if kind.is_none() {
        return Err((object.span().start, "not a Kubernetes object"));
    }
    let Some(metadata) = object.get_first("metadata").filter(|metadata| !metadata.is_null()) else { return Ok(()) };
    if metadata.kind() != NodeKind::Map {
        return Err((metadata.span().start, "`metadata` is not a mapping"));
    }
    for map in ["labels", "annotations"].into_iter().filter_map(|key| metadata.get_first(key)) {
        let is_map = map.is_null() || map.kind() == NodeKind::Map && map.entries().all(|(_, value)| is_text(value));
        if !is_map {
            return Err((map.span().start, "`labels` or `annotations` is not a mapping of strings"));
        }
    }
    Ok(())
}

/// Returns the byte offset of the first `---` line with content, if any: Argo CD would split the document there.
fn find_unsupported_separator(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('#')) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(parameters: &str) -> Result<String, String> {
        to_arguments(parameters, None).map(|arguments| arguments.join(" ")).map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_are_flags() {
        for none in ["", "null", "[]"] {
            assert_eq!(arguments_of(none), Ok("--".to_owned()));
        }
        let parameters = r#"[
            {"name": "secret", "map": {"B": "s/b", "A": "s/a"}}, {"name": "target", "array": ["job/x", "deployment"]},
            {"name": "api", "string": "http://x"}, {"name": "skip", "string": ""}, {"name": "files", "array": ["-x", "b"]}
        ]"#;
        assert!(arguments_of(parameters).unwrap_err().contains("unknown parameter `skip`"));
        assert_eq!(
            arguments_of(&parameters.replace("skip", "unset")).unwrap(),
            "--secret=A=s/a --secret=B=s/b --target=job/x --target=deployment --api=http://x -- -x b"
        );
        assert_eq!(
            arguments_of(r#"[{"name": "all-containers", "string": "true"}, {"name": "secret"}]"#).unwrap(),
            "--all-containers --"
        );
        for wrong_type in [
            r#"[{"name": "secret", "string": "A=s/a"}]"#,
            r#"[{"name": "api", "array": ["x"]}]"#,
            r#"[{"name": "all-containers", "string": "yes"}]"#,
            r#"[{"name": "report", "string": "/tmp/x"}]"#,
            r#"[{"name": "files", "map": {"a": "b"}}]"#,
            "{}",
        ] {
            assert!(arguments_of(wrong_type).is_err(), "{wrong_type}");
        }
    }

    #[test]
    fn every_parameter_is_a_flag_of_render() {
        let render = RenderArgs::augment_args(clap::Command::new("render"));
        for (name, _) in PARAMETERS.into_iter().filter(|(name, _)| *name != FILES) {
            assert!(render.get_arguments().any(|arg| arg.get_long() == Some(name)), "{name}");
        }
    }
}
