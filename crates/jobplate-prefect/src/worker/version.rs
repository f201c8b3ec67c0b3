//! Versions of prefect-kubernetes, the package that a Kubernetes worker is: what each of them does otherwise.
//!
//! What a worker makes of `env` goes by this version, not by Prefect's. Some things go by Prefect's own, which is
//! taken to be the one that was current.

use std::fmt;

/// The oldest and the newest that were looked into.
const KNOWN: [WorkerVersion; 2] = [WorkerVersion([0, 2, 10]), WorkerVersion([0, 8, 0])];

/// A version, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerVersion(pub [u32; 3]);

impl Default for WorkerVersion {
    /// The newest that is known.
    fn default() -> Self {
        KNOWN[1]
    }
}

/// The version of Prefect that each version of prefect-kubernetes was used with, from that version on.
const PREFECT: [([u32; 3], &str); 7] = [
    ([0, 0, 0], "2.10.21"),
    ([0, 2, 12], "2.13.8"),
    ([0, 4, 0], "2.20.26"),
    ([0, 5, 0], "3.2.9"),
    ([0, 6, 0], "3.4.22"),
    ([0, 7, 0], "3.6.28"),
    ([0, 8, 0], "3.8.8"),
];

impl WorkerVersion {
    fn is_from(self, version: [u32; 3]) -> bool {
        self.0 >= version
    }

    /// What there is to say of a version that was not looked into.
    pub fn remark(self) -> Option<String> {
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

    /// The version of Prefect that the worker runs with.
    pub fn prefect(self) -> &'static str {
        PREFECT.iter().rev().find(|(from, _)| self.is_from(*from)).map_or(PREFECT[0].1, |(_, prefect)| prefect)
    }

    /// Whether entries of the container's `env` are kept behind the worker's own.
    pub fn keeps_entries(self) -> bool {
        self.is_from([0, 2, 12])
    }

    /// Whether such an entry is dropped where the worker has one of its name.
    pub fn drops_doubled_entries(self) -> bool {
        self.is_from([0, 6, 6])
    }

    /// Whether what deployments set is merged with `job_configuration.env`: it came with Prefect 2.20 and 3.0.
    pub fn merges_env(self) -> bool {
        self.is_from([0, 4, 0])
    }

    /// Whether the default of the variable `env` is merged with it, too; before, it takes its place.
    pub fn merges_default_env(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// What becomes of an `env` that is a list of entries.
    pub fn list_of_env(self) -> ListOfEnv {
        match () {
            () if self.is_from([0, 5, 9]) => ListOfEnv::Entries,
            () if self.is_from([0, 5, 0]) => ListOfEnv::Lost,
            () => ListOfEnv::Pairs,
        }
    }

    /// Whether values of `env` that are no text become one, whatever they are.
    pub fn makes_text(self) -> bool {
        self.is_from([0, 4, 6])
    }

    /// Whether a variable whose default is null has none; before, null is its value.
    pub fn drops_null_defaults(self) -> bool {
        self.is_from([0, 5, 0])
    }

    /// Whether job variables of a flow run count.
    pub fn reads_run_variables(self) -> bool {
        self.is_from([0, 2, 12])
    }

    /// What flow runs are told to do when they are stopped.
    pub fn eviction(self) -> Eviction {
        match () {
            () if self.is_from([0, 7, 12]) => Eviction::RescheduleOrRelinquish,
            () if self.is_from([0, 5, 9]) => Eviction::RescheduleOnly,
            () => Eviction::Nothing,
        }
    }

    /// Whether `job_configuration` has annotations.
    pub fn has_annotations(self) -> bool {
        self.is_from([0, 7, 6])
    }

    /// Whether Jobs have the labels that Kubernetes recommends (`app.kubernetes.io/...`).
    pub fn has_recommended_labels(self) -> bool {
        self.is_from([0, 7, 6])
    }

    /// Whether Jobs have labels of their work pool and worker, and pods all labels of their Job.
    pub fn labels_pools_and_pods(self) -> bool {
        self.is_from([0, 6, 0])
    }

    /// Whether keys of labels keep their upper-case letters.
    pub fn keeps_case_of_keys(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether values of labels keep them.
    pub fn keeps_case_of_values(self) -> bool {
        self.is_from([0, 6, 0])
    }

    /// Whether `env.NAME` is a job variable.
    pub fn reads_dotted_variables(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether names may hold `{{ ctx... }}`.
    pub fn fills_names(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether `None-`, of a name that is null, counts as no name.
    pub fn knows_null_names(self) -> bool {
        self.is_from([0, 2, 12])
    }

    /// Whether Prefect itself is Prefect 3, which has other settings, and a profile for workers without one.
    pub fn is_prefect_3(self) -> bool {
        self.is_from([0, 5, 0])
    }

    /// Whether flow runs are told which flow, deployment and worker they are of.
    pub fn tells_attribution(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether a flow run's id is told with its dashes.
    pub fn writes_dashes(self) -> bool {
        self.is_from([0, 2, 12])
    }

    /// Whether a command is split as a shell does; before, at blanks.
    pub fn reads_quotes(self) -> bool {
        self.is_from([0, 2, 12])
    }

    /// What a flow's container runs, if the template does not say. Workers of Prefect 2 may be told to run its engine,
    /// as the first ones did.
    pub fn command(self, runs_engine: bool) -> &'static str {
        match self.is_from([0, 5, 0]) || self.is_from([0, 2, 12]) && !runs_engine {
            true => "prefect flow-run execute",
            false => "python -m prefect.engine",
        }
    }
}

/// What becomes of an `env` that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOfEnv {
    /// It is one of entries, as a container has them.
    Entries,
    /// Nothing.
    Lost,
    /// A mapping, by the keys of each entry: of `{name: A, valueFrom: ...}`, `name: valueFrom`.
    Pairs,
}

/// What flow runs are told to do when they are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Nothing.
    Nothing,
    /// To be scheduled anew where there is one attempt, whatever is set; nothing where there are more.
    RescheduleOnly,
    /// The same, if nothing else is set; to leave it to Kubernetes where there are more attempts.
    RescheduleOrRelinquish,
}

impl fmt::Display for WorkerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerVersion([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
