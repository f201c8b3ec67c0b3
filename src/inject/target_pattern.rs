//! Parses the patterns of a target: the kind, the name and the key of objects, and the names of containers.

use jobplate_manifest::embedded::{CONFIG_MAP, is_config_map_keyword};
use jobplate_manifest::names::ValidationError;
use jobplate_manifest::select::{ContainerChoice, Glob, Target};

/// The maximum length of a pattern in bytes. The names of objects and keys have at most 253 characters, and the
/// matching of patterns recurses.
const MAX_PATTERN_LENGTH: usize = 1024;

/// Parses a target from its parts. Each part is a glob.
///
/// # Errors
///
/// Fails if a part is not a valid pattern, or if `key` is set and `kind` is not a ConfigMap.
pub fn parse_target(
    kind: &str,
    name: Option<&str>,
    key: Option<&str>,
    container: Option<&str>,
) -> Result<Target, ValidationError> {
    let is_invalid = |part: &&str| part.contains(|c: char| c == '=' || c == ',' || c.is_whitespace());
    if [Some(kind), name, key].into_iter().flatten().any(|part| is_invalid(&part)) {
        // The message does not contain the value, which may be a secret that was passed to the wrong flag.
        return Err(ValidationError::new("invalid target".to_owned())
            .hint("use KIND, KIND/NAME or ConfigMap/NAME:KEY, one for each flag"));
    }
    let kind = match key {
        _ if is_config_map_keyword(kind) => CONFIG_MAP,
        None => kind,
        Some(_) => {
            return Err(ValidationError::new("only a ConfigMap can have a key".to_owned())
                .hint("use ConfigMap/NAME:KEY, or remove the key"));
        }
    };
    Ok(Target {
        kind: parse_glob("kind", kind, true)?,
        name: name.map(|name| parse_glob("name", name, false)).transpose()?,
        key: key.map(|key| parse_glob("key", key, false)).transpose()?,
        containers: container
            .map(|name| Ok(ContainerChoice::Named(vec![parse_glob("container", name, false)?])))
            .transpose()?,
    })
}

/// Parses a glob. Ignores case if `any_case` is true. `subject` names the glob in errors.
///
/// # Errors
///
/// Fails if the pattern is empty, contains whitespace, or is not a valid glob.
pub fn parse_glob(subject: &str, pattern: &str, any_case: bool) -> Result<Glob, ValidationError> {
    if pattern.is_empty() {
        return Err(ValidationError::new(format!("missing {subject}")));
    }
    if pattern.len() > MAX_PATTERN_LENGTH {
        return Err(ValidationError::new(format!("the {subject} has more than {MAX_PATTERN_LENGTH} bytes")));
    }
    if pattern.contains(char::is_whitespace) {
        return Err(ValidationError::new(format!("the {subject} contains whitespace"))
            .hint("write a flag and its value as two arguments, or as FLAG=VALUE"));
    }
    if pattern.contains(',') {
        return Err(ValidationError::new(format!("the {subject} contains a comma")).hint("write each name separately"));
    }
    Glob::new(pattern, any_case)
        .map_err(|error| ValidationError::new(format!("invalid pattern for the {subject}: {}", error.msg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_long_patterns() {
        let stars = |count| parse_glob("name", &"*a".repeat(count), false);
        assert!(stars(MAX_PATTERN_LENGTH / 2).is_ok_and(|glob| glob.matches(&"a".repeat(1000))));
        assert!(stars(MAX_PATTERN_LENGTH).is_err());
    }
}
