//! The job configuration of a flow run: a base job template whose placeholders are replaced with job variables and the
//! defaults of its variables (`resolve_for_flow_run` and `from_template_and_values`).

use jobplate_diagnostic::{Error, Result};

use super::fill;
use super::required;
use super::values::{
    copy, copy_unshared, deep_merge, prefect_error, require_pairs, set_in_dict, spend_repetitions, union,
    unknown_error, update,
};
use super::version::{EnvListHandling, WorkerVersion};
use crate::placeholder::PlaceholderSource;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::Environ;
use crate::pyvalue::source::locate;
use crate::pyvalue::{pydantic, string};

/// The job configuration of a flow run. A string can also be the placeholder of a value that only the cluster knows.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// `command`: a string; `None` if it is empty or null.
    pub command: Option<ValueId>,
    /// `env`: a mapping of strings and nulls, or a list of entries.
    pub env: ValueId,
    /// `labels`: a mapping of strings.
    pub labels: ValueId,
    /// `annotations`: a mapping of strings.
    pub annotations: ValueId,
    /// `name`: a string; `None` if it is missing or null.
    pub name: Option<ValueId>,
    /// `namespace`: the namespace of the Job; `default` if it is missing.
    pub namespace: ValueId,
    /// `job_manifest`: the Job, with the metadata that it must have.
    pub manifest: ValueId,
}

/// The base job template and the job variables, in ascending order of priority.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigurationSources {
    /// The base job template.
    pub template: ValueId,
    /// The job variables of the deployment, if it has any.
    pub deployment: Option<ValueId>,
    /// The job variables of the flow run, if it has any.
    pub run: Option<ValueId>,
}

/// Returns the mapping at `key` in the base job template.
///
/// # Errors
/// Fails if the key is missing or its value is not a mapping.
fn get_mapping(arena: &Arena, template: ValueId, key: &str) -> Result<ValueId> {
    let id = arena.dict_get(template, key);
    let id = id.ok_or_else(|| prefect_error(arena, template, format!("the base job template has no `{key}`")))?;
    require_pairs(arena, id, &format!("`{key}`")).map(|_| id)
}

/// Returns the defaults of the template's variables, without null defaults if the version ignores them.
///
/// # Errors
/// Fails if `variables` is missing or not a mapping, or if Prefect cannot read its `properties` or a schema in them.
pub(super) fn read_defaults(arena: &mut Arena, version: WorkerVersion, template: ValueId) -> Result<ValueId> {
    let dict = arena.alloc(Value::empty_dict(), None);
    let variables = get_mapping(arena, template, "variables")?;
    let Some(properties) = arena.dict_get(variables, "properties") else { return Ok(dict) };
    for (name, schema) in require_pairs(arena, properties, "`properties`")?.to_vec() {
        let default = match arena.get(schema) {
            Value::Dict(_) => arena.dict_get(schema, "default"),
            Value::List(items) if !items.iter().any(|item| arena.as_str(*item) == Some("default")) => None,
            Value::Str(text) if !text.contains("default") => None,
            _ => {
                return Err(prefect_error(
                    arena,
                    schema,
                    format!("the schema of a variable must be a mapping, not {}", arena.describe_kind(schema)),
                ));
            }
        };
        let is_default = |default: &ValueId| *arena.get(*default) != Value::None || !version.drops_null_defaults();
        if let Some(default) = default.filter(is_default) {
            arena.dict_set(dict, name, default);
        }
    }
    Ok(dict)
}

/// Returns the job variables of a flow run. The run's variables override the deployment's variables; `env` is merged.
/// Versions that do not read the run's variables use only the deployment's variables.
fn merge_job_variables(arena: &mut Arena, version: WorkerVersion, sources: &ConfigurationSources) -> Result<ValueId> {
    let or_empty = |arena: &mut Arena, variables: Option<ValueId>, owner: &str| match variables {
        Some(variables) if *arena.get(variables) != Value::None => match arena.as_dict(variables) {
            Some(_) => Ok(copy(arena, variables)),
            None => {
                let kind = arena.describe_kind(variables);
                Err(locate(
                    Error::input(format!("the job variables of the {owner} must be a mapping, not {kind}")),
                    arena.location(variables),
                )
                .hint("write a mapping, such as `image: my/flow:1`"))
            }
        },
        _ => Ok(arena.alloc(Value::empty_dict(), None)),
    };
    let variables = or_empty(arena, sources.deployment, "deployment")?;
    let mut run = or_empty(arena, sources.run, "flow run")?;
    if !version.reads_run_variables() {
        return Ok(variables);
    }
    if let Some(env) = arena.dict_get(variables, "env").filter(|env| arena.as_dict(*env).is_some()) {
        let merged = copy(arena, env);
        if let Some(run_env) = arena.dict_get(run, "env") {
            update(arena, merged, run_env)?;
            run = copy(arena, run);
            arena.dict_remove_str(run, "env");
        }
        arena.dict_set_str(variables, "env", merged);
    }
    union(arena, variables, run)
}

/// Converts variables with dots in their names to nested mappings. A variable without dots is merged into the nested
/// mapping of its name if the variable's value is also a mapping. Otherwise, the variable overrides the nested mapping.
fn nest_dotted_variables(arena: &mut Arena, variables: ValueId) -> Result<ValueId> {
    let pairs = arena.as_dict(variables).unwrap_or_default().to_vec();
    let is_dotted = |arena: &Arena, key: ValueId| arena.as_str(key).is_some_and(|key| key.contains('.'));
    let nested = arena.alloc(Value::empty_dict(), None);
    for (key, value) in pairs.iter().filter(|(key, _)| is_dotted(arena, *key)).copied().collect::<Vec<_>>() {
        set_in_dict(arena, nested, key, value)?;
    }
    for (key, value) in pairs {
        if is_dotted(arena, key) {
            continue;
        }
        let value = match arena.dict_get_by_key(nested, key) {
            Some(nested_value) if arena.as_dict(nested_value).is_some() && arena.as_dict(value).is_some() => {
                deep_merge(arena, nested_value, value)
            }
            _ => value,
        };
        arena.dict_set(nested, key, value);
    }
    Ok(nested)
}

/// Resolves the configuration of a flow run.
///
/// # Errors
/// Fails if Prefect raises an error, or if a value must come from Prefect's API.
pub(super) fn resolve(
    arena: &mut Arena,
    version: WorkerVersion,
    sources: &ConfigurationSources,
    environ: &Environ,
) -> Result<Configuration> {
    let variables = merge_job_variables(arena, version, sources)?;
    let base = get_mapping(arena, sources.template, "job_configuration")?;
    let base = copy(arena, base);
    let defaults = read_defaults(arena, version, sources.template)?;
    let env_of = |arena: &Arena, dict: ValueId| arena.dict_get(dict, "env").filter(|env| arena.as_dict(*env).is_some());
    let set_env = |arena: &mut Arena, env: ValueId| arena.dict_set_str(base, "env", env);
    if version.merges_env()
        && let Some(default) = arena.dict_get(defaults, "env").filter(|env| arena.is_truthy(*env))
    {
        let env = match env_of(arena, base).filter(|_| version.merges_default_env()) {
            Some(env) => merge_env(arena, env, default)?,
            None => default,
        };
        set_env(arena, env);
    }
    let variables = if version.reads_dotted_variables() { nest_dotted_variables(arena, variables)? } else { variables };
    let values = union(arena, defaults, variables)?;
    if version.merges_env()
        && let Some(env) = env_of(arena, base)
        && let Some(over) = arena.dict_get(values, "env").filter(|env| arena.is_truthy(*env))
    {
        let env = merge_env(arena, env, over)?;
        set_env(arena, env);
    }
    let filled = fill::apply_values(arena, base, values, environ)?.unwrap_or(base);
    spend_repetitions(arena, filled, "`job_configuration` with its values")?;
    check_needs_no_api(arena, filled)?;
    read_fields(arena, version, filled)
}

/// Merges a value of the variable `env` into `job_configuration.env`.
///
/// # Errors
/// Fails if the value is not a mapping.
fn merge_env(arena: &mut Arena, env: ValueId, over: ValueId) -> Result<ValueId> {
    if let Value::List(_) = arena.get(over) {
        let error = Error::input("`env` must be a mapping, not a list: Prefect merges it with `job_configuration.env`");
        let hint = "write a mapping, or set `\"env\": \"{{ env }}\"` in `job_configuration`";
        return Err(locate(error.hint(hint), arena.location(over)));
    }
    union(arena, env, over)
}

/// Fails if a placeholder or reference needs a block or variable from Prefect's API.
fn check_needs_no_api(arena: &Arena, filled: ValueId) -> Result<()> {
    let mut found = Vec::new();
    fill::collect_placeholders(arena, filled, &mut found);
    match found.iter().find(|(_, placeholder)| placeholder.source() == PlaceholderSource::Api) {
        Some((value, placeholder)) => {
            let error = Error::input(format!(
                "cannot resolve `{}`: the preview does not read from Prefect's API",
                placeholder.name
            ));
            let hint = "replace it with its value";
            Err(locate(error.hint(hint), arena.location(*value)))
        }
        None => check_references(arena, filled),
    }
}

/// Fails if a value contains a reference to a block: `{"$ref": {"block_document_id": ...}}`.
fn check_references(arena: &Arena, value: ValueId) -> Result<()> {
    match arena.get(value) {
        Value::List(items) => items.iter().try_for_each(|item| check_references(arena, *item)),
        Value::Dict(pairs) => {
            if let Some(reference) = arena.dict_get(value, "$ref") {
                let id = arena.dict_get(reference, "block_document_id");
                if arena.as_dict(reference).is_none() {
                    return Err(prefect_error(arena, reference, "`$ref` must be a mapping"));
                }
                if id.is_some_and(|id| arena.is_truthy(id)) {
                    let error = Error::input("cannot resolve this block: the preview does not read from Prefect's API");
                    let hint = "replace it with its value";
                    return Err(locate(error.hint(hint), arena.location(reference)));
                }
            }
            pairs.iter().try_for_each(|(_, value)| check_references(arena, *value))
        }
        _ => Ok(()),
    }
}

/// Reads the fields of the job configuration, and validates them like pydantic in its lax mode.
fn read_fields(arena: &mut Arena, version: WorkerVersion, filled: ValueId) -> Result<Configuration> {
    let is_null = |arena: &Arena, id: ValueId| *arena.get(id) == Value::None;
    let type_error = |arena: &Arena, id: ValueId, key: &str, expected: &str| match arena.get(id) {
        Value::Unknown(_) => unknown_error(arena, id, &format!("`{key}`")),
        _ => prefect_error(arena, id, format!("`{key}` must be {expected}, not {}", arena.describe_kind(id))),
    };
    let read_string = |arena: &Arena, key: &str| match arena.dict_get(filled, key) {
        None => Ok(None),
        Some(id) if is_null(arena, id) => Ok(None),
        Some(id) => match arena.get(id) {
            Value::Str(_) | Value::Unknown(_) => Ok(Some(id)),
            _ => Err(type_error(arena, id, key, "a string")),
        },
    };
    let env = read_env(arena, version, filled)?;
    let command = read_string(arena, "command")?.filter(|id| arena.is_truthy(*id));
    let name = read_string(arena, "name")?;
    let namespace = match arena.dict_get(filled, "namespace") {
        None => arena.alloc_str("default"),
        Some(id) if is_null(arena, id) => return Err(type_error(arena, id, "namespace", "a string")),
        Some(_) => read_string(arena, "namespace")?.unwrap_or(filled),
    };
    let read_strings = |arena: &mut Arena, key: &str| -> Result<ValueId> {
        let Some(id) = arena.dict_get(filled, key) else { return Ok(arena.alloc(Value::empty_dict(), None)) };
        let Some(pairs) = arena.as_dict(id) else { return Err(type_error(arena, id, key, "a mapping")) };
        match pairs.iter().find(|(_, value)| !matches!(arena.get(*value), Value::Str(_) | Value::Unknown(_))) {
            Some((name, value)) => {
                let name = arena.as_str(*name).unwrap_or_default();
                let kind = arena.describe_kind(*value);
                Err(prefect_error(arena, *value, format!("`{name}` in `{key}` must be a string, not {kind}")))
            }
            None => Ok(id),
        }
    };
    let labels = read_strings(arena, "labels")?;
    let annotations = match version.has_annotations() {
        true => read_strings(arena, "annotations")?,
        false => arena.alloc(Value::empty_dict(), None),
    };
    check_worker_fields(arena, filled)?;
    check_cluster_config(arena, filled)?;
    let Some(manifest) = arena.dict_get(filled, "job_manifest") else {
        return Err(prefect_error(arena, filled, "`job_configuration` has no `job_manifest`"));
    };
    if arena.as_dict(manifest).is_none() {
        return Err(type_error(arena, manifest, "job_manifest", "a mapping"));
    }
    // Aliases share values. The copy prevents a change to one part of the manifest from affecting another part.
    let manifest = copy_unshared(arena, manifest)?;
    required::complete_and_check(arena, version, manifest, namespace)?;
    Ok(Configuration { command, env, labels, annotations, name, namespace, manifest })
}

/// Reads `env`; a missing `env` is an empty mapping. Converts the values of a mapping, except nulls, to strings with
/// Python's `str()`. The handling of a list depends on the version.
fn read_env(arena: &mut Arena, version: WorkerVersion, filled: ValueId) -> Result<ValueId> {
    let Some(env) = arena.dict_get(filled, "env") else { return Ok(arena.alloc(Value::empty_dict(), None)) };
    match arena.get(env).clone() {
        Value::List(items) => match version.env_list_handling() {
            EnvListHandling::Ignored => Ok(arena.alloc(Value::empty_dict(), None)),
            EnvListHandling::Pairs => {
                let pairs = arena.alloc(Value::empty_dict(), None);
                update(arena, pairs, env)?;
                Ok(pairs)
            }
            EnvListHandling::Entries => match items.iter().find(|item| arena.as_dict(**item).is_none()) {
                Some(entry) => Err(prefect_error(
                    arena,
                    *entry,
                    format!("an entry of `env` must be a mapping, not {}", arena.describe_kind(*entry)),
                )),
                None => Ok(env),
            },
        },
        Value::Dict(pairs) => {
            let collection =
                pairs.iter().find(|(_, value)| matches!(arena.get(*value), Value::Dict(_) | Value::List(_)));
            if let Some((_, collection)) = collection.filter(|_| !version.converts_env_values()) {
                return Err(prefect_error(
                    arena,
                    *collection,
                    format!("a value of `env` must be a string, not {}", arena.describe_kind(*collection)),
                ));
            }
            let pairs = pairs.into_iter().map(|(key, value)| {
                let value = match arena.get(value) {
                    Value::None | Value::Str(_) | Value::Unknown(_) => value,
                    _ => {
                        let (text, location) = (string::str(arena, value), arena.location(value).cloned());
                        arena.alloc(Value::Str(text), location)
                    }
                };
                (key, value)
            });
            let pairs: Vec<_> = pairs.collect();
            let (pairs, location) = (arena.new_dict(pairs), arena.location(env).cloned());
            Ok(arena.alloc(pairs, location))
        }
        _ => require_pairs(arena, env, "`env`").map(|_| env),
    }
}

/// Validates fields that have no effect on the Job.
fn check_worker_fields(arena: &Arena, filled: ValueId) -> Result<()> {
    let is_integer = |id: ValueId| match arena.get(id) {
        Value::Bool(_) | Value::Int(_) | Value::Unknown(_) => true,
        // pydantic converts a float to an integer only if it fits into 64 bits.
        Value::Float(float) => float.fract() == 0.0 && float.abs() < 2f64.powi(63),
        Value::Str(text) => pydantic::parse_int(text).is_some(),
        _ => false,
    };
    let is_bool = |id: ValueId| match arena.get(id) {
        Value::Bool(_) | Value::Unknown(_) => true,
        Value::Int(_) | Value::Float(_) => {
            matches!(string::str(arena, id).as_str(), "0" | "1" | "0.0" | "1.0" | "-0.0")
        }
        Value::Str(text) => pydantic::parse_bool(text).is_some(),
        _ => false,
    };
    type Check<'c> = &'c dyn Fn(ValueId) -> bool;
    let fields: [(&str, Check<'_>, bool, &str); 3] = [
        ("job_watch_timeout_seconds", &is_integer, true, "a whole number"),
        ("pod_watch_timeout_seconds", &is_integer, false, "a whole number"),
        ("stream_output", &is_bool, false, "true or false"),
    ];
    for (key, is_valid, may_be_null, expected) in fields {
        if let Some(id) = arena.dict_get(filled, key)
            && !is_valid(id)
            && !(may_be_null && *arena.get(id) == Value::None)
        {
            return Err(prefect_error(
                arena,
                id,
                format!("`{key}` must be {expected}, not {}", arena.describe_kind(id)),
            ));
        }
    }
    Ok(())
}

/// Validates `cluster_config`, a block with a kubeconfig and a context.
fn check_cluster_config(arena: &Arena, filled: ValueId) -> Result<()> {
    let Some(cluster) = arena.dict_get(filled, "cluster_config").filter(|id| *arena.get(*id) != Value::None) else {
        return Ok(());
    };
    let config =
        arena.dict_get(cluster, "config").filter(|id| matches!(arena.get(*id), Value::Dict(_) | Value::Str(_)));
    let context = arena.dict_get(cluster, "context_name").filter(|id| arena.as_str(*id).is_some());
    match (config, context) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(prefect_error(arena, cluster, "`cluster_config` must have a `config` and a `context_name`")),
    }
}
