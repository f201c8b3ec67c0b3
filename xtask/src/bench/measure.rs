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
pub struct Contestant {
    pub name: &'static str,
    command: Vec<String>,
    output: Output,
    /// The file that the command reads on standard input. `None` for an empty input.
    input: Option<PathBuf>,
}

impl Contestant {
    pub fn new(name: &'static str, command: Vec<String>, output: Output) -> Self {
        Contestant { name, command, output, input: None }
    }

    /// Makes the command read a file on standard input.
    pub fn with_input(self, input: &Path) -> Self {
        Contestant { input: Some(input.to_owned()), ..self }
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
pub fn in_turns(measure: &Path, contestants: &[Contestant], runs: usize) -> Result<Vec<Measurement>> {
    for contestant in contestants {
        // The first run loads files into the page cache and is not counted.
        measure_once(measure, contestant)?;
    }
    let mut samples: Vec<Vec<Measurement>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (contestant, samples) in contestants.iter().zip(&mut samples) {
            samples.push(measure_once(measure, contestant)?);
        }
    }
    Ok(samples.iter().map(|samples| medians(samples)).collect())
}

pub fn medians(samples: &[Measurement]) -> Measurement {
    let median = |figure: fn(&Measurement) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measurement { wall: median(|one| one.wall), cpu: median(|one| one.cpu), peak: median(|one| one.peak as f64) as u64 }
}

/// Measures one run with `src/bin/measure.rs`. Fails if the command fails.
pub fn measure_once(measure: &Path, contestant: &Contestant) -> Result<Measurement> {
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
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} failed ({}): {stderr}{:?}", contestant.name, output.status, contestant.command);
    }
    let numbers: Vec<u64> = stderr.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[wall, user, system, peak] = numbers.as_slice() else { bail!("no measurement: {stderr}") };
    Ok(Measurement { wall: wall as f64 / 1e6, cpu: (user + system) as f64 / 1e6, peak })
}
