//! The cheap proof that a document has no target: most have none, and are copied without being understood.

use jobplate_manifest::embedded::CONFIG_MAP;
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::canonical_kind;
use jobplate_prefect::kubernetes_job_block;

use super::injection::Injection;

/// What a document must hold, byte for byte, to have a target: the cheap proof that most have none.
///
/// Every character of a key or kind comes from the same character in the text, but for escapes in double
/// quotes, `!!binary` and `%TAG`. So a text without `containers` (and without the target's kind, where it
/// is known) and without those has no target, whatever else it holds. (`ontainers`: `initContainers` too.)
#[derive(Debug)]
pub struct Prefilter {
    containers: memchr::memmem::Finder<'static>,
    /// What a `KubernetesJob` block says that has no container written out.
    block: memchr::memmem::Finder<'static>,
    /// What one says whose patches are about containers, and that has no kind.
    patches: memchr::memmem::Finder<'static>,
    /// What all keys of a pod begin with that refer to a ConfigMap.
    config_map: memchr::memmem::Finder<'static>,
    /// Any of these kinds; none where a target's kind is a pattern.
    kinds: Option<Vec<memchr::memmem::Finder<'static>>>,
    /// Kinds that count only together with the word `prefect`.
    agents: bool,
}

/// What the bytes of a document say about its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relevance {
    /// It holds the words of a target as they are.
    Target,
    /// It may be a target whose words are written in another way.
    PossibleTarget {
        /// It holds the key that containers stand under as it is.
        names_containers: bool,
    },
    /// It holds the words of a pod that uses a ConfigMap.
    UsesConfigMap,
    /// It has no target, whatever else it holds: it is copied without being read.
    None,
}

impl Prefilter {
    /// The filter for an injection.
    pub fn new(injection: &Injection) -> Self {
        let finder = |kind: &str| memchr::memmem::Finder::new(kind).into_owned();
        let kinds = if injection.targets.is_empty() {
            // "CronJob" holds "Job", and so does a ConfigMap with a job template in it.
            Some(vec![finder("Job")])
        } else {
            let kind = |target: &Target| match target.key {
                Some(_) => Some(CONFIG_MAP),
                None => canonical_kind(target.kind.as_str()),
            };
            let kinds: Option<Vec<_>> = injection.targets.iter().map(kind).collect();
            kinds.map(|mut kinds| {
                kinds.sort_unstable();
                kinds.dedup();
                kinds.into_iter().map(finder).collect()
            })
        };
        let agents = injection.targets.is_empty() && !injection.prefect.is_empty();
        let (block, patches) = (finder(kubernetes_job_block::SLUG), finder(kubernetes_job_block::PATCHES));
        Prefilter { containers: finder("ontainers"), block, patches, config_map: finder("configMap"), kinds, agents }
    }

    /// Decides what a document can be, from its bytes alone. `map_changes`: a ConfigMap changes, so that pods that use
    /// one count, too.
    pub fn relevance(&self, text: &[u8], map_changes: bool) -> Relevance {
        // Without the word that all need, the others are not looked for.
        let names_containers = self.names_containers(text);
        if names_containers && self.names_kind(text) {
            Relevance::Target
        } else if self.may_contain_escapes(text) {
            Relevance::PossibleTarget { names_containers }
        } else if names_containers && map_changes && self.config_map.find(text).is_some() {
            Relevance::UsesConfigMap
        } else {
            Relevance::None
        }
    }

    /// Decides the same for a document embedded in a ConfigMap. `is_named`: a target names it, so that its kind does
    /// not count.
    pub fn relevance_of_embedded(&self, text: &[u8], is_named: bool) -> Relevance {
        let names_containers = self.names_containers(text);
        if names_containers && (is_named || self.names_kind(text)) {
            Relevance::Target
        } else if self.may_contain_escapes(text) {
            Relevance::PossibleTarget { names_containers }
        } else {
            Relevance::None
        }
    }

    /// Returns whether the text holds the key that containers stand under, or a word that stands for one.
    fn names_containers(&self, text: &[u8]) -> bool {
        self.containers.find(text).is_some() || self.block.find(text).is_some()
    }

    /// Whether a text that names containers holds the kind of a target, too, or what stands for one.
    fn names_kind(&self, text: &[u8]) -> bool {
        let kind = match &self.kinds {
            None => true,
            Some(kinds) => kinds.iter().any(|kind| kind.find(text).is_some()),
        };
        let block = || [&self.block, &self.patches].iter().any(|word| word.find(text).is_some());
        kind || self.agents && memchr::memmem::find(text, b"prefect").is_some() || block()
    }

    /// Whether one of the words could be made of other characters than its own: by an escape, or by a line
    /// break that a double-quoted scalar joins over, or in another encoding or tag.
    fn may_contain_escapes(&self, text: &[u8]) -> bool {
        memchr::memchr3_iter(b'\\', b'!', b'%', text).any(|at| {
            let rest = &text[at..];
            match rest[0] {
                b'\\' => match rest.get(1) {
                    Some(b'x' | b'u' | b'U') => true,
                    Some(b'\n' | b'\r') => self.is_split_word(&text[..at], &rest[1..]),
                    // The same in an embedded document, in double quotes.
                    Some(b'\\') => {
                        let behind = rest[2..].strip_prefix(br"\r").unwrap_or(&rest[2..]);
                        let behind = behind.strip_prefix(br"\n").unwrap_or(behind);
                        behind.len() < rest.len() - 2 && self.is_split_word(&text[..at], behind)
                    }
                    _ => false,
                },
                b'!' => rest.starts_with(b"!<") || rest.starts_with(b"!!binary"),
                _ => rest.starts_with(b"%TAG"),
            }
        })
    }

    /// Whether a word could stand across an escaped line break, so that `Jo\` and `b` are one.
    fn is_split_word(&self, before: &[u8], behind: &[u8]) -> bool {
        /// No word that is looked for is longer.
        const LONGEST: usize = 32;
        let before = &before[before.len().saturating_sub(LONGEST)..];
        let behind = behind.trim_ascii_start();
        let behind = &behind[..behind.len().min(LONGEST)];
        let joined = [before, behind].concat();
        let kinds = self.kinds.iter().flatten().any(|kind| kind.find(&joined).is_some());
        let words = [&self.patches, &self.config_map].iter().any(|word| word.find(&joined).is_some());
        let keys = self.names_containers(&joined) || words;
        joined.contains(&b'\\') || kinds || self.kinds.is_none() || keys
    }
}
