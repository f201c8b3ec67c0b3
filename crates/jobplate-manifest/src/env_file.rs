//! Env files, as `kubectl create secret generic --from-env-file` reads them: lines of `KEY=VALUE`, in which quotes
//! stand for themselves. Knows neither files nor the environment.
//!
//! Two things are refused that kubectl passes over: it gives a key that is nowhere set an empty value (the caller's
//! part), and stops without a word at a line of 64 KiB, which here is read like any other.

use super::names::{self, ValidationError};

/// A line that names a key.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvFileLine<'t> {
    /// Its number, from 1.
    pub number: usize,
    /// What stands before the `=`.
    pub key: &'t str,
    /// What stands behind it; none where there is no `=`: the environment has the value.
    pub value: Option<&'t str>,
}

/// The lines that name keys.
///
/// # Errors
/// Fails at the first invalid line, with its number. The fault names no key: the line may be one of a value that was
/// broken into several.
pub fn parse(bytes: &[u8]) -> Result<Vec<EnvFileLine<'_>>, (usize, ValidationError)> {
    let mut found = Vec::new();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = at + 1;
        let line = std::str::from_utf8(line).map_err(|_| (number, ValidationError::new("this line is not UTF-8")))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        check_key(key).map_err(|fault| (number, fault))?;
        found.push(EnvFileLine { number, key, value });
    }
    Ok(found)
}

fn check_key(key: &str) -> Result<(), ValidationError> {
    if !key.starts_with(|c: char| c.is_ascii_digit()) && names::check_data_key(key).is_ok() {
        return Ok(());
    }
    let fault = ValidationError::new("this line does not begin with a name that a variable can have");
    Err(if key.starts_with("export ") {
        fault.hint("as kubectl has it, a line is KEY=VALUE without `export`; sed 's/^export //' takes it off")
    } else if key.ends_with(char::is_whitespace) {
        fault.hint("as kubectl has it, no blank stands before the `=`")
    } else {
        fault.hint("a line is KEY=VALUE; for a value of several lines use --from-file KEY=PATH")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, &str, Option<&str>)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|line| (line.number, line.key, line.value)).collect()
    }

    #[test]
    fn lines_are_kubectls() {
        assert_eq!(read(""), []);
        assert_eq!(read("\n \n\t# A=1\n"), []);
        assert_eq!(read("\u{feff}A=1\n"), [(1, "A", Some("1"))]);
        assert_eq!(
            read("A=\"1\" # x \r\n  B==\n\nC=\nD"),
            [(1, "A", Some("\"1\" # x ")), (2, "B", Some("=")), (4, "C", Some("")), (5, "D", None),]
        );
        assert_eq!(read("\u{85}\u{2003}A=1\r\r\n.b-C_1= x"), [(1, "A", Some("1\r")), (2, ".b-C_1", Some(" x"))]);
    }

    #[test]
    fn a_fault_has_its_line_and_no_key() {
        for (text, line, said) in [
            ("A=1\nexport canary=1", 2, "without `export`"),
            ("canary =1", 1, "no blank"),
            ("=canary", 1, "does not begin with a name"),
            ("\n\n1canary=1", 3, "does not begin with a name"),
            ("canary/+a==", 1, "--from-file"),
            ("..canary=1", 1, "does not begin with a name"),
            ("A=1\n\u{feff}B=1", 2, "does not begin with a name"),
        ] {
            let (number, fault) = parse(text.as_bytes()).unwrap_err();
            let fault = fault.to_string();
            assert!(number == line && fault.contains(said) && !fault.contains("canary"), "{text:?}: {number} {fault}");
        }
        assert_eq!(parse(b"A=1\nB=\xff\n").unwrap_err().0, 2);
    }
}
