//! Checks that the input of a conversion is a job template, and reads its parts.

use jobplate_diagnostic::{Diagnostic, Error, Message, ProgramName, Result};
use jobplate_manifest::credentials::is_credential;
use jobplate_manifest::env::referenced_names;

use super::notes::ConversionNotes;
use super::rewrite;
use crate::job_checks::find_swallowed_args;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::locate;

/// The hint for a Job without a container.
const FIRST_CONTAINER_HINT: &str = "add a container, such as `- name: flow`: Prefect runs the flow in the first one";

/// The parts of a Job.
pub(super) struct Parts {
    /// The Job.
    pub(super) job: ValueId,
    /// The Job's metadata, if it is set.
    pub(super) metadata: Option<ValueId>,
    /// The Job's spec.
    pub(super) spec: ValueId,
    /// The metadata of the Job's pods, if it is set.
    pub(super) pod_metadata: Option<ValueId>,
    /// The spec of the Job's pods.
    pub(super) pod: ValueId,
    /// The first container, in which Prefect 1 runs the flow.
    pub(super) container: ValueId,
    /// The other containers.
    pub(super) others: Vec<ValueId>,
}

/// Reads the parts of a Job.
///
/// # Errors
/// Fails if `job` is not a job template. The error has a location and a hint.
pub(super) fn read(arena: &Arena, job: ValueId) -> Result<Parts> {
    check_kind(arena, job)?;
    let spec = get_mapping(arena, job, "spec", "spec")?;
    let template = get_mapping(arena, spec, "template", "spec.template")?;
    let pod = get_mapping(arena, template, "spec", "spec.template.spec")?;
    let Some(list) = get_non_null(arena, pod, "containers") else {
        let error = Error::input("missing `containers`");
        return Err(locate(error.hint(FIRST_CONTAINER_HINT), arena.location(pod)));
    };
    let fail_with =
        |message: String, hint: &str, id: ValueId| Err(locate(Error::input(message).hint(hint), arena.location(id)));
    let fail = |message: String, id: ValueId| fail_with(message, "write `containers` as a list of mappings", id);
    let Value::List(items) = arena.get(list) else {
        return fail(format!("`containers` must be a list, not {}", arena.describe_kind(list)), list);
    };
    if let Some(other) = items.iter().find(|item| arena.as_dict(**item).is_none()) {
        return fail(format!("a container must be a mapping, not {}", arena.describe_kind(*other)), *other);
    }
    let Some((container, others)) = items.split_first() else {
        return fail_with("`containers` must not be empty".to_owned(), FIRST_CONTAINER_HINT, list);
    };
    let name = get_non_null(arena, *container, "name");
    if let Some(name) = name.filter(|name| arena.as_str(*name).is_none()) {
        let message = format!("the name of a container must be a string, not {}", arena.describe_kind(name));
        return fail_with(message, "put it in quotes", name);
    }
    Ok(Parts {
        job,
        metadata: get_optional_mapping(arena, job, "metadata", "metadata")?,
        spec,
        pod_metadata: get_optional_mapping(arena, template, "metadata", "spec.template.metadata")?,
        pod,
        container: *container,
        others: others.to_vec(),
    })
}

fn check_kind(arena: &Arena, job: ValueId) -> Result<()> {
    const HINT: &str = "pass a Prefect 1 job template: a Job, or a ConfigMap with the key `job_template.yaml`";
    let fail =
        |message: String, hint: Message, id: ValueId| Err(locate(Error::input(message).hint(hint), arena.location(id)));
    match arena.get(job) {
        Value::Dict(_) => {}
        Value::None => {
            return fail("no Job found: the file has no content".to_owned(), HINT.into(), job);
        }
        _ => return fail(format!("expected a Job, found {}", arena.describe_kind(job)), HINT.into(), job),
    }
    let has = |key: &str| arena.dict_get(job, key).is_some();
    if has("job_configuration") && has("variables") || has("base_job_template") {
        let hint = "use `" + ProgramName + " render` to add references to it";
        return fail("the input is already a base job template".to_owned(), hint, job);
    }
    match arena.dict_get(job, "kind").map(|kind| (kind, arena.as_str(kind))) {
        // A missing `kind` is accepted, because Prefect 1's agent does not check `kind` either.
        None | Some((_, Some("Job"))) => Ok(()),
        Some((kind, Some("CronJob"))) => {
            let hint = "copy its `spec.jobTemplate` to a file, add `kind: Job` and convert that; set the schedule in the Prefect deployment";
            fail("a job template must be a Job, not a CronJob".to_owned(), hint.into(), kind)
        }
        Some((kind, Some("ConfigMap"))) => {
            fail("this ConfigMap has no job template".to_owned(), "use the key `job_template.yaml`".into(), kind)
        }
        Some((kind, Some(_))) => fail("this object is not a Job".to_owned(), HINT.into(), kind),
        Some((kind, None)) => fail(format!("`kind` must be Job, not {}", arena.describe_kind(kind)), HINT.into(), kind),
    }
}

/// Returns the value of `key` in `dict`, unless it is missing or null.
fn get_non_null(arena: &Arena, dict: ValueId, key: &str) -> Option<ValueId> {
    arena.dict_get(dict, key).filter(|value| *arena.get(*value) != Value::None)
}

fn get_mapping(arena: &Arena, dict: ValueId, key: &str, path: &str) -> Result<ValueId> {
    get_optional_mapping(arena, dict, key, path)?.ok_or_else(|| {
        let error = Error::input(format!("missing `{path}`"));
        locate(error.hint("a job template is a Job with its containers in `spec.template.spec`"), arena.location(dict))
    })
}

fn get_optional_mapping(arena: &Arena, dict: ValueId, key: &str, path: &str) -> Result<Option<ValueId>> {
    match get_non_null(arena, dict, key) {
        Some(value) if arena.as_dict(value).is_none() => {
            let error = Error::input(format!("`{path}` must be a mapping, not {}", arena.describe_kind(value)));
            Err(locate(error.hint("write a mapping, as in the manifest of a Job"), arena.location(value)))
        }
        value => Ok(value),
    }
}

/// Adds notes about variables of init containers, and of containers other than the flow's, that have a literal value
/// and a name that looks secret.
pub(super) fn note_plaintext_secrets(arena: &Arena, notes: &mut ConversionNotes, parts: &Parts) -> Result<()> {
    let init = arena.dict_get(parts.pod, "initContainers").map(|list| arena.get(list));
    let init = match init {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    for container in init.iter().chain(&parts.others) {
        let Some(Value::List(entries)) = arena.dict_get(*container, "env").map(|env| arena.get(env)) else { continue };
        for entry in entries {
            let get_field =
                |key: &str| arena.dict_get(*entry, key).and_then(|value| arena.as_str(value)).unwrap_or_default();
            let (name, value) = (get_field("name"), get_field("value"));
            if !value.is_empty() && referenced_names(value).next().is_none() && is_credential(name, value) {
                let location = arena.dict_get(*entry, "name").and_then(|name| arena.location(name));
                let text = format!(
                    "`{name}` looks like a secret in plain text; anyone with access to the work pool can read it"
                );
                let warning = Diagnostic::warning("plaintext-secret", text)
                    .help("replace it with a Secret reference in the job template");
                notes.add(warning, location);
            }
        }
    }
    Ok(())
}

/// The number of words of `prefect flow-run execute`, the default command of a flow run.
const DEFAULT_COMMAND_WORDS: usize = 3;

/// Adds notes about the command of the flow's container, which the conversion keeps. `base_args` are the `args` of the
/// base job template: a list, or the placeholder of the command of a flow run.
pub(super) fn note_command(arena: &Arena, notes: &mut ConversionNotes, container: ValueId, base_args: Option<ValueId>) {
    let Some(command) = arena.dict_get(container, "command") else { return };
    if rewrite::mentions(arena, command, "PREFECT__") {
        let text = "the command of the container uses variables of Prefect 1 (PREFECT__...)";
        let warning = Diagnostic::warning("prefect1-name", text).help("use their new names");
        notes.add(warning, arena.location(command));
    }
    let arg_count = match base_args.map(|args| arena.get(args)) {
        Some(Value::List(items)) => items.len(),
        _ => DEFAULT_COMMAND_WORDS,
    };
    let warning = find_swallowed_args(arena, container, arg_count);
    warning.into_iter().for_each(|warning| notes.add(warning, None));
}
