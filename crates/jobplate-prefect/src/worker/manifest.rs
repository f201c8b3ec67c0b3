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
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::text;

/// The way from the Job to its pod, and to the containers of that.
pub fn pod(heap: &Heap, manifest: Id) -> Option<Id> {
    ["spec", "template", "spec"].iter().try_fold(manifest, |at, key| heap.item(at, key))
}

/// The containers of a pod in one of its lists.
pub fn containers<'h>(heap: &'h Heap, pod: Id, list: &str) -> &'h [Id] {
    heap.item(pod, list).map(|list| heap.items(list)).unwrap_or_default()
}

/// The container that the flow runs in. A checked manifest has it.
pub fn container(heap: &Heap, manifest: Id) -> Option<Id> {
    match heap.get(heap.item(pod(heap, manifest)?, "containers")?) {
        Data::List(items) => items.first().copied(),
        _ => None,
    }
}

/// Names and values that are texts, in order.
type Texts = Vec<(Id, Id)>;

fn set(heap: &Heap, texts: &mut Texts, name: Id, value: Id) {
    match texts.iter_mut().find(|(own, _)| heap.equal(*own, name)) {
        Some((_, own)) => *own = value,
        None => texts.push((name, value)),
    }
}

/// The labels that Prefect gives a Job and its pod, those of the configuration over them.
fn own_labels(
    heap: &mut Heap,
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
        let (name, value) = (heap.text(name), heap.text(value));
        texts.push((name, value));
    }
    for (name, value) in heap.dict(configuration.labels).unwrap_or_default() {
        set(heap, &mut texts, *name, *value);
    }
    texts
}

/// What stands under a key of a mapping: of a missing one, nothing. Fails where it is no mapping.
fn pairs(heap: &Heap, of: Id, key: &str) -> Result<Texts> {
    let Some(map) = heap.item(of, key) else { return Ok(Texts::new()) };
    match heap.dict(map) {
        Some(pairs) => Ok(pairs.to_vec()),
        None => Err(fails(heap, map, format!("`{key}` is {}, not a mapping", heap.kind(map)))),
    }
}

/// Labels as Kubernetes takes them.
fn slugged(heap: &mut Heap, version: WorkerVersion, texts: Texts) -> Result<Id> {
    let dict = heap.put(Data::Dict(Vec::new()), None);
    for (name, value) in texts {
        let (Some(key), Data::Str(text) | Data::Unknown(text)) = (heap.str(name), heap.get(value)) else {
            return Err(fails(heap, value, format!("the value of a label is {}, and must be text", heap.kind(value))));
        };
        let is_unknown = matches!(heap.get(value), Data::Unknown(_));
        let key = labels::key(key, version.keeps_case_of_keys());
        let text = match is_unknown {
            true => text.clone(),
            false => labels::value(text, version.keeps_case_of_values()),
        };
        let place = heap.place(value).cloned();
        let value = heap.put(if is_unknown { Data::Unknown(text) } else { Data::Str(text) }, place);
        heap.set_item(dict, &key, value);
    }
    Ok(dict)
}

/// The name of the Job, as far as Prefect makes one.
fn name(
    heap: &mut Heap,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<Option<Id>> {
    let run_name = heap.text(scenario.run.flow_run.name.as_str());
    let Some(own) = configuration.name.filter(|name| heap.is_true(*name)) else { return Ok(Some(run_name)) };
    if !version.fills_names() {
        return Ok(Some(own));
    }
    let values = scenario.run.context(heap);
    // Nothing but a placeholder that has no value: it stays as it is.
    let filled = fill::filled(heap, own, values, &scenario.worker.environ)?.unwrap_or(own);
    Ok(Some(if heap.is_true(filled) { filled } else { run_name }))
}

/// Prepares a manifest; its `env` is there already.
pub(super) fn prepare(
    heap: &mut Heap,
    version: WorkerVersion,
    scenario: &WorkerScenario,
    configuration: &Configuration,
) -> Result<()> {
    let manifest = configuration.manifest;
    let name = name(heap, version, scenario, configuration)?;
    let own = own_labels(heap, version, scenario, configuration);
    let (Some(metadata), Some(spec)) = (heap.item(manifest, "metadata"), heap.item(manifest, "spec")) else {
        return Ok(());
    };
    let mut of_job = pairs(heap, metadata, "labels")?;
    own.iter().for_each(|(name, value)| set(heap, &mut of_job, *name, *value));
    let labels = slugged(heap, version, of_job)?;
    heap.set_item(metadata, "labels", labels);
    let mut annotations = Texts::new();
    if version.has_annotations() {
        annotations = pairs(heap, metadata, "annotations")?;
        let own = heap.dict(configuration.annotations).unwrap_or_default().to_vec();
        own.into_iter().for_each(|(name, value)| set(heap, &mut annotations, name, value));
        let dict = heap.put(Data::Dict(Vec::new()), None);
        for (name, value) in &annotations {
            let key = labels::key(heap.str(*name).unwrap_or_default(), version.keeps_case_of_keys());
            heap.set_item(dict, &key, *value);
        }
        annotations = heap.dict(dict).unwrap_or_default().to_vec();
        heap.set_item(metadata, "annotations", dict);
    }
    if let Some(container) = container(heap, manifest) {
        let command = version.command(settings::runs_engine(&scenario.worker.environ));
        image_and_command(heap, version, container, command)?;
    }
    generate_name(heap, version, metadata, name)?;
    if !version.labels_pools_and_pods() {
        return Ok(());
    }
    let Some(template) = heap.item(spec, "template") else { return Ok(()) };
    of_pod(heap, version, template, own, annotations)
}

/// Labels and annotations of the pod.
fn of_pod(heap: &mut Heap, version: WorkerVersion, template: Id, own: Texts, annotations: Texts) -> Result<()> {
    let metadata = match heap.item(template, "metadata") {
        Some(metadata) => metadata,
        None => heap.put(Data::Dict(Vec::new()), None),
    };
    if heap.dict(metadata).is_none() {
        return Err(fails(heap, metadata, format!("`metadata` of the pod is {}, not a mapping", heap.kind(metadata))));
    }
    let mut labels = pairs(heap, metadata, "labels")?;
    own.into_iter().for_each(|(name, value)| set(heap, &mut labels, name, value));
    let labels = slugged(heap, version, labels)?;
    heap.set_item(metadata, "labels", labels);
    if !annotations.is_empty() {
        let mut all = pairs(heap, metadata, "annotations")?;
        annotations.into_iter().for_each(|(name, value)| set(heap, &mut all, name, value));
        let dict = heap.put(Data::Dict(all), None);
        heap.set_item(metadata, "annotations", dict);
    }
    heap.set_item(template, "metadata", metadata);
    Ok(())
}

fn image_and_command(heap: &mut Heap, version: WorkerVersion, container: Id, default: &str) -> Result<()> {
    if heap.item(container, "image").is_none() {
        let image = heap.text(format!("prefecthq/prefect:{}-python3.11", version.prefect()));
        heap.set_item(container, "image", image);
    }
    let command = heap.item(container, "args");
    let line = match command.map(|command| (command, heap.get(command))) {
        None | Some((_, Data::None)) => default.to_owned(),
        Some((_, Data::List(_))) => return Ok(()),
        Some((_, Data::Str(text) | Data::Unknown(text))) => text.clone(),
        Some((other, _)) => {
            let why = format!("the command is {}, and must be text or a list", heap.kind(other));
            return Err(fails(heap, other, why));
        }
    };
    let place = command.and_then(|command| heap.place(command)).cloned();
    let words = match version.reads_quotes() {
        true => shlex(&line),
        false => Some(line.split_whitespace().map(str::to_owned).collect()),
    };
    let Some(words) = words else {
        return Err(fails(heap, command.unwrap_or(container), "the command has a quote that is not closed"));
    };
    let words = words.into_iter().map(|word| heap.put(Data::Str(word), place.clone())).collect();
    let words = heap.put(Data::List(words), place);
    heap.set_item(container, "args", words);
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
fn generate_name(heap: &mut Heap, version: WorkerVersion, metadata: Id, name: Option<Id>) -> Result<()> {
    if let Some(own) = heap.item(metadata, "generateName") {
        let mut found = Vec::new();
        fill::in_value(heap, own, &mut found);
        let is_filler = match heap.str(own) {
            Some("-") => true,
            Some("None-") => version.knows_null_names(),
            _ => false,
        };
        if heap.is_true(own) && found.is_empty() && !is_filler {
            return Ok(());
        }
    }
    let slug = match name.filter(|name| heap.is_true(*name)) {
        None => None,
        Some(name) => match heap.get(name) {
            Data::Str(text) | Data::Unknown(text) => labels::name(text),
            _ => return Err(fails(heap, name, format!("the name is {}, and must be text", heap.kind(name)))),
        },
    };
    let generated = heap.text(format!("{}-", slug.as_deref().unwrap_or("prefect-job")));
    heap.set_item(metadata, "generateName", generated);
    Ok(())
}

/// Moves what Kubernetes has in the spec of a Job, and Prefect wants in that of the pod, to where it belongs.
pub fn for_kubectl(heap: &mut Heap, manifest: Id) {
    let (Some(spec), Some(pod)) = (heap.item(manifest, "spec"), pod(heap, manifest)) else { return };
    for key in ["parallelism", "completions"] {
        let Some(value) = heap.item(pod, key) else { continue };
        if heap.item(spec, key).is_none() {
            heap.set_item(spec, key, value);
        }
        let rest = heap.dict(pod).unwrap_or_default().iter().filter(|(own, _)| heap.str(*own) != Some(key));
        let rest = rest.copied().collect();
        *heap.get_mut(pod) = Data::Dict(rest);
    }
}

/// `str(value)` of the namespace that the Job goes to.
pub fn namespace(heap: &Heap, configuration: &Configuration) -> String {
    text::str(heap, configuration.namespace)
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
