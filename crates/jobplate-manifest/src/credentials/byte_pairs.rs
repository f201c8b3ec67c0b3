//! A quick look at whether one of many words may start at a position of a string, so that few positions are compared with
//! the words themselves.

/// The first two bytes of words. Bytes that differ by a multiple of 32 count as the same second byte.
pub(super) struct BytePairs {
    /// For each first byte, a bit for each second byte.
    second_bytes: [u32; 256],
}

impl BytePairs {
    pub(super) const fn new() -> Self {
        BytePairs { second_bytes: [0; 256] }
    }

    /// Adds the first two bytes of a word.
    pub(super) const fn insert(&mut self, first: u8, second: u8) {
        self.second_bytes[first as usize] |= 1 << (second % 32);
    }

    /// Returns whether a word may start at `start`. Returns true for each word, and for few other positions.
    #[inline]
    pub(super) fn may_be_at(&self, bytes: &[u8], start: usize) -> bool {
        let seconds = self.second_bytes[bytes[start] as usize];
        bytes.get(start + 1).is_some_and(|second| seconds >> (second % 32) & 1 == 1)
    }
}
