//! Applies a manifest with the library, for options that the program does not have.

use std::time::Duration;

use jobplate_cluster::{
    ApplyOptions, ClusterOptions, Document, EventHandler, FieldValidation, KubeconfigSource, OnImmutable, Report,
    SessionOptions, WaitOptions, WriteOptions,
};

/// Applies a manifest without a dry run. `timeout` is that of the wait.
pub(crate) fn apply(
    source: KubeconfigSource,
    namespace: Option<&str>,
    manifest: &str,
    wait: Option<WaitOptions>,
    timeout: Duration,
    events: &dyn EventHandler,
) -> Report {
    let session = SessionOptions {
        cluster: ClusterOptions { kubeconfigs: Some(source), ..ClusterOptions::default() },
        namespace: namespace.map(str::to_owned),
        request_timeout: Some(Duration::from_secs(60)),
        concurrency: 4,
        write_options: WriteOptions { field_manager: "jobplate".to_owned(), field_validation: FieldValidation::Strict },
        includes_hangup: true,
        on_listening: || (),
        on_second_interrupt: || (),
    };
    let options = ApplyOptions {
        dry_run: false,
        preflight: false,
        force_conflicts: false,
        take_over: false,
        on_immutable: OnImmutable::Fail,
        show_live: false,
        wait,
        timeout,
    };
    let documents = [Ok(Document::new("input.yaml", 1, manifest))];
    jobplate_cluster::apply(documents, &session, &options, events).expect("the manifest is valid")
}
