//! The command line: commands as they are typed, turned once into what they mean. What is to be done to manifests
//! is in `edit_args`, the flags of a cluster in `cluster_args`.

use std::ffi::OsString;

use clap::builder::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use jobplate_diagnostic::{Error, Result};

use super::completion::Shell;
use super::convert::ConvertArgs;
use super::help;
use super::preview::PreviewArgs;
use super::secret::SecretArgs;
use crate::inject::layer::Layer;
#[cfg(feature = "cluster")]
use crate::shared::cluster_args::{Apply, ApplyArgs, Diff, DiffArgs};
use crate::shared::edit_args::{EditArgs, ManifestArgs, Manifests, Naming, namespace};
use crate::shared::lazy_args::Deferred;
use crate::shared::parse;
use crate::ui::invocation;

/// What the command line asks for.
pub(crate) enum Command {
    /// `render`
    Render(Box<Render>),
    /// `apply`
    #[cfg(feature = "cluster")]
    Apply(Box<Apply>),
    /// `diff`
    #[cfg(feature = "cluster")]
    Diff(Box<Diff>),
    /// `post-render`
    PostRender(Box<Manifests>),
    /// `krm`; what is to be set stands in its standard input, too.
    Krm(Box<KrmArgs>),
    /// `argocd-generate`
    ArgocdGenerate,
    /// `preview`
    Preview(Box<PreviewArgs>),
    /// `convert`
    Convert(Box<ConvertArgs>),
    /// `secret NAME`
    Secret(Box<SecretArgs>),
    /// `template [NAME]`
    Template(Option<String>),
    /// `schema`
    Schema,
    /// `completion SHELL`
    Completion(Shell),
    /// `man [COMMAND]`
    Man(Option<String>),
}

/// `render`, with everything decided.
pub(crate) struct Render {
    /// What is rendered.
    pub manifests: Manifests,
    /// Where the result goes.
    pub output: Output,
    /// Whether to print a diff, not the result.
    pub diff: bool,
}

/// The ConfigMap of `--wrap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrap {
    /// Its name.
    pub name: String,
    /// Its namespace, if it is given one.
    pub namespace: Option<String>,
    /// The key of the text in its data.
    pub key: String,
}

/// Where the result of `render` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// To standard output.
    Print,
    /// To standard output, as a text in a ConfigMap.
    Wrap(Wrap),
    /// Into the files themselves.
    InPlace,
    /// Nowhere: only what would change is said.
    Check,
}

/// Why there is no command to run.
pub(crate) enum Exit {
    /// Help, version, or a command line that clap does not take.
    Clap(clap::Error),
    /// A command line that makes no sense, or a spec file; and the colours asked for.
    Error(Error, anstream::ColorChoice),
}

#[derive(Parser)]
#[command(name = "jobplate", version, max_term_width = 100, styles = Styles::plain())]
/// Puts secret references and Prefect settings into Kubernetes job templates, changing only the bytes it must
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// When to use colours: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    color: clap::ColorChoice,
}

#[derive(Subcommand)]
enum Verb {
    /// Print manifests with secret references, variables and Prefect settings put in
    Render(Box<Deferred<RenderArgs>>),
    /// Render manifests and apply them to a cluster; wait for the Jobs if asked to
    #[cfg(feature = "cluster")]
    Apply(Box<Deferred<ApplyArgs>>),
    /// Render manifests and show what applying them would change in a cluster
    #[cfg(feature = "cluster")]
    Diff(Box<Deferred<DiffArgs>>),
    /// Render as a Helm post-renderer: what Helm pipes in, with references put in
    PostRender(Box<Deferred<PostRenderArgs>>),
    /// Render as a KRM function of kustomize or kpt: a ResourceList in, a ResourceList out
    Krm(Box<Deferred<KrmArgs>>),
    /// Render as a plugin of Argo CD: the application's folder and parameters in, its manifests out
    ArgocdGenerate,
    /// Print the Job that an agent of Prefect 1 or a worker of Prefect 2 and 3 will make of a template, and say what is lost
    Preview(Box<Deferred<PreviewArgs>>),
    /// Print a Prefect 1 job template as a base job template of a Prefect 2 or 3 work pool, and say what has no place there
    Convert(Box<Deferred<ConvertArgs>>),
    /// Print a Secret with the secrets that Prefect 1 has in config.toml, the environment or files, or what refers to it
    Secret(Box<Deferred<SecretArgs>>),
    /// Print a built-in template to start from: job, cronjob, agent, base-job-template
    Template {
        /// The template; without it they are listed
        name: Option<String>,
    },
    /// Print the JSON Schema of spec files, for editors
    Schema,
    /// Print a script that completes commands, flags, files and what is in them
    Completion {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print a manual page
    Man {
        /// The command that it is about; jobplate itself, if none is given
        command: Option<String>,
    },
}

#[derive(Args)]
struct RenderArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// The namespace of targets that have none
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Args)]
struct PostRenderArgs {
    /// Helm 4 says `post-render` by its plugin, and who comes from Helm 3 says it again. Any other word is a
    /// FILE, which is refused.
    #[arg(hide = true)]
    again: Vec<String>,
    #[command(flatten)]
    edit: EditArgs,
    /// The namespace of targets that have none
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
}

#[derive(Args)]
pub(crate) struct KrmArgs {
    #[command(flatten)]
    edit: EditArgs,
    /// The namespace of targets that have none
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Change the files themselves, all or none
    #[arg(short = 'i', long, conflicts_with = "check")]
    in_place: bool,
    /// Write nothing, list the files that would change; exit 1 if there are any
    #[arg(long)]
    check: bool,
    /// Print a diff, with values masked
    #[arg(long)]
    diff: bool,
    /// Print a ConfigMap with the result as its text, for an agent to mount (KEY is job_template.yaml if left
    /// out; -n is the ConfigMap's)
    #[arg(long, value_name = "configmap/NAME[:KEY]", conflicts_with_all = ["in_place", "check", "diff"])]
    wrap: Option<String>,
}

/// The command line as clap sees it, for a program that is called by this name.
pub(crate) fn command(name: &str) -> clap::Command {
    help::with_examples(Cli::command(), name)
}

/// Reads the command line; its first word is the program.
pub(crate) fn parse(args: &[OsString]) -> Result<(Command, anstream::ColorChoice), Exit> {
    let flag_first = args.get(1).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let matches = command(invocation::name()).try_get_matches_from(args);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        match error.kind() {
            ErrorKind::UnknownArgument if joined_flag(&error).is_some() => {
                let flag = joined_flag(&error).unwrap_or_default();
                let error = Error::usage(format!("`{flag}` and its value came as one word"));
                let hint =
                    format!("write {flag}=VALUE, or two words (in Helm: {flag}=VALUE behind one --post-renderer-args)");
                Exit::Error(error.hint(hint), anstream::ColorChoice::Auto)
            }
            ErrorKind::UnknownArgument if flag_first => {
                let error = Error::usage("a flag stands where the command is expected");
                let hint =
                    "the command comes first: jobplate render FILE ... (in Helm 3, --post-renderer-args post-render)";
                Exit::Error(error.hint(hint), anstream::ColorChoice::Auto)
            }
            // Nothing like a command, so it is a file, and the command was forgotten.
            ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_none() => {
                let error = Error::usage("the first word is no command");
                let hint = "the command comes first: jobplate render FILE --secret NAME=SECRET/KEY";
                Exit::Error(error.hint(hint), anstream::ColorChoice::Auto)
            }
            _ => Exit::Clap(discreet(error)),
        }
    })?;
    let color = match cli.color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    };
    let command = match cli.verb {
        Verb::Render(args) => Command::Render(Box::new(args.0.meaning().map_err(|error| Exit::Error(error, color))?)),
        #[cfg(feature = "cluster")]
        Verb::Apply(args) => Command::Apply(Box::new(args.0.meaning().map_err(|error| Exit::Error(error, color))?)),
        #[cfg(feature = "cluster")]
        Verb::Diff(args) => Command::Diff(Box::new(args.0.meaning().map_err(|error| Exit::Error(error, color))?)),
        Verb::PostRender(args) => {
            Command::PostRender(Box::new(args.0.meaning().map_err(|error| Exit::Error(error, color))?))
        }
        Verb::Krm(args) => Command::Krm(Box::new(args.0)),
        Verb::ArgocdGenerate => Command::ArgocdGenerate,
        Verb::Preview(args) => Command::Preview(Box::new(args.0)),
        Verb::Convert(args) => Command::Convert(Box::new(args.0)),
        Verb::Secret(args) => Command::Secret(Box::new(args.0)),
        Verb::Template { name } => Command::Template(name),
        Verb::Schema => Command::Schema,
        Verb::Completion { shell } => Command::Completion(shell),
        Verb::Man { command } => Command::Man(command),
    };
    Ok((command, color))
}

/// A known flag that is followed by its value in one and the same word.
fn joined_flag(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, value) = word.split_once(' ')?;
    let nearest = error.get(ContextKind::SuggestedArg)?;
    let is_known = matches!(nearest, ContextValue::String(nearest) if nearest == flag);
    (is_known && !value.trim().is_empty()).then(|| flag.to_owned())
}

/// Takes words out of a message of clap's that may be values: all that look like no flag or command.
fn discreet(mut error: clap::Error) -> clap::Error {
    let plain = |word: &str| word.len() == 2 || word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let (about, may_stay): (_, fn(&str) -> bool) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, |word| word.starts_with('-')),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, |_| true),
        ErrorKind::InvalidValue => (ContextKind::InvalidValue, |_| true),
        ErrorKind::TooManyValues => (ContextKind::InvalidValue, |_| false),
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(about) else { return error };
    if !(plain(word) && may_stay(word)) {
        error.insert(about, ContextValue::String("...".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}

impl RenderArgs {
    fn meaning(self) -> Result<Render> {
        let mut manifests = self.manifests.meaning(self.output.in_place)?;
        let mut namespace = namespace(self.namespace)?;
        let OutputArgs { in_place, check, diff, wrap } = self.output;
        let output = match wrap {
            Some(text) => {
                let (name, key) = parse::wrap("--wrap", &text)?;
                Output::Wrap(Wrap { name, namespace: namespace.take(), key })
            }
            None if in_place => Output::InPlace,
            None if check => Output::Check,
            None => Output::Print,
        };
        manifests.injection.names.namespace = namespace;
        Ok(Render { manifests, output, diff })
    }
}

impl PostRenderArgs {
    fn meaning(self) -> Result<Manifests> {
        if self.again.iter().any(|word| word != "post-render") {
            return Err(Error::usage("`post-render` takes no FILE: it reads what is piped in")
                .hint("files are for `render`; in Helm, each argument goes behind a --post-renderer-args of its own"));
        }
        let manifests = self.edit.of_a_stranger(None, self.namespace, Naming::Helm)?;
        if manifests.injection.is_empty() {
            return Err(Error::usage("nothing to set is given")
                .hint("say what is to be put in: --secret-env VAR=SECRET/KEY, or another of `post-render --help`"));
        }
        Ok(manifests)
    }
}

impl KrmArgs {
    /// What they mean, laid over what the function's own configuration says.
    pub(crate) fn meaning(self, config: Option<Layer>) -> Result<Manifests> {
        let manifests = self.edit.of_a_stranger(config, self.namespace, Naming::FunctionConfig)?;
        if manifests.injection.is_empty() {
            return Err(Error::usage("nothing to set is given").hint(
                "say what is to be put in, in the `spec` of the functionConfig; `jobplate schema` has its keys",
            ));
        }
        Ok(manifests)
    }

    /// Whether literals under names that look secret are taken.
    pub(crate) fn allow_plaintext(&self) -> bool {
        self.edit.allow_plaintext()
    }

    /// The largest document, in bytes.
    pub(crate) fn max_document_size(&self) -> Result<usize> {
        self.edit.max_document_size()
    }
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::select::ContainerChoice;

    use super::*;
    use crate::inject::Names;

    fn parsed(args: &[&str]) -> Result<Command, Exit> {
        let words: Vec<OsString> = ["jobplate"].iter().chain(args).map(OsString::from).collect();
        parse(&words).map(|(command, _)| command)
    }

    fn render(args: &[&str]) -> Result<Manifests, String> {
        match parsed(&[&["render"], args].concat()) {
            Ok(Command::Render(render)) => Ok(render.manifests),
            Ok(_) => Err("another command".to_owned()),
            Err(Exit::Clap(error)) => Err(error.to_string()),
            Err(Exit::Error(error, _)) => Err(format!("{error}\nhint: {}", error.hint_text().unwrap_or_default())),
        }
    }

    #[test]
    fn clap_finds_no_fault_in_the_definition() {
        command("jobplate").debug_assert();
        assert!(command("kubectl jobplate").render_long_help().to_string().contains("kubectl jobplate template"));
    }

    #[test]
    fn commands() {
        assert!(matches!(parsed(&["template"]), Ok(Command::Template(None))));
        assert!(matches!(parsed(&["template", "job"]), Ok(Command::Template(Some(name))) if name == "job"));
        assert!(matches!(parsed(&["schema"]), Ok(Command::Schema)));
        assert!(matches!(parsed(&[]), Err(Exit::Clap(_))));
        let color = parse(&["jobplate", "schema", "--color=never"].map(OsString::from));
        assert!(matches!(color, Ok((_, anstream::ColorChoice::Never))));
    }

    #[test]
    fn flags_mean_what_they_say() {
        let render = render(&[
            "a.yaml",
            "-f",
            "b.yaml",
            "--env",
            "E=1",
            "--secret",
            "S=s",
            "--field-env",
            "F=metadata.name",
            "--unset",
            "U",
            "--config-env",
            "C=c/k",
            "--secret-env",
            "V=s/k",
            "--env-from",
            "secret/s",
            "--backend",
            "cloud",
            "--local-secrets",
            "-c",
            "fl*",
            "--target",
            "Job",
            "-l",
            "a=b",
            "--generate-name",
            "etl-",
            "-n",
            "data",
            "--check",
            "-q",
            "--max-document-size=1KiB",
            "--init-containers",
            "--allow-no-match",
            "-R",
        ])
        .unwrap();
        assert_eq!(render.inputs, ["a.yaml", "b.yaml"]);
        let names: String = render.injection.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, "SVCFE");
        assert_eq!(render.max_document_size, 1024);
        assert!(render.recursive && render.quiet && render.allow_no_match);
        let injection = render.injection;
        assert_eq!((injection.unset.len(), injection.sources.len(), injection.targets.len()), (1, 1, 1));
        assert_eq!(injection.prefect.local_secrets, Some(true));
        assert!(matches!(injection.containers, ContainerChoice::Named(_)) && injection.init_containers);
        assert!(injection.selector.is_some() && !injection.skip_hooks);
        let Names { name, generate_name, hash, namespace } = injection.names;
        assert_eq!((name, generate_name, hash, namespace), (None, Some("etl-".into()), false, Some("data".into())));
    }

    #[test]
    fn where_the_result_goes() {
        let output = |args: &[&str]| match parsed(args) {
            Ok(Command::Render(render)) => (render.output.clone(), render.diff),
            _ => panic!("{args:?} is no render"),
        };
        assert_eq!(output(&["render", "a"]), (Output::Print, false));
        assert_eq!(output(&["render", "a", "--check", "--diff"]), (Output::Check, true));
        assert_eq!(output(&["render", "a", "-i"]), (Output::InPlace, false));
        let wrap = |name: &str, namespace: Option<&str>, key: &str| {
            let (name, namespace, key) = (name.to_owned(), namespace.map(str::to_owned), key.to_owned());
            (Output::Wrap(Wrap { name, namespace, key }), false)
        };
        assert_eq!(output(&["render", "a", "--wrap", "configmap/x"]), wrap("x", None, "job_template.yaml"));
        assert_eq!(output(&["render", "a", "--wrap", "cm/x:k", "-n", "y"]), wrap("x", Some("y"), "k"));
    }

    #[test]
    fn what_is_refused() {
        for (args, said) in [
            (&["-"] as &[&str], ""),
            (&[], "`-` for standard input"),
            (&["-", "-i"], "`--in-place`"),
            (&["a", "-i", "--check"], "--in-place"),
            (&["a", "-c", "x", "--all-containers"], "--all-containers"),
            (&["a", "--name", "x", "--generate-name", "y"], "--generate-name"),
            (&["a", "--name", "X"], "`--name`"),
            (&["a", "--generate-name", "-"], "`--generate-name`"),
            (&["a", "-n", "a.b"], "`--namespace`"),
            (&["a", "-c", "["], "`--container`"),
            (&["a", "-l", "a b"], "`--selector`: `a b`"),
            (&["a", "--env", "A=1", "--secret-env", "A=s/k"], "A is asked for twice: by `--secret-env` and by `--env`"),
            (&["a", "--env", "A=1", "--unset", "A"], "by `--env` and by `--unset`"),
            (&["a", "--env", "API_KEY=canary"], "--allow-plaintext"),
            (&["a", "--env", "API_KEY=x", "--allow-plaintext"], ""),
            (&["a", "--unset", "A=canary"], "`--unset`"),
            (&["a", "--api", "canary"], "`--api`"),
            (&["a", "--spec", "-"], "`--spec`"),
            (&["a", "--wrap", "x"], "`--wrap` needs configmap/NAME[:KEY]"),
            (&["a", "--wrap", "secret/x"], "`--wrap` needs configmap/NAME[:KEY]"),
            (&["a", "--wrap", "configmap/X"], "`--wrap`: the ConfigMap's name"),
            (&["a", "--wrap", "configmap/x:a b"], "`--wrap`: the key"),
            (&["a", "--wrap", "configmap/x", "-i"], "--wrap"),
            (&["a", "--spec", "not/there"], "not/there"),
        ] {
            let result = render(args).map_or_else(|error| error, |_| String::new());
            assert!(result.contains(said) && result.is_empty() == said.is_empty(), "{args:?}: {result}");
            assert!(!result.contains("canary"), "{args:?}: {result}");
        }
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
                Err(Exit::Clap(error)) => error.to_string(),
                Err(Exit::Error(error, _)) => error.to_string(),
                Ok(_) => panic!("{args:?} is no usage error"),
            };
            assert!(message.contains(said) && !message.to_lowercase().contains("canary"), "{args:?}: {message}");
        }
    }

    #[test]
    fn spec_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, spec: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec: {spec}\n")).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let one = write(
            "one.yaml",
            "{inputs: [a.yaml, /b.yaml, '-'], targets: [{kind: Job, container: c}], env: [{name: A, value: '1'}, {name: B, value: '1'}], unset: [C, D]}",
        );
        let two = write("two.yaml", "{env: [{name: B, value: '2'}, {name: DB_PASSWORD, value: canary}]}");
        let near = folder.path().join("a.yaml").to_str().unwrap().to_owned();

        let only = render(&["--spec", &one]).unwrap();
        assert_eq!(only.inputs, [near.as_str(), "/b.yaml", "-"]);
        assert!(only.injection.targets[0].containers.is_some());
        let flags = render(&["x", "--spec", &one, "--env", "C=0", "--unset", "A", "-c", "y"]).unwrap();
        assert_eq!(flags.inputs, ["x"]);
        assert_eq!(flags.injection.unset, ["D", "A"]);
        let names = |render: &Manifests| {
            render.injection.variables.iter().map(|variable| variable.name.clone()).collect::<String>()
        };
        assert_eq!(names(&flags), "BC");
        assert!(flags.injection.targets[0].containers.is_none());

        let refused = render(&["--spec", &one, "--spec", &two]).map(|_| ()).unwrap_err();
        assert!(refused.contains("two.yaml:3:") && refused.contains("DB_PASSWORD") && !refused.contains("canary"));
        let both = render(&["--allow-plaintext", "--spec", &one, "--spec", &two]).unwrap();
        assert_eq!((names(&both).as_str(), both.inputs.len()), ("ABDB_PASSWORD", 3));
        assert!(format!("{:?}", both.injection.variables[1]).contains("\"2\""));
    }
}
