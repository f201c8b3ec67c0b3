//! Decides which literals with secret-looking names are probably settings: addresses, the names of other Secrets, and
//! references that another program resolves. Only `check` asks: the masker hides such values, because they may be secrets.

use jobplate_manifest::credentials::{is_name, is_placeholder};

/// The schemes of addresses.
const ADDRESS_SCHEMES: [&str; 6] = ["http", "https", "ws", "wss", "grpc", "tcp"];

/// The schemes of references to the environment and to files.
const REFERENCE_SCHEMES: [&str; 2] = ["env://", "file://"];

/// The name of a cluster of etcd, in a flag or a variable.
const CLUSTER_TOKENS: [&str; 2] = ["--initial-cluster-token", "ETCD_INITIAL_CLUSTER_TOKEN"];

/// Returns whether a value with a secret-looking name is probably a setting. The values that are benign for the masker
/// too are not examined.
pub(super) fn is_probably_setting(name: &str, value: &str) -> bool {
    let value = value.trim();
    CLUSTER_TOKENS.contains(&name)
        || names_header(name, value)
        || is_address(name, value)
        || REFERENCE_SCHEMES.iter().any(|scheme| value.starts_with(scheme))
        || is_variable(value)
        || [name, name.trim_end_matches('s')].iter().any(|name| is_secret_reference(name, value))
}

/// Returns whether a value, in quotes or not, is a variable of a shell, as in `TOKEN="$DB_TOKEN"` and `Bearer $TOKEN`.
pub(super) fn is_variable(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    is_shell_variable(value) || is_prefixed_variable(value)
}

/// Returns whether a setting such as `API_KEY_HEADER` has the name of a header, and not its value.
fn names_header(name: &str, value: &str) -> bool {
    let is_header_name = value == "Authorization"
        || value.contains('-') && value.split('-').all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
    name.to_ascii_lowercase().ends_with("header")
        && is_header_name
        && value.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// Returns whether `value` is a variable of a shell after the scheme of the header `Authorization`, or after a user.
fn is_prefixed_variable(value: &str) -> bool {
    let rest = ["Bearer ", "Basic ", "Token "].iter().find_map(|scheme| value.strip_prefix(scheme));
    rest.is_some_and(|rest| is_shell_variable(rest) || is_placeholder(rest))
}

/// Returns whether `value` is the URL of a server, without a user or a query. The URL of a webhook is a credential.
fn is_address(name: &str, value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._~/:".contains(&byte);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_random = |part: &str| part.len() > 20 || part.len() > 8 && part.contains(|c: char| c.is_ascii_digit());
    ADDRESS_SCHEMES.contains(&scheme)
        && rest.bytes().all(is_part)
        && !host.is_empty()
        && !path.split('/').any(is_random)
        && (is_local(host) || !name.to_ascii_lowercase().contains("webhook"))
}

/// Returns whether a host, with its port, is this machine or a Service of a cluster.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1") || name.ends_with(".svc") || name.ends_with(".svc.cluster.local")
}

/// Returns whether `value` is a variable of a shell in capitals, such as `$DB_PASSWORD`, a key of a Secret in
/// configurations of Argo CD, such as `$slack-token`, or a path into another object, such as `$dex.github.clientSecret`.
fn is_shell_variable(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else { return false };
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_path = || name.split('.').count() > 1 && name.split('.').all(|part| part.starts_with(is_start));
    name.starts_with(is_start)
        && (name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            || name.contains('-') && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            || is_path() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"._-".contains(&byte)))
}

/// Returns whether `value`, the value of the key `key`, is the name of a Secret, or of a key of one, as in
/// `existingSecret: db-credentials` and `adminPasswordKey: postgres-password`.
fn is_secret_reference(key: &str, value: &str) -> bool {
    let names_secret = key == "secret" || key.ends_with("Secret") && !key.to_ascii_lowercase().contains("client");
    let names_key = key == "secretKeys" || ["PasswordKey", "TokenKey"].iter().any(|end| key.ends_with(end));
    (names_secret || names_key || key.starts_with("existingSecret")) && is_name(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_settings() {
        for (name, value) in [
            ("TOKEN", "$DB_TOKEN"),
            ("TOKEN", "Bearer $TOKEN"),
            ("token", "$slack-token"),
            ("clientSecret", "$dex.github.clientSecret"),
            ("WEBHOOK_URL", "http://localhost:9001/api/v1/sync"),
            ("WEBHOOK_URL", "http://hooks.ci.svc/build"),
            ("TOKEN_SERVER", "https://idp.example.com/oauth/token"),
            ("API_KEY_HEADER", "X-Api-Key"),
            ("--initial-cluster-token", "etcd-cluster-1"),
            ("existingSecret", "db-credentials"),
            ("adminPasswordKey", "postgres-password"),
        ] {
            assert!(is_probably_setting(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("TOKEN_HEADER", "Bearer hunter2"),
            ("API_KEY_HEADER", "hunter2"),
            ("WEBHOOK_URL", "https://hooks.example.com/services/T0/B0/x"),
            ("DB_PASSWORD", "pass://Hunter2"),
            ("API_TOKEN", "https://x.example.com/use/k3y5ecret1"),
            ("SECRET_INITIAL_CLUSTER_TOKEN", "hunter2"),
        ] {
            assert!(!is_probably_setting(name, value), "{name}={value}");
        }
    }
}
