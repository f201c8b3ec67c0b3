//! Reads live objects from responses, and removes the fields that the server manages.

use serde_json::{Map, Value};

/// Parses the body of a response as a live object, and removes `managedFields`. Returns `None` if the body is not an
/// object.
pub(crate) fn parse_live_object(body: &[u8]) -> Option<Value> {
    let mut object: Value = serde_json::from_slice(body).ok()?;
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields");
    Some(object)
}

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
