//! The parameters of all writes.

/// The server's handling of unknown and duplicate fields (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Reject the object.
    Strict,
    /// Drop the fields with a warning.
    Warn,
    /// Drop the fields silently.
    Ignore,
}

/// The parameters of all writes.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The manager that owns the written fields (`fieldManager`).
    pub field_manager: String,
    /// The validation of the written fields (`fieldValidation`).
    pub field_validation: FieldValidation,
}
