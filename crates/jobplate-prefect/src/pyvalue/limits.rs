//! Limits of Python, and the hint on input that Python accepts and this crate refuses.

/// The hint on input that Prefect may accept and this crate refuses.
pub(crate) const UNSUPPORTED_HINT: &str = "Prefect may take this, but it is not followed here: write it in another way";

/// The maximum number of digits of a decimal integer in a string (`sys.int_info.default_max_str_digits`).
pub(crate) const MAX_DIGITS: usize = 4300;
