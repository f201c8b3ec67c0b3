//! Finds the documents in strings that are targets: values of a ConfigMap, and base job templates in values of a chart.

use std::collections::HashMap;

use jobplate_diagnostic::Result;
use jobplate_manifest::embedded;
use jobplate_manifest::object::Object;
use jobplate_manifest::select::Target;
use jobplate_prefect::chart_values::{self, ChartValue};
use jobplate_prefect::{base_job_template, template_keys};
use jobplate_yaml::KeyIndex;

use super::edit_plan::EmbeddedDocument;
use super::injection::Injection;
use super::scope::passes_filters;

/// Returns the documents in a ConfigMap that are targets. `position` is the ConfigMap's index in its document.
pub(super) fn find_in_config_map<'a>(
    object: &Object<'a>,
    position: usize,
    injection: &Injection,
) -> Result<Vec<EmbeddedDocument<'a>>> {
    let mut found = Vec::new();
    let targets = &injection.targets;
    let by_default = injection.has_default_targets();
    let is_match = |target: &Target| target.key.is_some() && target.matches_kind_and_name(object);
    if !(by_default || targets.iter().any(is_match)) || !passes_filters(object, injection)? {
        return Ok(found);
    }
    let Some(data) = embedded::config_map_data(object)? else { return Ok(found) };
    let index = KeyIndex::new(data.node());
    for (key, _) in data.entries() {
        let name = key.text().unwrap_or_default();
        let target = targets.iter().position(|target| target.matches_embedded(object, &name));
        let is_default_target = by_default && template_keys::is_template_key(&name);
        if !(target.is_some() || is_default_target) {
            continue;
        }
        if let Some(value) = embedded::find_document(&index, key)? {
            found.push(EmbeddedDocument { object: position, key, value, target });
        }
    }
    Ok(found)
}

/// Returns the base job templates in values of a chart, and the strings with such values, if the object with the values
/// is a target.
pub(super) fn find_in_values<'a>(
    object: &Object<'a>,
    position: usize,
    injection: &Injection,
) -> Result<Vec<EmbeddedDocument<'a>>> {
    let is_match = |target: &Target| is_target_of_values(target, object);
    if !(injection.has_default_targets() || injection.targets.iter().any(is_match)) {
        return Ok(Vec::new());
    }
    let mut found = find_templates(object, position)?;
    found.extend(to_embedded(chart_values::values_texts(object), position)?);
    if found.is_empty() || !passes_filters(object, injection)? {
        return Ok(Vec::new());
    }
    if object.kind.is_empty() {
        injection.refuse_metadata_changes(object.node)?;
    }
    Ok(found)
}

/// Returns the base job templates in values that an object is or contains as mappings.
pub(super) fn find_templates<'a>(object: &Object<'a>, position: usize) -> Result<Vec<EmbeddedDocument<'a>>> {
    to_embedded(chart_values::templates(object), position)
}

fn to_embedded<'a>(values: Vec<ChartValue<'a>>, position: usize) -> Result<Vec<EmbeddedDocument<'a>>> {
    let mut maps = HashMap::new();
    let convert = |found: ChartValue<'a>| {
        let value = found.editable(&mut maps)?;
        Ok(EmbeddedDocument { object: position, key: found.key(), value, target: None })
    };
    values.into_iter().map(convert).collect()
}

/// Returns whether a target matches an object with values of a chart. A values file matches by the kind of the template.
pub(super) fn is_target_of_values(target: &Target, object: &Object<'_>) -> bool {
    let is_template = || target.kind.matches(base_job_template::KIND) && target.name.is_none() && target.key.is_none();
    match &*object.kind {
        "" => is_template(),
        _ => !embedded::is_config_map(object) && target.matches(object),
    }
}
