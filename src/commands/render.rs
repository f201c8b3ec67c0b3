//! `jobplate render`: plan everything, then print, replace files, or say what would change.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic;
use jobplate::diagnostic::edits::EditStatus;
use jobplate::render::{RenderedDocument, Rendering, StreamJoiner};
use jobplate_diagnostic::{Error, LineIndex, Result, output_error};
use jobplate_manifest::embedded;

use super::definition::Command;
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edit_report;
use crate::shared::flag_values;
use crate::shared::flag_values::parse_namespace;
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::render_request::RenderRequest;
use crate::shared::staged_files::StagedFiles;
use crate::ui::{Ui, ignore_closed_output};

#[derive(Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// The namespace of targets that have none
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
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

/// `render`, with everything decided.
pub(crate) struct Render {
    /// What is rendered.
    pub(crate) request: RenderRequest,
    /// Where the result goes.
    output: Output,
    /// Whether to print a diff, not the result.
    diff: bool,
}

/// Where the result of `render` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    /// To standard output.
    Print,
    /// To standard output, as a text in a ConfigMap.
    Wrap(Wrap),
    /// Into the files themselves.
    InPlace,
    /// Nowhere: only what would change is said.
    Check,
}

/// The ConfigMap of `--wrap`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrap {
    /// Its name.
    name: String,
    /// Its namespace, if it is given one.
    namespace: Option<String>,
    /// The key of the text in its data.
    key: String,
}

impl RenderArgs {
    /// Resolves what the arguments mean.
    ///
    /// # Errors
    ///
    /// Fails if a flag or a spec file is invalid.
    pub(crate) fn resolve(self) -> Result<Render> {
        let mut request = self.manifests.resolve(self.output.in_place)?;
        let mut namespace = parse_namespace(self.namespace)?;
        let OutputArgs { in_place, check, diff, wrap } = self.output;
        let output = match wrap {
            Some(text) => {
                let (name, key) = flag_values::parse_wrap("--wrap", &text)?;
                Output::Wrap(Wrap { name, namespace: namespace.take(), key })
            }
            None if in_place => Output::InPlace,
            None if check => Output::Check,
            None => Output::Print,
        };
        request.injection.metadata.namespace = namespace;
        Ok(Render { request, output, diff })
    }
}

impl Command for RenderArgs {
    const NAME: &'static str = "render";
    const ABOUT: &'static str = "Print manifests with secret references, variables and Prefect settings put in";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # What flow runs get: the token of a Kubernetes Secret, under the name that Prefect 1 reads
  {program} render job_template.yaml --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token

  # What the agent gets, and hands on to them
  {program} render agent.yaml --backend server --api http://prefect-apollo:4200

  # Any object, any variable, in the file itself
  {program} render -i web.yaml --target deployment/web --secret-env DB_PASSWORD=db/password

  # In CI: is what stands in Git what the spec file says?
  {program} render --check k8s/ --spec flows.yaml

Exit codes: 0 done, 1 with --check: a file would change, 2 input, or an edit that was refused"
        ))
    }

    /// Runs the command; the exit code says whether files would change (`--check`).
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let Render { request, output, diff } = self.resolve()?;
        ui.quiet = request.quiet;
        let mut rendering = plan(&request, MatchPolicy::Required, ui)?;
        let wraps = matches!(output, Output::Wrap(_));
        let sets_nothing = request.injection.is_empty() && !wraps;
        if sets_nothing && matches!(output, Output::Check | Output::InPlace) {
            // Where something is to be guarded, a forgotten spec file is no success.
            return Err(
                Error::usage("nothing to set is given").hint("say what: --secret NAME=SECRET/KEY, --spec FILE, ...")
            );
        }
        if sets_nothing {
            ui.write_note("nothing to set is given, so nothing changes");
        }
        // Found out before files are replaced, and told once they are.
        let report = edit_report::prepare(&mut rendering, &request, ui)?;
        let (done, status) = match output {
            Output::Check => (check(&mut rendering, diff, ui), EditStatus::Missing),
            Output::InPlace => (replace(&mut rendering, diff, ui), EditStatus::Applied),
            Output::Print if diff => (print_diff(&mut rendering, ui), EditStatus::Previewed),
            Output::Print => (print_all(&mut rendering, ui), EditStatus::Applied),
            Output::Wrap(into) => (ui.print(|out| wrap(&mut rendering, &into, out)), EditStatus::Applied),
        };
        edit_report::emit(report, status, done, ui)
    }
}

/// Prints all inputs, joined.
///
/// # Errors
///
/// Fails if the inputs can't be joined or read again, and as [`Ui::print`] does.
pub(crate) fn print_all(rendering: &mut Rendering, ui: &Ui) -> Result<ExitCode> {
    ui.print(|out| {
        rendering.check_joinable()?;
        let mut joined = StreamJoiner::new(out);
        for input in 0..rendering.len() {
            joined.begin_input().map_err(|error| output_error(&error))?;
            rendering.write_input(input, &mut joined)?;
        }
        joined.finish().map_err(|error| output_error(&error))
    })
}

/// Prints the one input as a text in a ConfigMap.
fn wrap(rendering: &mut Rendering, Wrap { name, namespace, key }: &Wrap, out: &mut dyn Write) -> Result<()> {
    if rendering.len() > 1 {
        return Err(Error::usage("`--wrap` takes one input").hint("wrap each one in a call of its own"));
    }
    let mut rendered = Vec::new();
    rendering.write_input(0, &mut rendered)?;
    let text = String::from_utf8(rendered).map_err(|_| Error::input("not UTF-8").in_file(rendering.input_name(0)))?;
    let map = embedded::write_config_map(name, namespace.as_deref(), key, &text)
        .map_err(|error| error.in_file(rendering.input_name(0)))?;
    out.write_all(map.as_bytes()).map_err(|error| output_error(&error))
}

/// Lists the inputs that would change, or shows how: exit code 1 if there are any.
fn check(rendering: &mut Rendering, diff: bool, ui: &Ui) -> Result<ExitCode> {
    let changing: Vec<usize> = (0..rendering.len()).filter(|&input| rendering.is_changed(input)).collect();
    if diff {
        ignore_closed_output(print_diff(rendering, ui))?;
    } else {
        let list: String = changing
            .iter()
            .map(|&input| format!("{}\n", diagnostic::escape_name(rendering.input_name(input))))
            .collect();
        ignore_closed_output(ui.print_text(&list))?;
    }
    Ok(ExitCode::from(u8::from(!changing.is_empty())))
}

/// Replaces the files that change, once all of them are written.
fn replace(rendering: &mut Rendering, diff: bool, ui: &Ui) -> Result<ExitCode> {
    if diff {
        ignore_closed_output(print_diff(rendering, ui))?;
    }
    let mut staged = StagedFiles::default();
    let mut replaced = Vec::new();
    for input in 0..rendering.len() {
        if rendering.is_changed(input) {
            let Some(path) = rendering.input_path(input).map(Path::to_owned) else {
                let name = rendering.input_name(input);
                return Err(Error::usage("is no file that could be replaced").in_file(name).hint("leave -i out"));
            };
            staged.replace(&path, |out| rendering.write_input(input, out))?;
            replaced.push(input);
        }
    }
    // Writing the others took its time.
    replaced.iter().try_for_each(|&input| rendering.check_unchanged(input))?;
    staged.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what changes, values masked.
fn print_diff(rendering: &mut Rendering, ui: &Ui) -> Result<ExitCode> {
    ui.print_diff(|out| {
        for input in 0..rendering.len() {
            if !rendering.is_changed(input) {
                continue;
            }
            let name = diagnostic::escape_name(rendering.input_name(input));
            out.write(&format!("--- {name}\n+++ {name}\n"))?;
            // Lines that earlier documents of this input have gained.
            let mut gained = 0isize;
            let mut documents = rendering.documents(Some(input));
            while let Some(RenderedDocument { line, before, after, edited, .. }) = documents.next_document()? {
                if edited {
                    out.write(&diagnostic::unified_diff(before, after, line, line.saturating_add_signed(gained)))?;
                    let last_line = |text: &str| LineIndex::new(text).line(text.len()) as isize;
                    gained += last_line(after) - last_line(before);
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use jobplate::inject::MetadataChanges;
    use jobplate_manifest::select::ContainerChoice;

    use super::super::definition::arguments;
    use super::*;

    fn resolved(args: &[&str]) -> Result<Render, String> {
        let args = arguments::<RenderArgs>(args).map_err(|error| error.to_string())?;
        args.resolve().map_err(|error| {
            format!(
                "{error}\nhint: {}",
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default()
            )
        })
    }

    fn render(args: &[&str]) -> Result<RenderRequest, String> {
        resolved(args).map(|render| render.request)
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
        assert_eq!((injection.unset.len(), injection.env_from.len(), injection.targets.len()), (1, 1, 1));
        assert_eq!(injection.prefect.local_secrets, Some(true));
        assert!(matches!(injection.containers, ContainerChoice::Named(_)) && injection.init_containers);
        assert!(injection.selector.is_some() && !injection.skip_hooks);
        let MetadataChanges { name, generate_name, hash, namespace } = injection.metadata;
        assert_eq!((name, generate_name, hash, namespace), (None, Some("etl-".into()), false, Some("data".into())));
    }

    #[test]
    fn where_the_result_goes() {
        let output = |args: &[&str]| resolved(args).map(|render| (render.output, render.diff)).unwrap();
        assert_eq!(output(&["a"]), (Output::Print, false));
        assert_eq!(output(&["a", "--check", "--diff"]), (Output::Check, true));
        assert_eq!(output(&["a", "-i"]), (Output::InPlace, false));
        let wrap = |name: &str, namespace: Option<&str>, key: &str| {
            let (name, namespace, key) = (name.to_owned(), namespace.map(str::to_owned), key.to_owned());
            (Output::Wrap(Wrap { name, namespace, key }), false)
        };
        assert_eq!(output(&["a", "--wrap", "configmap/x"]), wrap("x", None, "job_template.yaml"));
        assert_eq!(output(&["a", "--wrap", "cm/x:k", "-n", "y"]), wrap("x", Some("y"), "k"));
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
        let names = |render: &RenderRequest| {
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
