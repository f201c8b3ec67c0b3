//! The injections for a file, and the expected values of its documents.

use jobplate::inject::{Injection, RequestedVariable, VariableSource};
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Glob, Target};
use serde_json::{Value, json};

/// The variable that the injections set.
pub(super) const VARIABLE: &str = "JOBPLATE_CORPUS_TOKEN";
/// The Secret with the variable's value.
pub(super) const SECRET: &str = "jobplate-corpus-secret";
/// The key in the Secret.
pub(super) const KEY: &str = "jobplate-corpus-key";
/// The ConfigMap of the `envFrom` source.
pub(super) const SOURCE: &str = "jobplate-corpus-source";

/// The built-in kinds with a pod, each with the path to its pod spec.
const WORKLOADS: [(&str, &[&str]); 9] = [
    ("Pod", &["spec"]),
    ("PodTemplate", &["template", "spec"]),
    ("Job", &["spec", "template", "spec"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("Deployment", &["spec", "template", "spec"]),
    ("ReplicaSet", &["spec", "template", "spec"]),
    ("ReplicationController", &["spec", "template", "spec"]),
    ("StatefulSet", &["spec", "template", "spec"]),
    ("DaemonSet", &["spec", "template", "spec"]),
];

/// The kinds of injection. Each of them is tested on every file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    /// Adds a variable and an `envFrom` source to every container of built-in kinds.
    Add,
    /// In every container, replaces the variable of the file's first literal by a reference, or adds it.
    Replace,
    /// Adds a variable to every container of any kind.
    AnyKind,
}

impl Scenario {
    pub(super) const ALL: [Scenario; 3] = [Scenario::Add, Scenario::Replace, Scenario::AnyKind];

    /// Returns the name of the scenario in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Scenario::Add => "add",
            Scenario::Replace => "replace",
            Scenario::AnyKind => "any kind",
        }
    }
}

/// An injection for a file, with the expected result.
pub(super) struct Case {
    pub injection: Injection,
    /// The expected value of each document. `None` for a document that go-yaml rejects.
    pub expected: Vec<Option<Value>>,
    pub changes: ExpectedChanges,
}

/// The changes between the original values and the expected values.
#[derive(Default)]
pub(super) struct ExpectedChanges {
    /// The number of documents with a selected container.
    pub documents: usize,
    /// The number of selected containers.
    pub containers: usize,
    /// The reason why the file must be refused. `None` if it must be edited.
    pub must_refuse: Option<&'static str>,
    /// The replaced entries.
    pub replaced: Vec<Value>,
}

impl Case {
    /// Creates the case of a scenario for a file. `values` are the values of the file's documents. Returns `None` for
    /// [`Scenario::Replace`] if the file has no literal.
    pub(super) fn new(scenario: Scenario, values: &[Option<Value>]) -> Option<Self> {
        let name = if scenario == Scenario::Replace { find_first_literal(values)? } else { VARIABLE.to_owned() };
        let mut changes = ExpectedChanges::default();
        let expected = values
            .iter()
            .map(|value| value.as_ref().map(|value| compute_expected_value(scenario, &name, value, &mut changes)))
            .collect();
        let kinds = if scenario == Scenario::AnyKind { vec!["*"] } else { WORKLOADS.map(|(kind, _)| kind).to_vec() };
        let targets = kinds.into_iter().filter_map(|kind| {
            Some(Target { kind: Glob::new(kind, true).ok()?, name: None, key: None, containers: None })
        });
        let source =
            EnvFrom { prefix: String::new(), kind: EnvFromKind::ConfigMap, name: SOURCE.to_owned(), optional: true };
        let secret = KeyRef { name: SECRET.to_owned(), key: KEY.to_owned(), optional: false };
        let injection = Injection {
            variables: vec![RequestedVariable { name, source: VariableSource::Entry(EnvValue::SecretKey(secret)) }],
            env_from: if scenario == Scenario::Add { vec![source] } else { Vec::new() },
            targets: targets.collect(),
            containers: ContainerChoice::All,
            init_containers: true,
            ..Injection::default()
        };
        Some(Case { injection, expected, changes })
    }
}

/// Returns the name of the first `env` entry with a literal, or `None` if there is no such entry or its name is empty.
fn find_first_literal(values: &[Option<Value>]) -> Option<String> {
    let mut found = None;
    for value in values.iter().flatten() {
        let mut value = value.clone();
        visit_containers(Scenario::Replace, &mut value, &mut |container| {
            for entry in container["env"].as_array().into_iter().flatten() {
                if let (Some(name), Some(_)) = (entry["name"].as_str(), entry["value"].as_str()) {
                    found.get_or_insert_with(|| name.to_owned());
                }
            }
        });
    }
    found.filter(|name: &String| !name.is_empty())
}

/// Returns the expected value of a document, and adds the changes to `changes`.
fn compute_expected_value(scenario: Scenario, name: &str, value: &Value, changes: &mut ExpectedChanges) -> Value {
    let mut value = value.clone();
    let containers_before = changes.containers;
    visit_containers(scenario, &mut value, &mut |container| {
        changes.containers += 1;
        if let Err(reason) = change_container(scenario, name, container, changes) {
            changes.must_refuse.get_or_insert(reason);
        }
    });
    changes.documents += usize::from(changes.containers > containers_before);
    value
}

/// Calls `visit` for each container in a document that the scenario changes.
fn visit_containers(scenario: Scenario, document: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && document.get("items").is_some() {
        for item in document["items"].as_array_mut().into_iter().flatten() {
            visit_object(scenario, item, visit);
        }
    } else {
        visit_object(scenario, document, visit);
    }
}

fn visit_object(scenario: Scenario, object: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    if !object.is_object() {
        return;
    }
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
    let path = WORKLOADS.iter().find(|(kind, _)| object["kind"] == *kind).map(|(_, path)| path);
    match path {
        Some(path) if ["", "apps", "batch", "extensions"].contains(&group) => {
            let pod = path.iter().try_fold(object, |value, key| value.get_mut(key));
            if let Some(pod) = pod {
                visit_pod(pod, visit);
            }
        }
        None if scenario != Scenario::AnyKind => {}
        _ => visit_pod_shapes(object, visit),
    }
}

/// Calls `visit` for each container of a custom resource. Any mapping with a `containers` list that begins with a
/// mapping is treated as a pod spec.
fn visit_pod_shapes(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(map) if map.get("containers").is_some_and(|containers| containers[0].is_object()) => {
            visit_pod(value, visit)
        }
        Value::Object(map) => map.values_mut().for_each(|value| visit_pod_shapes(value, visit)),
        Value::Array(items) => items.iter_mut().for_each(|value| visit_pod_shapes(value, visit)),
        _ => {}
    }
}

fn visit_pod(pod: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    for list in ["containers", "initContainers"] {
        if let Some(containers) = pod.get_mut(list).and_then(Value::as_array_mut) {
            containers.iter_mut().for_each(&mut *visit);
        }
    }
}

fn entry_with_reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}})
}

/// Changes a container to its expected value. Fails with the reason if the file must be refused.
fn change_container(
    scenario: Scenario,
    name: &str,
    container: &mut Value,
    changes: &mut ExpectedChanges,
) -> Result<(), &'static str> {
    let container = container.as_object_mut().ok_or("a container is no mapping")?;
    if scenario == Scenario::Add {
        let sources = get_or_insert_list(container, "envFrom")?;
        sources.push(json!({"configMapRef": {"name": SOURCE, "optional": true}}));
    }
    let entries = get_or_insert_list(container, "env")?;
    // `$patch` is a directive of a kustomize patch, not a variable, so it needs no name.
    if !entries.iter().all(|entry| entry["name"].is_string() || entry["$patch"].is_string()) {
        return Err("an entry has no name");
    }
    let mut existing = entries.iter_mut().filter(|entry| entry["name"] == name);
    match (existing.next(), existing.next()) {
        (Some(_), Some(_)) => return Err("the variable stands there twice"),
        (Some(entry), None) => {
            let old = std::mem::replace(entry, entry_with_reference(name));
            changes.replaced.push(old);
        }
        (None, _) => {
            let first_reference =
                entries.iter().position(|entry| entry["value"].as_str().is_some_and(|text| expands(text, name)));
            entries.insert(first_reference.unwrap_or(entries.len()), entry_with_reference(name));
        }
    }
    Ok(())
}

fn get_or_insert_list<'a>(
    container: &'a mut serde_json::Map<String, Value>,
    key: &str,
) -> Result<&'a mut Vec<Value>, &'static str> {
    let list = container.entry(key).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().ok_or("not a list")
}

/// Returns whether Kubernetes expands a variable in a value. Kubernetes expands `$(NAME)`, but not `$$(NAME)`.
fn expands(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(escaped) = rest.strip_prefix('$') {
            rest = escaped;
        } else if rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(')'))
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(scenario: Scenario, value: Value) -> Case {
        Case::new(scenario, &[Some(value)]).expect("a case")
    }

    #[test]
    fn expands_references_unless_they_are_escaped() {
        assert!(expands("x$(A)", "A") && expands("$$$(A)", "A"));
        assert!(!expands("$$(A)", "A") && !expands("$(AB)", "A") && !expands("$A", "A"));
    }

    #[test]
    fn expects_an_entry_in_every_container() {
        let value = json!({"kind": "List", "items": [
            {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {
                "containers": [{"env": null}, {"env": [{"name": "B", "value": format!("$({VARIABLE})")}]}],
                "initContainers": [{}],
            }}}}}},
            {"kind": "Rollout", "spec": {"template": {"spec": {"containers": [{}]}}}},
        ]});
        let add_case = case(Scenario::Add, value.clone());
        assert_eq!((add_case.changes.documents, add_case.changes.containers), (1, 3));
        let items = &add_case.expected[0].as_ref().expect("a value")["items"];
        let spec = &items[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(spec["containers"][0]["env"], json!([entry_with_reference(VARIABLE)]));
        assert_eq!(spec["containers"][1]["env"][0]["name"], VARIABLE);
        assert_eq!(spec["initContainers"][0]["envFrom"][0]["configMapRef"]["name"], SOURCE);
        assert_eq!(items[1], value["items"][1]);
        assert_eq!(case(Scenario::AnyKind, value).changes.containers, 4);
    }
}
