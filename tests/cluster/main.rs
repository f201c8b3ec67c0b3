//! Tests of the commands that access an API server, against real servers.
//!
//! `servers` starts the servers. `kubelet` is a fake kubelet for their nodes. `proxy` injects faults between a client
//! and the API server. `container` runs the containers of a pod. `worker` runs a Prefect 3 worker, which creates
//! Jobs. `http` reads the live objects. Each test uses its own namespace, and all tests run in parallel.

mod apollo;
mod apply;
mod bundles;
mod canary;
mod chart;
mod check;
mod cli;
mod compare;
mod complete;
#[path = "../cmd/console.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod console;
mod container;
mod credentials;
mod diff;
mod docs;
mod edits;
mod errors;
mod faults;
mod harness;
mod helm;
mod http;
mod immutable;
mod jobs;
mod kubelet;
mod library;
mod live_objects;
mod manifests;
mod messages;
#[path = "../prefect/venv.rs"]
#[allow(dead_code)] // tests/prefect uses all of it
mod oracles;
mod post_render;
mod prefect1;
mod prefect3;
mod prefect_server;
mod preview_references;
mod proxy;
mod quota;
mod recreate;
mod report;
mod rows;
#[path = "../cmd/run.rs"]
#[allow(dead_code)] // tests/cmd uses all of it
mod run;
mod secret;
mod sent_rows;
mod servers;
mod take_over;
mod waiting;
mod wire;
mod worker;
mod worker_chart;
