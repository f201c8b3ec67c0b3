//! Python's limits, the limits of what an input can multiply, and the hint for unsupported input.

use std::fmt::Display;

use jobplate_diagnostic::{Error, Result};

/// The hint for input that Prefect may accept but this crate does not support.
pub(crate) const UNSUPPORTED_HINT: &str =
    "Prefect may accept this, but jobplate does not support it: use a simpler value";

/// The maximum number of digits of a decimal integer in a string (`sys.int_info.default_max_str_digits`).
pub(crate) const MAX_DIGITS: usize = 4300;

/// The maximum number of bits of an integer that has at most [`MAX_DIGITS`] digits.
pub(crate) const MAX_BITS: u64 = 14_284;

/// The description of an integer with more digits, which Python cannot print.
pub(crate) const LONG_INTEGER: &str = "a number of more than 4300 digits";

/// The maximum number of values of one [`Budget`]. A variable costs up to 2 KB of memory for its name and its value.
/// An object of 1.5 MiB, which is the most that etcd accepts, has fewer values if they have 19 bytes on average.
const MAX_VALUES: usize = 80_000;

/// The maximum size of the text of one [`Budget`], in MiB.
const MAX_MEBIBYTES: usize = 8;

/// What remains of the memory for values: all keys and values of the files that a run reads, values of aliases and
/// merge keys, literals, and text that replaces variables, references and placeholders.
///
/// An [`Arena`](super::arena::Arena) has the budget of a run. Code that copies a value or text must spend the budget for
/// the copy first.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    values: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { values: MAX_VALUES, bytes: MAX_MEBIBYTES << 20 }
    }
}

impl Budget {
    /// Pays for `count` values. Errors name `subject`, which has the values, in backticks.
    ///
    /// # Errors
    /// Fails if the budget has fewer values left.
    pub fn spend_values(&mut self, count: usize, subject: impl Display) -> Result<()> {
        let remaining = self.values.checked_sub(count);
        self.values = remaining.ok_or_else(|| exceeded(subject, format_args!("{MAX_VALUES} values")))?;
        Ok(())
    }

    /// Pays for text of `count` bytes. Errors name `subject`, which has the text, in backticks.
    ///
    /// # Errors
    /// Fails if the budget has fewer bytes left.
    pub fn spend_bytes(&mut self, count: usize, subject: impl Display) -> Result<()> {
        let remaining = self.bytes.checked_sub(count);
        self.bytes = remaining.ok_or_else(|| exceeded(subject, format_args!("{MAX_MEBIBYTES} MiB of text")))?;
        Ok(())
    }
}

fn exceeded(subject: impl Display, limit: impl Display) -> Error {
    Error::input(format!("{subject} exceeds the limit of {limit}")).hint("use fewer or shorter values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_values_and_bytes_in_total() {
        let mut budget = Budget::default();
        assert!(budget.spend_values(MAX_VALUES, "`<<`").is_ok());
        assert_eq!(budget.spend_values(1, "`<<`").unwrap_err().message(), "`<<` exceeds the limit of 80000 values");
        assert!(budget.spend_bytes(8 << 20, "`$A`").is_ok());
        let error = budget.spend_bytes(1, "`$A`").unwrap_err();
        assert_eq!(error.message(), "`$A` exceeds the limit of 8 MiB of text");
    }
}
