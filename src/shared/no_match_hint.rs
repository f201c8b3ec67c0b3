//! Suggests a fix if no target matches: a target, a container or a flag.

use jobplate::inject::{Injection, RequestedVariable, VariableSource};
use jobplate::render::{FoundEmbedded, FoundObject};
use jobplate_diagnostic::Message;
use jobplate_manifest::select::{ContainerChoice, Target};

use super::render_request::TargetSyntax;

/// The maximum length of a target, in bytes, that is compared with the objects that were found. The time to compare two
/// texts is the product of their lengths.
const MAX_COMPARED_LENGTH: usize = 512;

/// A target that could be passed to `--target`.
struct TargetCandidate {
    /// `KIND/NAME[:KEY]`.
    target: String,
    /// Whether flow runs use it: a Job or a job template.
    is_flow_run: bool,
}

/// Returns the targets that the user may have meant, most similar first.
fn find_candidates(found: &[FoundObject], targets: &[Target]) -> Vec<TargetCandidate> {
    let mut candidates = Vec::new();
    // Hooks come last, because users rarely mean them.
    let (hooks, others): (Vec<_>, Vec<_>) = found.iter().partition(|object| object.is_hook);
    for FoundObject { object, containers, embedded, .. } in others.into_iter().chain(hooks) {
        let is_job = ["Job", "CronJob", "BaseJobTemplate", "KubernetesJob", "PrefectWorkPool"]
            .contains(&object.split('/').next().unwrap_or_default());
        if containers.as_ref().is_some_and(|names| !names.is_empty()) {
            candidates.push(TargetCandidate { target: object.clone(), is_flow_run: is_job });
        }
        for FoundEmbedded { key, is_job, .. } in embedded.iter().filter(|document| document.problem.is_none()) {
            candidates.push(TargetCandidate { target: format!("{object}:{key}"), is_flow_run: *is_job });
        }
    }
    // The hint is pasted into a shell, so names from the input must not contain special characters.
    let is_shell_safe = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    candidates.retain(|candidate| candidate.target.chars().all(is_shell_safe));
    if targets.is_empty() {
        return candidates;
    }
    let is_comparable = |target: &String| target.len() <= MAX_COMPARED_LENGTH;
    let requested: Vec<String> =
        targets.iter().map(|target| target.display().to_ascii_lowercase()).filter(is_comparable).collect();
    candidates.retain(|candidate| is_comparable(&candidate.target));
    let distance = |candidate: &TargetCandidate| {
        let candidate = candidate.target.to_ascii_lowercase();
        // The same name with another kind counts as one edit.
        let without_kind = |target: &str| target.split('/').next_back().unwrap_or_default().to_owned();
        let distance_from = |requested: &String| {
            let name_distance = strsim::damerau_levenshtein(&without_kind(requested), &without_kind(&candidate));
            strsim::damerau_levenshtein(requested, &candidate).min(name_distance + 1)
        };
        requested.iter().map(distance_from).min().unwrap_or(usize::MAX)
    };
    let is_similar = |candidate: &TargetCandidate| distance(candidate) <= 2 + candidate.target.len() / 6;
    let is_only_one = candidates.len() == 1;
    candidates.retain(|candidate| is_only_one || is_similar(candidate));
    candidates.sort_by_cached_key(distance);
    candidates
}

/// Formats a target, `KIND/NAME[:KEY]`, as an item of `targets` in a spec file.
fn format_spec_target(target: &str) -> String {
    let (object, key) = target.split_once(':').map_or((target, None), |(object, key)| (object, Some(key)));
    let (kind, name) = object.split_once('/').map_or((object, None), |(kind, name)| (kind, Some(name)));
    let format_part =
        |name: &str, value: Option<&str>| value.map(|value| format!(", {name}: {value}")).unwrap_or_default();
    format!("{{kind: {kind}{}{}}}", format_part("name", name), format_part("key", key))
}

/// Formats a target, and an optional flag that sets a variable, in the syntax that the user writes targets in.
fn format_target(target_syntax: TargetSyntax, target: &str, flag: &str) -> String {
    match (target_syntax, flag) {
        (TargetSyntax::Helm, "") => format!("--target={target} (with Helm: --post-renderer-args=--target={target})"),
        // Helm passes on one argument per --post-renderer-args.
        (TargetSyntax::Helm, flag) => {
            format!("--target={target} {flag} (with Helm, each after --post-renderer-args=)")
        }
        (TargetSyntax::Flags, flag) => format!("--target {target} {flag}").trim_end().to_owned(),
        (TargetSyntax::SpecFile | TargetSyntax::FunctionConfig | TargetSyntax::Parameters, "") => {
            format!("set `targets: [{}]` in the spec", format_spec_target(target))
        }
        (TargetSyntax::SpecFile | TargetSyntax::FunctionConfig | TargetSyntax::Parameters, _) => {
            format!("move it to `env` in the spec, and set `targets: [{}]`", format_spec_target(target))
        }
    }
}

/// Finds a container that a hint can name, in an object that matches the targets. Returns its name.
fn find_container<'f>(found: &'f [FoundObject], targets: &[Target]) -> Option<&'f String> {
    let mut containers = found.iter().flat_map(|object| {
        let object_containers = object.containers.iter().flatten().filter(|_| object.is_matched || targets.is_empty());
        let embedded = object.embedded.iter().filter(|document| document.is_matched || targets.is_empty());
        object_containers.chain(embedded.flat_map(|document| &document.containers))
    });
    let is_shell_safe = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    containers.find(|name| is_shell_safe(name) && !name.starts_with('-'))
}

/// Finds an init container that the request names without selecting init containers, in an object that matches the
/// targets. Returns its name.
fn find_init_container<'f>(injection: &Injection, targets: &[Target], found: &'f [FoundObject]) -> Option<&'f String> {
    let ContainerChoice::Named(globs) = &injection.containers else { return None };
    let mut names = found.iter().flat_map(|object| {
        let own = object.init_containers.iter().filter(|_| object.is_matched || targets.is_empty());
        let embedded = object.embedded.iter().filter(|document| document.is_matched || targets.is_empty());
        own.chain(embedded.flat_map(|document| &document.init_containers))
    });
    let is_named = |name: &&String| globs.iter().any(|glob| glob.matches(name));
    if injection.init_containers { None } else { names.find(is_named) }
}

/// Returns how init containers are selected in the syntax that the user writes targets in.
fn init_containers_flag(target_syntax: TargetSyntax) -> &'static str {
    match target_syntax {
        TargetSyntax::Flags | TargetSyntax::SpecFile => "add --init-containers",
        TargetSyntax::Helm => "add --init-containers (with Helm: --post-renderer-args=--init-containers)",
        TargetSyntax::FunctionConfig => "add --init-containers (args: [krm, --init-containers])",
        TargetSyntax::Parameters => "set the parameter init-containers",
    }
}

/// Returns a hint about the flags that restrict the targets: labels, containers and hooks. Returns `None` if they do not
/// exclude the objects that were found.
fn suggest_fix_of_filters(
    injection: &Injection,
    target_syntax: TargetSyntax,
    targets: &[Target],
    found: &[FoundObject],
) -> Option<String> {
    if injection.selector.is_some() {
        Some("remove -l, or use labels that the object has".to_owned())
    } else if let Some(name) = find_init_container(injection, targets, found) {
        Some(format!("`{name}` is an init container: {}", init_containers_flag(target_syntax)))
    } else if let (ContainerChoice::Named(_), Some(name)) = (&injection.containers, find_container(found, targets)) {
        Some(format!("use an existing container: -c {name}"))
    } else if injection.skip_hooks && found.iter().any(|object| object.is_matched && object.is_hook) {
        Some("remove --skip-hooks: the target is a Helm hook".to_owned())
    } else {
        None
    }
}

/// Returns a hint for a file in which no object matches, although objects of other files may match. `found` are the
/// objects of the file.
pub(super) fn suggest_fix_of_file(injection: &Injection, target_syntax: TargetSyntax, found: &[FoundObject]) -> String {
    let targets = &injection.targets;
    if let Some(fix) = suggest_fix_of_filters(injection, target_syntax, targets, found) {
        return format!("{fix}, or remove this file from the input");
    }
    let is_prefect_secret =
        |variable: &RequestedVariable| matches!(variable.source, VariableSource::PrefectSecret { .. });
    let needs_flow_run = injection.variables.iter().any(is_prefect_secret);
    let candidates = find_candidates(found, &[]);
    let Some(candidate) = candidates.iter().find(|candidate| candidate.is_flow_run || !needs_flow_run) else {
        return "check `kind` and --target, or remove this file from the input".to_owned();
    };
    let target = &candidate.target;
    match target_syntax {
        // A first target replaces the default targets, which other files may need.
        _ if targets.is_empty() => {
            let target = format_target(TargetSyntax::Flags, target, "");
            format!("render this file separately with {target}, or remove it from the input")
        }
        TargetSyntax::Flags | TargetSyntax::Helm => {
            format!("add {}, or remove this file from the input", format_target(target_syntax, target, ""))
        }
        TargetSyntax::SpecFile | TargetSyntax::FunctionConfig | TargetSyntax::Parameters => {
            let target = format_spec_target(target);
            format!("add `{target}` to `spec.targets`, or remove this file from the input")
        }
    }
}

/// Returns a hint for the first cause of the missing match that applies. Its flags can be pasted into a shell.
pub(super) fn suggest_fix(
    injection: &Injection,
    target_syntax: TargetSyntax,
    targets: &[Target],
    found: &[FoundObject],
) -> Message {
    let candidates = find_candidates(found, targets);
    let prefect_secret = injection.variables.iter().find_map(|variable| match &variable.source {
        VariableSource::PrefectSecret { reference, spec_place } => Some((&variable.name, reference, spec_place)),
        VariableSource::Entry(_) => None,
    });
    let flow_run = candidates.iter().find(|candidate| candidate.is_flow_run);
    let format_target = |target: &str, flag: &str| format_target(target_syntax, target, flag);
    let misspelled = found.iter().find_map(|object| Some((object, object.nearest_kind?)));
    if let Some(fix) = suggest_fix_of_filters(injection, target_syntax, targets, found) {
        fix.into()
    } else if injection.no_default_targets && injection.targets.is_empty() && injection.is_settings_only() {
        "install the agent with this chart, or choose another object with --target".into()
    } else if let (Some(_), Some(flow_run)) = (prefect_secret, flow_run) {
        format!("choose the target: {}", format_target(&flow_run.target, "")).into()
    } else if let (true, Some((object, kind))) = (targets.is_empty(), misspelled) {
        format!("write `kind: {kind}` in {}", object.input).into()
    } else if let (Some((name, reference, spec_place)), Some(TargetCandidate { target, .. })) =
        (prefect_secret, candidates.first())
    {
        let variable = format!("--secret-env {name}={}/{}", reference.name, reference.key);
        let request = if spec_place.is_some() { "`spec.secrets`" } else { "--secret" };
        let target = format_target(target, &variable);
        Message::from(format!("{request} is only for job templates; set the variable by its name: {target}"))
    } else if let Some(TargetCandidate { target, .. }) = candidates.first() {
        let such_as = if targets.is_empty() && candidates.len() > 1 { ", such as" } else { ":" };
        format!("choose the target{such_as} {}", format_target(target, "")).into()
    } else if found.iter().any(FoundObject::has_containers) {
        match target_syntax {
            TargetSyntax::Flags | TargetSyntax::Helm => "choose one of these with --target".into(),
            TargetSyntax::SpecFile | TargetSyntax::FunctionConfig | TargetSyntax::Parameters => {
                "choose one of these under `targets` in the spec".into()
            }
        }
    } else if let Some(object) = found.iter().find(|object| object.containers.as_ref().is_some_and(Vec::is_empty)) {
        format!("add `containers` to the pod spec of {}, or correct its indentation", object.object).into()
    } else {
        "pass an input that contains a workload".into()
    }
}
