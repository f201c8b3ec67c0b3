//! `cargo xtask bench`: whole programs beside each other, on the same input, in turns.
//!
//! Measures processes only: wall time, CPU time and peak memory of each run, medians of several.
//! With `--apply` that is what talks to an API server, and nothing else.
//! Functions by themselves (what verification costs among them) are `benches/speed.rs`.

mod apply;
mod input;
mod measure;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::measure::{Contestant, Medians, Output};
use crate::dist;
use crate::run::{self, cargo, step};

/// Documents of the stream that everyone edits: about 8.4 MB.
const DOCUMENTS: usize = 3200;
const LARGE: usize = 100;

pub fn run(args: &[String]) -> Result<()> {
    run::check_options(args, &["--large", "--apply"], &["--runs", "--without"])?;
    let runs = usize::try_from(run::number(args, "--runs")?.unwrap_or(5))?;
    if runs < 5 {
        bail!("--runs: a median needs at least 5");
    }
    let without: Vec<&str> =
        args.windows(2).filter(|pair| pair[0] == "--without").map(|pair| pair[1].as_str()).collect();
    let large = args.iter().any(|arg| arg == "--large");

    let jobplate = dist::program()?;
    drop_from_page_cache(&jobplate)?;
    let mut build = cargo(&["build", "--release", "--package", "xtask", "--bin", "measure", "--bin", "patches"]);
    step("what measures it", &mut build)?;
    let release = run::target().join("release");
    let measure = release.join("measure");
    let programs = Programs { jobplate: &jobplate, measure: &measure };
    let folder = run::target().join("bench");
    fs::create_dir_all(&folder)?;
    if args.iter().any(|arg| arg == "--apply") {
        return apply::run(programs, &folder, runs);
    }
    let stream = folder.join("workloads.yaml");
    let others = folder.join("no-targets.yaml");
    input::write_workloads(&stream, DOCUMENTS)?;
    input::write_without_targets(&others, DOCUMENTS)?;

    beside_peers(programs, &stream, &folder, runs, &without)?;
    by_itself(programs, &stream, &others, &folder, runs)?;
    post_renderer(programs, &folder.join("chart.yaml"), runs)?;
    if large {
        memory(programs, &stream, &folder, runs)?;
    } else {
        println!("\nPeak memory on 100 times the input: --large (writes 844 MB into {})", folder.display());
    }
    println!("\nWhat an edit and its proof cost: cargo bench --bench speed -- edit (beside `scan`, `plan`)");
    Ok(())
}

/// Drops a new file from the page cache. Linux keeps a file that was just written in larger pieces than one that was
/// read, and counts each piece of a program that is touched as its memory: up to 2 MB more.
fn drop_from_page_cache(file: &Path) -> Result<()> {
    let mut dd = Command::new("dd");
    dd.arg(format!("of={}", file.display())).args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
    step("the program leaves the page cache", &mut dd)
}

/// What is measured, and what measures it.
#[derive(Clone, Copy)]
struct Programs<'p> {
    jobplate: &'p Path,
    measure: &'p Path,
}

fn edit(jobplate: &Path, input: &Path) -> Vec<String> {
    let words = ["render", &input.to_string_lossy(), "--target", "Job", "--target", "Deployment", "--all-containers"];
    let mut command = vec![jobplate.to_string_lossy().into_owned()];
    command.extend(words.map(str::to_owned));
    command.extend(["--secret-env", "BENCH_TOKEN=bench/token"].map(str::to_owned));
    command
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

/// The same edit by everyone who is here: one entry appended in every container.
fn beside_peers(programs: Programs<'_>, stream: &Path, folder: &Path, runs: usize, without: &[&str]) -> Result<()> {
    let input = stream.to_string_lossy().into_owned();
    let mut contestants = vec![
        Contestant::new("jobplate", edit(programs.jobplate, stream), Output::Null),
        Contestant::new("jobplate, to a file", edit(programs.jobplate, stream), Output::File(folder.join("out.yaml"))),
        Contestant::new("cat", words(&["cat", &input]), Output::Null),
        Contestant::new("cat, to a file", words(&["cat", &input]), Output::File(folder.join("out-cat.yaml"))),
    ];
    let mut absent = Vec::new();
    let is_wanted = |name: &str| !without.contains(&name);
    if is_wanted("kubectl") && run::first_line("kubectl", &["version", "--client"]).is_some() {
        let command = words(&["kubectl", "set", "env", "--local", "-f", &input, "BENCH_TOKEN=x", "-o", "yaml"]);
        contestants.push(Contestant::new("kubectl set env --local", command, Output::Null));
    } else {
        absent.push("kubectl");
    }
    // Another program of this name edits YAML by way of JSON, and can't keep comments.
    let yq = run::first_line("yq", &["--version"]).filter(|version| version.contains("mikefarah"));
    if is_wanted("yq") && yq.is_some() {
        let entry = r#"{"name": "BENCH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "bench", "key": "token"}}}"#;
        let program = format!(".spec.template.spec.containers[].env += [{entry}]");
        contestants.push(Contestant::new("yq", words(&["yq", &program, &input]), Output::Null));
    } else {
        absent.push("yq (mikefarah's)");
    }
    let kustomization = input::write_kustomization(folder, stream)?;
    let at = kustomization.to_string_lossy();
    if is_wanted("kustomize") && run::first_line("kustomize", &["version"]).is_some() {
        contestants.push(Contestant::new("kustomize build", words(&["kustomize", "build", &at]), Output::Null));
    } else if is_wanted("kustomize") && run::first_line("kubectl", &["version", "--client"]).is_some() {
        contestants.push(Contestant::new("kubectl kustomize", words(&["kubectl", "kustomize", &at]), Output::Null));
    } else {
        absent.push("kustomize");
    }
    let size = fs::metadata(stream)?.len();
    println!(
        "\nOne entry into every container of {DOCUMENTS} Jobs and Deployments, {:.2} MB, {runs} runs in turns",
        mega(size)
    );
    let medians = measure::in_turns(programs.measure, &contestants, runs)?;
    table(&contestants, &medians, Some(0));
    for name in absent {
        println!("not here, so not measured: {name}");
    }
    check_output(&folder.join("out.yaml"), stream)
}

/// An edit that is fast because it did not happen must not be printed as a success.
fn check_output(output: &Path, stream: &Path) -> Result<()> {
    let (edited, original) = (fs::read_to_string(output)?, fs::read_to_string(stream)?);
    let entries = edited.matches("name: BENCH_TOKEN").count();
    let containers = original.matches("image: ").count();
    if entries != containers {
        bail!("jobplate wrote {entries} entries into {containers} containers");
    }
    Ok(())
}

/// Ten megabytes as Helm pipes them in, job templates in ConfigMaps among them.
fn post_renderer(programs: Programs<'_>, chart: &Path, runs: usize) -> Result<()> {
    let template = fs::read_to_string(run::root().join("templates/job_template.yaml"))?;
    input::write_chart(chart, DOCUMENTS, &template)?;
    let texts = ["--target", "configmap/*:job_template.yaml"].map(str::to_owned);
    let render = edit(programs.jobplate, chart);
    let mut post_render = render.clone();
    post_render[1] = "post-render".to_owned();
    post_render.remove(2);
    let contestants = [
        Contestant::new("render FILE", render.clone(), Output::Null),
        Contestant::new("post-render", post_render.clone(), Output::Null).reading(chart),
        Contestant::new("render FILE, texts too", [&render[..], &texts].concat(), Output::Null),
        Contestant::new("post-render, texts too", [&post_render[..], &texts].concat(), Output::Null).reading(chart),
    ];
    println!("\n{:.2} MB as a post-renderer gets them, {runs} runs in turns", mega(fs::metadata(chart)?.len()));
    let medians = measure::in_turns(programs.measure, &contestants, runs)?;
    table(&contestants, &medians, Some(0));
    let times = medians[3].wall / medians[2].wall;
    println!("post-render: {times:.2} times render (at most 2)");
    if times > 2.0 {
        bail!("post-render takes longer than twice `render`");
    }
    Ok(())
}

/// Starting up, and copying what has no target.
fn by_itself(programs: Programs<'_>, stream: &Path, others: &Path, folder: &Path, runs: usize) -> Result<()> {
    let long = folder.join("no-targets-long.yaml");
    input::repeat(others, &long, 20)?;
    let program = programs.jobplate.to_string_lossy().into_owned();
    let mut pass = edit(programs.jobplate, &long);
    pass.push("--allow-no-match".to_owned());
    let contestants = [
        Contestant::new("true (the floor of these figures)", words(&["true"]), Output::Null),
        Contestant::new("jobplate --version", words(&[&program, "--version"]), Output::Null),
        Contestant::new("jobplate, documents without targets", pass, Output::Null),
        Contestant::new("cat of the same", words(&["cat", &long.to_string_lossy()]), Output::Null),
        Contestant::new("jobplate, every document a target", edit(programs.jobplate, stream), Output::Null),
    ];
    let medians = measure::in_turns(programs.measure, &contestants, runs * 4 + 1)?;
    let size = fs::metadata(&long)?.len();
    println!("\nBy itself; {:.0} MB without targets, {} runs in turns", mega(size), runs * 4 + 1);
    table(&contestants, &medians, None);
    let start = medians[1].wall;
    println!("start: {:.2} ms", 1e3 * start);
    println!("documents without targets: {:.0} MB/s", mega(size) / (medians[2].wall - start));
    println!("documents with targets: {:.0} MB/s", mega(fs::metadata(stream)?.len()) / (medians[4].wall - start));
    fs::remove_file(long)?;
    Ok(())
}

/// Peak memory on 8 MB and on 800 MB.
fn memory(programs: Programs<'_>, stream: &Path, folder: &Path, runs: usize) -> Result<()> {
    let large = folder.join("workloads-large.yaml");
    input::write_workloads(&large, DOCUMENTS * LARGE)?;
    let contestants = [
        Contestant::new("jobplate", edit(programs.jobplate, stream), Output::Null),
        Contestant::new("jobplate, 100 times the input", edit(programs.jobplate, &large), Output::Null),
        Contestant::new("cat, 100 times the input", words(&["cat", &large.to_string_lossy()]), Output::Null),
    ];
    println!(
        "\n{:.0} MB beside {:.2} MB, {runs} runs in turns",
        mega(fs::metadata(&large)?.len()),
        mega(fs::metadata(stream)?.len())
    );
    let medians = measure::in_turns(programs.measure, &contestants, runs)?;
    table(&contestants, &medians, None);
    let more = (medians[1].peak as f64 - medians[0].peak as f64) / 1e6;
    println!("peak memory: {more:+.2} MB on 100 times the input (at most +4)");
    fs::remove_file(&large).with_context(|| large.display().to_string())?;
    if more > 4.0 {
        bail!("memory grows with the input");
    }
    Ok(())
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn table(contestants: &[Contestant], medians: &[Medians], unit: Option<usize>) {
    println!(
        "{:<40} {:>10} {:>10} {:>10} {:>9}",
        "",
        "wall ms",
        "CPU ms",
        "peak MB",
        if unit.is_some() { "times" } else { "" }
    );
    for (contestant, median) in contestants.iter().zip(medians) {
        print!(
            "{:<40} {:>10.2} {:>10.2} {:>10.2}",
            contestant.name,
            1e3 * median.wall,
            1e3 * median.cpu,
            mega(median.peak)
        );
        match unit {
            Some(unit) => println!(" {:>9.2}", median.wall / medians[unit].wall),
            None => println!(),
        }
    }
}
