//! The secrets in a `config.toml` of Prefect 1, as the variables that they would be: whatever a flow gets for one
//! from the file, it gets for the variable.
//!
//! Prefect reads the texts in the file as it does those in variables; numbers, booleans and lists it takes as they
//! are, and a table is a dict, into which a variable leads by a `__` in its name. Knows nothing of where the file is.
//! No error holds a value: what TOML's reader says about one is left out.

use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config::of_toml;
use super::secrets;
use crate::error::{Error, Result};
use crate::python::heap::{Data, Heap, Id, Text};

/// A secret of the file.
#[derive(Debug)]
pub struct Found {
    /// Its name; in tables, joined by `__`.
    pub name: String,
    /// The text as the file has it; none for what is no text there.
    pub own: Option<String>,
    /// The text that its variable must have.
    pub value: String,
    /// Where its name stands.
    pub span: Range<usize>,
}

/// The secrets of `[context.secrets]`, in the order of the file. An error has its place as a span.
pub fn secrets(source: &Rc<Text>) -> Result<Vec<Found>> {
    let root = DeTable::parse(&source.text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        Error::input("this is no TOML").at(start..start).hint("Prefect itself can't read the file; repair this line")
    })?;
    let mut found = Vec::new();
    let context = root.get_ref().get("context").map(|context| context.get_ref());
    let Some(DeValue::Table(context)) = context else { return Ok(found) };
    match context.get("secrets") {
        None => {}
        Some(secrets) => match secrets.get_ref() {
            DeValue::Table(table) => add(table, "", source, &mut found)?,
            _ => return Err(Error::input("`context.secrets` is no table").at(secrets.span())),
        },
    }
    Ok(found)
}

fn add(table: &DeTable<'_>, before: &str, source: &Rc<Text>, found: &mut Vec<Found>) -> Result<()> {
    for (key, value) in table {
        let own = key.get_ref();
        let refuse = |what: &str| Error::input(format!("{before}{own} {what}")).at(key.span());
        if own.contains(secrets::NESTS) {
            return Err(
                refuse("has a `__` in its name, which in a variable's leads into a dict").hint("rename the secret")
            );
        }
        let name = format!("{before}{own}");
        let (text, value) = match value.get_ref() {
            DeValue::Table(inner) => {
                add(inner, &format!("{name}{}", secrets::NESTS), source, found)?;
                continue;
            }
            DeValue::String(text) => (Some(text.to_string()), secrets::of_config(text)),
            _ => (None, literal(value, source).ok_or_else(|| refuse(NO_TEXT).hint("write it as a text, in quotes"))?),
        };
        found.push(Found { name, own: text, value, span: key.span() });
    }
    Ok(())
}

const NO_TEXT: &str = "holds a date, an infinity or a NaN, and no variable can be made to hold one";

/// A value as Python writes it; none for what has no literal there.
fn literal(value: &Spanned<DeValue<'_>>, source: &Rc<Text>) -> Option<String> {
    let mut heap = Heap::default();
    let value = of_toml(&mut heap, value, source);
    has_literal(&heap, value).then(|| secrets::literal(&heap, value))
}

fn has_literal(heap: &Heap, value: Id) -> bool {
    match heap.get(value) {
        Data::Float(float) => float.is_finite(),
        Data::List(items) => items.iter().all(|item| has_literal(heap, *item)),
        Data::Dict(pairs) => pairs.iter().all(|(_, value)| has_literal(heap, *value)),
        other => matches!(other, Data::Str(_) | Data::Int(_) | Data::Bool(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Rc<Text> {
        Rc::new(Text { name: String::new(), first_line: 1, text: text.to_owned() })
    }

    fn read(text: &str) -> Vec<(String, String)> {
        secrets(&source(text)).unwrap().into_iter().map(|found| (found.name, found.value)).collect()
    }

    #[test]
    fn secrets_are_variables() {
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
    fn refusals_have_their_place_and_no_value() {
        for (text, at, said) in [
            ("[context.secrets]\nA = canary", 22, "no TOML"),
            ("[context.secrets]\nA = \"canary", 29, "no TOML"),
            ("[context.secrets]\nA = 'canary'\nA = 'canary'", 31, "no TOML"),
            ("context.secrets = 'canary'", 18, "no table"),
            ("[context.secrets]\nA__B = 'canary'", 18, "A__B has a `__`"),
            ("[context.secrets]\nB.A = 2020-01-01", 20, "B__A holds a date"),
            ("[context.secrets]\nA = [1, nan]", 18, "A holds"),
            ("[context.secrets]\nA = -inf", 18, "A holds"),
        ] {
            let error = secrets(&source(text)).unwrap_err();
            assert!(error.message().contains(said) && !error.message().contains("canary"), "{text}: {error}");
            assert_eq!(error.span().unwrap().start, at, "{text}");
        }
    }
}
