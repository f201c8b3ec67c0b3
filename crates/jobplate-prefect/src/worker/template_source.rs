//! Finds a base job template in a file, and loads it.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::embedded;
use jobplate_manifest::object::{Object, for_each_object};
use jobplate_yaml::{Node, StrictMap};

use super::values::{load, to_json};
use crate::pyvalue::arena::{Arena, ValueId};
use crate::pyvalue::json;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::{base_job_template, chart_values, kubernetes_job_block, template_keys};

/// Returns whether a file is for Prefect 2 or 3, that is, contains a base job template (even without `variables`), a
/// `KubernetesJob` block or a `PrefectWorkPool`.
pub fn is_base_job_template(text: &str) -> bool {
    // A JSON object that mentions `job_configuration` counts as a template, even if it is not valid YAML (with
    // surrogates) or not valid JSON.
    let mut found =
        text.trim_start_matches('\u{feff}').trim_start().starts_with('{') && text.contains("job_configuration");
    let looked = for_each_object(text, &mut |_, object| {
        found |= base_job_template::find(object).is_some() || kubernetes_job_block::find(object).is_some();
        found |= object.kind == "PrefectWorkPool";
        found |= !embedded_templates(object).is_empty() || base_job_template::find_without_variables(object).is_some();
        Ok(())
    });
    looked.is_ok() && found
}

/// Returns the scalars of an object that hold a base job template: in a ConfigMap, the value of the chart's key and all
/// other values that look like a template; in values of the chart `prefect-worker`, the template.
fn embedded_templates<'a>(object: &Object<'a>) -> Vec<Node<'a>> {
    let is_template = |value: Node<'a>| {
        value.is_scalar()
            && value.text().is_some_and(|text| json::is_json(&text) && text.contains("\"job_configuration\""))
    };
    if !embedded::is_config_map(object) {
        let texts = chart_values::values_texts(object).into_iter();
        let texts = texts.filter(|text| text.value.text().is_some_and(|text| is_base_job_template(&text)));
        return chart_values::templates(object).into_iter().chain(texts).map(|found| found.value).collect();
    }
    let data = embedded::config_map_data(object).ok().flatten();
    let entries = data.into_iter().flat_map(StrictMap::entries);
    let is_base_job_template =
        |(key, value): &(Node<'a>, Node<'a>)| key.has_text(template_keys::BASE_JOB_TEMPLATE) || is_template(*value);
    entries.filter(is_base_job_template).map(|(_, value)| value).collect()
}

/// Loads the base job template of a file.
///
/// # Errors
/// Fails if the file cannot be parsed, if it does not contain exactly one template, or if Prefect's operator would
/// patch the template.
pub fn read(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<ValueId> {
    find(arena, source).map_err(|error| json::invalid_json(source).unwrap_or(error))
}

fn find(arena: &mut Arena, source: &Rc<SourceFile>) -> Result<ValueId> {
    let file_location = Location { source: Rc::clone(source), span: 0..0 };
    if let Some(template) = json::load(arena, source)?.and_then(|root| find_in_value(arena, root)) {
        return to_json(arena, template);
    }
    let mut inner: Vec<Rc<SourceFile>> = Vec::new();
    let mut is_block = false;
    let mut count = 0;
    for_each_object(&source.text, &mut |offset, object| {
        is_block |= kubernetes_job_block::find(object).is_some();
        count += usize::from(base_job_template::find(object).is_some());
        let fail_at = |node: Node<'_>, error| {
            let span = offset + node.span().start..offset + node.span().end;
            Err(locate(error, Some(&Location { source: Rc::clone(source), span })))
        };
        if let Some(patches) = base_job_template::patches(object) {
            return fail_at(patches, base_job_template::unsupported_patches_error());
        }
        if let Some(template) = base_job_template::find_without_variables(object) {
            return fail_at(template, base_job_template::missing_variables_error());
        }
        inner.extend(embedded_templates(object).into_iter().map(|value| embedded_file(source, offset, value)));
        Ok(())
    })?;
    match (count, inner.as_slice()) {
        (0, [text]) => {
            let text = Rc::clone(text);
            return read(arena, &text);
        }
        (0, []) if is_block => {
            let error = Error::input("unsupported template: a KubernetesJob block for agents of Prefect 2");
            let hint = "convert it to a base job template with `publish_as_work_pool()` of Prefect 2";
            return Err(locate(error.hint(hint), Some(&file_location)));
        }
        (1, []) => {}
        (0, []) => {
            let error = Error::input("no base job template found");
            return Err(locate(
                error.hint("a base job template has `job_configuration` and `variables`"),
                Some(&file_location),
            ));
        }
        _ => {
            let error = Error::input("found several base job templates");
            return Err(locate(error.hint("pass a file with only one of them"), Some(&file_location)));
        }
    }
    let root = load(arena, source)?;
    let template = find_in_value(arena, root).unwrap_or(root);
    to_json(arena, template)
}

/// Returns the base job template that a value is or contains, if any.
fn find_in_value(arena: &Arena, root: ValueId) -> Option<ValueId> {
    let is_template =
        |id: &ValueId| ["job_configuration", "variables"].iter().all(|key| arena.dict_get(*id, key).is_some());
    let mut found = base_job_template::PATHS
        .iter()
        .filter_map(|path| path.iter().try_fold(root, |at, key| arena.dict_get(at, key)));
    found.find(is_template)
}

/// Returns an embedded template as a source file. `offset` is the start of its document in `source`.
fn embedded_file(source: &Rc<SourceFile>, offset: usize, value: Node<'_>) -> Rc<SourceFile> {
    // The chart also accepts a mapping, which the API server rejects in a ConfigMap. The mapping is read as the
    // template.
    let text = if value.is_scalar() { value.text().unwrap_or_default().into_owned() } else { value.raw().to_owned() };
    let span = offset + value.span().start..offset + value.span().end;
    SourceFile::new_embedded(&Location { source: Rc::clone(source), span }, text, true)
}
