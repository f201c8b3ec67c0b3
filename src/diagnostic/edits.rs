//! The edits of a run as data: for the JSON report, the step summary and annotations.

use serde::Serialize;

use super::json::JsonDiagnostic;

/// One edit. Contains names only, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedEdit {
    /// The path of the input, as given by the user. `-` is standard input.
    pub file: String,
    /// The 1-based index of the document in the file.
    pub document: usize,
    /// The 1-based line, in the file, of the entry before the edit, or of the list to which an entry was added.
    pub line: usize,
    /// The edited object, with its names before the edit.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The ConfigMap and key that contain the object as an embedded document, or `None` if the object is not embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<StringPlace>,
    /// The container's name, or its index if it has no name: `containers[0]`. `None` for an edit outside of containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The edited entry or field.
    #[serde(flatten)]
    pub item: EditedItem,
    /// `added`, `replaced` or `removed`.
    pub action: &'static str,
}

/// A reference to an object, like Kubernetes' `ObjectReference`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectRef {
    /// `kind`.
    pub kind: String,
    /// `metadata.name`, if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `metadata.namespace`, if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The place of a string with an embedded document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StringPlace {
    /// The object that contains the string.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The key in the `data` of a ConfigMap, or the path of the string in values.
    pub key: String,
}

impl ObjectRef {
    /// Returns `Kind/name`, or `Kind` if the object has no name.
    pub fn display(&self) -> String {
        self.name.as_ref().map_or_else(|| self.kind.clone(), |name| format!("{}/{name}", self.kind))
    }
}

/// The entry or field that an edit changed.
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

impl ReportedEdit {
    /// Returns `Kind/name`, followed by the ConfigMap and key if the object is embedded in one.
    pub fn object_path(&self) -> String {
        let format_key = |StringPlace { object, key }: &StringPlace| format!(" in {}:{key}", object.display());
        self.object.display() + &self.within.as_ref().map(format_key).unwrap_or_default()
    }

    /// Returns the name of the edited entry or field.
    pub fn item_name(&self) -> &str {
        let (EditedItem::Variable(name) | EditedItem::Source(name) | EditedItem::Field(name)) = &self.item;
        name
    }
}

/// The status of a run's edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditStatus {
    /// The edits were applied: printed, written or sent to the cluster.
    Applied,
    /// The edits were only shown: by a diff or a dry run.
    Previewed,
    /// The edits are missing in the files: `--check` found them.
    Missing,
}

/// A target that needs no edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportedTarget<'e> {
    /// The path of the input, as given by the user. `-` is standard input.
    pub file: &'e str,
    /// The 1-based index of the document in the file.
    pub document: usize,
    /// The 1-based line of the object in the file.
    pub line: usize,
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
}

/// The JSON report of a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport<'e> {
    /// The edits.
    pub edits: &'e [ReportedEdit],
    /// The targets that need no edits.
    pub unchanged: Vec<ReportedTarget<'e>>,
    /// The inputs without a target.
    pub files_without_target: Vec<String>,
    /// The errors, warnings and notes.
    pub diagnostics: Vec<JsonDiagnostic>,
}

impl RunReport<'_> {
    /// Returns the report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
