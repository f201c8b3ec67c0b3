//! `jobplate preview`: the Job that Prefect's agent will make of a job template.

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

use super::output::to_stdout;
use super::to_stderr;
use super::whole::Whole;
use crate::error::{Error, Result};
use crate::prefect::one::Version;
use crate::prefect::one::environment::{Origin, Shown, Source};
use crate::prefect::one::notes::{self, Note};
use crate::prefect::one::preview::{Preview, preview};
use crate::prefect::one::scenario::Scenario;
use crate::prefect::one::{manifest, template};
use crate::python::heap::{Data, Heap, Place, Text};
use crate::python::{send, text, yaml};
use crate::render::write_error;
use crate::report;

#[derive(Args)]
pub(super) struct PreviewArgs {
    /// The agent's job template, a ConfigMap with one, or - for standard input; Prefect's own template, if it is
    /// left out beside --scenario, --agent or --run-config
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    template: Option<String>,
    /// The same as FILE, as kubectl has it
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "template", help_heading = "Inputs")]
    filename: Option<String>,
    /// The manifest of the agent: its variables, and the options of its `prefect agent kubernetes start`
    #[arg(long, value_name = "FILE", help_heading = "Who runs what")]
    agent: Option<String>,
    /// The run config of the flow: env, image, job_template and the other arguments of KubernetesRun
    #[arg(long, value_name = "FILE", help_heading = "Who runs what")]
    run_config: Option<String>,
    /// All at once: run_config, agent, environ, user_config, flow, flow_run_id, identifier
    #[arg(long, value_name = "FILE", help_heading = "Who runs what")]
    scenario: Option<String>,
    /// The version of the agent; that of the image in --agent, else 1.4, if it is left out
    #[arg(long, value_name = "VERSION", value_enum, help_heading = "Who runs what")]
    prefect: Option<PrefectVersion>,
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

#[derive(Clone, Copy, ValueEnum)]
enum PrefectVersion {
    #[value(name = "1.4")]
    OneFour,
    #[value(name = "0.15")]
    ZeroFifteen,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Yaml,
    Json,
    Env,
}

/// Prints the Job, and says what is lost on the way to it.
pub(super) fn run(args: PreviewArgs, color: ColorChoice) -> Result<ExitCode> {
    let mut files = Whole::default();
    let mut heap = Heap::default();
    let template = match args.template.as_deref().or(args.filename.as_deref()) {
        Some(name) => Some(template::in_config_map(read(&mut files, name, true)?)?),
        None if args.scenario.is_none() && args.agent.is_none() && args.run_config.is_none() => return Err(no_input()),
        None => None,
    };
    let (scenario, deployed) = read_scenario(&args, &mut heap, &mut files)?;
    let image = deployed.as_ref().and_then(|deployed| deployed.version.as_deref());
    let version = match (args.prefect, image) {
        (Some(PrefectVersion::ZeroFifteen), _) | (None, Some([0, ..])) => Version::V0_15,
        (Some(PrefectVersion::OneFour), _) | (None, _) => Version::V1_4,
    };
    let file = |path: &str| read(&mut Whole::default(), path, true);
    let made = preview(&mut heap, version, template.as_ref(), &scenario, &file)?;
    let job = send::check(&heap, made.job.root)?;
    let printed = match args.output {
        Format::Yaml => send::yaml(job),
        Format::Json => send::json(job),
        Format::Env => table(&heap, &made),
    };
    if !args.quiet {
        let mut found = notes::find(&heap, &made, &scenario, deployed.is_some());
        found.extend(deployed.into_iter().flat_map(|more| more.notes(&heap, &made, version, template.is_some())));
        let told: String = found.iter().map(|note| report::note(&in_words(note))).collect();
        to_stderr(&told, color);
    }
    to_stdout(|out| out.write_all(printed.as_bytes()).map_err(|error| write_error(&error)))
}

fn no_input() -> Error {
    let error = Error::usage("no input");
    match Path::new("job_template.yaml").exists() {
        true => error.hint("name a job template, such as ./job_template.yaml, or `-` for standard input"),
        false => error.hint("name a job template, or `-` for standard input"),
    }
}

/// What only a manifest of the agent tells.
struct Deployed {
    file: String,
    version: Option<Vec<u32>>,
    has_sources: bool,
}

impl Deployed {
    fn notes(&self, heap: &Heap, made: &Preview, version: Version, has_template: bool) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut add = |text: String| notes.push(Note { text, place: None });
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
        if self.has_sources {
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
fn read_scenario(args: &PreviewArgs, heap: &mut Heap, files: &mut Whole) -> Result<(Scenario, Option<Deployed>)> {
    let mut scenario = match &args.scenario {
        Some(name) => Scenario::read(heap, &read(files, name, false)?)?,
        None => Scenario::plain(heap),
    };
    let twice = |flag: &str, key: &str| {
        Err(Error::usage(format!("`{flag}` and the scenario's `{key}` are both given")).hint("leave one of them out"))
    };
    if let Some(name) = &args.run_config {
        if scenario.run_config.is_some() {
            return twice("--run-config", "run_config");
        }
        let root = yaml::load(heap, &read(files, name, false)?)?;
        scenario.run_config = Some(root).filter(|root| *heap.get(*root) != Data::None);
    }
    let Some(name) = &args.agent else { return Ok((scenario, None)) };
    if scenario.start.kwargs.is_some() {
        return twice("--agent", "agent");
    }
    if !scenario.environ.0.is_empty() {
        return twice("--agent", "environ");
    }
    let manifest::Deployed { start, environ, version, has_sources } = manifest::find(heap, &read(files, name, false)?)?;
    (scenario.start, scenario.environ) = (start, environ);
    Ok((scenario, Some(Deployed { file: name.clone(), version, has_sources })))
}

/// A file as a text that errors can name.
fn read(files: &mut Whole, name: &str, is_manifest: bool) -> Result<Rc<Text>> {
    let bytes = files.read(Path::new(name)).map_err(|why| {
        Error::input(why).in_file(name).hint("name the job template's file, or `-` for standard input")
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(format!("not UTF-8, at byte {at}")).in_file(name).hint("save the file as UTF-8")
    })?;
    Ok(Rc::new(Text { name: name.to_owned(), first_line: 1, text, has_lines: true, is_manifest }))
}

fn place_in_words(place: &Place) -> String {
    format!("{}:{}", place.source.name, place.line())
}

fn in_words(note: &Note) -> String {
    match &note.place {
        Some(place) => format!("{}: {}", place_in_words(place), note.text),
        None => note.text.clone(),
    }
}

/// The variables of the flow's container, in the order in which it gets them.
fn table(heap: &Heap, made: &Preview) -> String {
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
    let mut out = report::table(&["#", "NAME", "VALUE", "FROM", "HIDES"], &rows);
    let sources = heap.item(made.job.container, "envFrom").map(|list| heap.get(list));
    if let Some(Data::List(sources)) = sources.filter(|list| matches!(list, Data::List(items) if !items.is_empty())) {
        for source in sources {
            for (kind, word) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
                let Some(of) = heap.item(*source, kind) else { continue };
                let name = heap.item(of, "name").and_then(|name| heap.str(name)).unwrap_or("?");
                let prefix = heap.item(*source, "prefix").and_then(|prefix| heap.str(prefix)).unwrap_or_default();
                let place = heap.place(*source).map_or(String::new(), |place| format!(" ({})", place_in_words(place)));
                let behind = if prefix.is_empty() { String::new() } else { format!(", behind {prefix}") };
                let line =
                    format!("and every key of {word} {name}{behind}{place}, where no variable above has its name");
                out.push_str(&report::name(&line));
                out.push('\n');
            }
        }
    }
    out
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
        Some(place) => format!("{who}, {}", place_in_words(place)),
        None if source.origin == Origin::Agent => "agent's default".to_owned(),
        None => who.to_owned(),
    }
}

fn hidden_in_words(source: &Source) -> String {
    match &source.shown {
        Shown::Reference(to) => format!("{} ({to})", source_in_words(source)),
        _ => source_in_words(source),
    }
}
