//! Returns an error if no object matches a request, unless that is permitted. The error lists the inputs' objects.

use jobplate::diagnostic;
use jobplate::inject::Injection;
use jobplate::render::{FoundEmbedded, FoundObject, RenderedDocument, Rendering};
use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::object::for_each_object;
use jobplate_manifest::select::{ContainerChoice, Glob, Target};
use jobplate_prefect::base_job_template;

use super::edit_args::STDIN;
use super::no_match_hint::suggest_fix;
use super::preview_common::work_pool_text_error;
use super::render_request::{RenderRequest, TargetSyntax};

/// The maximum number of objects that the error lists.
const MAX_LISTED: usize = 20;
/// The maximum number of objects that are considered for the hint.
pub(super) const MAX_CONSIDERED: usize = 1000;

/// The policy for inputs in which no object matches the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchPolicy {
    /// A missing match is an error.
    Required,
    /// A missing match is an error, unless the inputs contain no object.
    RequiredIfAnyObject,
    /// A missing match is permitted.
    #[cfg(feature = "cluster")]
    Optional,
}

#[cfg(feature = "cluster")]
impl MatchPolicy {
    /// Returns [`MatchPolicy::Required`] if the condition is true, otherwise [`MatchPolicy::Optional`].
    pub(crate) fn required_if(condition: bool) -> Self {
        if condition { MatchPolicy::Required } else { MatchPolicy::Optional }
    }
}

/// Checks that a request without a match is permitted by `match_policy` or `--allow-no-match`.
///
/// # Errors
///
/// Fails if that is not permitted, or if an input cannot be read again. With [`MatchPolicy::Required`], inputs without
/// any object are an error even with `--allow-no-match`.
pub(crate) fn fail_unless_allowed(
    rendering: &mut Rendering,
    request: &RenderRequest,
    match_policy: MatchPolicy,
) -> Result<()> {
    match match_policy {
        MatchPolicy::Required | MatchPolicy::RequiredIfAnyObject => {}
        #[cfg(feature = "cluster")]
        MatchPolicy::Optional => return Ok(()),
    }
    if !rendering.has_objects()? {
        return match match_policy {
            MatchPolicy::RequiredIfAnyObject => Ok(()),
            _ => Err(match rendering.unrendered_template(false)? {
                Some(error) => error,
                None => no_object_error(rendering, request.target_syntax)?,
            }),
        };
    }
    if request.allow_no_match {
        return Ok(());
    }
    Err(no_match_error(rendering, request)?)
}

fn no_object_error(rendering: &mut Rendering, target_syntax: TargetSyntax) -> Result<Error> {
    let find_error = |document: RenderedDocument<'_>| work_pool_text_error(document.before);
    let error = rendering.documents(None).next_document().ok().flatten().and_then(find_error);
    if let Some(error) = error {
        return Ok(error.in_file(rendering.input_name(0)));
    }
    if let Some(error) = incomplete_template_error(rendering) {
        return Ok(error);
    }
    if let Some(error) = rendering.first_syntax_error()? {
        return Ok(error);
    }
    let message =
        if rendering.has_no_bytes() { "the input is empty" } else { "no Kubernetes object found in the input" };
    let error = Error::input(message);
    if rendering.has_no_bytes() && target_syntax == TargetSyntax::Flags {
        return Ok(
            error.hint("pass a manifest; to change a file, use --in-place: `> FILE` empties it before it is read")
        );
    }
    let error = if rendering.len() == 1 { error.in_file(rendering.input_name(0)) } else { error };
    Ok(error.hint(match target_syntax {
        TargetSyntax::Parameters => {
            "set files with manifests: Argo CD would delete the live objects after an empty output"
        }
        _ => "pass a manifest: a Kubernetes object has `apiVersion` and `kind`",
    }))
}

/// Returns the error for the first base job template without `variables`, if there is one.
fn incomplete_template_error(rendering: &mut Rendering) -> Option<Error> {
    let mut documents = rendering.documents(None);
    while let Ok(Some(RenderedDocument { input, line, before, .. })) = documents.next_document() {
        let refused = for_each_object(before, &mut |_, object| {
            let template = base_job_template::find_without_variables(object).map(|template| template.span().start);
            template.map_or(Ok(()), |start| Err(base_job_template::missing_variables_error().at(start..start + 1)))
        });
        if let Err(error) = refused {
            return Some(error.in_document(input, line, before));
        }
    }
    None
}

fn no_match_error(rendering: &mut Rendering, request: &RenderRequest) -> Result<Error> {
    let injection = &request.injection;
    // If some targets match, the error concerns only the targets that do not match.
    let targets = if rendering.unmatched_targets.is_empty() {
        injection.targets.clone()
    } else {
        rendering.unmatched_targets.clone()
    };
    let found = rendering.find_objects(&targets, MAX_CONSIDERED)?;
    // If no object has containers, the template is probably the intended target.
    if !found.iter().any(FoundObject::has_containers)
        && let Some(error) = rendering.unrendered_template(true)?
    {
        return Ok(error);
    }
    let needs_target = injection.no_default_targets && injection.targets.is_empty() && !injection.is_settings_only();
    let is_config_map = |target: &&Target| {
        let name = target.display();
        let mut documents = found.iter().filter(|found| !found.embedded.is_empty());
        target.key.is_none() && documents.any(|found| found.object.eq_ignore_ascii_case(&name))
    };
    let message = match rendering.unmatched_targets.first() {
        _ if let Some(target) = targets.iter().find(is_config_map) => {
            format!("missing key in the target {}; found in the input:", target.display())
        }
        Some(target) => {
            let containers = describe_containers(injection);
            format!("no object matches the target {}{containers}; found in the input:", target.display())
        }
        None if needs_target && request.target_syntax == TargetSyntax::FunctionConfig => {
            "missing `spec.targets`; found in the input:".to_owned()
        }
        None if needs_target => "missing `--target`; found in the input:".to_owned(),
        None if injection.targets.is_empty() => {
            format!("expected {}; found in the input:", describe_request(injection))
        }
        None => format!("no object matches {}; found in the input:", describe_request(injection)),
    };
    let allow = match request.target_syntax {
        _ if needs_target => "",
        TargetSyntax::Flags | TargetSyntax::SpecFile | TargetSyntax::Helm => ", or pass --allow-no-match",
        TargetSyntax::FunctionConfig => ", or set args: [krm, --allow-no-match]",
        TargetSyntax::Parameters => ", or set the parameter allow-no-match",
    };
    let hint = suggest_fix(injection, request.target_syntax, &targets, &found) + allow;
    Ok(Error::input(message + &list_objects(&found)).hint(hint))
}

/// Lists objects with their containers and embedded documents, one per line.
fn list_objects(found: &[FoundObject]) -> String {
    let mut list = String::new();
    for found in found.iter().take(MAX_LISTED) {
        let FoundObject { object, input, is_hook, containers, embedded, .. } = found;
        let containers = match containers {
            None if !embedded.is_empty() => String::new(),
            None if found.is_config_map => ", no workload in its data".to_owned(),
            None => ", no pod template".to_owned(),
            Some(names) if names.is_empty() => ", no containers".to_owned(),
            Some(names) => list_containers(names, &found.init_containers),
        };
        let hook = if *is_hook { ", a Helm hook" } else { "" };
        let place = if input == STDIN { String::new() } else { format!(" in {input}") };
        list.push_str(&format!("\n  {}", diagnostic::escape_name(&format!("{object}{place}{hook}{containers}"))));
        for FoundEmbedded { key, containers, init_containers, problem, .. } in embedded {
            let containers = match problem {
                None => list_containers(containers, init_containers),
                Some(problem) => format!(": {problem}"),
            };
            let line = format!("{object}:{key}{containers}");
            list.push_str(&format!("\n    contains {}", diagnostic::escape_name(&line)));
        }
    }
    if found.len() > MAX_LISTED {
        list.push_str("\n  and more");
    }
    list
}

/// Lists the containers of an object, and its init containers separately.
fn list_containers(names: &[String], init_names: &[String]) -> String {
    let (names, init_names) = (&names[..names.len() - init_names.len().min(names.len())], init_names.join(", "));
    let mut list = if names.is_empty() { String::new() } else { format!(", containers: {}", names.join(", ")) };
    if !init_names.is_empty() {
        list.push_str(&format!(", init containers: {init_names}"));
    }
    list
}

/// Describes the objects and containers that the request matches.
fn describe_request(injection: &Injection) -> String {
    let targets: Vec<String> = injection.targets.iter().map(Target::display).collect();
    let objects = match (targets.as_slice(), injection.is_settings_only()) {
        ([], true) if injection.no_default_targets => "a Deployment that runs a Prefect agent or worker".to_owned(),
        ([], true) => "a Job, a CronJob, a base job template or a Deployment that runs a Prefect agent".to_owned(),
        ([], false) => "a Job, CronJob or base job template".to_owned(),
        (targets, _) => targets.join(" or "),
    };
    let labels = if injection.selector.is_some() { " and the labels of -l" } else { "" };
    format!("{objects}{}{labels}", describe_containers(injection))
}

/// Describes the containers that the request names; empty if it names none.
fn describe_containers(injection: &Injection) -> String {
    match &injection.containers {
        ContainerChoice::Named(globs) => {
            let names: Vec<&str> = globs.iter().map(Glob::as_str).collect();
            format!(" with the container {}", names.join(" or "))
        }
        _ => String::new(),
    }
}
