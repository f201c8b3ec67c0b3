//! Notes about a preview: values that Prefect's server or the API server rejects, overridden variables, and secrets in
//! plain text.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use jobplate_diagnostic::{Diagnostic, Message, ProgramName, suggest};
use jobplate_manifest::credentials::{is_credential, is_secret_name};

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
use crate::pyvalue::arena::{Arena, ValueId};
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
        let keys = secret.keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let word = if secret.keys.len() == 1 { "key" } else { "keys" };
        let text = format!(
            "the worker needs permission to create Secrets: it creates the Secret `{}` with the {word} {keys}",
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
            let Some(name) = arena.dict_get(*entry, "name") else { continue };
            let subject_of_value = format!("the value of `{}`", string::str(arena, name));
            let values = [("the name of a variable", Some(name)), (&subject_of_value, arena.dict_get(*entry, "value"))];
            for (subject, value) in values.into_iter().filter_map(|(subject, value)| Some((subject, value?))) {
                if let Some(error) = job_checks::non_string_error(arena, value, subject) {
                    self.add(error, arena.location(value).or(location.as_ref()));
                }
            }
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
            let is_worker = winner.origin == WorkerEnvOrigin::Worker;
            let text = match (&winner.location, is_worker) {
                (_, true) => "the worker overrides".to_owned(),
                (Some(place), _) => format!("the variable in {place} overrides"),
                (None, _) => "another variable overrides".to_owned(),
            };
            let text = format!("{text} the reference of `{name}` with plain text");
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
                _ => format!("the value of `{name}` looks like a secret in plain text"),
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

    /// Adds notes about the namespace of the Job.
    fn check_namespace(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let metadata = arena.dict_get(preview.job, "metadata");
        let get_field = |key: &str| metadata.and_then(|metadata| arena.dict_get(metadata, key));
        let namespace = manifest::namespace(arena, &preview.configuration);
        let location = arena.location(preview.configuration.namespace);
        if let Some(other) = get_field("namespace").filter(|id| string::str(arena, *id) != namespace) {
            let text = "Kubernetes rejects the Job: its `metadata.namespace` differs from the variable `namespace`";
            let help = "remove `metadata.namespace`, or set the variable to the same namespace";
            self.add(Diagnostic::error("namespace-mismatch", text).help(help), arena.location(other).or(location));
        } else if namespace != "default" {
            let created: Vec<&str> = preview.secrets.iter().map(|secret| secret.name.as_str()).collect();
            let kinds = job_checks::find_required_kinds(arena, preview.job, &created);
            let demand = match kinds.is_empty() {
                true => ", and the worker must be allowed to create Jobs in it".to_owned(),
                false => format!(" and contain the {} that the Job refers to", job_checks::join_words(&kinds)),
            };
            let text = format!("the namespace `{namespace}` must exist{demand}");
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
