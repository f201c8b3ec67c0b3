//! Objects as the server answers with them.

use jobplate_diagnostic::Result;
use serde_json::{Map, Value};

use crate::errors::transport::garbled;
use crate::object::Subject;
use crate::session::connection::Answer;

/// Reads an answer's object.
///
/// # Errors
/// Fails where the answer is no object: a proxy's own page, whatever its status.
pub(crate) fn object(answer: &Answer, subject: &Subject) -> Result<Value> {
    let object: Value = serde_json::from_slice(&answer.body).map_err(|_| garbled(subject))?;
    let metadata = &object["metadata"];
    if metadata["uid"].is_string() || metadata["resourceVersion"].is_string() {
        Ok(object)
    } else {
        Err(garbled(subject))
    }
}

/// Returns an object without what the server writes for itself.
pub(crate) fn without_noise(mut object: Value) -> Value {
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
