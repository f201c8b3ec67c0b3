//! Reads `config.toml` like Prefect 1's TOML parser.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;
use toml::de::{DeTable, DeValue};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::timestamp::Timestamp;

/// The parser's messages that the error repeats. Another message can quote the file, which can contain secrets.
const REASONS: [&str; 15] = [
    "string values must be quoted",
    "duplicate key",
    "key with no value",
    "missing value for key",
    "missing assignment between key-value pairs",
    "missing comma between array elements",
    "unclosed array",
    "unclosed table",
    "unclosed inline table",
    "unexpected key or value",
    "unexpected content",
    "invalid unquoted key",
    "invalid value",
    "invalid basic string",
    "invalid literal string",
];

/// Returns the error for invalid TOML. `message` is the parser's message.
fn describe_error(message: &str) -> Error {
    let reason = REASONS.iter().find(|reason| message.starts_with(**reason));
    let text = reason.map_or("invalid TOML".to_owned(), |reason| format!("invalid TOML: {reason}"));
    Error::input(text).hint(match reason {
        Some(&"string values must be quoted") => "put the value in quotes: KEY = \"VALUE\"",
        _ => "see https://toml.io for the syntax",
    })
}

/// Parses a `config.toml`. Fails if it is invalid TOML, or if Prefect's TOML parser changes a multi-line string.
pub(super) fn parse_toml(source: &Rc<SourceFile>) -> Result<toml::Spanned<DeTable<'_>>> {
    let table = DeTable::parse(&source.text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let location = Location { source: Rc::clone(source), span };
        locate(describe_error(error.message()), Some(&location))
    })?;
    check_multiline_strings(table.get_ref().values(), source, false)?;
    Ok(table)
}

/// Fails if Prefect's TOML parser changes a multi-line string, or loses what follows it.
fn check_multiline_strings<'t>(
    values: impl Iterator<Item = &'t toml::Spanned<DeValue<'t>>>,
    source: &Rc<SourceFile>,
    is_in_list: bool,
) -> Result<()> {
    for value in values {
        if let Some(table) = value.get_ref().as_table() {
            check_multiline_strings(table.values(), source, is_in_list)?;
        } else if let Some(items) = value.get_ref().as_array() {
            check_multiline_strings(items.iter(), source, true)?;
        } else if is_misread(&source.text, value.span(), is_in_list) {
            let location = Location { source: Rc::clone(source), span: value.span() };
            let error = Error::refused("unsupported value: Prefect's TOML reader changes this multi-line string");
            let hint = "write it on one line in double quotes, with `\\n` for each line break";
            return Err(locate(error.hint(hint), Some(&location)));
        }
    }
    Ok(())
}

/// Returns whether toml 0.10.2, Prefect's TOML parser, can change the string at `span` or lose what follows it. The
/// parser searches for three closing quotes at the ends of lines, removes blank lines and spaces around the first line,
/// and takes quotes, backslashes and carriage returns for others. This function rejects all such strings in lists.
fn is_misread(text: &str, span: std::ops::Range<usize>, is_in_list: bool) -> bool {
    let (raw, after) = (&text[span.clone()], &text[span.end..]);
    let Some(quotes) = ["\"\"\"", "'''"].into_iter().find(|quotes| raw.starts_with(quotes)) else { return false };
    let Some(content) = raw[quotes.len()..].strip_suffix(quotes) else { return false };
    if is_in_list || content.contains(&quotes[..1]) {
        return true;
    }
    if !content.contains('\n') {
        return false;
    }
    let content = content.strip_prefix('\n').unwrap_or(content);
    let first = content.split('\n').next().unwrap_or_default();
    let is_changed = |line: &str| line.ends_with(['\\', '\r']) || line.ends_with("''") || line.ends_with("\"\"");
    !(after.is_empty() || after.starts_with('\n'))
        || first.is_empty()
        || first.ends_with(char::is_whitespace)
        || content.split('\n').any(is_changed)
}

/// Fails if a list has items of several types, because Prefect's TOML parser rejects such a list, or if a value is a time
/// without a date, which this module does not support. Accepts any list that begins with a table.
pub(super) fn check_values<'t>(
    values: impl Iterator<Item = &'t toml::Spanned<DeValue<'t>>>,
    source: &Rc<SourceFile>,
) -> Result<()> {
    for value in values {
        match value.get_ref() {
            DeValue::Table(table) => check_values(table.values(), source)?,
            DeValue::Array(items) => {
                if items.iter().next().is_some_and(|first| first.get_ref().is_table()) {
                    let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                    tables.into_iter().try_for_each(|table| check_values(table.values(), source))?;
                    continue;
                }
                let type_of = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().type_str();
                if let Some(mismatch) =
                    items.iter().find(|item| items.iter().next().map(type_of) != Some(type_of(item)))
                {
                    let location = Location { source: Rc::clone(source), span: mismatch.span() };
                    let error = Error::input("Prefect cannot start: a list of several types");
                    return Err(locate(
                        error.hint("use one type: Prefect's TOML reader does not accept others"),
                        Some(&location),
                    ));
                }
                check_values(items.iter(), source)?;
            }
            DeValue::Datetime(time) if time.date.is_none() => {
                let location = Location { source: Rc::clone(source), span: value.span() };
                let error = Error::refused("unsupported value: a time without a date").hint(UNSUPPORTED_HINT);
                return Err(locate(error, Some(&location)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Converts a value of a `config.toml` to a Python value.
pub(super) fn convert_toml(arena: &mut Arena, value: &toml::Spanned<DeValue<'_>>, source: &Rc<SourceFile>) -> ValueId {
    let location = Location { source: Rc::clone(source), span: value.span() };
    let data = match value.get_ref() {
        DeValue::String(text) => Value::Str(text.to_string()),
        DeValue::Integer(integer) => {
            Value::Int(BigInt::parse_bytes(integer.as_str().as_bytes(), integer.radix()).unwrap_or_default())
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(time) => match Timestamp::parse(&time.to_string()) {
            Some(time) => Value::Timestamp(time),
            None => Value::Unsupported("a time of day"),
        },
        DeValue::Array(items) => {
            // If the first item is a table, Prefect's parser drops the items that are not tables.
            let tables_only = items.iter().next().is_some_and(|first| first.get_ref().is_table());
            let items = items.iter().filter(|item| !tables_only || item.get_ref().is_table());
            Value::List(items.map(|item| convert_toml(arena, item, source)).collect())
        }
        DeValue::Table(table) => {
            let pair = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                (arena.alloc_str(key.get_ref().to_string()), convert_toml(arena, value, source))
            };
            let pairs: Vec<_> = table.iter().map(pair).collect();
            arena.new_dict(pairs)
        }
    };
    arena.alloc(data, Some(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_multiline_strings_that_prefect_misreads() {
        let is_accepted = |text: &str| parse_toml(&SourceFile::new_manifest("f", text)).is_ok();
        for text in [
            "A = '''a\n b  \n\n  c'''\nB = 1",
            "A = \"\"\"\n a\n b\n\"\"\"\nB = 1",
            "A = '''a''' # c\nB = 1",
            "A = '''a # [b] = c\nd\\e \"f'''",
            "A = {B = \"a\"} # c",
        ] {
            assert!(is_accepted(text), "{text}");
        }
        for text in [
            "A = '''a\nb''' # c\nB = 1",
            "A = \"\"\"a\nb\"\"\" \nB = 1",
            "A = '''a\r\nb'''\r\nB = 1",
            "A = '''\n\nb'''",
            "A = '''\na  \nb'''",
            "A = '''a\n'b'\n'''",
            "A = '''a\\\nb'''",
            "A = '''a\n\"\"\nb'''",
            "A = '''it's # x'''",
            "A = ['''a\nb''', 'c']",
        ] {
            assert!(!is_accepted(text), "{text}");
        }
    }
}
