//! The labels, annotations, image, command and name that a worker sets in the Job's manifest (`prepare_for_flow_run`).

use indexmap::IndexMap;
use jobplate_diagnostic::Result;

use super::command::split_command;
use super::configuration::Configuration;
use super::fill;
use super::labels;
use super::run::{FlowRunContext, Record};
use super::scenario::WorkerScenario;
use super::settings;
use super::values::{prefect_error, require_pairs, unknown_error};
use super::version::WorkerVersion;
use crate::job_checks::pod;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::dict::DictKey;
use crate::pyvalue::source::Location;
use crate::pyvalue::string;

/// Returns the flow's container, which is the first container. Every manifest that passed the check in `required` has a
/// flow container.
pub fn container(arena: &Arena, manifest: ValueId) -> Option<ValueId> {
    match arena.get(arena.dict_get(pod(arena, manifest)?, "containers")?) {
        Value::List(items) => items.first().copied(),
        _ => None,
    }
}

/// The keys and values of labels or annotations, in the order of a Python dictionary.
type LabelPairs = IndexMap<DictKey, (ValueId, ValueId)>;

fn set_label(arena: &Arena, pairs: &mut LabelPairs, name: ValueId, value: ValueId) {
    pairs.entry(arena.dict_key(name)).or_insert((name, value)).1 = value;
}

/// A label that Prefect sets: its key, its value, and the location of the value, if it is known.
type PrefectLabel<'s> = (&'static str, String, Option<&'s Location>);

/// Returns the labels that Prefect sets on a Job and its pod. The configuration's labels override Prefect's labels.
fn prefect_labels(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> LabelPairs {
    let FlowRunContext { flow, flow_run, deployment, work_pool, deployment_updated } = &scenario.run;
    let prefect = labels::slugify_value(version.prefect_version(), true);
    let mut prefect_labels = vec![
        ("prefect.io/flow-run-id", flow_run.id.clone(), None),
        ("prefect.io/flow-run-name", flow_run.name.clone(), flow_run.name_location.as_ref()),
        ("prefect.io/version", prefect.clone(), None),
    ];
    if version.has_recommended_labels() {
        prefect_labels.push(("app.kubernetes.io/managed-by", "prefect".to_owned(), None));
        prefect_labels.push(("app.kubernetes.io/part-of", "prefect".to_owned(), None));
        prefect_labels.push(("app.kubernetes.io/version", prefect, None));
    }
    if version.labels_pools_and_pods() {
        let worker = &scenario.worker;
        let worker_name = |name: &String| ("prefect.io/worker-name", name.clone(), worker.name_location.as_ref());
        let location = work_pool.name_location.as_ref();
        prefect_labels.push(("prefect.io/work-pool-name", work_pool.name.clone(), location));
        prefect_labels.push(("prefect.io/work-pool-id", work_pool.id.clone(), None));
        prefect_labels.extend(worker.name.iter().map(worker_name));
    }
    let of_flow = [
        ("prefect.io/flow-id", flow.id.clone(), None),
        ("prefect.io/flow-name", flow.name.clone(), flow.name_location.as_ref()),
    ];
    if version.labels_pools_and_pods() {
        prefect_labels.extend(of_flow.clone());
        set_app_name(version, &mut prefect_labels, flow);
    }
    if let Some(deployment) = deployment {
        let location = deployment.name_location.as_ref();
        prefect_labels.push(("prefect.io/deployment-id", deployment.id.clone(), None));
        prefect_labels.push(("prefect.io/deployment-name", deployment.name.clone(), location));
        let updated = |updated: &String| ("prefect.io/deployment-updated", updated.clone(), None);
        prefect_labels.extend(deployment_updated.iter().map(updated));
        set_app_name(version, &mut prefect_labels, deployment);
    }
    if !version.labels_pools_and_pods() {
        prefect_labels.extend(of_flow);
    }
    let mut pairs = LabelPairs::new();
    for (name, value, location) in prefect_labels {
        let (name, value) = (arena.alloc_str(name), arena.alloc(Value::Str(value), location.cloned()));
        set_label(arena, &mut pairs, name, value);
    }
    for (name, value) in arena.as_dict(configuration.labels).unwrap_or_default() {
        set_label(arena, &mut pairs, *name, *value);
    }
    pairs
}

/// Sets the recommended label with the name of the application, which is a flow or a deployment.
fn set_app_name<'s>(version: WorkerVersion, labels: &mut Vec<PrefectLabel<'s>>, record: &'s Record) {
    if !version.has_recommended_labels() {
        return;
    }
    let (name, location) = (labels::slugify_value(&record.name, true), record.name_location.as_ref());
    match labels.iter_mut().find(|(key, ..)| *key == "app.kubernetes.io/name") {
        Some(label) => (label.1, label.2) = (name, location),
        None => labels.push(("app.kubernetes.io/name", name, location)),
    }
}

fn to_label_pairs(arena: &Arena, pairs: &[(ValueId, ValueId)]) -> LabelPairs {
    pairs.iter().map(|pair| (arena.dict_key(pair.0), *pair)).collect()
}

/// Returns the pairs of the mapping at `key` in `dict`, or no pairs if the key is missing.
///
/// # Errors
/// Fails if the value is not a mapping.
fn pairs_at(arena: &Arena, dict: ValueId, key: &str) -> Result<LabelPairs> {
    let Some(map) = arena.dict_get(dict, key) else { return Ok(LabelPairs::new()) };
    Ok(to_label_pairs(arena, require_pairs(arena, map, &format!("`{key}`"))?))
}

/// Converts the keys and values of labels to slugs that Kubernetes accepts. Values that only the cluster knows are left
/// unchanged.
///
/// # Errors
/// Fails if a key or value is not a string.
fn slugify_labels(arena: &mut Arena, version: WorkerVersion, texts: LabelPairs) -> Result<ValueId> {
    let dict = arena.alloc(Value::empty_dict(), None);
    for (name, value) in texts.into_values() {
        let (Some(key), Value::Str(text) | Value::Unknown(text)) = (arena.as_str(name), arena.get(value)) else {
            return Err(prefect_error(
                arena,
                value,
                format!("the value of a label must be a string, not {}", arena.describe_kind(value)),
            ));
        };
        let is_unknown = matches!(arena.get(value), Value::Unknown(_));
        let key = labels::slugify_key(key, version.keeps_case_of_keys());
        let text = match is_unknown {
            true => text.clone(),
            false => labels::slugify_value(text, version.keeps_case_of_values()),
        };
        let location = arena.location(value).cloned();
        let value = arena.alloc(if is_unknown { Value::Unknown(text) } else { Value::Str(text) }, location);
        arena.dict_set_str(dict, &key, value);
    }
    Ok(dict)
}

/// Returns the name that `generateName` is derived from: the configured name, or the flow run's name if the configured
/// name is empty.
fn job_name(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<Option<ValueId>> {
    let run_name = arena.alloc_str(scenario.run.flow_run.name.as_str());
    let Some(configured_name) = configuration.name.filter(|name| arena.is_truthy(*name)) else {
        return Ok(Some(run_name));
    };
    if !version.fills_names() {
        return Ok(Some(configured_name));
    }
    let values = scenario.run.placeholder_values(arena);
    // A name that is a single placeholder without a value is left unchanged.
    let filled =
        fill::apply_values(arena, configured_name, values, &scenario.worker.environ)?.unwrap_or(configured_name);
    Ok(Some(if arena.is_truthy(filled) { filled } else { run_name }))
}

/// Sets labels, annotations, image, command and name in a manifest whose `env` is already set.
///
/// # Errors
/// Fails if Prefect raises an error.
pub(super) fn prepare(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<()> {
    let manifest = configuration.manifest;
    let name = job_name(arena, version, scenario, configuration)?;
    let prefect_labels = prefect_labels(arena, version, scenario, configuration);
    let (Some(metadata), Some(spec)) = (arena.dict_get(manifest, "metadata"), arena.dict_get(manifest, "spec")) else {
        return Ok(());
    };
    let mut job_labels = pairs_at(arena, metadata, "labels")?;
    prefect_labels.values().for_each(|(name, value)| set_label(arena, &mut job_labels, *name, *value));
    let labels = slugify_labels(arena, version, job_labels)?;
    arena.dict_set_str(metadata, "labels", labels);
    let mut annotations = LabelPairs::new();
    if version.has_annotations() {
        annotations = pairs_at(arena, metadata, "annotations")?;
        let configured = arena.as_dict(configuration.annotations).unwrap_or_default().to_vec();
        configured.into_iter().for_each(|(name, value)| set_label(arena, &mut annotations, name, value));
        let dict = arena.alloc(Value::empty_dict(), None);
        for (name, value) in annotations.values() {
            let key = labels::slugify_key(arena.as_str(*name).unwrap_or_default(), version.keeps_case_of_keys());
            arena.dict_set_str(dict, &key, *value);
        }
        annotations = to_label_pairs(arena, arena.as_dict(dict).unwrap_or_default());
        arena.dict_set_str(metadata, "annotations", dict);
    }
    if let Some(container) = container(arena, manifest) {
        let command = version.command(settings::runs_engine(&scenario.worker.environ));
        set_image_and_command(arena, version, container, command)?;
    }
    set_generate_name(arena, version, metadata, name)?;
    if !version.labels_pools_and_pods() {
        return Ok(());
    }
    let Some(template) = arena.dict_get(spec, "template") else { return Ok(()) };
    set_pod_metadata(arena, version, template, prefect_labels, annotations)
}

/// Sets the labels and annotations of the pod.
fn set_pod_metadata(
    arena: &mut Arena,
    version: WorkerVersion,
    template: ValueId,
    prefect_labels: LabelPairs,
    annotations: LabelPairs,
) -> Result<()> {
    let metadata = match arena.dict_get(template, "metadata") {
        Some(metadata) => metadata,
        None => arena.alloc(Value::empty_dict(), None),
    };
    require_pairs(arena, metadata, "`metadata` of the pod")?;
    let mut labels = pairs_at(arena, metadata, "labels")?;
    prefect_labels.into_values().for_each(|(name, value)| set_label(arena, &mut labels, name, value));
    let labels = slugify_labels(arena, version, labels)?;
    arena.dict_set_str(metadata, "labels", labels);
    if !annotations.is_empty() {
        let mut pod_annotations = pairs_at(arena, metadata, "annotations")?;
        annotations.into_values().for_each(|(name, value)| set_label(arena, &mut pod_annotations, name, value));
        let pod_annotations = arena.new_dict(pod_annotations.into_values());
        let dict = arena.alloc(pod_annotations, None);
        arena.dict_set_str(metadata, "annotations", dict);
    }
    arena.dict_set_str(template, "metadata", metadata);
    Ok(())
}

/// Sets the image of the flow's container if it is missing. Sets the container's arguments to the words of the
/// template's command, or of `default` if the command is missing or null. A command that is already a list is left
/// unchanged.
fn set_image_and_command(arena: &mut Arena, version: WorkerVersion, container: ValueId, default: &str) -> Result<()> {
    if arena.dict_get(container, "image").is_none() {
        let image = arena.alloc_str(format!("prefecthq/prefect:{}-python3.11", version.prefect_version()));
        arena.dict_set_str(container, "image", image);
    }
    let command = arena.dict_get(container, "args");
    let line = match command.map(|command| (command, arena.get(command))) {
        None | Some((_, Value::None)) => default.to_owned(),
        Some((_, Value::List(_))) => return Ok(()),
        Some((_, Value::Str(text))) => text.clone(),
        Some((other, Value::Unknown(_))) => return Err(unknown_error(arena, other, "the command")),
        Some((other, _)) => {
            let why = format!("the command must be a string or a list, not {}", arena.describe_kind(other));
            return Err(prefect_error(arena, other, why));
        }
    };
    let location = command.and_then(|command| arena.location(command)).cloned();
    let words = match version.splits_like_a_shell() {
        true => split_command(&line),
        false => Some(line.split_whitespace().map(str::to_owned).collect()),
    };
    let Some(words) = words else {
        return Err(prefect_error(arena, command.unwrap_or(container), "the command has an unclosed quote"));
    };
    let words = words.into_iter().map(|word| arena.alloc(Value::Str(word), location.clone())).collect();
    let words = arena.alloc(Value::List(words), location);
    arena.dict_set_str(container, "args", words);
    Ok(())
}

/// Sets `generateName`, unless the template sets it to a non-empty name without unresolved placeholders.
fn set_generate_name(
    arena: &mut Arena,
    version: WorkerVersion,
    metadata: ValueId,
    name: Option<ValueId>,
) -> Result<()> {
    if let Some(generate_name) = arena.dict_get(metadata, "generateName") {
        let mut found = Vec::new();
        fill::collect_placeholders(arena, generate_name, &mut found);
        let is_empty_name = match arena.as_str(generate_name) {
            Some("-") => true,
            Some("None-") => version.ignores_null_names(),
            _ => false,
        };
        if arena.is_truthy(generate_name) && found.is_empty() && !is_empty_name {
            return Ok(());
        }
    }
    let slug = match name.filter(|name| arena.is_truthy(*name)) {
        None => None,
        Some(name) => match arena.get(name) {
            Value::Str(text) => labels::slugify_name(text),
            Value::Unknown(text) => {
                let generated = Value::Unknown(format!("{text}-"));
                let generated = arena.alloc(generated, arena.location(name).cloned());
                arena.dict_set_str(metadata, "generateName", generated);
                return Ok(());
            }
            _ => {
                return Err(prefect_error(
                    arena,
                    name,
                    format!("the name must be a string, not {}", arena.describe_kind(name)),
                ));
            }
        },
    };
    let generated = arena.alloc_str(format!("{}-", slug.as_deref().unwrap_or("prefect-job")));
    arena.dict_set_str(metadata, "generateName", generated);
    Ok(())
}

/// Moves `parallelism` and `completions` from the pod spec, where Prefect requires them, to the Job's spec, where
/// Kubernetes reads them.
pub fn move_fields_for_kubectl(arena: &mut Arena, manifest: ValueId) {
    let (Some(spec), Some(pod)) = (arena.dict_get(manifest, "spec"), pod(arena, manifest)) else { return };
    for key in ["parallelism", "completions"] {
        let Some(value) = arena.dict_get(pod, key) else { continue };
        if arena.dict_get(spec, key).is_none() {
            arena.dict_set_str(spec, key, value);
        }
        arena.dict_remove_str(pod, key);
    }
}

/// Returns the namespace of the Job.
pub fn namespace(arena: &Arena, configuration: &Configuration) -> String {
    string::str(arena, configuration.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_commands_as_a_shell_does() {
        for (line, expected) in [
            ("prefect flow-run execute", Some(&["prefect", "flow-run", "execute"][..])),
            ("python -c 'print(1)'", Some(&["python", "-c", "print(1)"])),
            (r#"a "b \" \\ \c" d\ e"#, Some(&["a", r#"b " \ \c"#, "d e"])),
            ("a '' \"\"", Some(&["a", "", ""])),
            ("a#b # c", Some(&["a#b", "#", "c"])),
            ("  ", Some(&[])),
            ("a 'b", None),
            ("a \"b", None),
            ("a \\", None),
        ] {
            let words = split_command(line);
            assert_eq!(
                words.as_deref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
                expected
            );
        }
    }
}
