//! The job configuration of a flow run: a base job template whose placeholders are filled with the defaults of its
//! variables and with job variables (`resolve_for_flow_run` and `from_template_and_values`).

use jobplate_diagnostic::{Error, Result};

use super::fill;
use super::required;
use super::values::{as_json, copy, deep_merge, fails, set_in_dict, union, update};
use super::version::{ListOfEnv, WorkerVersion};
use crate::placeholder::PlaceholderSource;
use crate::pyvalue::environ::Environ;
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::at;
use crate::pyvalue::{pydantic, text};

/// What a worker has to know of a base job template, filled.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// `command`: a text; none where it is empty.
    pub command: Option<Id>,
    /// `env`: a mapping of texts and nulls, or a list of entries.
    pub env: Id,
    /// `labels`: texts.
    pub labels: Id,
    /// `annotations`: texts.
    pub annotations: Id,
    /// `name`: a text; none where it is not given.
    pub name: Option<Id>,
    /// `namespace`: where the Job goes.
    pub namespace: Id,
    /// `job_manifest`
    pub manifest: Id,
}

/// What goes into a base job template, the weakest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// The base job template.
    pub template: Id,
    /// Job variables of the deployment; none where it has none.
    pub deployment: Option<Id>,
    /// Job variables of the flow run; none where it has none.
    pub run: Option<Id>,
}

/// The defaults of the template's variables: those that are there and no null.
pub(super) fn defaults(heap: &mut Heap, version: WorkerVersion, template: Id) -> Result<Id> {
    let dict = heap.put(Data::Dict(Vec::new()), None);
    let Some(variables) = heap.item(template, "variables") else {
        return Err(fails(heap, template, "the base job template has no `variables`"));
    };
    let Some(_) = heap.dict(variables) else {
        return Err(fails(heap, variables, format!("`variables` is {}, not a mapping", heap.kind(variables))));
    };
    let Some(properties) = heap.item(variables, "properties") else { return Ok(dict) };
    let Some(pairs) = heap.dict(properties).map(<[_]>::to_vec) else {
        return Err(fails(heap, properties, format!("`properties` is {}, not a mapping", heap.kind(properties))));
    };
    for (name, schema) in pairs {
        let default = match heap.get(schema) {
            Data::Dict(_) => heap.item(schema, "default"),
            Data::List(items) if !items.iter().any(|item| heap.str(*item) == Some("default")) => None,
            Data::Str(text) if !text.contains("default") => None,
            _ => return Err(fails(heap, schema, format!("the schema of a variable is {}", heap.kind(schema)))),
        };
        let counts = |default: &Id| *heap.get(*default) != Data::None || !version.drops_null_defaults();
        if let Some(default) = default.filter(counts) {
            heap.set(dict, name, default);
        }
    }
    Ok(dict)
}

/// The job variables of a flow run: those of the deployment, and those of the run over them; `env` is merged.
fn job_variables(heap: &mut Heap, version: WorkerVersion, given: &Given) -> Result<Id> {
    let or_empty = |heap: &mut Heap, variables: Option<Id>, whose: &str| match variables {
        Some(variables) if *heap.get(variables) != Data::None => match heap.dict(variables) {
            Some(_) => Ok(copy(heap, variables)),
            None => {
                let kind = heap.kind(variables);
                Err(at(Error::input(format!("job variables of the {whose} are {kind}")), heap.place(variables))
                    .hint("they are a mapping: `image: my/flow:1`"))
            }
        },
        _ => Ok(heap.put(Data::Dict(Vec::new()), None)),
    };
    let variables = or_empty(heap, given.deployment, "deployment")?;
    let mut run = or_empty(heap, given.run, "flow run")?;
    if !version.reads_run_variables() {
        return Ok(variables);
    }
    if let Some(env) = heap.item(variables, "env").filter(|env| heap.dict(*env).is_some()) {
        let merged = copy(heap, env);
        if let Some(own) = heap.item(run, "env") {
            update(heap, merged, own)?;
            run = copy(heap, run);
            if let Data::Dict(pairs) = heap.get(run).clone() {
                let rest = pairs.into_iter().filter(|(key, _)| heap.str(*key) != Some("env")).collect();
                *heap.get_mut(run) = Data::Dict(rest);
            }
        }
        heap.set_item(variables, "env", merged);
    }
    union(heap, variables, run)
}

/// Dotted variables become mappings, over which the others are merged or laid.
fn undotted(heap: &mut Heap, variables: Id) -> Result<Id> {
    let pairs = heap.dict(variables).unwrap_or_default().to_vec();
    let is_dotted = |heap: &Heap, key: Id| heap.str(key).is_some_and(|key| key.contains('.'));
    let nested = heap.put(Data::Dict(Vec::new()), None);
    for (key, value) in pairs.iter().filter(|(key, _)| is_dotted(heap, *key)).copied().collect::<Vec<_>>() {
        set_in_dict(heap, nested, key, value)?;
    }
    for (key, value) in pairs {
        if is_dotted(heap, key) {
            continue;
        }
        let value = match heap.item_of(nested, key) {
            Some(own) if heap.dict(own).is_some() && heap.dict(value).is_some() => deep_merge(heap, own, value),
            _ => value,
        };
        heap.set(nested, key, value);
    }
    Ok(nested)
}

/// Fills a base job template. Fails where Prefect fails.
pub(super) fn fill(heap: &mut Heap, version: WorkerVersion, given: &Given, environ: &Environ) -> Result<Configuration> {
    let variables = job_variables(heap, version, given)?;
    let Some(base) = heap.item(given.template, "job_configuration") else {
        return Err(fails(heap, given.template, "the base job template has no `job_configuration`"));
    };
    let Some(_) = heap.dict(base) else {
        return Err(fails(heap, base, format!("`job_configuration` is {}, not a mapping", heap.kind(base))));
    };
    let base = copy(heap, base);
    let defaults = defaults(heap, version, given.template)?;
    let own_env = |heap: &Heap, of: Id| heap.item(of, "env").filter(|env| heap.dict(*env).is_some());
    let set_env = |heap: &mut Heap, env: Id| heap.set_item(base, "env", env);
    if version.merges_env()
        && let Some(default) = heap.item(defaults, "env").filter(|env| heap.is_true(*env))
    {
        let env = match own_env(heap, base).filter(|_| version.merges_default_env()) {
            Some(env) => union(heap, env, default)?,
            None => default,
        };
        set_env(heap, env);
    }
    let variables = if version.reads_dotted_variables() { undotted(heap, variables)? } else { variables };
    let values = union(heap, defaults, variables)?;
    if version.merges_env()
        && let Some(env) = own_env(heap, base)
        && let Some(over) = heap.item(values, "env").filter(|env| heap.is_true(*env))
    {
        let env = union(heap, env, over)?;
        set_env(heap, env);
    }
    let filled = fill::filled(heap, base, values, environ)?.unwrap_or(base);
    refuse_what_the_api_knows(heap, filled)?;
    read(heap, version, filled)
}

/// Blocks and variables of Prefect are put in by its API.
fn refuse_what_the_api_knows(heap: &Heap, filled: Id) -> Result<()> {
    let mut found = Vec::new();
    fill::in_value(heap, filled, &mut found);
    match found.iter().find(|(_, placeholder)| placeholder.source() == PlaceholderSource::Api) {
        Some((value, placeholder)) => {
            let error = Error::input(format!("only Prefect's API knows `{}`", placeholder.name));
            let hint = "a preview asks nobody: write what it stands for in its place";
            Err(at(error.hint(hint), heap.place(*value)))
        }
        None => refuse_references(heap, filled),
    }
}

/// `{"$ref": {"block_document_id": ...}}`
fn refuse_references(heap: &Heap, value: Id) -> Result<()> {
    match heap.get(value) {
        Data::List(items) => items.iter().try_for_each(|item| refuse_references(heap, *item)),
        Data::Dict(pairs) => {
            if let Some(reference) = heap.item(value, "$ref") {
                let id = heap.item(reference, "block_document_id");
                if heap.dict(reference).is_none() {
                    return Err(fails(heap, reference, "a `$ref` that is no mapping"));
                }
                if id.is_some_and(|id| heap.is_true(id)) {
                    let error = Error::input("only Prefect's API knows the block that stands here");
                    let hint = "a preview asks nobody: write what it stands for in its place";
                    return Err(at(error.hint(hint), heap.place(reference)));
                }
            }
            pairs.iter().try_for_each(|(_, value)| refuse_references(heap, *value))
        }
        _ => Ok(()),
    }
}

/// Reads the fields that there are, each as its type (pydantic, which is not strict).
fn read(heap: &mut Heap, version: WorkerVersion, filled: Id) -> Result<Configuration> {
    let is_null = |heap: &Heap, id: Id| *heap.get(id) == Data::None;
    let wrong = |heap: &Heap, id: Id, key: &str, wanted: &str| {
        fails(heap, id, format!("`{key}` is {}, and must be {wanted}", heap.kind(id)))
    };
    let text = |heap: &Heap, key: &str| match heap.item(filled, key) {
        None => Ok(None),
        Some(id) if is_null(heap, id) => Ok(None),
        Some(id) => match heap.get(id) {
            Data::Str(_) | Data::Unknown(_) => Ok(Some(id)),
            _ => Err(wrong(heap, id, key, "text")),
        },
    };
    let env = env(heap, version, filled)?;
    let command = text(heap, "command")?.filter(|id| heap.is_true(*id));
    let name = text(heap, "name")?;
    let namespace = match heap.item(filled, "namespace") {
        None => heap.text("default"),
        Some(id) if is_null(heap, id) => return Err(wrong(heap, id, "namespace", "text")),
        Some(_) => text(heap, "namespace")?.unwrap_or(filled),
    };
    let texts = |heap: &mut Heap, key: &str| -> Result<Id> {
        let Some(id) = heap.item(filled, key) else { return Ok(heap.put(Data::Dict(Vec::new()), None)) };
        let Some(pairs) = heap.dict(id) else { return Err(wrong(heap, id, key, "a mapping")) };
        match pairs.iter().find(|(_, value)| !matches!(heap.get(*value), Data::Str(_) | Data::Unknown(_))) {
            Some((name, value)) => {
                let name = heap.str(*name).unwrap_or_default();
                let kind = heap.kind(*value);
                Err(fails(heap, *value, format!("`{name}` among the {key} is {kind}, and must be text")))
            }
            None => Ok(id),
        }
    };
    let labels = texts(heap, "labels")?;
    let annotations = match version.has_annotations() {
        true => texts(heap, "annotations")?,
        false => heap.put(Data::Dict(Vec::new()), None),
    };
    check_numbers(heap, filled)?;
    check_cluster(heap, filled)?;
    let Some(manifest) = heap.item(filled, "job_manifest") else {
        return Err(fails(heap, filled, "`job_configuration` has no `job_manifest`"));
    };
    if heap.dict(manifest).is_none() {
        return Err(wrong(heap, manifest, "job_manifest", "a mapping"));
    }
    // What goes into one place of the manifest must not reach another that holds the same value.
    let manifest = as_json(heap, manifest)?;
    required::check(heap, version, manifest, namespace)?;
    Ok(Configuration { command, env, labels, annotations, name, namespace, manifest })
}

/// `env`: values of a mapping become texts as Python's `str()` makes them; a list stays as it is.
fn env(heap: &mut Heap, version: WorkerVersion, filled: Id) -> Result<Id> {
    let Some(env) = heap.item(filled, "env") else { return Ok(heap.put(Data::Dict(Vec::new()), None)) };
    match heap.get(env).clone() {
        Data::List(items) => match version.list_of_env() {
            ListOfEnv::Lost => Ok(heap.put(Data::Dict(Vec::new()), None)),
            ListOfEnv::Pairs => {
                let pairs = heap.put(Data::Dict(Vec::new()), None);
                update(heap, pairs, env)?;
                Ok(pairs)
            }
            ListOfEnv::Entries => match items.iter().find(|item| heap.dict(**item).is_none()) {
                Some(odd) => Err(fails(heap, *odd, format!("an entry of `env` is {}", heap.kind(*odd)))),
                None => Ok(env),
            },
        },
        Data::Dict(pairs) => {
            let odd = pairs.iter().find(|(_, value)| matches!(heap.get(*value), Data::Dict(_) | Data::List(_)));
            if let Some((_, odd)) = odd.filter(|_| !version.makes_text()) {
                return Err(fails(heap, *odd, format!("a value of `env` is {}, and must be text", heap.kind(*odd))));
            }
            let pairs = pairs.into_iter().map(|(key, value)| {
                let value = match heap.get(value) {
                    Data::None | Data::Str(_) | Data::Unknown(_) => value,
                    _ => {
                        let (text, place) = (text::str(heap, value), heap.place(value).cloned());
                        heap.put(Data::Str(text), place)
                    }
                };
                (key, value)
            });
            let pairs = pairs.collect();
            let place = heap.place(env).cloned();
            Ok(heap.put(Data::Dict(pairs), place))
        }
        _ => Err(fails(heap, env, format!("`env` is {}, not a mapping", heap.kind(env)))),
    }
}

/// Settings that do not reach the Job, but must be what they are.
fn check_numbers(heap: &Heap, filled: Id) -> Result<()> {
    let whole = |id: Id| match heap.get(id) {
        Data::Bool(_) | Data::Int(_) | Data::Unknown(_) => true,
        // Up to what 64 bits hold: pydantic makes no larger number of one with a point.
        Data::Float(float) => float.fract() == 0.0 && float.abs() < 2f64.powi(63),
        Data::Str(text) => pydantic::whole(text).is_some(),
        _ => false,
    };
    let yes_or_no = |id: Id| match heap.get(id) {
        Data::Bool(_) | Data::Unknown(_) => true,
        Data::Int(_) | Data::Float(_) => matches!(text::str(heap, id).as_str(), "0" | "1" | "0.0" | "1.0" | "-0.0"),
        Data::Str(text) => pydantic::boolean(text).is_some(),
        _ => false,
    };
    type Check<'c> = &'c dyn Fn(Id) -> bool;
    let fields: [(&str, Check<'_>, bool, &str); 3] = [
        ("job_watch_timeout_seconds", &whole, true, "a whole number"),
        ("pod_watch_timeout_seconds", &whole, false, "a whole number"),
        ("stream_output", &yes_or_no, false, "true or false"),
    ];
    for (key, is_one, may_be_null, wanted) in fields {
        if let Some(id) = heap.item(filled, key)
            && !is_one(id)
            && !(may_be_null && *heap.get(id) == Data::None)
        {
            return Err(fails(heap, id, format!("`{key}` is {}, and must be {wanted}", heap.kind(id))));
        }
    }
    Ok(())
}

/// `cluster_config` is a block of a kubeconfig and a context.
fn check_cluster(heap: &Heap, filled: Id) -> Result<()> {
    let Some(cluster) = heap.item(filled, "cluster_config").filter(|id| *heap.get(*id) != Data::None) else {
        return Ok(());
    };
    let config = heap.item(cluster, "config").filter(|id| matches!(heap.get(*id), Data::Dict(_) | Data::Str(_)));
    let context = heap.item(cluster, "context_name").filter(|id| heap.str(*id).is_some());
    match (config, context) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(fails(heap, cluster, "`cluster_config` must have a `config` and a `context_name`")),
    }
}
