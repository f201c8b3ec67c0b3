//! `jobplate render`: plan everything, then print, replace files, or say what would change.

use std::io::Write;
use std::process::ExitCode;

use anstream::ColorChoice;

use super::args::{Output, Render};
use super::output::{Replacements, to_stdout};
use super::{input, to_stderr};
use crate::error::{Error, Result};
use crate::inject::Injection;
use crate::manifest::select::{ContainerChoice, Glob};
use crate::render::{Joined, Rendering, Seen, write_error};
use crate::report;

/// How many objects an error lists.
const LISTED: usize = 20;

/// Runs the command; the exit code says whether files would change (`--check`).
pub(super) fn run(command: Render, color: ColorChoice) -> Result<ExitCode> {
    let sources = input::open(&command.inputs, command.recursive)?;
    let mut rendering = Rendering::plan(sources, &command.injection, command.max_document_size)?;
    if rendering.targets == 0 {
        refuse_no_match(&mut rendering, &command)?;
    }
    let names = &command.injection.names;
    if rendering.targets > 1 && (names.name.is_some() || names.generate_name.is_some()) {
        let flag = if names.name.is_some() { "--name" } else { "--generate-name" };
        return Err(Error::usage(format!("{flag} gives one name, but {} objects match", rendering.targets))
            .hint("narrow it to one with --target KIND/NAME"));
    }
    if !command.quiet {
        let notes: String = rendering.notes.iter().map(report::note).collect();
        to_stderr(&notes, color);
    }
    match command.output {
        Output::Check => check(&mut rendering, command.diff, color),
        Output::InPlace => replace(&mut rendering, command.diff, color),
        Output::Print if command.diff => {
            print_diff(&mut rendering, color)?;
            Ok(ExitCode::SUCCESS)
        }
        Output::Print => to_stdout(|out| print(&mut rendering, out)),
    }
}

fn print(rendering: &mut Rendering, out: &mut dyn Write) -> Result<()> {
    let mut joined = Joined::new(out);
    for input in 0..rendering.len() {
        joined.begin().map_err(|error| write_error(&error))?;
        rendering.write(input, &mut joined)?;
    }
    joined.finish().map_err(|error| write_error(&error))
}

/// Lists the inputs that would change, or shows how: exit code 1 if there are any.
fn check(rendering: &mut Rendering, diff: bool, color: ColorChoice) -> Result<ExitCode> {
    let changing: Vec<usize> = (0..rendering.len()).filter(|&input| rendering.changes(input)).collect();
    if diff {
        print_diff(rendering, color)?;
    } else {
        let list: String = changing.iter().map(|&input| format!("{}\n", rendering.name(input))).collect();
        to_stdout(|out| out.write_all(list.as_bytes()).map_err(|error| write_error(&error)))?;
    }
    Ok(ExitCode::from(u8::from(!changing.is_empty())))
}

/// Replaces the files that change, once all of them are written.
fn replace(rendering: &mut Rendering, diff: bool, color: ColorChoice) -> Result<ExitCode> {
    if diff {
        print_diff(rendering, color)?;
    }
    let mut replacements = Replacements::default();
    for input in 0..rendering.len() {
        if rendering.changes(input) {
            let name = rendering.name(input).to_owned();
            replacements.add(&name, |out| rendering.write(input, out))?;
        }
    }
    replacements.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what changes, values masked.
fn print_diff(rendering: &mut Rendering, color: ColorChoice) -> Result<ExitCode> {
    let choice = match color {
        ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        other => other,
    };
    to_stdout(|out| {
        for input in 0..rendering.len() {
            if !rendering.changes(input) {
                continue;
            }
            let name = rendering.name(input).to_owned();
            let mut text = format!("--- {name}\n+++ {name}\n");
            // Lines that earlier documents of this input have gained.
            let mut gained = 0isize;
            rendering.edited_documents(input, |line, before, after| {
                text.push_str(&report::unified(before, after, line, line.saturating_add_signed(gained)));
                let count = |text: &str| text.matches('\n').count() as isize;
                gained += count(after) - count(before);
            })?;
            if choice == ColorChoice::Never {
                text = anstream::adapter::strip_str(&text).to_string();
            }
            out.write_all(text.as_bytes()).map_err(|error| write_error(&error))?;
        }
        Ok(())
    })
}

/// Nothing is a target: an error that lists what was seen, unless that was asked for.
fn refuse_no_match(rendering: &mut Rendering, command: &Render) -> Result<()> {
    let seen = rendering.seen()?;
    if seen.is_empty() {
        let first = (!rendering.is_empty()).then(|| rendering.name(0).to_owned());
        let error =
            Error::input("there is no Kubernetes object in the input").hint("name a manifest, or pipe one in as `-`");
        return Err(match first {
            Some(name) if rendering.len() == 1 => error.in_file(name),
            _ => error,
        });
    }
    if command.allow_no_match {
        return Ok(());
    }
    let mut list = String::new();
    for Seen { object, input, containers } in seen.iter().take(LISTED) {
        list.push_str(&format!("\n  {object} in {input}"));
        if !containers.is_empty() {
            list.push_str(&format!(", containers: {}", containers.join(", ")));
        }
    }
    if seen.len() > LISTED {
        list.push_str(&format!("\n  and {} more", seen.len() - LISTED));
    }
    Err(Error::usage(format!("nothing matches {}; seen:{list}", what_was_asked(&command.injection)))
        .hint(format!("name what you mean: {} (or pass --allow-no-match)", line_to_paste(&seen))))
}

fn what_was_asked(injection: &Injection) -> String {
    let objects = match (injection.targets.is_empty(), injection.prefect.is_empty()) {
        (false, _) => "the targets asked for",
        (true, false) => "a Job, a CronJob or a Deployment that runs a Prefect agent",
        (true, true) => "a Job or CronJob",
    };
    match &injection.containers {
        ContainerChoice::Named(globs) => {
            let names: Vec<&str> = globs.iter().map(Glob::as_str).collect();
            format!("{objects} with a container {}", names.join(", "))
        }
        _ => objects.to_owned(),
    }
}

/// A `--target` for the first object that carries a pod, to be pasted.
fn line_to_paste(seen: &[Seen]) -> String {
    let with_pod = seen.iter().find(|seen| !seen.containers.is_empty());
    format!("--target {}", with_pod.or(seen.first()).map_or("KIND/NAME", |seen| &seen.object))
}
