//! python-slugify: any text as ASCII letters, digits and dashes, by way of text-unidecode's letters.
//!
//! As its versions 8 and 9 do it when nothing but a pattern, a length and a case is asked for. Knows nothing of what a
//! slug is for. Two things are not followed: characters that are newer than the Unicode of the Python at hand (a few
//! of them have a letter here that it drops), and digits that are not ASCII within a reference to a character.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::limits::MAX_DIGITS;

/// Transliterations by sixteen characters, of those that NFKD leaves; `tests/oracles/prefect3/slug.py` writes them.
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

/// What is asked of `slugify`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlugOptions {
    /// Whether capitals become small letters.
    pub lowercase: bool,
    /// The most characters of a slug.
    pub max_length: usize,
    /// What stays as it is beside ASCII letters, digits and dashes: of `_` and `.`, which are all that the table of
    /// letters tells apart.
    pub kept: &'static str,
}

impl SlugOptions {
    /// The slug of a text, which may come out empty.
    pub(crate) fn slugify(&self, text: &str) -> String {
        // A quote that is written parts words; one that comes of another character does not.
        let mut plain = String::new();
        for char in text.replace('\'', "-").nfkd() {
            if char.is_ascii() {
                plain.push(char);
            } else {
                plain.push_str(transliterate(char));
            }
        }
        // Each kind sees what the one before it made: `&amp;#39;` is a quote. Of each, all stay as they are if one has
        // no character. What they make is not transliterated.
        for kind in [named, decimal, hexadecimal] {
            plain = replace_references(&plain, kind).unwrap_or(plain);
        }
        let chars: Vec<char> = plain.nfkd().filter(|char| *char != '\'').collect();

        let mut slug = String::new();
        for (at, char) in chars.iter().enumerate() {
            let digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
            if *char == ',' && digit(at.checked_sub(1)) && digit(Some(at + 1)) {
                continue;
            }
            if char.is_ascii_alphanumeric() || self.kept.contains(*char) {
                slug.push(if self.lowercase { char.to_ascii_lowercase() } else { *char });
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        // A dash at the end goes before the length is looked at, and one that the cut leaves goes after it.
        let slug = slug.trim_end_matches('-');
        slug.get(..self.max_length).unwrap_or(slug).trim_end_matches('-').to_owned()
    }
}

/// text-unidecode's text for a character that is not ASCII, as far as slugs tell texts apart.
fn transliterate(char: char) -> &'static str {
    let number = char as u32;
    match LETTERS.get(&(number >> 4)) {
        Some(cells) => cells.split('|').nth(number as usize & 15).unwrap_or_default(),
        // Its table ends with the basic plane: what is beyond is dropped.
        None => {
            if number <= 0xFFFF {
                " "
            } else {
                ""
            }
        }
    }
}

/// A reference that is written as one, to a number that no character has.
#[derive(Clone, Copy, Debug)]
struct NoCharacter;

/// A text with its references to characters replaced, those that `read` knows from what is between `&` and `;`.
fn replace_references(
    text: &str,
    read: impl Fn(&str) -> Option<Result<char, NoCharacter>>,
) -> Result<String, NoCharacter> {
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

fn named(body: &str) -> Option<Result<char, NoCharacter>> {
    ENTITIES.get(body).map(|char| Ok(*char))
}

fn decimal(body: &str) -> Option<Result<char, NoCharacter>> {
    let digits = body.strip_prefix('#')?;
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Zeros in front count too.
    all.then(|| if digits.len() > MAX_DIGITS { Err(NoCharacter) } else { character(digits, 10) })
}

fn hexadecimal(body: &str) -> Option<Result<char, NoCharacter>> {
    let digits = body.strip_prefix("#x")?;
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| character(digits, 16))
}

/// `chr(int(digits, radix))`
fn character(digits: &str, radix: u32) -> Result<char, NoCharacter> {
    let number = match digits.trim_start_matches('0') {
        "" => 0,
        digits => u32::from_str_radix(digits, radix).map_err(|_| NoCharacter)?,
    };
    // Python's texts may hold halves of characters; no slug does.
    let whole = if (0xD800..0xE000).contains(&number) { char::REPLACEMENT_CHARACTER as u32 } else { number };
    char::from_u32(whole).ok_or(NoCharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLUG: SlugOptions = SlugOptions { lowercase: false, max_length: 100, kept: "" };

    #[test]
    fn the_tables_are_whole() {
        assert_eq!(LETTERS.len(), include_str!("slug/letters.txt").lines().count());
        assert_eq!(ENTITIES.len(), 252);
        for (row, cells) in LETTERS.iter() {
            assert!(cells.ends_with('|') && cells.matches('|').count() == 16, "row {row:x}");
        }
    }

    #[test]
    fn the_ends_of_planes_and_rows() {
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
    fn python_reads_no_more_decimal_digits() {
        let decimal = |zeros| SLUG.slugify(&format!("&#{}65;", "0".repeat(zeros)));
        assert_eq!(decimal(4298), "A");
        assert!(decimal(4299).starts_with("000"));
        assert_eq!(SLUG.slugify(&format!("&#x{}41;", "0".repeat(4300))), "A");
    }

    #[test]
    fn what_is_kept() {
        let kept = |kept, lowercase| SlugOptions { lowercase, kept, ..SLUG }.slugify("_A.-b:_");
        assert_eq!(kept("", false), "A-b");
        assert_eq!(kept(".", true), "a.-b");
        assert_eq!(kept("_.", false), "_A.-b-_");
    }
}
