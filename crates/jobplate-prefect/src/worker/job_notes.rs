//! Notes about the Job of a preview: what Kubernetes rejects, what Prefect leaves, and which labels the worker overrides.

use std::collections::HashMap;
use std::rc::Rc;

use jobplate_diagnostic::Diagnostic;

use super::labels;
use super::notes::{PreviewNotes, template_manifest};
use super::preview::WorkerPreview;
use super::version::WorkerVersion;
use crate::pyvalue::arena::{Value, ValueId};
use crate::{job_checks, placeholder};

impl PreviewNotes<'_> {
    /// Adds notes about parts of the Job that the API server rejects, and about expressions that Prefect does not replace.
    pub(super) fn check_job(&mut self, preview: &WorkerPreview<'_>, variables: Option<ValueId>) {
        let arena = self.arena;
        let key_of =
            |id: ValueId| arena.location(id).map(|location| (Rc::as_ptr(&location.source), location.span.start));
        let manifest = template_manifest(arena, preview.template);
        let references = manifest.map(|manifest| job_checks::named_references(arena, manifest)).unwrap_or_default();
        let placeholders: HashMap<_, &str> = references
            .into_iter()
            .filter_map(|(reference, name)| {
                Some((key_of(reference)?, arena.as_str(name).and_then(placeholder::sole_name)?))
            })
            .collect();
        let placeholder_of = |reference| placeholders.get(&key_of(reference)?).map(|name| (*name).to_owned());
        for diagnostic in job_checks::find(arena, preview.job, &placeholder_of) {
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
