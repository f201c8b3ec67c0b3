//! Converts a node to JSON like Kubernetes' YAML reader. The items of a List are sent one by one, as JSON.
//!
//! go-yaml parses numbers such as `0644`, `1_000` and `1e3` by its own rules. Integers are converted in every base that
//! go-yaml supports, and fractions only as plain decimals. All other numbers are refused.

use jobplate_diagnostic::{Error, Result};
use jobplate_yaml::{Node, NodeKind, ScalarKind};
use serde_json::{Map, Number, Value};

/// Converts a node to JSON.
///
/// # Errors
/// Fails if Kubernetes' YAML reader could convert the node to a different value. The error has a span.
pub fn to_json(node: Node<'_>) -> Result<Value> {
    if node.tag().is_some_and(|tag| tag != "!!str" || !node.is_scalar()) {
        return Err(unsupported("a tag", node, "remove it"));
    }
    match node.kind() {
        NodeKind::Map => {
            let mut map = Map::new();
            for (key, value) in node.entries() {
                if key.is_merge_key() {
                    return Err(unsupported("a merge key (`<<`)", key, "replace the merge key with the merged keys"));
                }
                let (Some(name), ScalarKind::String) = (key.text(), key.scalar_kind()) else {
                    return Err(unsupported("a key that is not a string", key, "put it in quotes"));
                };
                if map.insert(name.into_owned(), to_json(value)?).is_some() {
                    return Err(unsupported("a duplicate key", key, "remove one of the two"));
                }
            }
            Ok(Value::Object(map))
        }
        NodeKind::Seq => node.items().map(to_json).collect::<Result<_>>().map(Value::Array),
        NodeKind::Alias => Err(unsupported("an alias", node, "write it out")),
        _ => scalar_to_json(node),
    }
}

/// Returns the value of a boolean like Kubernetes' YAML reader, which also accepts the words of YAML 1.1, such as `yes`
/// and `off`. Returns `None` for any other node.
pub fn to_bool(node: Node<'_>) -> Option<bool> {
    let is_true = |text: &str| matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "on" | "true");
    (node.scalar_kind() == ScalarKind::Bool).then(|| node.text().is_some_and(|text| is_true(&text)))
}

/// Converts a scalar to JSON.
fn scalar_to_json(node: Node<'_>) -> Result<Value> {
    let text = node.text().unwrap_or_default();
    Ok(match node.scalar_kind() {
        ScalarKind::Null => Value::Null,
        ScalarKind::Bool => Value::Bool(to_bool(node).unwrap_or_default()),
        ScalarKind::String => Value::String(text.into_owned()),
        ScalarKind::Number | ScalarKind::NonFinite => match parse_integer(&text).or_else(|| parse_decimal(&text)) {
            Some(number) => Value::Number(number),
            None => {
                return Err(unsupported(
                    "an unusual number",
                    node,
                    "use decimal notation, or put it in quotes if it is a string",
                ));
            }
        },
    })
}

/// Parses an integer like Go's `ParseInt` with base 0, after go-yaml has removed the underscores.
fn parse_integer(text: &str) -> Option<Number> {
    let unseparated = text.replace('_', "");
    let (is_negative, digits) = match unseparated.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, unseparated.strip_prefix('+').unwrap_or(&unseparated)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&*lower, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, base).ok()?;
    Some(Number::from(if is_negative { -value } else { value }))
}

/// Parses a plain decimal fraction: an optional minus sign, digits, a point, digits. Returns `None` for any other
/// number.
fn parse_decimal(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = digits.split_once('.')?;
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(integer) || !is_digits(fraction) || integer.len() > 1 && integer.starts_with('0') {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

/// Returns the error for a node that cannot be converted.
fn unsupported(label: &str, node: Node<'_>, hint: &str) -> Error {
    let hint = format!("{hint}; each item of a List is sent to the API server as JSON");
    Error::refused(format!("{label} in an item of a List")).at(node.span()).hint(hint)
}

#[cfg(test)]
mod tests {
    use jobplate_yaml::{Document, NodeArena, scan};

    use super::*;

    fn convert(text: &str) -> Result<String> {
        let mut arena = NodeArena::default();
        scan(text, &mut arena).unwrap();
        to_json(Document::new(text, &arena).root()).map(|value| value.to_string())
    }

    #[test]
    fn converts_scalars_like_go_yaml() {
        for (text, json) in [
            ("a: 1\nb: [x, yes, ~, '1']\n", r#"{"a":1,"b":["x",true,null,"1"]}"#),
            ("0644", "420"),
            ("0o644", "420"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("-12", "-12"),
            ("0", "0"),
            ("0.5", "0.5"),
            ("\"\\x41\"", "\"A\""),
            ("|\n  a\n  b\n", "\"a\\nb\\n\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("{}", "{}"),
        ] {
            assert_eq!(convert(text).unwrap(), json, "{text}");
        }
    }

    #[test]
    fn refuses_values_that_readers_disagree_about() {
        for text in ["1e3", ".5", "08", ".inf", "a: &x 1\nb: *x", "<<: {a: b}", "a: 1\na: 2", "1: a", "!foo 5"] {
            let error = convert(text).unwrap_err();
            assert!(error.span().is_some() && error.message().ends_with("in an item of a List"), "{text}");
        }
    }
}
