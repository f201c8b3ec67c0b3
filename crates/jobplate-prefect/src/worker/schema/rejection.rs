//! Describes why a JSON schema rejects a value.

/// A part of a value that a schema rejects, and the reason.
#[derive(Debug)]
pub(in crate::worker) struct Rejection {
    /// The path of the part in the value, such as `.a[1]`.
    path: String,
    /// The reason, such as `must be of type string, not a number`.
    reason: String,
}

impl Rejection {
    /// Creates the rejection of a whole value.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Rejection { path: String::new(), reason: reason.into() }
    }

    /// Creates the rejection of a whole value by a keyword.
    pub(super) fn of_keyword(keyword: &str) -> Self {
        Rejection::new(format!("violates `{keyword}` of its schema"))
    }

    /// Converts the rejection of an item or a property to that of the value that contains it. `step` is its position
    /// or name in a path.
    pub(super) fn below(self, step: &str) -> Self {
        Rejection { path: format!("{step}{}", self.path), ..self }
    }

    /// Formats the rejected part of the value `name` with the reason.
    pub(in crate::worker) fn describe(&self, name: &str) -> String {
        format!("`{name}{}` {}", self.path, self.reason)
    }
}
