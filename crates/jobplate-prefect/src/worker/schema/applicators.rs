//! The keywords of a schema that apply other schemas to a value or to its parts.

use std::collections::HashSet;

use super::checker::{MAX_DEPTH, SchemaChecker};
use super::rejection::Rejection;
use super::schema_use::SchemaUse;
use crate::pyvalue::arena::{Value, ValueId};

impl SchemaChecker<'_> {
    /// Checks a value against the schemas of `$ref`, `allOf`, `anyOf` and `oneOf`.
    pub(super) fn check_choice(
        &self,
        value: ValueId,
        schema: ValueId,
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let schemas = |keyword: &str| self.arena.dict_get(schema, keyword).map(|list| self.arena.list_items(list));
        self.check_reference(value, schema, use_, depth)
            .or_else(|| schemas("allOf")?.iter().find_map(|schema| self.check(value, *schema, use_.in_list(), depth)))
            .or_else(|| {
                let any = schemas("anyOf").filter(|_| !use_.replaces_type(self.arena, schema))?;
                self.check_alternatives(value, any, use_, depth)
            })
            .or_else(|| {
                let one = schemas("oneOf")?;
                self.check_alternatives(value, one, use_, depth).or_else(|| self.check_single(value, one, use_, depth))
            })
    }

    /// Checks a value against the schema of `$ref`.
    fn check_reference(&self, value: ValueId, schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let arena = self.arena;
        let reference = arena.dict_get(schema, "$ref").and_then(|reference| arena.as_str(reference))?;
        let Some((target, is_definition)) = self.resolve(reference) else {
            self.set_uncertain();
            return None;
        };
        // A block can be replaced with a reference to it: the server makes a list of two alternatives.
        let is_block = is_definition && arena.dict_get(target, "block_type_slug").is_some();
        if is_block && arena.dict_get(value, "$ref").is_some() {
            self.set_uncertain();
            return None;
        }
        let target_use = use_.in_reference(is_definition);
        let required_keys = if is_block { use_.in_list().required_keys } else { target_use.required_keys };
        self.check(value, target, SchemaUse { required_keys, ..target_use }, depth)
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

    /// Returns why the first of several schemas rejects a value, if all of them reject it.
    fn check_alternatives(
        &self,
        value: ValueId,
        schemas: &[ValueId],
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let mut first = None;
        for schema in schemas {
            let rejection = self.check(value, *schema, use_.in_list(), depth)?;
            first = first.or(Some(rejection));
        }
        first
    }

    /// Rejects a value that several schemas accept.
    fn check_single(&self, value: ValueId, schemas: &[ValueId], use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let is_accepted = |schema: &&ValueId| self.accepts(value, **schema, use_.in_list(), depth) == Some(true);
        let has_several = schemas.iter().filter(is_accepted).nth(1).is_some();
        has_several.then(|| Rejection::new("fits more than one schema of its `oneOf`"))
    }

    /// Checks the items of a list: the first ones against `prefixItems`, the others against `items`, and counts those
    /// that `contains` accepts.
    pub(super) fn check_items(
        &self,
        value: ValueId,
        schema: ValueId,
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let arena = self.arena;
        let Value::List(items) = arena.get(value) else { return None };
        let prefix = arena.dict_get(schema, "prefixItems").map(|prefix| arena.list_items(prefix)).unwrap_or_default();
        let others = arena.dict_get(schema, "items");
        let rejection = items.iter().enumerate().find_map(|(position, item)| {
            let rejection = match prefix.get(position) {
                Some(schema) => self.check(*item, *schema, use_.in_list(), depth)?,
                None => self.check(*item, others?, use_.in_keyword(), depth)?,
            };
            Some(rejection.below(&format!("[{position}]")))
        });
        rejection.or_else(|| self.check_contains(items, schema, use_, depth))
    }

    /// Checks how many items of a list fit `contains`.
    fn check_contains(&self, items: &[ValueId], schema: ValueId, use_: SchemaUse, depth: usize) -> Option<Rejection> {
        let contained = self.arena.dict_get(schema, "contains")?;
        let limit = |keyword: &str, default| self.limit(schema, keyword).unwrap_or(default);
        let (mut certain, mut possible) = (0.0, 0.0);
        for item in items {
            let accepted = self.accepts(*item, contained, use_.in_keyword(), depth);
            certain += f64::from(accepted == Some(true));
            possible += f64::from(accepted != Some(false));
        }
        let keyword = match limit("minContains", 1.0) {
            _ if certain > limit("maxContains", f64::INFINITY) => "maxContains",
            min if possible < min && possible == 0.0 => "contains",
            min if possible < min => "minContains",
            _ => return None,
        };
        Some(Rejection::of_keyword(keyword))
    }

    /// Checks the keys of a mapping against `propertyNames`, and its values against `properties`, `patternProperties` and
    /// `additionalProperties`.
    pub(super) fn check_properties(
        &self,
        value: ValueId,
        schema: ValueId,
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let arena = self.arena;
        let pairs = arena.as_dict(value)?;
        let get = |keyword: &str| arena.dict_get(schema, keyword);
        let (properties, names, other) = (get("properties"), get("propertyNames"), get("additionalProperties"));
        let patterns = get("patternProperties").and_then(|patterns| arena.as_dict(patterns)).unwrap_or_default();
        // Only nullable properties need the set.
        let required = get("required").filter(|_| use_.has_nullable_properties && properties.is_some());
        let required = required.map(|list| arena.list_items(list)).unwrap_or_default();
        if !self.count_size(required.len()) {
            return None;
        }
        let required: HashSet<&str> = required.iter().filter_map(|name| arena.as_str(*name)).collect();
        pairs.iter().find_map(|(key, value)| {
            let name = arena.as_str(*key)?;
            let property = properties.filter(|_| !use_.removes(name)).and_then(|all| arena.dict_get(all, name));
            let check_name =
                || self.check(*key, names?, use_.in_keyword(), depth).map(|_| Rejection::of_keyword("propertyNames"));
            let check_property = || {
                let is_nullable = use_.has_nullable_properties && !required.contains(name);
                self.check(*value, property?, SchemaUse { is_nullable, ..use_ }, depth)
            };
            let mut may_be_additional = property.is_none();
            let mut check_pattern = |(pattern, schema): &(ValueId, ValueId)| {
                let is_match = self.matches(arena.as_str(*pattern)?, name);
                may_be_additional &= is_match == Some(false);
                is_match
                    .filter(|is_match| *is_match)
                    .and_then(|_| self.check(*value, *schema, use_.in_keyword(), depth))
            };
            let rejection = check_name()
                .or_else(check_property)
                .or_else(|| patterns.iter().take_while(|_| self.count()).find_map(&mut check_pattern))
                .or_else(|| self.check(*value, other.filter(|_| may_be_additional)?, use_.in_keyword(), depth))?;
            Some(rejection.below(&format!(".{name}")))
        })
    }

    /// Checks a value against the schemas of `not`, `if`, `then`, `else` and `dependentSchemas`.
    pub(super) fn check_conditions(
        &self,
        value: ValueId,
        schema: ValueId,
        use_: SchemaUse,
        depth: usize,
    ) -> Option<Rejection> {
        let arena = self.arena;
        let get = |keyword: &str| arena.dict_get(schema, keyword);
        let use_ = use_.in_keyword();
        let accepts = |schema| self.accepts(value, schema, use_, depth);
        let check = |schema| self.check(value, schema, use_, depth);
        let check_not = || (accepts(get("not")?) == Some(true)).then(|| Rejection::of_keyword("not"));
        let check_if = || match accepts(get("if")?)? {
            true => check(get("then")?),
            false => check(get("else")?),
        };
        let check_dependent = || {
            let schemas = arena.as_dict(get("dependentSchemas")?)?;
            let is_in_value = |key: ValueId| {
                self.count() && arena.as_str(key).is_some_and(|key| arena.dict_get(value, key).is_some())
            };
            schemas.iter().filter(|(key, _)| is_in_value(*key)).find_map(|(_, schema)| check(*schema))
        };
        check_not().or_else(check_if).or_else(check_dependent)
    }
}
