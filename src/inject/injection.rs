//! What is asked for: flags and spec files become one [`Injection`].

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_manifest::selector::LabelSelector;
use jobplate_prefect::requested_settings::RequestedSettings;
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_yaml::Node;

/// A variable to set.
#[derive(Clone, Debug)]
pub struct RequestedVariable {
    /// Its name as the user gave it: an env name, or for [`VariableSource::PrefectSecret`] Prefect's name.
    pub name: String,
    /// What it is to be.
    pub source: VariableSource,
}

/// How a variable was asked for.
#[derive(Clone, Debug)]
pub enum VariableSource {
    /// `--secret`: a Prefect 1 secret, by Prefect's name for it.
    PrefectSecret(KeyRef),
    /// `--secret-env`, `--config-env`, `--field-env`, `--env`: this entry under this very name.
    Entry(EnvValue),
}

/// Changes to `metadata`.
#[derive(Clone, Debug, Default)]
pub struct MetadataChanges {
    /// `--name`
    pub name: Option<String>,
    /// `--generate-name`
    pub generate_name: Option<String>,
    /// `--name-hash`
    pub hash: bool,
    /// `-n`: fills a missing namespace; a different one is an error.
    pub namespace: Option<String>,
}

/// Everything one call asks for.
#[derive(Clone, Debug, Default)]
pub struct Injection {
    /// Variables to set, each name once, in the order in which new ones are written.
    pub variables: Vec<RequestedVariable>,
    /// `envFrom` sources to add.
    pub env_from: Vec<EnvFrom>,
    /// Names of variables to remove.
    pub unset: Vec<String>,
    /// Prefect's own settings.
    pub prefect: RequestedSettings,
    /// The version of Prefect's workers that base job templates are for.
    pub worker_version: WorkerVersion,
    /// Changes to `metadata`.
    pub metadata: MetadataChanges,
    /// `--target`; empty stands for the default targets.
    pub targets: Vec<Target>,
    /// Without a target nothing is changed but agents and workers, by Prefect's settings: no Job of a stranger's
    /// chart gets a secret unasked.
    pub no_default_targets: bool,
    /// `-l`
    pub selector: Option<LabelSelector>,
    /// `-c`, `--all-containers`
    pub containers: ContainerChoice,
    /// `--init-containers`: init containers too (those that the choice names, or all of them).
    pub init_containers: bool,
    /// `--skip-hooks`: leave objects alone that are Helm hooks.
    pub skip_hooks: bool,
}

impl Injection {
    /// Refuses names for a base job template, whose Jobs the worker names.
    pub(super) fn refuse_names(&self, template: Node<'_>) -> Result<()> {
        let MetadataChanges { name, generate_name, hash, namespace } = &self.metadata;
        let flags = [
            ("--name", name.is_some()),
            ("--generate-name", generate_name.is_some()),
            ("--name-hash", *hash),
            ("--namespace", namespace.is_some()),
        ];
        let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        let start = template.span().start;
        Err(Error::usage(format!("`{flag}`: the target is a base job template, whose Jobs the worker names"))
            .at(start..start + 1)
            .hint("change the defaults of its variables `name` and `namespace`, or name another target"))
    }

    /// Refuses `--secret` for something that no flow run of Prefect 1 reads.
    pub(super) fn refuse_secrets(&self, node: Node<'_>, what: &str, why: &str) -> Result<()> {
        for variable in &self.variables {
            if let VariableSource::PrefectSecret(reference) = &variable.source {
                let optional = if reference.optional { ":optional" } else { "" };
                let start = node.span().start;
                return Err(Error::refused(format!("--secret {}: {what} {why}", variable.name))
                    .at(start..start + 1)
                    .hint(format!(
                        "name the variable itself: --secret-env {}={}/{}{optional}",
                        variable.name, reference.name, reference.key
                    )));
            }
        }
        Ok(())
    }

    /// Whether nothing but Prefect's settings and names is asked for: agents take those, too.
    pub fn is_settings_only(&self) -> bool {
        self.variables.is_empty() && self.env_from.is_empty() && self.unset.is_empty()
    }

    /// Whether it makes no sense without a target: a hash for the names of Jobs is for those that are there.
    pub fn needs_target(&self) -> bool {
        let MetadataChanges { name, generate_name, namespace, .. } = &self.metadata;
        let renames = [name, generate_name, namespace].into_iter().any(Option::is_some);
        !self.is_settings_only() || !self.prefect.is_empty() || renames
    }

    /// Whether nothing at all is asked for.
    pub fn is_empty(&self) -> bool {
        let MetadataChanges { name, generate_name, hash, namespace } = &self.metadata;
        let renames = *hash || [name, generate_name, namespace].into_iter().any(Option::is_some);
        self.is_settings_only() && self.prefect.is_empty() && !renames
    }
}
