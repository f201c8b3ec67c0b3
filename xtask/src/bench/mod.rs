//! `cargo xtask bench`: compares whole programs on the same input. The programs run alternately.
//!
//! Measures processes: the medians of wall time, CPU time and peak memory over several runs. With `--apply`, measures
//! only programs that communicate with an API server, and with `--check` only those that check manifests.
//! `benches/speed.rs` measures single functions, such as verification.

mod apply;
mod check;
mod input;
mod measure;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::measure::{Candidate, Measurement, Output};
use crate::dist;
use crate::run::{self, cargo_command, run_step};

/// The number of documents in the stream that all programs edit: about 8.4 MB.
const DOCUMENTS: usize = 3200;
/// The size of the large input, as a multiple of the stream's size.
const LARGE_FACTOR: usize = 100;

/// Runs `cargo xtask bench`.
pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--large", "--apply", "--check"], &["--runs", "--without", "--program"])?;
    let runs = usize::try_from(run::option_number(args, "--runs")?.unwrap_or(5))?;
    if runs < 5 {
        bail!("--runs: a median needs at least 5");
    }
    let excluded: Vec<&str> =
        args.windows(2).filter(|pair| pair[0] == "--without").map(|pair| pair[1].as_str()).collect();
    let is_large = args.iter().any(|arg| arg == "--large");

    let program = args.iter().position(|arg| arg == "--program").and_then(|at| args.get(at + 1));
    let jobplate = program.map_or_else(dist::build_program, |path| Ok(fs::canonicalize(path)?))?;
    drop_from_page_cache(&jobplate)?;
    let mut build =
        cargo_command(&["build", "--release", "--package", "xtask", "--bin", "measure", "--bin", "patches"]);
    run_step("what measures it", &mut build)?;
    let release = run::target().join("release");
    let measure = release.join("measure");
    let programs = Programs { jobplate: &jobplate, measure: &measure };
    let directory = run::target().join("bench");
    fs::create_dir_all(&directory)?;
    if args.iter().any(|arg| arg == "--apply") {
        return apply::run(programs, &directory, runs);
    }
    if args.iter().any(|arg| arg == "--check") {
        return check::run(programs, &directory, runs);
    }
    let stream = directory.join("workloads.yaml");
    let no_targets = directory.join("no-targets.yaml");
    input::write_workloads(&stream, DOCUMENTS)?;
    input::write_without_targets(&no_targets, DOCUMENTS)?;

    compare_with_peers(programs, &stream, &directory, runs, &excluded)?;
    measure_jobplate(programs, &stream, &no_targets, &directory, runs)?;
    measure_post_renderer(programs, &directory.join("chart.yaml"), runs)?;
    if is_large {
        measure_memory(programs, &stream, &directory, runs)?;
    } else {
        println!("\nPeak memory on 100 times the input: --large (writes 844 MB into {})", directory.display());
    }
    println!("\nWhat an edit and its proof cost: cargo bench --bench speed -- edit (beside `scan`, `plan`)");
    Ok(())
}

/// Drops a new file from the page cache. Linux caches a newly written file in larger folios than a file that was read,
/// and counts each folio that a program touches as the program's memory. This would add up to 2 MB.
fn drop_from_page_cache(file: &Path) -> Result<()> {
    let mut dd = Command::new("dd");
    dd.arg(format!("of={}", file.display())).args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
    run_step("the program leaves the page cache", &mut dd)
}

/// The program to measure, and the program that measures it.
#[derive(Clone, Copy)]
struct Programs<'p> {
    jobplate: &'p Path,
    measure: &'p Path,
}

/// Returns the command that appends an entry to every container of an input.
fn edit_command(jobplate: &Path, input: &Path) -> Vec<String> {
    let words = ["render", &input.to_string_lossy(), "--target", "Job", "--target", "Deployment", "--all-containers"];
    let mut command = vec![jobplate.to_string_lossy().into_owned()];
    command.extend(words.map(str::to_owned));
    command.extend(["--secret-env", "BENCH_TOKEN=bench/token"].map(str::to_owned));
    command
}

fn to_strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Compares all installed programs that can make the same edit: append an entry to every container's `env`.
fn compare_with_peers(
    programs: Programs<'_>,
    stream: &Path,
    directory: &Path,
    runs: usize,
    excluded: &[&str],
) -> Result<()> {
    let input = stream.to_string_lossy().into_owned();
    let mut candidates = vec![
        Candidate::new("jobplate", edit_command(programs.jobplate, stream), Output::Null),
        Candidate::new(
            "jobplate, to a file",
            edit_command(programs.jobplate, stream),
            Output::File(directory.join("out.yaml")),
        ),
        Candidate::new("cat", to_strings(&["cat", &input]), Output::Null),
        Candidate::new("cat, to a file", to_strings(&["cat", &input]), Output::File(directory.join("out-cat.yaml"))),
    ];
    let mut missing = Vec::new();
    let is_included = |name: &str| !excluded.contains(&name);
    if is_included("kubectl") && run::first_output_line("kubectl", &["version", "--client"]).is_some() {
        let command = to_strings(&["kubectl", "set", "env", "--local", "-f", &input, "BENCH_TOKEN=x", "-o", "yaml"]);
        candidates.push(Candidate::new("kubectl set env --local", command, Output::Null));
    } else {
        missing.push("kubectl");
    }
    // Another program named yq converts YAML to JSON and loses comments, so only mikefarah's yq is compared.
    let yq = run::first_output_line("yq", &["--version"]).filter(|version| version.contains("mikefarah"));
    if is_included("yq") && yq.is_some() {
        let entry = r#"{"name": "BENCH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "bench", "key": "token"}}}"#;
        let program = format!(".spec.template.spec.containers[].env += [{entry}]");
        candidates.push(Candidate::new("yq", to_strings(&["yq", &program, &input]), Output::Null));
    } else {
        missing.push("yq (mikefarah's)");
    }
    let kustomization = input::write_kustomization(directory, stream)?;
    let at = kustomization.to_string_lossy();
    if is_included("kustomize") && run::first_output_line("kustomize", &["version"]).is_some() {
        candidates.push(Candidate::new("kustomize build", to_strings(&["kustomize", "build", &at]), Output::Null));
    } else if is_included("kustomize") && run::first_output_line("kubectl", &["version", "--client"]).is_some() {
        candidates.push(Candidate::new("kubectl kustomize", to_strings(&["kubectl", "kustomize", &at]), Output::Null));
    } else {
        missing.push("kustomize");
    }
    let size = fs::metadata(stream)?.len();
    println!(
        "\nOne entry into every container of {DOCUMENTS} Jobs and Deployments, {:.2} MB, {runs} runs in turns",
        megabytes(size)
    );
    let medians = measure::measure_alternately(programs.measure, &candidates, runs)?;
    print_table(&candidates, &medians, Some(0));
    for name in missing {
        println!("not here, so not measured: {name}");
    }
    check_output(&directory.join("out.yaml"), stream)
}

/// Checks that every container was edited, so that a missing edit is not mistaken for a fast edit.
fn check_output(output: &Path, stream: &Path) -> Result<()> {
    let (edited, original) = (fs::read_to_string(output)?, fs::read_to_string(stream)?);
    let entries = edited.matches("name: BENCH_TOKEN").count();
    let containers = original.matches("image: ").count();
    if entries != containers {
        bail!("jobplate wrote {entries} entries into {containers} containers");
    }
    Ok(())
}

/// Compares `post-render` with `render` on 10 MB of workloads with embedded job templates. Fails if `post-render` takes
/// more than twice as long.
fn measure_post_renderer(programs: Programs<'_>, chart: &Path, runs: usize) -> Result<()> {
    let template = fs::read_to_string(run::root().join("templates/job_template.yaml"))?;
    input::write_chart(chart, DOCUMENTS, &template)?;
    let embedded_target = ["--target", "configmap/*:job_template.yaml"].map(str::to_owned);
    let render = edit_command(programs.jobplate, chart);
    let mut post_render = render.clone();
    post_render[1] = "post-render".to_owned();
    post_render.remove(2);
    let candidates = [
        Candidate::new("render FILE", render.clone(), Output::Null),
        Candidate::new("post-render", post_render.clone(), Output::Null).with_input(chart),
        Candidate::new("render FILE, texts too", [&render[..], &embedded_target].concat(), Output::Null),
        Candidate::new("post-render, texts too", [&post_render[..], &embedded_target].concat(), Output::Null)
            .with_input(chart),
    ];
    println!("\n{:.2} MB as a post-renderer gets them, {runs} runs in turns", megabytes(fs::metadata(chart)?.len()));
    let medians = measure::measure_alternately(programs.measure, &candidates, runs)?;
    print_table(&candidates, &medians, Some(0));
    let ratio = medians[3].wall / medians[2].wall;
    println!("post-render: {ratio:.2} times render (at most 2)");
    if ratio > 2.0 {
        bail!("post-render takes longer than twice `render`");
    }
    Ok(())
}

/// Measures the program's startup time, and its throughput for documents with and without targets.
fn measure_jobplate(
    programs: Programs<'_>,
    stream: &Path,
    no_targets: &Path,
    directory: &Path,
    runs: usize,
) -> Result<()> {
    let repeated = directory.join("no-targets-long.yaml");
    input::repeat(no_targets, &repeated, 20)?;
    let program = programs.jobplate.to_string_lossy().into_owned();
    let mut no_targets_command = edit_command(programs.jobplate, &repeated);
    no_targets_command.push("--allow-no-match".to_owned());
    let candidates = [
        Candidate::new("true (the floor of these figures)", to_strings(&["true"]), Output::Null),
        Candidate::new("jobplate --version", to_strings(&[&program, "--version"]), Output::Null),
        Candidate::new("jobplate, documents without targets", no_targets_command, Output::Null),
        Candidate::new("cat of the same", to_strings(&["cat", &repeated.to_string_lossy()]), Output::Null),
        Candidate::new("jobplate, every document a target", edit_command(programs.jobplate, stream), Output::Null),
    ];
    let medians = measure::measure_alternately(programs.measure, &candidates, runs * 4 + 1)?;
    let size = fs::metadata(&repeated)?.len();
    println!("\nBy itself; {:.0} MB without targets, {} runs in turns", megabytes(size), runs * 4 + 1);
    print_table(&candidates, &medians, None);
    let start = medians[1].wall;
    println!("start: {:.2} ms", 1e3 * start);
    println!("documents without targets: {:.0} MB/s", megabytes(size) / (medians[2].wall - start));
    println!("documents with targets: {:.0} MB/s", megabytes(fs::metadata(stream)?.len()) / (medians[4].wall - start));
    fs::remove_file(repeated)?;
    Ok(())
}

/// Compares the peak memory for inputs of 8 MB and 800 MB. Fails if the difference is more than 4 MB.
fn measure_memory(programs: Programs<'_>, stream: &Path, directory: &Path, runs: usize) -> Result<()> {
    let large_input = directory.join("workloads-large.yaml");
    input::write_workloads(&large_input, DOCUMENTS * LARGE_FACTOR)?;
    let candidates = [
        Candidate::new("jobplate", edit_command(programs.jobplate, stream), Output::Null),
        Candidate::new("jobplate, 100 times the input", edit_command(programs.jobplate, &large_input), Output::Null),
        Candidate::new("cat, 100 times the input", to_strings(&["cat", &large_input.to_string_lossy()]), Output::Null),
    ];
    println!(
        "\n{:.0} MB beside {:.2} MB, {runs} runs in turns",
        megabytes(fs::metadata(&large_input)?.len()),
        megabytes(fs::metadata(stream)?.len())
    );
    let medians = measure::measure_alternately(programs.measure, &candidates, runs)?;
    print_table(&candidates, &medians, None);
    let difference = (medians[1].peak as f64 - medians[0].peak as f64) / 1e6;
    println!("peak memory: {difference:+.2} MB on 100 times the input (at most +4)");
    fs::remove_file(&large_input).with_context(|| large_input.display().to_string())?;
    if difference > 4.0 {
        bail!("memory grows with the input");
    }
    Ok(())
}

/// Converts bytes to megabytes.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Prints a table of measurements. If `reference` is the index of a command, the last column is the wall time as a
/// multiple of that command's.
fn print_table(candidates: &[Candidate], medians: &[Measurement], reference: Option<usize>) {
    println!(
        "{:<40} {:>10} {:>10} {:>10} {:>9}",
        "",
        "wall ms",
        "CPU ms",
        "peak MB",
        if reference.is_some() { "times" } else { "" }
    );
    for (candidate, median) in candidates.iter().zip(medians) {
        print!(
            "{:<40} {:>10.2} {:>10.2} {:>10.2}",
            candidate.name,
            1e3 * median.wall,
            1e3 * median.cpu,
            megabytes(median.peak)
        );
        match reference {
            Some(reference) => println!(" {:>9.2}", median.wall / medians[reference].wall),
            None => println!(),
        }
    }
}
