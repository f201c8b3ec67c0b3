//! Compares a live object with the object that was sent.

use serde_json::Value;

/// Returns the differences between `sent` and `live` as `PATH: SENT is LIVE`. Ignores fields that only `live` has.
pub(crate) fn differences(sent: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_differences(sent, live, "", &mut found);
    found
}

fn collect_differences(sent: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, live) {
        (Value::Object(sent), Value::Object(_)) => {
            sent.iter()
                .for_each(|(key, value)| collect_differences(value, &live[key], &format!("{path}.{key}"), found));
        }
        (Value::Array(sent), Value::Array(live)) if sent.len() == live.len() => {
            let pairs = sent.iter().zip(live).enumerate();
            pairs.for_each(|(index, (sent, live))| collect_differences(sent, live, &format!("{path}[{index}]"), found));
        }
        _ if sent == live => {}
        _ => found.push(format!("{path}: {sent} is {live}")),
    }
}

/// Returns the paths of the fields that only `live` has. Omits the fields below such a path.
pub(crate) fn additions(sent: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_additions(sent, live, "", &mut found);
    found
}

fn collect_additions(sent: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, live) {
        (Value::Object(sent), Value::Object(live)) => {
            for (key, value) in live {
                match sent.get(key) {
                    Some(sent) => collect_additions(sent, value, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key}")),
                }
            }
        }
        (Value::Array(sent), Value::Array(live)) => {
            for (index, value) in live.iter().enumerate() {
                match sent.get(index) {
                    Some(sent) => collect_additions(sent, value, &format!("{path}[{index}]"), found),
                    None => found.push(format!("{path}[{index}]")),
                }
            }
        }
        _ => {}
    }
}
