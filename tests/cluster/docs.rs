//! Runs the console examples in README.md and docs/ that need a cluster, each page in an empty namespace.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::console;
use crate::helm::{Helm, VERSIONS};
use crate::servers::{ADMIN, Servers, kubeconfig};

#[test]
fn examples_run_on_a_real_server() {
    let Some(servers) = Servers::shared() else { return };
    let directory = tempfile::tempdir().expect("a temporary directory can be created");
    let config = directory.path().join("kubeconfig");
    // The kubeconfig sets the namespace, so the examples need no `-n`.
    let prepare_page = || {
        let server = format!("https://127.0.0.1:{}", servers.endpoint().port);
        let namespace = format!("context: {{namespace: {}, ", servers.create_namespace("docs"));
        let text = kubeconfig(&server, Some(&servers.authority()), ADMIN).replace("context: {", &namespace);
        std::fs::write(&config, text).expect("a file can be written");
        vec![("KUBECONFIG", config.to_string_lossy().into_owned())]
    };
    let kubectl = servers.program("kubectl");
    let examples =
        console::run_blocks(&["```console cluster"], kubectl.parent().expect("it is in a directory"), prepare_page);
    assert!(examples > 5, "only {examples} examples found");
}

#[test]
fn examples_run_with_helm() {
    for version in VERSIONS {
        // The examples create a namespace and a release with fixed names, so each Helm version needs its own servers.
        let Some(servers) = Servers::start_separate() else { return };
        // Each page starts with a new environment, since a reader may not have read the other pages.
        let environments = RefCell::new(Vec::new());
        let prepare_page = || {
            let helm = Helm::without_plugin(&servers, version);
            let to_text = |(name, value): (_, PathBuf)| (name, value.to_string_lossy().into_owned());
            let environment = helm.environment().into_iter().map(to_text).collect();
            environments.borrow_mut().push(helm);
            environment
        };
        let version_info = format!("```console {version}");
        let examples = console::run_blocks(&[&version_info, "```console helm"], Path::new("/bin"), prepare_page);
        assert!(examples > 6, "only {examples} examples found for {version}");
    }
}
