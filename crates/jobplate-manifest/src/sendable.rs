//! Checks an object before it is sent, so that an error points to a line of the manifest.
//!
//! Server-side apply reports many of these errors, such as duplicate names and non-string values, as HTTP 500 with the
//! whole object in the message. Fields are not checked against the server's schema.

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_yaml::{Node, NodeKind, ScalarKind};

use super::container;
use super::env::VALUE_FROM_SOURCES;
use super::object::Object;
use super::workload::pod_specs;

/// Checks an object before it is sent.
///
/// # Errors
/// Returns the first error that is found.
pub fn check(object: &Object<'_>) -> Result<()> {
    require_identity(object)?;
    refuse_export(object)?;
    refuse_duplicate_keys(object.node)?;
    if let Some(metadata) = object.metadata {
        for key in ["name", "generateName", "namespace"] {
            metadata.get_first(key).map_or(Ok(()), |value| refuse_non_string(value, &format!("`metadata.{key}`")))?;
        }
        for map in ["labels", "annotations"] {
            refuse_non_strings(metadata.get_first(map), &format!("a value of `{map}`"))?;
        }
    }
    match &*object.kind {
        "ConfigMap" => refuse_non_strings(object.node.get_first("data"), "a value of a ConfigMap")?,
        "Secret" => {
            refuse_non_strings(object.node.get_first("data"), "a value of a Secret")?;
            refuse_non_strings(object.node.get_first("stringData"), "a value of a Secret")?;
        }
        _ => {}
    }
    if super::workload::is_builtin_workload(object) {
        for pod_spec in pod_specs(object)? {
            for list in ["initContainers", "containers", "ephemeralContainers"] {
                let containers = pod_spec.get_first(list).into_iter().flat_map(|list| list.items());
                containers.filter(|item| item.kind() == NodeKind::Map).try_for_each(check_container)?;
            }
        }
    }
    Ok(())
}

/// Requires `apiVersion`, `kind` and a valid name.
fn require_identity(object: &Object<'_>) -> Result<()> {
    let start = object.node.span().start;
    let fail = |message: &str, hint: &str| Err(Error::input(message).at(start..start + 1).hint(hint));
    match (object.api_version.is_empty(), object.kind.is_empty()) {
        (true, true) => {
            return fail(
                "not a Kubernetes object",
                "add `apiVersion` and `kind`; for a values file or a base job template, use `render`",
            );
        }
        (true, false) => {
            return fail("missing `apiVersion`", "add it, such as `apiVersion: batch/v1`");
        }
        (false, true) => return fail("missing `kind`", "add it, such as `kind: Job`"),
        (false, false) if object.inherits_from_list => {
            let message = "missing `apiVersion` or `kind` in an item of the List";
            return fail(message, "write `apiVersion` and `kind` in each item");
        }
        (false, false) => {}
    }
    match object.name() {
        // A name is part of a URL, so the API server rejects these characters in the names of all kinds.
        Some(name) if matches!(&*name, "." | "..") || name.contains(['/', '%', '?', '#']) => {
            let keys = ["name", "generateName"].into_iter();
            let value = keys.filter_map(|key| object.metadata?.get_first(key)).next();
            let span = value.map_or(start..start + 1, |value| value.span());
            Err(Error::input("invalid object name").at(span).hint("use lower-case letters, digits, `-` and `.`"))
        }
        // The server shortens a long `generateName` itself.
        Some(name) if !name.is_empty() => match object.metadata_name() {
            Some(name) => check_name_length(object, &name),
            None => Ok(()),
        },
        _ => fail("missing `metadata.name`", "add it, or pass --name or --generate-name"),
    }
}

/// Refuses the output of `kubectl get -o yaml`, because the server sets some of its fields.
fn refuse_export(object: &Object<'_>) -> Result<()> {
    let fail = |key: Node<'_>| {
        let name = key.text().unwrap_or_default().into_owned();
        Err(Error::input(format!("the manifest is an export: the API server sets `{name}`"))
            .at(key.span())
            .hint("remove `status`, and `managedFields`, `resourceVersion`, `uid` from `metadata`"))
    };
    let metadata = object.metadata.into_iter().flat_map(|metadata| metadata.entries());
    for (key, value) in metadata {
        if ["managedFields", "resourceVersion", "uid"].iter().any(|name| key.has_text(name)) && !value.is_null() {
            return fail(key);
        }
    }
    for (key, value) in object.node.entries().filter(|(key, _)| key.has_text("status")) {
        // Generated CustomResourceDefinitions have a `status` without values, so only a `status` with a value indicates
        // an export.
        let has_value = |node: Node<'_>| node.text().is_some_and(|text| !text.is_empty()) && !node.is_null();
        let descendants =
            value.descendants().flat_map(|node| node.entries().map(|(_, value)| value).chain(node.items()));
        if has_value(value) || descendants.into_iter().any(has_value) {
            return fail(key);
        }
    }
    Ok(())
}

/// Refuses a name that is too long for the kind of `object`. The name of a Job becomes a label of its pods, and the name
/// of a CronJob gets a suffix of 11 characters
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>).
///
/// # Errors
///
/// Returns an error that points to the object's current name, if it has one.
pub fn check_name_length(object: &Object<'_>, name: &str) -> Result<()> {
    let limit = match &*object.kind {
        "Job" => 63,
        "CronJob" => 52,
        _ => return Ok(()),
    };
    // Only a Job without a selector of its own gets the label.
    let has_own_selector = || {
        let spec = object.node.get_first("spec");
        spec.and_then(|spec| spec.get_first("manualSelector")).is_some_and(|value| value.has_text("true"))
    };
    if name.len() <= limit || has_own_selector() {
        return Ok(());
    }
    let keys = ["name", "generateName"].into_iter();
    let current = keys.filter_map(|key| object.metadata?.get_first(key)).next();
    let start = current.unwrap_or(object.node).span().start;
    let message = format!("the name of a {} must have at most {limit} characters, not {}", object.kind, name.len());
    Err(Error::refused(message).with_code("name-too-long").at(start..start + 1).hint("shorten the name"))
}

/// Refuses duplicate keys in any mapping, like a server with strict field validation.
fn refuse_duplicate_keys(root: Node<'_>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for map in root.descendants().filter(|node| node.kind() == NodeKind::Map) {
        seen.clear();
        for (key, _) in map.entries() {
            let Some(name) = key.text() else { continue };
            if !seen.insert(name.into_owned()) {
                return Err(Error::input(format!("duplicate key `{}` in a mapping", key.text().unwrap_or_default()))
                    .at(key.span())
                    .hint("remove one of the two; the API server rejects both"));
            }
        }
    }
    Ok(())
}

/// Fails if a value in the mapping is not a string.
fn refuse_non_strings(map: Option<Node<'_>>, label: &str) -> Result<()> {
    map.into_iter().flat_map(|map| map.entries()).try_for_each(|(_, value)| refuse_non_string(value, label))
}

/// Refuses a value that is not a string.
fn refuse_non_string(value: Node<'_>, label: &str) -> Result<()> {
    match describe_non_string(value) {
        None => Ok(()),
        Some(found) => {
            let error = Error::input(format!("{label} is {found}, not a string")).at(value.span());
            Err(error.hint(non_string_hint(value.is_scalar())))
        }
    }
}

/// Returns the hint for a value that must be a string.
pub fn non_string_hint(is_scalar: bool) -> &'static str {
    if is_scalar { "put it in quotes" } else { "replace it with a string" }
}

/// The code of an error about the name or value of a variable that is not a string.
pub const NON_STRING_CODE: &str = "non-string-value";

/// Returns errors about the name and the value of an `env` entry that are not strings, each with its node.
pub fn non_string_errors(entry: Node<'_>) -> Vec<(Diagnostic, Node<'_>)> {
    let errors = ["name", "value"].into_iter().filter_map(|key| {
        let node = entry.get_first(key)?;
        let found = describe_non_string(node)?;
        let name = quote_key(&entry.get_first("name").and_then(Node::text).unwrap_or_default());
        let subject = if key == "name" { "the variable name" } else { "the value of" };
        let text = format!("Kubernetes rejects the manifest: {subject} {name} is {found}, not a string");
        Some((Diagnostic::error(NON_STRING_CODE, text).help(non_string_hint(node.is_scalar())), node))
    });
    errors.collect()
}

/// Returns what a value is, with an article, if Kubernetes rejects it where a string is required. Returns `None` for
/// strings and for null, which Kubernetes reads like a missing value. Words like `yes` are booleans, as in YAML 1.1.
pub fn describe_non_string(value: Node<'_>) -> Option<&'static str> {
    match value.tag() {
        Some("!!int" | "!!float") => return Some("a number"),
        Some("!!bool") => return Some("a boolean"),
        _ => {}
    }
    if value.kind() == NodeKind::Alias {
        return value.alias_target().filter(|target| target.kind() != NodeKind::Alias).and_then(describe_non_string);
    }
    match (value.kind(), value.scalar_kind()) {
        (NodeKind::Map, _) => Some("a mapping"),
        (NodeKind::Seq, _) => Some("a list"),
        (_, ScalarKind::Bool) => Some("a boolean"),
        (_, ScalarKind::Number | ScalarKind::NonFinite) => Some("a number"),
        _ => None,
    }
}

/// The keys of an `env` entry in the Kubernetes API.
const ENV_VAR_KEYS: [&str; 3] = ["name", "value", "valueFrom"];

/// Checks the `env` of a container.
fn check_container(container: Node<'_>) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    let container_name = match container::name(container) {
        Some(name) => format!("container `{name}`"),
        None => "a container without a name".to_owned(),
    };
    for entry in container.get_first("env").into_iter().flat_map(|env| env.items()) {
        let Some(name) = entry.get_first("name") else { continue };
        refuse_non_string(name, "the name of a variable")?;
        let text = name.text().unwrap_or_default();
        if !names.insert(text.clone()) {
            return Err(Error::input(format!("duplicate variable `{text}` in the `env` of {container_name}"))
                .at(name.span())
                .hint("remove one of the two; server-side apply rejects both"));
        }
        refuse_misspelled(entry, &ENV_VAR_KEYS)?;
        let (value, source) = (entry.get_first("value"), entry.get_first("valueFrom"));
        if let Some(value) = value {
            refuse_non_string(value, &format!("the value of `{text}`"))?;
        }
        if let Some(source) = source {
            refuse_misspelled(source, &VALUE_FROM_SOURCES)?;
            let literal = value.filter(|value| value.text().is_some_and(|text| !text.is_empty()) && !value.is_null());
            if let Some(value) = literal.filter(|_| source.entries().next().is_some()) {
                return Err(Error::input(format!("`{text}` has both `value` and `valueFrom`"))
                    .at(value.span())
                    .hint("remove one of the two"));
            }
        }
    }
    Ok(())
}

/// Refuses a known key in the wrong case (`valuefrom`). Other unknown keys may belong to a newer Kubernetes version.
fn refuse_misspelled(map: Node<'_>, known_keys: &[&str]) -> Result<()> {
    for (key, _) in map.entries() {
        let Some(name) = key.text() else { continue };
        let suggestion = known_keys.iter().find(|key| key.eq_ignore_ascii_case(&name) && ***key != *name);
        if let Some(suggestion) = suggestion {
            return Err(Error::input(format!("unknown key `{name}`"))
                .at(key.span())
                .hint(format!("did you mean `{suggestion}`?")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, scan};

    use super::super::object::objects;
    use super::*;

    fn check_text(text: &str) -> Option<(String, String)> {
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        let object = objects(Document::new(text, &arena)).unwrap().remove(0);
        let error = check(&object).err()?;
        Some((error.message().to_owned(), text[error.span().unwrap()].to_owned()))
    }

    const LONG_NAME: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn pod(env: &str) -> String {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: c, env: {env}}}]}}\n")
    }

    #[test]
    fn accepts_what_a_server_accepts() {
        for text in [
            &pod("[{name: A, value: 'yes'}, {name: B, value: \"\", valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
            &pod("[{name: A, value: null}, {name: B}, {name: 1A, value: 'x', newField: 1}]"),
            &format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: {LONG_NAME}}}"),
            &format!(
                "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {LONG_NAME}}}\nspec: {{manualSelector: true}}"
            ),
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {LONG_NAME}}}"),
            "apiVersion: v1\nkind: X\nmetadata: {generateName: p-, creationTimestamp: null}\nstatus: {}\n",
            "apiVersion: v1\nkind: CRD\nmetadata: {name: a}\nstatus:\n  conditions: []\n  acceptedNames: {kind: \"\"}\n",
        ] {
            assert_eq!(check_text(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_a_server_refuses() {
        for (text, message, at) in [
            (&*pod("[{name: A, value: yes}]"), "the value of `A` is a boolean", "yes"),
            (&pod("[{name: A, value: 1_000}]"), "the value of `A` is a number", "1_000"),
            (&pod("[{name: Y, value: a}]"), "the name of a variable is a boolean", "Y"),
            (
                &pod("[{name: A, value: a}, {name: B}, {name: A}]"),
                "duplicate variable `A` in the `env` of container `c`",
                "A",
            ),
            (&pod("[{name: A, valuefrom: {}}]"), "unknown key `valuefrom`", "valuefrom"),
            (&pod("[{name: A, valueFrom: {secretkeyRef: {}}}]"), "unknown key `secretkeyRef`", "secretkeyRef"),
            (&pod("[{name: A, value: a, valueFrom: {fieldRef: {}}}]"), "`A` has both `value` and `valueFrom`", "a"),
            ("kind: Job", "missing `apiVersion`", "k"),
            (
                "apiVersion: batch/v1\nkind: JobList\nitems: [{kind: Job, metadata: {name: a}}]",
                "missing `apiVersion` or `kind` in an item",
                "{",
            ),
            ("a: b", "not a Kubernetes object", "a"),
            ("apiVersion: v1\nkind: Job", "missing `metadata.name`", "a"),
            (
                "apiVersion: v1\nkind: X\nmetadata: {name: a, uid: u}",
                "the manifest is an export: the API server sets `uid`",
                "uid",
            ),
            (
                "apiVersion: v1\nkind: X\nmetadata: {name: a}\nstatus: {active: 1}",
                "the manifest is an export: the API server sets `status`",
                "status",
            ),
            (
                &format!("apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {LONG_NAME}}}"),
                "the name of a CronJob must have at most 52 characters, not 64",
                "a",
            ),
            (
                &format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {LONG_NAME}}}"),
                "the name of a Job must have at most 63 characters, not 64",
                "a",
            ),
            ("apiVersion: v1\nkind: X\nmetadata: {name: a/b}", "invalid object name", "a/b"),
            ("apiVersion: v1\nkind: X\nmetadata: {name: y}", "`metadata.name` is a boolean", "y"),
            ("apiVersion: v1\nkind: X\nmetadata: {name: a, labels: {b: 1}}", "a value of `labels` is a number", "1"),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: on}",
                "a value of a ConfigMap is a boolean",
                "on",
            ),
            ("apiVersion: v1\nkind: X\nmetadata: {name: a}\nspec: {b: 1, c: {d: 1, d: 2}}", "duplicate key `d`", "d"),
        ] {
            let (found, source) = check_text(text).unwrap_or_else(|| panic!("{text} is accepted"));
            assert!(found.starts_with(message), "{text}: {found}");
            assert_eq!(source, at, "{text}");
        }
    }
}
