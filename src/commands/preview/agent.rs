//! Previews the Job that the Kubernetes agent of Prefect 1 creates.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{Args, ValueEnum};
use jobplate_diagnostic::{Diagnostic, Error, Result, display_path};
use jobplate_manifest::sensitive::MaskPolicy;
use jobplate_prefect::deployment::ImageVersion;
use jobplate_prefect::prefect1::AgentVersion;
use jobplate_prefect::prefect1::environment::{FlowVariable, FlowVariableOrigin, FlowVariableSource};
use jobplate_prefect::prefect1::preview::{self, AgentPreview};
use jobplate_prefect::prefect1::scenario::AgentScenario;
use jobplate_prefect::prefect1::{deployment, notes};
use jobplate_prefect::pyvalue::arena::{Arena, Value};
use jobplate_prefect::pyvalue::source::{SourceFile, locate_diagnostic};
use jobplate_prefect::pyvalue::{string, yaml};
use jobplate_prefect::value_description::ValueDescription;

use super::output::{PreviewOutput, VariableRow, describe_value, format_variable_table};
use crate::shared::input_reader::InputReader;

// Not a doc comment: clap would use it as the help text of the command.
#[derive(Args)]
#[command(next_help_heading = "Prefect 1")]
pub(in crate::commands) struct AgentArgs {
    /// Manifest of the agent: its variables and the options of `prefect agent kubernetes start`
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) agent: Option<PathBuf>,
    /// Run config of the flow: env, image, job_template and the other arguments of KubernetesRun
    #[arg(long, value_name = "FILE")]
    pub(in crate::commands) run_config: Option<PathBuf>,
    /// Version of the agent [default: that of the image in --agent, or 1.4]
    #[arg(long, value_name = "VERSION", value_enum)]
    prefect: Option<PrefectVersion>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrefectVersion {
    #[value(name = "1.4")]
    OneFour,
    #[value(name = "0.15")]
    ZeroFifteen,
}

impl AgentArgs {
    /// Returns the files that the flags name.
    pub(in crate::commands) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.agent, &self.run_config].into_iter().flatten()
    }

    /// Returns the first of these flags that is set, or `None` if no flag is set.
    pub(in crate::commands) fn first_given_flag(&self) -> Option<&'static str> {
        let first_given_flag = [
            ("--agent", self.agent.is_some()),
            ("--run-config", self.run_config.is_some()),
            ("--prefect", self.prefect.is_some()),
        ];
        first_given_flag.into_iter().find(|(_, is)| *is).map(|(flag, _)| flag)
    }
}

/// Previews the Job of a job template, or of Prefect's default template if no template is given.
///
/// # Errors
///
/// Fails if a file or the scenario is invalid, or if Prefect would raise an error.
pub(in crate::commands) fn preview(
    arena: &mut Arena,
    files: &mut InputReader,
    template: Option<&Rc<SourceFile>>,
    scenario: Option<&Path>,
    args: &AgentArgs,
    policy: &MaskPolicy,
) -> Result<PreviewOutput> {
    let (scenario, deployed) = read_scenario(scenario, args, arena, files)?;
    let image = deployed.as_ref().and_then(|deployed| deployed.version.as_ref());
    let image = image.map(|version| version.numbers.as_slice());
    let version = match (args.prefect, image) {
        (Some(PrefectVersion::ZeroFifteen), _) | (None, Some([0, ..])) => AgentVersion::V0_15,
        (Some(PrefectVersion::OneFour), _) | (None, _) => AgentVersion::V1_4,
    };
    let file = |path: &str| InputReader::default().read_source(Path::new(path), true);
    let preview = preview::preview(arena, version, template, &scenario, &file)?;
    let mut notes = notes::collect(arena, &preview, &scenario, deployed.is_some());
    if let Some(template) = template.filter(|_| !preview.is_agents_template) {
        let text = "this template is not used: the run config contains its own job template";
        notes.insert(0, Diagnostic::warning("unused-template", text).in_file(&*template.name));
    }
    notes.extend(deployed.into_iter().flat_map(|more| more.notes(arena, &preview, version, template.is_some())));
    Ok(PreviewOutput { job: preview.job.root, variable_table: format_variables(arena, &preview, policy), notes })
}

/// The agent's deployment, from its manifest.
struct DeployedAgent {
    /// The file of the manifest.
    file: String,
    version: Option<ImageVersion>,
    /// Whether `--prefect` is set.
    has_chosen_version: bool,
    has_env_from: bool,
    /// Errors about variables of the agent that Kubernetes rejects.
    rejected_variables: Vec<Diagnostic>,
}

impl DeployedAgent {
    fn notes(
        &self,
        arena: &Arena,
        preview: &AgentPreview,
        version: AgentVersion,
        has_template: bool,
    ) -> Vec<Diagnostic> {
        let mut notes = self.rejected_variables.clone();
        let mut add = |note: Diagnostic| notes.push(note.in_file(&*self.file));
        let simulated_version = match version {
            AgentVersion::V0_15 => (&[0, 15], "0.15"),
            AgentVersion::V1_4 => (&[1, 4], "1.4"),
        };
        if let Some(image) = self.version.as_ref().filter(|image| !image.numbers.starts_with(simulated_version.0))
            // The flag accepts the nearest version.
            && !(self.has_chosen_version && image.numbers[0] == simulated_version.0[0])
        {
            let (version, simulated) = (image.display(), simulated_version.1);
            let text = format!("the agent's image has Prefect {version}, but the preview is for {simulated}");
            let warning = locate_diagnostic(Diagnostic::warning("version-mismatch", text), Some(&image.location));
            add(warning.help("choose the nearest version with --prefect 0.15 or --prefect 1.4"));
        }
        if has_template && preview.is_agents_template && preview.agent.job_template_path.is_none() {
            let text = "this agent reads no job template: it is started without `--job-template`";
            add(Diagnostic::warning("unused-template", text));
        }
        if self.has_env_from {
            add(Diagnostic::info("unknown-value", "the preview does not know the variables in the agent's `envFrom`"));
        }
        if let Some(namespace) = preview.agent.namespace
            && let Value::Unknown(_) = arena.get(namespace)
        {
            add(Diagnostic::info("unknown-value", "the preview does not know the namespace of the agent's Jobs"));
        }
        notes
    }
}

/// Reads the scenario, the run config and the agent's manifest.
fn read_scenario(
    scenario: Option<&Path>,
    args: &AgentArgs,
    arena: &mut Arena,
    files: &mut InputReader,
) -> Result<(AgentScenario, Option<DeployedAgent>)> {
    let mut scenario = match scenario {
        Some(name) => AgentScenario::read(arena, &files.read_source(name, false)?)?,
        None => AgentScenario::minimal(arena),
    };
    let both_given_error = |flag: &str, key: &str| {
        Err(Error::usage(format!("`{flag}` cannot be used with `{key}` in the scenario")).hint("remove one of them"))
    };
    if let Some(name) = &args.run_config {
        if scenario.run_config.is_some() {
            return both_given_error("--run-config", "run_config");
        }
        let root = yaml::load(arena, &files.read_source(name, false)?)?;
        scenario.run_config = Some(root).filter(|root| *arena.get(*root) != Value::None);
    }
    let Some(name) = &args.agent else { return Ok((scenario, None)) };
    if scenario.start.kwargs.is_some() {
        return both_given_error("--agent", "agent");
    }
    if !scenario.environ.is_empty() {
        return both_given_error("--agent", "environ");
    }
    let deployment::AgentDeployment { start, environ, version, has_env_from, rejected_variables } =
        deployment::find(arena, &files.read_source(name, false)?)?;
    (scenario.start, scenario.environ) = (start, environ);
    let (file, has_chosen_version) = (display_path(name), args.prefect.is_some());
    let deployed = DeployedAgent { file, version, has_chosen_version, has_env_from, rejected_variables };
    Ok((scenario, Some(deployed)))
}

/// Formats the table of the flow container's variables, in the order of `env`.
fn format_variables(arena: &Arena, preview: &AgentPreview, policy: &MaskPolicy) -> String {
    let variables = preview.job.environment.variables();
    let mut same_name: HashMap<String, Vec<&FlowVariable>> = HashMap::new();
    for variable in variables {
        same_name.entry(string::str(arena, variable.name)).or_default().push(variable);
    }
    // Kubernetes uses the last of several entries with the same name.
    let repeated = |variable: &FlowVariable, name: &str| match same_name.get(name).and_then(|same| same.split_last()) {
        Some((last, earlier)) if std::ptr::eq(*last, variable) => {
            earlier.iter().map(|earlier| &earlier.source).collect()
        }
        _ => Vec::new(),
    };
    let rows: Vec<VariableRow> = variables
        .iter()
        .enumerate()
        .map(|(position, variable)| {
            let name = string::str(arena, variable.name);
            let value = variable.source.describe(arena);
            let overridden = variable.overridden.iter().chain(repeated(variable, &name));
            VariableRow {
                position: (position + 1).to_string(),
                value: describe_value(
                    arena,
                    &name,
                    &value,
                    variable.overridden.iter().map(|source| source.describe(arena)),
                    policy,
                ),
                name,
                is_literal: matches!(value, ValueDescription::Literal(_)),
                source: describe_source(&variable.source),
                overridden: overridden.map(|source| describe_overridden(arena, source)).collect::<Vec<_>>().join("; "),
            }
        })
        .collect();
    format_variable_table(arena, Some(preview.job.container), rows, &str::to_owned)
}

fn describe_source(source: &FlowVariableSource) -> String {
    let who = match source.origin {
        FlowVariableOrigin::Template => "template",
        FlowVariableOrigin::AgentEnv => "agent's --env",
        FlowVariableOrigin::RunConfig => "run config",
        FlowVariableOrigin::Agent => "agent",
        FlowVariableOrigin::FlowRun => "flow run",
        FlowVariableOrigin::Prefect => "Prefect",
    };
    match &source.location {
        Some(place) => format!("{who}, {place}"),
        None if source.origin == FlowVariableOrigin::Agent => "agent's default".to_owned(),
        None => who.to_owned(),
    }
}

fn describe_overridden(arena: &Arena, source: &FlowVariableSource) -> String {
    match source.describe(arena) {
        ValueDescription::Reference(to) => format!("{} ({to})", describe_source(source)),
        _ => describe_source(source),
    }
}
