//! Which Prefect a manifest is about: a flow run's template, an agent, a worker.

use jobplate_manifest::object::Object;
use jobplate_yaml::Node;

use super::base_job_template::is_env_placeholder;
use super::placeholder;

/// The generations whose variables differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Prefect 0.x and 1.x: `PREFECT__...`
    Prefect1,
    /// Prefect 2 and 3: `PREFECT_...`
    Prefect2Or3,
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

/// Reads the role of an object, whose pod has these containers.
pub fn detect_role(object: &Object<'_>, containers: &[Node<'_>]) -> Role {
    match &*object.kind {
        "Job" | "CronJob" => {
            let told = containers.iter().find_map(|container| of_flow_run(*container));
            Role::FlowRun(told.unwrap_or(Generation::Prefect1))
        }
        _ => containers.iter().find_map(|container| agent_generation(*container)).map_or(Role::Other, Role::Agent),
    }
}

/// The name that Prefect 2 and 3 want the flow's container to have (`_get_base_job_manifest` of
/// prefect_kubernetes.worker).
pub const FLOW_CONTAINER: &str = "prefect-job";

/// The Prefect that a flow run's container is of, as far as it tells.
fn of_flow_run(container: Node<'_>) -> Option<Generation> {
    // Most have no such variable, which is told without a text being made of each name.
    let may_tell = |env: &Node<'_>| env.raw().contains("PREFECT_") && !env.descendants().any(is_filled);
    let by_env = || container.get_first("env").filter(may_tell).and_then(by_variables);
    let by_part = || is_prefect2_or_3_flow_container(container).then_some(Generation::Prefect2Or3);
    image_generation(container).or_else(by_env).or_else(by_part)
}

/// Whether something is put in the place of a part of a text: only Prefect 2 and 3 do that.
fn is_filled(node: Node<'_>) -> bool {
    node.is_scalar() && placeholder::is_contained_in(node.raw())
}

/// The Prefect that reads the variables of an `env`. A name that only Prefect 1 knows says more than one of Prefect 2
/// and 3.
fn by_variables(env: Node<'_>) -> Option<Generation> {
    let names = || env.items().filter_map(|entry| entry.get_first("name")?.text());
    if names().any(|name| name.starts_with("PREFECT__") && !is_set_by_workers(&name)) {
        return Some(Generation::Prefect1);
    }
    names().any(|name| name.starts_with("PREFECT_API_")).then_some(Generation::Prefect2Or3)
}

/// What workers of Prefect 2 and 3 tell their flow runs by names that look like those of Prefect 1
/// (`_base_flow_run_environment` and `_base_attribution_environment` of prefect.workers.base).
const SET_BY_WORKERS: [&str; 7] = [
    "PREFECT__FLOW_RUN_ID",
    "PREFECT__FLOW_ID",
    "PREFECT__FLOW_NAME",
    "PREFECT__DEPLOYMENT_ID",
    "PREFECT__DEPLOYMENT_NAME",
    "PREFECT__WORKER_ID",
    "PREFECT__WORKER_NAME",
];

/// Whether a worker tells its flow runs something by this name: its own value counts, whatever a template says.
pub fn is_set_by_workers(name: &str) -> bool {
    SET_BY_WORKERS.contains(&name)
}

/// Whether a container is one that an agent or worker of Prefect 2 or 3 makes a Job of: by its name, or the
/// placeholder that a worker fills.
pub fn is_prefect2_or_3_flow_container(container: Node<'_>) -> bool {
    container.get_first("name").is_some_and(|name| name.has_text(FLOW_CONTAINER))
        || container.get_first("env").is_some_and(is_env_placeholder)
}

/// The tag of one of Prefect's own images, which carries the version (`prefecthq/prefect:1.4.1-python3.9`).
fn image_tag(container: Node<'_>) -> Option<String> {
    let image = container.get_first("image")?;
    let image = image.text()?;
    // `name:tag@digest`
    let named = image.split('@').next().unwrap_or_default();
    let (repository, tag) = named.rsplit_once(':')?;
    repository.ends_with("prefecthq/prefect").then(|| tag.to_owned())
}

/// The version in that tag, as it is written: `all_extras-0.14.22` has it behind a word.
fn written_version(tag: &str) -> Option<&str> {
    tag.split('-').find(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

/// The version of Prefect in one of its own images, as far as the tag has numbers.
pub fn image_version(container: Node<'_>) -> Option<Vec<u32>> {
    let tag = image_tag(container)?;
    written_version(&tag)?.split('.').map(|number| number.parse().ok()).collect()
}

fn image_generation(container: Node<'_>) -> Option<Generation> {
    let tag = image_tag(container)?;
    match written_version(&tag)?.split('.').next()? {
        "0" | "1" => Some(Generation::Prefect1),
        "2" | "3" => Some(Generation::Prefect2Or3),
        _ => None,
    }
}

/// Whether a container starts a Prefect agent or worker, told by its command line.
///
/// Prefect 1: `prefect agent kubernetes start` (before 0.13: `prefect agent start kubernetes`);
/// Prefect 2: `prefect agent start`, and a work queue can be called `kubernetes`; Prefect 2 and 3:
/// `prefect worker start`.
pub fn agent_generation(container: Node<'_>) -> Option<Generation> {
    // Most containers are decided by this, without a text being made.
    if !command_lists(container).any(|value| value.raw().contains("prefect")) {
        return None;
    }
    // A shell reads on behind a backslash.
    let line = command_line(container).replace("\\\n", "");
    let words: Vec<&str> = line.split_whitespace().collect();
    let behind_programs = words.iter().enumerate().filter(|(_, word)| is_prefect(word)).map(|(at, _)| &words[at + 1..]);
    let mut commands = behind_programs.map(|behind| &behind[session_options(behind)..]);
    commands.find_map(|command| match command {
        ["worker", "start", ..] => Some(Generation::Prefect2Or3),
        ["agent", "start", behind @ ..] => {
            let by_variables = || container.get_first("env").and_then(by_variables);
            let by_word = || match behind {
                ["kubernetes" | "docker" | "local" | "fargate", ..] => Generation::Prefect1,
                _ => Generation::Prefect2Or3,
            };
            Some(image_generation(container).or_else(by_variables).unwrap_or_else(by_word))
        }
        ["agent", "kubernetes" | "docker" | "local" | "ecs" | "vertex", ..] => Some(Generation::Prefect1),
        _ => None,
    })
}

/// Whether a word of a command line is Prefect's program, wherever it is.
pub(super) fn is_prefect(word: &str) -> bool {
    word.rsplit('/').next() == Some("prefect")
}

/// How many of the words behind `prefect` are options that Prefect 2 and 3 take before any command.
pub(super) fn session_options(words: &[&str]) -> usize {
    let mut count = 0;
    loop {
        count += match words.get(count) {
            Some(&("--prompt" | "--no-prompt")) => 1,
            Some(&("--profile" | "-p")) => 2,
            Some(word) if word.starts_with("--profile=") => 1,
            _ => return count.min(words.len()),
        }
    }
}

fn command_lists<'a>(container: Node<'a>) -> impl Iterator<Item = Node<'a>> {
    ["command", "args"].into_iter().filter_map(move |name| container.get_first(name))
}

/// What a container runs, as one line; a script that it hands to a shell is a part of it.
pub(super) fn command_line(container: Node<'_>) -> String {
    let mut line = String::new();
    for item in command_lists(container).flat_map(|value| value.items()) {
        line.push_str(&item.text().unwrap_or_default());
        line.push(' ');
    }
    line
}
