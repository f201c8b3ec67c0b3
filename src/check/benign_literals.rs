//! Decides which literals with secret-looking names are probably settings: addresses, the names of other Secrets, and
//! references that another program resolves. Only `check` asks: the masker hides such values, because they may be secrets.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobplate_manifest::credentials::{AUTHORIZATION_SCHEMES, is_name, is_placeholder, is_secret_name};

use super::benign_names::{are_words, names_no_secret};

/// The schemes of addresses.
const ADDRESS_SCHEMES: [&str; 6] = ["http", "https", "ws", "wss", "grpc", "tcp"];

/// The Base64 of the first 15 bytes of certificates and public keys in PEM.
const PUBLIC_PEM: [&str; 2] = ["LS0tLS1CRUdJTiBDRVJU", "LS0tLS1CRUdJTiBQVUJM"];

/// The sources of accounts in `/etc/nsswitch.conf`, as in `passwd: files systemd`.
const ACCOUNT_SOURCES: [&str; 8] = ["compat", "db", "files", "ldap", "nis", "sss", "systemd", "winbind"];

/// The headers of block scalars, in a string that is not YAML as a whole.
const BLOCK_SCALAR_HEADERS: [&str; 4] = ["|", "|-", ">", ">-"];

/// The kinds of accounts that clouds and notifications write before a mail address.
const ACCOUNT_KINDS: [&str; 5] = ["email:", "group:", "mailto:", "serviceAccount:", "user:"];

/// The last words in the names of Secrets, as in `WEBHOOK_SECRET: webhook-server-cert`.
const SECRET_NAME_ENDS: [&str; 6] = ["ca", "cert", "certs", "creds", "credentials", "tls"];

/// The types of parameters in Python.
const TYPES_OF_PARAMETERS: [&str; 4] = ["bytes", "dict", "str", "Optional[str]"];

/// The name of a cluster of etcd, in a flag or a variable.
const CLUSTER_TOKENS: [&str; 2] = ["-initial-cluster-token", "ETCD_INITIAL_CLUSTER_TOKEN"];

/// Returns whether a value with a secret-looking name is probably a setting. The values that are benign for the masker
/// too are not examined.
pub(super) fn is_probably_setting(name: &str, value: &str) -> bool {
    let value = value.trim();
    CLUSTER_TOKENS.iter().any(|token| name.trim_start_matches('-') == token.trim_start_matches('-'))
        || name == "x-kubernetes-patch-merge-key"
        || name.ends_with("Annotation") && value.contains('/') && is_name(value)
        || name == "passwd" && value.split_whitespace().all(|word| ACCOUNT_SOURCES.contains(&word))
        || is_name_of_variable(value)
        || is_name_of_secret(name, value)
        || names_header(name, value)
        || is_address(name, value)
        || is_cookie_of_a_probe(name, value)
        || is_file_url(value)
        || value.strip_prefix("env://").is_some_and(is_constant)
        || is_variable(value)
        || [name, name.trim_end_matches('s')].iter().any(|name| is_secret_reference(name, value))
}

/// The maximum length of the text beside a part that is examined, in bytes. A string may have many parts.
const MAX_CONTEXT: usize = 256;

/// Returns the text before a part, as far as it is examined.
pub(super) fn text_before<'t>(text: &'t str, part: &Range<usize>) -> &'t str {
    &text[text.floor_char_boundary(part.start.saturating_sub(MAX_CONTEXT))..part.start]
}

/// Returns the text after a part, as far as it is examined.
pub(super) fn text_after<'t>(text: &'t str, part: &Range<usize>) -> &'t str {
    &text[part.end..text.floor_char_boundary(part.end + MAX_CONTEXT)]
}

/// Returns whether a part of a string only looks like a secret: a variable, code that reads the secret, or an account
/// such as `user:etl@example.com`.
pub(super) fn is_benign_part(text: &str, part: &Range<usize>) -> bool {
    let value = &text[part.clone()];
    let content = strip_scheme(value).unwrap_or(value);
    let content = content.strip_prefix('\\').filter(|rest| rest.starts_with('$')).unwrap_or(content);
    let is_quote = |c: char| c == '"' || c == '\'';
    let word = content.trim_start_matches(is_quote).split(['"', '\'', ' ']).next().unwrap_or_default();
    let flag = text_before(text, part).trim_end_matches(['=', ':', ' ', '"', '\'', '\\']);
    let flag_name = flag.rsplit(|c: char| c.is_whitespace() || "\"'`,;=:".contains(c)).next().unwrap_or_default();
    let is_own_name = value.contains('_') && flag_name == value;
    is_variable(value)
        || is_variable(word)
        || word.contains(':') && word.split(':').all(is_shell_variable)
        || AUTHORIZATION_SCHEMES.iter().any(|scheme| value.trim() == scheme.trim())
        || is_empty_parameter(text, part)
        || is_placeholder(word)
        || is_own_name
        || names_no_secret(flag_name, content.trim_matches(|c: char| is_quote(c) || "[]\\".contains(c)))
        || is_name_of_variable(value)
        || is_address("webhook", value)
        || value.ends_with("XXXXXXXX")
        || value.starts_with("-----BEGIN ") && value.contains("REDACTED")
        || value.trim_matches(is_quote).is_empty()
        || is_file_url(value)
        || is_public_pem(value)
        || is_expression(content)
        || has_variable_password(value)
        || BLOCK_SCALAR_HEADERS.contains(&value)
        || CLUSTER_TOKENS.iter().any(|name| flag.ends_with(name))
        || is_account(text, part)
}

/// Returns whether a part follows an empty parameter of a URL, as in `/login?access_token= uid`.
fn is_empty_parameter(text: &str, part: &Range<usize>) -> bool {
    let before = text_before(text, part);
    let word = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    before.ends_with(char::is_whitespace) && word.ends_with('=') && word.contains(['?', '&'])
}

/// Returns whether a value is a URL, or the part after its scheme, with a variable as password:
/// `postgres://etl:$(PASSWORD)@db`.
fn has_variable_password(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let Some((user_info, host)) = rest.split_once('@') else { return false };
    let mut parameters = host.split(['?', '&', ';', ' ']).filter_map(|parameter| parameter.split_once('='));
    user_info.split_once(':').is_some_and(|(_, password)| is_placeholder(password))
        && !parameters.any(|(name, _)| is_secret_name(name))
}

/// Returns whether a value is a command substitution, a call such as `file.read()`, an element such as
/// `os.environ["TOKEN"]`, or the start of a list of mappings, or of a mapping, in JSON.
fn is_expression(value: &str) -> bool {
    let value = value.trim_end_matches(['"', '\'', ';', ':', ',']);
    // A blank may end the value before the command does.
    let is_command = match value.strip_prefix("$(") {
        Some(command) => command.split_once(')').is_none_or(|(_, rest)| !rest.starts_with(|c| !" )\"'\\".contains(c))),
        None => value.len() > 1 && value.starts_with('`') && value.ends_with('`'),
    };
    let is_call = value.ends_with([')', ']'])
        && value.find(['(', '[']).is_some_and(|open| {
            let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
            value[..open].contains('.') && value[..open].bytes().all(is_path)
        });
    // A call without arguments or with a constant, such as `DefaultCredential()` and `env(API_KEY)`, or the type of a
    // parameter.
    let is_constant_call =
        value.strip_suffix(')').and_then(|call| call.split_once('(')).is_some_and(|(name, argument)| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && (argument.is_empty() || argument.contains('_') && is_constant(argument))
        });
    let first_word = value.split([' ', ',', ':']).next().unwrap_or_default();
    let is_code = is_constant_call || TYPES_OF_PARAMETERS.contains(&first_word.trim_end_matches(')'));
    let is_template = value.starts_with("{{") && !value.contains('|');
    is_command || is_call || is_code || is_template || value.starts_with("[{") || value.starts_with("{\"")
}

/// Returns whether a string is the Base64 of certificates and public keys, without a private key.
pub(super) fn is_public_pem(text: &str) -> bool {
    let text = text.trim_start();
    if !PUBLIC_PEM.iter().any(|start| text.starts_with(start)) {
        return false;
    }
    let encoded: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.is_some_and(|pem| !pem.contains("PRIVATE KEY"))
}

/// Returns whether a part before an `@` is the name of an account, as in `user:mike@example.com`, which roles of clouds
/// list, and in `system:node:etl@cluster`, the context of a kubeconfig file.
fn is_account(text: &str, part: &Range<usize>) -> bool {
    let is_end = |c: char| c.is_whitespace() || "\"',;)]}<>`".contains(c);
    let (start, value) = (text_before(text, part), &text[part.clone()]);
    let before = start.rsplit(is_end).next().unwrap_or_default();
    let is_login = || {
        ["-u", "--user"]
            .contains(&start[..start.len() - before.len()].trim_end().rsplit(' ').next().unwrap_or_default())
    };
    let host = text_after(text, part).strip_prefix('@').map(|rest| rest.split(is_end).next().unwrap_or_default());
    let is_domain = || host.is_some_and(|host| host.contains('.') && !host.contains([':', '/']));
    before == "system:" && ["node:", "serviceaccount:"].iter().any(|kind| value.starts_with(kind))
        || ACCOUNT_KINDS.contains(&before) && is_domain() && !is_login()
}

/// Returns whether a value is the name of a variable with a secret, as in `secretEnv: OIDC_CLIENT_SECRET`, or a
/// placeholder such as `INSERT_API_TOKEN`.
fn is_name_of_variable(value: &str) -> bool {
    value.contains('_') && is_constant(value) && is_secret_name(value)
}

/// Returns whether a value consists of capital letters, digits and underscores.
fn is_constant(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Returns whether the value of a variable such as `WEBHOOK_SECRET` is the name of a Secret: words in lower case, of which
/// the last one says what the Secret holds.
fn is_name_of_secret(name: &str, value: &str) -> bool {
    let (mut words, is_word) = (value.split('-'), |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase()));
    name.to_ascii_lowercase().ends_with("secret")
        && value.contains('-')
        && words.clone().all(|word| !word.is_empty() && is_word(word))
        && words.next_back().is_some_and(|last| SECRET_NAME_ENDS.contains(&last))
}

/// Returns whether a value, in quotes or not, is a variable of a shell, as in `TOKEN="$DB_TOKEN"` and `Bearer $TOKEN`.
fn is_variable(value: &str) -> bool {
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

/// Returns whether a value is the URL of a local file, with or without an empty host.
fn is_file_url(value: &str) -> bool {
    value.starts_with("file:///") || value.starts_with("file:/") && !value.starts_with("file://")
}

/// Returns whether the header `Cookie` has only words, as in `session-id=x-readiness-probe`, and not the key of a session.
fn is_cookie_of_a_probe(name: &str, value: &str) -> bool {
    let is_setting =
        |pair: &str| pair.split_once('=').is_some_and(|(_, value)| value.contains('-') && are_words(value));
    name.eq_ignore_ascii_case("cookie") && value.split(';').all(is_setting)
}

/// Returns whether `value` is a variable after the scheme of the header `Authorization`.
fn is_prefixed_variable(value: &str) -> bool {
    strip_scheme(value).is_some_and(|rest| is_shell_variable(rest) || is_placeholder(rest))
}

/// Returns what follows the scheme in a value of the header `Authorization`.
fn strip_scheme(value: &str) -> Option<&str> {
    let start = |scheme: &&str| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    AUTHORIZATION_SCHEMES.iter().find(|scheme| start(scheme)).map(|scheme| &value[scheme.len()..])
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
        && (is_constant(name)
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
            ("Cookie", "session-id=x-readiness-probe"),
            ("KEYSTORE_PASSWORD", "file:/run/keystore-password"),
            ("x-kubernetes-patch-merge-key", "name"),
            ("passwd", "files systemd"),
            ("secretEnv", "OIDC_CLIENT_SECRET"),
            ("API_TOKEN", "INSERT_API_TOKEN"),
            ("WEBHOOK_SECRET", "webhook-server-cert"),
            ("adminPasswordKey", "postgres-password"),
        ] {
            assert!(is_probably_setting(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("TOKEN_HEADER", "Bearer hunter2"),
            ("Cookie", "session-id=hunter2"),
            ("API_KEY_HEADER", "hunter2"),
            ("WEBHOOK_URL", "https://hooks.example.com/services/T0/B0/x"),
            ("DB_PASSWORD", "pass://Hunter2"),
            ("API_TOKEN", "https://x.example.com/use/k3y5ecret1"),
            ("SECRET_INITIAL_CLUSTER_TOKEN", "hunter2"),
            ("passwd", "files hunter2"),
            ("API_TOKEN", "HUNTER_TWO"),
            ("WEBHOOK_SECRET", "correct-horse-battery"),
            ("JWT_SECRET", "my-super-secret"),
            ("x-kubernetes-token", "hunter2"),
            ("DB_PASSWORD", "file://hunter2"),
            ("DB_PASSWORD", "env://hunter2"),
            ("DB_PASSWORD", "webhook-server-cert"),
        ] {
            assert!(!is_probably_setting(name, value), "{name}={value}");
        }
    }

    #[test]
    fn recognizes_public_certificates() {
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";
        let bundle = format!("{certificate}-----BEGIN PRIVATE KEY-----\nMIIE\n");
        assert!(is_public_pem(&STANDARD.encode(certificate)));
        assert!(!is_public_pem(&STANDARD.encode(bundle)));
        let text = format!("key: ${{1:{}}}", STANDARD.encode(certificate));
        assert!(is_benign_part(&text, &(9..text.len() - 1)));
    }

    #[test]
    fn recognizes_parts_that_are_no_secrets() {
        for (text, part, expected) in [
            ("token = f.read().strip()", "f.read().strip()", true),
            ("token=os.environ[\"HF_TOKEN\"]", "os.environ[\"HF_TOKEN\"]", true),
            ("secret=$(cat /run/key)", "$(cat /run/key)", true),
            ("\"channel_creds\": [{\"type\": \"insecure\"}]", "[{\"type\":", true),
            ("the member user:mike@example.com may read", "mike", true),
            ("email:test@example.com", "test", true),
            ("system:node:etl@kubernetes", "node:etl", true),
            ("curl -u etl:hunter2@example.com", "hunter2", false),
            ("user:hunter2@db", "hunter2", false),
            ("Authorization: Bearer $(cat /run/token)\"", "Bearer $(cat /run/token)\"", true),
            ("Authorization: Bearer $TOKEN\" -H x", "Bearer $TOKEN\" -H x", true),
            ("Authorization: Bearer hunter2\" -H $X", "Bearer hunter2\" -H $X", false),
            ("--dsn=postgres://$(USER):$(PASSWORD)@db", "postgres://$(USER):$(PASSWORD)@db", true),
            ("--dsn=$(USER):$(PASSWORD)@tcp(db)/etl", "$(USER):$(PASSWORD)@tcp(db)/etl", true),
            ("Bearer $(cat /run/token)\\\" --cacert x", "Bearer $(cat /run/token)\\\" --cacert x", true),
            ("--dsn=postgres://$(U):$(P)@db?sslmode=off", "postgres://$(U):$(P)@db?sslmode=off", true),
            ("--dsn=postgres://$(U):$(P)@db?password=hunter2", "postgres://$(U):$(P)@db?password=hunter2", false),
            ("--dsn=postgres://$(USER):hunter2@db", "postgres://$(USER):hunter2@db", false),
            ("etcd --initial-cluster-token etcd-cluster-1", "etcd-cluster-1", true),
            ("-initial-cluster-token=etcd-cluster", "etcd-cluster", true),
            ("https://api:\\${TOKEN}@github.com", "\\${TOKEN}", true),
            ("curl -u $USERNAME:$PASSWORD x", "$USERNAME:$PASSWORD", true),
            ("'Authorization': 'Bearer ' + token", "Bearer ", true),
            ("Authorization: token $(cat /run/token)\" \\", "token $(cat /run/token)\" \\", true),
            ("https://a.example/info?access_token= uid", "uid", true),
            ("credentials: |-", "|-", true),
            ("curl -u user:hunter2@smtp.example.com", "hunter2", false),
            ("sqlplus system:hunter2@db:1521/XE", "hunter2", false),
            ("api_keys = [\"hunter2\"]", "[\"hunter2\"]", false),
            ("db.password=$(X)hunter2", "$(X)hunter2", false),
            ("db.password=`hunter2", "`hunter2", false),
            ("db.password=My.Pass[2]word", "My.Pass[2]word", false),
            ("token=hunter(2)", "hunter(2)", false),
            ("token=hunter.two(", "hunter.two(", false),
            ("etl:hunter2@db:5432/etl", "hunter2", false),
            ("etl:hunter2@tcp(db:3306)/etl", "hunter2", false),
            ("postgres://etl:hunter2@db", "hunter2", false),
            ("token=hunter2", "hunter2", false),
            ("token=\"hunter2\" x", "\"hunter2\"", false),
            ("--webhook-url=http://localhost:9115/-/reload", "http://localhost:9115/-/reload", true),
            ("--apikey={{ api-key }}", "{{", true),
            ("token={{ x | default \"hunter2\" }}", "{{ x | default \"hunter2\" }}", false),
            ("secret_key = env(OIDC_CLIENT_SECRET)", "env(OIDC_CLIENT_SECRET)", true),
            ("access_key=access_key", "access_key", true),
            ("\"imagePullSecrets\": [\"docker-secret\"]", "[\"docker-secret\"]", true),
            ("\"secretNameAnnotation\": \"example.com/secretName\"", "example.com/secretName", true),
            ("split_key: Optional[str] = None,", "Optional[str] = None,", true),
            ("password=password", "password", false),
            ("password_encryption = md5", "md5", true),
            ("credential: dsl.OutputPath(str)):", "dsl.OutputPath(str)):", true),
            ("Authorization: Bearer ${API_TOKEN}\" \\", "Bearer ${API_TOKEN}\" \\", true),
            ("--NotebookApp.token=''", "''", true),
        ] {
            let start = text.rfind(part).unwrap();
            assert_eq!(is_benign_part(text, &(start..start + part.len())), expected, "{text}");
        }
    }
}
