//! Nothing matched: what was asked for, what there is, and what to ask for instead.

use jobplate::diagnostic;
use jobplate::inject::{Injection, VariableSource};
use jobplate::render::{FoundEmbedded, FoundObject, Rendering};
use jobplate_diagnostic::{Error, Message, ProgramName, Result};
use jobplate_manifest::select::{ContainerChoice, Glob, Target};

use super::edit_args::{RenderRequest, STDIN, TargetSyntax};

/// How many objects the error lists.
const MAX_LISTED: usize = 20;
/// How many are looked at for the one that may be meant.
const MAX_CONSIDERED: usize = 1000;

/// Whether it is an error that nothing in the inputs is a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchPolicy {
    /// It is one.
    Required,
    /// It is one where there are objects in them at all.
    RequiredIfAnyObject,
    /// It is none.
    #[cfg(feature = "cluster")]
    Optional,
}

#[cfg(feature = "cluster")]
impl MatchPolicy {
    /// An error on a condition.
    pub(crate) fn required_if(condition: bool) -> Self {
        if condition { MatchPolicy::Required } else { MatchPolicy::Optional }
    }
}

/// An error, unless `--allow-no-match` makes it none. An input without any object is one, too, but where only
/// objects are asked to match.
///
/// # Errors
///
/// Fails unless `match_policy` or `--allow-no-match` permits that nothing matches, or if an input can't be read again.
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
        if match_policy == MatchPolicy::RequiredIfAnyObject {
            return Ok(());
        }
        let what =
            if rendering.has_no_bytes() { "the input is empty" } else { "there is no Kubernetes object in the input" };
        let error = Error::input(what);
        let error = if rendering.len() == 1 { error.in_file(rendering.input_name(0)) } else { error };
        return Err(error.hint(match request.target_syntax {
            TargetSyntax::Parameters => {
                "an empty answer would have Argo CD delete what is there; name files with manifests"
            }
            _ => "name a manifest, or pipe one in as `-`",
        }));
    }
    if request.allow_no_match {
        return Ok(());
    }
    let injection = &request.injection;
    // Those that match something are not what is wrong.
    let targets = if rendering.unmatched_targets.is_empty() {
        injection.targets.clone()
    } else {
        rendering.unmatched_targets.clone()
    };
    let seen = rendering.find_objects(&targets, MAX_CONSIDERED)?;
    let mut list = String::new();
    for FoundObject { object, input, is_hook, containers, embedded, .. } in seen.iter().take(MAX_LISTED) {
        let containers = match containers {
            None => String::new(),
            Some(names) if names.is_empty() => ", no containers".to_owned(),
            Some(names) => format!(", containers: {}", names.join(", ")),
        };
        let hook = if *is_hook { ", a Helm hook" } else { "" };
        // A pipe's name says nothing.
        let place = if input == STDIN { String::new() } else { format!(" in {input}") };
        list.push_str(&format!("\n  {}", diagnostic::escape_name(&format!("{object}{place}{hook}{containers}"))));
        for FoundEmbedded { key, containers, .. } in embedded {
            let line = format!("{object}:{key}, containers: {}", containers.join(", "));
            list.push_str(&format!("\n    with {}", diagnostic::escape_name(&line)));
        }
    }
    if seen.len() > MAX_LISTED {
        list.push_str("\n  and more");
    }
    let needs_target = injection.no_default_targets && injection.targets.is_empty() && !injection.is_settings_only();
    let what = match rendering.unmatched_targets.first() {
        Some(target) => format!("nothing matches the target {}; seen:", target.display()),
        None if needs_target && request.target_syntax == TargetSyntax::FunctionConfig => {
            "only what `spec.targets` names is changed, and it is not given; seen:".to_owned()
        }
        None if needs_target => "only what `--target` names is changed, and it is not given; seen:".to_owned(),
        None => format!("nothing matches {}; seen:", describe_request(injection)),
    };
    let allow = match request.target_syntax {
        _ if needs_target => "",
        TargetSyntax::Flags | TargetSyntax::Helm => " (--allow-no-match makes this no error)",
        TargetSyntax::FunctionConfig => " (args: [krm, --allow-no-match] makes this no error)",
        TargetSyntax::Parameters => " (the parameter allow-no-match makes this no error)",
    };
    Err(Error::usage(what + &list).hint(suggest_fix(injection, request.target_syntax, &targets, &seen) + allow))
}

fn describe_request(injection: &Injection) -> String {
    let targets: Vec<String> = injection.targets.iter().map(Target::display).collect();
    let objects = match (targets.as_slice(), injection.is_settings_only()) {
        ([], true) if injection.no_default_targets => "a Deployment that runs a Prefect agent or worker".to_owned(),
        ([], true) => "a Job, a CronJob, a base job template or a Deployment that runs a Prefect agent".to_owned(),
        ([], false) => "a Job, CronJob or base job template".to_owned(),
        (targets, _) => targets.join(" or "),
    };
    let containers = match &injection.containers {
        ContainerChoice::Named(globs) => {
            let names: Vec<&str> = globs.iter().map(Glob::as_str).collect();
            format!(" with a container {}", names.join(" or "))
        }
        _ => String::new(),
    };
    let labels = if injection.selector.is_some() { " and the labels of -l" } else { "" };
    format!("{objects}{containers}{labels}")
}

/// What could be named with `--target`.
struct TargetCandidate {
    target: String,
    /// It is what flows run in.
    is_flow_run: bool,
}

/// What may be meant, the nearest to what was asked for first.
fn candidates(seen: &[FoundObject], targets: &[Target]) -> Vec<TargetCandidate> {
    let mut candidates = Vec::new();
    // A hook is rarely what is meant.
    let (hooks, others): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.is_hook);
    for FoundObject { object, containers, embedded, .. } in others.into_iter().chain(hooks) {
        let is_job = ["Job", "CronJob", "BaseJobTemplate", "KubernetesJob", "PrefectWorkPool"]
            .contains(&object.split('/').next().unwrap_or_default());
        if containers.as_ref().is_some_and(|names| !names.is_empty()) {
            candidates.push(TargetCandidate { target: object.clone(), is_flow_run: is_job });
        }
        for FoundEmbedded { key, is_job, .. } in embedded {
            candidates.push(TargetCandidate { target: format!("{object}:{key}"), is_flow_run: *is_job });
        }
    }
    // It is to be pasted into a shell, and the names are somebody else's.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    candidates.retain(|candidate| candidate.target.chars().all(is_plain));
    if targets.is_empty() {
        return candidates;
    }
    let asked: Vec<String> = targets.iter().map(|target| target.display().to_ascii_lowercase()).collect();
    let distance = |candidate: &TargetCandidate| {
        let own = candidate.target.to_ascii_lowercase();
        // Another kind of the same name, or the key alone left out, is near, too.
        let parts = |text: &str| text.split('/').next_back().unwrap_or_default().to_owned();
        let near = |asked: &String| {
            strsim::damerau_levenshtein(asked, &own).min(strsim::damerau_levenshtein(&parts(asked), &parts(&own)) + 1)
        };
        asked.iter().map(near).min().unwrap_or(usize::MAX)
    };
    let is_near = |candidate: &TargetCandidate| distance(candidate) <= 2 + candidate.target.len() / 6;
    let one = candidates.len() == 1;
    candidates.retain(|candidate| one || is_near(candidate));
    candidates.sort_by_cached_key(distance);
    candidates
}

/// A target, `KIND/NAME:KEY`, as a spec file has it.
fn format_spec_target(target: &str) -> String {
    let (object, key) = target.split_once(':').map_or((target, None), |(object, key)| (object, Some(key)));
    let (kind, name) = object.split_once('/').map_or((object, None), |(kind, name)| (kind, Some(name)));
    let part = |name: &str, value: Option<&str>| value.map(|value| format!(", {name}: {value}")).unwrap_or_default();
    format!("targets: [{{kind: {kind}{}{}}}]", part("name", name), part("key", key))
}

/// A line to paste, for what stands in the way first.
fn suggest_fix(
    injection: &Injection,
    target_syntax: TargetSyntax,
    targets: &[Target],
    seen: &[FoundObject],
) -> Message {
    let candidates = candidates(seen, targets);
    // Where the target itself is there, its containers are what does not fit.
    let mut of_meant = seen.iter().flat_map(|seen| {
        let own = seen.containers.iter().flatten().filter(|_| seen.is_matched || targets.is_empty());
        let embedded = seen.embedded.iter().filter(|document| document.is_matched || targets.is_empty());
        own.chain(embedded.flat_map(|document| &document.containers))
    });
    let is_plain = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let container = of_meant.find(|name| is_plain(name) && !name.starts_with('-'));
    let prefect_secret = injection.variables.iter().find_map(|variable| match &variable.source {
        VariableSource::PrefectSecret(reference) => Some((&variable.name, reference)),
        VariableSource::Entry(_) => None,
    });
    let flow_run = candidates.iter().find(|candidate| candidate.is_flow_run);
    // Helm hands each word on by a flag of its own.
    let named = |target: &str, more: &str| match (target_syntax, more) {
        (TargetSyntax::Helm, "") => format!("--target={target} (with Helm: --post-renderer-args=--target={target})"),
        (TargetSyntax::Helm, more) => {
            format!("--target={target} {more} (with Helm, each behind --post-renderer-args=)")
        }
        (TargetSyntax::Flags, more) => format!("--target {target} {more}").trim_end().to_owned(),
        (TargetSyntax::FunctionConfig | TargetSyntax::Parameters, "") => {
            format!("in the spec, {}", format_spec_target(target))
        }
        (TargetSyntax::FunctionConfig | TargetSyntax::Parameters, _) => {
            format!("in the spec, under `env`, and {}", format_spec_target(target))
        }
    };
    if injection.selector.is_some() {
        "leave -l out, or give the labels that the object has".into()
    } else if let (ContainerChoice::Named(_), Some(name)) = (&injection.containers, container) {
        format!("name a container that is there: -c {name}").into()
    } else if injection.skip_hooks && seen.iter().any(|seen| seen.is_matched && seen.is_hook) {
        "leave --skip-hooks out: what is named is a Helm hook".into()
    } else if injection.no_default_targets && injection.targets.is_empty() && injection.is_settings_only() {
        "install the agent with this chart, or name another object with --target".into()
    } else if let (Some(_), Some(flow_run)) = (prefect_secret, flow_run) {
        format!("name what you mean: {}", named(&flow_run.target, "")).into()
    } else if let (Some((name, reference)), Some(TargetCandidate { target, .. })) = (prefect_secret, candidates.first())
    {
        let variable = format!("--secret-env {name}={}/{}", reference.name, reference.key);
        "--secret goes into what flows run in: the job template (`"
            + ProgramName
            + " template job` prints one); for other programs name the variable itself: "
            + named(target, &variable)
    } else if let Some(TargetCandidate { target, .. }) = candidates.first() {
        format!("name what you mean: {}", named(target, "")).into()
    } else if seen.iter().any(FoundObject::has_containers) {
        match target_syntax {
            TargetSyntax::Flags | TargetSyntax::Helm => "name one of these with --target".into(),
            TargetSyntax::FunctionConfig | TargetSyntax::Parameters => {
                "name one of these under `targets` in the spec".into()
            }
        }
    } else {
        "name an input with a workload in it".into()
    }
}
