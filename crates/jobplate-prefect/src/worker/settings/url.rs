//! `urllib.parse.urlparse` of Python 3.11, and the URLs that it refuses.

use std::net::Ipv6Addr;

/// Characters that become a separator where Unicode's compatible characters are taken for each other (NFKC).
const SEPARATORS: &[char] = &[
    '\u{2047}', '\u{2048}', '\u{2049}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2a74}', '\u{fe13}',
    '\u{fe16}', '\u{fe55}', '\u{fe56}', '\u{fe5f}', '\u{fe6b}', '\u{ff03}', '\u{ff0f}', '\u{ff1a}', '\u{ff1f}',
    '\u{ff20}',
];

/// Whether it is taken apart without an error.
pub(super) fn is_parsed(url: &str) -> bool {
    let url = url.trim_start_matches(|c| c <= ' ').replace(['\t', '\r', '\n'], "");
    let Some(rest) = behind_scheme(&url).strip_prefix("//") else { return true };
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_bracketed = match (host.find('['), host.find(']')) {
        (None, None) => true,
        (Some(_), Some(_)) => host.split_once('[').is_some_and(|(_, inside)| is_address(before(inside, ']'))),
        _ => false,
    };
    is_bracketed && !host.contains(SEPARATORS)
}

fn before(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or_default()
}

/// What stands behind `http:`, or all of a text that begins with no scheme.
fn behind_scheme(url: &str) -> &str {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).map_or(url, |(_, rest)| rest)
}

/// An address that may stand in brackets: of IPv6, with a zone or without, or of a later version.
fn is_address(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('v') {
        let later = rest.split_once('.');
        return later.is_some_and(|(version, address)| {
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
    fn urls_are_parsed_as_python_does() {
        for (url, is) in [
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
            assert_eq!(is_parsed(url), is, "{url}");
        }
    }
}
