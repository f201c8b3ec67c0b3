//! Validates values against the schemas of variables. Supports the keywords that schemas of work pools use (`type`,
//! `anyOf`, `enum` and `additionalProperties`) and ignores others.

use crate::pyvalue::arena::{Arena, Value, ValueId};

/// Returns the reason why a schema rejects a value, or `None` if it accepts the value or if only the cluster knows the
/// value.
pub(super) fn rejection(arena: &Arena, value: ValueId, schema: ValueId) -> Option<String> {
    if matches!(arena.get(value), Value::Unknown(_)) {
        return None;
    }
    if let Some(others) = arena.dict_get(schema, "anyOf") {
        let any = arena.list_items(others);
        let is_accepted =
            any.is_empty() || any.iter().any(|alternative| rejection(arena, value, *alternative).is_none());
        return if is_accepted {
            None
        } else {
            any.iter().find_map(|alternative| rejection(arena, value, *alternative))
        };
    }
    if let Some(allowed) = arena.dict_get(schema, "enum") {
        let is_accepted = arena.list_items(allowed).iter().any(|allowed_value| arena.equals(*allowed_value, value));
        return (!is_accepted).then(|| "is none of the values that its schema has".to_owned());
    }
    let types: Vec<&str> = match arena.dict_get(schema, "type").map(|kind| (kind, arena.get(kind))) {
        Some((_, Value::Str(kind))) => vec![kind],
        Some((kind, Value::List(_))) => arena.list_items(kind).iter().filter_map(|kind| arena.as_str(*kind)).collect(),
        _ => return None,
    };
    if !types.iter().any(|kind| is_of_type(arena, value, kind)) {
        return Some(format!("is {}, where its schema has {}", arena.describe_kind(value), types.join(" or ")));
    }
    let inner = arena.dict_get(schema, "additionalProperties")?;
    arena.as_dict(value)?.iter().find_map(|(key, value)| {
        let why = rejection(arena, *value, inner)?;
        Some(format!("has `{}`, which {why}", arena.as_str(*key).unwrap_or_default()))
    })
}

fn is_of_type(arena: &Arena, value: ValueId, name: &str) -> bool {
    match (name, arena.get(value)) {
        ("string", Value::Str(_))
        | ("boolean", Value::Bool(_))
        | ("number" | "integer", Value::Int(_))
        | ("number", Value::Float(_))
        | ("object", Value::Dict(_))
        | ("array", Value::List(_))
        | ("null", Value::None) => true,
        ("integer", Value::Float(float)) => float.fract() == 0.0,
        ("string" | "boolean" | "number" | "integer" | "object" | "array" | "null", _) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyvalue::source::SourceFile;
    use crate::pyvalue::yaml;

    #[test]
    fn rejects_values_as_the_server_does() {
        for (schema, value, why) in [
            ("{type: string}", "a", None),
            ("{type: string}", "1", Some("is a number, where its schema has string")),
            ("{type: integer}", "'60'", Some("is text, where its schema has integer")),
            ("{type: integer}", "1.0", None),
            ("{type: boolean}", "yes", None),
            ("{anyOf: [{type: string}, {type: 'null'}]}", "~", None),
            ("{anyOf: [{type: string}, {type: 'null'}]}", "3", Some("is a number, where its schema has string")),
            ("{enum: [A, B]}", "C", Some("is none of the values that its schema has")),
            ("{type: object, additionalProperties: {type: string}}", "{a: b}", None),
            (
                "{type: object, additionalProperties: {type: string}}",
                "{a: 1}",
                Some("has `a`, which is a number, where its schema has string"),
            ),
            ("{type: object}", "[a]", Some("is a list, where its schema has object")),
            ("{$ref: '#/definitions/x'}", "[a]", None),
        ] {
            let mut arena = Arena::default();
            let mut load = |text: &str| yaml::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
            let (schema_id, value_id) = (load(schema), load(value));
            assert_eq!(rejection(&arena, value_id, schema_id).as_deref(), why, "{value} for {schema}");
        }
    }
}
