//! Choices from `Copy` values.

use crate::rng::Rng;

pub(crate) trait Choose {
    /// Returns one of the values.
    fn choose<T: Copy>(&mut self, from: &[T]) -> T;
}

impl Choose for Rng {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        *self.pick(from)
    }
}
