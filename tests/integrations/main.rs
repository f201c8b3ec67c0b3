//! Every door that users walk through, opened by the program that they open it with: `kubectl`, `kustomize`, `krew`,
//! `pre-commit` and others, as they are. Doors to an API server are in `tests/cluster`.

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
mod release;
#[path = "../cmd/run.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod run;
mod same_bytes;
mod shells;
