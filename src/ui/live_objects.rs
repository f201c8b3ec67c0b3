//! Prints the live objects of `apply --show-live`.

use clap::ValueEnum;
use jobplate::diagnostic::mask_object;
use jobplate_manifest::sensitive::MaskPolicy;
use serde_json::{Value, json};

/// The values of `--show-live`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LiveFormat {
    /// A YAML stream, with a document for each object.
    Yaml,
    /// A List in JSON.
    Json,
}

/// Formats live objects for standard output.
pub(crate) struct LiveObjectFormatter {
    format: LiveFormat,
    /// The objects of the List.
    items: Vec<Value>,
}

impl LiveObjectFormatter {
    /// Creates a formatter without objects.
    pub(crate) fn new(format: LiveFormat) -> Self {
        LiveObjectFormatter { format, items: Vec::new() }
    }

    /// Adds an object, and masks its sensitive values. Returns the text to print now.
    pub(crate) fn add(&mut self, object: &Value, policy: &MaskPolicy) -> String {
        let masked = mask_object(object, policy);
        match self.format {
            LiveFormat::Yaml => format!("---\n{}", serde_yaml::to_string(&masked).unwrap_or_default()),
            LiveFormat::Json => {
                self.items.push(masked);
                String::new()
            }
        }
    }

    /// Returns the text to print after the last object.
    pub(crate) fn finish(self) -> String {
        match self.format {
            LiveFormat::Yaml => String::new(),
            LiveFormat::Json => {
                let list = json!({"apiVersion": "v1", "kind": "List", "items": self.items});
                serde_json::to_string_pretty(&list).unwrap_or_default() + "\n"
            }
        }
    }
}
