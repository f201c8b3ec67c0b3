//! Checks that the input of a conversion is a job template, and reads its parts.

use jobplate_diagnostic::{Error, Message, ProgramName, Result};
use jobplate_manifest::env::referenced_names;

use super::notes::ConversionNotes;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::variables::is_sensitive;

/// The parts of a Job.
pub(super) struct Parts {
    /// The Job.
    pub(super) job: Id,
    /// Its metadata.
    pub(super) metadata: Option<Id>,
    /// Its spec.
    pub(super) spec: Id,
    /// The metadata of its pods.
    pub(super) pod_metadata: Option<Id>,
    /// The spec of its pods.
    pub(super) pod: Id,
    /// The container in which Prefect 1 runs the flow: the first one.
    pub(super) container: Id,
    /// The other containers.
    pub(super) others: Vec<Id>,
}

/// Reads the parts of a Job.
///
/// # Errors
/// Fails, with a place and a hint, if it is not a Job.
pub(super) fn read(heap: &Heap, job: Id) -> Result<Parts> {
    check_kind(heap, job)?;
    let spec = mapping(heap, job, "spec", "spec")?;
    let template = mapping(heap, spec, "template", "spec.template")?;
    let pod = mapping(heap, template, "spec", "spec.template.spec")?;
    let Some(list) = non_null(heap, pod, "containers") else {
        let error = Error::input("there are no `containers` here");
        return Err(at(
            error.hint("the first of them is the one that Prefect runs the flow in: `- name: flow`"),
            heap.place(pod),
        ));
    };
    let fail = |what: String, id: Id| {
        Err(at(Error::input(what).hint("write `containers` as a list of mappings"), heap.place(id)))
    };
    let Data::List(items) = heap.get(list) else {
        return fail(format!("`containers` must be a list, and is {}", heap.kind(list)), list);
    };
    if let Some(other) = items.iter().find(|item| heap.dict(**item).is_none()) {
        return fail(format!("a container must be a mapping, and is {}", heap.kind(*other)), *other);
    }
    let Some((container, others)) = items.split_first() else {
        return fail("the list of `containers` is empty".to_owned(), list);
    };
    let name = non_null(heap, *container, "name");
    if let Some(name) = name.filter(|name| heap.str(*name).is_none()) {
        return fail(format!("the name of a container must be text, and is {}", heap.kind(name)), name);
    }
    Ok(Parts {
        job,
        metadata: optional_mapping(heap, job, "metadata", "metadata")?,
        spec,
        pod_metadata: optional_mapping(heap, template, "metadata", "spec.template.metadata")?,
        pod,
        container: *container,
        others: others.to_vec(),
    })
}

fn check_kind(heap: &Heap, job: Id) -> Result<()> {
    const HINT: &str = "name a Prefect 1 job template: a Job, or a ConfigMap with one under `job_template.yaml`";
    let fail = |what: String, hint: Message, id: Id| Err(at(Error::input(what).hint(hint), heap.place(id)));
    match heap.get(job) {
        Data::Dict(_) => {}
        Data::None => {
            return fail("there is no Job here: nothing but blanks and comments".to_owned(), HINT.into(), job);
        }
        _ => return fail(format!("this is {}, and no Job", heap.kind(job)), HINT.into(), job),
    }
    let has = |key: &str| heap.item(job, key).is_some();
    if has("job_configuration") && has("variables") || has("base_job_template") {
        let hint = "there is nothing to convert: `" + ProgramName + " render` puts references into it";
        return fail("this is a base job template already".to_owned(), hint, job);
    }
    match heap.item(job, "kind").map(|kind| (kind, heap.str(kind))) {
        // Prefect 1's agent does not check `kind` either.
        None | Some((_, Some("Job"))) => Ok(()),
        Some((kind, Some("CronJob"))) => {
            let hint = "convert its `jobTemplate`, with `kind: Job` before it; the schedule belongs to a deployment";
            fail("this is a CronJob, and a job template is a Job".to_owned(), hint.into(), kind)
        }
        Some((kind, Some("ConfigMap"))) => {
            fail("this ConfigMap has no job template".to_owned(), "its key must be `job_template.yaml`".into(), kind)
        }
        Some((kind, Some(_))) => fail("this object is no Job".to_owned(), HINT.into(), kind),
        Some((kind, None)) => fail(format!("`kind` must be Job, and is {}", heap.kind(kind)), HINT.into(), kind),
    }
}

/// Returns the value of a key, unless it is null.
fn non_null(heap: &Heap, dict: Id, key: &str) -> Option<Id> {
    heap.item(dict, key).filter(|value| *heap.get(*value) != Data::None)
}

fn mapping(heap: &Heap, dict: Id, key: &str, path: &str) -> Result<Id> {
    optional_mapping(heap, dict, key, path)?.ok_or_else(|| {
        let error = Error::input(format!("there is no `{path}` here"));
        at(error.hint("a job template is a Job: the containers stand in `spec.template.spec`"), heap.place(dict))
    })
}

fn optional_mapping(heap: &Heap, dict: Id, key: &str, path: &str) -> Result<Option<Id>> {
    match non_null(heap, dict, key) {
        Some(value) if heap.dict(value).is_none() => {
            let error = Error::input(format!("`{path}` must be a mapping, and is {}", heap.kind(value)));
            Err(at(error.hint("a job template is a Job, as kubectl takes it"), heap.place(value)))
        }
        value => Ok(value),
    }
}

/// Adds notes about plain variables of the other containers whose names look secret.
pub(super) fn note_plaintext_secrets(heap: &Heap, notes: &mut ConversionNotes, parts: &Parts) -> Result<()> {
    let init = heap.item(parts.pod, "initContainers").map(|list| heap.get(list));
    let init = match init {
        Some(Data::List(items)) => items.as_slice(),
        _ => &[],
    };
    for container in init.iter().chain(&parts.others) {
        let Some(Data::List(entries)) = heap.item(*container, "env").map(|env| heap.get(env)) else { continue };
        for entry in entries {
            let field = |key: &str| heap.item(*entry, key).and_then(|own| heap.str(own)).unwrap_or_default();
            let (name, value) = (field("name"), field("value"));
            if !value.is_empty() && referenced_names(value).next().is_none() && is_sensitive(name) {
                let place = heap.item(*entry, "name").and_then(|name| heap.place(name));
                let text = format!(
                    "`{name}` is plain text, and its name looks secret: whoever sees the work pool reads it; make it a reference in the job template"
                );
                notes.add(text, place);
            }
        }
    }
    Ok(())
}
