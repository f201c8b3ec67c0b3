//! `jobplate preview`: the Job that Prefect's agent or worker will make of a template.
//!
//! Which Prefect is told by what the template is: `agent` is for Prefect 1, `worker` for base job templates.

mod agent;
mod worker;

use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};
use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::note::Note;
use jobplate_prefect::prefect1::template;
use jobplate_prefect::pyvalue::heap::{Heap, Id, Text};
use jobplate_prefect::pyvalue::send;
use jobplate_prefect::shown::Shown;
use jobplate_prefect::worker::template as base_job_template;

use crate::diagnostic;
use crate::render::write_error;
use crate::shared::one_template::{no_input, tell};
use crate::shared::outputs::to_stdout;
use crate::shared::whole::Whole;

#[derive(Args)]
pub(crate) struct PreviewArgs {
    /// A job template of Prefect 1, a base job template of Prefect 2 or 3, or a ConfigMap with one of them; - for
    /// standard input. Prefect 1's own template, if it is left out beside --scenario, --agent or --run-config
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    template: Option<String>,
    /// The same as FILE, as kubectl has it
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "template", help_heading = "Inputs")]
    filename: Option<String>,
    /// All at once: run_config, agent, environ, user_config, flow, flow_run_id, identifier of Prefect 1;
    /// job_variables, deployment, flow, flow_run, work_pool, worker of Prefect 2 and 3
    #[arg(long, value_name = "FILE", help_heading = "Who runs what")]
    scenario: Option<String>,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    /// What to print: the Job as yaml or json, or env: a table of the flow's variables with values masked
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "yaml",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    output: Format,
    /// Leave out notes
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

// (A doc comment would become the help of the command.)
#[derive(Args)]
#[command(next_help_heading = "Prefect 1")]
struct AgentArgs {
    /// The manifest of the agent: its variables, and the options of its `prefect agent kubernetes start`
    #[arg(long, value_name = "FILE")]
    agent: Option<String>,
    /// The run config of the flow: env, image, job_template and the other arguments of KubernetesRun
    #[arg(long, value_name = "FILE")]
    run_config: Option<String>,
    /// The version of the agent; that of the image in --agent, else 1.4, if it is left out
    #[arg(long, value_name = "VERSION", value_enum)]
    prefect: Option<agent::PrefectVersion>,
}

#[derive(Args)]
#[command(next_help_heading = "Prefect 2 and 3")]
struct WorkerArgs {
    /// The manifest of the worker: its variables, and the options of its `prefect worker start`
    #[arg(long, value_name = "FILE")]
    worker: Option<String>,
    /// The job variables of the flow run
    #[arg(long, value_name = "FILE")]
    job_variables: Option<String>,
    /// The worker's setting: its API key is this key of this Secret
    #[arg(long, value_name = "SECRET/KEY")]
    api_key_secret: Option<String>,
    /// The worker's setting: its API auth string is this key of this Secret
    #[arg(long, value_name = "SECRET/KEY")]
    api_auth_string_secret: Option<String>,
    /// The worker's setting: it writes a Secret with its API key
    #[arg(long)]
    create_secret_for_api_key: bool,
    /// The worker's setting: it writes a Secret with all plain variables of each Job
    #[arg(long)]
    store_env_as_secret: bool,
    /// The version of prefect-kubernetes that the worker has; else the newest
    #[arg(long, value_name = "VERSION")]
    prefect_kubernetes: Option<String>,
    /// Print a Job that `kubectl create` takes
    #[arg(long, help_heading = "Output")]
    kubectl: bool,
}

impl AgentArgs {
    /// The first flag that is given.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--agent", self.agent.is_some()),
            ("--run-config", self.run_config.is_some()),
            ("--prefect", self.prefect.is_some()),
        ];
        given.into_iter().find(|(_, is)| *is).map(|(flag, _)| flag)
    }
}

impl WorkerArgs {
    /// The first flag that is given.
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--worker", self.worker.is_some()),
            ("--job-variables", self.job_variables.is_some()),
            ("--api-key-secret", self.api_key_secret.is_some()),
            ("--api-auth-string-secret", self.api_auth_string_secret.is_some()),
            ("--create-secret-for-api-key", self.create_secret_for_api_key),
            ("--store-env-as-secret", self.store_env_as_secret),
            ("--prefect-kubernetes", self.prefect_kubernetes.is_some()),
            ("--kubectl", self.kubectl),
        ];
        given.into_iter().find(|(_, is)| *is).map(|(flag, _)| flag)
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Yaml,
    Json,
    Env,
}

/// What is shown of a preview.
struct Shows {
    job: Id,
    /// The table of variables.
    table: String,
    notes: Vec<Note>,
}

/// Prints the Job, and says what is lost on the way to it.
pub(super) fn run(args: PreviewArgs, color: ColorChoice) -> Result<ExitCode> {
    let mut files = Whole::default();
    let mut heap = Heap::default();
    let file = args.template.as_deref().or(args.filename.as_deref());
    let text = file.map(|name| files.text(name, true)).transpose()?;
    let scenario = args.scenario.as_deref();
    let shows = match text {
        Some(text) if text.text.trim().is_empty() => {
            return Err(Error::input("the template is empty")
                .in_file(&*text.name)
                .hint("`jobplate template job` and `jobplate template base-job-template` print one to start from"));
        }
        Some(text) if base_job_template::is_one(&text.text) => {
            refuse(args.agent.given(), &text, "is for Prefect 1, and this is a template of Prefect 2 or 3")?;
            worker::preview(&mut heap, &mut files, &text, scenario, &args.worker)?
        }
        Some(text) => {
            refuse(args.worker.given(), &text, "is for Prefect 2 and 3, and this is no base job template")?;
            let template = template::in_config_map(text)?;
            agent::preview(&mut heap, &mut files, Some(&template), scenario, &args.agent)?
        }
        None => {
            if let Some(flag) = args.worker.given() {
                return Err(Error::usage(format!("`{flag}` needs a base job template"))
                    .hint("`jobplate template base-job-template` prints one"));
            }
            if scenario.is_none() && args.agent.agent.is_none() && args.agent.run_config.is_none() {
                return Err(no_input());
            }
            agent::preview(&mut heap, &mut files, None, scenario, &args.agent)?
        }
    };
    let job = send::check(&heap, shows.job)?;
    let printed = match args.output {
        Format::Yaml => send::yaml(job),
        Format::Json => send::json(job),
        Format::Env => shows.table,
    };
    if !args.quiet {
        tell(&shows.notes, color);
    }
    to_stdout(|out| out.write_all(printed.as_bytes()).map_err(|error| write_error(&error)))
}

/// A flag of the other Prefect.
fn refuse(flag: Option<&str>, text: &Text, why: &str) -> Result<()> {
    match flag {
        Some(flag) => Err(Error::usage(format!("`{flag}` {why}"))
            .in_file(&*text.name)
            .hint("leave the flag out, or name another template")),
        None => Ok(()),
    }
}

fn value_in_words(shown: &Shown) -> String {
    match shown {
        Shown::Literal => "***".to_owned(),
        Shown::Empty => "(empty)".to_owned(),
        Shown::NoText(kind) => format!("*** ({kind})"),
        Shown::Reference(to) => to.clone(),
        Shown::Copied(from) => format!("*** (plain text of {from})"),
    }
}

/// A table of variables, and a line for each source that gives many, by the name that `shown` makes of its own.
fn table(heap: &Heap, container: Option<Id>, rows: &[Vec<String>], shown: &dyn Fn(&str) -> String) -> String {
    let mut out = diagnostic::table(&["#", "NAME", "VALUE", "FROM", "HIDES"], rows);
    let sources = container.and_then(|container| heap.item(container, "envFrom"));
    for source in sources.map(|sources| heap.items(sources)).unwrap_or_default() {
        for (kind, word) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
            let Some(of) = heap.item(*source, kind) else { continue };
            let name = shown(heap.item(of, "name").and_then(|name| heap.str(name)).unwrap_or("?"));
            let prefix = heap.item(*source, "prefix").and_then(|prefix| heap.str(prefix)).unwrap_or_default();
            let place = heap.place(*source).map_or(String::new(), |place| format!(" ({place})"));
            let behind = if prefix.is_empty() { String::new() } else { format!(", behind {prefix}") };
            let line = format!("and every key of {word} {name}{behind}{place}, where no variable above has its name");
            out.push_str(&diagnostic::name(&line));
            out.push('\n');
        }
    }
    out
}
