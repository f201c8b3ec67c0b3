//! A worker's Deployment: the environment of its container, the options of its `prefect worker start`, and notes about
//! variables that do not reach flow runs.

use std::collections::HashSet;
use std::rc::Rc;

use jobplate_diagnostic::{Diagnostic, Error, Message, ProgramName, Result};
use num_bigint::Sign;

use super::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use super::notes::is_secret_setting;
use super::preview::WorkerPreview;
use super::scenario::{FORBIDDEN_IN_NAMES, FORBIDDEN_IN_WORKER_NAMES, WorkerScenario};
use super::settings;
use super::version::WorkerVersion;
use crate::deployment::{self, ImageVersion, Options, Program};
use crate::generation::Generation;
use crate::placeholder::{self, PlaceholderSource};
use crate::pyvalue::arena::{Arena, Value};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved, find_references};
use crate::pyvalue::source::{Location, SourceFile, locate, locate_diagnostic};

/// The placeholder for the name that Prefect generates from a random ID for an unnamed worker (`BaseWorker.__init__`).
const PLACEHOLDER_NAME: &str = "KubernetesWorker 00000000-0000-0000-0000-000000000005";

/// The worker program and its messages.
pub const WORKER: Program = Program {
    generation: Generation::Prefect2Or3,
    command: &["prefect", "worker", "start"],
    name: "worker",
    several_error: "found several workers of Prefect 2 or 3",
    missing_error: "no worker of Prefect 2 or 3 found",
    other_command_hint: "pass the manifest of a worker: agents do not use base job templates",
    options: &OPTIONS,
    switches: &[
        "run-once",
        "no-run-once",
        "with-healthcheck",
        "no-with-healthcheck",
        "create-pool-if-not-found",
        "no-create-pool-if-not-found",
        "empty-work-queue",
        "prompt",
        "no-prompt",
    ],
    unknown_to_click: &[
        "create-pool-if-not-found",
        "no-create-pool-if-not-found",
        "empty-work-queue",
        "profile",
        "prompt",
        "no-prompt",
    ],
};

/// The options of `prefect worker start` that take a value.
const OPTIONS: [(&str, Option<char>, bool); 9] = [
    ("name", Some('n'), false),
    ("pool", Some('p'), false),
    ("work-queue", Some('q'), true),
    ("type", Some('t'), false),
    ("prefetch-seconds", None, false),
    ("limit", Some('l'), false),
    ("install-policy", None, false),
    ("base-job-template", None, false),
    ("profile", None, false),
];

/// A worker in a manifest.
#[derive(Debug)]
pub struct WorkerDeployment {
    /// `--name`
    pub name: Option<String>,
    /// `--pool`
    pub pool: Option<String>,
    /// Whether the worker is started with `--base-job-template`.
    pub has_template: bool,
    /// The location of the worker's options.
    pub location: Location,
    /// The worker's environment.
    pub environ: Environ,
    /// The Prefect version of the worker's image, if the image is an official Prefect image with a numeric version in
    /// its tag.
    pub version: Option<ImageVersion>,
    /// Whether the worker's container has a non-empty `envFrom`, which adds variables from whole Secrets or ConfigMaps.
    pub has_env_from: bool,
    /// The names of the variables that the worker's command or another variable of the worker uses.
    used_names: HashSet<String>,
    /// Errors about variables of the container that Kubernetes rejects.
    rejected_variables: Vec<Diagnostic>,
}

/// Finds the worker in a manifest. `version` is the worker's version if its image does not contain it.
///
/// # Errors
/// Fails if there is not exactly one worker, if the worker's type is not `kubernetes`, if the worker does not start with
/// its options, or if its command, options or profile are not supported.
pub fn find(source: &Rc<SourceFile>, version: WorkerVersion) -> Result<WorkerDeployment> {
    let deployment::ProgramContainer {
        options,
        profile,
        location,
        mut environ,
        version,
        has_env_from,
        used_names,
        rejected_variables,
    } = deployment::find(&WORKER, &version.prefect_version_numbers(), source)?;
    if let Some(profile) = profile {
        set_profile(&mut environ, profile, &location)?;
    }
    let read_option = |name: &str| options.value(name).map(str::to_owned);
    if let Some(kind) = read_option("type")
        && kind != "kubernetes"
        && find_references(&kind).is_empty()
    {
        let error = Error::input("the type of the worker must be `kubernetes`");
        return Err(locate(
            error.hint("pass the manifest of a Kubernetes worker: other workers create no Jobs"),
            Some(&location),
        ));
    }
    if options.value("profile").is_some() {
        let error = Error::input("`--profile` must be the first argument of `prefect`");
        return Err(locate(
            error.hint("write `prefect --profile NAME ... worker start`: after `worker start`, the profile overrides the variables of the worker"),
            Some(&location),
        ));
    }
    check_options(&options, &location)?;
    // Prefect also generates a name for an empty name.
    let name = read_option("name").filter(|name| !name.is_empty());
    let (pool, has_template) = (read_option("pool"), options.value("base-job-template").is_some());
    Ok(WorkerDeployment {
        name,
        pool,
        has_template,
        location,
        environ,
        version,
        has_env_from,
        used_names,
        rejected_variables,
    })
}

/// Checks the options with which `prefect worker start` can end before it starts a worker. Skips values that only the
/// cluster knows.
///
/// # Errors
/// Fails if the worker does not start.
fn check_options(options: &Options, location: &Location) -> Result<()> {
    let fail = |message: String, hint: &str| {
        Err(locate(Error::input(format!("the worker does not start: {message}")).hint(hint), Some(location)))
    };
    let value_of = |name: &str| options.value(name).filter(|value| find_references(value).is_empty());
    if options.value("pool").is_none() {
        return fail("missing `--pool`".to_owned(), "add `--pool NAME`");
    }
    for option in ["limit", "prefetch-seconds"] {
        let Some(value) = value_of(option) else { continue };
        match options.parse_sign(value) {
            None => return fail(format!("`--{option}` must be a whole number"), "write digits"),
            Some(Sign::Minus) if option == "limit" => {
                return fail("`--limit` must be 0 or more".to_owned(), "write 0 or a larger number");
            }
            Some(_) => {}
        }
    }
    if value_of("install-policy").is_some_and(|policy| !options.is_choice(policy, &INSTALL_POLICIES)) {
        let policies = format!("`--install-policy` must be one of {}", INSTALL_POLICIES.join(", "));
        return fail(policies, "correct or remove the option");
    }
    for (option, forbidden) in [("name", FORBIDDEN_IN_WORKER_NAMES), ("pool", FORBIDDEN_IN_NAMES)] {
        if value_of(option).is_some_and(|name| name.contains(|c| forbidden.contains(c))) {
            return fail(format!("`--{option}` must not contain any of `{forbidden}`"), "use another name");
        }
    }
    match value_of("pool") {
        Some("") => fail("`--pool` must not be empty".to_owned(), "write the name of the work pool"),
        _ => Ok(()),
    }
}

/// Returns the flag of `render` that sets a variable to the reference that is its value, and what follows `NAME=`.
fn reference_flag(value: &Resolved) -> Option<(&'static str, &'static str)> {
    let Resolved::Unknown(text) = value else { return None };
    let flags = [
        ("<Secret ", "--secret-env", "SECRET/KEY"),
        ("<ConfigMap ", "--config-env", "CONFIGMAP/KEY"),
        ("<field ", "--field-env", "FIELDPATH"),
    ];
    flags.into_iter().find_map(|(start, flag, value)| text.starts_with(start).then_some((flag, value)))
}

/// The values of `--install-policy`, which ignores case.
const INSTALL_POLICIES: [&str; 4] = ["always", "if-not-present", "never", "prompt"];

/// Sets the variable that selects the active profile to the profile on the command line.
///
/// # Errors
/// Fails if Prefect does not ship the profile.
fn set_profile(environ: &mut Environ, profile: Resolved, location: &Location) -> Result<()> {
    if !settings::has_profile(profile.as_str()) {
        let error = Error::input("unknown profile: the worker's `profiles.toml` is not available to the preview");
        return Err(locate(error.hint("set the profile's settings as variables of the worker"), Some(location)));
    }
    environ.set(EnvironVar {
        name: settings::PROFILE_VARIABLE.to_owned(),
        value: profile,
        location: Some(location.clone()),
    });
    Ok(())
}

impl WorkerDeployment {
    /// Sets this worker in a scenario. Also sets the name of the work pool, unless the scenario sets the work pool.
    pub fn apply_to(&self, scenario: &mut WorkerScenario) {
        scenario.worker.name = Some(self.name.clone().unwrap_or_else(|| PLACEHOLDER_NAME.to_owned()));
        scenario.worker.name_location = Some(self.location.clone());
        scenario.worker.environ = self.environ.clone();
        if let Some(pool) = self.pool.as_ref().filter(|_| !scenario.has_work_pool) {
            scenario.run.work_pool.name.clone_from(pool);
            scenario.run.work_pool.name_location = Some(self.location.clone());
        }
    }

    /// Returns a warning if the worker's image has another version of Prefect than the one that the preview assumes for
    /// `version`, the default version of prefect-kubernetes.
    pub fn version_warning(&self, version: WorkerVersion) -> Option<Diagnostic> {
        let (image, numbers) = (self.version.as_ref()?, version.prefect_version_numbers());
        if image.numbers.iter().zip(&numbers[..2]).all(|(image, number)| image == number) {
            return None;
        }
        let (image_version, supported) = (image.display(), version.prefect_version());
        let text = format!(
            "the worker's image has Prefect {image_version}, but the preview is for Prefect {supported} (prefect-kubernetes {version})"
        );
        let help = "pass --prefect-kubernetes VERSION, with the version of the package `prefect-kubernetes` (0.x) in the worker's image";
        let warning = Diagnostic::warning("version-mismatch", text).help(help);
        Some(locate_diagnostic(warning, Some(&image.location)))
    }

    /// Returns notes about the worker. `file` is the name of the file that the worker was read from; `template` is the
    /// file with the base job template.
    pub fn notes(
        &self,
        arena: &Arena,
        preview: &WorkerPreview<'_>,
        file: &str,
        template: &SourceFile,
    ) -> Vec<Diagnostic> {
        let mut notes = self.rejected_variables.clone();
        let mut add = |note: Diagnostic, location: Option<&Location>| notes.push(locate_diagnostic(note, location));
        if self.name.is_none() {
            let text = "the worker's name is a placeholder: without `--name`, a worker generates a name at each start";
            add(Diagnostic::info("placeholder", text), Some(&self.location));
        }
        if self.has_template {
            let text = "the worker uses its `--base-job-template` only to create the work pool: an existing work pool keeps its own template";
            add(Diagnostic::info("base-job-template-flag", text), Some(&self.location));
        }
        if self.has_env_from {
            let text = "the preview does not know the variables in the worker's `envFrom`";
            add(Diagnostic::info("unknown-value", text).in_file(file), None);
        }
        for entry in preview.entries.iter().filter(|entry| entry.origin == WorkerEnvOrigin::Worker) {
            let get_field = |key: &str| arena.dict_get(entry.entry, key).map(|id| arena.get(id));
            let (Some(Value::Str(name)), Some(Value::Unknown(from))) = (get_field("name"), get_field("value")) else {
                continue;
            };
            if is_secret_setting(name) {
                continue; // `notes::find` adds a note about the setting.
            }
            let from = find_references(from);
            let text = format!("the worker passes `{name}` ({from}) to every flow run in plain text");
            add(Diagnostic::warning("plaintext-secret", text), entry.location.as_ref());
        }
        notes.extend(self.unexported_variable_notes(arena, preview, template));
        notes
    }

    /// Returns a note for each variable of the worker that does not reach flow runs.
    fn unexported_variable_notes(
        &self,
        arena: &Arena,
        preview: &WorkerPreview<'_>,
        template: &SourceFile,
    ) -> Vec<Diagnostic> {
        let mut notes = Vec::new();
        // A template can read a variable of the worker with `{{ $NAME }}`, so the variable reaches flow runs.
        let in_template = placeholder::find_all(&template.text)
            .filter(|placeholder| placeholder.source() == PlaceholderSource::Environment);
        let in_template_names: HashSet<&str> =
            in_template.map(|placeholder| placeholder.name.trim_start_matches('$')).collect();
        let entry_name = |entry: &WorkerEnvEntry| arena.as_str(arena.dict_get(entry.entry, "name")?);
        let entry_names: HashSet<&str> = preview.entries.iter().filter_map(entry_name).collect();
        for variable in self.environ.iter() {
            let name = &variable.name;
            let is_in_template = in_template_names.contains(name.as_str());
            let is_setting = name.to_ascii_uppercase().starts_with("PREFECT_");
            let is_used = self.used_names.contains(name);
            if is_setting || name == "HOME" || is_in_template || is_used || entry_names.contains(name.as_str()) {
                continue;
            }
            let how = match reference_flag(&variable.value) {
                Some((flag, value)) => ": `" + ProgramName + format!(" render FILE {flag} {name}={value}`"),
                None => "".into(),
            };
            let help = Message::from("if flow runs need it, add it to the base job template") + how;
            let note = Diagnostic::info(
                "worker-env-not-forwarded",
                format!("the worker does not pass `{name}` on to flow runs"),
            );
            notes.push(locate_diagnostic(note.help(help), variable.location.as_ref()));
        }
        notes
    }
}
