//! Choosing from what is as good as its copy.

use crate::rng::Rng;

pub(crate) trait Choose {
    /// One of these.
    fn choose<T: Copy>(&mut self, from: &[T]) -> T;
}

impl Choose for Rng {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        *self.pick(from)
    }
}
