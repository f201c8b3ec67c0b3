//! An agent's Deployment: the environment of its container, and what `prefect agent kubernetes start` is told there.
//!
//! What Kubernetes makes of it is followed as far as it is known: `$(VAR)` is expanded, and a value that is in a
//! Secret or ConfigMap has a word in its place.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};

use super::agent::Start;
use crate::deployment::{self, Options, Program};
use crate::generation::Generation;
use crate::pyvalue::environ::{Environ, Known};
use crate::pyvalue::heap::{Data, Heap, Id};
use crate::pyvalue::source::{Place, Text, at};

/// What a manifest says of an agent.
#[derive(Debug)]
pub struct Deployed {
    /// How it is started.
    pub start: Start,
    /// Its environment.
    pub environ: Environ,
    /// The version of Prefect in its image, where it is one of Prefect's own.
    pub version: Option<Vec<u32>>,
    /// Whether it takes variables from whole Secrets or ConfigMaps, too.
    pub has_env_from: bool,
}

/// What an agent is, in words of errors.
pub const AGENT: Program = Program {
    generation: Generation::Prefect1,
    start: &["prefect", "agent", "kubernetes", "start"],
    name: "agent",
    several_error: "there are several Prefect 1 agents here",
    missing_error: "no Prefect 1 agent is here",
    other_command_hint: "Jobs are made by the Kubernetes agent only",
    options: &OPTIONS,
    switches: &["no-cloud-logs", "disable-job-deletion"],
};

/// Finds the agent in a manifest.
///
/// # Errors
/// Fails where there is no agent, or more than one, or one whose command can't be followed.
pub fn find(heap: &mut Heap, source: &Rc<Text>) -> Result<Deployed> {
    let deployment::ProgramContainer { options, place, environ, version, has_env_from, .. } =
        deployment::find(&AGENT, source)?;
    let start = start(heap, &options, &place)?;
    Ok(Deployed { start, environ, version, has_env_from })
}

/// The options of `prefect agent kubernetes start` that have a value.
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

/// What the options say.
fn start(heap: &mut Heap, found: &Options, place: &Place) -> Result<Start> {
    let put = |heap: &mut Heap, text: &str| heap.put(Known::of(text.to_owned()).into(), Some(place.clone()));
    let one = |heap: &mut Heap, name: &str| found.value(name).map(|text| put(heap, text));
    let mut labels = found.values("label");
    labels.sort();
    labels.dedup();
    let labels = labels.iter().map(|label| put(heap, label)).collect();
    let env_vars = heap.put(Data::Dict(Vec::new()), Some(place.clone()));
    for pair in found.values("env") {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(at(Error::input("an `--env` of the agent has no `=`"), Some(place)));
        };
        let name = heap.put(Data::Str(name.to_owned()), Some(place.clone()));
        let value = put(heap, value);
        heap.set(env_vars, name, value);
    }
    let kwargs = heap.put(Data::Dict(Vec::new()), Some(place.clone()));
    let set = |heap: &mut Heap, name: &str, value: Option<Id>| {
        if let Some(value) = value {
            heap.set_item(kwargs, name, value);
        }
    };
    let labels = heap.put(Data::List(labels), Some(place.clone()));
    set(heap, "labels", Some(labels));
    set(heap, "env_vars", Some(env_vars));
    for (argument, option) in [
        ("agent_config_id", "agent-config-id"),
        ("name", "name"),
        ("namespace", "namespace"),
        ("job_template_path", "job-template"),
        ("service_account_name", "service-account-name"),
    ] {
        let value = one(heap, option);
        set(heap, argument, value);
    }
    let secrets = one(heap, "image-pull-secrets").map(|secrets| super::agent::split_at_commas(heap, secrets));
    set(heap, "image_pull_secrets", secrets);
    if found.is_on("no-cloud-logs") {
        let no = heap.put(Data::Bool(true), Some(place.clone()));
        set(heap, "no_cloud_logs", Some(no));
    }
    let log_level = found.value("log-level").map(str::to_uppercase);
    Ok(Start {
        kwargs: Some(kwargs),
        key: one(heap, "key"),
        tenant_id: one(heap, "tenant-id"),
        api: one(heap, "api"),
        token: one(heap, "token"),
        log_level: log_level.map(|level| put(heap, &level)),
    })
}
