//! Decides how the variables of a previewed Job are shown: a table, in which values are masked.

use jobplate::diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_prefect::note::Note;
use jobplate_prefect::pyvalue::heap::{Heap, Id};
use jobplate_prefect::value_description::ValueDescription;

/// What is shown of a preview.
pub(super) struct Shows {
    pub(super) job: Id,
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
    heap: &Heap,
    container: Option<Id>,
    rows: &[Vec<String>],
    shown: &dyn Fn(&str) -> String,
) -> String {
    let mut out = diagnostic::format_table(&["#", "NAME", "VALUE", "FROM", "HIDES"], rows);
    let sources = container.and_then(|container| heap.item(container, "envFrom"));
    for source in sources.map(|sources| heap.items(sources)).unwrap_or_default() {
        for (kind, word) in ENV_FROM_SOURCES {
            let Some(of) = heap.item(*source, kind) else { continue };
            let name = shown(heap.item(of, "name").and_then(|name| heap.str(name)).unwrap_or("?"));
            let prefix = heap.item(*source, "prefix").and_then(|prefix| heap.str(prefix)).unwrap_or_default();
            let place = heap.place(*source).map_or(String::new(), |place| format!(" ({place})"));
            let behind = if prefix.is_empty() { String::new() } else { format!(", behind {prefix}") };
            let line = format!("and every key of {word} {name}{behind}{place}, where no variable above has its name");
            out.push_str(&diagnostic::escape_name(&line));
            out.push('\n');
        }
    }
    out
}
