//! A Job to wait for.

/// A Job to wait for.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedJob {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// The resource version of the Job when it was applied. A watch from this version contains the later changes.
    pub resource_version: Option<String>,
    /// Whether the server removes the Job some time after its end (`ttlSecondsAfterFinished`).
    pub has_ttl: bool,
}

impl AwaitedJob {
    /// Returns the Job's name in kubectl's format, such as `job.batch/etl`.
    pub(super) fn qualified_name(&self) -> String {
        format!("job.batch/{}", self.name)
    }
}
