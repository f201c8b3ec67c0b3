//! One run of a program: wall time, CPU time and peak memory, as the kernel counted them for that child.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

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
    /// What it reads on standard input.
    input: Option<PathBuf>,
}

impl Contestant {
    pub fn new(name: &'static str, command: Vec<String>, output: Output) -> Self {
        Contestant { name, command, output, input: None }
    }

    /// One that reads a file on standard input.
    pub fn reading(self, input: &Path) -> Self {
        Contestant { input: Some(input.to_owned()), ..self }
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
pub fn in_turns(measure: &Path, contestants: &[Contestant], runs: usize) -> Result<Vec<Medians>> {
    for contestant in contestants {
        one(measure, contestant)?; // brings files into memory
    }
    let mut samples: Vec<Vec<Medians>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (contestant, samples) in contestants.iter().zip(&mut samples) {
            samples.push(one(measure, contestant)?);
        }
    }
    Ok(samples.iter().map(|samples| medians(samples)).collect())
}

pub fn medians(samples: &[Medians]) -> Medians {
    let median = |by: fn(&Medians) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(by).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Medians { wall: median(|one| one.wall), cpu: median(|one| one.cpu), peak: median(|one| one.peak as f64) as u64 }
}

/// Through `src/bin/measure.rs`, which is small enough not to be counted as the program's memory.
pub fn one(measure: &Path, contestant: &Contestant) -> Result<Medians> {
    let stdout = match &contestant.output {
        Output::Null => Stdio::null(),
        Output::File(path) => File::create(path)?.into(),
    };
    let mut command = Command::new(measure);
    let stdin = match &contestant.input {
        None => Stdio::null(),
        Some(path) => File::open(path)?.into(),
    };
    command.args(&contestant.command).stdin(stdin).stdout(stdout);
    let output = command.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} failed ({}): {said}{:?}", contestant.name, output.status, contestant.command);
    }
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[wall, user, system, peak] = numbers.as_slice() else { bail!("no measurement: {said}") };
    Ok(Medians { wall: wall as f64 / 1e6, cpu: (user + system) as f64 / 1e6, peak })
}
