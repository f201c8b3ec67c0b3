//! Runs the program on an input, measures it, and compares the measurements of two sizes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

/// The time after which a run is ended. No family needs a tenth of it.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The minimum time of the smaller run, without the start of the program. Below it, noise would hide the growth.
const MIN_TIME: Duration = Duration::from_millis(25);
/// The maximum ratio of the times at 2N and at N: 2 for linear growth, 4 for quadratic growth.
const MAX_RATIO: f64 = 3.0;
/// The ratio below which one run at each size is enough.
const CLEAR_RATIO: f64 = 2.3;
/// The number of runs at each size, of which the fastest counts; and the number when the ratio is still too large.
const RUNS: usize = 3;
const MAX_RUNS: usize = 6;
/// The peak memory of a run that is refused, and the part of the peak memory that does not depend on the input.
const BASE_MEMORY: u64 = 100 << 20;

/// The files of an input, each with its name and content.
pub(crate) type InputFiles = Vec<(String, String)>;

/// Makes a family of its name, N, command and generator.
pub(crate) type Row<'a> = &'a dyn Fn(&'static str, usize, &'static str, fn(usize) -> InputFiles) -> Family;

/// A family of inputs with a common form.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// The table and the name.
    pub(crate) name: &'static str,
    /// Generates the files of an input of size N.
    pub(crate) generate: fn(usize) -> InputFiles,
    /// The arguments of the program, separated by spaces. Words of the form `NAME=VALUE` before the first argument are
    /// environment variables, and `< FILE` at the end is the standard input.
    pub(crate) command: &'static str,
    pub(crate) n: usize,
    pub(crate) expected: Expectation,
}

/// What the program does with the inputs of a family.
#[derive(Clone, Copy)]
pub(crate) enum Expectation {
    /// It exits with 0 or 1, in time that grows less than quadratically, with at most this much memory for each unit of
    /// input, in addition to [`BASE_MEMORY`].
    Linear { max_memory_per_input: u64 },
    /// It exits with 2 and an error that contains this string, at N as well as at 2N.
    Refused(&'static str),
}

/// Returns the expectation of most families.
pub(crate) const fn linear() -> Expectation {
    Expectation::Linear { max_memory_per_input: 100 }
}

/// The measurements of a run.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    time: Duration,
    peak_memory: u64,
    input_size: u64,
}

impl Family {
    /// Runs the program at N and 2N.
    ///
    /// # Errors
    ///
    /// Fails with a description if the program is neither fast nor refuses the input.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.expected {
            Expectation::Refused(message) => self.check_refusal(message),
            Expectation::Linear { max_memory_per_input } => self.check_growth(max_memory_per_input),
        }
    }

    /// Checks that the input is refused without much memory, and in time that does not grow faster than the input.
    fn check_refusal(&self, message: &str) -> Result<(), String> {
        let start = start_time()?;
        let run = |n| {
            let measured = Prepared::new(self, n).run(2, Some(message))?;
            if measured.peak_memory > BASE_MEMORY {
                return Err(format!("refused at {n}, but with {} MB", measured.peak_memory >> 20));
            }
            Ok(measured)
        };
        let (mut at_n, mut at_2n) = (run(self.n)?, run(2 * self.n)?);
        let is_in_proportion = |at_n: Measurement, at_2n: Measurement| {
            let growth = at_2n.input_size as f64 / at_n.input_size as f64;
            at_2n.time <= start + MIN_TIME.max(at_n.time.saturating_sub(start)).mul_f64(MAX_RATIO / 2.0 * growth)
        };
        let mut runs = 1;
        while runs < MAX_RUNS && !is_in_proportion(at_n, at_2n) {
            (at_n, at_2n, runs) = (at_n.min(run(self.n)?), at_2n.min(run(2 * self.n)?), runs + 1);
        }
        self.report(self.n, at_n);
        self.report(2 * self.n, at_2n);
        match is_in_proportion(at_n, at_2n) {
            true => Ok(()),
            false => Err(format!("takes too long to refuse: {at_n:?} at {}, {at_2n:?} at {}", self.n, 2 * self.n)),
        }
    }

    fn check_growth(&self, max_memory_per_input: u64) -> Result<(), String> {
        let start = start_time()?;
        let without_start = |measured: Measurement| measured.time.saturating_sub(start);
        let mut n = self.n;
        let mut small = Prepared::new(self, n);
        let mut at_n = small.run(1, None)?;
        // A release build is faster, so it needs larger inputs.
        while without_start(at_n) < MIN_TIME {
            n *= 2;
            small = Prepared::new(self, n);
            at_n = small.run(1, None)?;
        }
        let large = Prepared::new(self, 2 * n);
        let mut at_2n = large.run(1, None)?;
        let ratio = |at_n, at_2n| without_start(at_2n).as_secs_f64() / without_start(at_n).as_secs_f64();
        let mut runs = 1;
        // Growth that is clearly linear needs no further runs.
        while runs < RUNS && ratio(at_n, at_2n) >= CLEAR_RATIO || runs < MAX_RUNS && ratio(at_n, at_2n) >= MAX_RATIO {
            at_n = at_n.min(small.run(1, None)?);
            at_2n = at_2n.min(large.run(1, None)?);
            runs += 1;
        }
        self.report(n, at_n);
        self.report(2 * n, at_2n);
        if ratio(at_n, at_2n) >= MAX_RATIO {
            return Err(format!("grows too fast: {at_n:?} at {n}, {at_2n:?} at {}", 2 * n));
        }
        let limit = BASE_MEMORY + max_memory_per_input * at_2n.input_size;
        match at_2n.peak_memory <= limit {
            true => Ok(()),
            false => Err(format!("needs too much memory: {at_2n:?}, the limit is {} MB", limit >> 20)),
        }
    }

    /// Prints a measurement, if that is requested.
    fn report(&self, n: usize, Measurement { time, peak_memory, input_size }: Measurement) {
        if std::env::var_os("JOBPLATE_HOSTILE_VERBOSE").is_some() {
            let (kilobytes, megabytes) = (input_size >> 10, peak_memory >> 20);
            let (name, time) = (self.name, time.as_millis());
            let line = format!("{name:40} {n:8} {kilobytes:6} kB {time:7} ms {megabytes:5} MB\n");
            drop(std::io::stderr().write_all(line.as_bytes()));
        }
    }
}

impl Measurement {
    fn min(self, other: Measurement) -> Measurement {
        if other.time < self.time { other } else { self }
    }
}

/// Returns the time that the program needs to start.
fn start_time() -> Result<Duration, String> {
    static START: std::sync::OnceLock<Result<Duration, String>> = std::sync::OnceLock::new();
    let measure = || {
        let family = Family { name: "", generate: |_| Vec::new(), command: "schema", n: 0, expected: linear() };
        let prepared = Prepared::new(&family, 0);
        let mut fastest = prepared.run(1, None)?;
        for _ in 0..3 {
            fastest = fastest.min(prepared.run(1, None)?);
        }
        Ok(fastest.time)
    };
    START.get_or_init(measure).clone()
}

/// The files of one size, in a directory in which the program runs.
struct Prepared {
    command: &'static str,
    directory: tempfile::TempDir,
    input_size: u64,
}

impl Prepared {
    fn new(family: &Family, n: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let mut input_size = 0;
        for (name, text) in (family.generate)(n) {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a directory can be created");
            input_size += text.len() as u64;
            std::fs::write(path, text).expect("a file can be written");
        }
        Prepared { command: family.command, directory, input_size }
    }

    /// Runs the program. Its exit code must be at most `max_status`, and exactly 2 with this string in its error if
    /// `message` is not `None`.
    fn run(&self, max_status: i32, message: Option<&str>) -> Result<Measurement, String> {
        let directory = self.directory.path();
        let (arguments, stdin) = self.command.split_once(" < ").unwrap_or((self.command, "/dev/null"));
        let errors = directory.join("ERRORS");
        let create = |path: &Path| File::create(path).map_err(|error| error.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobplate"));
        command.env_clear().env("HOME", directory).current_dir(directory);
        let mut words = arguments.split(' ').peekable();
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            command.env(name, value);
            words.next();
        }
        command.args(words.map(|word| if word == "''" { "" } else { word }));
        command.stdin(File::open(directory.join(stdin)).map_err(|error| error.to_string())?);
        let mut child =
            command.stdout(Stdio::null()).stderr(create(&errors)?).spawn().map_err(|error| error.to_string())?;
        let begin = Instant::now();
        let used = loop {
            match child.try_wait4().map_err(|error| error.to_string())? {
                Some(used) => break used,
                None if begin.elapsed() > TIME_LIMIT => {
                    drop(child.kill());
                    drop(child.wait());
                    return Err(format!("not done after {TIME_LIMIT:?} with {} kB", self.input_size >> 10));
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let mut text = String::new();
        drop(File::open(&errors).and_then(|file| file.take(2000).read_to_string(&mut text)));
        let status = used.status.code().unwrap_or(-1);
        let is_expected = match message {
            Some(message) => status == 2 && text.contains(message),
            None => (0..=max_status).contains(&status),
        };
        if !is_expected {
            return Err(format!("{}, {} kB: {text}", used.status, self.input_size >> 10));
        }
        let time = used.rusage.utime + used.rusage.stime;
        Ok(Measurement { time, peak_memory: used.rusage.maxrss, input_size: self.input_size })
    }
}
