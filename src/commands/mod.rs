//! The commands: a file each, with its arguments, its help and what it does. [`COMMANDS`] is the only list of them.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | which commands there are, and which one a command line calls |
//! | `definition.rs` | what a command is |
//! | `render.rs` | where the result goes: standard output, a ConfigMap, the files themselves, a list, a diff |
//! | `apply.rs` | what the flags of `apply` mean, with defaults (`--on-immutable`, `--timeout`), and how the report is printed |
//! | `diff.rs` | how differences from the server are shown |
//! | `post_render.rs` | what a Helm post-renderer reads, prints and requires (`--target`) |
//! | `krm.rs` | how a ResourceList is read and edited, its `functionConfig`, and its `results` |
//! | `argocd_generate.rs` | what parameters of an Argo CD application mean, and which files they may name |
//! | `preview/` | which Prefect a template is for, and how its Job is printed |
//! | `convert.rs` | which inputs are converted, and how the result is printed |
//! | `secret/` | where secrets are found, and how the Secret is printed |
//! | `template.rs` | which templates are built in |
//! | `schema.rs` | the JSON Schema of spec files |
//! | `completion.rs` | which shells have a script |
//! | `man.rs` | how a manual page is made from the help |

#[cfg(feature = "cluster")]
mod apply;
mod argocd_generate;
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
use clap::{ArgMatches, Args as _, FromArgMatches as _, Parser};
use jobplate_diagnostic::{Error, ErrorKind};

use self::definition::{Definition, Failure};
use crate::shared::usage::{explain_usage_error, redact_values};
use crate::ui::Ui;

/// The commands, in the order in which the help lists them.
const COMMANDS: &[Definition] = &[
    Definition::of::<render::RenderArgs>(),
    #[cfg(feature = "cluster")]
    Definition::of::<apply::ApplyArgs>(),
    #[cfg(feature = "cluster")]
    Definition::of::<diff::DiffArgs>(),
    Definition::of::<post_render::PostRenderArgs>(),
    Definition::of::<krm::KrmArgs>(),
    Definition::of::<argocd_generate::ArgocdGenerateArgs>(),
    Definition::of::<preview::PreviewArgs>(),
    Definition::of::<convert::ConvertArgs>(),
    Definition::of::<secret::SecretArgs>(),
    Definition::of::<template::TemplateArgs>(),
    Definition::of::<schema::SchemaArgs>(),
    Definition::of::<completion::CompletionArgs>(),
    Definition::of::<man::ManArgs>(),
];

#[derive(Parser)]
#[command(version, max_term_width = 100, styles = Styles::plain())]
/// Puts secret references and Prefect settings into Kubernetes job templates, changing only the bytes it must
struct Globals {
    /// When to use colours: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    color: clap::ColorChoice,
}

/// Defines the command line of a program that the user calls by this name.
pub(crate) fn command_line(program: &str) -> clap::Command {
    let commands = COMMANDS.iter().map(|command| command.to_clap(program));
    Globals::augment_args(clap::Command::new("jobplate").subcommands(commands))
        .bin_name(program)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(format!("Begin with: {program} template job > job_template.yaml"))
}

/// Runs the command that a command line calls; its first word is the program. Reports what goes wrong.
pub(crate) fn run(args: &[OsString], ui: &mut Ui) -> ExitCode {
    let done = match parse(args, ui).and_then(|(command, mut matches)| command.run(&mut matches, ui)) {
        Err(Failure::Usage(usage)) => ui.report_usage(&usage),
        Err(Failure::Error(error)) => Err(error),
        Ok(code) => Ok(code),
    };
    done.unwrap_or_else(|error| ui.report_failure(&error))
}

/// Reads a command line: the command, and its arguments as clap has read them.
fn parse(args: &[OsString], ui: &mut Ui) -> Result<(Definition, ArgMatches), Failure> {
    let starts_with_flag = args.get(1).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut matches = command_line(ui.invocation.program_name()).try_get_matches_from(args).map_err(|usage| {
        explain_usage_error(&usage, starts_with_flag)
            .map_or_else(|| Failure::Usage(redact_values(usage)), Failure::Error)
    })?;
    ui.color = match Globals::from_arg_matches_mut(&mut matches)?.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    };
    let called = matches.remove_subcommand();
    let known = called.and_then(|(name, matches)| {
        let command = COMMANDS.iter().find(|command| command.name == name)?;
        Some((*command, matches))
    });
    known.ok_or_else(|| Failure::Error(Error::new(ErrorKind::Internal, "a command is missing in the list")))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::ui::invocation::Invocation;

    fn parsed(args: &[&str]) -> Result<(&'static str, Ui), Failure> {
        let words: Vec<OsString> = ["jobplate"].iter().chain(args).map(OsString::from).collect();
        let mut ui = Ui::from_environment(Invocation::Program, command_line);
        parse(&words, &mut ui).map(|(command, _)| (command.name, ui))
    }

    #[test]
    fn clap_finds_no_fault_in_the_definition() {
        command_line("jobplate").debug_assert();
        let help = command_line("kubectl jobplate").render_long_help().to_string();
        assert!(help.contains("kubectl jobplate template"));
    }

    /// The steps of "Add a command" in CONTRIBUTING.md.
    #[test]
    fn every_command_is_tested_and_documented() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let cases: String = files_below(&root.join("tests/cmd"), "toml").into_iter().map(|(_, text)| text).collect();
        let (map, reference) = (read("src/commands/mod.rs"), read("docs/cli.md"));
        let mut missing = Vec::new();
        for Definition { name, .. } in COMMANDS {
            let module = name.replace('-', "_");
            let is_listed = [".rs", "/"].iter().any(|end| map.contains(&format!("//! | `{module}{end}` | ")));
            let on_servers = root.join(format!("tests/cluster/{module}.rs")).exists();
            let has_case = on_servers || cases.contains(&format!("args = [\"{name}\""));
            for (is_there, what) in [
                (is_listed, "line in the map of src/commands/mod.rs"),
                (has_case, "golden case in tests/cmd"),
                (reference.contains(&format!("\n## jobplate {name}\n")), "section in docs/cli.md"),
            ] {
                if !is_there {
                    missing.push(format!("{name} has no {what}\n"));
                }
            }
        }
        assert!(missing.is_empty(), "{}", missing.concat());
    }

    /// Reads the files of a folder and of those below it whose names end so.
    fn files_below(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(files_below(&path, extension));
            } else if path.extension().is_some_and(|own| own == extension) {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
        files
    }

    /// A command in a hint or a note begins with `ProgramName`: a name in the text would be wrong under kubectl.
    #[test]
    fn no_text_names_the_program_before_a_command() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = ["src", "crates"].into_iter().flat_map(|folder| files_below(&root.join(folder), "rs"));
        let mut wrong = Vec::new();
        for (path, text) in sources {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let is_wrong = |line: &&str| {
                let names = |command: &Definition| line.contains(&format!("jobplate {}", command.name));
                !line.trim_start().starts_with("//") && COMMANDS.iter().any(names)
            };
            wrong.extend(code.lines().filter(is_wrong).map(|line| format!("{}: {line}\n", path.display())));
        }
        assert!(wrong.is_empty(), "{}", wrong.concat());
    }

    #[test]
    fn commands_are_known_by_their_names() {
        assert!(matches!(parsed(&["template"]), Ok(("template", _))));
        assert!(matches!(parsed(&[]), Err(Failure::Usage(_))));
        let color = parsed(&["schema", "--color=never"]).map(|(_, ui)| ui.color);
        assert!(matches!(color, Ok(anstream::ColorChoice::Never)));
    }

    #[test]
    fn clap_repeats_no_value() {
        for (args, said) in [
            (&["render", "a", "--env=A=canary", "--nope"] as &[&str], "'--nope'"),
            (&["render", "a", "--evn=A=canary"], "'--evn'"),
            (&["render", "a", "--evn", "A=canary"], "'--evn'"),
            (&["render", "a", "--quiet=canary"], "--quiet"),
            (&["render", "a", "-X", "canary"], "'-X'"),
            (&["render", "a", "--color=Canary1"], "--color"),
            (&["render", "a", "--color=alwais"], "'always'"),
            (&["render", "a", "--Canary1"], "'...'"),
            (&["schema", "canary"], "'...'"),
            (&["template", "job", "canary"], "'...'"),
            (&["Canary1"], "no command"),
            (&["--target=canary", "--env=A=canary"], "where the command is expected"),
            (&["rendr", "canary"], "'render'"),
            (&["render", "a", "--api", "canary", "--api", "canary"], "--api"),
        ] {
            let message = match parsed(args) {
                Err(Failure::Usage(error)) => error.to_string(),
                Err(Failure::Error(error)) => error.to_string(),
                Ok(_) => panic!("{args:?} is no usage error"),
            };
            assert!(message.contains(said) && !message.to_lowercase().contains("canary"), "{args:?}: {message}");
        }
    }
}
