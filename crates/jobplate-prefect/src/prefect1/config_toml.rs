//! Reads `config.toml` like Prefect 1's TOML parser.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use num_bigint::BigInt;
use toml::de::{DeTable, DeValue};

use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::limits::UNSUPPORTED_HINT;
use crate::pyvalue::source::{Location, SourceFile, locate};
use crate::pyvalue::timestamp::Timestamp;

/// Parses a `config.toml`. Fails if it is invalid TOML.
pub(super) fn parse_toml(source: &Rc<SourceFile>) -> Result<toml::Spanned<DeTable<'_>>> {
    DeTable::parse(&source.text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let location = Location { source: Rc::clone(source), span };
        // The parser's message can quote the file, which can contain secrets, so the error omits the message.
        locate(Error::input("this is no TOML").hint("see https://toml.io for its grammar"), Some(&location))
    })
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
                    let error = Error::input("Prefect can't start: a list of several types");
                    return Err(locate(error.hint("Prefect's TOML reader takes lists of one type"), Some(&location)));
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
