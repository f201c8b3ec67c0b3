//! The manifest of the Job: labels, annotations, image, command and name that a worker puts into it
//! (`prepare_for_flow_run`).

use jobplate_diagnostic::Result;

use super::configuration::Configuration;
use super::fill;
use super::labels;
use super::run::Run;
use super::scenario::WorkerScenario;
use super::settings;
use super::values::fails;
use super::version::WorkerVersion;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::string;

/// The way from the Job to its pod, and to the containers of that.
pub fn pod(arena: &Arena, manifest: ValueId) -> Option<ValueId> {
    ["spec", "template", "spec"].iter().try_fold(manifest, |at, key| arena.dict_get(at, key))
}

/// The containers of a pod in one of its lists.
pub fn containers<'h>(arena: &'h Arena, pod: ValueId, list: &str) -> &'h [ValueId] {
    arena.dict_get(pod, list).map(|list| arena.list_items(list)).unwrap_or_default()
}

/// The container that the flow runs in. A checked manifest has it.
pub fn container(arena: &Arena, manifest: ValueId) -> Option<ValueId> {
    match arena.get(arena.dict_get(pod(arena, manifest)?, "containers")?) {
        Value::List(items) => items.first().copied(),
        _ => None,
    }
}

/// Names and values that are texts, in order.
type Texts = Vec<(ValueId, ValueId)>;

fn set(arena: &Arena, texts: &mut Texts, name: ValueId, value: ValueId) {
    match texts.iter_mut().find(|(own, _)| arena.is_same_key(*own, name)) {
        Some((_, own)) => *own = value,
        None => texts.push((name, value)),
    }
}

/// The labels that Prefect gives a Job and its pod, those of the configuration over them.
fn own_labels(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Texts {
    let Run { flow, flow_run, deployment, work_pool, deployment_updated } = &scenario.run;
    let prefect = labels::value(version.prefect(), true);
    let mut own = vec![
        ("prefect.io/flow-run-id", flow_run.id.clone()),
        ("prefect.io/flow-run-name", flow_run.name.clone()),
        ("prefect.io/version", prefect.clone()),
    ];
    if version.has_recommended_labels() {
        own.push(("app.kubernetes.io/managed-by", "prefect".to_owned()));
        own.push(("app.kubernetes.io/part-of", "prefect".to_owned()));
        own.push(("app.kubernetes.io/version", prefect));
    }
    if version.labels_pools_and_pods() {
        own.push(("prefect.io/work-pool-name", work_pool.name.clone()));
        own.push(("prefect.io/work-pool-id", work_pool.id.clone()));
        own.extend(scenario.worker.name.iter().map(|name| ("prefect.io/worker-name", name.clone())));
    }
    let recommended = |own: &mut Vec<(&str, String)>, name: &str| {
        if version.has_recommended_labels() {
            let name = labels::value(name, true);
            match own.iter_mut().find(|(key, _)| *key == "app.kubernetes.io/name") {
                Some((_, value)) => *value = name,
                None => own.push(("app.kubernetes.io/name", name)),
            }
        }
    };
    let of_flow = [("prefect.io/flow-id", flow.id.clone()), ("prefect.io/flow-name", flow.name.clone())];
    if version.labels_pools_and_pods() {
        own.extend(of_flow.clone());
        recommended(&mut own, &flow.name);
    }
    if let Some(deployment) = deployment {
        own.push(("prefect.io/deployment-id", deployment.id.clone()));
        own.push(("prefect.io/deployment-name", deployment.name.clone()));
        own.extend(deployment_updated.iter().map(|updated| ("prefect.io/deployment-updated", updated.clone())));
        recommended(&mut own, &deployment.name);
    }
    if !version.labels_pools_and_pods() {
        own.extend(of_flow);
    }
    let mut texts = Texts::new();
    for (name, value) in own {
        let (name, value) = (arena.alloc_str(name), arena.alloc_str(value));
        texts.push((name, value));
    }
    for (name, value) in arena.as_dict(configuration.labels).unwrap_or_default() {
        set(arena, &mut texts, *name, *value);
    }
    texts
}

/// What stands under a key of a mapping: of a missing one, nothing. Fails where it is no mapping.
fn pairs(arena: &Arena, of: ValueId, key: &str) -> Result<Texts> {
    let Some(map) = arena.dict_get(of, key) else { return Ok(Texts::new()) };
    match arena.as_dict(map) {
        Some(pairs) => Ok(pairs.to_vec()),
        None => Err(fails(arena, map, format!("`{key}` is {}, not a mapping", arena.describe_kind(map)))),
    }
}

/// Labels as Kubernetes takes them.
fn slugged(arena: &mut Arena, version: WorkerVersion, texts: Texts) -> Result<ValueId> {
    let dict = arena.alloc(Value::empty_dict(), None);
    for (name, value) in texts {
        let (Some(key), Value::Str(text) | Value::Unknown(text)) = (arena.as_str(name), arena.get(value)) else {
            return Err(fails(
                arena,
                value,
                format!("the value of a label is {}, and must be text", arena.describe_kind(value)),
            ));
        };
        let is_unknown = matches!(arena.get(value), Value::Unknown(_));
        let key = labels::key(key, version.keeps_case_of_keys());
        let text = match is_unknown {
            true => text.clone(),
            false => labels::value(text, version.keeps_case_of_values()),
        };
        let location = arena.location(value).cloned();
        let value = arena.alloc(if is_unknown { Value::Unknown(text) } else { Value::Str(text) }, location);
        arena.dict_set_str(dict, &key, value);
    }
    Ok(dict)
}

/// The name of the Job, as far as Prefect makes one.
fn name(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<Option<ValueId>> {
    let run_name = arena.alloc_str(scenario.run.flow_run.name.as_str());
    let Some(own) = configuration.name.filter(|name| arena.is_truthy(*name)) else { return Ok(Some(run_name)) };
    if !version.fills_names() {
        return Ok(Some(own));
    }
    let values = scenario.run.context(arena);
    // Nothing but a placeholder that has no value: it stays as it is.
    let filled = fill::filled(arena, own, values, &scenario.worker.environ)?.unwrap_or(own);
    Ok(Some(if arena.is_truthy(filled) { filled } else { run_name }))
}

/// Prepares a manifest; its `env` is there already.
pub(super) fn prepare(
    arena: &mut Arena,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<()> {
    let manifest = configuration.manifest;
    let name = name(arena, version, scenario, configuration)?;
    let own = own_labels(arena, version, scenario, configuration);
    let (Some(metadata), Some(spec)) = (arena.dict_get(manifest, "metadata"), arena.dict_get(manifest, "spec")) else {
        return Ok(());
    };
    let mut of_job = pairs(arena, metadata, "labels")?;
    own.iter().for_each(|(name, value)| set(arena, &mut of_job, *name, *value));
    let labels = slugged(arena, version, of_job)?;
    arena.dict_set_str(metadata, "labels", labels);
    let mut annotations = Texts::new();
    if version.has_annotations() {
        annotations = pairs(arena, metadata, "annotations")?;
        let own = arena.as_dict(configuration.annotations).unwrap_or_default().to_vec();
        own.into_iter().for_each(|(name, value)| set(arena, &mut annotations, name, value));
        let dict = arena.alloc(Value::empty_dict(), None);
        for (name, value) in &annotations {
            let key = labels::key(arena.as_str(*name).unwrap_or_default(), version.keeps_case_of_keys());
            arena.dict_set_str(dict, &key, *value);
        }
        annotations = arena.as_dict(dict).unwrap_or_default().to_vec();
        arena.dict_set_str(metadata, "annotations", dict);
    }
    if let Some(container) = container(arena, manifest) {
        let command = version.command(settings::runs_engine(&scenario.worker.environ));
        image_and_command(arena, version, container, command)?;
    }
    generate_name(arena, version, metadata, name)?;
    if !version.labels_pools_and_pods() {
        return Ok(());
    }
    let Some(template) = arena.dict_get(spec, "template") else { return Ok(()) };
    of_pod(arena, version, template, own, annotations)
}

/// Labels and annotations of the pod.
fn of_pod(arena: &mut Arena, version: WorkerVersion, template: ValueId, own: Texts, annotations: Texts) -> Result<()> {
    let metadata = match arena.dict_get(template, "metadata") {
        Some(metadata) => metadata,
        None => arena.alloc(Value::empty_dict(), None),
    };
    if arena.as_dict(metadata).is_none() {
        return Err(fails(
            arena,
            metadata,
            format!("`metadata` of the pod is {}, not a mapping", arena.describe_kind(metadata)),
        ));
    }
    let mut labels = pairs(arena, metadata, "labels")?;
    own.into_iter().for_each(|(name, value)| set(arena, &mut labels, name, value));
    let labels = slugged(arena, version, labels)?;
    arena.dict_set_str(metadata, "labels", labels);
    if !annotations.is_empty() {
        let mut all = pairs(arena, metadata, "annotations")?;
        annotations.into_iter().for_each(|(name, value)| set(arena, &mut all, name, value));
        let all = arena.new_dict(all);
        let dict = arena.alloc(all, None);
        arena.dict_set_str(metadata, "annotations", dict);
    }
    arena.dict_set_str(template, "metadata", metadata);
    Ok(())
}

fn image_and_command(arena: &mut Arena, version: WorkerVersion, container: ValueId, default: &str) -> Result<()> {
    if arena.dict_get(container, "image").is_none() {
        let image = arena.alloc_str(format!("prefecthq/prefect:{}-python3.11", version.prefect()));
        arena.dict_set_str(container, "image", image);
    }
    let command = arena.dict_get(container, "args");
    let line = match command.map(|command| (command, arena.get(command))) {
        None | Some((_, Value::None)) => default.to_owned(),
        Some((_, Value::List(_))) => return Ok(()),
        Some((_, Value::Str(text) | Value::Unknown(text))) => text.clone(),
        Some((other, _)) => {
            let why = format!("the command is {}, and must be text or a list", arena.describe_kind(other));
            return Err(fails(arena, other, why));
        }
    };
    let location = command.and_then(|command| arena.location(command)).cloned();
    let words = match version.reads_quotes() {
        true => shlex(&line),
        false => Some(line.split_whitespace().map(str::to_owned).collect()),
    };
    let Some(words) = words else {
        return Err(fails(arena, command.unwrap_or(container), "the command has a quote that is not closed"));
    };
    let words = words.into_iter().map(|word| arena.alloc(Value::Str(word), location.clone())).collect();
    let words = arena.alloc(Value::List(words), location);
    arena.dict_set_str(container, "args", words);
    Ok(())
}

/// `shlex.split(line, posix=True)`: none where a quote is not closed, or an escape escapes nothing.
fn shlex(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// `generateName`, where the template has none of its own.
fn generate_name(arena: &mut Arena, version: WorkerVersion, metadata: ValueId, name: Option<ValueId>) -> Result<()> {
    if let Some(own) = arena.dict_get(metadata, "generateName") {
        let mut found = Vec::new();
        fill::in_value(arena, own, &mut found);
        let is_filler = match arena.as_str(own) {
            Some("-") => true,
            Some("None-") => version.knows_null_names(),
            _ => false,
        };
        if arena.is_truthy(own) && found.is_empty() && !is_filler {
            return Ok(());
        }
    }
    let slug = match name.filter(|name| arena.is_truthy(*name)) {
        None => None,
        Some(name) => match arena.get(name) {
            Value::Str(text) | Value::Unknown(text) => labels::name(text),
            _ => {
                return Err(fails(arena, name, format!("the name is {}, and must be text", arena.describe_kind(name))));
            }
        },
    };
    let generated = arena.alloc_str(format!("{}-", slug.as_deref().unwrap_or("prefect-job")));
    arena.dict_set_str(metadata, "generateName", generated);
    Ok(())
}

/// Moves what Kubernetes has in the spec of a Job, and Prefect wants in that of the pod, to where it belongs.
pub fn for_kubectl(arena: &mut Arena, manifest: ValueId) {
    let (Some(spec), Some(pod)) = (arena.dict_get(manifest, "spec"), pod(arena, manifest)) else { return };
    for key in ["parallelism", "completions"] {
        let Some(value) = arena.dict_get(pod, key) else { continue };
        if arena.dict_get(spec, key).is_none() {
            arena.dict_set_str(spec, key, value);
        }
        let rest = arena.as_dict(pod).unwrap_or_default().iter().filter(|(own, _)| arena.as_str(*own) != Some(key));
        let rest: Vec<_> = rest.copied().collect();
        *arena.get_mut(pod) = arena.new_dict(rest);
    }
}

/// `str(value)` of the namespace that the Job goes to.
pub fn namespace(arena: &Arena, configuration: &Configuration) -> String {
    string::str(arena, configuration.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        for (line, wanted) in [
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
            let words = shlex(line);
            assert_eq!(
                words.as_deref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
                wanted
            );
        }
    }
}
