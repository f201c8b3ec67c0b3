//! `cargo xtask bench --apply`: how long it takes until an API server has 400 CronJobs.
//!
//! Beside the program stands the least that could be done, the same requests sent by a bare loop over four
//! connections (`src/bin/patches.rs`), and kubectl. All of them go to the same server, in turns, each time
//! into a new namespace.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use self::servers::{ADMIN, Servers};
use super::input;
use super::measure::{self, Contestant, Medians, Output};
use super::{Programs, mega, table, words};
use crate::run;

#[path = "../../../tests/cluster/http.rs"]
#[allow(dead_code)] // the tests use all of it
mod http;
#[path = "../../../tests/cluster/servers.rs"]
#[allow(dead_code)]
mod servers;

const CRON_JOBS: usize = 400;
/// More bring nothing on two processors.
const CONNECTIONS: &str = "4";
const EDIT: [&str; 2] = ["--secret-env", "BENCH_TOKEN=bench/token"];
/// What the program may take, in times of the bare loop.
const MOST: [(&str, f64); 2] = [("jobplate apply --no-preflight", 1.3), ("jobplate apply", 2.3)];

pub fn run(programs: Programs<'_>, folder: &Path, runs: usize) -> Result<()> {
    let built = crate::servers::folder()?.context("Go is not here, and builds the servers")?;
    let servers = Servers::start(&built).map_err(|error| anyhow!(error))?;
    // They would look at every new CronJob while the next contestant is being measured.
    servers.stop_controllers();
    let (manifests, rendered) = (folder.join("cronjobs.yaml"), folder.join("cronjobs-rendered.yaml"));
    input::write_cron_jobs(&manifests, CRON_JOBS)?;
    render(programs.jobplate, &manifests, &rendered)?;

    let mut samples: [Vec<Medians>; 4] = Default::default();
    let mut contestants = Vec::new();
    // The first turn warms up, and does not count.
    for turn in 0..=runs {
        let namespaces: [String; 4] = std::array::from_fn(|_| servers.namespace("bench"));
        contestants = in_namespaces(programs.jobplate, &servers, &manifests, &rendered, &namespaces);
        for ((contestant, namespace), samples) in contestants.iter().zip(&namespaces).zip(&mut samples) {
            let sample = measure::one(programs.measure, contestant)?;
            check(&servers, namespace, contestant.name)?;
            if turn > 0 {
                samples.push(sample);
            }
        }
    }
    let medians: Vec<Medians> = samples.iter().map(|samples| measure::medians(samples)).collect();
    let size = mega(fs::metadata(&rendered)?.len());
    println!("\n{CRON_JOBS} CronJobs, {size:.2} MB, into new namespaces of one server, {runs} runs in turns");
    table(&contestants, &medians, Some(0));
    let mut too_slow = Vec::new();
    for (name, most) in MOST {
        let at = contestants.iter().position(|contestant| contestant.name == name).context(name)?;
        let times = medians[at].wall / medians[0].wall;
        println!("{name}: {times:.2} times the bare requests (at most {most})");
        if times > most {
            too_slow.push(name);
        }
    }
    if !too_slow.is_empty() {
        bail!("too slow: {}", too_slow.join(", "));
    }
    Ok(())
}

/// The same objects for everybody, who has a namespace each.
fn in_namespaces(
    jobplate: &Path,
    servers: &Servers,
    manifests: &Path,
    rendered: &Path,
    [bare, quick, usual, kubectl]: &[String; 4],
) -> Vec<Contestant> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (port, authority) = (servers.endpoint().port.to_string(), text(&servers.authority()));
    let (manifests, rendered, config) = (text(manifests), text(rendered), text(&servers.kubeconfig(ADMIN)));
    let (jobplate, patches) = (text(jobplate), text(&run::target().join("release/patches")));
    let apply = |namespace: &str, more: &[&str]| {
        let command = [&jobplate, "apply", &manifests, "--kubeconfig", &config, "-n", namespace];
        words(&[&command, &EDIT[..], more].concat())
    };
    let bare = words(&[&patches, &port, &authority, ADMIN, bare, &rendered, CONNECTIONS]);
    let server_side = ["apply", "--server-side", "-f", &rendered, "--kubeconfig", &config, "-n", kubectl];
    let kubectl = words(&[&[&*text(&servers.program("kubectl"))], &server_side[..]].concat());
    [
        ("bare requests, 4 connections", bare),
        (MOST[0].0, apply(quick, &["--no-preflight"])),
        (MOST[1].0, apply(usual, &[])),
        ("kubectl apply --server-side", kubectl),
    ]
    .map(|(name, command)| Contestant::new(name, command, Output::Null))
    .into()
}

/// What the others send is what the program makes of the manifests.
fn render(jobplate: &Path, manifests: &Path, rendered: &Path) -> Result<()> {
    let output = Command::new(jobplate).arg("render").arg(manifests).args(EDIT).output()?;
    let entries = String::from_utf8_lossy(&output.stdout).matches("name: BENCH_TOKEN").count();
    if entries != CRON_JOBS {
        bail!("render wrote {entries} entries: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(fs::write(rendered, &output.stdout)?)
}

/// Who sent less was not faster.
fn check(servers: &Servers, namespace: &str, name: &str) -> Result<()> {
    let list = format!("/apis/batch/v1/namespaces/{namespace}/cronjobs");
    let answer = servers.client(ADMIN).request("GET", &list, "", b"")?;
    // managedFields name the entries too, but between other quotes.
    let made = answer.text().matches("\"name\":\"BENCH_TOKEN\"").count();
    if made != CRON_JOBS {
        bail!("{name}: {made} of {CRON_JOBS} CronJobs are there");
    }
    Ok(())
}
