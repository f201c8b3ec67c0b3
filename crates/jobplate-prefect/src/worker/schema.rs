//! Whether a value fits the schema of a variable, as far as schemas of work pools go: types, `anyOf`, `enum`, texts as
//! values of mappings. What is said in another way is taken to fit.

use crate::pyvalue::heap::{Data, Heap, Id};

/// Why a value does not fit; none where it does.
pub(super) fn misfit(heap: &Heap, value: Id, schema: Id) -> Option<String> {
    if matches!(heap.get(value), Data::Unknown(_)) {
        return None;
    }
    if let Some(others) = heap.item(schema, "anyOf") {
        let any = heap.items(others);
        let fits = any.is_empty() || any.iter().any(|own| misfit(heap, value, *own).is_none());
        return if fits { None } else { any.iter().find_map(|own| misfit(heap, value, *own)) };
    }
    if let Some(allowed) = heap.item(schema, "enum") {
        let fits = heap.items(allowed).iter().any(|own| heap.equal(*own, value));
        return (!fits).then(|| "is none of the values that its schema has".to_owned());
    }
    let types: Vec<&str> = match heap.item(schema, "type").map(|own| (own, heap.get(own))) {
        Some((_, Data::Str(one))) => vec![one],
        Some((own, Data::List(_))) => heap.items(own).iter().filter_map(|own| heap.str(*own)).collect(),
        _ => return None,
    };
    if !types.iter().any(|own| is_of_type(heap, value, own)) {
        return Some(format!("is {}, where its schema has {}", heap.kind(value), types.join(" or ")));
    }
    let inner = heap.item(schema, "additionalProperties")?;
    heap.dict(value)?.iter().find_map(|(key, value)| {
        let why = misfit(heap, *value, inner)?;
        Some(format!("has `{}`, which {why}", heap.str(*key).unwrap_or_default()))
    })
}

fn is_of_type(heap: &Heap, value: Id, name: &str) -> bool {
    match (name, heap.get(value)) {
        ("string", Data::Str(_))
        | ("boolean", Data::Bool(_))
        | ("number" | "integer", Data::Int(_))
        | ("number", Data::Float(_))
        | ("object", Data::Dict(_))
        | ("array", Data::List(_))
        | ("null", Data::None) => true,
        ("integer", Data::Float(float)) => float.fract() == 0.0,
        ("string" | "boolean" | "number" | "integer" | "object" | "array" | "null", _) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::pyvalue::source::Text;
    use crate::pyvalue::yaml;

    #[test]
    fn values_and_schemas() {
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
            let mut heap = Heap::default();
            let mut load = |text: &str| yaml::load(&mut heap, &Text::manifest("t", text)).unwrap();
            let (schema_id, value_id) = (load(schema), load(value));
            assert_eq!(misfit(&heap, value_id, schema_id).as_deref(), why, "{value} for {schema}");
        }
    }
}
