//! Splits URLs, and detects those that `urllib.parse.urlparse` of Python 3.11 rejects.

use std::net::Ipv6Addr;

use unicode_normalization::UnicodeNormalization;

/// Returns whether `urlparse` accepts a URL.
pub(crate) fn can_be_parsed(url: &str) -> bool {
    let url = url.trim_start_matches(|c| c <= ' ').replace(['\t', '\r', '\n'], "");
    let Some(rest) = split_scheme(&url).1.strip_prefix("//") else { return true };
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_bracketed = match (host.find('['), host.find(']')) {
        (None, None) => true,
        (Some(start), Some(_)) => host[start + 1..].split(']').next().is_some_and(is_bracketed_host),
        _ => false,
    };
    // Python rejects characters whose compatibility decomposition contains a separator.
    let has_separator = host.chars().filter(|c| !c.is_ascii()).nfkc().any(|c| "/?#@:".contains(c));
    is_bracketed && !has_separator
}

/// Returns whether `urlparse` accepts a host in brackets: an IPv6 address, possibly with a zone (`fe80::1%eth0`), or an
/// address of a later version (`v1.x`).
fn is_bracketed_host(host: &str) -> bool {
    if let Some(future) = host.strip_prefix('v') {
        let parts = future.split_once('.');
        return parts.is_some_and(|(version, address)| {
            !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit()) && !address.is_empty()
        });
    }
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|zone| !zone.is_empty() && !zone.contains('%'))
}

/// Splits a URL into its scheme, such as `http`, and the part after the colon. A URL without a scheme is not split.
pub(crate) fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    match url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    }
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
            ("http://a\u{2100}b/", false),
            ("http://[]/", false),
            ("http://[fe80::1%eth0]/api", true),
            ("http://[::1%25eth0]", true),
            ("http://u@[::1]:80", true),
            ("http://[v1.x]/", true),
            ("http://[::1%]/", false),
            ("http://[::1%a%b]/", false),
            ("http://[eth0%fe80::1]/", false),
            ("http://[vG.x]/", false),
            ("http://[v1.]/", false),
            ("http://[v.x]/", false),
            ("http://[V1.x]/", false),
            ("http://[::00001]/", false),
        ] {
            assert_eq!(can_be_parsed(url), expected, "{url}");
        }
    }
}
