//! Converts the secrets in a `config.toml` of Prefect 1 to variables from which a flow reads the same values.
//!
//! Prefect casts strings in the file like values of variables, but keeps numbers, booleans and lists. It reads a
//! table as a dict. In the name of a variable, `__` separates the dict's name from the key. Errors contain no values.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config_toml::{convert_toml, parse_toml};
use super::secrets;
use crate::pyvalue::arena::{Arena, Value, ValueId};
use crate::pyvalue::limits::Budget;
use crate::pyvalue::source::{Location, SourceFile, locate};

/// A secret of a `config.toml`.
#[derive(Debug)]
pub struct ConfigSecret {
    /// The name of the secret. For a key in a table, the name consists of the table's name and the key, joined by `__`.
    pub name: String,
    /// The value in the file. `None` if the value is not a string.
    pub own: Option<String>,
    /// The value of the variable from which a flow reads the secret's value.
    pub value: String,
    /// The location of the key.
    pub location: Location,
}

/// Reads the secrets of `[context.secrets]`, in document order.
///
/// # Errors
/// Fails if the TOML is invalid, or if a secret has a name or a value that a variable cannot have.
pub fn read_secrets(source: &Rc<SourceFile>) -> Result<Vec<ConfigSecret>> {
    let root = parse_toml(source)?;
    let mut found = Vec::new();
    let Some(DeValue::Table(context)) = root.get_ref().get("context").map(Spanned::get_ref) else { return Ok(found) };
    match context.get("secrets").map(|secrets| (secrets.get_ref(), secrets.span())) {
        None => {}
        Some((DeValue::Table(table), _)) => add_secrets(table, "", source, &mut Budget::default(), &mut found)?,
        Some((_, span)) => {
            let location = Location { source: Rc::clone(source), span };
            return Err(locate(Error::input("`context.secrets` must be a table"), Some(&location)));
        }
    }
    Ok(found)
}

/// Adds the secrets of a table and its nested tables to `found`. `prefix` is the prefix of their names.
fn add_secrets(
    table: &DeTable<'_>,
    prefix: &str,
    source: &Rc<SourceFile>,
    budget: &mut Budget,
    found: &mut Vec<ConfigSecret>,
) -> Result<()> {
    for (key, value) in table {
        let own = key.get_ref();
        let name = format!("{prefix}{own}");
        let location = Location { source: Rc::clone(source), span: key.span() };
        let paid = budget.spend_bytes(prefix.len(), "a name in `context.secrets`");
        paid.map_err(|error| locate(error, Some(&location)))?;
        let refuse =
            |problem: &str, hint: &str| locate(Error::input(format!("`{name}` {problem}")).hint(hint), Some(&location));
        if own.contains(secrets::DICT_SEPARATOR) {
            return Err(refuse("contains `__`, and Prefect reads such a name as a nested dict", "rename the secret"));
        }
        let (own, value) = match value.get_ref() {
            DeValue::Table(inner) => {
                add_secrets(inner, &format!("{name}{}", secrets::DICT_SEPARATOR), source, budget, found)?;
                continue;
            }
            DeValue::String(text) => {
                let value = secrets::from_config(text).map_err(|error| locate(error, Some(&location)))?;
                (Some(text.to_string()), value)
            }
            _ => (None, literal(value, source).ok_or_else(|| refuse(NO_LITERAL, "put it in quotes"))?),
        };
        found.push(ConfigSecret { name, own, value, location });
    }
    Ok(())
}

const NO_LITERAL: &str = "contains a date, an infinity or a NaN, which a variable cannot represent";

/// Returns the Python literal of a value, or `None` if it has no literal.
fn literal(value: &Spanned<DeValue<'_>>, source: &Rc<SourceFile>) -> Option<String> {
    let mut arena = Arena::default();
    let value = convert_toml(&mut arena, value, source);
    is_expressible_as_literal(&arena, value).then(|| secrets::to_literal(&arena, value))
}

fn is_expressible_as_literal(arena: &Arena, value: ValueId) -> bool {
    match arena.get(value) {
        Value::Float(float) => float.is_finite(),
        Value::List(items) => items.iter().all(|item| is_expressible_as_literal(arena, *item)),
        Value::Dict(pairs) => pairs.iter().all(|(_, value)| is_expressible_as_literal(arena, *value)),
        other => matches!(other, Value::Str(_) | Value::Int(_) | Value::Bool(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Rc<SourceFile> {
        SourceFile::new_redacted("c.toml", text)
    }

    fn read(text: &str) -> Vec<(String, String)> {
        read_secrets(&source(text)).unwrap().into_iter().map(|found| (found.name, found.value)).collect()
    }

    #[test]
    fn converts_secrets_to_variables() {
        let text = r#"
            [cloud]
            x = 1
            [context.secrets]
            Z = "ghp"
            NUMBER = 0x1_F
            FLOAT = 1.5
            YES = true
            PIN = "42"
            QUOTED = "'42'"
            LIST = ["42", "$HOME", 'a"b', [true, {a = 1}]]
            inl = {A = "1", b.c = "2"}
            EMPTY = {}
            [context.secrets.AWS]
            ACCESS_KEY = "x"
        "#;
        let expected = [
            ("Z", "ghp"),
            ("NUMBER", "31"),
            ("FLOAT", "1.5"),
            ("YES", "True"),
            ("PIN", "42"),
            ("QUOTED", "\"'42'\""),
            ("LIST", "['42', '\\x24HOME', 'a\"b', [True, {'a': 1}]]"),
            ("inl__A", "1"),
            ("inl__b__c", "2"),
            ("AWS__ACCESS_KEY", "x"),
        ];
        assert_eq!(read(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for nothing in ["", "[context]\n", "context = 1", "[context.secrets]", "[Context.Secrets]\nA = 1"] {
            assert_eq!(read(nothing), []);
        }
    }

    #[test]
    fn errors_have_a_location_and_no_value() {
        let keys: String = (0..200).map(|at| format!("k{at} = 1\n")).collect();
        for (text, expected) in [
            ("[context.secrets]\nA = canary", "c.toml:2:5: invalid TOML: string values must be quoted"),
            ("[context.secrets]\nA = 'canary'\nA = 'canary'", "c.toml:3:1: invalid TOML: duplicate key"),
            ("context.secrets = 'canary'", "c.toml:1:19: `context.secrets` must be a table"),
            ("[context.secrets]\nA__B = 'canary'", "c.toml:2:1: `A__B` contains `__`"),
            ("[context.secrets]\nB.A = 2020-01-01", "c.toml:2:3: `B__A` contains a date"),
            ("[context.secrets]\nA = [1, nan]", "c.toml:2:1: `A` contains a date, an infinity or a NaN"),
            ("[context.secrets]\nA = -inf", "c.toml:2:1: `A` contains"),
            (
                &format!("[context.secrets.{}]\n{keys}", "A".repeat(50_000)),
                "c.toml:169:1: a name in `context.secrets` exceeds the limit of 8 MiB of text",
            ),
        ] {
            let error = read_secrets(&source(text)).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains("canary"), "{text}: {error}");
        }
    }
}
