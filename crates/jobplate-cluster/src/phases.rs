//! Determines the order in which objects are dry-run and applied.

use crate::kinds::RBAC_API_VERSION;
use crate::object::InputObject;

/// Kinds that must exist before the objects that reference them: the API server rejects a reference to a missing object
/// of these kinds.
const PREREQUISITE_KINDS: [&str; 3] = ["PriorityClass", "ServiceAccount", "StorageClass"];

/// The stage of a run in which an object is sent. The variants are in the order of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Namespaces and CustomResourceDefinitions: other objects cannot exist without them.
    Definitions,
    /// Roles, ClusterRoles and the kinds in [`PREREQUISITE_KINDS`]: the server checks other objects against them.
    Prerequisites,
    /// All other kinds.
    General,
    /// Jobs: their pods start at once, and may need any other object.
    Jobs,
}

impl Stage {
    /// Returns the stage of an object.
    pub(crate) fn for_object(object: &InputObject) -> Self {
        match (&*object.api_version, &*object.kind) {
            ("v1", "Namespace") => Stage::Definitions,
            _ if object.is_crd() => Stage::Definitions,
            (RBAC_API_VERSION, "Role" | "ClusterRole") => Stage::Prerequisites,
            (_, kind) if PREREQUISITE_KINDS.contains(&kind) => Stage::Prerequisites,
            _ if object.is_job() => Stage::Jobs,
            _ => Stage::General,
        }
    }
}

/// The way in which the objects of a phase are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As dry runs (`dryRun=All`), which change nothing.
    DryRun,
    /// As apply requests, which change the cluster.
    Apply,
}

/// A step of an apply. Each phase completes before the next phase begins.
#[derive(Debug)]
pub(crate) struct Phase {
    /// The way in which objects are sent.
    pub mode: Mode,
    /// The first and the last stage whose objects are sent, both inclusive.
    stages: (Stage, Stage),
}

/// All phases, in order.
///
/// The dry runs are split by stage so that an object is not dry-run if an earlier phase found that the run will create
/// or change one of its requirements.
pub(crate) const PHASES: [Phase; 7] = [
    Phase { mode: Mode::DryRun, stages: (Stage::Definitions, Stage::Definitions) },
    Phase { mode: Mode::DryRun, stages: (Stage::Prerequisites, Stage::Prerequisites) },
    Phase { mode: Mode::DryRun, stages: (Stage::General, Stage::Jobs) },
    Phase { mode: Mode::Apply, stages: (Stage::Definitions, Stage::Definitions) },
    Phase { mode: Mode::Apply, stages: (Stage::Prerequisites, Stage::Prerequisites) },
    Phase { mode: Mode::Apply, stages: (Stage::General, Stage::General) },
    Phase { mode: Mode::Apply, stages: (Stage::Jobs, Stage::Jobs) },
];

impl Phase {
    /// Returns the first stage whose objects are sent.
    pub(crate) fn first_stage(&self) -> Stage {
        self.stages.0
    }

    /// Returns whether the phase sends an object of `stage`. A dry-run phase does not send objects that skip the dry
    /// run.
    pub(crate) fn includes(&self, stage: Stage, skips_dry_run: bool) -> bool {
        let (first, last) = self.stages;
        (first..=last).contains(&stage) && !(self.mode == Mode::DryRun && skips_dry_run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_objects_after_those_that_they_need() {
        let cases = [
            ("v1", "Namespace", Stage::Definitions),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", Stage::Definitions),
            (RBAC_API_VERSION, "ClusterRole", Stage::Prerequisites),
            ("v1", "ServiceAccount", Stage::Prerequisites),
            (RBAC_API_VERSION, "RoleBinding", Stage::General),
            ("v1", "ConfigMap", Stage::General),
            ("batch/v1", "CronJob", Stage::General),
            ("batch/v1", "Job", Stage::Jobs),
            ("example.org/v1", "Job", Stage::General),
        ];
        for (api_version, kind, stage) in cases {
            let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert_eq!(Stage::for_object(&InputObject::parse_for_test(&text)), stage, "{kind}");
        }
    }
}
