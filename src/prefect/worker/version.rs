//! Versions of prefect-kubernetes, the package that a Kubernetes worker is: what each of them does otherwise.
//!
//! What a worker makes of `env` goes by this version, not by Prefect's. Some things go by Prefect's own, which is
//! taken to be the one that was current.

use std::fmt;

/// A version, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl Default for Version {
    /// The newest that is known.
    fn default() -> Self {
        Version([0, 8, 0])
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

impl Version {
    fn is_from(self, version: [u32; 3]) -> bool {
        self.0 >= version
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

    /// Whether the variables of template, deployment and flow run are merged.
    pub fn merges_env(self) -> bool {
        // It came with Prefect 2.20 and 3.0.
        self.is_from([0, 4, 0])
    }

    /// Whether `env` may be a list of entries.
    pub fn lists_env(self) -> bool {
        self.is_from([0, 5, 9])
    }

    /// Whether flow runs are told what to do when they are stopped.
    pub fn handles_eviction(self) -> bool {
        self.is_from([0, 5, 9])
    }

    /// Whether that is told where Kubernetes makes further attempts, too.
    pub fn relinquishes(self) -> bool {
        self.is_from([0, 7, 12])
    }

    /// Whether `job_configuration` has annotations.
    pub fn has_annotations(self) -> bool {
        self.is_from([0, 7, 6])
    }

    /// Whether Jobs have the labels that Kubernetes recommends (`app.kubernetes.io/...`).
    pub fn has_recommended_labels(self) -> bool {
        self.is_from([0, 7, 6])
    }

    /// Whether values of labels keep their upper-case letters.
    pub fn keeps_case(self) -> bool {
        self.is_from([0, 6, 0])
    }

    /// Whether `env.NAME` is a job variable.
    pub fn reads_dotted_variables(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether flow runs are told which flow, deployment and worker they are of.
    pub fn tells_attribution(self) -> bool {
        self.is_from([0, 7, 0])
    }

    /// Whether Jobs have labels of their work pool and worker.
    pub fn labels_pools(self) -> bool {
        self.is_from([0, 5, 0])
    }

    /// What a flow's container runs, if the template does not say.
    pub fn command(self) -> &'static str {
        if self.is_from([0, 2, 12]) { "prefect flow-run execute" } else { "python -m prefect.engine" }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
