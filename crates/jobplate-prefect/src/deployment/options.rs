//! Parses the options that a program is started with.

use std::collections::HashMap;

use jobplate_diagnostic::{Error, Result};
use num_bigint::Sign;

use super::start::Program;
use crate::pyvalue::environ::Resolved;
use crate::pyvalue::number;
use crate::pyvalue::source::{Location, locate};
use crate::pyvalue::string::strip;

/// The library with which a program parses its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionParser {
    /// click and typer: Prefect 1, and Prefect 2 and 3 before 3.6.20.
    Click,
    /// cyclopts: Prefect 3.6.20 and later.
    Cyclopts,
}

/// The options that a program is started with.
#[derive(Debug)]
pub(crate) struct Options {
    parser: OptionParser,
    /// The values of each option, in order.
    values: HashMap<&'static str, Vec<String>>,
    /// The options and switches that are set, each with the name that it was set with. A switch and its opposite are
    /// the same option.
    given: HashMap<&'static str, &'static str>,
}

/// The error for options that a program does not accept: the reason and a hint. `None` if the reason is not known.
type Refusal = Option<(String, String)>;

impl Options {
    /// Parses the words before the command (`global`) and after it (`own`) as options of a program. Errors point to
    /// `location`.
    ///
    /// # Errors
    /// Fails if the program does not accept the words.
    pub(super) fn parse(
        program: &Program,
        parser: OptionParser,
        [global, own]: [&[Resolved]; 2],
        location: &Location,
    ) -> Result<Self> {
        let mut options = Options { parser, values: HashMap::new(), given: HashMap::new() };
        for (words, is_own) in [(global, false), (own, true)] {
            let words: Vec<&str> = words.iter().map(Resolved::as_str).collect();
            options.parse_words(program, &words, is_own).map_err(|refusal| match refusal {
                Some((reason, hint)) => {
                    let error = Error::input(format!("the {} does not start: {reason}", program.name));
                    locate(error.hint(hint), Some(location))
                }
                None => Self::refuse(program, location),
            })?;
        }
        Ok(options)
    }

    /// Returns the error for options that a program does not accept.
    pub(crate) fn refuse(program: &Program, location: &Location) -> Error {
        let start = program.command.join(" ");
        let error = Error::input(format!("unknown option or argument of `{start}`"));
        locate(error.hint(format!("see `{start} --help`")), Some(location))
    }

    /// Parses words. `is_own` is true if they follow the command.
    fn parse_words(&mut self, program: &Program, words: &[&str], is_own: bool) -> std::result::Result<(), Refusal> {
        let is_click = self.parser == OptionParser::Click;
        let is_known = |name: &str| !is_click || !is_own || !program.unknown_to_click.contains(&name);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let ((name, _, is_repeatable), value) = match word.strip_prefix("--") {
                Some("") => return if words.next().is_none() { Ok(()) } else { Err(None) },
                Some(long) => {
                    let (long, value) = long.split_once('=').map_or((long, None), |(long, value)| (long, Some(value)));
                    // cyclopts reads `_` in a name as `-`.
                    let long = if is_click { long.to_owned() } else { long.replace('_', "-") };
                    if !is_known(&long) {
                        return Err(None);
                    }
                    if let Some(switch) = program.switches.iter().find(|switch| **switch == long) {
                        self.set_switch(switch, value)?;
                        continue;
                    }
                    (program.options.iter().find(|(name, ..)| *name == long).ok_or(None)?, value)
                }
                None => {
                    let mut chars = word.strip_prefix('-').ok_or(None)?.chars();
                    let short = chars.next().ok_or(None)?;
                    let value = Some(chars.as_str()).filter(|value| !value.is_empty());
                    // To click, the equals sign after a short option is part of the value.
                    let value = match self.parser {
                        OptionParser::Click => value,
                        OptionParser::Cyclopts => value.map(|value| value.strip_prefix('=').unwrap_or(value)),
                    };
                    (program.options.iter().find(|(_, own, _)| *own == Some(short)).ok_or(None)?, value)
                }
            };
            let next = || {
                let is_option = |word: &&&str| self.parser == OptionParser::Cyclopts && is_option_like(word);
                let hint = format!("write `--{name}=VALUE`");
                let missing = || Some((format!("missing value for `--{name}`"), hint));
                words.next().filter(|word| !is_option(word)).copied().ok_or_else(missing)
            };
            let value = value.map_or_else(next, Ok)?.to_owned();
            if !is_repeatable || self.given.get(name).is_some_and(|before| before != name) {
                self.mark_given(name, name)?;
            }
            self.given.insert(name, name);
            self.values.entry(name).or_default().push(value);
        }
        Ok(())
    }

    /// Sets a switch. cyclopts accepts a value, which can turn the switch off.
    fn set_switch(&mut self, switch: &'static str, value: Option<&str>) -> std::result::Result<(), Refusal> {
        let is_on = match value {
            None => true,
            Some(value) if self.parser == OptionParser::Cyclopts => {
                let invalid = || (format!("`--{switch}` must be true or false"), format!("write `--{switch}`"));
                parse_bool(value).ok_or_else(|| Some(invalid()))?
            }
            Some(_) => return Err(None),
        };
        // `--empty-work-queue=false` has no effect.
        if is_on || !switch.starts_with("empty-") {
            self.mark_given(option_of(switch), switch)?;
        }
        Ok(())
    }

    /// Records that an option was set with a name. Fails if cyclopts found the option before: to click, the last
    /// value counts.
    fn mark_given(&mut self, option: &'static str, name: &'static str) -> std::result::Result<(), Refusal> {
        match self.given.insert(option, name) {
            Some(before) if self.parser == OptionParser::Cyclopts => {
                let reason = match before == name {
                    true => format!("`--{name}` is given twice"),
                    false => format!("`--{before}` cannot be used with `--{name}`"),
                };
                Err(Some((reason, "remove one of them".to_owned())))
            }
            _ => Ok(()),
        }
    }

    /// Returns the last value of the option whose long name is `name`, or `None` if it is not set.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns the values of the option whose long name is `name`, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.values.get(name).into_iter().flatten().map(String::as_str).collect()
    }

    /// Returns whether click turns on the switch whose long name is `switch`. cyclopts can also turn off a switch that is
    /// given.
    pub(crate) fn is_on(&self, switch: &'static str) -> bool {
        self.given.get(option_of(switch)) == Some(&switch)
    }

    /// Parses the integer value of an option. Returns its sign, or `None` if the program does not accept the value.
    pub(crate) fn parse_sign(&self, value: &str) -> Option<Sign> {
        match self.parser {
            OptionParser::Click => number::parse_int(value).map(|integer| integer.sign()),
            OptionParser::Cyclopts => parse_cyclopts_sign(value),
        }
    }

    /// Returns whether `value` names one of `choices`, which are in lower case with dashes.
    pub(crate) fn is_choice(&self, value: &str, choices: &[&str]) -> bool {
        let name = match self.parser {
            OptionParser::Click => value.to_lowercase(),
            OptionParser::Cyclopts => split_words(value).to_lowercase().replace('_', "-").trim_matches('-').to_owned(),
        };
        choices.contains(&name.as_str())
    }
}

/// Returns the option that a switch sets.
fn option_of(switch: &'static str) -> &'static str {
    let name = switch.strip_prefix("no-").unwrap_or(switch);
    name.strip_prefix("empty-").unwrap_or(name)
}

/// Returns whether cyclopts reads a word as an option, not as the value of the option before it. Negative numbers are
/// values. Unlike cyclopts, this function takes imaginary numbers and slices (`-1:2`) for options.
fn is_option_like(word: &str) -> bool {
    word.starts_with('-') && number::parse_float(word).is_none() && parse_cyclopts_sign(word).is_none()
}

/// Returns the sign of an integer that cyclopts parses (`_int` of cyclopts._convert): an integer in base 2, 8, 10 or 16,
/// or a decimal fraction, which is rounded. Returns `None` if cyclopts rejects the text.
fn parse_cyclopts_sign(text: &str) -> Option<Sign> {
    let text = text.to_lowercase();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let sign = if text.starts_with('-') { Sign::Minus } else { Sign::Plus };
    if let Some((digits, radix)) =
        prefixes.iter().find_map(|(prefix, radix)| Some((unsigned.strip_prefix(prefix)?, *radix)))
    {
        let digits = strip(digits);
        let mut groups = digits.strip_prefix('_').unwrap_or(digits).split('_');
        let is_valid = groups.all(|group| !group.is_empty() && group.chars().all(|c| c.is_digit(radix)));
        let is_zero = digits.chars().all(|c| matches!(c, '0' | '_'));
        return is_valid.then_some(if is_zero { Sign::NoSign } else { sign });
    }
    if !text.contains('.') {
        return number::parse_int(&text).map(|integer| integer.sign());
    }
    let rounded = number::parse_float(&text).map(f64::round_ties_even).filter(|rounded| rounded.is_finite())?;
    Some(if rounded == 0.0 { Sign::NoSign } else { sign })
}

/// Parses the value of a switch like cyclopts (`_bool` of cyclopts._convert).
fn parse_bool(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "1" | "true" | "t" => Some(true),
        "no" | "n" | "0" | "false" | "f" => Some(false),
        _ => None,
    }
}

/// Inserts a dash between a lower-case letter and an upper-case letter.
fn split_words(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() && out.ends_with(|before: char| before.is_ascii_lowercase()) {
            out.push('-');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::Generation;
    use crate::pyvalue::source::SourceFile;

    const PROGRAM: Program = Program {
        generation: Generation::Prefect2Or3,
        command: &["prefect", "worker", "start"],
        name: "worker",
        several_error: "",
        missing_error: "",
        other_command_hint: "",
        options: &[
            ("name", Some('n'), false),
            ("pool", Some('p'), false),
            ("work-queue", Some('q'), true),
            ("profile", None, false),
        ],
        switches: &["run-once", "no-run-once", "empty-work-queue", "prompt", "no-prompt"],
        unknown_to_click: &["empty-work-queue", "profile", "prompt", "no-prompt"],
    };

    /// Parses words. Returns the pool, the name and the work queues.
    fn parse(parser: OptionParser, text: &str) -> Option<String> {
        let words: Vec<Resolved> = text.split(' ').map(|word| Resolved::Text(word.to_owned())).collect();
        let location = Location { source: SourceFile::new_manifest("f", ""), span: 0..0 };
        let options = Options::parse(&PROGRAM, parser, [&[], &words], &location).ok()?;
        let [pool, name] = ["pool", "name"].map(|name| options.value(name).unwrap_or_default().to_owned());
        Some(format!("{pool}|{name}|{}", options.values("work-queue").join(",")))
    }

    #[test]
    fn parses_options_like_click_and_cyclopts() {
        // The answers of `prefect worker start` of Prefect 3.6.16 (typer) and 3.8.8 (cyclopts)
        for (text, by_click, by_cyclopts) in [
            ("-p a", Some("a||"), Some("a||")),
            ("-p a --pool b", Some("b||"), None),
            ("-p=x", Some("=x||"), Some("x||")),
            ("-p==x", Some("==x||"), Some("=x||")),
            ("--pool=x -ny", Some("x|y|"), Some("x|y|")),
            ("-p=", Some("=||"), Some("||")),
            ("-p a -n -x", Some("a|-x|"), None),
            ("-p a -n -", Some("a|-|"), None),
            ("-p a -n --", Some("a|--|"), None),
            ("-p a -n -1", Some("a|-1|"), Some("a|-1|")),
            ("-p a -n -1e3", Some("a|-1e3|"), Some("a|-1e3|")),
            ("-p a -n -0x1F", Some("a|-0x1F|"), Some("a|-0x1F|")),
            ("-p a -n -1e", Some("a|-1e|"), None),
            ("-p a -n=-x", Some("a|=-x|"), Some("a|-x|")),
            ("-p a -n-x --run-once", Some("a|-x|"), Some("a|-x|")),
            ("-p a --name=-x", Some("a|-x|"), Some("a|-x|")),
            ("-p a -q x -q y", Some("a||x,y"), Some("a||x,y")),
            ("-p a -q x --empty-work-queue", None, None),
            ("-p a --empty-work-queue -q x", None, None),
            ("-p a --empty-work-queue", None, Some("a||")),
            ("-p a --empty-work-queue=false -q x", None, Some("a||x")),
            ("-p a --work_queue x --run_once", None, Some("a||x")),
            ("-p a --run-once --run-once", Some("a||"), None),
            ("-p a --run-once --no-run-once", Some("a||"), None),
            ("-p a --run-once=T --prompt=No", None, Some("a||")),
            ("-p a --run-once=x", None, None),
            ("-p a --run-once=", None, None),
            ("-p a --prompt", None, Some("a||")),
            ("-p a --profile x", None, Some("a||")),
            ("-p a --", Some("a||"), Some("a||")),
            ("-p a -- x", None, None),
            ("-p a x", None, None),
            ("-p a -5", None, None),
            ("-p a -n", None, None),
        ] {
            assert_eq!(parse(OptionParser::Click, text).as_deref(), by_click, "{text}");
            assert_eq!(parse(OptionParser::Cyclopts, text).as_deref(), by_cyclopts, "{text}");
        }
    }

    #[test]
    fn parses_integers_like_cyclopts() {
        for (text, expected) in [
            ("1.5", Some(Sign::Plus)),
            (" 5 ", Some(Sign::Plus)),
            ("-5", Some(Sign::Minus)),
            ("-0.5", Some(Sign::NoSign)),
            ("-0.51", Some(Sign::Minus)),
            ("1_000.5", Some(Sign::Plus)),
            ("1.5e2", Some(Sign::Plus)),
            ("0X1f", Some(Sign::Plus)),
            ("0x_1", Some(Sign::Plus)),
            ("-0b0", Some(Sign::NoSign)),
            ("0x", None),
            ("0x__1", None),
            ("0b2", None),
            (" 0x1", None),
            ("1e3", None),
            ("1.5.2", None),
            ("1.5E400", None),
            ("nan", None),
            ("", None),
        ] {
            assert_eq!(parse_cyclopts_sign(text), expected, "{text}");
        }
    }
}
