//! How Prefect's server changes the schemas of variables before it checks values.

/// Whether a value that lacks a key in `required` is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequiredKeys {
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
}

impl SchemaUse {
    /// Returns the use of a schema that the server does not change, except for `required`.
    pub(super) fn unchanged(required_keys: RequiredKeys) -> Self {
        SchemaUse { is_nullable: false, has_nullable_properties: false, required_keys }
    }

    /// Returns the use of a schema that is the value of a keyword.
    pub(super) fn in_keyword(self) -> Self {
        SchemaUse::unchanged(self.required_keys)
    }

    /// Returns the use of a schema in a list.
    pub(super) fn in_list(self) -> Self {
        SchemaUse::unchanged(match self.required_keys {
            RequiredKeys::Enforced => RequiredKeys::Enforced,
            RequiredKeys::Ignored | RequiredKeys::IgnoredOutsideOfLists => RequiredKeys::IgnoredOutsideOfLists,
        })
    }

    /// Returns the use of a schema that a reference names. References lead through mappings, not through lists.
    pub(super) fn in_reference(self, is_definition: bool) -> Self {
        let required_keys = match self.required_keys {
            RequiredKeys::IgnoredOutsideOfLists => RequiredKeys::Ignored,
            required_keys => required_keys,
        };
        SchemaUse { has_nullable_properties: is_definition, ..SchemaUse::unchanged(required_keys) }
    }
}
