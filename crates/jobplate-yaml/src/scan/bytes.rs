//! Searches for single bytes, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of the lowest byte equal to `byte` (and perhaps of bytes above it).
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

/// The eight bytes from `at` on.
#[inline(always)]
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The first byte from `at` on that is not a space.
#[inline(always)]
pub(super) fn skip_spaces(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(text, at) {
        let other = word ^ (ONES * b' ' as u64);
        if other != 0 {
            return at + (other.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while text.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// The first `:`, `#` or line feed from `at` on, or the end.
#[inline(always)]
pub(super) fn find_plain_stop(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(text, at) {
        let found = equal_bytes(word, b':') | equal_bytes(word, b'#') | equal_bytes(word, b'\n');
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while at < text.len() && !matches!(text[at], b':' | b'#' | b'\n') {
        at += 1;
    }
    at
}

/// The line feed that ends the line of `at`, or the end.
#[inline]
pub(super) fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset)
}

/// A space or a tab.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
