//! `jobplate render`: plans all edits, then prints the result, replaces the files or lists what would change.
//!
//! | file | decides |
//! |---|---|
//! | `mod.rs` | the meaning of the flags of `render` |
//! | `output.rs` | how the result is printed, written or compared |

pub(super) mod output;

use std::process::ExitCode;

use clap::Args;
use jobplate::diagnostic::edits::EditStatus;
use jobplate::render::Rendering;
use jobplate_diagnostic::{Error, Result};

use self::output::{WrapConfigMap, check_files, print_all, print_diff, print_wrapped, replace_files};
use super::definition::Command;
use crate::shared::edit_args::ManifestArgs;
use crate::shared::edit_report;
use crate::shared::fail_on::FailOnArgs;
use crate::shared::flag_values::{parse_namespace, parse_wrap};
use crate::shared::no_match::MatchPolicy;
use crate::shared::plan::plan;
use crate::shared::render_request::RenderRequest;
use crate::shared::summary::summarize;
use crate::ui::Ui;

#[derive(Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Set the namespace of targets that have none, but not of other objects; fail if a target has another one
    #[arg(short = 'n', long, value_name = "NAMESPACE", help_heading = "Names")]
    namespace: Option<String>,
    #[command(flatten)]
    output: RenderOutputArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
struct RenderOutputArgs {
    /// Edit the files in place, all or none
    #[arg(short = 'i', long, conflicts_with = "check")]
    in_place: bool,
    /// List the files that would change, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Print a diff, with sensitive values masked
    #[arg(long)]
    diff: bool,
    /// Print a ConfigMap that contains the result, for an agent to mount [default of KEY: job_template.yaml]; -n sets
    /// its namespace
    #[arg(long, value_name = "configmap/NAME[:KEY]", conflicts_with_all = ["in_place", "check", "diff"])]
    wrap: Option<String>,
    #[command(flatten)]
    fail_on: FailOnArgs,
}

/// The resolved arguments of `render`.
pub(crate) struct ResolvedRender {
    /// The manifests to render.
    pub(crate) request: RenderRequest,
    /// The destination of the result.
    output: RenderOutput,
    /// Whether to print a diff instead of the result.
    diff: bool,
    fail_on: FailOnArgs,
}

/// The destination of `render`'s result.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RenderOutput {
    /// Standard output.
    Print,
    /// Standard output, after embedding the result in a ConfigMap.
    Wrap(WrapConfigMap),
    /// The input files.
    InPlace,
    /// None. The files that would change are listed.
    Check,
}

impl RenderArgs {
    /// Resolves the arguments.
    ///
    /// # Errors
    ///
    /// Fails if a flag or a spec file is invalid.
    pub(crate) fn resolve(self) -> Result<ResolvedRender> {
        let mut request = self.manifests.resolve(self.output.in_place)?;
        let mut namespace = parse_namespace(self.namespace)?;
        let RenderOutputArgs { in_place, check, diff, wrap, fail_on } = self.output;
        let output = match wrap {
            Some(text) => {
                let (name, key) = parse_wrap("--wrap", &text)?;
                RenderOutput::Wrap(WrapConfigMap { name, namespace: namespace.take(), key })
            }
            None if in_place => RenderOutput::InPlace,
            None if check => RenderOutput::Check,
            None => RenderOutput::Print,
        };
        request.injection.metadata.namespace = namespace;
        Ok(ResolvedRender { request, output, diff, fail_on })
    }
}

impl Command for RenderArgs {
    const NAME: &'static str = "render";
    const ABOUT: &'static str = "Print manifests with secret references, variables and Prefect settings added";

    fn after_help(program: &str) -> Option<String> {
        Some(format!(
            "Examples:
  # A token from a Kubernetes Secret, under the name that Prefect 1 reads
  {program} render job_template.yaml \\
    --secret GITHUB_ACCESS_TOKEN=prefect-secrets/github-access-token

  # The settings of the agent, which it passes on to flow runs
  {program} render agent.yaml --backend server \\
    --api http://prefect-apollo:4200

  # Any object and any variable, edited in place
  {program} render -i web.yaml --target deployment/web \\
    --secret-env DB_PASSWORD=db/password

  # In CI: fail if the committed manifests differ from the spec file
  {program} render --check --require-match k8s/ --spec flows.yaml

Exit codes: 0 success, also if error[...] or warning[...] is reported; 1 with --check if a file would change, with --fail-on if an error or warning is reported; 2 invalid input or a refused edit"
        ))
    }

    /// Runs the command. With `--check`, the exit code is 1 if a file would change.
    fn run(self, ui: &mut Ui) -> Result<ExitCode> {
        let resolved = self.resolve()?;
        ui.quiet = resolved.request.quiet;
        let result = resolved.render(ui);
        edit_report::report_failure(result, &resolved.request, ui)
    }
}

impl ResolvedRender {
    /// Plans the edits, and prints or writes the result. Returns the exit code.
    fn render(&self, ui: &Ui) -> Result<ExitCode> {
        let ResolvedRender { request, output, diff, fail_on } = self;
        let mut rendering = plan(request, MatchPolicy::Required, ui)?;
        let wraps = matches!(output, RenderOutput::Wrap(_));
        let sets_nothing = request.injection.is_empty() && !wraps;
        if sets_nothing && matches!(output, RenderOutput::Check | RenderOutput::InPlace) {
            // With `--check` or `--in-place`, the user probably forgot `--spec`: fail instead of reporting success.
            return Err(Error::usage("no change requested").hint("pass --secret NAME=SECRET/KEY, --spec FILE, ..."));
        }
        if sets_nothing {
            ui.write_note("no change requested");
        }
        // Must precede the replacement of files, so that an error of `--report` leaves them unchanged.
        let mut report = edit_report::prepare(&mut rendering, request, ui)?;
        let (done, status) = match output {
            RenderOutput::Check => (check_files(&mut rendering, *diff, ui), EditStatus::Missing),
            RenderOutput::InPlace => (replace_files(&mut rendering, *diff, report.as_mut(), ui), EditStatus::Applied),
            RenderOutput::Print if *diff => (print_diff(&mut rendering, ui), EditStatus::Previewed),
            RenderOutput::Print => (print_all(&mut rendering, ui), EditStatus::Applied),
            RenderOutput::Wrap(map) => (print_wrapped(&mut rendering, map, ui), EditStatus::Applied),
        };
        let code = edit_report::emit(report, status, done, ui)?;
        // `--in-place` prints nothing else, nor does `--check` if no file would change.
        let edits_files = matches!(output, RenderOutput::Check | RenderOutput::InPlace);
        if (rendering.len() > 1 || edits_files) && !sets_nothing {
            let is_done = status == EditStatus::Applied;
            ui.write_note(summarize(&rendering, if is_done { "changed" } else { "to change" }));
        }
        if *output == RenderOutput::Check && can_be_changed_in_place(&rendering) {
            ui.write_hint("to change the files, run the same command with --in-place instead of --check");
        }
        Ok(fail_on.exit_code(&rendering.diagnostics, code))
    }
}

/// Returns whether a file would change, and each input that would change is a file.
fn can_be_changed_in_place(rendering: &Rendering) -> bool {
    let mut changed = (0..rendering.len()).filter(|&input| rendering.is_changed(input)).peekable();
    changed.peek().is_some() && changed.all(|input| rendering.input_path(input).is_some())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use jobplate::inject::MetadataChanges;
    use jobplate_manifest::select::ContainerChoice;

    use super::super::definition::parse_arguments;
    use super::*;

    fn resolve(args: &[&str]) -> Result<ResolvedRender, String> {
        let args = parse_arguments::<RenderArgs>(args).map_err(|error| error.to_string())?;
        args.resolve().map_err(|error| {
            format!(
                "{error}\nhint: {}",
                error.hint_message().map(|hint| hint.with_program("jobplate")).unwrap_or_default()
            )
        })
    }

    fn resolve_request(args: &[&str]) -> Result<RenderRequest, String> {
        resolve(args).map(|render| render.request)
    }

    #[test]
    fn resolves_all_flags() {
        let render = resolve_request(&[
            "a.yaml",
            "-f",
            "b.yaml",
            "--env",
            "E=1",
            "--secret",
            "S=s/",
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
        assert_eq!(render.inputs, ["a.yaml", "b.yaml"].map(PathBuf::from));
        let names: String = render.injection.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, "SVCFE");
        assert_eq!(render.max_document_size, 1024);
        assert!(render.recursive && render.quiet && render.allow_no_match);
        let injection = render.injection;
        assert_eq!((injection.unset.len(), injection.env_from.len(), injection.targets.len()), (1, 1, 1));
        assert_eq!(injection.prefect.local_secrets, Some(true));
        assert!(matches!(injection.containers, ContainerChoice::Named(_)) && injection.init_containers);
        assert!(injection.selector.is_some() && !injection.skip_hooks);
        let MetadataChanges { name, generate_name, append_hash, namespace } = injection.metadata;
        assert_eq!(
            (name, generate_name, append_hash, namespace),
            (None, Some("etl-".into()), false, Some("data".into()))
        );
    }

    #[test]
    fn resolves_the_output() {
        let output = |args: &[&str]| resolve(args).map(|render| (render.output, render.diff)).unwrap();
        assert_eq!(output(&["a"]), (RenderOutput::Print, false));
        assert_eq!(output(&["a", "--check", "--diff"]), (RenderOutput::Check, true));
        assert_eq!(output(&["a", "-i"]), (RenderOutput::InPlace, false));
        let wrap = |name: &str, namespace: Option<&str>, key: &str| {
            let (name, namespace, key) = (name.to_owned(), namespace.map(str::to_owned), key.to_owned());
            (RenderOutput::Wrap(WrapConfigMap { name, namespace, key }), false)
        };
        assert_eq!(output(&["a", "--wrap", "configmap/x"]), wrap("x", None, "job_template.yaml"));
        assert_eq!(output(&["a", "--wrap", "cm/x:k", "-n", "y"]), wrap("x", Some("y"), "k"));
    }

    #[test]
    fn refuses_invalid_flags_without_quoting_values() {
        for (args, expected) in [
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
            (&["a", "-l", "a b"], "`--selector`: invalid label requirement `a b`"),
            (&["a", "--env", "A=1", "--secret-env", "A=s/k"], "`A` is given twice: `--secret-env` and `--env`"),
            (&["a", "--env", "A=1", "--unset", "A"], "`--env` and `--unset`"),
            (&["a", "--env", "API_KEY=canary"], "--allow-plaintext"),
            (&["a", "--env", "API_KEY=x", "--allow-plaintext"], ""),
            (&["a", "--unset", "A=canary"], "`--unset`"),
            (&["a", "--api", "canary"], "`--api`"),
            (&["a", "--spec", "-"], "`--spec`"),
            (&["a", "--wrap", "x"], "`--wrap` must be configmap/NAME[:KEY]"),
            (&["a", "--wrap", "secret/x"], "`--wrap` must be configmap/NAME[:KEY]"),
            (&["a", "--wrap", "configmap/X"], "`--wrap`: the name of the ConfigMap"),
            (&["a", "--wrap", "configmap/x:a b"], "`--wrap`: invalid Secret or ConfigMap key"),
            (&["a", "--wrap", "configmap/x", "-i"], "--wrap"),
            (&["a", "--spec", "not/there"], "not/there"),
        ] {
            let result = resolve_request(args).map_or_else(|error| error, |_| String::new());
            assert!(result.contains(expected) && result.is_empty() == expected.is_empty(), "{args:?}: {result}");
            assert!(!result.contains("canary"), "{args:?}: {result}");
        }
    }

    #[test]
    fn merges_spec_files_under_flags() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, spec: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, format!("apiVersion: jobplate/v1\nkind: JobPlate\nspec: {spec}\n")).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let one = write(
            "one.yaml",
            "{inputs: [a.yaml, /dev/null, '-'], targets: [{kind: Job, container: c}], env: [{name: A, value: '1'}, {name: B, value: '1'}], unset: [C, D]}",
        );
        let two = write("two.yaml", "{env: [{name: B, value: '2'}, {name: DB_PASSWORD, value: canary}]}");
        let near = directory.path().join("a.yaml");
        std::fs::write(&near, "").unwrap();

        let only = resolve_request(&["--spec", &one]).unwrap();
        assert_eq!(only.inputs, [near.as_path(), Path::new("/dev/null"), Path::new("-")]);
        assert!(only.injection.targets[0].containers.is_some());
        let flags = resolve_request(&["x", "--spec", &one, "--env", "C=0", "--unset", "A", "-c", "y"]).unwrap();
        assert_eq!(flags.inputs, [Path::new("x")]);
        assert_eq!(flags.injection.unset, ["D", "A"]);
        let names = |render: &RenderRequest| {
            render.injection.variables.iter().map(|variable| variable.name.clone()).collect::<String>()
        };
        assert_eq!(names(&flags), "BC");
        assert!(flags.injection.targets[0].containers.is_none());

        let refused = resolve_request(&["--spec", &one, "--spec", &two]).map(|_| ()).unwrap_err();
        assert!(refused.contains("two.yaml:3:") && refused.contains("DB_PASSWORD") && !refused.contains("canary"));
        let request = resolve_request(&["--allow-plaintext", "--spec", &one, "--spec", &two]).unwrap();
        assert_eq!((names(&request).as_str(), request.inputs.len()), ("ABDB_PASSWORD", 3));
        assert!(format!("{:?}", request.injection.variables[1]).contains("\"2\""));
    }
}
