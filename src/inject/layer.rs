//! Collects the settings from one source (the command line or a spec file), and merges one source over another.
//!
//! Both sources call the same methods, so both are validated in the same way. The module does not depend on flags or
//! YAML: each setting has an `origin`, the name of its flag or key, which appears only in errors.

use std::collections::HashMap;
use std::path::PathBuf;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::credentials::is_credential;
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue};
use jobplate_manifest::names::{self, ValidationError};
use jobplate_manifest::select::Target;
use jobplate_prefect::generation::Generation;
use jobplate_prefect::requested_settings::RequestedSettings;
use jobplate_prefect::variables;

use super::injection::{Injection, RequestedVariable, VariableSource};
pub use super::target_pattern::{parse_glob, parse_target};

/// The maximum number of targets. Every object is compared with every target.
const MAX_TARGETS: usize = 256;
/// The maximum number of variables that a layer sets or removes, and of its `envFrom` sources.
const MAX_SETTINGS: usize = 40_000;

/// The settings from one source: the command line or a spec file.
#[derive(Debug, Default)]
pub struct Layer {
    /// The input files, as they are written in the source.
    pub inputs: Vec<PathBuf>,
    /// The targets. If empty, the lower layer's targets or the default targets are used.
    targets: Vec<Target>,
    assignments: Vec<Assignment>,
    /// The positions in `assignments`, keyed by the variables that they set or remove.
    assigned: HashMap<String, usize>,
    /// The `envFrom` sources. `None` for a source that a later one replaces.
    env_from: Vec<Option<EnvFrom>>,
    /// The positions of the sources in `env_from`.
    env_from_positions: HashMap<(EnvFromKind, String, String), usize>,
    allow_plaintext: bool,
}

/// A setting, with the names of the variables that it sets or removes. A Prefect setting has a variable for each
/// generation of Prefect.
#[derive(Debug)]
struct Assignment {
    variables: Vec<String>,
    op: Op,
    origin: String,
}

/// The operation of an assignment.
#[derive(Debug)]
enum Op {
    Set(RequestedVariable),
    Unset,
    Setting(RequestedSettings),
}

impl Layer {
    /// Creates an empty layer. The layer refuses literals that look like credentials unless `allow_plaintext` is true.
    pub fn new(allow_plaintext: bool) -> Self {
        Layer { allow_plaintext, ..Layer::default() }
    }

    /// Sets a variable. `origin` is the name of the flag or key that sets the variable.
    ///
    /// # Errors
    ///
    /// Fails if the variable name is invalid, if the value is a literal that looks like a credential, or if the
    /// layer already sets or removes the variable.
    pub fn set_variable(&mut self, variable: RequestedVariable, origin: &str) -> Result<()> {
        names::check_requested_env_name(&variable.name).map_err(|error| error.into_error(origin))?;
        let name = match &variable.source {
            VariableSource::PrefectSecret { spec_place, .. } => {
                check_prefect_secret_name(&variable.name, spec_place.is_some())
                    .map_err(|error| error.into_error(origin))?;
                variables::secret_variable(&variable.name)
            }
            VariableSource::Entry(EnvValue::Literal(value))
                if !self.allow_plaintext && is_credential(&variable.name, value) =>
            {
                let name = &variable.name;
                return Err(Error::usage(format!(
                    "{origin}: `{name}` looks like a secret, which would be in plain text in the manifest"
                ))
                .hint(format!(
                    "use --secret-env {name}=SECRET/KEY (or --secret with Prefect 1), or pass --allow-plaintext"
                )));
            }
            VariableSource::Entry(_) => variable.name.clone(),
        };
        self.assign(vec![name], Op::Set(variable), origin)
    }

    /// Removes a variable.
    ///
    /// # Errors
    ///
    /// Fails if the variable name is invalid, or if the layer already sets the variable.
    pub fn unset_variable(&mut self, name: &str, origin: &str) -> Result<()> {
        names::check_requested_env_name(name).map_err(|error| error.into_error(origin))?;
        self.assign(vec![name.to_owned()], Op::Unset, origin)
    }

    /// Sets one of Prefect's settings.
    ///
    /// # Errors
    ///
    /// Fails if the layer already sets or removes one of the setting's variables.
    pub fn set_prefect_setting(&mut self, setting: RequestedSettings, origin: &str) -> Result<()> {
        let generations = [Generation::Prefect1, Generation::Prefect2Or3];
        let entries =
            generations.iter().filter_map(|generation| variables::setting_env_vars(&setting, *generation).ok());
        let names = entries.flatten().map(|variable| variable.name).collect();
        self.assign(names, Op::Setting(setting), origin)
    }

    /// Adds a target.
    ///
    /// # Errors
    ///
    /// Fails if there are more than [`MAX_TARGETS`] targets.
    pub fn add_target(&mut self, target: Target) -> Result<()> {
        if self.targets.len() == MAX_TARGETS {
            return Err(Error::usage(format!("too many targets: more than {MAX_TARGETS}"))
                .hint("use patterns such as `job/etl-*` that match several objects"));
        }
        self.targets.push(target);
        Ok(())
    }

    /// Removes the choice of containers from all targets.
    pub fn ignore_target_containers(&mut self) {
        self.targets.iter_mut().for_each(|target| target.containers = None);
    }

    /// Adds an `envFrom` source. An earlier source that differs only in `optional` is replaced.
    ///
    /// # Errors
    /// Fails if there are more than [`MAX_SETTINGS`] sources.
    pub fn add_env_from(&mut self, source: EnvFrom) -> Result<()> {
        check_count(self.env_from.len(), "`envFrom` sources").map(|()| self.replace_env_from(source))
    }

    fn replace_env_from(&mut self, source: EnvFrom) {
        let key = (source.kind, source.name.clone(), source.prefix.clone());
        if let Some(earlier) = self.env_from_positions.insert(key, self.env_from.len()) {
            self.env_from[earlier] = None;
        }
        self.env_from.push(Some(source));
    }

    fn assign(&mut self, variables: Vec<String>, op: Op, origin: &str) -> Result<()> {
        // Of several shared variables, the error names the variable of the first assignment.
        let shared = variables.iter().filter_map(|name| Some((*self.assigned.get(name)?, name)));
        match shared.min_by_key(|(position, _)| *position).map(|(position, name)| (&self.assignments[position], name)) {
            None => {
                check_count(self.assignments.len(), "variables")?;
                self.assigned.extend(variables.iter().map(|name| (name.clone(), self.assignments.len())));
                self.assignments.push(Assignment { variables, op, origin: origin.to_owned() });
            }
            Some((Assignment { op: Op::Unset, .. }, _)) if matches!(op, Op::Unset) => {}
            Some((earlier, name)) => {
                let message = match earlier.origin == origin {
                    true => format!("{origin} is given twice for `{name}`"),
                    false => format!("`{name}` is given twice: {} and {origin}", earlier.origin),
                };
                return Err(Error::usage(message).hint("remove one of the two"));
            }
        }
        Ok(())
    }

    /// Merges this layer over a lower layer. If both set or remove a variable, this layer's assignment is kept. Inputs
    /// and targets of this layer replace those of the lower layer.
    #[must_use]
    pub fn merge_over(self, mut lower: Layer) -> Layer {
        let is_overridden =
            |assignment: &Assignment| assignment.variables.iter().any(|name| self.assigned.contains_key(name));
        lower.assignments.retain(|assignment| !is_overridden(assignment));
        lower.assignments.extend(self.assignments);
        let variables = |(position, assignment): (usize, &Assignment)| {
            assignment.variables.iter().map(move |name| (name.clone(), position)).collect::<Vec<_>>()
        };
        lower.assigned = lower.assignments.iter().enumerate().flat_map(variables).collect();
        self.env_from.into_iter().flatten().for_each(|source| lower.replace_env_from(source));
        if !self.inputs.is_empty() {
            lower.inputs = self.inputs;
        }
        if !self.targets.is_empty() {
            lower.targets = self.targets;
        }
        lower
    }

    /// Returns the injection that the settings request.
    pub fn into_injection(self) -> Injection {
        let env_from = self.env_from.into_iter().flatten().collect();
        let mut injection = Injection { env_from, targets: self.targets, ..Injection::default() };
        for Assignment { variables, op, .. } in self.assignments {
            match op {
                Op::Set(variable) => injection.variables.push(variable),
                Op::Unset => injection.unset.extend(variables),
                Op::Setting(setting) => {
                    let prefect = std::mem::take(&mut injection.prefect);
                    injection.prefect = RequestedSettings {
                        backend: setting.backend.or(prefect.backend),
                        api: setting.api.or(prefect.api),
                        api_key: setting.api_key.or(prefect.api_key),
                        local_secrets: setting.local_secrets.or(prefect.local_secrets),
                    };
                }
            }
        }
        injection
    }
}

/// Fails if a layer already has [`MAX_SETTINGS`] settings.
fn check_count(count: usize, settings: &str) -> Result<()> {
    if count < MAX_SETTINGS {
        return Ok(());
    }
    Err(Error::usage(format!("too many {settings}: more than {MAX_SETTINGS}")))
}

/// Refuses the name of a variable where the name of a Prefect secret is expected: the prefix would be added twice.
fn check_prefect_secret_name(name: &str, is_in_spec: bool) -> Result<(), ValidationError> {
    if !name.starts_with("PREFECT__") {
        return Ok(());
    }
    let by_name = if is_in_spec { "`spec.env`" } else { "--secret-env" };
    let error = ValidationError::new(format!("`{name}` already has Prefect's prefix"));
    Err(match name.strip_prefix(&variables::secret_variable("")).filter(|secret_name| !secret_name.is_empty()) {
        Some(secret_name) => error.hint(format!("use the name of the secret without the prefix: {secret_name}")),
        None => error.hint(format!("use {by_name} for a variable with this name")),
    })
}

/// Checks the URL of Prefect's API.
///
/// # Errors
///
/// Fails if the URL does not begin with `http://` or `https://` followed by a host, or contains whitespace or control
/// characters.
pub fn check_api_url(url: &str) -> Result<(), ValidationError> {
    let after_scheme = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = after_scheme.and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_clean = url.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if is_clean && host.is_some_and(|host| !host.is_empty() && !host.starts_with(':')) {
        return Ok(());
    }
    Err(ValidationError::new("invalid URL").hint("use http://HOST:4200 or https://HOST/api"))
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::env::{EnvFromKind, KeyRef};
    use jobplate_prefect::requested_settings::Backend;

    use super::*;

    fn literal(name: &str, value: &str) -> RequestedVariable {
        RequestedVariable { name: name.to_owned(), source: VariableSource::Entry(EnvValue::Literal(value.to_owned())) }
    }

    fn secret(name: &str) -> RequestedVariable {
        let reference = KeyRef { name: "s".to_owned(), key: "k".to_owned(), optional: false };
        RequestedVariable {
            name: name.to_owned(),
            source: VariableSource::PrefectSecret { reference, spec_place: None },
        }
    }

    fn by_reference(name: &str) -> RequestedVariable {
        let reference = KeyRef { name: "s".to_owned(), key: "k".to_owned(), optional: false };
        RequestedVariable { name: name.to_owned(), source: VariableSource::Entry(EnvValue::SecretKey(reference)) }
    }

    fn api(url: &str) -> RequestedSettings {
        RequestedSettings { api: Some(url.to_owned()), ..RequestedSettings::default() }
    }

    #[test]
    fn refuses_a_second_assignment_of_a_variable() {
        type Set = fn(&mut Layer) -> Result<()>;
        let cases: [(Set, &str); 7] = [
            (|layer| layer.set_variable(literal("A", "1"), "`--env`"), "`--env` is given twice for `A`"),
            (|layer| layer.unset_variable("A", "`--unset`"), "`A` is given twice: `--env` and `--unset`"),
            (
                |layer| layer.set_variable(by_reference("PREFECT__CONTEXT__SECRETS__T"), "`--secret-env`"),
                "twice: `--secret` and `--secret-env`",
            ),
            (|layer| layer.set_variable(secret("A"), "`--secret`"), ""),
            (|layer| layer.set_variable(literal("PREFECT_API_URL", "1"), "`--env`"), "twice: `--api` and `--env`"),
            (|layer| layer.set_prefect_setting(api("x"), "`--api`"), "is given twice for `PREFECT__CLOUD__API`"),
            (|layer| layer.unset_variable("U", "`--unset`"), ""),
        ];
        for (set, expected) in cases {
            let mut layer = Layer::default();
            layer.set_variable(literal("A", "0"), "`--env`").unwrap();
            layer.set_variable(secret("T"), "`--secret`").unwrap();
            layer.set_prefect_setting(api("x"), "`--api`").unwrap();
            layer.unset_variable("U", "`--unset`").unwrap();
            let message = set(&mut layer).map_or_else(|error| error.message().to_owned(), |()| String::new());
            let is_expected = message.contains(expected) && message.is_empty() == expected.is_empty();
            assert!(is_expected, "{message:?} for {expected:?}");
        }
    }

    #[test]
    fn refuses_plaintext_secrets_and_invalid_names() {
        let refuse = |variable| Layer::default().set_variable(variable, "`--env`").unwrap_err();
        assert!(refuse(literal("DB_PASSWORD", "canary")).message().contains("DB_PASSWORD"));
        assert!(Layer::new(true).set_variable(literal("DB_PASSWORD", "x"), "`--env`").is_ok());
        assert!(refuse(literal("A=canary", "")).message().ends_with("must not contain `=`"));
        let error = refuse(secret("PREFECT__CONTEXT__SECRETS__TOKEN"));
        assert!(error.hint_message().unwrap().with_program("jobplate").ends_with(": TOKEN"));
        assert!(
            refuse(secret("PREFECT__BACKEND"))
                .hint_message()
                .unwrap()
                .with_program("jobplate")
                .contains("--secret-env")
        );
    }

    #[test]
    fn refuses_too_many_targets() {
        let mut layer = Layer::default();
        let job = || parse_target("Job", Some("a"), None, None).unwrap();
        for _ in 0..MAX_TARGETS {
            layer.add_target(job()).unwrap();
        }
        assert_eq!(layer.add_target(job()).unwrap_err().message(), "too many targets: more than 256");
    }

    #[test]
    fn keeps_the_upper_layers_assignments() {
        let mut lower = Layer { inputs: vec!["lower".into()], ..Layer::new(false) };
        lower.add_target(parse_target("Job", None, None, None).unwrap()).unwrap();
        for name in ["KEPT", "SET", "REMOVED", "PREFECT__BACKEND"] {
            lower.set_variable(literal(name, "lower"), "lower").unwrap();
        }
        lower.unset_variable("BACK", "lower").unwrap();
        lower.set_prefect_setting(api("http://lower"), "lower").unwrap();
        lower
            .set_prefect_setting(
                RequestedSettings { local_secrets: Some(true), ..RequestedSettings::default() },
                "lower",
            )
            .unwrap();
        let source =
            |optional| EnvFrom { prefix: String::new(), kind: EnvFromKind::Secret, name: "s".to_owned(), optional };
        lower.add_env_from(source(false)).unwrap();

        let mut upper = Layer::new(false);
        upper.set_variable(literal("BACK", "upper"), "upper").unwrap();
        upper.set_variable(literal("SET", "upper"), "upper").unwrap();
        upper.unset_variable("REMOVED", "upper").unwrap();
        upper.unset_variable("PREFECT__CLOUD__USE_LOCAL_SECRETS", "upper").unwrap();
        upper
            .set_prefect_setting(
                RequestedSettings { backend: Some(Backend::Server), ..RequestedSettings::default() },
                "upper",
            )
            .unwrap();
        upper.set_prefect_setting(api("http://upper"), "upper").unwrap();
        upper.add_env_from(source(true)).unwrap();

        let mut merged = upper.merge_over(lower);
        assert_eq!(std::mem::take(&mut merged.inputs), [PathBuf::from("lower")]);
        let injection = merged.into_injection();
        let variables: Vec<_> = injection.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(variables, ["KEPT", "BACK", "SET"]);
        assert_eq!(injection.unset, ["REMOVED", "PREFECT__CLOUD__USE_LOCAL_SECRETS"]);
        assert_eq!(injection.prefect.api.as_deref(), Some("http://upper"));
        assert_eq!((injection.prefect.backend, injection.prefect.local_secrets), (Some(Backend::Server), None));
        assert_eq!(injection.env_from, [source(true)]);
        assert_eq!(injection.targets.len(), 1);
    }

    #[test]
    fn checks_the_scheme_and_host_of_urls() {
        for url in [
            "http://prefect-apollo:4200",
            "https://api.prefect.io/graphql",
            "http://$(HOST):4200/api",
            "http://[::1]:4200",
        ] {
            assert_eq!(check_api_url(url), Ok(()), "{url}");
        }
        for url in ["", "apollo:4200", "http://", "http:///api", "http://:4200", "ftp://a", "http://a b", "http://a\n"]
        {
            assert!(check_api_url(url).is_err(), "{url:?}");
        }
    }
}
