//! Reads the Deployment of an agent: the environment of its container, and the options of `prefect agent kubernetes
//! start`.
//!
//! Expands `$(VAR)` like Kubernetes. Replaces a value from a Secret or ConfigMap with a placeholder.

use std::rc::Rc;

use jobplate_diagnostic::{Diagnostic, Error, Result};

use super::agent::AgentArguments;
use crate::deployment::{self, ImageVersion, Options, Program};
use crate::generation::Generation;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{Environ, Resolved, find_references};
use crate::pyvalue::number;
use crate::pyvalue::source::{Location, SourceFile, locate};

/// An agent, read from its Deployment.
#[derive(Debug)]
pub struct AgentDeployment {
    /// The arguments of the agent.
    pub start: AgentArguments,
    /// The environment of the agent's container.
    pub environ: Environ,
    /// The version of Prefect. `None` if the image is not one of Prefect's own images.
    pub version: Option<ImageVersion>,
    /// Whether the container has `envFrom`.
    pub has_env_from: bool,
    /// Errors about variables of the container that Kubernetes rejects.
    pub rejected_variables: Vec<Diagnostic>,
}

/// The agent's command, its options, and the error messages about it.
pub const AGENT: Program = Program {
    generation: Generation::Prefect1,
    command: &["prefect", "agent", "kubernetes", "start"],
    name: "agent",
    several_error: "found several Prefect 1 agents",
    missing_error: "no Prefect 1 agent found",
    other_command_hint: "pass the manifest of a Kubernetes agent: only it creates Jobs",
    options: &OPTIONS,
    switches: &["no-cloud-logs", "disable-job-deletion"],
    unknown_to_click: &[],
};

/// Finds the agent in a manifest.
///
/// # Errors
/// Fails if there is no agent or more than one agent, or if the agent's command cannot be parsed.
pub fn find(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<AgentDeployment> {
    let deployment::ProgramContainer { options, location, environ, version, has_env_from, rejected_variables, .. } =
        deployment::find(&AGENT, &[1], source)?;
    let is_level = |level: &str| LOG_LEVELS.contains(&level.to_ascii_uppercase().as_str());
    let is_number = |number: &str| number::parse_int(number).is_some();
    let check = |name: &str, is_valid: &dyn Fn(&str) -> bool, hint: String| {
        let known = options.value(name).filter(|value| find_references(value).is_empty());
        if known.is_some_and(|value| !is_valid(value)) {
            return Err(locate(Error::input(format!("invalid `--{name}`")).hint(hint), Some(&location)));
        }
        Ok(())
    };
    check("log-level", &is_level, format!("write one of {}", LOG_LEVELS.join(", ")))?;
    check("max-polls", &is_number, "write a whole number".to_owned())?;
    // Prefect 1.0 removed `--token`.
    let has_no_token = version.as_ref().is_some_and(|version| version.numbers.first() == Some(&1));
    if has_no_token && options.value("token").is_some() {
        let error = Error::input("the agent does not start: Prefect 1.0 removed `--token`");
        return Err(locate(error.hint("use `--key`"), Some(&location)));
    }
    let start = start_arguments(arena, &options, &location)?;
    Ok(AgentDeployment { start, environ, version, has_env_from, rejected_variables })
}

/// The values of `--log-level`, in any letter case.
const LOG_LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];

/// The options of `prefect agent kubernetes start` that have a value: the long name, the short name, and whether the
/// option can be repeated.
const OPTIONS: [(&str, Option<char>, bool); 15] = [
    ("key", Some('k'), false),
    ("tenant-id", None, false),
    ("api", Some('a'), false),
    ("token", Some('t'), false),
    ("agent-config-id", None, false),
    ("name", Some('n'), false),
    ("label", Some('l'), true),
    ("env", Some('e'), true),
    ("max-polls", None, false),
    ("agent-address", None, false),
    ("log-level", None, false),
    ("namespace", None, false),
    ("job-template", None, false),
    ("service-account-name", None, false),
    ("image-pull-secrets", None, false),
];

/// Converts options to the arguments of `KubernetesAgent`. Fails if the value of an `--env` has no `=`.
fn start_arguments(arena: &mut Arena, found: &Options, location: &Location) -> Result<AgentArguments> {
    let alloc_text = |arena: &mut Arena, text: &str| {
        arena.alloc(Resolved::from_text(text.to_owned()).into(), Some(location.clone()))
    };
    let alloc_option = |arena: &mut Arena, name: &str| found.value(name).map(|text| alloc_text(arena, text));
    let mut labels = found.values("label");
    labels.sort();
    labels.dedup();
    let labels = labels.iter().map(|label| alloc_text(arena, label)).collect();
    let env_vars = arena.alloc(Value::empty_dict(), Some(location.clone()));
    for pair in found.values("env") {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(locate(Error::input("missing `=` in an `--env` of the agent"), Some(location)));
        };
        let name = arena.alloc(Value::Str(name.to_owned()), Some(location.clone()));
        let value = alloc_text(arena, value);
        arena.dict_set(env_vars, name, value);
    }
    let kwargs = arena.alloc(Value::empty_dict(), Some(location.clone()));
    let set_kwarg = |arena: &mut Arena, name: &str, value: Option<ValueId>| {
        if let Some(value) = value {
            arena.dict_set_str(kwargs, name, value);
        }
    };
    let labels = arena.alloc(Value::List(labels), Some(location.clone()));
    set_kwarg(arena, "labels", Some(labels));
    set_kwarg(arena, "env_vars", Some(env_vars));
    for (argument, option) in [
        ("agent_config_id", "agent-config-id"),
        ("name", "name"),
        ("namespace", "namespace"),
        ("job_template_path", "job-template"),
        ("service_account_name", "service-account-name"),
    ] {
        let value = alloc_option(arena, option);
        set_kwarg(arena, argument, value);
    }
    let secrets =
        alloc_option(arena, "image-pull-secrets").map(|secrets| super::agent::split_at_commas(arena, secrets));
    set_kwarg(arena, "image_pull_secrets", secrets);
    if found.is_on("no-cloud-logs") {
        let no_logs = arena.alloc(Value::Bool(true), Some(location.clone()));
        set_kwarg(arena, "no_cloud_logs", Some(no_logs));
    }
    let log_level = found.value("log-level").map(str::to_uppercase);
    Ok(AgentArguments {
        kwargs: Some(kwargs),
        key: alloc_option(arena, "key"),
        tenant_id: alloc_option(arena, "tenant-id"),
        api: alloc_option(arena, "api"),
        token: alloc_option(arena, "token"),
        log_level: log_level.map(|level| alloc_text(arena, &level)),
    })
}
