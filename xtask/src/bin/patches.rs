//! The baseline of `cargo xtask bench --apply`: applies CronJobs with as little work as possible. Each thread only
//! sends documents unchanged. This is a separate program, so that it can be built with optimizations.
//!
//! Usage: `patches PORT AUTHORITY TOKEN NAMESPACE FILE CONNECTIONS`. The CronJobs in the file must be named
//! `nightly-0`, `nightly-1` and so on.

#[path = "../../../tests/cluster/http.rs"]
#[allow(dead_code)] // The tests use the other items.
mod http;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow, bail};

use http::{Client, Endpoint};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, authority, token, namespace, file, connections] = args.as_slice() else { bail!("six arguments") };
    let endpoint = Endpoint::new(port.parse()?, Path::new(authority)).map_err(|error| anyhow!(error))?;
    let text = std::fs::read_to_string(file)?;
    let documents: Vec<&str> = text.split("---\n").filter(|document| !document.is_empty()).collect();
    let next = AtomicUsize::new(0);
    let send_documents = || -> Result<()> {
        let client = Client::new(endpoint.clone(), token);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(document) = documents.get(number) else { return Ok(()) };
            let query = "fieldManager=jobplate&fieldValidation=Strict";
            let path = format!("/apis/batch/v1/namespaces/{namespace}/cronjobs/nightly-{number}?{query}");
            let response = client.request("PATCH", &path, "application/apply-patch+yaml", document.as_bytes())?;
            if response.status != 201 {
                bail!("{}: {}", response.status, response.text());
            }
        }
    };
    let connections: usize = connections.parse()?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(send_documents)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}
