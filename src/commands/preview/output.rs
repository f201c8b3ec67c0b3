//! Formats the variables of a previewed Job as a table with masked values.

use jobplate::diagnostic;
use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_prefect::pyvalue::arena::{Arena, ValueId};
use jobplate_prefect::value_description::ValueDescription;

/// The result of a preview.
pub(super) struct PreviewOutput {
    pub(super) job: ValueId,
    /// The table of the flow container's variables.
    pub(super) variable_table: String,
    pub(super) notes: Vec<Diagnostic>,
}

/// Returns the masked description of a value.
pub(super) fn describe_value(value: &ValueDescription) -> String {
    match value {
        ValueDescription::Literal(_) => "***".to_owned(),
        ValueDescription::Empty => "(empty)".to_owned(),
        ValueDescription::NotString(kind) => format!("*** ({kind})"),
        ValueDescription::Reference(to) => to.clone(),
        ValueDescription::ResolvedReference(from) => format!("*** (plain text of {from})"),
    }
}

/// Formats the rows of variables as a table, followed by a line per `envFrom` source. `redact` redacts the source's
/// name.
pub(super) fn format_variable_table(
    arena: &Arena,
    container: Option<ValueId>,
    rows: &[Vec<String>],
    redact: &dyn Fn(&str) -> String,
) -> String {
    let mut out = diagnostic::format_table(&["#", "NAME", "VALUE", "FROM", "HIDES"], rows);
    let sources = container.and_then(|container| arena.dict_get(container, "envFrom"));
    for source in sources.map(|sources| arena.list_items(sources)).unwrap_or_default() {
        for (kind, word) in ENV_FROM_SOURCES {
            let Some(reference) = arena.dict_get(*source, kind) else { continue };
            let name = redact(arena.dict_get(reference, "name").and_then(|name| arena.as_str(name)).unwrap_or("?"));
            let prefix = arena.dict_get(*source, "prefix").and_then(|prefix| arena.as_str(prefix)).unwrap_or_default();
            let place = arena.location(*source).map_or(String::new(), |place| format!(" ({place})"));
            let prefix = if prefix.is_empty() { String::new() } else { format!(", behind {prefix}") };
            let line = format!("and every key of {word} {name}{prefix}{place}, where no variable above has its name");
            out.push_str(&diagnostic::escape_name(&line));
            out.push('\n');
        }
    }
    out
}
