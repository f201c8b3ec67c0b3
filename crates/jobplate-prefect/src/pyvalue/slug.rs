//! Creates slugs like python-slugify 8 and 9: ASCII letters, digits and dashes, transliterated by text-unidecode.
//!
//! deunicode and any_ascii cannot replace the table, because their transliterations differ from text-unidecode. Two
//! differences from python-slugify remain: characters that are newer than the Unicode version of the user's Python,
//! and non-ASCII digits in character references.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::limits::MAX_DIGITS;

/// Transliterations of the characters that NFKD leaves unchanged, in rows of sixteen characters.
/// `tests/oracles/prefect3/slug.py` generates them.
static LETTERS: LazyLock<BTreeMap<u32, &str>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (row, cells) = line.split_once(' ')?;
        Some((u32::from_str_radix(row, 16).ok()?, cells))
    };
    include_str!("slug/letters.txt").lines().filter_map(row).collect()
});

/// Python's `html.entities.name2codepoint`.
static ENTITIES: LazyLock<BTreeMap<&str, char>> = LazyLock::new(|| {
    let entity = |line: &'static str| {
        let (name, number) = line.split_once(' ')?;
        Some((name, char::from_u32(u32::from_str_radix(number, 16).ok()?)?))
    };
    include_str!("slug/entities.txt").lines().filter_map(entity).collect()
});

/// The arguments of `slugify`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlugOptions {
    /// Whether letters are converted to lower case.
    pub lowercase: bool,
    /// The maximum number of characters of a slug.
    pub max_length: usize,
    /// The characters that are kept in addition to ASCII letters, digits and dashes. Only `_` and `.` are supported:
    /// the table does not distinguish other characters.
    pub allowed: &'static str,
}

impl SlugOptions {
    /// Returns the slug of a string. It can be empty.
    pub(crate) fn slugify(&self, text: &str) -> String {
        // An apostrophe in the input separates words, so a dash replaces it. An apostrophe in a transliteration is
        // removed below.
        let mut plain = String::new();
        for char in text.replace('\'', "-").nfkd() {
            if char.is_ascii() {
                plain.push(char);
            } else {
                plain.push_str(transliterate(char));
            }
        }
        // Each kind of reference is replaced in the result of the previous kind, so `&amp;#39;` is an apostrophe. If
        // one reference is invalid, all references of its kind are kept. The results are not transliterated.
        for kind in [read_named, read_decimal, read_hexadecimal] {
            plain = replace_references(&plain, kind).unwrap_or(plain);
        }
        let chars: Vec<char> = plain.nfkd().filter(|char| *char != '\'').collect();

        let mut slug = String::new();
        for (at, char) in chars.iter().enumerate() {
            let is_digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
            if *char == ',' && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)) {
                continue;
            }
            if char.is_ascii_alphanumeric() || self.allowed.contains(*char) {
                slug.push(if self.lowercase { char.to_ascii_lowercase() } else { *char });
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        // Truncation can leave a dash at the end, so dashes are removed before and after it.
        let slug = slug.trim_end_matches('-');
        slug.get(..self.max_length).unwrap_or(slug).trim_end_matches('-').to_owned()
    }
}

/// Returns text-unidecode's transliteration of a non-ASCII character, reduced to the distinctions that affect slugs.
fn transliterate(char: char) -> &'static str {
    let code_point = char as u32;
    match LETTERS.get(&(code_point >> 4)) {
        Some(cells) => cells.split('|').nth(code_point as usize & 15).unwrap_or_default(),
        // text-unidecode's table covers only the Basic Multilingual Plane. A character without a row separates words,
        // and a character of another plane is dropped.
        None => {
            if code_point <= 0xFFFF {
                " "
            } else {
                ""
            }
        }
    }
}

/// The error for a character reference to a number that is not a character.
#[derive(Clone, Copy, Debug)]
struct InvalidReference;

/// Replaces the character references that `read` recognizes. The argument of `read` is the text between `&` and `;`.
/// Fails if `read` fails.
fn replace_references(
    text: &str,
    read: impl Fn(&str) -> Option<Result<char, InvalidReference>>,
) -> Result<String, InvalidReference> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        let length = from[1..].bytes().take_while(|byte| *byte == b'#' || byte.is_ascii_alphanumeric()).count();
        let (body, after) = from[1..].split_at(length);
        out.push_str(before);
        rest = match (read(body), after.strip_prefix(';')) {
            (Some(char), Some(after)) => {
                out.push(char?);
                after
            }
            _ => {
                out.push('&');
                &from[1..]
            }
        };
    }
    out.push_str(rest);
    Ok(out)
}

fn read_named(body: &str) -> Option<Result<char, InvalidReference>> {
    ENTITIES.get(body).map(|char| Ok(*char))
}

fn read_decimal(body: &str) -> Option<Result<char, InvalidReference>> {
    let digits = body.strip_prefix('#')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Python counts leading zeros toward its limit, so they are not removed before this check.
    is_number.then(|| if digits.len() > MAX_DIGITS { Err(InvalidReference) } else { parse_character(digits, 10) })
}

fn read_hexadecimal(body: &str) -> Option<Result<char, InvalidReference>> {
    let digits = body.strip_prefix("#x")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| parse_character(digits, 16))
}

/// Returns `chr(int(digits, radix))`. Fails if Python raises an error.
fn parse_character(digits: &str, radix: u32) -> Result<char, InvalidReference> {
    let code_point = match digits.trim_start_matches('0') {
        "" => 0,
        digits => u32::from_str_radix(digits, radix).map_err(|_| InvalidReference)?,
    };
    // A Python string can contain a surrogate, but a Rust `char` cannot be one. U+FFFD replaces it, because slugs keep
    // neither.
    let scalar = if (0xD800..0xE000).contains(&code_point) { char::REPLACEMENT_CHARACTER as u32 } else { code_point };
    char::from_u32(scalar).ok_or(InvalidReference)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLUG: SlugOptions = SlugOptions { lowercase: false, max_length: 100, allowed: "" };

    #[test]
    fn tables_are_complete() {
        assert_eq!(LETTERS.len(), include_str!("slug/letters.txt").lines().count());
        assert_eq!(ENTITIES.len(), 252);
        for (row, cells) in LETTERS.iter() {
            assert!(cells.ends_with('|') && cells.matches('|').count() == 16, "row {row:x}");
        }
    }

    #[test]
    fn transliterates_the_ends_of_planes_and_rows() {
        for (char, text) in [
            ('\u{80}', ""),
            ('\u{a1}', " "),
            ('\u{4e00}', "Yi "),
            ('\u{4e0f}', "Mian "),
            ('\u{e000}', " "),
            ('\u{fffd}', ""),
            ('\u{ffff}', ""),
            ('\u{10000}', ""),
            ('\u{10ffff}', ""),
        ] {
            assert_eq!(transliterate(char), text, "{char:?}");
        }
    }

    #[test]
    fn limits_the_digits_of_decimal_references() {
        let decimal = |zeros| SLUG.slugify(&format!("&#{}65;", "0".repeat(zeros)));
        assert_eq!(decimal(4298), "A");
        assert!(decimal(4299).starts_with("000"));
        assert_eq!(SLUG.slugify(&format!("&#x{}41;", "0".repeat(4300))), "A");
    }

    #[test]
    fn keeps_the_given_characters() {
        let allowed = |allowed, lowercase| SlugOptions { lowercase, allowed, ..SLUG }.slugify("_A.-b:_");
        assert_eq!(allowed("", false), "A-b");
        assert_eq!(allowed(".", true), "a.-b");
        assert_eq!(allowed("_.", false), "_A.-b-_");
    }
}
