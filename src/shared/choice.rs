//! Parses flags with a fixed set of values and completes the values.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, Command, ValueEnum};
use clap_complete::engine::CompletionCandidate;
use jobplate_diagnostic::{Error, Result};

/// The value of a flag with a fixed set of values. An unknown value is not stored, since it may be secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<E> {
    /// A value of the set.
    Known(E),
    /// Any other value.
    Unknown,
}

impl<E> Choice<E> {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Fails with `message` if the value is unknown.
    pub(crate) fn require(self, message: &str) -> Result<E> {
        match self {
            Choice::Known(value) => Ok(value),
            Choice::Unknown => Err(Error::usage(message)),
        }
    }
}

/// Parses a [`Choice`]. Accepts unknown values, because clap's error message would quote them.
#[derive(Clone)]
pub(crate) struct ChoiceParser<E>(PhantomData<E>);

impl<E> ChoiceParser<E> {
    pub(crate) const fn new() -> Self {
        ChoiceParser(PhantomData)
    }
}

impl<E: ValueEnum + Clone + Send + Sync + 'static> TypedValueParser for ChoiceParser<E> {
    type Value = Choice<E>;

    fn parse_ref(&self, _: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Choice<E>, clap::Error> {
        let known = value.to_str().and_then(|value| E::from_str(value, false).ok());
        Ok(known.map_or(Choice::Unknown, Choice::Known))
    }
}

/// Returns the values of a set as completion candidates.
pub(crate) fn value_candidates<E: ValueEnum>() -> Vec<CompletionCandidate> {
    let values = E::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    values.filter(|value| !value.is_hide_set()).map(|value| CompletionCandidate::new(value.get_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
    enum Size {
        Small,
        #[value(alias = "huge")]
        Large,
        #[value(hide = true)]
        Old,
    }

    #[test]
    fn accepts_an_unknown_value_and_reports_it_without_quoting() {
        let parse = |value: &str| {
            let parser = ChoiceParser::<Size>::new();
            parser
                .parse_ref(&Command::new("x"), None, OsStr::new(value))
                .unwrap()
                .require("`--size` is `small` or `large`")
        };
        assert_eq!(parse("small").unwrap(), Size::Small);
        assert_eq!(parse("huge").unwrap(), Size::Large);
        assert_eq!(parse("old").unwrap(), Size::Old);
        assert_eq!(parse("canary").unwrap_err().message(), "`--size` is `small` or `large`");
    }

    #[test]
    fn completes_visible_values_only() {
        let names: Vec<_> =
            value_candidates::<Size>().iter().map(|candidate| candidate.get_value().to_owned()).collect();
        assert_eq!(names, ["small", "large"]);
    }
}
