//! Notes about the Job of a preview: what Kubernetes rejects, what Prefect leaves, and which labels the worker overrides.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jobplate_diagnostic::Diagnostic;

use super::labels;
use super::notes::{PreviewNotes, template_manifest};
use super::preview::WorkerPreview;
use super::version::WorkerVersion;
use crate::job_checks::{self, TemplatePlaceholders};
use crate::placeholder;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::source::SourceFile;
use crate::pyvalue::string;

/// The keys of a pod spec with lists of containers.
const CONTAINER_LISTS: [&str; 2] = ["containers", "initContainers"];

impl PreviewNotes<'_> {
    /// Adds notes about parts of the Job that the API server rejects, and about expressions that Prefect does not replace.
    pub(super) fn check_job(&mut self, preview: &WorkerPreview<'_>, variables: Option<ValueId>) {
        let arena = self.arena;
        let manifest = template_manifest(arena, preview.template);
        let references = manifest.map(|manifest| job_checks::find_references(arena, manifest)).unwrap_or_default();
        let references: HashMap<_, _> =
            references.into_iter().filter_map(|id| Some((key_of(arena, id)?, id))).collect();
        let variable_of = |reference, field: &str| {
            let field = arena.dict_get(*references.get(&key_of(arena, reference)?)?, field)?;
            arena.as_str(field).and_then(placeholder::sole_name).map(str::to_owned)
        };
        let env_placeholders: HashMap<_, _> = template_containers(arena, preview)
            .filter_map(|(_, _, container)| Some((key_of(arena, container)?, env_placeholder(arena, container)?)))
            .collect();
        let env_of = |container| env_placeholders.get(&key_of(arena, container)?).copied();
        let placeholders = TemplatePlaceholders { variable_of: &variable_of, env_of: &env_of };
        for diagnostic in job_checks::find(arena, preview.job, &placeholders) {
            self.add(diagnostic, None);
        }
        let declared = self.keys_of(variables);
        for (id, expression) in job_checks::find_expressions(arena, preview.job) {
            let is_separator = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'));
            let meant = expression.split(is_separator).find(|word| declared.contains(*word));
            let help = match meant {
                _ if placeholder::is_name(expression) => {
                    "replace it with a value: Prefect does not replace placeholders in the values of job variables"
                        .to_owned()
                }
                Some(name) => format!("use `{{{{ {name} }}}}`: Prefect replaces only names"),
                None => "use `{{ NAME }}` with a variable of the template: Prefect replaces only names".to_owned(),
            };
            self.add(job_checks::expression_warning(expression).help(help), arena.location(id));
        }
    }

    /// Adds notes about a misplaced `{{ env }}` that has no effect yet. The worker and the API server accept the
    /// placeholder until a source sets a variable.
    pub(super) fn check_latent_placeholders(&mut self, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let containers = template_containers(arena, preview);
        let Some(pod) = job_checks::pod(arena, preview.job) else { return };
        let in_job = CONTAINER_LISTS.into_iter().flat_map(|list| job_checks::items(arena, pod, list));
        // If a placeholder has an effect, the notes about the Job already report it.
        let has_effect = |env: ValueId| match arena.get(env) {
            Value::None => false,
            Value::List(entries) => entries.iter().any(|entry| arena.dict_get(*entry, "name").is_none()),
            _ => true,
        };
        let affected = in_job.filter(|container| arena.dict_get(**container, "env").is_some_and(has_effect));
        let affected: HashSet<_> = affected.filter_map(|container| key_of(arena, *container)).collect();
        for (list, position, container) in containers {
            let Some(placeholder) = env_placeholder(arena, container) else { continue };
            let is_whole = arena.dict_get(container, "env") == Some(placeholder);
            let is_flow = list == CONTAINER_LISTS[0] && position == 0;
            if is_flow && is_whole || key_of(arena, container).is_some_and(|key| affected.contains(&key)) {
                continue;
            }
            let name = arena.dict_get(container, "name").map_or(String::new(), |name| string::str(arena, name));
            let (subject, help) = match is_whole {
                true => (
                    format!("`env` of `{name}` under `{list}`"),
                    "write a list: the worker converts only the `env` of the first container".into(),
                ),
                false => ("`{{ env }}` in a list of entries".to_owned(), job_checks::placeholder_in_list_hint(is_flow)),
            };
            let text = format!(
                "if a variable is set, Prefect replaces {subject} with a mapping, and Kubernetes rejects the Job"
            );
            let warning = Diagnostic::warning("mixed-env-placeholder", text).help(help);
            self.add(warning, arena.location(placeholder));
        }
    }

    /// Adds notes about labels of the template's Job that the worker overrides.
    pub(super) fn check_overridden_labels(&mut self, version: WorkerVersion, preview: &WorkerPreview<'_>) {
        let arena = self.arena;
        let Some(template) = template_manifest(arena, preview.template) else { return };
        for path in [&["metadata", "labels"][..], &["spec", "template", "metadata", "labels"]] {
            let labels_of = |job| path.iter().try_fold(job, |at, key| arena.dict_get(at, key));
            let (Some(own), Some(labels)) = (labels_of(template), labels_of(preview.job)) else { continue };
            for (key, value) in arena.as_dict(own).unwrap_or_default() {
                let Some(name) = arena.as_str(*key) else { continue };
                let final_key = labels::slugify_key(name, version.keeps_case_of_keys());
                let (Some(Value::Str(label)), Value::Str(own)) =
                    (arena.dict_get(labels, &final_key).map(|label| arena.get(label)), arena.get(*value))
                else {
                    continue;
                };
                if placeholder::is_contained_in(own)
                    || *label == labels::slugify_value(own, version.keeps_case_of_values())
                {
                    continue;
                }
                let text = format!("the worker overrides the label `{name}`");
                let warning = Diagnostic::warning("overridden-field", text)
                    .help("set it in `labels` of `job_configuration`, which overrides the worker's labels");
                self.add(warning, arena.location(*value));
            }
        }
    }
}

/// Returns the containers of a template, each with the key of its list and its position.
fn template_containers(
    arena: &Arena,
    preview: &WorkerPreview<'_>,
) -> impl Iterator<Item = (&'static str, usize, ValueId)> {
    let pod = template_manifest(arena, preview.template).and_then(|manifest| job_checks::pod(arena, manifest));
    let lists = CONTAINER_LISTS.into_iter().filter_map(move |list| Some((list, job_checks::items(arena, pod?, list))));
    lists.flat_map(|(list, items)| items.iter().enumerate().map(move |(position, id)| (list, position, *id)))
}

/// Returns a key for the place where a value is written. A value of the Job has the same key as in the template.
fn key_of(arena: &Arena, id: ValueId) -> Option<(*const SourceFile, usize)> {
    arena.location(id).map(|location| (Rc::as_ptr(&location.source), location.span.start))
}

/// Returns the `{{ env }}` of a container in a template: its `env`, or an item of it.
fn env_placeholder(arena: &Arena, container: ValueId) -> Option<ValueId> {
    let env = arena.dict_get(container, "env")?;
    let is_env = |id: &ValueId| arena.as_str(*id).and_then(placeholder::sole_name) == Some("env");
    Some(env).filter(is_env).or_else(|| arena.list_items(env).iter().copied().find(is_env))
}
