//! Notes about values in a template, a scenario and job variables that Prefect's server rejects or ignores.

use std::collections::HashSet;

use indexmap::IndexSet;
use jobplate_diagnostic::Diagnostic;

use super::fill;
use super::notes::PreviewNotes;
use super::preview::WorkerPreview;
use super::run::UnknownFields;
use super::scenario::WorkerScenario;
use super::schema::schema_use::RequiredKeys;
use super::version::WorkerVersion;
use crate::placeholder::Placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::{json, string};

impl PreviewNotes<'_> {
    /// Adds notes about a template that is not valid JSON or has no `properties`, and about values that the server
    /// rejects (`validate_base_job_template`).
    pub(super) fn check_template(&mut self, preview: &WorkerPreview<'_>, variables: Option<ValueId>) {
        let arena = self.arena;
        if let Some((why, location)) =
            arena.location(preview.template).and_then(|location| json::find_error(&location.source))
        {
            let text = format!(
                "invalid JSON: {why}; the preview reads the template as YAML, but Prefect's commands only \
                                accept JSON"
            );
            self.add(Diagnostic::warning("invalid-json", text), Some(&location));
        }
        let declared = self.keys_of(variables);
        let mut used = Vec::new();
        let configuration = arena.dict_get(preview.template, "job_configuration");
        for (_, value) in configuration.and_then(|dict| arena.as_dict(dict)).unwrap_or_default() {
            collect_in_keys_and_values(arena, *value, &mut used);
        }
        // The server searches the JSON of each value, in which other characters are escaped.
        let is_seen = |placeholder: &Placeholder<'_>| placeholder.full.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let mut names = HashSet::new();
        for (id, placeholder) in used.into_iter().filter(|(_, placeholder)| is_seen(placeholder)) {
            if !declared.contains(placeholder.name) && names.insert(placeholder.name) {
                let text = format!(
                    "the server rejects this template: `{{{{ {} }}}}` is not one of its variables",
                    placeholder.name
                );
                let error = self.suggest(Diagnostic::error("undeclared-variable", text), placeholder.name, &declared);
                self.add(error, arena.location(id));
            }
        }
        if arena.dict_get(preview.template, "variables").is_some() && variables.is_none() {
            let variables = arena.dict_get(preview.template, "variables");
            let location = variables.and_then(|id| arena.location(id));
            let text = "`variables` has no `properties`, so no variable has a default";
            self.add(Diagnostic::warning("invalid-variable-schema", text), location);
        }
        let required = required_names(arena, preview.template);
        for (name, schema) in variables.and_then(|variables| arena.as_dict(variables)).unwrap_or_default() {
            let Some(default) = arena.dict_get(*schema, "default") else { continue };
            let is_required = arena.as_str(*name).is_some_and(|name| required.contains(name));
            if let Some(rejection) = self.schemas.rejection(default, *schema, is_required, RequiredKeys::Ignored) {
                let description = rejection.describe(&string::str(arena, *name));
                let text = format!("the server rejects this template: the default of {description}");
                self.add(Diagnostic::error("default-not-in-schema", text), arena.location(default));
            }
        }
    }

    /// Adds notes about job variables that the template does not declare, that the version ignores, or whose values the
    /// server rejects.
    pub(super) fn check_job_variables(
        &mut self,
        version: WorkerVersion,
        template: ValueId,
        scenario: &WorkerScenario,
        variables: Option<ValueId>,
    ) {
        let arena = self.arena;
        if let Some(run) = scenario.run_variables.filter(|run| arena.is_truthy(*run) && !version.reads_run_variables())
        {
            let why = "prefect-kubernetes before 0.2.12 ignores the job variables of a flow run";
            let warning = Diagnostic::warning("ignored-variable", why).help("update it to 0.2.12 or later");
            self.add(warning, arena.location(run));
        }
        let declared = self.keys_of(variables);
        let used = used_variables(arena, template);
        let required = required_names(arena, template);
        let required_keys = self.required_keys(variables);
        for job_variables in [scenario.deployment_variables, scenario.run_variables].into_iter().flatten() {
            for (key, value) in arena.as_dict(job_variables).unwrap_or_default() {
                let name = string::str(arena, *key);
                let first = name.split(['.', '[']).next().unwrap_or_default();
                let is_read = version.reads_dotted_variables() || first == name;
                let has_first = declared.contains(first);
                if !is_read && (has_first || declared.contains(&name)) {
                    let fix = match has_first {
                        true => format!("set it in `{first}`"),
                        false => "rename the template's variable to a name without dots".to_owned(),
                    };
                    let text = format!(
                        "`{name}` is ignored: prefect-kubernetes before 0.7.0 does not support dots in job variables"
                    );
                    self.add(Diagnostic::warning("ignored-variable", text).help(fix), arena.location(*key));
                    continue;
                }
                if !has_first && !declared.contains(&name) {
                    let text = format!("`{name}` is ignored: it is not a variable of the template");
                    let warning = self.suggest(Diagnostic::warning("undeclared-variable", text), first, &declared);
                    self.add(warning, arena.location(*key));
                    continue;
                }
                if !used.contains(first) {
                    let text = format!("`{name}` is ignored: no placeholder of `job_configuration` uses it");
                    let help = format!("add `{{{{ {first} }}}}` to the template where the value belongs");
                    self.add(Diagnostic::warning("unused-variable", text).help(help), arena.location(*key));
                }
                let Some(schema) = variables.and_then(|variables| arena.dict_get(variables, &name)) else { continue };
                if let Some(rejection) =
                    self.schemas.rejection(*value, schema, required.contains(name.as_str()), required_keys)
                {
                    let text = format!("the server rejects the job variables: {}", rejection.describe(&name));
                    self.add(Diagnostic::error("invalid-job-variable", text), arena.location(*value));
                }
            }
        }
    }

    /// Returns whether the server requires keys in the job variables of a flow run: it does not if it drops a default. Assumes
    /// that it does not if that is uncertain.
    fn required_keys(&self, variables: Option<ValueId>) -> RequiredKeys {
        let arena = self.arena;
        let pairs = variables.and_then(|variables| arena.as_dict(variables)).unwrap_or_default();
        let is_dropped = |schema: ValueId| {
            // The server replaces a reference with the block.
            let default = arena.dict_get(schema, "default").filter(|id| arena.dict_get(*id, "$ref").is_none());
            default.is_some_and(|default| self.schemas.may_be_dropped(default, schema))
        };
        if pairs.iter().any(|(_, schema)| is_dropped(*schema)) { RequiredKeys::Ignored } else { RequiredKeys::Enforced }
    }

    /// Adds notes about fields in a scenario's flow, run, deployment and work pool that Prefect does not have.
    pub(super) fn check_scenario_fields(&mut self, scenario: &WorkerScenario) {
        let arena = self.arena;
        for UnknownFields { record, keys, known } in scenario.run.unknown_fields(arena) {
            for key in keys {
                let name = string::str(arena, key);
                let text = format!("`{name}` is ignored: it is not a field of a `{record}`");
                let warning = self.suggest(Diagnostic::warning("unknown-field", text), &name, &known);
                self.add(warning, arena.location(key));
            }
        }
    }

    /// Adds notes about required variables that have no default and are not set, if the flow run has a deployment
    /// (`validate_job_variables_for_deployment_flow_run`).
    pub(super) fn check_required_variables(&mut self, preview: &WorkerPreview<'_>, scenario: &WorkerScenario) {
        let arena = self.arena;
        if scenario.run.deployment.is_none() {
            return;
        }
        let Some(variables) = arena.dict_get(preview.template, "variables") else { return };
        let sources = [scenario.deployment_variables, scenario.run_variables];
        for required in arena.dict_get(variables, "required").map(|list| arena.list_items(list)).unwrap_or_default() {
            let Some(name) = arena.as_str(*required) else { continue };
            let schema =
                arena.dict_get(variables, "properties").and_then(|properties| arena.dict_get(properties, name));
            let has_default = schema.is_some_and(|schema| arena.dict_get(schema, "default").is_some());
            let is_set = sources.iter().flatten().any(|variables| arena.dict_get(*variables, name).is_some());
            if !has_default && !is_set {
                let text = format!(
                    "the required variable `{name}` has no value and no default: the server rejects flow runs of a deployment"
                );
                let help = "set it in the job variables, or give it a default";
                self.add(Diagnostic::error("missing-variable", text).help(help), arena.location(*required));
            }
        }
    }

    /// Adds a note if there were too many values and schemas to check all of them.
    pub(super) fn check_comparisons(&mut self) {
        if self.schemas.is_exhausted() {
            let text = "the schemas of the variables are too large to check every value; Prefect's server checks all";
            self.add(Diagnostic::info("incomplete-check", text), None);
        }
    }

    /// Returns the string keys of a mapping.
    pub(super) fn keys_of(&self, dict: Option<ValueId>) -> IndexSet<String> {
        let pairs = dict.and_then(|dict| self.arena.as_dict(dict)).unwrap_or_default();
        pairs.iter().filter_map(|(key, _)| self.arena.as_str(*key).map(str::to_owned)).collect()
    }
}

/// Returns the names of the required variables.
fn required_names(arena: &Arena, template: ValueId) -> HashSet<&str> {
    let required = arena.dict_get(template, "variables").and_then(|variables| arena.dict_get(variables, "required"));
    let required = required.map(|list| arena.list_items(list)).unwrap_or_default();
    required.iter().filter_map(|name| arena.as_str(*name)).collect()
}

/// Returns the names of the variables that `job_configuration` uses. Prefect merges `env` into a mapping.
fn used_variables(arena: &Arena, template: ValueId) -> HashSet<&str> {
    let Some(configuration) = arena.dict_get(template, "job_configuration") else { return HashSet::new() };
    let mut placeholders = Vec::new();
    fill::collect_placeholders(arena, configuration, &mut placeholders);
    let names = placeholders.into_iter().filter_map(|(_, placeholder)| placeholder.name.split(['.', '[']).next());
    let mut used: HashSet<&str> = names.collect();
    if arena.dict_get(configuration, "env").is_some_and(|env| arena.as_dict(env).is_some()) {
        used.insert("env");
    }
    used
}

/// Collects the placeholders of a value, including those in keys, which the server also checks.
fn collect_in_keys_and_values<'h>(arena: &'h Arena, value: ValueId, found: &mut Vec<(ValueId, Placeholder<'h>)>) {
    match arena.get(value) {
        Value::Dict(pairs) => pairs.iter().for_each(|(key, value)| {
            fill::collect_placeholders(arena, *key, found);
            collect_in_keys_and_values(arena, *value, found);
        }),
        Value::List(items) => items.iter().for_each(|item| collect_in_keys_and_values(arena, *item, found)),
        _ => fill::collect_placeholders(arena, value, found),
    }
}
