//! Validates values against the schemas of variables, like Prefect's server (prefect.utilities.schema_tools.validation).
//! The server does not check `format`. Ignores some other keywords (`not`, `if`, `contains`, `uniqueItems` and others), so
//! it accepts more than the server.

// Over 400 lines: a fifth of the file is test tables.

use std::cell::Cell;
use std::collections::HashSet;

use regex_lite::RegexBuilder;

use super::rejection::Rejection;
use super::schema_use::{RequiredKeys, SchemaUse};
use crate::pyvalue::arena::{Arena, Value, ValueId};

/// The maximum number of comparisons of a value with a schema, an alternative or an allowed value, in all checks of a
/// preview. A comparison with an allowed value counts as often as the value has items and kilobytes.
const MAX_COMPARISONS: usize = 200_000;

/// The maximum depth of nested schemas and references. A deeper schema accepts every value.
const MAX_DEPTH: usize = 64;

/// The maximum size of a compiled pattern, in bytes. A short pattern such as `(a{0,300}){0,300}` can be large.
const MAX_PATTERN_SIZE: usize = 1 << 16;

/// The maximum length of a pattern and of a string that is matched with it, in bytes.
const MAX_PATTERN_LENGTH: usize = 200;
const MAX_TEXT_LENGTH: usize = 10_000;

/// Checks values against schemas.
pub(super) struct SchemaChecker<'h> {
    arena: &'h Arena,
    /// The schema to which references refer: `variables` of the template.
    root: Option<ValueId>,
    remaining: Cell<usize>,
}

impl<'h> SchemaChecker<'h> {
    /// Returns a checker that has made no comparison yet.
    pub(super) fn new(arena: &'h Arena, root: Option<ValueId>) -> Self {
        SchemaChecker { arena, root, remaining: Cell::new(MAX_COMPARISONS) }
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

    /// Returns why the schema of a variable rejects a value, or `None` if it accepts the value, if only the
    /// cluster knows the value, or if there were too many comparisons. `is_required` is true if the variable is
    /// required: the server allows null for other variables, regardless of their type.
    pub(super) fn rejection(
        &self,
        value: ValueId,
        schema: ValueId,
        is_required: bool,
        required_keys: RequiredKeys,
    ) -> Option<Rejection> {
        let use_ = SchemaUse { is_nullable: !is_required, has_nullable_properties: true, required_keys };
        self.check(value, schema, use_, MAX_DEPTH)
    }

    /// Returns whether the server drops a default before it checks the job variables of a flow run. It uses the schema
    /// as it is, without `required`.
    pub(super) fn is_dropped(&self, default: ValueId, schema: ValueId) -> bool {
        self.check(default, schema, SchemaUse::unchanged(RequiredKeys::Ignored), MAX_DEPTH).is_some()
    }

    fn check(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let arena = self.arena;
        if matches!(arena.get(value), Value::Unknown(_)) || !self.count() {
            return None;
        }
        let depth = depth.checked_sub(1)?;
        if *arena.get(schema) == Value::Bool(false) {
            return Some(Rejection::new("is not allowed".to_owned()));
        }
        let type_keyword = arena.dict_get(schema, "type");
        // The server replaces `type` and `anyOf` with a choice of the type and null.
        let is_replaced = use_.is_nullable && type_keyword.is_some_and(|kind| arena.as_str(kind) != Some("null"));
        let check_choice = || self.check_choice(value, schema, is_replaced, use_, depth);
        let check_enum = || self.enum_rejection(value, schema);
        let check_const = || self.const_rejection(value, schema);
        let check_type = || match is_replaced && *arena.get(value) == Value::None {
            true => None,
            false => self.type_rejection(value, type_keyword?),
        };
        let check_limits = || self.limit_rejection(value, schema);
        let check_items = || self.check_items(value, schema, use_, depth);
        let check_required = || self.required_rejection(value, schema, use_.required_keys);
        let check_properties = || self.check_properties(value, schema, use_, depth);
        let check_whole = || {
            let check_values = || check_enum().or_else(check_const).or_else(check_type);
            check_values().or_else(check_limits).or_else(check_required).map(Rejection::new)
        };
        check_choice().or_else(check_whole).or_else(check_items).or_else(check_properties)
    }

    /// Checks a value against the schemas of `$ref`, `allOf`, `anyOf` and `oneOf`.
    fn check_choice(
        &self,
        value: ValueId,
        schema: ValueId,
        is_replaced: bool,
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let arena = self.arena;
        let check = |schema| self.check(value, schema, use_.in_list(), depth);
        if let Some(reference) = arena.dict_get(schema, "$ref").and_then(|reference| arena.as_str(reference))
            && let Some((target, is_definition)) = self.resolve(reference)
        {
            // A block can be replaced with a reference to it: the server makes a list of two alternatives.
            let is_block = is_definition && arena.dict_get(target, "block_type_slug").is_some();
            let target_use = use_.in_reference(is_definition);
            let required_keys = if is_block { use_.in_list().required_keys } else { target_use.required_keys };
            if !(is_block && arena.dict_get(value, "$ref").is_some())
                && let Some(why) = self.check(value, target, SchemaUse { required_keys, ..target_use }, depth)
            {
                return Some(why);
            }
        }
        let all = arena.dict_get(schema, "allOf").map(|all| arena.list_items(all)).unwrap_or_default();
        if let Some(why) = all.iter().find_map(|schema| check(*schema)) {
            return Some(why);
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(alternatives) = arena.dict_get(schema, keyword).filter(|_| keyword != "anyOf" || !is_replaced)
            else {
                continue;
            };
            let mut first = None;
            for alternative in arena.list_items(alternatives) {
                match check(*alternative) {
                    Some(why) => first = first.or(Some(why)),
                    None => {
                        first = None;
                        break;
                    }
                }
            }
            if first.is_some() {
                return first.filter(|_| !self.is_exhausted());
            }
        }
        None
    }

    /// Returns the schema that a `$ref` such as `#/definitions/Name` refers to, and whether it is in `definitions`.
    fn resolve(&self, reference: &str) -> Option<(ValueId, bool)> {
        if !self.count_size(reference.len() / 100) {
            return None;
        }
        let keys = reference.strip_prefix("#/")?.split('/').map(|key| key.replace("~1", "/").replace("~0", "~"));
        let keys: Vec<String> = keys.take(MAX_DEPTH).collect();
        let target = keys.iter().try_fold(self.root?, |at, key| self.arena.dict_get(at, key))?;
        Some((target, matches!(keys.as_slice(), [first, _] if first == "definitions")))
    }

    /// Checks the type of a value. Ignores the other keywords.
    fn type_rejection(&self, value: ValueId, type_keyword: ValueId) -> Option<String> {
        let arena = self.arena;
        let types: Vec<&str> = match arena.get(type_keyword) {
            Value::Str(kind) => vec![kind],
            Value::List(_) => {
                let kinds = arena.list_items(type_keyword).iter().take_while(|_| self.count());
                kinds.filter_map(|kind| arena.as_str(*kind)).collect()
            }
            _ => return None,
        };
        let is_accepted = self.is_exhausted() || types.iter().any(|kind| is_of_type(arena, value, kind));
        (!is_accepted).then(|| format!("must be of type {}, not {}", types.join(" or "), arena.describe_kind(value)))
    }

    /// Checks the limits of a number, the length and pattern of a string, and the length of a list or mapping.
    fn limit_rejection(&self, value: ValueId, schema: ValueId) -> Option<String> {
        let arena = self.arena;
        let limit = |keyword: &str| arena.dict_get(schema, keyword).and_then(|limit| to_number(arena, limit));
        let fail = |keyword: &str| Some(format!("violates `{keyword}` of its schema"));
        let check = |keywords: &[&'static str; 4], number: f64| {
            let [min, exclusive_min, max, exclusive_max] = keywords.map(limit);
            let faults = [
                min.is_some_and(|min| number < min),
                exclusive_min.is_some_and(|min| number <= min),
                max.is_some_and(|max| number > max),
                exclusive_max.is_some_and(|max| number >= max),
            ];
            faults.iter().position(|is_fault| *is_fault).and_then(|position| fail(keywords[position]))
        };
        match arena.get(value) {
            Value::Int(_) | Value::Float(_) => {
                let number = to_number(arena, value)?;
                let is_multiple = || limit("multipleOf").is_none_or(|factor| is_multiple_of(number, factor));
                check(&["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"], number)
                    .or_else(|| if is_multiple() { None } else { fail("multipleOf") })
            }
            Value::Str(text) => {
                let pattern = arena.dict_get(schema, "pattern").and_then(|pattern| arena.as_str(pattern));
                if !self.count_size(text.len() / 1000) {
                    return None;
                }
                check(&["minLength", "", "maxLength", ""], text.chars().count() as f64).or_else(|| {
                    let is_accepted = pattern.is_none_or(|pattern| self.may_match(pattern, text));
                    if is_accepted { None } else { fail("pattern") }
                })
            }
            Value::List(items) => check(&["minItems", "", "maxItems", ""], items.len() as f64),
            Value::Dict(pairs) => check(&["minProperties", "", "maxProperties", ""], pairs.len() as f64),
            _ => None,
        }
    }

    /// Returns whether a pattern matches a string, or may match it in Python. Other languages read some patterns in another
    /// way, and long ones take long.
    fn may_match(&self, pattern: &str, text: &str) -> bool {
        let is_comparable = pattern.len() <= MAX_PATTERN_LENGTH
            && text.len() <= MAX_TEXT_LENGTH
            && [pattern, text].iter().all(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))
            // These escapes mean something else in Python.
            && ![r"\<", r"\>", r"\b{"].iter().any(|escape| pattern.contains(escape));
        if !is_comparable || !self.count_size(MAX_PATTERN_LENGTH * (1 + text.len() / 100)) {
            return true;
        }
        let pattern = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_SIZE).build();
        pattern.map_or(true, |pattern| pattern.is_match(text))
    }

    /// Checks the items of a list: the first ones against `prefixItems`, the others against `items`.
    fn check_items(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let arena = self.arena;
        let Value::List(items) = arena.get(value) else { return None };
        let prefix = arena.dict_get(schema, "prefixItems").map(|prefix| arena.list_items(prefix)).unwrap_or_default();
        let others = arena.dict_get(schema, "items");
        items.iter().enumerate().find_map(|(position, item)| {
            let rejection = match prefix.get(position) {
                Some(schema) => self.check(*item, *schema, use_.in_list(), depth)?,
                None => self.check(*item, others?, use_.in_keyword(), depth)?,
            };
            Some(rejection.below(&format!("[{position}]")))
        })
    }

    /// Returns the reason why a mapping is rejected that lacks a required key. Ignores the other keywords.
    fn required_rejection(&self, value: ValueId, schema: ValueId, required_keys: RequiredKeys) -> Option<String> {
        let arena = self.arena;
        arena.as_dict(value)?;
        let required = arena.dict_get(schema, "required").filter(|_| required_keys != RequiredKeys::Ignored)?;
        let required = arena.list_items(required).iter().take_while(|_| self.count());
        let mut names = required.filter_map(|name| arena.as_str(*name));
        let missing = names.find(|name| arena.dict_get(value, name).is_none())?;
        Some(format!("must have the key `{missing}`"))
    }

    /// Checks the values of a mapping against `properties` and `additionalProperties`.
    fn check_properties(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let arena = self.arena;
        let has_nullable_properties = use_.has_nullable_properties;
        let pairs = arena.as_dict(value)?;
        let get = |keyword: &str| arena.dict_get(schema, keyword);
        let (properties, patterns, other) = (get("properties"), get("patternProperties"), get("additionalProperties"));
        // Only nullable properties need the set.
        let required = get("required").filter(|_| has_nullable_properties && properties.is_some());
        let required = required.map(|list| arena.list_items(list)).unwrap_or_default();
        if !self.count_size(required.len()) {
            return None;
        }
        let required: HashSet<&str> = required.iter().filter_map(|name| arena.as_str(*name)).collect();
        pairs.iter().find_map(|(key, value)| {
            let name = arena.as_str(*key)?;
            let rejection = match properties.and_then(|properties| arena.dict_get(properties, name)) {
                Some(schema) => {
                    let is_nullable = has_nullable_properties && !required.contains(name);
                    self.check(*value, schema, SchemaUse { is_nullable, ..use_ }, depth)?
                }
                None => self.check(*value, other.filter(|_| patterns.is_none())?, use_.in_keyword(), depth)?,
            };
            Some(rejection.below(&format!(".{name}")))
        })
    }

    /// Returns the reason why a value is not in the `enum` of a schema. Ignores the other keywords.
    fn enum_rejection(&self, value: ValueId, schema: ValueId) -> Option<String> {
        let allowed = self.arena.list_items(self.arena.dict_get(schema, "enum")?);
        let size = self.size(value);
        // The size itself takes as long as a comparison.
        let is_accepted = !self.count_size(size)
            || allowed.iter().any(|allowed| !self.count_size(size) || may_equal(self.arena, *allowed, value));
        (!is_accepted).then(|| "must be one of the values of its `enum`".to_owned())
    }

    /// Returns the reason why a value is not the `const` of a schema. Ignores the other keywords.
    fn const_rejection(&self, value: ValueId, schema: ValueId) -> Option<String> {
        let allowed = self.arena.dict_get(schema, "const")?;
        let is_accepted = !self.count_size(self.size(value)) || may_equal(self.arena, allowed, value);
        (!is_accepted).then(|| "must be equal to the `const` of its schema".to_owned())
    }
}

/// Returns whether two values are equal in JSON, or may be equal because one is not known here. Unlike in Python, true
/// is not 1.
fn may_equal(arena: &Arena, one: ValueId, other: ValueId) -> bool {
    let is_bool = |id: ValueId| matches!(arena.get(id), Value::Bool(_));
    match (arena.get(one), arena.get(other)) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => true,
        (Value::List(items), Value::List(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(one, other)| may_equal(arena, *one, *other))
        }
        (Value::Dict(pairs), Value::Dict(others)) => {
            let is_in_other = |(key, value): &(ValueId, ValueId)| {
                arena.dict_get_by_key(other, *key).is_some_and(|other| may_equal(arena, *value, other))
            };
            pairs.len() == others.len() && pairs.iter().all(is_in_other)
        }
        _ => is_bool(one) == is_bool(other) && arena.equals(one, other),
    }
}

/// Returns whether a number is a multiple of `factor`, as floats. The server divides by a factor with a fraction.
fn is_multiple_of(number: f64, factor: f64) -> bool {
    let rest = if factor.fract() == 0.0 { number % factor } else { (number / factor).fract() };
    rest == 0.0 || rest.is_nan()
}

/// Returns a number, unless it is too large to be compared exactly.
fn to_number(arena: &Arena, id: ValueId) -> Option<f64> {
    match arena.get(id) {
        Value::Int(integer) => i32::try_from(integer).ok().map(f64::from),
        Value::Float(float) => Some(*float),
        _ => None,
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
            let checker = SchemaChecker::new(&arena, None);
            assert_eq!(checker.rejection(value, schema, true, RequiredKeys::Enforced).is_none(), is_exhausted);
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
}
