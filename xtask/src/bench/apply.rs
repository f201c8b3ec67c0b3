//! `cargo xtask bench --apply`: measures the time to apply 400 CronJobs to an API server.
//!
//! Compares jobplate with kubectl and with the baseline, a loop that sends the same requests over four connections
//! (`src/bin/patches.rs`). All commands run alternately on the same server. Each run uses a new namespace.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use self::servers::{ADMIN, Servers};
use super::input;
use super::measure::{self, Candidate, Measurement, Output};
use super::{Programs, megabytes, print_table, to_strings};
use crate::run;

#[path = "../../../tests/cluster/http.rs"]
#[allow(dead_code)] // The tests use the other items.
mod http;
#[path = "../../../tests/cluster/servers.rs"]
#[allow(dead_code)]
mod servers;

const CRON_JOBS: usize = 400;
/// The number of connections of the baseline. More connections are not faster on two processors.
const CONNECTIONS: &str = "4";
const EDIT: [&str; 2] = ["--secret-env", "BENCH_TOKEN=bench/token"];
/// The maximum wall time of each command, as a multiple of the baseline's.
const MAX_RATIOS: [(&str, f64); 2] = [("jobplate apply --no-preflight", 1.3), ("jobplate apply", 2.3)];

/// Runs `cargo xtask bench --apply`. Fails if a command is too slow.
pub fn run(programs: Programs<'_>, directory: &Path, runs: usize) -> Result<()> {
    let programs_directory = crate::servers::install_all()?.context("Go is not here, and builds the servers")?;
    let servers = Servers::start(&programs_directory).map_err(|error| anyhow!(error))?;
    // Stop the controllers, which would otherwise process new CronJobs while the next command is measured.
    servers.stop_controllers();
    let (manifests, rendered) = (directory.join("cronjobs.yaml"), directory.join("cronjobs-rendered.yaml"));
    input::write_cron_jobs(&manifests, CRON_JOBS)?;
    render(programs.jobplate, &manifests, &rendered)?;

    let mut samples: [Vec<Measurement>; 4] = Default::default();
    let mut candidates = Vec::new();
    // The first round is a warm-up and is not counted.
    for round in 0..=runs {
        let namespaces: [String; 4] = std::array::from_fn(|_| servers.create_namespace("bench"));
        candidates = build_candidates(programs.jobplate, &servers, &manifests, &rendered, &namespaces);
        for ((candidate, namespace), samples) in candidates.iter().zip(&namespaces).zip(&mut samples) {
            let sample = measure::measure_once(programs.measure, candidate)?;
            check_applied(&servers, namespace, candidate.name)?;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let medians: Vec<Measurement> = samples.iter().map(|samples| measure::compute_medians(samples)).collect();
    let size = megabytes(fs::metadata(&rendered)?.len());
    println!("\n{CRON_JOBS} CronJobs, {size:.2} MB, into new namespaces of one server, {runs} runs in turns");
    print_table(&candidates, &medians, Some(0));
    let mut too_slow = Vec::new();
    for (name, max) in MAX_RATIOS {
        let at = candidates.iter().position(|candidate| candidate.name == name).context(name)?;
        let ratio = medians[at].wall / medians[0].wall;
        println!("{name}: {ratio:.2} times the bare requests (at most {max})");
        if ratio > max {
            too_slow.push(name);
        }
    }
    if !too_slow.is_empty() {
        bail!("too slow: {}", too_slow.join(", "));
    }
    Ok(())
}

/// Returns the commands to measure. All commands apply the same objects, each to its own namespace.
fn build_candidates(
    jobplate: &Path,
    servers: &Servers,
    manifests: &Path,
    rendered: &Path,
    [baseline, no_preflight, default, kubectl]: &[String; 4],
) -> Vec<Candidate> {
    let to_text = |path: &Path| path.to_string_lossy().into_owned();
    let (port, authority) = (servers.endpoint().port.to_string(), to_text(&servers.authority()));
    let (manifests, rendered, config) = (to_text(manifests), to_text(rendered), to_text(&servers.kubeconfig(ADMIN)));
    let (jobplate, patches) = (to_text(jobplate), to_text(&run::target().join("release/patches")));
    let apply_command = |namespace: &str, options: &[&str]| {
        let command = [&jobplate, "apply", &manifests, "--kubeconfig", &config, "-n", namespace];
        to_strings(&[&command, &EDIT[..], options].concat())
    };
    let baseline = to_strings(&[&patches, &port, &authority, ADMIN, baseline, &rendered, CONNECTIONS]);
    let server_side = ["apply", "--server-side", "-f", &rendered, "--kubeconfig", &config, "-n", kubectl];
    let kubectl = to_strings(&[&[&*to_text(&servers.program("kubectl"))], &server_side[..]].concat());
    [
        ("bare requests, 4 connections", baseline),
        (MAX_RATIOS[0].0, apply_command(no_preflight, &["--no-preflight"])),
        (MAX_RATIOS[1].0, apply_command(default, &[])),
        ("kubectl apply --server-side", kubectl),
    ]
    .map(|(name, command)| Candidate::new(name, command, Output::Null))
    .into()
}

/// Renders the manifests to a file, which the baseline and kubectl send.
fn render(jobplate: &Path, manifests: &Path, rendered: &Path) -> Result<()> {
    let output = Command::new(jobplate).arg("render").arg(manifests).args(EDIT).output()?;
    let entries = String::from_utf8_lossy(&output.stdout).matches("name: BENCH_TOKEN").count();
    if entries != CRON_JOBS {
        bail!("render wrote {entries} entries: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(fs::write(rendered, &output.stdout)?)
}

/// Checks that a command has applied all CronJobs.
fn check_applied(servers: &Servers, namespace: &str, name: &str) -> Result<()> {
    let list = format!("/apis/batch/v1/namespaces/{namespace}/cronjobs");
    let response = servers.client(ADMIN).request("GET", &list, "", b"")?;
    // `managedFields` also contains the name, but with escaped quotes, so each CronJob matches once.
    let applied = response.text().matches("\"name\":\"BENCH_TOKEN\"").count();
    if applied != CRON_JOBS {
        bail!("{name}: {applied} of {CRON_JOBS} CronJobs are there");
    }
    Ok(())
}
