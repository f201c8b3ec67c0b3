//! Decides which names of variables and keys look secret.

use super::byte_pairs::BytePairs;
use super::words::{Word, split_words};

/// The prefix of the variables that hold Prefect 1 secrets.
pub const PREFECT_SECRET_PREFIX: &str = "PREFECT__CONTEXT__SECRETS__";

/// The words that make a name secret in any position, also in the plural.
const SECRET_WORDS: [&str; 10] =
    ["PASSWORD", "PASSWD", "PWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "SALT", "DSN"];

/// The endings of words that make a name secret, also in the plural: `GITHUBTOKEN`.
const SECRET_ENDINGS: [&str; 9] =
    ["PASSWORD", "PASSWD", "PWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "CREDENTIAL", "DSN"];

/// The ends of names whose values are passwords.
const PASSWORD_ENDINGS: [&str; 4] = ["PASSWORD", "PASSWD", "PWD", "PASSPHRASE"];

/// The words that make a name secret only at its end.
const SECRET_LAST_WORDS: [&str; 5] = ["PW", "CREDS", "AUTHORIZATION", "COOKIE", "PAT"];

/// The words before `TOKENS` in names of settings of language models and web servers.
const BENIGN_TOKENS: [&str; 16] = [
    "ADDED",
    "COMPLETION",
    "CONTEXT",
    "EXTRA",
    "INPUT",
    "MAX",
    "MIN",
    "NEW",
    "NUM",
    "OUTPUT",
    "PROMPT",
    "SERVER",
    "SPECIAL",
    "STOP",
    "TOTAL",
    "USED",
];

/// The pairs of adjacent words that make a name secret in any position, also if the second word is in the plural.
const SECRET_PAIRS: [(&str, &str); 10] = [
    ("ACCOUNT", "KEY"),
    ("API", "KEY"),
    ("AUTH", "KEY"),
    ("PRIVATE", "KEY"),
    ("ACCESS", "KEY"),
    ("CONNECTION", "STRING"),
    ("CUSTOM", "HEADERS"),
    ("AUTH", "STRING"),
    ("BASIC", "AUTH"),
    ("WEBHOOK", "URL"),
];

/// The last words of names whose values only describe or locate a secret.
const BENIGN_LAST_WORDS: [&str; 67] = [
    "AGE",
    "ALGORITHM",
    "AUDIENCE",
    "BACKEND",
    "CLAIM",
    "COUNT",
    "DAYS",
    "DIR",
    "DIRECTORY",
    "DIRS",
    "DISABLED",
    "ENABLED",
    "ENDPOINT",
    "EXPIRATION",
    "EXPIRE",
    "EXPIRES",
    "EXPIRY",
    "FIELD",
    "FILE",
    "FILENAME",
    "FILES",
    "FOLDER",
    "FORMAT",
    "HOST",
    "HOSTNAME",
    "HOURS",
    "ID",
    "IDS",
    "INTERVAL",
    "ISSUER",
    "KIND",
    "LENGTH",
    "LIFETIME",
    "LIMIT",
    "LOCATION",
    "MANAGER",
    "MINUTES",
    "MODE",
    "NAME",
    "NAMES",
    "NAMESPACE",
    "PATH",
    "PATHS",
    "PATTERN",
    "POLICY",
    "PORT",
    "PROVIDER",
    "REALM",
    "REF",
    "REGEX",
    "REGEXP",
    "REQUIRED",
    "ROTATION",
    "SCOPE",
    "SCOPES",
    "SECONDS",
    "SIZE",
    "STDIN",
    "STORE",
    "STRATEGY",
    "TIMEOUT",
    "TTL",
    "TYPE",
    "URI",
    "URL",
    "USERNAME",
    "VERSION",
];

/// The last words of names whose values may be names of Secrets, also in the plural.
const PULL_SECRET: (&str, &str) = ("PULL", "SECRET");

/// The words before `_KEY` in names of keys that are not secrets.
const BENIGN_KEYS: [&str; 14] = [
    "ANNOTATION",
    "CACHE",
    "CONFIG",
    "FOREIGN",
    "GROUP",
    "HASH",
    "INDEX",
    "LABEL",
    "OBJECT",
    "PARTITION",
    "PRIMARY",
    "PUBLIC",
    "ROUTING",
    "SORT",
];

/// Parts of names, at least one of which is in each secret name. Other names are not split into words.
const SECRET_PARTS: [&str; 14] =
    ["AUTH", "COOKIE", "CRED", "DSN", "HEADER", "KEY", "PASS", "PAT", "PW", "SALT", "SECRET", "STRING", "TOKEN", "URL"];

/// The starts of [`SECRET_PARTS`], in capitals and in small letters.
static PART_STARTS: BytePairs = {
    let mut starts = BytePairs::new();
    let mut index = 0;
    while index < SECRET_PARTS.len() {
        let part = SECRET_PARTS[index].as_bytes();
        starts.insert(part[0], part[1]);
        starts.insert(part[0].to_ascii_lowercase(), part[1]);
        index += 1;
    }
    starts
};

/// Returns whether the name of a variable or key suggests that its value is a secret.
///
/// ```
/// use jobplate_manifest::credentials::is_secret_name;
///
/// assert!(is_secret_name("db_password_2"));
/// assert!(!is_secret_name("TOKEN_FILE"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    if has_prefect_secret_prefix(name) {
        return true;
    }
    if !has_secret_part(name) {
        return false;
    }
    let words = split_words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let is_pair = |pair: &[Word<'_>], (first, second): (&str, &str)| pair[0].is(first) && pair[1].singular().is(second);
    let has_webhook = words.len() > 1 && is_pair(&words[words.len() - 2..], ("WEBHOOK", "URL"));
    if !has_webhook && BENIGN_LAST_WORDS.iter().any(|word| last.is(word)) {
        return false;
    }
    let is_secret_word = |(at, word): (usize, &Word<'_>)| {
        let singular = word.singular();
        // Many names of settings contain `TOKENS`.
        let is_benign = word.ends_with("TOKENS")
            && (at + 1 < words.len()
                || before.last().is_some_and(|word| BENIGN_TOKENS.iter().any(|name| word.is(name))));
        !is_benign
            && (SECRET_WORDS.iter().any(|secret| singular.is(secret))
                || SECRET_ENDINGS.iter().any(|ending| singular.ends_with(ending)))
    };
    // A camel-case name such as `topologyKey` usually names the key of a mapping.
    let is_key = last.is("KEY")
        && last.follows_separator
        && before.last().is_some_and(|previous| !BENIGN_KEYS.iter().any(|word| previous.is(word)));
    is_key
        || last.is_pass()
        || words.iter().enumerate().any(is_secret_word)
        || SECRET_LAST_WORDS.iter().any(|word| last.is(word))
        || words.windows(2).any(|pair| SECRET_PAIRS.iter().any(|expected| is_pair(pair, *expected)))
}

/// Returns whether a name says that its value is a password: `DB_PASSWORD`, but not `DB_SECRET`, which may also be the name
/// of a Secret. An access key counts as a password.
pub fn is_password_name(name: &str) -> bool {
    let words = split_words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let is_access_key = last.is("KEY") && before.last().is_some_and(|word| word.is("ACCESS"));
    last.is_pass()
        || last.is("PW")
        || is_access_key
        || PASSWORD_ENDINGS.iter().any(|ending| last.singular().ends_with(ending))
}

/// Returns whether a name is that of a key of unknown kind: `GROUPING_KEY`, but not `API_KEY`. Such a key may be a secret,
/// or a key of a mapping.
pub fn is_plain_key_name(name: &str) -> bool {
    let words = split_words(name);
    let Some((last, before)) = words.split_last() else { return false };
    let is_pair = |previous: &Word<'_>| SECRET_PAIRS.iter().any(|(first, _)| previous.is(first));
    let is_secret = |word: &Word<'_>| SECRET_WORDS.iter().any(|secret| word.singular().is(secret));
    last.singular().is("KEY") && !before.last().is_some_and(is_pair) && !before.iter().any(is_secret)
}

/// Returns whether a name ends with [`PULL_SECRET`]. Its value is usually the names of Secrets with the credentials of a
/// registry, as in `IMAGE_PULL_SECRETS` of an agent of Prefect 1.
pub(super) fn is_pull_secret_name(name: &str) -> bool {
    let words = split_words(name);
    matches!(words.as_slice(), [.., first, last] if first.is(PULL_SECRET.0) && last.singular().is(PULL_SECRET.1))
}

/// Returns whether a name contains one of [`SECRET_PARTS`], in any case.
fn has_secret_part(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_at = |at: usize, part: &str| {
        bytes.get(at..at + part.len()).is_some_and(|found| found.eq_ignore_ascii_case(part.as_bytes()))
    };
    let mut starts = (0..bytes.len()).filter(|at| PART_STARTS.may_be_at(bytes, *at));
    starts.any(|at| SECRET_PARTS.iter().any(|part| is_at(at, part)))
}

/// Returns whether a name begins with [`PREFECT_SECRET_PREFIX`], in any case.
pub(super) fn has_prefect_secret_prefix(name: &str) -> bool {
    let start = name.get(..PREFECT_SECRET_PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFECT_SECRET_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_names_of_secrets() {
        for name in [
            "TOKEN",
            "github_token",
            "githubToken",
            "DB_PASSWORD",
            "DB_PASSWORD_2",
            "DB_PASS",
            "DBPASS",
            "MYSQLPWD",
            "DB_PASSWORDS",
            "GITHUB_TOKENS",
            "githubTokens",
            "API_KEYS",
            "SLACK_WEBHOOK_URLS",
            "PASSWORD_FOR_DB",
            "X_PASSWD",
            "MYSQL_PWD",
            "API_KEY",
            "apiKey",
            "AWS_SECRET_ACCESS_KEY",
            "SSH_PRIVATE_KEY_PEM",
            "ENCRYPTION_KEY",
            "CLIENTSECRET",
            "AWS_CREDENTIALS",
            "PASSWORD_SALT",
            "SENTRY_DSN",
            "AZURE_STORAGE_CONNECTION_STRING",
            "SLACK_WEBHOOK_URL",
            "PREFECT_API_AUTH_STRING",
            "X-Auth-Token",
            "Authorization",
            "PREFECT__CONTEXT__SECRETS__DB_NAME",
            "prefect__context__secrets__a",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn recognizes_names_of_passwords() {
        assert!(["dbPassword", "DB_PASS", "DB_PW", "AWS_SECRET_ACCESS_KEY"].into_iter().all(is_password_name));
        assert!(!["TOKEN", "DB_SECRET", "PASSWORD_FILE", "COMPASS"].into_iter().any(is_password_name));
    }

    #[test]
    fn recognizes_names_of_keys() {
        assert!(["GROUPING_KEY", "TEST_KEY1", "ssh-key"].into_iter().all(is_plain_key_name));
        assert!(!["API_KEY", "SECRET_KEY", "ACCESS_KEYS", "TOKEN"].into_iter().any(is_plain_key_name));
    }

    #[test]
    fn every_word_of_a_secret_name_has_a_secret_part() {
        let words = SECRET_WORDS.iter().chain(&SECRET_ENDINGS).chain(&SECRET_LAST_WORDS).chain(&["PASS", "KEY"]);
        for word in words {
            assert!(has_secret_part(&word.to_ascii_lowercase()) && has_secret_part(&format!("2{word}")), "{word}");
        }
        for (first, second) in SECRET_PAIRS {
            assert!(has_secret_part(&format!("{first}_{second}")), "{first}_{second}");
        }
        assert!(!has_secret_part("SETTING_1_PA"));
    }

    #[test]
    fn passes_names_that_only_locate_or_describe_a_secret() {
        for name in [
            "",
            "2",
            "TOKEN_FILE",
            "passwordPattern",
            "PASSWORD_PATH",
            "SECRETS_DIR",
            "SECRET_NAME",
            "secretName",
            "secretKeyRef",
            "TOKEN_URL",
            "JWKS_KEYS_URL",
            "AWS_ACCESS_KEY_ID",
            "BASIC_AUTH_USERNAME",
            "basic-auth-realm",
            "TOKEN_TTL",
            "TOKEN_AUDIENCE",
            "SECRETS_BACKEND",
            "tokenExpirationSeconds",
            "server-tokens",
            "MAX_TOKENS",
            "maxTokens",
            "TOKENS_PER_MINUTE",
            "TOKENIZERS_PARALLELISM",
            "PASSPORT_COUNTRY",
            "COMPASS",
            "KEYBOARD",
            "SORT_KEYS",
            "MONKEY",
            "KEY",
            "PUBLIC_KEY",
            "topologyKey",
            "BYPASS",
            "TZ",
            "PREFECT__CLOUD__API",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
