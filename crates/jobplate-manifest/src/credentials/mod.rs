//! Decides which literals are credentials: by the name of their variable or key, and by their shape. The only table of
//! such names and shapes: the refusal of `--env`, the masker, previews and conversions use it.
//!
//! | file | decides |
//! |---|---|
//! | `names` | which names of variables and keys look secret |
//! | `words` | which words a name has |
//! | `values` | which values are not credentials although their name looks secret |
//! | `tokens` | which parts of a string have the shape of a token or a private key |
//! | `urls` | which part of a URL is a password |
//! | `assignments` | which parts of a string are values of assignments with a secret-looking name |
//! | `command_line` | which words of a command line are credentials |
//! | `byte_pairs` | at which positions of a string a secret-looking word may start |

mod assignments;
mod byte_pairs;
mod command_line;
mod names;
mod tokens;
mod urls;
mod values;
mod words;

use std::ops::Range;

use self::assignments::{find_argument, find_assigned, find_secret_sections};
pub use self::command_line::CommandLineReader;
use self::command_line::find_flags;
pub use self::names::{PREFECT_SECRET_PREFIX, is_password_name, is_plain_key_name, is_secret_name};
use self::tokens::{find_private_keys, find_tokens};
use self::urls::find_url_passwords;
pub use self::values::{AUTHORIZATION_SCHEMES, is_benign_value, is_name, is_placeholder};

/// The minimum length of a string with a credential in it, in bytes.
const MIN_LENGTH: usize = 5;

/// The minimum length of a string with a token or a private key in it, in bytes.
const MIN_TOKEN_LENGTH: usize = 10;

/// Returns whether the literal `value` of the variable `name` is a credential.
///
/// ```
/// use jobplate_manifest::credentials::is_credential;
///
/// assert!(is_credential("DB_PASSWORD", "hunter2"));
/// assert!(is_credential("DB_URL", "postgres://etl:hunter2@db/flows"));
/// assert!(!is_credential("DB_PASSWORD", "$(PASSWORD)"));
/// assert!(!is_credential("TOKEN_FILE", "/var/run/token"));
/// ```
pub fn is_credential(name: &str, value: &str) -> bool {
    is_secret_name(name) && !is_benign_value(name, value) || !find_credentials(value).is_empty()
}

/// Returns the byte ranges of credentials in `text`, in ascending order and without overlaps.
///
/// ```
/// use jobplate_manifest::credentials::find_credentials;
///
/// assert_eq!(find_credentials("postgres://etl:hunter2@db/flows"), [15..22]);
/// assert_eq!(find_credentials("git clone https://github.com/a/b"), []);
/// ```
pub fn find_credentials(text: &str) -> Vec<Range<usize>> {
    add_assigned_credentials(text, find_shaped_credentials(text))
}

/// Adds the values of assignments and flags with a secret-looking name to `shaped`, the result of
/// [`find_shaped_credentials`]. Returns the same as [`find_credentials`].
pub fn add_assigned_credentials(text: &str, shaped: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut found = shaped;
    if text.len() >= MIN_LENGTH {
        find_assigned(text, &mut found);
        find_secret_sections(text, &mut found);
        find_argument(text, &mut found);
        find_flags(text, &mut found);
    }
    finish(found)
}

/// Returns the byte ranges in `text` that have the shape of a credential, regardless of the name beside them: tokens,
/// private keys and passwords of URLs. The ranges are in ascending order and do not overlap.
///
/// ```
/// use jobplate_manifest::credentials::find_shaped_credentials;
///
/// assert_eq!(find_shaped_credentials("postgres://etl:hunter2@db/flows"), [15..22]);
/// assert_eq!(find_shaped_credentials("password=hunter2"), []);
/// ```
pub fn find_shaped_credentials(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if text.len() >= MIN_TOKEN_LENGTH {
        find_private_keys(text, &mut found);
        find_tokens(text, &mut found);
    }
    if text.len() >= MIN_LENGTH {
        find_url_passwords(text, &mut found);
    }
    finish(found)
}

fn finish(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.retain(|range| !range.is_empty());
    merge_ranges(found)
}

/// Sorts byte ranges, and merges those that overlap or touch.
pub fn merge_ranges(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, kept| {
        let overlaps = next.start <= kept.end;
        if overlaps {
            kept.end = kept.end.max(next.end);
        }
        overlaps
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_linear_time() {
        for part in [
            "a:@",
            "a=",
            "[secrets]\na = 1\n",
            "TOKEN = \"\"\"",
            "://:",
            "token: ",
            "auth: ",
            "auth: a ",
            "TOKEN=a'b ",
            "x TOKEN=a\\\"b ",
            "--token a\\\\\"b ",
            "--token a\\\\\"b\\\"c\"d ",
            "TOKEN=\"a\\\" ",
            "TOKEN=x,",
            "--token ",
            "--token '",
            "--token \\\"",
            "--token 'a b' ",
            "\"a://b:c ",
            "a://b:c\" ",
            "a://b:c d@e ",
            "ey-",
            "1Q~",
            "ghp_ ",
            "-----BEGIN ",
            "--toke",
            "\"",
            "hooks.slack.com/services/",
            "mc set a -u b:c; curl -p ",
        ] {
            println!("{part:?}");
            jobplate_growth::assert_linear(
                400_000,
                |length| part.repeat(length / part.len()),
                |text| drop(find_credentials(text)),
            );
        }
    }
}
