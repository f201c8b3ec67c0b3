//! Previews of Prefect 1: the Job that its Kubernetes agent makes.

use std::rc::Rc;

use clap::{Args, ValueEnum};
use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::note::Note;
use jobplate_prefect::prefect1::Version;
use jobplate_prefect::prefect1::environment::{Origin, Source};
use jobplate_prefect::prefect1::preview::{self, Preview};
use jobplate_prefect::prefect1::scenario::Scenario;
use jobplate_prefect::prefect1::{deployment, notes};
use jobplate_prefect::pyvalue::heap::{Data, Heap};
use jobplate_prefect::pyvalue::source::Text;
use jobplate_prefect::pyvalue::{text, yaml};
use jobplate_prefect::value_description::ValueDescription;

use super::shown::{Shows, table, value_in_words};
use crate::shared::whole::Whole;

// (A doc comment would become the help of the command.)
#[derive(Args)]
#[command(next_help_heading = "Prefect 1")]
pub(super) struct AgentArgs {
    /// The manifest of the agent: its variables, and the options of its `prefect agent kubernetes start`
    #[arg(long, value_name = "FILE")]
    pub(super) agent: Option<String>,
    /// The run config of the flow: env, image, job_template and the other arguments of KubernetesRun
    #[arg(long, value_name = "FILE")]
    pub(super) run_config: Option<String>,
    /// The version of the agent; that of the image in --agent, else 1.4, if it is left out
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
    /// The first flag that is given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--agent", self.agent.is_some()),
            ("--run-config", self.run_config.is_some()),
            ("--prefect", self.prefect.is_some()),
        ];
        given.into_iter().find(|(_, is)| *is).map(|(flag, _)| flag)
    }
}

/// The Job of a job template; without one, of Prefect's own.
///
/// # Errors
///
/// Fails if a file or the scenario is invalid, or if Prefect itself would fail.
pub(super) fn preview(
    heap: &mut Heap,
    files: &mut Whole,
    template: Option<&Rc<Text>>,
    scenario: Option<&str>,
    args: &AgentArgs,
) -> Result<Shows> {
    let (scenario, deployed) = read_scenario(scenario, args, heap, files)?;
    let image = deployed.as_ref().and_then(|deployed| deployed.version.as_deref());
    let version = match (args.prefect, image) {
        (Some(PrefectVersion::ZeroFifteen), _) | (None, Some([0, ..])) => Version::V0_15,
        (Some(PrefectVersion::OneFour), _) | (None, _) => Version::V1_4,
    };
    let file = |path: &str| Whole::default().text(path, true);
    let made = preview::preview(heap, version, template, &scenario, &file)?;
    let mut notes = notes::find(heap, &made, &scenario, deployed.is_some());
    if let Some(template) = template.filter(|_| !made.is_agents_template) {
        let name = &template.name;
        let text = format!(
            "{name} is not used: the run config brings a job template of its own, and nothing of this one counts"
        );
        notes.insert(0, Note::new(text, None));
    }
    notes.extend(deployed.into_iter().flat_map(|more| more.notes(heap, &made, version, template.is_some())));
    Ok(Shows { job: made.job.root, table: rows(heap, &made), notes })
}

/// What only a manifest of the agent tells.
struct Deployed {
    file: String,
    version: Option<Vec<u32>>,
    has_env_from: bool,
}

impl Deployed {
    fn notes(&self, heap: &Heap, made: &Preview, version: Version, has_template: bool) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut add = |text: String| notes.push(Note::new(text, None));
        let followed = match version {
            Version::V0_15 => (&[0, 15], "0.15"),
            Version::V1_4 => (&[1, 4], "1.4"),
        };
        if let Some(own) = self.version.as_deref().filter(|own| !own.starts_with(followed.0)) {
            let own: Vec<String> = own.iter().map(u32::to_string).collect();
            add(format!(
                "{}: the agent's image has Prefect {}, and this is what {} makes",
                self.file,
                own.join("."),
                followed.1
            ));
        }
        if has_template && made.is_agents_template && made.agent.job_template_path.is_none() {
            add(format!("{}: this agent is started without `--job-template`, and so reads no job template", self.file));
        }
        if self.has_env_from {
            add(format!("{}: variables that the agent takes by `envFrom` are not known here", self.file));
        }
        if let Some(namespace) = made.agent.namespace
            && let Data::Unknown(_) = heap.get(namespace)
        {
            add(format!("{}: the namespace of its Jobs is not known here", self.file));
        }
        notes
    }
}

/// Everything but the template.
fn read_scenario(
    scenario: Option<&str>,
    args: &AgentArgs,
    heap: &mut Heap,
    files: &mut Whole,
) -> Result<(Scenario, Option<Deployed>)> {
    let mut scenario = match scenario {
        Some(name) => Scenario::read(heap, &files.text(name, false)?)?,
        None => Scenario::plain(heap),
    };
    let twice = |flag: &str, key: &str| {
        Err(Error::usage(format!("`{flag}` and the scenario's `{key}` are both given")).hint("leave one of them out"))
    };
    if let Some(name) = &args.run_config {
        if scenario.run_config.is_some() {
            return twice("--run-config", "run_config");
        }
        let root = yaml::load(heap, &files.text(name, false)?)?;
        scenario.run_config = Some(root).filter(|root| *heap.get(*root) != Data::None);
    }
    let Some(name) = &args.agent else { return Ok((scenario, None)) };
    if scenario.start.kwargs.is_some() {
        return twice("--agent", "agent");
    }
    if !scenario.environ.0.is_empty() {
        return twice("--agent", "environ");
    }
    let deployment::Deployed { start, environ, version, has_env_from } =
        deployment::find(heap, &files.text(name, false)?)?;
    (scenario.start, scenario.environ) = (start, environ);
    Ok((scenario, Some(Deployed { file: name.clone(), version, has_env_from })))
}

/// The variables of the flow's container, in the order in which it gets them.
fn rows(heap: &Heap, made: &Preview) -> String {
    let rows: Vec<Vec<String>> = made
        .job
        .environment
        .0
        .iter()
        .enumerate()
        .map(|(position, variable)| {
            vec![
                (position + 1).to_string(),
                text::str(heap, variable.name),
                value_in_words(&variable.source.shown),
                source_in_words(&variable.source),
                variable.hides.iter().map(hidden_in_words).collect::<Vec<_>>().join("; "),
            ]
        })
        .collect();
    table(heap, Some(made.job.container), &rows, &str::to_owned)
}

fn source_in_words(source: &Source) -> String {
    let who = match source.origin {
        Origin::Template => "template",
        Origin::AgentEnv => "agent's --env",
        Origin::RunConfig => "run config",
        Origin::Agent => "agent",
        Origin::FlowRun => "flow run",
        Origin::Prefect => "Prefect",
    };
    match &source.place {
        Some(place) => format!("{who}, {place}"),
        None if source.origin == Origin::Agent => "agent's default".to_owned(),
        None => who.to_owned(),
    }
}

fn hidden_in_words(source: &Source) -> String {
    match &source.shown {
        ValueDescription::Reference(to) => format!("{} ({to})", source_in_words(source)),
        _ => source_in_words(source),
    }
}
