//! Warnings about variables of a job template that the Prefect 1 agent overrides: they must be set on the agent.

use jobplate::render::Rendering;
use jobplate_diagnostic::{Diagnostic, Message, ProgramName, Result};
use jobplate_manifest::container;
use jobplate_manifest::workload::pod_specs;
use jobplate_prefect::generation::{Generation, Role, detect_role};
use jobplate_prefect::prefect1::agent_container::LOCAL_SECRETS_HINT;
use jobplate_prefect::prefect1::managed;
use jobplate_prefect::requested_settings::RequestedSettings;
use jobplate_prefect::variables;

use super::edit_args::STDIN;

/// The manifest of a Prefect 1 agent in the inputs.
struct AgentManifest {
    /// `KIND/NAME` of the object.
    object: String,
    /// The input that contains the object, quoted for a shell.
    input: String,
}

/// Returns the warnings about overridden variables, with the command that sets them on the agent.
///
/// # Errors
///
/// Fails if an input cannot be read again.
pub(crate) fn overridden_variable_warnings(
    rendering: &mut Rendering,
    settings: &RequestedSettings,
) -> Result<Vec<Diagnostic>> {
    let names = std::mem::take(&mut rendering.overridden);
    let (of_agent, fixed_names): (Vec<_>, Vec<_>) = names
        .into_iter()
        .map(|name| (managed::agent_flag(&name, settings), name))
        .partition(|(flag, _)| flag.is_some());
    let (mut flags, names): (Vec<_>, Vec<_>) = of_agent.into_iter().unzip();
    let fixed_names: Vec<String> = fixed_names.into_iter().map(|(_, name)| name).collect();
    let mut warnings = Vec::new();
    if !names.is_empty() {
        flags.dedup();
        let flags: Vec<String> = flags.into_iter().flatten().collect();
        let text = format!("the Prefect 1 agent (0.14.7 and later) overrides {} in every flow run", names.join(", "));
        let pronoun = if names.len() == 1 { "it" } else { "them" };
        let help = Message::from(format!("set {pronoun} on the agent: `"))
            + agent_command(&find_agents(rendering)?, &flags)
            + "`";
        warnings.push(Diagnostic::warning("managed-by-agent", text).help(help));
    }
    if !fixed_names.is_empty() {
        let text = format!("the Prefect 1 agent overrides {} in every flow run", fixed_names.join(", "));
        let warning = Diagnostic::warning("managed-by-agent", text);
        warnings.push(match fixed_names.iter().any(|name| name == variables::LOCAL_SECRETS) {
            true => warning.help(LOCAL_SECRETS_HINT),
            false => warning,
        });
    }
    Ok(warnings)
}

/// Returns the command that sets the flags on the agents. Contains placeholders if the inputs contain no agent.
fn agent_command(agents: &[AgentManifest], flags: &[String]) -> Message {
    let (mut inputs, mut targets): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for AgentManifest { object, input } in agents {
        inputs.push(input.clone());
        targets.push(format!("--target {object}"));
    }
    inputs.dedup();
    targets.dedup();
    if agents.is_empty() {
        inputs.push("AGENT.yaml".to_owned());
        // Prefect settings select agents without `--target`.
        if flags.iter().any(|flag| flag.starts_with("--env")) {
            targets.push("--target Deployment".to_owned());
        }
    }
    let words = [inputs.as_slice(), targets.as_slice(), flags].concat();
    ProgramName + format!(" render {}", words.join(" "))
}

/// Finds the agents in the inputs whose names can be pasted into a shell.
fn find_agents(rendering: &mut Rendering) -> Result<Vec<AgentManifest>> {
    let mut agents = Vec::new();
    rendering.visit_objects(&mut |input, object| {
        let pods = pod_specs(object).unwrap_or_default();
        let is_agent = pods
            .iter()
            .any(|pod| detect_role(object, &container::containers(*pod)) == Role::Agent(Generation::Prefect1));
        let named = (object.display(), shlex::try_quote(input));
        // The command is pasted into a shell, so names from the input must not contain special characters.
        let is_shell_safe = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        if let (true, (object, Ok(input))) = (is_agent && input != STDIN, named)
            && object.chars().all(is_shell_safe)
        {
            agents.push(AgentManifest { object, input: input.into_owned() });
        }
        true
    })?;
    Ok(agents)
}
