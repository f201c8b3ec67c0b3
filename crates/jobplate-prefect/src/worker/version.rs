//! Versions of prefect-kubernetes, the package of Kubernetes workers, and how their behaviour differs.
//!
//! How a worker sets `env` depends on this version, not on Prefect's. What depends on Prefect's own version assumes the
//! one that was current.

use std::fmt;

/// The oldest and the newest supported version.
const KNOWN: [WorkerVersion; 2] = [WorkerVersion([0, 2, 10]), WorkerVersion([0, 8, 0])];

/// A version of prefect-kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerVersion(pub [u32; 3]);

impl Default for WorkerVersion {
    /// Returns the newest supported version.
    fn default() -> Self {
        KNOWN[1]
    }
}

/// Versions of prefect-kubernetes, with the version of Prefect that was current from each on.
const PREFECT_VERSIONS: [([u32; 3], &str); 7] = [
    ([0, 0, 0], "2.10.21"),
    ([0, 2, 12], "2.13.8"),
    ([0, 4, 0], "2.20.26"),
    ([0, 5, 0], "3.2.9"),
    ([0, 6, 0], "3.4.22"),
    ([0, 7, 0], "3.6.28"),
    ([0, 8, 0], "3.8.8"),
];

impl WorkerVersion {
    fn is_at_least(self, version: [u32; 3]) -> bool {
        self.0 >= version
    }

    /// Returns a note if the version is older or newer than the supported ones.
    pub fn unsupported_note(self) -> Option<String> {
        let [oldest, newest] = KNOWN;
        let (is, end, known) = match () {
            () if self < oldest => ("older", "oldest", oldest),
            () if self > newest => ("newer", "newest", newest),
            () => return None,
        };
        Some(format!(
            "prefect-kubernetes {self} is {is} than the {end} that is known, {known}, and is taken for that one"
        ))
    }

    /// Returns the version of Prefect that the worker runs with.
    pub fn prefect_version(self) -> &'static str {
        PREFECT_VERSIONS
            .iter()
            .rev()
            .find(|(from, _)| self.is_at_least(*from))
            .map_or(PREFECT_VERSIONS[0].1, |(_, prefect)| prefect)
    }

    /// Returns whether the worker keeps the container's own entries in `env`, after its own.
    pub fn keeps_entries(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns whether the worker removes such an entry if it sets a variable with the same name.
    pub fn drops_duplicate_entries(self) -> bool {
        self.is_at_least([0, 6, 6])
    }

    /// Returns whether the `env` of deployments is merged with `job_configuration.env` (Prefect 2.20 and 3.0).
    pub fn merges_env(self) -> bool {
        self.is_at_least([0, 4, 0])
    }

    /// Returns whether the default of the variable `env` is merged with it too. Earlier versions replace it.
    pub fn merges_default_env(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns how the worker reads an `env` that is a list.
    pub fn env_list_handling(self) -> EnvListHandling {
        match () {
            () if self.is_at_least([0, 5, 9]) => EnvListHandling::Entries,
            () if self.is_at_least([0, 5, 0]) => EnvListHandling::Ignored,
            () => EnvListHandling::Pairs,
        }
    }

    /// Returns whether values of `env` that are mappings or lists become strings. Earlier versions reject them.
    pub fn converts_env_values(self) -> bool {
        self.is_at_least([0, 4, 6])
    }

    /// Returns whether a default of null counts as no default. In earlier versions null is the value.
    pub fn drops_null_defaults(self) -> bool {
        self.is_at_least([0, 5, 0])
    }

    /// Returns whether the worker reads the job variables of flow runs.
    pub fn reads_run_variables(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns how the worker sets what flow runs do when their pod is stopped.
    pub fn eviction(self) -> EvictionHandling {
        match () {
            () if self.is_at_least([0, 7, 12]) => EvictionHandling::RescheduleOrRelinquish,
            () if self.is_at_least([0, 5, 9]) => EvictionHandling::RescheduleOnly,
            () => EvictionHandling::Unset,
        }
    }

    /// Returns whether `job_configuration` has annotations.
    pub fn has_annotations(self) -> bool {
        self.is_at_least([0, 7, 6])
    }

    /// Returns whether Jobs get the labels that Kubernetes recommends (`app.kubernetes.io/...`).
    pub fn has_recommended_labels(self) -> bool {
        self.is_at_least([0, 7, 6])
    }

    /// Returns whether Jobs get labels of their work pool and worker, and pods all labels of their Job.
    pub fn labels_pools_and_pods(self) -> bool {
        self.is_at_least([0, 6, 0])
    }

    /// Returns whether keys of labels keep their upper-case letters.
    pub fn keeps_case_of_keys(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether values of labels keep their upper-case letters.
    pub fn keeps_case_of_values(self) -> bool {
        self.is_at_least([0, 6, 0])
    }

    /// Returns whether `env.NAME` is a job variable.
    pub fn reads_dotted_variables(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether names can contain `{{ ctx... }}`.
    pub fn fills_names(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether `None-`, the result of a name that is null, counts as no name.
    pub fn ignores_null_names(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns whether the worker runs with Prefect 3, which has other settings and a default profile.
    pub fn is_prefect_3(self) -> bool {
        self.is_at_least([0, 5, 0])
    }

    /// Returns whether the worker sets variables with the flow, deployment and worker of the flow run.
    pub fn sets_attribution(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether the ID of the flow run keeps its dashes.
    pub fn keeps_dashes(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns whether a command is split as a shell does. Earlier versions split it at whitespace.
    pub fn splits_like_a_shell(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns the command of the flow's container if the template has none. A setting makes workers of Prefect 2 run
    /// its engine, as the first ones did.
    pub fn command(self, runs_engine: bool) -> &'static str {
        match self.is_at_least([0, 5, 0]) || self.is_at_least([0, 2, 12]) && !runs_engine {
            true => "prefect flow-run execute",
            false => "python -m prefect.engine",
        }
    }
}

/// How a worker reads an `env` that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvListHandling {
    /// As entries, like those of a container.
    Entries,
    /// It ignores the list.
    Ignored,
    /// As a mapping of the keys of each entry: `{name: A, valueFrom: ...}` becomes `name: valueFrom`.
    Pairs,
}

/// How a worker sets what a flow run does when its pod is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionHandling {
    /// It does not set it.
    Unset,
    /// To be rescheduled if the Job has a single attempt, overriding any value; otherwise it removes the variable.
    RescheduleOnly,
    /// To be rescheduled if the Job has a single attempt and no value is set; otherwise to be left to Kubernetes.
    RescheduleOrRelinquish,
}

impl fmt::Display for WorkerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerVersion([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
