//! Nothing matched: what was asked for, what there is, and what to ask for instead.

use super::args::Manifests;
use crate::error::{Error, Result};
use crate::inject::{Asked, Injection};
use crate::manifest::select::{ContainerChoice, Glob};
use crate::render::{Rendering, Seen};

/// How many objects the error lists.
const LISTED: usize = 20;

/// An error, unless `--allow-no-match` makes it none. An input without any object always is one.
pub(super) fn refuse(rendering: &mut Rendering, command: &Manifests) -> Result<()> {
    let most = if command.allow_no_match { 1 } else { LISTED + 1 };
    let seen = rendering.seen(most)?;
    if seen.is_empty() {
        let what =
            if rendering.is_all_empty() { "the input is empty" } else { "there is no Kubernetes object in the input" };
        let error = Error::input(what);
        let error = if rendering.len() == 1 { error.in_file(rendering.name(0)) } else { error };
        return Err(error.hint("name a manifest, or pipe one in as `-`"));
    }
    if command.allow_no_match {
        return Ok(());
    }
    let mut list = String::new();
    for Seen { object, input, containers } in seen.iter().take(LISTED) {
        let containers = match containers {
            None => String::new(),
            Some(names) if names.is_empty() => ", no containers".to_owned(),
            Some(names) => format!(", containers: {}", names.join(", ")),
        };
        list.push_str(&format!("\n  {object} in {input}{containers}"));
    }
    if seen.len() > LISTED {
        list.push_str("\n  and more");
    }
    let injection = &command.injection;
    Err(Error::usage(format!("nothing matches {}; seen:{list}", asked_for(injection))).hint(instead(injection, &seen)))
}

fn asked_for(injection: &Injection) -> String {
    let objects = match (injection.targets.is_empty(), !injection.is_settings_only()) {
        (false, _) => "the targets asked for",
        (true, false) => "a Job, a CronJob or a Deployment that runs a Prefect agent",
        (true, true) => "a Job or CronJob",
    };
    let containers = match &injection.containers {
        ContainerChoice::Named(globs) => {
            let names: Vec<&str> = globs.iter().map(Glob::as_str).collect();
            format!(" with a container {}", names.join(" or "))
        }
        _ => String::new(),
    };
    let labels = if injection.selector.is_some() { " and the labels of -l" } else { "" };
    format!("{objects}{containers}{labels}")
}

/// A line to paste, for what stands in the way first.
fn instead(injection: &Injection, seen: &[Seen]) -> String {
    let pods =
        || seen.iter().filter_map(|seen| Some((seen, seen.containers.as_ref().filter(|names| !names.is_empty())?)));
    let is_flow_run =
        |seen: &Seen| ["Job/", "CronJob/"].iter().any(|kind| seen.object.starts_with(kind)) || seen.object == "Job";
    let way = if injection.selector.is_some() {
        "leave -l out, or give the labels that the object has".to_owned()
    } else if let (ContainerChoice::Named(_), Some((_, names))) = (&injection.containers, pods().next()) {
        format!("name a container that is there: -c {}", names[0])
    } else if let Some((Seen { object, .. }, _)) = pods().next() {
        let secret = injection.variables.iter().find_map(|variable| match &variable.asked {
            Asked::PrefectSecret(reference) => Some((&variable.name, reference)),
            Asked::Entry(_) => None,
        });
        match secret.filter(|_| !pods().any(|(seen, _)| is_flow_run(seen))) {
            Some((name, reference)) => format!(
                "--secret goes into what flows run in: the job template (`jobplate template job` prints one); for \
                 other programs name the variable itself: --target {object} --secret-env {name}={}/{}",
                reference.name, reference.key
            ),
            None => format!("name what you mean: --target {object}"),
        }
    } else {
        "name an input with a workload in it".to_owned()
    };
    format!("{way} (--allow-no-match makes this no error)")
}
