//! Detects URLs that `urllib.parse.urlparse` of Python 3.11 rejects.

use std::net::Ipv6Addr;

/// Characters whose compatibility decomposition (NFKC) contains a URL separator.
const SEPARATORS: &[char] = &[
    '\u{2047}', '\u{2048}', '\u{2049}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2a74}', '\u{fe13}',
    '\u{fe16}', '\u{fe55}', '\u{fe56}', '\u{fe5f}', '\u{fe6b}', '\u{ff03}', '\u{ff0f}', '\u{ff1a}', '\u{ff1f}',
    '\u{ff20}',
];

/// Returns whether `urlparse` accepts a URL.
pub(super) fn can_be_parsed(url: &str) -> bool {
    let url = url.trim_start_matches(|c| c <= ' ').replace(['\t', '\r', '\n'], "");
    let Some(rest) = after_scheme(&url).strip_prefix("//") else { return true };
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_bracketed = match (host.find('['), host.find(']')) {
        (None, None) => true,
        (Some(_), Some(_)) => host.split_once('[').is_some_and(|(_, inside)| is_address(until(inside, ']'))),
        _ => false,
    };
    is_bracketed && !host.contains(SEPARATORS)
}

fn until(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or_default()
}

/// Returns the part after the scheme, such as `http:`, or the whole URL if it has no scheme.
fn after_scheme(url: &str) -> &str {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).map_or(url, |(_, rest)| rest)
}

/// Returns whether `text` is an address that can be in brackets: IPv6 with or without a zone, or a later version.
fn is_address(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('v') {
        let future = rest.split_once('.');
        return future.is_some_and(|(version, address)| {
            let is_hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex && !address.is_empty() && !address.contains('\n')
        });
    }
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    zone.is_none_or(|zone| !zone.is_empty() && !zone.contains('%')) && address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_the_urls_that_python_rejects() {
        for (url, expected) in [
            ("http://127.0.0.1:4200/api", true),
            ("", true),
            ("http://[::1]:80/", true),
            ("http://[fe80::1%eth0]/", true),
            ("http://[v1f.x]/", true),
            ("[", true),
            ("x:[", true),
            ("1http://[", true),
            ("http:/[", true),
            ("http://a/[", true),
            ("http://\u{e9}/", true),
            ("//[", false),
            ("ht\ntp://::1]", false),
            (" http://[::1", false),
            ("http://[1.2.3.4]/", false),
            ("http://[fe80::1%]/", false),
            ("http://[v.x]/", false),
            ("http://a\u{2100}b/", false),
            ("http://[]/", false),
        ] {
            assert_eq!(can_be_parsed(url), expected, "{url}");
        }
    }
}
