//! Finds base job templates in values of the chart `prefect-worker`: in a values file, in a HelmRelease of Flux, and in
//! an Application of Argo CD.
//!
//! The template is a JSON text under `worker.config.baseJobTemplate`. Values of a chart that depends on `prefect-worker`
//! have this key below the name of the dependency.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jobplate_diagnostic::Result;
use jobplate_manifest::embedded;
use jobplate_manifest::object::Object;
use jobplate_yaml::{Editable, KeyIndex, Node, StrictMap};

/// The path of the template in the values. Source: `values.yaml` of the chart `prefect-worker`.
const TEMPLATE: [&str; 3] = ["worker", "config", "baseJobTemplate"];

/// The key below [`TEMPLATE`] that holds the template. Older versions of the chart hold it in [`TEMPLATE`] itself.
const CONFIGURATION: &str = "configuration";

/// The key that every base job template has.
const KEYWORD: &str = "job_configuration";

/// A string that holds a template, or values in which a template is.
#[derive(Clone, Debug)]
pub struct ChartValue<'a> {
    /// The string.
    pub value: Node<'a>,
    /// The mappings above the string, each with the key on the path to the string. The last key is that of the string.
    path: Vec<(Node<'a>, Node<'a>)>,
}

impl<'a> ChartValue<'a> {
    fn root(value: Node<'a>) -> Self {
        ChartValue { value, path: Vec::new() }
    }

    /// Returns the string's key.
    pub fn key(&self) -> Node<'a> {
        self.path.last().map_or(self.value, |(_, key)| *key)
    }

    /// Returns the string for an edit. `maps` are the indices of the mappings that were checked for other strings.
    ///
    /// # Errors
    ///
    /// Fails if an alias, anchor, tag, merge key or duplicate key makes the string ambiguous.
    pub fn editable(&self, maps: &mut HashMap<u32, KeyIndex<'a>>) -> Result<Editable<'a>> {
        for (map, key) in &self.path {
            let index = match maps.entry(map.index()) {
                Entry::Occupied(checked) => checked.into_mut(),
                Entry::Vacant(new) => new.insert(KeyIndex::new(StrictMap::from_node(*map, "the mapping")?.node())),
            };
            index.get(&key.text().unwrap_or_default())?;
        }
        Editable::from_node(self.value, "the base job template")
    }

    /// Returns an entry of the mapping that this value is.
    fn entry(&self, key: Node<'a>, value: Node<'a>) -> ChartValue<'a> {
        ChartValue { value, path: [&self.path[..], &[(self.value, key)]].concat() }
    }

    /// Returns the value under a path of keys, or `None` if it is missing.
    fn get(&self, keys: &[&str]) -> Option<ChartValue<'a>> {
        keys.iter().try_fold(self.clone(), |found, name| {
            let (key, value) = found.value.entries().find(|(key, _)| key.has_text(name))?;
            Some(found.entry(key, value))
        })
    }
}

/// Returns the base job templates in the values that an object is or contains as mappings.
pub fn templates<'a>(object: &Object<'a>) -> Vec<ChartValue<'a>> {
    let mut found = Vec::new();
    for values in values_mappings(object) {
        let dependencies = values.value.entries().filter(|(_, value)| value.get_first(TEMPLATE[0]).is_some());
        let dependencies = dependencies.map(|(key, value)| values.entry(key, value));
        for chart in [values.clone()].into_iter().chain(dependencies) {
            let Some(template) = chart.get(&TEMPLATE) else { continue };
            let template = template.get(&[CONFIGURATION]).unwrap_or(template);
            if is_template(template.value) {
                found.push(template);
            }
        }
    }
    found
}

/// Returns the strings in an object that hold values with a base job template: `helm.values` of an Application.
pub fn values_texts<'a>(object: &Object<'a>) -> Vec<ChartValue<'a>> {
    let texts = argo_sources(object).into_iter().filter_map(|source| source.get(&["helm", "values"]));
    let mentions_template =
        |text: &ChartValue<'_>| embedded::can_hold_document(text.value) && text.value.raw().contains(KEYWORD);
    texts.filter(mentions_template).collect()
}

/// Returns whether an object has a base job template in its values.
pub fn has_template(object: &Object<'_>) -> bool {
    !templates(object).is_empty() || !values_texts(object).is_empty()
}

/// Returns the values that an object is or contains as mappings.
fn values_mappings<'a>(object: &Object<'a>) -> Vec<ChartValue<'a>> {
    let root = ChartValue::root(object.node);
    match &*object.kind {
        "" if object.api_version.is_empty() => vec![root],
        "HelmRelease" if object.group() == "helm.toolkit.fluxcd.io" => {
            root.get(&["spec", "values"]).into_iter().collect()
        }
        _ => argo_sources(object).iter().filter_map(|source| source.get(&["helm", "valuesObject"])).collect(),
    }
}

/// Returns the sources of an Application of Argo CD, or nothing for another object.
fn argo_sources<'a>(object: &Object<'a>) -> Vec<ChartValue<'a>> {
    if object.kind != "Application" || object.group() != "argoproj.io" {
        return Vec::new();
    }
    let root = ChartValue::root(object.node);
    let several = root.get(&["spec", "sources"]).into_iter().flat_map(|sources| {
        let path = sources.path;
        sources.value.items().map(move |value| ChartValue { value, path: path.clone() })
    });
    root.get(&["spec", "source"]).into_iter().chain(several).collect()
}

/// Returns whether a value is a base job template in JSON.
fn is_template(value: Node<'_>) -> bool {
    let is_json_template = |text: &str| text.trim_start().starts_with('{') && text.contains(KEYWORD);
    embedded::can_hold_document(value) && value.text().is_some_and(|text| is_json_template(&text))
}
