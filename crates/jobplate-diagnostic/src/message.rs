//! Messages that contain the program's name as the user invoked it.

use std::ops::Add;

/// A placeholder for the program's name in a [`Message`].
#[derive(Clone, Copy, Debug)]
pub struct ProgramName;

/// A hint or a note. A command in the message starts with [`ProgramName`]. When the message is shown, this placeholder
/// is replaced with `jobplate` or `kubectl jobplate`.
///
/// ```
/// use jobplate_diagnostic::{Message, ProgramName};
///
/// let hint = "run `" + ProgramName + " render a.yaml`";
/// assert_eq!(hint.with_program("kubectl jobplate"), "run `kubectl jobplate render a.yaml`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The text before, between and after the placeholders.
    parts: Vec<String>,
}

impl Message {
    /// Returns the text with each placeholder replaced by `name`.
    pub fn with_program(&self, name: &str) -> String {
        self.parts.join(name)
    }

    /// Applies `change` to each part of the text before, between and after the placeholders.
    #[must_use]
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        Message { parts: self.parts.iter().map(|part| change(part)).collect() }
    }
}

impl<S: Into<String>> From<S> for Message {
    fn from(text: S) -> Self {
        Message { parts: vec![text.into()] }
    }
}

impl From<ProgramName> for Message {
    fn from(_: ProgramName) -> Self {
        Message { parts: vec![String::new(), String::new()] }
    }
}

impl<M: Into<Message>> Add<M> for Message {
    type Output = Message;

    fn add(mut self, other: M) -> Message {
        let mut other = other.into().parts.into_iter();
        if let (Some(last), Some(first)) = (self.parts.last_mut(), other.next()) {
            last.push_str(&first);
        }
        self.parts.extend(other);
        self
    }
}

impl<M: Into<Message>> Add<M> for ProgramName {
    type Output = Message;

    fn add(self, other: M) -> Message {
        Message::from(self) + other
    }
}

impl Add<ProgramName> for &str {
    type Output = Message;

    fn add(self, program: ProgramName) -> Message {
        Message::from(self) + program
    }
}

/// Returns a message as a sentence: with an upper-case first letter and a full stop.
///
/// ```
/// assert_eq!(jobplate_diagnostic::to_sentence("a variable is unused"), "A variable is unused.");
/// ```
pub fn to_sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_placeholders_only() {
        let file = "jobplate render".to_owned();
        let message =
            ProgramName + " diff " + (Message::from(file) + ProgramName + " apply") + Message::from("; jobplate man");
        assert_eq!(message.with_program("P"), "P diff jobplate renderP apply; jobplate man");
        assert_eq!(Message::from("jobplate").with_program("P"), "jobplate");
    }
}
