//! Versions of prefect-kubernetes, the package of Kubernetes workers, and the differences in their behaviour.
//!
//! The handling of `env` depends on this version, not on Prefect's version. Where the behaviour depends on Prefect's
//! version, the worker is assumed to run with the version in `PREFECT_VERSIONS`.

use std::fmt;

/// The oldest and the newest supported version.
const SUPPORTED_RANGE: [WorkerVersion; 2] = [WorkerVersion([0, 2, 10]), WorkerVersion([0, 8, 0])];

/// A version of prefect-kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerVersion(pub [u32; 3]);

impl Default for WorkerVersion {
    /// Returns the newest supported version.
    fn default() -> Self {
        SUPPORTED_RANGE[1]
    }
}

/// Versions of prefect-kubernetes in ascending order, each with the version of Prefect that is assumed from that
/// version on.
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

    /// Returns a note if the version is older or newer than the supported versions, otherwise `None`.
    pub fn unsupported_note(self) -> Option<String> {
        let [oldest, newest] = SUPPORTED_RANGE;
        let (age, end, known) = match () {
            () if self < oldest => ("older", "oldest", oldest),
            () if self > newest => ("newer", "newest", newest),
            () => return None,
        };
        Some(format!(
            "prefect-kubernetes {self} is {age} than the {end} supported version; the behaviour of {known} is assumed"
        ))
    }

    /// Returns the version of Prefect that the worker is assumed to run with.
    pub fn prefect_version(self) -> &'static str {
        PREFECT_VERSIONS
            .iter()
            .rev()
            .find(|(from, _)| self.is_at_least(*from))
            .map_or(PREFECT_VERSIONS[0].1, |(_, prefect)| prefect)
    }

    /// Returns the numbers of [`Self::prefect_version`].
    pub fn prefect_version_numbers(self) -> Vec<u32> {
        self.prefect_version().split('.').filter_map(|number| number.parse().ok()).collect()
    }

    /// Returns whether the worker keeps the container's entries in `env`, after the entries that it sets.
    pub fn keeps_entries(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns whether the worker removes an entry of the container if it sets a variable with the same name.
    pub fn drops_duplicate_entries(self) -> bool {
        self.is_at_least([0, 6, 6])
    }

    /// Returns whether the `env` of deployments is merged with `job_configuration.env` (Prefect 2.20 and 3.0).
    pub fn merges_env(self) -> bool {
        self.is_at_least([0, 4, 0])
    }

    /// Returns whether the default of the variable `env` is also merged with `job_configuration.env`. Earlier versions
    /// replace `job_configuration.env` with the default.
    pub fn merges_default_env(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns the handling of an `env` that is a list.
    pub fn env_list_handling(self) -> EnvListHandling {
        match () {
            () if self.is_at_least([0, 5, 9]) => EnvListHandling::Entries,
            () if self.is_at_least([0, 5, 0]) => EnvListHandling::Ignored,
            () => EnvListHandling::Pairs,
        }
    }

    /// Returns whether values of `env` that are mappings or lists are converted to strings. Earlier versions reject
    /// them.
    pub fn converts_env_values(self) -> bool {
        self.is_at_least([0, 4, 6])
    }

    /// Returns whether a default of null counts as no default. Earlier versions use null as the value.
    pub fn drops_null_defaults(self) -> bool {
        self.is_at_least([0, 5, 0])
    }

    /// Returns whether the worker reads the job variables of flow runs.
    pub fn reads_run_variables(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns the handling of the variable that determines how flow runs react to the termination of their pod.
    pub fn eviction_handling(self) -> EvictionHandling {
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

    /// Returns whether Jobs get labels for their work pool and worker, and whether pods get all labels of their Job.
    pub fn labels_pools_and_pods(self) -> bool {
        self.is_at_least([0, 6, 0])
    }

    /// Returns whether label keys keep their uppercase letters.
    pub fn keeps_case_of_keys(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether label values keep their uppercase letters.
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

    /// Returns whether the worker sets variables that identify the flow run's flow, deployment and worker.
    pub fn sets_attribution(self) -> bool {
        self.is_at_least([0, 7, 0])
    }

    /// Returns whether the variable with the ID of the flow run keeps the dashes of the ID.
    pub fn keeps_dashes(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns whether a command is split like in a shell. Earlier versions split it at whitespace.
    pub fn splits_like_a_shell(self) -> bool {
        self.is_at_least([0, 2, 12])
    }

    /// Returns the default command of the flow's container. If `runs_engine` is true, workers of Prefect 2 run
    /// Prefect's engine, like the first versions.
    pub fn command(self, runs_engine: bool) -> &'static str {
        match self.is_at_least([0, 5, 0]) || self.is_at_least([0, 2, 12]) && !runs_engine {
            true => "prefect flow-run execute",
            false => "python -m prefect.engine",
        }
    }
}

/// The handling of an `env` that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvListHandling {
    /// The worker reads the list as entries of a container.
    Entries,
    /// The worker ignores the list.
    Ignored,
    /// The worker reads each entry as a pair of its two keys: `{name: A, valueFrom: ...}` is read as `name: valueFrom`.
    Pairs,
}

/// The handling of the variable that determines how a flow run reacts to the termination of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionHandling {
    /// The worker does not set the variable.
    Unset,
    /// The worker sets `reschedule` if the Job has a single attempt, overriding any value. Otherwise, it removes the
    /// variable.
    RescheduleOnly,
    /// If the Job has a single attempt, the worker keeps a set value or sets `reschedule`. Otherwise, it sets
    /// `relinquish`.
    RescheduleOrRelinquish,
}

impl fmt::Display for WorkerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerVersion([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
