//! The examples in README.md and docs/ that need a cluster, each page in a namespace where nothing else is.

use crate::console;
use crate::servers::{ADMIN, Servers, kubeconfig};

#[test]
fn examples_hold_on_a_real_server() {
    let Some(servers) = Servers::shared() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config = folder.path().join("kubeconfig");
    // A reader has a namespace of their own, and does not say so in every line.
    let page = || {
        let server = format!("https://127.0.0.1:{}", servers.endpoint().port);
        let namespace = format!("context: {{namespace: {}, ", servers.namespace("papers"));
        let text = kubeconfig(&server, Some(&servers.authority()), ADMIN).replace("context: {", &namespace);
        std::fs::write(&config, text).expect("a file can be written");
        vec![("KUBECONFIG", config.to_string_lossy().into_owned())]
    };
    let kubectl = servers.program("kubectl");
    let outcome = console::run_all("```console cluster", kubectl.parent().expect("it is in a folder"), page);
    assert!(outcome.faults.is_empty(), "examples that do not hold:\n{}", outcome.faults);
    assert!(outcome.steps > 5, "only {} examples found", outcome.steps);
}
