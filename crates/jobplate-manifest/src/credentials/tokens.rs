//! Finds tokens and private keys by their shape.
//!
//! The shapes of tokens are those of gitleaks (`gitleaks:config/gitleaks.toml`) and of the providers' documentation.
//! Lengths are shorter than the real ones, so that a truncated token is found, too.

use std::ops::Range;

use super::byte_pairs::BytePairs;

/// A kind of token: its start, and the least number of characters after it.
struct TokenShape {
    prefix: &'static str,
    min_length: usize,
    is_part: fn(u8) -> bool,
}

impl TokenShape {
    const fn new(prefix: &'static str, min_length: usize, is_part: fn(u8) -> bool) -> Self {
        TokenShape { prefix, min_length, is_part }
    }
}

const TOKENS: &[TokenShape] = &[
    // Prefect Cloud
    TokenShape::new("pnu_", 8, is_alphanumeric),
    TokenShape::new("pnb_", 8, is_alphanumeric),
    // GitHub
    TokenShape::new("ghp_", 6, is_alphanumeric),
    TokenShape::new("gho_", 6, is_alphanumeric),
    TokenShape::new("ghu_", 6, is_alphanumeric),
    TokenShape::new("ghs_", 6, is_alphanumeric),
    TokenShape::new("ghr_", 6, is_alphanumeric),
    TokenShape::new("github_pat_", 22, is_word),
    // GitLab
    TokenShape::new("glpat-", 8, is_word),
    TokenShape::new("gldt-", 8, is_word),
    TokenShape::new("glrt-", 8, is_word),
    TokenShape::new("glcbt-", 8, is_word),
    // AWS
    TokenShape::new("AKIA", 16, is_upper),
    TokenShape::new("ASIA", 16, is_upper),
    TokenShape::new("ABIA", 16, is_upper),
    TokenShape::new("ACCA", 16, is_upper),
    TokenShape::new("A3T", 17, is_upper),
    // Slack
    TokenShape::new("xoxb-", 8, is_word),
    TokenShape::new("xoxp-", 8, is_word),
    TokenShape::new("xoxa-", 8, is_word),
    TokenShape::new("xoxr-", 8, is_word),
    TokenShape::new("xoxs-", 8, is_word),
    TokenShape::new("xapp-", 8, is_word),
    // Google
    TokenShape::new("AIza", 30, is_word),
    TokenShape::new("GOCSPX-", 16, is_word),
    // Stripe, OpenAI, Anthropic, Hugging Face, npm, PyPI, SendGrid, Databricks, Grafana, DigitalOcean, Shopify
    TokenShape::new("sk_live_", 8, is_alphanumeric),
    TokenShape::new("rk_live_", 8, is_alphanumeric),
    TokenShape::new("sk-ant-", 16, is_word),
    TokenShape::new("sk-proj-", 16, is_word),
    TokenShape::new("sk-", 32, is_word),
    TokenShape::new("hf_", 24, is_alphanumeric),
    TokenShape::new("npm_", 24, is_alphanumeric),
    TokenShape::new("pypi-AgEI", 16, is_word),
    TokenShape::new("SG.", 32, is_dotted),
    TokenShape::new("dapi", 32, is_hex),
    TokenShape::new("glsa_", 24, is_word),
    TokenShape::new("dop_v1_", 32, is_hex),
    TokenShape::new("shpat_", 24, is_hex),
    // The Base64 of `-----BEGIN`
    TokenShape::new("LS0tLS1CRUdJTi", 8, is_base64),
    // The Base64 of a Docker configuration: of `{"auths":`, and of the same with a line break and a tab or blanks
    TokenShape::new("eyJhdXRocyI6", 8, is_base64),
    TokenShape::new("ewoJImF1dGhzIj", 8, is_base64),
    TokenShape::new("ewogICJhdXRocyI6", 8, is_base64),
    TokenShape::new("ewogICAgImF1dGhzIj", 8, is_base64),
];

/// The addresses of webhooks. Anyone who knows such a URL can use it.
const WEBHOOKS: [&str; 5] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
];

/// The length of the shortest of [`WEBHOOKS`].
const MIN_WEBHOOK_LENGTH: usize = 25;

/// The length of the shortest Azure client secret: three characters, a digit, `Q~` and 31 characters.
const MIN_AZURE_SECRET_LENGTH: usize = 37;

/// The starts of [`TOKENS`], of JSON web tokens, and of tokens of Prefect Cloud.
static TOKEN_STARTS: BytePairs = {
    let mut starts = BytePairs::new();
    starts.insert(b'e', b'y');
    starts.insert(b'p', b'n');
    let mut index = 0;
    while index < TOKENS.len() {
        let prefix = TOKENS[index].prefix.as_bytes();
        starts.insert(prefix[0], prefix[1]);
        index += 1;
    }
    starts
};

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn is_dotted(byte: u8) -> bool {
    is_word(byte) || byte == b'.'
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte)
}

/// Finds private keys in PEM, up to the end of the key or of the text.
pub(super) fn find_private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    // Preparing a search takes longer than `contains`, and most strings have no key.
    if text.len() < "-----BEGIN PRIVATE KEY".len() || !text.contains("-----BEGIN ") {
        return;
    }
    let mut from = 0;
    while let Some(start) = text[from..].find("-----BEGIN ").map(|at| from + at) {
        let label_end = text[start + 11..].find("-----").map_or(text.len(), |length| start + 11 + length);
        if !text[start..label_end].contains("PRIVATE KEY") {
            from = label_end;
            continue;
        }
        let body = label_end.min(text.len());
        let end = text[body..].find("-----END ").map_or(text.len(), |length| {
            let end = body + length + 9;
            text[end..].find("-----").map_or(text.len(), |length| end + length + 5)
        });
        found.push(start..end);
        from = end;
    }
}

/// Finds tokens of [`TOKENS`], JSON web tokens, Azure client secrets and [`WEBHOOKS`].
pub(super) fn find_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let previous = if at == 0 { b' ' } else { bytes[at - 1] };
        if !TOKEN_STARTS.may_be_at(bytes, at) || previous.is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let end = match bytes[at] {
            b'e' if is_word(previous) => None,
            b'e' => json_web_token_end(bytes, at).or_else(|| token_end(bytes, at)),
            _ => token_end(bytes, at),
        };
        found.extend(end.map(|end| at..end));
        at = end.unwrap_or(at + 1);
    }
    if text.len() >= MIN_AZURE_SECRET_LENGTH && text.contains("Q~") {
        find_azure_secrets(text, found);
    }
    if text.len() >= MIN_WEBHOOK_LENGTH && text.contains(".com/") {
        find_webhooks(text, found);
    }
}

/// Finds Azure client secrets: three characters, a digit, `Q~` and 31 to 34 characters.
fn find_azure_secrets(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut last_end = 0;
    for (at, _) in text.match_indices("Q~") {
        if at >= last_end + 4 && bytes[at - 1].is_ascii_digit() && text.is_char_boundary(at - 4) {
            last_end = run_end(bytes, at + 2, |byte| is_dotted(byte) || byte == b'~');
            if last_end - at >= 33 {
                found.push(at - 4..last_end);
            }
        }
    }
}

/// Finds the secret parts of [`WEBHOOKS`].
fn find_webhooks(text: &str, found: &mut Vec<Range<usize>>) {
    for webhook in WEBHOOKS {
        let mut last_end = 0;
        for (at, _) in text.match_indices(webhook) {
            let start = at + webhook.len();
            if start > last_end {
                last_end = run_end(text.as_bytes(), start, |byte| is_base64(byte) || byte == b'.');
                found.push(start..last_end);
            }
        }
    }
}

/// Returns the end of the longest token of [`TOKENS`] at `start`.
fn token_end(bytes: &[u8], start: usize) -> Option<usize> {
    let shapes = TOKENS.iter().filter(|shape| bytes[start..].starts_with(shape.prefix.as_bytes()));
    let ends = shapes.filter_map(|shape| {
        let from = start + shape.prefix.len();
        let end = run_end(bytes, from, shape.is_part);
        // The keys in the documentation of AWS end with `EXAMPLE`.
        let is_token = end - from >= shape.min_length && !bytes[..end].ends_with(b"EXAMPLE");
        is_token.then_some(end)
    });
    let prefect_end = || {
        // Prefect Cloud has further prefixes of this form.
        let is_prefect = bytes.len() > start + 4 && &bytes[start..start + 2] == b"pn" && bytes[start + 3] == b'_';
        let end = run_end(bytes, (start + 4).min(bytes.len()), is_alphanumeric);
        (is_prefect && end >= start + 40).then_some(end)
    };
    ends.max().or_else(prefect_end)
}

/// Returns the end of a JSON web token at `start`: `ey... . ey... . ...`.
fn json_web_token_end(bytes: &[u8], start: usize) -> Option<usize> {
    let part_end = |from: usize, start: &[u8], min_length: usize| {
        let end = run_end(bytes, from, is_word);
        (bytes[from..].starts_with(start) && end - from >= min_length).then_some(end)
    };
    let dot = |at: usize| (bytes.get(at) == Some(&b'.')).then_some(at + 1);
    let second = dot(part_end(start, b"ey", 10)?)?;
    let third = dot(part_end(second, b"ey", 10)?)?;
    part_end(third, b"", 6)
}

/// Returns the end of the run of bytes from `start` for which `is_part` is true.
pub(super) fn run_end(bytes: &[u8], start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    start + bytes[start..].iter().take_while(|byte| is_part(**byte)).count()
}

/// Returns the number of backslashes at the end of `text`.
pub(super) fn count_backslashes(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

/// Returns the length of the quoted string at the start of `text`, up to its end if the quote is not closed. Returns 0 if
/// there is no quote. A quote that is escaped, as in a string inside of another one, is closed by an escaped quote.
pub(super) fn quoted_length(text: &str) -> usize {
    let escape = text.len() - text.trim_start_matches('\\').len();
    let Some(quote) = text.as_bytes().get(escape).filter(|byte| b"\"'`".contains(byte)) else { return 0 };
    // A quote inside of n nested strings has 2^n - 1 backslashes, after an even number for each escaped backslash.
    let is_closing = |at: &usize| count_backslashes(&text[..*at]).trailing_ones() == escape.trailing_ones();
    let mut quotes = text.match_indices(*quote as char).map(|(at, _)| at).filter(|at| *at > escape);
    quotes.find(is_closing).map_or(text.len(), |at| at + 1)
}

/// Returns the length of the shell word at the start of `text`: quoted parts, escaped characters and other characters up
/// to a blank.
pub(super) fn shell_word_length(text: &str) -> usize {
    let mut length = quoted_length(text);
    // The kinds of quotes that are not closed in the rest of the text.
    let mut unclosed: Vec<(bool, u8)> = Vec::new();
    while let Some(c) = text[length..].chars().next().filter(|c| !c.is_whitespace()) {
        let rest = &text[length..];
        let after_escape = rest.strip_prefix('\\').unwrap_or(rest);
        let kind = (rest.starts_with('\\'), after_escape.as_bytes().first().copied().unwrap_or_default());
        let is_quote = b"\"'`".contains(&kind.1) && !unclosed.contains(&kind);
        let quoted = if is_quote { quoted_length(rest) } else { 0 };
        let is_closed = quoted > 1 && rest[..quoted].ends_with(['"', '\'', '`']);
        if is_quote && !is_closed {
            unclosed.push(kind);
        }
        length += match c {
            _ if is_closed => quoted,
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
    }
    length
}

#[cfg(test)]
mod tests {
    use super::super::find_credentials;
    use super::*;

    fn find(text: &str) -> Vec<&str> {
        find_credentials(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn finds_tokens_of_every_shape() {
        let letters = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fD3aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fD3";
        for TokenShape { prefix, .. } in TOKENS {
            let body = match *prefix {
                "AKIA" | "ASIA" | "ABIA" | "ACCA" | "A3T" => &letters.to_ascii_uppercase()[..20],
                "dapi" | "dop_v1_" | "shpat_" => &"0123456789abcdef".repeat(2),
                _ => letters,
            };
            let token = format!("{prefix}{body}");
            assert_eq!(find(&token), [&*token], "{token}");
            assert_eq!(find(&format!("use {token}, please")), [&*token], "{token}");
        }
        for token in [
            "pnx_0123456789abcdefghijklmnopqrstuvwxyz",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3",
            "abc8Q~0123456789abcdef0123456789abcdef",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\\nMIIE",
        ] {
            assert_eq!(find(token), [token]);
        }
        assert_eq!(find("https://hooks.slack.com/services/T0/B0/x"), ["T0/B0/x"]);
        assert_eq!(find("AKIAIOSFODNN7EXAMPLE"), [] as [&str; 0]);
    }
}
