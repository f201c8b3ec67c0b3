//! Decides how the variables of a previewed Job are shown: a table, in which values are masked.

use jobplate::diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_prefect::note::Note;
use jobplate_prefect::pyvalue::arena::{Arena, ValueId};
use jobplate_prefect::value_description::ValueDescription;

/// What is shown of a preview.
pub(super) struct Shows {
    pub(super) job: ValueId,
    /// The table of variables.
    pub(super) table: String,
    pub(super) notes: Vec<Note>,
}

/// Returns what is shown of a value.
pub(super) fn value_in_words(shown: &ValueDescription) -> String {
    match shown {
        ValueDescription::Literal => "***".to_owned(),
        ValueDescription::Empty => "(empty)".to_owned(),
        ValueDescription::NotText(kind) => format!("*** ({kind})"),
        ValueDescription::Reference(to) => to.clone(),
        ValueDescription::ResolvedReference(from) => format!("*** (plain text of {from})"),
    }
}

/// A table of variables, and a line for each source that gives many, by the name that `shown` makes of its own.
pub(super) fn table(
    arena: &Arena,
    container: Option<ValueId>,
    rows: &[Vec<String>],
    shown: &dyn Fn(&str) -> String,
) -> String {
    let mut out = diagnostic::format_table(&["#", "NAME", "VALUE", "FROM", "HIDES"], rows);
    let sources = container.and_then(|container| arena.dict_get(container, "envFrom"));
    for source in sources.map(|sources| arena.list_items(sources)).unwrap_or_default() {
        for (kind, word) in ENV_FROM_SOURCES {
            let Some(of) = arena.dict_get(*source, kind) else { continue };
            let name = shown(arena.dict_get(of, "name").and_then(|name| arena.as_str(name)).unwrap_or("?"));
            let prefix = arena.dict_get(*source, "prefix").and_then(|prefix| arena.as_str(prefix)).unwrap_or_default();
            let place = arena.location(*source).map_or(String::new(), |place| format!(" ({place})"));
            let behind = if prefix.is_empty() { String::new() } else { format!(", behind {prefix}") };
            let line = format!("and every key of {word} {name}{behind}{place}, where no variable above has its name");
            out.push_str(&diagnostic::escape_name(&line));
            out.push('\n');
        }
    }
    out
}
