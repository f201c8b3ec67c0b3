//! The flags for editing manifests. All commands that render share them.
//!
//! Flags that may contain a secret value are plain strings to clap, because clap's error messages quote values.
//! `flag_values` parses them.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::choice::{Choice, ChoiceParser, value_candidates};

/// The input name that selects standard input.
pub(crate) const STDIN: &str = "-";

/// Returns whether an input is standard input.
pub(crate) fn is_stdin(input: &Path) -> bool {
    input.as_os_str() == STDIN
}

#[derive(Args)]
pub(crate) struct ManifestArgs {
    /// Manifests: files, directories, or - for standard input
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    pub(super) inputs: Vec<PathBuf>,
    /// Same as FILE, like kubectl's flag
    #[arg(short = 'f', long, value_name = "FILE", help_heading = "Inputs")]
    pub(super) filename: Vec<PathBuf>,
    /// Descend into directories
    #[arg(short = 'R', long, help_heading = "Inputs")]
    pub(super) recursive: bool,
    #[command(flatten)]
    pub(super) edit: EditArgs,
}

// The edits to make, without the inputs. Not a doc comment: clap would use it as the help text of the commands.
#[derive(Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(super) set: SetArgs,
    #[command(flatten)]
    pub(super) targets: WhereArgs,
    #[command(flatten)]
    pub(super) names: NameArgs,
    /// Hide notes; warnings and errors are shown
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Write the edits and the diagnostics to a file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) report: Option<PathBuf>,
    /// Maximum size of a document
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Output")]
    pub(super) max_document_size: String,
}

#[derive(Args)]
#[command(next_help_heading = "What to set")]
pub(super) struct SetArgs {
    /// Set the Prefect 1 secret NAME from a key of a Kubernetes Secret [default of KEY: NAME]
    #[arg(long, value_name = "NAME=SECRET/[KEY][:optional]")]
    pub(super) secret: Vec<String>,
    /// Set a variable from a key of a Secret
    #[arg(long, value_name = "VAR=SECRET/KEY[:optional]")]
    pub(super) secret_env: Vec<String>,
    /// Set a variable from a key of a ConfigMap
    #[arg(long, value_name = "VAR=CONFIGMAP/KEY[:optional]")]
    pub(super) config_env: Vec<String>,
    /// Set a variable from a field of the pod: metadata.name, label/KEY, annotation/KEY, ...
    #[arg(long, value_name = "VAR=FIELDPATH")]
    pub(super) field_env: Vec<String>,
    /// Set a variable to a plain value
    #[arg(long, value_name = "VAR=VALUE")]
    pub(super) env: Vec<String>,
    /// Set variables from all keys of a Secret or ConfigMap: secret/NAME, configmap/NAME
    #[arg(long, value_name = "[PREFIX=]KIND/NAME[:optional]")]
    pub(super) env_from: Vec<String>,
    /// Remove a variable; for a Prefect 1 secret, pass its full name, PREFECT__CONTEXT__SECRETS__NAME
    #[arg(long, value_name = "VAR")]
    pub(super) unset: Vec<String>,
    /// Prefect 1: set the backend, server or cloud
    #[arg(
        long,
        value_name = "BACKEND",
        value_parser = ChoiceParser::<BackendName>::new(),
        add = ArgValueCandidates::new(value_candidates::<BackendName>)
    )]
    pub(super) backend: Option<Choice<BackendName>>,
    /// Set the URL of Prefect's API
    #[arg(long, value_name = "URL")]
    pub(super) api: Option<String>,
    /// Set Prefect's API key from a key of a Secret
    #[arg(long, value_name = "SECRET/KEY[:optional]")]
    pub(super) api_key: Option<String>,
    /// Prefect 1: set whether flows read secrets from the environment [default of BOOL: true]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = ChoiceParser::<BoolChoice>::new(),
        add = ArgValueCandidates::new(value_candidates::<BoolChoice>)
    )]
    pub(super) local_secrets: Option<Choice<BoolChoice>>,
    /// Prefect 2 and 3: version of prefect-kubernetes in the workers [default: latest known]
    #[arg(long, value_name = "VERSION")]
    pub(super) prefect_kubernetes: Option<String>,
    /// Read settings from a spec file; flags and later files override it
    #[arg(long, value_name = "FILE")]
    pub(super) spec: Vec<PathBuf>,
    /// Allow --env to write values that look like secrets
    #[arg(long)]
    pub(super) allow_plaintext: bool,
}

/// The values of `--backend`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum BackendName {
    Server,
    Cloud,
}

/// The values of a flag that is true or false.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum BoolChoice {
    True,
    False,
}

/// The values of `--require-match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RequiredMatch {
    /// Each file must have an object that matches, and each target must match an object.
    All,
    /// Each file must have an object that matches. Hooks pass only the files that changed, so a target may match an
    /// object of another file.
    Files,
}

#[derive(Args)]
#[command(next_help_heading = "Where")]
pub(super) struct WhereArgs {
    /// Change these objects: patterns such as deployment/web-*, or configmap/NAME:KEY for an embedded document.
    /// Default: Jobs, CronJobs, base job templates, and job_template.yaml in ConfigMaps; for Prefect's settings
    /// also agents and workers. post-render and krm have no other default
    #[arg(long, value_name = "KIND[/NAME][:KEY]")]
    pub(super) target: Vec<String>,
    /// Change only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(super) selector: Option<String>,
    /// Change the containers with this name or pattern [default: the first, which runs the flow]
    #[arg(short = 'c', long, value_name = "NAME", conflicts_with = "all_containers")]
    pub(super) container: Vec<String>,
    /// Change all containers
    #[arg(long)]
    pub(super) all_containers: bool,
    /// Change init containers too
    #[arg(long)]
    pub(super) init_containers: bool,
    /// Skip Helm hooks
    #[arg(long)]
    pub(super) skip_hooks: bool,
    /// Do not fail if no object matches
    #[arg(long, overrides_with = "require_match")]
    pub(super) allow_no_match: bool,
    /// Fail if a file has no object that matches, a target matches no object, or a kind is misspelled; with
    /// =files, other files may have the objects of a target. Overrides an earlier --allow-no-match
    #[arg(
        long,
        value_name = "SCOPE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        overrides_with_all = ["allow_no_match", "require_match"],
        value_parser = ChoiceParser::<RequiredMatch>::new(),
        add = ArgValueCandidates::new(value_candidates::<RequiredMatch>)
    )]
    pub(super) require_match: Option<Choice<RequiredMatch>>,
}

#[derive(Args)]
#[command(next_help_heading = "Names")]
pub(super) struct NameArgs {
    /// Set the name of the only target
    #[arg(long, value_name = "NAME", conflicts_with = "generate_name")]
    pub(super) name: Option<String>,
    /// Set `generateName` of the only target, so that Kubernetes appends a suffix to PREFIX
    #[arg(long, value_name = "PREFIX", conflicts_with = "name_hash")]
    pub(super) generate_name: Option<String>,
    /// Append a hash of the content to the names of Jobs, so that a changed Job gets a new name
    #[arg(long)]
    pub(super) name_hash: bool,
}
