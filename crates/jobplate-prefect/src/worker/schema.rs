//! Validates values against the schemas of variables. Supports the keywords that schemas of work pools use (`type`,
//! `anyOf`, `enum` and `additionalProperties`) and ignores others.

use std::cell::Cell;

use crate::pyvalue::arena::{Arena, Value, ValueId};

/// The maximum number of comparisons of a value with a schema, an alternative or an allowed value, in all checks of a
/// preview. A comparison with an allowed value counts as often as the value has items and kilobytes.
const MAX_COMPARISONS: usize = 200_000;

/// Checks values against schemas.
pub(super) struct SchemaChecker<'h> {
    arena: &'h Arena,
    remaining: Cell<usize>,
}

impl<'h> SchemaChecker<'h> {
    /// Returns a checker that has made no comparison yet.
    pub(super) fn new(arena: &'h Arena) -> Self {
        SchemaChecker { arena, remaining: Cell::new(MAX_COMPARISONS) }
    }

    /// Returns whether there were too many comparisons, so that values were not checked.
    pub(super) fn is_exhausted(&self) -> bool {
        self.remaining.get() == 0
    }

    /// Counts a comparison. Returns false if there were too many.
    fn count(&self) -> bool {
        self.count_size(1)
    }

    /// Counts a comparison with a value of this size. Returns false if there were too many.
    fn count_size(&self, size: usize) -> bool {
        self.remaining.set(self.remaining.get().saturating_sub(size));
        !self.is_exhausted()
    }

    /// Returns how often a comparison with a value counts. Stops at the number that remains.
    fn size(&self, value: ValueId) -> usize {
        let (mut size, mut pending) = (0, vec![value]);
        while let Some(value) = pending.pop()
            && size < self.remaining.get()
        {
            size += 1;
            match self.arena.get(value) {
                Value::Str(text) | Value::Unknown(text) => size += text.len() / 1000,
                Value::List(items) => pending.extend(items),
                Value::Dict(pairs) => pending.extend(pairs.iter().flat_map(|(key, value)| [*key, *value])),
                _ => {}
            }
        }
        size
    }

    /// Returns the reason why a schema rejects a value, or `None` if it accepts the value, if only the cluster knows
    /// the value, or if there were too many comparisons.
    pub(super) fn rejection(&self, value: ValueId, schema: ValueId) -> Option<String> {
        let arena = self.arena;
        if matches!(arena.get(value), Value::Unknown(_)) || !self.count() {
            return None;
        }
        if let Some(others) = arena.dict_get(schema, "anyOf") {
            let mut first = None;
            for alternative in arena.list_items(others) {
                let why = self.rejection(value, *alternative)?;
                first = first.or(Some(why));
            }
            return first;
        }
        if arena.dict_get(schema, "enum").is_some() {
            return self.enum_rejection(value, schema);
        }
        let types: Vec<&str> = match arena.dict_get(schema, "type").map(|kind| (kind, arena.get(kind))) {
            Some((_, Value::Str(kind))) => vec![kind],
            Some((kind, Value::List(_))) => {
                let kinds = arena.list_items(kind).iter().take_while(|_| self.count());
                kinds.filter_map(|kind| arena.as_str(*kind)).collect()
            }
            _ => return None,
        };
        if !types.iter().any(|kind| is_of_type(arena, value, kind)) {
            return (!self.is_exhausted())
                .then(|| format!("is {}, where its schema has {}", arena.describe_kind(value), types.join(" or ")));
        }
        let inner = arena.dict_get(schema, "additionalProperties")?;
        arena.as_dict(value)?.iter().find_map(|(key, value)| {
            let why = self.rejection(*value, inner)?;
            Some(format!("has `{}`, which {why}", arena.as_str(*key).unwrap_or_default()))
        })
    }

    /// Returns the reason why a value is not in the `enum` of a schema. Ignores the other keywords.
    pub(super) fn enum_rejection(&self, value: ValueId, schema: ValueId) -> Option<String> {
        let allowed = self.arena.list_items(self.arena.dict_get(schema, "enum")?);
        let size = self.size(value);
        // The size itself takes as long as a comparison.
        let is_accepted = !self.count_size(size)
            || allowed.iter().any(|allowed| !self.count_size(size) || self.arena.equals(*allowed, value));
        (!is_accepted).then(|| "is not one of the values that its schema allows".to_owned())
    }
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
    fn counts_the_size_of_values_in_an_enum() {
        let long = "x".repeat(70_000);
        for (value, count, is_exhausted) in
            [("x", 1000, false), (&*long, 100, false), (&*long, 10_000, true), ("[x, {y: z}]", 50_000, true)]
        {
            let schema = format!("{{enum: [{}]}}", vec!["a"; count].join(", "));
            let mut arena = Arena::default();
            let mut load = |text: &str| yaml::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
            let (schema, value) = (load(&schema), load(value));
            let checker = SchemaChecker::new(&arena);
            assert_eq!(checker.rejection(value, schema).is_none(), is_exhausted);
            assert_eq!(checker.is_exhausted(), is_exhausted);
        }
    }

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
            ("{enum: [A, B]}", "C", Some("is not one of the values that its schema allows")),
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
            let checker = SchemaChecker::new(&arena);
            assert_eq!(checker.rejection(value_id, schema_id).as_deref(), why, "{value} for {schema}");
        }
    }
}
