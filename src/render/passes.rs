//! Repeats the planning of all documents until no pass finds new facts.
//!
//! Two facts can affect documents that precede the document in which they are found: an agent gets Prefect's settings
//! (the job template that it mounts then does not need the settings), and a ConfigMap's data change (pods that use the
//! ConfigMap must be replaced). Each pass uses the facts that the previous pass found. The result of the first pass
//! that finds no new facts is the plan. The hash of `--name-hash` affects only its own document, which
//! `document_planner` plans twice instead.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::embedded::is_config_map;
use jobplate_manifest::object::objects;
use jobplate_yaml::Document;

use crate::inject::{ChangedConfigMaps, Injection, PassContext};

/// The maximum number of passes. The first pass searches for an agent, the second finds the ConfigMaps that change, and
/// the third plans the pods that use these ConfigMaps.
const MAX_PASSES: usize = 3;

/// The facts that a pass finds.
#[derive(Debug, Default)]
pub(super) struct PassFindings {
    /// Whether an agent or worker gets Prefect's settings.
    pub agent_gets_settings: bool,
    /// The ConfigMaps whose data change.
    pub changed_config_maps: ChangedConfigMaps,
    /// Whether an embedded document may be a target.
    pub has_embedded: bool,
}

impl PassFindings {
    /// Adds the ConfigMaps among the objects at the given indices of an edited document.
    ///
    /// # Errors
    ///
    /// Fails if the document has no unambiguous objects.
    pub(super) fn add_config_maps(&mut self, document: Document<'_>, positions: &[usize]) -> Result<()> {
        if !positions.is_empty() {
            let objects = objects(document)?;
            let changed = positions.iter().filter_map(|&position| objects.get(position));
            changed.filter(|object| is_config_map(object)).for_each(|map| self.changed_config_maps.add(map));
        }
        Ok(())
    }
}

/// Calls `pass` with the previous plan and the known facts until it finds no new facts. Returns the last plan.
///
/// # Errors
///
/// Returns the error of a pass. Fails if the last of [`MAX_PASSES`] passes still finds new facts.
pub(super) fn repeat<T>(
    injection: &Injection,
    mut planned: T,
    mut pass: impl FnMut(T, PassContext) -> Result<(T, PassFindings)>,
) -> Result<T> {
    let mut context = initial_context(injection);
    for _ in 0..MAX_PASSES {
        let findings;
        (planned, findings) = pass(planned, context.clone())?;
        match next_context(context, findings) {
            None => return Ok(planned),
            Some(next) => context = next,
        }
    }
    // Unchanged inputs always give the same facts, so an input has changed.
    Err(Error::input("an input changed while it was read").hint("run again when no other program writes to it"))
}

/// Returns the facts known before the first pass. The first pass searches for an agent only if agents get settings by
/// default.
fn initial_context(injection: &Injection) -> PassContext {
    let settings_by_default = !injection.prefect.is_empty() && injection.targets.is_empty();
    PassContext { agent_gets_settings: (!settings_by_default).then_some(false), ..PassContext::default() }
}

/// Returns the facts for the next pass, or `None` if the pass has found no new facts.
fn next_context(context: PassContext, findings: PassFindings) -> Option<PassContext> {
    let PassFindings { agent_gets_settings, changed_config_maps, has_embedded } = findings;
    match context.agent_gets_settings {
        // Embedded documents are planned only after all documents have been searched for an agent, so another pass is
        // needed.
        None => has_embedded
            .then(|| PassContext { agent_gets_settings: Some(agent_gets_settings), ..PassContext::default() }),
        _ if changed_config_maps == context.changed_config_maps => None,
        agent_gets_settings => Some(PassContext { changed_config_maps, agent_gets_settings }),
    }
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::object::objects;
    use jobplate_yaml::{Document, NodeArena, read};

    use super::*;

    #[test]
    fn repeats_until_a_pass_finds_nothing_new() {
        let agent_facts = |injection: &Injection, has_embedded: bool| {
            let mut facts = Vec::new();
            repeat(injection, (), |(), context| {
                facts.push(context.agent_gets_settings);
                Ok(((), PassFindings { agent_gets_settings: true, has_embedded, ..PassFindings::default() }))
            })
            .unwrap();
            facts
        };
        let mut injection = Injection::default();
        assert_eq!(agent_facts(&injection, true), [Some(false)]);
        injection.prefect.local_secrets = Some(true);
        assert_eq!(agent_facts(&injection, true), [None, Some(true)]);
        assert_eq!(agent_facts(&injection, false), [None]);
    }

    #[test]
    fn fails_if_an_input_changes_in_every_pass() {
        let mut passes = 0;
        let result = repeat(&Injection::default(), (), |(), _| {
            passes += 1;
            let text = format!("kind: ConfigMap\nmetadata: {{name: a}}\ndata: {{b: c{passes}}}\n");
            let mut arena = NodeArena::default();
            read(&text, &mut arena).unwrap();
            let mut findings = PassFindings::default();
            findings.changed_config_maps.add(&objects(Document::new(&text, &arena))?[0]);
            Ok(((), findings))
        });
        assert_eq!((result.unwrap_err().message(), passes), ("an input changed while it was read", MAX_PASSES));
    }
}
