//! Describes why a JSON schema rejects a value.

/// A part of a value that a schema rejects, and the reason.
#[derive(Debug)]
pub(super) struct Rejection {
    /// The path of the part in the value, such as `.a[1]`.
    path: String,
    /// The reason, such as `must be of type string, not a number`.
    reason: String,
}

impl Rejection {
    /// Creates the rejection of a whole value.
    pub(super) fn new(reason: String) -> Self {
        Rejection { path: String::new(), reason }
    }

    /// Converts the rejection of an item or a property to that of the value that contains it. `step` is its position
    /// or name in a path.
    pub(super) fn below(self, step: &str) -> Self {
        Rejection { path: format!("{step}{}", self.path), ..self }
    }

    /// Formats the rejected part of the value `name` with the reason.
    pub(super) fn describe(&self, name: &str) -> String {
        format!("`{name}{}` {}", self.path, self.reason)
    }
}
