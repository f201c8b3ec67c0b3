//! The changes that one invocation requests: flags and spec files are merged into one [`Injection`].

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::selector::LabelSelector;
use jobplate_prefect::requested_settings::RequestedSettings;
use jobplate_prefect::variables;
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_yaml::Node;

/// A requested variable.
#[derive(Clone, Debug)]
pub struct RequestedVariable {
    /// The name as the user wrote it: the variable's name, or the secret's name for [`VariableSource::PrefectSecret`].
    pub name: String,
    /// The source of the value.
    pub source: VariableSource,
}

/// The source of a requested variable's value.
#[derive(Clone, Debug)]
pub enum VariableSource {
    /// A Prefect 1 secret. The variable's name is derived from the secret's name.
    PrefectSecret {
        /// The key of the Kubernetes Secret.
        reference: KeyRef,
        /// The place in a spec file that requests the secret, as `FILE:LINE`. `None` for `--secret`.
        spec_place: Option<String>,
    },
    /// `--secret-env`, `--config-env`, `--field-env`, `--env`: an entry with the requested name.
    Entry(EnvValue),
}

/// Changes to the `metadata` of targets.
#[derive(Clone, Debug, Default)]
pub struct MetadataChanges {
    /// `--name`: the new name.
    pub name: Option<String>,
    /// `--generate-name`: the new `generateName`.
    pub generate_name: Option<String>,
    /// `--name-hash`: whether the hash of a Job is appended to its name.
    pub append_hash: bool,
    /// `-n`: the namespace for targets without a namespace. A target with a different namespace is an error.
    pub namespace: Option<String>,
}

/// All changes that one invocation requests.
#[derive(Clone, Debug, Default)]
pub struct Injection {
    /// Variables to set, without duplicate names, in the order in which new entries are written.
    pub variables: Vec<RequestedVariable>,
    /// The `envFrom` sources to add.
    pub env_from: Vec<EnvFrom>,
    /// The names of the variables to remove.
    pub unset: Vec<String>,
    /// Prefect's own settings, such as the API's URL.
    pub prefect: RequestedSettings,
    /// The version of the Prefect workers that read the base job templates.
    pub worker_version: WorkerVersion,
    /// Changes to the `metadata` of targets.
    pub metadata: MetadataChanges,
    /// `--target`. If empty, the default targets are used.
    pub targets: Vec<Target>,
    /// Whether Jobs and templates are targets only if `targets` names them. Set for manifests written by others, such
    /// as a Helm chart, whose Jobs must not get a secret by default. Agents and workers still get Prefect's settings.
    pub no_default_targets: bool,
    /// `-l`: the labels that targets must have.
    pub selector: Option<LabelSelector>,
    /// `-c`, `--all-containers`: the containers to select in each target.
    pub containers: ContainerChoice,
    /// `--init-containers`: whether init containers are also selected. If `containers` contains names, only init
    /// containers with these names are selected.
    pub init_containers: bool,
    /// `--skip-hooks`: whether Helm hooks are left unchanged.
    pub skip_hooks: bool,
}

impl Injection {
    /// Refuses changes to `metadata` for a base job template, because the worker generates the names of its Jobs.
    pub(super) fn refuse_metadata_changes(&self, template: Node<'_>) -> Result<()> {
        let MetadataChanges { name, generate_name, append_hash, namespace } = &self.metadata;
        let flags = [
            ("--name", name.is_some()),
            ("--generate-name", generate_name.is_some()),
            ("--name-hash", *append_hash),
            ("--namespace", namespace.is_some()),
        ];
        let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        let start = template.span().start;
        Err(Error::usage(format!("`{flag}`: the target is a base job template, and the worker names its Jobs"))
            .at(start..start + 1)
            .hint("change the defaults of its variables `name` and `namespace`, or choose another target"))
    }

    /// Returns whether Jobs and templates are targets by default.
    pub(super) fn has_default_targets(&self) -> bool {
        self.targets.is_empty() && !self.no_default_targets
    }

    /// Refuses Prefect 1 secrets for an object that no flow run of Prefect 1 reads. `reason` completes the error
    /// message, whose subject is `object`.
    pub(super) fn refuse_prefect1_secrets(&self, node: Node<'_>, object: &str, reason: &str) -> Result<()> {
        for variable in &self.variables {
            if let VariableSource::PrefectSecret { reference, spec_place } = &variable.source {
                let (request, replacement) = describe_secret(&variable.name, reference, spec_place.as_deref());
                let start = node.span().start;
                return Err(Error::refused(format!("{request}: {object} {reason}"))
                    .at(start..start + 1)
                    .hint(format!("use {replacement}")));
            }
        }
        Ok(())
    }

    /// Returns the names of the variables that get a reference. Their literals in the input are treated as sensitive.
    pub fn referencing_variables(&self) -> impl Iterator<Item = String> + '_ {
        self.variables.iter().filter_map(|RequestedVariable { name, source }| match source {
            VariableSource::PrefectSecret { .. } => Some(variables::secret_variable(name)),
            VariableSource::Entry(EnvValue::Literal(_)) => None,
            VariableSource::Entry(_) => Some(name.clone()),
        })
    }

    /// Returns whether only Prefect's settings and changes to `metadata` are requested.
    pub fn is_settings_only(&self) -> bool {
        self.variables.is_empty() && self.env_from.is_empty() && self.unset.is_empty()
    }

    /// Returns whether Prefect 1 secrets or Prefect's settings are requested, which only flow runs and agents read.
    pub(super) fn is_for_flow_runs(&self) -> bool {
        let is_secret = |variable: &RequestedVariable| matches!(variable.source, VariableSource::PrefectSecret { .. });
        !self.prefect.is_empty() || self.variables.iter().any(is_secret)
    }

    /// Returns whether it is an error if no target matches. It is not an error if only `--name-hash` is requested.
    pub fn needs_target(&self) -> bool {
        let MetadataChanges { name, generate_name, namespace, .. } = &self.metadata;
        let renames = [name, generate_name, namespace].into_iter().any(Option::is_some);
        !self.is_settings_only() || !self.prefect.is_empty() || renames
    }

    /// Returns whether no changes are requested.
    pub fn is_empty(&self) -> bool {
        let MetadataChanges { name, generate_name, append_hash, namespace } = &self.metadata;
        let renames = *append_hash || [name, generate_name, namespace].into_iter().any(Option::is_some);
        self.is_settings_only() && self.prefect.is_empty() && !renames
    }
}

/// Returns how a Prefect 1 secret is requested, and how to set its variable by name instead.
fn describe_secret(name: &str, reference: &KeyRef, spec_place: Option<&str>) -> (String, String) {
    let KeyRef { name: secret, key, optional } = reference;
    match spec_place {
        None => {
            let optional = if *optional { ":optional" } else { "" };
            let flag = format!("--secret-env {name}={secret}/{key}{optional}");
            (format!("`--secret {name}`"), flag)
        }
        Some(place) => {
            let optional = if *optional { ", optional: true" } else { "" };
            let reference = format!("{{secretKeyRef: {{name: {secret}, key: {key}{optional}}}}}");
            let entry = format!("{{name: {name}, valueFrom: {reference}}}");
            (format!("`spec.secrets.{name}` ({place})"), format!("`spec.env`: {entry}"))
        }
    }
}
