//! Which Prefect a manifest is about: a flow run's template, an agent, a worker.

use crate::manifest::object::Object;
use crate::yaml::Node;

/// The generations whose variables differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Prefect 0.x and 1.x: `PREFECT__...`
    One,
    /// Prefect 2 and 3: `PREFECT_...`
    TwoOrThree,
}

/// What an object is to Prefect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A Job or CronJob: what flows run in.
    FlowRun(Generation),
    /// Runs a Prefect agent or worker.
    Agent(Generation),
    /// Neither.
    Other,
}

/// Whether a document is a base job template of a Prefect 2 or 3 work pool, told by its two keys.
pub fn is_base_job_template(root: Node<'_>) -> bool {
    ["job_configuration", "variables"].iter().all(|wanted| root.entries().any(|(key, _)| key.is(wanted)))
}

/// Reads the role of an object, whose pod has these containers.
pub fn role(object: &Object<'_>, containers: &[Node<'_>]) -> Role {
    match &*object.kind {
        "Job" | "CronJob" => {
            let newer = containers.iter().any(|container| image_generation(*container) == Some(Generation::TwoOrThree));
            Role::FlowRun(if newer { Generation::TwoOrThree } else { Generation::One })
        }
        _ => containers.iter().find_map(|container| agent(*container)).map_or(Role::Other, Role::Agent),
    }
}

/// Prefect's own images carry the version in their tag (`prefecthq/prefect:1.4.1-python3.9`).
fn image_generation(container: Node<'_>) -> Option<Generation> {
    let image = container.first("image")?;
    let image = image.text()?;
    // `name:tag@digest`
    let named = image.split('@').next().unwrap_or_default();
    let (repository, tag) = named.rsplit_once(':')?;
    if !repository.ends_with("prefecthq/prefect") {
        return None;
    }
    match tag.as_bytes() {
        [b'2' | b'3', b'.' | b'-', ..] | [b'2' | b'3'] => Some(Generation::TwoOrThree),
        [b'0' | b'1', ..] => Some(Generation::One),
        _ => None,
    }
}

/// Whether a container starts a Prefect agent or worker, told by its command line.
///
/// Prefect 1: `prefect agent kubernetes start` (before 0.13: `prefect agent start kubernetes`);
/// Prefect 2: `prefect agent start`; Prefect 2 and 3: `prefect worker start`.
pub fn agent(container: Node<'_>) -> Option<Generation> {
    let list = |name: &'static str| container.entries().find(move |(key, _)| key.is(name)).map(|(_, value)| value);
    let lists = || ["command", "args"].into_iter().filter_map(list);
    // Most containers are decided by this, without a text being made.
    if !lists().any(|value| value.raw().contains("prefect")) {
        return None;
    }
    let mut line = String::new();
    for item in lists().flat_map(|value| value.items()) {
        line.push_str(&item.text().unwrap_or_default());
        line.push(' ');
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(3).enumerate().find_map(|(at, three)| {
        let [program, noun, verb] = three else { return None };
        if *program != "prefect" && !program.ends_with("/prefect") {
            return None;
        }
        match (*noun, *verb) {
            ("worker", "start") => Some(Generation::TwoOrThree),
            ("agent", "start")
                if matches!(words.get(at + 3), Some(&("kubernetes" | "docker" | "local" | "fargate"))) =>
            {
                Some(Generation::One)
            }
            ("agent", "start") => Some(Generation::TwoOrThree),
            ("agent", "kubernetes" | "docker" | "local" | "ecs" | "vertex") => Some(Generation::One),
            _ => None,
        }
    })
}
