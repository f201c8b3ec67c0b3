//! The order of an apply: which objects are tried or sent, and after which others.

use crate::kinds::RBAC;
use crate::object::InputObject;

/// Kinds that other objects name, and are refused without.
const EARLY: [&str; 3] = ["PriorityClass", "ServiceAccount", "StorageClass"];

/// When an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Namespaces and CustomResourceDefinitions: other objects need them.
    First,
    /// Roles, and the kinds of [`EARLY`]: the server checks other objects against them.
    Early,
    /// All other kinds.
    Middle,
    /// Jobs: they start at once, and may need all other objects.
    Last,
}

impl Stage {
    /// Decides when an object is sent.
    pub(crate) fn of(subject: &InputObject) -> Self {
        match (&*subject.api_version, &*subject.kind) {
            ("v1", "Namespace") => Stage::First,
            _ if subject.is_crd() => Stage::First,
            (RBAC, "Role" | "ClusterRole") => Stage::Early,
            (_, kind) if EARLY.contains(&kind) => Stage::Early,
            _ if subject.is_job() => Stage::Last,
            _ => Stage::Middle,
        }
    }
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A dry run on the server.
    DryRun,
    /// The real thing.
    Apply,
}

/// A step of an apply. All of its objects have ended before the next one begins.
#[derive(Debug)]
pub(crate) struct Phase {
    /// What is done.
    pub mode: Mode,
    /// The objects of these stages, both ends included.
    stages: (Stage, Stage),
}

/// All phases, in their order.
///
/// A later dry run can know that it needs something that an earlier phase found missing.
pub(crate) const PHASES: [Phase; 7] = [
    Phase { mode: Mode::DryRun, stages: (Stage::First, Stage::First) },
    Phase { mode: Mode::DryRun, stages: (Stage::Early, Stage::Early) },
    Phase { mode: Mode::DryRun, stages: (Stage::Middle, Stage::Last) },
    Phase { mode: Mode::Apply, stages: (Stage::First, Stage::First) },
    Phase { mode: Mode::Apply, stages: (Stage::Early, Stage::Early) },
    Phase { mode: Mode::Apply, stages: (Stage::Middle, Stage::Middle) },
    Phase { mode: Mode::Apply, stages: (Stage::Last, Stage::Last) },
];

impl Phase {
    /// Returns the first stage whose objects it has.
    pub(crate) fn first_stage(&self) -> Stage {
        self.stages.0
    }

    /// Returns whether it has an object of a stage. What can't be tried is in no dry run.
    pub(crate) fn includes(&self, stage: Stage, untriable: bool) -> bool {
        let (first, last) = self.stages;
        (first..=last).contains(&stage) && !(self.mode == Mode::DryRun && untriable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_sent_after_those_that_they_need() {
        let cases = [
            ("v1", "Namespace", Stage::First),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition", Stage::First),
            (RBAC, "ClusterRole", Stage::Early),
            ("v1", "ServiceAccount", Stage::Early),
            (RBAC, "RoleBinding", Stage::Middle),
            ("v1", "ConfigMap", Stage::Middle),
            ("batch/v1", "CronJob", Stage::Middle),
            ("batch/v1", "Job", Stage::Last),
            ("example.org/v1", "Job", Stage::Middle),
        ];
        for (api_version, kind, stage) in cases {
            let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            assert_eq!(Stage::of(&InputObject::of_test(&text)), stage, "{kind}");
        }
    }
}
