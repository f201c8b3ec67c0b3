//! Masks the sensitive values of a live object. The result is still valid JSON or YAML.

use jobplate_manifest::sensitive::{MaskLevel, MaskPolicy};
use jobplate_yaml::{Document, Node, NodeArena, read};
use serde_json::{Map, Value, json};

use super::mask::{MASK, MaskedText};

/// Returns an object with each sensitive value replaced by `***`. The keys stay. If the values cannot be found, returns
/// only the type and the name of the object.
pub fn mask_object(object: &Value, policy: &MaskPolicy) -> Value {
    if policy.level == MaskLevel::None {
        return object.clone();
    }
    let text = object.to_string();
    let mut arena = NodeArena::default();
    if read(&text, &mut arena).is_err() {
        let metadata = &object["metadata"];
        return json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        });
    }
    mask_node(Document::new(&text, &arena).root(), object, &MaskedText::new(text.as_str(), policy))
}

/// Returns the value of a node with its sensitive parts masked.
fn mask_node(node: Node<'_>, value: &Value, masked: &MaskedText<&str>) -> Value {
    let span = node.span();
    let Some(first) = masked.masked_ranges_in(span.clone()).next() else { return value.clone() };
    match value {
        _ if first == (0..span.len()) => MASK.into(),
        Value::Object(map) => {
            let mask_entry = |(key, child): (Node<'_>, Node<'_>)| {
                let name = key.text().unwrap_or_default();
                let value = map.get(&*name).unwrap_or(&Value::Null);
                let masked_name = mask_node(key, &Value::String(name.into_owned()), masked);
                (masked_name.as_str().unwrap_or(MASK).to_owned(), mask_node(child, value, masked))
            };
            Value::Object(node.entries().map(mask_entry).collect::<Map<String, Value>>())
        }
        Value::Array(items) => node.items().zip(items).map(|(node, item)| mask_node(node, item, masked)).collect(),
        _ => serde_json::from_str(&masked.mask_range(span, 0).0).unwrap_or_else(|_| MASK.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_values_and_keeps_the_structure() {
        let policy = MaskPolicy::default();
        for (object, expected) in [
            (
                json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"a": "Yg=="}, "stringData": {"c": "d\"e"}}),
                json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"a": "***"}, "stringData": {"c": "***"}}),
            ),
            (
                json!({"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"env": [{"name": "API_TOKEN", "value": "x\ny"}, {"name": "TZ", "value": "UTC"}]}]}}),
                json!({"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"env": [{"name": "API_TOKEN", "value": "***"}, {"name": "TZ", "value": "UTC"}]}]}}),
            ),
            (
                json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "env:\n- name: API_TOKEN\n  value: \"é\\\"x\"\n", "url": "postgres://u:hunter2@h/db"}}),
                json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "env:\n- name: API_TOKEN\n  value: ***\n", "url": "postgres://u:***@h/db"}}),
            ),
            (
                json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"env\":[{\"name\":\"API_TOKEN\",\"value\":\"x\"}]}\n"}}}),
                json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"env\":[{\"name\":\"API_TOKEN\",\"value\":***}]}\n"}}}),
            ),
        ] {
            assert_eq!(mask_object(&object, &policy), expected);
        }
        let object = json!({"kind": "Secret", "data": {"a": "b"}});
        assert_eq!(mask_object(&object, &MaskPolicy { level: MaskLevel::None, ..policy }), object);
    }
}
