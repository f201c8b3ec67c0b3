//! Text for a person that names the program the way it was invoked.

use std::ops::Add;

/// The name of the program within a [`Message`].
#[derive(Clone, Copy, Debug)]
pub struct ProgramName;

/// A hint or a note. A command in it begins with [`ProgramName`], whose name depends on how the program was invoked:
/// it is filled in when the message is shown, and nothing else of the text is ever changed.
///
/// ```
/// use jobplate_diagnostic::{Message, ProgramName};
///
/// let hint = "run `" + ProgramName + " render a.yaml`";
/// assert_eq!(hint.with_program("kubectl jobplate"), "run `kubectl jobplate render a.yaml`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The parts between which the name of the program is.
    parts: Vec<String>,
}

impl Message {
    /// Returns the text for a program that the user calls by this name.
    pub fn with_program(&self, name: &str) -> String {
        self.parts.join(name)
    }

    /// Changes the text; the name of the program is no part of it.
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

    fn add(mut self, more: M) -> Message {
        let mut more = more.into().parts.into_iter();
        if let (Some(last), Some(first)) = (self.parts.last_mut(), more.next()) {
            last.push_str(&first);
        }
        self.parts.extend(more);
        self
    }
}

impl<M: Into<Message>> Add<M> for ProgramName {
    type Output = Message;

    fn add(self, more: M) -> Message {
        Message::from(self) + more
    }
}

impl Add<ProgramName> for &str {
    type Output = Message;

    fn add(self, program: ProgramName) -> Message {
        Message::from(self) + program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_is_filled_in() {
        let file = "jobplate render".to_owned();
        let message =
            ProgramName + " diff " + (Message::from(file) + ProgramName + " apply") + Message::from("; jobplate man");
        assert_eq!(message.with_program("P"), "P diff jobplate renderP apply; jobplate man");
        assert_eq!(Message::from("jobplate").with_program("P"), "jobplate");
    }
}
