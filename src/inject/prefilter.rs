//! Proves from a document's bytes alone that the document has no target. Most documents have no target and are copied
//! without being parsed.

use jobplate_manifest::embedded::CONFIG_MAP;
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::canonical_kind;
use jobplate_prefect::kubernetes_job_block;

use super::injection::Injection;

/// The byte sequences that a document must contain to have a target.
///
/// Keys and kinds appear literally in YAML, except in a document with escapes in double quotes, `!!binary` or `%TAG`. A
/// document without these exceptions has no target if it does not contain `containers`, or does not contain the kind of
/// a target (if the kinds are known). The filter searches for `ontainers`, which is also part of `initContainers`. An
/// item of a typed List may have no kind, but its List has one that contains the item's kind, such as `JobList`.
#[derive(Debug)]
pub struct Prefilter {
    containers: memchr::memmem::Finder<'static>,
    /// The slug that a `KubernetesJob` block contains even if it has no container.
    block_slug: memchr::memmem::Finder<'static>,
    /// The key that a block contains if its patches change containers. Such a block need not contain a kind.
    block_patches: memchr::memmem::Finder<'static>,
    /// The common prefix of a pod's keys that refer to a ConfigMap.
    config_map: memchr::memmem::Finder<'static>,
    /// The kinds of the targets. A document with a target contains one of them. `None` if the kind of a target is a
    /// pattern.
    kinds: Option<Vec<memchr::memmem::Finder<'static>>>,
    /// Whether agents and workers are targets. Their manifests contain `prefect`.
    includes_agents: bool,
}

/// The result of the prefilter: whether a document can have a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// The document contains the keywords of a target.
    Target,
    /// The document contains escapes that may hide the keywords of a target.
    PossibleTarget {
        /// Whether the document contains the key of a container list without escapes.
        mentions_containers: bool,
    },
    /// The document has no target, but contains the keywords of a pod that uses a ConfigMap.
    UsesConfigMap,
    /// The document has no target and is copied without being parsed.
    None,
}

impl Prefilter {
    /// Creates the filter for an injection.
    pub fn new(injection: &Injection) -> Self {
        let finder = |kind: &str| memchr::memmem::Finder::new(kind).into_owned();
        let kinds = if injection.targets.is_empty() {
            // `CronJob` and a ConfigMap with an embedded job template also contain `Job`, so one keyword is sufficient.
            Some(vec![finder("Job")])
        } else {
            let kind_of = |target: &Target| match target.key {
                Some(_) => Some(CONFIG_MAP),
                None => canonical_kind(target.kind.as_str()),
            };
            let kinds: Option<Vec<_>> = injection.targets.iter().map(kind_of).collect();
            kinds.map(|mut kinds| {
                kinds.sort_unstable();
                kinds.dedup();
                kinds.into_iter().map(finder).collect()
            })
        };
        let includes_agents = injection.targets.is_empty() && !injection.prefect.is_empty();
        let (block_slug, block_patches) = (finder(kubernetes_job_block::SLUG), finder(kubernetes_job_block::PATCHES));
        Prefilter {
            containers: finder("ontainers"),
            block_slug,
            block_patches,
            config_map: finder("configMap"),
            kinds,
            includes_agents,
        }
    }

    /// Returns why a document may be relevant, from its bytes alone. If `map_changes` is true, the data of a ConfigMap
    /// change, so Pods that use a ConfigMap are relevant too. If `after_directives` is true, directives may precede the
    /// document, and a tag of any name may stand for `!!binary`.
    pub fn relevance(&self, text: &[u8], after_directives: bool, map_changes: bool) -> Relevance {
        // Every target mentions containers, so a document that does not mention them is not searched for other
        // keywords.
        let mentions_containers = self.mentions_containers(text);
        if mentions_containers && self.mentions_target_kind(text) {
            Relevance::Target
        } else if self.may_contain_escapes(text, after_directives) {
            Relevance::PossibleTarget { mentions_containers }
        } else if mentions_containers && map_changes && self.config_map.find(text).is_some() {
            Relevance::UsesConfigMap
        } else {
            Relevance::None
        }
    }

    /// Returns whether an embedded document can have a target. `is_named` is true if a target names the document. All
    /// its workloads are then targets, regardless of their kind.
    pub fn relevance_of_embedded(&self, text: &[u8], after_directives: bool, is_named: bool) -> Relevance {
        let mentions_containers = self.mentions_containers(text);
        if mentions_containers && (is_named || self.mentions_target_kind(text)) {
            Relevance::Target
        } else if self.may_contain_escapes(text, after_directives) {
            Relevance::PossibleTarget { mentions_containers }
        } else {
            Relevance::None
        }
    }

    /// Returns whether a document contains the key of a container list, or the slug of a `KubernetesJob` block.
    fn mentions_containers(&self, text: &[u8]) -> bool {
        self.containers.find(text).is_some() || self.block_slug.find(text).is_some()
    }

    /// Returns whether a document contains the kind of a target, or a keyword of an agent or block. The document must
    /// mention containers.
    fn mentions_target_kind(&self, text: &[u8]) -> bool {
        let has_kind = match &self.kinds {
            None => true,
            Some(kinds) => kinds.iter().any(|kind| kind.find(text).is_some()),
        };
        let block_keywords = [&self.block_slug, &self.block_patches];
        has_kind
            || self.includes_agents && memchr::memmem::find(text, b"prefect").is_some()
            || block_keywords.iter().any(|keyword| keyword.find(text).is_some())
    }

    /// Returns whether escapes in a document may hide the key of a container list. The escapes are undone twice,
    /// because an embedded document can have its own.
    pub fn may_hide_containers(&self, text: &[u8]) -> bool {
        let outer = undo_escapes(text);
        let inner = undo_escapes(&outer);
        let has_binary_scalar = |text: &[u8]| memchr::memchr_iter(b'!', text).any(|at| is_binary_tag(&text[at..]));
        [&outer, &inner].iter().any(|text| self.mentions_containers(text) || has_binary_scalar(text))
    }

    /// Returns whether a document contains an escape, an escaped line break, a binary scalar or a tag that may hide a
    /// keyword.
    fn may_contain_escapes(&self, text: &[u8], after_directives: bool) -> bool {
        memchr::memchr3_iter(b'\\', b'!', b'%', text).any(|at| {
            let rest = &text[at..];
            match rest[0] {
                b'\\' => match rest.get(1) {
                    Some(b'x' | b'u' | b'U') => true,
                    // An escaped line break after an escaped backslash may split any escape of an embedded document.
                    Some(b'\\') if rest.get(2) == Some(&b'\\') && strip_line_break(&rest[3..]).is_some() => true,
                    _ => {
                        let after = skip_escaped_break(&rest[1..]);
                        after.is_some_and(|after| self.may_be_split_keyword(&text[..at], after))
                    }
                },
                b'!' => after_directives || may_be_binary_tag(rest),
                _ => rest.starts_with(b"%TAG"),
            }
        })
    }

    /// Returns whether an escaped line break between `before` and `after` may split a keyword, for example `Job` into
    /// `Jo\` and `b`.
    fn may_be_split_keyword(&self, before: &[u8], after: &[u8]) -> bool {
        /// The maximum length of a keyword in bytes.
        const MAX_KEYWORD_LENGTH: usize = 32;
        let before = &before[before.len().saturating_sub(MAX_KEYWORD_LENGTH)..];
        let after = &after[..after.len().min(MAX_KEYWORD_LENGTH)];
        let joined = [before, after].concat();
        joined.contains(&b'\\')
            || memchr::memmem::find(&joined, b"%TAG").is_some()
            || memchr::memchr_iter(b'!', &joined).any(|at| may_be_binary_tag(&joined[at..]))
            || self.mentions_containers(&joined)
            || self.mentions_target_kind(&joined)
            || self.config_map.find(&joined).is_some()
    }
}

/// Returns the bytes after an escaped line break and the indentation after it. `rest` are the bytes after the
/// backslash. Returns `None` if no line break follows the backslash.
///
/// An embedded document may be double-quoted and contain a double-quoted scalar with an escaped line break. The
/// backslash is then doubled, and the line break may be written as an escape, such as `\n`, or follow an escaped line
/// break.
fn skip_escaped_break(rest: &[u8]) -> Option<&[u8]> {
    let mut after = rest.strip_prefix(b"\\").unwrap_or(rest);
    let mut has_break = false;
    loop {
        let next = strip_line_break(after).or_else(|| match after {
            [b'\\', b'n' | b'r' | b'N' | b'L' | b'P', after @ ..] => Some(after),
            [b'\\', after @ ..] => strip_line_break(after),
            _ => None,
        });
        after = match (next, after) {
            // The caller takes a further escape as one that may split a keyword.
            (Some(_), _) if has_break && after.starts_with(b"\\") => return Some(after),
            (Some(next), _) => {
                has_break = true;
                next
            }
            (None, [b' ' | b'\t', next @ ..]) if has_break => next,
            _ => return has_break.then_some(after),
        };
    }
}

/// Returns whether a scalar with this tag is binary in a document without directives. `rest` begins with the tag.
/// Kubernetes refuses directives, so a `%TAG` directive never declares another name for the tag.
fn is_binary_tag(rest: &[u8]) -> bool {
    let (name, binary): (&[u8], &[u8]) = match rest {
        [b'!', b'<', name @ ..] => (name, b"tag:yaml.org,2002:binary"),
        [b'!', b'!', name @ ..] => (name, b"binary"),
        _ => return false,
    };
    // Each byte of a tag may be percent-encoded.
    let mut rest = name;
    binary.iter().all(|expected| {
        let (byte, after) = match rest {
            [b'%', digits @ ..] => {
                let code = digits.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                (code.and_then(|code| u8::from_str_radix(code, 16).ok()), digits.get(2..).unwrap_or_default())
            }
            [byte, after @ ..] => (Some(*byte), after),
            [] => (None, rest),
        };
        rest = after;
        byte == Some(*expected)
    })
}

/// Returns whether a tag may mean `!!binary`. An escape may split a verbatim tag (`!<...>`), so any may.
fn may_be_binary_tag(rest: &[u8]) -> bool {
    rest.starts_with(b"!<") || is_binary_tag(rest)
}

/// Replaces the escapes of double quotes by what they mean. An escaped line break is removed with the blanks after it.
fn undo_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = strip_line_break(rest) {
            rest = after.trim_ascii_start();
            continue;
        }
        let (name, after) = rest.split_first().unwrap_or((&b'\\', &[]));
        let digits = match name {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let code =
            after.get(..digits).and_then(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let c = match name {
            b'n' | b'r' => '\n',
            b'N' => '\u{85}',
            b'L' | b'P' => '\u{2028}',
            _ => code.and_then(char::from_u32).unwrap_or(char::from(*name)),
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after.get(if code.is_some() { digits } else { 0 }..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Returns the bytes after a line break of YAML 1.1, or `None` if the bytes do not begin with one.
fn strip_line_break(bytes: &[u8]) -> Option<&[u8]> {
    /// NEL, LS and PS.
    const UNICODE_BREAKS: [&str; 3] = ["\u{85}", "\u{2028}", "\u{2029}"];
    match bytes {
        [b'\n' | b'\r', after @ ..] => Some(after),
        _ => UNICODE_BREAKS.iter().find_map(|line_break| bytes.strip_prefix(line_break.as_bytes())),
    }
}
