//! The role of an object in Prefect (flow run, agent or worker), and the generation of Prefect that it is for.

use jobplate_manifest::object::Object;
use jobplate_yaml::Node;

use super::base_job_template::is_env_placeholder;
use super::placeholder;

/// A generation of Prefect. Each generation reads variables with its own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Prefect 0.x and 1.x: `PREFECT__...`
    Prefect1,
    /// Prefect 2 and 3: `PREFECT_...`
    Prefect2Or3,
}

/// The role of an object in Prefect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A Job or CronJob, in which flows run.
    FlowRun(Generation),
    /// An object that runs a Prefect agent or worker.
    Agent(Generation),
    /// Any other object.
    Other,
}

/// Detects the role of an object from its kind and the containers of its pod. A Job or CronJob is a flow run, of
/// Prefect 1 unless a container identifies another generation.
pub fn detect_role(object: &Object<'_>, containers: &[Node<'_>]) -> Role {
    match &*object.kind {
        "Job" | "CronJob" => Role::FlowRun(identify_generation(containers).unwrap_or(Generation::Prefect1)),
        _ => containers.iter().find_map(|container| agent_generation(*container)).map_or(Role::Other, Role::Agent),
    }
}

/// Detects the generation of Prefect for which the containers of a Job are written. Returns `None` if no container
/// identifies it.
pub fn identify_generation(containers: &[Node<'_>]) -> Option<Generation> {
    containers.iter().find_map(|container| flow_run_generation(*container))
}

/// The name that Prefect 2 and 3 require for the flow's container (`_get_base_job_manifest` of
/// prefect_kubernetes.worker).
pub const FLOW_CONTAINER: &str = "prefect-job";

/// Detects the generation of Prefect from a container of a flow run: from the image, then the variables, then the name
/// or the placeholder `{{ env }}`. Returns `None` if the container does not identify the generation.
fn flow_run_generation(container: Node<'_>) -> Option<Generation> {
    // Most containers have no such variable. Searching the raw bytes avoids decoding the names.
    let is_literal = |env: &Node<'_>| env.raw().contains("PREFECT_") && !env.descendants().any(has_placeholder);
    let by_env = || container.get_first("env").filter(is_literal).and_then(generation_by_variables);
    let by_container = || is_prefect2_or_3_flow_container(container).then_some(Generation::Prefect2Or3);
    image_generation(container).or_else(by_env).or_else(by_container)
}

/// Returns whether a scalar contains a placeholder, which only Prefect 2 and 3 replace.
fn has_placeholder(node: Node<'_>) -> bool {
    node.is_scalar() && placeholder::is_contained_in(node.raw())
}

/// Returns the generation that the variable names in an `env` identify: Prefect 1 if a name begins with `PREFECT__` and
/// workers do not set the variable, otherwise Prefect 2 or 3 if a name begins with `PREFECT_API_`.
fn generation_by_variables(env: Node<'_>) -> Option<Generation> {
    let names = || env.items().filter_map(|entry| entry.get_first("name")?.text());
    if names().any(|name| name.starts_with("PREFECT__") && !is_set_by_workers(&name)) {
        return Some(Generation::Prefect1);
    }
    names().any(|name| name.starts_with("PREFECT_API_")).then_some(Generation::Prefect2Or3)
}

/// The variables that workers of Prefect 2 and 3 set in flow runs although their names look like Prefect 1 variables
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

/// Returns whether a worker sets this variable in its flow runs, overriding any value in a template.
pub fn is_set_by_workers(name: &str) -> bool {
    SET_BY_WORKERS.contains(&name)
}

/// Returns whether a container is the flow's container in a template of Prefect 2 or 3. The flow's container is named
/// [`FLOW_CONTAINER`], or its `env` is the placeholder `{{ env }}`.
pub fn is_prefect2_or_3_flow_container(container: Node<'_>) -> bool {
    container.get_first("name").is_some_and(|name| name.has_text(FLOW_CONTAINER))
        || container.get_first("env").is_some_and(is_env_placeholder)
}

/// Returns the tag of an official Prefect image, which contains the version (`prefecthq/prefect:1.4.1-python3.9`).
/// Returns `None` for other images and images without a tag.
fn image_tag(container: Node<'_>) -> Option<String> {
    let image = container.get_first("image")?;
    let image = image.text()?;
    let (repository, tag) = split_image(&image);
    tag.filter(|_| repository.ends_with("prefecthq/prefect")).map(str::to_owned)
}

/// Splits the name of an image into its repository and its tag, without the digest (`repository:tag@digest`).
pub(crate) fn split_image(image: &str) -> (&str, Option<&str>) {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// Returns the version in an image tag: the first dash-separated part that begins with a digit. The version can follow
/// a word: `all_extras-0.14.22`.
fn version_in_tag(tag: &str) -> Option<&str> {
    tag.split('-').find(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns the Prefect version of a container with an official Prefect image, if the tag contains a numeric version.
pub fn image_version(container: Node<'_>) -> Option<Vec<u32>> {
    let tag = image_tag(container)?;
    version_in_tag(&tag)?.split('.').map(|number| number.parse().ok()).collect()
}

fn image_generation(container: Node<'_>) -> Option<Generation> {
    let tag = image_tag(container)?;
    match version_in_tag(&tag)?.split('.').next()? {
        "0" | "1" => Some(Generation::Prefect1),
        "2" | "3" => Some(Generation::Prefect2Or3),
        _ => None,
    }
}

/// Returns the generation of the Prefect agent or worker that a container's command line starts, or `None` if it starts
/// neither.
///
/// Prefect 1: `prefect agent kubernetes start` (before 0.13: `prefect agent start kubernetes`); Prefect 2:
/// `prefect agent start`, possibly followed by a work queue named `kubernetes`; Prefect 2 and 3:
/// `prefect worker start`.
pub fn agent_generation(container: Node<'_>) -> Option<Generation> {
    // For most containers, searching the raw bytes avoids decoding any scalar.
    if !command_lists(container).any(|value| value.raw().contains("prefect")) {
        return None;
    }
    // A shell joins a line that ends with a backslash to the next line, so the command can be split at any of its
    // words.
    let line = command_line(container).replace("\\\n", "");
    let words: Vec<&str> = line.split_whitespace().collect();
    let programs = words.iter().enumerate().filter(|(_, word)| is_prefect(word));
    let arguments = programs.map(|(position, _)| &words[position + 1..]);
    let mut commands = arguments.map(|arguments| &arguments[count_global_options(arguments)..]);
    commands.find_map(|command| match command {
        ["worker", "start", ..] => Some(Generation::Prefect2Or3),
        ["agent", "start", rest @ ..] => {
            let by_variables = || container.get_first("env").and_then(generation_by_variables);
            let by_command = || match rest {
                ["kubernetes" | "docker" | "local" | "fargate", ..] => Generation::Prefect1,
                _ => Generation::Prefect2Or3,
            };
            Some(image_generation(container).or_else(by_variables).unwrap_or_else(by_command))
        }
        ["agent", "kubernetes" | "docker" | "local" | "ecs" | "vertex", ..] => Some(Generation::Prefect1),
        _ => None,
    })
}

/// Returns whether the flow's container of a Job runs a program of its own, so that no agent of Prefect 1 starts a flow in
/// it. An agent keeps the `command` and replaces the `args`, so a template has a `command` only to wrap
/// `prefect execute flow-run`: a `command` with `args`, `python` in `command`, and other commands of `prefect` do not.
pub fn runs_own_program(container: Node<'_>) -> bool {
    let line = command_line(container);
    let words: Vec<&str> = line.split_whitespace().collect();
    let after_prefect = |(at, word): (usize, &&str)| is_prefect(word).then(|| words.get(at + 1).copied());
    let mut prefect_commands = words.iter().enumerate().filter_map(after_prefect).flatten().peekable();
    if prefect_commands.peek().is_some() {
        return prefect_commands.all(|command| command != "execute");
    }
    let has = |key| container.get_first(key).is_some_and(|list| list.items().next().is_some());
    let is_python = |word: &&str| word.rsplit('/').next().is_some_and(|name| name.starts_with("python"));
    has("command") && (has("args") || words.iter().any(is_python))
}

/// Returns whether a word of a command line is `prefect` or a path that ends with `/prefect`.
pub(super) fn is_prefect(word: &str) -> bool {
    word.rsplit('/').next() == Some("prefect")
}

/// Counts the leading words of `words`, the arguments of `prefect`, that are global options of Prefect 2 and 3 or
/// values of these options.
pub(super) fn count_global_options(words: &[&str]) -> usize {
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

/// Returns a container's `command` and `args` as one line, including any script that is passed to a shell.
pub(super) fn command_line(container: Node<'_>) -> String {
    let mut line = String::new();
    for item in command_lists(container).flat_map(|value| value.items()) {
        line.push_str(&item.text().unwrap_or_default());
        line.push(' ');
    }
    line
}
