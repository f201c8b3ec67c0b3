//! Evaluates Python literals like `ast.literal_eval`.
//!
//! Prefect 1 evaluates every setting like this, including secrets: `42` is a number, `"x"` loses its quotes, `1,2` is
//! a tuple. No crate on crates.io has exactly Python's grammar of literals: ruff's parser is not published there.
//!
//! | file | decides |
//! |---|---|
//! | `strings` | which value quoted strings have |
//! | `numbers` | which value a number has |

// Over 400 lines: a third of the file is test tables.

mod numbers;
pub(super) mod strings;

use std::collections::HashSet;

use jobplate_diagnostic::{Error, Result};

use self::numbers::{number_end, parse_number};
use self::strings::{parse_string, starts_string};
use super::arena::{Arena, Value, ValueId};
use super::source::{Location, locate};

/// Python's maximum depth of nested brackets.
const MAX_DEPTH: usize = 200;

/// Evaluates a literal. All its values have the location `location`. Returns `None` if `text` is not a literal.
///
/// # Errors
/// Fails if the values of the literal exceed the arena's budget.
pub(crate) fn eval(arena: &mut Arena, text: &str, location: Option<&Location>) -> Result<Option<ValueId>> {
    let mut parser = LiteralParser {
        rest: text.trim_start_matches([' ', '\t']),
        source: text,
        depth: 0,
        arena,
        location: location.cloned(),
        excess: None,
    };
    let value = parser.parse();
    match parser.excess {
        Some(error) => Err(locate(error, location)),
        None => Ok(value),
    }
}

/// A parser for one literal.
struct LiteralParser<'h, 't> {
    /// The text after the current position.
    rest: &'t str,
    source: &'t str,
    /// The number of open brackets.
    depth: usize,
    arena: &'h mut Arena,
    location: Option<Location>,
    /// The error if the values exceed the budget.
    excess: Option<Error>,
}

impl LiteralParser<'_, '_> {
    /// Parses the whole text.
    fn parse(&mut self) -> Option<ValueId> {
        self.skip_lines()?;
        let value = self.parse_tuple_or_value()?;
        self.skip_whitespace();
        let rest = self.rest;
        // Only comments and blank lines may follow.
        let is_blank = |line: &str| {
            let line = line.trim_start_matches([' ', '\t', '\u{c}', '\r']);
            line.is_empty() || line.starts_with('#')
        };
        // To Python, a last line that contains only spaces or tabs is an unexpected indent.
        let last = rest.rsplit_once('\n').map_or("", |(_, last)| last);
        let is_indented = !last.is_empty() && last.trim_matches([' ', '\t']).is_empty();
        (rest.lines().all(is_blank) && !is_indented && !self.source.contains('\0')).then_some(value)
    }

    /// Adds a value to the arena. Returns `None` if it exceeds the budget.
    fn alloc(&mut self, data: Value) -> Option<ValueId> {
        match self.arena.budget.spend_values(1, "the literal") {
            Ok(()) => Some(self.arena.alloc(data, self.location.clone())),
            Err(error) => {
                self.excess = Some(error);
                None
            }
        }
    }

    /// Skips blank lines and comments before the literal. Returns `None` if the text ends with a comment, or if the
    /// literal is indented after the skipped lines.
    fn skip_lines(&mut self) -> Option<()> {
        loop {
            let line = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            let after = if line.starts_with('#') { line.find('\n').map(|end| &line[end..])? } else { line };
            let after = after.strip_prefix('\r').unwrap_or(after);
            let Some(next) = after.strip_prefix('\n') else { break };
            self.rest = next;
        }
        (self.rest.len() == self.source.trim_start_matches([' ', '\t']).len() || !self.rest.starts_with([' ', '\t']))
            .then_some(())
    }

    /// Skips spaces, tabs, form feeds and line continuations, and inside brackets also line breaks and comments.
    fn skip_whitespace(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            let joined = self.rest.strip_prefix("\\\n").or_else(|| self.rest.strip_prefix("\\\r\n"));
            // A backslash at the end of the text does not continue the line.
            if let Some(after) = joined.filter(|after| !after.is_empty()) {
                self.rest = after;
            }
            if self.depth > 0 {
                self.rest = self.rest.trim_start_matches(['\n', '\r']);
                if self.rest.starts_with('#') {
                    self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
                }
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    fn consume(&mut self, token: &str) -> bool {
        self.skip_whitespace();
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Parses a value, or a tuple without parentheses.
    fn parse_tuple_or_value(&mut self) -> Option<ValueId> {
        let first = self.parse_value()?;
        if !self.consume(",") {
            return Some(first);
        }
        let mut items = vec![first];
        loop {
            self.skip_whitespace();
            if self.rest.is_empty() || self.rest.starts_with(['\n', '\r', '#']) {
                break;
            }
            items.push(self.parse_value()?);
            if !self.consume(",") {
                break;
            }
        }
        self.alloc(Value::Tuple(items))
    }

    /// Parses a value, or the sum or difference of a real and an imaginary number.
    fn parse_value(&mut self) -> Option<ValueId> {
        let left = self.parse_signed()?;
        self.skip_whitespace();
        if !self.rest.starts_with(['+', '-']) {
            return Some(left);
        }
        let sign = if self.rest.starts_with('-') { -1.0 } else { 1.0 };
        self.rest = &self.rest[1..];
        let right = self.parse_atom()?;
        let real = match self.arena.get(left) {
            Value::Int(integer) => integer.to_string().parse().ok()?,
            Value::Float(float) => *float,
            _ => return None,
        };
        match *self.arena.get(right) {
            Value::Complex(added_real, imaginary) => {
                self.alloc(Value::Complex(real + sign * added_real, sign * imaginary))
            }
            _ => None,
        }
    }

    fn parse_signed(&mut self) -> Option<ValueId> {
        self.skip_whitespace();
        let is_negative = self.rest.starts_with('-');
        if !is_negative && !self.rest.starts_with('+') {
            return self.parse_atom();
        }
        self.rest = &self.rest[1..];
        let operand = self.parse_atom()?;
        let data = match (self.arena.get(operand).clone(), is_negative) {
            (Value::Int(integer), true) => Value::Int(-integer),
            (Value::Float(float), true) => Value::Float(-float),
            (Value::Complex(real, imaginary), true) => Value::Complex(-real, -imaginary),
            (data @ (Value::Int(_) | Value::Float(_) | Value::Complex(..)), _) => data,
            _ => return None,
        };
        self.alloc(data)
    }

    fn parse_atom(&mut self) -> Option<ValueId> {
        self.skip_whitespace();
        let first = self.rest.chars().next()?;
        match first {
            '(' => self.parse_tuple(),
            '[' => {
                let items = self.parse_items(']')?;
                self.alloc(Value::List(items))
            }
            '{' => self.parse_braces(),
            '0'..='9' => self.parse_number(),
            '.' if !self.rest.starts_with("...") => self.parse_number(),
            '\'' | '"' => self.parse_strings(),
            _ => self.parse_keyword(),
        }
    }

    fn open(&mut self) -> Option<()> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn close(&mut self, token: char) -> Option<()> {
        let closed = self.consume(token.encode_utf8(&mut [0; 4]));
        self.depth -= 1;
        closed.then_some(())
    }

    fn is_at(&mut self, token: char) -> bool {
        self.skip_whitespace();
        self.rest.starts_with(token)
    }

    fn parse_items(&mut self, token: char) -> Option<Vec<ValueId>> {
        self.open()?;
        let mut items = Vec::new();
        while !self.is_at(token) {
            items.push(self.parse_value()?);
            if !self.consume(",") {
                break;
            }
        }
        self.close(token)?;
        Some(items)
    }

    /// Parses a tuple, or one value in parentheses.
    fn parse_tuple(&mut self) -> Option<ValueId> {
        self.open()?;
        let mut items = Vec::new();
        let mut has_comma = false;
        while !self.is_at(')') {
            items.push(self.parse_value()?);
            has_comma = self.consume(",");
            if !has_comma {
                break;
            }
        }
        self.close(')')?;
        match items.as_slice() {
            [only] if !has_comma => Some(*only),
            _ => self.alloc(Value::Tuple(items)),
        }
    }

    fn parse_braces(&mut self) -> Option<ValueId> {
        self.open()?;
        if self.is_at('}') {
            self.close('}')?;
            return self.alloc(Value::empty_dict());
        }
        let first = self.parse_value()?;
        let is_dict = self.consume(":");
        let mut keys = Vec::new();
        let dict = self.alloc(Value::empty_dict())?;
        let mut key = first;
        loop {
            if !self.arena.is_hashable(key) {
                return None;
            }
            if is_dict {
                let value = self.parse_value()?;
                self.arena.dict_set(dict, key, value);
            } else {
                keys.push(key);
            }
            if !self.consume(",") || self.is_at('}') {
                break;
            }
            key = self.parse_value()?;
            if is_dict && !self.consume(":") {
                return None;
            }
        }
        self.close('}')?;
        if is_dict {
            return Some(dict);
        }
        let mut known = HashSet::new();
        keys.retain(|key| known.insert(self.arena.dict_key(*key)));
        self.alloc(Value::Set(keys))
    }

    /// Parses `True`, `False`, `None`, `...`, `set()`, or a string with a prefix.
    fn parse_keyword(&mut self) -> Option<ValueId> {
        if let Some(after) = self.rest.strip_prefix("...") {
            self.rest = after;
            return self.alloc(Value::Ellipsis);
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        if self.rest[end..].starts_with(['\'', '"']) {
            return self.parse_strings();
        }
        let data = match &self.rest[..end] {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::None,
            "set" => {
                self.rest = &self.rest[end..];
                if !self.is_at('(') || !self.parse_items(')')?.is_empty() {
                    return None;
                }
                return self.alloc(Value::Set(Vec::new()));
            }
            _ => return None,
        };
        self.rest = &self.rest[end..];
        self.alloc(data)
    }

    /// Parses a string literal, and concatenates adjacent string literals.
    fn parse_strings(&mut self) -> Option<ValueId> {
        let (mut parts, rest) = parse_string(self.rest)?;
        self.rest = rest;
        self.skip_whitespace();
        while starts_string(self.rest) {
            let (next, rest) = parse_string(self.rest)?;
            self.rest = rest;
            parts = parts.concat(next)?;
            self.skip_whitespace();
        }
        self.alloc(parts.into_value())
    }

    fn parse_number(&mut self) -> Option<ValueId> {
        let end = number_end(self.rest);
        let (number, after) = self.rest.split_at(end);
        if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return None;
        }
        self.rest = after;
        let data = parse_number(number)?;
        self.alloc(data)
    }
}

#[cfg(test)]
mod tests {
    use super::super::string::repr;
    use super::strings::UNSUPPORTED_ESCAPE;
    use super::*;

    fn eval_and_print(text: &str) -> Option<String> {
        let mut arena = Arena::default();
        eval(&mut arena, text, None).unwrap().map(|id| repr(&arena, id))
    }

    /// Literals, each with its `repr(ast.literal_eval(text))` in Python 3.11.
    const LITERALS: &[(&str, &str)] = &[
        ("42", "42"),
        (" 5 ", "5"),
        ("5 # c", "5"),
        ("1_000", "1000"),
        ("0x_1F", "31"),
        ("0o17", "15"),
        ("0b11", "3"),
        ("00", "0"),
        ("1e5", "100000.0"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("09.5", "9.5"),
        ("-5", "-5"),
        ("+5", "5"),
        ("-(5)", "-5"),
        ("- 5", "-5"),
        ("1,2", "(1, 2)"),
        ("1,", "(1,)"),
        ("()", "()"),
        ("(1)", "1"),
        ("(1,)", "(1,)"),
        ("[1, 'a', [ ]]", "[1, 'a', []]"),
        ("[1,\n# c\n2,]", "[1, 2]"),
        ("{'a': 1, 'a': 2, 1: 3, True: 4}", "{'a': 2, 1: 4}"),
        ("{1, 1}", "{1}"),
        ("{}", "{}"),
        ("set()", "set()"),
        ("None", "None"),
        ("True", "True"),
        ("'a' \"b\"", "'ab'"),
        ("u'a'", "'a'"),
        ("b'a\\xff\\n'", "b'a\\xff\\n'"),
        ("r'\\n'", "'\\\\n'"),
        ("'\\d\\x41\\101\\u00e9\\\n!'", "'\\\\dAA\u{e9}!'"),
        ("'''a\nb'''", "'a\\nb'"),
        ("''", "''"),
        ("\n5\n", "5"),
        ("# c\n5", "5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ];

    const NOT_LITERALS: &[&str] = &[
        "",
        "#x",
        "a",
        "0123",
        "1__0",
        "1_",
        "0x",
        "0xg",
        "5abc",
        "--5",
        "-True",
        "1-2",
        "1+1",
        "a,b",
        "'a",
        "'a\nb'",
        "f'a'",
        "ub'a'",
        "b'\u{e9}'",
        "b'a' 'b'",
        "{[1]: 2}",
        "{1: 2, 3}",
        "{1, 2: 3}",
        "[1",
        "1]",
        "(1",
        "true",
        "null",
        "1 2",
        "5\n6",
        "\n 5",
        "set(1)",
        "'\\x4'",
        "'\\uD8'",
        "1e",
        "0_",
        "$5",
        "~5",
        "1.2.3",
        "NaN",
        "None()",
    ];

    #[test]
    fn evaluates_literals_like_python() {
        for (text, expected) in LITERALS {
            assert_eq!(eval_and_print(text).as_deref(), Some(*expected), "{text}");
        }
        for text in NOT_LITERALS {
            assert_eq!(eval_and_print(text), None, "{text}");
        }
    }

    #[test]
    fn marks_strings_that_it_cannot_represent() {
        assert_eq!(eval_and_print("'\\ud83d\\ude00'").as_deref(), Some("'\u{1f600}'"));
        assert_eq!(eval_and_print("'a\\N{BULLET}'").as_deref(), Some(UNSUPPORTED_ESCAPE));
        assert_eq!(eval_and_print("'\\ud800'").as_deref(), Some(UNSUPPORTED_ESCAPE));
    }

    #[test]
    fn evaluates_complex_numbers_and_ellipsis() {
        for (text, expected) in
            [("1+2j", "(1+2j)"), ("1.5-2e16j", "(1.5-2e+16j)"), ("1J", "1j"), ("-1j", "(-0-1j)"), ("...", "Ellipsis")]
        {
            assert_eq!(eval_and_print(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn limits_the_depth_of_brackets() {
        assert!(eval_and_print(&format!("{}{}", "[".repeat(150), "]".repeat(150))).is_some());
        assert!(eval_and_print(&"[".repeat(300)).is_none());
    }
}
