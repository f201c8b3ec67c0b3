//! Decides how a flag with a fixed set of values reads them, and offers them for completion.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, Command, ValueEnum};
use clap_complete::engine::CompletionCandidate;
use jobplate_diagnostic::{Error, Result};

/// A value of a flag: one of the set, or another one, which is not kept, since it may be secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<E> {
    /// One of the set.
    Known(E),
    /// Another one.
    Unknown,
}

impl<E> Choice<E> {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Fails with the message if the value is none of the set.
    pub(crate) fn require(self, message: &str) -> Result<E> {
        match self {
            Choice::Known(value) => Ok(value),
            Choice::Unknown => Err(Error::usage(message)),
        }
    }
}

/// Reads a [`Choice`]. It refuses nothing: clap's message would quote the value.
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

/// Lists the values of a set for completion.
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
    fn a_value_outside_of_the_set_is_no_error_of_claps() {
        let read = |value: &str| {
            let parser = ChoiceParser::<Size>::new();
            parser
                .parse_ref(&Command::new("x"), None, OsStr::new(value))
                .unwrap()
                .require("`--size` is `small` or `large`")
        };
        assert_eq!(read("small").unwrap(), Size::Small);
        assert_eq!(read("huge").unwrap(), Size::Large);
        assert_eq!(read("old").unwrap(), Size::Old);
        assert_eq!(read("canary").unwrap_err().message(), "`--size` is `small` or `large`");
    }

    #[test]
    fn hidden_values_are_not_offered() {
        let names: Vec<_> = value_candidates::<Size>().iter().map(|own| own.get_value().to_owned()).collect();
        assert_eq!(names, ["small", "large"]);
    }
}
