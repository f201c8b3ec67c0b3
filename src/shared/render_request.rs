//! Resolves the flags and spec files of a command into a request: inputs, edits and options. Reads spec files only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jobplate::inject::layer::{self, Layer};
use jobplate::inject::{Injection, MetadataChanges, RequestedVariable, spec};
use jobplate_diagnostic::{Error, Result, describe_io_error, display_path};
use jobplate_manifest::names;
use jobplate_manifest::select::ContainerChoice;
use jobplate_manifest::selector::LabelSelector;
use jobplate_prefect::requested_settings::{Backend, RequestedSettings};

use super::edit_args::{
    BackendName, BoolChoice, EditArgs, ManifestArgs, NameArgs, RequiredMatch, STDIN, SetArgs, WhereArgs, is_stdin,
};
use super::flag_values;
use super::similar_file::suggest_file;

/// A resolved request: the inputs, the edits and the options of a command that renders.
pub(crate) struct RenderRequest {
    /// Files and directories to read; `-` is standard input.
    pub inputs: Vec<PathBuf>,
    /// Whether to descend into directories.
    pub recursive: bool,
    /// The edits to make and their targets.
    pub injection: Injection,
    /// Whether `--allow-no-match` is set.
    pub allow_no_match: bool,
    /// `--require-match`: what must match.
    pub require_match: Option<RequiredMatch>,
    /// The maximum size of a document, in bytes.
    pub max_document_size: usize,
    /// Whether notes are suppressed.
    pub quiet: bool,
    /// The paths of the spec files.
    pub specs: Vec<PathBuf>,
    /// The path of `--report`.
    pub report: Option<PathBuf>,
    /// Whether the objects are sent to an API server, which requires stricter checks.
    pub sends_objects: bool,
    /// The syntax in which the user writes targets, for hints.
    pub target_syntax: TargetSyntax,
}

/// The syntax of targets, which depends on where the user writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetSyntax {
    /// As a `--target` flag.
    Flags,
    /// In a spec file that is passed with `--spec`.
    SpecFile,
    /// As a `--target` flag passed on by Helm's `--post-renderer-args`.
    Helm,
    /// In the spec of a KRM function's `functionConfig`.
    FunctionConfig,
    /// In a parameter or the spec file of an Argo CD application.
    Parameters,
}

impl ManifestArgs {
    /// Resolves the arguments. `in_place` is true if the input files are replaced.
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
    /// Resolves the arguments for manifests on standard input that a chart, kustomize or Argo CD supplies. Edits only
    /// objects that a target names, except for Prefect settings.
    ///
    /// `lower` is a layer that the flags override, `namespace` the value of `--namespace`.
    ///
    /// # Errors
    ///
    /// Fails if a flag or a spec file is invalid.
    pub(crate) fn require_explicit_targets(
        self,
        lower: Option<Layer>,
        namespace: Option<String>,
        target_syntax: TargetSyntax,
    ) -> Result<RenderRequest> {
        let mut request = self.resolve(lower)?;
        request.injection.metadata.namespace = flag_values::parse_namespace(namespace)?;
        request.injection.no_default_targets = true;
        request.inputs = vec![STDIN.into()];
        request.target_syntax = target_syntax;
        Ok(request)
    }

    /// Returns whether `--allow-plaintext` is set: plain values are allowed for names that look secret.
    pub(crate) fn allow_plaintext(&self) -> bool {
        self.set.allow_plaintext
    }

    /// Returns the maximum size of a document, in bytes.
    ///
    /// # Errors
    ///
    /// Fails if the flag's value is not a size.
    pub(crate) fn max_document_size(&self) -> Result<usize> {
        flag_values::parse_size("--max-document-size", &self.max_document_size)
    }

    /// Resolves the flags. Flags override spec files, and spec files override `lower`. The request's inputs are the
    /// inputs of the spec files.
    fn resolve(self, lower: Option<Layer>) -> Result<RenderRequest> {
        let mut layer = self.set.to_layer()?;
        for text in &self.targets.target {
            layer.add_target(flag_values::parse_target("--target", text)?)?;
        }
        for path in self.set.spec.iter().rev() {
            layer = layer.merge_over(read_spec(path, self.set.allow_plaintext)?);
        }
        if let Some(lower) = lower {
            layer = layer.merge_over(lower);
        }
        let has_only_spec = self.targets.target.is_empty() && !self.set.spec.is_empty();
        let inputs = std::mem::take(&mut layer.inputs);

        let max_document_size = self.max_document_size()?;
        let worker_version = self
            .set
            .prefect_kubernetes
            .as_deref()
            .map(|text| flag_values::parse_worker_version("--prefect-kubernetes", text));
        let containers = self.targets.resolve_containers()?;
        let require_match =
            self.targets.require_match.map(|scope| scope.require("`--require-match` must be `all` or `files`"));
        let require_match = require_match.transpose()?;
        if containers.is_some() {
            layer.ignore_target_containers();
        }
        let injection = Injection {
            worker_version: worker_version.transpose()?.unwrap_or_default(),
            metadata: self.names.resolve()?,
            selector: self.targets.resolve_selector()?,
            containers: containers.unwrap_or_default(),
            init_containers: self.targets.init_containers,
            skip_hooks: self.targets.skip_hooks,
            ..layer.into_injection()
        };
        Ok(RenderRequest {
            inputs,
            recursive: false,
            injection,
            allow_no_match: self.targets.allow_no_match,
            require_match,
            max_document_size,
            quiet: self.quiet,
            specs: self.set.spec,
            report: self.report,
            sends_objects: false,
            target_syntax: if has_only_spec { TargetSyntax::SpecFile } else { TargetSyntax::Flags },
        })
    }
}

impl SetArgs {
    /// Converts the flags to a layer. Literals come last, so that their values can use the references before them.
    fn to_layer(&self) -> Result<Layer> {
        let mut layer = Layer::new(self.allow_plaintext);
        type ParseVariable = fn(&str, &str) -> Result<RequestedVariable>;
        let variables: [(&str, &[String], ParseVariable); 5] = [
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
            layer.add_env_from(flag_values::parse_env_from("--env-from", text)?)?;
        }
        for name in &self.unset {
            layer.unset_variable(name, "`--unset`")?;
        }
        if let Some(backend) = self.backend {
            let backend = match backend.require("`--backend` must be `server` or `cloud`")? {
                BackendName::Server => Some(Backend::Server),
                BackendName::Cloud => Some(Backend::Cloud),
            };
            layer.set_prefect_setting(RequestedSettings { backend, ..RequestedSettings::default() }, "`--backend`")?;
        }
        if let Some(url) = &self.api {
            layer::check_api_url(url).map_err(|fault| fault.into_error("`--api`"))?;
            layer.set_prefect_setting(
                RequestedSettings { api: Some(url.clone()), ..RequestedSettings::default() },
                "`--api`",
            )?;
        }
        if let Some(text) = &self.api_key {
            let api_key = Some(flag_values::parse_api_key("--api-key", text)?);
            layer.set_prefect_setting(RequestedSettings { api_key, ..RequestedSettings::default() }, "`--api-key`")?;
        }
        if let Some(switch) = self.local_secrets {
            let switch = switch.require("`--local-secrets` must be `true` or `false`")?;
            let local_secrets = Some(matches!(switch, BoolChoice::True));
            layer.set_prefect_setting(
                RequestedSettings { local_secrets, ..RequestedSettings::default() },
                "`--local-secrets`",
            )?;
        }
        Ok(layer)
    }
}

impl WhereArgs {
    fn resolve_containers(&self) -> Result<Option<ContainerChoice>> {
        if self.all_containers {
            return Ok(Some(ContainerChoice::All));
        }
        let globs =
            self.container.iter().map(|name| layer::parse_glob("name", name, false)).collect::<Result<Vec<_>, _>>();
        let globs = globs.map_err(|fault| fault.into_error("`--container`"))?;
        Ok(if globs.is_empty() { None } else { Some(ContainerChoice::Named(globs)) })
    }

    fn resolve_selector(&self) -> Result<Option<LabelSelector>> {
        let Some(text) = &self.selector else { return Ok(None) };
        LabelSelector::parse(text).map(Some).map_err(|part| {
            Error::usage(format!("`--selector`: invalid label requirement `{part}`"))
                .hint("use the syntax of kubectl: a=b,c!=d,e in (f,g),!h")
        })
    }
}

impl NameArgs {
    fn resolve(self) -> Result<MetadataChanges> {
        if let Some(name) = &self.name {
            names::check_object_name("object", name).map_err(|fault| fault.into_error("`--name`"))?;
        }
        if let Some(prefix) = &self.generate_name {
            // Kubernetes appends random letters and digits to the prefix, so the prefix may end with a hyphen.
            names::check_object_name("object", &format!("{prefix}x"))
                .map_err(|fault| fault.into_error("`--generate-name`"))?;
        }
        let NameArgs { name, generate_name, name_hash: append_hash } = self;
        Ok(MetadataChanges { name, generate_name, append_hash, namespace: None })
    }
}

/// Reads a spec file. Its inputs are relative to its directory. Literals that look like credentials are errors unless
/// `allow_plaintext` is true.
///
/// # Errors
///
/// Fails if the file cannot be read or is invalid.
pub(crate) fn read_spec(path: &Path, allow_plaintext: bool) -> Result<Layer> {
    if is_stdin(path) {
        return Err(Error::usage("`--spec` must be a file; `-` is for manifests"));
    }
    let name = display_path(path);
    let bytes = std::fs::read(path).map_err(|error| {
        let error = Error::input(format!("cannot be read: {}", describe_io_error(&error))).in_file(&name);
        suggest_file(path).into_iter().fold(error, Error::hint)
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::input("not UTF-8").hint("save the file as UTF-8").in_file(&name))?;
    let mut layer = spec::parse(&name, &text, allow_plaintext)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    for input in layer.inputs.iter_mut().filter(|input| !is_stdin(input)) {
        *input = directory.join(&input);
    }
    Ok(layer)
}

/// Returns the inputs that a spec file names. Empty if the spec file is invalid.
pub(crate) fn read_spec_inputs(path: &Path) -> Vec<PathBuf> {
    read_spec(path, true).map(|layer| layer.inputs).unwrap_or_default()
}

/// Returns the inputs that a spec file names and that do not exist, each with an error that names the spec file.
pub(crate) fn missing_spec_inputs(request: &RenderRequest) -> HashMap<PathBuf, Error> {
    let missing: Vec<&PathBuf> = request.inputs.iter().filter(|input| !is_stdin(input) && !input.exists()).collect();
    if missing.is_empty() {
        return HashMap::new();
    }
    let mut named_in = HashMap::new();
    for spec in &request.specs {
        for input in read_spec_inputs(spec) {
            named_in.entry(input).or_insert(spec);
        }
    }
    let errors = missing.into_iter().filter_map(|input| {
        let spec = display_path(named_in.get(input)?);
        let hint = format!("correct the path under `inputs` in {spec}: it is relative to the spec file");
        let error = Error::input("cannot be read: no such file or directory").in_file(display_path(input)).hint(hint);
        Some((input.clone(), error))
    });
    errors.collect()
}

/// Checks that there are inputs, and that none of them is standard input if `in_place` is true.
///
/// # Errors
///
/// Fails if `inputs` is empty, or if standard input cannot be changed.
pub(crate) fn check_inputs(inputs: &[PathBuf], specs: &[PathBuf], in_place: bool) -> Result<()> {
    if inputs.is_empty() {
        let error = Error::usage("no input files: pass files or directories, or `-` for standard input");
        let template = "./job_template.yaml";
        let template_exists = Path::new(template).exists();
        if !specs.is_empty() {
            return Err(error.hint("or list them under `inputs` in the spec file"));
        }
        return Err(if template_exists { error.hint(format!("found in this directory: {template}")) } else { error });
    }
    if in_place && inputs.iter().any(|input| is_stdin(input)) {
        return Err(Error::usage("`--in-place` cannot change standard input (`-`)")
            .hint("remove --in-place to print the result to standard output"));
    }
    Ok(())
}
