//! Remarks on a preview: what Prefect's server or Kubernetes will refuse, and what is lost or stands in plain text.

use jobplate_diagnostic::{Message, ProgramName, suggest};
use jobplate_manifest::env::KEY_SOURCES;
use jobplate_manifest::names::{self, ValidationError};

use super::environment::{WorkerEnvEntry, WorkerEnvOrigin};
use super::fill::{self, RedactedNames};
use super::manifest;
use super::preview::WorkerPreview;
use super::scenario::WorkerScenario;
use super::schema;
use super::secret_references::IncompleteSetting;
use super::settings;
use super::version::WorkerVersion;
use crate::base_job_template::is_worker_setting;
use crate::note::Note;
use crate::placeholder::{self, Placeholder};
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::environ::{EnvironVar, find_references};
use crate::pyvalue::source::Location;
use crate::pyvalue::{json, string};
use crate::variables::is_sensitive;

/// Finds the remarks on a preview.
pub fn find(
    arena: &Arena,
    version: WorkerVersion,
    preview: &WorkerPreview<'_>,
    scenario: &WorkerScenario,
) -> Vec<Note> {
    let mut notes = Notes { arena, redacted_names: &preview.redacted_names, found: Vec::new() };
    if let Some(remark) = version.remark() {
        notes.add(remark, None);
    }
    let variables = arena.dict_get(preview.template, "variables").and_then(|own| arena.dict_get(own, "properties"));
    notes.on_template(preview, variables);
    notes.on_fields(scenario);
    notes.on_required(preview, scenario);
    notes.on_job_variables(version, scenario, variables);
    notes.on_entries(preview);
    notes.on_plain_text(preview);
    notes.on_containers(preview);
    notes.on_what_is_to_come(preview);
    notes.on_names(preview);
    for IncompleteSetting { given, missing, what, variable } in preview.settings.halves() {
        let is_plain = |own: &&WorkerEnvEntry| {
            let text = |key: &str| arena.dict_get(own.entry, key).filter(|value| arena.is_truthy(*value));
            text("value").is_some() && text("name").and_then(|name| arena.as_str(name)) == Some(variable)
        };
        let so = match preview.entries.iter().find(is_plain) {
            Some(_) => format!(": the {what} stays in plain text"),
            None => String::new(),
        };
        notes.add(format!("`{}` does nothing without `{missing}`{so}", given.name), given.location.as_ref());
    }
    for EnvironVar { name, value, location } in &preview.settings.unknown {
        let from = find_references(value.as_str());
        notes.add(format!("only the cluster knows `{name}` ({from}): it is taken as not set"), location.as_ref());
    }
    for secret in &preview.secrets {
        let keys = secret.keys.join(", ");
        notes.add(
            format!("the worker writes the Secret {} with {keys}, for which it needs the permission", secret.name),
            None,
        );
    }
    notes.found
}

struct Notes<'h> {
    arena: &'h Arena,
    redacted_names: &'h RedactedNames,
    found: Vec<Note>,
}

impl Notes<'_> {
    fn add(&mut self, text: impl Into<Message>, location: Option<&Location>) {
        let text = text.into().map(|text| self.redacted_names.redact(text));
        if !self.found.iter().any(|note| note.text == text) {
            self.found.push(Note::new(text, location));
        }
    }

    fn names(&self, dict: Option<ValueId>) -> Vec<String> {
        let pairs = dict.and_then(|dict| self.arena.as_dict(dict)).unwrap_or_default();
        pairs.iter().filter_map(|(key, _)| self.arena.as_str(*key).map(str::to_owned)).collect()
    }

    /// What the server refuses before a worker sees it (`validate_base_job_template`).
    fn on_template(&mut self, preview: &WorkerPreview<'_>, variables: Option<ValueId>) {
        let arena = self.arena;
        if let Some((why, location)) =
            arena.location(preview.template).and_then(|location| json::find_error(&location.source))
        {
            let text = format!("Prefect's commands take JSON alone, and this is none: {why}; here it is read as YAML");
            self.add(text, Some(&location));
        }
        let declared = self.names(variables);
        let mut used = Vec::new();
        if let Some(configuration) = arena.dict_get(preview.template, "job_configuration") {
            in_keys_and_values(arena, configuration, &mut used);
        }
        for (id, placeholder) in used {
            if !declared.iter().any(|own| own == placeholder.name) {
                let near = near(placeholder.name, &declared);
                self.add(
                    format!(
                        "the server refuses this template: `{{{{ {} }}}}` is none of its variables{near}",
                        placeholder.name
                    ),
                    arena.location(id),
                );
            }
        }
        if arena.dict_get(preview.template, "variables").is_some() && variables.is_none() {
            let variables = arena.dict_get(preview.template, "variables");
            let location = variables.and_then(|id| arena.location(id));
            self.add("`variables` has no `properties`, so no variable has a default", location);
        }
        for (name, schema) in variables.and_then(|own| arena.as_dict(own)).unwrap_or_default() {
            let Some(default) = arena.dict_get(*schema, "default").filter(|own| *arena.get(*own) != Value::None) else {
                continue;
            };
            if let Some(why) = schema::misfit(arena, default, *schema) {
                let name = string::str(arena, *name);
                let why = format!("the server refuses this template: the default of `{name}` {why}");
                self.add(why, arena.location(default));
            }
        }
    }

    /// Job variables that no template asks for, or whose values the server refuses.
    fn on_job_variables(&mut self, version: WorkerVersion, scenario: &WorkerScenario, variables: Option<ValueId>) {
        let arena = self.arena;
        if let Some(run) = scenario.run_variables.filter(|run| arena.is_truthy(*run) && !version.reads_run_variables())
        {
            let why = "prefect-kubernetes before 0.2.12 ignores the job variables of a flow run";
            self.add(why, arena.location(run));
        }
        let declared = self.names(variables);
        for given in [scenario.deployment_variables, scenario.run_variables].into_iter().flatten() {
            for (key, value) in arena.as_dict(given).unwrap_or_default() {
                let name = string::str(arena, *key);
                let first = name.split(['.', '[']).next().unwrap_or_default();
                let is_read = version.reads_dotted_variables() || first == name;
                let has_first = declared.iter().any(|own| own == first);
                if !is_read && (has_first || declared.contains(&name)) {
                    let why = "prefect-kubernetes before 0.7.0 knows no dots in job variables";
                    let way = match has_first {
                        true => format!("set it in `{first}`"),
                        false => "give the template's variable a name without".to_owned(),
                    };
                    self.add(format!("`{name}` is ignored: {why}; {way}"), arena.location(*key));
                    continue;
                }
                if !has_first && !declared.contains(&name) {
                    let near = near(first, &declared);
                    self.add(
                        format!("`{name}` is no variable of the template, and is ignored{near}"),
                        arena.location(*key),
                    );
                    continue;
                }
                let Some(schema) = variables.and_then(|own| arena.dict_get(own, &name)) else { continue };
                if let Some(why) = schema::misfit(arena, *value, schema) {
                    self.add(
                        format!("the server refuses the job variable `{name}`, which {why}"),
                        arena.location(*value),
                    );
                }
            }
        }
    }

    /// What a scenario says of its flow, run, deployment and work pool that Prefect does not know.
    fn on_fields(&mut self, scenario: &WorkerScenario) {
        let arena = self.arena;
        for (key, what, known) in scenario.run.unknown(arena) {
            let name = string::str(arena, key);
            let near = near(&name, &known);
            self.add(
                format!("`{name}` is nothing that Prefect knows of a `{what}`, and is ignored{near}"),
                arena.location(key),
            );
        }
    }

    /// Variables that a run of a deployment must have (`validate_job_variables_for_deployment_flow_run`).
    fn on_required(&mut self, preview: &WorkerPreview<'_>, scenario: &WorkerScenario) {
        let arena = self.arena;
        if scenario.run.deployment.is_none() {
            return;
        }
        let Some(variables) = arena.dict_get(preview.template, "variables") else { return };
        let given = [scenario.deployment_variables, scenario.run_variables];
        for required in arena.dict_get(variables, "required").map(|own| arena.list_items(own)).unwrap_or_default() {
            let Some(name) = arena.as_str(*required) else { continue };
            let schema = arena.dict_get(variables, "properties").and_then(|own| arena.dict_get(own, name));
            let has_default = schema.is_some_and(|schema| arena.dict_get(schema, "default").is_some());
            let is_set = given.iter().flatten().any(|own| arena.dict_get(*own, name).is_some());
            if !has_default && !is_set {
                let why = "the variable is required, has no default, and is not set";
                self.add(
                    format!("the server refuses runs of a deployment: {why}: `{name}`"),
                    arena.location(*required),
                );
            }
        }
    }

    /// What the API server refuses of the flow's `env`, and references that something hides.
    fn on_entries(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        for WorkerEnvEntry { entry, location, .. } in &preview.entries {
            let Some(name) = arena.dict_get(*entry, "name") else {
                let is_entry = ["value", "valueFrom"].iter().any(|key| arena.dict_get(*entry, key).is_some());
                let why = match is_entry {
                    true => "".into(),
                    false => {
                        ": `{{ env }}` among entries becomes a mapping (`" + ProgramName + " render` takes it out)"
                    }
                };
                let text = Message::from("Kubernetes refuses the Job: this is no entry of `env`, which has a `name`");
                self.add(text + why, location.as_ref());
                continue;
            };
            let name = string::str(arena, name);
            if let Some(value) = arena.dict_get(*entry, "value") {
                match arena.get(value) {
                    Value::Str(_) | Value::Unknown(_) | Value::None => {}
                    _ => {
                        let kind = arena.describe_kind(value);
                        self.add(
                            format!("Kubernetes refuses the Job: the value of {name} is {kind}, not text"),
                            arena.location(value),
                        );
                    }
                }
            }
            self.on_reference(&name, *entry, location.as_ref());
        }
        for WorkerEnvEntry { entry, location, origin } in &preview.overridden {
            let is_reference = arena.dict_get(*entry, "valueFrom").is_some();
            let Some(name) = arena.dict_get(*entry, "name").map(|name| string::str(arena, name)) else { continue };
            let winner = preview.entries.iter().find(|own| {
                arena.dict_get(own.entry, "name").map(|own| string::str(arena, own)).as_deref() == Some(name.as_str())
            });
            let Some(winner) = winner.filter(|_| is_reference && *origin == WorkerEnvOrigin::Container) else {
                continue;
            };
            if arena.dict_get(winner.entry, "valueFrom").is_some() {
                continue;
            }
            let way_out = match winner.origin {
                WorkerEnvOrigin::Worker => {
                    Message::from(format!("set `{name}: null` in `job_configuration.env`, as `"))
                        + ProgramName
                        + " render` does"
                }
                _ => "whoever sets it there must leave it out".into(),
            };
            let text = format!("the reference of {name} is lost: plain text takes its place; ");
            self.add(Message::from(text) + way_out, location.as_ref());
        }
    }

    /// A reference that Kubernetes refuses.
    fn on_reference(&mut self, name: &str, entry: ValueId, location: Option<&Location>) {
        let arena = self.arena;
        for (kind, word) in KEY_SOURCES {
            let Some(reference) = arena.dict_get(entry, "valueFrom").and_then(|from| arena.dict_get(from, kind)) else {
                continue;
            };
            let own = |key: &str| arena.dict_get(reference, key).and_then(|own| arena.as_str(own)).map(str::to_owned);
            let place_of =
                |key: &str| arena.dict_get(reference, key).and_then(|own| arena.location(own)).or(location).cloned();
            let object = own("name").filter(|name| !name.is_empty());
            let fault = match &object {
                Some(object) => names::check_object_name(word, object).err().map(ValidationError::message),
                None => Some(format!("the {word} has no name").into()),
            };
            if let Some(fault) = fault {
                let text = Message::from(format!("Kubernetes refuses the Job: {name}: "));
                self.add(text + fault, place_of("name").as_ref());
            }
            let fault = match own("key") {
                Some(key) => names::check_data_key(&key).err().map(ValidationError::message),
                None => Some(format!("the key of the {word} is missing").into()),
            };
            if let Some(fault) = fault {
                let text = Message::from(format!("Kubernetes refuses the Job: {name}: "));
                self.add(text + fault, place_of("key").as_ref());
            }
        }
    }

    /// Secrets that everybody can read who can read the Job.
    fn on_plain_text(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        for WorkerEnvEntry { entry, location, origin } in &preview.entries {
            let Some(name) = arena.dict_get(*entry, "name").and_then(|name| arena.as_str(name)) else { continue };
            let is_plain = arena.dict_get(*entry, "value").is_some_and(|value| arena.is_truthy(value));
            let is_secret = is_secret_setting(name) || is_sensitive(name);
            let what = match origin {
                _ if !is_plain || !is_secret => continue,
                WorkerEnvOrigin::Worker if is_secret_setting(name) => {
                    format!("the worker hands its {name} on as plain text")
                }
                WorkerEnvOrigin::Worker
                | WorkerEnvOrigin::FlowRun
                | WorkerEnvOrigin::Eviction
                | WorkerEnvOrigin::Secret => continue,
                WorkerEnvOrigin::Deployment | WorkerEnvOrigin::JobVariables => {
                    format!("{name} is plain text, and its name looks secret; leave it out here, and have a reference")
                }
                _ => format!("{name} is plain text, and its name looks secret"),
            };
            let flag = match name {
                "PREFECT_API_KEY" => "--api-key SECRET/KEY".to_owned(),
                _ => format!("--secret-env {name}=SECRET/KEY"),
            };
            let file = arena.location(preview.template).map_or("FILE", |location| &location.source.name);
            self.add(
                Message::from(format!("{what}: `")) + ProgramName + format!(" render {file} {flag}`"),
                location.as_ref(),
            );
        }
    }

    /// Other containers that have a placeholder as their `env`.
    fn on_containers(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let Some(pod) = manifest::pod(arena, preview.job) else { return };
        for (list, first) in [("containers", 1), ("initContainers", 0)] {
            for container in manifest::containers(arena, pod, list).iter().skip(first) {
                let Some(env) = arena.dict_get(*container, "env") else { continue };
                if !matches!(arena.get(env), Value::List(_) | Value::None) {
                    let name =
                        arena.dict_get(*container, "name").map_or(String::new(), |name| string::str(arena, name));
                    self.add(
                        format!(
                            "Kubernetes refuses the Job: `env` of {list} {name} is {}; the worker makes a list of it in \
                             the first container only",
                            arena.describe_kind(env)
                        ),
                        arena.location(*container),
                    );
                }
            }
        }
    }

    /// `{{ env }}` where it can't be, while nothing sets a variable: neither the worker nor Kubernetes minds, until a
    /// deployment sets one.
    fn on_what_is_to_come(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let Some(pod) = arena
            .dict_get(preview.template, "job_configuration")
            .and_then(|own| arena.dict_get(own, "job_manifest"))
            .and_then(|manifest| manifest::pod(arena, manifest))
        else {
            return;
        };
        let is_env = |id: ValueId| arena.as_str(id).and_then(placeholder::sole_name) == Some("env");
        // What has come to pass is told of the Job.
        let has_come = preview.entries.iter().any(|own| arena.dict_get(own.entry, "name").is_none());
        let first = manifest::containers(arena, pod, "containers").first();
        let entries = first.and_then(|container| arena.dict_get(*container, "env"));
        let among = entries.and_then(|entries| arena.list_items(entries).iter().find(|entry| is_env(**entry)));
        if let Some(among) = among.filter(|_| !has_come) {
            self.add(
                "once anything sets a variable, `{{ env }}` among entries becomes a mapping, and Kubernetes refuses the \
                 Job (`"
                    + ProgramName
                    + " render` takes it out)",
                arena.location(*among),
            );
        }
        let Some(made) = manifest::pod(arena, preview.job) else { return };
        for (list, first) in [("containers", 1), ("initContainers", 0)] {
            let env = |container: &ValueId| arena.dict_get(*container, "env");
            let has_come = |env: ValueId| !matches!(arena.get(env), Value::List(_) | Value::None);
            if manifest::containers(arena, made, list).iter().skip(first).filter_map(env).any(has_come) {
                continue;
            }
            for container in manifest::containers(arena, pod, list).iter().skip(first) {
                let Some(env) = env(container).filter(|env| is_env(*env)) else { continue };
                let name = arena.dict_get(*container, "name").map_or(String::new(), |name| string::str(arena, name));
                self.add(
                    format!(
                        "once anything sets a variable, `env` of {list} {name} becomes a mapping, and Kubernetes refuses \
                         the Job: the worker makes a list of it in the first container only"
                    ),
                    arena.location(env),
                );
            }
        }
    }

    /// Names and the namespace.
    fn on_names(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let metadata = arena.dict_get(preview.job, "metadata");
        let own = |key: &str| metadata.and_then(|metadata| arena.dict_get(metadata, key));
        for (key, ending) in [("generateName", "x"), ("name", "")] {
            let Some(id) = own(key) else { continue };
            let name = arena.as_str(id).unwrap_or_default();
            // What a placeholder gives may be anybody's.
            if let Err(fault) = names::check_object_name("Job", &format!("{name}{ending}")) {
                let text = Message::from(format!("Kubernetes refuses the Job: `{key}`: "));
                self.add(text + fault.message(), arena.location(id));
            }
        }
        let namespace = manifest::namespace(arena, &preview.configuration);
        let location = arena.location(preview.configuration.namespace);
        if let Some(other) = own("namespace").filter(|id| string::str(arena, *id) != namespace) {
            let why = "Kubernetes refuses the Job: its manifest names another namespace than the variable `namespace`";
            self.add(why, arena.location(other).or(location));
        } else if namespace != "default" {
            let what = "the namespace of the Job must be there, and the Secrets that it refers to in it";
            self.add(format!("{what}: {namespace}"), location);
        }
    }
}

/// Whether a setting of Prefect is a secret, or has the name of one.
pub(super) fn is_secret_setting(name: &str) -> bool {
    is_worker_setting(name) && (is_sensitive(name) || settings::is_secret(name))
}

/// The placeholders of a value; the server looks at keys, too.
fn in_keys_and_values<'h>(arena: &'h Arena, value: ValueId, found: &mut Vec<(ValueId, Placeholder<'h>)>) {
    match arena.get(value) {
        Value::Dict(pairs) => pairs.iter().for_each(|(key, value)| {
            fill::in_value(arena, *key, found);
            in_keys_and_values(arena, *value, found);
        }),
        Value::List(items) => items.iter().for_each(|item| in_keys_and_values(arena, *item, found)),
        _ => fill::in_value(arena, value, found),
    }
}

/// A question after the nearest of names.
fn near(name: &str, names: &[String]) -> String {
    let near = suggest::closest(name, names.iter().map(String::as_str));
    near.map(|near| format!("; is `{near}` meant?")).unwrap_or_default()
}
