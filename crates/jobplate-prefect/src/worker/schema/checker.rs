//! Checks a value against one schema, with a limit for all checks of a preview.
//!
//! A rejection is always certain. A value can be accepted because it is unclear what the server does: the checker
//! then sets a flag, and a keyword such as `not`, which rejects what another schema accepts, accepts the value as well.

use std::cell::Cell;

use super::rejection::Rejection;
use super::schema_use::{RequiredKeys, SchemaUse};
use crate::pyvalue::arena::{Arena, Value, ValueId};

/// The maximum number of comparisons of a value with a schema, an alternative or an allowed value, in all checks of a
/// preview. A comparison with an allowed value counts as often as the value has items and kilobytes.
const MAX_COMPARISONS: usize = 200_000;

/// The maximum depth of nested schemas and references. A deeper schema accepts every value.
pub(super) const MAX_DEPTH: usize = 64;

/// Keywords that are not checked.
const UNSUPPORTED_KEYWORDS: [&str; 3] = ["$dynamicRef", "unevaluatedItems", "unevaluatedProperties"];

/// Checks values against schemas.
pub(in crate::worker) struct SchemaChecker<'h> {
    pub(super) arena: &'h Arena,
    /// The schema to which references refer: `variables` of the template.
    pub(super) root: Option<ValueId>,
    remaining: Cell<usize>,
    /// Whether a value was accepted that the server may reject, since the flag was cleared.
    is_uncertain: Cell<bool>,
}

impl<'h> SchemaChecker<'h> {
    /// Returns a checker that has made no comparison yet.
    pub(in crate::worker) fn new(arena: &'h Arena, root: Option<ValueId>) -> Self {
        SchemaChecker { arena, root, remaining: Cell::new(MAX_COMPARISONS), is_uncertain: Cell::new(false) }
    }

    /// Returns whether there were too many comparisons, so that values were not checked.
    pub(in crate::worker) fn is_exhausted(&self) -> bool {
        self.remaining.get() == 0
    }

    /// Records that the server may reject the value that is being accepted.
    pub(super) fn set_uncertain(&self) {
        self.is_uncertain.set(true);
    }

    /// Counts a comparison. Returns false if there were too many.
    pub(super) fn count(&self) -> bool {
        self.count_size(1)
    }

    /// Counts a comparison with a value of this size. Returns false if there were too many.
    pub(super) fn count_size(&self, size: usize) -> bool {
        self.remaining.set(self.remaining.get().saturating_sub(size));
        if self.is_exhausted() {
            self.set_uncertain();
        }
        !self.is_exhausted()
    }

    /// Returns how often a comparison with a value counts. Stops at the number that remains.
    pub(super) fn size(&self, value: ValueId) -> usize {
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

    /// Returns why the schema of a variable rejects a value, or `None` if it accepts the value, if only the
    /// cluster knows the value, or if there were too many comparisons. `is_required` is true if the variable is
    /// required: the server allows null for other variables, regardless of their type.
    pub(in crate::worker) fn rejection(
        &self,
        value: ValueId,
        schema: ValueId,
        is_required: bool,
        required_keys: RequiredKeys,
    ) -> Option<Rejection> {
        let use_ =
            SchemaUse { is_nullable: !is_required, has_nullable_properties: true, has_formats: false, required_keys };
        self.check(value, schema, use_, MAX_DEPTH)
    }

    /// Returns whether the server drops a default before it checks the job variables of a flow run, or may drop it. It
    /// uses the schema as it is, without `required`.
    pub(in crate::worker) fn may_be_dropped(&self, default: ValueId, schema: ValueId) -> bool {
        let use_ = SchemaUse { has_formats: true, ..SchemaUse::unchanged(RequiredKeys::Ignored) };
        self.accepts(default, schema, use_, MAX_DEPTH) != Some(true)
    }

    /// Returns whether a schema accepts a value, or `None` if that is uncertain.
    pub(super) fn accepts(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<bool> {
        let was_uncertain = self.is_uncertain.replace(false);
        let is_rejected = self.check(value, schema, use_, depth).is_some();
        let is_uncertain = self.is_uncertain.get() && !is_rejected;
        self.is_uncertain.set(was_uncertain || is_uncertain);
        (!is_uncertain).then_some(!is_rejected)
    }

    /// Returns why a schema rejects a value. `depth` is the number of levels of schemas that may follow.
    pub(super) fn check(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let arena = self.arena;
        let is_known = !matches!(arena.get(value), Value::Unknown(_));
        let Some(depth) = depth.checked_sub(1).filter(|_| is_known && self.count()) else {
            self.set_uncertain();
            return None;
        };
        if *arena.get(schema) == Value::Bool(false) {
            return Some(Rejection::new("is not allowed"));
        }
        if UNSUPPORTED_KEYWORDS.iter().any(|keyword| arena.dict_get(schema, keyword).is_some()) {
            self.set_uncertain();
        }
        self.check_choice(value, schema, use_, depth)
            .or_else(|| self.check_assertions(value, schema, use_))
            .or_else(|| self.check_items(value, schema, use_, depth))
            .or_else(|| self.check_properties(value, schema, use_, depth))
            .or_else(|| self.check_conditions(value, schema, use_, depth))
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
            let checker = SchemaChecker::new(&arena, None);
            assert_eq!(checker.rejection(value, schema, true, RequiredKeys::Enforced).is_none(), is_exhausted);
            assert_eq!(checker.is_exhausted(), is_exhausted);
        }
    }

    #[test]
    fn counts_schemas_that_refer_twice_to_others() {
        let definition = |level: usize| {
            let reference = format!("{{$ref: '#/definitions/D{}'}}", level + 1);
            format!("D{level}: {{allOf: [{reference}, {reference}]}}")
        };
        let root = format!("definitions: {{{}, D30: {{}}}}", (0..30).map(definition).collect::<Vec<_>>().join(", "));
        for (first, is_exhausted) in [(20, false), (0, true)] {
            let mut arena = Arena::default();
            let mut load = |text: &str| yaml::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
            let schema = load(&format!("{{$ref: '#/definitions/D{first}'}}"));
            let (root, value) = (load(&root), load("a"));
            let checker = SchemaChecker::new(&arena, Some(root));
            assert!(checker.rejection(value, schema, true, RequiredKeys::Enforced).is_none());
            assert_eq!(checker.is_exhausted(), is_exhausted);
        }
    }

    /// Checks why a schema rejects a value.
    fn check_rejections(rows: &[(&str, &str, Option<&str>)]) {
        for (schema, value, why) in rows {
            let mut arena = Arena::default();
            let mut load = |text: &str| yaml::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
            let (schema_id, value_id) = (load(schema), load(value));
            let root = load(
                "definitions: {A: {type: object, properties: {a: {type: string}}}, Cycle: {$ref: '#/definitions/Cycle'}, \
                 Block: {block_type_slug: b, type: string}}",
            );
            let checker = SchemaChecker::new(&arena, Some(root));
            let actual = checker
                .rejection(value_id, schema_id, true, RequiredKeys::Enforced)
                .map(|rejection| rejection.describe("v"));
            assert_eq!(actual.as_deref(), *why, "{value} for {schema}");
        }
    }

    #[test]
    fn rejects_values_as_the_server_does() {
        check_rejections(&[
            ("{type: string}", "a", None),
            ("{type: string}", "1", Some("`v` must be of type string, not a number")),
            ("{type: integer}", "'60'", Some("`v` must be of type integer, not a string")),
            ("{type: integer}", "1.0", None),
            ("{type: boolean}", "yes", None),
            ("{anyOf: [{type: string}, {type: 'null'}]}", "~", None),
            ("{anyOf: [{type: string}, {type: 'null'}]}", "3", Some("`v` must be of type string, not a number")),
            ("{enum: [A, B]}", "C", Some("`v` must be one of the values of its `enum`")),
            ("{type: object, additionalProperties: {type: string}}", "{a: b}", None),
            (
                "{type: object, additionalProperties: {type: string}}",
                "{a: 1}",
                Some("`v.a` must be of type string, not a number"),
            ),
            ("{type: object}", "[a]", Some("`v` must be of type object, not a list")),
            ("{$ref: '#/definitions/x'}", "[a]", None),
            ("{$ref: '#/definitions/A'}", "1", Some("`v` must be of type object, not a number")),
            ("{$ref: '#/definitions/A'}", "{a: 1}", Some("`v.a` must be of type string, not a number")),
            ("{$ref: '#/definitions/A'}", "{a: null}", None),
            ("{$ref: '#/definitions/Cycle'}", "{}", None),
            ("{$ref: '#/definitions/Block'}", "{$ref: {block_document_id: x}}", None),
            ("{allOf: [{type: string}, {minLength: 2}]}", "a", Some("`v` violates `minLength` of its schema")),
            ("{oneOf: [{type: string}, {type: integer}]}", "[]", Some("`v` must be of type string, not a list")),
            ("{anyOf: [{minimum: 5}, {type: integer}], maximum: 3}", "4", Some("`v` violates `maximum` of its schema")),
            ("{type: integer, minimum: 0}", "-1", Some("`v` violates `minimum` of its schema")),
            ("{type: integer, exclusiveMinimum: 0}", "0", Some("`v` violates `exclusiveMinimum` of its schema")),
            ("{type: number, exclusiveMaximum: 1.5}", "1.5", Some("`v` violates `exclusiveMaximum` of its schema")),
            ("{type: integer, minimum: 0}", "0", None),
            ("{type: string, pattern: '^[a-z]+$'}", "a1", Some("`v` violates `pattern` of its schema")),
            ("{type: string, pattern: '[a-z]'}", "1a", None),
            ("{type: string, pattern: '(?=a)'}", "b", None),
            (r"{type: string, pattern: '^\<a\>$'}", "<a>", None),
            // The compiled pattern is too large to compare.
            ("{type: string, pattern: '^(a{0,300}){0,300}b$'}", "a", None),
            ("{type: array, items: {type: string}}", "[a, 1]", Some("`v[1]` must be of type string, not a number")),
            ("{type: array, maxItems: 1}", "[a, b]", Some("`v` violates `maxItems` of its schema")),
            (
                "{properties: {a: {type: string}}, required: [a]}",
                "{a: null}",
                Some("`v.a` must be of type string, not null"),
            ),
            ("{properties: {a: {type: string}}}", "{a: null}", None),
            ("{additionalProperties: false, properties: {a: {}}}", "{b: 1}", Some("`v.b` is not allowed")),
            ("{type: [string, integer], enum: [a, 1]}", "2", Some("`v` must be one of the values of its `enum`")),
        ]);
    }

    #[test]
    fn checks_keys_and_constants_as_the_server_does() {
        check_rejections(&[
            ("{properties: {a: {required: [b]}}}", "{a: {c: 1}}", Some("`v.a` must have the key `b`")),
            ("{required: [a]}", "[b]", None),
            ("{const: {a: 1}}", "{a: true}", Some("`v` must be equal to the `const` of its schema")),
            ("{const: {a: 1}}", "{a: 1.0}", None),
            ("{maxProperties: 1}", "{a: 1, b: 2}", Some("`v` violates `maxProperties` of its schema")),
            ("{multipleOf: 5}", "12", Some("`v` violates `multipleOf` of its schema")),
            ("{prefixItems: [{type: string}], items: false}", "[a]", None),
            ("{prefixItems: [{type: string}], items: false}", "[a, b]", Some("`v[1]` is not allowed")),
            ("{type: string, format: date-time}", "a", None),
        ]);
    }

    #[test]
    fn checks_conditions_as_the_server_does() {
        check_rejections(&[
            ("{not: {type: string}}", "a", Some("`v` violates `not` of its schema")),
            ("{not: {type: string}}", "1", None),
            ("{if: {type: string}, then: {minLength: 2}}", "a", Some("`v` violates `minLength` of its schema")),
            ("{if: {type: string}, else: {minimum: 2}}", "1", Some("`v` violates `minimum` of its schema")),
            ("{if: {type: string}, then: {minLength: 2}}", "1", None),
            ("{oneOf: [{type: integer}, {type: number}]}", "1", Some("`v` fits more than one schema of its `oneOf`")),
            ("{contains: {type: string}}", "[1]", Some("`v` violates `contains` of its schema")),
            ("{contains: {type: string}, minContains: 2}", "[a, 1]", Some("`v` violates `minContains` of its schema")),
            ("{contains: {type: string}, maxContains: 1}", "[a, b]", Some("`v` violates `maxContains` of its schema")),
            ("{contains: {type: string}, minContains: 0}", "[1]", None),
            ("{uniqueItems: true}", "[{a: 1}, 1, {a: 1.0}]", Some("`v` violates `uniqueItems` of its schema")),
            ("{uniqueItems: true}", "[1, true, 0, false]", None),
            (
                "{patternProperties: {'^a': {type: string}}, additionalProperties: false}",
                "{ab: 1}",
                Some("`v.ab` must be of type string, not a number"),
            ),
            (
                "{patternProperties: {'^a': {type: string}}, additionalProperties: false}",
                "{b: a}",
                Some("`v.b` is not allowed"),
            ),
            ("{propertyNames: {maxLength: 2}}", "{abc: 1}", Some("`v.abc` violates `propertyNames` of its schema")),
            ("{dependentRequired: {a: [b]}}", "{a: 1}", Some("`v` must have the key `b` because it has `a`")),
            ("{dependentRequired: {a: [b]}}", "{c: 1}", None),
            ("{dependentSchemas: {a: {required: [b]}}}", "{a: 1}", Some("`v` must have the key `b`")),
            ("{maximum: 4000000000}", "5000000000", Some("`v` violates `maximum` of its schema")),
        ]);
    }

    /// A keyword that rejects what another schema accepts does not reject a value if it is unclear whether the server
    /// accepts it.
    #[test]
    fn accepts_a_value_if_a_condition_is_uncertain() {
        for uncertain in [
            "{pattern: '(?=a)'}",
            "{$ref: '#/definitions/x'}",
            "{$ref: '#/definitions/Cycle'}",
            "{unevaluatedProperties: false}",
            "{const: 100000000000000000000, minimum: 100000000000000000000}",
        ] {
            for (schema, value) in [
                ("{not: S}", "a"),
                ("{if: S, then: false}", "a"),
                ("{if: S, else: false}", "a"),
                ("{oneOf: [S, {}]}", "a"),
                ("{contains: S}", "[a]"),
                ("{contains: S, maxContains: 0}", "[a]"),
                ("{additionalProperties: false, patternProperties: {'(?=a)': true}}", "{a: 1}"),
            ] {
                let value = value.replace('a', if uncertain.contains("const") { "100000000000000000000" } else { "a" });
                check_rejections(&[(&schema.replace('S', uncertain), &value, None)]);
            }
        }
    }
}
