//! Formats the variables of a previewed Job as a table.

use anstyle::AnsiColor;
use jobplate::diagnostic;
use jobplate_diagnostic::Diagnostic;
use jobplate_manifest::env::ENV_FROM_SOURCES;
use jobplate_manifest::sensitive::{MaskLevel, MaskPolicy};
use jobplate_prefect::pyvalue::arena::{Arena, ValueId};
use jobplate_prefect::pyvalue::serialize::json_key;
use jobplate_prefect::pyvalue::string;
use jobplate_prefect::value_description::ValueDescription;

/// The result of a preview.
pub(in crate::commands) struct PreviewOutput {
    pub(in crate::commands) job: ValueId,
    /// The table of the flow container's variables.
    pub(in crate::commands) variable_table: String,
    pub(in crate::commands) notes: Vec<Diagnostic>,
}

/// The maximum width of a table whose cells can be shortened, in characters.
const MAX_WIDTH: usize = 120;

/// The minimum width of a shortened literal, in characters.
const MIN_LITERAL_WIDTH: usize = 40;

/// The header of the table of variables.
const HEADER: [&str; 5] = ["#", "NAME", "VALUE", "FROM", "OVERRIDES"];

/// A row of the table of variables.
pub(in crate::commands) struct VariableRow {
    /// The position in `env`, or an empty string for a key of a Secret.
    pub(in crate::commands) position: String,
    pub(in crate::commands) name: String,
    pub(in crate::commands) value: String,
    /// Whether the value is a literal, which can be shortened.
    pub(in crate::commands) is_literal: bool,
    /// Where the value comes from.
    pub(in crate::commands) source: String,
    /// The values that it overrides.
    pub(in crate::commands) overridden: String,
}

/// Returns the description of a variable's value. Masks sensitive parts of a literal, all of a literal that overrides one
/// of the `overridden` values that is a reference, and a value that is not a string.
pub(in crate::commands) fn describe_value<'a>(
    arena: &Arena,
    name: &str,
    value: &ValueDescription<'_>,
    overridden: impl IntoIterator<Item = ValueDescription<'a>>,
    policy: &MaskPolicy,
) -> String {
    let is_reference = |value: ValueDescription<'_>| matches!(value, ValueDescription::Reference(_));
    match value {
        ValueDescription::Literal(_) if policy.level != MaskLevel::None && overridden.into_iter().any(is_reference) => {
            "***".to_owned()
        }
        ValueDescription::Literal(text) => diagnostic::mask_value(name, text, policy),
        ValueDescription::Empty => "(empty)".to_owned(),
        ValueDescription::NotString(value) => {
            let kind = arena.describe_kind(*value);
            match policy.level {
                MaskLevel::Secrets | MaskLevel::All => format!("*** ({kind})"),
                // A cell has no space for a list or mapping.
                MaskLevel::None if arena.is_collection(*value) => format!("({kind})"),
                MaskLevel::None => {
                    let text = json_key(arena, *value).unwrap_or_else(|| string::str(arena, *value));
                    format!("{text} ({kind})")
                }
            }
        }
        ValueDescription::Reference(to) => to.clone(),
        ValueDescription::ResolvedReference(from) => format!("*** (plain text of {from})"),
    }
}

/// Shortens cells until the table is not wider than [`MAX_WIDTH`], as far as that is possible without cutting names and
/// sources: removes directories, then shortens literals.
fn fit_rows(rows: &mut [VariableRow]) {
    let width_of = |rows: &[VariableRow], cell: fn(&VariableRow) -> &str, header: usize| {
        let widths = rows.iter().map(|row| cell(row).chars().count());
        widths.max().unwrap_or_default().max(HEADER[header].len())
    };
    let excess = |rows: &[VariableRow]| {
        let mark = if rows.iter().any(|row| !row.overridden.is_empty()) { 2 } else { 0 };
        let positions = rows.len().to_string().len() + mark;
        let width = width_of(rows, |row| &row.name, 1)
            + width_of(rows, |row| &row.value, 2)
            + width_of(rows, |row| &row.source, 3)
            + width_of(rows, |row| &row.overridden, 4);
        (positions + width + 2 * (HEADER.len() - 1)).saturating_sub(MAX_WIDTH)
    };
    if excess(rows) > 0 {
        for row in rows.iter_mut() {
            row.source = remove_directories(&row.source);
            row.overridden = remove_directories(&row.overridden);
        }
    }
    let too_wide = excess(rows);
    if too_wide > 0 {
        let width = width_of(rows, |row| &row.value, 2).saturating_sub(too_wide).max(MIN_LITERAL_WIDTH);
        rows.iter_mut().filter(|row| row.is_literal).for_each(|row| shorten(&mut row.value, width));
    }
}

/// Removes the directories of the locations `PATH:LINE`. Keeps other words, such as the key of an annotation.
fn remove_directories(text: &str) -> String {
    let is_location = |word: &str| {
        let line = word.trim_end_matches(';').rsplit_once(':').map(|(_, line)| line);
        line.is_some_and(|line| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let shorten = |word| if is_location(word) { word.rsplit('/').next().unwrap_or(word) } else { word };
    text.split(' ').map(shorten).collect::<Vec<_>>().join(" ")
}

/// Shortens a cell to a number of characters.
fn shorten(cell: &mut String, width: usize) {
    if cell.chars().count() > width {
        *cell = format!("{}...", cell.chars().take(width.saturating_sub(3)).collect::<String>());
    }
}

/// Formats the rows of variables as a table, followed by a line per `envFrom` source. `redact` redacts the source's
/// name. Rows that override a value are marked with `!`, and coloured where colour is on.
pub(in crate::commands) fn format_variable_table(
    arena: &Arena,
    container: Option<ValueId>,
    mut rows: Vec<VariableRow>,
    redact: &dyn Fn(&str) -> String,
) -> String {
    fit_rows(&mut rows);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mark = if row.overridden.is_empty() { "" } else { " !" };
            let position = format!("{}{mark}", row.position);
            let VariableRow { name, value, source, overridden, .. } = row;
            vec![position, name.clone(), value.clone(), source.clone(), overridden.clone()]
        })
        .collect();
    let table = diagnostic::format_table(&HEADER, &cells);
    let style = AnsiColor::Yellow.on_default();
    let mut out = String::new();
    for (index, line) in table.lines().enumerate() {
        let is_marked = index > 0 && rows.get(index - 1).is_some_and(|row| !row.overridden.is_empty());
        out += &if is_marked { format!("{style}{line}{style:#}\n") } else { format!("{line}\n") };
    }
    let sources = container.and_then(|container| arena.dict_get(container, "envFrom"));
    for source in sources.map(|sources| arena.list_items(sources)).unwrap_or_default() {
        for (kind, word) in ENV_FROM_SOURCES {
            let Some(reference) = arena.dict_get(*source, kind) else { continue };
            let name = redact(arena.dict_get(reference, "name").and_then(|name| arena.as_str(name)).unwrap_or("?"));
            let prefix = arena.dict_get(*source, "prefix").and_then(|prefix| arena.as_str(prefix)).unwrap_or_default();
            let place = arena.location(*source).map_or(String::new(), |place| format!(" ({place})"));
            let prefix = if prefix.is_empty() { String::new() } else { format!(", with the prefix {prefix}") };
            let line =
                format!("and every key of {word} {name}{prefix}{place}, unless a variable above has the same name");
            out.push_str(&diagnostic::escape_name(&line));
            out.push('\n');
        }
    }
    out
}
