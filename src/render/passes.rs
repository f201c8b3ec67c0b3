//! How often all documents are planned, and when they are planned again.
//!
//! Two facts can concern documents before the one that they are found in: that an agent takes Prefect's settings
//! (the job template that it mounts needs none then), and that a ConfigMap's data change (pods that use it must be
//! replaced). Each pass is planned with the facts that the pass before it found; the first pass that finds nothing
//! new is the plan. The hash of `--name-hash` is no such fact: it concerns its own document alone, which is
//! planned again on the spot (`document`).

use jobplate_diagnostic::{Error, Result};

use crate::inject::{ChangedConfigMaps, Injection, PassContext};

/// Whether an agent is there, which ConfigMaps then change, and what uses them.
const MAX_PASSES: usize = 3;

/// What a pass finds.
#[derive(Debug, Default)]
pub(super) struct PassFindings {
    /// Whether an agent or worker takes Prefect's settings.
    pub agent: bool,
    /// The ConfigMaps whose data change.
    pub changed: ChangedConfigMaps,
    /// Whether there is a text in a ConfigMap that may be a target.
    pub texts: bool,
}

/// Makes passes until one finds nothing new, each from what the pass before it has made.
///
/// # Errors
///
/// Fails with the error of a pass, and where the last pass still finds something new.
pub(super) fn repeat<T>(
    injection: &Injection,
    mut planned: T,
    mut pass: impl FnMut(T, PassContext) -> Result<(T, PassFindings)>,
) -> Result<T> {
    let mut known = known_at_first(injection);
    for _ in 0..MAX_PASSES {
        let found;
        (planned, found) = pass(planned, known.clone())?;
        match new_facts(known, found) {
            None => return Ok(planned),
            Some(facts) => known = facts,
        }
    }
    // The last pass has found something else than the one before it, in the same bytes.
    Err(Error::input("an input changed while it was read").hint("run again when nothing writes to it"))
}

/// What is known before the first pass: without settings for agents, none is looked for.
fn known_at_first(injection: &Injection) -> PassContext {
    let settings_by_default = !injection.prefect.is_empty() && injection.targets.is_empty();
    PassContext { agent: (!settings_by_default).then_some(false), ..PassContext::default() }
}

/// What the next pass must know; none where the one that has ended knew all that it found.
fn new_facts(known: PassContext, found: PassFindings) -> Option<PassContext> {
    match known.agent {
        // Texts wait until every document has been looked at for an agent.
        None => found.texts.then(|| PassContext { agent: Some(found.agent), ..PassContext::default() }),
        agent => (found.changed != known.changed).then_some(PassContext { changed: found.changed, agent }),
    }
}

#[cfg(test)]
mod tests {
    use jobplate_manifest::object::objects;
    use jobplate_yaml::{Document, NodeArena, read};

    use super::*;

    #[test]
    fn passes_go_on_until_one_finds_nothing_new() {
        let agents_known = |injection: &Injection, texts: bool| {
            let mut agents = Vec::new();
            repeat(injection, (), |(), known| {
                agents.push(known.agent);
                Ok(((), PassFindings { agent: true, texts, ..PassFindings::default() }))
            })
            .unwrap();
            agents
        };
        let mut injection = Injection::default();
        assert_eq!(agents_known(&injection, true), [Some(false)]);
        injection.prefect.local_secrets = Some(true);
        assert_eq!(agents_known(&injection, true), [None, Some(true)]);
        assert_eq!(agents_known(&injection, false), [None]);
    }

    #[test]
    fn an_input_that_changes_in_every_pass_is_an_error() {
        let mut passes = 0;
        let result = repeat(&Injection::default(), (), |(), _| {
            passes += 1;
            let text = format!("kind: ConfigMap\nmetadata: {{name: a}}\ndata: {{b: c{passes}}}\n");
            let mut arena = NodeArena::default();
            read(&text, &mut arena).unwrap();
            let mut found = PassFindings::default();
            found.changed.add(&objects(Document::new(&text, &arena))?[0]);
            Ok(((), found))
        });
        assert_eq!((result.unwrap_err().message(), passes), ("an input changed while it was read", MAX_PASSES));
    }
}
