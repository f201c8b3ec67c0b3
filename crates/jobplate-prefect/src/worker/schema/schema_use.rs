//! How Prefect's server changes the schemas of variables before it checks values.

use crate::pyvalue::arena::{Arena, ValueId};

/// Whether a value that lacks a key in `required` is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum RequiredKeys {
    /// The value is rejected.
    Enforced,
    /// The value is accepted: the server removes `required` from the schemas (`remove_nested_keys`).
    Ignored,
    /// Like `Ignored`, but the schema is in a list such as `anyOf`, where the server does not remove `required`.
    IgnoredOutsideOfLists,
}

/// How the server uses a schema. It changes the schemas of properties that are not required.
#[derive(Clone, Copy)]
pub(super) struct SchemaUse {
    /// Whether null is accepted.
    pub(super) is_nullable: bool,
    /// Whether properties that are not required accept null.
    pub(super) has_nullable_properties: bool,
    /// Whether keys are required.
    pub(super) required_keys: RequiredKeys,
    /// Whether strings must fit a `format`.
    pub(super) has_formats: bool,
}

impl SchemaUse {
    /// Returns the use of a schema that the server does not change, except for `required`.
    pub(super) fn unchanged(required_keys: RequiredKeys) -> Self {
        SchemaUse { is_nullable: false, has_nullable_properties: false, required_keys, has_formats: false }
    }

    /// Returns whether the server replaces `type` and `anyOf` of a schema with a choice of the type and null
    /// (`_fix_null_typing`).
    pub(super) fn replaces_type(self, arena: &Arena, schema: ValueId) -> bool {
        self.is_nullable && arena.dict_get(schema, "type").is_some_and(|kind| arena.as_str(kind) != Some("null"))
    }

    /// Returns whether the server removes a property from a schema: it takes a property `required` for the keyword.
    pub(super) fn removes(self, property: &str) -> bool {
        self.required_keys == RequiredKeys::Ignored && property == "required"
    }

    /// Returns the use of a schema that is the value of a keyword.
    pub(super) fn in_keyword(self) -> Self {
        SchemaUse { is_nullable: false, has_nullable_properties: false, ..self }
    }

    /// Returns the use of a schema in a list.
    pub(super) fn in_list(self) -> Self {
        let required_keys = match self.required_keys {
            RequiredKeys::Enforced => RequiredKeys::Enforced,
            RequiredKeys::Ignored | RequiredKeys::IgnoredOutsideOfLists => RequiredKeys::IgnoredOutsideOfLists,
        };
        SchemaUse { required_keys, ..self.in_keyword() }
    }

    /// Returns the use of a schema that a reference names. References lead through mappings, not through lists.
    pub(super) fn in_reference(self, is_definition: bool) -> Self {
        let required_keys = match self.required_keys {
            RequiredKeys::IgnoredOutsideOfLists => RequiredKeys::Ignored,
            required_keys => required_keys,
        };
        SchemaUse { is_nullable: false, has_nullable_properties: is_definition, required_keys, ..self }
    }
}
