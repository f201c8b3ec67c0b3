//! The cluster flags of `apply` and `diff`. Flags that kubectl has too have the same names and meaning.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use jobplate_cluster::{
    ClusterOptions, FieldValidation, KubeconfigSource, ServiceAccount, SessionOptions, WriteOptions,
};
use jobplate_diagnostic::{Error, Result};

use super::choice::{Choice, ChoiceParser, value_candidates};
use super::edit_args::ManifestArgs;
use super::flag_values::parse_namespace;
use super::render_request::RenderRequest;
use super::temp_files;

/// The longest duration of a flag, 100 years. Also means "no timeout".
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The directory in which a pod has the token of its service account.
const SERVICE_ACCOUNT_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[derive(Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// Namespace of every object, instead of that of the kubeconfig; manifests are not changed
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Path of the kubeconfig file, instead of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The cluster of the kubeconfig
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// The user of the kubeconfig
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// URL of the API server, instead of that of the kubeconfig
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Bearer token; other users of this machine can see it in the list of processes
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// File with the certificate authority of the API server, instead of that of the kubeconfig
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_skip_tls_verify")]
    certificate_authority: Option<PathBuf>,
    /// Name in the certificate of the API server
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Accept any certificate of the API server; somebody on the network can then read all secrets
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    impersonate: Option<String>,
    /// Group to impersonate; repeat the flag for several groups
    #[arg(long = "as-group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Maximum duration of a request, such as 30s; 0 for no limit
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    request_timeout: String,
    /// Number of concurrent requests
    #[arg(long, value_name = "NUMBER", default_value = "4")]
    concurrency: String,
    /// Name of the field manager
    #[arg(long, value_name = "NAME", default_value = "jobplate")]
    field_manager: String,
    /// How the API server handles unknown and duplicate fields: strict, warn, ignore
    #[arg(
        long,
        value_name = "HOW",
        default_value = "strict",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "strict",
        value_parser = ChoiceParser::<ValidateMode>::new(),
        add = ArgValueCandidates::new(value_candidates::<ValidateMode>)
    )]
    validate: Choice<ValidateMode>,
    /// Overwrite conflicting fields owned by other field managers
    #[arg(long)]
    pub(crate) force_conflicts: bool,
    /// Take over the variables that this command sets from other field managers, and no other fields
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Print each request to stderr
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Resolves the manifest arguments of `apply` and `diff`.
///
/// # Errors
///
/// Fails if a flag or spec file is invalid, or if `--take-over` is given and no env entry is named.
pub(crate) fn resolve_manifests(args: ManifestArgs, cluster: &ClusterArgs) -> Result<RenderRequest> {
    let mut request = args.resolve(false)?;
    request.sends_objects = true;
    let injection = &request.injection;
    let names_entries = !injection.variables.is_empty() || !injection.unset.is_empty() || !injection.prefect.is_empty();
    if cluster.take_over && !names_entries {
        return Err(Error::usage("`--take-over` requires variables to take over")
            .hint("set them, such as --take-over --secret-env VAR=SECRET/KEY or --unset VAR"));
    }
    Ok(request)
}

/// The values of `--validate`, like kubectl's.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ValidateMode {
    #[value(alias = "true")]
    Strict,
    Warn,
    #[value(alias = "false")]
    Ignore,
}

impl ClusterArgs {
    /// Converts the flags to session options.
    ///
    /// # Errors
    ///
    /// Fails if the value of a flag is invalid.
    pub(crate) fn resolve_session(self) -> Result<SessionOptions> {
        let concurrency = self.concurrency.parse().ok().filter(|number| (1..=100).contains(number));
        let concurrency = concurrency.ok_or_else(|| Error::usage("`--concurrency` must be a number from 1 to 100"))?;
        let validation = match self.validate.require("`--validate` must be `strict`, `warn` or `ignore`")? {
            ValidateMode::Strict => FieldValidation::Strict,
            ValidateMode::Warn => FieldValidation::Warn,
            ValidateMode::Ignore => FieldValidation::Ignore,
        };
        let manager = self.field_manager;
        if manager.is_empty() || manager.len() > 128 || manager.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return Err(Error::usage("`--field-manager` must have 1 to 128 printable characters"));
        }
        let cluster = ClusterOptions {
            kubeconfigs: find_kubeconfig(self.kubeconfig),
            server: self.server,
            token: self.token.map(|token| token.trim().to_owned()),
            certificate_authority: self.certificate_authority,
            tls_server_name: self.tls_server_name,
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            context: self.context,
            cluster: self.cluster,
            user: self.user,
            impersonate: self.impersonate,
            impersonate_groups: self.groups,
        };
        Ok(SessionOptions {
            cluster,
            namespace: parse_namespace(self.namespace)?,
            request_timeout: parse_duration("--request-timeout", &self.request_timeout)?,
            concurrency,
            write_options: WriteOptions { field_manager: manager, field_validation: validation },
            includes_hangup: temp_files::accepts_hangup(),
            on_listening: temp_files::leave_interrupts_to_session,
            on_second_interrupt: || {
                temp_files::remove_all();
                crate::ui::exit_interrupted();
            },
        })
    }
}

/// Finds the kubeconfig like kubectl: the flag's file, `KUBECONFIG`, `~/.kube/config`, then the in-cluster
/// configuration. Returns `None` if no configuration is found.
pub(crate) fn find_kubeconfig(named: Option<PathBuf>) -> Option<KubeconfigSource> {
    if let Some(path) = named {
        return Some(KubeconfigSource::Flag(path));
    }
    if let Some(list) = std::env::var_os("KUBECONFIG") {
        let paths: Vec<PathBuf> = std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
        if !paths.is_empty() {
            return Some(KubeconfigSource::Env(paths));
        }
    }
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    if let Some(path) = home.map(|home| PathBuf::from(home).join(".kube/config")).filter(|path| path.exists()) {
        return Some(KubeconfigSource::Default(path));
    }
    let host = std::env::var("KUBERNETES_SERVICE_HOST").ok().filter(|host| !host.is_empty())?;
    let (port, directory) = (std::env::var("KUBERNETES_SERVICE_PORT").ok(), SERVICE_ACCOUNT_DIRECTORY.into());
    Some(KubeconfigSource::InCluster(ServiceAccount { host, port, directory }))
}

/// Parses a duration: `30s`, `5m`, `1h30m` or a number of seconds. Returns `None` for 0, which means no timeout.
///
/// # Errors
///
/// Fails if `text` is not a duration.
pub(crate) fn parse_duration(flag: &str, text: &str) -> Result<Option<Duration>> {
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let parse_units = || text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    match seconds.or_else(parse_units) {
        Some(Duration::ZERO) => Ok(None),
        Some(duration) => Ok(Some(duration.min(MAX_DURATION))),
        None => {
            Err(Error::usage(format!("`{flag}` must be a duration")).hint("use a duration such as 30s, 5m or 1h30m"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_durations_and_seconds() {
        for (text, seconds) in [("30", Some(30)), ("30s", Some(30)), ("1h30m", Some(5400)), ("0", None), ("0s", None)] {
            assert_eq!(parse_duration("--x", text).unwrap(), seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["", "-1s", "five", "1x"] {
            assert!(parse_duration("--x", text).is_err(), "{text}");
        }
    }
}
