//! The flags that say what is to be done to manifests: what to set, where, under which names. As they are typed,
//! turned once into what they mean; the same for every command that renders.
//!
//! All flags that may hold a value are plain strings to clap, whose messages quote what they are about; `parse`
//! reads them. Reads spec files, and nothing else.

use std::path::Path;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate::inject::layer::{self, Layer};
use jobplate::inject::{Injection, MetadataChanges, RequestedVariable, spec};
use jobplate_diagnostic::{Error, Result, describe_io_error};
use jobplate_manifest::names;
use jobplate_manifest::select::ContainerChoice;
use jobplate_manifest::selector::LabelSelector;
use jobplate_prefect::requested_settings::{Backend, RequestedSettings};

use super::choice::{Choice, ChoiceParser, value_candidates};
use super::flag_values;

/// What stands for standard input among the inputs.
pub(crate) const STDIN: &str = "-";

/// Which manifests, and what is done to them before anything else.
pub(crate) struct RenderRequest {
    /// Files and directories to read; `-` is standard input.
    pub inputs: Vec<String>,
    /// Whether to descend into directories.
    pub recursive: bool,
    /// What to set, and where.
    pub injection: Injection,
    /// Whether it is no error that nothing matches.
    pub allow_no_match: bool,
    /// The largest document, in bytes.
    pub max_document_size: usize,
    /// Whether notes are left out.
    pub quiet: bool,
    /// The spec files that say what to set.
    pub specs: Vec<String>,
    /// The file that tells of the edits.
    pub report: Option<String>,
    /// How targets are named where this call comes from.
    pub target_syntax: TargetSyntax,
}

/// In whose words a target is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetSyntax {
    /// By flags.
    Flags,
    /// By flags that Helm hands on.
    Helm,
    /// In the spec of a KRM function.
    FunctionConfig,
    /// By parameters of an Argo CD application, or in its spec file.
    Parameters,
}

#[derive(Args)]
pub(crate) struct ManifestArgs {
    /// Manifests: files, directories, or - for standard input
    #[arg(value_name = "FILE", help_heading = "Inputs")]
    inputs: Vec<String>,
    /// The same as FILE, as kubectl has it
    #[arg(short = 'f', long, value_name = "FILE", help_heading = "Inputs")]
    filename: Vec<String>,
    /// Descend into directories
    #[arg(short = 'R', long, help_heading = "Inputs")]
    recursive: bool,
    #[command(flatten)]
    edit: EditArgs,
}

// What to do to manifests, wherever they come from. (A doc comment would become the help of the commands.)
#[derive(Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    place: WhereArgs,
    #[command(flatten)]
    names: NameArgs,
    /// Leave out notes
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
    /// Write what was edited to a file, as JSON: file, line, object, container, variable, action
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<String>,
    /// The largest document to read
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Output")]
    max_document_size: String,
}

#[derive(Args)]
#[command(next_help_heading = "What to set")]
struct SetArgs {
    /// The Prefect 1 secret NAME, from a key of a Kubernetes Secret (KEY is NAME if left out)
    #[arg(long, value_name = "NAME=SECRET[/KEY][:optional]")]
    secret: Vec<String>,
    /// A variable from a key of a Secret
    #[arg(long, value_name = "VAR=SECRET/KEY[:optional]")]
    secret_env: Vec<String>,
    /// A variable from a key of a ConfigMap
    #[arg(long, value_name = "VAR=CONFIGMAP/KEY[:optional]")]
    config_env: Vec<String>,
    /// A variable from a field of the pod: metadata.name, label/KEY, annotation/KEY, ...
    #[arg(long, value_name = "VAR=FIELDPATH")]
    field_env: Vec<String>,
    /// A variable with a plain value
    #[arg(long, value_name = "VAR=VALUE")]
    env: Vec<String>,
    /// Every key of a Secret or ConfigMap: secret/NAME, configmap/NAME
    #[arg(long, value_name = "[PREFIX=]KIND/NAME[:optional]")]
    env_from: Vec<String>,
    /// Remove a variable
    #[arg(long, value_name = "VAR")]
    unset: Vec<String>,
    /// Prefect 1: the backend, server or cloud
    #[arg(
        long,
        value_name = "BACKEND",
        value_parser = ChoiceParser::<BackendName>::new(),
        add = ArgValueCandidates::new(value_candidates::<BackendName>)
    )]
    backend: Option<Choice<BackendName>>,
    /// The URL of Prefect's API
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Prefect's API key, from a key of a Secret
    #[arg(long, value_name = "SECRET/KEY[:optional]")]
    api_key: Option<String>,
    /// Prefect 1: whether secrets are read from the environment; true if BOOL is left out
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = ChoiceParser::<BoolChoice>::new(),
        add = ArgValueCandidates::new(value_candidates::<BoolChoice>)
    )]
    local_secrets: Option<Choice<BoolChoice>>,
    /// Prefect 2 and 3: the version of prefect-kubernetes that the workers have; else the newest
    #[arg(long, value_name = "VERSION")]
    prefect_kubernetes: Option<String>,
    /// All of this from a spec file; flags win over it, a later one over an earlier one
    #[arg(long, value_name = "FILE")]
    spec: Vec<String>,
    /// Let --env write a value under a name that looks secret
    #[arg(long)]
    allow_plaintext: bool,
}

/// The values of `--backend`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BackendName {
    Server,
    Cloud,
}

/// The values of a flag that is true or false.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BoolChoice {
    True,
    False,
}

#[derive(Args)]
#[command(next_help_heading = "Where")]
struct WhereArgs {
    /// Objects to change, by patterns such as deployment/web-*, and texts in ConfigMaps: configmap/NAME:KEY.
    /// Without it Jobs, CronJobs, job_template.yaml in ConfigMaps, and for Prefect's settings agents and
    /// workers; with post-render these last only
    #[arg(long, value_name = "KIND[/NAME][:KEY]")]
    target: Vec<String>,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Containers to change, by pattern; else the first one, in which Prefect runs the flow
    #[arg(short = 'c', long, value_name = "NAME", conflicts_with = "all_containers")]
    container: Vec<String>,
    /// Change all containers
    #[arg(long)]
    all_containers: bool,
    /// Change init containers, too
    #[arg(long)]
    init_containers: bool,
    /// Leave Helm hooks alone
    #[arg(long)]
    skip_hooks: bool,
    /// Do not fail when nothing matches
    #[arg(long)]
    allow_no_match: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Names")]
struct NameArgs {
    /// Give the one target this name
    #[arg(long, value_name = "NAME", conflicts_with = "generate_name")]
    name: Option<String>,
    /// Let Kubernetes name the one target, beginning with PREFIX
    #[arg(long, value_name = "PREFIX", conflicts_with = "name_hash")]
    generate_name: Option<String>,
    /// Append a hash of the content to the names of Jobs, so that a changed Job is a new one
    #[arg(long)]
    name_hash: bool,
}

/// `-n`, checked.
///
/// # Errors
///
/// Fails if the namespace is invalid.
pub(crate) fn parse_namespace(text: Option<String>) -> Result<Option<String>> {
    if let Some(namespace) = &text {
        names::check_label_name("namespace", namespace).map_err(|fault| fault.into_error("`--namespace`"))?;
    }
    Ok(text)
}

impl ManifestArgs {
    /// What they mean; `in_place` where the files themselves are to change.
    ///
    /// # Errors
    ///
    /// Fails if a flag, a spec file or the name of an input is invalid.
    pub(crate) fn resolve(self, in_place: bool) -> Result<RenderRequest> {
        let mut request = self.edit.resolve(None)?;
        let inputs = [self.inputs, self.filename].concat();
        if !inputs.is_empty() {
            request.inputs = inputs;
        }
        request.recursive = self.recursive;
        check_inputs(&request.inputs, &request.specs, in_place)?;
        Ok(request)
    }
}

impl EditArgs {
    /// What they mean for manifests of a stranger on standard input: nothing changes that is not named.
    ///
    /// # Errors
    ///
    /// Fails if a flag or a spec file is invalid.
    pub(crate) fn require_explicit_targets(
        self,
        lower: Option<Layer>,
        own: Option<String>,
        target_syntax: TargetSyntax,
    ) -> Result<RenderRequest> {
        let mut request = self.resolve(lower)?;
        request.injection.metadata.namespace = parse_namespace(own)?;
        request.injection.no_default_targets = true;
        request.inputs = vec![STDIN.to_owned()];
        request.target_syntax = target_syntax;
        Ok(request)
    }

    /// Whether literals under names that look secret are taken.
    pub(crate) fn allow_plaintext(&self) -> bool {
        self.set.allow_plaintext
    }

    /// The largest document, in bytes.
    ///
    /// # Errors
    ///
    /// Fails if the flag is not a size.
    pub(crate) fn max_document_size(&self) -> Result<usize> {
        flag_values::parse_size("--max-document-size", &self.max_document_size)
    }

    /// What they mean, laid over what is said elsewhere; inputs are those of spec files.
    fn resolve(self, lower: Option<Layer>) -> Result<RenderRequest> {
        let mut layer = self.set.layer()?;
        for text in &self.place.target {
            layer.targets.push(flag_values::parse_target("--target", text)?);
        }
        for path in self.set.spec.iter().rev() {
            layer = layer.merge_over(read_spec(path, self.set.allow_plaintext)?);
        }
        if let Some(lower) = lower {
            layer = layer.merge_over(lower);
        }
        let inputs = std::mem::take(&mut layer.inputs);

        let max_document_size = self.max_document_size()?;
        let worker_version = self
            .set
            .prefect_kubernetes
            .as_deref()
            .map(|text| flag_values::parse_worker_version("--prefect-kubernetes", text));
        let containers = self.place.containers()?;
        if containers.is_some() {
            layer.targets.iter_mut().for_each(|target| target.containers = None);
        }
        let injection = Injection {
            worker_version: worker_version.transpose()?.unwrap_or_default(),
            metadata: self.names.resolve()?,
            selector: self.place.selector()?,
            containers: containers.unwrap_or_default(),
            init_containers: self.place.init_containers,
            skip_hooks: self.place.skip_hooks,
            ..layer.into_injection()
        };
        Ok(RenderRequest {
            inputs,
            recursive: false,
            injection,
            allow_no_match: self.place.allow_no_match,
            max_document_size,
            quiet: self.quiet,
            specs: self.set.spec,
            report: self.report,
            target_syntax: TargetSyntax::Flags,
        })
    }
}

impl SetArgs {
    /// The flags as a layer: literals last, so that they can use what references set.
    fn layer(&self) -> Result<Layer> {
        let mut layer = Layer::new(self.allow_plaintext);
        type Parse = fn(&str, &str) -> Result<RequestedVariable>;
        let variables: [(&str, &[String], Parse); 5] = [
            ("--secret", &self.secret, flag_values::parse_secret),
            ("--secret-env", &self.secret_env, flag_values::parse_secret_env),
            ("--config-env", &self.config_env, flag_values::parse_config_env),
            ("--field-env", &self.field_env, flag_values::parse_field_env),
            ("--env", &self.env, flag_values::parse_env),
        ];
        for (flag, texts, parse) in variables {
            for text in texts {
                layer.set_variable(parse(flag, text)?, &format!("`{flag}`"))?;
            }
        }
        for text in &self.env_from {
            layer.add_env_from(flag_values::parse_env_from("--env-from", text)?);
        }
        for name in &self.unset {
            layer.unset_variable(name, "`--unset`")?;
        }
        if let Some(backend) = self.backend {
            let backend = match backend.require("`--backend` is `server` or `cloud`")? {
                BackendName::Server => Some(Backend::Server),
                BackendName::Cloud => Some(Backend::Cloud),
            };
            layer.set_prefect(RequestedSettings { backend, ..RequestedSettings::default() }, "`--backend`")?;
        }
        if let Some(url) = &self.api {
            layer::check_api_url(url).map_err(|fault| fault.into_error("`--api`"))?;
            layer
                .set_prefect(RequestedSettings { api: Some(url.clone()), ..RequestedSettings::default() }, "`--api`")?;
        }
        if let Some(text) = &self.api_key {
            let api_key = Some(flag_values::parse_api_key("--api-key", text)?);
            layer.set_prefect(RequestedSettings { api_key, ..RequestedSettings::default() }, "`--api-key`")?;
        }
        if let Some(switch) = self.local_secrets {
            let switch = switch.require("`--local-secrets` is `true` or `false`")?;
            let local_secrets = Some(matches!(switch, BoolChoice::True));
            layer.set_prefect(
                RequestedSettings { local_secrets, ..RequestedSettings::default() },
                "`--local-secrets`",
            )?;
        }
        Ok(layer)
    }
}

impl WhereArgs {
    fn containers(&self) -> Result<Option<ContainerChoice>> {
        if self.all_containers {
            return Ok(Some(ContainerChoice::All));
        }
        let globs =
            self.container.iter().map(|name| layer::parse_glob("name", name, false)).collect::<Result<Vec<_>, _>>();
        let globs = globs.map_err(|fault| fault.into_error("`--container`"))?;
        Ok(if globs.is_empty() { None } else { Some(ContainerChoice::Named(globs)) })
    }

    fn selector(&self) -> Result<Option<LabelSelector>> {
        let Some(text) = &self.selector else { return Ok(None) };
        LabelSelector::parse(text).map(Some).map_err(|part| {
            Error::usage(format!("`--selector`: `{part}` is no requirement of a label"))
                .hint("write it as kubectl has it: a=b,c!=d,e in (f,g),!h")
        })
    }
}

impl NameArgs {
    fn resolve(self) -> Result<MetadataChanges> {
        if let Some(name) = &self.name {
            names::check_object_name("object", name).map_err(|fault| fault.into_error("`--name`"))?;
        }
        if let Some(prefix) = &self.generate_name {
            // Kubernetes appends letters and digits.
            names::check_object_name("object", &format!("{prefix}x"))
                .map_err(|fault| fault.into_error("`--generate-name`"))?;
        }
        let NameArgs { name, generate_name, name_hash: hash } = self;
        Ok(MetadataChanges { name, generate_name, hash, namespace: None })
    }
}

/// Reads a spec file, whose inputs are relative to its folder.
fn read_spec(path: &str, allow_plaintext: bool) -> Result<Layer> {
    if path == "-" {
        return Err(Error::usage("`--spec` is a file; `-` is for manifests"));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| Error::input(format!("can't be read: {}", describe_io_error(&error))).in_file(path))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::input("not UTF-8").hint("save the file as UTF-8").in_file(path))?;
    let mut layer = spec::parse(path, &text, allow_plaintext)?;
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    for input in layer.inputs.iter_mut().filter(|input| *input != "-") {
        *input = folder.join(&input).to_string_lossy().into_owned();
    }
    Ok(layer)
}

/// The inputs that a spec file names, as far as it can be read.
pub(crate) fn read_spec_inputs(path: &str) -> Vec<String> {
    read_spec(path, true).map(|layer| layer.inputs).unwrap_or_default()
}

fn check_inputs(inputs: &[String], specs: &[String], in_place: bool) -> Result<()> {
    if inputs.is_empty() {
        let error = Error::usage("no input: name files or directories, or `-` for standard input");
        let template = "./job_template.yaml";
        let there = Path::new(template).exists();
        if !specs.is_empty() {
            return Err(error.hint("or name them under `inputs` in the spec file"));
        }
        return Err(if there { error.hint(format!("there is a {template} here")) } else { error });
    }
    if in_place && inputs.iter().any(|input| input == "-") {
        return Err(Error::usage("`--in-place` can't change standard input (`-`)")
            .hint("leave it out, and the result is printed to standard output"));
    }
    Ok(())
}
