//! Remarks of planning.

/// Remarks for the user, each once, in the order in which they came up.
#[derive(Clone, Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, note: String) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// Takes over another's remarks.
    pub fn extend(&mut self, other: Notes) {
        other.0.into_iter().for_each(|note| self.add(note));
    }

    /// The remarks.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
