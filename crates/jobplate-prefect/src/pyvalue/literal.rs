//! `ast.literal_eval`: a text that is a Python literal becomes its value.
//!
//! Prefect 1 reads every setting this way, secrets too: `42` is a number, `"x"` loses its quotes, `1,2` is a tuple.

use num_bigint::BigInt;

use super::arena::{Arena, Value, ValueId};
use super::limits::MAX_DIGITS;
use super::source::Location;

/// Brackets within brackets that Python reads.
const DEPTH: usize = 200;

/// The value of a literal; none where the text is none.
pub(crate) fn eval(arena: &mut Arena, text: &str, location: Option<&Location>) -> Option<ValueId> {
    let mut reader = Reader {
        rest: text.trim_start_matches([' ', '\t']),
        whole: text,
        depth: 0,
        arena,
        location: location.cloned(),
    };
    reader.skip_lines()?;
    let value = reader.list_or_one()?;
    reader.skip();
    let behind = reader.rest;
    // A comment, and lines with nothing on them.
    let is_blank = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '\u{c}', '\r']);
        line.is_empty() || line.starts_with('#')
    };
    // A last line of nothing but blanks is an indentation to Python.
    let last = behind.rsplit_once('\n').map_or("", |(_, last)| last);
    let is_indented = !last.is_empty() && last.trim_matches([' ', '\t']).is_empty();
    (behind.lines().all(is_blank) && !is_indented && !reader.whole.contains('\0')).then_some(value)
}

struct Reader<'h, 't> {
    rest: &'t str,
    whole: &'t str,
    depth: usize,
    arena: &'h mut Arena,
    location: Option<Location>,
}

impl Reader<'_, '_> {
    fn put(&mut self, data: Value) -> ValueId {
        self.arena.alloc(data, self.location.clone())
    }

    /// Lines with nothing on them before the first that has something, which is not indented.
    fn skip_lines(&mut self) -> Option<()> {
        loop {
            let line = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            let behind = if line.starts_with('#') { line.find('\n').map(|end| &line[end..])? } else { line };
            let behind = behind.strip_prefix('\r').unwrap_or(behind);
            let Some(next) = behind.strip_prefix('\n') else { break };
            self.rest = next;
        }
        (self.rest.len() == self.whole.trim_start_matches([' ', '\t']).len() || !self.rest.starts_with([' ', '\t']))
            .then_some(())
    }

    /// Blanks; within brackets line breaks and comments, too.
    fn skip(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
            let joined = self.rest.strip_prefix("\\\n").or_else(|| self.rest.strip_prefix("\\\r\n"));
            // Nothing is joined to the end.
            if let Some(behind) = joined.filter(|behind| !behind.is_empty()) {
                self.rest = behind;
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

    fn take(&mut self, mark: &str) -> bool {
        self.skip();
        let behind = self.rest.strip_prefix(mark);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// A value, or values with commas behind them: a tuple without brackets.
    fn list_or_one(&mut self) -> Option<ValueId> {
        let first = self.value()?;
        if !self.take(",") {
            return Some(first);
        }
        let mut items = vec![first];
        loop {
            self.skip();
            if self.rest.is_empty() || self.rest.starts_with(['\n', '\r', '#']) {
                break;
            }
            items.push(self.value()?);
            if !self.take(",") {
                break;
            }
        }
        Some(self.put(Value::Tuple(items)))
    }

    /// What one value may be: a complex number is a sum.
    fn value(&mut self) -> Option<ValueId> {
        let left = self.signed()?;
        self.skip();
        if !self.rest.starts_with(['+', '-']) {
            return Some(left);
        }
        let sign = if self.rest.starts_with('-') { -1.0 } else { 1.0 };
        self.rest = &self.rest[1..];
        let right = self.atom()?;
        let real = match self.arena.get(left) {
            Value::Int(whole) => whole.to_string().parse().ok()?,
            Value::Float(float) => *float,
            _ => return None,
        };
        match *self.arena.get(right) {
            Value::Complex(more, imaginary) => Some(self.put(Value::Complex(real + sign * more, sign * imaginary))),
            _ => None,
        }
    }

    fn signed(&mut self) -> Option<ValueId> {
        self.skip();
        let negative = self.rest.starts_with('-');
        if !negative && !self.rest.starts_with('+') {
            return self.atom();
        }
        self.rest = &self.rest[1..];
        let operand = self.atom()?;
        let data = match (self.arena.get(operand).clone(), negative) {
            (Value::Int(whole), true) => Value::Int(-whole),
            (Value::Float(float), true) => Value::Float(-float),
            (Value::Complex(real, imaginary), true) => Value::Complex(-real, -imaginary),
            (data @ (Value::Int(_) | Value::Float(_) | Value::Complex(..)), _) => data,
            _ => return None,
        };
        Some(self.put(data))
    }

    fn atom(&mut self) -> Option<ValueId> {
        self.skip();
        let first = self.rest.chars().next()?;
        match first {
            '(' => self.tuple(),
            '[' => {
                let items = self.items(']')?;
                Some(self.put(Value::List(items)))
            }
            '{' => self.braces(),
            '0'..='9' => self.number(),
            '.' if !self.rest.starts_with("...") => self.number(),
            '\'' | '"' => self.texts(),
            _ => self.word(),
        }
    }

    fn open(&mut self) -> Option<()> {
        self.rest = &self.rest[1..];
        self.depth += 1;
        (self.depth <= DEPTH).then_some(())
    }

    fn close(&mut self, mark: char) -> Option<()> {
        let closed = self.take(mark.encode_utf8(&mut [0; 4]));
        self.depth -= 1;
        closed.then_some(())
    }

    fn is_at(&mut self, mark: char) -> bool {
        self.skip();
        self.rest.starts_with(mark)
    }

    fn items(&mut self, mark: char) -> Option<Vec<ValueId>> {
        self.open()?;
        let mut items = Vec::new();
        while !self.is_at(mark) {
            items.push(self.value()?);
            if !self.take(",") {
                break;
            }
        }
        self.close(mark)?;
        Some(items)
    }

    /// Values in round brackets, or one value, whose brackets say nothing.
    fn tuple(&mut self) -> Option<ValueId> {
        self.open()?;
        let mut items = Vec::new();
        let mut comma = false;
        while !self.is_at(')') {
            items.push(self.value()?);
            comma = self.take(",");
            if !comma {
                break;
            }
        }
        self.close(')')?;
        match items.as_slice() {
            [only] if !comma => Some(*only),
            _ => Some(self.put(Value::Tuple(items))),
        }
    }

    fn braces(&mut self) -> Option<ValueId> {
        self.open()?;
        if self.is_at('}') {
            self.close('}')?;
            return Some(self.put(Value::empty_dict()));
        }
        let first = self.value()?;
        let is_dict = self.take(":");
        let mut keys = Vec::new();
        let dict = self.put(Value::empty_dict());
        let mut key = first;
        loop {
            if !self.arena.is_hashable(key) {
                return None;
            }
            if is_dict {
                let value = self.value()?;
                self.arena.dict_set(dict, key, value);
            } else {
                keys.push(key);
            }
            if !self.take(",") || self.is_at('}') {
                break;
            }
            key = self.value()?;
            if is_dict && !self.take(":") {
                return None;
            }
        }
        self.close('}')?;
        if is_dict {
            return Some(dict);
        }
        let mut items: Vec<ValueId> = Vec::new();
        for key in keys {
            if !items.iter().any(|item| self.arena.is_same_key(*item, key)) {
                items.push(key);
            }
        }
        Some(self.put(Value::Set(items)))
    }

    /// `True`, `False`, `None`, `...`, `set()`, or the prefix of a text.
    fn word(&mut self) -> Option<ValueId> {
        if let Some(behind) = self.rest.strip_prefix("...") {
            self.rest = behind;
            return Some(self.put(Value::Ellipsis));
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        if self.rest[end..].starts_with(['\'', '"']) {
            return self.texts();
        }
        let data = match &self.rest[..end] {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::None,
            "set" => {
                self.rest = &self.rest[end..];
                if !self.is_at('(') || !self.items(')')?.is_empty() {
                    return None;
                }
                return Some(self.put(Value::Set(Vec::new())));
            }
            _ => return None,
        };
        self.rest = &self.rest[end..];
        Some(self.put(data))
    }

    fn number(&mut self) -> Option<ValueId> {
        let end = number_end(self.rest);
        let (number, behind) = self.rest.split_at(end);
        if behind.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return None;
        }
        self.rest = behind;
        let data = parse_number(number)?;
        Some(self.put(data))
    }

    /// Quoted texts one behind the other are one.
    fn texts(&mut self) -> Option<ValueId> {
        let mut whole: Option<(bool, Vec<char>)> = None;
        loop {
            let quote = self.rest.find(['\'', '"'])?;
            let prefix = self.rest[..quote].to_ascii_lowercase();
            let (bytes, raw) = match prefix.as_str() {
                "" | "u" => (false, false),
                "r" => (false, true),
                "b" => (true, false),
                "br" | "rb" => (true, true),
                _ => return None,
            };
            self.rest = &self.rest[quote..];
            let part = self.quoted(bytes, raw)?;
            match &mut whole {
                None => whole = Some((bytes, part)),
                Some((kind, so_far)) if *kind == bytes => so_far.extend(part),
                Some(_) => return None,
            }
            self.skip();
            let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
            if end > 2 || !self.rest[end..].starts_with(['\'', '"']) {
                break;
            }
        }
        let (bytes, chars) = whole?;
        let data = match bytes {
            false if chars.contains(&UNSUPPORTED_MARK) => Value::Unsupported(UNSUPPORTED_ESCAPE),
            true => Value::Bytes(chars.into_iter().map(|c| u32::from(c) as u8).collect()),
            false => Value::Str(chars.into_iter().collect()),
        };
        Some(self.put(data))
    }

    /// The characters of one quoted text; of bytes, one for each.
    fn quoted(&mut self, bytes: bool, raw: bool) -> Option<Vec<char>> {
        let mark = &self.rest[..1];
        let triple = mark.repeat(3);
        let (end, many) = if self.rest.starts_with(&triple) { (triple.as_str(), true) } else { (mark, false) };
        let mut rest = &self.rest[end.len()..];
        let mut out = Vec::new();
        loop {
            if let Some(behind) = rest.strip_prefix(end) {
                self.rest = behind;
                return Some(out);
            }
            let c = rest.chars().next()?;
            rest = &rest[c.len_utf8()..];
            match c {
                '\n' if !many => return None,
                '\r' if !many => return None,
                '\r' => {
                    rest = rest.strip_prefix('\n').unwrap_or(rest);
                    out.push('\n');
                }
                '\\' if raw => {
                    out.push('\\');
                    let next = rest.chars().next()?;
                    if bytes && !next.is_ascii() {
                        return None;
                    }
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
                '\\' => rest = escape(rest, bytes, &mut out)?,
                c if bytes && !c.is_ascii() => return None,
                c => out.push(c),
            }
        }
    }
}

/// What is in a text that has no text here: the name of a character (`\N{...}`), or half of one (`\ud800`).
pub(super) const UNSUPPORTED_ESCAPE: &str = "text with the name of a character, or half of one, in it";

/// Stands for it among the characters of a text.
const UNSUPPORTED_MARK: char = '\u{10ffff}';

/// Decodes the escape behind a backslash, and gives what is behind it. Names of characters (`\N{...}`) and
/// halves of characters are marked.
fn escape<'t>(rest: &'t str, bytes: bool, out: &mut Vec<char>) -> Option<&'t str> {
    let c = rest.chars().next()?;
    let behind = &rest[c.len_utf8()..];
    let coded = |digits: usize| {
        let code = u32::from_str_radix(behind.get(..digits).filter(|code| !code.starts_with('+'))?, 16).ok()?;
        Some((char::from_u32(code)?, &behind[digits..]))
    };
    let (decoded, behind) = match c {
        '\n' => return Some(behind),
        '\r' => return Some(behind.strip_prefix('\n').unwrap_or(behind)),
        '\\' | '\'' | '"' => (c, behind),
        'a' => ('\u{7}', behind),
        'b' => ('\u{8}', behind),
        'f' => ('\u{c}', behind),
        'n' => ('\n', behind),
        'r' => ('\r', behind),
        't' => ('\t', behind),
        'v' => ('\u{b}', behind),
        '0'..='7' => {
            let end = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            (char::from_u32(u32::from_str_radix(&rest[..end], 8).ok()?)?, &rest[end..])
        }
        'x' => coded(2)?,
        'u' if !bytes => match coded(4) {
            Some(coded) => coded,
            None => return surrogate(behind, out),
        },
        'U' if !bytes => coded(8)?,
        'N' if !bytes => {
            let (name, behind) = behind.strip_prefix('{')?.split_once('}')?;
            if name.is_empty() {
                return None;
            }
            out.push(UNSUPPORTED_MARK);
            return Some(behind);
        }
        c if bytes && !c.is_ascii() => return None,
        // What is no escape stays as it is.
        c => {
            out.push('\\');
            (c, behind)
        }
    };
    out.push(decoded);
    Some(behind)
}

/// Half of a character, or both halves, which are one for all who read JSON.
fn surrogate<'t>(behind: &'t str, out: &mut Vec<char>) -> Option<&'t str> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4).filter(|code| !code.starts_with('+'))?, 16).ok();
    let first = unit(behind)?;
    let rest = &behind[4..];
    let second = rest.strip_prefix("\\u").and_then(unit);
    let both = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    out.push(both.unwrap_or(UNSUPPORTED_MARK));
    Some(if both.is_some() { &rest[6..] } else { rest })
}

/// Where a number ends that begins a text.
fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let radix = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let exponent = !radix && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        let fits = byte.is_ascii_alphanumeric()
            || byte == b'_'
            || !radix && byte == b'.'
            || exponent && matches!(byte, b'+' | b'-');
        if !fits {
            break;
        }
        end += 1;
    }
    end
}

/// A number as Python writes them: underscores stand between digits only, and a whole number has no zero in front.
fn parse_number(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            return BigInt::parse_bytes(without_underscores(digits)?.as_bytes(), radix).map(Value::Int);
        }
    }
    let (real, imaginary) = match lower.strip_suffix('j') {
        Some(real) => (real, true),
        None => (&*lower, false),
    };
    if !real.contains(['.', 'e']) && !imaginary {
        let digits = without_underscores(real)?;
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0')
            || digits.len() > MAX_DIGITS
        {
            return None;
        }
        return BigInt::parse_bytes(digits.as_bytes(), 10).map(Value::Int);
    }
    let (mantissa, exponent) = match real.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (real, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    for part in [whole, fraction] {
        if !part.is_empty() {
            without_underscores(part)?;
        }
    }
    if let Some(exponent) = exponent {
        without_underscores(exponent)?;
    }
    let float: f64 = real.replace('_', "").parse().ok()?;
    Some(if imaginary { Value::Complex(0.0, float) } else { Value::Float(float) })
}

/// Digits without the underscores between them; none where one stands elsewhere, or where there is no digit.
fn without_underscores(digits: &str) -> Option<String> {
    let misplaced = digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    let plain = digits.replace('_', "");
    (!misplaced && plain.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::super::string::repr;
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let mut arena = Arena::default();
        eval(&mut arena, text, None).map(|id| repr(&arena, id))
    }

    #[test]
    fn literals_are_pythons() {
        // Each as `repr(ast.literal_eval(text))` of Python 3.11 has it.
        for (text, wanted) in [
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
        ] {
            assert_eq!(shown(text).as_deref(), Some(wanted), "{text}");
        }
        for text in [
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
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
        assert_eq!(shown("'\\ud83d\\ude00'").as_deref(), Some("'\u{1f600}'"));
        assert_eq!(shown("'a\\N{BULLET}'").as_deref(), Some(UNSUPPORTED_ESCAPE));
        assert_eq!(shown("'\\ud800'").as_deref(), Some(UNSUPPORTED_ESCAPE));
        for (text, wanted) in
            [("1+2j", "(1+2j)"), ("1.5-2e16j", "(1.5-2e+16j)"), ("1J", "1j"), ("-1j", "(-0-1j)"), ("...", "Ellipsis")]
        {
            assert_eq!(shown(text).as_deref(), Some(wanted), "{text}");
        }
        assert!(shown(&format!("{}{}", "[".repeat(150), "]".repeat(150))).is_some());
        assert!(shown(&"[".repeat(300)).is_none());
    }
}
