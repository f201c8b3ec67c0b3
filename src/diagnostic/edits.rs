//! What was edited, as data: for programs, and for the tables and annotations of others.

use serde::Serialize;

/// One edit. Names only: no value is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EditRecord {
    /// The input, as it was named; `-` is standard input.
    pub file: String,
    /// The document in it, from 1.
    pub document: usize,
    /// The line in it, from 1: where the entry stood, or the list that it was added to.
    pub line: usize,
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The ConfigMap that the object is a text in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<ConfigMapKeyRef>,
    /// The container, by name or place (`containers[0]`); left out for what is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What was edited.
    #[serde(flatten)]
    pub what: EditedItem,
    /// `added`, `replaced` or `removed`.
    pub action: &'static str,
}

/// An object, by its names before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: String,
    /// Its name; left out where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its namespace; left out where it says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A text of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigMapKeyRef {
    /// The ConfigMap.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The key of the text.
    pub key: String,
}

impl ObjectRef {
    /// `Kind/name`
    pub fn display(&self) -> String {
        self.name.as_ref().map_or_else(|| self.kind.clone(), |name| format!("{}/{name}", self.kind))
    }
}

/// What can be edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EditedItem {
    /// An entry of `env`.
    Variable(String),
    /// An entry of `envFrom`: `secret/NAME`.
    Source(String),
    /// A field of the object: `metadata.name`, `template.metadata.annotations[KEY]`.
    Field(String),
}

impl EditRecord {
    /// `Kind/name`, and the text that it is in.
    pub fn place(&self) -> String {
        let within = |ConfigMapKeyRef { object, key }: &ConfigMapKeyRef| format!(" in {}:{key}", object.display());
        self.object.display() + &self.within.as_ref().map(within).unwrap_or_default()
    }

    /// The name of what was edited.
    pub fn item(&self) -> &str {
        let (EditedItem::Variable(name) | EditedItem::Source(name) | EditedItem::Field(name)) = &self.what;
        name
    }
}

/// What edits are told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditStatus {
    /// They are made.
    Applied,
    /// They are only shown.
    Previewed,
    /// They should have been made before.
    Missing,
}

/// The report for programs: `{"edits": [...]}`.
pub fn to_json(edits: &[EditRecord]) -> String {
    #[derive(Serialize)]
    struct Report<'e> {
        edits: &'e [EditRecord],
    }
    serde_json::to_string_pretty(&Report { edits }).unwrap_or_default() + "\n"
}
