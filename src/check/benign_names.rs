//! Decides which values are not secrets because of what their names say, although a word of the name looks secret.

use jobplate_manifest::credentials::is_name;
use jobplate_manifest::names::check_data_key;

/// The last words of names whose values describe a secret, such as `SECRET_HASH`.
const DESCRIPTIONS: [&str; 15] = [
    "alg",
    "algorithm",
    "annotation",
    "checksum",
    "connector",
    "deprecated",
    "encryption",
    "flow",
    "hash",
    "source",
    "template",
    "time",
    "types",
    "users",
    "volume",
];

/// The ends of names whose values are keys of a Secret, such as `tokenKey`, in lower case and without separators.
const KEYS_OF_SECRETS: [&str; 7] =
    ["accesskeykey", "passphrasekey", "passwordkey", "passwordsecretkey", "secretkeykey", "tokenkey", "tokensecretkey"];

/// The ends of names whose values are names of Secrets, such as `GITHUB_TOKEN_SECRET`.
const NAMES_OF_SECRETS: [&str; 7] =
    ["kubesecret", "passwordsecret", "secrets", "sshkey", "sshsecret", "tlssecret", "tokensecret"];

/// The ends of names whose values are keys of something else than a lock.
const OTHER_KEYS: [&str; 9] =
    ["messagekey", "metadatakey", "mykey", "pathkey", "projectkey", "taintkey", "taintskey", "timekey", "topologykey"];

/// The maximum length of a word in a name, in bytes.
const MAX_WORD_LENGTH: usize = 20;

/// Returns whether a value is not a secret because of its name: the name of a Secret or of a key of one, or a setting
/// about a secret.
pub(super) fn names_no_secret(name: &str, value: &str) -> bool {
    let is_lower = || value.bytes().all(|byte| !byte.is_ascii_uppercase());
    let is_name_of_key = || check_data_key(value).is_ok() && (is_lower() || value.contains('-'));
    let compact: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let ends_with = |ends: &[&str]| ends.iter().any(|end| compact.ends_with(end));
    name.starts_with("checksum/")
        || name.contains("agent-inject-file-")
        || DESCRIPTIONS.contains(&last_word(name).as_str())
        || ends_with(&OTHER_KEYS)
        || ends_with(&KEYS_OF_SECRETS) && is_name_of_key()
        || ends_with(&NAMES_OF_SECRETS) && is_name(value) && is_lower()
}

/// Returns the last word of a name in lower case. Words are separated by capitals, `_`, `-`, `.` or `/`.
fn last_word(name: &str) -> String {
    let is_lower = |byte: u8| byte.is_ascii_lowercase();
    let bytes = name.as_bytes();
    let starts_word = |at: &usize| {
        let (byte, previous) = (bytes[*at], bytes[at - 1]);
        b"_-./".contains(&previous) || byte.is_ascii_uppercase() && is_lower(previous)
    };
    let start = (1..bytes.len()).rev().find(starts_word).unwrap_or_default();
    String::from_utf8_lossy(&bytes[start..]).to_ascii_lowercase()
}

/// Returns whether a value consists of words, as a name does: letters of the same case, and numbers.
pub(super) fn are_words(value: &str) -> bool {
    let is_word = |word: &str| {
        let rest = if word.starts_with(|c: char| c.is_ascii_uppercase()) { &word[1..] } else { word };
        word.len() <= MAX_WORD_LENGTH
            && (word.bytes().all(|byte| byte.is_ascii_digit())
                || word.bytes().all(|byte| byte.is_ascii_uppercase())
                || rest.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    value.contains(|c: char| c.is_ascii_alphabetic())
        && value.split([' ', '-', '_', '.', '/', '=', ':', '?']).all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_names_of_settings() {
        for (name, value) in [
            ("SECRET_HASH", "5f4dcc3b5aa765d61d8327deb882cf99"),
            ("checksum/token-secret", "0123456789abcdef"),
            ("passwordConnector", "local"),
            ("client.secret.creation.time", "1700000000000"),
            ("TAINT_KEY", "example.com/gpu"),
            ("tokenKey", "github-token"),
            ("tokenKey", "test-tokenKey-1"),
            ("--powervs-ssh-key", "k8s-sshkey"),
            ("vault.example.com/agent-inject-file-apikeys", "apikeys.json"),
            ("basic.auth.credentials.source", "USER_INFO"),
            ("http-password-secret-key", "token"),
            ("GITHUB_TOKEN_SECRET_KEY", "token"),
            ("GITHUB_TOKEN_SECRET", "github-token"),
            ("default-tls-secret", "web-tls"),
            ("JENKINS_SECRETS", "jenkins"),
        ] {
            assert!(names_no_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("DB_PASSWORD", "hunter2"),
            ("CLIENT_SECRET", "hunter2"),
            ("SECRET_KEY", "hunter2"),
            ("API_KEY", "hunter2"),
            ("tokenKey", "Hunter2!"),
            ("GITHUB_TOKEN_SECRET", "Hunter2"),
            ("ENCRYPTION_KEY", "hunter2"),
            ("TIME_TOKEN", "hunter2"),
        ] {
            assert!(!names_no_secret(name, value), "{name}={value}");
        }
    }
}
