//! Python's limits, and the hint for input that Python accepts but this crate does not support.

/// The hint for input that Prefect may accept but this crate does not support.
pub(crate) const UNSUPPORTED_HINT: &str = "Prefect may take this, but it is not followed here: write it in another way";

/// The maximum number of digits of a decimal integer in a string (`sys.int_info.default_max_str_digits`).
pub(crate) const MAX_DIGITS: usize = 4300;
