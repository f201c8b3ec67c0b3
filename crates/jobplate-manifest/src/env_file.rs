//! Parses env files like `kubectl create secret generic --from-env-file`: lines of `KEY=VALUE`, in which quotes are
//! part of the value.
//!
//! There are two differences from kubectl. If a key has no value and is not set in the environment, kubectl uses an
//! empty value, but the caller of this module fails. kubectl silently stops at a line of 64 KiB, but this module does
//! not limit the length of a line.

use super::names::{self, ValidationError};

/// A line with a key.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvFileLine<'t> {
    /// The 1-based line number.
    pub number: usize,
    /// The part before the `=`.
    pub key: &'t str,
    /// The part after the `=`, or `None` for a line without `=`, whose value the caller takes from the environment.
    pub value: Option<&'t str>,
}

/// Parses an env file into its lines with keys.
///
/// # Errors
/// Returns the 1-based number of the first invalid line, and an error that does not contain the key, because the line
/// may be part of a multi-line value.
pub fn parse(bytes: &[u8]) -> Result<Vec<EnvFileLine<'_>>, (usize, ValidationError)> {
    let mut lines = Vec::new();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        let line = std::str::from_utf8(line).map_err(|_| (number, ValidationError::new("the line is not UTF-8")))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        check_key(key).map_err(|error| (number, error))?;
        lines.push(EnvFileLine { number, key, value });
    }
    Ok(lines)
}

fn check_key(key: &str) -> Result<(), ValidationError> {
    if !key.starts_with(|c: char| c.is_ascii_digit()) && names::check_data_key(key).is_ok() {
        return Ok(());
    }
    let error = ValidationError::new("the line does not begin with a valid variable name");
    Err(if key.starts_with("export ") {
        error.hint("use KEY=VALUE without `export`, as in kubectl; `sed 's/^export //'` removes it")
    } else if key.ends_with(char::is_whitespace) {
        error.hint("remove the blank before the `=`")
    } else {
        error.hint("use KEY=VALUE, or --from-file NAME=PATH for a value with several lines")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, &str, Option<&str>)> {
        parse(text.as_bytes()).unwrap().into_iter().map(|line| (line.number, line.key, line.value)).collect()
    }

    #[test]
    fn parses_lines_like_kubectl() {
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
    fn an_error_has_its_line_and_no_key() {
        for (text, line, expected) in [
            ("A=1\nexport canary=1", 2, "without `export`"),
            ("canary =1", 1, "remove the blank"),
            ("=canary", 1, "does not begin with a valid variable name"),
            ("\n\n1canary=1", 3, "does not begin with a valid variable name"),
            ("canary/+a==", 1, "--from-file"),
            ("..canary=1", 1, "does not begin with a valid variable name"),
            ("A=1\n\u{feff}B=1", 2, "does not begin with a valid variable name"),
        ] {
            let (number, error) = parse(text.as_bytes()).unwrap_err();
            let error = error.to_string();
            assert!(
                number == line && error.contains(expected) && !error.contains("canary"),
                "{text:?}: {number} {error}"
            );
        }
        assert_eq!(parse(b"A=1\nB=\xff\n").unwrap_err().0, 2);
    }
}
