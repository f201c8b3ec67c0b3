//! Measures the wall time, CPU time and peak memory of programs. The kernel counts them for each process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// The destination of a program's standard output.
pub enum Output {
    Null,
    File(PathBuf),
}

/// A command to measure.
pub struct Candidate {
    pub name: &'static str,
    command: Vec<String>,
    output: Output,
    /// The file that the command reads on standard input. `None` for an empty input.
    input: Option<PathBuf>,
}

impl Candidate {
    pub fn new(name: &'static str, command: Vec<String>, output: Output) -> Self {
        Candidate { name, command, output, input: None }
    }

    /// Makes the command read a file on standard input.
    pub fn with_input(self, input: &Path) -> Self {
        Candidate { input: Some(input.to_owned()), ..self }
    }
}

/// The measurement of one run, or the medians of several runs.
#[derive(Clone, Copy)]
pub struct Measurement {
    /// The wall time in seconds.
    pub wall: f64,
    /// The CPU time in seconds.
    pub cpu: f64,
    /// The peak memory in bytes.
    pub peak: u64,
}

/// Runs the commands alternately, so that a change in the machine's speed affects all of them. Returns the medians for
/// each command.
pub fn measure_alternately(measure: &Path, candidates: &[Candidate], runs: usize) -> Result<Vec<Measurement>> {
    for candidate in candidates {
        // The first run loads files into the page cache and is not counted.
        measure_once(measure, candidate)?;
    }
    let mut samples: Vec<Vec<Measurement>> = candidates.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (candidate, samples) in candidates.iter().zip(&mut samples) {
            samples.push(measure_once(measure, candidate)?);
        }
    }
    Ok(samples.iter().map(|samples| compute_medians(samples)).collect())
}

pub fn compute_medians(samples: &[Measurement]) -> Measurement {
    let median = |value_of: fn(&Measurement) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(value_of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measurement {
        wall: median(|sample| sample.wall),
        cpu: median(|sample| sample.cpu),
        peak: median(|sample| sample.peak as f64) as u64,
    }
}

/// Measures one run with `src/bin/measure.rs`. Fails if the command fails.
pub fn measure_once(measure: &Path, candidate: &Candidate) -> Result<Measurement> {
    let stdout = match &candidate.output {
        Output::Null => Stdio::null(),
        Output::File(path) => File::create(path)?.into(),
    };
    let mut command = Command::new(measure);
    let stdin = match &candidate.input {
        None => Stdio::null(),
        Some(path) => File::open(path)?.into(),
    };
    command.args(&candidate.command).stdin(stdin).stdout(stdout);
    let output = command.stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} failed ({}): {stderr}{:?}", candidate.name, output.status, candidate.command);
    }
    let numbers: Vec<u64> = stderr.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[wall, user, system, peak] = numbers.as_slice() else { bail!("no measurement: {stderr}") };
    Ok(Measurement { wall: wall as f64 / 1e6, cpu: (user + system) as f64 / 1e6, peak })
}
