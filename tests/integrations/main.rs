//! Tests the integrations with the real programs: `kubectl`, `kustomize`, `krew`, `pre-commit` and others.
//! `tests/cluster` tests the integrations that need an API server.

mod argocd;
#[path = "../cmd/console.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod console;
mod doc_example;
mod docs;
mod downloads;
mod github;
mod gitlab;
mod krm;
mod kubectl;
mod kubectl_secret;
mod pre_commit;
mod programs;
mod rdjson;
mod release;
#[path = "../cmd/run.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod run;
mod same_bytes;
mod sarif;
mod shells;
#[path = "../rules/workspace.rs"]
#[allow(dead_code)] // tests/rules uses all of it
mod workspace;
