//! Notes about a preview: values that Prefect's server or the API server rejects, overridden variables, and secrets in
//! plain text.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use jobplate_diagnostic::{Diagnostic, Message, ProgramName, suggest};
use jobplate_manifest::credentials::{is_credential, is_secret_name};
use jobplate_manifest::env::KEY_SOURCES;
use jobplate_manifest::names::{self, ValidationError};
use jobplate_manifest::sendable::{NON_STRING_CODE, non_string_hint};

use super::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use super::fill::RedactedNames;
use super::manifest;
use super::preview::WorkerPreview;
use super::scenario::WorkerScenario;
use super::schema::checker::SchemaChecker;
use super::secret_references::IncompleteSetting;
use super::settings;
use super::version::WorkerVersion;
use crate::base_job_template::is_worker_setting;
use crate::job_checks;
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{EnvironVar, find_references};
use crate::pyvalue::source::{Location, locate_diagnostic};
use crate::pyvalue::string;

/// Returns the notes about a preview.
pub fn find(
    arena: &Arena,
    version: WorkerVersion,
    preview: &WorkerPreview<'_>,
    scenario: &WorkerScenario,
) -> Vec<Diagnostic> {
    let mut notes = PreviewNotes::new(arena, &preview.redacted_names, arena.dict_get(preview.template, "variables"));
    if let Some(note) = version.unsupported_note() {
        notes.add(Diagnostic::info("unsupported-version", note), None);
    }
    let variables =
        arena.dict_get(preview.template, "variables").and_then(|schema| arena.dict_get(schema, "properties"));
    notes.check_template(preview, variables);
    notes.check_scenario_fields(scenario);
    notes.check_required_variables(preview, scenario);
    notes.check_job_variables(version, preview.template, scenario, variables);
    notes.check_comparisons();
    notes.check_entries(preview);
    notes.check_overridden_references(preview);
    notes.check_plain_text(preview);
    notes.check_other_containers(preview);
    notes.check_latent_placeholders(preview);
    notes.check_job(preview, variables);
    notes.check_overridden_labels(version, preview);
    notes.check_namespace(preview);
    for IncompleteSetting { setting, missing, description, variable } in preview.settings.incomplete() {
        let is_plain = |entry: &&WorkerEnvEntry| {
            let read_field = |key: &str| arena.dict_get(entry.entry, key).filter(|value| arena.is_truthy(*value));
            read_field("value").is_some() && read_field("name").and_then(|name| arena.as_str(name)) == Some(variable)
        };
        let effect = match preview.entries.iter().find(is_plain) {
            Some(_) => format!(": the {description} stays in plain text"),
            None => String::new(),
        };
        let text = format!("`{}` has no effect without `{missing}`{effect}", setting.name);
        let warning = Diagnostic::warning("incomplete-setting", text).help(format!("set `{missing}` too"));
        notes.add(warning, setting.location.as_ref());
    }
    for EnvironVar { name, value, location } in &preview.settings.unknown {
        let from = find_references(value.as_str());
        let text = format!("the preview does not know the value of `{name}` ({from}), and assumes that it is not set");
        notes.add(Diagnostic::info("unknown-value", text), location.as_ref());
    }
    for secret in &preview.secrets {
        let keys = secret.keys.join(", ");
        let word = if secret.keys.len() == 1 { "key" } else { "keys" };
        let text = format!(
            "the worker needs permission to create Secrets: it creates the Secret {} with the {word} {keys}",
            secret.name
        );
        notes.add(Diagnostic::info("created-secret", text), None);
    }
    notes.found
}

/// The maximum number of names that are compared with misspelled names in a preview.
const MAX_SUGGESTION_CANDIDATES: usize = 50_000;

/// The notes about a preview. Each message occurs once, with sensitive names redacted.
pub(super) struct PreviewNotes<'h> {
    pub(super) arena: &'h Arena,
    pub(super) schemas: SchemaChecker<'h>,
    redacted_names: &'h RedactedNames,
    /// The variables whose reference is overridden by plain text.
    overridden_references: HashSet<String>,
    found: Vec<Diagnostic>,
    /// The messages of the notes.
    messages: HashSet<String>,
    /// How many more names can be compared with misspelled names.
    candidates: Cell<usize>,
}

impl<'h> PreviewNotes<'h> {
    fn new(arena: &'h Arena, redacted_names: &'h RedactedNames, variables: Option<ValueId>) -> Self {
        PreviewNotes {
            arena,
            schemas: SchemaChecker::new(arena, variables),
            redacted_names,
            overridden_references: HashSet::new(),
            found: Vec::new(),
            messages: HashSet::new(),
            candidates: Cell::new(MAX_SUGGESTION_CANDIDATES),
        }
    }

    /// Adds a note about a location, if there is one.
    pub(super) fn add(&mut self, note: Diagnostic, location: Option<&Location>) {
        let note = note.map_text(|text| self.redacted_names.redact(text));
        if self.messages.insert(note.message().to_owned()) {
            self.found.push(locate_diagnostic(note, location));
        }
    }

    /// Adds the most similar of `names` to a note as a suggestion. Adds nothing if no name is similar, or if too many
    /// names were compared before.
    pub(super) fn suggest(&self, note: Diagnostic, name: &str, names: &IndexSet<String>) -> Diagnostic {
        let Some(candidates) = self.candidates.get().checked_sub(names.len()) else { return note };
        self.candidates.set(candidates);
        match suggest::did_you_mean(name, names.iter().map(String::as_str)) {
            Some(suggestion) => note.help(suggestion),
            None => note,
        }
    }

    /// Adds notes about entries in the flow's `env` that the API server rejects.
    fn check_entries(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        for WorkerEnvEntry { entry, location, .. } in &preview.entries {
            let Some(name) = arena.dict_get(*entry, "name") else {
                let is_entry = ["value", "valueFrom"].iter().any(|key| arena.dict_get(*entry, key).is_some());
                let text = "Kubernetes rejects the Job: an entry of `env` has no `name`";
                let error = match is_entry {
                    true => Diagnostic::error("missing-field", text),
                    false => Diagnostic::error("mixed-env-placeholder", text).help(
                        "remove `{{ env }}` from the list, or let `"
                            + ProgramName
                            + " render` remove it: the worker replaces it with a mapping, not with entries",
                    ),
                };
                self.add(error, location.as_ref());
                continue;
            };
            let name = string::str(arena, name);
            if let Some(value) = arena.dict_get(*entry, "value") {
                match arena.get(value) {
                    Value::Str(_) | Value::Unknown(_) | Value::None => {}
                    _ => {
                        let kind = arena.describe_kind(value);
                        let text = format!("Kubernetes rejects the Job: the value of `{name}` is {kind}, not a string");
                        let error =
                            Diagnostic::error(NON_STRING_CODE, text).help(non_string_hint(!arena.is_collection(value)));
                        self.add(error, arena.location(value));
                    }
                }
            }
            self.check_reference(&name, *entry, location.as_ref());
        }
    }

    /// Adds warnings about references of the template that plain text overrides.
    fn check_overridden_references(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let mut winners = HashMap::new();
        let moved = preview.secrets.iter().flat_map(|secret| &secret.moved);
        for entry in moved.rev().chain(preview.entries.iter().rev()) {
            let name = arena.dict_get(entry.entry, "name").map(|name| string::str(arena, name));
            winners.extend(name.map(|name| (name, entry)));
        }
        for WorkerEnvEntry { entry, location, origin } in &preview.overridden {
            let is_reference = arena.dict_get(*entry, "valueFrom").is_some();
            let Some(name) = arena.dict_get(*entry, "name").map(|name| string::str(arena, name)) else { continue };
            let Some(winner) = winners.get(&name).filter(|_| is_reference && *origin == WorkerEnvOrigin::Container)
            else {
                continue;
            };
            if arena.dict_get(winner.entry, "valueFrom").is_some() {
                continue;
            }
            let text = format!("the reference of `{name}` is overridden by plain text");
            let warning = Diagnostic::warning("overridden-reference", text);
            let warning = match &winner.location {
                Some(place) => warning.annotate(place.to_diagnostic_location(), "overridden here"),
                None => warning,
            };
            let warning = match (winner.origin, &winner.location) {
                (WorkerEnvOrigin::Worker, _) => warning.help(
                    Message::from(format!("set `{name}: null` in `job_configuration.env`, as `"))
                        + ProgramName
                        + " render` does",
                ),
                (_, Some(place)) => warning.help(format!("remove `{name}` from {place}")),
                (_, None) => warning.help(format!("remove `{name}` where it is set")),
            };
            self.overridden_references.insert(name);
            self.add(warning, location.as_ref());
        }
    }

    /// Adds notes about a reference that the API server rejects.
    fn check_reference(&mut self, name: &str, entry: ValueId, location: Option<&Location>) {
        let arena = self.arena;
        for (kind, word) in KEY_SOURCES {
            let Some(reference) = arena.dict_get(entry, "valueFrom").and_then(|from| arena.dict_get(from, kind)) else {
                continue;
            };
            let read_string =
                |key: &str| arena.dict_get(reference, key).and_then(|value| arena.as_str(value)).map(str::to_owned);
            let location_of = |key: &str| {
                arena.dict_get(reference, key).and_then(|value| arena.location(value)).or(location).cloned()
            };
            let object = read_string("name").filter(|name| !name.is_empty());
            let fault = match &object {
                Some(object) => names::check_object_name(word, object).err(),
                None => Some(ValidationError::new(format!("the reference to the {word} has no name"))),
            };
            let subject = format!("Kubernetes rejects the Job (variable `{name}`)");
            if let Some(fault) = fault {
                self.add(fault.into_diagnostic("invalid-secret-name", &subject), location_of("name").as_ref());
            }
            let fault = match read_string("key") {
                Some(key) => names::check_data_key(&key).err(),
                None => Some(ValidationError::new(format!("the reference to the {word} has no key"))),
            };
            if let Some(fault) = fault {
                self.add(fault.into_diagnostic("invalid-secret-key", &subject), location_of("key").as_ref());
            }
        }
    }

    /// Adds notes about secrets in plain text. Everyone who can read the Job can read these secrets.
    fn check_plain_text(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        for WorkerEnvEntry { entry, location, origin } in &preview.entries {
            let Some(name) = arena.dict_get(*entry, "name").and_then(|name| arena.as_str(name)) else { continue };
            let value = arena.dict_get(*entry, "value").filter(|value| arena.is_truthy(*value));
            let is_secret =
                |value| is_secret_setting(name) || is_credential(name, arena.as_str(value).unwrap_or_default());
            let problem = match origin {
                _ if !value.is_some_and(is_secret) => continue,
                WorkerEnvOrigin::Worker if is_secret_setting(name) => {
                    format!("the worker passes its `{name}` on in plain text")
                }
                WorkerEnvOrigin::Worker
                | WorkerEnvOrigin::FlowRun
                | WorkerEnvOrigin::Eviction
                | WorkerEnvOrigin::Secret => continue,
                // The warning about the overridden reference already says where to remove the variable.
                _ if self.overridden_references.contains(name) => continue,
                _ => format!("`{name}` looks like a secret in plain text"),
            };
            let flag = match name {
                "PREFECT_API_KEY" => "--api-key SECRET/KEY".to_owned(),
                _ => format!("--secret-env {name}=SECRET/KEY"),
            };
            let file = arena.location(preview.template).map_or("FILE", |location| &location.source.name);
            let remove = match origin {
                WorkerEnvOrigin::Deployment | WorkerEnvOrigin::JobVariables => "remove it here, and ",
                _ => "",
            };
            let help = Message::from(format!("{remove}use a Secret reference: `"))
                + ProgramName
                + format!(" render {file} {flag}`");
            self.add(Diagnostic::warning("plaintext-secret", problem).help(help), location.as_ref());
        }
    }

    /// Adds notes about other containers whose `env` is not a list because it was a placeholder.
    fn check_other_containers(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let Some(pod) = job_checks::pod(arena, preview.job) else { return };
        for (list, first) in [("containers", 1), ("initContainers", 0)] {
            for container in job_checks::items(arena, pod, list).iter().skip(first) {
                let Some(env) = arena.dict_get(*container, "env") else { continue };
                if !matches!(arena.get(env), Value::List(_) | Value::None) {
                    let name =
                        arena.dict_get(*container, "name").map_or(String::new(), |name| string::str(arena, name));
                    let kind = arena.describe_kind(env);
                    let text =
                        format!("Kubernetes rejects the Job: `env` of `{name}` in `{list}` must be a list, not {kind}");
                    let error = Diagnostic::error("wrong-type", text)
                        .help("write a list: the worker converts only the `env` of the first container");
                    self.add(error, arena.location(*container));
                }
            }
        }
    }

    /// Adds notes about a misplaced `{{ env }}` that has no effect yet. The worker and the API server accept the
    /// placeholder until a source sets a variable.
    fn check_latent_placeholders(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let Some(pod) =
            template_manifest(arena, preview.template).and_then(|manifest| job_checks::pod(arena, manifest))
        else {
            return;
        };
        let is_env = |id: ValueId| arena.as_str(id).and_then(placeholder::sole_name) == Some("env");
        // If a placeholder has an effect, the notes about the Job already report it.
        let has_effect = preview.entries.iter().any(|entry| arena.dict_get(entry.entry, "name").is_none());
        let first = job_checks::items(arena, pod, "containers").first();
        let entries = first.and_then(|container| arena.dict_get(*container, "env"));
        let among = entries.and_then(|entries| arena.list_items(entries).iter().find(|entry| is_env(**entry)));
        if let Some(among) = among.filter(|_| !has_effect) {
            let text = "`{{ env }}` in a list of entries becomes a mapping once a variable is set, and Kubernetes then \
                        rejects the Job";
            let help = "remove `{{ env }}` from the list, or run `" + ProgramName + " render`, which removes it";
            self.add(Diagnostic::warning("mixed-env-placeholder", text).help(help), arena.location(*among));
        }
        let Some(job_pod) = job_checks::pod(arena, preview.job) else { return };
        for (list, first) in [("containers", 1), ("initContainers", 0)] {
            let env_of = |container: &ValueId| arena.dict_get(*container, "env");
            let has_effect = |env: ValueId| !matches!(arena.get(env), Value::List(_) | Value::None);
            if job_checks::items(arena, job_pod, list).iter().skip(first).filter_map(env_of).any(has_effect) {
                continue;
            }
            for container in job_checks::items(arena, pod, list).iter().skip(first) {
                let Some(env) = env_of(container).filter(|env| is_env(*env)) else { continue };
                let name = arena.dict_get(*container, "name").map_or(String::new(), |name| string::str(arena, name));
                let text = format!(
                    "`env` of `{name}` in `{list}` becomes a mapping once a variable is set, and Kubernetes then rejects the Job"
                );
                let warning = Diagnostic::warning("mixed-env-placeholder", text)
                    .help("write a list: the worker converts only the `env` of the first container");
                self.add(warning, arena.location(env));
            }
        }
    }

    /// Adds notes about the namespace of the Job.
    fn check_namespace(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let metadata = arena.dict_get(preview.job, "metadata");
        let get_field = |key: &str| metadata.and_then(|metadata| arena.dict_get(metadata, key));
        let namespace = manifest::namespace(arena, &preview.configuration);
        let location = arena.location(preview.configuration.namespace);
        if let Some(other) = get_field("namespace").filter(|id| string::str(arena, *id) != namespace) {
            let text = "Kubernetes rejects the Job: `metadata.namespace` in its manifest differs from the variable `namespace`";
            self.add(Diagnostic::error("namespace-mismatch", text), arena.location(other).or(location));
        } else if namespace != "default" {
            let text = format!("the namespace `{namespace}` must exist and contain the Secrets that the Job refers to");
            self.add(Diagnostic::info("required-namespace", text), location);
        }
    }
}

/// Returns the manifest of the Job in a base job template.
pub(super) fn template_manifest(arena: &Arena, template: ValueId) -> Option<ValueId> {
    let configuration = arena.dict_get(template, "job_configuration")?;
    arena.dict_get(configuration, "job_manifest")
}

/// Returns whether a variable is a Prefect setting that is a secret or has a name that looks secret.
pub(super) fn is_secret_setting(name: &str) -> bool {
    is_worker_setting(name) && (is_secret_name(name) || settings::is_secret(name))
}
