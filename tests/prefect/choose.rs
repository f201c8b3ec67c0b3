//! Random choices of `Copy` values.

use crate::rng::Rng;

pub(crate) trait Choose {
    /// Returns a random value of a slice.
    fn choose<T: Copy>(&mut self, from: &[T]) -> T;
}

impl Choose for Rng {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        *self.pick(from)
    }
}
