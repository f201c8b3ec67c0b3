//! Masks the sensitive values of objects in a message of an API server.
//!
//! A policy or a webhook may quote a value as it is, encoded, escaped or cut off. Each part of a message that is also a
//! part of a sensitive value is masked, and so is text with the shape of a credential.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jobplate_manifest::credentials::{find_shaped_credentials, merge_ranges};
use jobplate_manifest::sensitive::{MaskLevel, MaskPolicy};
use serde_json::Value;

use super::mask::MaskedText;

/// The number of bytes of a value that are masked also without the rest of the value.
const MIN_PART: usize = 8;
/// The maximum length of a value that is masked only as a whole word, in bytes. Shorter values occur in other words.
const MAX_WORD: usize = 3;
/// The maximum length of a message, in bytes.
const MAX_MESSAGE: usize = 4096;

/// Masks the sensitive values of `objects` in a message of an API server about them. Returns `None` if the policy masks all
/// values, since a message may quote any of them.
pub fn mask_server_message(message: &str, objects: &[&Value], policy: &MaskPolicy) -> Option<String> {
    match policy.level {
        MaskLevel::All => None,
        MaskLevel::Secrets => Some(mask_values(message, objects, policy)),
        MaskLevel::None => Some(message.to_owned()),
    }
}

/// Masks the sensitive values of `objects` in a message. Shortens a message that is very long.
fn mask_values(message: &str, objects: &[&Value], policy: &MaskPolicy) -> String {
    let is_long = message.len() > MAX_MESSAGE;
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE)];
    // A policy may change the case of a value. The offsets stay the same.
    let lowercase = message.to_ascii_lowercase();
    let parts: HashSet<&[u8]> = lowercase.as_bytes().windows(MIN_PART).collect();
    let mut found_parts: HashSet<Vec<u8>> = HashSet::new();
    // A sentence can look like an assignment (`set a password: ...`), so only shapes count here.
    let mut ranges = find_shaped_credentials(message);
    for object in objects {
        for value in sensitive_values(object, policy) {
            for form in encoded_forms(&value) {
                let form = form.to_ascii_lowercase();
                if form.len() >= MIN_PART {
                    let windows = form.as_bytes().windows(MIN_PART);
                    found_parts.extend(windows.filter(|part| parts.contains(part)).map(<[u8]>::to_vec));
                } else {
                    find_whole(&lowercase, &form, &mut ranges);
                }
            }
        }
    }
    for (start, part) in lowercase.as_bytes().windows(MIN_PART).enumerate() {
        if found_parts.contains(part) {
            ranges.push(message.floor_char_boundary(start)..message.ceil_char_boundary(start + MIN_PART));
        }
    }
    let masked = merge_ranges(ranges.into_iter().filter(|range| !range.is_empty()).collect());
    let end = if is_long { " ..." } else { "" };
    MaskedText::from_ranges(message, masked).mask_range(0..message.len(), 0).0 + end
}

/// Adds the occurrences of a short value.
fn find_whole(message: &str, value: &str, ranges: &mut Vec<Range<usize>>) {
    if value.trim().is_empty() {
        return;
    }
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    for (start, _) in message.match_indices(value) {
        let end = start + value.len();
        let is_inside_word = is_word(message[..start].chars().next_back()) || is_word(message[end..].chars().next());
        if value.len() > MAX_WORD || !is_inside_word {
            ranges.push(start..end);
        }
    }
}

/// Returns the sensitive strings of an object: as they are in its JSON form, without quotes and escapes, and decoded.
fn sensitive_values(object: &Value, policy: &MaskPolicy) -> HashSet<String> {
    let text = object.to_string();
    let masked = MaskedText::new(text.as_str(), policy);
    let mut values = HashSet::new();
    for range in masked.visible_and_masked().1 {
        let mut value = range.to_owned();
        // A value in an embedded document is escaped once for each document around it.
        loop {
            let unescaped = unescape(&value);
            if !values.insert(value) {
                break;
            }
            value = unescaped;
        }
    }
    let decoded: Vec<String> = values.iter().filter_map(|value| decode(value)).collect();
    values.extend(decoded);
    // The quotes and escapes around a value are not a part of it.
    values.iter().map(|value| value.trim_matches(['"', '\\', ',', ' ']).to_owned()).collect()
}

/// Decodes a JSON string, with or without its quotes. Returns the same text if it is not one.
fn unescape(text: &str) -> String {
    let quoted = if text.starts_with('"') { text.to_owned() } else { format!("\"{text}\"") };
    serde_json::from_str(&quoted).unwrap_or_else(|_| text.to_owned())
}

fn decode(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    String::from_utf8(bytes).ok().filter(|decoded| !decoded.is_empty())
}

/// Returns a value in the forms in which a message may quote it. `value` itself is the first.
fn encoded_forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let quoted = json.trim_matches('"').to_owned();
    let mut forms = vec![
        value.to_owned(),
        // The quotes of `%q` in Go and of YAML.
        quoted.clone(),
        quoted.replace('\\', "\\\\").replace('"', "\\\""),
        value.replace('\'', "''"),
        // A JSON pointer.
        value.replace('~', "~0").replace('/', "~1"),
        percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string(),
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    // A value that is encoded together with other text has one of three forms, depending on its position.
    for engine in [&STANDARD, &URL_SAFE, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(value));
        for padding in ["_", "__"] {
            let encoded = engine.encode(format!("{padding}{value}"));
            forms.push(encoded.chars().skip(padding.len() + 1).collect());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VALUE: &str = "sesame/open~\"now\" ü and 'then'";

    fn mask(message: &str) -> String {
        let document =
            json!({"env": [{"name": "API_TOKEN", "value": VALUE}, {"name": "TZ", "value": "Europe/Berlin"}]});
        let secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": STANDARD.encode("hunter22"), "b": "eA=="}});
        mask_values(message, &[&document, &secret], &MaskPolicy::default())
    }

    #[test]
    fn masks_a_value_in_every_form() {
        for form in encoded_forms(VALUE) {
            assert_eq!(mask(&format!("the value [{form}] is bad")).replace('*', ""), "the value [] is bad", "{form}");
        }
        for (message, expected) in [
            ("TZ is Europe/Berlin in API_TOKEN", "TZ is Europe/Berlin in API_TOKEN"),
            ("begins with sesame/op", "begins with ***"),
            ("SESAME/OPEN and Hunter22", "*** and ***"),
            ("contains open~\\\"no", "contains ***"),
            ("data aHVudGVyMjI= is hunter22", "data *** is ***"),
            ("x, eA== and axe", "***, *** and axe"),
            ("the secret: set ghp_0123456789abcdef", "the secret: set ***"),
            ("https://etl:other@host/api", "https://etl:***@host/api"),
        ] {
            assert_eq!(mask(message), expected);
        }
    }

    #[test]
    fn shortens_a_long_message() {
        let masked = mask(&"a ".repeat(MAX_MESSAGE));
        assert!(masked.len() == MAX_MESSAGE + 4 && masked.ends_with(" ..."), "{masked}");
    }

    #[test]
    fn takes_linear_time() {
        let generate = |size: usize| {
            let entries: Vec<Value> =
                (0..size).map(|number| json!({"name": "API_TOKEN", "value": format!("v{number}-{number}")})).collect();
            json!({"env": entries})
        };
        let message = "v1-1 and v123456-123456 ".repeat(200);
        jobplate_growth::assert_linear(2_000, generate, |object: &Value| {
            drop(mask_values(&message, &[object], &MaskPolicy::default()));
        });
    }

    #[test]
    fn masks_values_of_embedded_documents() {
        let inner = json!({"env": [{"name": "API_TOKEN", "value": "open \"sesame\" now"}]}).to_string();
        let map = json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"baseJobTemplate.json": inner}});
        let last_applied = json!({"metadata": {"annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": map.to_string()}}});
        for object in [map, last_applied] {
            let masked = mask_values("it is open \"sesame\" now", &[&object], &MaskPolicy::default());
            assert_eq!(masked, "it is ***");
        }
    }
}
