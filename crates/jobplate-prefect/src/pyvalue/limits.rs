//! What Python reads and this crate refuses, and what Python itself refuses.

/// The hint on the few things that Python reads and this crate does not.
pub(crate) const UNSUPPORTED_HINT: &str = "Prefect may take this, but it is not followed here: write it in another way";

/// The largest number of digits in a whole number that Python reads from a text.
pub(crate) const MAX_DIGITS: usize = 4300;
