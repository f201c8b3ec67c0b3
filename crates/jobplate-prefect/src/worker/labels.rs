//! Converts names and labels to slugs that Kubernetes accepts (`prefect_kubernetes.utilities` 0.8.0).

use crate::pyvalue::slug::SlugOptions;

/// Shorter than Kubernetes' limit of 63 characters, because Kubernetes appends characters to a `generateName`.
const NAME: SlugOptions = SlugOptions { lowercase: true, max_length: 45, allowed: "" };
const PREFIX: SlugOptions = SlugOptions { lowercase: false, max_length: 253, allowed: "." };
const LABEL: SlugOptions = SlugOptions { lowercase: false, max_length: 63, allowed: "_." };

/// The keys of the labels that the latest worker sets on Jobs and pods. `manifest` sets them.
const WORKER_LABELS: [&str; 15] = [
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "prefect.io/deployment-id",
    "prefect.io/deployment-name",
    "prefect.io/deployment-updated",
    "prefect.io/flow-id",
    "prefect.io/flow-name",
    "prefect.io/flow-run-id",
    "prefect.io/flow-run-name",
    "prefect.io/version",
    "prefect.io/work-pool-id",
    "prefect.io/work-pool-name",
    "prefect.io/worker-name",
];

/// Returns whether the latest worker sets a label on Jobs and pods, overriding any value in a template.
pub(crate) fn is_set_by_worker(key: &str) -> bool {
    WORKER_LABELS.contains(&slugify_key(key, true).as_str())
}

/// Returns the slug of a flow run's name for `generateName`, or `None` if it is empty (`_slugify_name`).
pub(super) fn slugify_name(text: &str) -> Option<String> {
    Some(NAME.slugify(text)).filter(|slug| !slug.is_empty())
}

/// Returns the slug of a label or annotation key (`_slugify_label_key`). The prefix and the name are converted
/// separately. The slug is lowercase unless `keeps_case` is true, which is the case since prefect-kubernetes 0.7.0.
pub(super) fn slugify_key(text: &str, keeps_case: bool) -> String {
    let (prefix, label) =
        (SlugOptions { lowercase: !keeps_case, ..PREFIX }, SlugOptions { lowercase: !keeps_case, ..LABEL });
    match text.split_once('/') {
        Some(("", name)) => trimmed_slug(label, name),
        Some((before, name)) => format!("{}/{}", trimmed_slug(prefix, before), trimmed_slug(label, name)),
        None => trimmed_slug(label, text),
    }
}

/// Returns the slug of a label value (`_slugify_label_value`). The slug is lowercase unless `keeps_case` is true, which
/// is the case since prefect-kubernetes 0.6.0.
pub(super) fn slugify_value(text: &str, keeps_case: bool) -> String {
    trimmed_slug(SlugOptions { lowercase: !keeps_case, ..LABEL }, text)
}

/// Returns a slug that starts and ends with a letter or digit, or the unchanged text if the slug is empty. The API
/// server then rejects the text.
fn trimmed_slug(slug: SlugOptions, text: &str) -> String {
    let slug = slug.slugify(text);
    let trimmed = slug.trim_matches(['_', '-', '.']);
    if trimmed.is_empty() { text.to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, each with the results of `_slugify_name` ("" for None), `_slugify_label_key` and `_slugify_label_value`.
    const CASES: [(&str, &str, &str, &str); 23] = [
        ("", "", "", ""),
        ("My Flow_1", "my-flow-1", "My-Flow_1", "My-Flow_1"),
        ("-a--B-", "a-b", "a-B", "a-B"),
        ("'it''s’n 1,000,000,x", "it-sn-1000000-x", "it-sn-1000000-x", "it-sn-1000000-x"),
        ("Ænéid ﬁ ½ Straße İ", "aeneid-fi-1-2-strasse-i", "AEneid-fi-1-2-Strasse-I", "AEneid-fi-1-2-Strasse-I"),
        ("北京 한글 あア ｱＡ", "bei-jing-hangeul-aa-aa", "Bei-Jing-hangeul-aa-aA", "Bei-Jing-hangeul-aa-aA"),
        ("\u{5e9}\u{5b8}\u{5c1}\u{5dc}\u{5d5}\u{5b9}\u{5dd} \u{663}", "shalvom-3", "shalvom-3", "shalvom-3"),
        ("\u{645}\u{64f}\u{62d}\u{64e}\u{645}\u{64e}\u{651}\u{62f}", "muhamawd", "muHamaWd", "muHamaWd"),
        ("a🎉b 𝐀𝟗", "ab-a9", "ab-A9", "ab-A9"),
        ("\0\t \u{2028}x", "x", "x", "x"),
        ("caf&eacute;s &Aacute;b&copy;c &apos;", "cafe-s-a-b-c-apos", "cafe-s-A-b-c-apos", "cafe-s-A-b-c-apos"),
        ("&amp;#39;a&#38;#x42;", "ab", "aB", "aB"),
        ("&#65;&#1114112;&#x42;", "65-1114112-b", "65-1114112-B", "65-1114112-B"),
        ("&#x41;&#x110000;&#66;", "x41-x110000-b", "x41-x110000-B", "x41-x110000-B"),
        ("a&#55296;b &#X41;", "a-b-x41", "a-b-X41", "a-b-X41"),
        ("&&amp; &amp a&#;b&#x;", "amp-a-b-x", "amp-a-b-x", "amp-a-b-x"),
        ("prefect.io/flow-name", "prefect-io-flow-name", "prefect.io/flow-name", "prefect.io-flow-name"),
        ("é_x./_.ü-", "e-x-u", "e-x/u", "e_x.-_.u"),
        ("a/b c/d", "a-b-c-d", "a/b-c-d", "a-b-c-d"),
        ("/x", "x", "x", "x"),
        ("a/", "a", "a/", "a"),
        ("-/-", "", "-/-", "-/-"),
        ("_/_", "", "_/_", "_/_"),
    ];

    #[test]
    fn knows_the_labels_of_the_worker() {
        let source = include_str!("manifest.rs");
        let quoted = source.split('"').skip(1).step_by(2);
        let mut keys: Vec<&str> = quoted.filter(|text| text.contains(".io/")).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys, WORKER_LABELS);
        assert!(is_set_by_worker("app.kubernetes.io/name") && !is_set_by_worker("app.kubernetes.io/component"));
    }

    #[test]
    fn slugifies_as_the_worker_does() {
        for (text, for_name, for_key, for_value) in CASES {
            assert_eq!(slugify_name(text).unwrap_or_default(), for_name, "the name {text:?}");
            assert_eq!(slugify_key(text, true), for_key, "the key {text:?}");
            assert_eq!(slugify_value(text, true), for_value, "the value {text:?}");
        }
        assert_eq!(slugify_name("-"), None);
    }

    #[test]
    fn leaves_no_dash_at_the_end_of_a_cut_slug() {
        let a = |count| "a".repeat(count);
        assert_eq!(slugify_name(&format!("{}-b", a(44))), Some(a(44)));
        assert_eq!(slugify_name(&a(46)), Some(a(45)));
        assert_eq!(slugify_value(&format!("{}_-.b", a(61)), true), a(61));
        assert_eq!(slugify_value(&a(64), true), a(63));
        assert_eq!(slugify_key(&format!("{}-q/{}", a(252), a(64)), true), format!("{}/{}", a(252), a(63)));
    }
}
