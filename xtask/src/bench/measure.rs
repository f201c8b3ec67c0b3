//! One run of a program: wall time, CPU time and peak memory, as the kernel counted them for that child.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use wait4::Wait4 as _;

/// Where a program's output goes.
pub enum Output {
    Null,
    File(PathBuf),
}

/// A command line to be measured.
pub struct Contestant {
    pub name: &'static str,
    command: Vec<String>,
    output: Output,
}

impl Contestant {
    pub fn new(name: &'static str, command: Vec<String>, output: Output) -> Self {
        Contestant { name, command, output }
    }
}

/// Medians of several runs: seconds and bytes.
#[derive(Clone, Copy)]
pub struct Medians {
    pub wall: f64,
    pub cpu: f64,
    pub peak: u64,
}

/// Runs each contestant once, then each again, so that a change of the machine's speed meets all alike.
pub fn in_turns(contestants: &[Contestant], runs: usize) -> Result<Vec<Medians>> {
    for contestant in contestants {
        one(contestant)?; // brings files into memory
    }
    let mut samples: Vec<Vec<Medians>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (contestant, samples) in contestants.iter().zip(&mut samples) {
            samples.push(one(contestant)?);
        }
    }
    let median = |samples: &[Medians], by: fn(&Medians) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(by).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let medians = samples.iter().map(|samples| Medians {
        wall: median(samples, |one| one.wall),
        cpu: median(samples, |one| one.cpu),
        peak: median(samples, |one| one.peak as f64) as u64,
    });
    Ok(medians.collect())
}

/// The peak is never below this program's own when it starts the child: it shares our memory until it
/// becomes another program. That is why nothing here reads an input as a whole before measuring.
fn one(contestant: &Contestant) -> Result<Medians> {
    let stdout = match &contestant.output {
        Output::Null => Stdio::null(),
        Output::File(path) => File::create(path)?.into(),
    };
    let mut command = Command::new(&contestant.command[0]);
    command.args(&contestant.command[1..]).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("{} does not start", contestant.name))?;
    let used = child.wait4()?;
    let wall = start.elapsed().as_secs_f64();
    if !used.status.success() {
        bail!("{} failed ({}): {:?}", contestant.name, used.status, contestant.command);
    }
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    Ok(Medians { wall, cpu, peak: used.rusage.maxrss })
}
