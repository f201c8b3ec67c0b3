//! The commands. Each file defines one command: its arguments, its help and its behaviour. [`COMMANDS`] is the only
//! list of them.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | the list of commands, and which one a command line runs |
//! | `definition.rs` | the parts of a command |
//! | `render/` | the flags of `render`, and where the result goes: standard output, a ConfigMap, the input files, a list or a diff |
//! | `apply/` | the flags of `apply` with their defaults (`--on-immutable`, `--timeout`), and the format of the report |
//! | `diff.rs` | the format of differences from the server |
//! | `post_render.rs` | what a Helm post-renderer reads, prints and requires (`--target`) |
//! | `krm.rs` | how a ResourceList is parsed and edited, the meaning of its `functionConfig`, and its `results` after an error |
//! | `argocd_generate.rs` | the meaning of an Argo CD application's parameters, and which files and documents are accepted |
//! | `check/` | which findings are reported, and how |
//! | `preview/` | which Prefect version a template is for, and how its Job is printed |
//! | `convert.rs` | which inputs are converted, and how the result is printed |
//! | `secret/` | where secrets are read from, and how the Secret is printed |
//! | `template.rs` | the built-in templates |
//! | `schema.rs` | the JSON Schemas of spec files and of findings |
//! | `completion.rs` | which shells have a completion script |
//! | `man.rs` | how a manual page is generated from the help |

#[cfg(feature = "cluster")]
mod apply;
mod argocd_generate;
mod check;
mod completion;
mod convert;
mod definition;
#[cfg(feature = "cluster")]
mod diff;
mod krm;
mod man;
mod post_render;
mod preview;
mod render;
mod schema;
mod secret;
mod template;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::{ArgMatches, Args as _, FromArgMatches as _, Parser, ValueEnum as _};
use jobplate_diagnostic::{Error, ErrorKind};
use jobplate_manifest::sensitive::MaskLevel;

use self::definition::{CommandDefinition, CommandFailure};
use crate::shared::usage::{explain_usage_error, is_unknown_argument, redact_values};
use crate::ui::Ui;

/// The commands, in the order of the help.
const COMMANDS: &[CommandDefinition] = &[
    CommandDefinition::new::<render::RenderArgs>(),
    #[cfg(feature = "cluster")]
    CommandDefinition::new::<apply::ApplyArgs>(),
    #[cfg(feature = "cluster")]
    CommandDefinition::new::<diff::DiffArgs>(),
    CommandDefinition::new::<check::CheckArgs>(),
    CommandDefinition::new::<post_render::PostRenderArgs>(),
    CommandDefinition::new::<krm::KrmArgs>(),
    CommandDefinition::new::<argocd_generate::ArgocdGenerateArgs>(),
    CommandDefinition::new::<preview::PreviewArgs>(),
    CommandDefinition::new::<convert::ConvertArgs>(),
    CommandDefinition::new::<secret::SecretArgs>(),
    CommandDefinition::new::<template::TemplateArgs>(),
    CommandDefinition::new::<schema::SchemaArgs>(),
    CommandDefinition::new::<completion::CompletionArgs>(),
    CommandDefinition::new::<man::ManArgs>(),
];

#[derive(Parser)]
#[command(version, max_term_width = 100, styles = Styles::plain())]
/// Add Secret references and Prefect settings to Kubernetes manifests, and change no other byte
struct GlobalArgs {
    /// When to use colours: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    color: clap::ColorChoice,
    /// Values to mask in errors, diffs and tables: secrets, all, none [default: secrets] [env: JOBPLATE_MASK]
    #[arg(long, value_name = "VALUES", hide_possible_values = true, global = true)]
    mask: Option<MaskChoice>,
}

/// The values of `--mask`.
#[derive(Clone, Copy, clap::ValueEnum)]
enum MaskChoice {
    Secrets,
    All,
    None,
}

/// Builds the command line. `program` is the program's name as the user types it.
pub(crate) fn command_line(program: &str) -> clap::Command {
    let commands = COMMANDS.iter().map(|command| command.to_clap(program));
    GlobalArgs::augment_args(clap::Command::new("jobplate").subcommands(commands))
        .bin_name(program)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(format!("Start with: {program} template job > job_template.yaml"))
}

/// Parses a command line and runs the command. The first argument is the program. Reports errors.
pub(crate) fn run(args: &[OsString], ui: &mut Ui) -> ExitCode {
    let result = match parse_command_line(args, ui).and_then(|(command, mut matches)| command.run(&mut matches, ui)) {
        Err(CommandFailure::Usage(usage)) => ui.report_usage(&usage),
        Err(CommandFailure::Error(error)) => Err(error),
        Ok(code) => Ok(code),
    };
    result.unwrap_or_else(|error| ui.report_failure(&error))
}

/// Parses a command line into a command and its arguments.
fn parse_command_line(args: &[OsString], ui: &mut Ui) -> Result<(CommandDefinition, ArgMatches), CommandFailure> {
    let mut matches = command_line(ui.invocation.program_name()).try_get_matches_from(args).map_err(|usage| {
        let names = COMMANDS.iter().map(|command| command.name);
        // A flag before the command is not a flag of the command.
        let before = args.iter().skip(1).take_while(|word| !is_unknown_argument(&usage, word));
        let command = before.clone().find_map(|word| names.clone().find(|name| word == name));
        explain_usage_error(&usage, command, names)
            .map_or_else(|| CommandFailure::Usage(redact_values(usage)), CommandFailure::Error)
    })?;
    let global_args = GlobalArgs::from_arg_matches_mut(&mut matches)?;
    ui.set_mask_level(match global_args.mask.map_or_else(|| mask_from_environment(ui), Ok)? {
        MaskChoice::Secrets => MaskLevel::Secrets,
        MaskChoice::All => MaskLevel::All,
        MaskChoice::None => MaskLevel::None,
    });
    ui.color = match global_args.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    };
    let command = matches.remove_subcommand().and_then(|(name, matches)| {
        let command = COMMANDS.iter().find(|command| command.name == name)?;
        Some((*command, matches))
    });
    command.ok_or_else(|| CommandFailure::Error(Error::new(ErrorKind::Internal, "missing command in the list")))
}

/// Returns the value of `JOBPLATE_MASK`, which replaces the default of `--mask`.
fn mask_from_environment(ui: &Ui) -> Result<MaskChoice, Error> {
    let Some(value) = &ui.mask_variable else { return Ok(MaskChoice::Secrets) };
    let choice = value.to_str().and_then(|value| MaskChoice::from_str(value, false).ok());
    choice.ok_or_else(|| Error::usage("`JOBPLATE_MASK` must be `secrets`, `all` or `none`"))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::ui::invocation::Invocation;

    fn parse_args(args: &[&str]) -> Result<(&'static str, Ui), CommandFailure> {
        let words: Vec<OsString> = ["jobplate"].iter().chain(args).map(OsString::from).collect();
        let mut ui = Ui::from_environment(Invocation::Program, command_line);
        parse_command_line(&words, &mut ui).map(|(command, _)| (command.name, ui))
    }

    #[test]
    fn passes_claps_debug_assertions() {
        command_line("jobplate").debug_assert();
        let help = command_line("kubectl jobplate").render_long_help().to_string();
        assert!(help.contains("kubectl jobplate template"));
    }

    /// Checks the steps of "Add a command" in CONTRIBUTING.md.
    #[test]
    fn every_command_is_tested_and_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let cases: String =
            read_files_below(&root.join("tests/cmd"), "toml").into_iter().map(|(_, text)| text).collect();
        let (module_docs, reference) = (read("src/commands/mod.rs"), read("docs/cli.md"));
        let mut missing = Vec::new();
        for CommandDefinition { name, .. } in COMMANDS {
            let module = name.replace('-', "_");
            let is_listed = [".rs", "/"].iter().any(|end| module_docs.contains(&format!("//! | `{module}{end}` | ")));
            let has_cluster_test = root.join(format!("tests/cluster/{module}.rs")).exists();
            let has_case = has_cluster_test || cases.contains(&format!("args = [\"{name}\""));
            for (exists, description) in [
                (is_listed, "line in the map of src/commands/mod.rs"),
                (has_case, "golden case in tests/cmd"),
                (reference.contains(&format!("\n## jobplate {name}\n")), "section in docs/cli.md"),
            ] {
                if !exists {
                    missing.push(format!("{name} has no {description}\n"));
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.concat());
    }

    /// Reads the files below a directory that have an extension. Returns their paths and contents.
    fn read_files_below(directory: &Path, extension: &str) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(read_files_below(&path, extension));
            } else if path.extension().is_some_and(|value| value == extension) {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
        files
    }

    /// Checks that commands in hints and notes start with `ProgramName`: a literal name would be wrong under kubectl.
    #[test]
    fn no_string_names_the_program_before_a_command() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = ["src", "crates"].into_iter().flat_map(|part| read_files_below(&root.join(part), "rs"));
        let mut literal_names = Vec::new();
        for (path, text) in sources {
            // The texts of rules are pages of the docs.
            if path.components().any(|part| part.as_os_str() == "rules") {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let has_literal_name = |line: &&str| {
                let names = |command: &CommandDefinition| line.contains(&format!("jobplate {}", command.name));
                !line.trim_start().starts_with("//") && COMMANDS.iter().any(names)
            };
            literal_names
                .extend(code.lines().filter(has_literal_name).map(|line| format!("{}: {line}\n", path.display())));
        }
        assert!(literal_names.is_empty(), "{}", literal_names.concat());
    }

    /// Checks that a terminal of 80 columns does not wrap examples: a pasted command would end at the line break.
    #[test]
    fn examples_fit_in_80_columns() {
        let program = "kubectl jobplate";
        let mut long_lines = Vec::new();
        for command in COMMANDS {
            let help = command.to_clap(program).get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines = help.lines().filter(|line| line.starts_with("  ") && line.chars().count() > 80);
            long_lines.extend(lines.map(|line| format!("{}: {line}\n", command.name)));
        }
        assert!(long_lines.is_empty(), "{}", long_lines.concat());
    }

    #[test]
    fn parses_a_command_and_global_flags() {
        assert!(matches!(parse_args(&["template"]), Ok(("template", _))));
        assert!(matches!(parse_args(&[]), Err(CommandFailure::Usage(_))));
        let color = parse_args(&["schema", "--color=never"]).map(|(_, ui)| ui.color);
        assert!(matches!(color, Ok(anstream::ColorChoice::Never)));
    }

    #[test]
    fn usage_errors_contain_no_values() {
        for (args, expected) in [
            (&["render", "a", "--env=A=canary", "--nope"] as &[&str], "'--nope'"),
            (&["render", "a", "--evn=A=canary"], "'--evn'"),
            (&["render", "a", "--evn", "A=canary"], "'--evn'"),
            (&["render", "a", "--quiet=canary"], "--quiet"),
            (&["render", "a", "-X", "canary"], "'-X'"),
            (&["render", "a", "--color=Canary1"], "--color"),
            (&["render", "a", "--color=alwais"], "'always'"),
            (&["render", "a", "--Canary1"], "'...'"),
            (&["template", "job", "canary"], "'...'"),
            (&["Canary1"], "unknown command"),
            (&["canary/x"], "unknown command"),
            (&["--target=canary", "--env=A=canary"], "expected a command"),
            (&["--mask", "all", "rendr", "canary"], "unknown command `rendr`"),
            (&["rendr", "canary"], "unknown command `rendr`"),
            (&["preview", "a.yaml", "canary"], "`preview` accepts one file"),
            (&["render", "a", "--api", "canary", "--api", "canary"], "--api"),
        ] {
            let message = match parse_args(args) {
                Err(CommandFailure::Usage(error)) => error.to_string(),
                Err(CommandFailure::Error(error)) => error.to_string(),
                Ok(_) => panic!("{args:?} is not a usage error"),
            };
            assert!(message.contains(expected) && !message.to_lowercase().contains("canary"), "{args:?}: {message}");
        }
    }
}
