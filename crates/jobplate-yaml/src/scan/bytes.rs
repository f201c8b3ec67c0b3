//! Searches for single bytes, eight at a time, with the "has zero byte" bit trick.

/// The lowest bit of each byte.
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Returns a word in which the high bit of the lowest byte that equals `byte` is set. Bits of higher bytes may also be
/// set.
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    let difference = word ^ (LOW_BITS * byte as u64);
    difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS
}

/// Returns the eight bytes from `at` on as a little-endian number, or `None` if there are fewer.
#[inline(always)]
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Returns the offset of the first byte from `at` on that is not a space.
#[inline(always)]
pub(super) fn skip_spaces(text: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(text, at) {
        let other = word ^ (LOW_BITS * b' ' as u64);
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

/// Returns the offset of the first `:`, `#` or line feed from `at` on, or the end of the text.
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

/// Returns the offset of the line feed that ends the line of `at`, or the end of the text.
#[inline]
pub(super) fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset)
}

/// Returns whether a byte is a space or a tab.
#[inline]
pub(super) fn is_space_or_tab(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
