//! Removes server-managed fields from live objects.

use serde_json::{Map, Value};

/// Returns the object without the fields that the server sets: `status` and generated `metadata`, such as `uid`. Also
/// removes an empty `annotations` mapping.
pub(crate) fn without_server_fields(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"] {
            metadata.remove(key);
        }
        if metadata.get("annotations").and_then(Value::as_object).is_some_and(Map::is_empty) {
            metadata.remove("annotations");
        }
    }
    object
}
