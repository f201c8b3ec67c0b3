//! What was edited, as data: for programs, and for the tables and annotations of others.

use serde::Serialize;

/// One edit. Names only: no value is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edited {
    /// The input, as it was named; `-` is standard input.
    pub file: String,
    /// The document in it, from 1.
    pub document: usize,
    /// The line in it, from 1: where the entry stood, or the list that it was added to.
    pub line: usize,
    /// The kind of the object.
    pub kind: String,
    /// Its name; left out where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key of the ConfigMap's text that the object is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The container; left out for what is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What was edited.
    #[serde(flatten)]
    pub what: What,
    /// `added`, `replaced` or `removed`.
    pub action: &'static str,
}

/// What can be edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// An entry of `env`.
    Variable(String),
    /// An entry of `envFrom`: `secret/NAME`.
    Source(String),
    /// A field of the object: `metadata.name`.
    Field(String),
}

impl Edited {
    /// `Kind/name`, and the text that it is in.
    pub fn object(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let text = self.text.as_ref().map(|key| format!(" in {key}")).unwrap_or_default();
        format!("{}{name}{text}", self.kind)
    }

    /// The name of what was edited.
    pub fn item(&self) -> &str {
        let (What::Variable(name) | What::Source(name) | What::Field(name)) = &self.what;
        name
    }
}

/// The report for programs: `{"edits": [...]}`.
pub fn json(edits: &[Edited]) -> String {
    #[derive(Serialize)]
    struct Report<'e> {
        edits: &'e [Edited],
    }
    serde_json::to_string_pretty(&Report { edits }).unwrap_or_default() + "\n"
}
