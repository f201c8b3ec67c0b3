//! The keywords of a schema that need no other schema.

use regex_lite::RegexBuilder;

use super::checker::SchemaChecker;
use super::rejection::Rejection;
use super::schema_use::{RequiredKeys, SchemaUse};
use crate::pyvalue::arena::{Arena, Value, ValueId};

/// The maximum size of a compiled pattern, in bytes. A short pattern such as `(a{0,300}){0,300}` can be large.
const MAX_PATTERN_SIZE: usize = 1 << 16;

/// The maximum length of a pattern and of a string that is matched with it, in bytes.
const MAX_PATTERN_LENGTH: usize = 200;
const MAX_TEXT_LENGTH: usize = 10_000;

/// The maximum integer up to which a float represents each integer.
const MAX_EXACT_INTEGER: i64 = 1 << 53;

impl SchemaChecker<'_> {
    /// Returns why a schema rejects a value. Ignores the keywords that apply other schemas.
    pub(super) fn check_assertions(&self, value: ValueId, schema: ValueId, use_: SchemaUse) -> Option<Rejection> {
        self.check_enum(value, schema)
            .or_else(|| self.check_const(value, schema))
            .or_else(|| self.check_type(value, schema, use_))
            .or_else(|| self.check_limits(value, schema))
            .or_else(|| self.check_text(value, schema, use_))
            .or_else(|| self.check_unique(value, schema))
            .or_else(|| self.check_required(value, schema, use_.required_keys))
            .or_else(|| self.check_dependent_keys(value, schema))
    }

    /// Checks that a value is one of `enum`.
    fn check_enum(&self, value: ValueId, schema: ValueId) -> Option<Rejection> {
        let allowed = self.arena.list_items(self.arena.dict_get(schema, "enum")?);
        let size = self.size(value);
        // The size itself takes as long as a comparison.
        let is_accepted = !self.count_size(size)
            || allowed.iter().any(|allowed| !self.count_size(size) || self.may_equal(*allowed, value));
        (!is_accepted).then(|| Rejection::new("must be one of the values of its `enum`"))
    }

    /// Checks that a value is `const`.
    fn check_const(&self, value: ValueId, schema: ValueId) -> Option<Rejection> {
        let allowed = self.arena.dict_get(schema, "const")?;
        let is_accepted = !self.count_size(self.size(value)) || self.may_equal(allowed, value);
        (!is_accepted).then(|| Rejection::new("must be equal to the `const` of its schema"))
    }

    /// Returns whether two values are equal, or may be.
    fn may_equal(&self, one: ValueId, other: ValueId) -> bool {
        equal(self.arena, one, other).unwrap_or_else(|| {
            self.set_uncertain();
            true
        })
    }

    /// Checks the type of a value.
    fn check_type(&self, value: ValueId, schema: ValueId, use_: SchemaUse) -> Option<Rejection> {
        let arena = self.arena;
        if use_.replaces_type(arena, schema) && *arena.get(value) == Value::None {
            return None;
        }
        let type_keyword = arena.dict_get(schema, "type")?;
        let types: Vec<&str> = match arena.get(type_keyword) {
            Value::Str(kind) => vec![kind],
            Value::List(_) => {
                let kinds = arena.list_items(type_keyword).iter().take_while(|_| self.count());
                kinds.filter_map(|kind| arena.as_str(*kind)).collect()
            }
            _ => return None,
        };
        let is_accepted = self.is_exhausted() || types.iter().any(|kind| is_of_type(arena, value, kind));
        let describe = || format!("must be of type {}, not {}", types.join(" or "), arena.describe_kind(value));
        (!is_accepted).then(|| Rejection::new(describe()))
    }

    /// Returns the number that a keyword sets as a limit.
    pub(super) fn limit(&self, schema: ValueId, keyword: &str) -> Option<f64> {
        self.number(self.arena.dict_get(schema, keyword)?)
    }

    /// Returns a number, unless it is too large to be compared exactly.
    fn number(&self, id: ValueId) -> Option<f64> {
        let exact = -MAX_EXACT_INTEGER..=MAX_EXACT_INTEGER;
        match self.arena.get(id) {
            Value::Int(integer) => {
                let integer = i64::try_from(integer).ok().filter(|integer| exact.contains(integer));
                if integer.is_none() {
                    self.set_uncertain();
                }
                integer.map(|integer| integer as f64)
            }
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// Checks the limits of a number, the length of a string, and the number of items of a list or mapping.
    fn check_limits(&self, value: ValueId, schema: ValueId) -> Option<Rejection> {
        let check = |min: &'static str, max: &'static str, number: f64| {
            let is_below = self.limit(schema, min).is_some_and(|min| number < min);
            let is_above = || self.limit(schema, max).is_some_and(|max| number > max);
            if is_below { Some(min) } else { is_above().then_some(max) }
        };
        let keyword = match self.arena.get(value) {
            Value::Int(_) | Value::Float(_) => {
                let number = self.number(value)?;
                let is_violated = |keyword: &str, violates: fn(f64, f64) -> bool| {
                    self.limit(schema, keyword).is_some_and(|limit| violates(number, limit))
                };
                match check("minimum", "maximum", number) {
                    Some(keyword) => keyword,
                    None if is_violated("exclusiveMinimum", |number, limit| number <= limit) => "exclusiveMinimum",
                    None if is_violated("exclusiveMaximum", |number, limit| number >= limit) => "exclusiveMaximum",
                    None if is_violated("multipleOf", |number, factor| !is_multiple_of(number, factor)) => "multipleOf",
                    None => return None,
                }
            }
            Value::Str(text) => {
                if !self.count_size(text.len() / 1000) {
                    return None;
                }
                check("minLength", "maxLength", text.chars().count() as f64)?
            }
            Value::List(items) => check("minItems", "maxItems", items.len() as f64)?,
            Value::Dict(pairs) => check("minProperties", "maxProperties", pairs.len() as f64)?,
            _ => return None,
        };
        Some(Rejection::of_keyword(keyword))
    }

    /// Checks the pattern of a string. A string may not fit a `format`: which formats the server checks depends on the
    /// packages that are installed beside it.
    fn check_text(&self, value: ValueId, schema: ValueId, use_: SchemaUse) -> Option<Rejection> {
        let arena = self.arena;
        let text = arena.as_str(value)?;
        if use_.has_formats && arena.dict_get(schema, "format").is_some() {
            self.set_uncertain();
        }
        let pattern = arena.dict_get(schema, "pattern").and_then(|pattern| arena.as_str(pattern))?;
        (self.matches(pattern, text) == Some(false)).then(|| Rejection::of_keyword("pattern"))
    }

    /// Returns whether a pattern matches a string, or `None` if that is uncertain. Python reads some patterns in another
    /// way, and long ones take long.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        let is_comparable = pattern.len() <= MAX_PATTERN_LENGTH
            && text.len() <= MAX_TEXT_LENGTH
            && [pattern, text].iter().all(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))
            // These escapes mean something else in Python.
            && ![r"\<", r"\>", r"\b{"].iter().any(|escape| pattern.contains(escape))
            && self.count_size(MAX_PATTERN_LENGTH * (1 + text.len() / 100));
        let compile = || RegexBuilder::new(pattern).size_limit(MAX_PATTERN_SIZE).build().ok();
        let pattern = if is_comparable { compile() } else { None };
        if pattern.is_none() {
            self.set_uncertain();
        }
        pattern.map(|pattern| pattern.is_match(text))
    }

    /// Checks that the items of a list differ.
    fn check_unique(&self, value: ValueId, schema: ValueId) -> Option<Rejection> {
        let is_unique = self.arena.dict_get(schema, "uniqueItems").is_some_and(|unique| self.arena.is_truthy(unique));
        let Value::List(items) = self.arena.get(value) else { return None };
        for (position, item) in items.iter().enumerate().filter(|_| is_unique) {
            let size = self.size(*item);
            // The size itself takes as long as a comparison.
            if !self.count_size(size) {
                return None;
            }
            for other in &items[..position] {
                if !self.count_size(size) {
                    return None;
                }
                match equal(self.arena, *item, *other) {
                    Some(true) => return Some(Rejection::of_keyword("uniqueItems")),
                    Some(false) => {}
                    None => self.set_uncertain(),
                }
            }
        }
        None
    }

    /// Checks that a mapping has its `required` keys.
    fn check_required(&self, value: ValueId, schema: ValueId, required_keys: RequiredKeys) -> Option<Rejection> {
        let required = self.arena.dict_get(schema, "required").filter(|_| required_keys != RequiredKeys::Ignored)?;
        let missing = self.missing_key(value, required)?;
        Some(Rejection::new(format!("must have the key `{missing}`")))
    }

    /// Checks that a mapping has the keys that `dependentRequired` requires beside others.
    fn check_dependent_keys(&self, value: ValueId, schema: ValueId) -> Option<Rejection> {
        let arena = self.arena;
        let dependents = arena.as_dict(arena.dict_get(schema, "dependentRequired")?)?;
        dependents.iter().take_while(|_| self.count()).find_map(|(key, required)| {
            let key = arena.as_str(*key).filter(|key| arena.dict_get(value, key).is_some())?;
            let missing = self.missing_key(value, *required)?;
            Some(Rejection::new(format!("must have the key `{missing}` because it has `{key}`")))
        })
    }

    /// Returns the first name in the list `required` that a mapping does not have.
    fn missing_key(&self, value: ValueId, required: ValueId) -> Option<&str> {
        self.arena.as_dict(value)?;
        let required = self.arena.list_items(required).iter().take_while(|_| self.count());
        let mut names = required.filter_map(|name| self.arena.as_str(*name));
        names.find(|name| self.arena.dict_get(value, name).is_none())
    }
}

/// Returns whether two values are equal in JSON, or `None` if one is not known here. Unlike in Python, true is not 1.
fn equal(arena: &Arena, one: ValueId, other: ValueId) -> Option<bool> {
    let is_bool = |id: ValueId| matches!(arena.get(id), Value::Bool(_));
    match (arena.get(one), arena.get(other)) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => None,
        (Value::List(items), Value::List(others)) if items.len() == others.len() => {
            all_equal(items.iter().zip(others).map(|(one, other)| equal(arena, *one, *other)))
        }
        (Value::Dict(pairs), Value::Dict(others)) if pairs.len() == others.len() => {
            all_equal(pairs.iter().map(|(key, value)| match arena.dict_get_by_key(other, *key) {
                Some(other) => equal(arena, *value, other),
                None => Some(false),
            }))
        }
        (Value::List(_), Value::List(_)) | (Value::Dict(_), Value::Dict(_)) => Some(false),
        _ => Some(is_bool(one) == is_bool(other) && arena.equals(one, other)),
    }
}

/// Returns whether all comparisons found equal values, or `None` if that is uncertain.
fn all_equal(comparisons: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for comparison in comparisons {
        match comparison {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// Returns whether a number is a multiple of `factor`, as floats. The server divides by a factor with a fraction.
fn is_multiple_of(number: f64, factor: f64) -> bool {
    let rest = if factor.fract() == 0.0 { number % factor } else { (number / factor).fract() };
    rest == 0.0 || rest.is_nan()
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
