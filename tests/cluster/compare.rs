//! Compares a live object with the object that was sent.

use serde_json::Value;

/// Returns the differences between `sent` and `live` as `PATH: SENT is LIVE`. Ignores fields that only `live` has.
pub(crate) fn differences(sent: &Value, live: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    collect_differences(sent, live, "", &mut differences);
    differences
}

fn collect_differences(sent: &Value, live: &Value, path: &str, differences: &mut Vec<String>) {
    match (sent, live) {
        (Value::Object(sent), Value::Object(_)) => {
            sent.iter()
                .for_each(|(key, value)| collect_differences(value, &live[key], &format!("{path}.{key}"), differences));
        }
        (Value::Array(sent), Value::Array(live)) if sent.len() == live.len() => {
            let pairs = sent.iter().zip(live).enumerate();
            pairs.for_each(|(index, (sent, live))| {
                collect_differences(sent, live, &format!("{path}[{index}]"), differences)
            });
        }
        _ if sent == live => {}
        _ => differences.push(format!("{path}: {sent} is {live}")),
    }
}

/// Returns the paths of the fields that only `live` has. Omits the fields below such a path.
pub(crate) fn additions(sent: &Value, live: &Value) -> Vec<String> {
    let mut additions = Vec::new();
    collect_additions(sent, live, "", &mut additions);
    additions
}

fn collect_additions(sent: &Value, live: &Value, path: &str, additions: &mut Vec<String>) {
    match (sent, live) {
        (Value::Object(sent), Value::Object(live)) => {
            for (key, value) in live {
                match sent.get(key) {
                    Some(sent) => collect_additions(sent, value, &format!("{path}.{key}"), additions),
                    None => additions.push(format!("{path}.{key}")),
                }
            }
        }
        (Value::Array(sent), Value::Array(live)) => {
            for (index, value) in live.iter().enumerate() {
                match sent.get(index) {
                    Some(sent) => collect_additions(sent, value, &format!("{path}[{index}]"), additions),
                    None => additions.push(format!("{path}[{index}]")),
                }
            }
        }
        _ => {}
    }
}
