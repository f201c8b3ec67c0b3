//! What a server has made of an object: where it differs from what was sent, and what stands beside it.

use serde_json::Value;

/// What in `all` differs from `part`, apart from what `all` has beside it.
pub(crate) fn differences(part: &Value, all: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ(part, all, "", &mut found);
    found
}

fn differ(part: &Value, all: &Value, path: &str, found: &mut Vec<String>) {
    match (part, all) {
        (Value::Object(part), Value::Object(_)) => {
            part.iter().for_each(|(key, value)| differ(value, &all[key], &format!("{path}.{key}"), found));
        }
        (Value::Array(part), Value::Array(other)) if part.len() == other.len() => {
            let pairs = part.iter().zip(other).enumerate();
            pairs.for_each(|(at, (part, all))| differ(part, all, &format!("{path}[{at}]"), found));
        }
        _ if part == all => {}
        _ => found.push(format!("{path}: {part} is {all}")),
    }
}

/// The paths of what `all` has beside `part`, of each only the uppermost.
pub(crate) fn additions(part: &Value, all: &Value) -> Vec<String> {
    let mut found = Vec::new();
    add(part, all, "", &mut found);
    found
}

fn add(part: &Value, all: &Value, path: &str, found: &mut Vec<String>) {
    match (part, all) {
        (Value::Object(part), Value::Object(all)) => {
            for (key, value) in all {
                match part.get(key) {
                    Some(part) => add(part, value, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key}")),
                }
            }
        }
        (Value::Array(part), Value::Array(all)) => {
            for (at, value) in all.iter().enumerate() {
                match part.get(at) {
                    Some(part) => add(part, value, &format!("{path}[{at}]"), found),
                    None => found.push(format!("{path}[{at}]")),
                }
            }
        }
        _ => {}
    }
}
